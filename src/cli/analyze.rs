//! `siptrace analyze`: what went wrong in a capture.

use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::analysis::{Analysis, Keep};
use crate::capture::{self, Source};
use crate::catalogue::Lang;
use crate::cli::config::Config;
use crate::cli::output::{OutputArgs, WriteError};
use crate::cli::selection::{SelectionArgs, SelectionError};
use crate::finding::Severity;
use crate::limits::{CALLS_MAX, FINDINGS_MAX};
use crate::pipeline;
use crate::report;
use crate::report::text::{TextOptions, Verbosity};
use crate::rules::Profile;
use crate::signaling::{Accounts, Certificates, EmergencyNumber, Net, NotACertificate};
use crate::sip::CountryCode;
use crate::transport::KeyLog;

/// Calls that the text report may list.
const LISTED_CALLS: usize = 64;

/// Findings of one rule, in one shard of the calls, that keep their ladder.
const LADDERS: usize = 32;

/// Tell what went wrong in a capture, why, how it is known, and what to do about it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  siptrace analyze call.pcap
  siptrace analyze ring-*.pcapng.gz --min-severity warn
  siptrace analyze call.pcap --format json -o call.json
  tcpdump -w - port 5060 | siptrace analyze -

Exit codes:
  0  done, and no finding at or above --fail-on
  1  a finding at or above --fail-on
  2  wrong usage, input missing or unreadable, nothing analysed")]
pub(super) struct AnalyzeArgs {
    /// Captures (pcap, pcapng, snoop, compressed or not, .sip scripts), directories of captures, or
    /// patterns; several are one capture, merged by time; - is standard input
    #[arg(value_name = "CAPTURE", required = true)]
    captures: Vec<PathBuf>,
    /// Format of the output
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
    #[command(flatten)]
    selection: SelectionArgs,
    /// Exit with code 1 when a finding is at least as bad: error, warn, info or never
    #[arg(long, value_enum, value_name = "SEVERITY", default_value_t = FailOn::Never)]
    fail_on: FailOn,
    /// A network whose private addresses the hosts of the capture can reach, such as 10.1.0.0/16;
    /// may be repeated or separated by commas
    #[arg(long, value_name = "NET", value_delimiter = ',')]
    local_net: Vec<Net>,
    /// A network whose hosts are no attackers, whatever they ask for, such as monitoring systems
    /// and trunks; may be repeated or separated by commas
    #[arg(long, value_name = "NET", value_delimiter = ',')]
    trusted: Vec<Net>,
    /// The country code of your own calls, such as 49: numbers without one are of this country,
    /// others are international
    #[arg(long, value_name = "CC")]
    home_cc: Option<CountryCode>,
    /// A number that calls for help besides urn:service:sos, such as 112; may be repeated or
    /// separated by commas
    #[arg(long, value_name = "NUMBER", value_delimiter = ',')]
    emergency: Vec<EmergencyNumber>,
    /// The capture is of a load test: refusals under load are no finding
    #[arg(long)]
    load_test: bool,
    /// Passwords to check rejected digest credentials with: lines user:realm:password, an empty
    /// realm for any; they are never shown
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// Certificate of a signer of caller identities (PEM; the first one of a chain), to check
    /// signatures with; may be repeated. One that has the name by which the calls refer to it can
    /// tell that a signature is wrong
    #[cfg(feature = "stir")]
    #[arg(long, value_name = "FILE")]
    stir_cert: Vec<PathBuf>,
    /// Do not follow RTP; rules that need media stay silent or say that it was not captured
    #[arg(long)]
    no_media: bool,
    /// Key log that opens TLS connections, as SSLKEYLOGFILE writes it; keys in a pcapng are used
    /// without it
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "FILE")]
    keylog: Option<PathBuf>,
    /// Threads to use [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// One line a finding
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    /// Everything, notes in full
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// The formats of the analysis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a person
    #[default]
    Text,
    /// For a machine; the names of the fields are a contract
    Json,
    /// The same line by line, while the capture is still being read
    Jsonl,
}

/// What makes the run fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Error,
    Warn,
    Info,
    Never,
}

