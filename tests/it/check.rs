//! `siptrace check`, its configuration and its baseline, as a script meets them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use proptest::prelude::*;

/// A call that is answered and ended.
pub(crate) const GOOD: &str = "\
call good
host alice 192.0.2.10
host bob   198.51.100.1
0      alice > bob INVITE sip:bob@example.com
+10ms  bob > alice 180
+10ms  bob > alice 200
+10ms  alice > bob ACK
5      alice > bob BYE
+10ms  bob > alice 200
end 60
";

/// A call that the server gives up after six seconds, and a probe that shows it is alive.
const FAILING: &str = "\
call bad
host alice 192.0.2.10
host proxy 198.51.100.1
0      alice > proxy INVITE sip:bob@example.com
+0.01  proxy > alice 100
6.02   proxy > alice 500 Server Internal Error
+0.01  alice > proxy ACK
end 70
";

/// A folder of its own with captures and settings; it is removed at the end.
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
}

impl Folder {
    pub(crate) fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let name = format!("siptrace-check-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("made");
        let folder = Self { path };
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path.join(name)).expect("a file")
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.run_with(arguments, &[])
    }

    fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_siptrace"));
        command.args(arguments).current_dir(&self.path).env("LANG", "C");
        for name in
            ["LC_ALL", "LC_MESSAGES", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "TERM"]
        {
            command.env_remove(name);
        }
        command.envs(variables.iter().copied());
        Run::of(&command.output().expect("the program runs"))
    }

    /// Exit code 2 and one line with one hint at most.
    fn refused(&self, arguments: &[&str]) -> String {
        let run = self.run(arguments);
        assert_eq!(run.code, 2, "{arguments:?}: {}", run.error);
        assert!(run.text.is_empty(), "{}", run.text);
        let lines: Vec<&str> = run.error.lines().collect();
        assert!(lines[0].starts_with("siptrace: ") && lines.len() <= 2, "{}", run.error);
        assert!(lines.iter().skip(1).all(|line| line.starts_with("hint: ")), "{}", run.error);
        run.error
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) text: String,
    pub(crate) error: String,
}

impl Run {
    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().expect("a code"),
            text: String::from_utf8(output.stdout.clone()).expect("text"),
            error: String::from_utf8(output.stderr.clone()).expect("text"),
        }
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

fn calls(name: &str) -> Folder {
    Folder::new(name, &[("good.sip", GOOD), ("bad.sip", FAILING)])
}

#[test]
fn each_capture_has_a_verdict_of_its_own() {
    let folder = calls("verdicts");
    let run = folder.run(&["check", "bad.sip", "good.sip"]);
    assert_eq!(run.code, 1, "{}", run.error);
    let lines: Vec<&str> = run.text.lines().collect();
    assert!(lines[0].starts_with("FAIL bad.sip · Errors: 1"), "{}", run.text);
    assert!(
        lines[1].starts_with("  ERROR TXN106 ") && lines[1].contains("#1 #2 #3"),
        "{}",
        run.text
    );
    assert!(lines.iter().any(|line| line.starts_with("PASS good.sip · Errors: 0")), "{}", run.text);
    assert!(lines[lines.len() - 1].starts_with("Captures: 2, failed: 1"), "{}", run.text);
    assert_eq!(folder.run(&["check", "good.sip"]).code, 0);
    assert_eq!(folder.run(&["check", "bad.sip", "--fail-on", "never"]).code, 0);
    let quiet = folder.run(&["check", "-q", "bad.sip", "good.sip"]);
    assert_eq!(quiet.text.lines().count(), 3, "{}", quiet.text);
    let together = folder.run(&["check", "--together", "-q", "bad.sip", "good.sip"]);
    assert!(together.text.starts_with("FAIL bad.sip and 1 more"), "{}", together.text);
    assert_eq!(together.text.lines().count(), 2);
}

