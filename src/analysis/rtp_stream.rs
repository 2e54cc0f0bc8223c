//! What a report tells of an RTP stream.

use crate::bytes::printable;
use crate::limits::STREAMS_PER_CALL_MAX;
use crate::media::audio::AudioCodec;
use crate::media::{Bound, Estimate, Media, Reported, Seen, Stream};
use crate::packet::Endpoint;
use crate::sdp::RtpMap;
use crate::signaling::{Call, Side};
use crate::time::Span;

/// An RTP stream, reduced to what a report tells of it.
#[derive(Clone, Debug)]
pub struct StreamSummary {
    /// The sender.
    pub source: Endpoint,
    /// The receiver.
    pub destination: Endpoint,
    /// The synchronization source.
    pub ssrc: u32,
    /// The side of the call that sends it, where it belongs to one.
    pub sender: Option<Side>,
    /// The codec by the SDP, else by a static payload type; safe to show.
    pub codec: Option<String>,
    /// The payload type of the codec.
    pub payload_type: Option<u8>,
    /// It is SRTP, by the SDP or by the length of its packets.
    pub is_encrypted: bool,
    /// Ticks of its timestamp in a second.
    pub clock: Option<u32>,
    /// Its payload types with their packets, the commonest first.
    pub payload_types: Vec<(u8, u64)>,
    /// The first packet.
    pub first: Seen,
    /// The last packet.
    pub last: Seen,
    /// Packets; those that came twice on the network count twice.
    pub packets: u64,
    /// Bytes of media.
    pub octets: u64,
    /// Packets that should have come.
    pub expected: u64,
    /// Packets that did not come.
    pub lost: u64,
    /// The same of a hundred expected ones.
    pub lost_percent: f64,
    /// Packets that came again.
    pub duplicates: u64,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Packets that only the capture has twice.
    pub copies: u64,
    /// How often the numbers began anew.
    pub restarts: u64,
    /// The mean of the jitter.
    pub jitter: Option<Span>,
    /// The largest jitter.
    pub jitter_max: Option<Span>,
    /// The longest time between two packets of one spurt of talk.
    pub gap_max: Option<Span>,
    /// Media in most packets.
    pub packet_time: Option<Span>,
    /// How much faster the clock of the sender runs than that of the capture, in millionths.
    pub skew_ppm: Option<f64>,
    /// How it probably sounds.
    pub estimate: Option<Estimate>,
    /// What RTCP says of it.
    pub rtcp: Option<RtcpSummary>,
    /// Digits that were sent as events.
    pub digits: Vec<DigitSummary>,
}

/// What RTCP says of a stream.
#[derive(Clone, Copy, Debug)]
pub struct RtcpSummary {
    /// Packets that the sender says it has sent.
    pub sent: Option<u32>,
    /// Reports of the receiver.
    pub reports: u64,
    /// Packets that the receiver missed.
    pub lost: Option<i32>,
    /// Share of packets lost between two reports at worst, in percent.
    pub lost_percent_max: Option<f64>,
    /// Jitter in the last report.
    pub jitter: Option<Span>,
    /// The largest jitter in a report.
    pub jitter_max: Option<Span>,
    /// From the sender to the receiver and back.
    pub round_trip: Option<Span>,
    /// What the receiver scores it, if it does.
    pub mos: Option<f64>,
}

/// A telephone event.
#[derive(Clone, Copy, Debug)]
pub struct DigitSummary {
    /// What is on the key; none for events that are on none.
    pub key: Option<char>,
    /// The number of the event.
    pub event: u8,
    /// The payload type.
    pub payload_type: u8,
    /// Its first packet.
    pub first: Seen,
    /// How long it lasted.
    pub duration: Span,
    /// Its end was seen.
    pub has_end: bool,
}

/// The streams of a call, in order of their first packets, and whether these are all.
pub(super) fn streams(call: &Call<'_>, media: Media<'_>) -> (Vec<StreamSummary>, bool) {
    let found = media.of_call_up_to(STREAMS_PER_CALL_MAX, call);
    let list = found.list.iter().map(|bound| of_call(bound, media)).collect();
    (list, found.is_all)
}

fn of_call(bound: &Bound<'_, '_>, media: Media<'_>) -> StreamSummary {
    let reported = media.reported(bound.stream);
    let clock = bound.clock();
    let event_clock = |payload_type: u8| match bound.announced.media.codec(payload_type) {
        Some(codec) if is_telephone_event(&codec) => Some(codec.clock_rate),
        Some(_) => None,
        None => Some(TELEPHONE_CLOCK),
    };
    let mut summary = summarize(bound.stream, clock, &reported, &event_clock);
    summary.sender = Some(bound.sender);
    summary.codec = bound.codec.map(|codec| name(&codec)).or(summary.codec);
    summary.payload_type = bound.payload_type();
    summary.is_encrypted = bound.announced.media.is_secure();
    summary.estimate = Estimate::of(bound, &reported);
    summary
}

/// What is known of a stream that belongs to no call.
pub(super) fn alone(stream: &Stream, media: Media<'_>) -> StreamSummary {
    let reported = media.reported(stream);
    let mut summary = summarize(stream, stream.clock(), &reported, &|_| Some(TELEPHONE_CLOCK));
    summary.is_encrypted = has_tags(stream, &summary);
    summary
}

