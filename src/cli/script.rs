//! `siptrace extract --sip` and `--sipp`: calls as a script to read, and as scenarios that SIPp
//! plays.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::analysis::{CallSummary, Keep};
use crate::catalogue::Lang;
use crate::cli::chosen::{Chosen, ChosenArgs, ChosenError, chosen};
use crate::cli::config::Config;
use crate::cli::output::{OutputArgs, WriteError, failed, lang, write_file};
use crate::cli::run::RunArgs;
use crate::limits::FINDINGS_MAX;
use crate::report::script::{ScriptError, script};
use crate::report::sipp::{SippError, scenarios};

/// Calls as scripts.
#[derive(Clone, Debug, Args)]
pub(super) struct ScriptArgs {
    /// Write the calls to this file as a .sip script, which people can read and change, and which
    /// `analyze` takes; - is standard output
    #[arg(long, value_name = "FILE", requires = "calls", conflicts_with = "filter")]
    sip: Option<PathBuf>,
    /// Write uac.xml and uas.xml to this folder: scenarios with which SIPp plays the call
    #[arg(long, value_name = "DIR", requires = "calls", conflicts_with = "filter")]
    sipp: Option<PathBuf>,
    /// The hop that SIPp plays, where the call goes over several: 1 is the first one
    #[arg(long, value_name = "N", default_value_t = 1, requires = "sipp")]
    hop: usize,
    /// Write one of the scenarios only
    #[arg(long, value_enum, value_name = "SIDE", requires = "sipp")]
    side: Option<SippSide>,
    /// Replace files that are there
    #[arg(long)]
    pub(super) force: bool,
    /// Language of comments: en, fr, ja or pt [default: from siptrace.toml, LC_ALL, LC_MESSAGES,
    /// LANG]
    #[arg(long, value_name = "LANG")]
    pub(super) lang: Option<Lang>,
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
pub(super) enum WriteScriptError {
    /// The call was not found.
    #[error(transparent)]
    Chosen(#[from] ChosenError),
    /// The calls cannot be a script.
    #[error("could not write a script: {0}")]
    Script(ScriptError),
    /// The call cannot be played.
    #[error("could not write scenarios: {0}")]
    Sipp(#[from] SippError),
    /// A scenario plays one call.
    #[error("could not write scenarios: they play one call, and {calls} are named")]
    Calls {
        /// How many.
        calls: usize,
    },
    /// The file is there.
    #[error("could not write \"{}\": it is there already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl WriteScriptError {
    /// What the user may do, for the line after `hint:`.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Chosen(error) => error.hint(),
            Self::Script(ScriptError::TooLarge { .. } | ScriptError::TooLong { .. }) => {
                Some("name fewer calls".to_owned())
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
            Self::Calls { .. } => Some("give --call once".to_owned()),
            Self::Exists { .. } => Some("--force replaces it".to_owned()),
            Self::Script(_) | Self::Sipp(_) | Self::Write(_) => None,
        }
    }
}

impl ScriptArgs {
    /// A script is asked for.
    pub(super) fn is_asked(&self) -> bool {
        self.sip.is_some() || self.sipp.is_some()
    }
}

/// Writes the scripts that are asked for, all of them or none, and tells their names.
///
/// # Errors
///
/// When a call is not found or cannot be said, or a file cannot be written.
pub(super) fn write(
    args: &ScriptArgs,
    run: &RunArgs,
    calls: &ChosenArgs,
    config: &Config,
) -> Result<(), WriteScriptError> {
    let keep = Keep { findings: FINDINGS_MAX, ..Keep::default() };
    let chosen = chosen(run, config, keep, calls)?;
    let lang = lang(args.lang, config);
    let mut files: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    if let Some(path) = &args.sip {
        let calls: Vec<&CallSummary> = chosen.calls().collect();
        let mut text = Vec::new();
        script(&chosen.analysis, &calls, lang, &mut text).map_err(WriteScriptError::Script)?;
        files.push((path.clone(), text));
    }
    if let Some(folder) = &args.sipp {
        files.extend(scenario_files(args, folder, &chosen, lang)?);
    }
    let is_stdout = |path: &Path| path.as_os_str() == "-";
    for (path, _) in &files {
        // What is no file, such as /dev/stdout, is not lost when it is written to.
        if !args.force && !is_stdout(path) && fs::metadata(path).is_ok_and(|known| known.is_file())
        {
            return Err(WriteScriptError::Exists { path: path.clone() });
        }
    }
    if let Some(folder) = &args.sipp {
        fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    }
    for (path, bytes) in &files {
        if is_stdout(path) {
            OutputArgs::default().write(|out| out.write_all(bytes))?;
            continue;
        }
        write_file(path, bytes)?;
        // Whoever closes the pipe has read enough.
        let _ = writeln!(io::stdout(), "{}", path.display());
    }
    Ok(())
}

fn scenario_files(
    args: &ScriptArgs,
    folder: &Path,
    chosen: &Chosen,
    lang: Lang,
) -> Result<Vec<(PathBuf, Vec<u8>)>, WriteScriptError> {
    let calls: Vec<&CallSummary> = chosen.calls().collect();
    let [call] = calls.as_slice() else {
        return Err(WriteScriptError::Calls { calls: calls.len() });
    };
    let pair = scenarios(call, args.hop, lang)?;
    let sides = [(SippSide::A, "uac.xml", pair.caller), (SippSide::B, "uas.xml", pair.callee)];
    let wanted = sides.into_iter().filter(|(side, ..)| args.side.is_none_or(|only| only == *side));
    Ok(wanted.map(|(_, name, text)| (folder.join(name), text.into_bytes())).collect())
}
