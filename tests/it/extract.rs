//! Chosen calls as captures of their own: all of them, and nothing of others.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use siptrace::analysis::Analysis;

use crate::build::container::{self, Order, pcap};
use crate::build::{Capture, Record, ip, link, tunnel};
use crate::run;

/// A folder that is gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let folder = format!("siptrace-extract-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(folder);
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.path(name), bytes).expect("written");
        self.path(name).to_str().expect("text").to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn extract(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_siptrace"))
        .arg("extract")
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("LC_ALL")
        .env_remove("LC_MESSAGES")
        .env("LANG", "C")
        .output()
        .expect("the program runs")
}

/// Extracts into a file of the folder and gives its path.
fn extracted(scratch: &Scratch, name: &str, arguments: &[&str]) -> PathBuf {
    let path = scratch.path(name);
    let target = path.to_str().expect("text");
    let output = extract(&[&["-o", target], arguments].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{target}\n"));
    path
}

fn refused(arguments: &[&str]) -> String {
    let output = extract(arguments);
    let lines = String::from_utf8(output.stderr).expect("text");
    assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(2), true), "{lines}");
    lines
}

/// The messages of each call, and the codes of the findings on it.
type Told = Vec<(String, Vec<Vec<u8>>, Vec<&'static str>)>;

fn told(analysis: &Analysis) -> Told {
    let calls = analysis.calls.iter().map(|call| {
        let findings = analysis.findings.iter();
        let own = findings.filter(|finding| finding.call_id.as_ref() == Some(&call.call_id));
        let messages = call.transcript.iter().map(|step| step.bytes.to_vec()).collect();
        (call.call_id.clone(), messages, own.map(|finding| finding.rule.code).collect())
    });
    let mut calls: Told = calls.collect();
    calls.sort();
    calls
}

fn analysed(path: &Path) -> Analysis {
    run::analyze_all_with(&[path], |keep| keep.transcripts = 1 << 20)
}

/// What tshark says of fields of the frames that a filter shows; nothing where there is no tshark.
fn tshark(path: &Path, filter: &str, field: &str) -> Option<Vec<String>> {
    let options = ["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"];
    let output = Command::new("tshark")
        .arg("-r")
        .arg(path)
        .args(options)
        .args(["-Y", filter, "-T", "fields", "-e", field])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(text.lines().map(str::to_owned).collect())
}

/// tshark finds nothing wrong with the packets.
fn assert_sound(path: &Path) {
    let wrong = "tcp.checksum.status == 0 || ip.checksum.status == 0 || _ws.malformed \
        || tcp.analysis.lost_segment";
    let frames = tshark(path, wrong, "frame.number").unwrap_or_default();
    assert!(frames.is_empty(), "{}: frames {frames:?}", path.display());
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures").join(name)
}

/// The frames of a file: link type, time and bytes.
fn frames(path: &Path) -> Vec<(u16, i64, Vec<u8>)> {
    let mut source = siptrace::capture::Source::open(path, 0).expect("a capture");
    let mut all = Vec::new();
    while let Some(block) = source.next_block(Vec::new()).expect("blocks") {
        let frames = block.frames();
        all.extend(frames.map(|frame| (frame.link.0, frame.time.nanos(), frame.data.to_vec())));
    }
    all
}

#[test]
fn recorded_calls_stay_what_they_are() {
    let scratch = Scratch::new("recorded");
    for name in [
        "basic-call-tcp.pcap",
        "fragmented-invite.pcap",
        "proxy-downstream-icmp.pcap",
        "proxy-tcp-refused.pcap",
        "tcp-reset.pcap",
        "tcp-broken-off.pcap",
        "cancel-487.pcapng",
        "dtls-ice-call.pcap",
        "t38-fallback.pcap",
        "one-way-audio.pcap",
    ] {
        let path = fixture(name);
        let own = extracted(&scratch, name, &[path.to_str().expect("text")]);
        let (before, after) = (analysed(&path), analysed(&own));
        assert_eq!(told(&after), told(&before), "{name}");
        let streams = |analysis: &Analysis| {
            let all = analysis.calls.iter().flat_map(|call| &call.streams);
            all.map(|stream| (stream.ssrc, stream.packets)).collect::<Vec<_>>()
        };
        assert_eq!(streams(&after), streams(&before), "{name}");
        assert_eq!(after.captures[0].notes, [], "{name}");
        let ids = |path| tshark(path, "sip", "sip.Call-ID");
        assert_eq!(ids(own.as_path()), ids(path.as_path()), "{name}");
    }
}

const TWO_CALLS: &str = "\
host alice 192.0.2.10
host proxy 198.51.100.1
0      alice > proxy INVITE sip:bob@example.com call=first
+0.05  alice > proxy INVITE sip:secret@hidden.example call=second
+0.05  proxy > alice 100 call=first
+0.05  proxy > alice 100 call=second
+0.05  proxy > alice 486 call=first
+0.05  proxy > alice 503 call=second
+0.05  alice > proxy ACK call=first
+0.05  alice > proxy ACK call=second
";

/// The first call of a capture of two, extracted: only it is there, as it was.
fn first_of(scratch: &Scratch, name: &str, capture: &Capture) -> PathBuf {
    let input = scratch.write("in.pcap", &pcap(capture));
    let file = format!("{name}.pcapng").replace([' ', ',', '/'], "-");
    let own = extracted(scratch, &file, &["--call", "first", &input]);
    let all = told(&analysed(Path::new(&input)));
    assert_eq!(told(&analysed(&own)), all[..1], "{name}");
    let bytes = fs::read(&own).expect("a file");
    for secret in ["second@", "hidden.example", "secret"] {
        assert!(memchr::memmem::find(&bytes, secret.as_bytes()).is_none(), "{name}: {secret}");
    }
    own
}

#[test]
fn calls_come_out_of_tunnels_and_fragments_as_they_were() {
    let scratch = Scratch::new("tunnels");
    let plain = Capture::of_script(TWO_CALLS);
    let cut = plain.exploded(link::RAW, |packet| ip::fragments(packet, 104));
    let first = |bytes: &[u8]| memchr::memmem::find(bytes, b"first@").is_some();
    for (name, wrap) in tunnel::ALL {
        let capture = plain.wrapped(link::ETHERNET, wrap);
        let own = first_of(&scratch, name, &capture);
        let expected = capture.records.iter().filter(|record| first(&record.data));
        let expected: Vec<_> = expected.map(|r| (1, r.nanos, r.data.clone())).collect();
        assert_eq!(frames(&own), expected, "{name}");
    }
    let own = first_of(&scratch, "fragments", &cut);
    assert!(frames(&own).len() > 4);
    let nested = plain.exploded(link::RAW, |packet| ip::fragments(&ip::outer(4, packet), 104));
    first_of(&scratch, "fragments of a tunnel", &nested);
}

/// TCP segments with right checksums that carry the messages of the two sides, cut or joined.
struct Stream {
    records: Vec<Record>,
    next: [u32; 2],
    nanos: i64,
}

impl Stream {
    fn new() -> Self {
        let mut stream = Self { records: Vec::new(), next: [1000, u32::MAX - 300], nanos: 0 };
        let [client, server] = stream.next;
        stream.segment(true, 2, client.wrapping_sub(1), b"");
        stream.segment(false, 0x12, server.wrapping_sub(1), b"");
        stream.segment(true, 0x10, client, b"");
        stream
    }

    fn send(&mut self, is_client: bool, bytes: &[u8]) {
        let next = &mut self.next[usize::from(!is_client)];
        let sequence = *next;
        *next = next.wrapping_add(bytes.len() as u32);
        self.segment(is_client, 0x18, sequence, bytes);
        let [client, server] = self.next;
        self.segment(!is_client, 0x10, if is_client { server } else { client }, b"");
    }

    fn segment(&mut self, is_client: bool, flags: u8, sequence: u32, bytes: &[u8]) {
        let ends = [[192, 0, 2, 10], [198, 51, 100, 1]];
        let (from, to) = if is_client { (0, 1) } else { (1, 0) };
        let ports = [40_000_u16, 5060];
        let acknowledged = self.next[to];
        let mut segment = [
            &ports[from].to_be_bytes()[..],
            &ports[to].to_be_bytes(),
            &sequence.to_be_bytes(),
            &if flags == 2 { 0 } else { acknowledged }.to_be_bytes(),
            &[0x50, flags, 0xff, 0xff, 0, 0, 0, 0],
            bytes,
        ]
        .concat();
        let pseudo = [&ends[from][..], &ends[to], &[0, 6], &(segment.len() as u16).to_be_bytes()];
        let checksum = !sum(&[&pseudo.concat(), &segment[..]].concat());
        segment[16..18].copy_from_slice(&checksum.to_be_bytes());
        let length = segment.len() as u16 + 20;
        let mut header = [&[0x45, 0], &length.to_be_bytes()[..], &[0, 7, 0x40, 0, 64, 6, 0, 0]];
        let ends = [ends[from], ends[to]].concat();
        let mut header = [&header.as_mut_slice().concat()[..], &ends].concat();
        let checksum = !sum(&header);
        header[10..12].copy_from_slice(&checksum.to_be_bytes());
        let data = [header, segment].concat();
        self.nanos += 10_000_000;
        let nanos = 1_700_000_000_000_000_000 + self.nanos;
        self.records.push(Record { nanos, length: data.len() as u32, data });
    }

    fn capture(self) -> Capture {
        Capture { link: link::RAW, records: self.records }
    }
}

fn sum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|word| u32::from(word[0]) * 256 + u32::from(word.get(1).copied().unwrap_or_default()));
    let sum: u32 = words.sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}

