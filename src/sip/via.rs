//! `Via`: one hop that a request took (RFC 3261, section 20.42).

use std::net::IpAddr;

use super::anomaly::{Anomalies, Anomaly};
use super::host::{Host, HostPort};
use super::lws::{self, trim, word};
use super::quoted::Parameters;
use crate::bytes;

/// What a branch begins with that is unique for its request (RFC 3261, section 8.1.1.7).
pub const COOKIE: &[u8] = b"z9hG4bK";

/// One value of `Via`.
#[derive(Clone, Copy, Debug)]
pub struct Via<'a> {
    /// Protocol and version, for example `SIP/2.0`; may hold white space.
    pub protocol: &'a [u8],
    /// The transport as it was sent, for example `UDP`.
    pub transport: &'a [u8],
    /// Where responses go, as the sender sees itself.
    pub host: Host<'a>,
    /// The port of the sender, if it says one.
    pub port: Option<u16>,
    /// All parameters.
    pub parameters: Parameters<'a>,
}

/// What stands in `rport` (RFC 3581, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rport {
    /// The client asks the server to fill it in.
    Asked,
    /// The port from which the request came.
    Filled(u16),
}

impl<'a> Via<'a> {
    /// The hop that `value` is, and what is wrong with it.
    pub fn parse(value: &'a [u8]) -> (Self, Anomalies) {
        let (via, sent_by) = Self::split(value);
        let mut anomalies = Anomalies::NONE;
        let has_parts = !via.protocol.is_empty() && !via.transport.is_empty();
        anomalies.insert_if(!has_parts || !sent_by.is_valid(), Anomaly::ViaInvalid);
        anomalies.insert_if(via.parameters.has_empty(), Anomaly::EmptyParameter);
        (via, anomalies)
    }

    /// Like [`Via::parse`], without what is wrong.
    pub fn of(value: &'a [u8]) -> Self {
        Self::split(value).0
    }

    fn split(value: &'a [u8]) -> (Self, HostPort<'a>) {
        let end = bytes::find(b';', value).unwrap_or(value.len());
        let (hop, parameters) = value.split_at_checked(end).unwrap_or((value, &[]));
        let (protocol, rest) = split_protocol(hop);
        let (transport, sent_by) = word(rest);
        let sent_by = HostPort::parse(sent_by);
        let HostPort { host, port, .. } = sent_by;
        let parameters = Parameters::of(parameters);
        (Self { protocol, transport, host, port, parameters }, sent_by)
    }

    /// Whether nothing names a hop, as between the commas of `;,;,,`.
    pub(crate) fn is_empty(&self) -> bool {
        self.protocol.is_empty() && self.host.as_bytes().is_empty()
    }

    /// The branch; none if there is none or it is empty.
    pub fn branch(&self) -> Option<&'a [u8]> {
        self.parameters.value("branch")
    }

    /// Whether the branch is unique for its request: it begins with the cookie and goes on.
    pub fn has_unique_branch(&self) -> bool {
        self.branch().is_some_and(|branch| branch.starts_with(COOKIE) && branch != COOKIE)
    }

    /// The address from which the request came, as the next hop saw it; brackets are tolerated
    /// (RFC 5118, section 4.5).
    pub fn received(&self) -> Option<IpAddr> {
        Host::of(self.parameters.get("received")?).address()
    }

    /// The port from which the request came, or the wish to be told.
    pub fn rport(&self) -> Option<Rport> {
        let digits = self.parameters.get("rport")?;
        let port = lws::number(digits).and_then(|port| u16::try_from(port).ok());
        Some(port.map_or(Rport::Asked, Rport::Filled))
    }

    /// The multicast address to use.
    pub fn maddr(&self) -> Option<Host<'a>> {
        self.parameters.value("maddr").map(Host::of)
    }

    /// The port of the sender, or the default of its transport (RFC 3261, section 18.2.2;
    /// RFC 7118 for WebSocket).
    pub fn port_or_default(&self) -> u16 {
        let is = |transport: &[u8]| self.transport.eq_ignore_ascii_case(transport);
        let default = if is(b"TLS") || is(b"TLS-SCTP") {
            5061
        } else if is(b"WS") {
            80
        } else if is(b"WSS") {
            443
        } else {
            5060
        };
        self.port.unwrap_or(default)
    }
}

/// The branch of the first hop in `values`, as nearly all of them have it: right behind the sender,
/// without quotation marks. Where there is one, it is that of the long way.
pub(crate) fn plain_branch(values: &[u8]) -> Option<&[u8]> {
    const STOPS: [u8; 4] = [b';', b',', b'"', b'<'];
    let [b'S', b'I', b'P', b'/', b'2', b'.', b'0', b'/', hop @ ..] = values else { return None };
    let parameters = hop.get(bytes::find_any(STOPS, hop)?..)?;
    let [b';', b'b', b'r', b'a', b'n', b'c', b'h', b'=', value @ ..] = parameters else {
        return None;
    };
    let (branch, rest) = match bytes::find_any(STOPS, value) {
        Some(end) => value.split_at_checked(end)?,
        None => (value, &[][..]),
    };
    match rest.first() {
        None | Some(b';' | b',') => Some(trim(branch)).filter(|branch| !branch.is_empty()),
        Some(_) => None,
    }
}

