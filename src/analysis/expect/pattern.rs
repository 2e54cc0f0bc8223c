//! Messages held against what was expected: the cheapest way from one to the other.
//!
//! The steps become the states of a machine, and the messages are led through it with as few
//! missing and unexpected ones as possible, as in a comparison of texts. Knows nothing of SIP:
//! whether a message fits a step is asked of others.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::steps::{Node, Order, Step, Steps, Times};
use crate::limits::{COMPARED_STEPS_MAX, PATTERN_STATES_MAX};

/// A message that `...` takes: dearer than one that a step asks for.
const PASSED: u64 = 1;

/// A step without its message, or a message without its step.
const LACKING: u64 = 1 << 24;

/// A message that resembles the one of the step: dearer than either alone, cheaper than both.
const INSTEAD: u64 = LACKING + LACKING / 2;

/// The steps as states with ways between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    states: Vec<Vec<Way>>,
    end: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Without a message.
    Free(usize),
    /// With the message of that leaf.
    Step { leaf: usize, to: usize },
    /// Stays where it is with any message.
    Anything,
}

/// What became of a step or a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// The message is the one of the step.
    Same { leaf: usize, message: usize },
    /// The message came instead of the one of the step.
    Instead { leaf: usize, message: usize },
    /// The message of the step did not come.
    Missing { leaf: usize },
    /// No step asks for the message.
    Unexpected { message: usize },
    /// `...` takes the message.
    Passed { message: usize },
}

/// More states than are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

impl Pattern {
    /// The states of these steps.
    ///
    /// # Errors
    ///
    /// When there would be too many of them.
    pub(super) fn new(steps: &Steps) -> Result<Self, TooLarge> {
        let mut maker = Maker { states: vec![Vec::new()], leaves: &steps.leaves };
        let end = maker.sequence(&steps.nodes, 0)?;
        Ok(Self { states: maker.states, end })
    }

    /// The cheapest way of so many messages through the states; none where that is too much work.
    ///
    /// `fits` and `resembles` tell of a leaf and a message whether the message is the one that is
    /// asked for, or like it.
    pub(super) fn align(
        &self,
        messages: usize,
        fits: &dyn Fn(usize, usize) -> bool,
        resembles: &dyn Fn(usize, usize) -> bool,
    ) -> Option<Vec<Move>> {
        let width = self.states.len();
        if width.checked_mul(messages + 1)? > COMPARED_STEPS_MAX {
            return None;
        }
        let mut columns = Columns { back: Vec::with_capacity(messages + 1), fits, resembles };
        let mut costs = vec![u64::MAX; width];
        if let Some(first) = costs.first_mut() {
            *first = 0;
        }
        let mut back = vec![Back::NONE; width];
        for message in 0..=messages {
            self.settle(&mut costs, &mut back);
            let (next, next_back) = match message < messages {
                true => self.advance(&costs, message, &columns),
                false => (Vec::new(), Vec::new()),
            };
            columns.back.push(std::mem::replace(&mut back, next_back));
            if message < messages {
                costs = next;
            }
        }
        Some(self.walk(messages, &columns.back))
    }

    /// What can be reached with the same messages.
    fn settle(&self, costs: &mut [u64], back: &mut [Back]) {
        let mut queue: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
        let reached = costs.iter().enumerate().filter(|(_, cost)| **cost < u64::MAX);
        queue.extend(reached.map(|(state, cost)| Reverse((*cost, state))));
        while let Some(Reverse((cost, state))) = queue.pop() {
            if costs.get(state).is_none_or(|known| *known < cost) {
                continue;
            }
            for way in self.ways(state) {
                let (to, step, extra) = match *way {
                    Way::Free(to) => (to, Taken::Free, 0),
                    Way::Step { leaf, to } => (to, Taken::Missing(leaf), LACKING),
                    Way::Anything => continue,
                };
                let (Some(known), Some(place)) = (costs.get_mut(to), back.get_mut(to)) else {
                    continue;
                };
                // Of two ways that are as good, the message that came later is the one missing.
                if cost + extra < *known {
                    (*known, *place) = (cost + extra, Back { from: state, step });
                    queue.push(Reverse((cost + extra, to)));
                } else if cost + extra == *known && extra > 0 {
                    *place = Back { from: state, step };
                }
            }
        }
    }

