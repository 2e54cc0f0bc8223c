//! Transactions as seen on one hop (RFC 3261, section 17).

use std::collections::HashSet;

use foldhash::fast::RandomState;

use crate::packet::Endpoint;
use crate::signaling::message::Message;
use crate::signaling::short_list::ShortList;
use crate::signaling::state::{Event, Oddity, State, TransactionKind};
use crate::signaling::witnesses::FEW;
use crate::sip::{Class, Method, Status};
use crate::time::{Span, Time};
use crate::transport::Transport;

/// A client that gets no final response repeats a request other than INVITE this often at least
/// (T2, RFC 3261, section 17.1.2.2), give or take the ticks of a slow clock.
const REPEAT_PAUSE_MAX: Span = Span::from_millis(4500);

/// No timer repeats a request sooner; what comes within this time is a copy of one packet.
const REPEAT_PAUSE_MIN: Span = Span::from_millis(50);

/// A request and its responses between one client and one server.
///
/// One logical transaction may be seen on several hops; each hop is a transaction of its own,
/// linked by `upstream` and
/// `downstream`.
#[derive(Debug)]
pub struct Transaction<'c> {
    /// Its place in [`Call::transactions`](crate::signaling::Call::transactions).
    pub index: usize,
    /// The method of the request.
    pub method: Method<'c>,
    /// The sequence number.
    pub cseq: u32,
    /// The branch of the top Via; empty if it has none.
    pub branch: &'c [u8],
    /// Who sent the request.
    pub client: Endpoint,
    /// Who received it.
    pub server: Endpoint,
    /// What carried it.
    pub transport: Transport,
    /// The request, first copy; `None` where only responses were seen.
    pub request: Option<&'c Message<'c>>,
    /// The request sent again.
    pub retransmissions: ShortList<&'c Message<'c>>,
    /// Every response 100-199, repeats included.
    pub provisionals: ShortList<&'c Message<'c>>,
    /// Every final response, repeats and those of other forks included.
    pub finals: ShortList<&'c Message<'c>>,
    /// ACKs with the branch of the INVITE.
    pub acks: ShortList<&'c Message<'c>>,
    /// The CANCEL of this INVITE on the same hop.
    pub cancel: Option<usize>,
    /// The transaction on the hop before, nearer to the caller.
    pub upstream: Option<usize>,
    /// The transactions on the hops after, nearer to the callee.
    pub downstream: ShortList<usize>,
    /// Where it stands after the last message.
    pub state: State,
    /// What the state machines do not foresee.
    pub oddities: ShortList<(Oddity, &'c Message<'c>)>,
}

/// How a transaction ended, as far as the capture tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A final response 2xx.
    Success(Status),
    /// A final response 3xx.
    Redirected(Status),
    /// 401 or 407.
    Challenged(Status),
    /// A final response 4xx, 5xx or 6xx.
    Failed(Status),
    /// No final response although the capture went on long enough for one.
    Unanswered,
    /// No final response before the capture ended.
    Pending,
}

impl Outcome {
    /// The word of the JSON output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success(_) => "success",
            Self::Redirected(_) => "redirected",
            Self::Challenged(_) => "challenged",
            Self::Failed(_) => "failed",
            Self::Unanswered => "unanswered",
            Self::Pending => "pending",
        }
    }
}

impl<'c> Transaction<'c> {
    /// The transaction that the message belongs to, which was seen first; nothing is added yet.
    pub(super) fn new(index: usize, method: Method<'c>, cseq: u32, first: &'c Message<'c>) -> Self {
        let (client, server) = match first.is_meant_as_response() {
            true => (first.destination, first.source),
            false => (first.source, first.destination),
        };
        Self {
            index,
            method,
            cseq,
            branch: first.branch().unwrap_or_default(),
            client,
            server,
            transport: first.transport,
            request: None,
            retransmissions: ShortList::new(),
            provisionals: ShortList::new(),
            finals: ShortList::new(),
            acks: ShortList::new(),
            cancel: None,
            upstream: None,
            downstream: ShortList::new(),
            state: State::Unseen,
            oddities: ShortList::new(),
        }
    }

