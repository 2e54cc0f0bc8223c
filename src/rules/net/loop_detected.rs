#![doc = include_str!("loop_detected.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Call, Message, Traits, Transaction, routes};
use crate::sip::{Method, Status};

pub(crate) static RULE: Rule = Rule {
    code: "NET105",
    name: "loop-detected",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("loop_detected.md"),
    thresholds: &[],
    gate: Gate::one_of(&[Traits::LOST, Traits::REFUSAL])
        .and_one_of(&[Traits::HOPS, Traits::REFUSAL]),
    check: Check::Call(check),
};

/// So often the same request comes to a host that turns in a circle; twice is what a proxy sees
/// that serves caller and callee.
const VISITS_MIN: usize = 3;

/// Refused requests of one call that are looked at; each is held against all others.
const REFUSALS_MAX: usize = 32;

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for attempt in &call.attempts {
        if attempt.is_answered() || attempt.is_resolved(call) {
            continue;
        }
        let told = attempt.farthest(call, is_told);
        // The way round is on the hops, whether somebody says so or not.
        let seen = match attempt.hops.len() >= VISITS_MIN {
            true => attempt.farthest(call, |hop| visits(call, hop).len() >= VISITS_MIN),
            false => None,
        };
        if let Some(hop) = seen.or_else(|| told.filter(|hop| !is_merged(call, hop))) {
            report(call, hop, told, findings);
        }
    }
    let others = call.transactions.iter().filter(|hop| hop.method != Method::Invite);
    for hop in others.filter(|hop| is_told(hop)).take(REFUSALS_MAX) {
        let is_passed_on = hop
            .downstream
            .iter()
            .any(|index| call.transactions.get(*index).is_some_and(|below| is_told(below)));
        if !is_passed_on && !call.got_through(hop) && !is_merged(call, hop) {
            report(call, hop, Some(hop), findings);
        }
    }
}

fn is_told(hop: &Transaction<'_>) -> bool {
    hop.request.is_some() && hop.final_status() == Some(Status::LOOP_DETECTED)
}

/// Each time that the request came to the server of this hop with the same target and route, the
/// last time first. With another request URI or route it is a spiral, which is legal (RFC 3261,
/// section 16.3, item 4; RFC 5393).
fn visits<'c>(call: &Call<'c>, hop: &Transaction<'c>) -> Vec<&'c Message<'c>> {
    let Some(last) = hop.request else { return Vec::new() };
    let target = |request: &Message<'c>| {
        let route = routes(request).next().map(|route| route.uri.as_bytes());
        (request.request_uri().map(|uri| uri.as_bytes()), route)
    };
    let own = target(last);
    let before = call.hops_before(hop).filter(|above| above.server.address == hop.server.address);
    let again = before.filter_map(|above| above.request).filter(|request| target(request) == own);
    std::iter::once(last).chain(again).collect()
}

/// The server got the same request over two branches that do not contain each other: a fork that
/// meets again, which 482 refuses as well (RFC 3261, section 8.2.2.2).
fn is_merged<'c>(call: &Call<'c>, hop: &Transaction<'c>) -> bool {
    let tag = |hop: &Transaction<'c>| hop.request.and_then(Message::from_tag);
    let own = tag(hop);
    call.transactions.iter().any(|other| {
        other.index != hop.index
            && (other.method, other.cseq) == (hop.method, hop.cseq)
            && other.server.address == hop.server.address
            && other.branch != hop.branch
            && tag(other) == own
            && !call.is_above(other, hop)
            && !call.is_above(hop, other)
    })
}

/// The server stands in the Via of the request that it got.
fn is_in_path(hop: &Transaction<'_>) -> bool {
    hop.request.is_some_and(|request| {
        request.vias().skip(1).any(|via| {
            let sent_by = via.host.address().map(|address| address.to_canonical());
            sent_by == Some(hop.server.address) || via.received() == Some(hop.server.address)
        })
    })
}

fn report<'c>(
    call: &Call<'c>,
    hop: &Transaction<'c>,
    told: Option<&Transaction<'c>>,
    findings: &mut Findings<'_>,
) {
    /// Visits whose frames are named.
    const EXAMPLES_MAX: usize = 4;
    let visits = visits(call, hop);
    let Some(last) = hop.request else { return };
    let is_seen = visits.len() >= VISITS_MIN || is_in_path(hop);
    let confidence = if is_seen { Confidence::Certain } else { Confidence::Likely };
    let answer = told.and_then(Transaction::final_response).or(hop.final_response());
    let uri = last.request_uri().map_or(Value::Word("none"), |uri| Value::quoted(uri.as_bytes()));
    let report = Report::on(hop)
        .at(visits.iter().copied().rev().take(EXAMPLES_MAX))
        .at([last])
        .at(answer)
        .confidence(confidence)
        .with("request_uri", uri)
        .with("looping_at", hop.server)
        .with("sent_by", hop.client)
        .with("visits", visits.len())
        .with("method", Value::quoted(hop.method.as_bytes()))
        .with_some("status", answer.and_then(Message::status).map(Status::code));
    findings.report(match answer.and_then(Message::status) {
        Some(status) => report.status(status),
        None => report,
    });
}
