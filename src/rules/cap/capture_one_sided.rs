#![doc = include_str!("capture_one_sided.md")]

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::Facts;

pub(crate) static RULE: Rule = Rule {
    code: "CAP101",
    name: "capture-one-sided",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("capture_one_sided.md"),
    thresholds: &[],
    gate: Gate::CAPTURE,
    check: Check::Capture(check),
};

/// Fewer packets on a way prove nothing about the way back.
const MESSAGES_MIN: u64 = 3;

/// A single message that is missing is a lost packet.
const LACKING_MIN: u64 = 2;

fn check(facts: &Facts, findings: &mut Findings<'_>) {
    for ((source, destination), one_sided) in &facts.one_sided {
        let is_multicast = source.is_multicast() || destination.is_multicast();
        let is_little = one_sided.seen < MESSAGES_MIN || one_sided.lacking < LACKING_MIN;
        if is_little || is_multicast || !facts.lacks_way(*destination, *source) {
            continue;
        }
        findings.report(
            Report::on_capture()
                .frames(one_sided.implied.first.iter().map(|(frame, time, _)| (*frame, *time)))
                .with("from", Value::Text(source.to_string()))
                .with("to", Value::Text(destination.to_string()))
                .with("messages", one_sided.seen)
                .with("implied", one_sided.implied.count),
        );
    }
}
