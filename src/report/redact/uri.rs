//! Pseudonyms in URIs, lists of addresses, and parameters.
//!
//! Reads them as leniently as what comes off the wire needs: what has not the expected form is text
//! of which nothing stays.

use std::ops::Range;

use super::text::{Pseudonyms, Stays, part};

/// Digits of numbers that are nobody's by themselves: extensions and services. Longer ones get a
/// pseudonym.
const SHORT_MAX: usize = 3;

/// Schemes that stay.
const SCHEMES: [&[u8]; 15] = [
    b"sip", b"sips", b"tel", b"urn", b"http", b"https", b"mailto", b"im", b"pres", b"ws", b"wss",
    b"cid", b"data", b"xmpp", b"h323",
];

/// Parameters that have a word of the protocol or a figure for a value.
const PLAIN: [&[u8]; 66] = [
    b"transport",
    b"user",
    b"lr",
    b"ttl",
    b"method",
    b"expires",
    b"q",
    b"rport",
    b"reg-id",
    b"ob",
    b"refresher",
    b"cause",
    b"privacy",
    b"screen",
    b"party",
    b"id-type",
    b"purpose",
    b"handling",
    b"reason",
    b"duration",
    b"cpc",
    b"oli",
    b"retry-after",
    b"counter",
    b"limit",
    b"alg",
    b"ppt",
    b"early-only",
    b"charset",
    b"version",
    b"verstat",
    b"index",
    b"mp",
    b"rc",
    b"np",
    b"events",
    b"audio",
    b"video",
    b"methods",
    b"isfocus",
    b"class",
    b"mobility",
    b"actor",
    b"automata",
    b"schemes",
    b"languages",
    b"type",
    b"priority",
    b"algorithm",
    b"qop",
    b"nc",
    b"stale",
    b"text",
    b"comp",
    b"level",
    b"delta",
    b"msgr",
    b"answer-after",
    b"info-package",
    b"base",
    b"mode",
    b"require",
    b"supported",
    b"gruu",
    b"voice",
    b"hi-target-type",
];

/// Where the parts of a text end, at the signs that are in no quotes and no angle brackets.
pub(super) fn split(text: &[u8], sign: u8) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let (mut start, mut is_enclosed) = (0, false);
    for (at, byte) in unquoted(text) {
        match byte {
            b'<' => is_enclosed = true,
            b'>' => is_enclosed = false,
            byte if byte == sign && !is_enclosed => {
                parts.push(start..at);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(start..text.len());
    parts
}

/// Where a sign stands outside quotes.
fn find(text: &[u8], sign: u8) -> Option<usize> {
    unquoted(text).into_iter().find(|(_, byte)| *byte == sign).map(|(at, _)| at)
}

/// The bytes outside quotes with their places; all of them where a quote does not end.
fn unquoted(text: &[u8]) -> Vec<(usize, u8)> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let mut outside = Vec::with_capacity(text.len());
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            byte if !is_quoted => outside.push((at, *byte)),
            _ => {}
        }
    }
    match is_quoted {
        true => text.iter().copied().enumerate().collect(),
        false => outside,
    }
}

fn is(word: &[u8], one_of: &[&[u8]]) -> bool {
    one_of.iter().any(|other| word.eq_ignore_ascii_case(other))
}

impl Pseudonyms {
    /// A list of addresses as in From, Contact and Route.
    pub(super) fn address_list(&mut self, value: &mut [u8]) {
        for item in split(value, b',') {
            self.address_item(part(value, item));
        }
    }

    fn address_item(&mut self, item: &mut [u8]) {
        let Some(open) = find(item, b'<') else {
            let end = find(item, b';').unwrap_or(item.len());
            let (uri, params) = item.split_at_mut(end);
            match uri.contains(&b':') {
                true => self.uri(uri),
                false => self.text(uri, Stays::Nothing),
            }
            return self.params(params);
        };
        let (display, rest) = item.split_at_mut(open);
        self.display(display);
        let close = memchr::memchr(b'>', rest).unwrap_or(rest.len());
        let (uri, params) = rest.split_at_mut(close);
        self.uri(part(uri, 1..uri.len()));
        self.params(params);
    }

    /// The name that is shown for an address. One that is a number is the same as that in URIs.
    fn display(&mut self, display: &mut [u8]) {
        let inside = trimmed(display, b" \t\r\n\"");
        let name = part(display, inside);
        match is_number(name) {
            true => self.user(name),
            false => self.text(name, Stays::Nothing),
        }
    }

