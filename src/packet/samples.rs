//! Hand-made packets: the same datagram in every wrapping that is read.

use crate::capture::LinkType;

/// What the datagram carries.
pub(super) const MESSAGE: &[u8] =
    b"OPTIONS sip:bob@198.51.100.2 SIP/2.0\r\nContent-Length: 0\r\n\r\n";

const UDP: u8 = 17;

pub(super) fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

pub(super) fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() + 8) as u16;
    let fields = [source, destination, length, 0].map(u16::to_be_bytes);
    join(&[fields.as_flattened(), payload])
}

pub(super) fn tcp(source: u16, destination: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let ports = [source, destination].map(u16::to_be_bytes);
    let numbers = [sequence, 1].map(u32::to_be_bytes);
    let rest = [0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0];
    join(&[ports.as_flattened(), numbers.as_flattened(), &rest, payload])
}

/// An IPv4 packet from 192.0.2.1 to 198.51.100.2.
pub(super) fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_piece(protocol, 0x1234, 0, payload)
}

/// The same with an identification, and with the field that holds flags and fragment offset.
pub(super) fn ipv4_piece(protocol: u8, id: u16, field: u16, payload: &[u8]) -> Vec<u8> {
    let fields = [(payload.len() + 20) as u16, id, field].map(u16::to_be_bytes);
    let addresses = [192, 0, 2, 1, 198, 51, 100, 2];
    join(&[&[0x45, 0], fields.as_flattened(), &[64, protocol, 0, 0], &addresses, payload])
}

/// An IPv6 packet from 2001:db8::1 to 2001:db8::2.
pub(super) fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u16).to_be_bytes();
    let mut addresses = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1].repeat(2);
    addresses[31] = 2;
    join(&[&[0x60, 0, 0, 0], &length, &[next, 64], &addresses, payload])
}

pub(super) fn ethernet(protocol: u16, payload: &[u8]) -> Vec<u8> {
    join(&[&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1], &protocol.to_be_bytes(), payload])
}

/// The datagram from 192.0.2.1:5060 to 198.51.100.2:5060.
pub(super) fn datagram() -> Vec<u8> {
    ipv4(UDP, &udp(5060, 5060, MESSAGE))
}

/// An outer datagram to a port.
fn to_port(port: u16, payload: &[u8]) -> Vec<u8> {
    ethernet(0x0800, &ipv4(UDP, &udp(40_000, port, payload)))
}

fn in_ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ethernet(0x0800, &ipv4(protocol, payload))
}

/// ESP without encryption: header, payload, padding to four bytes, integrity value.
pub(super) fn esp_null(protocol: u8, payload: &[u8], integrity: usize) -> Vec<u8> {
    let padding = (4 - (payload.len() + 2) % 4) % 4;
    let pad: Vec<u8> = (1..=padding as u8).collect();
    let trailer = [padding as u8, protocol];
    join(&[&[0, 0, 1, 2, 0, 0, 0, 7], payload, &pad, &trailer, &vec![0xa5; integrity]])
}

/// A HEP packet of version 3.
pub(super) fn hep3(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut chunks = Vec::new();
    let mut chunk = |kind: u16, value: &[u8]| {
        let fields = [0, kind, value.len() as u16 + 6].map(u16::to_be_bytes);
        chunks.extend_from_slice(fields.as_flattened());
        chunks.extend_from_slice(value);
    };
    chunk(1, &[2]);
    chunk(2, &[protocol]);
    chunk(3, &[192, 0, 2, 1]);
    chunk(4, &[198, 51, 100, 2]);
    chunk(7, &5060_u16.to_be_bytes());
    chunk(8, &5060_u16.to_be_bytes());
    chunk(9, &1_700_000_000_u32.to_be_bytes());
    chunk(10, &250_000_u32.to_be_bytes());
    chunk(11, &[1]);
    chunk(12, &[0, 0, 0, 1]);
    chunk(15, payload);
    join(&[b"HEP3", &(chunks.len() as u16 + 6).to_be_bytes(), &chunks])
}

