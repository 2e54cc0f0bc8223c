//! Reports of small analyses, as a reader sees them: the pictures are in `testdata`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{TextOptions, Verbosity, text};
use crate::analysis::{Analysis, CallSummary, Incident};
use crate::capture::{Description, FrameId, LinkType, Note};
use crate::catalogue::{Lang, labels};
use crate::finding::{Confidence, Finding, Findings, LadderLine, Report, Severity, Sign, Value};
use crate::packet::{Endpoint, Unread};
use crate::report::document::Page;
use crate::report::layout;
use crate::report::style::Style;
use crate::rules;
use crate::signaling::{CallState, Kind, Settings};
use crate::sip::Status;
use crate::time::{Span, Time};
use crate::transport::Transport;

const START: Time = Time::from_nanos(1_795_224_855_944_869_000);

fn frame(number: u64) -> FrameId {
    FrameId { capture: 0, number }
}

fn after(millis: i64) -> Time {
    START + Span::from_millis(millis)
}

fn status(code: u16) -> Status {
    Status::new(code).expect("a status code")
}

fn v4(last: u8) -> Endpoint {
    Endpoint { address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), port: 5060 }
}

fn v6(last: u16) -> Endpoint {
    let address = Ipv6Addr::new(0x2001, 0xdb8, 0xaaaa, 0xbbbb, 0xcccc, 0xdddd, 0xeeee, last);
    Endpoint { address: IpAddr::V6(address), port: 15060 }
}

/// A line of a ladder: the frame has the number of milliseconds, unless that is 0.
fn line(number: u64, millis: i64, from: Endpoint, to: Endpoint, label: &str) -> LadderLine {
    LadderLine {
        frame: frame(number),
        time: after(millis),
        source: from,
        destination: to,
        transport: Transport::Udp,
        label: label.to_owned(),
        has_sdp: label.starts_with("INVITE"),
        is_evidence: !label.starts_with("ACK"),
        repeats: 0,
        last_repeat: None,
    }
}

