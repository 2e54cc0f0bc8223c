#![doc = include_str!("timer_c_expiry.md")]

use std::net::IpAddr;

use crate::finding::{Check, Confidence, Finding, Findings, Gate, Report, Rule, Severity, Value};
use crate::packet::Endpoint;
use crate::signaling::{Attempt, Call, Message, Settings, Threshold, Traits, Transaction};
use crate::sip::{Class, Status, timers};
use crate::time::{Span, Time};

pub(crate) static RULE: Rule = Rule {
    code: "TXN109",
    name: "timer-c-expiry",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("timer_c_expiry.md"),
    thresholds: &[&SHORTER_TIMER_CALLS],
    gate: Gate::all(&[Traits::LOST, Traits::PROGRESS]),
    check: Check::Calls { each: check, together },
};

/// Calls that a proxy must have given up after the same time, for a shorter timer of its own to be
/// believable.
static SHORTER_TIMER_CALLS: Threshold = Threshold::count("shorter-timer-calls", 3);

/// A proxy that gives up sooner than this goes on to another target, or lost interest for some
/// other reason.
const SHORTER_TIMER_MIN: Span = Span::from_secs(10);

/// How far a wait may be from a timer and still be taken for it: the ticks of a slow clock.
const TIMER_TOLERANCE: Span = Span::from_secs(1);

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for attempt in &call.attempts {
        if attempt.is_answered() || attempt.is_resolved(call) {
            continue;
        }
        let Some(hop) = attempt.farthest(call, |hop| expiry(call, attempt, hop).is_some()) else {
            continue;
        };
        if let Some(expiry) = expiry(call, attempt, hop) {
            report(hop, &expiry, findings);
        }
    }
}

/// A proxy that gave up an INVITE by itself.
struct Expiry<'c> {
    proxy: Endpoint,
    /// The last response 101-199, which starts timer C again.
    last: &'c Message<'c>,
    /// CANCEL to the next hop, or 408 to the hop before.
    end: &'c Message<'c>,
    /// What the hop before was told.
    told: Option<&'c Message<'c>>,
    wait: Span,
    /// Both sides of the proxy are in the capture.
    is_seen_whole: bool,
}

/// The proxy sent CANCEL downstream although nobody upstream had, or told the hop before 408; too
/// long after the last sign of life for anything but a timer.
fn expiry<'c>(call: &Call<'c>, attempt: &Attempt<'c>, hop: &Transaction<'c>) -> Option<Expiry<'c>> {
    let expiry = cancelled_below(call, attempt, hop).or_else(|| timed_out_above(call, hop))?;
    let is_timer_c = expiry.wait + TIMER_TOLERANCE >= timers::C;
    let is_shorter_timer = expiry.is_seen_whole && expiry.wait >= SHORTER_TIMER_MIN;
    (is_timer_c || is_shorter_timer).then_some(expiry)
}

fn cancelled_below<'c>(
    call: &Call<'c>,
    attempt: &Attempt<'c>,
    hop: &Transaction<'c>,
) -> Option<Expiry<'c>> {
    let cancel = call.cancel_of(hop)?;
    let last = last_progress(hop, cancel.time)?;
    let above = hop.upstream.and_then(|index| call.transactions.get(index));
    // Without the hop before it, a client with one Via header is no proxy but the caller.
    let is_proxy = above.is_some() || hop.request.is_some_and(|invite| invite.vias().count() > 1);
    let given_up = above.and_then(|above| call.cancel_of(above));
    let told = above.and_then(Transaction::final_response);
    let is_asked = given_up.is_some_and(|asked| asked.time <= cancel.time)
        || told.is_some_and(|told| told.time < cancel.time && is_other_end(told));
    if !is_proxy || is_asked || goes_on(call, attempt, hop, cancel.time) {
        return None;
    }
    Some(Expiry {
        proxy: hop.client,
        last,
        end: cancel,
        told,
        wait: cancel.time.since(last.time),
        is_seen_whole: above.is_some_and(|above| above.request.is_some()),
    })
}

