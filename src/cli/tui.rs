//! `siptrace tui`: captures browsed in the terminal.
//!
//! Sets the terminal up and puts it back whatever happens, hands keys and news to the browser, and
//! draws what it says.

use std::fmt;
use std::fs::Metadata;
use std::io::{self, IsTerminal, Stdout};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use crossterm::event::{self, DisableBracketedPaste, EnableBracketedPaste, Event, KeyEventKind};
use crossterm::execute;
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use crate::analysis::{Filter, FilterError, Keep};
use crate::capture::Source;
use crate::catalogue::Lang;
use crate::cli::config::Config;
use crate::cli::ending::Ending;
use crate::cli::output::{self, ColorChoice, OutputArgs};
use crate::cli::run::{RunArgs, RunError, paths};
use crate::limits::{CALLS_MAX, FINDINGS_MAX, TRANSCRIPT_BYTES_PER_SHARD_MAX};
use crate::tui::{App, Command, Job, Reader, Setup, Theme};

/// How long nothing happens before the browser looks for news.
const MOMENT: Duration = Duration::from_millis(30);

/// Browse captures in the terminal: calls, ladders, messages, findings, streams, statistics
#[derive(Debug, Args)]
#[command(after_help = "\
F1 shows the keys. They are those of sngrep where that has the same: Enter opens, Esc goes back,
Space marks, F3 or / filters, F4 shows the other legs of a call, F6 the messages as they were sent.

Examples:
  siptrace tui call.pcap
  siptrace tui ring-*.pcapng.gz --filter 'failed and to ~ +49'
  ssh probe tcpdump -U -w - port 5060 | siptrace tui -

Exit codes:
  0  left by the user
  2  wrong usage, input missing or unreadable, no terminal")]
pub(super) struct TuiArgs {
    #[command(flatten)]
    pub(super) run: RunArgs,
    /// Show at first only calls that fit: words to search for, or tests on fields such as
    /// 'status = 5xx and pdd > 3s'; docs/filters.md has them all
    #[arg(long, value_name = "FILTER", default_value = "", hide_default_value = true)]
    filter: String,
    /// Language: en, fr, ja or pt [default: from siptrace.toml, LC_ALL, LC_MESSAGES, LANG]
    #[arg(long, value_name = "LANG")]
    lang: Option<Lang>,
    /// Colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    color: ColorChoice,
}

/// Why nothing was shown; the exit code is 2.
#[derive(Debug, thiserror::Error)]
pub(super) enum TuiError {
    /// The captures could not be opened.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The filter cannot be read.
    #[error("could not use the filter")]
    Filter(#[from] FilterError),
    /// There is nothing to draw on.
    #[error("could not browse: standard output is not a terminal")]
    NoTerminal,
    /// The terminal can do nothing but lines.
    #[error("could not browse: the terminal cannot move its cursor (TERM={0:?})")]
    DumbTerminal(String),
    /// The terminal does not do what it should.
    #[error("could not use the terminal")]
    Terminal(#[source] io::Error),
}

impl TuiError {
    /// What the user may do, for the line after `hint:`.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Run(error) => error.hint(),
            Self::NoTerminal | Self::DumbTerminal(_) => {
                Some("`siptrace analyze` writes a report that needs no terminal".to_owned())
            }
            Self::Filter(error) => error.hint().map(str::to_owned),
            Self::Terminal(_) => None,
        }
    }
}

/// Runs the browser until the user has enough.
///
/// # Errors
///
/// When the captures cannot be opened, or there is no terminal.
pub(super) fn run(args: &TuiArgs, config: &Config) -> Result<Ending, TuiError> {
    let term = std::env::var("TERM").unwrap_or_default();
    if !io::stdout().is_terminal() {
        return Err(TuiError::NoTerminal);
    }
    if term == "dumb" {
        return Err(TuiError::DumbTerminal(term));
    }
    if !args.filter.trim().is_empty() {
        args.filter.parse::<Filter>()?;
    }
    let sources = args.run.sources_for_another_thread()?;
    let own_paths = paths(&sources);
    let config = config.for_captures(&own_paths);
    let bytes = size(&own_paths, &sources);
    let keep = Keep {
        calls: CALLS_MAX,
        transcripts: TRANSCRIPT_BYTES_PER_SHARD_MAX,
        findings: FINDINGS_MAX,
        ..Keep::default()
    };
    let job = Job {
        paths: own_paths.clone(),
        options: args.run.options(&config, keep)?,
        policy: args.run.policy(&config),
        bytes,
    };
    let output = OutputArgs { color: args.color, ..OutputArgs::default() };
    let setup = Setup {
        lang: output::lang(args.lang, &config),
        theme: Theme { color: output.page().style.color, unicode: output::has_unicode() },
        name: name(&args.run.captures),
        is_several: sources.len() > 1,
        bytes,
        hosts: args.run.hosts(&config).map_err(RunError::from)?,
        filter: args.filter.clone(),
    };
    browse(App::new(setup), job, sources).map_err(TuiError::Terminal)
}

