//! What `siptrace.toml` sets: the first one from the current folder upwards.
//!
//! A file with a fault stops the run, since whoever wrote it means it. Knows nothing of the
//! command line, which goes before it.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};

use crate::catalogue::Lang;

/// The name of the file.
const FILE: &str = "siptrace.toml";

/// The settings of the file; empty without one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    /// The language of reports: `lang = "fr"`.
    #[serde(default, deserialize_with = "lang")]
    pub(super) lang: Option<Lang>,
}

/// There is a file, and it cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConfigError {
    /// It cannot be read.
    #[error("could not read \"{}\"", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
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
    },
}

impl Config {
    /// The settings of the folder in which the program was started.
    ///
    /// # Errors
    ///
    /// When there is a file that cannot be read or says something unknown.
    pub(super) fn find() -> Result<Self, ConfigError> {
        // Without a current folder there is nothing to look for.
        std::env::current_dir().map_or_else(|_| Ok(Self::default()), |dir| Self::above(&dir))
    }

    /// The settings of the nearest file in `dir` or a folder above it.
    fn above(dir: &Path) -> Result<Self, ConfigError> {
        for folder in dir.ancestors() {
            let path = folder.join(FILE);
            match std::fs::read_to_string(&path) {
                Ok(text) => return Self::parse(&text, path),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(ConfigError::Unreadable { path, source }),
            }
        }
        Ok(Self::default())
    }

    fn parse(text: &str, path: PathBuf) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let (line, column) = position(text, at);
            let problem = error.message().trim().replace('\n', ", ");
            ConfigError::Wrong { path, line, column, problem }
        })
    }
}

/// Line and column of a byte of the text, both from 1.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}

fn lang<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Lang>, D::Error> {
    let name = String::deserialize(deserializer)?;
    name.parse().map(Some).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// An empty folder of its own, with a folder inside.
    fn scratch(name: &str) -> (PathBuf, PathBuf) {
        let folder =
            std::env::temp_dir().join(format!("siptrace-config-{}-{name}", std::process::id()));
        let inner = folder.join("a").join("b");
        fs::create_dir_all(&inner).expect("made");
        (folder, inner)
    }

    fn wrong(text: &str) -> String {
        let error = Config::parse(text, PathBuf::from(FILE)).expect_err(text);
        error.to_string()
    }

    #[test]
    fn the_nearest_file_counts() {
        let (folder, inner) = scratch("nearest");
        assert_eq!(Config::above(&inner).expect("no file").lang, None);
        fs::write(folder.join(FILE), "lang = \"fr\"\n").expect("written");
        assert_eq!(Config::above(&inner).expect("above").lang, Some(Lang::Fr));
        fs::write(inner.join(FILE), "# nothing set here\n").expect("written");
        assert_eq!(Config::above(&inner).expect("here"), Config::default());
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let start = "could not use \"siptrace.toml\": ";
        let cases = [
            ("lnag = \"fr\"\n", "line 1, column 1: unknown field `lnag`"),
            ("# é\nlang = \"xx\"\n", "line 2, column 8: unknown language \"xx\"; known are en"),
            ("lang = 3\n", "line 1, column 8: invalid type: integer `3`, expected a string"),
            ("lang = \"fr\"\n[select]\n", "line 2, column 2: unknown field `select`"),
        ];
        for (text, expected) in cases {
            let error = wrong(text);
            assert!(error.starts_with(&format!("{start}{expected}")), "{error}");
        }
        let broken = wrong("lang = \"fr\n");
        assert!(broken.starts_with(&format!("{start}line 1, column ")), "{broken}");
        assert_eq!(broken.lines().count(), 1, "{broken}");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let (folder, inner) = scratch("unreadable");
        fs::write(inner.join(FILE), b"lang = \"\xff\"").expect("written");
        let error = Config::above(&inner).expect_err("not UTF-8");
        let path = inner.join(FILE);
        assert_eq!(error.to_string(), format!("could not read \"{}\"", path.display()));
        assert!(std::error::Error::source(&error).is_some());
        fs::remove_dir_all(folder).expect("removed");
    }
}
