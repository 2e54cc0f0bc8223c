//! What `siptrace.toml` sets: the file that is named, else the first one from the current folder
//! upwards.
//!
//! A file with a fault stops the run, since whoever wrote it means it. Knows nothing of the
//! command line, which goes before it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::analysis::Ignore;
use crate::capture::Glob;
use crate::catalogue::Lang;
use crate::cli::hosts::Hosts;
use crate::cli::run::FailOn;
use crate::cli::toml_file::FileError;
use crate::finding::{Rule, Severity};
use crate::signaling::{Amount, Settings, Threshold};

mod file;

pub(super) use file::span;

/// The name of the file.
const FILE: &str = "siptrace.toml";

/// What the file sets; empty without one.
#[derive(Clone, Debug, Default)]
pub(super) struct Config {
    /// The language of reports: `lang = "fr"`.
    pub(super) lang: Option<Lang>,
    /// Networks of the user's own, `local-nets = ["10.1.0.0/16"]`, and those that he trusts,
    /// `trusted = ["192.0.2.0/24"]`; his country, `home-cc = "49"`; numbers that call for help,
    /// `emergency = ["112"]`; whether callers must sign who they are, `stir = "required"`, for
    /// these servers only, `stir-servers = ["198.51.100.0/24"]`; `load-test = true`; thresholds of
    /// rules, `[rules.slow-post-dial-delay]` and `delay = "8s"`.
    pub(super) settings: Settings,
    /// Which rules run, how bad their findings are, and when a run fails.
    pub(super) choice: Choice,
    /// Findings that are not to be shown, each with its reason: `[[ignore-finding]]`.
    pub(super) ignores: Vec<Ignore>,
    /// Findings that are known, `baseline = "known.toml"`, in the folder of the file.
    pub(super) baseline: Option<PathBuf>,
    /// Names of hosts, `[hosts]` and `"192.0.2.10" = "pbx"`.
    pub(super) hosts: Hosts,
    /// What holds for some captures only: `[[capture]]`.
    overrides: Vec<Override>,
    /// The file itself.
    path: Option<PathBuf>,
}

/// Which rules run, how bad their findings are, and when a run fails.
#[derive(Clone, Debug, Default)]
pub(super) struct Choice {
    /// Only these rules run, `select = ["TXN"]`; all of them without it.
    pub(super) select: Option<Vec<String>>,
    /// These do not, `ignore = ["CAP"]`.
    pub(super) ignore: Vec<String>,
    /// `min-severity = "warn"`.
    pub(super) min_severity: Option<Severity>,
    /// `fail-on = "warn"`.
    pub(super) fail_on: Option<FailOn>,
    /// `[rules.NAME]` and `severity = "warn"`, by the code of the rule; none where it is `"off"`.
    pub(super) severities: BTreeMap<&'static str, Option<Severity>>,
    /// Files of expectations, `expect = ["call.toml"]`, in the folder of the file.
    pub(super) expect: Vec<PathBuf>,
    /// Thresholds that are set for some captures only.
    pub(super) thresholds: Vec<(&'static Threshold, Amount)>,
}

impl Choice {
    /// The rule is switched off.
    pub(super) fn is_off(&self, rule: &Rule) -> bool {
        self.severities.get(rule.code).is_some_and(Option::is_none)
    }
}

/// What holds for captures of such a path only.
#[derive(Clone, Debug)]
struct Override {
    path: Glob,
    choice: Choice,
}

impl Config {
    /// The settings of the file that is named, else of the folder in which the program was started.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or says something unknown.
    pub(super) fn of(named: Option<&Path>) -> Result<Self, FileError> {
        match named {
            Some(path) => Self::read(path),
            // Without a current folder there is nothing to look for.
            None => std::env::current_dir()
                .map_or_else(|_| Ok(Self::default()), |dir| Self::above(&dir)),
        }
    }

    /// The settings of the nearest file in `dir` or a folder above it.
    fn above(dir: &Path) -> Result<Self, FileError> {
        for folder in dir.ancestors() {
            let path = folder.join(FILE);
            match Self::read(&path) {
                Err(FileError::Unreadable { source, .. })
                    if source.kind() == io::ErrorKind::NotFound => {}
                result => return result,
            }
        }
        Ok(Self::default())
    }

    fn read(path: &Path) -> Result<Self, FileError> {
        let unreadable =
            |source| FileError::Unreadable { path: path.to_owned(), source, hint: None };
        Self::parse(&std::fs::read_to_string(path).map_err(unreadable)?, path)
    }

    pub(super) fn parse(text: &str, path: &Path) -> Result<Self, FileError> {
        let mut config = file::parse(text).map_err(|fault| fault.in_file(text, path))?;
        let beside = |name: PathBuf| path.parent().unwrap_or(Path::new("")).join(name);
        config.path = Some(path.to_owned());
        config.baseline = config.baseline.map(beside);
        let choices = config.overrides.iter_mut().map(|own| &mut own.choice);
        for choice in choices.chain([&mut config.choice]) {
            choice.expect = choice.expect.drain(..).map(beside).collect();
        }
        Ok(config)
    }

    /// The file itself, if there is one.
    pub(super) fn path(&self) -> Option<&PathBuf> {
        self.path.as_ref()
    }

    /// The files of expectations that it names.
    pub(super) fn expectations(&self) -> impl Iterator<Item = &PathBuf> {
        let choices = self.overrides.iter().map(|own| &own.choice).chain([&self.choice]);
        choices.flat_map(|choice| &choice.expect)
    }

    /// What holds for these captures, analysed as one: of a single one also what is set for its
    /// path, the later entries before the earlier ones.
    pub(super) fn for_captures(&self, paths: &[PathBuf]) -> Cow<'_, Self> {
        let [path] = paths else { return Cow::Borrowed(self) };
        let mut fitting = self.overrides.iter().filter(|own| own.path.fits_path(path)).peekable();
        if fitting.peek().is_none() {
            return Cow::Borrowed(self);
        }
        let mut config = self.clone();
        for Override { choice, .. } in fitting {
            let own = &mut config.choice;
            own.select = choice.select.clone().or(own.select.take());
            own.ignore.extend_from_slice(&choice.ignore);
            own.min_severity = choice.min_severity.or(own.min_severity);
            own.fail_on = choice.fail_on.or(own.fail_on);
            own.expect.extend_from_slice(&choice.expect);
            own.severities.extend(&choice.severities);
            for (threshold, amount) in &choice.thresholds {
                config.settings.set(threshold, *amount);
            }
        }
        Cow::Owned(config)
    }
}

#[cfg(test)]
mod tests;
