//! RTP packets on their way from a block of frames to the streams of a shard.
//!
//! The addresses and the SSRC of a packet become a number when the packet is decoded, and the
//! streams of a shard remember which number is which stream. So a packet is 40 bytes, and a stream
//! is found without another hash.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use foldhash::fast::RandomState;

use crate::capture::FrameId;
use crate::packet::Endpoint;
use crate::rtp::Header;
use crate::time::Time;

/// One synchronization source on one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
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
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct RtpPacket {
    /// When it was captured.
    pub time: Time,
    /// The capture in the upper 16 bits, the number of the frame in the others.
    frame: u64,
    /// Which flow of its shard, by the [`FlowNames`] of its column.
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
    /// What the header says; which flow it is, the column sets.
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

    /// Which of its flows it belongs to, by the numbering of its column.
    #[inline]
    pub(crate) fn flow(&self) -> u32 {
        self.flow
    }

    /// The same with another number of its flow.
    #[cfg(feature = "parts")]
    pub(crate) fn with_flow(self, flow: u32) -> Self {
        Self { flow, ..self }
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
    pub(super) packets: Vec<RtpPacket>,
}

/// The RTP packets of a block by shard.
#[derive(Debug)]
pub struct Columns<const SHARDS: usize> {
    shards: [Column; SHARDS],
    /// Whose names the flows of the packets have.
    pub(super) names: u64,
}

impl<const SHARDS: usize> Default for Columns<SHARDS> {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Column::default()), names: 0 }
    }
}

impl<const SHARDS: usize> Columns<SHARDS> {
    /// Nothing, with room for the packets of a block, which will have flows of these names.
    pub fn clear(&mut self, names: &FlowNames<SHARDS>) {
        self.shards.iter_mut().for_each(|column| column.packets.clear());
        self.names = names.id;
    }

    /// Adds the next packet.
    #[inline]
    pub fn push(&mut self, name: FlowName, packet: RtpPacket) {
        if let Some(column) = self.shards.get_mut(name.shard as usize) {
            column.packets.push(RtpPacket { flow: name.index, ..packet });
        }
    }

    /// The packets of a shard.
    pub fn shard(&self, shard: usize) -> Option<&Column> {
        self.shards.get(shard)
    }
}

/// Short for the addresses, ports and SSRC of a packet.
#[derive(Clone, Copy, Debug, Default)]
pub struct FlowName {
    shard: u32,
    index: u32,
}

/// The numbers that flows have, so that a packet carries no addresses and a stream is found without
/// a hash. Lives longer than a block; one thread at a time uses it.
#[derive(Debug)]
pub struct FlowNames<const SHARDS: usize> {
    pub(super) id: u64,
    /// What the numbers stand for, by shard.
    pub(super) flows: [Vec<RtpFlow>; SHARDS],
    /// IPv4 addresses, ports and SSRC are 128 bits.
    four: HashMap<(u64, u64), FlowName, RandomState>,
    six: HashMap<RtpFlow, FlowName, RandomState>,
    /// Those of IPv4 that were seen last, each in its only place.
    recent: Vec<((u64, u64), FlowName)>,
}

/// Places of the flows that were seen last; a power of two.
const RECENT: usize = 4096;

impl<const SHARDS: usize> FlowNames<SHARDS> {
    /// No names; `id` tells these from others.
    pub fn new(id: u64) -> Self {
        Self {
            id,
            flows: std::array::from_fn(|_| Vec::new()),
            four: HashMap::default(),
            six: HashMap::default(),
            recent: vec![((0, 0), FlowName { shard: u32::MAX, index: 0 }); RECENT],
        }
    }

    /// How many flows have a name.
    pub fn count(&self) -> usize {
        self.four.len() + self.six.len()
    }

    /// The name of a flow between IPv4 addresses; `shard` tells to which shard one belongs that has
    /// none yet.
    #[inline]
    pub fn four(
        &mut self,
        [source, destination]: [u32; 2],
        ports: [u16; 2],
        ssrc: u32,
        shard: impl FnOnce(&RtpFlow) -> usize,
    ) -> FlowName {
        let addresses = u64::from(source) << 32 | u64::from(destination);
        let both = u64::from(ports[0]) << 16 | u64::from(ports[1]);
        let key = (addresses, both << 32 | u64::from(ssrc));
        let mixed = (key.0 ^ key.1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let at = (mixed >> (u64::BITS - RECENT.trailing_zeros())) as usize;
        if let Some((known, name)) = self.recent.get(at)
            && *known == key
            && name.shard != u32::MAX
        {
            return *name;
        }
        let name = self.look_up(key, shard);
        if let Some(place) = self.recent.get_mut(at) {
            *place = (key, name);
        }
        name
    }

    #[inline(never)]
    fn look_up(&mut self, key: (u64, u64), shard: impl FnOnce(&RtpFlow) -> usize) -> FlowName {
        let flows = &mut self.flows;
        *self.four.entry(key).or_insert_with(|| {
            let (addresses, rest) = key;
            let endpoint = |address: u64, port: u64| Endpoint {
                address: IpAddr::V4(Ipv4Addr::from_bits(address as u32)),
                port: port as u16,
            };
            let flow = RtpFlow {
                source: endpoint(addresses >> 32, rest >> 48),
                destination: endpoint(addresses, rest >> 32),
                ssrc: rest as u32,
            };
            named(flows, flow, shard)
        })
    }

    /// The name of a flow between any addresses.
    #[inline]
    pub fn any(&mut self, flow: RtpFlow, shard: impl FnOnce(&RtpFlow) -> usize) -> FlowName {
        if let (IpAddr::V4(source), IpAddr::V4(destination)) =
            (flow.source.address, flow.destination.address)
        {
            let addresses = [source, destination].map(Ipv4Addr::to_bits);
            let ports = [flow.source.port, flow.destination.port];
            return self.four(addresses, ports, flow.ssrc, shard);
        }
        let flows = &mut self.flows;
        *self.six.entry(flow).or_insert_with(|| named(flows, flow, shard))
    }
}

fn named<const SHARDS: usize>(
    flows: &mut [Vec<RtpFlow>; SHARDS],
    flow: RtpFlow,
    shard: impl FnOnce(&RtpFlow) -> usize,
) -> FlowName {
    let shard = shard(&flow);
    let index = flows.get_mut(shard).map_or(0, |flows| {
        flows.push(flow);
        flows.len() - 1
    });
    FlowName { shard: shard as u32, index: index as u32 }
}
