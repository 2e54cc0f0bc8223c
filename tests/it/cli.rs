//! The program as a user or a script meets it: exit codes, error lines, the README's report.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const FAILING: &str = "fixtures/captures/proxy-downstream-dead.pcap";
const CLEAN: &str = "fixtures/captures/basic-call-udp.pcap";

fn siptrace(arguments: &[&str]) -> Output {
    siptrace_in(Path::new(env!("CARGO_MANIFEST_DIR")), "C", arguments)
}

/// Runs the program in that folder, with that `LANG`.
fn siptrace_in(folder: &Path, lang: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_siptrace"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("LC_ALL")
        .env_remove("LC_MESSAGES")
        .env_remove("CLICOLOR_FORCE")
        .env_remove("COLUMNS")
        .env("LANG", lang)
        .output()
        .expect("the program runs")
}

fn scratch(name: &str, bytes: &[u8]) -> PathBuf {
    let path = std::env::temp_dir().join(format!("siptrace-cli-{}-{name}", std::process::id()));
    fs::write(&path, bytes).expect("written");
    path
}

fn code(arguments: &[&str]) -> Option<i32> {
    siptrace(arguments).status.code()
}

/// Exit code 2, nothing on standard output, one line for the error and perhaps one for the advice.
fn refused(arguments: &[&str]) -> String {
    let output = siptrace(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    let lines = String::from_utf8(output.stderr).expect("text");
    assert!(lines.starts_with("siptrace: "), "{lines}");
    assert!((1..=2).contains(&lines.lines().count()), "{lines}");
    assert!(lines.lines().skip(1).all(|line| line.starts_with("hint: ")), "{lines}");
    lines
}

#[test]
fn exit_codes_tell_how_it_ended() {
    assert_eq!(code(&["analyze", FAILING]), Some(0));
    assert_eq!(code(&["analyze", FAILING, "--fail-on", "error"]), Some(1));
    assert_eq!(code(&["analyze", FAILING, "--fail-on", "error", "--ignore", "TXN"]), Some(1));
    assert_eq!(code(&["analyze", FAILING, "--fail-on", "error", "--select", "XFR"]), Some(0));
    assert_eq!(code(&["analyze", CLEAN, "--fail-on", "info"]), Some(0));
    assert_eq!(code(&["analyze"]), Some(2));
    assert_eq!(code(&["analyze", CLEAN, "--format", "xml"]), Some(2));
    assert_eq!(code(&["--help"]), Some(0));
    assert_eq!(code(&["compare", "100", "5000"]), Some(2));
}

/// A small capture is read on the thread of the program.
#[test]
#[cfg(target_os = "linux")]
fn commands_start_no_threads_for_a_small_capture() {
    // Two of the other one are not small.
    const SMALL: &str = "fixtures/captures/register-auth.pcap";
    // So many are seen while they start.
    const MANY: usize = 200;
    let folder = std::env::temp_dir().join(format!("siptrace-cli-{}-few", std::process::id()));
    let file = folder.with_extension("pcap").to_string_lossy().into_owned();
    let commands: [&[&str]; 9] = [
        &["analyze", CLEAN],
        &["analyze", CLEAN, "--format", "jsonl"],
        &["calls", CLEAN],
        &["stats", CLEAN],
        &["show", "1", CLEAN],
        &["check", CLEAN],
        &["diff", SMALL, SMALL],
        &["extract", CLEAN, "--call", "1", "-o", &file, "--force"],
        &["extract", CLEAN, "--call", "1", "--sip", &file, "--force"],
    ];
    let most = |arguments: &[&str]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_siptrace"))
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("RAYON_NUM_THREADS", MANY.to_string())
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("the program starts");
        let tasks = format!("/proc/{}/task", program.id());
        let mut most = 0;
        while program.try_wait().expect("the program ends").is_none() {
            most = most.max(fs::read_dir(&tasks).map_or(0, Iterator::count));
        }
        assert!(program.wait().is_ok_and(|ended| ended.success()), "{arguments:?}");
        most
    };
    for arguments in commands {
        assert!(most(arguments) < MANY / 10, "{arguments:?}");
    }
    let many = MANY.to_string();
    // A busy machine may run the program while nobody looks.
    let are_seen = || most(&["show", "1", CLEAN, "--threads", &many]) > MANY / 10;
    assert!((0..50).any(|_| are_seen()), "they are seen");
    let _ = fs::remove_file(file);
}

