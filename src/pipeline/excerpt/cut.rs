//! Bytes of others in a segment or datagram become line ends; the checksum follows. What lies
//! behind a packet becomes zeros.

use std::borrow::Cow;
use std::ops::Range;

use crate::bytes::be16;
use crate::capture::LinkType;
use crate::packet::{Path, Piece};

/// Where TCP has its checksum.
const CHECKSUM: usize = 16;

const UDP: u8 = 17;

/// The length of the header of UDP, which ends with its checksum.
const UDP_HEADER: usize = 8;

/// Where TCP, whose header begins there, has its checksum.
pub(super) const fn checksum_of_tcp(header: usize) -> usize {
    header + CHECKSUM
}

/// Where UDP has its checksum, if it has one and its header stands before the payload, as it does
/// not where other headers carried what it says.
pub(super) fn checksum_of_udp(frame: &[u8], path: Path, payload: Piece) -> Option<usize> {
    let header = payload.offset.checked_sub(UDP_HEADER)?;
    let field = |at: usize| be16(frame, header + at);
    let is_it = field(0)? == path.source.port
        && field(2)? == path.destination.port
        && usize::from(field(4)?) == payload.length + UDP_HEADER;
    (is_it && field(6)? != 0).then_some(header + 6)
}

/// The frame with nothing in the payload of its segment but what lies in `ranges`, which are
/// places in the frame. The checksum stands at `checksum`.
///
/// A checksum that was right stays right, and one that was wrong, as of a segment that the network
/// card was to complete, stays as wrong as it was. Those of UDP around it, in a tunnel, stay right
/// as well: the sum over a whole segment does not change.
pub(super) fn cut<'f>(
    frame: &'f [u8],
    checksum: Option<usize>,
    payload: Piece,
    ranges: &[Range<usize>],
) -> Cow<'f, [u8]> {
    let all = payload.offset..payload.offset + payload.length;
    let others = gaps(all, ranges);
    if others.is_empty() {
        return Cow::Borrowed(frame);
    }
    let mut data = frame.to_vec();
    let at = checksum.unwrap_or_default();
    let (mut before, mut after) = (0_u64, 0_u64);
    for gap in others {
        let length = gap.len();
        let places = gap.clone().zip(data.get_mut(gap).unwrap_or_default());
        for ((place, byte), number) in places.zip(0..) {
            let weight = if place.abs_diff(at).is_multiple_of(2) { 256 } else { 1 };
            before += u64::from(*byte) * weight;
            *byte = line_end(number, length);
            after += u64::from(*byte) * weight;
        }
    }
    if let Some((at, checksum)) = checksum.and_then(|at| Some((at, be16(&data, at)?))) {
        // RFC 1624, section 3. Zero would say that UDP has none (RFC 768).
        let sum = u64::from(!checksum) + u64::from(!folded(before)) + u64::from(folded(after));
        let corrected = match !folded(sum) {
            0 => 0xffff,
            other => other,
        };
        let field = data.get_mut(at..at + 2).unwrap_or_default();
        field.copy_from_slice(&corrected.to_be_bytes());
    }
    Cow::Owned(data)
}

/// The frame without what lies behind its packet: what a network card happens to fill it up with
/// may be a piece of any other.
pub(super) fn without_trailer(link: LinkType, data: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let end = packet_end(link, &data).unwrap_or(data.len());
    if data.get(end..).unwrap_or_default().iter().all(|byte| *byte == 0) {
        return data;
    }
    let mut data = data.into_owned();
    data.get_mut(end..).unwrap_or_default().fill(0);
    Cow::Owned(data)
}

