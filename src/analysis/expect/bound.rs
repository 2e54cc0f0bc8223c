//! Bounds of what is measured: `< 500ms`, `1s..4s`, `>= 50`, `< 1%`.

use crate::time::Span;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// A length of time, in milliseconds inside.
    Time,
    /// A share of a hundred.
    Percent,
    /// A number.
    Count,
}

/// From where to where a value may lie.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bound {
    min: f64,
    max: f64,
    has_min: bool,
    has_max: bool,
}

impl Bound {
    /// Exactly that many.
    pub(super) const fn exactly(count: u32) -> Self {
        let count = count as f64;
        Self { min: count, max: count, has_min: true, has_max: true }
    }

    /// The bound that the text spells, or what was expected.
    pub(super) fn parse(text: &str, unit: Unit) -> Result<Self, String> {
        let text = text.trim();
        let open =
            Self { min: f64::NEG_INFINITY, max: f64::INFINITY, has_min: true, has_max: true };
        let value = |text: &str| amount(text, unit).ok_or_else(|| expected(unit));
        if let Some(rest) = text.strip_prefix("<=") {
            return Ok(Self { max: value(rest)?, ..open });
        }
        if let Some(rest) = text.strip_prefix(">=") {
            return Ok(Self { min: value(rest)?, ..open });
        }
        if let Some(rest) = text.strip_prefix('<') {
            return Ok(Self { max: value(rest)?, has_max: false, ..open });
        }
        if let Some(rest) = text.strip_prefix('>') {
            return Ok(Self { min: value(rest)?, has_min: false, ..open });
        }
        if let Some((min, max)) = text.split_once("..") {
            let bound = Self { min: value(min)?, max: value(max)?, ..open };
            return match bound.min <= bound.max {
                true => Ok(bound),
                false => Err("the end of the range lies before its beginning".to_owned()),
            };
        }
        let exact = value(text)?;
        Ok(Self { min: exact, max: exact, ..open })
    }

    /// Whether the value lies inside.
    pub(super) fn holds(&self, value: f64) -> bool {
        let above = if self.has_min { value >= self.min } else { value > self.min };
        let below = if self.has_max { value <= self.max } else { value < self.max };
        above && below
    }

    /// The same of a length of time.
    pub(super) fn holds_span(&self, span: Span) -> bool {
        self.holds(span.millis())
    }

    /// The same of a number.
    pub(super) fn holds_count(&self, count: u64) -> bool {
        self.holds(count as f64)
    }
}

fn expected(unit: Unit) -> String {
    match unit {
        Unit::Time => "expected a bound of time such as \"< 500ms\", \">= 1s\" or \"1s..4s\"",
        Unit::Percent => "expected a bound in percent such as \"< 1%\" or \"0%..2%\"",
        Unit::Count => "expected a number or a bound such as \">= 50\" or \"1..3\"",
    }
    .to_owned()
}

/// `500ms`, `1.5s`, `3m`, `1h`; `1%`; `50`.
fn amount(text: &str, unit: Unit) -> Option<f64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let number: f64 = number.parse().ok()?;
    let factor = match (unit, rest.trim()) {
        (Unit::Time, "ms") => 1.0,
        (Unit::Time, "s") => 1e3,
        (Unit::Time, "m" | "min") => 60e3,
        (Unit::Time, "h") => 3600e3,
        (Unit::Percent, "%") | (Unit::Count, "") => 1.0,
        _ => return None,
    };
    Some(number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_what_lies_inside() {
        let cases = [
            ("< 500ms", Unit::Time, 499.9, true),
            ("< 500ms", Unit::Time, 500.0, false),
            ("<= 0.5s", Unit::Time, 500.0, true),
            ("> 1 s", Unit::Time, 1000.0, false),
            (">=1s", Unit::Time, 1000.0, true),
            ("1s..4s", Unit::Time, 4000.0, true),
            ("1s..4s", Unit::Time, 4000.1, false),
            ("< 1%", Unit::Percent, 0.2, true),
            ("2", Unit::Count, 2.0, true),
            ("2", Unit::Count, 3.0, false),
            ("1..3", Unit::Count, 3.0, true),
        ];
        for (text, unit, value, expected) in cases {
            let bound = Bound::parse(text, unit).expect(text);
            assert_eq!(bound.holds(value), expected, "{text} {value}");
        }
    }

    #[test]
    fn what_is_no_bound_is_refused() {
        for text in ["", "500", "< 5 lightyears", "4s..1s", "1s..", "<", "-1s", "ms"] {
            assert!(Bound::parse(text, Unit::Time).is_err(), "{text}");
        }
        assert!(Bound::parse("1", Unit::Percent).is_err());
    }
}
