//! Messages that another tool took out of the network: HEP (Homer encapsulation, EEP) and the PDUs
//! that Wireshark exports.
//!
//! The addresses are those that the sender states, not those of the packet that brought them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::bytes::{array, be16, be32};
use crate::capture::LinkType;
use crate::packet::{Descent, Endpoint, Layer, OrMalformed, Packet, Path, link};
use crate::time::Time;

/// Header and addresses of versions 1 and 2, for IPv4 and IPv6.
const HEADER_V4: usize = 16;
const HEADER_V6: usize = 40;

/// What follows them in version 2: the time, the number of the agent, padding.
const TIME_HEADER: usize = 12;

/// Chunks of one packet that are looked at.
const CHUNKS_MAX: usize = 64;

const UDP: u8 = 17;
const TCP: u8 = 6;

/// A HEP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hep<'a> {
    /// From where to where, as the agent saw it.
    pub path: Path,
    /// The IP protocol that carried it: 17 for UDP, 6 for TCP.
    pub protocol: u8,
    /// What it is: 1 for SIP, 5 for RTCP, 100 for a line of a log.
    pub kind: u8,
    /// When the agent captured it.
    pub time: Option<Time>,
    /// The message. None in a packet that has it compressed.
    pub payload: &'a [u8],
    /// The payload is shorter than its header says.
    pub is_cut: bool,
}

/// The length of the HEP packet, of version 3, that a byte stream begins with.
pub fn length(stream: &[u8]) -> Option<usize> {
    let length = usize::from(be16(stream, 4)?);
    (stream.starts_with(b"HEP3") && length >= 6).then_some(length)
}

/// A HEP packet of any version; nothing if it is none.
pub fn parse(bytes: &[u8]) -> Option<Hep<'_>> {
    match bytes {
        [b'H', b'E', b'P', b'3', ..] => parse_v3(bytes),
        [version @ (1 | 2), ..] => parse_v1(*version, bytes),
        _ => None,
    }
}

/// What a HEP packet brings.
pub(super) fn packet(bytes: &[u8], is_cut: bool) -> Option<Packet<'_>> {
    let hep = parse(bytes)?;
    Some(message(hep.path, hep.protocol, hep.payload, hep.is_cut || is_cut))
}

fn message(path: Path, protocol: u8, payload: &[u8], is_cut: bool) -> Packet<'_> {
    match protocol {
        _ if payload.is_empty() => Packet::Other,
        UDP => Packet::Udp { path, payload, is_cut },
        _ => Packet::Message { path, protocol, payload, is_cut },
    }
}

/// Fields of a packet while its chunks are read.
struct Parts {
    addresses: [IpAddr; 2],
    ports: [u16; 2],
}

impl Default for Parts {
    fn default() -> Self {
        Self { addresses: [IpAddr::V4(Ipv4Addr::UNSPECIFIED); 2], ports: [0; 2] }
    }
}

impl Parts {
    fn path(self) -> Path {
        let ([source, destination], [source_port, destination_port]) = (self.addresses, self.ports);
        Path {
            source: Endpoint { address: source, port: source_port },
            destination: Endpoint { address: destination, port: destination_port },
            ip_id: 0,
            vlan: 0,
        }
    }
}

fn v4(value: &[u8], at: usize) -> Option<IpAddr> {
    Some(IpAddr::V4(Ipv4Addr::from(array::<4>(value, at)?)))
}

fn v6(value: &[u8], at: usize) -> Option<IpAddr> {
    Some(IpAddr::V6(Ipv6Addr::from(array::<16>(value, at)?)))
}

