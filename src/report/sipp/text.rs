//! What is sent in a scenario: captured text with keywords of SIPp in the place of addresses.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use crate::bytes::{is_harmful, printable};
use crate::packet::Endpoint;
use crate::sip::{Credentials, HeaderName, Message};

/// Why SIPp could not send a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsayable {
    /// The capture has only a part of it.
    Cut,
    /// Its start line is not one.
    StartLine,
    /// A header field is not as it should be.
    Header,
    /// It has bytes that are no text.
    Binary,
    /// It has what ends the text of a scenario.
    EndOfText,
    /// The request that it answers is not in the capture.
    Unasked,
}

impl fmt::Display for Unsayable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cut => "is not whole in the capture",
            Self::StartLine => "has no start line that SIPp can send",
            Self::Header => "has a header that SIPp cannot send",
            Self::Binary => "has bytes that are no text, which SIPp cannot send",
            Self::EndOfText => "has \"]]>\" in it, which SIPp cannot send",
            Self::Unasked => "answers a request that is not in the capture",
        })
    }
}

/// The side whose scenario is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side {
    pub(super) own: Endpoint,
    pub(super) peer: Endpoint,
    /// SIPp knows the address of the other side.
    pub(super) knows_peer: bool,
}

/// Made anew for every message, or by SIPp.
pub(super) fn is_fresh(name: HeaderName) -> bool {
    matches!(
        name,
        HeaderName::Via
            | HeaderName::From
            | HeaderName::To
            | HeaderName::CallId
            | HeaderName::CSeq
            | HeaderName::ContentLength
            | HeaderName::Route
            | HeaderName::RecordRoute
            | HeaderName::Authorization
            | HeaderName::ProxyAuthorization
    )
}

/// Text as it stands in a comment, which two hyphens would end.
pub(super) fn comment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '-' && out.ends_with('-') {
            out.push(' ');
        }
        out.push(c);
    }
    out
}

/// A method or the name of a header field, if it is one.
pub(super) fn word(bytes: &[u8]) -> Option<&str> {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(byte);
    let is_word = !bytes.is_empty() && bytes.iter().all(is_token);
    std::str::from_utf8(bytes).ok().filter(|_| is_word)
}

/// The user whose credentials a request has, as a keyword can name it.
pub(super) fn credentials(message: &Message<'_>) -> Option<String> {
    let names = [HeaderName::Authorization, HeaderName::ProxyAuthorization];
    let value = names.into_iter().find_map(|name| message.header(name))?;
    let user = Credentials::parse(value).fields.text("username")?.into_owned();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._+@".contains(c);
    let is_word = !user.is_empty() && user.chars().all(is_plain);
    Some(if is_word { user } else { "user".to_owned() })
}

impl Side {
    /// A line of captured text.
    pub(super) fn text(&self, bytes: &[u8]) -> Result<String, Unsayable> {
        let text = std::str::from_utf8(bytes).map_err(|_| Unsayable::Binary)?;
        // A value that goes on on the next line is one line.
        let text = text.split(['\r', '\n']).map(str::trim).filter(|part| !part.is_empty());
        let text = text.collect::<Vec<_>>().join(" ");
        let is_shown = matches!(printable(text.as_bytes()), Cow::Borrowed(_));
        let is_plain = is_shown || text.chars().all(|c| c == '\t' || !c.is_control());
        if !is_plain {
            return Err(Unsayable::Binary);
        }
        Ok(self.replaced(&text))
    }

    /// The text with keywords instead of the addresses of both sides. A bracket that begins no
    /// keyword is escaped, and so is what nobody sees.
    fn replaced(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        let mut before = ' ';
        while let Some(c) = rest.chars().next() {
            let found = if is_part(before) { None } else { self.keyword(rest) };
            if let Some((length, keyword)) = found {
                out.push_str(&keyword);
                before = ']';
                rest = rest.get(length..).unwrap_or_default();
                continue;
            }
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            match c {
                '[' => out.push_str("\\x5B"),
                '\\' if rest.starts_with('x') => out.push_str("\\x5C"),
                c if is_harmful(c) && !c.is_control() => {
                    let bytes = c.to_string().into_bytes();
                    out.extend(bytes.iter().map(|byte| format!("\\x{byte:02X}")));
                }
                c => out.push(c),
            }
            before = c;
        }
        out
    }

    /// The address at the beginning of a text: its length, and the keyword for it.
    fn keyword(&self, text: &str) -> Option<(usize, String)> {
        let sides = [(self.own, "local", true), (self.peer, "remote", self.knows_peer)];
        let known = || sides.into_iter().filter(|(.., is_known)| *is_known);
        let with_port = known().find_map(|(end, name, _)| {
            let length = matched(text, &end.to_string())?;
            Some((length, format!("[{name}_ip]:[{name}_port]")))
        });
        with_port.or_else(|| {
            known().find_map(|(end, name, _)| {
                let address = match end.address {
                    IpAddr::V4(address) => address.to_string(),
                    IpAddr::V6(address) => format!("[{address}]"),
                };
                Some((matched(text, &address)?, format!("[{name}_ip]")))
            })
        })
    }

