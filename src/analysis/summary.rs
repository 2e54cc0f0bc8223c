//! What a report tells of one call.

use crate::analysis::{
    CallSummary, Linked, ResponseSummary, StreamSummary, TransactionSummary, leg,
};
use crate::bytes::{printable, printable_str};
use crate::finding::Confidence;
use crate::limits::LINKS_PER_LEG_MAX;
use crate::signaling::{Attempt, Call, CallState, Kind, Message, Transaction};
use crate::sip::Status;
use crate::time::Span;

impl CallSummary {
    /// What became of it: its state, with busy and declined calls told apart from those that
    /// failed.
    pub fn fate(&self) -> &'static str {
        fate(self.state, self.final_status)
    }

    /// Bytes of memory that it takes, about; the transcript has a bound of its own.
    pub(super) fn room(&self) -> usize {
        let uris = [&self.from_uri, &self.to_uri].into_iter().flatten();
        let texts = uris.map(String::capacity).sum::<usize>() + self.call_id.capacity();
        let hops = self.transactions.iter().map(TransactionSummary::room).sum::<usize>();
        let streams = self.streams.capacity() * size_of::<StreamSummary>();
        let digits = self.streams.iter().map(|own| size_of_val(&*own.digits)).sum::<usize>();
        size_of::<Self>() + texts + hops + streams + digits
    }

    /// Adds what the same Call-ID was used for later.
    pub(crate) fn go_on_with(&mut self, later: Self) {
        self.messages += later.messages;
        self.dialogs += later.dialogs;
        self.last_frame = self.last_frame.max(later.last_frame);
        self.end = self.end.max(later.end);
        self.state = later.state;
        self.kind = self.kind.min(later.kind);
        self.final_status = later.final_status.or(self.final_status);
        self.pdd = self.pdd.or(later.pdd);
        self.ring = self.ring.or(later.ring);
        self.talk = self.talk.or(later.talk);
        let before = self.transactions.len();
        self.transactions.extend(later.transactions);
        self.transcript.extend(later.transcript.into_iter().map(|mut step| {
            step.transaction = step.transaction.map(|own| own + before);
            step
        }));
        for stream in later.streams {
            // One that went on is a stream of both.
            if self.streams.iter().all(|known| known.first.frame != stream.first.frame) {
                self.streams.push(stream);
            }
        }
        for link in later.linked {
            if !self.linked.contains(&link) {
                self.linked.push(link);
            }
        }
    }
}

impl TransactionSummary {
    fn room(&self) -> usize {
        let responses = self.provisional.iter().chain(&self.final_response);
        let reasons = responses.map(|response| response.reason.capacity()).sum::<usize>();
        let provisional = self.provisional.capacity() * size_of::<ResponseSummary>();
        size_of::<Self>() + self.method.capacity() + self.branch.capacity() + provisional + reasons
    }
}

/// What became of a call in that state with that answer.
pub(crate) fn fate(state: CallState, answer: Option<Status>) -> &'static str {
    match (state, answer.map(Status::code)) {
        (CallState::Failed, Some(486 | 600)) => "busy",
        (CallState::Failed, Some(603 | 607)) => "declined",
        (CallState::Failed, Some(300..400)) => "redirected",
        (state, _) => state.name(),
    }
}

/// Reduces a call to what reports tell of it, with how often it names other calls beyond the bound;
/// `None` for a Call-ID without a message.
pub fn summarize(call: &Call<'_>, streams: Vec<StreamSummary>) -> Option<(CallSummary, u64)> {
    let (first, last) = ends(call)?;
    let opening = call.messages.iter().find(|m| m.is_request()).unwrap_or(first);
    let times = Times::of(call);
    let (linked, links_dropped) = linked(call);
    let summary = CallSummary {
        call_id: printable(call.call_id).into_owned(),
        kind: call.kind(),
        state: call.state(),
        from_uri: opening.from().map(|from| printable(from.uri.as_bytes()).into_owned()),
        to_uri: opening.to().map(|to| printable(to.uri.as_bytes()).into_owned()),
        first_frame: first.frame,
        last_frame: last.frame,
        start: call.messages.iter().map(|m| m.time).min().unwrap_or(first.time),
        end: call.messages.iter().map(|m| m.time).max().unwrap_or(last.time),
        final_status: call.final_status(),
        pdd: times.pdd,
        ring: times.ring,
        talk: times.talk,
        messages: call.messages.len() as u64,
        dialogs: call.dialogs.iter().filter(|dialog| dialog.is_confirmed()).count() as u64,
        linked,
        streams,
        transactions: call.transactions.iter().map(|t| transaction(call, t)).collect(),
        transcript: Vec::new(),
    };
    Some((summary, links_dropped))
}