/// A PDU as Wireshark exports it; port type 2 is TCP, 3 is UDP.
pub(super) fn exported(port_type: u8, payload: &[u8]) -> Vec<u8> {
    let mut tags = Vec::new();
    let mut tag = |kind: u16, value: &[u8]| {
        let fields = [kind, value.len() as u16].map(u16::to_be_bytes);
        tags.extend_from_slice(fields.as_flattened());
        tags.extend_from_slice(value);
    };
    tag(12, b"sip\0");
    tag(20, &[192, 0, 2, 1]);
    tag(21, &[198, 51, 100, 2]);
    tag(24, &[0, 0, 0, port_type]);
    tag(25, &5060_u32.to_be_bytes());
    tag(26, &5060_u32.to_be_bytes());
    tag(0, &[]);
    join(&[&tags, payload])
}

fn link_types() -> Vec<(&'static str, LinkType, Vec<u8>)> {
    let ip = &datagram()[..];
    let snap = &join(&[&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], ip])[..];
    let cooked = join(&[&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0], ip]);
    let cooked2 = join(&[&[8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0], ip]);
    let wireless = join(&[&[0x08, 0x01], &[0; 22], snap]);
    let wireless_qos = join(&[&[0x88, 0x03], &[0; 30], snap]);
    let wireless_padded = join(&[&[0x88, 0x01], &[0; 24], &[0, 0], snap]);
    let radiotap = join(&[&[0, 0, 9, 0, 2, 0, 0, 0, 0], &wireless]);
    let radiotap_padded =
        join(&[&[0, 0, 17, 0, 3, 0, 0, 0], &[1, 2, 3, 4, 5, 6, 7, 8, 0x20], &wireless_padded]);
    let avs = join(&[&[0x80, 0x21, 0x10, 1, 0, 0, 0, 64], &[0; 56], &wireless]);
    let log_length = (ip.len() as u16 + 4).to_le_bytes();
    let nflog = join(&[&[2, 0, 0, 0, 8, 0, 1, 0, 8, 0, 0, 0], &log_length, &[9, 0], ip]);
    let erf = [&[0; 8][..], &[0x82], &[0; 7], &[0; 8], &[0; 2], &ethernet(0x0800, ip)].concat();
    let tap = join(&[&[108, 0, 0, 0, 1, 0, 0, 0, 12, 0, 0, 0], &[0; 96], ip]);
    vec![
        ("NULL, little-endian", LinkType::NULL, join(&[&[2, 0, 0, 0], ip])),
        ("NULL, big-endian", LinkType::NULL, join(&[&[0, 0, 0, 2], ip])),
        ("LOOP", LinkType::LOOP, join(&[&[0, 0, 0, 2], ip])),
        ("RAW", LinkType::RAW, ip.to_vec()),
        ("RAW 12", LinkType(12), ip.to_vec()),
        ("RAW 14", LinkType(14), ip.to_vec()),
        ("IPV4", LinkType::IPV4, ip.to_vec()),
        ("SLL", LinkType::LINUX_SLL, cooked),
        ("SLL2", LinkType::LINUX_SLL2, cooked2),
        ("PPP", LinkType(9), join(&[&[0xff, 3, 0, 0x21], ip])),
        ("PPP, compressed", LinkType(9), join(&[&[0x21], ip])),
        ("PPP with direction", LinkType(204), join(&[&[1, 0xff, 3, 0, 0x21], ip])),
        ("Cisco HDLC", LinkType(104), join(&[&[0x0f, 0, 8, 0], ip])),
        ("frame relay", LinkType(107), join(&[&[0x18, 0x41, 3, 0xcc], ip])),
        ("ATM", LinkType(100), snap.to_vec()),
        ("PF log", LinkType(117), join(&[&[61, 2], &[0; 62], ip])),
        ("802.11", LinkType(105), wireless),
        ("802.11 with four addresses and QoS", LinkType(105), wireless_qos),
        ("radiotap", LinkType(127), radiotap),
        ("radiotap, padded", LinkType(127), radiotap_padded),
        ("AVS", LinkType(163), avs.clone()),
        ("AVS as Prism", LinkType(119), avs),
        ("Token ring", LinkType(6), join(&[&[0; 14], snap])),
        ("FDDI", LinkType(10), join(&[&[0; 13], snap])),
        ("ERF", LinkType(197), erf),
        ("PPI", LinkType(192), join(&[&[0, 0, 8, 0, 101, 0, 0, 0], ip])),
        ("NFLOG", LinkType(239), nflog),
        ("PKTAP", LinkType(258), tap),
        ("exported PDU", LinkType(252), exported(3, MESSAGE)),
    ]
}

