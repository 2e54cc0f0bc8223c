#![doc = include_str!("identity_required.md")]

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::rules::sec::{with_objection, with_turn};
use crate::signaling::{Attempt, Call, IdentityObjection, Message, Traits, Transaction};
use crate::sip::{Class, Status};
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "SEC105",
    name: "identity-required",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("identity_required.md"),
    thresholds: &[],
    gate: Gate::one_of(&[Traits::IDENTITY_REFUSAL, Traits::REASON, Traits::SIGNING_DUE]),
    check: Check::Call(check),
};

/// Use Identity Header (RFC 8224, section 6.2.2).
const USE_IDENTITY: u16 = 428;

/// A caller signs and tries again within this time, or not at all.
const TAKEN_UP_WITHIN: Span = Span::from_secs(32);

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for hop in &call.transactions {
        if let Some(objection) = call.objection(hop, &[USE_IDENTITY]) {
            report_objection(call, hop, &objection, findings);
        }
    }
    for attempt in &call.attempts {
        if let Some(hop) = unsigned(call, attempt) {
            report_profile(call, attempt, hop, findings);
        }
    }
}

/// The farthest hop with a request that must be signed, says the user, and is not; none if the
/// server says so itself.
fn unsigned<'a, 'c>(call: &'a Call<'c>, attempt: &'a Attempt<'c>) -> Option<&'a Transaction<'c>> {
    let hop = attempt.farthest(call, |hop| {
        call.settings().requires_identity(hop.server.address) && hop.request.is_some()
    })?;
    let request = hop.request?;
    let is_unsigned = request.identities().next().is_none() && !request.is_cut;
    // The request that answers a challenge is looked at instead.
    let is_challenged = hop.final_status().is_some_and(is_challenge);
    let is_told =
        attempt.transactions(call).any(|hop| call.objection(hop, &[USE_IDENTITY]).is_some());
    let is_exempt = request.emergency(call.settings()).is_some();
    (is_unsigned && !is_challenged && !is_told && !is_exempt).then_some(hop)
}

const fn is_challenge(status: Status) -> bool {
    matches!(status.code(), 401 | 407 | USE_IDENTITY)
        || matches!(status.class(), Class::Redirection)
}

fn report_objection(
    call: &Call<'_>,
    hop: &Transaction<'_>,
    objection: &IdentityObjection<'_>,
    findings: &mut Findings<'_>,
) {
    let report = with_objection(hop, objection);
    // The caller may still sign (guard G1).
    let is_due = call.is_observed(objection.response.time, TAKEN_UP_WITHIN);
    let report = match objection.is_refusal && !is_due {
        true => report.severity(Severity::Info),
        false => report,
    };
    findings.report(with_request(report, call, hop));
}

fn report_profile(
    call: &Call<'_>,
    attempt: &Attempt<'_>,
    hop: &Transaction<'_>,
    findings: &mut Findings<'_>,
) {
    // An answered call has not failed of it.
    let severity = match attempt.is_answered() {
        true => Severity::Warn,
        false => Severity::Error,
    };
    let report = Report::beside(hop).severity(severity).with("profile", true);
    findings.report(with_request(report, call, hop));
}

/// Adds what became of the signature on the way.
fn with_request(report: Report, call: &Call<'_>, hop: &Transaction<'_>) -> Report {
    let is_signed = |request: &Message<'_>| request.identities().next().is_some();
    let is_unsigned = hop.request.is_some_and(|request| !is_signed(request));
    let turn = call.turn(hop, is_signed).filter(|_| is_unsigned);
    with_turn(report.at(hop.request), "removed_by", turn)
        .with_some("identity", hop.request.map(is_signed))
        .with("transport", Value::Word(hop.transport.name()))
        .with_some("bytes", hop.request.map(|request| request.bytes().len()))
}