#[test]
fn the_verdicts_are_those_of_each_capture_analysed_alone() {
    let folder = calls("alone");
    let run = folder.run(&["check", "--format", "json", "good.sip", "bad.sip"]);
    let json = run.json();
    assert_eq!(json["verdict"], "fail");
    let [good, bad] = json["captures"].as_array().expect("a list").as_slice() else {
        panic!("{json}")
    };
    assert_eq!((&good["verdict"], &bad["verdict"]), (&"pass".into(), &"fail".into()));
    assert_eq!((&good["sip_messages"], &bad["sip_messages"]), (&6.into(), &4.into()));
    let alone = folder.run(&["analyze", "--format", "json", "bad.sip"]).json();
    assert_eq!(bad["findings"], alone["findings"]);
    assert_eq!(bad["findings"][0]["frames"], serde_json::json!([1, 2, 3]));
}

#[test]
fn analyses_stand_side_by_side() {
    let folder = calls("gathered");
    let one = |name: &str| crate::run::analyze_with(&folder.path.join(name), 1);
    let (good, bad) = (one("good.sip"), one("bad.sip"));
    let both = siptrace::analysis::gather([good.clone(), bad.clone()]);
    assert_eq!(both.captures.len(), 2);
    assert_eq!(both.totals.sip_messages, good.totals.sip_messages + bad.totals.sip_messages);
    assert_eq!(both.totals.findings, bad.totals.findings);
    let frames = &both.findings[0].frames;
    assert!(frames.iter().all(|frame| frame.capture == 1) && frames[0].number == 1);
    assert!(both.findings[0].ladder.iter().all(|line| line.frame.capture == 1));
    assert_eq!((both.calls[0].first_frame.capture, both.calls[1].last_frame.capture), (0, 1));
    assert_eq!(both.statistics.methods["INVITE"], 2);
}

#[test]
fn a_capture_without_sip_is_no_proof() {
    let empty = "host a 192.0.2.1\nhost b 192.0.2.2\n0 a > b keepalive\nend 1\n";
    let folder = Folder::new("empty", &[("empty.sip", empty)]);
    let run = folder.run(&["check", "empty.sip", "--explain-exit"]);
    assert_eq!(run.code, 1);
    assert!(run.text.starts_with("FAIL empty.sip · No SIP message"), "{}", run.text);
    assert!(run.error.contains("without SIP: 1"), "{}", run.error);
}

#[test]
fn what_was_found_instead_of_sip_may_be_known() {
    let capture = Path::new(env!("CARGO_MANIFEST_DIR"));
    let capture = capture.join("fixtures/captures/tls-unknown-ca.pcapng");
    let capture = capture.to_string_lossy();
    let folder = Folder::new("tls", &[]);
    let run = folder.run(&["check", &capture, "--write-baseline", "known.toml"]);
    assert_eq!(run.code, 0, "{}", run.error);
    assert_eq!(folder.run(&["check", &capture]).code, 1);
    let run = folder.run(&["check", &capture, "--baseline", "known.toml"]);
    assert_eq!(run.code, 0, "{}", run.text);
}

#[test]
fn the_exit_code_is_explained() {
    let folder = calls("explained");
    let why = |arguments: &[&str]| {
        let run = folder.run(&[arguments, &["--explain-exit"]].concat());
        let line = run.error.lines().last().unwrap_or_default().to_owned();
        let code = format!("siptrace: exit code {}: ", run.code);
        assert!(line.starts_with(&code), "{line}");
        line.trim_start_matches(&code).to_owned()
    };
    assert_eq!(why(&["check", "good.sip"]), "all captures pass: 1");
    assert!(why(&["check", "bad.sip", "good.sip"]).starts_with("captures that fail: 1 of 2;"));
    let error = ["analyze", "bad.sip", "--fail-on", "error"];
    assert_eq!(why(&error), "findings at or above error: 1 (--fail-on error)");
    assert!(why(&["analyze", "bad.sip"]).contains("--fail-on never"));
    assert!(why(&["analyze", "missing.sip"]).contains("reason above"));
    assert_eq!(why(&["check", "good.sip", "--no-such"]), "the command line cannot be used");
    assert!(folder.run(&["check", "good.sip"]).error.is_empty());
}

