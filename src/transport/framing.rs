//! Where a SIP message in a byte stream ends (RFC 3261, sections 7.5 and 18.3).

use memchr::memmem;

use crate::bytes;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::transport::start_line;

/// What stands at the head of a stream's unread bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framed {
    /// A whole message of this many bytes.
    Message(usize),
    /// The beginning of a message, or of what may become one.
    Incomplete,
    /// This many bytes that belong to no message.
    Foreign(usize),
}

/// A start line that has not ended after this many bytes is none.
const START_LINE_BYTES_MAX: usize = 8192;

/// The bytes without line ends before the first start line; these are keep-alives (RFC 5626,
/// section 3.5.1).
pub(crate) fn skip_line_ends(bytes: &[u8]) -> &[u8] {
    let lead = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    bytes.get(lead..).unwrap_or_default()
}

/// Says what the unread bytes of a stream begin with. `is_last` when no more bytes will come for
/// now.
pub(crate) fn frame(bytes: &[u8]) -> Framed {
    let lead = bytes.len() - skip_line_ends(bytes).len();
    if lead > 0 {
        return Framed::Foreign(lead);
    }
    if !start_line::is_start(bytes) {
        return match next_start(bytes) {
            Some(offset) => Framed::Foreign(offset),
            None if may_become_start(bytes) => Framed::Incomplete,
            None => Framed::Foreign(bytes.len() - start_at_end(bytes)),
        };
    }
    let Some((head, length)) = header_end_and_length(bytes) else {
        return if bytes.len() > MESSAGE_BYTES_MAX {
            Framed::Foreign(bytes.len())
        } else {
            Framed::Incomplete
        };
    };
    match length {
        Some(length) if length > MESSAGE_BYTES_MAX => Framed::Message(head),
        Some(length) if head + length <= bytes.len() => Framed::Message(head + length),
        Some(_) => Framed::Incomplete,
        None => Framed::Message(without_length(bytes, head)),
    }
}

/// The end of a message that names no length: the next start line, or the end of what is there.
fn without_length(bytes: &[u8], head: usize) -> usize {
    let rest = bytes.get(head..).unwrap_or_default();
    if start_line::is_start(skip_line_ends(rest)) {
        return head;
    }
    next_start(rest).map_or(bytes.len(), |offset| head + offset)
}

/// The offset of the next line, after the first, that is a start line.
pub(crate) fn next_start(bytes: &[u8]) -> Option<usize> {
    memmem::find_iter(bytes, b"SIP/2.0").find_map(|version| {
        let before = bytes.get(..version)?;
        let line = memchr::memrchr(b'\n', before).map_or(0, |end| end + 1);
        let candidate = bytes.get(line..)?;
        (line > 0 && start_line::is_start(candidate)).then_some(line)
    })
}

/// How many bytes at the end may be the beginning of a start line.
fn start_at_end(bytes: &[u8]) -> usize {
    let Some(end) = memchr::memrchr(b'\n', bytes) else { return 0 };
    let last = bytes.get(end + 1..).unwrap_or_default();
    if may_become_start(last) { last.len() } else { 0 }
}

/// The first bytes of a start line of which the rest has not come yet.
fn may_become_start(bytes: &[u8]) -> bool {
    if bytes.len() > START_LINE_BYTES_MAX || memchr::memchr(b'\n', bytes).is_some() {
        return false;
    }
    let method = bytes.iter().take_while(|b| start_line::is_token(**b)).count();
    match bytes.get(method) {
        None => method <= 32,
        Some(b' ') => method > 0 && bytes.iter().all(|b| *b >= b' '),
        Some(b'/') => b"SIP/2.0 ".starts_with(bytes.get(..8).unwrap_or(bytes)),
        Some(_) => false,
    }
}

/// The length of the header with the empty line that ends it.
pub(crate) fn header_end(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'\n', bytes).find_map(|end| match bytes.get(end + 1..)? {
        [b'\n', ..] => Some(end + 2),
        [b'\r', b'\n', ..] => Some(end + 3),
        _ => None,
    })
}

