//! A call: everything that was said under one Call-ID.

use std::cmp::Ordering;

use crate::packet::Endpoint;
use crate::signaling::attempt::Attempt;
use crate::signaling::challenge::{Chain, ChainEnd};
use crate::signaling::coverage::Coverage;
use crate::signaling::dialog::Dialog;
use crate::signaling::lately::Lately;
use crate::signaling::log::CallLog;
use crate::signaling::lookup::Lookup;
use crate::signaling::message::Message;
use crate::signaling::negotiation::Negotiations;
use crate::signaling::settings::Settings;
use crate::signaling::short_list::ShortList;
use crate::signaling::subscription::{self, Subscription};
use crate::signaling::transaction::{Outcome, Transaction};
use crate::signaling::witnesses::{FEW, Openings, Tag, Witnesses};
use crate::sip::{Class, HeaderName, Method, Status, timers};
use crate::time::{Span, Time};
use crate::transport::Network;

/// What is added to a deadline before absence is asserted (guard G1).
const HORIZON: Span = Span::from_secs(1);

/// The T1 of a peer can be told from its retransmissions when the second gap is about twice the
/// first.
const T1_RATIO: std::ops::RangeInclusive<f64> = 1.7..=2.3;

/// A client takes up a challenge within this time, or not at all.
const CREDENTIALS_WAIT: Span = timers::T1.times(64);

/// How far the first gap may be from the default T1 and still be it: the ticks of a busy stack.
const T1_TOLERANCE: Span = Span::from_millis(125);

/// Hops of one request that are looked through for the one before; a path has at most 70
/// (Max-Forwards).
const HOPS_MAX: usize = 70;

/// What a call cannot know of itself.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'c> {
    /// The moment up to which the capture would have shown another message of the call.
    pub observed_until: Time,
    /// When the captures show anything at all.
    pub coverage: &'c Coverage,
    /// What the user has set.
    pub settings: &'c Settings,
    /// What the network said of packets that did not arrive.
    pub network: Network<'c>,
}

/// What a Call-ID was used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// INVITE and what belongs to it.
    Call,
    /// REGISTER.
    Registration,
    /// SUBSCRIBE and NOTIFY.
    Subscription,
    /// PUBLISH.
    Publication,
    /// MESSAGE.
    Message,
    /// OPTIONS.
    Options,
    /// Anything else.
    Other,
}

/// Where a call stands after its last message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// No response but 100 yet, or a challenge so shortly before the end that credentials may still
    /// follow.
    Trying,
    /// A response 101-199 came.
    Ringing,
    /// Answered, and no BYE seen.
    Answered,
    /// Answered and ended by BYE.
    Completed,
    /// Given up by the caller.
    Cancelled,
    /// Ended by a final response of 300 or more.
    Failed,
    /// No final response although the capture went on long enough for one.
    Unanswered,
    /// The request outside of a call got a 2xx.
    Succeeded,
    /// The beginning is missing, so nothing can be said.
    Unknown,
}

impl Kind {
    /// The word of the JSON output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Registration => "registration",
            Self::Subscription => "subscription",
            Self::Publication => "publication",
            Self::Message => "message",
            Self::Options => "options",
            Self::Other => "other",
        }
    }
}

impl State {
    /// The word of the JSON output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trying => "trying",
            Self::Ringing => "ringing",
            Self::Answered => "answered",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Unanswered => "unanswered",
            Self::Succeeded => "succeeded",
            Self::Unknown => "unknown",
        }
    }
}

/// Everything that was said under one Call-ID, sorted out.
#[derive(Debug)]
pub struct Call<'c> {
    /// The Call-ID.
    pub call_id: &'c [u8],
    /// Every message, in order (guard G10), without capture copies.
    pub messages: &'c [Message<'c>],
    /// Every transaction on every hop, in order of their first message.
    pub transactions: Vec<Transaction<'c>>,
    /// Every initial INVITE, in order.
    pub attempts: Vec<Attempt<'c>>,
    /// Every dialog, in order.
    pub dialogs: Vec<Dialog<'c>>,
    /// Every subscription, in order.
    pub subscriptions: Vec<Subscription<'c>>,
    subscriptions_beyond: u64,
    /// What its messages show, of a call with very many.
    witnesses: Option<Box<Witnesses<'c>>>,
    kind: Kind,
    /// Challenges and what followed on them.
    chains: Vec<Chain<'c>>,
    /// The clients whose retransmissions show a T1 of their own.
    timers: Vec<(Endpoint, Span)>,
    surroundings: Surroundings<'c>,
    negotiations: Negotiations<'c>,
}

