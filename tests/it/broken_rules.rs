//! A rule that panics costs that rule on that call, and no report calls the result clean.

use std::io::Cursor;
use std::ops::ControlFlow;
use std::sync::OnceLock;

use siptrace::analysis::{Analysis, Keep};
use siptrace::capture::Source;
use siptrace::catalogue::Lang;
use siptrace::finding::{Check, Confidence, Finding, Gate, Report, Rule, Severity};
use siptrace::pipeline::{self, Options};
use siptrace::report::check::{Checked, Verdict};
use siptrace::report::text::{TextOptions, Verbosity};
use siptrace::report::{self, Outcome, Page};
use siptrace::rules::{self, Profile};
use siptrace::signaling::Call;

use crate::build::container::{Order, pcap_of};
use crate::build::{Record, ip};

/// Raw IPv4.
const LINK: u32 = 101;

/// Three calls that nobody answers, an hour of OPTIONS after them.
fn capture() -> Vec<u8> {
    let start = 1_767_603_600_000_000_000;
    let text = |method: &str, call_id: &str, number: u32| {
        format!(
            "{method} sip:b@example.com SIP/2.0\r\n\
             Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{call_id}{number}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:a@example.com>;tag=a\r\n\
             To: <sip:b@example.com>\r\nCall-ID: {call_id}\r\nCSeq: {number} {method}\r\n\
             Contact: <sip:a@192.0.2.1>\r\nContent-Length: 0\r\n\r\n"
        )
    };
    let record = |second: u32, text: &str| {
        let data = ip::sip([192, 0, 2, 1], [198, 51, 100, 1], text.as_bytes());
        let length = u32::try_from(data.len()).expect("a packet");
        Record { nanos: start + i64::from(second) * 1_000_000_000, data, length }
    };
    let calls = ["one", "two", "three"].iter().zip(0..);
    let mut records: Vec<_> =
        calls.map(|(call_id, second)| record(second, &text("INVITE", call_id, 1))).collect();
    records.extend((1..60).map(|minute| record(minute * 60, &text("OPTIONS", "alive", minute))));
    pcap_of(Order::Little, 0xa1b2_c3d4, LINK, &records)
}

fn options(rules: &[&'static Rule]) -> Options {
    Options {
        profile: Profile { rules: rules.to_vec(), ..Profile::default() },
        keep: Keep { calls: 100, findings: 100, ladders: 100, ..Keep::default() },
        media: true,
        keys: siptrace::transport::KeyLog::default(),
        threads: Some(2),
    }
}

fn source() -> Vec<Source> {
    let bytes = Box::new(Cursor::new(capture()));
    vec![Source::from_reader("calls.pcap", bytes, 0).expect("a capture")]
}

fn analyse(rules: &[&'static Rule]) -> Analysis {
    pipeline::run(source(), &options(rules), &|_| ()).expect("analysed")
}

/// A rule of this check; its words are those of a real one.
fn rule(name: &'static str, check: Check) -> &'static Rule {
    let entry = rules::find("short-call").expect("a rule").entry;
    let (severity, since, gate) = (Severity::Error, "0.1.0", Gate::OPEN);
    let rule = Rule { code: "INT999", name, severity, since, entry, thresholds: &[], gate, check };
    Box::leak(Box::new(rule))
}

/// A finding on every INVITE, but for the call that makes it panic.
fn report_all_but_two(call: &Call<'_>, report: &mut dyn FnMut(Report)) {
    for hop in call.transactions.iter().filter(|_| !call.attempts.is_empty()) {
        report(Report::on(hop).at(call.messages.iter().take(1)).confidence(Confidence::Certain));
    }
    assert_ne!(call.call_id, b"two", "this panic belongs to a test");
}

/// Breaks off on one call of three, after it has found something.
fn picky() -> &'static Rule {
    static PICKY: OnceLock<&Rule> = OnceLock::new();
    PICKY.get_or_init(|| {
        let check = Check::Call(|call, findings| {
            report_all_but_two(call, &mut |own| findings.report(own));
        });
        rule("picky", check)
    })
}

fn of<'a>(analysis: &'a Analysis, name: &str) -> Vec<&'a str> {
    let own = analysis.findings.iter().filter(|finding| finding.rule.name == name);
    own.filter_map(|finding| finding.call_id.as_deref()).collect()
}

/// What all the real rules find must not change by rules that break off beside them.
fn assert_others_are_whole(analysis: &Analysis) {
    let shown = |finding: &&Finding| finding.rule.code != "INT999";
    let key = |finding: &Finding| (finding.rule.code, finding.call_id.clone(), finding.severity);
    let found: Vec<_> = analysis.findings.iter().filter(shown).map(key).collect();
    let expected: Vec<_> = analyse(rules::ALL).findings.iter().map(key).collect();
    assert!(!expected.is_empty(), "the capture shows nothing");
    assert_eq!(found, expected);
}

fn with_all(broken: &'static Rule) -> Analysis {
    let mut all = rules::ALL.to_vec();
    all.insert(0, broken);
    analyse(&all)
}

#[test]
fn a_rule_that_breaks_off_on_one_call_finds_the_others() {
    let analysis = with_all(picky());
    assert_eq!(of(&analysis, "picky"), ["one", "three"]);
    assert_eq!(analysis.failed_rules.iter().collect::<Vec<_>>(), [(&"picky", &1)]);
    assert_others_are_whole(&analysis);
}

