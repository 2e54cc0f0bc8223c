//! A list of calls: which of them, in which order, with which columns; as JSON and as a table for
//! machines. The text is written by `text::calls`.
//!
//! The number of a call is its place among all calls, whatever of them is listed and in which
//! order, so that `siptrace show` finds it.

use std::cmp::Ordering;
use std::io::{self, Write};

use crate::analysis::{Analysis, CallSummary, Step, StreamSummary};
use crate::bytes::printable;
use crate::capture::FrameId;
use crate::catalogue::Lang;
use crate::finding::{Finding, Severity};
use crate::packet::Endpoint;
use crate::report::csv::{self, Row};
use crate::report::index::Index;
use crate::report::json;
use crate::report::streams::{millis, rounded};
use crate::report::text;
use crate::report::text::TextOptions;
use crate::sip::{HeaderName, Message};
use crate::time::{Span, Time};

/// What a list of calls may show of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// Its place among all calls.
    Number,
    /// Its first frame.
    Frame,
    /// The time of its first message.
    Start,
    /// The time of its last message.
    End,
    /// What it is.
    Kind,
    /// From.
    From,
    /// To.
    To,
    /// The Call-ID.
    CallId,
    /// What became of it.
    State,
    /// The final status.
    Status,
    /// From the INVITE to ringing.
    Pdd,
    /// From ringing to the answer.
    Ring,
    /// From the answer to the BYE.
    Talk,
    /// From the first message to the last.
    Duration,
    /// How many messages it has.
    Messages,
    /// Requests sent again.
    Retransmissions,
    /// The method of the first request.
    Method,
    /// Who sent the first request.
    Client,
    /// Who received it.
    Server,
    /// What carried it.
    Transport,
    /// What its sender says that he is.
    UserAgent,
    /// The codecs of its streams.
    Codec,
    /// The largest loss of its streams.
    Loss,
    /// The largest mean jitter of its streams.
    Jitter,
    /// The worst score of its streams.
    Mos,
    /// The codes of the findings on it.
    Findings,
    /// How bad the worst of them is.
    Severity,
    /// Other legs of the conversation.
    Linked,
}

/// A column with its name for users, that for machines, and the key of its heading.
const COLUMNS: [(Column, &str, &str, &str); 28] = [
    (Column::Number, "number", "number", "call-number"),
    (Column::Frame, "frame", "first_frame", "frame"),
    (Column::Start, "time", "start", "time"),
    (Column::End, "end", "end", "end"),
    (Column::Kind, "kind", "kind", "kind"),
    (Column::From, "from", "from_uri", "from"),
    (Column::To, "to", "to_uri", "to"),
    (Column::CallId, "call-id", "call_id", "calls-call-id"),
    (Column::State, "state", "state", "state"),
    (Column::Status, "status", "final_status", "status"),
    (Column::Pdd, "pdd", "pdd_ms", "set-up"),
    (Column::Ring, "ring", "ring_ms", "calls-ring"),
    (Column::Talk, "talk", "talk_ms", "talk"),
    (Column::Duration, "duration", "duration_ms", "duration"),
    (Column::Messages, "messages", "messages", "messages"),
    (Column::Retransmissions, "retransmissions", "retransmissions", "calls-again"),
    (Column::Method, "method", "method", "method"),
    (Column::Client, "client", "client", "client"),
    (Column::Server, "server", "server", "server"),
    (Column::Transport, "transport", "transport", "transport"),
    (Column::UserAgent, "user-agent", "user_agent", "calls-user-agent"),
    (Column::Codec, "codec", "codecs", "calls-codec"),
    (Column::Loss, "loss", "loss_percent", "calls-loss"),
    (Column::Jitter, "jitter", "jitter_ms", "calls-jitter"),
    (Column::Mos, "mos", "mos", "calls-mos"),
    (Column::Findings, "findings", "findings", "findings"),
    (Column::Severity, "severity", "severity", "severity"),
    (Column::Linked, "linked", "linked", "linked-calls"),
];

