//! A whole frame: in place where its headers are known, else taken out of what it was in.
//!
//! A frame in a tunnel, or of a rare link type, becomes an Ethernet frame of what was inside, with
//! headers made anew: of the headers of tunnels nobody can say what they tell.

use std::net::IpAddr;

use super::internet::Content;
use super::layout::{self, ARP, IPV4, IPV6};
use super::text::part;
use super::{Patch, Redacted, Redactor};
use crate::bytes::{self, array, be16};
use crate::capture::{Frame, LinkType};
use crate::packet::{Endpoint, Fragment, Packet, Path, Segment, Unread};
use crate::transport::message_in_datagram;

/// The Ethernet type for experiments (IEEE 802, 9.2.4): nothing is said of the content.
const NOTHING: u16 = 0x88b5;

/// Addresses of no card, one for each direction.
const SENDER: [u8; 6] = [2, 0, 0, 0, 0, 1];
const RECEIVER: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// The link type of PDUs that Wireshark exports, and its tags.
const EXPORTED: LinkType = LinkType(252);

impl Redactor {
    pub(super) fn redacted(
        &mut self,
        frame: &Frame<'_>,
        packet: &Packet<'_>,
        patches: &[Patch],
    ) -> Redacted {
        match layout::plain(frame, packet) {
            Some(upper) => self.in_place(frame, packet, upper, patches),
            // What is no packet has a number all the same.
            None if frame.link == LinkType::NOT_A_PACKET => self.nothing(frame, LinkType::ETHERNET),
            None => self.lifted(frame, packet, patches),
        }
    }

    fn in_place(
        &mut self,
        frame: &Frame<'_>,
        packet: &Packet<'_>,
        upper: layout::Upper,
        patches: &[Patch],
    ) -> Redacted {
        let mut data = frame.data.to_vec();
        let length = data.len();
        let (link, rest) = data.split_at_mut(upper.at.min(length));
        self.link(frame.link, link);
        match upper.kind {
            IPV4 | IPV6 => {
                let cut = (frame.original_length as usize).saturating_sub(length);
                let opaque = match packet {
                    Packet::Other => Some(true),
                    Packet::Unread(_) | Packet::Encrypted { .. } => Some(false),
                    _ => None,
                };
                let from = upper.at as isize;
                let kept = self.ip(rest, Content { opaque, cut, from, patches });
                data.truncate(upper.at + kept);
            }
            ARP => self.pseudonyms.arp(rest),
            kind => {
                self.pseudonyms.blank(rest);
                data.truncate(upper.at);
                if let Some(at) = upper.kind_at.filter(|_| kind >= 1536) {
                    part(&mut data, at..at + 2).copy_from_slice(&NOTHING.to_be_bytes());
                }
            }
        }
        // A damaged record says that it was shorter than what it has.
        let original_length = frame.original_length.max(data.len() as u32);
        Redacted { link: frame.link, data, original_length }
    }

    /// The addresses of cards.
    fn link(&mut self, link: LinkType, header: &mut [u8]) {
        let places: &[usize] = match link.0 {
            1 => &[0, 6],
            113 => &[6],
            276 => &[12],
            _ => &[],
        };
        for at in places {
            let Some(mac) = array::<6>(header, *at) else { continue };
            self.pseudonyms.counts.addresses += 1;
            let other = self.pseudonyms.addresses.mac(mac);
            part(header, *at..at + 6).copy_from_slice(&other);
        }
        match link.0 {
            // Two bytes more than the address has.
            113 => part(header, 12..14).fill(0),
            276 => {
                // The number of the interface is of this machine.
                part(header, 4..8).fill(0);
                part(header, 18..20).fill(0);
            }
            _ => {}
        }
    }

