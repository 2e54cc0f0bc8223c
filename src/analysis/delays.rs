//! Times of one kind: how many, their mean and their percentiles, in bounded memory.

use crate::time::Span;

/// Steps that each doubling is divided into: a percentile is at most an eighth too high.
const STEPS: u64 = 8;

/// What delays are counted in.
const MICRO: Span = Span::from_micros(1);

/// Times of one kind. The sums of two parts are the sum of the whole, in any order.
///
/// Takes the room of an address while there are none: most hosts show few kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Delays {
    sums: Option<Box<Sums>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
struct Sums {
    sum: Span,
    count: u64,
    longest: Span,
    /// How many fell into each step, in order of the steps; a step is about an eighth wide.
    steps: Vec<(u16, u64)>,
}

impl Delays {
    /// Takes one more; a negative one counts as none at all.
    pub fn add(&mut self, delay: Span) {
        let delay = delay.max(Span::ZERO);
        let own = self.sums.get_or_insert_default();
        own.sum = own.sum + delay;
        own.count += 1;
        own.longest = own.longest.max(delay);
        own.add_to(step_of(delay), 1);
    }

    /// Takes some more.
    pub fn extend(&mut self, delays: impl IntoIterator<Item = Span>) {
        delays.into_iter().for_each(|delay| self.add(delay));
    }

    /// Adds what another part counted.
    pub fn merge(&mut self, other: &Self) {
        let Some(other) = &other.sums else { return };
        let own = self.sums.get_or_insert_default();
        own.sum = own.sum + other.sum;
        own.count += other.count;
        own.longest = own.longest.max(other.longest);
        for (step, count) in &other.steps {
            own.add_to(*step, *count);
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.sums.as_ref().map_or(0, |own| own.count)
    }

    /// Their mean.
    pub fn mean(&self) -> Option<Span> {
        let own = self.sums.as_ref()?;
        let count = i64::try_from(own.count).ok().filter(|count| *count > 0)?;
        Some(Span::from_nanos(own.sum.nanos() / count))
    }

    /// The longest one.
    pub fn longest(&self) -> Option<Span> {
        self.sums.as_ref().filter(|own| own.count > 0).map(|own| own.longest)
    }

    /// What `percent` of them did not exceed: the end of the step that holds it, or the longest.
    pub fn percentile(&self, percent: u8) -> Option<Span> {
        let own = self.sums.as_ref()?;
        let rank = (own.count * u64::from(percent.min(100))).div_ceil(100).max(1);
        let mut seen = 0;
        for (step, count) in &own.steps {
            seen += count;
            if seen >= rank {
                return Some(end_of(*step).min(own.longest));
            }
        }
        None
    }

    /// How many fell into each step that has some, from its beginning up to its end.
    pub(crate) fn steps(&self) -> impl Iterator<Item = (Span, Span, u64)> + '_ {
        let steps = self.sums.as_ref().map(|own| own.steps.as_slice()).unwrap_or_default();
        steps.iter().map(|(step, count)| {
            let start = step.checked_sub(1).map_or(Span::ZERO, |before| end_of(before) + MICRO);
            (start, end_of(*step) + MICRO, *count)
        })
    }
}

impl Sums {
    fn add_to(&mut self, step: u16, count: u64) {
        match self.steps.binary_search_by_key(&step, |(known, _)| *known) {
            Ok(place) => {
                if let Some((_, sum)) = self.steps.get_mut(place) {
                    *sum += count;
                }
            }
            Err(place) => {
                // Most hosts have few, and there may be very many hosts.
                self.steps.reserve_exact(usize::from(self.steps.len() < 2));
                self.steps.insert(place, (step, count));
            }
        }
    }
}

/// The step that holds a delay, counted in microseconds: below 8 each number has its own.
fn step_of(delay: Span) -> u16 {
    let micros = u64::try_from(delay.nanos() / 1000).unwrap_or_default();
    if micros < STEPS {
        return micros as u16;
    }
    let doubling = u64::from(micros.ilog2());
    let place = (micros >> (doubling - 3)) - STEPS;
    ((doubling - 2) * STEPS + place) as u16
}

/// The last microsecond of a step.
fn end_of(step: u16) -> Span {
    let step = u64::from(step);
    if step < STEPS {
        return Span::from_micros(step as i64);
    }
    let (doubling, place) = (step / STEPS + 2, step % STEPS);
    let micros = ((STEPS + place + 1) << (doubling - 3)) - 1;
    Span::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn percentiles_are_near_and_never_too_low() {
        let mut delays = Delays::default();
        for millis in 1..=1000 {
            delays.add(Span::from_millis(millis));
        }
        for (percent, exact) in [(50, 500.0), (95, 950.0), (99, 990.0)] {
            let found = delays.percentile(percent).expect("not empty").millis();
            assert!((exact..=exact * 1.125).contains(&found), "{percent}: {found}");
        }
        assert_eq!(delays.percentile(100), Some(Span::from_secs(1)));
        assert_eq!(delays.mean(), Some(Span::from_micros(500_500)));
        assert_eq!(Delays::default().percentile(50), None);
        assert_eq!(Delays::default().mean(), None);
    }

    #[test]
    fn steps_hold_all_and_touch() {
        let mut delays = Delays::default();
        (0..1000).for_each(|micros| delays.add(Span::from_micros(micros)));
        let steps: Vec<_> = delays.steps().collect();
        assert_eq!(steps.iter().map(|(_, _, count)| count).sum::<u64>(), 1000);
        assert_eq!(steps[0], (Span::ZERO, MICRO, 1));
        assert!(steps.windows(2).all(|pair| pair[0].1 == pair[1].0));
    }

    proptest! {
        #[test]
        fn a_delay_lies_in_its_step(nanos in 0..i64::MAX) {
            let delay = Span::from_nanos(nanos);
            let step = step_of(delay);
            let end = end_of(step).nanos() / 1000;
            prop_assert!(end >= nanos / 1000);
            prop_assert!(end / 8 <= nanos / 1000 / 7 + 1);
            prop_assert!(step == 0 || end_of(step - 1).nanos() / 1000 < nanos / 1000);
        }

        #[test]
        fn parts_in_any_order_are_the_whole(
            delays in prop::collection::vec(0..1_000_000i64, 0..50),
        ) {
            let (mut whole, mut one, mut other) =
                (Delays::default(), Delays::default(), Delays::default());
            for (index, nanos) in delays.iter().enumerate() {
                let delay = Span::from_micros(*nanos);
                whole.add(delay);
                if index % 3 == 0 { one.add(delay) } else { other.add(delay) }
            }
            other.merge(&one);
            prop_assert_eq!(whole, other);
        }
    }
}
