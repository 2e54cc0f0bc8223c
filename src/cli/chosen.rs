//! The calls that a command is about: which ones a user means, and an analysis that has their
//! messages.
//!
//! A small capture is read once with all its messages; a large one is read until it is known which
//! calls are meant, and again for their messages, so that one call of a gigabyte is shown whole.
//! Knows nothing of what is done with the calls.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use crate::analysis::{Analysis, CallSummary, Keep, NotNamed, TranscriptsOf};
use crate::capture::Source;
use crate::cli::config::Config;
use crate::cli::run::{RunArgs, RunError, paths};
use crate::limits::{CALLS_MAX, TRANSCRIPT_BYTES_PER_SHARD_MAX};

/// Bytes of captures that are read once with every message kept: not more than one shard has room
/// for, so that none is dropped unless the capture is compressed.
const SMALL_BYTES: u64 = TRANSCRIPT_BYTES_PER_SHARD_MAX as u64;

/// Captures that an advice names.
const NAMED_MAX: usize = 3;

/// Calls that are meant.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct ChosenArgs {
    /// A call: its number in the list of calls, its Call-ID or a part of that; may be repeated
    #[arg(long = "call", value_name = "CALL")]
    pub(super) calls: Vec<String>,
    /// The other legs of the conversation as well
    #[arg(long)]
    pub(super) with_legs: bool,
}

impl ChosenArgs {
    /// No call is named.
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }
}

/// An analysis that lists every call and has the messages of those that are meant.
#[derive(Debug)]
pub(super) struct Chosen {
    /// The analysis.
    pub(super) analysis: Analysis,
    /// The calls that are meant, as places in its list of calls, in order; never empty.
    pub(super) places: Vec<usize>,
}

impl Chosen {
    /// The calls that are meant.
    pub(super) fn calls(&self) -> impl Iterator<Item = &CallSummary> {
        self.places.iter().filter_map(|place| self.analysis.calls.get(*place))
    }
}

/// Why no call was found; the exit code is 2.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChosenError {
    /// The captures could not be analysed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A name fits no call, or several.
    #[error("{problem}")]
    NotNamed {
        /// What is wrong with the name.
        problem: NotNamed,
        /// The captures as given.
        captures: Vec<PathBuf>,
    },
    /// There is none.
    #[error("found no call: there is no SIP message in the captures")]
    NoSip {
        /// The captures as given.
        captures: Vec<PathBuf>,
    },
    /// Nobody said which.
    #[error("no call is named")]
    Nameless {
        /// The captures as given.
        captures: Vec<PathBuf>,
    },
}

impl ChosenError {
    /// What the user may do, for the line after `hint:`.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Run(error) => error.hint(),
            Self::NotNamed { problem: NotNamed::Several { .. }, captures } => Some(format!(
                "give more of the Call-ID, or the number of the call: `{}` lists them",
                command("calls", captures)
            )),
            Self::NotNamed { captures, .. } | Self::Nameless { captures } => {
                Some(format!("`{}` lists them", command("calls", captures)))
            }
            Self::NoSip { captures } => {
                Some(format!("`{}` tells what is in them", command("analyze", captures)))
            }
        }
    }
}

