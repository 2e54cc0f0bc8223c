//! How much went between two hosts, window by window of time: what only many calls show together.
//!
//! The sums are the same in whatever order calls and parts of a run are added. Of most windows only
//! how many messages they hold is kept; what else is counted takes room only where it happened.

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;

use rustc_hash::FxHashMap;

use crate::limits::TRAFFIC_WINDOWS_MAX;
use crate::signaling::call::Call;
use crate::signaling::digest::Digest;
use crate::signaling::facts::Examples;
use crate::signaling::message::Message;
use crate::time::{Span, Time};

/// How long a window is.
const WINDOW: Span = Span::from_secs(10);

/// Windows of one call that are counted before their sums are looked up.
const COUNTED_MAX: usize = 8;

/// Two hosts, the smaller address first.
type Pair = (IpAddr, IpAddr);

/// The SIP messages between pairs of hosts.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Traffic {
    /// Messages either way, by hosts and window.
    messages: FxHashMap<Digest, u16>,
    /// How many more there are of those that have too many for that.
    more: FxHashMap<Digest, u64>,
    /// Windows in which requests were repeated, by number since the epoch.
    repeats: BTreeMap<(Pair, i32), Repeats>,
    /// Messages that the bound on windows left out.
    dropped: u64,
}

/// Requests that were sent again and answered in the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
struct Repeats {
    /// By the host with the smaller address.
    from_first: u64,
    /// By the other one.
    from_second: u64,
    examples: Examples,
}

/// A window of two hosts in which requests were repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeating<'t> {
    /// Who repeated more of them.
    pub client: IpAddr,
    /// The other one.
    pub server: IpAddr,
    /// When the window begins.
    pub start: Time,
    /// Messages both ways.
    pub messages: u64,
    /// The repeated requests among them, both ways.
    pub repeats: u64,
    /// The first ones.
    pub examples: &'t Examples,
}

impl Repeating<'_> {
    /// How long the window is.
    pub const LENGTH: Span = WINDOW;

    /// The repeated requests among a hundred messages.
    pub fn percent(&self) -> u64 {
        self.repeats.saturating_mul(100) / self.messages.max(1)
    }
}

impl Traffic {
    /// Counts the messages of a call, and the requests that it repeated.
    pub(super) fn add_call(&mut self, call: &Call<'_>) {
        // The messages of one call mostly go between the same few hosts at the same time.
        let mut counted: Vec<((Pair, i32), u32)> = Vec::with_capacity(COUNTED_MAX);
        for message in call.messages {
            let key = (pair_of(message), window_of(message.time));
            match counted.iter_mut().rev().find(|(known, _)| *known == key) {
                Some((_, count)) => *count += 1,
                None => {
                    if counted.len() >= COUNTED_MAX {
                        counted.drain(..).for_each(|own| self.add_messages(own));
                    }
                    counted.push((key, 1));
                }
            }
        }
        counted.into_iter().for_each(|own| self.add_messages(own));
        for transaction in &call.transactions {
            if transaction.retransmissions.is_empty() || !transaction.is_answered_late() {
                continue;
            }
            for repeat in transaction.late_repeats() {
                self.add_repeat(repeat, call.call_id);
            }
        }
    }

    fn add_messages(&mut self, ((pair, window), count): ((Pair, i32), u32)) {
        let is_full = self.messages.len() >= TRAFFIC_WINDOWS_MAX;
        self.add(Digest::of((pair, window)), count.into(), is_full);
    }

    /// Adds so many messages; those in a window that is new are left out where the table is full.
    fn add(&mut self, window: Digest, count: u64, is_full: bool) {
        let sum = match self.messages.entry(window) {
            Entry::Occupied(sum) => sum.into_mut(),
            Entry::Vacant(_) if is_full => {
                self.dropped += count;
                return;
            }
            Entry::Vacant(place) => place.insert(0),
        };
        let room = u16::MAX - *sum;
        let own = u16::try_from(count).unwrap_or(u16::MAX).min(room);
        *sum += own;
        let more = count - u64::from(own);
        if more > 0 {
            *self.more.entry(window).or_default() += more;
        }
    }

    /// How many messages a window has.
    fn messages_in(&self, window: Digest) -> u64 {
        let own = self.messages.get(&window).map_or(0, |count| u64::from(*count));
        own + self.more.get(&window).copied().unwrap_or_default()
    }

    /// Counts a repeated request in a window whose messages are counted.
    fn add_repeat(&mut self, repeat: &Message<'_>, call_id: &[u8]) {
        let pair = pair_of(repeat);
        let window = window_of(repeat.time);
        if !self.messages.contains_key(&Digest::of((pair, window))) {
            return;
        }
        let repeats = self.repeats.entry((pair, window)).or_default();
        match repeat.source.address == pair.0 {
            true => repeats.from_first += 1,
            false => repeats.from_second += 1,
        }
        repeats.examples.add(repeat.frame, repeat.time, call_id);
    }

    /// Adds what another part of the run counted.
    pub(super) fn merge(&mut self, other: Self) {
        self.dropped += other.dropped;
        // All that is new in a part is taken or left, so that the order of a table does not matter.
        let is_full = self.messages.len() >= TRAFFIC_WINDOWS_MAX;
        for (window, count) in other.messages {
            let more = other.more.get(&window).copied().unwrap_or_default();
            self.add(window, u64::from(count) + more, is_full);
        }
        for ((pair, window), other) in other.repeats {
            if !self.messages.contains_key(&Digest::of((pair, window))) {
                continue;
            }
            let repeats = self.repeats.entry((pair, window)).or_default();
            repeats.from_first += other.from_first;
            repeats.from_second += other.from_second;
            repeats.examples.merge(&other.examples);
        }
    }

