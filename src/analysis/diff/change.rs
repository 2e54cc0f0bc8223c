//! What differs between two messages that stand beside each other.

use std::collections::BTreeMap;

use crate::analysis::diff::DiffOptions;
use crate::analysis::diff::cast::Cast;
use crate::analysis::diff::description::{self, Aspect};
use crate::analysis::diff::sent::Sent;
use crate::analysis::diff::wildcard::wildcarded;
use crate::bytes::printable;
use crate::finding::Value;
use crate::limits::QUOTED_CHARS_MAX;
use crate::sip::lws::unfolded;
use crate::sip::quoted::Split;
use crate::sip::{Credentials, Header, HeaderName, Message, Method};

/// A difference between two messages.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What differs.
    pub part: Part,
    /// What the first one has; of a set what only it has.
    pub left: Option<Value>,
    /// What the second one has; of a set what only it has.
    pub right: Option<Value>,
}

/// What of two messages may differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The status of a response.
    Status,
    /// Who sends it to whom.
    Way,
    /// The reason phrase of a response with the same status.
    Phrase,
    /// The Request-URI.
    RequestUri,
    /// What carries it.
    Transport,
    /// A header field, by its name in full.
    Header(String),
    /// Something of a session description.
    Sdp {
        /// The number of the media description, from 1, and what it is, `audio`; none for the
        /// session.
        media: Option<(usize, String)>,
        /// What of it: `codecs`, `direction`.
        aspect: &'static str,
    },
    /// The status that a NOTIFY tells of a transfer.
    Sipfrag,
    /// Another body, by its type.
    Body(String),
    /// How often it was sent again.
    Repeats,
}

impl Part {
    /// The word of the JSON output.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Way => "way",
            Self::Phrase => "reason-phrase",
            Self::RequestUri => "request-uri",
            Self::Transport => "transport",
            Self::Header(_) => "header",
            Self::Sdp { .. } => "sdp",
            Self::Sipfrag => "sipfrag",
            Self::Body(_) => "body",
            Self::Repeats => "repeats",
        }
    }
}

/// Header fields that say something of one run only.
const VOLATILE: [HeaderName; 20] = [
    HeaderName::CallId,
    HeaderName::CSeq,
    HeaderName::ContentLength,
    HeaderName::Date,
    HeaderName::Timestamp,
    HeaderName::RSeq,
    HeaderName::RAck,
    HeaderName::SipETag,
    HeaderName::SipIfMatch,
    HeaderName::SessionId,
    HeaderName::Identity,
    HeaderName::PChargingVector,
    HeaderName::TargetDialog,
    HeaderName::Replaces,
    HeaderName::Join,
    HeaderName::InReplyTo,
    HeaderName::AuthenticationInfo,
    HeaderName::ProxyAuthenticationInfo,
    HeaderName::ContentId,
    HeaderName::OriginationId,
];

/// Lists whose order says nothing.
const SETS: [HeaderName; 12] = [
    HeaderName::Accept,
    HeaderName::AcceptEncoding,
    HeaderName::AcceptLanguage,
    HeaderName::Allow,
    HeaderName::AllowEvents,
    HeaderName::PEarlyMedia,
    HeaderName::ProxyRequire,
    HeaderName::RecvInfo,
    HeaderName::Require,
    HeaderName::Supported,
    HeaderName::FeatureCaps,
    HeaderName::Unsupported,
];

/// Fields of challenges and credentials that are made anew.
const NONCES: [&str; 6] = ["nonce", "cnonce", "nc", "response", "opaque", "auts"];

/// Header fields that tell why a status is another one.
const REASONS: [&str; 4] = ["Reason", "Warning", "Retry-After", "Unsupported"];

/// One of the two messages, with the parties of its call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side<'s> {
    pub(super) sent: &'s Sent<'s>,
    pub(super) cast: &'s Cast,
    /// Another transport carries the other one: what names it differs for this reason only.
    pub(super) has_own_transport: bool,
}

