//! What the rules found in one capture and not in the other: by rule and shape, not by frames.

use std::collections::{BTreeMap, HashMap};

use crate::analysis::{Analysis, CallSummary};
use crate::finding::{Finding, Rule, Severity};
use crate::sip::Status;

/// A finding that the other side has not, or less often.
#[derive(Clone, Copy, Debug)]
pub struct FindingChange<'a> {
    /// The first one of its shape.
    pub finding: &'a Finding,
    /// It is in the first capture; else in the second.
    pub is_left: bool,
    /// How many more there are.
    pub count: u64,
}

/// How often a rule has findings in both captures, where that differs.
#[derive(Clone, Copy, Debug)]
pub struct RuleChange {
    /// The rule.
    pub rule: &'static Rule,
    /// The worst severity of its findings.
    pub severity: Severity,
    /// Findings in the first capture.
    pub left: u64,
    /// Findings in the second capture.
    pub right: u64,
}

/// What makes two findings the same in a comparison.
type Key = (&'static str, Severity, Vec<Status>);

fn key(finding: &Finding) -> Key {
    (finding.rule.code, finding.severity, finding.statuses.clone())
}

/// The findings of an analysis by call.
#[derive(Debug, Default)]
pub(super) struct ByCall<'a> {
    calls: HashMap<&'a str, Vec<&'a Finding>>,
    /// Findings on no call.
    pub(super) of_capture: Vec<&'a Finding>,
}

impl<'a> ByCall<'a> {
    pub(super) fn of(analysis: &'a Analysis) -> Self {
        let mut by_call = Self::default();
        for finding in &analysis.findings {
            match finding.call_id.as_deref() {
                Some(call_id) => by_call.calls.entry(call_id).or_default().push(finding),
                None => by_call.of_capture.push(finding),
            }
        }
        by_call
    }

    /// The findings of a call.
    pub(super) fn on(&self, call: &CallSummary) -> &[&'a Finding] {
        self.calls.get(call.call_id.as_str()).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Findings that only one of both has, in order of rule and severity.
pub(super) fn changes<'a>(left: &[&'a Finding], right: &[&'a Finding]) -> Vec<FindingChange<'a>> {
    let mut counts: BTreeMap<Key, [Vec<&'a Finding>; 2]> = BTreeMap::new();
    for finding in left {
        counts.entry(key(finding)).or_default()[0].push(finding);
    }
    for finding in right {
        counts.entry(key(finding)).or_default()[1].push(finding);
    }
    let change = |[left, right]: &[Vec<&'a Finding>; 2]| {
        let is_left = left.len() > right.len();
        let (more, less) = if is_left { (left, right) } else { (right, left) };
        let count = more.len().checked_sub(less.len()).filter(|count| *count > 0)?;
        let finding = *more.get(less.len())?;
        Some(FindingChange { finding, is_left, count: count as u64 })
    };
    counts.values().filter_map(change).collect()
}

/// The rules that have more findings in one capture than in the other.
pub(super) fn rules(left: &Analysis, right: &Analysis) -> Vec<RuleChange> {
    let mut rules: BTreeMap<&'static str, RuleChange> = BTreeMap::new();
    for (analysis, is_left) in [(left, true), (right, false)] {
        for finding in &analysis.findings {
            let new =
                RuleChange { rule: finding.rule, severity: finding.severity, left: 0, right: 0 };
            let known = rules.entry(finding.rule.code).or_insert(new);
            known.severity = known.severity.max(finding.severity);
            *(if is_left { &mut known.left } else { &mut known.right }) += 1;
        }
    }
    rules.into_values().filter(|rule| rule.left != rule.right).collect()
}
