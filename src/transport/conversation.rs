//! What the two sides of a byte stream say to each other: SIP, SIP in WebSocket or HEP, or
//! something else.
//!
//! Each side is recognised by its first bytes, and after a loss anew. What is not recognised is
//! passed over without being kept, and costs a look at the start of each segment. Knows nothing of
//! sequence numbers.

use crate::bytes;
use crate::limits::{MESSAGE_BYTES_MAX, TCP_WAITING_BYTES_MAX};
use crate::packet::{Path, hep};
use crate::transport::framing::{Framed, Progress, end_of_unfinished, frame, header_end};
use crate::transport::tcp::{Deliver, Holes, Seen, StreamCounts};
use crate::transport::tls::{self, Alert, KeyLog};
use crate::transport::websocket::{self, Read};
use crate::transport::{Delivery, InStream, Transport, message_in_datagram, start_line};

/// Bytes without anything known after which a side counts as another protocol.
const FOREIGN_BYTES: usize = 16 << 10;

/// Bytes of an HTTP header that are waited for.
const HTTP_HEADER_BYTES_MAX: usize = 32 << 10;

/// Where messages go, and what is counted on the way.
pub(super) struct Sink<'s, 'd> {
    pub(super) counts: &'s mut StreamCounts,
    pub(super) holes: &'s mut Holes,
    pub(super) deliver: &'s mut Deliver<'d>,
    /// Messages handed on.
    pub(super) delivered: u64,
    /// Opens what is encrypted.
    pub(super) keys: &'s KeyLog,
    /// Messages are handed on with their places in the stream.
    pub(super) is_traced: bool,
}

impl Sink<'_, '_> {
    /// Hands on a message.
    fn hand_on(&mut self, delivery: Delivery<'_>) {
        self.delivered += 1;
        (self.deliver)(delivery);
    }
}

/// Both sides of a stream.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    sides: [Side; 2],
    /// It is the inside of a TLS connection.
    is_secure: bool,
}

#[derive(Debug, Default)]
struct Side {
    kind: Kind,
    /// The beginning of what has not come to its end.
    unread: Vec<u8>,
    /// The sequence number behind the latest byte that was taken.
    end: u32,
    /// Where the unread bytes were seen, the latest of them.
    seen: Option<Seen>,
    /// Bytes that were nothing known since the last message.
    foreign: usize,
    /// Bytes that follow and are not looked at.
    skip: usize,
    /// Bytes that the frame at the front of the unread bytes needs in all, where that is known.
    needed: usize,
    /// How far the SIP message at the front of the unread bytes has been read.
    progress: Progress,
    /// It is not known where the next frame begins.
    is_lost: bool,
    /// It began with an alert of TLS.
    alert: Option<Alert>,
}

/// What one side speaks.
#[derive(Debug, Default)]
enum Kind {
    #[default]
    Unknown,
    Sip,
    Hep,
    WebSocket(Box<websocket::Reader>),
    /// The unread bytes are for another reader.
    Tls,
    Foreign,
}

/// What a step over the unread bytes did.
enum Step {
    /// So many bytes are done with.
    Used(usize),
    /// None, but it is known what they are.
    Again,
    /// More bytes are needed.
    Incomplete,
}

/// Bytes that begin like something that is read here.
pub(super) fn is_recognised(bytes: &[u8]) -> bool {
    match bytes.first() {
        Some(b'H' | b'G') => {
            is_http(bytes) || hep::length(bytes).is_some() || start_line::is_start(bytes)
        }
        Some(0x80..) => websocket::begins(bytes),
        Some(20..=23) => tls::begins(bytes),
        _ => start_line::is_start(bytes),
    }
}

fn is_http(bytes: &[u8]) -> bool {
    bytes.starts_with(b"GET ") || bytes.starts_with(b"HTTP/1.")
}

impl Conversation {
    /// What is said inside a TLS connection.
    pub(super) fn inside_tls() -> Self {
        Self { is_secure: true, ..Self::default() }
    }

    /// The bytes that both sides have said unread, if one of them has begun to speak TLS.
    pub(super) fn hand_over(&mut self) -> Option<[Vec<u8>; 2]> {
        let is_tls = self.sides.iter().any(|side| matches!(side.kind, Kind::Tls));
        is_tls.then(|| std::mem::take(&mut self.sides).map(|side| side.unread))
    }

