//! `Reason` and `Warning`: why a request was sent or a response is not a success.

use std::borrow::Cow;

use super::lws::{self, trim, word};
use super::quoted::{self, Parameters};

/// One value of `Reason` (RFC 3326, section 2).
#[derive(Clone, Copy, Debug)]
pub struct Reason<'a> {
    /// What the cause is a code of, for example `SIP` or `Q.850`.
    pub protocol: &'a [u8],
    /// The code; none if it is missing or no number.
    pub cause: Option<u16>,
    /// All parameters.
    pub parameters: Parameters<'a>,
}

impl<'a> Reason<'a> {
    /// The reason that `value` gives; none if it is empty.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let (protocol, parameters) = quoted::first_and_parameters(value);
        if protocol.is_empty() {
            return None;
        }
        let cause = parameters.number("cause").and_then(|cause| u16::try_from(cause).ok());
        Some(Self { protocol, cause, parameters })
    }

    /// Whether the cause is a code of `protocol`, in any case.
    pub fn is(&self, protocol: &str) -> bool {
        self.protocol.eq_ignore_ascii_case(protocol.as_bytes())
    }

    /// The text, quotation marks removed.
    pub fn text(&self) -> Option<Cow<'a, str>> {
        self.parameters.text("text")
    }
}

/// One value of `Warning` (RFC 3261, section 20.43).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Warning<'a> {
    /// Three digits.
    pub code: u16,
    /// Who warns.
    pub agent: &'a [u8],
    /// The text as it was sent, with its quotation marks.
    pub quoted: &'a [u8],
}

impl<'a> Warning<'a> {
    /// None if the value does not begin with three digits.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let (digits, rest) = word(value);
        let code = lws::number(digits).filter(|_| digits.len() == 3)?;
        let (agent, quoted) = word(rest);
        Some(Self { code: u16::try_from(code).ok()?, agent, quoted: trim(quoted) })
    }

    /// The text, quotation marks removed.
    pub fn text(&self) -> Cow<'a, str> {
        quoted::unquoted_text(self.quoted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons() {
        let Some(reason) = Reason::parse(b"Q.850 ;cause=16 ;text=\"Normal; clearing\"") else {
            panic!("a reason")
        };
        assert!(reason.is("q.850"));
        assert_eq!((reason.cause, reason.text().as_deref()), (Some(16), Some("Normal; clearing")));
        assert_eq!(Reason::parse(b"SIP;cause=x").map(|r| r.cause), Some(None));
        assert!(Reason::parse(b"").is_none());
    }

    #[test]
    fn warnings() {
        let warning = Warning::parse(b"307 isi.edu \"Session parameter 'foo'\"");
        assert_eq!(warning.map(|w| (w.code, w.agent)), Some((307, &b"isi.edu"[..])));
        assert_eq!(warning.map(|w| w.text()).as_deref(), Some("Session parameter 'foo'"));
        assert_eq!(Warning::parse(b"1812 overture \"In Progress\""), None);
        assert_eq!(Warning::parse(b"x"), None);
    }
}
