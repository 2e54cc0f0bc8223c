//! Pseudonyms in a session description, line by line.

use super::message::line_end;
use super::text::{Pseudonyms, Stays, part};

/// Attributes whose value says how media are encoded and nothing of anybody.
const PLAIN: [&[u8]; 46] = [
    b"rtpmap",
    b"fmtp",
    b"ptime",
    b"maxptime",
    b"rtcp-fb",
    b"extmap",
    b"setup",
    b"connection",
    b"mid",
    b"group",
    b"rtcp-mux",
    b"rtcp-rsize",
    b"silencesupp",
    b"framerate",
    b"framesize",
    b"imageattr",
    b"rid",
    b"simulcast",
    b"curr",
    b"des",
    b"conf",
    b"quality",
    b"orient",
    b"type",
    b"charset",
    b"lang",
    b"sdplang",
    b"msid-semantic",
    b"ssrc-group",
    b"ice-options",
    b"direction",
    b"sctp-port",
    b"sctpmap",
    b"max-message-size",
    b"tcap",
    b"acap",
    b"pcfg",
    b"acfg",
    b"content",
    b"rtcp",
    b"range",
    b"sqn",
    b"cdsc",
    b"cpar",
    b"gpmd",
    b"t38faxversion",
];

impl Pseudonyms {
    /// A session description.
    pub(super) fn sdp(&mut self, body: &mut [u8]) {
        let mut at = 0;
        while let Some(rest) = body.get(at..).filter(|rest| !rest.is_empty()) {
            let length = line_end(rest);
            self.sdp_line(part(body, at..at + length));
            at += length;
        }
    }

    fn sdp_line(&mut self, line: &mut [u8]) {
        let Some((&mut [kind, b'='], value)) = line.split_first_chunk_mut::<2>() else {
            return self.text(line, Stays::Nothing);
        };
        match kind {
            b'v' | b't' | b'r' | b'z' | b'b' | b'm' | b'c' => self.text_of_figures(value),
            b'o' => {
                let end = memchr::memchr(b' ', value).unwrap_or(value.len());
                let (user, rest) = value.split_at_mut(end);
                self.user(user);
                self.text_of_figures(rest);
            }
            b's' => self.text(value, Stays::Words),
            b'k' => {
                let end = memchr::memchr(b':', value).unwrap_or(0);
                self.secret(part(value, end..value.len()));
            }
            b'a' => self.attribute(value),
            _ => self.text(value, Stays::Nothing),
        }
    }

    /// Words of the protocol and figures; a host is told by the address type before it.
    fn text_of_figures(&mut self, value: &mut [u8]) {
        let mark = [&b" IP4 "[..], b" IP6 "];
        let at = mark.iter().find_map(|mark| memchr::memmem::find(value, mark));
        let (start, host) = value.split_at_mut(at.map_or(value.len(), |at| at + 5));
        self.text(start, Stays::Figures);
        let end = memchr::memchr(b'/', host).unwrap_or(host.len());
        self.text(part(host, 0..end), Stays::Nothing);
    }

    fn attribute(&mut self, attribute: &mut [u8]) {
        let end = memchr::memchr(b':', attribute).unwrap_or(attribute.len());
        let (name, value) = attribute.split_at_mut(end);
        let word = name.trim_ascii().to_ascii_lowercase();
        match word.as_slice() {
            b"candidate" | b"remote-candidates" => self.candidate(value),
            b"crypto" => self.crypto(value),
            b"fingerprint" => {
                let end = memchr::memchr(b' ', value).unwrap_or(value.len());
                let trimmed = value.trim_ascii_end().len().max(end);
                self.secret(part(value, end..trimmed));
            }
            b"ssrc" => {
                let name = memchr::memchr(b' ', value).unwrap_or(value.len());
                let attribute = part(value, name..value.len());
                let end = memchr::memchr(b':', attribute).unwrap_or(attribute.len());
                let (name, value) = attribute.split_at_mut(end);
                self.text(name, Stays::Words);
                self.text(value, Stays::Nothing);
            }
            b"rtcp" | b"curr" | b"des" | b"conf" => self.text_of_figures(value),
            word if PLAIN.contains(&word) || word.starts_with(b"t38") => {
                self.text(value, Stays::Codec);
            }
            b"ice-pwd" | b"key-mgmt" | b"zrtp-hash" | b"identity" | b"tls-id" => {
                let trimmed = value.trim_ascii_end().len();
                self.secret(part(value, 0..trimmed));
            }
            _ => {
                self.text(name, Stays::Figures);
                self.text(value, Stays::Nothing);
            }
        }
    }