#[test]
fn the_file_decides_what_runs_and_how_bad_it_is() {
    let folder = calls("decides");
    let code = |settings: &str, arguments: &[&str]| {
        folder.write("siptrace.toml", settings);
        let run = folder.run(&[&["check", "bad.sip"], arguments].concat());
        assert!(run.code < 2, "{}", run.error);
        (run.code, run.text)
    };
    assert_eq!(code("ignore = [\"TXN\", \"CAL\"]\n", &[]).0, 0);
    assert_eq!(code("select = [\"XFR\"]\n", &[]).0, 0);
    assert_eq!(code("select = [\"XFR\"]\n", &["--select", "TXN"]).0, 1);
    assert_eq!(code("fail-on = \"never\"\n", &[]).0, 0);
    assert_eq!(code("fail-on = \"never\"\n", &["--fail-on", "error"]).0, 1);
    let milder = "[rules.trying-then-server-failure]\nseverity = \"warn\"\n";
    let (status, text) = code(milder, &[]);
    assert!(status == 0 && text.contains("Errors: 0, warnings: 1"), "{text}");
    assert_eq!(code(milder, &["--fail-on", "warn"]).0, 1);
    assert_eq!(code(&format!("min-severity = \"error\"\n{milder}"), &["--fail-on", "info"]).0, 0);
    let off = "[rules.TXN106]\nseverity = \"off\"\n[rules.CAL201]\nseverity = \"off\"\n";
    assert_eq!(code(off, &["--fail-on", "info"]).0, 0);
}

#[test]
fn a_severity_that_is_raised_survives_the_least_one_asked_for() {
    let raised = "[rules.slow-post-dial-delay]\nseverity = \"error\"\n";
    let busy =
        FAILING.replace("6.02   proxy > alice 500 Server Internal Error", "6 proxy > alice 486");
    let folder = Folder::new("raised", &[("busy.sip", &busy)]);
    let errors = |arguments: &[&str]| {
        let all = [&["analyze", "busy.sip", "--format", "json"], arguments].concat();
        folder.run(&all).json()["totals"]["findings"]["error"].clone()
    };
    assert_eq!(errors(&["--min-severity", "error"]), 0);
    folder.write("siptrace.toml", raised);
    assert_eq!(errors(&["--min-severity", "error"]), 1);
}

#[test]
fn a_file_of_settings_can_be_named() {
    let folder = calls("named");
    folder.write("lab/ci.toml", "fail-on = \"never\"\n");
    assert_eq!(folder.run(&["check", "bad.sip", "--config", "lab/ci.toml"]).code, 0);
    let missing = folder.refused(&["check", "bad.sip", "--config", "no.toml"]);
    assert!(missing.contains("could not read \"no.toml\""), "{missing}");
    folder.write("siptrace.toml", "[rules.slow-post-dial-dely]\ndelay = \"8s\"\n");
    let error = folder.refused(&["analyze", "good.sip"]);
    assert!(error.contains("siptrace.toml\": line 1, column 8: there is no rule"), "{error}");
    assert!(error.contains("hint: did you mean `slow-post-dial-delay`?"), "{error}");
}

#[test]
fn findings_are_ignored_for_a_reason() {
    let folder = calls("ignored");
    let ignore = |what: &str| {
        let text = format!("[[ignore-finding]]\n{what}\nreason = \"ticket 4711\"\n");
        folder.write("siptrace.toml", &text);
        folder.run(&["check", "-v", "bad.sip"])
    };
    for what in [
        "rule = \"TXN106\"",
        "rule = \"TXN\"\nstatus = 500",
        "call-id = \"bad@*\"",
        "from = \"sip:alice@*\"\nto = \"*bob@example.com\"",
        "client = \"192.0.2.0/24\"",
        "server = \"198.51.100.1\"",
        "peer = \"198.51.*\"",
        "capture = \"b*.sip\"",
    ] {
        let run = ignore(what);
        assert_eq!(run.code, 0, "{what}: {}{}", run.text, run.error);
        assert!(run.text.contains("Ignored: 1"), "{what}: {}", run.text);
        assert!(run.text.contains("- Line 1: ticket 4711 · 1"), "{what}: {}", run.text);
    }
    for what in ["rule = \"TXN105\"", "status = 501", "server = \"192.0.2.10\"", "to = \"carol\""] {
        let run = ignore(what);
        assert_eq!(run.code, 1, "{what}: {}", run.text);
        let note = "! The entry in line 1 of the configuration ignores nothing here: ticket 4711";
        assert!(run.text.contains(note), "{what}: {}", run.text);
    }
    let run = ignore("capture = \"other.sip\"");
    assert!(run.code == 1 && !run.text.contains("ignores nothing"), "{}", run.text);
}

