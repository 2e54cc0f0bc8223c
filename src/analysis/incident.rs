//! Findings of one cause, folded.

use std::collections::BTreeMap;

use crate::analysis::{Host, Peer};
use crate::finding::{Finding, Rule, Severity};
use crate::sip::Status;
use crate::time::{Span, Time};

/// Call-IDs named as examples.
const EXAMPLES_MAX: usize = 3;

/// A pause after which the same fault is another incident.
const PAUSE: Span = Span::from_secs(600);

/// Several findings of one rule on one server with one status, close in time.
#[derive(Clone, Debug)]
pub struct Incident {
    /// The rule.
    pub rule: &'static Rule,
    /// The worst severity among the findings.
    pub severity: Severity,
    /// How many findings there are.
    pub count: u64,
    /// The host that is responsible, as far as the findings say.
    pub server: Option<Host>,
    /// The status that they share.
    pub status: Option<Status>,
    /// The time of the first one.
    pub first_time: Option<Time>,
    /// The time of the last one.
    pub last_time: Option<Time>,
    /// Calls that the server had to set up, where the incident is about calls.
    pub server_calls: Option<u64>,
    /// Distinct calls among the findings.
    pub calls: u64,
    /// The Call-IDs of the first ones, safe to show.
    pub call_ids: Vec<String>,
    /// The findings, as places in [`Analysis::findings`](crate::analysis::Analysis::findings).
    pub findings: Vec<usize>,
}

impl Incident {
    /// How many of the calls to the server it is, in percent.
    pub fn share(&self) -> Option<f64> {
        let whole = self.server_calls.filter(|calls| *calls > 0)?;
        Some((self.calls as f64 * 100.0 / whole as f64).min(100.0))
    }
}

/// Folds findings that have their cause in common; those that stand alone are left out.
pub(crate) fn fold(findings: &[Finding], peers: &BTreeMap<Host, Peer>) -> Vec<Incident> {
    let mut groups: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (place, finding) in findings.iter().enumerate() {
        if finding.call_id.is_none() {
            continue;
        }
        let server = finding.server.map(|server| server.address);
        let status = finding.status();
        groups.entry((finding.rule.code, server, status)).or_default().push(place);
    }
    let mut incidents = Vec::new();
    for ((_, server, status), mut places) in groups {
        let time = |place: &usize| findings.get(*place).and_then(|finding| finding.time);
        places.sort_by_key(|place| (time(place), *place));
        let spells = places.chunk_by(|a, b| match (time(a), time(b)) {
            (Some(a), Some(b)) => b.since(a) <= PAUSE,
            _ => true,
        });
        for spell in spells.filter(|spell| spell.len() > 1) {
            incidents.extend(incident(findings, spell, (server, status), peers));
        }
    }
    incidents.sort_by(|a, b| {
        (b.severity, b.count)
            .cmp(&(a.severity, a.count))
            .then_with(|| (a.findings.first(), a.rule.code).cmp(&(b.findings.first(), b.rule.code)))
    });
    incidents
}

fn incident(
    findings: &[Finding],
    places: &[usize],
    (server, status): (Option<Host>, Option<Status>),
    peers: &BTreeMap<Host, Peer>,
) -> Option<Incident> {
    let own = || places.iter().filter_map(|place| findings.get(*place));
    let mut call_ids: Vec<String> = Vec::new();
    for call_id in own().filter_map(|finding| finding.call_id.as_ref()) {
        if call_ids.len() < EXAMPLES_MAX && !call_ids.contains(call_id) {
            call_ids.push(call_id.clone());
        }
    }
    let mut calls: Vec<_> = own().filter_map(|finding| finding.call_id.as_ref()).collect();
    calls.sort_unstable();
    calls.dedup();
    // The name of what became of it tells a call from other uses of a Call-ID.
    let is_of_calls = own().all(|finding| finding.call_fate.is_some());
    let peer = server.and_then(|server| peers.get(&server)).filter(|_| is_of_calls);
    Some(Incident {
        rule: own().next()?.rule,
        severity: own().map(|finding| finding.severity).max()?,
        count: places.len() as u64,
        server,
        status,
        first_time: own().filter_map(|finding| finding.time).min(),
        last_time: own().filter_map(|finding| finding.time).max(),
        server_calls: peer.map(|peer| peer.calls),
        calls: calls.len() as u64,
        call_ids,
        findings: places.to_vec(),
    })
}
