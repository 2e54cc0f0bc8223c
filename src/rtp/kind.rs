//! What a UDP payload on a media port may be (RFC 7983, section 7).

/// The protocol that the first bytes of a payload speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub enum Kind {
    /// Media, or SRTP.
    Rtp,
    /// Reports about media, or SRTCP.
    Rtcp,
    /// Checks of connectivity (RFC 8489).
    Stun,
    /// Media relayed through a TURN channel (RFC 8656, section 12.4).
    TurnChannel,
    /// Keys for SRTP (RFC 6347).
    Dtls,
    /// Keys for SRTP (RFC 6189).
    Zrtp,
    /// Anything else.
    Other,
}

/// `magic cookie` of STUN (RFC 8489, section 5).
const STUN_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// `magic cookie` of ZRTP (RFC 6189, section 5).
const ZRTP_COOKIE: &[u8] = b"ZRTP";

impl Kind {
    /// By the first byte, and by as much more as tells chance from intent.
    #[inline]
    pub fn of(payload: &[u8]) -> Self {
        match payload {
            [0x80..=0xbf, second, ..] => of_version_two(*second, payload),
            [0x00..=0x03, _, _, _, a, b, c, d, ..] if [*a, *b, *c, *d] == STUN_COOKIE => Self::Stun,
            [0x10, _, _, _, cookie @ ..] if cookie.starts_with(ZRTP_COOKIE) => Self::Zrtp,
            [0x14..=0x3f, 0xfe, 0xfd | 0xff, ..] => Self::Dtls,
            [0x40..=0x4f, _, high, low, data @ ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                if length <= data.len() && data.len() <= length.saturating_add(3) {
                    Self::TurnChannel
                } else {
                    Self::Other
                }
            }
            _ => Self::Other,
        }
    }
}

#[inline]
fn of_version_two(second: u8, payload: &[u8]) -> Kind {
    match is_rtcp(second) {
        true if payload.len() >= 8 => Kind::Rtcp,
        false if payload.len() >= 12 => Kind::Rtp,
        _ => Kind::Other,
    }
}

/// Packet types 192 to 223 are RTCP; no RTP payload type with or without marker may look so
/// (RFC 5761, section 4).
#[inline]
pub(super) fn is_rtcp(second: u8) -> bool {
    matches!(second, 192..=223)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_the_first_bytes() {
        let cases: [(&[u8], Kind); 12] = [
            (b"\x80\x08\0\x01\0\0\0\x01\0\0\0\x01", Kind::Rtp),
            (b"\x80\x88\0\x01\0\0\0\x01\0\0\0\x01", Kind::Rtp),
            (b"\x80\xc8\0\x06\0\0\0\x01", Kind::Rtcp),
            (b"\x81\xc9\0\x07\0\0\0\x01", Kind::Rtcp),
            (b"\x80\x08\0\x01", Kind::Other),
            (b"\x00\x01\0\0\x21\x12\xa4\x42", Kind::Stun),
            (b"\x00\x01\0\0\x21\x12\xa4\x43", Kind::Other),
            (b"\x10\0\0\x01ZRTP", Kind::Zrtp),
            (b"\x16\xfe\xfd\0\0", Kind::Dtls),
            (b"\x40\x01\0\x02ab", Kind::TurnChannel),
            (b"INVITE sip:a@b SIP/2.0", Kind::Other),
            (b"", Kind::Other),
        ];
        for (payload, expected) in cases {
            assert_eq!(Kind::of(payload), expected, "{}", payload.escape_ascii());
        }
    }
}
