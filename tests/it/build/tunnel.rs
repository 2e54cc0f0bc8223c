//! Tunnels and tags around an IP packet. All give an Ethernet frame.

use super::Wrap;
use super::ip::{
    addresses, datagram, is_v6, outer, outer_v6, payload, ports, protocol, udp, with_payload,
};
use super::link::{ethernet, frame, kind, ppp, pppoe, snap};

/// Name, and how a packet is wrapped.
pub(crate) const ALL: &[(&str, Wrap)] = &[
    ("trailer", |ip| [&ethernet(ip)[..], &[0; 8]].concat()),
    ("802.3 with SNAP", |ip| frame(snap(ip).len() as u16, &snap(ip))),
    ("802.1Q", |ip| frame(0x8100, &tagged(&[], ip))),
    ("QinQ", |ip| frame(0x88a8, &tagged(&[0, 9, 0x81, 0], ip))),
    ("9100", |ip| frame(0x9100, &tagged(&[0, 9, 0x91, 0, 0, 8, 0x81, 0], ip))),
    ("ten tags", |ip| frame(0x8100, &tagged(&[0, 9, 0x81, 0].repeat(9), ip))),
    ("PPPoE", |ip| frame(0x8864, &pppoe(ip))),
    ("MPLS", |ip| frame(0x8847, &[&[0, 1, 0, 64, 0, 2, 1, 64], ip].concat())),
    ("MPLS pseudowire", |ip| {
        frame(0x8847, &[&[0, 2, 1, 64, 0, 0, 0, 0], &ethernet(ip)[..]].concat())
    }),
    ("MACsec", |ip| frame(0x88e5, &[&[0, 0, 0, 0, 0, 1], &kind(ip)[..], ip, &[0; 16]].concat())),
    ("PBB", |ip| frame(0x88e7, &[&[0, 0, 0, 1], &ethernet(ip)[..]].concat())),
    ("NSH", |ip| frame(0x894f, &[&[0, 2, 1, next(ip), 0, 0, 0, 0], ip].concat())),
    ("IPIP, 6in4", |ip| ethernet(&outer(inner(ip), ip))),
    ("4in6, 6in6", |ip| ethernet(&outer_v6(inner(ip), ip))),
    ("GRE", |ip| ethernet(&gre(ip))),
    ("GRE with key", |ip| {
        ethernet(&outer(47, &[&[0xb0, 0], &kind(ip)[..], &[0; 12], ip].concat()))
    }),
    ("GRE with Ethernet", |ip| over_gre(&[0, 0, 0x65, 0x58], &ethernet(ip))),
    ("PPTP", |ip| {
        let header = [&[0x30, 0x81, 0x88, 0x0b], &[0; 12][..]].concat();
        over_gre(&header, &ppp(ip)[3..])
    }),
    ("ERSPAN I", |ip| over_gre(&[0, 0, 0x88, 0xbe], &ethernet(ip))),
    ("ERSPAN II", |ip| {
        over_gre(&[&[0x10, 0, 0x88, 0xbe], &[0; 4][..], &[0x10; 8]].concat(), &ethernet(ip))
    }),
    ("ERSPAN III", |ip| over_gre(&[&[0x10, 0, 0x22, 0xeb], &[0; 16][..]].concat(), &ethernet(ip))),
    ("ERSPAN III with subheader", |ip| {
        let header = [&[0x10, 0, 0x22, 0xeb], &[0; 15][..], &[1], &[0; 8]].concat();
        over_gre(&header, &ethernet(ip))
    }),
    ("EtherIP", |ip| ethernet(&outer(97, &[&[0x30, 0], &ethernet(ip)[..]].concat()))),
    ("L2TPv3", |ip| {
        ethernet(&outer(115, &[&[0, 0, 0, 5, 1, 2, 3, 4], &ethernet(ip)[..]].concat()))
    }),
    ("L2TPv2", |ip| ethernet(&to_port(1701, &[&[0, 2, 0, 1, 0, 1], &ppp(ip)[..]].concat()))),
    ("MPLS in IP", |ip| ethernet(&outer(137, &[&[0, 2, 1, 64], ip].concat()))),
    ("MPLS over UDP", |ip| ethernet(&to_port(6635, &[&[0, 2, 1, 64], ip].concat()))),
    ("AH", |ip| {
        let header = [&[protocol(ip), 4], &[0; 22][..]].concat();
        ethernet(&with_payload(ip, 51, &[&header, payload(ip)].concat()))
    }),
    ("ESP-NULL, 12", |ip| ethernet(&with_payload(ip, 50, &esp(protocol(ip), payload(ip), 12)))),
    ("ESP-NULL, 16", |ip| ethernet(&with_payload(ip, 50, &esp(protocol(ip), payload(ip), 16)))),
    ("ESP-NULL tunnel", |ip| ethernet(&outer(50, &esp(inner(ip), ip, 12)))),
    ("ESP-NULL over UDP", |ip| ethernet(&to_port(4500, &esp(inner(ip), ip, 12)))),
    ("destination options", |ip| {
        let header = [protocol(ip), 0, 1, 4, 0, 0, 0, 0];
        ethernet(&with_payload(ip, 60, &[&header, payload(ip)].concat()))
    }),
    ("VXLAN", |ip| ethernet(&vxlan(ip))),
    ("VXLAN GPE", |ip| ethernet(&to_port(4790, &[&[12, 0, 0, next(ip), 0, 0, 1, 0], ip].concat()))),
    ("Geneve", |ip| {
        let header = [1, 0, 0x65, 0x58, 0, 0, 1, 0, 0, 0, 0, 0];
        ethernet(&to_port(6081, &[&header, &ethernet(ip)[..]].concat()))
    }),
    ("GTP-U", |ip| ethernet(&gtp(ip))),
    ("GTP-U with extension", |ip| {
        let length = (ip.len() as u16 + 8).to_be_bytes();
        let header = [&[0x34, 255], &length[..], &[0, 0, 0, 9, 0, 0, 0, 0x85, 1, 0, 9, 0]].concat();
        ethernet(&to_port(2152, &[&header, ip].concat()))
    }),
    ("TZSP", |ip| {
        ethernet(&to_port(37008, &[&[1, 0, 0, 1, 10, 1, 50, 0, 1], &ethernet(ip)[..]].concat()))
    }),
    ("UDP-Lite", |ip| {
        let mut packet = with_payload(ip, 136, payload(ip));
        let length = packet.len() - payload(ip).len() + 4;
        packet[length..length + 2].copy_from_slice(&[0, 8]);
        ethernet(&packet)
    }),
    ("HEP1", |ip| ethernet(&to_port(9060, &hep(1, ip)))),
    ("HEP2", |ip| ethernet(&to_port(9060, &hep(2, ip)))),
    ("HEP3", |ip| ethernet(&to_port(9999, &hep3(ip)))),
    ("VXLAN in VLAN in MPLS", |ip| {
        let vlan = frame(0x8100, &tagged(&[], &vxlan(ip)));
        frame(0x8847, &[&[0, 2, 1, 64, 0, 0, 0, 0], &vlan[..]].concat())
    }),
    ("GTP-U in GRE in IPIP in 6in6", |ip| {
        let ipip = outer(4, &gre(&gtp(ip)));
        ethernet(&outer_v6(4, &ipip))
    }),
    ("HEP3 in ERSPAN in PPPoE", |ip| {
        let mirrored = ethernet(&to_port(9060, &hep3(ip)));
        let erspan = outer(47, &[&[0, 0, 0x88, 0xbe], &mirrored[..]].concat());
        frame(0x8864, &pppoe(&erspan))
    }),
    ("eight times IPIP", |ip| {
        ethernet(&(0..8).fold(ip.to_vec(), |packet, _| outer(inner(&packet), &packet)))
    }),
];