impl Column {
    /// Every column, in the order of the help.
    pub fn all() -> impl Iterator<Item = Self> {
        COLUMNS.iter().map(|(column, ..)| *column)
    }

    /// The column of that name.
    pub fn named(name: &str) -> Option<Self> {
        let plain = name.trim().to_ascii_lowercase().replace('_', "-");
        let plain = match plain.as_str() {
            "no" | "no." | "#" => "number",
            "start" => "time",
            "set-up" => "pdd",
            "callid" => "call-id",
            "ua" => "user-agent",
            other => other,
        };
        COLUMNS.iter().find(|(_, name, ..)| *name == plain).map(|(column, ..)| *column)
    }

    /// Its name, as users write it.
    pub fn name(self) -> &'static str {
        self.names().0
    }

    /// Its name, as machines read it.
    fn field(self) -> &'static str {
        self.names().1
    }

    /// The key of its heading.
    pub(super) fn heading(self) -> &'static str {
        self.names().2
    }

    fn names(self) -> (&'static str, &'static str, &'static str) {
        let own = COLUMNS.iter().find(|(column, ..)| *column == self);
        own.map_or(("", "", ""), |(_, name, field, heading)| (name, field, heading))
    }

    /// It is read from the messages of the call.
    pub fn needs_messages(self) -> bool {
        self == Self::UserAgent
    }
}

/// A column to sort by, and the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortBy {
    /// What is compared.
    pub column: Column,
    /// The largest first.
    pub is_descending: bool,
}

/// A call of the list.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Its place among all calls, from 0.
    pub place: usize,
    /// The call.
    pub call: &'a CallSummary,
    /// The findings on it.
    pub findings: Vec<&'a Finding>,
}

/// Calls in some order.
#[derive(Debug)]
pub struct CallList<'a> {
    pub(super) index: Index<'a>,
    /// The calls that are listed.
    pub entries: Vec<Entry<'a>>,
}

/// What stands in a cell.
pub(super) enum Datum<'a> {
    Nothing,
    Text(&'a str),
    Name(String),
    /// The word of a group in the catalogue.
    Kind(&'static str),
    State {
        state: &'static str,
        fate: &'static str,
    },
    Count(u64),
    Percent(f64),
    Decimal(f64),
    Span(Span),
    Time(Time),
    Frame(FrameId),
    Peer(Endpoint),
    Findings(&'a [&'a Finding]),
    Severity(Severity),
    List(Vec<&'a str>),
}

impl<'a> CallList<'a> {
    /// Every call of an analysis that lists all of them.
    pub fn new(analysis: &'a Analysis, lang: Lang) -> Self {
        let index = Index::new(analysis, lang);
        let entry = |(place, call)| Entry { place, call, findings: Vec::new() };
        let mut entries: Vec<Entry<'a>> = analysis.calls.iter().enumerate().map(entry).collect();
        for finding in &analysis.findings {
            if let Some(entry) = index.place(finding).and_then(|place| entries.get_mut(place)) {
                entry.findings.push(finding);
            }
        }
        Self { index, entries }
    }

    /// The analysis.
    pub fn analysis(&self) -> &'a Analysis {
        self.index.analysis
    }

    /// Sorts by the first column, among equals by the next. What has no value stands last, and
    /// equals stay in order of capture.
    pub fn sort(&mut self, by: &[SortBy]) {
        self.entries.sort_by_cached_key(|entry| {
            let key = |by: &SortBy| Key::of(&entry.datum(by.column), by.is_descending);
            by.iter().map(key).collect::<Vec<_>>()
        });
    }
}

/// What two entries are compared by.
#[derive(Clone, Debug, PartialEq)]
enum Key {
    Number(f64),
    Text(String),
    Reversed(Box<Key>),
    Missing,
}