impl Side<'_> {
    /// Sender and receiver, by their numbers.
    pub(super) fn way(&self) -> (usize, usize) {
        let number = |end| self.cast.number(end).unwrap_or_default();
        (number(self.sent.step.source), number(self.sent.step.destination))
    }

    fn text(&self, value: &[u8]) -> String {
        let text = wildcarded(&unfolded(value), self.cast);
        match self.has_own_transport {
            true => without_transport(&text, &self.sent.step.transport.to_string()),
            false => text,
        }
    }
}

/// The text with `*` for the name of the transport, in a Via or a parameter of a URI.
fn without_transport(text: &str, transport: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, word)) = ["transport=", "SIP/2.0/"]
        .into_iter()
        .filter_map(|word| rest.find(word).map(|at| (at + word.len(), word)))
        .min_by_key(|(at, _)| *at)
    {
        let (before, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
        let named = after.get(..transport.len()).filter(|own| own.eq_ignore_ascii_case(transport));
        let length = named.map_or(0, str::len);
        out.push_str(before.strip_suffix(word).unwrap_or(before));
        out.push_str(word);
        if length > 0 {
            out.push('*');
        }
        rest = after.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// Everything that differs between two messages, in the order of a message.
pub(super) fn changes(left: Side<'_>, right: Side<'_>, options: &DiffOptions) -> Vec<Change> {
    let mut changes = Vec::new();
    let (one, other) = (left.sent, right.sent);
    if options.retransmissions && one.repeats != other.repeats {
        add(&mut changes, Part::Repeats, one.repeats.into(), other.repeats.into());
    }
    if left.way() != right.way() {
        let way = |(from, to): (usize, usize)| {
            let letter = crate::analysis::diff::letter;
            Value::Text(format!("{} > {}", letter(from), letter(to)))
        };
        add(&mut changes, Part::Way, way(left.way()), way(right.way()));
    }
    if one.step.transport != other.step.transport {
        let transport = |sent: &Sent<'_>| Value::Text(sent.step.transport.to_string());
        add(&mut changes, Part::Transport, transport(one), transport(other));
    }
    let is_whole = !one.step.is_cut && !other.step.is_cut;
    // The ACK of a success goes to the Contact, that of a failure where the INVITE went.
    let is_other_ack = one.message.method() == Method::Ack
        && one.step.transaction.is_some() != other.step.transaction.is_some();
    if is_other_ack || one.message.bytes() == other.message.bytes() {
        return changes;
    }
    if one.message.status() != other.message.status() {
        let status = |sent: &Sent<'_>| sent.message.status().map(|status| status.code().into());
        let (before, after) = (status(one), status(other));
        changes.push(Change { part: Part::Status, left: before, right: after });
        headers(left, right, options, &|name| REASONS.contains(&name), &mut changes);
        return changes;
    }
    start_line(left, right, &mut changes);
    // What is missing from the capture is no difference.
    if is_whole {
        headers(left, right, options, &|_| true, &mut changes);
        bodies(left, right, &mut changes);
    }
    changes
}

fn add(changes: &mut Vec<Change>, part: Part, left: Value, right: Value) {
    changes.push(Change { part, left: Some(left), right: Some(right) });
}

fn start_line(left: Side<'_>, right: Side<'_>, changes: &mut Vec<Change>) {
    let (one, other) = (&left.sent.message, &right.sent.message);
    if let (Some(before), Some(after)) = (one.request_uri(), other.request_uri()) {
        let uris = [left.text(before.as_bytes()), right.text(after.as_bytes())];
        differing(changes, Part::RequestUri, uris);
    }
    if let (Some(before), Some(after)) = (one.reason_phrase(), other.reason_phrase())
        && !before.eq_ignore_ascii_case(&after)
    {
        let text = |phrase: &str| Value::quoted(phrase.as_bytes());
        add(changes, Part::Phrase, text(&before), text(&after));
    }
}

/// Adds a difference of two texts, if there is one.
fn differing(changes: &mut Vec<Change>, part: Part, [left, right]: [String; 2]) {
    if left != right {
        let text = |text: String| Some(text).filter(|text| !text.is_empty()).map(quoted);
        changes.push(Change { part, left: text(left), right: text(right) });
    }
}

fn quoted(text: String) -> Value {
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => Value::Text(format!("{}…", text.get(..end).unwrap_or_default())),
        None => Value::Text(text),
    }
}

/// The values of a header field as they were sent, in all its lines.
type Lines<'a> = BTreeMap<String, Vec<Header<'a>>>;

fn lines<'a>(message: &'a Message<'a>) -> Lines<'a> {
    let mut lines = Lines::new();
    for header in message.headers() {
        let name = match header.name {
            HeaderName::Other => printable(header.spelled).to_ascii_lowercase(),
            name => name.as_str().to_owned(),
        };
        lines.entry(name).or_default().push(header);
    }
    lines
}

fn headers(
    left: Side<'_>,
    right: Side<'_>,
    options: &DiffOptions,
    is_wanted: &dyn Fn(&str) -> bool,
    changes: &mut Vec<Change>,
) {
    let (one, other) = (lines(&left.sent.message), lines(&right.sent.message));
    let mut names: Vec<&String> = one.keys().chain(other.keys()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let is_ignored = options.ignored_headers.iter().any(|own| is_name(own, name));
        if is_ignored || !is_wanted(name) {
            continue;
        }
        let lines_of = |lines: &Lines<'_>| -> Vec<Vec<u8>> {
            let lines = lines.get(name).map(Vec::as_slice).unwrap_or_default();
            lines.iter().map(|header| header.value.to_vec()).collect()
        };
        let known = one.get(name).or_else(|| other.get(name)).and_then(|own| own.first());
        let header = known.map_or(HeaderName::Other, |header| header.name);
        let (before, after) = (lines_of(&one), lines_of(&other));
        if before == after {
            continue;
        }
        let part = Part::Header(name.clone());
        if options.all_headers {
            differing(changes, part, [as_sent(&before), as_sent(&after)]);
        } else if !VOLATILE.contains(&header) {
            let texts = values(header, &before, &after, left, right);
            differing(changes, part, texts);
        }
    }
}

