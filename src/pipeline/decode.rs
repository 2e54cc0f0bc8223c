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
use crate::media::{self, Beside, Feed, RtpFlow, RtpPacket};
use crate::packet::{
    self, Addresses, Datagram, Defragmenter, Endpoint, Fragment, IcmpError, Packet, Path,
    Reassembled, Unread,
};
use crate::pipeline::SHARDS;
use crate::pipeline::clocks::Sample;
use crate::pipeline::desks::{Desks, FlowNames};
use crate::pipeline::merge::Part;
use crate::rtp;
use crate::signaling::{Coverage, Examples};
use crate::sip::{self, Head, HeadPlaces};
use crate::time::{Span, Time};
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
    look: Look<'b>,
    /// The shard of its Call-ID.
    pub(crate) shard: usize,
}

/// The first look at a message.
#[derive(Clone, Copy, Debug)]
enum Look<'b> {
    /// At bytes that outlive the sighting.
    Head(Option<Head<'b>>),
    /// What was seen in bytes that the sighting has for itself.
    Places(Option<HeadPlaces>),
}

impl Sighting<'_> {
    /// The first look at the message.
    pub(crate) fn head(&self) -> Option<Head<'_>> {
        match self.look {
            Look::Head(head) => head,
            Look::Places(places) => places.and_then(|places| places.head(&self.delivery.bytes)),
        }
    }
}

#[cfg(feature = "parts")]
impl<'b> Sighting<'b> {
    /// The first look at a message that has not been looked at.
    pub(crate) fn seen(delivery: Delivery<'b>, order: Order) -> Self {
        let head = sip::head(&delivery.bytes);
        let look = Look::Places(head.map(|head| head.places(&delivery.bytes)));
        Self { delivery, order, look, shard: 0 }
    }
}

impl Sighting<'static> {
    /// A sighting that outlives the stream it was found in.
    pub(crate) fn owned(delivery: Delivery<'_>, order: Order, hash: &FixedState) -> Self {
        let head = sip::head(&delivery.bytes);
        let call_id = head.and_then(|head| head.call_id);
        let shard = shard(hash, call_id.unwrap_or_default());
        let look = Look::Places(head.map(|head| head.places(&delivery.bytes)));
        Self { order, delivery: delivery.into_owned(), look, shard }
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

/// When a run of frames was captured; shorter than any pause that the coverage knows.
#[derive(Clone, Copy, Debug)]
struct Spell {
    first: Time,
    last: Time,
}

impl Spell {
    const LONGEST: Span = Span::from_secs(60);

    fn at(time: Time) -> Self {
        Self { first: time, last: time }
    }

    /// The next frame belongs to it as well.
    #[inline]
    fn goes_on(&mut self, time: Time) -> bool {
        let belongs = time >= self.first && time.since(self.first) <= Self::LONGEST;
        if belongs {
            self.last = self.last.max(time);
        }
        belongs
    }
}

/// A packet that came in fragments, with the frame that completed it.
#[derive(Debug)]
pub(crate) struct Whole {
    order: Order,
    time: Time,
    packet: Reassembled,
}

#[cfg(feature = "parts")]
impl Whole {
    pub(crate) fn new(order: Order, time: Time, packet: Reassembled) -> Self {
        Self { order, time, packet }
    }
}

/// How frames are decoded, the same for all of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decoder<'r> {
    /// Keep RTP.
    pub(crate) media: bool,
    /// There are several captures, whose frames have to be put in order.
    pub(crate) is_several: bool,
    pub(crate) hash: &'r FixedState,
    pub(crate) desks: &'r Desks,
}

