#![doc = include_str!("forked_2xx_unhandled.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Call, Dialog, Message, Traits, Transaction};
use crate::sip::{Class, HeaderName, Method, Status};

pub(crate) static RULE: Rule = Rule {
    code: "CAL106",
    name: "forked-2xx-unhandled",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("forked_2xx_unhandled.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::ATTEMPT, Traits::SEVERAL_FINALS]),
    check: Check::Call(check),
};

/// Forks looked at; more answers to one INVITE are no call any more.
const FORKS_MAX: usize = 32;

/// An answer that is sent so often has not been acknowledged (RFC 3261, section 13.3.1.4).
const REPEATS_MIN: usize = 3;

/// A fork that answered.
struct Fork<'a, 'c> {
    answer: &'c Message<'c>,
    repeats: usize,
    last: &'c Message<'c>,
    dialog: &'a Dialog<'c>,
    ack: Option<&'c Message<'c>>,
}

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for attempt in call.attempts.iter().filter(|attempt| attempt.is_answered()) {
        let has_forks = |hop: &Transaction<'_>| {
            let mut answers = successes(hop);
            let first = answers.next();
            first.is_some_and(|first| answers.any(|answer| answer.to_tag() != first.to_tag()))
        };
        let Some(hop) = attempt.farthest(call, has_forks) else { continue };
        let forks = forks(call, hop);
        // The caller's choice: the first answer that it took up.
        let Some(kept) = forks.iter().find(|fork| fork.ack.is_some()) else { continue };
        for extra in forks.iter().filter(|fork| fork.answer.frame != kept.answer.frame) {
            if let Some((handling, confidence)) = neglect(call, hop, kept, extra) {
                report(hop, kept, extra, (handling, confidence, forks.len()), findings);
                break;
            }
        }
    }
}

fn successes<'c>(hop: &Transaction<'c>) -> impl Iterator<Item = &'c Message<'c>> {
    hop.finals
        .iter()
        .copied()
        .filter(|answer| answer.status().map(Status::class) == Some(Class::Success))
}

/// The answers to one INVITE, by To-tag; those that no dialog can be told of are left out.
fn forks<'a, 'c>(call: &'a Call<'c>, hop: &Transaction<'c>) -> Vec<Fork<'a, 'c>> {
    let mut forks: Vec<Fork<'a, 'c>> = Vec::new();
    for answer in successes(hop) {
        let known = forks.iter_mut().find(|fork| fork.answer.to_tag() == answer.to_tag());
        if let Some(fork) = known {
            fork.repeats += 1;
            fork.last = answer;
            continue;
        }
        if forks.len() >= FORKS_MAX {
            break;
        }
        let Some(dialog) = call.dialog_of(answer) else { continue };
        let is_own = |ack: &&&Message<'c>| ack.cseq().is_some_and(|cseq| cseq.number == hop.cseq);
        let ack = dialog.acks.iter().find(is_own).copied();
        forks.push(Fork { answer, repeats: 0, last: answer, dialog, ack });
    }
    forks
}

/// What the caller did not do about an extra answer, and how sure that is.
fn neglect(
    call: &Call<'_>,
    hop: &Transaction<'_>,
    kept: &Fork<'_, '_>,
    extra: &Fork<'_, '_>,
) -> Option<(&'static str, Confidence)> {
    let patience = call.patience();
    let has_bye = |fork: &Fork<'_, '_>, since: &Message<'_>| {
        let bye = fork.dialog.bye(call).map(Transaction::first_time);
        bye.is_some_and(|bye| bye.since(since.time) <= patience)
    };
    let Some(ack) = extra.ack else {
        // A BYE of the caller proves an ACK that was not captured (guard G3).
        let is_ended = extra.dialog.requests(call).any(|request| {
            request.method == Method::Bye
                && request.request.and_then(Message::from_tag) == extra.answer.from_tag()
        });
        // The callee repeats what was not acknowledged; else the ACK must go the way on which that
        // of the other answer was seen (guard G2).
        let is_same_way = route(kept.answer).is_some() && route(kept.answer) == route(extra.answer);
        let is_repeated = extra.repeats >= REPEATS_MIN;
        let confidence = match (is_repeated, is_same_way) {
            (true, _) => Confidence::Certain,
            (false, true) => Confidence::Likely,
            (false, false) => return None,
        };
        let is_over = is_repeated || call.is_observed(extra.answer.time, patience);
        return (!is_ended && is_over && hop.request.is_some()).then_some(("no-ack", confidence));
    };
    // Whichever of the two the caller let go, the other one is the call.
    let is_kept_open = !has_bye(extra, ack) && !kept.ack.is_some_and(|ack| has_bye(kept, ack));
    (is_kept_open && call.is_observed(ack.time, patience)).then_some(("no-bye", Confidence::Likely))
}

/// Where requests inside the dialog go first.
fn route<'c>(answer: &Message<'c>) -> Option<&'c [u8]> {
    answer.values(HeaderName::RecordRoute).last()
}

fn report(
    hop: &Transaction<'_>,
    kept: &Fork<'_, '_>,
    extra: &Fork<'_, '_>,
    (handling, confidence, forks): (&'static str, Confidence, usize),
    findings: &mut Findings<'_>,
) {
    let Some(status) = extra.answer.status() else { return };
    let repeating = extra.last.time.since(extra.answer.time);
    findings.report(
        Report::on(hop)
            .at(hop.request)
            .at([kept.answer, extra.answer])
            .at(kept.ack)
            .at(extra.ack)
            .status(status)
            .confidence(confidence)
            .with("forks", forks)
            .with("handling", Value::Word(handling))
            .with("tag", Value::quoted(extra.answer.to_tag().unwrap_or_default()))
            .with_some("contact", extra.answer.header(HeaderName::Contact).map(Value::quoted))
            .with("answers", extra.repeats + 1)
            .with_some("repeating_ms", (extra.repeats > 0).then_some(repeating)),
    );
}
