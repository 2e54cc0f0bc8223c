//! What several captures have in common, and how far their clocks are apart.
//!
//! Of each capture a sample of its messages is kept: those with the smallest digests, so that two
//! captures of the same traffic keep the same ones. A packet on its way from one capture point to
//! the other takes time; over both directions that cancels out, so only what is left is the
//! clocks'.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use crate::capture::{Description, Note};
use crate::limits::CLOCK_SAMPLES_MAX;
use crate::packet::Path;
use crate::signaling::ClockDifference;
use crate::time::{Span, Time};

/// Messages sampled of one capture, where there are few.
const SAMPLE: usize = 8192;

/// Messages sampled of one capture, of however many.
const SAMPLE_MIN: usize = 64;

/// Messages that two captures must have in common before their clocks are compared.
const COMMON_MIN: usize = 3;

/// A difference that holds for packets of both directions.
const APART: Span = Span::from_millis(2);

/// A difference that is seen in one direction only could be the way itself, if it were smaller.
const APART_ONE_WAY: Span = Span::from_millis(500);

/// How far from the median a difference may be that is constant.
const JITTER: Span = Span::from_millis(50);

/// A message, or the beginning of a TCP segment, where it was captured.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub(crate) struct Sample {
    digest: u64,
    time: Time,
    is_upward: bool,
}

impl Sample {
    /// Bytes on their way; `place` tells equal bytes of one way apart.
    pub(crate) fn new(bytes: &[u8], path: Path, place: u32, time: Time) -> Self {
        let Path { source, destination, ip_id, .. } = path;
        let digest = FixedState::default().hash_one((bytes, source, destination, ip_id, place));
        Self { digest, time, is_upward: source < destination }
    }
}

/// The samples of all captures.
#[derive(Debug)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub(crate) struct Clocks {
    captures: BTreeMap<u16, BTreeMap<u64, Seen>>,
    /// Messages sampled of one.
    sample: usize,
}

#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
struct Seen {
    time: Time,
    is_upward: bool,
    /// The same bytes again, as of a retransmission, tell nothing.
    is_repeated: bool,
}

/// Two captures that have messages in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// The earlier one in the order given.
    pub(crate) from: u16,
    pub(crate) to: u16,
    pub(crate) messages: u64,
    /// What the clock of `to` is ahead of that of `from`, if that is constant and not the way.
    pub(crate) ahead: Option<Span>,
}

impl Clocks {
    /// Room for the samples of so many captures.
    pub(crate) fn of(captures: usize) -> Self {
        let share = CLOCK_SAMPLES_MAX / captures.max(1);
        Self { captures: BTreeMap::new(), sample: share.clamp(SAMPLE_MIN, SAMPLE) }
    }

    pub(crate) fn add(&mut self, capture: u16, samples: &[Sample]) {
        let known = self.captures.entry(capture).or_default();
        for sample in samples {
            let Sample { digest, time, is_upward } = *sample;
            let is_full = known.len() >= self.sample;
            if is_full && known.last_key_value().is_some_and(|(last, _)| digest > *last) {
                continue;
            }
            let seen = Seen { time, is_upward, is_repeated: false };
            known.entry(digest).and_modify(|seen| seen.is_repeated = true).or_insert(seen);
            if known.len() > self.sample {
                known.pop_last();
            }
        }
    }

    /// Adds the samples of a capture whose times are told by another clock than its own.
    #[cfg(feature = "parts")]
    pub(crate) fn add_ahead(&mut self, capture: u16, samples: &[Sample], ahead: Span) {
        let own = |sample: &Sample| Sample { time: sample.time + ahead, ..*sample };
        let samples: Vec<_> = samples.iter().map(own).collect();
        self.add(capture, &samples);
    }

    /// Adds the samples of other captures.
    #[cfg(feature = "parts")]
    pub(crate) fn merge(&mut self, other: &Self) {
        for (capture, samples) in &other.captures {
            let known = self.captures.entry(*capture).or_default();
            known.extend(samples.iter().take(self.sample));
        }
    }