    /// Bytes that are kept.
    pub(super) fn held(&self) -> usize {
        let held = |side: &Side| match &side.kind {
            Kind::WebSocket(reader) => side.unread.capacity() + reader.held(),
            Kind::Unknown | Kind::Sip | Kind::Hep | Kind::Tls | Kind::Foreign => {
                side.unread.capacity()
            }
        };
        self.sides.iter().map(held).sum()
    }

    /// Bytes of a side that have not come to their end.
    pub(super) fn unread(&self, side: usize) -> usize {
        self.sides.get(side).map_or(0, |side| side.unread.len())
    }

    /// The bytes of this side are wanted in order.
    pub(super) fn is_patient(&self, side: usize) -> bool {
        self.sides.get(side).is_some_and(|side| !matches!(side.kind, Kind::Foreign))
    }

    /// This side is known to speak SIP, or something that carries it.
    pub(super) fn is_sip(&self, side: usize) -> bool {
        self.sides.get(side).is_some_and(Side::is_sip)
    }

    /// The alert of TLS that one side answered plain text with.
    pub(super) fn alert(&self) -> Option<Alert> {
        self.sides.iter().find_map(|side| side.alert)
    }

    /// Takes the next bytes of one side.
    pub(super) fn take(&mut self, side: usize, bytes: &[u8], seen: Seen, sink: &mut Sink<'_, '_>) {
        let is_secure = self.is_secure;
        if let Some(side) = self.sides.get_mut(side) {
            side.take(bytes, seen, is_secure, sink);
        }
    }

    /// So many bytes of one side were not captured.
    pub(super) fn lose(&mut self, side: usize, bytes: u32, sink: &mut Sink<'_, '_>) {
        let is_secure = self.is_secure;
        if let Some(side) = self.sides.get_mut(side) {
            side.lose(bytes as usize, is_secure, sink);
        }
    }

    /// One side has come to its end.
    pub(super) fn end(&mut self, side: usize, sink: &mut Sink<'_, '_>) {
        let is_secure = self.is_secure;
        if let Some(side) = self.sides.get_mut(side) {
            side.drop_unread(is_secure, sink);
        }
    }
}

impl Side {
    fn take(&mut self, bytes: &[u8], seen: Seen, is_secure: bool, sink: &mut Sink<'_, '_>) {
        self.end = seen.sequence.wrapping_add(bytes.len() as u32);
        let bytes = bytes.get(self.pass_over(bytes.len())..).unwrap_or_default();
        if matches!(self.kind, Kind::Foreign) {
            if !is_recognised(bytes) {
                return;
            }
            self.kind = Kind::Unknown;
            self.foreign = 0;
        }
        if self.is_lost && matches!(self.kind, Kind::WebSocket(_)) && !websocket::begins(bytes) {
            return;
        }
        self.is_lost = false;
        self.needed = 0;
        if self.unread.is_empty() {
            let used = self.read(bytes, 0, seen, is_secure, sink);
            self.unread.extend_from_slice(bytes.get(used..).unwrap_or_default());
            self.seen = Some(seen);
        } else {
            let mut joined = std::mem::take(&mut self.unread);
            let old = joined.len();
            joined.extend_from_slice(bytes);
            let used = self.read(&joined, old, seen, is_secure, sink);
            joined.drain(..used.min(joined.len()));
            self.seen =
                self.seen.filter(|_| used < old).map_or(Some(seen), |s| Some(s.or_later(seen)));
            self.unread = joined;
        }
        if self.unread.is_empty() {
            // Memory is for those that need it.
            self.unread = Vec::new();
        } else if self.unread.len() > TCP_WAITING_BYTES_MAX {
            self.drop_unread(is_secure, sink);
        }
    }

    /// Reads what is whole and returns how many bytes are done with. The first `old` bytes came
    /// earlier.
    fn read(
        &mut self,
        bytes: &[u8],
        old: usize,
        seen: Seen,
        is_secure: bool,
        sink: &mut Sink<'_, '_>,
    ) -> usize {
        let mut used = 0;
        while let Some(rest) = bytes.get(used..).filter(|rest| !rest.is_empty()) {
            let seen = match self.seen {
                Some(earlier) if used < old => earlier.or_later(seen),
                _ => seen,
            };
            match self.step(rest, seen, is_secure, sink) {
                Step::Used(length) => {
                    used += length.max(1);
                    self.progress = Progress::default();
                }
                Step::Again => {}
                Step::Incomplete => break,
            }
            if matches!(self.kind, Kind::Foreign) {
                return bytes.len();
            }
            used += self.pass_over(bytes.len().saturating_sub(used));
        }
        used
    }

