//! What a report tells one after the other: incidents, and the findings that belong to none.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::analysis::{Analysis, Incident};
use crate::catalogue::Labels;
use crate::finding::{Confidence, Finding, Severity};
use crate::report::text::parts::FAILED;

/// A finding, or several that are one incident.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    /// The finding; of an incident an example.
    pub(super) finding: &'a Finding,
    /// The worst severity.
    pub(super) severity: Severity,
    /// What it is an example of.
    pub(super) incident: Option<&'a Incident>,
}

impl Entry<'_> {
    /// It tells why calls failed: how they ended, or what broke them although they were answered.
    pub(super) fn explains_failures(&self) -> bool {
        let finding = self.finding;
        let ended = finding.ending.is_some();
        let failed = finding.call_fate.is_some_and(|fate| FAILED.contains(&fate));
        let is_broken = self.severity == Severity::Error && finding.call_fate.is_some();
        (ended && failed) || is_broken
    }

    /// It is one reading of several.
    pub(super) fn is_doubtful(&self) -> bool {
        self.finding.confidence == Confidence::Possible
    }

    /// How much it says of the captures as a whole: first what explains most failed calls, where an
    /// error counts as three warnings and what is only possible as a third; else the worst.
    pub(super) fn weight(&self) -> (u64, Severity, bool) {
        let calls = self.incident.map_or(1, |incident| incident.calls);
        let failed = if self.explains_failures() { calls } else { 0 };
        let factor = match (self.severity, self.is_doubtful()) {
            (Severity::Error, false) => 9,
            (Severity::Error, true) | (Severity::Warn, false) => 3,
            (Severity::Warn, true) => 1,
            (Severity::Info, _) => 0,
        };
        (failed * factor, self.severity, !self.is_doubtful())
    }

    /// ` x12`, empty for a finding that stands alone.
    pub(super) fn times(&self, words: Labels) -> String {
        self.incident.map(|own| format!(" x{}", words.count(own.count))).unwrap_or_default()
    }
}

/// Incidents, then what belongs to none, the worst of each severity first.
pub(super) fn entries(analysis: &Analysis) -> Vec<Entry<'_>> {
    let incidents = analysis.incidents.iter();
    let folded: BTreeSet<usize> = incidents.clone().flat_map(|i| &i.findings).copied().collect();
    let incidents = incidents.filter_map(|incident| {
        let of = incident.findings.iter().filter_map(|place| analysis.findings.get(*place));
        let finding = of.clone().find(|finding| !finding.ladder.is_empty());
        let finding = finding.or(of.clone().next())?;
        Some(Entry { finding, severity: incident.severity, incident: Some(incident) })
    });
    let single = analysis.findings.iter().enumerate();
    let single = single.filter(|(place, _)| !folded.contains(place)).map(|(_, finding)| Entry {
        finding,
        severity: finding.severity,
        incident: None,
    });
    let mut entries: Vec<Entry<'_>> = incidents.chain(single).collect();
    entries.sort_by_key(|entry| Reverse(entry.severity));
    entries
}
