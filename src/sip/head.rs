//! The few facts of a message that decide where it goes, in one pass and without an allocation.

use super::cseq;
use super::header_name::HeaderName;
use super::lexer::{Line, Lines};
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
    /// The method in `CSeq`; not looked for in every request.
    cseq_method: Option<Method<'a>>,
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
    let start = Start::parse(lines.start_line()?).0;
    let mut head = Head { start, call_id: None, cseq_method: None };
    let mut has_cseq = false;
    let headers = lines.filter_map(|line| match line {
        Line::Header(header) => Some(header),
        Line::Malformed | Line::Empty => None,
    });
    for header in headers.take(HEADERS_PER_MESSAGE_MAX) {
        match header.name {
            HeaderName::CallId if head.call_id.is_none() && !header.value.is_empty() => {
                head.call_id = Some(header.value);
            }
            HeaderName::CSeq if !has_cseq => {
                has_cseq = true;
                head.cseq_method = cseq::split(header.value).map(|(_, method)| method);
            }
            _ => continue,
        }
        // A request has its method in the start line, too.
        if head.call_id.is_some() && (has_cseq || head.is_request()) {
            break;
        }
    }
    Some(head)
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
    fn no_head_without_a_start_line() {
        for bytes in [&b""[..], b"\x80\x00", b"hello world\r\n", b"INVITE sip:a@b SI"] {
            assert!(head(bytes).is_none());
        }
    }
}
