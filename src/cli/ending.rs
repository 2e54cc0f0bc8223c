//! How the program ends: the exit code, and why it is what it is.

use crate::analysis::Analysis;
use crate::cli::run::FailOn;

/// Findings at or above the threshold, or an expectation that was missed; or nobody can tell.
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

    /// How an analysis ends. Where findings count, one that may lack some is not clean.
    pub(super) fn of(analysis: &Analysis, fail_on: FailOn) -> Self {
        let findings = analysis.totals.findings;
        let Some(severity) = fail_on.severity() else {
            return Self::done(format!(
                "findings do not count (--fail-on never): {}",
                findings.sum()
            ));
        };
        match fail_on.count(findings) {
            0 if !analysis.is_judged_by_all() => Self::fallen_short(unjudged(analysis)),
            0 => Self::done(format!("no finding at or above {severity} (--fail-on {severity})")),
            count => Self::fallen_short(format!(
                "findings at or above {severity}: {count} (--fail-on {severity})"
            )),
        }
    }
}

/// Why findings may be missing.
pub(super) fn unjudged(analysis: &Analysis) -> String {
    let beyond = analysis.dropped.get("findings").copied().unwrap_or_default();
    let broken: Vec<&str> = analysis.failed_rules.keys().copied().collect();
    format!(
        "findings may be missing: rules that broke off: {} ({}); findings not kept: {beyond}",
        broken.len(),
        broken.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_findings_count_one_that_may_be_missing_is_no_success() {
        let mut analysis = Analysis::default();
        assert_eq!(Ending::of(&analysis, FailOn::Error).code, 0);
        analysis.failed_rules.insert("short-call", 2);
        let ending = Ending::of(&analysis, FailOn::Error);
        assert_eq!(ending.code, FALLEN_SHORT);
        assert!(ending.why.contains("rules that broke off: 1 (short-call)"), "{}", ending.why);
        assert_eq!(Ending::of(&analysis, FailOn::Never).code, 0);
        analysis.failed_rules.clear();
        analysis.dropped.insert("findings", 3);
        assert_eq!(Ending::of(&analysis, FailOn::Info).code, FALLEN_SHORT);
    }
}
