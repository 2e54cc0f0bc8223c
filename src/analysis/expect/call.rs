//! What one call must show.

use std::collections::BTreeMap;

use super::field::FieldTest;
use super::findings::FindingsTest;
use super::ladder::{self, Expected, Seen as SeenSteps};
use super::parties::{Cast, Parties};
use super::pattern::Pattern;
use super::reader::{Fields, Value, unknown_name};
use super::rtp::RtpTest;
use super::sdp::SdpTest;
use super::selection::{self, Selection};
use super::steps::{self, Steps, Text, Wrong};
use super::times::TimeTest;
use super::verdict::{About, Doubt, Problem, Row, Seen, Subject};
use super::{CallSummary, Scene, Step};
use crate::bytes::printable_str;
use crate::sip::{Status, timers};
use crate::time::{Span, Time};

/// How long a client waits for an answer, and a server for an ACK (RFC 3261, section 17).
const WAIT: Span = timers::T1.times(64);

/// Fates of calls that are not over.
const OPEN: [&str; 4] = ["trying", "ringing", "answered", "unknown"];

/// What one call, or each of several, must show.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ExpectedCall {
    /// The line where it begins.
    pub(super) line: usize,
    /// What the file calls it; safe to show.
    pub(super) name: Option<String>,
    /// The calls that it is for.
    pub(super) selection: Selection,
    status: Option<StatusTest>,
    state: Option<FieldTest>,
    expected: Option<Expected>,
    at: Vec<AtTest>,
    times: Vec<TimeTest>,
    rtp: Option<RtpTest>,
    findings: Option<FindingsTest>,
}

/// The final status: any of these, or none.
#[derive(Clone, Debug, PartialEq)]
struct StatusTest {
    line: usize,
    shown: String,
    codes: Vec<[u8; 3]>,
    may_lack: bool,
}

/// What the messages with a label must be like.
#[derive(Clone, Debug, PartialEq)]
struct AtTest {
    label: String,
    fields: Vec<FieldTest>,
    uri: Option<FieldTest>,
    reason: Option<FieldTest>,
    sdp: Option<SdpTest>,
}

const KEYS: [&str; 9] =
    ["name", "status", "state", "steps", "retransmissions", "at", "time", "rtp", "findings"];

impl ExpectedCall {
    /// A `[[call]]` of the file.
    pub(super) fn parse(value: Value<'_, '_>, parties: &Parties) -> Result<Self, Wrong> {
        let fields = value.table().map_err(|_| value.expected("a `[[call]]`"))?;
        let keys: Vec<&str> = KEYS.into_iter().chain(selection::KEYS).collect();
        let fields = fields.with_keys(&keys)?;
        let folds = !fields.read("retransmissions", Value::boolean)?.unwrap_or_default();
        let expected = fields.read("steps", |value| expected(value, parties, folds))?;
        let times = fields.read("time", |value| TimeTest::all(value.table()?))?;
        let at = fields.read("at", |value| at(value.table()?))?;
        let call = Self {
            line: value.line(),
            name: fields
                .read("name", |value| Ok(printable_str(value.word()?.text).into_owned()))?,
            selection: Selection::parse(fields)?,
            status: fields.read("status", StatusTest::parse)?,
            state: fields.read("state", |value| {
                value.words()?;
                FieldTest::parse("state", value)
            })?,
            expected,
            at: at.unwrap_or_default(),
            times: times.unwrap_or_default(),
            rtp: fields.read("rtp", RtpTest::parse)?,
            findings: fields.read("findings", FindingsTest::parse)?,
        };
        call.check_labels(fields)?;
        Ok(call)
    }

    /// Every label that is spoken of stands on a step.
    fn check_labels(&self, fields: Fields<'_, '_>) -> Result<(), Wrong> {
        let leaves = self.expected.iter().flat_map(|expected| &expected.steps.leaves);
        let known: Vec<&str> = leaves.filter_map(|leaf| leaf.label.as_deref()).collect();
        let check = |label: &str, at: usize| match known.contains(&label) {
            true => Ok(()),
            false => Err((at, unknown_name("label", label, &known))),
        };
        if let Some(value) = fields.get("at") {
            for (key, _) in value.table()?.entries() {
                check(key.name, key.at)?;
            }
        }
        if let Some(value) = fields.get("time") {
            for ((key, _), test) in value.table()?.entries().iter().zip(&self.times) {
                test.labels().try_for_each(|label| check(label, key.at))?;
            }
        }
        if let Some(value) = fields.get("rtp") {
            let mut labels = self.rtp.iter().flat_map(RtpTest::labels);
            labels.try_for_each(|label| check(label, value.at()))?;
        }
        Ok(())
    }

