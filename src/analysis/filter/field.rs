//! What can be asked of a call: fields with their names, types and values.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::lexer::Operator;
use crate::analysis::{CallSummary, Host, Step, StreamSummary, TransactionSummary};
use crate::capture::FrameId;
use crate::finding::{Finding, Rule};
use crate::packet::Endpoint;
use crate::sip::lws;
use crate::sip::{HeaderName, Number, Status, Uri};
use crate::time::{Span, Time};

/// A call with what belongs to it.
pub(super) struct Subject<'s> {
    pub(super) call: &'s CallSummary,
    pub(super) findings: &'s [&'s Finding],
    pub(super) hosts: &'s BTreeMap<Host, String>,
}

/// Something of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    From,
    To,
    Number,
    UserAgent,
    Header(String),
    CallId,
    Kind,
    State,
    Status,
    Response,
    Method,
    Peer,
    Client,
    Server,
    Start,
    End,
    Duration,
    Pdd,
    Ring,
    Talk,
    Messages,
    Retransmissions,
    Transport,
    Rule,
    Severity,
    Findings,
    Streams,
    Codec,
    Loss,
    Jitter,
    Mos,
    Linked,
    Frame,
}

/// Names of fields; of several names of one field the first one is told.
const NAMES: [(Field, &[&str]); 32] = [
    (Field::From, &["from"]),
    (Field::To, &["to"]),
    (Field::Number, &["number"]),
    (Field::UserAgent, &["user-agent", "ua"]),
    (Field::CallId, &["call-id", "callid"]),
    (Field::Kind, &["kind"]),
    (Field::State, &["state"]),
    (Field::Status, &["status"]),
    (Field::Response, &["response"]),
    (Field::Method, &["method"]),
    (Field::Peer, &["peer", "host"]),
    (Field::Client, &["client"]),
    (Field::Server, &["server"]),
    (Field::Start, &["time", "start"]),
    (Field::End, &["end"]),
    (Field::Duration, &["duration"]),
    (Field::Pdd, &["pdd", "set-up"]),
    (Field::Ring, &["ring"]),
    (Field::Talk, &["talk"]),
    (Field::Messages, &["messages"]),
    (Field::Retransmissions, &["retransmissions"]),
    (Field::Transport, &["transport"]),
    (Field::Rule, &["rule"]),
    (Field::Severity, &["severity"]),
    (Field::Findings, &["findings"]),
    (Field::Streams, &["streams"]),
    (Field::Codec, &["codec"]),
    (Field::Loss, &["loss"]),
    (Field::Jitter, &["jitter"]),
    (Field::Mos, &["mos"]),
    (Field::Linked, &["linked"]),
    (Field::Frame, &["frame"]),
];

/// Every name; any other header is `header.NAME`.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().flat_map(|(_, names)| names.iter().copied()).chain(["header.NAME"])
}

/// What the values of a field are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    /// One of a few words.
    Word(&'static [&'static str]),
    Count,
    /// A number with decimals.
    Decimal,
    Percent,
    Status,
    Span,
    Moment,
    Peer,
    Rule,
    Severity,
    Frame,
}

const KINDS: &[&str] =
    &["call", "registration", "subscription", "publication", "message", "options", "other"];

const STATES: &[&str] = &[
    "trying",
    "ringing",
    "answered",
    "completed",
    "cancelled",
    "failed",
    "unanswered",
    "succeeded",
    "unknown",
    "busy",
    "declined",
    "redirected",
];

const TRANSPORTS: &[&str] = &["udp", "tcp", "tls", "ws", "wss", "sctp"];

impl Type {
    /// The values have an order.
    pub(super) const fn has_order(self) -> bool {
        match self {
            Self::Count | Self::Decimal | Self::Percent | Self::Status => true,
            Self::Span | Self::Moment | Self::Severity | Self::Frame => true,
            Self::Text | Self::Word(_) | Self::Peer | Self::Rule => false,
        }
    }

    const fn has_text(self) -> bool {
        matches!(self, Self::Text | Self::Peer | Self::Rule)
    }

    /// The operator fits.
    pub(super) const fn takes(self, operator: Operator) -> bool {
        match operator {
            Operator::Equal | Operator::Unequal => true,
            Operator::Contains | Operator::Lacks => self.has_text(),
            Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => self.has_order(),
        }
    }

