//! How the calls of two captures differ: which calls and steps are there in one only, what changed
//! in the others, and what the rules found.
//!
//! Calls are paired by Call-ID or likeness, their messages laid side by side, and every pair of
//! messages is compared without what is made anew for each run. Needs transcripts; knows nothing
//! of how a difference is shown.

use std::collections::BTreeMap;

use crate::analysis::{Analysis, CallSummary, Step};
use crate::bytes::{printable, printable_str};
use crate::limits::{DIFF_CHANGES_MAX, DIFF_UNPAIRED_MAX};
use crate::sip::timers;
use crate::time::Span;

mod align;
mod call;
mod cast;
mod change;
mod description;
mod findings;
mod pairing;
mod sent;
mod wildcard;

pub use cast::Party;
pub(crate) use cast::letter;
pub use change::{Change, Part};
pub use findings::{FindingChange, RuleChange};
pub use pairing::PairedBy;

/// A difference that occurs in so many steps is told once.
const RECURRING_MIN: u64 = 3;

/// What counts as a difference, and how much is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffOptions {
    /// Header fields are compared as they were sent, those that are made anew for each call
    /// included.
    pub all_headers: bool,
    /// Header fields that are not compared, by name.
    pub ignored_headers: Vec<String>,
    /// How often a message was sent again counts.
    pub retransmissions: bool,
    /// How much longer or shorter a machine may take; none compares no times.
    pub timing: Option<Span>,
    /// Calls that are kept with all their steps; more are counted.
    pub calls: usize,
}

impl Default for DiffOptions {
    /// What a person wants to see: a wait that is longer by T1 (RFC 3261, section 17.1.1.1) makes
    /// the other side send again.
    fn default() -> Self {
        Self {
            all_headers: false,
            ignored_headers: Vec::new(),
            retransmissions: false,
            timing: Some(timers::T1),
            calls: 20,
        }
    }
}

/// How two captures differ.
#[derive(Clone, Debug, Default)]
pub struct Diff<'a> {
    /// Counts over all calls.
    pub totals: DiffTotals,
    /// Differences that many steps have, the most frequent ones first; not told again in the steps.
    pub recurring: Vec<Recurring<'a>>,
    /// Calls that differ in more than that, in order of the first capture; only the first ones.
    pub calls: Vec<CallDiff<'a>>,
    /// Calls that only the first capture has; only the first ones.
    pub left: Vec<&'a CallSummary>,
    /// Calls that only the second capture has; only the first ones.
    pub right: Vec<&'a CallSummary>,
    /// Findings on no call that only one capture has.
    pub findings: Vec<FindingChange<'a>>,
    /// Rules that have more findings in one capture, calls without a partner included.
    pub rules: Vec<RuleChange>,
    /// How long machines took.
    pub waits: Waits,
}

/// Counts of a comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiffTotals {
    /// Calls that have a partner.
    pub pairs: u64,
    /// Of these, calls that differ in nothing.
    pub same: u64,
    /// Calls that differ in what recurs only.
    pub recurring_only: u64,
    /// Calls that differ in more than that.
    pub differing: u64,
    /// Calls that only the first capture has.
    pub left: u64,
    /// Calls that only the second capture has.
    pub right: u64,
    /// Calls whose messages were not kept, so that only their outcome was compared.
    pub without_messages: u64,
    /// Steps that both have and that are the same.
    pub steps_same: u64,
    /// Steps that both have and that differ.
    pub steps_changed: u64,
    /// Steps that only the first capture has, in calls with a partner.
    pub steps_left: u64,
    /// Steps that only the second capture has, in calls with a partner.
    pub steps_right: u64,
    /// Steps of long calls that were not compared, because a bound was reached.
    pub steps_left_out: u64,
    /// Calls of either capture that were not kept, because a bound was reached.
    pub calls_left_out: u64,
    /// Findings of either capture that were not kept, because a bound was reached; one that only
    /// the other capture seems to have may be among them.
    pub findings_left_out: u64,
    /// Differences of which nobody counted how often they occur, because a bound was reached; they
    /// are told in their steps alone.
    pub changes_left_out: u64,
    /// Not every way to pair calls, or the steps of a call, was tried, because a bound was reached.
    pub narrow: u64,
}

/// A difference that many steps have.
#[derive(Clone, Debug, PartialEq)]
pub struct Recurring<'a> {
    /// What it is.
    pub change: Change,
    /// Steps that have it.
    pub steps: u64,
    /// Calls with such steps.
    pub calls: u64,
    /// The first such step in both captures.
    pub first: (StepRef<'a>, StepRef<'a>),
}

