//! Errors that ICMP and ICMPv6 report, and the packet that they quote.
//!
//! A report quotes the packet that it is about: at least its IP header and eight bytes (RFC 792),
//! of late as much as fits (RFC 1812, section 4.3.2.3; RFC 4443, section 2.4). Redirects, queries
//! and the obsolete source quench (RFC 6633) are no errors here.

use std::net::IpAddr;

use etherparse::{Ipv4HeaderSlice, Ipv6HeaderSlice};

use crate::bytes::{array, be16};
use crate::limits::ENCAPSULATION_DEPTH_MAX;
use crate::packet::{Endpoint, Path};

/// What a report complains about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub enum IcmpKind {
    /// Nobody listens on the port.
    PortUnreachable,
    /// The host has no such protocol.
    ProtocolUnreachable,
    /// The last router does not reach the host.
    HostUnreachable,
    /// No route leads there.
    NetUnreachable,
    /// A filter or policy forbids it (RFC 1812, section 5.2.7.1).
    Prohibited,
    /// The packet is larger than the next link takes.
    TooBig,
    /// The packet went over too many hops.
    TimeExceeded,
    /// Fragments of the packet did not come.
    ReassemblyTimeExceeded,
    /// A header could not be read.
    ParameterProblem,
}

impl IcmpKind {
    /// The word of reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PortUnreachable => "port-unreachable",
            Self::ProtocolUnreachable => "protocol-unreachable",
            Self::HostUnreachable => "host-unreachable",
            Self::NetUnreachable => "net-unreachable",
            Self::Prohibited => "prohibited",
            Self::TooBig => "too-big",
            Self::TimeExceeded => "time-exceeded",
            Self::ReassemblyTimeExceeded => "reassembly-time-exceeded",
            Self::ParameterProblem => "parameter-problem",
        }
    }

    const fn v4(kind: u8, code: u8) -> Option<Self> {
        match (kind, code) {
            (3, 0 | 5 | 6 | 11) => Some(Self::NetUnreachable),
            (3, 1 | 7 | 8 | 12) => Some(Self::HostUnreachable),
            (3, 2) => Some(Self::ProtocolUnreachable),
            (3, 3) => Some(Self::PortUnreachable),
            (3, 4) => Some(Self::TooBig),
            (3, 9 | 10 | 13..=15) => Some(Self::Prohibited),
            (11, 0) => Some(Self::TimeExceeded),
            (11, 1) => Some(Self::ReassemblyTimeExceeded),
            (12, _) => Some(Self::ParameterProblem),
            _ => None,
        }
    }

    const fn v6(kind: u8, code: u8) -> Option<Self> {
        match (kind, code) {
            (1, 0 | 2 | 7) => Some(Self::NetUnreachable),
            (1, 1 | 5 | 6) => Some(Self::Prohibited),
            (1, 3) => Some(Self::HostUnreachable),
            (1, 4) => Some(Self::PortUnreachable),
            (2, _) => Some(Self::TooBig),
            (3, 0) => Some(Self::TimeExceeded),
            (3, 1) => Some(Self::ReassemblyTimeExceeded),
            (4, _) => Some(Self::ParameterProblem),
            _ => None,
        }
    }
}

/// A report about a packet that did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError<'a> {
    /// What is wrong.
    pub kind: IcmpKind,
    /// From where to where the packet went; the ports are 0 where they are not quoted.
    pub path: Path,
    /// The protocol of the packet: 6 for TCP, 17 for UDP.
    pub protocol: u8,
    /// What is quoted behind the IP header: the header of TCP or UDP, then a part of its payload.
    pub quoted: &'a [u8],
}

/// The header of UDP.
const UDP_HEADER: usize = 8;

/// Where TCP has its flags.
const TCP_FLAGS: usize = 13;

impl<'a> IcmpError<'a> {
    /// The error that a message of ICMP, or of ICMPv6 over IPv6, reports; nothing where it reports
    /// none, or quotes too little to tell which packet it is about.
    pub fn parse(path: Path, message: &'a [u8]) -> Option<Self> {
        let [kind, code] = array(message, 0)?;
        let kind = match path.source.address {
            IpAddr::V4(_) => IcmpKind::v4(kind, code)?,
            IpAddr::V6(_) => IcmpKind::v6(kind, code)?,
        };
        // A packet with extensions (RFC 4884) has them behind the quote, which is padded to 128
        // bytes then; the length of the quoted packet tells where it ends.
        Self::quoting(kind, message.get(8..)?, 0)
    }