#[test]
fn a_report_tells_what_was_ignored_in_every_format() {
    let folder = calls("formats");
    let text = "[[ignore-finding]]\nrule = \"TXN106\"\nreason = \"known\"\n";
    folder.write("siptrace.toml", text);
    let json = folder.run(&["analyze", "bad.sip", "--format", "json"]).json();
    assert_eq!(json["ignored"], serde_json::json!([{"line": 1, "reason": "known", "count": 1}]));
    assert_eq!(json["totals"]["findings"]["error"], 0);
    assert_eq!(json["findings"].as_array().map(Vec::len), Some(0));
    let lines = folder.run(&["analyze", "bad.sip", "--format", "jsonl"]).text;
    let last: serde_json::Value =
        serde_json::from_str(lines.lines().last().expect("a line")).expect("JSON");
    assert_eq!(last["ignored"], json["ignored"]);
    assert_eq!(last["totals"]["findings"]["error"], 0);
    assert!(!lines.contains("\"type\":\"finding\""), "{lines}");
    let report = folder.run(&["analyze", "bad.sip"]).text;
    assert!(report.contains("== Set aside =") && report.contains("Ignored: 1"), "{report}");
    fs::remove_file(folder.path.join("siptrace.toml")).expect("removed");
    let json = folder.run(&["analyze", "bad.sip", "--format", "json"]).json();
    assert!(json.get("ignored").is_none() && json.get("baseline").is_none());
}

#[test]
fn hosts_have_the_names_that_the_user_gives_them() {
    let folder = calls("hosts");
    folder.write("lab.hosts", "198.51.100.1 gateway # the one in the lab\n");
    let settings = "[hosts]\n\"192.0.2.10\" = \"desk\"\n\"198.51.100.1\" = \"other\"\n";
    folder.write("siptrace.toml", settings);
    let arguments = ["analyze", "bad.sip", "--hosts", "lab.hosts"];
    let text = folder.run(&arguments).text;
    let way = "desk (192.0.2.10:5060) > gateway (198.51.100.1:5060)";
    assert!(text.contains(way), "{text}");
    let head = text.lines().skip_while(|line| !line.contains("Ladder from")).nth(1);
    let head = head.expect("a head");
    assert!(head.contains("desk (192.0.2.10:5060)") && head.contains("gateway ("), "{head}");
    let named = serde_json::json!({"192.0.2.10": "desk", "198.51.100.1": "gateway"});
    for format in ["json", "jsonl"] {
        let run = folder.run(&[&arguments[..], &["--format", format]].concat());
        let last = match format {
            "json" => run.json(),
            _ => serde_json::from_str(run.text.lines().last().expect("a line")).expect("JSON"),
        };
        assert_eq!(last["hosts"], named);
    }
    folder.write("siptrace.toml", "[hosts]\ndesk = \"192.0.2.10\"\n");
    let error = folder.refused(&["analyze", "bad.sip"]);
    assert!(error.contains("line 2, column 1: expected an address such as 192.0.2.10"), "{error}");
    assert!(error.contains("hint: the address comes first"), "{error}");
}

#[test]
fn captures_have_settings_of_their_own() {
    let folder = Folder::new(
        "own",
        &[
            ("calls/good.sip", GOOD),
            ("calls/bad.sip", FAILING),
            ("busy/bad.sip", FAILING),
            (
                "siptrace.toml",
                "[[capture]]\npath = \"busy/*\"\nfail-on = \"never\"\n\n\
                 [[capture]]\npath = \"good.sip\"\nselect = [\"XFR\"]\n\n\
                 [[capture]]\npath = \"calls/bad.sip\"\nignore = [\"CAP\"]\n\
                 [capture.rules.trying-then-server-failure]\nlong-wait = \"7s\"\n\
                 [capture.rules.final-response]\nseverity = \"info\"\n",
            ),
        ],
    );
    let run = folder.run(&["check", "calls/good.sip", "calls/bad.sip", "busy/bad.sip"]);
    assert_eq!(run.code, 0, "{}{}", run.text, run.error);
    assert!(
        run.text.contains("PASS calls/bad.sip · Errors: 0, warnings: 0, notes: 1"),
        "{}",
        run.text
    );
    assert!(run.text.contains("PASS busy/bad.sip · Errors: 1"), "{}", run.text);
    let json = folder.run(&["analyze", "calls/bad.sip", "--format", "json"]).json();
    assert_eq!(json["totals"]["findings"]["info"], 1);
    let together = folder.run(&["check", "--together", "calls/bad.sip", "busy/bad.sip"]);
    assert_eq!(together.code, 1, "{}", together.text);
}

