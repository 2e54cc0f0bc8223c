#![doc = include_str!("capture_truncated_messages.md")]

use crate::capture::Note;
use crate::finding::{Check, Findings, Report, Rule, Severity};
use crate::signaling::Facts;

pub(crate) static RULE: Rule = Rule {
    code: "CAP102",
    name: "capture-truncated-messages",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("capture_truncated_messages.md"),
    thresholds: &[],
    check: Check::Capture(check),
};

fn check(facts: &Facts, findings: &mut Findings<'_>) {
    let unfinished = facts
        .captures
        .iter()
        .flat_map(|capture| &capture.notes)
        .filter(|note| matches!(note, Note::EndsInsideRecord { .. }))
        .count();
    if facts.cut.count == 0 && unfinished == 0 {
        return;
    }
    findings.report(
        Report::on_capture()
            .frames(facts.cut.first.iter().map(|(frame, time, _)| (*frame, *time)))
            .with("messages", facts.cut.count)
            .with("unfinished_files", unfinished),
    );
}