/// Why nothing was analysed; the exit code is 2.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnalyzeError {
    /// A rule was asked for that does not exist.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// The key log is of no use.
    #[error(transparent)]
    KeyLog(#[from] KeyLogError),
    /// The passwords are of no use.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// A certificate is of no use.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// An input could not be opened.
    #[error(transparent)]
    Capture(#[from] capture::Error),
    /// An input could not be read on.
    #[error(transparent)]
    Pipeline(#[from] pipeline::Error),
    /// The output could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl AnalyzeError {
    /// What the user may do, for the line after `hint:`.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Selection(error) => error.hint(),
            Self::KeyLog(error) => Some(error.hint()),
            Self::Credentials(error) => error.hint(),
            Self::Capture(error) | Self::Pipeline(pipeline::Error::Capture(error)) => error.hint(),
            Self::Certificate(error) => error.hint(),
            Self::Pipeline(_) | Self::Write(_) => None,
        }
    }
}

/// What is wrong with a key log.
#[cfg_attr(not(feature = "tls"), allow(dead_code))]
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyLogError {
    /// It could not be read.
    #[error("could not read the key log {path:?}")]
    Read {
        /// The path as given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It has no key.
    #[error("no line of the key log {path:?} is a key")]
    Empty {
        /// The path as given.
        path: PathBuf,
    },
}

impl KeyLogError {
    fn hint(&self) -> String {
        match self {
            Self::Read { .. } => "give the file that SSLKEYLOGFILE named when the capture was made",
            Self::Empty { .. } => {
                "a line is `CLIENT_RANDOM`, the client random and a secret, in hex"
            }
        }
        .to_owned()
    }
}

/// What is wrong with the file of passwords.
#[derive(Debug, thiserror::Error)]
pub(super) enum CredentialsError {
    /// It could not be read.
    #[error("could not read the credentials {path:?}")]
    Read {
        /// The path as given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line of it is none; what stands there is not told, as it may be a password.
    #[error("could not use the credentials {path:?}: line {line} is not user:realm:password")]
    Wrong {
        /// The path as given.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
}

impl CredentialsError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Read { .. } => None,
            Self::Wrong { .. } => Some(
                "the realm may be empty, as in `alice::secret`; `#` begins a comment".to_owned(),
            ),
        }
    }
}

/// What is wrong with a certificate.
#[cfg_attr(not(feature = "stir"), allow(dead_code))]
#[derive(Debug, thiserror::Error)]
pub(super) enum CertificateError {
    /// It could not be read.
    #[error("could not read the certificate {path:?}")]
    Read {
        /// The path as given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is none that signs identities.
    #[error("could not use the certificate {path:?}: {problem}")]
    Wrong {
        /// The path as given.
        path: PathBuf,
        /// What is wrong.
        problem: NotACertificate,
    },
}

impl CertificateError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Read { .. } => None,
            Self::Wrong { .. } => {
                Some("give the PEM file that `info` in the Identity header names".to_owned())
            }
        }
    }
}

/// Runs the command; true when the findings are bad enough to fail.
///
/// # Errors
///
/// When nothing could be analysed, or the output could not be written.
pub(super) fn analyze(args: &AnalyzeArgs, config: &Config) -> Result<bool, AnalyzeError> {
    let rules = args.selection.rules()?;
    let sources = capture::open(&args.captures)?;
    let is_text = args.format == Format::Text;
    let mut settings = config.settings.clone();
    settings.local_nets.extend(&args.local_net);
    settings.trusted.extend(&args.trusted);
    settings.is_load_test |= args.load_test;
    settings.accounts = accounts(args)?;
    settings.certificates = certificates(args)?;
    settings.home_cc = args.home_cc.clone().or(settings.home_cc);
    settings.emergency.extend_from_slice(&args.emergency);
    let options = pipeline::Options {
        profile: Profile { rules, settings },
        keep: Keep {
            calls: if is_text { LISTED_CALLS } else { CALLS_MAX },
            findings: FINDINGS_MAX,
            ladders: if is_text { LADDERS } else { 0 },
            min_severity: args.selection.min_severity(),
        },
        media: !args.no_media,
        keys: keys(args)?,
        threads: args.threads.map(usize::from),
    };
    let progress = Progress::new(&args.captures);
    if args.format == Format::Jsonl {
        let analysis = follow(args, args.output.lang(config), sources, &options, &progress)?;
        progress.finish();
        return Ok(analysis.is_some_and(|analysis| args.fail_on.is_reached(&analysis)));
    }
    let analysis = pipeline::run(sources, &options, &|bytes| progress.reached(bytes))?;
    progress.finish();
    write(args, args.output.lang(config), &analysis)?;
    Ok(args.fail_on.is_reached(&analysis))
}

