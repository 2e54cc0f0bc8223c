//! How servers fared with the INVITEs and REGISTERs that they got, slot by slot of time: what only
//! many calls show of one that is overloaded.
//!
//! A request counts on each hop for the server there; a failure only for the server that made it. A
//! challenge is a step of the request after it and counts as none.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use crate::capture::FrameId;
use crate::limits::{LOAD_SLOTS_MAX, LOAD_TOLD_MAX};
use crate::packet::Endpoint;
use crate::signaling::call::Call;
use crate::signaling::facts::number_of;
use crate::signaling::firsts::add_first;
use crate::signaling::suspects::Spell;
use crate::signaling::transaction::Transaction;
use crate::sip::Method;
use crate::time::{Span, Time};

/// How long a slot is; three of them make the window that is looked at.
const SLOT: Span = Span::from_secs(10);
const SLOTS_OF_WINDOW: i32 = 3;

/// Refused requests that are remembered by their frames.
const FRAMES_MAX: usize = 4;

/// Bytes that are kept of what a server says of its load.
const CONTROL_BYTES_MAX: usize = 100;

/// Causes of the telephone network that speak of the number or of who has it, not of load: the
/// normal events of ITU-T Q.850.
const OF_THE_CALLEE: std::ops::RangeInclusive<u16> = 1..=30;

/// The servers, and what they made of their requests.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Loads {
    servers: HashMap<IpAddr, BTreeMap<i32, Slot>, RandomState>,
    /// Slots of all servers.
    slots: usize,
    /// Requests that were told when to come again.
    told: Vec<Told>,
    /// Requests that the bound on slots left out.
    dropped: u64,
}

/// What one server made of the requests of some seconds.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
struct Slot {
    requests: u64,
    trouble: Option<Box<Trouble>>,
}

/// The requests that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Trouble {
    /// Those that got 503.
    pub unavailable: u64,
    /// Those that got 500.
    pub errors: u64,
    /// Those that got nothing, although the capture goes on long enough (guard G1).
    pub unanswered: u64,
    /// Those that were told when to come again.
    pub with_retry_after: u64,
    /// The longest time to wait that a server asked for, in seconds.
    pub retry_after: Option<u32>,
    /// What a server said of its load in Via (RFC 7339), the first time.
    pub control: Option<(FrameId, Box<[u8]>)>,
    /// When the last one was sent.
    pub until: Time,
    /// The first ones: client and server among them.
    pub first: Vec<(Time, FrameId, Endpoint, Endpoint)>,
}

/// A request that a server refused, with the time until which it does not want another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
struct Told {
    server: IpAddr,
    client: Endpoint,
    /// The Call-ID of a REGISTER, as a number: several phones may share a port. An INVITE is the
    /// client's, whatever call it is for.
    registration: Option<u64>,
    sent: Time,
    refused: Time,
    until: Time,
}

impl Told {
    /// Who waits for whom.
    fn party(&self) -> (IpAddr, Endpoint, Option<u64>) {
        (self.server, self.client, self.registration)
    }
}

/// What makes failures a storm.
#[derive(Clone, Copy, Debug)]
pub struct StormCriteria {
    /// Requests within half a minute.
    pub requests: u64,
    /// So many of a hundred of them fail.
    pub percent: u64,
}

/// A server that failed a good part of its requests.
#[derive(Clone, Debug)]
pub struct Storm {
    /// The server.
    pub host: IpAddr,
    /// When it did so, in order.
    pub spells: Vec<Spell>,
    /// The requests that it got then.
    pub requests: u64,
    /// Those that failed.
    pub trouble: Trouble,
    /// Those that a client sent before the time that the server had told it, and that failed again.
    pub hurried: u64,
}

impl Trouble {
    /// All that failed.
    pub fn count(&self) -> u64 {
        self.unavailable + self.errors + self.unanswered
    }

    fn merge(&mut self, other: &Self) {
        self.unavailable += other.unavailable;
        self.errors += other.errors;
        self.unanswered += other.unanswered;
        self.with_retry_after += other.with_retry_after;
        self.retry_after = self.retry_after.max(other.retry_after);
        let controls = self.control.take().into_iter().chain(other.control.clone());
        self.control = controls.min();
        self.until = self.until.max(other.until);
        other.first.iter().for_each(|own| add_first(&mut self.first, own, FRAMES_MAX));
    }
}

impl Storm {
    /// Those that failed among a hundred.
    pub fn percent(&self) -> u64 {
        self.trouble.count() * 100 / self.requests.max(1)
    }