fn finding(rule: &str, frames: &[u64], evidence: &[(&'static str, Value)]) -> Finding {
    let rule = rules::find(rule).expect("a rule");
    let frames = frames.iter().map(|number| (frame(*number), after(*number as i64)));
    let mut report = Report::on_capture().frames(frames).confidence(Confidence::Likely);
    for (name, value) in evidence {
        report = report.with(name, value.clone());
    }
    let mut found = Vec::new();
    Findings::new(rule, &Settings::default(), &mut found).report(report);
    found.pop().expect("a finding")
}

/// 100 Trying, six seconds, 502.
fn server_failure(call_id: &str, client: Endpoint, server: Endpoint, first: u64) -> Finding {
    let mut invite =
        line(first, 0, client, server, "INVITE sip:bob@very-long-host-name.example.com");
    invite.repeats = 2;
    invite.last_repeat = Some(after(1500));
    Finding {
        call_id: Some(call_id.to_owned()),
        call_fate: Some("failed"),
        client: Some(client),
        server: Some(server),
        statuses: vec![status(100), status(502)],
        ladder: vec![
            invite,
            line(first + 1, 20, server, client, "100 Trying"),
            line(first + 2, 6021, server, client, "502 Bad Gateway"),
            line(first + 3, 6022, client, server, "ACK sip:bob@very-long-host-name.example.com"),
        ],
        ladder_omitted: 3,
        ..finding(
            "trying-then-server-failure",
            &[first, first + 1, first + 2],
            &[
                ("status", 502_u16.into()),
                ("wait_ms", Span::from_millis(6000 + first as i64).into()),
                ("attribution", Value::Word("next-server")),
                ("origin", server.into()),
                ("reason", Value::quoted(b"Q.850;cause=38")),
            ],
        )
    }
}

fn call(call_id: &str, state: CallState, final_status: Option<u16>, first: u64) -> CallSummary {
    CallSummary {
        call_id: call_id.to_owned(),
        kind: Kind::Call,
        state,
        from_uri: Some("sip:alice@atlanta.example.com;user=phone".to_owned()),
        to_uri: Some("sip:bob@very-long-host-name.example.com".to_owned()),
        first_frame: frame(first),
        last_frame: frame(first + 3),
        start: START,
        end: after(6022),
        final_status: final_status.and_then(Status::new),
        pdd: Some(Span::from_millis(124)).filter(|_| state == CallState::Completed),
        ring: None,
        talk: Some(Span::from_millis(65_300)).filter(|_| state == CallState::Completed),
        messages: 6,
        dialogs: 0,
        linked: Vec::new(),
        streams: Vec::new(),
        transactions: Vec::new(),
        transcript: Vec::new(),
    }
}

/// An analysis of these calls and findings, with its counts.
fn analysis(calls: Vec<CallSummary>, findings: Vec<Finding>) -> Analysis {
    let mut analysis = Analysis {
        captures: vec![Description {
            path: "captures/trunk.pcap".into(),
            format: "pcap",
            compression: "gzip",
            link_types: vec![LinkType::ETHERNET, LinkType::LINUX_SLL2],
            frames: 4213,
            first_time: Some(START),
            last_time: Some(after(95_000)),
            notes: vec![Note::EndsInsideRecord { offset: 81_920 }],
            ..Description::default()
        }],
        ..Analysis::default()
    };
    analysis.totals.frames = 4213;
    analysis.totals.sip_messages = 12_345;
    analysis.totals.calls = calls.len() as u64;
    analysis.totals.call_ids = calls.len() as u64;
    analysis.totals.retransmissions = 2;
    analysis.statistics.transports.insert(Transport::Udp, 12_345);
    for call in &calls {
        *analysis.statistics.fates.entry(call.fate()).or_default() += 1;
    }
    for finding in &findings {
        analysis.totals.findings.add(finding.severity);
    }
    analysis.calls = calls;
    analysis.findings = findings;
    analysis
}

/// A trunk that fails, a dropped call, a note on another, copies in the capture.
fn mixed() -> Analysis {
    let (alice, proxy, bob) = (v4(10), v4(100), v4(210));
    let copies = finding(
        "capture-duplicate-packets",
        &[1],
        &[("copies", 23_u16.into()), ("percent", 25_u16.into())],
    );
    let mut failure = server_failure("a84b4c76e66710@pc33.example.com", proxy, bob, 4);
    failure.ladder.insert(0, line(3, -1, alice, proxy, "INVITE sip:bob@example.com"));
    failure.propagated = vec![Sign {
        rule: "final-response",
        frames: vec![frame(9)],
        client: Some(alice),
        server: Some(proxy),
        status: Some(status(502)),
        call_id: None,
        link: None,
    }];
    let busy = Finding {
        call_id: Some("busy@pc33.example.com".to_owned()),
        call_fate: Some("busy"),
        severity: Severity::Info,
        statuses: vec![status(486)],
        ..finding("final-response", &[40, 44], &[("status", 486_u16.into())])
    };
    let calls = vec![
        call("a84b4c76e66710@pc33.example.com", CallState::Failed, Some(502), 3),
        call("busy@pc33.example.com", CallState::Failed, Some(486), 40),
        call("good@pc33.example.com", CallState::Completed, Some(200), 60),
    ];
    let mut analysis = analysis(calls, vec![copies, failure, busy]);
    analysis.unread.insert(Unread::LinkType(147), 7);
    analysis.dropped.insert("tcp-gaps", 2);
    analysis.failed_rules.insert("transfer-failed", 1);
    analysis
}

/// The same failure three times, between addresses too long for the head of a ladder.
fn incident() -> Analysis {
    let ids = ["1-8272@example.com", "2-8272@example.com", "3-8272@example.com"];
    let findings: Vec<Finding> = ids
        .iter()
        .zip([4_u64, 10, 20])
        .map(|(call_id, first)| server_failure(call_id, v6(1), v6(2), first))
        .collect();
    let calls = ids.iter().zip([4_u64, 10, 20]);
    let calls = calls.map(|(id, first)| call(id, CallState::Failed, Some(502), first)).collect();
    let mut analysis = analysis(calls, findings);
    analysis.incidents = vec![Incident {
        rule: analysis.findings[0].rule,
        severity: Severity::Error,
        count: 3,
        server: Some(v6(2).address),
        status: Some(status(502)),
        first_time: Some(START),
        last_time: Some(after(90_000)),
        server_calls: Some(25),
        calls: 3,
        call_ids: ids.map(str::to_owned).to_vec(),
        findings: vec![0, 1, 2],
    }];
    analysis
}

fn render(analysis: &Analysis, lang: Lang, columns: usize, verbosity: Verbosity) -> String {
    let page = Page { columns, style: Style { color: false } };
    let mut out = Vec::new();
    text(analysis, &TextOptions { lang, page, verbosity }, &mut out).expect("a vector takes all");
    String::from_utf8(out).expect("UTF-8")
}

/// Compares with the picture of that name; with `SIPTRACE_BLESS` set, takes the new one.
fn assert_picture(name: &str, actual: &str) {
    let path = format!("{}/src/report/text/testdata/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("SIPTRACE_BLESS").is_some() {
        std::fs::write(&path, actual).expect("the folder is there");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(actual, expected, "{name}");
}

/// Leaves the texts of the catalogue out of the picture, so that it does not change with them.
fn brief(report: &str, lang: Lang) -> String {
    let heading = format!("  {}", labels(lang).get("what-happened"));
    let mut is_diagnosis = false;
    let mut brief = String::new();
    for line in report.lines() {
        is_diagnosis = line == heading || (is_diagnosis && !line.starts_with("== "));
        if !is_diagnosis {
            brief.push_str(line);
            brief.push('\n');
        } else if line == heading {
            brief.push_str("  (…)\n\n");
        }
    }
    brief
}

#[test]
fn a_mixed_capture() {
    let analysis = mixed();
    assert_picture("mixed-80", &render(&analysis, Lang::En, 80, Verbosity::Normal));
    for (name, lang, columns) in [("mixed-120", Lang::En, 120), ("mixed-ja-80", Lang::Ja, 80)] {
        let report = render(&analysis, lang, columns, Verbosity::Normal);
        assert_picture(name, &brief(&report, lang));
    }
    assert_picture("mixed-verbose", &render(&analysis, Lang::En, 80, Verbosity::Verbose));
    assert_picture("mixed-quiet", &render(&analysis, Lang::En, 80, Verbosity::Quiet));
}

#[test]
fn an_incident_between_long_addresses() {
    let analysis = incident();
    for (name, lang, columns) in [
        ("incident-60", Lang::En, 60),
        ("incident-ja-60", Lang::Ja, 60),
        ("incident-120", Lang::En, 120),
    ] {
        let report = render(&analysis, lang, columns, Verbosity::Normal);
        assert_picture(name, &brief(&report, lang));
    }
}

#[test]
fn a_finding_of_an_incident_is_not_told_again() {
    let report = render(&incident(), Lang::En, 80, Verbosity::Normal);
    assert_eq!(report.matches("TXN106 Trying").count(), 1);
    assert!(!report.contains("== Findings"));
}

#[test]
fn five_parties_make_a_list() {
    let mut failure = server_failure("a@example.com", v4(1), v4(2), 4);
    let ends = (1..=5).zip(2..=6);
    failure.ladder =
        ends.map(|(a, b)| line(a.into(), 10, v4(a), v4(b), "INVITE sip:b@x")).collect();
    let calls = vec![call("a@example.com", CallState::Failed, Some(502), 1)];
    let report = render(&analysis(calls, vec![failure]), Lang::En, 80, Verbosity::Normal);
    assert!(report.contains("    A  192.0.2.1\n    B  192.0.2.2\n"), "{report}");
    assert!(report.contains("  * #5  +0.000  E > F  INVITE sip:b@x (SDP)\n"), "{report}");
}

#[test]
fn nothing_is_ever_a_silent_zero() {
    let verdict = |analysis: &Analysis| {
        let report = render(analysis, Lang::En, 80, Verbosity::Quiet);
        report.lines().next().unwrap_or_default().to_owned()
    };
    let mut none = analysis(Vec::new(), Vec::new());
    none.totals.sip_messages = 0;
    none.unread.insert(Unread::Malformed, 3);
    let expected =
        "No SIP found. Frames: 4213; link types: Ethernet, Linux SLL2; frames that could";
    assert_eq!(verdict(&none), expected);
    assert_eq!(verdict(&Analysis::default()), "No SIP found. Frames: 0");
    let good = vec![call("good@example.com", CallState::Completed, Some(200), 1)];
    let expected = "No fault found. Calls: 1, SIP messages: 12,345";
    assert_eq!(verdict(&analysis(good, Vec::new())), expected);
}

#[test]
fn a_call_that_breaks_after_the_answer_has_failed() {
    let broken = Finding {
        call_id: Some("good@example.com".to_owned()),
        call_fate: Some("completed"),
        ..finding("missing-ack-2xx", &[4], &[])
    };
    let calls = vec![call("good@example.com", CallState::Completed, Some(200), 1)];
    let report = render(&analysis(calls, vec![broken]), Lang::En, 80, Verbosity::Quiet);
    assert!(report.starts_with("Calls failed: 1 of 1. Errors: 1"), "{report}");
}

/// Every text that came from a capture replaced by one that wants to rule the terminal.
fn hostile(mut analysis: Analysis) -> Analysis {
    let evil = "\u{1b}[2J\r\nBell\u{7}\u{202e}日本語のとても長い表示名".repeat(3);
    analysis.captures[0].path = evil.as_str().into();
    for finding in &mut analysis.findings {
        finding.call_id = Some(evil.clone());
        finding.evidence.push(("reason", Value::Text(evil.clone())));
        finding.ladder.iter_mut().for_each(|line| line.label.push_str(&evil));
    }
    for call in &mut analysis.calls {
        call.call_id.clone_from(&evil);
        call.from_uri = Some(evil.clone());
        call.to_uri = Some(evil.clone());
    }
    analysis
}

#[test]
fn every_line_fits_and_obeys_nobody() {
    let analyses = [mixed(), incident(), hostile(mixed()), hostile(incident())];
    for analysis in &analyses {
        for lang in Lang::ALL {
            for columns in [40, 60, 61, 77, 80, 100, 140, 200] {
                for verbosity in [Verbosity::Quiet, Verbosity::Normal, Verbosity::Verbose] {
                    let report = render(analysis, lang, columns, verbosity);
                    for line in report.split('\n') {
                        assert!(layout::width(line) <= columns, "{lang} {columns}: {line}");
                        let is_bad = |c: char| c.is_control() || c == '\u{202e}';
                        assert!(!line.contains(is_bad), "{lang} {columns}: {line:?}");
                        assert_eq!(line.trim_end_matches(' '), line, "{lang} {columns}");
                    }
                }
            }
        }
    }
}

#[test]
fn colours_change_nothing_but_colours() {
    let analysis = mixed();
    let page = Page { columns: 80, style: Style { color: true } };
    let options = TextOptions { lang: Lang::En, page, verbosity: Verbosity::Normal };
    let mut out = Vec::new();
    text(&analysis, &options, &mut out).expect("a vector takes all");
    let mut plain = String::new();
    let colored = String::from_utf8(out).expect("UTF-8");
    assert!(colored.contains("\u{1b}["));
    for (at, piece) in colored.split('\u{1b}').enumerate() {
        let rest = piece.split_once('m').map(|(_, rest)| rest);
        plain.push_str(if at == 0 { piece } else { rest.expect("an end of the sequence") });
    }
    assert_eq!(plain, render(&analysis, Lang::En, 80, Verbosity::Normal));
}
