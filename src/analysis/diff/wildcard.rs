//! Captured text in which everything that differs from one run to the next stands for itself.
//!
//! `{A}` is the address of a party, `*` a value that is made anew for each call. What is left is
//! what somebody configured or wrote.

use std::net::IpAddr;

use crate::analysis::diff::cast::{Cast, letter};
use crate::bytes::printable;
use crate::sip::Host;

/// Hexadecimal digits in a row that nobody chose.
const HEX_DIGITS_MIN: usize = 16;

/// The same after `0x`.
const ADDRESS_DIGITS_MIN: usize = 6;

/// Parameters whose value is made anew for each call, transaction or device.
const MADE_ANEW: [&str; 24] = [
    "tag",
    "branch",
    "rport",
    "received",
    "from-tag",
    "to-tag",
    "ftag",
    "did",
    "vsf",
    "vst",
    "rinstance",
    "line",
    "alias",
    "epid",
    "icid-value",
    "icid-generated-at",
    "boundary",
    "pid",
    "req_src_port",
    "pub-gruu",
    "temp-gruu",
    "gr",
    "Replaces",
    "call-id",
];

/// The text with wildcards.
pub(super) fn wildcarded(value: &[u8], cast: &Cast) -> String {
    let text = printable(value);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    // The last parameter name, while its value is read.
    let mut name = String::new();
    while let Some(first) = rest.chars().next() {
        let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        if let Some((length, shown)) = address(rest, &out, cast) {
            out.push_str(&shown);
            rest = rest.get(length..).unwrap_or_default();
            name.clear();
        } else if length > 0 {
            let (word, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
            let is_value = out.ends_with('=') || out.ends_with("=\"");
            match is_value && MADE_ANEW.iter().any(|own| own.eq_ignore_ascii_case(&name)) {
                true => out.push('*'),
                false => out.push_str(&without_random(word)),
            }
            if !is_value {
                word.clone_into(&mut name);
            }
            rest = after;
        } else {
            out.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    out
}

/// What a value of a parameter may be made of, so that it is one word.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | '~' | '+' | '%' | '!' | '*' | '\'' | '`')
}

/// The address of a party that the text begins with, its port included: how long it is, and what
/// stands for it.
fn address(text: &str, before: &str, cast: &Cast) -> Option<(usize, String)> {
    if before.chars().next_back().is_some_and(is_word) {
        return None;
    }
    let host_end = match text.starts_with('[') {
        true => text.find(']')? + 1,
        false => text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len()),
    };
    let host = text
        .get(..host_end)
        .filter(|host| (7..64).contains(&host.len()) || host.starts_with('['))?;
    let address: IpAddr = Host::of(host.as_bytes()).address()?;
    let after = text.get(host_end..).unwrap_or_default();
    let digits = after
        .strip_prefix(':')
        .map(|port| port.find(|c: char| !c.is_ascii_digit()).unwrap_or(port.len()));
    let digits = digits.filter(|digits| (1..=5).contains(digits));
    let port = digits.and_then(|digits| after.get(1..=digits)?.parse().ok());
    let number = cast.at(address, port)?;
    let length = host_end + digits.map_or(0, |digits| digits + 1);
    Some((length, format!("{{{}}}", letter(number))))
}

/// The word without what looks random: long runs of hexadecimal digits, UUIDs, branches, the first
/// label of a name below `invalid`.
fn without_random(word: &str) -> String {
    if word.starts_with("z9hG4bK") || word.ends_with(".invalid") {
        return "*".to_owned();
    }
    let mut out = String::with_capacity(word.len());
    let mut rest = word;
    while !rest.is_empty() {
        let run = rest.find(|c: char| !(c.is_ascii_hexdigit() || c == '-')).unwrap_or(rest.len());
        let (hex, after) = rest.split_at_checked(run).unwrap_or((rest, ""));
        let digits = hex.bytes().filter(u8::is_ascii_hexdigit).count();
        let is_mixed =
            hex.bytes().any(|b| b.is_ascii_digit()) && hex.bytes().any(|b| b.is_ascii_alphabetic());
        let is_pointer = out.ends_with("0x") && digits >= ADDRESS_DIGITS_MIN;
        match (digits >= HEX_DIGITS_MIN && is_mixed) || is_pointer {
            true => out.push('*'),
            false => out.push_str(hex),
        }
        let next = after.find(|c: char| c.is_ascii_hexdigit() || c == '-').unwrap_or(after.len());
        let (other, after) = after.split_at_checked(next).unwrap_or((after, ""));
        out.push_str(other);
        rest = after;
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_made_anew_is_a_wildcard() {
        let cast = Cast::default();
        let cases = [
            ("<sip:a@b.example>;tag=8f3.1", "<sip:a@b.example>;tag=*"),
            (
                "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport=5062;received=192.0.2.9",
                "SIP/2.0/UDP 192.0.2.1:5060;branch=*;rport=*;received=*",
            ),
            ("<sip:alice-0x5581cb0a8860@a.example>", "<sip:alice-0x*@a.example>"),
            ("<sip:k2j@d83jk2.invalid;transport=ws>", "<sip:k2j@*;transport=ws>"),
            ("\"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>\"", "\"<urn:uuid:*>\""),
            ("+4930123456789012345", "+4930123456789012345"),
            ("Asterisk PBX 18.2.0", "Asterisk PBX 18.2.0"),
            ("z9hG4bK-alice-1", "*"),
        ];
        for (text, expected) in cases {
            assert_eq!(wildcarded(text.as_bytes(), &cast), expected);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_text(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let once = wildcarded(&bytes, &Cast::default());
            prop_assert!(once.chars().all(|c| !c.is_control()));
        }
    }
}