/// A step that is only pointed at.
#[derive(Clone, Copy, Debug)]
pub struct StepRef<'a>(pub &'a Step);

impl PartialEq for StepRef<'_> {
    /// The same message of the same capture.
    fn eq(&self, other: &Self) -> bool {
        self.0.frame == other.0.frame && self.0.bytes == other.0.bytes
    }
}

/// Two calls side by side.
#[derive(Clone, Debug)]
pub struct CallDiff<'a> {
    /// The call of the first capture.
    pub left: &'a CallSummary,
    /// The call of the second capture.
    pub right: &'a CallSummary,
    /// What makes them a pair.
    pub paired_by: PairedBy,
    /// Who takes part; steps name them by their places.
    pub parties: Vec<Party>,
    /// All steps of both, in order.
    pub lines: Vec<DiffLine<'a>>,
    /// Findings that only one of them has.
    pub findings: Vec<FindingChange<'a>>,
    /// The calls ended otherwise.
    pub is_other_fate: bool,
    /// Messages of one of them were not kept.
    pub is_without_messages: bool,
    /// Steps that were not compared.
    pub left_out: u64,
    /// Not every way to lay the steps side by side was tried.
    pub is_narrow: bool,
    /// How long machines took in both, for steps that both have.
    pub(crate) waits: Vec<(Span, Span)>,
}

/// A line of two ladders.
#[derive(Clone, Debug)]
pub enum DiffLine<'a> {
    /// Both calls have the step.
    Both {
        /// The step of the first call.
        left: Place<'a>,
        /// The step of the second call.
        right: Place<'a>,
        /// What differs between them; nothing where they are the same.
        changes: Vec<Change>,
        /// The machine took longer, or less long.
        shift: Option<Shift>,
    },
    /// Only the first call has the step.
    Left(Place<'a>),
    /// Only the second call has the step.
    Right(Place<'a>),
}

/// A step between parties.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    /// The message, the first time that it was sent.
    pub step: &'a Step,
    /// `INVITE`, `180 Ringing`; safe to show.
    pub label: String,
    /// The sender, as a place in [`CallDiff::parties`].
    pub source: usize,
    /// The receiver.
    pub destination: usize,
    /// How often it was sent again.
    pub repeats: u64,
    /// It carries SDP.
    pub has_sdp: bool,
}

/// How long a machine took in both captures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift {
    /// In the first capture.
    pub left: Span,
    /// In the second capture.
    pub right: Span,
}

/// How long machines took, over all steps that both captures have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// Steps for which it is known in both.
    pub count: u64,
    /// The median in the first capture.
    pub left_median: Span,
    /// The median in the second capture.
    pub right_median: Span,
    /// The median of how much longer it took in the second capture.
    pub shift_median: Span,
    /// Steps whose wait differs by more than the threshold.
    pub shifted: u64,
}

impl DiffLine<'_> {
    /// Both calls have the step, and it is the same.
    pub fn is_same(&self) -> bool {
        match self {
            Self::Both { changes, shift, .. } => changes.is_empty() && shift.is_none(),
            Self::Left(_) | Self::Right(_) => false,
        }
    }
}

impl CallDiff<'_> {
    /// Nothing differs.
    pub fn is_same(&self) -> bool {
        self.lines.iter().all(DiffLine::is_same) && self.findings.is_empty() && !self.is_other_fate
    }
}

impl Diff<'_> {
    /// Nothing differs, and everything was compared.
    pub fn is_same(&self) -> bool {
        self.shows_no_difference() && self.is_whole()
    }

    /// Nothing differs of what was compared.
    pub fn shows_no_difference(&self) -> bool {
        let totals = &self.totals;
        totals.differing + totals.recurring_only + totals.left + totals.right == 0
            && self.findings.is_empty()
    }

    /// Everything was compared: no bound kept anything back.
    pub fn is_whole(&self) -> bool {
        let totals = &self.totals;
        let left_out = totals.calls_left_out + totals.steps_left_out + totals.findings_left_out;
        left_out + totals.without_messages == 0
    }
}

