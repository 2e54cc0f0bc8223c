//! What every part of a text report needs to know: the analysis, the words, what was told already.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::analysis::{Analysis, CallSummary, Host};
use crate::capture::FrameId;
use crate::catalogue::{self, Labels, Lang, RuleText, labels};
use crate::finding::Finding;
use crate::packet::Endpoint;
use crate::report::index;
use crate::report::text::clock::Clock;
use crate::report::text::{TextOptions, Verbosity};

/// The analysis and how it is told.
pub(super) struct Scene<'a> {
    pub(super) analysis: &'a Analysis,
    pub(super) words: Labels,
    pub(super) lang: Lang,
    pub(super) verbosity: Verbosity,
    pub(super) clock: Clock,
    rules: BTreeMap<&'static str, Rc<RuleText>>,
    told_rules: BTreeSet<&'static str>,
    told_statuses: BTreeSet<u16>,
    told_streams: BTreeSet<String>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(analysis: &'a Analysis, options: &TextOptions) -> Self {
        let start = analysis.captures.iter().filter_map(|capture| capture.first_time).min();
        Self {
            analysis,
            words: labels(options.lang),
            lang: options.lang,
            verbosity: options.verbosity,
            clock: Clock::from(start),
            rules: BTreeMap::new(),
            told_rules: BTreeSet::new(),
            told_statuses: BTreeSet::new(),
            told_streams: BTreeSet::new(),
        }
    }

    pub(super) fn is_verbose(&self) -> bool {
        self.verbosity == Verbosity::Verbose
    }

    /// The words on the rule of a finding, looked up once.
    pub(super) fn rule(&mut self, finding: &Finding) -> Rc<RuleText> {
        let lang = self.lang;
        let text = self.rules.entry(finding.rule.code);
        Rc::clone(text.or_insert_with(|| Rc::new(catalogue::rule(finding.rule, lang))))
    }

    /// True the first time that the rule is asked for: only then its entry is told.
    pub(super) fn tell_rule(&mut self, code: &'static str) -> bool {
        self.told_rules.insert(code)
    }

    /// True the first time that the status is asked for.
    pub(super) fn tell_status(&mut self, code: u16) -> bool {
        self.told_statuses.insert(code)
    }

    /// True the first time that the streams of the call are asked for.
    pub(super) fn tell_streams(&mut self, call_id: &str) -> bool {
        self.told_streams.insert(call_id.to_owned())
    }

    /// `#12`; with several captures `2#12` is a frame of the second one.
    pub(super) fn frame(&self, frame: FrameId) -> String {
        index::name_of(frame, self.analysis)
    }

    /// An address and port, with the name that the user gives to the host.
    pub(super) fn endpoint(&self, end: Endpoint) -> String {
        self.named(end.address, end.to_string())
    }

    /// An address, with the name that the user gives to the host.
    pub(super) fn host(&self, address: Host) -> String {
        self.named(address, address.to_string())
    }

    fn named(&self, address: Host, text: String) -> String {
        match self.analysis.hosts.get(&address.to_canonical()) {
            Some(name) => format!("{name} ({text})"),
            None => text,
        }
    }

    /// `#12 #13 #40`, the first ones where there are many.
    pub(super) fn frames(&self, frames: &[FrameId]) -> String {
        index::names_of(frames, self.analysis, self.words)
    }

    /// Name and count: `Frames: 4,213`.
    pub(super) fn counted(&self, key: &str, count: u64) -> String {
        self.words.pair(self.words.get(key), &self.words.count(count))
    }

    /// The evidence is not in the message of the rule already.
    pub(super) fn is_news(&self, rule: &RuleText, name: &str) -> bool {
        self.is_verbose() || !rule.entry.message.contains(&format!("{{{name}}}"))
    }

    /// The name of a piece of evidence, as it begins a line.
    pub(super) fn evidence(&self, name: &str) -> String {
        let name = self.words.evidence(name);
        let mut letters = name.chars();
        match letters.next() {
            Some(first) => first.to_uppercase().chain(letters).collect(),
            None => name,
        }
    }

    /// What ties two legs: the name of a header field as it is written, or words.
    pub(super) fn link(&self, reason: &str) -> String {
        match reason.starts_with(char::is_uppercase) {
            true => reason.to_owned(),
            false => self.words.word(reason),
        }
    }

    /// Every Call-ID is listed, so that calls can be known by their numbers.
    pub(super) fn lists_all_calls(&self) -> bool {
        self.analysis.calls.len() as u64 == self.analysis.totals.call_ids
    }

    /// A Call-ID with its number in the table of calls.
    pub(super) fn call(&self, call_id: &str) -> String {
        let is_it = |call: &CallSummary| call.call_id == call_id;
        match self.analysis.calls.iter().position(is_it).filter(|_| self.lists_all_calls()) {
            Some(place) => format!("{} ({call_id})", place + 1),
            None => call_id.to_owned(),
        }
    }
}
