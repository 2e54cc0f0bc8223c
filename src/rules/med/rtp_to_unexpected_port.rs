#![doc = include_str!("rtp_to_unexpected_port.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::media::{CHANGE, Media, Passage, Stream};
use crate::packet::Endpoint;
use crate::signaling::{Call, Traits};
use crate::time::{Span, Time};

pub(crate) static RULE: Rule = Rule {
    code: "MED103",
    name: "rtp-to-unexpected-port",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("rtp_to_unexpected_port.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::AGREEMENT, Traits::RTP]),
    check: Check::Media(check),
};

/// Less may be what was under way.
const ACTIVE_MIN: Span = Span::from_millis(500);

fn check(call: &Call<'_>, media: Media<'_>, findings: &mut Findings<'_>) {
    let mut reported: Vec<(Endpoint, Endpoint)> = Vec::new();
    for passage in call.passages().filter(Passage::is_due) {
        let Some(passage) = passage.without_begin(CHANGE) else { continue };
        for stream in passage.astray(media) {
            let way = (stream.source, stream.destination);
            if reported.contains(&way)
                || !is_wrong(call, &passage, stream, media)
                || is_doubtful(call, &passage, stream)
                || passage.is_to_hidden(call.settings())
            {
                continue;
            }
            reported.push(way);
            report_astray(call, &passage, stream, findings);
        }
        for stream in passage.streams(media) {
            let way = (stream.source, stream.destination);
            if !reported.contains(&way)
                && is_from_other_port(&passage, stream, media)
                && !is_doubtful(call, &passage, stream)
            {
                reported.push(way);
                report_source(&passage, stream, findings);
            }
        }
    }
}

/// Other places may have been agreed on by then.
fn is_doubtful(call: &Call<'_>, passage: &Passage<'_, '_>, stream: &Stream) -> bool {
    let first = stream.first_between(passage.from, passage.until).unwrap_or(passage.until);
    let begin = passage.period.from;
    call.misses_agreement(passage.negotiation, (begin, first + CHANGE))
}

/// Nobody wants media there now, and nobody answers from there; and it is no second conversation of
/// a server with one port for all.
fn is_wrong(call: &Call<'_>, passage: &Passage<'_, '_>, stream: &Stream, media: Media<'_>) -> bool {
    let place = stream.destination;
    let (from, until) = (passage.from, passage.until);
    let is_wanted = call.negotiations().announced().any(|own| {
        let is_meant = own.rtp == place || own.rtcp == Some(place);
        is_meant && own.message.time <= until && own.until > from
    });
    let is_latched = media.at(place).any(|back| {
        back.source == place && back.destination == stream.source && back.is_active(from, until)
    });
    let is_long = stream.active_for(from, until).is_some_and(|active| active >= ACTIVE_MIN);
    let is_moved = former(call, place).is_some();
    let is_alone = passage.streams(media).iter().all(|own| !own.is_active(from, until));
    !is_wanted && !is_latched && is_long && (is_moved || is_alone)
}

/// Until when somebody wanted media there.
fn former(call: &Call<'_>, place: Endpoint) -> Option<Time> {
    let known = call.negotiations().announced().filter(|own| own.rtp == place);
    known.map(|own| own.until).max()
}

fn report_astray(
    call: &Call<'_>,
    passage: &Passage<'_, '_>,
    stream: &Stream,
    findings: &mut Findings<'_>,
) {
    let is_former = former(call, stream.destination).is_some();
    let is_right_host =
        passage.destination().map(|end| end.address) == Some(stream.destination.address);
    let (problem, confidence) = match (is_former, is_right_host) {
        (true, _) => ("former-place", Confidence::Certain),
        (false, true) => ("other-port", Confidence::Likely),
        (false, false) => ("other-host", Confidence::Possible),
    };
    findings
        .report(base(passage, stream).confidence(confidence).with("problem", Value::Word(problem)));
}

/// Media come from the right host, but not from the port where it takes them.
fn is_from_other_port(passage: &Passage<'_, '_>, stream: &Stream, media: Media<'_>) -> bool {
    let Some(announced) = passage.source() else { return false };
    let is_answered = passage.negotiation.answered.is_some_and(|time| time <= passage.from);
    is_answered
        && stream.source.address == announced.address
        && stream.source.port != announced.port
        && stream.active_for(passage.from, passage.until).is_some_and(|own| own >= ACTIVE_MIN)
        && media.went_to(announced, passage.from, passage.until)
}

fn report_source(passage: &Passage<'_, '_>, stream: &Stream, findings: &mut Findings<'_>) {
    findings.report(
        base(passage, stream)
            .severity(Severity::Info)
            .with("problem", Value::Word("source-port"))
            .with_some("announced_source", passage.source()),
    );
}

fn base(passage: &Passage<'_, '_>, stream: &Stream) -> Report {
    let first = stream.first_between(passage.from, passage.until);
    let first = first.and_then(|first| stream.seen_at(first)).unwrap_or(stream.first_seen());
    Report::on_capture()
        .between(passage.negotiation.near, passage.negotiation.far)
        .at(passage.answer())
        .frames([(first.frame, first.time)])
        .with("sender", Value::Word(passage.sender.word()))
        .with("media_source", stream.source)
        .with("sent_to", stream.destination)
        .with_some("expected", passage.destination())
        .with_some("lasted_ms", stream.active_for(passage.from, passage.until))
}
