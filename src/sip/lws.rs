//! Linear white space: where values begin and end, and folded lines made one.

use std::borrow::Cow;

use crate::bytes;

#[inline]
pub(crate) const fn is_lws(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// `bytes` without the white space around, folds included.
#[inline]
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    if is_tight(bytes) { bytes } else { trim_both(bytes) }
}

/// Whether there are bytes and the ones at both ends are beyond all white space.
#[inline]
pub(crate) const fn is_tight(bytes: &[u8]) -> bool {
    matches!((bytes.first(), bytes.last()), (Some(b'!'..), Some(b'!'..)))
}

fn trim_both(bytes: &[u8]) -> &[u8] {
    trim_end(trim_start(bytes))
}

/// `bytes` without the white space before, folds included.
#[inline]
pub(crate) fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes {
        if !is_lws(*first) {
            break;
        }
        bytes = rest;
    }
    bytes
}

/// `bytes` without the white space after, folds included.
#[inline]
pub(crate) fn trim_end(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., last] = bytes {
        if !is_lws(*last) {
            break;
        }
        bytes = rest;
    }
    bytes
}

/// `value` on one line: each fold with the white space around it is one space
/// (RFC 3261, section 7.3.1).
pub(crate) fn unfolded(value: &[u8]) -> Cow<'_, [u8]> {
    if bytes::find_any([b'\r', b'\n'], value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut line = Vec::with_capacity(value.len());
    for piece in value.split(|byte| matches!(byte, b'\r' | b'\n')).map(trim) {
        if !line.is_empty() && !piece.is_empty() {
            line.push(b' ');
        }
        line.extend_from_slice(piece);
    }
    Cow::Owned(line)
}

/// `value` on one line as text; invalid UTF-8 replaced.
pub(crate) fn text(value: &[u8]) -> Cow<'_, str> {
    match unfolded(value) {
        Cow::Borrowed(line) => String::from_utf8_lossy(line),
        Cow::Owned(line) => Cow::Owned(String::from_utf8_lossy(&line).into_owned()),
    }
}

/// The number that `digits` stand for; none if there is anything else or it passes 32 bits.
#[inline]
pub(crate) fn number(digits: &[u8]) -> Option<u32> {
    // So few of them cannot pass the bound.
    if let 1..=9 = digits.len() {
        return digits.iter().try_fold(0, |number, byte| {
            let digit = byte.wrapping_sub(b'0');
            (digit <= 9).then(|| number * 10 + u32::from(digit))
        });
    }
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u32, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number.checked_mul(10)?.checked_add(u32::from(digit))
    })
}

/// The first word of `bytes` and what follows it.
pub(crate) fn word(bytes: &[u8]) -> (&[u8], &[u8]) {
    let bytes = trim_start(bytes);
    let end = bytes.iter().position(|byte| is_lws(*byte)).unwrap_or(bytes.len());
    let (word, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
    (word, trim_start(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_become_one_space() {
        assert_eq!(text(b"a  b"), "a  b");
        assert_eq!(text(b"new \r\n\t value"), "new value");
        assert_eq!(text(b"a\r\n \r\n b\xff"), "a b\u{fffd}");
    }

    #[test]
    fn numbers_do_not_wrap() {
        assert_eq!(number(b"0009"), Some(9));
        assert_eq!((number(b"999999999"), number(b"0000000012")), (Some(999_999_999), Some(12)));
        assert_eq!(number(b"4294967295"), Some(u32::MAX));
        for digits in [&b""[..], b"4294967296", b"-1", b"1 ", b"36893488147419103232"] {
            assert_eq!(number(digits), None);
        }
    }

    #[test]
    fn words_end_at_white_space() {
        assert_eq!(word(b" 9 \r\n INVITE "), (&b"9"[..], &b"INVITE "[..]));
        assert_eq!(word(b""), (&b""[..], &b""[..]));
    }
}
