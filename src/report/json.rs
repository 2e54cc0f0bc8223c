//! The analysis as JSON; the names of the fields are a contract.
//!
//! Times are RFC 3339 in UTC, durations are numbers in milliseconds with the unit in the name,
//! frame numbers are those that Wireshark shows.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use crate::analysis::{
    Analysis, BySeverity, CallSummary, Direction, Incident, Linked, ResponseSummary,
    TransactionSummary,
};
use crate::bytes::printable_str;
use crate::capture::{Description, FrameId, Note};
use crate::catalogue::{self, Labels, Lang, labels};
use crate::finding::{Confidence, Finding, Severity, Sign, Value};
use crate::packet::Unread;
use crate::report::evidence;
use crate::report::filter::display_filter;
use crate::report::statistics::StatisticsJson;
use crate::report::streams::{self, StreamJson};
use crate::sip::Status;
use crate::time::{Span, Time};

/// Raised when a field changes its meaning or goes away.
const SCHEMA_VERSION: u32 = 1;

/// Writes the analysis as one JSON object.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn json(analysis: &Analysis, lang: Lang, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &Document::of(analysis, lang))?;
    writeln!(out)
}

#[derive(Serialize)]
struct Document<'a> {
    schema_version: u32,
    tool: Tool,
    captures: Vec<CaptureJson<'a>>,
    totals: TotalsJson,
    calls: Vec<CallJson<'a>>,
    /// RTP streams without a call.
    streams: Vec<StreamJson<'a>>,
    findings: Vec<FindingJson<'a>>,
    incidents: Vec<IncidentJson<'a>>,
    statistics: StatisticsJson<'a>,
    unread: Vec<UnreadJson>,
    dropped: &'a BTreeMap<&'static str, u64>,
    failed_rules: &'a BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

const TOOL: Tool = Tool { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") };

/// What is known of a capture before it is read: the first lines of the JSON lines.
#[derive(Serialize)]
pub(super) struct HeadJson<'a> {
    schema_version: u32,
    tool: Tool,
    capture: usize,
    path: String,
    format: &'a str,
    compression: &'a str,
}

impl<'a> HeadJson<'a> {
    pub(super) fn of(place: usize, capture: &'a Description) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            tool: TOOL,
            capture: place,
            path: printable_str(&capture.path.to_string_lossy()).into_owned(),
            format: capture.format,
            compression: capture.compression,
        }
    }
}

/// The analysis without calls and findings: the last one of the JSON lines.
#[derive(Serialize)]
pub(super) struct SummaryJson<'a> {
    schema_version: u32,
    tool: Tool,
    captures: Vec<CaptureJson<'a>>,
    totals: TotalsJson,
    streams: Vec<StreamJson<'a>>,
    incidents: Vec<IncidentJson<'a>>,
    statistics: StatisticsJson<'a>,
    unread: Vec<UnreadJson>,
    dropped: &'a BTreeMap<&'static str, u64>,
    failed_rules: &'a BTreeMap<&'static str, u64>,
}

impl<'a> SummaryJson<'a> {
    pub(super) fn of(analysis: &'a Analysis) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            tool: TOOL,
            captures: analysis.captures.iter().map(CaptureJson::of).collect(),
            totals: TotalsJson::of(analysis),
            streams: streams::alone(&analysis.streams),
            incidents: analysis.incidents.iter().map(IncidentJson::of).collect(),
            statistics: StatisticsJson::of(analysis),
            unread: analysis.unread.iter().map(UnreadJson::of).collect(),
            dropped: &analysis.dropped,
            failed_rules: &analysis.failed_rules,
        }
    }
}

impl<'a> Document<'a> {
    fn of(analysis: &'a Analysis, lang: Lang) -> Self {
        let is_several = analysis.captures.len() > 1;
        let words = labels(lang);
        let mut rules = RuleTexts { lang, known: BTreeMap::new() };
        Self {
            schema_version: SCHEMA_VERSION,
            tool: TOOL,
            captures: analysis.captures.iter().map(CaptureJson::of).collect(),
            totals: TotalsJson::of(analysis),
            calls: calls(&analysis.calls, is_several),
            streams: streams::alone(&analysis.streams),
            findings: analysis
                .findings
                .iter()
                .map(|finding| FindingJson::of(finding, is_several, words, &mut rules))
                .collect(),
            incidents: analysis.incidents.iter().map(IncidentJson::of).collect(),
            statistics: StatisticsJson::of(analysis),
            unread: analysis.unread.iter().map(UnreadJson::of).collect(),
            dropped: &analysis.dropped,
            failed_rules: &analysis.failed_rules,
        }
    }
}

