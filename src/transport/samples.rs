//! Streams for tests: segments are pushed by hand, messages are collected.

use crate::capture::FrameId;
use crate::packet::{Endpoint, Path, Segment};
use crate::time::Time;
use crate::transport::{Arrival, Delivery, KeyLog, StreamCounts, Streams, Transport};

pub(super) const CLIENT: bool = true;
pub(super) const SERVER: bool = false;

/// A message as it came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Got {
    pub(super) frame: u64,
    pub(super) transport: Transport,
    pub(super) is_cut: bool,
    pub(super) source: Endpoint,
    pub(super) bytes: Vec<u8>,
}

/// One TCP flow on its way through the reassembly.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) streams: Streams,
    pub(super) got: Vec<Got>,
    pub(super) now: Time,
    pub(super) frame: u64,
    /// The sequence numbers that come next, of client and server.
    pub(super) next: [u32; 2],
    pub(super) server_port: u16,
    pub(super) keys: KeyLog,
}

pub(super) fn endpoint(last: u8, port: u16) -> Endpoint {
    Endpoint { address: [192, 0, 2, last].into(), port }
}

pub(super) fn got(delivery: &Delivery<'_>) -> Got {
    Got {
        frame: delivery.frame.number,
        transport: delivery.transport,
        is_cut: delivery.is_cut,
        source: delivery.source,
        bytes: delivery.bytes.to_vec(),
    }
}

impl Line {
    pub(super) fn new() -> Self {
        Self {
            streams: Streams::with_share_of(1),
            got: Vec::new(),
            now: Time::from_parts(1_700_000_000, 0),
            frame: 0,
            next: [1000, u32::MAX - 100],
            server_port: 5060,
            keys: KeyLog::default(),
        }
    }

    /// Both sides open the flow.
    pub(super) fn opened() -> Self {
        let mut line = Self::new();
        let [client, server] = line.next;
        line.segment(CLIENT, client.wrapping_sub(1), 0x02, b"", 0);
        line.segment(SERVER, server.wrapping_sub(1), 0x12, b"", 0);
        line
    }

    /// Pushes a segment as it is, 10 ms after the last.
    pub(super) fn segment(
        &mut self,
        from_client: bool,
        sequence: u32,
        flags: u8,
        payload: &[u8],
        missing: u32,
    ) {
        let (client, server) = (endpoint(1, 40_000), endpoint(2, self.server_port));
        let (source, destination) = if from_client { (client, server) } else { (server, client) };
        self.frame += 1;
        self.now = self.now + crate::time::Span::from_millis(10);
        let path = Path { source, destination, ip_id: 0, vlan: 0 };
        let acknowledgement = self.next[usize::from(from_client)];
        let arrival = Arrival {
            frame: FrameId { capture: 0, number: self.frame },
            time: self.now,
            segment: Segment {
                path,
                sequence,
                acknowledgement,
                flags,
                header: b"",
                payload,
                missing,
            },
        };
        self.streams.push(&arrival, &self.keys, &mut |delivery| self.got.push(got(&delivery)));
    }

    /// Sends the next bytes of a side.
    pub(super) fn send(&mut self, from_client: bool, payload: &[u8]) {
        let side = usize::from(!from_client);
        let sequence = self.next[side];
        self.next[side] = sequence.wrapping_add(payload.len() as u32);
        self.segment(from_client, sequence, 0x18, payload, 0);
    }

    /// Lets the next bytes of a side be lost.
    pub(super) fn lose(&mut self, from_client: bool, length: usize) {
        let side = usize::from(!from_client);
        self.next[side] = self.next[side].wrapping_add(length as u32);
    }

    /// Ends the capture.
    pub(super) fn finish(&mut self) -> StreamCounts {
        self.streams.finish(&self.keys, &mut |delivery| self.got.push(got(&delivery)));
        self.streams.counts()
    }

    pub(super) fn messages(&self) -> Vec<&[u8]> {
        self.got.iter().map(|got| got.bytes.as_slice()).collect()
    }
}

/// Marsaglia's xorshift: the same bytes on every run.
#[derive(Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit.max(1)
    }
}

/// An INVITE with a body of `body` bytes.
pub(super) fn invite(number: usize, body: usize) -> Vec<u8> {
    let head = format!(
        "INVITE sip:bob@example.com SIP/2.0\r\n\
         Via: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK{number}\r\n\
         Call-ID: {number}\r\nCSeq: {number} INVITE\r\nContent-Length: {body}\r\n\r\n"
    );
    let body = (0..body).map(|at| b"v=0\r\no=- "[at % 9]);
    head.bytes().chain(body).collect()
}

/// A 200 to it.
pub(super) fn ok(number: usize) -> Vec<u8> {
    format!("SIP/2.0 200 OK\r\nCall-ID: {number}\r\nCSeq: {number} INVITE\r\nl: 0\r\n\r\n").into()
}

/// A WebSocket frame.
pub(super) fn ws_frame(first: u8, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let bit = if mask.is_some() { 0x80 } else { 0 };
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(bit | length as u8),
        length @ 126..0x1_0000 => {
            frame.push(bit | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(bit | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(mask.iter().flatten());
    let mask = mask.unwrap_or_default();
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}
