//! What was set aside by decisions of the user, as JSON.

use schemars::JsonSchema;
use serde::Serialize;

use crate::analysis::{HostPattern, Ignored, KnownFinding, Screened};
use crate::bytes::printable_str;

/// What one ignore of `siptrace.toml` has set aside.
#[derive(Serialize, JsonSchema)]
pub(super) struct IgnoredJson<'a> {
    /// Its line in `siptrace.toml`, 1 for the first.
    line: usize,
    /// Why it is there.
    reason: &'a str,
    /// Findings that it took.
    count: u64,
}

/// What the baseline knows.
#[derive(Serialize, JsonSchema)]
pub(super) struct BaselineJson<'a> {
    /// Findings that it knows, and that were found again.
    known: u64,
    /// What it knows and was not found.
    vanished: Vec<VanishedJson<'a>>,
}

/// What the baseline knows and was not found.
#[derive(Serialize, JsonSchema)]
pub(super) struct VanishedJson<'a> {
    /// The code of the rule.
    code: &'static str,
    /// Its name.
    rule: &'static str,
    /// The capture, as a pattern.
    capture: Option<String>,
    /// The status codes of the finding.
    status: Option<&'a [u16]>,
    /// The method of the request.
    method: Option<&'a str>,
    /// The words of its evidence.
    words: Option<&'a [String]>,
    /// The client, as a pattern or a network.
    client: Option<String>,
    /// The server, as a pattern or a network.
    server: Option<String>,
    /// How often it was not found again.
    count: u64,
}

/// The ignores; none where there are none.
pub(super) fn ignored(ignored: &[Ignored]) -> Option<Vec<IgnoredJson<'_>>> {
    (!ignored.is_empty()).then(|| ignored.iter().map(IgnoredJson::of).collect())
}

impl<'a> IgnoredJson<'a> {
    fn of(own: &'a Ignored) -> Self {
        Self { line: own.line, reason: &own.reason, count: own.count }
    }
}

impl<'a> BaselineJson<'a> {
    /// None without a baseline.
    pub(super) fn of(screened: &'a Screened) -> Option<Self> {
        Some(Self { known: screened.known?, vanished: vanished(&screened.vanished) })
    }
}

/// What did not come.
pub(super) fn vanished(all: &[(KnownFinding, u64)]) -> Vec<VanishedJson<'_>> {
    all.iter().map(|(known, count)| VanishedJson::of(known, *count)).collect()
}

impl<'a> VanishedJson<'a> {
    fn of(known: &'a KnownFinding, count: u64) -> Self {
        let host = |host: &Option<HostPattern>| host.as_ref().map(ToString::to_string);
        Self {
            code: known.rule.code,
            rule: known.rule.name,
            capture: known.capture.as_ref().map(ToString::to_string),
            status: known.status.as_deref(),
            method: known.method.as_deref(),
            words: known.words.as_deref(),
            client: host(&known.client),
            server: host(&known.server),
            count,
        }
    }
}

/// A kind of finding in one line.
pub(super) fn line(known: &KnownFinding) -> String {
    let mut parts = vec![format!("{} {}", known.rule.code, known.rule.name)];
    parts.extend(known.capture.as_ref().map(ToString::to_string));
    let status = known.status.iter().flatten().map(ToString::to_string);
    parts.extend(status);
    parts.extend(known.method.clone());
    parts.extend(known.words.iter().flatten().cloned());
    match (&known.client, &known.server) {
        (Some(client), Some(server)) => parts.push(format!("{client} > {server}")),
        (Some(host), None) | (None, Some(host)) => parts.push(host.to_string()),
        (None, None) => {}
    }
    printable_str(&parts.join(" · ")).into_owned()
}