/// The branch in one value, without a look at the hop itself.
pub(crate) fn branch_of(value: &[u8]) -> Option<&[u8]> {
    let parameters = value.get(bytes::find(b';', value)?..)?;
    Parameters::of(parameters).value("branch")
}

/// `SIP / 2.0`, and what follows the slash after it.
fn split_protocol(hop: &[u8]) -> (&[u8], &[u8]) {
    let second = bytes::find(b'/', hop).and_then(|first| {
        let after = first.checked_add(1)?;
        after.checked_add(bytes::find(b'/', hop.get(after..)?)?)
    });
    match second.and_then(|at| hop.split_at_checked(at)) {
        Some((protocol, rest)) => (trim(protocol), rest.get(1..).unwrap_or_default()),
        None => (&[], hop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_hop() {
        let (via, anomalies) = Via::parse(
            b"SIP/2.0/UDP 192.0.2.1:5070;rport=5071;received=198.51.100.2;branch=z9hG4bK-a:b=c",
        );
        assert!(anomalies.is_empty());
        assert_eq!((via.protocol, via.transport), (&b"SIP/2.0"[..], &b"UDP"[..]));
        assert_eq!((&*via.host.as_str(), via.port), ("192.0.2.1", Some(5070)));
        assert_eq!(via.branch(), Some(&b"z9hG4bK-a:b=c"[..]));
        assert_eq!(via.rport(), Some(Rport::Filled(5071)));
        assert_eq!(via.received().map(|a| a.to_string()).as_deref(), Some("198.51.100.2"));
        assert!(via.has_unique_branch() && via.maddr().is_none());
    }

    #[test]
    fn white_space_and_folds_are_allowed() {
        let via = Via::of(b"SIP  /    2.0\r\n /TLS  Host.example ; branch=\r\n z9hG4bK30 ;rport");
        assert_eq!((via.protocol, via.transport), (&b"SIP  /    2.0"[..], &b"TLS"[..]));
        assert_eq!((via.host, via.port_or_default()), (Host::of(b"host.example"), 5061));
        assert_eq!(via.branch(), Some(&b"z9hG4bK30"[..]));
        assert_eq!(via.rport(), Some(Rport::Asked));
    }

    #[test]
    fn ipv6_with_and_without_brackets() {
        for received in ["[2001:db8::9:255]", "2001:db8::9:255"] {
            let text =
                format!("SIP/2.0/UDP [2001:db8::9:1]:6050;received={received};branch=z9hG4bK1");
            let (via, anomalies) = Via::parse(text.as_bytes());
            assert!(anomalies.is_empty());
            assert_eq!(via.port, Some(6050));
            assert_eq!(via.received().map(|a| a.to_string()).as_deref(), Some("2001:db8::9:255"));
            assert_eq!(via.branch(), Some(&b"z9hG4bK1"[..]));
        }
    }

    #[test]
    fn the_short_way_to_the_branch_finds_the_same() {
        for parameters in [
            ";branch=1",
            ";branch=1;rport",
            ";rport;branch=1",
            "; branch = 1 ",
            ";BRANCH=1",
            ";branch=;branch=1",
            ";branch=\"1;2\";x",
            ";branch=<1;2>",
            ";branch",
            "",
        ] {
            let value = format!("SIP/2.0/UDP a.example{parameters}");
            let via = Via::of(value.as_bytes());
            assert_eq!(branch_of(value.as_bytes()), via.branch(), "{value}");
            for list in
                [value.clone(), format!("{value}, SIP/2.0/UDP b;branch=2"), format!("{value},")]
            {
                if let Some(branch) = plain_branch(list.as_bytes()) {
                    assert_eq!(Some(branch), via.branch(), "{list}");
                }
            }
        }
        assert_eq!(plain_branch(b"SIP/2.0/UDP a;branch=1 ;rport"), Some(&b"1"[..]));
        assert_eq!(plain_branch(b"SIP/2.0/UDP a;branch=1,SIP/2.0/UDP b"), Some(&b"1"[..]));
    }

    #[test]
    fn what_is_wrong() {
        for text in ["", "SIP/2.0/UDP", "UDP host", "SIP/2.0/UDP 2001:db8::1", ";"] {
            assert!(Via::parse(text.as_bytes()).1.contains(Anomaly::ViaInvalid), "{text}");
        }
        let (via, anomalies) = Via::parse(b"SIP/2.0/UDP 192.0.2.15;;");
        assert!(anomalies.contains(Anomaly::EmptyParameter) && via.branch().is_none());
    }
}
