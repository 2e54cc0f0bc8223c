#![doc = include_str!("late_final_after_timeout.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Call, Message, Traits, Transaction, TransactionKind};
use crate::sip::{Method, Status};
use crate::time::{Span, Time};

pub(crate) static RULE: Rule = Rule {
    code: "DLG106",
    name: "late-final-after-timeout",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("late_final_after_timeout.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::LASTING]),
    check: Check::Call(check),
};

/// A request that goes to another server so soon after the first is a parallel fork.
const FORK_WITHIN: Span = Span::from_secs(1);

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for late in &call.transactions {
        let Some((moved, step)) = moved_on(call, late) else { continue };
        // The farthest hop downstream owns the finding (guard G9).
        let mut below = late.downstream.iter().filter_map(|index| call.transactions.get(*index));
        if !below.any(|below| is_late(call, below)) {
            report(late, moved, step, findings);
        }
    }
}

/// The first final response came when the client no longer waited: 64*T1 after the request
/// (RFC 3261, section 17.1, timers B and F).
fn is_late(call: &Call<'_>, late: &Transaction<'_>) -> bool {
    let is_over_time = || {
        let patience = call.patience().max(call.patience_of(late.client));
        late.wait().is_some_and(|wait| wait > patience)
    };
    // A provisional response stops timer B, but not timer F. Over UDP a client that does not
    // repeat an INVITE has got one, even if it was not captured (guard G3).
    let is_waiting = || match late.kind() {
        TransactionKind::NonInvite => true,
        TransactionKind::Invite => late.provisionals.is_empty() && !call.implies_progress(late),
    };
    let is_repeated = || late.transport.is_reliable() || late.sends() > 1;
    is_over_time() && is_waiting() && is_repeated()
}

/// The message that shows that the client had gone on before the late response came.
fn moved_on<'c>(
    call: &Call<'c>,
    late: &Transaction<'c>,
) -> Option<(&'c Message<'c>, &'static str)> {
    if !is_late(call, late) {
        return None;
    }
    let (request, answer) = (late.request?, late.final_response()?);
    told_above(call, late, answer.time)
        .map(|message| (message, "told-upstream"))
        .or_else(|| Some((other_target(call, late, request, answer.time)?, "other-target")))
        .or_else(|| Some((next_request(call, late, request, answer.time)?, "next-request")))
}

/// The failure that the hop before had got by then.
fn told_above<'c>(call: &Call<'c>, late: &Transaction<'c>, until: Time) -> Option<&'c Message<'c>> {
    let above = call.transactions.get(late.upstream?)?;
    above
        .final_response()
        .filter(|told| told.time < until && told.status().is_some_and(Status::is_failure))
}

/// The same request to another server, after the first one had had its time.
fn other_target<'c>(
    call: &Call<'c>,
    late: &Transaction<'c>,
    request: &Message<'c>,
    until: Time,
) -> Option<&'c Message<'c>> {
    call.transactions.iter().find_map(|other| {
        let own = other.request?;
        let is_same = (other.method, other.cseq) == (late.method, late.cseq)
            && own.from_tag() == request.from_tag()
            && own.source.address == request.source.address
            && own.destination.address != request.destination.address;
        let is_after = own.time.since(request.time) > FORK_WITHIN && own.time < until;
        (is_same && is_after).then_some(own)
    })
}

/// The next request of the client: any after 64*T1, or the same again under a new number.
fn next_request<'c>(
    call: &Call<'c>,
    late: &Transaction<'c>,
    request: &Message<'c>,
    until: Time,
) -> Option<&'c Message<'c>> {
    let given_up = request.time + call.patience_of(late.client);
    let is_retried = matches!(
        late.method,
        Method::Invite
            | Method::Register
            | Method::Subscribe
            | Method::Publish
            | Method::Options
            | Method::Bye
    );
    call.transactions.iter().find_map(|other| {
        let own = other.request?;
        let is_next = other.cseq > late.cseq
            && own.from_tag() == request.from_tag()
            && own.source.address == request.source.address;
        let is_after = (own.time >= given_up
            || (is_retried && other.method == late.method && own.time > request.time))
            && own.time < until;
        (is_next && is_after).then_some(own)
    })
}

fn report<'c>(
    late: &Transaction<'c>,
    moved: &'c Message<'c>,
    step: &'static str,
    findings: &mut Findings<'_>,
) {
    let (Some(request), Some(answer)) = (late.request, late.final_response()) else { return };
    let (Some(wait), Some(status)) = (late.wait(), answer.status()) else { return };
    findings.report(
        Report::on(late)
            .at([request, answer, moved])
            .at(late.retransmissions.iter().copied())
            .status(status)
            .confidence(Confidence::Certain)
            .with("method", Value::quoted(late.method.as_bytes()))
            .with("status", status.code())
            .with("wait_ms", wait)
            .with("moved_on", Value::Word(step))
            .with("moved_on_after_ms", moved.time.since(request.time)),
    );
}
