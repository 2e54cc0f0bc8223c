//! Byte streams: segments in any order and overlap, and what is carried in them.

use siptrace::capture::FrameId;
use siptrace::packet::{Endpoint, Path, Segment, hep as homer};
use siptrace::sip::{HeaderName, Message, is_start};
use siptrace::time::{Span, Time};
use siptrace::transport::{Arrival, Delivery, KeyLog, Streams};

use super::Input;

/// Segments of one input.
const SEGMENTS_MAX: usize = 512;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// A message as it came out: its bytes, whether they are all there, its transport.
type Got = (Vec<u8>, bool, &'static str);

/// One connection between a client and a server.
struct Line {
    streams: Streams,
    keys: KeyLog,
    got: Vec<Got>,
    pushed: usize,
    now: Time,
    frame: u64,
    /// The sequence numbers that come next, of client and server.
    next: [u32; 2],
}

impl Line {
    fn new(keys: KeyLog, is_traced: bool) -> Self {
        let streams = Streams::with_share_of(1);
        Self {
            streams: if is_traced { streams.traced() } else { streams },
            keys,
            got: Vec::new(),
            pushed: 0,
            now: Time::from_parts(1_700_000_000, 0),
            frame: 0,
            next: [1000, u32::MAX - 100],
        }
    }

    fn segment(&mut self, side: usize, sequence: u32, flags: u8, payload: &[u8], missing: u32) {
        let end = |side: usize| Endpoint {
            address: [192, 0, 2, side as u8 + 1].into(),
            port: [40_000, 5060][side & 1],
        };
        let (source, destination) = (end(side), end(1 - side));
        self.frame += 1;
        self.now = self.now + Span::from_millis(10);
        let segment = Segment {
            path: Path { source, destination, ip_id: 0, vlan: 0 },
            sequence,
            acknowledgement: self.next[1 - side],
            flags,
            header: &[],
            payload,
            missing,
        };
        let frame = FrameId { capture: 0, number: self.frame };
        let arrival = Arrival { frame, time: self.now, segment };
        self.pushed += payload.len();
        let got = &mut self.got;
        self.streams.push(&arrival, &self.keys, &mut |delivery| take(got, &delivery));
    }

    /// The bytes that come next.
    fn say(&mut self, side: usize, payload: &[u8]) {
        self.segment(side, self.next[side], ACK, payload, 0);
        self.next[side] = self.next[side].wrapping_add(payload.len() as u32);
    }

    fn open(&mut self) {
        let [client, server] = self.next;
        self.segment(0, client.wrapping_sub(1), SYN, b"", 0);
        self.segment(1, server.wrapping_sub(1), SYN | ACK, b"", 0);
    }

    /// Follows the input: for each segment a byte that says what is odd about it, and its bytes.
    fn follow(&mut self, input: &mut Input<'_>) {
        for _ in 0..SEGMENTS_MAX {
            if input.is_empty() {
                break;
            }
            let what = input.byte();
            let side = usize::from(what & 1);
            match what >> 1 & 15 {
                0..=7 => self.say(side, input.counted()),
                // Ahead of its turn, or again, with what is there the second time.
                8 | 9 => {
                    let ahead = u32::from(input.word() as i16 as u16);
                    let ahead = (ahead as u16 as i16) as i32 as u32;
                    let sequence = self.next[side].wrapping_add(ahead);
                    self.segment(side, sequence, ACK, input.counted(), 0);
                }
                // Cut by the snap length.
                10 => {
                    let missing = u32::from(input.byte());
                    let payload = input.counted();
                    self.segment(side, self.next[side], ACK, payload, missing);
                    let length = payload.len() as u32 + missing;
                    self.next[side] = self.next[side].wrapping_add(length);
                }
                // Never captured.
                11 => self.next[side] = self.next[side].wrapping_add(input.word().into()),
                12 => {
                    let flags = input.byte();
                    self.segment(side, self.next[side], flags, input.counted(), 0);
                }
                13 => {
                    let flag = if what & 32 == 0 { FIN } else { RST };
                    self.segment(side, self.next[side], flag | ACK, b"", 0);
                    self.next[side] = self.next[side].wrapping_add(1);
                }
                14 => {
                    self.next[side] = self.next[side].rotate_left(7).wrapping_add(77);
                    self.segment(side, self.next[side].wrapping_sub(1), SYN, b"", 0);
                }
                _ => {
                    self.now = self.now + Span::from_millis(i64::from(input.word()));
                    let got = &mut self.got;
                    self.streams.expire(self.now, &self.keys, &mut |one| take(got, &one));
                }
            }
        }
    }

    /// The messages, the end of the capture included.
    fn finish(mut self) -> Vec<Got> {
        let got = &mut self.got;
        self.streams.finish(&self.keys, &mut |delivery| take(got, &delivery));
        let _ = (self.streams.take_turns(), self.streams.counts(), self.streams.holes());
        let _ = (self.streams.encrypted().count(), self.streams.handshakes().count());
        self.got
    }
}

fn take(got: &mut Vec<Got>, delivery: &Delivery<'_>) {
    assert!(is_start(&delivery.bytes), "what is handed on is no message: {delivery:?}");
    got.push((delivery.bytes.to_vec(), delivery.is_cut, delivery.transport.name()));
}

/// Segments as the input says; then its bytes once in one piece and once in many, which must give
/// the same messages where the stream is nothing but whole messages.
pub fn tcp(bytes: &[u8]) {
    follow(bytes, &KeyLog::default());
    let mut input = Input(bytes);
    let size = usize::from(input.byte()).max(1);
    let say = |size: usize| {
        let mut line = Line::new(KeyLog::default(), false);
        line.open();
        input.0.chunks(size).for_each(|piece| line.say(0, piece));
        line.finish()
    };
    let whole = say(input.0.len().max(1));
    // Among other things, and where no length is stated, the ends of segments mean something.
    let is_plain = |(bytes, is_cut, _): &Got| {
        let (message, anomalies) = Message::parse(bytes);
        let length = message.text(HeaderName::ContentLength).and_then(|text| text.parse().ok());
        !is_cut && anomalies.is_empty() && length == Some(message.body().len())
    };
    let is_all = whole.iter().flat_map(|(bytes, ..)| bytes).eq(input.0);
    if is_all && whole.iter().all(is_plain) {
        assert_eq!(whole, say(size), "pieces of {size} bytes give other messages");
    }
}

/// Follows the input with and without places in the stream: the messages are the same.
fn follow(bytes: &[u8], keys: &KeyLog) -> Vec<Got> {
    let got = [false, true].map(|is_traced| {
        let mut line = Line::new(keys.clone(), is_traced);
        let mut input = Input(bytes);
        if input.byte() & 1 == 0 {
            line.open();
        }
        line.follow(&mut input);
        line.finish()
    });
    let [plain, traced] = got;
    assert_eq!(plain, traced, "tracing changes the messages");
    plain
}

/// What follows the opening handshake of a WebSocket, with or without compression.
pub fn websocket(bytes: &[u8]) {
    let mut input = Input(bytes);
    let extension = match input.byte() & 1 {
        0 => "",
        _ => "Sec-WebSocket-Extensions: permessage-deflate\r\n",
    };
    let request = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n{extension}\
         Sec-WebSocket-Version: 13\r\n\r\n"
    );
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: sip\r\n\
         {extension}\r\n"
    );
    let mut line = Line::new(KeyLog::default(), true);
    line.open();
    line.say(0, request.as_bytes());
    line.say(1, response.as_bytes());
    line.follow(&mut input);
    line.finish();
}

/// A key log behind its length, then segments.
pub fn tls(bytes: &[u8]) {
    let mut input = Input(bytes);
    let mut keys = KeyLog::default();
    keys.add(input.counted(), None);
    follow(input.0, &keys);
}

/// A HEP packet alone, and what may be several of them in a stream.
pub fn hep(bytes: &[u8]) {
    if let Some(packet) = homer::parse(bytes) {
        assert!(packet.payload.len() <= bytes.len());
    }
    if let Some(length) = homer::length(bytes) {
        assert!(length >= 6);
    }
    let mut line = Line::new(KeyLog::default(), true);
    line.open();
    let (first, rest) = bytes.split_at(bytes.len() / 2);
    line.say(0, first);
    line.say(0, rest);
    line.finish();
}
