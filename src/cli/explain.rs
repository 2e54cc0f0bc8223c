//! `siptrace explain`, `siptrace compare` and `siptrace rules`: the catalogue, offline.
//!
//! Arguments, where the output goes, and what to say when that fails; the rest is done by
//! `catalogue` and `report`.

use std::io::{self, Write};

use clap::{Args, ValueEnum};

use super::config::Config;
use super::files::Wanted;
use super::output::{OutputArgs, WriteError};
use crate::catalogue::{self, Topic};
use crate::report::{self, Page};
use crate::rules;

/// Explain a status code, a rule, a Q.850 cause, a warning code or a method
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  siptrace explain 502
  siptrace explain trying-then-server-failure
  siptrace explain TXN            a family of rules
  siptrace explain 5xx            a class of status codes
  siptrace explain q850:27        a cause of the telephone network; q850 alone lists them
  siptrace explain warning:305    a code of the Warning header
  siptrace explain reason:STIR    a protocol of the Reason header
  siptrace explain REFER --lang fr

Exit codes:
  0  done
  2  wrong usage, no such entry")]
pub(super) struct ExplainArgs {
    /// Code, rule, family, class, cause or method
    #[arg(value_name = "TOPIC")]
    topic: String,
    #[command(flatten)]
    pub(super) output: CatalogueOutput,
}

/// Compare two status codes
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  siptrace compare 100 502
  siptrace compare 486 603 --lang pt

Exit codes:
  0  done
  2  wrong usage, no such entry")]
pub(super) struct CompareArgs {
    /// The one status code
    #[arg(value_name = "A", value_parser = clap::value_parser!(u16).range(100..=699))]
    left: u16,
    /// The other status code
    #[arg(value_name = "B", value_parser = clap::value_parser!(u16).range(100..=699))]
    right: u16,
    #[command(flatten)]
    pub(super) output: CatalogueOutput,
}

/// List the rules
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes:
  0  done
  2  wrong usage, no such entry")]
pub(super) struct RulesArgs {
    #[command(flatten)]
    pub(super) output: CatalogueOutput,
}

/// Write the whole catalogue as one page
#[derive(Debug, Args)]
#[command(hide = true)]
pub(super) struct CatalogueArgs {
    /// Format of the output
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: PageFormat,
    #[command(flatten)]
    pub(super) to: OutputArgs,
}

/// The formats of the whole catalogue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum PageFormat {
    /// For a document
    #[default]
    Markdown,
    /// For a browser, in one file
    Html,
}

/// Format, language and destination, the same for all three.
#[derive(Clone, Debug, Args)]
pub(super) struct CatalogueOutput {
    /// Format of the output
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: CatalogueFormat,
    #[command(flatten)]
    to: OutputArgs,
}

/// The formats of the catalogue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum CatalogueFormat {
    /// For a person at a terminal
    #[default]
    Text,
    /// For a machine
    Json,
    /// For a document
    Markdown,
    /// For a browser, in one file
    Html,
}

/// Why a command of the catalogue gave nothing; the exit code is 2.
#[derive(Debug, thiserror::Error)]
pub(super) enum CatalogueError {
    /// There is no such entry.
    #[error("{problem}")]
    NoEntry {
        /// `no entry named "x"`.
        problem: String,
        /// What may have been meant, or where to look.
        advice: String,
    },
    /// The output could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl CatalogueError {
    /// What the user may do, for the line after `hint:`.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::NoEntry { advice, .. } => Some(advice.clone()),
            Self::Write(error) => error.hint(),
        }
    }
}

/// Runs `siptrace explain`.
pub(super) fn explain(args: &ExplainArgs, config: &Config) -> Result<(), CatalogueError> {
    let lang = args.output.to.lang(config);
    let topic: Topic = catalogue::find(&args.topic).map_err(|suggestion| {
        let hint = || catalogue::labels(lang).get("no-entry-hint").to_owned();
        let advice = suggestion.advice(lang).unwrap_or_else(hint);
        CatalogueError::NoEntry { problem: suggestion.problem(lang), advice }
    })?;
    args.output.write(|format, page, out| match format {
        CatalogueFormat::Text => report::explain::text(&topic, lang, page, out),
        CatalogueFormat::Json => report::explain::json(&topic, lang, out),
        CatalogueFormat::Markdown => report::explain::markdown(&topic, lang, out),
        CatalogueFormat::Html => report::explain::html(&topic, lang, out),
    })
}

