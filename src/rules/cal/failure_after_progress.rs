#![doc = include_str!("failure_after_progress.md")]

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Call, Message, Traits, Transaction};
use crate::sip::{HeaderName, Status};

pub(crate) static RULE: Rule = Rule {
    code: "CAL101",
    name: "failure-after-progress",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("failure_after_progress.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::LOST, Traits::PROGRESS, Traits::REFUSAL]),
    check: Check::Call(check),
};

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for attempt in &call.attempts {
        if attempt.is_resolved(call) || attempt.is_answered() {
            continue;
        }
        let Some(first) = attempt.first_hop(call) else { continue };
        if call.is_given_up(first) {
            continue;
        }
        let origin = attempt.origin(call, first);
        let is_faulty = |hop: &Transaction<'_>| {
            ending(hop).is_some() && !call.is_given_up(hop) && call.is_above(hop, origin)
        };
        let Some(hop) = attempt.farthest(call, is_faulty) else { continue };
        if let Some((progress, answer)) = ending(hop) {
            report(hop, progress, answer, findings);
        }
    }
}

/// Progress, and the failure of the same fork that came after it.
fn ending<'c>(hop: &Transaction<'c>) -> Option<(&'c Message<'c>, &'c Message<'c>)> {
    let answer = hop.final_response()?;
    // 487 is the echo of a CANCEL, and a challenge is no failure.
    let is_failure = |code| code >= 400 && !matches!(code, 401 | 407 | 487);
    answer.status().filter(|status| is_failure(status.code()))?;
    let progress = hop.progress().find(|progress| {
        progress.status() != Some(Status::EARLY_DIALOG_TERMINATED)
            && progress.time <= answer.time
            && progress.shares_fork(answer)
    })?;
    Some((progress, answer))
}

fn report(
    hop: &Transaction<'_>,
    progress: &Message<'_>,
    answer: &Message<'_>,
    findings: &mut Findings<'_>,
) {
    let (Some(before), Some(status)) = (progress.status(), answer.status()) else { return };
    let severity = match status.code() {
        486 | 600 | 603 => Severity::Info,
        _ => Severity::Warn,
    };
    let value = |name| answer.header(name).map(Value::quoted);
    findings.report(
        Report::on(hop)
            .at(hop.request)
            .at([progress, answer])
            .status(before)
            .status(status)
            .severity(severity)
            .with("progress", before.code())
            .with("status", status.code())
            .with("phrase", Value::quoted(answer.reason_phrase().unwrap_or_default().as_bytes()))
            .with("gap_ms", answer.time.since(progress.time))
            .with_some("q850", answer.q850())
            .with_some("reason", value(HeaderName::Reason))
            .with_some("warning", value(HeaderName::Warning))
            .with_some("retry_after", value(HeaderName::RetryAfter))
            .with_some("error_info", value(HeaderName::ErrorInfo))
            .with_some("software", answer.software().map(Value::quoted)),
    );
}
