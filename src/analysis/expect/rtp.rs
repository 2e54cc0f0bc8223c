//! What the RTP of a call must be like.

use std::collections::BTreeMap;

use super::bound::{Bound, Unit};
use super::glob::Glob;
use super::reader::{Fields, Value, unknown_name};
use super::steps::Wrong;
use super::verdict::{About, Doubt, Problem, Seen};
use crate::analysis::{CallSummary, StreamSummary};
use crate::bytes::printable_str;
use crate::signaling::Side;
use crate::time::Time;

/// What the RTP of a call must be like.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RtpTest {
    /// Who must send, and who must not.
    ways: Option<Ways>,
    /// What each stream must be like.
    every: Vec<Test>,
    /// What the streams of one side must be like.
    sides: Vec<(Side, Vec<Test>)>,
}

/// Who must send, and who must not.
#[derive(Clone, Debug, PartialEq)]
struct Ways {
    line: usize,
    expected: String,
    caller: bool,
    callee: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Test {
    key: &'static str,
    line: usize,
    expected: String,
    want: Want,
}

#[derive(Clone, Debug, PartialEq)]
enum Want {
    /// There is a stream, or there is none.
    Present(bool),
    Loss(Bound),
    Jitter(Bound),
    JitterMax(Bound),
    Gap(Bound),
    Ptime(Bound),
    /// Packets of the side together.
    Packets(Bound),
    Codec(Vec<Glob>),
    /// The first packet comes before the message with that label.
    Before(String),
}

const KEYS: [&str; 8] =
    ["loss", "jitter", "jitter-max", "gap", "ptime", "packets", "codec", "begins-before"];

impl RtpTest {
    /// `"both"` and the like, or a table.
    pub(super) fn parse(value: Value<'_, '_>) -> Result<Self, Wrong> {
        if value.is_string() {
            let ways = Some(Ways::parse(value)?);
            return Ok(Self { ways, every: Vec::new(), sides: Vec::new() });
        }
        let fields = value
            .table()
            .map_err(|_| value.expected("\"both\", \"caller\", \"callee\", \"none\" or a table"))?;
        let keys: Vec<&str> = KEYS.into_iter().chain(["from", "caller", "callee"]).collect();
        let fields = fields.with_keys(&keys)?;
        let ways = fields.read("from", Ways::parse)?;
        let mut sides = Vec::new();
        for side in [Side::Caller, Side::Callee] {
            let own = fields.read(side.word(), |value| {
                let keys: Vec<&str> = KEYS.into_iter().chain(["present"]).collect();
                tests(value.table()?.with_keys(&keys)?)
            })?;
            sides.extend(own.map(|tests| (side, tests)));
        }
        Ok(Self { ways, every: tests(fields)?, sides })
    }

    /// The labels that it speaks of.
    pub(super) fn labels(&self) -> impl Iterator<Item = &str> {
        let sides = self.sides.iter().flat_map(|(_, tests)| tests);
        self.every.iter().chain(sides).filter_map(|test| match &test.want {
            Want::Before(label) => Some(label.as_str()),
            _ => None,
        })
    }

    /// What is wrong with the RTP of the call; `has_rtp` tells whether the capture has any,
    /// `labels` when the messages with labels came.
    pub(super) fn check(
        &self,
        call: &CallSummary,
        has_rtp: bool,
        labels: &BTreeMap<&str, Time>,
    ) -> Vec<Problem> {
        let mut problems = Vec::new();
        let scene = Scene { call, has_rtp, labels };
        if let Some(ways) = &self.ways {
            problems.extend(ways.check(&scene));
        }
        for test in &self.every {
            let sides = [Side::Caller, Side::Callee];
            // A silent side is told once, by what asks who must send.
            let sending = sides.into_iter().filter(|side| scene.of(*side).next().is_some());
            let found: Vec<_> = sending.flat_map(|side| test.check(side, &scene)).collect();
            let is_silent = sides.iter().all(|side| scene.of(*side).next().is_none());
            if is_silent {
                problems.push(scene.problem(test.line, test.key, &test.expected, Seen::Nothing));
            }
            problems.extend(found);
        }
        for (side, tests) in &self.sides {
            problems.extend(tests.iter().flat_map(|test| test.check(*side, &scene)));
        }
        problems
    }
}

fn tests(fields: Fields<'_, '_>) -> Result<Vec<Test>, Wrong> {
    let mut tests = Vec::new();
    for (key, value) in fields.entries() {
        let known = KEYS.iter().chain(&["present"]).find(|known| **known == key.name);
        if let Some(name) = known {
            let want = want(name, value)?;
            let expected = printable_str(&value.shown()).into_owned();
            tests.push(Test { key: name, line: value.line(), expected, want });
        }
    }
    Ok(tests)
}

fn want(key: &str, value: Value<'_, '_>) -> Result<Want, Wrong> {
    let bound = |unit: Unit| -> Result<Bound, Wrong> {
        if let Some(count) = value.number().filter(|_| unit == Unit::Count) {
            return Ok(Bound::exactly(count));
        }
        let word = value.word()?;
        Bound::parse(word.text, unit).map_err(|wrong| (word.at, wrong))
    };
    Ok(match key {
        "loss" => Want::Loss(bound(Unit::Percent)?),
        "jitter" => Want::Jitter(bound(Unit::Time)?),
        "jitter-max" => Want::JitterMax(bound(Unit::Time)?),
        "gap" => Want::Gap(bound(Unit::Time)?),
        "ptime" => match value.number() {
            Some(millis) => Want::Ptime(Bound::exactly(millis)),
            None => Want::Ptime(bound(Unit::Time)?),
        },
        "packets" => Want::Packets(bound(Unit::Count)?),
        "codec" => Want::Codec(value.words()?.iter().map(|word| Glob::new(word.text)).collect()),
        "begins-before" => Want::Before(value.word()?.text.trim_start_matches('@').to_owned()),
        _ => Want::Present(value.boolean()?),
    })
}

impl Ways {
    fn parse(value: Value<'_, '_>) -> Result<Self, Wrong> {
        let known = ["both", "caller", "callee", "none"];
        let word = value.word()?;
        let (caller, callee) = match word.text {
            "both" => (true, true),
            "caller" => (true, false),
            "callee" => (false, true),
            "none" => (false, false),
            other => return Err((word.at, unknown_name("way of RTP", other, &known))),
        };
        Ok(Self { line: word.line, expected: word.text.to_owned(), caller, callee })
    }

