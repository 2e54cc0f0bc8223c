#![doc = include_str!("no_common_codec.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::sdp::{Media, Session};
use crate::signaling::{Attempt, Call, Description, Exchange, Objection, Traits};
use crate::sip::HeaderName;

pub(crate) static RULE: Rule = Rule {
    code: "SDP101",
    name: "no-common-codec",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("no_common_codec.md"),
    thresholds: &[],
    gate: Gate::one_of(&[Traits::REJECTED_LINE, Traits::LOST])
        .and_one_of(&[Traits::REJECTED_LINE, Traits::REFUSAL]),
    check: Check::Call(check),
};

/// Offers of one call that are looked at; each is held against all messages of the call.
const OFFERS_MAX: usize = 8;

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let last = call.attempts.iter().filter(|attempt| !attempt.is_resolved(call));
    for attempt in last.take(OFFERS_MAX) {
        refused(call, attempt, findings);
    }
    let answered = call.negotiations().exchanges().filter_map(|sightings| {
        sightings.iter().rev().map(|(_, own)| *own).find(|own| is_all_rejected(own))
    });
    for exchange in answered.take(OFFERS_MAX) {
        rejected(call, exchange, findings);
    }
}

/// (a) A final response refuses the offer.
fn refused(call: &Call<'_>, attempt: &Attempt<'_>, findings: &mut Findings<'_>) {
    let Some(first) = attempt.first_hop(call).filter(|_| !attempt.is_answered()) else { return };
    let hop = attempt.origin(call, first);
    let Some(Objection::Formats { is_told }) = Objection::of(hop) else { return };
    let Some((request, answer)) = hop.request.zip(hop.final_response()) else { return };
    let Some(status) = answer.status().filter(|_| !call.is_given_up(hop)) else { return };
    let Some(offer) = Description::of(request) else { return };
    let own = Description::of(answer);
    let known = own.or_else(|| call.description_by(hop.server, answer));
    let shares = known.as_ref().and_then(|known| offer.session.shares_audio_codec(&known.session));
    let confidence = match (shares, is_told) {
        // It has one of the codecs, so it objects to something else.
        (Some(true), false) => return,
        (Some(false), _) => Confidence::Certain,
        (_, true) => Confidence::Likely,
        (None, false) => Confidence::Possible,
    };
    findings.report(
        report(Report::on(hop), &offer, known.as_ref())
            .at([request, answer])
            .confidence(confidence)
            .status(status)
            .with("status", status.code())
            .with("phrase", Value::quoted(answer.reason_phrase().unwrap_or_default().as_bytes()))
            .with_some("warning", answer.header(HeaderName::Warning).map(Value::quoted)),
    );
}

/// The answer has port 0 in every line, although audio or video was offered.
fn is_all_rejected(exchange: &Exchange<'_>) -> bool {
    let Some((offer, answer)) = exchange.pair() else { return false };
    let is_offered =
        |media: &Media<'_>| (media.is("audio") || media.is("video")) && !media.is_rejected();
    exchange.success.is_some()
        && answer.is_whole()
        && offer.session.media.iter().any(is_offered)
        && !answer.session.media.is_empty()
        && answer.session.media.iter().all(|media| media.is_rejected() && !media.is_bundle_only())
}

/// (b) The answer refuses every line.
fn rejected(call: &Call<'_>, exchange: &Exchange<'_>, findings: &mut Findings<'_>) {
    let Some((offer, answer)) = exchange.pair() else { return };
    let Some(hop) = call.transactions.get(exchange.transaction) else { return };
    let known = call.description_by(answer.message.source, answer.message);
    let confidence =
        match known.as_ref().and_then(|known| offer.session.shares_audio_codec(&known.session)) {
            Some(true) => return,
            Some(false) => Confidence::Certain,
            None => Confidence::Likely,
        };
    findings.report(
        report(Report::beside(hop), offer, known.as_ref())
            .at([offer.message, answer.message])
            .confidence(confidence)
            .with("rejected_lines", answer.session.media.len()),
    );
}

fn report(report: Report, offer: &Description<'_>, known: Option<&Description<'_>>) -> Report {
    let supported = known.map(|known| codecs(&known.session));
    report.with("offered", codecs(&offer.session)).with_some("supported", supported)
}

/// The codecs of all media; the kind of those that have none.
fn codecs(session: &Session<'_>) -> Value {
    let active = session.media.iter().filter(|media| !media.is_rejected());
    let names = active.flat_map(|media| {
        let names: Vec<_> =
            media.real_codecs().map(|codec| Value::quoted(&codec.spelled())).collect();
        match names.is_empty() {
            true => vec![Value::quoted(media.kind)],
            false => names,
        }
    });
    Value::List(names.collect())
}