/// The messages of the two calls, each with whether alice sent it.
fn messages() -> Vec<(bool, Vec<u8>)> {
    let plain = Capture::of_script(TWO_CALLS);
    let sent = plain.records.iter().filter(|record| ip::datagram(&record.data).len() > 4);
    let message = |record: &Record| {
        let text = String::from_utf8_lossy(ip::datagram(&record.data)).replace("/UDP", "/TCP");
        (ip::addresses(&record.data)[0] == [192, 0, 2, 10], text.into_bytes())
    };
    sent.map(message).collect()
}

/// Both calls on one connection. Two messages that follow one another go together, cut into
/// segments of so many bytes.
fn shared_connection(size: usize) -> Capture {
    let mut stream = Stream::new();
    for pair in messages().chunks(2) {
        let together: Vec<u8> = pair.iter().flat_map(|(_, bytes)| bytes).copied().collect();
        together.chunks(size).for_each(|bytes| stream.send(pair[0].0, bytes));
    }
    stream.capture()
}

#[test]
fn others_on_the_same_connection_become_line_ends() {
    let scratch = Scratch::new("shared");
    for size in [90, 333, 5000] {
        let capture = shared_connection(size);
        let own = first_of(&scratch, &format!("shared {size}"), &capture);
        assert_sound(&own);
        let before = &capture.records;
        let mut cut = 0;
        for (link, nanos, data) in frames(&own) {
            let original = before.iter().find(|record| record.nanos == nanos).expect("a frame");
            assert_eq!((link, data.len()), (link::RAW, original.data.len()));
            // Addresses, ports, numbers and flags stay.
            assert_eq!(data[..36], original.data[..36]);
            for (byte, old) in data[40..].iter().zip(&original.data[40..]) {
                assert!(byte == old || matches!(byte, b'\r' | b'\n'));
            }
            cut += usize::from(data != original.data);
        }
        assert!(cut > 3, "{cut} of the segments had bytes of others");
        let ids = tshark(&own, "sip.Call-ID", "sip.Call-ID");
        if let Some(ids) = ids {
            let names: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
            assert_eq!((ids.len(), names.len()), (4, 1), "{ids:?}");
            let said = tshark(&own, "frame.comment contains \"line ends\"", "frame.number");
            assert_eq!(said.map(|frames| frames.len()), Some(cut));
        }
    }
}

