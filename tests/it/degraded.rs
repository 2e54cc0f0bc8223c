//! Good traffic, badly captured: from one side, twice, cut at both ends, out of order, in two
//! halves. What is missing is never taken for a fault, and what is wrong with the capture is named.
//!
//! The traffic is that of the recordings which `fixtures/captures/README.md` calls clean.

use std::collections::BTreeSet;
use std::fs;
use std::io::Cursor;
use std::path::Path;

use siptrace::analysis::Analysis;
use siptrace::capture::Source;
use siptrace::finding::Severity;

use crate::build::container::pcap;
use crate::build::{Capture, Record};
use crate::outcome::{analyse, source};

/// Bytes before an IPv4 header on Ethernet.
const ETHERNET: usize = 14;

/// The clean recordings in classic pcap files.
fn recordings() -> Vec<(String, Capture)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures");
    let notes = fs::read_to_string(folder.join("README.md")).expect("the notes are there");
    let (_, clean) = notes.split_once("### Clean").expect("two tables");
    let names = clean.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let plain = names.filter(|name| name.ends_with(".pcap"));
    let read = |name: &str| {
        let bytes = fs::read(folder.join(name)).expect("the recording is there");
        (name.to_owned(), capture_of(&bytes))
    };
    let recordings: Vec<_> = plain.map(read).collect();
    assert!(recordings.len() >= 8, "{}", recordings.len());
    recordings
}

/// The records of a pcap file in the byte order of this machine, with microseconds.
fn capture_of(bytes: &[u8]) -> Capture {
    let number = |at: usize| {
        let field: [u8; 4] = bytes[at..at + 4].try_into().expect("four bytes");
        u32::from_le_bytes(field)
    };
    assert_eq!(number(0), 0xa1b2_c3d4, "a classic pcap file");
    let mut records = Vec::new();
    let mut at = 24;
    while at + 16 <= bytes.len() {
        let nanos = i64::from(number(at)) * 1_000_000_000 + i64::from(number(at + 4)) * 1000;
        let held = number(at + 8) as usize;
        let data = bytes[at + 16..at + 16 + held].to_vec();
        records.push(Record { nanos, data, length: number(at + 12) });
        at += 16 + held;
    }
    Capture { link: number(20) as u16, records }
}

fn with(capture: &Capture, records: Vec<Record>) -> Capture {
    Capture { link: capture.link, records }
}

fn analysed(capture: &Capture) -> Analysis {
    analyse(vec![source(&pcap(capture))])
}

fn source_of(capture: &Capture) -> [u8; 4] {
    let address = capture.records.first().and_then(|r| r.data.get(ETHERNET + 12..ETHERNET + 16));
    address.and_then(|bytes| bytes.try_into().ok()).expect("an IPv4 packet")
}

fn is_from(record: &Record, host: [u8; 4]) -> bool {
    record.data.get(ETHERNET + 12..ETHERNET + 16) == Some(&host)
}

/// No error, and the rules that must be among what was found.
fn judge(case: &str, name: &str, analysis: &Analysis, facts: &[&str]) {
    let errors: Vec<_> = analysis
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| (finding.rule.name, &finding.frames))
        .collect();
    assert!(errors.is_empty(), "{name}, {case}: {errors:?}");
    let found: BTreeSet<_> = analysis.findings.iter().map(|finding| finding.rule.name).collect();
    for fact in facts {
        assert!(found.contains(fact), "{name}, {case}: {fact} is not in {found:?}");
    }
}

fn has_call(analysis: &Analysis) -> bool {
    analysis.totals.dialogs > 0
}

#[test]
fn one_side_of_a_good_call_is_no_fault() {
    let mut named = 0;
    for (name, capture) in recordings() {
        let host = source_of(&capture);
        for is_wanted in [true, false] {
            let keep = |record: &&Record| is_from(record, host) == is_wanted;
            let side = with(&capture, capture.records.iter().filter(keep).cloned().collect());
            let analysis = analysed(&side);
            judge("one side", &name, &analysis, &[]);
            let is_named = analysis.findings.iter().any(|f| f.rule.name == "capture-one-sided");
            named += usize::from(is_named);
        }
    }
    // Fewer than three packets, or media alone, do not show that a side is missing.
    assert!(named >= 12, "{named}");
}

#[test]
fn packets_that_were_captured_twice_are_no_retransmissions() {
    for (name, capture) in recordings() {
        let twice = capture.records.iter().flat_map(|record| {
            [record.clone(), Record { nanos: record.nanos + 50_000, ..record.clone() }]
        });
        let analysis = analysed(&with(&capture, twice.collect()));
        judge("twice", &name, &analysis, &["capture-duplicate-packets"]);
        let before = analysed(&capture).totals;
        assert_eq!(analysis.totals.retransmissions, before.retransmissions, "{name}");
        assert_eq!(analysis.totals.sip_messages, before.sip_messages, "{name}");
    }
}

#[test]
fn what_lies_outside_of_the_capture_is_not_missing() {
    let mut named = 0;
    for (name, capture) in recordings() {
        for part in [3, 4, 6] {
            let all = capture.records.len();
            let middle = capture.records.get(all / part..all - all / part).unwrap_or_default();
            let analysis = analysed(&with(&capture, middle.to_vec()));
            judge("cut at both ends", &name, &analysis, &[]);
            let is_named =
                analysis.findings.iter().any(|f| f.rule.name == "capture-partial-dialogs");
            named += usize::from(is_named || !has_call(&analysis));
        }
    }
    assert!(named >= 30, "{named}");
}

#[test]
fn packets_out_of_order_are_put_right() {
    for (name, capture) in recordings() {
        let mut records = capture.records.clone();
        // Where a frame stands in the file is up to 50 ms off.
        let late = |place: usize| if place.is_multiple_of(3) { 50_000_000 } else { 0 };
        let mut keyed: Vec<_> = records.drain(..).enumerate().collect();
        keyed.sort_by_key(|(place, record)| record.nanos + late(*place));
        let is_disordered = keyed.windows(2).any(|pair| match pair {
            [(_, a), (_, b)] => a.nanos - b.nanos > 1_000_000,
            _ => false,
        });
        let records = keyed.into_iter().map(|(_, record)| record).collect();
        let analysis = analysed(&with(&capture, records));
        let facts: &[&str] = if is_disordered { &["capture-time-disorder"] } else { &[] };
        judge("out of order", &name, &analysis, facts);
    }
}

#[test]
fn two_halves_together_are_the_whole() {
    for (name, capture) in recordings() {
        let host = source_of(&capture);
        let (one, other): (Vec<_>, Vec<_>) =
            capture.records.iter().cloned().partition(|record| is_from(record, host));
        let halves = [one, other].map(|records| pcap(&with(&capture, records)));
        let open = |(bytes, index): (&Vec<u8>, u16)| {
            Source::from_reader("-", Box::new(Cursor::new(bytes.clone())), index)
                .expect("a capture")
        };
        let together = analyse(halves.iter().zip(0..).map(open).collect());
        judge("two halves", &name, &together, &[]);
        let whole = analysed(&capture);
        let rules = |analysis: &Analysis| -> Vec<_> {
            analysis.findings.iter().map(|f| (f.rule.name, f.severity)).collect()
        };
        assert_eq!(rules(&together), rules(&whole), "{name}");
        assert_eq!(together.totals.sip_messages, whole.totals.sip_messages, "{name}");
        assert_eq!(together.totals.dialogs, whole.totals.dialogs, "{name}");
    }
}
