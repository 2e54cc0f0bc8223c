//! Where a SIP message in a byte stream ends (RFC 3261, sections 7.5 and 18.3).

use memchr::memmem;

use crate::bytes;
use crate::limits::{HEADERS_PER_MESSAGE_MAX, MESSAGE_BYTES_MAX};
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
    /// This many bytes of a header that is longer than any message.
    Endless(usize),
    /// A header of this many bytes, with a body that is longer than any message.
    Headed(usize),
}

/// A start line that has not ended after this many bytes is none.
const START_LINE_BYTES_MAX: usize = 8192;

/// The bytes without line ends before the first start line; these are keep-alives (RFC 5626,
/// section 3.5.1).
pub(crate) fn skip_line_ends(bytes: &[u8]) -> &[u8] {
    let lead = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    bytes.get(lead..).unwrap_or_default()
}

/// How far the message at the head of a stream's unread bytes has been read, so that bytes which
/// come one by one are not read again and again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Where the header line begins that is next.
    line: usize,
    /// It has no end before this byte.
    seen: usize,
    /// The value of the first readable `Content-Length`.
    length: Option<usize>,
    /// Where the body begins.
    head: Option<usize>,
    /// How much of the body has been searched for a start line.
    searched: usize,
}

/// Says what the unread bytes of a stream begin with. The progress is that of an earlier call with
/// the beginning of the same bytes, or none.
pub(crate) fn frame(bytes: &[u8], progress: &mut Progress) -> Framed {
    if progress.line == 0 {
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
    }
    match progress.read_header(bytes) {
        Header::Whole(head) => progress.read_body(bytes, head),
        Header::NeverEnded(next) => Framed::Message(next),
        Header::Incomplete if bytes.len() > MESSAGE_BYTES_MAX => Framed::Endless(bytes.len()),
        Header::Incomplete => Framed::Incomplete,
    }
}

/// The end of a message to which no more bytes will come: its own, or where another one begins.
pub(crate) fn end_of_unfinished(bytes: &[u8]) -> usize {
    let mut progress = Progress::default();
    match progress.read_header(bytes) {
        Header::Whole(head) => start_in_body(bytes, head, bytes.len()).unwrap_or(bytes.len()),
        Header::NeverEnded(next) => next,
        Header::Incomplete => bytes.len(),
    }
}

/// The message claims a body that is longer than any that is read from a stream.
pub(crate) fn is_too_long(message: &[u8]) -> bool {
    let mut progress = Progress::default();
    let is_whole = matches!(progress.read_header(message), Header::Whole(_));
    is_whole && progress.length.is_some_and(|length| length > MESSAGE_BYTES_MAX)
}

/// What is known of a header.
enum Header {
    /// It ends before this byte.
    Whole(usize),
    /// The start line of another message stands in it here.
    NeverEnded(usize),
    Incomplete,
}

impl Progress {
    /// Reads on to the empty line that ends the header, and to the value of the first
    /// `Content-Length` or `l` in it that is readable.
    fn read_header(&mut self, bytes: &[u8]) -> Header {
        if let Some(head) = self.head {
            return Header::Whole(head);
        }
        loop {
            let Some(rest) = bytes.get(self.line..) else { return Header::Incomplete };
            if self.line > 0 {
                let end = match rest {
                    [b'\n', ..] => 1,
                    [b'\r', b'\n', ..] => 2,
                    _ => 0,
                };
                if end > 0 {
                    self.head = Some(self.line + end);
                    return Header::Whole(self.line + end);
                }
            }
            let seen = self.seen.saturating_sub(self.line).min(rest.len());
            let unseen = rest.get(seen..).unwrap_or_default();
            let Some(end) = bytes::find(b'\n', unseen).map(|length| seen + length) else {
                self.seen = bytes.len();
                return Header::Incomplete;
            };
            let line = rest.get(..end).unwrap_or(rest);
            if self.line > 0 {
                if is_start_in_header(line) {
                    return Header::NeverEnded(self.line);
                }
                if self.length.is_none() {
                    self.length = content_length(line);
                }
            }
            self.line += end + 1;
        }
    }

