#![doc = include_str!("replaces_failed.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Call, Dialog, Message, Traits, Transaction};
use crate::sip::{DialogId, HeaderName};

pub(crate) static RULE: Rule = Rule {
    code: "XFR106",
    name: "replaces-failed",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("replaces_failed.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::REPLACES, Traits::REFUSAL]),
    check: Check::Call(check),
};

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for attempt in &call.attempts {
        let Some(hop) = attempt.farthest(call, is_faulty) else { continue };
        if attempt.is_resolved(call) || attempt.is_answered() || call.is_given_up(hop) {
            continue;
        }
        report(call, hop, findings);
    }
}

/// An INVITE that was to take the place of a call was refused as RFC 3891, section 3, has it.
fn is_faulty(hop: &Transaction<'_>) -> bool {
    hop.final_status().is_some_and(|status| matches!(status.code(), 481 | 486 | 603))
        && hop.request.is_some_and(|request| request.has(HeaderName::Replaces))
}

fn report(call: &Call<'_>, hop: &Transaction<'_>, findings: &mut Findings<'_>) {
    let (Some(request), Some(answer)) = (hop.request, hop.final_response()) else { return };
    let (Some(status), Some(named)) = (answer.status(), request.replaces()) else { return };
    let (word, witness) = named_dialog(call, hop, &named);
    let confidence = match word {
        "unknown-here" => Confidence::Possible,
        "in-force" => Confidence::Likely,
        _ => Confidence::Certain,
    };
    findings.report(
        Report::on(hop)
            .at([request, answer])
            .at(witness)
            .status(status)
            .confidence(confidence)
            .with("status", status.code())
            .with("named_dialog", Value::Word(word))
            .with_some("replaces", request.header(HeaderName::Replaces).map(Value::quoted)),
    );
}

/// What the capture tells of the dialog that was to be replaced, and the message that shows it.
/// Another Call-ID is another call, which cannot be looked into from here.
fn named_dialog<'c>(
    call: &Call<'c>,
    hop: &Transaction<'c>,
    named: &DialogId<'_>,
) -> (&'static str, Option<&'c Message<'c>>) {
    let unknown = ("unknown-here", None);
    let (Some(to), Some(from)) = (named.to_tag(), named.from_tag()) else { return unknown };
    let has_tags = |dialog: &&Dialog<'c>| {
        let tags = (dialog.caller_tag, dialog.callee_tag);
        tags == (to, from) || tags == (from, to)
    };
    let Some(dialog) = call.dialogs.iter().filter(|_| named.call_id == call.call_id).find(has_tags)
    else {
        return unknown;
    };
    let began = hop.first_time();
    let end = dialog.farewell(call).filter(|end| end.time <= began);
    // What the recipient sent in that dialog has its own tag, which `to-tag` has to be.
    let sent = call
        .messages
        .iter()
        .find(|message| dialog.holds(message) && message.source.address == hop.server.address);
    let own_tag = sent.and_then(|sent| match sent.is_request() {
        true => sent.from_tag(),
        false => sent.to_tag(),
    });
    let is_early_only = named.is_early_only() && dialog.confirmed.is_some();
    if own_tag.is_some_and(|own| own == from && own != to) {
        ("tags-swapped", sent)
    } else if end.is_some() {
        ("already-ended", end)
    } else if is_early_only {
        ("early-only", dialog.confirmed)
    } else {
        ("in-force", sent)
    }
}
