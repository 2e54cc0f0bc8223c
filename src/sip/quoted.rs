//! Quoted strings, and the lists and parameters whose separators do not count inside them.

use std::borrow::Cow;

use super::lws::{self, trim};
use crate::bytes::{self, find_any};

/// Where the first `stop` stands outside quotation marks and angle brackets.
///
/// A quotation mark or bracket without its partner reaches to the end.
#[inline]
pub(crate) fn find(bytes: &[u8], stop: u8) -> Option<usize> {
    let found = bytes::find(stop, bytes)?;
    match find_any([b'"', b'<'], bytes.get(..found)?) {
        None => Some(found),
        Some(_) => find_outside(bytes, stop),
    }
}

fn find_outside(bytes: &[u8], stop: u8) -> Option<usize> {
    let mut at = 0_usize;
    loop {
        let found = find_any([stop, b'"', b'<'], bytes.get(at..)?)?;
        let here = at.checked_add(found)?;
        let inside = bytes.get(here.checked_add(1)?..)?;
        let length = match bytes.get(here)? {
            byte if *byte == stop => return Some(here),
            b'"' => closing_quote(inside)?,
            _ => bytes::find(b'>', inside)?,
        };
        at = here.checked_add(length)?.checked_add(2)?;
    }
}

/// Where the quotation mark stands that ends the string that `inside` begins with; `\` escapes one
/// byte (RFC 3261, section 25.1).
pub(crate) fn closing_quote(inside: &[u8]) -> Option<usize> {
    let mut at = 0_usize;
    loop {
        let found = find_any([b'"', b'\\'], inside.get(at..)?)?;
        let here = at.checked_add(found)?;
        if inside.get(here) == Some(&b'"') {
            return Some(here);
        }
        at = here.checked_add(2)?;
    }
}

/// What a quoted string says, its escapes undone; anything else as it is.
pub(crate) fn unquoted(value: &[u8]) -> Cow<'_, [u8]> {
    let Some(inside) = value.strip_prefix(b"\"") else { return Cow::Borrowed(value) };
    let end = closing_quote(inside).unwrap_or(inside.len());
    unescaped(inside.get(..end).unwrap_or(inside))
}

/// [`unquoted`] as text on one line; invalid UTF-8 replaced.
pub(crate) fn unquoted_text(value: &[u8]) -> Cow<'_, str> {
    match unquoted(value) {
        Cow::Borrowed(inside) => lws::text(inside),
        Cow::Owned(inside) => Cow::Owned(lws::text(&inside).into_owned()),
    }
}

/// The inside of a quoted string with each `\` removed that escapes a byte.
pub(crate) fn unescaped(inside: &[u8]) -> Cow<'_, [u8]> {
    if bytes::find(b'\\', inside).is_none() {
        return Cow::Borrowed(inside);
    }
    let mut plain = Vec::with_capacity(inside.len());
    let mut is_escaped = false;
    for &byte in inside {
        if byte == b'\\' && !is_escaped {
            is_escaped = true;
        } else {
            plain.push(byte);
            is_escaped = false;
        }
    }
    Cow::Owned(plain)
}

/// The items of a list, white space around them removed; empty ones are there as well.
#[derive(Clone, Debug)]
pub(crate) struct Split<'a> {
    rest: Option<&'a [u8]>,
    separator: Option<u8>,
}

impl<'a> Split<'a> {
    /// The items between commas.
    pub(crate) const fn commas(value: &'a [u8]) -> Self {
        Self { rest: Some(value), separator: Some(b',') }
    }

    /// The items between semicolons.
    pub(crate) const fn semicolons(value: &'a [u8]) -> Self {
        Self { rest: Some(value), separator: Some(b';') }
    }

    /// The whole value as the only item.
    pub(crate) const fn whole(value: &'a [u8]) -> Self {
        Self { rest: Some(value), separator: None }
    }
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let item = match self.separator.and_then(|separator| find(rest, separator)) {
            Some(end) => {
                self.rest = end.checked_add(1).and_then(|after| rest.get(after..));
                rest.get(..end).unwrap_or(rest)
            }
            None => {
                self.rest = None;
                rest
            }
        };
        Some(trim(item))
    }
}

/// Parameters of a URI or a header value: `;name=value;name`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parameters<'a>(&'a [u8]);

