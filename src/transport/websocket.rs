//! SIP in WebSocket messages (RFC 6455, RFC 7118).
//!
//! One SIP message is one WebSocket message: unmasked, put together from its fragments, and
//! inflated where the two sides agreed to compress (RFC 7692). Compression is recognised by its
//! bit, so the opening handshake need not be captured.

use std::borrow::Cow;

use crate::bytes::array;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::transport::start_line;

/// Bytes of a frame that tell whether it begins a SIP message.
const LOOK_BYTES: usize = 256;

/// The shortest SIP message is longer.
const MESSAGE_BYTES_MIN: usize = 16;

/// What an inflater takes, with its window.
const INFLATER_BYTES: usize = 48 << 10;

/// What a deflated message lacks at its end (RFC 7692, section 7.2.2).
const DEFLATE_TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// The opcodes (RFC 6455, section 11.8).
const CONTINUATION: u8 = 0;
const BINARY: u8 = 2;
const CONTROL: u8 = 8;
const PONG: u8 = 10;

/// What the unread bytes begin with.
#[derive(Debug)]
pub(super) enum Read<'b> {
    /// A frame that ends a message.
    Message {
        /// The bytes of the frame.
        used: usize,
        /// The whole message.
        message: Cow<'b, [u8]>,
        /// The length of the header and the mask of the payload, where the message is the payload
        /// of this frame.
        place: Option<(usize, Option<[u8; 4]>)>,
    },
    /// A frame of so many bytes that ends none.
    Part(usize),
    /// A frame that needs so many bytes in all.
    Incomplete {
        /// The bytes, as far as they are known.
        needed: usize,
    },
    /// No frame.
    Invalid,
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// A message was SIP.
    pub(super) is_sip: bool,
    /// The fragments so far.
    fragments: Vec<u8>,
    /// A fragmented message is under way.
    is_open: bool,
    /// It is compressed.
    is_deflated: bool,
    /// It is longer than the limit, or its beginning is missing.
    is_given_up: bool,
    /// A message was longer than the limit.
    was_too_long: bool,
    inflater: Option<Box<Inflater>>,
}

/// The header of a frame (RFC 6455, section 5.2).
#[derive(Clone, Copy, Debug)]
struct Header {
    is_final: bool,
    is_deflated: bool,
    opcode: u8,
    mask: Option<[u8; 4]>,
    header: usize,
    payload: usize,
}

enum Parsed {
    Header(Header),
    Incomplete(usize),
    Invalid,
}

/// Whether an HTTP header asks for WebSocket or agrees to it.
pub(super) fn is_upgrade(header: &[u8]) -> bool {
    header.split(|byte| *byte == b'\n').skip(1).any(|line| {
        let Some(colon) = memchr::memchr(b':', line) else { return false };
        let (name, value) = line.split_at_checked(colon).unwrap_or_default();
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        name.trim_ascii().eq_ignore_ascii_case(b"upgrade")
            && value.len() >= 9
            && value.windows(9).any(|word| word.eq_ignore_ascii_case(b"websocket"))
    })
}

/// Whether the bytes begin with a frame that begins a SIP message.
pub(super) fn begins(bytes: &[u8]) -> bool {
    if !matches!(bytes.first(), Some(0x01 | 0x02 | 0x81 | 0x82 | 0xc1 | 0xc2)) {
        return false;
    }
    let Parsed::Header(header) = Header::parse(bytes) else { return false };
    let rest = bytes.get(header.header..).unwrap_or_default();
    let payload = rest.get(..header.payload).unwrap_or(rest);
    if header.payload < MESSAGE_BYTES_MIN || header.payload > MESSAGE_BYTES_MAX {
        return false;
    }
    if !header.is_deflated {
        let look = payload.get(..LOOK_BYTES).unwrap_or(payload);
        return start_line::is_start(&header.unmasked(look));
    }
    let whole = payload.len() == header.payload;
    whole && {
        let mut look = Vec::new();
        Inflater::default().inflate(&header.unmasked(payload), LOOK_BYTES, &mut look);
        start_line::is_start(&look)
    }
}