    /// A URI of any scheme.
    pub(super) fn uri(&mut self, uri: &mut [u8]) {
        let inside = trimmed(uri, b" \t\r\n\"");
        let uri = part(uri, inside);
        let scheme = memchr::memchr(b':', uri)
            .filter(|colon| uri.get(..*colon).is_some_and(|scheme| is(scheme, &SCHEMES)));
        let Some(colon) = scheme else { return self.text(uri, Stays::Nothing) };
        let name = uri.get(..colon).unwrap_or_default().to_ascii_lowercase();
        let rest = part(uri, colon + 1..uri.len());
        match name.as_slice() {
            b"tel" => {
                let end = memchr::memchr(b';', rest).unwrap_or(rest.len());
                let (number, params) = rest.split_at_mut(end);
                self.user(number);
                self.params(params);
            }
            b"urn" => self.urn(rest),
            b"sip" | b"sips" | b"im" | b"pres" | b"mailto" => self.sip_uri(rest),
            _ => self.text(rest, Stays::Nothing),
        }
    }

    fn urn(&mut self, rest: &mut [u8]) {
        let is_service = rest.get(..8).is_some_and(|name| name.eq_ignore_ascii_case(b"service:"));
        match is_service {
            true => self.text(rest, Stays::Words),
            false => {
                let end = memchr::memchr(b':', rest).map_or(rest.len(), |colon| colon + 1);
                let (space, name) = rest.split_at_mut(end);
                self.text(space, Stays::Words);
                // `urn:gsma:imei:…`, and `urn:ietf:params:…`, which is no name.
                match name.get(..7).is_some_and(|name| name.eq_ignore_ascii_case(b"params:")) {
                    true => {}
                    false => self.text(name, Stays::Nothing),
                }
            }
        }
    }

    /// What follows `sip:`.
    fn sip_uri(&mut self, rest: &mut [u8]) {
        // Users may have signs that end a host; a header may have an `@`.
        let before_headers = memchr::memchr(b'?', rest).unwrap_or(rest.len());
        let at = rest.get(..before_headers).and_then(|rest| memchr::memrchr(b'@', rest));
        let (user, host) = match at {
            Some(at) => {
                let (user, host) = rest.split_at_mut(at);
                (user, part(host, 1..host.len()))
            }
            None => rest.split_at_mut(0),
        };
        self.userinfo(user);
        let end = host.iter().position(|byte| b";?".contains(byte)).unwrap_or(host.len());
        let (host, params) = host.split_at_mut(end);
        self.host_and_port(host);
        let headers = memchr::memchr(b'?', params).unwrap_or(params.len());
        let (params, headers) = params.split_at_mut(headers);
        self.params(params);
        for header in split(headers, b'&') {
            self.embedded(part(headers, header));
        }
    }

    /// A header inside a URI, `?Replaces=…%3Bto-tag%3D…`, or parameters that are escaped.
    fn embedded(&mut self, header: &mut [u8]) {
        let end = memchr::memchr(b'=', header).unwrap_or(header.len());
        let (name, value) = header.split_at_mut(end);
        self.text(name, Stays::Words);
        let mut start = 0;
        while start < value.len() {
            let rest = value.get(start..).unwrap_or_default();
            let is_end = |sign: &[u8]| sign.eq_ignore_ascii_case(b"%3B") || sign == b";";
            let at = |length: usize| rest.windows(length).skip(1).position(is_end);
            let length = at(1).into_iter().chain(at(3)).min().map_or(rest.len(), |at| at + 1);
            let param = part(value, start..start + length);
            // Names stand before the sign, values behind it; a Call-ID has no name.
            let sign = param.windows(3).position(|sign| sign.eq_ignore_ascii_case(b"%3D"));
            let (name, value) = param.split_at_mut(if start == 0 { 0 } else { sign.unwrap_or(0) });
            let is_flag = start > 0 && sign.is_none();
            self.text(name, Stays::Words);
            self.text(value, if is_flag { Stays::Words } else { Stays::Nothing });
            start += length;
        }
    }

    fn userinfo(&mut self, userinfo: &mut [u8]) {
        let end = memchr::memchr(b':', userinfo).unwrap_or(userinfo.len());
        let (user, password) = userinfo.split_at_mut(end);
        if !password.is_empty() {
            self.secret(password);
        }
        let end = memchr::memchr(b';', user).unwrap_or(user.len());
        let (user, params) = user.split_at_mut(end);
        self.user(user);
        self.params(params);
    }

