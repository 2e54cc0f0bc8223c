//! Who spoke TLS to whom without a key to read it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::capture::FrameId;
use crate::packet::Endpoint;
use crate::time::Time;
use crate::transport::tcp::Flow;

/// What one client sent to one server and back in connections that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Encrypted {
    /// The server; where the beginning was not captured, the side with the lower port.
    pub server: Endpoint,
    /// The client.
    pub client: IpAddr,
    /// Connections.
    pub flows: u64,
    /// Records of TLS.
    pub records: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// SIP was named in a handshake (ALPN, RFC 7301).
    pub names_sip: bool,
    /// A name of the server that a client asked for (RFC 6066, section 3).
    pub server_name: Option<Vec<u8>>,
    /// Where the first connection was first seen.
    pub first: (FrameId, Time),
}

/// All of them, within a bound.
#[derive(Debug, Default)]
pub(super) struct Peers {
    pub(super) known: BTreeMap<(Endpoint, IpAddr), Encrypted>,
    pub(super) max: usize,
    pub(super) dropped: u64,
}

impl Encrypted {
    /// Adds what another part of the run saw.
    pub fn merge(&mut self, other: Self) {
        self.flows += other.flows;
        self.records += other.records;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.names_sip |= other.names_sip;
        // The one that was seen first tells the name.
        if other.first < self.first {
            self.server_name = other.server_name.or(self.server_name.take());
        } else if self.server_name.is_none() {
            self.server_name = other.server_name;
        }
        self.first = self.first.min(other.first);
    }
}

impl Peers {
    /// Takes down a flow that has come to its end, if it was encrypted.
    pub(super) fn add(&mut self, ends: (Endpoint, Endpoint), flow: &Flow) {
        let Some((session, traffic)) = flow.unopened() else { return };
        let is_first_client = match session.client() {
            Some(side) => side == 0,
            None => ends.0.port > ends.1.port,
        };
        let (client, server) = if is_first_client { ends } else { (ends.1, ends.0) };
        let one = Encrypted {
            server,
            client: client.address,
            flows: 1,
            records: traffic.records,
            bytes: traffic.bytes,
            names_sip: session.names_sip(),
            server_name: session.server_name().map(<[u8]>::to_vec),
            first: traffic.first,
        };
        let key = (server, client.address);
        if let Some(known) = self.known.get_mut(&key) {
            known.merge(one);
        } else if self.known.len() < self.max {
            self.known.insert(key, one);
        } else {
            self.dropped += 1;
        }
    }
}
