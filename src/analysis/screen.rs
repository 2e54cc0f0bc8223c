//! What the user has decided on findings: how bad they are for him, which of them he does not want
//! to see and why, which he knows already.
//!
//! A pure step between the analysis and the report: findings are set aside, and what is counted
//! over them is counted again. Knows no file format.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::analysis::baseline::{Baseline, KnownFinding};
use crate::analysis::stream::gist;
use crate::analysis::{Analysis, Batch, BySeverity, CallSummary, tally};
use crate::capture::Glob;
use crate::finding::{Finding, Rule, Severity};
use crate::limits::FINDINGS_MAX;
use crate::signaling::Net;

/// Decisions on findings.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How bad findings of these rules are, whatever the rules say; by code.
    pub severities: BTreeMap<&'static str, Severity>,
    /// Findings below it are left out.
    pub min_severity: Severity,
    /// Findings that the user does not want to see.
    pub ignores: Vec<Ignore>,
}

impl Default for Policy {
    /// Everything as the rules say.
    fn default() -> Self {
        Self { severities: BTreeMap::new(), min_severity: Severity::Info, ignores: Vec::new() }
    }
}

impl Policy {
    /// The findings of a run that is to be screened must not be less than that.
    pub fn min_severity_before(&self) -> Severity {
        match self.severities.is_empty() {
            true => self.min_severity,
            false => Severity::Info,
        }
    }

    /// The parties of calls are asked for, so that all calls have to be kept.
    pub fn needs_calls(&self) -> bool {
        self.ignores.iter().any(|ignore| ignore.from.is_some() || ignore.to.is_some())
    }
}

/// Findings that the user does not want to see: those that fit everything that is given.
#[derive(Clone, Debug)]
pub struct Ignore {
    /// The rules; any if there is none.
    pub rules: Vec<&'static Rule>,
    /// The Call-ID.
    pub call_id: Option<Glob>,
    /// The URI of the From header of the call.
    pub from: Option<Glob>,
    /// The URI of the To header of the call.
    pub to: Option<Glob>,
    /// The host that sent the request.
    pub client: Option<HostPattern>,
    /// The host that had to answer it.
    pub server: Option<HostPattern>,
    /// Either of them.
    pub peer: Option<HostPattern>,
    /// A status that the finding explains.
    pub status: Option<u16>,
    /// The path of the capture.
    pub capture: Option<Glob>,
    /// Why; safe to show.
    pub reason: String,
    /// Where it is written: the line of the file.
    pub line: usize,
}

/// Hosts that a user means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// Those of a network; of a network of one, that one.
    Net(Net),
    /// Those whose address fits, as it is written.
    Pattern(Glob),
}

impl HostPattern {
    /// The network of that text, else a pattern.
    pub fn parse(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Pattern(Glob::of(text)), Self::Net)
    }

    /// The address is one of them.
    pub fn fits(&self, address: IpAddr) -> bool {
        match self {
            Self::Net(net) => net.holds(address),
            Self::Pattern(pattern) => pattern.fits(&address.to_canonical().to_string()),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Net(net) => {
                let text = net.to_string();
                let one = if text.contains(':') { "/128" } else { "/32" };
                f.write_str(text.strip_suffix(one).unwrap_or(&text))
            }
            Self::Pattern(pattern) => pattern.fmt(f),
        }
    }
}

impl Ignore {
    /// Nothing is given that a finding would have to fit.
    pub fn is_for_all(&self) -> bool {
        let Self { rules, call_id, from, to, client, server, peer, status, capture, .. } = self;
        let texts = [call_id, from, to, capture];
        let hosts = [client, server, peer];
        rules.is_empty()
            && status.is_none()
            && texts.iter().all(|text| text.is_none())
            && hosts.iter().all(|host| host.is_none())
    }

    fn fits(&self, finding: &Finding, capture: &Path, parties: Option<&Parties>) -> bool {
        let client = finding.client.map(|client| client.address);
        let server = finding.server.map(|server| server.address);
        let text = |wanted: &Option<Glob>, own: Option<&str>| match wanted {
            Some(wanted) => own.is_some_and(|own| wanted.fits(own)),
            None => true,
        };
        let host = |wanted: &Option<HostPattern>, own: &[Option<IpAddr>]| match wanted {
            Some(wanted) => own.iter().flatten().any(|own| wanted.fits(*own)),
            None => true,
        };
        let has_status = |status| finding.statuses.iter().any(|own| own.code() == status);
        let is_of_rule = self.rules.iter().any(|rule| rule.code == finding.rule.code);
        (self.rules.is_empty() || is_of_rule)
            && self.status.is_none_or(has_status)
            && text(&self.call_id, finding.call_id.as_deref())
            && text(&self.from, parties.and_then(|parties| parties.from.as_deref()))
            && text(&self.to, parties.and_then(|parties| parties.to.as_deref()))
            && host(&self.client, &[client])
            && host(&self.server, &[server])
            && host(&self.peer, &[client, server])
            && self.is_about(capture)
    }

    fn is_about(&self, capture: &Path) -> bool {
        self.capture.as_ref().is_none_or(|wanted| wanted.fits_path(capture))
    }
}

