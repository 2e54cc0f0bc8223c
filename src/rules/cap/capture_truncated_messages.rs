#![doc = include_str!("capture_truncated_messages.md")]

use crate::capture::Note;
use crate::finding::{Check, Findings, Gate, Report, Rule, Severity};
use crate::signaling::Facts;

pub(crate) static RULE: Rule = Rule {
    code: "CAP102",
    name: "capture-truncated-messages",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("capture_truncated_messages.md"),
    thresholds: &[],
    gate: Gate::CAPTURE,
    check: Check::Capture(check),
};

fn check(facts: &Facts, findings: &mut Findings<'_>) {
    let unfinished = facts
        .captures
        .iter()
        .flat_map(|capture| &capture.notes)
        .filter(|note| matches!(note, Note::EndsInsideRecord { .. }))
        .count();
    let (cut, rtp) = (&facts.cut, &facts.cut_rtp);
    // The headers of RTP suffice for all that is said of media.
    let (severity, examples) = match (cut.count, unfinished, rtp.count) {
        (0, 0, 0) => return,
        (0, 0, _) => (Severity::Info, rtp),
        _ => (RULE.severity, cut),
    };
    findings.report(
        Report::on_capture()
            .severity(severity)
            .frames(examples.first.iter().map(|(frame, time, _)| (*frame, *time)))
            .with("messages", cut.count)
            .with_some("rtp_packets", Some(rtp.count).filter(|count| *count > 0))
            .with("unfinished_files", unfinished),
    );
}
