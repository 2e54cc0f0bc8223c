#![doc = include_str!("session_refresh_rejected.md")]

use crate::finding::{
    Check, Confidence, Findings, Gate, Report, Rule, Severity, Value, Visibility,
};
use crate::signaling::{Call, Dialog, Message, Traits, Transaction};
use crate::sip::{Class, Method, Status, timers};
use crate::time::{Span, Time};

pub(crate) static RULE: Rule = Rule {
    code: "DLG305",
    name: "session-refresh-rejected",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("session_refresh_rejected.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::SESSION_EXPIRES, Traits::INSIDE]),
    check: Check::Call(check),
};

/// How long after the end of the interval a BYE is still the end of the session.
const BYE_UNTIL: Span = Span::from_secs(5);

/// A refusal that ends the call ends it at once.
const HUNG_UP_WITHIN: Span = Span::from_secs(2);

/// Refreshes without success that are looked at in one call; real calls have one or two.
const REFRESHES_MAX: usize = 64;

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let refreshes = call.transactions.iter().filter(|t| {
        matches!(t.method, Method::Invite | Method::Update)
            && t.first_success().is_none()
            && !t.is_initial()
            && t.request.is_some_and(|request| request.session_expires().is_some())
    });
    for refresh in refreshes.take(REFRESHES_MAX) {
        let Some(failed) = failure(call, refresh) else { continue };
        // The farthest hop downstream owns the finding (guard G9).
        let mut below = refresh.downstream.iter().filter_map(|i| call.transactions.get(*i));
        if below.any(|below| failure(call, below).is_some()) {
            continue;
        }
        let dialog = refresh.request.and_then(|request| call.dialog_of(request));
        let Some(dialog) = dialog.filter(|dialog| dialog.is_confirmed()) else { continue };
        if is_taken_up(call, dialog, refresh) {
            continue;
        }
        if let Some(bye) = bye_of(call, dialog, refresh, failed) {
            report(refresh, bye, failed, findings);
        }
    }
}

/// When the refresh failed: it was refused, or stayed without any answer.
fn failure(call: &Call<'_>, refresh: &Transaction<'_>) -> Option<Time> {
    match refresh.final_response() {
        Some(answer) => {
            let class = answer.status()?.class();
            matches!(class, Class::ClientError | Class::ServerError | Class::GlobalFailure)
                .then_some(answer.time)
        }
        None => {
            let started = refresh.started()?;
            let is_silent = !refresh.has_response()
                && call.is_observed(started, call.patience_of(refresh.client))
                && !call.implies_response(refresh)
                && !call.got_through(refresh)
                && !call.shows_unseen_answer(refresh);
            is_silent.then_some(started)
        }
    }
}

/// Another INVITE or UPDATE of the dialog was accepted later (guard G7).
fn is_taken_up(call: &Call<'_>, dialog: &Dialog<'_>, refresh: &Transaction<'_>) -> bool {
    call.transactions.iter().any(|other| {
        matches!(other.method, Method::Invite | Method::Update)
            && other
                .first_success()
                .is_some_and(|answer| answer.time >= refresh.first_time() && dialog.holds(answer))
    })
}

/// The BYE that the failed refresh led to: soon after it, or when the interval ran out. One that
/// was sent before the refusal came is a crossing.
fn bye_of<'c>(
    call: &Call<'c>,
    dialog: &Dialog<'c>,
    refresh: &Transaction<'c>,
    failed: Time,
) -> Option<&'c Message<'c>> {
    let bye = dialog.farewell(call).filter(|bye| bye.time >= failed)?;
    let request = refresh.request?;
    let (start, interval) = match dialog.session_timer(call) {
        Some(timer) => (timer.granted.time, timer.interval),
        None => (request.time, Span::from_secs(request.session_expires()?.seconds.into())),
    };
    let after = bye.time.since(start);
    let is_soon = match refresh.final_status().map(Status::code) {
        // Silence is noticed when the request times out.
        None => bye.time.since(failed) <= call.patience() + BYE_UNTIL,
        // The next try is due; only the end of the interval shows that none came.
        Some(422 | 491) => false,
        Some(_) => bye.time.since(failed) <= HUNG_UP_WITHIN,
    };
    let is_expiry = after >= timers::session_expiry(interval);
    (after <= interval + BYE_UNTIL && (is_soon || is_expiry)).then_some(bye)
}

fn report(refresh: &Transaction<'_>, bye: &Message<'_>, failed: Time, findings: &mut Findings<'_>) {
    let Some(request) = refresh.request else { return };
    let status = refresh.final_status();
    let (client, server) = (refresh.client, refresh.server);
    let report = match status {
        Some(status) => Report::on(refresh).status(status),
        None => Report::on(refresh)
            .visibility(Visibility::WayElseNothing(server.address, client.address)),
    };
    // Without an answer a client repeats over UDP; perhaps one came, but not into the capture.
    let is_doubtful = status.is_none() && refresh.is_sent_once();
    let confidence = if is_doubtful { Confidence::Possible } else { Confidence::Likely };
    let expires = request.session_expires().map(|own| Span::from_secs(own.seconds.into()));
    findings.report(
        report
            .at([request, bye])
            .at(refresh.final_response())
            .confidence(confidence)
            .with("method", Value::quoted(refresh.method.as_bytes()))
            .with("result", Value::Word(if status.is_some() { "rejected" } else { "no-answer" }))
            .with_some("status", status.map(Status::code))
            .with("bye_after_ms", bye.time.since(failed))
            .with_some("session_expires_ms", expires),
    );
}
