#![doc = include_str!("cancel_crosses_answer.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Call, Dialog, Message, Traits, Transaction};
use crate::sip::Method;
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "DLG202",
    name: "cancel-crosses-answer",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("cancel_crosses_answer.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::ATTEMPT, Traits::CANCEL]),
    check: Check::Call(check),
};

/// A 2xx that is sent so often has not been acknowledged (RFC 3261, section 13.3.1.4).
const REPEATS_MIN: usize = 3;

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let invites = call.transactions.iter().filter(|t| t.method == Method::Invite);
    // A re-INVITE that was answered in spite of a CANCEL does not end the call.
    for hop in invites.filter(|hop| hop.cancel.is_some() && hop.is_initial()) {
        let Some((cancel, answer)) = crossing(call, hop) else { continue };
        // The farthest hop downstream owns the finding (guard G9).
        let mut below = hop.downstream.iter().filter_map(|index| call.transactions.get(*index));
        if !below.any(|below| crossing(call, below).is_some()) {
            report(call, hop, cancel, answer, findings);
        }
    }
}

/// A CANCEL of the caller and a 2xx, each sent before its sender knew of the other.
fn crossing<'c>(
    call: &Call<'c>,
    hop: &Transaction<'c>,
) -> Option<(&'c Message<'c>, &'c Message<'c>)> {
    let (cancel, answer) = (call.cancel_of(hop)?, hop.first_success()?);
    // A proxy that cancels the other branches after an answer hands on every 2xx.
    let first = call.hops_before(hop).last();
    if first.is_some_and(|first| first.cancel.is_none()) {
        return None;
    }
    let crosses =
        cancel.time <= answer.time || call.acks_to(hop, answer).all(|ack| ack.time > cancel.time);
    crosses.then_some((cancel, answer))
}

fn report<'c>(
    call: &Call<'c>,
    hop: &Transaction<'c>,
    cancel: &'c Message<'c>,
    answer: &'c Message<'c>,
    findings: &mut Findings<'_>,
) {
    let Some(status) = answer.status() else { return };
    let dialog = call.dialog_of(answer);
    let ack = call.acks_to(hop, answer).next();
    let ack = ack.or_else(|| {
        let mut acks = dialog?.acks.iter().copied();
        acks.find(|ack| !call.acknowledges_failure(ack))
    });
    let bye = dialog.and_then(|dialog| ending(call, dialog, answer));
    let is_observed = call.is_observed(answer.time, call.patience());
    let cleanup = match (ack, bye) {
        (Some(_), Some(_)) => "ack-and-bye",
        // Guard G1.
        _ if !is_observed => "capture-ended",
        // Without an ACK the callee repeats its answer; else the ACK went past the capture (G2).
        (None, _) if repeats(hop, answer) < REPEATS_MIN => "not-captured",
        (None, _) => "no-ack",
        (Some(_), None) => "no-bye",
    };
    let is_left = matches!(cleanup, "no-ack" | "no-bye");
    findings.report(
        Report::on(hop)
            .at(hop.request)
            .at([cancel, answer])
            .at(ack)
            .at(bye)
            .status(status)
            .severity(if is_left { Severity::Warn } else { Severity::Info })
            .confidence(if is_left { Confidence::Likely } else { Confidence::Certain })
            .with("cleanup", Value::Word(cleanup))
            .with("answer_after_ms", answer.time.since(cancel.time))
            .with_some("bye_after_ms", bye_after(bye, answer)),
    );
}

/// How often the 2xx was sent again.
fn repeats(hop: &Transaction<'_>, answer: &Message<'_>) -> usize {
    let same = hop
        .finals
        .iter()
        .filter(|own| (own.status(), own.to_tag()) == (answer.status(), answer.to_tag()));
    same.count().saturating_sub(1)
}

/// How long after the 2xx the BYE was sent, where it was captured.
fn bye_after(bye: Option<&Message<'_>>, answer: &Message<'_>) -> Option<Span> {
    bye.filter(|bye| bye.is_request()).map(|bye| bye.time.since(answer.time))
}

/// The BYE that ended the unwanted call in time, or a response that tells of it (guard G3).
fn ending<'c>(
    call: &Call<'c>,
    dialog: &Dialog<'c>,
    answer: &Message<'c>,
) -> Option<&'c Message<'c>> {
    let bye = dialog.farewell(call)?;
    (bye.time.since(answer.time) <= call.patience()).then_some(bye)
}
