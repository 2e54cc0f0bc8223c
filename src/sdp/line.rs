//! Lines `type=value` (RFC 8866, section 5).

use super::anomaly::{Anomalies, Anomaly};
use crate::sip::lws::trim;

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The letter before the `=`.
    pub kind: u8,
    /// What follows, white space around it removed.
    pub value: &'a [u8],
}

/// The lines of a description or of one media description.
#[derive(Clone, Debug)]
pub(crate) struct Lines<'a> {
    rest: &'a [u8],
    anomalies: Anomalies,
}

impl<'a> Lines<'a> {
    pub(crate) const fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, anomalies: Anomalies::NONE }
    }

    /// What was not yet read.
    #[inline]
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub(crate) const fn anomalies(&self) -> Anomalies {
        self.anomalies
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    #[inline]
    fn next(&mut self) -> Option<Line<'a>> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let end = line_end(self.rest);
            if end.is_none() {
                self.anomalies.insert(Anomaly::Unfinished);
            }
            let (line, after) =
                self.rest.split_at_checked(end.unwrap_or(self.rest.len())).unwrap_or_default();
            self.rest = match after {
                [b'\r', b'\n', after @ ..] => after,
                [b'\n', after @ ..] => {
                    self.anomalies.insert(Anomaly::BareLineFeed);
                    after
                }
                [_, after @ ..] => after,
                [] => &[],
            };
            match line {
                [] => {}
                [kind, b'=', value @ ..] if kind.is_ascii_alphabetic() => {
                    return Some(Line { kind: *kind, value: trim(value) });
                }
                _ => self.anomalies.insert(Anomaly::LineInvalid),
            }
        }
    }
}

/// Where the line ends. Lines are short, so eight bytes at a time are sooner done than a search
/// that is made for long ones.
#[inline]
fn line_end(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let mut at = 0;
    for word in bytes.as_chunks().0 {
        let word = u64::from_le_bytes(*word);
        // The high bit of each byte below 14, and perhaps of bytes after such a one.
        let low = word.wrapping_sub(ONES * 14) & !word & HIGH;
        if low != 0 {
            let first = at + low.trailing_zeros() as usize / 8;
            let found = bytes.get(first..)?.iter().position(is_end)?;
            return Some(first + found);
        }
        at += 8;
    }
    Some(at + bytes.get(at..)?.iter().position(is_end)?)
}

/// The words of a line; white space between them may be more than the one space that is allowed.
pub(crate) fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    value.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_wherever_they_end() {
        for length in 0..40 {
            for end in ["\r\n", "\n", "\r"] {
                let text =
                    format!("{}\t\u{1}{end}rest of more than eight bytes", "ä".repeat(length));
                let found = text.bytes().position(|byte| matches!(byte, b'\r' | b'\n'));
                assert_eq!(line_end(text.as_bytes()), found, "{text}");
            }
        }
        assert_eq!((line_end(b""), line_end(b"none at all, and long")), (None, None));
    }

    #[test]
    fn lines_of_every_kind() {
        let mut lines = Lines::of(b"v=0\r\n\r\ns= x \nm =y\r\nfoo\ra=");
        let found: Vec<_> = lines.by_ref().map(|line| (line.kind, line.value)).collect();
        assert_eq!(found, [(b'v', &b"0"[..]), (b's', b"x"), (b'a', b"")]);
        let noted = [Anomaly::LineInvalid, Anomaly::BareLineFeed, Anomaly::Unfinished];
        assert_eq!(lines.anomalies(), noted.into_iter().collect());
    }
}
