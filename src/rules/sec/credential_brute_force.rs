#![doc = include_str!("credential_brute_force.md")]

use crate::bytes::printable;
use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Facts, GuessCriteria, Probing, Settings, Threshold};
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "SEC102",
    name: "credential-brute-force",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("credential_brute_force.md"),
    thresholds: &[&ATTEMPTS, &WITHIN],
    gate: Gate::CAPTURE,
    check: Check::Capture(check),
};

/// A user who mistypes his password, or two of them behind one address, gives up before.
static ATTEMPTS: Threshold = Threshold::count("attempts", 10);

/// They come within this time.
static WITHIN: Threshold = Threshold::span("within", Span::from_secs(300));

/// Users with accepted credentials that a finding lists.
const LISTED: usize = 5;

fn check(facts: &Facts, findings: &mut Findings<'_>) {
    for guessing in facts.suspects.guesses(&criteria(findings.settings())) {
        report(guessing, findings);
    }
}

/// What makes rejected credentials guessing.
pub(super) fn criteria(settings: &Settings) -> GuessCriteria {
    GuessCriteria {
        attempts: usize::try_from(settings.count(&ATTEMPTS)).unwrap_or(usize::MAX),
        within: settings.span(&WITHIN),
    }
}

fn report(guessing: Probing, findings: &mut Findings<'_>) {
    let accepted = guessing.accepted.iter().take(LISTED);
    let users = accepted.clone().map(|(user, ..)| Value::Text(printable(user).into_owned()));
    let is_compromised = !guessing.accepted.is_empty();
    // The edge in front of a registrar that refuses everybody looks alike.
    let confidence = match guessing.tool {
        Some(_) => Confidence::Certain,
        None => Confidence::Likely,
    };
    let mut report = Report::on_capture()
        .between(guessing.client, guessing.server)
        .frames(guessing.frames.iter().copied())
        .frames(accepted.map(|(_, frame, at)| (*frame, *at)))
        .confidence(confidence)
        .with("from", Value::Text(guessing.client.address.to_string()))
        .with("to", guessing.server)
        .with("attempts", guessing.refused)
        .with("users_tried", guessing.users)
        .with_some("compromised", is_compromised.then(|| Value::List(users.collect())))
        .with_some("variant", is_compromised.then_some(Value::Word("account-compromised")))
        .with_some("tool", guessing.tool.map(|tool| Value::Text(tool.to_owned())))
        .with_some("lasted_ms", guessing.length());
    for status in &guessing.statuses {
        report = report.status(*status);
    }
    findings.report(report.owning(guessing.spells));
}
