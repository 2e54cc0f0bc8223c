#![doc = include_str!("progress_then_bad_gateway.md")]

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::media::{Media, MediaPair};
use crate::signaling::{Call, Message, Traits, Transaction};
use crate::sip::{HeaderName, Status};
use crate::time::{Span, Time};

pub(crate) static RULE: Rule = Rule {
    code: "CAL102",
    name: "progress-then-bad-gateway",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("progress_then_bad_gateway.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::LOST, Traits::SESSION_PROGRESS, Traits::SERVER_FAILURE]),
    check: Check::Media(check),
};

/// Early media of one direction that lasts as long is an announcement, and the 502 only closes it.
const ANNOUNCEMENT: Span = Span::from_secs(2);

fn check(call: &Call<'_>, media: Media<'_>, findings: &mut Findings<'_>) {
    for attempt in &call.attempts {
        if attempt.is_resolved(call) || attempt.is_answered() {
            continue;
        }
        let Some(hop) = attempt.farthest(call, |hop| is_faulty(call, hop)) else { continue };
        let (Some(progress), Some(answer)) = (progress(hop), hop.final_response()) else {
            continue;
        };
        let gap = answer.time.since(progress.time);
        let pair = MediaPair::of(hop, progress);
        let early = pair.and_then(|pair| early_media(pair, media, progress.time, answer.time));
        let is_announcement =
            pair.is_some_and(|pair| is_announcement(pair, media, progress.time, answer.time));
        findings.report(
            Report::on(hop)
                .at(hop.request)
                .at([progress, answer])
                .status(Status::SESSION_PROGRESS)
                .status(Status::BAD_GATEWAY)
                .with("gap_ms", gap)
                .with_some("q850", answer.q850())
                .with_some("reason", answer.header(HeaderName::Reason).map(Value::quoted))
                .with("sdp_in_183", progress.sdp().is_some())
                .with_some("early_media", early)
                .with_some("announcement", is_announcement.then_some(true))
                .with("origin", attempt.origin(call, hop).server),
        );
    }
}

/// 183, then 502 that is not the echo of a CANCEL.
fn is_faulty(call: &Call<'_>, hop: &Transaction<'_>) -> bool {
    progress(hop).is_some() && !call.is_given_up(hop)
}

/// The 183 of the fork that the 502 belongs to: same To-tag, or none on the 502.
fn progress<'c>(hop: &Transaction<'c>) -> Option<&'c Message<'c>> {
    let answer =
        hop.final_response().filter(|answer| answer.status() == Some(Status::BAD_GATEWAY))?;
    hop.progress().find(|progress| {
        progress.status() == Some(Status::SESSION_PROGRESS)
            && (answer.to_tag().is_none() || answer.to_tag() == progress.to_tag())
    })
}

/// RTP came from the callee before the failure; `None` where the capture cannot tell.
fn early_media(pair: MediaPair, media: Media<'_>, from: Time, to: Time) -> Option<bool> {
    let is_heard = pair.from_callee(media, from, to).is_some();
    (is_heard || pair.shows_callee(media)).then_some(is_heard)
}

/// RTP of the callee only, for as long as a recording takes.
fn is_announcement(pair: MediaPair, media: Media<'_>, from: Time, to: Time) -> bool {
    pair.from_callee(media, from, to).is_some_and(|heard| heard >= ANNOUNCEMENT)
        && pair.from_caller(media, from, to).is_none()
}
