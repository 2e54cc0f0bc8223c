#![doc = include_str!("tls_handshake_failed.md")]

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::media::Media;
use crate::packet::Endpoint;
use crate::signaling::{Call, Facts, SipEvidence, Traits, Transaction};
use crate::time::Span;
use crate::transport::{Alert, Disruption, Failed, Failure, Handshakes};

pub(crate) static RULE: Rule = Rule {
    code: "NET205",
    name: "tls-handshake-failed",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("tls_handshake_failed.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::DISRUPTION]),
    check: Check::Both { each, capture },
};

/// A server that has the ClientHello answers at once; this is long for the slowest.
const SERVER_HELLO_WAIT: Span = Span::from_secs(10);

/// The port of SIP without TLS (RFC 3261, section 19.1.2).
const PLAIN_PORT: u16 = 5060;

/// Who fails with so many servers is a scanner, and has a rule of its own.
const SCANNED_MIN: usize = 10;

/// Plain text that was sent to a port of TLS.
fn each(call: &Call<'_>, _: Media<'_>, findings: &mut Findings<'_>) {
    if call.network().is_calm() {
        return;
    }
    for hop in &call.transactions {
        let Some(end) = call.broken_off(hop) else { continue };
        if let Some(alert) = end.last_words.and_then(|words| words.alert) {
            findings.report(on_hop(hop, end, alert));
        }
    }
}

fn on_hop(hop: &Transaction<'_>, end: &Disruption, alert: Alert) -> Report {
    Report::on(hop)
        .at(hop.request)
        .frames(end.frames.iter().copied())
        .confidence(Confidence::Certain)
        .with("server", hop.server)
        .with("how", Value::Word("plain-text"))
        .with("side", Value::Word("server"))
        .with("alert", described(alert))
}

/// Handshakes that did not come to their end.
fn capture(facts: &Facts, findings: &mut Findings<'_>) {
    let mut tried: BTreeMap<IpAddr, usize> = BTreeMap::new();
    for ((_, client), own) in &facts.handshakes {
        *tried.entry(*client).or_default() += usize::from(!own.failures.is_empty());
    }
    for ((server, client), own) in &facts.handshakes {
        let Some(evidence) = facts.evidence_of_sip(*server, *client, own.names_sip) else {
            continue;
        };
        let is_scanner = tried.get(client).is_some_and(|tried| *tried >= SCANNED_MIN);
        let known = own.failures.iter().filter(|failure| !is_scanner && is_known(failure, facts));
        let (by_client, by_server): (Vec<_>, Vec<_>) = known.partition(|one| one.by_client);
        for mut of_side in [by_client, by_server] {
            // What tells most comes first; with another version, the same fault may look different.
            of_side.sort_by_key(|failure| (failure.how, failure.last));
            if let Some(first) = of_side.first() {
                findings.report(on_capture(*server, own, first, &of_side, evidence));
            }
        }
    }
}

/// The capture goes on for long enough to say so (guard G1).
fn is_known(failure: &Failure, facts: &Facts) -> bool {
    let first = failure.frames.first().map_or(failure.last, |(_, time)| *time);
    failure.how != Failed::Unanswered
        || facts.last_time.since(first) > SERVER_HELLO_WAIT
            && !facts.coverage.has_hole(first, SERVER_HELLO_WAIT)
}

fn on_capture(
    server: Endpoint,
    own: &Handshakes,
    failure: &Failure,
    of_side: &[&Failure],
    evidence: SipEvidence,
) -> Report {
    let alert = match failure.how {
        Failed::Alert(alert) => Some(described(alert)),
        _ => None,
    };
    let confidence = match (failure.how, evidence) {
        (_, SipEvidence::Peers) | (Failed::SealedRefusal, _) => Confidence::Possible,
        (Failed::Alert(_) | Failed::Closed | Failed::PlainAnswer, _) => Confidence::Certain,
        (Failed::SealedAlert | Failed::ClosedEarly | Failed::Unanswered, _) => Confidence::Likely,
    };
    let is_over = of_side.iter().all(|one| own.completed.is_some_and(|time| time > one.last));
    let severity = match is_over || confidence == Confidence::Possible {
        true => Severity::Warn,
        false => Severity::Error,
    };
    let side = if failure.by_client { "client" } else { "server" };
    Report::on_capture()
        .between(failure.client, server)
        .frames(of_side.iter().flat_map(|one| one.frames.iter().copied()))
        .severity(severity)
        .confidence(confidence)
        .with("server", server)
        .with_some("server_name", own.server_name.as_deref().map(Value::quoted))
        .with("how", Value::Word(how(failure.how, server)))
        .with("side", Value::Word(side))
        .with_some("alert", alert)
        .with("offered", version(failure.offered))
        .with_some("chosen", failure.chosen.map(version))
        .with("connections", of_side.iter().map(|one| one.count).sum::<u64>())
        .with("recovered", is_over)
}

fn how(how: Failed, server: Endpoint) -> &'static str {
    match how {
        Failed::PlainAnswer | Failed::ClosedEarly | Failed::Unanswered
            if server.port == PLAIN_PORT =>
        {
            "plain-port"
        }
        Failed::Alert(_) => "alert",
        Failed::SealedAlert => "sealed-alert",
        Failed::SealedRefusal => "sealed-refusal",
        Failed::PlainAnswer => "plain-answer",
        Failed::ClosedEarly => "closed-before-server-hello",
        Failed::Closed => "closed-in-handshake",
        Failed::Unanswered => "no-server-hello",
    }
}

/// The name of the alert as the standards have it, and its number.
fn described(alert: Alert) -> Value {
    let number = alert.description;
    Value::Text(match alert.name() {
        Some(name) => format!("{name} ({number})"),
        None => number.to_string(),
    })
}

fn version(number: u16) -> Value {
    Value::Text(match number {
        0x0300 => "SSL 3.0".to_owned(),
        0x0301..=0x0304 => format!("TLS 1.{}", number - 0x0301),
        _ => format!("{number:#06x}"),
    })
}
