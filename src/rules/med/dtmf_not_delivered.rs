#![doc = include_str!("dtmf_not_delivered.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::media::{Media, Passage, Stream, TelephoneEvent};
use crate::signaling::{Call, Side, Traits, Transaction};
use crate::sip::{HeaderName, Method, Status};
use crate::time::{Span, Time};

pub(crate) static RULE: Rule = Rule {
    code: "MED107",
    name: "dtmf-not-delivered",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("dtmf_not_delivered.md"),
    thresholds: &[],
    gate: Gate::one_of(&[Traits::INFO, Traits::RTP]),
    check: Check::Media(check),
};

/// A relay hands a digit on within this time.
const HANDED_ON: Span = Span::from_secs(2);

/// After so long without another packet of it, the end of a digit does not come any more.
const END_WAIT: Span = Span::from_secs(1);

fn check(call: &Call<'_>, media: Media<'_>, findings: &mut Findings<'_>) {
    for hop in &call.transactions {
        if is_refused_digit(hop) && !is_event_too(call, hop, media) {
            report_info(hop, findings);
        }
    }
    if media.is_empty() {
        return;
    }
    for passages in call.talks() {
        if let Some(passage) = passages.first() {
            check_ends(passage, media, findings);
        }
        for pair in passages.windows(2) {
            if let [before, after] = pair {
                check_relay(call, before, after, media, findings);
            }
        }
    }
}

/// INFO with a digit that was refused.
fn is_refused_digit(hop: &Transaction<'_>) -> bool {
    let is_refused = hop.final_status().is_some_and(|status| {
        status.code() >= 400 && !matches!(status.code(), 401 | 407 | 408 | 481 | 487)
    });
    hop.method == Method::Info
        && is_refused
        && hop.request.is_some_and(|request| {
            is_digit(&request.text(HeaderName::ContentType).unwrap_or_default())
        })
}

/// The digit went as a telephone event as well, as some phones do with both ways switched on.
fn is_event_too(call: &Call<'_>, hop: &Transaction<'_>, media: Media<'_>) -> bool {
    let Some(sent) = hop.started() else { return false };
    call.passages().any(|passage| {
        let digits = digits(&passage, media).into_iter();
        let mut times = digits.map(|digit| digit.first.time);
        times.any(|time| time.since(sent).abs() <= HANDED_ON)
    })
}

fn is_digit(content_type: &str) -> bool {
    let kind = content_type.trim_start().to_ascii_lowercase();
    kind.starts_with("application/dtmf")
}

fn report_info(hop: &Transaction<'_>, findings: &mut Findings<'_>) {
    let Some(answer) = hop.final_response() else { return };
    findings.report(
        Report::on(hop)
            .at(hop.request)
            .at([answer])
            .with("problem", Value::Word("info-refused"))
            .with_some("status", answer.status().map(Status::code)),
    );
}

/// Digits of the passage that are telephone events by the SDP.
fn digits<'s>(passage: &Passage<'_, '_>, media: Media<'s>) -> Vec<&'s TelephoneEvent> {
    let is_event = |event: &&TelephoneEvent| {
        let of = |side| passage.line.codec(side, event.payload_type);
        let codecs = [of(Side::Caller), of(Side::Callee)];
        let is_within = event.first.time >= passage.from && event.first.time <= passage.until;
        // Fax and modem tones end as they like.
        is_within
            && event.key().is_some()
            && codecs.into_iter().flatten().any(|own| own.is("telephone-event"))
    };
    passage.streams(media).into_iter().flat_map(Stream::events).filter(is_event).collect()
}

/// Digits whose end did not come, although the stream went on.
fn check_ends(passage: &Passage<'_, '_>, media: Media<'_>, findings: &mut Findings<'_>) {
    let goes_on = |time: Time| {
        let until = time + END_WAIT;
        passage.streams(media).iter().any(|own| own.last() > until && until < passage.until)
    };
    let digits = digits(passage, media);
    let endless = digits.iter().filter(|digit| !digit.has_end && goes_on(digit.last.time));
    let endless: Vec<_> = endless.copied().collect();
    if !endless.is_empty() {
        // The end may be among the packets that are missing.
        let is_whole = passage.streams(media).iter().all(|own| own.is_whole());
        let confidence = if is_whole { Confidence::Likely } else { Confidence::Possible };
        report(passage, "no-end", &endless, digits.len(), confidence, findings);
    }
}

/// Digits that reached a relay, while its audio went on to the next hop without them.
fn check_relay(
    call: &Call<'_>,
    before: &Passage<'_, '_>,
    after: &Passage<'_, '_>,
    media: Media<'_>,
    findings: &mut Findings<'_>,
) {
    let is_other_hop = before.negotiation.near != after.negotiation.near
        || before.negotiation.far != after.negotiation.far;
    let takes_events = after.line.of(after.receiver()).codecs().any(|c| c.is("telephone-event"));
    // Without events on the far hop the digits become tones or INFO there.
    if !is_other_hop || !takes_events {
        return;
    }
    let sent = digits(before, media);
    let handed = digits(after, media);
    let lost: Vec<_> = sent
        .iter()
        .copied()
        .filter(|digit| {
            let (from, until) = (digit.first.time - HANDED_ON, digit.last.time + HANDED_ON);
            let is_near = |time: Time| time >= from && time <= until;
            let is_handed =
                handed.iter().any(|own| own.event == digit.event && is_near(own.first.time));
            let is_info = call
                .messages
                .iter()
                .any(|message| message.method() == Method::Info && is_near(message.time));
            let is_active = after.streams(media).iter().any(|own| own.is_active(from, until));
            let is_over = after.until < until || after.from > from;
            is_active && !is_handed && !is_info && !is_over
        })
        .collect();
    if !lost.is_empty() {
        report(after, "not-handed-on", &lost, sent.len(), Confidence::Likely, findings);
    }
}

fn report(
    passage: &Passage<'_, '_>,
    problem: &'static str,
    lost: &[&TelephoneEvent],
    sent: usize,
    confidence: Confidence,
    findings: &mut Findings<'_>,
) {
    let keys: String = lost.iter().filter_map(|digit| digit.key()).collect();
    let seen = lost.iter().take(3).map(|digit| (digit.first.frame, digit.first.time));
    findings.report(
        Report::on_capture()
            .between(passage.negotiation.near, passage.negotiation.far)
            .frames(seen)
            .confidence(confidence)
            .absence(true)
            .with("problem", Value::Word(problem))
            .with("sender", Value::Word(passage.sender.word()))
            .with("digits", Value::Text(keys))
            .with("digits_lost", lost.len())
            .with("digits_sent", sent),
    );
}
