//! `CSeq` and the headers of reliable provisional responses, which count with it.

use super::lws::{self, number, trim, word};
use super::method::Method;

/// Numbers from here on are not allowed (RFC 3261, section 8.1.1.5).
pub const NUMBER_END: u32 = 1 << 31;

/// `CSeq`: number and method of a request (RFC 3261, section 20.16).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CSeq<'a> {
    /// Orders the requests of a dialog.
    pub number: u32,
    /// The method of the request.
    pub method: Method<'a>,
}

impl<'a> CSeq<'a> {
    /// None if the number is not one below 2^32 or the method is missing.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let (digits, method) = split(value)?;
        Some(Self { number: number(digits)?, method })
    }
}

/// The digits and the method, whatever the digits are.
#[inline]
pub(crate) fn split(value: &[u8]) -> Option<(&[u8], Method<'_>)> {
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if let Some((digits, [b' ', method @ ..])) = value.split_at_checked(digits)
        && !digits.is_empty()
        && lws::is_tight(method)
    {
        return Some((digits, Method::of(method)));
    }
    split_at_words(value)
}

fn split_at_words(value: &[u8]) -> Option<(&[u8], Method<'_>)> {
    let (digits, method) = word(value);
    let method = trim(method);
    if method.is_empty() { None } else { Some((digits, Method::of(method))) }
}

/// `RAck`: which reliable provisional response a PRACK means (RFC 3262, section 7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RAck<'a> {
    /// The `RSeq` of the response.
    pub rseq: u32,
    /// The `CSeq` of the response.
    pub cseq: CSeq<'a>,
}

impl<'a> RAck<'a> {
    /// None if it is not two numbers and a method.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let (rseq, cseq) = word(value);
        Some(Self { rseq: number(rseq)?, cseq: CSeq::parse(cseq)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_way_to_the_parts_finds_the_same() {
        for value in ["1 INVITE", "1  INVITE", "1 INVITE ", "1\tACK", " 1 ACK", "x ACK", "1 ", "1"]
        {
            assert_eq!(split(value.as_bytes()), split_at_words(value.as_bytes()), "{value:?}");
        }
    }

    #[test]
    fn number_and_method() {
        let invite = Some(CSeq { number: 9, method: Method::Invite });
        assert_eq!(CSeq::parse(b"0009\r\n  INVITE"), invite);
        assert_eq!(CSeq::parse(b"1 NEW").map(|c| c.method), Some(Method::Other(b"NEW")));
        for value in [&b"9"[..], b"INVITE", b"", b"-1 INVITE", b"36893488147419103232 REGISTER"] {
            assert_eq!(CSeq::parse(value), None);
        }
    }

    #[test]
    fn response_that_is_acknowledged() {
        let rack = RAck::parse(b"776656 1 INVITE");
        let cseq = CSeq { number: 1, method: Method::Invite };
        assert_eq!(rack, Some(RAck { rseq: 776_656, cseq }));
        assert_eq!(RAck::parse(b"1 INVITE"), None);
    }
}
