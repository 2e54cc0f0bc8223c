//! The outcome of `siptrace check`: what became of each capture, and as JSON.

use std::collections::BTreeMap;
use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;

use crate::analysis::{Analysis, BySeverity, Ignored, KnownFinding, expect};
use crate::bytes::printable_str;
use crate::catalogue::{Lang, labels};
use crate::finding::{Finding, Severity};
use crate::report::expect::{self as expected, ExpectationJson};
use crate::report::json::{FindingJson, RuleTexts, SCHEMA_VERSION, TOOL, Tool};
use crate::report::screened::{self, IgnoredJson, VanishedJson};

/// What became of everything that was checked.
#[derive(Debug)]
pub struct Checked {
    /// One for each capture, in the order in which they were given.
    pub verdicts: Vec<Verdict>,
    /// Ignores that are about these captures and never fitted.
    pub never: Vec<Ignored>,
    /// What the baseline knows of these captures and was not found, with how often.
    pub vanished: Vec<(KnownFinding, u64)>,
}

/// What became of one capture, or of several that are one.
#[derive(Debug)]
pub struct Verdict {
    /// What was found.
    pub analysis: Analysis,
    /// How bad a finding must be to fail it; none where nothing fails it.
    pub fail_on: Option<Severity>,
    /// What came of the expectations that are about it.
    pub expectations: Vec<expect::Verdict>,
}

impl Checked {
    /// Captures that failed.
    pub fn failed(&self) -> usize {
        self.verdicts.iter().filter(|verdict| !verdict.is_passed()).count()
    }

    /// The findings of all captures.
    pub fn findings(&self) -> BySeverity {
        let mut sum = BySeverity::default();
        for verdict in &self.verdicts {
            sum.merge(verdict.analysis.totals.findings);
        }
        sum
    }
}

impl Verdict {
    /// Nothing speaks against it.
    pub fn is_passed(&self) -> bool {
        let is_free = self.fail_on.is_none() || (!self.is_void() && self.failing() == 0);
        is_free && self.missed() == 0 && !self.is_unjudged()
    }

    /// Findings fail it, or an expectation is about it, and findings may be missing.
    pub fn is_unjudged(&self) -> bool {
        let has_expectations = !self.expectations.is_empty();
        let lacks_findings = !self.analysis.is_judged_by_all();
        let lacks_calls = self.analysis.dropped.contains_key("calls");
        (self.fail_on.is_some() && lacks_findings)
            || (has_expectations && (lacks_findings || lacks_calls))
    }

    /// Findings that fail it.
    pub fn failing(&self) -> u64 {
        let Some(severity) = self.fail_on else { return 0 };
        let excused = self.analysis.findings.iter().filter(|own| own.is_excused);
        let excused = excused.filter(|own| own.severity >= severity).count() as u64;
        self.analysis.totals.findings.at_least(severity).saturating_sub(excused)
    }

    /// Expectations that it misses.
    pub fn missed(&self) -> usize {
        self.expectations.iter().filter(|own| !own.is_met()).count()
    }

    /// There was nothing to check: a capture without SIP is no proof that calls work, unless the
    /// user knows or ignores what was found instead, as a TLS handshake that failed.
    pub fn is_void(&self) -> bool {
        let screened = &self.analysis.screened;
        let set_aside = screened.known.unwrap_or_default() + screened.ignored_count();
        self.analysis.totals.sip_messages == 0 && set_aside == 0
    }

    /// The finding fails it.
    pub fn is_failed_by(&self, finding: &Finding) -> bool {
        !finding.is_excused && self.fail_on.is_some_and(|severity| finding.severity >= severity)
    }

    /// The files, safe to show.
    pub fn paths(&self) -> Vec<String> {
        let captures = self.analysis.captures.iter();
        captures
            .map(|capture| printable_str(&capture.path.to_string_lossy()).into_owned())
            .collect()
    }
}

