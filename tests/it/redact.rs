//! `siptrace redact`: nobody is named any more, and the findings are those of before.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use siptrace::analysis::Analysis;
use siptrace::capture::Source;
use siptrace::packet;

use crate::build::container::pcap;
use crate::build::{Capture, Record, ip, link};
use crate::run::analyze;
use crate::shared;

/// Words that stay although somebody may have the same for a name: words of the protocols.
const VOCABULARY: &str = include_str!("../../src/report/redact/vocabulary.txt");

/// Captures whose findings differ, by a part of the name, and why.
const DIFFERENCES: [(&str, &str); 3] = [
    ("hadrielk__pcapng-test-generator", "says that packets were lost; interface statistics go"),
    ("open5gs__open5gs__volte", "says that packets were lost; interface statistics go"),
    ("NormB__sipnab__sipp-branch-scenario", "says that packets were lost; as before"),
];

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("redact-{name}"));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder");
        fs::write(path.join("key"), "the key of these tests").expect("written");
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn run(&self, capture: &Path, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_siptrace"))
            .arg("redact")
            .arg(capture)
            .arg("-o")
            .arg(self.file("clean.pcapng"))
            .arg("--key")
            .arg(self.file("key"))
            .args(["--force", "--lang", "en"])
            .args(arguments)
            .output()
            .expect("the program runs")
    }

    /// The capture without personal data; none where it cannot be read or has no frame.
    fn redact(&self, capture: &Path) -> Option<PathBuf> {
        let output = self.run(capture, &["-q"]);
        output.status.success().then(|| self.file("clean.pcapng"))
    }
}

fn fixtures() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["fixtures/captures", "fixtures/ci"].map(|folder| root.join(folder));
    folders.iter().flat_map(|folder| captures(folder)).collect()
}

fn captures(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.is_file() && !path.ends_with("README.md"));
    files.retain(|path| {
        path.extension().is_none_or(|end| !["md", "sh", "toml"].iter().any(|other| end == *other))
    });
    files.sort();
    files
}

/// Code, severity, confidence and frames of every finding, and how much there is of everything.
fn told(analysis: &Analysis) -> (Vec<String>, Vec<u64>) {
    let findings = analysis.findings.iter().map(|finding| {
        let frames: Vec<u64> = finding.frames.iter().map(|frame| frame.number).collect();
        format!("{} {:?} {:?} {frames:?}", finding.rule.code, finding.severity, finding.confidence)
    });
    let mut findings: Vec<String> = findings.collect();
    findings.sort();
    let totals = &analysis.totals;
    let counts = vec![
        totals.frames,
        totals.sip_messages,
        totals.requests,
        totals.call_ids,
        totals.calls,
        totals.dialogs,
        totals.transactions,
    ];
    (findings, counts)
}

fn frames(path: &Path) -> Vec<Vec<u8>> {
    let mut source = Source::open(path, 0).expect("a capture");
    let mut frames = Vec::new();
    while let Ok(Some(block)) = source.next_block(Vec::new()) {
        frames.extend(block.frames().map(|frame| frame.data.to_vec()));
    }
    frames
}

/// Addresses of hosts in the IP headers.
fn addresses(path: &Path) -> BTreeSet<IpAddr> {
    let mut source = Source::open(path, 0).expect("a capture");
    let mut found = BTreeSet::new();
    while let Ok(Some(block)) = source.next_block(Vec::new()) {
        for frame in block.frames() {
            let path = match packet::decode(&frame) {
                packet::Packet::Udp { path, .. } => path,
                packet::Packet::Tcp(segment) => segment.path,
                _ => continue,
            };
            found.extend([path.source.address, path.destination.address]);
        }
    }
    let is_of_somebody = |address: &IpAddr| match address {
        IpAddr::V4(address) => !matches!(address.octets(), [0 | 127 | 224..=255, ..]),
        IpAddr::V6(address) => !address.is_loopback() && !address.is_multicast(),
    };
    found.into_iter().filter(is_of_somebody).collect()
}

