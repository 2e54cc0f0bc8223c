#![doc = include_str!("sip_alg_rewrite.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::sdp::Media;
use crate::signaling::{Call, Message, Reach, SentBy, Traits, Transaction, address_in};
use crate::time::Span;
use crate::transport::Transport;

pub(crate) static RULE: Rule = Rule {
    code: "NET107",
    name: "sip-alg-rewrite",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("sip_alg_rewrite.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::PUBLIC_HOST]),
    check: Check::Call(check),
};

/// Requests from behind a NAT that are looked at.
const INSIDE_MAX: usize = 32;

/// A NAT hands a packet on at once.
const PASSED_WITHIN: Span = Span::from_secs(1);

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let reach = |hop: &Transaction<'_>| call.settings().reach(hop.client.address);
    let inside = call.transactions.iter().filter(|hop| {
        hop.request.is_some() && !hop.branch.is_empty() && reach(hop) == Reach::Private
    });
    for hop in inside.take(INSIDE_MAX) {
        if let Some((outside, fields)) = rewritten(call, hop) {
            return report(hop, outside, fields, findings);
        }
    }
    let outside = call.transactions.iter().filter_map(|hop| Some((hop, hop.request?)));
    let first = outside.filter(|(_, request)| call.is_public_way(request)).take(INSIDE_MAX);
    for (hop, request) in first {
        let signs = signs(call, request);
        if !signs.is_empty() {
            return report_signs(hop, request, signs, findings);
        }
    }
}

/// The same request behind the NAT, and what is not the same in it. A proxy would have added a Via,
/// a B2BUA would have made a branch of its own.
fn rewritten<'a, 'c>(
    call: &'a Call<'c>,
    inside: &Transaction<'c>,
) -> Option<(&'a Transaction<'c>, Vec<Value>)> {
    let before = inside.request?;
    let key = |hop: &Transaction<'c>| (hop.branch, hop.cseq, hop.method, hop.server.address);
    let (outside, after) = call.transactions.iter().find_map(|other| {
        let after = other.request?;
        let is_other = other.index != inside.index && key(other) == key(inside);
        let is_outside = call.settings().reach(other.client.address) == Reach::Public;
        let is_passed = after.time.since(before.time).abs() <= PASSED_WITHIN;
        (is_other && is_outside && is_passed).then_some((other, after))
    })?;
    if before.vias().count() != after.vias().count() {
        return None;
    }
    let via = |message: &Message<'c>| message.top_via().map(|via| via.host.as_bytes());
    let contact = |message: &Message<'c>| message.contact().map(|contact| contact.uri.as_bytes());
    let fields = [
        ("Via", via(before) != via(after)),
        ("Contact", contact(before) != contact(after)),
        ("SDP", before.sdp() != after.sdp()),
    ];
    let fields: Vec<_> = fields
        .into_iter()
        .filter(|(_, is_changed)| *is_changed)
        .map(|(name, _)| Value::Text(name.to_owned()))
        .collect();
    (!fields.is_empty()).then_some((outside, fields))
}

/// Public addresses beside a private Via, as somebody leaves them who rewrites a part. A client
/// that asks a STUN server shows the same, so one that says so (ICE, outbound) is passed over.
fn signs<'c>(call: &Call<'c>, request: &Message<'c>) -> Vec<Value> {
    let mut signs = Vec::new();
    let via = SentBy::of(request).and_then(|own| own.host.address());
    let is_private = via.is_some_and(|address| call.hidden(address).is_some());
    if !is_private || request.vias().nth(1).is_some() {
        return signs;
    }
    let contact = request.contact().map(|contact| contact.uri);
    if contact.is_some_and(|uri| uri.parameters().has("ob") || uri.parameters().has("gr")) {
        return signs;
    }
    let source = request.source;
    let is_outside = contact.and_then(|uri| address_in(&uri)) == Some(source.address);
    let port = contact.and_then(|uri| uri.port());
    if is_outside && port.is_some_and(|port| port != source.port) {
        signs.push(Value::Word("contact-port"));
    }
    let Some((session, _)) = request.session() else { return signs };
    if session.media.iter().any(|media| media.candidates().next().is_some()) {
        return Vec::new();
    }
    if session.audio().and_then(Media::address) == Some(source.address) {
        signs.push(Value::Word("public-sdp"));
    }
    let has_length = request.content_length().and_then(Result::ok);
    let is_wrong = has_length.is_some_and(|length| {
        usize::try_from(length).is_ok_and(|length| length != request.bytes_after_headers())
    });
    let is_rewritten = is_outside || !signs.is_empty();
    if is_wrong && is_rewritten && request.transport == Transport::Udp && !request.is_cut {
        signs.push(Value::Word("content-length"));
    }
    signs
}

fn report(
    inside: &Transaction<'_>,
    outside: &Transaction<'_>,
    fields: Vec<Value>,
    findings: &mut Findings<'_>,
) {
    findings.report(
        Report::on_capture()
            .between(inside.client, outside.server)
            .at(inside.request)
            .at(outside.request)
            .with("rewritten", Value::List(fields))
            .with("outside", outside.client)
            .with("inside", inside.client),
    );
}

fn report_signs(
    hop: &Transaction<'_>,
    request: &Message<'_>,
    signs: Vec<Value>,
    findings: &mut Findings<'_>,
) {
    let via = request.top_via().map(|via| Value::quoted(via.host.as_bytes()));
    findings.report(
        Report::on_capture()
            .between(hop.client, hop.server)
            .at([request])
            .severity(Severity::Info)
            .confidence(Confidence::Possible)
            .with("signs", Value::List(signs))
            .with("outside", hop.client)
            .with_some("via", via),
    );
}
