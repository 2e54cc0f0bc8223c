//! Another pass over captures, for where the bytes of each SIP message lie in the frames.
//!
//! Every frame is handed out with what it carries, in order, and every message with its pieces:
//! through tunnels, fragments of IP and streams of TCP. What a message is made of has to be known
//! before its frames can be written, so whoever writes frames makes two passes: one to learn the
//! pieces, one for the frames. Both give the same events.

use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;

use foldhash::fast::RandomState;

use crate::capture::{Frame, FrameId, Source};
use crate::limits::{TCP_FLOWS_MAX, TRACED_SEGMENTS_MAX};
use crate::packet::{self, Defragmenter, Endpoint, Packet, Path, Piece, Reassembled, Segment};
use crate::pipeline::merge::{Merge, Part, Round};
use crate::pipeline::{Error, Progress, TLS_KEY_LOG};
use crate::time::Time;
use crate::transport::{
    self, Arrival, Associations, Delivery, InStream, KeyLog, SctpArrival, Streams, Transport,
};

/// Messages of one direction of a stream of which a segment that comes again is known.
const MESSAGES_KNOWN_MAX: usize = 64;

/// What the pass comes upon.
#[derive(Debug)]
pub enum Event<'e> {
    /// A frame, or a packet that fragments made up. Comes after the messages that it completes.
    Packet(Seen<'e>),
    /// A whole message.
    Message(Origin<'e>),
    /// Bytes of a message that came before were captured again: a TCP segment sent again.
    Again {
        /// The number of the message.
        message: u64,
        /// Where its bytes lie.
        pieces: Vec<Piece>,
    },
}

/// What a frame carries.
#[derive(Debug)]
pub struct Seen<'e> {
    /// The frame; of a packet made up of fragments the one that completed it.
    pub frame: Frame<'e>,
    /// Its interface, as a place in [`Description::interfaces`].
    ///
    /// [`Description::interfaces`]: crate::capture::Description::interfaces
    pub interface: u16,
    /// What it carries. Its bytes are those of the frame, or of `whole`.
    pub packet: Packet<'e>,
    /// The packet that fragments made up; their frames were handed out before, one by one.
    pub whole: Option<&'e Reassembled>,
    /// Of a TCP segment, the frame that its connection began with; it stands for the connection.
    pub connection: Option<FrameId>,
}

/// A message and where its bytes lie.
#[derive(Debug)]
pub struct Origin<'e> {
    /// Its number in this pass, from 0 on; the same in every pass over the same captures.
    pub message: u64,
    /// The frame that completed it.
    pub frame: FrameId,
    /// When that was captured.
    pub time: Time,
    /// The sender.
    pub source: Endpoint,
    /// The receiver.
    pub destination: Endpoint,
    /// What carried it.
    pub transport: Transport,
    /// Bytes of it are missing from the capture.
    pub is_cut: bool,
    /// The message, from its start line on.
    pub bytes: &'e [u8],
    /// Where its bytes lie, also those that were captured twice. Empty where they do not lie in the
    /// frames as they are: encrypted, compressed, fragments of WebSocket and SCTP.
    pub pieces: Vec<Piece>,
    /// Where the unit lies that carries it in a stream, with the message in it: a WebSocket frame
    /// or a HEP packet. Empty elsewhere.
    pub unit: Vec<Piece>,
    /// Its bytes are masked with these in the frames, one after another and again (RFC 6455,
    /// section 5.3).
    pub mask: Option<[u8; 4]>,
    /// Packets that brought it were put together of fragments.
    pub is_fragmented: bool,
    /// The connection that carried it, as in [`Seen::connection`].
    pub connection: Option<FrameId>,
}

impl Origin<'_> {
    /// All its bytes lie in the frames.
    pub fn is_in_frames(&self) -> bool {
        Piece::cover(&self.pieces, self.bytes.len())
    }
}

impl Seen<'_> {
    /// Where bytes of the packet lie.
    pub fn pieces(&self, bytes: &[u8]) -> Vec<Piece> {
        pieces(&self.frame, self.whole, bytes)
    }
}

fn pieces(frame: &Frame<'_>, whole: Option<&Reassembled>, bytes: &[u8]) -> Vec<Piece> {
    match whole {
        Some(whole) => whole.pieces(bytes),
        None => Piece::of(frame, bytes).into_iter().collect(),
    }
}

