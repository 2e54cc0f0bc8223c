//! What a report of a check tells besides the analysis: what was expected, and what counts as
//! failure.

use crate::analysis::Analysis;
use crate::capture::FrameId;
use crate::finding::{Finding, Severity};

/// The analysis with the verdict on it, as a format for machines takes it.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// What was found.
    pub analysis: &'a Analysis,
    /// What was expected, in the order of the files that say so; empty where nothing was.
    pub missed: &'a [Missed],
    /// Findings at least as bad are failures unless they are excused; with none, no finding is.
    pub fails_from: Option<Severity>,
    /// What the program is going to exit with.
    pub exit_code: u8,
}

/// An expectation and whether the captures met it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missed {
    /// The group that it belongs to: the name of its file.
    pub suite: String,
    /// Its name in the file, the same in every run.
    pub case: String,
    /// The path of the capture that was looked at.
    pub capture: String,
    /// The line in the file of expectations, 1 for the first.
    pub line: Option<usize>,
    /// The path of the file of expectations.
    pub file: Option<String>,
    /// What was expected and what was seen; may have several lines.
    pub message: String,
    /// The frames that show it, in order.
    pub frames: Vec<FrameId>,
    /// The captures met it.
    pub passed: bool,
}

impl<'a> Outcome<'a> {
    /// An analysis of which nothing was expected; errors are failures.
    pub const fn of(analysis: &'a Analysis) -> Self {
        Self { analysis, missed: &[], fails_from: Some(Severity::Error), exit_code: 0 }
    }

    /// The finding is a failure.
    pub fn is_failure(&self, finding: &Finding) -> bool {
        !finding.is_excused && self.fails_from.is_some_and(|from| finding.severity >= from)
    }

    /// What was expected and not met.
    pub fn broken(&self) -> impl Iterator<Item = &'a Missed> + Clone + use<'a> {
        self.missed.iter().filter(|missed| !missed.passed)
    }
}