    /// The server of the other one sent requests to this one, while both failed theirs.
    pub fn is_behind(&self, other: &Self) -> bool {
        let is_client =
            self.trouble.first.iter().any(|(_, _, client, _)| client.address == other.host);
        let overlap = |a: &Spell, b: &Spell| a.from <= b.until + SLOT && b.from <= a.until + SLOT;
        let is_then = |own: &Spell| other.spells.iter().any(|others| overlap(own, others));
        self.host != other.host && is_client && self.spells.iter().any(is_then)
    }

    /// The request was refused in the storm.
    fn holds(&self, told: &Told) -> bool {
        let is_then = |spell: &Spell| spell.from <= told.sent && told.sent <= spell.until;
        told.server == self.host && self.spells.iter().any(is_then)
    }

    /// How long it went on, pauses left out.
    pub fn length(&self) -> Span {
        let lengths = self.spells.iter().map(|spell| spell.until.since(spell.from));
        lengths.fold(Span::ZERO, |sum, length| sum + length)
    }
}

impl Loads {
    /// Counts the INVITEs and REGISTERs of a call.
    pub(super) fn add_call(&mut self, call: &Call<'_>) {
        for hop in &call.transactions {
            let is_counted = hop.method == Method::Register
                || (hop.method == Method::Invite && hop.is_initial());
            let is_step = hop.final_status().is_some_and(|s| matches!(s.code(), 401 | 407));
            let Some(request) = hop.request.filter(|_| is_counted && !is_step) else { continue };
            let trouble = trouble(call, hop);
            if trouble.is_some() {
                self.add_told(told(hop));
            }
            self.add(hop.server.address, slot_of(request.time), 1, trouble);
        }
    }

    fn add_told(&mut self, told: Option<Told>) {
        match told {
            Some(_) if self.told.len() >= LOAD_TOLD_MAX => self.dropped += 1,
            _ => self.told.extend(told),
        }
    }

    fn add(&mut self, server: IpAddr, slot: i32, requests: u64, trouble: Option<Trouble>) {
        let is_full = self.slots >= LOAD_SLOTS_MAX;
        let is_known = self.servers.get(&server).is_some_and(|own| own.contains_key(&slot));
        if is_full && !is_known {
            self.dropped += requests;
            return;
        }
        let own = self.servers.entry(server).or_default().entry(slot).or_default();
        self.slots += usize::from(!is_known);
        own.requests += requests;
        if let Some(trouble) = trouble {
            own.trouble.get_or_insert_default().merge(&trouble);
        }
    }

    /// Adds what another part of the run counted.
    pub(super) fn merge(&mut self, other: Self) {
        self.dropped += other.dropped;
        match self.told.len() >= LOAD_TOLD_MAX {
            true => self.dropped += other.told.len() as u64,
            false => self.told.extend(other.told),
        }
        // All that is new in a part is taken or left, so that the order of a table does not matter.
        let is_full = self.slots >= LOAD_SLOTS_MAX;
        for (server, slots) in other.servers {
            if is_full && !self.servers.contains_key(&server) {
                self.dropped += slots.values().map(|slot| slot.requests).sum::<u64>();
                continue;
            }
            let own = self.servers.entry(server).or_default();
            let known = own.len();
            for (slot, other) in slots {
                if is_full && !own.contains_key(&slot) {
                    self.dropped += other.requests;
                    continue;
                }
                let sum = own.entry(slot).or_default();
                sum.requests += other.requests;
                if let Some(trouble) = other.trouble {
                    sum.trouble.get_or_insert_default().merge(&trouble);
                }
            }
            self.slots += own.len() - known;
        }
    }

    /// Requests that the bound left out.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The servers that failed many requests within half a minute, in order of their addresses.
    pub fn storms(&self, criteria: &StormCriteria) -> Vec<Storm> {
        let mut servers: Vec<_> = self.servers.iter().collect();
        servers.sort_unstable_by_key(|(host, _)| **host);
        let hurried = self.hurried();
        let storms = servers.into_iter().filter_map(|(host, slots)| storm(*host, slots, criteria));
        let with_hurried = storms.map(|mut storm| {
            let own = hurried.iter().filter(|own| storm.holds(own));
            storm.hurried = own.count() as u64;
            storm
        });
        with_hurried.collect()
    }