    /// Messages that the bound on windows left out.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The windows of each pair of hosts in which requests were repeated: the pairs in order of
    /// their addresses, the windows in order of time.
    pub fn repeating(&self) -> impl Iterator<Item = Vec<Repeating<'_>>> {
        let all: Vec<_> = self.repeats.iter().collect();
        let pairs = all.chunk_by(|((one, _), _), ((other, _), _)| one == other);
        let pairs = pairs.map(|own| {
            own.iter().map(|((pair, window), repeats)| self.repeats_in(*pair, *window, repeats))
        });
        pairs.map(Iterator::collect).collect::<Vec<_>>().into_iter()
    }

    fn repeats_in<'t>(&self, pair: Pair, window: i32, repeats: &'t Repeats) -> Repeating<'t> {
        let (first, second) = pair;
        let (client, server) = match repeats.from_first >= repeats.from_second {
            true => (first, second),
            false => (second, first),
        };
        Repeating {
            client,
            server,
            start: Time::from_nanos(WINDOW.times(i64::from(window)).nanos()),
            messages: self.messages_in(Digest::of((pair, window))),
            repeats: repeats.from_first + repeats.from_second,
            examples: &repeats.examples,
        }
    }
}

fn pair_of(message: &Message<'_>) -> Pair {
    let (one, other) = (message.source.address, message.destination.address);
    (one.min(other), one.max(other))
}

/// The number of the window; every moment that a capture can hold has one.
fn window_of(time: Time) -> i32 {
    let number = time.nanos().div_euclid(WINDOW.nanos());
    i32::try_from(number).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::FrameId;

    fn pair() -> Pair {
        (IpAddr::from([192, 0, 2, 10]), IpAddr::from([203, 0, 113, 20]))
    }

    /// Messages by window, and repeats by window with the frame of the first one.
    fn part(messages: &[(i32, u32)], repeats: &[(i32, u64)]) -> Traffic {
        let mut traffic = Traffic::default();
        for (window, count) in messages {
            traffic.add_messages(((pair(), *window), *count));
        }
        for (window, frame) in repeats {
            let repeats = traffic.repeats.entry((pair(), *window)).or_default();
            repeats.from_second += 1;
            let frame = FrameId { capture: 0, number: *frame };
            repeats.examples.add(frame, Time::from_nanos(0), b"");
        }
        traffic
    }

    fn merged(parts: [Traffic; 3]) -> Traffic {
        let mut sum = Traffic::default();
        parts.into_iter().for_each(|part| sum.merge(part));
        sum
    }

    #[test]
    fn sums_are_the_same_in_any_order() {
        let [a, b, c] = [
            part(&[(1, 20), (2, 3)], &[(1, 7), (1, 9)]),
            part(&[(3, 1), (1, 4)], &[(1, 2)]),
            part(&[(1, 1)], &[]),
        ];
        let one = merged([a.clone(), b.clone(), c.clone()]);
        let other = merged([c, b, a]);
        let windows: Vec<_> = one.repeating().collect();
        assert_eq!(windows, other.repeating().collect::<Vec<_>>());
        assert_eq!(one.messages.len(), 3);
        let [own] = windows.as_slice() else { panic!("one pair: {windows:?}") };
        let [window] = own.as_slice() else { panic!("one window: {own:?}") };
        assert_eq!((window.messages, window.repeats, window.percent()), (25, 3, 12));
        assert_eq!(window.client, pair().1);
        assert_eq!(window.start, Time::from_nanos(10_000_000_000));
        let frames: Vec<_> = window.examples.first.iter().map(|(frame, ..)| frame.number).collect();
        assert_eq!(frames, [2, 7, 9]);
    }

    #[test]
    fn windows_have_a_bound() {
        let mut traffic = Traffic::default();
        for window in (0..).take(TRAFFIC_WINDOWS_MAX + 2) {
            traffic.add_messages(((pair(), window), 1));
        }
        traffic.add_messages(((pair(), 0), 1));
        assert_eq!((traffic.messages.len(), traffic.dropped()), (TRAFFIC_WINDOWS_MAX, 2));
    }

    #[test]
    fn a_busy_window_has_all_of_its_messages() {
        let busy = u32::from(u16::MAX);
        let parts = [part(&[(1, busy - 1), (2, 1)], &[]), part(&[(1, busy + 7)], &[(1, 2)])];
        let mut sums = [Traffic::default(), Traffic::default()];
        let [one, other] = &mut sums;
        parts.iter().for_each(|part| one.merge(part.clone()));
        parts.iter().rev().for_each(|part| other.merge(part.clone()));
        for sum in &mut sums {
            sum.add_messages(((pair(), 1), 4));
            let windows = [0, 1, 2].map(|window| sum.messages_in(Digest::of((pair(), window))));
            assert_eq!(windows, [0, 2 * u64::from(busy) + 10, 1]);
            assert_eq!((sum.messages.len(), sum.more.len(), sum.dropped()), (2, 1, 0));
        }
    }

    #[test]
    fn every_moment_has_a_window() {
        assert_eq!(window_of(Time::from_nanos(-1)), -1);
        assert_eq!(window_of(Time::from_nanos(i64::MAX)), 922_337_203);
        assert_eq!(window_of(Time::from_nanos(i64::MIN)), -922_337_204);
    }
}
