//! Several captures are one: whatever they share, and however their clocks differ.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use siptrace::analysis::Analysis;
use siptrace::capture::{self, Note};
use siptrace::finding::{self, Finding};
use siptrace::time::Span;

use crate::build::container::{Order, gzip, pcap, pcapng};
use crate::build::{Capture, Record, ip};
use crate::outcome::{analyse, result, rules_of, unnumbered};

/// A call over two hops, a retransmission in it, and one that fails; then registrations.
const CALLS: &str = "\
# Two calls by a proxy, and registrations.
host alice 192.0.2.10
host proxy 198.51.100.1
host bob   203.0.113.20
call good
0     alice > proxy INVITE sdp
+5ms  proxy > alice 100
+5ms  proxy > bob   forward
+500ms proxy > bob  again
+20ms bob > proxy   180
+5ms  proxy > alice forward
2     bob > proxy   200 sdp
+5ms  proxy > alice forward
+5ms  alice > proxy ACK
+5ms  proxy > bob   forward
5     bob > proxy   BYE
+5ms  proxy > alice forward
+5ms  alice > proxy 200
+5ms  proxy > bob   forward
call bad
8     alice > proxy INVITE sdp
+5ms  proxy > alice 100
+5ms  proxy > bob   forward
+5ms  bob > proxy   100
14.5  bob > proxy   500
+5ms  proxy > bob   ACK
+5ms  proxy > alice forward
+5ms  alice > proxy ACK
transport tcp
call tcp
20    alice > proxy INVITE split=2
+5ms  proxy > alice 100
27    proxy > alice 500
+5ms  alice > proxy ACK
transport udp
call register
40    alice > proxy REGISTER
+20ms proxy > alice 401
+20ms alice > proxy REGISTER
+20ms proxy > alice 200
end 120
";

/// A folder that is gone after the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("siptrace-merged-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("room for a folder");
        Self(path)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).expect("room for a file");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn calls() -> Capture {
    Capture::of_script(CALLS).on_ethernet()
}

/// The frames that a capture point sees, with its clock so many milliseconds ahead.
fn part(capture: &Capture, ahead: i64, sees: impl Fn(usize, &Record) -> bool) -> Capture {
    let seen = capture.records.iter().enumerate().filter(|(place, record)| sees(*place, record));
    let records = seen.map(|(_, record)| {
        let nanos = record.nanos + ahead * 1_000_000;
        Record { nanos, ..record.clone() }
    });
    Capture { link: capture.link, records: records.collect() }
}

fn analyse_files(paths: &[PathBuf]) -> Analysis {
    analyse(capture::open(paths).expect("captures that can be read"))
}

/// What several captures give, without what tells that they are several.
fn merged(captures: &[Capture]) -> (Analysis, Value) {
    let folder = Folder::new();
    let paths: Vec<_> = captures
        .iter()
        .enumerate()
        .map(|(number, capture)| folder.write(&format!("{number}.pcap"), &pcap(capture)))
        .collect();
    let analysis = analyse_files(&paths);
    let value = comparable(&analysis);
    (analysis, value)
}

fn comparable(analysis: &Analysis) -> Value {
    let mut value = unnumbered(result(analysis));
    if let Some(totals) = value["totals"].as_object_mut() {
        totals.remove("frames");
    }
    value
}

fn whole() -> Value {
    let (_, value) = merged(&[calls()]);
    assert_eq!(
        rules_of(&value),
        ["request-retransmitted", "trying-then-server-failure", "trying-then-server-failure"]
            .into_iter()
            .filter(|name| siptrace::rules::find(name).is_some())
            .collect::<Vec<_>>()
    );
    value
}

#[test]
fn the_files_of_a_ring_are_one_capture_in_any_order() {
    let expected = whole();
    let all = calls();
    let count = all.records.len();
    let folder = Folder::new();
    let mut paths: Vec<_> = (0..5)
        .map(|file| {
            let piece = part(&all, 0, |place, _| place * 5 / count == file);
            let bytes = match file {
                0 => pcapng(Order::Big, &piece),
                1 => gzip(&pcap(&piece)),
                _ => pcap(&piece),
            };
            folder.write(&format!("ring-{file}"), &bytes)
        })
        .collect();
    for turn in 0..5 {
        paths.rotate_left(1);
        if turn == 3 {
            paths.reverse();
        }
        let analysis = analyse_files(&paths);
        assert_eq!(comparable(&analysis), expected, "{paths:?}");
        assert!(analysis.captures.iter().all(|capture| capture.notes.is_empty()));
        assert_eq!(analysis.totals.copies, 0);
    }
    let of_folder = analyse_files(std::slice::from_ref(&folder.0));
    assert_eq!(comparable(&of_folder), expected);
    let of_pattern = analyse_files(&[folder.0.join("ring-[0-9]")]);
    assert_eq!(comparable(&of_pattern), expected);
}

