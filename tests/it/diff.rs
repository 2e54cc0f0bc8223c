//! `siptrace diff`: what is the same in two recordings is not told, and what changed is told alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use siptrace::analysis::diff::{Diff, DiffLine, DiffOptions, Part, diff};
use siptrace::analysis::{Analysis, Keep};
use siptrace::capture::Source;
use siptrace::catalogue::Lang;
use siptrace::finding::Value;
use siptrace::limits::{DIFF_KINDS_MAX, DIFF_STEPS_MAX, DIFF_UNPAIRED_MAX};
use siptrace::report::{self, Page};
use siptrace::rules::Profile;
use siptrace::time::Span;
use siptrace::transport::KeyLog;
use siptrace::{pipeline, rules};

/// A call through a proxy, a registration and a probe.
const BEFORE: &str = "\
host alice 192.0.2.10
host proxy 198.51.100.1
host bob   203.0.113.20
call registration
0     alice > proxy REGISTER
+10ms proxy > alice 401
+10ms alice > proxy REGISTER
+10ms proxy > alice 200
call one
1     alice > proxy INVITE sdp
      User-Agent: Phone 1.0
+5ms  proxy > alice 100
+5ms  proxy > bob   forward
+20ms bob > proxy   180
+5ms  proxy > alice forward
3     bob > proxy   200 sdp
+5ms  proxy > alice forward
+5ms  alice > proxy ACK
+5ms  proxy > bob   forward
7     bob > proxy   BYE
+5ms  proxy > alice forward
+5ms  alice > proxy 200
+5ms  proxy > bob   forward
call probe
10    alice > proxy OPTIONS
+10ms proxy > alice 200
end 70
";

/// The same on another day, at other addresses, under other Call-IDs; people take their time.
fn recorded_again() -> String {
    BEFORE
        .replace("192.0.2.10", "10.1.0.10")
        .replace("198.51.100.1", "10.1.0.1:5070")
        .replace("203.0.113.20", "10.1.0.20")
        .replace("host alice", "start 2026-03-05T09:00:00Z\nhost alice")
        .replace("call registration", "call r2d2")
        .replace("call one", "call 7f3a")
        .replace("call probe", "call c3po")
        .replace("\n3     bob", "\n4.5   bob")
        .replace("\n7     bob", "\n9     bob")
        .replace("+20ms bob", "+45ms bob")
}

/// The same with one thing done otherwise.
fn with(from: &str, to: &str) -> String {
    let text = recorded_again();
    let changed = text.replace(from, to);
    assert_ne!(text, changed, "{from}");
    changed
}

fn analyze(script: &str) -> Analysis {
    // A script is known by the end of its name, so it has to be a file.
    static FILES: AtomicUsize = AtomicUsize::new(0);
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    let name = format!("siptrace-diff-{}-{number}.sip", std::process::id());
    let path = std::env::temp_dir().join(name);
    fs::write(&path, script).expect("written");
    let source = Source::open(&path, 0);
    fs::remove_file(&path).expect("removed");
    analyze_source(source.expect("a script"))
}

fn analyze_source(source: Source) -> Analysis {
    let options = pipeline::Options {
        profile: Profile { rules: rules::ALL.to_vec(), ..Profile::default() },
        keep: Keep { calls: 10_000, transcripts: 1 << 24, findings: 10_000, ..Keep::default() },
        media: true,
        keys: KeyLog::default(),
        threads: Some(1),
    };
    pipeline::run(vec![source], &options, &|_| ()).expect("analysed")
}

/// Every difference in a line: the part and both values, or the step that is only on one side.
fn told(diff: &Diff<'_>) -> Vec<String> {
    let mut told = Vec::new();
    for line in diff.calls.iter().flat_map(|call| &call.lines) {
        match line {
            DiffLine::Both { left, changes, shift, .. } => {
                let change = |change: &siptrace::analysis::diff::Change| {
                    let name = match &change.part {
                        Part::Header(name) => name.clone(),
                        Part::Sdp { aspect, .. } => format!("sdp {aspect}"),
                        part => part.name().to_owned(),
                    };
                    format!("{}: {name}", left.label)
                };
                told.extend(changes.iter().map(change));
                told.extend(shift.map(|_| format!("{}: wait", left.label)));
            }
            DiffLine::Left(place) => told.push(format!("- {}", place.label)),
            DiffLine::Right(place) => told.push(format!("+ {}", place.label)),
        }
    }
    told
}

