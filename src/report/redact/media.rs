//! What is left of UDP payloads that are no SIP: headers, times and figures, no content.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::checksum;
use super::text::{Pseudonyms, part};
use crate::bytes::{be16, be32};
use crate::rtp::Kind;

/// The fixed header of RTP.
const RTP_HEADER: usize = 12;

/// Payload types of events are dynamic ones (RFC 3551, section 6).
const DYNAMIC: u8 = 96;

/// The last of the events that are keys of a telephone (RFC 4733, section 3.2).
const KEY_MAX: u8 = 15;

/// The header of STUN, and what its fingerprint is combined with (RFC 8489, section 14.7).
const STUN_HEADER: usize = 20;
const FINGERPRINT: u32 = 0x5354_554e;

impl Pseudonyms {
    /// The payload of a datagram that has no SIP message; false if nothing is left of it.
    pub(super) fn datagram(&mut self, payload: &mut [u8], ports: (u16, u16)) -> bool {
        // Keep-alives: line ends, zeros.
        if payload.iter().all(|byte| b"\r\n\0".contains(byte)) {
            return true;
        }
        // Below 1024 are services, and a name in a query may look like anything.
        let kind = match ports.0.min(ports.1) {
            0..1024 | 1900 | 5353 | 5355 => Kind::Other,
            _ => Kind::of(payload),
        };
        match kind {
            Kind::Rtp => self.rtp(payload),
            Kind::Rtcp => self.rtcp(payload),
            Kind::Stun => self.stun(payload),
            Kind::Dtls => self.dtls(payload),
            Kind::TurnChannel => self.blank_from(payload, 4),
            Kind::Zrtp => self.blank_from(payload, 8),
            Kind::Other => self.blank(payload),
        }
        kind != Kind::Other
    }

    pub(super) fn blank_from(&mut self, bytes: &mut [u8], from: usize) {
        let length = bytes.len();
        self.blank(part(bytes, from.min(length)..length));
    }

    fn rtp(&mut self, packet: &mut [u8]) {
        let [first, second, ..] = *packet else { return self.blank(packet) };
        let sources = usize::from(first & 0x0f) * 4;
        let mut start = RTP_HEADER;
        self.blank(part(packet, start..(start + sources).min(packet.len())));
        start += sources;
        if first & 0x10 != 0 {
            // Anything else than a header extension (RFC 8285) is of no known form.
            match be16(packet, start) {
                Some(0xbede | 0x1000..=0x100f) => {
                    let words = be16(packet, start + 2).map_or(0, usize::from);
                    start += 4;
                    let end = (start + words * 4).min(packet.len());
                    self.blank(part(packet, start.min(end)..end));
                    start = end;
                }
                _ => {
                    self.blank(part(packet, start.min(packet.len())..packet.len()));
                    start += 4;
                }
            }
        }
        let last = packet.len().saturating_sub(1);
        // How much padding there is, the last byte says.
        let end = if first & 0x20 != 0 { last } else { packet.len() };
        let media = part(packet, start.min(end)..end);
        match media {
            [event @ 0..=KEY_MAX, flags, _, _]
                if second & 0x7f >= DYNAMIC && *flags & 0x40 == 0 =>
            {
                self.counts.blanked += 1;
                *event = 0;
            }
            [event, flags, _, _] if second & 0x7f >= DYNAMIC && *event <= 63 && *flags < 0x40 => {}
            media => self.blank(media),
        }
    }

    fn rtcp(&mut self, packet: &mut [u8]) {
        let mut at = 0;
        while let Some(&[first, kind, high, low]) = packet.get(at..).and_then(|p| p.first_chunk()) {
            let length = 4 + usize::from(u16::from_be_bytes([high, low])) * 4;
            let is_known = first >> 6 == 2 && (192..=223).contains(&kind);
            if !is_known || at + length > packet.len() {
                break;
            }
            let count = usize::from(first & 0x1f);
            let one = part(packet, at..at + length);
            match kind {
                200 => self.blank_from(one, 28 + count * 24),
                201 => self.blank_from(one, 8 + count * 24),
                202 => self.source_description(one),
                203 => self.goodbye(one, 4 + count * 4),
                205..=207 => {}
                _ => self.blank_from(one, 12),
            }
            at += length;
        }
        // Of a first packet that is cut, and of SRTCP, the head is readable.
        let head = if at == 0 { 8 } else { at };
        self.blank_from(packet, head);
    }

