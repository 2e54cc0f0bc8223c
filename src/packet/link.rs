//! Link layers: from the first byte of a frame to an IP packet.

use crate::bytes::{array, be16};
use crate::capture::LinkType;
use crate::packet::{Descent, Layer, OrMalformed, Packet, Unread, hep, ip, ppp, tunnel, wireless};

/// A frame of a link type.
#[inline]
pub(super) fn frame<'a>(link: LinkType, data: &'a [u8], descent: Descent) -> Packet<'a> {
    let layer = match link {
        LinkType::ETHERNET => ethernet(data, descent),
        _ => other(link, data, descent),
    };
    layer.unwrap_or_else(Packet::Unread)
}

/// Any link type by its registered number.
fn other<'a>(link: LinkType, data: &'a [u8], descent: Descent) -> Layer<'a> {
    match link.0 {
        0 | 108 => family(data, descent),
        1 => ethernet(data, descent),
        // Raw IP. The numbers 12 and 14 are those of BSD systems, written by mistake.
        12 | 14 | 101 | 228 | 229 => ip::any(data, descent),
        // Token ring and FDDI, without source routes.
        6 => llc(data.get(14..).or_malformed()?, descent),
        10 => llc(data.get(13..).or_malformed()?, descent),
        9 | 50 | 166 => ppp::ppp(data, descent),
        51 => ppp::over_ethernet(data, descent),
        // ATM with LLC (RFC 2684).
        100 => llc(data, descent),
        104 => hdlc(data, descent),
        105 => wireless::frame(data, descent),
        107 => frame_relay(data, descent),
        109 => family_behind(data, 12, 0, descent),
        113 => {
            let protocol = be16(data, 14).or_malformed()?;
            cooked(protocol, data.get(16..).or_malformed()?, descent)
        }
        117 => packet_filter_log(data, descent),
        119 => wireless::prism(data, descent),
        123 => match data {
            // ATM cards of Sun: LAN emulation, then LLC.
            [kind, _, _, _, _, _, rest @ ..] if kind & 15 == 1 => ethernet(rest, descent),
            [kind, _, _, _, rest @ ..] if kind & 15 == 2 => llc(rest, descent),
            _ => Ok(Packet::Other),
        },
        127 => wireless::radiotap(data, descent),
        163 => wireless::avs(data, descent),
        149 | 258 => packet_tap(link, data, descent),
        192 => per_packet(data, descent),
        197 => extensible_record(data, descent),
        // PPP with one byte for the direction.
        204 => ppp::ppp(data.get(1..).or_malformed()?, descent),
        239 => netfilter_log(data, descent),
        252 => hep::exported(data, descent),
        276 => {
            let protocol = be16(data, 0).or_malformed()?;
            cooked(protocol, data.get(20..).or_malformed()?, descent)
        }
        _ if link == LinkType::NOT_A_PACKET => Ok(Packet::Other),
        number => Err(Unread::LinkType(number)),
    }
}

/// An Ethernet frame from its destination address on.
#[inline]
pub(super) fn ethernet<'a>(data: &'a [u8], descent: Descent) -> Layer<'a> {
    let protocol = be16(data, 12).or_malformed()?;
    let data = data.get(14..).or_malformed()?;
    match protocol {
        0x0800 => ip::v4(data, descent),
        _ => typed_or_counted(protocol, data, descent),
    }
}

/// What follows a type, or a length where the number is that small.
fn typed_or_counted<'a>(protocol: u16, data: &'a [u8], descent: Descent) -> Layer<'a> {
    match protocol {
        0..=1500 => llc(data.get(..usize::from(protocol)).unwrap_or(data), descent),
        _ => ethertype(protocol, data, descent),
    }
}

