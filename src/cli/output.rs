//! Where output goes and how it looks: language, colour, width, files written whole or not at all.

use std::fs;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::bytes::printable;
use crate::catalogue::Lang;
use crate::cli::config::Config;
use crate::report::Page;
use crate::report::style::Style;

/// Columns where nobody says how wide the output is.
const COLUMNS: usize = 80;

/// Language and destination, the same for every command that reports.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct OutputArgs {
    /// Language: en, fr, ja or pt [default: from siptrace.toml, LC_ALL, LC_MESSAGES, LANG]
    #[arg(long, value_name = "LANG")]
    pub lang: Option<Lang>,
    /// Write to this file instead of standard output; it is written whole or not at all
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Colours in text output
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub color: ColorChoice,
    /// Columns of text output [default: COLUMNS, the terminal, else 80]
    #[arg(long, value_name = "COLUMNS", value_parser = clap::value_parser!(u16).range(20..=1000))]
    pub width: Option<u16>,
}

/// When text output has colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorChoice {
    /// On a terminal, or where CLICOLOR_FORCE is set, unless NO_COLOR is
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The output could not be written.
#[derive(Debug, thiserror::Error)]
#[error("could not write {destination}")]
pub(super) struct WriteError {
    /// The file in quotes, or standard output.
    destination: String,
    source: io::Error,
}

impl OutputArgs {
    /// The language asked for, else that of `siptrace.toml`, else that of the environment.
    pub(super) fn lang(&self, config: &Config) -> Lang {
        lang(self.lang, config)
    }

    /// How wide text output is, and whether it has colours.
    pub(super) fn page(&self) -> Page {
        let to_terminal = self.output.is_none() && io::stdout().is_terminal();
        let color = match self.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                let is_forced = is_set("CLICOLOR_FORCE") && !is_zero("CLICOLOR_FORCE");
                let is_wanted = to_terminal && !is_dumb_terminal() && !is_zero("CLICOLOR");
                !is_set("NO_COLOR") && (is_forced || is_wanted)
            }
        };
        let shell = || columns_of_environment().filter(|_| self.output.is_none());
        let columns = self.width.or_else(shell).or_else(|| {
            let (width, _) = to_terminal.then(terminal_size::terminal_size).flatten()?;
            Some(width.0)
        });
        Page { columns: columns.map_or(COLUMNS, usize::from), style: Style { color } }
    }

    /// Renders everything first, so that nothing half done is ever written.
    ///
    /// # Errors
    ///
    /// When the file or standard output cannot be written to; a closed pipe is no error.
    pub(super) fn write(
        &self,
        render: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), WriteError> {
        let mut rendered = Vec::new();
        let result = render(&mut rendered).and_then(|()| match &self.output {
            Some(path) => write_whole(path, &rendered),
            None => write_stdout(&rendered),
        });
        result.map_err(|source| WriteError { destination: self.destination(), source })
    }

    /// Opens the output for what is written bit by bit.
    ///
    /// # Errors
    ///
    /// When the file cannot be created.
    pub(super) fn stream(&self) -> Result<Stream, WriteError> {
        let opened = match &self.output {
            Some(path) => Beside::create(path).map(Stream::File),
            None => Ok(Stream::Stdout(BufWriter::new(io::stdout()))),
        };
        opened.map_err(|source| self.error(source))
    }

    /// The error of writing to the output.
    pub(super) fn error(&self, source: io::Error) -> WriteError {
        WriteError { destination: self.destination(), source }
    }

    fn destination(&self) -> String {
        match &self.output {
            Some(path) => format!("\"{}\"", path.display()),
            None => "to standard output".to_owned(),
        }
    }
}

/// The language asked for, else that of `siptrace.toml`, else that of the environment.
pub(super) fn lang(asked_for: Option<Lang>, config: &Config) -> Lang {
    let variable = |name| std::env::var(name).ok();
    asked_for.or(config.lang).unwrap_or_else(|| {
        Lang::from_environment(
            variable("LC_ALL").as_deref(),
            variable("LC_MESSAGES").as_deref(),
            variable("LANG").as_deref(),
        )
    })
}

