//! What a message has that the line would not send: as lines to stand below it.
//!
//! Two messages are the same if their start lines, bodies and header fields are; fields of
//! different names may change places, a name may have its compact form, and branches stand for
//! each other one to one.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::bytes::printable_str;
use crate::capture::script::is_same_name;
use crate::sip::quoted::Split;
use crate::sip::{self, Start, Via};

/// A message as scripts can say it.
#[derive(Debug)]
pub(super) struct Reading<'m> {
    /// The request URI; the reason phrase of a response.
    pub(super) subject: &'m str,
    pub(super) is_request: bool,
    /// Name and value of each line, in their order.
    fields: Vec<(&'m str, &'m str)>,
    pub(super) body: &'m [u8],
}

impl<'m> Reading<'m> {
    /// None if a line of it is not as lines are written, or has what could do harm on a terminal.
    pub(super) fn of(bytes: &'m [u8]) -> Option<Self> {
        let (message, anomalies) = sip::Message::lex(bytes);
        if !anomalies.is_empty() || message.unfinished_line().is_some() {
            return None;
        }
        let (subject, is_request) = match message.start() {
            Start::Request { uri, .. } => (uri, true),
            Start::Response { phrase, .. } => (phrase, false),
            Start::Invalid(_) => return None,
        };
        let mut fields = Vec::new();
        for header in message.headers() {
            let name = std::str::from_utf8(header.spelled).ok().filter(|name| is_name(name))?;
            let value = std::str::from_utf8(header.value).ok()?.trim();
            fields.push((name, Some(value).filter(|value| is_plain_value(value))?));
        }
        if !message.trailing().is_empty() {
            return None;
        }
        let subject = std::str::from_utf8(subject).ok().filter(|text| is_plain_value(text))?;
        Some(Self { subject, is_request, fields, body: message.body() })
    }

    /// The values of a field, one for each line.
    pub(super) fn all(&self, name: &str) -> Vec<&'m str> {
        let same = self.fields.iter().filter(|(own, _)| is_same_name(own, name));
        same.map(|(_, value)| *value).collect()
    }

    /// The only value of a field, else an empty one.
    pub(super) fn one(&self, name: &str) -> &'m str {
        match self.all(name).as_slice() {
            [value] => value,
            _ => "",
        }
    }

    /// The items of all its Vias.
    fn vias(&self) -> Vec<&'m [u8]> {
        let lines = self.all("Via");
        let items = lines.into_iter().flat_map(|line| Split::commas(line.as_bytes()));
        items.filter(|item| !item.is_empty()).collect()
    }

    /// The branch of each Via.
    pub(super) fn branches(&self) -> Vec<&'m str> {
        self.vias().into_iter().map(branch).collect()
    }

    /// Number and method of CSeq.
    pub(super) fn cseq(&self) -> Option<(u32, &'m str)> {
        let (number, method) = self.one("CSeq").split_once(' ')?;
        Some((number.parse().ok()?, method.trim()))
    }

    /// An address without its tag, and the tag.
    pub(super) fn address(&self, name: &str) -> (String, Option<&'m str>) {
        let value = self.one(name);
        let after = value.rfind('>').unwrap_or(0);
        let (before, parameters) = value.split_at(after);
        match parameters.split_once(";tag=") {
            Some((left, rest)) => {
                let (tag, right) = rest.split_at(rest.find(';').unwrap_or(rest.len()));
                (format!("{before}{left}{right}"), Some(tag))
            }
            None => (value.to_owned(), None),
        }
    }
}

fn branch(via: &[u8]) -> &str {
    Via::of(via).branch().and_then(|branch| std::str::from_utf8(branch).ok()).unwrap_or_default()
}

/// RFC 3261, section 25.1, token; what would mean something else at the beginning of a line is
/// none.
fn is_name(name: &str) -> bool {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c);
    !name.is_empty() && name.chars().all(is_token) && !name.starts_with(['-', '+'])
}

/// It comes out of a header line as it went in.
pub(super) fn is_plain_value(value: &str) -> bool {
    let is_comment = value.starts_with('#') || value.contains(" #");
    !is_comment
        && !value.chars().any(char::is_control)
        && value.trim() == value
        && matches!(printable_str(value), Cow::Borrowed(_))
}

/// Which branch of the script stands for which of the capture.
#[derive(Debug, Default)]
pub(super) struct Branches {
    to: BTreeMap<String, String>,
    taken: BTreeSet<String>,
}

impl Branches {
    /// The one may stand for the other.
    pub(super) fn fits(&self, captured: &str, made: &str) -> bool {
        let cookie = std::str::from_utf8(sip::COOKIE).unwrap_or_default();
        match self.to.get(captured) {
            Some(known) => known == made,
            None if captured == made => !self.taken.contains(made),
            None => {
                let are_new = captured.starts_with(cookie) && captured.len() > cookie.len();
                are_new && made.starts_with(cookie) && !self.taken.contains(made)
            }
        }
    }

