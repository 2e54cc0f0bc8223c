//! The gist of an incident in plain sentences, for a reader who knows no SIP, and its moments.
//!
//! The page and the Markdown tell the same; knows nothing of markup.

use std::cmp::Reverse;

use crate::analysis::CallSummary;
use crate::catalogue::{self, first_sentence};
use crate::finding::Severity;
use crate::report::entries::Entry;
use crate::report::page::scene::{GENERAL, Scene};
use crate::time::Time;

/// Failed calls from which on it is worth saying when most of them failed.
const PEAK_MIN: u64 = 3;

/// What it comes to.
pub(super) struct Gist {
    /// How bad it is; none where nothing went wrong.
    pub(super) severity: Option<Severity>,
    /// How many calls failed, in a sentence.
    pub(super) lead: String,
    /// When, why, what else.
    pub(super) sentences: Vec<String>,
    /// What to do first.
    pub(super) action: Option<String>,
}

/// A point of the time line.
pub(super) struct Moment {
    pub(super) time: Time,
    pub(super) text: String,
}

impl Gist {
    /// The gist of an analysis, with something done to names that come from outside.
    pub(super) fn of(scene: &Scene<'_>, foreign: &dyn Fn(String) -> String) -> Self {
        let (words, totals) = (scene.words, &scene.analysis.totals);
        let failed = scene.parts.failed();
        let cause = cause(scene);
        let mut sentences = Vec::new();
        sentences.extend(spell(scene));
        match cause {
            Some(entry) => {
                sentences.push(cause_sentence(scene, entry, foreign));
                sentences.push(explained(scene, entry));
            }
            None if totals.sip_messages > 0 => {
                sentences.push(words.get("page-no-fault").to_owned());
            }
            None => {}
        }
        let serious = scene.entries.iter().filter(|entry| entry.severity > Severity::Info);
        if let Some(others) = serious.count().checked_sub(1).filter(|others| *others > 0) {
            let count = words.count(others as u64);
            sentences.push(words.fill("page-others", &[("count", &count)]));
        }
        let is_limited = !scene.parts.notes().is_empty()
            || scene.of_capture.iter().any(|entry| entry.severity > Severity::Info);
        if is_limited {
            let section = words.get("page-quality");
            sentences.push(words.fill("page-limited", &[("section", section)]));
        }
        let worst = scene.analysis.findings.iter().map(|finding| finding.severity).max();
        Self {
            severity: match failed {
                0 => worst.filter(|worst| *worst > Severity::Info),
                _ => Some(Severity::Error),
            },
            lead: lead(scene, failed),
            sentences,
            action: cause.and_then(|entry| action(scene, entry)),
        }
    }

    /// All of it but the advice, as running text.
    pub(super) fn text(&self) -> String {
        let all: Vec<&str> = self.sentences.iter().map(String::as_str).collect();
        catalogue::sentences(&all)
    }
}

/// How many calls failed.
fn lead(scene: &Scene<'_>, failed: u64) -> String {
    let (words, totals) = (scene.words, &scene.analysis.totals);
    if totals.sip_messages == 0 {
        return scene.parts.verdict();
    }
    let percent = failed as f64 * 100.0 / totals.calls.max(1) as f64;
    let values = [
        ("calls", words.count(totals.calls)),
        ("failed", words.count(failed)),
        ("messages", words.count(totals.sip_messages)),
        ("percent", words.decimal(percent, 1)),
    ];
    let values = values.each_ref().map(|(name, value)| (*name, value.as_str()));
    let key = match (totals.calls, failed) {
        (0, _) => "page-no-call",
        (1, 0) => "page-one-call-fine",
        (1, _) => "page-one-call-failed",
        (_, 0) => "page-calls-fine",
        (calls, failed) if failed >= calls => "page-all-calls-failed",
        (_, 1) => "page-one-of-calls-failed",
        _ => "page-calls-failed",
    };
    words.fill(key, &values)
}

/// When the calls that failed began.
fn spell(scene: &Scene<'_>) -> Option<String> {
    let (first, last) = ends(scene)?;
    let words = scene.words;
    let (start, end) = (scene.second(first.start), scene.second(last.start));
    Some(match start == end {
        true => words.fill("page-failed-at", &[("time", &start)]),
        false => words.fill("page-failed-between", &[("first", &start), ("last", &end)]),
    })
}

