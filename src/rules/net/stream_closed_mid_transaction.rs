#![doc = include_str!("stream_closed_mid_transaction.md")]

use crate::finding::{
    Check, Confidence, Findings, Gate, Report, Rule, Severity, Value, Visibility,
};
use crate::signaling::{Call, Traits, Transaction};
use crate::sip::Method;
use crate::transport::{Disruption, DisruptionKind};

pub(crate) static RULE: Rule = Rule {
    code: "NET203",
    name: "stream-closed-mid-transaction",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("stream_closed_mid_transaction.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::DISRUPTION]),
    check: Check::Call(check),
};

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    if call.network().is_calm() {
        return;
    }
    for hop in &call.transactions {
        let Some(end) = end_under(call, hop) else { continue };
        // The farthest hop downstream owns the finding (guard G9).
        let below = hop.downstream.iter().filter_map(|index| call.transactions.get(*index));
        if below.filter(|below| end_under(call, below).is_some()).count() == 0 {
            report(call, hop, end, findings);
        }
    }
}

/// The end of the connection, unless the server had said that it expects TLS: that has a rule of
/// its own.
fn end_under<'c>(call: &Call<'c>, hop: &Transaction<'c>) -> Option<&'c Disruption> {
    call.broken_off(hop).filter(|end| end.last_words.is_none_or(|words| words.alert.is_none()))
}

fn report(call: &Call<'_>, hop: &Transaction<'_>, end: &Disruption, findings: &mut Findings<'_>) {
    let how = match end.kind {
        DisruptionKind::Reset => "reset",
        _ => "closed",
    };
    let words = end.last_words;
    // The answer may be among the bytes that are missing (guard G5).
    let confidence = match words.is_some_and(|words| words.has_gaps) {
        true => Confidence::Possible,
        // The server may still answer over another connection (guard G1; RFC 3261, section 18.2.2).
        false if !call.is_observed(end.first(), call.patience()) => Confidence::Likely,
        false => Confidence::Certain,
    };
    // A program that ends its call and itself wants no answer.
    let is_own_end = hop.method == Method::Bye && end.source.address == hop.client.address;
    let severity = if is_own_end { Severity::Info } else { Severity::Error };
    let sent = hop.started().unwrap_or_default();
    findings.report(
        Report::on(hop)
            .at(hop.request)
            .at(hop.provisionals.last().copied())
            .frames(end.frames.iter().copied())
            .severity(severity)
            .confidence(confidence)
            .visibility(Visibility::WayElseNothing(hop.server.address, hop.client.address))
            .with("method", Value::quoted(hop.method.as_bytes()))
            .with("ended_by", end.source)
            .with("how", Value::Word(how))
            .with("after_ms", end.first().since(sent))
            .with_some("idle_ms", words.map(|words| words.idle))
            .with_some("keep_alives", words.map(|words| words.has_keep_alives))
            .with("transport", Value::Word(hop.transport.name())),
    );
}