/// Writes line by line what is found; gives nothing where the reader of the lines has enough.
fn follow(
    args: &AnalyzeArgs,
    lang: Lang,
    sources: Vec<Source>,
    options: &pipeline::Options,
    progress: &Progress,
) -> Result<Option<Analysis>, AnalyzeError> {
    let mut out = args.output.stream()?;
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
        match pipeline::follow(sources, options, &reached, &mut tell) {
            Ok(done) => analysis = Some(done),
            Err(pipeline::Error::Stopped) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if let Some(analysis) = &mut analysis {
        written = lines.finish(analysis, &mut out).and_then(|()| out.close());
    }
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(args.output.error(error).into())
        }
        _ => Ok(analysis),
    }
}

fn accounts(args: &AnalyzeArgs) -> Result<Accounts, CredentialsError> {
    let Some(path) = &args.credentials else { return Ok(Accounts::default()) };
    let read = |source| CredentialsError::Read { path: path.clone(), source };
    let text = std::fs::read(path).map_err(read)?;
    Accounts::parse(&text)
        .map_err(|wrong| CredentialsError::Wrong { path: path.clone(), line: wrong.line })
}

#[cfg(feature = "stir")]
fn certificates(args: &AnalyzeArgs) -> Result<Certificates, CertificateError> {
    let mut certificates = Certificates::default();
    for path in &args.stir_cert {
        let read = |source| CertificateError::Read { path: path.clone(), source };
        let bytes = std::fs::read(path).map_err(read)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let wrong = |problem| CertificateError::Wrong { path: path.clone(), problem };
        certificates.add(&name, &bytes).map_err(wrong)?;
    }
    Ok(certificates)
}

#[cfg(not(feature = "stir"))]
fn certificates(_: &AnalyzeArgs) -> Result<Certificates, CertificateError> {
    Ok(Certificates::default())
}

#[cfg(feature = "tls")]
fn keys(args: &AnalyzeArgs) -> Result<KeyLog, KeyLogError> {
    let mut keys = KeyLog::default();
    let Some(path) = &args.keylog else { return Ok(keys) };
    let text =
        std::fs::read(path).map_err(|source| KeyLogError::Read { path: path.clone(), source })?;
    match keys.add(&text, None) {
        0 => Err(KeyLogError::Empty { path: path.clone() }),
        _ => Ok(keys),
    }
}

#[cfg(not(feature = "tls"))]
fn keys(_: &AnalyzeArgs) -> Result<KeyLog, KeyLogError> {
    Ok(KeyLog::default())
}

fn write(args: &AnalyzeArgs, lang: Lang, analysis: &Analysis) -> Result<(), WriteError> {
    args.output.write(|out| match args.format {
        Format::Json | Format::Jsonl => report::json::json(analysis, lang, out),
        Format::Text => report::text::text(analysis, &text_options(args, lang), out),
    })
}

fn text_options(args: &AnalyzeArgs, lang: Lang) -> TextOptions {
    let verbosity = match (args.quiet, args.verbose) {
        (true, _) => Verbosity::Quiet,
        (false, true) => Verbosity::Verbose,
        (false, false) => Verbosity::Normal,
    };
    TextOptions { lang, page: args.output.page(), verbosity }
}

impl FailOn {
    fn is_reached(self, analysis: &Analysis) -> bool {
        let severity = match self {
            Self::Error => Severity::Error,
            Self::Warn => Severity::Warn,
            Self::Info => Severity::Info,
            Self::Never => return false,
        };
        analysis.totals.findings.at_least(severity) > 0
    }
}

/// A bar on standard error, only where that is a terminal.
struct Progress {
    bar: ProgressBar,
}

impl Progress {
    fn new(paths: &[PathBuf]) -> Self {
        if !io::stderr().is_terminal() {
            return Self { bar: ProgressBar::hidden() };
        }
        let sizes = || paths.iter().map(|path| std::fs::metadata(path).map(|about| about.len()));
        let is_plain = paths.iter().all(|path| {
            let name = path.to_string_lossy();
            [".pcap", ".pcapng", ".cap"].iter().any(|end| name.ends_with(end))
        });
        // The bytes counted are those after decompression, so only plain files have a known end.
        let total = sizes().collect::<io::Result<Vec<u64>>>().ok().filter(|_| is_plain);
        let target = ProgressDrawTarget::stderr_with_hz(8);
        let (length, template) = match total {
            Some(sizes) => (Some(sizes.iter().sum()), "{bar:40} {bytes}/{total_bytes} {eta}"),
            None => (None, "{spinner} {bytes} {bytes_per_sec}"),
        };
        let bar = ProgressBar::with_draw_target(length, target);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar }
    }

    fn reached(&self, bytes: u64) {
        self.bar.set_position(bytes);
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
