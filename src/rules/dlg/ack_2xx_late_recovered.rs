#![doc = include_str!("ack_2xx_late_recovered.md")]

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Answer, Call, Message, Threshold, Traits, Transaction};
use crate::sip::{Method, timers};
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "DLG102",
    name: "ack-2xx-late-recovered",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("ack_2xx_late_recovered.md"),
    thresholds: &[&LATE],
    gate: Gate::all(&[Traits::INVITE, Traits::SEVERAL_FINALS]),
    check: Check::Call(check),
};

/// An ACK that comes sooner, after a single repeat, is only a slow one.
static LATE: Threshold = Threshold::span("late", Span::from_secs(1));

/// How often a 2xx goes out again before the callee gives up: at 0.5, 1.5, 3.5 s, then each
/// [`timers::T2`] for 64*T1 (RFC 3261, section 13.3.1.4).
const REPEATS_MAX: usize = 10;

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let invites = call.transactions.iter().filter(|t| t.method == Method::Invite);
    for hop in invites {
        let Some((answer, ack)) = recovered(call, hop) else { continue };
        // The hop nearest to the callee tells where the ACK was late (guard G9).
        let mut below = hop.downstream.iter().filter_map(|index| call.transactions.get(*index));
        if !below.any(|below| recovered(call, below).is_some()) {
            report(call, hop, &answer, ack, findings);
        }
    }
}

/// A 2xx that was sent again, and the ACK after which that ended.
fn recovered<'c>(call: &Call<'c>, hop: &Transaction<'c>) -> Option<(Answer<'c>, &'c Message<'c>)> {
    if hop.finals.len() < 2 || hop.request.is_none() {
        return None;
    }
    let answer = hop.success()?;
    let again = answer.repeats.first()?;
    if answer.repeats.len() > REPEATS_MAX {
        return None;
    }
    let ack = call.acks_to(hop, answer.first).last()?;
    let waited = ack.time.since(answer.first.time);
    // Where the repeat comes behind the only ACK, the two crossed.
    let is_late = ack.time >= again.time && waited <= call.patience();
    // The call went on after the ACK, without another repeat for as long as one may take.
    let is_over = !answer.goes_on_after(ack.time)
        && (call.is_observed(ack.time, timers::T2) || call.is_dialog_used(&answer, ack.time));
    let is_recovered = is_late && is_over && !call.is_acknowledged_in_vain(&answer);
    is_recovered.then_some((answer, ack))
}

fn report<'c>(
    call: &Call<'c>,
    hop: &Transaction<'c>,
    answer: &Answer<'c>,
    ack: &'c Message<'c>,
    findings: &mut Findings<'_>,
) {
    let Some(status) = answer.first.status() else { return };
    let first_ack = call.acks_to(hop, answer.first).next().unwrap_or(ack);
    let waited = ack.time.since(answer.first.time);
    let is_slow = answer.repeats.len() == 1 && waited < call.settings().span(&LATE);
    // An ACK that was seen before the repeat went out got lost behind the capture.
    let is_lost = answer.repeats.first().is_some_and(|again| first_ack.time < again.time);
    let cause = if is_lost { "ack-lost" } else { "ack-late" };
    findings.report(
        Report::on(hop)
            .at(answer.sends())
            .at([first_ack, ack])
            .status(status)
            .severity(if is_slow { Severity::Info } else { Severity::Warn })
            .with("repeats", answer.repeats.len())
            .with("ack_after_ms", waited)
            .with("ack_fault", Value::Word(cause)),
    );
}
