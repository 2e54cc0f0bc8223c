//! Pseudonyms in a SIP message, where its bytes lie.
//!
//! Each header field has its way of being read. A field that is not known keeps words of the
//! protocol and loses all others.

use std::ops::Range;

use super::text::{Pseudonyms, Stays, part};
use super::uri::split;
use crate::sip::HeaderName;

/// Messages inside messages that are read as such.
const DEPTH_MAX: usize = 4;

/// Header fields with addresses and parameters.
const ADDRESSES: [HeaderName; 34] = [
    HeaderName::From,
    HeaderName::To,
    HeaderName::Contact,
    HeaderName::Route,
    HeaderName::RecordRoute,
    HeaderName::PAssertedIdentity,
    HeaderName::PPreferredIdentity,
    HeaderName::RemotePartyId,
    HeaderName::Diversion,
    HeaderName::HistoryInfo,
    HeaderName::ReferTo,
    HeaderName::ReferredBy,
    HeaderName::ReplyTo,
    HeaderName::PCalledPartyId,
    HeaderName::PServedUser,
    HeaderName::PAssociatedUri,
    HeaderName::Path,
    HeaderName::ServiceRoute,
    HeaderName::AlertInfo,
    HeaderName::CallInfo,
    HeaderName::ErrorInfo,
    HeaderName::PChargeInfo,
    HeaderName::AdditionalIdentity,
    HeaderName::Geolocation,
    HeaderName::PDcsTracePartyId,
    HeaderName::PDcsRedirect,
    HeaderName::PRefusedUriList,
    HeaderName::ReferEventsAt,
    HeaderName::TriggerConsent,
    HeaderName::PermissionMissing,
    HeaderName::PolicyContact,
    HeaderName::IdentityInfo,
    HeaderName::PUserDatabase,
    HeaderName::PProfileKey,
];

/// Header fields of which nothing stays.
const NAMES: [HeaderName; 10] = [
    HeaderName::CallId,
    HeaderName::InReplyTo,
    HeaderName::SipETag,
    HeaderName::SipIfMatch,
    HeaderName::Subject,
    HeaderName::Organization,
    HeaderName::ContentId,
    HeaderName::UserToUser,
    HeaderName::OriginationId,
    HeaderName::PMediaAuthorization,
];

/// Header fields with a value and parameters that are told by their names.
const VALUES: [HeaderName; 7] = [
    HeaderName::SessionId,
    HeaderName::Replaces,
    HeaderName::Join,
    HeaderName::TargetDialog,
    HeaderName::PChargingVector,
    HeaderName::PVisitedNetworkId,
    HeaderName::PPrivateNetworkIndication,
];

/// Header fields with words of the protocol and figures.
const FIGURES: [HeaderName; 48] = [
    HeaderName::CSeq,
    HeaderName::MaxForwards,
    HeaderName::MaxBreadth,
    HeaderName::Expires,
    HeaderName::ContentLength,
    HeaderName::Allow,
    HeaderName::Supported,
    HeaderName::Require,
    HeaderName::ProxyRequire,
    HeaderName::Unsupported,
    HeaderName::Accept,
    HeaderName::AcceptEncoding,
    HeaderName::AcceptLanguage,
    HeaderName::AllowEvents,
    HeaderName::Event,
    HeaderName::RAck,
    HeaderName::RSeq,
    HeaderName::MinExpires,
    HeaderName::MinSe,
    HeaderName::SessionExpires,
    HeaderName::Timestamp,
    HeaderName::Date,
    HeaderName::Privacy,
    HeaderName::SubscriptionState,
    HeaderName::PEarlyMedia,
    HeaderName::ContentEncoding,
    HeaderName::MimeVersion,
    HeaderName::Priority,
    HeaderName::RequestDisposition,
    HeaderName::ContentDisposition,
    HeaderName::ReferSub,
    HeaderName::AnswerMode,
    HeaderName::PrivAnswerMode,
    HeaderName::FlowTimer,
    HeaderName::RecvInfo,
    HeaderName::InfoPackage,
    HeaderName::ContentLanguage,
    HeaderName::ContentTransferEncoding,
    HeaderName::Reason,
    HeaderName::RetryAfter,
    HeaderName::ResourcePriority,
    HeaderName::SuppressIfMatch,
    HeaderName::FeatureCaps,
    HeaderName::AcceptContact,
    HeaderName::RejectContact,
    HeaderName::PAnswerState,
    HeaderName::PAssertedService,
    HeaderName::PPreferredService,
];

