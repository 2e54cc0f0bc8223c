//! OPTIONS by which one host finds out whether another one is alive, over all calls: mostly each
//! has a Call-ID of its own.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use crate::capture::FrameId;
use crate::limits::PINGS_MAX;
use crate::packet::Endpoint;
use crate::signaling::call::Call;
use crate::signaling::transaction::Transaction;
use crate::sip::{Method, Status};
use crate::time::{Span, Time};

/// Pings of one outage that are remembered by their frame.
const FRAMES_MAX: usize = 3;

/// The OPTIONS of two hosts, in order.
type Sent = Vec<((Time, FrameId), Ping)>;

/// Every OPTIONS of which is known what became of it.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Pings {
    pairs: HashMap<(IpAddr, Endpoint), Sent, RandomState>,
    /// Those that are kept, of all pairs.
    kept: usize,
    /// Those that the bound left out.
    dropped: u64,
    /// When the first of them was sent: from then on, answers may be missing.
    dropped_from: Option<Time>,
}

/// What became of one OPTIONS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
struct Ping {
    client: Endpoint,
    answer: Answer,
    /// Its sender waits for an answer: it was sent again, or goes over a reliable transport.
    is_serious: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
enum Answer {
    /// Any final response but 408 and 503 is a sign of life.
    Alive,
    /// 408 or 503.
    Refused(Status),
    None,
}

/// The OPTIONS that one host sends to another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Who sends them, by the first one.
    pub client: Endpoint,
    /// Who should answer.
    pub server: Endpoint,
    /// How many there were.
    pub pings: u64,
    /// Those of them that showed no life.
    pub failed: u64,
    /// How often one failed after another one had not.
    pub losses: u64,
    /// The sender waits for answers.
    pub is_serious: bool,
    /// 408 or 503, where that was an answer.
    pub refused: Option<Status>,
    /// The spells of time in which all failed, in order.
    pub outages: Vec<Outage>,
}

/// OPTIONS that failed one after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// How many there were.
    pub pings: u64,
    /// When the first of them was sent.
    pub start: Time,
    /// When the last of them was sent.
    pub last: Time,
    /// When the next one was sent that was answered; none if there is none.
    pub end: Option<Time>,
    /// The first ones.
    pub frames: Vec<(FrameId, Time)>,
}

impl Outage {
    /// From the first one that failed to the next sign of life, or to the last one that failed.
    pub fn length(&self) -> Span {
        self.end.unwrap_or(self.last).since(self.start)
    }
}

impl Pings {
    /// Takes the OPTIONS of a call, each on its farthest hop.
    pub(super) fn add_call(&mut self, call: &Call<'_>) {
        let is_ping =
            |hop: &&Transaction<'_>| hop.method == Method::Options && hop.downstream.is_empty();
        for hop in call.transactions.iter().filter(is_ping) {
            let Some(request) = hop.request else { continue };
            let answer = match hop.final_status() {
                Some(status) if matches!(status.code(), 408 | 503) => Answer::Refused(status),
                Some(_) => Answer::Alive,
                None if call.is_unanswered(hop) && call.disruption_of(hop).is_none() => {
                    Answer::None
                }
                // Not known, or explained by what the network said.
                None => continue,
            };
            let is_serious = !hop.retransmissions.is_empty() || hop.transport.is_reliable();
            let ping = Ping { client: hop.client, answer, is_serious };
            self.add(hop.server, (request.time, request.frame), ping);
        }
    }

    fn add(&mut self, server: Endpoint, sent: (Time, FrameId), ping: Ping) {
        if self.kept >= PINGS_MAX {
            self.drop_one(sent.0);
            return;
        }
        let own = self.pairs.entry((ping.client.address, server)).or_default();
        match own.binary_search_by_key(&sent, |(known, _)| *known) {
            Ok(place) => {
                if let Some((_, known)) = own.get_mut(place) {
                    *known = ping;
                }
            }
            Err(place) => {
                // Most hosts have one or two, and there may be very many hosts.
                own.reserve_exact(usize::from(own.len() < 2));
                own.insert(place, (sent, ping));
                self.kept += 1;
            }
        }
    }

    /// Adds what another part of the run took.
    pub(super) fn merge(&mut self, other: Self) {
        self.dropped += other.dropped;
        self.dropped_from = self.dropped_from.into_iter().chain(other.dropped_from).min();
        // All of a part is taken or left, so that the order of a table does not matter.
        if self.kept >= PINGS_MAX {
            other.pairs.values().flatten().for_each(|((sent, _), _)| self.drop_one(*sent));
            return;
        }
        self.kept += other.kept;
        for (pair, other) in other.pairs {
            let own = self.pairs.entry(pair).or_default();
            own.reserve_exact(other.len());
            own.extend(other);
            own.sort_by_key(|(sent, _)| *sent);
            own.dedup_by(|next, kept| {
                let is_same = next.0 == kept.0;
                if is_same {
                    *kept = *next;
                }
                is_same
            });
        }
    }

    fn drop_one(&mut self, sent: Time) {
        self.dropped += 1;
        self.dropped_from = self.dropped_from.into_iter().chain([sent]).min();
    }

