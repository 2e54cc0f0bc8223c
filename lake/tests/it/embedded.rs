//! Lakes on this machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use siptrace::analysis::Analysis;
use siptrace::sip::Status;
use siptrace::time::Span;
use siptrace::{CallSummary, Finding, Options};

use crate::make;
use crate::run::{Folder, done, fault, output, recorded, recorded_together, rows, text};

/// What the table of findings has of one.
fn row(own: &Finding) -> Value {
    let evidence: serde_json::Map<String, Value> = own
        .evidence
        .iter()
        .map(|(name, value)| ((*name).to_owned(), serde_json::to_value(value).expect("JSON")))
        .collect();
    json!({
        "code": own.rule.code,
        "severity": own.severity.name(),
        "confidence": own.confidence.name(),
        "call_id": own.call_id,
        "call_fate": own.call_fate,
        "capture": own.frames.first().map(|frame| frame.capture),
        "frames": own.frames.iter().map(|frame| frame.number).collect::<Vec<_>>(),
        "frame_captures": own.frames.iter().map(|frame| frame.capture).collect::<Vec<_>>(),
        "client": own.client.map(|own| own.to_string()),
        "server": own.server.map(|own| own.to_string()),
        "evidence": Value::Object(evidence).to_string(),
        "propagated": own.propagated.len(),
        "related": own.related.len(),
    })
}

/// Without the fields that are null, which JSON of tables leaves out.
fn sorted(rows: impl IntoIterator<Item = Value>) -> Vec<String> {
    let without_null = |row: Value| {
        let Value::Object(row) = row else { return row };
        Value::Object(row.into_iter().filter(|(_, value)| !value.is_null()).collect())
    };
    let mut rows: Vec<String> = rows.into_iter().map(|row| without_null(row).to_string()).collect();
    rows.sort();
    rows
}

/// Tells only what differs.
#[track_caller]
pub(crate) fn assert_same(own: &[String], other: &[String], what: &str) {
    let without = |rows: &[String], others: &[String]| {
        rows.iter().filter(|row| !others.contains(row)).cloned().collect::<Vec<_>>()
    };
    let (more, less) = (without(own, other), without(other, own));
    assert!(own == other, "{what}: too much: {more:#?}, missing: {less:#?}");
}

const FINDINGS: &str = "\
    SELECT code, severity, confidence, call_id, call_fate, capture, frames, frame_captures, \
    client, server, evidence, propagated, related FROM findings";

/// The findings of the plain program on these captures.
pub(crate) fn expected(captures: &[PathBuf]) -> Vec<String> {
    let analysis = siptrace::analyze(captures, &Options::default()).expect("an analysis");
    sorted(analysis.findings.iter().map(row))
}

/// The findings of a lake.
pub(crate) fn findings(lake: &Path) -> Vec<String> {
    sorted(rows(lake, FINDINGS))
}

/// Every row that the jobs made, in an order of its own.
pub(crate) fn everything(lake: &Path) -> BTreeMap<&'static str, Vec<String>> {
    let tables = ["messages", "calls", "transactions", "streams", "findings"];
    tables.map(|table| (table, sorted(rows(lake, &format!("SELECT * FROM {table}"))))).into()
}

fn ingest(captures: &[PathBuf], lake: &Path, more: &[&str]) -> String {
    let captures = captures.iter().map(|path| text(path));
    done(["ingest", "-o", text(lake)].into_iter().chain(captures).chain(more.iter().copied()))
}

#[test]
fn findings_are_those_of_the_plain_program() {
    let folder = Folder::new();
    let lake = folder.join("lake");
    let captures = recorded_together();
    ingest(&captures, &lake, &[]);
    assert_same(&findings(&lake), &expected(&captures), "all");
}

