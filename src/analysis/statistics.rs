//! Counts by method, status, transport and peer, and the indicators of RFC 6076.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::analysis::kpi::Setup;
use crate::analysis::summary::fate;
use crate::analysis::timeline::Happening;
use crate::analysis::{Delays, Host, Kpi, Timeline};
use crate::bytes::printable;
use crate::limits::PEERS_MAX;
use crate::signaling::{Attempt, Call, Dialog, Kind, Outcome, Transaction};
use crate::sip::{Head, Method, Status};
use crate::transport::Transport;

/// Unknown methods told apart; more count under one name.
const METHODS_MAX: usize = 64;

/// The name that the others count under.
const OTHER_METHODS: &[u8] = b"other";

/// What reports show as statistics.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Statistics {
    /// Requests by method.
    pub methods: BTreeMap<String, u64>,
    /// Responses by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Messages by transport.
    pub transports: BTreeMap<Transport, u64>,
    /// Requests by the port that they went to.
    pub ports: BTreeMap<u16, u64>,
    /// Hosts that were asked.
    pub peers: BTreeMap<Host, Peer>,
    /// Requests to hosts that were too many to be kept apart.
    pub unlisted_peers: u64,
    /// Indicators of RFC 6076.
    pub kpi: Kpi,
    /// What happened when.
    pub timeline: Timeline,
    /// Calls by what became of them, [`CallSummary::fate`](crate::analysis::CallSummary::fate).
    #[cfg_attr(feature = "parts", borsh(deserialize_with = "crate::bytes::parts::by_word"))]
    pub fates: BTreeMap<&'static str, u64>,
}

/// A host that requests were sent to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Peer {
    /// Requests sent to it, without retransmissions.
    pub requests: u64,
    /// Attempts to set up a call through it, without those that were only a step on the way.
    pub calls: u64,
    /// Of these, those that it answered 2xx.
    pub answered: u64,
    /// Final responses of 400 or more other than challenges.
    pub failures: u64,
    /// Requests that it gave no final response.
    pub unanswered: u64,
    /// Requests to it and responses of it that were sent again.
    pub retransmissions: u64,
    /// The times from a request to its first response.
    pub response_time: Delays,
    /// The indicators of the calls that it was to set up.
    pub kpi: Kpi,
}

/// Counts over messages, cheap enough for each one.
#[derive(Clone, Debug)]
pub struct MessageCounts {
    /// In order of their first message.
    methods: Vec<(Box<[u8]>, u64)>,
    /// In order of the codes.
    statuses: Vec<(u16, u64)>,
    transports: [u64; Transport::ALL.len()],
    ports: FxHashMap<u16, u64>,
    /// Requests counted.
    pub requests: u64,
    /// Responses counted.
    pub responses: u64,
}

impl Default for MessageCounts {
    fn default() -> Self {
        Self {
            methods: Vec::new(),
            statuses: Vec::new(),
            transports: [0; Transport::ALL.len()],
            ports: FxHashMap::default(),
            requests: 0,
            responses: 0,
        }
    }
}

impl MessageCounts {
    /// Counts a message that went to `port`.
    pub fn add(&mut self, head: &Head<'_>, transport: Transport, port: u16) {
        let place = Transport::ALL.iter().position(|known| *known == transport);
        if let Some(count) = place.and_then(|place| self.transports.get_mut(place)) {
            *count += 1;
        }
        if let Some(status) = head.status() {
            self.responses += 1;
            self.add_status(status.code());
            return;
        }
        self.requests += 1;
        *self.ports.entry(port).or_default() += 1;
        self.add_method(head.method().map(Method::as_bytes).unwrap_or_default());
    }

    fn add_status(&mut self, code: u16) {
        match self.statuses.binary_search_by_key(&code, |(known, _)| *known) {
            Ok(place) => {
                if let Some((_, count)) = self.statuses.get_mut(place) {
                    *count += 1;
                }
            }
            Err(place) => self.statuses.insert(place, (code, 1)),
        }
    }