#[test]
fn known_findings_stay_quiet_and_new_ones_do_not() {
    let folder = calls("baseline");
    let run = folder.run(&["check", "bad.sip", "good.sip", "--write-baseline", "known.toml"]);
    assert_eq!(run.code, 0, "{}", run.text);
    let known = folder.read("known.toml");
    let entry = "[[finding]]\nrule = \"trying-then-server-failure\"\ncapture = \"bad.sip\"\n\
                 status = [100, 500]\nwords = [\"attribution=next-server\"]\n";
    assert!(known.contains(entry), "{known}");
    assert!(
        known.ends_with("client = \"192.0.2.10\"\nserver = \"198.51.100.1\"\ncount = 1\n"),
        "{known}"
    );
    let with = ["--baseline", "known.toml"];
    let run = folder.run(&[&["check", "bad.sip", "good.sip"], &with[..]].concat());
    assert!(run.code == 0 && run.text.contains("Known: 1"), "{}", run.text);
    // Another time, other frames, another Call-ID, other ports: the same finding.
    let later = FAILING
        .replace("call bad", "start 2026-03-05T09:00:00Z\ncall other")
        .replace("host alice 192.0.2.10", "host alice 192.0.2.10:5080")
        .replace("6.02   proxy", "6.5 proxy")
        .replace("end 70", "call probe\n-1 alice > proxy OPTIONS\n+0.01 proxy > alice 200\nend 70")
        .replace("-1 alice", "0.001 alice");
    folder.write("bad.sip", &later);
    let run = folder.run(&[&["check", "bad.sip"], &with[..]].concat());
    assert!(run.code == 0 && run.text.contains("Known: 1"), "{}{}", run.text, run.error);
    // One more of the same kind is new, another status is new.
    let twice = format!(
        "{}\n{}",
        FAILING.replace("end 70\n", ""),
        "call second\n\
        20     alice > proxy INVITE sip:carol@example.com\n+0.01  proxy > alice 100\n\
        26.02  proxy > alice 500 Server Internal Error\n+0.01  alice > proxy ACK\nend 90\n"
    );
    folder.write("bad.sip", &twice);
    let run = folder.run(&[&["check", "bad.sip"], &with[..]].concat());
    assert!(
        run.code == 1 && run.text.contains("Errors: 1") && run.text.contains("Known: 1"),
        "{}{}",
        run.text,
        run.error
    );
    folder.write("bad.sip", &FAILING.replace("500 Server Internal Error", "503"));
    let run = folder.run(&[&["check", "bad.sip"], &with[..]].concat());
    assert!(run.code == 1 && run.text.contains("not found any more"), "{}", run.text);
    folder.write("bad.sip", GOOD);
    let run = folder.run(&[&["check", "bad.sip"], &with[..]].concat());
    assert_eq!(run.code, 0);
    assert!(
        run.text.contains("- TXN106 trying-then-server-failure · bad.sip · 100 · 500"),
        "{}",
        run.text
    );
    // What is not looked at has not vanished.
    let run = folder.run(&[&["check", "good.sip"], &with[..]].concat());
    assert!(!run.text.contains("not found any more"), "{}", run.text);
}

