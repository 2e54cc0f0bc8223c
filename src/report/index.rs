//! What the formats for machines ask of an analysis again and again: the words on a rule, the call
//! and the capture of a finding, names of frames.

use std::cell::RefCell;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use foldhash::fast::RandomState;

use crate::analysis::{Analysis, CallSummary};
use crate::bytes::printable_str;
use crate::capture::FrameId;
use crate::catalogue::{self, Labels, Lang, RuleText, labels};
use crate::finding::{Finding, Severity};
use crate::report::evidence;

/// Frames named one by one; more are counted.
const FRAMES_MAX: usize = 12;

/// An analysis with ways to find what belongs together in it.
#[derive(Debug)]
pub(crate) struct Index<'a> {
    pub(crate) analysis: &'a Analysis,
    pub(crate) words: Labels,
    calls: HashMap<&'a str, usize, RandomState>,
    /// Calls whose Call-ID an earlier one has, by their captures, which were judged each by itself.
    again: HashMap<(&'a str, u16), usize, RandomState>,
    rules: RefCell<BTreeMap<&'static str, Rc<RuleText>>>,
}

impl<'a> Index<'a> {
    /// The index of an analysis that is told in that language.
    pub(crate) fn new(analysis: &'a Analysis, lang: Lang) -> Self {
        let mut calls = HashMap::default();
        let mut again = HashMap::default();
        for (place, call) in analysis.calls.iter().enumerate() {
            let call_id = call.call_id.as_str();
            if let Entry::Vacant(free) = calls.entry(call_id) {
                free.insert(place);
            } else {
                again.insert((call_id, call.first_frame.capture), place);
            }
        }
        Self { analysis, words: labels(lang), calls, again, rules: RefCell::default() }
    }

    /// The words on the rule of a finding, looked up once.
    pub(crate) fn rule(&self, finding: &Finding) -> Rc<RuleText> {
        let lang = self.words.lang();
        let mut rules = self.rules.borrow_mut();
        let text = rules.entry(finding.rule.code);
        Rc::clone(text.or_insert_with(|| Rc::new(catalogue::rule(finding.rule, lang))))
    }

    /// The message of a finding.
    pub(crate) fn message(&self, finding: &Finding) -> String {
        evidence::message(finding, &self.rule(finding), self.words)
    }

    /// `TXN101 INVITE without any response`.
    pub(crate) fn title(&self, finding: &Finding) -> String {
        format!("{} {}", finding.rule.code, self.rule(finding).entry.title)
    }

    /// The place of the call of a finding among those that are listed.
    pub(crate) fn place(&self, finding: &Finding) -> Option<usize> {
        let call_id = finding.call_id.as_deref()?;
        let capture = finding.frames.first().map_or(0, |frame| frame.capture);
        self.again.get(&(call_id, capture)).or_else(|| self.calls.get(call_id)).copied()
    }

    /// The call of a finding, if it is listed.
    pub(crate) fn call(&self, finding: &Finding) -> Option<&'a CallSummary> {
        self.analysis.calls.get(self.place(finding)?)
    }

    /// The place of the capture in which a finding begins; the first one where it has no frame.
    pub(crate) fn capture(&self, finding: &Finding) -> usize {
        finding.frames.first().map_or(0, |frame| usize::from(frame.capture))
    }

    /// The path of a capture, safe to show.
    pub(crate) fn path(&self, capture: usize) -> String {
        let capture = self.analysis.captures.get(capture);
        let path = capture.map(|capture| capture.path.to_string_lossy()).unwrap_or_default();
        printable_str(&path).into_owned()
    }

    /// `#12 #13 #40`, the first ones where there are many.
    pub(crate) fn frames(&self, frames: &[FrameId]) -> String {
        names_of(frames, self.analysis, self.words)
    }

    /// What a reader wants to know of a finding below its message, a line each.
    pub(crate) fn facts(&self, finding: &Finding) -> Vec<String> {
        let words = self.words;
        let mut facts = Vec::new();
        facts.extend(finding.call_id.as_ref().map(|id| words.pair(words.get("call"), id)));
        match (finding.client, finding.server) {
            (Some(client), Some(server)) => {
                let name = words.fill("client-to-server", &[]);
                facts.push(words.pair(&name, &format!("{client} > {server}")));
            }
            (Some(client), None) => {
                facts.push(words.pair(words.get("client"), &client.to_string()));
            }
            (None, Some(server)) => {
                facts.push(words.pair(words.get("server"), &server.to_string()));
            }
            (None, None) => {}
        }
        if !finding.frames.is_empty() {
            facts.push(words.pair(words.get("frames"), &self.frames(&finding.frames)));
        }
        let confidence = words.confidence(finding.confidence);
        facts.push(words.pair(words.get("confidence"), confidence));
        facts
    }
}

/// `#12`; with several captures `2#12` is a frame of the second one.
pub(crate) fn name_of(frame: FrameId, analysis: &Analysis) -> String {
    match analysis.captures.len() {
        0 | 1 => format!("#{}", frame.number),
        _ => format!("{}#{}", u32::from(frame.capture) + 1, frame.number),
    }
}

/// `#12 #13 #40`, the first ones where there are many.
pub(crate) fn names_of(frames: &[FrameId], analysis: &Analysis, words: Labels) -> String {
    let first = frames.iter().take(FRAMES_MAX);
    let mut shown: Vec<String> = first.map(|frame| name_of(*frame, analysis)).collect();
    if let Some(more) = frames.len().checked_sub(FRAMES_MAX).filter(|more| *more > 0) {
        let count = words.count(more as u64);
        shown.push(words.fill("and-more", &[("count", &count)]));
    }
    shown.join(" ")
}

/// The path as a URI reference or as what people name in a repository: `/` between its parts, no
/// `./` before it.
pub(crate) fn portable(path: &str) -> String {
    let path = if cfg!(windows) { path.replace('\\', "/") } else { path.to_owned() };
    let mut rest = path.as_str();
    while let Some(inner) = rest.strip_prefix("./") {
        rest = inner.trim_start_matches('/');
    }
    rest.to_owned()
}

/// Severity by severity, the worst first.
pub(crate) const SEVERITIES: [Severity; 3] = [Severity::Error, Severity::Warn, Severity::Info];
