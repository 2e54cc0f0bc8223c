//! What the addresses inside messages tell of NAT: who cannot be reached under them.
//!
//! A private address is a fault only where it is read from outside: between hosts that are both
//! public, or in networks that the user calls local ([`Settings::reach`]).
//!
//! [`Settings::reach`]: crate::signaling::Settings::reach

use std::net::IpAddr;

use crate::packet::Endpoint;
use crate::signaling::call::Call;
use crate::signaling::message::Message;
use crate::signaling::reach::Reach;
use crate::signaling::route::address_in;
use crate::sip::lws::number;
use crate::sip::{HeaderName, Host, Method, Uri};
use crate::transport::Transport;

/// The port of a SIP URI that names none (RFC 3261, section 19.1.2).
const PORT_DEFAULT: u16 = 5060;

impl<'c> Call<'c> {
    /// The message went between two hosts that everybody can reach.
    pub fn is_public_way(&self, message: &Message<'c>) -> bool {
        let reach = |end: Endpoint| self.settings().reach(end.address);
        reach(message.source) == Reach::Public && reach(message.destination) == Reach::Public
    }

    /// How far the address reaches, where that is not from everywhere.
    pub fn hidden(&self, address: IpAddr) -> Option<Reach> {
        match self.settings().reach(address) {
            Reach::Public | Reach::Nowhere => None,
            reach @ (Reach::Private | Reach::Shared | Reach::LinkLocal | Reach::Loopback) => {
                Some(reach)
            }
        }
    }

    /// Where a URI leads that only its own network can follow; none for names.
    pub fn hidden_in(&self, uri: &Uri<'c>) -> Option<(Endpoint, Reach)> {
        let address = address_in(uri)?;
        let port = uri.port().unwrap_or(PORT_DEFAULT);
        Some((Endpoint { address, port }, self.hidden(address)?))
    }

    /// A later request of the dialog came to the host that sent the message, so its peer knows the
    /// way whatever the message says.
    pub fn is_reached_anyway(&self, message: &Message<'c>) -> bool {
        let owner = if message.is_request() { message.from_tag() } else { message.to_tag() };
        owner.is_some()
            && self.messages.iter().any(|later| {
                later.is_request()
                    && later.time >= message.time
                    && later.to_tag() == owner
                    && later.method() != Method::Cancel
                    && later.destination.address == message.source.address
            })
    }
}

/// What the top Via of a request says of its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentBy<'c> {
    /// The token of the transport.
    pub transport: &'c [u8],
    /// The host as the sender sees itself.
    pub host: Host<'c>,
    /// Its port, or the default one of the transport.
    pub port: u16,
}

impl<'c> SentBy<'c> {
    /// That of a request; sooner than [`top_via`](crate::sip::Message::top_via) where the Via is
    /// as most are.
    pub fn of(request: &Message<'c>) -> Option<Self> {
        let plain = || Self::plain(request.header(HeaderName::Via)?);
        plain().or_else(|| {
            let via = request.top_via()?;
            let port = via.port_or_default();
            Some(Self { transport: via.transport, host: via.host, port })
        })
    }

    /// `SIP/2.0/`, a token, a space, a name or an IPv4 address, a port, and parameters.
    fn plain(value: &'c [u8]) -> Option<Self> {
        let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
        let rest = value.strip_prefix(b"SIP/2.0/")?;
        let (transport, rest) = split(rest, is_token)?;
        let rest = rest.strip_prefix(b" ")?;
        let (host, rest) = split(rest, |byte| is_token(byte) || *byte == b'.')?;
        let rest = rest.strip_prefix(b":")?;
        let (digits, rest) = split(rest, u8::is_ascii_digit)?;
        let port = number(digits).and_then(|port| u16::try_from(port).ok())?;
        rest.starts_with(b";").then_some(Self { transport, host: Host::of(host), port })
    }
}

/// The bytes that are such ones, of which there is one at least, and the others.
fn split(bytes: &[u8], is_own: impl Fn(&u8) -> bool) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| !is_own(byte)).filter(|end| *end > 0)?;
    bytes.split_at_checked(end)
}

/// The token of a Via or of a `transport` parameter may stand for what carried the message. TLS and
/// WebSocket end before many a server, so all streams count as one; so does a token that nobody
/// knows.
pub fn may_mean(token: &[u8], transport: Transport) -> bool {
    let is = |name: &str| token.eq_ignore_ascii_case(name.as_bytes());
    let is_stream = || ["TCP", "TLS", "WS", "WSS"].into_iter().any(is);
    match transport {
        Transport::Udp => !is_stream() && !is("SCTP") && !is("TLS-SCTP"),
        Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
            !is("UDP") && !is("SCTP") && !is("TLS-SCTP")
        }
        Transport::Sctp => !is("UDP") && !is_stream(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signaling::samples::with_call;

    const INVITE: &str = "INVITE sip:b@192.0.2.2 SIP/2.0\n\
        Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1\n\
        From: <sip:a@example.com>;tag=a\nTo: <sip:b@example.com>\nCall-ID: 1\nCSeq: 1 INVITE\n\
        Contact: <sip:a@10.0.0.1>\nContent-Length: 0\n\n";
    const BYE: &str = "BYE sip:a@10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK2\n\
        From: <sip:b@example.com>;tag=b\nTo: <sip:a@example.com>;tag=a\nCall-ID: 1\nCSeq: 1 BYE\n\
        Content-Length: 0\n\n";

    #[test]
    fn a_private_contact_leads_nowhere_until_somebody_finds_the_way() {
        with_call(&[(0, 1, 2, INVITE)], |call| {
            let invite = call.messages.first().expect("the INVITE");
            let contact = invite.contact().expect("a Contact").uri;
            let (end, reach) = call.hidden_in(&contact).expect("a private address");
            assert_eq!((end.to_string().as_str(), reach), ("10.0.0.1:5060", Reach::Private));
            assert!(call.is_public_way(invite));
            assert!(!call.is_reached_anyway(invite));
        });
        with_call(&[(0, 1, 2, INVITE), (900, 2, 1, BYE)], |call| {
            assert!(call.is_reached_anyway(call.messages.first().expect("the INVITE")));
        });
    }

    #[test]
    fn streams_are_told_from_datagrams_only() {
        assert!(may_mean(b"udp", Transport::Udp) && may_mean(b"TLS", Transport::Tcp));
        assert!(may_mean(b"WSS", Transport::Ws) && may_mean(b"QUIC", Transport::Udp));
        assert!(!may_mean(b"TCP", Transport::Udp) && !may_mean(b"UDP", Transport::Tls));
        assert!(!may_mean(b"SCTP", Transport::Udp) && may_mean(b"TLS-SCTP", Transport::Sctp));
    }
}
