//! From the frames of a block to what the shards take: SIP messages by Call-ID, TCP segments and
//! RTP packets by flow.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::net::IpAddr;

use foldhash::fast::FixedState;
use rustc_hash::FxHashSet;

use crate::capture::{Frame, FrameId};
use crate::limits::QUOTED_CHARS_MAX;
use crate::media::{self, Beside, RtpFlow, RtpPacket};
use crate::packet::{
    self, Defragmenter, Endpoint, Fragment, IcmpError, Packet, Path, Reassembled, Unread,
};
use crate::pipeline::SHARDS;
use crate::pipeline::clocks::Sample;
use crate::pipeline::merge::Part;
use crate::rtp;
use crate::signaling::{Coverage, Examples};
use crate::sip::{self, Head};
use crate::time::Time;
use crate::transport::{
    self, Arrival, Carried, Delivery, Disruption, DisruptionKind, SctpArrival, Transport,
};

/// Where something stands in the order of all captures: the latest time of its capture up to its
/// frame, and the frame. Of a single capture the first half is the same for all.
pub(crate) type Order = (Time, FrameId);

/// A SIP message with the first look at it.
#[derive(Debug)]
pub(crate) struct Sighting<'b> {
    pub(crate) delivery: Delivery<'b>,
    pub(crate) order: Order,
    /// The first look, where the bytes outlive the sighting; else [`Sighting::head`] takes it.
    head: Option<Head<'b>>,
    /// The shard of its Call-ID.
    pub(crate) shard: usize,
}

impl<'b> Sighting<'b> {
    /// The first look at the message.
    pub(crate) fn head(&self) -> Option<Head<'_>> {
        self.head.or_else(|| sip::head(&self.delivery.bytes))
    }
}

impl Sighting<'static> {
    /// A sighting that outlives the stream it was found in.
    pub(crate) fn owned(delivery: Delivery<'_>, order: Order, hash: &FixedState) -> Self {
        let call_id = sip::head(&delivery.bytes).and_then(|head| head.call_id);
        let shard = shard(hash, call_id.unwrap_or_default());
        let Delivery { frame, time, source, destination, transport, .. } = delivery;
        let Delivery { ip_id, is_cut, is_fragmented, bytes, .. } = delivery;
        let bytes = Cow::Owned(bytes.into_owned());
        Self {
            order,
            delivery: Delivery {
                frame,
                time,
                source,
                destination,
                transport,
                ip_id,
                is_cut,
                is_fragmented,
                bytes,
            },
            head: None,
            shard,
        }
    }
}

