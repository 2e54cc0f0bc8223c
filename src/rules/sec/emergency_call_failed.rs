#![doc = include_str!("emergency_call_failed.md")]

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value, Visibility};
use crate::signaling::{Attempt, Call, Emergency, Message, Target, Threshold, Traits, Transaction};
use crate::sip::{Address, Class, HeaderName, Status};
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "SEC109",
    name: "emergency-call-failed",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("emergency_call_failed.md"),
    thresholds: &[&ANSWER_WITHIN],
    gate: Gate::all(&[Traits::LOST]),
    check: Check::Call(check),
};

/// Longer than the centres that take such calls let people wait.
static ANSWER_WITHIN: Threshold = Threshold::span("answer-within", Span::from_secs(30));

/// A caller follows a redirection or takes up a challenge within this time, or not at all.
const TAKEN_UP_WITHIN: Span = Span::from_secs(32);

/// How the call came to nothing.
struct Failure<'a, 'c> {
    hop: &'a Transaction<'c>,
    /// None if nobody answered in time.
    answer: Option<&'c Message<'c>>,
    visibility: Visibility,
    /// From the INVITE to the end of it.
    wait: Span,
}

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for attempt in &call.attempts {
        if attempt.is_resolved(call) || attempt.is_answered() {
            continue;
        }
        let mut requests = attempt.transactions(call).filter_map(|hop| hop.request);
        let emergency = requests.find_map(|request| request.emergency(call.settings()));
        let Some(emergency) = emergency else { continue };
        let Some(first) = attempt.first_hop(call) else { continue };
        let failure = match first.final_response() {
            Some(answer) if !call.is_given_up(first) => refusal(call, attempt, first, answer),
            _ => silence(call, first),
        };
        if let Some(failure) = failure {
            report(emergency, &failure, findings);
        }
    }
}

/// The call was refused, and no other way was named or taken.
fn refusal<'a, 'c>(
    call: &'a Call<'c>,
    attempt: &'a Attempt<'c>,
    first: &'a Transaction<'c>,
    answer: &'c Message<'c>,
) -> Option<Failure<'a, 'c>> {
    let status = answer.status()?;
    let is_due = call.is_observed(answer.time, TAKEN_UP_WITHIN);
    let visibility = match (status.code(), status.class()) {
        (380, _) if names_alternative(answer) => return None,
        // Another request is to follow, perhaps under another Call-ID (guard G1).
        (_, Class::Redirection) if is_due => Visibility::UnlessInvited(targets(answer)?),
        (401 | 407, _) if is_due && !call.goes_on_unseen(first) => Visibility::Proven,
        (401 | 407, _) | (_, Class::Redirection) => return None,
        _ => Visibility::Proven,
    };
    let hop = attempt.origin(call, first);
    let answer = hop.final_response().unwrap_or(answer);
    Some(Failure { hop, answer: Some(answer), visibility, wait: first.wait()? })
}

/// Emergency calls go another way here (3GPP TS 24.229, section 5.1.2A.1.1): the body or a Contact
/// tells which.
fn names_alternative(answer: &Message<'_>) -> bool {
    answer.has(HeaderName::Contact) || answer.part("application", "3gpp-ims+xml").is_some()
}

/// Where SIP can follow to; none if nowhere, by other means, or to more places than are looked at.
fn targets(answer: &Message<'_>) -> Option<[Option<Target>; 4]> {
    let mut targets = [None; 4];
    let mut places = targets.iter_mut();
    for contact in answer.values(HeaderName::Contact) {
        *places.next()? = Some(Target::of(&Address::of(contact).uri)?);
    }
    Some(targets)
}

/// Nobody answered for so long; the caller may have given up then.
fn silence<'a, 'c>(call: &'a Call<'c>, first: &'a Transaction<'c>) -> Option<Failure<'a, 'c>> {
    let started = first.started()?;
    let limit = call.settings().span(&ANSWER_WITHIN);
    let given_up = call.cancel_of(first).map(|cancel| cancel.time.since(started));
    let is_long = match given_up {
        Some(wait) => wait >= limit,
        None => call.is_observed(started, limit),
    };
    // Without any response, nothing may have come because it was not captured (guard G2).
    let visibility = match first.has_response() {
        true => Visibility::Proven,
        false => {
            Visibility::HostElsePossible { host: first.server.address, peer: first.client.address }
        }
    };
    let wait = given_up.unwrap_or(limit);
    is_long.then_some(Failure { hop: first, answer: None, visibility, wait })
}

fn report(emergency: Emergency, failure: &Failure<'_, '_>, findings: &mut Findings<'_>) {
    let Failure { hop, answer, visibility, wait } = *failure;
    let Some(request) = hop.request else { return };
    let status = answer.and_then(Message::status);
    let problem = match status.map(Status::code) {
        Some(424) => Value::Word("no-location"),
        Some(_) => Value::Word("refused"),
        None => Value::Word("no-answer"),
    };
    let severity = match emergency {
        Emergency::Call => Severity::Error,
        Emergency::Test => Severity::Info,
    };
    let value = |name| answer.and_then(|answer| answer.header(name)).map(Value::quoted);
    let phrase = answer.and_then(|answer| answer.reason_phrase());
    let service = request.request_uri().map(|uri| Value::quoted(uri.as_bytes()));
    let report = Report::on(hop)
        .at([request])
        .at(hop.trying())
        .at(answer)
        .severity(severity)
        .visibility(visibility)
        .absence(answer.is_none())
        .with("problem", problem)
        .with_some("service", service)
        .with("test", emergency == Emergency::Test)
        .with_some("status", status.map(Status::code))
        .with_some("phrase", phrase.map(|phrase| Value::quoted(phrase.as_bytes())))
        .with("wait_ms", wait)
        .with("location", request.has(HeaderName::Geolocation))
        .with_some("geolocation_error", value(HeaderName::GeolocationError))
        .with_some("reason", value(HeaderName::Reason));
    findings.report(match status {
        Some(status) => report.status(status),
        None => report,
    });
}
