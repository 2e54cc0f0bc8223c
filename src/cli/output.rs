//! Where output goes and how it looks: language, colour, width.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::bytes::printable;
use crate::catalogue::Lang;
use crate::cli::config::Config;
use crate::cli::files::{Draft, Files, Wanted, is_enough, is_stdout};
use crate::report::Page;
use crate::report::style::Style;

pub(super) use crate::cli::files::WriteError;

/// Bytes that are written to standard output at once.
const STREAM_BYTES: usize = 64 << 10;

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
    /// Replace files that are there already
    #[arg(long)]
    pub force: bool,
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

    /// The file that is asked for; none for standard output.
    pub(super) fn wanted(&self) -> Option<Wanted> {
        let path = self.output.as_deref().filter(|path| !is_stdout(path))?;
        Some(Wanted::new(path, self.force))
    }

    /// Writes the output; a file gets its name when all of it is there.
    ///
    /// # Errors
    ///
    /// When the file or standard output cannot be written to; a closed pipe is no error.
    pub(super) fn write(
        &self,
        render: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), WriteError> {
        let mut files = Files::default();
        self.fill(&mut files, render)?;
        files.put_in_place()
    }

    /// Writes to standard output, or a file that gets its name with the others. A report of a large
    /// capture is too large to be held whole before it is written.
    ///
    /// # Errors
    ///
    /// When the file or standard output cannot be written to; a closed pipe is no error.
    pub(super) fn fill(
        &self,
        files: &mut Files,
        render: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), WriteError> {
        let mut stream = self.stream()?;
        match render(&mut stream).and_then(|()| stream.close(files)) {
            // Whoever closes the pipe has read enough.
            Err(error) if is_enough(&error) => Ok(()),
            result => result.map_err(|source| self.error(source)),
        }
    }

    /// Opens the output for what is written bit by bit.
    ///
    /// # Errors
    ///
    /// When the file cannot be created.
    pub(super) fn stream(&self) -> Result<Stream, WriteError> {
        match self.wanted() {
            Some(wanted) => Draft::create(&wanted).map(Stream::File),
            None => Ok(Stream::Stdout(BufWriter::with_capacity(STREAM_BYTES, io::stdout()))),
        }
    }

    /// The error of writing to the output.
    pub(super) fn error(&self, source: io::Error) -> WriteError {
        match self.wanted() {
            Some(wanted) => WriteError::failed(&wanted.path, source),
            None => WriteError::of_stdout(source),
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
    File(Draft),
}

impl Stream {
    /// Writes what is left; a file gets its name with the others.
    ///
    /// # Errors
    ///
    /// When that fails.
    pub(super) fn close(mut self, files: &mut Files) -> io::Result<()> {
        self.flush()?;
        match self {
            Self::Stdout(_) => Ok(()),
            Self::File(draft) => files.add(draft),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(bytes),
            Self::File(draft) => draft.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File(draft) => draft.flush(),
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

/// Names a file that was written: as it is for a script, without harm on a terminal.
pub(super) fn name_written(path: &Path) {
    let mut stdout = io::stdout().lock();
    // Whoever closes the pipe has read enough.
    let _ = match stdout.is_terminal() {
        true => writeln!(stdout, "{}", printable(path.as_os_str().as_encoded_bytes())),
        false => writeln!(stdout, "{}", path.display()),
    };
}
