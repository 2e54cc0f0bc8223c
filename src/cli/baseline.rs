//! Baselines as files: what is known, in TOML that a person can read, mend and review.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;
use toml::Spanned;

use crate::analysis::{Baseline, Fingerprint, HostPattern, KnownFinding};
use crate::bytes::toml_string;
use crate::capture::Glob;
use crate::cli::config::Config;
use crate::cli::files::{Files, Wanted, WriteError};
use crate::cli::toml_file::{self, Fault, FileError};
use crate::rules;

/// The format of the files; another one is not understood.
const VERSION: i64 = 1;

/// What stands at the beginning of each file.
const HEAD: &str = "\
# Findings that siptrace knows: they stay quiet, one more of a kind is new.
# Delete an entry when its fault is mended. What an entry leaves out fits any; capture, client and
# server may be patterns, and client and server networks.
version = 1
";

/// What is known.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct BaselineArgs {
    /// Findings that are known, as --write-baseline wrote them: they stay quiet and are counted,
    /// new ones count, vanished ones are listed [default: `baseline` of siptrace.toml]
    #[arg(long, value_name = "FILE", conflicts_with = "write_baseline")]
    baseline: Option<PathBuf>,
    /// Write all findings to this file; from then on they are known. A baseline that is there is
    /// replaced, any other file only with --force
    #[arg(long, value_name = "FILE")]
    write_baseline: Option<PathBuf>,
}

impl BaselineArgs {
    /// What is known before the run.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or what it says is wrong.
    pub(super) fn read(&self, config: &Config) -> Result<Option<Baseline>, FileError> {
        if self.write_baseline.is_some() {
            return Ok(Some(Baseline::to_write()));
        }
        let Some(path) = self.input(config) else { return Ok(None) };
        let text = std::fs::read_to_string(path).map_err(|source| FileError::Unreadable {
            path: path.clone(),
            source,
            hint: Some("`--write-baseline FILE` writes one".to_owned()),
        })?;
        parse(&text).map(|known| Some(Baseline::known(known))).map_err(|f| f.in_file(&text, path))
    }

    /// Writes what was found, where that is asked for; the file gets its name with the others.
    ///
    /// # Errors
    ///
    /// When the file cannot be written to.
    pub(super) fn write(
        &self,
        baseline: Option<&Baseline>,
        force: bool,
        files: &mut Files,
    ) -> Result<(), WriteError> {
        match (self.wanted(force), baseline) {
            (Some(wanted), Some(Baseline::Written(counts))) => {
                files.write(&wanted, render(counts).as_bytes())
            }
            _ => Ok(()),
        }
    }

    /// The file that is to be written. Whoever writes a baseline again means to replace it.
    pub(super) fn wanted(&self, force: bool) -> Option<Wanted> {
        let path = self.write_baseline.as_ref()?;
        let is_one = || std::fs::read_to_string(path).is_ok_and(|text| parse(&text).is_ok());
        Some(Wanted::new(path, force || (path.is_file() && is_one())))
    }

    /// The file that is read.
    pub(super) fn input<'a>(&'a self, config: &'a Config) -> Option<&'a PathBuf> {
        let known = self.baseline.as_ref().or(config.baseline.as_ref());
        known.filter(|_| !self.is_written())
    }

    /// Everything that is found becomes known.
    pub(super) fn is_written(&self) -> bool {
        self.write_baseline.is_some()
    }
}

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    version: Spanned<i64>,
    #[serde(default)]
    finding: Vec<RawFinding>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFinding {
    rule: Spanned<String>,
    capture: Option<String>,
    status: Option<Vec<u16>>,
    method: Option<String>,
    words: Option<Vec<String>>,
    client: Option<String>,
    server: Option<String>,
    count: Option<Spanned<u64>>,
}

/// What a text says is known.
pub(super) fn parse(text: &str) -> Result<Vec<KnownFinding>, Fault> {
    let raw: Raw = toml_file::parse(text)?;
    if *raw.version.get_ref() != VERSION {
        let problem = format!("version {} is unknown", raw.version.get_ref());
        return Err(Fault::new(raw.version.span().start, problem)
            .hint("`--write-baseline FILE` writes one that this siptrace understands"));
    }
    raw.finding.into_iter().map(known).collect()
}

