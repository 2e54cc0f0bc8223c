//! Pseudonyms of IP and MAC addresses.
//!
//! A pseudonym is of the same kind (private, shared, link-local, public and so on), and has as many
//! digits in each part, so that it fits where the address stood in a text. Addresses of one network
//! stay in one network, as the beginning of a pseudonym follows from the beginning of the address.
//! Loopback, multicast and unspecified addresses are nobody's and stay.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use foldhash::fast::RandomState;

use super::key::{Key, Place};

/// Pseudonyms that are remembered; beyond that they are worked out again.
const REMEMBERED_MAX: usize = 1 << 16;

/// Values, and others in their places.
type Order = (Vec<u16>, Vec<u16>);

/// Makes pseudonyms of addresses.
#[derive(Debug)]
pub(super) struct Addresses {
    key: Key,
    known: HashMap<IpAddr, IpAddr, RandomState>,
    /// The values that one part of an address may have, and what follows each.
    orders: HashMap<(Vec<u8>, u16, u16), Order, RandomState>,
}

impl Addresses {
    pub(super) fn new(key: Key) -> Self {
        Self { key, known: HashMap::default(), orders: HashMap::default() }
    }

    /// The pseudonym of an address.
    pub(super) fn of(&mut self, address: IpAddr) -> IpAddr {
        if let Some(known) = self.known.get(&address) {
            return *known;
        }
        let other = match address {
            IpAddr::V4(address) => IpAddr::V4(self.v4(address)),
            IpAddr::V6(address) => IpAddr::V6(self.v6(address)),
        };
        if self.known.len() < REMEMBERED_MAX {
            self.known.insert(address, other);
        }
        other
    }

    /// The pseudonym of a MAC address, marked as locally administered; group addresses stay.
    pub(super) fn mac(&self, address: [u8; 6]) -> [u8; 6] {
        if address[0] & 1 == 1 || address == [0; 6] {
            return address;
        }
        let stream = self.key.stream("mac", &[&address], 5);
        let mut other = [2; 6];
        for (place, byte) in other.iter_mut().skip(1).zip(stream) {
            *place = byte;
        }
        other
    }

    fn v4(&mut self, address: Ipv4Addr) -> Ipv4Addr {
        let octets = address.octets();
        let [first, second, ..] = octets;
        let is_fixed = matches!(first, 0 | 127 | 224..=255);
        // Leading octets that tell the kind.
        let kept = match (first, second) {
            _ if is_fixed => 4,
            (192, 168) | (169, 254) | (198, 18 | 19) => 2,
            (10 | 172 | 100 | 169 | 192 | 198 | 203, _) => 1,
            _ => 0,
        };
        let mut other = octets;
        for (at, place) in other.iter_mut().enumerate().skip(kept) {
            let (before, octet) = (octets.get(..at), octets.get(at));
            let (Some(before), Some(octet)) = (before, octet) else { continue };
            let wanted = |value: &u16| kind(before, *value) == kind(before, u16::from(*octet));
            let (low, high) = match octet {
                0..=9 => (0, 9),
                10..=99 => (10, 99),
                _ => (100, 255),
            };
            *place = self.moved(before, u16::from(*octet), (low, high), wanted) as u8;
        }
        other.into()
    }

    fn v6(&mut self, address: Ipv6Addr) -> Ipv6Addr {
        if let Some(inner) = address.to_ipv4_mapped() {
            return self.v4(inner).to_ipv6_mapped();
        }
        let groups = address.segments();
        if let [0x64, 0xff9b, 0, 0, 0, 0, ..] = groups {
            let [.., a, b, c, d] = address.octets();
            let [a, b, c, d] = self.v4([a, b, c, d].into()).octets();
            let pair = |high, low| u16::from_be_bytes([high, low]);
            return [0x64, 0xff9b, 0, 0, 0, 0, pair(a, b), pair(c, d)].into();
        }
        if address.is_loopback() || address.is_unspecified() || address.is_multicast() {
            return address;
        }
        let mut other = groups;
        for (at, place) in other.iter_mut().enumerate() {
            let Some(before) = groups.get(..at) else { continue };
            let group = *place;
            *place = match (at, group) {
                (_, 0) => 0,
                (0, 0xfe80..=0xfebf | 0x2001 | 0x2002) => group,
                (0, 0xfc00..=0xfdff) => self.group(before, group, (0xfc00, 0xfdff)),
                (0, 0x2000..=0x3fff) => self.group(before, group, (0x2003, 0x3fff)),
                (0, _) => group,
                (_, 1..=0xf) => self.group(before, group, (1, 0xf)),
                (_, 0x10..=0xff) => self.group(before, group, (0x10, 0xff)),
                (_, 0x100..=0xfff) => self.group(before, group, (0x100, 0xfff)),
                (_, _) => self.group(before, group, (0x1000, 0xffff)),
            };
        }
        other.into()
    }