    /// What can be reached with one more message.
    fn advance(
        &self,
        costs: &[u64],
        message: usize,
        columns: &Columns<'_>,
    ) -> (Vec<u64>, Vec<Back>) {
        let mut next = vec![u64::MAX; costs.len()];
        let mut back = vec![Back::NONE; costs.len()];
        let mut offer = |to: usize, cost: u64, came: Back| {
            if let (Some(known), Some(place)) = (next.get_mut(to), back.get_mut(to))
                && cost < *known
            {
                (*known, *place) = (cost, came);
            }
        };
        // From the end, so that of two equal messages the first one is the one expected.
        for (state, cost) in costs.iter().enumerate().rev().filter(|(_, cost)| **cost < u64::MAX) {
            offer(state, cost + LACKING, Back { from: state, step: Taken::Unexpected });
            for way in self.ways(state) {
                match *way {
                    Way::Free(_) => {}
                    Way::Anything => {
                        offer(state, cost + PASSED, Back { from: state, step: Taken::Passed });
                    }
                    Way::Step { leaf, to } if (columns.fits)(leaf, message) => {
                        offer(to, *cost, Back { from: state, step: Taken::Same(leaf) });
                    }
                    Way::Step { leaf, to } if (columns.resembles)(leaf, message) => {
                        offer(to, cost + INSTEAD, Back { from: state, step: Taken::Instead(leaf) });
                    }
                    Way::Step { .. } => {}
                }
            }
        }
        (next, back)
    }

    /// The way back from the end.
    fn walk(&self, messages: usize, back: &[Vec<Back>]) -> Vec<Move> {
        let mut moves = Vec::new();
        let (mut message, mut state) = (messages, self.end);
        while message > 0 || state != 0 {
            let Some(came) = back.get(message).and_then(|column| column.get(state)) else { break };
            let before = message.saturating_sub(1);
            match came.step {
                Taken::Nothing => break,
                Taken::Free => {}
                Taken::Missing(leaf) => moves.push(Move::Missing { leaf }),
                Taken::Same(leaf) => moves.push(Move::Same { leaf, message: before }),
                Taken::Instead(leaf) => moves.push(Move::Instead { leaf, message: before }),
                Taken::Unexpected => moves.push(Move::Unexpected { message: before }),
                Taken::Passed => moves.push(Move::Passed { message: before }),
            }
            if !matches!(came.step, Taken::Free | Taken::Missing(_)) {
                message = before;
            }
            state = came.from;
        }
        moves.reverse();
        moves
    }

    fn ways(&self, state: usize) -> &[Way] {
        self.states.get(state).map(Vec::as_slice).unwrap_or_default()
    }
}

/// How a state was reached.
#[derive(Clone, Copy, Debug)]
struct Back {
    from: usize,
    step: Taken,
}

impl Back {
    const NONE: Self = Self { from: 0, step: Taken::Nothing };
}

#[derive(Clone, Copy, Debug)]
enum Taken {
    Nothing,
    Free,
    Missing(usize),
    Same(usize),
    Instead(usize),
    Unexpected,
    Passed,
}

struct Columns<'c> {
    back: Vec<Vec<Back>>,
    fits: &'c dyn Fn(usize, usize) -> bool,
    resembles: &'c dyn Fn(usize, usize) -> bool,
}

struct Maker<'s> {
    states: Vec<Vec<Way>>,
    leaves: &'s [Step],
}