/// Version 3: chunks of vendor, type, length and value. Chunks of a vendor of its own are skipped.
fn parse_v3(bytes: &[u8]) -> Option<Hep<'_>> {
    let length = length(bytes)?;
    let mut chunks = bytes.get(6..length.min(bytes.len()))?;
    let mut is_cut = length > bytes.len();
    let (mut parts, mut protocol, mut kind) = (Parts::default(), UDP, 0);
    let (mut seconds, mut micros) = (None, 0);
    let mut payload = &[][..];
    for _ in 0..CHUNKS_MAX {
        let Some(header) = chunks.first_chunk::<6>() else { break };
        let [vendor_high, vendor_low, kind_high, kind_low, high, low] = *header;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let value = chunks.get(6..length.min(chunks.len()))?;
        is_cut |= length > chunks.len();
        let generic = [vendor_high, vendor_low] == [0, 0];
        match u16::from_be_bytes([kind_high, kind_low]) {
            _ if !generic => {}
            2 => protocol = value.first().copied().unwrap_or(protocol),
            3 => parts.addresses[0] = v4(value, 0)?,
            4 => parts.addresses[1] = v4(value, 0)?,
            5 => parts.addresses[0] = v6(value, 0)?,
            6 => parts.addresses[1] = v6(value, 0)?,
            7 => parts.ports[0] = be16(value, 0)?,
            8 => parts.ports[1] = be16(value, 0)?,
            9 => seconds = be32(value, 0),
            10 => micros = be32(value, 0).unwrap_or(0),
            11 => kind = value.first().copied().unwrap_or(kind),
            15 => payload = value,
            _ => {}
        }
        chunks = chunks.get(length..).unwrap_or_default();
    }
    let time = seconds.map(|seconds| time(seconds, micros));
    Some(Hep { path: parts.path(), protocol, kind, time, payload, is_cut })
}

/// Versions 1 and 2: a header of fixed fields.
fn parse_v1(version: u8, bytes: &[u8]) -> Option<Hep<'_>> {
    let [_, length, family, protocol, ..] = *bytes else { return None };
    let ports = [be16(bytes, 4)?, be16(bytes, 6)?];
    let (addresses, header) = match (family, usize::from(length)) {
        (2, HEADER_V4) => ([v4(bytes, 8)?, v4(bytes, 12)?], HEADER_V4),
        // The numbers of Linux, NetBSD, FreeBSD and macOS.
        (10 | 24 | 28 | 30, HEADER_V6) => ([v6(bytes, 8)?, v6(bytes, 24)?], HEADER_V6),
        _ => return None,
    };
    if !matches!(protocol, UDP | TCP | 22 | 132) {
        return None;
    }
    let mut at = header;
    let mut captured = None;
    if version == 2 {
        // The time is in the byte order of the agent; all of them are little-endian machines.
        let seconds = array(bytes, at).map(u32::from_le_bytes)?;
        let micros = array(bytes, at + 4).map(u32::from_le_bytes)?;
        captured = Some(time(seconds, micros));
        at += TIME_HEADER;
    }
    let payload = bytes.get(at..)?;
    let path = Parts { addresses, ports }.path();
    Some(Hep { path, protocol, kind: 1, time: captured, payload, is_cut: false })
}

fn time(seconds: u32, micros: u32) -> Time {
    Time::from_parts(i64::from(seconds), i64::from(micros) * 1000)
}

/// A PDU that Wireshark exported: tags, then the PDU.
pub(super) fn exported<'a>(data: &'a [u8], descent: Descent) -> Layer<'a> {
    const LINK_TYPE: u16 = 11;
    const TAGS_MAX: usize = 64;

    let (mut parts, mut protocol, mut inner) = (Parts::default(), TCP, None);
    let mut tags = data;
    for _ in 0..TAGS_MAX {
        let kind = be16(tags, 0).or_malformed()?;
        let length = usize::from(be16(tags, 2).or_malformed()?);
        let value = tags.get(4..4 + length).or_malformed()?;
        tags = tags.get(4 + length..).or_malformed()?;
        match kind {
            0 => break,
            LINK_TYPE => inner = be32(value, 0),
            20 => parts.addresses[0] = v4(value, 0).or_malformed()?,
            21 => parts.addresses[1] = v4(value, 0).or_malformed()?,
            22 => parts.addresses[0] = v6(value, 0).or_malformed()?,
            23 => parts.addresses[1] = v6(value, 0).or_malformed()?,
            24 => {
                protocol = match be32(value, 0) {
                    Some(1) => 132,
                    Some(3) => UDP,
                    _ => TCP,
                }
            }
            25 => parts.ports[0] = be32(value, 0).or_malformed()? as u16,
            26 => parts.ports[1] = be32(value, 0).or_malformed()? as u16,
            _ => {}
        }
    }
    match inner {
        Some(inner) => Ok(link::frame(LinkType(inner as u16), tags, descent.deeper()?)),
        None => Ok(message(parts.path(), protocol, tags, descent.missing > 0)),
    }
}