impl Header {
    fn parse(bytes: &[u8]) -> Parsed {
        let Some([first, second]) = array::<2>(bytes, 0) else { return Parsed::Incomplete(2) };
        let (is_final, is_deflated, opcode) = (first & 0x80 != 0, first & 0x40 != 0, first & 0x0f);
        let is_control = opcode >= CONTROL;
        let is_known = matches!(opcode, CONTINUATION..=BINARY | CONTROL..=PONG);
        let length = second & 0x7f;
        if first & 0x30 != 0
            || !is_known
            || is_control && (!is_final || length > 125)
            || is_deflated && (is_control || opcode == CONTINUATION)
        {
            return Parsed::Invalid;
        }
        let (payload, at) = match length {
            126 => (array::<2>(bytes, 2).map(|length| u64::from(u16::from_be_bytes(length))), 4),
            127 => (array::<8>(bytes, 2).map(u64::from_be_bytes), 10),
            _ => (Some(u64::from(length)), 2),
        };
        let is_masked = second & 0x80 != 0;
        let header = if is_masked { at + 4 } else { at };
        let mask = array::<4>(bytes, at).filter(|_| is_masked);
        let (Some(payload), false) = (payload, is_masked && mask.is_none()) else {
            return Parsed::Incomplete(header);
        };
        match usize::try_from(payload) {
            Ok(payload) if payload >> 40 == 0 => {
                Parsed::Header(Self { is_final, is_deflated, opcode, mask, header, payload })
            }
            _ => Parsed::Invalid,
        }
    }

    fn unmasked<'b>(&self, payload: &'b [u8]) -> Cow<'b, [u8]> {
        let Some(mask) = self.mask.filter(|mask| *mask != [0; 4]) else {
            return Cow::Borrowed(payload);
        };
        Cow::Owned(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key).collect())
    }
}

impl Reader {
    /// Bytes that are kept.
    pub(super) fn held(&self) -> usize {
        self.fragments.capacity() + self.inflater.as_ref().map_or(0, |_| INFLATER_BYTES)
    }

    /// Bytes were lost: what was under way has no end, and what was compressed has no past.
    pub(super) fn lose(&mut self) {
        self.fragments = Vec::new();
        self.is_given_up = self.is_open;
        self.inflater = None;
    }

    /// A message between those of SIP was longer than the limit since this was asked last.
    pub(super) fn take_too_long(&mut self) -> bool {
        std::mem::take(&mut self.was_too_long) && self.is_sip
    }

    /// Reads the frame that the bytes begin with.
    pub(super) fn read<'b>(&mut self, bytes: &'b [u8]) -> Read<'b> {
        let header = match Header::parse(bytes) {
            Parsed::Header(header) => header,
            Parsed::Incomplete(needed) => return Read::Incomplete { needed },
            Parsed::Invalid => return Read::Invalid,
        };
        let used = header.header + header.payload;
        let Some(payload) = bytes.get(header.header..used) else {
            return Read::Incomplete { needed: used };
        };
        if header.opcode >= CONTROL {
            return Read::Part(used);
        }
        if header.opcode != CONTINUATION {
            self.is_open = true;
            self.is_given_up = false;
            self.is_deflated = header.is_deflated;
            self.fragments.clear();
            if header.is_final && !header.is_deflated {
                self.is_open = false;
                let place = Some((header.header, header.mask));
                return Read::Message { used, message: header.unmasked(payload), place };
            }
        }
        self.add_fragment(header, payload);
        if !header.is_final {
            return Read::Part(used);
        }
        let is_whole = self.is_open && !self.is_given_up;
        self.is_open = false;
        let message = std::mem::take(&mut self.fragments);
        match is_whole.then(|| self.opened(message)).flatten() {
            Some(message) => Read::Message { used, message: Cow::Owned(message), place: None },
            None => Read::Part(used),
        }
    }

    fn add_fragment(&mut self, header: Header, payload: &[u8]) {
        if !self.is_open || self.is_given_up {
            return;
        }
        if self.fragments.len() + payload.len() > MESSAGE_BYTES_MAX {
            self.fragments = Vec::new();
            self.is_given_up = true;
            self.was_too_long = true;
            self.inflater = None;
            return;
        }
        self.fragments.extend_from_slice(&header.unmasked(payload));
    }

    /// The message, inflated where it is compressed.
    fn opened(&mut self, message: Vec<u8>) -> Option<Vec<u8>> {
        if !self.is_deflated {
            return Some(message);
        }
        let inflater = self.inflater.get_or_insert_default();
        let mut inflated = Vec::new();
        if inflater.inflate(&message, MESSAGE_BYTES_MAX, &mut inflated)
            && inflater.inflate(&DEFLATE_TAIL, MESSAGE_BYTES_MAX, &mut inflated)
        {
            return Some(inflated);
        }
        self.was_too_long |= inflated.len() >= MESSAGE_BYTES_MAX;
        self.inflater = None;
        None
    }
}

/// Inflates the messages of one direction, each with the past of those before it.
///
/// A side that agreed to forget the past does not refer to it, so both kinds are read the same way.
#[derive(Debug)]
struct Inflater {
    raw: flate2::Decompress,
}

