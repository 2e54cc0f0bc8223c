//! The analysis as Markdown, for a ticket or the description of a change.
//!
//! What comes from a capture stands in code spans and fenced blocks, where nothing is markup, a
//! link or the name of a person who is called. Expectations that were missed come first, then
//! findings as in the text report: the worst in full, each diagnosis once.

use std::collections::BTreeSet;
use std::io::{self, Write};

use crate::analysis::CallSummary;
use crate::bytes::printable_str;
use crate::catalogue::{self, Lang};
use crate::finding::{Finding, Severity};
use crate::report::entries::{Entry, entries};
use crate::report::evidence;
use crate::report::filter::display_filter;
use crate::report::index::{Index, name_of};
use crate::report::outcome::{Missed, Outcome};
use crate::report::text::parts::Parts;

/// Findings told in full: a comment on a change has room for 65,536 characters.
const BLOCKS_MAX: usize = 10;

/// Findings in the table; more are counted.
const ROWS_MAX: usize = 100;

/// Calls that are listed; more are only counted.
const CALLS_MAX: usize = 20;

/// The rule that leaves the explanation to the status.
const GENERAL: &str = "final-response";

/// Writes the report.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn markdown(outcome: &Outcome<'_>, lang: Lang, out: &mut dyn Write) -> io::Result<()> {
    let index = Index::new(outcome.analysis, lang);
    let parts = Parts::new(outcome.analysis, lang);
    let told = (BTreeSet::new(), BTreeSet::new());
    let mut report = Report { index, parts, told, out };
    report.heading(1, report.index.words.get("report").to_owned())?;
    let broken = outcome.broken().count();
    if broken > 0 {
        let words = report.index.words;
        let counts = [broken, outcome.missed.len()].map(|count| words.count(count as u64));
        let values = [("missed", counts[0].as_str()), ("count", counts[1].as_str())];
        report.paragraph(&format!("**{}**", words.fill("expectations-missed", &values)))?;
    }
    let verdict = report.parts.verdict();
    report.paragraph(&format!("**{}**", prose(&verdict)))?;
    report.expectations(outcome.missed)?;
    report.capture()?;
    report.findings()?;
    report.calls()
}

struct Report<'a, 'o> {
    index: Index<'a>,
    parts: Parts<'a>,
    /// Rules and statuses that were explained.
    told: (BTreeSet<&'static str>, BTreeSet<u16>),
    out: &'o mut dyn Write,
}

impl<'a> Report<'a, '_> {
    fn word(&self, key: &str) -> String {
        self.index.words.get(key).to_owned()
    }

    fn heading(&mut self, level: usize, text: String) -> io::Result<()> {
        let before = if level == 1 { "" } else { "\n" };
        writeln!(self.out, "{before}{} {text}", "#".repeat(level))
    }

