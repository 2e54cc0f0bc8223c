//! `siptrace completions` and `siptrace man`: what shells and readers of manuals want to have.
//!
//! Both are made of the command as clap knows it, so they cannot differ from what it takes.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::files::{Files, Plan, Wanted, WriteError};
use crate::cli::output::OutputArgs;

/// Write completions of the command line for a shell to standard output
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  siptrace completions bash > /etc/bash_completion.d/siptrace
  siptrace completions zsh > ~/.zfunc/_siptrace
  siptrace completions fish > ~/.config/fish/completions/siptrace.fish

Exit codes:
  0  written
  2  wrong usage, or it could not be written")]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

/// Write the manual: one page to standard output, or a page for each command to a folder
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  siptrace man | man -l -
  siptrace man /usr/local/share/man/man1 --force

Exit codes:
  0  written
  2  wrong usage, or it could not be written")]
pub(super) struct ManArgs {
    /// The folder; it is made if it is not there
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Replace pages that are there already
    #[arg(long)]
    force: bool,
}

impl ManArgs {
    /// What is written.
    pub(super) fn plan(&self, plan: Plan) -> Plan {
        plan.folder(self.folder.as_ref(), false)
    }
}

/// Writes the completions.
///
/// # Errors
///
/// When they could not be written.
pub(super) fn completions(args: &CompletionsArgs, mut command: Command) -> Result<(), WriteError> {
    OutputArgs::default().write(|out| {
        // It panics where it cannot write, so it is given what takes everything.
        let mut script = Vec::new();
        clap_complete::generate(args.shell, &mut command, "siptrace", &mut script);
        out.write_all(&script)
    })
}

/// Writes the manual.
///
/// # Errors
///
/// When it could not be written.
pub(super) fn man(args: &ManArgs, mut command: Command) -> Result<(), WriteError> {
    command = command.disable_help_subcommand(true);
    command.build();
    let Some(folder) = &args.folder else {
        return OutputArgs::default().write(|out| page(&command, out));
    };
    let mut files = Files::default();
    files.folder(folder)?;
    pages(args, folder, &command, &mut files)?;
    files.put_in_place()
}

/// Writes the page of a command, and those of the commands below it.
fn pages(
    args: &ManArgs,
    folder: &Path,
    command: &Command,
    files: &mut Files,
) -> Result<(), WriteError> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let path = folder.join(format!("{name}.1"));
    let mut text = Vec::new();
    page(command, &mut text).map_err(|source| WriteError::failed(&path, source))?;
    files.write(&Wanted::new(&path, args.force), &text)?;
    let below = command.get_subcommands().filter(|below| !below.is_hide_set());
    below.into_iter().try_for_each(|below| pages(args, folder, below, files))
}

/// One page. It has no date, so that it is the same on every day.
fn page(command: &Command, out: &mut dyn Write) -> io::Result<()> {
    let mut text = Vec::new();
    Man::new(command.clone()).render(&mut text)?;
    out.write_all(&text)
}
