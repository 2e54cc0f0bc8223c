//! ESP that authenticates without encrypting, as IMS phones use it.
//!
//! Nothing in the packet says so. As Wireshark does, the trailer is looked for where it would
//! stand: padding that counts 1, 2, 3, its length, the protocol, and an integrity value of a usual
//! length.

use crate::bytes::be16;
use crate::packet::ip::{self, Body};
use crate::packet::{Descent, Layer, Path};

/// Security parameters index and sequence number.
const HEADER: usize = 8;

/// Lengths of the integrity value, the usual ones first.
const INTEGRITY: [usize; 5] = [12, 16, 24, 32, 0];

/// What the packet carries, if it is not encrypted.
pub(super) fn null<'a>(body: Body<'a>, path: Path, descent: Descent) -> Option<Layer<'a>> {
    if body.missing > 0 {
        return None;
    }
    INTEGRITY.iter().find_map(|integrity| {
        let (protocol, bytes) = carried(body.bytes, *integrity)?;
        let descent = descent.deeper();
        let body = Body { bytes, missing: 0 };
        Some(descent.and_then(|descent| ip::upper(protocol, body, path, descent)))
    })
}

/// Protocol and payload, if the trailer stands before an integrity value of that length.
fn carried(bytes: &[u8], integrity: usize) -> Option<(u8, &[u8])> {
    let end = bytes.len().checked_sub(integrity)?;
    let (rest, [padding, protocol]) = bytes.get(HEADER..end)?.split_last_chunk::<2>()?;
    let padding = usize::from(*padding);
    let (payload, pad) = rest.split_at_checked(rest.len().checked_sub(padding)?)?;
    let counts = pad.iter().zip(1_u8..).all(|(byte, count)| *byte == count);
    let is_aligned = (rest.len() + 2).is_multiple_of(4);
    (counts && is_aligned && fits(*protocol, payload)).then_some((*protocol, payload))
}

/// The payload begins as that protocol does.
fn fits(protocol: u8, payload: &[u8]) -> bool {
    match protocol {
        4 => payload.first().is_some_and(|byte| byte >> 4 == 4) && ip::is_plausible(payload),
        41 => payload.first().is_some_and(|byte| byte >> 4 == 6) && ip::is_plausible(payload),
        6 => payload.get(12).is_some_and(|offset| {
            let header = usize::from(offset >> 4) * 4;
            offset & 0x0e == 0 && header >= 20 && header <= payload.len()
        }),
        17 => be16(payload, 4).is_some_and(|length| usize::from(length) == payload.len()),
        _ => false,
    }
}