    /// A group of four hexadecimal digits, of which as many count as the bounds have.
    fn group(&mut self, before: &[u16], group: u16, bounds: (u16, u16)) -> u16 {
        let part: Vec<u8> = before.iter().flat_map(|group| group.to_be_bytes()).collect();
        if bounds.1 - bounds.0 < 0x1000 {
            return self.moved(&part, group, bounds, |_| true);
        }
        // Too many for a table: walks on until the bounds are met.
        let mut value = group;
        loop {
            let nibble = |shift: u16| Place { value: value >> shift & 15, bound: 16 };
            let mut places = [nibble(12), nibble(8), nibble(4), nibble(0)];
            self.key.permute(&format!("group {part:?}"), &mut places);
            value = places.iter().fold(0, |value, place| value << 4 | place.value);
            if (bounds.0..=bounds.1).contains(&value) {
                return value;
            }
        }
    }

    /// The value that follows in the order of the key among those that are wanted within bounds.
    fn moved(
        &mut self,
        before: &[u8],
        value: u16,
        (low, high): (u16, u16),
        wanted: impl Fn(&u16) -> bool,
    ) -> u16 {
        let values = || (low..=high).filter(&wanted).collect::<Vec<u16>>();
        let first = (low..=high).find(&wanted).unwrap_or(low);
        if self.orders.len() >= REMEMBERED_MAX {
            self.orders.clear();
        }
        let key = &self.key;
        let (from, to) = self.orders.entry((before.to_vec(), first, high)).or_insert_with(|| {
            let values = values();
            let order = key.cycle("address", before, &values);
            (values, order)
        });
        let at = from.binary_search(&value).ok();
        at.and_then(|at| to.get(at)).copied().unwrap_or(value)
    }
}

/// What an octet makes of an IPv4 address of which the octets before are known: pseudonyms keep it.
fn kind(before: &[u8], octet: u16) -> u8 {
    match (before, octet) {
        ([], 0 | 10 | 100 | 127 | 169 | 172 | 192 | 198 | 203 | 224..) => 1,
        ([172], 16..=31) | ([100], 64..=127) => 1,
        ([169], 254) | ([192], 168) | ([198], 18 | 19) => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn addresses() -> Addresses {
        Addresses::new(Key::of(b"test"))
    }

    fn v4(text: &str) -> Ipv4Addr {
        text.parse().expect("an address")
    }

    #[test]
    fn kind_and_length_stay() {
        let mut addresses = addresses();
        for text in [
            "10.0.0.1",
            "172.16.9.200",
            "172.31.0.1",
            "192.168.1.5",
            "100.64.0.1",
            "100.127.3.4",
            "169.254.7.7",
            "192.0.2.1",
            "198.51.100.20",
            "203.0.113.5",
            "8.8.8.8",
            "93.184.1.2",
            "198.18.0.1",
            "100.1.2.3",
            "172.15.0.1",
            "172.32.1.1",
        ] {
            let other = addresses.v4(v4(text));
            assert_ne!(other.to_string(), text);
            assert_eq!(other.to_string().len(), text.len(), "{text} {other}");
            assert_eq!(other.is_private(), v4(text).is_private(), "{text} {other}");
            assert_eq!(other.is_link_local(), v4(text).is_link_local(), "{text} {other}");
            let is_shared = |address: Ipv4Addr| matches!(address.octets(), [100, 64..=127, ..]);
            assert_eq!(is_shared(other), is_shared(v4(text)), "{text} {other}");
            assert!(!matches!(other.octets(), [0 | 127 | 224..=255, ..]), "{text} {other}");
        }
        for text in ["127.0.0.1", "224.0.1.75", "255.255.255.255", "0.0.0.0"] {
            assert_eq!(addresses.v4(v4(text)).to_string(), text);
        }
    }

    #[test]
    fn networks_stay_together_and_hosts_apart() {
        let mut addresses = addresses();
        let mut seen = BTreeSet::new();
        for last in 0..=255 {
            let other = addresses.v4(Ipv4Addr::new(203, 0, 113, last));
            seen.insert(other);
            assert_eq!(other.octets()[..3], addresses.v4(v4("203.0.113.77")).octets()[..3]);
        }
        assert_eq!(seen.len(), 256);
    }

    #[test]
    fn groups_of_ipv6_keep_their_digits() {
        let mut addresses = addresses();
        for text in [
            "2001:db8::1",
            "2001:db8:0:7::a0",
            "fd00:1:2::3",
            "fe80::a0b:ff:fe12:3456",
            "2a02:1234::5678",
            "::ffff:192.0.2.1",
        ] {
            let address: Ipv6Addr = text.parse().expect("an address");
            let other = addresses.v6(address);
            assert_ne!(other, address);
            assert_eq!(other.to_string().len(), text.len(), "{text} {other}");
            assert_eq!(other.is_unique_local(), address.is_unique_local(), "{text} {other}");
            assert_eq!(other.is_unicast_link_local(), address.is_unicast_link_local());
        }
        let loopback = Ipv6Addr::LOCALHOST;
        assert_eq!(addresses.v6(loopback), loopback);
    }

    #[test]
    fn group_addresses_of_cards_stay() {
        let addresses = addresses();
        assert_eq!(addresses.mac([0xff; 6]), [0xff; 6]);
        let other = addresses.mac([0, 1, 2, 3, 4, 5]);
        assert_eq!((other[0], other == [0, 1, 2, 3, 4, 5]), (2, false));
    }
}
