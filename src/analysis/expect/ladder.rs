//! The messages of a call beside those that were expected.

use std::collections::BTreeMap;

use super::parties::Cast;
use super::pattern::{Move, Pattern};
use super::steps::{self, Kind, Step as ExpectedStep, Steps};
use super::verdict::{About, Doubt, Mark, Problem, Row, Seen as SeenValue};
use super::{CallSummary, Step};
use crate::bytes::{printable, printable_str};
use crate::sip::{CSeq, HeaderName, Method};
use crate::time::Time;

/// The messages that a call must have.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Expected {
    /// The line where they begin.
    pub(super) line: usize,
    /// Repeats of a message count as one.
    pub(super) folds: bool,
    /// As the file has them.
    pub(super) steps: Steps,
    /// As they are held against messages.
    pub(super) pattern: Pattern,
}

/// The messages of a call that count.
#[derive(Debug)]
pub(super) struct Seen<'c> {
    steps: Vec<&'c Step>,
    messages: Vec<Brief>,
    is_dropped: bool,
}

/// What of a message is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Brief {
    /// The method, of a response that of its CSeq.
    pub(super) method: String,
    /// The status of a response.
    pub(super) status: Option<u16>,
    reason: String,
    has_to_tag: bool,
}

impl Brief {
    /// What of the message is compared.
    pub(super) fn of(step: &Step) -> Self {
        let message = step.message();
        let to = message.header(HeaderName::To).map(crate::sip::Address::of);
        Self {
            method: printable(message.method().as_bytes()).into_owned(),
            status: message.status().map(crate::sip::Status::code),
            reason: printable_str(&message.reason_phrase().unwrap_or_default()).into_owned(),
            has_to_tag: to.is_some_and(|to| to.parameters.get("tag").is_some()),
        }
    }

    /// It is a request inside a dialog, or answers one.
    pub(super) const fn is_in_dialog(&self) -> bool {
        self.has_to_tag
    }

    /// `200 INVITE (OK)`, `BYE`.
    fn shown(&self) -> String {
        match self.status {
            None => self.method.clone(),
            Some(status) if self.reason.is_empty() => format!("{status} {}", self.method),
            Some(status) => format!("{status} {} ({})", self.method, self.reason),
        }
    }
}

impl<'c> Seen<'c> {
    /// The messages of the call, without repeats if they are folded.
    pub(super) fn of(call: &'c CallSummary, folds: bool) -> Self {
        let steps = match folds {
            true => folded(&call.transcript),
            false => call.transcript.iter().collect(),
        };
        let messages = steps.iter().map(|step| Brief::of(step)).collect();
        let is_dropped = call.transcript.is_empty() && call.messages > 0;
        Self { steps, messages, is_dropped }
    }
}

/// Without what repeats an earlier message; the ACK of a 2xx belongs to no transaction, so a repeat
/// of it is known by its way and number.
pub(super) fn folded(transcript: &[Step]) -> Vec<&Step> {
    let mut acks = Vec::new();
    let mut folded = Vec::new();
    for step in transcript.iter().filter(|step| !step.is_retransmission) {
        let message = step.message();
        if step.transaction.is_none() && message.is_request() && message.method() == Method::Ack {
            let cseq = message.header(HeaderName::CSeq).and_then(CSeq::parse).map(|own| own.number);
            let tag = message.header(HeaderName::To).map(<[u8]>::to_vec);
            let key = (step.source, step.destination, cseq, tag);
            if acks.contains(&key) {
                continue;
            }
            acks.push(key);
        }
        folded.push(step);
    }
    folded
}

/// What came of the comparison.
pub(super) struct Compared<'e, 'c> {
    /// The lines of the ladder.
    pub(super) rows: Vec<Row>,
    /// The messages of each label.
    pub(super) labelled: BTreeMap<&'e str, Vec<&'c Step>>,
    /// The place of the last message that was expected and seen.
    last_same: Option<usize>,
    /// When the last message of the call came.
    end: Option<Time>,
}

/// Holds the messages against the steps.
///
/// # Errors
///
/// Why they cannot be compared.
pub(super) fn compare<'e, 'c>(
    expected: &'e Expected,
    seen: &Seen<'c>,
    cast: &Cast<'_>,
) -> Result<Compared<'e, 'c>, Doubt> {
    if seen.is_dropped {
        return Err(Doubt::TranscriptDropped);
    }
    let leaves = &expected.steps.leaves;
    let way = |leaf: &ExpectedStep, step: &Step| {
        let is = |name: &Option<String>, host| name.as_ref().is_none_or(|name| cast.is(host, name));
        is(&leaf.from, step.source) && is(&leaf.to, step.destination)
    };
    let both = |leaf: usize, message: usize| {
        Some((leaves.get(leaf)?, *seen.steps.get(message)?, seen.messages.get(message)?))
    };
    let fits = |leaf: usize, message: usize| {
        both(leaf, message)
            .is_some_and(|(leaf, step, brief)| is_kind(leaf, brief) && way(leaf, step))
    };
    let resembles = |leaf: usize, message: usize| {
        both(leaf, message).is_some_and(|(leaf, step, brief)| match is_kind(leaf, brief) {
            true => true,
            false => is_request(leaf) == brief.status.is_none() && way(leaf, step),
        })
    };
    let moves = expected.pattern.align(seen.steps.len(), &fits, &resembles);
    let moves = moves.ok_or(Doubt::TooMany)?;
    let mut compared = Compared {
        rows: Vec::new(),
        labelled: BTreeMap::new(),
        last_same: None,
        end: seen.steps.iter().map(|step| step.time).max(),
    };
    for step in moves {
        compared.take(step, leaves, seen, cast);
    }
    Ok(compared)
}

