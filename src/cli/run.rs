//! What every command that analyses captures is told: which captures, which rules, what is known
//! of the user's own network.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::analysis::{Analysis, Baseline, BySeverity, Keep, Policy, Screen};
use crate::capture::{self, Source};
use crate::cli::config::Config;
use crate::cli::files::Plan;
use crate::cli::footing;
use crate::cli::hosts::{self, Hosts};
use crate::cli::selection::{SelectionArgs, SelectionError};
use crate::cli::signals;
use crate::cli::toml_file::FileError;
use crate::finding::Severity;
use crate::limits::CALLS_MAX;
use crate::pipeline;
use crate::rules::Profile;
use crate::signaling::{Accounts, Certificates, EmergencyNumber, Net, NotACertificate};
use crate::sip::CountryCode;
use crate::transport::KeyLog;

/// Captures and how they are judged.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Captures (pcap, pcapng, snoop, compressed or not, .sip scripts), directories of captures, or
    /// patterns; several are one capture, merged by time, but for `check`, which takes each by
    /// itself; - is standard input
    #[arg(value_name = "CAPTURE", required = true)]
    pub(super) captures: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) selection: SelectionArgs,
    /// A network whose private addresses the hosts of the capture can reach, such as 10.1.0.0/16;
    /// may be repeated or separated by commas
    #[arg(long, value_name = "NET", value_delimiter = ',')]
    local_net: Vec<Net>,
    /// A network whose hosts are no attackers, whatever they ask for, such as monitoring systems
    /// and trunks; may be repeated or separated by commas
    #[arg(long, value_name = "NET", value_delimiter = ',')]
    trusted: Vec<Net>,
    /// The country code of your own calls, such as 49: numbers without one are of this country,
    /// others are international
    #[arg(long, value_name = "CC")]
    home_cc: Option<CountryCode>,
    /// A number that calls for help besides urn:service:sos, such as 112; may be repeated or
    /// separated by commas
    #[arg(long, value_name = "NUMBER", value_delimiter = ',')]
    emergency: Vec<EmergencyNumber>,
    /// The capture is of a load test: refusals under load are no finding
    #[arg(long)]
    load_test: bool,
    /// Passwords to check rejected digest credentials with: lines user:realm:password, an empty
    /// realm for any; they are never shown
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// Certificate of a signer of caller identities (PEM; the first one of a chain), to check
    /// signatures with; may be repeated. One that has the name by which the calls refer to it can
    /// tell that a signature is wrong
    #[cfg(feature = "stir")]
    #[arg(long, value_name = "FILE")]
    stir_cert: Vec<PathBuf>,
    /// Do not follow RTP; rules that need media stay silent or say that it was not captured
    #[arg(long)]
    no_media: bool,
    /// Key log that opens TLS connections, as SSLKEYLOGFILE writes it; keys in a pcapng are used
    /// without it
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "FILE")]
    keylog: Option<PathBuf>,
    /// Settings [default: siptrace.toml, in the current folder or above it]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Say on standard error why the exit code is what it is
    #[arg(long)]
    explain_exit: bool,
    /// Names of hosts, shown beside their addresses: lines of an address and a name, as in
    /// /etc/hosts; goes before `[hosts]` of siptrace.toml
    #[arg(long, value_name = "FILE")]
    hosts: Option<PathBuf>,
    /// Threads to use [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) threads: Option<u16>,
}

/// Why nothing was analysed; the exit code is 2.
#[derive(Debug, thiserror::Error)]
pub(super) enum RunError {
    /// A rule was asked for that does not exist.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// The key log is of no use.
    #[error(transparent)]
    KeyLog(#[from] KeyLogError),
    /// The passwords are of no use.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// A certificate is of no use.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The names of hosts are of no use.
    #[error(transparent)]
    Hosts(#[from] FileError),
    /// An input could not be opened.
    #[error(transparent)]
    Capture(#[from] capture::Error),
    /// An input could not be read on.
    #[error(transparent)]
    Pipeline(#[from] pipeline::Error),
}

impl RunError {
    /// What the user may do, for the line after `hint:`.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Selection(error) => error.hint(),
            Self::KeyLog(error) => Some(error.hint()),
            Self::Credentials(error) => error.hint(),
            Self::Capture(error) | Self::Pipeline(pipeline::Error::Capture(error)) => error.hint(),
            Self::Certificate(error) => error.hint(),
            Self::Hosts(error) => error.hint().map(str::to_owned),
            Self::Pipeline(_) => None,
        }
    }
}

/// What is wrong with a key log.
#[cfg_attr(not(feature = "tls"), allow(dead_code))]
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyLogError {
    /// It could not be read.
    #[error("could not read the key log {path:?}")]
    Read {
        /// The path as given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It has no key.
    #[error("no line of the key log {path:?} is a key")]
    Empty {
        /// The path as given.
        path: PathBuf,
    },
}

impl KeyLogError {
    fn hint(&self) -> String {
        match self {
            Self::Read { .. } => "give the file that SSLKEYLOGFILE named when the capture was made",
            Self::Empty { .. } => {
                "a line is `CLIENT_RANDOM`, the client random and a secret, in hex"
            }
        }
        .to_owned()
    }
}

/// What is wrong with the file of passwords.
#[derive(Debug, thiserror::Error)]
pub(super) enum CredentialsError {
    /// It could not be read.
    #[error("could not read the credentials {path:?}")]
    Read {
        /// The path as given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line of it is none; what stands there is not told, as it may be a password.
    #[error("could not use the credentials {path:?}: line {line} is not user:realm:password")]
    Wrong {
        /// The path as given.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
}

impl CredentialsError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Read { .. } => None,
            Self::Wrong { .. } => Some(
                "the realm may be empty, as in `alice::secret`; `#` begins a comment".to_owned(),
            ),
        }
    }
}

/// What is wrong with a certificate.
#[cfg_attr(not(feature = "stir"), allow(dead_code))]
#[derive(Debug, thiserror::Error)]
pub(super) enum CertificateError {
    /// It could not be read.
    #[error("could not read the certificate {path:?}")]
    Read {
        /// The path as given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is none that signs identities.
    #[error("could not use the certificate {path:?}: {problem}")]
    Wrong {
        /// The path as given.
        path: PathBuf,
        /// What is wrong.
        problem: NotACertificate,
    },
}

impl CertificateError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Read { .. } => None,
            Self::Wrong { .. } => {
                Some("give the PEM file that `info` in the Identity header names".to_owned())
            }
        }
    }
}

