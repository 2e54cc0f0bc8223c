//! Arguments, configuration, progress, exit codes.

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

mod analyze;
mod config;
mod diff;
mod explain;
mod extract;
mod format;
mod help;
mod output;
mod run;
mod schema;
mod selection;

/// Findings at or above the threshold.
const FINDINGS: u8 = 1;

/// Wrong usage, unreadable or missing input, nothing analysed.
const NOTHING_DONE: u8 = 2;

/// Tells what went wrong in a SIP capture, why, how it is known, and what to do about it
#[derive(Debug, Parser)]
#[command(name = "siptrace", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Analyze(Box<analyze::AnalyzeArgs>),
    Extract(extract::ExtractArgs),
    Diff(Box<diff::DiffArgs>),
    Explain(explain::ExplainArgs),
    Compare(explain::CompareArgs),
    Rules(explain::RulesArgs),
    Catalogue(explain::CatalogueArgs),
    Schema(schema::SchemaArgs),
}

/// Runs the program with these arguments, the name of the program first, and says how it ended.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let arguments = match parse(&arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are asked for; whoever closes the pipe has read enough.
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(NOTHING_DONE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let config = match config::Config::find() {
        Ok(config) => config,
        Err(error) => return fail(&error, None),
    };
    match arguments.command {
        Command::Analyze(args) => match analyze::analyze(&args, &config) {
            Ok(true) => ExitCode::from(FINDINGS),
            Ok(false) => ExitCode::SUCCESS,
            Err(error) => fail(&error, error.hint().as_deref()),
        },
        Command::Extract(args) => match extract::extract(&args, &config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error, error.hint().as_deref()),
        },
        Command::Diff(args) => match diff::run(&args, &config) {
            Ok(true) => ExitCode::from(FINDINGS),
            Ok(false) => ExitCode::SUCCESS,
            Err(error) => fail(&error, error.hint().as_deref()),
        },
        Command::Explain(args) => shown(explain::explain(&args, &config)),
        Command::Compare(args) => shown(explain::compare(&args, &config)),
        Command::Rules(args) => shown(explain::rules(&args, &config)),
        Command::Catalogue(args) => shown(explain::catalogue(&args, &config)),
        Command::Schema(args) => match schema::schema(&args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error, None),
        },
    }
}

fn parse(arguments: &[OsString]) -> Result<Arguments, clap::Error> {
    let mut command = help::translated(Arguments::command(), arguments);
    let matches = command.try_get_matches_from_mut(arguments)?;
    Arguments::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

fn shown(result: Result<(), explain::CatalogueError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, error.hint()),
    }
}

/// One line for the error with its causes, one for the advice.
fn fail(error: &dyn Error, hint: Option<&str>) -> ExitCode {
    let mut line = format!("siptrace: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(&format!(": {error}"));
        cause = error.source();
    }
    let mut stderr = io::stderr().lock();
    let _ = writeln!(stderr, "{line}");
    if let Some(hint) = hint {
        let _ = writeln!(stderr, "hint: {hint}");
    }
    ExitCode::from(NOTHING_DONE)
}
