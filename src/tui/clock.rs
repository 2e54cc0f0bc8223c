//! Moments as the browser shows them.

use crate::time::{Span, Time};

/// `01:34:15.944`.
pub(crate) fn clock(time: Time) -> String {
    let millis = time.nanos().div_euclid(1_000_000).rem_euclid(86_400_000);
    let (seconds, millis) = (millis / 1000, millis % 1000);
    format!("{:02}:{:02}:{:02}.{millis:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// The same in so many columns, to the second where there is no room for more.
pub(crate) fn fitting(time: Time, columns: usize) -> String {
    let text = clock(time);
    match text.split_once('.') {
        Some((seconds, _)) if columns < text.len() => seconds.to_owned(),
        _ => text,
    }
}

/// `2026-11-21 01:34:15.944`.
pub(crate) fn full(time: Time) -> String {
    format!("{} {}", date(time), clock(time))
}

/// `2026-11-21`.
pub(crate) fn date(time: Time) -> String {
    time.to_string().split('T').next().unwrap_or_default().to_owned()
}

/// `+0.704`, `-1.250`: seconds.
pub(crate) fn relative(span: Span) -> String {
    let millis = span.nanos().unsigned_abs() / 1_000_000;
    let sign = if span.nanos() < 0 { '-' } else { '+' };
    format!("{sign}{}.{:03}", millis / 1000, millis % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fit_their_columns() {
        let time = Time::from_nanos(1_795_224_855_944_869_000);
        assert_eq!(fitting(time, 12), "01:34:15.944");
        assert_eq!(fitting(time, 8), "01:34:15");
        assert_eq!(full(time), "2026-11-21 01:34:15.944");
        assert_eq!(relative(Span::from_millis(-61_250)), "-61.250");
    }
}