/// Each packet has some bytes more than its codec makes of the time: the tag of SRTP (RFC 3711,
/// section 4.2, RFC 7714).
fn has_tags(stream: &Stream, summary: &StreamSummary) -> bool {
    const TAG_BYTES: [u64; 3] = [4, 10, 16];
    let codec = summary.codec.as_deref().and_then(AudioCodec::of);
    let (Some(_), Some(ticks)) = (codec, stream.packet_ticks()) else { return false };
    // One byte is one tick with all the codecs that are decoded here.
    TAG_BYTES.iter().any(|tag| stream.octets() == stream.packets() * (u64::from(ticks) + tag))
}

/// The clock of events where nothing else is said (RFC 4733, section 2.5.1.1).
const TELEPHONE_CLOCK: u32 = 8000;

fn is_telephone_event(codec: &RtpMap<'_>) -> bool {
    codec.encoding.eq_ignore_ascii_case(b"telephone-event")
}

/// `event_clock` tells the clock of a payload type that may be one of events.
fn summarize(
    stream: &Stream,
    clock: Option<u32>,
    reported: &Reported<'_>,
    event_clock: &dyn Fn(u8) -> Option<u32>,
) -> StreamSummary {
    let sequence = stream.sequence();
    let jitter = clock.and_then(|clock| stream.jitter(clock));
    let ticks = stream.packet_ticks().map(i64::from);
    let payload_types = stream.payload_types();
    let main = payload_types.first().map(|(payload_type, _)| *payload_type);
    StreamSummary {
        source: stream.source,
        destination: stream.destination,
        ssrc: stream.ssrc,
        sender: None,
        codec: main.and_then(RtpMap::of_static).map(|codec| name(&codec)),
        payload_type: main,
        is_encrypted: false,
        clock,
        first: stream.first_seen(),
        last: stream.last_seen(),
        packets: stream.packets(),
        octets: stream.octets(),
        expected: sequence.expected(),
        lost: sequence.lost(),
        lost_percent: sequence.lost_percent(),
        duplicates: sequence.duplicates(),
        reordered: sequence.reordered(),
        copies: stream.copies(),
        restarts: sequence.restarts(),
        jitter: jitter.map(|jitter| jitter.mean),
        jitter_max: jitter.map(|jitter| jitter.max),
        gap_max: stream.longest_gap().map(|gap| gap.span()),
        packet_time: ticks.zip(clock).map(|(ticks, clock)| by_clock(ticks, clock)),
        skew_ppm: clock.and_then(|clock| stream.skew_ppm(clock)),
        estimate: None,
        rtcp: rtcp(reported, clock),
        digits: digits(stream, &payload_types, event_clock),
        payload_types,
    }
}

/// As in SDP, static ones as registered: `PCMU`, `opus`.
fn name(codec: &RtpMap<'_>) -> String {
    let registered = RtpMap::of_static(codec.payload_type)
        .filter(|known| known.encoding.eq_ignore_ascii_case(codec.encoding));
    printable(registered.unwrap_or(*codec).encoding).into_owned()
}

fn by_clock(ticks: i64, clock: u32) -> Span {
    Span::from_nanos(ticks.saturating_mul(1_000_000_000) / i64::from(clock.max(1)))
}

fn rtcp(reported: &Reported<'_>, clock: Option<u32>) -> Option<RtcpSummary> {
    let Reported { sender, reception, round_trip } = *reported;
    if sender.is_none() && reception.is_none() {
        return None;
    }
    let jitter = |ticks: u32| clock.map(|clock| by_clock(i64::from(ticks), clock));
    let voip = reception.and_then(|reception| reception.voip);
    Some(RtcpSummary {
        sent: sender.map(|sender| sender.packets),
        reports: reception.map(|reception| reception.reports).unwrap_or_default(),
        lost: reception.map(|reception| reception.last.packets_lost),
        lost_percent_max: reception.map(|own| f64::from(own.fraction_lost_max) * 100.0 / 256.0),
        jitter: reception.and_then(|reception| jitter(reception.last.jitter)),
        jitter_max: reception.and_then(|reception| jitter(reception.jitter_max)),
        round_trip,
        mos: voip.and_then(|voip| voip.mos_lq).map(|mos| f64::from(mos) / 10.0),
    })
}

/// What reads like an event, unless the payload type has more that does not.
fn digits(
    stream: &Stream,
    payload_types: &[(u8, u64)],
    event_clock: &dyn Fn(u8) -> Option<u32>,
) -> Vec<DigitSummary> {
    let packets = |payload_type: u8| {
        let own = payload_types.iter().find(|(own, _)| *own == payload_type);
        own.map(|(_, packets)| *packets).unwrap_or_default()
    };
    let in_events = |payload_type: u8| -> u64 {
        let own = stream.events().iter().filter(|event| event.payload_type == payload_type);
        own.map(|event| u64::from(event.packets)).sum()
    };
    let is_event = |payload_type: u8| {
        stream.events_dropped() > 0 || in_events(payload_type) * 2 > packets(payload_type)
    };
    let events = stream.events().iter().filter(|event| is_event(event.payload_type));
    events
        .filter_map(|event| {
            let clock = event_clock(event.payload_type)?;
            Some(DigitSummary {
                key: event.key(),
                event: event.event,
                payload_type: event.payload_type,
                first: event.first,
                duration: by_clock(i64::from(event.duration), clock),
                has_end: event.has_end,
            })
        })
        .collect()
}