/// Header fields with credentials and challenges.
const CREDENTIALS: [HeaderName; 6] = [
    HeaderName::Authorization,
    HeaderName::ProxyAuthorization,
    HeaderName::WwwAuthenticate,
    HeaderName::ProxyAuthenticate,
    HeaderName::AuthenticationInfo,
    HeaderName::ProxyAuthenticationInfo,
];

/// A line with those that continue it: where its name and its value are.
struct Line {
    name: Range<usize>,
    value: Range<usize>,
}

impl Pseudonyms {
    /// A SIP message, from its start line on.
    pub(super) fn message(&mut self, message: &mut [u8]) {
        self.counts.messages += 1;
        self.nested(message, 0);
    }

    /// A message, or a part of one as `message/sipfrag` is.
    pub(super) fn nested(&mut self, message: &mut [u8], depth: usize) {
        if depth > DEPTH_MAX {
            return self.text(message, Stays::Nothing);
        }
        let lead = message.iter().take_while(|byte| b"\r\n".contains(byte)).count();
        let message = part(message, lead..message.len());
        let end = line_end(message);
        // A fragment may begin with a header.
        let has_start = message.get(..end).is_some_and(is_start_line);
        let (start, headers) = message.split_at_mut(if has_start { end } else { 0 });
        self.start_line(start);
        let end = headers_end(headers);
        let (headers, body) = headers.split_at_mut(end);
        let (kind, is_encoded) = self.headers(headers);
        match is_encoded {
            true => self.blank(body),
            false => self.body(body, &kind, depth),
        }
    }

    /// Header lines; gives the type of the body, and whether it is compressed.
    pub(super) fn headers(&mut self, headers: &mut [u8]) -> (Vec<u8>, bool) {
        let (mut kind, mut is_encoded) = (Vec::new(), false);
        for line in lines(headers) {
            let name = HeaderName::of(headers.get(line.name.clone()).unwrap_or_default());
            let value = part(headers, line.value);
            match name {
                HeaderName::ContentType => kind = value.trim_ascii().to_vec(),
                HeaderName::ContentEncoding => {
                    is_encoded = !value.trim_ascii().eq_ignore_ascii_case(b"identity");
                }
                _ => {}
            }
            self.header(name, value);
            if name == HeaderName::Other {
                self.text(part(headers, line.name), Stays::Words);
            }
        }
        (kind, is_encoded)
    }

    fn start_line(&mut self, line: &mut [u8]) {
        if is_version(line) {
            // The phrase is behind the second space.
            let mut spaces = memchr::memchr_iter(b' ', line);
            let phrase = spaces.nth(1).unwrap_or(line.len());
            return self.text(part(line, phrase..line.len()), Stays::Words);
        }
        let method = memchr::memchr(b' ', line).unwrap_or(line.len());
        let (method, rest) = line.split_at_mut(method);
        self.text(method, Stays::Words);
        let version = rest.iter().rposition(|byte| *byte == b' ').map_or(0, |space| space + 1);
        let has_version = rest.get(version..).is_some_and(is_version);
        let end = if has_version { version } else { rest.len() };
        self.uri(part(rest, 0..end));
    }

    fn header(&mut self, name: HeaderName, value: &mut [u8]) {
        match name {
            HeaderName::Via => self.vias(value),
            HeaderName::ContentType => self.content_type(value),
            HeaderName::UserAgent | HeaderName::Server => self.product(value),
            HeaderName::Warning => self.warnings(value),
            HeaderName::Identity => self.identity(value),
            name if ADDRESSES.contains(&name) => self.address_list(value),
            name if NAMES.contains(&name) => self.text(value, Stays::Nothing),
            name if VALUES.contains(&name) => self.value_and_params(value),
            name if CREDENTIALS.contains(&name) => self.credentials(value),
            name if FIGURES.contains(&name) => self.text(value, Stays::Figures),
            _ => self.text(value, Stays::Words),
        }
    }

    /// A vendor, a product, versions. What has an `@` in it is told as a name.
    fn product(&mut self, value: &mut [u8]) {
        match value.contains(&b'@') {
            true => self.text(value, Stays::Nothing),
            false => self.text(value, Stays::Product),
        }
    }

    /// A type with parameters. A boundary has to be the same as in the body.
    pub(super) fn content_type(&mut self, value: &mut [u8]) {
        let end = memchr::memchr(b';', value).unwrap_or(value.len());
        let (kind, params) = value.split_at_mut(end);
        self.text(kind, Stays::Figures);
        self.params(params);
    }

