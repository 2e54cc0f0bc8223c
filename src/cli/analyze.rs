//! `siptrace analyze`: what went wrong in a capture.

use std::io;
use std::ops::ControlFlow;

use clap::{Args, ValueEnum};

use crate::analysis::{Analysis, Keep};
use crate::capture::Source;
use crate::catalogue::Lang;
use crate::cli::config::Config;
use crate::cli::output::{OutputArgs, WriteError};
use crate::cli::run::{FailOn, RunArgs, RunError};
use crate::limits::{CALLS_MAX, FINDINGS_MAX};
use crate::pipeline;
use crate::report;
use crate::report::text::{TextOptions, Verbosity};

/// Calls that the text report may list.
const LISTED_CALLS: usize = 64;

/// Findings of one rule, in one shard of the calls, that keep their ladder.
const LADDERS: usize = 32;

/// Tell what went wrong in a capture, why, how it is known, and what to do about it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  siptrace analyze call.pcap
  siptrace analyze ring-*.pcapng.gz --min-severity warn
  siptrace analyze call.pcap --format json -o call.json
  tcpdump -w - port 5060 | siptrace analyze -

Exit codes:
  0  done, and no finding at or above --fail-on
  1  a finding at or above --fail-on
  2  wrong usage, input missing or unreadable, nothing analysed")]
pub(super) struct AnalyzeArgs {
    #[command(flatten)]
    run: RunArgs,
    /// Format of the output
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
    /// Exit with code 1 when a finding is at least as bad: error, warn, info or never
    #[arg(long, value_enum, value_name = "SEVERITY", default_value_t = FailOn::Never)]
    fail_on: FailOn,
    /// One line a finding
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    /// Everything, notes in full
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// The formats of the analysis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a person
    #[default]
    Text,
    /// For a machine; the names of the fields are a contract
    Json,
    /// The same line by line, while the capture is still being read
    Jsonl,
}

/// Why nothing was analysed; the exit code is 2.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnalyzeError {
    /// The captures could not be analysed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The output could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl AnalyzeError {
    /// What the user may do, for the line after `hint:`.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Run(error) => error.hint(),
            Self::Write(_) => None,
        }
    }
}

/// Runs the command; true when the findings are bad enough to fail.
///
/// # Errors
///
/// When nothing could be analysed, or the output could not be written.
pub(super) fn analyze(args: &AnalyzeArgs, config: &Config) -> Result<bool, AnalyzeError> {
    let is_text = args.format == Format::Text;
    let keep = Keep {
        calls: if is_text { LISTED_CALLS } else { CALLS_MAX },
        findings: FINDINGS_MAX,
        ladders: if is_text { LADDERS } else { 0 },
        ..Keep::default()
    };
    let lang = args.output.lang(config);
    if args.format == Format::Jsonl {
        let analysis = follow(args, lang, config, keep)?;
        return Ok(analysis.is_some_and(|analysis| args.fail_on.is_reached(&analysis)));
    }
    let analysis = args.run.analysis(config, keep)?;
    write(args, lang, &analysis)?;
    Ok(args.fail_on.is_reached(&analysis))
}

/// Writes line by line what is found; gives nothing where the reader of the lines has enough.
fn follow(
    args: &AnalyzeArgs,
    lang: Lang,
    config: &Config,
    keep: Keep,
) -> Result<Option<Analysis>, AnalyzeError> {
    let options = args.run.options(config, keep)?;
    let sources = args.run.sources()?;
    let progress = args.run.progress();
    let mut out = args.output.stream()?;
    let captures: Vec<_> = sources.iter().map(Source::describe).collect();
    let mut lines = report::jsonl::Lines::new(lang, captures.len());
    let mut written = lines.captures(&captures, &mut out);
    let mut analysis = None;
    if written.is_ok() {
        let mut tell = |batch| {
            written = lines.batch(&batch, &mut out);
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let reached = |bytes| progress.reached(bytes);
        match pipeline::follow(sources, &options, &reached, &mut tell) {
            Ok(done) => analysis = Some(done),
            Err(pipeline::Error::Stopped) => {}
            Err(error) => return Err(RunError::from(error).into()),
        }
    }
    progress.finish();
    if let Some(analysis) = &mut analysis {
        written = lines.finish(analysis, &mut out).and_then(|()| out.close());
    }
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(args.output.error(error).into())
        }
        _ => Ok(analysis),
    }
}

fn write(args: &AnalyzeArgs, lang: Lang, analysis: &Analysis) -> Result<(), WriteError> {
    args.output.write(|out| match args.format {
        Format::Json | Format::Jsonl => report::json::json(analysis, lang, out),
        Format::Text => report::text::text(analysis, &text_options(args, lang), out),
    })
}

fn text_options(args: &AnalyzeArgs, lang: Lang) -> TextOptions {
    let verbosity = match (args.quiet, args.verbose) {
        (true, _) => Verbosity::Quiet,
        (false, true) => Verbosity::Verbose,
        (false, false) => Verbosity::Normal,
    };
    TextOptions { lang, page: args.output.page(), verbosity }
}
