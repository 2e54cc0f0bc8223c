#![doc = include_str!("record_route_unreachable.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::packet::Endpoint;
use crate::signaling::{Call, Message, Traits, Transaction, may_mean};
use crate::sip::{HeaderName, Method, Uri};

pub(crate) static RULE: Rule = Rule {
    code: "NET104",
    name: "record-route-unreachable",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("record_route_unreachable.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::RECORD_ROUTE]),
    check: Check::Call(check),
};

/// Routes of one call that are reported.
const ROUTES_MAX: usize = 8;

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let mut known: Vec<(&[u8], &str)> = Vec::new();
    for hop in call.transactions.iter().filter(|hop| makes_dialog(hop)) {
        let (Some(request), Some(answer)) = (hop.request, hop.first_success()) else { continue };
        let routes = [
            (request, request.addresses(HeaderName::RecordRoute).next()),
            (answer, own_route(request, answer)),
        ];
        for (message, route) in routes {
            let Some(uri) = route.map(|route| route.uri) else { continue };
            let Some(problem) = problem(call, hop, message, &uri) else { continue };
            if known.len() >= ROUTES_MAX {
                return;
            }
            if !known.contains(&(uri.as_bytes(), problem)) {
                known.push((uri.as_bytes(), problem));
                report(hop, message, &uri, problem, findings);
            }
        }
    }
}

/// A dialog was made, so there is a route to follow.
fn makes_dialog(hop: &Transaction<'_>) -> bool {
    matches!(hop.method, Method::Invite | Method::Subscribe | Method::Refer)
        && hop.is_initial()
        && hop.first_success().is_some()
}

/// What the client of this hop has to send to first: the value of the server or of what stands
/// behind it, right above those that the request had when it came there (RFC 3261, sections 12.1.2
/// and 16.6, item 4).
fn own_route<'c>(request: &Message<'c>, answer: &Message<'c>) -> Option<crate::sip::Address<'c>> {
    let before = request.values(HeaderName::RecordRoute).count();
    let all = answer.values(HeaderName::RecordRoute).count();
    let place = all.checked_sub(before)?.checked_sub(1)?;
    answer.addresses(HeaderName::RecordRoute).nth(place)
}

/// Why the receiver of the message cannot follow the route.
fn problem<'c>(
    call: &Call<'c>,
    hop: &Transaction<'c>,
    message: &Message<'c>,
    uri: &Uri<'c>,
) -> Option<&'static str> {
    if !uri.is_sip() {
        return None;
    }
    let transport = uri.parameters().value("transport");
    if call.hidden_in(uri).is_some() && call.is_public_way(message) {
        return (!call.is_reached_anyway(message)).then_some(PRIVATE);
    }
    if !uri.parameters().has("lr") {
        return Some(NO_LR);
    }
    let is_other = transport.is_some_and(|token| !may_mean(token, hop.transport));
    (is_other && !call.is_reached_anyway(message)).then_some(OTHER_TRANSPORT)
}

// The words of the evidence.
const PRIVATE: &str = "private-address";
const NO_LR: &str = "no-lr";
const OTHER_TRANSPORT: &str = "other-transport";

fn report(
    hop: &Transaction<'_>,
    message: &Message<'_>,
    uri: &Uri<'_>,
    problem: &'static str,
    findings: &mut Findings<'_>,
) {
    let confidence = match problem {
        NO_LR => Confidence::Certain,
        _ => Confidence::Likely,
    };
    let (from, to): (Endpoint, Endpoint) = (message.source, message.destination);
    findings.report(
        Report::on(hop)
            .at([message])
            .confidence(confidence)
            .with("record_route", Value::quoted(uri.as_bytes()))
            .with("problem", Value::Word(problem))
            .with("from", from)
            .with("to", to)
            .with("transport", Value::Word(hop.transport.name()))
            .with("method", Value::quoted(hop.method.as_bytes())),
    );
}
