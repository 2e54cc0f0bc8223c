//! What goes with media from one endpoint to another: RTCP, checks of connectivity, handshakes for
//! keys.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::{Rtcp, Seen};
use crate::bytes::be16;
use crate::capture::FrameId;
use crate::limits::CONTACTS_MAX;
use crate::packet::Endpoint;
use crate::rtp::Kind;
use crate::time::Time;

/// A packet that is no RTP on its way to the contacts.
#[derive(Clone, Copy, Debug)]
pub struct Beside<'b> {
    /// The sender.
    pub source: Endpoint,
    /// The receiver.
    pub destination: Endpoint,
    /// When it was captured.
    pub time: Time,
    /// Its frame.
    pub frame: FrameId,
    /// What it is.
    pub kind: Kind,
    /// Its bytes.
    pub payload: &'b [u8],
}

/// What was seen on the way from one endpoint to another, besides RTP.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Contact {
    /// The sender.
    pub source: Endpoint,
    /// The receiver.
    pub destination: Endpoint,
    /// Reports about media.
    pub rtcp: Option<Box<Rtcp>>,
    /// Checks of connectivity, and answers to those of the other direction.
    pub stun: Option<Checks>,
    /// A handshake for the keys of SRTP.
    pub dtls: Option<Handshake>,
}

/// Checks of connectivity (RFC 8489, RFC 8445) that one endpoint sent to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Checks {
    /// The first of them.
    pub first: Seen,
    /// The last one.
    pub last: Seen,
    /// Requests.
    pub requests: u64,
    /// Responses that let a check of the other endpoint succeed; the first of them.
    pub success: Option<Seen>,
    /// Responses that refuse one.
    pub errors: u64,
}

/// The side of one endpoint in a DTLS handshake (RFC 5764).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Handshake {
    /// The first of its packets.
    pub first: Seen,
    /// The last one.
    pub last: Seen,
    /// `ClientHello` messages, repeated ones included.
    pub client_hellos: u64,
    /// Its first record under the new keys, so the handshake was over for it.
    pub finished: Option<Seen>,
    /// The description in its last alert that is not encrypted (RFC 8446, section 6).
    pub alert: Option<u8>,
}

/// The contacts of a shard.
#[derive(Debug)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub(super) struct Contacts {
    all: Vec<Contact>,
    by_way: HashMap<(Endpoint, Endpoint), usize, RandomState>,
    by_endpoint: HashMap<Endpoint, Vec<usize>, RandomState>,
    max: usize,
    pub(super) dropped: u64,
}

impl Contacts {
    pub(super) fn with_share_of(shards: usize) -> Self {
        Self {
            all: Vec::new(),
            by_way: HashMap::default(),
            by_endpoint: HashMap::default(),
            max: (CONTACTS_MAX / shards.max(1)).max(1),
            dropped: 0,
        }
    }

    /// Reports of RTCP for which there was no room.
    pub(super) fn rtcp_dropped(&self) -> u64 {
        self.all.iter().filter_map(|contact| contact.rtcp.as_ref()).map(|rtcp| rtcp.dropped).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn at(&self, endpoint: Endpoint) -> impl Iterator<Item = &Contact> {
        let indexes = self.by_endpoint.get(&endpoint).map(Vec::as_slice).unwrap_or_default();
        indexes.iter().filter_map(|index| self.all.get(*index))
    }

    pub(super) fn push(&mut self, packet: &Beside<'_>) {
        let back = self.by_way.get(&(packet.destination, packet.source)).copied();
        let Some(index) = self.place(packet) else { return };
        if packet.kind == Kind::Rtcp {
            // What is reported on is what came from the other direction.
            let other = back.and_then(|back| self.all.get_mut(back)?.rtcp.take());
            if let Some(contact) = self.all.get_mut(index) {
                contact.rtcp.get_or_insert_default().push(packet, other.as_deref());
            }
            if let Some(contact) = back.and_then(|back| self.all.get_mut(back)) {
                contact.rtcp = other;
            }
            return;
        }
        let Some(contact) = self.all.get_mut(index) else { return };
        let seen = Seen { time: packet.time, frame: packet.frame };
        match packet.kind {
            Kind::Stun => contact.stun.get_or_insert_default().push(packet.payload, seen),
            Kind::Dtls => contact.dtls.get_or_insert_default().push(packet.payload, seen),
            _ => {}
        }
    }

    fn place(&mut self, packet: &Beside<'_>) -> Option<usize> {
        let Beside { source, destination, .. } = *packet;
        if let Some(index) = self.by_way.get(&(source, destination)) {
            return Some(*index);
        }
        if self.all.len() >= self.max {
            self.dropped += 1;
            return None;
        }
        let index = self.all.len();
        self.by_way.insert((source, destination), index);
        self.by_endpoint.entry(source).or_default().push(index);
        self.by_endpoint.entry(destination).or_default().push(index);
        self.all.push(Contact { source, destination, rtcp: None, stun: None, dtls: None });
        Some(index)
    }
}

impl Checks {
    fn push(&mut self, payload: &[u8], seen: Seen) {
        if self.first == Seen::default() {
            self.first = seen;
        }
        self.last = seen;
        // Class and method of the message (RFC 8489, section 5); the method is Binding.
        match be16(payload, 0) {
            Some(0x0001) => self.requests += 1,
            Some(0x0101) => self.success = self.success.or(Some(seen)),
            Some(0x0111) => self.errors += 1,
            _ => {}
        }
    }
}

/// Bytes before what a DTLS record carries (RFC 6347, section 4.1).
const RECORD_HEADER_BYTES: usize = 13;

impl Handshake {
    fn push(&mut self, payload: &[u8], seen: Seen) {
        const ALERT: u8 = 21;
        const HANDSHAKE: u8 = 22;
        const CLIENT_HELLO: u8 = 1;
        if self.first == Seen::default() {
            self.first = seen;
        }
        self.last = seen;
        for (kind, epoch, body) in records(payload) {
            match (kind, body) {
                _ if epoch > 0 => self.finished = self.finished.or(Some(seen)),
                (HANDSHAKE, [CLIENT_HELLO, ..]) => self.client_hellos += 1,
                (ALERT, [_, description]) => self.alert = Some(*description),
                _ => {}
            }
        }
    }
}

/// Kind, epoch and content of the records of a datagram.
fn records(payload: &[u8]) -> impl Iterator<Item = (u8, u16, &[u8])> {
    let mut rest = payload;
    std::iter::from_fn(move || {
        let kind = *rest.first()?;
        let (epoch, length) = (be16(rest, 3)?, usize::from(be16(rest, 11)?));
        let body = rest.get(RECORD_HEADER_BYTES..)?;
        let (own, after) = body.split_at_checked(length)?;
        rest = after;
        Some((kind, epoch, own))
    })
}

#[cfg(test)]
mod tests {
    use super::super::samples::{at, endpoint};
    use super::*;

