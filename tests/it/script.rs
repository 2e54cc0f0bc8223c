//! Calls written as `.sip` scripts: read again, they are the same calls with the same findings.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use siptrace::analysis::{Analysis, CallSummary};
use siptrace::catalogue::Lang;
use siptrace::limits::{SCRIPT_MESSAGES_MAX, SCRIPT_PACKETS_MAX};
use siptrace::report::script::{ScriptError, script};
use siptrace::sip::Status;
use siptrace::{Options, analyze};

use crate::shared;

/// Calls of one capture that are written.
const CALLS_MAX: usize = 100;

/// Rules that look at more than messages, and what a script does not have of it.
const BEYOND_MESSAGES: &[(&str, &str)] = &[
    ("icmp-unreachable", "ICMP errors are no part of a call"),
    ("tcp-connect-failed", "a connection that was refused has no message"),
    ("stream-closed-mid-transaction", "nor has one that was closed"),
    ("rtp-quality", "an rtp line has figures of its stream, not its packets"),
    ("media-gap", "nor its pauses"),
    ("ptime-mismatch", "nor changes of the packet time"),
    ("telephone-event-mismatch", "nor the digits in it"),
];

/// Facts that differ because one of those rules has nothing to say: file, fact.
const IN_THEIR_PLACE: &[(&str, &str)] = &[
    ("proxy-downstream-icmp.pcap", "trying-then-server-failure Certain"),
    ("proxy-tcp-refused.pcap", "final-response Certain"),
    // The capture goes on for decades, which a script does not.
    ("arkime__arkime__arkime_synthetic.pcap", "12345 Call Unanswered 0 1"),
    ("arkime__arkime__arkime_synthetic.pcap", "12345 Call Trying 0 1"),
    ("arkime__arkime__arkime_synthetic.pcap", "invite-no-response Possible"),
    ("arkime__arkime__arkime_synthetic.pcap", "request-no-response Likely"),
    ("arkime__arkime__arkime_synthetic.pcap", "Publication Trying 0 1"),
    ("arkime__arkime__arkime_synthetic.pcap", "Publication Unanswered 0 1"),
];

/// Captures that no script can hold, and why.
const UNWRITTEN: &[(&str, &str)] = &[
    ("seladb__PcapPlusPlus__sip_reqs.pcap", "its times are decades apart"),
    ("sipcapture__heplify__sip_ipv4_tcp_retrans.pcap", "its times are decades apart"),
    ("sipcapture__heplify__sip_ipv6_udp.pcap", "its times are decades apart"),
];

fn options() -> Options {
    Options::default().transcripts(true).threads(2)
}

/// What a script says when it is read.
fn read(text: &str) -> Analysis {
    static FILES: AtomicUsize = AtomicUsize::new(0);
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    let name = format!("siptrace-script-{}-{number}.sip", std::process::id());
    let path = std::env::temp_dir().join(name);
    fs::write(&path, text).expect("written");
    let read = analyze([&path], &options());
    fs::remove_file(&path).expect("removed");
    read.unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn written(analysis: &Analysis, calls: &[&CallSummary]) -> Result<String, ScriptError> {
    let mut text = Vec::new();
    script(analysis, calls, Lang::En, &mut text)?;
    Ok(String::from_utf8(text).expect("text"))
}

/// What is known of the calls of these Call-IDs, and what is found in them.
fn facts(analysis: &Analysis, ids: &BTreeSet<&str>) -> Vec<String> {
    let mut facts: Vec<String> = Vec::new();
    for call in analysis.calls.iter().filter(|call| ids.contains(call.call_id.as_str())) {
        let CallSummary { call_id, kind, state, messages, .. } = call;
        let status = call.final_status.map_or(0, Status::code);
        facts.push(format!("{call_id} {kind:?} {state:?} {status} {messages}"));
    }
    for finding in &analysis.findings {
        if let Some(id) = finding.call_id.as_deref().filter(|id| ids.contains(id)) {
            facts.push(format!("{id} {} {:?}", finding.rule.name, finding.confidence));
        }
    }
    facts.sort();
    facts
}

/// What one has and the other has not, each as often as it is there.
fn without<'f>(facts: &'f [String], others: &[String]) -> Vec<&'f String> {
    let mut others: Vec<&String> = others.iter().collect();
    let is_new = |fact: &&String| match others.iter().position(|other| other == fact) {
        Some(at) => {
            others.swap_remove(at);
            false
        }
        None => true,
    };
    facts.iter().filter(is_new).collect()
}

