//! The ordinary datagram, read at fixed offsets.
//!
//! Nearly every frame of a capture is a whole UDP datagram over IPv4 without options or IPv6
//! without extension headers, behind an Ethernet header with one tag at most, a Linux cooked header
//! or none. What differs in anything goes down layer by layer, which for these gives the same.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::bytes::be16;
use crate::capture::LinkType;
use crate::packet::{Endpoint, Packet, Path, tunnel};

/// A whole UDP datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// From where to where.
    pub addresses: Addresses,
    /// The port of the sender and that of the receiver.
    pub ports: [u16; 2],
    /// Identification of the IPv4 header, 0 where there is none.
    pub ip_id: u16,
    /// VLAN identifier, 0 where there is none.
    pub vlan: u16,
    /// What follows the UDP header.
    pub payload: &'a [u8],
}

/// The addresses of the sender and of the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// IPv4.
    Four([u32; 2]),
    /// IPv6.
    Six([u128; 2]),
}

impl<'a> Datagram<'a> {
    /// What the headers say.
    #[inline]
    pub fn path(&self) -> Path {
        let [source, destination] = match self.addresses {
            Addresses::Four(both) => both.map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))),
            Addresses::Six(both) => both.map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))),
        };
        let [from, to] = self.ports;
        Path {
            source: Endpoint { address: source, port: from },
            destination: Endpoint { address: destination, port: to },
            ip_id: self.ip_id,
            vlan: self.vlan,
        }
    }

    /// The same as a packet of any kind.
    #[inline]
    pub fn packet(&self) -> Packet<'a> {
        Packet::Udp { path: self.path(), payload: self.payload, is_cut: false }
    }
}

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const UDP: u8 = 17;

/// Bytes of the IPv4 and of the UDP header.
const IPV4_AND_UDP: usize = 28;

/// Bytes of the IPv6 and of the UDP header.
const IPV6_AND_UDP: usize = 48;

/// The datagram in a frame of this link type; none where anything is out of the ordinary.
#[inline]
pub(super) fn datagram(link: LinkType, data: &[u8]) -> Option<Datagram<'_>> {
    match link {
        LinkType::ETHERNET => {
            let header: &[u8; 14] = data.first_chunk()?;
            let protocol = u16::from_be_bytes([header[12], header[13]]);
            match protocol {
                IPV4 => four(data.get(14..)?, 0),
                _ => ethernet(protocol, data.get(14..)?),
            }
        }
        LinkType::LINUX_SLL => typed(be16(data, 14)?, data.get(16..)?, 0),
        LinkType::LINUX_SLL2 => typed(be16(data, 0)?, data.get(20..)?, 0),
        LinkType::RAW | LinkType::IPV4 | LinkType::IPV6 => match data.first()? >> 4 {
            4 => four(data, 0),
            _ => six(data, 0),
        },
        _ => None,
    }
}

/// What is no IPv4 behind the addresses of an Ethernet frame: IPv6, or a tag before either.
fn ethernet(protocol: u16, data: &[u8]) -> Option<Datagram<'_>> {
    match protocol {
        0x8100 | 0x88a8 => typed(be16(data, 2)?, data.get(4..)?, be16(data, 0)? & 0x0fff),
        _ => typed(protocol, data, 0),
    }
}

fn typed(protocol: u16, data: &[u8], vlan: u16) -> Option<Datagram<'_>> {
    match protocol {
        IPV4 => four(data, vlan),
        IPV6 => six(data, vlan),
        _ => None,
    }
}

#[inline]
fn four(data: &[u8], vlan: u16) -> Option<Datagram<'_>> {
    let header: &[u8; IPV4_AND_UDP] = data.first_chunk()?;
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    // More fragments, or a piece that is not the first.
    let is_fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0;
    if header[0] != 0x45 || header[9] != UDP || is_fragment || total > data.len() {
        return None;
    }
    let word = |at: usize| {
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let [.., a, b, c, d, high, low, _, _] = *header;
    udp(Datagram {
        addresses: Addresses::Four([word(12), word(16)]),
        ports: [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])],
        ip_id: u16::from_be_bytes([header[4], header[5]]),
        vlan,
        payload: payload(data, IPV4_AND_UDP, u16::from_be_bytes([high, low]), total)?,
    })
}

fn six(data: &[u8], vlan: u16) -> Option<Datagram<'_>> {
    let header: &[u8; IPV6_AND_UDP] = data.first_chunk()?;
    let total = 40 + usize::from(u16::from_be_bytes([header[4], header[5]]));
    if header[0] >> 4 != 6 || header[6] != UDP || total > data.len() {
        return None;
    }
    let (addresses, _) = header.get(8..40)?.as_chunks::<16>();
    let [source, destination] = addresses else { return None };
    let [.., a, b, c, d, high, low, _, _] = *header;
    udp(Datagram {
        addresses: Addresses::Six([*source, *destination].map(u128::from_be_bytes)),
        ports: [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])],
        ip_id: 0,
        vlan,
        payload: payload(data, IPV6_AND_UDP, u16::from_be_bytes([high, low]), total)?,
    })
}

/// What the UDP header counts, if it is all in the IP packet of so many bytes.
#[inline]
fn payload(data: &[u8], headers: usize, length: u16, total: usize) -> Option<&[u8]> {
    let end = (headers - 8) + usize::from(length);
    if end > total { None } else { data.get(headers..end) }
}

/// The datagram, unless it may be a tunnel.
#[inline]
fn udp(datagram: Datagram<'_>) -> Option<Datagram<'_>> {
    let [source, destination] = datagram.ports;
    let is_tunnel = tunnel::may_use(source) || tunnel::may_use(destination);
    (!is_tunnel && datagram.payload.first() != Some(&b'H')).then_some(datagram)
}
