//! From frames to datagrams and TCP segments: link types, tags, tunnels, IP fragments.
//!
//! The addresses that come out are the innermost ones. Knows nothing of SIP.

mod esp;
mod fragments;
pub mod hep;
mod icmp;
mod ip;
mod link;
mod ordinary;
mod piece;
mod ppp;
#[cfg(test)]
mod samples;
mod tunnel;
mod wireless;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::capture::Frame;
use crate::limits;

pub use fragments::{Defragmenter, Incomplete, Lost, Reassembled};
pub use icmp::{IcmpError, IcmpKind};
pub use ordinary::{Addresses, Datagram};
pub use piece::Piece;

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Endpoint {
    /// The IP address.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
}

/// `192.0.2.1:5060`, `[2001:db8::1]:5060`.
impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self { address: address.ip(), port: address.port() }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            IpAddr::V4(address) => write!(f, "{address}:{}", self.port),
            IpAddr::V6(address) => write!(f, "[{address}]:{}", self.port),
        }
    }
}

/// What the headers below the payload said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Path {
    /// Where the packet came from; port 0 where the protocol has none.
    pub source: Endpoint,
    /// Where it went.
    pub destination: Endpoint,
    /// Identification of the IPv4 header, 0 where there is none.
    pub ip_id: u16,
    /// Innermost VLAN identifier, 0 where there is none.
    pub vlan: u16,
}

/// What one frame carries, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub enum Packet<'a> {
    /// A UDP (or UDP-Lite) datagram.
    Udp {
        /// From where to where.
        path: Path,
        /// What follows the UDP header.
        payload: &'a [u8],
        /// The payload is shorter than its header says.
        is_cut: bool,
    },
    /// A TCP segment.
    Tcp(Segment<'a>),
    /// A whole message of a stream protocol, without the stream: the sender of a HEP packet, or the
    /// tool that exported it, took it out.
    Message {
        /// From where to where, as the sender or the tool says.
        path: Path,
        /// The IP protocol that carried it: 6 for TCP and what is above it.
        protocol: u8,
        /// The message.
        payload: &'a [u8],
        /// The message is shorter than its header says.
        is_cut: bool,
    },
    /// A piece of an IP packet.
    Fragment(Fragment<'a>),
    /// An ICMP or ICMPv6 message.
    Icmp {
        /// From where to where; no ports.
        path: Path,
        /// The message: type, code, and what it quotes.
        message: &'a [u8],
    },
    /// An SCTP packet.
    Sctp {
        /// From where to where.
        path: Path,
        /// The chunks that follow the common header.
        chunks: &'a [u8],
    },
    /// ESP that could not be read: encrypted.
    Encrypted {
        /// From where to where; no ports.
        path: Path,
    },
    /// Another protocol above IP, or no IP at all.
    Other,
    /// A header that we do not read, or one that is cut or broken.
    Unread(Unread),
}

/// Why a frame gave no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub enum Unread {
    /// A link type that is not known here.
    LinkType(u16),
    /// A header that is cut or contradicts itself.
    Malformed,
    /// More headers inside headers than the limit.
    TooDeep,
}

/// A TCP segment.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// From where to where.
    pub path: Path,
    /// Sequence number of its first byte (of SYN, if that is set).
    pub sequence: u32,
    /// The sequence number that its sender waits for, if the flags have ACK.
    pub acknowledgement: u32,
    /// The flags: FIN 1, SYN 2, RST 4, ACK 16.
    pub flags: u8,
    /// Its header with the options.
    pub header: &'a [u8],
    /// Its bytes.
    pub payload: &'a [u8],
    /// Bytes at its end that the snap length cut off.
    pub missing: u32,
}

/// A piece of an IP packet.
#[derive(Clone, Copy, Debug)]
pub struct Fragment<'a> {
    /// Source and destination; no ports.
    pub path: Path,
    /// Identification; 32 bits in IPv6.
    pub id: u32,
    /// The protocol of the whole packet.
    pub protocol: u8,
    /// Where the piece begins, in bytes.
    pub offset: u32,
    /// More pieces follow.
    pub more: bool,
    /// The piece.
    pub payload: &'a [u8],
    /// The piece is shorter than its header says.
    pub is_cut: bool,
    /// Bytes at its end that the snap length cut off.
    pub missing: u32,
}

/// What a frame carries. Costs a few nanoseconds for what is ordinary, and copies nothing.
#[inline]
pub fn decode<'a>(frame: &Frame<'a>) -> Packet<'a> {
    match datagram(frame) {
        Some(datagram) => datagram.packet(),
        None => layered(frame),
    }
}

/// The datagram in a frame that has nothing out of the ordinary: [`decode`] gives the same.
#[inline]
pub fn datagram<'a>(frame: &Frame<'a>) -> Option<Datagram<'a>> {
    ordinary::datagram(frame.link, frame.data)
}

/// What a frame carries, layer by layer.
pub fn layered<'a>(frame: &Frame<'a>) -> Packet<'a> {
    let missing = frame.original_length.saturating_sub(frame.data.len() as u32);
    link::frame(frame.link, frame.data, Descent { depth: 0, vlan: 0, missing })
}

