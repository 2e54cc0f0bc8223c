//! Captures in which every field that captured bytes can fill wants to be more than text.

use std::fs;
use std::path::Path;

use crate::build::container::{Order, block, enhanced, interface, option, section};
use crate::build::ip::{datagram, payload, ports, protocol, with_payload};
use crate::build::link::RAW;
use crate::build::tunnel::hep3;
use crate::build::{Capture, Record};

/// What terminals, pages, tables, annotations and templates are told to do by.
pub(super) const HOSTILE: &[&[u8]] = &[
    b"\x1b]8;;http://evil.example/\x1b\\x",
    b"\x1b]52;c;ZXZpbA==\x07",
    b"\x1b[2J\x1b[H",
    b"\x1b]0;title\x07",
    "\u{9b}2J\u{85}".as_bytes(),
    b"\x9b2J",
    b"\x7f\x08\x08\x00",
    b"\r\n =1+1",
    b"\r\n\t::error::folded",
    "\u{202e}txt\u{202d}\u{202a}\u{202b}\u{202c}".as_bytes(),
    "\u{2066}a\u{2067}b\u{2068}c\u{2069}".as_bytes(),
    "\u{200e}\u{200f}\u{61c}".as_bytes(),
    "\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}\u{ad}".as_bytes(),
    "\u{2028}x\u{2029}".as_bytes(),
    "\u{e0041}\u{e007f}\u{e01ef}\u{fe0f}".as_bytes(),
    "\u{301}\u{300}\u{301}\u{300}\u{301}\u{300}\u{301}".as_bytes(),
    b"\xc3\x28\xff\xed\xa0\x80\xf8",
    "\u{fffe}\u{ffff}\u{1fffe}".as_bytes(),
    "\u{5e9}\u{5dc}\u{fdfd}\u{1242b}\u{65e5}".as_bytes(),
    b"<script>alert(1)</script>",
    b"\"><img src=x onerror=alert(1)>",
    b"</text></svg><b>",
    b"]]>",
    b"-->",
    b"---><nop><action><exec command=\"x\"/></action></nop><!--",
    b"<!--",
    b"&lt;&#x1b;",
    b"javascript:alert(1)",
    b"|a|b|",
    b"\\|",
    b"`",
    b"```",
    b"](http://evil.example)",
    b"![x](http://evil.example/x)",
    b"# h",
    b"[^1]",
    b"**b** @admin #1",
    b"=1+1",
    b"+1",
    b"-1",
    b"@SUM(1)",
    b"\t=1",
    b"=cmd|'/C calc'!A0",
    b"\"=1\"",
    b"::error::x",
    b"%0A::error::x",
    b"%1b[2J%0a%e2%80%ae%22x",
    b"::set-output name=x::y",
    b"::stop-commands::x",
    b"[text](1)",
    b"{0}",
    b"{server}{frames}",
    b"[{wait_ms}]",
    b"',\\\"",
    b"${x} $(x)",
];

/// Text with each `{}` filled by the next hostile one and each `{=}` by one that stays the same.
struct Filler {
    next: usize,
    same: usize,
}

impl Filler {
    fn fill(&mut self, template: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            out.extend(before.as_bytes());
            let (mark, below) = after.split_once('}').expect("a closed place");
            match mark {
                "=" => out.extend(hostile(self.same)),
                _ => {
                    out.extend(hostile(self.next));
                    self.next += 1;
                }
            }
            rest = below;
        }
        out.extend(rest.as_bytes());
        out
    }

    fn message(&mut self, head: &str, body: &str) -> Vec<u8> {
        let body = self.fill(body);
        let length = format!("Content-Length: {}\r\n\r\n", body.len());
        [self.fill(&head.replace('\n', "\r\n")), length.into_bytes(), body].concat()
    }
}

fn hostile(number: usize) -> &'static [u8] {
    HOSTILE[number % HOSTILE.len()]
}

const INVITE: &str = "\
INVITE sip:bob{}@192.0.2.2;x={} SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKNUMBER
Max-Forwards: 70
From: \"A{}\" <sip:a{}@example.com>;tag=f{=}
To: \"{}\" <sip:b{}@example.com>
Call-ID: {=}NUMBER@h
CSeq: 1 INVITE
Contact: <sip:a{}@192.0.2.1>
User-Agent: {}
Subject: {}
X-{}: {}
Identity: {};info=<{}>;alg=ES256;ppt={}
P-Asserted-Identity: {}
Session-ID: {}
Allow: {}
Content-Type: application/sdp
";