/// What an Ethernet type announces.
pub(super) fn ethertype<'a>(protocol: u16, data: &'a [u8], descent: Descent) -> Layer<'a> {
    match protocol {
        0x0800 => ip::v4(data, descent),
        0x86dd => ip::v6(data, descent),
        // 802.1Q, 802.1ad, and the older numbers for tags on tags.
        0x8100 | 0x88a8 | 0x9100 | 0x9200 | 0x9300 => {
            let vlan = be16(data, 0).or_malformed()? & 0x0fff;
            behind(data, 2, Descent { vlan, ..descent.deeper()? })
        }
        0x8847 | 0x8848 => tunnel::mpls(data, descent),
        0x8864 => ppp::over_ethernet(data, descent),
        0x6558 => ethernet(data, descent.deeper()?),
        0x880b => ppp::ppp(data, descent),
        // The tag of a provider backbone bridge; a whole frame follows.
        0x88e7 => ethernet(data.get(4..).or_malformed()?, descent.deeper()?),
        0x88e5 => macsec(data, descent),
        // Redundancy tag (802.1CB), VN tag, E tag (802.1BR), Cisco's metadata.
        0xf1c1 | 0x8926 => behind(data, 4, descent.deeper()?),
        0x893f | 0x8909 => behind(data, 6, descent.deeper()?),
        0x894f => tunnel::service(data, descent),
        0x8870 => llc(data, descent),
        _ => Ok(Packet::Other),
    }
}

/// What follows the type that stands behind a tag.
fn behind<'a>(data: &'a [u8], at: usize, descent: Descent) -> Layer<'a> {
    let protocol = be16(data, at).or_malformed()?;
    typed_or_counted(protocol, data.get(at + 2..).or_malformed()?, descent)
}

/// A MACsec frame that is authenticated, not encrypted.
fn macsec<'a>(data: &'a [u8], descent: Descent) -> Layer<'a> {
    let control = *data.first().or_malformed()?;
    // With the identifier of the channel or without.
    let tag = if control & 0x20 != 0 { 14 } else { 6 };
    match control & 0x8c {
        // Version 0, neither encrypted nor changed.
        0 => behind(data, tag, descent.deeper()?),
        _ => Ok(Packet::Other),
    }
}

/// A logical link control header (802.2), with the subnetwork header where there is one.
pub(super) fn llc<'a>(data: &'a [u8], descent: Descent) -> Layer<'a> {
    match data {
        // Ethernet types, also those of bridges.
        [0xaa, 0xaa, 0x03, 0x00, 0x00, 0x00 | 0xf8, high, low, rest @ ..] => {
            ethertype(u16::from_be_bytes([*high, *low]), rest, descent.deeper()?)
        }
        // Bridged Ethernet over ATM or frame relay, with two bytes of padding.
        [0xaa, 0xaa, 0x03, 0x00, 0x80, 0xc2, 0x00, 0x01 | 0x07, _, _, rest @ ..] => {
            ethernet(rest, descent.deeper()?)
        }
        [0x06, 0x06, 0x03, rest @ ..] => ip::any(rest, descent),
        _ => Ok(Packet::Other),
    }
}

/// The protocol field of the Linux cooked headers.
fn cooked<'a>(protocol: u16, data: &'a [u8], descent: Descent) -> Layer<'a> {
    match protocol {
        // Frames with a length in place of a type.
        4 => llc(data, descent),
        _ => ethertype(protocol, data, descent),
    }
}

/// A BSD address family of four bytes, in the byte order of the machine that captured.
fn family<'a>(data: &'a [u8], descent: Descent) -> Layer<'a> {
    let family: [u8; 4] = array(data, 0).or_malformed()?;
    let number = u32::from_le_bytes(family).min(u32::from_be_bytes(family));
    family_number(number, data.get(4..).or_malformed()?, descent)
}

fn family_number<'a>(number: u32, data: &'a [u8], descent: Descent) -> Layer<'a> {
    match number {
        // IPv4; IPv6 on Linux, Windows, NetBSD, FreeBSD and macOS.
        2 | 10 | 23 | 24 | 28 | 30 => ip::any(data, descent),
        _ => Ok(Packet::Other),
    }
}

/// An address family at some place in a header of known length: OpenBSD's decapsulated IPsec.
fn family_behind<'a>(data: &'a [u8], header: usize, at: usize, descent: Descent) -> Layer<'a> {
    let family: [u8; 4] = array(data, at).or_malformed()?;
    let number = u32::from_le_bytes(family).min(u32::from_be_bytes(family));
    family_number(number, data.get(header..).or_malformed()?, descent)
}

/// The log of OpenBSD's packet filter: its header tells its length and the address family.
fn packet_filter_log<'a>(data: &'a [u8], descent: Descent) -> Layer<'a> {
    let [length, family] = *data.first_chunk::<2>().or_malformed()?;
    let header = usize::from(length).next_multiple_of(4);
    family_number(u32::from(family), data.get(header..).or_malformed()?, descent)
}