/// The branch fell because of another one: somebody answered or refused for all, or the proxy went
/// on to the next target.
fn goes_on(call: &Call<'_>, attempt: &Attempt<'_>, hop: &Transaction<'_>, moment: Time) -> bool {
    attempt.transactions(call).any(|other| {
        let is_sibling = other.index != hop.index && other.upstream == hop.upstream;
        let is_next = other.started().is_some_and(|started| started >= moment);
        let is_decided =
            other.finals.iter().any(|answer| answer.time <= moment && is_other_end(answer));
        (is_sibling && (is_next || is_decided)) || (other.index == hop.index && is_decided)
    })
}

/// An answer or a refusal that ends every branch of the call.
fn is_other_end(answer: &Message<'_>) -> bool {
    let class = answer.status().map(Status::class);
    matches!(class, Some(Class::Success | Class::GlobalFailure))
}

/// 408 from the proxy, where the hop behind it is not in the capture.
fn timed_out_above<'c>(call: &Call<'c>, hop: &Transaction<'c>) -> Option<Expiry<'c>> {
    let answer = hop.final_response()?;
    if answer.status() != Some(Status::REQUEST_TIMEOUT)
        || call.cancel_of(hop).is_some()
        || !hop.downstream.is_empty()
    {
        return None;
    }
    let last = last_progress(hop, answer.time)?;
    Some(Expiry {
        proxy: hop.server,
        last,
        end: answer,
        told: None,
        wait: answer.time.since(last.time),
        is_seen_whole: false,
    })
}

/// The last response 101-199 up to that moment.
fn last_progress<'c>(hop: &Transaction<'c>, until: Time) -> Option<&'c Message<'c>> {
    hop.progress().filter(|response| response.time <= until).max_by_key(|response| response.time)
}

fn report(hop: &Transaction<'_>, expiry: &Expiry<'_>, findings: &mut Findings<'_>) {
    let is_timer_c = expiry.wait + TIMER_TOLERANCE >= timers::C;
    let told = expiry.told.and_then(Message::status);
    let confidence = match (expiry.is_seen_whole, is_timer_c) {
        (false, _) => Confidence::Possible,
        // 487 is what a caller is told who cancelled, unless the proxy only hands it on.
        (true, true) if told != Some(Status::REQUEST_TERMINATED) => Confidence::Certain,
        (true, _) => Confidence::Likely,
    };
    let attribution = match is_timer_c {
        true => "timer-c",
        false => "fixed-local-timeout",
    };
    let mut report = Report::on(hop)
        .at(hop.request)
        .at([expiry.last, expiry.end])
        .at(expiry.told)
        .confidence(confidence)
        .needs_company(!is_timer_c)
        .with("wait_ms", expiry.wait)
        .with("proxy", expiry.proxy)
        .with("attribution", Value::Word(attribution))
        .with_some("status", told.map(Status::code));
    for status in told.into_iter().chain(hop.final_status()) {
        report = report.status(status);
    }
    findings.report(report);
}

/// Calls that one proxy gave up after the same time ran into a timer that is set there.
fn together(findings: &mut [&mut Finding], settings: &Settings) {
    let mut waits: Vec<(IpAddr, Span)> =
        findings.iter().filter_map(|finding| key(finding)).collect();
    waits.sort_unstable();
    let calls_with = |(proxy, wait): (IpAddr, Span)| {
        let end = waits.partition_point(|known| *known <= (proxy, wait + TIMER_TOLERANCE));
        let start = waits.partition_point(|known| *known < (proxy, wait - TIMER_TOLERANCE));
        end.saturating_sub(start)
    };
    for finding in findings.iter_mut() {
        let Some(key) = key(finding) else { continue };
        let calls = calls_with(key);
        if u64::try_from(calls).unwrap_or(u64::MAX) >= settings.count(&SHORTER_TIMER_CALLS) {
            finding.needs_company = false;
            finding.evidence.push(("calls_with_same_wait", calls.into()));
        }
    }
}

/// The proxy and how long it waited.
fn key(finding: &Finding) -> Option<(IpAddr, Span)> {
    let (Value::Endpoint(proxy), Value::Span(wait)) =
        (finding.value("proxy")?, finding.value("wait_ms")?)
    else {
        return None;
    };
    Some((proxy.address, *wait))
}