    /// Where the body ends that begins at `head`.
    ///
    /// What the header says is believed as long as nothing contradicts it: a start line amid an
    /// SDP, or that what follows begins in the middle of a line. A body may carry the text of
    /// messages.
    fn read_body(&mut self, bytes: &[u8], head: usize) -> Framed {
        let length = match self.length {
            None => return Framed::Message(without_length(bytes, head)),
            Some(length) if length > MESSAGE_BYTES_MAX => return Framed::Headed(head),
            Some(0) => return Framed::Message(head),
            Some(length) => length,
        };
        let end = head + length;
        let (body, after) = match bytes.split_at_checked(end) {
            Some((message, after)) => (message.get(head..).unwrap_or_default(), Some(after)),
            None => (bytes.get(head..).unwrap_or_default(), None),
        };
        let is_sdp = body.starts_with(b"v=");
        if is_sdp {
            let searched = self.searched.min(body.len());
            if let Some(offset) = body.get(searched..).and_then(next_start) {
                return Framed::Message(head + searched + offset);
            }
            // The line that has not ended is searched again.
            self.searched = memchr::memrchr(b'\n', body).unwrap_or(0);
        }
        match after {
            None => Framed::Incomplete,
            // No line of an SDP begins with two letters.
            Some([]) if is_sdp && start_at_end(body) > 1 => Framed::Incomplete,
            Some(after) => {
                end_or_start(bytes, head, bytes.len() - skip_line_ends(after).len(), end)
            }
        }
    }
}

/// The end of a message that other bytes follow, as its header says, or the start line before it or
/// across it, if these bytes, from `next` on, contradict the header.
fn end_or_start(bytes: &[u8], head: usize, next: usize, end: usize) -> Framed {
    let after = bytes.get(next..).unwrap_or_default();
    if after.is_empty() {
        return Framed::Message(end);
    }
    let line = memchr::memchr(b'\n', after).map(|length| next + length + 1);
    let is_confirmed = match line {
        // The line may be that of a start line which begins before.
        None if start_at_end(bytes) > after.len() => return Framed::Incomplete,
        None => may_become_start(after),
        Some(_) => start_line::is_common_start(after),
    };
    if is_confirmed {
        return Framed::Message(end);
    }
    Framed::Message(start_in_body(bytes, head, line.unwrap_or(end)).unwrap_or(end))
}

/// Where in a body a message begins that is no part of it.
fn start_in_body(bytes: &[u8], head: usize, end: usize) -> Option<usize> {
    let (header, rest) = bytes.split_at_checked(head)?;
    let body = rest.get(..end.saturating_sub(head)).unwrap_or(rest);
    let carried = carried(header);
    if carried == Carried::Other && start_line::is_start(skip_line_ends(body)) {
        return Some(head);
    }
    let mut from = 0;
    loop {
        let offset = from + next_start(body.get(from..)?)?;
        let before = body.get(..offset)?;
        if carried != Carried::Parts || !is_part(before) {
            return Some(head + offset);
        }
        from = offset;
    }
}

/// Whether these bytes of a multipart end with the header of a part that is a message.
fn is_part(before: &[u8]) -> bool {
    let lines = before.trim_ascii_end().rsplit(|byte| *byte == b'\n').take(HEADERS_PER_MESSAGE_MAX);
    let mut header = lines.take_while(|line| !line.trim_ascii().is_empty());
    header.any(|line| line.windows(8).any(|window| window.eq_ignore_ascii_case(b"message/")))
}

/// What a body is, as far as it may carry messages itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Carried {
    Message,
    Parts,
    Other,
}

/// What the `Content-Type` or `c` of a header says of the body.
fn carried(header: &[u8]) -> Carried {
    let value = header.split(|byte| *byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked(bytes::find(b':', line)?)?;
        let name = name.trim_ascii_end();
        let is_type = name.eq_ignore_ascii_case(b"c") || name.eq_ignore_ascii_case(b"content-type");
        is_type.then(|| value.get(1..).unwrap_or_default().trim_ascii())
    });
    let begins = |kind: &[u8]| {
        let start = value.and_then(|value| value.get(..kind.len()));
        start.is_some_and(|start| start.eq_ignore_ascii_case(kind))
    };
    match () {
        () if begins(b"message/") => Carried::Message,
        () if begins(b"multipart/") => Carried::Parts,
        () => Carried::Other,
    }
}

/// The end of a message that names no length: the next start line, or the end of what is there.
fn without_length(bytes: &[u8], head: usize) -> usize {
    let rest = bytes.get(head..).unwrap_or_default();
    if start_line::is_start(skip_line_ends(rest)) {
        return head;
    }
    // What may be half a start line is left to the next message.
    next_start(rest).map_or(bytes.len() - start_at_end(rest), |offset| head + offset)
}

