//! Files of expectations on the command line: which one belongs to which capture, and what is wrong
//! with them.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::analysis::Analysis;
use crate::analysis::expect::{Expectations, Verdict, WrongAt, surprises};

/// What a file of expectations is called beside its capture: `call.pcap`, `call.expect.toml`.
const BESIDE: &str = "expect.toml";

/// Expectations, read or recorded.
#[derive(Debug, Args)]
pub(super) struct ExpectArgs {
    /// What the captures must show: a file of expectations, for every capture; may be repeated.
    /// Without it a file beside a capture counts, call.expect.toml for call.pcap
    #[arg(long, value_name = "FILE")]
    expect: Vec<PathBuf>,
    /// Write expectations that the capture of a good run meets, to start from
    #[arg(long, conflicts_with_all = ["expect", "format", "baseline", "write_baseline"])]
    record: bool,
}

/// A file of expectations cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExpectError {
    /// It cannot be read.
    #[error("could not read \"{}\"", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What it says is wrong.
    #[error("could not use \"{}\": {wrong}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        wrong: WrongAt,
    },
}

impl ExpectError {
    /// What the user may do, for the line after `hint:`.
    pub(super) fn hint(&self) -> String {
        match self {
            Self::Unreadable { .. } => {
                "`siptrace check --record good.pcap` writes a first file of expectations"
            }
            Self::Wrong { .. } => "docs/expectations.md has every key with an example",
        }
        .to_owned()
    }
}

impl ExpectArgs {
    /// The files that are read.
    pub(super) fn inputs(&self) -> &[PathBuf] {
        &self.expect
    }

    /// Expectations are to be written, not read.
    pub(super) const fn is_recorded(&self) -> bool {
        self.record
    }

    /// What these captures, analysed as one, must show: by the files given and by `more`, which are
    /// those of the configuration; without any, by the files beside the captures.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or used.
    pub(super) fn read(
        &self,
        captures: &[&Path],
        more: &[PathBuf],
    ) -> Result<Vec<Expectations>, ExpectError> {
        let given: Vec<PathBuf> = self.expect.iter().chain(more).cloned().collect();
        let paths = match given.is_empty() {
            true => captures.iter().filter_map(|capture| beside(capture)).collect(),
            false => given,
        };
        paths.into_iter().map(read).collect()
    }
}

/// What came of all the expectations; findings that one of them asks for or allows are excused.
pub(super) fn verdicts(expectations: &[Expectations], analysis: &mut Analysis) -> Vec<Verdict> {
    let verdicts = expectations.iter().flat_map(|own| own.check(analysis)).collect();
    let surprises = surprises(expectations, analysis);
    for (place, finding) in analysis.findings.iter_mut().enumerate() {
        finding.is_excused |= !surprises.contains(&place);
    }
    verdicts
}

fn read(path: PathBuf) -> Result<Expectations, ExpectError> {
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) => return Err(ExpectError::Unreadable { path, source }),
    };
    Expectations::parse(&text, &path).map_err(|wrong| ExpectError::Wrong { path, wrong })
}

/// The file beside the capture: its name up to a first or second ending, `call.pcap.gz` as well.
fn beside(capture: &Path) -> Option<PathBuf> {
    let mut stem = capture.file_stem().map(OsString::from)?;
    loop {
        let mut name = stem.clone();
        name.push(".");
        name.push(BESIDE);
        let path = capture.with_file_name(name);
        if path.is_file() {
            return Some(path);
        }
        let shorter = Path::new(&stem).file_stem().map(OsString::from)?;
        if shorter == stem {
            return None;
        }
        stem = shorter;
    }
}
