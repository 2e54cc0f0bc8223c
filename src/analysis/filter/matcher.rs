//! What a value must be: a pattern, a bound, an address, a rule.

use std::net::IpAddr;

use super::FilterError;
use super::field::{Subject, Type, Value};
use super::lexer::Operator;
use super::moment::{Clock, Moment};
use crate::analysis::Host;
use crate::analysis::expect::Glob;
use crate::capture::FrameId;
use crate::catalogue;
use crate::finding::{Rule, Severity};
use crate::packet::Endpoint;
use crate::rules;
use crate::signaling::Net;

/// What a value must be.
#[derive(Clone, Debug)]
pub(super) enum Matcher {
    Text(Pattern),
    Number(Bounds),
    Moment(Period),
    Peer(PeerPattern),
    /// One of these.
    Rules(Vec<&'static Rule>),
    Frame {
        capture: Option<u16>,
        bounds: Bounds,
    },
}

/// A text; capital and small letters are one.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    glob: Glob,
}

/// Numbers between two others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    low: f64,
    high: f64,
    has_low: bool,
    has_high: bool,
}

/// Moments from one to another, that one left out.
#[derive(Clone, Copy, Debug)]
pub(super) enum Period {
    Date {
        from: Option<i64>,
        until: Option<i64>,
    },
    /// Of every day, in nanoseconds from midnight; over midnight where it ends before it begins.
    Clock {
        from: i64,
        until: i64,
    },
}

/// Who a peer must be.
#[derive(Clone, Debug)]
pub(super) enum PeerPattern {
    Net(Net, Option<u16>),
    /// By the name that the user gave to it, or by its address as it is written.
    Name(Pattern, Option<u16>),
    /// `~`: somewhere in the name, or in address and port.
    Part(Pattern),
}

/// What is wrong with a value.
#[derive(Debug)]
pub(super) struct Wrong {
    problem: String,
    hint: Option<String>,
}

impl Wrong {
    fn value(kind: Type, text: &str) -> Self {
        Self { problem: format!("expected {}, not \"{text}\"", kind.example()), hint: None }
    }

    fn meant<'n>(self, text: &str, names: impl IntoIterator<Item = &'n str>) -> Self {
        let meant = catalogue::nearest(text, names);
        Self { hint: meant.map(|meant| format!("did you mean `{meant}`?")), ..self }
    }

    pub(super) fn at(self, column: usize) -> FilterError {
        let error = FilterError::new(column, self.problem);
        match self.hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}

impl Matcher {
    /// The matcher of an operator, which fits the type, and a value.
    pub(super) fn of(kind: Type, operator: Operator, text: &str) -> Result<Self, Wrong> {
        let wrong = || Wrong::value(kind, text);
        let number = |value: Option<(f64, f64)>| {
            let (low, high) = value.ok_or_else(wrong)?;
            Ok(Self::Number(Bounds::of(operator, low, high)))
        };
        match kind {
            Type::Text => Ok(Self::Text(Pattern::of(operator, text))),
            Type::Word(words) => {
                let is_known = words.iter().any(|word| word.eq_ignore_ascii_case(text));
                let unknown = || wrong().meant(text, words.iter().copied());
                is_known.then(|| Self::Text(Pattern::literal(text))).ok_or_else(unknown)
            }
            Type::Count | Type::Decimal | Type::Percent | Type::Status | Type::Span => {
                number(interval(kind, text))
            }
            Type::Severity => {
                let names = ["info", "warn", "error"];
                number(interval(kind, text)).map_err(|wrong: Wrong| wrong.meant(text, names))
            }
            Type::Moment => {
                let moment = Moment::parse(text).ok_or_else(wrong)?;
                Period::of(operator, moment).map(Self::Moment).ok_or_else(|| Wrong {
                    problem: format!("\"{}\" needs a date, not only a time", operator.sign()),
                    hint: Some(
                        "a time of every day fits `=` and ranges such as 9:00..17:30".into(),
                    ),
                })
            }
            Type::Peer => PeerPattern::of(operator, text).map(Self::Peer).ok_or_else(wrong),
            Type::Rule => rules_of(operator, text).map(Self::Rules).ok_or_else(|| {
                let names = rules::ALL.iter().flat_map(|rule| [rule.name, rule.code]);
                let problem = format!("no rule has the code, prefix or name \"{text}\"");
                Wrong { problem, hint: Some("`siptrace rules` lists them all".to_owned()) }
                    .or_meant(text, names)
            }),
            Type::Frame => {
                let (capture, number) = frame(text).ok_or_else(wrong)?;
                Ok(Self::Frame { capture, bounds: Bounds::of(operator, number, number) })
            }
        }
    }

