#![doc = include_str!("missing_ack_2xx.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Answer, Call, Message, Traits, Transaction};
use crate::sip::{HeaderName, Method};
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "DLG101",
    name: "missing-ack-2xx",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("missing_ack_2xx.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::INVITE, Traits::SEVERAL_FINALS]),
    check: Check::Call(check),
};

/// A 2xx that is sent so often, over so long a time, has not been acknowledged (RFC 3261, section
/// 13.3.1.4).
const REPEATS_MIN: usize = 3;
const REPEATING_MIN: Span = Span::from_millis(3500);

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let invites = call.transactions.iter().filter(|t| t.method == Method::Invite);
    let faulty: Vec<_> =
        invites.filter_map(|hop| Some((hop, unacknowledged(call, hop)?))).collect();
    for (hop, answer) in &faulty {
        // The hop nearest to the callee tells where the ACK stops (guard G9).
        let is_passed_on = faulty.iter().any(|(below, _)| below.upstream == Some(hop.index));
        if !is_passed_on && !is_explained(call, hop, answer) {
            report(call, hop, answer, findings);
        }
    }
}

/// The 2xx of one fork that was sent again and again, without an ACK on that hop or in spite of
/// those that were seen there.
fn unacknowledged<'c>(call: &Call<'c>, hop: &Transaction<'c>) -> Option<Answer<'c>> {
    if hop.finals.len() <= REPEATS_MIN {
        return None;
    }
    let answer = hop.success()?;
    let is_repeated = answer.repeats.len() >= REPEATS_MIN && answer.repeating() >= REPEATING_MIN;
    // Guard G2: requests of this client to this server are in the capture, so its ACK would be.
    let is_visible = hop.request.is_some();
    let is_unacknowledged = is_repeated
        && is_visible
        && (call.acks_to(hop, answer.first).next().is_none()
            || call.is_acknowledged_in_vain(&answer))
        // Where another fork was acknowledged, this one is an extra answer.
        && !call.is_extra_fork(hop, answer.first);
    is_unacknowledged.then_some(answer)
}

/// An ACK came on this hop or the ones before, but not a right one, or not to the right place:
/// faults with findings of their own.
fn is_explained<'c>(call: &Call<'c>, hop: &Transaction<'c>, answer: &Answer<'c>) -> bool {
    let is_wrong = |hop: &Transaction<'c>, answer: &Answer<'c>| {
        call.mismatched_ack(hop, answer).is_some() || call.misplaced_ack(hop, answer).is_some()
    };
    is_wrong(hop, answer)
        || call.hops_before(hop).any(|above| {
            above
                .success()
                .is_some_and(|answer| !answer.repeats.is_empty() && is_wrong(above, &answer))
        })
}

fn report<'c>(
    call: &Call<'c>,
    hop: &Transaction<'c>,
    answer: &Answer<'c>,
    findings: &mut Findings<'_>,
) {
    let first = answer.first;
    let Some(status) = first.status() else { return };
    let bye = call.given_up(answer);
    // Those that were seen on this hop got lost behind the capture.
    let first_ack = call.acks_to(hop, first).next();
    let last_ack = call.acks_to(hop, first).last();
    let lost_at = lost_at(call, hop, first).filter(|_| first_ack.is_none());
    let confidence = if bye.is_some() { Confidence::Certain } else { Confidence::Likely };
    findings.report(
        Report::on(hop)
            .at(answer.sends())
            .at(bye)
            .at([first_ack, last_ack].into_iter().flatten())
            .at(lost_at.map(|(_, ack)| ack))
            .status(status)
            .confidence(confidence)
            .absence(bye.is_none())
            .with("answers", answer.repeats.len() + 1)
            .with("repeating_ms", answer.repeating())
            .with_some("contact", first.header(HeaderName::Contact).map(Value::quoted))
            .with_some("bye_after_ms", bye.map(|bye| bye.time.since(first.time)))
            .with_some("ack_lost_at", lost_at.map(|(above, _)| above.server))
            .with_some("sent_to", last_ack.map(|ack| ack.destination)),
    );
}

/// An ACK that reached a hop before and went no farther names the element that lost it: the server
/// of the last hop that shows it.
fn lost_at<'a, 'c>(
    call: &'a Call<'c>,
    hop: &'a Transaction<'c>,
    answer: &'c Message<'c>,
) -> Option<(&'a Transaction<'c>, &'c Message<'c>)> {
    call.hops_before(hop).find_map(|above| {
        let own = call.acks_to(above, answer).next()?;
        Some((above, own))
    })
}