/// `siptrace calls call.pcap`, as it is typed; `-` cannot be read a second time.
fn command(name: &str, captures: &[PathBuf]) -> String {
    let is_once = captures.iter().any(|path| path.as_os_str() == "-");
    let shown = match captures.len() {
        1..=NAMED_MAX if !is_once => captures.iter().map(|path| quoted(path)).collect(),
        _ => vec!["CAPTURE...".to_owned()],
    };
    format!("siptrace {name} {}", shown.join(" "))
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let is_plain = |c: char| c.is_alphanumeric() || "-_./@%+=:,".contains(c);
    match text.chars().all(is_plain) && !text.is_empty() {
        true => text.into_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// Analyses the captures and finds the calls that are meant; their messages are kept, whatever
/// `keep` says of calls and transcripts.
///
/// # Errors
///
/// When the captures cannot be analysed, or a name fits no call or several.
pub(super) fn chosen(
    run: &RunArgs,
    config: &Config,
    keep: Keep,
    args: &ChosenArgs,
) -> Result<Chosen, ChosenError> {
    chosen_from(run, config, keep, args, SMALL_BYTES)
}

/// The same with so many bytes as a small capture.
fn chosen_from(
    run: &RunArgs,
    config: &Config,
    keep: Keep,
    args: &ChosenArgs,
    small_bytes: u64,
) -> Result<Chosen, ChosenError> {
    let captures = || run.captures.clone();
    if args.is_empty() {
        return Err(ChosenError::Nameless { captures: captures() });
    }
    let sources = run.sources()?;
    let is_once = is_once(&sources);
    let of = match is_once || is_small(&sources, small_bytes) {
        true => TranscriptsOf::All,
        // Whoever gives a whole Call-ID need not wait for a second reading.
        false => TranscriptsOf::Chosen(Arc::new(args.calls.iter().cloned().collect())),
    };
    let analysis = run.judged(sources, config, kept(&keep, of), None)?;
    if analysis.calls.is_empty() {
        return Err(ChosenError::NoSip { captures: captures() });
    }
    let places = places(&analysis, args)
        .map_err(|problem| ChosenError::NotNamed { problem, captures: captures() })?;
    let chosen = Chosen { analysis, places };
    if is_once || chosen.calls().all(|call| !call.transcript.is_empty()) {
        return Ok(chosen);
    }
    let meant: BTreeSet<String> = chosen.calls().map(|call| call.call_id.clone()).collect();
    let of = TranscriptsOf::Chosen(Arc::new(meant.clone()));
    let analysis = run.judged(run.sources()?, config, kept(&keep, of), None)?;
    let is_meant = |call: &CallSummary| meant.contains(&call.call_id);
    let places = analysis.calls.iter().zip(0..).filter(|(call, _)| is_meant(call));
    let places = places.map(|(_, place)| place).collect();
    Ok(Chosen { analysis, places })
}

fn kept(keep: &Keep, transcripts_of: TranscriptsOf) -> Keep {
    Keep {
        calls: CALLS_MAX,
        transcripts: TRANSCRIPT_BYTES_PER_SHARD_MAX,
        transcripts_of,
        ..keep.clone()
    }
}

/// A pipe gives its bytes once, and so does standard input that is led from a file.
fn is_once(sources: &[Source]) -> bool {
    let is_input = |source: &Source| source.describe().path.as_os_str() == OsStr::new("-");
    sources.iter().any(|source| source.is_live() || is_input(source))
}

fn is_small(sources: &[Source], small_bytes: u64) -> bool {
    let sizes = paths(sources).into_iter().map(|path| fs::metadata(path).map(|about| about.len()));
    let sum = sizes.sum::<std::io::Result<u64>>();
    sum.is_ok_and(|bytes| bytes <= small_bytes)
}

/// The calls that are named, with the other legs where they are wanted.
pub(super) fn places(analysis: &Analysis, args: &ChosenArgs) -> Result<Vec<usize>, NotNamed> {
    let mut found = BTreeSet::new();
    for name in &args.calls {
        found.insert(analysis.named(name)?);
    }
    if args.with_legs {
        add_legs(analysis, &mut found);
    }
    Ok(found.into_iter().collect())
}

/// Adds the calls that are linked with one of them, and those that are linked with these.
pub(super) fn add_legs(analysis: &Analysis, found: &mut BTreeSet<usize>) {
    let mut untold: Vec<usize> = found.iter().copied().collect();
    while let Some(call) = untold.pop().and_then(|place| analysis.calls.get(place)) {
        for linked in &call.linked {
            let is_it = |call: &CallSummary| call.call_id == linked.call_id;
            // A leg may be missing from the captures.
            let Some(place) = analysis.calls.iter().position(is_it) else { continue };
            if found.insert(place) {
                untold.push(place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    /// A command that has calls and captures.
    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        run: RunArgs,
        #[command(flatten)]
        chosen: ChosenArgs,
    }

    /// Call-IDs of the calls that are meant, each with the messages that were kept.
    fn found(arguments: &[&str], small_bytes: u64) -> Result<Vec<(String, usize)>, ChosenError> {
        let script = "rules/trying-then-server-failure/fires-behind-two-b2buas.sip";
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(script);
        let path = path.to_string_lossy().into_owned();
        let arguments = ["siptrace", &path].into_iter().chain(arguments.iter().copied());
        let command = Command::try_parse_from(arguments).expect("good arguments");
        let (run, args) = (&command.run, &command.chosen);
        let chosen = chosen_from(run, &Config::default(), Keep::default(), args, small_bytes)?;
        let told = |call: &CallSummary| (call.call_id.clone(), call.transcript.len());
        Ok(chosen.calls().map(told).collect())
    }

    /// The same without the host of Call-IDs.
    fn names(arguments: &[&str], small_bytes: u64) -> Vec<(String, usize)> {
        let found = found(arguments, small_bytes).expect("found");
        let short = |id: String| id.split('@').next().unwrap_or_default().to_owned();
        found.into_iter().map(|(id, messages)| (short(id), messages)).collect()
    }

    #[test]
    fn one_call_is_found_with_its_messages_however_large_the_capture_is() {
        let expected = [("trunk".to_owned(), 4)];
        for name in ["2", "#2", "trunk@script.invalid", "trunk"] {
            for small_bytes in [0, SMALL_BYTES] {
                assert_eq!(names(&["--call", name], small_bytes), expected, "{name}");
            }
        }
    }

    #[test]
    fn several_calls_come_in_order_and_once() {
        let arguments = ["--call", "3", "--call", "office", "--call", "#1"];
        let found = names(&arguments, 0);
        let found: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(found, ["office", "carrier"]);
    }

    #[test]
    fn legs_are_found_through_other_legs() {
        for small_bytes in [0, SMALL_BYTES] {
            let found = names(&["--call", "1", "--with-legs"], small_bytes);
            assert!(found.iter().all(|(_, messages)| *messages > 0), "{found:?}");
            let found: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(found, ["office", "trunk", "carrier"]);
        }
    }

    #[test]
    fn what_is_meant_by_no_name_is_said() {
        let error = |arguments: &[&str]| {
            let error = found(arguments, SMALL_BYTES).expect_err("not found");
            (error.to_string(), error.hint().unwrap_or_default())
        };
        assert_eq!(error(&[]).0, "no call is named");
        let (problem, hint) = error(&["--call", "9"]);
        assert_eq!(problem, "found no call number 9: there are 3");
        assert!(hint.starts_with("`siptrace calls ") && hint.ends_with("` lists them"), "{hint}");
        let (problem, hint) = error(&["--call", "script.invalid"]);
        assert!(problem.starts_with("3 calls have \"script.invalid\""), "{problem}");
        assert!(hint.starts_with("give more of the Call-ID"), "{hint}");
    }

    #[test]
    fn an_advice_can_be_typed() {
        let named =
            |names: &[&str]| command("calls", &names.iter().map(PathBuf::from).collect::<Vec<_>>());
        assert_eq!(named(&["a.pcap", "b c.pcap"]), "siptrace calls a.pcap 'b c.pcap'");
        assert_eq!(named(&["it's"]), r"siptrace calls 'it'\''s'");
        assert_eq!(named(&["-"]), "siptrace calls CAPTURE...");
        assert_eq!(named(&["a", "b", "c", "d"]), "siptrace calls CAPTURE...");
    }
}