/// Whether a line of a header is the start line of another message. Asked of every line, so it
/// looks at the end first.
#[inline]
fn is_start_in_header(line: &[u8]) -> bool {
    let ends_with_version = matches!(line.trim_ascii_end(), [.., b'.', b'0'..=b'9']);
    (ends_with_version || line.starts_with(b"SIP/2.0 ")) && start_line::is_start(line)
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

/// How many bytes at the end may be the beginning of a start line; all of them, if it is their
/// first line.
fn start_at_end(bytes: &[u8]) -> usize {
    let line = memchr::memrchr(b'\n', bytes).map_or(0, |end| end + 1);
    let last = bytes.get(line..).unwrap_or_default();
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

    fn frame(bytes: &[u8]) -> Framed {
        super::frame(bytes, &mut Progress::default())
    }

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
            let mut progress = Progress::default();
            let found = match progress.read_header(bytes) {
                Header::Whole(head) => Some((head, progress.length)),
                Header::NeverEnded(_) | Header::Incomplete => None,
            };
            assert_eq!(found.map(|(_, length)| length), length, "{}", bytes.escape_ascii());
            assert_eq!(found.map(|(end, _)| end), header_end(bytes));
        }
    }

    #[test]
    fn a_length_is_believed_until_it_is_contradicted() {
        const NEXT: &str = "BYE sip:a@b SIP/2.0\r\nl: 0\r\n\r\n";
        let sdp = "v=0\r\ns=-\r\n";
        let bye = "BYE sip:c@d SIP/2.0\r\n\r\n";
        let cases: [(&str, String, &str); 6] = [
            // The text of a message in a body, and the length is right.
            ("c: text/plain", format!("See:\r\n{bye}"), ""),
            ("c: message/sip", bye.to_owned(), ""),
            // Longer than it is.
            ("c: application/sdp", sdp.to_owned(), "BYE sip:a@b SI"),
            ("c: text/plain", "Hello\r\n".to_owned(), "BYE sip:a@b SI"),
            (
                "c: multipart/mixed",
                format!("--x\r\nc: message/sip\r\n\r\n{bye}--x--\r\n"),
                "BYE sip:a@b SI",
            ),
            ("c: message/sip", bye.to_owned(), "BYE sip:a@b SI"),
        ];
        for (kind, body, more) in cases {
            let head =
                format!("A sip:a@b SIP/2.0\r\n{kind}\r\nl: {}\r\n\r\n", body.len() + more.len());
            let own = head.len() + body.len();
            let bytes = [head, body, NEXT.to_owned()].concat().into_bytes();
            assert_eq!(frame(&bytes), Framed::Message(own), "{kind} {more}");
            if !more.is_empty() {
                assert_eq!(end_of_unfinished(&bytes), own, "{kind}");
            }
        }
    }

    #[test]
    fn a_header_ends_at_another_start_line() {
        let cases: [(&[u8], Framed); 4] = [
            (b"A sip:a@b SIP/2.0\r\ni: 1\r\nSIP/2.0 200 OK\r\ni: 2\r\n", Framed::Message(25)),
            (b"A sip:a@b SIP/2.0\r\ni: 1\r\nB sip:a SIP/2.0\r\n", Framed::Message(25)),
            (b"A sip:a@b SIP/2.0\r\nUpgrade : TLS, SIP/2.0\r\n", Framed::Incomplete),
            (b"A sip:a@b SIP/2.0\r\nv: SIP/2.0\r\nServer: Some thing 2.0\r\n", Framed::Incomplete),
        ];
        for (bytes, framed) in cases {
            assert_eq!(frame(bytes), framed, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn byte_by_byte_is_the_same_as_at_once() {
        let stream = b"A sip:a@b SIP/2.0\r\nl: 8\r\n\r\nv=0\r\ns=1SIP/2.0 200 OK\r\nl: 0\r\n\r\n\
            A sip:a@b SIP/2.0\r\nl: 99\r\n\r\nv=0\r\nSIP/2.0 200 OK\r\nl: 0\r\n\r\n";
        let (mut lengths, mut begin, mut progress) = (Vec::new(), 0, Progress::default());
        for end in 1..=stream.len() {
            while let Framed::Message(length) = super::frame(&stream[begin..end], &mut progress) {
                lengths.push(length);
                begin += length;
                progress = Progress::default();
            }
        }
        assert_eq!(lengths, [35, 24, 33, 24]);
    }

    #[test]
    fn an_absurd_length_does_not_swallow_the_stream() {
        let bytes = b"SIP/2.0 200 OK\r\nContent-Length: 999999999999\r\n\r\nx";
        assert_eq!(frame(bytes), Framed::Headed(48));
        assert!(is_too_long(bytes) && !is_too_long(OK) && !is_too_long(b"l: 9999999\r\n"));
    }
}
