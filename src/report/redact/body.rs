//! Pseudonyms in bodies of messages, by their type.

use super::message::{headers_end, line_end};
use super::text::{Pseudonyms, Stays, part};
use crate::sip::base64;

/// Parts inside parts that are read as such.
const DEPTH_MAX: usize = 4;

impl Pseudonyms {
    /// A body of a type. What is no text is put to zero.
    pub(super) fn body(&mut self, body: &mut [u8], kind: &[u8], depth: usize) {
        let end = memchr::memchr(b';', kind).unwrap_or(kind.len());
        let name = kind.get(..end).unwrap_or_default().trim_ascii().to_ascii_lowercase();
        let is_text = std::str::from_utf8(body).is_ok_and(|text| !text.contains('\0'));
        match name.as_slice() {
            _ if body.is_empty() => {}
            b"application/sdp" => self.sdp(body),
            name if name.starts_with(b"multipart/") && depth < DEPTH_MAX => {
                self.multipart(body, kind, depth);
            }
            b"message/sipfrag" | b"message/sip" => self.nested(body, depth + 1),
            b"application/dtmf-relay" | b"application/dtmf" => self.keys(body),
            b"" if body.starts_with(b"v=0") => self.sdp(body),
            name if is_text && name.ends_with(b"xml") => self.xml(body),
            name if is_text && (name == b"text/plain" || name == b"text/html") => {
                self.text(body, Stays::Nothing);
            }
            _ if is_text => self.text(body, Stays::Words),
            _ => self.blank(body),
        }
    }

    /// Parts with a boundary between them.
    fn multipart(&mut self, body: &mut [u8], kind: &[u8], depth: usize) {
        let name = b"boundary=";
        let at = kind.windows(name.len()).position(|word| word.eq_ignore_ascii_case(name));
        let value = at.and_then(|at| kind.get(at + name.len()..)).unwrap_or_default();
        let boundary = match value {
            [b'"', rest @ ..] => rest.split(|byte| *byte == b'"').next(),
            value => value.split(|byte| b"; \t\r\n".contains(byte)).next(),
        };
        let boundary = boundary.filter(|boundary| !boundary.is_empty());
        let Some(boundary) = boundary else { return self.text(body, Stays::Words) };
        let mark = [b"--", boundary].concat();
        let mut starts = Vec::new();
        let mut at = 0;
        while let Some(rest) = body.get(at..).filter(|rest| !rest.is_empty()) {
            let length = line_end(rest);
            if rest.starts_with(&mark) {
                starts.push(at..at + length);
            }
            at += length;
        }
        let first = starts.first().map_or(body.len(), |line| line.start);
        self.text(part(body, 0..first), Stays::Nothing);
        let ends = starts.iter().skip(1).map(|line| line.start).chain([body.len()]);
        for (line, end) in starts.iter().zip(ends.collect::<Vec<_>>()) {
            self.text(part(body, line.clone()), Stays::Nothing);
            let within = part(body, line.end..end);
            let headers = headers_end(within);
            let (headers, content) = within.split_at_mut(headers);
            let (kind, is_encoded) = self.headers(headers);
            match is_encoded {
                true => self.blank(content),
                false => self.body(content, &kind, depth + 1),
            }
        }
    }

    /// Keys that were pressed: each becomes a zero, with its duration as it was.
    fn keys(&mut self, body: &mut [u8]) {
        let is_list = body.contains(&b'=');
        let mut at = 0;
        while let Some(rest) = body.get(at..).filter(|rest| !rest.is_empty()) {
            let length = line_end(rest);
            let line = part(body, at..at + length);
            let value = memchr::memchr(b'=', line).map_or(0, |sign| sign + 1);
            let is_key =
                !is_list || line.get(..6).is_some_and(|name| name.eq_ignore_ascii_case(b"signal"));
            match is_key {
                true => {
                    let keys = part(line, value..line.len()).iter_mut();
                    let keys =
                        keys.filter(|key| key.is_ascii_alphanumeric() || b"*#".contains(key));
                    keys.for_each(|key| *key = b'0');
                }
                false => self.text(line, Stays::Figures),
            }
            at += length;
        }
    }