    /// What lies between two values, both included; each with its column.
    pub(super) fn range(
        kind: Type,
        (low, at): (&str, usize),
        (high, end): (&str, usize),
    ) -> Result<Self, FilterError> {
        let empty = || {
            let problem = format!("the range ends before it begins, at \"{low}\"");
            FilterError::new(end, problem)
        };
        let wrong = |text: &str, column| Wrong::value(kind, text).at(column);
        match kind {
            Type::Moment => {
                let first = Moment::parse(low).ok_or_else(|| wrong(low, at))?;
                let last = Moment::parse(high).ok_or_else(|| wrong(high, end))?;
                Period::between(first, last).map(Self::Moment).ok_or_else(|| {
                    let problem = "expected a range of two dates or of two times of the day";
                    FilterError::new(at, problem)
                })
            }
            Type::Frame => {
                let (capture, first) = frame(low).ok_or_else(|| wrong(low, at))?;
                let (other, last) = frame(high).ok_or_else(|| wrong(high, end))?;
                if other.is_some() && other != capture {
                    return Err(FilterError::new(end, "expected a frame of the same capture"));
                }
                let bounds = Bounds::between(first, last).ok_or_else(empty)?;
                Ok(Self::Frame { capture, bounds })
            }
            _ => {
                let (first, _) = interval(kind, low).ok_or_else(|| wrong(low, at))?;
                let (_, last) = interval(kind, high).ok_or_else(|| wrong(high, end))?;
                Bounds::between(first, last).map(Self::Number).ok_or_else(empty)
            }
        }
    }

    pub(super) fn fits(&self, value: &Value<'_>, subject: &Subject<'_>) -> bool {
        match (self, value) {
            (Self::Text(pattern), Value::Text(text)) => pattern.fits(text),
            (Self::Number(bounds), Value::Number(number)) => bounds.hold(*number),
            (Self::Moment(period), Value::Moment(time)) => period.holds(time.nanos()),
            (Self::Peer(pattern), Value::Peer(end)) => pattern.fits(*end, subject),
            (Self::Rules(rules), Value::Rule(rule)) => {
                rules.iter().any(|own| own.code == rule.code)
            }
            (Self::Frame { capture, bounds }, Value::Frame(frame)) => {
                let FrameId { capture: own, number } = *frame;
                capture.is_none_or(|capture| capture == own) && bounds.hold(number as f64)
            }
            // A field has values of its type only.
            _ => false,
        }
    }
}

impl Wrong {
    /// What was meant, if something like it exists, else the hint that there is.
    fn or_meant<'n>(self, text: &str, names: impl IntoIterator<Item = &'n str>) -> Self {
        match catalogue::nearest(text, names) {
            Some(meant) => Self { hint: Some(format!("did you mean `{meant}`?")), ..self },
            None => self,
        }
    }
}

impl Pattern {
    fn of(operator: Operator, text: &str) -> Self {
        match operator {
            Operator::Contains => Self::part(text),
            _ => Self::whole(text),
        }
    }

    /// The whole value; `*` and `?` stand for other characters.
    pub(super) fn whole(text: &str) -> Self {
        Self { glob: Glob::new(&text.to_lowercase()) }
    }

    /// A part of the value.
    pub(super) fn part(text: &str) -> Self {
        // A mark that escapes what follows would escape the star.
        let slashes = text.chars().rev().take_while(|c| *c == '\\').count();
        let end = if slashes % 2 == 1 { "\\" } else { "" };
        Self { glob: Glob::new(&format!("*{}{end}*", text.to_lowercase())) }
    }

    /// The whole value, which has no marks.
    fn literal(text: &str) -> Self {
        Self::whole(text)
    }

