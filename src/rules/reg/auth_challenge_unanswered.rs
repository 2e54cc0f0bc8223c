#![doc = include_str!("auth_challenge_unanswered.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Rule, Severity, Visibility};
use crate::rules::reg::report_on;
use crate::signaling::{Call, Chain, ChainEnd, Round, Threshold, Traits, Transaction, tool_of};
use crate::sip::{Method, timers};
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "REG101",
    name: "auth-challenge-unanswered",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("auth_challenge_unanswered.md"),
    thresholds: &[&WAIT],
    gate: Gate::all(&[Traits::OPEN_CHALLENGE]),
    check: Check::Call(check),
};

/// A client takes up a challenge within this time, or not at all.
static WAIT: Threshold = Threshold::span("wait", Span::from_secs(32));

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for chain in call.chains() {
        let Some(last) = chain.last() else { continue };
        let Some(hop) = call.transactions.get(last.transaction) else { continue };
        if chain.end(call) != ChainEnd::Challenged
            || chain.is_refused(call)
            || !call.is_observed(last.at(), call.settings().span(&WAIT))
            || is_lost(hop, last)
            || is_excused(last)
            || is_taken_up(call, last)
        {
            continue;
        }
        report(call, chain, (hop, last), findings);
    }
}

/// Nobody expects an answer: to a probe any response means that the server lives; a scanner knows
/// no password; with IPsec the answer of a 3GPP phone is encrypted (guard G11).
fn is_excused(round: &Round<'_>) -> bool {
    round.request.method() == Method::Options
        || tool_of(round.request).is_some()
        || round.response.named("Security-Server").next().is_some()
}

/// A later request of the same host carries credentials, in whatever dialog.
fn is_taken_up(call: &Call<'_>, round: &Round<'_>) -> bool {
    let sender = round.request.source.address;
    call.messages
        .iter()
        .rev()
        .take_while(|own| own.time >= round.at())
        .any(|own| own.is_request() && own.source.address == sender && round.is_taken_up_by(own))
}

fn report(
    call: &Call<'_>,
    chain: &Chain<'_>,
    (hop, last): (&Transaction<'_>, &Round<'_>),
    findings: &mut Findings<'_>,
) {
    let Some(report) = report_on(call, chain) else { return };
    // The ACK proves that the challenge arrived.
    let confidence = match hop.acks.is_empty() {
        true => Confidence::Likely,
        false => Confidence::Certain,
    };
    findings.report(
        report
            .at([last.request, last.response])
            .at(hop.acks.first().copied())
            .confidence(confidence)
            .with("acked", !hop.acks.is_empty())
            .with("credentials", last.has_credentials())
            .visibility(Visibility::WayElseNothing(hop.client.address, hop.server.address))
            .with("waited_ms", call.settings().span(&WAIT)),
    );
}

/// The client repeats its request, or the server its challenge: it did not get through, which has
/// findings of its own.
fn is_lost(hop: &Transaction<'_>, last: &Round<'_>) -> bool {
    let is_again = hop.retransmissions.last().is_some_and(|own| own.time > last.at() + timers::T1);
    hop.acks.is_empty() && (is_again || (hop.method == Method::Invite && hop.finals.len() > 1))
}
