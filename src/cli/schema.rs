//! `siptrace schema`: what the JSON formats look like.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::output::{OutputArgs, WriteError};
use crate::report::schema::{self, Described};

/// Print the JSON Schema of the formats json and jsonl, and of json as check writes it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  siptrace schema -o siptrace.schema.json
  siptrace schema jsonl
  siptrace schema check

Exit codes:
  0  written
  2  wrong usage, output that cannot be written")]
pub(super) struct SchemaArgs {
    /// The format
    #[arg(value_enum, value_name = "FORMAT", default_value_t)]
    format: JsonFormat,
    /// Write to this file instead of standard output; it is written whole or not at all
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
}

impl SchemaArgs {
    /// Where the schema goes.
    pub(super) fn output(&self) -> OutputArgs {
        OutputArgs { output: self.output.clone(), force: self.force, ..OutputArgs::default() }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum JsonFormat {
    /// The whole analysis
    #[default]
    Json,
    /// A line
    Jsonl,
    /// The outcome of `siptrace check`
    Check,
}

/// Runs the command.
///
/// # Errors
///
/// When the output could not be written.
pub(super) fn schema(args: &SchemaArgs) -> Result<(), WriteError> {
    let described = match args.format {
        JsonFormat::Json => Described::Json,
        JsonFormat::Jsonl => Described::Jsonl,
        JsonFormat::Check => Described::Check,
    };
    args.output().write(|out| schema::schema(described, out))
}
