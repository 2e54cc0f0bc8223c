//! Tunnels: GRE, MPLS and L2TPv3, and those that hide behind a UDP port.
//!
//! A port number is no proof. The header of the tunnel has to be right in every bit that is fixed,
//! and what is inside has to be readable; else the datagram is an ordinary one.

use crate::bytes::{array, be16};
use crate::packet::ip::Body;
use crate::packet::{
    Descent, Layer, OrMalformed, Packet, Path, Unread, esp, hep, ip, link, ppp, wireless,
};

/// Ports that [`over_udp`] looks at.
const PORTS: [u16; 14] =
    [1701, 2152, 3544, 4500, 4789, 4790, 6081, 6635, 8472, 9060, 9061, 9062, 9063, 37008];

/// Whether one of [`PORTS`] ends with this byte.
static LAST_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < PORTS.len() {
        table[(PORTS[at] & 0xff) as usize] = true;
        at += 1;
    }
    table
};

/// Whether a datagram from or to this port may be a tunnel.
#[inline]
pub(super) fn may_use(port: u16) -> bool {
    LAST_BYTES[usize::from(port as u8)] && PORTS.contains(&port)
}

/// What a UDP datagram carries, if it is a tunnel.
#[inline]
pub(super) fn over_udp<'a>(
    path: Path,
    payload: &'a [u8],
    is_cut: bool,
    descent: Descent,
) -> Option<Layer<'a>> {
    if payload.first_chunk::<4>() == Some(b"HEP3") {
        return hep::packet(payload, is_cut).map(Ok);
    }
    let layer = match (path.destination.port, path.source.port) {
        (4789 | 8472, _) | (_, 4789 | 8472) => vxlan(payload, descent),
        (4790, _) | (_, 4790) => vxlan_gpe(payload, descent),
        (6081, _) | (_, 6081) => geneve(payload, descent),
        (2152, _) | (_, 2152) => gtp(payload, is_cut, descent),
        (37008, _) => tzsp(payload, descent),
        (6635, _) => mpls_in_udp(payload, descent),
        (9060..=9063, _) => return hep::packet(payload, is_cut).map(Ok),
        (3544, _) | (_, 3544) => teredo(payload, descent),
        (1701, _) | (_, 1701) => l2tp(payload, descent),
        (4500, _) | (_, 4500) => {
            let body = Body { bytes: payload, missing: u32::from(is_cut) };
            esp_in_udp(body, path, descent)
        }
        _ => return None,
    }?;
    match layer {
        Ok(Packet::Unread(Unread::Malformed)) | Err(Unread::Malformed) => None,
        layer => Some(layer),
    }
}

/// VXLAN (RFC 7348), with or without the group policy extension.
fn vxlan<'a>(payload: &'a [u8], descent: Descent) -> Option<Layer<'a>> {
    let (inner, descent) = match payload {
        [0x08, 0, 0, 0, _, _, _, 0, inner @ ..] => (inner, descent.deeper()),
        [0x88, flags, _, _, _, _, _, 0, inner @ ..] if flags & !0x48 == 0 => {
            (inner, descent.deeper())
        }
        _ => return None,
    };
    Some(descent.and_then(|descent| link::ethernet(inner, descent)))
}

/// VXLAN with a protocol field.
fn vxlan_gpe<'a>(payload: &'a [u8], descent: Descent) -> Option<Layer<'a>> {
    // Some senders leave out the bit that says that the protocol is given.
    let [0x08 | 0x0c, 0, 0, protocol, _, _, _, 0, inner @ ..] = payload else { return None };
    let descent = match descent.deeper() {
        Ok(descent) => descent,
        Err(unread) => return Some(Err(unread)),
    };
    match protocol {
        1 | 2 => Some(ip::any(inner, descent)),
        3 => Some(link::ethernet(inner, descent)),
        _ => None,
    }
}

/// Geneve (RFC 8926).
fn geneve<'a>(payload: &'a [u8], descent: Descent) -> Option<Layer<'a>> {
    let [first, flags, high, low, _, _, _, 0, ..] = payload else { return None };
    let protocol = u16::from_be_bytes([*high, *low]);
    let is_sane = first >> 6 == 0
        && flags & 0x3f == 0
        && matches!(protocol, 0x0800 | 0x86dd | 0x6558 | 0x8847 | 0x8848);
    if !is_sane {
        return None;
    }
    let inner = payload.get(8 + usize::from(first & 0x3f) * 4..)?;
    Some(descent.deeper().and_then(|descent| link::ethertype(protocol, inner, descent)))
}

