//! Bodies: their content types, and the parts of a multipart.

use std::borrow::Cow;

use memchr::memmem;

use super::header_name::HeaderName;
use super::lexer::{Header, Line, Lines};
use super::lws::trim;
use super::quoted::{self, Parameters};
use crate::limits::{BODY_DEPTH_MAX, BODY_PARTS_MAX};

/// `Content-Type` (RFC 3261, section 20.15).
#[derive(Clone, Copy, Debug)]
pub struct ContentType<'a> {
    /// For example `application`; compared in any case.
    pub kind: &'a [u8],
    /// For example `sdp`; compared in any case.
    pub subtype: &'a [u8],
    /// All parameters, among them the boundary of a multipart.
    pub parameters: Parameters<'a>,
}

impl<'a> ContentType<'a> {
    /// The type that `value` names; a part that is missing is empty.
    pub fn parse(value: &'a [u8]) -> Self {
        let (name, parameters) = quoted::first_and_parameters(value);
        let mut halves = name.splitn(2, |byte| *byte == b'/').map(trim);
        Self {
            kind: halves.next().unwrap_or_default(),
            subtype: halves.next().unwrap_or_default(),
            parameters,
        }
    }

    /// Whether `kind/subtype`, in any case, parameters aside.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind.as_bytes())
            && self.subtype.eq_ignore_ascii_case(subtype.as_bytes())
    }

    /// Whether any kind of multipart (RFC 5621).
    pub fn is_multipart(&self) -> bool {
        self.kind.eq_ignore_ascii_case(b"multipart")
    }

    /// What separates the parts of a multipart.
    pub fn boundary(&self) -> Option<Cow<'a, [u8]>> {
        self.parameters.value("boundary").map(quoted::unquoted)
    }
}

/// A body, or one part of a multipart body.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// What it is, if anything says so.
    pub content_type: Option<ContentType<'a>>,
    /// The bytes of the part, without its headers.
    pub body: &'a [u8],
    /// The header lines of the part; empty for the body of a message.
    headers: &'a [u8],
}

impl<'a> Part<'a> {
    pub(crate) const fn whole(content_type: Option<ContentType<'a>>, body: &'a [u8]) -> Self {
        Self { content_type, body, headers: &[] }
    }

    /// A part that may begin with header lines; without an empty line all of it is headers, unless
    /// its first line is none.
    fn parse(bytes: &'a [u8]) -> Self {
        let mut lines = Lines::of(bytes);
        let mut content_type = None;
        for line in lines.by_ref() {
            match line {
                Line::Header(header) if header.name == HeaderName::ContentType => {
                    content_type = content_type.or(Some(ContentType::parse(header.value)));
                }
                Line::Header(_) | Line::Empty => {}
                Line::Malformed => return Self::whole(None, bytes),
            }
        }
        Self { content_type, body: lines.rest(), headers: bytes }
    }

    /// The value of the first header of the part with this name.
    pub fn header(&self, name: HeaderName) -> Option<&'a [u8]> {
        Lines::of(self.headers).find_map(|line| match line {
            Line::Header(Header { name: found, value, .. }) if found == name => Some(value),
            Line::Header(_) | Line::Empty | Line::Malformed => None,
        })
    }

    /// Whether the content type is `kind/subtype`, in any case.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.content_type.is_some_and(|content_type| content_type.is(kind, subtype))
    }
}

/// The parts of a body in their order, multiparts opened to a bounded depth.
///
/// A multipart without a boundary, or deeper than the bound, is a part of its own.
pub(crate) fn parts<'a>(content_type: Option<ContentType<'a>>, body: &'a [u8]) -> Vec<Part<'a>> {
    let mut parts = Vec::new();
    if !body.is_empty() {
        open(Part::whole(content_type, body), 0, &mut parts, BODY_PARTS_MAX);
    }
    parts
}

/// Whether the body has more parts than [`parts`] gives.
pub(crate) fn has_more_parts(content_type: ContentType<'_>, body: &[u8]) -> bool {
    let mut parts = Vec::new();
    open(Part::whole(Some(content_type), body), 0, &mut parts, BODY_PARTS_MAX + 1);
    parts.len() > BODY_PARTS_MAX
}