    /// Foundation, component, transport, priority, address, port, then names and values.
    fn candidate(&mut self, value: &mut [u8]) {
        let mut before = Vec::new();
        for (place, word) in value.split_mut(|byte| *byte == b' ').enumerate() {
            let end = word.trim_ascii_end().len();
            let word = part(word, 0..end);
            let name = std::mem::replace(&mut before, word.to_ascii_lowercase());
            match (place, name.as_slice()) {
                (0 | 4, _) => self.text(word, Stays::Nothing),
                (1 | 3 | 5, _) => self.text(word, Stays::Figures),
                (_, b"raddr" | b"ufrag") => self.text(word, Stays::Nothing),
                (_, b"rport" | b"generation" | b"network-id" | b"network-cost") => {
                    self.text(word, Stays::Figures);
                }
                _ => self.text(word, Stays::Words),
            }
        }
    }

    /// Tag, suite, then keys: `inline:…|2^31|1:4`.
    fn crypto(&mut self, value: &mut [u8]) {
        for word in value.split_mut(|byte| b" ;".contains(byte)) {
            match word.get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"inline:")) {
                true => {
                    let key = part(word, 7..word.len());
                    let end = memchr::memchr(b'|', key).unwrap_or(key.trim_ascii_end().len());
                    self.secret(part(key, 0..end));
                }
                false => self.text(word, Stays::Product),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::redact::Key;

    fn replaced(body: &str) -> String {
        let body = body.replace('\n', "\r\n");
        let mut pseudonyms = Pseudonyms::new(Key::of(b"test"), 0);
        let mut bytes = body.as_bytes().to_vec();
        pseudonyms.sdp(&mut bytes);
        assert_eq!(bytes.len(), body.len());
        String::from_utf8(bytes).expect("characters")
    }

    const OFFER: &str = "\
v=0
o=alice 2890844526 2890844527 IN IP4 host.acme.example
s=Call of Alice
e=alice@acme.example
c=IN IP4 10.1.2.3/127
b=AS:64
t=0 0
m=audio 49170 RTP/SAVP 0 8 101
c=IN IP6 2001:db8::7
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=ptime:20
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4
a=fingerprint:sha-256 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B
a=ice-ufrag:8hhY
a=ice-pwd:asd88fgpdd777uzjYhagZg
a=candidate:1 1 UDP 2130706431 10.0.1.1 8998 typ srflx raddr 10.1.2.3 rport 9000 generation 0
a=ssrc:314159 cname:user@acme.example
a=label:blue
a=sendrecv
";

    #[test]
    fn nobody_is_named_any_more() {
        let text = replaced(OFFER);
        for gone in [
            "alice", "Alice", "acme", "10.1.2.3", "db8", "WVNf", "4A:AD", "8hhY", "asd88",
            "10.0.1.1", "user", "blue", "example",
        ] {
            assert!(!text.contains(gone), "{gone}: {text}");
        }
    }

    #[test]
    fn what_was_agreed_stays() {
        let text = replaced(OFFER);
        for stays in [
            " 2890844526 2890844527 IN IP4 ",
            "c=IN IP4 10.",
            "/127\r\n",
            "b=AS:64\r\n",
            "m=audio 49170 RTP/SAVP 0 8 101\r\n",
            "a=rtpmap:101 telephone-event/8000\r\n",
            "a=fmtp:101 0-16\r\n",
            "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:",
            "|2^20|1:4\r\n",
            "a=fingerprint:sha-256 ",
            " 1 UDP 2130706431 10.",
            " 8998 typ srflx raddr 10.",
            " rport 9000 generation 0\r\n",
            "a=ssrc:314159 cname:",
            "a=sendrecv\r\n",
            "c=IN IP6 ",
        ] {
            assert!(text.contains(stays), "{stays}: {text}");
        }
    }
}
