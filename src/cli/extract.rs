//! `siptrace extract`: what is inside a capture, as files of its own.
//!
//! Which calls are meant and where they go; each kind of file has a module.

mod audio;
mod frames;
mod script;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};

use crate::analysis::filter::Filter;
use crate::analysis::{Analysis, Keep, NotNamed};
use crate::capture;
use crate::catalogue::Lang;
use crate::cli::chosen::{self, ChosenArgs};
use crate::cli::config::Config;
use crate::cli::files::{Files, Plan, Wanted, WriteError, is_stdout};
use crate::cli::output::name_written;
use crate::cli::run::{RunArgs, RunError};
use crate::finding::Finding;
use crate::limits::{CALLS_MAX, FINDINGS_MAX, TRANSCRIPT_BYTES_PER_SHARD_MAX};
use crate::pipeline;

use script::{ScriptArgs, WriteScriptError};

/// Characters of a Call-ID in the name of a file.
const NAME_CHARS_MAX: usize = 80;

/// Write what is inside a capture to files of its own: calls with their media, sound
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("outputs").required(true).multiple(true).args([
        "output", "split", "sip", "sipp", "audio",
    ]),
    mut_arg("captures", |captures| captures.help(
        "Captures, as `analyze` takes them; they are read several times, so standard input is none"
    )),
    mut_arg("no_media", |media| media.help(
        "Leave media out: RTP, RTCP and what else their ports carry"
    )),
    mut_arg("hosts", |hosts| hosts.help(
        "Names of hosts that --filter may use: lines of an address and a name, as in /etc/hosts; \
         goes before `[hosts]` of siptrace.toml"
    )),
    after_help = "\
A capture of chosen calls has their messages, RTP and RTCP, and ICMP errors about them, as they were
captured, and nothing of other calls: in a TCP segment, bytes of others become line ends. Messages
that were encrypted, compressed or inside WebSocket stand alone, as Wireshark exports them. Comments
tell what was found. Without --call and --filter, all calls are meant. All files are written, or
none.

Examples:
  siptrace extract -o call.pcapng --call 3 trunk.pcap
  siptrace extract -o failed.pcapng --filter 'status = 5xx' --with-legs trunk.pcap
  siptrace extract --split calls trunk.pcap
  siptrace extract -o - --call 3 trunk.pcap | wireshark -k -i -
  siptrace extract --sip call.sip --call 3 trunk.pcap
  siptrace extract --sipp replay --call 3 --hop 2 trunk.pcap
  siptrace extract --audio sound call.pcap

Exit codes:
  0  at least one file was written
  2  wrong usage, input missing or unreadable, nothing to write"
)]
pub(super) struct ExtractArgs {
    #[command(flatten)]
    pub(super) run: RunArgs,
    #[command(flatten)]
    chosen: ChosenArgs,
    /// Calls that fit an expression, such as 'status = 5xx and pdd > 3s'; see docs/filters.md
    #[arg(long, value_name = "EXPR")]
    filter: Option<String>,
    /// Write the calls to this pcapng file; - is standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write each call to a pcapng file of its own in this folder, which must be empty or new
    #[arg(long, value_name = "DIR")]
    split: Option<PathBuf>,
    /// Write each RTP stream of G.711 or G.722 to this folder as WAV, named by call, side and SSRC;
    /// the folder must be empty or new
    #[arg(long, value_name = "DIR")]
    audio: Option<PathBuf>,
    #[command(flatten)]
    script: ScriptArgs,
    /// Replace files that are there already, and write to folders that are not empty
    #[arg(long)]
    force: bool,
    /// Language of comments: en, fr, ja or pt [default: from siptrace.toml, LC_ALL, LC_MESSAGES,
    /// LANG]
    #[arg(long, value_name = "LANG")]
    lang: Option<Lang>,
}