    /// From now on the one stands for the other.
    pub(super) fn bind(&mut self, captured: &str, made: &str) {
        if !self.to.contains_key(captured) && self.taken.insert(made.to_owned()) {
            self.to.insert(captured.to_owned(), made.to_owned());
        }
    }

    /// What stands for a branch; itself if nothing does so far.
    fn target(&mut self, captured: &str) -> String {
        if let Some(known) = self.to.get(captured) {
            return known.clone();
        }
        let numbered = (2..).map(|number| format!("{captured}-{number}"));
        let mut all = std::iter::once(captured.to_owned()).chain(numbered);
        let made = all.find(|made| !self.taken.contains(made)).unwrap_or_default();
        self.bind(captured, &made);
        made
    }

    /// The value of a Via line with the branches that stand for its own.
    fn renamed(&mut self, value: &str) -> String {
        let mut renamed = value.to_owned();
        for item in Split::commas(value.as_bytes()) {
            let own = branch(item);
            let made = self.target(own);
            if !own.is_empty() && made != own {
                renamed = renamed.replacen(&format!("={own}"), &format!("={made}"), 1);
            }
        }
        renamed
    }

    /// The bytes of a message with the branches that stand for its own.
    pub(super) fn renamed_message(&mut self, bytes: &[u8]) -> Vec<u8> {
        let (message, _) = sip::Message::lex(bytes);
        let mut renamed = bytes.to_vec();
        for value in message.lines(sip::HeaderName::Via) {
            let Ok(text) = std::str::from_utf8(value) else { continue };
            let made = self.renamed(text);
            if made == text {
                continue;
            }
            if let Some(at) = renamed.windows(value.len()).position(|part| part == value) {
                renamed.splice(at..at + value.len(), made.into_bytes());
            }
        }
        renamed
    }
}

/// The lines that make the one message of the other; `length` is how long the body will be.
pub(super) fn lines(
    made: &Reading<'_>,
    wanted: &Reading<'_>,
    body_kind: Option<&str>,
    branches: &mut Branches,
) -> Vec<String> {
    let mut lines = Vec::new();
    let mut done: Vec<&str> = Vec::new();
    let length = wanted.body.len().to_string();
    for (name, _) in wanted.fields.iter().chain(&made.fields) {
        if done.iter().any(|done| is_same_name(done, name)) {
            continue;
        }
        done.push(name);
        let own = wanted.all(name);
        let offered = match body_kind {
            Some(kind) if is_same_name(name, "Content-Type") => vec![kind],
            Some(_) if is_same_name(name, "Content-Length") => vec![length.as_str()],
            _ => made.all(name),
        };
        let is_via = is_same_name(name, "Via");
        if own == offered || (is_via && same_vias(wanted, made, branches)) {
            continue;
        }
        if own.is_empty() {
            lines.push(format!("-{name}"));
        } else if !offered.is_empty() && own.starts_with(&offered) && !is_via {
            let rest = own.iter().skip(offered.len());
            lines.extend(rest.map(|value| line('+', name, value)));
        } else {
            for value in own {
                let value = if is_via { branches.renamed(value) } else { value.to_owned() };
                lines.push(line(' ', name, &value));
            }
        }
    }
    // A field that a new body brings along, and that neither message has so far.
    if let Some(kind) = body_kind
        && !kind.is_empty()
        && !done.iter().any(|done| is_same_name(done, "Content-Type"))
    {
        lines.push("-Content-Type".to_owned());
    }
    lines
}

fn line(mark: char, name: &str, value: &str) -> String {
    let text = format!("{mark}{name}: {value}");
    text.trim().to_owned()
}

/// The Vias are the same, each with a branch that stands for that of the other.
fn same_vias(wanted: &Reading<'_>, made: &Reading<'_>, branches: &Branches) -> bool {
    let (wanted, made) = (wanted.vias(), made.vias());
    wanted.len() == made.len()
        && wanted.iter().zip(&made).all(|(wanted, made)| {
            branches.fits(branch(wanted), branch(made)) && is_same_way(wanted, made)
        })
}

/// The same sent-by and parameters, but for the branch; their order means nothing.
fn is_same_way(a: &[u8], b: &[u8]) -> bool {
    let ((a, wrong), (b, wrong_too)) = (Via::parse(a), Via::parse(b));
    let parameters = |via: &Via<'_>| {
        let others =
            via.parameters.iter().filter(|(name, _)| !name.eq_ignore_ascii_case(b"branch"));
        let mut all: Vec<_> =
            others.map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec())).collect();
        all.sort();
        all
    };
    wrong.is_empty()
        && wrong_too.is_empty()
        && a.protocol == b.protocol
        && a.transport == b.transport
        && a.host.as_bytes() == b.host.as_bytes()
        && a.port_or_default() == b.port_or_default()
        && parameters(&a) == parameters(&b)
}
