//! Arguments, exit codes, and what is said on standard error.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::panic;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use siptrace::analysis::Analysis;
use siptrace::bytes::printable_str;
use siptrace::catalogue::Lang;
use siptrace::report::text::{TextOptions, Verbosity};
use siptrace::report::{Outcome, Page, Style, json, page, text};

use crate::captures;
use crate::cluster::{self, Cluster};
use crate::engine::{Engine, Limits, STACK_BYTES};
use crate::fault::{Fault, chain};
use crate::ingest;
use crate::manifest::Manifest;
use crate::output;
use crate::progress::Progress;
use crate::query;
use crate::report::{self, Choice};
use crate::roles::{self, ExecutorArgs, SchedulerArgs};
use crate::show;
use crate::signals;
use crate::size::Size;
use crate::store::Place;

/// Keeps SIP captures by the terabyte as tables, and judges calls on one machine or many
#[derive(Debug, Parser)]
#[command(name = "siptrace-lake", version, max_term_width = 100)]
#[command(after_help = "\
A lake is a folder or a prefix of an object store: a path, file:///… or s3://bucket/…; keys and
endpoints of stores come from AWS_* in the environment.

Exit codes:
  0  done
  2  wrong usage, input missing or unreadable, a job failed; the lake is as it was before")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Ingest(IngestArgs),
    Tables(TablesArgs),
    Query(QueryArgs),
    Report(ReportArgs),
    Scheduler(SchedulerArgs),
    Executor(ExecutorArgs),
}

/// Take captures into a lake; those that it has are not read again
#[derive(Debug, Args)]
#[command(after_help = "\
Calls are whole wherever their messages lie: the jobs after the scan work over all captures of the
lake, those of earlier runs among them.

Examples:
  siptrace-lake ingest captures/ -o lake/
  siptrace-lake ingest 'ring-*.pcap.gz' -o lake/ --memory 4GiB --work /var/tmp
  siptrace-lake ingest s3://traces/2026/11/ -o s3://lakes/november --cluster df://10.0.0.5:50050")]
struct IngestArgs {
    /// Captures: files, folders, patterns, URLs
    #[arg(required = true, value_name = "CAPTURES")]
    captures: Vec<String>,
    /// The lake
    #[arg(short, long, value_name = "LAKE")]
    output: String,
    #[command(flatten)]
    engine: EngineArgs,
    /// Show no progress, and say nothing of what was done
    #[arg(short, long)]
    quiet: bool,
}

/// Tell the tables of a lake with their columns, types and units
#[derive(Debug, Args)]
struct TablesArgs {
    /// The lake
    #[arg(value_name = "LAKE")]
    lake: String,
}

/// Ask a lake in SQL
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  siptrace-lake query lake/ 'SELECT code, count(*) FROM findings GROUP BY code ORDER BY 2 DESC'
  siptrace-lake query lake/ \"SELECT * FROM calls WHERE day = '2026-11-22' AND fate = 'failed'\"
  siptrace-lake query lake/ 'SELECT * FROM streams WHERE lost_percent > 3' --format csv")]
struct QueryArgs {
    /// The lake
    #[arg(value_name = "LAKE")]
    lake: String,
    /// The query, which only reads
    #[arg(value_name = "SQL")]
    sql: String,
    /// How rows are written
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: query::Format,
    #[command(flatten)]
    engine: EngineArgs,
}

/// Write the incident report of some calls of a lake
#[derive(Debug, Args)]
#[command(after_help = "\
The report holds addresses, numbers and messages of the captures: hand it on only to who may see
them.

Examples:
  siptrace-lake report lake/ --from 2026-11-22T10:00:00Z --to 2026-11-22T11:00:00Z -o hour.html
  siptrace-lake report lake/ --where \"final_status >= 500\" --format markdown")]
