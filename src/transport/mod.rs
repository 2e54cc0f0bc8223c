//! From datagrams and byte streams to whole SIP messages.
//!
//! On TCP, `Content-Length` frames the messages (RFC 3261, section 18.3); a UDP datagram and a
//! WebSocket message are one message each. SIP is recognised by its start line, on any port. Knows
//! nothing of what a message says beyond that: that is `sip`.

use std::borrow::Cow;
use std::fmt;

use crate::capture::FrameId;
use crate::packet::Endpoint;
use crate::time::Time;

pub mod start_line;
mod conversation;
mod disruption;
mod encrypted;
mod ending;
mod framing;
mod handshake;
mod order;
#[cfg(test)]
mod samples;
mod sctp;
mod tcp;
mod tls;
mod websocket;

pub use disruption::{Carried, Disruption, DisruptionKind, Disruptions, LastWords, Network};
pub use encrypted::Encrypted;
pub use ending::Turn;
pub use handshake::{Failed, Failure, Handshakes};
pub use order::GAP_PATIENCE;
pub use sctp::{Associations, SctpArrival};
pub use tcp::{Arrival, Hole, StreamCounts, Streams};
pub use tls::{Alert, KeyLog};

pub(crate) use framing::is_too_long;

/// What carried a message (the token of a Via, RFC 3261, section 20.42).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket (RFC 7118).
    Ws,
    /// WebSocket over TLS (RFC 7118).
    Wss,
    /// SCTP (RFC 4168).
    Sctp,
}

impl Transport {
    /// Every transport, in the order of reports.
    pub const ALL: [Self; 6] = [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss, Self::Sctp];

    /// The token in capitals: `UDP`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
            Self::Sctp => "SCTP",
        }
    }

    /// The transport of an IP protocol number, UDP where it is none that carries SIP.
    pub const fn of_protocol(protocol: u8) -> Self {
        match protocol {
            6 => Self::Tcp,
            132 => Self::Sctp,
            _ => Self::Udp,
        }
    }

    /// The transport repeats lost bytes itself, so requests are not sent again (RFC 3261, section
    /// 17.1.1.2).
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Self::Udp)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One whole SIP message where and when it was seen.
#[derive(Clone, Debug)]
pub struct Delivery<'a> {
    /// The frame that completed it.
    pub frame: FrameId,
    /// When that frame was captured.
    pub time: Time,
    /// The sender.
    pub source: Endpoint,
    /// The receiver.
    pub destination: Endpoint,
    /// What carried it.
    pub transport: Transport,
    /// Identification of the IPv4 header, 0 where there is none.
    pub ip_id: u16,
    /// Bytes of it are missing from the capture.
    pub is_cut: bool,
    /// It came in several IP fragments.
    pub is_fragmented: bool,
    /// Its bytes, from the start line on.
    pub bytes: Cow<'a, [u8]>,
    /// Where it lies in a TCP stream, if that was asked for and it lies there as it is.
    pub place: Option<Box<InStream>>,
}

impl Delivery<'_> {
    /// The same, whose bytes stay where they are.
    pub fn borrowed(&self) -> Delivery<'_> {
        Delivery { bytes: Cow::Borrowed(&self.bytes), place: None, ..*self }
    }

    /// One that outlives what it was found in, and does not know its place there.
    pub fn into_owned(self) -> Delivery<'static> {
        Delivery { bytes: Cow::Owned(self.bytes.into_owned()), place: None, ..self }
    }
}

/// Where in a TCP stream a message lies: as a part of a unit, which is a WebSocket frame, a HEP
/// packet or the message itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InStream {
    /// The sender of the stream.
    pub source: Endpoint,
    /// Its receiver.
    pub destination: Endpoint,
    /// The sequence number of the first byte of the unit.
    pub sequence: u32,
    /// The length of the unit.
    pub length: usize,
    /// Where in the unit the message begins.
    pub offset: usize,
    /// The bytes of the message are masked with these, one after another and again.
    pub mask: Option<[u8; 4]>,
}

/// The SIP message in a datagram, without the line ends that may come before it (RFC 3261, section
/// 7.5).
#[inline]
pub fn message_in_datagram(payload: &[u8]) -> Option<&[u8]> {
    let start = match payload.first()? {
        b'\r' | b'\n' => framing::skip_line_ends(payload),
        _ => payload,
    };
    start_line::is_start(start).then_some(start)
}