/// Compares two captures that were analysed with transcripts and as many calls as there are.
///
/// The result is the same for any number of threads; with the captures exchanged it has the same
/// counts.
pub fn diff<'a>(left: &'a Analysis, right: &'a Analysis, options: &DiffOptions) -> Diff<'a> {
    let pairing = pairing::pair(left, right);
    let calls = call::Calls::new(left, right, options);
    let mut tally = Tally::default();
    let mut is_different = Vec::with_capacity(pairing.pairs.len());
    for pair in &pairing.pairs {
        let compared = calls.compare(pair);
        is_different.push(compared.as_ref().is_some_and(|own| !own.is_same()));
        if let Some(compared) = &compared {
            tally.add(compared);
        }
    }
    let mut diff = Diff {
        recurring: tally.recurring(),
        findings: findings::changes(&calls.left.of_capture, &calls.right.of_capture),
        rules: findings::rules(left, right),
        waits: tally.waits(),
        totals: tally.totals,
        ..Diff::default()
    };
    let summaries = |calls: &'a [CallSummary], places: &[usize]| -> Vec<&'a CallSummary> {
        places.iter().take(DIFF_UNPAIRED_MAX).filter_map(|place| calls.get(*place)).collect()
    };
    diff.left = summaries(&left.calls, &pairing.left);
    diff.right = summaries(&right.calls, &pairing.right);
    diff.totals.left = pairing.left.len() as u64;
    diff.totals.right = pairing.right.len() as u64;
    diff.totals.pairs = pairing.pairs.len() as u64;
    diff.totals.narrow += u64::from(pairing.is_narrow);
    let not_kept = |bound: &str| -> u64 {
        [left, right].iter().filter_map(|own| own.dropped.get(bound)).sum()
    };
    diff.totals.calls_left_out = not_kept("calls");
    diff.totals.findings_left_out = not_kept("findings");
    for (pair, is_different) in pairing.pairs.iter().zip(is_different) {
        if !is_different {
            diff.totals.same += 1;
            continue;
        }
        let Some(mut compared) = calls.compare(pair) else { continue };
        without_recurring(&mut compared, &tally);
        if compared.is_same() {
            diff.totals.recurring_only += 1;
            continue;
        }
        diff.totals.differing += 1;
        if diff.calls.len() < options.calls {
            diff.calls.push(compared);
        }
    }
    diff
}

/// Takes out what is told once for all.
fn without_recurring(call: &mut CallDiff<'_>, tally: &Tally<'_>) {
    for line in &mut call.lines {
        if let DiffLine::Both { changes, .. } = line {
            changes.retain(|change| !tally.is_recurring(change));
        }
    }
}

/// A difference as a key: what differs, and both values.
type ChangeKey = (Part, String, String);

fn key(change: &Change) -> ChangeKey {
    let text = |value: &Option<crate::finding::Value>| format!("{value:?}");
    (change.part.clone(), text(&change.left), text(&change.right))
}

/// What is counted over all calls.
#[derive(Default)]
struct Tally<'a> {
    totals: DiffTotals,
    changes: BTreeMap<ChangeKey, Recurring<'a>>,
    left: Vec<Span>,
    right: Vec<Span>,
    shifted: u64,
}

impl<'a> Tally<'a> {
    fn add(&mut self, call: &CallDiff<'a>) {
        let totals = &mut self.totals;
        totals.without_messages += u64::from(call.is_without_messages);
        totals.narrow += u64::from(call.is_narrow);
        totals.steps_left_out += call.left_out;
        let mut counted: Vec<ChangeKey> = Vec::new();
        for line in &call.lines {
            let (left, right, changes, shift) = match line {
                DiffLine::Left(_) => {
                    self.totals.steps_left += 1;
                    continue;
                }
                DiffLine::Right(_) => {
                    self.totals.steps_right += 1;
                    continue;
                }
                DiffLine::Both { left, right, changes, shift } => (left, right, changes, shift),
            };
            match line.is_same() {
                true => self.totals.steps_same += 1,
                false => self.totals.steps_changed += 1,
            }
            self.shifted += u64::from(shift.is_some());
            for change in changes.iter().filter(|change| may_recur(&change.part)) {
                let key = key(change);
                let is_known = self.changes.contains_key(&key);
                if !is_known && self.changes.len() >= DIFF_CHANGES_MAX {
                    self.totals.changes_left_out += 1;
                    continue;
                }
                let new = Recurring {
                    change: change.clone(),
                    steps: 0,
                    calls: 0,
                    first: (StepRef(left.step), StepRef(right.step)),
                };
                let known = self.changes.entry(key.clone()).or_insert(new);
                known.steps += 1;
                if !counted.contains(&key) {
                    known.calls += 1;
                    counted.push(key);
                }
            }
        }
        self.left.extend(call.waits.iter().map(|(left, _)| *left));
        self.right.extend(call.waits.iter().map(|(_, right)| *right));
    }