fn is_excused(file: &str, fact: &str) -> bool {
    let has_word = |word: &str| fact.split(' ').any(|own| own == word);
    BEYOND_MESSAGES.iter().any(|(rule, _)| has_word(rule))
        || IN_THEIR_PLACE.iter().any(|(name, own)| *name == file && fact.ends_with(own))
}

fn captures(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    files
}

/// Messages, and those of them that are written out; differences go to the list.
fn round_trip(folder: &Path, differences: &mut Vec<String>) -> [usize; 2] {
    let mut counts = [0, 0];
    for path in captures(folder) {
        let file = path.file_name().expect("a name").to_string_lossy().into_owned();
        let Ok(analysis) = analyze([&path], &options()) else { continue };
        let has_messages = |call: &&CallSummary| !call.transcript.is_empty();
        let calls: Vec<_> = analysis.calls.iter().filter(has_messages).take(CALLS_MAX).collect();
        if calls.is_empty() {
            continue;
        }
        let text = match written(&analysis, &calls) {
            Ok(text) => text,
            Err(error) => {
                if !UNWRITTEN.iter().any(|(name, _)| *name == file) {
                    differences.push(format!("{file}: {error}"));
                }
                continue;
            }
        };
        counts[0] += calls.iter().map(|call| call.transcript.len()).sum::<usize>();
        counts[1] += text.lines().filter(|line| line.contains(" raw")).count();
        let ids = calls.iter().map(|call| call.call_id.as_str()).collect();
        let (before, after) = (facts(&analysis, &ids), facts(&read(&text), &ids));
        let gone = without(&before, &after).into_iter().map(|fact| ('-', fact));
        let come = without(&after, &before).into_iter().map(|fact| ('+', fact));
        let wrong = gone.chain(come).filter(|(_, fact)| !is_excused(&file, fact));
        differences.extend(wrong.map(|(mark, fact)| format!("{file}: {mark} {fact}")));
    }
    counts
}

#[test]
fn recorded_calls_come_back_from_their_scripts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut differences = Vec::new();
    let mut counts = [0, 0];
    for folder in ["fixtures/captures", "fixtures/ci"] {
        let [messages, raw] = round_trip(&root.join(folder), &mut differences);
        counts = [counts[0] + messages, counts[1] + raw];
    }
    assert!(differences.is_empty(), "{differences:#?}");
    let [messages, raw] = counts;
    assert!(messages > 800, "{messages} messages");
    assert!(raw * 50 < messages, "{raw} of {messages} messages are written out");
}

#[test]
fn public_calls_come_back_from_their_scripts() {
    let Some(folder) = shared::path("captures/public") else { return };
    let mut differences = Vec::new();
    let [messages, raw] = round_trip(&folder, &mut differences);
    assert!(differences.is_empty(), "{differences:#?}");
    assert!(messages > 2000, "{messages} messages");
    assert!(raw * 20 < messages, "{raw} of {messages} messages are written out");
}

/// A call through a proxy with a name, a repeat, media and an early end, as a person writes it.
const SCRIPT: &str = "\
# call from sip:alice@example.com to sip:bob@example.com: completed (200)
start 2026-01-05T09:00:00Z
host alice 192.0.2.10
host proxy 198.51.100.1
host bob   203.0.113.20
call one
0      alice > proxy INVITE sdp
       Subject: Lunch
+5ms   proxy > alice 100
+5ms   proxy > bob forward @f3
+490ms proxy > bob again @f4
+20ms  bob > proxy 180 @f5
+5ms   proxy > alice forward
2      bob > proxy 200 sdp
+5ms   proxy > alice forward
+5ms   alice > proxy ACK
+5ms   proxy > bob forward
9      alice > proxy BYE
+5ms   proxy > bob forward
+5ms   bob > proxy 200
+5ms   proxy > alice forward
end 70
^ request-retransmitted info certain frames=@f3,@f4,@f5
";

#[test]
fn a_script_that_a_person_wrote_is_written_so() {
    let analysis = read(SCRIPT);
    let calls: Vec<&CallSummary> = analysis.calls.iter().collect();
    assert_eq!(written(&analysis, &calls).expect("written"), SCRIPT);
}