    /// A user: a number, or a name of any signs.
    pub(super) fn user(&mut self, user: &mut [u8]) {
        let digits = user.iter().filter(|byte| byte.is_ascii_digit()).count();
        // An escaped plus sign is one.
        let user = match user {
            [b'%', b'2', b'B' | b'b', ..] => {
                let mut plus = user.to_vec();
                plus.drain(..2);
                if let Some(first) = plus.first_mut() {
                    *first = b'+';
                }
                if is_number(&plus) {
                    self.number(&mut plus);
                    part(user, 3..user.len()).copy_from_slice(plus.get(1..).unwrap_or_default());
                    return;
                }
                user
            }
            _ => user,
        };
        match is_number(user) {
            true if digits <= SHORT_MAX => {}
            true => self.number(user),
            false => self.text(user, Stays::Nothing),
        }
    }

    /// A host with or without a port.
    pub(super) fn host_and_port(&mut self, host: &mut [u8]) {
        let digits = host.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let name = host.len() - digits;
        let has_port = digits <= 5
            && name > 0
            && host.get(name - 1) == Some(&b':')
            && host.iter().filter(|byte| **byte == b':').count() == 1;
        let end = match has_port {
            true => name,
            // In brackets a port is told by the text; without them there is none.
            false => host.len(),
        };
        self.text(part(host, 0..end), Stays::Nothing);
    }

    /// Parameters, with the sign before each; what stands before the first one is left alone.
    pub(super) fn params(&mut self, params: &mut [u8]) {
        for param in split(params, b';').into_iter().skip(1) {
            self.param(part(params, param));
        }
    }

    /// `name=value`.
    pub(super) fn param(&mut self, param: &mut [u8]) {
        let end = memchr::memchr(b'=', param).unwrap_or(param.len());
        let (name, value) = param.split_at_mut(end);
        let inside = trimmed(name, b" \t\r\n");
        let word = part(name, inside).to_ascii_lowercase();
        self.text(name, Stays::Words);
        let value = part(value, 1..value.len());
        match word.as_slice() {
            word if is(word, &PLAIN) => self.text(value, Stays::Figures),
            b"phone-context" | b"rn" | b"tgrp" | b"isub" | b"ext" | b"cic" => {
                let inside = trimmed(value, b" \t\r\n\"");
                let value = part(value, inside);
                match is_number(value) {
                    true => self.number(value),
                    false => self.text(value, Stays::Nothing),
                }
            }
            b"received" | b"maddr" | b"host" => self.host_and_port(value),
            b"username" => self.login(value),
            b"uri" | b"info" | b"x5u" => self.uri(value),
            b"nonce" | b"cnonce" | b"nextnonce" | b"opaque" | b"response" | b"rspauth" | b"ik"
            | b"ck" | b"auts" | b"token" => {
                let inside = trimmed(value, b" \t\r\n\"");
                self.secret(part(value, inside));
            }
            _ => self.text(value, Stays::Nothing),
        }
    }

    /// The name that a user logs in with: a user, or that and a domain.
    fn login(&mut self, value: &mut [u8]) {
        let inside = trimmed(value, b" \t\r\n\"");
        let value = part(value, inside);
        let end = memchr::memrchr(b'@', value).unwrap_or(value.len());
        let (user, domain) = value.split_at_mut(end);
        self.user(user);
        self.text(domain, Stays::Nothing);
    }

    /// Credentials and challenges: a scheme, then parameters with commas between.
    pub(super) fn credentials(&mut self, value: &mut [u8]) {
        let start = value.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let rest = value.get(start..).unwrap_or_default();
        let length = rest.iter().take_while(|byte| !byte.is_ascii_whitespace()).count();
        let has_scheme = !rest.get(..length).unwrap_or_default().contains(&b'=');
        let scheme = if has_scheme { start + length } else { 0 };
        let (scheme, params) = value.split_at_mut(scheme);
        self.text(scheme, Stays::Words);
        let is_token = !params.contains(&b'=') || is(scheme.trim_ascii(), &[b"basic", b"bearer"]);
        if is_token {
            return self.secret(params);
        }
        for param in split(params, b',') {
            self.param(part(params, param));
        }
    }
}

/// Digits with visual separators, a `+` before them, stars and hashes.
pub(super) fn is_number(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"+").unwrap_or(text);
    let is_part = |byte: &u8| byte.is_ascii_digit() || b"-.() *#".contains(byte);
    text.iter().any(u8::is_ascii_digit) && text.iter().all(is_part)
}