#[test]
fn a_baseline_holds_for_analyze_and_from_the_file() {
    let folder = calls("analyze");
    let run =
        folder.run(&["analyze", "bad.sip", "--write-baseline", "known.toml", "--fail-on", "info"]);
    assert_eq!(run.code, 0, "{}", run.error);
    folder.write("siptrace.toml", "baseline = \"known.toml\"\n");
    folder.write("inner/x", "");
    let json = folder.run(&["analyze", "bad.sip", "--format", "json", "--fail-on", "info"]);
    assert_eq!(json.code, 0);
    assert_eq!(json.json()["baseline"], serde_json::json!({"known": 1, "vanished": []}));
    for format in ["json", "jsonl"] {
        let text = folder.run(&["analyze", "good.sip", "bad.sip", "--format", format]).text;
        assert!(!text.contains("\"rule\""), "{format}: {text}");
    }
    let written = folder.read("known.toml");
    folder.run(&["analyze", "bad.sip", "--format", "jsonl", "--write-baseline", "again.toml"]);
    assert_eq!(folder.read("again.toml"), written);
    assert_eq!(folder.run(&["check", "bad.sip"]).code, 0);
    assert_eq!(folder.run(&["check", "../inner/../bad.sip"]).code, 2);
}

#[test]
fn a_wrong_baseline_is_told_with_its_place() {
    let folder = calls("wrong");
    let refused = |text: &str| {
        folder.write("known.toml", text);
        folder.refused(&["check", "good.sip", "--baseline", "known.toml"])
    };
    let cases = [
        ("version = 2\n", "line 1, column 11: version 2 is unknown", "--write-baseline"),
        ("", "line 1, column 1: missing field `version`", ""),
        (
            "version = 1\n[[finding]]\nrule = \"trying-then-server-failur\"\n",
            "line 3, column 8: there is no rule `trying-then-server-failur`",
            "did you mean `trying-then-server-failure`?",
        ),
        (
            "version = 1\n[[finding]]\nrule = \"TXN106\"\nserv = \"*\"\n",
            "line 4, column 1: unknown field `serv`",
            "did you mean `server`?",
        ),
        (
            "version = 1\n[[finding]]\nrule = \"TXN106\"\ncount = 0\n",
            "line 4, column 9: expected how often the finding is known",
            "delete the entry",
        ),
    ];
    for (text, problem, hint) in cases {
        let error = refused(text);
        assert!(error.contains(&format!("could not use \"known.toml\": {problem}")), "{error}");
        assert!(
            hint.is_empty() || error.contains(&format!("hint: {hint}")) || error.contains(hint),
            "{error}"
        );
    }
    let missing = folder.refused(&["check", "good.sip", "--baseline", "missing.toml"]);
    assert!(missing.contains("could not read \"missing.toml\""), "{missing}");
    let both = ["check", "good.sip", "--baseline", "a", "--write-baseline", "b"];
    assert_eq!(folder.run(&both).code, 2);
}

#[test]
fn the_outcome_is_the_same_for_any_number_of_threads() {
    let folder = calls("threads");
    folder.write("siptrace.toml", "[[ignore-finding]]\nfrom = \"nobody\"\nreason = \"none\"\n");
    let text = |threads| {
        let all = ["check", "-v", "bad.sip", "good.sip", "--threads", threads];
        folder.run(&all).text
    };
    assert_eq!(text("1"), text("7"));
}

