#![doc = include_str!("progress_without_early_media.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::media::{Media, MediaPair};
use crate::sdp::{Direction, Session};
use crate::signaling::{Attempt, Call, Message, Traits, Transaction};
use crate::sip::{HeaderName, Status};
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "CAL104",
    name: "progress-without-early-media",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("progress_without_early_media.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::ATTEMPT, Traits::SESSION_PROGRESS]),
    check: Check::Media(check),
};

/// Early media that has not begun this long after the 183, or this long before what ends it, leaves
/// the caller in silence.
const SILENCE_MIN: Span = Span::from_secs(1);

fn check(call: &Call<'_>, media: Media<'_>, findings: &mut Findings<'_>) {
    for attempt in &call.attempts {
        if attempt.is_resolved(call) {
            continue;
        }
        // What the caller hears is decided on the first hop.
        let Some(hop) = attempt.first_hop(call) else { continue };
        let Some(progress) = progress(hop) else { continue };
        let Some(end) = end_of_silence(hop, progress) else { continue };
        if end.time.since(progress.time) < SILENCE_MIN {
            continue;
        }
        match progress.session() {
            // Without any RTP in the capture nothing is known of what the caller heard.
            Some(_) if media.is_empty() => {}
            _ if is_gated(hop) => {}
            Some((session, _)) => with_sdp(hop, progress, end, &session, media, findings),
            None => without_sdp(call, attempt, hop, (progress, end), findings),
        }
    }
}

/// The 183 that promises media; the first one where none does.
fn progress<'c>(hop: &Transaction<'c>) -> Option<&'c Message<'c>> {
    let all = || hop.progress().filter(|p| p.status() == Some(Status::SESSION_PROGRESS));
    all().find(|progress| progress.sdp().is_some()).or_else(|| all().next())
}

/// The next response that tells the caller more: 180, or a final one.
fn end_of_silence<'c>(hop: &Transaction<'c>, progress: &Message<'c>) -> Option<&'c Message<'c>> {
    let ringing = hop
        .progress()
        .find(|other| other.status() == Some(Status::RINGING) && other.time >= progress.time);
    ringing.or_else(|| hop.final_response())
}

/// Media before the answer is not due: preconditions (RFC 3312), or the network says so (RFC 5009).
fn is_gated(hop: &Transaction<'_>) -> bool {
    hop.provisionals.iter().chain(&hop.request).any(|message| {
        let gate = message.text(HeaderName::PEarlyMedia).unwrap_or_default();
        let has_preconditions =
            message.session().is_some_and(|(session, _)| session.has_preconditions());
        gate.to_ascii_lowercase().contains("inactive") || has_preconditions
    })
}

fn with_sdp(
    hop: &Transaction<'_>,
    progress: &Message<'_>,
    end: &Message<'_>,
    session: &Session<'_>,
    media: Media<'_>,
    findings: &mut Findings<'_>,
) {
    let Some(audio) = session.audio() else { return };
    let is_sending = matches!(audio.direction(), Direction::SendRecv | Direction::SendOnly);
    let Some(callee) = progress.audio_endpoint().filter(|_| is_sending && audio.port != 0) else {
        return;
    };
    let pair = MediaPair { caller: hop.request.and_then(Message::audio_endpoint), callee };
    if pair.from_callee(media, progress.time, end.time).is_some() {
        return;
    }
    let is_visible = is_visible(hop, pair, media);
    let has_ringing = end.status() == Some(Status::RINGING);
    let announced = announces_media(hop);
    let (severity, confidence, seen) = match (is_visible, has_ringing, announced) {
        (false, ..) => (Severity::Info, Confidence::Possible, "not-captured"),
        (true, true, false) => (Severity::Warn, Confidence::Likely, "none"),
        (true, false, _) | (true, true, true) => (Severity::Warn, Confidence::Certain, "none"),
    };
    // Without RTP in the capture nothing is known of what the caller heard, and `no-rtp` says so
    // once; ringing that follows is reason enough to be silent.
    if !is_visible && (has_ringing || !pair.shows_caller(media)) {
        return;
    }
    findings.report(
        base(hop, progress, end)
            .severity(severity)
            .confidence(confidence)
            .absence(is_visible)
            .with("media", Value::Word(seen))
            .with("media_endpoint", callee)
            .with_some("p_early_media", announced.then_some(true)),
    );
}

/// RTP from the callee would be in the capture: it is at another time of the call, or that of the
/// caller is, and the callee sends media from where its SIP messages come (guard G2).
fn is_visible(hop: &Transaction<'_>, pair: MediaPair, media: Media<'_>) -> bool {
    let is_one_host = pair.callee.address == hop.server.address;
    pair.shows_callee(media) || (is_one_host && pair.shows_caller(media))
}

fn announces_media(hop: &Transaction<'_>) -> bool {
    hop.provisionals.iter().any(|message| {
        let gate = message.text(HeaderName::PEarlyMedia).unwrap_or_default().to_ascii_lowercase();
        gate.contains("sendrecv") || gate.contains("sendonly")
    })
}

/// A 183 without a body tells the caller's phone nothing to play; where the 180 was seen farther
/// downstream, some hop swallowed it.
fn without_sdp(
    call: &Call<'_>,
    attempt: &Attempt<'_>,
    hop: &Transaction<'_>,
    (progress, end): (&Message<'_>, &Message<'_>),
    findings: &mut Findings<'_>,
) {
    let has_sdp_later = hop.progress().any(|other| other.sdp().is_some());
    if end.status() == Some(Status::RINGING) || has_sdp_later || progress.is_cut {
        return;
    }
    // The 180 of the same hop as its 183, so that no fork is taken for another.
    let is_status = |message: &Message<'_>, status| message.status() == Some(status);
    let swallowed = attempt
        .transactions(call)
        .filter(|below| below.upstream.is_some())
        .filter(|below| below.progress().any(|m| is_status(m, Status::SESSION_PROGRESS)))
        .find_map(|below| below.progress().find(|m| is_status(m, Status::RINGING)));
    let severity = if swallowed.is_some() { Severity::Warn } else { Severity::Info };
    findings.report(
        base(hop, progress, end)
            .at(swallowed)
            .severity(severity)
            .confidence(Confidence::Likely)
            .with("media", Value::Word("no-sdp"))
            .with_some("ringing_lost", swallowed.map(|_| true)),
    );
}

fn base(hop: &Transaction<'_>, progress: &Message<'_>, end: &Message<'_>) -> Report {
    let report = Report::on(hop)
        .at(hop.request)
        .at([progress, end])
        .status(Status::SESSION_PROGRESS)
        .with("silence_ms", end.time.since(progress.time));
    match end.status() {
        Some(status) => report.with("ended_by", status.code()),
        None => report,
    }
}
