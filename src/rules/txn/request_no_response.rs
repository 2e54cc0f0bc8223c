#![doc = include_str!("request_no_response.md")]

use crate::finding::{
    Check, Confidence, Findings, Gate, Report, Rule, Severity, Value, Visibility,
};
use crate::signaling::{Call, Traits, Transaction};
use crate::sip::Method;

pub(crate) static RULE: Rule = Rule {
    code: "TXN103",
    name: "request-no-response",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("request_no_response.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::SILENCE]),
    check: Check::Call(check),
};

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for request in call.transactions.iter().filter(|transaction| is_unanswered(call, transaction)) {
        // The farthest hop downstream owns the finding (guard G9).
        let is_passed_on = request
            .downstream
            .iter()
            .filter_map(|index| call.transactions.get(*index))
            .any(|below| is_unanswered(call, below));
        if !is_passed_on {
            report(request, findings);
        }
    }
}

fn is_unanswered(call: &Call<'_>, transaction: &Transaction<'_>) -> bool {
    !matches!(transaction.method, Method::Bye | Method::Options | Method::Ack)
        && call.is_unanswered(transaction)
        && !is_hopeless_cancel(call, transaction)
}

/// A CANCEL goes the way of its INVITE; where that got no answer either, the INVITE has the
/// finding.
fn is_hopeless_cancel(call: &Call<'_>, transaction: &Transaction<'_>) -> bool {
    transaction.method == Method::Cancel
        && call
            .transactions
            .iter()
            .filter(|invite| invite.cancel == Some(transaction.index))
            .all(|invite| !invite.has_response() || invite.final_response().is_some())
}

fn report(transaction: &Transaction<'_>, findings: &mut Findings<'_>) {
    let Some(request) = transaction.request else { return };
    let last = transaction.retransmissions.last().copied().unwrap_or(request);
    let is_in_dialog = request.to_tag().is_some();
    let severity = match transaction.method {
        Method::Register | Method::Refer | Method::Subscribe => Severity::Error,
        Method::Cancel => Severity::Warn,
        _ if is_in_dialog => Severity::Error,
        _ => Severity::Warn,
    };
    // Without an answer a client repeats over UDP; perhaps one came, but not into the capture.
    let confidence = match transaction.is_sent_once() {
        true => Confidence::Possible,
        false => Confidence::Likely,
    };
    let (client, server) = (transaction.client, transaction.server);
    findings.report(
        Report::on(transaction)
            .at([request])
            .at(transaction.retransmissions.iter().copied())
            .severity(severity)
            .confidence(confidence)
            .visibility(Visibility::WayElseNothing(server.address, client.address))
            .with("method", Value::quoted(transaction.method.as_bytes()))
            .with("sends", transaction.sends())
            .with("sending_ms", last.time.since(request.time))
            .with("in_dialog", is_in_dialog)
            .with("transport", Value::Word(transaction.transport.name())),
    );
}