struct ReportArgs {
    /// The lake
    #[arg(value_name = "LAKE")]
    lake: String,
    /// Calls that were under way at this time or later
    #[arg(long, value_name = "TIME", value_parser = report::time)]
    from: Option<i64>,
    /// Calls that were under way at this time or earlier
    #[arg(long, value_name = "TIME", value_parser = report::time)]
    to: Option<i64>,
    /// Calls whose row in the table `calls` fits this condition of SQL
    #[arg(long = "where", value_name = "CONDITION")]
    condition: Option<String>,
    /// Format [default: by the name of the file, else text]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<ReportFormat>,
    /// The title of an HTML or Markdown report
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// Language: en, fr, ja or pt [default: from LC_ALL, LC_MESSAGES, LANG]
    #[arg(long, value_name = "LANG")]
    lang: Option<Lang>,
    /// Write to this file instead of standard output; it is written whole or not at all
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace a file that is there already
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    limits: LimitArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ReportFormat {
    /// One page, with everything in it
    Html,
    /// For a wiki or a ticket
    Markdown,
    /// For a terminal
    Text,
    /// As `siptrace analyze --format json`
    Json,
}

/// Where plans run, and with what.
#[derive(Debug, Args)]
struct EngineArgs {
    /// Run on the cluster of this scheduler, df://HOST:PORT, instead of this machine
    #[arg(long, value_name = "URL")]
    cluster: Option<String>,
    #[command(flatten)]
    limits: LimitArgs,
}

#[derive(Debug, Args)]
struct LimitArgs {
    /// Memory for rows that are sorted or joined; what does not fit is spilled
    #[arg(long, value_name = "SIZE", default_value = "2GiB")]
    memory: Size,
    /// Threads to use [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Folder for what is spilled [default: that of the system for temporary files]
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
}

impl LimitArgs {
    fn limits(&self) -> Limits {
        Limits {
            memory: Some(self.memory.bytes()),
            threads: self.threads.map_or_else(cores, usize::from),
            work: self.work.clone(),
        }
    }
}

impl EngineArgs {
    fn engine(&self) -> Result<Engine, Fault> {
        let cluster = self.cluster.as_deref().map(Cluster::of).transpose()?;
        Engine::new(&self.limits.limits(), cluster)
    }
}

/// Cores of this machine.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

impl Command {
    fn threads(&self) -> Option<u16> {
        match self {
            Self::Ingest(args) => args.engine.limits.threads,
            Self::Query(args) => args.engine.limits.threads,
            Self::Report(args) => args.limits.threads,
            Self::Tables(_) | Self::Scheduler(_) | Self::Executor(_) => None,
        }
    }

    /// It runs until it is stopped, and sees to that itself.
    const fn is_role(&self) -> bool {
        matches!(self, Self::Scheduler(_) | Self::Executor(_))
    }
}

/// Runs the program with these arguments, the name of the program first, and says how it ended.
pub(crate) fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    tell_faults_in_one_line();
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let threads = arguments.command.threads().map_or_else(cores, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads.max(2))
        .thread_stack_size(STACK_BYTES)
        // What an idle thread has freed is nobody's.
        .thread_keep_alive(std::time::Duration::from_secs(1))
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(&Fault::Job(format!("could not start threads: {error}"))),
    };
    let result = runtime.block_on(async {
        let result = tokio::select! {
            result = carry_out(&arguments.command) => result,
            () = signals::stopped(), if !arguments.command.is_role() => Err(Fault::Interrupted),
        };
        cluster::cancelled().await;
        result
    });
    // What is under way on other threads is of no use any more.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) if output::is_enough(&fault) => ExitCode::SUCCESS,
        Err(fault) => fail(&fault),
    }
}

async fn carry_out(command: &Command) -> Result<(), Fault> {
    match command {
        Command::Ingest(args) => ingest(args).await,
        Command::Tables(args) => {
            let manifest = Manifest::load(&Place::of(&args.lake)?).await?;
            output::write(None, false, |out| show::tables(&manifest, out))
        }
        Command::Query(args) => {
            let place = Place::of(&args.lake)?;
            let manifest = Manifest::load(&place).await?;
            let engine = args.engine.engine()?;
            query::register(&engine, &place, &manifest)?;
            query::query(&engine, &args.sql, args.format, args.engine.cluster.is_some()).await
        }
        Command::Report(args) => report(args).await,
        Command::Scheduler(args) => roles::scheduler(args).await,
        Command::Executor(args) => roles::executor(args).await,
    }
}

async fn ingest(args: &IngestArgs) -> Result<(), Fault> {
    let place = Place::of(&args.output)?;
    let captures = captures::named(&args.captures).await?;
    let engine = args.engine.engine()?;
    let progress = Progress::new(args.quiet);
    let result = ingest::ingest(&engine, &place, captures, &progress).await;
    progress.finish();
    let done = result?;
    if args.quiet {
        return Ok(());
    }
    output::write(None, false, |out| {
        let count =
            |table: &str| -> u64 { done.manifest.objects(table).iter().map(|own| own.rows).sum() };
        writeln!(
            out,
            "{} captures scanned, {} known; {} messages, {} calls, {} findings in {}",
            done.scanned,
            done.known,
            count("messages"),
            count("calls"),
            count("findings"),
            printable_str(&args.output)
        )
    })
}