/// What a block, or the packets reassembled from fragments, gave.
#[derive(Debug)]
pub(crate) struct Decoded<'b> {
    pub(crate) frames: u64,
    pub(crate) until: Time,
    /// When there are frames.
    pub(crate) coverage: Coverage,
    pub(crate) sip: [Vec<Sighting<'b>>; SHARDS],
    pub(crate) tcp: [Vec<(Order, Arrival<'b>)>; SHARDS],
    pub(crate) sctp: [Vec<(Order, SctpArrival<'b>)>; SHARDS],
    pub(crate) rtp: media::Columns<SHARDS>,
    /// RTCP, STUN and DTLS.
    pub(crate) beside: [Vec<(Order, Beside<'b>)>; SHARDS],
    pub(crate) fragments: Vec<(Order, (Frame<'b>, Fragment<'b>))>,
    /// What ICMP says of packets that did not arrive.
    pub(crate) disruptions: Vec<(Order, Disruption)>,
    pub(crate) ways: FxHashSet<(IpAddr, IpAddr)>,
    pub(crate) unread: BTreeMap<Unread, u64>,
    /// RTP packets that the capture cut.
    pub(crate) cut_rtp: Examples,
    /// Payloads on a port of SIP that are something else.
    pub(crate) unparsed: Examples,
    /// Of several captures, messages by which they can be compared.
    pub(crate) samples: Vec<Sample>,
    is_reassembled: bool,
}

impl Default for Decoded<'_> {
    fn default() -> Self {
        Self {
            frames: 0,
            until: Time::from_nanos(i64::MIN),
            coverage: Coverage::default(),
            sip: Default::default(),
            tcp: Default::default(),
            sctp: Default::default(),
            rtp: Default::default(),
            beside: Default::default(),
            fragments: Vec::new(),
            disruptions: Vec::new(),
            ways: FxHashSet::default(),
            unread: BTreeMap::new(),
            cut_rtp: Examples::default(),
            unparsed: Examples::default(),
            samples: Vec::new(),
            is_reassembled: false,
        }
    }
}

/// A packet that came in fragments, with the frame that completed it.
#[derive(Debug)]
pub(crate) struct Whole {
    order: Order,
    time: Time,
    packet: Reassembled,
}

/// How frames are decoded, the same for all of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decoder<'r> {
    /// Keep RTP.
    pub(crate) media: bool,
    /// There are several captures, whose frames have to be put in order.
    pub(crate) is_several: bool,
    pub(crate) hash: &'r FixedState,
}

impl Decoder<'_> {
    /// Decodes the frames of a block.
    pub(crate) fn part<'b>(self, part: &'b Part) -> Decoded<'b> {
        let mut decoded = Decoded::default();
        let mut latest = part.before;
        for frame in part.block.frames_in(part.frames.clone()) {
            decoded.frames += 1;
            decoded.until = decoded.until.max(frame.time);
            decoded.coverage.add(frame.time);
            if self.is_several {
                latest = latest.max(frame.time);
            }
            let packet = packet::decode(&frame);
            if self.is_several {
                decoded.samples.extend(sample(frame.time, &packet));
            }
            decoded.sort((latest, frame.id), frame.time, packet, self, Some(&frame));
        }
        decoded
    }

    /// Decodes the packets that came in fragments.
    pub(crate) fn packets(self, whole: &[Whole]) -> Decoded<'_> {
        let mut decoded = Decoded { is_reassembled: true, ..Decoded::default() };
        for whole in whole {
            decoded.sort(whole.order, whole.time, whole.packet.packet(), self, None);
        }
        decoded
    }

    /// Everything of a kind, in order.
    pub(crate) fn in_order<'d, T>(
        self,
        parts: impl Iterator<Item = &'d Vec<(Order, T)>>,
        is_mixed: bool,
    ) -> Vec<&'d (Order, T)> {
        let mut all: Vec<_> = parts.flatten().collect();
        if self.is_several || is_mixed {
            all.sort_by_key(|(order, _)| *order);
        }
        all
    }

    /// Puts fragments together, in order of the frames.
    pub(crate) fn reassemble(
        self,
        defragmenter: &mut Defragmenter,
        parts: &[Decoded<'_>],
    ) -> Vec<Whole> {
        self.in_order(parts.iter().map(|part| &part.fragments), false)
            .into_iter()
            .filter_map(|(order, (frame, fragment))| {
                let packet = defragmenter.push(frame, *fragment)?;
                Some(Whole { order: *order, time: frame.time, packet })
            })
            .collect()
    }

    /// Follows the RTP packets of a shard.
    pub(crate) fn media(
        self,
        streams: &mut media::Streams,
        shard: usize,
        parts: &[Decoded<'_>],
        whole: &Decoded<'_>,
    ) {
        let beside = parts.iter().chain([whole]).filter_map(|part| part.beside.get(shard));
        for (_, packet) in self.in_order(beside, false) {
            streams.push_beside(packet);
        }
        let columns = parts.iter().chain([whole]).filter_map(|part| part.rtp.shard(shard));
        if !self.is_several {
            columns.for_each(|column| streams.take(column));
            return;
        }
        let mut feeds: Vec<media::Feed<'_>> = columns.map(media::Feed::of).collect();
        let packets = feeds.iter().enumerate();
        let mut packets: Vec<(usize, &RtpPacket)> = packets
            .flat_map(|(from, feed)| feed.packets().iter().map(move |packet| (from, packet)))
            .collect();
        packets.sort_by_key(|(_, packet)| packet.time);
        for (from, packet) in packets {
            if let Some(feed) = feeds.get_mut(from) {
                streams.push(feed, packet);
            }
        }
    }
}

impl<'b> Decoded<'b> {
    /// Puts a packet where its shard takes it.
    fn sort(
        &mut self,
        order: Order,
        time: Time,
        packet: Packet<'b>,
        decoder: Decoder<'_>,
        origin: Option<&Frame<'b>>,
    ) {
        let hash = decoder.hash;
        match packet {
            Packet::Udp { path, payload, is_cut } => {
                if let Some(bytes) = transport::message_in_datagram(payload) {
                    self.ways.insert((path.source.address, path.destination.address));
                    self.take_message(order, time, path, bytes, is_cut, Transport::Udp, hash);
                } else if decoder.media
                    && let Some(header) = rtp::Header::parse(payload)
                {
                    if is_cut {
                        self.cut_rtp.add(order.1, time, b"");
                    }
                    self.take_media((time, order.1), path, &header, payload, hash);
                } else {
                    self.ways.insert((path.source.address, path.destination.address));
                    let kind = rtp::Kind::of(payload);
                    if is_strange(path, payload, kind) {
                        self.unparsed.add(order.1, time, beginning(payload));
                    } else if decoder.media {
                        self.take_beside(order, time, path, payload, kind, hash);
                    }
                }
            }
            Packet::Message { path, protocol, payload, is_cut } => {
                self.ways.insert((path.source.address, path.destination.address));
                if let Some(bytes) = transport::message_in_datagram(payload) {
                    let transport = Transport::of_protocol(protocol);
                    self.take_message(order, time, path, bytes, is_cut, transport, hash);
                }
            }
            Packet::Tcp(segment) => {
                let Path { source, destination, .. } = segment.path;
                self.ways.insert((source.address, destination.address));
                let shard = flow_shard(hash, source, destination);
                if let Some(column) = self.tcp.get_mut(shard) {
                    column.push((order, Arrival { frame: order.1, time, segment }));
                }
            }
            Packet::Fragment(fragment) => {
                self.fragments.extend(origin.map(|origin| (order, (*origin, fragment))));
            }
            Packet::Sctp { path, chunks } => {
                self.ways.insert((path.source.address, path.destination.address));
                let shard = flow_shard(hash, path.source, path.destination);
                if let Some(column) = self.sctp.get_mut(shard) {
                    let frame = order.1;
                    column.push((order, SctpArrival { frame, time, path, chunks }));
                }
            }
            Packet::Icmp { path, message } => {
                self.take_icmp(order, time, path, message);
            }
            Packet::Encrypted { path } => {
                self.ways.insert((path.source.address, path.destination.address));
            }
            Packet::Other => {}
            Packet::Unread(reason) => *self.unread.entry(reason).or_default() += 1,
        }
    }

    #[inline]
    fn take_media(
        &mut self,
        (time, frame): (Time, FrameId),
        path: Path,
        header: &rtp::Header,
        payload: &[u8],
        hash: &FixedState,
    ) {
        let Path { source, destination, ip_id, .. } = path;
        let flow = RtpFlow { source, destination, ssrc: header.ssrc };
        let packet = RtpPacket::new(time, frame, ip_id, header, payload);
        self.rtp.push(flow, packet, || flow_shard(hash, source, destination));
    }

    fn take_beside(
        &mut self,
        order: Order,
        time: Time,
        path: Path,
        payload: &'b [u8],
        kind: rtp::Kind,
        hash: &FixedState,
    ) {
        if !matches!(kind, rtp::Kind::Rtcp | rtp::Kind::Stun | rtp::Kind::Dtls) {
            return;
        }
        let Path { source, destination, .. } = path;
        let frame = order.1;
        if let Some(column) = self.beside.get_mut(flow_shard(hash, source, destination)) {
            column.push((order, Beside { source, destination, time, frame, kind, payload }));
        }
    }

    fn take_icmp(&mut self, order: Order, time: Time, path: Path, message: &[u8]) {
        self.ways.insert((path.source.address, path.destination.address));
        let error = IcmpError::parse(path, message);
        let seen = (order.1, time);
        self.disruptions.extend(error.map(|error| (order, disruption(path, error, seen))));
    }

    #[allow(clippy::too_many_arguments)]
    fn take_message(
        &mut self,
        order: Order,
        time: Time,
        path: Path,
        bytes: &'b [u8],
        is_cut: bool,
        transport: Transport,
        hash: &FixedState,
    ) {
        let head = sip::head_of_message(bytes);
        let call_id = head.and_then(|head| head.call_id).unwrap_or_default();
        let delivery = Delivery {
            frame: order.1,
            time,
            source: path.source,
            destination: path.destination,
            transport,
            ip_id: path.ip_id,
            is_cut,
            is_fragmented: self.is_reassembled,
            bytes: Cow::Borrowed(bytes),
        };
        let shard = shard(hash, call_id);
        if let Some(column) = self.sip.get_mut(shard) {
            column.push(Sighting { delivery, order, head, shard });
        }
    }
}

/// What an ICMP error says of the packet that it quotes.
fn disruption(path: Path, error: IcmpError<'_>, seen: (FrameId, Time)) -> Disruption {
    let payload = error.payload();
    let message = transport::message_in_datagram(payload);
    let carried = match (message, rtp::Kind::of(payload)) {
        (Some(_), _) => Carried::Sip,
        (None, rtp::Kind::Rtp) => Carried::Rtp,
        (None, rtp::Kind::Rtcp) => Carried::Rtcp,
        (None, _) if error.is_about_connecting() => Carried::Opening,
        (None, rtp::Kind::Other) => Carried::Unknown,
        (None, _) => Carried::Other,
    };
    let flow = (error.path.source, error.path.destination);
    let kind = DisruptionKind::Icmp(error.kind);
    let message = message.map(|message| sip::Message::lex(message).0);
    let call_id = message.as_ref().and_then(sip::Message::call_id);
    let branch = message.as_ref().and_then(sip::Message::branch);
    Disruption {
        ip_id: error.path.ip_id,
        call_id: call_id.map(Into::into),
        branch: branch.map(Into::into),
        carried,
        ..Disruption::new(kind, flow, path.source.address, seen)
    }
}

/// What may be found again in another capture: a message, or a segment that begins with one.
fn sample(time: Time, packet: &Packet<'_>) -> Option<Sample> {
    match packet {
        Packet::Udp { path, payload, .. } => {
            let message = transport::message_in_datagram(payload)?;
            Some(Sample::new(message, *path, 0, time))
        }
        Packet::Tcp(segment) => {
            let message = transport::message_in_datagram(segment.payload)?;
            Some(Sample::new(message, segment.path, segment.sequence, time))
        }
        _ => None,
    }
}

/// The registered port of SIP (RFC 3261, section 19.1.2).
const SIP_PORT: u16 = 5060;

/// The payload is on the port of SIP and is neither SIP nor what else belongs there: keep-alives
/// (RFC 5626, section 3.5), STUN, media.
fn is_strange(path: Path, payload: &[u8], kind: rtp::Kind) -> bool {
    let is_sip_port = [path.source.port, path.destination.port].contains(&SIP_PORT);
    let is_keep_alive = payload.iter().all(|byte| matches!(byte, 0 | b'\r' | b'\n' | b' '));
    is_sip_port && !is_keep_alive && kind == rtp::Kind::Other
}

/// How a payload begins, as far as a report quotes it.
pub(crate) fn beginning(payload: &[u8]) -> &[u8] {
    let line = payload.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    line.get(..QUOTED_CHARS_MAX).unwrap_or(line)
}

/// The shard of a Call-ID.
fn shard(hash: &FixedState, call_id: &[u8]) -> usize {
    place(hash.hash_one(call_id))
}

/// The shard of a flow, the same for both directions.
fn flow_shard(hash: &FixedState, a: Endpoint, b: Endpoint) -> usize {
    place(hash.hash_one(a) ^ hash.hash_one(b))
}

fn place(hash: u64) -> usize {
    // The upper bits, because tables use the lower ones.
    (hash >> 48) as usize % SHARDS
}
