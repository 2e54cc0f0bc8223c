//! Telephone numbers in canonical form (RFC 8224, section 8.3).
//!
//! A number with a `+` is a global one. Of others nobody can tell by their look how they go on in
//! front: that depends on the country they are written in.

use std::fmt;
use std::str::FromStr;

use super::uri::{Scheme, Uri, unescaped};

/// Digits at the end of two numbers that are the same only where the numbers are.
const TAIL: usize = 7;

/// A telephone number: digits, `*` and `#` alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Number {
    digits: String,
    is_global: bool,
}

/// How a number fits a global one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// It is the same.
    Same,
    /// It may be the same, written without its country code.
    Perhaps,
    /// It seems to be another one, but is not written in full.
    Unlike,
    /// It is another one.
    Different,
}

/// The country code of a numbering plan: one to three digits.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct CountryCode(String);

impl CountryCode {
    /// The digits after a `+` begin with it.
    pub fn begins(&self, digits: &[u8]) -> bool {
        digits.starts_with(self.0.as_bytes())
    }
}

/// A text that is no country code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a country code such as 49 or +1")]
pub struct NotACountryCode;

impl FromStr for CountryCode {
    type Err = NotACountryCode;

    fn from_str(text: &str) -> Result<Self, NotACountryCode> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        let is_code = (1..=3).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_code.then(|| Self(digits.to_owned())).ok_or(NotACountryCode)
    }
}

impl fmt::Display for CountryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0)
    }
}

impl Number {
    /// The number that `text` is, visual separators removed; none if it is anything else.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let rest = text.strip_prefix(b"+");
        let is_global = rest.is_some();
        let mut digits = String::with_capacity(text.len());
        for byte in rest.unwrap_or(text) {
            match byte {
                b'0'..=b'9' | b'*' | b'#' => digits.push(char::from(*byte)),
                b'-' | b'.' | b'(' | b')' | b' ' => {}
                _ => return None,
            }
        }
        (!digits.is_empty()).then_some(Self { digits, is_global })
    }

    /// The number that a `tel:` URI or the user part of a `sip:` URI is (RFC 8224, section 8.1);
    /// parameters of the number are none of it.
    pub fn of(uri: &Uri<'_>) -> Option<Self> {
        match uri.scheme() {
            Scheme::Tel | Scheme::Sip | Scheme::Sips => {}
            Scheme::Urn | Scheme::Other(_) | Scheme::Missing => return None,
        }
        let user = unescaped(uri.user()?);
        let number = user.split(|byte| *byte == b';').next()?;
        Self::parse(number)
    }

    /// The digits.
    pub fn digits(&self) -> &str {
        &self.digits
    }

    /// Whether it was written with a `+`.
    pub const fn is_global(&self) -> bool {
        self.is_global
    }

    /// How it fits the global number with these digits, where numbers without a `+` are written as
    /// in the country `home`.
    pub fn likeness(&self, global: &str, home: Option<&CountryCode>) -> Likeness {
        if self.digits == global {
            return Likeness::Same;
        }
        if self.is_global {
            return Likeness::Different;
        }
        // Dialled with an international prefix, of which these two are the most common.
        let is_dialled = |prefix| self.digits.strip_prefix(prefix) == Some(global);
        if is_dialled("00") || is_dialled("011") {
            return Likeness::Same;
        }
        match home {
            Some(home) if self.is_in(home, global) => Likeness::Same,
            Some(_) if self.digits.len() >= TAIL => Likeness::Different,
            _ if self.has_tail_of(global) => Likeness::Perhaps,
            _ => Likeness::Unlike,
        }
    }

    /// It is the global number as people in its country write it: with a trunk prefix of at most
    /// two digits or without.
    fn is_in(&self, home: &CountryCode, global: &str) -> bool {
        let Some(national) = global.strip_prefix(home.0.as_str()) else { return false };
        let trunk = self.digits.strip_suffix(national);
        trunk.is_some_and(|trunk| matches!(trunk, "" | "0" | "1" | "8" | "06"))
    }

    fn has_tail_of(&self, global: &str) -> bool {
        let own = self.digits.trim_start_matches('0');
        let tail = own.len().min(TAIL);
        let tail = own.get(own.len() - tail..).unwrap_or(own);
        global.ends_with(tail)
    }
}

/// With a `+`, if it was written so.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.is_global { "+" } else { "" }, self.digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(uri: &str) -> Option<String> {
        Number::of(&Uri::parse(uri.as_bytes())).map(|number| number.to_string())
    }

    #[test]
    fn canonical_forms() {
        let cases = [
            ("tel:+1-201-555-0123", Some("+12015550123")),
            ("tel:7042;phone-context=example.com", Some("7042")),
            ("sip:+12155551212@example.com;user=phone", Some("+12155551212")),
            ("sip:%2b12155551212@example.com", Some("+12155551212")),
            ("sip:+12155551212;verstat=TN-Validation-Passed@example.com", Some("+12155551212")),
            ("sip:(215)555.1212@example.com", Some("2155551212")),
            ("sip:*67@example.com", Some("*67")),
            ("sip:alice@example.com", None),
            ("sip:alice1@example.com", None),
            ("sip:example.com", None),
            ("sip:+@example.com", None),
            ("urn:service:sos", None),
        ];
        for (uri, number) in cases {
            assert_eq!(of(uri).as_deref(), number, "{uri}");
        }
    }

    #[test]
    fn likeness_of_numbers() {
        use Likeness::*;
        let germany: CountryCode = "+49".parse().expect("a code");
        let cases = [
            ("+4930123456", None, Same),
            ("4930123456", None, Same),
            ("004930123456", None, Same),
            ("0114930123456", None, Same),
            ("030123456", None, Perhaps),
            ("3456", None, Perhaps),
            ("1001", None, Unlike),
            ("030123457", None, Unlike),
            ("+4330123456", None, Different),
            ("030123456", Some(&germany), Same),
            ("030123457", Some(&germany), Different),
            ("3456", Some(&germany), Perhaps),
        ];
        for (shown, home, expected) in cases {
            let number = Number::parse(shown.as_bytes()).expect("a number");
            assert_eq!(number.likeness("4930123456", home), expected, "{shown}");
        }
        let austria: CountryCode = "43".parse().expect("a code");
        let number = Number::parse(b"030123456").expect("a number");
        assert_eq!(number.likeness("4930123456", Some(&austria)), Different);
    }

    #[test]
    fn country_codes() {
        for text in ["1", "+49", "420"] {
            assert!(text.parse::<CountryCode>().is_ok(), "{text}");
        }
        for text in ["", "+", "0", "049", "4a", "1234", "++1"] {
            assert!(text.parse::<CountryCode>().is_err(), "{text}");
        }
    }
}
