//! When the captures show anything at all.
//!
//! A capture that was stopped and resumed, or was put together from others, has pauses without a
//! single frame. What was due in one of them may have come and gone (guard G1).

use crate::limits::SPELLS_MAX;
use crate::time::{Span, Time};

/// A capture without any frame for so long may have been stopped; keep-alives, probes and
/// registrations come more often.
const PAUSE: Span = Span::from_secs(600);

/// Quiet networks have long pauses, too. Only one of so many times what was waited for counts as a
/// hole in the capture.
const PAUSE_TO_WAIT: i64 = 4;

/// So long after its last frame a capture is taken to have gone on.
const GRACE: Span = Span::from_secs(2);

/// The spells of a run that have frames, without a long pause in any of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Coverage {
    /// First and last frame; in order and apart.
    spells: Vec<(Time, Time)>,
    /// Where the first pause begins that was forgotten; after it nothing is known of pauses.
    forgotten: Option<Time>,
    /// Pauses that were forgotten.
    dropped: u64,
}

impl Coverage {
    /// A frame was captured.
    #[inline]
    pub fn add(&mut self, time: Time) {
        match self.spells.last_mut() {
            Some((first, last)) if time >= *first && time.since(*last) <= PAUSE => {
                *last = time.max(*last);
            }
            _ => self.insert(time, time),
        }
    }

    /// Adds what another part of the run has.
    pub fn merge(&mut self, other: &Self) {
        for (first, last) in &other.spells {
            self.insert(*first, *last);
        }
        self.forget(other.forgotten);
        self.dropped += other.dropped;
    }

    /// Pauses that the bound left out.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn forget(&mut self, from: Option<Time>) {
        self.forgotten = self.forgotten.into_iter().chain(from).min();
    }

    /// The capture may have been stopped while something was waited for.
    pub fn has_hole(&self, from: Time, wait: Span) -> bool {
        if self.forgotten.is_some_and(|forgotten| forgotten < from + wait) {
            return true;
        }
        let hole = PAUSE.max(wait.times(PAUSE_TO_WAIT));
        let next = self.spells.partition_point(|(first, _)| *first <= from);
        let before = self.spells.get(next.saturating_sub(1)..).unwrap_or_default();
        before
            .iter()
            .zip(self.spells.get(next.max(1)..).unwrap_or_default())
            .take_while(|((_, end), _)| *end + GRACE < from + wait)
            .any(|((_, end), (begin, _))| begin.since(*end) > hole)
    }

    fn insert(&mut self, first: Time, last: Time) {
        let from = self.spells.partition_point(|(_, end)| first.since(*end) > PAUSE);
        let to = self.spells.partition_point(|(begin, _)| begin.since(last) <= PAUSE);
        let touched = self.spells.get(from..to).unwrap_or_default();
        let joined = touched
            .iter()
            .fold((first, last), |(first, last), (begin, end)| (first.min(*begin), last.max(*end)));
        self.spells.splice(from..to.max(from), [joined]);
        // Beyond the bound pauses are forgotten, and whatever comes after may lie in one.
        if self.spells.len() > SPELLS_MAX
            && let Some((_, end)) = self.spells.pop()
            && let Some((_, last)) = self.spells.last_mut()
        {
            let pause = std::mem::replace(last, end);
            self.forget(Some(pause));
            self.dropped += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time::from_parts(1_000_000 + seconds, 0)
    }

    fn coverage(seconds: &[i64]) -> Coverage {
        let mut coverage = Coverage::default();
        seconds.iter().for_each(|second| coverage.add(at(*second)));
        coverage
    }

    #[test]
    fn joins_what_is_near_in_any_order() {
        let straight = coverage(&[0, 500, 1000, 5000, 5001, 9000]);
        assert_eq!(
            straight.spells,
            [(at(0), at(1000)), (at(5000), at(5001)), (at(9000), at(9000))]
        );
        assert_eq!(coverage(&[9000, 5000, 1000, 0, 500, 5001]), straight);
        let mut merged = coverage(&[1000, 9000]);
        merged.merge(&coverage(&[0, 500, 5000, 5001]));
        assert_eq!(merged, straight);
    }

    #[test]
    fn a_pause_is_a_hole_if_it_is_long_for_what_was_waited_for() {
        let coverage = coverage(&[0, 31, 4000, 4100]);
        let waits = |from: i64, wait: i64| coverage.has_hole(at(from), Span::from_secs(wait));
        assert!(waits(5, 33));
        assert!(!waits(0, 33), "it ends just before");
        assert!(waits(0, 240) && waits(31, 33));
        assert!(!waits(0, 1800), "a quiet network");
        assert!(!waits(4000, 33) && !waits(4100, 33), "the end is known elsewhere");
        assert!(waits(-50, 240) && !waits(-90, 33));
        assert!(!Coverage::default().has_hole(at(0), Span::from_secs(33)));
    }

    #[test]
    fn is_bounded() {
        let mut coverage = Coverage::default();
        for number in (0..3000).rev() {
            coverage.add(at(number * 1000));
        }
        assert_eq!(coverage.spells.len(), SPELLS_MAX);
        assert_eq!(
            coverage.spells.last(),
            Some(&(at((SPELLS_MAX as i64 - 1) * 1000), at(2_999_000)))
        );
        assert_eq!(coverage.dropped(), 3000 - SPELLS_MAX as u64);
        let waits = |from: i64| coverage.has_hole(at(from), Span::from_secs(1));
        assert!(waits(2_500_500), "a pause may have been forgotten there");
        assert!(!waits(500_000), "before, all pauses are known");
        let mut sum = self::coverage(&[0]);
        sum.merge(&coverage);
        assert_eq!((sum.forgotten, sum.dropped()), (coverage.forgotten, coverage.dropped()));
    }
}
