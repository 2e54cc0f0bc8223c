//! `siptrace calls`: the calls of a capture as a list, those that are asked for, in the order that
//! is asked for.

use std::io::{self, Write};

use clap::{Args, ValueEnum};

use crate::analysis::{Analysis, Filter, FilterError, Keep};
use crate::bytes::printable_str;
use crate::catalogue::{self, Lang, labels};
use crate::cli::config::Config;
use crate::cli::output::{OutputArgs, WriteError};
use crate::cli::run::{RunArgs, RunError};
use crate::limits::{CALLS_MAX, FINDINGS_MAX, TRANSCRIPT_BYTES_PER_SHARD_MAX};
use crate::report::calls::{CallList, Column, SortBy};
use crate::report::text::{TextOptions, Verbosity};
use crate::report::{self, layout};

/// List the calls of a capture: who called whom, when, and what became of it
#[derive(Debug, Args)]
#[command(
    override_usage = "siptrace calls [OPTIONS] <CAPTURE>...",
    mut_arg("captures", |captures| captures.required(false)),
    after_help = "\
The number of a call is its place among all calls of the capture; `siptrace show` takes it, and a
Call-ID as well.

A filter is a word to search for (`alice`, `10.0.0.1`, `503`), or tests on fields joined by `and`,
`or`, `not`: `status = 5xx and from ~ \"+49\" and pdd > 3s`. docs/filters.md describes it. Fields:
from, to, number, user-agent, header.NAME, call-id, kind, state, status, response, method, peer,
client, server, time, end, duration, pdd, ring, talk, messages, retransmissions, transport, rule,
severity, findings, streams, codec, loss, jitter, mos, linked, frame.

Examples:
  siptrace calls trace.pcap
  siptrace calls trace.pcap --filter 'status = 5xx and peer = 10.0.0.0/8'
  siptrace calls trace.pcap --kind call --sort -pdd --limit 10
  siptrace calls trace.pcap --columns number,call-id,client,server,loss
  siptrace calls trace.pcap --filter 'time = 10:15..10:30' --format csv -o calls.csv

Exit codes:
  0  done, also where no call fits
  2  wrong usage, input missing or unreadable, nothing done"
)]
pub(super) struct CallsArgs {
    #[command(flatten)]
    pub(super) run: RunArgs,
    /// Only calls that fit this expression, such as 'state = failed and from ~ alice'
    #[arg(long, value_name = "EXPRESSION")]
    filter: Option<String>,
    /// Only these kinds; may be repeated or separated by commas
    #[arg(long, value_enum, value_name = "KIND", value_delimiter = ',')]
    kind: Vec<KindArg>,
    /// Sort by these columns instead of by time; - before a column turns it round
    #[arg(long, value_name = "COLUMN", value_delimiter = ',', allow_hyphen_values = true)]
    sort: Vec<String>,
    /// Show these columns; `help` lists them
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    columns: Vec<String>,
    /// List so many calls at most
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Format of the output
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

/// The formats of the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a person
    #[default]
    Text,
    /// For a program: the `calls` of the JSON of `siptrace analyze`, with all that is known of each
    Json,
    /// A table for a spreadsheet or a script
    Csv,
}

/// Kinds of Call-IDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum KindArg {
    Call,
    Registration,
    Subscription,
    Publication,
    Message,
    Options,
    Other,
}

impl KindArg {
    fn name(self) -> String {
        self.to_possible_value().map(|own| own.get_name().to_owned()).unwrap_or_default()
    }
}

/// Why there is no list; the exit code is 2.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallsError {
    /// The captures could not be analysed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// No capture was named.
    #[error("no capture is named")]
    NoCapture,
    /// The filter is wrong.
    #[error("could not use the filter: {0}")]
    Filter(FilterError),
    /// There is no such column.
    #[error("no column is named \"{}\"", printable_str(given))]
    NoColumn {
        /// What was given.
        given: String,
    },
    /// The output could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl CallsError {
    /// What the user may do, for the line after `hint:`.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Run(error) => error.hint(),
            Self::NoCapture => Some("`siptrace calls --help` shows how it is called".to_owned()),
            Self::Filter(error) => error.hint().map(str::to_owned),
            Self::NoColumn { given } => {
                let name = given.trim_start_matches('-');
                Some(match catalogue::nearest(name, Column::all().map(Column::name)) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "`--columns help` lists them all".to_owned(),
                })
            }
            Self::Write(error) => error.hint(),
        }
    }
}

