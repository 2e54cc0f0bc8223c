#![doc = include_str!("auth_challenge_unanswered.md")]

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::finding::{Check, Confidence, Finding, Findings, Rule, Severity, Value, Visibility};
use crate::rules::reg::report_on;
use crate::signaling::{Call, Chain, ChainEnd, Round, Settings, Threshold, Transaction};
use crate::sip::{Method, timers};
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "REG101",
    name: "auth-challenge-unanswered",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("auth_challenge_unanswered.md"),
    thresholds: &[&WAIT],
    check: Check::Calls { each: check, together },
};

/// A client takes up a challenge within this time, or not at all.
static WAIT: Threshold = Threshold::span("wait", Span::from_secs(32));

/// One source that tries this many users within this time looks for accounts; nobody expects it to
/// know a password.
const TRIED_USERS: usize = 10;
const TRIED_WITHIN: Span = Span::from_secs(60);

/// Tools that look for accounts; what they say of themselves in User-Agent.
const SCANNERS: [&str; 6] =
    ["friendly-scanner", "sipvicious", "sipcli", "pplsip", "vaxsipuseragent", "sundayddr"];

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for chain in call.chains() {
        let Some(last) = chain.last() else { continue };
        let Some(hop) = call.transactions.get(last.transaction) else { continue };
        if chain.end(call) != ChainEnd::Challenged
            || chain.is_refused(call)
            || !call.is_observed(last.at(), call.settings().span(&WAIT))
            || is_lost(hop, last)
            || is_excused(last)
            || is_taken_up(call, last)
        {
            continue;
        }
        report(call, chain, (hop, last), findings);
    }
}

/// Nobody expects an answer: to a probe any response means that the server lives; a scanner knows
/// no password; with IPsec the answer of a 3GPP phone is encrypted (guard G11).
fn is_excused(round: &Round<'_>) -> bool {
    let software = round.request.software().unwrap_or_default().to_ascii_lowercase();
    let software = String::from_utf8_lossy(&software);
    round.request.method() == Method::Options
        || SCANNERS.iter().any(|name| software.contains(name))
        || round.response.named("Security-Server").next().is_some()
}

/// A later request of the same host carries credentials, in whatever dialog.
fn is_taken_up(call: &Call<'_>, round: &Round<'_>) -> bool {
    let sender = round.request.source.address;
    call.messages
        .iter()
        .rev()
        .take_while(|own| own.time >= round.at())
        .any(|own| own.is_request() && own.source.address == sender && round.is_taken_up_by(own))
}

fn report(
    call: &Call<'_>,
    chain: &Chain<'_>,
    (hop, last): (&Transaction<'_>, &Round<'_>),
    findings: &mut Findings<'_>,
) {
    let Some(report) = report_on(call, chain) else { return };
    // The ACK proves that the challenge arrived.
    let confidence = match hop.acks.is_empty() {
        true => Confidence::Likely,
        false => Confidence::Certain,
    };
    findings.report(
        report
            .at([last.request, last.response])
            .at(hop.acks.first().copied())
            .confidence(confidence)
            .with("acked", !hop.acks.is_empty())
            .with("credentials", last.has_credentials())
            .visibility(Visibility::WayElseNothing(hop.client.address, hop.server.address))
            .with("waited_ms", call.settings().span(&WAIT)),
    );
}

/// The client repeats its request, or the server its challenge: it did not get through, which has
/// findings of its own.
fn is_lost(hop: &Transaction<'_>, last: &Round<'_>) -> bool {
    let is_again = hop.retransmissions.last().is_some_and(|own| own.time > last.at() + timers::T1);
    hop.acks.is_empty() && (is_again || (hop.method == Method::Invite && hop.finals.len() > 1))
}

/// A source that tries to register one user after the other has no finding for each of them.
fn together(findings: &mut [&mut Finding], _: &Settings) {
    let is_register =
        |finding: &&mut &mut Finding| finding.value("method") == Some(&Value::quoted(b"REGISTER"));
    let mut own: Vec<_> = findings.iter_mut().filter(is_register).collect();
    own.sort_by_key(|finding| (source(finding), finding.time));
    let mut rest = own.as_mut_slice();
    while let Some(first) = rest.first() {
        let (from, since) = (source(first), first.time);
        let is_burst = |finding: &&mut &mut Finding| {
            source(finding) == from
                && finding.time.zip(since).is_some_and(|(at, since)| at <= since + TRIED_WITHIN)
        };
        let (burst, others) = rest.split_at_mut(rest.partition_point(is_burst).max(1));
        let users: BTreeSet<_> = burst.iter().filter_map(|finding| user(finding)).collect();
        let is_scan = users.len() >= TRIED_USERS;
        burst.iter_mut().for_each(|finding| finding.needs_company |= is_scan);
        rest = others;
    }
}

/// The host that sent the requests.
fn source(finding: &Finding) -> Option<IpAddr> {
    let from = match finding.value("from") {
        Some(Value::Endpoint(from)) => Some(*from),
        _ => finding.client,
    };
    from.map(|from| from.address)
}

fn user(finding: &Finding) -> Option<String> {
    match finding.value("user") {
        Some(Value::Text(user)) => Some(user.clone()),
        _ => None,
    }
}
