//! The outcome of `siptrace check`: a line for each capture, what fails it, and a last line.

use std::cmp::Reverse;
use std::io::{self, Write};

use crate::analysis::expect::Verdict as Expected;
use crate::analysis::{Analysis, Ignored};
use crate::finding::{Finding, Severity};
use crate::report::check::{Checked, Verdict};
use crate::report::document::Cell;
use crate::report::evidence;
use crate::report::expect::Words;
use crate::report::style::Role;
use crate::report::text::scene::Scene;
use crate::report::text::sheet::Sheet;
use crate::report::text::{TextOptions, Verbosity, capture, expect, finding, screened};

/// Findings of one capture that are listed unless everything is asked for.
const LISTED_MAX: usize = 50;

/// Writes the outcome.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn check(checked: &Checked, options: &TextOptions, out: &mut dyn Write) -> io::Result<()> {
    let mut sheet = Sheet::new(options.page, out);
    for verdict in &checked.verdicts {
        let mut scene = Scene::new(&verdict.analysis, options);
        write_head(&scene, verdict, &mut sheet)?;
        if options.verbosity > Verbosity::Quiet {
            write_expectations(verdict, options, &mut sheet)?;
            write_findings(&mut scene, verdict, &mut sheet)?;
        }
    }
    let nothing = Analysis::default();
    let scene = Scene::new(&nothing, options);
    if options.verbosity > Verbosity::Quiet {
        let never: Vec<&Ignored> = checked.never.iter().collect();
        screened::write_never(&scene, &never, &mut sheet)?;
        screened::write_vanished(&scene, &checked.vanished, &mut sheet)?;
    }
    write_last_line(&scene, checked, &mut sheet)
}

/// Whether it passed, which files, and what was counted.
fn write_head(scene: &Scene<'_>, verdict: &Verdict, sheet: &mut Sheet<'_>) -> io::Result<()> {
    let words = scene.words;
    let (role, key) = match verdict.is_passed() {
        true => (Role::Heading, "check-pass"),
        false => (Role::Severity(Severity::Error), "check-fail"),
    };
    let paths = verdict.paths();
    let mut parts = vec![match paths.as_slice() {
        [] => "-".to_owned(),
        [path] => path.clone(),
        [first, rest @ ..] => {
            let more = words.fill("and-more", &[("count", &words.count(rest.len() as u64))]);
            format!("{first} {more}")
        }
    }];
    let findings = verdict.analysis.totals.findings;
    if verdict.is_void() {
        parts.push(words.get("verdict-no-sip").to_owned());
    }
    if !verdict.is_void() || findings.sum() > 0 {
        parts.push(counts(scene, findings));
    }
    if verdict.is_unjudged() {
        parts.push(words.get("verdict-unjudged").to_owned());
    }
    parts.extend(screened::counts(scene));
    if !verdict.expectations.is_empty() {
        parts.push(expect::sum(&verdict.expectations, Words::of(&verdict.analysis, scene.lang)));
    }
    let rest = format!(" {}", parts.join(" · "));
    sheet.long_line(&[Cell::new(role, words.get(key)), Cell::new(Role::Plain, rest)])
}

/// The expectations that it misses, all of them where everything is asked for.
fn write_expectations(
    verdict: &Verdict,
    options: &TextOptions,
    sheet: &mut Sheet<'_>,
) -> io::Result<()> {
    let words = Words::of(&verdict.analysis, options.lang);
    let is_wanted = |own: &&Expected| options.verbosity == Verbosity::Verbose || !own.is_met();
    let mut wanted = verdict.expectations.iter().filter(is_wanted);
    wanted.try_for_each(|own| expect::write(own, words, options.verbosity, sheet))
}

/// The findings that fail it, of all where everything is asked for; and what was set aside.
fn write_findings(
    scene: &mut Scene<'_>,
    verdict: &Verdict,
    sheet: &mut Sheet<'_>,
) -> io::Result<()> {
    let is_wanted = |finding: &&Finding| scene.is_verbose() || verdict.is_failed_by(finding);
    let mut wanted: Vec<&Finding> = verdict.analysis.findings.iter().filter(is_wanted).collect();
    wanted.sort_by_key(|finding| Reverse(finding.severity));
    let shown = if scene.is_verbose() { wanted.len() } else { LISTED_MAX };
    for own in wanted.iter().take(shown) {
        finding::write_line_at(scene, own, 2, sheet)?;
        let rule = scene.rule(own);
        sheet.text(Role::Plain, 4, &evidence::message(own, &rule, scene.words))?;
    }
    if let Some(more) = wanted.len().checked_sub(shown).filter(|more| *more > 0) {
        let count = scene.words.count(more as u64);
        sheet.text(Role::Faint, 2, &scene.words.fill("not-listed", &[("count", &count)]))?;
    }
    for note in capture::notes(scene) {
        sheet.item(2, "!", &note)?;
    }
    screened::write_reasons(scene, sheet)
}

fn write_last_line(scene: &Scene<'_>, checked: &Checked, sheet: &mut Sheet<'_>) -> io::Result<()> {
    let words = scene.words;
    let captures = words.count(checked.verdicts.len() as u64);
    let failed = words.count(checked.failed() as u64);
    let head = words.fill("check-captures", &[("captures", &captures), ("failed", &failed)]);
    let role = match checked.failed() {
        0 => Role::Title,
        _ => Role::Severity(Severity::Error),
    };
    let text = format!("{head} · {}", counts(scene, checked.findings()));
    sheet.long_line(&[Cell::new(role, text)])
}

fn counts(scene: &Scene<'_>, findings: crate::analysis::BySeverity) -> String {
    let words = scene.words;
    let counts = [findings.error, findings.warn, findings.info].map(|count| words.count(count));
    let [errors, warnings, notes] = counts.each_ref().map(String::as_str);
    let values = [("errors", errors), ("warnings", warnings), ("notes", notes)];
    words.fill("verdict-findings", &values)
}
