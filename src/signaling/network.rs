//! What the network said about the messages of a call: ICMP errors and ends of connections.

use crate::packet::Endpoint;
use crate::signaling::call::Call;
use crate::signaling::message::Message;
use crate::signaling::transaction::Transaction;
use crate::sip::{Class, Method, Status};
use crate::time::Span;
use crate::transport::{Carried, Disruption, DisruptionKind};

/// An error comes this long after the packet at most: routers wait for an address for some seconds
/// (RFC 4861, section 7.2.2; Linux three), hosts for fragments for up to a minute, which counts for
/// little.
const REPORT_WITHIN: Span = Span::from_secs(5);

impl<'c> Call<'c> {
    /// Why messages of the transaction did not arrive, as the network says: an ICMP error that
    /// quotes one of them, or the end of the connection that the answer was to come over.
    pub fn disruption_of(&self, hop: &Transaction<'c>) -> Option<&'c Disruption> {
        if self.network().is_calm() {
            return None;
        }
        let request = self.errors_about(hop, hop.client, hop.server).next();
        let response = || self.errors_about(hop, hop.server, hop.client).next();
        request.or_else(response).or_else(|| self.end_under(hop))
    }

    /// ICMP errors about messages of the transaction from `source` to `destination`.
    pub fn errors_about(
        &self,
        hop: &Transaction<'c>,
        source: Endpoint,
        destination: Endpoint,
    ) -> impl Iterator<Item = &'c Disruption> {
        let branch = hop.branch;
        let sent: Vec<&Message<'c>> = match self.network().is_calm() {
            true => Vec::new(),
            false => hop.messages().filter(|m| m.source == source).collect(),
        };
        self.errors(&sent, (source, destination), branch)
    }

    /// ICMP errors about a message that is no part of a transaction.
    pub fn errors_about_message(
        &self,
        message: &'c Message<'c>,
    ) -> impl Iterator<Item = &'c Disruption> {
        let flow = (message.source, message.destination);
        self.errors(&[message], flow, message.branch().unwrap_or_default())
    }

    fn errors(
        &self,
        sent: &[&Message<'c>],
        (source, destination): (Endpoint, Endpoint),
        branch: &'c [u8],
    ) -> impl Iterator<Item = &'c Disruption> + use<'c> {
        let network = self.network();
        let mut found: Vec<&'c Disruption> = Vec::new();
        let times = || sent.iter().map(|message| message.time);
        if let (Some(first), Some(last)) = (times().min(), times().max()) {
            let until = last + REPORT_WITHIN;
            let is_due = |one: &Disruption| (first..=until).contains(&one.first());
            let is_own = |one: &Disruption| match &one.branch {
                Some(own) => **own == *branch,
                None => is_due(one),
            };
            let named = network.about_call(source, destination, self.call_id);
            found.extend(named.filter(|one| is_own(one) && is_due(one)));
            let unnamed = network.about_packets(destination, first, until);
            found.extend(unnamed.filter(|one| {
                one.source == source && is_signalling(one) && is_own(one) && is_one_of(one, sent)
            }));
            let pieces = Endpoint { port: 0, ..destination };
            if sent.iter().any(|message| message.is_fragmented) {
                let about = network.about_packets(pieces, first, until);
                found.extend(about.filter(|one| {
                    one.source.address == source.address && one.ip_id != 0 && is_one_of(one, sent)
                }));
            }
            found.sort_by_key(|one| one.first());
        }
        found.into_iter()
    }

    /// The end of the connection while the request on it had no final response.
    pub fn end_under(&self, hop: &Transaction<'c>) -> Option<&'c Disruption> {
        let request =
            hop.request.filter(|_| hop.transport.is_reliable() && hop.finals.is_empty())?;
        if self.network().is_calm() {
            return None;
        }
        let end = self.network().end_of(request.source, request.destination, request.time)?;
        // The transaction was over by itself then (RFC 3261, section 17.1.2.2).
        let is_late = hop.method != Method::Invite
            && end.first().since(request.time) > self.patience_of(hop.client);
        let last = hop.messages().map(|message| message.time).max().unwrap_or(request.time);
        (!is_late && end.first() >= last && end.first() <= self.observed_until()).then_some(end)
    }

    /// The end of the connection under a request that nobody answered in another way (guards G3 and
    /// G7), and whose client had not given up.
    pub fn broken_off(&self, hop: &Transaction<'c>) -> Option<&'c Disruption> {
        let end = self.end_under(hop)?;
        let attempt = self.attempts.iter().find(|attempt| attempt.hops.contains(&hop.index));
        let is_passed = match attempt {
            Some(attempt) => attempt.is_answered() || attempt.is_resolved(self),
            None => self.got_through(hop),
        };
        let is_over = is_passed
            || self.cancel_of(hop).is_some()
            || self.implies_response(hop)
            || self.is_told_above(hop);
        (!is_over).then_some(end)
    }

    /// The connection that the server of this hop wanted to its next hop and did not get, if that
    /// is the likely reason for its failure: nothing went on from it, and the time fits.
    pub fn failed_connect_of(&self, hop: &Transaction<'c>) -> Option<&'c Disruption> {
        if self.network().is_calm() || !hop.downstream.is_empty() {
            return None;
        }
        let request = hop.request?;
        let answer = hop.final_response()?;
        // 477 and 478 are not registered; Kamailio sends them when it cannot send.
        let is_failure = answer.status().is_some_and(|status| {
            matches!(status.code(), 408 | 430 | 477 | 478 | 480)
                || status.class() == Class::ServerError
        });
        let is_next = |one: &&Disruption| {
            one.destination.address != hop.client.address && one.last <= answer.time
        };
        let failed =
            self.network().failed_connects_of(hop.server.address, request.time, answer.time);
        is_failure.then(|| failed.filter(is_next).last()).flatten()
    }

    /// A response from the server of the hop that came while it waited and cannot be matched to it,
    /// because its CSeq cannot be read or its Via is missing (RFC 3261, section 17.1.3).
    pub fn unmatched_responses<'a>(
        &'a self,
        hop: &'a Transaction<'c>,
    ) -> impl Iterator<Item = &'c Message<'c>> + 'a {
        let started = hop.started();
        let ended = hop.final_response().map(|answer| answer.time);
        self.messages.iter().filter(move |message| {
            message.is_response()
                && message.went(hop.server, hop.client)
                && started.is_some_and(|started| message.time >= started)
                && ended.is_none_or(|ended| message.time <= ended)
                && (message.cseq().is_none() || message.branch().is_none())
                && message.branch().is_none_or(|own| own == hop.branch)
                && message.status().is_none_or(|status| status != Status::TRYING)
        })
    }
}

/// The error may be about SIP, as far as the packet is quoted.
fn is_signalling(one: &Disruption) -> bool {
    matches!(one.kind, DisruptionKind::Icmp(_))
        && matches!(one.carried, Carried::Sip | Carried::Unknown)
}

/// The identification of the packet is that of one of these, where both have one.
fn is_one_of(one: &Disruption, sent: &[&Message<'_>]) -> bool {
    let could_be = |message: &&Message<'_>| {
        (message.time..=message.time + REPORT_WITHIN).contains(&one.first())
    };
    match one.ip_id {
        0 => sent.iter().any(could_be),
        id => sent
            .iter()
            .any(|message| could_be(message) && (message.ip_id == 0 || message.ip_id == id)),
    }
}
