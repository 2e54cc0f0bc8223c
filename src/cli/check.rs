//! `siptrace check`: a verdict on captures that a script can use.
//!
//! Each capture is judged by itself, since in a folder of recorded calls each file is a test of its
//! own; `--together` makes one of them.

use std::path::Path;

use clap::Args;

use crate::analysis::{Analysis, Baseline, Ignored, Keep, TranscriptsOf, expect, gather};
use crate::capture::Source;
use crate::catalogue::{Lang, labels};
use crate::cli::baseline::BaselineArgs;
use crate::cli::config::Config;
use crate::cli::ending::{self, Ending};
use crate::cli::expect::{ExpectArgs, ExpectError, verdicts};
use crate::cli::files::{Files, Plan};
use crate::cli::format::{Format, FormatArgs, FormatError, Outputs};
use crate::cli::output::{OutputArgs, WriteError};
use crate::cli::run::{FailOn, RunArgs, RunError, paths};
use crate::cli::toml_file::FileError;
use crate::limits::{CALLS_MAX, FINDINGS_MAX, TRANSCRIPT_BYTES_PER_SHARD_MAX};
use crate::report::check::{Checked, Verdict};
use crate::report::expect::missed;
use crate::report::text::Verbosity;
use crate::report::{self, Missed, Outcome};