/// What is told of the second script beside the first recording.
fn told_of(script: &str) -> Vec<String> {
    told_by(script, &DiffOptions::default())
}

fn told_by(script: &str, options: &DiffOptions) -> Vec<String> {
    let (left, right) = (analyze(BEFORE), analyze(script));
    let found = diff(&left, &right, options);
    assert_eq!(found.totals.pairs, 3);
    told(&found)
}

#[test]
fn a_call_recorded_twice_does_not_differ() {
    let (left, right) = (analyze(BEFORE), analyze(&recorded_again()));
    let found = diff(&left, &right, &DiffOptions::default());
    assert!(found.is_same(), "{:?} {:?}", found.totals, told(&found));
    assert_eq!((found.totals.pairs, found.totals.same), (3, 3));
    assert_eq!(found.totals.steps_same, 19);
    let raw = DiffOptions { all_headers: true, ..DiffOptions::default() };
    assert!(!diff(&left, &right, &raw).is_same());
}

#[test]
fn what_changed_is_told_alone() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("bob > proxy   180", "bob > proxy   183", &["180 Ringing: status", "180 Ringing: status"]),
        (
            "alice > proxy INVITE sdp\n",
            "alice > proxy INVITE sdp\n      +X-Tenant: 7\n",
            &["INVITE: x-tenant", "INVITE: x-tenant"],
        ),
        ("Phone 1.0", "Phone 1.1", &["INVITE: User-Agent", "INVITE: User-Agent"]),
        (
            "bob > proxy   200 sdp",
            "bob > proxy   200\n      sdp sendonly",
            &["200 OK: sdp direction", "200 OK: sdp direction"],
        ),
        (
            "bob > proxy   200 sdp",
            "bob > proxy   200\n      sdp codecs=PCMA,PCMU,telephone-event",
            &["200 OK: sdp codecs", "200 OK: sdp codecs"],
        ),
        ("+5ms  proxy > alice 100\n", "", &["- 100 Trying"]),
        (
            "+10ms proxy > alice 401\n+10ms alice > proxy REGISTER\n",
            "",
            &["- 401 Unauthorized (REGISTER)", "- REGISTER"],
        ),
        (
            "+10ms proxy > alice 200\nend",
            "+2    proxy > alice 200\nend",
            &["200 OK (OPTIONS): wait"],
        ),
        (
            "10    alice > proxy OPTIONS",
            "10    alice > proxy OPTIONS tcp",
            &["OPTIONS: transport", "200 OK (OPTIONS): transport"],
        ),
    ];
    for (from, to, expected) in cases {
        assert_eq!(told_of(&with(from, to)), *expected, "{to}");
    }
}

#[test]
fn what_a_call_ends_with_is_the_only_difference() {
    let busy = with(
        "4.5   bob > proxy   200 sdp\n+5ms  proxy > alice forward\n+5ms  alice > proxy ACK\n\
         +5ms  proxy > bob   forward\n9     bob > proxy   BYE\n+5ms  proxy > alice forward\n\
         +5ms  alice > proxy 200\n+5ms  proxy > bob   forward\n",
        "4.5   bob > proxy   486\n+1ms  proxy > bob   ACK\n+5ms  proxy > alice forward\n\
         +5ms  alice > proxy ACK\n",
    );
    let told = told_of(&busy);
    let has = |line: &str| told.iter().any(|own| own == line);
    assert!(has("200 OK: status") && has("- BYE"), "{told:?}");
    assert!(!told.iter().any(|own| own.contains("REGISTER")), "{told:?}");
}

