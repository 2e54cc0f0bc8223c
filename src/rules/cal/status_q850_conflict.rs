#![doc = include_str!("status_q850_conflict.md")]

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Call, Message, Traits, Transaction};
use crate::sip::HeaderName;

pub(crate) static RULE: Rule = Rule {
    code: "CAL202",
    name: "status-q850-conflict",
    severity: Severity::Info,
    since: "0.1.0",
    entry: include_str!("status_q850_conflict.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::LOST, Traits::REFUSAL, Traits::REASON]),
    check: Check::Call(check),
};

/// What a code and a cause have in common when both tell of the same failure.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// The number is wrong, unknown or another one by now.
    Number,
    Busy,
    NoAnswer,
    Refused,
    /// The call was ended in the ordinary way before it was answered.
    Cleared,
    /// Something on the way did not work.
    Network,
    Unsupported,
}

/// Cause, the status that RFC 3398, section 7.2.4.1, makes of it, and the meaning. The causes that
/// stand for anything (31, 41, 127) are left out, and so are those that RFC 3398 does not name.
const CAUSES: [(u16, Option<u16>, Meaning); 29] = [
    (1, Some(404), Meaning::Number),
    (2, Some(404), Meaning::Number),
    (3, Some(404), Meaning::Number),
    (16, None, Meaning::Cleared),
    (17, Some(486), Meaning::Busy),
    (18, Some(408), Meaning::NoAnswer),
    (19, Some(480), Meaning::NoAnswer),
    (20, Some(480), Meaning::NoAnswer),
    (21, Some(403), Meaning::Refused),
    (22, Some(410), Meaning::Number),
    (23, Some(410), Meaning::Number),
    (26, Some(404), Meaning::Number),
    (27, Some(502), Meaning::Network),
    (28, Some(484), Meaning::Number),
    (29, Some(501), Meaning::Unsupported),
    (34, Some(503), Meaning::Network),
    (38, Some(503), Meaning::Network),
    (42, Some(503), Meaning::Network),
    (47, Some(503), Meaning::Network),
    (55, Some(403), Meaning::Refused),
    (57, Some(403), Meaning::Refused),
    (58, Some(503), Meaning::Network),
    (65, Some(488), Meaning::Unsupported),
    (70, Some(488), Meaning::Unsupported),
    (79, Some(501), Meaning::Unsupported),
    (87, Some(403), Meaning::Refused),
    (88, Some(503), Meaning::Network),
    (102, Some(504), Meaning::Network),
    (111, Some(500), Meaning::Network),
];

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for attempt in &call.attempts {
        if attempt.is_resolved(call) || attempt.is_answered() {
            continue;
        }
        let Some(first) = attempt.first_hop(call) else { continue };
        let origin = attempt.origin(call, first);
        let is_faulty = |hop: &Transaction<'_>| {
            conflict(hop).is_some() && !call.is_given_up(hop) && call.is_above(hop, origin)
        };
        let Some(hop) = attempt.farthest(call, is_faulty) else { continue };
        let Some((answer, code, cause, expected)) = conflict(hop) else { continue };
        findings.report(
            Report::on(hop)
                .at([answer])
                .with("status", code)
                .with(
                    "phrase",
                    Value::quoted(answer.reason_phrase().unwrap_or_default().as_bytes()),
                )
                .with("q850", cause)
                .with_some("expected_status", expected)
                .with_some("reason", answer.header(HeaderName::Reason).map(Value::quoted))
                .with_some("software", answer.software().map(Value::quoted)),
        );
    }
}

/// The failure, its code, the cause that tells of another failure, and the code that this cause
/// stands for.
fn conflict<'c>(hop: &Transaction<'c>) -> Option<(&'c Message<'c>, u16, u16, Option<u16>)> {
    let answer = hop.final_response()?;
    let code = answer.status()?.code();
    // 487 tells of the CANCEL, whatever its Reason says of what was cancelled.
    if code < 400 || matches!(code, 401 | 407 | 487) {
        return None;
    }
    let cause = answer.q850()?;
    let (_, expected, meaning) = CAUSES.iter().find(|(known, ..)| *known == cause)?;
    (!fits(code, *expected, *meaning)).then_some((answer, code, cause, *expected))
}

/// The code means what the cause means. Causes of one meaning come in several codes, in both
/// directions of the mapping (RFC 3398, sections 7.2.4.1 and 8.2.6.1).
fn fits(code: u16, expected: Option<u16>, meaning: Meaning) -> bool {
    let is_same = match meaning {
        Meaning::Number => matches!(code, 404 | 410 | 484 | 485 | 604),
        Meaning::Busy => matches!(code, 486 | 600),
        Meaning::NoAnswer => matches!(code, 408 | 480),
        Meaning::Refused => matches!(code, 402 | 403 | 603 | 607 | 608),
        Meaning::Cleared => matches!(code, 480 | 486 | 600 | 603),
        // 408 stands for the recovery on timer expiry, too.
        Meaning::Network => code == 408 || (500..600).contains(&code),
        Meaning::Unsupported => {
            matches!(code, 405 | 406 | 415 | 488 | 606) || (500..600).contains(&code)
        }
    };
    is_same || expected == Some(code)
}
