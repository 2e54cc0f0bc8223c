//! IPv4, IPv6 and what they carry directly.

use std::net::IpAddr;

use etherparse::{Ipv4HeaderSlice, Ipv6HeaderSlice, TcpSlice, UdpSlice};

use crate::bytes::{be16, be32};
use crate::packet::{
    Descent, Endpoint, Fragment, Layer, OrMalformed, Packet, Path, Segment, Unread, esp, link,
    tunnel,
};

/// What follows a header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body<'a> {
    pub(super) bytes: &'a [u8],
    /// Bytes at the end that the header claims and the capture does not have.
    pub(super) missing: u32,
}

impl<'a> Body<'a> {
    #[inline]
    pub(super) fn skip(self, bytes: usize) -> Result<Self, Unread> {
        Ok(Self { bytes: self.bytes.get(bytes..).or_malformed()?, ..self })
    }
}

/// An IP packet of the version that its first bits tell.
#[inline]
pub(super) fn any<'a>(data: &'a [u8], descent: Descent) -> Layer<'a> {
    match data.first().or_malformed()? >> 4 {
        4 => v4(data, descent),
        6 => v6(data, descent),
        _ => Err(Unread::Malformed),
    }
}

/// Whether the bytes look like an IP packet that is all there: version, header, and a length that
/// fits.
pub(super) fn is_plausible(data: &[u8]) -> bool {
    match data.first() {
        Some(first) if first >> 4 == 4 => {
            let header_length = usize::from(first & 15) * 4;
            let total = be16(data, 2).map_or(0, usize::from);
            header_length >= 20 && total >= header_length && total <= data.len()
        }
        Some(first) if first >> 4 == 6 => {
            be16(data, 4).is_some_and(|payload| usize::from(payload) + 40 <= data.len())
        }
        _ => false,
    }
}

/// An IPv4 packet. A total length of 0 is a packet that the network card was to cut into segments.
#[inline]
pub(super) fn v4<'a>(data: &'a [u8], descent: Descent) -> Layer<'a> {
    let header = Ipv4HeaderSlice::from_slice(data).ok().or_malformed()?;
    let header_length = header.slice().len();
    let claimed = match usize::from(header.total_len()) {
        0 => data.len() + descent.missing as usize,
        total => total,
    };
    let bytes = data.get(header_length..claimed.min(data.len())).or_malformed()?;
    let missing = claimed.saturating_sub(data.len()) as u32;
    let path = Path {
        source: Endpoint { address: IpAddr::V4(header.source_addr()), port: 0 },
        destination: Endpoint { address: IpAddr::V4(header.destination_addr()), port: 0 },
        ip_id: header.identification(),
        vlan: descent.vlan,
    };
    let protocol = header.protocol().0;
    let offset = u32::from(header.fragments_offset().value()) * 8;
    if header.more_fragments() || offset != 0 {
        return Ok(Packet::Fragment(Fragment {
            path,
            id: u32::from(path.ip_id),
            protocol,
            offset,
            more: header.more_fragments(),
            payload: bytes,
            is_cut: missing > 0,
            missing,
        }));
    }
    upper(protocol, Body { bytes, missing }, path, descent)
}

/// An IPv6 packet. A payload length of 0 is a jumbogram, or a packet to be cut by the card.
pub(super) fn v6<'a>(data: &'a [u8], descent: Descent) -> Layer<'a> {
    let header = Ipv6HeaderSlice::from_slice(data).ok().or_malformed()?;
    let header_length = header.slice().len();
    let claimed = match usize::from(header.payload_length()) {
        0 => data.len() + descent.missing as usize,
        payload => header_length + payload,
    };
    let bytes = data.get(header_length..claimed.min(data.len())).or_malformed()?;
    let missing = claimed.saturating_sub(data.len()) as u32;
    let path = Path {
        source: Endpoint { address: IpAddr::V6(header.source_addr()), port: 0 },
        destination: Endpoint { address: IpAddr::V6(header.destination_addr()), port: 0 },
        ip_id: 0,
        vlan: descent.vlan,
    };
    upper(header.next_header().0, Body { bytes, missing }, path, descent)
}

/// What an IP packet carries, after any extension headers.
#[inline]
pub(super) fn upper<'a>(protocol: u8, body: Body<'a>, path: Path, descent: Descent) -> Layer<'a> {
    match protocol {
        17 => udp(body, path, descent),
        6 => tcp(body, path),
        _ => rare(protocol, body, path, descent),
    }
}

