#![doc = include_str!("missing_ack_2xx.md")]

use crate::finding::{Check, Confidence, Findings, Report, Rule, Severity, Value};
use crate::signaling::{Call, Dialog, Message, Transaction};
use crate::sip::{Class, HeaderName, Method, Status};
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "DLG101",
    name: "missing-ack-2xx",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("missing_ack_2xx.md"),
    thresholds: &[],
    check: Check::Call(check),
};

/// A 2xx that is sent so often, over so long a time, has not been acknowledged (RFC 3261, section
/// 13.3.1.4).
const REPEATS_MIN: usize = 3;
const REPEATING_MIN: Span = Span::from_millis(3500);

/// The callee ends the session when 64*T1 have passed; later than that something else may have
/// ended it.
const GIVEN_UP_AFTER: Span = Span::from_secs(28);
const GIVEN_UP_BEFORE: Span = Span::from_secs(40);

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let invites = call.transactions.iter().filter(|t| t.method == Method::Invite);
    let faulty: Vec<_> =
        invites.filter_map(|hop| Some((hop, unacknowledged(call, hop)?))).collect();
    for (hop, answers) in &faulty {
        // The hop nearest to the callee tells where the ACK stops (guard G9).
        let is_passed_on = faulty.iter().any(|(below, _)| below.upstream == Some(hop.index));
        if !is_passed_on {
            report(call, hop, answers, findings);
        }
    }
}

/// The 2xx of one fork that was sent again and again without an ACK on that hop.
fn unacknowledged<'c>(call: &Call<'c>, hop: &Transaction<'c>) -> Option<Vec<&'c Message<'c>>> {
    let first = hop.first_success()?;
    let answers: Vec<_> = hop
        .finals
        .iter()
        .copied()
        .filter(|answer| {
            answer.status().map(Status::class) == Some(Class::Success)
                && answer.to_tag() == first.to_tag()
        })
        .collect();
    let last = answers.last()?;
    let is_repeated = answers.len() > REPEATS_MIN && last.time.since(first.time) >= REPEATING_MIN;
    // Guard G2: requests of this client to this server are in the capture, so its ACK would be.
    let is_visible = hop.request.is_some();
    // Where another fork was acknowledged, the caller has chosen, and this one is an extra answer.
    let is_acknowledged = call.dialogs.iter().any(|dialog| acks(dialog, hop).next().is_some());
    (is_repeated && is_visible && !is_acknowledged).then_some(answers)
}

/// The ACKs with the number of the INVITE that its client sent, or that reached its server by
/// another way.
fn acks<'a, 'c>(
    dialog: &'a Dialog<'c>,
    hop: &'a Transaction<'c>,
) -> impl Iterator<Item = &'c Message<'c>> + 'a {
    dialog.acks.iter().copied().filter(|ack| {
        (ack.source.address == hop.client.address || ack.destination.address == hop.server.address)
            && ack.cseq().is_some_and(|cseq| cseq.number == hop.cseq)
    })
}

fn report(
    call: &Call<'_>,
    hop: &Transaction<'_>,
    answers: &[&Message<'_>],
    findings: &mut Findings<'_>,
) {
    let (Some(first), Some(last)) = (answers.first(), answers.last()) else { return };
    let Some(status) = first.status() else { return };
    let dialog = call.dialog_of(first);
    let bye =
        dialog.and_then(|dialog| dialog.bye(call)).and_then(|bye| bye.request).filter(|bye| {
            let after = bye.time.since(first.time);
            after >= GIVEN_UP_AFTER && after <= GIVEN_UP_BEFORE && bye.from_tag() == first.to_tag()
        });
    // An ACK that reached the hop before and went no farther names the element that lost it.
    let lost_at = hop.upstream.and_then(|index| call.transactions.get(index)).and_then(|above| {
        let ack = acks(dialog?, above).next()?;
        Some((above.server, ack))
    });
    let confidence = if bye.is_some() { Confidence::Certain } else { Confidence::Likely };
    findings.report(
        Report::on(hop)
            .at(answers.iter().map(|answer| &**answer))
            .at(bye)
            .at(lost_at.map(|(_, ack)| ack))
            .status(status)
            .confidence(confidence)
            .with("answers", answers.len())
            .with("repeating_ms", last.time.since(first.time))
            .with_some("contact", first.header(HeaderName::Contact).map(Value::quoted))
            .with_some("bye_after_ms", bye.map(|bye| bye.time.since(first.time)))
            .with_some("ack_lost_at", lost_at.map(|(server, _)| server)),
    );
}