    /// Which operators fit.
    pub(super) const fn operators(self) -> &'static str {
        match (self.has_order(), self.has_text()) {
            (true, _) => "here fit = != < <= > >= and in",
            (false, true) => "here fit = != ~ !~ and in",
            (false, false) => "here fit = != and in",
        }
    }

    /// What a value looks like.
    pub(super) fn example(self) -> String {
        match self {
            Self::Text => "a text such as alice or \"Example Desk*\"".to_owned(),
            Self::Word(words) => format!("one of {}", words.join(", ")),
            Self::Count => "a number such as 20".to_owned(),
            Self::Decimal => "a number such as 3.5".to_owned(),
            Self::Percent => "a share such as 1.5%".to_owned(),
            Self::Status => "a status such as 503 or 5xx".to_owned(),
            Self::Span => "a span with its unit such as 200ms, 3s or 2m".to_owned(),
            Self::Moment => "a time such as 10:15, 2026-11-21 or 2026-11-21T10:15:30Z".to_owned(),
            Self::Peer => "an address, a network or a name such as 192.0.2.1, 10.0.0.0/8, pbx \
                           or 192.0.2.1:5060"
                .to_owned(),
            Self::Rule => "a code, prefix or name of a rule such as TXN106 or ack-*".to_owned(),
            Self::Severity => "info, warn or error".to_owned(),
            Self::Frame => {
                "the number of a frame such as 17, or 2#17 of the second capture".to_owned()
            }
        }
    }
}