/// Gives every frame and every message of the captures, in order of the frames, until `take` wants
/// no more. Several captures are merged by time.
///
/// # Errors
///
/// When an input cannot be read, or `take` wants no more.
pub fn origins(
    sources: Vec<Source>,
    keys: &KeyLog,
    progress: &Progress<'_>,
    take: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
) -> Result<(), Error> {
    let mut walk = Walk::new(keys.clone());
    let mut merge = Merge::new(sources).map_err(Error::Reader)?;
    while let Some(round) = merge.next()? {
        for (capture, secret) in round.secrets.iter().filter(|(_, s)| s.kind == TLS_KEY_LOG) {
            let frame = FrameId { capture: *capture, number: secret.frame };
            walk.keys.add(&secret.data, Some(frame));
        }
        if walk.round(&round, take).is_break() {
            return Err(Error::Stopped);
        }
        merge.recycle(round);
        progress(merge.bytes());
    }
    match walk.finish(take).is_break() {
        true => Err(Error::Stopped),
        false => Ok(()),
    }
}

/// Takes an event.
type Take<'t> = dyn FnMut(Event<'_>) -> ControlFlow<()> + 't;

/// A pass under way.
struct Walk {
    defragmenter: Defragmenter,
    tcp: Streams,
    sctp: Associations,
    keys: KeyLog,
    connections: HashMap<(Endpoint, Endpoint), Connection, RandomState>,
    messages: u64,
    /// Segments that connections hold.
    held: usize,
    held_max: usize,
}

/// A TCP connection, as far as its bytes may still become a message.
#[derive(Debug, Default)]
struct Connection {
    first: FrameId,
    /// From the lower endpoint to the higher, and back.
    sides: [Side; 2],
}

#[derive(Debug, Default)]
struct Side {
    /// Segments that have bytes that were not read so far, in order of capture.
    unread: VecDeque<Bytes>,
    /// The latest messages: number, sequence number of the first byte, length.
    messages: VecDeque<(u64, u32, usize)>,
}

/// The bytes of a segment.
#[derive(Debug)]
struct Bytes {
    sequence: u32,
    length: usize,
    lies: Vec<Piece>,
    /// It came in a packet put together of fragments.
    is_fragmented: bool,
}

impl Walk {
    fn new(keys: KeyLog) -> Self {
        Self {
            defragmenter: Defragmenter::default(),
            tcp: Streams::with_share_of(1).traced(),
            sctp: Associations::with_share_of(1),
            keys,
            connections: HashMap::default(),
            messages: 0,
            held: 0,
            held_max: TRACED_SEGMENTS_MAX,
        }
    }

    fn round(&mut self, round: &Round, take: &mut Take<'_>) -> ControlFlow<()> {
        let is_one = |part: &Part| {
            round
                .parts
                .first()
                .is_none_or(|first| first.block.first().capture == part.block.first().capture)
        };
        if round.parts.iter().all(is_one) {
            return round
                .parts
                .iter()
                .flat_map(frames)
                .try_for_each(|(frame, interface)| self.frame(&frame, interface, take));
        }
        // A frame counts as late as the latest one of its capture before it.
        let mut ordered = Vec::new();
        for part in &round.parts {
            let mut latest = part.before;
            for (frame, interface) in frames(part) {
                latest = latest.max(frame.time);
                ordered.push((latest, frame, interface));
            }
        }
        ordered.sort_by_key(|(latest, frame, _)| (*latest, frame.id));
        ordered.iter().try_for_each(|(_, frame, interface)| self.frame(frame, *interface, take))
    }

    fn frame(&mut self, frame: &Frame<'_>, interface: u16, take: &mut Take<'_>) -> ControlFlow<()> {
        let packet = packet::decode(frame);
        self.packet(frame, interface, packet, None, take)?;
        if let Packet::Fragment(fragment) = packet
            && let Some(whole) = self.defragmenter.push(frame, fragment)
        {
            self.packet(frame, interface, whole.packet(), Some(&whole), take)?;
        }
        ControlFlow::Continue(())
    }