/// Where the packet ends by its own account; nothing where nobody can say.
fn packet_end(link: LinkType, data: &[u8]) -> Option<usize> {
    let (mut at, mut kind) = match link {
        LinkType::ETHERNET => (14, be16(data, 12)?),
        LinkType::LINUX_SLL => (16, be16(data, 14)?),
        LinkType::LINUX_SLL2 => (20, be16(data, 0)?),
        LinkType::RAW | LinkType::IPV4 | LinkType::IPV6 => match data.first()? >> 4 {
            4 => (0, 0x0800),
            _ => (0, 0x86dd),
        },
        _ => return None,
    };
    while matches!(kind, 0x8100 | 0x88a8 | 0x9100) {
        kind = be16(data, at + 2)?;
        at += 4;
    }
    // A card that cuts segments itself leaves the length to be filled in.
    let (header, end, upper) = match kind {
        0x0800 => {
            let header = usize::from(data.get(at)? & 0xf) * 4;
            let length = usize::from(be16(data, at + 2)?);
            let is_whole = be16(data, at + 6)? & 0x3fff == 0;
            let end = (length >= header).then_some(at + length)?;
            (at + header, end, data.get(at + 9).filter(|_| is_whole))
        }
        0x86dd => {
            let length = usize::from(be16(data, at + 4)?);
            let end = (length > 0).then_some(at + 40 + length)?;
            (at + 40, end, data.get(at + 6))
        }
        _ => return None,
    };
    let of_udp = upper.filter(|upper| **upper == UDP).and_then(|_| be16(data, header + 4));
    let of_udp = of_udp.map(usize::from).filter(|length| *length >= UDP_HEADER);
    Some(of_udp.map_or(end, |length| end.min(header + length)))
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
        let data = cut(&frame, Some(checksum_of_tcp(lead)), piece, &ranges).into_owned();
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
    fn what_lies_behind_a_packet_becomes_zeros() {
        let udp = [&[0x13, 0xc4, 0x13, 0xc4, 0, 10, 0, 0][..], b"ab"].concat();
        let v4 = [&[0x45, 0, 0, 30, 0, 1, 0, 0, 64, 17, 0, 0][..], &[1; 8], &udp].concat();
        let v6 = [&[0x60, 0, 0, 0, 0, 10, 17, 64][..], &[1; 32], &udp].concat();
        let ethernet = |kind: &[u8]| [&[2; 12][..], kind].concat();
        let cases = [
            (LinkType::ETHERNET, ethernet(&[8, 0]), &v4),
            (LinkType::ETHERNET, ethernet(&[0x81, 0, 0, 5, 0x86, 0xdd]), &v6),
            (LinkType::LINUX_SLL, [&[0; 14][..], &[8, 0]].concat(), &v4),
            (LinkType::LINUX_SLL2, [&[0x86, 0xdd][..], &[0; 18]].concat(), &v6),
            (LinkType::RAW, Vec::new(), &v4),
            (LinkType::RAW, Vec::new(), &v6),
        ];
        for (link, head, packet) in cases {
            let plain = [&head[..], packet].concat();
            let filled = [&plain[..], b"secret"].concat();
            let expected = [&plain[..], &[0; 6]].concat();
            assert_eq!(without_trailer(link, Cow::Borrowed(&filled)), expected, "{link:?}");
            let own = without_trailer(link, Cow::Borrowed(&expected));
            assert!(matches!(own, Cow::Borrowed(_)), "nothing is copied in vain");
            for length in 0..plain.len() {
                let cut = without_trailer(link, Cow::Borrowed(&plain[..length]));
                assert_eq!(*cut, plain[..length], "{link:?}");
            }
        }
        // Bytes that IP has and UDP does not, and a length that is not filled in.
        let mut longer = [&v4[..], b"secret"].concat();
        longer[3] += 6;
        let own = without_trailer(LinkType::RAW, Cow::Borrowed(&longer));
        assert_eq!(&own[30..], [0; 6]);
        longer[2..4].fill(0);
        assert_eq!(without_trailer(LinkType::RAW, Cow::Borrowed(&longer)), longer);
    }

    #[test]
    fn gaps_are_what_is_left() {
        assert_eq!(gaps(5..20, &[0..6, 10..12, 11..13, 19..30]), [6..10, 13..19]);
        assert_eq!(gaps(5..20, &[]), [5..20]);
        assert!(gaps(5..20, &[5..20]).is_empty());
        assert_eq!(gaps(5..20, &[25..30, 0..2]), [5..20]);
    }
}