const SDP: &str = "v=0\r\no={} 1 1 IN IP4 192.0.2.1\r\ns={}\r\ni={}\r\nu={}\r\ne={}\r\np={}\r\n\
    c=IN IP4 192.0.2.1\r\nb={}:1\r\nt=0 0\r\nr={}\r\nk={}\r\na=tool:{}\r\n\
    m=audio 40000 RTP/AVP 96 97 0\r\na=rtpmap:96 {=}/8000\r\na=fmtp:96 {}\r\n\
    a=rtpmap:97 X{}/8000\r\na=ice-ufrag:{}\r\na=candidate:{} 1 UDP 1 192.0.2.1 9 typ host\r\n\
    a=crypto:1 {} inline:{}\r\na=label:{}\r\na=mid:{}\r\na={}\r\nm={} 1 {} 0\r\n";

const REFUSED: &str = "\
SIP/2.0 CODE P{}
Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKNUMBER
From: \"A\" <sip:a@example.com>;tag=f{=}
To: <sip:b@example.com>;tag=t{=}
Call-ID: {=}NUMBER@h
CSeq: 1 INVITE
Server: {}
Warning: 399 {} \"{}\"
Reason: Q.850;cause=38;text=\"{}\"
Reason: {};cause=200;text=\"{}\"
Retry-After: 5 ({})
WWW-Authenticate: Digest realm=\"{}\", nonce=\"{}\"
Unsupported: {}
Error-Info: <{}>
Content-Type: message/sipfrag
";

const ANSWERED: &str = "\
SIP/2.0 200 {}
Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKNUMBER
From: \"A\" <sip:a@example.com>;tag=f{=}
To: <sip:b@example.com>;tag=t{=}
Call-ID: {=}NUMBER@h
CSeq: 1 INVITE
Contact: <sip:b{}@192.0.2.2>
Server: {}
Content-Type: application/sdp
";

const OTHER: &str = "\
X{=} sip:b{}@192.0.2.2 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKoNUMBER
From: <sip:a{}@example.com>;tag={=}
To: <sip:b@example.com>
Call-ID: o{=}NUMBER@h
CSeq: 1 X{=}
Content-Type: application/{}
";

fn packet([from, to]: [u8; 2], [source, destination]: [u16; 2], bytes: &[u8]) -> Vec<u8> {
    let ports = [source, destination, bytes.len() as u16 + 8, 0].map(u16::to_be_bytes);
    let mut ip = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0];
    ip.extend([192, 0, 2, from, 192, 0, 2, to]);
    with_payload(&ip, 17, &[ports.as_flattened(), bytes].concat())
}

/// Receiver and sender descriptions, and a reason to leave.
fn rtcp(text: &[u8]) -> Vec<u8> {
    let text = &text[..text.len().min(200)];
    let mut chunk = [&[0, 0, 0, 7, 1, text.len() as u8], text, &[0]].concat();
    chunk.resize(chunk.len().next_multiple_of(4), 0);
    let words = (chunk.len() / 4) as u16;
    let mut bye = [&[0, 0, 0, 7, text.len() as u8], text].concat();
    bye.resize(bye.len().next_multiple_of(4), 0);
    let report = [0x80, 201, 0, 1, 0, 0, 0, 7];
    let head = |kind: u8, words: u16| [&[0x81, kind], &words.to_be_bytes()[..]].concat();
    let bye_words = (bye.len() / 4) as u16;
    [&report[..], &head(202, words), &chunk, &head(203, bye_words), &bye].concat()
}

/// What a HEP agent sends of a packet, with its own name.
fn hep(ip: &[u8], name: &[u8]) -> Vec<u8> {
    let mut inner = hep3(ip);
    inner.extend([[0, 0], [0, 19], (name.len() as u16 + 6).to_be_bytes()].as_flattened());
    inner.extend(name);
    let length = (inner.len() as u16).to_be_bytes();
    inner[4..6].copy_from_slice(&length);
    packet([9, 8], [40_000, 9060], &inner)
}