/// What names somebody in the text of a capture: looked for without any parser of ours.
fn names(frames: &[Vec<u8>]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for frame in frames {
        let text = String::from_utf8_lossy(frame);
        for line in text.lines() {
            let lower = line.to_ascii_lowercase();
            // Users and hosts of URIs.
            for (at, _) in lower.match_indices("sip:").chain(lower.match_indices("tel:")) {
                let rest = &line[at + 4..];
                let end = rest.find([';', '>', '?', ' ', '"', ',']).unwrap_or(rest.len());
                names.extend(rest[..end].split(['@', ':']).map(str::to_owned));
            }
            // Names that are shown.
            if ["from:", "to:", "contact:", "p-asserted-identity:"]
                .iter()
                .any(|n| lower.starts_with(n))
            {
                names.extend(line.split('"').nth(1).map(str::to_owned));
            }
            // Secrets and identifiers.
            for mark in ["nonce=\"", "response=\"", "opaque=\"", ";tag=", "inline:", "ice-pwd:"] {
                if let Some(at) = lower.find(mark) {
                    let rest = &line[at + mark.len()..];
                    let end = rest.find(['"', ';', '|', ',', '>']).unwrap_or(rest.len());
                    names.insert(rest[..end].trim().to_owned());
                }
            }
            if let Some(value) = lower.starts_with("call-id:").then(|| line[8..].trim()) {
                names.insert(value.to_owned());
            }
        }
    }
    let parts = names.iter().flat_map(|name| name.split(|c: char| !c.is_ascii_alphanumeric()));
    let mut words: BTreeSet<String> = parts.map(str::to_owned).collect();
    words.extend(names);
    let vocabulary: BTreeSet<&str> = VOCABULARY.split_whitespace().collect();
    words.retain(|word| {
        let is_word = word.chars().all(|c| c.is_ascii_alphanumeric());
        // Shorter ones are found anywhere by chance.
        word.len() >= 5
            && word.is_ascii()
            && !word.starts_with('[')
            && word.contains(|c: char| c.is_ascii_alphanumeric())
            && !(is_word && vocabulary.contains(word.to_ascii_lowercase().as_str()))
            && !word.to_ascii_lowercase().contains("anonymous")
            && word.parse::<IpAddr>().is_err()
    });
    words
}

/// What stays on purpose: products, and what the session is encoded with.
fn is_kept(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    ["user-agent:", "server:", "a=rtpmap:", "a=fmtp:", "o=", "a=candidate:"]
        .iter()
        .any(|name| lower.starts_with(name))
}

fn holds(frames: &[Vec<u8>], bytes: &[u8]) -> bool {
    frames.iter().any(|frame| frame.windows(bytes.len()).any(|part| part == bytes))
}

/// What of the original is still there.
fn leaks(original: &Path, clean: &Path) -> Vec<String> {
    let (before, after) = (frames(original), frames(clean));
    let text: String =
        after.iter().map(|frame| String::from_utf8_lossy(frame)).collect::<Vec<_>>().join("\n");
    let told: String = text.lines().filter(|line| !is_kept(line)).collect::<Vec<_>>().join("\n");
    let mut leaks: Vec<String> =
        names(&before).into_iter().filter(|name| told.contains(name.as_str())).collect();
    for address in addresses(original) {
        // Ethernet and IP; behind them figures look like an address by chance.
        let (octets, head) = match address {
            IpAddr::V4(address) => (address.octets().to_vec(), 34),
            IpAddr::V6(address) => (address.octets().to_vec(), 54),
        };
        let heads: Vec<Vec<u8>> =
            after.iter().map(|frame| frame[..frame.len().min(head)].to_vec()).collect();
        if holds(&heads, &octets) || text.contains(&address.to_string()) {
            leaks.push(address.to_string());
        }
    }
    leaks
}

#[test]
fn recorded_calls_give_the_same_findings_and_name_nobody() {
    let folder = Folder::new("recorded");
    let mut checked = 0;
    for capture in fixtures() {
        let Some(clean) = folder.redact(&capture) else { panic!("{capture:?}") };
        assert_eq!(told(&analyze(&capture)), told(&analyze(&clean)), "{capture:?}");
        assert_eq!(leaks(&capture, &clean), [""; 0], "{capture:?}");
        checked += 1;
    }
    assert!(checked > 60, "{checked}");
}

