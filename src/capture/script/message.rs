//! A SIP message of a script: start line, header fields in order, body.

/// A message as it is put together, handed on and looked up.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) start: Start,
    /// Name and value, as written.
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// The first line.
#[derive(Clone, Debug)]
pub(super) enum Start {
    Request { method: String, uri: String },
    Response { status: u16, reason: String },
}

/// Long and compact form (RFC 3261, section 20; RFC 3515; RFC 6665; RFC 4028; RFC 3892).
const COMPACT: [(&str, &str); 15] = [
    ("Via", "v"),
    ("From", "f"),
    ("To", "t"),
    ("Call-ID", "i"),
    ("Contact", "m"),
    ("Content-Type", "c"),
    ("Content-Length", "l"),
    ("Content-Encoding", "e"),
    ("Subject", "s"),
    ("Supported", "k"),
    ("Refer-To", "r"),
    ("Event", "o"),
    ("Allow-Events", "u"),
    ("Session-Expires", "x"),
    ("Referred-By", "b"),
];

/// Both names mean the same header field.
pub(crate) fn is_same_name(a: &str, b: &str) -> bool {
    long(a).eq_ignore_ascii_case(long(b))
}

fn long(name: &str) -> &str {
    let known = COMPACT.iter().find(|&&(_, compact)| compact.eq_ignore_ascii_case(name));
    known.map_or(name, |&(long, _)| long)
}

impl Message {
    pub(super) fn new(start: Start) -> Self {
        Self { start, fields: Vec::new(), body: Vec::new() }
    }

    /// The first value of a header field.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of a header field, one for each line.
    pub(super) fn all(&self, name: &str) -> impl DoubleEndedIterator<Item = &str> {
        let same = self.fields.iter().filter(move |(given, _)| is_same_name(given, name));
        same.map(|(_, value)| value.as_str())
    }

    /// Adds a header field after the others.
    pub(super) fn add(&mut self, name: &str, value: impl Into<String>) {
        self.fields.push((name.to_owned(), value.into()));
    }

    /// Adds a header field before the others of its name, or at the very top.
    pub(super) fn add_on_top(&mut self, name: &str, value: impl Into<String>) {
        let at = self.fields.iter().position(|(given, _)| is_same_name(given, name)).unwrap_or(0);
        self.fields.insert(at, (name.to_owned(), value.into()));
    }

