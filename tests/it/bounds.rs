//! What a bound drops is told by every report, and is never taken for what did not happen.

use std::io::Cursor;

use siptrace::analysis::{Analysis, Keep};
use siptrace::capture::Source;
use siptrace::catalogue::Lang;
use siptrace::limits::{
    FORMATS_PER_MEDIA_MAX, HEADERS_PER_MESSAGE_MAX, LINKS_PER_LEG_MAX, MEDIA_PER_SDP_MAX,
    MESSAGES_PER_CALL_MAX, STREAMS_LISTED_MAX,
};
use siptrace::pipeline::{self, Options};
use siptrace::report::text::{TextOptions, Verbosity};
use siptrace::report::{self, Outcome, Page};
use siptrace::rules::{self, Profile};

use crate::build::container::{Order, pcap_of};
use crate::build::{Record, ip};

/// Raw IPv4.
const LINK: u32 = 101;

const CLIENT: [u8; 4] = [192, 0, 2, 1];
const SERVER: [u8; 4] = [198, 51, 100, 1];

/// A message: milliseconds, whether the server sends it, and its text.
type Line = (u32, bool, String);

fn capture(lines: &[Line]) -> Vec<u8> {
    let start = 1_767_603_600_000_000_000;
    let records: Vec<_> = lines
        .iter()
        .map(|(millis, is_back, text)| {
            let [from, to] = if *is_back { [SERVER, CLIENT] } else { [CLIENT, SERVER] };
            let data = ip::sip(from, to, text.as_bytes());
            let length = u32::try_from(data.len()).expect("a packet");
            Record { nanos: start + i64::from(*millis) * 1_000_000, data, length }
        })
        .collect();
    pcap_of(Order::Little, 0xa1b2_c3d4, LINK, &records)
}

fn analyse_keeping(lines: &[Line], keep: Keep) -> Analysis {
    analyse_bytes(capture(lines), keep)
}

fn analyse_bytes(bytes: Vec<u8>, keep: Keep) -> Analysis {
    let bytes = Box::new(Cursor::new(bytes));
    let source = Source::from_reader("bounds.pcap", bytes, 0).expect("a capture");
    let options = Options {
        profile: Profile { rules: rules::ALL.to_vec(), ..Profile::default() },
        keep,
        media: true,
        keys: siptrace::transport::KeyLog::default(),
        threads: Some(2),
    };
    pipeline::run(vec![source], &options, &|_| ()).expect("analysed")
}

fn analyse(lines: &[Line]) -> Analysis {
    analyse_keeping(lines, Keep { calls: 100, findings: 100, ladders: 10, ..Keep::default() })
}

fn message(start: &str, call_id: &str, (number, method): (u32, &str), more: &str) -> String {
    let is_inside = start.starts_with("SIP/2.0") || matches!(method, "ACK" | "INFO" | "BYE");
    let to_tag = if is_inside { ";tag=b" } else { "" };
    let body = more.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let end = if more.contains("\r\n\r\n") { "" } else { "\r\n" };
    format!(
        "{start}\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{call_id}{method}{number}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:a@example.com>;tag=a\r\nTo: <sip:b@example.com>{to_tag}\r\n\
         Call-ID: {call_id}\r\nCSeq: {number} {method}\r\nContent-Length: {}\r\n{more}{end}",
        body.len()
    )
}

fn request(method: &str, call_id: &str, number: u32, more: &str) -> String {
    let contact = format!("Contact: <sip:a@192.0.2.1>\r\n{more}");
    message(&format!("{method} sip:b@198.51.100.1 SIP/2.0"), call_id, (number, method), &contact)
}

fn ok(method: &str, call_id: &str, number: u32, more: &str) -> String {
    let contact = format!("Contact: <sip:b@198.51.100.1>\r\n{more}");
    message("SIP/2.0 200 OK", call_id, (number, method), &contact)
}

/// Signs of life after what a test is about, so that the capture goes on.
fn alive(from: u32, to: u32) -> Vec<Line> {
    let seconds = (from..to).step_by(20);
    let both = |second: u32| {
        let (asked, told) =
            (request("OPTIONS", "alive", second, ""), ok("OPTIONS", "alive", second, ""));
        [(second * 1000, false, asked), (second * 1000 + 5, true, told)]
    };
    seconds.flat_map(both).collect()
}

fn names(analysis: &Analysis) -> Vec<&'static str> {
    analysis.findings.iter().map(|finding| finding.rule.name).collect()
}