#[test]
fn bad_input_gets_one_clear_line() {
    assert!(refused(&["analyze", "no-such.pcap"]).contains("there is no such file"));
    let empty = scratch("empty.pcap", b"");
    assert!(refused(&["analyze", &empty.to_string_lossy()]).contains("it is empty"));
    let text = scratch("text.pcap", b"hello, world\n");
    assert!(refused(&["analyze", &text.to_string_lossy()]).contains("it is text"));
    assert!(refused(&["analyze", CLEAN, "--select", "TXX"]).contains("\"TXX\""));
    assert!(refused(&["explain", "5o2"]).contains("no entry named \"5o2\""));
    let nowhere = Path::new("no-such-folder").join("report.txt");
    let line = refused(&["analyze", CLEAN, "-o", &nowhere.to_string_lossy()]);
    assert!(line.contains("could not write"));
    for path in [empty, text] {
        fs::remove_file(path).expect("removed");
    }
}

#[test]
fn a_capture_that_ends_in_the_middle_is_analysed_and_said_to() {
    let whole = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(FAILING)).expect("a capture");
    let cut = scratch("cut.pcap", whole.get(..whole.len() - 20).expect("long enough"));
    let output = siptrace(&["analyze", &cut.to_string_lossy(), "--format", "json"]);
    assert_eq!(output.status.code(), Some(0));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["captures"][0]["notes"][0]["kind"], "ends-inside-record");
    assert_eq!(json["totals"]["frames"], 18);
    fs::remove_file(cut).expect("removed");
}

