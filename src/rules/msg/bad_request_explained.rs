#![doc = include_str!("bad_request_explained.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Call, Defect, Message, Traits, Transaction};
use crate::sip::{Class, HeaderName, Status};

pub(crate) static RULE: Rule = Rule {
    code: "MSG107",
    name: "bad-request-explained",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("bad_request_explained.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::REFUSAL]),
    check: Check::Call(check),
};

/// A warning code that stands for anything (RFC 3261, section 20.43).
const MISCELLANEOUS: u16 = 399;

/// Words by which a reason phrase says that the message itself is wrong.
const TELLING: [&str; 7] =
    ["missing", "invalid", "malformed", "syntax", "parse", "header", "too large"];

/// Codes that speak of the callee, of credentials, of an identity, of the size or of the dialog,
/// whatever their phrase is.
const ABOUT_OTHERS: [u16; 18] =
    [401, 403, 404, 407, 408, 410, 413, 414, 428, 436, 437, 438, 480, 481, 483, 486, 487, 491];

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for hop in &call.transactions {
        let Some((answer, status)) = refusal(hop) else { continue };
        // The farthest hop downstream owns the finding (guard G9).
        let is_passed_on = call.below(hop).any(|below| below.final_status() == Some(status));
        if !is_passed_on && !call.is_made_good(hop) && !call.is_given_up(hop) {
            report(hop, answer, status, findings);
        }
    }
}

/// The refusal of a request as a bad one.
fn refusal<'c>(hop: &Transaction<'c>) -> Option<(&'c Message<'c>, Status)> {
    let answer = hop.final_response()?;
    let status = answer.status()?;
    let is_about_message = status.code() == 400
        || status.class() == Class::ClientError
            && !ABOUT_OTHERS.contains(&status.code())
            && (has_warning(answer) || has_telling_phrase(answer));
    is_about_message.then_some((answer, status))
}

fn has_warning(answer: &Message<'_>) -> bool {
    answer.has(HeaderName::Warning)
        && answer.warnings().any(|warning| warning.code == MISCELLANEOUS)
}

fn has_telling_phrase(answer: &Message<'_>) -> bool {
    let Some(phrase) = answer.reason_phrase() else { return false };
    let phrase = phrase.to_ascii_lowercase();
    TELLING.into_iter().any(|word| phrase.contains(word))
}

fn report(
    hop: &Transaction<'_>,
    answer: &Message<'_>,
    status: Status,
    findings: &mut Findings<'_>,
) {
    let Some(request) = hop.request else { return };
    let defects = request.defects();
    let is_large = request.is_oversized();
    if defects.is_empty() && !is_large {
        return;
    }
    let mut words: Vec<_> = defects.iter().map(|defect| Value::Word(defect.word())).collect();
    words.extend(is_large.then_some(Value::Word("too-large-for-udp")));
    let confidence = match defects.iter().all(Defect::is_tolerable) {
        true => Confidence::Possible,
        false => Confidence::Likely,
    };
    findings.report(
        Report::on(hop)
            .at([request, answer])
            .status(status)
            .confidence(confidence)
            .with("method", Value::quoted(hop.method.as_bytes()))
            .with("status", status.code())
            .with("phrase", Value::quoted(answer.reason_phrase().unwrap_or_default().as_bytes()))
            .with("faults", Value::List(words))
            .with_some("warning", answer.header(HeaderName::Warning).map(Value::quoted))
            .with_some("software", answer.software().map(Value::quoted)),
    );
}
