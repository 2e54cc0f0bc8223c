#![doc = include_str!("capture_duplicate_packets.md")]

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::Facts;

pub(crate) static RULE: Rule = Rule {
    code: "CAP104",
    name: "capture-duplicate-packets",
    severity: Severity::Info,
    since: "0.1.0",
    entry: include_str!("capture_duplicate_packets.md"),
    thresholds: &[],
    gate: Gate::CAPTURE,
    check: Check::Capture(check),
};

fn check(facts: &Facts, findings: &mut Findings<'_>) {
    let copies = facts.copies.count + facts.stream_copies;
    if copies == 0 {
        return;
    }
    let percent = copies as f64 * 100.0 / (facts.messages + copies) as f64;
    findings.report(
        Report::on_capture()
            .frames(facts.copies.first.iter().map(|(frame, time, _)| (*frame, *time)))
            .with("copies", copies)
            .with("percent", Value::Number(percent.round() as i64)),
    );
}