impl CallLog {
    /// The messages, parsed and in order: by time, with the frame as tie-break; in order of capture
    /// where time runs backwards inside one capture by more than a millisecond (guard G10).
    pub fn messages(&self) -> Vec<Message<'_>> {
        let mut lately = Lately::default();
        let mut messages = Vec::with_capacity(self.len());
        for (entry, bytes) in self.entries() {
            // A message is large, so it is read where it stays.
            messages.push(Message::unread(entry, bytes));
            if let Some(message) = messages.last_mut() {
                message.read(&mut lately);
            }
        }
        let is_disordered = messages.windows(2).any(|pair| match pair {
            [a, b] => {
                a.frame.capture == b.frame.capture
                    && a.time.since(b.time) > Span::from_millis(1)
                    && a.frame < b.frame
            }
            _ => false,
        });
        if !is_disordered {
            messages.sort_by_key(|message| (message.time, message.frame));
        }
        messages
    }
}

impl<'c> Call<'c> {
    /// Sorts out the messages of each Call-ID; pure, whatever the messages are. One step of all of
    /// them is done after the other, so that the code for it is at hand.
    pub fn build(calls: impl Iterator<Item = (&'c [Message<'c>], Surroundings<'c>)>) -> Vec<Self> {
        let mut calls: Vec<Self> =
            calls.map(|(messages, around)| Self::arranged(messages, around)).collect();
        for call in &mut calls {
            call.negotiations = Negotiations::of(call);
        }
        calls
    }