/// The way down through the headers of a frame.
#[derive(Clone, Copy, Debug, Default)]
struct Descent {
    /// Headers of tunnels and tags passed so far.
    depth: u8,
    /// The innermost VLAN identifier so far, 0 for none.
    vlan: u16,
    /// Bytes that the snap length cut off the frame.
    missing: u32,
}

impl Descent {
    /// One more header inside a header.
    #[inline]
    fn deeper(self) -> Result<Self, Unread> {
        let depth = self.depth.saturating_add(1);
        match usize::from(depth) > limits::ENCAPSULATION_DEPTH_MAX {
            true => Err(Unread::TooDeep),
            false => Ok(Self { depth, ..self }),
        }
    }
}

/// A layer read, or why not.
type Layer<'a> = Result<Packet<'a>, Unread>;

/// The value, or else the header is malformed.
trait OrMalformed<T> {
    fn or_malformed(self) -> Result<T, Unread>;
}

impl<T> OrMalformed<T> for Option<T> {
    #[inline]
    fn or_malformed(self) -> Result<T, Unread> {
        self.ok_or(Unread::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{self, MESSAGE, datagram, ethernet, ipv4, ipv6, tcp, udp};
    use super::*;
    use crate::capture::{FrameId, LinkType};
    use crate::time::Time;

    fn frame(link: LinkType, data: &[u8]) -> Frame<'_> {
        let original_length = data.len() as u32;
        Frame { id: FrameId::default(), time: Time::default(), link, data, original_length }
    }

    fn decoded(data: &[u8]) -> Packet<'_> {
        decode(&frame(LinkType::ETHERNET, data))
    }

    fn endpoint(address: [u8; 4], port: u16) -> Endpoint {
        Endpoint { address: address.into(), port }
    }

    #[test]
    fn finds_the_datagram_in_every_wrapping() {
        for (name, link, bytes) in samples::wrapped() {
            let Packet::Udp { path, payload, is_cut } = decode(&frame(link, &bytes)) else {
                panic!("{name}: {:?}", decode(&frame(link, &bytes)));
            };
            assert_eq!(payload, MESSAGE, "{name}");
            assert_eq!(path.source, endpoint([192, 0, 2, 1], 5060), "{name}");
            assert_eq!(path.destination, endpoint([198, 51, 100, 2], 5060), "{name}");
            assert!(!is_cut, "{name}");
        }
    }

    #[test]
    fn reads_ipv6_behind_its_extension_headers() {
        let inner = udp(5060, 5060, MESSAGE);
        let extensions = samples::join(&[&[43, 0, 1, 4, 0, 0, 0, 0], &[17, 0], &[0; 6], &inner]);
        let atomic = samples::join(&[&[17, 0, 0, 0, 0, 0, 0, 9], &inner]);
        let over_ipv4 = ipv6(17, &inner);
        for data in [
            ethernet(0x86dd, &ipv6(17, &inner)),
            ethernet(0x86dd, &ipv6(0, &extensions)),
            ethernet(0x86dd, &ipv6(44, &atomic)),
            ethernet(0x0800, &ipv4(41, &over_ipv4)),
            ethernet(0x0800, &ipv4(17, &udp(3544, 3544, &over_ipv4))),
        ] {
            let Packet::Udp { path, payload, .. } = decoded(&data) else {
                panic!("{:?}", decoded(&data));
            };
            assert_eq!(payload, MESSAGE);
            assert_eq!(path.source.to_string(), "[2001:db8::1]:5060");
            assert_eq!(path.destination.to_string(), "[2001:db8::2]:5060");
        }
    }

    #[test]
    fn leaves_ordinary_datagrams_on_tunnel_ports_alone() {
        let media = [0x80, 8, 0, 1, 0, 0, 0, 0xa0, 1, 2, 3, 4, 0x55, 0x55, 0x55, 0x55];
        for port in [1701, 2152, 3544, 4500, 4789, 4790, 6081, 6635, 8472, 9060, 9061, 37008] {
            for payload in [MESSAGE, &media, &[0; 40], &[1; 40], b"\r\n\r\n", b""] {
                let data = ethernet(0x0800, &ipv4(17, &udp(40_000, port, payload)));
                let Packet::Udp { path, payload: found, .. } = decoded(&data) else {
                    panic!("{port}: {:?}", decoded(&data));
                };
                assert_eq!((path.destination.port, found), (port, payload));
            }
        }
    }

    #[test]
    fn tells_tcp_segments_and_what_was_cut_off_them() {
        let data = ethernet(0x0800, &ipv4(6, &tcp(40_000, 5060, 77, MESSAGE)));
        let Packet::Tcp(segment) = decoded(&data) else { panic!("{:?}", decoded(&data)) };
        assert_eq!((segment.sequence, segment.flags), (77, 0x18));
        assert_eq!((segment.payload, segment.missing), (MESSAGE, 0));

        let Packet::Tcp(segment) = decoded(&data[..data.len() - 10]) else { panic!() };
        assert_eq!(segment.missing, 10);
    }