#[test]
fn the_recorded_captures_one_by_one() {
    let folder = Folder::new();
    let names = ["fragmented-invite.pcap", "basic-call-tcp.pcap", "dtls-ice-call.pcap"];
    for name in names.into_iter().chain(["lossy-audio.pcap", "transfer-attended.pcap"]) {
        let capture = recorded().join(name);
        let lake = folder.join(name);
        ingest(std::slice::from_ref(&capture), &lake, &[]);
        assert_same(&findings(&lake), &expected(&[capture]), name);
    }
}

#[test]
fn known_captures_are_not_read_again_and_changed_ones_are() {
    let folder = Folder::new();
    let lake = folder.join("lake");
    let (one, other) = (folder.join("one.pcap"), folder.join("other.pcap"));
    let packets = make::calls(20);
    make::write(&one, &packets[..60]);
    make::write(&other, &packets[60..]);
    let told = ingest(std::slice::from_ref(&one), &lake, &[]);
    assert!(told.starts_with("1 captures scanned, 0 known; 60 messages"), "{told}");
    let manifest = || fs::read(lake.join("manifest.json")).expect("a manifest");
    let before = manifest();
    let told = ingest(std::slice::from_ref(&one), &lake, &[]);
    assert!(told.starts_with("0 captures scanned, 1 known; 60 messages"), "{told}");
    assert!(before == manifest(), "a run without captures changes nothing");

    // The call that lies on both sides of the border is whole when its other half comes.
    let told = ingest(&[one.clone(), other.clone()], &lake, &[]);
    assert!(told.starts_with("1 captures scanned, 1 known"), "{told}");
    assert_same(&findings(&lake), &expected(&[one.clone(), other.clone()]), "both");

    make::write(&one, &packets[..30]);
    let told = ingest(std::slice::from_ref(&one), &lake, &[]);
    assert!(told.starts_with("1 captures scanned, 0 known"), "{told}");
    assert_same(&findings(&lake), &expected(&[one, other]), "changed");
}

/// What does not depend on which file a packet lies in.
fn calls_of(analysis: &Analysis) -> Vec<String> {
    let call = |own: &CallSummary| {
        json!({
            "call_id": own.call_id, "fate": own.fate(), "messages": own.messages,
            "transactions": own.transactions.len(), "final_status":
                own.final_status.map(Status::code),
            "pdd_ms": own.pdd.map(Span::millis),
        })
    };
    sorted(analysis.calls.iter().map(call))
}

#[test]
fn two_hundred_files_in_any_order_are_one_capture() {
    let folder = Folder::new();
    let packets = make::calls(1990);
    let files = make::ring(&folder.join("ring"), &packets);
    assert_eq!(files.len(), 200);
    let merged = folder.join("merged.pcap");
    make::write(&merged, &packets);
    let lake = folder.join("lake");
    let told = ingest(&files, &lake, &["--memory", "128MiB", "--threads", "2"]);
    assert!(told.starts_with("200 captures scanned"), "{told}");

    let whole = siptrace::analyze([&merged], &Options::default()).expect("an analysis");
    let sql = "SELECT call_id, fate, messages, transactions, final_status, pdd_ms FROM calls";
    assert_same(&sorted(rows(&lake, sql)), &calls_of(&whole), "calls");
    let crossing = "SELECT count(*) AS n FROM calls WHERE first_capture <> last_capture";
    assert_eq!(rows(&lake, crossing)[0]["n"], 398, "a fifth of the calls");

    let finding = |own: &Finding| {
        json!({
            "code": own.rule.code, "severity": own.severity.name(),
            "confidence": own.confidence.name(), "call_id": own.call_id,
            "call_fate": own.call_fate, "n": own.frames.len(),
        })
    };
    let sql = "SELECT code, severity, confidence, call_id, call_fate, \
               cast(array_length(frames) AS bigint) AS n FROM findings";
    // Where files begin and end is told of files, not of calls.
    let is_of_call = |own: &&Finding| !own.rule.code.starts_with("CAP");
    let of_lake = rows(&lake, &format!("{sql} WHERE code NOT LIKE 'CAP%'"));
    let of_whole = sorted(whole.findings.iter().filter(is_of_call).map(finding));
    assert_same(&sorted(of_lake), &of_whole, "findings");
    assert!(whole.findings.len() > 400);
}

