//! Moments as a reader of the report sees them: the date once, then times with milliseconds.

use crate::time::{Span, Time};

/// The day on which the capture begins, so that other days are named.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    day: String,
}

impl Clock {
    /// A clock that has named the day of that moment.
    pub(crate) fn from(start: Option<Time>) -> Self {
        Self { day: start.map(date).unwrap_or_default() }
    }

    /// `01:34:15.944`, on another day `2026-11-22 01:34:15.944`.
    pub(crate) fn time(&self, time: Time) -> String {
        if date(time) == self.day { clock(time) } else { Self::full(time) }
    }

    /// `2026-11-21 01:34:15.944`.
    pub(crate) fn full(time: Time) -> String {
        format!("{} {}", date(time), clock(time))
    }
}

/// `+0.704`, `-1.250`: seconds from the first line of a ladder.
pub(crate) fn relative(span: Span) -> String {
    let millis = span.nanos().unsigned_abs() / 1_000_000;
    let sign = if span.nanos() < 0 { '-' } else { '+' };
    format!("{sign}{}.{:03}", millis / 1000, millis % 1000)
}

fn date(time: Time) -> String {
    let text = time.to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}

fn clock(time: Time) -> String {
    let millis = time.nanos().div_euclid(1_000_000).rem_euclid(86_400_000);
    let (seconds, millis) = (millis / 1000, millis % 1000);
    format!("{:02}:{:02}:{:02}.{millis:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_named_once() {
        let start = Time::from_nanos(1_795_224_855_944_869_000);
        let clock = Clock::from(Some(start));
        assert_eq!(clock.time(start), "01:34:15.944");
        assert_eq!(clock.time(start + Span::from_secs(86_400)), "2026-11-22 01:34:15.944");
        assert_eq!(Clock::full(start), "2026-11-21 01:34:15.944");
        assert_eq!(Clock::full(Time::from_nanos(-1)), "1969-12-31 23:59:59.999");
    }

    #[test]
    fn relative_times_have_their_sign() {
        assert_eq!(relative(Span::from_millis(704)), "+0.704");
        assert_eq!(relative(Span::from_millis(-61_250)), "-61.250");
        assert_eq!(relative(Span::ZERO), "+0.000");
    }
}
