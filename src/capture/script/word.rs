//! A piece of a script line that remembers where it stood.

use super::error::{Error, quoted};
use crate::time::Span;

/// Seconds of the longest time or duration that a script can name: ten years.
const SECONDS_MAX: i64 = 315_360_000;

/// A word and its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'a> {
    /// The word, quotes included.
    pub(super) text: &'a str,
    /// The line it stands in.
    whole: &'a str,
    /// Where it begins in that line, in bytes.
    offset: usize,
    /// The number of the line.
    pub(super) line: usize,
}

impl<'a> Word<'a> {
    /// The line `whole`, as one word.
    pub(super) fn line(whole: &'a str, line: usize) -> Self {
        Self { text: whole, whole, offset: 0, line }
    }

    /// The part from byte `from` to byte `to` of this word; empty when there is none.
    pub(super) fn part(self, from: usize, to: usize) -> Self {
        let text = self.text.get(from..to).unwrap_or("");
        Self { text, offset: self.offset + from, ..self }
    }

    /// Without white space around it.
    pub(super) fn trimmed(self) -> Self {
        let skipped = self.text.len() - self.text.trim_start().len();
        let text = self.text.trim();
        Self { text, offset: self.offset + skipped, ..self }
    }

    /// What stands before and after the first `mark`.
    pub(super) fn split(self, mark: char) -> Option<(Self, Self)> {
        let at = self.text.find(mark)?;
        Some((self.part(0, at), self.part(at + mark.len_utf8(), self.text.len())))
    }

    /// The words of this line up to a comment. White space inside double quotes does not part them.
    pub(super) fn words(self) -> Result<Vec<Self>, Error> {
        let mut words = Vec::new();
        let mut begin = None;
        let mut quote = None;
        for (at, c) in self.text.char_indices() {
            match (c, quote, begin) {
                ('"', None, _) => {
                    quote = Some(at);
                    begin = begin.or(Some(at));
                }
                ('"', Some(_), _) => quote = None,
                (_, Some(_), _) => {}
                ('#', None, None) => return Ok(words),
                (c, None, Some(from)) if c.is_whitespace() => {
                    words.push(self.part(from, at));
                    begin = None;
                }
                (c, None, None) if c.is_whitespace() => {}
                (_, None, None) => begin = Some(at),
                _ => {}
            }
        }
        if let Some(at) = quote {
            let rest = self.part(at, self.text.len());
            return Err(rest.error("a quotation is not closed", "expected another '\"'"));
        }
        words.extend(begin.map(|from| self.part(from, self.text.len())));
        Ok(words)
    }

    /// The word without the quotes around it.
    pub(super) fn unquoted(self) -> &'a str {
        let inner = self.text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        inner.unwrap_or(self.text)
    }

    /// An error at the place of this word.
    pub(super) fn error(&self, found: impl Into<String>, expected: impl Into<String>) -> Error {
        let before = self.whole.get(..self.offset).unwrap_or(self.whole);
        Error {
            line: self.line,
            column: before.chars().count() + 1,
            found: found.into(),
            expected: expected.into(),
            hint: None,
        }
    }

    /// An error that this word is not what it should be.
    pub(super) fn is_no(&self, what: &str, expected: impl Into<String>) -> Error {
        self.error(format!("{} is no {what}", quoted(self.unquoted())), expected)
    }

    /// A time or duration in seconds: `2`, `0.05`, `1.5s`, `20ms`.
    pub(super) fn seconds(&self) -> Result<Span, Error> {
        span(self.unquoted())
            .ok_or_else(|| self.is_no("time", "times are seconds like 0, 1.5, +0.02 or 20ms"))
    }

    /// A number between two others, decimal or hexadecimal.
    pub(super) fn number(&self, least: u64, most: u64) -> Result<u64, Error> {
        let text = self.unquoted();
        let number = match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => text.parse().ok().filter(|_| !text.starts_with('+')),
        };
        let number = number.filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| {
            let found = format!("{} does not fit here", quoted(self.text));
            self.error(found, format!("expected a number from {least} to {most}"))
        })
    }
}

/// The duration that a text names, in whole nanoseconds.
fn span(text: &str) -> Option<Span> {
    let (digits, unit_digits) = match text.strip_suffix("ms") {
        Some(digits) => (digits, 6),
        None => (text.strip_suffix('s').unwrap_or(text), 9),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
    if !all_digits || (whole.is_empty() && fraction.is_empty()) || fraction.len() > unit_digits {
        return None;
    }
    let scale = 10_i64.pow(u32::try_from(unit_digits).ok()?);
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let padded = format!("{fraction:0<unit_digits$}");
    let nanos = whole.checked_mul(scale)?.checked_add(padded.parse().ok()?)?;
    (nanos <= Span::from_secs(SECONDS_MAX).nanos()).then(|| Span::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times() {
        let cases = [
            ("0", Some(0)),
            ("0.05", Some(50_000_000)),
            (".5", Some(500_000_000)),
            ("20ms", Some(20_000_000)),
            ("0.25ms", Some(250_000)),
            ("2s", Some(2_000_000_000)),
            ("1.0000000001", None),
            ("", None),
            (".", None),
            ("-1", None),
            ("1e3", None),
            ("99999999999999999999", None),
        ];
        for (text, expected) in cases {
            assert_eq!(span(text), expected.map(Span::from_nanos), "{text}");
        }
    }

    #[test]
    fn parts_words_but_not_quotations() {
        let line = Word::line("1.5 a > b 200 text=\"x # y\" c#d # comment", 1);
        let words: Vec<_> = line.words().expect("closed").iter().map(|word| word.text).collect();
        assert_eq!(words, ["1.5", "a", ">", "b", "200", "text=\"x # y\"", "c#d"]);
    }
}
