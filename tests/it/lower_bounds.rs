//! What a bound drops is counted, and the reports say so, on the whole way from a capture; and
//! clocks that jump neither break anything nor make findings.

use std::collections::BTreeSet;
use std::fs;
use std::io::Cursor;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use siptrace::analysis::{Analysis, Keep};
use siptrace::capture::{LinkType, Source};
use siptrace::catalogue::Lang;
use siptrace::limits::{
    DISRUPTION_BYTES_MAX, ENCAPSULATION_DEPTH_MAX, FRAGMENTED_DATAGRAMS_MAX,
    FRAGMENTS_PER_DATAGRAM_MAX, LOSSES_MAX, LOST_DATAGRAMS_MAX, MESSAGE_BYTES_MAX, NAMES_MAX,
    RECORD_BYTES_MAX, RTCP_SOURCES_MAX, RTP_RUNS_MAX, RTP_SPELLS_MAX, SCTP_FLOWS_MAX,
    TCP_FLOWS_MAX, TELEPHONE_EVENTS_MAX,
};
use siptrace::packet::Unread;
use siptrace::pipeline::{self, Options};
use siptrace::report::text::{TextOptions, Verbosity};
use siptrace::report::{self, Page};
use siptrace::rules;
use siptrace::rules::Profile;
use siptrace::transport::KeyLog;

const ALICE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const BOB: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);

const UDP: u8 = 17;
const TCP: u8 = 6;
const SCTP: u8 = 132;
const MORE: u16 = 0x2000;

/// A capture under way: raw IP packets in a pcap file.
struct Capture {
    file: Vec<u8>,
    micros: u64,
}

impl Capture {
    fn new() -> Self {
        let link = u32::from(LinkType::RAW.0);
        let header = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 1 << 20, link].map(u32::to_le_bytes);
        Self { file: header.as_flattened().to_vec(), micros: 1_700_000_000_000_000 }
    }

    /// Adds a packet, some microseconds after the one before.
    fn add(&mut self, micros: u64, packet: &[u8]) {
        self.micros += micros;
        let length = packet.len() as u32;
        let (seconds, fraction) = (self.micros / 1_000_000, self.micros % 1_000_000);
        let header = [seconds as u32, fraction as u32, length, length].map(u32::to_le_bytes);
        self.file.extend_from_slice(header.as_flattened());
        self.file.extend_from_slice(packet);
    }

    fn analysed(self) -> Analysis {
        analysed(self.file, KeyLog::default())
    }
}

fn analysed(file: Vec<u8>, keys: KeyLog) -> Analysis {
    let source = Source::from_reader("bounds", Box::new(Cursor::new(file)), 0).expect("a capture");
    analysed_source(source, keys)
}

fn analysed_source(source: Source, keys: KeyLog) -> Analysis {
    let keep = Keep { calls: 1000, findings: 1000, ladders: 1000, ..Keep::default() };
    let profile = Profile { rules: rules::ALL.to_vec(), ..Profile::default() };
    let options = Options { profile, keep, media: true, keys, threads: Some(2) };
    let analysis = pipeline::run(vec![source], &options, &|_| ()).expect("an analysis");
    assert!(analysis.failed_rules.is_empty(), "{:?}", analysis.failed_rules);
    analysis
}