fn open<'a>(part: Part<'a>, depth: usize, parts: &mut Vec<Part<'a>>, most: usize) {
    if parts.len() >= most {
        return;
    }
    let boundary = part
        .content_type
        .filter(|content_type| content_type.is_multipart() && depth < BODY_DEPTH_MAX)
        .and_then(|content_type| content_type.boundary());
    let Some(boundary) = boundary else { return parts.push(part) };

    let delimiter = [b"--", &*boundary].concat();
    let mut rest = part.body;
    let mut is_first = true;
    while let Some((before, after)) = split_at_delimiter(rest, &delimiter) {
        if !is_first {
            open(Part::parse(before), depth.saturating_add(1), parts, most);
        }
        is_first = false;
        if after.starts_with(b"--") || parts.len() >= most {
            return;
        }
        rest = after_line_end(after);
    }
    match is_first {
        true => parts.push(part),
        false => open(Part::parse(rest), depth.saturating_add(1), parts, most),
    }
}

/// What stands before and after the next delimiter line; the line end before it belongs to the
/// delimiter (RFC 2046, section 5.1.1).
fn split_at_delimiter<'a>(bytes: &'a [u8], delimiter: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    memmem::find_iter(bytes, delimiter).find_map(|at| {
        let (before, found) = bytes.split_at_checked(at)?;
        let before = match before {
            [] => before,
            [before @ .., b'\r', b'\n'] | [before @ .., b'\n'] => before,
            _ => return None,
        };
        let after = found.get(delimiter.len()..)?;
        let is_whole = match after.first() {
            None | Some(b'\r' | b'\n' | b' ' | b'\t') => true,
            Some(_) => after.starts_with(b"--"),
        };
        is_whole.then_some((before, after))
    })
}

fn after_line_end(bytes: &[u8]) -> &[u8] {
    let blanks = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let bytes = bytes.get(blanks..).unwrap_or_default();
    let bytes = bytes.strip_prefix(b"\r").unwrap_or(bytes);
    bytes.strip_prefix(b"\n").unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(content_type: &str, body: &str) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        parts(Some(ContentType::parse(content_type.as_bytes())), body.as_bytes())
            .iter()
            .map(|part| {
                (part.content_type.map_or(String::new(), |t| text(t.subtype)), text(part.body))
            })
            .collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(kind, body)| ((*kind).to_owned(), (*body).to_owned())).collect()
    }

    #[test]
    fn a_plain_body_is_its_only_part() {
        assert_eq!(opened("Application/SDP", "v=0\r\n"), pairs(&[("SDP", "v=0\r\n")]));
        assert_eq!(opened("text/plain", ""), []);
    }

    #[test]
    fn multiparts_are_opened() {
        let body = "preamble\r\n--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--x\r\n\
                    \r\nplain --x\r\n--x-not\r\n--x\r\nContent-Type: multipart/mixed;boundary=y\r\n\
                    \r\n--y\r\nContent-Type: a/b\r\n\r\ninner\r\n--y--\r\n--x--\r\nepilogue";
        let expected = [("sdp", "v=0\r\n"), ("", "plain --x\r\n--x-not"), ("b", "inner")];
        assert_eq!(opened("multipart/mixed; boundary=\"x\"", body), pairs(&expected));
    }

    #[test]
    fn unfinished_multiparts_give_what_is_there() {
        let body = "--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\ns=";
        assert_eq!(opened("multipart/mixed;boundary=x", body), pairs(&[("sdp", "v=0\r\ns=")]));
        assert_eq!(opened("multipart/mixed;boundary=x", "abc"), pairs(&[("mixed", "abc")]));
        assert_eq!(opened("multipart/mixed", "abc"), pairs(&[("mixed", "abc")]));
    }

    #[test]
    fn depth_and_count_have_a_bound() {
        let many = "--x\r\n\r\na\r\n".repeat(BODY_PARTS_MAX * 2);
        assert_eq!(opened("multipart/mixed;boundary=x", &many).len(), BODY_PARTS_MAX);
        let deep = "--x\r\nContent-Type: multipart/mixed;boundary=x\r\n\r\n".repeat(1000);
        assert!(opened("multipart/mixed;boundary=x", &deep).len() <= BODY_PARTS_MAX);
    }

    #[test]
    fn headers_of_a_part() {
        let part = Part::parse(b"Content-ID: <1>\r\nContent-Type: a/b\r\n\r\nx");
        assert_eq!(part.header(HeaderName::ContentId), Some(&b"<1>"[..]));
        assert!(part.is("A", "b") && part.header(HeaderName::Subject).is_none());
    }
}
