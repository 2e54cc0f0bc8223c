//! The figures of some calls alone, made of what reports tell of them.
//!
//! What is counted message by message is counted by transactions here: the ACK to a 2xx and
//! responses sent again are missing. Calls that were tried more than once under one Call-ID count
//! once. All else is as in [`Statistics`] of a whole run; a test holds the two together.

use crate::analysis::kpi::Setup;
use crate::analysis::timeline::Happening;
#[cfg(feature = "parts")]
use crate::analysis::{Analysis, BySeverity, Totals, tally};
use crate::analysis::{CallSummary, ResponseSummary, Statistics, Timeline, TransactionSummary};
use crate::signaling::{CallState, Kind, Outcome};
use crate::sip::{Class, Method, Status};
use crate::time::{Span, Time};

#[cfg(feature = "parts")]
impl Analysis {
    /// Leaves the calls that are listed, what was found on them and on the captures as a whole. The
    /// counts are those of what is left, but for frames and streams, which no call has alone.
    pub fn leave_listed(&mut self) {
        let listed: std::collections::HashSet<&str> =
            self.calls.iter().map(|call| call.call_id.as_str()).collect();
        self.findings.retain(|own| own.call_id.as_deref().is_none_or(|id| listed.contains(id)));
        let until = self.captures.iter().filter_map(|capture| capture.last_time).max();
        self.statistics = Statistics::of_calls(&self.calls, until, None);
        self.incidents = tally::incidents(&self.findings, Vec::new(), &self.statistics.peers);
        let (mut totals, mut findings) = (Totals::default(), BySeverity::default());
        self.findings.iter().for_each(|own| findings.add(own.severity));
        for call in &self.calls {
            let repeats = call.transactions.iter().map(|own| own.retransmissions);
            totals.sip_messages += call.messages;
            totals.retransmissions += repeats.sum::<u64>();
            totals.call_ids += 1;
            totals.calls += u64::from(call.kind == Kind::Call);
            totals.dialogs += call.dialogs;
            totals.transactions += call.transactions.len() as u64;
        }
        totals.requests = self.statistics.methods.values().sum();
        totals.responses = self.statistics.statuses.values().sum();
        let Totals { frames, rtp_streams, .. } = self.totals;
        self.totals = Totals { frames, rtp_streams, findings, ..totals };
    }
}

impl Statistics {
    /// The figures of these calls, which were observed until then; with intervals of that width,
    /// else with such as their number allows.
    pub fn of_calls<'c>(
        calls: impl IntoIterator<Item = &'c CallSummary>,
        until: Option<Time>,
        every: Option<Span>,
    ) -> Self {
        let mut sum = Self::default();
        if let Some(width) = every {
            sum.timeline = Timeline::every(width);
        }
        for call in calls {
            sum.add_summary(call, until.unwrap_or(call.end).max(call.end));
        }
        sum
    }

    fn add_summary(&mut self, call: &CallSummary, until: Time) {
        if call.kind == Kind::Call {
            *self.fates.entry(call.fate()).or_default() += 1;
        }
        for (place, transaction) in call.transactions.iter().enumerate() {
            let before = call.transactions.get(..place).unwrap_or_default();
            self.add_messages_of(transaction);
            self.add_exchange(transaction, is_first_hop(before, transaction));
        }
        if let Some(attempt) = Try::of(call) {
            self.add_try(call, &attempt, until);
        }
    }

    fn add_messages_of(&mut self, transaction: &TransactionSummary) {
        let requests = u64::from(transaction.request_frame.is_some()) + transaction.retransmissions;
        let mut messages = requests;
        if requests > 0 {
            *self.methods.entry(transaction.method.clone()).or_default() += requests;
            *self.ports.entry(transaction.server.port).or_default() += requests;
        }
        for response in transaction.provisional.iter().chain(&transaction.final_response) {
            *self.statuses.entry(response.status.code()).or_default() += 1;
            messages += 1;
        }
        *self.transports.entry(transaction.transport).or_default() += messages;
    }

    fn add_exchange(&mut self, transaction: &TransactionSummary, is_first_hop: bool) {
        let Some(started) = transaction.request_time else { return };
        let last = transaction.final_response.as_ref();
        let wait = last.and_then(|last| Some((last, last.after?)));
        let method = Method::of(transaction.method.as_bytes());
        if let Some((last, wait)) = wait.filter(|_| is_first_hop) {
            self.timeline.add(started + wait, Happening::Final(last.status));
            self.kpi.add_wait(method, wait, is_success(last));
        }
        let Some(peer) = self.peer(transaction.server.address) else { return };
        peer.requests += 1;
        peer.retransmissions += transaction.retransmissions;
        peer.failures += u64::from(transaction.outcome == FAILED);
        peer.unanswered += u64::from(transaction.outcome == Outcome::Unanswered.name());
        let responses = transaction.provisional.iter().chain(last);
        peer.response_time.extend(responses.filter_map(|own| own.after).min());
        if let Some((last, wait)) = wait {
            peer.kpi.add_wait(method, wait, is_success(last));
        }
    }

    fn add_try(&mut self, call: &CallSummary, attempt: &Try<'_>, until: Time) {
        let setup = Setup::of_summary(call, attempt.first);
        let (status, is_answered) = (attempt.status(), attempt.is_answered(call));
        self.kpi.add_attempt(is_answered, status, &setup);
        self.timeline.add(attempt.started, Happening::Attempt);
        if !is_answered {
            self.timeline.add(attempt.started, Happening::Failure);
        }
        let mut told = Vec::new();
        for hop in attempt.hops(call) {
            let host = hop.server.address;
            if told.contains(&host) {
                continue;
            }
            told.push(host);
            let Some(peer) = self.peer(host) else { continue };
            peer.calls += 1;
            peer.answered += u64::from(hop.final_response.as_ref().is_some_and(is_success));
            peer.kpi.add_attempt(is_answered, status, &Setup::of_summary(call, hop));
        }
        let Some(answered) = attempt.answered else { return };
        if call.state == CallState::Completed {
            self.kpi.completed += 1;
            if let Some(peer) = self.peer(attempt.first.server.address) {
                peer.kpi.completed += 1;
            }
        }
        let ended = call.talk.map_or(until, |talk| answered + talk);
        self.timeline.add(answered, Happening::Answer);
        self.timeline.add(ended.max(answered), Happening::End);
    }
}

