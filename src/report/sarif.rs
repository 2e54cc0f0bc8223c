//! The findings as static analysis results: SARIF 2.1.0.
//!
//! The capture is the artifact, the call is the logical location; frames are no lines, so they
//! stand among the properties. An expectation points at its line in the file of expectations. Only
//! rules with a result are described.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use crate::bytes::printable_str;
use crate::capture::FrameId;
use crate::catalogue::{Lang, RuleText};
use crate::finding::{Confidence, Finding, Severity, Value};
use crate::report::filter::display_filter;
use crate::report::fingerprint::Fingerprints;
use crate::report::html::language_tag;
use crate::report::index::{Index, portable};
use crate::report::outcome::{Missed, Outcome};
use crate::sip::Status;
use crate::time::Time;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// What results of expectations are listed under.
const EXPECTATION: &str = "expectation";

/// Writes the log with one run.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn sarif(outcome: &Outcome<'_>, lang: Lang, out: &mut dyn Write) -> io::Result<()> {
    let index = Index::new(outcome.analysis, lang);
    let log = LogJson { schema: SCHEMA, version: "2.1.0", runs: [RunJson::of(outcome, &index)] };
    serde_json::to_writer_pretty(&mut *out, &log)?;
    writeln!(out)
}

#[derive(Serialize)]
struct LogJson {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [RunJson; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RunJson {
    tool: ToolJson,
    language: &'static str,
    invocations: [InvocationJson; 1],
    artifacts: Vec<ArtifactJson>,
    results: Vec<ResultJson>,
}

#[derive(Serialize)]
struct ToolJson {
    driver: DriverJson,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DriverJson {
    name: &'static str,
    version: &'static str,
    semantic_version: &'static str,
    rules: Vec<RuleJson>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RuleJson {
    id: &'static str,
    name: &'static str,
    short_description: TextJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    full_description: Option<TextJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<HelpJson>,
    default_configuration: ConfigurationJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    properties: Option<TagsJson>,
}

#[derive(Serialize)]
struct TextJson {
    text: String,
}

#[derive(Serialize)]
struct HelpJson {
    text: String,
    markdown: String,
}

#[derive(Serialize)]
struct ConfigurationJson {
    level: &'static str,
}

#[derive(Serialize)]
struct TagsJson {
    tags: Vec<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InvocationJson {
    execution_successful: bool,
    exit_code: u8,
    tool_execution_notifications: Vec<NotificationJson>,
}

#[derive(Serialize)]
struct NotificationJson {
    level: &'static str,
    message: TextJson,
}

#[derive(Serialize)]
struct ArtifactJson {
    location: ArtifactLocationJson,
    roles: [&'static str; 1],
}

#[derive(Serialize)]
struct ArtifactLocationJson {
    uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResultJson {
    rule_id: &'static str,
    rule_index: usize,
    level: &'static str,
    message: TextJson,
    locations: [LocationJson; 1],
    partial_fingerprints: BTreeMap<&'static str, String>,
    properties: PropertiesJson,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LocationJson {
    physical_location: PhysicalJson,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logical_locations: Vec<LogicalJson>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalJson {
    artifact_location: ArtifactLocationJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<RegionJson>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RegionJson {
    start_line: usize,
}

#[derive(Serialize)]
struct LogicalJson {
    name: String,
    kind: &'static str,
}

/// What SARIF has no place for; the names are those of the JSON format.
#[derive(Default, Serialize)]
struct PropertiesJson {
    frames: Vec<FrameJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<Confidence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    statuses: Vec<u16>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    evidence: BTreeMap<&'static str, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_filter: Option<String>,
}

#[derive(Serialize)]
struct FrameJson {
    capture: u16,
    frame: u64,
}

fn frames(frames: &[FrameId]) -> Vec<FrameJson> {
    frames.iter().map(|id| FrameJson { capture: id.capture, frame: id.number }).collect()
}

impl RunJson {
    fn of(outcome: &Outcome<'_>, index: &Index<'_>) -> Self {
        let analysis = outcome.analysis;
        let found = analysis.findings.iter();
        let rules: BTreeMap<&'static str, &Finding> =
            found.map(|finding| (finding.rule.code, finding)).collect();
        let mut described: Vec<RuleJson> =
            rules.values().map(|finding| RuleJson::of(finding, &index.rule(finding))).collect();
        let expectation = described.len();
        if outcome.broken().next().is_some() {
            described.push(RuleJson::expectation(index));
        }
        let place = |finding: &Finding| {
            described.iter().position(|rule| rule.id == finding.rule.code).unwrap_or_default()
        };
        let mut fingerprints = Fingerprints::default();
        let mut results: Vec<ResultJson> = outcome
            .broken()
            .map(|missed| ResultJson::of_expectation(missed, expectation, &mut fingerprints, index))
            .collect();
        for finding in &analysis.findings {
            results.push(ResultJson::of(finding, place(finding), &mut fingerprints, index));
        }
        let version = env!("CARGO_PKG_VERSION");
        let name = env!("CARGO_PKG_NAME");
        let driver = DriverJson { name, version, semantic_version: version, rules: described };
        Self {
            tool: ToolJson { driver },
            language: language_tag(index.words.lang()),
            invocations: [InvocationJson::of(outcome, index)],
            artifacts: (0..analysis.captures.len()).map(|at| ArtifactJson::of(at, index)).collect(),
            results,
        }
    }
}

impl RuleJson {
    fn of(finding: &Finding, text: &RuleText) -> Self {
        let family = finding.rule.family().prefix();
        Self {
            id: finding.rule.code,
            name: finding.rule.name,
            short_description: TextJson { text: text.entry.title.clone() },
            full_description: Some(TextJson { text: text.entry.what.clone() }),
            help: Some(HelpJson::of(text)),
            default_configuration: ConfigurationJson { level: level(finding.rule.severity) },
            properties: Some(TagsJson { tags: vec!["sip", family] }),
        }
    }

    fn expectation(index: &Index<'_>) -> Self {
        let text = index.words.get("expectation-missed").to_owned();
        Self {
            id: EXPECTATION,
            name: EXPECTATION,
            short_description: TextJson { text },
            full_description: None,
            help: None,
            default_configuration: ConfigurationJson { level: "error" },
            properties: None,
        }
    }
}

impl HelpJson {
    fn of(text: &RuleText) -> Self {
        let words = crate::catalogue::labels(text.lang);
        let entry = &text.entry;
        let bullets = |items: &[String]| {
            items.iter().map(|item| format!("- {item}")).collect::<Vec<_>>().join("\n")
        };
        let numbers = |items: &[String]| {
            let items = items.iter().enumerate().map(|(at, item)| format!("{}. {item}", at + 1));
            items.collect::<Vec<_>>().join("\n")
        };
        let parts = [
            ("what-happened", entry.what.clone()),
            ("why-it-matters", entry.why.clone()),
            ("likely-causes", bullets(&entry.causes)),
            ("what-to-do", numbers(&entry.actions)),
            ("references", bullets(&entry.references)),
        ];
        let written = |mark: &str| {
            let parts = parts.iter().filter(|(_, text)| !text.is_empty());
            let parts = parts.map(|(key, text)| format!("{mark}{}\n\n{text}", words.get(key)));
            parts.collect::<Vec<_>>().join("\n\n")
        };
        Self { text: written(""), markdown: written("## ") }
    }
}

impl InvocationJson {
    fn of(outcome: &Outcome<'_>, index: &Index<'_>) -> Self {
        let words = index.words;
        let failed = outcome.analysis.failed_rules.iter().map(|(rule, calls)| NotificationJson {
            level: "error",
            message: TextJson {
                text: words.fill("failed-rule", &[("rule", rule), ("count", &words.count(*calls))]),
            },
        });
        let dropped = outcome.analysis.dropped.iter().map(|(bound, count)| {
            let key = format!("dropped-{bound}");
            let text = words.pair(words.get(&key), &words.count(*count));
            NotificationJson { level: "warning", message: TextJson { text } }
        });
        Self {
            execution_successful: outcome.analysis.failed_rules.is_empty(),
            exit_code: outcome.exit_code,
            tool_execution_notifications: failed.chain(dropped).collect(),
        }
    }
}

impl ArtifactJson {
    fn of(capture: usize, index: &Index<'_>) -> Self {
        let location = ArtifactLocationJson { uri: uri(&index.path(capture)), index: None };
        Self { location, roles: ["analysisTarget"] }
    }
}

impl ResultJson {
    fn of(
        finding: &Finding,
        rule_index: usize,
        fingerprints: &mut Fingerprints,
        index: &Index<'_>,
    ) -> Self {
        let capture = index.capture(finding);
        let artifact_location = ArtifactLocationJson {
            uri: uri(&index.path(capture)),
            index: Some(capture).filter(|place| *place < index.analysis.captures.len()),
        };
        let call = finding.call_id.iter();
        let call = call.map(|call_id| LogicalJson { name: call_id.clone(), kind: "call" });
        let evidence = finding.evidence.iter().map(|(name, value)| (*name, value.clone()));
        Self {
            rule_id: finding.rule.code,
            rule_index,
            level: level(finding.severity),
            message: TextJson { text: literal(&index.message(finding)) },
            locations: [LocationJson {
                physical_location: PhysicalJson { artifact_location, region: None },
                logical_locations: call.collect(),
            }],
            partial_fingerprints: fingerprint(fingerprints.of(finding, index)),
            properties: PropertiesJson {
                frames: frames(&finding.frames),
                confidence: Some(finding.confidence),
                time: finding.time,
                client: finding.client.map(|client| client.to_string()),
                server: finding.server.map(|server| server.to_string()),
                statuses: finding.statuses.iter().copied().map(Status::code).collect(),
                evidence: evidence.collect(),
                display_filter: display_filter(finding),
            },
        }
    }

    fn of_expectation(
        missed: &Missed,
        rule_index: usize,
        fingerprints: &mut Fingerprints,
        index: &Index<'_>,
    ) -> Self {
        let lines: Vec<_> = missed.message.lines().map(printable_str).collect();
        let text = index.words.pair(&printable_str(&missed.case), &lines.join("\n"));
        let text = literal(&text);
        let file = missed.file.as_deref().unwrap_or(&missed.capture);
        let artifact_location = ArtifactLocationJson { uri: uri(file), index: None };
        let region = missed.line.filter(|_| missed.file.is_some());
        let region = region.map(|line| RegionJson { start_line: line.max(1) });
        Self {
            rule_id: EXPECTATION,
            rule_index,
            level: "error",
            message: TextJson { text },
            locations: [LocationJson {
                physical_location: PhysicalJson { artifact_location, region },
                logical_locations: Vec::new(),
            }],
            partial_fingerprints: fingerprint(fingerprints.of_expectation(missed)),
            properties: PropertiesJson {
                frames: frames(&missed.frames),
                ..PropertiesJson::default()
            },
        }
    }
}

fn fingerprint(of: String) -> BTreeMap<&'static str, String> {
    BTreeMap::from([("siptraceFinding/v1", of)])
}

/// The text without what a viewer would take for a link or for the place of an argument (sections
/// 3.11.5 and 3.11.6 of the standard).
fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find([']', '{']) {
        let (before, from) = rest.split_at(at + 1);
        out.push_str(before);
        let inside = from.trim_start_matches(|c: char| c.is_ascii_digit());
        let is_place =
            before.ends_with('{') && inside.len() < from.len() && inside.starts_with('}');
        if is_place || before.ends_with(']') && from.starts_with('(') {
            out.push(' ');
        }
        rest = from;
    }
    out + rest
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warn => "warning",
        Severity::Info => "note",
    }
}

/// The path as a URI, relative where the path is.
fn uri(path: &str) -> String {
    let path = portable(path);
    let is_absolute = path.starts_with('/');
    let mut uri = if is_absolute { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_no_links_and_no_places() {
        let text = "[a](1) {0} {} {name} {1b} ]] {{12}";
        assert_eq!(literal(text), "[a] (1) { 0} {} {name} {1b} ]] {{ 12}");
    }

    #[test]
    fn paths_become_uris() {
        assert_eq!(uri("./a b/ü.pcap"), "a%20b/%C3%BC.pcap");
        assert_eq!(uri("/tmp/a:b.pcap"), "file:///tmp/a%3Ab.pcap");
        assert_eq!(uri("-"), "-");
    }
}
