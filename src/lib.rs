//! siptrace tells what went wrong in a SIP capture, why, how it is known, and what to do about it.
//!
//! [`analyze()`] reads captures and gives an [`Analysis`]: calls, findings with the frames that
//! prove them, incidents, statistics, as plain data.
//!
//! ```
//! use siptrace::{Options, Severity};
//!
//! # fn main() -> Result<(), siptrace::Error> {
//! let captures = ["fixtures/captures/trying-then-502-tcp.pcap"];
//! let analysis = siptrace::analyze(captures, &Options::default())?;
//!
//! let finding = &analysis.findings[0];
//! assert_eq!(finding.rule.name, "trying-then-server-failure");
//! assert_eq!(finding.severity, Severity::Error);
//! assert!(!finding.frames.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! What each part of the result says:
//!
//! ```
//! use siptrace::Options;
//!
//! # fn main() -> Result<(), siptrace::Error> {
//! let options = Options::default().select(["TXN", "CAL"])?.transcripts(true).threads(2);
//! let analysis = siptrace::analyze(["fixtures/captures/busy-486.pcap"], &options)?;
//!
//! let call = &analysis.calls[0];
//! assert_eq!((call.fate(), call.final_status.map(|status| status.code())), ("busy", Some(486)));
//! let invite = &call.transcript[0];
//! assert!(invite.message().is_request());
//! # Ok(())
//! # }
//! ```
//!
//! The words for people are in [`catalogue`], in four languages, and [`report`] writes whole
//! reports:
//!
//! ```
//! use siptrace::catalogue::{self, Lang};
//! use siptrace::{Options, report};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let captures = ["fixtures/captures/trying-then-502-tcp.pcap"];
//! let analysis = siptrace::analyze(captures, &Options::default())?;
//! let rule = catalogue::rule(analysis.findings[0].rule, Lang::Pt);
//! assert!(!rule.entry.title.is_empty());
//!
//! let mut out = Vec::new();
//! report::json::json(&analysis, Lang::En, &mut out)?;
//! assert!(out.starts_with(b"{"));
//! # Ok(())
//! # }
//! ```
//!
//! Two analyses are held against each other by [`analysis::diff::diff`]. Who needs results while a
//! capture goes on, or a bar that shows how far it is, uses [`pipeline`] itself. The modules are
//! layers; each uses only those before it, in the order of ARCHITECTURE.md.

use std::io::Read;
use std::path::{Path, PathBuf};

pub mod time;
pub mod limits;
pub mod bytes;
pub mod capture;
pub mod packet;
pub mod transport;
pub mod sip;
pub mod sdp;
pub mod rtp;
pub mod signaling;
pub mod media;
pub mod finding;
pub mod rules;
pub mod catalogue;
pub mod analysis;
pub mod report;
pub mod pipeline;
#[cfg(feature = "tui")]
#[doc(hidden)]
pub mod tui;
#[doc(hidden)]
pub mod cli;

use limits::{CALLS_MAX, FINDINGS_MAX, TRANSCRIPT_BYTES_PER_SHARD_MAX};

pub use analysis::{Analysis, CallSummary, Keep};
pub use capture::FrameId;
pub use finding::{Confidence, Finding, Rule, Severity, Value};
pub use signaling::Settings;
pub use transport::KeyLog;

/// How captures are analysed: with every rule, with RTP, and all calls and findings kept up to the
/// bounds in [`limits`], unless it is told otherwise.
///
/// ```
/// use siptrace::{Options, Settings, Severity};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut settings = Settings::default();
/// settings.local_nets.push("10.1.0.0/16".parse()?);
/// let options = Options::default()
///     .ignore(["CAP", "final-response"])?
///     .min_severity(Severity::Warn)
///     .settings(settings)
///     .media(false);
/// assert!(siptrace::analyze(["fixtures/captures/busy-486.pcap"], &options).is_ok());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    inner: pipeline::Options,
}

impl Default for Options {
    fn default() -> Self {
        let keep = Keep { calls: CALLS_MAX, findings: FINDINGS_MAX, ..Keep::default() };
        let profile = rules::Profile { rules: rules::ALL.to_vec(), settings: Settings::default() };
        let keys = KeyLog::default();
        Self { inner: pipeline::Options { profile, keep, media: true, keys, threads: None } }
    }
}

impl Options {
    /// Only these rules, of those that are left: names, codes, or prefixes of codes such as `TXN`.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownRule`] when one of them fits no rule.
    pub fn select<S: AsRef<str>>(
        mut self,
        selectors: impl IntoIterator<Item = S>,
    ) -> Result<Self, Error> {
        let selectors = known(selectors)?;
        let is_in = |rule: &&'static Rule| selectors.iter().any(|selector| rule.fits(selector));
        self.inner.profile.rules.retain(is_in);
        Ok(self)
    }

