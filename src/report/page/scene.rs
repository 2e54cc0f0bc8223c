//! What every part of the incident report needs to know: the analysis, the words, what is told and
//! which calls failed.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use crate::analysis::{Analysis, CallSummary};
use crate::catalogue::{self, Labels, Lang};
use crate::finding::{Family, Finding, Severity};
use crate::report::entries::{Entry, entries};
use crate::report::index::Index;
use crate::report::layout;
use crate::report::outcome::Outcome;
use crate::report::text::parts::{FAILED, Parts, is_on_capture, is_proven_error};
use crate::signaling::Kind;
use crate::time::Time;

/// Incidents and findings told in full; more get a line each.
const TOLD_MAX: usize = 24;

/// Columns of captured text in a sentence or a cell: a Call-ID may have thousands.
pub(super) const TEXT_MAX: usize = 96;

/// Columns of one fact: a list of frames for Wireshark is the longest that is not captured.
pub(super) const FACT_MAX: usize = 400;

/// Other places of one fault that are named.
const SIGNS_MAX: usize = 8;

/// Streams of a call that are told beside a finding on its media.
const STREAMS_MAX: usize = 8;

/// The rule that leaves the explanation to the status.
pub(super) const GENERAL: &str = "final-response";

/// The analysis and how it is told.
pub(super) struct Scene<'a> {
    pub(super) outcome: Outcome<'a>,
    pub(super) analysis: &'a Analysis,
    pub(super) index: Index<'a>,
    pub(super) parts: Parts<'a>,
    pub(super) words: Labels,
    /// The title of the report, safe to show.
    pub(super) title: String,
    /// What went wrong: the main cause, then the worst first.
    pub(super) entries: Vec<Entry<'a>>,
    /// What is about the capture and not about a call.
    pub(super) of_capture: Vec<Entry<'a>>,
    /// What is found in the calls that have findings, by their places.
    marks: FxHashMap<usize, Marks>,
}

/// What is found in a call.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    /// The codes of the rules, each once, the worst first.
    pub(super) codes: Vec<&'static str>,
    worst: Option<Severity>,
    /// An error is proven for a call.
    is_broken: bool,
}

impl<'a> Scene<'a> {
    /// The analysis told in a language, under a title of the user's.
    pub(super) fn new(outcome: &Outcome<'a>, lang: Lang, title: Option<&str>) -> Self {
        let analysis = outcome.analysis;
        let index = Index::new(analysis, lang);
        let words = index.words;
        let title = title.map(|own| crate::bytes::printable_str(own).into_owned());
        let (of_capture, mut told): (Vec<_>, Vec<_>) =
            entries(analysis).into_iter().partition(|entry| is_on_capture(entry.finding));
        for entry in &mut told {
            prefer_kept(entry, &index);
        }
        told.sort_by_key(|entry| (Reverse(entry.severity), entry.is_doubtful()));
        let cause =
            told.iter().enumerate().max_by_key(|(place, own)| (own.weight(), Reverse(*place)));
        if let Some((place, _)) = cause {
            let cause = told.remove(place);
            told.insert(0, cause);
        }
        Self {
            outcome: *outcome,
            analysis,
            marks: marks(&index),
            index,
            parts: Parts::new(analysis, lang),
            words,
            title: title.unwrap_or_else(|| words.get("page-title").to_owned()),
            entries: told,
            of_capture,
        }
    }

    /// The entries that are told in full, and those that get a line each.
    pub(super) fn told(&self) -> (&[Entry<'a>], &[Entry<'a>]) {
        let is_told = |entry: &Entry<'_>| entry.severity > Severity::Info;
        let told = self.entries.iter().take(TOLD_MAX).take_while(|entry| is_told(entry)).count();
        self.entries.split_at(told)
    }

