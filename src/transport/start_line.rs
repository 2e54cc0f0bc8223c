//! Whether bytes begin like a SIP message.
//!
//! Asked of every UDP payload and at every place where a stream might resume, so it decides on the
//! first byte where it can. Knows nothing of headers.

use memchr::memchr2;

/// Bytes a method name may have; the longest registered one has nine.
const METHOD_BYTES_MAX: usize = 64;

/// Bytes of a request line that are searched for its end.
const LINE_BYTES_MAX: usize = 8192;

/// Line ends before the start line that are skipped (RFC 3261, section 7.5).
const LEADING_LINE_ENDS_MAX: usize = 16;

const SCHEMES: [&[u8]; 4] = [b"sip:", b"sips:", b"tel:", b"urn:"];

/// The bytes of a `token` (RFC 3261, section 25.1).
static TOKEN: [bool; 256] = token_table();

const fn token_table() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    loop {
        table[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
        if byte == u8::MAX {
            return table;
        }
        byte += 1;
    }
}

/// Whether `byte` may stand in a `token` (RFC 3261, section 25.1).
#[inline]
pub(crate) fn is_token(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

/// Whether `bytes` begin with a SIP request line or status line, line ends before it skipped.
///
/// A request line ends with a SIP version, or is a known method with a `sip:`, `sips:`, `tel:` or
/// `urn:` URI. A line that is cut counts when it has such a URI. Costs about a nanosecond on RTP.
#[inline]
pub fn is_start(bytes: &[u8]) -> bool {
    match bytes.first() {
        Some(&first) if is_token(first) => begins(bytes),
        Some(b'\r' | b'\n') => begins(without_leading_line_ends(bytes)),
        _ => false,
    }
}

/// Whether `bytes` begin with a status line, or a request line with a method that is known.
pub(crate) fn is_common_start(bytes: &[u8]) -> bool {
    let method = bytes.iter().take_while(|byte| is_token(**byte)).count();
    let method = bytes.get(..method).unwrap_or_default();
    is_start(bytes) && (is_known(method) || method.eq_ignore_ascii_case(b"SIP"))
}

/// What follows the empty lines before a message (RFC 3261, section 7.5).
#[inline]
pub(crate) fn without_leading_line_ends(bytes: &[u8]) -> &[u8] {
    if !matches!(bytes.first(), Some(b'\r' | b'\n')) {
        return bytes;
    }
    let skipped = bytes
        .iter()
        .take(LEADING_LINE_ENDS_MAX)
        .take_while(|byte| matches!(byte, b'\r' | b'\n'))
        .count();
    bytes.get(skipped..).unwrap_or_default()
}

/// Whether a method is recognised although the version at the end of the line is missing.
const fn is_known(method: &[u8]) -> bool {
    matches!(
        method,
        b"INVITE"
            | b"ACK"
            | b"BYE"
            | b"CANCEL"
            | b"REGISTER"
            | b"OPTIONS"
            | b"INFO"
            | b"PRACK"
            | b"SUBSCRIBE"
            | b"NOTIFY"
            | b"UPDATE"
            | b"REFER"
            | b"MESSAGE"
            | b"PUBLISH"
    )
}

fn begins(bytes: &[u8]) -> bool {
    if let [b'S', b'I', b'P', b'/', b'2', b'.', b'0', b' ', b'0'..=b'9', ..] = bytes {
        return true;
    }
    let word = bytes.iter().take(METHOD_BYTES_MAX + 1).take_while(|byte| is_token(**byte)).count();
    let Some((word, rest)) = bytes.split_at_checked(word) else { return false };
    match rest.first() {
        Some(b'/') => word.eq_ignore_ascii_case(b"SIP") && begins_status_line(bytes),
        Some(b' ' | b'\t') => !word.is_empty() && begins_request_line(word, rest),
        _ => false,
    }
}

fn begins_status_line(bytes: &[u8]) -> bool {
    let Some(after) = after_version(bytes) else { return false };
    let blanks = after.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    blanks > 0 && after.get(blanks).is_none_or(u8::is_ascii_digit)
}

fn begins_request_line(method: &[u8], rest: &[u8]) -> bool {
    let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let target = rest.get(blanks..).unwrap_or_default();
    // A blank before the colon of a header field.
    if target.starts_with(b":") {
        return false;
    }
    let has_scheme = has_scheme(target.strip_prefix(b"<").unwrap_or(target));
    if has_scheme && is_known(method) {
        return true;
    }

    let searched = target.get(..LINE_BYTES_MAX).unwrap_or(target);
    let Some(end) = memchr2(b'\r', b'\n', searched) else { return has_scheme };
    let line = searched.get(..end).unwrap_or_default().trim_ascii_end();
    let last = line.rsplit(|byte| matches!(byte, b' ' | b'\t')).next().unwrap_or_default();
    last.len() < line.len() && after_version(last).is_some_and(<[u8]>::is_empty)
}

fn has_scheme(target: &[u8]) -> bool {
    target.starts_with(b"sip:") || begins_with_scheme(target)
}

fn begins_with_scheme(target: &[u8]) -> bool {
    SCHEMES.iter().any(|scheme| {
        target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    })
}

/// What follows `SIP/<digits>.<digits>`, in any case (RFC 3261, section 7.1).
pub(crate) fn after_version(bytes: &[u8]) -> Option<&[u8]> {
    let (name, rest) = bytes.split_at_checked(4)?;
    if !name.eq_ignore_ascii_case(b"SIP/") {
        return None;
    }
    let rest = after_digits(rest)?.strip_prefix(b".")?;
    after_digits(rest)
}

fn after_digits(bytes: &[u8]) -> Option<&[u8]> {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 { None } else { bytes.get(digits..) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_sip_from_other_text_and_from_media() {
        let cases: [(&[u8], bool); 27] = [
            (b"INVITE sip:a@b SIP/2.0\r\n", true),
            (b"INVITE sip:a@b SIP/2.0\n", true),
            (b"\r\n\r\nINVITE sip:a@b SIP/2.0\r\n", true),
            (b"NEWMETHOD urn:service:sos SIP/2.0\r\n", true),
            (b"RE%47IST%45R sip:b SIP/2.0\r\n", true),
            (b"OPTIONS  sip:b  SIP/2.0  \r\n", true),
            (b"OPTIONS <sip:b> SIP/2.0\r\n", true),
            (b"OPTIONS 192.0.2.1 SIP/2.0\r\n", true),
            (b"OPTIONS sip:b SIP/7.0\r\n", true),
            (b"OPTIONS tel:+1-201 SIP/2.0\r\n", true),
            (b"INVITE sip:b\r\nTo: sip:b\r\n", true),
            (b"INVITE sip:alice@atl", true),
            (b"SIP/2.0 200 OK\r\n", true),
            (b"sip/2.0 100 \r\n", true),
            (b"SIP/2.0 180", true),
            (b"SIP/2.0 ", true),
            (b"SIP/2.0\r\n", false),
            (b"SIP/2.0 OK", false),
            (b"GET http://a/?q=SIP/2.0 HTTP/1.1\r\n", false),
            (b"DESCRIBE rtsp://a/b RTSP/1.0\r\n", false),
            (b"M-SEARCH * HTTP/1.1\r\n", false),
            (b"Upgrade : TLS, SIP/2.0\r\n", false),
            (b"please call sip:a@b.example\r\n", false),
            (b"SIP/2.0", false),
            (b"\r\n\r\n", false),
            (b"\x80\x08\x00\x01", false),
            (b"", false),
        ];
        for (bytes, expected) in cases {
            assert_eq!(is_start(bytes), expected, "{}", bytes.escape_ascii());
        }
    }
}
