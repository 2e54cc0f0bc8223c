#![doc = include_str!("capture_packet_loss.md")]

use crate::capture::FrameId;
use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Facts, Loss, LossKind};
use crate::time::Time;

pub(crate) static RULE: Rule = Rule {
    code: "CAP105",
    name: "capture-packet-loss",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("capture_packet_loss.md"),
    thresholds: &[],
    gate: Gate::CAPTURE,
    check: Check::Capture(check),
};

/// Frames that a finding names of each kind of loss.
const EXAMPLES_MAX: usize = 3;

fn check(facts: &Facts, findings: &mut Findings<'_>) {
    let dropped: u64 = (0..).zip(&facts.captures).map(|(capture, _)| facts.dropped(capture)).sum();
    let holes = facts.losses.holes;
    let fragmented = facts.fragmented().count();
    let moments = &facts.losses.moments;
    if dropped == 0 && holes == 0 && fragmented == 0 && moments.is_empty() {
        return;
    }
    let first = facts.losses.iter().find(|loss| loss.kind == LossKind::Segment);
    let flow = first.map(|loss| Value::Text(format!("{} > {}", loss.source, loss.destination)));
    let segments = facts.losses.iter().filter(|loss| loss.kind == LossKind::Segment);
    // Fragments alone may as well have been lost on their way, which is a fault of its own.
    let is_fragments_only = dropped == 0 && holes == 0 && moments.is_empty();
    let severity = if is_fragments_only { Severity::Info } else { RULE.severity };
    let start = facts.captures.iter().filter_map(|capture| capture.first_time).min();
    let after = moments.first().zip(start).map(|(first, start)| first.since(start));
    let frames: Vec<_> = segments
        .map(place)
        .take(EXAMPLES_MAX)
        .chain(facts.fragmented().map(place).take(EXAMPLES_MAX))
        .collect();
    findings.report(
        Report::on_capture()
            .severity(severity)
            .confidence(confidence(dropped, holes))
            .frames(frames)
            .with_some("dropped_packets", some(dropped))
            .with_some("holes", some(holes))
            .with_some("missing_bytes", some(facts.losses.bytes))
            .with_some("flow", flow)
            .with_some("unfinished_datagrams", some(fragmented as u64))
            .with_some("media_gaps", some(moments.len() as u64))
            .with_some("first_gap_after_ms", after),
    );
}

/// What is counted or acknowledged was there; a fragment may have been lost by the network.
fn confidence(dropped: u64, holes: u64) -> Confidence {
    match (dropped, holes) {
        (0, 0) => Confidence::Possible,
        (0, _) => Confidence::Likely,
        _ => Confidence::Certain,
    }
}

fn place(loss: &Loss) -> (FrameId, Time) {
    (loss.frame, loss.time)
}

fn some(count: u64) -> Option<u64> {
    Some(count).filter(|count| *count > 0)
}
