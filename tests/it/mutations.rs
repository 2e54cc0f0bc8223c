//! Damaged bytes of every kind through every target of fuzzing: nothing panics, and what is read
//! stays consistent.
//!
//! The inputs are the same in every run; `fuzz/run.sh` finds those that nobody thinks of.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::seeds::{self, Seed};
use crate::targets;

/// Seeds of one target.
const SEEDS_MAX: usize = 400;

/// Of the scripts of rules every so many, which is enough for each kind of message.
const SCRIPTS_STEP: usize = 37;

const SDP: &str = "v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1/127\r\nb=AS:64\r\n\
    t=0 0\r\na=sendonly\r\nm=audio 49170/2 RTP/SAVP 0 8 101\r\n\
    a=rtpmap:101 telephone-event/8000\r\n\
    a=fmtp:101 0-15\r\na=rtcp:53020 IN IP6 2001:db8::1\r\na=crypto:1 AES_CM_128 inline:x|2^20\r\n\
    a=candidate:1 1 UDP 2130706431 192.0.2.1 8998 typ host\r\na=des:qos mandatory e2e sendrecv\r\n";

const MESSAGES: [&str; 5] = [
    "INVITE sip:bob;x=1:pw@[2001:db8::1]:5061;lr?Subject=a%20b SIP/2.0\r\n\
     Via: SIP / 2.0 / UDP [2001:db8::9]:5060 ;received=192.0.2.1;rport=1;branch=z9hG4bK1,\r\n \
     SIP/2.0/TCP a.example;maddr=224.2.0.1;branch=z9hG4bK2\r\nMax-Forwards: 70\r\n\
     f: \"Ann \\\"A\\\", <x>\" <sip:ann@a.example>;tag=1\r\nTo: Bob <sip:bob@b.example>\r\n\
     i: 1@a.example\r\nCSeq: 1 INVITE\r\nm: <sip:ann@a.example>;expires=60, *\r\n\
     Session-Expires: 1800;refresher=uac\r\nAllow: INVITE, ACK\r\nc: application/sdp\r\nl: 5\r\n\
     \r\nv=0\r\n",
    "SIP/2.0 401 Unauthorized\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1\r\nt: <sip:b@c>;tag=2\r\n\
     f: <sip:a@b>;tag=1\r\ni: 1\r\nCSeq: 2147483647 REGISTER\r\n\
     Retry-After: 5 (busy);duration=3\r\n\
     WWW-Authenticate: Digest realm=\"a, b\", nonce=\"x\\\"y\", qop=\"auth,auth-int\"\r\n\
     Warning: 307 a.example \"text, more\", 399 b \"x\"\r\n\
     Reason: Q.850;cause=16;text=\"a;b\"\r\n\r\n",
    "REGISTER sip:b.example SIP/2.0\r\nAuthorization: Digest username=\"a\", realm=\"b\",\r\n\
     \tnonce=\"c\", uri=\"sip:b.example\", response=\"d\", nc=00000001, cnonce=\"e\", qop=auth\r\n\
     Contact: *\r\nExpires: 0\r\nDate: Sat, 13 Nov 2010 23:29:00 GMT\r\n\
     Route: <sip:a;lr>,<sip:b>\r\n\r\n",
    "NOTIFY tel:+1-201;phone-context=x SIP/2.0\nEvent: refer;id=1\nSubscription-State: active;\
     expires=60\nContent-Type: multipart/mixed; boundary=\"x\"\nRAck: 1 2 INVITE\nRSeq: 3\n\
     Refer-To: <sip:a@b?Replaces=1%3Bto-tag%3D2>\nReplaces: 1;to-tag=2;from-tag=3;early-only\n\n\
     --x\nContent-Type: message/sipfrag\n\nSIP/2.0 200 OK\n--x\n\
     Content-Type: multipart/a;boundary=y\n\n\
     --y\nContent-Type: application/sdp\n\nv=0\n--y--\n--x--\n",
    "RE%47ISTER urn:service:sos SIP/2.0\rCSeq: 36893488147419103232 RE%47ISTER\r\
     To :\r \"open <sip:a\r\
     From: a@b;;tag=\rVia: SIP/2.0/UDP 192.0.2.15;;,;,,\rContent-Length: -1\r\r",
];

const RTP: &[u8] = b"\xb1\x88\x12\x34\0\0\0\xa0\xde\xad\xbe\xefCSRC\xbe\xde\0\x01EXT.media\0\0\x03";