/// The name that the user gave, in full or compact, is that of the header field.
fn is_name(given: &str, name: &str) -> bool {
    let known = HeaderName::of(given.as_bytes());
    match known {
        HeaderName::Other => given.eq_ignore_ascii_case(name),
        known => known.as_str() == name,
    }
}

fn as_sent(lines: &[Vec<u8>]) -> String {
    let lines: Vec<_> = lines.iter().map(|line| printable(&unfolded(line)).into_owned()).collect();
    lines.join(", ")
}

/// The values of both sides with wildcards; of a set what the other side has not.
fn values(
    name: HeaderName,
    left: &[Vec<u8>],
    right: &[Vec<u8>],
    one: Side<'_>,
    other: Side<'_>,
) -> [String; 2] {
    let items = |lines: &[Vec<u8>], side: Side<'_>| -> Vec<String> {
        let split = |line: &'_ Vec<u8>| -> Vec<String> {
            if is_authentication(name) {
                return vec![authentication(line, side)];
            }
            let items = if name.is_list() { Split::commas(line) } else { Split::whole(line) };
            items.filter(|item| !item.is_empty()).map(|item| side.text(item)).collect()
        };
        lines.iter().flat_map(split).collect()
    };
    let (mut left, mut right) = (items(left, one), items(right, other));
    if SETS.contains(&name) {
        let (all_left, all_right) = (left.clone(), right.clone());
        let is_in = |items: &[String], item: &str| {
            items.iter().any(|known| known.eq_ignore_ascii_case(item))
        };
        left.retain(|item| !is_in(&all_right, item));
        right.retain(|item| !is_in(&all_left, item));
        left.sort_unstable();
        right.sort_unstable();
    }
    [left.join(", "), right.join(", ")]
}

