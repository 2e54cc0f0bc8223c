//! Captures made to exhaust their reader, small: what a bound leaves out is counted and named, and
//! nothing is said to be missing because of it. `tests/floods.py` has them in full size.

use std::collections::BTreeMap;
use std::io::Cursor;

use siptrace::analysis::{Analysis, Keep};
use siptrace::capture::Source;
use siptrace::catalogue::Lang;
use siptrace::pipeline::{self, Options};
use siptrace::rules::Profile;
use siptrace::{report, rules};

use crate::build::Record;
use crate::build::container::{Order, pcap_of};

/// Raw IPv4.
const LINK: u32 = 101;

const START: i64 = 1_767_603_600_000_000_000;

const SERVER: [u8; 4] = [198, 51, 100, 1];

/// A packet of IPv4.
fn ip(source: [u8; 4], destination: [u8; 4], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = (20 + payload.len() as u16).to_be_bytes();
    let mut packet = vec![0x45, 0, length[0], length[1], 0, 0, 0x40, 0, 64, protocol, 0, 0];
    packet.extend(source.into_iter().chain(destination));
    packet.extend_from_slice(payload);
    packet
}

fn udp(source: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut datagram = [5060_u16, 5060, 8 + payload.len() as u16, 0].map(u16::to_be_bytes).concat();
    datagram.extend_from_slice(payload);
    ip(source, SERVER, 17, &datagram)
}

fn tcp(source: [u8; 4], sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut segment = [5080_u16, 5060].map(u16::to_be_bytes).concat();
    segment.extend(sequence.to_be_bytes());
    segment.extend([0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend_from_slice(payload);
    ip(source, SERVER, 6, &segment)
}

fn host(number: u32) -> [u8; 4] {
    let [_, a, b, c] = number.to_be_bytes();
    [10, a, b, c]
}

fn request(method: &str, call_id: &str, number: u32, more: &str) -> String {
    format!(
        "{method} sip:bob@example.net SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{number}\r\n\
         From: <sip:alice@example.net>;tag=1\r\nTo: <sip:bob@example.net>\r\n\
         Call-ID: {call_id}\r\nCSeq: {number} {method}\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

/// The analysis of packets that follow one another in so many microseconds.
fn analyse(packets: impl IntoIterator<Item = Vec<u8>>, micros: i64) -> Analysis {
    let mut records = Vec::new();
    for (data, number) in packets.into_iter().zip(0..) {
        let nanos = START + number * micros * 1000;
        let length = data.len() as u32;
        records.push(Record { nanos, data, length });
    }
    let capture = pcap_of(Order::Little, 0xa1b2_c3d4, LINK, &records);
    let source = Source::from_reader("flood", Box::new(Cursor::new(capture)), 0);
    let options = Options {
        profile: Profile { rules: rules::ALL.to_vec(), ..Profile::default() },
        keep: Keep { calls: 1000, findings: 1000, ..Keep::default() },
        media: true,
        keys: siptrace::transport::KeyLog::default(),
        threads: Some(2),
    };
    let source = source.expect("a capture");
    pipeline::run(vec![source], &options, &|_| ()).expect("the capture can be read")
}

/// The bound is counted, and named in the JSON.
fn is_named(analysis: &Analysis, bound: &str) -> u64 {
    let count = analysis.dropped.get(bound).copied().unwrap_or_default();
    assert!(count > 0, "{bound} is not among {:?}", analysis.dropped);
    let mut json = Vec::new();
    report::json::json(analysis, Lang::En, &mut json).expect("written");
    let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(json["dropped"][bound], count);
    count
}

fn absences(analysis: &Analysis) -> BTreeMap<&'static str, usize> {
    let mut found = BTreeMap::new();
    for finding in analysis.findings.iter().filter(|finding| finding.asserts_absence) {
        *found.entry(finding.rule.name).or_default() += 1;
    }
    found
}

#[test]
fn connections_that_are_asked_for() {
    let analysis = analyse((0..70_000).map(|number| tcp(host(number), number, 2, b"")), 10);
    is_named(&analysis, "tcp-flows");
    assert_eq!(analysis.totals.sip_messages, 0);
}

#[test]
fn connections_with_an_unfinished_message_each() {
    let text = request("INVITE", "u", 1, "");
    let beginning = &text.as_bytes()[..100];
    let analysis = analyse((0..70_000).map(|number| tcp(host(number), 1, 0x18, beginning)), 10);
    is_named(&analysis, "tcp-flows");
    assert!(absences(&analysis).is_empty(), "{:?}", absences(&analysis));
}

#[test]
fn a_call_of_very_many_messages() {
    let options = (1..4500).map(|number| request("OPTIONS", "one", number, ""));
    let analysis = analyse(options.map(|text| udp(host(1), text.as_bytes())), 100_000);
    assert_eq!(is_named(&analysis, "messages-per-call"), 4499 - 4096);
    assert_eq!(analysis.totals.sip_messages, 4499);
}

#[test]
fn a_header_field_without_an_end() {
    let mut text = request("INVITE", "long", 1, "");
    text.truncate(text.find("Content-Length").expect("a header field"));
    text.push_str("X-Long: ");
    let mut packets = vec![tcp(host(1), 0, 2, b"")];
    let (mut sequence, mut piece) = (1, text.into_bytes());
    for _ in 0..1000 {
        packets.push(tcp(host(1), sequence, 0x18, &piece));
        sequence += piece.len() as u32;
        piece = vec![b'a'; 1400];
    }
    let analysis = analyse(packets, 100);
    // The bound on a message and its count are tested where streams are read.
    assert!(analysis.totals.sip_messages <= 1, "{:?}", analysis.totals);
    assert!(absences(&analysis).is_empty(), "{:?}", absences(&analysis));
}

#[test]
fn sources_of_rtp() {
    let packet = |number: u32| {
        let (ssrc, sequence) = ((number / 2).to_be_bytes(), (number % 2) as u8);
        let mut packet = vec![0x80, 0, 0, sequence, 0, 0, 0, 0];
        packet.extend(ssrc);
        packet.extend([0; 20]);
        udp(host(number / 2), &packet)
    };
    let analysis = analyse((0..220_000).map(packet), 10);
    is_named(&analysis, "rtp-streams");
}
