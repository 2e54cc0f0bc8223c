//! A whole message: start line, headers, body.
//!
//! What single headers say is in `values`.

use std::borrow::Cow;
use std::slice;

use super::anomaly::{Anomalies, Anomaly};
use super::body::{self, ContentType, Part};
use super::fields::{Field, Fields, Names};
use super::header_name::HeaderName;
use super::inspection;
use super::lexer::{Header, Line, Lines};
use super::lws::{self, number};
use super::method::Method;
use super::quoted::Split;
use super::start::Start;
use super::status::Status;
use super::uri::{self, Uri};
use crate::bytes;
use crate::limits::HEADERS_PER_MESSAGE_MAX;
use crate::transport::start_line::{after_version, without_leading_line_ends};

/// One SIP message, in the bytes it was sent in.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    start: Start<'a>,
    fields: Fields,
    /// From the start line to the empty line.
    section: &'a [u8],
    /// All that follows the empty line.
    after_headers: &'a [u8],
    /// A last line without an end, when no empty line ends the headers.
    unfinished_line: Option<&'a [u8]>,
}

/// A header that should be a number below 2^32 and is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotANumber;

impl<'a> Message<'a> {
    /// The message that `bytes` are, and what is wrong with it.
    pub fn parse(bytes: &'a [u8]) -> (Self, Anomalies) {
        let (message, mut anomalies) = Self::lex(bytes);
        anomalies.extend(inspection::anomalies(&message));
        (message, anomalies)
    }

    /// Like [`Message::parse`], but notes only what is wrong with lines, not with values.
    pub fn lex(bytes: &'a [u8]) -> (Self, Anomalies) {
        let mut message = Self::unread(bytes);
        let anomalies = message.read();
        (message, anomalies)
    }

    /// A message that nothing is known of but its bytes, up to 4 GiB of them.
    #[inline]
    pub(crate) fn unread(bytes: &'a [u8]) -> Self {
        Self {
            bytes: bytes.get(..u32::MAX as usize).unwrap_or(bytes),
            start: Start::Invalid(&[]),
            fields: Fields::new(),
            section: &[],
            after_headers: &[],
            unfinished_line: None,
        }
    }

    /// Reads the lines of a message that is [`Message::unread`], and gives what is wrong with them.
    pub(crate) fn read(&mut self) -> Anomalies {
        let bytes = self.bytes;
        let trimmed = without_leading_line_ends(bytes);
        let mut lines = Lines::of(trimmed);
        let line = lines.start_line();
        let (start, mut anomalies) = Start::parse(line.unwrap_or(trimmed));
        self.start = start;
        anomalies.insert_if(trimmed.len() != bytes.len(), Anomaly::LeadingLineEnds);

        let mut is_finished = false;
        if line.is_some() {
            loop {
                lines.usual_headers(|header| {
                    let has_room = self.fields.len() < HEADERS_PER_MESSAGE_MAX;
                    if has_room {
                        self.fields.push(Field::of(header, bytes));
                    }
                    anomalies.insert_if(!has_room, Anomaly::TooManyHeaders);
                    has_room
                });
                match lines.next() {
                    Some(Line::Header(_)) if self.fields.len() >= HEADERS_PER_MESSAGE_MAX => {
                        anomalies.insert(Anomaly::TooManyHeaders);
                    }
                    Some(Line::Header(header)) => self.fields.push(Field::of(&header, bytes)),
                    Some(Line::Malformed) => {}
                    Some(Line::Empty) => {
                        is_finished = true;
                        break;
                    }
                    None => break,
                }
            }
        }
        anomalies.extend(lines.anomalies());
        anomalies.insert_if(!is_finished, Anomaly::HeadersUnfinished);

        let rest = lines.rest();
        let section = trimmed.len().saturating_sub(rest.len());
        self.section = trimmed.get(..section).unwrap_or(trimmed);
        self.after_headers = if is_finished { rest } else { &[] };
        self.unfinished_line = Some(rest).filter(|rest| !is_finished && !rest.is_empty());
        anomalies
    }

