//! TCP connections of a script: handshake, sequence numbers, segments.

use std::net::SocketAddr;

use super::LOOK_MAX;
use super::error::Error;
use super::ip::{self, TcpHead};
use super::memory::Hop;
use super::syntax::{Event, Signal, Transport};
use super::wire::{Load, STEP, Wire};
use crate::time::Span;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const PSH: u8 = 8;
const ACK: u8 = 16;

/// The first port that a host opens connections from.
const PORT_FIRST: u16 = 49_152;

/// Until a segment comes again.
const REPEAT_DELAY: Span = Span::from_millis(10);

/// A connection between two hosts.
#[derive(Debug)]
pub(super) struct Connection {
    /// The side that opened it.
    client: Side,
    server: Side,
    state: State,
}

#[derive(Debug)]
struct Side {
    host: usize,
    socket: SocketAddr,
    /// The next sequence number.
    next: u32,
    is_finished: bool,
    /// Bytes that go with the next segment.
    pending: Vec<u8>,
    /// Lines whose messages end in those bytes.
    waiting: Vec<usize>,
    /// The line that asked to wait, for an error.
    joined_at: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Asked,
    Open,
    Closed,
}

/// The frames of a message, and of those that waited for it.
#[derive(Debug, Default)]
pub(super) struct Landed {
    /// The frame with the last byte; none while the message waits.
    pub(super) frame: Option<usize>,
    /// Lines that waited, with their frame.
    pub(super) joined: Vec<(usize, usize)>,
}

impl Side {
    fn new(host: usize, socket: SocketAddr, next: u32) -> Self {
        let (pending, waiting) = (Vec::new(), Vec::new());
        Self { host, socket, next, is_finished: false, pending, waiting, joined_at: None }
    }
}

impl Connection {
    /// The sender's side and the other one.
    fn sides(&mut self, source: usize) -> (&mut Side, &mut Side) {
        match self.client.host == source {
            true => (&mut self.client, &mut self.server),
            false => (&mut self.server, &mut self.client),
        }
    }

    fn is_between(&self, hop: Hop, event: &Event<'_>) -> bool {
        let fits = |side: &Side, host: usize, port: Option<u16>| {
            side.host == host && port.is_none_or(|port| port == side.socket.port())
        };
        let (from, to) = (event.source.port, event.destination.port);
        let (a, b) = (&self.client, &self.server);
        (fits(a, hop.source, from) && fits(b, hop.destination, to))
            || (fits(b, hop.source, from) && fits(a, hop.destination, to))
    }

    /// A line that joins a message that never came.
    pub(super) fn left_over(&self) -> Option<usize> {
        self.client.joined_at.or(self.server.joined_at)
    }
}

impl Wire {
    /// Sends a message over the connection of its hosts, which is opened if there is none.
    pub(super) fn tcp(
        &mut self,
        event: &Event<'_>,
        index: usize,
        hop: Hop,
        payload: &[u8],
    ) -> Result<Landed, Error> {
        let place = self.connection(event, hop)?;
        let Some(connection) = self.connections.get_mut(place) else {
            return Ok(Landed::default());
        };
        let (side, _) = connection.sides(hop.source);
        let mut pieces: Vec<Vec<u8>> = pieces(event, payload);
        let mut landed = Landed::default();
        let waiting = std::mem::take(&mut side.waiting);
        side.joined_at = None;
        if let Some(first) = pieces.first_mut() {
            first.splice(0..0, std::mem::take(&mut side.pending));
            if first.len() > ip::PAYLOAD_BYTES_MAX {
                let found = format!("{} bytes joined in one segment", first.len());
                let expected = format!("at most {} fit", ip::PAYLOAD_BYTES_MAX);
                return Err(event.word.error(found, expected));
            }
        }
        if event.options.has("join") {
            side.pending = pieces.pop().unwrap_or_default();
            side.waiting.push(index);
            side.joined_at = Some(event.word.line);
            if pieces.is_empty() {
                side.waiting.splice(0..0, waiting);
                return Ok(landed);
            }
        }
        let frames = self.segments(event, place, hop, &pieces)?;
        if let Some(&first) = frames.first() {
            landed.joined = waiting.into_iter().map(|line| (line, first)).collect();
        }
        if !event.options.has("join") {
            landed.frame = frames.last().copied();
        }
        Ok(landed)
    }