fn frames() -> Vec<(&'static str, Vec<u8>)> {
    let ip = &datagram()[..];
    let length = ip.len() as u16;
    let snap = &join(&[&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], ip])[..];
    let frame = &ethernet(0x0800, ip)[..];
    let udp = &udp(5060, 5060, MESSAGE)[..];
    let pppoe = join(&[&[0x11, 0, 0, 1], &(length + 2).to_be_bytes(), &[0, 0x21], ip]);
    let options = join(&[&[UDP, 0, 1, 4, 0, 0, 0, 0], udp]);
    let hep = |version: u8, time: &[u8]| {
        let header = [version, 16, 2, UDP, 0x13, 0xc4, 0x13, 0xc4];
        join(&[&header, &[192, 0, 2, 1, 198, 51, 100, 2], time, MESSAGE])
    };
    let gtp = |flags: u8, options: &[u8]| {
        let length = (length + options.len() as u16).to_be_bytes();
        join(&[&[flags, 255], &length, &[0, 0, 0, 9], options, ip])
    };
    vec![
        ("Ethernet", frame.to_vec()),
        ("Ethernet with trailer", join(&[frame, &[0; 8]])),
        ("802.3 with SNAP", ethernet(snap.len() as u16, snap)),
        ("802.1Q", ethernet(0x8100, &join(&[&[0x20, 7, 8, 0], ip]))),
        ("QinQ", ethernet(0x88a8, &join(&[&[0, 9, 0x81, 0, 0, 7, 8, 0], ip]))),
        ("9100", ethernet(0x9100, &join(&[&[0, 9, 0x91, 0, 0, 8, 0x81, 0, 0, 7, 8, 0], ip]))),
        ("MPLS", ethernet(0x8847, &join(&[&[0, 1, 0, 64, 0, 2, 1, 64], ip]))),
        ("MPLS pseudowire", ethernet(0x8847, &join(&[&[0, 2, 1, 64, 0, 0, 0, 0], frame]))),
        ("PPPoE", ethernet(0x8864, &pppoe)),
        ("MACsec", ethernet(0x88e5, &join(&[&[0, 0, 0, 0, 0, 1, 8, 0], ip, &[0; 16]]))),
        ("PBB", ethernet(0x88e7, &join(&[&[0, 0, 0, 1], frame]))),
        ("NSH", ethernet(0x894f, &join(&[&[0, 2, 1, 1, 0, 0, 0, 0], ip]))),
        ("IPIP", in_ipv4(4, ip)),
        ("4in6", ethernet(0x86dd, &ipv6(4, ip))),
        ("GRE", in_ipv4(47, &join(&[&[0, 0, 8, 0], ip]))),
        ("GRE with key", in_ipv4(47, &join(&[&[0xb0, 0, 8, 0], &[0; 12], ip]))),
        ("GRE with Ethernet", in_ipv4(47, &join(&[&[0, 0, 0x65, 0x58], frame]))),
        ("PPTP", in_ipv4(47, &join(&[&[0x30, 0x81, 0x88, 0x0b], &[0; 12], &[0x21], ip]))),
        ("ERSPAN I", in_ipv4(47, &join(&[&[0, 0, 0x88, 0xbe], frame]))),
        ("ERSPAN II", in_ipv4(47, &join(&[&[0x10, 0, 0x88, 0xbe], &[0; 4], &[0x10; 8], frame]))),
        ("ERSPAN III", in_ipv4(47, &join(&[&[0x10, 0, 0x22, 0xeb], &[0; 16], frame]))),
        (
            "ERSPAN III with subheader",
            in_ipv4(47, &join(&[&[0x10, 0, 0x22, 0xeb], &[0; 15], &[1], &[0; 8], frame])),
        ),
        ("EtherIP", in_ipv4(97, &join(&[&[0x30, 0], frame]))),
        ("L2TPv3", in_ipv4(115, &join(&[&[0, 0, 0, 5, 1, 2, 3, 4], frame]))),
        ("MPLS in IP", in_ipv4(137, &join(&[&[0, 2, 1, 64], ip]))),
        ("AH", in_ipv4(51, &join(&[&[UDP, 4], &[0; 22], udp]))),
        ("ESP-NULL, 12", in_ipv4(50, &esp_null(UDP, udp, 12))),
        ("ESP-NULL, 16", in_ipv4(50, &esp_null(UDP, udp, 16))),
        ("ESP-NULL tunnel", in_ipv4(50, &esp_null(4, ip, 12))),
        ("ESP-NULL over UDP", to_port(4500, &esp_null(UDP, udp, 12))),
        ("IPv4 options", in_options(udp)),
        ("VXLAN", to_port(4789, &join(&[&[8, 0, 0, 0, 0, 0, 1, 0], frame]))),
        ("VXLAN GPE", to_port(4790, &join(&[&[12, 0, 0, 1, 0, 0, 1, 0], ip]))),
        ("Geneve", to_port(6081, &join(&[&[1, 0, 0x65, 0x58, 0, 0, 1, 0, 0, 0, 0, 0], frame]))),
        ("GTP-U", to_port(2152, &gtp(0x30, &[]))),
        ("GTP-U with extension", to_port(2152, &gtp(0x34, &[0, 0, 0, 0x85, 1, 0, 9, 0]))),
        ("TZSP", to_port(37008, &join(&[&[1, 0, 0, 1, 10, 1, 50, 0, 1], frame]))),
        ("L2TP", to_port(1701, &join(&[&[0, 2, 0, 1, 0, 1, 0xff, 3, 0, 0x21], ip]))),
        ("MPLS over UDP", to_port(6635, &join(&[&[0, 2, 1, 64], ip]))),
        ("HEP1", to_port(9060, &hep(1, &[]))),
        ("HEP2", to_port(9060, &hep(2, &[0; 12]))),
        ("HEP3", to_port(9999, &hep3(UDP, MESSAGE))),
        ("IPv4 in IPv6 with options", ethernet(0x86dd, &ipv6(60, &in_options_v6(ip)))),
        ("destination options behind nothing", ethernet(0x0800, &ipv4(60, &options))),
    ]
}

fn in_options_v6(ip: &[u8]) -> Vec<u8> {
    join(&[&[4, 0, 1, 4, 0, 0, 0, 0], ip])
}

fn in_options(udp: &[u8]) -> Vec<u8> {
    let mut packet = ipv4(UDP, &join(&[&[1, 1, 1, 0], udp]));
    packet[0] = 0x46;
    ethernet(0x0800, &packet)
}

/// The datagram in every wrapping: what it is, link type, bytes.
pub(super) fn wrapped() -> Vec<(&'static str, LinkType, Vec<u8>)> {
    let frames = frames().into_iter().map(|(name, bytes)| (name, LinkType::ETHERNET, bytes));
    link_types().into_iter().chain(frames).collect()
}
