//! 802.11: data frames that are not encrypted, behind the headers that drivers put before them.

use crate::bytes::{array, be32};
use crate::packet::{Descent, Layer, OrMalformed, Packet, link};

/// A frame behind a radiotap header.
pub(super) fn radiotap<'a>(data: &'a [u8], descent: Descent) -> Layer<'a> {
    let length = array(data, 2).map(u16::from_le_bytes).or_malformed()?;
    let is_padded = radiotap_flags(data).is_some_and(|flags| flags & 0x20 != 0);
    data_frame(data.get(usize::from(length)..).or_malformed()?, is_padded, descent)
}

/// The flags field: behind the bit maps, and behind the eight bytes of the clock if that is there.
fn radiotap_flags(data: &[u8]) -> Option<u8> {
    const CLOCK: u32 = 1;
    const FLAGS: u32 = 2;
    const MORE: u32 = 1 << 31;

    let first = u32::from_le_bytes(array(data, 4)?);
    let mut at = 8;
    let mut map = first;
    while map & MORE != 0 {
        map = u32::from_le_bytes(array(data, at)?);
        at += 4;
    }
    if first & FLAGS == 0 {
        return None;
    }
    if first & CLOCK != 0 {
        at = at.next_multiple_of(8) + 8;
    }
    data.get(at).copied()
}

/// A frame behind a Prism header, or the AVS header that took its number.
pub(super) fn prism<'a>(data: &'a [u8], descent: Descent) -> Layer<'a> {
    match be32(data, 0).or_malformed()? {
        0x8021_1001 | 0x8021_1002 => avs(data, descent),
        _ => frame(data.get(144..).or_malformed()?, descent),
    }
}

/// A frame behind an AVS header.
pub(super) fn avs<'a>(data: &'a [u8], descent: Descent) -> Layer<'a> {
    let length = be32(data, 4).or_malformed()?;
    frame(data.get(length as usize..).or_malformed()?, descent)
}

/// A frame without a header before it.
pub(super) fn frame<'a>(data: &'a [u8], descent: Descent) -> Layer<'a> {
    data_frame(data, false, descent)
}

fn data_frame<'a>(data: &'a [u8], is_padded: bool, descent: Descent) -> Layer<'a> {
    const IS_DATA: u8 = 2;
    const NO_DATA: u8 = 0x40;
    const HAS_QOS: u8 = 0x80;
    const BOTH_SYSTEMS: u8 = 3;
    const IS_PROTECTED: u8 = 0x40;
    const HAS_ORDER: u8 = 0x80;

    let [control, flags] = *data.first_chunk::<2>().or_malformed()?;
    let is_data = (control >> 2) & 3 == IS_DATA && control & NO_DATA == 0;
    if !is_data || flags & IS_PROTECTED != 0 {
        return Ok(Packet::Other);
    }
    let mut header = if flags & BOTH_SYSTEMS == BOTH_SYSTEMS { 30 } else { 24 };
    let mut is_aggregate = false;
    if control & HAS_QOS != 0 {
        is_aggregate = data.get(header).or_malformed()? & 0x80 != 0;
        header += if flags & HAS_ORDER != 0 { 6 } else { 2 };
    }
    if is_padded {
        header = header.next_multiple_of(4);
    }
    let body = data.get(header..).or_malformed()?;
    // Of frames joined to one, the first is read: addresses and a length stand before it.
    link::llc(if is_aggregate { body.get(14..).or_malformed()? } else { body }, descent)
}