fn is_kind(leaf: &ExpectedStep, message: &Brief) -> bool {
    leaf.kinds.iter().any(|kind| match (kind, message.status) {
        (Kind::Any, _) => true,
        (Kind::Request { method, in_dialog }, None) => {
            *method == message.method && (!in_dialog || message.has_to_tag)
        }
        (Kind::Response { code, method }, Some(status)) => {
            steps::fits(*code, status)
                && method.as_ref().is_none_or(|method| *method == message.method)
        }
        _ => false,
    })
}

fn is_request(leaf: &ExpectedStep) -> bool {
    matches!(leaf.kinds.first(), Some(Kind::Request { .. } | Kind::Any))
}

impl<'e, 'c> Compared<'e, 'c> {
    fn take(&mut self, step: Move, leaves: &'e [ExpectedStep], seen: &Seen<'c>, cast: &Cast<'_>) {
        let expected = |leaf: usize| leaves.get(leaf);
        let message =
            |message: usize| seen.steps.get(message).copied().zip(seen.messages.get(message));
        match step {
            Move::Same { leaf, message: place } => {
                let (Some(leaf), Some((step, brief))) = (expected(leaf), message(place)) else {
                    return;
                };
                self.last_same = Some(self.rows.len());
                self.rows.push(seen_row(Mark::Same, Some(leaf.line), step, brief, cast));
                if let Some(label) = leaf.label.as_deref() {
                    self.labelled.entry(label).or_default().push(step);
                }
            }
            Move::Instead { leaf, message: place } => {
                self.take(Move::Missing { leaf }, leaves, seen, cast);
                self.take(Move::Unexpected { message: place }, leaves, seen, cast);
            }
            Move::Missing { leaf } => self.rows.extend(expected(leaf).map(missing_row)),
            Move::Unexpected { message: place } => self.rows.extend(
                message(place)
                    .map(|(step, brief)| seen_row(Mark::Unexpected, None, step, brief, cast)),
            ),
            Move::Passed { message: place } => self.rows.extend(
                message(place).map(|(step, brief)| seen_row(Mark::Same, None, step, brief, cast)),
            ),
        }
    }

    /// A problem for each line that is not as expected; `doubts` tells why a message that is
    /// missing may not be in the capture, given when the last one came if the call may have gone
    /// on after it as expected.
    pub(super) fn problems(&self, doubts: impl Fn(Option<Time>) -> Vec<Doubt>) -> Vec<Problem> {
        let mut problems: Vec<Problem> = Vec::new();
        let went_elsewhere = self.rows.iter().any(|row| row.mark == Mark::Unexpected);
        for (place, row) in self.rows.iter().enumerate() {
            let shown = format!("{} > {} {}", row.from, row.to, row.what);
            let is_last = !went_elsewhere && self.last_same.is_none_or(|last| last < place);
            let problem = match row.mark {
                Mark::Same => continue,
                Mark::Missing => Problem {
                    line: row.line.unwrap_or_default(),
                    about: About::MissingStep,
                    expected: shown,
                    seen: SeenValue::Nothing,
                    frames: Vec::new(),
                    doubts: doubts(self.end.filter(|_| is_last)),
                },
                Mark::Unexpected => Problem {
                    line: self.line_near(place),
                    about: About::UnexpectedStep,
                    expected: String::new(),
                    seen: SeenValue::Text(shown),
                    frames: row.frame.into_iter().collect(),
                    doubts: Vec::new(),
                },
            };
            problems.push(problem);
        }
        problems
    }

    /// The line of the step before, or else of the first one after.
    fn line_near(&self, place: usize) -> usize {
        let (before, after) = self.rows.split_at(place.min(self.rows.len()));
        let before = before.iter().rev().find_map(|row| row.line);
        before.or_else(|| after.iter().find_map(|row| row.line)).unwrap_or(1)
    }
}

fn seen_row(mark: Mark, line: Option<usize>, step: &Step, brief: &Brief, cast: &Cast<'_>) -> Row {
    Row {
        mark,
        line,
        frame: Some(step.frame),
        time: Some(step.time),
        from: cast.name(step.source),
        to: cast.name(step.destination),
        what: brief.shown(),
    }
}

fn missing_row(leaf: &ExpectedStep) -> Row {
    let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "*".to_owned());
    Row {
        mark: Mark::Missing,
        line: Some(leaf.line),
        frame: None,
        time: None,
        from: name(&leaf.from),
        to: name(&leaf.to),
        what: printable_str(&leaf.what).into_owned(),
    }
}
