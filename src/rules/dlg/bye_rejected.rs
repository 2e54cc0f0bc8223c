#![doc = include_str!("bye_rejected.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Call, Dialog, Message, Mismatch, Traits, Transaction};
use crate::sip::{Class, HeaderName, Method, Status, timers};
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "DLG205",
    name: "bye-rejected",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("bye_rejected.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::BYE, Traits::REFUSAL]),
    check: Check::Call(check),
};

/// Both sides hang up at the same moment if their BYEs leave within this time.
const CROSSING: Span = Span::from_secs(1);

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for bye in call.transactions.iter().filter(|transaction| transaction.method == Method::Bye) {
        let Some((request, answer)) = bye.request.zip(bye.final_response()) else { continue };
        if !is_refusal(answer) || bye.first_success().is_some() || call.fails_behind(bye) {
            continue;
        }
        let Some((dialog, mismatch)) = call.target_dialog(request) else { continue };
        if is_taken_up(call, request) || has_ended(call, dialog, request) {
            continue;
        }
        report(call, bye, (request, answer), (dialog, mismatch), findings);
    }
}

/// A challenge is only a step, and a redirection none of a dialog.
fn is_refusal(answer: &Message<'_>) -> bool {
    answer.status().is_some_and(|status| {
        matches!(status.class(), Class::ClientError | Class::ServerError | Class::GlobalFailure)
            && !matches!(status.code(), 401 | 407)
    })
}

/// Another BYE of the same side was accepted (guard G7).
fn is_taken_up(call: &Call<'_>, request: &Message<'_>) -> bool {
    call.transactions.iter().any(|other| {
        other.method == Method::Bye
            && other.first_success().is_some()
            && other.request.is_some_and(|own| own.from_tag() == request.from_tag())
    })
}

/// The dialog was over before: by an earlier BYE, by a request that the other side did not know any
/// more (RFC 3261, section 12.2.1.2), or because its session ran out.
fn has_ended(call: &Call<'_>, dialog: &Dialog<'_>, request: &Message<'_>) -> bool {
    let is_over = |answer: &Message<'_>| {
        answer.time <= request.time
            && answer.status().is_some_and(|status| matches!(status.code(), 408 | 481))
    };
    call.bye_before(dialog, request, request.time - CROSSING).is_some()
        || dialog.requests(call).any(|earlier| {
            earlier.method != Method::Bye && earlier.final_response().is_some_and(is_over)
        })
        || has_expired(call, dialog, request)
}

/// Nothing refreshed the session in time (RFC 4028, section 10).
fn has_expired(call: &Call<'_>, dialog: &Dialog<'_>, request: &Message<'_>) -> bool {
    let granted = call.messages.iter().rev().find_map(|message| {
        let is_refresh = message.time <= request.time
            && dialog.holds(message)
            && matches!(message.method(), Method::Invite | Method::Update)
            && message.status().map(Status::class) == Some(Class::Success);
        is_refresh.then_some((message.time, message.session_expires()))
    });
    let Some((since, Some(expires))) = granted else { return false };
    let interval = Span::from_secs(i64::from(expires.seconds));
    request.time.since(since) >= timers::session_expiry(interval)
}

fn report(
    call: &Call<'_>,
    bye: &Transaction<'_>,
    (request, answer): (&Message<'_>, &Message<'_>),
    (dialog, mismatch): (&Dialog<'_>, Option<Mismatch>),
    findings: &mut Findings<'_>,
) {
    let Some(status) = answer.status() else { return };
    let crossing = call
        .bye_before(dialog, request, answer.time)
        .and_then(|other| other.request)
        .filter(|other| other.from_tag() != request.from_tag());
    let severity = if crossing.is_some() { Severity::Info } else { Severity::Warn };
    // What came before the capture may have ended the dialog.
    let confidence = match dialog.starts_before_capture {
        true => Confidence::Possible,
        false => Confidence::Likely,
    };
    let confidence = if mismatch.is_some() { Confidence::Certain } else { confidence };
    findings.report(
        Report::on(bye)
            .at(dialog.confirmed.filter(|_| mismatch.is_some()))
            .at([request, answer])
            .at(crossing)
            .status(status)
            .severity(severity)
            .confidence(confidence)
            .with("status", status.code())
            .with_some("differs", mismatch.map(|mismatch| Value::Word(mismatch.name())))
            .with_some("crossing", crossing.map(|_| true))
            .with_some("reason", answer.header(HeaderName::Reason).map(Value::quoted))
            .with_some("warning", answer.header(HeaderName::Warning).map(Value::quoted)),
    );
}
