//! Expectations: what the capture of a test must show.
//!
//! A file states the calls, their messages, times, media and findings; [`Expectations::check`]
//! holds it against an [`Analysis`] and gives a [`Verdict`] for each call and rule of the file.
//! What is not in the capture is not taken for what did not happen: a verdict never passes for it,
//! and says why the capture may not show it. `docs/expectations.md` has the language of the file.

mod bound;
mod call;
mod field;
mod findings;
mod glob;
mod ladder;
mod parties;
mod pattern;
mod reader;
mod record;
mod rtp;
mod sdp;
mod selection;
mod steps;
mod times;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use toml::de::DeTable;

use super::{Analysis, CallSummary, Step};
use crate::bytes::printable_str;
use crate::capture::{FrameId, Note};
use crate::finding::Finding;
use crate::limits::{EXPECTATION_BYTES_MAX, UNEXPECTED_CALLS_MAX};
use crate::time::{Span, Time};

use call::ExpectedCall;
use findings::FindingsTest;
use parties::Parties;
use reader::{Fields, Lines, Value};
use steps::Wrong;

pub(in crate::analysis) use glob::Glob;
pub use record::record;
pub use verdict::{About, Doubt, Mark, Problem, Row, Seen, Subject, Verdict};

/// What a capture must show, as a file states it.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectations {
    file: String,
    /// The line that says that there must be no other calls.
    strict: Option<usize>,
    parties: Parties,
    calls: Vec<ExpectedCall>,
    findings: Option<(usize, FindingsTest)>,
}

/// What is wrong with a file of expectations, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct WrongAt {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// What is wrong there, safe to show.
    pub problem: String,
}

impl Expectations {
    /// What the text states; `path` is the name of the file in verdicts.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it.
    pub fn parse(text: &str, path: &Path) -> Result<Self, WrongAt> {
        let lines = Lines::of(text);
        if text.len() > EXPECTATION_BYTES_MAX {
            let problem = format!("the file is longer than {EXPECTATION_BYTES_MAX} bytes");
            return Err(lines.wrong((0, problem)));
        }
        let root = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            lines.wrong((at, error.message().trim().replace('\n', ", ")))
        })?;
        let file = printable_str(&path.to_string_lossy()).into_owned();
        Self::read(Fields::root(root.get_ref(), &lines), file).map_err(|wrong| lines.wrong(wrong))
    }

    fn read(root: Fields<'_, '_>, file: String) -> Result<Self, Wrong> {
        let root = root.with_keys(&["strict", "parties", "call", "findings"])?;
        let is_strict = root.read("strict", Value::boolean)?.unwrap_or_default();
        let strict = root.get("strict").filter(|_| is_strict).map(Value::line);
        let parties = root.read("parties", |value| Parties::parse(value.table()?))?;
        let parties = parties.unwrap_or_default();
        let findings =
            root.read("findings", |value| Ok((value.line(), FindingsTest::parse(value)?)))?;
        let mut calls = Vec::new();
        for value in root.get("call").map(Value::items).unwrap_or_default() {
            calls.push(ExpectedCall::parse(value, &parties)?);
        }
        if calls.is_empty() && findings.is_none() {
            let problem = "nothing is expected; add a `[[call]]` or `findings`".to_owned();
            return Err((0, problem));
        }
        Ok(Self { file, strict, parties, calls, findings })
    }

    /// What came of each expectation, in the order of the file; of one that is for several calls,
    /// in the order of the calls.
    ///
    /// The analysis must have been told to keep transcripts, calls and findings: what was not kept
    /// is told as such and never passes.
    pub fn check(&self, analysis: &Analysis) -> Vec<Verdict> {
        let scene = Scene::of(analysis);
        let mut verdicts = Vec::new();
        let mut expected = BTreeSet::new();
        if let Some((line, test)) = &self.findings {
            let problems = test.check(analysis.findings.iter());
            verdicts.push(self.verdict(*line, Subject::Capture, problems));
        }
        for call in &self.calls {
            let places = call.selection.of(&analysis.calls);
            verdicts.extend(call.check_count(&places, &scene).map(|(subject, problems)| Verdict {
                name: call.name.clone(),
                ..self.verdict(call.line, subject, problems)
            }));
            for summary in places.iter().filter_map(|place| analysis.calls.get(*place)) {
                let (problems, ladder) = call.check(summary, &self.parties, &scene);
                let subject = Subject::Call {
                    call_id: summary.call_id.clone(),
                    first: summary.first_frame,
                    last: summary.last_frame,
                };
                let verdict = self.verdict(call.line, subject, problems);
                verdicts.push(Verdict { name: call.name.clone(), ladder, ..verdict });
            }
            expected.extend(places);
        }
        verdicts.extend(self.strict.map(|line| {
            let others = analysis.calls.iter().enumerate();
            let others = others.filter(|(place, _)| !expected.contains(place));
            let mut others = others.map(|(_, call)| call);
            let told = others.by_ref().take(UNEXPECTED_CALLS_MAX);
            let mut problems: Vec<_> = told.map(|call| unexpected(line, call)).collect();
            let more = others.count() as u64;
            problems.extend((more > 0).then(|| beyond(line, Seen::More(more), Vec::new())));
            self.verdict(line, Subject::OtherCalls, problems)
        }));
        verdicts
    }

    fn verdict(&self, line: usize, subject: Subject, problems: Vec<Problem>) -> Verdict {
        let file = self.file.clone();
        Verdict { file, name: None, line, subject, problems, ladder: Vec::new() }
    }
}