    fn check(&self, scene: &Scene<'_>) -> Option<Problem> {
        let caller = scene.of(Side::Caller).next();
        let callee = scene.of(Side::Callee).next();
        let is_right = caller.is_some() == self.caller && callee.is_some() == self.callee;
        // Where the capture has no RTP at all, that proves nothing of this call.
        let is_proven = scene.has_rtp || (self.caller && self.callee);
        if is_right && is_proven {
            return None;
        }
        let seen = match (caller, callee) {
            (Some(_), Some(_)) => Seen::Text("both".to_owned()),
            (Some(_), None) => Seen::Text("caller".to_owned()),
            (None, Some(_)) => Seen::Text("callee".to_owned()),
            (None, None) => Seen::Nothing,
        };
        let mut problem = scene.problem(self.line, "from", &self.expected, seen);
        let frames = [caller, callee].into_iter().flatten();
        problem.frames = frames.map(|stream| stream.first.frame).collect();
        Some(problem)
    }
}

/// The call and what is around it.
struct Scene<'s> {
    call: &'s CallSummary,
    has_rtp: bool,
    labels: &'s BTreeMap<&'s str, Time>,
}

impl Scene<'_> {
    fn of(&self, side: Side) -> impl Iterator<Item = &StreamSummary> {
        let streams = self.call.streams.iter();
        streams.filter(move |stream| stream.sender == Some(side) && stream.packets > 0)
    }

    fn problem(&self, line: usize, key: &str, expected: &str, seen: Seen) -> Problem {
        let doubts = if self.has_rtp { Vec::new() } else { vec![Doubt::NoRtpAtAll] };
        let about = About::Rtp(key.to_owned());
        Problem { line, about, expected: expected.to_owned(), seen, frames: vec![], doubts }
    }
}

impl Test {
    fn check(&self, side: Side, scene: &Scene<'_>) -> Vec<Problem> {
        let key = format!("{}.{}", side.word(), self.key);
        let problem = |seen: Seen, streams: &[&StreamSummary]| {
            let mut problem = scene.problem(self.line, &key, &self.expected, seen);
            problem.frames = streams.iter().map(|stream| stream.first.frame).collect();
            problem
        };
        let streams: Vec<_> = scene.of(side).collect();
        if let Want::Present(is_expected) = self.want {
            let is_present = !streams.is_empty();
            let is_proven = scene.has_rtp || is_expected;
            return match is_present == is_expected && is_proven {
                true => Vec::new(),
                false if is_present => vec![problem(Seen::Text("present".to_owned()), &streams)],
                false => vec![problem(Seen::Nothing, &streams)],
            };
        }
        if streams.is_empty() {
            return vec![problem(Seen::Nothing, &[])];
        }
        if let Want::Packets(bound) = &self.want {
            let packets = streams.iter().map(|stream| stream.packets).sum();
            return match bound.holds_count(packets) {
                true => Vec::new(),
                false => vec![problem(Seen::Count(packets), &streams)],
            };
        }
        let wrong = streams.into_iter().filter_map(|stream| {
            let seen = self.want.contradicted(stream, scene)?;
            Some(problem(seen, &[stream]))
        });
        wrong.collect()
    }
}

impl Want {
    /// What the stream is like instead; none where it is as expected.
    fn contradicted(&self, stream: &StreamSummary, scene: &Scene<'_>) -> Option<Seen> {
        let span = |bound: &Bound, seen: Option<crate::time::Span>| match seen {
            Some(span) if bound.holds_span(span) => None,
            Some(span) => Some(Seen::Span(span)),
            None => Some(Seen::Nothing),
        };
        match self {
            Self::Present(_) | Self::Packets(_) => None,
            Self::Loss(bound) => {
                let lost = stream.lost_percent;
                (!bound.holds(lost)).then_some(Seen::Percent(lost))
            }
            Self::Jitter(bound) => span(bound, stream.jitter),
            Self::JitterMax(bound) => span(bound, stream.jitter_max),
            Self::Gap(bound) => span(bound, stream.gap_max),
            Self::Ptime(bound) => span(bound, stream.packet_time),
            Self::Codec(globs) => {
                let codec = stream.codec.as_deref();
                let is_it = |codec: &str| globs.iter().any(|glob| glob.fits_in_any_case(codec));
                match codec.is_some_and(is_it) {
                    true => None,
                    false => {
                        Some(codec.map_or(Seen::Nothing, |codec| Seen::Text(codec.to_owned())))
                    }
                }
            }
            Self::Before(label) => {
                let Some(moment) = scene.labels.get(label.as_str()) else {
                    return Some(Seen::Nothing);
                };
                let late = stream.first.time.since(*moment);
                (late.nanos() >= 0).then_some(Seen::Span(late))
            }
        }
    }
}
