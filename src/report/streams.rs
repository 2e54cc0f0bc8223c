//! RTP streams as JSON.

use schemars::JsonSchema;
use serde::Serialize;

use crate::analysis::{DigitSummary, RtcpSummary, StreamSummary};
use crate::media::Estimate;
use crate::signaling::Side;
use crate::time::{Span, Time};

/// An RTP stream in a `streams` array.
#[derive(Serialize, JsonSchema)]
pub(super) struct StreamJson<'a> {
    /// Absent in the array of a call; null in that of streams without a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    call_id: Option<Option<&'a str>>,
    /// The sender, `address:port`.
    source: String,
    /// The receiver, `address:port`.
    destination: String,
    /// The synchronization source, `0x` and eight hexadecimal digits.
    ssrc: String,
    /// The side of the call that sends it, `caller` or `callee`.
    sender: Option<&'static str>,
    /// The codec by the SDP, else by a static payload type.
    codec: Option<&'a str>,
    /// The payload type of the codec.
    payload_type: Option<u8>,
    /// It is SRTP, by the SDP or by the length of its packets.
    encrypted: bool,
    /// Ticks of its timestamp in a second.
    clock_rate: Option<u32>,
    /// Its payload types, the commonest first.
    payload_types: Vec<PayloadTypeJson>,
    /// The frame of the first packet.
    first_frame: u64,
    /// The frame of the last packet.
    last_frame: u64,
    /// The time of the first packet, RFC 3339 in UTC.
    start: Time,
    /// The time of the last packet, RFC 3339 in UTC.
    end: Time,
    /// Packets; those that came twice on the network count twice.
    packets: u64,
    /// Bytes of media.
    octets: u64,
    /// Packets that should have come.
    expected: u64,
    /// Packets that did not come.
    lost: u64,
    /// The same of a hundred expected ones.
    lost_percent: f64,
    /// Packets that came again.
    duplicates: u64,
    /// Packets that came after a later one.
    reordered: u64,
    /// Packets that only the capture has twice.
    copies: u64,
    /// How often the numbers began anew.
    restarts: u64,
    /// The mean of the jitter (RFC 3550, section 6.4.1), in milliseconds.
    jitter_ms: Option<f64>,
    /// The largest jitter, in milliseconds.
    max_jitter_ms: Option<f64>,
    /// The longest time between two packets of one spurt of talk, in milliseconds.
    max_gap_ms: Option<Span>,
    /// Media in most packets, in milliseconds.
    ptime_ms: Option<Span>,
    /// How much faster the clock of the sender runs than that of the capture, in millionths.
    skew_ppm: Option<f64>,
    /// How it probably sounds, 1 to 4.5: an estimate.
    mos: Option<f64>,
    /// What the estimate is made of.
    mos_estimate: Option<EstimateJson<'a>>,
    /// What RTCP says of it; null where nothing was captured.
    rtcp: Option<RtcpJson>,
    /// Digits that were sent as events (RFC 4733).
    dtmf: Vec<DigitJson>,
}

#[derive(Serialize, JsonSchema)]
struct PayloadTypeJson {
    /// The payload type.
    payload_type: u8,
    /// Its packets.
    packets: u64,
}

/// What the estimate is made of; `delay` tells where that came from.
#[derive(Serialize, JsonSchema)]
struct EstimateJson<'a> {
    /// `G.107`, the E-model of the ITU-T.
    model: &'static str,
    /// The codec that it was made for.
    codec: Option<&'a str>,
    /// The rating R, 0 to 100.
    rating: f64,
    /// The delay that went into it, in milliseconds.
    delay_ms: f64,
    /// Where the delay came from: `rtcp` or `assumed`.
    delay: &'static str,
}

#[derive(Serialize, JsonSchema)]
struct RtcpJson {
    /// Packets that the sender says it has sent.
    sent_packets: Option<u32>,
    /// Reports of the receiver.
    reports: u64,
    /// Packets that the receiver missed.
    lost: Option<i32>,
    /// Share of packets lost between two reports at worst, in percent.
    max_lost_percent: Option<f64>,
    /// Jitter in the last report, in milliseconds.
    jitter_ms: Option<f64>,
    /// The largest jitter in a report, in milliseconds.
    max_jitter_ms: Option<f64>,
    /// From the sender to the receiver and back, in milliseconds.
    round_trip_ms: Option<f64>,
    /// What the receiver scores it, if it does (RFC 3611).
    mos: Option<f64>,
}

