//! `siptrace check`: a verdict on captures that a script can use.
//!
//! Each capture is judged by itself, since in a folder of recorded calls each file is a test of its
//! own; `--together` makes one of them.

use clap::{Args, ValueEnum};

use crate::analysis::{Baseline, Ignored, Keep};
use crate::capture::Source;
use crate::catalogue::Lang;
use crate::cli::baseline::BaselineArgs;
use crate::cli::config::Config;
use crate::cli::ending::Ending;
use crate::cli::output::{OutputArgs, WriteError};
use crate::cli::run::{FailOn, RunArgs, RunError, paths};
use crate::cli::toml_file::FileError;
use crate::limits::{CALLS_MAX, FINDINGS_MAX};
use crate::report;
use crate::report::check::{Checked, Verdict};
use crate::report::text::{TextOptions, Verbosity};

/// Tell for each capture whether it passes, for a script
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  siptrace check recorded/
  siptrace check recorded/*.pcap --fail-on warn --explain-exit
  siptrace check recorded/ --write-baseline known.toml
  siptrace check recorded/ --baseline known.toml

A capture passes if it has SIP, and no finding at or above --fail-on that is neither ignored nor
known.

Exit codes:
  0  every capture passes
  1  a capture does not
  2  wrong usage, input missing or unreadable, wrong configuration")]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub(super) run: RunArgs,
    /// Take all captures as one, merged by time, instead of each by itself
    #[arg(long)]
    together: bool,
    /// Format of the output
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
    /// A finding at least as bad fails a capture [default: from siptrace.toml, else error]
    #[arg(long, value_enum, value_name = "SEVERITY")]
    fail_on: Option<FailOn>,
    #[command(flatten)]
    baseline: BaselineArgs,
    /// One line a capture
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    /// All findings, and why others were ignored
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// The formats of the outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a person
    #[default]
    Text,
    /// For a machine; the names of the fields are a contract
    Json,
}

/// Why nothing was checked; the exit code is 2.
#[derive(Debug, thiserror::Error)]
pub(super) enum CheckError {
    /// The captures could not be analysed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The baseline is of no use.
    #[error(transparent)]
    Baseline(#[from] FileError),
    /// The output could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl CheckError {
    /// What the user may do, for the line after `hint:`.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Run(error) => error.hint(),
            Self::Baseline(error) => error.hint().map(str::to_owned),
            Self::Write(_) => None,
        }
    }
}

/// Runs the command, and says how it ended.
///
/// # Errors
///
/// When a capture could not be analysed, or the output could not be written.
pub(super) fn check(args: &CheckArgs, config: &Config) -> Result<Ending, CheckError> {
    let mut baseline = args.baseline.read(config)?;
    let sources = args.run.sources()?;
    let all = paths(&sources);
    let groups: Vec<Vec<Source>> = match args.together {
        true => vec![sources],
        false => sources.into_iter().map(|source| vec![source.alone()]).collect(),
    };
    let mut verdicts = Vec::new();
    for sources in groups {
        verdicts.push(verdict(args, config, sources, baseline.as_mut())?);
    }
    let all: Vec<_> = all.iter().map(std::path::PathBuf::as_path).collect();
    let vanished = baseline.as_ref().map(|own| own.vanished(&all)).unwrap_or_default();
    let checked = Checked { never: never(&verdicts), vanished, verdicts };
    write(args, args.output.lang(config), &checked)?;
    args.baseline.write(baseline.as_ref())?;
    Ok(ending(args, &checked))
}

/// Analyses captures as one.
fn verdict(
    args: &CheckArgs,
    config: &Config,
    sources: Vec<Source>,
    baseline: Option<&mut Baseline>,
) -> Result<Verdict, CheckError> {
    let own = config.for_captures(&paths(&sources));
    let fail_on = args.fail_on.or(own.choice.fail_on).unwrap_or(FailOn::Error);
    let keep = Keep { calls: CALLS_MAX, findings: FINDINGS_MAX, ..Keep::default() };
    let analysis = args.run.judged(sources, config, keep, baseline)?;
    Ok(Verdict { analysis, fail_on: fail_on.severity() })
}

/// The ignores that fitted in no capture, though they are about some of them.
fn never(verdicts: &[Verdict]) -> Vec<Ignored> {
    let mut sums: Vec<Ignored> = Vec::new();
    for own in verdicts.iter().flat_map(|verdict| &verdict.analysis.screened.ignored) {
        match sums.iter_mut().find(|sum| sum.line == own.line) {
            Some(sum) => sum.count += own.count,
            None => sums.push(own.clone()),
        }
    }
    sums.retain(|sum| sum.count == 0);
    sums.sort_by_key(|sum| sum.line);
    sums
}

fn write(args: &CheckArgs, lang: Lang, checked: &Checked) -> Result<(), WriteError> {
    args.output.write(|out| match args.format {
        Format::Json => report::check::json(checked, lang, out),
        Format::Text => report::text::check(checked, &text_options(args, lang), out),
    })
}

fn text_options(args: &CheckArgs, lang: Lang) -> TextOptions {
    let verbosity = match (args.quiet, args.verbose) {
        (true, _) => Verbosity::Quiet,
        (false, true) => Verbosity::Verbose,
        (false, false) => Verbosity::Normal,
    };
    TextOptions { lang, page: args.output.page(), verbosity }
}

fn ending(args: &CheckArgs, checked: &Checked) -> Ending {
    let captures = checked.verdicts.len();
    let failed = checked.failed();
    if args.baseline.is_written() {
        return Ending::done(format!("what was found in {captures} captures is known from now on"));
    }
    if failed == 0 {
        return Ending::done(format!("all captures pass: {captures}"));
    }
    let failing = checked.verdicts.iter().map(|verdict| {
        let findings = verdict.analysis.totals.findings;
        verdict.fail_on.map_or(0, |severity| findings.at_least(severity))
    });
    let without_sip = checked.verdicts.iter().filter(|v| !v.is_passed() && !v.has_sip()).count();
    Ending::fallen_short(format!(
        "captures that fail: {failed} of {captures}; findings that fail them: {}; without SIP: \
         {without_sip}",
        failing.sum::<u64>()
    ))
}
