#![doc = include_str!("trying_then_silence.md")]

use std::net::IpAddr;

use crate::finding::{
    Check, Confidence, Finding, Findings, Gate, Report, Rule, Severity, Value, Visibility,
};
use crate::media::Media;
use crate::signaling::{Attempt, Call, Message, Settings, Threshold, Traits, Transaction};
use crate::sip::Status;
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "TXN105",
    name: "trying-then-silence",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("trying_then_silence.md"),
    thresholds: &[&GIVEN_UP_AFTER, &DEAD_AIR],
    gate: Gate::all(&[Traits::LOST]),
    check: Check::MediaCalls { each: check, together },
};

/// A caller who gives up after this time was driven away by the silence.
static GIVEN_UP_AFTER: Threshold = Threshold::span("given-up-after", Span::from_secs(10));

/// A caller who gives up sooner than this may have changed his mind.
static DEAD_AIR: Threshold = Threshold::span("dead-air", Span::from_secs(3));

/// So many calls that were given up after the same time were given up by a machine; people differ
/// by more.
const MACHINE_CALLS: usize = 5;
const SAME_WAIT: Span = Span::from_millis(500);

fn check(call: &Call<'_>, media: Media<'_>, findings: &mut Findings<'_>) {
    for attempt in &call.attempts {
        if attempt.is_resolved(call) || attempt.is_answered() {
            continue;
        }
        // The hop farthest downstream that shows the silence owns it (guard G9).
        let Some(hop) = attempt.farthest(call, |hop| silence(call, hop).is_some()) else {
            continue;
        };
        let Some((wait, end)) = silence(call, hop) else { continue };
        if !is_heard(hop, wait, media) {
            report(call, attempt, hop, (wait, end), findings);
        }
    }
}

/// How a silence after a 100 ended.
#[derive(Clone, Copy)]
enum End {
    /// The caller gave up.
    Cancelled,
    /// It did not end while the capture went on.
    Never,
}

fn silence(call: &Call<'_>, hop: &Transaction<'_>) -> Option<(Span, End)> {
    let (started, trying) = (hop.started()?, hop.trying()?);
    if hop.progress().next().is_some() || call.implies_progress(hop) || call.is_told_above(hop) {
        return None;
    }
    let cancelled = call.cancel_of(hop).map(|cancel| cancel.time);
    let answered = hop.final_response().map(|answer| answer.time);
    match (cancelled, answered) {
        (Some(cancelled), _) if answered.is_none_or(|answered| answered >= cancelled) => {
            let wait = cancelled.since(started);
            (wait >= call.settings().span(&DEAD_AIR)).then_some((wait, End::Cancelled))
        }
        (_, Some(_)) => None,
        // The ACK of the transaction shows that it was refused (guard G3).
        (_, None) if !hop.acks.is_empty() => None,
        (_, None) => call
            .is_observed(trying.time, call.patience())
            .then(|| (call.observed_until().since(started), End::Never)),
    }
}

/// Media reached the caller during the silence, so somebody took the call (guard G3).
fn is_heard(hop: &Transaction<'_>, silence: Span, media: Media<'_>) -> bool {
    let Some(started) = hop.started() else { return false };
    let caller = hop.request.and_then(Message::audio_endpoint);
    caller.is_some_and(|caller| media.went_to(caller, started, started + silence))
}

fn report(
    call: &Call<'_>,
    attempt: &Attempt<'_>,
    hop: &Transaction<'_>,
    (wait, end): (Span, End),
    findings: &mut Findings<'_>,
) {
    let (severity, ended) = match end {
        End::Cancelled if wait < call.settings().span(&GIVEN_UP_AFTER) => {
            (Severity::Info, "cancelled")
        }
        End::Cancelled => (Severity::Error, "cancelled"),
        End::Never => (Severity::Error, "never"),
    };
    let confidence = match attempt.hops.len() {
        1 => Confidence::Likely,
        _ => Confidence::Certain,
    };
    findings.report(
        Report::on(hop)
            .at(hop.request)
            .at(hop.trying())
            .at(call.cancel_of(hop))
            .status(Status::TRYING)
            .severity(severity)
            .confidence(confidence)
            .visibility(Visibility::WayElseNothing(hop.server.address, hop.client.address))
            .with("silence_ms", wait)
            .with("ended", Value::Word(ended))
            .with_some("status", hop.final_status().map(Status::code)),
    );
}

/// A caller that gives up after the same time in call after call is a machine: its time-out is set.
fn together(findings: &mut [&mut Finding], _: &Settings) {
    let mut waits: Vec<(IpAddr, Span)> =
        findings.iter().filter_map(|finding| key(finding)).collect();
    waits.sort_unstable();
    // Of sorted waits, as many as are needed lie side by side.
    let is_one_timer = |pair: &[(IpAddr, Span)]| match (pair.first(), pair.last()) {
        (Some(first), Some(last)) => first.0 == last.0 && last.1 - first.1 <= SAME_WAIT,
        _ => false,
    };
    let timers: Vec<_> = waits.windows(MACHINE_CALLS).filter(|run| is_one_timer(run)).collect();
    for finding in findings.iter_mut() {
        let Some(key) = key(finding) else { continue };
        let place = timers.partition_point(|run| run.last().is_some_and(|last| *last < key));
        if timers.get(place).is_some_and(|run| run.first().is_some_and(|first| *first <= key)) {
            let near = (key.0, key.1 - SAME_WAIT)..=(key.0, key.1 + SAME_WAIT);
            let end = waits.partition_point(|wait| wait <= near.end());
            let start = waits.partition_point(|wait| wait < near.start());
            finding.evidence.push(("attribution", Value::Word("machine-time-out")));
            finding.evidence.push(("calls_with_same_wait", end.saturating_sub(start).into()));
        }
    }
}

/// Who gave up, and after which time.
fn key(finding: &Finding) -> Option<(IpAddr, Span)> {
    let Value::Span(wait) = finding.value("silence_ms")? else { return None };
    let is_cancelled = finding.value("ended") == Some(&Value::Word("cancelled"));
    is_cancelled.then_some((finding.client?.address, *wait))
}