    /// All that was given to [`Message::parse`].
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Start line and headers, up to and with the empty line.
    pub const fn header_section(&self) -> &'a [u8] {
        self.section
    }

    /// The last line, when the message ends in the middle of it; it is no header, because its value
    /// may be cut.
    pub const fn unfinished_line(&self) -> Option<&'a [u8]> {
        self.unfinished_line
    }

    /// The start line.
    pub const fn start(&self) -> Start<'a> {
        self.start
    }

    /// Whether the message begins with a request line.
    pub const fn is_request(&self) -> bool {
        matches!(self.start, Start::Request { .. })
    }

    /// Whether the message begins with a status line.
    pub const fn is_response(&self) -> bool {
        matches!(self.start, Start::Response { .. })
    }

    /// Whether the message begins with a status line, be it a broken one.
    pub(crate) fn is_meant_as_response(&self) -> bool {
        match self.start {
            Start::Request { .. } => false,
            Start::Response { .. } => true,
            Start::Invalid(line) => after_version(line).is_some(),
        }
    }

    /// The method of the request, of a response that in `CSeq`; empty if there is none.
    pub fn method(&self) -> Method<'a> {
        match self.start {
            Start::Request { method, .. } => method,
            Start::Response { .. } | Start::Invalid(_) => {
                self.cseq_method().unwrap_or(Method::Other(&[]))
            }
        }
    }

    /// The Request-URI of a request.
    pub fn request_uri(&self) -> Option<Uri<'a>> {
        match self.start {
            Start::Request { uri, .. } => Some(Uri::parse(uri)),
            Start::Response { .. } | Start::Invalid(_) => None,
        }
    }

    /// Whether the Request-URI is valid without doubt; sooner than [`Uri::is_valid`] tells.
    pub(crate) fn has_plain_request_uri(&self) -> bool {
        match self.start {
            Start::Request { uri, .. } => uri::plain_length(uri) == Some(uri.len()),
            Start::Response { .. } | Start::Invalid(_) => false,
        }
    }

    /// The status of a response; none as well if its code is out of range.
    pub const fn status(&self) -> Option<Status> {
        match self.start {
            Start::Response { status, .. } => status,
            Start::Request { .. } | Start::Invalid(_) => None,
        }
    }

    /// The reason phrase of a response, which may be empty; invalid UTF-8 replaced.
    pub fn reason_phrase(&self) -> Option<Cow<'a, str>> {
        match self.start {
            Start::Response { phrase, .. } => Some(String::from_utf8_lossy(phrase)),
            Start::Request { .. } | Start::Invalid(_) => None,
        }
    }

    /// All headers in their order.
    #[inline]
    pub fn headers(&self) -> Headers<'_, 'a> {
        Headers { bytes: self.bytes, fields: self.fields.all().iter() }
    }

    /// The value of the first header with this name, as it was sent, folds included.
    #[inline]
    pub fn header(&self, name: HeaderName) -> Option<&'a [u8]> {
        self.fields.first(name).map(|field| field.value(self.bytes))
    }

    /// The values of all headers with this name, as they were sent.
    #[inline]
    pub fn lines(&self, name: HeaderName) -> impl Iterator<Item = &'a [u8]> + '_ {
        self.fields.named(name).map(|field| field.value(self.bytes))
    }

    /// The first of [`Message::values`].
    pub fn value(&self, name: HeaderName) -> Option<&'a [u8]> {
        if !self.fields.has(name) {
            return None;
        }
        for field in self.fields.all() {
            if field.name != name {
                continue;
            }
            let value = field.value(self.bytes);
            let value = match name.is_list() && bytes::find(b',', value).is_some() {
                true => Split::commas(value).find(|item| !item.is_empty()).unwrap_or_default(),
                false => value,
            };
            if !value.is_empty() {
                return Some(value);
            }
        }
        None
    }

    /// The values of all headers with this name; those that are comma-separated lists are split.
    pub fn values(&self, name: HeaderName) -> impl Iterator<Item = &'a [u8]> + '_ {
        self.items(name).filter(|item| !item.is_empty())
    }

    /// Like [`Message::values`], with the empty items of lists.
    pub(crate) fn items(&self, name: HeaderName) -> impl Iterator<Item = &'a [u8]> + '_ {
        self.lines(name).flat_map(move |value| match name.is_list() {
            true => Split::commas(value),
            false => Split::whole(value),
        })
    }

    /// The value of the first header with this name on one line; invalid UTF-8 replaced.
    pub fn text(&self, name: HeaderName) -> Option<Cow<'a, str>> {
        self.header(name).map(lws::text)
    }

    /// The values of all headers that are spelled so, in any case; for names without a registry.
    pub fn named<'s>(&'s self, spelled: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        self.headers()
            .filter(|header| header.spelled.eq_ignore_ascii_case(spelled.as_bytes()))
            .map(|header| header.value)
    }

    /// Whether there is such a header.
    #[inline]
    pub const fn has(&self, name: HeaderName) -> bool {
        self.fields.has(name)
    }

    /// The names that more than one header has.
    #[inline]
    pub(crate) const fn names_again(&self) -> &Names {
        self.fields.again()
    }

    /// The value of the first header with this name as a number.
    pub fn number(&self, name: HeaderName) -> Option<Result<u32, NotANumber>> {
        self.header(name).map(|digits| number(digits).ok_or(NotANumber))
    }

    /// The body: as many bytes as `Content-Length` counts, or all there are.
    pub fn body(&self) -> &'a [u8] {
        match self.content_length() {
            Some(Ok(length)) => {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                self.after_headers.get(..length).unwrap_or(self.after_headers)
            }
            Some(Err(NotANumber)) | None => self.after_headers,
        }
    }

    /// What follows the body; in a datagram nobody reads it (RFC 3261, section 18.3).
    pub fn trailing(&self) -> &'a [u8] {
        self.after_headers.get(self.body().len()..).unwrap_or_default()
    }

    /// How many bytes follow the empty line, whatever `Content-Length` counts.
    pub const fn bytes_after_headers(&self) -> usize {
        self.after_headers.len()
    }

    /// `Content-Length`.
    pub fn content_length(&self) -> Option<Result<u32, NotANumber>> {
        self.number(HeaderName::ContentLength)
    }

    /// `Content-Type`.
    pub fn content_type(&self) -> Option<ContentType<'a>> {
        self.header(HeaderName::ContentType).map(ContentType::parse)
    }

    /// The body, or the parts of a multipart body, those of inner multiparts in their place.
    pub fn parts(&self) -> impl Iterator<Item = Part<'a>> + use<'a> {
        body::parts(self.content_type(), self.body()).into_iter()
    }

    /// A multipart body has more parts than are looked at.
    pub(crate) fn has_more_parts(&self) -> bool {
        let content_type = self.content_type().filter(ContentType::is_multipart);
        content_type.is_some_and(|own| body::has_more_parts(own, self.body()))
    }

    /// The first SDP in the body; without a content type, a body that begins like one.
    pub fn sdp(&self) -> Option<&'a [u8]> {
        let body = self.body();
        match self.content_type() {
            None => Some(body).filter(|body| body.starts_with(b"v=0")),
            Some(content_type) if content_type.is_multipart() => self.part("application", "sdp"),
            Some(content_type) => {
                Some(body).filter(|body| !body.is_empty() && content_type.is("application", "sdp"))
            }
        }
    }

    /// The first body of this type.
    pub fn part(&self, kind: &str, subtype: &str) -> Option<&'a [u8]> {
        self.parts().find(|part| part.is(kind, subtype)).map(|part| part.body)
    }

    /// The status that a NOTIFY reports about a REFER (RFC 3515, section 2.4.5).
    pub fn sipfrag_status(&self) -> Option<Status> {
        let fragment = self.part("message", "sipfrag")?;
        let line = fragment.split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
        match Start::parse(line).0 {
            Start::Response { status, .. } => status,
            Start::Request { .. } | Start::Invalid(_) => None,
        }
    }

    /// Headers that may stand once only and stand more often, and whether all values are the same.
    pub fn duplicates(&self) -> impl Iterator<Item = (HeaderName, bool)> + '_ {
        self.headers().enumerate().filter_map(|(index, header)| {
            if !header.name.is_singleton() {
                return None;
            }
            let same_name = |other: &Header<'a>| other.name == header.name;
            if self.headers().take(index).any(|other| same_name(&other)) {
                return None;
            }
            let mut others = self.headers().skip(index.saturating_add(1)).filter(same_name);
            let first = others.next()?;
            let is_same = |other: &Header<'_>| other.value == header.value;
            Some((header.name, is_same(&first) && others.all(|other| is_same(&other))))
        })
    }
}

