//! What is left of TLS: headers of records, kinds of handshakes, what was offered and chosen, and
//! alerts. Nothing that was said inside, and no certificate.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::text::{Pseudonyms, Stays, part};
use crate::bytes::{array, be16};
use crate::limits::TCP_FLOWS_MAX;
use crate::packet::{Endpoint, Path};

/// Bytes before what a record carries, and as many as it may carry.
const HEADER: usize = 5;
const BODY_BYTES_MAX: usize = (1 << 14) + 2048;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// Extensions whose values say what a program can do: groups, algorithms, protocols, versions.
const PLAIN: [u16; 11] = [10, 11, 13, 16, 17, 22, 23, 43, 45, 50, 65281];
const SERVER_NAME: u16 = 0;

/// The random number that asks for another hello (RFC 8446, section 4.1.3) begins so.
const RETRY: [u8; 8] = [0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11];

/// How far each side of a connection has been read.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    sides: HashMap<(Endpoint, Endpoint), Side, RandomState>,
}

/// One side of a connection.
#[derive(Clone, Copy, Debug, Default)]
struct Side {
    /// The sequence number of the byte that comes next.
    next: u32,
    /// Bytes of a record that are still to come.
    left: usize,
    is_encrypted: bool,
}

impl Sessions {
    /// Blanks a segment of TLS; false if it is none.
    pub(super) fn segment(
        &mut self,
        pseudonyms: &mut Pseudonyms,
        (path, sequence): (Path, u32),
        payload: &mut [u8],
    ) -> bool {
        let key = (path.source, path.destination);
        let known = self.sides.get(&key).copied().filter(|side| side.next == sequence);
        let mut side = match known {
            Some(side) => side,
            None if record(payload).is_some() => Side::default(),
            None => return false,
        };
        let skipped = side.left.min(payload.len());
        pseudonyms.blank(part(payload, 0..skipped));
        side.left -= skipped;
        let mut at = skipped;
        while let Some((kind, length)) = record(payload.get(at..).unwrap_or_default()) {
            let start = at + HEADER;
            let end = start + length;
            let own = part(payload, start.min(payload.len())..end.min(payload.len()));
            let is_whole = own.len() == length;
            match kind {
                CHANGE_CIPHER_SPEC if is_whole => side.is_encrypted = true,
                ALERT if length == 2 => {}
                HANDSHAKE if is_whole && !side.is_encrypted => pseudonyms.handshake(own),
                _ => pseudonyms.blank(own),
            }
            at = end.min(payload.len());
            side.left = end - at;
        }
        let length = payload.len();
        // A header that lies in two segments is given up.
        pseudonyms.blank(part(payload, at.min(length)..length));
        side.next = sequence.wrapping_add(length as u32);
        if self.sides.len() >= TCP_FLOWS_MAX {
            self.sides.clear();
        }
        self.sides.insert(key, side);
        true
    }
}