/// Writes the outcome as one JSON object.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn json(checked: &Checked, lang: Lang, out: &mut dyn Write) -> io::Result<()> {
    let mut rules = RuleTexts::new(lang);
    let verdicts = checked.verdicts.iter();
    let document = CheckJson {
        schema_version: SCHEMA_VERSION,
        tool: TOOL,
        verdict: word(checked.failed() == 0),
        findings: checked.findings().into(),
        captures: verdicts
            .map(|verdict| CheckedCaptureJson::of(verdict, lang, &mut rules))
            .collect(),
        unused_ignores: screened::ignored(&checked.never).unwrap_or_default(),
        vanished: screened::vanished(&checked.vanished),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

/// The outcome of a check.
#[derive(Serialize, JsonSchema)]
pub(super) struct CheckJson<'a> {
    /// Raised when a field changes its meaning or goes away; new fields do not raise it.
    schema_version: u32,
    /// The program that wrote the document.
    tool: Tool,
    /// `pass` if every capture passes, else `fail`.
    verdict: &'static str,
    /// The findings of all captures.
    findings: CountsJson,
    /// What became of each capture, in the order given.
    captures: Vec<CheckedCaptureJson<'a>>,
    /// Ignores that are about these captures and fitted nothing.
    unused_ignores: Vec<IgnoredJson<'a>>,
    /// What the baseline knows of these captures and was not found.
    vanished: Vec<VanishedJson<'a>>,
}

/// Findings by severity.
#[derive(Serialize, JsonSchema)]
struct CountsJson {
    /// Errors.
    error: u64,
    /// Warnings.
    warn: u64,
    /// Notes.
    info: u64,
}

/// What became of a capture, or of several that are one.
#[derive(Serialize, JsonSchema)]
struct CheckedCaptureJson<'a> {
    /// The paths of the files, safe to show.
    paths: Vec<String>,
    /// `pass` or `fail`.
    verdict: &'static str,
    /// How bad a finding must be to fail it; nothing where no finding fails it.
    fail_on: Option<Severity>,
    /// SIP messages after reassembly.
    sip_messages: u64,
    /// Call-IDs that were used for a call.
    calls: u64,
    /// Its findings by severity.
    counts: CountsJson,
    /// All findings, those that do not fail it as well.
    findings: Vec<FindingJson<'a>>,
    /// Ignores that are configured, with what each took.
    ignored: Vec<IgnoredJson<'a>>,
    /// Findings that the baseline knows.
    known: u64,
    /// What came of the expectations that are about it.
    expectations: Vec<ExpectationJson<'a>>,
    /// What was not kept, by the name of the bound, with counts.
    dropped: &'a BTreeMap<&'static str, u64>,
    /// Rules that broke off on a call (a fault of siptrace), with counts; a capture does not pass
    /// where there are any.
    failed_rules: &'a BTreeMap<&'static str, u64>,
}

impl<'a> CheckedCaptureJson<'a> {
    fn of(verdict: &'a Verdict, lang: Lang, rules: &mut RuleTexts) -> Self {
        let analysis = &verdict.analysis;
        let is_several = analysis.captures.len() > 1;
        let findings = analysis.findings.iter();
        Self {
            paths: verdict.paths(),
            verdict: word(verdict.is_passed()),
            fail_on: verdict.fail_on,
            sip_messages: analysis.totals.sip_messages,
            calls: analysis.totals.calls,
            counts: analysis.totals.findings.into(),
            findings: findings
                .map(|finding| FindingJson::of(finding, is_several, labels(lang), rules))
                .collect(),
            ignored: screened::ignored(&analysis.screened.ignored).unwrap_or_default(),
            known: analysis.screened.known.unwrap_or_default(),
            expectations: expected::list(&verdict.expectations, analysis, lang),
            dropped: &analysis.dropped,
            failed_rules: &analysis.failed_rules,
        }
    }
}

impl From<BySeverity> for CountsJson {
    fn from(counts: BySeverity) -> Self {
        Self { error: counts.error, warn: counts.warn, info: counts.info }
    }
}

const fn word(is_passed: bool) -> &'static str {
    if is_passed { "pass" } else { "fail" }
}