    fn paragraph(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "\n{text}")
    }

    /// Facts as a list; those without a name are told below the one before.
    fn facts(&mut self, facts: &[(String, String)]) -> io::Result<()> {
        writeln!(self.out)?;
        facts.iter().try_for_each(|(name, value)| match name.is_empty() {
            true => writeln!(self.out, "  - {value}"),
            false => writeln!(self.out, "- **{name}** {value}"),
        })
    }

    fn fenced(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "\n{}", fenced(text))
    }

    fn table(&mut self, head: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
        let head: Vec<String> = head.iter().map(|key| self.word(key)).collect();
        writeln!(self.out, "\n| {} |\n|{}", head.join(" | "), " --- |".repeat(head.len()))?;
        rows.iter().try_for_each(|row| {
            let cells: Vec<String> = row.iter().map(|text| cell(text)).collect();
            writeln!(self.out, "| {} |", cells.join(" | "))
        })
    }

    fn expectations(&mut self, missed: &[Missed]) -> io::Result<()> {
        if missed.is_empty() {
            return Ok(());
        }
        self.heading(2, self.word("expectations"))?;
        let rows: Vec<Vec<String>> = missed
            .iter()
            .map(|one| {
                let key = if one.passed { "expectation-met" } else { "expectation-missed" };
                vec![self.word(key), code(&one.case), code(&one.capture)]
            })
            .collect();
        self.table(&["state", "expectation", "capture"], &rows)?;
        for one in missed.iter().filter(|one| !one.passed) {
            self.heading(3, code(&one.case))?;
            let lines: Vec<_> = one.message.lines().map(printable_str).collect();
            self.fenced(&lines.join("\n"))?;
            let mut facts = Vec::new();
            if let Some(file) = &one.file {
                let line = one.line.map(|line| format!(":{line}")).unwrap_or_default();
                facts.push((self.word("file"), code(&format!("{file}{line}"))));
            }
            facts.push((self.word("capture"), code(&one.capture)));
            if !one.frames.is_empty() {
                facts.push((self.word("frames"), code(&self.index.frames(&one.frames))));
            }
            self.facts(&facts)?;
        }
        Ok(())
    }

    fn capture(&mut self) -> io::Result<()> {
        self.heading(2, self.word("capture"))?;
        let facts = self.parts.capture().into_iter();
        let facts: Vec<_> = facts.map(|(name, value)| (prose(&name), prose(&value))).collect();
        self.facts(&facts)?;
        let notes = self.parts.notes();
        if !notes.is_empty() {
            self.paragraph(&format!("**{}**\n", self.word("capture-notes")))?;
            notes.iter().try_for_each(|note| writeln!(self.out, "- {}", prose(note)))?;
        }
        Ok(())
    }

    fn findings(&mut self) -> io::Result<()> {
        self.heading(2, self.word("findings"))?;
        let entries = entries(self.index.analysis);
        if entries.is_empty() {
            return self.paragraph(&self.word("no-findings"));
        }
        let rows = entries.iter().take(ROWS_MAX).map(|entry| self.row(entry));
        let rows: Vec<Vec<String>> = rows.collect();
        self.table(&["severity", "code", "summary", "call", "frames"], &rows)?;
        if let Some(more) = entries.len().checked_sub(ROWS_MAX).filter(|more| *more > 0) {
            let words = self.index.words;
            let count = words.count(more as u64);
            self.paragraph(&words.fill("not-listed", &[("count", &count)]))?;
        }
        let told = entries.iter().filter(|entry| entry.severity > Severity::Info);
        told.take(BLOCKS_MAX).try_for_each(|entry| self.block(entry))
    }

    fn row(&self, entry: &Entry<'_>) -> Vec<String> {
        let (words, finding) = (self.index.words, entry.finding);
        let title = &self.index.rule(finding).entry.title;
        let title = format!("{title}{}", entry.times(words));
        vec![
            words.severity(entry.severity).to_owned(),
            finding.rule.code.to_owned(),
            title,
            finding.call_id.as_ref().map(|id| code(&self.parts.call(id))).unwrap_or_default(),
            code(&self.index.frames(&finding.frames)),
        ]
    }

    fn block(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        let finding = entry.finding;
        let words = self.index.words;
        let rule = self.index.rule(finding);
        let severity = words.severity(entry.severity).to_uppercase();
        self.heading(3, format!("{severity} {}", self.index.title(finding)))?;
        let message = evidence::message_with(finding, &rule, words, &|text| code(&text));
        self.paragraph(&message)?;
        let facts = self.facts_of(entry);
        self.facts(&facts)?;
        let ladder = self.parts.ladder(finding)?;
        if !ladder.is_empty() {
            self.fenced(&ladder)?;
        }
        self.diagnosis(finding)
    }

    fn facts_of(&self, entry: &Entry<'_>) -> Vec<(String, String)> {
        let finding = entry.finding;
        let words = self.index.words;
        let fact = |key: &str, value: String| (self.word(key), value);
        let mut facts = Vec::new();
        if let Some(call_id) = &finding.call_id {
            facts.push(fact("call", code(&self.parts.call(call_id))));
        }
        match (finding.client, finding.server) {
            (Some(client), Some(server)) => {
                let name = words.fill("client-to-server", &[]);
                facts.push((prose(&name), code(&format!("{client} > {server}"))));
            }
            (Some(client), None) => facts.push(fact("client", code(&client.to_string()))),
            (None, Some(server)) => facts.push(fact("server", code(&server.to_string()))),
            (None, None) => {}
        }
        facts.extend(finding.time.map(|time| fact("time", self.parts.time(time))));
        let rule = self.index.rule(finding);
        for (name, value) in &finding.evidence {
            if !rule.entry.message.contains(&format!("{{{name}}}")) {
                let shown = evidence::explained(name, value, words);
                facts.push((prose(&self.parts.evidence(name)), code(&shown)));
            }
        }
        if !finding.frames.is_empty() {
            facts.push(fact("frames", code(&self.index.frames(&finding.frames))));
        }
        facts.push(fact("confidence", words.confidence(finding.confidence).to_owned()));
        facts.extend(display_filter(finding).map(|filter| fact("wireshark", code(&filter))));
        facts
    }

    fn diagnosis(&mut self, finding: &Finding) -> io::Result<()> {
        let rule = self.index.rule(finding);
        let entry = &rule.entry;
        if !self.told.0.insert(finding.rule.code) {
            let above = self.index.words.fill("explained-above", &[("code", finding.rule.code)]);
            self.paragraph(&above)?;
        } else {
            self.paragraph(&format!("**{}**", self.word("what-happened")))?;
            self.paragraph(&entry.what)?;
            self.paragraph(&format!("**{}**\n", self.word("likely-causes")))?;
            entry.causes.iter().try_for_each(|cause| writeln!(self.out, "- {cause}"))?;
            self.paragraph(&format!("**{}**\n", self.word("what-to-do")))?;
            let mut actions = entry.actions.iter().enumerate();
            actions.try_for_each(|(at, action)| writeln!(self.out, "{}. {action}", at + 1))?;
        }
        for status in &finding.statuses {
            if !self.told.1.insert(status.code()) {
                continue;
            }
            let text = catalogue::status(status.code(), self.index.words.lang());
            let title = format!("{status} {}", text.phrase);
            self.paragraph(&format!("**{}**", title.trim_end()))?;
            self.paragraph(&text.description)?;
            if finding.rule.name == GENERAL && status.code() >= 300 {
                self.paragraph(&format!("**{}**", self.word("how-to-fix")))?;
                self.paragraph(&text.fix)?;
            }
        }
        Ok(())
    }

    fn calls(&mut self) -> io::Result<()> {
        let calls = &self.index.analysis.calls;
        if calls.is_empty() || calls.len() > CALLS_MAX || !self.parts.lists_all_calls() {
            return Ok(());
        }
        self.heading(2, self.word("calls"))?;
        let columns = ["call-number", "frame", "time", "kind", "from", "to", "state", "status"];
        let columns: Vec<&str> = columns.into_iter().chain(["set-up", "talk"]).collect();
        let rows = calls.iter().enumerate().map(|(place, call)| self.call_row(place, call));
        let rows: Vec<Vec<String>> = rows.collect();
        self.table(&columns, &rows)
    }

    fn call_row(&self, place: usize, call: &CallSummary) -> Vec<String> {
        let words = self.index.words;
        let uri = |uri: &Option<String>| uri.as_deref().map(code).unwrap_or_default();
        let span = |span: Option<crate::time::Span>| {
            span.map(|span| words.duration(span)).unwrap_or_default()
        };
        vec![
            (place + 1).to_string(),
            code(&name_of(call.first_frame, self.index.analysis)),
            self.parts.time(call.start),
            words.kind(call.kind.name()),
            uri(&call.from_uri),
            uri(&call.to_uri),
            words.state(call.fate()),
            call.final_status.map(|status| status.to_string()).unwrap_or_default(),
            span(call.pdd),
            span(call.talk),
        ]
    }
}