    /// The key of the heading above the entries.
    pub(super) fn findings_heading(&self) -> &'static str {
        if self.told().0.is_empty() { "findings" } else { "page-findings" }
    }

    /// What is found in the call at that place.
    pub(super) fn marks(&self, place: usize) -> Option<&Marks> {
        self.marks.get(&place)
    }

    /// The call failed: refused, without an answer, or broken by what an error tells.
    pub(super) fn has_failed(&self, place: usize, call: &CallSummary) -> bool {
        let is_refused = call.kind == Kind::Call && FAILED.contains(&call.fate());
        is_refused || self.marks(place).is_some_and(|marks| marks.is_broken)
    }

    /// The calls that failed, by place.
    pub(super) fn failed(&self) -> impl Iterator<Item = (usize, &'a CallSummary)> + '_ {
        let calls = self.analysis.calls.iter().enumerate();
        calls.filter(|(place, call)| self.has_failed(*place, call))
    }

    /// What went wrong, in a few words: the title of the rule, or the status where that says more.
    pub(super) fn name(&self, finding: &Finding) -> String {
        let title = &self.index.rule(finding).entry.title;
        match finding.status().filter(|_| finding.rule.name == GENERAL) {
            Some(status) => {
                let phrase = catalogue::status(status.code(), self.words.lang()).phrase;
                self.words.pair(title, format!("{status} {phrase}").trim_end())
            }
            None => title.clone(),
        }
    }

    /// The time of day to the second, as sentences have it.
    pub(super) fn second(&self, time: Time) -> String {
        let text = self.parts.time(time);
        text.split('.').next().unwrap_or_default().to_owned()
    }

    /// The host that an entry names as responsible, as sentences have it.
    pub(super) fn server(&self, entry: &Entry<'_>) -> Option<String> {
        match entry.incident {
            Some(incident) => incident.server.map(|host| self.parts.host(host)),
            None => entry.finding.server.map(|end| self.parts.endpoint(end)),
        }
    }

    /// What a reader wants to know below the message of an entry, each behind its name.
    pub(super) fn facts(&self, entry: &Entry<'_>) -> Vec<(String, String)> {
        let rule = self.index.rule(entry.finding);
        let facts = self.parts.facts(entry.finding, entry.incident, &rule).into_iter();
        facts.map(|(name, value)| (name, layout::cut(&value, FACT_MAX))).collect()
    }

    /// Where else the fault was seen, a line each, behind the key of its heading.
    pub(super) fn signs(&self, finding: &Finding) -> Vec<(&'static str, Vec<String>)> {
        let signs = self.parts.signs(finding).into_iter();
        signs.map(|(key, signs)| (key, self.first(&signs, SIGNS_MAX))).collect()
    }

    /// The streams of the call, where the finding is on its media.
    pub(super) fn streams(&self, finding: &Finding) -> Vec<String> {
        let call = self.index.call(finding).filter(|_| finding.rule.family() == Family::Media);
        let streams = call.map(|call| call.streams.as_slice()).unwrap_or_default();
        let lines: Vec<String> = streams.iter().map(|own| self.parts.stream(own)).collect();
        self.first(&lines, STREAMS_MAX)
    }

    /// The first lines, and how many more there are.
    fn first(&self, lines: &[String], most: usize) -> Vec<String> {
        let shown = lines.iter().take(most).map(|line| layout::cut(line, FACT_MAX));
        let mut shown: Vec<String> = shown.collect();
        if let Some(more) = lines.len().checked_sub(most).filter(|more| *more > 0) {
            let count = self.words.count(more as u64);
            shown.push(self.words.fill("and-more", &[("count", &count)]));
        }
        shown
    }

    /// The files, the first ones where there are many.
    pub(super) fn files(&self) -> String {
        const FILES_MAX: usize = 4;
        let captures = self.analysis.captures.len();
        let paths = (0..captures.min(FILES_MAX)).map(|place| self.index.path(place));
        let mut paths: Vec<String> = paths.collect();
        if let Some(more) = captures.checked_sub(FILES_MAX).filter(|more| *more > 0) {
            let count = self.words.count(more as u64);
            paths.push(self.words.fill("and-more", &[("count", &count)]));
        }
        self.words.list(&paths)
    }
}

impl Marks {
    /// There is more to tell of the call than a note.
    pub(super) fn is_serious(&self) -> bool {
        self.worst > Some(Severity::Info)
    }
}

/// Text of a capture, cut to what a cell has room for.
pub(super) fn cut(text: &str) -> String {
    layout::cut(text, TEXT_MAX)
}

/// Tells of an example whose messages were kept, if one of an incident has them.
fn prefer_kept<'a>(entry: &mut Entry<'a>, index: &Index<'a>) {
    let Some(incident) = entry.incident else { return };
    let of = incident.findings.iter().filter_map(|place| index.analysis.findings.get(*place));
    let has_messages =
        |finding: &&Finding| index.call(finding).is_some_and(|call| !call.transcript.is_empty());
    if let Some(kept) = of.clone().find(has_messages) {
        entry.finding = kept;
    }
}

fn marks(index: &Index<'_>) -> FxHashMap<usize, Marks> {
    let mut all: FxHashMap<usize, Marks> = FxHashMap::default();
    let mut findings: Vec<&Finding> = index.analysis.findings.iter().collect();
    findings.sort_by_key(|finding| Reverse(finding.severity));
    for finding in findings {
        let Some(place) = index.place(finding) else { continue };
        let own = all.entry(place).or_default();
        if !own.codes.contains(&finding.rule.code) {
            own.codes.push(finding.rule.code);
        }
        own.worst = own.worst.max(Some(finding.severity));
        own.is_broken |= is_proven_error(finding) && finding.call_fate.is_some();
    }
    all
}
