//! How much went between two hosts, window by window of time: what only many calls show together.
//!
//! The sums are the same in whatever order calls and parts of a run are added. Of most windows only
//! how many messages they hold is kept; what else is counted takes room only where it happened.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use crate::limits::TRAFFIC_WINDOWS_MAX;
use crate::signaling::call::Call;
use crate::signaling::facts::Examples;
use crate::signaling::message::Message;
use crate::time::{Span, Time};

/// How long a window is.
const WINDOW: Span = Span::from_secs(10);

/// Two hosts, the smaller address first.
type Pair = (IpAddr, IpAddr);

/// The SIP messages between pairs of hosts.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    pairs: HashMap<Pair, Windows, RandomState>,
    /// Windows of all pairs.
    windows: usize,
    /// Messages that the bound on windows left out.
    dropped: u64,
}

/// The windows of two hosts, by number since the epoch.
#[derive(Clone, Debug, Default)]
struct Windows {
    /// Messages either way, in order of the windows.
    messages: Vec<(i32, u32)>,
    /// Windows in which requests were repeated.
    repeats: BTreeMap<i32, Repeats>,
}

/// Requests that were sent again and answered in the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
        // The messages of one call mostly go between the same hosts at the same time.
        let mut last: Option<((Pair, i32), u32)> = None;
        for message in call.messages {
            let key = (pair_of(message), window_of(message.time));
            match &mut last {
                Some((known, count)) if *known == key => *count += 1,
                _ => {
                    self.add_messages(last.replace((key, 1)));
                }
            }
        }
        self.add_messages(last);
        for transaction in &call.transactions {
            if transaction.retransmissions.is_empty() || !transaction.is_answered_late() {
                continue;
            }
            for repeat in transaction.late_repeats() {
                self.add_repeat(repeat, call.call_id);
            }
        }
    }

    fn add_messages(&mut self, counted: Option<((Pair, i32), u32)>) {
        let Some(((pair, window), count)) = counted else { return };
        let is_full = self.windows >= TRAFFIC_WINDOWS_MAX;
        if is_full && !self.pairs.contains_key(&pair) {
            self.dropped += u64::from(count);
            return;
        }
        let own = self.pairs.entry(pair).or_default();
        match own.messages.binary_search_by_key(&window, |(known, _)| *known) {
            Ok(place) => {
                if let Some((_, sum)) = own.messages.get_mut(place) {
                    *sum = sum.saturating_add(count);
                }
            }
            Err(_) if is_full => self.dropped += u64::from(count),
            Err(place) => {
                own.messages.insert(place, (window, count));
                self.windows += 1;
            }
        }
    }

    /// Counts a repeated request in a window whose messages are counted.
    fn add_repeat(&mut self, repeat: &Message<'_>, call_id: &[u8]) {
        let pair = pair_of(repeat);
        let window = window_of(repeat.time);
        let Some(own) = self.pairs.get_mut(&pair) else { return };
        if own.messages.binary_search_by_key(&window, |(known, _)| *known).is_err() {
            return;
        }
        let repeats = own.repeats.entry(window).or_default();
        match repeat.source.address == pair.0 {
            true => repeats.from_first += 1,
            false => repeats.from_second += 1,
        }
        repeats.examples.add(repeat.frame, repeat.time, call_id);
    }

    /// Adds what another part of the run counted.
    pub(super) fn merge(&mut self, other: Self) {
        self.windows += other.windows;
        self.dropped += other.dropped;
        for (pair, other) in other.pairs {
            let own = self.pairs.entry(pair).or_default();
            let known = own.messages.len() + other.messages.len();
            own.messages.extend(other.messages);
            own.messages.sort_unstable();
            own.messages.dedup_by(|next, sum| {
                let is_same = next.0 == sum.0;
                if is_same {
                    sum.1 = sum.1.saturating_add(next.1);
                }
                is_same
            });
            self.windows = self.windows.saturating_sub(known - own.messages.len());
            for (window, other) in other.repeats {
                let repeats = own.repeats.entry(window).or_default();
                repeats.from_first += other.from_first;
                repeats.from_second += other.from_second;
                repeats.examples.merge(&other.examples);
            }
        }
    }

    /// Messages that the bound on windows left out.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The windows of each pair of hosts in which requests were repeated: the pairs in order of
    /// their addresses, the windows in order of time.
    pub fn repeating(&self) -> impl Iterator<Item = Vec<Repeating<'_>>> {
        let mut pairs: Vec<_> =
            self.pairs.iter().filter(|(_, windows)| !windows.repeats.is_empty()).collect();
        pairs.sort_unstable_by_key(|(pair, _)| **pair);
        pairs.into_iter().map(|(pair, windows)| windows.repeating(*pair).collect())
    }
}

impl Windows {
    fn repeating(&self, (first, second): Pair) -> impl Iterator<Item = Repeating<'_>> {
        self.repeats.iter().map(move |(window, repeats)| {
            let place = self.messages.binary_search_by_key(window, |(known, _)| *known);
            let messages = place.ok().and_then(|place| self.messages.get(place));
            let (client, server) = match repeats.from_first >= repeats.from_second {
                true => (first, second),
                false => (second, first),
            };
            let start = WINDOW.times(i64::from(*window)).nanos();
            Repeating {
                client,
                server,
                start: Time::from_nanos(start),
                messages: messages.map_or(0, |(_, count)| u64::from(*count)),
                repeats: repeats.from_first + repeats.from_second,
                examples: &repeats.examples,
            }
        })
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
            traffic.add_messages(Some(((pair(), *window), *count)));
        }
        let own = traffic.pairs.entry(pair()).or_default();
        for (window, frame) in repeats {
            let repeats = own.repeats.entry(*window).or_default();
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
        assert_eq!(one.windows, 3);
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
            traffic.add_messages(Some(((pair(), window), 1)));
        }
        traffic.add_messages(Some(((pair(), 0), 1)));
        assert_eq!((traffic.windows, traffic.dropped()), (TRAFFIC_WINDOWS_MAX, 2));
    }

    #[test]
    fn every_moment_has_a_window() {
        assert_eq!(window_of(Time::from_nanos(-1)), -1);
        assert_eq!(window_of(Time::from_nanos(i64::MAX)), 922_337_203);
        assert_eq!(window_of(Time::from_nanos(i64::MIN)), -922_337_204);
    }
}
