#![doc = include_str!("media_gap.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::media::{CHANGE, Media, Passage, Seen};
use crate::signaling::{Call, Side, Threshold, Traits};
use crate::sip::Method;
use crate::time::{Span, Time};

pub(crate) static RULE: Rule = Rule {
    code: "MED105",
    name: "media-gap",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("media_gap.md"),
    thresholds: &[&LATE, &STOPPED],
    gate: Gate::all(&[Traits::AGREEMENT, Traits::RTP]),
    check: Check::Media(check),
};

/// Media come at once; handshakes for keys take a part of that.
static LATE: Threshold = Threshold::span("late", Span::from_secs(1));

/// A side that hangs up may stop its media a moment earlier.
static STOPPED: Threshold = Threshold::span("stopped", Span::from_secs(5));

/// Directions that begin or stop within this time of each other do so together.
const TOGETHER: Span = Span::from_secs(1);

/// A shorter spell of media is no proof that the side sends all the time.
const ACTIVE_MIN: Span = Span::from_secs(1);

fn check(call: &Call<'_>, media: Media<'_>, findings: &mut Findings<'_>) {
    if media.is_empty() {
        return;
    }
    for mut passages in call.talks() {
        passages.retain(|passage| {
            let may_pause = passage.leaves_out_silence(media) || passage.has_own_silence();
            passage.is_due() && !may_pause
        });
        if let Some(found) = passages.iter().find_map(|own| late(call, own, media)) {
            report_late(call, &found, media, findings);
        }
        if let Some(found) = passages.iter().find_map(|own| stopped(call, own, media)) {
            report_stopped(call, &found, media, findings);
        }
    }
}

/// A passage, and when something was due or ended on it.
struct Gap<'p, 'a, 'c> {
    passage: &'p Passage<'a, 'c>,
    from: Time,
    to: Time,
    seen: Option<Seen>,
}

/// The first media of the answered call came late.
fn late<'p, 'a, 'c>(
    call: &Call<'c>,
    passage: &'p Passage<'a, 'c>,
    media: Media<'_>,
) -> Option<Gap<'p, 'a, 'c>> {
    let answered = passage.negotiation.answered.filter(|time| passage.from <= *time)?;
    let exchange = passage.negotiation.exchange_of(passage.period)?;
    let ack = exchange.acknowledgement.map_or(answered, |ack| ack.time);
    let first = passage.first(media)?;
    // Early media, or those of the time before, have shown the way already.
    let was_active = |passage: &Passage<'_, '_>| {
        let earlier = Passage { from: Time::from_nanos(i64::MIN), until: ack, ..*passage };
        !earlier.streams(media).is_empty() || !earlier.astray(media).is_empty()
    };
    let is_late = first.since(ack) > call.settings().span(&LATE);
    let is_media = passage.active_for(media) >= ACTIVE_MIN;
    if !is_late || !is_media || !passage.astray(media).is_empty() || was_active(passage) {
        return None;
    }
    let is_known = !call.misses_agreement(passage.negotiation, (ack, first));
    let seen = passage.seen_at(media, first);
    is_known.then_some(Gap { passage, from: ack, to: first, seen })
}

/// Media ended long before the call or this agreement did.
fn stopped<'p, 'a, 'c>(
    call: &Call<'c>,
    passage: &'p Passage<'a, 'c>,
    media: Media<'_>,
) -> Option<Gap<'p, 'a, 'c>> {
    // Where the capture ends the passage, nobody knows.
    let is_ended = call.messages.iter().any(|message| message.time == passage.until);
    let last = passage.last(media)?;
    let is_stopped = passage.until.since(last) > call.settings().span(&STOPPED);
    let is_media = passage.active_for(media) >= ACTIVE_MIN;
    // Who goes on with RTCP is there, and mute.
    let is_mute = passage
        .last_report(media)
        .is_some_and(|report| report.since(last) > call.settings().span(&STOPPED));
    let is_alone = passage.astray(media).is_empty() && !passage.has_left(media) && !is_mute;
    if !is_ended || !is_stopped || !is_media || !is_alone {
        return None;
    }
    let is_meant = is_transferred(call, last + call.settings().span(&STOPPED))
        || call.misses_agreement(passage.negotiation, (last - CHANGE, passage.until));
    let seen = passage.seen_at(media, last);
    (!is_meant).then_some(Gap { passage, from: last, to: passage.until, seen })
}

/// A transfer was accepted by then: whoever was sent elsewhere talks there, while the one that did
/// it waits for the outcome.
fn is_transferred(call: &Call<'_>, by: Time) -> bool {
    call.transactions.iter().any(|hop| {
        hop.method == Method::Refer && hop.first_success().is_some_and(|own| own.time <= by)
    })
}

fn report_late(
    call: &Call<'_>,
    gap: &Gap<'_, '_, '_>,
    media: Media<'_>,
    findings: &mut Findings<'_>,
) {
    let back = gap.passage.back();
    let other = late(call, &back, media).map(|other| other.to);
    let is_other_late = other.is_some();
    // Where both begin late, the caller's side stands for both.
    if is_other_late && gap.passage.sender == Side::Callee {
        return;
    }
    let keys = gap.passage.keys_ready(media).map(|ready| ready.since(gap.from));
    // Where both begin at once, long after the answer, perhaps only the capture of media did.
    let is_together = other.is_some_and(|other| other.since(gap.to).abs() <= TOGETHER);
    let is_long = gap.to.since(gap.from) > call.settings().span(&STOPPED);
    let confidence = match is_together && is_long && keys.is_none() {
        true => Confidence::Possible,
        false => Confidence::Certain,
    };
    findings.report(
        base(gap)
            .confidence(confidence)
            .with("problem", Value::Word("late-start"))
            .with("gap_ms", gap.to.since(gap.from))
            .with("both_directions", is_other_late)
            .with_some("keys_after_ms", keys.filter(|after| *after > Span::ZERO)),
    );
}

fn report_stopped(
    call: &Call<'_>,
    gap: &Gap<'_, '_, '_>,
    media: Media<'_>,
    findings: &mut Findings<'_>,
) {
    let back = gap.passage.back();
    let is_together = back.last(media).is_some_and(|last| last.since(gap.from).abs() <= TOGETHER);
    // Where both stop at once, perhaps only the capture of media did.
    if is_together && gap.passage.sender == Side::Callee {
        return;
    }
    // A voicemail that records and a phone that is mute look alike, if they send no RTCP either.
    let has_reports = gap.passage.last_report(media).is_some();
    let (severity, confidence) = match (is_together, has_reports) {
        (true, _) => (Severity::Info, Confidence::Possible),
        (false, true) => (Severity::Warn, Confidence::Likely),
        (false, false) => (Severity::Warn, Confidence::Possible),
    };
    let ended_by = call.messages.iter().find(|message| message.time == gap.to);
    findings.report(
        base(gap)
            .at(ended_by)
            .severity(severity)
            .confidence(confidence)
            .with("problem", Value::Word("stopped"))
            .with("gap_ms", gap.to.since(gap.from))
            .with("both_directions", is_together)
            .absence(true),
    );
}

fn base(gap: &Gap<'_, '_, '_>) -> Report {
    let passage = gap.passage;
    Report::on_capture()
        .between(passage.negotiation.near, passage.negotiation.far)
        .at(passage.answer())
        .frames(gap.seen.map(|seen| (seen.frame, seen.time)))
        .with("sender", Value::Word(passage.sender.word()))
        .with_some("media_from", passage.source())
        .with_some("media_to", passage.destination())
}
