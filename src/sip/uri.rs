//! URIs: `sip:`, `sips:`, `tel:` and any other.

use std::borrow::Cow;
use std::fmt;

use super::host::{Host, HostPort};
use super::lws::trim;
use super::quoted::{Parameters, Split, name_and_value};
use crate::bytes;
use crate::transport::start_line::is_token;

/// The scheme of a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme<'a> {
    /// RFC 3261, section 19.1.
    Sip,
    /// RFC 3261, section 19.1.
    Sips,
    /// RFC 3966.
    Tel,
    /// RFC 8141; `urn:service:sos` calls for help.
    Urn,
    /// Any other, as it was sent.
    Other(&'a [u8]),
    /// There is none.
    Missing,
}

/// A URI in its parts; never fails, what cannot be told apart is absent.
#[derive(Clone, Copy)]
pub struct Uri<'a> {
    raw: &'a [u8],
    scheme: Scheme<'a>,
    user: Option<&'a [u8]>,
    password: Option<&'a [u8]>,
    /// Of a `sip:` or `sips:` URI; else empty.
    place: HostPort<'a>,
    parameters: Parameters<'a>,
    headers: &'a [u8],
}

impl<'a> Uri<'a> {
    /// The URI that `bytes` are, white space around it removed.
    pub fn parse(bytes: &'a [u8]) -> Self {
        let raw = trim(bytes);
        let (scheme, rest) = split_scheme(raw);
        let mut uri = Self {
            raw,
            scheme,
            user: None,
            password: None,
            place: HostPort::default(),
            parameters: Parameters::default(),
            headers: &[],
        };
        match scheme {
            Scheme::Sip | Scheme::Sips => uri.take_sip(rest),
            Scheme::Tel => {
                let (number, parameters) = split(rest, b';');
                uri.user = Some(number).filter(|number| !number.is_empty());
                uri.parameters = Parameters::of(parameters.unwrap_or_default());
            }
            Scheme::Urn | Scheme::Other(_) | Scheme::Missing => {}
        }
        uri
    }

    /// `user` may hold `;`, `?` and `/`, so the `@` is looked for first (RFC 3261, section 25.1).
    fn take_sip(&mut self, rest: &'a [u8]) {
        let (user, rest) = match split(rest, b'@') {
            (user, Some(rest)) => (Some(user), rest),
            (rest, None) => (None, rest),
        };
        if let Some(user) = user {
            let (name, password) = split(user, b':');
            self.user = Some(name);
            self.password = password;
        }
        let (rest, headers) = split(rest, b'?');
        self.headers = headers.unwrap_or_default();
        let (place, parameters) = split(rest, b';');
        self.parameters = Parameters::of(parameters.unwrap_or_default());
        self.place = HostPort::parse(place);
    }

