//! The library as another program uses it: one call for captures, typed errors.

use std::io::Cursor;
use std::path::Path;

use siptrace::{Error, Options, Severity, capture};

use crate::outcome::{analyse, file, result};

const FAILING: &str = "fixtures/captures/proxy-downstream-dead.pcap";
const CLEAN: &str = "fixtures/captures/basic-call-udp.pcap";

#[test]
fn analyze_gives_what_the_pipeline_gives() {
    let ours = siptrace::analyze([FAILING, CLEAN], &Options::default()).expect("analysed");
    let expected = analyse(vec![file(Path::new(FAILING), 0), file(Path::new(CLEAN), 1)]);
    assert_eq!(result(&ours), result(&expected));
    assert_eq!(ours.captures.len(), 2);
}

#[test]
fn a_reader_gives_what_the_file_gives() {
    let bytes = std::fs::read(FAILING).expect("a capture");
    let options = Options::default().threads(0).transcripts(true);
    let read = siptrace::analyze_reader("memory", Cursor::new(bytes), &options).expect("analysed");
    let opened = siptrace::analyze([FAILING], &Options::default()).expect("analysed");
    assert_eq!(result(&read), result(&opened));
    assert_eq!(read.captures[0].path, Path::new("memory"));
    assert!(read.calls.iter().all(|call| call.transcript.len() as u64 == call.messages));
    assert!(opened.calls.iter().all(|call| call.transcript.is_empty()));
}

#[test]
fn rules_are_chosen_by_name_code_and_prefix() {
    let codes = |options: Result<Options, Error>| {
        let analysis = siptrace::analyze([FAILING], &options.expect("known")).expect("analysed");
        analysis.findings.iter().map(|finding| finding.rule.code).collect::<Vec<_>>()
    };
    assert_eq!(codes(Ok(Options::default())), ["TXN101"]);
    assert_eq!(codes(Options::default().select(["txn"])), ["TXN101"]);
    assert_eq!(codes(Options::default().select(["XFR"])), Vec::<&str>::new());
    assert!(!codes(Options::default().ignore(["invite-no-response"])).contains(&"TXN101"));
    assert_eq!(codes(Ok(Options::default().min_severity(Severity::Error))), ["TXN101"]);
    let unknown = Options::default().select(["TXX"]);
    assert!(matches!(unknown, Err(Error::UnknownRule { ref selector }) if selector == "TXX"));
    assert!(Options::default().ignore([" "]).is_err());
}

#[test]
fn errors_tell_what_is_wrong_and_what_to_do() {
    let error =
        |path: &str| siptrace::analyze([path], &Options::default()).expect_err("no capture");
    assert!(matches!(error("no-such.pcap"), Error::Capture(capture::Error::NotFound { .. })));
    let Error::Capture(text) = error("Cargo.toml") else { panic!("a text is no capture") };
    assert!(matches!(text, capture::Error::NotACapture { .. }));
    let none: [&str; 0] = [];
    assert!(siptrace::analyze(none, &Options::default()).is_ok_and(|a| a.captures.is_empty()));
}