async fn report(args: &ReportArgs) -> Result<(), Fault> {
    let format = args.format()?;
    let place = Place::of(&args.lake)?;
    let manifest = Manifest::load(&place).await?;
    let engine = Engine::new(&args.limits.limits(), None)?;
    query::register(&engine, &place, &manifest)?;
    let condition = args.condition.clone();
    let choice = Choice { from: args.from, to: args.to, condition };
    let analysis = report::analysis(&engine, &place, &manifest, &choice).await?;
    let lang = args.lang.unwrap_or_else(lang_of_environment);
    output::write(args.output.as_deref(), args.force, |out| {
        write_report(&analysis, format, lang, args, out)
    })
}

fn write_report(
    analysis: &Analysis,
    format: ReportFormat,
    lang: Lang,
    args: &ReportArgs,
    out: &mut dyn Write,
) -> io::Result<()> {
    let outcome = Outcome::of(analysis);
    let title = args.title.as_deref();
    match format {
        ReportFormat::Html => page::page(&outcome, lang, title, out),
        ReportFormat::Markdown => page::story(&outcome, lang, title, out),
        ReportFormat::Json => json::json(analysis, lang, out),
        ReportFormat::Text => {
            let is_terminal = args.output.is_none() && io::stdout().is_terminal();
            let color = is_terminal && std::env::var_os("NO_COLOR").is_none();
            let page = Page { columns: 80, style: Style { color } };
            text::text(analysis, &TextOptions { lang, page, verbosity: Verbosity::Normal }, out)
        }
    }
}

impl ReportArgs {
    /// The format that is asked for, else that of the file.
    fn format(&self) -> Result<ReportFormat, Fault> {
        if let Some(format) = self.format {
            return Ok(format);
        }
        let Some(path) = &self.output else { return Ok(ReportFormat::Text) };
        let end = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        match end.as_str() {
            "html" | "htm" => Ok(ReportFormat::Html),
            "md" | "markdown" => Ok(ReportFormat::Markdown),
            "txt" => Ok(ReportFormat::Text),
            "json" => Ok(ReportFormat::Json),
            _ => Err(Fault::usage(
                format!("could not tell the format of the report from the name {path:?}"),
                "end the name with .html, .md, .txt or .json, or add `--format`",
            )),
        }
    }
}

fn lang_of_environment() -> Lang {
    let variable = |name| std::env::var(name).ok();
    Lang::from_environment(
        variable("LC_ALL").as_deref(),
        variable("LC_MESSAGES").as_deref(),
        variable("LANG").as_deref(),
    )
}

/// One line for the error with its causes, one for the advice.
fn fail(fault: &Fault) -> ExitCode {
    let mut stderr = io::stderr().lock();
    let _ = writeln!(stderr, "siptrace-lake: {}", printable_str(&chain(fault)));
    if let Some(hint) = fault.hint().filter(|hint| !hint.is_empty()) {
        let _ = writeln!(stderr, "hint: {}", printable_str(&hint));
    }
    ExitCode::from(2)
}

/// A panic is one line, whatever captured bytes are in it.
fn tell_faults_in_one_line() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let text = info.payload_as_str().unwrap_or_default();
        let text: String = text.chars().take(200).collect();
        let (place, text) = (printable_str(&place), printable_str(&text));
        let mut stderr = io::stderr().lock();
        let _ = writeln!(
            stderr,
            "siptrace-lake: a fault of siptrace-lake itself, please report it: {place}: {text}"
        );
    }));
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn arguments_are_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn reports_are_told_by_their_names() {
        let format = |name: &str| {
            let line = ["siptrace-lake", "report", "lake", "-o", name];
            match Arguments::try_parse_from(line).expect("arguments").command {
                Command::Report(args) => args.format(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(format("a.HTML").expect("a format"), ReportFormat::Html);
        assert_eq!(format("a.md").expect("a format"), ReportFormat::Markdown);
        assert!(format("a.doc").is_err());
    }
}
