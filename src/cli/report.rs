//! `siptrace report`: the incident report, for those who were not there.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::analysis::Keep;
use crate::cli::config::Config;
use crate::cli::output::{OutputArgs, WriteError};
use crate::cli::run::{RunArgs, RunError};
use crate::report::{Outcome, page};

/// Write the incident report: one HTML page to hand over, or Markdown
#[derive(Debug, Args)]
#[command(after_help = "\
The page is one file that needs no network: summary, time line, incidents with cause, evidence and
advice, ladders with the messages of examples, charts, servers, calls, capture quality. It holds
addresses, numbers and messages of the capture: hand it on only to who may see them.

Examples:
  siptrace report outage.pcapng -o incident.html
  siptrace report outage.pcapng -o incident.md --lang fr
  siptrace report monday/ --hosts hosts.txt --title 'Calls to the trunk fail' -o incident.html
  siptrace report call.pcap --format markdown | less

Exit codes:
  0  written
  2  wrong usage, input missing or unreadable, nothing written")]
pub(super) struct ReportArgs {
    #[command(flatten)]
    pub(super) run: RunArgs,
    /// Format of the report [default: by the name of the file, .html, .htm, .md or .markdown]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    /// The title of the report
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

/// The formats of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One page, with everything in it
    Html,
    /// For a wiki or a ticket
    Markdown,
}

/// Why nothing was written; the exit code is 2.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReportError {
    /// There is no file whose name tells the format.
    #[error("could not tell the format of the report")]
    NoFormat,
    /// The name of the file tells no format.
    #[error("could not tell the format of the report from the name {path:?}")]
    UnknownName {
        /// The path as given.
        path: PathBuf,
    },
    /// The captures could not be analysed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The output could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl ReportError {
    /// What the user may do, for the line after `hint:`.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::NoFormat => {
                Some("name a file, `-o incident.html`, or say `--format html`".to_owned())
            }
            Self::UnknownName { .. } => Some(
                "end the name with .html or .md, or add `--format html` or `--format markdown`"
                    .to_owned(),
            ),
            Self::Run(error) => error.hint(),
            Self::Write(error) => error.hint(),
        }
    }
}

/// Runs the command.
///
/// # Errors
///
/// When the captures cannot be analysed, or the report could not be written.
pub(super) fn report(args: &ReportArgs, config: &Config) -> Result<(), ReportError> {
    let format = args.format()?;
    let analysis = args.run.analysis(config, Keep::for_report(), None)?;
    let outcome = Outcome::of(&analysis);
    let lang = args.output.lang(config);
    let title = args.title.as_deref();
    args.output.write(|out| match format {
        Format::Html => page::page(&outcome, lang, title, out),
        Format::Markdown => page::story(&outcome, lang, title, out),
    })?;
    Ok(())
}

impl ReportArgs {
    /// The format that is asked for, else that of the file.
    fn format(&self) -> Result<Format, ReportError> {
        if let Some(format) = self.format {
            return Ok(format);
        }
        let Some(path) = &self.output.output else { return Err(ReportError::NoFormat) };
        let end = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        match end.to_ascii_lowercase().as_str() {
            "html" | "htm" => Ok(Format::Html),
            "md" | "markdown" => Ok(Format::Markdown),
            _ => Err(ReportError::UnknownName { path: path.clone() }),
        }
    }
}