    fn is_recurring(&self, change: &Change) -> bool {
        may_recur(&change.part)
            && self.changes.get(&key(change)).is_some_and(|known| known.steps >= RECURRING_MIN)
    }

    fn recurring(&self) -> Vec<Recurring<'a>> {
        let is_recurring = |known: &&Recurring<'a>| known.steps >= RECURRING_MIN;
        let mut all: Vec<Recurring<'a>> =
            self.changes.values().filter(is_recurring).cloned().collect();
        all.sort_by_key(|known| std::cmp::Reverse(known.steps));
        all
    }

    fn waits(&self) -> Waits {
        let shift = |(left, right): (&Span, &Span)| *right - *left;
        Waits {
            count: self.left.len() as u64,
            left_median: median(self.left.clone()),
            right_median: median(self.right.clone()),
            shift_median: median(self.left.iter().zip(&self.right).map(shift).collect()),
            shifted: self.shifted,
        }
    }
}

/// Another status, or another way, is news wherever it occurs.
fn may_recur(part: &Part) -> bool {
    match part {
        Part::Status | Part::Way | Part::Repeats | Part::Sipfrag => false,
        Part::Phrase
        | Part::RequestUri
        | Part::Transport
        | Part::Header(_)
        | Part::Sdp { .. }
        | Part::Body(_) => true,
    }
}

/// The middle one, the lower of two; zero of none.
fn median(mut spans: Vec<Span>) -> Span {
    let middle = spans.len().saturating_sub(1) / 2;
    match spans.is_empty() {
        true => Span::ZERO,
        false => *spans.select_nth_unstable(middle).1,
    }
}

/// `INVITE`, `180 Ringing`, `200 OK (BYE)`; safe to show.
fn label(message: &crate::sip::Message<'_>) -> String {
    let method = message.method();
    let method = printable(method.as_bytes());
    let Some(status) = message.status() else {
        return match message.sipfrag_status() {
            Some(told) => format!("{method} (sipfrag {told})"),
            None => method.into_owned(),
        };
    };
    let phrase = message.reason_phrase().unwrap_or_default();
    let text = format!("{status} {}", printable_str(&phrase));
    match &*method {
        "INVITE" => text.trim_end().to_owned(),
        _ => format!("{} ({method})", text.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::Keep;
    use crate::finding::Value;
    use crate::media::Media;
    use crate::rules::Profile;
    use crate::signaling::samples::{log, surrounded};

    fn analysis(agent: &str) -> Analysis {
        let keep = Keep { calls: 10, transcripts: 1 << 20, ..Keep::default() };
        let mut tally = crate::analysis::Tally::new(keep);
        let options = format!(
            "OPTIONS sip:b@h SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\nUser-Agent: {agent}\n\
             From: <sip:a@h>;tag=a\nTo: <sip:b@h>\nCall-ID: 1\nCSeq: 1 OPTIONS\n\n"
        );
        let log = log(&[(0, 1, 2, &options)]);
        surrounded(|own| tally.judge(&log, own, Media::new(&[]), &[], false));
        crate::analysis::Tally::finish(vec![tally], &Profile::default())
    }

    #[test]
    fn differences_that_are_counted_have_a_bound() {
        let (left, right) = (analysis("one"), analysis("two"));
        let options = DiffOptions::default();
        let pairing = pairing::pair(&left, &right);
        let calls = call::Calls::new(&left, &right, &options);
        let pair = pairing.pairs.first().expect("a pair");
        let compared = calls.compare(pair).expect("compared");
        let mut tally = Tally::default();
        tally.add(&compared);
        let first = tally.changes.values().next().expect("a difference").clone();
        assert_eq!((tally.changes.len(), tally.totals.changes_left_out), (1, 0));

        let mut full = Tally::default();
        for number in 0..DIFF_CHANGES_MAX as u64 {
            let change = Change { left: Some(Value::from(number)), ..first.change.clone() };
            full.changes.insert(key(&change), Recurring { change, ..first.clone() });
        }
        for _ in 0..RECURRING_MIN {
            full.add(&compared);
        }
        assert_eq!(full.changes.len(), DIFF_CHANGES_MAX);
        assert_eq!(full.totals.changes_left_out, RECURRING_MIN);
        assert!(!full.is_recurring(&first.change), "so it is told in each step");
        assert_eq!(full.totals.steps_changed, RECURRING_MIN);
    }
}
