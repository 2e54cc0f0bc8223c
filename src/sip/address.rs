//! Addresses in `From`, `To`, `Contact`, `Route` and the like: display name, URI, parameters.

use std::borrow::Cow;

use super::anomaly::{Anomalies, Anomaly};
use super::lws::{self, is_lws, trim, trim_start};
use super::quoted::{self, Parameters};
use super::uri::{self, Uri};
use crate::bytes;
use crate::transport::start_line::is_token;

/// A `name-addr` or `addr-spec` with its header parameters (RFC 3261, section 20.10).
#[derive(Clone, Copy, Debug)]
pub struct Address<'a> {
    /// The display name as it was sent, without quotation marks.
    pub display: Option<&'a [u8]>,
    /// The URI.
    pub uri: Uri<'a>,
    /// The parameters of the header; without angle brackets all parameters belong to it.
    pub parameters: Parameters<'a>,
    /// Whether the URI stands in angle brackets.
    pub is_bracketed: bool,
}

impl<'a> Address<'a> {
    /// The address that `value` is, and what is wrong with it.
    pub fn parse(value: &'a [u8]) -> (Self, Anomalies) {
        let (address, mut anomalies) = Self::split(value);
        let is_plain = |display: &[u8]| display.iter().all(|b| is_token(*b) || is_lws(*b));
        let is_unquoted = !trim_start(value).starts_with(b"\"");
        let needs_quotes = is_unquoted && !address.display.is_none_or(is_plain);
        anomalies.insert_if(needs_quotes, Anomaly::DisplayNameUnquoted);
        anomalies.insert_if(!address.uri.is_valid(), Anomaly::InvalidUri);
        anomalies.insert_if(address.parameters.has_empty(), Anomaly::EmptyParameter);
        (address, anomalies)
    }

    /// Like [`Address::parse`], without what is wrong.
    pub fn of(value: &'a [u8]) -> Self {
        Self::split(value).0
    }

    /// The parts, and what is wrong with their arrangement.
    fn split(value: &'a [u8]) -> (Self, Anomalies) {
        let mut anomalies = Anomalies::NONE;
        let value = trim(value);
        let (display, rest) = split_display(value, &mut anomalies);
        let address = match rest.strip_prefix(b"<") {
            Some(inside) => Self::bracketed(display, inside, &mut anomalies),
            None => Self::bare(rest, &mut anomalies),
        };
        (address, anomalies)
    }

    /// Whether the URI in `value` is valid without doubt; sooner than [`Address::parse`] tells.
    pub(crate) fn is_plain(value: &[u8]) -> bool {
        let (_, rest) = split_display(value, &mut Anomalies::default());
        let Some(inside) = rest.strip_prefix(b"<") else { return false };
        let length = uri::plain_length(inside);
        length.is_some_and(|length| inside.get(length) == Some(&b'>'))
    }

    fn bracketed(display: Option<&'a [u8]>, inside: &'a [u8], anomalies: &mut Anomalies) -> Self {
        let end = bytes::find(b'>', inside);
        anomalies.insert_if(end.is_none(), Anomaly::InvalidUri);
        let end = end.unwrap_or(inside.len());
        let (uri, after) = inside.split_at_checked(end).unwrap_or((inside, &[]));
        anomalies.insert_if(trim(uri).len() != uri.len(), Anomaly::InvalidUri);
        let parameters = Parameters::of(after.get(1..).unwrap_or_default());
        Self { display, uri: Uri::parse(uri), parameters, is_bracketed: true }
    }

    /// Without brackets, what follows a `;` belongs to the header, and `?` and `,` are ambiguous.
    fn bare(value: &'a [u8], anomalies: &mut Anomalies) -> Self {
        let end = bytes::find(b';', value).unwrap_or(value.len());
        let (uri, parameters) = value.split_at_checked(end).unwrap_or((value, &[]));
        anomalies
            .insert_if(bytes::find_any([b'?', b','], uri).is_some(), Anomaly::UriNeedsBrackets);
        let parameters = Parameters::of(parameters);
        Self { display: None, uri: Uri::parse(uri), parameters, is_bracketed: false }
    }

    /// The display name as it is meant: escapes undone, on one line, invalid UTF-8 replaced.
    pub fn display_text(&self) -> Option<Cow<'a, str>> {
        self.display.map(|display| match quoted::unescaped(display) {
            Cow::Borrowed(plain) => lws::text(plain),
            Cow::Owned(plain) => Cow::Owned(lws::text(&plain).into_owned()),
        })
    }

    /// The tag, which is compared byte by byte (RFC 3261, section 19.3); none if it is empty.
    pub fn tag(&self) -> Option<&'a [u8]> {
        self.parameters.value("tag")
    }

    /// Whether `*`, which in `Contact` asks to remove all bindings (RFC 3261, section 10.2.2).
    pub fn is_star(&self) -> bool {
        self.uri.as_bytes() == b"*"
    }

    /// The `expires` parameter of a contact in seconds.
    pub fn expires(&self) -> Option<u32> {
        self.parameters.number("expires")
    }
}