#[test]
fn colours_and_width_follow_the_environment() {
    let folder = calls("colours");
    let text = |arguments: &[&str], variables: &[(&str, &str)]| {
        folder.run_with(&[&["check", "bad.sip"], arguments].concat(), variables).text
    };
    let is_coloured = |text: &str| text.contains('\u{1b}');
    assert!(!is_coloured(&text(&[], &[])));
    assert!(is_coloured(&text(&[], &[("CLICOLOR_FORCE", "1")])));
    assert!(!is_coloured(&text(&[], &[("CLICOLOR_FORCE", "0")])));
    assert!(!is_coloured(&text(&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")])));
    assert!(is_coloured(&text(&["--color", "always"], &[("NO_COLOR", "1")])));
    assert!(!is_coloured(&text(&["--color", "never"], &[("CLICOLOR_FORCE", "1")])));
    // The lines with paths are as long as they are.
    let widest = |text: String| {
        let inner = text.lines().filter(|line| line.starts_with(' '));
        inner.map(|line| line.chars().count()).max()
    };
    assert!(widest(text(&["--width", "50"], &[])) <= Some(50));
    assert!(widest(text(&[], &[("COLUMNS", "50")])) <= Some(50));
    assert!(widest(text(&["--width", "120"], &[("COLUMNS", "50")])) > Some(50));
    assert_eq!(text(&[], &[("COLUMNS", "wide")]), text(&[], &[]));
}

/// The commands that are in no list because they are for us.
const HIDDEN: [&str; 1] = ["catalogue"];

fn commands() -> Vec<String> {
    let help = Folder::new("help", &[]).run(&["--help"]).text;
    let list = help.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next());
    let names = list
        .expect("commands")
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names: Vec<String> =
        names.filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect();
    assert!(names.len() > 5 && HIDDEN.iter().all(|hidden| !names.iter().any(|n| n == hidden)));
    // The help of the lake is that of another program.
    names.into_iter().filter(|name| !["help", "lake"].contains(&name.as_str())).collect()
}

#[test]
fn every_shell_completes_every_command() {
    let folder = Folder::new("shells", &[]);
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let run = folder.run(&["completions", shell]);
        assert_eq!(run.code, 0, "{}", run.error);
        for command in commands() {
            assert!(run.text.contains(&command), "{shell} does not know {command}");
        }
        assert!(run.text.contains("write-baseline"), "{shell}");
    }
    let script = folder.run(&["completions", "bash"]).text;
    folder.write("siptrace.bash", &script);
    let bash = Command::new("bash").arg("-n").arg(folder.path.join("siptrace.bash")).status();
    assert!(bash.is_ok_and(|status| status.success()));
    assert_eq!(folder.run(&["completions", "tcsh"]).code, 2);
}

#[test]
fn the_manual_has_a_page_for_every_command() {
    let folder = Folder::new("manual", &[]);
    let page = folder.run(&["man"]).text;
    assert_eq!(folder.run(&["man", "man1"]).code, 0);
    assert_eq!(folder.read("man1/siptrace.1"), page);
    for command in commands() {
        assert!(page.contains(&format!("siptrace\\-{command}(1)")), "{command}");
        let own = folder.read(&format!("man1/siptrace-{command}.1"));
        assert!(own.contains(".SH NAME") && own.contains(".SH SYNOPSIS"), "{own}");
    }
    let check = folder.read("man1/siptrace-check.1");
    assert!(check.contains("Exit codes:") && check.contains("fail\\-on"), "{check}");
    assert!(!folder.path.join("man1/siptrace-catalogue.1").exists());
    // Where there is a reader of manuals, it has nothing to complain of.
    let mandoc = Command::new("man")
        .args(["--warnings", "-l"])
        .arg(folder.path.join("man1/siptrace-check.1"))
        .env("MANPAGER", "cat")
        .env("LC_ALL", "C.UTF-8")
        .output();
    if let Ok(output) = mandoc.as_ref().map_err(|_| ())
        && output.status.success()
    {
        let shown = String::from_utf8_lossy(&output.stdout);
        assert!(shown.contains("SYNOPSIS"), "{shown}");
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn commands_say_what_their_exit_codes_mean() {
    let folder = Folder::new("codes", &[]);
    for command in commands() {
        let command = command.as_str();
        let help = folder.run(&[command, "--help"]).text;
        assert!(help.contains("Exit codes:\n  0  "), "{command}: {help}");
    }
    assert!(folder.run(&["--help"]).text.contains("Exit codes:\n  0  "));
}

#[test]
fn the_hooks_run_a_command_that_exists() {
    let hooks =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(".pre-commit-hooks.yaml"));
    let hooks = hooks.expect("hooks");
    let entries: Vec<&str> =
        hooks.lines().filter_map(|line| line.trim().strip_prefix("entry: ")).collect();
    assert!(!entries.is_empty());
    let folder = calls("hooks");
    for entry in entries {
        let mut words = entry.split(' ');
        assert_eq!(words.next(), Some("siptrace"));
        let arguments: Vec<&str> = words.chain(["good.sip"]).collect();
        assert_eq!(folder.run(&arguments).code, 0, "{entry}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn no_file_makes_the_program_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let folder = Folder::new("bytes", &[("good.sip", GOOD)]);
        fs::write(folder.path.join("any.toml"), &bytes).expect("written");
        for option in ["--config", "--baseline"] {
            let run = folder.run(&["check", "good.sip", option, "any.toml"]);
            prop_assert!(run.code == 0 || run.code == 2, "{}", run.error);
            prop_assert!(!run.error.contains("panicked"), "{}", run.error);
        }
    }
}
