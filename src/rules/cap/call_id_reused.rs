#![doc = include_str!("call_id_reused.md")]

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::Facts;

pub(crate) static RULE: Rule = Rule {
    code: "CAP107",
    name: "call-id-reused",
    severity: Severity::Info,
    since: "0.1.0",
    entry: include_str!("call_id_reused.md"),
    thresholds: &[],
    gate: Gate::CAPTURE,
    check: Check::Capture(check),
};

fn check(facts: &Facts, findings: &mut Findings<'_>) {
    let reused = &facts.reused;
    if reused.count == 0 {
        return;
    }
    let mut call_ids: Vec<Value> =
        reused.first.iter().map(|(_, _, call_id)| Value::quoted(call_id)).collect();
    call_ids.dedup();
    findings.report(
        Report::on_capture()
            .frames(reused.first.iter().map(|(frame, time, _)| (*frame, *time)))
            .with("reused", reused.count)
            .with("call_ids", Value::List(call_ids)),
    );
}