#[test]
fn what_comes_again_is_cut_as_well() {
    let scratch = Scratch::new("again");
    let mut capture = shared_connection(333);
    let segments: Vec<Record> =
        capture.records.iter().filter(|record| record.data.len() > 40).cloned().collect();
    capture.records.clear();
    let mut nanos = 1_700_000_000_000_000_000;
    for record in &segments {
        for _ in 0..2 {
            nanos += 20_000_000;
            capture.records.push(Record { nanos, ..record.clone() });
        }
    }
    let own = first_of(&scratch, "again", &capture);
    assert!(frames(&own).len() > segments.len());
}

#[test]
fn a_long_connection_is_kept_where_the_call_is() {
    let scratch = Scratch::new("window");
    let other = |number: usize| {
        format!(
            "OPTIONS sip:secret@hidden.example SIP/2.0\r\nCall-ID: other{number}\r\n\
             Content-Length: 0\r\n\r\n"
        )
    };
    let mut stream = Stream::new();
    for number in 0..20 {
        stream.send(true, other(number).as_bytes());
    }
    for (is_client, bytes) in messages().iter().step_by(2) {
        stream.send(*is_client, bytes);
    }
    for number in 20..40 {
        stream.nanos += 1_000_000_000;
        stream.send(true, other(number).as_bytes());
    }
    let input = scratch.write("in.pcap", &pcap(&stream.capture()));
    let own = extracted(&scratch, "own.pcapng", &["--call", "first", &input]);
    assert_eq!(frames(&own).len(), 8);
    let analysis = analysed(&own);
    assert_eq!((analysis.calls.len(), analysis.calls[0].transcript.len()), (1, 4));
    assert!(analysis.findings.iter().all(|finding| finding.call_id.is_some()));
    assert_sound(&own);
}