    /// What the payload of the UDP packet began with, as far as it is quoted.
    pub fn payload(&self) -> &'a [u8] {
        match self.protocol {
            17 => self.quoted.get(UDP_HEADER..).unwrap_or_default(),
            _ => &[],
        }
    }

    /// The packet was the first one of a TCP connection, as far as its flags are quoted.
    pub fn is_about_connecting(&self) -> bool {
        const SYN_AND_ACK: u8 = 0x12;
        self.protocol == 6
            && self.quoted.get(TCP_FLAGS).is_some_and(|flags| flags & SYN_AND_ACK == 2)
    }

    fn quoting(kind: IcmpKind, packet: &'a [u8], depth: usize) -> Option<Self> {
        if depth > ENCAPSULATION_DEPTH_MAX {
            return None;
        }
        match packet.first()? >> 4 {
            4 => Self::quoting_v4(kind, packet, depth),
            6 => Self::quoting_v6(kind, packet, depth),
            _ => None,
        }
    }

    fn quoting_v4(kind: IcmpKind, packet: &'a [u8], depth: usize) -> Option<Self> {
        let header = Ipv4HeaderSlice::from_slice(packet).ok()?;
        let length = header.slice().len();
        // Some routers quote the length less the header, or in the order of the host.
        let end = usize::from(header.total_len())
            .clamp(length + UDP_HEADER, packet.len().max(length + UDP_HEADER));
        let quoted = packet.get(length..end.min(packet.len()))?;
        let path = Path {
            source: Endpoint { address: header.source_addr().into(), port: 0 },
            destination: Endpoint { address: header.destination_addr().into(), port: 0 },
            ip_id: header.identification(),
            vlan: 0,
        };
        let error = Self { kind, path, protocol: header.protocol().0, quoted };
        match header.fragments_offset().value() {
            0 => error.above_ip(depth),
            // Only the first fragment has ports.
            _ => Some(Self { quoted: &[], ..error }),
        }
    }

    fn quoting_v6(kind: IcmpKind, packet: &'a [u8], depth: usize) -> Option<Self> {
        let header = Ipv6HeaderSlice::from_slice(packet).ok()?;
        let path = Path {
            source: Endpoint { address: header.source_addr().into(), port: 0 },
            destination: Endpoint { address: header.destination_addr().into(), port: 0 },
            ip_id: 0,
            vlan: 0,
        };
        let mut protocol = header.next_header().0;
        let mut quoted = packet.get(header.slice().len()..)?;
        for _ in 0..ENCAPSULATION_DEPTH_MAX {
            let [next, length] = match protocol {
                0 | 43 | 44 | 60 | 135 => array(quoted, 0)?,
                _ => break,
            };
            let is_later_piece = protocol == 44 && be16(quoted, 2)? & !7 != 0;
            if is_later_piece {
                return Some(Self { kind, path, protocol: next, quoted: &[] });
            }
            let header = if protocol == 44 { 8 } else { 8 + usize::from(length) * 8 };
            (protocol, quoted) = (next, quoted.get(header..)?);
        }
        Self { kind, path, protocol, quoted }.above_ip(depth)
    }

    /// Reads the ports, of a tunnel those of the packet inside.
    fn above_ip(mut self, depth: usize) -> Option<Self> {
        match self.protocol {
            4 | 41 => Self::quoting(self.kind, self.quoted, depth + 1),
            6 | 17 | 132 | 136 => {
                self.path.source.port = be16(self.quoted, 0)?;
                self.path.destination.port = be16(self.quoted, 2)?;
                Some(self)
            }
            // About ICMP there are no errors (RFC 1122, section 3.2.2), and others carry no SIP.
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::samples::{self, MESSAGE, datagram, ipv4, ipv4_piece, ipv6, join, tcp, udp};

    const HEADER: [u8; 8] = [3, 3, 0, 0, 0, 0, 0, 0];

    fn path(is_v6: bool) -> Path {
        let address = match is_v6 {
            true => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
            false => IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        };
        let end = Endpoint { address, port: 0 };
        Path { source: end, destination: end, ip_id: 0, vlan: 0 }
    }

    /// The flow, the identification and the payload in the quote of an ICMP message.
    fn read(packet: &[u8]) -> Option<(String, u16, Vec<u8>)> {
        let message = join(&[&HEADER, packet]);
        let error = IcmpError::parse(path(false), &message)?;
        assert_eq!(error.kind, IcmpKind::PortUnreachable);
        let flow = format!("{} {}", error.path.source, error.path.destination);
        Some((flow, error.path.ip_id, error.payload().to_vec()))
    }

    const FLOW: &str = "192.0.2.1:5060 198.51.100.2:5060";

    #[test]
    fn tells_the_packet_from_as_much_as_is_quoted() {
        let packet = datagram();
        let whole = (FLOW.to_owned(), 0x1234, MESSAGE.to_vec());
        assert_eq!(read(&packet), Some(whole));
        let eight_bytes = &packet[..28];
        assert_eq!(read(eight_bytes), Some((FLOW.to_owned(), 0x1234, Vec::new())));
        let in_the_middle = &packet[..40];
        assert_eq!(read(in_the_middle), Some((FLOW.to_owned(), 0x1234, MESSAGE[..12].to_vec())));
        assert_eq!(read(&packet[..22]), None);
        assert_eq!(read(&[]), None);
    }

    #[test]
    fn leaves_out_what_follows_the_quote() {
        let extended = join(&[&datagram(), &[0; 60], &[0x20, 0, 0, 0, 0, 8, 1, 1, 9, 9, 9, 9]]);
        assert_eq!(read(&extended).map(|read| read.2), Some(MESSAGE.to_vec()));
        let mut odd = datagram();
        odd[2..4].fill(0);
        assert_eq!(read(&odd).map(|read| read.0), Some(FLOW.to_owned()));
    }

    #[test]
    fn looks_into_tunnels_and_not_into_quotes_of_icmp() {
        let inner = datagram();
        assert_eq!(read(&ipv4(4, &inner)).map(|read| read.0), Some(FLOW.to_owned()));
        let over_v6 = ipv4(41, &ipv6(17, &udp(5060, 5062, MESSAGE)));
        let flow = "[2001:db8::1]:5060 [2001:db8::2]:5062";
        assert_eq!(read(&over_v6).map(|read| read.0), Some(flow.to_owned()));
        let error = join(&[&HEADER, &inner]);
        assert_eq!(read(&ipv4(1, &error)), None);
        let deep = (0..40).fold(inner, |inner, _| ipv4(4, &inner));
        assert_eq!(read(&deep), None);
    }

    #[test]
    fn of_fragments_only_the_first_has_ports() {
        let first = ipv4_piece(17, 9, 0x2000, &udp(5060, 5060, MESSAGE));
        assert_eq!(read(&first), Some((FLOW.to_owned(), 9, MESSAGE.to_vec())));
        let later = ipv4_piece(17, 9, 185, b"INVITE sip:bob@example.com");
        let flow = "192.0.2.1:0 198.51.100.2:0";
        assert_eq!(read(&later), Some((flow.to_owned(), 9, Vec::new())));
    }

    #[test]
    fn reads_icmpv6_behind_extension_headers() {
        let inner = udp(5060, 5060, MESSAGE);
        let fragment = join(&[&[17, 0, 0, 1, 0, 0, 0, 9], &inner]);
        let later = join(&[&[17, 0, 0, 9, 0, 0, 0, 9], &inner]);
        for (next, upper, port) in [(17, &inner, 5060), (44, &fragment, 5060), (44, &later, 0)] {
            let message = join(&[&[1, 4, 0, 0, 0, 0, 0, 0], &ipv6(next, upper)]);
            let error = IcmpError::parse(path(true), &message).expect("an error");
            assert_eq!(error.kind, IcmpKind::PortUnreachable);
            assert_eq!((error.path.destination.port, error.protocol), (port, 17));
        }
        // Types of ICMP over IPv4 are none of ICMPv6.
        let redirect = join(&[&[137, 0, 0, 0, 0, 0, 0, 0], &ipv6(17, &inner)]);
        assert_eq!(IcmpError::parse(path(true), &redirect), None);
    }

    #[test]
    fn knows_a_connection_that_was_to_be_opened() {
        let mut syn = tcp(40_000, 5060, 7, b"");
        syn[13] = 2;
        for (segment, expected) in [(&syn[..], true), (&syn[..8], false)] {
            let message = join(&[&HEADER, &ipv4(6, segment)]);
            let error = IcmpError::parse(path(false), &message).expect("an error");
            assert_eq!((error.is_about_connecting(), error.payload()), (expected, &b""[..]));
        }
    }

    #[test]
    fn survives_every_byte_and_every_cut() {
        for (_, _, bytes) in samples::wrapped() {
            for kind in [1, 2, 3, 4, 11, 12] {
                for end in 0..bytes.len() {
                    let packet = bytes.get(14..end).unwrap_or_default();
                    let message = join(&[&[kind, 1, 0, 0, 0, 0, 0, 0], packet]);
                    let _ = IcmpError::parse(path(false), &message);
                    let _ = IcmpError::parse(path(true), &message);
                }
            }
        }
    }
}
