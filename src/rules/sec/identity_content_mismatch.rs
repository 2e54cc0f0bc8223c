#![doc = include_str!("identity_content_mismatch.md")]

use crate::finding::{
    Check, Confidence, Findings, Gate, Report, Rule, Severity, Value, Visibility,
};
use crate::rules::sec::{on_refusal, with_objection, with_token, with_turn};
use crate::signaling::{Attempt, Call, Discrepancy, Message, Threshold, Traits, Transaction};
use crate::sip::HeaderName;
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "SEC106",
    name: "identity-content-mismatch",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("identity_content_mismatch.md"),
    thresholds: &[&FRESHNESS],
    gate: Gate::one_of(&[Traits::IDENTITY_REFUSAL, Traits::REASON, Traits::IDENTITY]),
    check: Check::Call(check),
};

/// What RFC 8224, section 4.1, recommends verifiers to accept.
static FRESHNESS: Threshold = Threshold::span("freshness", Span::from_secs(60));

/// Stale Date (RFC 8224, section 6.2.2).
const STALE: [u16; 1] = [403];

/// Codes with which a call with other numbers than the signed ones is refused: by the verifier, and
/// by analytics, which need not say so.
const REFUSALS: [u16; 2] = [438, 608];

/// What is signed and is not so.
#[derive(Debug, Default)]
struct Mismatch {
    caller: Option<Discrepancy>,
    callee: Option<Discrepancy>,
    age: Option<Age>,
}

/// A signature is too old, or of the future.
#[derive(Clone, Copy, Debug)]
struct Age {
    /// By the clock of the verifier's side, if that is known; else by that of the capture.
    age: Span,
    clock: Clock,
}

/// What tells the age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    /// The Date of the same request.
    Date,
    /// The Dates of others in this call.
    Others,
    /// The clock of the capture, which may be wrong.
    Capture,
}

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for attempt in &call.attempts {
        let mut hops = attempt.transactions(call);
        let stale = hops.find_map(|hop| Some((hop, call.objection(hop, &STALE)?)));
        let of = |hop: &Transaction<'_>| hop.request.map(|request| mismatch(call, request));
        let is_wrong = |hop: &Transaction<'_>| of(hop).is_some_and(|own| own.is_any());
        match (stale, attempt.farthest(call, is_wrong)) {
            (Some((hop, objection)), _) => {
                let report = with_objection(hop, &objection);
                let mismatch = of(hop).unwrap_or_default();
                findings.report(with_mismatch(report, call, hop, &mismatch));
            }
            (None, Some(hop)) => {
                let mismatch = of(hop).unwrap_or_default();
                report(call, attempt, hop, &mismatch, findings);
            }
            (None, None) => {}
        }
    }
}

fn mismatch(call: &Call<'_>, request: &Message<'_>) -> Mismatch {
    if !request.has(HeaderName::Identity) || request.is_verified() {
        return Mismatch::default();
    }
    let home = call.settings().home_cc.as_ref();
    Mismatch {
        caller: request.caller_discrepancy(home),
        callee: request.callee_discrepancy(home),
        age: age(call, request),
    }
}

/// The first signature that is not fresh.
fn age(call: &Call<'_>, request: &Message<'_>) -> Option<Age> {
    let limit = call.settings().span(&FRESHNESS);
    let offset = call.clock_offset();
    request.signed().find_map(|signed| {
        let issued = signed.issued_at()?;
        let by_date = request.date().map(|date| date.since(issued));
        if let Some(age) = by_date.filter(|age| age.abs() > limit) {
            return Some(Age { age, clock: Clock::Date });
        }
        let age = request.time.since(issued) + offset.unwrap_or_default();
        let clock = if offset.is_some() { Clock::Others } else { Clock::Capture };
        (age.abs() > limit).then_some(Age { age, clock })
    })
}

impl Mismatch {
    fn is_any(&self) -> bool {
        self.has_number() || self.age.is_some()
    }

    fn has_number(&self) -> bool {
        self.caller.is_some() || self.callee.is_some()
    }

    /// How sure it is: as sure as what is surest.
    fn confidence(&self) -> Confidence {
        let is_certain = |own: &Option<Discrepancy>| own.as_ref().is_some_and(|own| own.is_certain);
        match self.age.map(|age| age.clock) {
            _ if is_certain(&self.caller) || is_certain(&self.callee) => Confidence::Certain,
            Some(Clock::Date) => Confidence::Certain,
            _ => Confidence::Likely,
        }
    }
}

fn report(
    call: &Call<'_>,
    attempt: &Attempt<'_>,
    hop: &Transaction<'_>,
    mismatch: &Mismatch,
    findings: &mut Findings<'_>,
) {
    let report = match mismatch.has_number() && !attempt.is_answered() {
        true => on_refusal(hop, &REFUSALS),
        false => Report::beside(hop),
    };
    // An answered call has not failed of it.
    let severity = match mismatch.has_number() && !attempt.is_answered() {
        true => Severity::Error,
        false => Severity::Warn,
    };
    let visibility = match mismatch.age {
        Some(Age { age, clock: Clock::Capture }) if !mismatch.has_number() => {
            Visibility::UnlessClock { age, limit: call.settings().span(&FRESHNESS) }
        }
        _ => Visibility::Proven,
    };
    let report = report.severity(severity).confidence(mismatch.confidence()).visibility(visibility);
    findings.report(with_mismatch(report, call, hop, mismatch));
}

/// Adds what is signed, what is there, and who on the way changed it.
fn with_mismatch(
    report: Report,
    call: &Call<'_>,
    hop: &Transaction<'_>,
    mismatch: &Mismatch,
) -> Report {
    let is_right = |request: &Message<'_>| {
        request.signed().next().is_some() && !self::mismatch(call, request).has_number()
    };
    let turn = call.turn(hop, is_right).filter(|_| mismatch.has_number());
    let signed = |own: &Discrepancy| Value::quoted(own.signed.as_bytes());
    let shown = |own: &Discrepancy| Value::quoted(&own.shown);
    let (caller, callee) = (mismatch.caller.as_ref(), mismatch.callee.as_ref());
    let mut faults = Vec::new();
    faults.extend(caller.map(|_| Value::Word("caller")));
    faults.extend(callee.map(|_| Value::Word("callee")));
    // A verifier that finds it stale says so, even where nothing here shows it.
    if mismatch.age.is_some() || faults.is_empty() {
        faults.push(Value::Word("age"));
    }
    let age = mismatch.age.map(|age| age.age);
    let report = with_turn(report.at(hop.request), "changed_by", turn)
        .with("faults", Value::List(faults))
        .with_some("signed_caller", caller.map(signed))
        .with_some("caller", caller.map(shown))
        .with_some("signed_callee", callee.map(signed))
        .with_some("called", callee.map(shown))
        .with_some("token_age_ms", age.filter(|age| *age >= Span::ZERO))
        .with_some("token_ahead_ms", age.filter(|age| *age < Span::ZERO).map(Span::abs))
        .with_some("clock", mismatch.age.map(|age| clock(age.clock)));
    with_token(report, call, hop)
}

const fn clock(clock: Clock) -> Value {
    Value::Word(match clock {
        Clock::Date => "date-of-request",
        Clock::Others => "date-of-others",
        Clock::Capture => "clock-of-capture",
    })
}
