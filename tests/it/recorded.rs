//! Recorded captures give what their notes say.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use siptrace::analysis::Analysis;
use siptrace::finding::{Finding, Severity};
use siptrace::rules;

use crate::run::{analyze, frames, json, shown};
use crate::shared;

/// A line of the table: a file and what is to be found in it.
struct Recording {
    name: String,
    messages: u64,
    call_ids: u64,
    /// The cell with the finding; none for a clean capture.
    finding: Option<String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures")
}

/// The tables of `fixtures/captures/README.md`.
fn recordings() -> Vec<Recording> {
    let notes = fs::read_to_string(folder().join("README.md")).expect("the notes are there");
    let (failures, clean) = notes.split_once("### Clean").expect("two tables");
    let mut found = Vec::new();
    for (part, is_clean) in [(failures, false), (clean, true)] {
        for line in part.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let [_, file, _, messages, call_ids, last, _] = cells.as_slice() else {
                panic!("not a line of the table: {line}");
            };
            let names: Vec<&str> = file.split('`').skip(1).step_by(2).collect();
            let first = names.first().expect("a file name");
            for name in &names {
                // `.pcap.gz` behind a name stands for the same file, compressed.
                let whole = match name.starts_with('.') {
                    true => format!("{}{name}", first.trim_end_matches(".pcap")),
                    false => (*name).to_owned(),
                };
                found.push(Recording {
                    name: whole,
                    messages: messages.parse().expect("a count of messages"),
                    call_ids: call_ids.parse().expect("a count of Call-IDs"),
                    finding: (!is_clean).then(|| (*last).to_owned()),
                });
            }
        }
    }
    found
}

/// Rules that notes name and that are still to be written. A recording waits for its rules.
const TO_COME: [&str; 16] = [
    "answer-mline-mismatch",
    "direction-conflict",
    "media-gap",
    "no-common-codec",
    "no-rtp",
    "offer-unanswered",
    "one-way-rtp",
    "overload-storm",
    "private-sdp-from-public",
    "retry-after-ignored",
    "rtp-quality",
    "rtp-to-unexpected-port",
    "scanner",
    "srtp-profile-mismatch",
    "telephone-event-mismatch",
    "unexpected-payload-type",
];

/// The rules that a cell names as findings: not those said to be propagated or not to be asserted.
/// Nothing if one of them is still to come.
fn named(cell: &str) -> Option<Vec<&'static str>> {
    let is_finding = |part: &&str| !part.contains("propagated") && !part.contains("Too short");
    let parts = cell.split([';', '.']).filter(is_finding);
    let words = parts.flat_map(|part| part.split('`').skip(1).step_by(2));
    let rule = |word: &str| {
        let found = rules::find(word).map(|rule| rule.name);
        assert!(found.is_some() || TO_COME.contains(&word), "{word} is not a rule");
        found
    };
    words.map(rule).collect()
}

/// How often each rule found something worse than a note.
fn worse_than_notes(analysis: &Analysis) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for finding in analysis.findings.iter().filter(|finding| finding.severity > Severity::Info) {
        *counts.entry(finding.rule.name).or_default() += 1;
    }
    counts
}

#[test]
fn recordings_have_the_messages_of_their_notes() {
    for recording in recordings() {
        let totals = analyze(&folder().join(&recording.name)).totals;
        let seen = (totals.sip_messages, totals.call_ids);
        assert_eq!(seen, (recording.messages, recording.call_ids), "{}", recording.name);
    }
}

#[test]
fn recordings_give_the_findings_of_their_notes() {
    for recording in recordings() {
        let cell = recording.finding.as_deref().unwrap_or_default();
        let Some(names) = named(cell) else { continue };
        let analysis = analyze(&folder().join(&recording.name));
        let seen = worse_than_notes(&analysis);
        let expected = names.into_iter().map(|name| (name, 1)).collect();
        assert_eq!(seen, expected, "{}", recording.name);
    }
}

#[test]
fn every_recording_has_its_note() {
    let noted: Vec<String> = recordings().into_iter().map(|recording| recording.name).collect();
    for entry in fs::read_dir(folder()).expect("the captures are there") {
        let name = entry.expect("the folder is readable").file_name();
        let name = name.to_string_lossy().into_owned();
        assert!(!name.contains(".pcap") || noted.contains(&name), "{name} is not in README.md");
    }
}

#[test]
fn every_recording_can_be_made_again() {
    let script = fs::read_to_string(folder().join("record.sh")).expect("the script is there");
    let words: BTreeSet<&str> = script.split_whitespace().collect();
    for recording in recordings() {
        let (capture, _) = recording.name.split_once('.').expect("an extension");
        assert!(script.contains(&format!("\n{capture}() {{")), "nothing makes {capture}");
        assert!(words.contains(capture), "{capture} is not in the list of all");
    }
    for entry in fs::read_dir(folder().join("scenarios")).expect("the scenarios are there") {
        let name = entry.expect("the folder is readable").file_name();
        let name = name.to_string_lossy().into_owned();
        let (scenario, _) = name.split_once('.').expect("an extension");
        assert!(words.contains(scenario), "nothing uses {name}");
    }
}

