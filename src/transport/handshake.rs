//! TLS handshakes that did not come to their end, and why, as far as it can be seen.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::capture::FrameId;
use crate::packet::Endpoint;
use crate::time::Time;
use crate::transport::tcp::Flow;
use crate::transport::tls::{Alert, Place, Sealed};

/// The port of the web: what goes there is SIP only if it says so, and there is much of it.
const WEB_PORT: u16 = 443;

/// Kinds of failure that are remembered of a client and a server.
const KINDS_MAX: usize = 8;

/// Frames that are remembered of one kind: three handshakes.
const FRAMES_MAX: usize = 9;

/// How a handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub enum Failed {
    /// A side said what is wrong.
    Alert(Alert),
    /// The client sent an alert that cannot be read in the place of its Finished.
    SealedAlert,
    /// The server sent what is as long as an alert in answer to the client's Finished, and nothing
    /// else.
    SealedRefusal,
    /// The answer to the ClientHello was no TLS.
    PlainAnswer,
    /// A side ended the connection without a word, before the server said anything.
    ClosedEarly,
    /// A side ended the connection without a word, after the ServerHello.
    Closed,
    /// The server took the ClientHello and said nothing.
    Unanswered,
}

/// Handshakes of one client with one server that failed in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Failure {
    /// How.
    pub how: Failed,
    /// The client's end of the first one.
    pub client: Endpoint,
    /// The client did it.
    pub by_client: bool,
    /// The connection was ended by RST.
    pub is_reset: bool,
    /// Handshakes.
    pub count: u64,
    /// ClientHello, what went wrong, and the end of the connection, of the first ones.
    pub frames: Vec<(FrameId, Time)>,
    /// The last ClientHello.
    pub last: Time,
    /// The highest version that the client offered.
    pub offered: u16,
    /// The version that the server chose.
    pub chosen: Option<u16>,
}

/// The handshakes of one client with one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Handshakes {
    /// What went wrong, by how.
    pub failures: Vec<Failure>,
    /// The last one that came to its end.
    pub completed: Option<Time>,
    /// SIP was named in one of them (ALPN, RFC 7301).
    pub names_sip: bool,
    /// The name of the server that was asked for first (RFC 6066, section 3).
    pub server_name: Option<Vec<u8>>,
}

/// All of them, within a bound.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) known: BTreeMap<(Endpoint, IpAddr), Handshakes>,
    pub(super) max: usize,
    pub(super) dropped: u64,
}

/// How a connection ended, as far as one side has ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// Who.
    pub(super) side: usize,
    pub(super) is_reset: bool,
    pub(super) at: Place,
}

/// What a session shows of its handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    /// The side that is the client.
    pub(super) client: usize,
    /// Where its hello was seen.
    pub(super) asked: Place,
    pub(super) offered: u16,
    pub(super) chosen: Option<u16>,
    pub(super) names_sip: bool,
    pub(super) server_name: Option<Vec<u8>>,
    pub(super) outcome: Outcome,
}

/// What became of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It came to its end.
    Completed,
    /// A side said what is wrong.
    Alert(usize, Alert, Place),
    /// It may be that a side said what is wrong.
    Sealed(Sealed),
    /// A side spoke no TLS.
    Plain(usize, Place),
    /// Nothing came from the server.
    Silent,
    /// It is on its way.
    Open,
    /// Bytes are missing.
    Unknown,
}

impl Handshakes {
    /// Adds what another part of the run saw.
    pub fn merge(&mut self, other: Self) {
        let first =
            |own: &Self| own.failures.iter().filter_map(|one| one.frames.first()).min().copied();
        let is_first = first(self).is_some_and(|own| first(&other).is_none_or(|it| own <= it));
        match (&self.server_name, other.server_name) {
            (Some(_), _) if is_first => {}
            (_, Some(name)) => self.server_name = Some(name),
            (_, None) => {}
        }
        self.completed = self.completed.max(other.completed);
        self.names_sip |= other.names_sip;
        for failure in other.failures {
            self.add(failure);
        }
    }