    /// What is wrong with the number of calls that fit, if that is asked for or there are none.
    pub(super) fn check_count(
        &self,
        places: &[usize],
        scene: &Scene<'_>,
    ) -> Option<(Subject, Vec<Problem>)> {
        let problem = |line, about, expected: &str, seen, doubts| Problem {
            line,
            about,
            expected: expected.to_owned(),
            seen,
            frames: Vec::new(),
            doubts,
        };
        let doubts = scene.doubts.clone();
        let count = places.len() as u64;
        let problem = match &self.selection.count {
            Some((_, _, bound)) if bound.holds_count(count) => return None,
            Some((line, shown, _)) => {
                problem(*line, About::Calls, shown, Seen::Count(count), doubts)
            }
            None if count > 0 => return None,
            None => {
                let shown = &self.selection.shown;
                problem(self.line, About::NoSuchCall, shown, Seen::Nothing, doubts)
            }
        };
        Some((Subject::NoCall, vec![problem]))
    }

    /// What is said of findings.
    pub(super) const fn findings(&self) -> Option<&FindingsTest> {
        self.findings.as_ref()
    }

    /// What is wrong with a call, and its ladder where that differs.
    pub(super) fn check(
        &self,
        call: &CallSummary,
        parties: &Parties,
        scene: &Scene<'_>,
    ) -> (Vec<Problem>, Vec<Row>) {
        let mut problems = Vec::new();
        problems.extend(self.status.as_ref().and_then(|test| test.check(call, scene)));
        if let Some(test) = &self.state {
            let fate = [call.fate().to_owned()];
            problems.extend((!test.holds(&fate)).then(|| test.problem(About::State, &fate)));
        }
        let mut labelled: BTreeMap<&str, Vec<&Step>> = BTreeMap::new();
        let mut rows = Vec::new();
        if let Some(expected) = &self.expected {
            let cast = Cast::of(call, parties);
            let seen = SeenSteps::of(call, expected.folds);
            match ladder::compare(expected, &seen, &cast) {
                Ok(compared) => {
                    problems.extend(compared.problems(|last| {
                        last.map_or_else(
                            || scene.doubts.clone(),
                            |time| scene.doubts_after(time, WAIT),
                        )
                    }));
                    labelled = compared.labelled;
                    rows = compared.rows;
                }
                Err(doubt) => problems.push(self.not_compared(call, expected, doubt)),
            }
        }
        for test in &self.at {
            let steps = labelled.get(test.label.as_str()).map(Vec::as_slice).unwrap_or_default();
            problems.extend(steps.iter().flat_map(|step| test.check(step)));
        }
        let moments = moments(&labelled);
        problems.extend(self.times.iter().filter_map(|test| {
            let mut problem = test.check(call, &moments)?;
            if problem.seen == Seen::Nothing {
                // What is over would not have gone on.
                problem.doubts = match OPEN.contains(&call.fate()) {
                    true => scene.doubts_after(call.end, WAIT),
                    false => scene.doubts.clone(),
                };
            }
            Some(problem)
        }));
        if let Some(test) = &self.rtp {
            problems.extend(test.check(call, scene.has_rtp, &moments));
        }
        if let Some(test) = &self.findings {
            let own = scene.findings.get(call.call_id.as_str());
            let own = own.map(Vec::as_slice).unwrap_or_default().iter().copied();
            problems.extend(test.check(own));
        }
        let is_other = rows.iter().any(|row| row.mark != super::Mark::Same);
        (problems, if is_other { rows } else { Vec::new() })
    }

    fn not_compared(&self, call: &CallSummary, expected: &Expected, doubt: Doubt) -> Problem {
        Problem {
            line: expected.line,
            about: About::Steps,
            expected: expected.steps.leaves.len().to_string(),
            seen: Seen::Count(call.messages),
            frames: vec![call.first_frame],
            doubts: vec![doubt],
        }
    }
}

/// When the first message with each label came.
fn moments<'l>(labelled: &BTreeMap<&'l str, Vec<&Step>>) -> BTreeMap<&'l str, Time> {
    let first = labelled.iter().filter_map(|(label, steps)| Some((*label, steps.first()?.time)));
    first.collect()
}

fn expected(value: Value<'_, '_>, parties: &Parties, folds: bool) -> Result<Expected, Wrong> {
    let words = value.words().map_err(|_| value.expected("a list of steps"))?;
    let texts: Vec<Text<'_>> = words
        .iter()
        .map(|word| Text { text: word.text, line: word.line, at: word.inside })
        .collect();
    let steps = Steps::parse(&texts)?;
    let mut labels: Vec<&str> = Vec::new();
    for leaf in &steps.leaves {
        for name in [&leaf.from, &leaf.to].into_iter().flatten() {
            parties.check_name(name).map_err(|problem| (leaf.at, problem))?;
        }
        if let Some(label) = leaf.label.as_deref() {
            if labels.contains(&label) {
                return Err((leaf.at, format!("the label `{label}` stands on two steps")));
            }
            labels.push(label);
        }
    }
    let pattern = Pattern::new(&steps)
        .map_err(|_| (value.at(), "the steps may come in too many ways".to_owned()))?;
    Ok(Expected { line: value.line(), folds, steps, pattern })
}

