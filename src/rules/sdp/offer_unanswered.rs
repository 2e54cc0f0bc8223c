#![doc = include_str!("offer_unanswered.md")]

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Call, Exchange, Message, Negotiation, Traits};
use crate::sip::{Method, Status};

pub(crate) static RULE: Rule = Rule {
    code: "SDP111",
    name: "offer-unanswered",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("offer_unanswered.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::DESCRIPTION]),
    check: Check::Call(check),
};

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let found = call.negotiations().first_in_each_dialog(|(negotiation, exchange)| {
        let carrier = unanswered(exchange)?;
        let is_doubtful =
            is_answered_later(negotiation, exchange) || misses_answer(call, exchange, carrier);
        (!is_doubtful).then_some(carrier)
    });
    for (exchange, carrier) in found {
        report(call, exchange, carrier, findings);
    }
}

/// The message that must have the answer and has no body at all.
fn unanswered<'c>(exchange: &Exchange<'c>) -> Option<&'c Message<'c>> {
    let (requester, method, _) = exchange.id;
    exchange.offer.as_ref()?;
    let is_answered = exchange.answers.iter().any(|answer| {
        // What an unreliable response says must be said again (RFC 3261, section 13.2.1).
        answer.message.rseq().is_some() || answer.message.status().is_none_or(Status::is_success)
    });
    // A PRACK may answer, and need not offer anything.
    if is_answered || exchange.has_unseen_response || method == Method::Prack {
        return None;
    }
    let carrier = match exchange.offerer == requester {
        true => exchange.success,
        false => exchange.acknowledgement,
    };
    // A body that is no description may hold one, encrypted or compressed.
    carrier.filter(|carrier| carrier.body().is_empty() && !carrier.is_cut)
}

/// The sides came to terms by UPDATE or PRACK, or offered again; half of that may be missing.
fn is_answered_later(negotiation: &Negotiation<'_>, exchange: &Exchange<'_>) -> bool {
    let is_later = |other: &&Exchange<'_>| {
        let is_half = other.pair().is_none() && other.refusal.is_none();
        let then = other.agreed().or(is_half.then(|| other.started()));
        other.id != exchange.id && then.is_some_and(|then| then > exchange.started())
    };
    negotiation.exchanges.iter().any(|other| is_later(&other))
}

/// The numbers of a side show that one of its requests is missing, so the answer may have come with
/// that: a PRACK, with the response before it, or an UPDATE (guard G3).
fn misses_answer<'c>(call: &Call<'c>, exchange: &Exchange<'c>, carrier: &Message<'c>) -> bool {
    let spell = (exchange.started(), call.observed_until());
    call.dialog_of(carrier).is_some_and(|dialog| call.misses_request(dialog, spell))
}

fn report(
    call: &Call<'_>,
    exchange: &Exchange<'_>,
    carrier: &Message<'_>,
    findings: &mut Findings<'_>,
) {
    let Some(offer) = &exchange.offer else { return };
    let Some(hop) = call.transactions.get(exchange.transaction) else { return };
    let early = exchange.answers.first().map(|answer| answer.message);
    // The caller may have kept to what the 183 has said.
    let severity = if early.is_some() { Severity::Warn } else { Severity::Error };
    findings.report(
        Report::beside(hop)
            .at([offer.message, carrier])
            .at(early)
            .severity(severity)
            .absence(true)
            .with("offer_in", name(offer.message))
            .with("answer_missing_in", name(carrier))
            .with_some("answer_only_in", early.map(name))
            .with("sender", carrier.source),
    );
}

/// The method of a request, the code of a response.
fn name(message: &Message<'_>) -> Value {
    match message.status() {
        Some(status) => Value::Number(status.code().into()),
        None => Value::quoted(message.method().as_bytes()),
    }
}