impl Decoder<'_> {
    /// Decodes the frames of a block.
    pub(crate) fn part<'b>(self, part: &'b Part) -> Decoded<'b> {
        let mut names = self.desks.take();
        let mut decoded = Decoded { rtp: self.desks.columns(&names), ..Decoded::default() };
        let mut latest = part.before;
        let mut spell: Option<Spell> = None;
        let frames = part.block.frames_in(part.frames.clone());
        decoded.frames = frames.len() as u64;
        for frame in frames {
            if !spell.as_mut().is_some_and(|spell| spell.goes_on(frame.time)) {
                decoded.extend(spell.replace(Spell::at(frame.time)));
            }
            if self.is_several {
                latest = latest.max(frame.time);
            }
            let datagram = packet::datagram(&frame);
            if self.media
                && let Some(datagram) = &datagram
                && decoded.take_ordinary_media(&frame, datagram, &mut names, self.hash)
            {
                continue;
            }
            let packet = match datagram {
                Some(datagram) => datagram.packet(),
                None => packet::layered(&frame),
            };
            if self.is_several {
                decoded.samples.extend(sample(frame.time, &packet));
            }
            let order = (latest, frame.id);
            decoded.sort(order, frame.time, packet, (self, &mut names), Some(&frame));
        }
        decoded.extend(spell);
        self.desks.give_back(names);
        decoded
    }

    /// Decodes the packets that came in fragments.
    pub(crate) fn packets(self, whole: &[Whole]) -> Decoded<'_> {
        let mut names = self.desks.take();
        let rtp = self.desks.columns(&names);
        let mut decoded = Decoded { rtp, is_reassembled: true, ..Decoded::default() };
        for whole in whole {
            let packet = whole.packet.packet();
            decoded.sort(whole.order, whole.time, packet, (self, &mut names), None);
        }
        self.desks.give_back(names);
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
        names: &[FlowNames],
    ) {
        let is_mixed = whole.beside.get(shard).is_some_and(|own| !own.is_empty());
        let beside = parts.iter().chain([whole]).filter_map(|part| part.beside.get(shard));
        for (_, packet) in self.in_order(beside, is_mixed) {
            streams.push_beside(packet);
        }
        streams.forget_names(names);
        let is_mixed = Feed::of(&whole.rtp, shard, names).is_some();
        let parts = parts.iter().chain([whole]);
        let feeds = parts.filter_map(|part| Feed::of(&part.rtp, shard, names));
        if !self.is_several && !is_mixed {
            feeds.for_each(|feed| streams.take(feed));
            return;
        }
        let mut packets: Vec<(Feed<'_>, &RtpPacket)> = feeds
            .flat_map(|feed| feed.packets().iter().map(move |packet| (feed, packet)))
            .collect();
        match self.is_several {
            true => packets.sort_by_key(|(_, packet)| packet.time),
            // A window of a pipe has any length: what came in fragments belongs to its last one.
            false => packets.sort_by_key(|(_, packet)| packet.frame()),
        }
        streams.take_in_turn(&packets);
    }
}

impl<'b> Decoded<'b> {
    /// Puts a packet where its shard takes it.
    fn sort(
        &mut self,
        order: Order,
        time: Time,
        packet: Packet<'b>,
        (decoder, names): (Decoder<'_>, &mut FlowNames),
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
                    let packet = RtpPacket::new(time, order.1, path.ip_id, &header, payload);
                    self.take_media(path, header.ssrc, packet, names, hash);
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
            Packet::Fragment(fragment) => match origin {
                Some(origin) => self.fragments.push((order, (*origin, fragment))),
                // Fragments in fragments are put together at once, so far as they go.
                None => *self.unread.entry(Unread::TooDeep).or_default() += 1,
            },
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

    /// Takes the datagram if it is RTP, which nothing else begins like. Nearly every frame of a
    /// capture with media goes this way.
    #[inline]
    fn take_ordinary_media(
        &mut self,
        frame: &Frame<'_>,
        datagram: &Datagram<'_>,
        names: &mut FlowNames,
        hash: &FixedState,
    ) -> bool {
        let Datagram { addresses, ports, ip_id, payload, .. } = *datagram;
        let Some(header) = rtp::Header::parse(payload) else { return false };
        let shard = |flow: &RtpFlow| shard_of(flow, hash);
        let name = match addresses {
            Addresses::Four(addresses) => names.four(addresses, ports, header.ssrc, shard),
            Addresses::Six(_) => {
                let Path { source, destination, .. } = datagram.path();
                names.any(RtpFlow { source, destination, ssrc: header.ssrc }, shard)
            }
        };
        self.rtp.push(name, RtpPacket::new(frame.time, frame.id, ip_id, &header, payload));
        true
    }

    fn take_media(
        &mut self,
        Path { source, destination, .. }: Path,
        ssrc: u32,
        packet: RtpPacket,
        names: &mut FlowNames,
        hash: &FixedState,
    ) {
        let flow = RtpFlow { source, destination, ssrc };
        self.rtp.push(names.any(flow, |flow| shard_of(flow, hash)), packet);
    }

    /// Frames were captured.
    fn extend(&mut self, spell: Option<Spell>) {
        let Some(Spell { first, last }) = spell else { return };
        self.until = self.until.max(last);
        self.coverage.add(first);
        self.coverage.add(last);
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
            place: None,
        };
        let shard = shard(hash, call_id);
        if let Some(column) = self.sip.get_mut(shard) {
            column.push(Sighting { delivery, order, look: Look::Head(head), shard });
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

fn shard_of(flow: &RtpFlow, hash: &FixedState) -> usize {
    flow_shard(hash, flow.source, flow.destination)
}

/// The shard of a flow, the same for both directions.
fn flow_shard(hash: &FixedState, a: Endpoint, b: Endpoint) -> usize {
    place(hash.hash_one(a) ^ hash.hash_one(b))
}

fn place(hash: u64) -> usize {
    // The upper bits, because tables use the lower ones.
    (hash >> 48) as usize % SHARDS
}
