//! From bytes to lines: the start line, and headers with their names.
//!
//! Line ends are CR LF; bare LF, bare CR and several CRs before an LF are understood and noted.
//! Knows nothing of what a header says.

use memchr::memchr2;
use nom::Parser;
use nom::bytes::complete::take_while1;
use nom::character::complete::{char, space0};
use nom::sequence::terminated;

use super::anomaly::{Anomalies, Anomaly};
use super::header_name::HeaderName;
use super::lws;
use crate::bytes;
use crate::transport::start_line::is_token;

/// Without an error value: nobody asks why on the way that every message takes.
type Lexed<'a, T> = nom::IResult<&'a [u8], T, ()>;

/// One header field.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// Which header.
    pub name: HeaderName,
    /// The name as it was sent.
    pub spelled: &'a [u8],
    /// The value as it was sent, with folds, without the white space around it.
    pub value: &'a [u8],
}

/// One line of the header section.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Line<'a> {
    Header(Header<'a>),
    /// The empty line that ends the section.
    Empty,
    /// A line without a name and a colon.
    Malformed,
}

/// The lines of a header section, up to and with the empty line.
#[derive(Clone, Debug)]
pub(crate) struct Lines<'a> {
    rest: &'a [u8],
    anomalies: Anomalies,
    is_done: bool,
}

impl<'a> Lines<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, anomalies: Anomalies::NONE, is_done: false }
    }

    /// What was not yet read: after the empty line the body, before it a line without an end.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) const fn anomalies(&self) -> Anomalies {
        self.anomalies
    }

    /// Passes over the next line if its first byte cannot begin what is wanted, and tells whether
    /// it did. The line that a folded one goes on in begins with white space.
    #[inline]
    pub(crate) fn pass_over(&mut self, is_wanted: impl Fn(u8) -> bool) -> bool {
        let Some(&first) = self.rest.first() else { return false };
        if matches!(first, b'\r' | b'\n') || is_wanted(first) {
            return false;
        }
        let Some(end) = bytes::find_control(self.rest) else { return false };
        let Some((_, [b'\r', b'\n', rest @ ..])) = self.rest.split_at_checked(end) else {
            return false;
        };
        self.rest = rest;
        true
    }

    /// The next line, not folded: a start line.
    #[inline]
    pub(crate) fn start_line(&mut self) -> Option<&'a [u8]> {
        let (line, after) = physical_line(self.rest, 0, &mut self.anomalies)?;
        self.rest = self.rest.get(after..).unwrap_or_default();
        Some(line)
    }
}

impl<'a> Lines<'a> {
    /// Gives the headers that come next to `take`, as long as they are as nearly all are and `take`
    /// wants more. What is left goes on with the next line.
    #[inline]
    pub(crate) fn usual_headers(&mut self, mut take: impl FnMut(&Header<'a>) -> bool) {
        let mut rest = self.rest;
        while let Some((header, after)) = usual_line(rest) {
            rest = after;
            if !take(&header) {
                break;
            }
        }
        self.rest = rest;
    }

    fn general_line(&mut self) -> Option<Line<'a>> {
        if let Ok((value, (spelled, is_spaced))) = name(self.rest) {
            let (value, rest) = folded(value, &mut self.anomalies)?;
            self.rest = rest;
            self.anomalies.insert_if(is_spaced, Anomaly::SpaceBeforeColon);
            let value = lws::trim(value);
            return Some(Line::Header(Header { name: HeaderName::of(spelled), spelled, value }));
        }
        let (line, after) = physical_line(self.rest, 0, &mut self.anomalies)?;
        self.rest = self.rest.get(after..).unwrap_or_default();
        if line.is_empty() {
            self.is_done = true;
            return Some(Line::Empty);
        }
        self.anomalies.insert(Anomaly::LineWithoutColon);
        Some(Line::Malformed)
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        if self.is_done {
            return None;
        }
        if let [b'\r', b'\n', rest @ ..] = self.rest {
            self.rest = rest;
            self.is_done = true;
            return Some(Line::Empty);
        }
        if let Some((header, rest)) = usual_line(self.rest) {
            self.rest = rest;
            return Some(Line::Header(header));
        }
        self.general_line()
    }
}

/// A header as nearly all of them are: the colon right after the name, and one line that ends with
/// CR LF; and what follows it. The same as the general way finds, sooner.
#[inline(always)]
fn usual_line(input: &[u8]) -> Option<(Header<'_>, &[u8])> {
    let (name, length) = match input.first_chunk().and_then(HeaderName::before_colon) {
        Some(known) => known,
        None => name_of_token(input)?,
    };
    let (spelled, value) = (input.get(..length)?, input.get(length.checked_add(1)?..)?);
    // Of all control characters lines hold tabs at most, and those seldom.
    let end = bytes::find_control(value)?;
    let (value, [b'\r', b'\n', rest @ ..]) = value.split_at_checked(end)? else { return None };
    if let [b' ' | b'\t', ..] = rest {
        return None;
    }
    let value = match value {
        [b' ', value @ ..] => lws::trim(value),
        value => lws::trim(value),
    };
    Some((Header { name, spelled, value }, rest))
}

