#![doc = include_str!("duplicate_singleton_header.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::rules::msg::title;
use crate::signaling::{Batch, Call, Harm, Message, Traits};
use crate::sip::HeaderName;

pub(crate) static RULE: Rule = Rule {
    code: "MSG105",
    name: "duplicate-singleton-header",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("duplicate_singleton_header.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::FIELD_TWICE]),
    check: Check::Call(check),
};

/// Frames of one kind that a finding names.
const FRAMES_MAX: usize = 11;

/// Values that a finding quotes.
const VALUES_MAX: usize = 3;

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for batch in &call.batches(fault_in) {
        report(call, batch, findings);
    }
}

/// The first field that is there more than once, those that differ first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fault {
    name: HeaderName,
    is_same: bool,
}

fn fault_in(message: &Message<'_>) -> Option<Fault> {
    let mut seen = [0_u64; 4];
    let is_twice =
        message.headers().iter().filter(|header| header.name.is_singleton()).any(|own| {
            let number = own.name as usize;
            let bit = 1_u64 << (number % 64);
            let is_known = seen.get(number / 64).is_some_and(|bits| bits & bit != 0);
            if let Some(bits) = seen.get_mut(number / 64) {
                *bits |= bit;
            }
            is_known
        });
    if !is_twice {
        return None;
    }
    let (name, is_same) = message.duplicates().min_by_key(|(_, is_same)| *is_same)?;
    Some(Fault { name, is_same })
}

fn report<'c>(call: &Call<'c>, batch: &Batch<'c, Fault>, findings: &mut Findings<'_>) {
    let Some(first) = batch.first() else { return };
    let Fault { name, is_same } = batch.fault;
    let hop = call.hop_of(first);
    let is_outcome = !is_same && hop.is_some_and(|hop| call.harm_of(hop, first) == Harm::Outcome);
    let report = match hop {
        Some(hop) if is_outcome => {
            Report::on(hop).at(hop.final_response()).confidence(Confidence::Likely)
        }
        Some(hop) => Report::beside(hop),
        None => Report::on_capture().between(first.source, first.destination),
    };
    let severity = match (is_outcome, is_same) {
        (true, _) => Severity::Error,
        (false, true) => Severity::Info,
        (false, false) => Severity::Warn,
    };
    let values = first.lines(name).take(VALUES_MAX).map(Value::quoted).collect();
    findings.report(
        report
            .at(batch.messages.iter().copied().take(FRAMES_MAX))
            .severity(severity)
            .with("message", title(first))
            .with("sender", first.source)
            .with("twice", Value::Text(name.as_str().to_owned()))
            .with("values", Value::List(values))
            .with("identical", is_same)
            .with("times", batch.own()),
    );
}