/// The first and the last message: by frame, and where several captures have some of them, by time.
fn ends<'c>(call: &Call<'c>) -> Option<(&'c Message<'c>, &'c Message<'c>)> {
    let first = call.messages.iter().min_by_key(|message| message.frame)?;
    let last = call.messages.iter().max_by_key(|message| message.frame)?;
    match first.frame.capture == last.frame.capture {
        true => Some((first, last)),
        false => Some((call.messages.first()?, call.messages.last()?)),
    }
}

/// The spans of a call that engineers ask for.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    /// Session request delay (RFC 6076, section 4.3), without a challenge before it.
    pdd: Option<Span>,
    ring: Option<Span>,
    talk: Option<Span>,
}

impl Times {
    fn of(call: &Call<'_>) -> Self {
        if call.kind() != Kind::Call {
            return Self::default();
        }
        let hop = call.attempts.last().and_then(|attempt: &Attempt<'_>| attempt.first_hop(call));
        let answer = hop.and_then(Transaction::first_success);
        let ringing = hop.and_then(Transaction::ringing);
        let started = hop.and_then(Transaction::started);
        let heard = ringing.or(answer).map(|message| message.time);
        let ended = answer.and_then(|answer| call.dialog_of(answer)?.ended(call));
        Self {
            pdd: started.zip(heard).map(|(started, heard)| heard.since(started)),
            ring: ringing.zip(answer).map(|(ringing, answer)| answer.time.since(ringing.time)),
            talk: answer.zip(ended).map(|(answer, ended)| ended.since(answer.time)),
        }
    }
}

fn transaction(call: &Call<'_>, transaction: &Transaction<'_>) -> TransactionSummary {
    let started = transaction.started();
    let response = |message: &&Message<'_>| {
        Some(ResponseSummary {
            status: message.status()?,
            reason: printable_str(&message.reason_phrase().unwrap_or_default()).into_owned(),
            frame: message.frame,
            after: started.map(|started| message.time.since(started)),
        })
    };
    TransactionSummary {
        method: printable(transaction.method.as_bytes()).into_owned(),
        cseq: transaction.cseq,
        branch: printable(transaction.branch).into_owned(),
        client: transaction.client,
        server: transaction.server,
        transport: transaction.transport,
        request_frame: transaction.request.map(|request| request.frame),
        request_time: transaction.started(),
        retransmissions: transaction.retransmissions.len() as u64,
        provisional: transaction.provisionals.iter().filter_map(response).collect(),
        final_response: transaction.finals.first().and_then(response),
        outcome: call.outcome(transaction).name(),
    }
}

/// Other Call-IDs that header fields of this call name, and how often they name more than are kept.
fn linked(call: &Call<'_>) -> (Vec<Linked>, u64) {
    let (mut linked, mut dropped): (Vec<Linked>, u64) = (Vec::new(), 0);
    leg::named(call, &mut |other, reason| {
        let call_id = printable(other).into_owned();
        let is_known = linked.iter().any(|known| known.call_id == call_id);
        if is_known {
            return;
        }
        if linked.len() >= LINKS_PER_LEG_MAX {
            dropped += 1;
            return;
        }
        let confidence = Confidence::Certain;
        linked.push(Linked { call_id, reason, confidence, direction: None, after: None });
    });
    (linked, dropped)
}
