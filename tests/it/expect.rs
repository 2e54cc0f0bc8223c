//! Expectations: the suite of `fixtures/ci` is met, each way to break a capture is told with the
//! right line, and no file of expectations makes the reader panic.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use proptest::prelude::*;
use siptrace::analysis::expect::{About, Doubt, Expectations, Seen, Verdict, record, surprises};
use siptrace::analysis::{Analysis, Keep};
use siptrace::capture::Source;
use siptrace::catalogue::Lang;
use siptrace::limits::UNEXPECTED_CALLS_MAX;
use siptrace::report::text::{TextOptions, Verbosity, expectations};
use siptrace::report::{Page, check, expect};
use siptrace::rules::Profile;
use siptrace::transport::KeyLog;
use siptrace::{pipeline, rules};

/// The interop suite: captures that SIPp made, each with its expectations.
const SUITE: [&str; 6] = ["auth", "basic-call", "cancel", "early-media", "failure", "transfer"];

fn fixtures(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// A file of its own, gone when the value is.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let file = format!("siptrace-expect-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(file);
        fs::write(&path, bytes).expect("written");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn analyze(path: &Path) -> Analysis {
    let source = Source::open(path, 0).expect("a capture");
    let options = pipeline::Options {
        profile: Profile { rules: rules::ALL.to_vec(), ..Profile::default() },
        keep: Keep { calls: 1000, transcripts: 1 << 22, findings: 1000, ..Keep::default() },
        media: true,
        keys: KeyLog::default(),
        threads: Some(2),
    };
    pipeline::run(vec![source], &options, &|_| {}).expect("analysed")
}

fn parse(text: &str) -> Expectations {
    Expectations::parse(text, Path::new("t.toml")).unwrap_or_else(|wrong| panic!("{wrong}\n{text}"))
}

/// What a script shows of the expectations.
fn script(name: &str, script: &str, text: &str) -> (Analysis, Vec<Verdict>) {
    let file = Scratch::new(&format!("{name}.sip"), script.as_bytes());
    let analysis = analyze(&file.0);
    let verdicts = parse(text).check(&analysis);
    (analysis, verdicts)
}

fn shown(verdicts: &[Verdict], analysis: &Analysis, columns: usize) -> String {
    let page = Page::plain(columns);
    let options = TextOptions { lang: Lang::En, page, verbosity: Verbosity::Normal };
    let mut out = Vec::new();
    expectations(verdicts, analysis, &options, &mut out).expect("written");
    String::from_utf8(out).expect("text")
}

/// Every problem as `line about detail expected / seen`.
fn problems(verdicts: &[Verdict]) -> Vec<String> {
    let all = verdicts.iter().flat_map(|verdict| &verdict.problems);
    let told = all.map(|problem| {
        let seen = match &problem.seen {
            Seen::Nothing => "nothing".to_owned(),
            Seen::Text(text) => text.clone(),
            Seen::Span(span) => format!("{:.0}ms", span.millis()),
            Seen::Percent(share) => format!("{share:.0}%"),
            Seen::Count(count) => count.to_string(),
            Seen::More(count) => format!("and {count} more"),
        };
        let about = problem.about.detail().unwrap_or(problem.about.name());
        format!("{} {about}: {} / {seen}", problem.line, problem.expected)
    });
    told.collect()
}

/// A capture whose frames can be changed.
struct Frames {
    head: Vec<u8>,
    /// Seconds, microseconds and bytes of each.
    frames: Vec<(u32, u32, Vec<u8>)>,
}

impl Frames {
    fn read(name: &str) -> Self {
        let bytes = fs::read(fixtures("ci").join(name).with_extension("pcap")).expect("readable");
        let (head, mut rest) = bytes.split_at(24);
        assert_eq!(head[..4], [0xd4, 0xc3, 0xb2, 0xa1], "microseconds, the lowest byte first");
        let mut frames = Vec::new();
        while let Some((record, after)) = rest.split_at_checked(16) {
            let word = |at: usize| u32::from_le_bytes(record[at..at + 4].try_into().expect("four"));
            let (data, after) = after.split_at(word(8) as usize);
            frames.push((word(0), word(4), data.to_vec()));
            rest = after;
        }
        Self { head: head.to_vec(), frames }
    }

    /// The place of the first frame with these bytes from `from` on.
    fn find(&self, text: &str, from: usize) -> usize {
        let has = |(_, _, data): &(u32, u32, Vec<u8>)| {
            data.windows(text.len()).any(|window| window == text.as_bytes())
        };
        from + self.frames[from..].iter().position(has).unwrap_or_else(|| panic!("no {text}"))
    }

    fn without(mut self, place: usize) -> Self {
        self.frames.remove(place);
        self
    }

    /// Puts other bytes of the same length in the place of the first ones.
    fn with(mut self, place: usize, old: &str, new: &str) -> Self {
        assert_eq!(old.len(), new.len());
        let data = &mut self.frames[place].2;
        let at = data.windows(old.len()).position(|w| w == old.as_bytes()).expect("is there");
        data[at..at + new.len()].copy_from_slice(new.as_bytes());
        self
    }

    /// The two frames change their places, not their times.
    fn swapped(mut self, one: usize, other: usize) -> Self {
        let (left, right) = (self.frames[one].2.clone(), self.frames[other].2.clone());
        (self.frames[one].2, self.frames[other].2) = (right, left);
        self
    }

    fn late(mut self, from: usize, seconds: u32) -> Self {
        for frame in &mut self.frames[from..] {
            frame.0 += seconds;
        }
        self
    }

    fn is_from(data: &[u8], port: u16) -> bool {
        // Ethernet, then IPv4 without options, then UDP.
        data.get(34..36) == Some(&port.to_be_bytes())
    }

    fn without_rtp_from(mut self, port: u16, until: usize) -> Self {
        let mut place = 0;
        self.frames.retain(|(_, _, data)| {
            place += 1;
            place > until || !Self::is_from(data, port)
        });
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head.clone();
        for (seconds, micros, data) in &self.frames {
            let length = u32::try_from(data.len()).expect("small");
            for word in [*seconds, *micros, length, length] {
                bytes.extend(word.to_le_bytes());
            }
            bytes.extend(data);
        }
        bytes
    }

    /// The report of the broken capture, held against the expectations of the whole one.
    fn report(&self, name: &str, case: &str) -> (Vec<Verdict>, String) {
        let file = Scratch::new(&format!("{name}-{case}.pcap"), &self.bytes());
        let analysis = analyze(&file.0);
        let path = fixtures("ci").join(format!("{name}.expect.toml"));
        let text = fs::read_to_string(path).expect("expectations");
        let verdicts = parse(&text).check(&analysis);
        let report = shown(&verdicts, &analysis, 100);
        (verdicts, report)
    }
}

/// The lines of a report that a ladder marks, without frames and times.
fn marked(report: &str) -> Vec<String> {
    let lines = report.lines().filter_map(|line| line.strip_prefix("    "));
    let marked = lines.filter(|line| line.starts_with("- ") || line.starts_with("+ "));
    let bare = marked.map(|line| {
        let words = line.split_whitespace().filter(|word| {
            !word.starts_with('#')
                && !word.trim_start_matches('+').starts_with("0.")
                && !word.starts_with("+1.")
        });
        words.collect::<Vec<_>>().join(" ")
    });
    bare.collect()
}

/// The line of the expectations of a capture on which the text stands.
fn line_of(name: &str, text: &str) -> usize {
    let path = fixtures("ci").join(format!("{name}.expect.toml"));
    let file = fs::read_to_string(path).expect("expectations");
    let place = file.lines().position(|line| line.contains(text));
    place.unwrap_or_else(|| panic!("{name} has no {text}")) + 1
}

#[test]
fn the_suite_is_met() {
    for name in SUITE {
        let (verdicts, report) = Frames::read(name).report(name, "whole");
        assert!(verdicts.iter().all(Verdict::is_met), "{report}");
        assert!(verdicts.len() > 1, "{name}");
    }
}

#[test]
fn a_missing_ack_is_told() {
    let frames = Frames::read("basic-call");
    let ack = frames.find("CSeq: 1 ACK", 0);
    let (_, report) = frames.without(ack).report("basic-call", "no-ack");
    let line = line_of("basic-call", "@ack");
    assert_eq!(marked(&report), [format!("- alice > bob ACK (line {line})")], "{report}");
    // The call went on without it, so that the end of the capture is no excuse.
    assert!(!report.contains("It may have happened"), "{report}");
}

#[test]
fn a_488_instead_of_the_200_is_told() {
    let frames = Frames::read("basic-call");
    let answer = frames.find("SIP/2.0 200 OK", 0);
    let (verdicts, report) = frames.with(answer, "200 OK", "488 NO").report("basic-call", "488");
    let line = line_of("basic-call", "@answer");
    let expected = [
        format!("- bob > alice 200 INVITE (line {line})"),
        "+ bob > alice 488 INVITE (NO)".to_owned(),
    ];
    assert_eq!(marked(&report)[..2], expected, "{report}");
    let told = problems(&verdicts);
    let line = line_of("basic-call", "status");
    assert!(told.contains(&format!("{line} status: 200 / 488")), "{told:?}");
}

#[test]
fn swapped_messages_are_told() {
    let frames = Frames::read("auth");
    let ack = frames.find("CSeq: 1 ACK", 0);
    let invite = frames.find("CSeq: 2 INVITE", 0);
    let (_, report) = frames.swapped(ack, invite).report("auth", "swapped");
    let line = line_of("auth", "alice > proxy  ACK");
    let expected = [format!("- alice > proxy ACK (line {line})"), "+ alice > proxy ACK".to_owned()];
    assert_eq!(marked(&report), expected, "{report}");
}

#[test]
fn a_late_answer_is_told() {
    let frames = Frames::read("basic-call");
    let answer = frames.find("SIP/2.0 200 OK", 0);
    let (verdicts, report) = frames.late(answer, 3).report("basic-call", "late");
    let told = problems(&verdicts);
    assert_eq!(told.len(), 1, "{report}");
    let line = line_of("basic-call", "answer = ");
    assert!(told[0].starts_with(&format!("{line} answer: < 2s / 38")), "{report}");
}

#[test]
fn one_way_rtp_is_told() {
    let frames = Frames::read("basic-call").without_rtp_from(30000, usize::MAX);
    let (verdicts, report) = frames.report("basic-call", "one-way");
    let told = problems(&verdicts);
    let line = line_of("basic-call", "from = \"both\"");
    assert!(told.contains(&format!("{line} from: both / caller")), "{report}");
}

#[test]
fn missing_early_media_are_told() {
    let frames = Frames::read("early-media");
    let answer = frames.find("SIP/2.0 200 OK", 0);
    let frames = frames.without_rtp_from(30000, answer);
    let (verdicts, report) = frames.report("early-media", "no-early-media");
    let told = problems(&verdicts);
    let begins = told.iter().find(|told| told.contains("callee.begins-before"));
    let line = line_of("early-media", "begins-before");
    assert!(begins.is_some_and(|told| told.starts_with(&format!("{line} "))), "{report}");
}

#[test]
fn a_missing_last_message_is_told_with_a_doubt() {
    let frames = Frames::read("cancel");
    let ack = frames.find("CSeq: 1 ACK", 0);
    let (verdicts, report) = frames.without(ack).report("cancel", "no-ack");
    let line = line_of("cancel", "caller > callee  ACK");
    assert_eq!(marked(&report), [format!("- caller > callee ACK (line {line})")], "{report}");
    let doubts: Vec<_> = verdicts[0].problems.iter().flat_map(|own| &own.doubts).collect();
    assert!(matches!(doubts.first(), Some(Doubt::EndsSoon { .. })), "{doubts:?}");
    assert!(report.contains("It may have happened all the same: the capture ends"), "{report}");
}

#[test]
fn another_refusal_is_told() {
    let frames = Frames::read("failure");
    let refusal = frames.find("SIP/2.0 503", 0);
    let (verdicts, report) =
        frames.with(refusal, "SIP/2.0 503", "SIP/2.0 404").report("failure", "404");
    let line = line_of("failure", "@refusal");
    let expected = [
        format!("- callee > caller 486 | 503 (line {line})"),
        "+ callee > caller 404 INVITE (Service Unavailable)".to_owned(),
    ];
    assert_eq!(marked(&report), expected, "{report}");
    let told = problems(&verdicts);
    let line = line_of("failure", "status");
    assert!(told.contains(&format!("{line} status: 486 | 503 / 404")), "{told:?}");
}

#[test]
fn a_missing_notify_is_told() {
    let frames = Frames::read("transfer");
    let notify = frames.find("CSeq: 2 NOTIFY", 0);
    let answer = frames.find("CSeq: 2 NOTIFY", notify + 1);
    let frames = frames.without(answer).without(notify);
    let (verdicts, report) = frames.report("transfer", "no-notify");
    assert!(!marked(&report).is_empty(), "{report}");
    let names: Vec<_> = verdicts.iter().filter(|verdict| !verdict.is_met()).collect();
    assert_eq!(names[0].name.as_deref(), Some("Alice transfers Bob"));
}

#[test]
fn a_recorded_file_is_met_by_its_capture_and_by_another_run() {
    for (good, other) in [
        ("ci/transfer.pcap", "captures/transfer-blind-success.pcap"),
        ("ci/cancel.pcap", "captures/cancel-487.pcapng"),
        ("ci/basic-call.pcap", "captures/basic-call-udp.pcap"),
        ("ci/early-media.pcap", "captures/early-media-present.pcap"),
    ] {
        let analysis = analyze(&fixtures(good));
        let recorded = parse(&record(&analysis));
        let own = recorded.check(&analysis);
        assert!(own.iter().all(Verdict::is_met), "{good}: {}", shown(&own, &analysis, 100));
        let analysis = analyze(&fixtures(other));
        let verdicts = recorded.check(&analysis);
        let report = shown(&verdicts, &analysis, 100);
        assert!(verdicts.iter().all(Verdict::is_met), "{other}: {report}");
    }
}

#[test]
fn every_recorded_capture_meets_what_is_recorded_of_it() {
    let mut checked = 0;
    for entry in fs::read_dir(fixtures("captures")).expect("a folder").flatten() {
        let path = entry.path();
        let name = path.to_string_lossy().into_owned();
        if ![".pcap", ".pcapng"].iter().any(|end| name.ends_with(end)) {
            continue;
        }
        let analysis = analyze(&path);
        let verdicts = parse(&record(&analysis)).check(&analysis);
        let report = shown(&verdicts, &analysis, 100);
        assert!(verdicts.iter().all(Verdict::is_met), "{name}: {report}");
        checked += 1;
    }
    assert!(checked > 50, "{checked}");
}

#[test]
fn what_is_no_method_is_left_open_in_a_recorded_file() {
    let file = Scratch::new(
        "recorded.sip",
        b"host alice 192.0.2.10\nhost bob 203.0.113.20\n0 alice > bob OPTIONS\n\
          +10ms bob > alice 200\n  CSeq: 1 <option>\nend 70\n",
    );
    let analysis = analyze(&file.0);
    let text = record(&analysis);
    assert!(text.contains("    \"callee > caller  200\",\n"), "{text}");
    let verdicts = parse(&text).check(&analysis);
    assert!(verdicts.iter().all(Verdict::is_met), "{}", shown(&verdicts, &analysis, 100));
}

#[test]
fn an_error_does_not_tell_a_terminal_what_to_do() {
    let text = "[[call]]\nsteps = [\"a\\u001b[2J > b INVITE\"]\n";
    let wrong = Expectations::parse(text, Path::new("t.toml")).expect_err("wrong");
    assert!(!wrong.to_string().contains('\x1b'), "{wrong}");
    assert!(wrong.to_string().contains("a\\u{1b}[2J"), "{wrong}");
}

/// A call through a proxy, answered after ringing.
const PROXIED: &str = "\
host alice 192.0.2.10
host proxy 203.0.113.5
host bob   198.51.100.20
call one
0      alice > proxy INVITE sdp
+10ms  proxy > alice 100
+10ms  proxy > bob forward
+20ms  alice > proxy again
+10ms  bob > proxy 180
+10ms  proxy > alice forward
1      bob > proxy 200 sdp
+10ms  proxy > alice forward
+10ms  alice > proxy ACK
+10ms  proxy > bob forward
5      bob > proxy BYE
+10ms  proxy > alice forward
+10ms  alice > proxy 200
+10ms  proxy > bob forward
end 60
";

const PROXIED_STEPS: &str = "\
[parties]
edge = \"proxy\"
[[call]]
steps = [
  \"caller > edge INVITE @in\",
  \"edge > caller 100?\",
  \"edge > callee INVITE @out\",
  \"callee > edge 18x\",
  \"edge > caller 18x\",
  \"callee > edge 200 INVITE\",
  \"edge > caller 200 INVITE\",
  \"caller > edge ACK\",
  \"edge > callee ACK\",
  \"callee > edge BYE\",
  \"edge > caller BYE\",
  \"caller > edge 200 BYE\",
  \"edge > callee 200 BYE\",
]
";

#[test]
fn roles_are_found_and_repeats_fold() {
    let (analysis, verdicts) = script("proxied", PROXIED, PROXIED_STEPS);
    assert!(verdicts.iter().all(Verdict::is_met), "{}", shown(&verdicts, &analysis, 100));
    let text = PROXIED_STEPS.replace("[[call]]", "[[call]]\nretransmissions = true");
    let (analysis, verdicts) = script("unfolded", PROXIED, &text);
    let report = shown(&verdicts, &analysis, 100);
    assert_eq!(marked(&report), ["+ caller > edge INVITE"], "{report}");
}

#[test]
fn what_is_not_in_the_capture_is_not_taken_for_what_did_not_happen() {
    let ends_early = "host a 192.0.2.1\nhost b 192.0.2.2\n0 a > b INVITE\nend 5\n";
    let goes_on = ends_early.replace("end 5", "0.5 a > b again\n1.5 a > b again\nend 90");
    let text = "[[call]]\nstatus = \"none\"\n";
    let (_, verdicts) = script("early", ends_early, text);
    assert_eq!(problems(&verdicts), ["2 status: none / nothing"]);
    assert!(matches!(verdicts[0].problems[0].doubts[..], [Doubt::EndsSoon { .. }]));
    let (analysis, verdicts) = script("late", &goes_on, text);
    assert!(verdicts.iter().all(Verdict::is_met), "{}", shown(&verdicts, &analysis, 100));
    let (_, verdicts) = script("no-rtp", PROXIED, "[[call]]\nrtp = \"none\"\n");
    assert_eq!(verdicts[0].problems[0].doubts, [Doubt::NoRtpAtAll]);
}

#[test]
fn calls_are_selected_counted_and_kept_apart() {
    let two = "host a 192.0.2.1\nhost b 192.0.2.2\ncall one\n0 a > b INVITE\n+1 b > a 486\n\
               +0.01 a > b ACK\ncall two\n5 a > b OPTIONS\n+0.1 b > a 200\nend 90\n";
    let check = |text: &str| problems(&script("select", two, text).1);
    let none: [String; 0] = [];
    assert_eq!(check("[[call]]\nstatus = [486, \"2xx\"]\n"), none);
    assert_eq!(check("[[call]]\nkind = \"any\"\ncount = 2\n"), none);
    assert_eq!(check("[[call]]\nkind = \"any\"\nnth = 2\nstatus = 200\n"), none);
    assert_eq!(check("[[call]]\nfrom = \"zoe\"\n"), ["1 no-such-call: from zoe / nothing"]);
    assert_eq!(check("[[call]]\nfrom = \"zoe\"\ncount = 0\n"), none);
    assert_eq!(check("[[call]]\ncount = \"2..3\"\n"), ["2 calls: 2..3 / 1"]);
    let strict = check("strict = true\n[[call]]\nfrom = \"a@*\"\n");
    assert_eq!(strict.len(), 1, "{strict:?}");
    assert!(strict[0].starts_with("1 unexpected-call: strict / options "), "{strict:?}");
}

#[test]
fn calls_that_nothing_is_expected_of_are_told_up_to_a_bound_and_counted() {
    let mut calls = "host a 192.0.2.1\nhost b 192.0.2.2\n".to_owned();
    for number in 0..UNEXPECTED_CALLS_MAX + 4 {
        calls.push_str(&format!("call c{number}\n{number} a > b OPTIONS\n+0.1 b > a 200\n"));
    }
    let text = "strict = true\n[[call]]\nkind = \"any\"\nnth = 1\n";
    let (analysis, verdicts) = script("unexpected", &calls, text);
    let strict: Vec<_> = verdicts.iter().flat_map(|verdict| &verdict.problems).collect();
    assert_eq!(strict.len(), UNEXPECTED_CALLS_MAX + 1);
    assert!(strict.iter().all(|problem| problem.about == About::UnexpectedCall));
    assert_eq!(strict.last().map(|problem| &problem.seen), Some(&Seen::More(3)));
    let report = shown(&verdicts, &analysis, 100);
    let shown = report.matches("call that nothing is said of").count();
    let more = format!("and {} more", UNEXPECTED_CALLS_MAX + 3 - shown);
    assert!(report.contains(&more), "{more}: {report}");
}

#[test]
fn fields_and_descriptions_are_looked_at() {
    let at = |test: &str| format!("{PROXIED_STEPS}[call.at.out]\n{test}\n");
    let check = |test: &str| problems(&script("fields", PROXIED, &at(test)).1);
    let good = [
        "header = { Via = true, max-forwards = \"69\", X-None = false, v = \"*203.0.113.5*\" }",
        "header = { Via = { not = \"*10.*\" }, CSeq = { equals = \"1 INVITE\" } }",
        "uri = \"sip:bob@*\"",
        "sdp = { media = \"audio\", codecs = [\"PCMU\", \"pcma/8000\"], direction = \"sendrecv\" }",
        "sdp = { without-codecs = \"G729\", family = \"ip4\", attribute = { rtcp-mux = false } }",
    ];
    for test in good {
        let none: [String; 0] = [];
        assert_eq!(check(test), none, "{test}");
    }
    let bad = [
        ("header = { X-None = true }", "X-None: present / nothing"),
        ("header = { Via = false }", "Via: absent / SIP/2.0/UDP"),
        ("header = { CSeq = { equals = \"2 INVITE\" } }", "CSeq: equals 2 INVITE / 1 INVITE"),
        ("uri = \"tel:*\"", "uri: tel:* / sip:bob@"),
        ("reason = \"OK\"", "reason: OK / nothing"),
        ("sdp = false", "present: absent / present"),
        ("sdp = { codecs = \"opus\" }", "codecs: opus / PCMU/8000, PCMA/8000"),
        ("sdp = { first-codec = \"PCMA\" }", "first-codec: PCMA / PCMU/8000"),
        ("sdp = { direction = \"inactive\" }", "direction: inactive / sendrecv"),
        ("sdp = { family = \"ip6\" }", "family: ip6 / "),
        ("sdp = { media = [\"audio\", \"video\"] }", "media: audio | video / audio"),
    ];
    for (test, expected) in bad {
        let told = check(test);
        assert_eq!(told.len(), 1, "{test}: {told:?}");
        assert!(told[0].starts_with(&format!("20 {expected}")), "{test}: {told:?}");
    }
}

#[test]
fn findings_that_are_expected_are_no_surprise() {
    let analysis = analyze(&fixtures("ci/failure.pcap"));
    let names = |text: &str| -> Vec<&str> {
        let all = surprises(&[parse(text)], &analysis);
        all.iter().map(|place| analysis.findings[*place].rule.name).collect()
    };
    let none: [&str; 0] = [];
    assert_eq!(names("[[call]]\n"), ["final-response"]);
    assert_eq!(names("[[call]]\nfindings = { require = \"CAL201\" }\n"), none);
    assert_eq!(
        names("[[call]]\nfrom = \"zoe\"\nfindings = { allow = \"CAL\" }\n"),
        ["final-response"]
    );
    assert_eq!(names("findings = { allow = \"final-response\" }\n"), none);
    let told = |text: &str| problems(&parse(text).check(&analysis));
    assert_eq!(told("[[call]]\nfindings = \"none\"\n"), ["2 count: none / CAL201 final-response"]);
    assert_eq!(told("findings = { require = \"no-rtp\" }\n"), ["1 require: no-rtp / nothing"]);
    assert_eq!(
        told("findings = { forbid = \"cal\" }\n"),
        ["1 forbid: cal / CAL201 final-response"]
    );
    assert_eq!(told("findings = { forbid = \"CAL\", min-severity = \"error\" }\n").len(), 1);
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let cases = [
        ("", 1, 1, "nothing is expected"),
        ("stirct = true\n", 1, 1, "there is no key `stirct`; did you mean `strict`?"),
        ("[[call]]\nstauts = 200\n", 2, 1, "there is no key `stauts`; did you mean `status`?"),
        ("[[call]]\nstatus = 99\n", 2, 10, "expected a final status"),
        ("[[call]]\nstatus = 180\n", 2, 10, "expected a final status"),
        ("[[call]]\nsteps = [\"alice > callee INVITE\"]\n", 2, 11, "there is no party `alice`"),
        (
            "[[call]]\nsteps = [\"caler > callee INVITE\"]\n",
            2,
            11,
            "there is no party `caler`; did",
        ),
        (
            "[[call]]\nsteps = [\n  \"caller > callee INVIT\",\n]\n",
            3,
            20,
            "there is no method `INVIT`",
        ),
        (
            "[[call]]\nsteps = [\"caller > callee BYE @x\"]\n[call.at.y]\n",
            3,
            10,
            "there is no label `y`",
        ),
        ("[[call]]\nkind = \"cal\"\n", 2, 8, "there is no kind `cal`; did you mean `call`?"),
        ("[[call]]\n[call.time]\npdd = \"5\"\n", 3, 7, "expected a bound of time"),
        ("[[call]]\n[call.time]\npd = \"< 5s\"\n", 3, 1, "there is no time `pd`; did you mean"),
        ("[[call]]\nrtp = \"bth\"\n", 2, 7, "there is no way of RTP `bth`; did you mean `both`?"),
        ("[[call]]\nfindings = \"nine\"\n", 2, 12, "expected \"none\" or a table"),
        ("[[call]]\nfindings = { forbid = \"no-rpt\" }\n", 2, 23, "there is no rule `no-rpt`; did"),
        ("[parties]\nb = \"bob!\"\n", 2, 5, "expected an address"),
        ("[[call]]\nnth = 0\n", 2, 7, "expected a number from 1"),
        ("[[call]]\nname = 5\n", 2, 8, "expected a string"),
        ("é = 1\n", 1, 1, ""),
        ("[[call]]\nname = \"é\" x\n", 2, 12, ""),
    ];
    for (text, line, column, problem) in cases {
        let wrong = Expectations::parse(text, Path::new("t.toml")).expect_err(text);
        assert_eq!((wrong.line, wrong.column), (line, column), "{text}: {wrong}");
        assert!(wrong.problem.starts_with(problem), "{text}: {wrong}");
        assert!(!wrong.to_string().contains('\n'), "{text}: {wrong}");
    }
}

#[test]
fn the_examples_of_the_documentation_are_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/expectations.md");
    let text = fs::read_to_string(path).expect("the documentation");
    let examples: Vec<&str> = text.split("```toml\n").skip(1).collect();
    assert!(examples.len() > 5, "{}", examples.len());
    for example in examples {
        parse(example.split("```").next().expect("an end"));
    }
}

