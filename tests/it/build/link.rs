//! Link layers around an IP packet, each with its link type.

use super::Wrap;
use super::ip::{addresses, datagram, is_v6, ports};

pub(crate) const ETHERNET: u16 = 1;
pub(crate) const RAW: u16 = 101;

/// Name, link type, and how a packet is wrapped.
pub(crate) const ALL: &[(&str, u16, Wrap)] = &[
    ("NULL, little-endian", 0, |ip| [&[family(ip, 30), 0, 0, 0], ip].concat()),
    ("NULL, big-endian", 0, |ip| [&[0, 0, 0, family(ip, 24)], ip].concat()),
    ("LOOP", 108, |ip| [&[0, 0, 0, family(ip, 28)], ip].concat()),
    ("Ethernet", ETHERNET, ethernet),
    ("RAW", RAW, <[u8]>::to_vec),
    ("RAW 12", 12, <[u8]>::to_vec),
    ("RAW 14", 14, <[u8]>::to_vec),
    ("IPV4 or IPV6", 228, <[u8]>::to_vec),
    ("SLL", 113, |ip| [&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0], &kind(ip)[..], ip].concat()),
    ("SLL2", 276, |ip| {
        [&kind(ip)[..], &[0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0], ip].concat()
    }),
    ("PPP", 9, ppp),
    ("PPP, compressed", 9, |ip| ppp(ip)[3..].to_vec()),
    ("PPP with direction", 204, |ip| [&[1], &ppp(ip)[..]].concat()),
    ("PPPoE without Ethernet", 51, pppoe),
    ("Cisco HDLC", 104, |ip| [&[0x0f, 0], &kind(ip)[..], ip].concat()),
    ("frame relay", 107, |ip| [&[0x18, 0x41, 3, if is_v6(ip) { 0x8e } else { 0xcc }], ip].concat()),
    ("ATM", 100, snap),
    ("PF log", 117, |ip| [&[61, family(ip, 24)], &[0; 62][..], ip].concat()),
    ("802.11", 105, wireless),
    ("802.11 with QoS", 105, |ip| [&[0x88, 0x01], &[0; 24][..], &snap(ip)].concat()),
    ("radiotap", 127, |ip| [&[0, 0, 9, 0, 2, 0, 0, 0, 0], &wireless(ip)[..]].concat()),
    ("AVS", 163, avs),
    ("Prism", 119, avs),
    ("token ring", 6, |ip| [&[0; 14], &snap(ip)[..]].concat()),
    ("FDDI", 10, |ip| [&[0; 13], &snap(ip)[..]].concat()),
    ("ERF", 197, |ip| [&[0; 8][..], &[0x82], &[0; 17], &ethernet(ip)].concat()),
    ("PPI", 192, |ip| [&[0, 0, 8, 0, 101, 0, 0, 0], ip].concat()),
    ("NFLOG", 239, |ip| {
        let length = (ip.len() as u16 + 4).to_le_bytes();
        let family = if is_v6(ip) { 10 } else { 2 };
        [&[family, 0, 0, 0, 8, 0, 1, 0, 8, 0, 0, 0], &length[..], &[9, 0], ip].concat()
    }),
    ("PKTAP", 258, |ip| [&[108, 0, 0, 0, 1, 0, 0, 0, 12, 0, 0, 0], &[0; 96][..], ip].concat()),
    ("exported PDU", 252, exported),
];

/// The type number of Ethernet.
pub(crate) fn kind(ip: &[u8]) -> [u8; 2] {
    if is_v6(ip) { [0x86, 0xdd] } else { [0x08, 0x00] }
}

/// A frame of some type.
pub(crate) fn frame(kind: u16, payload: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1], &kind.to_be_bytes()[..], payload].concat()
}

pub(crate) fn ethernet(ip: &[u8]) -> Vec<u8> {
    frame(u16::from_be_bytes(kind(ip)), ip)
}

/// 802.2 with a subnetwork header.
pub(crate) fn snap(ip: &[u8]) -> Vec<u8> {
    [&[0xaa, 0xaa, 3, 0, 0, 0], &kind(ip)[..], ip].concat()
}

pub(crate) fn ppp(ip: &[u8]) -> Vec<u8> {
    [&[0xff, 3, 0, if is_v6(ip) { 0x57 } else { 0x21 }], ip].concat()
}

pub(crate) fn pppoe(ip: &[u8]) -> Vec<u8> {
    [&[0x11, 0, 0, 1], &(ip.len() as u16 + 2).to_be_bytes()[..], &ppp(ip)[2..]].concat()
}

fn wireless(ip: &[u8]) -> Vec<u8> {
    [&[0x08, 0x01], &[0; 22][..], &snap(ip)].concat()
}

fn avs(ip: &[u8]) -> Vec<u8> {
    [&[0x80, 0x21, 0x10, 1, 0, 0, 0, 64], &[0; 56][..], &wireless(ip)].concat()
}

fn family(ip: &[u8], v6: u8) -> u8 {
    if is_v6(ip) { v6 } else { 2 }
}

/// A datagram as Wireshark exports it.
fn exported(ip: &[u8]) -> Vec<u8> {
    let [source, destination] = addresses(ip);
    let [from, to] = ports(ip);
    let number = |port: [u8; 2]| [0, 0, port[0], port[1]];
    let tag = |kind: u16, value: &[u8]| {
        [&kind.to_be_bytes(), &(value.len() as u16).to_be_bytes()[..], value].concat()
    };
    let (first, second) = if is_v6(ip) { (22, 23) } else { (20, 21) };
    [
        tag(12, b"sip\0"),
        tag(first, source),
        tag(second, destination),
        tag(24, &[0, 0, 0, 3]),
        tag(25, &number(from)),
        tag(26, &number(to)),
        tag(0, &[]),
        datagram(ip).to_vec(),
    ]
    .concat()
}
