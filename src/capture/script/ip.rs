//! Packets from the IP header on, with right lengths and checksums.

use std::net::{IpAddr, SocketAddr};

/// Protocol numbers of the IP header.
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMP_V6: u8 = 58;

/// Bytes that a UDP datagram or TCP segment can carry at most, with either version of IP.
pub(super) const PAYLOAD_BYTES_MAX: usize = 65_000;

/// Bytes of a quoted packet (RFC 1812, section 4.3.2.3).
const QUOTE_BYTES_MAX: usize = 548;

/// What carries a payload from one address to another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Envelope {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) protocol: u8,
    pub(super) id: u16,
}

impl Envelope {
    /// The packet.
    pub(super) fn seal(&self, payload: &[u8]) -> Vec<u8> {
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                self.v4(source.octets(), destination.octets(), 0x4000, payload)
            }
            _ => self.v6(self.protocol, payload),
        }
    }

    /// The packet in fragments of `size` payload bytes, a multiple of eight.
    pub(super) fn fragments(&self, payload: &[u8], size: usize) -> Vec<Vec<u8>> {
        let size = (size / 8 * 8).max(8);
        let pieces = payload.chunks(size).enumerate();
        let fragment = |(index, piece): (usize, &[u8])| {
            let units = low16(index * size / 8);
            let more = (index + 1) * size < payload.len();
            match (self.source, self.destination) {
                (IpAddr::V4(source), IpAddr::V4(destination)) => {
                    let flags = units | if more { 0x2000 } else { 0 };
                    self.v4(source.octets(), destination.octets(), flags, piece)
                }
                _ => {
                    let mut extended = vec![self.protocol, 0];
                    extended.extend((units << 3 | u16::from(more)).to_be_bytes());
                    extended.extend(u32::from(self.id).to_be_bytes());
                    extended.extend_from_slice(piece);
                    self.v6(44, &extended)
                }
            }
        };
        pieces.map(fragment).collect()
    }

    fn v4(&self, source: [u8; 4], destination: [u8; 4], flags: u16, payload: &[u8]) -> Vec<u8> {
        let mut head = vec![0x45, 0];
        head.extend(low16(20 + payload.len()).to_be_bytes());
        head.extend(self.id.to_be_bytes());
        head.extend(flags.to_be_bytes());
        head.extend([64, self.protocol, 0, 0]);
        head.extend(source);
        head.extend(destination);
        let sum = checksum(&[&head]);
        put16(&mut head, 10, sum);
        head.extend_from_slice(payload);
        head
    }

    fn v6(&self, next_header: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend(low16(payload.len()).to_be_bytes());
        packet.extend([next_header, 64]);
        packet.extend(octets(self.source));
        packet.extend(octets(self.destination));
        packet.extend_from_slice(payload);
        packet
    }
}

/// A UDP datagram without its IP header.
pub(super) fn udp(source: SocketAddr, destination: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::with_capacity(8 + payload.len());
    datagram.extend(source.port().to_be_bytes());
    datagram.extend(destination.port().to_be_bytes());
    datagram.extend(low16(8 + payload.len()).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend_from_slice(payload);
    let sum = match sum_with_addresses(source.ip(), destination.ip(), UDP, &datagram) {
        0 => 0xffff,
        sum => sum,
    };
    put16(&mut datagram, 6, sum);
    datagram
}

/// What a TCP segment says besides its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct TcpHead {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) sequence: u32,
    pub(super) acknowledged: u32,
    pub(super) flags: u8,
}

/// A TCP segment without its IP header.
pub(super) fn tcp(head: &TcpHead, payload: &[u8]) -> Vec<u8> {
    let mut segment = Vec::with_capacity(20 + payload.len());
    segment.extend(head.source.port().to_be_bytes());
    segment.extend(head.destination.port().to_be_bytes());
    segment.extend(head.sequence.to_be_bytes());
    segment.extend(head.acknowledged.to_be_bytes());
    segment.extend([0x50, head.flags]);
    segment.extend(0xfaf0_u16.to_be_bytes());
    segment.extend([0, 0, 0, 0]);
    segment.extend_from_slice(payload);
    let sum = sum_with_addresses(head.source.ip(), head.destination.ip(), TCP, &segment);
    put16(&mut segment, 16, sum);
    segment
}

/// What an ICMP message complains about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Complaint {
    Port,
    Host,
    Network,
    Prohibited,
    TooBig,
    TimeExceeded,
}

/// The words of a script for them.
pub(super) const COMPLAINTS: [(&str, Complaint); 6] = [
    ("port-unreachable", Complaint::Port),
    ("host-unreachable", Complaint::Host),
    ("net-unreachable", Complaint::Network),
    ("prohibited", Complaint::Prohibited),
    ("too-big", Complaint::TooBig),
    ("time-exceeded", Complaint::TimeExceeded),
];

/// Protocol number and message that quotes a packet.
pub(super) fn icmp(
    source: IpAddr,
    destination: IpAddr,
    complaint: Complaint,
    packet: &[u8],
) -> (u8, Vec<u8>) {
    let is_v4 = source.is_ipv4();
    let (kind, code) = match (complaint, is_v4) {
        (Complaint::Port, true) => (3, 3),
        (Complaint::Host, true) => (3, 1),
        (Complaint::Network, true) => (3, 0),
        (Complaint::Prohibited, true) => (3, 13),
        (Complaint::TooBig, true) => (3, 4),
        (Complaint::TimeExceeded, true) => (11, 0),
        (Complaint::Port, false) => (1, 4),
        (Complaint::Host, false) => (1, 3),
        (Complaint::Network, false) => (1, 0),
        (Complaint::Prohibited, false) => (1, 1),
        (Complaint::TooBig, false) => (2, 0),
        (Complaint::TimeExceeded, false) => (3, 0),
    };
    let mtu = if complaint == Complaint::TooBig { 1280 } else { 0 };
    let mut message = vec![kind, code, 0, 0, 0, 0];
    message.extend(u16::to_be_bytes(mtu));
    message.extend(packet.iter().take(QUOTE_BYTES_MAX));
    let (protocol, sum) = if is_v4 {
        (ICMP, checksum(&[&message]))
    } else {
        (ICMP_V6, sum_with_addresses(source, destination, ICMP_V6, &message))
    };
    put16(&mut message, 2, sum);
    (protocol, message)
}

/// RFC 1071 over a payload and the pseudo header before it.
fn sum_with_addresses(source: IpAddr, destination: IpAddr, protocol: u8, payload: &[u8]) -> u16 {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    checksum(&[&octets(source), &octets(destination), &length, &[0, 0, 0, protocol], payload])
}

/// RFC 1071; every part but the last has an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum: u64 = 0;
    for pair in parts.iter().flat_map(|part| part.chunks(2)) {
        let high = pair.first().copied().unwrap_or(0);
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u64::from(u16::from_be_bytes([high, low]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn put16(bytes: &mut [u8], offset: usize, value: u16) {
    if let Some(place) = bytes.get_mut(offset..offset + 2) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

/// A length as it goes into a header; callers keep payloads below [`PAYLOAD_BYTES_MAX`].
fn low16(length: usize) -> u16 {
    debug_assert!(length <= 0xffff);
    u16::try_from(length).unwrap_or(u16::MAX)
}