impl Maker<'_> {
    fn state(&mut self) -> Result<usize, TooLarge> {
        if self.states.len() >= PATTERN_STATES_MAX {
            return Err(TooLarge);
        }
        self.states.push(Vec::new());
        Ok(self.states.len() - 1)
    }

    fn way(&mut self, from: usize, way: Way) {
        if let Some(ways) = self.states.get_mut(from) {
            ways.push(way);
        }
    }

    fn sequence(&mut self, nodes: &[Node], from: usize) -> Result<usize, TooLarge> {
        nodes.iter().try_fold(from, |from, node| self.node(node, from))
    }

    fn node(&mut self, node: &Node, from: usize) -> Result<usize, TooLarge> {
        match node {
            Node::Rest => {
                let rest = self.state()?;
                self.way(from, Way::Free(rest));
                self.way(rest, Way::Anything);
                let end = self.state()?;
                self.way(rest, Way::Free(end));
                Ok(end)
            }
            Node::Step(leaf) => {
                let times = self.times(*leaf);
                self.repeat(times, from, &mut |maker, from| {
                    let to = maker.state()?;
                    maker.way(from, Way::Step { leaf: *leaf, to });
                    Ok(to)
                })
            }
            Node::Group { order, branches, times } => {
                self.repeat(*times, from, &mut |maker, from| match order {
                    Order::Sequence => {
                        let nodes = branches.first().map(Vec::as_slice).unwrap_or_default();
                        maker.sequence(nodes, from)
                    }
                    Order::Any => {
                        let nodes = branches.first().map(Vec::as_slice).unwrap_or_default();
                        maker.any_order(nodes, from)
                    }
                    Order::Either => {
                        let end = maker.state()?;
                        for branch in branches {
                            let done = maker.sequence(branch, from)?;
                            maker.way(done, Way::Free(end));
                        }
                        Ok(end)
                    }
                })
            }
        }
    }

    fn times(&self, leaf: usize) -> Times {
        self.leaves.get(leaf).map_or(Times { min: 1, max: Some(1) }, |step| step.times)
    }

    fn repeat(
        &mut self,
        times: Times,
        mut from: usize,
        body: &mut dyn FnMut(&mut Self, usize) -> Result<usize, TooLarge>,
    ) -> Result<usize, TooLarge> {
        for _ in 0..times.min {
            from = body(self, from)?;
        }
        let end = self.state()?;
        match times.max {
            None => {
                let start = self.state()?;
                self.way(from, Way::Free(start));
                self.way(start, Way::Free(end));
                let again = body(self, start)?;
                self.way(again, Way::Free(start));
            }
            Some(max) => {
                for _ in times.min..max {
                    self.way(from, Way::Free(end));
                    from = body(self, from)?;
                }
                self.way(from, Way::Free(end));
            }
        }
        Ok(end)
    }

    /// A state for each set of nodes that have come; a message that may come any number of times
    /// leads from a set to itself.
    fn any_order(&mut self, nodes: &[Node], from: usize) -> Result<usize, TooLarge> {
        let sets = 1_usize << nodes.len();
        let mut states = vec![from];
        for _ in 1..sets {
            states.push(self.state()?);
        }
        // A repeat must not lead back before the group: its first set has a state of its own.
        let first = self.state()?;
        self.way(from, Way::Free(first));
        if let Some(state) = states.first_mut() {
            *state = first;
        }
        for (set, state) in states.clone().into_iter().enumerate() {
            for (place, node) in nodes.iter().enumerate() {
                let bit = 1 << place;
                let often = self.often(node);
                let is_done = set & bit != 0;
                if let Some((leaf, _)) = often.filter(|(_, min)| is_done || *min == 0) {
                    self.way(state, Way::Step { leaf, to: state });
                }
                let Some(next) = states.get(set | bit).copied().filter(|_| !is_done) else {
                    continue;
                };
                match often {
                    Some((_, 0)) => self.way(state, Way::Free(next)),
                    Some((leaf, _)) => self.way(state, Way::Step { leaf, to: next }),
                    None => {
                        let done = self.node(node, state)?;
                        self.way(done, Way::Free(next));
                    }
                }
            }
        }
        Ok(states.last().copied().unwrap_or(from))
    }

    /// The leaf that may come without end, and how often at least: once or not at all.
    fn often(&self, node: &Node) -> Option<(usize, u32)> {
        let Node::Step(leaf) = node else { return None };
        let times = self.times(*leaf);
        (times.max.is_none() && times.min <= 1).then_some((*leaf, times.min))
    }
}

#[cfg(test)]
mod tests {
    use super::super::steps::{Kind, Text};
    use super::*;

