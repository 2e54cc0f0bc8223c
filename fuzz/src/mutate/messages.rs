//! Damage to the text of a message: lines, names, values, parameters, bodies, lengths.

use super::Random;

/// Values that crash what trusts them.
const HOSTILE: [&[u8]; 73] = [
    b"",
    b" ",
    b"0",
    b"-1",
    b"1",
    b"65536",
    b"2147483647",
    b"2147483648",
    b"4294967295",
    b"4294967296",
    b"18446744073709551615",
    b"18446744073709551616",
    b"99999999999999999999999999999999999999999",
    b"1e309",
    b"NaN",
    b"0.0000000000000000000000000001",
    b"\xff\xfe\xfd",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xf0\x9f\x98\x80",
    b"\xe2\x80\xae",
    b"\xc2\x85",
    b"\x1b[2J\x1b]0;x\x07",
    b"\x9b31m",
    b"\0",
    b"%",
    b"%4",
    b"%zz",
    b"%00",
    b"%1b%5b2J",
    b"%25%25%2",
    b"\"",
    b"\"open",
    b"\\",
    b"\"\\",
    b"\"\\\"",
    b"<",
    b"<sip:",
    b"<sip:a@b",
    b">",
    b"<>",
    b"sip:",
    b"sip:@",
    b"sip::@:",
    b"sips:a@[",
    b"<sip:[::1",
    b"<sip:a@[2001:db8::1%25eth0]:99999>",
    b"tel:",
    b"tel:+;phone-context=",
    b"urn:service:sos.",
    b";",
    b";;;=;",
    b";tag",
    b";tag=",
    b",",
    b",,,,",
    b"=",
    b"@",
    b":",
    b"*",
    b"\r",
    b"\n",
    b"\r\n\r\n",
    b"\r\n ",
    b"(((((((((((((((((((((",
    b"<script>alert(1)</script>",
    b"=cmd|' /C calc'!A0",
    b"]]>",
    b"-->",
    b"::error::x%0A",
    b"|`*_#[x](y)",
    b"Sat, 99 Foo 99999 99:99:99 GMT",
];

/// Names of header fields that something reads, and pairs with a value that is nearly right.
const FIELDS: [(&str, &str); 58] = [
    ("Via", "SIP/2.0/UDP ;branch="),
    ("v", "SIP / 2.0 / TCP [::1]:70000;received=;rport=x"),
    ("From", "\"\" <>;tag"),
    ("f", "sip:a@b;tag=1;tag=2"),
    ("To", "<sip:b@c>;tag=\"\""),
    ("t", "x"),
    ("Call-ID", ""),
    ("i", "@@"),
    ("CSeq", "4294967296 INVITE"),
    ("CSeq", "INVITE"),
    ("Max-Forwards", "-1"),
    ("Contact", "*, *"),
    ("m", "<sip:a@b>;expires=99999999999;q=7"),
    ("Record-Route", "<sip:p;lr"),
    ("Route", ",<sip:p;lr>,,"),
    ("Content-Length", "99999999999999999999"),
    ("l", "-5"),
    ("Content-Type", "multipart/mixed;boundary=\"\""),
    ("c", "application/sdp;;;"),
    ("Content-Encoding", "gzip"),
    ("Expires", "99999999999"),
    ("Min-Expires", ""),
    ("Session-Expires", "1800;refresher"),
    ("x", ";refresher=uas"),
    ("Min-SE", "0"),
    ("Supported", ",,100rel,"),
    ("Require", "100rel, precondition, nonsense"),
    ("Unsupported", ""),
    ("Allow", ",INVITE,,"),
    ("RSeq", "4294967295"),
    ("RAck", "1 2"),
    ("Warning", ""),
    ("Warning", "399 - \""),
    ("Warning", "3 x \"y\", 307, \"\""),
    ("Reason", ""),
    ("Reason", "Q.850;cause=;text=\""),
    ("Reason", "SIP;cause=4294967296;text=\"\\"),
    ("Retry-After", "99999999999 (;duration=-1"),
    ("Event", ";id=;id="),
    ("o", "presence;;"),
    ("Subscription-State", "terminated;reason=;retry-after=99999999999"),
    ("Refer-To", "<sip:a@b?Replaces=%3B%3Bto-tag%3D>"),
    ("r", "<>"),
    ("Replaces", ";to-tag;from-tag=;early-only="),
    ("Join", "x;to-tag=1"),
    ("Referred-By", "<sip:>;cid=\"\""),
    ("WWW-Authenticate", "Digest"),
    ("Proxy-Authenticate", "Digest realm=\", nonce=,,qop=\"auth,\""),
    ("Authorization", "Digest username=\"a\\\", nc=zzzzzzzz, response="),
    ("Proxy-Authorization", "Basic ===="),
    ("Authentication-Info", "nextnonce=,nc=99999999999"),
    ("Date", "Thu, 30 Feb 1600 25:61:61 GMT"),
    ("Timestamp", "99999999999.99999999999 -5"),
    ("Identity", "eyJ.eyJ.x;info=<>;alg=;ppt=\""),
    ("P-Asserted-Identity", "<sip:>,<tel:>"),
    ("History-Info", "<sip:a@b?Reason=%>;index=1.1.1.1.1.1;rc="),
    ("Geolocation", "<cid:>,<http:>"),
    ("Session-ID", "zz;remote="),
];

