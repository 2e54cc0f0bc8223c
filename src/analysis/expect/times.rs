//! How long parts of a call may take, by the times of the capture.

use std::collections::BTreeMap;

use super::bound::{Bound, Unit};
use super::reader::{Fields, unknown_name};
use super::steps::Wrong;
use super::verdict::{About, Problem, Seen};
use crate::analysis::CallSummary;
use crate::bytes::printable_str;
use crate::sip::Status;
use crate::time::{Span, Time};

/// How long something may take.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TimeTest {
    key: String,
    /// The line of the file.
    pub(super) line: usize,
    expected: String,
    bound: Bound,
    measure: Measure,
}

#[derive(Clone, Debug, PartialEq)]
enum Measure {
    Pdd,
    Ring,
    /// From the INVITE to the answer.
    Answer,
    Talk,
    Total,
    /// From one label to another one.
    Between(String, String),
}

const KEYS: [&str; 5] = ["pdd", "ring", "answer", "talk", "total"];

impl TimeTest {
    /// Every time of a table: `pdd = "< 2s"`, `"offer > answer" = "1s..4s"`.
    pub(super) fn all(fields: Fields<'_, '_>) -> Result<Vec<Self>, Wrong> {
        let mut tests = Vec::new();
        for (key, value) in fields.entries() {
            let measure = match key.name {
                "pdd" => Measure::Pdd,
                "ring" => Measure::Ring,
                "answer" => Measure::Answer,
                "talk" => Measure::Talk,
                "total" => Measure::Total,
                other => match other.split_once('>') {
                    Some((from, to)) => {
                        let label = |text: &str| text.trim().trim_start_matches('@').to_owned();
                        Measure::Between(label(from), label(to))
                    }
                    None => {
                        let problem = unknown_name("time", other, &KEYS);
                        let hint = "between two labels, write \"one > other\"";
                        return Err((key.at, format!("{problem}; {hint}")));
                    }
                },
            };
            let word = value.word()?;
            let bound = Bound::parse(word.text, Unit::Time).map_err(|wrong| (word.at, wrong))?;
            let expected = printable_str(word.text).into_owned();
            let key = printable_str(key.name).into_owned();
            tests.push(Self { key, line: word.line, expected, bound, measure });
        }
        Ok(tests)
    }

    /// The labels that it speaks of.
    pub(super) fn labels(&self) -> impl Iterator<Item = &str> {
        let labels = match &self.measure {
            Measure::Between(from, to) => [Some(from.as_str()), Some(to.as_str())],
            _ => [None, None],
        };
        labels.into_iter().flatten()
    }

    /// What is wrong with the time; `labels` tells when the messages with labels came.
    pub(super) fn check(
        &self,
        call: &CallSummary,
        labels: &BTreeMap<&str, Time>,
    ) -> Option<Problem> {
        let at = |label: &String| labels.get(label.as_str()).copied();
        let is_answered = call.final_status.is_some_and(Status::is_success);
        let took: Option<Span> = match &self.measure {
            Measure::Pdd => call.pdd,
            Measure::Ring => call.ring,
            // Without ringing, the delay ends with the answer.
            Measure::Answer => {
                call.pdd.filter(|_| is_answered).map(|pdd| pdd + call.ring.unwrap_or_default())
            }
            Measure::Talk => call.talk,
            Measure::Total => Some(call.end.since(call.start)),
            Measure::Between(from, to) => at(from).zip(at(to)).map(|(from, to)| to.since(from)),
        };
        if took.is_some_and(|took| self.bound.holds_span(took)) {
            return None;
        }
        Some(Problem {
            line: self.line,
            about: About::Time(self.key.clone()),
            expected: self.expected.clone(),
            seen: took.map_or(Seen::Nothing, Seen::Span),
            frames: Vec::new(),
            doubts: Vec::new(),
        })
    }
}
