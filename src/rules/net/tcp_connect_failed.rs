#![doc = include_str!("tcp_connect_failed.md")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::media::Media;
use crate::packet::Endpoint;
use crate::signaling::{Call, Facts, Traits, Transaction};
use crate::sip::Status;
use crate::transport::{Disruption, DisruptionKind};

pub(crate) static RULE: Rule = Rule {
    code: "NET204",
    name: "tcp-connect-failed",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("tcp_connect_failed.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::DISRUPTION]),
    check: Check::Both { each, capture },
};

/// The registered ports of SIP (RFC 3261, section 19.1.2).
const SIP_PORTS: [u16; 2] = [5060, 5061];

/// Who tries so many servers in vain is a scanner, and has a rule of its own.
const SCANNED_MIN: usize = 10;

fn each(call: &Call<'_>, _: Media<'_>, findings: &mut Findings<'_>) {
    if call.network().is_calm() {
        return;
    }
    for hop in &call.transactions {
        let Some(failed) = call.failed_connect_of(hop) else { continue };
        let attempt = call.attempts.iter().find(|attempt| attempt.hops.contains(&hop.index));
        let is_resolved = match attempt {
            Some(attempt) => attempt.is_answered() || attempt.is_resolved(call),
            None => call.got_through(hop),
        };
        if !is_resolved {
            findings.report(on_hop(hop, failed));
        }
    }
}

fn on_hop(hop: &Transaction<'_>, failed: &Disruption) -> Report {
    // Others may have wanted the same connection at the same time.
    let target = hop.request.and_then(|request| request.request_uri());
    let server = failed.destination.address.to_string();
    let is_target = target
        .is_some_and(|uri| uri.host().is_some_and(|host| host.as_bytes() == server.as_bytes()));
    let confidence = if is_target { Confidence::Likely } else { Confidence::Possible };
    let sent = hop.started().unwrap_or_default();
    let report = Report::on(hop)
        .between(failed.source, failed.destination)
        .at(hop.request)
        .at(hop.final_response())
        .confidence(confidence)
        .with_some("status", hop.final_status().map(Status::code))
        .with("after_ms", failed.first().since(sent));
    let report = match hop.final_status() {
        Some(status) => report.status(status),
        None => report,
    };
    described(report, &[failed])
}

/// Connections that no call is known to have needed.
fn capture(facts: &Facts, findings: &mut Findings<'_>) {
    let is_explained = |failed: &Disruption| {
        failed.frames.first().is_some_and(|(frame, _)| facts.explained_connects.contains(frame))
    };
    let mut targets: BTreeMap<IpAddr, BTreeSet<Endpoint>> = BTreeMap::new();
    let mut groups: BTreeMap<(Endpoint, IpAddr), Vec<&Disruption>> = BTreeMap::new();
    for failed in &facts.failed_connects {
        let client = failed.source.address;
        targets.entry(client).or_default().insert(failed.destination);
        if !is_explained(failed) && SIP_PORTS.contains(&failed.destination.port) {
            groups.entry((failed.destination, client)).or_default().push(failed);
        }
    }
    for ((server, client), group) in groups {
        let is_scanner = targets.get(&client).is_some_and(|own| own.len() >= SCANNED_MIN);
        let Some(first) = group.first().filter(|_| !is_scanner) else { continue };
        let is_silent = group.iter().all(|failed| failed.kind == DisruptionKind::Unanswered);
        let confidence = match (is_silent, facts.has_way(server.address, client)) {
            (false, _) => Confidence::Certain,
            (true, true) => Confidence::Likely,
            (true, false) => Confidence::Possible,
        };
        // They talk all the same, perhaps over UDP.
        let severity = match facts.has_sip_between(server.address, client) {
            true => Severity::Warn,
            false => Severity::Error,
        };
        let report = Report::on_capture()
            .between(first.source, server)
            .confidence(confidence)
            .severity(severity);
        findings.report(described(report, &group));
    }
}

fn described(report: Report, group: &[&Disruption]) -> Report {
    let Some(first) = group.first() else { return report };
    let how = match first.kind {
        DisruptionKind::Icmp(kind) => kind.name(),
        DisruptionKind::Refused => "refused",
        DisruptionKind::Unanswered => "no-answer",
        DisruptionKind::Reset | DisruptionKind::Closed => "closed",
    };
    /// Connections whose frames are named.
    const EXAMPLES_MAX: usize = 3;
    let frames = group.iter().take(EXAMPLES_MAX).flat_map(|failed| failed.frames.iter().copied());
    report
        .frames(frames)
        .with("server", first.destination)
        .with("how", Value::Word(how))
        .with("reporter", Value::Text(first.reporter.to_string()))
        .with("tries", group.iter().map(|failed| failed.count).sum::<u64>())
}
