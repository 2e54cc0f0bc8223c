#![doc = include_str!("register_rejected.md")]

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Call, FailedRegisters, Message, Traits, Transaction};
use crate::sip::{Class, HeaderName};
use crate::time::Time;

pub(crate) static RULE: Rule = Rule {
    code: "REG106",
    name: "register-rejected",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("register_rejected.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::REGISTER, Traits::REFUSAL]),
    check: Check::Call(check),
};

/// Expires is below the least interval of the registrar, Min-Expires (RFC 3261, section 10.2.8).
const INTERVAL_TOO_BRIEF: u16 = 423;

/// Refusals whose frames are named.
const SHOWN_MAX: usize = 4;

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for row in call.failed_registers(is_refused) {
        // A longer interval is another try, and what came of that counts.
        let is_passed_over = row.success.is_none()
            && row.failed.last().is_some_and(|last| is_raised_later(call, last));
        if !is_passed_over {
            report(call, &row, findings);
        }
    }
}

/// The registrar did not want this registration; challenges and faults of the message have rules of
/// their own.
fn is_refused(hop: &Transaction<'_>) -> bool {
    hop.first_success().is_none()
        && hop.final_status().is_some_and(|status| match status.code() {
            403 | 404 | INTERVAL_TOO_BRIEF | 480 | 555 => true,
            _ => status.class() == Class::ServerError,
        })
}

/// The client asked for more after a 423.
fn is_raised_later(call: &Call<'_>, refused: &Transaction<'_>) -> bool {
    let is_too_brief = refused.final_status().is_some_and(|s| s.code() == INTERVAL_TOO_BRIEF);
    let asked = expires(refused);
    let later = call.transactions.iter().skip(refused.index + 1);
    is_too_brief
        && later
            .filter(|hop| hop.method == refused.method && hop.client == refused.client)
            .any(|hop| asked.zip(expires(hop)).is_some_and(|(asked, later)| later > asked))
}

/// How long the REGISTER asks to be bound, in seconds.
fn expires(hop: &Transaction<'_>) -> Option<u32> {
    let request = hop.request?;
    match request.contacts().next() {
        Some(contact) => request.expires_of(&contact),
        None => request.expires(),
    }
}

/// What succeeded later makes it a note (guard G7); what cannot be removed runs out by itself.
fn severity(row: &FailedRegisters<'_, '_>, last: &Transaction<'_>) -> Severity {
    match (row.success, expires(last)) {
        (Some(_), _) => Severity::Info,
        (None, Some(0)) => Severity::Warn,
        (None, _) => Severity::Error,
    }
}

fn report(call: &Call<'_>, row: &FailedRegisters<'_, '_>, findings: &mut Findings<'_>) {
    let Some(last) = row.failed.last() else { return };
    let origin = call.origin_of(last);
    let (Some(request), Some(answer)) = (last.request, origin.final_response()) else { return };
    let Some(status) = answer.status() else { return };
    let shown = row.failed.iter().take(SHOWN_MAX).chain([last]);
    let user = request.to().and_then(|to| to.uri.user());
    let success = row.success.and_then(Transaction::first_success);
    let value = |name| answer.header(name).map(Value::quoted);
    findings.report(
        Report::on(origin)
            .at(shown.flat_map(|hop| hop.request.into_iter().chain(hop.final_response())))
            .at([answer])
            .at(success)
            .status(status)
            .severity(severity(row, last))
            .with("status", status.code())
            .with("phrase", Value::quoted(answer.reason_phrase().unwrap_or_default().as_bytes()))
            .with_some("user", user.map(Value::quoted))
            .with("request_uri", Value::quoted(uri_of(request)))
            .with("rejections", row.failed.len())
            .with_some("from", (last.client != origin.client).then_some(last.client))
            .with_some("expires", expires(last))
            .with_some("min_expires", answer.min_expires())
            .with_some("retry_after", value(HeaderName::RetryAfter))
            .with_some("warning", value(HeaderName::Warning))
            .with_some("reason", value(HeaderName::Reason))
            .with_some("software", answer.software().map(Value::quoted))
            .with_some("recovered_ms", success.map(|own| own.time.since(first_time(row)))),
    );
}

fn first_time(row: &FailedRegisters<'_, '_>) -> Time {
    row.failed.first().and_then(|first| first.started()).unwrap_or_default()
}

fn uri_of<'c>(request: &Message<'c>) -> &'c [u8] {
    request.request_uri().map(|uri| uri.as_bytes()).unwrap_or_default()
}
