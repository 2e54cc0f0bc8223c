//! Which rules run and which findings are shown.

use clap::{Args, ValueEnum};

use crate::catalogue;
use crate::cli::config::Choice;
use crate::finding::{Rule, Severity};
use crate::rules;

/// Rules by code, prefix of a code, or name.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct SelectionArgs {
    /// Run only these rules: code, prefix or name; may be repeated or separated by commas. Goes
    /// before `select` of siptrace.toml
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    select: Vec<String>,
    /// Leave these rules out: code, prefix or name; may be repeated or separated by commas. Adds to
    /// `ignore` of siptrace.toml
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    ignore: Vec<String>,
    /// Leave out findings below it [default: from siptrace.toml, else info]
    #[arg(long, value_enum, value_name = "SEVERITY")]
    min_severity: Option<MinSeverity>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum MinSeverity {
    Info,
    Warn,
    Error,
}

/// A rule was named that does not exist.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("no rule has the code, prefix or name \"{given}\"")]
pub(super) struct SelectionError {
    given: String,
}

impl SelectionError {
    /// What may have been meant.
    pub(super) fn hint(&self) -> Option<String> {
        let meant = catalogue::find(&self.given)
            .err()
            .and_then(|suggestion| suggestion.advice(catalogue::Lang::En))
            .filter(|advice| rules::ALL.iter().any(|rule| advice.contains(rule.name)));
        Some(meant.unwrap_or_else(|| "`siptrace rules` lists them all".to_owned()))
    }
}

impl SelectionArgs {
    /// The rules that are left. What is selected here goes before what `choice` selects; what
    /// either ignores, and what is switched off, is left out.
    ///
    /// # Errors
    ///
    /// When a selector fits no rule.
    pub(super) fn rules(&self, choice: &Choice) -> Result<Vec<&'static Rule>, SelectionError> {
        for given in self.select.iter().chain(&self.ignore) {
            if rules_of(given).is_empty() {
                return Err(SelectionError { given: given.clone() });
            }
        }
        let is_in = |rule: &Rule, selectors: &[String]| selectors.iter().any(|s| rule.fits(s));
        let select = match self.select.is_empty() {
            true => choice.select.as_deref(),
            false => Some(self.select.as_slice()),
        };
        Ok(rules::ALL
            .iter()
            .copied()
            .filter(|rule| select.is_none_or(|select| is_in(rule, select)))
            .filter(|rule| !is_in(rule, &self.ignore) && !is_in(rule, &choice.ignore))
            .filter(|rule| !choice.is_off(rule))
            .collect())
    }

    /// Findings below it are left out.
    pub(super) fn min_severity(&self, choice: &Choice) -> Severity {
        match self.min_severity {
            Some(MinSeverity::Info) => Severity::Info,
            Some(MinSeverity::Warn) => Severity::Warn,
            Some(MinSeverity::Error) => Severity::Error,
            None => choice.min_severity.unwrap_or(Severity::Info),
        }
    }
}

/// The rules that a code, prefix or name stands for.
pub(super) fn rules_of(selector: &str) -> Vec<&'static Rule> {
    rules::ALL.iter().copied().filter(|rule| rule.fits(selector)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(select: &[&str], ignore: &[&str]) -> SelectionArgs {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        SelectionArgs { select: owned(select), ignore: owned(ignore), ..SelectionArgs::default() }
    }

    fn names(selection: &SelectionArgs) -> Vec<&'static str> {
        selection
            .rules(&Choice::default())
            .expect("known rules")
            .iter()
            .map(|rule| rule.name)
            .collect()
    }

    #[test]
    fn rules_are_chosen_by_code_prefix_and_name() {
        assert_eq!(names(&selection(&["TXN106"], &[])), ["trying-then-server-failure"]);
        let transfer = names(&selection(&["xfr"], &["transfer-failed"]));
        let has = |name| transfer.contains(&name);
        assert!(has("refer-accepted-no-notify"));
        assert!(!has("transfer-failed") && !has("final-response"));
        assert_eq!(names(&selection(&[], &[])).len(), rules::ALL.len());
    }

    #[test]
    fn the_command_line_goes_before_the_file() {
        let off = rules::find("transfer-failed").map(|rule| (rule.code, None));
        let choice = Choice {
            select: Some(vec!["XFR".to_owned()]),
            ignore: vec!["refer-accepted-no-notify".to_owned()],
            severities: off.into_iter().collect(),
            min_severity: Some(Severity::Warn),
            ..Choice::default()
        };
        let own = |select: &[&str]| {
            let rules = selection(select, &[]).rules(&choice).expect("known rules");
            rules.iter().map(|rule| rule.name).collect::<Vec<_>>()
        };
        assert!(own(&[]).contains(&"replaces-failed") && own(&[]).len() < 6, "{:?}", own(&[]));
        assert!(!own(&[]).contains(&"refer-accepted-no-notify"));
        assert!(!own(&["XFR"]).contains(&"transfer-failed"));
        assert_eq!(own(&["TXN106"]), ["trying-then-server-failure"]);
        assert_eq!(selection(&[], &[]).min_severity(&choice), Severity::Warn);
        let asked =
            SelectionArgs { min_severity: Some(MinSeverity::Error), ..SelectionArgs::default() };
        assert_eq!(asked.min_severity(&choice), Severity::Error);
    }

    #[test]
    fn an_unknown_rule_is_named() {
        let error = selection(&["TXX"], &[]).rules(&Choice::default()).expect_err("no such prefix");
        assert_eq!(error.to_string(), "no rule has the code, prefix or name \"TXX\"");
    }
}