/// Cisco HDLC: address, control, type.
fn hdlc<'a>(data: &'a [u8], descent: Descent) -> Layer<'a> {
    match *data.first_chunk::<2>().or_malformed()? {
        [0x0f | 0x8f, _] => behind(data, 2, descent),
        // PPP, told by its own address and control bytes.
        [0xff, 0x03] => ppp::ppp(data, descent),
        _ => Ok(Packet::Other),
    }
}

/// Frame relay: an address whose last byte has its lowest bit set, then RFC 2427 or Cisco's way.
fn frame_relay<'a>(data: &'a [u8], descent: Descent) -> Layer<'a> {
    let last = data.iter().take(4).position(|byte| byte & 1 == 1).or_malformed()?;
    match data.get(last + 1..).or_malformed()? {
        [0x03, 0x00, 0x80, rest @ ..] | [0x03, 0x80, rest @ ..] => match rest {
            [0, 0, 0, high, low, rest @ ..] => {
                ethertype(u16::from_be_bytes([*high, *low]), rest, descent.deeper()?)
            }
            _ => Ok(Packet::Other),
        },
        [0x03, 0xcc | 0x8e, rest @ ..] => ip::any(rest, descent),
        rest @ [0x08, 0x00, ..] | rest @ [0x86, 0xdd, ..] => behind(rest, 0, descent),
        _ => Ok(Packet::Other),
    }
}

/// A header of its own for each packet (PPI), with the link type of what follows.
fn per_packet<'a>(data: &'a [u8], descent: Descent) -> Layer<'a> {
    let length = array(data, 2).map(u16::from_le_bytes).or_malformed()?;
    let link = array(data, 4).map(u32::from_le_bytes).or_malformed()?;
    let data = data.get(usize::from(length).max(8)..).or_malformed()?;
    Ok(frame(LinkType((link & 0xffff) as u16), data, descent.deeper()?))
}

/// A record of an Endace card: a header, more headers, a frame of some kind.
fn extensible_record<'a>(data: &'a [u8], descent: Descent) -> Layer<'a> {
    const HEADER: usize = 16;
    const HEADERS_MAX: usize = 16;

    let kind = *data.get(8).or_malformed()?;
    let mut at = HEADER;
    let mut more = kind & 0x80 != 0;
    for _ in 0..HEADERS_MAX {
        if !more {
            break;
        }
        more = data.get(at).or_malformed()? & 0x80 != 0;
        at += 8;
    }
    match kind & 0x7f {
        // Ethernet in its variants, behind two bytes of padding.
        2 | 11 | 16 | 20 => ethernet(data.get(at + 2..).or_malformed()?, descent),
        22 | 23 => ip::any(data.get(at..).or_malformed()?, descent),
        _ => Ok(Packet::Other),
    }
}

/// The header that macOS puts before packets of several interfaces.
fn packet_tap<'a>(link: LinkType, data: &'a [u8], descent: Descent) -> Layer<'a> {
    let length = array(data, 0).map(u32::from_le_bytes).or_malformed()? as usize;
    let next = array(data, 4).map(u32::from_le_bytes).or_malformed()?;
    let inner = array(data, 8).map(u32::from_le_bytes).or_malformed()?;
    // The number 149 is free for private use; other headers than this one may stand behind it.
    let is_plausible = (12..=512).contains(&length) && next <= 1 && inner <= 0xffff;
    if !is_plausible {
        return Err(Unread::LinkType(link.0));
    }
    let data = data.get(length..).or_malformed()?;
    Ok(frame(LinkType((inner & 0xffff) as u16), data, descent.deeper()?))
}

/// The log of Linux netfilter: a list of values, one of which is the packet.
fn netfilter_log<'a>(data: &'a [u8], descent: Descent) -> Layer<'a> {
    const PAYLOAD: u16 = 9;
    const VALUES_MAX: usize = 64;

    // The list is in the byte order of the machine that captured; nobody has seen it big-endian.
    let mut values = data.get(4..).or_malformed()?;
    for _ in 0..VALUES_MAX {
        let length = array(values, 0).map(u16::from_le_bytes).or_malformed()?;
        let kind = array(values, 2).map(u16::from_le_bytes).or_malformed()?;
        let value = values.get(4..usize::from(length)).or_malformed()?;
        if kind & 0x7fff == PAYLOAD {
            return ip::any(value, descent);
        }
        let next = usize::from(length).next_multiple_of(4);
        values = values.get(next..).unwrap_or_default();
        if values.is_empty() {
            break;
        }
    }
    Ok(Packet::Other)
}