fn known(raw: RawFinding) -> Result<KnownFinding, Fault> {
    let name = raw.rule.get_ref();
    let rule = rules::find(name).ok_or_else(|| {
        let fault = Fault::new(raw.rule.span().start, format!("there is no rule `{name}`"));
        fault.meant(name, rules::ALL.iter().flat_map(|rule| [rule.name, rule.code]))
    })?;
    let count = raw.count.map(|count| match count.get_ref() {
        0 => Err(Fault::new(count.span().start, "expected how often the finding is known")
            .hint("delete the entry if it is not known any more")),
        more => Ok(*more),
    });
    let mut words = raw.words;
    if let Some(words) = &mut words {
        words.sort_unstable();
    }
    Ok(KnownFinding {
        rule,
        capture: raw.capture.as_deref().map(Glob::of),
        status: raw.status,
        method: raw.method,
        words,
        client: raw.client.as_deref().map(HostPattern::parse),
        server: raw.server.as_deref().map(HostPattern::parse),
        count: count.transpose()?.unwrap_or(1),
    })
}

/// The file of these findings.
fn render(counts: &BTreeMap<Fingerprint, u64>) -> String {
    let mut out = HEAD.to_owned();
    for (own, count) in counts {
        let mut line = |key: &str, value: &str| {
            // A string takes everything.
            let _ = writeln!(out, "{key} = {value}");
        };
        line("\n[[finding]]\nrule", &toml_string(own.rule));
        line("capture", &toml_string(&escaped(&own.capture)));
        if !own.status.is_empty() {
            line("status", &format!("{:?}", own.status));
        }
        if let Some(method) = &own.method {
            line("method", &toml_string(method));
        }
        if !own.words.is_empty() {
            let words: Vec<String> = own.words.iter().map(|word| toml_string(word)).collect();
            line("words", &format!("[{}]", words.join(", ")));
        }
        for (key, host) in [("client", own.client), ("server", own.server)] {
            if let Some(host) = host {
                line(key, &toml_string(&host.to_string()));
            }
        }
        line("count", &count.to_string());
    }
    out
}

/// A name in which marks of patterns stand for themselves.
fn escaped(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        match c {
            '*' | '?' | '[' => out.extend(['[', c, ']']),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::analysis::Fingerprint;
    use crate::finding::{Finding, Findings, Report, Value};
    use crate::signaling::Settings;

    fn finding(words: &[&'static str]) -> Finding {
        let mut found = Vec::new();
        let rule = rules::find("TXN106").expect("known");
        let mut report = Report::on_capture()
            .with("method", Value::quoted(b"INV\"ITE"))
            .with("waited_ms", 17_u64);
        for word in words {
            report = report.with("how", Value::Word(word));
        }
        Findings::new(rule, &Settings::default(), &mut found).report(report);
        found.pop().expect("one")
    }

    #[test]
    fn what_is_written_is_known() {
        let name = "od[d]*\"na\\me\".pcap";
        let mut counts = BTreeMap::new();
        counts.insert(Fingerprint::of(&finding(&["b", "a"]), name.as_ref()), 2);
        let text = render(&counts);
        let [known] = &parse(&text).expect("right")[..] else { panic!("{text}") };
        assert_eq!(known.count, 2);
        assert_eq!(known.method.as_deref(), Some("INV\"ITE"));
        assert_eq!(known.words, Some(vec!["how=a".to_owned(), "how=b".to_owned()]));
        let capture = known.capture.as_ref().expect("a capture");
        assert!(capture.fits(name) && !capture.fits("odd*\"na\\me\".pcap"));
    }

    #[test]
    fn quoted_text_is_toml() {
        for text in ["", "a\"b", "\\", "\u{7f}\n\t\u{1b}", "日本"] {
            let line = format!("x = {}", toml_string(text));
            let table: toml::Table = toml::from_str(&line).expect("TOML");
            assert_eq!(table.get("x").and_then(toml::Value::as_str), Some(text));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_has_a_place(
            head in proptest::bool::ANY,
            table in proptest::bool::ANY,
            rest in ".{0,60}",
        ) {
            let head = if head { "version = 1\n" } else { "" };
            let table = if table { "[[finding]]\nrule = \"TXN106\"\n" } else { "" };
            let text = format!("{head}{table}{rest}");
            if let Err(fault) = parse(&text) {
                let error = fault.in_file(&text, "known.toml".as_ref());
                prop_assert!(error.to_string().contains("line "), "{error}");
            }
        }
    }
}