/// A WebSocket frame without a mask.
fn web_socket(message: &[u8]) -> Vec<u8> {
    [&[0x81, 126][..], &(message.len() as u16).to_be_bytes(), message].concat()
}

#[test]
fn messages_in_web_socket_stand_alone() {
    let scratch = Scratch::new("ws");
    let mut stream = Stream::new();
    stream.send(true, b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nCookie: secret\r\n\r\n");
    stream.send(false, b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n");
    for (is_client, bytes) in messages() {
        stream.send(is_client, &web_socket(&bytes));
    }
    let own = first_of(&scratch, "ws", &stream.capture());
    let frames = frames(&own);
    assert_eq!(frames.iter().map(|frame| frame.0).collect::<Vec<_>>(), [252; 4]);
    if let Some(frames) = tshark(&own, "sip.Call-ID contains first", "frame.number") {
        assert_eq!(frames.len(), 4);
    }
}

/// The messages of the two calls as packets, in order; those of the first call are the even ones.
fn packets() -> Vec<Record> {
    Capture::of_script(TWO_CALLS).records
}

/// Extracts the first call, of which nothing else must be there.
fn first_alone(scratch: &Scratch, name: &str, capture: &Capture) -> PathBuf {
    let input = scratch.write(&format!("{name}.pcap"), &pcap(capture));
    let own = extracted(scratch, &format!("{name}.pcapng"), &["--call", "first", &input]);
    let bytes = fs::read(&own).expect("a file");
    for secret in ["second@", "hidden.example", "secret"] {
        assert!(memchr::memmem::find(&bytes, secret.as_bytes()).is_none(), "{name}: {secret}");
    }
    own
}

#[test]
fn what_lies_behind_a_packet_is_left_out() {
    let scratch = Scratch::new("behind");
    let behind = |data: Vec<u8>| [&data[..], b"secret: what the card had in its memory"].concat();
    let surplus = |packet: &[u8]| {
        // IP has more than UDP says.
        let mut packet = [packet, b"secret"].concat();
        let length = packet.len() as u16;
        packet[2..4].copy_from_slice(&length.to_be_bytes());
        packet[10..12].fill(0);
        let checksum = !sum(&packet[..20]);
        packet[10..12].copy_from_slice(&checksum.to_be_bytes());
        packet
    };
    let tagged = |packet: &[u8]| [&[2; 12][..], &[0x81, 0, 0, 5, 8, 0], packet].concat();
    let plain = Capture::of_script(TWO_CALLS);
    let cases = [
        ("ethernet", plain.wrapped(link::ETHERNET, |packet| behind(link::ethernet(packet)))),
        ("tagged", plain.wrapped(link::ETHERNET, |packet| behind(tagged(packet)))),
        ("raw", plain.wrapped(link::RAW, |packet| behind(packet.to_vec()))),
        ("surplus", plain.wrapped(link::RAW, surplus)),
    ];
    for (name, mut capture) in cases {
        // In one of the frames more was captured than was sent.
        capture.records[0].length -= 20;
        let own = first_alone(&scratch, name, &capture);
        let analysis = analysed(&own);
        assert_eq!((analysis.calls.len(), analysis.totals.sip_messages), (1, 4), "{name}");
        let lengths = frames(&own).into_iter().map(|(.., data)| data.len());
        let before = capture.records.iter().step_by(2).map(|record| record.data.len());
        assert!(lengths.eq(before), "{name}");
        assert_sound(&own);
    }
}

#[test]
fn a_second_message_in_a_datagram_is_left_out() {
    let scratch = Scratch::new("second");
    let packets = packets();
    for between in [&b""[..], b"\r\n\r\n"] {
        let mut records: Vec<Record> = packets.iter().step_by(2).cloned().collect();
        let both = [ip::datagram(&packets[0].data), between, ip::datagram(&packets[1].data)];
        let ports = &packets[0].data[20..24];
        let length = (8 + both.concat().len()) as u16;
        let mut datagram = [ports, &length.to_be_bytes(), &[0, 0], &both.concat()].concat();
        let pseudo = [&packets[0].data[12..20], &[0, 17], &length.to_be_bytes()].concat();
        let checksum = !sum(&[&pseudo[..], &datagram].concat());
        datagram[6..8].copy_from_slice(&checksum.to_be_bytes());
        records[0].data = ip::with_payload(&packets[0].data, 17, &datagram);
        records[0].length = records[0].data.len() as u32;
        let capture = Capture { link: link::RAW, records };
        let own = first_alone(&scratch, &format!("after {}", between.len()), &capture);
        let first = &frames(&own)[0].2;
        let written = &first[20..];
        assert_eq!(sum(&[&pseudo[..], written].concat()), 0xffff, "the checksum is right");
        assert!(written[8..].starts_with(both[0]));
        let rest = &written[8 + both[0].len()..];
        assert!(rest.iter().all(|byte| matches!(byte, b'\r' | b'\n')));
        assert_eq!(analysed(&own).totals.sip_messages, 4);
    }
}

#[test]
fn an_error_that_quotes_too_little_is_whose_message_begins_so() {
    let scratch = Scratch::new("quote");
    let packets = packets();
    for quoted in [100, 120, 150] {
        let mut capture = Capture { link: link::RAW, records: Vec::new() };
        for record in &packets {
            let error = [&[3, 3, 0, 0, 0, 0, 0, 0][..], &record.data[..28 + quoted]].concat();
            assert!(memchr::memmem::find(&error, b"Call-ID").is_none());
            let error = ip::with_payload(&packets[2].data, 1, &error);
            let nanos = record.nanos + 1_000_000;
            capture.records.push(record.clone());
            capture.records.push(Record { nanos, length: error.len() as u32, data: error });
        }
        let own = first_alone(&scratch, &format!("quote {quoted}"), &capture);
        let icmp = frames(&own).iter().filter(|(.., data)| data[9] == 1).count();
        assert_eq!(icmp, 4, "{quoted}");
    }
}

#[test]
fn fragments_of_another_packet_with_the_same_number_are_left_out() {
    let scratch = Scratch::new("numbers");
    let packets = packets();
    let parts = |record: &Record| {
        // The first one has the Call-ID, as it has on any real network.
        let mut fragments = ip::fragments(&record.data, 360);
        for fragment in &mut fragments {
            fragment[4..6].copy_from_slice(&[0, 7]);
            fragment[10..12].fill(0);
            let checksum = !sum(&fragment[..20]);
            fragment[10..12].copy_from_slice(&checksum.to_be_bytes());
        }
        fragments
    };
    let (first, second) = (parts(&packets[0]), parts(&packets[1]));
    let whole = |order: &[&Vec<u8>]| {
        let at = |number: usize| packets[0].nanos + 10_000_000 * number as i64;
        let record = |(number, data): (usize, &&Vec<u8>)| Record {
            nanos: at(number),
            length: data.len() as u32,
            data: data.to_vec(),
        };
        let mut records: Vec<Record> = order.iter().enumerate().map(record).collect();
        records.extend(
            packets[2..]
                .iter()
                .map(|own| Record { nanos: own.nanos + 10_000_000_000, ..own.clone() }),
        );
        Capture { link: link::RAW, records }
    };
    let (head, tail) = (&first[..1], &first[1..]);
    let all: Vec<&Vec<u8>> = second.iter().collect();
    let lost: Vec<&Vec<u8>> = head.iter().chain(&tail[..tail.len() - 1]).collect();
    let cases = [
        ("lost, then whole", [&lost[..], &all].concat()),
        ("lost, then lost", [&lost[..], &all[..all.len() - 1]].concat()),
        ("whole, then tail", first.iter().chain(&second[1..]).collect()),
        ("whole, then whole", first.iter().chain(&second).collect()),
    ];
    for (name, order) in cases {
        let own = first_alone(&scratch, name, &whole(&order));
        let own = frames(&own).into_iter().filter(|(.., data)| data[4..6] == [0, 7]);
        let kept: Vec<Vec<u8>> = own.map(|(.., data)| data).collect();
        let is_lost = name.starts_with("lost");
        let expected = if is_lost { &first[..first.len() - 1] } else { &first[..] };
        assert_eq!(kept, expected, "{name}");
    }
}

#[test]
fn each_call_can_have_a_file_of_its_own() {
    let scratch = Scratch::new("split");
    let input = scratch.write("in.pcap", &pcap(&shared_connection(333)));
    let folder = scratch.path("calls");
    let target = folder.to_str().expect("text");
    let output = extract(&["--split", target, &input]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let paths: Vec<&Path> = text.lines().map(Path::new).collect();
    let names: Vec<_> = paths.iter().map(|path| path.file_name().expect("a name")).collect();
    assert_eq!(names, ["1-first@script_invalid.pcapng", "2-second@script_invalid.pcapng"]);
    let all = told(&analysed(Path::new(&input)));
    for (path, expected) in paths.iter().zip(&all) {
        assert_eq!(told(&analysed(path)), std::slice::from_ref(expected));
    }
    assert!(refused(&["--split", target, &input]).contains("is not empty"));
    assert_eq!(extract(&["--split", target, "--force", &input]).status.code(), Some(0));
}

#[test]
fn media_come_along_unless_they_are_not_wanted() {
    let scratch = Scratch::new("media");
    let path = fixture("dtmf-rfc4733.pcap");
    let path = path.to_str().expect("text");
    let whole = extracted(&scratch, "whole.pcapng", &["--call", "1", path]);
    let messages = extracted(&scratch, "messages.pcapng", &["--call", "1", "--no-media", path]);
    assert!(frames(&whole).len() > 400);
    let sent = analysed(&messages).totals;
    assert_eq!((sent.frames, sent.rtp_streams), (sent.sip_messages, 0));
}

#[test]
fn findings_stand_beside_their_frames_in_the_language_asked_for() {
    let scratch = Scratch::new("comments");
    let path = fixture("trying-then-502-tcp.pcap");
    let path = path.to_str().expect("text");
    let own = extracted(&scratch, "own.pcapng", &["--lang", "fr", path]);
    let text = String::from_utf8_lossy(&fs::read(&own).expect("a file")).into_owned();
    assert!(text.contains("Extrait par siptrace") && text.contains("de trying-then-502-tcp.pcap"));
    assert!(!text.contains("fixtures"), "the folder is nobody's business");
    let analysis = analysed(&own);
    let code = analysis.findings[0].rule.code;
    assert!(text.contains(&format!("{code} ")), "{code}");
    if let Some(said) = tshark(&own, "frame.comment", "frame.number") {
        let numbers = analysis.findings.iter().flat_map(|finding| &finding.frames);
        let numbers: BTreeSet<String> = numbers.map(|id| id.number.to_string()).collect();
        assert_eq!(said.into_iter().collect::<BTreeSet<_>>(), numbers);
    }
}

#[test]
fn several_captures_become_one_and_keep_their_interfaces() {
    let scratch = Scratch::new("several");
    let plain = Capture::of_script(TWO_CALLS);
    let halves = [("eth0", 0), ("wlan0", 1)].map(|(name, half)| {
        let order = Order::Little;
        let records = plain.records.iter().skip(half).step_by(2);
        let packets: Vec<u8> = records
            .flat_map(|record| {
                let ticks = record.nanos as u64 / 1000;
                container::enhanced(order, 0, ticks, record)
            })
            .collect();
        let options = container::option(order, 2, name.as_bytes());
        let interface = container::interface(order, plain.link, &options);
        let bytes = [container::section(order), interface, packets].concat();
        scratch.write(&format!("{name}.pcapng"), &bytes)
    });
    let [first, second] = &halves;
    let own = extracted(&scratch, "own.pcapng", &[first, second]);
    let times: Vec<i64> = frames(&own).iter().map(|frame| frame.1).collect();
    assert!(times.is_sorted() && times.len() == 8, "{times:?}");
    let analysis = analysed(&own);
    let interfaces = analysis.captures[0].interfaces.iter();
    let names: Vec<_> = interfaces.filter_map(|own| own.name.as_deref()).collect();
    assert_eq!(names, ["eth0", "wlan0"]);
}

#[test]
fn calls_are_chosen_by_name_and_by_expression() {
    let scratch = Scratch::new("chosen");
    let input = scratch.write("in.pcap", &pcap(&Capture::of_script(TWO_CALLS)));
    let names = |path: &Path| -> Vec<String> {
        analysed(path).calls.iter().map(|call| call.call_id.clone()).collect()
    };
    let own = extracted(&scratch, "one.pcapng", &["--filter", "status = 5xx", &input]);
    assert_eq!(names(&own), ["second@script.invalid"]);
    let arguments = ["--filter", "status = 5xx", "--call", "1", &input];
    assert_eq!(names(&extracted(&scratch, "both.pcapng", &arguments)).len(), 2);
    assert!(refused(&["-o", "x.pcapng", "--filter", "status = 2xx", &input]).contains("no call"));
    assert!(refused(&["-o", "x.pcapng", "--filter", "status =", &input]).contains("column"));
    assert!(refused(&["-o", "x.pcapng", "--call", "3", &input]).contains("there are 2"));
    assert!(!Path::new("x.pcapng").exists());
}

#[test]
fn nothing_is_replaced_unasked() {
    let scratch = Scratch::new("force");
    let input = scratch.write("in.pcap", &pcap(&Capture::of_script(TWO_CALLS)));
    let own = extracted(&scratch, "own.pcapng", &[&input]);
    let target = own.to_str().expect("text");
    let before = fs::read(&own).expect("a file");
    assert!(refused(&["-o", target, "--call", "1", &input]).contains("it exists"));
    assert_eq!(fs::read(&own).expect("a file"), before);
    extracted(&scratch, "own.pcapng", &["--force", "--call", "1", &input]);
    assert!(fs::read(&own).expect("a file").len() < before.len());
    let refusal = refused(&["--force", "-o", &input, &input]);
    assert!(refusal.contains("it is one of the captures"), "{refusal}");
    assert!(refused(&["-o", "x.pcapng", "-"]).contains("standard input twice"));
    assert!(refused(&[&input]).contains("--output"));
}

#[test]
fn the_same_comes_out_for_any_number_of_threads() {
    let scratch = Scratch::new("threads");
    let path = fixture("transfer-attended.pcap");
    let path = path.to_str().expect("text");
    let [one, many] = ["1", "8"].map(|threads| {
        let own = extracted(&scratch, &format!("{threads}.pcapng"), &["--threads", threads, path]);
        fs::read(own).expect("a file")
    });
    assert_eq!(one, many);
}