    /// The machine that it follows.
    pub fn kind(&self) -> TransactionKind {
        match self.method {
            Method::Invite => TransactionKind::Invite,
            _ => TransactionKind::NonInvite,
        }
    }

    /// The request opens a dialog or stands outside of any: it has no To-tag (guard G6).
    #[inline]
    pub fn is_initial(&self) -> bool {
        self.request.is_some_and(|request| request.to_tag().is_none())
    }

    /// The From-tag, also where only responses were captured.
    pub fn from_tag(&self) -> Option<&'c [u8]> {
        self.request.or_else(|| self.first_response())?.from_tag()
    }

    /// When the request was first sent.
    #[inline]
    pub fn started(&self) -> Option<Time> {
        self.request.map(|request| request.time)
    }

    /// The time of the first message that was seen.
    pub fn first_time(&self) -> Time {
        self.messages().map(|message| message.time).min().unwrap_or_default()
    }

    /// The time of the last message that was seen.
    pub fn last_time(&self) -> Time {
        self.messages().map(|message| message.time).max().unwrap_or_default()
    }

    /// The first final response.
    #[inline]
    pub fn final_response(&self) -> Option<&'c Message<'c>> {
        self.finals.first().copied()
    }

    /// The status of the first final response.
    #[inline]
    pub fn final_status(&self) -> Option<Status> {
        self.final_response().and_then(Message::status)
    }

    /// The first 2xx.
    #[inline]
    pub fn first_success(&self) -> Option<&'c Message<'c>> {
        self.finals
            .iter()
            .copied()
            .find(|message| message.status().is_some_and(|status| status.class() == Class::Success))
    }

    /// The first 100.
    pub fn trying(&self) -> Option<&'c Message<'c>> {
        self.provisionals.iter().copied().find(|message| message.status() == Some(Status::TRYING))
    }

    /// The responses 101-199.
    pub fn progress(&self) -> impl Iterator<Item = &'c Message<'c>> {
        self.provisionals.iter().copied().filter(|message| message.status() != Some(Status::TRYING))
    }

    /// The first response by which the caller hears something: 180, 181, 182, or 183 with SDP.
    pub fn ringing(&self) -> Option<&'c Message<'c>> {
        self.progress().find(|message| match message.status().map(Status::code) {
            Some(180..=182) => true,
            Some(183) => message.sdp().is_some(),
            _ => false,
        })
    }

    /// The request has a response of any class.
    #[inline]
    pub fn has_response(&self) -> bool {
        !self.provisionals.is_empty() || !self.finals.is_empty()
    }

    /// The first response of any class.
    pub fn first_response(&self) -> Option<&'c Message<'c>> {
        let responses = [self.provisionals.first(), self.finals.first()];
        responses.into_iter().flatten().copied().min_by_key(|response| response.time)
    }

    /// The client had to repeat the request over an unreliable transport, and got an answer in the
    /// end: any response to an INVITE, a final one to another request.
    pub fn is_answered_late(&self) -> bool {
        let is_answered = match self.kind() {
            TransactionKind::Invite => self.has_response(),
            TransactionKind::NonInvite => !self.finals.is_empty(),
        };
        is_answered
            && !self.transport.is_reliable()
            && self.request.is_some()
            && self.late_repeats().next().is_some()
    }

    /// The repeats that show that no response had reached the client: those that were sent before
    /// the first one, and the same bytes again soon after, until an ACK shows that it arrived. A
    /// request other than INVITE goes on after a provisional response, as it ought to (RFC 3261,
    /// section 17.1.2.2).
    pub fn late_repeats(&self) -> impl Iterator<Item = &'c Message<'c>> {
        let first = self.first_response();
        let acked = self.acks.iter().map(|ack| ack.time).min();
        let request = self.request;
        let goes_on = self.kind() == TransactionKind::NonInvite
            && first.is_some_and(|first| !first.status().is_some_and(Status::is_final));
        let mut before = self.started().unwrap_or_default();
        self.retransmissions.iter().copied().filter(move |repeat| {
            // The same request after a longer pause is a probe, sent by a tool with fixed tags.
            let is_soon = repeat.time.since(before) <= REPEAT_PAUSE_MAX;
            before = repeat.time;
            let is_early = first.is_none_or(|first| repeat.time < first.time);
            let is_same = request.is_some_and(|request| request.bytes() == repeat.bytes());
            let is_acked = acked.is_some_and(|acked| acked <= repeat.time);
            is_early || (is_soon && is_same && !is_acked && !goes_on)
        })
    }

    /// From the first request to the first final response.
    pub fn wait(&self) -> Option<Span> {
        Some(self.final_response()?.time.since(self.started()?))
    }

    /// How often the request was sent.
    pub fn sends(&self) -> usize {
        usize::from(self.request.is_some()) + self.retransmissions.len()
    }

    /// The request went out once, over a transport on which a client without an answer sends it
    /// again (timers A and E, RFC 3261, sections 17.1.1.2 and 17.1.2.2). So where none was seen,
    /// one may have come past the capture.
    pub fn is_sent_once(&self) -> bool {
        let Some(started) = self.started() else { return false };
        let mut again = self.retransmissions.iter();
        !self.transport.is_reliable()
            && again.all(|repeat| repeat.time.since(started) < REPEAT_PAUSE_MIN)
    }

    /// Requests and responses that were sent again, first copies left out.
    pub fn repeats(&self) -> impl Iterator<Item = &'c Message<'c>> {
        let responses = [&self.provisionals, &self.finals].into_iter().flat_map(|responses| {
            // Of very many, not each is compared with each.
            let mut seen = (responses.len() > FEW).then(HashSet::<_, RandomState>::default);
            responses.iter().enumerate().filter_map(move |(index, message)| {
                let is_same = |earlier: &&Message<'_>| {
                    earlier.status() == message.status()
                        && earlier.to_tag() == message.to_tag()
                        && earlier.bytes() == message.bytes()
                };
                let is_repeat = match &mut seen {
                    Some(seen) => !seen.insert(message.bytes()),
                    None => responses.iter().take(index).copied().any(|e| is_same(&e)),
                };
                is_repeat.then_some(*message)
            })
        });
        let requests = self.retransmissions.iter().chain(self.acks.iter().skip(1)).copied();
        requests.chain(responses)
    }

    /// Every message of it, not in order of time.
    pub fn messages(&self) -> impl Iterator<Item = &'c Message<'c>> {
        self.request
            .into_iter()
            .chain(self.retransmissions.iter().copied())
            .chain(self.provisionals.iter().copied())
            .chain(self.finals.iter().copied())
            .chain(self.acks.iter().copied())
    }

    /// A part of it is missing from the capture because the capture cut it (guard G5).
    pub fn is_cut(&self) -> bool {
        self.messages().any(|message| message.is_cut)
    }

    /// Takes a message that belongs here.
    pub(crate) fn add(&mut self, message: &'c Message<'c>) {
        let event = event_of(message);
        let (state, oddity) = self.state.after(self.kind(), event);
        self.state = state;
        if let Some(oddity) = oddity {
            self.oddities.push((oddity, message));
        }
        match event {
            Event::Request if self.request.is_none() => self.request = Some(message),
            Event::Request => self.retransmissions.push(message),
            Event::Provisional => self.provisionals.push(message),
            Event::Success | Event::Failure => self.finals.push(message),
            Event::Ack => self.acks.push(message),
        }
    }
}

fn event_of(message: &Message<'_>) -> Event {
    match message.status().map(Status::class) {
        None if message.method() == Method::Ack => Event::Ack,
        None => Event::Request,
        Some(Class::Provisional) => Event::Provisional,
        Some(Class::Success) => Event::Success,
        Some(_) => Event::Failure,
    }
}