    /// Names of elements and attributes stay, namespaces as well; values are texts.
    fn xml(&mut self, body: &mut [u8]) {
        let mut at = 0;
        while let Some(rest) = body.get(at..).filter(|rest| !rest.is_empty()) {
            let is_tag = rest.first() == Some(&b'<') && !rest.starts_with(b"<!");
            let length = match is_tag {
                true => memchr::memchr(b'>', rest).map_or(rest.len(), |end| end + 1),
                false => memchr::memchr(b'<', part(body, at + 1..body.len()))
                    .map_or(body.len() - at, |end| end + 1),
            };
            let piece = part(body, at..at + length);
            match is_tag {
                // The declaration, with the encoding.
                true if piece.starts_with(b"<?") => {}
                true => self.tag(piece),
                false => self.text(piece, Stays::Words),
            }
            at += length;
        }
    }

    fn tag(&mut self, tag: &mut [u8]) {
        let mut at = 0;
        while let Some(open) =
            tag.get(at..).and_then(|rest| rest.iter().position(|byte| b"\"'".contains(byte)))
        {
            let start = at + open + 1;
            let quote = tag.get(start - 1).copied().unwrap_or(b'"');
            let rest = tag.get(start..).unwrap_or_default();
            let length = memchr::memchr(quote, rest).unwrap_or(rest.len());
            let is_space = [&b"urn:ietf:params:"[..], b"http://www.w3.org/", b"urn:oma:", b"1."]
                .iter()
                .any(|space| rest.starts_with(space));
            if !is_space {
                self.text(part(tag, start..start + length), Stays::Words);
            }
            at = start + length + 1;
        }
    }

    /// A PASSporT (RFC 8225): header and payload say who called whom; the signature is of no use
    /// any more.
    pub(super) fn token(&mut self, token: &mut [u8]) {
        let lead = token.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let end = token.trim_ascii_end().len().max(lead);
        let token = part(token, lead..end);
        for (place, piece) in token.split_mut(|byte| *byte == b'.').enumerate() {
            let decoded = base64::decoded(piece).filter(|_| place < 2);
            let Some(mut json) = decoded.filter(|json| json.first() == Some(&b'{')) else {
                self.secret(piece);
                continue;
            };
            self.claims(&mut json);
            let encoded = base64::encoded(&json);
            match encoded.len() == piece.len() {
                true => piece.copy_from_slice(encoded.as_bytes()),
                false => self.secret(piece),
            }
        }
    }