#[test]
fn a_hostile_name_cannot_move_the_cursor() {
    let script_text = "host a 192.0.2.1\nhost b 192.0.2.2\n0 a > b INVITE\n  \
                       User-Agent: \u{1b}[31m\n+1 b > a 486 \u{1b}[2J\nend 90\n";
    let text = "[[call]]\nname = \"\\u001b[31m\"\nsteps = [\"caller > callee INVITE @i\"]\n\
                [call.at.i]\nheader = { User-Agent = \"\\u001b\" }\n";
    let (analysis, verdicts) = script("hostile", script_text, text);
    for columns in [20, 60, 200] {
        let report = shown(&verdicts, &analysis, columns);
        assert!(!report.contains('\u{1b}'), "{report:?}");
        assert!(report.lines().all(|line| line.chars().count() <= columns.max(40)), "{report}");
    }
    let cases = expect::missed(&verdicts, &analysis, Lang::Ja);
    assert!(!cases[0].passed && !cases[0].message.contains('\u{1b}'), "{cases:?}");
    let verdict = check::Verdict { analysis, fail_on: None, expectations: verdicts };
    let checked =
        check::Checked { verdicts: vec![verdict], never: Vec::new(), vanished: Vec::new() };
    let mut json = Vec::new();
    check::json(&checked, Lang::En, &mut json).expect("written");
    let value: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(value["verdict"], "fail");
    let problem = &value["captures"][0]["expectations"][0]["problems"][0];
    assert_eq!(problem["about"], "unexpected-step");
}

