//! `siptrace analyze`: what went wrong in a capture.

use std::io;
use std::ops::ControlFlow;

use clap::Args;

use crate::analysis::{Analysis, Keep};
use crate::capture::Source;
use crate::catalogue::Lang;
use crate::cli::config::Config;
use crate::cli::format::{FormatArgs, FormatError};
use crate::cli::output::{OutputArgs, WriteError};
use crate::cli::run::{FailOn, RunArgs, RunError};
use crate::finding::Severity;
use crate::pipeline;
use crate::report::text::Verbosity;
use crate::report::{self, Outcome};

/// Tell what went wrong in a capture, why, how it is known, and what to do about it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  siptrace analyze call.pcap
  siptrace analyze ring-*.pcapng.gz --min-severity warn
  siptrace analyze call.pcap --format json -o call.json
  siptrace analyze call.pcap --format text --format junit=results.xml
  tcpdump -w - port 5060 | siptrace analyze -

Exit codes:
  0  done, and no finding at or above --fail-on
  1  a finding at or above --fail-on
  2  wrong usage, input missing or unreadable, nothing analysed")]
pub(super) struct AnalyzeArgs {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    format: FormatArgs,
    /// Exit with code 1 when a finding is at least as bad: error, warn, info or never [default:
    /// never]
    ///
    /// Such findings are failures in junit, too; without the option, errors are.
    #[arg(long, value_enum, value_name = "SEVERITY")]
    fail_on: Option<FailOn>,
    /// One line a finding
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    /// Everything, notes in full
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// Why nothing was analysed; the exit code is 2.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnalyzeError {
    /// The formats get into each other's way.
    #[error(transparent)]
    Format(#[from] FormatError),
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
            Self::Format(error) => Some(error.hint()),
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
    let outputs = args.format.outputs(&args.output)?;
    let lang = args.output.lang(config);
    let fail_on = args.fail_on.unwrap_or(FailOn::Never);
    if let Some(output) = outputs.lines() {
        let analysis = follow(args, output, lang, config, outputs.keep())?;
        return Ok(analysis.is_some_and(|analysis| fail_on.is_reached(&analysis)));
    }
    let analysis = args.run.analysis(config, outputs.keep())?;
    let is_failure = fail_on.is_reached(&analysis);
    let outcome = Outcome {
        fails_from: args.fail_on.map_or(Some(Severity::Error), FailOn::severity),
        exit_code: u8::from(is_failure),
        ..Outcome::of(&analysis)
    };
    outputs.write(&outcome, lang, args.verbosity())?;
    Ok(is_failure)
}

/// Writes line by line what is found; gives nothing where the reader of the lines has enough.
fn follow(
    args: &AnalyzeArgs,
    output: &OutputArgs,
    lang: Lang,
    config: &Config,
    keep: Keep,
) -> Result<Option<Analysis>, AnalyzeError> {
    let options = args.run.options(config, keep)?;
    let sources = args.run.sources()?;
    let progress = args.run.progress();
    let mut out = output.stream()?;
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
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(output.error(error).into()),
        _ => Ok(analysis),
    }
}

impl AnalyzeArgs {
    fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, true) => Verbosity::Verbose,
            (false, false) => Verbosity::Normal,
        }
    }
}