    fn packet(
        &mut self,
        frame: &Frame<'_>,
        interface: u16,
        packet: Packet<'_>,
        whole: Option<&Reassembled>,
        take: &mut Take<'_>,
    ) -> ControlFlow<()> {
        let mut connection = None;
        match packet {
            Packet::Udp { path, payload, is_cut } => {
                let lies = (payload, is_cut, Transport::Udp);
                self.datagram(frame, whole, path, lies, take)?;
            }
            Packet::Message { path, protocol, payload, is_cut } => {
                let lies = (payload, is_cut, Transport::of_protocol(protocol));
                self.datagram(frame, whole, path, lies, take)?;
            }
            Packet::Tcp(segment) => {
                connection = self.segment(frame, whole, segment, take)?;
            }
            Packet::Sctp { path, chunks } => self.chunks(frame, whole, (path, chunks), take)?,
            Packet::Fragment(_)
            | Packet::Icmp { .. }
            | Packet::Encrypted { .. }
            | Packet::Other
            | Packet::Unread(_) => {}
        }
        take(Event::Packet(Seen { frame: *frame, interface, packet, whole, connection }))
    }

    fn datagram(
        &mut self,
        frame: &Frame<'_>,
        whole: Option<&Reassembled>,
        Path { source, destination, .. }: Path,
        (payload, is_cut, transport): (&[u8], bool, Transport),
        take: &mut Take<'_>,
    ) -> ControlFlow<()> {
        let Some(bytes) = transport::message_in_datagram(payload) else {
            return ControlFlow::Continue(());
        };
        take(Event::Message(Origin {
            message: next(&mut self.messages),
            frame: frame.id,
            time: frame.time,
            source,
            destination,
            transport,
            is_cut,
            bytes,
            pieces: pieces(frame, whole, bytes),
            unit: Vec::new(),
            mask: None,
            is_fragmented: whole.is_some(),
            connection: None,
        }))
    }

    fn chunks(
        &mut self,
        frame: &Frame<'_>,
        whole: Option<&Reassembled>,
        (path, chunks): (Path, &[u8]),
        take: &mut Take<'_>,
    ) -> ControlFlow<()> {
        let mut flow = ControlFlow::Continue(());
        let arrival = SctpArrival { frame: frame.id, time: frame.time, path, chunks };
        let messages = &mut self.messages;
        self.sctp.push(&arrival, &mut |delivery| {
            if flow.is_break() {
                return;
            }
            // What was put together of several chunks lies in a memory of its own.
            let pieces = pieces(frame, whole, &delivery.bytes);
            flow =
                take(Event::Message(Origin { pieces, ..Origin::bare(next(messages), &delivery) }));
        });
        flow
    }

    /// Takes a segment; gives its connection.
    fn segment(
        &mut self,
        frame: &Frame<'_>,
        whole: Option<&Reassembled>,
        segment: Segment<'_>,
        take: &mut Take<'_>,
    ) -> ControlFlow<(), Option<FrameId>> {
        const SYN: u8 = 2;

        let Path { source, destination, .. } = segment.path;
        let known = self.tcp.connection(source, destination);
        let own = self.connections.entry(key(source, destination)).or_default();
        if known != Some(own.first) {
            self.held = self.held.saturating_sub(own.begin(known.unwrap_or(frame.id)));
        }
        let sequence = segment.sequence.wrapping_add(u32::from(segment.flags & SYN != 0));
        let lies = pieces(frame, whole, segment.payload);
        let (length, is_fragmented) = (segment.payload.len(), whole.is_some());
        let bytes = Bytes { sequence, length, lies, is_fragmented };
        let again = own.side(source, destination).add(bytes);
        self.held += usize::from(!segment.payload.is_empty());
        for (message, pieces) in again {
            take(Event::Again { message, pieces })?;
        }
        let (connections, messages) = (&mut self.connections, &mut self.messages);
        let mut flow = ControlFlow::Continue(());
        let arrival = Arrival { frame: frame.id, time: frame.time, segment };
        self.tcp.push(&arrival, &self.keys, &mut |delivery| {
            if flow.is_continue() {
                flow = deliver(connections, messages, &delivery, take);
            }
        });
        flow?;
        let first = self.tcp.connection(source, destination);
        self.settle(source, destination, first);
        ControlFlow::Continue(first)
    }

    /// Keeps of a connection what may still become a message.
    fn settle(&mut self, source: Endpoint, destination: Endpoint, first: Option<FrameId>) {
        let Some(own) = self.connections.get_mut(&key(source, destination)) else { return };
        if let Some(first) = first.filter(|first| *first != own.first) {
            // The segment that begins another connection has bytes of that one.
            let latest = own.side(source, destination).unread.pop_back();
            self.held = self.held.saturating_sub(own.begin(first));
            own.side(source, destination).unread.extend(latest);
        }
        let side = own.side(source, destination);
        let before = side.unread.len();
        side.forget(self.tcp.read_until(source, destination));
        if self.held > self.held_max {
            side.unread.clear();
        }
        self.held = self.held.saturating_sub(before - side.unread.len());
        if self.connections.len() > 2 * TCP_FLOWS_MAX {
            let tcp = &self.tcp;
            self.connections.retain(|(a, b), _| tcp.connection(*a, *b).is_some());
            self.held = self.connections.values().map(Connection::held).sum();
        }
    }

