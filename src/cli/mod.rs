//! Arguments, configuration, progress, exit codes.

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::bytes::{printable, printable_str};

mod analyze;
mod baseline;
mod calls;
mod check;
mod chosen;
mod config;
mod diff;
mod ending;
mod expect;
mod explain;
mod extract;
mod fault;
mod files;
mod footing;
mod format;
mod help;
mod hosts;
mod lake;
mod output;
mod redact;
mod report;
mod run;
mod schema;
mod selection;
mod shell;
mod show;
mod signals;
mod stats;
mod toml_file;
#[cfg(feature = "tui")]
mod tui;

use ending::Ending;

/// Tells what went wrong in a SIP capture, why, how it is known, and what to do about it
#[derive(Debug, Parser)]
#[command(name = "siptrace", version, max_term_width = 100)]
#[command(after_help = "\
Exit codes:
  0  done, and no finding at or above --fail-on
  1  a finding at or above --fail-on, or an expectation missed; with --fail-on, too, when a rule
     broke off or findings were too many to keep, so that some may be missing
  2  wrong usage, input missing or unreadable, nothing done")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Analyze(Box<analyze::AnalyzeArgs>),
    Check(Box<check::CheckArgs>),
    Report(Box<report::ReportArgs>),
    Calls(Box<calls::CallsArgs>),
    Show(Box<show::ShowArgs>),
    Stats(Box<stats::StatsArgs>),
    #[cfg(feature = "tui")]
    Tui(Box<tui::TuiArgs>),
    Diff(Box<diff::DiffArgs>),
    Extract(Box<extract::ExtractArgs>),
    Redact(redact::RedactArgs),
    Lake(lake::LakeArgs),
    Explain(explain::ExplainArgs),
    Compare(explain::CompareArgs),
    Rules(explain::RulesArgs),
    Catalogue(explain::CatalogueArgs),
    Schema(schema::SchemaArgs),
    Completions(shell::CompletionsArgs),
    Man(shell::ManArgs),
}

impl Command {
    /// What the command is told if it analyses captures.
    fn run(&self) -> Option<&run::RunArgs> {
        match self {
            Self::Analyze(args) => Some(&args.run),
            Self::Check(args) => Some(&args.run),
            Self::Calls(args) => Some(&args.run),
            Self::Report(args) => Some(&args.run),
            Self::Stats(args) => Some(&args.run),
            Self::Diff(args) => Some(&args.run),
            Self::Show(args) => Some(&args.run),
            Self::Extract(args) => Some(&args.run),
            #[cfg(feature = "tui")]
            Self::Tui(args) => Some(&args.run),
            Self::Redact(_)
            | Self::Lake(_)
            | Self::Explain(_)
            | Self::Compare(_)
            | Self::Rules(_)
            | Self::Catalogue(_)
            | Self::Schema(_)
            | Self::Completions(_)
            | Self::Man(_) => None,
        }
    }

    /// What the command is going to write and to read.
    fn plan(&self, config: &config::Config) -> files::Plan {
        let plan = match self.run() {
            Some(run) => run.plan(),
            None => files::Plan::default(),
        };
        let plan = plan.inputs(config.path());
        match self {
            Self::Analyze(args) => args.plan(plan, config),
            Self::Check(args) => args.plan(plan, config),
            Self::Report(args) => plan.files(args.output.wanted()),
            Self::Calls(args) => plan.files(args.output.wanted()),
            Self::Show(args) => plan.files(args.output.wanted()),
            Self::Stats(args) => plan.files(args.output.wanted()),
            Self::Diff(args) => plan.files(args.output.wanted()),
            Self::Explain(args) => plan.files(args.output.wanted()),
            Self::Compare(args) => plan.files(args.output.wanted()),
            Self::Rules(args) => plan.files(args.output.wanted()),
            Self::Catalogue(args) => plan.files(args.to.wanted()),
            Self::Schema(args) => plan.files(args.output().wanted()),
            Self::Extract(args) => args.plan(plan),
            Self::Redact(args) => args.plan(plan),
            Self::Man(args) => args.plan(plan),
            #[cfg(feature = "tui")]
            Self::Tui(_) => plan,
            Self::Lake(_) | Self::Completions(_) => plan,
        }
    }
}

/// Runs the program with these arguments, the name of the program first, and says how it ended.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    fault::tell_in_one_line();
    signals::outlive_limits();
    footing::begin();
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let (ending, is_explained) = match parse(&arguments) {
        Ok(arguments) => {
            let is_explained = arguments.command.run().is_some_and(run::RunArgs::explains_exit);
            let run = || carry_out(&arguments.command);
            // What panicked has been told.
            let ending = catch_unwind(AssertUnwindSafe(run))
                .unwrap_or_else(|_| Ending::nothing_done("a fault of siptrace stopped it"));
            (ending, is_explained)
        }
        Err(error) => {
            let _ = refuse(&error, &arguments);
            let ending = match error.use_stderr() {
                true => Ending::nothing_done("the command line cannot be used"),
                false => Ending::done("that was asked for"),
            };
            (ending, arguments.iter().any(|argument| argument == "--explain-exit"))
        }
    };
    if is_explained {
        let mut stderr = io::stderr().lock();
        let _ = writeln!(stderr, "siptrace: exit code {}: {}", ending.code, ending.why);
    }
    ExitCode::from(ending.code)
}

