#![doc = include_str!("identity_invalid.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::rules::sec::{on_refusal, with_objection, with_token, with_turn};
use crate::signaling::{Attempt, Call, Message, Signed, Traits, Transaction, Verdict};
use crate::sip::PassportAnomaly;

pub(crate) static RULE: Rule = Rule {
    code: "SEC107",
    name: "identity-invalid",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("identity_invalid.md"),
    thresholds: &[],
    gate: Gate::one_of(&[Traits::IDENTITY_REFUSAL, Traits::REASON, Traits::IDENTITY]),
    check: Check::Call(check),
};

/// Bad Identity Info, Unsupported Credential, Invalid Identity Header (RFC 8224, section 6.2.2).
const CODES: [u16; 3] = [436, 437, 438];

/// Codes that such a fault may lead to besides.
const REFUSALS: [u16; 1] = [428];

/// What is wrong with a signed identity, and how sure that is.
#[derive(Debug, Default)]
struct Faults {
    words: Vec<Value>,
    /// Verifiers differ in whether they mind.
    is_tolerable: bool,
    is_certain: bool,
}

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for hop in &call.transactions {
        if let Some(objection) = call.objection(hop, &CODES) {
            let faults = hop.request.map(|request| faults(call, request)).unwrap_or_default();
            let report = with_objection(hop, &objection);
            findings.report(with_faults(report, call, hop, faults));
        }
    }
    for attempt in &call.attempts {
        let is_told = |hop: &Transaction<'_>| call.objection(hop, &CODES).is_some();
        if !attempt.transactions(call).any(is_told) {
            check_token(call, attempt, findings);
        }
    }
}

/// The identity is wrong by itself, whatever the verifier says.
fn check_token(call: &Call<'_>, attempt: &Attempt<'_>, findings: &mut Findings<'_>) {
    let of = |hop: &Transaction<'_>| hop.request.map(|request| faults(call, request));
    let is_wrong = |hop: &Transaction<'_>| of(hop).is_some_and(|own| !own.words.is_empty());
    let Some(hop) = attempt.farthest(call, is_wrong) else { return };
    let faults = of(hop).unwrap_or_default();
    // An answered call has not failed of it.
    let severity = match faults.is_tolerable || attempt.is_answered() {
        true => Severity::Warn,
        false => Severity::Error,
    };
    let confidence = match faults.is_certain {
        true => Confidence::Certain,
        false => Confidence::Likely,
    };
    let report = on_refusal(hop, &REFUSALS);
    let report = report.severity(severity).confidence(confidence);
    findings.report(with_faults(report, call, hop, faults));
}

fn faults(call: &Call<'_>, request: &Message<'_>) -> Faults {
    let mut faults = Faults { is_tolerable: true, ..Faults::default() };
    let is_unverified = |_: &Signed<'_>| !request.is_verified();
    for signed in request.signed().filter(is_unverified) {
        faults.words.extend(signed.wrong.iter().map(word));
        faults.is_tolerable &= signed.wrong.iter().all(is_tolerable);
        faults.is_certain |= !signed.wrong.is_empty();
        match signed.verdict(request, &call.settings().certificates) {
            Verdict::Fails(_) => {
                faults.words.push(Value::Word("signature-wrong"));
                faults.is_tolerable = false;
            }
            Verdict::Fits(own) if !own.is_valid_at(request.time) => {
                faults.words.push(Value::Word("certificate-out-of-date"));
                faults.is_tolerable = false;
            }
            Verdict::Fits(_) | Verdict::NotChecked => {}
        }
    }
    faults
}

/// Adds what is wrong, and who on the way made it so.
fn with_faults(report: Report, call: &Call<'_>, hop: &Transaction<'_>, faults: Faults) -> Report {
    let is_right = |request: &Message<'_>| {
        request.signed().next().is_some() && self::faults(call, request).words.is_empty()
    };
    let turn = call.turn(hop, is_right).filter(|_| !faults.words.is_empty());
    let report = match faults.words.is_empty() {
        true => report,
        false => report.with("faults", Value::List(faults.words)),
    };
    let report = with_turn(report.at(hop.request), "changed_by", turn);
    with_token(report, call, hop)
}

/// Many verifiers do not mind.
const fn is_tolerable(anomaly: PassportAnomaly) -> bool {
    use PassportAnomaly as A;
    match anomaly {
        A::Obsolete
        | A::TypeForeign
        | A::AlgorithmUnlike
        | A::ExtensionUnlike
        | A::InfoUnlikeX5u
        | A::IatNoNumber
        | A::NumberNotCanonical
        | A::OrigidMissing => true,
        A::NotThreeParts
        | A::HeaderUnreadable
        | A::PayloadUnreadable
        | A::SignatureUnreadable
        | A::SignatureLength
        | A::AlgorithmMissing
        | A::AlgorithmForeign
        | A::InfoMissing
        | A::InfoNotHttps
        | A::X5uMissing
        | A::OrigMissing
        | A::DestMissing
        | A::IatMissing
        | A::AttestMissing
        | A::DivMissing => false,
    }
}

const fn word(anomaly: PassportAnomaly) -> Value {
    use PassportAnomaly as A;
    Value::Word(match anomaly {
        A::Obsolete => "identity-obsolete",
        A::NotThreeParts => "token-not-three-parts",
        A::HeaderUnreadable => "token-header-unreadable",
        A::PayloadUnreadable => "token-payload-unreadable",
        A::SignatureUnreadable => "signature-unreadable",
        A::SignatureLength => "signature-length",
        A::TypeForeign => "type-not-passport",
        A::AlgorithmMissing => "no-algorithm",
        A::AlgorithmForeign => "algorithm-not-es256",
        A::AlgorithmUnlike => "algorithms-differ",
        A::ExtensionUnlike => "ppt-differs",
        A::InfoMissing => "no-info",
        A::InfoNotHttps => "info-not-https",
        A::InfoUnlikeX5u => "info-unlike-x5u",
        A::X5uMissing => "no-x5u",
        A::OrigMissing => "no-orig",
        A::DestMissing => "no-dest",
        A::IatMissing => "no-iat",
        A::IatNoNumber => "iat-no-number",
        A::NumberNotCanonical => "number-not-canonical",
        A::AttestMissing => "no-attest",
        A::OrigidMissing => "no-origid",
        A::DivMissing => "no-div",
    })
}
