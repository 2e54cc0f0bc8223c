//! `--sip` and `--sipp`: calls as a script to read, and as scenarios that SIPp plays.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::{ExtractError, Made, Meant};
use crate::analysis::{Analysis, CallSummary, Keep, TranscriptsOf};
use crate::cli::config::Config;
use crate::cli::files::{Plan, Wanted, is_stdout};
use crate::cli::output::OutputArgs;
use crate::limits::{CALLS_MAX, FINDINGS_MAX, TRANSCRIPT_BYTES_PER_SHARD_MAX};
use crate::report::script::{ScriptError, script};
use crate::report::sipp::{SippError, scenarios};

/// Calls as scripts.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct ScriptArgs {
    /// Write the calls to this file as a .sip script, which people can read and change, and which
    /// `analyze` takes; - is standard output
    #[arg(long, value_name = "FILE")]
    sip: Option<PathBuf>,
    /// Write uac.xml and uas.xml to this folder: scenarios with which SIPp plays one call
    #[arg(long, value_name = "DIR")]
    sipp: Option<PathBuf>,
    /// The hop that SIPp plays, where the call goes over several; 1 is the first one
    #[arg(long, value_name = "N", default_value_t = 1, requires = "sipp")]
    hop: usize,
    /// Write the scenario of one side only
    #[arg(long, value_enum, value_name = "SIDE", requires = "sipp")]
    side: Option<SippSide>,
}

/// One side of a hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SippSide {
    /// The side that sends the first request: uac.xml
    A,
    /// The other side: uas.xml
    B,
}

/// Why no script was written; the exit code is 2.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum WriteScriptError {
    /// The calls cannot be a script.
    #[error("could not write a script: {0}")]
    Script(ScriptError),
    /// The call cannot be played.
    #[error("could not write scenarios: {0}")]
    Sipp(#[from] SippError),
    /// Scenarios play one call.
    #[error("could not write scenarios: they play one call, and {calls} are meant")]
    Calls {
        /// How many.
        calls: usize,
    },
}

impl WriteScriptError {
    /// What the user may do, for the line after `hint:`.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Script(ScriptError::TooLarge { .. } | ScriptError::TooLong { .. }) => {
                Some("name fewer calls, with --call or --filter".to_owned())
            }
            Self::Sipp(SippError::NoHop { hops, .. }) => {
                Some(format!("--hop takes numbers from 1 to {hops}"))
            }
            Self::Sipp(SippError::NoRequest) => {
                Some("another hop of the call may have one: --hop 2".to_owned())
            }
            Self::Sipp(SippError::Unsayable { .. }) => {
                Some("--sip writes any message of a call".to_owned())
            }
            Self::Calls { .. } => Some("name one with --call".to_owned()),
            Self::Script(_) | Self::Sipp(SippError::NoMessages { .. }) => None,
        }
    }
}

impl ScriptArgs {
    /// What is written.
    pub(super) fn plan(&self, plan: Plan, force: bool) -> Plan {
        let sides = [(SippSide::A, "uac.xml"), (SippSide::B, "uas.xml")];
        let own = sides.into_iter().filter(|(side, _)| self.is_wanted(*side));
        let folder = self.sipp.as_deref();
        let scenarios = own.filter_map(|(_, name)| folder.map(|folder| folder.join(name)));
        let script = self.sip.clone().filter(|path| !is_stdout(path));
        plan.folder(self.sipp.as_ref(), false)
            .files(script.into_iter().chain(scenarios).map(|path| Wanted::new(&path, force)))
    }

    /// The folder that scenarios go to.
    pub(super) fn folder(&self) -> &Option<PathBuf> {
        &self.sipp
    }

    fn is_wanted(&self, side: SippSide) -> bool {
        self.side.is_none_or(|only| only == side)
    }

    /// A script is asked for.
    pub(super) fn is_asked(&self) -> bool {
        self.sip.is_some() || self.sipp.is_some()
    }
}

/// Writes the scripts that are asked for, all of them or none, and tells their names.
///
/// # Errors
///
/// When the calls cannot be said, or a file cannot be written.
pub(super) fn write(
    meant: &Meant<'_>,
    config: &Config,
    made: &mut Made,
) -> Result<(), ExtractError> {
    let args = &meant.args.script;
    if args.sipp.is_some() && meant.places.len() != 1 {
        return Err(WriteScriptError::Calls { calls: meant.places.len() }.into());
    }
    let analysis = with_messages(meant, config)?;
    let calls: Vec<&CallSummary> =
        meant.places.iter().filter_map(|place| analysis.calls.get(*place)).collect();
    let mut files: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    if let Some(path) = &args.sip {
        let mut text = Vec::new();
        script(&analysis, &calls, meant.lang, &mut text).map_err(WriteScriptError::Script)?;
        files.push((path.clone(), text));
    }
    if let (Some(folder), Some(call)) = (&args.sipp, calls.first()) {
        let pair = scenarios(call, args.hop, meant.lang).map_err(WriteScriptError::Sipp)?;
        let sides = [(SippSide::A, "uac.xml", pair.caller), (SippSide::B, "uas.xml", pair.callee)];
        let wanted = sides.into_iter().filter(|(side, ..)| args.is_wanted(*side));
        files.extend(wanted.map(|(_, name, text)| (folder.join(name), text.into_bytes())));
    }
    for (path, bytes) in files {
        if is_stdout(&path) {
            OutputArgs::default().write(|out| out.write_all(&bytes))?;
            continue;
        }
        made.files.write(&meant.args.wanted(&path), &bytes)?;
        made.names.push(path);
    }
    Ok(())
}

/// The same analysis with the messages of the calls that are meant; there is room for them where
/// there is none for those of all.
fn with_messages(meant: &Meant<'_>, config: &Config) -> Result<Analysis, ExtractError> {
    let calls = meant.places.iter().filter_map(|place| meant.analysis.calls.get(*place));
    let ids: BTreeSet<String> = calls.map(|call| call.call_id.clone()).collect();
    let keep = Keep {
        calls: CALLS_MAX,
        findings: FINDINGS_MAX,
        transcripts: TRANSCRIPT_BYTES_PER_SHARD_MAX,
        transcripts_of: TranscriptsOf::Chosen(Arc::new(ids)),
        ..Keep::default()
    };
    Ok(meant.args.run.judged(meant.args.run.sources()?, config, keep, None)?)
}