    fn add_method(&mut self, method: &[u8]) {
        let is_full = self.methods.len() >= METHODS_MAX;
        if let Some((_, count)) = self.methods.iter_mut().find(|(known, _)| **known == *method) {
            *count += 1;
        } else if is_full && method != OTHER_METHODS {
            self.add_method(OTHER_METHODS);
        } else {
            self.methods.push((method.into(), 1));
        }
    }

    /// Messages counted.
    pub fn messages(&self) -> u64 {
        self.requests + self.responses
    }
}

impl Statistics {
    /// Adds counts over messages.
    pub fn add_messages(&mut self, counts: &MessageCounts) {
        for (method, count) in &counts.methods {
            *self.methods.entry(printable(method).into_owned()).or_default() += count;
        }
        for (status, count) in &counts.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        for (transport, count) in Transport::ALL.iter().zip(counts.transports) {
            if count > 0 {
                *self.transports.entry(*transport).or_default() += count;
            }
        }
        for (port, count) in &counts.ports {
            *self.ports.entry(*port).or_default() += count;
        }
    }

    /// Adds what another part of the run counted.
    pub fn merge(&mut self, other: Self) {
        for (method, count) in other.methods {
            *self.methods.entry(method).or_default() += count;
        }
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        for (transport, count) in other.transports {
            *self.transports.entry(transport).or_default() += count;
        }
        for (port, count) in other.ports {
            *self.ports.entry(port).or_default() += count;
        }
        self.unlisted_peers += other.unlisted_peers;
        for (host, other) in other.peers {
            match self.peers.len() >= PEERS_MAX && !self.peers.contains_key(&host) {
                true => self.unlisted_peers += other.requests,
                false => self.peers.entry(host).or_default().merge(&other),
            }
        }
        self.timeline.merge(other.timeline);
        for (fate, count) in other.fates {
            *self.fates.entry(fate).or_default() += count;
        }
        self.kpi.merge(&other.kpi);
    }

    /// Adds what one call shows.
    pub(crate) fn add_call(&mut self, call: &Call<'_>) {
        for transaction in &call.transactions {
            self.add_transaction(call, transaction);
        }
        for attempt in &call.attempts {
            self.add_attempt(call, attempt);
        }
        for dialog in call.dialogs.iter().filter(|dialog| dialog.method == Method::Invite) {
            self.add_dialog(call, dialog);
        }
    }

    fn add_transaction(&mut self, call: &Call<'_>, transaction: &Transaction<'_>) {
        let Some(started) = transaction.started() else { return };
        let responses = transaction.provisionals.iter().chain(&transaction.finals);
        let first = responses.map(|message| message.time).min();
        let is_first_hop = transaction.upstream.is_none();
        if let Some((answer, status)) = transaction.final_response().zip(transaction.final_status())
            && is_first_hop
        {
            self.timeline.add(answer.time, Happening::Final(status));
        }
        if is_first_hop {
            self.kpi.add_request(transaction);
        }
        let Some(peer) = self.peer(transaction.server.address) else { return };
        peer.requests += 1;
        peer.retransmissions += transaction.repeats().count() as u64;
        match call.outcome(transaction) {
            Outcome::Failed(_) => peer.failures += 1,
            Outcome::Unanswered => peer.unanswered += 1,
            Outcome::Success(_)
            | Outcome::Redirected(_)
            | Outcome::Challenged(_)
            | Outcome::Pending => {}
        }
        peer.response_time.extend(first.map(|first| first.since(started)));
        peer.kpi.add_request(transaction);
    }

