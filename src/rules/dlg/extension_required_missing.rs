#![doc = include_str!("extension_required_missing.md")]

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Attempt, Call, Message, Traits, Transaction};
use crate::sip::{HeaderName, Method};

pub(crate) static RULE: Rule = Rule {
    code: "DLG308",
    name: "extension-required-missing",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("extension_required_missing.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::REFUSAL]),
    check: Check::Call(check),
};

/// Refusals that are looked at in one call; real calls have one or two.
const REFUSED_MAX: usize = 64;

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let refused = call.transactions.iter().filter(|t| t.upstream.is_none() && is_refused(t));
    for first_hop in refused.take(REFUSED_MAX) {
        // A probe that asks what a peer can do gets its answer.
        if matches!(first_hop.method, Method::Options | Method::Cancel | Method::Ack)
            || is_beside(call, first_hop)
        {
            continue;
        }
        report(call, first_hop, findings);
    }
}

/// Refused for want of an extension: the peer lacks it, or insists on it (RFC 3261, sections
/// 21.4.15 and 21.4.16, RFC 3329, RFC 3312).
fn is_refused(transaction: &Transaction<'_>) -> bool {
    transaction.first_success().is_none()
        && transaction
            .final_status()
            .is_some_and(|status| matches!(status.code(), 420 | 421 | 494 | 580))
}

/// The call was answered by another branch, or the next server took it.
fn is_beside(call: &Call<'_>, refused: &Transaction<'_>) -> bool {
    let attempt = call.attempts.iter().find(|attempt| attempt.hops.contains(&refused.index));
    attempt.is_some_and(Attempt::is_answered)
}

/// The next request of the same kind and sender that was not refused for the same reason (guard
/// G7).
fn retry<'a, 'c>(call: &'a Call<'c>, refused: &Transaction<'c>) -> Option<&'a Transaction<'c>> {
    let from_tag = |t: &Transaction<'c>| t.request.and_then(Message::from_tag);
    call.transactions.iter().find(|next| {
        next.method == refused.method
            && next.upstream.is_none()
            && next.cseq > refused.cseq
            && (from_tag(next) == from_tag(refused) || next.client == refused.client)
            && next.has_response()
            && !is_refused(next)
    })
}

/// The hop on which the refusal arose.
fn origin<'a, 'c>(call: &'a Call<'c>, refused: &'a Transaction<'c>) -> &'a Transaction<'c> {
    let mut origin = refused;
    // The links come from captured bytes, so they may form a ring.
    for _ in 0..call.transactions.len() {
        let mut below = origin.downstream.iter().filter_map(|index| call.transactions.get(*index));
        match below.find(|below| is_refused(below)) {
            Some(below) => origin = below,
            None => break,
        }
    }
    origin
}

fn report(call: &Call<'_>, first_hop: &Transaction<'_>, findings: &mut Findings<'_>) {
    let hop = origin(call, first_hop);
    let Some(answer) = hop.final_response() else { return };
    let Some(status) = answer.status() else { return };
    let retry = retry(call, first_hop);
    let name = match status.code() {
        420 => HeaderName::Unsupported,
        421 => HeaderName::Require,
        494 => HeaderName::SecurityServer,
        _ => HeaderName::Warning,
    };
    findings.report(
        Report::on(hop)
            .at(hop.request)
            .at([answer])
            .at(retry.and_then(|retry| retry.request))
            .status(status)
            .severity(if retry.is_some() { Severity::Info } else { Severity::Error })
            .with("status", status.code())
            .with("method", Value::quoted(hop.method.as_bytes()))
            .with_some("extensions", answer.header(name).map(Value::quoted))
            .with("resolved", retry.is_some()),
    );
}