/// Runs `siptrace compare`.
pub(super) fn compare(args: &CompareArgs, config: &Config) -> Result<(), CatalogueError> {
    let comparison = catalogue::compare(args.left, args.right, args.output.to.lang(config));
    args.output.write(|format, page, out| match format {
        CatalogueFormat::Text => report::compare::text(&comparison, page, out),
        CatalogueFormat::Json => report::compare::json(&comparison, out),
        CatalogueFormat::Markdown => report::compare::markdown(&comparison, out),
        CatalogueFormat::Html => report::compare::html(&comparison, out),
    })
}

/// Runs `siptrace rules`.
pub(super) fn rules(args: &RulesArgs, config: &Config) -> Result<(), CatalogueError> {
    let lang = args.output.to.lang(config);
    let rules: Vec<_> = rules::ALL.iter().map(|rule| catalogue::rule(rule, lang)).collect();
    args.output.write(|format, page, out| match format {
        CatalogueFormat::Text => report::rules::text(&rules, lang, page, out),
        CatalogueFormat::Json => report::rules::json(&rules, out),
        CatalogueFormat::Markdown => report::rules::markdown(&rules, lang, out),
        CatalogueFormat::Html => report::rules::html(&rules, lang, out),
    })
}

/// Runs `siptrace catalogue`, which writes the page of the documentation.
pub(super) fn catalogue(args: &CatalogueArgs, config: &Config) -> Result<(), CatalogueError> {
    let lang = args.to.lang(config);
    Ok(args.to.write(|out| match args.format {
        PageFormat::Markdown => report::catalogue::markdown(lang, out),
        PageFormat::Html => report::catalogue::html(lang, out),
    })?)
}

impl CatalogueOutput {
    /// The file that is asked for; none for standard output.
    pub(super) fn wanted(&self) -> Option<Wanted> {
        self.to.wanted()
    }

    fn write(
        &self,
        render: impl FnOnce(CatalogueFormat, Page, &mut dyn Write) -> io::Result<()>,
    ) -> Result<(), CatalogueError> {
        Ok(self.to.write(|out| render(self.format, self.to.page(), out))?)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    enum Command {
        Explain(ExplainArgs),
        Compare(CompareArgs),
        Rules(RulesArgs),
    }

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("siptrace-{}-{name}", std::process::id()))
    }

    fn run(arguments: &[&str]) -> Result<(), CatalogueError> {
        let config = Config::default();
        let program = std::iter::once(&"siptrace");
        match Command::try_parse_from(program.chain(arguments)).expect("valid arguments") {
            Command::Explain(args) => explain(&args, &config),
            Command::Compare(args) => compare(&args, &config),
            Command::Rules(args) => rules(&args, &config),
        }
    }

    #[test]
    fn a_file_gets_the_whole_output() {
        let path = scratch("explain.json");
        let file = path.to_string_lossy();
        for arguments in [
            &["explain", "502", "--format", "json", "-o", &file][..],
            &["compare", "100", "502", "--lang", "ja", "--format", "json", "-o", &file],
            &["rules", "--format", "json", "-o", &file],
        ] {
            run(&[arguments, &["--force"]].concat()).expect("written");
            let written = fs::read_to_string(&path).expect("there");
            assert!(serde_json::from_str::<serde_json::Value>(&written).is_ok(), "{arguments:?}");
        }
        fs::remove_file(&path).expect("removed");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let path = scratch("no-such-folder").join("out.md");
        let error = run(&["rules", "-o", &path.to_string_lossy()]).expect_err("no folder");
        let path = path.display();
        let expected = format!("could not write \"{path}\": there is no such directory");
        assert_eq!(error.to_string(), expected);
        assert!(error.hint().is_some());
    }

    #[test]
    fn an_unknown_topic_gets_a_hint() {
        let arguments = ["explain", "refer-accepted-no-notfy", "--lang", "en"];
        let error = run(&arguments).expect_err("no such rule");
        assert_eq!(error.to_string(), "no entry named \"refer-accepted-no-notfy\"");
        assert_eq!(error.hint().as_deref(), Some("did you mean refer-accepted-no-notify?"));
        let error = run(&["explain", "quite-another-thing"]).expect_err("no such entry");
        assert!(error.hint().is_some_and(|hint| hint.contains("siptrace rules")));
    }
}