    /// Counts an attempt for the capture by its first hop, and for each server by the first hop to
    /// it.
    fn add_attempt(&mut self, call: &Call<'_>, attempt: &Attempt<'_>) {
        let Some(first) = attempt.first_hop(call) else { return };
        let status = first.final_status();
        let is_step = matches!(status.map(Status::code), Some(300..=399 | 401 | 402 | 407));
        if is_step || attempt.is_resolved(call) {
            return;
        }
        let setup = Setup::of(call, first);
        self.kpi.add_attempt(attempt.is_answered(), status, &setup);
        let started = first.first_time();
        self.timeline.add(started, Happening::Attempt);
        if !attempt.is_answered() {
            self.timeline.add(started, Happening::Failure);
            if setup.is_user_ended {
                self.timeline.add(started, Happening::UserEnd);
            }
        }
        for (place, hop) in attempt.transactions(call).enumerate() {
            let host = hop.server.address;
            let mut before = attempt.transactions(call).take(place);
            if before.any(|other| other.server.address == host) {
                continue;
            }
            let Some(peer) = self.peer(host) else { continue };
            peer.calls += 1;
            peer.answered += u64::from(hop.first_success().is_some());
            match hop.index == first.index {
                true => peer.kpi.add_attempt(attempt.is_answered(), status, &setup),
                false => {
                    let own = Setup::of(call, hop);
                    peer.kpi.add_attempt(attempt.is_answered(), status, &own);
                }
            }
        }
    }

    /// An answered call is up from its answer to its BYE, or as long as it was observed.
    fn add_dialog(&mut self, call: &Call<'_>, dialog: &Dialog<'_>) {
        let ended = dialog.ended(call);
        let server = dialog.confirmed.map(|answer| answer.source.address);
        if dialog.confirmed.is_some() && ended.is_some() {
            self.kpi.completed += 1;
            if let Some(peer) = server.and_then(|server| self.peer(server)) {
                peer.kpi.completed += 1;
            }
        }
        let seen = dialog.confirmed.map(|answer| answer.time).or_else(|| {
            let mut own = call.messages_of(dialog);
            dialog.starts_before_capture.then(|| own.next().map(|message| message.time)).flatten()
        });
        let Some(answered) = seen else { return };
        let ended = ended.unwrap_or_else(|| call.observed_until());
        self.timeline.add(answered, Happening::Answer);
        self.timeline.add(ended.max(answered), Happening::End);
    }

    /// The figures of a host, unless there are too many hosts.
    pub(super) fn peer(&mut self, host: Host) -> Option<&mut Peer> {
        if self.peers.len() >= PEERS_MAX && !self.peers.contains_key(&host) {
            self.unlisted_peers += 1;
            return None;
        }
        Some(self.peers.entry(host).or_default())
    }
}

impl Peer {
    fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.calls += other.calls;
        self.answered += other.answered;
        self.failures += other.failures;
        self.unanswered += other.unanswered;
        self.retransmissions += other.retransmissions;
        self.response_time.merge(&other.response_time);
        self.kpi.merge(&other.kpi);
    }
}

/// What one call adds to the totals.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CallCounts {
    pub(crate) transactions: u64,
    pub(crate) dialogs: u64,
    pub(crate) retransmissions: u64,
    /// What became of it, if it is a call.
    pub(crate) fate: Option<&'static str>,
}

impl CallCounts {
    pub(crate) fn of(call: &Call<'_>) -> Self {
        Self {
            transactions: call.transactions.len() as u64,
            dialogs: call.dialogs.iter().filter(|dialog| dialog.is_confirmed()).count() as u64,
            retransmissions: call.transactions.iter().flat_map(Transaction::repeats).count() as u64,
            fate: (call.kind() == Kind::Call).then(|| fate(call.state(), call.final_status())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(hosts: std::ops::Range<u32>) -> Statistics {
        let mut part = Statistics::default();
        for host in hosts {
            if let Some(peer) = part.peer(Host::from(host.to_be_bytes())) {
                peer.requests += 2;
            }
        }
        part
    }

    #[test]
    fn hosts_beyond_the_bound_are_counted_by_their_requests() {
        let most = PEERS_MAX as u32;
        let mut all = part(0..most - 1);
        all.merge(part(most - 2..most + 3));
        assert_eq!((all.peers.len(), all.unlisted_peers), (PEERS_MAX, 6));
        let known = all.peers.get(&Host::from((most - 2).to_be_bytes()));
        assert_eq!(known.map(|peer| peer.requests), Some(4));
    }
}
