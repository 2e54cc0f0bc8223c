//! IP packets and what they carry: headers with pseudonyms for addresses and new checksums, content
//! by its kind.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::layout::{self, Ip};
use super::patches::patched;
use super::text::{Pseudonyms, part};
use super::{Patch, Redactor, checksum};
use crate::bytes::{array, be16, be32};
use crate::packet::{Endpoint, Path};
use crate::transport::message_in_datagram;

/// The protocol number for experiments (RFC 3692): nothing is said of the content.
const NOTHING: u8 = 253;

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMP_V6: u8 = 58;
const SCTP: u8 = 132;
const UDP_LITE: u8 = 136;

/// Options of TCP that carry figures: end, padding, segment size, window scale, SACK, timestamps.
const TCP_OPTIONS: [u8; 7] = [0, 1, 2, 3, 4, 5, 8];

/// What is known of the content of an IP packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content<'c> {
    /// Nothing but the header is understood; the protocol is not to be named where the second is
    /// true.
    pub(super) opaque: Option<bool>,
    /// Bytes of the frame that are cut off.
    pub(super) cut: usize,
    /// Where the packet begins in the frame that the patches are of.
    pub(super) from: isize,
    pub(super) patches: &'c [Patch],
}

/// One packet above IP.
struct Above<'c> {
    ends: (IpAddr, IpAddr),
    /// Pseudonyms of the ends.
    shown: (IpAddr, IpAddr),
    protocol: u8,
    is_cut: bool,
    /// It is put together of fragments, of which none is cut off.
    is_whole: bool,
    content: Content<'c>,
    /// Where it begins in the packet.
    at: usize,
}

impl Redactor {
    /// An IP packet with all that follows it in the frame; gives how many bytes are to be kept.
    pub(super) fn ip(&mut self, packet: &mut [u8], content: Content<'_>) -> usize {
        let Some(header) = layout::ip(packet, content.cut) else {
            self.pseudonyms.blank(packet);
            return packet.len();
        };
        let Ip { header: length, end, protocol, protocol_at, piece, .. } = header;
        let total = packet.len();
        // Behind the packet is padding, or the checksum of the link.
        self.pseudonyms.blank(part(packet, end..total));
        let Some((ends, shown)) = self.ip_header(part(packet, 0..length)) else {
            self.pseudonyms.blank(packet);
            return total;
        };
        let is_cut = header.missing > 0;
        let is_whole = false;
        let above = Above { ends, shown, protocol, is_cut, is_whole, content, at: length };
        let body = part(packet, length..end);
        let kept = match (content.opaque, piece) {
            (Some(is_unnamed), _) => {
                self.pseudonyms.blank(body);
                is_unnamed.then_some(0)
            }
            (None, Some(is_first)) => {
                self.piece(body, is_first, &above);
                None
            }
            (None, None) => self.above(body, &above),
        };
        if content.opaque == Some(true)
            && let Some(place) = packet.get_mut(protocol_at)
        {
            *place = NOTHING;
        }
        seal_v4(packet);
        kept.map_or(total, |kept| length + kept)
    }

    /// A packet that came in fragments, from the header above IP on.
    pub(super) fn whole(
        &mut self,
        ends: (IpAddr, IpAddr),
        protocol: u8,
        body: &mut [u8],
        is_cut: bool,
    ) {
        let shown = (self.pseudonyms.address(ends.0), self.pseudonyms.address(ends.1));
        let content = Content { opaque: None, cut: 0, from: 0, patches: &[] };
        let is_whole = true;
        self.above(body, &Above { ends, shown, protocol, is_cut, is_whole, content, at: 0 });
    }

    /// The addresses of a header and their pseudonyms; options and extension headers are emptied.
    #[allow(clippy::type_complexity)]
    fn ip_header(&mut self, header: &mut [u8]) -> Option<((IpAddr, IpAddr), (IpAddr, IpAddr))> {
        let pseudonyms = &mut self.pseudonyms;
        if header.first()? >> 4 == 4 {
            let ends = [12, 16].map(|at| array::<4>(header, at).map(Ipv4Addr::from));
            let [Some(source), Some(destination)] = ends else { return None };
            let ends = (source.into(), destination.into());
            let shown = (pseudonyms.address(ends.0), pseudonyms.address(ends.1));
            for (at, address) in [(12, shown.0), (16, shown.1)] {
                if let IpAddr::V4(address) = address {
                    part(header, at..at + 4).copy_from_slice(&address.octets());
                }
            }
            // Options may be addresses of routers; a one is none.
            let length = header.len();
            part(header, 20..length).fill(1);
            return Some((ends, shown));
        }
        let ends = [8, 24].map(|at| array::<16>(header, at).map(Ipv6Addr::from));
        let [Some(source), Some(destination)] = ends else { return None };
        let ends = (source.into(), destination.into());
        let shown = (pseudonyms.address(ends.0), pseudonyms.address(ends.1));
        for (at, address) in [(8, shown.0), (24, shown.1)] {
            if let IpAddr::V6(address) = address {
                part(header, at..at + 16).copy_from_slice(&address.octets());
            }
        }
        extensions(header);
        Some((ends, shown))
    }

