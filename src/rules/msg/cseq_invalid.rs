#![doc = include_str!("cseq_invalid.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::rules::msg::title;
use crate::signaling::{Batch, Call, Harm, Message, Traits, Transaction};
use crate::sip::{Anomaly, CSEQ_END, HeaderName, Method, Start};

pub(crate) static RULE: Rule = Rule {
    code: "MSG103",
    name: "cseq-invalid",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("cseq_invalid.md"),
    thresholds: &[],
    gate: Gate::one_of(&[Traits::ODD_CSEQ, Traits::STRAY]),
    check: Check::Call(check),
};

/// Frames of one kind that a finding names.
const FRAMES_MAX: usize = 11;

/// Responses without a request that are looked at.
const STRAYS_MAX: usize = 32;

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for batch in call.batches(fault_in).iter().filter(|batch| !is_copied(call, batch)) {
        report(call, batch, findings);
    }
    let strays = call.transactions.iter().filter(|hop| hop.request.is_none());
    for stray in strays.take(STRAYS_MAX) {
        report_stray(call, stray, findings);
    }
}

/// What is wrong with `CSeq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    NoNumber,
    TooLarge,
    OtherMethod,
}

impl Fault {
    const fn word(self) -> &'static str {
        match self {
            Self::NoNumber => "cseq-no-number",
            Self::TooLarge => "cseq-too-large",
            Self::OtherMethod => "cseq-other-method",
        }
    }
}

/// That the field is not there at all is another fault.
fn fault_in(message: &Message<'_>) -> Option<Fault> {
    let fault = match (message.cseq(), message.start()) {
        (Some(cseq), _) if cseq.number >= CSEQ_END => Fault::TooLarge,
        (Some(cseq), Start::Request { method, .. }) if cseq.method != method => Fault::OtherMethod,
        (Some(_), _) | (None, Start::Invalid(_)) => return None,
        (None, _) if !message.has(HeaderName::CSeq) => return None,
        (None, _) if is_large(message) => Fault::TooLarge,
        (None, _) => Fault::NoNumber,
    };
    let is_partial = message.is_cut || message.anomalies.contains(Anomaly::HeadersUnfinished);
    (!is_partial).then_some(fault)
}

/// A response repeats what its request says.
fn is_copied<'c>(call: &Call<'c>, batch: &Batch<'c, Fault>) -> bool {
    let Some(first) = batch.first().filter(|first| first.is_response()) else { return false };
    let value = first.header(HeaderName::CSeq);
    call.messages.iter().any(|own| own.is_request() && own.header(HeaderName::CSeq) == value)
}

/// A number, but one of 2^32 or more.
fn is_large(message: &Message<'_>) -> bool {
    let value = message.header(HeaderName::CSeq).unwrap_or_default();
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits >= 10 && value.get(digits).is_some_and(u8::is_ascii_whitespace)
}

fn report<'c>(call: &Call<'c>, batch: &Batch<'c, Fault>, findings: &mut Findings<'_>) {
    let Some(first) = batch.first() else { return };
    let hop = call.hop_of(first);
    let harm = hop.map_or(Harm::Unknown, |hop| call.harm_of(hop, first));
    let report = match hop {
        Some(hop) if harm == Harm::Outcome => {
            Report::on(hop).at(hop.final_response()).confidence(Confidence::Likely)
        }
        Some(hop) => Report::beside(hop),
        None => Report::on_capture().between(first.source, first.destination),
    };
    let severity = match harm {
        Harm::Outcome | Harm::Unknown => Severity::Error,
        Harm::None => Severity::Warn,
    };
    findings.report(
        report
            .at(batch.messages.iter().copied().take(FRAMES_MAX))
            .severity(severity)
            .with("message", title(first))
            .with("sender", first.source)
            .with("fault", Value::Word(batch.fault.word()))
            .with("cseq_value", cseq_of(first))
            .with("times", batch.own()),
    );
}

fn cseq_of(message: &Message<'_>) -> Value {
    Value::quoted(message.header(HeaderName::CSeq).unwrap_or_default())
}

/// Responses that answer a request by their branch and not by their `CSeq` (RFC 3261, section
/// 8.2.6.2).
fn report_stray<'c>(call: &Call<'c>, stray: &Transaction<'c>, findings: &mut Findings<'_>) {
    // The request of the same branch may be that which was not captured.
    if stray.branch.is_empty() || matches!(stray.method, Method::Cancel | Method::Ack) {
        return;
    }
    let Some(first) = stray.first_response() else { return };
    let is_asked = |hop: &&Transaction<'c>| {
        hop.branch == stray.branch
            && hop.client.address == stray.client.address
            && hop.server.address == stray.server.address
            && hop.method != Method::Cancel
            // One of the two is right, or it is another request of a sender that repeats branches.
            && (hop.method == stray.method || hop.cseq == stray.cseq)
            && hop.finals.is_empty()
            && hop.started().is_some_and(|sent| sent <= first.time)
    };
    let Some(hop) = call.transactions.iter().find(is_asked) else { return };
    let is_request = |request: &&Message<'_>| {
        request.from_tag() == first.from_tag()
            && request.header(HeaderName::CSeq) != first.header(HeaderName::CSeq)
            && !request.is_cut
            && !first.is_cut
    };
    let Some(request) = hop.request.filter(is_request) else { return };
    let is_taken = !hop.acks.is_empty() || !stray.acks.is_empty() || call.is_made_good(hop);
    let report = if is_taken { Report::beside(hop) } else { Report::on(hop) };
    findings.report(
        report
            .at([request])
            .at(stray.messages().take(FRAMES_MAX))
            .severity(if is_taken { Severity::Warn } else { Severity::Error })
            .with("message", title(first))
            .with("sender", first.source)
            .with("fault", Value::Word("cseq-of-no-request"))
            .with("cseq_value", cseq_of(first))
            .with("cseq_asked", cseq_of(request))
            .with("times", stray.messages().count()),
    );
}
