//! Findings that a user knows already, told again by what does not change from run to run.
//!
//! A fingerprint holds the rule, the name of the capture, status codes, method, words of the
//! evidence and the hosts; no frame, time, Call-ID, port or branch. How often one is known is
//! counted, so that one more of the same kind is new. Knows no file format.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use crate::analysis::screen::HostPattern;
use crate::capture::Glob;
use crate::finding::{Finding, Rule, Value};

/// What a finding is known by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint {
    /// The name of the file, without its folder; safe to show.
    pub capture: String,
    /// The code of the rule, so that fingerprints are in order of the codes.
    code: &'static str,
    /// The name of the rule.
    pub rule: &'static str,
    /// The status codes that it explains.
    pub status: Vec<u16>,
    /// The method in its evidence, safe to show.
    pub method: Option<String>,
    /// Words of the evidence, `name=word`.
    pub words: Vec<String>,
    /// The host that sent the request.
    pub client: Option<IpAddr>,
    /// The host that had to answer it.
    pub server: Option<IpAddr>,
}

impl Fingerprint {
    /// That of a finding in a capture of this path.
    pub fn of(finding: &Finding, capture: &Path) -> Self {
        let mut words: Vec<String> = finding
            .evidence
            .iter()
            .filter(|(name, _)| *name != Finding::CAPTURE_LOSS)
            .flat_map(|(name, value)| words(name, value))
            .collect();
        words.sort_unstable();
        words.dedup();
        let method = finding.value("method").and_then(|method| match method {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        });
        Self {
            capture: name(capture),
            code: finding.rule.code,
            rule: finding.rule.name,
            status: finding.statuses.iter().map(|status| status.code()).collect(),
            method,
            words,
            client: finding.client.map(|client| client.address.to_canonical()),
            server: finding.server.map(|server| server.address.to_canonical()),
        }
    }
}

/// The name by which a baseline knows a capture: that of the file, wherever it lies.
fn name(capture: &Path) -> String {
    let name = capture.file_name().unwrap_or(capture.as_os_str());
    crate::bytes::printable_str(&name.to_string_lossy()).into_owned()
}

/// Our own words in a piece of evidence.
fn words(name: &str, value: &Value) -> Vec<String> {
    match value {
        Value::Word(word) => vec![format!("{name}={word}")],
        Value::List(values) => values.iter().flat_map(|value| words(name, value)).collect(),
        Value::Number(_)
        | Value::Decimal(_)
        | Value::Span(_)
        | Value::Text(_)
        | Value::Endpoint(_)
        | Value::Flag(_) => Vec::new(),
    }
}

/// A kind of finding that the user knows; what is absent fits any.
#[derive(Clone, Debug)]
pub struct KnownFinding {
    /// The rule.
    pub rule: &'static Rule,
    /// The name of the capture.
    pub capture: Option<Glob>,
    /// The status codes, all of them.
    pub status: Option<Vec<u16>>,
    /// The method.
    pub method: Option<String>,
    /// The words of the evidence, all of them, sorted.
    pub words: Option<Vec<String>>,
    /// The host that sent the request.
    pub client: Option<HostPattern>,
    /// The host that had to answer it.
    pub server: Option<HostPattern>,
    /// How often it is known.
    pub count: u64,
}

impl KnownFinding {
    fn fits(&self, own: &Fingerprint) -> bool {
        let host = |known: &Option<HostPattern>, own: Option<IpAddr>| match known {
            Some(known) => own.is_some_and(|own| known.fits(own)),
            None => true,
        };
        self.rule.name == own.rule
            && self.is_in(&own.capture)
            && self.status.as_ref().is_none_or(|status| *status == own.status)
            && self.method.as_ref().is_none_or(|method| Some(method) == own.method.as_ref())
            && self.words.as_ref().is_none_or(|words| *words == own.words)
            && host(&self.client, own.client)
            && host(&self.server, own.server)
    }

    fn is_in(&self, capture: &str) -> bool {
        self.capture.as_ref().is_none_or(|known| known.fits(capture))
    }
}

/// What was known, or what is to be.
#[derive(Clone, Debug)]
pub enum Baseline {
    /// Findings that are known, each with how many of them did not come yet.
    Known(Vec<(KnownFinding, u64)>),
    /// What is found is counted, and from then on known.
    Written(BTreeMap<Fingerprint, u64>),
}

impl Baseline {
    /// These findings are known.
    pub fn known(findings: Vec<KnownFinding>) -> Self {
        let left = |known: KnownFinding| {
            let count = known.count;
            (known, count)
        };
        Self::Known(findings.into_iter().map(left).collect())
    }

    /// A baseline to be written.
    pub const fn to_write() -> Self {
        Self::Written(BTreeMap::new())
    }

    /// True where the finding is known; one of its kind is used up.
    pub(super) fn takes(&mut self, finding: &Finding, capture: &Path) -> bool {
        let own = Fingerprint::of(finding, capture);
        match self {
            Self::Written(counts) => {
                *counts.entry(own).or_default() += 1;
                true
            }
            Self::Known(known) => {
                let room = known.iter_mut().find(|(known, left)| *left > 0 && known.fits(&own));
                room.map(|(_, left)| *left -= 1).is_some()
            }
        }
    }

    /// What is known of these captures and did not come, with how often.
    pub fn vanished(&self, captures: &[&Path]) -> Vec<(KnownFinding, u64)> {
        let names: Vec<String> = captures.iter().map(|path| name(path)).collect();
        let known = match self {
            Self::Known(known) => known.as_slice(),
            Self::Written(_) => &[],
        };
        let missing = known.iter().filter(|(_, left)| *left > 0);
        missing.filter(|(known, _)| names.iter().any(|name| known.is_in(name))).cloned().collect()
    }
}