/// The word of a transaction that failed.
const FAILED: &str = "failed";

/// How a call was set up, or was to be.
struct Try<'c> {
    /// The INVITE that decided it, on the first hop.
    first: &'c TransactionSummary,
    started: Time,
    answered: Option<Time>,
}

impl<'c> Try<'c> {
    /// None for what began before the capture, and for what ended with a challenge or elsewhere.
    fn of(call: &'c CallSummary) -> Option<Self> {
        if call.kind != Kind::Call || call.state == CallState::Unknown {
            return None;
        }
        let all = &call.transactions;
        let is_first = |(place, own): &(usize, &TransactionSummary)| {
            let before = all.get(..*place).unwrap_or_default();
            own.method == "INVITE" && is_first_hop(before, own)
        };
        let mut chosen = None;
        for (_, invite) in all.iter().enumerate().filter(is_first) {
            chosen = Some(invite);
            if invite.final_response.as_ref().is_some_and(is_success) {
                break;
            }
        }
        let first = chosen?;
        let last = first.final_response.as_ref();
        let is_step =
            matches!(last.map(|own| own.status.code()), Some(300..=399 | 401 | 402 | 407));
        let is_inside_dialog = last.is_some() && call.final_status.is_none();
        if is_step || is_inside_dialog {
            return None;
        }
        let started = first.request_time?;
        let answer = last.filter(|last| is_success(last));
        let answered = answer.map(|answer| started + answer.after.unwrap_or_default());
        Some(Self { first, started, answered })
    }

    /// What came later shows it where the answer itself is missing.
    fn is_answered(&self, call: &CallSummary) -> bool {
        let is_up = matches!(call.state, CallState::Answered | CallState::Completed);
        self.answered.is_some() || (is_up && self.first.final_response.is_none())
    }

    fn status(&self) -> Option<Status> {
        self.first.final_response.as_ref().map(|own| own.status)
    }

    /// Its INVITE on every hop.
    fn hops<'t>(
        &'t self,
        call: &'c CallSummary,
    ) -> impl Iterator<Item = &'c TransactionSummary> + 't {
        call.transactions.iter().filter(|own| {
            let is_later = own.request_time.zip(self.answered).is_some_and(|(own, end)| own > end);
            own.method == self.first.method && own.cseq == self.first.cseq && !is_later
        })
    }
}

/// No transaction before it brought the request to its client.
fn is_first_hop(before: &[TransactionSummary], own: &TransactionSummary) -> bool {
    !before.iter().any(|other| {
        other.server.address == own.client.address
            && other.cseq == own.cseq
            && other.method == own.method
            && other.branch != own.branch
    })
}

fn is_success(response: &ResponseSummary) -> bool {
    response.status.class() == Class::Success
}
