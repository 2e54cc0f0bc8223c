//! `siptrace lake`: hands over to `siptrace-lake`, a program of its own.

use std::env::consts::EXE_SUFFIX;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use clap::Args;

use crate::cli::ending::Ending;

/// Keep captures by the terabyte as tables, and judge their calls on one machine or many: what
/// `siptrace-lake` does, which is installed beside this program
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
#[command(after_help = "\
Examples:
  siptrace lake ingest /captures/2026/11/ -o lake/
  siptrace lake query lake/ 'SELECT rule, count(*) FROM findings GROUP BY rule'
  siptrace lake --help

Exit codes:
  those of siptrace-lake; 2 where it is not installed")]
pub(super) struct LakeArgs {
    /// What siptrace-lake is told
    #[arg(value_name = "ARGUMENT", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Why `siptrace-lake` does not run.
#[derive(Debug, thiserror::Error)]
pub(super) enum LakeError {
    #[error("siptrace-lake is not installed, neither beside this program nor on the PATH")]
    Missing,
    #[error("could not start siptrace-lake")]
    Start(#[source] io::Error),
}

impl LakeError {
    /// What can be done.
    pub(super) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Missing => {
                Some("in the sources: cargo install --locked --path lake; docs/scale.md tells more")
            }
            Self::Start(_) => None,
        }
    }
}

/// Runs `siptrace-lake` in the place of this program.
///
/// # Errors
///
/// When there is none, or it cannot be started.
pub(super) fn lake(args: &LakeArgs) -> Result<Ending, LakeError> {
    let mut command = Command::new(program());
    command.args(&args.arguments);
    run(&mut command).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => LakeError::Missing,
        _ => LakeError::Start(error),
    })
}

/// The program beside this one, else whatever the PATH has.
fn program() -> PathBuf {
    let name = format!("siptrace-lake{EXE_SUFFIX}");
    let own = std::env::current_exe().ok();
    let beside = own.and_then(|own| Some(own.parent()?.join(&name)));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| name.into())
}

#[cfg(unix)]
fn run(command: &mut Command) -> io::Result<Ending> {
    use std::os::unix::process::CommandExt;
    Err(command.exec())
}

#[cfg(not(unix))]
fn run(command: &mut Command) -> io::Result<Ending> {
    let code = command.status()?.code().and_then(|code| u8::try_from(code).ok());
    Ok(Ending { code: code.unwrap_or(2), why: "siptrace-lake ended so".to_owned() })
}
