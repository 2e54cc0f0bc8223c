//! `siptrace diff`: how the calls of two captures differ.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::analysis::diff::{DiffOptions, diff};
use crate::analysis::{Analysis, Keep};
use crate::capture::{self, Source};
use crate::cli::config::{Config, span};
use crate::cli::footing;
use crate::cli::output::{OutputArgs, WriteError};
use crate::cli::run::{RunArgs, RunError};
use crate::limits::{CALLS_MAX, FINDINGS_MAX, TRANSCRIPT_BYTES_PER_SHARD_MAX};
use crate::report;
use crate::time::Span;

/// Show how the calls of two captures differ: calls, messages, headers, SDP, waits and findings
#[derive(Debug, Args)]
#[command(
    override_usage = "siptrace diff [OPTIONS] <A> <B>",
    mut_arg("captures", |captures| captures.value_names(["A", "B"]).num_args(2).help(
        "The two captures: a file, a directory, a pattern, or for one of them - for standard input"
    )),
    after_help = "\
What is made anew for each run does not count: addresses and ports of the parties, tags, branches,
Call-IDs, dates, nonces, lengths, sequence numbers. What a person waits for does not count either.

Examples:
  siptrace diff before.pcap after.pcap
  siptrace diff before.pcap after.pcap --timing 200ms --ignore-header User-Agent
  siptrace diff monday/ tuesday/ --format json -o diff.json

Exit codes:
  0  no difference
  1  a difference
  2  the captures cannot be compared"
)]
pub(super) struct DiffArgs {
    #[command(flatten)]
    pub(super) run: RunArgs,
    /// Format of the output
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
    /// Compare headers as they were sent, those that are made anew for each call included
    #[arg(long)]
    all_headers: bool,
    /// A header that is not compared; may be repeated or separated by commas
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    ignore_header: Vec<String>,
    /// Count how often messages were sent again
    #[arg(long)]
    retransmissions: bool,
    /// How much longer or shorter a machine may take, such as 200ms; off compares no times
    #[arg(long, value_name = "SPAN", default_value = "500ms", value_parser = timing)]
    timing: Timing,
    /// Calls that are shown in full; more are counted
    #[arg(long, value_name = "N", default_value_t = 20)]
    calls: u32,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

/// The formats of the comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a person
    #[default]
    Text,
    /// For a machine; the names of the fields are a contract
    Json,
}

/// From which shift on waits differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Timing(Option<Span>);

fn timing(text: &str) -> Result<Timing, String> {
    match text {
        "off" => Ok(Timing(None)),
        text => match span(text) {
            Some(span) => Ok(Timing(Some(span))),
            None => Err("a span such as 200ms or 1.5s, or off".to_owned()),
        },
    }
}

/// Why nothing was compared; the exit code is 2.
#[derive(Debug, thiserror::Error)]
pub(super) enum DiffError {
    /// The captures could not be analysed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// There is nothing to compare with.
    #[error("could not compare: there is no SIP message in \"{}\"", path.display())]
    NoSip {
        /// The capture as given.
        path: PathBuf,
    },
    /// Standard input was named twice.
    #[error("could not compare: standard input can be only one of the captures")]
    OneInput,
    /// The output could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl DiffError {
    /// What the user may do, for the line after `hint:`.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Run(error) => error.hint(),
            Self::NoSip { path } => {
                Some(format!("`siptrace analyze {}` tells what is in it", path.display()))
            }
            Self::OneInput => Some("write one of them to a file first".to_owned()),
            Self::Write(error) => error.hint(),
        }
    }
}

/// Runs the command; true when the captures differ.
///
/// # Errors
///
/// When the captures cannot be compared, or the output could not be written.
pub(super) fn run(args: &DiffArgs, config: &Config) -> Result<bool, DiffError> {
    if args.run.captures.iter().all(|path| path.as_os_str() == "-") {
        return Err(DiffError::OneInput);
    }
    let mut opened = Vec::with_capacity(2);
    for path in &args.run.captures {
        opened.push(capture::open(std::slice::from_ref(path)).map_err(RunError::from)?);
    }
    footing::expect_only(opened.iter().flatten(), args.run.threads);
    let mut analyses = Vec::with_capacity(2);
    for (path, sources) in args.run.captures.iter().zip(opened) {
        analyses.push(analysis(args, config, path, sources)?);
    }
    let [left, right] = analyses.as_slice() else { return Ok(false) };
    let options = DiffOptions {
        all_headers: args.all_headers,
        ignored_headers: args.ignore_header.clone(),
        retransmissions: args.retransmissions,
        timing: args.timing.0,
        calls: args.calls as usize,
    };
    let found = diff(left, right, &options);
    let lang = args.output.lang(config);
    args.output.write(|out| match args.format {
        Format::Text => {
            let page = (lang, args.output.page());
            report::diff::text(&found, (left, right), &options, page, out)
        }
        Format::Json => report::diff::json(&found, (left, right), &options, lang, out),
    })?;
    Ok(!found.is_same())
}

fn analysis(
    args: &DiffArgs,
    config: &Config,
    path: &Path,
    sources: Vec<Source>,
) -> Result<Analysis, DiffError> {
    let keep = Keep {
        calls: CALLS_MAX,
        transcripts: TRANSCRIPT_BYTES_PER_SHARD_MAX,
        findings: FINDINGS_MAX,
        ..Keep::default()
    };
    let analysis = args.run.judged(sources, config, keep, None)?;
    match analysis.totals.sip_messages {
        0 => Err(DiffError::NoSip { path: path.to_owned() }),
        _ => Ok(analysis),
    }
}