/// Calls whose every field is hostile, each time by other texts.
fn of_templates(record: &mut impl FnMut(f64, Vec<u8>)) {
    let to_bob = |bytes: &[u8]| packet([1, 2], [5060, 5060], bytes);
    let to_alice = |bytes: &[u8]| packet([2, 1], [5060, 5060], bytes);
    for number in 0..HOSTILE.len() {
        let mut filler = Filler { next: number * 7, same: number };
        let mut message = |head: &str, body: &str| {
            let code = ["403", "503", "407", "420", "799"][number % 5];
            let head = head.replace("NUMBER", &number.to_string()).replace("CODE", code);
            filler.message(&head, body)
        };
        let invite = to_bob(&message(INVITE, SDP));
        let heard = if number % 9 == 0 { hep(&invite, hostile(number)) } else { invite };
        record(0.01, heard);
        if number % 2 == 0 {
            record(0.2, to_alice(&message(REFUSED, "SIP/2.0 503 {}\r\n{}: {}\r\n")));
        } else {
            record(0.2, to_alice(&message(ANSWERED, SDP)));
            for sequence in 0..20_u16 {
                let header = [&[0x80, 96], &sequence.to_be_bytes()[..]].concat();
                let time = (u32::from(sequence) * 160).to_be_bytes();
                let rtp = [&header, &time[..], &[0, 0, 0, 7], &[0xd5; 160]].concat();
                record(0.02, packet([1, 2], [40_000, 40_000], &rtp));
            }
            record(0.01, packet([1, 2], [40_001, 40_001], &rtcp(hostile(number))));
        }
        record(0.01, to_bob(&message(OTHER, "{}\r\n{}={}\r\n")));
    }
}

/// Calls of every kind, with one hostile text in every field in turn, one after another.
pub(super) fn calls() -> Capture {
    let mut records = Vec::new();
    let mut nanos: i64 = 1_767_603_600_000_000_000;
    of_templates(&mut |after, data| {
        nanos += (after * 1e9) as i64;
        records.push(Record { nanos, length: data.len() as u32, data });
    });
    Capture { link: RAW, records }
}

/// Words without which a message would be nothing that a rule looks at.
const KEPT: &str = "\
    \x20sip sips tel udp tcp tls branch tag rport invite ack bye cancel options register subscribe \
    notify refer update prack info message publish rtp avp savp avpf audio video rtpmap fmtp \
    sendrecv sendonly recvonly inactive ip4 ip6 application sdp digest ";

/// A message with hostile texts behind some of its words, behind the same ones everywhere.
fn tainted(message: &[u8], seed: u64) -> Vec<u8> {
    let text = String::from_utf8_lossy(message);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return message.to_vec() };
    let body: Vec<Vec<u8>> = body.split("\r\n").map(|line| words(line, 2, seed)).collect();
    let body = body.join(&b"\r\n"[..]);
    let mut out = Vec::new();
    for (at, line) in head.split("\r\n").enumerate() {
        let (before, value) = match at {
            0 => line.split_at(line.find(' ').map_or(0, |end| end + 1)),
            _ => line.split_at(line.find(':').map_or(0, |end| end + 1)),
        };
        out.extend(before.as_bytes());
        match before.eq_ignore_ascii_case("Content-Length:") {
            true => out.extend(format!(" {}", body.len()).as_bytes()),
            false => out.extend(words(value, 0, seed)),
        }
        out.extend(b"\r\n");
    }
    [out, b"\r\n".to_vec(), body].concat()
}

fn words(line: &str, from: usize, seed: u64) -> Vec<u8> {
    let mut out = line.get(..from).unwrap_or_default().as_bytes().to_vec();
    let rest = line.get(from..).unwrap_or_default();
    for word in rest.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '-') {
        let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        out.extend(bare.as_bytes());
        let known = format!(" {} ", bare.to_ascii_lowercase());
        let hash = bare.bytes().fold(seed, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3).rotate_left(7)
        });
        let is_word = bare.len() > 2 && bare.bytes().any(|byte| byte.is_ascii_alphabetic());
        if is_word && hash % 4 == 0 && !KEPT.contains(&known) {
            out.extend(hostile((hash >> 8) as usize));
        }
        out.extend(word.get(bare.len()..).unwrap_or_default().as_bytes());
    }
    out
}

