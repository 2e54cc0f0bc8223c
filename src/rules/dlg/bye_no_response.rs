#![doc = include_str!("bye_no_response.md")]

use crate::finding::{
    Check, Confidence, Findings, Gate, Report, Rule, Severity, Value, Visibility,
};
use crate::signaling::{Call, Message, Traits, Transaction};
use crate::sip::{HeaderName, Method, Status};
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "DLG204",
    name: "bye-no-response",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("bye_no_response.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::BYE, Traits::SILENCE]),
    check: Check::Call(check),
};

/// Both sides hang up at the same moment if their BYEs leave within this time.
const CROSSING: Span = Span::from_secs(1);

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for bye in call.transactions.iter().filter(|transaction| is_unanswered(call, transaction)) {
        // The farthest hop downstream owns the finding (guard G9).
        let is_passed_on = bye
            .downstream
            .iter()
            .filter_map(|index| call.transactions.get(*index))
            .any(|below| is_unanswered(call, below));
        if !is_passed_on {
            report(call, bye, findings);
        }
    }
}

fn is_unanswered(call: &Call<'_>, bye: &Transaction<'_>) -> bool {
    let Some(request) = bye.request else { return false };
    bye.method == Method::Bye
        && bye.finals.is_empty()
        && !call.is_without_dialog()
        && call.is_observed(request.time, call.patience_of(bye.client))
        && !call.implies_response(bye)
        && !call.got_through(bye)
        && is_heard(call, bye)
        && !is_taken_up(call, request)
        && !call.shows_unseen_answer(bye)
}

/// The server is seen to speak to the client while the call is up, so its answer would be, too
/// (guard G2); a provisional response comes before that.
fn is_heard(call: &Call<'_>, bye: &Transaction<'_>) -> bool {
    call.messages.iter().any(|message| {
        message.went(bye.server, bye.client) && message.status().is_none_or(Status::is_final)
    })
}

/// A later BYE of the same side carries credentials, so a challenge came (guard G3), or got a 2xx.
fn is_taken_up(call: &Call<'_>, request: &Message<'_>) -> bool {
    call.transactions.iter().filter(|later| later.method == Method::Bye).any(|later| {
        later.request.is_some_and(|own| {
            own.from_tag() == request.from_tag()
                && own.cseq().map(|cseq| cseq.number) > request.cseq().map(|cseq| cseq.number)
                && (later.first_success().is_some()
                    || own.has(HeaderName::Authorization)
                    || own.has(HeaderName::ProxyAuthorization))
        })
    })
}

fn report(call: &Call<'_>, bye: &Transaction<'_>, findings: &mut Findings<'_>) {
    let Some(request) = bye.request else { return };
    let last = bye.retransmissions.last().copied().unwrap_or(request);
    let crossing = call
        .dialog_of(request)
        .and_then(|dialog| call.bye_before(dialog, request, request.time + CROSSING))
        .and_then(|other| other.request)
        .filter(|other| other.from_tag() != request.from_tag());
    let severity = if crossing.is_some() { Severity::Info } else { Severity::Warn };
    // Without an answer a client repeats over UDP; perhaps one came, but not into the capture.
    let confidence = match bye.is_sent_once() {
        true => Confidence::Possible,
        false => Confidence::Likely,
    };
    let (client, server) = (bye.client, bye.server);
    findings.report(
        Report::on(bye)
            .at([request])
            .at(bye.retransmissions.iter().copied())
            .at(crossing)
            .severity(severity)
            .confidence(confidence)
            .visibility(Visibility::WayElseNothing(server.address, client.address))
            .with("sends", bye.sends())
            .with("sending_ms", last.time.since(request.time))
            .with("transport", Value::Word(bye.transport.name()))
            .with_some(
                "request_uri",
                request.request_uri().map(|uri| Value::quoted(uri.as_str().as_bytes())),
            )
            .with_some("contact", contact_of_peer(call, request))
            .with_some("crossing", crossing.map(|_| true)),
    );
}

/// Where the other side last said that it takes requests.
fn contact_of_peer(call: &Call<'_>, request: &Message<'_>) -> Option<Value> {
    let dialog = call.dialog_of(request)?;
    let of_peer = |message: &Message<'_>| match message.is_request() {
        true => message.from_tag() == request.to_tag(),
        false => message.to_tag() == request.to_tag(),
    };
    let mut told =
        call.messages.iter().rev().filter(|message| dialog.holds(message) && of_peer(message));
    told.find_map(|message| message.header(HeaderName::Contact)).map(Value::quoted)
}