    /// All but the offers and answers.
    fn arranged(messages: &'c [Message<'c>], surroundings: Surroundings<'c>) -> Self {
        let call_id = messages.iter().find_map(|message| message.call_id()).unwrap_or_default();
        let (transactions, lookup) = transactions(messages);
        let mut call = Self {
            call_id,
            messages,
            kind: kind_of(messages),
            timers: base_timers(&transactions),
            transactions,
            attempts: Vec::new(),
            dialogs: Vec::new(),
            subscriptions: Vec::new(),
            subscriptions_beyond: 0,
            witnesses: None,
            chains: Vec::new(),
            surroundings,
            negotiations: Negotiations::default(),
        };
        if messages.len() > FEW {
            call.witnesses = Some(Box::new(Witnesses::of(&call)));
        }
        call.link_hops(&lookup);
        call.link_cancels();
        (call.subscriptions, call.subscriptions_beyond) =
            subscription::subscriptions(&call.transactions);
        call.chains = call.collect_chains();
        call.collect_attempts();
        call.collect_dialogs();
        call.find_answers();
        call
    }

    /// The challenges that each sender met, sorted by what followed on what.
    pub fn chains(&self) -> &[Chain<'c>] {
        &self.chains
    }

    /// What the messages show; none of a call with so few that looking at each is less work.
    pub(super) fn witnesses(&self) -> Option<&Witnesses<'c>> {
        self.witnesses.as_deref()
    }

    /// Messages of subscriptions that are beyond the bound.
    pub(super) const fn subscriptions_beyond(&self) -> u64 {
        self.subscriptions_beyond
    }

    /// 64*T1 of a client: how long it waits for a response (RFC 3261, section 17, timers B and F).
    /// T1 is 500 ms unless its retransmissions show another.
    pub fn patience_of(&self, client: Endpoint) -> Span {
        let own = self.timers.iter().find(|(known, _)| known.address == client.address);
        own.map_or(timers::T1, |(_, t1)| *t1).times(64)
    }

    /// How long to wait for what somebody does who shows no timer: 64*T1, or longer where a peer is
    /// that slow. A short T1 of one side says nothing of the other one.
    pub fn patience(&self) -> Span {
        let longest = self.timers.iter().map(|(_, t1)| *t1).max();
        longest.map_or(timers::T1, |t1| t1.max(timers::T1)).times(64)
    }

    /// The capture goes on long enough after `moment` that what is due within `wait` would be seen
    /// (guard G1), and was not stopped meanwhile.
    pub fn is_observed(&self, moment: Time, wait: Span) -> bool {
        self.surroundings.observed_until >= moment + wait + HORIZON
            && !self.surroundings.coverage.has_hole(moment, wait + HORIZON)
    }

    /// The moment up to which another message of the call would have been seen.
    pub fn observed_until(&self) -> Time {
        self.surroundings.observed_until
    }

    /// What the network said of packets that did not arrive.
    pub fn network(&self) -> Network<'c> {
        self.surroundings.network
    }

    /// Offers and answers.
    pub const fn negotiations(&self) -> &Negotiations<'c> {
        &self.negotiations
    }

    /// What the user has set for the rules.
    pub fn settings(&self) -> &'c Settings {
        self.surroundings.settings
    }

    /// A message went from the host of `source` to the host of `destination` in this call (guard
    /// G2).
    pub fn shows_way(&self, source: Endpoint, destination: Endpoint) -> bool {
        match self.witnesses() {
            Some(own) => own.last_on_way(source.address, destination.address).is_some(),
            None => self.messages.iter().any(|message| message.went(source, destination)),
        }
    }

    /// When a message last went from the host of `source` to the host of `destination`.
    pub(super) fn last_on_way(&self, source: Endpoint, destination: Endpoint) -> Option<Time> {
        match self.witnesses() {
            Some(own) => own.last_on_way(source.address, destination.address),
            None => {
                let on_way = self.messages.iter().filter(|own| own.went(source, destination));
                on_way.map(|message| message.time).max()
            }
        }
    }

    /// The first hop is the second one or lies before it, nearer to the caller.
    pub fn is_above(&self, above: &Transaction<'c>, hop: &Transaction<'c>) -> bool {
        let mut index = Some(hop.index);
        // The links come from captured bytes, so they may form a ring.
        for _ in 0..=self.transactions.len() {
            match index {
                Some(own) if own == above.index => return true,
                Some(own) => index = self.transactions.get(own).and_then(|t| t.upstream),
                None => break,
            }
        }
        false
    }

    /// The hops before this one, the nearest first.
    pub fn hops_before<'a>(
        &'a self,
        hop: &Transaction<'c>,
    ) -> impl Iterator<Item = &'a Transaction<'c>> + use<'a, 'c> {
        let above = |hop: &Transaction<'c>| self.transactions.get(hop.upstream?);
        // The links come from captured bytes, so they may form a ring.
        std::iter::successors(above(hop), move |hop| above(hop)).take(HOPS_MAX)
    }

    /// How many hops lie between the first sender and this one.
    pub fn depth(&self, transaction: &Transaction<'c>) -> usize {
        let mut depth = 0;
        let mut upstream = transaction.upstream;
        while let Some(above) = upstream.and_then(|index| self.transactions.get(index)) {
            depth += 1;
            // The links come from captured bytes, so they may form a ring.
            if depth > self.transactions.len() {
                break;
            }
            upstream = above.upstream;
        }
        depth
    }

    /// The hops of the same request behind this one, nearer to the callee.
    pub fn below<'a>(
        &'a self,
        transaction: &'a Transaction<'c>,
    ) -> impl Iterator<Item = &'a Transaction<'c>> {
        let mut waiting = transaction.downstream.to_vec();
        // The links come from captured bytes, so they may form a ring.
        let steps = self.transactions.len();
        std::iter::from_fn(move || {
            let below = self.transactions.get(waiting.pop()?)?;
            waiting.extend(&below.downstream);
            Some(below)
        })
        .take(steps)
    }

    /// How the transaction ended, as far as the capture tells.
    pub fn outcome(&self, transaction: &Transaction<'c>) -> Outcome {
        if let Some(success) = transaction.first_success().and_then(Message::status) {
            return Outcome::Success(success);
        }
        match transaction.final_status() {
            Some(status) if matches!(status.code(), 401 | 407) => Outcome::Challenged(status),
            Some(status) if status.class() == Class::Redirection => Outcome::Redirected(status),
            Some(status) => Outcome::Failed(status),
            None => {
                let wait = self.patience().max(self.patience_of(transaction.client));
                // Timers B and F run from the first request; a provisional response begins anew.
                let since = match transaction.has_response() {
                    true => transaction.last_time(),
                    false => transaction.first_time(),
                };
                match self.is_observed(since, wait) {
                    true => Outcome::Unanswered,
                    false => Outcome::Pending,
                }
            }
        }
    }

    /// What the Call-ID was used for.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Where the call stands after its last message.
    pub fn state(&self) -> State {
        match self.kind() {
            Kind::Call => self.state_of_call(),
            _ => self.state_of_request(),
        }
    }

    fn state_of_call(&self) -> State {
        let is_over = || self.dialogs.iter().any(|dialog| dialog.ended(self).is_some());
        let completed_or = |state: State| if is_over() { State::Completed } else { state };
        let Some(attempt) = self.attempts.last() else { return completed_or(State::Unknown) };
        if attempt.is_answered() || attempt.is_followed {
            return completed_or(State::Answered);
        }
        let Some(hop) = self.last_try(attempt) else { return State::Unknown };
        if self.is_left_behind(hop) {
            return completed_or(State::Unknown);
        }
        match self.outcome(hop) {
            Outcome::Success(_) => completed_or(State::Answered),
            Outcome::Failed(status) if status.code() == 487 || hop.cancel.is_some() => {
                State::Cancelled
            }
            Outcome::Challenged(_) if self.may_be_taken_up(hop) => State::Trying,
            Outcome::Failed(_) | Outcome::Redirected(_) | Outcome::Challenged(_) => State::Failed,
            Outcome::Unanswered if hop.cancel.is_some() => State::Cancelled,
            Outcome::Unanswered => State::Unanswered,
            Outcome::Pending if hop.progress().next().is_some() => State::Ringing,
            Outcome::Pending => State::Trying,
        }
    }

    /// What the first sender saw of the attempt, or of the INVITE by which he went on, where only
    /// its responses were captured.
    fn last_try(&self, attempt: &Attempt<'c>) -> Option<&Transaction<'c>> {
        self.unseen_end(attempt).or_else(|| attempt.first_hop(self))
    }

    /// The INVITE was challenged or redirected, and how it went on was not captured.
    fn is_left_behind(&self, hop: &Transaction<'c>) -> bool {
        matches!(self.outcome(hop), Outcome::Challenged(_) | Outcome::Redirected(_))
            && self.goes_on_unseen(hop)
    }

    /// The capture ends so soon after a challenge that credentials may still follow, and none were
    /// refused.
    fn may_be_taken_up(&self, hop: &Transaction<'c>) -> bool {
        let is_last = |chain: &&Chain<'c>| {
            chain.last().is_some_and(|last| last.transaction == hop.index)
                && chain.end(self) == ChainEnd::Challenged
        };
        !self.is_observed(hop.last_time(), CREDENTIALS_WAIT)
            && self.chains().iter().find(is_last).is_some_and(|chain| !chain.is_refused(self))
    }

    fn state_of_request(&self) -> State {
        let Some(last) = self.transactions.iter().rev().find(|t| t.upstream.is_none()) else {
            return State::Unknown;
        };
        match self.outcome(last) {
            Outcome::Success(_) => State::Succeeded,
            Outcome::Challenged(_) if self.may_be_taken_up(last) => State::Trying,
            Outcome::Redirected(_) | Outcome::Challenged(_) | Outcome::Failed(_) => State::Failed,
            Outcome::Unanswered => State::Unanswered,
            Outcome::Pending => State::Trying,
        }
    }

    /// The answer to the last initial request as the first sender saw it.
    pub fn final_status(&self) -> Option<Status> {
        match self.attempts.last() {
            Some(attempt) => {
                let hop = self.last_try(attempt).filter(|hop| !self.is_left_behind(hop));
                hop?.final_status()
            }
            None => self
                .transactions
                .iter()
                .rev()
                .find(|t| t.is_initial() && t.upstream.is_none())
                .and_then(Transaction::final_status),
        }
    }

    /// The dialog that the message belongs to.
    pub fn dialog_of(&self, message: &Message<'c>) -> Option<&Dialog<'c>> {
        match self.witnesses() {
            Some(witnesses) => self.dialogs.get(witnesses.dialog(message)?),
            None => self.dialogs.iter().find(|dialog| dialog.holds(message)),
        }
    }

    /// The messages of the dialog, in either direction, in order.
    pub fn messages_of<'a>(
        &'a self,
        dialog: &'a Dialog<'c>,
    ) -> impl DoubleEndedIterator<Item = &'c Message<'c>> + use<'a, 'c> {
        let listed = self.witnesses().map(|own| own.messages_of(dialog));
        let few: &[Message<'c>] = if listed.is_some() { &[] } else { self.messages };
        let listed = listed.unwrap_or_default().iter();
        few.iter()
            .filter(|message| dialog.holds(message))
            .chain(listed.filter_map(|place| self.messages.get(*place)))
    }

    /// Links the transactions of one request that went over several hops: the Via stack of the
    /// request on a later hop holds the branch that it had on an earlier one (RFC 3261, section
    /// 16.6, item 8).
    fn link_hops(&mut self, lookup: &Lookup<'c>) {
        if self.transactions.len() < 2 {
            return;
        }
        let mut links = Vec::new();
        for transaction in &self.transactions {
            let Some(request) = transaction.request else { continue };
            let above = self.hop_by_branch(transaction, request, lookup);
            let above = above.or_else(|| self.hop_before(transaction, request, lookup));
            links.extend(above.map(|above| (above, transaction.index)));
        }
        for (above, below) in links {
            if let Some(transaction) = self.transactions.get_mut(below) {
                transaction.upstream = Some(above);
            }
            if let Some(transaction) = self.transactions.get_mut(above) {
                transaction.downstream.push(below);
            }
        }
    }

    /// The hop whose branch stands in the Via stack of the request.
    fn hop_by_branch(
        &self,
        below: &Transaction<'c>,
        request: &Message<'c>,
        lookup: &Lookup<'c>,
    ) -> Option<usize> {
        if request.has_one_via() {
            return None;
        }
        let branches = request.vias().skip(1).filter_map(|via| via.branch());
        branches.filter(|branch| !branch.is_empty()).find_map(|branch| {
            let found = lookup.of_branch(&self.transactions, (branch, below.cseq, below.method));
            let others = found.filter(|above| above.index != below.index);
            // The hop that ends where this one begins, if the branch was seen on several.
            let best = others.min_by_key(|above| above.server.address != below.client.address);
            best.map(|above| above.index)
        })
    }

    /// The hop that ends where this one begins, where an element hides the Via headers behind it
    /// but keeps the tags: same request by the same sender, taken from one host and handed to the
    /// next.
    fn hop_before(
        &self,
        below: &Transaction<'c>,
        request: &Message<'c>,
        lookup: &Lookup<'c>,
    ) -> Option<usize> {
        let hops = lookup.of_number(&self.transactions, (below.cseq, below.method));
        let same = || {
            let earlier = hops.clone().take_while(|hop| hop.index < below.index);
            earlier.filter(|above| above.request.is_some_and(|own| is_same_request(own, request)))
        };
        // What the first sender sends has no hop before it, wherever it goes.
        same().next().filter(|first| first.client.address != below.client.address)?;
        if hops.clone().nth(HOPS_MAX).is_some() {
            return None;
        }
        let before = same().filter(|above| {
            above.server.address == below.client.address
                && above.client.address != below.server.address
        });
        before.last().map(|above| above.index)
    }

    /// Ties each CANCEL to its INVITE: same branch on the same hop (RFC 3261, section 9.1).
    fn link_cancels(&mut self) {
        let cancels: Vec<_> = self
            .transactions
            .iter()
            .filter(|t| t.method == Method::Cancel)
            .map(|t| (t.index, t.branch, t.cseq, t.client, t.server))
            .collect();
        for (index, branch, cseq, client, server) in cancels {
            let invite = self.transactions.iter_mut().find(|t| {
                t.method == Method::Invite
                    && t.cseq == cseq
                    && t.client == client
                    && t.server == server
                    && (t.branch == branch || branch.is_empty())
            });
            if let Some(invite) = invite {
                invite.cancel.get_or_insert(index);
            }
        }
    }

    fn collect_attempts(&mut self) {
        let mut attempts: Vec<Attempt<'c>> = Vec::new();
        for transaction in &self.transactions {
            if transaction.method != Method::Invite || !transaction.is_initial() {
                continue;
            }
            let from_tag = transaction.request.and_then(Message::from_tag).unwrap_or_default();
            let known =
                attempts.iter_mut().find(|a| a.cseq == transaction.cseq && a.from_tag == from_tag);
            match known {
                Some(attempt) => attempt.hops.push(transaction.index),
                None => attempts.push(Attempt {
                    cseq: transaction.cseq,
                    from_tag,
                    hops: ShortList::one(transaction.index),
                    next: None,
                    is_answered: false,
                    is_followed: false,
                }),
            }
        }
        for attempt in &mut attempts {
            attempt.hops.sort_by_key(|hop| {
                self.transactions.get(*hop).map_or(0, |transaction| self.depth(transaction))
            });
        }
        for index in 0..attempts.len() {
            let next = attempts.get(index).and_then(|attempt| {
                attempts.iter().enumerate().skip(index + 1).find_map(|(later, other)| {
                    (other.from_tag == attempt.from_tag && other.cseq > attempt.cseq)
                        .then_some(later)
                })
            });
            if let Some(attempt) = attempts.get_mut(index) {
                attempt.next = next;
            }
        }
        self.attempts = attempts;
    }

    /// Tells which attempts were answered, and which were followed by one that was.
    fn find_answers(&mut self) {
        let is_answered: Vec<bool> =
            self.attempts.iter().map(|attempt| attempt.shows_answer(self)).collect();
        let unseen = match is_answered.contains(&false) {
            true => self.unseen_answers(),
            false => Vec::new(),
        };
        // What comes next stands behind in the list.
        for index in (0..self.attempts.len()).rev() {
            let next = self.attempts.get(index).and_then(|attempt| attempt.next);
            let next = next.and_then(|next| self.attempts.get(next));
            let is_followed = next.is_some_and(|next| next.is_answered || next.is_followed);
            if let Some(attempt) = self.attempts.get_mut(index) {
                let is_answered = is_answered.get(index).copied().unwrap_or(false);
                let own = unseen.iter().filter(|(from, _)| *from == attempt.from_tag);
                let mut numbers = own.map(|(_, number)| number.cmp(&attempt.cseq));
                // A client may ask another server with the same number.
                let is_answered = is_answered || numbers.clone().any(Ordering::is_eq);
                attempt.is_answered = is_answered;
                // After an answer the next one belongs to the dialog.
                attempt.is_followed = is_followed || (!is_answered && numbers.any(Ordering::is_gt));
            }
        }
    }

    fn collect_dialogs(&mut self) {
        let mut dialogs: Vec<Dialog<'c>> = Vec::new();
        let mut witnesses = self.witnesses.take();
        let openings = witnesses.is_some().then(|| Openings::of(self.messages));
        let openings = Opened { messages: self.messages, tables: openings.as_ref() };
        for message in self.messages {
            let (Some(from), Some(to)) = (message.from_tag(), message.to_tag()) else { continue };
            let known = match &witnesses {
                Some(witnesses) => witnesses.dialog(message),
                None => dialogs.iter().position(|dialog| dialog.holds(message)),
            };
            if known.is_none() && !openings.makes_dialog(message) {
                continue;
            }
            let index = known.unwrap_or(dialogs.len());
            if known.is_none() {
                let opening = openings.opening(message);
                if let Some(witnesses) = &mut witnesses {
                    witnesses.add_dialog(message, index);
                }
                let is_by_other = opening.is_some_and(|own| own.from_tag == Some(to) && from != to);
                let (caller_tag, callee_tag) = if is_by_other { (to, from) } else { (from, to) };
                dialogs.push(Dialog {
                    caller_tag,
                    callee_tag,
                    method: opening.map_or(message.method(), |own| own.method),
                    confirmed: None,
                    transactions: ShortList::new(),
                    acks: ShortList::new(),
                    starts_before_capture: message.is_request() && opening.is_none(),
                    is_made_by_response: !message.is_request(),
                });
            }
            let Some(dialog) = dialogs.get_mut(index) else { continue };
            let class = message.status().map(Status::class);
            if class == Some(Class::Success)
                && dialog.is_confirmed_by(message.method())
                && dialog.confirmed.is_none()
            {
                dialog.confirmed = Some(message);
            }
            if message.is_request() && message.method() == Method::Ack {
                dialog.acks.push(message);
            }
        }
        for transaction in &self.transactions {
            let Some(request) = transaction.request else { continue };
            if request.to_tag().is_none() {
                continue;
            }
            let dialog = match &witnesses {
                Some(own) => own.dialog(request).and_then(|place| dialogs.get_mut(place)),
                None => dialogs.iter_mut().find(|dialog| dialog.holds(request)),
            };
            if let Some(dialog) = dialog {
                dialog.transactions.push(transaction.index);
            }
        }
        if let Some(witnesses) = &mut witnesses {
            witnesses.list_messages(self.messages);
        }
        self.dialogs = dialogs;
        self.witnesses = witnesses;
    }
}