#[test]
fn rules_on_media_and_on_the_capture_cost_no_more() {
    let media = Check::Media(|call, _, findings| {
        report_all_but_two(call, &mut |own| findings.report(own));
    });
    let analysis = with_all(rule("picky-media", media));
    assert_eq!(of(&analysis, "picky-media"), ["one", "three"]);
    assert_eq!(analysis.failed_rules.get("picky-media"), Some(&1));
    let capture = Check::Capture(|_, findings| {
        findings.report(Report::on_capture());
        panic!("this panic belongs to a test");
    });
    let analysis = with_all(rule("broken-capture", capture));
    assert_eq!(analysis.failed_rules.get("broken-capture"), Some(&1));
    assert_others_are_whole(&analysis);
    let both = Check::Both {
        each: |call, _, findings| report_all_but_two(call, &mut |own| findings.report(own)),
        capture: |_, _| panic!("this panic belongs to a test"),
    };
    let analysis = with_all(rule("broken-both", both));
    assert_eq!(of(&analysis, "broken-both"), ["one", "three"], "the sums are another matter");
    assert_eq!(analysis.failed_rules.get("broken-both"), Some(&2));
}

/// Finds something in each call and breaks off when it compares them.
fn comparing() -> &'static Rule {
    let check = Check::Calls {
        each: |call, findings| {
            for hop in call.transactions.iter().filter(|_| !call.attempts.is_empty()) {
                findings.report(Report::on(hop).at(call.messages.iter().take(1)));
            }
        },
        together: |findings, _| {
            for finding in findings.iter_mut() {
                finding.severity = Severity::Info;
                assert_ne!(finding.call_id.as_deref(), Some("two"), "this panic belongs to a test");
            }
        },
    };
    rule("comparing", check)
}

#[test]
fn what_a_rule_was_comparing_stands_no_more() {
    let analysis = with_all(comparing());
    assert!(of(&analysis, "comparing").is_empty(), "how far it came nobody knows");
    assert_eq!(analysis.failed_rules.get("comparing"), Some(&3));
    assert_others_are_whole(&analysis);
}

#[test]
fn neither_while_the_capture_is_read() {
    let mut told = Vec::new();
    let mut tell = |batch: siptrace::analysis::Batch| {
        told.extend(batch.findings.iter().map(|finding| finding.rule.name));
        ControlFlow::Continue(())
    };
    let mut all = rules::ALL.to_vec();
    all.insert(0, comparing());
    let analysis =
        pipeline::follow(source(), &options(&all), &|_| (), &mut tell).expect("analysed");
    let found = analysis.findings.iter().map(|finding| finding.rule.name).chain(told);
    assert!(!found.clone().any(|name| name == "comparing"));
    assert!(found.count() > 0);
    assert_eq!(analysis.failed_rules.get("comparing"), Some(&3));
}

fn written(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).expect("memory takes everything");
    String::from_utf8(out).expect("UTF-8")
}

fn text_of(analysis: &Analysis, verbosity: Verbosity) -> String {
    let text = TextOptions { lang: Lang::En, page: Page::plain(200), verbosity };
    written(|out| report::text::text(analysis, &text, out))
}

const SAID: &str = "Rule silent broke off on calls: 1.";

/// Finds nothing, and breaks off on one call.
fn broken_analysis() -> Analysis {
    let check = Check::Call(|call, _| {
        assert_ne!(call.call_id, b"two", "this panic belongs to a test");
    });
    analyse(&[rule("silent", check)])
}

#[test]
fn every_report_says_that_a_rule_broke_off() {
    let analysis = broken_analysis();
    assert!(analysis.findings.is_empty() && !analysis.is_judged_by_all());
    let normal = text_of(&analysis, Verbosity::Normal);
    assert!(normal.contains(SAID), "{normal}");
    let quiet = text_of(&analysis, Verbosity::Quiet);
    assert!(quiet.contains(SAID), "{quiet}");
    let json = written(|out| report::json::json(&analysis, Lang::En, out));
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["failed_rules"]["silent"], 1);
    let lines = written(|out| report::jsonl::jsonl(&analysis, Lang::En, out));
    let last = lines.lines().last().expect("a summary");
    let last: serde_json::Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(last["failed_rules"]["silent"], 1);
    let outcome = Outcome::of(&analysis);
    let markdown = written(|out| report::markdown::markdown(&outcome, Lang::En, out));
    assert!(markdown.contains("broke off on calls: 1"), "{markdown}");
    let page = written(|out| report::page::page(&outcome, Lang::En, None, out));
    assert!(page.contains("broke off on calls: 1"));
    let sarif = written(|out| report::sarif::sarif(&outcome, Lang::En, out));
    let sarif: serde_json::Value = serde_json::from_str(&sarif).expect("JSON");
    let invocation = &sarif["runs"][0]["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    let told = invocation["toolExecutionNotifications"][0]["message"]["text"].as_str();
    assert!(told.is_some_and(|told| told.starts_with(SAID)), "{told:?}");
}

#[test]
fn a_check_does_not_pass_where_a_rule_broke_off() {
    let verdict = |analysis, fail_on| Verdict { analysis, fail_on, expectations: Vec::new() };
    let clean = analyse(&[]);
    assert!(verdict(clean, Some(Severity::Error)).is_passed());
    let broken = broken_analysis();
    let own = verdict(broken.clone(), Some(Severity::Error));
    assert!(!own.is_passed() && own.is_unjudged());
    assert!(verdict(broken, None).is_passed(), "nothing was asked");
    let verdicts = vec![own];
    let checked = Checked { never: Vec::new(), vanished: Vec::new(), verdicts };
    let (lang, page, verbosity) = (Lang::En, Page::plain(200), Verbosity::Quiet);
    let quiet = TextOptions { lang, page, verbosity };
    let text = written(|out| report::text::check(&checked, &quiet, out));
    assert!(text.contains("Findings may be missing"), "{text}");
    let json = written(|out| report::check::json(&checked, Lang::En, out));
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["verdict"], "fail");
    assert_eq!(json["captures"][0]["failed_rules"]["silent"], 1);
}