/// The locale writes UTF-8.
pub(super) fn has_unicode() -> bool {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG"));
    let locale = locale.unwrap_or_default().to_ascii_lowercase();
    cfg!(windows) || locale.contains("utf-8") || locale.contains("utf8")
}

/// Output that is written bit by bit.
#[derive(Debug)]
pub(super) enum Stream {
    /// Standard output.
    Stdout(BufWriter<io::Stdout>),
    /// A file.
    File(Beside),
}

impl Stream {
    /// Writes what is left; a file gets its name.
    ///
    /// # Errors
    ///
    /// When that fails.
    pub(super) fn close(mut self) -> io::Result<()> {
        self.flush()?;
        match self {
            Self::Stdout(_) => Ok(()),
            Self::File(file) => file.rename(),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(bytes),
            Self::File(file) => file.out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File(file) => file.out.flush(),
        }
    }
}

/// A file beside the one asked for, put in its place when it is whole.
///
/// What is no regular file, `/dev/stdout` for example, is written to directly.
#[derive(Debug)]
pub(super) struct Beside {
    out: BufWriter<fs::File>,
    /// The name so far and the name at the end; none where it has its name already.
    names: Option<(PathBuf, PathBuf)>,
}

impl Beside {
    fn create(path: &Path) -> io::Result<Self> {
        if fs::metadata(path).is_ok_and(|known| !known.is_file()) {
            let file = fs::OpenOptions::new().write(true).open(path)?;
            return Ok(Self { out: BufWriter::new(file), names: None });
        }
        // A link stays a link: what it leads to is replaced.
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let beside = target.with_file_name(name);
        let out = BufWriter::new(fs::File::create(&beside)?);
        Ok(Self { out, names: Some((beside, target)) })
    }

    /// From now on only the owner may read it.
    #[cfg(unix)]
    fn make_private(&self) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        self.out.get_ref().set_permissions(fs::Permissions::from_mode(0o600))
    }

    #[cfg(not(unix))]
    fn make_private(&self) -> io::Result<()> {
        Ok(())
    }

    fn rename(mut self) -> io::Result<()> {
        self.out.flush()?;
        match self.names.take() {
            Some((beside, target)) => fs::rename(beside, target),
            None => Ok(()),
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if let Some((beside, _)) = &self.names {
            // What stopped us matters more.
            let _ = fs::remove_file(beside);
        }
    }
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

fn is_zero(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| value == "0")
}

/// What a shell says of its window.
fn columns_of_environment() -> Option<u16> {
    std::env::var("COLUMNS").ok()?.trim().parse().ok().filter(|columns| *columns > 0)
}

fn is_dumb_terminal() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Whoever closes the pipe has read enough.
fn write_stdout(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Writes a file of our own, whole or not at all.
///
/// # Errors
///
/// When it cannot be written to.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    write_whole(path, bytes).map_err(|source| failed(path, source))
}

/// Writes a file that only its owner may read, whole or not at all.
///
/// # Errors
///
/// When it cannot be written to.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let write = || {
        let mut file = Beside::create(path)?;
        file.make_private()?;
        file.out.write_all(bytes)?;
        file.rename()
    };
    write().map_err(|source| failed(path, source))
}

/// Names a file that was written: as it is for a script, without harm on a terminal.
pub(super) fn name_written(path: &Path) {
    let mut stdout = io::stdout().lock();
    // Whoever closes the pipe has read enough.
    let _ = match stdout.is_terminal() {
        true => writeln!(stdout, "{}", printable(path.as_os_str().as_encoded_bytes())),
        false => writeln!(stdout, "{}", path.display()),
    };
}

/// The error of writing to that file or folder.
pub(super) fn failed(path: &Path, source: io::Error) -> WriteError {
    WriteError { destination: format!("\"{}\"", path.display()), source }
}

/// Writes a file whole or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = Beside::create(path)?;
    file.out.write_all(bytes)?;
    file.rename()
}
