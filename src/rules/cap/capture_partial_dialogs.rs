#![doc = include_str!("capture_partial_dialogs.md")]

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Examples, Facts};

pub(crate) static RULE: Rule = Rule {
    code: "CAP103",
    name: "capture-partial-dialogs",
    severity: Severity::Info,
    since: "0.1.0",
    entry: include_str!("capture_partial_dialogs.md"),
    thresholds: &[],
    gate: Gate::CAPTURE,
    check: Check::Capture(check),
};

fn check(facts: &Facts, findings: &mut Findings<'_>) {
    let (starts, ends) = (&facts.starts_mid_dialog, &facts.ends_mid_dialog);
    if starts.count == 0 && ends.count == 0 {
        return;
    }
    let frames = starts.first.iter().chain(&ends.first).map(|(frame, time, _)| (*frame, *time));
    findings.report(
        Report::on_capture()
            .frames(frames)
            .with("starts_mid_dialog", starts.count)
            .with("ends_mid_dialog", ends.count)
            .with("call_ids", call_ids([starts, ends])),
    );
}

fn call_ids(examples: [&Examples; 2]) -> Value {
    let mut values: Vec<Value> = Vec::new();
    for (_, _, call_id) in examples.into_iter().flat_map(|examples| &examples.first) {
        let value = Value::quoted(call_id);
        if !values.contains(&value) {
            values.push(value);
        }
    }
    Value::List(values)
}