/// Tell for each capture whether it passes, for a script
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  siptrace check recorded/
  siptrace check recorded/*.pcap --fail-on warn --explain-exit
  siptrace check recorded/ --write-baseline known.toml
  siptrace check recorded/ --baseline known.toml
  siptrace check call.pcap --expect call.expect.toml
  siptrace check --record good.pcap -o good.expect.toml
  siptrace check recorded/ --format text --format junit=results.xml

A capture passes if it has SIP, meets every expectation, and has no finding at or above --fail-on
that is neither expected nor ignored nor known. Where a rule broke off, or findings were too many to
keep, a capture does not pass, for some may be missing.

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
    #[command(flatten)]
    expect: ExpectArgs,
    #[command(flatten)]
    format: FormatArgs,
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

/// Why nothing was checked; the exit code is 2.
#[derive(Debug, thiserror::Error)]
pub(super) enum CheckError {
    /// The captures could not be analysed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The baseline is of no use.
    #[error(transparent)]
    Baseline(#[from] FileError),
    /// A file of expectations is of no use.
    #[error(transparent)]
    Expect(#[from] ExpectError),
    /// The formats do not go together.
    #[error(transparent)]
    Format(#[from] FormatError),
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
            Self::Expect(error) => Some(error.hint()),
            Self::Format(error) => Some(error.hint()),
            Self::Write(error) => error.hint(),
        }
    }
}

impl CheckArgs {
    /// What is written.
    pub(super) fn plan(&self, plan: Plan, config: &Config) -> Plan {
        let baseline = self.baseline.wanted(self.output.force);
        let expected = config.expectations().filter(|_| !self.expect.is_recorded());
        let plan = plan.inputs(self.baseline.input(config)).inputs(expected);
        let plan = plan.inputs(self.expect.inputs());
        plan.files(self.format.wanted(&self.output)).files(baseline)
    }
}

/// Runs the command, and says how it ended.
///
/// # Errors
///
/// When a capture could not be analysed, or the output could not be written.
pub(super) fn check(args: &CheckArgs, config: &Config) -> Result<Ending, CheckError> {
    if args.expect.is_recorded() {
        return record(args, config);
    }
    let outputs = args.format.outputs(&args.output)?;
    let mut baseline = args.baseline.read(config)?;
    let sources = args.run.sources()?;
    let all = paths(&sources);
    let groups: Vec<Vec<Source>> = match args.together {
        true => vec![sources],
        false => sources.into_iter().map(|source| vec![source.alone()]).collect(),
    };
    let mut verdicts = Vec::new();
    for sources in groups {
        verdicts.push(verdict(args, config, sources, outputs.keep(), baseline.as_mut())?);
    }
    let all: Vec<_> = all.iter().map(std::path::PathBuf::as_path).collect();
    let vanished = baseline.as_ref().map(|own| own.vanished(&all)).unwrap_or_default();
    let checked = Checked { never: never(&verdicts), vanished, verdicts };
    let ending = ending(args, &checked);
    let mut files = Files::default();
    args.baseline.write(baseline.as_ref(), args.output.force, &mut files)?;
    write(args, (&outputs, files), args.output.lang(config), &checked, &ending)?;
    Ok(ending)
}

/// Writes the expectations that a good run meets.
fn record(args: &CheckArgs, config: &Config) -> Result<Ending, CheckError> {
    let keep = Keep {
        calls: CALLS_MAX,
        transcripts: TRANSCRIPT_BYTES_PER_SHARD_MAX,
        findings: FINDINGS_MAX,
        ..Keep::default()
    };
    let analysis = args.run.analysis(config, keep, None)?;
    let recorded = expect::record(&analysis);
    args.output.write(|out| out.write_all(recorded.as_bytes()))?;
    Ok(Ending::done("the expectations are written"))
}

/// Analyses captures as one.
fn verdict(
    args: &CheckArgs,
    config: &Config,
    sources: Vec<Source>,
    keep: Keep,
    baseline: Option<&mut Baseline>,
) -> Result<Verdict, CheckError> {
    let paths = paths(&sources);
    let own = config.for_captures(&paths);
    let fail_on = args.fail_on.or(own.choice.fail_on).unwrap_or(FailOn::Error);
    let paths: Vec<&Path> = paths.iter().map(std::path::PathBuf::as_path).collect();
    let expectations = args.expect.read(&paths, &own.choice.expect)?;
    let keep = match expectations.is_empty() {
        true => keep,
        false => Keep {
            transcripts: TRANSCRIPT_BYTES_PER_SHARD_MAX,
            transcripts_of: TranscriptsOf::All,
            ..keep
        },
    };
    let keep = Keep { calls: CALLS_MAX, ..keep };
    let mut analysis = args.run.judged(sources, config, keep, baseline)?;
    let expectations = verdicts(&expectations, &mut analysis);
    Ok(Verdict { analysis, fail_on: fail_on.severity(), expectations })
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

/// Writes every format. Text and JSON tell of capture after capture, the others know one analysis.
fn write(
    args: &CheckArgs,
    (outputs, files): (&Outputs, Files),
    lang: Lang,
    checked: &Checked,
    ending: &Ending,
) -> Result<(), WriteError> {
    let verbosity = Verbosity::of(args.quiet, args.verbose);
    let (analysis, cases) = match outputs.are_only(&[Format::Text, Format::Json]) {
        true => (Analysis::default(), Vec::new()),
        false => side_by_side(checked, lang),
    };
    let outcome = Outcome {
        analysis: &analysis,
        missed: &cases,
        fails_from: checked.verdicts.iter().filter_map(|verdict| verdict.fail_on).min(),
        exit_code: ending.code,
    };
    outputs.write(lang, verbosity, files, &|format, text, out| match format {
        Format::Text => report::text::check(checked, text, out),
        Format::Json => report::check::json(checked, lang, out),
        other => outputs.render(other, &outcome, text, out),
    })
}

/// One analysis of all, and every expectation.
fn side_by_side(checked: &Checked, lang: Lang) -> (Analysis, Vec<Missed>) {
    let mut cases = Vec::new();
    let mut captures = 0;
    let is_several = checked.verdicts.len() > 1;
    for verdict in &checked.verdicts {
        if !verdict.is_passed() && verdict.is_void() {
            cases.push(without_sip(verdict, lang));
        }
        if verdict.is_unjudged() {
            cases.push(unjudged(verdict, lang));
        }
        for mut case in missed(&verdict.expectations, &verdict.analysis, lang) {
            if is_several {
                case.case = format!("{} ({})", case.case, case.capture);
            }
            case.frames.iter_mut().for_each(|frame| {
                frame.capture = frame.capture.saturating_add(captures);
            });
            cases.push(case);
        }
        captures += u16::try_from(verdict.analysis.captures.len()).unwrap_or_default();
    }
    let parts = checked.verdicts.iter().map(|verdict| {
        let mut analysis = verdict.analysis.clone();
        // Captures may differ in what fails them.
        for finding in &mut analysis.findings {
            finding.is_excused = !verdict.is_failed_by(finding);
        }
        analysis
    });
    (gather(parts), cases)
}

/// A capture fails because there is nothing in it to check.
fn without_sip(verdict: &Verdict, lang: Lang) -> Missed {
    failed(verdict, labels(lang).get("verdict-no-sip").to_owned())
}

/// A capture fails because findings may be missing.
fn unjudged(verdict: &Verdict, lang: Lang) -> Missed {
    failed(verdict, labels(lang).get("verdict-unjudged").to_owned())
}

fn failed(verdict: &Verdict, message: String) -> Missed {
    let capture = verdict.paths().into_iter().next().unwrap_or_default();
    let case = format!("{message} ({capture})");
    Missed { suite: "siptrace check".to_owned(), case, capture, message, ..Missed::default() }
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
    let failing = checked.verdicts.iter().map(Verdict::failing);
    let missed: usize = checked.verdicts.iter().map(Verdict::missed).sum();
    let without_sip = checked.verdicts.iter().filter(|v| !v.is_passed() && v.is_void()).count();
    let mut why = format!(
        "captures that fail: {failed} of {captures}; findings that fail them: {}; expectations \
         missed: {missed}; without SIP: {without_sip}",
        failing.sum::<u64>()
    );
    for verdict in checked.verdicts.iter().filter(|verdict| verdict.is_unjudged()) {
        why.push_str("; ");
        why.push_str(&ending::unjudged(&verdict.analysis));
    }
    Ending::fallen_short(why)
}