    fn step(&mut self, bytes: &[u8], seen: Seen, is_secure: bool, sink: &mut Sink<'_, '_>) -> Step {
        let plain = if is_secure { Transport::Tls } else { Transport::Tcp };
        match &mut self.kind {
            Kind::Foreign => Step::Used(bytes.len()),
            Kind::Tls => Step::Incomplete,
            Kind::Unknown => self.recognise(bytes, seen, plain, sink),
            Kind::Sip => self.read_sip(bytes, seen, plain, sink),
            Kind::Hep => self.read_hep(bytes, seen, sink),
            Kind::WebSocket(_) => self.read_websocket(bytes, seen, is_secure, sink),
        }
    }

    fn recognise(
        &mut self,
        bytes: &[u8],
        seen: Seen,
        plain: Transport,
        sink: &mut Sink<'_, '_>,
    ) -> Step {
        if is_http(bytes) {
            return self.read_http(bytes);
        }
        if plain == Transport::Tcp && tls::begins(bytes) {
            self.kind = Kind::Tls;
            return Step::Incomplete;
        }
        if plain == Transport::Tcp && tls::may_begin(bytes) {
            return Step::Incomplete;
        }
        if let Some(alert) = tls::alert(bytes).filter(|_| plain == Transport::Tcp) {
            self.alert = Some(alert);
            return self.is_foreign(bytes.len());
        }
        if hep::length(bytes).is_some() {
            self.kind = Kind::Hep;
            return Step::Again;
        }
        if bytes.starts_with(b"HEP3") && bytes.len() < 6 {
            return Step::Incomplete;
        }
        if websocket::begins(bytes) {
            self.kind = Kind::WebSocket(Box::default());
            return Step::Again;
        }
        self.read_sip(bytes, seen, plain, sink)
    }

    /// A request or response that may turn the stream into WebSocket.
    fn read_http(&mut self, bytes: &[u8]) -> Step {
        match header_end(bytes) {
            None if bytes.len() < HTTP_HEADER_BYTES_MAX => Step::Incomplete,
            None => self.is_foreign(bytes.len()),
            Some(end) => {
                self.kind = match websocket::is_upgrade(bytes.get(..end).unwrap_or_default()) {
                    true => Kind::WebSocket(Box::default()),
                    false => Kind::Foreign,
                };
                Step::Used(end)
            }
        }
    }

    fn read_sip(
        &mut self,
        bytes: &[u8],
        seen: Seen,
        transport: Transport,
        sink: &mut Sink<'_, '_>,
    ) -> Step {
        match frame(bytes, &mut self.progress) {
            Framed::Message(length) => {
                let message = bytes.get(..length).unwrap_or(bytes);
                let place = self.place(bytes, message, message, (None, seen), sink);
                let place = place.filter(|_| transport == Transport::Tcp);
                sink.hand_on(Delivery { place, ..seen.delivery(message, transport, false) });
                self.kind = Kind::Sip;
                self.foreign = 0;
                Step::Used(length)
            }
            Framed::Headed(length) => {
                sink.counts.too_long += 1;
                let head = bytes.get(..length).unwrap_or(bytes);
                let place = self.place(bytes, head, head, (None, seen), sink);
                let place = place.filter(|_| transport == Transport::Tcp);
                sink.hand_on(Delivery { place, ..seen.delivery(head, transport, true) });
                self.kind = Kind::Sip;
                self.foreign = 0;
                Step::Used(length)
            }
            Framed::Endless(length) => {
                sink.counts.too_long += 1;
                self.is_foreign(length)
            }
            Framed::Foreign(length) => self.is_foreign(length),
            Framed::Incomplete => Step::Incomplete,
        }
    }

    fn read_hep(&mut self, bytes: &[u8], seen: Seen, sink: &mut Sink<'_, '_>) -> Step {
        let Some(length) = hep::length(bytes) else {
            if b"HEP3".starts_with(bytes.get(..4).unwrap_or(bytes)) && bytes.len() < 6 {
                return Step::Incomplete;
            }
            let next = memchr::memmem::find(bytes, b"HEP3").unwrap_or(bytes.len());
            return self.is_foreign(next);
        };
        let Some(packet) = bytes.get(..length) else { return Step::Incomplete };
        self.foreign = 0;
        if let Some(hep) = hep::parse(packet)
            && let Some(message) = message_in_datagram(hep.payload)
        {
            let place = self.place(bytes, packet, message, (None, seen), sink);
            let seen = Seen { path: hep.path, ..seen };
            let transport = Transport::of_protocol(hep.protocol);
            sink.hand_on(Delivery { place, ..seen.delivery(message, transport, hep.is_cut) });
        }
        Step::Used(length)
    }

