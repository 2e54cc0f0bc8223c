//! `siptrace stats`: figures of a whole run and of chosen calls, and how they are shown.

use std::fs;
use std::path::{Path, PathBuf};

use siptrace::analysis::{Analysis, Kpi, Statistics};

use crate::run::analyze;

/// The captures of this repository that have SIP.
fn captures() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let folders = ["captures", "ci"].map(|folder| root.join(folder));
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).expect("a folder"));
    let mut paths: Vec<PathBuf> = files.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|own| own == "pcap" || own == "pcapng"));
    paths.sort();
    paths
}

fn recounted(analysis: &Analysis) -> Statistics {
    let until = analysis.captures.iter().filter_map(|capture| capture.last_time).max();
    Statistics::of_calls(&analysis.calls, until, None)
}

/// The counts, and the sums of the times.
fn figures(kpi: &Kpi) -> Vec<(&'static str, u64)> {
    let times = [
        ("request", &kpi.request_delay),
        ("failed request", &kpi.failed_request_delay),
        ("disconnect", &kpi.disconnect_delay),
        ("duration", &kpi.duration),
        ("registration", &kpi.registration_delay),
        ("post-dial", &kpi.post_dial_delay),
        ("ring", &kpi.ring_time),
    ];
    let nanos = |span: siptrace::time::Span| span.nanos().unsigned_abs();
    let mut all = vec![
        ("attempts", kpi.attempts),
        ("established", kpi.established),
        ("effective", kpi.effective),
        ("ineffective", kpi.ineffective),
        ("ended by users", kpi.user_ended),
        ("completed", kpi.completed),
    ];
    all.extend(times.iter().map(|(name, own)| (*name, own.mean().map(nanos).unwrap_or_default())));
    all
}

#[test]
fn the_figures_of_all_calls_are_those_of_the_run() {
    let mut differing = Vec::new();
    for path in captures() {
        let analysis = analyze(&path);
        let again = recounted(&analysis);
        let whole = &analysis.statistics;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if again.fates != whole.fates {
            differing.push(format!("{name}: fates {:?} {:?}", whole.fates, again.fates));
        }
        for (one, other) in figures(&whole.kpi).iter().zip(figures(&again.kpi)) {
            if *one != other {
                differing.push(format!("{name}: {one:?} {other:?}"));
            }
        }
        let times = |of: &Statistics| {
            let own = of.timeline.intervals();
            own.map(|(start, own, up)| (start, own.attempts, own.answered, up)).collect::<Vec<_>>()
        };
        if times(&again) != times(whole) {
            differing.push(format!("{name}: {:?} {:?}", times(whole), times(&again)));
        }
        for (host, peer) in &whole.peers {
            let own = again.peers.get(host).cloned().unwrap_or_default();
            let counts = |of: &siptrace::analysis::Peer| {
                (of.requests, of.calls, of.answered, of.failures, of.unanswered)
            };
            if counts(peer) != counts(&own) {
                differing.push(format!("{name}: {host} {:?} {:?}", counts(peer), counts(&own)));
            }
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}