    /// A fragment: what is known of the whole packet, else its first header.
    fn piece(&mut self, body: &mut [u8], is_first: bool, above: &Above<'_>) {
        let from = usize::try_from(above.content.from + above.at as isize).unwrap_or(0);
        if !above.content.patches.is_empty() {
            let header = array::<8>(body, 0).filter(|_| is_first && above.protocol == UDP);
            patched(body, from, above.content.patches);
            // Of a tunnel in fragments only the inside is known.
            if let Some([a, b, c, d, e, f, ..]) = header.filter(|_| body.starts_with(&[0; 8])) {
                part(body, 0..6).copy_from_slice(&[a, b, c, d, e, f]);
            }
            return;
        }
        match above.protocol {
            UDP if is_first && body.len() >= 8 => {
                part(body, 6..8).fill(0);
                let length = body.len();
                let payload = part(body, 8..length);
                match message_in_datagram(payload).is_some() {
                    true => self.pseudonyms.message(payload),
                    false => self.pseudonyms.blank(payload),
                }
            }
            TCP if is_first && body.len() >= 20 => {
                part(body, 16..18).fill(0);
                self.pseudonyms.blank_from(body, 20);
            }
            _ => self.pseudonyms.blank(body),
        }
    }

    /// What a packet carries; gives how many bytes of it are to be kept, where not all are.
    fn above(&mut self, body: &mut [u8], above: &Above<'_>) -> Option<usize> {
        match above.protocol {
            UDP | UDP_LITE if body.len() >= 8 => return self.udp(body, above),
            TCP if body.len() >= 20 => return self.tcp(body, above),
            ICMP | ICMP_V6 if body.len() >= 8 => self.icmp(body, above),
            SCTP if body.len() >= 12 => self.sctp(body, above),
            _ => self.pseudonyms.blank(body),
        }
        None
    }

    fn udp(&mut self, body: &mut [u8], above: &Above<'_>) -> Option<usize> {
        let claimed = match usize::from(be16(body, 4).unwrap_or(0)) {
            0 => body.len(),
            _ if above.protocol == UDP_LITE => body.len(),
            length => length.max(8),
        };
        let is_cut = above.is_cut || claimed > body.len();
        let end = claimed.min(body.len());
        let length = body.len();
        self.pseudonyms.blank(part(body, end..length));
        let ports = (be16(body, 0).unwrap_or(0), be16(body, 2).unwrap_or(0));
        let is_left = self.udp_payload(part(body, 8..end), ports);

        let had_checksum = be16(body, 6) != Some(0);
        part(body, 6..8).fill(0);
        let must_have = above.ends.0.is_ipv6() || above.protocol == UDP_LITE;
        if (had_checksum || must_have) && !is_cut {
            let covered = match (above.protocol, be16(body, 4)) {
                (UDP_LITE, Some(length @ 8..)) => usize::from(length),
                _ => end,
            };
            let datagram = part(body, 0..end);
            let sum = checksum::transport(above.shown, above.protocol, datagram, covered);
            // Zero would say that there is none.
            let sum = if sum == 0 { u16::MAX } else { sum };
            part(body, 6..8).copy_from_slice(&sum.to_be_bytes());
        }
        if must_have && (is_cut || !is_left && !above.is_whole) {
            // There has to be one, and nobody can tell whether it is right.
            part(body, 6..8).fill(0xff);
        }
        (!is_left).then_some(8)
    }

    /// A SIP message, or anything else; false if nothing is left.
    fn udp_payload(&mut self, payload: &mut [u8], ports: (u16, u16)) -> bool {
        match message_in_datagram(payload).is_some() {
            true => {
                self.pseudonyms.message(payload);
                true
            }
            false => self.pseudonyms.datagram(payload, ports),
        }
    }

