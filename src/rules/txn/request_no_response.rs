#![doc = include_str!("request_no_response.md")]

use crate::finding::{Check, Confidence, Findings, Report, Rule, Severity, Value, Visibility};
use crate::signaling::{Call, Transaction, TransactionKind};
use crate::sip::{Method, timers};

pub(crate) static RULE: Rule = Rule {
    code: "TXN103",
    name: "request-no-response",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("request_no_response.md"),
    thresholds: &[],
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
    let Some(started) = transaction.started() else { return false };
    transaction.kind() == TransactionKind::NonInvite
        && !matches!(transaction.method, Method::Bye | Method::Options | Method::Ack)
        && transaction.finals.is_empty()
        && call.is_observed(started, call.patience_of(transaction.client))
        && !is_hopeless_cancel(call, transaction)
        && !is_implied(call, transaction)
        && !is_overtaken(call, transaction)
        && !call.implies_response(transaction)
        && !call.got_through(transaction)
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

/// Something later shows that the answer came, only not into the capture (guard G3): the server
/// never appears as a sender in this call although the dialog went on.
fn is_implied(call: &Call<'_>, transaction: &Transaction<'_>) -> bool {
    let Some(request) = transaction.request else { return false };
    !call.shows_way(transaction.server, transaction.client)
        && call.messages.iter().any(|message| {
            message.is_request()
                && message.source == transaction.client
                && message.time > request.time
                && message.cseq().is_some_and(|cseq| {
                    cseq.number > transaction.cseq && message.method() != Method::Ack
                })
                && message.method() != transaction.method
        })
}

/// The dialog ended while the request was under way: nobody need answer it any more.
fn is_overtaken(call: &Call<'_>, transaction: &Transaction<'_>) -> bool {
    let Some(request) = transaction.request else { return false };
    let bye = call.dialog_of(request).and_then(|dialog| dialog.bye(call));
    bye.is_some_and(|bye| bye.first_time().since(request.time).abs() <= timers::T2)
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
    let confidence = match transaction.sends() == 1 && !transaction.transport.is_reliable() {
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
