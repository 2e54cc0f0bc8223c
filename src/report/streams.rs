//! RTP streams as JSON.

use serde::Serialize;

use crate::analysis::{DigitSummary, RtcpSummary, StreamSummary};
use crate::media::Estimate;
use crate::signaling::Side;
use crate::time::{Span, Time};

/// An RTP stream in a `streams` array.
#[derive(Serialize)]
pub(super) struct StreamJson<'a> {
    /// Absent in the array of a call; null in that of streams without a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    call_id: Option<Option<&'a str>>,
    source: String,
    destination: String,
    ssrc: String,
    sender: Option<&'static str>,
    codec: Option<&'a str>,
    payload_type: Option<u8>,
    encrypted: bool,
    clock_rate: Option<u32>,
    payload_types: Vec<PayloadTypeJson>,
    first_frame: u64,
    last_frame: u64,
    start: Time,
    end: Time,
    packets: u64,
    octets: u64,
    expected: u64,
    lost: u64,
    lost_percent: f64,
    duplicates: u64,
    reordered: u64,
    copies: u64,
    restarts: u64,
    jitter_ms: Option<f64>,
    max_jitter_ms: Option<f64>,
    max_gap_ms: Option<Span>,
    ptime_ms: Option<Span>,
    skew_ppm: Option<f64>,
    mos: Option<f64>,
    mos_estimate: Option<EstimateJson<'a>>,
    rtcp: Option<RtcpJson>,
    dtmf: Vec<DigitJson>,
}

#[derive(Serialize)]
struct PayloadTypeJson {
    payload_type: u8,
    packets: u64,
}

/// What the estimate is made of; `delay` tells where that came from.
#[derive(Serialize)]
struct EstimateJson<'a> {
    model: &'static str,
    codec: Option<&'a str>,
    rating: f64,
    delay_ms: f64,
    delay: &'static str,
}

#[derive(Serialize)]
struct RtcpJson {
    sent_packets: Option<u32>,
    reports: u64,
    lost: Option<i32>,
    max_lost_percent: Option<f64>,
    jitter_ms: Option<f64>,
    max_jitter_ms: Option<f64>,
    round_trip_ms: Option<f64>,
    mos: Option<f64>,
}

#[derive(Serialize)]
struct DigitJson {
    key: Option<char>,
    event: u8,
    payload_type: u8,
    frame: u64,
    start: Time,
    duration_ms: Span,
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
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn millis(span: Span) -> f64 {
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
