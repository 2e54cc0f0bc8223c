//! `siptrace analyze`: what went wrong in a capture.

use std::io;
use std::ops::ControlFlow;

use clap::Args;

use crate::analysis::{Analysis, Baseline, Keep, Screen};
use crate::capture::Source;
use crate::catalogue::Lang;
use crate::cli::baseline::BaselineArgs;
use crate::cli::config::Config;
use crate::cli::ending::Ending;
use crate::cli::files::{Files, Plan};
use crate::cli::format::{FormatArgs, FormatError};
use crate::cli::output::{OutputArgs, WriteError};
use crate::cli::run::{FailOn, RunArgs, RunError, paths};
use crate::cli::signals;
use crate::cli::toml_file::FileError;
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
  1  a finding at or above --fail-on; with --fail-on, too, when a rule broke off or findings were
     too many to keep, so that some may be missing
  2  wrong usage, input missing or unreadable, nothing analysed")]
pub(super) struct AnalyzeArgs {
    #[command(flatten)]
    pub(super) run: RunArgs,
    #[command(flatten)]
    format: FormatArgs,
    /// Exit with code 1 when a finding is at least as bad: error, warn, info or never [default:
    /// from siptrace.toml, else never]
    ///
    /// Such findings are failures in junit, too; where nothing is set, errors are.
    #[arg(long, value_enum, value_name = "SEVERITY")]
    fail_on: Option<FailOn>,
    #[command(flatten)]
    baseline: BaselineArgs,
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
    /// The baseline is of no use.
    #[error(transparent)]
    Baseline(#[from] FileError),
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
            Self::Baseline(error) => error.hint().map(str::to_owned),
            Self::Write(error) => error.hint(),
        }
    }
}

/// Runs the command, and says how it ended.
///
/// # Errors
///
/// When nothing could be analysed, or the output could not be written.
pub(super) fn analyze(args: &AnalyzeArgs, config: &Config) -> Result<Ending, AnalyzeError> {
    let outputs = args.format.outputs(&args.output)?;
    let lang = args.output.lang(config);
    let mut baseline = args.baseline.read(config)?;
    let mut files = Files::default();
    let ending = if let Some(output) = outputs.lines() {
        let ending =
            follow(args, output, lang, config, outputs.keep(), baseline.as_mut(), &mut files)?;
        args.baseline.write(baseline.as_ref(), args.output.force, &mut files)?;
        files.put_in_place()?;
        ending
    } else {
        let analysis = args.run.analysis(config, outputs.keep(), baseline.as_mut())?;
        let paths: Vec<_> = analysis.captures.iter().map(|own| own.path.clone()).collect();
        let config = config.for_captures(&paths);
        let ending = ending(args, &config, &analysis);
        let fail_on = args.fail_on.or(config.choice.fail_on);
        let outcome = Outcome {
            fails_from: fail_on.map_or(Some(Severity::Error), FailOn::severity),
            exit_code: ending.code,
            ..Outcome::of(&analysis)
        };
        args.baseline.write(baseline.as_ref(), args.output.force, &mut files)?;
        outputs.write(lang, args.verbosity(), files, &|format, text, out| {
            outputs.render(format, &outcome, text, out)
        })?;
        // The program ends here, and the system takes back all memory at once: sooner than every
        // list of a large result is given back by itself.
        std::mem::forget(analysis);
        ending
    };
    Ok(ending)
}

/// How it ends with what was found.
fn ending(args: &AnalyzeArgs, config: &Config, analysis: &Analysis) -> Ending {
    match args.baseline.is_written() {
        true => Ending::done("what was found is known from now on"),
        false => {
            Ending::of(analysis, args.fail_on.or(config.choice.fail_on).unwrap_or(FailOn::Never))
        }
    }
}

/// Writes line by line what is found, as long as the reader of the lines wants more.
fn follow(
    args: &AnalyzeArgs,
    output: &OutputArgs,
    lang: Lang,
    config: &Config,
    keep: Keep,
    baseline: Option<&mut Baseline>,
    files: &mut Files,
) -> Result<Ending, AnalyzeError> {
    let sources = args.run.sources()?;
    if sources.iter().any(Source::is_live) {
        signals::let_input_end();
    }
    let paths = paths(&sources);
    let config = config.for_captures(&paths);
    let options = args.run.options(&config, keep)?;
    let policy = args.run.policy(&config);
    let hosts = args.run.hosts(&config).map_err(RunError::from)?;
    let progress = args.run.progress();
    let mut out = output.stream()?;
    let captures: Vec<_> = sources.iter().map(Source::describe).collect();
    let mut screen = Screen::new(&policy, paths, baseline);
    let mut lines = report::jsonl::Lines::new(lang, captures.len());
    let mut written = lines.captures(&captures, &mut out);
    let mut analysis = None;
    if written.is_ok() {
        let mut tell = |mut batch| {
            screen.batch(&mut batch);
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
    let mut own = Ending::done("the reader of the output has enough");
    if let Some(mut analysis) = analysis {
        screen.finish(&mut analysis);
        analysis.hosts = hosts;
        own = ending(args, &config, &analysis);
        written = lines.finish(&mut analysis, &mut out).and_then(|()| out.close(files));
    }
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(output.error(error).into()),
        _ => Ok(own),
    }
}

impl AnalyzeArgs {
    /// What is written.
    pub(super) fn plan(&self, plan: Plan, config: &Config) -> Plan {
        let baseline = self.baseline.wanted(self.output.force);
        let plan = plan.inputs(self.baseline.input(config));
        plan.files(self.format.wanted(&self.output)).files(baseline)
    }

    fn verbosity(&self) -> Verbosity {
        Verbosity::of(self.quiet, self.verbose)
    }
}