    /// Sends the pieces; gives their frames, in the order of the bytes.
    fn segments(
        &mut self,
        event: &Event<'_>,
        place: usize,
        hop: Hop,
        pieces: &[Vec<u8>],
    ) -> Result<Vec<usize>, Error> {
        let mut frames = Vec::with_capacity(pieces.len());
        let lost = event.options.size("lose-segment");
        if let (Some(word), Some(number)) = (event.options.word("lose-segment"), lost)
            && number > pieces.len()
        {
            let found = format!("segment {number} cannot be lost");
            return Err(word.error(found, format!("the message has {}", pieces.len())));
        }
        for (index, piece) in pieces.iter().enumerate() {
            let slot = match (event.options.has("reorder"), index) {
                (true, 0) if pieces.len() > 1 => 1,
                (true, 1) => 0,
                _ => index,
            };
            let delay = STEP.times(i64::try_from(slot).unwrap_or(0));
            let is_last = index + 1 == pieces.len();
            let sequence = self.advance(place, hop.source, piece.len());
            if lost == Some(index + 1) {
                frames.extend(frames.last().copied());
                continue;
            }
            let flags = if is_last { PSH | ACK } else { ACK };
            let frame = self.segment(event, place, hop.source, sequence, flags, delay, piece)?;
            frames.push(frame);
            if is_last && event.options.has("duplicate") {
                let delay = delay + REPEAT_DELAY;
                self.segment(event, place, hop.source, sequence, flags, delay, piece)?;
            }
        }
        Ok(frames)
    }

    /// Sends a segment without data.
    pub(super) fn signal(
        &mut self,
        event: &Event<'_>,
        hop: Hop,
        signal: Signal,
    ) -> Result<usize, Error> {
        let known = self.last_connection(event, hop);
        let place = match (signal, known) {
            (Signal::Syn, _) | (_, None) => self.new_connection(event, hop),
            (_, Some(place)) => place,
        };
        let (flags, length) = match signal {
            Signal::Syn => (SYN, 0),
            Signal::Fin => (FIN | ACK, 1),
            Signal::Reset => (RST | ACK, 0),
            Signal::Ack => (ACK, 0),
        };
        let sequence = self.advance(place, hop.source, length);
        if let Some(connection) = self.connections.get_mut(place) {
            let (side, other) = connection.sides(hop.source);
            side.is_finished |= signal == Signal::Fin;
            let is_over = side.is_finished && other.is_finished;
            match signal {
                Signal::Syn => connection.state = State::Asked,
                Signal::Reset => connection.state = State::Closed,
                Signal::Fin | Signal::Ack if is_over => connection.state = State::Closed,
                Signal::Fin | Signal::Ack => {}
            }
        }
        self.segment(event, place, hop.source, sequence, flags, Span::ZERO, &[])
    }

    /// The connection that a message of this line can use.
    fn connection(&mut self, event: &Event<'_>, hop: Hop) -> Result<usize, Error> {
        let known = self.last_connection(event, hop).filter(|&place| {
            self.connections.get_mut(place).is_some_and(|connection| {
                connection.state != State::Closed && !connection.sides(hop.source).0.is_finished
            })
        });
        let state = known.and_then(|place| self.connections.get(place)).map(|known| known.state);
        match (known, state) {
            (Some(place), Some(State::Open)) => Ok(place),
            (Some(place), _) => {
                self.shake_hands(event, place, false)?;
                Ok(place)
            }
            (None, _) => {
                let place = self.new_connection(event, hop);
                self.shake_hands(event, place, true)?;
                Ok(place)
            }
        }
    }

