//! Captures that are made: calls one after another, and the same packets in many files.

use std::fs;
use std::path::{Path, PathBuf};

/// A packet: nanoseconds since 2026-11-21T00:00:00Z and the frame.
pub(crate) type Packet = (u64, Vec<u8>);

const SECOND: u64 = 1_000_000_000;

/// 2026-11-21T00:00:00Z.
const BEGIN: u64 = 1_795_219_200;

/// So many calls, a second apart, each two seconds long. Some fail, some are not acknowledged.
pub(crate) fn calls(count: u64) -> Vec<Packet> {
    let mut packets: Vec<Packet> = (0..count).flat_map(call).collect();
    packets.sort();
    packets
}

fn call(number: u64) -> Vec<Packet> {
    let begin = number * SECOND;
    let at = |millis: u64| begin + millis * 1_000_000;
    let up =
        |millis, text: String| (at(millis), packet([192, 0, 2, 10], [198, 51, 100, 20], &text));
    let down =
        |millis, text: String| (at(millis), packet([198, 51, 100, 20], [192, 0, 2, 10], &text));
    let mut packets = vec![
        up(0, request(number, "INVITE", 1, "")),
        down(10, answer(number, "100 Trying", "INVITE", 1, "")),
    ];
    if number % 7 == 3 {
        packets.push(down(1990, answer(number, "503 Service Unavailable", "INVITE", 1, ";tag=b")));
        packets.push(up(2000, request(number, "ACK", 1, ";tag=b")));
        return packets;
    }
    packets.push(down(200, answer(number, "180 Ringing", "INVITE", 1, ";tag=b")));
    packets.push(down(1000, answer(number, "200 OK", "INVITE", 1, ";tag=b")));
    if number % 11 != 5 {
        packets.push(up(1010, request(number, "ACK", 1, ";tag=b")));
    }
    packets.push(up(1990, request(number, "BYE", 2, ";tag=b")));
    packets.push(down(2000, answer(number, "200 OK", "BYE", 2, ";tag=b")));
    packets
}

fn request(number: u64, method: &str, cseq: u32, to_tag: &str) -> String {
    // The ACK to a failure belongs to the transaction of the INVITE.
    let is_hop = method == "ACK" && number % 7 != 3;
    let branch = if is_hop { "ack".to_owned() } else { cseq.to_string() };
    format!(
        "{method} sip:bob@198.51.100.20 SIP/2.0\r\n{}Max-Forwards: 70\r\n\
         Contact: <sip:alice@192.0.2.10>\r\nContent-Length: 0\r\n\r\n",
        fields(number, &branch, method, cseq, to_tag)
    )
}

fn answer(number: u64, status: &str, method: &str, cseq: u32, to_tag: &str) -> String {
    format!(
        "SIP/2.0 {status}\r\n{}Contact: <sip:bob@198.51.100.20>\r\nContent-Length: 0\r\n\r\n",
        fields(number, &cseq.to_string(), method, cseq, to_tag)
    )
}

fn fields(number: u64, branch: &str, method: &str, cseq: u32, to_tag: &str) -> String {
    format!(
        "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-{number}-{branch}\r\n\
         From: <sip:alice@example.com>;tag=a{number}\r\nTo: <sip:bob@example.com>{to_tag}\r\n\
         Call-ID: call-{number}@example.com\r\nCSeq: {cseq} {method}\r\n"
    )
}

/// Ethernet, IPv4 and UDP around a message.
fn packet(source: [u8; 4], destination: [u8; 4], text: &str) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    let length = (28 + text.len()) as u16;
    let mut header = vec![0x45, 0];
    header.extend(length.to_be_bytes());
    header.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
    header.extend(source);
    header.extend(destination);
    let sum: u32 = header.chunks(2).map(|two| u32::from(two[0]) << 8 | u32::from(two[1])).sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    frame.extend(header);
    frame.extend([0x13, 0xc4, 0x13, 0xc4]);
    frame.extend((length - 20).to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(text.as_bytes());
    frame
}

/// A capture with nanoseconds.
pub(crate) fn write(path: &Path, packets: &[Packet]) {
    let mut bytes = 0xa1b2_3c4d_u32.to_le_bytes().to_vec();
    bytes.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0]);
    for (time, frame) in packets {
        let (seconds, nanos) = (BEGIN + time / SECOND, time % SECOND);
        let length = frame.len() as u32;
        for number in [seconds as u32, nanos as u32, length, length] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(frame);
    }
    fs::write(path, bytes).expect("written");
}

/// The packets in files of ten seconds each, in an order that has nothing to do with time. Two of
/// ten calls that are two seconds long cross from one file to the next.
pub(crate) fn ring(folder: &Path, packets: &[Packet]) -> Vec<PathBuf> {
    fs::create_dir_all(folder).expect("made");
    let last = packets.last().map_or(0, |(time, _)| *time);
    let files = last / (10 * SECOND) + 1;
    let mut paths: Vec<PathBuf> = (0..files)
        .map(|file| {
            let is_in = |packet: &&Packet| packet.0 / (10 * SECOND) == file;
            let own: Vec<Packet> = packets.iter().filter(is_in).cloned().collect();
            let path = folder.join(format!("ring-{file:03}.pcap"));
            write(&path, &own);
            path
        })
        .collect();
    // Fisher and Yates, with numbers that are the same every time.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for at in (1..paths.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        paths.swap(at, state as usize % (at + 1));
    }
    paths
}
