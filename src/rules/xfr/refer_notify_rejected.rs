#![doc = include_str!("refer_notify_rejected.md")]

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{
    Check, Confidence, Findings, Gate, Report, Rule, Severity, Value, Visibility,
};
use crate::signaling::{Call, Message, Subscription, Traits, Transaction};
use crate::sip::{Class, Status};
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "XFR104",
    name: "refer-notify-rejected",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("refer_notify_rejected.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::SUBSCRIPTIONS]),
    check: Check::Call(check),
};

/// NOTIFY and BYE that are so near to each other were under way at the same time.
const CROSSING: Span = Span::from_millis(100);

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    // A NOTIFY may be of many referrals.
    let mut faulty: BTreeMap<usize, Option<&Transaction<'_>>> = BTreeMap::new();
    let mut reported: BTreeSet<usize> = BTreeSet::new();
    for referral in call.subscriptions.iter().filter(|own| own.is_referral()) {
        let mut is_told = false;
        let taken = last_taken(call, referral);
        for (first_hop, notify) in referral.notifies(call) {
            let status = refusal(first_hop);
            // Another NOTIFY followed and was taken: a challenge, or a passing trouble (guard G7).
            let is_repeated = taken > Some(first_hop.cseq);
            // The other refusals of one referral say no more; each silence is one of its own.
            if (status.is_some() && is_told) || is_repeated {
                continue;
            }
            let hop = faulty.entry(first_hop.index).or_insert_with(|| faulty_hop(call, first_hop));
            let Some(hop) = *hop else { continue };
            is_told |= status.is_some();
            if reported.insert(hop.index) {
                report(call, hop, notify, findings);
            }
        }
    }
}

/// The status that refused the NOTIFY.
fn refusal(notify: &Transaction<'_>) -> Option<Status> {
    let status = notify.final_status().filter(|_| notify.first_success().is_none())?;
    matches!(status.class(), Class::ClientError | Class::ServerError | Class::GlobalFailure)
        .then_some(status)
}

/// The number of the last NOTIFY that was taken.
fn last_taken(call: &Call<'_>, referral: &Subscription<'_>) -> Option<u32> {
    let taken = referral.notifies(call).filter(|(own, _)| own.first_success().is_some());
    taken.map(|(own, _)| own.cseq).max()
}

/// The farthest hop on which the NOTIFY was refused or stayed without an answer (guard G9).
fn faulty_hop<'a, 'c>(
    call: &'a Call<'c>,
    first_hop: &'a Transaction<'c>,
) -> Option<&'a Transaction<'c>> {
    let is_faulty = |hop: &Transaction<'c>| refusal(hop).is_some() || call.is_unanswered(hop);
    let mut found = Some(first_hop).filter(|hop| is_faulty(hop))?;
    // The links come from captured bytes, so they may form a ring.
    for _ in 0..call.transactions.len() {
        let below = found.downstream.iter().filter_map(|index| call.transactions.get(*index));
        match below.clone().find(|below| is_faulty(below)) {
            Some(below) => found = below,
            None => break,
        }
    }
    Some(found)
}

fn report(
    call: &Call<'_>,
    hop: &Transaction<'_>,
    notify: &Message<'_>,
    findings: &mut Findings<'_>,
) {
    let Some(request) = hop.request else { return };
    let answer = hop.final_response();
    let status = answer.and_then(Message::status);
    let bye = call.dialog_of(request).and_then(|dialog| dialog.farewell(call));
    let is_crossing = bye.is_some_and(|bye| bye.time.since(request.time).abs() <= CROSSING);
    let bye = bye.filter(|bye| answer.is_none_or(|answer| bye.time <= answer.time));
    let (client, server) = (hop.client, hop.server);
    // Without an answer a client repeats over UDP; perhaps one came, but not into the capture.
    let doubt = if hop.is_sent_once() { Confidence::Possible } else { Confidence::Likely };
    let report = match status {
        Some(status) => Report::on(hop).status(status),
        None => Report::on(hop)
            .confidence(doubt)
            .visibility(Visibility::WayElseNothing(server.address, client.address)),
    };
    let result = if answer.is_some() { "rejected" } else { "no-answer" };
    findings.report(
        report
            .at([request])
            .at(answer)
            .at(bye)
            .severity(if is_crossing { Severity::Info } else { Severity::Warn })
            .with("result", Value::Word(result))
            .with_some("status", status.map(Status::code))
            .with("after_bye", bye.is_some())
            .with_some("sipfrag", notify.sipfrag_status().map(Status::code)),
    );
}
