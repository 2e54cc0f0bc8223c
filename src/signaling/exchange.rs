//! One offer and what became of it on one hop (RFC 3264; RFC 6337).
//!
//! An INVITE carries the offer, and a response the answer; or a response carries the offer, and
//! ACK or PRACK the answer (RFC 3261, section 13.2.1). UPDATE and PRACK carry offers of their own
//! (RFC 3311, RFC 3262).

use std::rc::Rc;

use crate::sdp::{self, Session};
use crate::signaling::message::Message;
use crate::signaling::transaction::Transaction;
use crate::sip::{Class, HeaderName, Method, Status};
use crate::time::Time;

/// Forks of one INVITE that are told apart.
const FORKS_MAX: usize = 32;

/// Different descriptions that are told apart in the responses of one fork.
const ANSWERS_MAX: usize = 8;

/// PRACKs of one INVITE that are held against its responses.
const PRACKS_MAX: usize = 32;

/// A side of a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Sent the INVITE that made the dialog; the first sender seen, where that is missing.
    Caller,
    /// The other one.
    Callee,
}

impl Side {
    /// The other side.
    pub const fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }

    /// The word of the evidence.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Callee => "callee",
        }
    }
}

/// A session description in the message that brought it.
#[derive(Clone, Debug)]
pub struct Description<'c> {
    /// The message, the first time that it was sent.
    pub message: &'c Message<'c>,
    /// What it says.
    pub session: Rc<Session<'c>>,
    /// What is wrong with it.
    pub anomalies: sdp::Anomalies,
}

impl<'c> Description<'c> {
    /// The description in the message, if it has one.
    pub fn of(message: &'c Message<'c>) -> Option<Self> {
        let (session, anomalies) = message.session()?;
        Some(Self { message, session, anomalies })
    }

    /// All of it was captured.
    pub const fn is_whole(&self) -> bool {
        !self.message.is_cut
    }
}

/// What makes sightings on several hops one exchange: who sent the request, its method and number.
pub type ExchangeId<'c> = (Side, Method<'c>, u32);

/// An offer with its answers, as one hop saw them.
#[derive(Clone, Debug)]
pub struct Exchange<'c> {
    /// The transaction that carried it, by index.
    pub transaction: usize,
    /// The same on every hop of the dialog.
    pub id: ExchangeId<'c>,
    /// Who made the offer; not the sender of the request where a response carries it.
    pub offerer: Side,
    /// The offer; none where the message that must have had it was not captured.
    pub offer: Option<Description<'c>>,
    /// The different answers in order. There is more than one where a 2xx does not repeat what an
    /// unreliable 183 has said; the last one stands.
    pub answers: Vec<Description<'c>>,
    /// The 2xx to the request.
    pub success: Option<&'c Message<'c>>,
    /// The final response of 300 or more, which leaves in force what was (RFC 3261, section 14.1).
    pub refusal: Option<&'c Message<'c>>,
    /// The ACK to the 2xx of an INVITE, or the PRACK to the reliable response, that the answer to
    /// an offer in a response belongs into.
    pub acknowledgement: Option<&'c Message<'c>>,
    /// A PRACK acknowledges a response that was not captured and may have had a description.
    pub has_unseen_response: bool,
    /// The request stands outside of any dialog.
    pub is_initial: bool,
    /// It was followed by another one, or the call or the capture ended.
    pub until: Time,
    /// A final response said that nothing comes of it, or of this fork.
    pub(super) closed: Option<Time>,
}

impl<'c> Exchange<'c> {
    /// The answer that stands.
    pub fn answer(&self) -> Option<&Description<'c>> {
        self.answers.last()
    }

    /// Offer and the answer that stands.
    pub fn pair(&self) -> Option<(&Description<'c>, &Description<'c>)> {
        self.offer.as_ref().zip(self.answer())
    }

    /// The time of the first description that was seen.
    pub fn started(&self) -> Time {
        let offer = self.offer.as_ref().or(self.answers.first());
        offer.map_or_else(Time::default, |first| first.message.time)
    }

    /// From when on it is in force; never for one that lacks a side, or a change that was refused.
    pub fn agreed(&self) -> Option<Time> {
        let is_in_vain = self.refusal.is_some() && !self.is_initial;
        let first = self.answers.first().filter(|_| self.offer.is_some() && !is_in_vain)?;
        Some(first.message.time)
    }

    /// Every description with the side that says so, in order.
    pub fn descriptions(&self) -> impl Iterator<Item = (Side, &Description<'c>)> {
        let answers = self.answers.iter().map(|answer| (self.offerer.other(), answer));
        self.offer.iter().map(|offer| (self.offerer, offer)).chain(answers)
    }
}

