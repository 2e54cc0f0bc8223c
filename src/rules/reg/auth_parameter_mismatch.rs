#![doc = include_str!("auth_parameter_mismatch.md")]

use std::borrow::Cow;

use crate::finding::{Check, Confidence, Findings, Gate, Rule, Severity, Value, Visibility};
use crate::rules::reg::report_on;
use crate::signaling::{Call, Chain, Message, Refusal, Round, Traits};
use crate::sip::{Challenge, Credentials};

pub(crate) static RULE: Rule = Rule {
    code: "REG105",
    name: "auth-parameter-mismatch",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("auth_parameter_mismatch.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::OPEN_CHALLENGE]),
    check: Check::Call(check),
};

/// The algorithm where none is named (RFC 7616, section 3.3).
const ALGORITHM: &[u8] = b"MD5";

/// What differs, the more telling first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Parameter {
    Realm,
    Nonce,
    Algorithm,
    Qop,
    Opaque,
    Uri,
}

/// What was sent in the place of what was asked for.
struct Difference<'c> {
    parameter: Parameter,
    asked: Option<Cow<'c, [u8]>>,
    sent: Option<Cow<'c, [u8]>>,
}

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for chain in call.chains() {
        let Some(refusal) = chain.refusal(call) else { continue };
        if let Some(difference) = difference(chain, &refusal) {
            report(call, chain, &refusal, &difference, findings);
        }
    }
}

/// Where the credentials fit none of the challenges: what is wrong in those that come nearest.
fn difference<'c>(chain: &Chain<'c>, refusal: &Refusal<'_, 'c>) -> Option<Difference<'c>> {
    let request = refusal.request;
    let mut nearest: Option<Difference<'c>> = None;
    for own in request.credentials().filter(Credentials::is_digest) {
        for challenge in refusal.round.challenges() {
            let found = parameter(&own, &challenge).or_else(|| uri(&own, request))?;
            if nearest.as_ref().is_none_or(|known| found.parameter > known.parameter) {
                nearest = Some(found);
            }
        }
    }
    nearest.filter(|found| !is_of_another_round(chain, refusal, found))
}

fn parameter<'c>(own: &Credentials<'c>, asked: &Challenge<'c>) -> Option<Difference<'c>> {
    let differs = |parameter, asked, sent| Some(Difference { parameter, asked, sent });
    if own.realm() != asked.realm() {
        return differs(Parameter::Realm, asked.realm(), own.realm());
    }
    if own.nonce() != asked.nonce() {
        return differs(Parameter::Nonce, asked.nonce(), own.nonce());
    }
    let algorithm = |name: Option<Cow<'c, [u8]>>| name.unwrap_or(Cow::Borrowed(ALGORITHM));
    let (wanted, used) = (algorithm(asked.algorithm()), algorithm(own.algorithm()));
    if !wanted.eq_ignore_ascii_case(&used) {
        return differs(Parameter::Algorithm, Some(wanted), Some(used));
    }
    let offered = asked.qop();
    if let Some(used) = own.qop() {
        let mut names = offered.as_deref().unwrap_or_default().split(|byte| *byte == b',');
        if !names.any(|name| name.trim_ascii().eq_ignore_ascii_case(&used)) {
            return differs(Parameter::Qop, offered, Some(used));
        }
    }
    // Most servers do not miss it; another one is the sign of somebody who rewrites.
    let (opaque, returned) = (asked.fields.get("opaque"), own.fields.get("opaque"));
    match returned.is_some() && opaque != returned {
        true => differs(Parameter::Opaque, opaque, returned),
        false => None,
    }
}

/// The digest URI names another target than the request.
fn uri<'c>(own: &Credentials<'c>, request: &Message<'c>) -> Option<Difference<'c>> {
    let (sent, asked) = (own.uri()?, request.request_uri()?);
    request.has_foreign_digest_uri(own).then(|| Difference {
        parameter: Parameter::Uri,
        asked: Some(Cow::Borrowed(asked.as_bytes())),
        sent: Some(sent),
    })
}

/// The realm or the nonce is that of another challenge that the client has met, or of what it had
/// from the start: it lacks a password, or keeps a nonce.
fn is_of_another_round(
    chain: &Chain<'_>,
    refusal: &Refusal<'_, '_>,
    found: &Difference<'_>,
) -> bool {
    let sent = found.sent.as_deref();
    let is_known = |challenge: Challenge<'_>| match found.parameter {
        Parameter::Realm => challenge.realm().as_deref() == sent,
        Parameter::Nonce => challenge.nonce().as_deref() == sent,
        _ => false,
    };
    let is_cached = |own: Credentials<'_>| match found.parameter {
        Parameter::Realm => own.realm().as_deref() == sent,
        Parameter::Nonce => own.nonce().as_deref() == sent,
        _ => false,
    };
    let is_before = |round: &&Round<'_>| round.transaction < refusal.transaction;
    chain.rounds.iter().take_while(is_before).flat_map(Round::challenges).any(is_known)
        || chain.rounds.first().is_some_and(|first| first.request.credentials().any(is_cached))
}

fn report(
    call: &Call<'_>,
    chain: &Chain<'_>,
    refusal: &Refusal<'_, '_>,
    found: &Difference<'_>,
    findings: &mut Findings<'_>,
) {
    let Some(report) = report_on(call, chain) else { return };
    let (word, confidence) = match found.parameter {
        Parameter::Realm => (Value::Word("realm"), Confidence::Certain),
        Parameter::Nonce => (Value::Word("nonce"), Confidence::Certain),
        Parameter::Algorithm => (Value::Word("algorithm"), Confidence::Certain),
        Parameter::Qop => (Value::Word("qop"), Confidence::Certain),
        // Many servers do not look at these.
        Parameter::Opaque => (Value::Word("opaque"), Confidence::Likely),
        Parameter::Uri => (Value::Word("digest-uri"), Confidence::Likely),
    };
    let shown = |value: &Option<Cow<'_, [u8]>>| match value {
        Some(value) => Value::quoted(value),
        None => Value::Word("none"),
    };
    // A server that has accepted such a URI does not mind it.
    let visibility = match (found.parameter, refusal.response.source.address) {
        (Parameter::Uri, server) => Visibility::UnlessLenient(server),
        _ => Visibility::Proven,
    };
    findings.report(
        report
            .visibility(visibility)
            .at([refusal.round.response, refusal.request, refusal.response])
            .confidence(confidence)
            .with("parameter", word)
            .with("asked", shown(&found.asked))
            .with("sent", shown(&found.sent)),
    );
}
