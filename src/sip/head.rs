//! The few facts of a message that decide where it goes, in one pass and without an allocation.

use super::cseq;
use super::header_name::HeaderName;
use super::lexer::{Header, Line, Lines};
use super::method::Method;
use super::start::Start;
use super::status::Status;
use crate::limits::HEADERS_PER_MESSAGE_MAX;
use crate::transport::start_line::{is_start, without_leading_line_ends};

/// What a message is about; of headers that are there twice the first counts.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The request line or status line.
    pub start: Start<'a>,
    /// `Call-ID`, compared byte by byte.
    pub call_id: Option<&'a [u8]>,
    /// `CSeq`; not looked for in every request.
    cseq: Option<&'a [u8]>,
    /// The method in `CSeq`.
    cseq_method: Option<Method<'a>>,
}

/// Where the bytes of a message have what its [`Head`] says, so that it is soon had again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadPlaces {
    call_id: Option<(usize, usize)>,
    cseq: Option<(usize, usize)>,
}

impl HeadPlaces {
    /// The head of `bytes`, of which these are the places.
    pub(crate) fn head(self, bytes: &[u8]) -> Option<Head<'_>> {
        let mut lines = Lines::of(without_leading_line_ends(bytes));
        let start = Start::parse(lines.start_line()?).0;
        let part = |(from, length): (usize, usize)| bytes.get(from..)?.get(..length);
        let cseq = self.cseq.and_then(part);
        let cseq_method = cseq.and_then(cseq::split).map(|(_, method)| method);
        Some(Head { start, call_id: self.call_id.and_then(part), cseq, cseq_method })
    }
}

impl<'a> Head<'a> {
    /// Where `bytes`, whose head this is, have what it says.
    pub(crate) fn places(&self, bytes: &[u8]) -> HeadPlaces {
        let place = |part: &[u8]| {
            let from = part.as_ptr().addr().wrapping_sub(bytes.as_ptr().addr());
            (from, part.len())
        };
        HeadPlaces { call_id: self.call_id.map(place), cseq: self.cseq.map(place) }
    }

    /// The method of the request, of a response that in `CSeq`.
    pub fn method(&self) -> Option<Method<'a>> {
        match self.start {
            Start::Request { method, .. } => Some(method),
            Start::Response { .. } | Start::Invalid(_) => self.cseq_method,
        }
    }

    /// Whether the message is a request.
    pub const fn is_request(&self) -> bool {
        matches!(self.start, Start::Request { .. })
    }

    /// The status of a response.
    pub const fn status(&self) -> Option<Status> {
        match self.start {
            Start::Response { status, .. } => status,
            Start::Request { .. } | Start::Invalid(_) => None,
        }
    }
}

/// The head of the message that `bytes` begin with; none if they do not begin with a start line
/// that has an end.
pub fn head(bytes: &[u8]) -> Option<Head<'_>> {
    if is_start(bytes) { head_of_message(bytes) } else { None }
}

/// Like [`head`], of bytes that are known to begin like a message.
pub(crate) fn head_of_message(bytes: &[u8]) -> Option<Head<'_>> {
    let mut lines = Lines::of(without_leading_line_ends(bytes));
    let start = Start::parse(lines.start_line()?).0;
    let head = Head { start, call_id: None, cseq: None, cseq_method: None };
    Some(head.searched(lines.clone()).unwrap_or_else(|| head.read(lines)))
}

impl<'a> Head<'a> {
    /// The head with what it can be given by two headers alone, other lines passed over; none if
    /// there are so many of them that some may be headers beyond the bound.
    fn searched(mut self, mut lines: Lines<'a>) -> Option<Self> {
        let may_begin_one = |first: u8| matches!(first | 0x20, b'c' | b'i');
        let mut has_cseq = false;
        for _ in 0..HEADERS_PER_MESSAGE_MAX {
            if lines.pass_over(may_begin_one) {
                continue;
            }
            match lines.next() {
                Some(Line::Header(header)) => {
                    if self.is_complete_with(header, &mut has_cseq) {
                        return Some(self);
                    }
                }
                Some(Line::Malformed) => {}
                Some(Line::Empty) | None => return Some(self),
            }
        }
        None
    }

    /// The head with all headers read, as many as are read of a message.
    fn read(mut self, lines: Lines<'a>) -> Self {
        let mut has_cseq = false;
        let headers = lines.filter_map(|line| match line {
            Line::Header(header) => Some(header),
            Line::Malformed | Line::Empty => None,
        });
        for header in headers.take(HEADERS_PER_MESSAGE_MAX) {
            if self.is_complete_with(header, &mut has_cseq) {
                break;
            }
        }
        self
    }

