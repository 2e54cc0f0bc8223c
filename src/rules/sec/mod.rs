//! Security, overload, identity, emergency calls.

pub(super) mod call_blocked;
pub(super) mod credential_brute_force;
pub(super) mod emergency_call_failed;
pub(super) mod identity_content_mismatch;
pub(super) mod identity_invalid;
pub(super) mod identity_required;
pub(super) mod overload_storm;
pub(super) mod scanner;

use crate::finding::{Report, Severity, Value};
use crate::signaling::{Call, IdentityObjection, Transaction, Turn, Verdict};
use crate::sip::Status;

/// A report on a fault of the identity itself: on how the request ended, if it was refused with one
/// of these codes.
fn on_refusal(hop: &Transaction<'_>, codes: &[u16]) -> Report {
    let refused = hop.final_status().filter(|status| codes.contains(&status.code()));
    match refused {
        Some(status) => Report::on(hop).status(status).at(hop.final_response()),
        None => Report::beside(hop),
    }
}

/// A report on what a verifier says; a warning where it let the call through.
fn with_objection(hop: &Transaction<'_>, objection: &IdentityObjection<'_>) -> Report {
    let answer = objection.response;
    let status = answer.status().filter(|_| objection.is_refusal);
    let report = match objection.is_refusal {
        true => Report::on(hop),
        false => Report::beside(hop).severity(Severity::Warn),
    };
    // Both codes have an entry of their own.
    let codes = [status, Status::new(objection.code)];
    let report = codes.into_iter().flatten().fold(report, Report::status);
    let status = status.map(Status::code);
    let phrase = answer.reason_phrase().filter(|_| objection.is_refusal);
    let text = objection.text.as_deref().map(|text| Value::quoted(text.as_bytes()));
    report
        .at([answer])
        .with_some("status", status)
        .with_some("phrase", phrase.map(|phrase| Value::quoted(phrase.as_bytes())))
        .with_some("stir_code", Some(objection.code).filter(|code| Some(*code) != status))
        .with_some("reason", text)
}

/// Adds what the first signed identity of the request says, and which part of it was checked.
fn with_token(report: Report, call: &Call<'_>, hop: &Transaction<'_>) -> Report {
    let Some(request) = hop.request else { return report };
    let Some(signed) = request.signed().next() else { return report };
    let certificates = &call.settings().certificates;
    let (word, own) = match signed.verdict(request, certificates) {
        Verdict::Fits(own) => (Value::Word("signature-fits"), Some(own)),
        Verdict::Fails(own) => (Value::Word("signature-does-not-fit"), Some(own)),
        Verdict::NotChecked => (Value::Word("signature-not-checked"), None),
    };
    let text = |text: &str| Value::quoted(text.as_bytes());
    let authority = own.map(|own| own.authority.iter().map(|entry| text(entry)).collect());
    report
        .with("signature", word)
        .with_some(
            "certificate_at",
            signed.identity.info().map(|uri| Value::quoted(uri.as_bytes())),
        )
        .with_some("subject", own.map(|own| text(&own.subject)))
        .with_some(
            "valid_until",
            own.and_then(|own| own.not_after).map(|end| text(&end.to_string())),
        )
        .with_some("signs_for", authority.filter(|list: &Vec<_>| !list.is_empty()).map(Value::List))
        .with_some("attest", signed.passport.attestation().map(text))
}

/// Adds who got the request right and handed it on wrong.
fn with_turn(report: Report, name: &'static str, turn: Option<Turn<'_, '_>>) -> Report {
    match turn {
        Some(turn) => report.at([turn.right]).at(turn.wrong.request).with(name, turn.wrong.client),
        None => report,
    }
}
pub(super) mod toll_fraud_suspect;
