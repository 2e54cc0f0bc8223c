#![doc = include_str!("request_retransmitted.md")]

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::media::Media;
use crate::signaling::{Call, Facts, Repeating, Threshold, Traits, Transaction};
use crate::sip::Status;
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "TXN102",
    name: "request-retransmitted",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("request_retransmitted.md"),
    thresholds: &[&STORM_SHARE, &STORM_MESSAGES],
    gate: Gate::all(&[Traits::REPEAT]),
    check: Check::Both { each: check, capture: check_storms },
};

/// Of the messages between two hosts, more than these being repeated requests make a storm.
static STORM_SHARE: Threshold = Threshold::percent("storm-share", 20);

/// Of fewer messages in ten seconds, a share says nothing.
static STORM_MESSAGES: Threshold = Threshold::count("storm-messages", 20);

/// An answer that comes this soon is no more than a note: one packet was lost, or the answer
/// crossed the repeat that is due after T1, 500 ms; or the client's T1 is shorter.
const NOTED_WITHIN: Span = Span::from_millis(700);

/// Frames of a storm that a finding names.
const EXAMPLES: usize = 3;

fn check(call: &Call<'_>, _: Media<'_>, findings: &mut Findings<'_>) {
    for hop in call.transactions.iter().filter(|hop| is_repeated(hop) && hop.is_answered_late()) {
        // The farthest hop downstream that repeats it owns the finding (guard G9).
        if !call.below(hop).any(is_repeated) {
            report(call, hop, findings);
        }
    }
}

fn is_repeated(hop: &Transaction<'_>) -> bool {
    !hop.retransmissions.is_empty() && hop.late_repeats().next().is_some()
}

fn report(call: &Call<'_>, hop: &Transaction<'_>, findings: &mut Findings<'_>) {
    let (Some(request), Some(response)) = (hop.request, hop.first_response()) else { return };
    let repeats = hop.late_repeats().count();
    let lost = hop.late_repeats().filter(|repeat| repeat.time >= response.time).count();
    let wait = response.time.since(request.time);
    let severity = match wait <= NOTED_WITHIN && lost <= 1 {
        true => Severity::Info,
        false => Severity::Warn,
    };
    findings.report(
        Report::on(hop)
            .at([request, response])
            .at(hop.late_repeats())
            .severity(severity)
            .with("method", Value::quoted(hop.method.as_bytes()))
            .with("sends", repeats + 1)
            .with("response_after_ms", wait)
            .with_some("status", response.status().map(Status::code))
            .with_some("repeats_after_response", (lost > 0).then_some(lost))
            .with_some("hops", hops_above(call, hop)),
    );
}

/// On how many hops the request was repeated, where it was more than this one.
fn hops_above(call: &Call<'_>, hop: &Transaction<'_>) -> Option<usize> {
    let above = call.transactions.iter().filter(|above| {
        above.index != hop.index && is_repeated(above) && call.is_above(above, hop)
    });
    let hops = above.count();
    (hops > 0).then_some(hops + 1)
}

/// One finding for two hosts that repeat more than can be chance, at the worst moment.
fn check_storms(facts: &Facts, findings: &mut Findings<'_>) {
    let share = u64::from(findings.settings().percent(&STORM_SHARE));
    let messages = findings.settings().count(&STORM_MESSAGES);
    for windows in facts.traffic.repeating() {
        let is_storm = |window: &&Repeating<'_>| {
            window.messages >= messages && window.repeats * 100 > window.messages * share
        };
        let storms = || windows.iter().filter(is_storm);
        // The first one of those with the most repeats.
        let Some(worst) = storms().rev().max_by_key(|window| window.repeats) else { continue };
        let examples = worst.examples.first.iter().take(EXAMPLES);
        findings.report(
            Report::on_capture()
                .frames(examples.map(|(frame, time, _)| (*frame, *time)))
                .with("storm", true)
                .with("from", Value::Text(worst.client.to_string()))
                .with("to", Value::Text(worst.server.to_string()))
                .with("repeats", worst.repeats)
                .with("messages", worst.messages)
                .with("percent", worst.percent())
                .with("window_ms", Repeating::LENGTH)
                .with("windows", storms().count()),
        );
    }
}