/// The first and the last call that failed.
fn ends<'a>(scene: &Scene<'a>) -> Option<(&'a CallSummary, &'a CallSummary)> {
    let calls = || scene.failed().map(|(_, call)| call);
    calls().min_by_key(|call| call.start).zip(calls().max_by_key(|call| call.start))
}

/// The main cause, unless that is no more than a note.
fn cause<'s, 'a>(scene: &'s Scene<'a>) -> Option<&'s Entry<'a>> {
    scene.entries.first().filter(|entry| entry.severity > Severity::Info)
}

fn cause_sentence(
    scene: &Scene<'_>,
    entry: &Entry<'_>,
    foreign: &dyn Fn(String) -> String,
) -> String {
    let words = scene.words;
    let calls = entry.incident.map(|incident| incident.calls).filter(|calls| *calls > 1);
    let mut values = vec![
        ("confidence", words.confidence(entry.finding.confidence).to_owned()),
        ("title", scene.name(entry.finding)),
    ];
    values.extend(scene.server(entry).map(|server| ("server", foreign(server))));
    values.extend(calls.map(|calls| ("calls", words.count(calls))));
    let values: Vec<_> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    // What explains less than half of the failed calls is one cause of several.
    let explained = entry.incident.map_or(1, |incident| incident.calls);
    let is_main = explained.saturating_mul(2) >= scene.parts.failed();
    let key = match (entry.explains_failures(), is_main) {
        (false, _) => "page-worst",
        (true, true) => "page-cause",
        (true, false) => "page-largest",
    };
    words.fill(key, &values)
}

/// What that means, in the words of the catalogue.
fn explained(scene: &Scene<'_>, entry: &Entry<'_>) -> String {
    match entry.finding.status().filter(|_| entry.finding.rule.name == GENERAL) {
        Some(status) => {
            let text = catalogue::status(status.code(), scene.words.lang());
            first_sentence(&text.description).to_owned()
        }
        None => first_sentence(&scene.index.rule(entry.finding).entry.what).to_owned(),
    }
}

fn action(scene: &Scene<'_>, entry: &Entry<'_>) -> Option<String> {
    match entry.finding.status().filter(|_| entry.finding.rule.name == GENERAL) {
        Some(status) => {
            let text = catalogue::status(status.code(), scene.words.lang());
            Some(first_sentence(&text.fix).to_owned())
        }
        None => scene.index.rule(entry.finding).entry.actions.first().cloned(),
    }
}

/// The moments of the incident, in order.
pub(super) fn moments(scene: &Scene<'_>) -> Vec<Moment> {
    let words = scene.words;
    let captures = &scene.analysis.captures;
    let mut moments = Vec::new();
    let mut add = |time: Option<Time>, text: String| {
        moments.extend(time.map(|time| Moment { time, text }));
    };
    let text = |key: &str| words.get(key).to_owned();
    let start = captures.iter().filter_map(|capture| capture.first_time).min();
    add(start, text("page-capture-begins"));
    if let Some((first, last)) = ends(scene) {
        let is_one = std::ptr::eq(first, last);
        add(Some(first.start), text(if is_one { "page-failed-call" } else { "page-first-failed" }));
        if let Some((time, failed)) = peak(scene) {
            let width = words.duration(scene.analysis.statistics.timeline.width());
            let values = [("count", &*words.count(failed)), ("width", &*width)];
            // An interval begins at a round time, which may lie before the capture.
            let time = time.max(start.unwrap_or(time));
            add(Some(time), words.fill("page-peak", &values));
        }
        if !is_one {
            add(Some(last.start), text("page-last-failed"));
        }
    }
    let last = captures.iter().filter_map(|capture| capture.last_time).max();
    add(last, text("page-capture-ends"));
    moments.sort_by_key(|moment| moment.time);
    moments
}

/// The interval in which most calls failed, if there is one that stands out.
fn peak(scene: &Scene<'_>) -> Option<(Time, u64)> {
    let intervals = || scene.analysis.statistics.timeline.intervals();
    let failing = intervals().filter(|(_, interval, _)| interval.failed > 0).count();
    let peak = intervals().max_by_key(|(start, interval, _)| (interval.failed, Reverse(*start)));
    let (start, interval, _) = peak.filter(|_| failing > 1)?;
    (interval.failed >= PEAK_MIN).then_some((start, interval.failed))
}