/// Lines of session descriptions that are nearly right.
const DESCRIPTIONS: [&str; 28] = [
    "v=",
    "o=- - - IN IP4 -",
    "o=- 99999999999999999999 -1 IN IP9 x",
    "c=IN IP4",
    "c=IN IP6 ::::",
    "c=IN IP4 0.0.0.0/999/999",
    "t=99999999999999999999 0",
    "b=AS:99999999999",
    "m=",
    "m=audio",
    "m=audio 70000 RTP/AVP 0",
    "m=audio 5004/99999 RTP/AVP 0 0 0 300 x",
    "m=audio 0/0 RTP/AVP",
    "m=image 5004 udptl t38",
    "m=text -1 TCP/MSRP *",
    "a=rtpmap:0",
    "a=rtpmap:0 PCMU/0",
    "a=rtpmap:96 X/4294967295/99999",
    "a=fmtp:",
    "a=fmtp:101 0-99999999999",
    "a=ptime:0",
    "a=ptime:-1.5e9",
    "a=rtcp:0 IN IP4",
    "a=candidate:1 1 UDP 99999999999 :: 0 typ",
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:|2^99|1:99",
    "a=fingerprint:sha-256 zz:",
    "a=des:qos mandatory e2e",
    "a=group:BUNDLE 0 0 x",
];

/// Methods and status codes of a start line.
const STARTS: [&[u8]; 14] = [
    b"INVITE",
    b"ACK",
    b"BYE",
    b"CANCEL",
    b"REGISTER",
    b"NOTIFY",
    b"PRACK",
    b"nonsense",
    b"100",
    b"180",
    b"200",
    b"401",
    b"699",
    b"999",
];

/// Characters at which values have parts.
const DELIMITERS: &[u8] = b";=,\"<>@:/?& \t";

/// Bytes of a message at most; nothing carries more than a quarter of it.
const BYTES_MAX: usize = 256 << 10;

/// Lines that one header is repeated at most: more than a message may have.
const REPEATS: [usize; 8] = [1, 1, 1, 2, 3, 20, 100, 600];

/// Damages a message in one place; `donor` is another one that lines can come from.
pub(super) fn edit(message: &mut Vec<u8>, donor: &[u8], random: &mut Random) {
    let end = message.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 2);
    let mut lines = Lines::of(message);
    let header = 1 + random.below(lines.count(..end).saturating_sub(1));
    let any = random.below(lines.0.len());
    let line = if random.once_in(4) { any } else { header.min(any.max(header)) };
    match random.below(14) {
        0 => lines.remove(line),
        1 => lines.repeat(line, random.one(&REPEATS)),
        2 => lines.swap(line, random),
        3 => lines.set_value(line, random.one(&HOSTILE)),
        4 => lines.set_part(line, random),
        5 => lines.set_part(line, random),
        6 => lines.set_part(0, random),
        7 => lines.put_in(line, random),
        8 => {
            let (name, value) = random.one(&FIELDS);
            lines.insert(header, format!("{name}: {value}\r\n").into_bytes());
        }
        9 => {
            let (name, _) = random.one(&FIELDS);
            let value = [name.as_bytes(), b": ", random.one(&HOSTILE), b"\r\n"].concat();
            lines.insert(header, value);
        }
        10 => lines.describe(end, random),
        11 => {
            let donated = Lines::of(donor);
            let taken = donated.0.get(random.below(donated.0.len())).cloned();
            lines.insert(header, taken.unwrap_or_default());
        }
        12 => lines.length(random),
        _ => return cut(message, end, random),
    }
    *message = lines.0.concat();
    message.truncate(BYTES_MAX);
    if random.once_in(3) {
        fit_length(message);
    }
}

/// Cuts or doubles a body, or a message.
fn cut(message: &mut Vec<u8>, end: usize, random: &mut Random) {
    let body = message.get(end..).unwrap_or_default().to_vec();
    match random.below(5) {
        0 => message.truncate(random.below(message.len() + 1)),
        1 => message.truncate(end + random.below(body.len() + 1)),
        2 => message.extend(body),
        3 => {
            let whole = message.clone();
            message.extend(whole);
        }
        _ => message.extend(std::iter::repeat_n(random.byte(), random.below(3000))),
    }
}