    /// As it was sent.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.raw
    }

    /// As text; invalid UTF-8 replaced.
    pub fn as_str(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.raw)
    }

    /// Whether there is nothing.
    pub const fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// The scheme.
    pub const fn scheme(&self) -> Scheme<'a> {
        self.scheme
    }

    /// The user part as it was sent; of a `tel:` URI the number.
    pub const fn user(&self) -> Option<&'a [u8]> {
        self.user
    }

    /// The user part with its `%` escapes undone.
    pub fn user_text(&self) -> Option<Cow<'a, str>> {
        self.user.map(|user| into_text(unescaped(user)))
    }

    /// The password, which RFC 3261, section 19.1.1, recommends nobody should use.
    pub const fn password(&self) -> Option<&'a [u8]> {
        self.password
    }

    /// The host of a `sip:` or `sips:` URI.
    pub fn host(&self) -> Option<Host<'a>> {
        Some(self.place.host).filter(|host| !host.as_bytes().is_empty())
    }

    /// The port, if there is one.
    pub const fn port(&self) -> Option<u16> {
        self.place.port
    }

    /// The parameters after the host, or after the number of a `tel:` URI.
    pub const fn parameters(&self) -> Parameters<'a> {
        self.parameters
    }

    /// What follows the `?`.
    pub const fn headers(&self) -> &'a [u8] {
        self.headers
    }

    /// The header that the URI asks for, such as `Replaces` in `Refer-To`, its `%` escapes undone
    /// (RFC 3261, section 19.1.1).
    pub fn header(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        self.headers
            .split(|byte| *byte == b'&')
            .map(name_and_value)
            .find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| unescaped(value))
    }

    /// Whether the grammar allows it.
    pub fn is_valid(&self) -> bool {
        let is_plain = |byte: &u8| (b'!'..=b'~').contains(byte) && !is_delimiter(*byte);
        let has_parts = match self.scheme {
            Scheme::Sip | Scheme::Sips => {
                self.user.is_none_or(|user| !user.is_empty()) && self.place.is_valid()
            }
            Scheme::Tel => self.user.is_some(),
            Scheme::Urn | Scheme::Other(_) => !matches!(split(self.raw, b':'), (_, Some([]))),
            Scheme::Missing => false,
        };
        has_parts && self.raw.iter().all(is_plain)
    }

    /// Whether `sip:` or `sips:`.
    pub const fn is_sip(&self) -> bool {
        matches!(self.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// Whether both mean the same resource (RFC 3261, section 19.1.4; others byte by byte).
    pub fn is_equivalent(&self, other: &Uri<'_>) -> bool {
        if !self.is_sip() || !other.is_sip() {
            return self.raw == other.raw;
        }
        let same = |a: Option<&[u8]>, b: Option<&[u8]>| match (a, b) {
            (Some(a), Some(b)) => unescaped(a) == unescaped(b),
            (a, b) => a.is_none() && b.is_none(),
        };
        matches!(self.scheme, Scheme::Sips) == matches!(other.scheme, Scheme::Sips)
            && same(self.user, other.user)
            && same(self.password, other.password)
            && self.host() == other.host()
            && self.port() == other.port()
            && have_same_parameters(self.parameters, other.parameters)
            && have_same_headers(self.headers, other.headers)
    }
}

/// Those that both have must match; `user`, `ttl`, `method` and `maddr` must not stand alone.
fn have_same_parameters(a: Parameters<'_>, b: Parameters<'_>) -> bool {
    let lone = |name: &str| a.has(name) != b.has(name);
    if ["user", "ttl", "method", "maddr"].into_iter().any(lone) {
        return false;
    }
    Split::semicolons(a.as_bytes()).take(PARAMETERS_COMPARED_MAX).all(|item| {
        let (name, value) = name_and_value(item);
        let name = unescaped(name);
        let twin = b
            .iter()
            .take(PARAMETERS_COMPARED_MAX)
            .find(|(n, _)| unescaped(n).eq_ignore_ascii_case(&name));
        twin.is_none_or(|(_, other)| unescaped(value).eq_ignore_ascii_case(&unescaped(other)))
    })
}

/// Parameters and headers that are compared, each with each.
const PARAMETERS_COMPARED_MAX: usize = 64;

/// Headers must be the same ones, in any order.
fn have_same_headers(a: &[u8], b: &[u8]) -> bool {
    let list = |bytes: &[u8]| {
        let mut list: Vec<_> = bytes
            .split(|byte| *byte == b'&')
            .take(PARAMETERS_COMPARED_MAX)
            .map(name_and_value)
            .map(|(name, value)| (name.to_ascii_lowercase(), unescaped(value).into_owned()))
            .collect();
        list.sort();
        list
    };
    a == b || list(a) == list(b)
}

/// How many bytes a `sip:` URI takes that `bytes` begin with and that is valid without doubt: no
/// password, an ordinary host, nothing unusual behind it. Sooner than [`Uri::is_valid`] tells.
pub(crate) fn plain_length(bytes: &[u8]) -> Option<usize> {
    let is_of_user = |byte: &u8| is_token(*byte) || matches!(byte, b'&' | b'=' | b'$' | b',');
    let is_of_host = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let is_of_rest = |byte: &u8| is_token(*byte) || matches!(byte, b';' | b'=' | b':');
    let rest = bytes.strip_prefix(b"sip:")?;
    let rest = match skip(rest, is_of_user)? {
        (1.., [b'@', rest @ ..]) => rest,
        _ => rest,
    };
    let (1.., rest) = skip(rest, is_of_host)? else { return None };
    let rest = match rest {
        [b':', rest @ ..] => match skip(rest, u8::is_ascii_digit)? {
            (1..=4, rest) => rest,
            _ => return None,
        },
        rest => rest,
    };
    let rest = match rest {
        [b';', ..] => skip(rest, is_of_rest)?.1,
        rest => rest,
    };
    bytes.len().checked_sub(rest.len())
}

/// How many bytes at the beginning are of a kind, and what follows them.
fn skip(bytes: &[u8], is_of_kind: impl Fn(&u8) -> bool) -> Option<(usize, &[u8])> {
    let count = bytes.iter().position(|byte| !is_of_kind(byte)).unwrap_or(bytes.len());
    Some((count, bytes.get(count..)?))
}

impl fmt::Debug for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.as_str())
    }
}

