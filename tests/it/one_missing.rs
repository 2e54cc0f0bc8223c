//! A clean capture that lacks one SIP message proves no fault: what is not in the capture may have
//! been on the wire all the same.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use siptrace::analysis::Analysis;
use siptrace::capture::{LinkType, Source};
use siptrace::finding::{Confidence, Severity};

use crate::run;

/// How long the captures go on after their last frame: then all that was due would have been seen.
const QUIET_SECONDS: i64 = 300;

/// CRLF CRLF between two hosts that no capture has.
const KEEP_ALIVE: [u8; 46] = [
    2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, // Ethernet
    0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0, 198, 18, 0, 1, 198, 18, 0, 2, // IPv4
    0x13, 0xc4, 0x13, 0xc4, 0, 12, 0, 0, 13, 10, 13, 10, // UDP
];

/// A frame of an Ethernet: when it was captured, in nanoseconds, and its bytes.
type Frame = (i64, Vec<u8>);

fn captures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures");
    let entries = fs::read_dir(folder).expect("the folder is readable");
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_capture =
        |path: &PathBuf| path.extension().is_some_and(|e| e == "pcap" || e == "pcapng");
    let mut captures: Vec<_> = paths.filter(is_capture).collect();
    captures.sort();
    captures
}

fn frames(path: &Path) -> Vec<Frame> {
    let mut source = Source::open(path, 0).expect("a capture");
    let mut frames = Vec::new();
    while let Some(block) = source.next_block(Vec::new()).expect("readable") {
        for frame in block.frames().filter(|frame| frame.link != LinkType::NOT_A_PACKET) {
            assert_eq!(frame.link, LinkType(1), "{}", path.display());
            frames.push((frame.time.nanos(), frame.data.to_vec()));
        }
    }
    frames
}

/// Whether a SIP message, or a piece of one with its first line, is in the frame.
fn is_sip(frame: &Frame) -> bool {
    frame.1.windows(8).any(|bytes| bytes == b"SIP/2.0 " || bytes == b"SIP/2.0\r")
}

/// The analysis of these frames and of a keep-alive long after them.
fn analyze<'f>(frames: impl Iterator<Item = &'f Frame>) -> Analysis {
    let link = 1_u32;
    let header = [0xa1b2_3c4d, 0x0004_0002, 0, 0, 1 << 18, link].map(u32::to_le_bytes);
    let mut file = header.as_flattened().to_vec();
    let mut last = 0;
    let mut add = |nanos: i64, bytes: &[u8]| {
        let (seconds, fraction) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
        let length = bytes.len() as u32;
        let header = [seconds as u32, fraction as u32, length, length].map(u32::to_le_bytes);
        file.extend_from_slice(header.as_flattened());
        file.extend_from_slice(bytes);
    };
    for (nanos, bytes) in frames {
        last = last.max(*nanos);
        add(*nanos, bytes);
    }
    add(last + QUIET_SECONDS * 1_000_000_000, &KEEP_ALIVE);
    let source = Source::from_reader("-", Box::new(Cursor::new(file)), 0).expect("a capture");
    run::analyze_source(source, 1)
}

/// Errors of which a report says that they happened, or did so likely.
fn proven(analysis: &Analysis) -> Vec<String> {
    let errors = analysis.findings.iter().filter(|finding| {
        finding.severity == Severity::Error && finding.confidence != Confidence::Possible
    });
    errors.map(|finding| format!("{} ({:?})", finding.rule.name, finding.confidence)).collect()
}

fn is_clean(analysis: &Analysis) -> bool {
    analysis.findings.iter().all(|finding| finding.severity == Severity::Info)
}

#[test]
fn one_missing_message_proves_no_fault() {
    let found: Vec<(usize, Vec<String>)> = captures()
        .par_iter()
        .filter_map(|path| {
            let frames = frames(path);
            if !is_clean(&analyze(frames.iter())) {
                return None;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let without = |missing: usize| {
                let rest = frames.iter().enumerate().filter(|(number, _)| *number != missing);
                proven(&analyze(rest.map(|(_, frame)| frame)))
            };
            let sip: Vec<usize> = (0..frames.len()).filter(|at| is_sip(&frames[*at])).collect();
            let told = sip.par_iter().flat_map_iter(|missing| {
                let number = missing + 1;
                without(*missing).into_iter().map(move |told| (number, told))
            });
            let told = told.map(|(number, told)| format!("{name} without #{number}: {told}"));
            Some((sip.len(), told.collect()))
        })
        .collect();
    let tried: usize = found.iter().map(|(tried, _)| tried).sum();
    assert!(tried > 100, "only {tried} messages of clean captures were left out");
    let told: Vec<&str> = found.iter().flat_map(|(_, told)| told).map(String::as_str).collect();
    assert!(told.is_empty(), "\n{}", told.join("\n"));
}