    #[test]
    fn marks_datagrams_that_the_snap_length_cut() {
        let data = ethernet(0x0800, &datagram());
        let Packet::Udp { payload, is_cut, .. } = decoded(&data[..data.len() - 5]) else {
            panic!()
        };
        assert_eq!((payload.len(), is_cut), (MESSAGE.len() - 5, true));
    }

    #[test]
    fn takes_the_length_of_the_frame_where_the_header_has_none() {
        let mut data = ethernet(0x0800, &datagram());
        data[16..18].fill(0);
        data[38..40].fill(0);
        let Packet::Udp { payload, is_cut, .. } = decoded(&data) else { panic!() };
        assert_eq!((payload, is_cut), (MESSAGE, false));

        let mut cut = frame(LinkType::ETHERNET, &data);
        cut.original_length += 100;
        assert!(matches!(decode(&cut), Packet::Udp { is_cut: true, .. }));
    }

    #[test]
    fn gives_messages_that_came_without_their_stream() {
        let hep = samples::hep3(6, MESSAGE);
        let data = ethernet(0x0800, &ipv4(17, &udp(40_000, 9060, &hep)));
        let Packet::Message { path, protocol, payload, .. } = decoded(&data) else { panic!() };
        assert_eq!((path.source.port, protocol, payload), (5060, 6, MESSAGE));
        let parsed = hep::parse(&hep).expect("a HEP packet");
        assert_eq!(parsed.time, Some(Time::from_parts(1_700_000_000, 250_000_000)));
        assert_eq!((parsed.kind, hep::length(&hep)), (1, Some(hep.len())));

        let data = samples::exported(2, MESSAGE);
        let packet = decode(&frame(LinkType(252), &data));
        assert!(matches!(packet, Packet::Message { payload: MESSAGE, .. }));
    }

    type Judge = fn(&Packet<'_>) -> bool;

    #[test]
    fn says_why_it_read_nothing() {
        let deep = (0..40).fold(datagram(), |inner, _| ipv4(4, &inner));
        let tags = [0x81, 0, 0, 7].repeat(40);
        let secret = ipv4(50, &[0x5a; 96]);
        let cases: [(&str, Vec<u8>, Judge); 6] = [
            ("tunnels", ethernet(0x0800, &deep), is_too_deep),
            ("tags", ethernet(0x8100, &tags[2..]), is_too_deep),
            ("no header", vec![0; 9], is_malformed),
            ("cut header", ethernet(0x0800, &datagram()[..15]), is_malformed),
            ("encrypted", ethernet(0x0800, &secret), |p| matches!(p, Packet::Encrypted { .. })),
            ("ARP", ethernet(0x0806, &[0; 28]), |packet| matches!(packet, Packet::Other)),
        ];
        for (name, data, expected) in cases {
            assert!(expected(&decoded(&data)), "{name}: {:?}", decoded(&data));
        }
        let unknown = decode(&frame(LinkType(195), &[0; 40]));
        assert!(matches!(unknown, Packet::Unread(Unread::LinkType(195))));
    }

    fn is_too_deep(packet: &Packet<'_>) -> bool {
        matches!(packet, Packet::Unread(Unread::TooDeep))
    }

    fn is_malformed(packet: &Packet<'_>) -> bool {
        matches!(packet, Packet::Unread(Unread::Malformed))
    }

    #[test]
    fn remembers_the_innermost_vlan_and_the_identification() {
        let data =
            ethernet(0x88a8, &samples::join(&[&[0, 9, 0x81, 0, 0x20, 7, 8, 0], &datagram()]));
        let Packet::Udp { path, .. } = decoded(&data) else { panic!() };
        assert_eq!((path.vlan, path.ip_id), (7, 0x1234));
    }

    /// Marsaglia's xorshift: the same bytes on every run.
    struct Random(u64);

    impl Random {
        fn below(&mut self, limit: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 11) as usize % limit.max(1)
        }
    }

    #[test]
    fn survives_damaged_packets() {
        let mut random = Random(0x5eed_0001);
        let mut samples = samples::wrapped();
        for link in [LinkType::ETHERNET, LinkType::RAW] {
            let piece = samples::ipv4_piece(17, 9, 0x2000, &udp(5060, 5060, &[b'x'; 72]));
            let piece = if link == LinkType::RAW { piece } else { ethernet(0x0800, &piece) };
            samples.push(("fragment", link, piece));
        }
        let mut defragmenter = Defragmenter::default();
        for round in 0..200_000_u32 {
            let (_, link, bytes) = &samples[random.below(samples.len())];
            let mut bytes = bytes.clone();
            for _ in 0..random.below(4) {
                let at = random.below(bytes.len());
                bytes[at] = random.below(256) as u8;
            }
            if random.below(4) == 0 {
                bytes.truncate(random.below(bytes.len()));
            }
            let mut frame = frame(*link, &bytes);
            frame.time = Time::from_parts(i64::from(round / 100), 0);
            if let Packet::Fragment(fragment) = decode(&frame)
                && let Some(whole) = defragmenter.push(&frame, fragment)
            {
                let _ = whole.packet();
            }
        }
        defragmenter.finish();
    }
}
