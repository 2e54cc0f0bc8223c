//! The RTP streams are those that another analyser finds; see `tests/compare-rtp.md`.

use std::path::PathBuf;
use std::process::Command;

use crate::shared;

#[test]
fn streams_are_those_of_tshark() {
    let Some(captures) = shared::path("captures/public") else { return };
    let is_there = |program: &str| {
        Command::new(program).arg("--version").output().is_ok_and(|o| o.status.success())
    };
    if !is_there("tshark") || !is_there("python3") {
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/compare-rtp.py");
    let mut files: Vec<PathBuf> = std::fs::read_dir(captures)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    let output = Command::new("python3")
        .arg(script)
        .arg(env!("CARGO_BIN_EXE_siptrace"))
        .args(files)
        .output()
        .expect("python3 runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("streams compared"), "{text}");
}