/// Text, JSON and SARIF tell what a bound dropped.
fn assert_told(analysis: &Analysis, bound: &str, count: u64) {
    assert_eq!(analysis.dropped.get(bound), Some(&count), "{:?}", analysis.dropped);
    let written = |write: &dyn Fn(&mut Vec<u8>) -> std::io::Result<()>| {
        let mut out = Vec::new();
        write(&mut out).expect("memory takes everything");
        String::from_utf8(out).expect("UTF-8")
    };
    for lang in [Lang::En, Lang::Fr, Lang::Ja, Lang::Pt] {
        let words = siptrace::catalogue::labels(lang);
        let key = format!("dropped-{bound}");
        let label = words.get(&key).to_owned();
        assert_ne!(label, key, "no label in {lang:?}");
        let said = words.pair(&label, &words.count(count));
        let page = Page::plain(400);
        let options = TextOptions { lang, page, verbosity: Verbosity::Normal };
        let text = written(&|out| report::text::text(analysis, &options, out));
        assert!(text.contains(&said), "{said:?} is not in\n{text}");
        let sarif = written(&|out| report::sarif::sarif(&Outcome::of(analysis), lang, out));
        let sarif: serde_json::Value = serde_json::from_str(&sarif).expect("JSON");
        let told = &sarif["runs"][0]["invocations"][0]["toolExecutionNotifications"];
        let mut told = told.as_array().expect("notifications").iter();
        assert!(told.any(|own| own["message"]["text"] == said.as_str()), "{said:?}");
    }
    let json = written(&|out| report::json::json(analysis, Lang::En, out));
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["dropped"][bound], count);
}

/// Messages of one call: an INVITE that is answered, and INFO after INFO, answered as well.
fn long_call(infos: u32) -> Vec<Line> {
    let mut lines = vec![
        (0, false, request("INVITE", "long", 1, "")),
        (100, true, ok("INVITE", "long", 1, "")),
        (200, false, request("ACK", "long", 1, "")),
    ];
    for number in 0..infos {
        let millis = 1000 + number * 100;
        lines.push((millis, false, request("INFO", "long", number + 2, "")));
        lines.push((millis + 10, true, ok("INFO", "long", number + 2, "")));
    }
    let end = 1000 + infos * 100;
    lines.push((end, false, request("BYE", "long", infos + 2, "")));
    lines.push((end + 10, true, ok("BYE", "long", infos + 2, "")));
    lines
}

#[test]
fn an_answer_beyond_the_bound_of_a_call_is_not_missing() {
    let infos = u32::try_from(MESSAGES_PER_CALL_MAX / 2 + 50).expect("a small number");
    let mut lines = long_call(infos);
    assert_eq!(lines.len() % 2, 1, "a request is the last one that is kept");
    lines.extend(alive(400, 1000));
    let analysis = analyse(&lines);
    let beyond = 2 * u64::from(infos) + 5 - MESSAGES_PER_CALL_MAX as u64;
    assert_told(&analysis, "messages-per-call", beyond);
    assert_eq!(analysis.totals.sip_messages, lines.len() as u64, "all are counted");
    let wrong = ["request-no-response", "bye-no-response", "missing-ack-2xx"];
    let found = names(&analysis);
    assert!(!found.iter().any(|name| wrong.contains(name)), "{found:?}");
}

#[test]
fn a_registration_whose_call_goes_on_beyond_the_bound_has_not_lapsed() {
    let register = |round: u32| {
        let (asked, told) = ("Expires: 60\r\n", "Contact: <sip:a@192.0.2.1>;expires=60\r\n");
        let answer = message("SIP/2.0 200 OK", "device", (round, "REGISTER"), told);
        let request = request("REGISTER", "device", round, asked);
        [(round * 30_000, false, request), (round * 30_000 + 10, true, answer)]
    };
    let rounds = u32::try_from(MESSAGES_PER_CALL_MAX / 2 + 20).expect("a small number");
    let mut lines: Vec<_> = (1..=rounds).flat_map(register).collect();
    lines.extend(alive(rounds * 30, rounds * 30 + 1000));
    let analysis = analyse(&lines);
    assert_told(&analysis, "messages-per-call", 40);
    // What was registered last may end when the capture does, and nothing before did.
    assert!(!names(&analysis).contains(&"registration-lapsed"), "{:?}", names(&analysis));
    let ended: Vec<_> = (1..=100).flat_map(register).chain(alive(3000, 4000)).collect();
    assert!(names(&analyse(&ended)).contains(&"registration-lapsed"), "else it proves nothing");
}