/// Kind and length of the record that begins there.
fn record(bytes: &[u8]) -> Option<(u8, usize)> {
    let [kind @ CHANGE_CIPHER_SPEC..=APPLICATION_DATA, 3, 0..=4, high, low, ..] = *bytes else {
        return None;
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    (1..=BODY_BYTES_MAX).contains(&length).then_some((kind, length))
}

impl Pseudonyms {
    /// Handshake messages of one record: their kinds and lengths.
    fn handshake(&mut self, body: &mut [u8]) {
        let mut at = 0;
        while let Some([kind, high, middle, low]) = array::<4>(body, at) {
            let length = u32::from_be_bytes([0, high, middle, low]) as usize;
            let start = at + 4;
            let is_known = matches!(kind, 0..=2 | 4 | 8 | 11..=16 | 20..=22 | 24);
            if !is_known || start + length > body.len() {
                break;
            }
            let own = part(body, start..start + length);
            match kind {
                1 | 2 => self.hello(own, kind == 1),
                _ => self.blank(own),
            }
            at = start + length;
        }
        let length = body.len();
        self.blank(part(body, at..length));
    }

    fn hello(&mut self, body: &mut [u8], is_client: bool) {
        if body.get(2..10).is_none_or(|random| random != RETRY) {
            let end = body.len().min(34);
            self.blank(part(body, 2.min(end)..end));
        }
        let session = body.get(34).copied().map_or(0, usize::from);
        let after = (35 + session).min(body.len());
        self.blank(part(body, 35.min(after)..after));
        // Suites and compression: lists of the client, choices of the server.
        let mut at = match is_client {
            true => {
                let methods = after + 2 + be16(body, after).map_or(0, usize::from);
                methods + 1 + body.get(methods).copied().map_or(0, usize::from)
            }
            false => after + 3,
        };
        at += 2;
        while let (Some(kind), Some(length)) = (be16(body, at), be16(body, at + 2)) {
            let start = at + 4;
            let end = (start + usize::from(length)).min(body.len());
            let value = part(body, start.min(end)..end);
            match kind {
                SERVER_NAME if value.len() > 5 => {
                    let length = value.len();
                    self.text(part(value, 5..length), Stays::Nothing);
                }
                kind if PLAIN.contains(&kind) => {}
                _ => self.blank(value),
            }
            at = start + usize::from(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::redact::Key;

    fn path() -> Path {
        let end = |last| Endpoint { address: [192, 0, 2, last].into(), port: 5061 };
        Path { source: end(1), destination: end(2), ip_id: 7, vlan: 0 }
    }

    fn hello() -> Vec<u8> {
        let name = b"\0\0\0\x0d\0\x0b\0\0\x08pbx.acme";
        let alpn = b"\0\x10\0\x08\0\x06\x05sip/2";
        let tail = [&[0, 0, 2, 0x13, 1, 1, 0, 0, 29][..], name, alpn].concat();
        let body = [&[3, 3][..], &[7; 32], &tail].concat();
        let message = [&[1, 0, 0, body.len() as u8][..], &body].concat();
        [&[22, 3, 1, 0, message.len() as u8][..], &message].concat()
    }

    #[test]
    fn a_hello_keeps_what_it_offers_and_loses_whom_it_asks() {
        let mut pseudonyms = Pseudonyms::new(Key::of(b"test"), 0);
        let mut bytes = hello();
        assert!(Sessions::default().segment(&mut pseudonyms, (path(), 1), &mut bytes));
        assert_eq!(bytes.len(), hello().len());
        let has = |text: &[u8]| bytes.windows(text.len()).any(|part| part == text);
        assert!(has(b"sip/2") && has(&[0x13, 1]) && !has(b"acme") && !has(&[7; 4]));
    }

    #[test]
    fn a_record_over_several_segments_is_followed() {
        let mut pseudonyms = Pseudonyms::new(Key::of(b"test"), 0);
        let mut sessions = Sessions::default();
        let stream = [&[23, 3, 3, 0, 20][..], &[9; 20], &[21, 3, 3, 0, 2, 2, 40]].concat();
        let mut read = Vec::new();
        let mut sequence = 1_u32;
        for piece in stream.chunks(12) {
            let mut piece = piece.to_vec();
            assert!(sessions.segment(&mut pseudonyms, (path(), sequence), &mut piece));
            sequence += piece.len() as u32;
            read.extend(piece);
        }
        assert_eq!(read, [&[23, 3, 3, 0, 20][..], &[0; 20], &[21, 3, 3, 0, 2, 2, 40]].concat());
    }

    #[test]
    fn other_bytes_are_none() {
        let mut pseudonyms = Pseudonyms::new(Key::of(b"test"), 0);
        let mut sessions = Sessions::default();
        let mut bytes = *b"OPTIONS sip:a@b SIP/2.0";
        assert!(!sessions.segment(&mut pseudonyms, (path(), 1), &mut bytes));
        for cut in 0..hello().len() {
            let mut bytes = hello()[..cut].to_vec();
            sessions.segment(&mut pseudonyms, (path(), 1), &mut bytes);
        }
    }
}