/// The name that the token at the beginning stands for if a colon is right behind it, and how many
/// bytes it has.
fn name_of_token(input: &[u8]) -> Option<(HeaderName, usize)> {
    let length = input.iter().position(|byte| !is_token(*byte)).filter(|length| *length > 0)?;
    let (spelled, [b':', ..]) = input.split_at_checked(length)? else { return None };
    Some((HeaderName::of(spelled), length))
}

/// Where the line that `input` begins with ends.
#[inline]
fn line_end(input: &[u8]) -> Option<usize> {
    let found = bytes::find_control(input)?;
    match input.get(found) {
        Some(b'\r' | b'\n') => Some(found),
        _ => memchr2(b'\r', b'\n', input),
    }
}

/// The name of a header before its colon, and whether there was white space between.
fn name(input: &[u8]) -> Lexed<'_, (&[u8], bool)> {
    let (input, name) = take_while1(is_token).parse(input)?;
    let (input, space) = terminated(space0, char(':')).parse(input)?;
    Ok((input, (name, !space.is_empty())))
}

/// A value with the lines that continue it (RFC 3261, section 7.3.1), and what follows it; none if
/// the last line has no end.
fn folded<'a>(input: &'a [u8], anomalies: &mut Anomalies) -> Option<(&'a [u8], &'a [u8])> {
    let mut from = 0;
    loop {
        let (_, after) = physical_line(input, from, anomalies)?;
        let (value, rest) = input.split_at_checked(after)?;
        if !matches!(rest.first(), Some(b' ' | b'\t')) {
            return Some((value, rest));
        }
        anomalies.insert(Anomaly::FoldedHeader);
        from = after;
    }
}

/// The line that begins at `from`, without its end, and where the next one begins; none if the line
/// has no end.
#[inline]
fn physical_line<'a>(
    input: &'a [u8],
    from: usize,
    anomalies: &mut Anomalies,
) -> Option<(&'a [u8], usize)> {
    let tail = input.get(from..)?;
    let found = line_end(tail)?;
    let (line, end) = tail.split_at_checked(found)?;
    let width = match end {
        [b'\r', b'\n', ..] => 2,
        [b'\n', ..] => {
            anomalies.insert(Anomaly::BareLineFeed);
            1
        }
        // The LF may have been cut off.
        [_] => 1,
        _ => {
            anomalies.insert(Anomaly::BareCarriageReturn);
            width_of_carriage_returns(end)
        }
    };
    Some((line, from.checked_add(found)?.checked_add(width)?))
}

/// Several CRs before an LF are one line end; a CR without any LF is one as well.
#[cold]
fn width_of_carriage_returns(end: &[u8]) -> usize {
    let returns = end.iter().take_while(|byte| **byte == b'\r').count();
    if end.get(returns) == Some(&b'\n') { returns.saturating_add(1) } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(bytes: &[u8]) -> (Vec<(String, String)>, String, Anomalies) {
        let mut lines = Lines::of(bytes);
        let mut headers = Vec::new();
        for line in lines.by_ref() {
            if let Line::Header(header) = line {
                headers.push((lws::text(header.spelled).into(), lws::text(header.value).into()));
            }
        }
        (headers, lws::text(lines.rest()).into(), lines.anomalies())
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_line_end_is_understood() {
        let expected = pairs(&[("A", "1"), ("B", "2 3")]);
        let cases: [(&[u8], &[Anomaly]); 4] = [
            (b"A: 1\r\nB: 2\r\n\t3\r\n\r\nbody", &[]),
            (b"A: 1\nB: 2\n 3\n\nbody", &[Anomaly::BareLineFeed]),
            (b"A: 1\rB: 2\r 3\r\rbody", &[Anomaly::BareCarriageReturn]),
            (b"A: 1\r\r\nB: 2\r\r\n 3\r\r\n\r\r\nbody", &[Anomaly::BareCarriageReturn]),
        ];
        for (bytes, anomalies) in cases {
            let (found, body, noted) = headers(bytes);
            assert_eq!(found, expected, "{}", bytes.escape_ascii());
            assert_eq!(body, "body");
            let mut set: Anomalies = anomalies.iter().copied().collect();
            set.insert(Anomaly::FoldedHeader);
            assert_eq!(noted, set);
        }
    }

    #[test]
    fn white_space_before_the_colon_is_noted() {
        let (found, _, noted) = headers(b"To :x\r\n\r\n");
        assert_eq!(found, pairs(&[("To", "x")]));
        assert!(noted.contains(Anomaly::SpaceBeforeColon));
    }

    #[test]
    fn bad_lines_are_passed_over() {
        let (found, _, noted) = headers(b"A: 1\r\nFoobar roobar\r\n: x\r\nB: 2\r\n\r\n");
        assert_eq!(found, pairs(&[("A", "1"), ("B", "2")]));
        assert!(noted.contains(Anomaly::LineWithoutColon));
    }

    #[test]
    fn a_line_without_end_is_left() {
        let (found, rest, _) = headers(b"A: 1\r\nCall-ID: 123");
        assert_eq!(found, pairs(&[("A", "1")]));
        assert_eq!(rest, "Call-ID: 123");
    }
}
