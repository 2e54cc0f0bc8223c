//! Captured bytes: read without a panic, shown without harm.

#[cfg(feature = "parts")]
pub(crate) mod parts;

use std::borrow::Cow;
use std::fmt;

use unicode_width::UnicodeWidthChar;

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

/// Where `part` begins in `whole`; nothing where it is no part of it in memory.
pub(crate) fn offset_in(whole: &[u8], part: &[u8]) -> Option<usize> {
    let offset = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    (offset.checked_add(part.len())? <= whole.len()).then_some(offset)
}

/// A one in each byte of a word.
const ONES: u64 = u64::MAX / 0xff;

/// The highest bit of each byte of a word.
const HIGHS: u64 = ONES * 0x80;

/// Where the first `byte` stands.
///
/// Looks at eight bytes at once. On the short way from one separator to the next, that costs less
/// than the entrance to a search that is made for long ones.
#[inline(never)]
pub(crate) fn find(byte: u8, bytes: &[u8]) -> Option<usize> {
    first_flag(bytes, |word| below(word ^ (ONES * u64::from(byte)), 1))
}

/// Where the first of several bytes stands, the nearest one.
#[inline]
pub(crate) fn find_any<const N: usize>(of: [u8; N], bytes: &[u8]) -> Option<usize> {
    let flags = |word: u64, byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    first_flag(bytes, |word| of.iter().fold(0, |flagged, byte| flagged | flags(word, *byte)))
}

/// Where the first control character stands that is below the space: line ends, tabs, NUL.
#[inline(never)]
pub(crate) fn find_control(bytes: &[u8]) -> Option<usize> {
    first_flag(bytes, |word| below(word, b' '))
}

/// Where `byte` stands first among the eight bytes of a little-endian word.
#[inline]
pub(crate) const fn find_in_word(byte: u8, word: u64) -> Option<usize> {
    match below(word ^ (ONES * byte as u64), 1) {
        0 => None,
        found => Some(found.trailing_zeros() as usize / 8),
    }
}

/// The highest bits of the bytes of `word` that are below `limit`, which is at most 128. Above the
/// lowest of them, bytes that are not may be flagged as well.
#[inline]
const fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(ONES * limit as u64) & !word & HIGHS
}

/// The place of the lowest byte that `flags` flags in the words of `bytes`.
#[inline]
fn first_flag(bytes: &[u8], flags: impl Fn(u64) -> u64) -> Option<usize> {
    let place = |flags: u64| flags.trailing_zeros() as usize / 8;
    let (pairs, rest) = bytes.as_chunks();
    let mut before = 0;
    for pair in pairs {
        let (low, high) = words(pair);
        let found = flags(low);
        if found != 0 {
            return Some(before + place(found));
        }
        let found = flags(high);
        if found != 0 {
            return Some(before + 8 + place(found));
        }
        before += pair.len();
    }
    let rest = match rest.split_first_chunk() {
        Some((word, rest)) => {
            let found = flags(u64::from_le_bytes(*word));
            if found != 0 {
                return Some(before + place(found));
            }
            before += word.len();
            rest
        }
        None => rest,
    };
    let found = flags(padded(rest));
    Some(place(found)).filter(|place| *place < rest.len()).map(|place| before + place)
}

/// Sixteen bytes as two little-endian words.
#[inline]
pub(crate) fn words(pair: &[u8; 16]) -> (u64, u64) {
    let (words, _) = pair.as_chunks();
    let [low, high] = words else { return (0, 0) };
    (u64::from_le_bytes(*low), u64::from_le_bytes(*high))
}

/// The word that fewer than eight bytes begin, with zeros behind them.
#[inline]
fn padded(bytes: &[u8]) -> u64 {
    let shift = |width: usize| 8 * (bytes.len() - width);
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return u64::from(u32::from_le_bytes(*first))
            | (u64::from(u32::from_le_bytes(*last)) << shift(4));
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return u64::from(u16::from_le_bytes(*first))
            | (u64::from(u16::from_le_bytes(*last)) << shift(2));
    }
    bytes.first().copied().map_or(0, u64::from)
}

/// Captured text made safe to show: invalid UTF-8 replaced; control characters, line ends,
/// invisible and bidirectional marks written as escapes, so that no terminal, page or log is told
/// what to do by a message.
///
/// A combining mark that begins the text is an escape as well, since it would change what stands
/// before it, and so are those of a long row, which would cover other lines.
pub fn printable(bytes: &[u8]) -> Cow<'_, str> {
    if let Some(plain) = plain(bytes) {
        return Cow::Borrowed(plain);
    }
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(text) => safe(text),
        Cow::Owned(text) => Cow::Owned(safe(&text).into_owned()),
    }
}

/// Like [`printable`], of text that is already a string.
pub fn printable_str(text: &str) -> Cow<'_, str> {
    if plain(text.as_bytes()).is_some() { Cow::Borrowed(text) } else { safe(text) }
}

/// Text of letters, digits and signs in ASCII, as nearly all captured text is.
fn plain(bytes: &[u8]) -> Option<&str> {
    let is_plain = bytes.iter().fold(true, |is_plain, byte| is_plain & matches!(byte, b' '..=b'~'));
    if is_plain { str::from_utf8(bytes).ok() } else { None }
}

