#![doc = include_str!("answer_codec_not_offered.md")]

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::sdp::Media;
use crate::signaling::{Call, Exchange, Traits};

pub(crate) static RULE: Rule = Rule {
    code: "SDP103",
    name: "answer-codec-not-offered",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("answer_codec_not_offered.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::AGREEMENT]),
    check: Check::Call(check),
};

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let found = call.negotiations().first_in_each_dialog(|(_, exchange)| foreign(exchange));
    for (exchange, pair) in found {
        report(call, exchange, pair, findings);
    }
}

/// The first line of audio or video whose answer has none of the codecs of the offer.
fn foreign<'c>(exchange: &Exchange<'c>) -> Option<(Media<'c>, Media<'c>)> {
    let (offer, answer) = exchange.pair().filter(|_| exchange.refusal.is_none())?;
    if !offer.is_whole() || !answer.is_whole() {
        return None;
    }
    let pairs = offer.session.media.iter().zip(&answer.session.media);
    let mut pairs = pairs.filter(|(offered, answered)| is_taken(offered, answered));
    pairs
        .find(|(offered, answered)| {
            offered.shares_codec(answered) == Some(false) && offered.real_codecs().next().is_some()
        })
        .map(|(offered, answered)| (*offered, *answered))
}

/// Audio or video that both sides have, with codecs that carry it.
fn is_taken(offered: &Media<'_>, answered: &Media<'_>) -> bool {
    let is_live = |media: &Media<'_>| media.is_rtp() && !media.is_rejected();
    offered.kind.eq_ignore_ascii_case(answered.kind)
        && (offered.is("audio") || offered.is("video"))
        && is_live(offered)
        && is_live(answered)
}

fn report(
    call: &Call<'_>,
    exchange: &Exchange<'_>,
    (offered, answered): (Media<'_>, Media<'_>),
    findings: &mut Findings<'_>,
) {
    let Some((offer, answer)) = exchange.pair() else { return };
    let Some(hop) = call.transactions.get(exchange.transaction) else { return };
    findings.report(
        Report::beside(hop)
            .at([offer.message, answer.message])
            .with("media", Value::quoted(offered.kind))
            .with("offered", codecs(&offered))
            .with("codecs_answered", codecs(&answered))
            .with("sender", answer.message.source),
    );
}

fn codecs(media: &Media<'_>) -> Value {
    Value::List(media.codecs().map(|codec| Value::quoted(&codec.spelled())).collect())
}
