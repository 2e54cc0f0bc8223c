//! How the program ends: the exit code, and why it is what it is.

use crate::analysis::BySeverity;
use crate::cli::run::FailOn;

/// Findings at or above the threshold, or an expectation that was missed.
const FALLEN_SHORT: u8 = 1;

/// Wrong usage, unreadable or missing input, nothing analysed.
const NOTHING_DONE: u8 = 2;

/// The exit code with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    /// The code.
    pub(super) code: u8,
    /// Why, a fragment in English.
    pub(super) why: String,
}

impl Ending {
    /// What was asked for is done.
    pub(super) fn done(why: impl Into<String>) -> Self {
        Self { code: 0, why: why.into() }
    }

    /// The captures fall short.
    pub(super) fn fallen_short(why: impl Into<String>) -> Self {
        Self { code: FALLEN_SHORT, why: why.into() }
    }

    /// Nothing was done.
    pub(super) fn nothing_done(why: impl Into<String>) -> Self {
        Self { code: NOTHING_DONE, why: why.into() }
    }

    /// How an analysis with these findings ends.
    pub(super) fn of(findings: BySeverity, fail_on: FailOn) -> Self {
        let Some(severity) = fail_on.severity() else {
            return Self::done(format!(
                "findings do not count (--fail-on never): {}",
                findings.sum()
            ));
        };
        match fail_on.count(findings) {
            0 => Self::done(format!("no finding at or above {severity} (--fail-on {severity})")),
            count => Self::fallen_short(format!(
                "findings at or above {severity}: {count} (--fail-on {severity})"
            )),
        }
    }
}
