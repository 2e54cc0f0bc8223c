#![doc = include_str!("in_dialog_481.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Call, Dialog, Message, Mismatch, Traits, Transaction};
use crate::sip::Method;

pub(crate) static RULE: Rule = Rule {
    code: "DLG208",
    name: "in-dialog-481",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("in_dialog_481.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::INSIDE, Traits::REFUSAL]),
    check: Check::Call(check),
};

/// Call/Transaction Does Not Exist.
const GONE: u16 = 481;

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    // One lost dialog is one fault, however often it is asked for.
    let mut told: Vec<(&[u8], &[u8])> = Vec::new();
    for hop in call.transactions.iter().filter(|transaction| is_refused(transaction)) {
        let Some((request, answer)) = hop.request.zip(hop.final_response()) else { continue };
        let Some((dialog, mismatch)) = call.target_dialog(request) else { continue };
        let tags = (dialog.caller_tag, dialog.callee_tag);
        let is_up = dialog.starts_before_capture
            || dialog.confirmed.is_some_and(|confirmed| confirmed.time <= request.time);
        // After a BYE nobody need know the dialog any more.
        let has_ended = call.bye_before(dialog, request, answer.time).is_some();
        if !is_up || has_ended || told.contains(&tags) || call.fails_behind(hop) {
            continue;
        }
        told.push(tags);
        report(call, hop, (request, answer), (dialog, mismatch), findings);
    }
}

/// PRACK and NOTIFY have rules of their own.
fn is_refused(transaction: &Transaction<'_>) -> bool {
    matches!(transaction.method, Method::Invite | Method::Update | Method::Info | Method::Refer)
        && transaction.final_status().is_some_and(|status| status.code() == GONE)
        && !transaction.is_initial()
}

fn report(
    call: &Call<'_>,
    hop: &Transaction<'_>,
    (request, answer): (&Message<'_>, &Message<'_>),
    (dialog, mismatch): (&Dialog<'_>, Option<Mismatch>),
    findings: &mut Findings<'_>,
) {
    let Some(status) = answer.status() else { return };
    // What came before the capture may have ended the dialog.
    let confidence = match dialog.starts_before_capture {
        true => Confidence::Likely,
        false => Confidence::Certain,
    };
    let bye = dialog.bye(call).and_then(|bye| bye.request).filter(|bye| bye.time >= answer.time);
    findings.report(
        Report::on(hop)
            .at(dialog.confirmed.filter(|_| mismatch.is_some()))
            .at([request, answer])
            .at(bye)
            .status(status)
            .confidence(confidence)
            .with("method", Value::quoted(hop.method.as_bytes()))
            .with_some("differs", mismatch.map(|mismatch| Value::Word(mismatch.name())))
            .with_some("bye_after_ms", bye.map(|bye| bye.time.since(answer.time))),
    );
}