    fn last_connection(&self, event: &Event<'_>, hop: Hop) -> Option<usize> {
        let mut connections = self.connections.iter().enumerate().rev();
        let found = connections
            .by_ref()
            .take(LOOK_MAX)
            .find(|(_, connection)| connection.is_between(hop, event));
        found.map(|(place, _)| place)
    }

    fn new_connection(&mut self, event: &Event<'_>, hop: Hop) -> usize {
        let count = u16::try_from(self.connections.len()).unwrap_or(u16::MAX);
        let mut socket = hop.source_socket;
        if event.source.port.is_none() {
            socket.set_port(PORT_FIRST.saturating_add(count));
        }
        let number = u32::from(count).saturating_add(1);
        let client = Side::new(hop.source, socket, number.wrapping_mul(1_000_003));
        let server =
            Side::new(hop.destination, hop.destination_socket, number.wrapping_mul(5_000_011));
        self.connections.push(Connection { client, server, state: State::Asked });
        self.connections.len() - 1
    }

    /// SYN, SYN-ACK and ACK just before the message.
    fn shake_hands(
        &mut self,
        event: &Event<'_>,
        place: usize,
        with_syn: bool,
    ) -> Result<(), Error> {
        let Some(connection) = self.connections.get_mut(place) else { return Ok(()) };
        connection.state = State::Open;
        let (client, server) = (connection.client.host, connection.server.host);
        if with_syn {
            let sequence = self.advance(place, client, 0);
            self.segment(event, place, client, sequence, SYN, STEP.times(-3), &[])?;
        }
        self.advance(place, client, 1);
        let sequence = self.advance(place, server, 0);
        self.segment(event, place, server, sequence, SYN | ACK, STEP.times(-2), &[])?;
        self.advance(place, server, 1);
        let sequence = self.advance(place, client, 0);
        self.segment(event, place, client, sequence, ACK, STEP.times(-1), &[])?;
        Ok(())
    }

    /// The sequence number of the next bytes of a side, which moves on behind them.
    fn advance(&mut self, place: usize, host: usize, length: usize) -> u32 {
        let Some(connection) = self.connections.get_mut(place) else { return 0 };
        let (side, _) = connection.sides(host);
        let sequence = side.next;
        side.next = sequence.wrapping_add(u32::try_from(length).unwrap_or(0));
        sequence
    }

    #[expect(clippy::too_many_arguments, reason = "a segment is all of these")]
    fn segment(
        &mut self,
        event: &Event<'_>,
        place: usize,
        host: usize,
        sequence: u32,
        flags: u8,
        delay: Span,
        payload: &[u8],
    ) -> Result<usize, Error> {
        let Some(connection) = self.connections.get_mut(place) else { return Ok(0) };
        let (side, other) = connection.sides(host);
        let acknowledged = if flags & ACK == 0 { 0 } else { other.next };
        let head = TcpHead {
            source: side.socket,
            destination: other.socket,
            sequence,
            acknowledged,
            flags,
        };
        let hop = Hop {
            source: host,
            destination: other.host,
            source_socket: side.socket,
            destination_socket: other.socket,
            transport: Transport::Tcp,
        };
        let bytes = ip::tcp(&head, payload);
        self.send(event, hop, delay, &Load { protocol: ip::TCP, bytes })
    }
}

/// The message in as many pieces as the line asks for, and at least as many as are needed.
fn pieces(event: &Event<'_>, payload: &[u8]) -> Vec<Vec<u8>> {
    let wanted = match (event.options.size("split"), event.options.has("reorder")) {
        (Some(count), _) => count,
        (None, true) => 2,
        (None, false) => 1,
    };
    let size = payload.len().div_ceil(wanted).clamp(1, ip::PAYLOAD_BYTES_MAX / 2);
    payload.chunks(size).map(<[u8]>::to_vec).collect()
}