    fn source_description(&mut self, packet: &mut [u8]) {
        let mut at = 4;
        while at + 4 < packet.len() {
            at += 4;
            while let Some(&[kind, length]) = packet.get(at..).and_then(|rest| rest.first_chunk()) {
                if kind == 0 {
                    break;
                }
                let end = at + 2 + usize::from(length);
                let end = end.min(packet.len());
                self.secret(part(packet, (at + 2).min(end)..end));
                at = end;
            }
            at = (at + 1).next_multiple_of(4);
        }
    }

    fn goodbye(&mut self, packet: &mut [u8], sources: usize) {
        if let Some(length) = packet.get(sources).copied() {
            let end = (sources + 1 + usize::from(length)).min(packet.len());
            self.secret(part(packet, sources + 1..end));
        }
    }

    /// Addresses get their pseudonyms, other values are put to zero.
    fn stun(&mut self, message: &mut [u8]) {
        let Some(head) = message.get(..STUN_HEADER).map(<[u8]>::to_vec) else {
            return self.blank_from(message, 8);
        };
        let mut at = STUN_HEADER;
        while let (Some(kind), Some(length)) = (be16(message, at), be16(message, at + 2)) {
            let (start, length) = (at + 4, usize::from(length));
            let end = (start + length).min(message.len());
            let (before, value) = message.split_at_mut(start.min(end));
            let value = part(value, 0..end - start.min(end));
            match kind {
                0x0001 | 0x8023 | 0x802b | 0x802c => self.stun_address(value, &[]),
                0x0012 | 0x0016 | 0x0020 => self.stun_address(value, head.get(4..).unwrap_or(&[])),
                // ICE: priority, candidate, controlled, controlling; an error; its fingerprint.
                0x0024 | 0x0025 | 0x8029 | 0x802a => {}
                0x0009 => self.blank_from(value, 4),
                0x8028 if value.len() == 4 => {
                    let sum = checksum::crc32(&[part(before, 0..at)]) ^ FINGERPRINT;
                    value.copy_from_slice(&sum.to_be_bytes());
                }
                _ => self.blank(value),
            }
            at = (start + length).next_multiple_of(4);
        }
        let length = message.len();
        self.blank(part(message, at.min(length)..length));
    }

    /// A family, a port, an address; the latter two combined with a mask.
    fn stun_address(&mut self, value: &mut [u8], mask: &[u8]) {
        let length = value.len();
        let Some(bytes) = value.get_mut(4..) else { return self.blank(value) };
        let masked = |bytes: &mut [u8]| {
            bytes.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
        };
        masked(bytes);
        match length {
            8 => {
                let octets = be32(bytes, 0).unwrap_or(0);
                if let IpAddr::V4(other) = self.address(Ipv4Addr::from(octets).into()) {
                    bytes.copy_from_slice(&other.octets());
                }
            }
            20 => {
                let octets = bytes.first_chunk::<16>().copied().unwrap_or_default();
                if let IpAddr::V6(other) = self.address(Ipv6Addr::from(octets).into()) {
                    bytes.copy_from_slice(&other.octets());
                }
            }
            _ => return self.blank(bytes),
        }
        masked(bytes);
    }

