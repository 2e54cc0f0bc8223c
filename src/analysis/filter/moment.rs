//! Moments as users write them: `10:15`, `2026-11-21`, `2026-11-21T10:15:30.250Z`.
//!
//! Each is as long as it is written exactly: a date is a day, `10:15` a minute. Without an offset a
//! moment is in UTC, as in all reports.

use crate::time::{Span, Time};

/// A stretch of time that a text stands for, its end left out; nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Once.
    Date { from: i64, until: i64 },
    /// On every day.
    Clock(Clock),
}

/// A time of the day, from midnight on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    pub(super) from: i64,
    pub(super) until: i64,
}

impl Clock {
    /// Nanoseconds of a day.
    pub(super) const DAY: i64 = Span::from_secs(86_400).nanos();

    /// `10:15`, `10:15:30`, `10:15:30.250`.
    fn parse(text: &str) -> Option<Self> {
        let (hour, rest) = text.split_once(':')?;
        let (minute, seconds) = match rest.split_once(':') {
            Some((minute, seconds)) => (minute, Some(seconds)),
            None => (rest, None),
        };
        let from = Span::from_secs(part(hour, 24)? * 3600 + part(minute, 60)? * 60).nanos();
        let Some(seconds) = seconds else {
            return Some(Self { from, until: from + Span::from_secs(60).nanos() });
        };
        let (whole, fraction) = match seconds.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (seconds, None),
        };
        let from = from + Span::from_secs(part(whole, 60)?).nanos();
        let (nanos, width) = match fraction {
            Some(digits) => fraction_of(digits)?,
            None => (0, Span::from_secs(1).nanos()),
        };
        Some(Self { from: from + nanos, until: from + nanos + width })
    }
}

/// A number of one or two digits below a bound.
fn part(text: &str, bound: i64) -> Option<i64> {
    let is_plain = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let number: i64 = if is_plain { text.parse().ok()? } else { return None };
    (number < bound).then_some(number)
}

/// The nanoseconds of a fraction, and how long its last digit is.
fn fraction_of(digits: &str) -> Option<(i64, i64)> {
    if !(1..=9).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let width = 10_i64.checked_pow(u32::try_from(9 - digits.len()).ok()?)?;
    Some((digits.parse::<i64>().ok()? * width, width))
}

impl Moment {
    /// The moment of that text.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(clock) = Clock::parse(text) {
            return Some(Self::Clock(clock));
        }
        let (date, clock) = match text.split_once(['T', 't', ' ']) {
            Some((date, clock)) => (date, Some(clock.trim_start())),
            None => (text, None),
        };
        let midnight = midnight(date)?;
        let Some(clock) = clock else {
            return Some(Self::Date { from: midnight, until: midnight.checked_add(Clock::DAY)? });
        };
        let (clock, offset) = offset(clock)?;
        let Clock { from, until } = Clock::parse(clock)?;
        let at = |nanos: i64| midnight.checked_add(nanos)?.checked_sub(offset);
        Some(Self::Date { from: at(from)?, until: at(until)? })
    }
}

/// The beginning of `2026-11-21` in UTC.
fn midnight(date: &str) -> Option<i64> {
    let date: jiff::civil::Date = date.parse().ok().filter(|_| date.len() == 10)?;
    let zoned = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    let nanos = i64::try_from(zoned.timestamp().as_nanosecond()).ok()?;
    Some(Time::from_nanos(nanos).nanos())
}

/// The time without its offset, and the offset: `Z`, `+01:00`, none.
fn offset(clock: &str) -> Option<(&str, i64)> {
    if let Some(clock) = clock.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = clock.find(['+', '-']) else { return Some((clock, 0)) };
    let (clock, offset) = clock.split_at_checked(at)?;
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let seconds = part(hours, 24)? * 3600 + part(minutes, 60)? * 60;
    Some((clock, sign * Span::from_secs(seconds).nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_as_long_as_it_is_written() {
        let date = |text: &str| match Moment::parse(text) {
            Some(Moment::Date { from, until }) => {
                (Time::from_nanos(from).to_string(), until - from)
            }
            other => panic!("{text}: {other:?}"),
        };
        let second = Span::from_secs(1).nanos();
        let cases = [
            ("2026-11-21", "2026-11-21T00:00:00Z", Clock::DAY),
            ("2026-11-21T10:15", "2026-11-21T10:15:00Z", 60 * second),
            ("2026-11-21 10:15:30", "2026-11-21T10:15:30Z", second),
            ("2026-11-21T10:15:30.25Z", "2026-11-21T10:15:30.250Z", second / 100),
            ("2026-11-21T00:15:30+01:00", "2026-11-20T23:15:30Z", second),
            ("2026-11-21T23:15:30-01:30", "2026-11-22T00:45:30Z", second),
        ];
        for (text, from, width) in cases {
            assert_eq!(date(text), (from.to_owned(), width), "{text}");
        }
        let clock = Clock { from: 36_900 * second, until: 36_960 * second };
        assert_eq!(Moment::parse("10:15"), Some(Moment::Clock(clock)));
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for text in [
            "",
            "10",
            "25:00",
            "10:60",
            "10:15:60",
            "10:15:30.",
            "2026-13-01",
            "2026-11-31",
            "21.11.2026",
            "2026-11-21T",
            "2026-11-21T10",
            "10:15Z+",
            "9999-12-31",
            "x",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }
}
