#![doc = include_str!("telephone_event_mismatch.md")]

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::media::{CHANGE, Media as Streams, Passage, Stream, TelephoneEvent};
use crate::packet::Endpoint;
use crate::sdp::{Media, RtpMap};
use crate::signaling::{Call, Exchange, Traits};

pub(crate) static RULE: Rule = Rule {
    code: "SDP107",
    name: "telephone-event-mismatch",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("telephone_event_mismatch.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::AGREEMENT]),
    check: Check::Media(check),
};

fn check(call: &Call<'_>, media: Streams<'_>, findings: &mut Findings<'_>) {
    let found = call.negotiations().first_in_each_dialog(|(_, exchange)| mismatch(exchange));
    for (exchange, mismatch) in found {
        report(call, exchange, mismatch, findings);
    }
    check_events(call, media, findings);
}

/// What is wrong, with the codec that was chosen and the media of offer and answer.
type Mismatch<'c> = (&'static str, RtpMap<'c>, Media<'c>, Media<'c>);

/// What offer and answer show; what is sent is another matter.
fn mismatch<'c>(exchange: &Exchange<'c>) -> Option<Mismatch<'c>> {
    let (offer, answer) = exchange.pair().filter(|_| exchange.success.is_some())?;
    if !offer.is_whole() || !answer.is_whole() {
        return None;
    }
    let mut pairs = offer.session.media.iter().zip(&answer.session.media);
    let (offered, answered) =
        pairs.find(|(offered, answered)| is_talk(offered) && is_talk(answered))?;
    let codec = answered.common_codec(offered)?;
    let word = word(&codec, offered, answered)?;
    // A payload type that the answer does not explain may stand for what the offer says.
    if !offered.has_known_codecs() || !answered.has_known_codecs() {
        return None;
    }
    Some((word, codec, *offered, *answered))
}

/// Audio in which keys can be pressed: on hold, none are.
fn is_talk(media: &Media<'_>) -> bool {
    let direction = media.direction();
    media.is("audio")
        && media.is_rtp()
        && !media.is_rejected()
        && direction.sends()
        && direction.receives()
}

fn word(codec: &RtpMap<'_>, offered: &Media<'_>, answered: &Media<'_>) -> Option<&'static str> {
    // The clock of G.722 is 8000, whatever is written.
    let clock_rate = if codec.is("G722") { 8000 } else { codec.clock_rate };
    if offered.has_events_at(clock_rate) && answered.has_events_at(clock_rate) {
        return None;
    }
    offered.event_clock_rates().next()?;
    match answered.event_clock_rates().next() {
        None => Some("no-events"),
        Some(_) => Some("other-clock-rate"),
    }
}

fn report(
    call: &Call<'_>,
    exchange: &Exchange<'_>,
    (word, codec, offered, answered): Mismatch<'_>,
    findings: &mut Findings<'_>,
) {
    let Some((offer, answer)) = exchange.pair() else { return };
    let Some(hop) = call.transactions.get(exchange.transaction) else { return };
    let rates = |media: &Media<'_>| {
        let rates: Vec<_> = media.event_clock_rates().map(Value::from).collect();
        (!rates.is_empty()).then_some(Value::List(rates))
    };
    findings.report(
        Report::beside(hop)
            .at([offer.message, answer.message])
            .with("event_fault", Value::Word(word))
            .with("codec", Value::quoted(&codec.spelled()))
            .with_some("events_offered", rates(&offered))
            .with_some("events_answered", rates(&answered))
            .with("sender", answer.message.source),
    );
}

/// What is sent: events with a number by which the receiver knows none.
fn check_events(call: &Call<'_>, media: Streams<'_>, findings: &mut Findings<'_>) {
    if media.is_empty() {
        return;
    }
    let mut reported: Vec<(Endpoint, Endpoint)> = Vec::new();
    for passage in call.passages().filter_map(|passage| passage.without_begin(CHANGE)) {
        for stream in passage.streams(media) {
            let way = (stream.source, stream.destination);
            let Some(event) = misnumbered(&passage, stream) else { continue };
            let spell = (passage.period.from, event.first.time + CHANGE);
            let is_doubtful = call.misses_agreement(passage.negotiation, spell);
            if !reported.contains(&way) && !is_doubtful {
                reported.push(way);
                report_number(&passage, stream, event, findings);
            }
        }
    }
}

/// An event with a number by which the receiver knows no events, although it has one for them.
fn misnumbered<'s>(passage: &Passage<'_, '_>, stream: &'s Stream) -> Option<&'s TelephoneEvent> {
    let is_event = |side, number| {
        passage.line.codec(side, number).is_some_and(|codec| codec.is("telephone-event"))
    };
    let receiver = passage.line.of(passage.receiver());
    receiver.codecs().find(|codec| codec.is("telephone-event"))?;
    stream.events().iter().find(|event| {
        let is_within = event.first.time >= passage.from && event.first.time <= passage.until;
        let is_known = event.has_end || is_event(passage.sender, event.payload_type);
        is_within && is_known && !is_event(passage.receiver(), event.payload_type)
    })
}

fn report_number(
    passage: &Passage<'_, '_>,
    stream: &Stream,
    event: &TelephoneEvent,
    findings: &mut Findings<'_>,
) {
    let receiver = passage.line.of(passage.receiver());
    let wanted = receiver.codecs().filter(|codec| codec.is("telephone-event"));
    let wanted = wanted.map(|codec| Value::Number(codec.payload_type.into())).collect();
    let own = stream.events().iter().filter(|own| own.payload_type == event.payload_type);
    findings.report(
        Report::on_capture()
            .between(stream.source, stream.destination)
            .at(passage.answer())
            .frames([(event.first.frame, event.first.time)])
            .with("event_fault", Value::Word("other-payload-type"))
            .with("payload_type", u16::from(event.payload_type))
            .with("payload_types_announced", Value::List(wanted))
            .with("digits_sent", own.count())
            .with("sender", stream.source),
    );
}
