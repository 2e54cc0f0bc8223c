#![doc = include_str!("icmp_unreachable.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::media::Media;
use crate::packet::{Endpoint, IcmpKind};
use crate::signaling::{Call, Message, Traits, Transaction};
use crate::sip::{Method, Status};
use crate::time::{Span, Time};
use crate::transport::{Carried, Disruption};

pub(crate) static RULE: Rule = Rule {
    code: "MED108",
    name: "icmp-unreachable",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("icmp_unreachable.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::DISRUPTION]),
    check: Check::Media(check),
};

/// Media may still be under way for so long when a call ends.
const AFTER_BYE: Span = Span::from_secs(2);

/// Errors that come later than this after the end are about the next user of the port.
const AFTER_END_MAX: Span = Span::from_secs(10);

/// Media that went on for longer after the last error found its port open at last.
const OPENED_LATE: Span = Span::from_secs(2);

/// Places for media that are looked at in one call: audio and video on both sides, on some hops.
const PLACES_MAX: usize = 64;

fn check(call: &Call<'_>, media: Media<'_>, findings: &mut Findings<'_>) {
    if call.network().is_calm() {
        return;
    }
    for hop in &call.transactions {
        on_signalling(call, hop, findings);
    }
    on_acks(call, findings);
    on_media(call, media, findings);
}

fn on_signalling(call: &Call<'_>, hop: &Transaction<'_>, findings: &mut Findings<'_>) {
    let requests: Vec<_> = call.errors_about(hop, hop.client, hop.server).collect();
    let responses: Vec<_> = call.errors_about(hop, hop.server, hop.client).collect();
    if !requests.is_empty() {
        let is_harmless = is_passed(call, hop) || is_answered_later(hop, &requests);
        report_signalling(hop, (&requests, "sip-request"), is_harmless, findings);
    } else if !responses.is_empty() {
        let is_harmless = is_received(call, hop, &responses);
        report_signalling(hop, (&responses, "sip-response"), is_harmless, findings);
    }
}

/// The request reached its end on another way, or was tried again with success (guard G7).
fn is_passed(call: &Call<'_>, hop: &Transaction<'_>) -> bool {
    let attempt = call.attempts.iter().find(|attempt| attempt.hops.contains(&hop.index));
    match attempt {
        Some(attempt) => attempt.is_answered() || attempt.is_resolved(call),
        None => hop.first_success().is_none() && call.got_through(hop),
    }
}

/// A response came after the last error, or before the first one, which then was about an ACK.
fn is_answered_later(hop: &Transaction<'_>, errors: &[&Disruption]) -> bool {
    let last = errors.iter().map(|error| error.last).max();
    let first = errors.iter().map(|error| error.first()).min();
    let mut responses = hop.provisionals.iter().chain(&hop.finals);
    responses.any(|response| Some(response.time) > last)
        || hop.final_response().is_some_and(|answer| Some(answer.time) <= first)
}

/// The client shows that it got the final response, or it was sent again without an error.
fn is_received(call: &Call<'_>, hop: &Transaction<'_>, errors: &[&Disruption]) -> bool {
    let last = errors.iter().map(|error| error.last).max();
    let is_final_later = hop.finals.iter().any(|answer| Some(answer.time) > last);
    is_final_later
        || !hop.acks.is_empty()
        || (hop.method == Method::Invite && (call.implies_answer(hop) || call.is_acknowledged(hop)))
}

fn report_signalling(
    hop: &Transaction<'_>,
    (errors, packet): (&[&Disruption], &'static str),
    is_harmless: bool,
    findings: &mut Findings<'_>,
) {
    // To find out how large packets may be is ordinary work (RFC 1191).
    let is_discovery = errors.iter().all(|error| error.icmp() == Some(IcmpKind::TooBig));
    let report = match (is_harmless, is_discovery) {
        (true, true) => Report::beside(hop).severity(Severity::Info),
        (true, false) => Report::beside(hop).severity(Severity::Warn),
        (false, _) => Report::on(hop).at(hop.request),
    };
    let sent = hop.started().unwrap_or_else(|| hop.first_time());
    let report = report
        .with("packet", Value::Word(packet))
        .with("method", Value::quoted(hop.method.as_bytes()))
        .with_some("status", hop.final_status().map(Status::code));
    findings.extend_with(report, errors, sent);
}

/// The ACK of a 2xx has no transaction of its own.
fn on_acks(call: &Call<'_>, findings: &mut Findings<'_>) {
    for ack in call.dialogs.iter().flat_map(|dialog| dialog.acks.iter().copied()) {
        let errors: Vec<_> = call.errors_about_message(ack).collect();
        let invite = call.transactions.iter().find(|hop| {
            hop.method == Method::Invite
                && Some(hop.cseq) == ack.cseq().map(|cseq| cseq.number)
                && ack.went(hop.client, hop.server)
        });
        let is_of_failure = invite.is_some_and(|invite| Some(invite.branch) == ack.branch());
        let Some(invite) = invite.filter(|_| !errors.is_empty() && !is_of_failure) else {
            continue;
        };
        let report = Report::on(invite)
            .at([ack])
            .with("packet", Value::Word("ack"))
            .with("method", Value::quoted(b"ACK"));
        findings.extend_with(report, &errors, ack.time);
    }
}

/// Where one side of the call wants media, and since when.
struct Place<'m> {
    message: &'m Message<'m>,
    kind: &'m [u8],
    endpoint: Endpoint,
    is_rtcp: bool,
    /// Another place was found: by ICE (RFC 8445), or by a later offer or answer.
    has_other: bool,
}

fn on_media(call: &Call<'_>, media: Media<'_>, findings: &mut Findings<'_>) {
    let end = end_of(call);
    for place in places(call) {
        let until = end.map_or_else(|| call.observed_until(), |end| end + AFTER_END_MAX);
        let errors: Vec<_> = call
            .network()
            .about_packets(place.endpoint, place.message.time, until)
            .filter(|error| is_about(error, &place))
            .filter(|error| {
                let passed = end.map(|end| error.first().since(end));
                passed.is_none_or(|passed| passed < Span::default() || passed > AFTER_BYE)
            })
            .collect();
        if !errors.is_empty() {
            report_media(media, &place, end, &errors, findings);
        }
    }
}

/// When the call was over: the first BYE, or the failure of its last INVITE.
fn end_of(call: &Call<'_>) -> Option<Time> {
    let byes = call.dialogs.iter().filter_map(|dialog| Some(dialog.farewell(call)?.time));
    let last = call.attempts.last().filter(|attempt| !attempt.is_answered());
    let failure = last.and_then(|attempt| attempt.first_hop(call)?.final_response());
    byes.chain(failure.map(|answer| answer.time)).min()
}

fn places<'m>(call: &'m Call<'m>) -> Vec<Place<'m>> {
    let mut places: Vec<Place<'m>> = Vec::new();
    for message in call.messages {
        let Some((session, _)) = message.session() else { continue };
        for line in &session.media {
            let ends = [(line.rtp_endpoint(), false), (line.rtcp_endpoint(), true)];
            for (end, is_rtcp) in ends.into_iter().filter(|_| line.port != 0) {
                let Some(end) = end else { continue };
                let endpoint = Endpoint { address: end.ip(), port: end.port() };
                if places.iter().any(|known| known.endpoint == endpoint)
                    || places.len() >= PLACES_MAX
                {
                    continue;
                }
                for known in &mut places {
                    known.has_other |= known.message.source == message.source
                        && (known.kind, known.is_rtcp) == (line.kind, is_rtcp)
                        && !std::ptr::eq(known.message, message);
                }
                let has_other = line.candidates().next().is_some();
                places.push(Place { message, kind: line.kind, endpoint, is_rtcp, has_other });
            }
        }
    }
    places
}

fn is_about(error: &Disruption, place: &Place<'_>) -> bool {
    match error.carried {
        Carried::Rtp => !place.is_rtcp,
        // With `a=rtcp-mux` both have one place.
        Carried::Rtcp | Carried::Unknown => error.icmp().is_some(),
        Carried::Sip | Carried::Opening | Carried::Other => false,
    }
}

fn report_media(
    media: Media<'_>,
    place: &Place<'_>,
    end: Option<Time>,
    errors: &[&Disruption],
    findings: &mut Findings<'_>,
) {
    let is_rtcp = place.is_rtcp || errors.iter().all(|error| error.carried == Carried::Rtcp);
    let last = errors.iter().map(|error| error.last).max().unwrap_or_default();
    let goes_on = |until: Time| media.went_to(place.endpoint, last + OPENED_LATE, until);
    let is_over = end.is_some_and(|end| errors.iter().all(|error| error.first() >= end));
    let is_opened = goes_on(end.unwrap_or(last + AFTER_END_MAX));
    let severity = match is_rtcp || is_over || is_opened || place.has_other {
        true => Severity::Info,
        false => Severity::Error,
    };
    let source = errors.first().map_or(place.endpoint, |error| error.source);
    let packet = if is_rtcp { "rtcp" } else { "rtp" };
    let report = Report::on_capture()
        .between(source, place.endpoint)
        .at([place.message])
        .severity(severity)
        .with("packet", Value::Word(packet))
        .with("media", Value::quoted(place.kind))
        .with("media_endpoint", place.endpoint)
        .with_some("after_bye", is_over.then_some(true));
    findings.extend_with(report, errors, place.message.time);
}

/// Adds what all errors have in common.
trait Extend {
    fn extend_with(&mut self, report: Report, errors: &[&Disruption], since: Time);
}

impl Extend for Findings<'_> {
    fn extend_with(&mut self, report: Report, errors: &[&Disruption], since: Time) {
        let Some(first) = errors.first() else { return };
        let Some(kind) = first.icmp() else { return };
        let is_quoted = errors.iter().any(|e| e.call_id.is_some() || e.carried != Carried::Unknown);
        let confidence = if is_quoted { Confidence::Certain } else { Confidence::Likely };
        self.report(
            report
                .frames(errors.iter().flat_map(|error| error.frames.iter().copied()))
                .confidence(confidence)
                .with("icmp", Value::Word(kind.name()))
                .with("reporter", Value::Text(first.reporter.to_string()))
                .with("errors", errors.iter().map(|error| error.count).sum::<u64>())
                .with("after_ms", first.first().since(since)),
        );
    }
}
