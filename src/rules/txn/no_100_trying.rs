#![doc = include_str!("no_100_trying.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity};
use crate::signaling::{Call, Message, Traits, Transaction};
use crate::sip::{Method, Status, timers};
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "TXN104",
    name: "no-100-trying",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("no_100_trying.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::INVITE, Traits::REPEAT]),
    check: Check::Call(check),
};

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for hop in call.transactions.iter().filter(|hop| is_late(call, hop)) {
        // The farthest hop downstream that shows it owns the finding (guard G9): a stateless proxy
        // only hands on what the next server does.
        if !call.below(hop).any(|below| is_late(call, below)) {
            report(hop, findings);
        }
    }
}

/// The INVITE had to be repeated, and the first response is not the 100 that was due.
fn is_late(call: &Call<'_>, hop: &Transaction<'_>) -> bool {
    if hop.retransmissions.is_empty() || hop.method != Method::Invite {
        return false;
    }
    let (Some(request), Some(response)) = (hop.request, hop.first_response()) else { return false };
    let Some(last) = last_send(hop, response) else { return false };
    !hop.transport.is_reliable()
        && response.status() != Some(Status::TRYING)
        && response.time.since(request.time) > timers::T1
        // What comes so soon after the last send answers that one: those before were lost.
        && response.time.since(last.time) > timers::TRYING_WAIT
        && !has_trying_elsewhere(call, hop)
}

/// The last repeat before the response.
fn last_send<'c>(hop: &Transaction<'c>, response: &Message<'_>) -> Option<&'c Message<'c>> {
    hop.retransmissions.iter().copied().rfind(|repeat| repeat.time < response.time)
}

/// The 100 took another way than the INVITE (guard G2).
fn has_trying_elsewhere(call: &Call<'_>, hop: &Transaction<'_>) -> bool {
    call.transactions.iter().any(|other| {
        other.index != hop.index
            && (other.branch, other.cseq, other.method) == (hop.branch, hop.cseq, hop.method)
            && other.trying().is_some()
    })
}

fn report(hop: &Transaction<'_>, findings: &mut Findings<'_>) {
    let (Some(request), Some(response)) = (hop.request, hop.first_response()) else { return };
    let repeats = hop.retransmissions.iter().copied();
    let repeats: Vec<_> = repeats.filter(|repeat| repeat.time < response.time).collect();
    let wait: Span = response.time.since(request.time);
    findings.report(
        Report::on(hop)
            .at([request, response])
            .at(repeats.iter().copied())
            // A 100 may have been sent and lost on the way.
            .confidence(Confidence::Likely)
            .with("sends", repeats.len() + 1)
            .with("response_after_ms", wait)
            .with_some("status", response.status().map(Status::code)),
    );
}