    /// A Contact: where this side can be reached, unless it says where somebody else is.
    pub(super) fn contact(&self, value: &[u8], message: &Message<'_>) -> Result<String, Unsayable> {
        let is_elsewhere = message.status().is_some_and(|status| {
            (300..400).contains(&status.code()) || message.method().as_bytes() == b"REGISTER"
        });
        let plain = self.text(value)?;
        let text = std::str::from_utf8(value).map_err(|_| Unsayable::Binary)?;
        let parts = || {
            let (before, rest) = text.split_once("sip:")?;
            let end = rest.find(['>', ';', '?', ',']).unwrap_or(rest.len());
            let (address, after) = rest.split_at(end);
            let user = address.rsplit_once('@').map(|(user, _)| format!("{user}@"));
            let [before, user, after] =
                [before, &user.unwrap_or_default(), after].map(|part| self.replaced(part));
            Some(format!("{before}sip:{user}[local_ip]:[local_port]{after}"))
        };
        // Several contacts, or one that is no SIP URI, stay as they are.
        let is_one = text.matches("sip:").count() == 1;
        Ok(if is_elsewhere || !is_one { plain } else { parts().unwrap_or(plain) })
    }

    /// The body, lines of a session description with the addresses and ports that SIPp has.
    pub(super) fn body(&self, message: &Message<'_>) -> Result<String, Unsayable> {
        let body = message.body();
        let text = std::str::from_utf8(body).map_err(|_| Unsayable::Binary)?;
        if text.chars().any(|c| c.is_control() && !"\r\n\t".contains(c)) {
            return Err(Unsayable::Binary);
        }
        if message.sdp() != Some(body) {
            return Ok(self.replaced(text));
        }
        let mut out = String::new();
        let mut ports = 0;
        for line in text.lines() {
            out.push_str(&self.description_line(line, &mut ports));
            out.push('\n');
        }
        Ok(out)
    }

    fn description_line(&self, line: &str, ports: &mut u16) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        let is_held = |address: &str| matches!(address, "0.0.0.0" | "::");
        match words.as_slice() {
            [net, _, address] if *net == "c=IN" && !is_held(address) => {
                "c=IN IP[media_ip_type] [media_ip]".to_owned()
            }
            [user, session, version, "IN", _, _] if user.starts_with("o=") => {
                let origin = self.replaced(&format!("{user} {session} {version}"));
                format!("{origin} IN IP[media_ip_type] [media_ip]")
            }
            [kind, port, rest @ ..] if kind.starts_with("m=") && *port != "0" => {
                let offset = *ports;
                *ports = ports.saturating_add(2);
                let port = match offset {
                    0 => "[media_port]".to_owned(),
                    offset => format!("[media_port+{offset}]"),
                };
                self.replaced(kind) + " " + &port + " " + &self.replaced(&rest.join(" "))
            }
            _ => self.replaced(line),
        }
    }
}

/// An address goes on behind such a character.
fn is_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '.' || c == '-'
}

/// The length of `address` if the text begins with it and it ends there.
fn matched(text: &str, address: &str) -> Option<usize> {
    let rest = text.strip_prefix(address)?;
    let mut next = rest.chars();
    let goes_on = match next.next() {
        Some('.') => next.next().is_some_and(|c| c.is_ascii_digit()),
        Some(c) => c.is_ascii_alphanumeric() || c == '-',
        None => false,
    };
    (!goes_on).then_some(address.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(own: &str, peer: &str, knows_peer: bool) -> Side {
        let end =
            |text: &str| Endpoint::from(text.parse::<std::net::SocketAddr>().expect("an address"));
        Side { own: end(own), peer: end(peer), knows_peer }
    }

    #[test]
    fn puts_keywords_in_the_place_of_addresses() {
        let caller = side("192.0.2.1:5060", "192.0.2.10:5070", true);
        let cases = [
            ("sip:bob@192.0.2.10:5070", "sip:bob@[remote_ip]:[remote_port]"),
            ("sip:bob@192.0.2.10", "sip:bob@[remote_ip]"),
            ("192.0.2.1 192.0.2.11 192.0.2.1.", "[local_ip] 192.0.2.11 [local_ip]."),
            ("192.0.2.1:50600", "[local_ip]:50600"),
            ("a [b] \\c \\x41", "a \\x5Bb] \\c \\x5Cx41"),
            ("a\u{202e}\u{fffe}\u{e9}", "a\\xE2\\x80\\xAE\\xEF\\xBF\\xBE\u{e9}"),
        ];
        for (text, expected) in cases {
            assert_eq!(caller.replaced(text), expected, "{text}");
        }
        let callee = side("[2001:db8::2]:5060", "[2001:db8::1]:5060", false);
        let text = "sip:a@[2001:db8::1] via [2001:db8::2]:5060";
        assert_eq!(callee.replaced(text), "sip:a@\\x5B2001:db8::1] via [local_ip]:[local_port]");
    }

    #[test]
    fn no_row_of_hyphens_ends_a_comment() {
        for text in ["a-->b", "a--->b", "a---->b", "--", "---"] {
            let safe = comment(text);
            assert!(!safe.contains("--"), "{safe}");
            assert_eq!(safe.replace(' ', ""), text);
        }
    }

    #[test]
    fn a_description_has_the_addresses_of_sipp() {
        let side = side("192.0.2.1:5060", "192.0.2.10:5060", true);
        let mut ports = 0;
        let cases = [
            ("o=- 1 2 IN IP4 10.0.0.1", "o=- 1 2 IN IP[media_ip_type] [media_ip]"),
            ("c=IN IP4 192.0.2.1", "c=IN IP[media_ip_type] [media_ip]"),
            ("c=IN IP4 0.0.0.0", "c=IN IP4 0.0.0.0"),
            ("m=audio 4000 RTP/AVP 0 8", "m=audio [media_port] RTP/AVP 0 8"),
            ("m=video 4002 RTP/AVP 96", "m=video [media_port+2] RTP/AVP 96"),
            ("m=image 0 udptl t38", "m=image 0 udptl t38"),
        ];
        for (line, expected) in cases {
            assert_eq!(side.description_line(line, &mut ports), expected);
        }
    }
}
