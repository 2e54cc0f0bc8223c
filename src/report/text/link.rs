//! Names of link types, as the registry of tcpdump.org spells them without the prefix LINKTYPE_.

use crate::capture::LinkType;
use crate::catalogue::Labels;

/// Registered names that captures of signalling have.
const NAMES: &[(u16, &str)] = &[
    (0, "NULL"),
    (1, "Ethernet"),
    (6, "Token Ring"),
    (9, "PPP"),
    (50, "PPP HDLC"),
    (51, "PPPoE"),
    (101, "Raw IP"),
    (104, "Cisco HDLC"),
    (105, "IEEE 802.11"),
    (107, "Frame Relay"),
    (108, "LOOP"),
    (113, "Linux SLL"),
    (119, "IEEE 802.11 Prism"),
    (127, "IEEE 802.11 Radiotap"),
    (140, "MTP2"),
    (141, "MTP3"),
    (142, "SCCP"),
    (189, "USB Linux"),
    (220, "USB Linux mmapped"),
    (228, "IPv4"),
    (229, "IPv6"),
    (248, "SCTP"),
    (249, "USBPcap"),
    (252, "Wireshark Upper PDU"),
    (253, "NETLINK"),
    (276, "Linux SLL2"),
];

/// The name of a link type, its number where it has none here.
pub(super) fn name(link: LinkType, words: Labels) -> String {
    match link {
        LinkType::UNDECLARED => words.get("link-undeclared").to_owned(),
        LinkType::NOT_A_PACKET => words.get("link-no-packet").to_owned(),
        LinkType(number) => {
            let known = NAMES.iter().find(|name| name.0 == number);
            known.map_or_else(|| format!("LINKTYPE {number}"), |name| name.1.to_owned())
        }
    }
}