/// The calls as they stand in the `calls` array.
pub(crate) fn calls(calls: &[CallSummary], is_several: bool) -> Vec<CallJson<'_>> {
    calls.iter().map(|call| CallJson::of(call, is_several)).collect()
}

/// The texts of the rules, each looked up once.
#[derive(Debug)]
pub(super) struct RuleTexts {
    lang: Lang,
    known: BTreeMap<&'static str, catalogue::RuleText>,
}

impl RuleTexts {
    pub(super) fn new(lang: Lang) -> Self {
        Self { lang, known: BTreeMap::new() }
    }

    fn of(&mut self, finding: &Finding) -> &catalogue::RuleText {
        let lang = self.lang;
        self.known.entry(finding.rule.code).or_insert_with(|| catalogue::rule(finding.rule, lang))
    }
}

/// A frame among several captures.
#[derive(Serialize)]
struct FrameJson {
    capture: u16,
    frame: u64,
}

fn pairs(frames: &[FrameId], is_several: bool) -> Option<Vec<FrameJson>> {
    let pair = |frame: &FrameId| FrameJson { capture: frame.capture, frame: frame.number };
    is_several.then(|| frames.iter().map(pair).collect())
}

fn numbers(frames: &[FrameId]) -> Vec<u64> {
    frames.iter().map(|frame| frame.number).collect()
}

#[derive(Serialize)]
struct CaptureJson<'a> {
    path: String,
    format: &'a str,
    compression: &'a str,
    link_types: Vec<u16>,
    frames: u64,
    first_time: Option<Time>,
    last_time: Option<Time>,
    notes: Vec<NoteJson<'a>>,
}

