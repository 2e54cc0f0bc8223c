//! `siptrace show`: one call as a ladder that is read at a glance, at any width.
//!
//! Pictures stand in `tests/it/show`; `SIPTRACE_BLESS=1` takes new ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value as Json;
use unicode_width::UnicodeWidthStr;

/// A call through a proxy with a lost INVITE, hold, digits, and a BYE that nobody answers.
const HOLD: &str = "\
start 2026-03-05T09:00:00Z
host alice 192.0.2.10
host proxy 198.51.100.1
host bob   203.0.113.20
call talk
0     alice > proxy INVITE sdp
+5ms  proxy > alice 100
+5ms  proxy > bob   forward
0.51  proxy > bob   again
+20ms bob > proxy   180
+5ms  proxy > alice forward
2     bob > proxy   200
      sdp codecs=PCMA,telephone-event
+5ms  proxy > alice forward
+5ms  alice > proxy ACK
+5ms  proxy > bob   forward
+10ms alice > bob   rtp for=3
+10ms bob > alice   rtp for=3 loss=5
5.2   alice > bob   rtp for=0.2 event=5
5.6   alice > bob   rtp for=0.2 event=11
6     alice > proxy INVITE
      sdp sendonly
+5ms  proxy > bob   forward
+5ms  bob > proxy   200
      sdp recvonly codecs=PCMA,telephone-event
+5ms  proxy > alice forward
+5ms  alice > proxy ACK
+5ms  proxy > bob   forward
9     alice > proxy INVITE
      sdp
+5ms  proxy > bob   forward
+5ms  bob > proxy   200
      sdp codecs=PCMA,telephone-event
+5ms  proxy > alice forward
+5ms  alice > proxy ACK
+5ms  proxy > bob   forward
12    alice > proxy BYE
12.5  alice > proxy again
13.5  alice > proxy again
15.5  alice > proxy again
19.5  alice > proxy again
23.5  alice > proxy again
27.5  alice > proxy again
31.5  alice > proxy again
35.5  alice > proxy again
39.5  alice > proxy again
43.5  alice > proxy again
end 120
";

/// Six hosts of IPv6, each of which hands the request on to the next one.
const MANY: &str = "\
host a [2001:db8:1::a]:5060
host b [2001:db8:1::b]:5060
host c [2001:db8:1::c]:5060
host d [2001:db8:1::d]:5060
host e [2001:db8:1::e]:5060
host f [2001:db8:ffff:ffff:ffff:ffff:ffff:f]:5060
0    a > b INVITE sip:f@example.com sdp
+1ms b > c forward
+1ms c > d forward
+1ms d > e forward
+1ms e > f forward
+1ms f > e 486
+1ms e > f ACK
+1ms e > d forward
+1ms d > e ACK
+1ms d > c forward
+1ms c > d ACK
+1ms c > b forward
+1ms b > c ACK
+1ms b > a forward
+1ms a > b ACK
end 60
";

/// What a hostile sender writes into its messages.
const HOSTILE: &str = "\
host alice 192.0.2.10
host bob   198.51.100.1
0 alice > bob raw
| MESSAGE sip:b\\x1b[2J@h SIP/2.0
| Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKx\\x07
| From: <sip:a\\xe2\\x80\\xae@h>;tag=1
| To: <sip:b@h>
| Call-ID: odd\\x1b]0;x
| CSeq: 1 MESSAGE
| Content-Type: application/octet-stream
| Content-Length: 8
|
| \\x00\\x01\\x1b\\xff\\x9b123\\
end 1
";

/// A file below the folder for passing things, under a name that no other test has.
fn scratch(name: &str, text: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("siptrace-show-{}-{name}", std::process::id()));
    fs::write(&path, text).expect("written");
    path
}

fn siptrace(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_siptrace"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("LC_ALL")
        .env_remove("LC_MESSAGES")
        .env_remove("CLICOLOR_FORCE")
        .env_remove("COLUMNS")
        .env("LANG", "C")
        .output()
        .expect("the program runs")
}

/// What `siptrace show` prints of a script.
fn shown(name: &str, script: &str, arguments: &[&str]) -> String {
    let path = scratch(&format!("{name}.sip"), script);
    let given = path.to_string_lossy().into_owned();
    let output = siptrace(&[&["show", "1", &given], arguments].concat());
    fs::remove_file(&path).expect("removed");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).expect("text")
}

fn json(name: &str, script: &str, arguments: &[&str]) -> Json {
    let text = shown(name, script, &[&["--format", "json"], arguments].concat());
    serde_json::from_str(&text).expect("JSON")
}

/// Error and hint, where nothing is shown.
fn refused(arguments: &[&str]) -> String {
    let output = siptrace(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).expect("text")
}

