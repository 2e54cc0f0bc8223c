//! Where the requests inside a dialog have to go (RFC 3261, sections 12.1 and 12.2.1.1).
//!
//! Only what the messages say is compared, as this hop saw it: addresses with addresses. A name
//! is never taken for an address, so where one stands nothing is said.

use std::net::IpAddr;

use crate::packet::Endpoint;
use crate::signaling::message::Message;
use crate::signaling::reach::Reach;
use crate::sip::{Address, HeaderName, Uri};

/// Elements of a route that are looked at.
const ROUTE_MAX: usize = 70;

/// Route set and remote target of one side of a dialog.
#[derive(Clone, Debug)]
pub struct Route<'c> {
    /// The URIs to go through, the next one first.
    pub set: Vec<Uri<'c>>,
    /// The Contact of the other side.
    pub target: Option<Uri<'c>>,
}

impl<'c> Route<'c> {
    /// That of the caller, as the 2xx on its hop tells (RFC 3261, section 12.1.2).
    pub fn of_caller(answer: &Message<'c>) -> Self {
        let mut route = Self::of_callee(answer);
        route.set.reverse();
        route
    }

    /// That of the callee, as the INVITE on its hop tells (RFC 3261, section 12.1.1).
    pub fn of_callee(request: &Message<'c>) -> Self {
        let set = request.addresses(HeaderName::RecordRoute).map(|address| address.uri);
        Self {
            set: set.take(ROUTE_MAX).collect(),
            target: request.contact().map(|address| address.uri),
        }
    }

    /// The first element keeps the request URI as it is; an older one, a strict router, puts the
    /// route there (RFC 3261, section 12.2.1.1). So is a dialog without a route.
    pub fn is_loose(&self) -> bool {
        self.set.first().is_none_or(|first| first.parameters().has("lr"))
    }

    /// What the request URI of a request in the dialog has to be.
    pub fn request_uri(&self) -> Option<Uri<'c>> {
        if self.is_loose() { self.target } else { self.set.first().copied() }
    }

    /// Where the request has to be sent first.
    pub fn next_hop(&self) -> Option<Uri<'c>> {
        self.set.first().copied().or(self.target)
    }

    /// The request of the dialog has another host in its request URI than it must have, or was
    /// sent to a host that neither the route nor the target names. `neighbour` is where the first
    /// request went: to send all requests there is what a client with an outbound proxy does.
    ///
    /// False where it cannot be told: names, `maddr`, strict routers, and a private target that
    /// the client replaced by the public address that the answer came from.
    pub fn is_missed_by(&self, request: &Message<'c>, neighbour: Endpoint) -> bool {
        let Some(uri) = request.request_uri() else { return false };
        let Some(target) = self.target.and_then(|target| address_in(&target)) else { return false };
        if !self.is_loose() {
            return false;
        }
        let is_repaired =
            Reach::of(target) != Reach::Public && Reach::of(neighbour.address) == Reach::Public;
        let misses_target = address_in(&uri).is_some_and(|host| host != target) && !is_repaired;
        let next = match self.set.first() {
            Some(first) => address_in(first),
            None => Some(target),
        };
        let sent_to = request.destination.address;
        let misses_hop = !is_repaired
            && next.is_some_and(|next| {
                sent_to != next && sent_to != target && sent_to != neighbour.address
            });
        misses_target || misses_hop
    }
}

/// The elements that a request names to go through.
pub fn routes<'c>(request: &Message<'c>) -> impl Iterator<Item = Address<'c>> {
    request.addresses(HeaderName::Route).take(ROUTE_MAX)
}

/// The address that a URI leads to, where it has one and not a name.
pub fn address_in(uri: &Uri<'_>) -> Option<IpAddr> {
    if !uri.is_sip() || uri.parameters().has("maddr") {
        return None;
    }
    uri.host()?.address().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(set: &[&'static str], target: &'static str) -> Route<'static> {
        let set = set.iter().map(|uri| Uri::parse(uri.as_bytes())).collect();
        Route { set, target: Some(Uri::parse(target.as_bytes())) }
    }

    #[test]
    fn a_loose_route_keeps_the_request_uri() {
        let loose = route(&["sip:198.51.100.1;lr"], "sip:bob@203.0.113.20");
        assert_eq!(
            loose.request_uri().map(|uri| uri.as_bytes()),
            Some(&b"sip:bob@203.0.113.20"[..])
        );
        assert_eq!(loose.next_hop().map(|uri| uri.as_bytes()), Some(&b"sip:198.51.100.1;lr"[..]));
        let strict = route(&["sip:198.51.100.1"], "sip:bob@203.0.113.20");
        assert_eq!(strict.request_uri().map(|uri| uri.as_bytes()), Some(&b"sip:198.51.100.1"[..]));
        let direct = route(&[], "sip:bob@203.0.113.20");
        assert!(direct.is_loose());
        assert_eq!(direct.next_hop().map(|uri| uri.as_bytes()), Some(&b"sip:bob@203.0.113.20"[..]));
    }

    #[test]
    fn only_addresses_are_compared() {
        let address = |uri: &'static str| address_in(&Uri::parse(uri.as_bytes()));
        assert_eq!(address("sip:bob@203.0.113.20:5080;transport=tcp"), "203.0.113.20".parse().ok());
        assert_eq!(address("sip:[2001:db8::20]"), "2001:db8::20".parse().ok());
        assert_eq!(address("sip:[::ffff:203.0.113.20]"), "203.0.113.20".parse().ok());
        for uri in ["sip:bob@phone.example.com", "sip:bob@203.0.113.20;maddr=192.0.2.1", "tel:+1"] {
            assert_eq!(address(uri), None, "{uri}");
        }
    }
}