#[derive(Serialize, JsonSchema)]
struct DigitJson {
    /// What is on the key; null for events that are on none.
    key: Option<char>,
    /// The number of the event.
    event: u8,
    /// The payload type.
    payload_type: u8,
    /// The frame of its first packet.
    frame: u64,
    /// The time of its first packet, RFC 3339 in UTC.
    start: Time,
    /// How long it lasted, in milliseconds.
    duration_ms: Span,
    /// Its end was seen.
    ended: bool,
}

/// The streams as they stand in the `streams` array of a call.
pub(super) fn of_call(streams: &[StreamSummary]) -> Vec<StreamJson<'_>> {
    streams.iter().map(StreamJson::of).collect()
}

/// The streams as they stand in the array of those without a call.
pub(super) fn alone(streams: &[StreamSummary]) -> Vec<StreamJson<'_>> {
    let streams = streams.iter().map(StreamJson::of);
    streams.map(|stream| StreamJson { call_id: Some(None), ..stream }).collect()
}

/// Thousandths are enough, and the same on every machine.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

pub(super) fn millis(span: Span) -> f64 {
    rounded(span.millis())
}

impl<'a> StreamJson<'a> {
    fn of(stream: &'a StreamSummary) -> Self {
        let codec = stream.codec.as_deref();
        let payload_types = stream.payload_types.iter();
        Self {
            call_id: None,
            source: stream.source.to_string(),
            destination: stream.destination.to_string(),
            ssrc: format!("0x{:08x}", stream.ssrc),
            sender: stream.sender.map(Side::word),
            codec,
            payload_type: stream.payload_type,
            encrypted: stream.is_encrypted,
            clock_rate: stream.clock,
            payload_types: payload_types
                .map(|&(payload_type, packets)| PayloadTypeJson { payload_type, packets })
                .collect(),
            first_frame: stream.first.frame.number,
            last_frame: stream.last.frame.number,
            start: stream.first.time,
            end: stream.last.time,
            packets: stream.packets,
            octets: stream.octets,
            expected: stream.expected,
            lost: stream.lost,
            lost_percent: rounded(stream.lost_percent),
            duplicates: stream.duplicates,
            reordered: stream.reordered,
            copies: stream.copies,
            restarts: stream.restarts,
            jitter_ms: stream.jitter.map(millis),
            max_jitter_ms: stream.jitter_max.map(millis),
            max_gap_ms: stream.gap_max,
            ptime_ms: stream.packet_time,
            skew_ppm: stream.skew_ppm.map(rounded),
            mos: stream.estimate.map(|estimate| (estimate.mos * 100.0).round() / 100.0),
            mos_estimate: stream.estimate.map(|estimate| EstimateJson::of(&estimate, codec)),
            rtcp: stream.rtcp.as_ref().map(RtcpJson::of),
            dtmf: stream.digits.iter().map(DigitJson::of).collect(),
        }
    }
}

impl<'a> EstimateJson<'a> {
    fn of(estimate: &Estimate, codec: Option<&'a str>) -> Self {
        Self {
            model: "G.107",
            codec,
            rating: (estimate.rating * 10.0).round() / 10.0,
            delay_ms: millis(estimate.delay),
            delay: if estimate.is_delay_assumed { "assumed" } else { "rtcp" },
        }
    }
}

impl RtcpJson {
    fn of(rtcp: &RtcpSummary) -> Self {
        Self {
            sent_packets: rtcp.sent,
            reports: rtcp.reports,
            lost: rtcp.lost,
            max_lost_percent: rtcp.lost_percent_max.map(rounded),
            jitter_ms: rtcp.jitter.map(millis),
            max_jitter_ms: rtcp.jitter_max.map(millis),
            round_trip_ms: rtcp.round_trip.map(millis),
            mos: rtcp.mos,
        }
    }
}

impl DigitJson {
    fn of(digit: &DigitSummary) -> Self {
        Self {
            key: digit.key,
            event: digit.event,
            payload_type: digit.payload_type,
            frame: digit.first.frame.number,
            start: digit.first.time,
            duration_ms: digit.duration,
            ended: digit.has_end,
        }
    }
}
