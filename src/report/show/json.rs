//! Calls as one ladder in JSON; the names of the fields are a contract.
//!
//! Parties, rows and findings refer to each other by their places in their lists, from 0. Times are
//! RFC 3339 in UTC, frame numbers are those that Wireshark shows.

use std::io::{self, Write};

use serde::Serialize;

use crate::analysis::flow::{Content, Party, Row, Sent};
use crate::analysis::{Analysis, Step, StreamSummary};
use crate::bytes::{printable, printable_str};
use crate::capture::FrameId;
use crate::catalogue::{Lang, labels};
use crate::report::json::{CallJson, FindingJson, RuleTexts, SCHEMA_VERSION, TOOL, Tool};
use crate::report::show::{Described, ShowOptions, Shown, in_full, raw};
use crate::report::streams::{self, StreamJson};
use crate::sip::Status;
use crate::time::Time;

/// Writes the calls at these places, with their ladder, as one JSON object.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn json(
    analysis: &Analysis,
    places: &[usize],
    options: &ShowOptions,
    lang: Lang,
    out: &mut dyn Write,
) -> io::Result<()> {
    let shown = Shown::new(analysis, places, options);
    serde_json::to_writer_pretty(&mut *out, &ShowJson::of(&shown, options, lang))?;
    writeln!(out)
}

#[derive(Serialize)]
struct ShowJson<'s> {
    /// Raised when a field changes its meaning or goes away; new fields do not raise it.
    schema_version: u32,
    /// The program that wrote the document.
    tool: Tool,
    /// The paths of the captures as given.
    captures: Vec<String>,
    /// The calls that are shown.
    calls: Vec<ListedCall<'s>>,
    /// Who takes part, in order of appearance.
    parties: Vec<PartyJson<'s>>,
    /// What was sent, in order of capture.
    rows: Vec<RowJson<'s>>,
    /// What was found on these calls, then what was found on others and seen on these as well.
    findings: Vec<MarkedFinding<'s>>,
    /// Messages and streams left out, because one of their hosts is hidden.
    hidden: usize,
    /// Calls whose messages were not kept, as places among `calls`.
    without_messages: &'s [usize],
}

#[derive(Serialize)]
struct ListedCall<'s> {
    /// Its number in the list of calls, from 1.
    number: usize,
    /// The same fields as in the `calls` of an analysis.
    #[serde(flatten)]
    call: CallJson<'s>,
}

#[derive(Serialize)]
struct PartyJson<'s> {
    /// What it is called: the name that the user gives to it, or its address.
    label: String,
    /// The name that the user gives to it.
    name: Option<&'s str>,
    /// It is one port of a host; other ports are other parties.
    is_endpoint: bool,
    /// What it sends from and receives at, each address once.
    addresses: Vec<AddressJson>,
}

#[derive(Serialize)]
struct AddressJson {
    address: String,
    ports: Vec<u16>,
}

/// A row; `from` and `to` are places among the parties.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum RowJson<'s> {
    Message(Box<MessageJson<'s>>),
    Stream(Box<StreamRow<'s>>),
}

#[derive(Serialize)]
struct MessageJson<'s> {
    /// The call, as a place among `calls`.
    call: usize,
    /// The frame that completed it.
    frame: u64,
    /// The place of its capture, 0 for the first; only with several captures.
    #[serde(skip_serializing_if = "Option::is_none")]
    capture: Option<u16>,
    /// When that was captured.
    time: Time,
    from: usize,
    to: usize,
    /// The sender, `address:port`.
    source: String,
    /// The receiver, `address:port`.
    destination: String,
    /// `UDP`, `TCP`, `TLS`, `SCTP`, `WS` or `WSS`.
    transport: &'static str,
    /// `INVITE sip:bob@example.com`, `200 OK (BYE)`.
    label: &'s str,
    /// The method of the request, or of the one that is answered.
    method: String,
    /// The status code; null for a request.
    status: Option<u16>,
    /// It repeats an earlier message; only where repeats have rows of their own.
    is_repeat: bool,
    /// Bytes of it are missing from the capture.
    is_cut: bool,
    /// The same message sent again.
    repeats: Vec<RepeatJson>,
    /// What the session description says; null without one.
    sdp: Option<SdpJson<'s>>,
    /// The findings that have it as evidence, as places among `findings`.
    findings: &'s [usize],
    /// The lines of the message and of those of its repeats that were asked for; what is unsafe to
    /// show is escaped, a binary body is in hexadecimal digits.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    messages: Vec<RawJson>,
}

#[derive(Serialize)]
struct RepeatJson {
    frame: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    capture: Option<u16>,
    time: Time,
}

#[derive(Serialize)]
struct SdpJson<'s> {
    /// The media one after another.
    text: &'s str,
    /// What is not as the same party said before on the same way: `hold`, `held`, `inactive`,
    /// `resumed`, `codecs`, `media`, `address`, `added`, `removed`.
    changes: Vec<&'static str>,
    /// The frame of an earlier row that says the same, where nothing is changed.
    same_as: Option<u64>,
}

