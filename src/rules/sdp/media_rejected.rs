#![doc = include_str!("media_rejected.md")]

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::sdp::Media;
use crate::signaling::{Call, Description, Exchange, Traits};

pub(crate) static RULE: Rule = Rule {
    code: "SDP104",
    name: "media-rejected",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("media_rejected.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::REJECTED_LINE]),
    check: Check::Call(check),
};

/// Exchanges of one call that are looked at; what is refused is refused at the beginning.
const EXCHANGES_MAX: usize = 256;

/// Lines of one call that are reported.
const LINES_MAX: usize = 8;

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let mut known: Vec<(Option<&[u8]>, usize)> = Vec::new();
    for sightings in call.negotiations().exchanges().take(EXCHANGES_MAX) {
        // The side that answers tells what it does not take; others only hand it on.
        let found = sightings.iter().rev().find_map(|(negotiation, exchange)| {
            let lines = rejected(call, exchange);
            (!lines.is_empty()).then_some((negotiation.callee_tag, exchange, lines))
        });
        let Some((dialog, exchange, lines)) = found else { continue };
        for (line, severity) in lines {
            if known.len() < LINES_MAX && !known.contains(&(dialog, line)) {
                known.push((dialog, line));
                report(call, exchange, line, severity, findings);
            }
        }
    }
}

/// The lines that were offered and refused while the call goes on, and how bad that is.
fn rejected<'c>(call: &Call<'c>, exchange: &Exchange<'c>) -> Vec<(usize, Severity)> {
    let Some((offer, answer)) = exchange.pair() else { return Vec::new() };
    if exchange.success.is_none() || !answer.is_whole() {
        return Vec::new();
    }
    let (offered, answered) = (&offer.session.media, &answer.session.media);
    let is_live = |media: &Media<'_>| !media.is_rejected() || media.is_bundle_only();
    let is_taken = |kind: &str| answered.iter().any(|media| media.is(kind) && is_live(media));
    let has_voice = is_taken("audio");
    // All lines refused are a matter of codecs, unless the side is known to have one of them.
    let is_all = !answered.iter().any(is_live) && !has_codec(call, offer, answer);
    let lines = offered.iter().zip(answered).enumerate();
    lines
        .filter(|(_, (offer, answer))| {
            is_live(offer) && !is_live(answer) && offer.kind.eq_ignore_ascii_case(answer.kind)
        })
        .filter_map(|(line, (offer, _))| {
            let is_voice = offer.is("audio");
            let is_choice = is_voice && has_voice && is_alternative(offer, offered);
            // A fax takes the place of the voice.
            let is_fax = is_voice && is_taken("image");
            let is_left_to_codecs = is_all && (is_voice || offer.is("video"));
            let severity = if is_voice && !has_voice { Severity::Error } else { Severity::Info };
            (!is_choice && !is_fax && !is_left_to_codecs).then_some((line, severity))
        })
        .collect()
}

fn has_codec<'c>(call: &Call<'c>, offer: &Description<'c>, answer: &Description<'c>) -> bool {
    let known = call.description_by(answer.message.source, answer.message);
    known.is_some_and(|known| offer.session.shares_audio_codec(&known.session) == Some(true))
}

/// The same audio was offered in another profile too, so one of the two had to be refused (RFC
/// 8643).
fn is_alternative(own: &Media<'_>, all: &[Media<'_>]) -> bool {
    all.iter().any(|other| {
        other.is("audio") && !other.is_rejected() && other.is_secure() != own.is_secure()
    })
}

fn report(
    call: &Call<'_>,
    exchange: &Exchange<'_>,
    line: usize,
    severity: Severity,
    findings: &mut Findings<'_>,
) {
    let Some((offer, answer)) = exchange.pair() else { return };
    let Some(media) = offer.session.media.get(line) else { return };
    let Some(hop) = call.transactions.get(exchange.transaction) else { return };
    findings.report(
        Report::beside(hop)
            .at([offer.message, answer.message])
            .severity(severity)
            .with("media", Value::quoted(media.kind))
            .with("line", line + 1)
            .with("protocol", Value::quoted(media.protocol))
            .with("offered", formats(media))
            .with("sender", answer.message.source),
    );
}

/// The codecs, or the formats of what has none.
fn formats(media: &Media<'_>) -> Value {
    let codecs: Vec<_> = media.codecs().map(|codec| Value::quoted(&codec.spelled())).collect();
    match codecs.is_empty() {
        true => Value::List(media.formats().map(Value::quoted).collect()),
        false => Value::List(codecs),
    }
}