/// What must not stand in a script as it is.
const HOSTILE: &str = "\
host alice 192.0.2.10
host bob   203.0.113.20
0 alice > bob raw
  | OPTIONS sip:bob@example.com SIP/2.0
  | Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK\\x1b[2J
  | From: \"\\xe2\\x80\\xae\" <sip:a@example.com>;tag=1
  | To: <sip:bob@example.com> # no comment
  | Call-ID: \"\\x07
  | CSeq: 1 OPTIONS
  | Subject:  two
  |   lines
  | Content-Length: 7
  |
  | a\\x00b
1 bob > alice 200
";

#[test]
fn hostile_bytes_are_escaped_and_come_back() {
    let analysis = read(HOSTILE);
    let calls: Vec<&CallSummary> = analysis.calls.iter().collect();
    let text = written(&analysis, &calls).expect("written");
    assert!(text.chars().all(|c| c == '\n' || (!c.is_control() && c != '\u{202e}')), "{text:?}");
    let bytes = |analysis: &Analysis| -> Vec<Vec<u8>> {
        let steps = analysis.calls.iter().flat_map(|call| &call.transcript);
        steps.map(|step| step.bytes.to_vec()).collect()
    };
    assert_eq!(bytes(&read(&text)), bytes(&analysis));
}

#[test]
fn what_rests_on_more_than_messages_is_no_expectation() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures/closed-udp-port.pcap");
    let analysis = analyze([path], &options()).expect("analysed");
    let calls: Vec<&CallSummary> = analysis.calls.iter().collect();
    let text = written(&analysis, &calls).expect("written");
    let end = "# These findings rest on more than the messages; the script may not show them:\n\
               # ^ icmp-unreachable error certain\n";
    assert!(text.ends_with(end) && !text.contains("\n^ icmp"), "{text}");
}

#[test]
fn a_call_without_messages_is_refused() {
    let options = Options::default();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures/busy-486.pcap");
    let analysis = analyze([path], &options).expect("analysed");
    let calls: Vec<&CallSummary> = analysis.calls.iter().collect();
    let error = written(&analysis, &calls).expect_err("nothing to write");
    assert!(matches!(error, ScriptError::NoMessages { .. }), "{error}");
}

#[test]
fn calls_with_too_many_messages_for_a_script_are_refused() {
    let mut analysis = read(SCRIPT);
    let call = analysis.calls.first_mut().expect("a call");
    let step = call.transcript.first().expect("a message").clone();
    call.transcript.resize(SCRIPT_MESSAGES_MAX + 1, step);
    let calls: Vec<&CallSummary> = analysis.calls.iter().take(1).collect();
    let error = written(&analysis, &calls).expect_err("too many");
    let told = format!("the calls have {} messages", SCRIPT_MESSAGES_MAX + 1);
    assert!(error.to_string().starts_with(&told), "{error}");
    assert!(error.to_string().ends_with(&format!("at most {SCRIPT_MESSAGES_MAX}")), "{error}");
}

#[test]
fn too_many_rtp_packets_are_left_out_of_a_script_that_says_so() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures/basic-call-udp.pcap");
    let mut analysis = analyze([path], &options()).expect("analysed");
    let place = analysis.calls.iter().position(|call| !call.streams.is_empty()).expect("RTP");
    let script_of = |analysis: &Analysis| {
        written(analysis, &[analysis.calls.get(place).expect("the call")]).expect("written")
    };
    let streams = analysis.calls[place].streams.len();
    let has_rtp = |text: &str| text.lines().any(|line| line.contains(" rtp "));
    let note = format!("# RTP streams left out, as they have too many packets: {streams}");
    let whole = script_of(&analysis);
    assert!(has_rtp(&whole) && !whole.contains(&note), "{whole}");
    analysis.calls[place].streams[0].expected = SCRIPT_PACKETS_MAX + 1;
    let text = script_of(&analysis);
    assert!(!has_rtp(&text), "{text}");
    assert!(text.contains(&note), "{text}");
    let (calls, played) = (&analysis.calls[place], read(&text));
    assert_eq!(played.calls[0].messages, calls.messages, "the messages are there");
}
