#![doc = include_str!("failover_exhausted.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Call, Message, Traits, Transaction};
use crate::sip::{Class, Status, timers};
use crate::time::{Span, Time};

pub(crate) static RULE: Rule = Rule {
    code: "CAL105",
    name: "failover-exhausted",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("failover_exhausted.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::LOST, Traits::FORK, Traits::REFUSAL]),
    check: Check::Call(check),
};

/// One target alone is no fail-over.
const BRANCHES_MIN: usize = 2;

/// Branches listed one by one; the others are counted only.
const LISTED_MAX: usize = 10;

/// One target that was tried in vain.
struct Branch<'c> {
    hop: usize,
    request: &'c Message<'c>,
    /// The failure; none where the target stayed silent.
    answer: Option<&'c Message<'c>>,
    lasted: Span,
}

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for attempt in &call.attempts {
        if attempt.hops.len() <= BRANCHES_MIN || attempt.is_resolved(call) || attempt.is_answered()
        {
            continue;
        }
        for hop in attempt.transactions(call).filter(|hop| hop.downstream.len() >= BRANCHES_MIN) {
            let Some(answer) = failure(call, hop) else { continue };
            let below = || hop.downstream.iter().filter_map(|own| call.transactions.get(*own));
            let mut starts: Vec<Time> = below().filter_map(Transaction::started).collect();
            starts.sort_unstable();
            let branches: Option<Vec<_>> =
                below().map(|branch| branch_of(call, branch, &starts, answer)).collect();
            let Some(branches) = branches else { continue };
            if is_believable(answer, &branches) {
                report(call, hop, answer, &branches, findings);
            }
        }
    }
}

/// The failure of the hop that the caller did not bring about.
fn failure<'c>(call: &Call<'c>, hop: &Transaction<'c>) -> Option<&'c Message<'c>> {
    let answer = hop.final_response()?;
    let code = answer.status()?.code();
    let is_failure = code >= 400 && !matches!(code, 401 | 407 | 487);
    (is_failure && !call.is_given_up(hop)).then_some(answer)
}

/// How the branch ended, if in vain: in 408 or 5xx, or without an answer until the proxy went on;
/// `starts` are those of all branches, in order.
fn branch_of<'c>(
    call: &Call<'c>,
    branch: &Transaction<'c>,
    starts: &[Time],
    told: &Message<'_>,
) -> Option<Branch<'c>> {
    let request = branch.request?;
    let answer = branch.final_response();
    let ended = |end: Time, answer| Branch {
        hop: branch.index,
        request,
        answer,
        lasted: end.since(request.time),
    };
    let is_in_vain =
        |status: Status| status == Status::REQUEST_TIMEOUT || status.class() == Class::ServerError;
    if let Some(answer) = answer.filter(|own| own.status().is_some_and(is_in_vain)) {
        return Some(ended(answer.time, Some(answer)));
    }
    // A phone that rang and was cancelled is an ordinary branch.
    if branch.progress().next().is_some() {
        return None;
    }
    match (answer, call.cancel_of(branch)) {
        // 487 only echoes the CANCEL of the proxy that had waited long enough.
        (Some(answer), Some(cancel))
            if answer.status() == Some(Status::REQUEST_TERMINATED)
                && cancel.time <= answer.time =>
        {
            Some(ended(cancel.time, None))
        }
        (Some(_), _) => None,
        (None, Some(cancel)) => Some(ended(cancel.time, None)),
        (None, None) if branch.acks.is_empty() => {
            let sent = branch.retransmissions.last().map_or(request.time, |last| last.time);
            // What began beside it, in a parallel fork, is not the step to the next target.
            let is_beside = |start: &Time| *start <= sent || start.since(request.time) < timers::T1;
            let next = starts.get(starts.partition_point(is_beside)).copied();
            Some(ended(next.unwrap_or(told.time).min(told.time), None))
        }
        (None, None) => None,
    }
}

/// Of a silent branch the answer may have gone past the capture; a proxy would have handed on any
/// but 408 and 5xx before these (RFC 3261, section 16.7, item 6).
fn is_believable(answer: &Message<'_>, branches: &[Branch<'_>]) -> bool {
    branches.iter().all(|branch| branch.answer.is_some())
        || answer.status().is_some_and(|status| {
            matches!(status.code(), 408 | 480) || status.class() == Class::ServerError
        })
}

fn report(
    call: &Call<'_>,
    hop: &Transaction<'_>,
    answer: &Message<'_>,
    branches: &[Branch<'_>],
    findings: &mut Findings<'_>,
) {
    let Some(status) = answer.status() else { return };
    let confidence = match branches.iter().all(|branch| branch.answer.is_some()) {
        true => Confidence::Certain,
        false => Confidence::Likely,
    };
    let listed = || branches.iter().take(LISTED_MAX);
    let target = |branch: &Branch<'_>| {
        call.transactions.get(branch.hop).map(|below| Value::from(below.server))
    };
    let ending = |branch: &Branch<'_>| match branch.answer.and_then(Message::status) {
        Some(status) => Value::from(status.code()),
        None => Value::Word("no-response"),
    };
    let statuses = branches.iter().filter_map(|branch| branch.answer?.status());
    let mut report = Report::on(hop)
        .at(hop.request)
        .at(listed().map(|branch| branch.request))
        .at(listed().filter_map(|branch| branch.answer))
        .at([answer])
        .status(status);
    for status in statuses.take(LISTED_MAX) {
        report = report.status(status);
    }
    findings.report(
        report
            // It is about what became of all branches, not of the last one.
            .status(status)
            .confidence(confidence)
            .with("branches", branches.len())
            .with("targets", Value::List(listed().filter_map(target).collect()))
            .with("endings", Value::List(listed().map(ending).collect()))
            .with("tried_ms", Value::List(listed().map(|own| own.lasted.into()).collect()))
            .with("sum_ms", branches.iter().fold(Span::default(), |sum, own| sum + own.lasted))
            .with_some("wait_ms", hop.wait())
            .with("status", status.code()),
    );
}
