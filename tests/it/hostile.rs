//! Whatever the bytes are, the whole way from capture to report ends well and says the same twice.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use siptrace::capture::{Frame, Source};
use siptrace::time::Time;

use crate::mutate::{self, Capture, Random};
use crate::whole::{every_report, files_below, whole};

/// Damaged captures tried in one run; `fuzz/src/bin/mutants.rs` tries more of the same.
const CASES: u64 = 600;

/// Bytes of frames that one of them has at most, but for what damage adds.
const CASE_BYTES: usize = 6 << 10;

/// Every so many scripts of rules are damaged, too.
const SCRIPTS_EVERY: usize = 16;

/// Kinds of damage that there are, with blind damage to the file.
const KINDS: usize = 14;

fn below(folder: &str) -> Vec<PathBuf> {
    files_below(&[Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)])
}

/// Recorded captures, and calls that scripts play.
fn captures() -> Vec<Capture> {
    let is_capture = |path: &&PathBuf| {
        path.extension().is_some_and(|e| e == "pcap" || e == "pcapng" || e == "gz")
    };
    let recorded = below("fixtures/captures");
    let read = recorded
        .iter()
        .filter(is_capture)
        .filter_map(|path| Capture::read(fs::read(path).expect("a capture")));
    let scripts = below("fixtures/rules");
    let play = |path: &PathBuf| Capture::play(&fs::read_to_string(path).expect("a script"));
    let played = scripts.iter().step_by(SCRIPTS_EVERY).filter_map(play);
    read.chain(played).collect()
}

#[test]
fn damaged_captures_are_analysed_as_far_as_they_go() {
    let captures = captures();
    assert!(captures.len() > 100, "only {} captures", captures.len());
    let (mut analysed, mut messages) = (0, 0);
    let mut kinds = BTreeSet::new();
    for number in 0..CASES {
        let mut random = Random::of(0x5eed, number);
        let (capture, other) = (random.below(captures.len()), random.below(captures.len()));
        let mutant = mutate::mutant(&captures[capture], &captures[other], CASE_BYTES, &mut random);
        kinds.extend(mutant.kinds);
        let whole = whole(mutant.bytes, number);
        let Some(analysis) = whole.unwrap_or_else(|problem| panic!("{number}: {problem}")) else {
            continue;
        };
        analysed += 1;
        messages += analysis.totals.sip_messages;
    }
    assert!(analysed > CASES * 3 / 4, "only {analysed} could be opened");
    assert!(messages > CASES, "only {messages} messages were left");
    assert_eq!(kinds.len(), KINDS, "{kinds:?}");
}

#[test]
fn the_same_number_makes_the_same_mutant() {
    let [one, other] = ["busy-486.pcap", "basic-call-tcp.pcap"].map(|name| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures").join(name);
        Capture::read(fs::read(path).expect("a capture")).expect("frames")
    });
    let made = |number| mutate::mutant(&one, &other, CASE_BYTES, &mut Random::of(7, number)).bytes;
    let all: BTreeSet<_> = (0..50).map(made).collect();
    assert!(all.len() > 40, "only {} of 50 are different", all.len());
    assert!((0..50).all(|number| made(number) == made(number)));
}

#[test]
fn a_capture_of_nothing_but_noise_is_refused_or_empty() {
    let mut random = Random(0x0dd5_eed5);
    for length in [0, 1, 3, 4, 24, 25, 40, 400, 4000] {
        let noise: Vec<u8> =
            (0..length).map(|_| u8::try_from(random.below(256)).unwrap_or_default()).collect();
        if let Some(analysis) = whole(noise, 0).expect("no harm done") {
            assert_eq!(analysis.totals.sip_messages, 0);
        }
    }
}

/// A clock may say anything that its bits can say.
#[test]
fn times_as_far_apart_as_they_can_be_are_reported() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures");
    for name in ["busy-486.pcap", "basic-call-udp.pcap", "hold-resume-rtp.pcap"] {
        let mut source = Source::open(&folder.join(name), 0).expect("a capture");
        let block = source.next_block(Vec::new()).expect("readable").expect("frames");
        let report = |at: &dyn Fn(usize) -> i64| {
            let frames = block.frames().enumerate().map(|(place, frame)| {
                let time = Time::from_nanos(at(place));
                Frame { time, ..frame }
            });
            let source = Source::from_frames(Path::new(name), "pcap", frames, 0);
            every_report(source).unwrap_or_else(|problem| panic!("{name}: {problem}"));
        };
        // There and back again: what is summed up must not overflow.
        report(&|place| if place / 2 % 2 == 0 { i64::MAX } else { i64::MIN });
        for (early, late) in [(i64::MIN, i64::MAX), (i64::MAX, i64::MIN), (0, i64::MAX)] {
            for count in [1, 3, block.frames_count() / 2] {
                report(&|place| if place < count { early } else { late });
            }
        }
    }
}
