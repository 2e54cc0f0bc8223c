//! Where the headers of a frame lie that is not inside of anything: a link header with or without
//! tags, IP, what IP carries. Frames in tunnels and of rare link types have none of this.

use crate::bytes::{self, be16};
use crate::capture::{Frame, LinkType};
use crate::packet::Packet;

/// Tags, extension headers and the like of one frame.
const HEADERS_MAX: usize = 16;

/// Types of Ethernet.
pub(super) const IPV4: u16 = 0x0800;
pub(super) const IPV6: u16 = 0x86dd;
pub(super) const ARP: u16 = 0x0806;

/// What follows the link header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Upper {
    /// The type of Ethernet; below 1536 a length.
    pub(super) kind: u16,
    /// Where the type stands, in headers that have one.
    pub(super) kind_at: Option<usize>,
    /// Where it begins.
    pub(super) at: usize,
}

/// What follows the link header of a frame.
pub(super) fn upper(link: LinkType, data: &[u8]) -> Option<Upper> {
    let version = |at: usize| match data.get(at)? >> 4 {
        4 => Some(Upper { kind: IPV4, kind_at: None, at }),
        6 => Some(Upper { kind: IPV6, kind_at: None, at }),
        _ => None,
    };
    match link.0 {
        1 => {
            let mut at = 12;
            for _ in 0..HEADERS_MAX {
                match be16(data, at)? {
                    0x8100 | 0x88a8 | 0x9100 | 0x9200 | 0x9300 => at += 4,
                    kind => return Some(Upper { kind, kind_at: Some(at), at: at + 2 }),
                }
            }
            None
        }
        113 => Some(Upper { kind: be16(data, 14)?, kind_at: Some(14), at: 16 }),
        276 => Some(Upper { kind: be16(data, 0)?, kind_at: Some(0), at: 20 }),
        12 | 14 | 101 | 228 | 229 => version(0),
        0 | 108 => version(4),
        _ => None,
    }
}

/// An IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ip {
    /// Header with options, or with extension headers.
    pub(super) header: usize,
    /// Where the packet ends, by its length and by what there is.
    pub(super) end: usize,
    /// Bytes that the header claims beyond the end.
    pub(super) missing: usize,
    /// What it carries.
    pub(super) protocol: u8,
    /// Where that is told.
    pub(super) protocol_at: usize,
    /// It is a piece of a packet; true for the first one.
    pub(super) piece: Option<bool>,
}

/// The header that an IP packet begins with.
pub(super) fn ip(data: &[u8], cut: usize) -> Option<Ip> {
    match data.first()? >> 4 {
        4 => v4(data, cut),
        6 => v6(data, cut),
        _ => None,
    }
}

fn v4(data: &[u8], cut: usize) -> Option<Ip> {
    let header = usize::from(data.first()? & 15) * 4;
    let claimed = match usize::from(be16(data, 2)?) {
        0 => data.len() + cut,
        total => total,
    };
    let field = be16(data, 6)?;
    let offset = field & 0x1fff;
    let piece = (field & 0x2000 != 0 || offset != 0).then_some(offset == 0);
    let end = claimed.min(data.len());
    let is_sound = header >= 20 && header <= end;
    is_sound.then_some(Ip {
        header,
        end,
        missing: claimed.saturating_sub(data.len()),
        protocol: *data.get(9)?,
        protocol_at: 9,
        piece,
    })
}

fn v6(data: &[u8], cut: usize) -> Option<Ip> {
    let claimed = match usize::from(be16(data, 4)?) {
        0 => data.len() + cut,
        payload => 40 + payload,
    };
    let end = claimed.min(data.len());
    let missing = claimed.saturating_sub(data.len());
    let (mut protocol, mut protocol_at, mut header, mut piece) = (*data.get(6)?, 6, 40, None);
    for _ in 0..HEADERS_MAX {
        let length = match protocol {
            0 | 43 | 60 | 135 | 139 | 140 => 8 + usize::from(*data.get(header + 1)?) * 8,
            51 => 8 + usize::from(*data.get(header + 1)?) * 4,
            44 => {
                let field = be16(data, header + 2)?;
                let offset = field & !7;
                piece = (offset != 0 || field & 1 == 1).then_some(offset == 0);
                8
            }
            _ => break,
        };
        protocol = *data.get(header)?;
        protocol_at = header;
        header += length;
        if piece.is_some() {
            break;
        }
    }
    (header <= end).then_some(Ip { header, end, missing, protocol, protocol_at, piece })
}

/// Where the IP packet begins of which `packet` is the content, if nothing stands between.
pub(super) fn plain(frame: &Frame<'_>, packet: &Packet<'_>) -> Option<Upper> {
    let upper = upper(frame.link, frame.data)?;
    if !matches!(upper.kind, IPV4 | IPV6) {
        return matches!(packet, Packet::Other | Packet::Unread(_)).then_some(upper);
    }
    let cut = (frame.original_length as usize).saturating_sub(frame.data.len());
    let header = ip(frame.data.get(upper.at..)?, cut);
    let body = upper.at + header.map_or(0, |header| header.header);
    let protocol = header.map_or(0, |header| header.protocol);
    let is_piece = header.is_some_and(|header| header.piece.is_some());
    let lies_at = |content: &[u8], at: usize| {
        content.is_empty() || bytes::offset_in(frame.data, content) == Some(at)
    };
    let is_plain = match packet {
        Packet::Udp { payload, .. } => {
            matches!(protocol, 17 | 136) && !is_piece && lies_at(payload, body + 8)
        }
        Packet::Tcp(segment) => {
            let offset = frame.data.get(body + 12).map_or(0, |byte| usize::from(byte >> 4) * 4);
            protocol == 6 && !is_piece && lies_at(segment.payload, body + offset)
        }
        Packet::Fragment(fragment) => is_piece && lies_at(fragment.payload, body),
        Packet::Icmp { message, .. } => matches!(protocol, 1 | 58) && lies_at(message, body),
        Packet::Sctp { chunks, .. } => protocol == 132 && lies_at(chunks, body + 12),
        Packet::Encrypted { .. } => protocol == 50,
        Packet::Message { .. } => false,
        Packet::Other | Packet::Unread(_) => true,
    };
    is_plain.then_some(upper)
}
