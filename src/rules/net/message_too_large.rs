#![doc = include_str!("message_too_large.md")]

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Call, Message, Reach, Traits, Transaction};
use crate::sip::Status;

pub(crate) static RULE: Rule = Rule {
    code: "NET201",
    name: "message-too-large",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("message_too_large.md"),
    thresholds: &[],
    gate: Gate::one_of(&[Traits::OVERSIZED, Traits::REFUSAL]),
    check: Check::Call(check),
};

/// Frames that a finding names.
const FRAMES_MAX: usize = 11;

/// Senders that are told apart in one call.
const SENDERS_MAX: usize = 16;

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let mut senders: Vec<Vec<&Transaction<'_>>> = Vec::new();
    for hop in &call.transactions {
        if is_refused(hop) {
            report_refusal(call, hop, findings);
        } else if hop.request.is_some_and(Message::is_oversized) {
            let is_full = senders.len() >= SENDERS_MAX;
            let is_known = |own: &&mut Vec<&Transaction<'_>>| {
                own.first().is_some_and(|first| first.client.address == hop.client.address)
            };
            match senders.iter_mut().find(is_known) {
                Some(own) => own.push(hop),
                None if is_full => {}
                None => senders.push(vec![hop]),
            }
        }
    }
    senders.iter().for_each(|own| report(call, own, findings));
}

/// 413, 414 or 513: the server says so itself.
fn is_refused(hop: &Transaction<'_>) -> bool {
    matches!(hop.final_status().map(Status::code), Some(413 | 414 | 513))
}

fn report_refusal(call: &Call<'_>, hop: &Transaction<'_>, findings: &mut Findings<'_>) {
    let Some((answer, status)) = hop.final_response().zip(hop.final_status()) else { return };
    // The farthest hop downstream owns the finding (guard G9).
    let is_passed_on = call.below(hop).any(|below| below.final_status() == Some(status));
    if is_passed_on || call.is_made_good(hop) || call.is_given_up(hop) {
        return;
    }
    let uri = hop.request.and_then(|request| request.request_uri());
    let uri_bytes = uri.filter(|_| status.code() == 414).map(|uri| uri.as_bytes().len());
    let report = Report::on(hop)
        .at(hop.request)
        .at([answer])
        .status(status)
        .severity(Severity::Error)
        .with("status", status.code());
    findings.report(described(report, hop).with_some("uri_bytes", uri_bytes));
}

fn report(call: &Call<'_>, own: &[&Transaction<'_>], findings: &mut Findings<'_>) {
    let largest = own.iter().copied().max_by_key(|hop| {
        (hop.request.map_or(0, |request| request.bytes().len()), std::cmp::Reverse(hop.index))
    });
    let Some(hop) = largest else { return };
    // Inside one network nothing drops fragments, as a rule.
    let is_inside = |hop: &Transaction<'_>| {
        let reach = |address| call.settings().reach(address);
        reach(hop.client.address) != Reach::Public && reach(hop.server.address) != Reach::Public
    };
    let severity = match own.iter().all(|hop| is_inside(hop)) {
        true => Severity::Info,
        false => Severity::Warn,
    };
    let requests = own.iter().filter_map(|hop| hop.request);
    let report = Report::beside(hop).at(requests.take(FRAMES_MAX)).severity(severity);
    let report = described(report, hop).with("requests", own.len());
    findings.report(report);
}

fn described(report: Report, hop: &Transaction<'_>) -> Report {
    let bytes = hop.request.map(|request| request.bytes().len());
    let is_fragmented = hop.request.is_some_and(|request| request.is_fragmented);
    let sdp = hop.request.and_then(Message::sdp).map(<[u8]>::len);
    report
        .with("method", Value::quoted(hop.method.as_bytes()))
        .with_some("bytes", bytes)
        .with("fragmented", is_fragmented)
        .with("transport", Value::Word(hop.transport.name()))
        .with_some("sdp_bytes", sdp)
        .with_some(
            "software",
            hop.request.and_then(|own: &Message<'_>| own.software()).map(Value::quoted),
        )
}
