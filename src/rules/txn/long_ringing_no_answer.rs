#![doc = include_str!("long_ringing_no_answer.md")]

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity};
use crate::media::{Media, MediaPair};
use crate::signaling::{Call, Message, Threshold, Traits, Transaction};
use crate::sip::Status;
use crate::time::{Span, Time};

pub(crate) static RULE: Rule = Rule {
    code: "TXN108",
    name: "long-ringing-no-answer",
    severity: Severity::Info,
    since: "0.1.0",
    entry: include_str!("long_ringing_no_answer.md"),
    thresholds: &[&RINGING],
    gate: Gate::all(&[Traits::LOST, Traits::PROGRESS]).and_one_of(&[
        Traits::REFUSAL,
        Traits::CHALLENGE,
        Traits::REDIRECTION,
    ]),
    check: Check::Media(check),
};

/// A phone that rang this long was not answered for want of somebody to do so.
static RINGING: Threshold = Threshold::span("ringing", Span::from_secs(45));

/// Early media that goes on for so much of the time, out of ten parts, is an announcement or music,
/// no ringing.
const CONTINUOUS_TENTHS: i64 = 9;

fn check(call: &Call<'_>, media: Media<'_>, findings: &mut Findings<'_>) {
    for attempt in &call.attempts {
        if attempt.is_answered() || attempt.is_resolved(call) {
            continue;
        }
        // The phone that rang: the farthest hop (guard G9).
        let hop = attempt.farthest(call, |hop| ringing(call, hop, media).is_some());
        let Some(hop) = hop else { continue };
        let Some((first, until)) = ringing(call, hop, media) else { continue };
        report(call, hop, (first, until), findings);
    }
}

/// The first sign that it rang, and when the ringing ended: long after, and without an answer.
fn ringing<'c>(
    call: &Call<'c>,
    hop: &Transaction<'c>,
    media: Media<'_>,
) -> Option<(&'c Message<'c>, Time)> {
    let answer = hop.final_response().filter(|answer| is_no_answer(answer))?;
    let first = hop.progress().find(|response| is_ringing(response))?;
    let given_up = call.cancel_of(hop).map(|cancel| cancel.time);
    let until = given_up.map_or(answer.time, |time| time.min(answer.time));
    let is_long = until.since(first.time) >= call.settings().span(&RINGING);
    let is_queued =
        hop.progress().any(|response| response.status().is_some_and(|status| status.code() == 182));
    (is_long && !is_queued && !is_announcement(hop, first, until, media)).then_some((first, until))
}

fn is_no_answer(answer: &Message<'_>) -> bool {
    answer.status().is_some_and(|status| matches!(status.code(), 408 | 480 | 487 | 603))
        || q850(answer).is_some_and(|cause| matches!(cause, 18 | 19))
}

fn q850(answer: &Message<'_>) -> Option<u16> {
    answer.reason().find(|reason| reason.is("Q.850")).and_then(|reason| reason.cause)
}

/// 180, or 183 with SDP: early media.
fn is_ringing(response: &Message<'_>) -> bool {
    match response.status() {
        Some(Status::RINGING) => true,
        Some(Status::SESSION_PROGRESS) => response.sdp().is_some(),
        _ => false,
    }
}

/// No phone rang: the caller heard an announcement or the music of a queue all the time.
fn is_announcement(
    hop: &Transaction<'_>,
    first: &Message<'_>,
    until: Time,
    media: Media<'_>,
) -> bool {
    let has_rung = hop.progress().any(|response| response.status() == Some(Status::RINGING));
    let heard = MediaPair::of(hop, first)
        .and_then(|pair| pair.from_callee(media, first.time, until))
        .unwrap_or_default();
    !has_rung && heard.times(10) >= until.since(first.time).times(CONTINUOUS_TENTHS)
}

fn report(
    call: &Call<'_>,
    hop: &Transaction<'_>,
    (first, until): (&Message<'_>, Time),
    findings: &mut Findings<'_>,
) {
    let Some(answer) = hop.final_response() else { return };
    let Some(status) = answer.status() else { return };
    findings.report(
        Report::on(hop)
            .at([first, answer])
            .at(hop.request)
            .at(call.cancel_of(hop))
            .status(status)
            .with("ringing_ms", until.since(first.time))
            .with("status", status.code())
            .with_some("q850", q850(answer))
            .with_some("cancelled", call.is_given_up(hop).then_some(true)),
    );
}
