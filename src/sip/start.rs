//! The start line: request line or status line (RFC 3261, sections 7.1 and 7.2).

use super::anomaly::{Anomalies, Anomaly};
use super::lws::{is_tight, trim, trim_start};
use super::method::Method;
use super::status::Status;
use crate::transport::start_line::{after_version, is_token};

/// The first line of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start<'a> {
    /// A request line.
    Request {
        /// What is asked for.
        method: Method<'a>,
        /// The Request-URI as it was sent.
        uri: &'a [u8],
    },
    /// A status line.
    Response {
        /// The status; none if the code is not three digits from 100 to 699.
        status: Option<Status>,
        /// The code as it was sent.
        code: &'a [u8],
        /// The reason phrase, which may be empty.
        phrase: &'a [u8],
    },
    /// Neither.
    Invalid(&'a [u8]),
}

impl<'a> Start<'a> {
    /// The start line that `line` is, and what is wrong with it.
    #[inline]
    pub(crate) fn parse(line: &'a [u8]) -> (Self, Anomalies) {
        match usual_line(line) {
            Some(start) => (start, Anomalies::NONE),
            None => Self::parse_any(line),
        }
    }

    fn parse_any(line: &'a [u8]) -> (Self, Anomalies) {
        match after_version(line) {
            Some(rest) => status_line(line, rest),
            None => request_line(line),
        }
    }
}

/// A line as nearly all of them are, with single spaces and in the usual version. The same as the
/// general way finds, sooner.
#[inline]
fn usual_line(line: &[u8]) -> Option<Start<'_>> {
    if let [b'S', b'I', b'P', b'/', b'2', b'.', b'0', b' ', after @ ..] = line {
        let (code, [b' ', phrase @ ..]) = after.split_at_checked(3)? else { return None };
        let status = Status::of(code)?;
        let is_usual = phrase.is_empty() || is_tight(phrase);
        return is_usual.then_some(Start::Response { status: Some(status), code, phrase });
    }
    let [line @ .., b' ', b'S', b'I', b'P', b'/', b'2', b'.', b'0'] = line else { return None };
    let word = line.iter().position(|byte| !is_token(*byte)).filter(|word| *word > 0)?;
    let (method, [b' ', uri @ ..]) = line.split_at_checked(word)? else { return None };
    is_tight(uri).then(|| Start::Request { method: Method::of(method), uri })
}

fn status_line<'a>(line: &'a [u8], rest: &'a [u8]) -> (Start<'a>, Anomalies) {
    let mut anomalies = Anomalies::NONE;
    let after = trim_start(rest);
    let version = line.get(..line.len().saturating_sub(rest.len())).unwrap_or(line);
    let digits = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (code, phrase) = after.split_at_checked(digits).unwrap_or((after, &[]));
    let has_gap = matches!(phrase.first(), None | Some(b' ' | b'\t'));
    if code.is_empty() || after.len() == rest.len() || !has_gap {
        anomalies.insert(Anomaly::StartLineInvalid);
        return (Start::Invalid(line), anomalies);
    }
    let status = Status::of(code);
    anomalies.insert_if(status.is_none(), Anomaly::StatusOutOfRange);
    anomalies.insert_if(rest.len() != after.len().saturating_add(1), Anomaly::StartLineSpacing);
    anomalies.insert_if(!version.eq_ignore_ascii_case(b"SIP/2.0"), Anomaly::UnsupportedVersion);
    (Start::Response { status, code, phrase: trim(phrase) }, anomalies)
}

