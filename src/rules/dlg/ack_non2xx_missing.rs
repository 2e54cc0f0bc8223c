#![doc = include_str!("ack_non2xx_missing.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity};
use crate::signaling::{Answer, Call, Traits, Transaction};
use crate::sip::Method;
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "DLG103",
    name: "ack-non2xx-missing",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("ack_non2xx_missing.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::INVITE, Traits::SEVERAL_FINALS]),
    check: Check::Call(check),
};

/// A failure that is sent so often, over so long a time, has not been acknowledged (RFC 3261,
/// section 17.2.1, timer G).
const REPEATS_MIN: usize = 3;
const REPEATING_MIN: Span = Span::from_millis(3500);

/// Up to here timer H, 64*T1, lets a server repeat it; the last one comes before that.
const UNTIL_TIMER_H: Span = Span::from_secs(28);

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let invites = call.transactions.iter().filter(|t| t.method == Method::Invite);
    for hop in invites {
        // The ACK to a failure goes from hop to hop, so each hop has a fault of its own.
        if let Some(answer) = unacknowledged(call, hop) {
            report(hop, &answer, findings);
        }
    }
}

/// The failure that was sent again and again over UDP without an ACK on that hop.
fn unacknowledged<'c>(call: &Call<'c>, hop: &Transaction<'c>) -> Option<Answer<'c>> {
    // Guard G2: the requests of this client to this server are captured, so its ACK would be.
    let is_visible = hop.finals.len() > REPEATS_MIN && hop.request.is_some();
    // Guard G8: nothing is repeated over a reliable transport.
    if !is_visible || hop.transport.is_reliable() || hop.first_success().is_some() {
        return None;
    }
    let answer = hop.answers().into_iter().find(|answer| {
        answer.repeats.len() >= REPEATS_MIN && answer.repeating() >= REPEATING_MIN
    })?;
    let is_observed = call.is_observed(answer.first.time, call.patience());
    (is_observed && !call.is_acknowledged_somehow(hop)).then_some(answer)
}

fn report<'c>(hop: &Transaction<'c>, answer: &Answer<'c>, findings: &mut Findings<'_>) {
    let Some(status) = answer.first.status() else { return };
    // Who repeats the INVITE has not got the response to it.
    let again = || {
        let sent = hop.retransmissions.iter().copied();
        sent.filter(|request| request.time > answer.first.time)
    };
    let requests = again().count();
    let confidence = match answer.repeating() >= UNTIL_TIMER_H {
        true => Confidence::Certain,
        false => Confidence::Likely,
    };
    findings.report(
        Report::on(hop)
            .at(answer.sends())
            .at(again())
            .status(status)
            .confidence(confidence)
            .with("status", status.code())
            .with("answers", answer.repeats.len() + 1)
            .with("repeating_ms", answer.repeating())
            .with_some("invites_after", (requests > 0).then_some(requests)),
    );
}
