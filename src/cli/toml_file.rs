//! Files in TOML that a user writes: read with the place of a fault, and what was meant there.
//!
//! Knows nothing of what the files say.

use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::bytes::printable_str;
use crate::catalogue;

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    /// It cannot be read.
    #[error("could not read \"{}\"", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
        /// What the user may do.
        hint: Option<String>,
    },
    /// What it says is wrong.
    #[error("could not use \"{}\": line {line}, column {column}: {problem}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1, in characters.
        column: usize,
        /// What is wrong there.
        problem: String,
        /// What was meant.
        hint: Option<String>,
    },
}

impl FileError {
    /// What the user may do, for the line after `hint:`.
    pub(super) fn hint(&self) -> Option<&str> {
        match self {
            Self::Unreadable { hint, .. } | Self::Wrong { hint, .. } => hint.as_deref(),
        }
    }
}

/// What is wrong in a text, and at which byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    at: usize,
    problem: String,
    hint: Option<String>,
}

impl Fault {
    /// A fault at this byte.
    pub(super) fn new(at: usize, problem: impl Into<String>) -> Self {
        Self { at, problem: problem.into(), hint: None }
    }

    /// With what may have been meant, if one of these names is like the one given.
    #[must_use]
    pub(super) fn meant<'n>(self, given: &str, names: impl IntoIterator<Item = &'n str>) -> Self {
        match catalogue::nearest(given, names) {
            Some(name) => self.hint(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    /// With what the user may do.
    #[must_use]
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The error of a file with that text.
    pub(super) fn in_file(self, text: &str, path: &Path) -> FileError {
        let (line, column) = position(text, self.at);
        let problem = printable_str(&self.problem).into_owned();
        let hint = self.hint.map(|hint| printable_str(&hint).into_owned());
        FileError::Wrong { path: path.to_owned(), line, column, problem, hint }
    }
}

/// What the text says, in the shape of `T`.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Fault> {
    toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let message = error.message().trim().replace('\n', ", ");
        // `unknown field `x`, expected one of `a`, `b`` names all that there are.
        match message.split_once(", expected ") {
            Some((problem, known)) if problem.starts_with("unknown field `") => {
                let given = problem.trim_start_matches("unknown field `").trim_end_matches('`');
                let names: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
                let known = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
                Fault::new(at, problem)
                    .hint(format!("known here are {}", known.join(", ")))
                    .meant(given, names)
            }
            _ => Fault::new(at, message),
        }
    })
}

/// Line and column of a byte of the text, both from 1.
pub(super) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}