#[test]
fn json_has_the_fields_of_the_contract() {
    let output = siptrace(&["analyze", FAILING, "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["schema_version"], 1);
    assert_eq!(json["tool"]["name"], "siptrace");
    let has = |at: &serde_json::Value, names: &[&str]| {
        for name in names {
            assert!(at.get(name).is_some(), "{name} is missing from {at}");
        }
    };
    has(&json, &["captures", "totals", "calls", "findings", "incidents", "statistics"]);
    has(&json["captures"][0], &["path", "format", "compression", "link_types", "frames"]);
    has(&json["captures"][0], &["first_time", "last_time", "notes"]);
    let totals = ["frames", "sip_messages", "requests", "responses", "call_ids", "calls"];
    has(&json["totals"], &totals);
    has(&json["totals"], &["copies", "dialogs", "transactions", "rtp_streams"]);
    has(&json["totals"]["findings"], &["error", "warn", "info"]);
    let call = &json["calls"][1];
    has(call, &["call_id", "kind", "state", "from_uri", "to_uri", "first_frame", "last_frame"]);
    has(call, &["start", "end", "final_status", "pdd_ms", "ring_ms", "talk_ms", "messages"]);
    has(call, &["linked", "streams", "transactions"]);
    has(&json, &["streams"]);
    has(&call["transactions"][0], &["method", "cseq", "branch", "client", "server", "transport"]);
    has(&call["transactions"][0], &["request_frame", "retransmissions", "outcome"]);
    has(&call["transactions"][0]["provisional"][0], &["status", "frame", "ms"]);
    has(&call["transactions"][0]["final"], &["status", "reason", "frame", "ms"]);
    let finding = &json["findings"][0];
    has(finding, &["code", "rule", "severity", "confidence", "call_id", "frames", "time"]);
    has(finding, &["client", "server", "evidence", "title", "message", "display_filter"]);
    has(finding, &["diagnosis", "propagated", "related"]);
    has(&finding["diagnosis"], &["status", "what", "why", "causes", "actions", "references"]);
    let status = &finding["diagnosis"]["status"][0];
    has(status, &["code", "phrase", "description", "when", "fix"]);
    has(&json["statistics"], &["methods", "statuses", "kpi", "peers", "transports", "ports"]);
}

#[test]
fn json_has_the_streams_of_a_call() {
    let capture = "fixtures/captures/early-media-present.pcap";
    let output = siptrace(&["analyze", capture, "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let streams = json["calls"][0]["streams"].as_array().expect("a list");
    assert_eq!(streams.len(), 2);
    assert_eq!(json["streams"].as_array().map(Vec::len), Some(0));
    for stream in streams {
        for name in ["source", "destination", "ssrc", "sender", "codec", "clock_rate", "packets"] {
            assert!(!stream[name].is_null(), "{name} is missing from {stream}");
        }
        for name in ["lost", "lost_percent", "duplicates", "reordered", "jitter_ms"] {
            assert!(stream[name].is_number(), "{name} is missing from {stream}");
        }
        for name in ["max_jitter_ms", "max_gap_ms", "ptime_ms", "mos", "rtcp", "dtmf"] {
            assert!(stream.get(name).is_some(), "{name} is missing from {stream}");
        }
        assert_eq!(stream["mos_estimate"]["model"], "G.107");
    }
}

#[test]
fn streams_become_sound() {
    let folder = std::env::temp_dir().join(format!("siptrace-{}-sound", std::process::id()));
    let target = folder.to_str().expect("text");
    let capture = "fixtures/captures/early-media-present.pcap";
    let output = siptrace(&["extract", "--audio", target, capture]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let sides = ["-caller-", "-callee-"].map(|side| text.lines().find(|line| line.contains(side)));
    for path in sides {
        let sound = fs::read(path.expect("a file for each side")).expect("a file");
        assert!(sound.starts_with(b"RIFF") && sound.len() > 8000);
        // G.711: 8000 samples in a second.
        assert_eq!(sound.get(24..28), Some(&8000_u32.to_le_bytes()[..]));
    }
    fs::remove_dir_all(&folder).expect("removed");
    let output = siptrace(&["extract", "--audio", target, "-"]);
    assert_eq!(output.status.code(), Some(2));
    let output = siptrace(&["extract", "--audio", target, "fixtures/captures/busy-486.pcap"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!folder.exists());
}

#[test]
fn the_report_speaks_the_language_asked_for() {
    let title = |lang: &str| {
        let output = siptrace(&["analyze", FAILING, "--lang", lang, "--format", "json"]);
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        json["findings"][0]["title"].as_str().unwrap_or_default().to_owned()
    };
    let titles: std::collections::BTreeSet<_> = ["en", "fr", "ja", "pt"].map(title).into();
    assert_eq!(titles.len(), 4, "{titles:?}");
}

#[test]
#[cfg(feature = "tls")]
fn a_key_log_of_no_use_is_named() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest = manifest.to_string_lossy();
    let cases = [
        ("/nonexistent/keys.log", "could not read the key log"),
        (&manifest, "no line of the key log"),
    ];
    for (path, expected) in cases {
        let output = siptrace(&["analyze", FAILING, "--keylog", path]);
        let error = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = error.lines().collect();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(lines.len() == 2 && lines[0].contains(expected), "{error}");
        assert!(lines[1].starts_with("hint: "), "{error}");
    }
}

#[test]
fn a_known_password_is_compared_and_never_shown() {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures");
    let refused = captures.join("wrong-password.pcap");
    let refused = refused.to_string_lossy();
    let run = |name: &str, accounts: &str| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&path, accounts).expect("written");
        siptrace(&[
            "analyze",
            &refused,
            "--format",
            "json",
            "--credentials",
            &path.to_string_lossy(),
        ])
    };
    // `guess` is what the phone of that capture has sent.
    let cases = [
        ("fits.txt", "# the account\nalice:example.com:guess\n", "fits"),
        ("other.txt", "alice::hidden-word\n", "does-not-fit"),
    ];
    for (name, accounts, expected) in cases {
        let output = run(name, accounts);
        let text = String::from_utf8_lossy(&output.stdout);
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(json["findings"][0]["evidence"]["password"], expected);
        for secret in ["guess", "hidden-word", "9f6c5fca1c09741762e5cabad3025b9e"] {
            assert!(!text.contains(secret), "{secret} is shown");
        }
    }
    let output = run("wrong.txt", "alice::x\n\nhidden-word\n");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("line 3 is not user:realm:password"), "{error}");
    assert!(!error.contains("hidden-word"), "{error}");
    let output = siptrace(&["analyze", &refused, "--credentials", "/nonexistent/accounts"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), error.lines().count()), (Some(2), 1), "{error}");
}

#[test]
#[cfg(feature = "stir")]
fn a_certificate_must_be_one() {
    let error = refused(&["analyze", CLEAN, "--stir-cert", "README.md"]);
    assert!(error.contains("could not use the certificate \"README.md\""), "{error}");
    assert!(error.contains("hint: give the PEM file"), "{error}");
    let error = refused(&["analyze", CLEAN, "--stir-cert", "/nonexistent.pem"]);
    assert!(error.contains("could not read the certificate"), "{error}");
    assert_eq!(code(&["analyze", CLEAN, "--stir-cert", "fixtures/stir/shaken.pem"]), Some(0));
    let error = siptrace(&["analyze", CLEAN, "--home-cc", "0"]);
    assert_eq!(error.status.code(), Some(2));
}

#[test]
fn the_readme_shows_the_report_as_it_is() {
    let output = siptrace(&["analyze", FAILING]);
    let report = String::from_utf8(output.stdout).expect("text");
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(&readme).expect("README.md");
    let (before, rest) = text.split_once("```text\n").expect("a block with the report");
    let (shown, after) = rest.split_once("```").expect("its end");
    if shown != report && std::env::var_os("SIPTRACE_BLESS").is_some() {
        fs::write(&readme, format!("{before}```text\n{report}```{after}")).expect("written");
        return;
    }
    assert_eq!(shown, report);
}

#[test]
fn the_language_comes_from_the_command_line_the_file_the_environment() {
    let folder = std::env::temp_dir().join(format!("siptrace-cli-{}-lang", std::process::id()));
    let inner = folder.join("captures");
    fs::create_dir_all(&inner).expect("made");
    let lang = |arguments: &[&str]| {
        let arguments = [&["explain", "502", "--format", "json"], arguments].concat();
        let output = siptrace_in(&inner, "pt_BR.UTF-8", &arguments);
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        json["lang"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(lang(&[]), "pt");
    fs::write(folder.join("siptrace.toml"), "lang = \"fr\"\n").expect("written");
    assert_eq!(lang(&[]), "fr");
    assert_eq!(lang(&["--lang", "ja"]), "ja");
    fs::write(inner.join("siptrace.toml"), "lang = \"fr\"\nlnag = 1\n").expect("written");
    let output = siptrace_in(&inner, "C", &["explain", "502", "--lang", "en"]);
    assert_eq!(output.status.code(), Some(2));
    let line = String::from_utf8(output.stderr).expect("text");
    assert_eq!(line.lines().count(), 2, "{line}");
    assert!(line.contains("hint: did you mean `lang`?"), "{line}");
    assert!(line.contains("siptrace.toml\": line 2, column 1: unknown field `lnag`"), "{line}");
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn help_of_the_catalogue_speaks_the_language_of_the_user() {
    let folder = std::env::temp_dir();
    let help = |lang: &str, arguments: &[&str]| {
        let output = siptrace_in(&folder, lang, arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    assert!(help("C", &["explain", "--help"]).contains("Usage: siptrace explain"));
    assert!(help("fr_FR.UTF-8", &["explain", "--help"]).contains("Exemples :"));
    assert!(help("ja_JP.UTF-8", &["compare", "-h"]).contains("使い方：siptrace compare"));
    assert!(help("pt_BR.UTF-8", &["help", "rules"]).contains("Uso: siptrace rules"));
    assert!(help("C", &["rules", "--help", "--lang", "pt"]).contains("Lista as regras"));
}

#[test]
fn pages_are_whole_html_documents() {
    let cases: [&[&str]; 4] =
        [&["explain", "502"], &["explain", "q850:27"], &["compare", "100", "502"], &["rules"]];
    for arguments in cases {
        let arguments = [arguments, &["--format", "html", "--lang", "fr"]].concat();
        let output = siptrace(&arguments);
        let page = String::from_utf8(output.stdout).expect("text");
        assert!(page.starts_with("<!DOCTYPE html>\n<html lang=\"fr\">"), "{arguments:?}");
        assert!(page.ends_with("</html>\n"), "{arguments:?}");
        for part in ["<meta charset=\"utf-8\">", "<title>", "<h1>", "<h2>"] {
            assert!(page.contains(part), "{arguments:?} lacks {part}");
        }
        assert!(page.contains("content=\"default-src 'none'; "), "{arguments:?}");
        assert!(!page.contains("<script") && !page.contains("://"), "{arguments:?}");
    }
}

#[test]
fn the_page_of_the_documentation_is_that_of_the_program() {
    let output = siptrace(&["catalogue"]);
    let page = String::from_utf8(output.stdout).expect("text");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/catalogue.md");
    if std::env::var_os("SIPTRACE_BLESS").is_some() {
        fs::write(&path, &page).expect("written");
    }
    let written = fs::read_to_string(&path).expect("docs/catalogue.md");
    assert_eq!(written, page, "SIPTRACE_BLESS=1 writes it again");
}

/// Another program of the project does the work, beside this one or on the PATH.
#[cfg(unix)]
#[test]
fn the_lake_is_handed_over() {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("lake-handed-over");
    let (own, path) = (folder.join("own"), folder.join("path"));
    let _ = fs::remove_dir_all(&folder);
    [&own, &path].into_iter().for_each(|folder| fs::create_dir_all(folder).expect("room"));
    let program = own.join("siptrace");
    fs::copy(env!("CARGO_BIN_EXE_siptrace"), &program).expect("room");
    let lake = |folder: &Path, says: &str| {
        let script = folder.join("siptrace-lake");
        fs::write(&script, format!("#!/bin/sh\necho {says} \"$@\"\nexit 7\n")).expect("room");
        fs::set_permissions(&script, Permissions::from_mode(0o755)).expect("ours");
    };
    let run = || {
        let arguments = ["lake", "query", "a lake", "--format", "json", "--help"];
        let output = Command::new(&program).args(arguments).env("PATH", &path).output();
        let output = output.expect("it starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, out, error) = run();
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(
        error.starts_with("siptrace: siptrace-lake is not installed") && error.contains("hint")
    );
    lake(&path, "path");
    assert_eq!(run(), (Some(7), "path query a lake --format json --help\n".into(), String::new()));
    lake(&own, "beside");
    assert_eq!(run().1, "beside query a lake --format json --help\n");
    fs::remove_dir_all(&folder).expect("it was made here");
}