#[test]
fn the_gateway_owns_what_the_proxy_passes_on() {
    for (name, rule) in [
        ("proxy-downstream-dead.pcap", "invite-no-response"),
        ("proxy-downstream-icmp.pcap", "icmp-unreachable"),
        ("proxy-downstream-malformed.pcap", "missing-mandatory-header"),
    ] {
        let analysis = analyze(&folder().join(name));
        let finding = analysis.findings.first().expect("one finding");
        assert_eq!(finding.rule.name, rule, "{name}");
        owns_what_is_passed_on(finding);
    }
}

#[test]
fn the_connection_behind_the_proxy_explains_its_refusal() {
    let analysis = analyze(&folder().join("proxy-tcp-refused.pcap"));
    let mut findings = analysis.findings.iter();
    let finding = findings.find(|found| found.rule.name == "tcp-connect-failed");
    let finding = finding.expect("a finding");
    let server = finding.server.map(|server| server.to_string());
    assert_eq!(server.as_deref(), Some("198.51.100.20:5060"));
    let statuses: Vec<_> = finding.propagated.iter().filter_map(|sign| sign.status).collect();
    assert_eq!(statuses.iter().map(|status| status.code()).collect::<Vec<_>>(), [477]);
}

/// The finding is on the hop from the proxy to the gateway, and the 504 of the proxy a sign of it.
fn owns_what_is_passed_on(finding: &Finding) {
    let propagated: Vec<_> = finding.propagated.iter().map(|sign| sign.rule).collect();
    assert_eq!(propagated, ["trying-then-server-failure"]);
    let ends = |finding: &Finding| (finding.client, finding.server);
    let addresses = match ends(finding) {
        (Some(client), Some(server)) => (client.address.to_string(), server.address.to_string()),
        ends => panic!("no parties: {ends:?}"),
    };
    assert_eq!(addresses, ("203.0.113.5".to_owned(), "198.51.100.20".to_owned()));
}

/// A file in the shared folder and what its findings must say: frames, wait and final status.
type Waits = (&'static str, &'static str, &'static [(&'static [u64], f64, u16)]);

const WAITS: [Waits; 3] = [
    (
        "inv_100_500_udp.pcap",
        "127.0.0.1:15060",
        &[(&[1, 2, 3], 303.452, 500), (&[5, 6, 7], 304.034, 500), (&[9, 10, 11], 303.606, 500)],
    ),
    (
        "inv_100_502_tcp.pcap",
        "127.0.0.1:15060",
        &[(&[4, 6, 11], 704.485, 502), (&[8, 9, 15], 704.117, 502)],
    ),
    (
        "inv_100_504_ipv6_udp.pcap",
        "[::1]:15060",
        &[(&[1, 2, 5], 5003.822, 504), (&[3, 4, 7], 5003.95, 504)],
    ),
];

#[test]
fn failures_after_100_name_server_wait_and_both_codes() {
    for (name, server, expected) in WAITS {
        let Some(path) = shared::path(&format!("captures/recorded/{name}")) else { return };
        let analysis = analyze(&path);
        assert_eq!(analysis.findings.len(), expected.len(), "{name}");
        for (finding, (numbers, wait, status)) in analysis.findings.iter().zip(expected) {
            assert_eq!(finding.rule.name, "trying-then-server-failure", "{name}");
            assert_eq!(frames(finding), *numbers, "{name}");
            assert_eq!(finding.server.map(|end| end.to_string()).as_deref(), Some(server));
            let waited: f64 =
                shown(finding.value("wait_ms").expect("a wait")).parse().unwrap_or(0.0);
            assert!((waited - wait).abs() < 0.001, "{name}: {waited}");
            let codes: Vec<u16> = finding.statuses.iter().map(|status| status.code()).collect();
            assert_eq!(codes, [100, *status], "{name}");
        }
        // Both codes are explained in the output.
        let output: serde_json::Value = serde_json::from_str(&json(&analysis)).expect("JSON");
        let entries = &output["findings"][0]["diagnosis"]["status"];
        assert_eq!(entries[0]["code"], 100, "{name}");
        assert_eq!(entries[1]["code"], expected[0].2, "{name}");
        for entry in entries.as_array().expect("a list").iter() {
            for part in ["phrase", "description", "when", "fix"] {
                assert!(
                    entry[part].as_str().is_some_and(|text| !text.is_empty()),
                    "{name}: {part}"
                );
            }
        }
    }
}