    fn value_and_params(&mut self, value: &mut [u8]) {
        for item in split(value, b',') {
            let item = part(value, item);
            let end = memchr::memchr(b';', item).unwrap_or(item.len());
            let (first, params) = item.split_at_mut(end);
            match first.contains(&b'=') {
                true => self.param(first),
                false => self.text(first, Stays::Nothing),
            }
            self.params(params);
        }
    }

    fn vias(&mut self, value: &mut [u8]) {
        for item in split(value, b',') {
            let item = part(value, item);
            let end = memchr::memchr(b';', item).unwrap_or(item.len());
            let (sent, params) = item.split_at_mut(end);
            // `SIP / 2.0 / UDP host : port`: the host follows the third word and white space.
            let trimmed = sent.trim_ascii_end().len();
            let gap = sent.get(..trimmed).and_then(|sent| sent.iter().rposition(is_space));
            let tight = gap.map_or(0, |gap| gap + 1);
            let host = match memchr::memmem::rfind(sent, b" :") {
                Some(colon) => {
                    let before = sent.get(..colon).unwrap_or_default().trim_ascii_end();
                    before.iter().rposition(is_space).map_or(0, |gap| gap + 1)
                }
                None => tight,
            };
            let (protocol, host) = sent.split_at_mut(host);
            self.text(protocol, Stays::Figures);
            self.host_and_port(part(host, 0..host.trim_ascii_end().len()));
            self.params(params);
        }
    }

    /// `399 host "text"`.
    fn warnings(&mut self, value: &mut [u8]) {
        for item in split(value, b',') {
            let item = part(value, item);
            let quote = memchr::memchr(b'"', item).unwrap_or(item.len());
            let (start, text) = item.split_at_mut(quote);
            let lead = start.iter().take_while(|byte| is_space(byte)).count();
            let code = start.get(lead..).unwrap_or_default();
            let code = lead + code.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let agent = part(start, code..start.len());
            let inside = agent.iter().take_while(|byte| is_space(byte)).count();
            let end = agent.trim_ascii_end().len();
            self.host_and_port(part(agent, inside..end.max(inside)));
            self.text(text, Stays::Words);
        }
    }

    /// A signed identity: the token that names the caller, then parameters.
    fn identity(&mut self, value: &mut [u8]) {
        let end = memchr::memchr(b';', value).unwrap_or(value.len());
        let (token, params) = value.split_at_mut(end);
        self.token(token);
        for param in split(params, b';').into_iter().skip(1) {
            let param = part(params, param);
            match memchr::memchr(b'<', param) {
                Some(open) => {
                    let end = memchr::memchr(b'>', param).unwrap_or(param.len());
                    self.uri(part(param, open + 1..end));
                }
                None => self.param(param),
            }
        }
    }
}

fn is_space(byte: &u8) -> bool {
    byte.is_ascii_whitespace()
}

fn is_start_line(line: &[u8]) -> bool {
    let is_response = is_version(line);
    let method = line.iter().take_while(|byte| !b" :\r\n".contains(byte)).count();
    is_response || (method > 0 && line.get(method) == Some(&b' ') && !line_has_header(line))
}

/// Of SIP, or of HTTP where WebSocket begins.
fn is_version(text: &[u8]) -> bool {
    let is = |version: &[u8]| {
        text.get(..version.len()).is_some_and(|start| start.eq_ignore_ascii_case(version))
    };
    is(b"SIP/") || is(b"HTTP/")
}

/// `Name : value` rather than `METHOD uri`.
fn line_has_header(line: &[u8]) -> bool {
    let name = line.iter().take_while(|byte| !b" \t:".contains(byte)).count();
    let rest = line.get(name..).unwrap_or_default().trim_ascii_start();
    rest.first() == Some(&b':')
}

/// The length of the first line with its end.
pub(super) fn line_end(text: &[u8]) -> usize {
    memchr::memchr(b'\n', text).map_or(text.len(), |end| end + 1)
}

/// The length of header lines with the empty line behind them.
pub(super) fn headers_end(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let length = line_end(rest);
        at += length;
        if rest.get(..length).is_some_and(|line| line.trim_ascii().is_empty()) {
            break;
        }
    }
    at
}