    fn contacts(packets: &[(u16, u16, &[u8])]) -> Contacts {
        let mut contacts = Contacts::with_share_of(1);
        for ((from, to, payload), number) in packets.iter().zip(1..) {
            contacts.push(&Beside {
                source: endpoint(*from),
                destination: endpoint(*to),
                time: at(number),
                frame: FrameId { capture: 0, number: number.unsigned_abs() },
                kind: Kind::of(payload),
                payload,
            });
        }
        contacts
    }

    fn from(contacts: &Contacts, port: u16) -> Contact {
        let mut at = contacts.at(endpoint(port));
        at.find(|contact| contact.source.port == port).cloned().expect("a contact")
    }

    #[test]
    fn checks_succeed_by_the_answer() {
        let request = b"\0\x01\0\0\x21\x12\xa4\x42............";
        let success = b"\x01\x01\0\0\x21\x12\xa4\x42............";
        let contacts = contacts(&[(1, 2, request), (1, 2, request), (2, 1, success)]);
        let (asks, answers) = (from(&contacts, 1).stun, from(&contacts, 2).stun);
        assert_eq!(asks.map(|checks| (checks.requests, checks.success)), Some((2, None)));
        assert_eq!(answers.and_then(|c| c.success).map(|seen| seen.frame.number), Some(3));
    }

    #[test]
    fn ways_are_bounded_and_say_so() {
        let request = b"\0\x01\0\0\x21\x12\xa4\x42............".as_slice();
        let mut contacts = Contacts { max: 3, ..Contacts::with_share_of(1) };
        for (from, second) in [(1, 5), (2, -4), (3, i64::MAX), (4, 5), (5, i64::MIN), (1, 0)] {
            contacts.push(&Beside {
                source: endpoint(from),
                destination: endpoint(9),
                time: Time::from_parts(second, 0),
                frame: FrameId { capture: 0, number: 1 },
                kind: Kind::of(request),
                payload: request,
            });
        }
        assert_eq!((contacts.all.len(), contacts.dropped), (3, 2));
        assert_eq!(from(&contacts, 1).stun.map(|checks| checks.requests), Some(2));
        assert_eq!(contacts.at(endpoint(4)).count(), 0);
    }

    #[test]
    fn handshakes_end_under_new_keys() {
        let hello = b"\x16\xfe\xff\0\0\0\0\0\0\0\0\0\x02\x01\0";
        let finished =
            b"\x14\xfe\xfd\0\0\0\0\0\0\0\x05\0\x01\x01\x16\xfe\xfd\0\x01\0\0\0\0\0\0\0\x01x";
        let alert = b"\x15\xfe\xfd\0\0\0\0\0\0\0\x05\0\x02\x02\x28";
        let contacts = contacts(&[(1, 2, hello), (1, 2, finished), (2, 1, alert)]);
        let client = from(&contacts, 1).dtls.expect("a handshake");
        assert_eq!(client.client_hellos, 1);
        assert_eq!(client.finished.map(|seen| seen.frame.number), Some(2));
        let server = from(&contacts, 2).dtls.expect("an alert");
        assert_eq!((server.finished, server.alert), (None, Some(40)));
    }
}