/// Which dialogs were opened in the capture.
struct Opened<'a, 'c> {
    messages: &'a [Message<'c>],
    /// The same in tables, where the messages are very many.
    tables: Option<&'a Openings<'c>>,
}

impl<'c> Opened<'_, 'c> {
    /// The message is the first sign of a dialog: a provisional or successful response to a request
    /// that makes one (RFC 3261, section 12.1), or a request inside of one whose beginning was not
    /// captured.
    fn makes_dialog(&self, message: &Message<'c>) -> bool {
        match message.status().map(Status::class) {
            Some(Class::Provisional | Class::Success) => matches!(
                message.method(),
                Method::Invite | Method::Subscribe | Method::Refer | Method::Notify
            ),
            Some(_) => false,
            // These have no dialog of their own, whatever their tags say.
            None if matches!(
                message.method(),
                Method::Cancel | Method::Register | Method::Options | Method::Publish
            ) =>
            {
                false
            }
            // An ACK with a To-tag also belongs to a failed INVITE, which makes no dialog.
            None => {
                message.method() != Method::Ack
                    || self.opening(message).is_none() && !self.is_of_failure(message)
            }
        }
    }

    fn opening(&self, message: &Message<'c>) -> Option<Opening<'c>> {
        match self.tables {
            Some(tables) => tables.opening(message),
            None => opening_in_capture(message, self.messages),
        }
    }

    fn is_of_failure(&self, ack: &Message<'c>) -> bool {
        match self.tables {
            Some(tables) => tables.is_of_failure(ack),
            None => is_of_failure(ack, self.messages),
        }
    }
}

