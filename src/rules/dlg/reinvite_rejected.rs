#![doc = include_str!("reinvite_rejected.md")]

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Call, Dialog, Message, Traits, Transaction};
use crate::sip::{Class, HeaderName, Method, Status};
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "DLG302",
    name: "reinvite-rejected",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("reinvite_rejected.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::INSIDE, Traits::REFUSAL]),
    check: Check::Call(check),
};

/// A BYE so soon after the refusal is because of it.
const HUNG_UP_WITHIN: Span = Span::from_secs(2);

/// A change that is offered again so soon is the next try of the same change.
const TRIED_AGAIN_WITHIN: Span = Span::from_secs(32);

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for hop in call.transactions.iter().filter(|transaction| is_refused(transaction)) {
        let Some((request, answer)) = hop.request.zip(hop.final_response()) else { continue };
        let Some(dialog) = call.dialog_of(request).filter(|dialog| is_up(dialog, request)) else {
            continue;
        };
        // After a BYE nothing is left to change.
        let has_ended = call.bye_before(dialog, request, answer.time).is_some();
        if has_ended || call.is_given_up(hop) || call.fails_behind(hop) {
            continue;
        }
        report(call, hop, dialog, (request, answer), findings);
    }
}

/// Challenges, time-outs of the session, glare and lost dialogs have rules of their own.
fn is_refused(transaction: &Transaction<'_>) -> bool {
    matches!(transaction.method, Method::Invite | Method::Update)
        && !transaction.is_initial()
        && transaction.first_success().is_none()
        && transaction.final_status().is_some_and(|status| {
            status.code() >= 400 && !matches!(status.code(), 401 | 407 | 422 | 481 | 487 | 491)
        })
}

/// The dialog was confirmed when the request was sent.
fn is_up(dialog: &Dialog<'_>, request: &Message<'_>) -> bool {
    let is_before = |answer: &Message<'_>| answer.time <= request.time;
    dialog.confirmed.is_some_and(is_before)
        || (dialog.confirmed.is_none() && dialog.starts_before_capture)
}

fn report(
    call: &Call<'_>,
    hop: &Transaction<'_>,
    dialog: &Dialog<'_>,
    (request, answer): (&Message<'_>, &Message<'_>),
    findings: &mut Findings<'_>,
) {
    let Some(status) = answer.status() else { return };
    let settled = settled(call, dialog, request, answer);
    let bye = dialog.bye(call).and_then(|bye| bye.request);
    let bye = bye.filter(|bye| settled.is_none() && bye.time.since(answer.time) <= HUNG_UP_WITHIN);
    let is_fax_over_voice = is_fax_over_voice(call, dialog, request, answer);
    let severity = match (settled, bye) {
        (Some(_), _) => Severity::Info,
        (None, Some(_)) => Severity::Error,
        (None, None) if is_fax_over_voice => Severity::Info,
        (None, None) => Severity::Warn,
    };
    findings.report(
        Report::on(hop)
            .at([request, answer])
            .at(bye)
            .at(settled)
            .status(status)
            .severity(severity)
            .with("method", Value::quoted(hop.method.as_bytes()))
            .with("status", status.code())
            .with("phrase", Value::quoted(answer.reason_phrase().unwrap_or_default().as_bytes()))
            .with_some("offered", offered(request))
            .with_some("bye_after_ms", bye.map(|bye| bye.time.since(answer.time)))
            .with_some("reason", answer.header(HeaderName::Reason).map(Value::quoted))
            .with_some("warning", answer.header(HeaderName::Warning).map(Value::quoted)),
    );
}

/// Another change of the same side was accepted soon after (guard G7).
fn settled<'c>(
    call: &Call<'c>,
    dialog: &Dialog<'c>,
    request: &Message<'c>,
    answer: &Message<'c>,
) -> Option<&'c Message<'c>> {
    let later = dialog.requests(call).filter(|later| {
        matches!(later.method, Method::Invite | Method::Update)
            && later.started().is_some_and(|started| {
                started >= answer.time && started.since(answer.time) <= TRIED_AGAIN_WITHIN
            })
            && later.request.is_some_and(|own| own.from_tag() == request.from_tag())
    });
    later.filter_map(Transaction::first_success).next()
}

/// T.38 was refused, and the call stays on G.711, which carries fax as well.
fn is_fax_over_voice(
    call: &Call<'_>,
    dialog: &Dialog<'_>,
    request: &Message<'_>,
    answer: &Message<'_>,
) -> bool {
    let has_image = request.session().is_some_and(|(session, _)| {
        session.media.iter().any(|media| media.is("image") && !media.is_rejected())
    });
    if !has_image {
        return false;
    }
    let agreed = call.messages.iter().rev().find_map(|message| {
        let is_agreed = message.time <= answer.time
            && dialog.holds(message)
            && message.status().map(Status::class) == Some(Class::Success);
        is_agreed.then(|| message.session()).flatten()
    });
    agreed.is_some_and(|(session, _)| {
        session
            .audio()
            .is_some_and(|audio| audio.codecs().any(|codec| codec.is("PCMU") || codec.is("PCMA")))
    })
}

/// The kinds of media in the offer with their protocols.
fn offered(request: &Message<'_>) -> Option<Value> {
    let (session, _) = request.session()?;
    let media = session
        .media
        .iter()
        .filter(|media| !media.is_rejected())
        .map(|media| Value::quoted(&[media.kind, b" ", media.protocol].concat()));
    Some(Value::List(media.collect()))
}