    fn tcp(&mut self, body: &mut [u8], above: &Above<'_>) -> Option<usize> {
        let header = body.get(12).map_or(0, |byte| usize::from(byte >> 4) * 4);
        let header = header.clamp(20, body.len());
        tcp_options(part(body, 20..header));
        let length = body.len();
        let ports = (be16(body, 0).unwrap_or(0), be16(body, 2).unwrap_or(0));
        let sequence = be32(body, 4).unwrap_or(0);
        let path = Path {
            source: Endpoint { address: above.ends.0, port: ports.0 },
            destination: Endpoint { address: above.ends.1, port: ports.1 },
            ip_id: 0,
            vlan: 0,
        };
        let payload = part(body, header..length);
        let from = above.content.from + (above.at + header) as isize;
        let patches = above.content.patches;
        let mut kept = None;
        if payload.iter().all(|byte| b"\r\n\0".contains(byte)) {
        } else if !patches.is_empty() {
            patched(payload, usize::try_from(from).unwrap_or(0), patches);
        } else if is_http(payload) {
            self.pseudonyms.nested(payload, 0);
        } else if !self.sessions.segment(&mut self.pseudonyms, (path, sequence), payload) {
            self.pseudonyms.blank(payload);
            let is_other = !self.patches.has_sip((path.source, path.destination));
            kept = is_other.then_some(header);
        }
        part(body, 16..18).fill(0);
        if !above.is_cut && kept.is_none() {
            let sum = checksum::transport(above.shown, TCP, body, body.len());
            part(body, 16..18).copy_from_slice(&sum.to_be_bytes());
        }
        kept
    }

    fn icmp(&mut self, body: &mut [u8], above: &Above<'_>) {
        let is_v6 = above.protocol == ICMP_V6;
        let (Some(kind), length) = (body.first().copied(), body.len()) else { return };
        match (is_v6, kind) {
            (false, 3 | 11 | 12) | (true, 1..=4) => self.quoted(part(body, 8..length)),
            (false, 5) => {
                if let Some(gateway) = array::<4>(body, 4)
                    && let IpAddr::V4(other) = self.pseudonyms.address(gateway.into())
                {
                    part(body, 4..8).copy_from_slice(&other.octets());
                }
                self.quoted(part(body, 8..length));
            }
            (false, 0 | 8) | (true, 128 | 129) => self.pseudonyms.blank_from(body, 8),
            (_, _) => {
                // Neighbours, groups and the like name addresses: nothing is said of them but that
                // they were there, by a number for experiments (RFC 4443, section 6.2).
                if let Some(first) = body.first_mut() {
                    *first = if is_v6 { 200 } else { 253 };
                }
                self.pseudonyms.blank_from(body, 4);
            }
        }
        part(body, 2..4).fill(0);
        if !above.is_cut {
            let sum = match is_v6 {
                true => checksum::transport(above.shown, ICMP_V6, body, length),
                false => checksum::internet(&[body]),
            };
            part(body, 2..4).copy_from_slice(&sum.to_be_bytes());
        }
    }

    /// The beginning of a packet that an error quotes.
    fn quoted(&mut self, packet: &mut [u8]) {
        let Some(Ip { header, protocol, piece, .. }) = layout::ip(packet, 0) else {
            return self.pseudonyms.blank(packet);
        };
        let total = packet.len();
        if self.ip_header(part(packet, 0..header)).is_none() {
            return self.pseudonyms.blank(packet);
        }
        let is_first = piece.unwrap_or(true);
        let body = part(packet, header..total);
        match protocol {
            UDP if is_first && body.len() >= 8 => {
                // Of a part of the datagram there is no checksum.
                part(body, 6..8).fill(0);
                let length = body.len();
                let ports = (be16(body, 0).unwrap_or(0), be16(body, 2).unwrap_or(0));
                self.udp_payload(part(body, 8..length), ports);
            }
            TCP if is_first => {
                if body.len() >= 18 {
                    part(body, 16..18).fill(0);
                }
                self.pseudonyms.blank_from(body, 20);
            }
            _ => self.pseudonyms.blank_from(body, 4),
        }
        seal_v4(packet);
    }

    fn sctp(&mut self, body: &mut [u8], above: &Above<'_>) {
        const DATA: u8 = 0;
        const WHOLE: u8 = 3;

        let mut at = 12;
        while let Some([kind, flags, high, low]) = array::<4>(body, at) {
            let claimed = usize::from(u16::from_be_bytes([high, low])).max(4);
            let end = (at + claimed).min(body.len());
            let chunk = part(body, at..end);
            let length = chunk.len();
            match kind {
                DATA => {
                    let data = part(chunk, 16.min(length)..length);
                    match flags & WHOLE == WHOLE && message_in_datagram(data).is_some() {
                        true => self.pseudonyms.message(data),
                        false => self.pseudonyms.blank(data),
                    }
                }
                1 | 2 => self.sctp_parameters(chunk),
                // Acknowledgements and the end of an association are figures.
                3 | 7 | 8 | 11 | 14 | 192 => {}
                // Parameters and causes have a length of their own.
                4..=6 | 9 => self.pseudonyms.blank_from(chunk, 8),
                _ => self.pseudonyms.blank_from(chunk, 4),
            }
            at += claimed.next_multiple_of(4);
        }
        part(body, 8..12).fill(0);
        if !above.is_cut {
            let sum = checksum::castagnoli(&[body]);
            part(body, 8..12).copy_from_slice(&sum.to_le_bytes());
        }
    }

