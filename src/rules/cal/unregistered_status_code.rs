#![doc = include_str!("unregistered_status_code.md")]

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Call, Message, Traits, Transaction};
use crate::sip::{Start, Status};

pub(crate) static RULE: Rule = Rule {
    code: "CAL203",
    name: "unregistered-status-code",
    severity: Severity::Info,
    since: "0.1.0",
    entry: include_str!("unregistered_status_code.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::FOREIGN_STATUS]),
    check: Check::Call(check),
};

/// Codes that are not registered and that the trade knows all the same: dropped by RFC 3261, taken
/// from HTTP, or sent by SER and Kamailio. The catalogue explains them.
const WELL_KNOWN: [u16; 9] = [203, 303, 409, 411, 477, 478, 479, 510, 666];

/// Codes named in one call; more are noise.
const CODES_MAX: usize = 8;

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let mut known: Vec<Status> = Vec::new();
    for hop in &call.transactions {
        let mut own: Vec<Status> = Vec::new();
        for answer in hop.provisionals.iter().chain(&hop.finals) {
            let Some(status) = answer.status().filter(|status| is_foreign(*status)) else {
                continue;
            };
            if own.contains(&status) || own.len() >= CODES_MAX || known.len() >= CODES_MAX {
                continue;
            }
            own.push(status);
            // The server nearest to the callee tells who made the code up (guard G9).
            if known.contains(&status) || is_passed_on(call, hop, status) {
                continue;
            }
            known.push(status);
            let code = status.code();
            let report = Report::on(hop).at(hop.request).status(status);
            report_code(report, answer, code, Some(code / 100 * 100), findings);
        }
    }
    outside(call, findings);
}

fn is_foreign(status: Status) -> bool {
    !status.is_registered() && !WELL_KNOWN.contains(&status.code())
}

/// The hop only hands on what came from farther downstream.
fn is_passed_on(call: &Call<'_>, hop: &Transaction<'_>, status: Status) -> bool {
    hop.downstream.iter().filter_map(|below| call.transactions.get(*below)).any(|below| {
        let mut responses = below.provisionals.iter().chain(&below.finals);
        responses.any(|answer| answer.status() == Some(status))
    })
}

/// A code that belongs to no class: nobody can tell what to do with it (RFC 3261, section 7.2).
fn outside(call: &Call<'_>, findings: &mut Findings<'_>) {
    for message in call.messages {
        let Start::Response { status: None, code, .. } = message.start() else { continue };
        let code = std::str::from_utf8(code).ok().and_then(|code| code.parse::<u16>().ok());
        let Some(code) = code.filter(|code| *code < 1000) else { continue };
        let report = Report::on_capture().to(message.source);
        report_code(report, message, code, None, findings);
        return;
    }
}

fn report_code(
    report: Report,
    answer: &Message<'_>,
    code: u16,
    treated_as: Option<u16>,
    findings: &mut Findings<'_>,
) {
    findings.report(
        report
            .at([answer])
            .with("status", code)
            .with("phrase", Value::quoted(answer.reason_phrase().unwrap_or_default().as_bytes()))
            .with("method", Value::quoted(answer.method().as_bytes()))
            .with_some("treated_as", treated_as)
            .with_some("software", answer.software().map(Value::quoted)),
    );
}