#[test]
fn captures_of_the_field_give_the_same_findings() {
    let Some(public) = shared::path("captures/public") else { return };
    let folder = Folder::new("public");
    let mut checked = 0;
    for capture in captures(&public) {
        let name = capture.file_name().expect("a name").to_string_lossy().into_owned();
        let Some(clean) = folder.redact(&capture) else { continue };
        let ((findings, counts), (others, other_counts)) =
            (told(&analyze(&capture)), told(&analyze(&clean)));
        // What is no packet has a number, and gets a frame for it.
        assert_eq!(counts[1..], other_counts[1..], "{name}");
        let is_known = DIFFERENCES.iter().any(|(part, _)| name.contains(part));
        let lost: Vec<&String> = findings.iter().filter(|one| !others.contains(one)).collect();
        let added: Vec<&String> = others.iter().filter(|one| !findings.contains(one)).collect();
        assert!(added.is_empty(), "{name}: {added:?}");
        assert!(lost.iter().all(|one| is_known && one.starts_with("CAP105")), "{name}: {lost:?}");
        checked += 1;
    }
    assert!(checked > 100, "{checked}");
}

/// Frames that tshark finds fault with.
fn faults(path: &Path) -> BTreeSet<String> {
    let output = Command::new("tshark")
        .arg("-r")
        .arg(path)
        .args(["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"])
        .args(["-o", "tcp.check_checksum:TRUE", "-o", "sctp.checksum:TRUE"])
        .args([
            "-Y",
            "_ws.malformed || ip.checksum.status==0 || udp.checksum.status==0 || \
            tcp.checksum.status==0 || icmp.checksum.status==0 || sctp.checksum.status==0 || \
            icmpv6.checksum.status==0 || udp.length.bad || ip.bogus_ip_length",
        ])
        .args(["-T", "fields", "-e", "frame.number"])
        .output()
        .expect("tshark runs");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn tshark_finds_no_fault_that_was_not_there() {
    let is_there = Command::new("tshark").arg("--version").output();
    if !is_there.is_ok_and(|output| output.status.success()) {
        return;
    }
    let folder = Folder::new("tshark");
    for capture in fixtures() {
        let Some(clean) = folder.redact(&capture) else { panic!("{capture:?}") };
        let added: Vec<String> = faults(&clean).difference(&faults(&capture)).cloned().collect();
        assert_eq!(added, [""; 0], "{capture:?}");
    }
}

#[test]
fn the_same_key_gives_the_same_bytes_and_no_key_others() {
    let folder = Folder::new("keys");
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures/auth-call.pcap");
    let bytes = |path: &Path| fs::read(path).expect("written");
    let first = folder.redact(&capture).map(|path| bytes(&path));
    assert_eq!(first, folder.redact(&capture).map(|path| bytes(&path)));
    let run = || {
        let out = folder.file("random.pcapng");
        let output = Command::new(env!("CARGO_BIN_EXE_siptrace"))
            .args(["redact", "--force", "-q", "-o"])
            .args([&out, &capture])
            .output()
            .expect("the program runs");
        assert!(output.status.success());
        bytes(&out)
    };
    assert_ne!(run(), run());
}

#[test]
fn what_was_replaced_is_counted_and_only_the_map_names_it() {
    let folder = Folder::new("map");
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures/auth-call.pcap");
    let map = folder.file("map.tsv");
    let output = folder.run(&capture, &["--map", map.to_str().expect("text")]);
    let report = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success() && output.stdout.is_empty(), "{report}");
    assert!(report.contains("SIP messages: 17") && report.contains("Digests"), "{report}");
    assert!(!report.contains("alice"), "{report}");
    let map_text = fs::read_to_string(&map).expect("written");
    assert!(map_text.lines().any(|line| line.starts_with("alice\t")), "{map_text}");
    assert!(map_text.lines().any(|line| line.starts_with("192.0.2.10\t")), "{map_text}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(&map).expect("there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
    }
}