/// What was set aside.
#[derive(Clone, Debug, Default)]
pub struct Screened {
    /// For each ignore that is about these captures, how many findings it has set aside, in order
    /// of the file; none at all where it never fitted.
    pub ignored: Vec<Ignored>,
    /// Findings that the baseline knows; none without a baseline.
    pub known: Option<u64>,
    /// What the baseline knows of these captures and was not found, with how often.
    pub vanished: Vec<(KnownFinding, u64)>,
}

impl Screened {
    /// Findings that were ignored.
    pub fn ignored_count(&self) -> u64 {
        self.ignored.iter().map(|ignored| ignored.count).sum()
    }
}

/// What one ignore has set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// Why, safe to show.
    pub reason: String,
    /// The line of the file.
    pub line: usize,
    /// How many findings.
    pub count: u64,
}

/// Who talks in a call.
#[derive(Debug)]
struct Parties {
    from: Option<String>,
    to: Option<String>,
}

/// Sets findings of one run aside.
#[derive(Debug)]
pub struct Screen<'p> {
    policy: &'p Policy,
    captures: Vec<PathBuf>,
    baseline: Option<&'p mut Baseline>,
    parties: HashMap<String, Parties>,
    ignored: Vec<u64>,
    known: u64,
    /// What was told on the way, as far as incidents need it.
    told: Vec<Finding>,
    counts: BySeverity,
}

impl<'p> Screen<'p> {
    /// Nothing seen yet of captures of these paths.
    pub fn new(
        policy: &'p Policy,
        captures: Vec<PathBuf>,
        baseline: Option<&'p mut Baseline>,
    ) -> Self {
        Self {
            policy,
            captures,
            baseline,
            parties: HashMap::new(),
            ignored: vec![0; policy.ignores.len()],
            known: 0,
            told: Vec::new(),
            counts: BySeverity::default(),
        }
    }

    /// Screens what is told while the captures are still being read.
    pub fn batch(&mut self, batch: &mut Batch) {
        if self.is_idle() {
            return;
        }
        self.meet(&batch.calls);
        batch.findings.retain_mut(|finding| self.lets_pass(finding));
        for finding in &batch.findings {
            self.counts.add(finding.severity);
            if self.told.len() < FINDINGS_MAX {
                self.told.push(gist(finding));
            }
        }
    }

    /// Screens what is left at the end, and counts again.
    pub fn finish(mut self, analysis: &mut Analysis) {
        if self.is_idle() {
            return;
        }
        self.meet(&analysis.calls);
        analysis.findings.retain_mut(|finding| self.lets_pass(finding));
        for finding in &analysis.findings {
            self.counts.add(finding.severity);
        }
        analysis.totals.findings = self.counts;
        let peers = &analysis.statistics.peers;
        analysis.incidents = tally::incidents(&analysis.findings, self.told, peers);
        let about = |ignore: &Ignore| self.captures.iter().any(|path| ignore.is_about(path));
        let ignores = self.policy.ignores.iter().zip(self.ignored);
        let ignored = ignores.filter(|(ignore, _)| about(ignore)).map(|(ignore, count)| Ignored {
            reason: ignore.reason.clone(),
            line: ignore.line,
            count,
        });
        let paths: Vec<&Path> = self.captures.iter().map(PathBuf::as_path).collect();
        let baseline = self.baseline.as_deref();
        analysis.screened = Screened {
            ignored: ignored.collect(),
            known: baseline.map(|_| self.known),
            vanished: baseline.map(|own| own.vanished(&paths)).unwrap_or_default(),
        };
    }

    /// Nothing was decided.
    fn is_idle(&self) -> bool {
        let Policy { severities, ignores, .. } = self.policy;
        severities.is_empty() && ignores.is_empty() && self.baseline.is_none()
    }

    /// Remembers who talks in these calls, if that matters.
    fn meet(&mut self, calls: &[CallSummary]) {
        if !self.policy.needs_calls() {
            return;
        }
        for call in calls {
            let parties = Parties { from: call.from_uri.clone(), to: call.to_uri.clone() };
            self.parties.entry(call.call_id.clone()).or_insert(parties);
        }
    }

    /// Gives the finding the severity that it has for the user; false where he does not want it.
    fn lets_pass(&mut self, finding: &mut Finding) -> bool {
        if let Some(severity) = self.policy.severities.get(finding.rule.code) {
            finding.severity = *severity;
        }
        if finding.severity < self.policy.min_severity {
            return false;
        }
        let place = finding.frames.first().map_or(0, |frame| usize::from(frame.capture));
        let capture = self.captures.get(place).map_or(Path::new(""), PathBuf::as_path);
        let parties = finding.call_id.as_ref().and_then(|call_id| self.parties.get(call_id));
        let mut ignores = self.policy.ignores.iter().zip(&mut self.ignored);
        let fitting = ignores.find(|(ignore, _)| ignore.fits(finding, capture, parties));
        if let Some((_, count)) = fitting {
            *count += 1;
            return false;
        }
        let is_known = self.baseline.as_mut().is_some_and(|own| own.takes(finding, capture));
        self.known += u64::from(is_known);
        !is_known
    }
}
