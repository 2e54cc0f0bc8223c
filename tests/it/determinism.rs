//! The same capture gives the same report, byte for byte, for any number of threads.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use siptrace::capture::{Source, script};

use crate::{run, shared};

/// One, two, and more than there are cores or shards left over.
const THREADS: [usize; 3] = [1, 2, 7];

/// Files of the shared folder with TCP, fragments, tunnels, WebSocket, many calls.
const SHARED: [&str; 6] = [
    "NormB__sipnab__sipp-branch-scenario.pcapng",
    "NormB__sipnab__sip-488-codec-reject.pcapng",
    "sipcapture__heplify__erspan_sip_ipv4_udp.pcapng",
    "sipcapture__heplify__sip_tcp_websocket.pcap",
    "sipcapture__heplify__sip_ipv4_tcp_retrans.pcap",
    "zeek__zeek__wireshark.pcap",
];

/// Calls of the generated capture; with their media they fill several windows of 64 MiB.
const CALLS: usize = 3000;

/// The block that pads the generated capture until it spans several windows.
const PADDING_BYTES: usize = 60_000;

fn is_the_same_for_any_number_of_threads(path: &Path) {
    let mut reports = THREADS.iter().map(|threads| {
        let analysis = run::analyze_with(path, *threads);
        // The JSON leaves the ladder out and rounds nothing; the rest is in the plain data.
        (run::json(&analysis), format!("{:#?}", analysis.findings))
    });
    let first = reports.next().expect("at least one");
    for (threads, report) in THREADS[1..].iter().zip(reports) {
        let name = path.display();
        assert!(first.0 == report.0, "{name}: other JSON with {threads} threads than with one");
        assert!(first.1 == report.1, "{name}: other findings with {threads} threads than with one");
    }
}

#[test]
fn recorded_captures_give_the_same_report() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures");
    for entry in fs::read_dir(folder).expect("the captures are there") {
        let path = entry.expect("the folder is readable").path();
        if path.to_string_lossy().contains(".pcap") {
            is_the_same_for_any_number_of_threads(&path);
        }
    }
}

#[test]
fn public_captures_give_the_same_report() {
    for name in SHARED {
        let Some(path) = shared::path(&format!("captures/public/{name}")) else { continue };
        is_the_same_for_any_number_of_threads(&path);
    }
}

#[test]
fn a_capture_of_several_windows_gives_the_same_report() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("several-windows.pcap");
    fs::write(&path, many_calls()).expect("the capture can be written");
    let analysis = run::analyze_with(&path, 2);
    assert_eq!(analysis.totals.call_ids, CALLS as u64);
    let silent = analysis.findings.iter().filter(|f| f.rule.name == "invite-no-response");
    assert_eq!(silent.count(), CALLS / 3);
    is_the_same_for_any_number_of_threads(&path);
    fs::remove_file(&path).expect("the capture can be removed");
}

/// A pcap of many calls at a time: answered, failed after a wait, and never answered, in turn, with
/// large packets of no interest in between.
fn many_calls() -> Vec<u8> {
    let mut text = String::from(
        "host alice 192.0.2.10\nhost bob 203.0.113.20\nhost carol 203.0.113.30\nend 400\n",
    );
    for call in 0..CALLS {
        let at = format!("{:.1}", call as f64 * 0.1);
        let _ = writeln!(text, "call n{call}");
        let _ = match call % 3 {
            0 => writeln!(
                text,
                "{at} alice > bob INVITE sdp\n+1 bob > alice 200 sdp\n+0.1 alice > bob ACK\n\
                 +9 alice > bob BYE\n+0.1 bob > alice 200",
            ),
            1 => writeln!(
                text,
                "{at} alice > bob INVITE\n+0.1 bob > alice 100\n+{} bob > alice 503\n\
                 +0.1 alice > bob ACK",
                4 + call % 7,
            ),
            _ => writeln!(text, "{at} alice > carol INVITE\n+0.5 alice > carol again"),
        };
    }
    let frames = script::frames(&text).expect("the script can be played");
    let mut file = Vec::new();
    // Little-endian microseconds, raw IP.
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 101] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    for (index, frame) in frames.iter().enumerate() {
        record(&mut file, frame.time.nanos(), &frame.data);
        if index % 3 == 0 {
            record(&mut file, frame.time.nanos(), &padding());
        }
    }
    file
}

fn record(file: &mut Vec<u8>, nanos: i64, data: &[u8]) {
    let length = data.len() as u32;
    let seconds = (nanos / 1_000_000_000) as u32;
    let micros = (nanos % 1_000_000_000 / 1000) as u32;
    for word in [seconds, micros, length, length] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    file.extend_from_slice(data);
}