/// The last part of the only path, or how many there are.
fn name(paths: &[PathBuf]) -> String {
    let last = |path: &PathBuf| path.file_name().unwrap_or(path.as_os_str()).to_owned();
    let first = paths.first().map(|path| last(path).to_string_lossy().into_owned());
    let more = if paths.len() > 1 { format!(" +{}", paths.len() - 1) } else { String::new() };
    first.unwrap_or_default() + &more
}

/// Bytes of all files, where they are read as they are.
fn size(paths: &[PathBuf], sources: &[Source]) -> Option<u64> {
    let is_plain =
        sources.iter().all(|source| matches!(source.describe().compression, "none" | ""));
    let sizes = paths.iter().map(|path| std::fs::metadata(path).ok().filter(Metadata::is_file));
    let sizes: Option<Vec<u64>> = sizes.map(|own| own.map(|own| own.len())).collect();
    sizes.filter(|_| is_plain).map(|sizes| sizes.iter().sum())
}

/// The terminal while it shows the browser; as before when it is dropped.
struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    fn open() -> io::Result<Self> {
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste)?;
        Ok(Self { terminal: Terminal::new(CrosstermBackend::new(io::stdout()))? })
    }

    fn draw(&mut self, app: &App) -> io::Result<()> {
        self.terminal.draw(|frame| app.draw(frame.buffer_mut())).map(|_| ())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Screen")
    }
}

/// Puts the terminal back; what fails there cannot be told any more.
fn restore() {
    let _ = execute!(io::stdout(), DisableBracketedPaste, LeaveAlternateScreen);
    let _ = execute!(io::stdout(), crossterm::cursor::Show);
    let _ = disable_raw_mode();
}

/// A panic of the browser must be readable, one of a rule in the background not be seen: the
/// analysis counts it.
fn quiet_panics() {
    let own = std::thread::current().id();
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().id() == own {
            restore();
            before(panic);
        }
    }));
}

fn browse(mut app: App, job: Job, sources: Vec<Source>) -> io::Result<Ending> {
    let signals = [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT];
    let is_over = Arc::new(AtomicBool::new(false));
    for signal in signals {
        signal_hook::flag::register(signal, Arc::clone(&is_over))?;
    }
    #[cfg(unix)]
    signal_hook::flag::register(signal_hook::consts::SIGHUP, Arc::clone(&is_over))?;
    quiet_panics();
    let mut screen = Screen::open()?;
    let reader = Reader::start(job, sources)?;
    let mut is_stale = true;
    while !is_over.load(Ordering::Relaxed) {
        while let Some(news) = reader.news() {
            app.news(news);
            is_stale = true;
        }
        app.progress(reader.bytes());
        is_stale |= app.tick();
        if std::mem::take(&mut is_stale) {
            screen.draw(&app)?;
        }
        let wait = if app.is_busy() { Duration::ZERO } else { MOMENT };
        if !event::poll(wait)? {
            continue;
        }
        // Keys that wait are all taken before the screen is drawn, so that it never lags behind.
        while event::poll(Duration::ZERO)? {
            is_stale = true;
            let command = match event::read()? {
                Event::Key(key) if key.kind != KeyEventKind::Release => app.key(key),
                Event::Paste(text) => app.paste(&text),
                _ => Command::None,
            };
            match command {
                Command::None => {}
                Command::Load(calls) => reader.load(calls),
                Command::Redraw => screen.terminal.clear()?,
                Command::Suspend => screen = suspend(screen)?,
                Command::Quit => return Ok(Ending::done("left by the user")),
            }
        }
    }
    Ok(Ending::done("stopped by a signal"))
}

/// Stops as other programs do, and goes on when the user comes back.
fn suspend(screen: Screen) -> io::Result<Screen> {
    drop(screen);
    #[cfg(unix)]
    signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP)?;
    Screen::open()
}
