#![doc = include_str!("max_forwards_trouble.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Call, Message, Threshold, Transaction};
use crate::sip::{Method, Status};

pub(crate) static RULE: Rule = Rule {
    code: "NET106",
    name: "max-forwards-trouble",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("max_forwards_trouble.md"),
    thresholds: &[&LOW],
    gate: Gate::OPEN,
    check: Check::Call(check),
};

/// So few hops are left that the next detour ends the request.
static LOW: Threshold = Threshold::count("low", 5);

/// A request begins with 70 (RFC 3261, section 8.1.1.6); who begins with so few means it.
const BEGUN_LOW_MAX: u8 = 10;

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let is_refused = refused(call, findings);
    if !is_refused {
        used_up(call, findings);
        kept(call, findings);
    }
}

/// A server found that no hop is left.
fn refused(call: &Call<'_>, findings: &mut Findings<'_>) -> bool {
    if !call.transactions.iter().any(is_told) {
        return false;
    }
    let mut is_refused = false;
    for attempt in &call.attempts {
        if attempt.is_answered() || attempt.is_resolved(call) {
            continue;
        }
        if let Some(hop) = attempt.farthest(call, is_told) {
            is_refused = true;
            report_refused(hop, findings);
        }
    }
    // OPTIONS with few hops is how a path is traced (RFC 3261, section 11).
    let others = |hop: &&Transaction<'_>| {
        !matches!(hop.method, Method::Invite | Method::Options) && is_told(hop)
    };
    for hop in call.transactions.iter().filter(others) {
        is_refused = true;
        let below = hop.downstream.iter().filter_map(|index| call.transactions.get(*index));
        let is_passed_on = below.into_iter().any(is_told);
        if !is_passed_on && !call.got_through(hop) {
            report_refused(hop, findings);
        }
    }
    is_refused
}

fn is_told(hop: &Transaction<'_>) -> bool {
    hop.final_status() == Some(Status::TOO_MANY_HOPS)
}

fn report_refused(hop: &Transaction<'_>, findings: &mut Findings<'_>) {
    findings.report(
        Report::on(hop)
            .at(hop.request)
            .at(hop.final_response())
            .status(Status::TOO_MANY_HOPS)
            .with("trouble", Value::Word("too-many-hops"))
            .with("method", Value::quoted(hop.method.as_bytes()))
            .with("at", hop.server)
            .with_some("max_forwards", hop.request.and_then(left).map(u32::from)),
    );
}

/// The hops that are left.
fn left(request: &Message<'_>) -> Option<u8> {
    request.max_forwards()
}

/// A request that came with few hops left, of all the one with the fewest.
fn used_up(call: &Call<'_>, findings: &mut Findings<'_>) {
    let low = call.settings().count(&LOW);
    let lefts = call.transactions.iter().filter(|hop| hop.method != Method::Options);
    let few = lefts.filter_map(|hop| Some((hop, hop.request?, left(hop.request?)?)));
    let few = few.filter(|(hop, _, left)| u64::from(*left) <= low && !is_begun_low(call, hop));
    let Some((hop, request, left)) = few.min_by_key(|(hop, _, left)| (*left, hop.index)) else {
        return;
    };
    findings.report(
        beside(hop)
            .at([request])
            .with("trouble", Value::Word("few-hops-left"))
            .with("method", Value::quoted(hop.method.as_bytes()))
            .with("at", hop.server)
            .with("max_forwards", u32::from(left))
            .with("vias", request.vias().count()),
    );
}

/// The first sender chose a small number itself: a request that must not go far.
fn is_begun_low<'c>(call: &Call<'c>, hop: &Transaction<'c>) -> bool {
    let first = call.hops_before(hop).last().and_then(|first| first.request).or(hop.request);
    first.is_some_and(|first| {
        first.vias().nth(1).is_none() && left(first).is_some_and(|left| left <= BEGUN_LOW_MAX)
    })
}

/// A proxy that hands a request on with the number that it got.
fn kept(call: &Call<'_>, findings: &mut Findings<'_>) {
    for below in &call.transactions {
        let Some(above) = below.upstream.and_then(|index| call.transactions.get(index)) else {
            continue;
        };
        let (Some(before), Some(after)) = (above.request, below.request) else { continue };
        let is_kept = left(before).is_some() && left(before) == left(after);
        // Only who leaves the Via of the hop before is a proxy; a B2BUA may begin anew.
        let is_proxied = above.server.address == below.client.address
            && above.branch != below.branch
            && after.vias().nth(1).and_then(|via| via.branch()) == Some(above.branch);
        if is_kept && is_proxied {
            return findings.report(
                beside(below)
                    .at([before, after])
                    .confidence(Confidence::Certain)
                    .with("trouble", Value::Word("not-decremented"))
                    .with("method", Value::quoted(below.method.as_bytes()))
                    .with("at", below.client)
                    .with_some("max_forwards", left(after).map(u32::from)),
            );
        }
    }
}

/// A warning: it explains no outcome, so it stands beside what became of the request.
fn beside(hop: &Transaction<'_>) -> Report {
    Report::on_capture().between(hop.client, hop.server).severity(Severity::Warn)
}
