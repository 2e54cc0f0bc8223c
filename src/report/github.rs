//! Workflow commands: annotations on the run of a workflow at GitHub.
//!
//! The worst come first, because only the first ten of a kind in a step are shown. Findings of one
//! incident are one annotation. An expectation points at its line in the file of expectations, a
//! finding at the capture.

use std::collections::BTreeSet;
use std::io::{self, Write};

use crate::bytes::printable_str;
use crate::catalogue::Lang;
use crate::finding::{Finding, Severity};
use crate::report::index::{Index, SEVERITIES, portable};
use crate::report::outcome::{Missed, Outcome};

/// Writes a command a line.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn github(outcome: &Outcome<'_>, lang: Lang, out: &mut dyn Write) -> io::Result<()> {
    let index = Index::new(outcome.analysis, lang);
    outcome.broken().try_for_each(|missed| expectation(&index, missed, out))?;
    let incidents = &outcome.analysis.incidents;
    let folded: BTreeSet<usize> = incidents.iter().flat_map(|i| &i.findings).copied().collect();
    for severity in SEVERITIES {
        for incident in incidents.iter().filter(|incident| incident.severity == severity) {
            let of = incident.findings.iter();
            let mut findings = of.filter_map(|place| outcome.analysis.findings.get(*place));
            if let Some(example) = findings.next() {
                let more = format!(" x{}", index.words.count(incident.count));
                annotation(&index, example, severity, &more, out)?;
            }
        }
        let single = outcome.analysis.findings.iter().enumerate();
        for (place, finding) in single {
            if finding.severity == severity && !folded.contains(&place) {
                annotation(&index, finding, severity, "", out)?;
            }
        }
    }
    Ok(())
}

fn annotation(
    index: &Index<'_>,
    finding: &Finding,
    severity: Severity,
    more: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut lines = vec![index.message(finding)];
    lines.extend(index.facts(finding));
    let file = portable(&index.path(index.capture(finding)));
    let title = format!("{}{more}", index.title(finding));
    Command { level: level(severity), file: &file, line: None, title: &title }.write(&lines, out)
}

fn expectation(index: &Index<'_>, missed: &Missed, out: &mut dyn Write) -> io::Result<()> {
    let mut lines: Vec<String> = missed.message.lines().map(str::to_owned).collect();
    let words = index.words;
    lines.push(words.pair(words.get("capture"), &missed.capture));
    if !missed.frames.is_empty() {
        lines.push(words.pair(words.get("frames"), &index.frames(&missed.frames)));
    }
    let file = portable(missed.file.as_deref().unwrap_or(&missed.capture));
    let title = words.pair(words.get("expectation-missed"), &missed.case);
    Command { level: "error", file: &file, line: missed.line, title: &title }.write(&lines, out)
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warn => "warning",
        Severity::Info => "notice",
    }
}

struct Command<'a> {
    level: &'static str,
    file: &'a str,
    line: Option<usize>,
    title: &'a str,
}

impl Command<'_> {
    fn write(&self, lines: &[String], out: &mut dyn Write) -> io::Result<()> {
        write!(out, "::{} file={}", self.level, property(self.file))?;
        if let Some(line) = self.line {
            write!(out, ",line={line}")?;
        }
        let safe: Vec<_> = lines.iter().map(|line| printable_str(line)).collect();
        writeln!(out, ",title={}::{}", property(self.title), data(&safe.join("\n")))
    }
}

/// The message, as the runner reads it back.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property, which ends at a comma or at colons.
fn property(text: &str) -> String {
    data(&printable_str(text)).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_command_early() {
        let command = Command { level: "error", file: "a,b:c.pcap", line: Some(7), title: "50%" };
        let mut out = Vec::new();
        let lines = ["x::y\r\n::error::z".to_owned(), "100 %, done".to_owned()];
        command.write(&lines, &mut out).expect("a vector takes all");
        let expected = "::error file=a%2Cb%3Ac.pcap,line=7,title=50%25::\
            x::y\\r\\n::error::z%0A100 %25, done\n";
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
}