const fn is_authentication(name: HeaderName) -> bool {
    matches!(
        name,
        HeaderName::Authorization
            | HeaderName::ProxyAuthorization
            | HeaderName::WwwAuthenticate
            | HeaderName::ProxyAuthenticate
    )
}

/// Scheme and fields of a challenge or of credentials, sorted, without what is made anew.
fn authentication(value: &[u8], side: Side<'_>) -> String {
    let credentials = Credentials::parse(value);
    let mut fields: Vec<String> = credentials
        .fields
        .iter()
        .map(|(name, value)| (printable(name).to_ascii_lowercase(), value))
        .map(|(name, value)| match NONCES.contains(&name.as_str()) {
            true => format!("{name}=*"),
            false => format!("{name}={}", side.text(value).replace('"', "")),
        })
        .collect();
    fields.sort_unstable();
    format!("{} {}", printable(credentials.scheme), fields.join(", ")).trim_end().to_owned()
}

fn bodies(left: Side<'_>, right: Side<'_>, changes: &mut Vec<Change>) {
    let (one, other) = (&left.sent.message, &right.sent.message);
    let number = |message: &Message<'_>| message.sipfrag_status().map(|s| s.code().into());
    let (before, after) = (number(one), number(other));
    if before != after {
        changes.push(Change { part: Part::Sipfrag, left: before, right: after });
    }
    let sdp = |side: Side<'_>| {
        side.sent.message.sdp().map(|sdp| description::aspects(sdp, side.cast)).unwrap_or_default()
    };
    aspects(&sdp(left), &sdp(right), changes);
    if let (Some((kind, before)), Some((other, after))) = (text(one), text(other))
        && kind == other
        && before != after
    {
        add(changes, Part::Body(kind), Value::quoted(before), Value::quoted(after));
    }
}

/// A body that is text, such as an instant message or a digit, with its type.
fn text<'a>(message: &Message<'a>) -> Option<(String, &'a [u8])> {
    let content_type = message.content_type()?;
    let kinds = [("text", "plain"), ("application", "dtmf-relay"), ("application", "dtmf")];
    let (kind, subtype) = kinds.into_iter().find(|(kind, sub)| content_type.is(kind, sub))?;
    Some((format!("{kind}/{subtype}"), message.body()))
}

fn aspects(left: &[Aspect], right: &[Aspect], changes: &mut Vec<Change>) {
    if left.is_empty() != right.is_empty() {
        let part = Part::Sdp { media: None, aspect: "presence" };
        let flag = |aspects: &[Aspect]| Value::Flag(!aspects.is_empty());
        add(changes, part, flag(left), flag(right));
        return;
    }
    let find = |aspects: &[Aspect], own: &Aspect| {
        let is_it = |other: &&Aspect| other.is_same_place(own);
        aspects.iter().find(is_it).map(|aspect| aspect.value.clone())
    };
    // A codec that only one side has is told once, without its parameters.
    let has_codec = |aspects: &[Aspect], own: &Aspect| {
        let codecs = Aspect { name: "codecs", codec: String::new(), ..own.clone() };
        match find(aspects, &codecs) {
            Some(Value::Text(codecs)) => codecs.split(", ").any(|codec| codec == own.codec),
            _ => false,
        }
    };
    let is_told = |own: &&Aspect| {
        own.name != description::PARAMETERS || (has_codec(left, own) && has_codec(right, own))
    };
    let only_right = right.iter().filter(|own| find(left, own).is_none());
    for own in left.iter().chain(only_right).filter(is_told) {
        let (before, after) = (find(left, own), find(right, own));
        if before != after {
            let part = Part::Sdp { media: own.media.clone(), aspect: own.name };
            changes.push(Change { part, left: before, right: after });
        }
    }
}