    pub(super) fn fits(&self, text: &str) -> bool {
        self.glob.fits(&text.to_lowercase())
    }
}

impl Bounds {
    fn of(operator: Operator, low: f64, high: f64) -> Self {
        let all = Self { low, high, has_low: true, has_high: true };
        match operator {
            Operator::Less => Self { low: f64::NEG_INFINITY, high: low, has_high: false, ..all },
            Operator::LessOrEqual => Self { low: f64::NEG_INFINITY, ..all },
            Operator::Greater => Self { low: high, high: f64::INFINITY, has_low: false, ..all },
            Operator::GreaterOrEqual => Self { high: f64::INFINITY, ..all },
            Operator::Equal | Operator::Unequal | Operator::Contains | Operator::Lacks => all,
        }
    }

    fn between(low: f64, high: f64) -> Option<Self> {
        (low <= high).then_some(Self { low, high, has_low: true, has_high: true })
    }

    fn hold(&self, number: f64) -> bool {
        let is_above = if self.has_low { number >= self.low } else { number > self.low };
        is_above && if self.has_high { number <= self.high } else { number < self.high }
    }
}

impl Period {
    /// None for an order of times of the day, which come again every day.
    fn of(operator: Operator, moment: Moment) -> Option<Self> {
        match moment {
            Moment::Date { from, until } => Some(match operator {
                Operator::Less => Self::Date { from: None, until: Some(from) },
                Operator::LessOrEqual => Self::Date { from: None, until: Some(until) },
                Operator::Greater => Self::Date { from: Some(until), until: None },
                Operator::GreaterOrEqual => Self::Date { from: Some(from), until: None },
                _ => Self::Date { from: Some(from), until: Some(until) },
            }),
            Moment::Clock(Clock { from, until }) => match operator {
                Operator::Less => Some(Self::Clock { from: 0, until: from }),
                Operator::LessOrEqual => Some(Self::Clock { from: 0, until }),
                Operator::Greater => Some(Self::Clock { from: until, until: Clock::DAY }),
                Operator::GreaterOrEqual => Some(Self::Clock { from, until: Clock::DAY }),
                _ => Some(Self::Clock { from, until }),
            },
        }
    }

    fn between(first: Moment, last: Moment) -> Option<Self> {
        match (first, last) {
            (Moment::Date { from, .. }, Moment::Date { until, .. }) if from < until => {
                Some(Self::Date { from: Some(from), until: Some(until) })
            }
            (Moment::Clock(first), Moment::Clock(last)) => {
                Some(Self::Clock { from: first.from, until: last.until })
            }
            _ => None,
        }
    }

    fn holds(&self, nanos: i64) -> bool {
        match *self {
            Self::Date { from, until } => {
                from.is_none_or(|from| nanos >= from) && until.is_none_or(|until| nanos < until)
            }
            Self::Clock { from, until } => {
                let own = nanos.rem_euclid(Clock::DAY);
                match from < until {
                    true => (from..until).contains(&own),
                    false => own >= from || own < until,
                }
            }
        }
    }
}

impl PeerPattern {
    /// None for what looks like an address and is none.
    fn of(operator: Operator, text: &str) -> Option<Self> {
        if operator == Operator::Contains {
            return Some(Self::Part(Pattern::part(text)));
        }
        if let Some(known) = Self::address(text) {
            return Some(known);
        }
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) => (name, Some(port.parse().ok()?)),
            None => (text, None),
        };
        let is_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | '/' | ':');
        (!name.chars().all(is_number)).then(|| Self::Name(Pattern::whole(name), port))
    }

    /// An address or a network, with a port or without.
    pub(super) fn address(text: &str) -> Option<Self> {
        if let Ok(net) = text.parse() {
            return Some(Self::Net(net, None));
        }
        let (address, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, rest) = rest.split_once(']')?;
                match rest {
                    "" => (address, None),
                    rest => (address, Some(rest.strip_prefix(':')?.parse().ok()?)),
                }
            }
            None => {
                let (address, port) = text.rsplit_once(':')?;
                (address, Some(port.parse().ok()?))
            }
        };
        Some(Self::Net(address.parse().ok()?, port))
    }

    pub(super) fn fits(&self, end: Endpoint, subject: &Subject<'_>) -> bool {
        let name = |address: IpAddr| subject.hosts.get(&address.to_canonical());
        let has_port = |port: &Option<u16>| port.is_none_or(|port| port == end.port);
        match self {
            Self::Net(net, port) => net.holds(end.address) && has_port(port),
            Self::Name(pattern, port) => {
                has_port(port)
                    && (name(end.address).is_some_and(|name| pattern.fits(name))
                        || pattern.fits(&plain(end.address)))
            }
            Self::Part(pattern) => {
                pattern.fits(&end.to_string())
                    || name(end.address).is_some_and(|name| pattern.fits(name))
            }
        }
    }
}

