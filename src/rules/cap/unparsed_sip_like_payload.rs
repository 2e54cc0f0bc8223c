#![doc = include_str!("unparsed_sip_like_payload.md")]

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::Facts;

pub(crate) static RULE: Rule = Rule {
    code: "CAP109",
    name: "unparsed-sip-like-payload",
    severity: Severity::Info,
    since: "0.1.0",
    entry: include_str!("unparsed_sip_like_payload.md"),
    thresholds: &[],
    gate: Gate::CAPTURE,
    check: Check::Capture(check),
};

fn check(facts: &Facts, findings: &mut Findings<'_>) {
    let unparsed = &facts.unparsed;
    let Some((_, _, beginning)) = unparsed.first.first() else { return };
    findings.report(
        Report::on_capture()
            .frames(unparsed.first.iter().map(|(frame, time, _)| (*frame, *time)))
            .with("payloads", unparsed.count)
            .with("begins_with", Value::quoted(beginning)),
    );
}