/// The response must be acknowledged by PRACK (RFC 3262, section 3).
pub(super) fn is_reliable(response: &Message<'_>) -> bool {
    response.rseq().is_some() && response.has_option(HeaderName::Require, "100rel")
}

/// The responses 101-299 of each fork of an INVITE, by To-tag; one without responses, if there is
/// none.
pub(super) fn forks<'c>(hop: &Transaction<'c>) -> Vec<(Option<&'c [u8]>, Vec<&'c Message<'c>>)> {
    let mut forks: Vec<(Option<&[u8]>, Vec<&Message<'_>>)> = Vec::new();
    for response in hop.progress().chain(successes(hop)) {
        let tag = response.to_tag();
        // Without a tag there is no fork to tell, unless it brings a description.
        if tag.is_none() && response.sdp().is_none() {
            continue;
        }
        let is_full = forks.len() >= FORKS_MAX;
        match forks.iter_mut().find(|(known, _)| *known == tag) {
            Some((_, responses)) => responses.push(response),
            None if is_full => {}
            None => forks.push((tag, vec![response])),
        }
    }
    if forks.is_empty() {
        forks.push((None, Vec::new()));
    }
    forks
}

fn successes<'c>(hop: &Transaction<'c>) -> impl Iterator<Item = &'c Message<'c>> {
    hop.finals.iter().copied().filter(|message| message.status().is_some_and(Status::is_success))
}

fn refusal<'c>(hop: &Transaction<'c>) -> Option<&'c Message<'c>> {
    hop.final_response().filter(|_| successes(hop).next().is_none())
}

/// The INVITE leaves the offer to the other side. One that was cut may have had it.
pub(super) fn has_no_offer(invite: &Message<'_>) -> bool {
    invite.sdp().is_none() && !invite.is_cut
}

/// What acknowledges the responses of an INVITE in one dialog.
#[derive(Debug, Default)]
pub(super) struct Acknowledgements<'c> {
    pub(super) acks: Vec<&'c Message<'c>>,
    pub(super) pracks: Vec<&'c Message<'c>>,
    /// Numbers of PRACKs that only their responses tell of.
    pub(super) unseen_pracks: Vec<u32>,
    /// When a description in UPDATE or PRACK was first seen: what a 2xx to the INVITE repeats
    /// after it is older.
    pub(super) renegotiated: Option<Time>,
}

/// The exchange of an INVITE in one fork; none if nothing in it describes media.
pub(super) fn of_invite<'c>(
    hop: &Transaction<'c>,
    requester: Side,
    responses: &[&'c Message<'c>],
    acknowledgements: &Acknowledgements<'c>,
) -> Option<Exchange<'c>> {
    let mut exchange = Exchange {
        transaction: hop.index,
        id: (requester, hop.method, hop.cseq),
        offerer: requester,
        offer: hop.request.and_then(Description::of),
        answers: Vec::new(),
        success: responses
            .iter()
            .copied()
            .find(|response| response.status().is_some_and(Status::is_success)),
        refusal: refusal(hop),
        acknowledgement: None,
        has_unseen_response: acknowledgements.has_unseen_response(hop, responses),
        is_initial: hop.is_initial(),
        until: Time::default(),
        closed: None,
    };
    if exchange.success.is_none() {
        exchange.closed = hop.final_response().map(|response| response.time);
    }
    let described = described(responses, acknowledgements.renegotiated);
    let is_delayed = exchange.offer.is_none() && hop.request.is_some_and(has_no_offer);
    if is_delayed {
        let is_binding = |message: &Message<'_>| {
            message.status().is_some_and(Status::is_success) || is_reliable(message)
        };
        let offer = described.iter().find(|message| is_binding(message)).or(described.first())?;
        // The 2xx says again what an unreliable response has said, and the ACK answers that.
        let repeated = exchange.success.filter(|success| success.sdp().is_some());
        let acknowledgement = acknowledgements
            .to(hop, offer)
            .or_else(|| acknowledgements.to(hop, repeated.filter(|_| !is_binding(offer))?));
        exchange.offerer = requester.other();
        exchange.offer = Description::of(offer);
        exchange.acknowledgement = acknowledgement;
        exchange.answers.extend(acknowledgement.and_then(Description::of));
    } else {
        exchange.answers.extend(described.iter().copied().filter_map(Description::of));
        exchange.acknowledgement =
            exchange.success.and_then(|success| acknowledgements.to(hop, success));
    }
    // Of an INVITE that was not captured, the ACK may have the answer.
    (exchange.offer.is_some() || !exchange.answers.is_empty()).then_some(exchange)
}

