//! `siptrace stats`: figures of a whole run and of chosen calls, and how they are shown.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use siptrace::analysis::{Analysis, Kpi, Statistics};
use siptrace::signaling::CallState;
use siptrace::time::Span;
use unicode_width::UnicodeWidthStr;

use crate::build::Capture;
use crate::build::container::pcap;
use crate::outcome::{analyse, source};
use crate::run::{analyze, analyze_all};
use crate::shared;

const DEAD: &str = "fixtures/captures/proxy-downstream-dead.pcap";
const AUDIO: &str = "fixtures/captures/lossy-audio.pcap";
const TRANSFER: &str = "fixtures/captures/transfer-attended.pcap";

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
    let nanos = |span: Span| span.nanos().unsigned_abs();
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

fn of_script(text: &str) -> Analysis {
    analyse(vec![source(&pcap(&Capture::of_script(text)))])
}

#[test]
fn a_call_whose_bye_was_not_captured_ended_with_the_response_to_it() {
    let analysis = of_script(
        "host alice 192.0.2.10\nhost bob 198.51.100.1\n\
         0     alice > bob INVITE\n\
         +10ms bob > alice 180\n\
         1     bob > alice 200\n\
         +10ms alice > bob ACK\n\
         10    alice > bob BYE unseen\n\
         +0.5  bob > alice 200\n",
    );
    let call = analysis.calls.first().expect("a call");
    assert_eq!((call.fate(), call.talk), ("completed", Some(Span::from_millis(9500))));
    for statistics in [&analysis.statistics, &recounted(&analysis)] {
        assert_eq!(statistics.fates, [("completed", 1)].into());
        assert_eq!(statistics.kpi.completed, 1);
        assert_eq!(statistics.kpi.duration.mean(), call.talk);
        let ended: u64 = statistics.timeline.intervals().map(|(_, own, _)| own.ended).sum();
        assert_eq!(ended, 1);
    }
}

#[test]
fn a_challenge_is_no_failure_of_a_registration() {
    let registration = |rest: &str| {
        let hosts = "host phone 192.0.2.10\nhost registrar 198.51.100.1\n";
        let script =
            format!("{hosts}0 phone > registrar REGISTER\n+10ms registrar > phone 401\n{rest}");
        let analysis = of_script(&script);
        let statistics = [analysis.statistics.clone(), recounted(&analysis)];
        for own in statistics {
            let failures = own.peers.values().map(|peer| peer.failures + peer.unanswered);
            assert_eq!(failures.sum::<u64>(), u64::from(rest.contains("403")), "{rest}");
            let is_registered = rest.contains("phone 200");
            assert_eq!(own.kpi.registration_delay.count(), u64::from(is_registered), "{rest}");
        }
        analysis.calls.first().expect("a registration").state
    };
    let credentials = "+10ms phone > registrar REGISTER\n";
    let answered = |status: u16| format!("{credentials}+10ms registrar > phone {status}\n");
    assert_eq!(registration(&answered(200)), CallState::Succeeded);
    assert_eq!(registration(&answered(403)), CallState::Failed);
    // It may still come.
    assert_eq!(registration(""), CallState::Trying);
    assert_eq!(registration(credentials), CallState::Trying);
    let later = "call later\n40 registrar > phone OPTIONS\n+10ms phone > registrar 200\n";
    assert_eq!(registration(later), CallState::Failed);
}

#[test]
fn intervals_have_the_width_asked_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let analysis = analyze_all(&[&root.join(TRANSFER)], 2);
    let width = Span::from_secs(1);
    let fine = Statistics::of_calls(&analysis.calls, None, Some(width)).timeline;
    assert_eq!(fine.width(), width);
    let attempts: Vec<u64> = fine.intervals().map(|(_, own, _)| own.attempts).collect();
    assert_eq!(attempts.iter().sum::<u64>(), analysis.statistics.kpi.attempts);
    assert!(attempts.iter().all(|own| *own <= 1), "{attempts:?}");
    let most = fine.intervals().map(|(_, _, up)| up).max();
    assert_eq!(most, Some(3));
}

/// Real captures differ a little: calls that were tried again under one Call-ID count once, and so
/// do those that are seen on both sides of a proxy with two addresses.
#[test]
fn figures_of_chosen_calls_are_near_those_of_real_captures() {
    let Some(folder) = shared::path("captures/public") else { return };
    let (mut whole, mut again) = (0, 0);
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        let is_small = entry.metadata().is_ok_and(|about| about.len() < 1 << 20);
        if !is_small {
            continue;
        }
        let options = siptrace::Options::default();
        let Ok(analysis) = siptrace::analyze([&path], &options) else { continue };
        let own = recounted(&analysis);
        let calls = |of: &Statistics| of.fates.values().sum::<u64>();
        assert_eq!(calls(&own), calls(&analysis.statistics), "{}", path.display());
        let (one, other) = (&analysis.statistics.kpi, &own.kpi);
        assert!(one.established >= other.established, "{}", path.display());
        whole += one.attempts + one.established + one.ineffective + one.completed;
        again += other.attempts + other.established + other.ineffective + other.completed;
    }
    assert!(whole > 100 && again <= whole && again * 10 >= whole * 9, "{again} of {whole}");
}

