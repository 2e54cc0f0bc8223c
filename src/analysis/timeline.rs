//! What happened when: counts by interval, in bounded memory.

use std::collections::BTreeMap;

use crate::limits::INTERVALS_MAX;
use crate::sip::Status;
use crate::time::{Span, Time};

/// Widths of an interval, in seconds. Each is a multiple of the one before, so that intervals can
/// be put together; with the last one all times fit into the bound.
const WIDTHS: [i64; 12] =
    [10, 30, 60, 300, 600, 1800, 3600, 21_600, 86_400, 30 * 86_400, 360 * 86_400, 3600 * 86_400];

/// Counts by interval. The intervals are as narrow as their number allows, and begin at whole
/// multiples of their width since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Timeline {
    /// The place in [`WIDTHS`].
    width: usize,
    /// The width that was asked for: it does not grow.
    fixed: Option<Span>,
    intervals: BTreeMap<i64, Interval>,
}

/// What happened in one interval.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Interval {
    /// Attempts to set up a call.
    pub attempts: u64,
    /// Calls answered.
    pub answered: u64,
    /// Attempts that ended with a response of 300 or more, or with none.
    pub failed: u64,
    /// Of these, those that users ended: busy, declined, not picked up, given up.
    pub ended_by_users: u64,
    /// Answered calls that ended.
    pub ended: u64,
    /// Final responses by status, as the first sender saw them.
    pub statuses: BTreeMap<u16, u64>,
}

/// Something to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    Attempt,
    Answer,
    Failure,
    UserEnd,
    End,
    Final(Status),
}

impl Timeline {
    /// A time line of such intervals, however many there are.
    pub(crate) fn every(width: Span) -> Self {
        Self { fixed: Some(width.max(Span::from_millis(1))), ..Self::default() }
    }

    /// How wide an interval is.
    pub fn width(&self) -> Span {
        if let Some(fixed) = self.fixed {
            return fixed;
        }
        Span::from_secs(WIDTHS.get(self.width).copied().unwrap_or_default())
    }

    /// Every interval in which something happened, with its beginning and the calls that were up at
    /// some moment of it.
    pub fn intervals(&self) -> impl Iterator<Item = (Time, &Interval, u64)> {
        let width = self.width();
        let mut up = 0u64;
        self.intervals.iter().map(move |(index, interval)| {
            let start = Time::from_nanos(index.saturating_mul(width.nanos()));
            up += interval.answered;
            let concurrent = up;
            up = up.saturating_sub(interval.ended);
            (start, interval, concurrent)
        })
    }

    /// Counts what happened.
    pub(crate) fn add(&mut self, time: Time, happening: Happening) {
        let index = time.nanos().div_euclid(self.width().nanos());
        let interval = self.intervals.entry(index).or_default();
        match happening {
            Happening::Attempt => interval.attempts += 1,
            Happening::Answer => interval.answered += 1,
            Happening::Failure => interval.failed += 1,
            Happening::UserEnd => interval.ended_by_users += 1,
            Happening::End => interval.ended += 1,
            Happening::Final(status) => *interval.statuses.entry(status.code()).or_default() += 1,
        }
        self.fit();
    }

    /// Adds what another part counted.
    pub(crate) fn merge(&mut self, mut other: Self) {
        // Parts of a run have no width of their own.
        debug_assert!(self.fixed == other.fixed);
        while self.width < other.width {
            self.widen();
        }
        while other.width < self.width {
            other.widen();
        }
        for (index, interval) in other.intervals {
            self.intervals.entry(index).or_default().merge(&interval);
        }
        self.fit();
    }

    fn fit(&mut self) {
        let is_fixed = self.fixed.is_some();
        while !is_fixed && self.intervals.len() > INTERVALS_MAX && self.width + 1 < WIDTHS.len() {
            self.widen();
        }
    }

    fn widen(&mut self) {
        let narrow = self.width().nanos();
        self.width += 1;
        let factor = (self.width().nanos() / narrow.max(1)).max(1);
        for (index, interval) in std::mem::take(&mut self.intervals) {
            self.intervals.entry(index.div_euclid(factor)).or_default().merge(&interval);
        }
    }
}

impl Interval {
    fn merge(&mut self, other: &Self) {
        self.attempts += other.attempts;
        self.answered += other.answered;
        self.failed += other.failed;
        self.ended_by_users += other.ended_by_users;
        self.ended += other.ended;
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time::default() + Span::from_secs(seconds)
    }

    #[test]
    fn counts_calls_that_are_up_at_the_same_time() {
        let mut timeline = Timeline::default();
        for (seconds, happening) in [
            (1, Happening::Answer),
            (5, Happening::Answer),
            (15, Happening::End),
            (25, Happening::Answer),
            (26, Happening::End),
            (42, Happening::End),
        ] {
            timeline.add(at(seconds), happening);
        }
        let up: Vec<_> = timeline.intervals().map(|(start, _, up)| (start, up)).collect();
        assert_eq!(up, [(at(0), 2), (at(10), 2), (at(20), 2), (at(40), 1)]);
    }

    #[test]
    fn the_width_grows_with_the_time_and_not_the_memory() {
        assert!(WIDTHS.windows(2).all(|pair| matches!(pair, [a, b] if b % a == 0)));
        let mut timeline = Timeline::default();
        for step in -20_000..20_000 {
            timeline.add(at(step * 450_000), Happening::Attempt);
        }
        assert!(timeline.intervals.len() <= INTERVALS_MAX);
        let attempts: u64 = timeline.intervals().map(|(_, interval, _)| interval.attempts).sum();
        assert_eq!(attempts, 40_000);
        timeline.add(Time::from_nanos(i64::MIN), Happening::Attempt);
        timeline.add(Time::from_nanos(i64::MAX), Happening::Attempt);
        assert!(timeline.intervals.len() <= INTERVALS_MAX);
    }

    #[test]
    fn parts_of_another_width_are_put_together() {
        let (mut narrow, mut wide) = (Timeline::default(), Timeline::default());
        narrow.add(at(5), Happening::Failure);
        for step in 0..INTERVALS_MAX as i64 + 1 {
            wide.add(at(step * 10), Happening::Attempt);
        }
        let mut other = wide.clone();
        other.merge(narrow.clone());
        narrow.merge(wide);
        assert_eq!(narrow, other);
        assert_eq!(narrow.width(), Span::from_secs(30));
        let (_, first, _) = narrow.intervals().next().expect("the first one");
        assert_eq!((first.attempts, first.failed), (3, 1));
    }
}