    /// For each capture that has messages in common with one before it, the one with most of them.
    pub(crate) fn links(&self) -> Vec<Link> {
        let mut holders: HashMap<u64, Vec<(u16, Seen)>> = HashMap::new();
        for (capture, samples) in &self.captures {
            for (digest, seen) in samples.iter().filter(|(_, seen)| !seen.is_repeated) {
                holders.entry(*digest).or_default().push((*capture, *seen));
            }
        }
        let mut common: BTreeMap<(u16, u16), Vec<(Seen, Seen)>> = BTreeMap::new();
        for held in holders.values() {
            // All but the first are compared with the first: n captures of one message are n - 1
            // pairs.
            let Some(((from, first), others)) = held.split_first() else { continue };
            for (to, seen) in others {
                common.entry((*from, *to)).or_default().push((*first, *seen));
            }
        }
        let mut best: BTreeMap<u16, Link> = BTreeMap::new();
        for ((from, to), pairs) in common {
            let Some(link) = Link::of(from, to, &pairs) else { continue };
            let known = best.entry(to).or_insert(link);
            if link.messages > known.messages {
                *known = link;
            }
        }
        best.into_values().collect()
    }
}

impl Link {
    fn of(from: u16, to: u16, pairs: &[(Seen, Seen)]) -> Option<Self> {
        let apart = |is_upward: bool| {
            let mut apart: Vec<Span> = pairs
                .iter()
                .filter(|(first, _)| first.is_upward == is_upward)
                .map(|(first, second)| second.time.since(first.time))
                .collect();
            apart.sort_unstable();
            apart
        };
        let ways = [apart(true), apart(false)];
        let median = |apart: &[Span]| apart.get(apart.len() / 2).copied();
        let steady: usize = ways
            .iter()
            .map(|way| {
                let middle = median(way).unwrap_or_default();
                way.iter().filter(|apart| (**apart + middle.times(-1)).abs() <= JITTER).count()
            })
            .sum();
        let ahead = match (median(&ways[0]), median(&ways[1])) {
            (Some(up), Some(down)) => Some(Span::from_nanos(up.nanos() / 2 + down.nanos() / 2))
                .filter(|a| a.abs() >= APART),
            (one, other) => one.or(other).filter(|apart| apart.abs() >= APART_ONE_WAY),
        };
        let is_constant = steady * 5 >= pairs.len() * 3;
        let is_enough = pairs.len() >= COMMON_MIN;
        // Far apart and not constant: the same bytes were sent again later.
        if ahead.is_some() && !(is_constant && is_enough) {
            return None;
        }
        Some(Self { from, to, messages: pairs.len() as u64, ahead })
    }

    /// What the two clocks are apart, if they are.
    pub(crate) fn difference(&self, is_corrected: bool) -> Option<ClockDifference> {
        let Self { from, to, messages, .. } = *self;
        let ahead = self.ahead?;
        Some(ClockDifference { capture: to, from, ahead, messages, is_corrected })
    }

    /// What the reader of the report must know.
    pub(crate) fn notes(self, is_corrected: bool) -> impl Iterator<Item = Note> {
        let Self { from, messages, ahead, .. } = self;
        let clock = ahead.map(|ahead| Note::ClockOffset { from, ahead, is_corrected });
        [Note::Overlap { with: from, messages }].into_iter().chain(clock)
    }
}

/// Says of captures what they have in common, and describes each by its own clock where its times
/// were corrected by what that is `ahead`; nothing is ahead where none was.
pub(crate) fn describe(captures: &mut [Description], links: &[Link], ahead: &BTreeMap<u16, Span>) {
    for (capture, index) in captures.iter_mut().zip(0..) {
        let ahead = ahead.get(&index).copied().unwrap_or_default();
        capture.first_time = capture.first_time.map(|time| time + ahead);
        capture.last_time = capture.last_time.map(|time| time + ahead);
    }
    for link in links {
        if let Some(capture) = captures.get_mut(usize::from(link.to)) {
            capture.notes.extend(link.notes(!ahead.is_empty()));
        }
    }
}