    fn finish(mut self, take: &mut Take<'_>) -> ControlFlow<()> {
        let mut flow = ControlFlow::Continue(());
        let (connections, messages) = (&mut self.connections, &mut self.messages);
        self.tcp.finish(&self.keys, &mut |delivery| {
            if flow.is_continue() {
                flow = deliver(connections, messages, &delivery, take);
            }
        });
        flow
    }
}

/// Frames with their interfaces.
fn frames(part: &Part) -> impl Iterator<Item = (Frame<'_>, u16)> {
    let places = || part.frames.clone();
    part.block.frames_in(places()).zip(part.block.interfaces_in(places()))
}

/// Hands on a message of a stream.
fn deliver(
    connections: &mut HashMap<(Endpoint, Endpoint), Connection, RandomState>,
    messages: &mut u64,
    delivery: &Delivery<'_>,
    take: &mut Take<'_>,
) -> ControlFlow<()> {
    let message = next(messages);
    let bare = Origin::bare(message, delivery);
    let Some(InStream { source, destination, sequence, length, offset, mask }) =
        delivery.place.as_deref().copied()
    else {
        // The inside of a connection that cannot be read as it lies there.
        let ends = key(delivery.source, delivery.destination);
        let connection = connections.get(&ends).map(|connection| connection.first);
        return take(Event::Message(Origin { connection, ..bare }));
    };
    let Some(own) = connections.get_mut(&key(source, destination)) else {
        return take(Event::Message(bare));
    };
    let connection = Some(own.first);
    let side = own.side(source, destination);
    let begin = sequence.wrapping_add(offset as u32);
    let size = delivery.bytes.len();
    let pieces = side.pieces(begin, size);
    let unit = match (offset, length) == (0, size) {
        true => Vec::new(),
        false => side.pieces(sequence, length),
    };
    side.messages.push_back((message, begin, size));
    if side.messages.len() > MESSAGES_KNOWN_MAX {
        side.messages.pop_front();
    }
    let is_fragmented = side.is_fragmented(begin, size);
    take(Event::Message(Origin { pieces, unit, mask, is_fragmented, connection, ..bare }))
}

impl<'e> Origin<'e> {
    /// A message of which no place is known.
    fn bare(message: u64, delivery: &'e Delivery<'_>) -> Self {
        let Delivery { frame, time, source, destination, transport, is_cut, .. } = *delivery;
        Self {
            message,
            frame,
            time,
            source,
            destination,
            transport,
            is_cut,
            bytes: &delivery.bytes,
            pieces: Vec::new(),
            unit: Vec::new(),
            mask: None,
            is_fragmented: false,
            connection: None,
        }
    }
}

impl Connection {
    /// Begins another connection; returns how many segments the one before held.
    fn begin(&mut self, first: FrameId) -> usize {
        std::mem::replace(self, Self { first, ..Self::default() }).held()
    }

    fn held(&self) -> usize {
        self.sides.iter().map(|side| side.unread.len()).sum()
    }

    fn side(&mut self, source: Endpoint, destination: Endpoint) -> &mut Side {
        let [up, down] = &mut self.sides;
        if source <= destination { up } else { down }
    }
}

impl Side {
    /// Takes the bytes of a segment; gives those of messages that were complete before.
    fn add(&mut self, bytes: Bytes) -> Vec<(u64, Vec<Piece>)> {
        if bytes.length == 0 {
            return Vec::new();
        }
        let known = self.messages.iter().map(|(message, begin, size)| {
            let pieces: Vec<Piece> = bytes.within(*begin, *size).collect();
            (*message, pieces)
        });
        let again = known.filter(|(_, pieces)| !pieces.is_empty()).collect();
        self.unread.push_back(bytes);
        again
    }

    /// Where the bytes from a sequence number on lie.
    fn pieces(&self, sequence: u32, length: usize) -> Vec<Piece> {
        self.unread.iter().flat_map(|bytes| bytes.within(sequence, length)).collect()
    }

