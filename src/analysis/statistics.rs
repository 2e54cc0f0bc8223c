//! Counts by method, status, transport and peer, and the indicators of RFC 6076.

use std::collections::BTreeMap;

use crate::analysis::Host;
use crate::analysis::summary::{Times, fate};
use crate::bytes::printable;
use crate::limits::HOSTS_MAX;
use crate::signaling::{Attempt, Call, Kind, Outcome, Transaction, TransactionKind};
use crate::sip::{Class, Head, Method, Status};
use crate::time::Span;
use crate::transport::Transport;

/// Unknown methods told apart; more count under one name.
const METHODS_MAX: usize = 64;

/// What reports show as statistics.
#[derive(Clone, Debug, Default)]
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
    /// Indicators of RFC 6076.
    pub kpi: Kpi,
    /// Calls by what became of them, [`CallSummary::fate`](crate::analysis::CallSummary::fate).
    pub fates: BTreeMap<&'static str, u64>,
}

/// A host that requests were sent to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Requests sent to it, without retransmissions.
    pub requests: u64,
    /// Of these, INVITEs that set up a call.
    pub calls: u64,
    /// Calls that it answered 2xx.
    pub answered: u64,
    /// Final responses of 400 or more other than challenges.
    pub failures: u64,
    /// Requests that it gave no final response.
    pub unanswered: u64,
    /// Sum of the times from a request to its first response.
    pub response_time: Span,
    /// Requests in that sum.
    pub responded: u64,
}

/// The counts behind the indicators of RFC 6076.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kpi {
    /// Attempts to set up a session, without those answered 401, 402 or 407 and those redirected.
    pub attempts: u64,
    /// Attempts answered 200.
    pub established: u64,
    /// Attempts that ended 480, 486, 600 or 603: effective as far as the network goes.
    pub effective: u64,
    /// Attempts that ended 408, 500, 503 or 504, or without any answer.
    pub ineffective: u64,
    /// Sessions ended by BYE.
    pub completed: u64,
    /// Sum and number of session request delays of established sessions.
    pub request_delay: (Span, u64),
    /// Sum and number of session disconnect delays: BYE to its final response.
    pub disconnect_delay: (Span, u64),
    /// Sum and number of session durations.
    pub duration: (Span, u64),
    /// Sum and number of registration request delays: REGISTER to its 2xx.
    pub registration_delay: (Span, u64),
}

impl Kpi {
    /// Session establishment ratio in percent (RFC 6076, section 4.6).
    pub fn ser(&self) -> Option<f64> {
        percent(self.established, self.attempts)
    }

    /// Session establishment effectiveness ratio in percent (RFC 6076, section 4.7).
    pub fn seer(&self) -> Option<f64> {
        percent(self.established + self.effective, self.attempts)
    }

    /// Ineffective session attempts in percent (RFC 6076, section 4.8).
    pub fn isa(&self) -> Option<f64> {
        percent(self.ineffective, self.attempts)
    }

    /// Session completion ratio in percent (RFC 6076, section 4.9).
    pub fn scr(&self) -> Option<f64> {
        percent(self.completed, self.attempts)
    }

    fn merge(&mut self, other: &Self) {
        self.attempts += other.attempts;
        self.established += other.established;
        self.effective += other.effective;
        self.ineffective += other.ineffective;
        self.completed += other.completed;
        for (sum, other) in [
            (&mut self.request_delay, other.request_delay),
            (&mut self.disconnect_delay, other.disconnect_delay),
            (&mut self.duration, other.duration),
            (&mut self.registration_delay, other.registration_delay),
        ] {
            *sum = (sum.0 + other.0, sum.1 + other.1);
        }
    }
}

fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 * 100.0 / whole as f64)
}

/// Counts over messages, cheap enough for each one.
#[derive(Clone, Debug)]
pub struct MessageCounts {
    methods: BTreeMap<Box<[u8]>, u64>,
    statuses: BTreeMap<u16, u64>,
    transports: [u64; Transport::ALL.len()],
    ports: BTreeMap<u16, u64>,
    /// Requests counted.
    pub requests: u64,
    /// Responses counted.
    pub responses: u64,
}

impl Default for MessageCounts {
    fn default() -> Self {
        Self {
            methods: BTreeMap::new(),
            statuses: BTreeMap::new(),
            transports: [0; Transport::ALL.len()],
            ports: BTreeMap::new(),
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
            *self.statuses.entry(status.code()).or_default() += 1;
            return;
        }
        self.requests += 1;
        *self.ports.entry(port).or_default() += 1;
        let method = head.method().map(Method::as_bytes).unwrap_or_default();
        let known = self.methods.len();
        match self.methods.get_mut(method) {
            Some(count) => *count += 1,
            None => {
                let name = if known < METHODS_MAX { method } else { b"other" };
                *self.methods.entry(name.into()).or_default() += 1;
            }
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
        for (host, peer) in other.peers {
            self.peers.entry(host).or_default().merge(&peer);
        }
        for (fate, count) in other.fates {
            *self.fates.entry(fate).or_default() += count;
        }
        self.kpi.merge(&other.kpi);
    }

    /// Adds what one call shows.
    pub(crate) fn add_call(&mut self, counts: &CallCounts) {
        for (host, peer) in &counts.peers {
            if self.peers.len() < HOSTS_MAX || self.peers.contains_key(host) {
                self.peers.entry(*host).or_default().merge(peer);
            }
        }
        self.kpi.merge(&counts.kpi);
    }
}

impl Peer {
    fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.calls += other.calls;
        self.answered += other.answered;
        self.failures += other.failures;
        self.unanswered += other.unanswered;
        self.response_time = self.response_time + other.response_time;
        self.responded += other.responded;
    }
}

