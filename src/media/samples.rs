//! Streams made by hand, for tests.

use super::{Columns, Feed, FlowNames, RtpFlow, RtpPacket, Streams};
use crate::capture::FrameId;
use crate::packet::Endpoint;
use crate::rtp::Header;
use crate::time::{Span, Time};

/// A host of the documentation net.
pub(crate) fn endpoint(port: u16) -> Endpoint {
    Endpoint { address: [192, 0, 2, 1].into(), port }
}

/// So long after the epoch.
pub(crate) fn at(millis: i64) -> Time {
    Time::default() + Span::from_millis(millis)
}

/// An RTP packet from a port to another, by default to port 9.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) port: u16,
    pub(crate) to: u16,
    pub(crate) millis: i64,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) payload_type: u8,
    pub(crate) marker: bool,
    pub(crate) ip_id: u16,
    pub(crate) capture: u16,
    pub(crate) media: &'static [u8],
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            port: 1,
            to: 9,
            millis: 0,
            sequence: 0,
            timestamp: 0,
            payload_type: 0,
            marker: false,
            ip_id: 0,
            capture: 0,
            media: b"media",
        }
    }
}

impl Sample {
    /// The packet of G.711 with this number in an even stream.
    pub(crate) fn of_speech(number: u16) -> Self {
        Self {
            millis: i64::from(number) * 20,
            sequence: number,
            timestamp: u32::from(number) * 160,
            ..Self::default()
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0x80, self.payload_type | u8::from(self.marker) << 7];
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(self.timestamp.to_be_bytes());
        bytes.extend(1_u32.to_be_bytes());
        bytes.extend(self.media);
        bytes
    }
}

/// Gives the packets to the streams.
pub(crate) fn push(streams: &mut Streams, samples: impl IntoIterator<Item = Sample>) {
    let (mut columns, mut names) = (Columns::<1>::default(), FlowNames::new(0));
    for (sample, number) in samples.into_iter().zip(1..) {
        let bytes = sample.bytes();
        let header = Header::parse(&bytes).expect("it is RTP");
        let (source, destination) = (endpoint(sample.port), endpoint(sample.to));
        let flow = RtpFlow { source, destination, ssrc: header.ssrc };
        let frame = FrameId { capture: sample.capture, number };
        let packet = RtpPacket::new(at(sample.millis), frame, sample.ip_id, &header, &bytes);
        columns.push(names.any(flow, |_| 0), packet);
    }
    if let Some(feed) = Feed::of(&columns, 0, &[names]) {
        streams.take(feed);
    }
}

/// The streams of these packets.
pub(crate) fn streams(samples: impl IntoIterator<Item = Sample>) -> Streams {
    let mut streams = Streams::with_share_of(1);
    push(&mut streams, samples);
    streams
}
