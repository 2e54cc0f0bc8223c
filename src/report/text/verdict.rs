//! The first line of the report, and the last.

use std::collections::BTreeSet;
use std::io;

use crate::finding::{Confidence, Finding, Severity};
use crate::report::document::Cell;
use crate::report::style::Role;
use crate::report::text::link;
use crate::report::text::scene::Scene;
use crate::report::text::sheet::Sheet;

/// Ends of a call that count as failure.
pub(crate) const FAILED: [&str; 2] = ["failed", "unanswered"];

/// Writes the verdict.
pub(super) fn write(scene: &Scene<'_>, sheet: &mut Sheet<'_>) -> io::Result<()> {
    let findings = scene.analysis.totals.findings;
    let role = match findings {
        findings if findings.error > 0 => Role::Severity(Severity::Error),
        _ if !scene.analysis.failed_rules.is_empty() => Role::Severity(Severity::Error),
        findings if findings.warn > 0 => Role::Severity(Severity::Warn),
        _ => Role::Title,
    };
    sheet.text(role, 0, &verdict(scene))
}

/// What it comes to, in a line.
pub(super) fn verdict(scene: &Scene<'_>) -> String {
    let words = scene.words;
    let totals = &scene.analysis.totals;
    if totals.sip_messages == 0 {
        return without_sip(scene);
    }
    let failed = failed(scene);
    let count = |key, count: u64| (key, words.count(count));
    let findings = totals.findings;
    let values = [
        count("failed", failed),
        count("calls", totals.calls),
        count("messages", totals.sip_messages),
        count("errors", findings.error),
        count("warnings", findings.warn),
        count("notes", findings.info),
    ];
    let values: Vec<(&str, &str)> =
        values.iter().map(|(key, text)| (*key, text.as_str())).collect();
    let is_clean =
        findings.at_least(Severity::Warn) == 0 && failed == 0 && scene.analysis.is_judged_by_all();
    words.fill(
        match (is_clean, totals.calls) {
            (true, 0) => "verdict-no-fault-messages",
            (true, _) => "verdict-no-fault-calls",
            (false, 0) => "verdict-findings",
            (false, _) if failed == 0 => "verdict-no-call-failed",
            (false, _) => "verdict-failed",
        },
        &values,
    )
}

/// Calls that failed: refused, without an answer, or broken by what an error tells.
pub(super) fn failed(scene: &Scene<'_>) -> u64 {
    let fates = &scene.analysis.statistics.fates;
    let refused: u64 = FAILED.iter().filter_map(|fate| fates.get(fate)).sum();
    refused + broken(scene)
}

/// Calls that were not refused, and yet an error is proven for them: no ACK, no response.
fn broken(scene: &Scene<'_>) -> u64 {
    let errors = scene.analysis.findings.iter().filter(|finding| is_proven_error(finding));
    let survived = errors.filter(|f| f.call_fate.is_some_and(|fate| !FAILED.contains(&fate)));
    survived.filter_map(|f| f.call_id.as_deref()).collect::<BTreeSet<&str>>().len() as u64
}

/// What is only possible breaks no call.
pub(crate) fn is_proven_error(finding: &Finding) -> bool {
    finding.severity == Severity::Error && finding.confidence != Confidence::Possible
}

/// What is there instead of SIP.
fn without_sip(scene: &Scene<'_>) -> String {
    let words = scene.words;
    let analysis = scene.analysis;
    let mut links: Vec<String> = Vec::new();
    for link in analysis.captures.iter().flat_map(|capture| &capture.link_types) {
        let name = link::name(*link, words);
        if !links.contains(&name) {
            links.push(name);
        }
    }
    let unread: u64 = analysis.unread.values().sum();
    let mut values = vec![("frames", words.count(analysis.totals.frames))];
    if !links.is_empty() {
        values.push(("links", words.list(&links)));
    }
    if analysis.totals.rtp_streams > 0 {
        values.push(("streams", words.count(analysis.totals.rtp_streams)));
    }
    if unread > 0 {
        values.push(("unread", words.count(unread)));
    }
    let values: Vec<(&str, &str)> =
        values.iter().map(|(key, text)| (*key, text.as_str())).collect();
    words.fill("verdict-without-sip", &values)
}

/// Writes the counts by severity and how to go on.
pub(super) fn write_last_line(scene: &Scene<'_>, sheet: &mut Sheet<'_>) -> io::Result<()> {
    let analysis = scene.analysis;
    let worst = analysis.findings.iter().max_by_key(|finding| finding.severity);
    let Some(finding) = worst else { return Ok(()) };
    let findings = analysis.totals.findings;
    let words = scene.words;
    let counts = words.fill(
        "verdict-findings",
        &[
            ("errors", &words.count(findings.error)),
            ("warnings", &words.count(findings.warn)),
            ("notes", &words.count(findings.info)),
        ],
    );
    sheet.blank()?;
    sheet.line(&[Cell::new(Role::Title, counts)])?;
    let next = words.fill("go-on", &[("code", finding.rule.code)]);
    sheet.text(Role::Faint, 0, &next)
}
