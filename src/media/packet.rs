//! RTP packets on their way from a block of frames to the streams of a shard.
//!
//! The addresses and the SSRC of a packet are looked up once a block: a column names its flows, and
//! its packets count them. So a packet is 40 bytes, and a stream is found without another hash.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use crate::capture::FrameId;
use crate::packet::Endpoint;
use crate::rtp::Header;
use crate::time::Time;

/// One synchronization source on one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RtpFlow {
    /// The sender.
    pub source: Endpoint,
    /// The receiver.
    pub destination: Endpoint,
    /// The synchronization source.
    pub ssrc: u32,
}

/// An RTP packet, reduced to what a stream needs.
#[derive(Clone, Copy, Debug)]
pub struct RtpPacket {
    /// When it was captured.
    pub time: Time,
    /// The capture in the upper 16 bits, the number of the frame in the others.
    frame: u64,
    /// Which flow of its column.
    flow: u32,
    /// Counts samples.
    pub timestamp: u32,
    /// The media, where they are four bytes long: what a telephone event has (RFC 4733).
    pub four: [u8; 4],
    /// Its number in the stream.
    pub sequence: u16,
    /// Bytes of media.
    pub octets: u16,
    /// Identification of the IPv4 header, 0 where there is none.
    pub ip_id: u16,
    /// 0 to 127.
    pub payload_type: u8,
    /// The marker bit.
    pub marker: bool,
}

/// Bits of a frame number in [`RtpPacket::frame`].
const NUMBER_BITS: u32 = 48;

impl RtpPacket {
    /// What the header says; `flow` is set by the column.
    #[inline]
    pub fn new(time: Time, frame: FrameId, ip_id: u16, header: &Header, payload: &[u8]) -> Self {
        let media = payload.get(header.payload.clone()).unwrap_or_default();
        Self {
            time,
            frame: u64::from(frame.capture) << NUMBER_BITS | frame.number,
            flow: 0,
            timestamp: header.timestamp,
            four: <[u8; 4]>::try_from(media).unwrap_or_default(),
            sequence: header.sequence,
            octets: u16::try_from(media.len()).unwrap_or(u16::MAX),
            ip_id,
            payload_type: header.payload_type,
            marker: header.marker,
        }
    }

    /// The frame it came in.
    #[inline]
    pub fn frame(&self) -> FrameId {
        FrameId { capture: self.capture(), number: self.frame & ((1 << NUMBER_BITS) - 1) }
    }

    /// The capture it is from.
    #[inline]
    pub fn capture(&self) -> u16 {
        (self.frame >> NUMBER_BITS) as u16
    }
}

/// The RTP packets of a block for one shard, in order of the frames.
#[derive(Debug, Default)]
pub struct Column {
    pub(super) flows: Vec<RtpFlow>,
    pub(super) packets: Vec<RtpPacket>,
}

impl Column {
    /// Adds a packet of the flow that stands there.
    #[inline]
    fn push(&mut self, flow: u32, packet: RtpPacket) {
        self.packets.push(RtpPacket { flow, ..packet });
    }

    /// Where the flow of the packet stands.
    #[inline]
    pub(super) fn flow(packet: &RtpPacket) -> usize {
        packet.flow as usize
    }
}

/// The RTP packets of a block by shard.
#[derive(Debug)]
pub struct Columns<const SHARDS: usize> {
    shards: [Column; SHARDS],
    /// Addresses, ports and SSRC are 128 bits; nearly all flows are here.
    four: HashMap<(u64, u64), (u32, u32), RandomState>,
    six: HashMap<RtpFlow, (u32, u32), RandomState>,
}

impl<const SHARDS: usize> Default for Columns<SHARDS> {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Column::default()),
            four: HashMap::default(),
            six: HashMap::default(),
        }
    }
}

impl<const SHARDS: usize> Columns<SHARDS> {
    /// Adds the next packet; `shard` tells to which shard a flow belongs.
    #[inline]
    pub fn push(&mut self, flow: RtpFlow, packet: RtpPacket, shard: impl FnOnce() -> usize) {
        let shards = &mut self.shards;
        let open = || {
            let shard = shard();
            let flows = shards.get_mut(shard).map(|column| &mut column.flows);
            let index = flows.map(|flows| {
                flows.push(flow);
                flows.len() - 1
            });
            (shard as u32, index.unwrap_or_default() as u32)
        };
        let (shard, index) = match narrow(&flow) {
            Some(key) => *self.four.entry(key).or_insert_with(open),
            None => *self.six.entry(flow).or_insert_with(open),
        };
        if let Some(column) = self.shards.get_mut(shard as usize) {
            column.push(index, packet);
        }
    }

    /// The packets of a shard.
    pub fn shard(&self, shard: usize) -> Option<&Column> {
        self.shards.get(shard)
    }
}

#[inline]
fn narrow(flow: &RtpFlow) -> Option<(u64, u64)> {
    let (IpAddr::V4(source), IpAddr::V4(destination)) =
        (flow.source.address, flow.destination.address)
    else {
        return None;
    };
    let addresses = u64::from(source.to_bits()) << 32 | u64::from(destination.to_bits());
    let ports = u32::from(flow.source.port) << 16 | u32::from(flow.destination.port);
    Some((addresses, u64::from(ports) << 32 | u64::from(flow.ssrc)))
}
