//! Very many hosts that all want something: memory has a bound, and the verdict is one.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::build::Record;
use crate::build::container::{Order, pcap_of};

/// Hosts that send two requests each.
const HOSTS: u32 = 50_000;

/// From one request to the next.
const PAUSE_NANOS: i64 = 2_000_000;

/// What the program may use.
const MEMORY_KIB_MAX: u64 = 300 << 10;

/// Raw IPv4.
const LINK: u32 = 101;

const SERVER: [u8; 4] = [198, 51, 100, 1];

/// A capture in which each host asks twice for a user that the registrar does not know.
fn crowd(name: &str, software: &str) -> PathBuf {
    let mut records = Vec::new();
    let start = 1_767_603_600_000_000_000;
    for number in 0..HOSTS * 2 {
        let [_, a, b, c] = (number % HOSTS).to_be_bytes();
        let host = [10, a, b, c];
        let user = 1000 + number;
        let text = |line: &str, more: &str| {
            format!(
                "{line}\r\nVia: SIP/2.0/UDP 10.{a}.{b}.{c}:5060;branch=z9hG4bK{number}\r\n\
                 From: <sip:{user}@example.com>;tag={number}\r\nTo: <sip:{user}@example.com>\r\n\
                 Call-ID: {number}@10.{a}.{b}.{c}\r\nCSeq: 1 REGISTER\r\n{more}\
                 Content-Length: 0\r\n\r\n"
            )
        };
        let own = format!("Contact: <sip:{user}@10.{a}.{b}.{c}>\r\nUser-Agent: {software}\r\n");
        let request = text("REGISTER sip:example.com SIP/2.0", &own);
        let answer =
            text("SIP/2.0 404 Not Found", "").replace("com>\r\nCall", "com>;tag=s\r\nCall");
        let nanos = start + i64::from(number) * PAUSE_NANOS;
        records.push(record(nanos, host, SERVER, &request));
        records.push(record(nanos + 500_000, SERVER, host, &answer));
    }
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("crowd-{name}.pcap"));
    let bytes = pcap_of(Order::Little, 0xa1b2_c3d4, LINK, &records);
    fs::write(&path, bytes).expect("room for a capture");
    path
}

fn record(nanos: i64, from: [u8; 4], to: [u8; 4], text: &str) -> Record {
    let udp = u16::try_from(8 + text.len()).expect("a datagram").to_be_bytes();
    let ip = u16::try_from(28 + text.len()).expect("a packet").to_be_bytes();
    let header = [0x45, 0, ip[0], ip[1], 0, 0, 0, 0, 64, 17, 0, 0];
    let port = 5060_u16.to_be_bytes();
    let ports = [port[0], port[1], port[0], port[1], udp[0], udp[1], 0, 0];
    let data = [&header[..], &from, &to, &ports, text.as_bytes()].concat();
    let length = u32::try_from(data.len()).expect("a packet");
    Record { nanos, data, length }
}

/// The most memory that the program has used so far, in KiB; none when it is over.
fn peak(program: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", program.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// Runs `siptrace analyze`; gives its peak of memory and what it wrote.
fn run(arguments: &[&str], path: &Path) -> (u64, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_siptrace"))
        .arg("analyze")
        .args(arguments)
        .arg(path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut out = program.stdout.take().expect("a pipe");
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        out.read_to_string(&mut text).map(|_| text)
    });
    let mut most = 0;
    while let Some(now) = peak(&program) {
        most = most.max(now);
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(program.wait().expect("the program ends").success());
    (most, reader.join().expect("a thread").expect("text"))
}

#[test]
fn a_scan_from_everywhere_is_one_finding_in_little_memory() {
    let path = crowd("tool", "friendly-scanner");
    let (most, text) = run(&["--threads", "2", "-q", "--lang", "en"], &path);
    assert!(most < MEMORY_KIB_MAX, "{most} KiB");
    assert!(most > 1 << 10, "nothing was measured");
    let findings: Vec<_> = text.lines().filter(|line| line.contains(" SEC")).collect();
    assert_eq!(findings.len(), 1, "{text}");
    assert!(text.starts_with("Errors: 0, warnings: 1, notes: 0"), "{text}");
    fs::remove_file(path).expect("removed");
}