    /// Puts a value in the place of the first field of that name, drops the others, or adds one.
    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        match self.fields.iter().position(|(given, _)| is_same_name(given, name)) {
            Some(at) => {
                self.remove(name);
                let at = at.min(self.fields.len());
                self.fields.insert(at, (name.to_owned(), value.into()));
            }
            None => self.add(name, value),
        }
    }

    /// Removes every field of that name.
    pub(super) fn remove(&mut self, name: &str) {
        self.fields.retain(|(given, _)| !is_same_name(given, name));
    }

    /// Removes the first field of that name and gives its value.
    pub(super) fn take_first(&mut self, name: &str) -> Option<String> {
        let at = self.fields.iter().position(|(given, _)| is_same_name(given, name))?;
        Some(self.fields.remove(at).1)
    }

    pub(super) fn method(&self) -> Option<&str> {
        match &self.start {
            Start::Request { method, .. } => Some(method),
            Start::Response { .. } => None,
        }
    }

    pub(super) fn status(&self) -> Option<u16> {
        match &self.start {
            Start::Request { .. } => None,
            Start::Response { status, .. } => Some(*status),
        }
    }

    pub(super) fn uri(&self) -> &str {
        match &self.start {
            Start::Request { uri, .. } => uri,
            Start::Response { .. } => "",
        }
    }

    /// Number and method of CSeq.
    pub(super) fn cseq(&self) -> (u32, &str) {
        let mut words = self.field("CSeq").unwrap_or("").split_whitespace();
        let number = words.next().and_then(|word| word.parse().ok()).unwrap_or(1);
        (number, words.next().or(self.method()).unwrap_or(""))
    }

    /// The tag of From or To.
    pub(super) fn tag(&self, name: &str) -> Option<&str> {
        parameter(self.field(name)?, "tag")
    }

    /// The branch of the topmost Via.
    pub(super) fn branch(&self) -> Option<&str> {
        parameter(self.field("Via")?, "branch")
    }

    /// The URI in the Contact.
    pub(super) fn contact(&self) -> Option<&str> {
        uri_in(self.field("Contact")?)
    }

    /// The message as it is sent.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let start = match &self.start {
            Start::Request { method, uri } => format!("{method} {uri} SIP/2.0\r\n"),
            Start::Response { status, reason } => format!("SIP/2.0 {status} {reason}\r\n"),
        };
        let mut bytes = start.into_bytes();
        for (name, value) in &self.fields {
            let colon = if value.is_empty() { ":" } else { ": " };
            bytes.extend_from_slice(format!("{name}{colon}{value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// What can be understood of a message that was written out in full; none if it has no start
    /// line.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let head = String::from_utf8_lossy(bytes.get(..end.unwrap_or(bytes.len()))?);
        let mut lines = head.split("\r\n");
        let mut message = Self::new(read_start(lines.next()?)?);
        for line in lines {
            match (line.starts_with([' ', '\t']), line.split_once(':')) {
                (true, _) => {
                    if let Some((_, value)) = message.fields.last_mut() {
                        value.push(' ');
                        value.push_str(line.trim());
                    }
                }
                (false, Some((name, value))) => message.add(name.trim(), value.trim()),
                (false, None) => {}
            }
        }
        message.body = end.and_then(|end| bytes.get(end + 4..)).unwrap_or(&[]).to_vec();
        Some(message)
    }
}

fn read_start(line: &str) -> Option<Start> {
    let mut words = line.splitn(3, ' ');
    let (first, second, third) = (words.next()?, words.next()?, words.next().unwrap_or(""));
    if first.starts_with("SIP/") {
        let status = second.parse().ok()?;
        return Some(Start::Response { status, reason: third.to_owned() });
    }
    let is_method = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_graphic());
    (is_method && third.starts_with("SIP/"))
        .then(|| Start::Request { method: first.to_owned(), uri: second.to_owned() })
}

/// A parameter behind the `>` of an address, or anywhere where there is none.
pub(super) fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let parameters = value.rsplit_once('>').map_or(value, |(_, after)| after);
    parameters.split(';').skip(1).find_map(|parameter| {
        let (given, value) = parameter.split_once('=')?;
        given.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// Two Vias are of one request: they have one branch, or are the same where there is none.
pub(super) fn is_same_via(a: &str, b: &str) -> bool {
    match (parameter(a, "branch"), parameter(b, "branch")) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

/// What stands before the parameters of an address.
pub(super) fn address_in(value: &str) -> &str {
    let end = value.rfind('>').map(|at| at + 1).or_else(|| value.find(';'));
    value.get(..end.unwrap_or(value.len())).unwrap_or(value).trim()
}

/// The URI of an address, with or without angle brackets.
pub(super) fn uri_in(value: &str) -> Option<&str> {
    match value.split_once('<') {
        Some((_, rest)) => rest.split_once('>').map(|(uri, _)| uri),
        None => value.split(';').next().map(str::trim).filter(|uri| !uri.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_fields_by_either_name() {
        let text = b"BYE sip:b SIP/2.0\r\nv: SIP/2.0/UDP h;branch=z1\r\n\
                     t: <sip:b;tag=no>;tag=yes\r\n\r\nx";
        let message = Message::read(text).expect("a message");
        assert_eq!(message.branch(), Some("z1"));
        assert_eq!(message.tag("To"), Some("yes"));
        assert_eq!(message.body, b"x");
        assert_eq!(uri_in("\"B\" <sip:b@h>;x"), Some("sip:b@h"));
    }

    #[test]
    fn a_message_that_is_none_is_not_read() {
        for text in ["", "\r\n\r\n", "hello", "GET / HTTP/1.1\r\n\r\n", "SIP/2.0 x y"] {
            assert!(Message::read(text.as_bytes()).is_none(), "{text:?}");
        }
    }
}