fn safe(text: &str) -> Cow<'_, str> {
    if judged(text).all(|(_, is_shown)| is_shown) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for (c, is_shown) in judged(text) {
        match c {
            '\r' => safe.push_str("\\r"),
            '\n' => safe.push_str("\\n"),
            '\t' => safe.push_str("\\t"),
            c if is_shown => safe.push(c),
            c => {
                let _ = fmt::Write::write_fmt(&mut safe, format_args!("\\u{{{:x}}}", u32::from(c)));
            }
        }
    }
    Cow::Owned(safe)
}

/// Combining marks on one letter: those of living scripts have at most three.
const MARKS_MAX: usize = 4;

/// Each character with whether it is shown as it is.
fn judged(text: &str) -> impl Iterator<Item = (char, bool)> {
    let mut marks = MARKS_MAX;
    text.chars().map(move |c| {
        marks = if c.width() == Some(0) { marks + 1 } else { 0 };
        (c, marks <= MARKS_MAX && !is_harmful(c))
    })
}

/// Controls (C0, C1, DEL), line and paragraph separators, what is invisible by itself (format
/// characters, bidirectional and zero-width marks, variation selectors, fillers, tags) and what is
/// no character at all.
pub(crate) fn is_harmful(c: char) -> bool {
    c.is_control()
        || u32::from(c) & 0xfffe == 0xfffe
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}' | '\u{891}' | '\u{8e2}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fdd0}'..='\u{fdef}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// A basic string of TOML, which is read back as the same text and shows nothing harmful.
pub(crate) fn toml_string(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match (c, u32::from(c)) {
            ('"' | '\\', _) => out.extend(['\\', c]),
            (c, code @ ..=0xffff) if is_harmful(c) => out.push_str(&format!("\\u{code:04x}")),
            (c, code) if is_harmful(c) => out.push_str(&format!("\\U{code:08x}")),
            (c, _) => out.push(c),
        }
    }
    out.push('"');
    out
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
    fn escapes_what_nobody_sees() {
        for c in ['\u{ad}', '\u{180e}', '\u{200d}', '\u{2067}', '\u{3164}', '\u{fe0f}', '\u{ffff}']
        {
            assert_eq!(printable_str(&format!("a{c}b")), format!("a\\u{{{:x}}}b", u32::from(c)));
        }
        assert_eq!(printable_str("\u{e0041}\u{e01ef}"), "\\u{e0041}\\u{e01ef}");
        assert_eq!(printable(b"\x9b2J\xed\xa0\x80"), "\u{fffd}2J\u{fffd}\u{fffd}\u{fffd}");
    }

    #[test]
    fn a_string_of_toml_is_read_back() {
        let text = "a\"b\\c\n\u{1b}\u{85}\u{202e}\u{e0041}\u{e9}";
        let written = toml_string(text);
        assert!(!written.contains(is_harmful), "{written}");
        let read: toml::Table = toml::from_str(&format!("a = {written}")).expect("TOML");
        assert_eq!(read.get("a").and_then(toml::Value::as_str), Some(text));
    }

    #[test]
    fn marks_change_only_the_letter_of_their_own_text() {
        assert_eq!(printable_str("\u{301}a\u{301}"), "\\u{301}a\u{301}");
        assert_eq!(printable_str("a\u{301}\u{302}\u{303}\u{304}"), "a\u{301}\u{302}\u{303}\u{304}");
        let many = format!("a{}b", "\u{301}".repeat(6));
        let shown = format!("a{}\\u{{301}}\\u{{301}}b", "\u{301}".repeat(4));
        assert_eq!(printable_str(&many), shown);
        assert_eq!(printable_str(&shown), shown, "what is safe stays as it is");
    }

    #[test]
    fn finds_what_a_plain_search_finds() {
        let text: Vec<u8> = (0..=u8::MAX).chain(*b"From: <sip:a@b>;tag=\r\n").collect();
        for from in (0..text.len()).chain([0; 8]) {
            for to in from..text.len().min(from + 40) {
                let bytes = &text[from..to];
                let plain = |is: &dyn Fn(u8) -> bool| bytes.iter().position(|byte| is(*byte));
                for byte in [0, 1, b' ', b';', b'<', 0x7f, 0x80, 0xff] {
                    assert_eq!(find(byte, bytes), plain(&|b| b == byte));
                    let any = plain(&|b| [byte, b'\r', b'a'].contains(&b));
                    assert_eq!(find_any([byte, b'\r', b'a'], bytes), any);
                }
                assert_eq!(find_control(bytes), plain(&|b| b < b' '));
            }
        }
        for length in 0..=17 {
            for place in 0..length {
                let mut bytes = vec![b'a'; length];
                bytes[place] = b';';
                assert_eq!(find(b';', &bytes), Some(place));
                assert_eq!(find(0, &bytes), None);
            }
        }
    }

    #[test]
    fn reads_inside_the_slice_only() {
        assert_eq!(be16(&[1, 2, 3], 1), Some(0x0203));
        assert_eq!(be16(&[1, 2, 3], 2), None);
        assert_eq!(be32(&[0, 0, 1, 0], 0), Some(256));
        assert_eq!(be32(&[0, 0, 1, 0], usize::MAX), None);
    }
}