/// What a URI cannot hold at all.
const fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b'<' | b'>' | b'"' | b'\\' | b'^' | b'{' | b'}' | b'|')
}

fn split_scheme(raw: &[u8]) -> (Scheme<'_>, &[u8]) {
    if let Some(rest) = raw.strip_prefix(b"sip:") {
        return (Scheme::Sip, rest);
    }
    let (name, Some(rest)) = split(raw, b':') else { return (Scheme::Missing, raw) };
    let is_name = name.first().is_some_and(u8::is_ascii_alphabetic)
        && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    let scheme = match name {
        _ if !is_name => return (Scheme::Missing, raw),
        name if name.eq_ignore_ascii_case(b"sip") => Scheme::Sip,
        name if name.eq_ignore_ascii_case(b"sips") => Scheme::Sips,
        name if name.eq_ignore_ascii_case(b"tel") => Scheme::Tel,
        name if name.eq_ignore_ascii_case(b"urn") => Scheme::Urn,
        name => Scheme::Other(name),
    };
    (scheme, rest)
}

/// What stands before and after the first `stop`.
fn split(bytes: &[u8], stop: u8) -> (&[u8], Option<&[u8]>) {
    match bytes::find(stop, bytes).and_then(|at| bytes.split_at_checked(at)) {
        Some((before, after)) => (before, after.get(1..)),
        None => (bytes, None),
    }
}

/// `%41` as `A`; what is no escape stays (RFC 3986, section 2.1).
pub(crate) fn unescaped(bytes: &[u8]) -> Cow<'_, [u8]> {
    if bytes::find(b'%', bytes).is_none() {
        return Cow::Borrowed(bytes);
    }
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        let escaped = if *first == b'%' { tail.split_at_checked(2) } else { None };
        match escaped.and_then(|(digits, tail)| Some((hexadecimal(digits)?, tail))) {
            Some((byte, tail)) => {
                plain.push(byte);
                rest = tail;
            }
            None => {
                plain.push(*first);
                rest = tail;
            }
        }
    }
    Cow::Owned(plain)
}