    fn lifted(&mut self, frame: &Frame<'_>, packet: &Packet<'_>, patches: &[Patch]) -> Redacted {
        let (path, protocol, body, missing, fragment) = match packet {
            Packet::Udp { path, payload, is_cut } => {
                let (body, missing) = datagram(frame.data, *path, payload, *is_cut);
                (*path, 17, body, missing, None)
            }
            Packet::Tcp(segment) => {
                let body = tcp(frame.data, segment);
                (segment.path, 6, body, segment.missing as usize, None)
            }
            Packet::Icmp { path, message } => {
                let protocol = if path.source.address.is_ipv4() { 1 } else { 58 };
                (*path, protocol, message.to_vec(), 0, None)
            }
            Packet::Sctp { path, chunks } => {
                let ports = [path.source.port.to_be_bytes(), path.destination.port.to_be_bytes()];
                (*path, 132, [ports.as_flattened(), &[0; 8], chunks].concat(), 0, None)
            }
            Packet::Fragment(fragment) => {
                let body = fragment.payload.to_vec();
                let missing = fragment.missing as usize;
                (fragment.path, fragment.protocol, body, missing, Some(fragment))
            }
            Packet::Encrypted { path } => (*path, 50, vec![0; 16], 0, None),
            Packet::Message { path, protocol, payload, is_cut } => {
                return self.exported(*path, *protocol, payload, *is_cut);
            }
            Packet::Other => return self.nothing(frame, LinkType::ETHERNET),
            Packet::Unread(Unread::LinkType(_)) => return self.nothing(frame, frame.link),
            Packet::Unread(_) => return self.nothing(frame, LinkType::ETHERNET),
        };
        let mut data = ethernet(path);
        let start = data.len();
        data.extend(ip_header(path, protocol, body.len() + missing, fragment.copied()));
        let header = data.len() - start;
        // Patches tell places in the frame as it was.
        let content: &[u8] = match packet {
            Packet::Tcp(segment) => segment.payload,
            Packet::Fragment(fragment) => fragment.payload,
            _ => &[],
        };
        let there = bytes::offset_in(frame.data, content).unwrap_or(0) as isize;
        let here = (header + body.len() - content.len().min(body.len())) as isize;
        data.extend(body);
        let content = Content { opaque: None, cut: missing, from: there - here, patches };
        let opaque = matches!(packet, Packet::Encrypted { .. }).then_some(false);
        let length = data.len();
        let original_length = (length + missing) as u32;
        let kept = self.ip(part(&mut data, start..length), Content { opaque, ..content });
        data.truncate(start + kept);
        Redacted { link: LinkType::ETHERNET, data, original_length }
    }

    /// A frame of which nothing is understood: a header of nobody's, and how long it was.
    fn nothing(&mut self, frame: &Frame<'_>, link: LinkType) -> Redacted {
        self.pseudonyms.counts.blanked += frame.data.len() as u64;
        let mut data = Vec::new();
        if link == LinkType::ETHERNET {
            data.extend([RECEIVER, SENDER].as_flattened());
            data.extend(NOTHING.to_be_bytes());
        }
        let original_length = frame.original_length.max(data.len() as u32);
        Redacted { link, data, original_length }
    }

    /// A message without its stream.
    fn exported(&mut self, path: Path, protocol: u8, payload: &[u8], is_cut: bool) -> Redacted {
        let mut data = vec![0, 12, 0, 4];
        data.extend(b"sip\0");
        for (end, is_source) in [(path.source, true), (path.destination, false)] {
            let (kind, octets) = match self.pseudonyms.address(end.address) {
                IpAddr::V4(address) => (20_u16, address.octets().to_vec()),
                IpAddr::V6(address) => (22_u16, address.octets().to_vec()),
            };
            let kind = kind + u16::from(!is_source);
            data.extend(kind.to_be_bytes());
            data.extend((octets.len() as u16).to_be_bytes());
            data.extend(octets);
        }
        let carrier: u32 = if protocol == 132 { 1 } else { 2 };
        let ports = [path.source.port, path.destination.port].map(u32::from);
        for (kind, value) in [(24_u16, carrier), (25, ports[0]), (26, ports[1])] {
            data.extend(kind.to_be_bytes());
            data.extend([0, 4]);
            data.extend(value.to_be_bytes());
        }
        data.extend([0; 4]);
        let mut payload = payload.to_vec();
        match message_in_datagram(&payload).is_some() {
            true => self.pseudonyms.message(&mut payload),
            false => self.pseudonyms.blank(&mut payload),
        }
        data.extend(payload);
        let original_length = data.len() as u32 + u32::from(is_cut);
        Redacted { link: EXPORTED, data, original_length }
    }
}

