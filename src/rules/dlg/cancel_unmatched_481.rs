#![doc = include_str!("cancel_unmatched_481.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Call, Field, Message, Traits, Transaction};
use crate::sip::{Method, Status};
use crate::time::Time;

pub(crate) static RULE: Rule = Rule {
    code: "DLG203",
    name: "cancel-unmatched-481",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("cancel_unmatched_481.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::CANCEL, Traits::REFUSAL]),
    check: Check::Call(check),
};

/// Call/Transaction Does Not Exist (RFC 3261, section 9.2).
const DOES_NOT_EXIST: u16 = 481;

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let cancels = call.transactions.iter().filter(|t| t.method == Method::Cancel);
    for cancel in cancels {
        let refused = cancel
            .final_response()
            .filter(|answer| answer.status().is_some_and(|status| status.code() == DOES_NOT_EXIST));
        let (Some(refused), Some(request)) = (refused, cancel.request) else { continue };
        // The INVITE may have gone before the capture began: then nothing can be compared.
        let Some(invite) = invite_of(call, cancel) else { continue };
        report(invite, request, refused, findings);
    }
}

/// The INVITE that the CANCEL was most likely meant for: of the same client, before it.
fn invite_of<'a, 'c>(call: &'a Call<'c>, cancel: &Transaction<'c>) -> Option<&'a Transaction<'c>> {
    let started = cancel.started()?;
    let invites = call.transactions.iter().filter(|invite| {
        invite.method == Method::Invite
            && invite.client.address == cancel.client.address
            && invite.started().is_some_and(|sent| sent <= started)
    });
    invites.max_by_key(|invite| {
        (
            invite.cancel == Some(cancel.index),
            invite.branch == cancel.branch,
            invite.server.address == cancel.server.address,
            invite.cseq == cancel.cseq,
            is_pending(invite, started),
            invite.index,
        )
    })
}

fn is_pending(invite: &Transaction<'_>, moment: Time) -> bool {
    invite.final_response().is_none_or(|answer| answer.time > moment)
}

fn report<'c>(
    invite: &Transaction<'c>,
    cancel: &'c Message<'c>,
    refused: &'c Message<'c>,
    findings: &mut Findings<'_>,
) {
    let Some(sent) = invite.request else { return };
    let Some(status) = refused.status() else { return };
    let answer = invite.final_response().filter(|answer| answer.time <= refused.time);
    let field = difference(sent, cancel);
    // An ACK proves a final response that was not captured (guard G3).
    let is_implied = invite.final_response().is_none() && !invite.acks.is_empty();
    // After its final response there is no INVITE to cancel: the two only crossed.
    let severity = match answer.is_some() || is_implied {
        true => Severity::Info,
        false => Severity::Warn,
    };
    let confidence = match (answer, field) {
        (None, None) => Confidence::Likely,
        _ => Confidence::Certain,
    };
    findings.report(
        Report::on(invite)
            .at([sent, cancel, refused])
            .at(answer)
            .status(status)
            .severity(severity)
            .confidence(confidence)
            .with("field", Value::Word(field.map_or("none", Field::word)))
            .with_some("answered_before", answer.and_then(Message::status).map(Status::code))
            .with("cancelled_after_ms", cancel.time.since(sent.time)),
    );
}

/// The first field that CANCEL must copy from its INVITE and did not (RFC 3261, section 9.1).
fn difference(invite: &Message<'_>, cancel: &Message<'_>) -> Option<Field> {
    let uri = |message: &Message<'_>| message.request_uri().map(|uri| uri.as_bytes().to_vec());
    let to = |message: &Message<'_>| message.to().map(|to| to.uri.as_bytes().to_vec());
    let number = |message: &Message<'_>| message.cseq().map(|cseq| cseq.number);
    let has_other_uri = uri(invite) != uri(cancel)
        && match (invite.request_uri(), cancel.request_uri()) {
            (Some(one), Some(other)) => !one.is_equivalent(&other),
            _ => true,
        };
    let has_other_to = to(invite) != to(cancel)
        && match (invite.to(), cancel.to()) {
            (Some(one), Some(other)) => !one.uri.is_equivalent(&other.uri),
            _ => true,
        };
    let fields = [
        (Field::RequestUri, has_other_uri),
        (Field::CSeq, number(invite) != number(cancel)),
        (Field::FromTag, invite.from_tag() != cancel.from_tag()),
        (Field::ToTag, invite.to_tag() != cancel.to_tag()),
        (Field::To, has_other_to),
        (Field::Branch, invite.branch() != cancel.branch()),
        (Field::Destination, invite.destination != cancel.destination),
    ];
    fields.into_iter().find_map(|(field, differs)| differs.then_some(field))
}