/// An IPv4 packet with a UDP datagram that is neither SIP nor RTP.
fn padding() -> Vec<u8> {
    let length = (PADDING_BYTES as u16).to_be_bytes();
    let udp_length = (PADDING_BYTES as u16 - 20).to_be_bytes();
    let mut packet = vec![0x45, 0, length[0], length[1], 0, 0, 0, 0, 64, 17, 0, 0];
    packet.extend_from_slice(&[192, 0, 2, 77, 192, 0, 2, 78]);
    packet.extend_from_slice(&[0x10, 0x00, 0x10, 0x00, udp_length[0], udp_length[1], 0, 0]);
    packet.resize(PADDING_BYTES, 0);
    packet
}

/// A window of a pipe is what is at hand, so packets that come in fragments must not depend on it.
#[test]
fn media_in_fragments_are_the_same_from_a_pipe() {
    let head: Vec<u8> = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 101]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let mut records = vec![head];
    for number in 0..600_u32 {
        for packet in rtp(number) {
            let mut bytes = Vec::new();
            record(&mut bytes, i64::from(number) * 20_000_000, &packet);
            records.push(bytes);
        }
    }
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("fragmented-media.pcap");
    fs::write(&path, records.concat()).expect("the capture can be written");
    let expected = format!("{:#?}", run::analyze_with(&path, 2).streams);
    assert!(expected.contains("packets: 600"), "{expected}");
    for _ in 0..8 {
        let pipe = OneByOne { records: records.clone().into_iter(), left: Vec::new() };
        let source = Source::from_reader("-", Box::new(pipe), 0).expect("a capture");
        let found = run::analyze_source(source, 2).streams;
        assert!(format!("{found:#?}") == expected, "another stream from a pipe");
    }
    fs::remove_file(&path).expect("the capture can be removed");
}

/// A clock that jumps ahead and comes back ends calls; which ones must not depend on the pipe.
#[test]
fn a_clock_that_jumps_gives_the_same_from_any_pipe() {
    let bytes = fs::read("fixtures/captures/basic-call-tcp.pcap").expect("the fixture");
    let (head, mut left) = bytes.split_at(24);
    let mut records = vec![head.to_vec()];
    while let Some((length, _)) = left.get(8..12).and_then(<[u8]>::split_first_chunk::<4>) {
        let (own, rest) = left.split_at(16 + u32::from_le_bytes(*length) as usize);
        records.push(own.to_vec());
        left = rest;
    }
    let seconds = records[7].first_chunk::<4>().expect("a record has a time");
    let ahead = u32::from_le_bytes(*seconds) + 512;
    records[7][..4].copy_from_slice(&ahead.to_le_bytes());
    let report = |records: Vec<Vec<u8>>| {
        let pipe = OneByOne { records: records.into_iter(), left: Vec::new() };
        let source = Source::from_reader("-", Box::new(pipe), 0).expect("a capture");
        run::json(&run::analyze_source(source, 2))
    };
    let at_once = report(vec![records.concat()]);
    for _ in 0..8 {
        assert!(report(records.clone()) == at_once, "another report from another pipe");
    }
}

/// Gives a record with each read.
struct OneByOne {
    records: std::vec::IntoIter<Vec<u8>>,
    left: Vec<u8>,
}

impl Read for OneByOne {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.is_empty() {
            self.left = self.records.next().unwrap_or_default();
        }
        let length = self.left.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.left[..length]);
        self.left.drain(..length);
        Ok(length)
    }
}

/// The IPv4 packets of one RTP packet: every fifth comes in two fragments.
fn rtp(number: u32) -> Vec<Vec<u8>> {
    let mut datagram = vec![0x9c, 0x40, 0x75, 0x30, 0, 180, 0, 0, 0x80, 0];
    datagram.extend((number as u16).to_be_bytes());
    datagram.extend((number * 160).to_be_bytes());
    datagram.extend(0x5eed_u32.to_be_bytes());
    datagram.resize(180, 0xd5);
    let packet = |bits: u16, payload: &[u8]| {
        let mut packet = vec![0x45, 0];
        packet.extend((20 + payload.len() as u16).to_be_bytes());
        packet.extend((number as u16 + 1).to_be_bytes());
        packet.extend(bits.to_be_bytes());
        packet.extend([64, 17, 0, 0, 192, 0, 2, 10, 198, 51, 100, 20]);
        packet.extend(payload);
        packet
    };
    match number % 5 {
        // More fragments follow; the second begins at eight times ten.
        0 => vec![packet(0x2000, &datagram[..80]), packet(10, &datagram[80..])],
        _ => vec![packet(0, &datagram)],
    }
}
