//! `Session-Expires` and `Retry-After`: seconds with parameters.

use super::lws::{number, trim};
use super::quoted::{Parameters, first_and_parameters};

/// Who refreshes a session (RFC 4028, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresher {
    /// The side that sent the request.
    Uac,
    /// The side that answered it.
    Uas,
}

/// `Session-Expires` (RFC 4028, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpires {
    /// The session interval.
    pub seconds: u32,
    /// Who refreshes, if it is settled.
    pub refresher: Option<Refresher>,
}

impl SessionExpires {
    /// None if the value does not begin with a number below 2^32.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (digits, parameters) = first_and_parameters(value);
        let refresher = match parameters.get("refresher") {
            Some(side) if side.eq_ignore_ascii_case(b"uac") => Some(Refresher::Uac),
            Some(side) if side.eq_ignore_ascii_case(b"uas") => Some(Refresher::Uas),
            _ => None,
        };
        Some(Self { seconds: number(digits)?, refresher })
    }
}

/// `Retry-After` (RFC 3261, section 20.33).
#[derive(Clone, Copy, Debug)]
pub struct RetryAfter<'a> {
    /// Seconds to wait.
    pub seconds: u32,
    /// All parameters, among them `duration`.
    pub parameters: Parameters<'a>,
}

impl<'a> RetryAfter<'a> {
    /// None if the value does not begin with a number below 2^32; a comment is passed over.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let (digits, parameters) = first_and_parameters(value);
        let end = digits.iter().position(|byte| *byte == b'(').unwrap_or(digits.len());
        let seconds = number(trim(digits.get(..end)?))?;
        Some(Self { seconds, parameters })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds() {
        let refreshed = SessionExpires { seconds: 1800, refresher: Some(Refresher::Uac) };
        assert_eq!(SessionExpires::parse(b"1800;Refresher=UAC"), Some(refreshed));
        assert_eq!(SessionExpires::parse(b"soon"), None);
        let retry = RetryAfter::parse(b"18000 (I am in a meeting);duration=3600");
        let found = retry.map(|retry| (retry.seconds, retry.parameters.number("duration")));
        assert_eq!(found, Some((18_000, Some(3600))));
        assert!(RetryAfter::parse(b"949302838503028349304023988").is_none());
    }
}