impl Key {
    fn of(datum: &Datum<'_>, is_descending: bool) -> Self {
        let text = |text: &str| Self::Text(text.to_lowercase());
        let key = match datum {
            Datum::Nothing => return Self::Missing,
            Datum::Text(own) => text(own),
            Datum::Name(own) => text(own),
            Datum::Kind(word) | Datum::State { fate: word, .. } => text(word),
            Datum::Count(count) => Self::Number(*count as f64),
            Datum::Percent(number) | Datum::Decimal(number) => Self::Number(*number),
            Datum::Span(span) => Self::Number(span.nanos() as f64),
            // Doubles have not the digits for nanoseconds since 1970, their order does.
            Datum::Time(time) => text(&format!("{:020}", time.nanos() as i128 - i64::MIN as i128)),
            Datum::Frame(frame) => text(&format!("{:05} {:020}", frame.capture, frame.number)),
            Datum::Peer(end) => text(&order_of(*end)),
            Datum::Findings(findings) => Self::Number(findings.len() as f64),
            Datum::Severity(severity) => Self::Number(f64::from(*severity as u8)),
            Datum::List(items) => Self::Number(items.len() as f64),
        };
        if is_descending { Self::Reversed(Box::new(key)) } else { key }
    }
}

/// Addresses by their numbers, so that `.9` stands before `.10`.
fn order_of(end: Endpoint) -> String {
    let bits = match end.address.to_canonical() {
        std::net::IpAddr::V4(address) => u128::from(address.to_bits()),
        std::net::IpAddr::V6(address) => address.to_bits(),
    };
    format!("{bits:039} {:05}", end.port)
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Missing, Self::Missing) => Ordering::Equal,
            (Self::Missing, _) => Ordering::Greater,
            (_, Self::Missing) => Ordering::Less,
            (Self::Reversed(one), Self::Reversed(two)) => two.cmp(one),
            (Self::Number(one), Self::Number(two)) => one.total_cmp(two),
            (Self::Text(one), Self::Text(two)) => one.cmp(two),
            // One column has keys of one sort.
            (Self::Number(_), _) => Ordering::Less,
            (_, Self::Number(_)) => Ordering::Greater,
            (Self::Text(_), _) => Ordering::Less,
            (_, Self::Text(_)) => Ordering::Greater,
        }
    }
}

impl<'a> Entry<'a> {
    /// What stands in the column.
    pub(super) fn datum(&'a self, column: Column) -> Datum<'a> {
        let call = self.call;
        let first = call.transactions.first();
        let streams = call.streams.as_slice();
        let found = match column {
            Column::Number => Some(Datum::Count(self.place as u64 + 1)),
            Column::Frame => Some(Datum::Frame(call.first_frame)),
            Column::Start => Some(Datum::Time(call.start)),
            Column::End => Some(Datum::Time(call.end)),
            Column::Kind => Some(Datum::Kind(call.kind.name())),
            Column::From => call.from_uri.as_deref().map(Datum::Text),
            Column::To => call.to_uri.as_deref().map(Datum::Text),
            Column::CallId => Some(Datum::Text(&call.call_id)),
            Column::State => Some(Datum::State { state: call.state.name(), fate: call.fate() }),
            Column::Status => call.final_status.map(|own| Datum::Count(own.code().into())),
            Column::Pdd => call.pdd.map(Datum::Span),
            Column::Ring => call.ring.map(Datum::Span),
            Column::Talk => call.talk.map(Datum::Span),
            Column::Duration => Some(Datum::Span(call.end.since(call.start))),
            Column::Messages => Some(Datum::Count(call.messages)),
            Column::Retransmissions => {
                Some(Datum::Count(call.transactions.iter().map(|own| own.retransmissions).sum()))
            }
            Column::Method => first.map(|own| Datum::Text(&own.method)),
            Column::Client => first.map(|own| Datum::Peer(own.client)),
            Column::Server => first.map(|own| Datum::Peer(own.server)),
            Column::Transport => first.map(|own| Datum::Text(own.transport.name())),
            Column::UserAgent => user_agent(call).map(Datum::Name),
            Column::Codec => Some(codecs(streams)).filter(|own| !own.is_empty()).map(Datum::List),
            Column::Loss => most(streams, |own| Some(own.lost_percent)).map(Datum::Percent),
            Column::Jitter => streams.iter().filter_map(|own| own.jitter).max().map(Datum::Span),
            Column::Mos => most(streams, |own| own.estimate.map(|own| -own.mos))
                .map(|own| Datum::Decimal(-own)),
            Column::Findings if self.findings.is_empty() => None,
            Column::Findings => Some(Datum::Findings(&self.findings)),
            Column::Severity => self.severity().map(Datum::Severity),
            Column::Linked => {
                let linked: Vec<&str> =
                    call.linked.iter().map(|own| own.call_id.as_str()).collect();
                Some(linked).filter(|own| !own.is_empty()).map(Datum::List)
            }
        };
        found.unwrap_or(Datum::Nothing)
    }

    /// How bad the worst finding is.
    pub(super) fn severity(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }
}

/// What the sender of the first request says that he is; safe to show.
pub(super) fn user_agent(call: &CallSummary) -> Option<String> {
    let first = call.transcript.iter().map(Step::message).find(Message::is_request)?;
    let line = first.text(HeaderName::UserAgent)?;
    Some(printable(line.trim().as_bytes()).into_owned())
}

fn codecs(streams: &[StreamSummary]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for codec in streams.iter().filter_map(|stream| stream.codec.as_deref()) {
        if !names.contains(&codec) {
            names.push(codec);
        }
    }
    names
}

fn most(streams: &[StreamSummary], of: impl Fn(&StreamSummary) -> Option<f64>) -> Option<f64> {
    streams.iter().filter_map(of).max_by(f64::total_cmp)
}

/// Writes the list as text.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn text(
    list: &CallList<'_>,
    columns: Option<&[Column]>,
    options: &TextOptions,
    out: &mut dyn Write,
) -> io::Result<()> {
    text::calls::list(list, columns, options, out)
}

