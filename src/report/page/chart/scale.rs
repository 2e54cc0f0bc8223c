//! Round numbers for axes.

use crate::time::{Span, Time};

/// Steps of a time axis in seconds, those that clocks and calendars have.
const TIME_STEPS: [i64; 20] = [
    10,
    30,
    60,
    120,
    300,
    600,
    1800,
    3600,
    7200,
    10_800,
    21_600,
    43_200,
    86_400,
    172_800,
    604_800,
    2_592_000,
    7_776_000,
    31_536_000,
    315_360_000,
    3_153_600_000,
];

const DAY: Span = Span::from_secs(86_400);

/// Round counts from 0 up to the first that is at least `max`, five steps at most.
pub(super) fn counts(max: u64) -> Vec<u64> {
    let max = max.max(1);
    let mut step = 1u64;
    let mut factors = [2, 5, 10].into_iter().cycle();
    let mut decade = 1u64;
    while max.div_ceil(step) > 5 {
        let factor = factors.next().unwrap_or(10);
        step = decade.saturating_mul(factor);
        if factor == 10 {
            decade = step;
        }
    }
    (0..=max.div_ceil(step)).map(|at| at.saturating_mul(step)).collect()
}

/// A mark on a time axis.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tick {
    pub(super) time: Time,
    /// `14:05`; `14:05:30` where ticks are seconds apart, `2026-11-21` where they are days apart.
    pub(super) label: String,
    /// The day, below the first tick and where it changes.
    pub(super) day: Option<String>,
}

/// Round moments between two, eight at most.
pub(super) fn times(first: Time, last: Time) -> Vec<Tick> {
    let span = last.since(first);
    let step = TIME_STEPS.map(Span::from_secs).into_iter().find(|step| step.times(7) >= span);
    let step = step.unwrap_or(Span::from_nanos(i64::MAX));
    let is_between = first.nanos().rem_euclid(step.nanos()) > 0;
    let from = first.nanos().div_euclid(step.nanos()) + i64::from(is_between);
    let mut ticks: Vec<Tick> = Vec::new();
    let mut named = String::new();
    for at in from..from.saturating_add(8) {
        let time = Time::from_nanos(at.saturating_mul(step.nanos()));
        if time > last {
            break;
        }
        let (day, clock) = written(time);
        let label = match step {
            step if step >= DAY => day.clone(),
            step if step < Span::from_secs(60) => clock,
            _ => clock.get(..5).unwrap_or_default().to_owned(),
        };
        let is_other = day != named && step < DAY;
        named.clone_from(&day);
        ticks.push(Tick { time, label, day: is_other.then_some(day) });
    }
    ticks
}

/// The day and the time of it in whole seconds, as RFC 3339 writes them.
pub(super) fn written(time: Time) -> (String, String) {
    let text = time.to_string();
    match text.split_once('T') {
        Some((day, clock)) => (day.to_owned(), clock.get(..8).unwrap_or_default().to_owned()),
        None => (text, String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_round_and_reach_the_highest() {
        assert_eq!(counts(0), [0, 1]);
        assert_eq!(counts(3), [0, 1, 2, 3]);
        assert_eq!(counts(7), [0, 2, 4, 6, 8]);
        assert_eq!(counts(23), [0, 5, 10, 15, 20, 25]);
        assert_eq!(counts(41), [0, 10, 20, 30, 40, 50]);
        assert_eq!(counts(1_234), [0, 500, 1000, 1500]);
        assert!(counts(u64::MAX).len() <= 6);
    }

    #[test]
    fn times_are_round_and_name_the_day_once() {
        let at =
            |seconds: i64| Time::from_nanos(1_795_305_600_000_000_000) + Span::from_secs(seconds);
        let ticks = times(at(-95), at(130));
        let shown: Vec<_> = ticks.iter().map(|tick| tick.label.as_str()).collect();
        assert_eq!(shown, ["23:59", "00:00", "00:01", "00:02"]);
        let days: Vec<_> = ticks.iter().filter_map(|tick| tick.day.as_deref()).collect();
        assert_eq!(days, ["2026-11-21", "2026-11-22"]);
        let seconds = times(at(0), at(41));
        assert_eq!(seconds.first().map(|tick| tick.label.as_str()), Some("00:00:00"));
        let days = times(at(0), at(20 * 86_400));
        assert_eq!(days.first().map(|tick| tick.day.as_deref()), Some(None));
        assert!(times(Time::from_nanos(i64::MIN), Time::from_nanos(i64::MAX)).len() <= 8);
    }
}