#[test]
fn nothing_is_lost_by_a_wrong_word() {
    let folder = Folder::new("refused");
    let capture = folder.file("call.pcap");
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures/auth-call.pcap");
    fs::copy(original, &capture).expect("copied");
    let there = folder.file("there.pcapng");
    fs::write(&there, "mine").expect("written");
    let short = folder.file("short");
    fs::write(&short, "1234").expect("written");
    let name = |path: &Path| path.to_str().expect("text").to_owned();
    let (call, there, short) = (name(&capture), name(&there), name(&short));
    let new = name(&folder.file("new.pcapng"));
    let cases: [(&[&str], &str); 6] = [
        (&[&call, "-o", &there], "it exists"),
        (&[&call, "-o", &call, "--force"], "it is one of the captures"),
        (&["-", "-o", &new], "standard input twice"),
        (&[&call, "-o", &new, "--key", &short], "less than 8 bytes"),
        (&[&call, "-o", &new, "--key", "/no/such/key"], "could not read the key"),
        (&["/no/such.pcap", "-o", &new], "/no/such.pcap"),
    ];
    for (arguments, expected) in cases {
        let output = Command::new(env!("CARGO_BIN_EXE_siptrace"))
            .arg("redact")
            .args(arguments)
            .output()
            .expect("the program runs");
        let text = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.starts_with("siptrace: ") && text.contains(expected), "{text}");
        assert!(text.lines().count() <= 2, "{text}");
    }
    assert_eq!(fs::read_to_string(&there).expect("there"), "mine");
    assert!(!Path::new(&new).exists());
}

#[test]
fn what_lies_outside_of_messages_goes() {
    const SECRET: &[u8] = b"Zqxjkvbpw";

    let folder = Folder::new("outside");
    let script = "host alice 192.0.2.10\nhost bob 192.0.2.20\n0 alice > bob INVITE\n\
        +0.01 bob > alice 486\n+0.01 alice > bob ACK\n";
    let plain = Capture::of_script(script);
    let behind = |data: Vec<u8>| [&data[..], SECRET].concat();
    let in_datagram = |packet: &[u8], more: &[u8]| {
        let payload = [ip::datagram(packet), more].concat();
        let length = (payload.len() + 8) as u16;
        let ports = &packet[20..24];
        let datagram = [ports, &length.to_be_bytes(), &[0, 0], &payload].concat();
        ip::with_payload(packet, 17, &datagram)
    };
    let second = [b"INVITE sip:" as &[u8], SECRET, b" SIP/2.0\r\nCall-ID: 2\r\n\r\n"].concat();
    let alone = |kind: u16, payload: &[u8]| link::frame(kind, payload);
    let request = plain.records[0].data.clone();
    let mut cases = vec![
        ("trailer", plain.wrapped(link::ETHERNET, |packet| behind(link::ethernet(packet)))),
        ("garbage", plain.wrapped(link::RAW, |packet| in_datagram(packet, SECRET))),
        ("second", plain.wrapped(link::RAW, |packet| in_datagram(packet, &second))),
        ("longer", plain.wrapped(link::RAW, |packet| behind(packet.to_vec()))),
    ];
    let others = [
        ("dns", link::ethernet(&ip::with_payload(&request, 17, &ip::udp(53, SECRET)))),
        ("echo", link::ethernet(&ip::with_payload(&request, 1, &[&[8; 8], SECRET].concat()))),
        ("sctp", link::ethernet(&ip::with_payload(&request, 132, &[&[0; 12], SECRET].concat()))),
        ("arp", alone(0x0806, SECRET)),
        ("lldp", alone(0x88cc, SECRET)),
    ];
    for (name, data) in others {
        let mut capture = plain.on_ethernet();
        let nanos = capture.records[2].nanos + 1_000_000;
        capture.records.push(Record { nanos, length: data.len() as u32, data });
        cases.push((name, capture));
    }
    for (name, mut capture) in cases {
        capture.records[1].length -= 9;
        let path = folder.file(&format!("{name}.pcap"));
        fs::write(&path, pcap(&capture)).expect("written");
        let clean = folder.redact(&path).expect("a capture");
        let bytes = fs::read(&clean).expect("written").to_ascii_lowercase();
        let secret = SECRET.to_ascii_lowercase();
        for part in secret.windows(5) {
            assert!(memchr::memmem::find(&bytes, part).is_none(), "{name}");
        }
        assert_eq!(analyze(&clean).totals.sip_messages, 3, "{name}");
    }
}