    /// Some of the bytes from a sequence number on came in fragments.
    fn is_fragmented(&self, sequence: u32, length: usize) -> bool {
        let has_it = |bytes: &Bytes| bytes.within(sequence, length).next().is_some();
        self.unread.iter().any(|bytes| bytes.is_fragmented && has_it(bytes))
    }

    /// Forgets what has been read.
    fn forget(&mut self, read: Option<u32>) {
        if let Some(read) = read {
            let is_open = |bytes: &Bytes| {
                let end = bytes.sequence.wrapping_add(bytes.length as u32);
                read.wrapping_sub(end).cast_signed() < 0
            };
            self.unread.retain(is_open);
        }
    }
}

impl Bytes {
    /// What of them lies in so many bytes from a sequence number on.
    fn within(&self, sequence: u32, length: usize) -> impl Iterator<Item = Piece> + '_ {
        let ahead = sequence.wrapping_sub(self.sequence).cast_signed();
        let before = usize::try_from(-i64::from(ahead)).unwrap_or(0);
        let skipped = usize::try_from(ahead).unwrap_or(0);
        let wanted = length.saturating_sub(before);
        let lies = self.lies.iter();
        let cut = lies.filter_map(move |piece| piece.within(skipped, wanted));
        cut.map(move |piece| piece.behind(before))
    }
}

/// The key of the connection between two ends.
fn key(a: Endpoint, b: Endpoint) -> (Endpoint, Endpoint) {
    if a <= b { (a, b) } else { (b, a) }
}

fn next(messages: &mut u64) -> u64 {
    let number = *messages;
    *messages += 1;
    number
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::LinkType;

    const MESSAGE: &[u8] = b"OPTIONS sip:b@example.com SIP/2.0\r\nCall-ID: a\r\nl: 0\r\n\r\n";

    /// Gives the bytes of a segment from a port to the walk; the messages that it completes, by
    /// whether they lie in the frames.
    fn segment(walk: &mut Walk, port: u16, sequence: u32, payload: &[u8]) -> Vec<bool> {
        let endpoint = |last, port| Endpoint { address: [192, 0, 2, last].into(), port };
        let path =
            Path { source: endpoint(1, port), destination: endpoint(2, 5060), ip_id: 0, vlan: 0 };
        let frame = Frame {
            id: FrameId { capture: 0, number: walk.held as u64 },
            time: Time::default(),
            link: LinkType::RAW,
            data: payload,
            original_length: payload.len() as u32,
        };
        let (acknowledgement, flags, header, missing) = (0, 0x10, &b""[..], 0);
        let segment = Segment { path, sequence, acknowledgement, flags, header, payload, missing };
        let mut found = Vec::new();
        let taken = walk.packet(&frame, 0, Packet::Tcp(segment), None, &mut |event| {
            if let Event::Message(origin) = event {
                found.push(origin.is_in_frames());
            }
            ControlFlow::Continue(())
        });
        assert!(taken.is_continue());
        let held: usize = walk.connections.values().map(Connection::held).sum();
        assert_eq!(walk.held, held);
        found
    }

    #[test]
    fn traced_segments_are_bounded_and_messages_beyond_have_no_place() {
        for (held_max, is_traced) in [(5, false), (50, true)] {
            let mut walk = Walk { held_max, ..Walk::new(KeyLog::default()) };
            let begin = |port| (port, 1000, &MESSAGE[..20]);
            for (port, sequence, payload) in [begin(1), begin(2)] {
                assert!(segment(&mut walk, port, sequence, payload).is_empty());
            }
            // Bytes behind a gap, so that nothing is done with; the gap is at the end.
            for at in 0..10 {
                assert!(segment(&mut walk, 1, 5000 + 2 * at, b"x").is_empty());
                assert!(walk.held <= held_max + 1);
            }
            let end = MESSAGE.len() as u32;
            let rest = &MESSAGE[20..];
            assert_eq!(segment(&mut walk, 1, 1020, rest), [is_traced]);
            assert_eq!(segment(&mut walk, 2, 1020, rest), [true], "of another connection");
            assert_eq!(segment(&mut walk, 2, 1000 + end, MESSAGE), [true], "there is room again");
        }
    }

    #[test]
    fn nothing_is_kept_of_how_connections_end() {
        let mut walk = Walk::new(KeyLog::default());
        for port in 1..200 {
            segment(&mut walk, port, 1000, MESSAGE);
        }
        assert!(walk.tcp.take_turns().is_empty());
    }
}