    /// OPTIONS that the bound left out.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Each pair of hosts between which OPTIONS failed, in order of the addresses.
    pub fn failing(&self) -> impl Iterator<Item = Watch> {
        let until = self.dropped_from;
        let watches = self.pairs.iter().map(|((_, server), pings)| watch(*server, pings, until));
        let mut found: Vec<_> = watches.flatten().collect();
        found.sort_unstable_by_key(|own| (own.client, own.server));
        found.into_iter()
    }
}

/// The OPTIONS sent before a moment, if one is given; what was not over then is not known.
fn watch(server: Endpoint, pings: &Sent, until: Option<Time>) -> Option<Watch> {
    let mut watch = Watch {
        client: pings.first()?.1.client,
        server,
        pings: 0,
        failed: 0,
        losses: 0,
        is_serious: false,
        refused: None,
        outages: Vec::new(),
    };
    let mut is_down = false;
    let is_before = |time: Time| until.is_none_or(|until| time < until);
    for ((time, frame), ping) in pings.iter().filter(|((time, _), _)| is_before(*time)) {
        watch.pings += 1;
        watch.is_serious |= ping.is_serious;
        if ping.answer == Answer::Alive {
            if let Some(outage) = watch.outages.last_mut().filter(|_| is_down) {
                outage.end = Some(*time);
            }
            is_down = false;
            continue;
        }
        if let Answer::Refused(status) = ping.answer {
            watch.refused.get_or_insert(status);
        }
        watch.failed += 1;
        watch.losses += u64::from(!is_down && watch.pings > 1);
        if !is_down {
            watch.outages.push(Outage {
                pings: 0,
                start: *time,
                last: *time,
                end: None,
                frames: Vec::new(),
            });
        }
        is_down = true;
        if let Some(outage) = watch.outages.last_mut() {
            outage.pings += 1;
            outage.last = *time;
            if outage.frames.len() < FRAMES_MAX {
                outage.frames.push((*frame, *time));
            }
        }
    }
    if is_down && until.is_some() {
        let open = watch.outages.pop();
        watch.failed -= open.map_or(0, |outage| outage.pings);
    }
    (watch.failed > 0).then_some(watch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(last: u8) -> Endpoint {
        Endpoint { address: [192, 0, 2, last].into(), port: 5060 }
    }

    fn at(second: i64) -> Time {
        Time::default() + Span::from_secs(second)
    }

    fn part(pings: &[(i64, Answer)]) -> Pings {
        let mut part = Pings::default();
        for (second, answer) in pings {
            let frame = FrameId { capture: 0, number: second.unsigned_abs() };
            let ping = Ping { client: host(1), answer: *answer, is_serious: false };
            part.add(host(2), (at(*second), frame), ping);
        }
        part
    }

    #[test]
    fn outages_are_the_same_in_any_order() {
        let busy = Answer::Refused(Status::REQUEST_TIMEOUT);
        let parts = [
            part(&[(10, Answer::Alive), (40, Answer::None)]),
            part(&[(20, Answer::None), (50, Answer::Alive)]),
            part(&[(30, busy), (60, Answer::None)]),
        ];
        let mut sums = [Pings::default(), Pings::default()];
        let [one, other] = &mut sums;
        parts.iter().for_each(|part| one.merge(part.clone()));
        parts.iter().rev().for_each(|part| other.merge(part.clone()));
        let found: Vec<_> = one.failing().collect();
        assert_eq!(found, other.failing().collect::<Vec<_>>());
        let [own] = found.as_slice() else { panic!("one pair: {found:?}") };
        assert_eq!((own.pings, own.failed, own.losses, one.kept), (6, 4, 2, 6));
        assert_eq!(own.refused, Some(Status::REQUEST_TIMEOUT));
        let [first, second] = own.outages.as_slice() else { panic!("two outages: {own:?}") };
        assert_eq!((first.start, first.end, first.pings), (at(20), Some(at(50)), 3));
        assert_eq!((first.length(), second.length()), (Span::from_secs(30), Span::ZERO));
    }

    #[test]
    fn hosts_that_always_answer_are_not_failing() {
        let pings = part(&[(10, Answer::Alive), (40, Answer::Alive)]);
        assert_eq!(pings.failing().count(), 0);
    }

    #[test]
    fn pings_have_a_bound() {
        let mut pings = Pings::default();
        for second in (0..).take(PINGS_MAX + 2) {
            let frame = FrameId { capture: 0, number: 1 };
            let ping = Ping { client: host(1), answer: Answer::Alive, is_serious: false };
            pings.add(host(2), (at(second), frame), ping);
        }
        assert_eq!((pings.kept, pings.dropped()), (PINGS_MAX, 2));
    }

    #[test]
    fn what_was_left_out_is_not_missing() {
        let mut pings = part(&[(1, Answer::Alive), (2, Answer::None), (3, Answer::Alive)]);
        pings.merge(part(&[(11, Answer::None), (12, Answer::None)]));
        let failed = |pings: &Pings| pings.failing().map(|own| own.failed).collect::<Vec<_>>();
        assert_eq!(failed(&pings), [3]);
        // From second 12 on, an answer may be missing: what was down then is not known to be so.
        pings.drop_one(at(12));
        assert_eq!((failed(&pings), pings.dropped()), (vec![1], 1));
        pings.drop_one(at(2));
        assert!(failed(&pings).is_empty());
    }
}