#[test]
fn reports_are_about_the_chosen_calls() {
    let folder = Folder::new();
    let lake = folder.join("lake");
    let capture = folder.join("calls.pcap");
    make::write(&capture, &make::calls(50));
    ingest(&[capture], &lake, &[]);
    let json = done(["report", text(&lake), "--where", "final_status = 503", "--format", "json"]);
    let report: Value = serde_json::from_str(&json).expect("JSON");
    let calls = report["calls"].as_array().expect("calls");
    assert_eq!(calls.len(), 7);
    assert!(calls.iter().all(|call| call["final_status"] == 503), "{calls:#?}");
    let findings = report["findings"].as_array().expect("findings");
    let is_chosen = |own: &Value| {
        calls.iter().any(|call| call["call_id"] == own["call_id"]) || own["call_id"].is_null()
    };
    assert!(!findings.is_empty() && findings.iter().all(is_chosen));

    let html = folder.join("report.html");
    let (from, to) = ("2026-11-21T00:00:10Z", "2026-11-21T00:00:13Z");
    let range = ["--from", from, "--to", to];
    done(["report", text(&lake), "-o", text(&html)].into_iter().chain(range));
    let page = fs::read_to_string(&html).expect("a page");
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("call-10@example.com"));
    assert!(!page.contains("call-30@example.com"));
    let again = output(["report", text(&lake), "-o", text(&html)]);
    assert!(fault(&again).contains("`--force` replaces it"));
}

#[test]
fn queries_only_read_and_say_what_is_wrong() {
    let folder = Folder::new();
    let lake = folder.join("lake");
    ingest(&[recorded().join("busy-486.pcap")], &lake, &[]);
    let out = folder.join("stolen.csv");
    let copy = format!("COPY (SELECT * FROM calls) TO '{}'", text(&out));
    for sql in ["DROP TABLE calls", "CREATE TABLE a AS SELECT 1", &copy, "SET a.b = 1"] {
        let told = fault(&output(["query", text(&lake), sql]));
        assert!(told.lines().count() == 2 && told.starts_with("siptrace-lake: "), "{sql}: {told}");
    }
    assert!(!out.exists());
    let told = fault(&output(["query", text(&lake), "SELECT nothing FROM calls"]));
    assert!(told.contains("could not run the query") && told.contains("hint: "), "{told}");
    let sql = "SELECT day, hour, count(*) AS n FROM messages GROUP BY day, hour";
    assert_eq!(
        done(["query", text(&lake), sql, "--format", "csv"]),
        "day,hour,n\r\n2026-11-21,6,4\r\n"
    );
    let tables = done(["tables", text(&lake)]);
    assert!(tables.contains("pdd_ms") && tables.contains("busy-486.pcap"), "{tables}");
}

#[test]
fn what_is_missing_is_told_in_a_line() {
    let folder = Folder::new();
    let lake = folder.join("lake");
    let told = fault(&output(["query", text(&lake), "SELECT 1"]));
    assert!(told.contains("there is no manifest.json in it"), "{told}");
    let told = fault(&output(["ingest", "no-such.pcap", "-o", text(&lake)]));
    assert!(told.contains("there is no such file"), "{told}");
    assert!(!lake.exists());
    let damaged = folder.join("damaged.pcap");
    fs::write(&damaged, "no capture at all").expect("written");
    let told = fault(&output(["ingest", text(&damaged), "-o", text(&lake)]));
    assert!(told.starts_with("siptrace-lake: could not read"), "{told}");
    let told = fault(&output(["ingest", text(&damaged), "-o", "http://example.com/lake"]));
    assert!(told.contains("as a place"), "{told}");
}