/// The text report on one line.
fn text(analysis: &Analysis) -> String {
    let mut text = Vec::new();
    let page = Page { columns: 100, style: report::Style { color: false } };
    let options = TextOptions { lang: Lang::En, page, verbosity: Verbosity::Normal };
    report::text::text(analysis, &options, &mut text).expect("written");
    let text = String::from_utf8(text).expect("UTF-8");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The bounds that were reached, after both reports were held against them.
fn dropped(analysis: &Analysis) -> Vec<(&'static str, u64)> {
    let text = text(analysis);
    let mut json = Vec::new();
    report::json::json(analysis, Lang::En, &mut json).expect("written");
    let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    for (bound, count) in &analysis.dropped {
        assert_eq!(json["dropped"][bound], *count, "{bound}");
        let (words, key) = (siptrace::catalogue::labels(Lang::En), format!("dropped-{bound}"));
        let words = words.get(&key);
        assert!(text.contains(words), "the report lacks {bound}, {words}: {text}");
    }
    analysis.dropped.iter().map(|(bound, count)| (*bound, *count)).collect()
}

/// An IPv4 packet; `field` has the flags and the offset of a fragment.
fn ip(
    protocol: u8,
    [source, destination]: [Ipv4Addr; 2],
    id: u16,
    field: u16,
    data: &[u8],
) -> Vec<u8> {
    let fields = [data.len() as u16 + 20, id, field].map(u16::to_be_bytes);
    let mut packet = vec![0x45, 0];
    packet.extend_from_slice(fields.as_flattened());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(source.octets());
    packet.extend(destination.octets());
    packet.extend_from_slice(data);
    packet
}

fn udp([source, destination]: [u16; 2], payload: &[u8]) -> Vec<u8> {
    let head = [source, destination, payload.len() as u16 + 8, 0].map(u16::to_be_bytes);
    [head.as_flattened(), payload].concat()
}

fn tcp([source, destination]: [u16; 2], sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut segment = [source, destination].map(u16::to_be_bytes).as_flattened().to_vec();
    segment.extend(sequence.to_be_bytes());
    segment.extend([0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend_from_slice(payload);
    segment
}

fn rtp(payload_type: u8, sequence: u16, timestamp: u32, media: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type];
    packet.extend(sequence.to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend(7_u32.to_be_bytes());
    packet.extend_from_slice(media);
    packet
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A request that asks for nothing.
fn options(call_id: &str, transport: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "OPTIONS sip:bob@198.51.100.2 SIP/2.0\r\n\
         Via: SIP/2.0/{transport} 192.0.2.1;branch=z9hG4bK{call_id}\r\nMax-Forwards: 70\r\n\
         From: <sip:alice@192.0.2.1>;tag=a\r\nTo: <sip:bob@198.51.100.2>\r\n\
         Call-ID: {call_id}\r\nCSeq: 1 OPTIONS\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Fragments of datagrams that begin like SIP and never become whole.
#[test]
fn fragments_beyond_the_bounds_are_told() {
    let mut capture = Capture::new();
    let begun = udp([5060, 5060], &options("a", "UDP", b""));
    let more = 300;
    for id in 0..(FRAGMENTED_DATAGRAMS_MAX + more) as u16 {
        capture.add(100, &ip(UDP, [ALICE, BOB], id, MORE, &begun[..64]));
    }
    for unit in 0..FRAGMENTS_PER_DATAGRAM_MAX as u16 + 9 {
        capture.add(100, &ip(UDP, [BOB, ALICE], 1, MORE | (unit * 2), &begun[..8]));
    }
    let analysis = capture.analysed();
    // The last datagram pushed out one more.
    let lost = FRAGMENTED_DATAGRAMS_MAX + more + 1;
    let expected = [
        ("fragmented-packets", more as u64 + 1),
        ("fragments", 9),
        ("losses", (lost - LOST_DATAGRAMS_MAX) as u64),
    ];
    assert_eq!(dropped(&analysis), expected);
    assert!(lost < LOSSES_MAX);
}

#[test]
fn what_a_capture_says_beyond_the_bounds_is_told() {
    let block = |kind: u32, body: &[u8]| {
        let length = (body.len() as u32 + 12).to_le_bytes();
        [&kind.to_le_bytes()[..], &length, body, &length].concat()
    };
    let section = [&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat();
    let interface = [u32::from(LinkType::RAW.0), 0].map(u32::to_le_bytes);
    let names = [&[1, 0, 0x64, 0xea, 192, 0, 2, 1][..], &b"a\0".repeat(30_000)].concat();
    let names = block(4, &names).repeat(3);
    let packet = ip(UDP, [ALICE, BOB], 0, 0, &udp([5060, 5060], &options("a", "UDP", b"x\r\n")));
    let length = packet.len() as u32;
    let padded = [&packet[..], &vec![0; packet.len().next_multiple_of(4) - packet.len()]].concat();
    let fields = [0, 0, 1_000_000, length, length].map(u32::to_le_bytes);
    let packet = block(6, &[fields.as_flattened(), &padded].concat());
    let file = [block(0x0a0d_0d0a, &section), block(1, interface.as_flattened()), names, packet];
    let analysis = analysed(file.concat(), KeyLog::default());
    assert_eq!(analysis.totals.sip_messages, 1);
    assert_eq!(dropped(&analysis), [("names", 90_000 - NAMES_MAX as u64)]);
}

#[test]
fn headers_inside_headers_beyond_the_bound_are_told() {
    let inner = ip(UDP, [ALICE, BOB], 0, 0, &udp([5060, 5060], &options("a", "UDP", b"")));
    let tunnels = |count: usize| {
        (0..count).fold(inner.clone(), |packet, _| ip(4, [ALICE, BOB], 0, 0, &packet))
    };
    // A fragment in a packet that was put together of one, and so on; each packet has two.
    let in_fragments = |count: u16| {
        let whole = |packet: Vec<u8>, id: u16| {
            let (first, rest) = packet.split_at(8);
            let first = ip(4, [ALICE, BOB], id, MORE, first);
            vec![first, ip(4, [ALICE, BOB], id, 1, rest)]
        };
        (0..count).fold(vec![inner.clone()], |packets, level| {
            let ids = level * 1000..;
            packets.into_iter().zip(ids).flat_map(|(packet, id)| whole(packet, id)).collect()
        })
    };
    for (packets, messages, too_deep) in [
        (vec![tunnels(ENCAPSULATION_DEPTH_MAX - 1)], 1, 0),
        (vec![tunnels(ENCAPSULATION_DEPTH_MAX + 1)], 0, 1),
        (in_fragments(4), 1, 0),
    ] {
        let mut capture = Capture::new();
        packets.iter().for_each(|packet| capture.add(100, packet));
        let analysis = capture.analysed();
        assert_eq!(analysis.totals.sip_messages, messages);
        assert_eq!(analysis.unread.get(&Unread::TooDeep).copied().unwrap_or_default(), too_deep);
        assert_eq!(dropped(&analysis), []);
        let is_told = text(&analysis).contains("Frames with too many headers inside headers: 1");
        assert_eq!(is_told, too_deep > 0);
    }
}

#[test]
fn a_record_that_claims_more_than_any_is_told() {
    let mut capture = Capture::new();
    let packet = ip(UDP, [ALICE, BOB], 0, 0, &udp([5060, 5060], &options("a", "UDP", b"")));
    capture.add(0, &packet);
    let at = capture.file.len();
    let length = RECORD_BYTES_MAX as u32 + 1;
    let header = [1_700_000_000, 0, length, length].map(u32::to_le_bytes);
    capture.file.extend_from_slice(header.as_flattened());
    (0..9).for_each(|_| capture.add(100, &packet));
    let analysis = capture.analysed();
    assert_eq!(analysis.totals.frames, 10);
    let told = format!("Damaged and passed over: 16 bytes from offset {at}");
    assert!(text(&analysis).contains(&told), "{}", text(&analysis));
}

#[test]
fn keys_beyond_the_bound_are_told() {
    let mut keys = KeyLog::with_room_for(2);
    for number in 0..5 {
        let line = format!("CLIENT_RANDOM {} 00\n", format!("{number:02}").repeat(32));
        keys.add(line.as_bytes(), None);
    }
    let mut capture = Capture::new();
    capture.add(0, &ip(UDP, [ALICE, BOB], 0, 0, &udp([5060, 5060], &options("a", "UDP", b""))));
    assert_eq!(dropped(&analysed(capture.file, keys)), [("key-lines", 3)]);
}

/// Nobody is to blame for a message that is too long for this program.
#[test]
fn a_message_on_tcp_that_is_too_long_is_told_and_blames_nobody() {
    let bodies = [MESSAGE_BYTES_MAX - 1000, MESSAGE_BYTES_MAX + 2].map(|length| {
        let mut body = vec![b'x'; length - 2];
        body.extend(b"\r\n");
        body
    });
    for body in bodies {
        let mut capture = Capture::new();
        let messages = [options("a", "TCP", &body), options("b", "TCP", b"")].concat();
        let mut sequence = 1000;
        capture.add(0, &ip(TCP, [ALICE, BOB], 0, 0, &tcp([40_000, 5060], 999, 2, b"")));
        for piece in messages.chunks(1400) {
            let segment = tcp([40_000, 5060], sequence, 0x10, piece);
            capture.add(100, &ip(TCP, [ALICE, BOB], 0, 0, &segment));
            sequence += piece.len() as u32;
        }
        let analysis = capture.analysed();
        assert_eq!(analysis.totals.sip_messages, 2);
        let is_long = body.len() > MESSAGE_BYTES_MAX;
        assert_eq!(dropped(&analysis), if is_long { vec![("tcp-too-long", 1)] } else { vec![] });
        let named = |name: &str| analysis.findings.iter().any(|found| found.rule.name == name);
        assert!(!named("content-length-mismatch") && !named("capture-truncated-messages"));
    }
}

#[test]
fn flows_beyond_the_bound_are_told() {
    let host = |number: u32| Ipv4Addr::from_bits(0x0a00_0000 | number);
    let mut capture = Capture::new();
    let more = 40_000;
    for number in 0..TCP_FLOWS_MAX as u32 + more {
        let segment = tcp([40_000, 5060], 1, 2, b"");
        capture.add(10, &ip(TCP, [host(number), BOB], 0, 0, &segment));
    }
    let begun = options("a", "SCTP", b"");
    let chunk = |data: &[u8]| {
        let mut chunk = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2].to_vec();
        chunk[..4].copy_from_slice(&[5060_u16.to_be_bytes(), 5060_u16.to_be_bytes()].concat());
        chunk.extend((data.len() as u16 + 16).to_be_bytes());
        chunk.extend([0; 12]);
        [&chunk, data].concat()
    };
    // The first fragment of a message, and nothing else.
    let fragment = chunk(&begun[..40]);
    for number in 0..SCTP_FLOWS_MAX as u32 + more {
        capture.add(10, &ip(SCTP, [host(number), BOB], 0, 0, &fragment));
    }
    let analysis = capture.analysed();
    let dropped = dropped(&analysis);
    let names: Vec<_> = dropped.iter().map(|(bound, _)| *bound).collect();
    assert_eq!(names, ["sctp-flows", "sctp-unfinished", "tcp-flows"]);
    let counts: Vec<_> = dropped.iter().map(|(_, count)| *count).collect();
    let more = u64::from(more);
    assert!(counts[0] >= more && counts[2] >= more, "{dropped:?}");
    assert_eq!(counts[1], SCTP_FLOWS_MAX as u64 + more, "none became whole");
}

#[test]
fn a_quote_that_is_longer_than_an_error_can_be_is_told() {
    let sip = options(&"a".repeat(DISRUPTION_BYTES_MAX), "UDP", b"");
    let quoted = ip(UDP, [ALICE, BOB], 0, 0, &udp([5060, 5060], &sip));
    let mut capture = Capture::new();
    capture.add(0, &ip(1, [BOB, ALICE], 0, 0, &[&[3, 3, 0, 0, 0, 0, 0, 0][..], &quoted].concat()));
    assert_eq!(dropped(&capture.analysed()), [("disruptions", 1)]);
}

#[test]
fn what_streams_have_beyond_the_bounds_is_told() {
    let mut capture = Capture::new();
    let mut add = |micros: u64, port: u16, payload: &[u8]| {
        capture.add(micros, &ip(UDP, [ALICE, BOB], 0, 0, &udp([port, 9000], payload)));
    };
    for number in 0..100 {
        add(1_000_000, 7000, &rtp(0, number, u32::from(number) * 160, &[0; 160]));
    }
    for number in 0..200 {
        add(20_000, 7002, &rtp((number % 2) as u8 * 8, number, u32::from(number) * 160, &[0; 160]));
    }
    for number in 0..200 {
        add(20_000, 7004, &rtp(101, number, u32::from(number) * 8000, b"\x05\x8a\x01\xe0"));
    }
    for source in 0..30 {
        add(20_000, 7001, &words(&[0x80c8_0006, source, 1, 0, 0, 100, 16_000]));
    }
    let expected = [
        ("rtcp-sources", 30 - RTCP_SOURCES_MAX as u64),
        ("rtp-runs", 200 - RTP_RUNS_MAX as u64),
        ("rtp-spells", 100 - RTP_SPELLS_MAX as u64),
        ("telephone-events", 200 - TELEPHONE_EVENTS_MAX as u64),
    ];
    assert_eq!(dropped(&capture.analysed()), expected);
}

/// All Rust files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the sources are readable").flatten();
    let of = |path: PathBuf| match path.is_dir() {
        true => sources(&path),
        false => vec![path],
    };
    let files = entries.flat_map(|entry| of(entry.path()));
    files.filter(|path| path.extension().is_some_and(|end| end == "rs")).collect()
}

/// The first word in quotes behind each of the marks.
fn words_behind(text: &str, mark: &str) -> Vec<String> {
    let behind = text.split(mark).skip(1);
    let words = behind.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()));
    words.filter(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-')).collect()
}

#[test]
fn whatever_a_bound_drops_has_words_in_every_language() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = BTreeSet::new();
    for path in sources(&root.join("src")) {
        let text = fs::read_to_string(&path).expect("UTF-8");
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for mark in [".drop(\"", "dropped.insert(\"", "dropped.entry(\""] {
            names.extend(words_behind(text, mark));
        }
        let bounds = text.split("fn dropped_by_bounds").nth(1).unwrap_or_default();
        let bounds = bounds.split("\n    }").next().unwrap_or_default();
        names.extend(words_behind(bounds, "(\""));
    }
    assert!(names.len() > 30, "the sources were not understood: {names:?}");
    for lang in ["en", "fr", "ja", "pt"] {
        let path = root.join("src/catalogue").join(lang).join("labels.md");
        let labels = fs::read_to_string(path).expect("the labels are readable");
        for name in &names {
            let line = format!("\n- dropped-{name}: ");
            assert!(labels.contains(&line), "labels.md of {lang} lacks dropped-{name}");
        }
    }
}

/// A recorded pcap file of which the clock is changed: number of the frame and its seconds, which
/// become others.
fn with_clock(file: &[u8], clock: &dyn Fn(usize, u32) -> u32) -> Vec<u8> {
    let mut file = file.to_vec();
    let mut at = 24;
    let mut number = 0;
    while let Some(header) = file.get(at..at + 16) {
        let word = |place: usize| <[u8; 4]>::try_from(&header[place..place + 4]).expect("four");
        let seconds = clock(number, u32::from_le_bytes(word(0)));
        let length = u32::from_le_bytes(word(8)) as usize;
        file[at..at + 4].copy_from_slice(&seconds.to_le_bytes());
        at += 16 + length;
        number += 1;
    }
    file
}

fn rules_of(analysis: &Analysis) -> BTreeSet<&'static str> {
    analysis.findings.iter().map(|finding| finding.rule.name).collect()
}

/// Back by hours, to the epoch, far into the future, there and back again, and for one frame only.
#[test]
fn clocks_that_jump_break_nothing() {
    type Clock<'c> = (&'c str, &'c dyn Fn(usize, u32) -> u32);
    let clocks: [Clock<'_>; 6] = [
        ("back", &|number, seconds| if number < 20 { seconds } else { seconds - 7200 }),
        ("epoch", &|number, seconds| if number < 20 { seconds } else { 0 }),
        ("future", &|number, seconds| if number < 20 { seconds } else { u32::MAX }),
        ("to and fro", &|number, _| if number % 2 == 0 { 0 } else { u32::MAX }),
        ("one late", &|number, seconds| if number == 15 { u32::MAX } else { seconds }),
        ("one early", &|number, seconds| if number == 15 { 0 } else { seconds }),
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures");
    for name in ["basic-call-udp", "basic-call-tcp", "fragment-lost", "dtmf-rfc4733", "auth-call"] {
        let file = fs::read(root.join(name).with_extension("pcap")).expect("a capture");
        assert_eq!(file[..4], [0xd4, 0xc3, 0xb2, 0xa1], "{name}");
        let plain = analysed(file.clone(), KeyLog::default());
        for (which, clock) in &clocks {
            // Of a pipe, calls are closed by what was at hand.
            let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bounds-clock.pcap");
            fs::write(&path, with_clock(&file, clock)).expect("room for a file");
            let source = Source::open(&path, 0).expect("a capture");
            let analysis = analysed_source(source, KeyLog::default());
            let (totals, known) = (&analysis.totals, &plain.totals);
            assert_eq!(totals.sip_messages, known.sip_messages, "{name}, {which}");
            assert_eq!(totals.frames, known.frames, "{name}, {which}");
            assert_eq!(totals.call_ids, known.call_ids, "{name}, {which}");
            // A BYE in another year ends a long talk, one of an hour ago none at all, and what was
            // after the call may be in it; besides that, nobody is blamed.
            let mut new = &rules_of(&analysis) - &rules_of(&plain);
            let times = ["capture-time-disorder", "capture-partial-dialogs"];
            for told in times.into_iter().chain(["no-rtp", "short-call", "icmp-unreachable"]) {
                new.remove(told);
            }
            assert!(new.is_empty(), "{name}, {which}: {new:?}");
        }
    }
}
