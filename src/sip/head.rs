//! The few facts of a message that decide where it goes, in one pass and without an allocation.

use super::address;
use super::cseq;
use super::header_name::HeaderName;
use super::lexer::{Line, Lines};
use super::lws::number;
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
    /// The number in `CSeq`, if it is one below 2^32.
    pub cseq_number: Option<u32>,
    /// The method in `CSeq`.
    pub cseq_method: Option<Method<'a>>,
    /// Whether `To` has a tag: the request is inside a dialog.
    pub has_to_tag: bool,
    /// `Content-Length`, if it is a number below 2^32.
    pub content_length: Option<u32>,
    /// `Expires` in seconds, if it is a number below 2^32.
    pub expires: Option<u32>,
    /// Where the body begins; none if no empty line ends the headers.
    pub body_offset: Option<usize>,
}

impl<'a> Head<'a> {
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
    if !is_start(bytes) {
        return None;
    }
    let mut lines = Lines::of(without_leading_line_ends(bytes));
    let mut head = Head {
        start: Start::parse(lines.start_line()?).0,
        call_id: None,
        cseq_number: None,
        cseq_method: None,
        has_to_tag: false,
        content_length: None,
        expires: None,
        body_offset: None,
    };
    let mut seen = Seen::default();
    let mut headers = 0..HEADERS_PER_MESSAGE_MAX;
    for line in lines.by_ref() {
        match line {
            Line::Header(header) if headers.next().is_some() => {
                seen.take(&mut head, header.name, header.value);
            }
            Line::Header(_) | Line::Malformed => {}
            Line::Empty => head.body_offset = Some(usize::MAX),
        }
    }
    head.body_offset = head.body_offset.and(bytes.len().checked_sub(lines.rest().len()));
    Some(head)
}

/// Which headers were there, so that the second does not count.
#[derive(Default)]
struct Seen {
    cseq: bool,
    to: bool,
    content_length: bool,
    expires: bool,
}

impl Seen {
    #[inline]
    fn take<'a>(&mut self, head: &mut Head<'a>, name: HeaderName, value: &'a [u8]) {
        match name {
            HeaderName::CallId if head.call_id.is_none() && !value.is_empty() => {
                head.call_id = Some(value);
            }
            HeaderName::CSeq if !self.cseq => {
                self.cseq = true;
                if let Some((digits, method)) = cseq::split(value) {
                    head.cseq_number = number(digits);
                    head.cseq_method = Some(method);
                }
            }
            HeaderName::To if !self.to => {
                self.to = true;
                head.has_to_tag = address::tag_of(value).is_some();
            }
            HeaderName::ContentLength if !self.content_length => {
                self.content_length = true;
                head.content_length = number(value);
            }
            HeaderName::Expires if !self.expires => {
                self.expires = true;
                head.expires = number(value);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_of_a_request() {
        let bytes = b"\r\nREGISTER sip:example.com SIP/2.0\r\nt: \"a;tag=x\" <sip:a@b;tag=y>\r\n\
                      i: 1@host\r\nCSeq: 7 REGISTER\r\nExpires: 3600\r\nl: 3\r\ni: 2\r\n\r\nabc";
        let Some(head) = head(bytes) else { panic!("a head") };
        assert_eq!((head.method(), head.status()), (Some(Method::Register), None));
        assert_eq!(head.call_id, Some(&b"1@host"[..]));
        assert_eq!((head.cseq_number, head.cseq_method), (Some(7), Some(Method::Register)));
        assert_eq!((head.content_length, head.expires), (Some(3), Some(3600)));
        assert!(head.is_request() && !head.has_to_tag);
        assert_eq!(head.body_offset.and_then(|at| bytes.get(at..)), Some(&b"abc"[..]));
    }

    #[test]
    fn facts_of_a_response() {
        let bytes = b"SIP/2.0 180 Ringing\nTo: sip:a@b;tag=1\nCSeq: 99999999999 INVITE\n";
        let Some(head) = head(bytes) else { panic!("a head") };
        assert_eq!((head.method(), head.status()), (Some(Method::Invite), Some(Status::RINGING)));
        assert_eq!((head.cseq_number, head.call_id, head.body_offset), (None, None, None));
        assert!(head.has_to_tag);
    }

    #[test]
    fn no_head_without_a_start_line() {
        for bytes in [&b""[..], b"\x80\x00", b"hello world\r\n", b"INVITE sip:a@b SI"] {
            assert!(head(bytes).is_none());
        }
    }
}
