//! `siptrace show`: one call as a ladder.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, ValueEnum};

use crate::analysis::flow::{FlowOptions, PartiesBy};
use crate::analysis::{Analysis, CallSummary, Host, Keep};
use crate::capture::FrameId;
use crate::cli::chosen::{Chosen, ChosenArgs, ChosenError, chosen};
use crate::cli::config::Config;
use crate::cli::output::{OutputArgs, WriteError};
use crate::cli::run::RunArgs;
use crate::limits::FINDINGS_MAX;
use crate::report;
use crate::report::index::name_of;
use crate::report::show::{Raw, ShowOptions, Times};

/// Frames or hosts that an advice names.
const NAMED_MAX: usize = 8;

/// Show one call as a ladder: who sent what when, SDP, RTP, and the findings where they belong
#[derive(Debug, Args)]
#[command(
    override_usage = "siptrace show [OPTIONS] <CALL> <CAPTURE>...",
    after_help = "\
Messages that were sent again are folded into the first one. `[1]` before a row is the first of the
findings that are told below the ladder.

Examples:
  siptrace show 3 call.pcap
  siptrace show 7f3a@192.0.2.10 ring-*.pcapng.gz --with-legs
  siptrace show 3 call.pcap --raw --color always | less -R
  siptrace show 3 call.pcap --raw=12,18 --times absolute,delta
  siptrace show 3 call.pcap --hosts hosts.txt --hide monitor
  siptrace show 3 call.pcap --format json -o call.json

Exit codes:
  0  the call was shown
  2  wrong usage, input missing or unreadable, no such call"
)]
pub(super) struct ShowArgs {
    /// The call: its number in the list of calls, its Call-ID or a part of that
    #[arg(value_name = "CALL")]
    call: String,
    #[command(flatten)]
    pub(super) run: RunArgs,
    /// The other legs of the conversation in the same ladder
    #[arg(long)]
    with_legs: bool,
    /// What has a column: a host, unless it talks to itself (need); a host or all addresses of one
    /// name (host); an address and port (endpoint)
    #[arg(long, value_enum, value_name = "WHAT", default_value_t)]
    parties: PartiesChoice,
    /// A host that is left out, by address or by its name of --hosts, with what it sends and
    /// receives; may be repeated or separated by commas
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    hide: Vec<String>,
    /// The times before each row, in order: since the first row (relative), by the clock
    /// (absolute), since the row before (delta) [default: relative]
    #[arg(long, value_enum, value_name = "TIMES", value_delimiter = ',')]
    times: Vec<TimesChoice>,
    /// Messages in full below their rows: all, or those of the frames after the =
    #[arg(
        long, value_name = "FRAMES", num_args = 0..=1, require_equals = true,
        value_delimiter = ','
    )]
    raw: Option<Vec<FrameName>>,
    /// Leave out what session descriptions say
    #[arg(long)]
    no_sdp: bool,
    /// A row for each message, those that were sent again as well
    #[arg(long)]
    all_retransmissions: bool,
    /// Format of the output
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

/// The formats of the ladder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a person
    #[default]
    Text,
    /// For a machine; the names of the fields are a contract
    Json,
}

/// What is one party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum PartiesChoice {
    #[default]
    Need,
    Host,
    Endpoint,
}

/// A time before a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TimesChoice {
    Relative,
    Absolute,
    Delta,
}

/// A frame as reports name it: `12`, `#12`, `2#12` of the second capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FrameName {
    /// The place of the capture, 0 for the first; any if it is not given.
    capture: Option<u16>,
    number: u64,
}

impl FromStr for FrameName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "a frame such as 12, or 2#12 of the second capture";
        let (capture, number) = text.split_once('#').unwrap_or(("", text));
        let capture = match capture {
            "" => None,
            place => {
                let place = place.parse::<u16>().ok().and_then(|place| place.checked_sub(1));
                Some(place.ok_or(WRONG)?)
            }
        };
        Ok(Self { capture, number: number.parse().map_err(|_| WRONG)? })
    }
}

impl fmt::Display for FrameName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.capture {
            Some(capture) => write!(f, "{}#{}", u32::from(capture) + 1, self.number),
            None => write!(f, "#{}", self.number),
        }
    }
}

impl FrameName {
    fn is(self, frame: FrameId) -> bool {
        self.number == frame.number && self.capture.is_none_or(|own| own == frame.capture)
    }
}

/// Why nothing was shown; the exit code is 2.
#[derive(Debug, thiserror::Error)]
pub(super) enum ShowError {
    /// The call could not be found.
    #[error(transparent)]
    Chosen(#[from] ChosenError),
    /// The capture stands where the call belongs.
    #[error("found no capture \"{given}\"; \"{call}\" was taken for the call")]
    Order {
        /// What stands first.
        call: String,
        /// What stands second.
        given: String,
    },
    /// A frame was given to --raw with a space before it.
    #[error("found no capture \"{given}\"")]
    Space {
        /// What was given.
        given: String,
    },
    /// A host that is to be left out takes no part.
    #[error("found no host \"{name}\" in the call")]
    Host {
        /// What the user wrote.
        name: String,
        /// The hosts that take part.
        known: Vec<String>,
    },
    /// A frame that is to be shown is no message of the call.
    #[error("frame {name} is no message of the call")]
    Frame {
        /// What the user wrote.
        name: String,
        /// The first frames of the call.
        known: Vec<String>,
    },
    /// The output could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl ShowError {
    /// What the user may do, for the line after `hint:`.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Chosen(error) => error.hint(),
            Self::Order { call, given } => {
                Some(format!("the call comes first: `siptrace show {given} {call}`"))
            }
            Self::Space { given } => Some(format!("frames follow an equals sign: `--raw={given}`")),
            Self::Host { known, .. } => Some(format!("its hosts are {}", known.join(", "))),
            Self::Frame { known, .. } => Some(format!("its frames are {}", known.join(", "))),
            Self::Write(error) => error.hint(),
        }
    }
}

