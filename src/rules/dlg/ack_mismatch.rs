#![doc = include_str!("ack_mismatch.md")]

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Answer, Call, Field, Message, Traits, Transaction};
use crate::sip::Method;

pub(crate) static RULE: Rule = Rule {
    code: "DLG104",
    name: "ack-mismatch",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("ack_mismatch.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::INVITE, Traits::SEVERAL_FINALS]),
    check: Check::Call(check),
};

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let invites = call.transactions.iter().filter(|t| t.method == Method::Invite);
    let faulty: Vec<_> = invites.filter_map(|hop| mismatch(call, hop)).collect();
    for mismatch in &faulty {
        // The hop nearest to the callee shows what the callee got (guard G9).
        let is_passed_on = mismatch.answer.is_success()
            && faulty.iter().any(|below| below.hop.upstream == Some(mismatch.hop.index));
        if !is_passed_on {
            report(mismatch, findings);
        }
    }
}

/// An ACK that its server cannot match, so that the final response goes on.
struct Mismatch<'a, 'c> {
    hop: &'a Transaction<'c>,
    answer: Answer<'c>,
    ack: &'c Message<'c>,
    field: Field,
}

fn mismatch<'a, 'c>(call: &Call<'c>, hop: &'a Transaction<'c>) -> Option<Mismatch<'a, 'c>> {
    // Without a repeat nothing proves that the ACK was not taken.
    if hop.finals.len() < 2 || hop.request.is_none() {
        return None;
    }
    let answer = match hop.success() {
        Some(answer) => answer,
        None => hop.answers().into_iter().find(|answer| !answer.repeats.is_empty())?,
    };
    let (ack, field) = call.mismatched_ack(hop, &answer)?;
    Some(Mismatch { hop, answer, ack, field })
}

fn report(mismatch: &Mismatch<'_, '_>, findings: &mut Findings<'_>) {
    let Mismatch { hop, answer, ack, field } = mismatch;
    let Some(status) = answer.first.status() else { return };
    let after = answer.repeats.iter().filter(|again| again.time > ack.time).count();
    findings.report(
        Report::on(hop)
            .at(answer.sends())
            .at([*ack])
            .status(status)
            .with("field", Value::Word(field.word()))
            .with("sent", sent(*field, ack))
            .with("expected", expected(*field, hop, answer.first))
            .with("repeats_after_ack", after)
            .with("repeating_ms", answer.repeating()),
    );
}

fn sent(field: Field, ack: &Message<'_>) -> Value {
    match field {
        Field::CSeq => ack.cseq().map_or(Value::Word("none"), |cseq| cseq.number.into()),
        Field::FromTag => text(ack.from_tag()),
        Field::ToTag => text(ack.to_tag()),
        Field::Branch => text(ack.branch()),
        Field::RequestUri | Field::To | Field::Destination => ack.destination.into(),
    }
}

fn expected(field: Field, hop: &Transaction<'_>, answer: &Message<'_>) -> Value {
    match field {
        Field::CSeq => hop.cseq.into(),
        Field::FromTag => text(answer.from_tag()),
        Field::ToTag => text(answer.to_tag()),
        Field::Branch => text(answer.branch()),
        Field::RequestUri | Field::To | Field::Destination => hop.server.into(),
    }
}

fn text(bytes: Option<&[u8]>) -> Value {
    bytes.map_or(Value::Word("none"), Value::quoted)
}
