//! Whatever the bytes are, the whole way from capture to report ends well and says the same twice.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use siptrace::analysis::{Analysis, Keep};
use siptrace::capture::Source;
use siptrace::catalogue::Lang;
use siptrace::pipeline::{self, Options};
use siptrace::rules::Profile;
use siptrace::{report, rules};

use crate::mutate::{Random, damage};

/// Damaged captures tried in one run; a fuzzer tries more.
const CASES: u64 = 600;

fn captures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures");
    let entries = fs::read_dir(folder).expect("recorded captures").flatten();
    let mut found: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "pcap" || e == "pcapng" || e == "gz"))
        .collect();
    found.sort();
    found
}

fn analyse(bytes: Vec<u8>) -> Option<Analysis> {
    let source = Source::from_reader("damaged", Box::new(Cursor::new(bytes)), 0).ok()?;
    let options = Options {
        profile: Profile { rules: rules::ALL.to_vec(), ..Profile::default() },
        keep: Keep { calls: 1000, findings: 1000, ladders: 1000, ..Keep::default() },
        media: true,
        keys: siptrace::transport::KeyLog::default(),
        threads: Some(1),
    };
    pipeline::run(vec![source], &options, &|_| ()).ok()
}

#[test]
fn damaged_captures_are_analysed_as_far_as_they_go() {
    let captures: Vec<Vec<u8>> =
        captures().iter().map(|path| fs::read(path).expect("a capture")).collect();
    let mut random = Random(0x5eed_5eed_5eed_5eed);
    let mut analysed = 0;
    for _ in 0..CASES {
        let which = random.below(captures.len());
        let mut bytes = captures.get(which).cloned().unwrap_or_default();
        damage(&mut bytes, &mut random);
        let Some(analysis) = analyse(bytes) else { continue };
        analysed += 1;
        assert!(analysis.failed_rules.is_empty(), "{:?}", analysis.failed_rules);
        let mut json = Vec::new();
        report::json::json(&analysis, Lang::Ja, &mut json).expect("written");
        assert!(serde_json::from_slice::<serde_json::Value>(&json).is_ok());
        assert!(!json.contains(&0x1b), "an escape sequence came through");
    }
    assert!(analysed > CASES / 2, "only {analysed} could be opened");
}

#[test]
fn a_capture_of_nothing_but_noise_is_refused_or_empty() {
    let mut random = Random(0x0dd5_eed5);
    for length in [0, 1, 3, 4, 24, 25, 40, 400, 4000] {
        let noise: Vec<u8> =
            (0..length).map(|_| u8::try_from(random.below(256)).unwrap_or_default()).collect();
        if let Some(analysis) = analyse(noise) {
            assert_eq!(analysis.totals.sip_messages, 0);
        }
    }
}
