//! How good speech probably sounds: a mean opinion score by the E-model, simplified. An estimate,
//! never a measurement.
//!
//! The E-model (ITU-T G.107) adds up what spoils a call on a scale of ratings. All its inputs that
//! no capture shows have their default values, which leaves a rating of 93.2 (G.107, table 3), from
//! which delay and codec with its losses are taken:
//!
//! - delay: 0.024 a millisecond, and 0.11 more for each beyond 177.3 ms, the linear approximation
//!   of G.107 by Cole and Rosenbluth (*Voice over IP performance monitoring*, 2001);
//! - codec: its impairment `Ie`, and with random losses
//!   `Ie + (95 - Ie) * Ppl / (Ppl + Bpl)` (G.107, section 7.5), with `Ie` and `Bpl` of ITU-T G.113,
//!   appendix I.
//!
//! Losses are those that the capture shows. What comes after it (more losses, packets that are too
//! late for the jitter buffer) is not known. Codecs of wide-band speech have another scale (ITU-T
//! G.107.1) and are not estimated.

use super::{Bound, Reported};
use crate::sdp::RtpMap;
use crate::time::Span;

/// The rating without delay, loss and coding.
const RATING: f64 = 93.2;

/// What the network is taken to add one way, where no RTCP tells.
const NETWORK: Span = Span::from_millis(50);

/// What a jitter buffer adds at least.
const BUFFER_MIN: Span = Span::from_millis(40);

/// Packets that a stream needs to be estimated by.
const PACKETS_MIN: u64 = 50;

/// A mean opinion score and what it was made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// 1 (bad) to 4.5 (as good as narrow-band speech can be).
    pub mos: f64,
    /// The rating R, 0 to 93.2.
    pub rating: f64,
    /// From mouth to ear: network, packet and jitter buffer.
    pub delay: Span,
    /// The part of the network is not from RTCP but taken for granted.
    pub is_delay_assumed: bool,
}

/// How a codec bears losses.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Impairment {
    /// `Ie`, without losses.
    codec: f64,
    /// `Bpl`, the robustness against losses.
    robustness: f64,
}

impl Estimate {
    /// The estimate for a stream; none for codecs without an entry in the table, nor for few
    /// packets.
    pub fn of(bound: &Bound<'_, '_>, reported: &Reported<'_>) -> Option<Self> {
        let stream = bound.stream;
        if stream.packets() < PACKETS_MIN {
            return None;
        }
        let codec = bound.codec.or_else(|| RtpMap::of_static(bound.payload_type()?))?;
        let clock = bound.clock()?;
        let media = stream.packet_ticks().unwrap_or_default();
        let packet = Span::from_nanos(i64::from(media) * 1_000_000_000 / i64::from(clock.max(1)));
        let jitter = stream.jitter(clock).map(|jitter| jitter.mean).unwrap_or_default();
        let network = reported.round_trip.map(|trip| Span::from_nanos(trip.nanos() / 2));
        let delay = network.unwrap_or(NETWORK) + packet + BUFFER_MIN.max(jitter.times(4));
        let mut estimate = Self::with(&codec, stream.sequence().lost_percent(), delay)?;
        estimate.is_delay_assumed = network.is_none();
        Some(estimate)
    }

    fn with(codec: &RtpMap<'_>, lost_percent: f64, delay: Span) -> Option<Self> {
        let Impairment { codec, robustness } = impairment(codec)?;
        let millis = delay.millis();
        let of_delay = 0.024 * millis + 0.11 * (millis - 177.3).max(0.0);
        let of_codec = codec + (95.0 - codec) * lost_percent / (lost_percent + robustness);
        let rating = (RATING - of_delay - of_codec).clamp(0.0, 100.0);
        Some(Self { mos: mos(rating), rating, delay, is_delay_assumed: true })
    }
}

/// G.107, annex B.
fn mos(rating: f64) -> f64 {
    let curve = rating * (rating - 60.0) * (100.0 - rating) * 7e-6;
    (1.0 + 0.035 * rating + curve).clamp(1.0, 4.5)
}

/// ITU-T G.113, appendix I, for random losses; G.711 with concealment of losses (its appendix I).
fn impairment(codec: &RtpMap<'_>) -> Option<Impairment> {
    const TABLE: [(&str, f64, f64); 7] = [
        ("PCMU", 0.0, 25.1),
        ("PCMA", 0.0, 25.1),
        ("G729", 11.0, 19.0),
        ("G723", 15.0, 16.1),
        ("GSM-EFR", 5.0, 10.0),
        // The mode of 12.2 kbit/s, which is GSM-EFR; lower ones are worse.
        ("AMR", 5.0, 10.0),
        ("iLBC", 11.0, 32.0),
    ];
    let is_it = |name: &str| codec.encoding.eq_ignore_ascii_case(name.as_bytes());
    TABLE
        .iter()
        .find(|(name, ..)| is_it(name))
        .map(|(_, codec, robustness)| Impairment { codec: *codec, robustness: *robustness })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(codec: &str, lost_percent: f64, millis: i64) -> Option<(f64, f64)> {
        let codec = format!("96 {codec}/8000");
        let codec = RtpMap::parse(codec.as_bytes()).expect("a codec");
        let estimate = Estimate::with(&codec, lost_percent, Span::from_millis(millis))?;
        let rounded = |value: f64| (value * 10.0).round() / 10.0;
        Some((rounded(estimate.rating), rounded(estimate.mos)))
    }

    #[test]
    fn worse_by_loss_delay_and_codec() {
        let cases = [
            (("PCMA", 0.0, 0), (93.2, 4.4)),
            (("PCMA", 0.0, 100), (90.8, 4.4)),
            (("PCMA", 0.0, 400), (59.1, 3.1)),
            (("PCMA", 5.0, 100), (75.0, 3.8)),
            (("G729", 0.0, 100), (79.8, 4.0)),
            (("G729", 5.0, 100), (62.3, 3.2)),
            (("PCMU", 100.0, 100), (14.9, 1.1)),
        ];
        for ((codec, lost, millis), expected) in cases {
            assert_eq!(score(codec, lost, millis), Some(expected), "{codec} {lost} {millis}");
        }
        assert_eq!(score("opus", 0.0, 0), None);
    }
}
