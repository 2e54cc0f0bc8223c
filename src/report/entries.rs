//! What a report tells one after the other: incidents, and the findings that belong to none.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::analysis::{Analysis, Incident};
use crate::catalogue::Labels;
use crate::finding::{Finding, Severity};

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
