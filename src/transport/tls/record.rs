//! Records of TLS: five bytes of header, then what they carry (RFC 8446, section 5.1).

use crate::bytes::be16;
use crate::transport::tls::course::Alert;

pub(super) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(super) const ALERT: u8 = 21;
pub(super) const HANDSHAKE: u8 = 22;
pub(super) const APPLICATION_DATA: u8 = 23;

/// Bytes of the header.
pub(super) const HEADER: usize = 5;

/// Bytes that one record may carry: 2^14, and what encryption of TLS 1.2 may add.
pub(super) const BODY_BYTES_MAX: usize = (1 << 14) + 2048;

/// A record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'b> {
    pub(super) kind: u8,
    pub(super) version: u16,
    pub(super) body: &'b [u8],
}

impl Record<'_> {
    /// The header as it stands before the body.
    pub(super) fn header(&self) -> [u8; HEADER] {
        let [high, low] = self.version.to_be_bytes();
        let length = u16::try_from(self.body.len()).unwrap_or(u16::MAX);
        let [long, short] = length.to_be_bytes();
        [self.kind, high, low, long, short]
    }
}

/// Type, version and length of the body, if the bytes begin with a header.
pub(super) fn header(bytes: &[u8]) -> Option<(u8, u16, usize)> {
    let [kind @ CHANGE_CIPHER_SPEC..=APPLICATION_DATA, 3, minor @ 0..=4, ..] = *bytes else {
        return None;
    };
    let length = usize::from(be16(bytes, 3)?);
    let is_sound = match kind {
        CHANGE_CIPHER_SPEC => length == 1,
        ALERT => length >= 2,
        _ => length > 0,
    };
    let version = u16::from_be_bytes([3, minor]);
    (is_sound && length <= BODY_BYTES_MAX).then_some((kind, version, length))
}

/// Whether bytes that nothing is known of begin with a record.
pub(in crate::transport) fn begins(bytes: &[u8]) -> bool {
    match header(bytes) {
        Some((HANDSHAKE, _, length)) => length >= 4 && matches!(bytes.get(HEADER), Some(1 | 2)),
        Some((APPLICATION_DATA, ..)) => is_followed(bytes),
        _ => false,
    }
}

/// The alert that the bytes are, where nothing else was said before (RFC 8446, section 6).
pub(in crate::transport) fn alert(bytes: &[u8]) -> Option<Alert> {
    match header(bytes) {
        Some((ALERT, _, 2)) => Alert::read(bytes.get(HEADER..HEADER + 2)?),
        _ => None,
    }
}

/// Whether bytes that begin a side of a connection may be a record.
pub(super) fn may_be(bytes: &[u8]) -> bool {
    let is_version = bytes.get(1).is_none_or(|major| *major == 3);
    is_version
        && bytes.first().is_none_or(|kind| (CHANGE_CIPHER_SPEC..=APPLICATION_DATA).contains(kind))
}

/// The record at the front is followed by another one, by nothing, or ends behind the bytes.
pub(super) fn is_followed(bytes: &[u8]) -> bool {
    let Some((.., length)) = header(bytes) else { return false };
    match bytes.get(HEADER + length..) {
        Some(rest) if rest.len() >= HEADER => header(rest).is_some(),
        _ => true,
    }
}

/// Whether bytes that begin a stream may become a record.
pub(in crate::transport) fn may_begin(bytes: &[u8]) -> bool {
    bytes.len() <= HEADER && [HANDSHAKE, 3].starts_with(bytes.get(..2).unwrap_or(bytes))
}

/// Where the next record begins, in bytes of which the front is not known.
pub(super) fn find(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(3, bytes).find_map(|at| {
        let at = at.checked_sub(1)?;
        is_followed(bytes.get(at..)?).then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_records_from_other_bytes() {
        let cases: [(&[u8], bool); 8] = [
            (b"\x16\x03\x01\x02\0\x01", true),
            (b"\x16\x03\x03\0\x7a\x02", true),
            (b"\x17\x03\x03\0\x02ab", true),
            (b"\x17\x03\x03\0\x02ab\x17\x03\x03\0\x09", true),
            (b"\x17\x03\x03\0\x02ab\x19\x03\x03\0\x09", false),
            (b"\x16\x03\x01\x02\0\x0b", false),
            (b"\x17\x03\x05\0\x02ab", false),
            (b"\x17\x03\x03\xff\xff", false),
        ];
        for (bytes, expected) in cases {
            assert_eq!(begins(bytes), expected, "{}", bytes.escape_ascii());
        }
        assert!(may_begin(b"\x16") && may_begin(b"\x16\x03\x01\0\x09") && !may_begin(b"\x17"));
        assert_eq!(find(b"\x03\x99\x17\x03\x03\0\x02ab"), Some(2));
        assert_eq!(find(b"\x03\x99\x17\x03"), None);
    }
}