/// The header of Ethernet, with the tag of the innermost network.
fn ethernet(path: Path) -> Vec<u8> {
    let mut data = [RECEIVER, SENDER].concat();
    if path.vlan != 0 {
        data.extend(0x8100_u16.to_be_bytes());
        data.extend(path.vlan.to_be_bytes());
    }
    let kind = if path.source.address.is_ipv4() { IPV4 } else { IPV6 };
    data.extend(kind.to_be_bytes());
    data
}

fn ip_header(path: Path, protocol: u8, body: usize, fragment: Option<Fragment<'_>>) -> Vec<u8> {
    let offset = fragment.map_or(0, |fragment| fragment.offset as u16);
    let more = fragment.is_some_and(|fragment| fragment.more);
    match (path.source.address, path.destination.address) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let total = u16::try_from(20 + body).unwrap_or(0);
            let field = offset >> 3 | u16::from(more) << 13;
            let words = [0x4500, total, path.ip_id, field, 64 << 8 | u16::from(protocol), 0];
            let mut header: Vec<u8> = words.into_iter().flat_map(u16::to_be_bytes).collect();
            header.extend(source.octets());
            header.extend(destination.octets());
            header
        }
        (source, destination) => {
            let octets = |address| match address {
                IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
                IpAddr::V6(address) => address.octets(),
            };
            let extension = fragment.map(|fragment| {
                let [a, b] = (offset & !7 | u16::from(more)).to_be_bytes();
                let [c, d, e, f] = fragment.id.to_be_bytes();
                [protocol, 0, a, b, c, d, e, f]
            });
            let next = if extension.is_some() { 44 } else { protocol };
            let length = body + if extension.is_some() { 8 } else { 0 };
            let [high, low] = u16::try_from(length).unwrap_or(0).to_be_bytes();
            let mut header = vec![0x60, 0, 0, 0, high, low, next, 64];
            header.extend(octets(source));
            header.extend(octets(destination));
            header.extend(extension.into_iter().flatten());
            header
        }
    }
}

/// The header of UDP as it stands before the payload, or one of the like where a tool took the
/// payload out; then the payload. With the bytes that are missing.
fn datagram(frame: &[u8], path: Path, payload: &[u8], is_cut: bool) -> (Vec<u8>, usize) {
    let at = bytes::offset_in(frame, payload).and_then(|at| at.checked_sub(8));
    let header = at.and_then(|at| array::<8>(frame, at)).filter(|header| has_ports(header, path));
    let header = header.unwrap_or_else(|| {
        let [a, b] = path.source.port.to_be_bytes();
        let [c, d] = path.destination.port.to_be_bytes();
        let length = 8 + payload.len() + usize::from(is_cut);
        let [e, f] = u16::try_from(length).unwrap_or(0).to_be_bytes();
        [a, b, c, d, e, f, 0, 0]
    });
    let claimed = be16(&header, 4).map_or(0, usize::from);
    let body = [&header, payload].concat();
    let missing = claimed.saturating_sub(body.len());
    (body, missing)
}

/// The header of TCP as it stands before the payload, then the payload.
fn tcp(frame: &[u8], segment: &Segment<'_>) -> Vec<u8> {
    let at = bytes::offset_in(frame, segment.payload);
    let header = at.and_then(|at| {
        (20..=60).step_by(4).find_map(|length| {
            let header = frame.get(at.checked_sub(length)?..at)?;
            let offset = usize::from(header.get(12)? >> 4) * 4;
            let is_own = offset == length
                && has_ports(header, segment.path)
                && array(header, 4).map(u32::from_be_bytes) == Some(segment.sequence);
            is_own.then(|| header.to_vec())
        })
    });
    let header = header.unwrap_or_else(|| {
        let mut header = Vec::new();
        header.extend(segment.path.source.port.to_be_bytes());
        header.extend(segment.path.destination.port.to_be_bytes());
        header.extend(segment.sequence.to_be_bytes());
        header.extend(segment.acknowledgement.to_be_bytes());
        header.extend([0x50, segment.flags, 0xff, 0xff, 0, 0, 0, 0]);
        header
    });
    [&header, segment.payload].concat()
}

fn has_ports(header: &[u8], Path { source, destination, .. }: Path) -> bool {
    let is = |at, end: Endpoint| be16(header, at) == Some(end.port);
    is(0, source) && is(2, destination)
}