/// User data of GTP version 1 (3GPP TS 29.281).
fn gtp<'a>(payload: &'a [u8], is_cut: bool, descent: Descent) -> Option<Layer<'a>> {
    const USER_DATA: u8 = 255;
    const EXTENSIONS_MAX: usize = 8;

    let [flags, USER_DATA, high, low, _, _, _, _, rest @ ..] = payload else { return None };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if flags & 0xf8 != 0x30 || (length > rest.len() && !is_cut) {
        return None;
    }
    let mut inner = rest.get(..length).unwrap_or(rest);
    if flags & 7 != 0 {
        // Sequence number, N-PDU number, and the type of the first extension.
        let mut next = *inner.get(3)?;
        inner = inner.get(4..)?;
        for _ in 0..EXTENSIONS_MAX {
            if next == 0 {
                break;
            }
            let length = usize::from(*inner.first()?) * 4;
            next = *inner.get(length.checked_sub(1)?)?;
            inner = inner.get(length..)?;
        }
    }
    Some(descent.deeper().and_then(|descent| ip::any(inner, descent)))
}

/// TZSP, the mirror of MikroTik routers and of wireless sensors.
fn tzsp<'a>(payload: &'a [u8], descent: Descent) -> Option<Layer<'a>> {
    const TAGS_MAX: usize = 64;

    let [1, 0 | 1, 0, protocol, tags @ ..] = payload else { return None };
    let mut tags = tags;
    for _ in 0..TAGS_MAX {
        match tags {
            // Padding.
            [0, rest @ ..] => tags = rest,
            // The end.
            [1, inner @ ..] => {
                let descent = match descent.deeper() {
                    Ok(descent) => descent,
                    Err(unread) => return Some(Err(unread)),
                };
                return match protocol {
                    1 => Some(link::ethernet(inner, descent)),
                    18 => Some(wireless::frame(inner, descent)),
                    119 => Some(wireless::prism(inner, descent)),
                    127 => Some(wireless::avs(inner, descent)),
                    _ => None,
                };
            }
            [_, length, rest @ ..] => tags = rest.get(usize::from(*length)..)?,
            _ => return None,
        }
    }
    None
}

/// Teredo (RFC 4380): IPv6 behind optional headers for authentication and origin.
fn teredo<'a>(payload: &'a [u8], descent: Descent) -> Option<Layer<'a>> {
    let mut inner = payload;
    if let [0, 1, client, authentication, ..] = inner {
        inner = inner.get(13 + usize::from(*client) + usize::from(*authentication)..)?;
    }
    if let [0, 0, ..] = inner {
        inner = inner.get(8..)?;
    }
    let is_v6 = inner.first()? >> 4 == 6 && ip::is_plausible(inner);
    is_v6.then(|| descent.deeper().and_then(|descent| ip::v6(inner, descent)))
}

/// Data of L2TP version 2 (RFC 2661) or 3 (RFC 3931) over UDP.
fn l2tp<'a>(payload: &'a [u8], descent: Descent) -> Option<Layer<'a>> {
    const HAS_LENGTH: u16 = 0x4000;
    const HAS_SEQUENCE: u16 = 0x0800;
    const HAS_OFFSET: u16 = 0x0200;

    let flags = be16(payload, 0)?;
    // No control message, and no bit set that is not defined.
    match flags & 0xb4ff {
        2 => {}
        3 if flags == 3 => return l2tp_v3(payload.get(4..)?, descent).map(Ok),
        _ => return None,
    }
    let mut at = 2;
    if flags & HAS_LENGTH != 0 {
        if usize::from(be16(payload, at)?) > payload.len() {
            return None;
        }
        at += 2;
    }
    at += 4;
    if flags & HAS_SEQUENCE != 0 {
        at += 4;
    }
    if flags & HAS_OFFSET != 0 {
        at += 2 + usize::from(be16(payload, at)?);
    }
    let inner = payload.get(at..)?;
    let is_ppp = matches!(inner, [0xff, 0x03, ..] | [0x00, 0x21 | 0x57, ..] | [0x21 | 0x57, ..]);
    is_ppp.then(|| descent.deeper().and_then(|descent| ppp::ppp(inner, descent)))
}

/// A session of L2TP version 3. How long its cookie is, both ends agreed before; so the frame is
/// looked for behind each length that may be.
pub(super) fn l2tp_v3<'a>(bytes: &'a [u8], descent: Descent) -> Option<Packet<'a>> {
    let descent = descent.deeper().ok()?;
    let session: [u8; 4] = array(bytes, 0)?;
    if session == [0; 4] {
        return None;
    }
    [4, 8, 12, 16].into_iter().find_map(|at| {
        let inner = bytes.get(at..)?;
        is_ethernet(inner).then(|| link::ethernet(inner, descent).ok()).flatten()
    })
}

/// The bytes begin as an Ethernet frame with an IP packet in it.
fn is_ethernet(bytes: &[u8]) -> bool {
    match (be16(bytes, 12), be16(bytes, 16)) {
        (Some(0x0800 | 0x86dd), _) => bytes.get(14..).is_some_and(ip::is_plausible),
        (Some(0x8100), Some(0x0800 | 0x86dd)) => bytes.get(18..).is_some_and(ip::is_plausible),
        _ => false,
    }
}

