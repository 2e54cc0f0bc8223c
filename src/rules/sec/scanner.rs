#![doc = include_str!("scanner.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Facts, Probing, ScanCriteria, Settings, Threshold};
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "SEC101",
    name: "scanner",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("scanner.md"),
    thresholds: &[&TARGETS, &WITHIN, &REFUSED],
    gate: Gate::CAPTURE,
    check: Check::Capture(check),
};

/// So many users or hosts are asked for by somebody who does not know them.
static TARGETS: Threshold = Threshold::count("targets", 10);

/// They are asked for within this time.
static WITHIN: Threshold = Threshold::span("within", Span::from_secs(60));

/// Who is let in more often has business here.
static REFUSED: Threshold = Threshold::percent("refused", 80);

/// Sources that a finding lists.
const LISTED: usize = 10;

fn check(facts: &Facts, findings: &mut Findings<'_>) {
    for scan in facts.suspects.scans(&criteria(findings.settings())) {
        report(scan, findings);
    }
}

/// What makes requests a scan.
pub(super) fn criteria(settings: &Settings) -> ScanCriteria {
    ScanCriteria {
        targets: usize::try_from(settings.count(&TARGETS)).unwrap_or(usize::MAX),
        within: settings.span(&WITHIN),
        refused_percent: settings.percent(&REFUSED).into(),
    }
}

/// A name alone is no proof, since anybody can use the tool or the name; going from one user to the
/// next could be somebody's import of accounts.
fn confidence(scan: &Probing) -> Confidence {
    match (scan.tool, scan.is_enumeration) {
        (Some(_), true) => Confidence::Certain,
        (None, _) => Confidence::Likely,
        (Some(_), false) => Confidence::Possible,
    }
}

fn report(scan: Probing, findings: &mut Findings<'_>) {
    let sources = scan.sources();
    let listed = sources.iter().take(LISTED).map(|host| Value::Text(host.to_string())).collect();
    let mut report = Report::on_capture()
        .between(scan.client, scan.server)
        .frames(scan.frames.iter().copied())
        .confidence(confidence(&scan))
        .with_some("tool", scan.tool.map(|tool| Value::Text(tool.to_owned())))
        .with("from", Value::Text(scan.client.address.to_string()))
        .with("to", scan.server)
        .with("requests", scan.requests)
        .with("refused", scan.refused)
        .with("users_tried", scan.users)
        .with("hosts_asked", scan.servers)
        .with("enumeration", scan.is_enumeration)
        .with_some("other_sources", (sources.len() > 1).then_some(sources.len() - 1))
        .with_some("sources", (sources.len() > 1).then_some(Value::List(listed)))
        .with_some("lasted_ms", scan.length());
    for status in &scan.statuses {
        report = report.status(*status);
    }
    findings.report(report.owning(scan.spells));
}
