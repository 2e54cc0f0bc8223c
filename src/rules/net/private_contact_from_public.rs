#![doc = include_str!("private_contact_from_public.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::packet::Endpoint;
use crate::signaling::{Call, Message, Reach, Traits, Transaction, address_in};
use crate::sip::{Address, HeaderName, Method};

pub(crate) static RULE: Rule = Rule {
    code: "NET101",
    name: "private-contact-from-public",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("private_contact_from_public.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::PUBLIC_WAY]),
    check: Check::Call(check),
};

/// Requests of one call that are looked at; each is held against all messages of the call.
const HOPS_MAX: usize = 64;

/// Contacts of one call that are reported.
const CONTACTS_MAX: usize = 8;

/// Parameters that tell the receiver another way to the Contact: the address that a server saw
/// (RFC 5923 for `alias`), the flow (RFC 5626 for `ob`), a name of its own (RFC 5627 for `gr`).
const OTHER_WAYS: [&str; 4] = ["received", "alias", "ob", "gr"];

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let mut known: Vec<Endpoint> = Vec::new();
    for hop in call.transactions.iter().filter(|hop| forms_dialog(hop)).take(HOPS_MAX) {
        for message in [hop.request, hop.first_success()].into_iter().flatten() {
            let Some((contact, end, reach)) = exposed(call, hop, message) else { continue };
            if known.len() >= CONTACTS_MAX {
                return;
            }
            if !known.contains(&end) {
                known.push(end);
                report(hop, message, &contact, end, reach, findings);
            }
        }
    }
}

/// A dialog came of the request, or may still: what was refused has no use for a Contact.
fn forms_dialog(hop: &Transaction<'_>) -> bool {
    matches!(hop.method, Method::Invite | Method::Subscribe | Method::Refer)
        && hop.is_initial()
        && match hop.finals.is_empty() {
            true => hop.progress().next().is_some(),
            false => hop.first_success().is_some(),
        }
}

/// The Contact by which the receiver of the message will not reach its owner.
fn exposed<'c>(
    call: &Call<'c>,
    hop: &Transaction<'c>,
    message: &'c Message<'c>,
) -> Option<(Address<'c>, Endpoint, Reach)> {
    if !call.is_public_way(message) {
        return None;
    }
    let contact = message.contact()?;
    let (end, reach) = call.hidden_in(&contact.uri)?;
    let has_other_way = OTHER_WAYS
        .into_iter()
        .any(|name| contact.uri.parameters().has(name) || contact.parameters.has(name))
        || message.top_via().is_some_and(|via| via.parameters.has("alias"));
    let is_fine = has_other_way
        || is_behind_route(hop, message)
        || is_rewritten(call, message, end)
        || call.is_reached_anyway(message);
    (!is_fine).then_some((contact, end, reach))
}

/// An element between the owner of the Contact and the receiver stays in the path, so the receiver
/// sends to that one.
fn is_behind_route(hop: &Transaction<'_>, message: &Message<'_>) -> bool {
    let count = |message: &Message<'_>| message.values(HeaderName::RecordRoute).count();
    match hop.request.filter(|_| message.is_response()) {
        Some(request) => count(message) > count(request),
        None => count(message) > 0,
    }
}

/// The same message was seen later with another Contact, so the receiver hands on a better one.
fn is_rewritten<'c>(call: &Call<'c>, message: &Message<'c>, end: Endpoint) -> bool {
    let key = |message: &Message<'c>| (message.method(), message.cseq().map(|cseq| cseq.number));
    call.messages.iter().any(|later| {
        later.time >= message.time
            && later.is_request() == message.is_request()
            && key(later) == key(message)
            && later.from_tag() == message.from_tag()
            && later.contact().and_then(|contact| address_in(&contact.uri)).is_some_and(|address| {
                address != end.address && later.source.address != message.source.address
            })
    })
}

fn report(
    hop: &Transaction<'_>,
    message: &Message<'_>,
    contact: &Address<'_>,
    end: Endpoint,
    reach: Reach,
    findings: &mut Findings<'_>,
) {
    findings.report(
        Report::on(hop)
            .at([message])
            // A server may know its clients by the address that they come from, whatever they say.
            .confidence(Confidence::Possible)
            .with("contact", Value::quoted(contact.uri.as_bytes()))
            .with("contact_end", end)
            .with("reach", Value::Word(reach.name()))
            .with("method", Value::quoted(hop.method.as_bytes()))
            .with("from", message.source)
            .with_some("status", message.status().map(crate::sip::Status::code)),
    );
}