fn rare<'a>(protocol: u8, body: Body<'a>, path: Path, descent: Descent) -> Layer<'a> {
    let bytes = body.bytes;
    match protocol {
        1 | 58 => Ok(Packet::Icmp { path, message: bytes }),
        4 | 41 => any(bytes, descent.deeper()?),
        132 => {
            let path = with_ports(path, bytes)?;
            let chunks = bytes.get(12..).or_malformed()?;
            Ok(Packet::Sctp { path, chunks })
        }
        // UDP-Lite: the length field is a checksum coverage.
        136 => {
            let path = with_ports(path, bytes)?;
            let payload = bytes.get(8..).or_malformed()?;
            Ok(Packet::Udp { path, payload, is_cut: body.missing > 0 })
        }
        // Hop-by-hop, routing and destination options, mobility, host identity, shim6.
        0 | 43 | 60 | 135 | 139 | 140 => {
            let [next, length] = *bytes.first_chunk::<2>().or_malformed()?;
            let body = body.skip(8 + usize::from(length) * 8)?;
            upper(next, body, path, descent.deeper()?)
        }
        // Authentication header.
        51 => {
            let [next, length] = *bytes.first_chunk::<2>().or_malformed()?;
            let body = body.skip(8 + usize::from(length) * 4)?;
            upper(next, body, path, descent.deeper()?)
        }
        44 => v6_fragment(body, path, descent),
        47 => tunnel::gre(bytes, descent.deeper()?),
        50 => esp::null(body, path, descent).unwrap_or(Ok(Packet::Encrypted { path })),
        // EtherIP: two bytes, then a frame.
        97 => link::ethernet(bytes.get(2..).or_malformed()?, descent.deeper()?),
        115 => Ok(tunnel::l2tp_v3(bytes, descent).unwrap_or(Packet::Other)),
        137 => tunnel::mpls(bytes, descent),
        // Ethernet in SRv6.
        143 => link::ethernet(bytes, descent.deeper()?),
        _ => Ok(Packet::Other),
    }
}

fn v6_fragment<'a>(body: Body<'a>, path: Path, descent: Descent) -> Layer<'a> {
    let protocol = *body.bytes.first().or_malformed()?;
    let field = be16(body.bytes, 2).or_malformed()?;
    let id = be32(body.bytes, 4).or_malformed()?;
    let (offset, more) = (u32::from(field & !7), field & 1 == 1);
    let Body { bytes: payload, missing } = body.skip(8)?;
    if offset == 0 && !more {
        return upper(protocol, Body { bytes: payload, missing }, path, descent.deeper()?);
    }
    let is_cut = missing > 0;
    Ok(Packet::Fragment(Fragment { path, id, protocol, offset, more, payload, is_cut, missing }))
}

#[inline]
fn udp<'a>(body: Body<'a>, path: Path, descent: Descent) -> Layer<'a> {
    let udp = UdpSlice::from_slice_lax(body.bytes).ok().or_malformed()?;
    let path = ported(path, udp.source_port(), udp.destination_port());
    let is_cut = match udp.length() {
        0 => body.missing > 0,
        length => usize::from(length) > body.bytes.len(),
    };
    let payload = udp.payload();
    match tunnel::over_udp(path, payload, is_cut, descent) {
        Some(packet) => packet,
        None => Ok(Packet::Udp { path, payload, is_cut }),
    }
}

#[inline]
fn tcp<'a>(body: Body<'a>, path: Path) -> Layer<'a> {
    let tcp = TcpSlice::from_slice(body.bytes).ok().or_malformed()?;
    Ok(Packet::Tcp(Segment {
        path: ported(path, tcp.source_port(), tcp.destination_port()),
        sequence: tcp.sequence_number(),
        acknowledgement: tcp.acknowledgment_number(),
        flags: body.bytes.get(13).copied().unwrap_or(0),
        header: body.bytes.get(..tcp.header_len()).unwrap_or_default(),
        payload: tcp.payload(),
        missing: body.missing,
    }))
}

#[inline]
fn ported(mut path: Path, source: u16, destination: u16) -> Path {
    path.source.port = source;
    path.destination.port = destination;
    path
}

fn with_ports(path: Path, bytes: &[u8]) -> Result<Path, Unread> {
    Ok(ported(path, be16(bytes, 0).or_malformed()?, be16(bytes, 2).or_malformed()?))
}