/// The request that opened a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opening<'c> {
    /// INVITE, or what subscribes or tells of a subscription.
    pub(super) method: Method<'c>,
    /// The tag of the side that made the dialog.
    pub(super) from_tag: Tag<'c>,
}

impl<'c> Opening<'c> {
    /// The request stands outside of any dialog and may make one.
    pub(super) fn of(message: &Message<'c>) -> Option<Self> {
        let is_opening = message.is_request()
            && message.to_tag().is_none()
            && (message.method() == Method::Invite || is_of_subscription(message));
        let (method, from_tag) = (message.method(), message.from_tag());
        is_opening.then_some(Self { method, from_tag })
    }
}

/// What makes a subscription or tells of it, which is no part of a dialog that an INVITE has made
/// unless it has its tags (RFC 6665; RFC 3515).
pub(super) fn is_of_subscription(message: &Message<'_>) -> bool {
    matches!(message.method(), Method::Subscribe | Method::Refer | Method::Notify)
}

/// The request that opened the dialog of this message, even if no response to it was seen.
pub(super) fn opening_in_capture<'c>(
    message: &Message<'c>,
    messages: &[Message<'c>],
) -> Option<Opening<'c>> {
    let find = |is_invite: bool, tag| {
        let mut all = messages.iter().filter_map(Opening::of);
        all.find(|own| own.from_tag == tag && (own.method == Method::Invite) == is_invite)
    };
    let (from, to) = (message.from_tag(), message.to_tag());
    let by_invite = find(true, from).or_else(|| find(true, to));
    // A NOTIFY may come before the 2xx to what asked for it (RFC 6665, section 4.1.2.4).
    by_invite.or_else(|| {
        is_of_subscription(message).then(|| find(false, from).or_else(|| find(false, to)))?
    })
}