#[test]
fn transcripts_that_were_not_kept_never_pass() {
    let source = Source::open(&fixtures("ci/basic-call.pcap"), 0).expect("a capture");
    let options = pipeline::Options {
        profile: Profile::default(),
        keep: Keep { calls: 10, ..Keep::default() },
        media: true,
        keys: KeyLog::default(),
        threads: Some(1),
    };
    let analysis = pipeline::run(vec![source], &options, &|_| {}).expect("analysed");
    let verdicts = parse("[[call]]\nsteps = [\"...\"]\n").check(&analysis);
    let problem = &verdicts[0].problems[0];
    assert_eq!(problem.about, About::Steps);
    assert_eq!(problem.doubts, [Doubt::TranscriptDropped]);
}

fn siptrace(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_siptrace"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("LANG", "C")
        .env_remove("LC_ALL")
        .env_remove("LC_MESSAGES")
        .output()
        .expect("the program runs")
}

#[test]
fn the_program_tells_by_its_exit_code() {
    assert_eq!(siptrace(&["check", "fixtures/ci"]).status.code(), Some(0));
    let wrong = "fixtures/ci/cancel.expect.toml";
    let missed = siptrace(&["check", "fixtures/ci/auth.pcap", "--expect", wrong]);
    assert_eq!(missed.status.code(), Some(1));
    let file = Scratch::new("wrong.toml", b"[[call]]\nstaus = 200\n");
    let path = file.0.to_string_lossy();
    let refused = siptrace(&["check", "fixtures/ci/auth.pcap", "--expect", &path]);
    assert_eq!(refused.status.code(), Some(2));
    let told = String::from_utf8(refused.stderr).expect("text");
    let place = "line 2, column 1: there is no key `staus`; did you mean `status`?";
    assert!(told.contains(place), "{told}");
    assert_eq!(told.lines().count(), 2, "{told}");
    let good = siptrace(&["check", "--record", "fixtures/ci/auth.pcap"]);
    assert_eq!(good.status.code(), Some(0));
    parse(&String::from_utf8(good.stdout).expect("text"));
}

