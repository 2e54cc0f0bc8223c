#![doc = include_str!("method_not_supported.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Call, Message, Traits, Transaction};
use crate::sip::{HeaderName, Method, Status};
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "CAL205",
    name: "method-not-supported",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("method_not_supported.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::REFUSAL]),
    check: Check::Call(check),
};

/// Another way that works so soon makes good what was refused.
const FALL_BACK_WITHIN: Span = Span::from_secs(5);

/// Pairs of method and server named in one call.
const REPORTED_MAX: usize = 16;

/// What the peer says about a method.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Allowed {
    Listed,
    NotListed,
    Unknown,
}

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let mut known = Vec::new();
    for hop in call.transactions.iter().filter(|hop| is_refused(hop)) {
        // The hop nearest to the callee refuses, the others hand it on (guard G9).
        let mut below = hop.downstream.iter().filter_map(|own| call.transactions.get(*own));
        let key = (hop.method, hop.server);
        if below.any(is_refused) || known.contains(&key) || known.len() >= REPORTED_MAX {
            continue;
        }
        known.push(key);
        report(call, hop, findings);
    }
}

/// 405 or 501 to anything but an initial INVITE, whose outcome is that of the call.
fn is_refused(hop: &Transaction<'_>) -> bool {
    let is_code = |status| [Status::METHOD_NOT_ALLOWED, Status::NOT_IMPLEMENTED].contains(&status);
    hop.final_status().is_some_and(is_code)
        && hop.request.is_some()
        && !matches!(hop.method, Method::Cancel | Method::Ack)
        && !(hop.method == Method::Invite && hop.is_initial())
}

fn report(call: &Call<'_>, hop: &Transaction<'_>, findings: &mut Findings<'_>) {
    let (Some(request), Some(answer)) = (hop.request, hop.final_response()) else { return };
    let Some(status) = answer.status() else { return };
    let (allowed, told) = allowed(call, hop, answer);
    let fall_back = fall_back(call, hop, answer);
    let severity = match (allowed, fall_back) {
        (Allowed::Listed, None) => Severity::Warn,
        _ => Severity::Info,
    };
    let times = call
        .transactions
        .iter()
        .filter(|other| (other.method, other.server) == (hop.method, hop.server))
        .filter(|other| is_refused(other))
        .count();
    let word = match allowed {
        Allowed::Listed => "listed",
        Allowed::NotListed => "not-listed",
        Allowed::Unknown => "no-allow",
    };
    findings.report(
        Report::on(hop)
            .at([request, answer])
            .at(told)
            .status(status)
            .severity(severity)
            .confidence(Confidence::Certain)
            .with("method", Value::quoted(hop.method.as_bytes()))
            .with("status", status.code())
            .with("in_allow", Value::Word(word))
            .with_some(
                "allow",
                told.and_then(|own| own.header(HeaderName::Allow)).map(Value::quoted),
            )
            .with_some("times", (times > 1).then_some(times))
            .with_some("fall_back", fall_back.map(|own| Value::quoted(own.method.as_bytes())))
            .with_some("software", answer.software().map(Value::quoted)),
    );
}

/// What the Allow of the server says about the method, with the message that says it: the newest
/// one before the refusal, else the refusal itself.
fn allowed<'c>(
    call: &Call<'c>,
    hop: &Transaction<'c>,
    answer: &'c Message<'c>,
) -> (Allowed, Option<&'c Message<'c>>) {
    let before = call.messages.iter().rev().find(|message| {
        message.source.address == hop.server.address
            && message.frame != answer.frame
            && message.time <= answer.time
            && is_of_peer(message, hop)
            && message.header(HeaderName::Allow).is_some()
    });
    let own = Some(answer).filter(|answer| answer.header(HeaderName::Allow).is_some());
    let Some(told) = before.or(own) else { return (Allowed::Unknown, None) };
    match told.allow().any(|method| method == hop.method) {
        true => (Allowed::Listed, Some(told)),
        false => (Allowed::NotListed, Some(told)),
    }
}

/// The message is by the one whom the request was for, not handed on from the requester by the same
/// host: its tag is the To-tag of the request. Outside of a dialog any message of the host counts.
fn is_of_peer(message: &Message<'_>, hop: &Transaction<'_>) -> bool {
    let Some(peer) = hop.request.and_then(Message::to_tag) else { return message.is_response() };
    match message.is_request() {
        true => message.from_tag() == Some(peer),
        false => message.to_tag() == Some(peer),
    }
}

/// The next request of the same client with another method that got a 2xx in time.
fn fall_back<'a, 'c>(
    call: &'a Call<'c>,
    hop: &Transaction<'c>,
    answer: &Message<'c>,
) -> Option<&'a Transaction<'c>> {
    call.transactions.iter().skip(hop.index + 1).find(|other| {
        other.client == hop.client
            && other.method != hop.method
            && !matches!(other.method, Method::Bye | Method::Cancel | Method::Ack)
            && other.started().is_some_and(|started| started >= answer.time)
            && other
                .first_success()
                .is_some_and(|success| success.time.since(answer.time) <= FALL_BACK_WITHIN)
    })
}