/// The frame with a hostile message, where it is one that can be told alone.
fn tainted_frame(ip: &[u8], name: &str, seed: u64) -> Vec<u8> {
    let is_fragment = ip[0] >> 4 == 4 && (ip[6] & 0x3f != 0 || ip[7] != 0);
    if is_fragment || ![6, 17].contains(&protocol(ip)) {
        return ip.to_vec();
    }
    let replaced = |bytes: &[u8], old: &str, new: &[u8]| {
        let parts: Vec<&[u8]> = split(bytes, old.as_bytes());
        parts.join(new)
    };
    if protocol(ip) == 6 {
        // Sequence numbers hold only for as many bytes as there were.
        let hostile = replaced(payload(ip), "example.com", b"e\x1b[2J\xe2\x80\xae.<b");
        return with_payload(ip, 6, &hostile);
    }
    let message = datagram(ip);
    if split(message, b"SIP/2.0").len() == 1 || split(message, b"script.invalid").len() == 1 {
        return ip.to_vec();
    }
    let message = tainted(&replaced(message, "script.invalid", name.as_bytes()), seed);
    let [source, destination] = ports(ip);
    let length = (message.len() as u16 + 8).to_be_bytes();
    let udp = [source, destination, length, [0, 0]];
    with_payload(ip, 17, &[udp.as_flattened(), &message].concat())
}

fn split<'b>(bytes: &'b [u8], mark: &[u8]) -> Vec<&'b [u8]> {
    let mut parts = Vec::new();
    let mut from = 0;
    for at in 0..bytes.len() {
        if at >= from && bytes[at..].starts_with(mark) {
            parts.push(&bytes[from..at]);
            from = at + mark.len();
        }
    }
    parts.push(&bytes[from..]);
    parts
}

/// A case of every rule, one after another, with hostile texts in its messages.
pub(super) fn rules() -> Capture {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rules");
    let mut rules: Vec<_> = fs::read_dir(folder).expect("rules").flatten().collect();
    rules.sort_by_key(fs::DirEntry::path);
    let mut records: Vec<Record> = Vec::new();
    for rule in rules {
        let mut cases: Vec<_> = fs::read_dir(rule.path()).expect("cases").flatten().collect();
        cases.sort_by_key(fs::DirEntry::path);
        let is_firing = |case: &fs::DirEntry| {
            case.file_name().to_string_lossy().starts_with("fires-")
                && case.metadata().is_ok_and(|about| about.len() < 8 << 10)
        };
        for (case, number) in cases.into_iter().filter(is_firing).take(2).zip(0..) {
            let text = fs::read_to_string(case.path()).expect("a case");
            let capture = Capture::of_script(&text);
            let first = capture.records.first().map_or(0, |record| record.nanos);
            let start = records.last().map_or(first, |last| last.nanos + 60_000_000_000);
            let name = format!("{}{number}", rule.file_name().to_string_lossy());
            let seed = name.bytes().map(u64::from).sum();
            records.extend(capture.records.into_iter().take(400).map(|record| {
                let data = tainted_frame(&record.data, &name, seed);
                let nanos = start + (record.nanos - first).max(0);
                Record { nanos, length: record.length.max(data.len() as u32), data }
            }));
        }
    }
    Capture { link: RAW, records }
}

/// A pcapng file in which every option and name is hostile as well.
pub(super) fn pcapng(capture: &Capture) -> Vec<u8> {
    let order = Order::Little;
    let texts = HOSTILE.iter().cycle();
    let options = |codes: &[u16]| {
        let own = codes.iter().zip(texts.clone()).map(|(code, text)| option(order, *code, text));
        [own.collect::<Vec<_>>().concat(), option(order, 0, &[])].concat()
    };
    let head = section(order);
    let described = [&head[8..24], &options(&[1, 2, 3, 4])].concat();
    let names = HOSTILE.iter().filter(|text| !text.contains(&0)).zip(1..);
    let names: Vec<u8> = names
        .flat_map(|(text, last)| option(order, 1, &[&[192, 0, 2, last], *text, &[0]].concat()))
        .collect();
    let mut file = block(order, 0x0a0d_0d0a, &described);
    file.extend(interface(order, capture.link, &options(&[1, 2, 3, 11, 12, 15])));
    file.extend(block(order, 4, &[names, option(order, 0, &[])].concat()));
    for record in &capture.records {
        file.extend(enhanced(order, 0, record.nanos as u64 / 1000, record));
    }
    file.extend(block(order, 0x0bad, &[&[0, 0, 0, 0], HOSTILE[2]].concat()));
    file
}