fn plain(address: Host) -> String {
    address.to_canonical().to_string()
}

/// The numbers that a value stands for, the first and the last: `5xx` for a hundred.
fn interval(kind: Type, text: &str) -> Option<(f64, f64)> {
    let one = |number: f64| (number, number);
    match kind {
        Type::Count => text.parse::<u64>().ok().map(|count| one(count as f64)),
        Type::Decimal => decimal(text).map(one),
        Type::Percent => decimal(text.strip_suffix('%').unwrap_or(text).trim_end()).map(one),
        Type::Span => span(text).map(one),
        Type::Status => status(text),
        Type::Severity => {
            let all = [Severity::Info, Severity::Warn, Severity::Error];
            let own = all.into_iter().find(|own| own.name().eq_ignore_ascii_case(text));
            own.map(|own| one(f64::from(own as u8)))
        }
        _ => None,
    }
}

fn decimal(text: &str) -> Option<f64> {
    let is_plain = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    if is_plain { text.parse().ok() } else { None }
}

/// `503`, `18x`, `5xx`.
pub(super) fn status(text: &str) -> Option<(f64, f64)> {
    let digits = text.trim_end_matches(['x', 'X']);
    if text.len() != 3 || !digits.starts_with(|c| ('1'..='6').contains(&c)) {
        return None;
    }
    let first: u16 = digits.parse().ok()?;
    let width = match digits.len() {
        1 => 100,
        2 => 10,
        _ => 1,
    };
    Some((f64::from(first * width), f64::from(first * width + width - 1)))
}

/// Nanoseconds of `200ms`, `1.5s`, `1m30s`.
fn span(text: &str) -> Option<f64> {
    let (mut rest, mut sum) = (text, 0.0);
    if text.is_empty() {
        return None;
    }
    if text == "0" {
        return Some(0.0);
    }
    while !rest.is_empty() {
        let unit = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, behind) = rest.split_at_checked(unit)?;
        let behind = behind.trim_start();
        let end = behind.find(|c: char| !c.is_alphabetic()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at_checked(end)?;
        let nanos = match unit.to_lowercase().as_str() {
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" | "sec" => 1e9,
            "m" | "min" => 60e9,
            "h" => 3600e9,
            "d" => 86_400e9,
            _ => return None,
        };
        sum += decimal(number)? * nanos;
        rest = behind.trim_start();
    }
    Some(sum)
}

/// `17`, `#17`, `2#17`: the capture, if it is said, and the frame.
fn frame(text: &str) -> Option<(Option<u16>, f64)> {
    let number = |text: &str| text.parse::<u64>().ok().map(|number| number as f64);
    match text.split_once('#') {
        Some(("", frame)) => Some((None, number(frame)?)),
        Some((capture, frame)) => {
            let place = capture.parse::<u16>().ok()?.checked_sub(1)?;
            Some((Some(place), number(frame)?))
        }
        None => Some((None, number(text)?)),
    }
}

fn rules_of(operator: Operator, text: &str) -> Option<Vec<&'static Rule>> {
    let pattern = Pattern::of(operator, text);
    let is_meant = |rule: &Rule| {
        let is_named = operator != Operator::Contains && rule.fits(text);
        is_named || pattern.fits(rule.name) || pattern.fits(rule.code)
    };
    let found: Vec<_> = rules::ALL.iter().copied().filter(|rule| is_meant(rule)).collect();
    (!found.is_empty()).then_some(found)
}