#[test]
fn retransmissions_count_where_they_are_asked_for() {
    let again =
        with("+5ms  proxy > alice 100\n", "+500ms alice > proxy again\n+5ms  proxy > alice 100\n");
    let quiet = DiffOptions { timing: None, ..DiffOptions::default() };
    assert_eq!(told_by(&again, &quiet), Vec::<String>::new());
    let counted = DiffOptions { retransmissions: true, ..quiet };
    assert_eq!(told_by(&again, &counted), ["INVITE: repeats"]);
}

#[test]
fn waits_are_held_against_the_threshold() {
    let slow = with("+10ms proxy > alice 200\nend", "+300ms proxy > alice 200\nend");
    assert_eq!(told_of(&slow), Vec::<String>::new());
    let strict = DiffOptions { timing: Some(Span::from_millis(200)), ..DiffOptions::default() };
    assert_eq!(told_by(&slow, &strict), ["200 OK (OPTIONS): wait"]);
}

#[test]
fn headers_are_left_out_by_name_in_any_form() {
    let changed = with("Phone 1.0", "Phone 1.1\n      Subject: hello");
    let options = |names: &[&str]| DiffOptions {
        ignored_headers: names.iter().map(|name| (*name).to_owned()).collect(),
        ..DiffOptions::default()
    };
    let told = told_by(&changed, &options(&["user-agent"]));
    assert_eq!(told, ["INVITE: Subject", "INVITE: Subject"]);
    assert_eq!(told_by(&changed, &options(&["User-Agent", "s"])), Vec::<String>::new());
}

#[test]
fn a_difference_of_many_steps_is_told_once() {
    let many = |version: &str| {
        let call = |at: u32| {
            format!(
                "call c{at}{version}\n{at}0 alice > bob OPTIONS\n   User-Agent: Phone {version}\n\
                 +10ms bob > alice 200\n"
            )
        };
        let calls: String = (1..6).map(call).collect();
        format!("host alice 192.0.2.1\nhost bob 192.0.2.2\n{calls}end 90\n")
    };
    let (left, right) = (analyze(&many("1")), analyze(&many("2")));
    let found = diff(&left, &right, &DiffOptions::default());
    assert_eq!((found.totals.recurring_only, found.totals.differing), (5, 0));
    let [recurring] = found.recurring.as_slice() else { panic!("{:?}", found.recurring) };
    assert_eq!(recurring.change.part, Part::Header("User-Agent".to_owned()));
    assert_eq!((recurring.steps, recurring.calls), (5, 5));
    assert!(!found.is_same());
}

#[test]
fn calls_without_a_partner_are_listed() {
    let more = format!(
        "{}call extra\n20 alice > proxy MESSAGE\n+10ms proxy > alice 200\nend 90\n",
        BEFORE.replace("end 70\n", "")
    );
    let (left, right) = (analyze(BEFORE), analyze(&more));
    let found = diff(&left, &right, &DiffOptions::default());
    let extra: Vec<_> = found.right.iter().map(|call| call.call_id.as_str()).collect();
    assert_eq!(extra, ["extra@script.invalid"]);
    assert_eq!((found.totals.left, found.totals.same), (0, 3));
    let back = diff(&right, &left, &DiffOptions::default());
    assert_eq!((back.totals.left, back.totals.right), (1, 0));
}

#[test]
fn only_the_first_calls_are_kept_in_full() {
    let changed = with("OPTIONS\n", "OPTIONS\n      Subject: x\n").replace("Phone 1.0", "Phone 9");
    let (left, right) = (analyze(BEFORE), analyze(&changed));
    let one = DiffOptions { calls: 1, ..DiffOptions::default() };
    let found = diff(&left, &right, &one);
    assert_eq!((found.totals.differing, found.calls.len()), (2, 1));
}

fn captures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures")
}

#[test]
fn no_recorded_capture_differs_from_itself() {
    let mut files = 0;
    for entry in fs::read_dir(captures()).expect("fixtures").flatten() {
        let path = entry.path();
        let name = path.to_string_lossy().into_owned();
        if !name.contains(".pcap") {
            continue;
        }
        let (left, right) = (
            analyze_source(Source::open(&path, 0).expect("a capture")),
            analyze_source(Source::open(&path, 0).expect("a capture")),
        );
        let raw =
            DiffOptions { all_headers: true, retransmissions: true, ..DiffOptions::default() };
        for options in [DiffOptions::default(), raw] {
            let found = diff(&left, &right, &options);
            assert!(found.is_same(), "{name}: {:?}", told(&found));
            assert_eq!(found.totals.pairs, left.calls.len() as u64);
        }
        files += 1;
    }
    assert!(files > 40);
}