/// Without these signs at both ends.
fn trimmed(text: &[u8], signs: &[u8]) -> Range<usize> {
    let is_sign = |byte: &&u8| signs.contains(byte);
    let start = text.iter().take_while(is_sign).count();
    let rest = text.get(start..).unwrap_or_default();
    start..text.len() - rest.iter().rev().take_while(is_sign).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::redact::Key;

    fn replaced(text: &str, replace: impl Fn(&mut Pseudonyms, &mut [u8])) -> String {
        let mut pseudonyms = Pseudonyms::new(Key::of(b"test"), 0);
        let mut bytes = text.as_bytes().to_vec();
        replace(&mut pseudonyms, &mut bytes);
        assert_eq!(bytes.len(), text.len());
        String::from_utf8(bytes).expect("characters")
    }

    fn list(text: &str) -> String {
        replaced(text, Pseudonyms::address_list)
    }

    fn uri(text: &str) -> String {
        replaced(text, Pseudonyms::uri)
    }

    #[test]
    fn an_address_keeps_its_form() {
        let text =
            list("\"Alice B, \\\"A\" <sip:alice@example.com:5062;transport=tcp;lr>;tag=88a;q=0.5");
        for gone in ["Alice", "alice", "example", ".com", "88a"] {
            assert!(!text.contains(gone), "{text}");
        }
        assert!(text.contains(":5062;transport=tcp;lr>;tag="), "{text}");
        assert!(text.ends_with(";q=0.5"), "{text}");
        assert_eq!(list("*"), "*");
        let text = list("\\\"arik\\\" <sip:816666@host.example>;tag=6");
        assert!(text.contains("\" <sip:") && text.contains(">;tag="), "{text}");
        assert_eq!(
            list("\"Anonymous\" <sip:anonymous@anonymous.invalid>"),
            "\"Anonymous\" <sip:anonymous@anonymous.invalid>"
        );
    }

    #[test]
    fn the_same_number_is_the_same_in_every_uri() {
        let tel = uri("tel:+49-30-1234567;phone-context=example.com");
        let sip = uri("sip:00493012345 67@192.0.2.1".replace(' ', "").as_str());
        let digits = |text: &str| -> String {
            let number = text.split(['@', ';']).next().unwrap_or_default();
            number.chars().filter(char::is_ascii_digit).collect()
        };
        assert_eq!(format!("00{}", digits(&tel)), digits(&sip));
        assert!(tel.starts_with("tel:+49-") && !tel.contains("1234567"), "{tel}");
        let escaped = uri("sip:%2B49301234567@h");
        assert_eq!(&escaped[4..7], "%2B");
        assert_eq!(digits(&tel), &escaped[7..18]);
        assert_eq!(uri("sip:112@h")[..8], *"sip:112@");
        assert_eq!(uri("urn:service:sos.police")[..15], *"urn:service:sos");
    }

    #[test]
    fn hosts_and_ports() {
        let text = uri("sip:example.com:5060");
        assert!(text.ends_with(":5060") && !text.contains("example"), "{text}");
        let text = uri("sip:bob:secret@[2001:db8::1]:5061?Replaces=12%40host%3Bto-tag%3D7");
        assert!(text.contains("]:5061?Replaces="), "{text}");
        for gone in ["bob", "secret", "db8", "host", "=12%"] {
            assert!(!text.contains(gone), "{text}");
        }
        assert!(text.contains("%3Bto-tag%3D"), "{text}");
    }

    #[test]
    fn credentials_are_hidden() {
        let text = replaced(
            "Digest username=\"alice\", realm=\"example.com\", nonce=\"84a4cc6f3082121f\", \
             uri=\"sip:example.com\", response=\"7587245234b3434cc3412213e5f113a5\", \
             algorithm=MD5, qop=auth, nc=00000001, cnonce=\"0a4f113b\"",
            Pseudonyms::credentials,
        );
        for gone in ["alice", "example", "84a4", "7587", "0a4f"] {
            assert!(!text.contains(gone), "{text}");
        }
        assert!(text.starts_with("Digest username=\""), "{text}");
        assert!(text.contains("algorithm=MD5, qop=auth, nc=00000001, cnonce=\""), "{text}");
        let basic = replaced("Basic dXNlcjpwYXNz", Pseudonyms::credentials);
        assert!(basic.starts_with("Basic ") && !basic.ends_with("dXNlcjpwYXNz"));
    }
}