    /// The JSON of a token: names stay, and what they name is told by them.
    fn claims(&mut self, json: &mut [u8]) {
        let mut name = Vec::new();
        let mut at = 0;
        while let Some(open) = json.get(at..).and_then(|rest| memchr::memchr(b'"', rest)) {
            let start = at + open + 1;
            let rest = json.get(start..).unwrap_or_default();
            let mut is_escaped = false;
            let length = rest.iter().position(|byte| {
                let is_end = *byte == b'"' && !is_escaped;
                is_escaped = *byte == b'\\' && !is_escaped;
                is_end
            });
            let length = length.unwrap_or(rest.len());
            let behind = json.get(start + length + 1..).unwrap_or_default().trim_ascii_start();
            let is_name = behind.first() == Some(&b':');
            let text = part(json, start..start + length);
            match name.as_slice() {
                _ if is_name => {
                    name = text.to_vec();
                    self.text(text, Stays::Words);
                }
                b"tn" if text.iter().all(u8::is_ascii_digit) => {
                    self.counts.numbers += 1;
                    let is_global = text.len() > 7;
                    self.names.number(text, is_global);
                }
                b"tn" => self.user(text),
                b"uri" | b"x5u" => self.uri(text),
                b"alg" | b"typ" | b"ppt" | b"attest" => self.text(text, Stays::Figures),
                _ => self.text(text, Stays::Nothing),
            }
            at = start + length + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::redact::Key;

    fn replaced(kind: &str, body: &str) -> String {
        let mut pseudonyms = Pseudonyms::new(Key::of(b"test"), 0);
        let mut bytes = body.as_bytes().to_vec();
        pseudonyms.body(&mut bytes, kind.as_bytes(), 0);
        assert_eq!(bytes.len(), body.len());
        String::from_utf8(bytes).expect("characters")
    }

    #[test]
    fn parts_are_told_by_their_own_type() {
        let body = "--sep77\r\nContent-Type: application/sdp\r\n\r\nv=0\r\ns=Alice\r\n\
                    --sep77\r\nContent-Type: message/sipfrag\r\n\r\nSIP/2.0 486 Busy Here\r\n\
                    --sep77--\r\n";
        let text = replaced("multipart/mixed;boundary=\"sep77\"", body);
        assert!(text.contains("v=0\r\ns=") && !text.contains("Alice"), "{text}");
        assert!(text.contains("SIP/2.0 486 Busy Here"), "{text}");
        assert_eq!(text.matches("sep77").count(), 0);
        let mark = text.split("\r\n").next().unwrap_or_default();
        assert_eq!(text.matches(mark).count(), 3);
    }

    #[test]
    fn keys_and_messages_are_gone() {
        let text = replaced("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n");
        assert_eq!(text, "Signal=0\r\nDuration=160\r\n");
        let text = replaced("text/plain", "Meet me at the gate");
        assert!(!text.contains("Meet") && !text.contains("gate"), "{text}");
        let mut binary = *b"\x01\x10\x48\xff\x0a";
        Pseudonyms::new(Key::of(b"test"), 0).body(&mut binary, b"application/isup", 0);
        assert_eq!(binary, [0; 5]);
    }

    #[test]
    fn xml_stays_xml() {
        let text = replaced(
            "application/dialog-info+xml",
            "<?xml version=\"1.0\"?><dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" \
             state=\"full\" entity=\"sip:alice@example.com\"><state>confirmed</state>\
             </dialog-info>",
        );
        assert!(text.contains("urn:ietf:params:xml:ns:dialog-info\" state=\"full\""), "{text}");
        assert!(!text.contains("alice") && !text.contains("example"), "{text}");
        assert!(text.contains("entity=\"sip:"), "{text}");
    }

    #[test]
    fn a_token_names_the_same_numbers_as_the_request() {
        let header =
            r#"{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"https://a.example/c"}"#;
        let payload = concat!(
            r#"{"attest":"A","dest":{"tn":["12155551213"]},"iat":1443208345,"#,
            r#""orig":{"tn":"12155551212"},"origid":"123e4567-e89b"}"#
        );
        let encoded = |text: &str| base64::encoded(text.as_bytes());
        let token = format!("{}.{}.{}", encoded(header), encoded(payload), "c2lnbmF0dXJl");
        let mut pseudonyms = Pseudonyms::new(Key::of(b"test"), 0);
        let mut bytes = token.as_bytes().to_vec();
        pseudonyms.token(&mut bytes);
        let parts: Vec<_> = bytes.split(|byte| *byte == b'.').collect();
        let [header, payload, _] = parts.as_slice() else { panic!("three parts") };
        let read = |part: &[u8]| String::from_utf8(base64::decoded(part).expect("Base64"));
        let (header, payload) = (read(header).expect("text"), read(payload).expect("text"));
        assert!(header.contains(r#""alg":"ES256","ppt":"shaken","typ":"passport""#), "{header}");
        assert!(!header.contains("a.example"), "{header}");
        let mut number = *b"12155551212";
        pseudonyms.names.number(&mut number, true);
        let number = String::from_utf8_lossy(&number).into_owned();
        assert!(payload.contains(&format!(r#""orig":{{"tn":"{number}"}}"#)), "{payload}");
        assert!(payload.contains(r#""attest":"A""#) && payload.contains("1443208345"));
        assert!(!payload.contains("12155551213") && !payload.contains("123e4567"), "{payload}");
    }
}