/// Says what is wrong with the arguments, or what was asked for: help and the version. Whoever
/// closes the pipe has read enough.
fn refuse(error: &clap::Error, arguments: &[OsString]) -> io::Result<()> {
    let safe = |own: &OsString| printable(own.as_encoded_bytes()).into_owned().into();
    let quoted: Vec<OsString> = arguments.iter().map(safe).collect();
    if quoted == arguments {
        return error.print();
    }
    // What is quoted may be the name of a file that somebody else chose, so it is quoted safely.
    match parse(&quoted) {
        Err(error) => error.print(),
        Ok(_) => writeln!(io::stderr(), "{}", printable_str(&error.render().to_string())),
    }
}

/// What the program says of a text as its settings, as a baseline and as a file of hosts: nothing
/// where it can be used so. For tests, which try any text.
pub fn complaints(text: &str) -> [Option<String>; 3] {
    let path = std::path::Path::new("settings.toml");
    let told = |error: toml_file::FileError| match error.hint() {
        Some(hint) => format!("{error}\n{hint}"),
        None => error.to_string(),
    };
    let fault = |fault: toml_file::Fault| told(fault.in_file(text, path));
    [
        config::Config::parse(text, path).err().map(told),
        baseline::parse(text).err().map(fault),
        hosts::parse(text).err().map(fault),
    ]
}

fn carry_out(command: &Command) -> Ending {
    let config = match config::Config::of(command.run().and_then(run::RunArgs::config_path)) {
        Ok(config) => config,
        Err(error) => return fail(&error, error.hint()),
    };
    if let Err(error) = command.plan(&config).check() {
        return fail(&error, error.hint().as_deref());
    }
    if command.run().is_none() {
        footing::expect_much();
    }
    match command {
        Command::Analyze(args) => analyze::analyze(args, &config)
            .unwrap_or_else(|error| fail(&error, error.hint().as_deref())),
        Command::Check(args) => check::check(args, &config)
            .unwrap_or_else(|error| fail(&error, error.hint().as_deref())),
        Command::Calls(args) => match calls::run(args, &config) {
            Ok(()) => Ending::done("listed"),
            Err(error) => fail(&error, error.hint().as_deref()),
        },
        Command::Report(args) => match report::report(args, &config) {
            Ok(()) => Ending::done("written"),
            Err(error) => fail(&error, error.hint().as_deref()),
        },
        Command::Stats(args) => match stats::run(args, &config) {
            Ok(()) => Ending::done("shown"),
            Err(error) => fail(&error, error.hint().as_deref()),
        },
        Command::Extract(args) => match extract::extract(args, &config) {
            Ok(()) => Ending::done("written"),
            Err(error) => fail(&error, error.hint().as_deref()),
        },
        Command::Redact(args) => match redact::redact(args, &config) {
            Ok(()) => Ending::done("written"),
            Err(error) => fail(&error, error.hint().as_deref()),
        },
        Command::Lake(args) => lake::lake(args).unwrap_or_else(|error| fail(&error, error.hint())),
        Command::Diff(args) => match diff::run(args, &config) {
            Ok(true) => Ending::fallen_short("the captures differ"),
            Ok(false) => Ending::done("no difference"),
            Err(error) => fail(&error, error.hint().as_deref()),
        },
        Command::Show(args) => match show::show(args, &config) {
            Ok(()) => Ending::done("shown"),
            Err(error) => fail(&error, error.hint().as_deref()),
        },
        #[cfg(feature = "tui")]
        Command::Tui(args) => {
            tui::run(args, &config).unwrap_or_else(|error| fail(&error, error.hint().as_deref()))
        }
        Command::Explain(args) => shown(explain::explain(args, &config)),
        Command::Compare(args) => shown(explain::compare(args, &config)),
        Command::Rules(args) => shown(explain::rules(args, &config)),
        Command::Catalogue(args) => shown(explain::catalogue(args, &config)),
        Command::Schema(args) => written(schema::schema(args)),
        Command::Completions(args) => written(shell::completions(args, Arguments::command())),
        Command::Man(args) => written(shell::man(args, Arguments::command())),
    }
}

fn parse(arguments: &[OsString]) -> Result<Arguments, clap::Error> {
    let mut command = help::translated(Arguments::command(), arguments);
    let matches = command.try_get_matches_from_mut(arguments)?;
    Arguments::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

fn shown(result: Result<(), explain::CatalogueError>) -> Ending {
    match result {
        Ok(()) => Ending::done("shown"),
        Err(error) => fail(&error, error.hint().as_deref()),
    }
}

fn written(result: Result<(), output::WriteError>) -> Ending {
    match result {
        Ok(()) => Ending::done("written"),
        Err(error) => fail(&error, error.hint().as_deref()),
    }
}

/// One line for the error with its causes, one for the advice.
fn fail(error: &dyn Error, hint: Option<&str>) -> Ending {
    let mut line = format!("siptrace: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(&format!(": {error}"));
        cause = error.source();
    }
    let mut stderr = io::stderr().lock();
    // Names of files and what they hold are no friends of a terminal.
    let _ = writeln!(stderr, "{}", printable_str(&line));
    if let Some(hint) = hint {
        let _ = writeln!(stderr, "hint: {}", printable_str(hint));
    }
    Ending::nothing_done("nothing was done, for the reason above")
}