    fn add(&mut self, failure: Failure) {
        let is_same = |known: &Failure| {
            (known.how, known.by_client, known.is_reset)
                == (failure.how, failure.by_client, failure.is_reset)
        };
        let has_room = self.failures.len() < KINDS_MAX;
        match self.failures.iter_mut().find(|known| is_same(known)) {
            Some(known) => known.merge(failure),
            None if has_room => self.failures.push(failure),
            None => {}
        }
    }
}

impl Failure {
    fn merge(&mut self, other: Self) {
        if other.frames.first() < self.frames.first() {
            self.client = other.client;
        }
        self.count += other.count;
        self.frames.extend(other.frames);
        self.frames.sort_unstable_by_key(|(frame, time)| (*time, *frame));
        self.frames.truncate(FRAMES_MAX);
        self.last = self.last.max(other.last);
        self.offered = self.offered.max(other.offered);
        self.chosen = self.chosen.max(other.chosen);
    }
}

impl Table {
    /// Takes down a flow that has come to its end, if a handshake was seen on it; whether it
    /// failed.
    pub(super) fn add(&mut self, ends: (Endpoint, Endpoint), flow: &Flow) -> bool {
        let Some(attempt) = flow.handshake() else { return false };
        let (client, server) = if attempt.client == 0 { ends } else { (ends.1, ends.0) };
        if server.port == WEB_PORT && !attempt.names_sip {
            return false;
        }
        let failure = failure_of(&attempt, client, flow);
        let completed = (attempt.outcome == Outcome::Completed).then_some(attempt.asked.1);
        if failure.is_none() && completed.is_none() {
            return false;
        }
        let is_failed = failure.is_some();
        let one = Handshakes {
            failures: failure.into_iter().collect(),
            completed,
            names_sip: attempt.names_sip,
            server_name: attempt.server_name,
        };
        let key = (server, client.address);
        if let Some(known) = self.known.get_mut(&key) {
            known.merge(one);
        } else if self.known.len() < self.max {
            self.known.insert(key, one);
        } else {
            self.dropped += 1;
        }
        is_failed
    }
}

/// How a handshake failed, if it did.
fn failure_of(attempt: &Attempt, client: Endpoint, flow: &Flow) -> Option<Failure> {
    let end = flow.ended();
    let (how, side, at) = match (attempt.outcome, end) {
        (Outcome::Alert(side, alert, at), _) if alert.is_fatal => {
            (Failed::Alert(alert), side, Some(at))
        }
        (Outcome::Sealed(Sealed::ByClient(at)), Some(_)) => {
            (Failed::SealedAlert, attempt.client, Some(at))
        }
        (Outcome::Sealed(Sealed::ByServer(at)), Some(end)) if end.side != attempt.client => {
            (Failed::SealedRefusal, end.side, Some(at))
        }
        (Outcome::Plain(side, at), _) => (Failed::PlainAnswer, side, Some(at)),
        // What one side alone shows is not all that was said.
        (_, _) if !flow.has_both() => return None,
        (Outcome::Silent, Some(end)) => (Failed::ClosedEarly, end.side, None),
        (Outcome::Silent, None) => (Failed::Unanswered, attempt.client ^ 1, None),
        (Outcome::Alert(..) | Outcome::Open, Some(end)) => (Failed::Closed, end.side, None),
        (
            Outcome::Completed
            | Outcome::Unknown
            | Outcome::Sealed(_)
            | Outcome::Alert(..)
            | Outcome::Open,
            _,
        ) => return None,
    };
    let mut frames = vec![attempt.asked];
    frames.extend(at);
    frames.extend(end.map(|end| end.at));
    frames.dedup();
    Some(Failure {
        how,
        client,
        by_client: side == attempt.client,
        is_reset: end.is_some_and(|end| end.is_reset),
        count: 1,
        frames,
        last: attempt.asked.1,
        offered: attempt.offered,
        chosen: attempt.chosen,
    })
}