/// Why nothing was written; the exit code is 2.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExtractError {
    /// The captures could not be analysed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// An input could not be opened.
    #[error(transparent)]
    Capture(#[from] capture::Error),
    /// An input could not be read on.
    #[error(transparent)]
    Pipeline(#[from] pipeline::Error),
    /// Standard input, or a pipe, cannot be read twice.
    #[error("could not read {input} twice")]
    Pipe {
        /// What was to be read.
        input: String,
    },
    /// A name fits no call, or several.
    #[error(transparent)]
    NotNamed(#[from] NotNamed),
    /// The expression cannot be used.
    #[error("could not use the filter: {problem}")]
    Filter {
        /// What is wrong with it.
        problem: String,
        /// What the user may do.
        hint: Option<String>,
    },
    /// No call fits.
    #[error("found no call to write")]
    NoCall,
    /// There is no sound that could be written.
    #[error("found no RTP stream of G.711 or G.722")]
    NoSound,
    /// A capture is nothing for a terminal.
    #[error("could not write a capture to the terminal")]
    Terminal,
    /// No script was written.
    #[error(transparent)]
    Script(#[from] WriteScriptError),
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl ExtractError {
    /// What the user may do, for the line after `hint:`.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Run(error) => error.hint(),
            Self::Capture(error) | Self::Pipeline(pipeline::Error::Capture(error)) => error.hint(),
            Self::Pipe { .. } => Some("write it to a file first".to_owned()),
            Self::NotNamed(_) => Some("`siptrace calls` lists the calls".to_owned()),
            Self::Filter { hint, .. } => hint.clone(),
            Self::NoCall => Some("`siptrace analyze` tells what is in the captures".to_owned()),
            Self::NoSound => {
                Some("`siptrace analyze --format json` lists the streams with codecs".to_owned())
            }
            Self::Script(error) => error.hint(),
            Self::Terminal => Some("name a file with -o, or lead it into a program".to_owned()),
            Self::Write(error) => error.hint(),
            Self::Pipeline(_) => None,
        }
    }
}

/// Calls and where they come from.
struct Meant<'a> {
    args: &'a ExtractArgs,
    analysis: Analysis,
    /// The calls that are meant, as places in the list of calls, in order.
    places: Vec<usize>,
    lang: Lang,
}

/// Runs the command.
///
/// # Errors
///
/// When the captures could not be read, or nothing was written.
pub(super) fn extract(args: &ExtractArgs, config: &Config) -> Result<(), ExtractError> {
    readable_twice(args)?;
    let meant = meant(args, config)?;
    let mut made = Made::default();
    for folder in [&args.split, args.script.folder(), &args.audio].into_iter().flatten() {
        made.files.folder(folder)?;
    }
    if let Some(path) = &args.output {
        frames::together(&meant, path, &mut made)?;
    }
    if let Some(folder) = &args.split {
        frames::apart(&meant, folder, &mut made)?;
    }
    if args.script.is_asked() {
        script::write(&meant, config, &mut made)?;
    }
    if let Some(folder) = &args.audio {
        audio::write(&meant, folder, &mut made)?;
    }
    made.files.put_in_place()?;
    made.names.iter().for_each(|path| name_written(path));
    Ok(())
}

/// What is written so far: files that get their names in the end, all or none.
#[derive(Debug, Default)]
struct Made {
    files: Files,
    /// Their names, to be told.
    names: Vec<PathBuf>,
}

impl ExtractArgs {
    /// What is written.
    pub(super) fn plan(&self, plan: Plan) -> Plan {
        let plan = plan.file(self.output.as_ref().filter(|path| !is_stdout(path)), self.force);
        let plan = plan.folder(self.split.as_ref(), !self.force);
        self.script.plan(plan, self.force).folder(self.audio.as_ref(), !self.force)
    }

    /// A file of that name.
    fn wanted(&self, path: &Path) -> Wanted {
        Wanted::new(path, self.force)
    }
}

fn readable_twice(args: &ExtractArgs) -> Result<(), ExtractError> {
    let name = |path: &Path| match path.as_os_str() == "-" {
        true => "standard input".to_owned(),
        false => format!("\"{}\"", path.display()),
    };
    if args.run.captures.iter().any(|path| path.as_os_str() == "-") {
        return Err(ExtractError::Pipe { input: name(Path::new("-")) });
    }
    match args.run.sources()?.iter().find(|source| source.is_live()) {
        Some(source) => Err(ExtractError::Pipe { input: name(&source.describe().path) }),
        None => Ok(()),
    }
}

/// Finds the calls that are meant.
fn meant<'a>(args: &'a ExtractArgs, config: &Config) -> Result<Meant<'a>, ExtractError> {
    let filter = args.filter.as_deref().map(str::parse::<Filter>).transpose();
    let filter = filter.map_err(|error| ExtractError::Filter {
        problem: error.to_string(),
        hint: error.hint().map(str::to_owned),
    })?;
    let needs_messages = filter.as_ref().is_some_and(Filter::needs_messages);
    let keep = Keep {
        calls: CALLS_MAX,
        findings: FINDINGS_MAX,
        transcripts: if needs_messages { TRANSCRIPT_BYTES_PER_SHARD_MAX } else { 0 },
        ..Keep::default()
    };
    let analysis = args.run.judged(args.run.sources()?, config, keep, None)?;
    let places = match filter {
        None if args.chosen.is_empty() => (0..analysis.calls.len()).collect(),
        None => chosen::places(&analysis, &args.chosen)?,
        Some(filter) => {
            let mut found = fitting(&analysis, &filter);
            if !args.chosen.is_empty() {
                let named = chosen::places(&analysis, &args.chosen)?;
                found.extend(named);
            }
            if args.chosen.with_legs {
                chosen::add_legs(&analysis, &mut found);
            }
            found.into_iter().collect()
        }
    };
    let is_sound_alone = args.output.is_none() && args.split.is_none() && !args.script.is_asked();
    match places.is_empty() && !(is_sound_alone && analysis.calls.is_empty()) {
        true => Err(ExtractError::NoCall),
        false => {
            let lang = crate::cli::output::lang(args.lang, config);
            Ok(Meant { args, analysis, places, lang })
        }
    }
}

/// The calls that fit an expression.
fn fitting(analysis: &Analysis, filter: &Filter) -> BTreeSet<usize> {
    let mut findings: std::collections::HashMap<&str, Vec<&Finding>> = Default::default();
    for finding in &analysis.findings {
        if let Some(call) = finding.call_id.as_deref() {
            findings.entry(call).or_default().push(finding);
        }
    }
    let fits = |place: &usize| {
        analysis.calls.get(*place).is_some_and(|call| {
            let own = findings.get(call.call_id.as_str()).map(Vec::as_slice).unwrap_or_default();
            filter.matches(call, own, &analysis.hosts)
        })
    };
    (0..analysis.calls.len()).filter(fits).collect()
}

/// A part of a name of a file that leads nowhere else.
fn file_name(call: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_@".contains(c);
    let safe = |c: char| if is_plain(c) { c } else { '_' };
    call.chars().take(NAME_CHARS_MAX).map(safe).collect()
}