/// A value of a field.
pub(super) enum Value<'v> {
    Text(Cow<'v, str>),
    /// Counts, shares and spans in nanoseconds.
    Number(f64),
    Moment(Time),
    Peer(Endpoint),
    Rule(&'static Rule),
    Frame(FrameId),
}

/// Whether one value fits.
type Fits<'f> = &'f mut dyn FnMut(Value<'_>) -> bool;

impl Field {
    /// The field of that name, in any case; `header.NAME` is any header.
    pub(super) fn named(name: &str) -> Option<Self> {
        let start = name.get(..7).filter(|start| start.eq_ignore_ascii_case("header."));
        if let Some(header) = start.and_then(|_| name.get(7..)).filter(|own| !own.is_empty()) {
            return Some(Self::Header(header.to_owned()));
        }
        let plain = name.to_ascii_lowercase().replace('_', "-");
        let own = NAMES.iter().find(|(_, names)| names.contains(&plain.as_str()));
        own.map(|(field, _)| field.clone())
    }

    pub(super) const fn kind(&self) -> Type {
        match self {
            Self::From | Self::To | Self::Number | Self::UserAgent | Self::Header(_) => Type::Text,
            Self::CallId | Self::Method | Self::Codec | Self::Linked => Type::Text,
            Self::Kind => Type::Word(KINDS),
            Self::State => Type::Word(STATES),
            Self::Transport => Type::Word(TRANSPORTS),
            Self::Status | Self::Response => Type::Status,
            Self::Peer | Self::Client | Self::Server => Type::Peer,
            Self::Start | Self::End => Type::Moment,
            Self::Duration | Self::Pdd | Self::Ring | Self::Talk | Self::Jitter => Type::Span,
            Self::Messages | Self::Retransmissions | Self::Findings | Self::Streams => Type::Count,
            Self::Rule => Type::Rule,
            Self::Severity => Type::Severity,
            Self::Loss => Type::Percent,
            Self::Mos => Type::Decimal,
            Self::Frame => Type::Frame,
        }
    }

    /// It is read from the messages.
    pub(super) const fn needs_messages(&self) -> bool {
        matches!(self, Self::UserAgent | Self::Header(_) | Self::Frame)
    }

    /// It is read from the RTP streams.
    pub(super) const fn needs_media(&self) -> bool {
        matches!(self, Self::Streams | Self::Codec | Self::Loss | Self::Jitter | Self::Mos)
    }

    /// Whether one of its values fits.
    pub(super) fn any(&self, subject: &Subject<'_>, fits: Fits<'_>) -> bool {
        let call = subject.call;
        match self {
            Self::From => uri(call.from_uri.as_deref(), fits),
            Self::To => uri(call.to_uri.as_deref(), fits),
            Self::Number => {
                [&call.from_uri, &call.to_uri].into_iter().flatten().any(|own| number(own, fits))
            }
            Self::UserAgent => {
                header(call, HeaderName::UserAgent.as_str(), fits)
                    || header(call, HeaderName::Server.as_str(), fits)
            }
            Self::Header(name) => header(call, name, fits),
            Self::CallId => text(&call.call_id, fits),
            Self::Kind => text(call.kind.name(), fits),
            Self::State => {
                let (state, fate) = (call.state.name(), call.fate());
                text(state, fits) || (fate != state && text(fate, fits))
            }
            Self::Status => maybe(call.final_status.map(code), fits),
            Self::Response => responses(call).any(|status| fits(Value::Number(code(status)))),
            Self::Linked => call.linked.iter().any(|linked| text(&linked.call_id, fits)),
            Self::Start => fits(Value::Moment(call.start)),
            Self::End => fits(Value::Moment(call.end)),
            Self::Duration => span(Some(call.end.since(call.start)), fits),
            Self::Pdd => span(call.pdd, fits),
            Self::Ring => span(call.ring, fits),
            Self::Talk => span(call.talk, fits),
            Self::Messages => count(call.messages, fits),
            Self::Retransmissions => {
                count(call.transactions.iter().map(|own| own.retransmissions).sum(), fits)
            }
            Self::Method | Self::Transport | Self::Peer | Self::Client | Self::Server => {
                call.transactions.iter().any(|transaction| self.of_transaction(transaction, fits))
            }
            Self::Streams => count(call.streams.len() as u64, fits),
            Self::Codec | Self::Loss | Self::Jitter | Self::Mos => {
                call.streams.iter().any(|stream| self.of_stream(stream, fits))
            }
            Self::Findings => count(subject.findings.len() as u64, fits),
            Self::Rule => subject.findings.iter().any(|finding| fits(Value::Rule(finding.rule))),
            Self::Severity => {
                let mut findings = subject.findings.iter();
                findings.any(|finding| fits(Value::Number(f64::from(finding.severity as u8))))
            }
            Self::Frame => frames(call).any(|frame| fits(Value::Frame(frame))),
        }
    }

    fn of_transaction(&self, transaction: &TransactionSummary, fits: Fits<'_>) -> bool {
        match self {
            Self::Method => text(&transaction.method, fits),
            Self::Transport => text(transaction.transport.name(), fits),
            Self::Client => fits(Value::Peer(transaction.client)),
            Self::Server => fits(Value::Peer(transaction.server)),
            _ => fits(Value::Peer(transaction.client)) || fits(Value::Peer(transaction.server)),
        }
    }

    fn of_stream(&self, stream: &StreamSummary, fits: Fits<'_>) -> bool {
        match self {
            Self::Codec => stream.codec.as_deref().is_some_and(|codec| text(codec, fits)),
            Self::Loss => fits(Value::Number(stream.lost_percent)),
            Self::Jitter => span(stream.jitter, fits),
            _ => maybe(stream.estimate.map(|estimate| estimate.mos), fits),
        }
    }
}

fn text(text: &str, fits: Fits<'_>) -> bool {
    fits(Value::Text(Cow::Borrowed(text)))
}

fn maybe(number: Option<f64>, fits: Fits<'_>) -> bool {
    number.is_some_and(|number| fits(Value::Number(number)))
}

fn span(span: Option<Span>, fits: Fits<'_>) -> bool {
    maybe(span.map(|span| span.nanos() as f64), fits)
}

fn count(count: u64, fits: Fits<'_>) -> bool {
    fits(Value::Number(count as f64))
}

fn code(status: Status) -> f64 {
    f64::from(status.code())
}

/// The URI as it is, `user@host`, the user or the host without one, and the number.
fn uri(text_of: Option<&str>, fits: Fits<'_>) -> bool {
    let Some(whole) = text_of else { return false };
    if text(whole, fits) {
        return true;
    }
    let parsed = Uri::parse(whole.as_bytes());
    let host = parsed.host().map(|host| host.as_str().into_owned()).unwrap_or_default();
    match parsed.user_text() {
        Some(user) => {
            text(&format!("{user}@{host}"), fits) || text(&user, fits) || number(whole, fits)
        }
        None => text(&host, fits),
    }
}

/// The number as it was sent, without its separators, and without its `+` or what was dialled for
/// one.
fn number(uri: &str, fits: Fits<'_>) -> bool {
    let parsed = Uri::parse(uri.as_bytes());
    let Some(number) = Number::of(&parsed) else { return false };
    let digits = number.digits();
    let dialled = match number.is_global() {
        true => Some(digits),
        false => digits.strip_prefix("00").or_else(|| digits.strip_prefix("011")),
    };
    parsed.user_text().is_some_and(|user| text(&user, fits))
        || text(digits, fits)
        || dialled.is_some_and(|digits| text(&format!("+{digits}"), fits))
}

/// The lines of a header in all messages.
fn header(call: &CallSummary, name: &str, fits: Fits<'_>) -> bool {
    let known = HeaderName::of(name.as_bytes());
    call.transcript.iter().map(Step::message).any(|message| {
        let mut line = |line| fits(Value::Text(lws::text(lws::trim(line))));
        match known {
            HeaderName::Other => message.named(name).any(&mut line),
            known => message.lines(known).any(&mut line),
        }
    })
}

fn responses(call: &CallSummary) -> impl Iterator<Item = Status> {
    let transactions = call.transactions.iter();
    transactions
        .flat_map(|own| own.provisional.iter().chain(&own.final_response))
        .map(|own| own.status)
}

/// The frames of its messages; where those are not kept, the ones that are known.
fn frames(call: &CallSummary) -> impl Iterator<Item = FrameId> {
    let kept = call.transcript.iter().map(|step| step.frame);
    let known = call.transactions.iter().flat_map(|own| {
        let responses = own.provisional.iter().chain(&own.final_response);
        own.request_frame.into_iter().chain(responses.map(|response| response.frame))
    });
    kept.chain(known).chain([call.first_frame, call.last_frame])
}
