//! Verdicts on expectations: what was missed with a ladder of what was expected and what was seen.

use std::io::{self, Write};

use crate::analysis::Analysis;
use crate::analysis::expect::{Mark, Subject, Verdict};
use crate::finding::Severity;
use crate::report::document::Cell;
use crate::report::expect::Words;
use crate::report::style::Role;
use crate::report::text::sheet::Sheet;
use crate::report::text::{TextOptions, Verbosity};

/// Spaces before what belongs to a verdict.
const INDENT: usize = 4;

/// Writes what came of each expectation: missed ones in full, the others in a line.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn expectations(
    verdicts: &[Verdict],
    analysis: &Analysis,
    options: &TextOptions,
    out: &mut dyn Write,
) -> io::Result<()> {
    let words = Words::of(analysis, options.lang);
    let mut sheet = Sheet::new(options.page, out);
    for verdict in verdicts {
        write(verdict, words, options.verbosity, &mut sheet)?;
    }
    sheet.text(Role::Title, 0, &sum(verdicts, words))
}

/// Writes what came of one; why it was missed unless little is to be told.
pub(super) fn write(
    verdict: &Verdict,
    words: Words,
    verbosity: Verbosity,
    sheet: &mut Sheet<'_>,
) -> io::Result<()> {
    head(verdict, words, sheet)?;
    match !verdict.is_met() && verbosity > Verbosity::Quiet {
        true => body(verdict, words, sheet),
        false => Ok(()),
    }
}

/// How many of them are met.
pub(super) fn sum(verdicts: &[Verdict], words: Words) -> String {
    let met = verdicts.iter().filter(|verdict| verdict.is_met()).count();
    let (met, all) = (words.labels.count(met as u64), words.labels.count(verdicts.len() as u64));
    words.labels.fill("expect-sum", &[("met", &met), ("count", &all)])
}

fn head(verdict: &Verdict, words: Words, sheet: &mut Sheet<'_>) -> io::Result<()> {
    let (role, key) = match verdict.is_met() {
        true => (Role::Name, "expect-met"),
        false => (Role::Severity(Severity::Error), "expect-missed"),
    };
    let call = match &verdict.subject {
        Subject::Call { call_id, first, .. } => {
            format!("  {} Call-ID {call_id}", words.frame(*first))
        }
        Subject::NoCall | Subject::Capture | Subject::OtherCalls => String::new(),
    };
    sheet.line(&[
        Cell::new(role, words.labels.get(key)),
        Cell::new(Role::Plain, format!("  {}:{}  ", verdict.file, verdict.line)),
        Cell::new(Role::Heading, words.name(verdict)),
        Cell::new(Role::Faint, call),
    ])
}

fn body(verdict: &Verdict, words: Words, sheet: &mut Sheet<'_>) -> io::Result<()> {
    if !verdict.ladder.is_empty() {
        sheet.text(Role::Faint, INDENT, words.labels.get("expect-ladder"))?;
    }
    for line in words.ladder(&verdict.ladder) {
        let role = match line.mark {
            Mark::Same => Role::Plain,
            Mark::Missing => Role::Severity(Severity::Error),
            Mark::Unexpected => Role::Severity(Severity::Warn),
        };
        sheet.line(&[Cell::new(Role::Plain, " ".repeat(INDENT)), Cell::new(role, line.line())])?;
    }
    for problem in words.problems(verdict) {
        sheet.item(INDENT, "*", &problem)?;
    }
    for doubt in words.doubts(verdict) {
        sheet.text(Role::Plain, INDENT, &doubt)?;
    }
    Ok(())
}
