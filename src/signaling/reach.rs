//! Who can reach an address: public and private ranges, and the networks that the user calls his
//! own.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// From where an address can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// From anywhere, as far as the address tells.
    Public,
    /// From inside one network only: RFC 1918, RFC 4193.
    Private,
    /// From inside the network of one provider: RFC 6598.
    Shared,
    /// From the same link only: RFC 3927, RFC 4291.
    LinkLocal,
    /// From the same host only.
    Loopback,
    /// From nowhere: 0.0.0.0 and ::, multicast and what is reserved.
    Nowhere,
}

impl Reach {
    /// The range that the address belongs to.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    /// The word of the JSON output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Shared => "shared",
            Self::LinkLocal => "link-local",
            Self::Loopback => "loopback",
            Self::Nowhere => "nowhere",
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        let [first, second, ..] = address.octets();
        match first {
            _ if address.is_private() => Self::Private,
            _ if address.is_link_local() => Self::LinkLocal,
            127 => Self::Loopback,
            100 if second & 0xc0 == 64 => Self::Shared,
            0 | 224..=255 => Self::Nowhere,
            _ => Self::Public,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        if address.is_loopback() {
            Self::Loopback
        } else if address.is_unspecified() || address.is_multicast() {
            Self::Nowhere
        } else if address.is_unique_local() {
            Self::Private
        } else if address.is_unicast_link_local() {
            Self::LinkLocal
        } else {
            Self::Public
        }
    }
}

/// A network: the addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Net {
    address: IpAddr,
    prefix: u8,
}

/// The text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an address and the bits of its network, such as 10.1.0.0/16")]
pub struct NotANet;

impl Net {
    /// The address belongs to the network.
    pub fn holds(&self, address: IpAddr) -> bool {
        let (own, other, bits) = match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (u128::from(own.to_bits()) << 96, u128::from(other.to_bits()) << 96, self.prefix)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits(), other.to_bits(), self.prefix),
            _ => return false,
        };
        bits == 0 || (own ^ other) >> (128 - u32::from(bits).min(128)) == 0
    }
}

/// `10.1.0.0/16`, `2001:db8::/32`; an address alone is a network of one.
impl FromStr for Net {
    type Err = NotANet;

    fn from_str(text: &str) -> Result<Self, NotANet> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().map_err(|_| NotANet)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(most), |bits| bits.trim().parse().map_err(|_| NotANet))?;
        if prefix > most {
            return Err(NotANet);
        }
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_reach() {
        for (address, reach) in [
            ("192.0.2.1", Reach::Public),
            ("10.0.0.1", Reach::Private),
            ("172.16.0.1", Reach::Private),
            ("172.32.0.1", Reach::Public),
            ("192.168.255.255", Reach::Private),
            ("100.63.0.1", Reach::Public),
            ("100.64.0.1", Reach::Shared),
            ("100.127.255.255", Reach::Shared),
            ("100.128.0.0", Reach::Public),
            ("169.254.1.1", Reach::LinkLocal),
            ("127.0.0.2", Reach::Loopback),
            ("0.0.0.0", Reach::Nowhere),
            ("224.0.1.75", Reach::Nowhere),
            ("2001:db8::1", Reach::Public),
            ("fd00::1", Reach::Private),
            ("fe80::1", Reach::LinkLocal),
            ("::1", Reach::Loopback),
            ("::", Reach::Nowhere),
            ("ff02::1", Reach::Nowhere),
            ("::ffff:10.0.0.1", Reach::Private),
        ] {
            assert_eq!(Reach::of(address.parse().expect("an address")), reach, "{address}");
        }
    }

    #[test]
    fn networks_hold_addresses() {
        let holds = |net: &str, address: &str| {
            let net: Net = net.parse().expect("a network");
            net.holds(address.parse().expect("an address"))
        };
        assert!(holds("10.1.0.0/16", "10.1.255.1") && !holds("10.1.0.0/16", "10.2.0.1"));
        assert!(holds("0.0.0.0/0", "192.0.2.1") && !holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("192.0.2.7", "192.0.2.7") && !holds("192.0.2.7", "192.0.2.6"));
        assert!(holds("2001:db8::/32", "2001:db8:1::1") && !holds("2001:db8::/32", "2001:db9::"));
        assert!(holds("10.0.0.0/8", "::ffff:10.0.0.1"));
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/-1", "net"] {
            assert_eq!(wrong.parse::<Net>(), Err(NotANet), "{wrong}");
        }
        assert_eq!("10.1.0.0/16".parse::<Net>().expect("a network").to_string(), "10.1.0.0/16");
    }
}