fn hexadecimal(digits: &[u8]) -> Option<u8> {
    let [high, low] = digits else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

fn into_text(bytes: Cow<'_, [u8]>) -> Cow<'_, str> {
    match bytes {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, Option<String>, Option<u16>, bool) {
        let uri = Uri::parse(text.as_bytes());
        let user = uri.user().map(|user| String::from_utf8_lossy(user).into_owned());
        let host = uri.host().map_or(String::new(), |host| host.to_string());
        (host, user, uri.port(), uri.is_valid())
    }

    #[test]
    fn parts_of_sip_uris() {
        let cases = [
            ("sip:alice@example.com", "example.com", Some("alice"), None, true),
            ("SIP:alice.k@Example.com:5061;lr", "Example.com", Some("alice.k"), Some(5061), true),
            ("sip:example.com?Subject=x", "example.com", None, None, true),
            ("sips:a:secret@b", "b", Some("a"), None, true),
            ("sip:user;par=u%40x@b", "b", Some("user;par=u%40x"), None, true),
            ("sip:1_u?,/;;*:&it@b.example", "b.example", Some("1_u?,/;;*"), None, true),
            ("sip:[2001:db8::10]:5070", "[2001:db8::10]", None, Some(5070), true),
            ("sip:a@[2001:db8::9:1];lr", "[2001:db8::9:1]", Some("a"), None, true),
            ("sip:2001:db8::10", "2001:db8::10", None, None, false),
            ("sip:user@example.com; lr", "example.com", Some("user"), None, false),
            ("sip:@example.com", "example.com", Some(""), None, false),
            ("sip:", "", None, None, false),
            ("alice@example.com", "", None, None, false),
            ("<sip:a@b>", "", None, None, false),
        ];
        for (text, host, user, port, is_valid) in cases {
            let user = user.map(str::to_owned);
            assert_eq!(parts(text), (host.to_owned(), user, port, is_valid), "{text}");
        }
    }

    #[test]
    fn other_schemes() {
        let tel = Uri::parse(b"tel:+1-201-555-0123;phone-context=example.com");
        assert_eq!((tel.scheme(), tel.user()), (Scheme::Tel, Some(&b"+1-201-555-0123"[..])));
        assert!(tel.parameters().has("phone-context") && tel.is_valid());
        let urn = Uri::parse(b"urn:service:sos");
        assert!(urn.scheme() == Scheme::Urn && urn.is_valid() && urn.host().is_none());
        let other = Uri::parse(b"soap.beep://192.0.2.103:3002");
        assert!(other.scheme() == Scheme::Other(b"soap.beep") && other.is_valid());
    }

    #[test]
    fn equivalent_as_in_the_rfc() {
        let same = [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
            ("sip:b.com;transport=tcp;method=A?to=x&s=1", "sip:b.com;method=A?s=1&to=x"),
        ];
        for (a, b) in same {
            assert!(Uri::parse(a.as_bytes()).is_equivalent(&Uri::parse(b.as_bytes())), "{a} {b}");
        }
        let different = [
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;maddr=192.0.2.1"),
            ("sip:carol@chicago.com?Subject=a", "sip:carol@chicago.com"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ];
        for (a, b) in different {
            assert!(!Uri::parse(a.as_bytes()).is_equivalent(&Uri::parse(b.as_bytes())), "{a} {b}");
        }
    }

    #[test]
    fn escapes_are_undone() {
        assert_eq!(&*unescaped(b"null-%00-null"), b"null-\0-null");
        assert_eq!(&*unescaped(b"%Z%45%4"), b"%ZE%4");
        let uri = Uri::parse(b"sip:a@b?Replaces=1%402%3Bto-tag%3Dx%3Bfrom-tag%3Dy&x=1");
        assert_eq!(uri.header("replaces").as_deref(), Some(&b"1@2;to-tag=x;from-tag=y"[..]));
    }

    #[test]
    fn what_is_plain_is_valid() {
        let plain = [
            "sip:alice@example.com",
            "sip:+1-555@192.0.2.1:5060;transport=udp;lr",
            "sip:example.com",
            "sip:a%20b@h.example;x=y:z",
        ];
        for text in plain {
            assert_eq!(plain_length(text.as_bytes()), Some(text.len()), "{text}");
            assert!(Uri::parse(text.as_bytes()).is_valid(), "{text}");
        }
        assert_eq!(plain_length(b"sip:a@b>;tag=1"), Some(7));
        for text in ["sip:@b", "sip:a@", "sip:", "tel:1", "sip:a@b:99999", "sip:[::1]", "sip:a:b@c"]
        {
            assert_ne!(plain_length(text.as_bytes()), Some(text.len()), "{text}");
        }
    }
}
