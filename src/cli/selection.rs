//! Which rules run and which findings are shown.

use clap::{Args, ValueEnum};

use crate::catalogue;
use crate::finding::{Rule, Severity};
use crate::rules;

/// Rules by code, prefix of a code, or name.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct SelectionArgs {
    /// Run only these rules: code, prefix or name; may be repeated or separated by commas
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    select: Vec<String>,
    /// Leave these rules out: code, prefix or name; may be repeated or separated by commas
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    ignore: Vec<String>,
    /// Leave out findings below it
    #[arg(long, value_enum, value_name = "SEVERITY", default_value_t)]
    min_severity: MinSeverity,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum MinSeverity {
    #[default]
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
    /// The rules that are left.
    ///
    /// # Errors
    ///
    /// When a selector fits no rule.
    pub(super) fn rules(&self) -> Result<Vec<&'static Rule>, SelectionError> {
        for given in self.select.iter().chain(&self.ignore) {
            if !rules::ALL.iter().any(|rule| fits(rule, given)) {
                return Err(SelectionError { given: given.clone() });
            }
        }
        let is_in = |rule: &Rule, selectors: &[String]| selectors.iter().any(|s| fits(rule, s));
        Ok(rules::ALL
            .iter()
            .copied()
            .filter(|rule| self.select.is_empty() || is_in(rule, &self.select))
            .filter(|rule| !is_in(rule, &self.ignore))
            .collect())
    }

    /// Findings below it are left out.
    pub(super) fn min_severity(&self) -> Severity {
        match self.min_severity {
            MinSeverity::Info => Severity::Info,
            MinSeverity::Warn => Severity::Warn,
            MinSeverity::Error => Severity::Error,
        }
    }
}

fn fits(rule: &Rule, selector: &str) -> bool {
    let selector = selector.trim();
    let is_prefix =
        rule.code.get(..selector.len()).is_some_and(|start| start.eq_ignore_ascii_case(selector));
    !selector.is_empty() && (is_prefix || rule.name == selector)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(select: &[&str], ignore: &[&str]) -> SelectionArgs {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        SelectionArgs { select: owned(select), ignore: owned(ignore), ..SelectionArgs::default() }
    }

    fn names(selection: &SelectionArgs) -> Vec<&'static str> {
        selection.rules().expect("known rules").iter().map(|rule| rule.name).collect()
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
    fn an_unknown_rule_is_named() {
        let error = selection(&["TXX"], &[]).rules().expect_err("no such prefix");
        assert_eq!(error.to_string(), "no rule has the code, prefix or name \"TXX\"");
    }
}
