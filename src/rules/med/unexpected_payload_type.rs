#![doc = include_str!("unexpected_payload_type.md")]

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::media::{CHANGE, Media, Passage, Run, Stream};
use crate::packet::Endpoint;
use crate::signaling::{Call, Threshold, Traits};

pub(crate) static RULE: Rule = Rule {
    code: "MED106",
    name: "unexpected-payload-type",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("unexpected_payload_type.md"),
    thresholds: &[&PACKETS],
    gate: Gate::all(&[Traits::AGREEMENT, Traits::RTP]),
    check: Check::Media(check),
};

/// A few packets may be strays.
static PACKETS: Threshold = Threshold::count("packets", 10);

/// Comfort noise by both of its numbers, and what RTCP looks like on the port of RTP (RFC 3551; RFC
/// 5761, section 4).
const HARMLESS: [std::ops::RangeInclusive<u8>; 3] = [13..=13, 19..=19, 72..=76];

fn check(call: &Call<'_>, media: Media<'_>, findings: &mut Findings<'_>) {
    let mut reported: Vec<(Endpoint, Endpoint, u32, u8)> = Vec::new();
    for passage in call.passages() {
        let Some(passage) = passage.without_begin(CHANGE) else { continue };
        for stream in passage.streams(media) {
            let Some(run) = unexpected(call, &passage, stream) else { continue };
            let key = (stream.source, stream.destination, stream.ssrc, run.payload_type);
            if !reported.contains(&key) {
                reported.push(key);
                report(&passage, stream, run, findings);
            }
        }
    }
}

/// Packets with a number that nobody announced for where they go.
fn unexpected<'s>(
    call: &Call<'_>,
    passage: &Passage<'_, '_>,
    stream: &'s Stream,
) -> Option<&'s Run> {
    let fewest = call.settings().count(&PACKETS);
    stream.runs().find(|run| {
        let own = run.payload_type;
        let is_within = run.first.time < passage.until && run.last.time > passage.from;
        let count: u64 = stream.runs().filter(|r| r.payload_type == own).map(|r| r.packets).sum();
        // Digits have a rule of their own.
        let is_event = stream.events().iter().any(|event| event.payload_type == own);
        // A receiver that does not know it hears silence, which is what it stands for.
        let is_noise = passage.line.codec(passage.sender, own).is_some_and(|codec| codec.is("CN"));
        let spell = (passage.period.from, run.first.time + CHANGE);
        is_within
            && count >= fewest
            && !is_event
            && !is_noise
            && !HARMLESS.iter().any(|harmless| harmless.contains(&own))
            && !is_announced(call, passage, stream, own)
            && !call.misses_agreement(passage.negotiation, spell)
    })
}

/// The receiver lists the number, in a line of the same place or for another fork.
fn is_announced(
    call: &Call<'_>,
    passage: &Passage<'_, '_>,
    stream: &Stream,
    payload_type: u8,
) -> bool {
    let is_of_receiver = |rtp| Some(rtp) == passage.destination() || rtp == stream.destination;
    let known = call.negotiations().announced().filter(|own| {
        is_of_receiver(own.rtp) && own.message.time <= passage.until && own.until > passage.from
    });
    let lines = passage.period.lines.iter();
    let of_bundle = lines.map(|line| line.of(passage.receiver()));
    let mut all = known.map(|own| own.media).chain(of_bundle.copied());
    all.any(|own| own.payload_types().any(|known| known == payload_type))
}

fn report(passage: &Passage<'_, '_>, stream: &Stream, run: &Run, findings: &mut Findings<'_>) {
    let list = |side| {
        let types = passage.line.of(side).payload_types();
        Value::List(types.map(|own| Value::Number(own.into())).collect())
    };
    let own = passage.line.of(passage.sender);
    let is_of_sender = own.payload_types().any(|own| own == run.payload_type);
    let codec = own.codec(run.payload_type).filter(|_| is_of_sender || run.payload_type < 35);
    findings.report(
        Report::on_capture()
            .between(stream.source, stream.destination)
            .at(passage.answer())
            .frames([(run.first.frame, run.first.time)])
            .with("sender", Value::Word(passage.sender.word()))
            .with("payload_type", u16::from(run.payload_type))
            .with_some("codec", codec.map(|codec| Value::quoted(codec.encoding)))
            .with("payload_types_announced", list(passage.receiver()))
            .with("rtp_packets", run.packets)
            .with_some("from_own_sdp", is_of_sender.then_some(true)),
    );
}
