#![doc = include_str!("one_way_rtp.md")]

use crate::finding::{
    Check, Confidence, Findings, Gate, Report, Rule, Severity, Value, Visibility,
};
use crate::media::{Media, Passage};
use crate::signaling::{Call, MediaWays, Threshold, Traits};
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "MED102",
    name: "one-way-rtp",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("one_way_rtp.md"),
    thresholds: &[&SILENCE],
    gate: Gate::all(&[Traits::AGREEMENT, Traits::RTP]),
    check: Check::Media(check),
};

/// A side may begin late, or say nothing for a while.
static SILENCE: Threshold = Threshold::span("silence", Span::from_secs(5));

/// A side that leaves silence out may say nothing for longer.
const SILENCE_SUPPRESSED: Span = Span::from_secs(15);

fn check(call: &Call<'_>, media: Media<'_>, findings: &mut Findings<'_>) {
    if media.is_empty() {
        return;
    }
    for passages in call.talks() {
        // Where the sender's own hop is silent, those behind it have nothing to hand on.
        let found = passages.iter().enumerate().find(|(place, passage)| {
            let later = passages.get(place + 1..).unwrap_or_default();
            is_one_way(call, passage, media) && !passage.is_handed_on(later, media)
        });
        if let Some((_, passage)) = found {
            report(call, passage, media, findings);
        }
    }
}

/// Both were to send, the other side did, and not one packet of this side is in the capture.
fn is_one_way(call: &Call<'_>, passage: &Passage<'_, '_>, media: Media<'_>) -> bool {
    let least = match passage.may_leave_out_silence() {
        true => SILENCE_SUPPRESSED.max(call.settings().span(&SILENCE)),
        false => call.settings().span(&SILENCE),
    };
    passage.is_due()
        && passage.back().is_due()
        && passage.length() >= least
        && passage.back().active_for(media) >= least
        && passage.streams(media).is_empty()
        && passage.astray(media).is_empty()
        // A side that sends elsewhere as well was told of other places than the capture was.
        && passage.back().astray(media).is_empty()
}

fn report(
    call: &Call<'_>,
    passage: &Passage<'_, '_>,
    media: Media<'_>,
    findings: &mut Findings<'_>,
) {
    let mut others = passage.back().streams(media);
    others.sort_by_key(|stream| stream.first_seen());
    let heard = others.first().map(|stream| stream.first_seen());
    // Where the other side gets its audio from is where this side is.
    let real = others.first().map(|stream| (stream.destination.address, stream.source.address));
    let ways: MediaWays = [passage.ways(call.settings()), real, None, None];
    let may_be_silent = passage.may_leave_out_silence();
    let spell = (passage.from, passage.until);
    let is_doubtful = may_be_silent || call.misses_agreement(passage.negotiation, spell);
    let confidence = if is_doubtful { Confidence::Possible } else { Confidence::Likely };
    findings.report(
        Report::on_capture()
            .between(passage.negotiation.near, passage.negotiation.far)
            .at(passage.answer())
            .frames(heard.map(|seen| (seen.frame, seen.time)))
            .confidence(confidence)
            .visibility(Visibility::MediaWayElseNote(ways))
            .with("silent", Value::Word(passage.sender.word()))
            .with("media_ms", passage.length())
            .with_some("media_from", passage.source())
            .with_some("media_to", passage.destination())
            .with("other_packets", others.iter().map(|stream| stream.packets()).sum::<u64>())
            .with_some("silence_suppression", may_be_silent.then_some(true)),
    );
}
