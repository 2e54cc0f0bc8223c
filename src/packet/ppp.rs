//! PPP and PPPoE.

use crate::bytes::be16;
use crate::packet::{Descent, Layer, OrMalformed, Packet, Unread, ip, tunnel};

/// A PPP frame, with or without address and control bytes.
pub(super) fn ppp<'a>(data: &'a [u8], descent: Descent) -> Layer<'a> {
    let data = data.strip_prefix(&[0xff, 0x03]).unwrap_or(data);
    // The first byte of a protocol is even and the last one odd; a first byte of 0 may be left out.
    let (protocol, data) = match data {
        [low, rest @ ..] if low & 1 == 1 => (u16::from(*low), rest),
        [high, low, rest @ ..] => (u16::from_be_bytes([*high, *low]), rest),
        _ => return Err(Unread::Malformed),
    };
    match protocol {
        0x0021 => ip::v4(data, descent.deeper()?),
        0x0057 => ip::v6(data, descent.deeper()?),
        0x0281 | 0x0283 => tunnel::mpls(data, descent),
        _ => Ok(Packet::Other),
    }
}

/// A PPPoE session packet.
pub(super) fn over_ethernet<'a>(data: &'a [u8], descent: Descent) -> Layer<'a> {
    let length = usize::from(be16(data, 4).or_malformed()?);
    let body = data.get(6..).or_malformed()?;
    match data {
        [0x11, 0, ..] => ppp(body.get(..length).unwrap_or(body), descent.deeper()?),
        _ => Ok(Packet::Other),
    }
}