/// The exchange of UPDATE or PRACK: the request has the offer, the 2xx the answer.
pub(super) fn of_request<'c>(hop: &Transaction<'c>, requester: Side) -> Option<Exchange<'c>> {
    let offer = hop.request.and_then(Description::of);
    let success = successes(hop).next();
    let answers: Vec<_> = success.and_then(Description::of).into_iter().collect();
    let refusal = refusal(hop);
    if offer.is_none() && answers.is_empty() {
        return None;
    }
    Some(Exchange {
        transaction: hop.index,
        id: (requester, hop.method, hop.cseq),
        offerer: requester,
        offer,
        answers,
        success,
        refusal,
        acknowledgement: None,
        has_unseen_response: false,
        is_initial: false,
        until: Time::default(),
        closed: refusal.map(|response| response.time),
    })
}

/// The responses that bring a description which was not the one before, in order.
fn described<'c>(
    responses: &[&'c Message<'c>],
    renegotiated: Option<Time>,
) -> Vec<&'c Message<'c>> {
    let mut described: Vec<&Message<'_>> = Vec::new();
    let mut last = None;
    for response in responses.iter().copied() {
        let Some(body) = response.sdp() else { continue };
        let is_older = !described.is_empty() && renegotiated.is_some_and(|at| at < response.time);
        let is_known = last == Some(body);
        if !is_older && !is_known && described.len() < ANSWERS_MAX {
            described.push(response);
            last = Some(body);
        }
    }
    described
}

impl<'c> Acknowledgements<'c> {
    /// Only a response tells of the PRACK with this number, which may be so on several hops.
    pub(super) fn add_unseen_prack(&mut self, number: u32) {
        if self.unseen_pracks.len() < PRACKS_MAX && !self.unseen_pracks.contains(&number) {
            self.unseen_pracks.push(number);
        }
    }

    fn has_unseen_response(&self, hop: &Transaction<'c>, responses: &[&'c Message<'c>]) -> bool {
        if self.pracks.is_empty() && self.unseen_pracks.is_empty() {
            return false;
        }
        let mut seen: Vec<_> = responses.iter().filter_map(|response| response.rseq()).collect();
        seen.sort_unstable();
        seen.dedup();
        let racks = self.pracks.iter().filter_map(|prack| prack.rack());
        let own = racks.filter(|rack| rack.cseq.number == hop.cseq).take(PRACKS_MAX);
        let mut acknowledged: Vec<_> = own.map(|rack| rack.rseq).collect();
        acknowledged.sort_unstable();
        acknowledged.dedup();
        // A PRACK that was captured on no hop is of a response that no other one acknowledges.
        let of_others = seen.iter().filter(|rseq| !acknowledged.contains(rseq)).count();
        let is_seen = |number: &&u32| {
            self.pracks.iter().any(|prack| prack.cseq().is_some_and(|cseq| cseq.number == **number))
        };
        let unseen = self.unseen_pracks.iter().filter(|number| !is_seen(number)).count();
        unseen > of_others || acknowledged.iter().any(|rseq| !seen.contains(rseq))
    }

    /// What acknowledges the response, on the same hop if it came over that.
    fn to(&self, hop: &Transaction<'c>, response: &Message<'c>) -> Option<&'c Message<'c>> {
        let is_final = response.status().map(Status::class) == Some(Class::Success);
        let of_response = |message: &&&Message<'c>| match is_final {
            true => message.cseq().map(|cseq| cseq.number) == Some(hop.cseq),
            false => message.rack().is_some_and(|rack| {
                Some(rack.rseq) == response.rseq() && rack.cseq.number == hop.cseq
            }),
        };
        let all = || match is_final {
            true => self.acks.iter().filter(of_response),
            false => self.pracks.iter().filter(of_response),
        };
        let own = all().find(|message| message.went(hop.client, hop.server));
        own.or_else(|| all().next()).copied()
    }
}
