//! A report of GitLab's code quality: a JSON array of issues.
//!
//! The place of a finding is the capture with the number of its first frame as line; that of an
//! expectation is its line in the file of expectations.

use std::io::{self, Write};

use serde::Serialize;

use crate::bytes::printable_str;
use crate::catalogue::Lang;
use crate::finding::Severity;
use crate::report::fingerprint::Fingerprints;
use crate::report::index::{Index, portable};
use crate::report::outcome::Outcome;

#[derive(Serialize)]
struct Issue {
    description: String,
    check_name: String,
    fingerprint: String,
    severity: &'static str,
    location: Location,
}

#[derive(Serialize)]
struct Location {
    path: String,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: u64,
}

impl Location {
    fn new(path: &str, line: u64) -> Self {
        Self { path: portable(&printable_str(path)), lines: Lines { begin: line } }
    }
}

/// Writes the array.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn gitlab(outcome: &Outcome<'_>, lang: Lang, out: &mut dyn Write) -> io::Result<()> {
    let index = Index::new(outcome.analysis, lang);
    let mut fingerprints = Fingerprints::default();
    let mut issues: Vec<Issue> = Vec::new();
    for missed in outcome.broken() {
        let words = index.words;
        let missing = words.pair(words.get("expectation-missed"), &missed.case);
        let message: Vec<_> = missed.message.lines().map(printable_str).collect();
        let file = missed.file.as_deref().unwrap_or(&missed.capture);
        issues.push(Issue {
            description: format!("{}\n{}", printable_str(&missing), message.join("\n")),
            check_name: "expectation".to_owned(),
            fingerprint: fingerprints.of_expectation(missed),
            severity: "critical",
            location: Location::new(file, missed.line.map_or(1, |line| line as u64)),
        });
    }
    for finding in &outcome.analysis.findings {
        issues.push(Issue {
            description: index.words.pair(&index.title(finding), &index.message(finding)),
            check_name: finding.rule.name.to_owned(),
            fingerprint: fingerprints.of(finding, &index),
            severity: match finding.severity {
                Severity::Error => "major",
                Severity::Warn => "minor",
                Severity::Info => "info",
            },
            location: Location::new(
                &index.path(index.capture(finding)),
                finding.frames.first().map_or(1, |frame| frame.number),
            ),
        });
    }
    serde_json::to_writer_pretty(&mut *out, &issues)?;
    writeln!(out)
}
