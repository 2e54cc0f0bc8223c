#![doc = include_str!("ptime_mismatch.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::media::{CHANGE, Media, Passage, Stream, static_clock};
use crate::sdp::RtpMap;
use crate::signaling::{Call, Period, Side, Traits};
use crate::time::{Span, Time};

pub(crate) static RULE: Rule = Rule {
    code: "SDP108",
    name: "ptime-mismatch",
    severity: Severity::Info,
    since: "0.1.0",
    entry: include_str!("ptime_mismatch.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::AGREEMENT, Traits::PTIME]),
    check: Check::Media(check),
};

/// Fewer packets do not tell how long they usually are.
const PACKETS_MIN: u64 = 50;

/// What rounding may make of a packet's length.
const TOLERANCE: Span = Span::from_millis(1);

/// Packets that are not as long as the receiver wants them.
struct Odd<'s> {
    stream: &'s Stream,
    problem: &'static str,
    severity: Severity,
    packet: Span,
}

fn check(call: &Call<'_>, media: Media<'_>, findings: &mut Findings<'_>) {
    let talks = || call.passages().filter(is_talk);
    if !media.is_empty() && check_packets(call, media, findings) {
        return;
    }
    let differing = talks().find_map(|passage| {
        let ptimes = [Side::Caller, Side::Callee].map(|side| passage.line.of(side).ptime());
        let [Some(caller), Some(callee)] = ptimes else { return None };
        (caller != callee).then_some((passage, (caller, callee)))
    });
    if let Some((passage, ptimes)) = differing {
        report_wishes(&passage, ptimes, findings);
    }
}

/// What was sent; whether anything was.
fn check_packets(call: &Call<'_>, media: Media<'_>, findings: &mut Findings<'_>) -> bool {
    let mut dialogs = Vec::new();
    let talks = || call.passages().filter(is_talk);
    for passage in talks() {
        let negotiation = passage.negotiation;
        let dialog = (negotiation.caller_tag, negotiation.callee_tag, passage.sender);
        let mut streams = passage.streams(media).into_iter();
        let odd = streams.find_map(|stream| odd(call, &passage, stream, media));
        if let Some(odd) = odd.filter(|_| !dialogs.contains(&dialog)) {
            dialogs.push(dialog);
            report_packets(&passage, &odd, findings);
        }
    }
    // Packets that were seen tell more than wishes.
    talks().any(|passage| !passage.streams(media).is_empty())
}

/// Audio of an answered call that the sender was to send.
fn is_talk(passage: &Passage<'_, '_>) -> bool {
    passage.line.is("audio") && passage.is_due() && passage.negotiation.answered.is_some()
}

fn odd<'s>(
    call: &Call<'_>,
    passage: &Passage<'_, '_>,
    stream: &'s Stream,
    media: Media<'_>,
) -> Option<Odd<'s>> {
    let receiver = passage.line.of(passage.receiver());
    let (payload_type, packets) = *stream.payload_types().first()?;
    let codec = passage.line.codec(passage.receiver(), payload_type).filter(RtpMap::is_real)?;
    let clock = static_clock(payload_type).unwrap_or(codec.clock_rate).max(1);
    // Where silence is left out, or told now and then, packets stand for more than they carry.
    let has_own_silence = ["AMR", "AMR-WB", "EVS", "G723"].iter().any(|name| codec.is(name));
    if packets < PACKETS_MIN || has_own_silence || passage.leaves_out_silence(media) {
        return None;
    }
    // Timestamps that run by another clock than the one announced tell nothing of the length.
    stream.skew_ppm(clock)?;
    let nanos = i64::from(stream.packet_ticks()?) * 1_000_000_000 / i64::from(clock);
    let packet = Span::from_nanos(nanos);
    let wished = |millis: Option<u32>| {
        millis.filter(|millis| *millis > 0).map(|millis| Span::from_millis(millis.into()))
    };
    let odd = |problem, severity| Odd { stream, problem, severity, packet };
    let is_above = wished(receiver.maxptime()).is_some_and(|most| packet > most + TOLERANCE);
    let is_other = wished(receiver.ptime()).is_some_and(|own| (packet - own).abs() > TOLERANCE);
    let found = match (is_above, is_other) {
        (true, _) => odd("above-maxptime", Severity::Warn),
        (false, true) => odd("other-ptime", Severity::Info),
        (false, false) => return None,
    };
    (!is_of_other_wishes(call, passage, stream)).then_some(found)
}

/// The length is that of most packets of the stream, and some of them were sent under another
/// agreement with other wishes, or perhaps one that was not captured.
fn is_of_other_wishes(call: &Call<'_>, passage: &Passage<'_, '_>, stream: &Stream) -> bool {
    let wishes = |period: &Period<'_>| {
        let line = period.lines.iter().find(|line| line.index == passage.line.index)?;
        let receiver = line.of(passage.receiver());
        Some((receiver.ptime(), receiver.maxptime()))
    };
    let own = wishes(passage.period);
    let spell = (Time::from_nanos(i64::MIN), stream.last());
    let is_sent_under = |other: &Period<'_>| {
        let from = other.from + CHANGE;
        from < other.until && stream.is_active(from, other.until)
    };
    let mut others = passage.negotiation.periods.iter();
    others.any(|other| wishes(other) != own && is_sent_under(other))
        || call.misses_agreement(passage.negotiation, spell)
}

fn report_packets(passage: &Passage<'_, '_>, odd: &Odd<'_>, findings: &mut Findings<'_>) {
    let receiver = passage.line.of(passage.receiver());
    let first = odd.stream.first_seen();
    findings.report(
        Report::on_capture()
            .between(odd.stream.source, odd.stream.destination)
            .at(passage.answer())
            .frames([(first.frame, first.time)])
            .severity(odd.severity)
            .with("problem", Value::Word(odd.problem))
            .with("sender", Value::Word(passage.sender.word()))
            .with("packet_ms", odd.packet)
            .with_some("ptime", receiver.ptime())
            .with_some("maxptime", receiver.maxptime()),
    );
}

fn report_wishes(passage: &Passage<'_, '_>, ptimes: (u32, u32), findings: &mut Findings<'_>) {
    let exchange = passage.negotiation.exchange_of(passage.period);
    let offer = exchange.and_then(|exchange| Some(exchange.offer.as_ref()?.message));
    findings.report(
        Report::on_capture()
            .between(passage.negotiation.near, passage.negotiation.far)
            .at(offer)
            .at(passage.answer())
            .confidence(Confidence::Certain)
            .with("problem", Value::Word("wishes-differ"))
            .with("ptime_caller", ptimes.0)
            .with("ptime_callee", ptimes.1),
    );
}