const RTCP: &[u8] = b"\x81\xc8\0\x0c\0\0\0\x01\xe0\0\0\0\x80\0\0\0\0\0\x10\0\0\0\0\x64\0\0\x3e\x80\
    \0\0\0\x02\x40\xff\xff\xfe\0\x01\0\x05\0\0\0\x08\0\0\0\0\0\0\0\0\
    \x81\xca\0\x04\0\0\0\x01\x01\x07a@b.com\0\0\0\x81\xcb\0\x02\0\0\0\x01\x03bye";

/// Pieces that mean something, put in at random places.
const PIECES: [&[u8]; 26] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\r\n ",
    b":",
    b";",
    b",",
    b"\"",
    b"\\",
    b"<",
    b">",
    b"@",
    b"[",
    b"]",
    b"%",
    b"%4",
    b"=",
    b"/",
    b"?",
    b"\0",
    b"\xff\xfe",
    b"--x",
    b"4294967296",
    b"m=",
    b" ",
];

/// The xorshift generator of Marsaglia with a fixed seed: each run has the same inputs.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.roll() % end.max(1) as u64) as usize
    }

    fn damage(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len() + 1);
        let end = (at + self.below(20)).min(bytes.len());
        match self.below(7) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let piece = bytes[at..end].to_vec();
                let to = self.below(bytes.len() + 1);
                bytes.splice(to..to, piece);
            }
            3 | 4 => {
                let piece = PIECES[self.below(PIECES.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
            5 if at < bytes.len() => bytes[at] = self.roll() as u8,
            _ if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            _ => {}
        }
    }
}

/// Every file below a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// What the targets begin with: fixtures taken apart, manuals, and the messages above.
fn all_seeds() -> &'static [Seed] {
    static SEEDS: OnceLock<Vec<Seed>> = OnceLock::new();
    SEEDS.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut paths = files(&root.join("fixtures/rules"));
        paths.retain(|path| path.extension().is_some_and(|end| end == "sip"));
        paths = paths.into_iter().step_by(SCRIPTS_STEP).collect();
        paths.extend(files(&root.join("fixtures/captures")));
        paths.extend(files(&root.join("fixtures/ci")));
        paths.extend(files(&root.join("docs")));
        let mut seeds: Vec<Seed> = Vec::new();
        for path in paths {
            let bytes = fs::read(&path).expect("a fixture");
            seeds.extend(seeds::of_file(&path.to_string_lossy(), &bytes));
        }
        seeds.extend(MESSAGES.map(|text| ("sip", text.into())));
        seeds.push(("sdp", SDP.into()));
        for packet in [RTP, RTCP] {
            let length = (packet.len() as u16).to_be_bytes();
            seeds.push(("rtp", [&[0, 200, 0], length.as_slice(), packet].concat()));
        }
        seeds
    })
}

/// Gives a target its seeds, then so many damaged ones.
fn damaged(name: &str, inputs: usize) {
    let target = targets::ALL.iter().find(|(own, _)| *own == name).map(|(_, run)| *run);
    let target = target.unwrap_or_else(|| panic!("no target {name}"));
    let own: Vec<&[u8]> = all_seeds()
        .iter()
        .filter_map(|(target, bytes)| (*target == name).then_some(bytes.as_slice()))
        .collect();
    assert!(!own.is_empty(), "nothing to begin with for {name}");
    let seeds: Vec<&[u8]> = own.iter().step_by(own.len().div_ceil(SEEDS_MAX)).copied().collect();
    let mut dice = Dice(0x5157_ace5_eed0_0001);
    for _ in 0..inputs {
        let mut bytes = seeds[dice.below(seeds.len())].to_vec();
        for _ in 0..=dice.below(6) {
            dice.damage(&mut bytes);
        }
        target(&bytes);
    }
}

#[test]
fn damaged_messages_are_read_consistently() {
    damaged("sip", 40_000);
    damaged("sdp", 40_000);
}

#[test]
fn damaged_packets_stay_inside_their_bytes() {
    damaged("frame", 40_000);
    damaged("ip", 2000);
    damaged("rtp", 4000);
}

#[test]
fn damaged_streams_give_whole_messages() {
    damaged("tcp", 2000);
    damaged("websocket", 4000);
    damaged("tls", 2000);
    damaged("hep", 8000);
}

#[test]
fn damaged_files_of_users_are_refused_in_plain_words() {
    damaged("script", 400);
    damaged("config", 2000);
    damaged("filter", 8000);
    damaged("expect", 1000);
}

#[test]
fn damaged_captures_are_read_alike_from_any_pipe() {
    damaged("container", 2000);
}

#[test]
fn damaged_captures_are_analysed_and_written() {
    damaged("analyze", 150);
}

#[test]
fn every_target_is_tried() {
    let source = include_str!("mutations.rs");
    for (name, _) in targets::ALL {
        assert!(source.contains(&format!("damaged(\"{name}\", ")), "{name} is not tried");
    }
}
