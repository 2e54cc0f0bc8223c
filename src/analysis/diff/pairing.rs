//! Which call of the second capture is which of the first.
//!
//! A Call-ID that both have decides. Else calls of one kind are laid side by side in the order in
//! which they began so that the sum of their scores is the highest: first those with the same
//! users, then all that are left. A score has 100 points: 30 for the same user in From, 30 for the
//! same in To, and up to 40 for messages that are the same.

use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};

use rustc_hash::FxHasher;

use crate::analysis::diff::align::{Row, align};
use crate::analysis::{Analysis, CallSummary};
use crate::limits::DIFF_KINDS_MAX;
use crate::signaling::Kind;
use crate::sip::{Uri, head};

/// Points for the same user in From, and for the same in To.
const USER_POINTS: u64 = 30;

/// Points for the same messages.
const SHAPE_POINTS: u64 = 40;

/// Fewer points make no pair, unless only these two calls are left.
const POINTS_MIN: u64 = 40;

/// What makes two calls a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairedBy {
    /// The same Call-ID.
    CallId,
    /// The same users, or else how much alike they are.
    Likeness {
        /// Out of 100.
        points: u64,
    },
    /// No other call of the kind is left.
    Remainder,
}

/// Two calls that are compared, as places in the lists of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) left: usize,
    pub(super) right: usize,
    pub(super) by: PairedBy,
}

/// All calls of both captures.
#[derive(Clone, Debug, Default)]
pub(super) struct Pairing {
    /// In order of the first capture.
    pub(super) pairs: Vec<Pair>,
    /// Only in the first capture.
    pub(super) left: Vec<usize>,
    /// Only in the second capture.
    pub(super) right: Vec<usize>,
    /// There were so many calls that not every pairing was tried.
    pub(super) is_narrow: bool,
}

/// Pairs the calls of two captures.
pub(super) fn pair(left: &Analysis, right: &Analysis) -> Pairing {
    let mut pairing = Pairing::default();
    let (mut lefts, mut rights) = by_call_id(&left.calls, &right.calls, &mut pairing.pairs);
    let left_shapes = shapes(&left.calls, &lefts);
    let right_shapes = shapes(&right.calls, &rights);
    pairing.is_narrow = left_shapes.values().chain(right_shapes.values()).any(|own| own.is_cut);
    for same_users in [true, false] {
        let mut groups: BTreeMap<Group, [Vec<usize>; 2]> = BTreeMap::new();
        for (side, own, shapes) in [(0, &lefts, &left_shapes), (1, &rights, &right_shapes)] {
            for place in own {
                let Some(shape) = shapes.get(place) else { continue };
                let group = shape.group(same_users);
                if let Some(side) = groups.entry(group).or_default().get_mut(side) {
                    side.push(*place);
                }
            }
        }
        for [of_left, of_right] in groups.values() {
            in_order(of_left, of_right, &left_shapes, &right_shapes, &mut pairing);
        }
        keep_unpaired(&mut lefts, &mut rights, &pairing.pairs);
    }
    remainder(&lefts, &rights, &left_shapes, &right_shapes, &mut pairing.pairs);
    keep_unpaired(&mut lefts, &mut rights, &pairing.pairs);
    pairing.pairs.sort_unstable_by_key(|pair| (pair.left, pair.right));
    Pairing { left: lefts, right: rights, ..pairing }
}

fn keep_unpaired(lefts: &mut Vec<usize>, rights: &mut Vec<usize>, pairs: &[Pair]) {
    let mut paired: Vec<usize> = pairs.iter().map(|pair| pair.left).collect();
    paired.sort_unstable();
    lefts.retain(|place| paired.binary_search(place).is_err());
    let mut paired: Vec<usize> = pairs.iter().map(|pair| pair.right).collect();
    paired.sort_unstable();
    rights.retain(|place| paired.binary_search(place).is_err());
}

/// Pairs what has the same Call-ID and kind; what is left of both.
fn by_call_id(
    left: &[CallSummary],
    right: &[CallSummary],
    pairs: &mut Vec<Pair>,
) -> (Vec<usize>, Vec<usize>) {
    let key = |call: &CallSummary| (call.call_id.clone(), call.kind);
    let known: HashMap<(String, Kind), usize> =
        right.iter().enumerate().map(|(place, call)| (key(call), place)).collect();
    let mut is_taken = vec![false; right.len()];
    let mut lefts = Vec::new();
    for (place, call) in left.iter().enumerate() {
        let found = known.get(&key(call)).copied();
        match found.and_then(|found| is_taken.get_mut(found)) {
            Some(taken) if !*taken => {
                *taken = true;
                let right = found.unwrap_or_default();
                pairs.push(Pair { left: place, right, by: PairedBy::CallId });
            }
            Some(_) | None => lefts.push(place),
        }
    }
    let free = is_taken.iter().enumerate().filter(|(_, taken)| !**taken);
    (lefts, free.map(|(place, _)| place).collect())
}