    /// Parameters of the chunks that begin an association: addresses get pseudonyms.
    fn sctp_parameters(&mut self, chunk: &mut [u8]) {
        let mut at = 20;
        while let (Some(kind), Some(length)) = (be16(chunk, at), be16(chunk, at + 2)) {
            let length = usize::from(length).max(4);
            let end = (at + length).min(chunk.len());
            let value = part(chunk, (at + 4).min(end)..end);
            let address = match (kind, value.len()) {
                (5, 4) => array::<4>(value, 0).map(IpAddr::from),
                (6, 16) => array::<16>(value, 0).map(IpAddr::from),
                _ => None,
            };
            match address.map(|address| self.pseudonyms.address(address)) {
                Some(IpAddr::V4(other)) => value.copy_from_slice(&other.octets()),
                Some(IpAddr::V6(other)) => value.copy_from_slice(&other.octets()),
                None => self.pseudonyms.blank(value),
            }
            at += length.next_multiple_of(4);
        }
    }
}

impl Pseudonyms {
    /// ARP for IPv4 over Ethernet.
    pub(super) fn arp(&mut self, body: &mut [u8]) {
        if body.get(..6) != Some(&[0, 1, 8, 0, 6, 4]) || body.len() < 28 {
            return self.blank(body);
        }
        for at in [8, 18] {
            if let Some(mac) = array::<6>(body, at) {
                part(body, at..at + 6).copy_from_slice(&self.addresses.mac(mac));
            }
        }
        for at in [14, 24] {
            let address = array::<4>(body, at).map(IpAddr::from);
            if let Some(IpAddr::V4(other)) = address.map(|address| self.address(address)) {
                part(body, at..at + 4).copy_from_slice(&other.octets());
            }
        }
        self.blank_from(body, 28);
    }
}

/// Makes the checksum of an IPv4 header anew.
pub(super) fn seal_v4(packet: &mut [u8]) {
    let Some(first) = packet.first().copied().filter(|first| first >> 4 == 4) else { return };
    let header = part(packet, 0..usize::from(first & 15) * 4);
    if header.len() >= 20 {
        part(header, 10..12).fill(0);
        let sum = checksum::internet(&[header]);
        part(header, 10..12).copy_from_slice(&sum.to_be_bytes());
    }
}

/// Empties extension headers but for what follows them and how long they are.
fn extensions(header: &mut [u8]) {
    let mut kind = header.get(6).copied().unwrap_or(59);
    let mut at = 40;
    while let Some([next, length]) = array::<2>(header, at) {
        let length = match kind {
            44 => 8,
            51 => 8 + usize::from(length) * 4,
            _ => 8 + usize::from(length) * 8,
        };
        if kind != 44 {
            // Zeros are padding among options; a routing header keeps its type.
            let kept = if kind == 43 { 3 } else { 2 };
            let end = (at + length).min(header.len());
            part(header, (at + kept).min(end)..end).fill(0);
        }
        kind = next;
        at += length;
    }
}

/// Options that carry more than figures become padding.
fn tcp_options(options: &mut [u8]) {
    let mut at = 0;
    while let Some(kind) = options.get(at).copied() {
        let length = match kind {
            0 => options.len() - at,
            1 => 1,
            _ => usize::from(options.get(at + 1).copied().unwrap_or(0)).max(2),
        };
        let end = (at + length).min(options.len());
        match kind {
            0 => part(options, at..end).fill(0),
            kind if TCP_OPTIONS.contains(&kind) => {}
            _ => part(options, at..end).fill(1),
        }
        at = end;
    }
}

/// The request or response of HTTP that WebSocket begins with (RFC 6455, section 1.3).
fn is_http(payload: &[u8]) -> bool {
    let has = |text: &[u8]| memchr::memmem::find(payload, text).is_some();
    let begins = payload.starts_with(b"GET ") || payload.starts_with(b"HTTP/1.1 101");
    begins && has(b"HTTP/1.") && (has(b"ebsocket") || has(b"ebSocket"))
}
