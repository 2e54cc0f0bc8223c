#![doc = include_str!("ack_sent_to_wrong_place.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Answer, Call, Message, Route, Traits, Transaction};
use crate::sip::Method;

pub(crate) static RULE: Rule = Rule {
    code: "DLG105",
    name: "ack-sent-to-wrong-place",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("ack_sent_to_wrong_place.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::INVITE, Traits::SEVERAL_FINALS]),
    check: Check::Call(check),
};

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let invites = call.transactions.iter().filter(|t| t.method == Method::Invite);
    // A callee that repeats its answer has not got the ACK, which makes it a fault.
    for hop in invites.filter(|hop| hop.upstream.is_none() && hop.finals.len() > 1) {
        let Some(answer) = hop.success() else { continue };
        let Some((ack, route)) = call.misplaced_ack(hop, &answer) else { continue };
        if !is_delivered(call, hop, &answer) {
            report(hop, &answer, ack, &route, findings);
        }
    }
}

/// The ACK came to the callee all the same, on a hop farther downstream.
fn is_delivered<'c>(call: &Call<'c>, hop: &Transaction<'c>, answer: &Answer<'c>) -> bool {
    let mut below = call.transactions.iter().filter(|other| {
        other.method == Method::Invite && other.index != hop.index && call.is_above(hop, other)
    });
    below.any(|below| {
        let is_answered = below.first_success().map(Message::to_tag);
        is_answered == Some(answer.first.to_tag())
            && call.acks_to(below, answer.first).any(|ack| {
                ack.destination.address == below.server.address
                    && ack.source.address != hop.client.address
            })
    })
}

fn report<'c>(
    hop: &Transaction<'c>,
    answer: &Answer<'c>,
    ack: &'c Message<'c>,
    route: &Route<'c>,
    findings: &mut Findings<'_>,
) {
    let Some(status) = answer.first.status() else { return };
    let after = answer.repeats.iter().filter(|again| again.time > ack.time).count();
    let quoted = |uri: crate::sip::Uri<'c>| Value::quoted(uri.as_bytes());
    findings.report(
        Report::on(hop)
            .at(answer.sends())
            .at([ack])
            .status(status)
            .confidence(Confidence::Likely)
            .with("ack_uri", ack.request_uri().map_or(Value::Word("none"), quoted))
            .with("sent_to", ack.destination)
            .with("contact", route.target.map_or(Value::Word("none"), quoted))
            .with_some("first_route", route.set.first().copied().map(quoted))
            .with("repeats_after_ack", after),
    );
}