/// Runs the command.
///
/// # Errors
///
/// When there is nothing to list, or the output could not be written.
pub(super) fn run(args: &CallsArgs, config: &Config) -> Result<(), CallsError> {
    let lang = args.output.lang(config);
    if args.columns.iter().any(|name| name == "help") {
        return Ok(args.output.write(|out| columns_help(lang, out))?);
    }
    if args.run.captures.is_empty() {
        return Err(CallsError::NoCapture);
    }
    let filter = parsed(args.filter.as_deref()).map_err(CallsError::Filter)?;
    let columns = args.columns.iter().map(|name| column(name)).collect::<Result<Vec<_>, _>>()?;
    let sort = args.sort.iter().map(|name| sort_by(name)).collect::<Result<Vec<_>, _>>()?;
    let needs_messages = filter.as_ref().is_some_and(Filter::needs_messages)
        || columns.iter().any(|column| column.needs_messages())
        || sort.iter().any(|by| by.column.needs_messages());
    let analysis = args.run.analysis(config, keep(needs_messages), None)?;
    let mut list = CallList::new(&analysis, lang);
    let kinds: Vec<String> = args.kind.iter().map(|kind| kind.name()).collect();
    list.entries.retain(|entry| {
        let is_kind = kinds.is_empty() || kinds.iter().any(|kind| kind == entry.call.kind.name());
        is_kind
            && filter
                .as_ref()
                .is_none_or(|own| own.matches(entry.call, &entry.findings, &analysis.hosts))
    });
    list.sort(&sort);
    let fitting = list.entries.len();
    list.entries.truncate(args.limit.map_or(usize::MAX, |limit| limit as usize));
    let columns = Some(columns).filter(|columns| !columns.is_empty());
    args.output.write(|out| match args.format {
        Format::Text => {
            let page = args.output.page();
            let options = TextOptions { lang, page, verbosity: Verbosity::Normal };
            report::calls::text(&list, columns.as_deref(), &options, out)
        }
        Format::Json => report::calls::json(&list, out),
        Format::Csv => report::calls::table(&list, columns.as_deref(), out),
    })?;
    remark(&analysis, fitting, list.entries.len(), lang);
    Ok(())
}

/// The filter, if there is one.
///
/// # Errors
///
/// When it is wrong.
pub(super) fn parsed(filter: Option<&str>) -> Result<Option<Filter>, FilterError> {
    filter.map(str::parse).transpose()
}

/// What a command keeps that chooses calls.
pub(super) fn keep(needs_messages: bool) -> Keep {
    Keep {
        calls: CALLS_MAX,
        transcripts: if needs_messages { TRANSCRIPT_BYTES_PER_SHARD_MAX } else { 0 },
        findings: FINDINGS_MAX,
        ..Keep::default()
    }
}

fn column(name: &str) -> Result<Column, CallsError> {
    Column::named(name).ok_or_else(|| CallsError::NoColumn { given: name.to_owned() })
}

fn sort_by(name: &str) -> Result<SortBy, CallsError> {
    let plain = name.trim().trim_start_matches(['-', '+']);
    let column = Column::named(plain);
    let column = column.ok_or_else(|| CallsError::NoColumn { given: name.to_owned() })?;
    Ok(SortBy { column, is_descending: name.trim().starts_with('-') })
}

/// Says on standard error what the list does not show: that it is empty or cut, and what a bound
/// dropped.
fn remark(analysis: &Analysis, fitting: usize, listed: usize, lang: Lang) {
    let words = labels(lang);
    let mut lines = Vec::new();
    let all = words.count(analysis.totals.call_ids);
    if fitting == 0 && analysis.totals.call_ids == 0 {
        lines.push(words.get("calls-no-sip").to_owned());
    } else if fitting == 0 {
        lines.push(words.fill("calls-none-fits", &[("all", &all)]));
    } else if listed < fitting {
        let (listed, fitting) = (words.count(listed as u64), words.count(fitting as u64));
        let values = [("listed", listed.as_str()), ("count", fitting.as_str())];
        lines.push(words.fill("calls-cut", &values));
    }
    lines.extend(dropped(analysis, lang));
    let mut stderr = io::stderr().lock();
    for line in lines {
        let _ = writeln!(stderr, "siptrace: {line}");
    }
}

/// What bounds kept from a choice of calls, in words.
pub(super) fn dropped(analysis: &Analysis, lang: Lang) -> Vec<String> {
    let words = labels(lang);
    let bounds = ["call-ids", "findings", "transcripts"];
    let told = bounds.iter().filter_map(|bound| {
        let count = analysis.dropped.get(bound).filter(|count| **count > 0)?;
        Some(words.pair(words.get(&format!("dropped-{bound}")), &words.count(*count)))
    });
    let mut told: Vec<String> = told.collect();
    let missing = analysis.totals.call_ids.saturating_sub(analysis.calls.len() as u64);
    if missing > 0 {
        told.push(words.fill("calls-not-kept", &[("count", &words.count(missing))]));
    }
    told
}

/// The columns that there are, with their headings.
fn columns_help(lang: Lang, out: &mut dyn Write) -> io::Result<()> {
    let words = labels(lang);
    let widest = Column::all().map(|column| column.name().len()).max().unwrap_or_default();
    Column::all().try_for_each(|column| {
        let name = layout::pad(column.name(), widest);
        writeln!(out, "{name}  {}", words.get(&format!("calls-column-{}", column.name())))
    })
}
