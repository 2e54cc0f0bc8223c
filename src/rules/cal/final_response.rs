#![doc = include_str!("final_response.md")]

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Attempt, Call, Message, Traits, Transaction};
use crate::sip::HeaderName;
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "CAL201",
    name: "final-response",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("final_response.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::LOST]).and_one_of(&[
        Traits::REFUSAL,
        Traits::CHALLENGE,
        Traits::REDIRECTION,
    ]),
    check: Check::Call(check),
};

/// A caller takes up a challenge within this time, or not at all.
const TAKEN_UP_WITHIN: Span = Span::from_secs(32);

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for attempt in &call.attempts {
        if attempt.is_resolved(call) || attempt.is_answered() {
            continue;
        }
        let Some(hop) = attempt.first_hop(call) else { continue };
        let Some(answer) = hop.final_response() else { continue };
        if let Some(severity) = severity(call, hop, answer) {
            report(call, attempt, hop, answer, severity, findings);
        }
    }
}

/// How bad it is: what the callee or caller chose is a note, what the network could not do is an
/// error.
fn severity(call: &Call<'_>, hop: &Transaction<'_>, answer: &Message<'_>) -> Option<Severity> {
    Some(match answer.status()?.code() {
        486 | 600 | 603 => Severity::Info,
        // The caller gave up, or an element did it for him; what comes after a CANCEL is only its
        // echo.
        487 => Severity::Info,
        _ if call.is_given_up(hop) => Severity::Info,
        404 | 408 | 410 | 480 | 484 => Severity::Warn,
        // The caller may follow a redirection under another Call-ID.
        300..=399 => Severity::Info,
        // The request that took up the challenge is missing in the capture, what followed is not
        // (guard G3).
        401 | 407 if call.goes_on_unseen(hop) => return None,
        // A challenge wants another request; that none came counts only if there was time for one
        // (guard G1).
        401 | 407 if !call.is_observed(answer.time, TAKEN_UP_WITHIN) => Severity::Info,
        401 | 407 => Severity::Warn,
        _ => Severity::Error,
    })
}

fn report(
    call: &Call<'_>,
    attempt: &Attempt<'_>,
    hop: &Transaction<'_>,
    answer: &Message<'_>,
    severity: Severity,
    findings: &mut Findings<'_>,
) {
    let origin = attempt.origin(call, hop);
    let sent = origin.final_response().unwrap_or(answer);
    let Some(status) = sent.status() else { return };
    let value = |name| sent.header(name).or_else(|| answer.header(name)).map(Value::quoted);
    findings.report(
        Report::on(origin)
            .at(hop.request)
            .at([answer, sent])
            .status(status)
            .severity(severity)
            .with("status", status.code())
            .with("phrase", Value::quoted(sent.reason_phrase().unwrap_or_default().as_bytes()))
            .with_some("wait_ms", hop.wait())
            .with_some("reason", value(HeaderName::Reason))
            .with_some("warning", value(HeaderName::Warning))
            .with_some("retry_after", value(HeaderName::RetryAfter))
            .with_some("error_info", value(HeaderName::ErrorInfo))
            .with_some("request_valid", looks_valid(origin).then_some(true))
            .with_some("software", sent.software().map(Value::quoted))
            .with("hops", attempt.hops.len()),
    );
}

/// The request was refused as a bad one, and nothing is wrong with it that could be seen.
fn looks_valid(hop: &Transaction<'_>) -> bool {
    let is_bad_request = hop.final_status().is_some_and(|status| status.code() == 400);
    is_bad_request
        && hop.request.is_some_and(|request| {
            !request.is_cut && !request.is_oversized() && request.defects().is_empty()
        })
}
