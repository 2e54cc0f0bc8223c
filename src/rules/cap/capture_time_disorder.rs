#![doc = include_str!("capture_time_disorder.md")]

use crate::capture::FrameId;
use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{ClockDifference, Facts};
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "CAP106",
    name: "capture-time-disorder",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("capture_time_disorder.md"),
    thresholds: &[],
    gate: Gate::CAPTURE,
    check: Check::Capture(check),
};

fn check(facts: &Facts, findings: &mut Findings<'_>) {
    for (capture, own) in (0..).zip(&facts.captures) {
        let back = &own.steps_back;
        if back.count == 0 {
            continue;
        }
        let frame = |(number, time): &(u64, _)| (FrameId { capture, number: *number }, *time);
        let file = name(facts, capture).filter(|_| facts.captures.len() > 1);
        findings.report(
            Report::on_capture()
                .frames(back.first.iter().map(frame))
                .with_some("file", file)
                .with("steps_back", back.count)
                .with("largest_step_ms", back.largest),
        );
    }
    for clock in &facts.clocks {
        let ClockDifference { capture, from, ahead, messages, is_corrected } = *clock;
        findings.report(
            Report::on_capture()
                .with_some("file", name(facts, capture))
                .with_some("other_file", name(facts, from))
                .with_some("clock_ahead_ms", Some(ahead).filter(|ahead| *ahead > Span::ZERO))
                .with_some("clock_behind_ms", Some(ahead.abs()).filter(|_| ahead < Span::ZERO))
                .with("messages", messages)
                .with("corrected", is_corrected),
        );
    }
}

/// The path of a capture as it was given.
fn name(facts: &Facts, capture: u16) -> Option<Value> {
    let own = facts.captures.get(usize::from(capture))?;
    Some(Value::quoted(own.path.to_string_lossy().as_bytes()))
}
