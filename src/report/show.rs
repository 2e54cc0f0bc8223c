//! Calls as one ladder: what is shown of them, in whatever format.
//!
//! Ties findings to calls and rows, and tells what a session description changes; knows nothing of
//! how a ladder is drawn. The text is written by `text::show`, the JSON by `show::json`.

use std::collections::BTreeSet;

use crate::analysis::flow::{Content, Flow, FlowOptions, Row, Sent};
use crate::analysis::{Analysis, CallSummary, Host};
use crate::capture::FrameId;
use crate::finding::{Finding, Sign};

mod json;
pub(super) mod raw;
mod sdp;

pub use json::json;
pub(super) use sdp::Described;

/// What is shown of calls, and how.
#[derive(Clone, Debug, Default)]
pub struct ShowOptions {
    /// How the ladder is made.
    pub flow: FlowOptions,
    /// The times before each row, in order; none for the relative one.
    pub times: Vec<Times>,
    /// The messages that are shown in full.
    pub raw: Raw,
    /// Leave out what session descriptions say.
    pub without_sdp: bool,
}

/// A time before a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// Since the first row.
    Relative,
    /// By the clock of the capture.
    Absolute,
    /// Since the row before.
    Delta,
}

/// The messages that are shown in full.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Raw {
    /// None.
    #[default]
    None,
    /// Every one, of repeats the first.
    All,
    /// Those of these frames, repeats as well.
    Frames(BTreeSet<FrameId>),
}

impl Raw {
    fn has(&self, frame: FrameId, is_repeat: bool) -> bool {
        match self {
            Self::None => false,
            Self::All => !is_repeat,
            Self::Frames(frames) => frames.contains(&frame),
        }
    }
}

/// Calls with their findings and their ladder.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    pub(super) analysis: &'a Analysis,
    /// The calls with their places in the list.
    pub(super) calls: Vec<(usize, &'a CallSummary)>,
    /// What was found on these calls, then what was found on others of which they show signs.
    pub(super) findings: Vec<&'a Finding>,
    pub(super) flow: Flow<'a>,
    /// What the session descriptions say, for each row.
    pub(super) described: Vec<Option<Described>>,
}

impl<'a> Shown<'a> {
    pub(super) fn new(analysis: &'a Analysis, places: &[usize], options: &ShowOptions) -> Self {
        let call = |place: &usize| Some((*place, analysis.calls.get(*place)?));
        let calls: Vec<(usize, &CallSummary)> = places.iter().filter_map(call).collect();
        let summaries: Vec<&CallSummary> = calls.iter().map(|(_, call)| *call).collect();
        let findings = findings(analysis, &summaries);
        let mut flow = Flow::of(&summaries, &findings, &analysis.hosts, &options.flow);
        place_signs(&mut flow, &findings, &summaries);
        let described = match options.without_sdp {
            true => vec![None; flow.rows.len()],
            false => sdp::described(&flow),
        };
        Self { analysis, calls, findings, flow, described }
    }

    /// The finding is on one of the calls, not only seen there.
    pub(super) fn is_own(&self, finding: &Finding) -> bool {
        self.calls.iter().any(|(_, call)| finding.call_id.as_ref() == Some(&call.call_id))
    }
}

/// The hosts of calls that are in a ladder, in order of appearance.
pub fn hosts(calls: &[&CallSummary]) -> Vec<Host> {
    let flow = Flow::of(calls, &[], &std::collections::BTreeMap::new(), &FlowOptions::default());
    let ends = flow.parties.iter().flat_map(|party| &party.ends);
    let mut hosts: Vec<Host> = Vec::new();
    for host in ends.map(|end| end.address.to_canonical()) {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts
}

/// What was found on the calls, then what was found on others and seen on these as well.
fn findings<'a>(analysis: &'a Analysis, calls: &[&CallSummary]) -> Vec<&'a Finding> {
    let is_shown = |id: &str| calls.iter().any(|call| call.call_id == id);
    let is_own = |finding: &&Finding| finding.call_id.as_deref().is_some_and(is_shown);
    let is_seen = |finding: &&Finding| {
        signs(finding).any(|sign| sign.call_id.as_deref().is_some_and(is_shown))
    };
    let all = || analysis.findings.iter();
    all().filter(is_own).chain(all().filter(|own| !is_own(own) && is_seen(own))).collect()
}

fn signs(finding: &Finding) -> impl Iterator<Item = &Sign> {
    finding.propagated.iter().chain(&finding.related)
}

/// Ties findings on other calls to the rows in which they were seen.
fn place_signs(flow: &mut Flow<'_>, findings: &[&Finding], calls: &[&CallSummary]) {
    let unplaced = std::mem::take(&mut flow.unplaced);
    for place in unplaced {
        let is_shown = |id: &String| calls.iter().any(|call| call.call_id == *id);
        let of_calls = findings.get(place).into_iter().flat_map(|own| signs(own));
        let frames: BTreeSet<FrameId> = of_calls
            .filter(|sign| sign.call_id.as_ref().is_some_and(is_shown))
            .flat_map(|sign| sign.frames.iter().copied())
            .collect();
        let mut last = None;
        for (row, at) in flow.rows.iter_mut().zip(0_usize..) {
            if row.frames().any(|frame| frames.contains(&frame)) {
                row.evidence_of.push(place);
                last = Some(at);
            }
        }
        match last.and_then(|at| flow.rows.get_mut(at)) {
            Some(row) => row.findings.push(place),
            None => flow.unplaced.push(place),
        }
    }
}

/// The messages of a row that are shown in full.
pub(super) fn in_full<'a>(
    row: &Row<'a>,
    raw: &Raw,
) -> impl Iterator<Item = &'a crate::analysis::Step> {
    let sent: Option<&Sent<'a>> = match &row.content {
        Content::Message(sent) => Some(sent),
        Content::Stream(_) => None,
    };
    let first = sent.map(|sent| (sent.step, false)).into_iter();
    let repeats = sent.into_iter().flat_map(|sent| sent.repeats.iter().map(|step| (*step, true)));
    let wanted = first.chain(repeats).filter(|(step, again)| raw.has(step.frame, *again));
    wanted.map(|(step, _)| step).collect::<Vec<_>>().into_iter()
}