    /// Records keep their headers; of handshakes the kind stays, of alerts all.
    fn dtls(&mut self, payload: &mut [u8]) {
        const HEADER: usize = 13;
        const ALERT: u8 = 21;
        const HANDSHAKE: u8 = 22;

        let mut at = 0;
        while let (Some(kind), Some(length)) = (payload.get(at).copied(), be16(payload, at + 11)) {
            let is_plain = be16(payload, at + 3) == Some(0);
            let start = at + HEADER;
            let end = (start + usize::from(length)).min(payload.len());
            let body = part(payload, start.min(end)..end);
            match kind {
                ALERT if is_plain && body.len() == 2 => {}
                HANDSHAKE if is_plain => self.blank_from(body, 12),
                _ => self.blank(body),
            }
            at = end.max(start);
        }
        let length = payload.len();
        self.blank(part(payload, at.min(length)..length));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::redact::Key;

    fn replaced(payload: &[u8], ports: (u16, u16)) -> (Vec<u8>, Pseudonyms) {
        let mut pseudonyms = Pseudonyms::new(Key::of(b"test"), 0);
        let mut bytes = payload.to_vec();
        pseudonyms.datagram(&mut bytes, ports);
        assert_eq!(bytes.len(), payload.len());
        (bytes, pseudonyms)
    }

    const MEDIA: (u16, u16) = (40_000, 40_002);

    #[test]
    fn of_media_the_header_stays() {
        let packet = b"\x80\x88\x12\x34\0\0\0\xa0\xde\xad\xbe\xefmedia of somebody";
        let (bytes, _) = replaced(packet, MEDIA);
        assert_eq!(bytes[..12], packet[..12]);
        assert!(bytes[12..].iter().all(|byte| *byte == 0));
        let (bytes, _) = replaced(packet, (53, 40_000));
        assert!(bytes.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn of_keys_the_times_stay() {
        let packet = b"\x80\xe5\x12\x34\0\0\0\xa0\xde\xad\xbe\xef\x05\x8a\x03\x20";
        let (bytes, _) = replaced(packet, MEDIA);
        assert_eq!(bytes[12..], [0, 0x8a, 3, 0x20]);
    }

    #[test]
    fn names_of_sources_go_and_figures_stay() {
        let report = [&[0x80, 200, 0, 6][..], &[7; 24]].concat();
        let names = b"\x81\xca\0\x03\x07\x07\x07\x07\x01\x05@acme\0";
        let packet = [&report[..], names].concat();
        let (bytes, _) = replaced(&packet, MEDIA);
        assert_eq!(bytes[..28], packet[..28]);
        assert_eq!(bytes[28..38], packet[28..38]);
        assert!(!bytes.windows(4).any(|text| text == b"acme"));
        assert_eq!((bytes[38], bytes[43]), (b'@', 0));
    }

    #[test]
    fn addresses_in_stun_are_the_same_as_elsewhere() {
        let cookie = [0x21, 0x12, 0xa4, 0x42];
        let address = [192, 168, 7, 9];
        let masked: Vec<u8> = address.iter().zip(cookie).map(|(a, b)| a ^ b).collect();
        let mut packet = [&[1, 1, 0, 24][..], &cookie, &[5; 12]].concat();
        packet.extend([0, 0x20, 0, 8, 0, 1, 0x11, 0x22]);
        packet.extend(&masked);
        packet.extend([0x80, 0x22, 0, 4]);
        packet.extend(b"acme");
        let (bytes, mut pseudonyms) = replaced(&packet, MEDIA);
        let found: Vec<u8> = bytes[28..32].iter().zip(cookie).map(|(a, b)| a ^ b).collect();
        let other = pseudonyms.address(address.into());
        assert_eq!(IpAddr::from(<[u8; 4]>::try_from(found).expect("four")), other);
        assert_eq!(bytes[36..], [0; 4]);
    }

    #[test]
    fn any_bytes_are_survived() {
        let mut pseudonyms = Pseudonyms::new(Key::of(b"test"), 0);
        for first in 0..=255_u8 {
            for length in 0..48 {
                let mut bytes: Vec<u8> = (0..length).map(|at: u8| at.wrapping_mul(first)).collect();
                if let Some(byte) = bytes.first_mut() {
                    *byte = first;
                }
                pseudonyms.datagram(&mut bytes, MEDIA);
            }
        }
    }
}