/// Writes the calls as one JSON array; an entry is that of `calls` in the JSON of an analysis.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn json(list: &CallList<'_>, out: &mut dyn Write) -> io::Result<()> {
    let is_several = list.analysis().captures.len() > 1;
    let calls = list.entries.iter().map(|entry| json::CallJson::of(entry.call, is_several));
    serde_json::to_writer_pretty(&mut *out, &calls.collect::<Vec<_>>())?;
    writeln!(out)
}

/// Writes the list as a table: with the columns of `siptrace analyze --format csv --table calls`,
/// or with these.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn table(
    list: &CallList<'_>,
    columns: Option<&[Column]>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let Some(columns) = columns else {
        csv::calls_head(out)?;
        return list.entries.iter().try_for_each(|entry| {
            let codes: Vec<&str> = entry.findings.iter().map(|own| own.rule.code).collect();
            csv::of_call(&list.index, entry.call, &codes).write(out)
        });
    };
    let names: Vec<&str> = columns.iter().map(|column| column.field()).collect();
    csv::head(&names, out)?;
    list.entries.iter().try_for_each(|entry| {
        let cell = |row: Row, column: &Column| field(row, &entry.datum(*column), list.analysis());
        columns.iter().fold(Row::default(), cell).write(out)
    })
}

/// A cell for a machine.
fn field(row: Row, datum: &Datum<'_>, analysis: &Analysis) -> Row {
    match datum {
        Datum::Nothing => row.text(""),
        Datum::Text(text) => row.text(text),
        Datum::Name(text) => row.text(text),
        Datum::Kind(word) | Datum::State { state: word, .. } => row.text(word),
        Datum::Count(count) => row.number(count),
        Datum::Percent(number) => row.number(rounded(*number)),
        Datum::Decimal(number) => row.number((number * 100.0).round() / 100.0),
        Datum::Span(span) => row.number(millis(*span)),
        Datum::Time(time) => row.text(time.to_string()),
        Datum::Frame(frame) => row.text(csv::frames(&[*frame], analysis)),
        Datum::Peer(end) => row.text(end.to_string()),
        Datum::Findings(findings) => {
            let codes: Vec<&str> = findings.iter().map(|finding| finding.rule.code).collect();
            row.text(codes.join(" "))
        }
        Datum::Severity(severity) => row.text(severity.name()),
        Datum::List(items) => row.text(items.join(" ")),
    }
}