/// Lets Content-Length say how long the body is.
fn fit_length(message: &mut Vec<u8>) {
    let Some(end) = message.windows(4).position(|four| four == b"\r\n\r\n") else { return };
    let length = message.len() - end - 4;
    let mut lines = Lines::of(message);
    for line in &mut lines.0 {
        if line.len() < 40 && line.to_ascii_lowercase().starts_with(b"content-length:") {
            *line = format!("Content-Length: {length}\r\n").into_bytes();
        }
    }
    *message = lines.0.concat();
}

/// The lines of a message with their ends.
struct Lines(Vec<Vec<u8>>);

impl Lines {
    fn of(message: &[u8]) -> Self {
        Self(message.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect())
    }

    /// Lines that end before this place.
    fn count(&self, before: std::ops::RangeTo<usize>) -> usize {
        let mut left = before.end;
        let fits = |line: &&Vec<u8>| {
            let is_before = line.len() <= left;
            left = left.saturating_sub(line.len());
            is_before && left > 0
        };
        self.0.iter().take_while(fits).count()
    }

    fn insert(&mut self, at: usize, line: Vec<u8>) {
        let at = at.min(self.0.len());
        self.0.insert(at, line);
    }

    fn remove(&mut self, at: usize) {
        if at < self.0.len() {
            self.0.remove(at);
        }
    }

    fn repeat(&mut self, at: usize, times: usize) {
        if let Some(line) = self.0.get(at).cloned() {
            self.0.splice(at..at, std::iter::repeat_n(line, times));
        }
    }

    fn swap(&mut self, at: usize, random: &mut Random) {
        let other = random.below(self.0.len());
        if at < self.0.len() {
            self.0.swap(at, other);
        }
    }

    /// Another value behind the name.
    fn set_value(&mut self, at: usize, value: &[u8]) {
        let Some(line) = self.0.get_mut(at) else { return };
        let behind = |mark| line.iter().position(|byte| *byte == mark);
        let name = behind(b':').or_else(|| behind(b'=')).map_or(0, |place| place + 1);
        line.truncate(name);
        line.extend(value);
        line.extend(b"\r\n");
    }

    /// Another word, number or nothing between two delimiters of a line.
    fn set_part(&mut self, at: usize, random: &mut Random) {
        let Some(line) = self.0.get_mut(at) else { return };
        let end = line.len() - line.iter().rev().take_while(|b| b"\r\n".contains(b)).count();
        let is_mark = |byte: &u8| DELIMITERS.contains(byte);
        let place = random.below(end);
        let start = line[..place].iter().rposition(is_mark).map_or(0, |mark| mark + 1);
        let length = line[place..end].iter().position(is_mark).unwrap_or(end - place);
        let part = match random.below(6) {
            0 => random.one(&STARTS).to_vec(),
            1 => vec![b'A'; random.below(5000)],
            2 => line[..end].to_vec(),
            _ => random.one(&HOSTILE).to_vec(),
        };
        line.splice(start..place + length, part);
    }

    /// Something that does not belong there.
    fn put_in(&mut self, at: usize, random: &mut Random) {
        let Some(line) = self.0.get_mut(at) else { return };
        let place = random.below(line.len() + 1);
        let piece = random.one(&HOSTILE);
        let times = if random.once_in(10) { random.below(300) } else { 1 };
        line.splice(place..place, piece.repeat(times));
    }

    /// A line of a session description that is nearly right, instead of one or besides.
    fn describe(&mut self, end: usize, random: &mut Random) {
        let head = self.count(..end);
        let at = head + 1 + random.below(self.0.len().saturating_sub(head));
        let line = format!("{}\r\n", random.one(&DESCRIPTIONS)).into_bytes();
        match self.0.get_mut(at) {
            Some(old) if random.once_in(2) => *old = line,
            _ => self.repeat_new(at, line, random.one(&REPEATS)),
        }
    }

    fn repeat_new(&mut self, at: usize, line: Vec<u8>, times: usize) {
        let at = at.min(self.0.len());
        self.0.splice(at..at, std::iter::repeat_n(line, times));
    }

    /// A length of the body that is wrong.
    fn length(&mut self, random: &mut Random) {
        let value = random.one(&HOSTILE);
        for line in &mut self.0 {
            if line.to_ascii_lowercase().starts_with(b"content-length") {
                *line = [b"Content-Length: ", value, b"\r\n"].concat();
            }
        }
    }
}
