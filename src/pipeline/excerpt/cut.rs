//! Bytes of others in a TCP segment become line ends; the checksum follows.

use std::borrow::Cow;
use std::ops::Range;

use crate::bytes::be16;
use crate::packet::Piece;

/// Where TCP has its checksum.
const CHECKSUM: usize = 16;

/// The frame with nothing in the payload of its segment but what lies in `ranges`, which are
/// places in the frame. The header of TCP begins at `header`.
///
/// A checksum that was right stays right, and one that was wrong, as of a segment that the network
/// card was to complete, stays as wrong as it was. Those of UDP around it, in a tunnel, stay right
/// as well: the sum over a whole segment does not change.
pub(super) fn cut<'f>(
    frame: &'f [u8],
    header: usize,
    payload: Piece,
    ranges: &[Range<usize>],
) -> Cow<'f, [u8]> {
    let all = payload.offset..payload.offset + payload.length;
    let others = gaps(all, ranges);
    if others.is_empty() {
        return Cow::Borrowed(frame);
    }
    let mut data = frame.to_vec();
    let (mut before, mut after) = (0_u64, 0_u64);
    for gap in others {
        let length = gap.len();
        let places = gap.clone().zip(data.get_mut(gap).unwrap_or_default());
        for ((place, byte), number) in places.zip(0..) {
            let weight = if place.abs_diff(header).is_multiple_of(2) { 256 } else { 1 };
            before += u64::from(*byte) * weight;
            *byte = line_end(number, length);
            after += u64::from(*byte) * weight;
        }
    }
    if let Some(checksum) = be16(&data, header + CHECKSUM) {
        // RFC 1624, section 3.
        let sum = u64::from(!checksum) + u64::from(!folded(before)) + u64::from(folded(after));
        let place = header + CHECKSUM..header + CHECKSUM + 2;
        let field = data.get_mut(place).unwrap_or_default();
        field.copy_from_slice(&(!folded(sum)).to_be_bytes());
    }
    Cow::Owned(data)
}

/// The parts of a range that none of the others has.
fn gaps(all: Range<usize>, ranges: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut ranges = ranges.to_vec();
    ranges.sort_unstable_by_key(|range| range.start);
    let mut gaps = Vec::new();
    let mut at = all.start;
    for range in ranges {
        if range.start > at {
            gaps.push(at..range.start.min(all.end));
        }
        at = at.max(range.end);
    }
    if at < all.end {
        gaps.push(at..all.end);
    }
    gaps.retain(|gap| !gap.is_empty());
    gaps
}

/// A byte of so many that are line ends.
const fn line_end(number: usize, length: usize) -> u8 {
    // Of an odd number the first one is alone.
    if (number + length).is_multiple_of(2) { b'\r' } else { b'\n' }
}

/// The sum in sixteen bits, carries added.
const fn folded(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
// One range is one range here.
#[allow(clippy::single_range_in_vec_init)]
mod tests {
    use super::*;
    use crate::capture::FrameId;

    fn sum(bytes: &[u8]) -> u16 {
        let words = bytes
            .chunks(2)
            .map(|word| u64::from(word[0]) * 256 + u64::from(word.get(1).copied().unwrap_or(0)));
        folded(words.sum())
    }

    /// A frame of `lead` bytes, a TCP header with a right checksum and a payload.
    fn frame(lead: usize, payload: &[u8]) -> Vec<u8> {
        let mut segment = vec![0x12; 20];
        segment[CHECKSUM..CHECKSUM + 2].fill(0);
        segment.extend(payload);
        let checksum = !sum(&segment);
        segment[CHECKSUM..CHECKSUM + 2].copy_from_slice(&checksum.to_be_bytes());
        [vec![0xaa; lead], segment].concat()
    }

    fn cut_to(lead: usize, payload: &[u8], ranges: &[Range<usize>]) -> Vec<u8> {
        let frame = frame(lead, payload);
        let offset = lead + 20;
        let (id, length) = (FrameId::default(), payload.len());
        let piece = Piece { frame: id, offset, length, at: 0 };
        let ranges: Vec<_> = ranges.iter().map(|r| r.start + offset..r.end + offset).collect();
        let data = cut(&frame, lead, piece, &ranges).into_owned();
        assert_eq!(sum(&data[lead..]), 0xffff, "the checksum is right");
        assert_eq!((data.len(), &data[..lead + 16]), (frame.len(), &frame[..lead + 16]));
        data[offset..].to_vec()
    }

    #[test]
    fn keeps_what_is_wanted_and_a_right_checksum() {
        let payload = b"one secret two secret three";
        for lead in [0, 1, 14] {
            assert_eq!(cut_to(lead, payload, &[0..27]), payload);
            let cut = cut_to(lead, payload, &[11..14]);
            assert_eq!(cut, b"\n\r\n\r\n\r\n\r\n\r\ntwo\n\r\n\r\n\r\n\r\n\r\n\r\n");
            assert_eq!(cut_to(lead, payload, &[]).len(), 27);
            let cut = cut_to(lead, payload, &[22..27, 0..4]);
            assert!(cut.starts_with(b"one \r\n\r\n") && cut.ends_with(b"\r\nthree"));
        }
    }

    #[test]
    fn gaps_are_what_is_left() {
        assert_eq!(gaps(5..20, &[0..6, 10..12, 11..13, 19..30]), [6..10, 13..19]);
        assert_eq!(gaps(5..20, &[]), [5..20]);
        assert_eq!(gaps(5..20, &[5..20]), []);
        assert_eq!(gaps(5..20, &[25..30, 0..2]), [5..20]);
    }
}
