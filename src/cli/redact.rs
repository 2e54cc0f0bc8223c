//! `siptrace redact`: a capture that can be handed on, without personal data.

use std::fs;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::bytes::printable_str;
use crate::capture;
use crate::catalogue::{Lang, labels};
use crate::cli::config::Config;
use crate::cli::files::{Files, Plan, Wanted, WriteError, is_enough};
use crate::cli::output::{self, OutputArgs, Stream};
use crate::cli::run::Progress;
use crate::pipeline::{self, Event};
use crate::report::pcapng::{Pcapng, Record};
use crate::report::redact::{Counts, Key, Redacted, Redactor, Sent, Table};
use crate::transport::KeyLog;

/// Write a capture without personal data, which gives the same findings
#[derive(Debug, Args)]
#[command(after_help = "\
Numbers, names, hosts, addresses, digests and keys become pseudonyms of the same length, the same
for the same in the whole run; media become zeros, and what is not understood goes. Frames, times,
ports, lengths and what the protocols say stay, so the findings do.

Examples:
  siptrace redact call.pcap -o clean.pcapng
  siptrace redact monday.pcap --key secret.txt -o monday-clean.pcapng
  siptrace redact call.pcap -o clean.pcapng --map pseudonyms.tsv --keep-prefix 2

Exit codes:
  0  written
  2  wrong usage, input missing or unreadable, nothing written")]
pub(super) struct RedactArgs {
    /// Captures, as `analyze` takes them; they are read twice, so standard input is none
    #[arg(value_name = "CAPTURE", required = true)]
    captures: Vec<PathBuf>,
    /// The pcapng file to write, whole or not at all; - is standard output
    #[arg(short, long, value_name = "FILE", required = true)]
    output: PathBuf,
    /// Replace files that are there already
    #[arg(long)]
    force: bool,
    /// A file whose content is the secret of the pseudonyms: runs that have it give the same ones.
    /// Without it they are different in each run, and nobody can tell the originals
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Digits behind the country code that numbers keep, such as those of an area
    #[arg(long, value_name = "N", default_value_t = 0,
        value_parser = clap::value_parser!(u8).range(0..=8))]
    keep_prefix: u8,
    /// Write what stands for what to this file, for you alone: it gives away every name
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// Do not say how much was replaced
    #[arg(short, long)]
    quiet: bool,
    /// Language: en, fr, ja or pt [default: from siptrace.toml, LC_ALL, LC_MESSAGES, LANG]
    #[arg(long, value_name = "LANG")]
    lang: Option<Lang>,
}

