#![doc = include_str!("no_rtp.md")]

use crate::finding::{
    Check, Confidence, Findings, Gate, Report, Rule, Severity, Value, Visibility,
};
use crate::media::{Media, SILENT_TALK, silence};
use crate::signaling::{Call, Facts, Side, Silence, Traits};

pub(crate) static RULE: Rule = Rule {
    code: "MED101",
    name: "no-rtp",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("no_rtp.md"),
    thresholds: &[&SILENT_TALK],
    gate: Gate::all(&[Traits::AGREEMENT]),
    check: Check::Both { each: check, capture: check_capture },
};

fn check(call: &Call<'_>, media: Media<'_>, findings: &mut Findings<'_>) {
    let Some(silence) = silence(call, media) else { return };
    let passage = silence.passage;
    // The media may have been sent to another place, of which the capture does not tell.
    let spell = (passage.period.from, passage.until);
    let is_doubtful = call.misses_agreement(passage.negotiation, spell);
    let confidence = if is_doubtful { Confidence::Possible } else { Confidence::Likely };
    let exchange = passage.negotiation.exchange_of(passage.period);
    findings.report(
        Report::on_capture()
            .between(passage.negotiation.near, passage.negotiation.far)
            .at(exchange.and_then(|exchange| Some(exchange.offer.as_ref()?.message)))
            .at(passage.answer())
            .confidence(confidence)
            .visibility(Visibility::MediaWayElseNothing(silence.ways))
            .with("media", Value::Word("none"))
            .with("media_ms", silence.talk)
            .with_some("caller_media", passage.line.rtp(Side::Caller))
            .with_some("callee_media", passage.line.rtp(Side::Callee)),
    );
}

/// One note for all calls whose media the capture could not see.
fn check_capture(facts: &Facts, findings: &mut Findings<'_>) {
    if facts.is_media_ignored || !facts.knows_all_media() {
        return;
    }
    let mut calls = Silence::default();
    for (_, silent) in facts.silent.iter().filter(|(ways, _)| !facts.shows_media(ways.ways())) {
        calls.merge(silent.clone());
    }
    if calls.count == 0 {
        return;
    }
    let seen = if facts.rtp_streams == 0 { "not-captured" } else { "rtp-elsewhere" };
    findings.report(
        Report::on_capture()
            .frames(calls.first().iter().copied())
            .severity(Severity::Info)
            .confidence(Confidence::Possible)
            .with("media", Value::Word(seen))
            .with("calls", calls.count),
    );
}