/// Pairs calls in the order in which they began.
fn in_order(
    lefts: &[usize],
    rights: &[usize],
    left_shapes: &HashMap<usize, Shape>,
    right_shapes: &HashMap<usize, Shape>,
    pairing: &mut Pairing,
) {
    if lefts.is_empty() || rights.is_empty() {
        return;
    }
    let points = |a: usize, b: usize| {
        let left = left_shapes.get(lefts.get(a)?)?;
        Some(left.points(right_shapes.get(rights.get(b)?)?))
    };
    let weight = |a: usize, b: usize| {
        points(a, b).filter(|points| *points >= POINTS_MIN).map(|points| points << 24 | 1)
    };
    let full = (2 * USER_POINTS + SHAPE_POINTS) << 24;
    let alignment = align(lefts.len(), rights.len(), full, &weight);
    pairing.is_narrow |= alignment.is_narrow;
    for row in alignment.rows {
        let Row::Both(a, b) = row else { continue };
        let (Some(left), Some(right)) = (lefts.get(a), rights.get(b)) else { continue };
        let by = PairedBy::Likeness { points: points(a, b).unwrap_or_default() };
        pairing.pairs.push(Pair { left: *left, right: *right, by });
    }
}

/// Pairs the last call of a kind on both sides.
fn remainder(
    lefts: &[usize],
    rights: &[usize],
    left_shapes: &HashMap<usize, Shape>,
    right_shapes: &HashMap<usize, Shape>,
    pairs: &mut Vec<Pair>,
) {
    let mut last: BTreeMap<Kind, [Vec<usize>; 2]> = BTreeMap::new();
    for (side, own, shapes) in [(0, lefts, left_shapes), (1, rights, right_shapes)] {
        for place in own {
            let Some(shape) = shapes.get(place) else { continue };
            if let Some(side) = last.entry(shape.kind).or_default().get_mut(side) {
                side.push(*place);
            }
        }
    }
    for sides in last.values() {
        if let [[left], [right]] = [sides[0].as_slice(), sides[1].as_slice()] {
            pairs.push(Pair { left: *left, right: *right, by: PairedBy::Remainder });
        }
    }
}

/// Calls that may be pairs.
type Group = (Kind, Option<(String, String)>);

/// A call, reduced to what tells how much it is like another one.
#[derive(Debug)]
struct Shape {
    kind: Kind,
    from: String,
    to: String,
    /// How many messages of each kind, in order of the kinds.
    messages: Vec<(u64, u64)>,
    /// There are more kinds.
    is_cut: bool,
}

fn shapes(calls: &[CallSummary], places: &[usize]) -> HashMap<usize, Shape> {
    let of = |place: &usize| Some((*place, Shape::of(calls.get(*place)?)));
    places.iter().filter_map(of).collect()
}

impl Shape {
    fn of(call: &CallSummary) -> Self {
        let (mut messages, mut is_cut): (BTreeMap<u64, u64>, bool) = (BTreeMap::new(), false);
        let caller = call.transcript.first().map(|step| step.source);
        for step in call.transcript.iter().filter(|step| !step.is_retransmission) {
            let Some(head) = head(&step.bytes) else { continue };
            let mut hasher = FxHasher::default();
            head.status().hash(&mut hasher);
            head.method().map(|method| method.as_bytes().to_vec()).hash(&mut hasher);
            (Some(step.source) == caller).hash(&mut hasher);
            let kind = hasher.finish();
            if messages.len() < DIFF_KINDS_MAX || messages.contains_key(&kind) {
                *messages.entry(kind).or_default() += 1;
            } else {
                is_cut = true;
            }
        }
        Self {
            kind: call.kind,
            from: user(call.from_uri.as_deref()),
            to: user(call.to_uri.as_deref()),
            messages: messages.into_iter().collect(),
            is_cut,
        }
    }

    fn group(&self, same_users: bool) -> Group {
        (self.kind, same_users.then(|| (self.from.clone(), self.to.clone())))
    }

    fn points(&self, other: &Self) -> u64 {
        let user = |is_same: bool| if is_same { USER_POINTS } else { 0 };
        user(self.from == other.from) + user(self.to == other.to) + self.likeness(other)
    }

    /// Twice the messages that both have, out of all messages of both.
    fn likeness(&self, other: &Self) -> u64 {
        let sum = |shape: &Self| shape.messages.iter().map(|(_, count)| count).sum::<u64>();
        let all = sum(self) + sum(other);
        let shared = self.messages.iter().filter_map(|(kind, count)| {
            let place = other.messages.binary_search_by_key(kind, |(kind, _)| *kind).ok()?;
            other.messages.get(place).map(|(_, others)| *count.min(others))
        });
        match all {
            0 => SHAPE_POINTS,
            all => shared.sum::<u64>() * 2 * SHAPE_POINTS / all,
        }
    }
}

/// The user of a URI, the host of one without a user, or else all of it.
fn user(uri: Option<&str>) -> String {
    let uri = Uri::parse(uri.unwrap_or_default().as_bytes());
    let host = || uri.host().map(|host| host.as_str().into_owned());
    let user = uri.user_text().map(std::borrow::Cow::into_owned);
    user.or_else(host).unwrap_or_else(|| uri.as_str().into_owned())
}
