//! What `siptrace.toml` sets: the first one from the current folder upwards.
//!
//! A file with a fault stops the run, since whoever wrote it means it. Knows nothing of the
//! command line, which goes before it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer};
use toml::{Spanned, Value};

use crate::catalogue::Lang;
use crate::finding::Rule;
use crate::rules;
use crate::signaling::{Amount, Settings, Stir};
use crate::time::Span;

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
}

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Raw {
    #[serde(default, deserialize_with = "lang")]
    lang: Option<Lang>,
    #[serde(default)]
    local_nets: Vec<Spanned<String>>,
    #[serde(default)]
    trusted: Vec<Spanned<String>>,
    #[serde(default)]
    home_cc: Option<Spanned<String>>,
    #[serde(default)]
    emergency: Vec<Spanned<String>>,
    #[serde(default)]
    stir: Option<Spanned<String>>,
    #[serde(default)]
    stir_servers: Vec<Spanned<String>>,
    #[serde(default)]
    load_test: bool,
    #[serde(default)]
    rules: BTreeMap<Spanned<String>, BTreeMap<Spanned<String>, Spanned<Value>>>,
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
        let raw = toml::from_str::<Raw>(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            (at, error.message().trim().replace('\n', ", "))
        });
        let config = raw.and_then(|raw| Ok(Self { lang: raw.lang, settings: settings(&raw)? }));
        config.map_err(|(at, problem)| {
            let (line, column) = position(text, at);
            ConfigError::Wrong { path, line, column, problem }
        })
    }
}

/// The networks and thresholds that are set; else what is wrong, and at which byte.
fn settings(raw: &Raw) -> Result<Settings, (usize, String)> {
    let mut settings = Settings::default();
    settings.local_nets = raw.local_nets.iter().map(parsed).collect::<Result<_, _>>()?;
    settings.home_cc = raw.home_cc.as_ref().map(parsed).transpose()?;
    settings.emergency = raw.emergency.iter().map(parsed).collect::<Result<_, _>>()?;
    settings.stir_servers = raw.stir_servers.iter().map(parsed).collect::<Result<_, _>>()?;
    if let Some(stir) = &raw.stir {
        settings.stir = match stir.get_ref().as_str() {
            "required" => Stir::Required,
            "optional" => Stir::Optional,
            _ => {
                let problem = "expected \"required\" or \"optional\"".to_owned();
                return Err((stir.span().start, problem));
            }
        };
    }
    settings.trusted = raw.trusted.iter().map(parsed).collect::<Result<_, _>>()?;
    settings.is_load_test = raw.load_test;
    for (rule, table) in &raw.rules {
        let known = rules::find(rule.get_ref()).ok_or_else(|| {
            let problem = format!("there is no rule `{}`; see `siptrace rules`", rule.get_ref());
            (rule.span().start, problem)
        })?;
        for (name, value) in table {
            let threshold = known.thresholds.iter().find(|t| t.name == name.get_ref());
            let threshold = threshold
                .ok_or_else(|| (name.span().start, unknown_threshold(known, name.get_ref())))?;
            let amount = amount(value.get_ref(), threshold.default)
                .map_err(|expected| (value.span().start, format!("expected {expected}")))?;
            settings.set(threshold, amount);
        }
    }
    Ok(settings)
}

/// The value of a text; else what is wrong, and at which byte.
fn parsed<T: FromStr<Err: Display>>(text: &Spanned<String>) -> Result<T, (usize, String)> {
    text.get_ref().parse().map_err(|error: T::Err| (text.span().start, error.to_string()))
}

fn unknown_threshold(rule: &Rule, name: &str) -> String {
    let known: Vec<_> = rule.thresholds.iter().map(|t| format!("`{}`", t.name)).collect();
    match known.is_empty() {
        true => format!("{} has nothing to set, so no `{name}`", rule.name),
        false => format!("{} has no `{name}`, but {}", rule.name, known.join(", ")),
    }
}

