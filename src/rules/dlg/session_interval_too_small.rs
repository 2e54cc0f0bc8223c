#![doc = include_str!("session_interval_too_small.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Call, Traits, Transaction};
use crate::sip::Method;
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "DLG303",
    name: "session-interval-too-small",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("session_interval_too_small.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::REFUSAL]),
    check: Check::Call(check),
};

/// Session Interval Too Small (RFC 4028, section 6).
const TOO_SMALL: u16 = 422;

/// Refusals that are looked at in one call, and that count as one row; real calls have one or two.
const REFUSED_MAX: usize = 64;
const ROW_MAX: usize = 16;

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let refused = call.transactions.iter().filter(|t| t.upstream.is_none() && min_se(t).is_some());
    // A request that follows a refusal belongs to the row of refusals that began before it.
    let mut followed: Vec<usize> = Vec::new();
    for first in refused.take(REFUSED_MAX) {
        if followed.contains(&first.index) {
            continue;
        }
        let mut row = vec![first];
        let mut next = next_of(call, first);
        while let Some(again) = next.filter(|next| min_se(next).is_some() && row.len() < ROW_MAX) {
            followed.push(again.index);
            row.push(again);
            next = next_of(call, again);
        }
        report(call, &row, next, findings);
    }
}

/// The least interval that the refusal of an INVITE or UPDATE names; without one it is malformed.
fn min_se(transaction: &Transaction<'_>) -> Option<Span> {
    let answer = match transaction.method {
        Method::Invite | Method::Update => transaction.final_response()?,
        _ => return None,
    };
    let is_refused = answer.status().is_some_and(|status| status.code() == TOO_SMALL);
    answer.min_se().filter(|_| is_refused).map(|seconds| Span::from_secs(seconds.into()))
}

fn asked(transaction: &Transaction<'_>) -> Option<Span> {
    let asked = transaction.request?.session_expires()?;
    Some(Span::from_secs(asked.seconds.into()))
}

/// The next INVITE or UPDATE of the same side.
fn next_of<'a, 'c>(call: &'a Call<'c>, one: &Transaction<'c>) -> Option<&'a Transaction<'c>> {
    let from_tag = one.from_tag().filter(|tag| !tag.is_empty())?;
    call.transactions
        .iter()
        .filter(|next| next.upstream.is_none() && next.cseq > one.cseq)
        .filter(|next| matches!(next.method, Method::Invite | Method::Update))
        .filter(|next| next.from_tag() == Some(from_tag))
        .min_by_key(|next| next.cseq)
}

/// The hop on which the refusal arose.
fn origin<'a, 'c>(call: &'a Call<'c>, refused: &'a Transaction<'c>) -> &'a Transaction<'c> {
    let mut origin = refused;
    // The links come from captured bytes, so they may form a ring.
    for _ in 0..call.transactions.len() {
        let mut below = origin.downstream.iter().filter_map(|index| call.transactions.get(*index));
        match below.find(|below| min_se(below).is_some()) {
            Some(below) => origin = below,
            None => break,
        }
    }
    origin
}

/// The request after a row of refusals asks for enough, or for no timer at all (guard G7), or gets
/// through anyhow.
fn resolves(next: &Transaction<'_>, min_se: Span) -> bool {
    next.first_success().is_some() || asked(next).is_none_or(|asked| asked >= min_se)
}

/// A row of refusals is resolved by the request after it, of which the capture may lack all but
/// what followed (guard G3).
fn report(
    call: &Call<'_>,
    row: &[&Transaction<'_>],
    next: Option<&Transaction<'_>>,
    findings: &mut Findings<'_>,
) {
    let (Some(first), Some(last)) = (row.first(), row.last()) else { return };
    let (Some(min_se), Some(answer)) = (min_se(last), last.final_response()) else { return };
    let Some(status) = answer.status() else { return };
    let is_resolved = next.is_some_and(|next| resolves(next, min_se)) || call.goes_on_unseen(last);
    // The request may come after the end of the capture (guard G1).
    let is_known = is_resolved || next.is_some() || call.is_observed(answer.time, call.patience());
    let severity = if is_resolved || !is_known { Severity::Info } else { Severity::Error };
    let confidence = if is_known { Confidence::Certain } else { Confidence::Possible };
    let hop = origin(call, if is_resolved { first } else { last });
    let sent = row.iter().flat_map(|t| t.request.into_iter().chain(t.final_response()));
    findings.report(
        Report::on(hop)
            .at(sent)
            .at(next.and_then(|next| next.request))
            .status(status)
            .severity(severity)
            .confidence(confidence)
            .with("min_se_ms", min_se)
            .with_some("session_expires_ms", asked(last))
            .with("rejections", row.len())
            .with("resolved", is_resolved)
            .with("method", Value::quoted(last.method.as_bytes())),
    );
}