/// MPLS over UDP (RFC 7510).
fn mpls_in_udp<'a>(payload: &'a [u8], descent: Descent) -> Option<Layer<'a>> {
    let layer = mpls(payload, descent);
    matches!(layer, Ok(Packet::Udp { .. } | Packet::Tcp(_) | Packet::Fragment(_))).then_some(layer)
}

/// A stack of MPLS labels. What is below it, only its first bits tell.
pub(super) fn mpls<'a>(data: &'a [u8], descent: Descent) -> Layer<'a> {
    let mut descent = descent;
    let mut rest = data;
    loop {
        descent = descent.deeper()?;
        let [_, _, bottom, _] = *rest.first_chunk::<4>().or_malformed()?;
        rest = rest.get(4..).or_malformed()?;
        if bottom & 1 == 1 {
            break;
        }
    }
    if ip::is_plausible(rest) {
        return ip::any(rest, descent);
    }
    // A pseudowire: Ethernet, with a control word before it or without.
    let worded = rest.get(4..).unwrap_or_default();
    match rest.first().map_or(0, |byte| byte >> 4) {
        0 if is_ethernet(worded) => link::ethernet(worded, descent),
        _ if is_ethernet(rest) => link::ethernet(rest, descent),
        4 | 6 => ip::any(rest, descent),
        0 => link::ethernet(worded, descent),
        _ => Ok(Packet::Other),
    }
}

/// A service header (RFC 8300).
pub(super) fn service<'a>(data: &'a [u8], descent: Descent) -> Layer<'a> {
    let [_, length, _, protocol] = *data.first_chunk::<4>().or_malformed()?;
    let inner = data.get(usize::from(length & 0x3f) * 4..).or_malformed()?;
    match protocol {
        1 | 2 => ip::any(inner, descent.deeper()?),
        3 => link::ethernet(inner, descent.deeper()?),
        5 => mpls(inner, descent),
        _ => Ok(Packet::Other),
    }
}

/// ESP that went through NAT (RFC 3948), as far as it is not encrypted.
fn esp_in_udp<'a>(body: Body<'a>, path: Path, descent: Descent) -> Option<Layer<'a>> {
    if body.bytes.first_chunk::<4>()? == &[0; 4] {
        return None;
    }
    esp::null(body, path, descent)
}

/// GRE (RFC 2784, RFC 2890), also with the mirrors of switches in it, and its version 1 (RFC 2637).
pub(super) fn gre<'a>(data: &'a [u8], descent: Descent) -> Layer<'a> {
    const CHECKSUM: u16 = 0x8000;
    const ROUTING: u16 = 0x4000;
    const KEY: u16 = 0x2000;
    const SEQUENCE: u16 = 0x1000;
    const ACKNOWLEDGE: u16 = 0x0080;

    let flags = be16(data, 0).or_malformed()?;
    let protocol = be16(data, 2).or_malformed()?;
    let version = flags & 7;
    let mut at = 4;
    for (flag, bytes) in [
        (CHECKSUM | ROUTING, 4),
        (KEY, 4),
        (SEQUENCE, 4),
        (if version == 1 { ACKNOWLEDGE } else { 0 }, 4),
    ] {
        if flags & flag != 0 {
            at += bytes;
        }
    }
    let inner = data.get(at..).or_malformed()?;
    match (version, protocol) {
        (1, 0x880b) if inner.is_empty() => Ok(Packet::Other),
        (0, 0x88be) => erspan(inner, flags & SEQUENCE != 0, descent),
        (0, 0x22eb) => erspan_3(inner, descent),
        // Web cache redirection: four bytes before the packet, in its second version.
        (0, 0x883e) if !ip::is_plausible(inner) => ip::any(inner.get(4..).or_malformed()?, descent),
        (0, 0x883e) => ip::any(inner, descent),
        (0 | 1, _) => link::ethertype(protocol, inner, descent),
        _ => Err(Unread::Malformed),
    }
}

/// A mirrored frame, type I (no header) or II (a header, and a sequence number in the GRE header).
fn erspan<'a>(inner: &'a [u8], has_sequence: bool, descent: Descent) -> Layer<'a> {
    let header = if has_sequence { 8 } else { 0 };
    link::ethernet(inner.get(header..).or_malformed()?, descent)
}

/// A mirrored frame, type III.
fn erspan_3<'a>(inner: &'a [u8], descent: Descent) -> Layer<'a> {
    let fields = be16(inner, 10).or_malformed()?;
    let header = if fields & 1 == 1 { 20 } else { 12 };
    let frame = inner.get(header..).or_malformed()?;
    match (fields >> 10) & 0x1f {
        2 => ip::any(frame, descent),
        _ => link::ethernet(frame, descent),
    }
}