    /// Takes what the header says, and tells whether nothing more is needed. A request has its
    /// method in the start line, too.
    #[inline]
    fn is_complete_with(&mut self, header: Header<'a>, has_cseq: &mut bool) -> bool {
        match header.name {
            HeaderName::CallId if self.call_id.is_none() && !header.value.is_empty() => {
                self.call_id = Some(header.value);
            }
            HeaderName::CSeq if !*has_cseq => {
                *has_cseq = true;
                self.cseq = Some(header.value);
                self.cseq_method = cseq::split(header.value).map(|(_, method)| method);
            }
            _ => return false,
        }
        self.call_id.is_some() && (*has_cseq || self.is_request())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_of_a_request() {
        let bytes = b"\r\nREGISTER sip:example.com SIP/2.0\r\nt: <sip:a@b;tag=y>\r\n\
                      i:\r\nCall-ID: 1@host\r\nCSeq: 7 INVITE\r\ni: 2\r\n\r\nabc";
        let Some(head) = head(bytes) else { panic!("a head") };
        assert_eq!((head.method(), head.status()), (Some(Method::Register), None));
        assert_eq!(head.call_id, Some(&b"1@host"[..]));
        assert!(head.is_request());
    }

    #[test]
    fn facts_of_a_response() {
        let bytes = b"SIP/2.0 180 Ringing\nTo: sip:a@b;tag=1\nCSeq: 99999999999 INVITE\n\
                      CSeq: 1 BYE\ni: 1\n\nCall-ID: 2\n";
        let Some(response) = head(bytes) else { panic!("a head") };
        assert_eq!(response.method(), Some(Method::Invite));
        assert_eq!(response.status(), Some(Status::RINGING));
        assert_eq!(response.call_id, Some(&b"1"[..]));
        let in_body = head(b"SIP/2.0 180 Ringing\n\nCall-ID: 2\nCSeq: 1 BYE\n");
        assert!(in_body.is_some_and(|head| head.call_id.is_none() && head.method().is_none()));
    }

    #[test]
    fn other_lines_are_passed_over_as_they_are_read() {
        let many = "X: 1\r\n".repeat(HEADERS_PER_MESSAGE_MAX);
        let lines = [
            "X: 1\r\n",
            "X\r\n",
            "X: 1\r\n Call-ID: 9\r\n",
            "X: 1\n\tCSeq: 9 ACK\n",
            "X: 1\rCSeq: 2 BYE\r\n",
            " Call-ID: 8\r\n",
            "Call-ID\r\n : 1\r\n",
            "Contact: c\r\n",
            "i : 1\r\n 2\r\n",
            "CSEQ: 1\r\n INVITE\r\n",
            "C",
            "\r\n",
            &many,
            many.get(6..).unwrap_or_default(),
        ];
        let facts = |head: Head<'_>| (head.call_id.map(<[u8]>::to_vec), head.method().map(printed));
        let count = lines.len();
        for number in 0..count.pow(3) {
            let line = |digit: u32| lines[number / count.pow(digit) % count];
            let text =
                format!("{}{}{}Call-ID: 7\r\nCSeq: 7 OPTIONS\r\n\r\n", line(0), line(1), line(2));
            let start = Start::parse(b"SIP/2.0 200 OK").0;
            let head = Head { start, call_id: None, cseq: None, cseq_method: None };
            let lines = Lines::of(text.as_bytes());
            if let Some(found) = head.searched(lines.clone()) {
                assert_eq!(facts(found), facts(head.read(lines)), "{text:?}");
            } else {
                assert!(text.len() > many.len());
            }
        }
    }

    fn printed(method: Method<'_>) -> String {
        method.as_str().into_owned()
    }

    #[test]
    fn a_head_is_had_again_by_its_places() {
        for text in [
            "\r\nSIP/2.0 200 OK\r\nCSeq: 1 NEW\r\ni: 7\r\n\r\n",
            "BYE sip:a@b SIP/2.0\r\nCall-ID: 7\r\nCSeq: 1 BYE\r\n\r\n",
            "SIP/2.0 180 Ringing\r\ni:\r\nCSeq: x\r\n\r\n",
        ] {
            let Some(first) = head(text.as_bytes()) else { panic!("a head") };
            let bytes = text.as_bytes().to_vec();
            let Some(again) = first.places(text.as_bytes()).head(&bytes) else { panic!("a head") };
            assert_eq!((first.start, first.call_id), (again.start, again.call_id));
            assert_eq!(first.method(), again.method());
        }
    }

    #[test]
    fn no_head_without_a_start_line() {
        for bytes in [&b""[..], b"\x80\x00", b"hello world\r\n", b"INVITE sip:a@b SI"] {
            assert!(head(bytes).is_none());
        }
    }
}
