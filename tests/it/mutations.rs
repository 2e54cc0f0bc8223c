//! Damaged bytes of every kind: nothing panics, and what is read stays consistent.

use siptrace::rtp::{self, rtcp};
use siptrace::sdp::Session;
use siptrace::sip::{
    Address, Anomaly, Challenge, Credentials, HeaderName, Host, Message, Method, Uri, head,
    is_start,
};

const INPUTS: usize = 300_000;

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

#[test]
fn damaged_bytes_are_read_without_panic() {
    let mut seeds: Vec<Vec<u8>> = MESSAGES.iter().map(|text| text.as_bytes().to_vec()).collect();
    seeds.extend([SDP.as_bytes().to_vec(), RTP.to_vec(), RTCP.to_vec()]);
    let mut dice = Dice(0x5157_ace5_eed0_0001);
    for _ in 0..INPUTS {
        let mut bytes = seeds[dice.below(seeds.len())].clone();
        for _ in 0..=dice.below(6) {
            dice.damage(&mut bytes);
        }
        read_message(&bytes);
        read_session(&bytes);
        read_media(&bytes);
    }
}

fn read_message(bytes: &[u8]) {
    let (message, anomalies) = Message::parse(bytes);
    let body = message.body();
    assert!(message.header_section().len() + body.len() + message.trailing().len() <= bytes.len());
    assert_eq!(anomalies.contains(Anomaly::MissingCallId), message.call_id().is_none());
    if is_start(bytes)
        && let Some(head) = head(bytes)
    {
        assert_eq!(head.call_id, message.call_id());
        assert_eq!(head.method().unwrap_or(Method::Other(&[])), message.method());
        assert_eq!(head.status(), message.status());
    }
    // The short ways find what the long ways find.
    assert_eq!(message.from_tag(), message.from().and_then(|from| from.tag()));
    assert_eq!(message.to_tag(), message.to().and_then(|to| to.tag()));
    assert_eq!(message.branch(), message.top_via().and_then(|via| via.branch()));
    for header in message.headers() {
        read_value(header.value);
        let _ = (message.text(header.name), message.values(header.name).count());
    }
    let _ = (message.method().as_str(), message.status(), message.reason_phrase());
    let _ = (message.cseq(), message.rack(), message.rseq(), message.retry_after());
    let _ = (message.session_expires(), message.min_se(), message.max_forwards());
    let _ = (message.event(), message.subscription_state(), message.replaces());
    let _ = (message.sdp(), message.sipfrag_status(), message.allow().count());
    let _ = (message.warnings().count(), message.reason().count(), message.duplicates().count());
    for via in message.vias() {
        let _ = (via.received(), via.rport(), via.maddr(), via.port_or_default());
    }
    for part in message.parts() {
        let _ = part.header(HeaderName::ContentId);
        read_session(part.body);
    }
}

fn read_value(value: &[u8]) {
    let address = Address::of(value);
    let _ = (address.display_text(), address.tag(), address.expires());
    let uri = Uri::parse(value);
    assert!(address.uri.is_equivalent(&address.uri) || address.uri.parameters().iter().count() > 1);
    let _ = (uri.user_text(), uri.header("a"), uri.is_equivalent(&address.uri));
    let _ = uri.host().map(Host::address);
    let challenge = Challenge::parse(value);
    let _ = (challenge.realm(), challenge.is_stale(), challenge.fields.text("nonce"));
    let _ = Credentials::parse(value).nonce_count();
}

fn read_session(bytes: &[u8]) {
    let (session, _) = Session::parse(bytes);
    let _ = (session.direction(), session.bandwidth("AS"), session.attributes().count());
    for media in &session.media {
        let _ = (media.rtp_endpoint(), media.rtcp_endpoint(), media.direction(), media.setup());
        let _ =
            (media.codecs().count(), media.fmtps().count(), media.candidate_addresses().count());
        let _ = (media.preconditions().count(), media.crypto_suites().count(), media.ptime());
    }
}

fn read_media(bytes: &[u8]) {
    if let Some(header) = rtp::Header::parse(bytes) {
        assert!(bytes.get(header.payload).is_some());
    }
    for packet in rtcp::packets(bytes) {
        match packet {
            rtcp::Packet::SenderReport(report) => drop(report.blocks().count()),
            rtcp::Packet::ReceiverReport(report) => drop(report.blocks().count()),
            rtcp::Packet::SourceDescription(names) => drop(names.canonical_names()),
            rtcp::Packet::Goodbye(bye) => drop((bye.sources().count(), bye.reason())),
            rtcp::Packet::ExtendedReport(report) => drop(report.voip_metrics().count()),
            rtcp::Packet::Other { .. } => {}
        }
    }
}