impl RunArgs {
    /// The file of settings that is named.
    pub(super) fn config_path(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// The user wants to know why the exit code is what it is.
    pub(super) fn explains_exit(&self) -> bool {
        self.explain_exit
    }

    /// What is read.
    pub(super) fn plan(&self) -> Plan {
        let named = [&self.credentials, &self.config, &self.hosts];
        let plan = Plan::default().captures(&self.captures);
        let plan = plan.inputs(named.into_iter().flatten());
        #[cfg(feature = "stir")]
        let plan = plan.inputs(&self.stir_cert);
        #[cfg(feature = "tls")]
        let plan = plan.inputs(&self.keylog);
        plan
    }

    /// The captures, opened for a command that reads nothing else, and reads on this thread.
    ///
    /// # Errors
    ///
    /// When one of them cannot be.
    pub(super) fn sources(&self) -> Result<Vec<Source>, RunError> {
        let sources = capture::open(&self.captures)?;
        footing::expect_only(&sources, self.threads);
        Ok(sources)
    }

    /// The same for a command that reads them on another thread.
    ///
    /// # Errors
    ///
    /// When one of them cannot be opened.
    #[cfg(feature = "tui")]
    pub(super) fn sources_for_another_thread(&self) -> Result<Vec<Source>, RunError> {
        let sources = capture::open(&self.captures)?;
        footing::expect(&sources);
        Ok(sources)
    }

    /// What a run does that keeps so much; the command line goes before the configuration.
    ///
    /// # Errors
    ///
    /// When a rule that is asked for does not exist, or a file cannot be used.
    pub(super) fn options(
        &self,
        config: &Config,
        keep: Keep,
    ) -> Result<pipeline::Options, RunError> {
        let rules = self.selection.rules(&config.choice)?;
        let policy = self.policy(config);
        let mut settings = config.settings.clone();
        settings.local_nets.extend(&self.local_net);
        settings.trusted.extend(&self.trusted);
        settings.is_load_test |= self.load_test;
        settings.accounts = self.accounts()?;
        settings.certificates = self.certificates()?;
        settings.home_cc = self.home_cc.clone().or(settings.home_cc);
        settings.emergency.extend_from_slice(&self.emergency);
        Ok(pipeline::Options {
            profile: Profile { rules, settings },
            keep: Keep {
                calls: if policy.needs_calls() { CALLS_MAX } else { keep.calls },
                min_severity: policy.min_severity_before(),
                ..keep
            },
            media: !self.no_media,
            keys: self.keys()?,
            threads: self.threads.map(usize::from),
        })
    }

    /// RTP is followed.
    pub(super) fn follows_media(&self) -> bool {
        !self.no_media
    }

    /// A bar on a terminal that shows how much of the captures is read.
    pub(super) fn progress(&self) -> Progress {
        Progress::new(&self.captures)
    }

    /// Analyses the captures to their end, with a bar on a terminal, and sets aside what the user
    /// does not want to see, and what the baseline knows if there is one.
    ///
    /// # Errors
    ///
    /// When nothing could be analysed.
    pub(super) fn analysis(
        &self,
        config: &Config,
        keep: Keep,
        baseline: Option<&mut Baseline>,
    ) -> Result<Analysis, RunError> {
        self.judged(self.sources()?, config, keep, baseline)
    }

    /// The same for some of the captures.
    ///
    /// # Errors
    ///
    /// When nothing could be analysed.
    pub(super) fn judged(
        &self,
        sources: Vec<Source>,
        config: &Config,
        keep: Keep,
        baseline: Option<&mut Baseline>,
    ) -> Result<Analysis, RunError> {
        if sources.iter().any(Source::is_live) {
            signals::let_input_end();
        }
        let paths = paths(&sources);
        let config = config.for_captures(&paths);
        let options = self.options(&config, keep)?;
        let policy = self.policy(&config);
        let hosts = self.hosts(&config)?;
        let progress = Progress::new(&paths);
        let mut analysis = pipeline::run(sources, &options, &|bytes| progress.reached(bytes))?;
        progress.finish();
        Screen::new(&policy, paths, baseline).finish(&mut analysis);
        analysis.hosts = hosts;
        Ok(analysis)
    }

    /// Names of hosts.
    ///
    /// # Errors
    ///
    /// When the file that is named cannot be used.
    pub(super) fn hosts(&self, config: &Config) -> Result<Hosts, FileError> {
        let mut hosts = match &self.hosts {
            Some(path) => hosts::read(path)?,
            None => Hosts::new(),
        };
        for (address, name) in &config.hosts {
            hosts.entry(*address).or_insert_with(|| name.clone());
        }
        Ok(hosts)
    }

    /// What the user has decided on findings.
    pub(super) fn policy(&self, config: &Config) -> Policy {
        let set = config.choice.severities.iter();
        Policy {
            severities: set.filter_map(|(code, own)| Some((*code, (*own)?))).collect(),
            min_severity: self.selection.min_severity(&config.choice),
            ignores: config.ignores.clone(),
        }
    }

    fn accounts(&self) -> Result<Accounts, CredentialsError> {
        let Some(path) = &self.credentials else { return Ok(Accounts::default()) };
        let read = |source| CredentialsError::Read { path: path.clone(), source };
        let text = std::fs::read(path).map_err(read)?;
        Accounts::parse(&text)
            .map_err(|wrong| CredentialsError::Wrong { path: path.clone(), line: wrong.line })
    }

    #[cfg(feature = "stir")]
    fn certificates(&self) -> Result<Certificates, CertificateError> {
        let mut certificates = Certificates::default();
        for path in &self.stir_cert {
            let read = |source| CertificateError::Read { path: path.clone(), source };
            let bytes = std::fs::read(path).map_err(read)?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let wrong = |problem| CertificateError::Wrong { path: path.clone(), problem };
            certificates.add(&name, &bytes).map_err(wrong)?;
        }
        Ok(certificates)
    }

    #[cfg(not(feature = "stir"))]
    fn certificates(&self) -> Result<Certificates, CertificateError> {
        Ok(Certificates::default())
    }

    #[cfg(feature = "tls")]
    pub(super) fn keys(&self) -> Result<KeyLog, KeyLogError> {
        let mut keys = KeyLog::default();
        let Some(path) = &self.keylog else { return Ok(keys) };
        let text = std::fs::read(path)
            .map_err(|source| KeyLogError::Read { path: path.clone(), source })?;
        match keys.add(&text, None) {
            0 => Err(KeyLogError::Empty { path: path.clone() }),
            _ => Ok(keys),
        }
    }

    #[cfg(not(feature = "tls"))]
    pub(super) fn keys(&self) -> Result<KeyLog, KeyLogError> {
        Ok(KeyLog::default())
    }
}

/// Where the captures come from.
pub(super) fn paths(sources: &[Source]) -> Vec<PathBuf> {
    sources.iter().map(|source| source.describe().path).collect()
}

/// What makes the run fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    Error,
    Warn,
    Info,
    Never,
}

