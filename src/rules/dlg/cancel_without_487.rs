#![doc = include_str!("cancel_without_487.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity};
use crate::signaling::{Call, Message, Traits, Transaction};
use crate::sip::{Method, Status};

pub(crate) static RULE: Rule = Rule {
    code: "DLG201",
    name: "cancel-without-487",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("cancel_without_487.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::INVITE, Traits::CANCEL]),
    check: Check::Call(check),
};

/// What the INVITE must get after a CANCEL was accepted (RFC 3261, section 9.2).
const REQUEST_TERMINATED: u16 = 487;

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let invites = call.transactions.iter().filter(|t| t.method == Method::Invite);
    for hop in invites.filter(|hop| hop.cancel.is_some()) {
        let Some(accepted) = forgotten(call, hop) else { continue };
        // The farthest hop downstream owns the finding (guard G9).
        let mut below = hop.downstream.iter().filter_map(|index| call.transactions.get(*index));
        if !below.any(|below| forgotten(call, below).is_some()) {
            report(call, hop, accepted, findings);
        }
    }
}

/// The 200 to the CANCEL of an INVITE that then got no 487.
fn forgotten<'c>(call: &Call<'c>, hop: &Transaction<'c>) -> Option<&'c Message<'c>> {
    let cancel = call.transactions.get(hop.cancel?)?;
    let accepted = cancel.first_success()?;
    // Without any response the INVITE itself was lost; a 2xx is another matter.
    if cancel.request.is_none() || !hop.has_response() || hop.first_success().is_some() {
        return None;
    }
    let wait = call.patience().max(call.patience_of(hop.client));
    let is_wrong = match hop.final_response() {
        // Guards G1 and G3: an ACK proves a final response that was not captured, and one with a
        // branch of its own or a BYE proves a 2xx.
        None => {
            hop.acks.is_empty()
                && call.is_observed(accepted.time, wait)
                && !call.implies_answer(hop)
        }
        Some(answer) if answer.status().is_some_and(|s| s.code() == REQUEST_TERMINATED) => {
            answer.time.since(accepted.time) > wait
        }
        // One server made both, the other response last: no failure from farther away that
        // crossed the CANCEL.
        Some(answer) => {
            answer.time > accepted.time
                && answer.to_tag().is_some()
                && answer.to_tag() == accepted.to_tag()
        }
    };
    is_wrong.then_some(accepted)
}

fn report<'c>(
    call: &Call<'c>,
    hop: &Transaction<'c>,
    accepted: &'c Message<'c>,
    findings: &mut Findings<'_>,
) {
    let answer = hop.final_response();
    let status = answer.and_then(Message::status);
    let until = answer.map_or(call.observed_until(), |answer| answer.time);
    let mut report = Report::on(hop)
        .at(hop.request)
        .at(call.cancel_of(hop))
        .at([accepted])
        .at(answer)
        .confidence(match answer {
            // A lost 487 looks the same.
            None => Confidence::Likely,
            Some(_) => Confidence::Certain,
        })
        .with("waited_ms", until.since(accepted.time))
        .with_some("status", status.map(Status::code));
    if let Some(status) = status {
        report = report.status(status);
    }
    findings.report(report);
}