impl<'a> CaptureJson<'a> {
    fn of(capture: &'a Description) -> Self {
        Self {
            path: printable_str(&capture.path.to_string_lossy()).into_owned(),
            format: capture.format,
            compression: capture.compression,
            link_types: capture.link_types.iter().map(|link| link.0).collect(),
            frames: capture.frames,
            first_time: capture.first_time,
            last_time: capture.last_time,
            notes: capture.notes.iter().map(NoteJson::of).collect(),
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum NoteJson<'a> {
    EndsInsideRecord { offset: u64 },
    Damaged { offset: u64, bytes: u64 },
    DamagedCompression { offset: u64 },
    Dropped { packets: u64 },
    SkippedBlocks { count: u64 },
    TimeDisorder { steps: u64, frame: u64 },
    GivenAgain { times: u64 },
    PassedOver { count: u64, files: &'a [String] },
    Overlap { with_capture: u16, messages: u64 },
    ClockOffset { from_capture: u16, ahead_ms: Span, corrected: bool },
}

impl<'a> NoteJson<'a> {
    fn of(note: &'a Note) -> Self {
        match *note {
            Note::EndsInsideRecord { offset } => Self::EndsInsideRecord { offset },
            Note::Damaged { offset, bytes } => Self::Damaged { offset, bytes },
            Note::DamagedCompression { offset } => Self::DamagedCompression { offset },
            Note::Dropped { packets } => Self::Dropped { packets },
            Note::SkippedBlocks { count } => Self::SkippedBlocks { count },
            Note::TimeDisorder { steps, frame } => Self::TimeDisorder { steps, frame },
            Note::GivenAgain { times } => Self::GivenAgain { times },
            Note::PassedOver { count, ref files } => Self::PassedOver { count, files },
            Note::Overlap { with, messages } => Self::Overlap { with_capture: with, messages },
            Note::ClockOffset { from, ahead, is_corrected } => {
                Self::ClockOffset { from_capture: from, ahead_ms: ahead, corrected: is_corrected }
            }
        }
    }
}

#[derive(Serialize)]
struct UnreadJson {
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    link_type: Option<u16>,
    frames: u64,
}

impl UnreadJson {
    fn of((reason, frames): (&Unread, &u64)) -> Self {
        let (reason, link_type) = match reason {
            Unread::LinkType(link_type) => ("link-type", Some(*link_type)),
            Unread::Malformed => ("malformed", None),
            Unread::TooDeep => ("too-deep", None),
        };
        Self { reason, link_type, frames: *frames }
    }
}

#[derive(Serialize)]
struct TotalsJson {
    frames: u64,
    sip_messages: u64,
    copies: u64,
    requests: u64,
    responses: u64,
    retransmissions: u64,
    without_call_id: u64,
    call_ids: u64,
    calls: u64,
    dialogs: u64,
    transactions: u64,
    rtp_streams: u64,
    findings: SeverityJson,
}

#[derive(Serialize)]
struct SeverityJson {
    error: u64,
    warn: u64,
    info: u64,
}

impl TotalsJson {
    fn of(analysis: &Analysis) -> Self {
        let totals = &analysis.totals;
        let BySeverity { error, warn, info } = totals.findings;
        Self {
            frames: totals.frames,
            sip_messages: totals.sip_messages,
            copies: totals.copies,
            requests: totals.requests,
            responses: totals.responses,
            retransmissions: totals.retransmissions,
            without_call_id: totals.without_call_id,
            call_ids: totals.call_ids,
            calls: totals.calls,
            dialogs: totals.dialogs,
            transactions: totals.transactions,
            rtp_streams: totals.rtp_streams,
            findings: SeverityJson { error, warn, info },
        }
    }
}

/// A Call-ID in the `calls` array.
#[derive(Serialize)]
pub(crate) struct CallJson<'a> {
    call_id: &'a str,
    kind: &'static str,
    state: &'static str,
    from_uri: Option<&'a str>,
    to_uri: Option<&'a str>,
    first_frame: u64,
    last_frame: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    capture_frames: Option<Vec<FrameJson>>,
    start: Time,
    end: Time,
    final_status: Option<u16>,
    pdd_ms: Option<Span>,
    ring_ms: Option<Span>,
    talk_ms: Option<Span>,
    messages: u64,
    dialogs: u64,
    linked: Vec<LinkedJson<'a>>,
    streams: Vec<StreamJson<'a>>,
    transactions: Vec<TransactionJson<'a>>,
}

#[derive(Serialize)]
struct LinkedJson<'a> {
    call_id: &'a str,
    reason: &'static str,
    confidence: Confidence,
    direction: Option<&'static str>,
    after_ms: Option<Span>,
}

impl<'a> LinkedJson<'a> {
    fn of(linked: &'a Linked) -> Self {
        Self {
            call_id: &linked.call_id,
            reason: linked.reason,
            confidence: linked.confidence,
            direction: linked.direction.map(Direction::name),
            after_ms: linked.after,
        }
    }
}

impl<'a> CallJson<'a> {
    pub(super) fn of(call: &'a CallSummary, is_several: bool) -> Self {
        Self {
            call_id: &call.call_id,
            kind: call.kind.name(),
            state: call.state.name(),
            from_uri: call.from_uri.as_deref(),
            to_uri: call.to_uri.as_deref(),
            first_frame: call.first_frame.number,
            last_frame: call.last_frame.number,
            capture_frames: pairs(&[call.first_frame, call.last_frame], is_several),
            start: call.start,
            end: call.end,
            final_status: call.final_status.map(Status::code),
            pdd_ms: call.pdd,
            ring_ms: call.ring,
            talk_ms: call.talk,
            messages: call.messages,
            dialogs: call.dialogs,
            linked: call.linked.iter().map(LinkedJson::of).collect(),
            streams: streams::of_call(&call.streams),
            transactions: call.transactions.iter().map(TransactionJson::of).collect(),
        }
    }
}

#[derive(Serialize)]
struct TransactionJson<'a> {
    method: &'a str,
    cseq: u32,
    branch: &'a str,
    client: String,
    server: String,
    transport: &'static str,
    request_frame: Option<u64>,
    retransmissions: u64,
    provisional: Vec<ResponseJson<'a>>,
    #[serde(rename = "final")]
    final_response: Option<ResponseJson<'a>>,
    outcome: &'static str,
}

#[derive(Serialize)]
struct ResponseJson<'a> {
    status: u16,
    reason: &'a str,
    frame: u64,
    ms: Option<Span>,
}

impl<'a> TransactionJson<'a> {
    fn of(transaction: &'a TransactionSummary) -> Self {
        let response = |response: &'a ResponseSummary| ResponseJson {
            status: response.status.code(),
            reason: &response.reason,
            frame: response.frame.number,
            ms: response.after,
        };
        Self {
            method: &transaction.method,
            cseq: transaction.cseq,
            branch: &transaction.branch,
            client: transaction.client.to_string(),
            server: transaction.server.to_string(),
            transport: transaction.transport.name(),
            request_frame: transaction.request_frame.map(|frame| frame.number),
            retransmissions: transaction.retransmissions,
            provisional: transaction.provisional.iter().map(response).collect(),
            final_response: transaction.final_response.as_ref().map(response),
            outcome: transaction.outcome,
        }
    }
}

