#![doc = include_str!("trying_then_server_failure.md")]

use crate::finding::{Check, Confidence, Finding, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Attempt, Call, Settings, Threshold, Traits, Transaction};
use crate::sip::{HeaderName, Status, timers};
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "TXN106",
    name: "trying-then-server-failure",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("trying_then_server_failure.md"),
    thresholds: &[&LONG_WAIT],
    gate: Gate::all(&[Traits::LOST, Traits::SERVER_FAILURE]),
    check: Check::Calls { each: check, together },
};

/// A wait that is long by itself. A shorter one is a matter of the final response alone, unless
/// several calls show it.
static LONG_WAIT: Threshold = Threshold::span("long-wait", Span::from_secs(4));

/// A server that answers sooner need not send 100 at all, so there was no wait (RFC 3261, section
/// 17.2.1).
const WAIT_MIN: Span = Span::from_millis(200);

/// A look-up or the step to the next server (RFC 3263, section 4.3) ends within this time.
const NEXT_SERVER_MAX: Span = Span::from_secs(12);

/// How far a wait may be from a timer and still be taken for it: the way to the far end and back,
/// and slow servers.
const TIMER_TOLERANCE: Span = Span::from_secs(2);

/// Waits that differ by no more come from one timer: a long one, and one below [`LONG_WAIT`].
const SAME_WAIT: Span = Span::from_secs(1);
const SAME_SHORT_WAIT: Span = Span::from_millis(2);

/// Calls with the same wait that make a fixed local time-out believable; of short waits all calls
/// must show it.
const SAME_WAIT_CALLS: usize = 3;
const SAME_SHORT_WAIT_CALLS: usize = 2;

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for attempt in &call.attempts {
        if attempt.is_resolved(call) || attempt.is_answered() {
            continue;
        }
        let Some(hop) = attempt.farthest(call, |hop| is_faulty(call, hop)) else { continue };
        report(call, attempt, hop, findings);
    }
}

/// 100, no other provisional response, then 500-504 after a long wait that the caller did not end.
fn is_faulty(call: &Call<'_>, hop: &Transaction<'_>) -> bool {
    hop.trying().is_some()
        && !call.is_given_up(hop)
        && !call.implies_progress(hop)
        && hop.progress().next().is_none()
        && hop.final_status().is_some_and(|status| (500..=504).contains(&status.code()))
        && hop.wait().is_some_and(|wait| wait >= WAIT_MIN)
}

fn report(
    call: &Call<'_>,
    attempt: &Attempt<'_>,
    hop: &Transaction<'_>,
    findings: &mut Findings<'_>,
) {
    let (Some(request), Some(trying)) = (hop.request, hop.trying()) else { return };
    let (Some(answer), Some(wait)) = (hop.final_response(), hop.wait()) else { return };
    let Some(status) = answer.status() else { return };
    let origin = attempt.origin(call, hop);
    let long_wait = call.settings().span(&LONG_WAIT);
    let attribution = attribution(call.patience_of(hop.server), long_wait, wait);
    let confidence = match attempt.hops.len() {
        // With one hop in the file, which timer ran out on the next one is an inference.
        1 => Confidence::Likely,
        _ => Confidence::Certain,
    };
    let mut report = Report::on(hop)
        .at([request, trying, answer])
        .at(origin.final_response())
        .status(Status::TRYING)
        .status(status)
        .confidence(confidence)
        .needs_company(wait < long_wait)
        .with("status", status.code())
        .with("wait_ms", wait)
        .with("trying_after_ms", trying.time.since(request.time))
        .with("attribution", Value::Word(attribution))
        .with("origin", origin.server)
        .with_some("reason", answer.header(HeaderName::Reason).map(Value::quoted))
        .with_some("retry_after", answer.header(HeaderName::RetryAfter).map(Value::quoted))
        .with_some("software", answer.software().map(Value::quoted));
    if status == Status::NOT_IMPLEMENTED {
        report = report
            .with("method", Value::quoted(hop.method.as_bytes()))
            .with_some("allow", allow(call, hop));
    }
    findings.report(report);
}

/// What the time that passed points to (RFC 3261, sections 16.6, 16.7 and 17.1.1.2); `timer_b` is
/// that of the server as the client of the next hop.
fn attribution(timer_b: Span, long_wait: Span, wait: Span) -> &'static str {
    let is_near = |timer: Span| (wait - timer).abs() <= TIMER_TOLERANCE;
    if is_near(timer_b) {
        "timer-b"
    } else if is_near(timers::C) {
        "timer-c"
    } else if (long_wait..=NEXT_SERVER_MAX).contains(&wait) {
        "next-server"
    } else {
        "unclassified"
    }
}

/// The Allow header of the answer, or of another message of that server in the call.
fn allow(call: &Call<'_>, hop: &Transaction<'_>) -> Option<Value> {
    let answer = hop.final_response()?;
    answer
        .header(HeaderName::Allow)
        .or_else(|| {
            let mut own = call.messages.iter().filter(|message| message.source == hop.server);
            own.find_map(|message| message.header(HeaderName::Allow))
        })
        .map(Value::quoted)
}

/// Several calls that waited equally long ran into one timer of the server, where no timer of the
/// protocol explains it.
fn together(findings: &mut [&mut Finding], settings: &Settings) {
    let key = |finding: &Finding| Some((finding.server?, finding.statuses.get(1).copied()?));
    let mut all: Vec<_> = findings.iter_mut().filter(|finding| key(finding).is_some()).collect();
    all.sort_by_key(|finding| key(finding));
    for own in all.chunk_by_mut(|one, other| key(one) == key(other)) {
        let waits = || own.iter().filter_map(|finding| wait_of(finding));
        let (Some(least), Some(most)) = (waits().min(), waits().max()) else { continue };
        let calls = own.len();
        let is_one_timer = match most < settings.span(&LONG_WAIT) {
            true => calls >= SAME_SHORT_WAIT_CALLS && most - least <= SAME_SHORT_WAIT,
            false => calls >= SAME_WAIT_CALLS && most - least <= SAME_WAIT,
        };
        if is_one_timer {
            own.iter_mut().for_each(|finding| attribute_to_timeout(finding, calls));
        }
    }
}

fn attribute_to_timeout(finding: &mut Finding, calls: usize) {
    finding.needs_company = false;
    for (name, value) in &mut finding.evidence {
        let is_open = [Value::Word("next-server"), Value::Word("unclassified")].contains(value);
        if *name == "attribution" && is_open {
            *value = Value::Word("fixed-local-timeout");
        }
    }
    finding.evidence.push(("calls_with_same_wait", calls.into()));
}

fn wait_of(finding: &Finding) -> Option<Span> {
    match finding.value("wait_ms")? {
        Value::Span(span) => Some(*span),
        _ => None,
    }
}