/// Where names and values are; what is no header is a value without a name.
fn lines(text: &[u8]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let length = line_end(rest);
        let line = rest.get(..length).unwrap_or_default();
        let continues = line.first().is_some_and(|first| b" \t".contains(first));
        match (lines.last_mut(), memchr::memchr(b':', line)) {
            (Some(last), _) if continues => last.value.end = at + length,
            (_, Some(colon)) => {
                let name = line.get(..colon).unwrap_or_default().trim_ascii().len();
                lines.push(Line { name: at..at + name, value: at + colon + 1..at + length });
            }
            (_, None) => lines.push(Line { name: at..at, value: at..at + length }),
        }
        at += length;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::redact::Key;
    use crate::sip::Message;

    pub(super) fn replaced(message: &str) -> String {
        let message = message.replace('\n', "\r\n");
        let mut pseudonyms = Pseudonyms::new(Key::of(b"test"), 0);
        let mut bytes = message.as_bytes().to_vec();
        pseudonyms.message(&mut bytes);
        assert_eq!(bytes.len(), message.len());
        String::from_utf8(bytes).expect("characters")
    }

    const INVITE: &str = "\
INVITE sip:+493012345678@provider.example:5060;user=phone SIP/2.0
Via: SIP/2.0/UDP pbx.acme.example:5060;branch=z9hG4bK77ef4;rport, SIP/2.0/TCP 10.1.2.3
Max-Forwards: 70
f: \"Alice Meyer\" <sip:alice@acme.example>;tag=9fxced76sl
To: <sip:+49-30-12345678@provider.example>
i: 3848276298220188511@pbx.acme.example
CSeq: 314159 INVITE
Contact: <sip:alice@10.1.2.3:5060;transport=udp>
P-Asserted-Identity: \"4930765432\" <tel:+4930765432>
User-Agent: Asterisk PBX 18.2.0
Subject: Salary of Bob
X-Acme-Tenant: Blue Fish 4711
Reason: Q.850;cause=16;text=\"Normal Clearing\"
Warning: 399 pbx.acme.example \"Codec G729 not licensed for Meyer\"
Content-Type: application/sdp
Content-Length: 0

";

    #[test]
    fn nobody_is_named_any_more() {
        let text = replaced(INVITE);
        for gone in [
            "12345678",
            "provider",
            "acme",
            "77ef4",
            "10.1.2.3",
            "Alice",
            "Meyer",
            "alice",
            "9fxced76sl",
            "3848276298220188511",
            "765432",
            "Salary",
            "Bob",
            "Acme",
            "Tenant",
            "Blue",
            "Fish",
            "4711",
            "example",
        ] {
            assert!(!text.contains(gone), "{gone}: {text}");
        }
    }

    #[test]
    fn what_says_how_it_went_stays() {
        let text = replaced(INVITE);
        for stays in [
            "INVITE sip:+49",
            ";user=phone SIP/2.0\r\n",
            "Via: SIP/2.0/UDP ",
            ":5060;branch=z9hG4bK",
            ";rport, SIP/2.0/TCP 10.",
            "Max-Forwards: 70\r\n",
            ">;tag=",
            "CSeq: 314159 INVITE\r\n",
            ";transport=udp>",
            "User-Agent: Asterisk PBX 18.2.0\r\n",
            "Reason: Q.850;cause=16;text=\"Normal Clearing\"\r\n",
            "Warning: 399 ",
            "\"Codec G729 not licensed for ",
            "Content-Type: application/sdp\r\n",
        ] {
            assert!(text.contains(stays), "{stays}: {text}");
        }
        let (_, anomalies) = Message::parse(text.as_bytes());
        assert!(anomalies.is_empty(), "{anomalies:?}");
    }

    #[test]
    fn the_same_is_the_same_everywhere() {
        let text = replaced(INVITE);
        let (message, _) = Message::parse(text.as_bytes());
        let user = |name| {
            let value = message.text(name).unwrap_or_default().into_owned();
            let (_, user) = value.split_once("sip:").expect("a URI");
            user.split_once('@').expect("a user").0.to_owned()
        };
        assert_eq!(user(HeaderName::From), user(HeaderName::Contact));
        let line = text.split("\r\n").next().unwrap_or_default();
        let called = line.split(['+', '@']).nth(1).unwrap_or_default();
        assert_eq!(user(HeaderName::To).replace(['-', '+'], ""), called);
    }

    #[test]
    fn any_bytes_are_survived() {
        let message = INVITE.as_bytes();
        let mut pseudonyms = Pseudonyms::new(Key::of(b"test"), 0);
        for cut in 0..message.len() {
            let mut bytes = message[..cut].to_vec();
            pseudonyms.message(&mut bytes);
            assert_eq!(bytes.len(), cut);
        }
        for byte in [b'"', b'<', b'>', b';', b'%', b'@', b':', b'\n', 0xff] {
            for at in (0..message.len()).step_by(3) {
                let mut bytes = message.to_vec();
                bytes[at] = byte;
                pseudonyms.message(&mut bytes);
            }
        }
    }
}