#[track_caller]
fn compare(picture: &str, text: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/show");
    let path = folder.join(format!("{picture}.txt"));
    if std::env::var_os("SIPTRACE_BLESS").is_some() {
        fs::write(&path, text).expect("written");
    }
    assert_eq!(text, fs::read_to_string(&path).expect("the picture"), "{picture}");
}

#[test]
fn a_call_is_drawn_as_it_went() {
    compare("hold-100", &shown("hold", HOLD, &["--width", "100"]));
}

#[test]
fn japanese_names_stand_above_their_lifelines() {
    let hosts =
        scratch("hosts", "192.0.2.10 アリスの電話機\n198.51.100.1 プロキシ\n203.0.113.20 ボブ\n");
    let named = hosts.to_string_lossy().into_owned();
    let arguments = ["--hosts", &named, "--width", "80", "--lang", "ja"];
    compare("hold-ja-80", &shown("ja", HOLD, &arguments));
    let arguments = ["--hosts", &named, "--hide", "ボブ", "--no-sdp", "--times", "absolute,delta"];
    let text = shown("hide", HOLD, &arguments);
    assert!(!text.contains("ボブ") && text.contains("アリスの電話機"), "{text}");
    assert!(text.contains("INVITE (SDP)") && text.contains("09:00:12.000  +2.980"), "{text}");
    fs::remove_file(hosts).expect("removed");
}

#[test]
fn many_parties_are_a_list_unless_there_is_room() {
    compare("many-40", &shown("many-40", MANY, &["--width", "40"]));
    compare("many-120", &shown("many-120", MANY, &["--width", "120"]));
}

#[test]
fn messages_are_shown_in_full_below_their_rows() {
    let text = shown("raw", HOLD, &["--raw=1,4", "--width", "60", "--no-media"]);
    let block = |from: &str| text.find(from).and_then(|at| text.get(at..)).expect("there");
    let first = block("      INVITE sip:bob@example.com SIP/2.0\n");
    assert!(first.starts_with(
        "      INVITE sip:bob@example.com SIP/2.0\n      Via: SIP/2.0/UDP 192.0.2.10:5060;"
    ));
    assert!(first.contains("\n\n      v=0\n      o=alice "), "{first}");
    // Frame 4 repeats frame 3, so it has no row of its own.
    assert!(block("      #4\n").starts_with("      #4\n      INVITE sip:bob@example.com SIP/2.0"));
    let all = shown("raw-all", HOLD, &["--raw", "--color", "always"]);
    assert!(all.contains("\u{1b}[36mCSeq\u{1b}[0m: 1 INVITE"), "{all}");
    assert!(all.contains("\u{1b}[36mm=\u{1b}[0maudio "), "{all}");
    assert_eq!(all.matches("Max-Forwards").count(), 13);
}

#[test]
fn repeats_have_rows_where_they_are_asked_for() {
    let rows = |arguments: &[&str]| {
        let text = shown("repeats", HOLD, arguments);
        (text.matches("BYE").count(), text.matches("(again)").count(), text)
    };
    let (folded, again, text) = rows(&[]);
    assert!(text.contains("again: 10, until +43.500"), "{text}");
    assert_eq!(again, 0);
    let (unfolded, again, text) = rows(&["--all-retransmissions"]);
    assert_eq!((unfolded - folded, again), (10, 11), "{text}");
}