fn at(fields: Fields<'_, '_>) -> Result<Vec<AtTest>, Wrong> {
    let entries = fields.entries().into_iter();
    let tests = entries.map(|(key, value)| {
        let fields = value.table()?.with_keys(&["header", "uri", "reason", "sdp"])?;
        let header = fields.read("header", |value| FieldTest::all(value.table()?))?;
        Ok(AtTest {
            label: key.name.to_owned(),
            fields: header.unwrap_or_default(),
            uri: fields.read("uri", |value| FieldTest::parse("uri", value))?,
            reason: fields.read("reason", |value| FieldTest::parse("reason", value))?,
            sdp: fields.read("sdp", SdpTest::parse)?,
        })
    });
    tests.collect()
}

impl StatusTest {
    /// `488`, `"2xx"`, `"none"`, or a list of them.
    fn parse(value: Value<'_, '_>) -> Result<Self, Wrong> {
        let shown = printable_str(&value.shown()).into_owned();
        let mut test = Self { line: value.line(), shown, codes: Vec::new(), may_lack: false };
        for item in value.items() {
            let wrong = || item.expected("a final status such as 200, \"4xx\" or \"none\"");
            let text = match item.number() {
                Some(number) => number.to_string(),
                None => item.word().map_err(|_| wrong())?.text.to_owned(),
            };
            match steps::status(&text) {
                Some([b'1', _, _]) => return Err(wrong()),
                Some(code) => test.codes.push(code),
                None if text == "none" => test.may_lack = true,
                None => return Err(wrong()),
            }
        }
        match test.codes.is_empty() && !test.may_lack {
            true => Err(value.expected("at least one status")),
            false => Ok(test),
        }
    }

    fn check(&self, call: &CallSummary, scene: &Scene<'_>) -> Option<Problem> {
        let status = call.final_status.map(Status::code);
        let doubts = match status {
            Some(_) => Vec::new(),
            None => scene.doubts_after(call.end, WAIT),
        };
        // Without an answer in a capture that ends too early, nobody knows.
        let holds = match status {
            Some(status) => self.codes.iter().any(|code| steps::fits(*code, status)),
            None => self.may_lack && doubts.is_empty(),
        };
        if holds {
            return None;
        }
        let mut finals = call.transactions.iter().filter_map(|own| own.final_response.as_ref());
        let last = finals.rfind(|own| Some(own.status.code()) == status);
        Some(Problem {
            line: self.line,
            about: About::Status,
            expected: self.shown.clone(),
            seen: status.map_or(Seen::Nothing, |status| Seen::Text(status.to_string())),
            frames: last.map(|own| own.frame).into_iter().collect(),
            doubts,
        })
    }
}

impl AtTest {
    /// What is wrong with a message that has the label.
    fn check(&self, step: &Step) -> Vec<Problem> {
        let message = step.message();
        let mut problems: Vec<Problem> =
            self.fields.iter().filter_map(|test| test.check_header(&message)).collect();
        let text = |test: &Option<FieldTest>, about: About, value: Option<String>| {
            let values: Vec<String> = value.into_iter().collect();
            let test = test.as_ref().filter(|test| !test.holds(&values))?;
            Some(test.problem(about, &values))
        };
        let uri = message.request_uri().map(|uri| uri.as_str().into_owned());
        let reason = message.reason_phrase().map(std::borrow::Cow::into_owned);
        problems.extend(text(&self.uri, About::Uri, uri));
        problems.extend(text(&self.reason, About::Reason, reason));
        problems.extend(self.sdp.iter().flat_map(|test| test.check(&message)));
        if step.is_cut && problems.is_empty() && self.asks_for_absence() {
            problems.extend(
                self.fields
                    .iter()
                    .filter(|test| test.asks_for_absence())
                    .map(|test| test.problem(About::Header(test.name.clone()), &[])),
            );
            problems.extend(
                self.sdp.iter().filter(|test| test.asks_for_absence()).map(SdpTest::unproven),
            );
        }
        for problem in &mut problems {
            problem.frames = vec![step.frame];
            problem.doubts.extend(step.is_cut.then_some(Doubt::MessageCut));
        }
        problems
    }

    fn asks_for_absence(&self) -> bool {
        self.fields.iter().any(FieldTest::asks_for_absence)
            || self.sdp.as_ref().is_some_and(SdpTest::asks_for_absence)
    }
}