/// A message that a script can send at any time, and the user agent in it.
fn line() -> impl Strategy<Value = String> {
    let what = prop_oneof![
        Just("alice > bob INVITE sdp"),
        Just("alice > bob OPTIONS"),
        Just("alice > bob MESSAGE"),
        Just("alice > bob REGISTER"),
        Just("bob > alice OPTIONS"),
        Just("bob > alice INFO new"),
    ];
    (what, 0_u8..3, 0_u8..3).prop_map(|(what, call, version)| {
        format!("call c{call}\n+50ms {what}\n      User-Agent: v{version}\n")
    })
}

fn script() -> impl Strategy<Value = String> {
    prop::collection::vec(line(), 1..12).prop_map(|lines| {
        format!(
            "host alice 192.0.2.1\nhost bob 192.0.2.2\n0 alice > bob keepalive\n{}end 90\n",
            lines.concat()
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_step_is_told_once_and_both_ways_count_the_same(one in script(), other in script()) {
        let (left, right) = (analyze(&one), analyze(&other));
        let options = DiffOptions { calls: usize::MAX, ..DiffOptions::default() };
        prop_assert!(diff(&left, &left, &options).is_same());
        let found = diff(&left, &right, &options);
        let totals = found.totals;
        for call in &found.calls {
            let frames = |is_left: bool| {
                let of = |line: &DiffLine<'_>| match line {
                    DiffLine::Both { left, right, .. } => {
                        Some(if is_left { left.step.frame } else { right.step.frame })
                    }
                    DiffLine::Left(place) => is_left.then_some(place.step.frame),
                    DiffLine::Right(place) => (!is_left).then_some(place.step.frame),
                };
                call.lines.iter().filter_map(of).collect::<Vec<_>>()
            };
            let sent = |call: &siptrace::analysis::CallSummary| {
                let first = call.transcript.iter().filter(|step| !step.is_retransmission);
                first.map(|step| step.frame).collect::<Vec<_>>()
            };
            prop_assert_eq!(frames(true), sent(call.left));
            prop_assert_eq!(frames(false), sent(call.right));
        }
        let back = diff(&right, &left, &options).totals;
        prop_assert_eq!((totals.pairs, totals.left, totals.right),
            (back.pairs, back.right, back.left));
        prop_assert_eq!((totals.steps_left, totals.steps_right),
            (back.steps_right, back.steps_left));
        prop_assert_eq!(totals.steps_same + totals.steps_changed,
            back.steps_same + back.steps_changed);
    }
}

fn siptrace(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_siptrace"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("LC_ALL")
        .env_remove("LC_MESSAGES")
        .env_remove("CLICOLOR_FORCE")
        .env("LANG", "C")
        .output()
        .expect("the program runs")
}

const LEFT: &str = "fixtures/captures/basic-call-udp.pcap";
const RIGHT: &str = "fixtures/captures/busy-486.pcap";

#[test]
fn exit_codes_tell_whether_they_differ() {
    let code = |arguments: &[&str]| siptrace(arguments).status.code();
    assert_eq!(code(&["diff", LEFT, LEFT]), Some(0));
    assert_eq!(code(&["diff", LEFT, RIGHT]), Some(1));
    assert_eq!(code(&["diff", LEFT]), Some(2));
    assert_eq!(code(&["diff", LEFT, RIGHT, LEFT]), Some(2));
    assert_eq!(code(&["diff", LEFT, "no-such.pcap"]), Some(2));
    assert_eq!(code(&["diff", "-", "-"]), Some(2));
    assert_eq!(code(&["diff", LEFT, RIGHT, "--timing", "soon"]), Some(2));
    let silent = siptrace(&["diff", LEFT, "fixtures/captures/tls-unknown-ca.pcapng"]);
    assert_eq!(silent.status.code(), Some(2));
    let error = String::from_utf8_lossy(&silent.stderr).into_owned();
    assert!(error.contains("there is no SIP message"), "{error}");
}

#[test]
fn the_report_is_as_the_picture_has_it() {
    let output = siptrace(&["diff", LEFT, RIGHT]);
    let text = String::from_utf8(output.stdout).expect("text");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/diff.txt");
    if std::env::var_os("SIPTRACE_BLESS").is_some() {
        fs::write(&path, &text).expect("written");
    }
    assert_eq!(text, fs::read_to_string(&path).expect("the picture"));
}

#[test]
fn every_language_and_width_has_a_report() {
    for lang in ["en", "fr", "ja", "pt"] {
        let output = siptrace(&["diff", LEFT, RIGHT, "--lang", lang]);
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(!text.contains("diff-") && text.contains("486 Busy Here"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(!text.contains('\u{1b}'));
    }
    let coloured = siptrace(&["diff", LEFT, RIGHT, "--color", "always"]);
    assert!(String::from_utf8_lossy(&coloured.stdout).contains("\u{1b}[31m"));
}

#[test]
fn json_has_the_fields_of_the_contract() {
    let output = siptrace(&["diff", LEFT, RIGHT, "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["schema_version"], 1);
    assert_eq!((&json["is_same"], &json["totals"]["differing"]), (&false.into(), &1.into()));
    let call = &json["calls"][0];
    assert_eq!(call["right"]["final_status"], 486);
    let steps = call["steps"].as_array().expect("steps");
    let verdicts: Vec<_> = steps.iter().filter_map(|step| step["verdict"].as_str()).collect();
    let expected = ["changed", "same", "only-left", "changed", "same", "only-left", "only-left"];
    assert_eq!(verdicts, expected);
    let change = &steps[3]["changes"][0];
    assert_eq!(change["part"], "status");
    assert_eq!((&change["left"], &change["right"]), (&200.into(), &486.into()));
    assert_eq!(call["findings"][0]["side"], "right");
    let again = siptrace(&["diff", LEFT, RIGHT, "--format", "json", "--threads", "7"]);
    assert_eq!(again.stdout, output.stdout);
}

/// One OPTIONS with these header fields, and its answer.
fn options_with(headers: &[&str]) -> String {
    let headers: String = headers.iter().map(|header| format!("  | {header}\n")).collect();
    format!(
        "host alice 192.0.2.1\nhost bob 192.0.2.2\n0 alice > bob raw\n\
         \x20 | OPTIONS sip:bob@example.com SIP/2.0\n\
         \x20 | Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx\n\
         \x20 | Call-ID: raw@script.invalid\n\
         \x20 | CSeq: 1 OPTIONS\n{headers}  | Content-Length: 0\n  |\n+20ms bob > alice 200\n"
    )
}

#[test]
fn order_and_compact_forms_say_nothing() {
    let long = options_with(&[
        "From: \"\\xc3\\x84nne\" <sip:alice@example.com>;tag=1",
        "To: <sip:bob@example.com>",
        "Allow: INVITE, ACK, BYE",
        "Supported: timer, 100rel",
        "Max-Forwards: 70",
    ]);
    let short = options_with(&[
        "k: 100rel",
        "k: timer",
        "Allow: BYE,ACK,INVITE",
        "MAX-FORWARDS: 70",
        "t: <sip:bob@example.com>",
        "f: \"\\xc3\\x84nne\" <sip:alice@example.com>;tag=2",
    ]);
    let (left, right) = (analyze(&long), analyze(&short));
    let found = diff(&left, &right, &DiffOptions::default());
    assert!(told(&found).is_empty() && found.recurring.is_empty(), "{:?}", told(&found));

    let fewer = analyze(&short.replace("Allow: BYE,ACK,INVITE", "Allow: ACK,INVITE,UPDATE"));
    let found = diff(&left, &fewer, &DiffOptions::default());
    assert_eq!(told(&found), ["OPTIONS: Allow"]);
    let DiffLine::Both { changes, .. } = &found.calls[0].lines[0] else { panic!("both have it") };
    let text = |text: &str| Some(Value::Text(text.to_owned()));
    assert_eq!((&changes[0].left, &changes[0].right), (&text("BYE"), &text("UPDATE")));
}

#[test]
fn a_capture_cannot_write_to_the_terminal() {
    let headers = ["From: <sip:a@b.example>;tag=1", "To: <sip:b@b.example>"];
    let hostile = "Subject: \\x1b[31mred\\x07";
    let [plain, colour] =
        [options_with(&headers), options_with(&[headers[0], headers[1], hostile])];
    let folder = std::env::temp_dir();
    let paths = ["plain", "colour"]
        .map(|name| folder.join(format!("siptrace-diff-{}-{name}.sip", std::process::id())));
    fs::write(&paths[0], plain).expect("written");
    fs::write(&paths[1], colour).expect("written");
    let [left, right] = paths.each_ref().map(|path| path.to_string_lossy().into_owned());
    for format in ["text", "json"] {
        let output = siptrace(&["diff", &left, &right, "--format", format]);
        assert_eq!(output.status.code(), Some(1));
        assert!(!output.stdout.contains(&0x1b) && !output.stdout.contains(&0x07));
        assert!(String::from_utf8_lossy(&output.stdout).contains("Subject"));
    }
    for path in paths {
        fs::remove_file(path).expect("removed");
    }
}

#[test]
fn calls_of_the_same_users_keep_their_order() {
    let calls = |ends: [&str; 3], run: &str| {
        let call = |(at, end): (usize, &&str)| {
            format!(
                "call {run}{at}\n{at}0 alice > bob INVITE\n+10ms bob > alice {end}\n\
                     +10ms alice > bob ACK\n"
            )
        };
        let calls: String = ends.iter().enumerate().map(call).collect();
        format!("host alice 192.0.2.1\nhost bob 192.0.2.2\n{calls}end 90\n")
    };
    let left = analyze(&calls(["603", "486", "603"], "a"));
    let right = analyze(&calls(["603", "603", "603"], "b"));
    let found = diff(&left, &right, &DiffOptions::default());
    assert_eq!((found.totals.same, found.totals.differing), (2, 1));
    let [call] = found.calls.as_slice() else { panic!("{:?}", found.totals) };
    assert_eq!(
        (&*call.left.call_id, &*call.right.call_id),
        ("a1@script.invalid", "b1@script.invalid")
    );
}

/// The text of the comparison and its JSON.
fn reports(left: &Analysis, right: &Analysis) -> (String, serde_json::Value) {
    let options = DiffOptions::default();
    let found = diff(left, right, &options);
    let (mut text, mut json) = (Vec::new(), Vec::new());
    let page = (Lang::En, Page::plain(400));
    report::diff::text(&found, (left, right), &options, page, &mut text).expect("written");
    report::diff::json(&found, (left, right), &options, Lang::En, &mut json).expect("written");
    let json = serde_json::from_slice(&json).expect("JSON");
    (String::from_utf8(text).expect("UTF-8"), json)
}

/// One OPTIONS and its answer.
const PROBE: &str = "host a 192.0.2.1\nhost b 192.0.2.2\n0 a > b OPTIONS\n+0.1 b > a 200\nend 70\n";

#[test]
fn steps_beyond_the_bound_are_told_and_are_no_likeness() {
    let with_steps = |more: usize| {
        let mut analysis = analyze(PROBE);
        let call = analysis.calls.first_mut().expect("a call");
        let step = call.transcript.first().expect("a message").clone();
        call.transcript.resize(DIFF_STEPS_MAX + more, step);
        analysis
    };
    let (left, right) = (with_steps(3), with_steps(2));
    let found = diff(&left, &right, &DiffOptions::default());
    assert_eq!((found.totals.steps_left_out, found.totals.differing), (5, 0));
    assert!(found.shows_no_difference() && !found.is_same(), "{:?}", found.totals);
    let (text, json) = reports(&left, &right);
    assert!(text.starts_with("No difference in what was compared; not everything was."), "{text}");
    assert!(text.contains("Steps of very long calls, not compared: 5"), "{text}");
    assert_eq!(json["is_same"], false);
    assert_eq!(json["totals"]["steps"]["left_out"], 5);
}

#[test]
fn calls_that_were_not_kept_are_told_and_are_no_likeness() {
    let (left, mut right) = (analyze(PROBE), analyze(PROBE));
    assert!(diff(&left, &right, &DiffOptions::default()).is_same());
    right.dropped.insert("calls", 4);
    let (text, json) = reports(&left, &right);
    assert!(text.starts_with("No difference in what was compared; not everything was."), "{text}");
    let text: Vec<&str> = text.split_whitespace().collect();
    assert!(text.join(" ").contains("may be among them: 4"), "{text:?}");
    assert_eq!((&json["is_same"], &json["totals"]["calls_left_out"]), (&false.into(), &4.into()));
}

#[test]
fn findings_that_were_not_kept_are_told_and_are_no_likeness() {
    let script = "host a 192.0.2.1\nhost b 192.0.2.2\n0 a > b INVITE\n+0.1 b > a 503\n\
         +0.1 a > b ACK\nend 70\n";
    let (left, mut right) = (analyze(script), analyze(script));
    assert!(diff(&left, &right, &DiffOptions::default()).is_same());
    assert!(!left.findings.is_empty());
    right.dropped.insert("findings", right.findings.drain(..).count() as u64);
    let found = diff(&left, &right, &DiffOptions::default());
    assert_eq!(found.totals.findings_left_out, left.findings.len() as u64);
    assert!(!found.is_whole() && !found.is_same(), "{:?}", found.totals);
    let (text, json) = reports(&left, &right);
    let text: Vec<&str> = text.split_whitespace().collect();
    assert!(text.join(" ").contains("so the comparison is incomplete"), "{text:?}");
    assert_eq!(json["totals"]["findings_left_out"], 1);
}

#[test]
fn calls_without_a_partner_are_listed_up_to_a_bound_and_counted() {
    let (mut left, mut right) = (analyze(PROBE), analyze(PROBE));
    right.calls.clear();
    let call = left.calls.first().expect("a call").clone();
    let calls = (0..DIFF_UNPAIRED_MAX + 3).map(|number| {
        let call_id = number.to_string();
        siptrace::analysis::CallSummary { call_id, ..call.clone() }
    });
    left.calls = calls.collect();
    let found = diff(&left, &right, &DiffOptions::default());
    assert_eq!(found.left.len(), DIFF_UNPAIRED_MAX);
    assert_eq!(found.totals.left, DIFF_UNPAIRED_MAX as u64 + 3);
    let (text, json) = reports(&left, &right);
    assert!(text.contains("and 983 more"), "{text}");
    assert_eq!(json["totals"]["only_left"], DIFF_UNPAIRED_MAX + 3);
}

#[test]
fn kinds_of_messages_beyond_the_bound_are_told() {
    let with_kinds = |call_id: &str, kinds: usize| {
        let mut analysis = analyze(PROBE);
        let call = analysis.calls.first_mut().expect("a call");
        call.call_id = call_id.to_owned();
        let step = call.transcript.last().expect("an answer").clone();
        let text = String::from_utf8(step.bytes.to_vec()).expect("text");
        let kind = |status: usize| siptrace::analysis::Step {
            bytes: text.replacen("200", &status.to_string(), 1).into_bytes().into(),
            ..step.clone()
        };
        call.transcript = (400..400 + kinds).map(kind).collect();
        analysis
    };
    let compared = |kinds: usize| {
        let (left, right) = (with_kinds("one", kinds), with_kinds("two", kinds));
        let (text, json) = reports(&left, &right);
        (text, json["totals"]["narrow"].clone(), json["totals"]["pairs"].clone())
    };
    let note = "Comparisons too large to try everything";
    let (text, narrow, pairs) = compared(DIFF_KINDS_MAX);
    assert!(!text.contains(note) && narrow == 0 && pairs == 1, "{text}");
    let (text, narrow, pairs) = compared(DIFF_KINDS_MAX + 1);
    assert!(text.contains(note) && narrow == 1 && pairs == 1, "{text}");
}
