#![doc = include_str!("rtp_quality.md")]

use crate::finding::{
    Check, Confidence, Findings, Gate, Report, Rule, Severity, Value, Visibility,
};
use crate::media::{Bound, Media};
use crate::signaling::{Call, Settings, Side, Threshold, Traits};
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "MED104",
    name: "rtp-quality",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("rtp_quality.md"),
    thresholds: &[&LOSS_WARN, &LOSS_ERROR, &JITTER_WARN, &JITTER_ERROR, &PACKETS],
    gate: Gate::all(&[Traits::DESCRIPTION, Traits::RTP]),
    check: Check::Media(check),
};

/// Loss that concealment does not quite hide.
static LOSS_WARN: Threshold = Threshold::percent("loss-warn", 1);

/// Loss at which speech breaks up.
static LOSS_ERROR: Threshold = Threshold::percent("loss-error", 5);

/// Jitter that takes up the buffer of many phones.
static JITTER_WARN: Threshold = Threshold::span("jitter-warn", Span::from_millis(30));

/// Jitter that no usual buffer evens out.
static JITTER_ERROR: Threshold = Threshold::span("jitter-error", Span::from_millis(60));

/// Of fewer packets a share says nothing.
static PACKETS: Threshold = Threshold::count("packets", 50);

/// Packets that are missing one after another, on average, where a stream was interrupted.
const PIECE_MIN: u64 = 25;

/// A relay that hands on a lossy stream does not lose by itself what is missing there already.
const ADDED_MIN: f64 = 1.0;

/// A stream that came badly.
struct Bad<'b, 'm, 'c> {
    bound: &'b Bound<'m, 'c>,
    severity: Severity,
    confidence: Confidence,
    loss: f64,
    jitter: Option<Span>,
}

fn check(call: &Call<'_>, media: Media<'_>, findings: &mut Findings<'_>) {
    let bound = media.of_call(call);
    for sender in [Side::Caller, Side::Callee] {
        let mut own: Vec<&Bound<'_, '_>> =
            bound.iter().filter(|bound| bound.sender == sender).collect();
        // From the sender on, hop by hop.
        own.sort_by_key(|bound| bound.announced.negotiation);
        if sender == Side::Callee {
            own.reverse();
        }
        let bad: Vec<_> = own.into_iter().filter_map(|own| bad(own, call.settings())).collect();
        for (place, stream) in bad.iter().enumerate() {
            let before = bad.iter().take(place).find(|before| is_handed_on(before, stream));
            if before.is_none() {
                let after = bad.iter().skip(place + 1).filter(|next| is_handed_on(stream, next));
                report(media, stream, after.count(), findings);
            }
        }
    }
}

fn bad<'b, 'm, 'c>(bound: &'b Bound<'m, 'c>, settings: &Settings) -> Option<Bad<'b, 'm, 'c>> {
    let stream = bound.stream;
    if stream.packets() < settings.count(&PACKETS) {
        return None;
    }
    let loss = stream.sequence().lost_percent();
    // The packets of a picture are sent at once.
    let is_audio = bound.announced.media.is("audio");
    let jitter = bound.clock().and_then(|clock| stream.jitter(clock)).filter(|_| is_audio);
    let jitter = jitter.map(|jitter| jitter.mean);
    let reaches = |percent, span| {
        loss >= f64::from(settings.percent(percent))
            || jitter.is_some_and(|jitter| jitter >= settings.span(span))
    };
    let is_interrupted = is_interrupted(bound);
    let severity = match reaches(&LOSS_ERROR, &JITTER_ERROR) && !is_interrupted {
        true => Severity::Error,
        false => Severity::Warn,
    };
    let confidence = if is_interrupted { Confidence::Possible } else { Confidence::Certain };
    reaches(&LOSS_WARN, &JITTER_WARN).then_some(Bad { bound, severity, confidence, loss, jitter })
}

/// What is missing is missing in long pieces: perhaps the sender went on counting while it was mute
/// or sent elsewhere.
fn is_interrupted(bound: &Bound<'_, '_>) -> bool {
    let sequence = bound.stream.sequence();
    sequence.gaps() > 0 && sequence.lost() >= sequence.gaps() * PIECE_MIN
}

/// The second stream is the first one on a later hop, and no worse.
fn is_handed_on(first: &Bad<'_, '_, '_>, next: &Bad<'_, '_, '_>) -> bool {
    let (one, other) = (first.bound, next.bound);
    let is_later = one.announced.negotiation != other.announced.negotiation;
    let overlaps = other.stream.is_active(one.stream.first_seen().time, one.stream.last());
    let is_no_worse = next.loss <= first.loss + ADDED_MIN;
    is_later && overlaps && is_no_worse && next.severity <= first.severity
}

fn report(media: Media<'_>, bad: &Bad<'_, '_, '_>, handed_on: usize, findings: &mut Findings<'_>) {
    let Bad { bound, severity, jitter, .. } = *bad;
    let stream = bound.stream;
    let (sequence, first, last) = (stream.sequence(), stream.first_seen(), stream.last_seen());
    let reported = media.reported(stream).reception.map(|reception| reception.fraction_lost_max);
    let reported = reported.map(|part| u16::from(part) * 100 / 256);
    let has_loss = sequence.lost() > 0;
    findings.report(
        Report::on_capture()
            .between(stream.source, stream.destination)
            .frames([(first.frame, first.time), (last.frame, last.time)])
            .severity(severity)
            .confidence(bad.confidence)
            .absence(has_loss)
            .visibility(Visibility::UnlessCaptureLost {
                from: first.time,
                until: last.time,
                gaps: sequence.gaps(),
            })
            .with("sender", Value::Word(bound.sender.word()))
            .with("rtp_packets", stream.packets())
            .with_some("lost", has_loss.then(|| sequence.lost()))
            .with_some("gaps", has_loss.then(|| sequence.gaps()))
            .with_some("lost_percent", has_loss.then_some(bad.loss))
            .with_some("jitter_ms", jitter)
            .with_some("longest_gap_ms", stream.longest_gap().map(|gap| gap.span()))
            .with_some("reordered", Some(sequence.reordered()).filter(|count| *count > 0))
            .with_some("duplicates", Some(sequence.duplicates()).filter(|count| *count > 0))
            .with_some("reported_lost_percent", reported.filter(|percent| *percent > 0))
            .with_some("handed_on", Some(handed_on).filter(|count| *count > 0)),
    );
}
