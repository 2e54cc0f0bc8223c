//! The messages of RFC 4475, and damaged copies of them, as captures over UDP and TCP: none of them
//! is lost, and none takes others with it.
//!
//! The messages are read from the folder beside the repository; a few of the same kinds stand here.

use std::fs;
use std::io::Cursor;

use siptrace::sip::head;
use siptrace::{Analysis, Options, analyze_reader};

use crate::build::container::pcap;
use crate::build::{Capture, Record, ip, link};
use crate::mutate::{Random, damage};
use crate::shared;

/// A message that nothing is wrong with, with a Call-ID of its own.
fn sentinel(number: usize) -> Vec<u8> {
    format!(
        "OPTIONS sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK{number}\r\n\
         From: <sip:a@h>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: sentinel-{number}\r\n\
         CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

/// Name and bytes of each message: those of the RFC where they are at hand, and some of our own
/// that break what frames a message.
fn messages() -> Vec<(String, Vec<u8>)> {
    let own: [(&str, &str); 8] = [
        (
            "longer body told",
            "Content-Type: application/sdp\r\nContent-Length: 9999\r\n\r\nv=0\r\n",
        ),
        ("shorter body told", "Content-Type: application/sdp\r\nContent-Length: 3\r\n\r\nv=0\r\n"),
        ("negative length", "Content-Length: -999\r\n\r\nv=0\r\n"),
        ("absurd length", "l: 99999999999999999999999999\r\n\r\nv=0\r\n"),
        ("two lengths", "Content-Length: 5\r\nl: 70\r\n\r\nv=0\r\n"),
        ("no length", "Subject: x\r\n\r\n"),
        ("line feeds only", "l: 0\n\n"),
        ("empty warning", "Warning:\r\nWarning: \r\nl: 0\r\n\r\n"),
    ];
    let own = own.iter().enumerate().map(|(number, (name, rest))| {
        let head = format!(
            "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKo{number}\r\n\
             From: <sip:a@h>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: own-{number}\r\n\
             CSeq: 1 INVITE\r\n{rest}"
        );
        ((*name).to_owned(), head.into_bytes())
    });
    let mut found: Vec<_> = own.collect();
    if let Some(folder) = shared::path("captures/torture/rfc4475") {
        let files = fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
        let mut files: Vec<_> =
            files.filter(|p| p.extension().is_some_and(|e| e == "dat")).collect();
        files.sort();
        assert!(files.len() >= 50);
        found.extend(files.into_iter().map(|path| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            (name, fs::read(path).expect("a readable file"))
        }));
    }
    found
}

/// IP packets from 192.0.2.1 to 192.0.2.2, ten milliseconds apart.
fn capture(packets: Vec<(u8, Vec<u8>)>) -> Capture {
    let mut model = vec![0x45, 0, 0, 0, 0, 1, 0, 0, 64, 17, 0, 0];
    model.extend([192, 0, 2, 1, 192, 0, 2, 2]);
    let records = packets.iter().zip(0..).map(|((protocol, payload), number)| {
        let data = ip::with_payload(&model, *protocol, payload);
        let nanos = 1_700_000_000_000_000_000 + number * 10_000_000;
        Record { nanos, length: data.len() as u32, data }
    });
    Capture { link: link::RAW, records: records.collect() }
}

fn datagram(message: &[u8]) -> (u8, Vec<u8>) {
    (17, ip::udp(5060, message))
}

const SYN: u8 = 0x02;
const DATA: u8 = 0x18;
const FIN: u8 = 0x11;

/// One connection, opened and closed, with its bytes in segments of that size.
fn connection(port: u16, bytes: &[u8], size: usize) -> Vec<(u8, Vec<u8>)> {
    connection_of(port, &bytes.chunks(size).collect::<Vec<_>>())
}

/// One connection, opened and closed, with these segments.
fn connection_of(port: u16, segments: &[&[u8]]) -> Vec<(u8, Vec<u8>)> {
    let segment = |sequence: u32, flags: u8, bytes: &[u8]| {
        let ports = [port, 5060].map(u16::to_be_bytes);
        let rest = [0, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0];
        (6, [ports.as_flattened(), &sequence.to_be_bytes(), &rest, bytes].concat())
    };
    let mut packets = vec![segment(999, SYN, &[])];
    let mut sequence = 1000;
    for piece in segments {
        packets.push(segment(sequence, DATA, piece));
        sequence += piece.len() as u32;
    }
    packets.push(segment(sequence, FIN, &[]));
    packets
}

fn analysed(capture: &Capture) -> Analysis {
    let bytes = pcap(capture);
    let options = Options::default().threads(1);
    let analysis = analyze_reader("torture", Cursor::new(bytes), &options).expect("a capture");
    assert!(analysis.failed_rules.is_empty(), "{:?}", analysis.failed_rules);
    analysis
}

/// How many of the sentinels were found.
fn sentinels(analysis: &Analysis) -> usize {
    analysis.calls.iter().filter(|call| call.call_id.starts_with("sentinel-")).count()
}

/// Messages that one of these is in a stream: octets beyond the end of a datagram are the next
/// message there (RFC 4475, section 3.1.1.8).
fn in_stream(name: &str) -> u64 {
    if name == "dblreq" { 2 } else { 1 }
}

#[test]
fn each_datagram_is_a_message() {
    let messages = messages();
    let packets = messages.iter().map(|(_, bytes)| datagram(bytes)).collect();
    let analysis = analysed(&capture(packets));
    assert_eq!(analysis.totals.sip_messages + analysis.totals.copies, messages.len() as u64);
}

#[test]
fn each_connection_gives_its_message_however_it_was_cut() {
    for (name, bytes) in messages() {
        for size in [1, 7, 100, 536, 65_000] {
            let analysis = analysed(&capture(connection(40_000, &bytes, size)));
            assert_eq!(analysis.totals.sip_messages, in_stream(&name), "{name} by {size}");
        }
    }
}

#[test]
fn a_message_takes_no_other_with_it() {
    for (name, bytes) in messages() {
        for size in [11, 536, 65_000] {
            let stream = [&sentinel(1)[..], &bytes, &sentinel(2), &sentinel(3)].concat();
            let analysis = analysed(&capture(connection(40_000, &stream, size)));
            assert_eq!(sentinels(&analysis), 3, "{name} by {size}");
            assert_eq!(analysis.totals.sip_messages, 3 + in_stream(&name), "{name} by {size}");
        }
    }
}

#[test]
fn all_on_one_connection_are_found() {
    let messages = messages();
    let mut random = Random(0x4475);
    for round in 0..8 {
        let mut order: Vec<_> = messages.iter().collect();
        for last in (1..order.len()).rev() {
            order.swap(last, random.below(last + 1));
        }
        let expected: u64 = order.iter().map(|(name, _)| in_stream(name)).sum();
        let stream = order.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect::<Vec<u8>>();
        let size = 1 + random.below(2000);
        let analysis = analysed(&capture(connection(40_000, &stream, size)));
        let found = analysis.totals.sip_messages + analysis.totals.copies;
        assert_eq!(found, expected, "round {round}, by {size}");
    }
}

/// What remains of a message after damage is still one, as long as it has a whole start line.
#[test]
fn damaged_copies_are_not_lost() {
    const COPIES: usize = 40;

    let messages = messages();
    let mut random = Random(0x0bad_4475);
    for (name, bytes) in &messages {
        let mut damaged = Vec::new();
        while damaged.len() < COPIES {
            let mut copy = bytes.clone();
            damage(&mut copy, &mut random);
            copy.truncate(60_000);
            if head(&copy).is_some() {
                damaged.push(copy);
            }
        }
        let packets = damaged.iter().map(|copy| datagram(copy)).collect();
        let analysis = analysed(&capture(packets));
        let found = analysis.totals.sip_messages + analysis.totals.copies;
        assert_eq!(found, COPIES as u64, "{name} over UDP");

        // Each message in a segment of its own, all in one, and cut anywhere: there the end that a
        // wrong length tells may be that of a segment, too, and then nothing contradicts it.
        for layout in 0..3 {
            let mut packets = Vec::new();
            for (copy, number) in damaged.iter().zip(0..) {
                let (before, after) = (sentinel(number * 2), sentinel(number * 2 + 1));
                let parts = [&before[..], copy, b"\r\n\r\n", &after];
                let (stream, port) = (parts.concat(), 40_000 + number as u16);
                packets.extend(match layout {
                    0 => connection_of(port, &parts),
                    1 => connection(port, &stream, stream.len()),
                    _ => connection(port, &stream, 1 + random.below(1500)),
                });
            }
            let analysis = analysed(&capture(packets));
            let least = if layout == 2 { COPIES } else { 2 * COPIES };
            assert!(sentinels(&analysis) >= least, "{name} over TCP, {layout}");
            let messages = analysis.totals.sip_messages + analysis.totals.copies;
            assert!(messages >= (least + COPIES) as u64, "{name} over TCP, {layout}");
        }
    }
}