#[derive(Serialize)]
pub(super) struct FindingJson<'a> {
    code: &'static str,
    rule: &'static str,
    severity: Severity,
    confidence: Confidence,
    call_id: Option<&'a str>,
    frames: Vec<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capture_frames: Option<Vec<FrameJson>>,
    time: Option<Time>,
    client: Option<String>,
    server: Option<String>,
    evidence: BTreeMap<&'static str, &'a Value>,
    title: String,
    message: String,
    display_filter: Option<String>,
    diagnosis: DiagnosisJson,
    propagated: Vec<SignJson>,
    related: Vec<SignJson>,
}

#[derive(Serialize)]
struct SignJson {
    rule: &'static str,
    frames: Vec<u64>,
    client: Option<String>,
    server: Option<String>,
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<&'static str>,
}

impl SignJson {
    fn of(sign: &Sign) -> Self {
        Self {
            rule: sign.rule,
            frames: numbers(&sign.frames),
            client: sign.client.map(|client| client.to_string()),
            server: sign.server.map(|server| server.to_string()),
            status: sign.status.map(Status::code),
            call_id: sign.call_id.clone(),
            link: sign.link,
        }
    }
}

#[derive(Serialize)]
struct DiagnosisJson {
    status: Vec<StatusJson>,
    what: String,
    why: String,
    causes: Vec<String>,
    actions: Vec<String>,
    references: Vec<String>,
}

#[derive(Serialize)]
struct StatusJson {
    code: u16,
    phrase: String,
    description: String,
    when: String,
    fix: String,
}

impl<'a> FindingJson<'a> {
    pub(super) fn of(
        finding: &'a Finding,
        is_several: bool,
        words: Labels,
        rules: &mut RuleTexts,
    ) -> Self {
        let lang = rules.lang;
        let rule = rules.of(finding);
        Self {
            code: finding.rule.code,
            rule: finding.rule.name,
            severity: finding.severity,
            confidence: finding.confidence,
            call_id: finding.call_id.as_deref(),
            frames: numbers(&finding.frames),
            capture_frames: pairs(&finding.frames, is_several),
            time: finding.time,
            client: finding.client.map(|client| client.to_string()),
            server: finding.server.map(|server| server.to_string()),
            evidence: finding.evidence.iter().map(|(name, value)| (*name, value)).collect(),
            title: rule.entry.title.clone(),
            message: evidence::message(finding, rule, words),
            display_filter: display_filter(finding),
            diagnosis: DiagnosisJson {
                status: finding.statuses.iter().map(|s| StatusJson::of(*s, lang)).collect(),
                what: rule.entry.what.clone(),
                why: rule.entry.why.clone(),
                causes: rule.entry.causes.clone(),
                actions: rule.entry.actions.clone(),
                references: rule.entry.references.clone(),
            },
            propagated: finding.propagated.iter().map(SignJson::of).collect(),
            related: finding.related.iter().map(SignJson::of).collect(),
        }
    }
}

impl StatusJson {
    fn of(status: Status, lang: Lang) -> Self {
        let text = catalogue::status(status.code(), lang);
        Self {
            code: status.code(),
            phrase: text.phrase.to_string(),
            description: text.description.to_string(),
            when: text.when.to_string(),
            fix: text.fix.to_string(),
        }
    }
}

#[derive(Serialize)]
struct IncidentJson<'a> {
    rule: &'static str,
    severity: Severity,
    count: u64,
    server: Option<String>,
    status: Option<u16>,
    first_time: Option<Time>,
    last_time: Option<Time>,
    /// Calls that the server had to set up, and how many of them the incident is, in percent.
    server_calls: Option<u64>,
    share_percent: Option<f64>,
    call_ids: &'a [String],
}

impl<'a> IncidentJson<'a> {
    fn of(incident: &'a Incident) -> Self {
        Self {
            rule: incident.rule.name,
            severity: incident.severity,
            count: incident.count,
            server: incident.server.map(|server| server.to_string()),
            status: incident.status.map(Status::code),
            first_time: incident.first_time,
            last_time: incident.last_time,
            server_calls: incident.server_calls,
            share_percent: incident.share(),
            call_ids: &incident.call_ids,
        }
    }
}