/// The value in the kind of `like`, or what was expected.
fn amount(value: &Value, like: Amount) -> Result<Amount, &'static str> {
    let whole = value.as_integer();
    let amount = match like {
        Amount::Span(_) => value.as_str().and_then(span).map(Amount::Span),
        Amount::Count(_) => whole.and_then(|n| u64::try_from(n).ok()).map(Amount::Count),
        Amount::Percent(_) => {
            whole.and_then(|n| u8::try_from(n).ok()).filter(|n| *n <= 100).map(Amount::Percent)
        }
    };
    amount.ok_or(match like {
        Amount::Span(_) => "a duration such as \"500ms\", \"4s\", \"3m\" or \"1h\"",
        Amount::Count(_) => "a whole number",
        Amount::Percent(_) => "a whole number from 0 to 100, in percent",
    })
}

/// `500ms`, `1.5s`, `3m`, `1h`.
pub(super) fn span(text: &str) -> Option<Span> {
    let unit = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(unit);
    let millis = match unit.trim() {
        "ms" => 1.0,
        "s" => 1e3,
        "m" | "min" => 60e3,
        "h" => 3600e3,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    // A year is longer than any timer of SIP, and far from the end of the numbers.
    let millis = (number * millis).round();
    (millis <= 366.0 * 24.0 * 3600e3).then(|| Span::from_millis(millis as i64))
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
        assert_eq!(Config::above(&inner).expect("here").lang, None);
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
            (
                "local-nets = [\"10.0.0.0/8\", \"10.0.0.0/99\"]\n",
                "line 1, column 29: expected an address and the bits of its network",
            ),
            (
                "trusted = [\"trunk\"]\n",
                "line 1, column 12: expected an address and the bits of its network",
            ),
            ("home-cc = \"049\"\n", "line 1, column 11: expected a country code"),
            ("[rules.slow-pdd]\nlimit = 3\n", "line 1, column 8: there is no rule `slow-pdd`"),
            ("home-cc = \"0\"\n", "line 1, column 11: expected a country code such as 49"),
            ("emergency = [\"SOS\"]\n", "line 1, column 14: expected a number as it is dialled"),
            ("stir = \"yes\"\n", "line 1, column 8: expected \"required\" or \"optional\""),
            (
                "[rules.trying-then-server-failure]\nwait = \"3s\"\n",
                "line 2, column 1: trying-then-server-failure has no `wait`, but `long-wait`",
            ),
            (
                "[rules.TXN106]\nlong-wait = \"3 weeks\"\n",
                "line 2, column 13: expected a duration such as \"500ms\"",
            ),
            (
                "[rules.CAP108]\nx = 1\n",
                "line 2, column 1: encrypted-signalling has nothing to set",
            ),
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
    fn what_holds_for_all_rules_is_set() {
        let text = "trusted = [\"192.0.2.0/24\"]\nhome-cc = \"49\"\nload-test = true\n";
        let settings = Config::parse(text, PathBuf::from(FILE)).expect("right").settings;
        assert!(settings.is_trusted([192, 0, 2, 9].into()) && settings.is_load_test);
        assert_eq!(settings.home_cc, "49".parse().ok());
    }

    #[test]
    fn thresholds_are_set() {
        let text = "[rules.trying-then-server-failure]\nlong-wait = \"1.5s\"\n";
        let config = Config::parse(text, PathBuf::from(FILE)).expect("right");
        let rule = rules::find("TXN106").expect("known");
        let threshold = rule.thresholds.first().expect("has one");
        assert_eq!(config.settings.span(threshold), Span::from_millis(1500));
        let units = [("500ms", 500), ("4s", 4000), ("3m", 180_000), ("1h", 3_600_000)];
        for (text, millis) in units {
            assert_eq!(span(text), Some(Span::from_millis(millis)));
        }
        for text in ["", "4", "s", "-4s", "4d", "1.2.3s", "99999h"] {
            assert_eq!(span(text), None, "{text}");
        }
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
