//! How unevenly packets come (RFC 3550, section 6.4.1 and appendix A.8).
//!
//! The clock of a dynamic payload type is in the SDP, which is not known while packets pass. So the
//! jitter is reckoned by every clock in common use, and who judges the stream takes the right one.

use crate::time::Span;

/// Clocks in common use: narrow-band speech, wide-band speech, Opus, video.
const CLOCKS: [u32; LANES] = [8000, 16_000, 48_000, 90_000];

const LANES: usize = 4;

/// A packet that is this much too late or early begins anew: a pause, or a timestamp that jumped.
/// Jitter of a second is beyond every receiver.
const ANEW: f32 = 1e9;

/// The jitter of one stream by several clocks, in nanoseconds.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub(super) struct Jitters {
    clocks: [u32; LANES],
    nanos_per_tick: [f32; LANES],
    current: [f32; LANES],
    max: [f32; LANES],
    sum: [f64; LANES],
    count: u32,
}

/// How unevenly packets came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jitter {
    /// The estimate after the last packet, which a receiver would report.
    pub last: Span,
    /// The mean of the estimate over all packets.
    pub mean: Span,
    /// Its largest value.
    pub max: Span,
}

impl Jitters {
    /// By the clocks in common use, or by that of a static payload type in place of the first.
    pub(super) fn new(clock: Option<u32>) -> Self {
        let mut clocks = CLOCKS;
        if let (Some(clock), [first, ..]) = (clock, &mut clocks)
            && !CLOCKS.contains(&clock)
        {
            *first = clock;
        }
        Self {
            clocks,
            nanos_per_tick: clocks.map(|clock| (1e9 / f64::from(clock)) as f32),
            current: [0.0; LANES],
            max: [0.0; LANES],
            sum: [0.0; LANES],
            count: 0,
        }
    }

    /// Takes what lies between two packets, by arrival and by timestamp.
    #[inline]
    pub(super) fn push(&mut self, elapsed: Span, ticks: i32, is_regular: bool) {
        let elapsed = elapsed.nanos() as f32;
        let ticks = ticks as f32;
        let mut next = self.current;
        for (current, nanos_per_tick) in next.iter_mut().zip(self.nanos_per_tick) {
            let difference = (elapsed - ticks * nanos_per_tick).abs();
            let moved = *current + (difference - *current) * (1.0 / 16.0);
            *current = if difference < ANEW { moved } else { *current };
        }
        self.current = next;
        if !is_regular {
            self.pass_over();
            return;
        }
        self.count = self.count.saturating_add(1);
        for ((sum, max), current) in self.sum.iter_mut().zip(&mut self.max).zip(next) {
            *sum += f64::from(current);
            *max = max.max(current);
        }
    }

    /// A packet that is no measure, as the first one after silence, leaves the mean as it is.
    #[cold]
    pub(super) fn pass_over(&mut self) {
        let count = f64::from(self.count.max(1));
        self.sum.iter_mut().for_each(|sum| *sum += *sum / count);
        self.count = self.count.saturating_add(1);
    }

    /// The jitter by a clock; `None` if it was not reckoned by it.
    pub(super) fn by(&self, clock: u32) -> Option<Jitter> {
        let lane = self.clocks.iter().position(|known| *known == clock)?;
        let span = |nanos: f64| Span::from_nanos(nanos.round() as i64);
        let count = f64::from(self.count.max(1));
        Some(Jitter {
            last: span(f64::from(*self.current.get(lane)?)),
            mean: span(self.sum.get(lane)? / count),
            max: span(f64::from(*self.max.get(lane)?)),
        })
    }

    /// The clocks it was reckoned by.
    pub(super) fn clocks(&self) -> [u32; LANES] {
        self.clocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Span = Span::from_millis(20);

    #[test]
    fn even_packets_have_none() {
        let mut jitters = Jitters::new(None);
        for _ in 0..100 {
            jitters.push(STEP, 160, true);
        }
        let jitter = jitters.by(8000).expect("a common clock");
        assert_eq!((jitter.last, jitter.mean, jitter.max), (Span::ZERO, Span::ZERO, Span::ZERO));
        assert!(jitters.by(16_000).is_some_and(|other| other.max > Span::from_millis(5)));
        assert_eq!(jitters.by(44_100), None);
        assert!(Jitters::new(Some(44_100)).by(44_100).is_some());
    }

    #[test]
    fn grows_by_a_sixteenth_of_the_difference() {
        let mut jitters = Jitters::new(None);
        jitters.push(Span::from_millis(36), 160, true);
        assert_eq!(jitters.by(8000).map(|jitter| jitter.last), Some(Span::from_millis(1)));
        jitters.push(Span::from_millis(4), 160, true);
        let jitter = jitters.by(8000).expect("a common clock");
        assert_eq!(jitter.last, Span::from_nanos(1_937_500));
        assert_eq!(jitter.max, jitter.last);
        assert_eq!(jitter.mean, Span::from_nanos(1_468_750));
    }

    #[test]
    fn a_pause_and_what_is_no_measure_change_nothing() {
        let mut jitters = Jitters::new(None);
        jitters.push(Span::from_millis(36), 160, true);
        let before = jitters.by(8000);
        jitters.push(Span::from_secs(20), 160, true);
        jitters.pass_over();
        assert_eq!(jitters.by(8000), before);
    }
}