    /// Without these rules, named as in [`Options::select`].
    ///
    /// # Errors
    ///
    /// [`Error::UnknownRule`] when one of them fits no rule.
    pub fn ignore<S: AsRef<str>>(
        mut self,
        selectors: impl IntoIterator<Item = S>,
    ) -> Result<Self, Error> {
        let selectors = known(selectors)?;
        let is_in = |rule: &&'static Rule| selectors.iter().any(|selector| rule.fits(selector));
        self.inner.profile.rules.retain(|rule| !is_in(rule));
        Ok(self)
    }

    /// Without findings below this severity.
    #[must_use]
    pub fn min_severity(mut self, severity: Severity) -> Self {
        self.inner.keep.min_severity = severity;
        self
    }

    /// What the rules know of the user's network, and other thresholds than their own.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.inner.profile.settings = settings;
        self
    }

    /// Whether RTP is followed; rules that need media see none without it.
    #[must_use]
    pub fn media(mut self, is_followed: bool) -> Self {
        self.inner.media = is_followed;
        self
    }

    /// Secrets that open TLS connections, besides those that a pcapng carries.
    #[must_use]
    pub fn keys(mut self, keys: KeyLog) -> Self {
        self.inner.keys = keys;
        self
    }

    /// How many threads work, at least one. Unless it is told, one for each core, or the caller's
    /// where it is in a pool of rayon of one thread. The result is the same for any number.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.inner.threads = Some(threads.max(1));
        self
    }

    /// Whether calls keep their messages, as [`CallSummary::transcript`]; those for which there is
    /// no room are counted in [`Analysis::dropped`].
    #[must_use]
    pub fn transcripts(mut self, are_kept: bool) -> Self {
        self.inner.keep.transcripts = if are_kept { TRANSCRIPT_BYTES_PER_SHARD_MAX } else { 0 };
        self
    }

    /// How much is kept, bound by bound, where that is not all or nothing.
    #[must_use]
    pub fn keep(mut self, keep: Keep) -> Self {
        self.inner.keep = keep;
        self
    }
}

/// The selectors, each of which fits a rule.
fn known<S: AsRef<str>>(selectors: impl IntoIterator<Item = S>) -> Result<Vec<String>, Error> {
    let check = |selector: S| match rules::ALL.iter().any(|rule| rule.fits(selector.as_ref())) {
        true => Ok(selector.as_ref().to_owned()),
        false => Err(Error::UnknownRule { selector: selector.as_ref().to_owned() }),
    };
    selectors.into_iter().map(check).collect()
}

/// Why captures could not be analysed. Damage inside a capture is no error but a note on it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A capture cannot be opened or read: the variants tell which one and why,
    /// [`capture::Error::hint`] what can be done.
    #[error(transparent)]
    Capture(capture::Error),
    /// No rule is meant by a selector; [`rules::ALL`] has them all.
    #[error("no rule has the code, prefix or name \"{selector}\"")]
    UnknownRule {
        /// The selector as given.
        selector: String,
    },
    /// The machine gave no threads.
    #[error(transparent)]
    Run(pipeline::Error),
}

impl From<capture::Error> for Error {
    fn from(error: capture::Error) -> Self {
        Self::Capture(error)
    }
}

impl From<pipeline::Error> for Error {
    fn from(error: pipeline::Error) -> Self {
        match error {
            pipeline::Error::Capture(error) => Self::Capture(error),
            error => Self::Run(error),
        }
    }
}

/// Analyses captures: files, directories, patterns such as `ring-*.pcap`, or `-` for standard
/// input. Several are one capture, merged by time. Formats and compression are found by themselves.
///
/// # Errors
///
/// When one of them cannot be opened, or cannot be read at all.
///
/// ```
/// use siptrace::{Error, Options, capture};
///
/// let missing = siptrace::analyze(["no-such.pcap"], &Options::default());
/// assert!(matches!(missing, Err(Error::Capture(capture::Error::NotFound { .. }))));
/// ```
pub fn analyze<P: AsRef<Path>>(
    captures: impl IntoIterator<Item = P>,
    options: &Options,
) -> Result<Analysis, Error> {
    let paths: Vec<PathBuf> =
        captures.into_iter().map(|path| path.as_ref().to_path_buf()).collect();
    let sources = capture::open(&paths)?;
    Ok(pipeline::run(sources, &options.inner, &|_| ())?)
}

/// Analyses a capture that is no file: bytes in memory, a socket. `name` stands for its path in the
/// result.
///
/// # Errors
///
/// When it is no capture, or cannot be read at all.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let bytes = std::fs::read("fixtures/captures/busy-486.pcap")?;
/// let reader = std::io::Cursor::new(bytes);
/// let analysis = siptrace::analyze_reader("upload", reader, &siptrace::Options::default())?;
/// assert_eq!(analysis.totals.calls, 1);
/// # Ok(())
/// # }
/// ```
pub fn analyze_reader(
    name: &str,
    reader: impl Read + Send + 'static,
    options: &Options,
) -> Result<Analysis, Error> {
    let source = capture::Source::from_reader(name, Box::new(reader), 0)?;
    Ok(pipeline::run(vec![source], &options.inner, &|_| ())?)
}