/// The tag in `value`, without a look at the URI.
pub(crate) fn tag_of(value: &[u8]) -> Option<&[u8]> {
    let rest = match value.first() {
        Some(b'<') => value,
        _ => split_display(value, &mut Anomalies::default()).1,
    };
    let stop = if rest.first() == Some(&b'<') { b'>' } else { b';' };
    let parameters = rest.get(bytes::find(stop, rest)?.checked_add(1)?..)?;
    match quoted::leading(parameters, b";tag=") {
        Some(tag) => Some(tag).filter(|tag| !tag.is_empty()),
        None => Parameters::of(parameters).value("tag"),
    }
}

/// The display name, and the rest from the `<` on; without a `<` all is rest.
fn split_display<'a>(value: &'a [u8], anomalies: &mut Anomalies) -> (Option<&'a [u8]>, &'a [u8]) {
    if let [b'"', inside @ ..] = value {
        if let Some((display, rest)) = quoted::closing_quote(inside)
            .and_then(|end| inside.split_at_checked(end))
            .map(|(display, rest)| (display, trim_start(rest.get(1..).unwrap_or_default())))
        {
            return (Some(display), rest);
        }
        anomalies.insert(Anomaly::UnterminatedQuote);
        return match split_at_bracket(inside) {
            Some((display, rest)) => (Some(trim(display)), rest),
            None => (None, inside),
        };
    }
    let Some((display, rest)) = split_at_bracket(value) else { return (None, value) };
    let display = trim(display);
    (Some(display).filter(|display| !display.is_empty()), rest)
}

fn split_at_bracket(value: &[u8]) -> Option<(&[u8], &[u8])> {
    value.split_at_checked(bytes::find(b'<', value)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, display: Option<&str>, uri: &str, parameters: &str, wrong: &[Anomaly]) {
        let (address, anomalies) = Address::parse(value.as_bytes());
        assert_eq!(address.display_text().as_deref(), display, "{value}");
        assert_eq!(address.uri.as_str(), uri, "{value}");
        assert_eq!(address.parameters.as_bytes(), parameters.as_bytes(), "{value}");
        assert_eq!(anomalies, wrong.iter().copied().collect(), "{value}");
    }

    #[test]
    fn with_and_without_brackets() {
        check("sip:a@b;tag=1", None, "sip:a@b", "tag=1", &[]);
        check("<sip:a@b;lr>;tag=1", None, "sip:a@b;lr", "tag=1", &[]);
        check("caller<sip:a@b> ; tag=1", Some("caller"), "sip:a@b", "tag=1", &[]);
        check("A. Bell <sip:a@b>", Some("A. Bell"), "sip:a@b", "", &[]);
        check(r#""J \\\"" <sip:a@b>"#, Some(r#"J \""#), "sip:a@b", "", &[]);
        check(r#""a <b>, c" <sip:a@b>"#, Some("a <b>, c"), "sip:a@b", "", &[]);
        check("<tel:+1201>", None, "tel:+1201", "", &[]);
    }

    #[test]
    fn what_is_wrong() {
        use Anomaly::*;
        check("Bell, A <sip:a@b>", Some("Bell, A"), "sip:a@b", "", &[DisplayNameUnquoted]);
        check(r#""J. U <sip:a@b>"#, Some("J. U"), "sip:a@b", "", &[UnterminatedQuote]);
        check("< sip:a@b >", None, "sip:a@b", "", &[InvalidUri]);
        check("<sip:a@b", None, "sip:a@b", "", &[InvalidUri]);
        check("a@b", None, "a@b", "", &[InvalidUri]);
        check("sip:a@b?x=y", None, "sip:a@b?x=y", "", &[UriNeedsBrackets]);
        check("<sip:a@b>;;;", None, "sip:a@b", ";;", &[EmptyParameter]);
        check("", None, "", "", &[InvalidUri]);
    }

    #[test]
    fn an_empty_tag_is_none() {
        assert_eq!(Address::of(b"<sip:a@b>;tag=").tag(), None);
        assert_eq!(Address::of(b"<sip:a@b>;TAG = x").tag(), Some(&b"x"[..]));
    }

    #[test]
    fn the_short_way_to_the_tag_finds_the_same() {
        for value in [
            "<sip:a@b;tag=1>;tag=2",
            "sip:a@b;x;tag=2",
            r#""<;tag=1" <sip:a>;tag=2"#,
            "a",
            "<sip:a>;tag=;tag=1",
            "<sip:a>;tag=1 ;x=\";\";tag=3",
            "<sip:a>;tag=\"1;2\";tag=3",
            "<sip:a> ; tag = 1;x",
            "<sip:a>;tag= <1;2>",
            "A <sip:a>;TAG=1",
        ] {
            assert_eq!(tag_of(value.as_bytes()), Address::of(value.as_bytes()).tag(), "{value}");
        }
    }
}