/// Runs the command.
///
/// # Errors
///
/// When the call cannot be found, or the output could not be written.
pub(super) fn show(args: &ShowArgs, config: &Config) -> Result<(), ShowError> {
    check_order(args)?;
    let keep = Keep { findings: FINDINGS_MAX, ..Keep::default() };
    let wanted = ChosenArgs { calls: vec![args.call.clone()], with_legs: args.with_legs };
    let chosen = chosen(&args.run, config, keep, &wanted)?;
    let calls: Vec<&CallSummary> = chosen.calls().collect();
    let options = ShowOptions {
        flow: FlowOptions {
            parties: args.parties.into(),
            hidden: hidden(&args.hide, &calls, &chosen.analysis)?,
            unfolded: args.all_retransmissions,
            ..FlowOptions::default()
        },
        times: args.times.iter().copied().map(Times::from).collect(),
        raw: raw(args.raw.as_deref(), &calls, &chosen.analysis)?,
        without_sdp: args.no_sdp,
    };
    let lang = args.output.lang(config);
    let Chosen { analysis, places } = &chosen;
    args.output.write(|out| match args.format {
        Format::Text => {
            let page = (lang, args.output.page());
            report::text::show(analysis, places, &options, page, out)
        }
        Format::Json => report::show::json(analysis, places, &options, lang, out),
    })?;
    Ok(())
}

/// Who mixes up what stands where is told so, rather than that a number is no file.
fn check_order(args: &ShowArgs) -> Result<(), ShowError> {
    let is_frame =
        |path: &&PathBuf| path.to_string_lossy().parse::<FrameName>().is_ok() && !path.exists();
    if args.raw.as_ref().is_some_and(Vec::is_empty)
        && let Some(given) = args.run.captures.iter().find(is_frame)
    {
        return Err(ShowError::Space { given: given.display().to_string() });
    }
    match args.run.captures.as_slice() {
        [given] if Path::new(&args.call).is_file() && !given.exists() => {
            Err(ShowError::Order { call: args.call.clone(), given: given.display().to_string() })
        }
        _ => Ok(()),
    }
}

/// The hosts that are left out; each must take part in the calls.
fn hidden(
    names: &[String],
    calls: &[&CallSummary],
    analysis: &Analysis,
) -> Result<Vec<Host>, ShowError> {
    let known = report::show::hosts(calls);
    let mut hidden = Vec::new();
    for name in names {
        let before = hidden.len();
        let address = name.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        let is_meant = |host: &&Host| {
            address == Some(**host) || analysis.hosts.get(*host).is_some_and(|own| own == name)
        };
        hidden.extend(known.iter().filter(is_meant).copied());
        if hidden.len() == before {
            let known = known.iter().take(NAMED_MAX).map(|host| match analysis.hosts.get(host) {
                Some(name) => format!("{name} ({host})"),
                None => host.to_string(),
            });
            return Err(ShowError::Host { name: name.clone(), known: known.collect() });
        }
    }
    Ok(hidden)
}

/// The messages that are shown in full; each frame must be one of the calls.
fn raw(
    frames: Option<&[FrameName]>,
    calls: &[&CallSummary],
    analysis: &Analysis,
) -> Result<Raw, ShowError> {
    let frames = match frames {
        None => return Ok(Raw::None),
        Some([]) => return Ok(Raw::All),
        Some(frames) => frames,
    };
    let steps = || calls.iter().flat_map(|call| &call.transcript);
    let mut found = BTreeSet::new();
    for name in frames {
        let before = found.len();
        found.extend(steps().map(|step| step.frame).filter(|frame| name.is(*frame)));
        if found.len() == before && !found.iter().any(|frame| name.is(*frame)) {
            let mut known: Vec<String> =
                steps().take(NAMED_MAX).map(|step| name_of(step.frame, analysis)).collect();
            if steps().count() > NAMED_MAX {
                known.push("…".to_owned());
            }
            return Err(ShowError::Frame { name: name.to_string(), known });
        }
    }
    Ok(Raw::Frames(found))
}

impl From<PartiesChoice> for PartiesBy {
    fn from(choice: PartiesChoice) -> Self {
        match choice {
            PartiesChoice::Need => Self::Need,
            PartiesChoice::Host => Self::Host,
            PartiesChoice::Endpoint => Self::Endpoint,
        }
    }
}

impl From<TimesChoice> for Times {
    fn from(choice: TimesChoice) -> Self {
        match choice {
            TimesChoice::Relative => Self::Relative,
            TimesChoice::Absolute => Self::Absolute,
            TimesChoice::Delta => Self::Delta,
        }
    }
}