fn request_line(line: &[u8]) -> (Start<'_>, Anomalies) {
    let mut anomalies = Anomalies::NONE;
    let word = line.iter().take_while(|byte| is_token(**byte)).count();
    let (method, rest) = line.split_at_checked(word).unwrap_or((line, &[]));
    let inside = trim(rest);
    if method.is_empty() || inside.len() == rest.len() || inside.is_empty() {
        anomalies.insert(Anomaly::StartLineInvalid);
        return (Start::Invalid(line), anomalies);
    }
    let (uri, version) = match inside.iter().rposition(|byte| matches!(byte, b' ' | b'\t')) {
        Some(at) => inside.split_at_checked(at).unwrap_or((inside, &[])),
        None => (inside, &[][..]),
    };
    let (uri, version) = match after_version(trim(version)) {
        Some([]) => (trim(uri), trim(version)),
        Some(_) | None => (inside, &[][..]),
    };
    check_version(version, &mut anomalies);
    let single = [method.len(), uri.len(), version.len(), 2].iter().sum::<usize>();
    let is_spaced = !version.is_empty() && line.len() != single;
    anomalies.insert_if(is_spaced, Anomaly::StartLineSpacing);
    (Start::Request { method: Method::of(method), uri }, anomalies)
}

fn check_version(version: &[u8], anomalies: &mut Anomalies) {
    let is_missing = version.is_empty();
    anomalies.insert_if(is_missing, Anomaly::MissingVersion);
    let is_other = !is_missing && !version.eq_ignore_ascii_case(b"SIP/2.0");
    anomalies.insert_if(is_other, Anomaly::UnsupportedVersion);
}

#[cfg(test)]
mod tests {
    use super::Anomaly::*;
    use super::*;

    fn check(line: &'static str, expected: Start<'static>, wrong: &[Anomaly]) {
        let (start, anomalies) = Start::parse(line.as_bytes());
        assert_eq!((start, anomalies), Start::parse_any(line.as_bytes()), "{line}");
        assert_eq!(start, expected, "{line}");
        assert_eq!(anomalies, wrong.iter().copied().collect(), "{line}");
    }

    #[test]
    fn request_lines() {
        let invite =
            |uri: &'static str| Start::Request { method: Method::Invite, uri: uri.as_bytes() };
        check("INVITE sip:a@b SIP/2.0", invite("sip:a@b"), &[]);
        check("INVITE sip:a@b sip/2.0", invite("sip:a@b"), &[]);
        check("INVITE  sip:a@b  SIP/2.0", invite("sip:a@b"), &[StartLineSpacing]);
        check("INVITE sip:a@b SIP/2.0  ", invite("sip:a@b"), &[StartLineSpacing]);
        check("INVITE <sip:a@b> SIP/2.0", invite("<sip:a@b>"), &[]);
        check("INVITE sip:a@b; lr SIP/2.0", invite("sip:a@b; lr"), &[]);
        check("INVITE sip:a@b?x=y SIP/2.0", invite("sip:a@b?x=y"), &[]);
        check("INVITE sip:a@b SIP/7.0", invite("sip:a@b"), &[UnsupportedVersion]);
        check("INVITE sip:a@b", invite("sip:a@b"), &[MissingVersion]);
    }

    #[test]
    fn status_lines() {
        let ok = |phrase: &'static str| Start::Response {
            status: Some(Status::OK),
            code: b"200",
            phrase: phrase.as_bytes(),
        };
        check("SIP/2.0 200 OK", ok("OK"), &[]);
        check("SIP/2.0 200 = 2**3 * 5**2", ok("= 2**3 * 5**2"), &[]);
        check("SIP/2.0 200 ", ok(""), &[]);
        check("SIP/2.0 200", ok(""), &[]);
        check("SIP/2.0  200 OK", ok("OK"), &[StartLineSpacing]);
        check("SIP/3.0 200 OK", ok("OK"), &[UnsupportedVersion]);
        let large = Start::Response { status: None, code: b"4294967301", phrase: b"no" };
        check("SIP/2.0 4294967301 no", large, &[StatusOutOfRange]);
    }

    #[test]
    fn other_lines() {
        for line in ["", "INVITE", "INVITE ", "SIP/2.0 OK", "SIP/2.0200 OK", "SIP/2.0 2x0 OK"] {
            check(line, Start::Invalid(line.as_bytes()), &[StartLineInvalid]);
        }
    }
}