    /// Letters are steps and messages: `A > B X` fits `X`, and capitals resemble each other.
    fn aligned(steps: &[&str], messages: &str) -> String {
        let texts: Vec<String> = steps
            .iter()
            .map(|step| match step.ends_with('{') || step.starts_with('}') || *step == "..." {
                true => (*step).to_owned(),
                false => format!("a > b {step}"),
            })
            .collect();
        let texts: Vec<_> = texts.iter().map(|text| Text { text, line: 1, at: 0 }).collect();
        let steps = Steps::parse(&texts).expect("steps");
        let pattern = Pattern::new(&steps).expect("small");
        let messages: Vec<char> = messages.chars().collect();
        let method = |leaf: usize| match steps.leaves[leaf].kinds.first() {
            Some(Kind::Request { method, .. }) => method.chars().next().expect("a letter"),
            other => panic!("{other:?}"),
        };
        let fits = |leaf: usize, message: usize| method(leaf) == messages[message];
        let alike = |leaf: usize, message: usize| method(leaf) == 'X' && messages[message] == 'Y';
        let moves = pattern.align(messages.len(), &fits, &alike).expect("small");
        let shown = moves.iter().map(|step| match *step {
            Move::Same { message, .. } => format!("{}", messages[message]),
            Move::Instead { leaf, message } => format!("-{}+{}", method(leaf), messages[message]),
            Move::Missing { leaf } => format!("-{}", method(leaf)),
            Move::Unexpected { message } => format!("+{}", messages[message]),
            Move::Passed { message } => format!(".{}", messages[message]),
        });
        shown.collect()
    }

    #[test]
    fn what_is_expected_is_seen() {
        assert_eq!(aligned(&["A", "B?", "C*", "D"], "ACCD"), "ACCD");
        assert_eq!(aligned(&["A", "B?", "C*", "D"], "ABD"), "ABD");
        assert_eq!(aligned(&["A{2,3}", "B+"], "AAABB"), "AAABB");
        assert_eq!(aligned(&[], ""), "");
    }

    #[test]
    fn what_lacks_or_is_too_much_is_told() {
        assert_eq!(aligned(&["A", "B", "C"], "AC"), "A-BC");
        assert_eq!(aligned(&["A", "C"], "ABC"), "A+BC");
        assert_eq!(aligned(&["A", "X", "C"], "AYC"), "A-X+YC");
        assert_eq!(aligned(&["A", "B"], "BA"), "-AB+A");
        assert_eq!(aligned(&["A", "A"], "A"), "A-A");
        assert_eq!(aligned(&["A"], "AA"), "A+A");
        assert_eq!(aligned(&["A", "B"], ""), "-A-B");
        assert_eq!(aligned(&[], "AB"), "+A+B");
        assert_eq!(aligned(&["A{2}"], "AAA"), "AA+A");
    }

    #[test]
    fn groups_come_in_any_order_or_one_of_them() {
        let any = ["any order {", "A", "B", "C", "}", "D"];
        for messages in ["ABCD", "CBAD", "BACD"] {
            assert_eq!(aligned(&any, messages), messages);
        }
        assert_eq!(aligned(&any, "CAD"), "CA-BD");
        let often = ["any order {", "A", "B*", "C+", "}", "D"];
        for messages in ["BABCBCD", "CAD", "ACBBD"] {
            assert_eq!(aligned(&often, messages), messages);
        }
        assert_eq!(aligned(&often, "BABD"), "BAB-CD");
        let either = ["either {", "A", "B", "} or {", "C", "}", "D"];
        assert_eq!(aligned(&either, "ABD"), "ABD");
        assert_eq!(aligned(&either, "CD"), "CD");
        let again = ["{", "A", "B", "}+", "any order {", "C", "D?", "}*"];
        assert_eq!(aligned(&again, "ABABDCC"), "ABABDCC");
    }

    #[test]
    fn a_rest_takes_what_no_step_asks_for() {
        assert_eq!(aligned(&["A", "...", "D"], "ABCD"), "A.B.CD");
        assert_eq!(aligned(&["A", "...", "D", "..."], "ADED"), "AD.E.D");
        assert_eq!(aligned(&["...", "D"], "ABC"), ".A.B.C-D");
    }

    #[test]
    fn too_much_work_is_refused() {
        let texts: Vec<_> =
            (0..30).map(|_| Text { text: "a > b INFO{100}", line: 1, at: 0 }).collect();
        let steps = Steps::parse(&texts).expect("steps");
        let pattern = Pattern::new(&steps);
        let is_refused = match pattern {
            Err(TooLarge) => true,
            Ok(pattern) => pattern.align(1 << 20, &|_, _| true, &|_, _| false).is_none(),
        };
        assert!(is_refused);
    }
}