/// Lines in a block of their own.
pub(super) fn fenced(text: &str) -> String {
    let fence = "`".repeat(longest_run(text).max(2) + 1);
    format!("{fence}text\n{}\n{fence}", text.trim_end_matches('\n'))
}

/// The Markdown as it stands in a cell of a table.
pub(super) fn cell(text: &str) -> String {
    // A backslash before the one that keeps a bar in its cell would let it go.
    text.replace("\\|", "\\ |").replace('|', "\\|")
}

/// Captured text as a code span: there, nothing is markup, a link, an issue or a person.
pub(super) fn code(text: &str) -> String {
    let text = printable_str(text);
    if text.is_empty() {
        return String::new();
    }
    let fence = "`".repeat(match longest_run(&text) {
        0 => 1,
        run => run + 1,
    });
    let needs_room = text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']);
    let room = if needs_room { " " } else { "" };
    format!("{fence}{room}{text}{room}{fence}")
}

/// The longest row of backticks.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or_default()
}

/// Words of ours in which names from outside may stand: markup is escaped, and what pages turn into
/// links (`@name`, `#1`, `http://`, `www.`) is held in code spans.
pub(super) fn prose(text: &str) -> String {
    let text = printable_str(text);
    let mut out = String::with_capacity(text.len() + 16);
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    for (at, c) in text.char_indices() {
        let begins_list = at == 0 && matches!(c, '-' | '+' | '=' | '>');
        let ends_number = at > 0 && at == digits && matches!(c, '.' | ')');
        match c {
            '@' | '#' => out.extend(['`', c, '`']),
            '/' if text.get(..at).is_some_and(|before| before.ends_with(':')) => {
                out.push_str("`/`");
            }
            '.' if text.get(..at).is_some_and(ends_with_www) => out.push_str("`.`"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '|' | '~' | '&' | '$' | '!' => {
                out.extend(['\\', c]);
            }
            c if begins_list || ends_number => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

fn ends_with_www(text: &str) -> bool {
    text.len() >= 3 && text.get(text.len() - 3..).is_some_and(|end| end.eq_ignore_ascii_case("www"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captured_text_cannot_leave_its_span() {
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("``"), "``` `` ```");
        assert_eq!(code(""), "");
        assert_eq!(code("<b>@admin</b> #1"), "`<b>@admin</b> #1`");
        assert_eq!(code("a\nb"), "`a\\nb`");
    }

    #[test]
    fn names_in_prose_are_no_markup() {
        assert_eq!(prose("a_b*c|<x>"), "a\\_b\\*c\\|\\<x>");
        assert_eq!(prose("@admin #1"), "`@`admin `#`1");
        assert_eq!(prose("http://x www.y"), "http:`/`/x www`.`y");
        assert_eq!(prose("1. a"), "1\\. a");
        assert_eq!(prose("- a"), "\\- a");
    }
}
