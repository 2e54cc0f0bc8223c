//! Hosts and ports.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use memchr::{memmem, memrchr};

use super::lws::{self, trim};
use crate::bytes;

/// A host as it was sent: a name, an IPv4 address, or an IPv6 address with or without brackets.
///
/// Hosts are equal without regard to case (RFC 3261, section 19.1.4).
#[derive(Clone, Copy)]
pub struct Host<'a>(&'a [u8]);

impl<'a> Host<'a> {
    pub(crate) const fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// As it was sent, with brackets.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// As text; invalid UTF-8 replaced.
    pub fn as_str(self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.0)
    }

    /// The address, if it is one and not a name.
    ///
    /// Three colons in a row count as two: the grammar of RFC 3261 once made them
    /// (RFC 5118, section 4.10).
    pub fn address(self) -> Option<IpAddr> {
        let inside = self.0.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]"));
        if inside.is_none() && bytes::find(b':', self.0).is_none() {
            return dotted(self.0).map(IpAddr::V4);
        }
        let text = str::from_utf8(inside.unwrap_or(self.0)).ok()?;
        let text = text.split('%').next()?;
        match memmem::find(text.as_bytes(), b":::") {
            None => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            Some(_) => text.replacen(":::", "::", 1).parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        }
    }

    /// Whether letters, digits, `-`, `.` and `_`, or an address in brackets.
    pub(crate) fn is_valid(self) -> bool {
        if self.0.first() == Some(&b'[') {
            return self.0.len() < 64 && self.address().is_some();
        }
        !self.0.is_empty()
            && self.0.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
    }
}

impl PartialEq for Host<'_> {
    fn eq(&self, other: &Host<'_>) -> bool {
        self.0.eq_ignore_ascii_case(other.0)
    }
}

impl Eq for Host<'_> {}

impl Hash for Host<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.iter().for_each(|byte| byte.to_ascii_lowercase().hash(state));
        state.write_u8(0xff);
    }
}

impl fmt::Debug for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.as_str())
    }
}

/// `host[:port]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HostPort<'a> {
    pub(crate) host: Host<'a>,
    pub(crate) port: Option<u16>,
    /// A port is there, and is none.
    has_bad_port: bool,
}

impl Default for HostPort<'_> {
    fn default() -> Self {
        Self { host: Host(&[]), port: None, has_bad_port: false }
    }
}

impl<'a> HostPort<'a> {
    /// An IPv6 address without brackets is invalid, and its port is told only where the address
    /// cannot be longer.
    pub(crate) fn parse(bytes: &'a [u8]) -> Self {
        let bytes = trim(bytes);
        let (host, port) = split_port(bytes);
        let host = Host(trim(host));
        let number = port.map(|digits| lws::number(trim(digits)));
        let port = number.flatten().and_then(|number| u16::try_from(number).ok());
        Self { host, port, has_bad_port: number.is_some() && port.is_none() }
    }

    pub(crate) fn is_valid(&self) -> bool {
        !self.has_bad_port && self.host.is_valid()
    }
}

fn split_port(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    let from = match bytes.first() {
        Some(b'[') => bytes::find(b']', bytes).unwrap_or(0),
        _ => 0,
    };
    let tail = bytes.get(from..).unwrap_or_default();
    let Some(first) = bytes::find(b':', tail) else { return (bytes, None) };
    let last = memrchr(b':', tail).unwrap_or(first);
    if first != last && !is_address_and_more(bytes, last) {
        return (bytes, None);
    }
    let at = from.saturating_add(last);
    (bytes.get(..at).unwrap_or(bytes), bytes.get(at.saturating_add(1)..))
}

/// Whether `bytes` are an IPv6 address only up to the last colon: then the rest is a port, although
/// the address lacks its brackets.
fn is_address_and_more(bytes: &[u8], last: usize) -> bool {
    let is_address = |bytes: &[u8]| Host(bytes).address().is_some();
    !is_address(bytes) && bytes.get(..last).is_some_and(is_address)
}

/// Four numbers with dots, as nearly all addresses are.
fn dotted(bytes: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0_u8; 4];
    let (mut place, mut digits) = (0, 0);
    for byte in bytes {
        let octet = octets.get_mut(place)?;
        match byte {
            b'.' if digits > 0 => (place, digits) = (place + 1, 0),
            // Nobody knows whether a zero before a number makes it an octal one.
            b'0'..=b'9' if digits == 0 || *octet != 0 => {
                *octet = octet.checked_mul(10)?.checked_add(byte - b'0')?;
                digits += 1;
            }
            _ => return None,
        }
    }
    (place == 3 && digits > 0).then_some(Ipv4Addr::from(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports() {
        let cases: [(&str, &str, Option<u16>, bool); 13] = [
            ("example.com", "example.com", None, true),
            ("example.com:5061", "example.com", Some(5061), true),
            ("host : 5060", "host", Some(5060), true),
            ("192.0.2.1:1", "192.0.2.1", Some(1), true),
            ("[2001:db8::10]:5070", "[2001:db8::10]", Some(5070), true),
            ("[2001:db8::10:5070]", "[2001:db8::10:5070]", None, true),
            ("2001:db8::10", "2001:db8::10", None, false),
            ("fe80:0:0:0:1:2:3:4:5060", "fe80:0:0:0:1:2:3:4", Some(5060), false),
            ("[2001:db8:::192.0.2.1]", "[2001:db8:::192.0.2.1]", None, true),
            ("example.com:99999", "example.com", None, false),
            ("example.com:", "example.com", None, false),
            ("[::1", "[::1", None, false),
            ("", "", None, false),
        ];
        for (text, host, port, is_valid) in cases {
            let parsed = HostPort::parse(text.as_bytes());
            assert_eq!(parsed.host.as_str(), host, "{text}");
            assert_eq!((parsed.port, parsed.is_valid()), (port, is_valid), "{text}");
        }
    }

    #[test]
    fn addresses() {
        let address = |text: &'static str| Host(text.as_bytes()).address().map(|a| a.to_string());
        assert_eq!(address("192.0.2.1").as_deref(), Some("192.0.2.1"));
        assert_eq!(address("[2001:DB8::1]").as_deref(), Some("2001:db8::1"));
        assert_eq!(address("2001:db8::1").as_deref(), Some("2001:db8::1"));
        assert_eq!(address("[fe80::1%eth0]").as_deref(), Some("fe80::1"));
        assert_eq!(address("[2001:db8:::192.0.2.1]").as_deref(), Some("2001:db8::c000:201"));
        assert_eq!(address("example.com"), None);
        let odd =
            ["", "1", "1.2.3", "1.2.3.4.5", "1.2.3.4.", ".1.2.3", "1..2.3", "01.2.3.4", "00.0.0.0"];
        for text in odd.into_iter().chain(["1.2.3.256", "1.2.3.4 ", "0.0.0.0", "255.255.255.255"]) {
            assert_eq!(Host(text.as_bytes()).address(), text.parse().ok(), "{text}");
        }
        assert_eq!(address("[192.0.2.1]"), None);
    }

    #[test]
    fn names_are_equal_in_any_case() {
        assert_eq!(Host(b"Example.COM"), Host(b"example.com"));
        assert_ne!(Host(b"example.com"), Host(b"example.org"));
    }
}