/// The ACK belongs to a failed INVITE, which itself was not captured.
pub(super) fn is_of_failure(ack: &Message<'_>, messages: &[Message<'_>]) -> bool {
    messages.iter().any(|other| {
        let class = other.status().map(Status::class);
        other.method() == Method::Invite
            && class.is_some_and(|class| !matches!(class, Class::Provisional | Class::Success))
            && is_same_request(other, ack)
    })
}

/// Two hops of one request by its tags, whatever the Via headers say.
fn is_same_request(one: &Message<'_>, other: &Message<'_>) -> bool {
    (one.from_tag(), one.to_tag()) == (other.from_tag(), other.to_tag())
}

impl Message<'_> {
    /// It names one hop at the most, so nobody has sent it on; less work than to count
    /// [`vias`](crate::sip::Message::vias), and never true where these are several.
    pub(super) fn has_one_via(&self) -> bool {
        let mut lines = self.lines(HeaderName::Via);
        let has_list = lines.next().is_some_and(|line| line.contains(&b','));
        !has_list && lines.next().is_none()
    }
}

/// What the methods of these messages are used for.
fn kind_of(messages: &[Message<'_>]) -> Kind {
    let mut kind = Kind::Other;
    for message in messages {
        kind = kind.min(match message.method() {
            Method::Invite
            | Method::Bye
            | Method::Ack
            | Method::Cancel
            | Method::Prack
            | Method::Update
            | Method::Info => return Kind::Call,
            Method::Register => Kind::Registration,
            Method::Subscribe | Method::Notify => Kind::Subscription,
            Method::Publish => Kind::Publication,
            Method::Message => Kind::Message,
            Method::Options => Kind::Options,
            Method::Refer | Method::Other(_) => Kind::Other,
        });
    }
    kind
}

/// Sorts messages into transactions (RFC 3261, sections 17.1.3 and 17.2.3), hop by hop.
fn transactions<'c>(messages: &'c [Message<'c>]) -> (Vec<Transaction<'c>>, Lookup<'c>) {
    let mut transactions: Vec<Transaction<'c>> = Vec::with_capacity(messages.len().div_ceil(3));
    let mut lookup = Lookup::default();
    for message in messages {
        let Some(cseq) = message.cseq() else { continue };
        // A response with a code that belongs to no class ends nothing and begins nothing.
        if message.is_meant_as_response() && message.status().is_none() {
            continue;
        }
        let branch = message.branch().unwrap_or_default();
        let is_ack = message.is_request() && message.method() == Method::Ack;
        let method = if is_ack { Method::Invite } else { message.method() };
        let candidates = lookup.of_branch(&transactions, (branch, cseq.number, method));
        let found = best_match(candidates, message);
        if let Some(transaction) = found.and_then(|found| transactions.get_mut(found)) {
            transaction.add(message);
            continue;
        }
        // The ACK to a 2xx has a branch of its own and no transaction; dialogs hold it.
        if is_ack {
            continue;
        }
        let mut transaction = Transaction::new(transactions.len(), method, cseq.number, message);
        transaction.add(message);
        transactions.push(transaction);
        lookup.add_last(&transactions);
    }
    (transactions, lookup)
}

/// The transaction of the same branch that runs over the hop of the message. A request must come
/// from the client and go to the server; a response may leave or arrive elsewhere (that is a fault
/// of its own), as long as it fits best.
fn best_match<'a, 'c: 'a>(
    candidates: impl Iterator<Item = &'a Transaction<'c>>,
    message: &Message<'_>,
) -> Option<usize> {
    let fit = |transaction: &Transaction<'_>| -> Option<u32> {
        let (client, server) = (transaction.client, transaction.server);
        if !message.is_meant_as_response() {
            let is_same = message.went(client, server)
                && (message.source.port == client.port
                    || transaction.transport.is_reliable()
                    || transaction.request.is_none());
            return is_same.then_some(
                u32::from(message.source == client) + u32::from(message.destination == server),
            );
        }
        Some(
            8 * u32::from(message.source.address == server.address)
                + 4 * u32::from(message.destination.address == client.address)
                + 2 * u32::from(message.source.port == server.port)
                + u32::from(message.destination.port == client.port),
        )
        // A response between two other hosts is the same response on another hop.
        .filter(|fit| *fit >= 4)
    };
    candidates
        .filter_map(|transaction| fit(transaction).map(|fit| (fit, transaction.index)))
        .max_by_key(|(fit, index)| (*fit, std::cmp::Reverse(*index)))
        .map(|(_, index)| index)
}

/// T1 of each client, as its first UDP request with two retransmissions shows it.
fn base_timers(transactions: &[Transaction<'_>]) -> Vec<(Endpoint, Span)> {
    let mut timers: Vec<(Endpoint, Span)> = Vec::new();
    for transaction in transactions.iter().filter(|t| !t.transport.is_reliable()) {
        let client = transaction.client;
        let is_known = timers.iter().any(|(known, _)| known.address == client.address);
        if let Some(t1) = base_timer(transaction).filter(|_| !is_known) {
            timers.push((client, t1));
        }
    }
    timers
}

fn base_timer(transaction: &Transaction<'_>) -> Option<Span> {
    let first = transaction.request?.time;
    let [second, third, ..] = *transaction.retransmissions else { return None };
    let (gap, next) = (second.time.since(first), third.time.since(second.time));
    let is_plausible = (Span::from_millis(50)..=Span::from_secs(5)).contains(&gap);
    // A slow clock is no other timer.
    let is_default = (gap - timers::T1).abs() <= T1_TOLERANCE;
    (is_plausible && !is_default && T1_RATIO.contains(&(next.secs() / gap.secs()))).then_some(gap)
}
