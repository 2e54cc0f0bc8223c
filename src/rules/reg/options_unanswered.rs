#![doc = include_str!("options_unanswered.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Facts, Outage, Threshold, Watch};
use crate::sip::{Status, timers};

pub(crate) static RULE: Rule = Rule {
    code: "REG108",
    name: "options-unanswered",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("options_unanswered.md"),
    thresholds: &[&IN_A_ROW, &CHANGES, &FLAPPING_SHARE],
    gate: Gate::CAPTURE,
    check: Check::Capture(check),
};

/// A single OPTIONS may just be lost.
static IN_A_ROW: Threshold = Threshold::count("in-a-row", 2);

/// A host that falls silent so often is flapping.
static CHANGES: Threshold = Threshold::count("changes", 3);

/// Of all OPTIONS, at least so many must fail: some are lost on any network.
static FLAPPING_SHARE: Threshold = Threshold::percent("flapping-share", 20);

/// Outages that a finding lists.
const LISTED: usize = 5;

fn check(facts: &Facts, findings: &mut Findings<'_>) {
    let in_a_row = findings.settings().count(&IN_A_ROW);
    let changes = findings.settings().count(&CHANGES);
    let share = u64::from(findings.settings().percent(&FLAPPING_SHARE));
    for watch in facts.pings.failing() {
        let is_flapping = watch.losses >= changes && watch.failed * 100 >= watch.pings * share;
        let is_outage = |outage: &&Outage| is_flapping || outage.pings >= in_a_row;
        let outages: Vec<_> = watch.outages.iter().filter(is_outage).collect();
        if !outages.is_empty() && is_visible(facts, &watch) {
            report(facts, &watch, &outages, is_flapping, findings);
        }
    }
}

/// Answers would have been seen (guard G2): some came, or nothing at all came from the host.
fn is_visible(facts: &Facts, watch: &Watch) -> bool {
    let (client, server) = (watch.client.address, watch.server.address);
    (facts.has_way(server, client) || facts.lacks_host(server))
        && !facts.is_one_sided(client, server)
        && !facts.has_unplaced(server, client)
}

fn report(
    facts: &Facts,
    watch: &Watch,
    outages: &[&Outage],
    is_flapping: bool,
    findings: &mut Findings<'_>,
) {
    // The first one of those that lasted longest.
    let Some(worst) = outages.iter().rev().max_by_key(|outage| outage.length()) else { return };
    let is_never = watch.failed == watch.pings;
    let severity = match is_never && !watch.is_serious {
        // Keep-alives for a NAT are sent without caring for an answer.
        true => Severity::Info,
        false => Severity::Warn,
    };
    let windows = outages.iter().take(LISTED).map(|outage| window(outage)).collect();
    let report = Report::on_capture()
        .between(watch.client, watch.server)
        .frames(worst.frames.iter().copied())
        .severity(severity)
        .confidence(confidence(facts, watch, worst))
        .absence(true)
        .with("from", Value::Text(watch.client.address.to_string()))
        .with("to", watch.server)
        .with("pings", watch.pings)
        .with("failed_pings", watch.failed)
        .with("outages", outages.len())
        .with("longest_ms", worst.length())
        .with("outage_windows", Value::List(windows))
        .with_some("flapping", is_flapping.then_some(true))
        .with_some("never_answered", is_never.then_some(true))
        .with_some("status", watch.refused.map(Status::code));
    findings.report(match watch.refused {
        Some(status) => report.status(status),
        None => report,
    });
}

/// Packets of the host show that it could be heard; a capture that lost some shows less (guard G5).
fn confidence(facts: &Facts, watch: &Watch, worst: &Outage) -> Confidence {
    let (client, server) = (watch.client.address, watch.server.address);
    let capture = worst.frames.first().map_or(0, |(frame, _)| frame.capture);
    let until = worst.last + timers::F;
    let is_lossy = facts.dropped(capture) > 0
        || facts.pings.dropped() > 0
        || facts.losses.between([client, server], worst.start, until).is_some();
    match facts.has_way(server, client) && !is_lossy {
        true => Confidence::Likely,
        false => Confidence::Possible,
    }
}

/// The interval of ISO 8601; open where no sign of life came.
fn window(outage: &Outage) -> Value {
    let end = outage.end.map_or_else(|| "..".to_owned(), |end| end.to_string());
    Value::Text(format!("{}/{end}", outage.start))
}