impl FailOn {
    /// How bad a finding must be; none where nothing makes the run fail.
    pub(super) const fn severity(self) -> Option<Severity> {
        match self {
            Self::Error => Some(Severity::Error),
            Self::Warn => Some(Severity::Warn),
            Self::Info => Some(Severity::Info),
            Self::Never => None,
        }
    }

    /// How many findings are at least as bad.
    pub(super) fn count(self, findings: BySeverity) -> u64 {
        self.severity().map_or(0, |severity| findings.at_least(severity))
    }
}

/// A bar on standard error, only where that is a terminal.
pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub(super) fn new(paths: &[PathBuf]) -> Self {
        if !io::stderr().is_terminal() {
            return Self { bar: ProgressBar::hidden() };
        }
        let sizes = || paths.iter().map(|path| std::fs::metadata(path).map(|about| about.len()));
        let is_plain = paths.iter().all(|path| {
            let name = path.to_string_lossy();
            [".pcap", ".pcapng", ".cap"].iter().any(|end| name.ends_with(end))
        });
        // The bytes counted are those after decompression, so only plain files have a known end.
        let total = sizes().collect::<io::Result<Vec<u64>>>().ok().filter(|_| is_plain);
        let target = ProgressDrawTarget::stderr_with_hz(8);
        let (length, template) = match total {
            Some(sizes) => (Some(sizes.iter().sum()), "{bar:40} {bytes}/{total_bytes} {eta}"),
            None => (None, "{spinner} {bytes} {bytes_per_sec}"),
        };
        let bar = ProgressBar::with_draw_target(length, target);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar }
    }

    pub(super) fn reached(&self, bytes: u64) {
        self.bar.set_position(bytes);
        footing::has_read(bytes);
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
