#![doc = include_str!("udp_fragment_lost.md")]

use std::collections::BTreeMap;

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::media::Media;
use crate::packet::Endpoint;
use crate::signaling::{Call, Facts, Loss, Traits, Transaction};

pub(crate) static RULE: Rule = Rule {
    code: "NET202",
    name: "udp-fragment-lost",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("udp_fragment_lost.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::LOST, Traits::FRAGMENTS]),
    check: Check::Both { each, capture },
};

/// Frames that a finding names.
const FRAMES_MAX: usize = 11;

/// Findings of one capture; more say nothing more (guard G12).
const FINDINGS_MAX: usize = 20;

/// A datagram that was lost once and not sent again arrived: only the capture lacks a part of it.
const SENDS_MIN: usize = 2;

/// Who sends a request so often gets no answer, so the server lacks what the capture lacks.
const SENDS_IN_VAIN: usize = 4;

/// All fragments are in the capture, and still nothing comes back, while smaller requests get their
/// answers.
fn each(call: &Call<'_>, _: Media<'_>, findings: &mut Findings<'_>) {
    for attempt in &call.attempts {
        if attempt.is_answered() || attempt.is_resolved(call) {
            continue;
        }
        for hop in attempt.transactions(call).filter(|hop| is_lost(call, hop)) {
            findings.report(
                Report::on(hop)
                    .at(hop.request)
                    .at(hop.retransmissions.iter().copied().take(FRAMES_MAX))
                    .confidence(Confidence::Possible)
                    .absence(true)
                    .with("method", Value::quoted(hop.method.as_bytes()))
                    .with("sends", hop.sends())
                    .with("cause", Value::Word("lost-behind-capture"))
                    .with_some("bytes", hop.request.map(|request| request.bytes().len())),
            );
        }
    }
}

fn is_lost(call: &Call<'_>, hop: &Transaction<'_>) -> bool {
    let is_fragmented = hop.request.is_some_and(|request| request.is_fragmented);
    is_fragmented
        && !hop.has_response()
        && hop.sends() >= SENDS_MIN
        && hop.started().is_some_and(|sent| call.is_observed(sent, call.patience_of(hop.client)))
        // A smaller request of the same call was answered: that without credentials, for one.
        && call.shows_way(hop.server, hop.client)
        && !call.implies_response(hop)
        && !call.is_told_above(hop)
}

/// Sender, receiver, Call-ID and method of a datagram.
type Sending<'l> = (Endpoint, Endpoint, &'l [u8], &'l [u8]);

/// Datagrams of which the capture lacks fragments, by request.
fn capture(facts: &Facts, findings: &mut Findings<'_>) {
    let mut groups: BTreeMap<Sending<'_>, Vec<&Loss>> = BTreeMap::new();
    for loss in facts.fragmented() {
        let key = (loss.source, loss.destination, &*loss.call_id, &*loss.method);
        groups.entry(key).or_default().push(loss);
    }
    // An answer proves that the request arrived (guard G3).
    groups.retain(|(.., call_id, _), losses| {
        let is_answered = !call_id.is_empty() && facts.has_answered(call_id);
        losses.len() >= SENDS_MIN && !is_answered
    });
    for ((source, destination, call_id, method), losses) in groups.into_iter().take(FINDINGS_MAX) {
        report(facts, (source, destination), call_id, method, &losses, findings);
    }
}

fn report(
    facts: &Facts,
    (source, destination): (Endpoint, Endpoint),
    call_id: &[u8],
    method: &[u8],
    losses: &[&Loss],
    findings: &mut Findings<'_>,
) {
    let is_talking = facts.has_way(destination.address, source.address);
    let is_in_vain = losses.len() >= SENDS_IN_VAIN && is_talking && !call_id.is_empty();
    // Without the Call-ID nobody knows whether it is one request, and whether it was answered.
    let is_known = !call_id.is_empty();
    // A filter on ports lets only the first fragments into the capture.
    let is_filtered = facts.later_fragments == 0 && !is_in_vain;
    let is_lossy = facts.losses.holes > 0
        || losses.first().is_some_and(|loss| facts.dropped(loss.frame.capture) > 0);
    let confidence = match !is_in_vain || is_lossy {
        true => Confidence::Possible,
        false => Confidence::Likely,
    };
    let cause = if is_filtered { "capture-filter" } else { "fragments-lost" };
    let some = |bytes: &[u8]| Some(Value::quoted(bytes)).filter(|_| !bytes.is_empty());
    findings.report(
        Report::on_capture()
            .between(source, destination)
            .frames(losses.iter().take(FRAMES_MAX).map(|loss| (loss.frame, loss.time)))
            .severity(if is_filtered || !is_known { Severity::Info } else { Severity::Error })
            .confidence(confidence)
            .with("sends", losses.len())
            .with("cause", Value::Word(cause))
            .with_some("method", some(method))
            .with_some("call_id", some(call_id)),
    );
}