/// The protocol number of a packet in a packet.
fn inner(ip: &[u8]) -> u8 {
    if is_v6(ip) { 41 } else { 4 }
}

/// The protocol of NSH and of VXLAN GPE.
fn next(ip: &[u8]) -> u8 {
    if is_v6(ip) { 2 } else { 1 }
}

fn tagged(tags: &[u8], ip: &[u8]) -> Vec<u8> {
    [tags, &[0x20, 7], &kind(ip), ip].concat()
}

fn to_port(port: u16, payload: &[u8]) -> Vec<u8> {
    outer(17, &udp(port, payload))
}

fn over_gre(header: &[u8], payload: &[u8]) -> Vec<u8> {
    ethernet(&outer(47, &[header, payload].concat()))
}

fn gre(ip: &[u8]) -> Vec<u8> {
    outer(47, &[&[0, 0], &kind(ip)[..], ip].concat())
}

fn vxlan(ip: &[u8]) -> Vec<u8> {
    to_port(4789, &[&[8, 0, 0, 0, 0, 0, 1, 0], &ethernet(ip)[..]].concat())
}

fn gtp(ip: &[u8]) -> Vec<u8> {
    let length = (ip.len() as u16).to_be_bytes();
    to_port(2152, &[&[0x30, 255], &length[..], &[0, 0, 0, 9], ip].concat())
}

/// ESP without encryption: header, payload, padding, integrity value.
fn esp(protocol: u8, payload: &[u8], integrity: usize) -> Vec<u8> {
    let padding = (4 - (payload.len() + 2) % 4) % 4;
    let pad: Vec<u8> = (1..=padding as u8).collect();
    let trailer = [padding as u8, protocol];
    [&[0, 0, 1, 2, 0, 0, 0, 7], payload, &pad, &trailer, &vec![0xa5; integrity]].concat()
}

/// HEP of version 1 or 2.
fn hep(version: u8, ip: &[u8]) -> Vec<u8> {
    let [source, destination] = addresses(ip);
    let ports = ports(ip);
    let (length, family) = if is_v6(ip) { (40, 10) } else { (16, 2) };
    let header = [version, length, family, 17];
    let time: &[u8] = if version == 1 { &[] } else { &[0; 12] };
    [&header, ports.as_flattened(), source, destination, time, datagram(ip)].concat()
}

/// HEP of version 3.
pub(crate) fn hep3(ip: &[u8]) -> Vec<u8> {
    let [source, destination] = addresses(ip);
    let [from, to] = ports(ip);
    let chunk = |kind: u16, value: &[u8]| {
        let fields = [0, kind, value.len() as u16 + 6].map(u16::to_be_bytes);
        [fields.as_flattened(), value].concat()
    };
    let (family, first, second) = if is_v6(ip) { (10, 5, 6) } else { (2, 3, 4) };
    let chunks = [
        chunk(1, &[family]),
        chunk(2, &[17]),
        chunk(first, source),
        chunk(second, destination),
        chunk(7, &from),
        chunk(8, &to),
        chunk(11, &[1]),
        chunk(15, datagram(ip)),
    ]
    .concat();
    [b"HEP3", &(chunks.len() as u16 + 6).to_be_bytes()[..], &chunks].concat()
}