impl<'a> Parameters<'a> {
    /// The parameters that `bytes` hold, with or without a semicolon before the first.
    #[inline]
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        let bytes = trim(bytes);
        Self(bytes.strip_prefix(b";").map_or(bytes, trim))
    }

    /// As they were sent, without the first semicolon.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Name and value of each; the value keeps its quotation marks, and is empty if there is none.
    pub fn iter(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone {
        Split::semicolons(self.0).filter(|item| !item.is_empty()).map(name_and_value)
    }

    /// The value of the first parameter with this name, in any case; empty if it has none.
    pub fn get(self, name: &str) -> Option<&'a [u8]> {
        let mut rest = self.0;
        loop {
            let (item, after) = match find(rest, b';').and_then(|end| rest.split_at_checked(end)) {
                Some((item, [_, after @ ..])) => (item, Some(after)),
                _ => (rest, None),
            };
            if let Some(value) = value_of(trim(item), name.as_bytes()) {
                return Some(value);
            }
            rest = after?;
        }
    }

    /// Like [`Parameters::get`], but none for an empty value.
    pub fn value(self, name: &str) -> Option<&'a [u8]> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// Whether there is a parameter with this name, in any case.
    pub fn has(self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The value of a parameter as a number; none if it is not one below 2^32.
    pub fn number(self, name: &str) -> Option<u32> {
        lws::number(self.get(name)?)
    }

    /// The value of a parameter as text, quotation marks and escapes removed.
    pub fn text(self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name).map(unquoted_text)
    }

    /// Whether there is an empty one, as in `;;`.
    pub(crate) fn has_empty(self) -> bool {
        !self.0.is_empty() && Split::semicolons(self.0).any(<[u8]>::is_empty)
    }
}

/// What stands before the first semicolon, and the parameters after it.
pub(crate) fn first_and_parameters(value: &[u8]) -> (&[u8], Parameters<'_>) {
    let end = bytes::find(b';', value).unwrap_or(value.len());
    let (first, parameters) = value.split_at_checked(end).unwrap_or((value, &[]));
    (trim(first), Parameters::of(parameters))
}

/// The value of the first of `parameters`, if they begin with `prefix`: a semicolon, a name and an
/// equals sign. The same as [`Parameters::get`] finds, sooner.
#[inline]
pub(crate) fn leading<'a, const N: usize>(
    parameters: &'a [u8],
    prefix: &[u8; N],
) -> Option<&'a [u8]> {
    let (_, value) = parameters.split_first_chunk().filter(|(begin, _)| *begin == prefix)?;
    let end = find(value, b';').unwrap_or(value.len());
    value.get(..end).map(trim)
}

/// The value in `item`, which has no white space around it, if it has this name in any case; empty
/// if there is no value.
#[inline]
fn value_of<'a>(item: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (begin, rest) = item.split_at_checked(name.len())?;
    match rest {
        _ if item.is_empty() || (begin != name && !begin.eq_ignore_ascii_case(name)) => None,
        [] => Some(&[]),
        [b'=', value @ ..] => Some(trim(value)),
        // White space before the equals sign, or a longer name.
        _ => {
            let (longer, value) = name_and_value(item);
            longer.eq_ignore_ascii_case(name).then_some(value)
        }
    }
}

/// `name = value`, white space around both removed.
#[inline]
pub(crate) fn name_and_value(item: &[u8]) -> (&[u8], &[u8]) {
    match bytes::find(b'=', item).and_then(|at| item.split_at_checked(at)) {
        Some((name, value)) => (trim(name), trim(value.get(1..).unwrap_or_default())),
        None => (item, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(list: &[u8]) -> Vec<String> {
        Split::commas(list).map(|item| String::from_utf8_lossy(item).into_owned()).collect()
    }

    #[test]
    fn commas_in_quotes_and_brackets_do_not_split() {
        assert_eq!(items(b"a, b ,c"), ["a", "b", "c"]);
        assert_eq!(
            items(br#""A, \", B" <sip:a,b@c>, <sip:d>"#),
            [r#""A, \", B" <sip:a,b@c>"#, "<sip:d>"]
        );
        assert_eq!(items(b"a,,b,"), ["a", "", "b", ""]);
        assert_eq!(items(br#"a, "b, c"#), ["a", r#""b, c"#]);
        assert_eq!(items(b"a, <b, c"), ["a", "<b, c"]);
    }

    #[test]
    fn escapes_are_undone_once() {
        assert_eq!(&*unquoted(br#""J \\\"" tail"#), br#"J \""#);
        assert_eq!(&*unquoted(b"plain\\"), b"plain\\");
        assert_eq!(&*unquoted(br#""open"#), b"open");
        assert_eq!(&*unquoted(br#""end\"#), b"end");
    }

    #[test]
    fn parameters_by_name() {
        let parameters = Parameters::of(b" ; tag = 98 ; lr;x=\"a;b\";\r\n q\r\n = 0.5");
        assert_eq!(parameters.get("TAG"), Some(&b"98"[..]));
        assert_eq!(parameters.number("tag"), Some(98));
        assert_eq!(parameters.get("lr"), Some(&b""[..]));
        assert_eq!(parameters.value("lr"), None);
        assert_eq!(parameters.text("x").as_deref(), Some("a;b"));
        assert_eq!(parameters.get("q"), Some(&b"0.5"[..]));
        assert!(!parameters.has("b") && !parameters.has_empty());
        for text in
            ["a", "a=", "=1", "b;a", "ab=1;A=2", "x=\"a=1;\";a =3", "<;a=1>;;a\t", "a b", ""]
        {
            let parameters = Parameters::of(text.as_bytes());
            for name in ["a", "ab", "x", "", "b"] {
                let mut all = parameters.iter();
                let found = all.find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()));
                assert_eq!(parameters.get(name), found.map(|(_, value)| value), "{text} {name}");
            }
        }
        assert!(Parameters::of(b";;a").has_empty() && !Parameters::of(b"").has_empty());
    }
}