#[test]
fn what_a_message_has_beyond_its_bounds_is_told() {
    let headers = "X-Padding: 1\r\n".repeat(HEADERS_PER_MESSAGE_MAX);
    let lines = [(0, false, request("OPTIONS", "headers", 1, &headers))];
    assert_told(&analyse(&lines), "headers-per-message", 1);
    let sdp = "Content-Type: application/sdp\r\n\r\nv=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n\
               c=IN IP4 192.0.2.1\r\nt=0 0\r\n";
    let media = "m=audio 4000 RTP/AVP 0\r\n".repeat(MEDIA_PER_SDP_MAX + 1);
    let lines = [(0, false, request("INVITE", "media", 1, &format!("{sdp}{media}")))];
    assert_told(&analyse(&lines), "media-per-sdp", 1);
    let formats = " 0".repeat(FORMATS_PER_MEDIA_MAX + 1);
    let media = format!("m=audio 4000 RTP/AVP{formats}\r\n");
    let lines = [(0, false, request("INVITE", "formats", 1, &format!("{sdp}{media}")))];
    assert_told(&analyse(&lines), "formats-per-media", 1);
}

#[test]
fn what_ties_a_call_to_others_beyond_the_bounds_is_told() {
    let named: String = (0..20).map(|other| format!("X-CID: other{other}\r\n")).collect();
    let mut analysis = analyse(&[(0, false, request("INVITE", "named", 1, &named))]);
    let linked = analysis.calls.first().map(|call| call.linked.len());
    assert_eq!(linked, Some(LINKS_PER_LEG_MAX));
    assert_told(&analysis, "links", 20 - LINKS_PER_LEG_MAX as u64);
    assert_told(&analysis, "leg-values", 1);
    // Only a run that tells on the way has these.
    for bound in ["legs-told", "findings-compared"] {
        analysis.dropped.insert(bound, 5);
        assert_told(&analysis, bound, 5);
    }
}

#[test]
fn findings_and_transcripts_beyond_the_bound_are_told() {
    let unanswered = |number: u32| {
        let call_id = format!("call{number}");
        (number * 10, false, request("INVITE", &call_id, 1, ""))
    };
    let mut lines: Vec<_> = (0..200).map(unanswered).collect();
    lines.extend(alive(60, 400));
    let all = analyse(&lines);
    let found = all.findings.iter().filter(|own| own.call_id.is_some()).count();
    assert!(found >= 200, "{found}");
    let keep = Keep { calls: 1000, findings: 5, ladders: 1, ..Keep::default() };
    let few = analyse_keeping(&lines, keep.clone());
    let dropped = few.dropped.get("findings").copied().unwrap_or_default();
    assert!(dropped > 0 && !few.is_judged_by_all());
    assert_told(&few, "findings", dropped);
    let messages = analyse_keeping(&lines, Keep { transcripts: 5000, ..keep });
    let kept = messages.calls.iter().filter(|call| !call.transcript.is_empty()).count() as u64;
    assert!(kept > 0);
    assert_told(&messages, "transcripts", messages.calls.len() as u64 - kept);
}

#[test]
fn streams_beyond_the_bound_are_told() {
    let beyond = 3;
    let streams = (0..u32::try_from(STREAMS_LISTED_MAX + beyond).expect("a small number"))
        .flat_map(|stream| (0..8_u16).map(move |packet| (stream, packet)));
    let record = |(stream, packet): (u32, u16)| {
        let mut rtp = vec![0x80, 0];
        rtp.extend(packet.to_be_bytes());
        rtp.extend((u32::from(packet) * 160).to_be_bytes());
        rtp.extend((stream + 1).to_be_bytes());
        rtp.extend([0x55; 160]);
        let [_, _, high, low] = stream.to_be_bytes();
        let mut data = ip::sip([10, 0, high, low], [10, 1, high, low], &rtp);
        // Both ports are those of RTP.
        data[20..24].copy_from_slice(&[0x40, 0, 0x40, 0]);
        let nanos = 1_767_603_600_000_000_000 + i64::from(packet) * 20_000_000;
        let length = u32::try_from(data.len()).expect("a packet");
        Record { nanos, data, length }
    };
    let mut records: Vec<_> = streams.map(record).collect();
    records.sort_by_key(|record| record.nanos);
    let bytes = pcap_of(Order::Little, 0xa1b2_c3d4, LINK, &records);
    let analysis = analyse_bytes(bytes, Keep { calls: 10, ..Keep::default() });
    assert_eq!(analysis.totals.rtp_streams, (STREAMS_LISTED_MAX + beyond) as u64);
    assert_eq!(analysis.streams.len(), STREAMS_LISTED_MAX);
    assert_told(&analysis, "streams-listed", beyond as u64);
}