    /// The refused requests that were sent before the time that their client had been told.
    fn hurried(&self) -> Vec<Told> {
        let mut told = self.told.clone();
        told.sort_unstable();
        let mut hurried = Vec::new();
        for own in told.chunk_by(|a, b| a.party() == b.party()) {
            // Those that were refused before, in order of that.
            let mut refused: Vec<_> = own.iter().map(|told| (told.refused, told.until)).collect();
            refused.sort_unstable();
            let mut refused = refused.into_iter().peekable();
            let mut until = None;
            for next in own {
                while let Some((_, end)) = refused.next_if(|(at, _)| *at < next.sent) {
                    until = until.max(Some(end));
                }
                hurried.extend(Some(*next).filter(|_| until.is_some_and(|end| next.sent < end)));
            }
        }
        hurried
    }
}

/// The slots of all windows that hold a storm, added up.
fn storm(host: IpAddr, slots: &BTreeMap<i32, Slot>, criteria: &StormCriteria) -> Option<Storm> {
    let is_storm = |last: i32| {
        let window = slots.range(last.saturating_sub(SLOTS_OF_WINDOW - 1)..=last);
        let (mut requests, mut failed, mut refused) = (0, 0, 0);
        for (_, slot) in window {
            requests += slot.requests;
            let trouble = slot.trouble.as_deref();
            failed += trouble.map_or(0, Trouble::count);
            refused += trouble.map_or(0, |own| own.unavailable + own.errors);
        }
        // A server that says nothing at all is dead, not busy.
        refused > 0 && requests >= criteria.requests && failed * 100 > requests * criteria.percent
    };
    let stormy = slots.keys().copied().filter(|last| is_storm(*last));
    let mut storm =
        Storm { host, spells: Vec::new(), requests: 0, trouble: Trouble::default(), hurried: 0 };
    let mut done = i32::MIN;
    for last in stormy {
        let first = last.saturating_sub(SLOTS_OF_WINDOW - 1).max(done);
        for (_, slot) in slots.range(first..=last) {
            storm.requests += slot.requests;
            let Some(trouble) = &slot.trouble else { continue };
            storm.trouble.merge(trouble);
            storm.add_spell(trouble);
        }
        done = last.saturating_add(1);
    }
    (!storm.spells.is_empty()).then_some(storm)
}

impl Storm {
    /// Adds the failures of a slot, to the spell before them where that is near.
    fn add_spell(&mut self, trouble: &Trouble) {
        let until = trouble.until;
        let from = trouble.first.first().map_or(until, |(at, ..)| *at);
        let near = SLOT.times(SLOTS_OF_WINDOW.into());
        match self.spells.last_mut().filter(|spell| from.since(spell.until) <= near) {
            Some(spell) => spell.until = until,
            None => self.spells.push(Spell { from, until, host: self.host }),
        }
    }
}

/// How the request failed for its load, if this server made it fail.
fn trouble(call: &Call<'_>, hop: &Transaction<'_>) -> Option<Trouble> {
    let request = hop.request?;
    let mut trouble = Trouble {
        until: request.time,
        first: vec![(request.time, request.frame, hop.client, hop.server)],
        ..Trouble::default()
    };
    let Some(answer) = hop.final_response() else {
        trouble.unanswered = 1;
        return is_unanswered(call, hop).then_some(trouble);
    };
    let is_own = hop.first_success().is_none() && origin(call, hop) == hop.index;
    match answer.status()?.code() {
        503 if is_own => trouble.unavailable = 1,
        500 if is_own => trouble.errors = 1,
        _ => return None,
    }
    let retry_after = answer.retry_after().map(|own| own.seconds);
    if retry_after.is_none() && answer.q850().is_some_and(|own| OF_THE_CALLEE.contains(&own)) {
        return None;
    }
    trouble.retry_after = retry_after;
    trouble.with_retry_after = u64::from(retry_after.is_some());
    let via = answer.top_via().filter(|via| via.parameters.value("oc").is_some());
    trouble.control = via.map(|via| {
        let told = via.parameters.iter().filter(|(name, _)| name.starts_with(b"oc"));
        let told: Vec<_> = told.map(|(name, value)| [name, b"=", value].concat()).collect();
        let mut told = told.join(&b";"[..]);
        told.truncate(CONTROL_BYTES_MAX);
        (answer.frame, told.into())
    });
    Some(trouble)
}

/// The hop where the failure was made.
fn origin(call: &Call<'_>, hop: &Transaction<'_>) -> usize {
    let attempt = call.attempts.iter().find(|attempt| attempt.hops.contains(&hop.index));
    attempt.map_or_else(|| call.origin_of(hop).index, |own| own.origin(call, hop).index)
}

