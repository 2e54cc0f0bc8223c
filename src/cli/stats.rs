//! `siptrace stats`: the figures of a capture, or of calls that are asked for.

use std::io::{self, Write};

use clap::{Args, ValueEnum};

use crate::analysis::{CallSummary, Filter, FilterError};
use crate::catalogue::labels;
use crate::cli::calls::{dropped, keep, parsed};
use crate::cli::config::{Config, span};
use crate::cli::output::{self, OutputArgs, WriteError};
use crate::cli::run::{RunArgs, RunError};
use crate::report;
use crate::report::Brush;
use crate::report::calls::CallList;
use crate::report::stats::{By, Figures, StatsOptions};
use crate::report::text::{TextOptions, Verbosity};
use crate::time::Span;

/// Show the figures of a capture: key figures of RFC 6076, by peer and by time, codes, RTP quality
#[derive(Debug, Args)]
#[command(
    override_usage = "siptrace stats [OPTIONS] <CAPTURE>...",
    after_help = "\
With --filter, the figures are of the calls that fit; what is counted message by message else is
counted by their transactions then. docs/filters.md describes filters.

Examples:
  siptrace stats trace.pcap
  siptrace stats trace.pcap --by peer
  siptrace stats trace.pcap --by time --every 1m --format csv -o minutes.csv
  siptrace stats trace.pcap --filter 'server = 10.0.0.5 and kind = call'

Exit codes:
  0  done, also where no call fits
  2  wrong usage, input missing or unreadable, nothing done"
)]
pub(super) struct StatsArgs {
    #[command(flatten)]
    pub(super) run: RunArgs,
    /// Only calls that fit this expression, such as 'server = 10.0.0.5'
    #[arg(long, value_name = "EXPRESSION")]
    filter: Option<String>,
    /// One table in full, for text and csv
    #[arg(long, value_enum, value_name = "WHAT")]
    by: Option<ByArg>,
    /// Length of an interval, such as 10s, 1m or 1h [default: as short as their number allows,
    /// 10s or more]
    #[arg(long, value_name = "SPAN", value_parser = every)]
    every: Option<Span>,
    /// Draw bars and courses in ASCII [default: where the locale is not UTF-8]
    #[arg(long)]
    ascii: bool,
    /// Format of the output
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

/// The formats of the figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a person
    #[default]
    Text,
    /// For a program: the `statistics` of the JSON of `siptrace analyze`
    Json,
    /// A table for a spreadsheet or a script: that of --by, else the key figures
    Csv,
}

/// What the lines of a table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ByArg {
    /// Hosts that requests were sent to
    Peer,
    /// Intervals
    Time,
    /// Status codes of responses
    Status,
    /// Methods of requests
    Method,
    /// Transports of messages
    Transport,
    /// User-Agent of the first request
    UserAgent,
}

impl ByArg {
    const fn by(self) -> By {
        match self {
            Self::Peer => By::Peer,
            Self::Time => By::Time,
            Self::Status => By::Status,
            Self::Method => By::Method,
            Self::Transport => By::Transport,
            Self::UserAgent => By::UserAgent,
        }
    }
}

fn every(text: &str) -> Result<Span, String> {
    let length = span(text).filter(|length| *length >= Span::from_millis(1));
    length.ok_or_else(|| "a length such as 10s, 1m or 1h".to_owned())
}

/// Why there are no figures; the exit code is 2.
#[derive(Debug, thiserror::Error)]
pub(super) enum StatsError {
    /// The captures could not be analysed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The filter is wrong.
    #[error("could not use the filter: {0}")]
    Filter(FilterError),
    /// One table was asked for in JSON.
    #[error("--by is for --format text and csv: the JSON has all tables")]
    TableInJson,
    /// The output could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl StatsError {
    /// What the user may do, for the line after `hint:`.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Run(error) => error.hint(),
            Self::Filter(error) => error.hint().map(str::to_owned),
            Self::TableInJson => Some("leave --by out, or ask for --format csv".to_owned()),
            Self::Write(error) => error.hint(),
        }
    }
}

/// Runs the command.
///
/// # Errors
///
/// When there are no figures, or the output could not be written.
pub(super) fn run(args: &StatsArgs, config: &Config) -> Result<(), StatsError> {
    let by = args.by.map(ByArg::by);
    if args.format == Format::Json && by.is_some() {
        return Err(StatsError::TableInJson);
    }
    let filter = parsed(args.filter.as_deref()).map_err(StatsError::Filter)?;
    let needs_messages =
        filter.as_ref().is_some_and(Filter::needs_messages) || by == Some(By::UserAgent);
    let analysis = args.run.analysis(config, keep(needs_messages), None)?;
    let lang = args.output.lang(config);
    let chosen = filter.as_ref().map(|filter| {
        let list = CallList::new(&analysis, lang);
        let fitting = list
            .entries
            .iter()
            .filter(|entry| filter.matches(entry.call, &entry.findings, &analysis.hosts));
        let calls: Vec<&CallSummary> = fitting.map(|entry| entry.call).collect();
        (calls, filter.to_string())
    });
    let figures = Figures::new(&analysis, chosen, args.every);
    args.output.write(|out| match args.format {
        Format::Text => {
            let page = args.output.page();
            let text = TextOptions { lang, page, verbosity: Verbosity::Normal };
            let brush = Brush { is_ascii: args.ascii || !output::has_unicode() };
            report::stats::text(&figures, &StatsOptions { text, brush, by }, out)
        }
        Format::Json => report::stats::json(&figures, out),
        Format::Csv => report::stats::table(&figures, by, labels(lang), out),
    })?;
    let mut stderr = io::stderr().lock();
    for line in dropped(&analysis, lang) {
        let _ = writeln!(stderr, "siptrace: {line}");
    }
    Ok(())
}