/// The length of the header with the empty line that ends it, and the value of the first
/// `Content-Length` or `l` in it that is readable.
fn header_end_and_length(bytes: &[u8]) -> Option<(usize, Option<usize>)> {
    let mut length = None;
    let mut line = 0;
    loop {
        let rest = bytes.get(line..)?;
        let end = bytes::find(b'\n', rest)?;
        if line > 0 && length.is_none() {
            length = content_length(rest.get(..end)?);
        }
        line += end + 1;
        match bytes.get(line..)? {
            [b'\n', ..] => return Some((line + 1, length)),
            [b'\r', b'\n', ..] => return Some((line + 2, length)),
            _ => {}
        }
    }
}

/// The value of the header that is this line, if that is `Content-Length` or `l` and readable.
#[inline]
fn content_length(line: &[u8]) -> Option<usize> {
    match line.first()? {
        b'l' | b'L' | b'c' | b'C' => {}
        _ => return None,
    }
    let (name, value) = line.split_at_checked(bytes::find(b':', line)?)?;
    let name = name.trim_ascii_end();
    if !name.eq_ignore_ascii_case(b"l") && !name.eq_ignore_ascii_case(b"content-length") {
        return None;
    }
    let digits = value.get(1..)?.trim_ascii();
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &[u8] = b"SIP/2.0 200 OK\r\nl: 4\r\n\r\nbody";

    #[test]
    fn a_message_ends_where_its_length_says() {
        assert_eq!(frame(OK), Framed::Message(OK.len()));
        let two = [OK, OK].concat();
        assert_eq!(frame(&two), Framed::Message(OK.len()));
        for cut in 1..OK.len() {
            assert_eq!(frame(&OK[..cut]), Framed::Incomplete, "cut at {cut}");
        }
    }

    #[test]
    fn keep_alives_and_foreign_bytes_are_passed_over() {
        assert_eq!(frame(b"\r\n\r\nSIP/2.0 200 OK\r\n"), Framed::Foreign(4));
        assert_eq!(frame(b"tail of a body\r\nSIP/2.0 200 OK\r\n\r\n"), Framed::Foreign(16));
        assert_eq!(frame(b"\x16\x03\x01\x02\x00\x01"), Framed::Foreign(6));
        assert_eq!(frame(b"tail\r\nINVITE sip:a@b SIP"), Framed::Foreign(6));
    }

    #[test]
    fn a_missing_length_ends_at_the_next_start_line() {
        let bytes = b"SIP/2.0 200 OK\r\n\r\nv=0\r\nSIP/2.0 100 Trying\r\n\r\n";
        assert_eq!(frame(bytes), Framed::Message(23));
        let bytes = b"SIP/2.0 200 OK\r\n\r\nBYE sip:a@b SIP/2.0\r\n\r\n";
        assert_eq!(frame(bytes), Framed::Message(18));
    }

    #[test]
    fn end_and_length_are_found_in_one_pass() {
        let cases: [(&[u8], Option<Option<usize>>); 9] = [
            (b"A\r\n\r\n", Some(None)),
            (b"A\n\nl: 1\n\n", Some(None)),
            (b"l: 9\r\nl: 4\r\nl: 5\r\n\r\nl: 6\r\n", Some(Some(4))),
            (b"A\nContent-Length : +7 \n\r\n", Some(Some(7))),
            (b"A\nl: x\nL:8\nc: 3\n\n", Some(Some(8))),
            (b"A\nl\n\n", Some(None)),
            (b"A\nl: 1\n", None),
            (b"A\nl: 1\n\r", None),
            (b"", None),
        ];
        for (bytes, length) in cases {
            let found = header_end_and_length(bytes);
            assert_eq!(found.map(|(_, length)| length), length, "{}", bytes.escape_ascii());
            assert_eq!(found.map(|(end, _)| end), header_end(bytes));
        }
    }

    #[test]
    fn an_absurd_length_does_not_swallow_the_stream() {
        let bytes = b"SIP/2.0 200 OK\r\nContent-Length: 999999999999\r\n\r\nx";
        assert_eq!(frame(bytes), Framed::Message(48));
    }
}