/// Why nothing was written; the exit code is 2.
#[derive(Debug, thiserror::Error)]
pub(super) enum RedactError {
    /// An input could not be opened.
    #[error(transparent)]
    Capture(#[from] capture::Error),
    /// An input could not be read on.
    #[error(transparent)]
    Pipeline(#[from] pipeline::Error),
    /// Standard input cannot be read twice.
    #[error("could not read standard input twice")]
    Pipe,
    /// The key could not be read.
    #[error("could not read the key {path:?}")]
    Key {
        /// The path as given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The key is too easy to guess.
    #[error("could not use the key {0:?}: it has less than {KEY_BYTES_MIN} bytes")]
    ShortKey(PathBuf),
    /// The system has no randomness.
    #[error("could not make a key")]
    Random(#[source] io::Error),
    /// There is no frame in the captures.
    #[error("found no frame")]
    Nothing,
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl RedactError {
    /// What the user may do, for the line after `hint:`.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Capture(error) | Self::Pipeline(pipeline::Error::Capture(error)) => error.hint(),
            Self::Pipe => Some("write it to a file first".to_owned()),
            Self::ShortKey(_) | Self::Key { .. } => {
                Some("`head -c 32 /dev/urandom > FILE` makes one".to_owned())
            }
            Self::Write(error) => error.hint(),
            Self::Pipeline(_) | Self::Random(_) | Self::Nothing => None,
        }
    }
}

/// Numbers are soon tried with all keys that are shorter.
const KEY_BYTES_MIN: usize = 8;

/// Runs the command.
///
/// # Errors
///
/// When the captures could not be read, or nothing was written.
pub(super) fn redact(args: &RedactArgs, config: &Config) -> Result<(), RedactError> {
    if args.captures.iter().any(|path| path == Path::new("-")) {
        return Err(RedactError::Pipe);
    }
    let mut redactor = Redactor::new(key(args)?, args.keep_prefix.into(), args.map.is_some());
    let lang = output::lang(args.lang, config);
    let progress = Progress::new(&args.captures);
    learn(args, &mut redactor, &progress)?;
    redactor.begin();
    let mut files = Files::default();
    write(args, &mut redactor, labels(lang).get("redact-comment"), &progress, &mut files)?;
    progress.finish();
    if let (Some(wanted), Some(table)) = (args.wanted_map(), redactor.table()) {
        files.write(&wanted, map(table).as_bytes())?;
    }
    files.put_in_place()?;
    if !args.quiet {
        // Whoever closes the pipe has read enough.
        let _ = io::stderr().write_all(report(&redactor, lang).as_bytes());
    }
    Ok(())
}

impl RedactArgs {
    /// What is written and what is read.
    pub(super) fn plan(&self, plan: Plan) -> Plan {
        let plan = plan.captures(&self.captures).inputs(&self.key);
        plan.files(self.output().wanted()).files(self.wanted_map())
    }

    /// Where the capture goes.
    fn output(&self) -> OutputArgs {
        let output = Some(self.output.clone());
        OutputArgs { output, force: self.force, ..OutputArgs::default() }
    }

    /// The file of pseudonyms, for the eyes of the owner alone.
    fn wanted_map(&self) -> Option<Wanted> {
        let path = self.map.as_deref()?;
        Some(Wanted { is_private: true, ..Wanted::new(path, self.force) })
    }
}

fn key(args: &RedactArgs) -> Result<Key, RedactError> {
    let Some(path) = &args.key else { return Key::random().map_err(RedactError::Random) };
    let read = |source| RedactError::Key { path: path.clone(), source };
    let secret = fs::read(path).map_err(read)?;
    match secret.trim_ascii().len() {
        0..KEY_BYTES_MIN => Err(RedactError::ShortKey(path.clone())),
        _ => Ok(Key::of(&secret)),
    }
}

/// Tells the redactor of a message of a stream.
fn learn_message(redactor: &mut Redactor, message: &pipeline::Origin<'_>) {
    if message.connection.is_some() && !message.pieces.is_empty() {
        redactor.learn(&Sent {
            number: message.message,
            frame: message.frame,
            ends: (message.source, message.destination),
            transport: message.transport,
            bytes: message.bytes,
            pieces: &message.pieces,
            unit: &message.unit,
            mask: message.mask,
        });
    }
}

/// The first pass: what lies in several frames.
fn learn(
    args: &RedactArgs,
    redactor: &mut Redactor,
    progress: &Progress,
) -> Result<(), RedactError> {
    let sources = capture::open(&args.captures)?;
    let reached = |bytes| progress.reached(bytes / 2);
    pipeline::origins(sources, &KeyLog::default(), &reached, &mut |event| {
        match event {
            Event::Message(message) => learn_message(redactor, &message),
            Event::Again { message, pieces } => redactor.learn_again(message, &pieces),
            Event::Packet(seen) => {
                if let Some(whole) = seen.whole {
                    redactor.learn_whole(whole);
                }
            }
        }
        ControlFlow::Continue(())
    })?;
    Ok(())
}

/// The second pass: every frame.
fn write(
    args: &RedactArgs,
    redactor: &mut Redactor,
    comment: &str,
    progress: &Progress,
    files: &mut Files,
) -> Result<(), RedactError> {
    let sources = capture::open(&args.captures)?;
    let to = args.output();
    let failed = |source| RedactError::Write(to.error(source));
    let mut file = Pcapng::new(to.stream()?, comment).map_err(failed)?;
    let half = bytes_of(&args.captures) / 2;
    let reached = |bytes| progress.reached(half + bytes / 2);
    let (mut failure, mut frames) = (None, 0_u64);
    let read = pipeline::origins(sources, &KeyLog::default(), &reached, &mut |event| {
        let seen = match event {
            Event::Message(message) => {
                learn_message(redactor, &message);
                return ControlFlow::Continue(());
            }
            Event::Packet(seen) if seen.whole.is_none() => seen,
            Event::Packet(_) | Event::Again { .. } => return ControlFlow::Continue(()),
        };
        let clean = redactor.frame(&seen.frame, &seen.packet);
        frames += 1;
        let written = write_frame(&mut file, &seen, &clean);
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(source) => {
                failure = Some(source);
                ControlFlow::Break(())
            }
        }
    });
    if let Some(source) = failure {
        return if is_enough(&source) { Ok(()) } else { Err(failed(source)) };
    }
    read?;
    if frames == 0 {
        return Err(RedactError::Nothing);
    }
    match file.finish().and_then(|out| out.close(files)) {
        Err(error) if !is_enough(&error) => Err(failed(error)),
        _ => Ok(()),
    }
}

fn write_frame(
    file: &mut Pcapng<Stream>,
    seen: &pipeline::Seen<'_>,
    clean: &Redacted,
) -> io::Result<()> {
    // Names of interfaces may be those of a machine.
    let interface = file.interface((seen.frame.id.capture, 0), clean.link, None)?;
    file.write(&Record {
        interface,
        time: seen.frame.time,
        data: &clean.data,
        original_length: clean.original_length,
        comments: &[],
    })
}

/// Bytes of the captures, as far as they are known before they are read.
fn bytes_of(captures: &[PathBuf]) -> u64 {
    let sizes = captures.iter().filter_map(|path| fs::metadata(path).ok());
    sizes.map(|about| about.len()).sum()
}

/// Lines of an original, a tab and its pseudonym.
fn map(table: &Table) -> String {
    let mut text = String::new();
    for (original, other) in table {
        let (original, other) = (printable_str(original), printable_str(other));
        text.push_str(&format!("{original}\t{other}\n"));
    }
    text
}

/// How much was replaced, a line each.
fn report(redactor: &Redactor, lang: Lang) -> String {
    let words = labels(lang);
    let Counts { messages, addresses, numbers, words: names, secrets, blanked } = redactor.counts();
    let lines = [
        ("redact-messages", messages),
        ("redact-addresses", addresses),
        ("redact-numbers", numbers),
        ("redact-names", names),
        ("redact-secrets", secrets),
        ("redact-blanked", blanked),
        ("redact-dropped", redactor.dropped()),
    ];
    let told = lines.iter().filter(|(key, count)| *count > 0 || *key == "redact-messages");
    let mut text = String::new();
    for (key, count) in told {
        text.push_str(&words.fill(key, &[("count", &words.count(*count))]));
        text.push('\n');
    }
    text.push_str(words.get("redact-look"));
    text.push('\n');
    text
}
