#![doc = include_str!("fixed_interval_drop.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::media::{Media, MediaPair};
use crate::signaling::{Call, Facts, Talk, Threshold, Traits};
use crate::sip::{Method, timers};
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "DLG207",
    name: "fixed-interval-drop",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("fixed_interval_drop.md"),
    thresholds: &[&SAME_CALLS, &SAME_SHARE, &ENDED_CALLS],
    gate: Gate::all(&[Traits::BYE, Traits::ATTEMPT]),
    check: Check::Both { each: check, capture: check_hosts },
};

/// Fewer calls of the same length are chance.
static SAME_CALLS: Threshold = Threshold::count("same-length-calls", 3);

/// Of all calls that a host ends, so many must have the same length, unless all of them have.
static SAME_SHARE: Threshold = Threshold::percent("same-length-share", 30);

/// Of fewer calls, a share says nothing: then all must have the same length.
static ENDED_CALLS: Threshold = Threshold::count("ended-calls", 10);

/// How long gateways, PBXs and relays usually wait for RTP.
const MEDIA_TIMEOUTS: [i64; 4] = [30, 60, 90, 180];

/// Lengths that people set: the time-outs of media and of the ACK, and limits of calls.
const USUAL_LENGTHS: [i64; 12] = [30, 32, 60, 90, 120, 180, 300, 600, 900, 1800, 3600, 7200];

/// How much too early a timer may fire by the clock of the capture.
const EARLY: Span = Span::from_millis(500);

/// How late: many look only once a second.
const LATE: Span = Span::from_millis(1500);

/// How long after the end of a session interval a BYE is due to it (RFC 4028, section 10).
const EXPIRY_LATE: Span = Span::from_secs(5);

/// What picked the timer that ended a call.
enum Timer {
    /// The BYE says so.
    Told,
    /// Its sender got no RTP for a usual time.
    Media { silence: Span },
    /// The session interval ran out, of which nobody was named as refresher.
    Session { interval: Span },
}

impl Timer {
    const fn name(&self) -> &'static str {
        match self {
            Self::Told => "timer-told",
            Self::Media { .. } => "timer-media",
            Self::Session { .. } => "timer-session",
        }
    }
}

fn check(call: &Call<'_>, media: Media<'_>, findings: &mut Findings<'_>) {
    let Some(talk) = call.talk() else { return };
    // Without an ACK the callee gives up after 32 s, which is another fault.
    if talk.dialog.acks.is_empty() {
        return;
    }
    let told = talk.timer_reason();
    let timer = match told {
        Some(_) if is_of_refresher(call, &talk) => return,
        Some(_) => Timer::Told,
        None => {
            let found = media_timer(call, &talk, media).or_else(|| session_timer(call, &talk));
            let Some(timer) = found else { return };
            timer
        }
    };
    let silence = match timer {
        Timer::Media { silence } => Some(silence),
        Timer::Told | Timer::Session { .. } => None,
    };
    let interval = match timer {
        Timer::Session { interval } => Some(interval),
        Timer::Told | Timer::Media { .. } => None,
    };
    findings.report(
        Report::beside(talk.hop)
            .at([talk.answer, talk.bye])
            .confidence(Confidence::Likely)
            .with("talk_ms", talk.length())
            .with("timer", Value::Word(timer.name()))
            .with("bye_by", Value::Word(side(talk.is_ended_by_caller())))
            .with_some("reason", told.map(Value::quoted))
            .with_some("silence_ms", silence)
            .with_some("interval_ms", interval),
    );
}

/// A refresh of the session was due from somebody, and its absence is another fault.
fn is_of_refresher(call: &Call<'_>, talk: &Talk<'_, '_>) -> bool {
    talk.due_session_timer(call).is_some_and(|timer| timer.refresher.is_some())
}

/// RTP to the side that hung up stopped a usual time before.
fn media_timer(call: &Call<'_>, talk: &Talk<'_, '_>, media: Media<'_>) -> Option<Timer> {
    let shortest = MEDIA_TIMEOUTS.first().map(|seconds| Span::from_secs(*seconds))?;
    if talk.length() + EARLY < shortest {
        return None;
    }
    // Hold is silence by intent, and other changes move the media elsewhere.
    let mut changes = talk.dialog.requests(call);
    if changes.any(|change| matches!(change.method, Method::Invite | Method::Update)) {
        return None;
    }
    let mut answers = talk.hop.progress().chain([talk.answer]);
    let pair = answers.find_map(|answer| MediaPair::of(talk.hop, answer))?;
    let (from, to) = (talk.answer.time, talk.bye.time);
    let (silent, other) = match talk.is_ended_by_caller() {
        true => (pair.last_from_callee(media, from, to), pair.last_from_caller(media, from, to)),
        false => (pair.last_from_caller(media, from, to), pair.last_from_callee(media, from, to)),
    };
    let silence = to.since(silent?);
    // Where the other way fell silent as well, perhaps only the capture of media ended.
    let is_other_on = other.is_some_and(|last| to.since(last) <= LATE);
    let is_usual = is_near(silence, &MEDIA_TIMEOUTS) && is_other_on;
    is_usual.then_some(Timer::Media { silence })
}

/// The session interval ran out after its last refresh, and nobody was to refresh it.
fn session_timer(call: &Call<'_>, talk: &Talk<'_, '_>) -> Option<Timer> {
    let timer = talk.due_session_timer(call).filter(|timer| timer.refresher.is_none())?;
    let after = talk.bye.time.since(timer.granted.time);
    let is_expiry = after >= timers::session_expiry(timer.interval)
        && after <= timer.interval + EXPIRY_LATE
        && timer.interval > Span::ZERO;
    is_expiry.then_some(Timer::Session { interval: timer.interval })
}

/// One finding for each host that ends its calls after the same time.
fn check_hosts(facts: &Facts, findings: &mut Findings<'_>) {
    let settings = findings.settings();
    let (fewest, ended) = (settings.count(&SAME_CALLS), settings.count(&ENDED_CALLS));
    let share = u64::from(settings.percent(&SAME_SHARE));
    for own in facts.talks.same_lengths() {
        let is_all = own.same == own.calls;
        let is_majority = own.calls >= ended && own.same * 100 >= own.calls * share;
        if own.same < fewest || !(is_all || is_majority) {
            continue;
        }
        // Announcements and test generators make calls of one length, too.
        let is_told = own.told * 2 >= own.same;
        let is_usual = is_near(own.length, &USUAL_LENGTHS);
        let (severity, confidence) = match (is_told, is_usual) {
            (true, _) => (Severity::Warn, Confidence::Likely),
            (false, true) if !is_all => (Severity::Warn, Confidence::Likely),
            (false, true) => (Severity::Warn, Confidence::Possible),
            (false, false) => (Severity::Info, Confidence::Possible),
        };
        findings.report(
            Report::on_capture()
                .frames(own.first.iter().copied())
                .severity(severity)
                .confidence(confidence)
                .with("from", Value::Text(own.host.to_string()))
                .with("after_ms", own.length)
                .with("same_calls", own.same)
                .with("ended_calls", own.calls)
                .with("percent", own.percent())
                .with_some("told", (own.told > 0).then_some(own.told)),
        );
    }
}

fn is_near(length: Span, usual: &[i64]) -> bool {
    usual
        .iter()
        .map(|seconds| Span::from_secs(*seconds))
        .any(|usual| length + EARLY >= usual && length <= usual + LATE)
}

const fn side(is_caller: bool) -> &'static str {
    if is_caller { "caller" } else { "callee" }
}