#[test]
fn data_has_parties_rows_and_findings_that_refer_to_each_other() {
    let data = json("json", HOLD, &["--raw=1"]);
    let labels: Vec<&str> = data["parties"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|p| p["label"].as_str())
        .collect();
    assert_eq!(labels, ["192.0.2.10", "198.51.100.1", "203.0.113.20"]);
    let rows = data["rows"].as_array().expect("a list");
    let invite = &rows[0];
    assert_eq!(
        (&invite["from"], &invite["to"], &invite["frame"]),
        (&0.into(), &1.into(), &1.into())
    );
    assert_eq!(invite["messages"][0]["lines"][0], "INVITE sip:bob@example.com SIP/2.0");
    let changes: Vec<String> = rows.iter().map(|row| row["sdp"]["changes"].to_string()).collect();
    let holds = changes.iter().filter(|own| *own == r#"["hold"]"#).count();
    assert_eq!((holds, changes.iter().filter(|own| *own == r#"["resumed"]"#).count()), (2, 4));
    let streams: Vec<&Json> = rows.iter().filter(|row| row["kind"] == "stream").collect();
    assert_eq!(streams.len(), 2);
    assert_eq!((&streams[0]["from"], &streams[0]["to"]), (&0.into(), &2.into()));
    assert_eq!(data["calls"][0]["number"], 1);
    for (place, finding) in data["findings"].as_array().expect("a list").iter().enumerate() {
        for row in finding["rows"].as_array().expect("a list") {
            let row = &rows[row.as_u64().expect("a place") as usize];
            let marks = row["findings"].as_array().expect("a list");
            assert!(marks.contains(&place.into()), "{finding}");
        }
    }
    let codes = data["findings"].as_array().expect("a list").iter().map(|own| &own["code"]);
    assert!(codes.clone().any(|code| code == "DLG204"), "{:?}", codes.collect::<Vec<_>>());
}

#[test]
fn no_line_is_wider_than_the_sheet_and_none_is_harmful() {
    let captures = [
        "fixtures/captures/proxy-downstream-503.pcap",
        "fixtures/captures/transfer-attended.pcap",
        "fixtures/captures/lossy-audio.pcap",
    ];
    for width in ["40", "57", "80", "121", "200"] {
        let most: usize = width.parse().expect("a number");
        for lang in ["en", "fr", "ja", "pt"] {
            let options = ["--width", width, "--lang", lang, "--raw", "--with-legs"];
            let mut texts = vec![
                shown(&format!("w-{width}-{lang}"), MANY, &options),
                shown(&format!("h-{width}-{lang}"), HOSTILE, &options),
            ];
            for capture in captures {
                let output = siptrace(&[&["show", "1", capture], &options[..]].concat());
                texts.push(String::from_utf8(output.stdout).expect("text"));
            }
            for line in texts.iter().flat_map(|text| text.lines()) {
                assert!(line.width() <= most, "{width}: {line}");
                assert!(!line.contains("show-"), "{line}");
                assert!(line.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{line:?}");
            }
        }
    }
}

#[test]
fn hostile_messages_are_shown_without_harm() {
    compare("hostile-80", &shown("hostile", HOSTILE, &["--raw"]));
    let text = shown("hostile-json", HOSTILE, &["--raw", "--format", "json"]);
    assert!(text.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{text}");
}

#[test]
fn the_fault_of_another_leg_is_named() {
    let script = "fixtures/rules/trying-then-server-failure/fires-behind-two-b2buas.sip";
    let output = siptrace(&["show", "office", script]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("The cause was found on call 3 (carrier@script.invalid)"), "{text}");
    assert!(text.contains("Downstream leg  2 (trunk@script.invalid)"), "{text}");
    let output = siptrace(&["show", "office", script, "--with-legs"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("The cause was found on call"), "{text}");
    assert!(text.contains("(1)") && text.contains("(3)"), "{text}");
}

#[test]
fn a_hold_that_lasts_is_told_again() {
    let output = siptrace(&["show", "1", "fixtures/captures/hold-stuck.pcap", "--no-media"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("off hold · audio 192.0.2.10:40000"), "{text}");
    assert!(text.contains("SDP as in #159 · recvonly"), "{text}");
}

#[test]
fn threads_and_pipes_change_nothing() {
    let capture = "fixtures/captures/lossy-audio.pcap";
    let show = |arguments: &[&str]| siptrace(&[&["show", "1"], arguments].concat()).stdout;
    let one = show(&[capture, "--threads", "1"]);
    assert!(!one.is_empty());
    assert_eq!(one, show(&[capture, "--threads", "7"]));
    let input = fs::File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join(capture)).expect("there");
    let mut piped = Command::new(env!("CARGO_BIN_EXE_siptrace"));
    let piped = piped.args(["show", "1", "-"]).env("LANG", "C").env_remove("LC_ALL");
    let piped = piped.env_remove("COLUMNS").stdin(input).output().expect("the program runs");
    assert_eq!(String::from_utf8_lossy(&piped.stdout), String::from_utf8_lossy(&one));
}

#[test]
fn what_cannot_be_shown_is_said_with_advice() {
    let capture = "fixtures/captures/busy-486.pcap";
    let other = "fixtures/captures/cancel-487.pcapng";
    let cases: [(&[&str], &str, &str); 7] = [
        (&["9", capture], "found no call number 9: there are 1", "siptrace calls fixtures"),
        (&["nobody", capture], "found no call \"nobody\"", "lists them"),
        (&[capture, "1"], "found no capture \"1\"", "`siptrace show 1 fixtures"),
        (&["1", capture, "--raw", "3"], "found no capture \"3\"", "`--raw=3`"),
        (
            &["1", capture, "--raw=99"],
            "frame #99 is no message of the call",
            "its frames are #1, #2",
        ),
        (&["1", other, capture, "--raw=2#1"], "frame 2#1 is no message", "1#1, 1#2, 1#3"),
        (&["1", capture, "--hide", "pbx"], "found no host \"pbx\"", "its hosts are 192.0.2.10"),
    ];
    for (arguments, problem, advice) in cases {
        let error = refused(&[&["show"], arguments].concat());
        let mut lines = error.lines();
        let (first, second) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        assert!(first.starts_with("siptrace: ") && first.contains(problem), "{error}");
        assert!(second.starts_with("hint: ") && second.contains(advice), "{error}");
        assert_eq!(lines.next(), None);
    }
    let wrong = refused(&["show", "1", capture, "--raw=x"]);
    assert!(wrong.contains("a frame such as 12, or 2#12 of the second capture"), "{wrong}");
}
