#![doc = include_str!("response_path_mismatch.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::packet::Endpoint;
use crate::signaling::{Call, Message, SentBy, Transaction, may_mean};
use crate::sip::{Method, Rport, Status, Via};
use crate::time::Span;
use crate::transport::Transport;

pub(crate) static RULE: Rule = Rule {
    code: "NET102",
    name: "response-path-mismatch",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("response_path_mismatch.md"),
    thresholds: &[],
    gate: Gate::OPEN,
    check: Check::Call(check),
};

/// Transactions of one call with such a fault that are looked at.
const MISMATCHES_MAX: usize = 32;

/// A repeat that is sent so soon after the response may have crossed it on the way.
const CROSSING_MAX: Span = Span::from_millis(250);

/// A client that got no response to a request other than INVITE has repeated it by then (RFC 3261,
/// section 17.1.2.2: 4 s at most between two).
const REPEATED_WITHIN: Span = Span::from_secs(5);

// The words of the evidence.
const SENT_BY: &str = "sent-by";
const NOT_FILLED: &str = "rport-not-filled";
const OTHER_ADDRESS: &str = "other-address";
const OTHER_PORT: &str = "other-port";
const TRANSPORT_TOKEN: &str = "transport-token";

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let mut known: Vec<(Endpoint, Endpoint, &str)> = Vec::new();
    let found = call.transactions.iter().filter_map(|hop| Some((hop, mismatch(hop)?)));
    for (hop, (what, response)) in found.take(MISMATCHES_MAX) {
        if !is_alone(call, hop) || (what == SENT_BY && is_seen_inside(call, response)) {
            continue;
        }
        let Some(is_lost) = is_lost(call, hop, response) else { continue };
        // What reached a private address from outside was captured behind the NAT.
        let is_inside = call.hidden(response.destination.address).is_some();
        if what == SENT_BY && is_inside && !is_lost {
            continue;
        }
        // What came all the same is a note; what a server leaves out harms nobody by itself.
        let is_lost = is_lost && what != NOT_FILLED;
        let key = (hop.client, hop.server, what);
        if !known.contains(&key) {
            known.push(key);
            report(hop, what, response, is_lost, findings);
        }
    }
}

/// What is wrong with the way back, and the response that shows it.
fn mismatch<'c>(hop: &Transaction<'c>) -> Option<(&'static str, &'c Message<'c>)> {
    let request = hop.request?;
    let response = hop.first_response()?;
    if is_straight(hop, request, response) {
        return None;
    }
    let via = request.top_via()?;
    if !may_mean(via.transport, hop.transport) {
        return Some((TRANSPORT_TOKEN, response));
    }
    if hop.transport != Transport::Udp || response.transport != Transport::Udp {
        return None;
    }
    let is_to_client = response.destination.address == request.source.address;
    if is_to_client && response.source.address != request.destination.address {
        return Some((OTHER_ADDRESS, response));
    }
    if is_to_client && response.source.port != request.destination.port {
        return Some((OTHER_PORT, response));
    }
    let sent_by = asked_by(&via).filter(|sent_by| *sent_by != request.source)?;
    if response.destination == sent_by {
        return Some((SENT_BY, response));
    }
    let is_filled = response.top_via().is_none_or(|via| {
        via.received().is_some() || matches!(via.rport(), Some(Rport::Filled(_)))
    });
    let is_back = response.destination == request.source;
    (is_back && !is_filled).then_some((NOT_FILLED, response))
}

/// The client is where its Via says, and the response came back from where the request went.
fn is_straight(hop: &Transaction<'_>, request: &Message<'_>, response: &Message<'_>) -> bool {
    let Some(sent_by) = SentBy::of(request) else { return false };
    if !may_mean(sent_by.transport, hop.transport) {
        return false;
    }
    if hop.transport != Transport::Udp || response.transport != Transport::Udp {
        return true;
    }
    let address = sent_by.host.address().map(|address| address.to_canonical());
    response.source == request.destination
        && (address, sent_by.port) == (Some(request.source.address), request.source.port)
}

/// What the Via of a client that asks for `rport` calls its own address; none for names.
fn asked_by(via: &Via<'_>) -> Option<Endpoint> {
    via.rport()?;
    let address = via.host.address()?.to_canonical();
    via.maddr().is_none().then_some(Endpoint { address, port: via.port_or_default() })
}

/// No other hop has the same branch, so the response belongs to this one.
fn is_alone(call: &Call<'_>, hop: &Transaction<'_>) -> bool {
    !hop.branch.is_empty()
        && !call.transactions.iter().any(|other| {
            other.index != hop.index
                && (other.branch, other.cseq, other.method) == (hop.branch, hop.cseq, hop.method)
        })
}

/// The capture shows the network behind the NAT as well, so the response may be the copy there.
fn is_seen_inside(call: &Call<'_>, response: &Message<'_>) -> bool {
    let inside = response.destination.address;
    call.hidden(inside).is_some()
        && call.messages.iter().any(|message| message.source.address == inside)
}

/// The client did not get the response, or did; none where the capture does not tell.
fn is_lost<'c>(call: &Call<'c>, hop: &Transaction<'c>, response: &'c Message<'c>) -> Option<bool> {
    let is_invite = hop.method == Method::Invite;
    let goes_on = hop.retransmissions.iter().any(|again| {
        // A request other than INVITE is repeated after a provisional response, too.
        let is_needless = is_invite || response.status().is_some_and(Status::is_final);
        is_needless && again.time.since(response.time) > CROSSING_MAX
    });
    let is_acked = is_invite
        && hop.final_response().is_some_and(|answer| {
            !hop.acks.is_empty() || call.acks_to(hop, answer).next().is_some()
        });
    if is_acked || hop.cancel.is_some() {
        return (!goes_on).then_some(false);
    }
    if goes_on {
        return Some(true);
    }
    let is_settled = !is_invite && call.is_observed(response.time, REPEATED_WITHIN);
    is_settled.then_some(false)
}

fn report(
    hop: &Transaction<'_>,
    what: &'static str,
    response: &Message<'_>,
    is_lost: bool,
    findings: &mut Findings<'_>,
) {
    let Some(request) = hop.request else { return };
    let via = request.top_via();
    let after = hop.retransmissions.iter().filter(|again| again.time > response.time).count();
    let severity = if is_lost { Severity::Error } else { Severity::Info };
    let confidence = if is_lost { Confidence::Likely } else { Confidence::Certain };
    findings.report(
        Report::on(hop)
            .at([request, response])
            .at(hop.retransmissions.iter().copied().filter(|_| is_lost))
            .severity(severity)
            .confidence(confidence)
            .with("mismatch", Value::Word(what))
            .with("request_from", request.source)
            .with("request_to", request.destination)
            .with("response_from", response.source)
            .with("response_to", response.destination)
            .with_some(
                "sent_by",
                via.map(|via| {
                    let port = via.port.map_or_else(String::new, |port| format!(":{port}"));
                    Value::quoted(format!("{}{port}", via.host).as_bytes())
                }),
            )
            .with_some("via_transport", via.map(|via| Value::quoted(via.transport)))
            .with("method", Value::quoted(hop.method.as_bytes()))
            .with("repeats_after_response", after),
    );
}