/// Pieces of a file of expectations, right and wrong.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("[[call]]\n".to_owned()),
        Just("[parties]\na = \"192.0.2.*\"\n".to_owned()),
        Just("[call.at.x]\n".to_owned()),
        Just(
            "steps = [\"caller > callee INVITE @x\", \"...\", \"any order {\", \"}*\"]\n"
                .to_owned()
        ),
        Just("status = [200, \"4xx\", \"none\"]\n".to_owned()),
        Just("[call.time]\npdd = \"1s..2s\"\n\"x > x\" = \"< 1h\"\n".to_owned()),
        Just("[call.rtp]\nloss = \"< 1%\"\ncaller = { codec = \"*\" }\n".to_owned()),
        Just("findings = { allow = [\"CAL\"], count = \"0..3\" }\n".to_owned()),
        Just("header = { Via = { not = \"*\" } }\nsdp = { codecs = [] }\n".to_owned()),
        "steps = \\[\"[ a-z>*?+|@{},.0-9x]{0,30}\"\\]\n",
        "[a-z]{1,8} = \"[<>=.0-9a-z%]{0,8}\"\n",
        "\\PC{0,40}\n",
    ]
}

/// Steps and edges of groups.
const STEPS: [&str; 13] = [
    "caller > callee INVITE",
    "callee > caller 1xx*",
    "callee > caller 200+",
    "caller > callee ACK{0,3}",
    "* > * any?",
    "...",
    "any order {",
    "either {",
    "} or {",
    "{",
    "}",
    "}*",
    "}?",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_makes_the_reader_panic(pieces in prop::collection::vec(piece(), 0..12)) {
        let text = pieces.concat();
        if let Err(wrong) = Expectations::parse(&text, Path::new("t.toml")) {
            prop_assert!(wrong.line >= 1 && wrong.line <= text.lines().count() + 1, "{}", wrong);
            prop_assert!(wrong.column >= 1, "{}", wrong);
        }
    }

    #[test]
    fn no_changed_file_makes_the_reader_panic(
        suite in 0..SUITE.len(),
        place in 0_usize..2000,
        removed in 0_usize..20,
        put in "\\PC{0,6}",
    ) {
        let path = fixtures("ci").join(format!("{}.expect.toml", SUITE[suite]));
        let text = fs::read_to_string(path).expect("expectations");
        let chars: Vec<char> = text.chars().collect();
        let at = place.min(chars.len());
        let end = (at + removed).min(chars.len());
        let mut changed: String = chars[..at].iter().collect();
        changed.push_str(&put);
        changed.extend(&chars[end..]);
        let _ = Expectations::parse(&changed, Path::new("t.toml"));
    }

    #[test]
    fn whatever_steps_are_held_against_a_call(
        steps in prop::collection::vec(prop::sample::select(&STEPS[..]), 0..12),
    ) {
        let list: Vec<String> = steps.iter().map(|step| format!("{step:?}")).collect();
        let text = format!("[[call]]\nsteps = [{}]\n", list.join(", "));
        if let Ok(own) = Expectations::parse(&text, Path::new("t.toml")) {
            let verdicts = own.check(&ANALYSIS);
            prop_assert_eq!(verdicts.len(), 1);
            // Every message of the call is in a ladder that differs.
            let seen = verdicts[0].ladder.iter().filter(|row| row.frame.is_some()).count();
            prop_assert!(verdicts[0].ladder.is_empty() || seen == 7, "{:?}", verdicts);
            prop_assert_eq!(verdicts[0].is_met(), verdicts[0].ladder.is_empty());
        }
    }
}

/// The basic call, analysed once.
static ANALYSIS: LazyLock<Analysis> = LazyLock::new(|| analyze(&fixtures("ci/basic-call.pcap")));
