//! The RTP header (RFC 3550, section 5.1).

use std::ops::Range;

use super::kind::is_rtcp;
use crate::bytes::be16;

/// What stands before the media in an RTP packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whether padding follows the media.
    pub has_padding: bool,
    /// Number of contributing sources.
    pub csrc_count: u8,
    /// Whether a header extension is there.
    pub has_extension: bool,
    /// With most audio codecs: the first packet after silence (RFC 3551, section 4.1).
    pub marker: bool,
    /// 0 to 127.
    pub payload_type: u8,
    /// Counts packets, wraps at 2^16.
    pub sequence: u16,
    /// Counts samples, wraps at 2^32.
    pub timestamp: u32,
    /// Names the source of the stream.
    pub ssrc: u32,
    /// Where the media are in the packet, without header, extension and padding.
    pub payload: Range<usize>,
}

impl Header {
    /// The header that `packet` begins with; none unless it is plausible: version 2, no RTCP packet
    /// type, and long enough for what it claims.
    ///
    /// A packet that the capture cut is plausible as far as it goes, unless its header is cut.
    #[inline]
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let fixed: &[u8; FIXED_BYTES] = packet.first_chunk()?;
        let [first, second, ..] = *fixed;
        if first >> 6 != 2 || is_rtcp(second) {
            return None;
        }
        // With neither padding nor extension nor contributing sources, as most have it.
        let payload = match first & 0x3f {
            0 => FIXED_BYTES..packet.len(),
            _ => media(first, packet)?,
        };
        let [_, _, a, b, c, d, e, f, g, h, i, j] = *fixed;
        Some(Self {
            has_padding: first & 0x20 != 0,
            csrc_count: first & 0x0f,
            has_extension: first & 0x10 != 0,
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([a, b]),
            timestamp: u32::from_be_bytes([c, d, e, f]),
            ssrc: u32::from_be_bytes([g, h, i, j]),
            payload,
        })
    }
}

/// Bytes of what every packet has.
const FIXED_BYTES: usize = 12;

/// Where the media are in a packet that says that there is more than the fixed header.
fn media(first: u8, packet: &[u8]) -> Option<Range<usize>> {
    let mut start = FIXED_BYTES + usize::from(first & 0x0f) * 4;
    if first & 0x10 != 0 {
        start += 4 + usize::from(be16(packet, start + 2)?) * 4;
    }
    let media = packet.len().checked_sub(start)?;
    let padding = match packet.last() {
        Some(last) if first & 0x20 != 0 => usize::from(*last),
        _ => 0,
    };
    let end = if padding <= media { packet.len().checked_sub(padding)? } else { packet.len() };
    Some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_packet() {
        let packet = b"\x80\x88\x12\x34\0\0\0\xa0\xde\xad\xbe\xefmedia";
        let Some(header) = Header::parse(packet) else { panic!("a header") };
        assert_eq!((header.marker, header.payload_type, header.sequence), (true, 8, 0x1234));
        assert_eq!((header.timestamp, header.ssrc), (160, 0xdead_beef));
        assert_eq!(packet.get(header.payload), Some(&b"media"[..]));
    }

    #[test]
    fn sources_extension_and_padding_are_not_media() {
        let packet = b"\xb1\0\0\x01\0\0\0\x01\0\0\0\x01CSRC\xbe\xde\0\x01EXT.media\0\0\x03";
        let Some(header) = Header::parse(packet) else { panic!("a header") };
        assert!(header.has_padding && header.has_extension && header.csrc_count == 1);
        assert_eq!(packet.get(header.payload), Some(&b"media"[..]));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let cases: [&[u8]; 5] = [
            b"",
            b"\x40\0\0\x01\0\0\0\x01\0\0\0\x01",
            b"\x80\xc8\0\x01\0\0\0\x01\0\0\0\x01",
            b"\x8f\0\0\x01\0\0\0\x01\0\0\0\x01",
            b"\x90\0\0\x01\0\0\0\x01\0\0\0\x01\xbe\xde\xff\xff",
        ];
        for packet in cases {
            assert_eq!(Header::parse(packet), None);
        }
    }

    #[test]
    fn padding_that_cannot_be_is_media() {
        let packet = b"\xa0\0\0\x01\0\0\0\x01\0\0\0\x01media\xff";
        assert_eq!(Header::parse(packet).map(|header| header.payload), Some(12..18));
    }
}
