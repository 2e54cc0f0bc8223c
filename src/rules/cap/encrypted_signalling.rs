#![doc = include_str!("encrypted_signalling.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::packet::Endpoint;
use crate::signaling::{Facts, SipEvidence};
use crate::transport::Encrypted;

pub(crate) static RULE: Rule = Rule {
    code: "CAP108",
    name: "encrypted-signalling",
    severity: Severity::Info,
    since: "0.1.0",
    entry: include_str!("encrypted_signalling.md"),
    thresholds: &[],
    gate: Gate::CAPTURE,
    check: Check::Capture(check),
};

/// Clients and frames that a finding names.
const EXAMPLES_MAX: usize = 3;

fn check(facts: &Facts, findings: &mut Findings<'_>) {
    let sip = facts.encrypted.values().filter_map(|one| Some((one, confidence(one, facts)?)));
    let sip: Vec<(&Encrypted, Confidence)> = sip.collect();
    for of_server in sip.chunk_by(|(one, _), (other, _)| one.server == other.server) {
        if let Some((first, _)) = of_server.first() {
            report(first.server, of_server, findings);
        }
    }
}

/// How sure it is that the bytes are SIP; nothing if it is not.
fn confidence(encrypted: &Encrypted, facts: &Facts) -> Option<Confidence> {
    let Encrypted { server, client, names_sip, .. } = encrypted;
    Some(match facts.evidence_of_sip(*server, *client, *names_sip)? {
        SipEvidence::Handshake => Confidence::Certain,
        SipEvidence::Port => Confidence::Likely,
        SipEvidence::Peers => Confidence::Possible,
    })
}

fn report(server: Endpoint, peers: &[(&Encrypted, Confidence)], findings: &mut Findings<'_>) {
    let confidence = peers.iter().map(|(_, confidence)| *confidence).max();
    let sum = |count: fn(&Encrypted) -> u64| peers.iter().map(|(one, _)| count(one)).sum::<u64>();
    let mut firsts: Vec<_> = peers.iter().map(|(one, _)| (one.first, *one)).collect();
    firsts.sort_by_key(|(first, _)| *first);
    let name = firsts.iter().find_map(|(_, one)| one.server_name.as_deref());
    firsts.truncate(EXAMPLES_MAX);
    let clients = firsts.iter().map(|(_, one)| Value::Text(one.client.to_string()));
    findings.report(
        Report::on_capture()
            .to(server)
            .confidence(confidence.unwrap_or(Confidence::Possible))
            .frames(firsts.iter().map(|(first, _)| *first))
            .with("server", server)
            .with_some("server_name", name.map(Value::quoted))
            .with("clients", peers.len())
            .with("peers", Value::List(clients.collect()))
            .with("connections", sum(|one| one.flows))
            .with("records", sum(|one| one.records))
            .with("bytes", sum(|one| one.bytes)),
    );
}
