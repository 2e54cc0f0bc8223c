//! Moments in which many RTP streams lack packets at once: what the capture lost, since a network
//! loses a packet of one stream here and one of another there.

use std::collections::BTreeMap;

use crate::limits::GAP_MOMENTS_MAX;
use crate::media::{Media, Stream};
use crate::time::{Span, Time};

/// Gaps that end within this time are of one moment.
const MOMENT: Span = Span::from_millis(100);

/// More sequence numbers than that are not skipped, but begun anew.
const SKIPPED_MAX: u16 = 1000;

/// Streams that must have been there to be compared: those of two calls.
const STREAMS_MIN: u64 = 4;

/// Moments that are looked into.
const MOMENTS_MAX: usize = 256;

/// How many streams have a gap, by moment.
#[derive(Debug, Default)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub(super) struct Gaps {
    moments: BTreeMap<i64, u64>,
    /// Gaps at moments for which there was no room.
    pub(super) dropped: u64,
}

impl Gaps {
    pub(super) fn add(&mut self, time: Time) {
        let moment = time.nanos().div_euclid(MOMENT.nanos());
        if self.moments.len() < GAP_MOMENTS_MAX || self.moments.contains_key(&moment) {
            *self.moments.entry(moment).or_default() += 1;
        } else {
            self.dropped += 1;
        }
    }
}

/// A packet with this number comes where the other one was due, and those between are missing.
#[inline]
pub(super) fn is_gap(sequence: u16, due: u16) -> bool {
    (1..=SKIPPED_MAX).contains(&sequence.wrapping_sub(due))
}

impl Media<'_> {
    /// Moments in which nearly all streams lack packets.
    pub fn common_gaps(self) -> Vec<Time> {
        let mut sums: BTreeMap<i64, u64> = BTreeMap::new();
        for (moment, count) in self.shards.iter().flat_map(|shard| &shard.gaps.moments) {
            *sums.entry(*moment).or_default() += count;
        }
        let candidates = sums.iter().filter(|(_, count)| **count >= STREAMS_MIN).take(MOMENTS_MAX);
        let begin = |moment: &i64| Time::from_nanos(moment.saturating_mul(MOMENT.nanos()));
        candidates
            .filter(|(moment, count)| {
                let time = begin(moment);
                let is_active = |stream: &&Stream| stream.is_active(time, time + MOMENT);
                let streams = self.shards.iter().flat_map(|shard| &shard.streams);
                let active = streams.filter(is_active).count() as u64;
                **count * 10 >= active * 9
            })
            .map(|(moment, _)| begin(moment))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::at;
    use super::*;

    #[test]
    fn moments_are_bounded_and_say_so() {
        let mut gaps = Gaps::default();
        let moments = GAP_MOMENTS_MAX as i64 + 9;
        for _ in 0..3 {
            (0..moments).for_each(|moment| gaps.add(at(moment * 100)));
        }
        assert_eq!((gaps.moments.len(), gaps.dropped), (GAP_MOMENTS_MAX, 27));
        assert!(gaps.moments.values().all(|count| *count == 3));
        gaps.add(Time::from_nanos(i64::MIN));
        gaps.add(Time::from_nanos(i64::MAX));
        assert_eq!(gaps.dropped, 29);
    }
}