impl Default for Inflater {
    fn default() -> Self {
        Self { raw: flate2::Decompress::new(false) }
    }
}

impl Inflater {
    /// Adds what the bytes inflate to; false where they are damaged or give more than the limit.
    fn inflate(&mut self, bytes: &[u8], limit: usize, inflated: &mut Vec<u8>) -> bool {
        let mut rest = bytes;
        loop {
            let before = (self.raw.total_in(), inflated.len());
            let room = (rest.len() * 4).clamp(64, 16 << 10).min(limit - inflated.len().min(limit));
            if room == 0 {
                return false;
            }
            inflated.reserve(room);
            let outcome = self.raw.decompress_vec(rest, inflated, flate2::FlushDecompress::Sync);
            let used = (self.raw.total_in() - before.0) as usize;
            rest = rest.get(used..).unwrap_or_default();
            match outcome {
                Ok(flate2::Status::StreamEnd) => {
                    // A final block; what follows begins anew (RFC 7692, section 7.2.3.4).
                    self.raw.reset(false);
                    return true;
                }
                Ok(_) if inflated.len() > limit => return false,
                Ok(_) if rest.is_empty() && inflated.len() < inflated.capacity() => return true,
                Ok(_) if used == 0 && inflated.len() == before.1 => return rest.is_empty(),
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Transport;
    use crate::transport::samples::{CLIENT, Line, Random, SERVER, invite, ok, ws_frame};

    const MASK: Option<[u8; 4]> = Some([0x11, 0xa2, 0x33, 0xc4]);

    const UPGRADE: &[u8] = b"GET /ws HTTP/1.1\r\nHost: pbx\r\nConnection: keep-alive, Upgrade\r\n\
        Upgrade: websocket\r\nSec-WebSocket-Protocol: sip\r\n\r\n";

    const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\n\
        connection: Upgrade\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";

    /// Compresses the messages of one direction, with the past or without.
    struct Deflater {
        raw: flate2::Compress,
        keeps_past: bool,
    }

    impl Deflater {
        fn new(keeps_past: bool) -> Self {
            Self { raw: flate2::Compress::new(flate2::Compression::default(), false), keeps_past }
        }

        fn deflate(&mut self, message: &[u8]) -> Vec<u8> {
            let mut out = Vec::with_capacity(message.len() + 1024);
            self.raw.compress_vec(message, &mut out, flate2::FlushCompress::Sync).expect("room");
            if !self.keeps_past {
                self.raw.reset();
            }
            assert!(out.ends_with(&DEFLATE_TAIL));
            out.truncate(out.len() - 4);
            out
        }
    }

    fn read_all(pieces: &[&[u8]]) -> Line {
        let mut line = Line::opened();
        line.send(CLIENT, UPGRADE);
        line.send(SERVER, SWITCHING);
        for piece in pieces {
            line.send(CLIENT, piece);
        }
        line
    }

    #[test]
    fn reads_masked_and_plain_messages_after_an_upgrade() {
        let (invite, ok) = (invite(1, 700), ok(1));
        let mut line = read_all(&[&ws_frame(0x81, MASK, &invite)]);
        line.send(SERVER, &ws_frame(0x82, None, &ok));
        assert_eq!(line.messages(), [&invite, &ok]);
        assert!(line.got.iter().all(|got| got.transport == Transport::Ws && !got.is_cut));
    }

    #[test]
    fn reads_every_way_to_send_a_message() {
        let long = invite(2, 70_000);
        let (first, second) = long.split_at(999);
        let ping = ws_frame(0x89, MASK, b"hi");
        let mut with_past = Deflater::new(true);
        let past: Vec<_> = (0..3).map(|_| with_past.deflate(&long)).collect();
        let mut without = Deflater::new(false);
        let fresh: Vec<_> = (0..3).map(|_| without.deflate(&long)).collect();
        assert!(past[2].len() < fresh[2].len());
        let cases: [(&str, usize, Vec<Vec<u8>>); 6] = [
            ("long", 1, vec![ws_frame(0x81, MASK, &long)]),
            (
                "keep-alives",
                1,
                vec![ws_frame(0x81, None, b"\r\n\r\n"), ping.clone(), ws_frame(0x81, None, &long)],
            ),
            (
                "fragments",
                1,
                vec![
                    ws_frame(0x01, MASK, first),
                    ping.clone(),
                    ws_frame(0x00, None, b""),
                    ws_frame(0x80, MASK, second),
                ],
            ),
            ("past", 3, past.iter().map(|past| ws_frame(0xc1, MASK, past)).collect()),
            ("fresh", 3, fresh.iter().map(|fresh| ws_frame(0xc2, MASK, fresh)).collect()),
            (
                "deflated fragments",
                1,
                vec![
                    ws_frame(0x41, MASK, &past[0][..50]),
                    ping,
                    ws_frame(0x80, MASK, &past[0][50..]),
                ],
            ),
        ];
        for (name, count, frames) in cases {
            let pieces: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
            assert_eq!(read_all(&pieces).messages(), vec![&long; count], "{name}");
            let joined = frames.concat();
            assert_eq!(read_all(&[&joined]).messages(), vec![&long; count], "{name}, joined");
        }
    }

    #[test]
    fn reads_a_stream_cut_at_every_byte() {
        let (first, second) = (invite(1, 3), invite(2, 200));
        let frames = [
            ws_frame(0x81, MASK, &first),
            ws_frame(0x8a, None, b""),
            ws_frame(0xc1, MASK, &Deflater::new(true).deflate(&second)),
            ws_frame(0x81, None, &first),
        ];
        let stream = frames.concat();
        for cut in 0..stream.len() {
            let (head, tail) = stream.split_at(cut);
            assert_eq!(read_all(&[head, tail]).messages(), [&first, &second, &first], "{cut}");
        }
        let single: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(read_all(&single).messages(), [&first, &second, &first]);
    }

    #[test]
    fn recognises_frames_in_the_middle_of_a_stream() {
        let message = invite(1, 40);
        let frames = [
            ws_frame(0x81, MASK, &message),
            ws_frame(0x82, None, &message),
            ws_frame(0xc1, MASK, &Deflater::new(false).deflate(&message)),
        ];
        for frame in &frames {
            let mut line = Line::new();
            line.send(CLIENT, frame);
            line.send(CLIENT, frame);
            assert_eq!(line.messages(), [&message, &message]);
        }
        assert!(!begins(&ws_frame(0x81, MASK, b"{\"jsonrpc\":\"2.0\",\"method\":\"login\"}")));
    }

    #[test]
    fn goes_on_after_a_loss() {
        let message = invite(1, 100);
        let frame = ws_frame(0x81, MASK, &message);
        let mut line = read_all(&[&frame, &frame[..60]]);
        line.lose(CLIENT, 30);
        line.send(CLIENT, &frame[90..]);
        line.send(CLIENT, &frame);
        line.finish();
        assert_eq!(line.messages(), [&message, &message]);
    }

    #[test]
    fn bounds_what_a_message_may_grow_to() {
        let bomb = Deflater::new(true).deflate(&vec![b'a'; 4 << 20]);
        let message = invite(1, 9);
        let line = read_all(&[&ws_frame(0xc1, MASK, &bomb), &ws_frame(0x81, MASK, &message)]);
        assert_eq!(line.messages(), [&message]);
        // Before anything was SIP it may be anything.
        assert_eq!(line.streams.counts().too_long, 0);
        let half = vec![b'a'; MESSAGE_BYTES_MAX / 2];
        let fragments = [0x01, 0x00, 0x80].map(|first| ws_frame(first, MASK, &half)).concat();
        let sip = ws_frame(0x81, MASK, &message);
        let huge = ws_frame(0x82, MASK, &vec![7; 1 << 20]);
        for long in [ws_frame(0xc1, MASK, &bomb), fragments, huge.clone()] {
            let mut line = read_all(&[&sip]);
            for piece in long.chunks(60_000) {
                line.send(CLIENT, piece);
            }
            line.send(CLIENT, &sip);
            assert_eq!(line.messages(), [&message, &message]);
            assert_eq!(line.finish().too_long, 1);
        }
        let mut line = read_all(&[]);
        for piece in huge.chunks(1400) {
            line.send(CLIENT, piece);
        }
        line.send(CLIENT, &ws_frame(0x81, MASK, &message));
        assert_eq!(line.messages(), [&message]);
    }

    #[test]
    fn survives_damaged_frames() {
        let mut random = Random(0x5eed_0004);
        let deflated = Deflater::new(true).deflate(&invite(2, 300));
        let stream =
            [ws_frame(0x81, MASK, &invite(1, 60)), ws_frame(0xc1, MASK, &deflated)].concat();
        for _ in 0..5_000 {
            let mut stream = stream.clone();
            for _ in 0..random.below(6) {
                let at = random.below(stream.len());
                stream[at] = random.below(256) as u8;
            }
            let pieces: Vec<&[u8]> = stream.chunks(1 + random.below(300)).collect();
            let mut line = read_all(&pieces);
            line.finish();
            assert!(line.got.len() <= 4);
        }
    }
}
