//! Captured bytes: read without a panic, shown without harm.

use std::borrow::Cow;
use std::fmt;

/// The two bytes at `offset` as a big-endian number.
#[inline]
pub(crate) fn be16(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_be_bytes(array(bytes, offset)?))
}

/// The four bytes at `offset` as a big-endian number.
#[inline]
pub(crate) fn be32(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_be_bytes(array(bytes, offset)?))
}

/// The `N` bytes at `offset`.
#[inline]
pub(crate) fn array<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

/// Captured text made safe to show: invalid UTF-8 replaced; control characters, line ends,
/// invisible and bidirectional marks written as escapes, so that no terminal, page or log is told
/// what to do by a message.
pub fn printable(bytes: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(bytes);
    if text.chars().any(is_harmful) { Cow::Owned(escaped(&text)) } else { text }
}

/// Like [`printable`], of text that is already a string.
pub fn printable_str(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_harmful) { Cow::Owned(escaped(text)) } else { Cow::Borrowed(text) }
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\r' => safe.push_str("\\r"),
            '\n' => safe.push_str("\\n"),
            '\t' => safe.push_str("\\t"),
            c if is_harmful(c) => {
                let _ = fmt::Write::write_fmt(&mut safe, format_args!("\\u{{{:x}}}", u32::from(c)));
            }
            c => safe.push(c),
        }
    }
    safe
}

/// Controls (C0, C1, DEL), line and paragraph separators, zero-width and bidirectional marks, tags,
/// byte order mark.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_a_terminal_would_obey() {
        assert_eq!(printable(b"Anna"), "Anna");
        assert_eq!(printable(b"\x1b[31mred"), "\\u{1b}[31mred");
        assert_eq!(printable("a\u{202e}b".as_bytes()), "a\\u{202e}b");
        assert_eq!(printable(b"a\r\nb\xff"), "a\\r\\nb\u{fffd}");
        assert_eq!(printable_str("日本"), "日本");
    }

    #[test]
    fn reads_inside_the_slice_only() {
        assert_eq!(be16(&[1, 2, 3], 1), Some(0x0203));
        assert_eq!(be16(&[1, 2, 3], 2), None);
        assert_eq!(be32(&[0, 0, 1, 0], 0), Some(256));
        assert_eq!(be32(&[0, 0, 1, 0], usize::MAX), None);
    }
}
