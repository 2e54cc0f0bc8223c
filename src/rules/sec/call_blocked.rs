#![doc = include_str!("call_blocked.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Call, Message, Traits, Transaction};
use crate::sip::{Address, HeaderName};

pub(crate) static RULE: Rule = Rule {
    code: "SEC108",
    name: "call-blocked",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("call_blocked.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::LOST, Traits::REFUSAL]),
    check: Check::Call(check),
};

/// What a 603 says that no user has sent.
const BLOCKED: [&str; 2] = ["network blocked", "network-blocked"];

/// How the text of a Reason begins that tells of analytics.
const ANALYTICS: &str = "v=analytics";

/// What `Call-Info` calls the contact for callers who disagree (RFC 8688, section 3.2).
const REDRESS: &[u8] = b"jwscard";

/// Who does not want the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blocker {
    Callee,
    Network,
    /// The callee, or somebody for him, takes no anonymous calls.
    Anonymity,
}

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for attempt in &call.attempts {
        if attempt.is_resolved(call) || attempt.is_answered() {
            continue;
        }
        let Some(first) = attempt.first_hop(call).filter(|hop| !call.is_given_up(hop)) else {
            continue;
        };
        let hop = attempt.origin(call, first);
        let Some(answer) = hop.final_response() else { continue };
        if let Some((blocker, confidence)) = blocker(hop, answer) {
            report(hop, answer, blocker, confidence, findings);
        }
    }
}

fn blocker(hop: &Transaction<'_>, answer: &Message<'_>) -> Option<(Blocker, Confidence)> {
    let found = match answer.status()?.code() {
        607 => (Blocker::Callee, Confidence::Certain),
        608 => (Blocker::Network, Confidence::Certain),
        433 => (Blocker::Anonymity, Confidence::Certain),
        603 => named(answer)?,
        // Why it is forbidden is not said.
        403 if hop.request.is_some_and(is_anonymous) => (Blocker::Anonymity, Confidence::Possible),
        _ => return None,
    };
    Some(found)
}

/// Who has sent a 603 that is not a user's decline, if that is told.
fn named(answer: &Message<'_>) -> Option<(Blocker, Confidence)> {
    let phrase = answer.reason_phrase().unwrap_or_default().to_ascii_lowercase();
    let is_of_network = BLOCKED.into_iter().any(|words| phrase.contains(words))
        || answer.reason().any(|reason| {
            let text = reason.text().unwrap_or_default();
            text.starts_with(ANALYTICS) || (reason.is("SIP") && reason.cause == Some(608))
        });
    if is_of_network {
        return Some((Blocker::Network, Confidence::Certain));
    }
    let is_of_callee = answer.reason().any(|r| r.is("SIP") && r.cause == Some(607));
    is_of_callee.then_some((Blocker::Callee, Confidence::Certain))
}

/// The caller hides (RFC 3323, section 4.1.1.3), and no network has said who it is (RFC 3325).
fn is_anonymous(request: &Message<'_>) -> bool {
    let is_hidden = request.from().is_some_and(|from| {
        let user = from.uri.user().unwrap_or_default();
        let host = from.uri.host().map(|host| host.to_string().to_ascii_lowercase());
        user.eq_ignore_ascii_case(b"anonymous")
            || host.is_some_and(|host| host == "anonymous.invalid")
    });
    is_hidden && !request.has(HeaderName::PAssertedIdentity)
}

fn report(
    hop: &Transaction<'_>,
    answer: &Message<'_>,
    blocker: Blocker,
    confidence: Confidence,
    findings: &mut Findings<'_>,
) {
    let Some(status) = answer.status() else { return };
    let by = match blocker {
        Blocker::Callee => Value::Word("callee"),
        Blocker::Network => Value::Word("network"),
        Blocker::Anonymity => Value::Word("no-anonymous-calls"),
    };
    findings.report(
        Report::on(hop)
            .at(hop.request)
            .at([answer])
            .status(status)
            .confidence(confidence)
            .with("status", status.code())
            .with("phrase", Value::quoted(answer.reason_phrase().unwrap_or_default().as_bytes()))
            .with("blocked_by", by)
            .with_some("redress", redress(answer))
            .with_some("reason", answer.header(HeaderName::Reason).map(Value::quoted))
            .with_some("from", hop.request.and_then(|request| caller(request)))
            .with_some("attest", hop.request.and_then(|request| attestation(request)))
            .with_some("software", answer.software().map(Value::quoted)),
    );
}

/// Whom the caller may turn to.
fn redress(answer: &Message<'_>) -> Option<Value> {
    let infos = answer.values(HeaderName::CallInfo).map(Address::of);
    let is_own = |info: &Address<'_>| {
        info.parameters.value("purpose").is_some_and(|own| own.eq_ignore_ascii_case(REDRESS))
    };
    infos.into_iter().find(is_own).map(|info| Value::quoted(info.uri.as_bytes()))
}

/// Under which name the call came: what the network says of it, else From.
fn caller(request: &Message<'_>) -> Option<Value> {
    let asserted = request.address(HeaderName::PAssertedIdentity);
    asserted.or_else(|| request.from()).map(|own| Value::quoted(own.uri.as_bytes()))
}

/// How well the signer says that it knows the caller.
fn attestation(request: &Message<'_>) -> Option<Value> {
    request.identities().find_map(|identity| {
        let (passport, _) = identity.passport();
        passport.attestation().map(|level| Value::quoted(level.as_bytes()))
    })
}