/// What one call adds to the counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallCounts {
    pub(crate) transactions: u64,
    pub(crate) dialogs: u64,
    pub(crate) retransmissions: u64,
    /// What became of it, if it is a call.
    pub(crate) fate: Option<&'static str>,
    peers: Vec<(Host, Peer)>,
    kpi: Kpi,
}

impl CallCounts {
    pub(crate) fn of(call: &Call<'_>) -> Self {
        let mut counts = Self {
            transactions: call.transactions.len() as u64,
            dialogs: call.dialogs.iter().filter(|dialog| dialog.is_confirmed()).count() as u64,
            fate: (call.kind() == Kind::Call).then(|| fate(call.state(), call.final_status())),
            ..Self::default()
        };
        for transaction in &call.transactions {
            counts.retransmissions += repeats(transaction);
            counts.add_peer(call, transaction);
        }
        for attempt in &call.attempts {
            counts.kpi.add_attempt(call, attempt);
        }
        counts.kpi.add_ends(call);
        counts
    }

    fn add_peer(&mut self, call: &Call<'_>, transaction: &Transaction<'_>) {
        let Some(started) = transaction.started() else { return };
        let host = transaction.server.address;
        let place = self.peers.iter().position(|(known, _)| *known == host).unwrap_or_else(|| {
            self.peers.push((host, Peer::default()));
            self.peers.len() - 1
        });
        let Some((_, peer)) = self.peers.get_mut(place) else { return };
        let is_setup = transaction.kind() == TransactionKind::Invite && transaction.is_initial();
        peer.requests += 1;
        peer.calls += u64::from(is_setup);
        match call.outcome(transaction) {
            Outcome::Success(_) => peer.answered += u64::from(is_setup),
            Outcome::Failed(_) => peer.failures += 1,
            Outcome::Unanswered => peer.unanswered += 1,
            Outcome::Redirected(_) | Outcome::Challenged(_) | Outcome::Pending => {}
        }
        let responses = transaction.provisionals.iter().chain(&transaction.finals);
        if let Some(first) = responses.map(|message| message.time).min() {
            peer.response_time = peer.response_time + first.since(started);
            peer.responded += 1;
        }
    }
}

/// Requests and final or provisional responses that were sent again.
fn repeats(transaction: &Transaction<'_>) -> u64 {
    let mut repeats = transaction.retransmissions.len();
    for responses in [&transaction.provisionals, &transaction.finals] {
        for (index, message) in responses.iter().enumerate() {
            repeats += usize::from(responses.iter().take(index).any(|earlier| {
                earlier.status() == message.status()
                    && earlier.to_tag() == message.to_tag()
                    && earlier.bytes() == message.bytes()
            }));
        }
    }
    repeats += transaction.acks.len().saturating_sub(1);
    repeats as u64
}

impl Kpi {
    fn add_attempt(&mut self, call: &Call<'_>, attempt: &Attempt<'_>) {
        let status = attempt.final_status(call).map(Status::code);
        if attempt.is_resolved(call) || matches!(status, Some(300..=399 | 401 | 402 | 407)) {
            return;
        }
        let Some(hop) = attempt.first_hop(call) else { return };
        self.attempts += 1;
        if attempt.is_answered() {
            self.established += 1;
            let times = Times::of(call);
            if let Some(delay) = times.pdd {
                self.request_delay = (self.request_delay.0 + delay, self.request_delay.1 + 1);
            }
            return;
        }
        match status {
            Some(480 | 486 | 600 | 603) => self.effective += 1,
            Some(408 | 500 | 503 | 504) => self.ineffective += 1,
            None if call.outcome(hop) == Outcome::Unanswered => {
                self.ineffective += 1;
            }
            _ => {}
        }
    }

    fn add_ends(&mut self, call: &Call<'_>) {
        let ended = call.dialogs.iter().filter_map(|dialog| {
            dialog.confirmed?;
            dialog.bye(call)
        });
        for bye in ended {
            self.completed += u64::from(bye.upstream.is_none());
            if let Some(wait) = bye.wait() {
                self.disconnect_delay =
                    (self.disconnect_delay.0 + wait, self.disconnect_delay.1 + 1);
            }
        }
        if let Some(talk) = Times::of(call).talk {
            self.duration = (self.duration.0 + talk, self.duration.1 + 1);
        }
        for register in call.transactions.iter().filter(|t| t.method == Method::Register) {
            let is_success = register.final_status().map(Status::class) == Some(Class::Success);
            if let Some(wait) = register.wait().filter(|_| is_success) {
                self.registration_delay =
                    (self.registration_delay.0 + wait, self.registration_delay.1 + 1);
            }
        }
    }
}
