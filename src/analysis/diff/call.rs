//! The steps of two calls side by side.

use crate::analysis::diff::align::{Alignment, Row, align};
use crate::analysis::diff::cast::Cast;
use crate::analysis::diff::change::{Side, changes};
use crate::analysis::diff::findings::{self, ByCall};
use crate::analysis::diff::pairing::Pair;
use crate::analysis::diff::sent::{Sent, once, wait};
use crate::analysis::diff::{CallDiff, DiffLine, DiffOptions, Place, Shift, label};
use crate::analysis::{Analysis, CallSummary};

/// The weight of two steps that are the same; no sum of likenesses is as much.
const SAME: u64 = 1 << 40;

/// The weight of one degree of likeness; no number of pairs is as much.
const DEGREE: u64 = 1 << 16;

/// The calls of both captures.
pub(super) struct Calls<'a, 'o> {
    calls: (&'a [CallSummary], &'a [CallSummary]),
    /// Findings of the first capture.
    pub(super) left: ByCall<'a>,
    /// Findings of the second capture.
    pub(super) right: ByCall<'a>,
    options: &'o DiffOptions,
}

impl<'a, 'o> Calls<'a, 'o> {
    pub(super) fn new(left: &'a Analysis, right: &'a Analysis, options: &'o DiffOptions) -> Self {
        let calls = (left.calls.as_slice(), right.calls.as_slice());
        Self { calls, left: ByCall::of(left), right: ByCall::of(right), options }
    }

    /// Two calls side by side.
    pub(super) fn compare(&self, pair: &Pair) -> Option<CallDiff<'a>> {
        let (left, right) = (self.calls.0.get(pair.left)?, self.calls.1.get(pair.right)?);
        let is_kept = |call: &CallSummary| call.messages == 0 || !call.transcript.is_empty();
        let is_without_messages = !is_kept(left) || !is_kept(right);
        let mut call = CallDiff {
            left,
            right,
            paired_by: pair.by,
            parties: Vec::new(),
            lines: Vec::new(),
            findings: findings::changes(self.left.on(left), self.right.on(right)),
            is_other_fate: left.fate() != right.fate(),
            is_without_messages,
            left_out: 0,
            is_narrow: false,
            waits: Vec::new(),
        };
        if !is_without_messages {
            self.compare_steps(&mut call);
        }
        Some(call)
    }

    fn compare_steps(&self, call: &mut CallDiff<'a>) {
        let (left, left_out) = once(&call.left.transcript);
        let (right, right_out) = once(&call.right.transcript);
        call.left_out = left_out + right_out;
        let left_cast = Cast::of(&left);
        let (right_cast, alignment) = best_cast(&left, &left_cast, &right);
        call.is_narrow = alignment.is_narrow;
        call.parties = Cast::parties(&left_cast, &right_cast);
        for row in &alignment.rows {
            let line = match *row {
                Row::Left(at) => left.get(at).map(|sent| DiffLine::Left(place(sent, &left_cast))),
                Row::Right(at) => {
                    right.get(at).map(|sent| DiffLine::Right(place(sent, &right_cast)))
                }
                Row::Both(a, b) => {
                    let waits = wait(&left, a).zip(wait(&right, b));
                    let waits = waits.filter(|((cause, _), (other, _))| cause == other);
                    let waits = waits.map(|((_, left), (_, right))| (left, right));
                    call.waits.extend(waits);
                    left.get(a).zip(right.get(b)).map(|(one, other)| {
                        let has_own_transport = one.step.transport != other.step.transport;
                        let left = Side { sent: one, cast: &left_cast, has_own_transport };
                        let right = Side { sent: other, cast: &right_cast, has_own_transport };
                        DiffLine::Both {
                            left: place(one, &left_cast),
                            right: place(other, &right_cast),
                            changes: changes(left, right, self.options),
                            shift: waits.and_then(|(left, right)| self.shift(left, right)),
                        }
                    })
                }
            };
            call.lines.extend(line);
        }
    }

    fn shift(&self, left: crate::time::Span, right: crate::time::Span) -> Option<Shift> {
        let shift = right.nanos().saturating_sub(left.nanos()).saturating_abs();
        let is_much = self.options.timing.is_some_and(|most| shift > most.nanos());
        is_much.then_some(Shift { left, right })
    }
}

/// Who of the second call is who of the first, by order or by address, whatever fits better, and
/// the steps laid side by side by that.
fn best_cast(left: &[Sent<'_>], left_cast: &Cast, right: &[Sent<'_>]) -> (Cast, Alignment) {
    let ways = |sent: &[Sent<'_>], cast: &Cast| -> Vec<Way> {
        sent.iter().map(|sent| way(sent, cast)).collect()
    };
    let left_ways = ways(left, left_cast);
    let aligned = |cast: &Cast| {
        let right_ways = ways(right, cast);
        let weight = |a: usize, b: usize| {
            likeness(left.get(a)?, right.get(b)?, left_ways.get(a)? == right_ways.get(b)?)
        };
        align(left.len(), right.len(), SAME, &weight)
    };
    let by_order = Cast::of(right);
    let by_address = by_order.by_address(left_cast);
    let alignment = aligned(&by_order);
    if by_order == by_address {
        return (by_order, alignment);
    }
    let other = aligned(&by_address);
    match other.weight > alignment.weight {
        true => (by_address, other),
        false => (by_order, alignment),
    }
}

/// How much two steps are alike; none for steps that nobody would take for each other.
fn likeness(one: &Sent<'_>, other: &Sent<'_>, is_same_way: bool) -> Option<u64> {
    let is_same_place = one.is_in_dialog == other.is_in_dialog;
    let degree = |is_alike: bool| u64::from(is_alike);
    if one.is_same_kind(other) {
        if !is_same_place {
            return None;
        }
        let degrees = 1
            + degree(one.ordinal == other.ordinal)
            + degree(one.cargo.0 == other.cargo.0)
            + degree(one.cargo.1 == other.cargo.1)
            + degree(one.cargo.2 == other.cargo.2);
        let same = if is_same_way { SAME } else { 0 };
        return Some(same + degrees * DEGREE + 1);
    }
    let (status, other_status) = (one.message.status()?, other.message.status()?);
    if !is_same_way || one.message.method() != other.message.method() {
        return None;
    }
    let degrees = 2 + 2 * degree(status.class() == other_status.class()) + degree(is_same_place);
    Some(degrees * DEGREE + 1)
}

/// Sender and receiver, by their numbers.
type Way = (usize, usize);

fn way(sent: &Sent<'_>, cast: &Cast) -> Way {
    let number = |end| cast.number(end).unwrap_or_default();
    (number(sent.step.source), number(sent.step.destination))
}

fn place<'a>(sent: &Sent<'a>, cast: &Cast) -> Place<'a> {
    let (source, destination) = way(sent, cast);
    Place {
        step: sent.step,
        label: label(&sent.message),
        source,
        destination,
        repeats: sent.repeats,
        has_sdp: sent.cargo.1,
    }
}
