#![doc = include_str!("via_branch_invalid.md")]

use std::net::IpAddr;

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::packet::Endpoint;
use crate::signaling::{Call, Message, Traits, Transaction};
use crate::sip::{COOKIE, HeaderName, Method, Status};

pub(crate) static RULE: Rule = Rule {
    code: "MSG104",
    name: "via-branch-invalid",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("via_branch_invalid.md"),
    thresholds: &[],
    gate: Gate::one_of(&[Traits::ODD_BRANCH, Traits::BRANCH_AGAIN, Traits::SEVERAL_FINALS]),
    check: Check::Call(check),
};

/// Frames that a finding names.
const FRAMES_MAX: usize = 11;

/// Senders that are told apart in one call.
const SENDERS_MAX: usize = 16;

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    report_bare(call, findings);
    report_reuse(call, findings);
    for hop in call.transactions.iter().filter(|hop| hop.finals.len() > 1) {
        report_finals(hop, findings);
    }
}

/// Requests whose top branch is none of RFC 3261, one finding a sender.
fn report_bare(call: &Call<'_>, findings: &mut Findings<'_>) {
    let mut senders: Vec<Vec<&Message<'_>>> = Vec::new();
    for message in call.messages.iter().filter(|message| is_bare(message)) {
        let is_full = senders.len() >= SENDERS_MAX;
        let is_known = |own: &&mut Vec<&Message<'_>>| {
            own.first().is_some_and(|first| first.source.address == message.source.address)
        };
        match senders.iter_mut().find(is_known) {
            Some(own) => own.push(message),
            None if is_full => {}
            None => senders.push(vec![message]),
        }
    }
    for own in &senders {
        let Some(first) = own.first().copied() else { continue };
        let report = Report::on_capture().between(first.source, first.destination);
        findings.report(
            report
                .severity(Severity::Info)
                .at(own.iter().copied().take(FRAMES_MAX))
                .with("fault", Value::Word("branch-without-cookie"))
                .with("sender", first.source)
                .with("branch", Value::quoted(first.branch().unwrap_or_default()))
                .with("times", own.len())
                .with_some("software", first.software().map(Value::quoted)),
        );
    }
}

fn is_bare(message: &Message<'_>) -> bool {
    let is_right =
        message.branch().is_some_and(|own| own.len() > COOKIE.len() && own.starts_with(COOKIE));
    !is_right && message.is_request() && !message.is_cut && message.has(HeaderName::Via)
}

/// One branch for requests that differ in method or number.
fn report_reuse(call: &Call<'_>, findings: &mut Findings<'_>) {
    let is_own = |hop: &&Transaction<'_>| {
        hop.request.is_some() && hop.method != Method::Cancel && hop.branch.starts_with(COOKIE)
    };
    if call.transactions.iter().filter(is_own).take(2).count() < 2 {
        return;
    }
    let mut hops: Vec<&Transaction<'_>> = call.transactions.iter().filter(is_own).collect();
    hops.sort_by_key(|hop| (branch_of(hop), hop.index));
    let mut senders: Vec<(Endpoint, Vec<&Message<'_>>, &[u8])> = Vec::new();
    for same in hops.chunk_by(|one, other| branch_of(one) == branch_of(other)) {
        let Some(first) = same.first() else { continue };
        let differs =
            |hop: &&&Transaction<'_>| (hop.cseq, hop.method) != (first.cseq, first.method);
        let Some(other) = same.iter().find(differs) else { continue };
        let requests = [first.request, other.request].into_iter().flatten();
        let is_known =
            |own: &&mut (Endpoint, Vec<&Message<'_>>, &[u8])| own.0.address == first.client.address;
        let is_full = senders.len() >= SENDERS_MAX;
        match senders.iter_mut().find(is_known) {
            Some((_, known, _)) => known.extend(requests),
            None if is_full => {}
            None => senders.push((first.client, requests.collect(), first.branch)),
        }
    }
    for (sender, requests, branch) in senders {
        let Some(first) = requests.first().copied() else { continue };
        findings.report(
            Report::on_capture()
                .between(sender, first.destination)
                .at(requests.iter().copied().take(FRAMES_MAX))
                .with("fault", Value::Word("branch-used-again"))
                .with("sender", sender)
                .with("branch", Value::quoted(branch))
                .with("times", requests.len())
                .with_some("software", first.software().map(Value::quoted)),
        );
    }
}

/// Who used which branch.
fn branch_of<'c>(hop: &Transaction<'c>) -> (IpAddr, &'c [u8]) {
    (hop.client.address, hop.branch)
}

/// Two different final responses from one server to one request. A success after a failure is that
/// of another branch behind a proxy, and goes on (RFC 3261, section 16.7, item 5).
fn report_finals(hop: &Transaction<'_>, findings: &mut Findings<'_>) {
    let Some(first) = hop.final_response() else { return };
    let is_failure = |message: &Message<'_>| !message.status().is_some_and(Status::is_success);
    let differs = |other: &&&Message<'_>| {
        other.status() != first.status()
            && other.source == first.source
            && is_failure(other)
            && (is_failure(first) || hop.method != Method::Invite)
    };
    let Some(other) = hop.finals.iter().find(differs).copied() else { return };
    let status = |message: &Message<'_>| message.status().map(Status::code);
    findings.report(
        Report::beside(hop)
            .at(hop.request)
            .at([first, other])
            .with("fault", Value::Word("two-finals"))
            .with("sender", first.source)
            .with("branch", Value::quoted(hop.branch))
            .with("times", 2_usize)
            .with_some("status", status(first))
            .with_some("second_status", status(other)),
    );
}