/// What each clock is ahead of that of the first capture it can be compared with.
pub(crate) fn ahead(links: &[Link]) -> BTreeMap<u16, Span> {
    let mut ahead: BTreeMap<u16, Span> = BTreeMap::new();
    // Sorted by `to`, and `from` is smaller: what is before is already known.
    for link in links {
        let before = ahead.get(&link.from).copied().unwrap_or_default();
        let own = before + link.ahead.unwrap_or_default();
        if own != Span::ZERO {
            ahead.insert(link.to, own);
        }
    }
    ahead
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Endpoint;

    fn path(is_upward: bool, ip_id: u16) -> Path {
        let [low, high] =
            [1, 2].map(|last| Endpoint { address: [192, 0, 2, last].into(), port: 5060 });
        let (source, destination) = if is_upward { (low, high) } else { (high, low) };
        Path { source, destination, ip_id, vlan: 0 }
    }

    /// Messages every 100 ms, up and down, as a capture point sees them that the way up passes
    /// `delay` milliseconds after the other one, with a clock that is `ahead`.
    fn samples(range: std::ops::Range<u32>, delay: i64, ahead: i64) -> Vec<Sample> {
        let sample = |number: u32| {
            let is_upward = number.is_multiple_of(2);
            let delay = if is_upward { delay } else { -delay };
            let time = Time::from_parts(100, 0) + Span::from_millis(i64::from(number) * 100);
            let time = time + Span::from_millis(delay + ahead);
            Sample::new(&number.to_be_bytes(), path(is_upward, 7), 0, time)
        };
        range.map(sample).collect()
    }

    fn links(captures: &[Vec<Sample>]) -> Vec<Link> {
        let mut clocks = Clocks::of(captures.len());
        for (capture, samples) in captures.iter().enumerate() {
            clocks.add(capture as u16, samples);
        }
        clocks.links()
    }

    #[test]
    fn samples_of_many_captures_are_bounded_and_still_tell() {
        let captures = CLOCK_SAMPLES_MAX / 100;
        let mut clocks = Clocks::of(captures);
        assert_eq!(clocks.sample, 100);
        clocks.add(0, &samples(0..5_000, 0, 0));
        clocks.add(1, &samples(0..5_000, 0, 900));
        assert!(clocks.captures.values().all(|known| known.len() == 100));
        let [Link { messages: 100, ahead: Some(ahead), .. }] = clocks.links()[..] else { panic!() };
        assert_eq!(ahead, Span::from_millis(900));
        assert_eq!((Clocks::of(2).sample, Clocks::of(usize::MAX).sample), (SAMPLE, SAMPLE_MIN));
    }

    #[test]
    fn clocks_at_the_ends_of_time_are_compared() {
        let at = |nanos: i64| {
            let sample = |number: u32| {
                let time = Time::from_nanos(nanos);
                Sample::new(&number.to_be_bytes(), path(number.is_multiple_of(2), 7), 0, time)
            };
            (0..9).map(sample).collect::<Vec<_>>()
        };
        let found = links(&[at(i64::MIN), at(i64::MAX), at(0)]);
        let sums = ahead(&found);
        assert!(found.len() <= 2 && sums.values().all(|ahead| *ahead > Span::ZERO), "{found:?}");
    }

    #[test]
    fn tells_clocks_from_the_way_between() {
        let cases = [
            (0, 0, None),
            (40, 0, None),
            (40, 1500, Some(1500)),
            (40, -3_600_000, Some(-3_600_000)),
            (0, 3, Some(3)),
        ];
        for (delay, ahead, expected) in cases {
            let found = links(&[samples(0..50, 0, 0), samples(20..70, delay, ahead)]);
            let expected = expected.map(Span::from_millis);
            assert_eq!(found, [Link { from: 0, to: 1, messages: 30, ahead: expected }], "{ahead}");
        }
    }

    #[test]
    fn compares_large_captures_by_a_sample() {
        let found = links(&[samples(0..50_000, 0, 0), samples(0..60_000, 0, 900)]);
        assert!(found[0].messages > SAMPLE as u64 / 2, "{found:?}");
        assert_eq!(found[0].ahead, Some(Span::from_millis(900)));
    }

    #[test]
    fn adds_up_along_captures() {
        let ring = [samples(0..40, 0, 0), samples(30..80, 5, 700), samples(70..99, 5, 1000)];
        let found = links(&ring);
        assert_eq!(found.len(), 2);
        let sums = ahead(&found);
        assert_eq!(sums[&1], Span::from_millis(700));
        assert_eq!(sums[&2], Span::from_millis(1000));
    }

    #[test]
    fn is_not_led_astray_by_what_is_sent_again() {
        let mut later = samples(0..2, 0, 30_000);
        assert!(links(&[samples(0..50, 0, 0), later.clone()]).is_empty());
        later.extend(samples(5..6, 0, 60_000));
        later.extend(samples(6..7, 0, 90_000));
        assert!(links(&[samples(0..50, 0, 0), later]).is_empty());
        let repeated = [samples(0..9, 0, 0), samples(0..9, 0, 500)].concat();
        assert!(links(&[samples(0..9, 0, 0), repeated]).is_empty());
        assert!(links(&[samples(0..9, 0, 0), samples(9..20, 0, 0)]).is_empty());
    }
}