#[derive(Serialize)]
struct RawJson {
    frame: u64,
    lines: Vec<String>,
}

#[derive(Serialize)]
struct StreamRow<'s> {
    from: usize,
    to: usize,
    /// The findings that have its first or last frame as evidence, as places among `findings`.
    findings: &'s [usize],
    /// The same fields as in the `streams` of a call.
    #[serde(flatten)]
    stream: Option<StreamJson<'s>>,
}

#[derive(Serialize)]
struct MarkedFinding<'s> {
    /// The rows that are its evidence, as places among `rows`; empty where its frames are in none.
    rows: Vec<usize>,
    /// The same fields as in the `findings` of an analysis.
    #[serde(flatten)]
    finding: FindingJson<'s>,
}

impl<'s> ShowJson<'s> {
    fn of(shown: &'s Shown<'s>, options: &ShowOptions, lang: Lang) -> Self {
        let flow = &shown.flow;
        let captures = &shown.analysis.captures;
        let is_several = captures.len() > 1;
        let mut rules = RuleTexts::new(lang);
        let rows_of = |place: usize| {
            let rows = flow.rows.iter().enumerate();
            rows.filter(|(_, row)| row.evidence_of.contains(&place)).map(|(at, _)| at).collect()
        };
        let path = |path: &std::path::Path| printable_str(&path.to_string_lossy()).into_owned();
        Self {
            schema_version: SCHEMA_VERSION,
            tool: TOOL,
            captures: captures.iter().map(|capture| path(&capture.path)).collect(),
            calls: shown
                .calls
                .iter()
                .map(|(place, call)| ListedCall {
                    number: place + 1,
                    call: CallJson::of(call, is_several),
                })
                .collect(),
            parties: flow.parties.iter().map(PartyJson::of).collect(),
            rows: flow
                .rows
                .iter()
                .zip(&shown.described)
                .map(|(row, sdp)| RowJson::of(row, sdp.as_ref(), options, is_several))
                .collect(),
            findings: shown
                .findings
                .iter()
                .enumerate()
                .map(|(place, finding)| MarkedFinding {
                    rows: rows_of(place),
                    finding: FindingJson::of(finding, is_several, labels(lang), &mut rules),
                })
                .collect(),
            hidden: flow.hidden,
            without_messages: &flow.without_messages,
        }
    }
}

impl<'s> PartyJson<'s> {
    fn of(party: &'s Party) -> Self {
        let address = |(address, ports): (std::net::IpAddr, Vec<u16>)| AddressJson {
            address: address.to_string(),
            ports,
        };
        Self {
            label: party.label(),
            name: party.name.as_deref(),
            is_endpoint: party.is_endpoint,
            addresses: party.addresses().into_iter().map(address).collect(),
        }
    }
}

impl<'s> RowJson<'s> {
    fn of(
        row: &'s Row<'_>,
        sdp: Option<&'s Described>,
        options: &ShowOptions,
        is_several: bool,
    ) -> Self {
        match &row.content {
            Content::Message(sent) => {
                Self::Message(Box::new(MessageJson::of(row, sent, sdp, options, is_several)))
            }
            Content::Stream(stream) => Self::Stream(Box::new(StreamRow::of(row, stream))),
        }
    }
}

impl<'s> MessageJson<'s> {
    fn of(
        row: &'s Row<'_>,
        sent: &'s Sent<'_>,
        sdp: Option<&'s Described>,
        options: &ShowOptions,
        is_several: bool,
    ) -> Self {
        let step = sent.step;
        let message = step.message();
        let capture = |frame: FrameId| is_several.then_some(frame.capture);
        let repeat = |step: &&Step| RepeatJson {
            frame: step.frame.number,
            capture: capture(step.frame),
            time: step.time,
        };
        let full = |step: &Step| RawJson {
            frame: step.frame.number,
            lines: raw::lines(step).iter().map(raw::RawLine::text).collect(),
        };
        Self {
            call: sent.call,
            frame: row.frame.number,
            capture: capture(row.frame),
            time: row.time,
            from: row.from,
            to: row.to,
            source: step.source.to_string(),
            destination: step.destination.to_string(),
            transport: step.transport.name(),
            label: &sent.label,
            method: printable(message.method().as_bytes()).into_owned(),
            status: message.status().map(Status::code),
            is_repeat: step.is_retransmission,
            is_cut: step.is_cut,
            repeats: sent.repeats.iter().map(repeat).collect(),
            sdp: sdp.map(|own| SdpJson {
                text: &own.text,
                changes: own.changes.iter().map(|change| change.name()).collect(),
                same_as: own.same_as.map(|frame| frame.number),
            }),
            findings: &row.evidence_of,
            messages: in_full(row, &options.raw).map(full).collect(),
        }
    }
}

impl<'s> StreamRow<'s> {
    fn of(row: &'s Row<'_>, stream: &'s StreamSummary) -> Self {
        Self {
            from: row.from,
            to: row.to,
            findings: &row.evidence_of,
            stream: streams::of_call(std::slice::from_ref(stream)).pop(),
        }
    }
}