/// The headers of a message in their order.
#[derive(Clone, Debug)]
pub struct Headers<'m, 'a> {
    bytes: &'a [u8],
    fields: slice::Iter<'m, Field>,
}

impl Headers<'_, '_> {
    /// The same headers once more, from here on.
    #[inline]
    #[must_use]
    pub fn iter(&self) -> Self {
        self.clone()
    }
}

impl<'a> Iterator for Headers<'_, 'a> {
    type Item = Header<'a>;

    #[inline]
    fn next(&mut self) -> Option<Header<'a>> {
        self.fields.next().map(|field| field.header(self.bytes))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.fields.size_hint()
    }
}

impl ExactSizeIterator for Headers<'_, '_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::{Method, head};

    const INVITE: &str = "INVITE sip:bob@b.example SIP/2.0\r\n\
        Via: SIP/2.0/UDP a.example;branch=z9hG4bK1, SIP/2.0/TCP c.example;branch=z9hG4bK2\r\n\
        Max-Forwards: 70\r\n\
        From: \"Ann, A.\" <sip:ann@a.example>;tag=1\r\n\
        To: <sip:bob@b.example>\r\n\
        Call-ID: 1@a.example\r\n\
        CSeq: 1 INVITE\r\n\
        Contact: <sip:ann@a.example>\r\n\
        Content-Type: application/sdp\r\n\
        Content-Length: 5\r\n\
        \r\n\
        v=0\r\n";

    fn check(text: &str, expected: &[Anomaly]) {
        let (_, anomalies) = Message::parse(text.as_bytes());
        assert_eq!(anomalies, expected.iter().copied().collect(), "{text}");
    }

    /// What is wrong when `from` in a good message is replaced.
    fn check_with(from: &str, to: &str, expected: &[Anomaly]) {
        let text = INVITE.replace(from, to);
        assert_ne!(text, INVITE, "{from}");
        check(&text, expected);
    }

    #[test]
    fn parts_of_a_message() {
        let (message, anomalies) = Message::parse(INVITE.as_bytes());
        assert!(anomalies.is_empty() && message.is_request() && !message.is_response());
        assert_eq!((message.method(), message.headers().len()), (Method::Invite, 9));
        assert_eq!(message.call_id(), Some(&b"1@a.example"[..]));
        assert_eq!(message.from().and_then(|a| a.display_text()).as_deref(), Some("Ann, A."));
        assert_eq!((message.from_tag(), message.to_tag()), (Some(&b"1"[..]), None));
        assert_eq!(message.vias().count(), 2);
        assert_eq!(message.branch(), Some(&b"z9hG4bK1"[..]));
        assert_eq!(message.sdp(), Some(&b"v=0\r\n"[..]));
        assert_eq!(message.named("MAX-forwards").next(), Some(&b"70"[..]));
        assert!(message.trailing().is_empty() && message.unfinished_line().is_none());
    }

    #[test]
    fn compact_forms_line_ends_and_folds_change_nothing() {
        let compact =
            INVITE.replace("Via:", "v:").replace("From:", "F:").replace("Call-ID:", "i :");
        check(&compact, &[Anomaly::SpaceBeforeColon]);
        let folded = INVITE.replace(", SIP", ",\r\n\tSIP").replace("CSeq: 1 ", "CSeq:\r\n 1\r\n ");
        check(&folded, &[Anomaly::FoldedHeader]);
        let (message, _) = Message::parse(folded.as_bytes());
        assert_eq!((message.vias().count(), message.cseq().map(|c| c.number)), (2, Some(1)));
        check(
            &INVITE.replace("\r\n", "\n"),
            &[Anomaly::BareLineFeed, Anomaly::ContentLengthTooLarge],
        );
        check(&format!("\r\n\r\n{INVITE}"), &[Anomaly::LeadingLineEnds]);
        let returns = INVITE.replace("\r\n", "\r");
        let wrong = [Anomaly::BareCarriageReturn, Anomaly::ContentLengthTooLarge];
        check(&returns, &wrong);
        assert_eq!(Message::parse(returns.as_bytes()).0.body(), b"v=0\r");
    }

    #[test]
    fn every_missing_header_is_noted() {
        for (name, anomaly) in [
            ("Via", Anomaly::MissingVia),
            ("From", Anomaly::MissingFrom),
            ("To", Anomaly::MissingTo),
            ("Call-ID", Anomaly::MissingCallId),
            ("CSeq", Anomaly::MissingCSeq),
            ("Max-Forwards", Anomaly::MissingMaxForwards),
            ("Contact", Anomaly::MissingContact),
            ("Content-Length", Anomaly::ContentLengthMissing),
            ("Content-Type", Anomaly::MissingContentType),
        ] {
            check_with(&format!("\n{name}:"), "\nX-Other:", &[anomaly]);
        }
    }

    #[test]
    fn wrong_values_are_noted() {
        use Anomaly::*;
        for (from, to, anomaly) in [
            ("SIP/2.0\r\n", "SIP/3.0\r\n", UnsupportedVersion),
            (" SIP/2.0\r\n", "\r\n", MissingVersion),
            ("bob@b.example SIP", "bob@b.example;x SIP/2.0 SIP", RequestUriInvalid),
            ("CSeq: 1 ", "CSeq: 2147483648 ", CSeqOutOfRange),
            ("CSeq: 1 ", "CSeq: one ", CSeqInvalid),
            ("CSeq: 1 INVITE", "CSeq: 1", CSeqInvalid),
            ("CSeq: 1 INVITE", "CSeq: 1 invite", CSeqMethodMismatch),
            ("Forwards: 70", "Forwards: 256", MaxForwardsInvalid),
            ("branch=z9hG4bK1", "branch=1", BranchWithoutCookie),
            ("branch=z9hG4bK1", "branch=z9hG4bK", BranchEmpty),
            ("UDP a.example", "UDP", ViaInvalid),
            (";tag=1", "", MissingFromTag),
            (";tag=1", ";;tag=1", EmptyParameter),
            ("\"Ann, A.\"", "\"Ann, A.", UnterminatedQuote),
            ("\"Ann, A.\"", "Ann, A.", DisplayNameUnquoted),
            ("To: <sip:bob", "To: <bob", InvalidUri),
            ("Contact: <sip:ann@a.example>", "Contact: sip:ann@a.example?a=b", UriNeedsBrackets),
            ("Length: 5", "Length: 6", ContentLengthTooLarge),
            ("Length: 5", "Length: -5", ContentLengthInvalid),
            ("Length: 5", "Length: 5\r\nl: 5", DuplicateSingleton),
            ("Content-Type:", "Expires: never\r\nContent-Type:", SecondsInvalid),
            ("Content-Type:", "Date: today\r\nContent-Type:", DateInvalid),
            ("Content-Type:", "Warning: x\r\nContent-Type:", WarningInvalid),
            ("Content-Type:", "Oops\r\nContent-Type:", LineWithoutColon),
            ("Content-Type:", "Subject: \0\r\nContent-Type:", NulByte),
        ] {
            check_with(from, to, &[anomaly]);
        }
        check(&format!("{INVITE}more"), &[ContentLengthTooSmall]);
        check(&format!("{INVITE}\r\n"), &[]);
    }

    #[test]
    fn text_that_is_not_utf8_is_kept() {
        let mut bytes = INVITE.as_bytes().to_vec();
        if let Some(at) = INVITE.find("Ann").and_then(|at| bytes.get_mut(at)) {
            *at = 0xc4;
        }
        let (message, anomalies) = Message::parse(&bytes);
        assert_eq!(anomalies, [Anomaly::InvalidUtf8].into_iter().collect());
        let display = message.from().and_then(|a| a.display_text());
        assert_eq!(display.as_deref(), Some("\u{fffd}nn, A."));
    }

    #[test]
    fn a_message_that_is_cut_has_no_half_values() {
        let whole = Message::parse(INVITE.as_bytes()).0;
        for end in 0..INVITE.len() {
            let (message, anomalies) = Message::parse(INVITE.as_bytes().get(..end).unwrap_or(b""));
            for header in message.headers() {
                assert_eq!(whole.header(header.name), Some(header.value));
            }
            // A CR at the very end is a line end, whether or not an LF was to follow.
            let is_cut_in_headers = end < whole.header_section().len() - 1;
            assert_eq!(anomalies.contains(Anomaly::HeadersUnfinished), is_cut_in_headers);
        }
    }

    #[test]
    fn responses() {
        let text = "SIP/2.0 180 Ringing\r\n\
            v: SIP/2.0/UDP a;branch=z9hG4bK1\r\n\
            f: <sip:a@b>;tag=1\r\n\
            t: <sip:c@d>\r\n\
            i: 1\r\n\
            CSeq: 1 INVITE\r\n\
            Require: 100rel\r\n\
            RSeq: 7\r\n\
            l: 0\r\n\r\n";
        check(text, &[Anomaly::MissingToTag]);
        check(&text.replace("180", "100"), &[]);
        check(&text.replace("180", "200"), &[Anomaly::MissingToTag, Anomaly::MissingContact]);
        check(&text.replace("180", "099"), &[Anomaly::StatusOutOfRange]);
        let (message, _) = Message::parse(text.as_bytes());
        assert_eq!((message.method(), message.status()), (Method::Invite, Some(Status::RINGING)));
        assert_eq!(
            (message.rseq(), message.reason_phrase().as_deref()),
            (Some(7), Some("Ringing"))
        );
        assert!(message.has_option(HeaderName::Require, "100REL"));
    }

    #[test]
    fn duplicates_tell_whether_they_differ() {
        let text = INVITE.replace("CSeq:", "i: 1@a.example\r\nTo: <sip:x@y>\r\nCSeq:");
        let (message, _) = Message::parse(text.as_bytes());
        let expected = [(HeaderName::To, false), (HeaderName::CallId, true)];
        assert!(message.duplicates().eq(expected));
    }

    #[test]
    fn transfers() {
        let text = "NOTIFY sip:a@b SIP/2.0\r\n\
            Event: refer;id=2\r\n\
            Content-Type: message/sipfrag;version=2.0\r\n\
            Subscription-State: terminated;reason=noresource\r\n\
            Refer-To: <sip:c@d?Replaces=1%3Bto-tag%3D2%3Bfrom-tag%3D3>\r\n\r\n\
            SIP/2.0 503 Service Unavailable\r\n";
        let (message, _) = Message::parse(text.as_bytes());
        assert_eq!(message.event().and_then(|event| event.id()), Some(&b"2"[..]));
        assert_eq!(message.sipfrag_status().map(Status::code), Some(503));
        let replaces = message.refer_to().and_then(|address| address.uri.header("Replaces"));
        assert_eq!(replaces.as_deref(), Some(&b"1;to-tag=2;from-tag=3"[..]));
    }

    #[test]
    fn headers_have_a_bound() {
        let text = format!("{}\r\n", INVITE.lines().next().unwrap_or_default())
            + &"X: 1\r\n".repeat(HEADERS_PER_MESSAGE_MAX + 1);
        let (message, anomalies) = Message::parse(text.as_bytes());
        assert_eq!(message.headers().len(), HEADERS_PER_MESSAGE_MAX);
        assert!(anomalies.contains(Anomaly::TooManyHeaders));
    }

    #[test]
    fn the_head_is_that_of_the_message() {
        let (message, _) = Message::parse(INVITE.as_bytes());
        let head = head(INVITE.as_bytes());
        assert_eq!(head.and_then(|head| head.call_id), message.call_id());
        assert_eq!(head.and_then(|head| head.method()), Some(message.method()));
    }
}