fn siptrace(arguments: &[&str], lang: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_siptrace"))
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .env_remove("LC_ALL")
        .env_remove("LC_CTYPE")
        .env_remove("LC_MESSAGES")
        .env_remove("CLICOLOR_FORCE")
        .env_remove("COLUMNS")
        .env("LANG", lang)
        .output()
        .expect("the program runs")
}

/// What `siptrace stats` prints.
fn stats(arguments: &[&str]) -> String {
    let arguments: Vec<&str> = ["stats"].iter().chain(arguments).copied().collect();
    let output = siptrace(&arguments, "C");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), said.as_str()), (Some(0), ""), "{arguments:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn refused(arguments: &[&str]) -> String {
    let arguments: Vec<&str> = ["stats"].iter().chain(arguments).copied().collect();
    let output = siptrace(&arguments, "C");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{arguments:?}");
    String::from_utf8(output.stderr).expect("UTF-8")
}

#[test]
fn the_figures_are_as_the_picture_has_them() {
    let output = siptrace(&["stats", TRANSFER, AUDIO], "C.UTF-8");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/stats.txt");
    if std::env::var_os("SIPTRACE_BLESS").is_some() {
        fs::write(&path, &text).expect("written");
    }
    assert_eq!(text, fs::read_to_string(&path).expect("the picture"), "SIPTRACE_BLESS=1");
}

#[test]
fn bars_are_ascii_where_the_locale_is_not_unicode() {
    let drawn = ['\u{2588}', '\u{2581}', '\u{258f}'];
    let plain = stats(&[AUDIO]);
    assert!(plain.contains("####") && !plain.contains(drawn), "{plain}");
    let output = siptrace(&["stats", AUDIO, "--ascii"], "en_GB.UTF-8");
    assert_eq!(String::from_utf8_lossy(&output.stdout), plain);
    let output = siptrace(&["stats", AUDIO], "en_GB.UTF-8");
    assert!(String::from_utf8_lossy(&output.stdout).contains(drawn));
}

#[test]
fn every_language_and_width_fits() {
    for lang in ["en", "fr", "ja", "pt"] {
        for width in ["40", "80", "120"] {
            let most: usize = width.parse().expect("a number");
            let text = stats(&[DEAD, "--lang", lang, "--width", width]);
            assert!(!text.contains("calls-") && !text.contains("kpi-"), "{text}");
            for line in text.lines() {
                assert!(line.width() <= most, "{lang} {width}: {line}");
            }
        }
    }
}

#[test]
fn json_is_the_statistics_of_an_analysis() {
    let own: Value = serde_json::from_str(&stats(&[DEAD, "--format", "json"])).expect("JSON");
    let whole = siptrace(&["analyze", DEAD, "--format", "json"], "C");
    let whole: Value = serde_json::from_slice(&whole.stdout).expect("JSON");
    assert_eq!(own, whole["statistics"]);
}

#[test]
fn a_filter_restricts_the_figures_and_is_named() {
    let arguments = [DEAD, "--filter", "kind = options", "--format", "json"];
    let own: Value = serde_json::from_str(&stats(&arguments)).expect("JSON");
    assert_eq!(own["chosen"]["filter"], "kind = options");
    assert_eq!((&own["chosen"]["call_ids"], &own["chosen"]["of"]), (&2.into(), &3.into()));
    assert_eq!(own["kpi"]["attempts"], 0);
    assert_eq!(own["methods"], serde_json::json!({ "OPTIONS": 2 }));
    assert!(own["retransmission_percent"].is_null());
    let text = stats(&[DEAD, "--filter", "kind = call"]);
    assert!(text.contains("Figures of 1 of 3 Call-IDs, filter: kind = call"), "{text}");
    assert!(text.contains("without the ACK"), "{text}");
}

#[test]
fn tables_are_the_same_for_people_and_machines() {
    for by in ["peer", "time", "status", "method", "transport", "user-agent"] {
        let table = stats(&[TRANSFER, "--by", by, "--format", "csv"]);
        let mut reader = csv::Reader::from_reader(table.as_bytes());
        let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("CSV")).collect();
        let text = stats(&[TRANSFER, "--by", by, "--width", "160"]);
        assert_eq!(text.lines().count(), rows.len() + 1, "{by}: {text}");
        if by == "time" {
            continue;
        }
        for (row, line) in rows.iter().zip(text.lines().skip(1)) {
            let name = row.get(0).expect("a name");
            assert!(line.trim_start().starts_with(name), "{by}: {line}");
        }
    }
    let minutes = stats(&[TRANSFER, "--by", "time", "--every", "1s", "--format", "csv"]);
    assert!(minutes.lines().count() > 3, "{minutes}");
    let figures = stats(&[TRANSFER, "--format", "csv"]);
    assert!(figures.contains("attempts,3\r\n") && figures.contains("pdd_p95_ms,"), "{figures}");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let line = refused(&[DEAD, "--format", "json", "--by", "peer"]);
    assert!(line.contains("--by is for --format text and csv"), "{line}");
    assert!(refused(&[DEAD, "--every", "0s"]).contains("a length such as 10s"));
    assert!(refused(&[DEAD, "--filter", "status = x"]).contains("column 10"));
    assert!(refused(&[DEAD, "--by", "weather"]).contains("weather"));
}
