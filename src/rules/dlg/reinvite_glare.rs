#![doc = include_str!("reinvite_glare.md")]

use std::ops::RangeInclusive;

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Call, Dialog, Message, Traits, Transaction};
use crate::sip::Method;
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "DLG301",
    name: "reinvite-glare",
    severity: Severity::Info,
    since: "0.1.0",
    entry: include_str!("reinvite_glare.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::INSIDE, Traits::REFUSAL]),
    check: Check::Call(check),
};

/// Request Pending.
const PENDING: u16 = 491;

/// So many in a dialog are no chance meeting.
const LOOP: usize = 3;

/// How long to wait before the next try: the side that made the Call-ID, and the other one (RFC
/// 3261, section 14.1).
const WAIT_OF_OWNER: RangeInclusive<Span> = Span::from_millis(2100)..=Span::from_secs(4);
const WAIT_OF_OTHER: RangeInclusive<Span> = Span::from_secs(0)..=Span::from_secs(2);

/// Timers of a busy stack, and the way to the capture.
const TOLERANCE: Span = Span::from_millis(100);

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    if !call.transactions.iter().any(is_refused) {
        return;
    }
    for dialog in &call.dialogs {
        let refused: Vec<_> = dialog
            .requests(call)
            .filter(|hop| is_refused(hop) && !call.fails_behind(hop))
            .collect();
        if let Some(first) = refused.first() {
            report(call, dialog, first, &refused, findings);
        }
    }
}

/// A re-INVITE or UPDATE that met another one.
fn is_refused(transaction: &Transaction<'_>) -> bool {
    is_change(transaction) && transaction.final_status().is_some_and(|s| s.code() == PENDING)
}

fn is_change(transaction: &Transaction<'_>) -> bool {
    matches!(transaction.method, Method::Invite | Method::Update) && !transaction.is_initial()
}

fn report(
    call: &Call<'_>,
    dialog: &Dialog<'_>,
    first: &Transaction<'_>,
    refused: &[&Transaction<'_>],
    findings: &mut Findings<'_>,
) {
    let Some((request, answer)) = first.request.zip(first.final_response()) else { return };
    let Some(status) = answer.status() else { return };
    let other = crossing(call, dialog, request, answer);
    let retry = retry(call, dialog, request, answer);
    let wait = retry.map(|retry| retry.time.since(answer.time));
    let is_loop = refused.len() >= LOOP;
    let is_early = wait.and_then(|wait| is_out_of_time(dialog, request, wait));
    let recovered = dialog.requests(call).any(|later| {
        is_change(later) && later.started() >= Some(answer.time) && later.first_success().is_some()
    });
    // The other request may have gone past the capture, but it is what the status means.
    let confidence = if other.is_some() { Confidence::Certain } else { Confidence::Likely };
    let answers = refused.iter().filter_map(|hop| hop.final_response());
    findings.report(
        Report::on(first)
            .at(other)
            .at([request])
            .at(answers)
            .at(retry)
            .status(status)
            .severity(if is_loop { Severity::Warn } else { Severity::Info })
            .confidence(confidence)
            .with("method", Value::quoted(first.method.as_bytes()))
            .with("refusals", refused.len())
            .with("recovered", recovered)
            .with_some("retry_after_ms", wait)
            .with_some("retry_out_of_time", is_early),
    );
}

/// The re-INVITE or UPDATE of the other side that was open when this one came.
fn crossing<'c>(
    call: &Call<'c>,
    dialog: &Dialog<'c>,
    request: &Message<'c>,
    answer: &Message<'c>,
) -> Option<&'c Message<'c>> {
    let others = dialog.requests(call).filter(|other| is_change(other));
    let others = others.filter_map(|other| Some((other.request?, other.final_response())));
    let is_open = |own: &Message<'_>, end: Option<&Message<'_>>| {
        own.from_tag() == request.to_tag()
            && own.time <= answer.time
            && end.is_none_or(|end| end.time >= request.time)
    };
    others.filter(|(own, end)| is_open(own, *end)).map(|(own, _)| own).next()
}

/// The next try of the same side on its first hop.
fn retry<'c>(
    call: &Call<'c>,
    dialog: &Dialog<'c>,
    request: &Message<'c>,
    answer: &Message<'c>,
) -> Option<&'c Message<'c>> {
    let later = dialog.requests(call).filter(|later| is_change(later));
    later.filter_map(|later| later.request).find(|later| {
        later.from_tag() == request.from_tag()
            && later.source == request.source
            && later.time >= answer.time
    })
}

/// The retry did not keep to the wait of its side; nothing where it is unknown who made the
/// Call-ID.
fn is_out_of_time(dialog: &Dialog<'_>, request: &Message<'_>, wait: Span) -> Option<bool> {
    if dialog.starts_before_capture {
        return None;
    }
    let own = match request.from_tag() == Some(dialog.caller_tag) {
        true => WAIT_OF_OWNER,
        false => WAIT_OF_OTHER,
    };
    let is_kept = wait + TOLERANCE >= *own.start() && wait <= *own.end() + TOLERANCE;
    Some(!is_kept)
}