/// The places of the findings of which no file says that they must or may be there: those that may
/// fail a run by themselves.
pub fn surprises(expectations: &[Expectations], analysis: &Analysis) -> BTreeSet<usize> {
    let on_all: Vec<&FindingsTest> =
        expectations.iter().flat_map(|own| &own.findings).map(|(_, test)| test).collect();
    let mut on_calls: BTreeMap<&str, Vec<&FindingsTest>> = BTreeMap::new();
    for call in expectations.iter().flat_map(|own| &own.calls) {
        let Some(test) = call.findings() else { continue };
        for own in call.selection.of(&analysis.calls) {
            if let Some(own) = analysis.calls.get(own) {
                on_calls.entry(&own.call_id).or_default().push(test);
            }
        }
    }
    let is_expected = |finding: &Finding| {
        let own = finding.call_id.as_deref().and_then(|call_id| on_calls.get(call_id));
        on_all.iter().chain(own.into_iter().flatten()).any(|test| test.allows(finding))
    };
    let findings = analysis.findings.iter().enumerate();
    findings.filter(|(_, own)| !is_expected(own)).map(|(place, _)| place).collect()
}

fn unexpected(line: usize, call: &CallSummary) -> Problem {
    let uri = |uri: &Option<String>| uri.clone().unwrap_or_default();
    let seen = format!("{} {} > {}", call.kind.name(), uri(&call.from_uri), uri(&call.to_uri));
    beyond(line, Seen::Text(seen), vec![call.first_frame])
}

/// Calls beyond those that the file speaks of.
fn beyond(line: usize, seen: Seen, frames: Vec<FrameId>) -> Problem {
    let expected = "strict".to_owned();
    Problem { line, about: About::UnexpectedCall, expected, seen, frames, doubts: Vec::new() }
}

/// Rules that say that the capture does not show everything.
const DOUBTING: [&str; 5] = [
    "capture-packet-loss",
    "capture-one-sided",
    "capture-partial-dialogs",
    "capture-truncated-messages",
    "encrypted-signalling",
];

/// What is around the calls.
#[derive(Debug)]
struct Scene<'a> {
    /// What was found in each call.
    findings: BTreeMap<&'a str, Vec<&'a Finding>>,
    /// The time of the last frame.
    end: Option<Time>,
    /// Why the capture may not show something.
    doubts: Vec<Doubt>,
    has_rtp: bool,
}

impl<'a> Scene<'a> {
    fn of(analysis: &'a Analysis) -> Self {
        let mut doubts = Vec::new();
        let (mut is_damaged, mut lost) = (false, 0_u64);
        for note in analysis.captures.iter().flat_map(|capture| &capture.notes) {
            match note {
                Note::EndsInsideRecord { .. }
                | Note::Shrank { .. }
                | Note::Damaged { .. }
                | Note::DamagedCompression { .. }
                | Note::ExpansionLimit { .. } => is_damaged = true,
                Note::Dropped { packets } => lost = lost.saturating_add(*packets),
                Note::SkippedBlocks { .. }
                | Note::TimeDisorder { .. }
                | Note::GivenAgain { .. }
                | Note::PassedOver { .. }
                | Note::Overlap { .. }
                | Note::ClockOffset { .. } => {}
            }
        }
        doubts.extend(is_damaged.then_some(Doubt::Damaged));
        doubts.extend((lost > 0).then_some(Doubt::Lost { packets: lost }));
        let lacks_calls = analysis.dropped.contains_key("calls");
        doubts.extend(lacks_calls.then_some(Doubt::TranscriptDropped));
        let found: BTreeSet<&'static str> =
            analysis.findings.iter().map(|finding| finding.rule.name).collect();
        let rules = DOUBTING.into_iter().filter(|name| found.contains(name));
        doubts.extend(rules.map(Doubt::Rule));
        let mut of_calls: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
        for finding in &analysis.findings {
            if let Some(call_id) = &finding.call_id {
                of_calls.entry(call_id).or_default().push(finding);
            }
        }
        Self {
            findings: of_calls,
            end: analysis.captures.iter().filter_map(|capture| capture.last_time).max(),
            doubts,
            has_rtp: analysis.totals.rtp_streams > 0,
        }
    }

    /// Why something that should have come after that moment may not be in the capture.
    fn doubts_after(&self, moment: Time, wait: Span) -> Vec<Doubt> {
        let left = self.end.map_or(Span::ZERO, |end| end.since(moment));
        let mut doubts = Vec::new();
        if left < wait {
            doubts.push(Doubt::EndsSoon { after: left });
        }
        doubts.extend(self.doubts.iter().cloned());
        doubts
    }
}
