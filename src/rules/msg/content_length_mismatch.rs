#![doc = include_str!("content_length_mismatch.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::rules::msg::title;
use crate::signaling::{Batch, Call, Harm, Message, Traits};
use crate::sip::{Anomaly, NotANumber};

pub(crate) static RULE: Rule = Rule {
    code: "MSG102",
    name: "content-length-mismatch",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("content_length_mismatch.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::ODD_LENGTH]),
    check: Check::Call(check),
};

/// Frames of one kind that a finding names.
const FRAMES_MAX: usize = 11;

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for batch in &call.batches(fault_in) {
        report(call, batch, findings);
    }
}

/// What is wrong with `Content-Length`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    TooLarge,
    TooSmall,
    Missing,
    NoNumber,
}

impl Fault {
    const fn word(self) -> &'static str {
        match self {
            Self::TooLarge => "length-too-large",
            Self::TooSmall => "length-too-small",
            Self::Missing => "length-missing",
            Self::NoNumber => "length-no-number",
        }
    }
}

/// What the capture cut proves nothing (guard G5).
fn fault_in(message: &Message<'_>) -> Option<Fault> {
    let present = message.bytes_after_headers();
    let fault = match message.content_length() {
        Some(Ok(length)) if length as usize == present => return None,
        Some(Ok(length)) if length as usize > present => Fault::TooLarge,
        // A line end behind the body, padding and keep-alives are no body.
        Some(Ok(_)) if message.trailing().iter().all(|byte| is_padding(*byte)) => return None,
        Some(Ok(_)) => Fault::TooSmall,
        Some(Err(NotANumber)) => Fault::NoNumber,
        // Over UDP the datagram ends the message (RFC 3261, section 18.3).
        None if message.transport.is_reliable() => Fault::Missing,
        None => return None,
    };
    let is_partial = message.is_cut
        || message.anomalies.contains(Anomaly::HeadersUnfinished)
        || message.anomalies.contains(Anomaly::TooManyHeaders);
    (!is_partial).then_some(fault)
}

const fn is_padding(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | b' ' | b'\t' | 0)
}

fn report<'c>(call: &Call<'c>, batch: &Batch<'c, Fault>, findings: &mut Findings<'_>) {
    let Some(first) = batch.first() else { return };
    let hop = call.hop_of(first);
    let harm = hop.map_or(Harm::Unknown, |hop| call.harm_of(hop, first));
    // On a stream the next message begins at a wrong place; a datagram ends by itself.
    let severity = match first.transport.is_reliable() || harm == Harm::Outcome {
        true => Severity::Error,
        false => Severity::Warn,
    };
    let report = match hop {
        Some(hop) if harm == Harm::Outcome => {
            Report::on(hop).at(hop.final_response()).confidence(Confidence::Likely)
        }
        Some(hop) => Report::beside(hop),
        None => Report::on_capture().between(first.source, first.destination),
    };
    let length = first.content_length().and_then(Result::ok);
    findings.report(
        report
            .at(batch.messages.iter().copied().take(FRAMES_MAX))
            .severity(severity)
            .with("message", title(first))
            .with("sender", first.source)
            .with("fault", Value::Word(batch.fault.word()))
            .with_some("content_length", length)
            .with("body_bytes", first.bytes_after_headers())
            .with_some("counted", counted(first).map(Value::Word))
            .with("times", batch.own()),
    );
}

/// What the sender may have counted in the place of bytes.
fn counted(message: &Message<'_>) -> Option<&'static str> {
    let claimed = message.content_length()?.ok()? as usize;
    let bytes = message.bytes();
    let body = bytes.get(bytes.len().checked_sub(message.bytes_after_headers())?..)?;
    let characters = str::from_utf8(body).ok()?.chars().count();
    let returns = body.iter().filter(|byte| **byte == b'\r').count();
    if claimed == characters {
        Some("characters")
    } else if claimed == body.len().checked_sub(returns)? {
        Some("line-feeds")
    } else {
        None
    }
}