#[test]
fn half_captures_that_interleave_are_one() {
    let expected = whole();
    let all = calls();
    for every in 2..6 {
        let halves =
            [part(&all, 0, |place, _| place % every == 0), part(&all, 0, |p, _| p % every != 0)];
        let (analysis, value) = merged(&halves);
        assert_eq!(value, expected);
        assert!(analysis.captures.iter().all(|capture| capture.notes.is_empty()));
    }
}

#[test]
fn a_capture_and_a_part_of_it_are_one() {
    let expected = whole();
    let all = calls();
    let count = all.records.len();
    let parts: [fn(usize, usize) -> bool; 4] = [
        |_, _| true,
        |place, count| place < count / 2,
        |place, count| place > count / 3 && place < count * 2 / 3,
        |place, _| place % 3 == 0,
    ];
    for sees in parts {
        let piece = part(&all, 0, |place, _| sees(place, count));
        for pair in [[all.clone(), piece.clone()], [piece.clone(), all.clone()]] {
            let (analysis, value) = merged(&pair);
            assert_eq!(value, expected);
            assert!(analysis.totals.copies > 0);
            let notes = &analysis.captures[1].notes;
            assert!(matches!(notes[..], [Note::Overlap { with: 0, .. }]), "{notes:?}");
        }
    }
}

/// Two capture points, one at each side of the proxy, which has its own packets in both.
fn points(ahead: i64) -> [Capture; 2] {
    const BOB: [u8; 4] = [203, 0, 113, 20];
    const ALICE: [u8; 4] = [192, 0, 2, 10];

    let all = calls();
    let is_of = |record: &Record, host: [u8; 4]| {
        ip::addresses(&record.data[14..]).iter().any(|address| *address == host)
    };
    let first = part(&all, 0, |_, record| is_of(record, ALICE));
    // Between proxy and bob, and of alice's hop what passes by.
    let second = part(&all, ahead, |place, record| is_of(record, BOB) || place % 2 == 0);
    [first, second]
}

#[test]
fn clocks_that_differ_are_set_right() {
    let (_, expected) = merged(&points(0));
    assert_eq!(rules_of(&expected), rules_of(&whole()));
    for ahead in [-3_600_000, -700, -60, 3, 45, 400, 1800, 86_400_000] {
        let (mut analysis, _) = merged(&points(ahead));
        let is_clock = |finding: &Finding| finding.rule.name == "capture-time-disorder";
        let clocks: Vec<_> = analysis.findings.extract_if(.., |f| is_clock(f)).collect();
        let [clock] = clocks.as_slice() else { panic!("{ahead} ms: {clocks:?}") };
        let name = if ahead > 0 { "clock_ahead_ms" } else { "clock_behind_ms" };
        assert_eq!(clock.value(name), Some(&finding::Value::Span(Span::from_millis(ahead.abs()))));
        analysis.totals.findings.warn -= 1;
        assert_eq!(comparable(&analysis), expected, "{ahead} ms");
        let notes = &analysis.captures[1].notes;
        let clock =
            Note::ClockOffset { from: 0, ahead: Span::from_millis(ahead), is_corrected: true };
        assert!(matches!(notes[0], Note::Overlap { with: 0, messages: 3.. }), "{notes:?}");
        assert_eq!(notes[1..], [clock], "{ahead} ms");
    }
}

#[test]
fn the_same_file_twice_is_read_once() {
    let folder = Folder::new();
    let path = folder.write("calls.pcap", &pcap(&calls()));
    let again = folder.0.join("./calls.pcap");
    let analysis = analyse_files(&[path, again]);
    assert_eq!(analysis.captures.len(), 1);
    assert_eq!(analysis.captures[0].notes, [Note::GivenAgain { times: 1 }]);
    assert_eq!(analysis.totals.copies, 0);
}

#[test]
fn many_files_need_no_many_handles() {
    let folder = Folder::new();
    for number in 0..1500 {
        let text = format!(
            "host alice 192.0.2.10\nhost bob 198.51.100.1\n\
             {number} alice > bob OPTIONS call=c{number}\n\
             {number}.5 bob > alice 200 call=c{number}\n"
        );
        let bytes = pcap(&Capture::of_script(&text));
        folder.write(&format!("ring-{number:04}.pcap"), &bytes);
    }
    let analysis = analyse_files(std::slice::from_ref(&folder.0));
    assert_eq!(analysis.captures.len(), 1500);
    assert_eq!((analysis.totals.frames, analysis.totals.call_ids), (3000, 1500));
    assert_eq!((analysis.totals.copies, analysis.findings.len()), (0, 0));
}

#[test]
fn a_missing_file_is_an_error() {
    let error = capture::open(&[Path::new("/nonexistent/a.pcap").to_owned()]);
    assert!(matches!(error, Err(capture::Error::NotFound { .. })));
}
