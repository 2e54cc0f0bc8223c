//! `siptrace calls`: the list as people and programs get it, and what is refused.

use std::path::Path;
use std::process::{Command, Output};

use unicode_width::UnicodeWidthStr;

const DEAD: &str = "fixtures/captures/proxy-downstream-dead.pcap";
const IPV6: &str = "fixtures/captures/trying-then-501-ipv6-udp.pcap";
const AUDIO: &str = "fixtures/captures/lossy-audio.pcap";

/// What a person sees of `DEAD`.
#[rustfmt::skip]
const LIST: &str = concat!(
    "No.  Time          Kind           From               To                State      ",
    "Status  Duration  Findings\n",
    "  1  06:03:02.306  OPTIONS probe  alice@example.com  203.0.113.5:5060  succeeded  ",
    "200      0.35 ms\n",
    "  2  06:03:03.223  call           alice@example.com  bob@example.net   failed     ",
    "504       31.9 s  TXN101\n",
    "  3  06:03:36.801  OPTIONS probe  alice@example.com  203.0.113.5:5060  succeeded  ",
    "200       0.6 ms\n",
);

fn siptrace(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_siptrace"))
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .env_remove("LC_ALL")
        .env_remove("LC_MESSAGES")
        .env_remove("CLICOLOR_FORCE")
        .env_remove("COLUMNS")
        .env("LANG", "C")
        .output()
        .expect("the program runs")
}

/// What `siptrace calls` prints, with what it says beside that.
fn calls(arguments: &[&str]) -> (String, String) {
    let arguments: Vec<&str> = ["calls"].iter().chain(arguments).copied().collect();
    let output = siptrace(&arguments);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    let said = text(output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
    (text(output.stdout), said)
}

/// The error line and the advice.
fn refused(arguments: &[&str]) -> String {
    let arguments: Vec<&str> = ["calls"].iter().chain(arguments).copied().collect();
    let output = siptrace(&arguments);
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{said}");
    assert!(said.starts_with("siptrace: ") && said.lines().count() <= 2, "{said}");
    said
}

#[test]
fn the_list_says_who_called_whom_and_what_became_of_it() {
    let (list, said) = calls(&[DEAD, "--width", "120"]);
    assert_eq!(list, LIST);
    assert_eq!(said, "");
}

#[test]
fn numbers_are_places_in_the_whole_list() {
    let (list, _) = calls(&[DEAD, "--sort", "-messages", "--columns", "number,messages"]);
    let numbers: Vec<&str> =
        list.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(numbers, ["2", "1", "3"]);
    let (list, said) = calls(&[DEAD, "--kind", "options", "--columns", "no,kind", "--limit", "1"]);
    assert_eq!(list.lines().count(), 2, "{list}");
    assert_eq!(said, "siptrace: listed are 1 of 2 that fit\n");
    let (list, _) = calls(&[DEAD, "--filter", "status = 504", "--columns", "number,status"]);
    assert_eq!(list.lines().nth(1).map(str::trim), Some("2  504"));
}

#[test]
fn what_has_no_value_stands_last_whichever_way() {
    let last = |sort: &str| {
        let (list, _) = calls(&[DEAD, "--sort", sort, "--columns", "number,findings"]);
        list.lines().last().map(|line| line.split_whitespace().count())
    };
    assert_eq!((last("findings"), last("-findings")), (Some(1), Some(1)));
}

#[test]
fn json_is_the_calls_of_an_analysis() {
    let (json, _) = calls(&[DEAD, "--format", "json"]);
    let calls: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let whole = siptrace(&["analyze", DEAD, "--format", "json"]);
    let whole: serde_json::Value = serde_json::from_slice(&whole.stdout).expect("JSON");
    assert_eq!(calls, whole["calls"]);
}

#[test]
fn csv_is_the_table_of_calls_or_the_columns_asked_for() {
    let (table, _) = calls(&[DEAD, "--format", "csv"]);
    let whole = siptrace(&["analyze", DEAD, "--format", "csv", "--table", "calls"]);
    assert_eq!(table, String::from_utf8_lossy(&whole.stdout));
    let columns = "number,start,pdd,loss,jitter,mos,codec,severity,findings";
    let (table, _) = calls(&[AUDIO, "--format", "csv", "--columns", columns]);
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let head: Vec<String> = reader.headers().expect("a head").iter().map(str::to_owned).collect();
    let expected = ["number", "start", "pdd_ms", "loss_percent", "jitter_ms", "mos", "codecs"];
    assert_eq!(head.get(..7).expect("seven columns"), expected);
    let row = reader.records().next().expect("a row").expect("CSV");
    assert!(row.get(3).and_then(|loss| loss.parse::<f64>().ok()).is_some_and(|loss| loss > 1.0));
    assert_eq!(row.get(6), Some("PCMU"));
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for capture in [DEAD, IPV6, AUDIO, "fixtures/captures/forked-call.pcap"] {
        for lang in ["en", "fr", "ja", "pt"] {
            for width in ["40", "60", "80", "132"] {
                let (list, _) = calls(&[capture, "--width", width, "--lang", lang]);
                let most: usize = width.parse().expect("a number");
                for line in list.lines() {
                    assert!(line.width() <= most, "{capture} {lang} {width}: {line}");
                }
                // The columns of all lines begin at the same place.
                assert!(list.lines().count() > 1, "{list}");
            }
        }
    }
}

#[test]
fn a_user_agent_is_read_from_the_messages() {
    let (list, _) = calls(&["fixtures/captures/hold-music.pcap", "--columns", "no,user-agent"]);
    assert!(list.contains("Example Phone/2.4.1"), "{list}");
}

#[test]
fn an_empty_list_is_no_error_but_is_said() {
    let (list, said) = calls(&[DEAD, "--filter", "nobody"]);
    assert_eq!(list, "");
    assert_eq!(said, "siptrace: none of the 3 Call-IDs fits\n");
    let (json, _) = calls(&[DEAD, "--filter", "nobody", "--format", "json"]);
    assert_eq!(json.trim(), "[]");
    let (table, _) = calls(&[DEAD, "--filter", "nobody", "--format", "csv"]);
    assert_eq!(table.lines().count(), 1);
}

#[test]
fn columns_help_lists_them_without_a_capture() {
    let (help, _) = calls(&["--columns", "help"]);
    assert!(help.lines().count() > 25 && help.contains("call-id"), "{help}");
    let (french, _) = calls(&["--columns", "help", "--lang", "fr"]);
    assert_ne!(help, french);
    for name in help.lines().filter_map(|line| line.split_whitespace().next()) {
        let (list, _) = calls(&[DEAD, "--columns", name, "--sort", name]);
        assert!(!list.is_empty(), "{name}");
    }
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    let line = refused(&[DEAD, "--filter", "stauts = 503"]);
    assert!(line.contains("column 1: no field is named \"stauts\""), "{line}");
    assert!(line.contains("hint: did you mean `status`?"), "{line}");
    let line = refused(&[DEAD, "--columns", "callerid"]);
    assert!(line.contains("no column is named \"callerid\""), "{line}");
    assert!(refused(&[DEAD, "--sort", "-durration"]).contains("did you mean `duration`?"));
    assert!(refused(&[]).contains("no capture is named"));
    assert!(refused(&["no-such.pcap"]).contains("there is no such file"));
}
