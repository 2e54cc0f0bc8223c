//! The analysis as text, for an engineer who reads from the top down.
//!
//! Verdict, capture, incidents, findings, calls: what matters most comes first, and each diagnosis
//! is told once. Every word comes from the catalogue.

use std::io::{self, Write};

use crate::analysis::Analysis;
use crate::catalogue::Lang;
use crate::report::document::Page;

pub(super) mod calls;
mod capture;
mod check;
pub(crate) mod clock;
mod diagnosis;
pub(super) mod diff;
mod expect;
mod finding;
mod incident;
mod ladder;
mod lifelines;
mod link;
pub(crate) mod parts;
mod scene;
mod screened;
mod sheet;
pub(super) mod show;
pub(super) mod stats;
mod streams;
mod verdict;

#[cfg(test)]
mod tests;

pub use check::check;
pub use expect::expectations;
use scene::Scene;
use sheet::Sheet;
pub use show::show;

/// How the report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextOptions {
    /// The language.
    pub lang: Lang,
    /// Width and colours.
    pub page: Page,
    /// How much is told.
    pub verbosity: Verbosity,
}

/// How much is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// The verdict and one line a finding.
    Quiet,
    /// What it takes to act.
    #[default]
    Normal,
    /// Everything.
    Verbose,
}

impl Verbosity {
    /// What `--quiet` and `--verbose` ask for.
    pub(crate) const fn of(is_quiet: bool, is_verbose: bool) -> Self {
        match (is_quiet, is_verbose) {
            (true, _) => Self::Quiet,
            (false, true) => Self::Verbose,
            (false, false) => Self::Normal,
        }
    }
}

/// Writes the report.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn text(analysis: &Analysis, options: &TextOptions, out: &mut dyn Write) -> io::Result<()> {
    let mut sheet = Sheet::new(options.page, out);
    let mut scene = Scene::new(analysis, options);
    verdict::write(&scene, &mut sheet)?;
    if options.verbosity == Verbosity::Quiet {
        for note in capture::failed_rules(&scene) {
            sheet.item(0, "!", &note)?;
        }
        finding::write_lines(&mut scene, &mut sheet)?;
        return screened::write(&scene, &mut sheet);
    }
    capture::write(&mut scene, &mut sheet)?;
    incident::write(&mut scene, &mut sheet)?;
    finding::write(&mut scene, &mut sheet)?;
    calls::write(&scene, &mut sheet)?;
    screened::write(&scene, &mut sheet)?;
    verdict::write_last_line(&scene, &mut sheet)
}