    fn read_websocket(
        &mut self,
        bytes: &[u8],
        seen: Seen,
        is_secure: bool,
        sink: &mut Sink<'_, '_>,
    ) -> Step {
        let Kind::WebSocket(reader) = &mut self.kind else { return Step::Again };
        let read = reader.read(bytes);
        sink.counts.too_long += u64::from(reader.take_too_long());
        match read {
            Read::Message { used, message, place } => {
                let Some(own) = message_in_datagram(&message) else {
                    return self.is_foreign(used);
                };
                reader.is_sip = true;
                self.foreign = 0;
                let unit = bytes.get(..used).unwrap_or(bytes);
                let place = place.filter(|_| !is_secure).and_then(|(header, mask)| {
                    let lead = message.len() - own.len();
                    let lies = unit.get(header + lead..)?;
                    let mask = mask.map(|mut mask| {
                        mask.rotate_left(lead % 4);
                        mask
                    });
                    self.place(bytes, unit, lies, (mask, seen), sink)
                });
                let transport = if is_secure { Transport::Wss } else { Transport::Ws };
                sink.hand_on(Delivery { place, ..seen.delivery(own, transport, false) });
                Step::Used(used)
            }
            Read::Part(used) => self.is_foreign(used),
            Read::Incomplete { needed } if needed <= MESSAGE_BYTES_MAX => {
                self.needed = needed;
                Step::Incomplete
            }
            Read::Incomplete { needed } => {
                sink.counts.too_long += u64::from(reader.is_sip);
                reader.lose();
                self.skip = needed.saturating_sub(bytes.len());
                Step::Used(bytes.len())
            }
            Read::Invalid => {
                self.kind = Kind::Unknown;
                self.is_foreign(1)
            }
        }
    }

    /// Where a message lies that is a part of a unit that the unread bytes begin with, if that is
    /// wanted.
    fn place(
        &self,
        unread: &[u8],
        unit: &[u8],
        message: &[u8],
        (mask, seen): (Option<[u8; 4]>, Seen),
        sink: &Sink<'_, '_>,
    ) -> Option<Box<InStream>> {
        let offset = bytes::offset_in(unit, message).filter(|_| sink.is_traced)?;
        let sequence = self.end.wrapping_sub(unread.len() as u32);
        let Path { source, destination, .. } = seen.path;
        let length = unit.len();
        Some(Box::new(InStream { source, destination, sequence, length, offset, mask }))
    }

    fn is_sip(&self) -> bool {
        match &self.kind {
            Kind::Sip | Kind::Hep => true,
            Kind::WebSocket(reader) => reader.is_sip,
            Kind::Unknown | Kind::Tls | Kind::Foreign => false,
        }
    }

    /// Passes over bytes that are nothing known; after too many of them the side is another
    /// protocol.
    fn is_foreign(&mut self, bytes: usize) -> Step {
        self.foreign = self.foreign.saturating_add(bytes);
        if self.foreign > FOREIGN_BYTES && !self.is_sip() {
            self.kind = Kind::Foreign;
        }
        Step::Used(bytes)
    }

    /// Passes over what is to be skipped of so many bytes.
    fn pass_over(&mut self, length: usize) -> usize {
        let passed = self.skip.min(length);
        self.skip -= passed;
        passed
    }

    fn lose(&mut self, bytes: usize, is_secure: bool, sink: &mut Sink<'_, '_>) {
        let ahead = self.skip.max(self.needed.saturating_sub(self.unread.len()));
        self.needed = 0;
        self.skip = ahead.saturating_sub(bytes);
        self.is_lost = bytes == 0 || bytes > ahead;
        let is_sip = match &mut self.kind {
            Kind::Sip | Kind::Hep => true,
            Kind::WebSocket(reader) => {
                reader.lose();
                reader.is_sip
            }
            Kind::Unknown | Kind::Tls | Kind::Foreign => false,
        };
        sink.counts.gaps += u64::from(is_sip && bytes > 0);
        self.drop_unread(is_secure, sink);
    }