/// Nothing came back although something should have, and the network does not say why.
fn is_unanswered(call: &Call<'_>, hop: &Transaction<'_>) -> bool {
    let is_silent = match hop.method {
        Method::Invite => {
            !hop.has_response()
                && hop
                    .started()
                    .is_some_and(|at| call.is_observed(at, call.patience_of(hop.client)))
                && !call.implies_answer(hop)
                && !call.implies_response(hop)
                && !call.is_told_above(hop)
        }
        _ => call.is_unanswered(hop),
    };
    is_silent && call.disruption_of(hop).is_none()
}

/// When the server wants the next request of the client, if it says so.
fn told(hop: &Transaction<'_>) -> Option<Told> {
    let (sent, answer) = (hop.started()?, hop.final_response()?);
    let wait = Span::from_secs(answer.retry_after()?.seconds.into());
    let (server, refused) = (hop.server.address, answer.time);
    let registration = answer.call_id().filter(|_| hop.method == Method::Register).map(number_of);
    Some(Told { server, client: hop.client, registration, sent, refused, until: refused + wait })
}

fn slot_of(time: Time) -> i32 {
    i32::try_from(time.nanos().div_euclid(SLOT.nanos())).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> IpAddr {
        IpAddr::from([203, 0, 113, 20])
    }

    /// Requests and how many of them got 503, by slot.
    fn part(slots: &[(i32, u64, u64)]) -> Loads {
        let mut loads = Loads::default();
        for (slot, requests, unavailable) in slots {
            let trouble = Trouble { unavailable: *unavailable, ..Trouble::default() };
            loads.add(host(), *slot, *requests, Some(trouble).filter(|own| own.count() > 0));
        }
        loads
    }

    const CRITERIA: StormCriteria = StormCriteria { requests: 20, percent: 20 };

    #[test]
    fn storms_are_the_same_in_any_order() {
        let parts =
            [part(&[(5, 10, 2), (6, 4, 2)]), part(&[(5, 6, 1), (40, 90, 1)]), part(&[(9, 9, 9)])];
        let mut sums = [Loads::default(), Loads::default()];
        let [one, other] = &mut sums;
        parts.iter().for_each(|part| one.merge(part.clone()));
        parts.iter().rev().for_each(|part| other.merge(part.clone()));
        let told = |loads: &Loads| {
            let storms = loads.storms(&CRITERIA).into_iter();
            storms.map(|own| (own.spells, own.requests, own.trouble)).collect::<Vec<_>>()
        };
        assert_eq!(told(one), told(other));
        let [(spells, requests, trouble)] = &told(one)[..] else { panic!("one storm") };
        assert_eq!((spells.len(), *requests, trouble.unavailable), (1, 20, 5));
        assert_eq!(one.slots, 4);
    }

    #[test]
    fn who_comes_too_early_is_counted() {
        let at = |second| Time::default() + Span::from_secs(second);
        let client = Endpoint { address: host(), port: 5060 };
        let told = |sent, wait| {
            let refused = at(sent) + Span::from_millis(10);
            let until = refused + Span::from_secs(wait);
            Told { server: host(), client, registration: None, sent: at(sent), refused, until }
        };
        let mut loads = Loads::default();
        // The last one is on time; what another client is told is not for this one.
        let other = Told { client: Endpoint { port: 5062, ..client }, ..told(9, 90) };
        loads.told = vec![told(20, 9), told(0, 10), told(31, 5), other, told(2, 5)];
        let hurried: Vec<_> = loads.hurried().into_iter().map(|own| own.sent).collect();
        assert_eq!(hurried, [at(2)]);
    }

    #[test]
    fn what_clients_were_told_has_a_bound() {
        let client = Endpoint { address: host(), port: 5060 };
        let (sent, refused, until) = (Time::default(), Time::default(), Time::default());
        let told = Told { server: host(), client, registration: None, sent, refused, until };
        let mut loads = Loads { told: vec![told; LOAD_TOLD_MAX], ..Loads::default() };
        loads.add_told(None);
        assert_eq!(loads.dropped(), 0);
        loads.add_told(Some(told));
        assert_eq!((loads.told.len(), loads.dropped()), (LOAD_TOLD_MAX, 1));
    }

    #[test]
    fn slots_have_a_bound() {
        let mut loads = Loads::default();
        for slot in (0..).take(LOAD_SLOTS_MAX + 2) {
            loads.add(host(), slot, 1, None);
        }
        loads.add(host(), 0, 1, None);
        assert_eq!((loads.slots, loads.dropped()), (LOAD_SLOTS_MAX, 2));
    }
}
