#![doc = include_str!("early_media_announcement_then_failure.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::media::{Media, MediaPair};
use crate::signaling::{Call, Message, Traits, Transaction};
use crate::sip::{HeaderName, Status};
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "CAL103",
    name: "early-media-announcement-then-failure",
    severity: Severity::Info,
    since: "0.1.0",
    entry: include_str!("early_media_announcement_then_failure.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::LOST, Traits::SESSION_PROGRESS, Traits::REFUSAL, Traits::RTP]),
    check: Check::Media(check),
};

/// Shorter audio holds no announcement.
const AUDIO_MIN: Span = Span::from_secs(1);

/// Causes that a recording stands for, whatever the status: no such number, no route, incomplete
/// number, no circuit (Q.850).
const ANNOUNCED_CAUSES: [u16; 4] = [1, 3, 28, 34];

/// What was heard before an INVITE failed.
struct Announcement<'c> {
    progress: &'c Message<'c>,
    answer: &'c Message<'c>,
    status: Status,
    audio: Span,
    q850: Option<u16>,
}

fn check(call: &Call<'_>, media: Media<'_>, findings: &mut Findings<'_>) {
    for attempt in &call.attempts {
        if attempt.is_resolved(call) || attempt.is_answered() {
            continue;
        }
        let Some(first) = attempt.first_hop(call) else { continue };
        let origin = attempt.origin(call, first);
        let is_heard = |hop: &Transaction<'_>| {
            announcement(call, hop, media).is_some() && call.is_above(hop, origin)
        };
        let Some(hop) = attempt.farthest(call, is_heard) else { continue };
        if let Some(announcement) = announcement(call, hop, media) {
            report(hop, &announcement, findings);
        }
    }
}

/// 183 with SDP, audio of the callee, and a failure of the same fork.
fn announcement<'c>(
    call: &Call<'c>,
    hop: &Transaction<'c>,
    media: Media<'_>,
) -> Option<Announcement<'c>> {
    let answer = hop.final_response()?;
    let status = answer.status().filter(|status| status.code() >= 400)?;
    let progress = hop.progress().find(|progress| {
        progress.status() == Some(Status::SESSION_PROGRESS)
            && progress.sdp().is_some()
            && progress.shares_fork(answer)
    })?;
    // The 183 itself may say why, before the caller hangs up on the recording.
    let causes = || hop.finals.iter().chain(&hop.provisionals).filter_map(|own| own.q850());
    let announced = causes().find(|cause| ANNOUNCED_CAUSES.contains(cause));
    let is_failure = !matches!(status.code(), 401 | 407 | 487) && !call.is_given_up(hop);
    if !is_failure && announced.is_none() {
        return None;
    }
    let audio = MediaPair::of(hop, progress)?.from_callee(media, progress.time, answer.time)?;
    let q850 = announced.or_else(|| answer.q850());
    (audio >= AUDIO_MIN).then_some(Announcement { progress, answer, status, audio, q850 })
}

fn report(hop: &Transaction<'_>, heard: &Announcement<'_>, findings: &mut Findings<'_>) {
    let answer = heard.answer;
    // Beside a 180 the audio may be no more than the ringing tone.
    let is_ringing = hop.progress().any(|other| other.status() == Some(Status::RINGING));
    let confidence = if is_ringing { Confidence::Possible } else { Confidence::Likely };
    let value = |name| answer.header(name).map(Value::quoted);
    findings.report(
        Report::on(hop)
            .at(hop.request)
            .at([heard.progress, answer])
            .status(Status::SESSION_PROGRESS)
            .status(heard.status)
            .confidence(confidence)
            .with("audio_ms", heard.audio)
            .with("status", heard.status.code())
            .with("phrase", Value::quoted(answer.reason_phrase().unwrap_or_default().as_bytes()))
            .with_some("q850", heard.q850)
            .with_some("reason", value(HeaderName::Reason))
            .with_some("ringing", is_ringing.then_some(true)),
    );
}