    /// Hands on messages whose end will not come, if their headers are whole, or as many lines of
    /// them as there are.
    fn drop_unread(&mut self, is_secure: bool, sink: &mut Sink<'_, '_>) {
        let unread = std::mem::take(&mut self.unread);
        self.progress = Progress::default();
        let Some(seen) = self.seen.filter(|_| !unread.is_empty()) else { return };
        if !matches!(self.kind, Kind::Unknown | Kind::Sip) {
            return;
        }
        let transport = if is_secure { Transport::Tls } else { Transport::Tcp };
        let mut rest = unread.as_slice();
        while !rest.is_empty() {
            let (length, is_cut) = match frame(rest, &mut Progress::default()) {
                Framed::Foreign(length) | Framed::Endless(length) => {
                    rest = rest.get(length..).unwrap_or_default();
                    continue;
                }
                Framed::Message(length) => (length, false),
                Framed::Headed(length) => (length, true),
                Framed::Incomplete if !start_line::is_start(rest) => return,
                Framed::Incomplete => {
                    // One that the next one cuts short has come as it was sent.
                    let end = end_of_unfinished(rest);
                    (end, end == rest.len())
                }
            };
            let (message, after) = rest.split_at(length.min(rest.len()));
            sink.counts.unfinished += u64::from(is_cut);
            if header_end(message).is_some() || message.ends_with(b"\n") {
                let place = self.place(rest, message, message, (None, seen), sink);
                let place = place.filter(|_| !is_secure);
                sink.hand_on(Delivery { place, ..seen.delivery(message, transport, is_cut) });
            }
            rest = after;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::transport::Transport;
    use crate::transport::samples::{CLIENT, Line, Random, endpoint, invite, ok};

    fn hep(protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut chunks = Vec::new();
        let mut chunk = |kind: u8, value: &[u8]| {
            chunks.extend([0, 0, 0, kind, 0, value.len() as u8 + 6]);
            chunks.extend(value);
        };
        chunk(1, &[2]);
        chunk(2, &[protocol]);
        chunk(3, &[192, 0, 2, 7]);
        chunk(4, &[192, 0, 2, 8]);
        chunk(7, &5070_u16.to_be_bytes());
        chunk(8, &5080_u16.to_be_bytes());
        chunk(11, &[1]);
        let mut packet = b"HEP3".to_vec();
        packet.extend((6 + chunks.len() as u16 + 6 + payload.len() as u16).to_be_bytes());
        packet.extend(chunks);
        packet.extend([0, 0, 0, 15]);
        packet.extend((payload.len() as u16 + 6).to_be_bytes());
        packet.extend(payload);
        packet
    }

    #[test]
    fn reads_hep_packets_in_a_stream() {
        let (invite, ok) = (invite(1, 300), ok(1));
        let packets = [hep(17, &invite), hep(17, b"\x80\xc8\0\x01"), hep(6, &ok), hep(17, &invite)];
        let stream = packets.concat();
        for cut in 1..stream.len() {
            let mut line = Line::opened();
            line.send(CLIENT, &stream[..cut]);
            line.send(CLIENT, &stream[cut..]);
            assert_eq!(line.messages(), [&invite, &ok, &invite], "{cut}");
            let transports: Vec<_> = line.got.iter().map(|got| got.transport).collect();
            assert_eq!(transports, [Transport::Udp, Transport::Tcp, Transport::Udp]);
            assert!(line.got.iter().all(|got| got.source == endpoint(7, 5070)));
        }
        let mut line = Line::opened();
        line.send(CLIENT, &stream[..500]);
        line.lose(CLIENT, 200);
        line.send(CLIENT, &stream[700..]);
        line.finish();
        assert_eq!(line.messages(), [&invite]);
    }

    #[test]
    fn survives_damaged_hep() {
        let mut random = Random(0x5eed_0008);
        let stream = [hep(17, &invite(1, 30)), hep(6, &ok(2)), hep(132, &ok(3))].concat();
        for _ in 0..5_000 {
            let mut stream = stream.clone();
            for _ in 0..random.below(6) {
                let at = random.below(stream.len());
                stream[at] = random.below(256) as u8;
            }
            let mut line = Line::opened();
            for piece in stream.chunks(1 + random.below(400)) {
                line.send(CLIENT, piece);
            }
            line.finish();
        }
    }
}
