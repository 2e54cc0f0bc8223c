//! The analysis as JSON; the names of the fields are a contract.
//!
//! Times are RFC 3339 in UTC, durations are numbers in milliseconds with the unit in the name,
//! frame numbers are those that Wireshark shows.

use std::collections::BTreeMap;
use std::io::{self, Write};

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

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
use crate::report::screened::{self, BaselineJson, IgnoredJson};
use crate::report::statistics::StatisticsJson;
use crate::report::streams::{self, StreamJson};
use crate::sip::Status;
use crate::time::{Span, Time};

/// Raised when a field changes its meaning or goes away.
pub(super) const SCHEMA_VERSION: u32 = 1;

/// Writes the analysis as one JSON object.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn json(analysis: &Analysis, lang: Lang, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &Document::of(analysis, lang))?;
    writeln!(out)
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Document<'a> {
    /// Raised when a field changes its meaning or goes away; new fields do not raise it.
    schema_version: u32,
    /// The program that wrote the document.
    tool: Tool,
    /// The inputs, in the order given.
    captures: Vec<CaptureJson<'a>>,
    /// Counts over all captures.
    totals: TotalsJson,
    /// Every Call-ID, in order of its first frame.
    #[schemars(with = "Vec<CallJson<'static>>")]
    calls: CallsJson<'a>,
    /// RTP streams without a call.
    streams: Vec<StreamJson<'a>>,
    /// What the rules found, in order of the first frame.
    #[schemars(with = "Vec<FindingJson<'static>>")]
    findings: FindingsJson<'a>,
    /// Findings of one rule on one server with one status, close in time.
    incidents: Vec<IncidentJson<'a>>,
    /// Counts and key figures.
    statistics: StatisticsJson<'a>,
    /// Frames that could not be read, by reason.
    unread: Vec<UnreadJson>,
    /// What a bound dropped, by the name of the bound; empty where nothing was.
    dropped: &'a BTreeMap<&'static str, u64>,
    /// Rules that broke off, with the number of calls; faults of the program itself.
    failed_rules: &'a BTreeMap<&'static str, u64>,
    /// The names that the user gives to hosts, by address; only where there are any.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    hosts: BTreeMap<String, &'a str>,
    /// Ignores that are configured, with what each took; only where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    ignored: Option<Vec<IgnoredJson<'a>>>,
    /// How the findings compare with the baseline; only where one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline: Option<BaselineJson<'a>>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Tool {
    /// `siptrace`.
    name: &'static str,
    /// Its version.
    version: &'static str,
}

pub(super) const TOOL: Tool =
    Tool { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") };

/// What is known of a capture before it is read: the first lines of the JSON lines.
#[derive(Serialize, JsonSchema)]
pub(super) struct HeadJson<'a> {
    /// Raised when a field changes its meaning or goes away; new fields do not raise it.
    schema_version: u32,
    /// The program that wrote the line.
    tool: Tool,
    /// The place of the capture among the inputs, 0 for the first.
    capture: usize,
    /// Its path as given, `-` for standard input.
    path: String,
    /// `pcap`, `pcapng`, `snoop` or `sip`.
    format: &'a str,
    /// `none`, `gzip`, `zstd`, `lz4`, `xz` or `bzip2`.
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
#[derive(Serialize, JsonSchema)]
pub(super) struct SummaryJson<'a> {
    /// Raised when a field changes its meaning or goes away; new fields do not raise it.
    schema_version: u32,
    /// The program that wrote the line.
    tool: Tool,
    /// The inputs, in the order given.
    captures: Vec<CaptureJson<'a>>,
    /// Counts over all captures.
    totals: TotalsJson,
    /// RTP streams without a call.
    streams: Vec<StreamJson<'a>>,
    /// Findings of one rule on one server with one status, close in time.
    incidents: Vec<IncidentJson<'a>>,
    /// Counts and key figures.
    statistics: StatisticsJson<'a>,
    /// Frames that could not be read, by reason.
    unread: Vec<UnreadJson>,
    /// What a bound dropped, by the name of the bound; empty where nothing was.
    dropped: &'a BTreeMap<&'static str, u64>,
    /// Rules that broke off, with the number of calls; faults of the program itself.
    failed_rules: &'a BTreeMap<&'static str, u64>,
    /// The names that the user gives to hosts, by address; only where there are any.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    hosts: BTreeMap<String, &'a str>,
    /// Ignores that are configured, with what each took; only where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    ignored: Option<Vec<IgnoredJson<'a>>>,
    /// How the findings compare with the baseline; only where one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline: Option<BaselineJson<'a>>,
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
            hosts: hosts(analysis),
            ignored: screened::ignored(&analysis.screened.ignored),
            baseline: BaselineJson::of(&analysis.screened),
        }
    }
}

impl<'a> Document<'a> {
    fn of(analysis: &'a Analysis, lang: Lang) -> Self {
        let is_several = analysis.captures.len() > 1;
        Self {
            schema_version: SCHEMA_VERSION,
            tool: TOOL,
            captures: analysis.captures.iter().map(CaptureJson::of).collect(),
            totals: TotalsJson::of(analysis),
            calls: CallsJson { calls: &analysis.calls, is_several },
            streams: streams::alone(&analysis.streams),
            findings: FindingsJson { findings: &analysis.findings, is_several, lang },
            incidents: analysis.incidents.iter().map(IncidentJson::of).collect(),
            statistics: StatisticsJson::of(analysis),
            unread: analysis.unread.iter().map(UnreadJson::of).collect(),
            dropped: &analysis.dropped,
            failed_rules: &analysis.failed_rules,
            hosts: hosts(analysis),
            ignored: screened::ignored(&analysis.screened.ignored),
            baseline: BaselineJson::of(&analysis.screened),
        }
    }
}

/// The `calls` array, made entry by entry while it is written: of very many calls a list would take
/// more memory than they do.
struct CallsJson<'a> {
    calls: &'a [CallSummary],
    is_several: bool,
}

impl Serialize for CallsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entries = self.calls.iter().map(|call| CallJson::of(call, self.is_several));
        serializer.collect_seq(entries)
    }
}

/// The `findings` array, in the same way.
struct FindingsJson<'a> {
    findings: &'a [Finding],
    is_several: bool,
    lang: Lang,
}

impl Serialize for FindingsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (words, mut rules) = (labels(self.lang), RuleTexts::new(self.lang));
        let mut entry = |finding| FindingJson::of(finding, self.is_several, words, &mut rules);
        serializer.collect_seq(self.findings.iter().map(&mut entry))
    }
}

/// Names that the user gives to hosts, by address.
pub(super) fn hosts(analysis: &Analysis) -> BTreeMap<String, &str> {
    let hosts = analysis.hosts.iter();
    hosts.map(|(address, name)| (address.to_string(), name.as_str())).collect()
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
#[derive(Serialize, JsonSchema)]
struct FrameJson {
    /// The place of the capture among the inputs, 0 for the first.
    capture: u16,
    /// The number of the frame that Wireshark shows, 1 for the first.
    frame: u64,
}

fn pairs(frames: &[FrameId], is_several: bool) -> Option<Vec<FrameJson>> {
    let pair = |frame: &FrameId| FrameJson { capture: frame.capture, frame: frame.number };
    is_several.then(|| frames.iter().map(pair).collect())
}

fn numbers(frames: &[FrameId]) -> Vec<u64> {
    frames.iter().map(|frame| frame.number).collect()
}

#[derive(Serialize, JsonSchema)]
struct CaptureJson<'a> {
    /// The path as given, `-` for standard input.
    path: String,
    /// `pcap`, `pcapng`, `snoop` or `sip`.
    format: &'a str,
    /// `none`, `gzip`, `zstd`, `lz4`, `xz` or `bzip2`.
    compression: &'a str,
    /// Every link type of a frame (numbers of tcpdump.org), in first-seen order.
    link_types: Vec<u16>,
    /// Frames read.
    frames: u64,
    /// The earliest time of a frame, RFC 3339 in UTC; null without a frame.
    first_time: Option<Time>,
    /// The latest time of a frame, RFC 3339 in UTC; null without a frame.
    last_time: Option<Time>,
    /// What was not as it should be, in the order of the file.
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

#[derive(Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum NoteJson<'a> {
    /// The file ends inside a record.
    EndsInsideRecord {
        /// Where the unfinished record begins, in bytes of the uncompressed capture.
        offset: u64,
    },
    /// The file had become shorter when its end was read.
    Shrank {
        /// Bytes that it had when it was opened and that could not be read.
        bytes: u64,
    },
    /// Bytes that are no record were passed over.
    Damaged {
        /// Where they begin.
        offset: u64,
        /// How many there are.
        bytes: u64,
    },
    /// The compressed data are cut off or corrupt.
    DamagedCompression {
        /// Bytes that came out before.
        offset: u64,
    },
    /// The compressed data unfold to more than their bound allows; the rest was not read.
    ExpansionLimit {
        /// Bytes that came out before.
        offset: u64,
    },
    /// The capturing side reports packets that it lost.
    Dropped {
        /// How many.
        packets: u64,
    },
    /// Blocks that carry nothing of use were passed over.
    SkippedBlocks {
        /// How many.
        count: u64,
    },
    /// Times run backwards by more than a millisecond.
    TimeDisorder {
        /// How often.
        steps: u64,
        /// The frame of the first step.
        frame: u64,
    },
    /// The same file was named more than once; it is read once.
    GivenAgain {
        /// How often it was named after the first time.
        times: u64,
    },
    /// Files that are no captures were passed over.
    PassedOver {
        /// How many.
        count: u64,
        /// The names of the first ones.
        files: &'a [String],
    },
    /// Messages of this capture are in another one as well.
    Overlap {
        /// The place of the other capture, 0 for the first.
        with_capture: u16,
        /// How many messages both have.
        messages: u64,
    },
    /// The clock of this capture is ahead of that of another one.
    ClockOffset {
        /// The place of the other capture, 0 for the first.
        from_capture: u16,
        /// How much it is ahead, in milliseconds; negative when it is behind.
        ahead_ms: Span,
        /// The times are by the other clock.
        corrected: bool,
    },
}

impl<'a> NoteJson<'a> {
    fn of(note: &'a Note) -> Self {
        match *note {
            Note::EndsInsideRecord { offset } => Self::EndsInsideRecord { offset },
            Note::Shrank { bytes } => Self::Shrank { bytes },
            Note::Damaged { offset, bytes } => Self::Damaged { offset, bytes },
            Note::DamagedCompression { offset } => Self::DamagedCompression { offset },
            Note::ExpansionLimit { offset } => Self::ExpansionLimit { offset },
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

#[derive(Serialize, JsonSchema)]
struct UnreadJson {
    /// `link-type`, `malformed` or `too-deep`.
    reason: &'static str,
    /// The number of the link type, where that is the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    link_type: Option<u16>,
    /// How many frames.
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

#[derive(Serialize, JsonSchema)]
struct TotalsJson {
    /// Frames read.
    frames: u64,
    /// SIP messages after reassembly; each hop and each retransmission counts, copies do not.
    sip_messages: u64,
    /// SIP messages that were captured twice.
    copies: u64,
    /// Requests among the messages.
    requests: u64,
    /// Responses among the messages.
    responses: u64,
    /// Messages that repeat an earlier one on the same hop.
    retransmissions: u64,
    /// Messages without a Call-ID.
    without_call_id: u64,
    /// Distinct Call-IDs.
    call_ids: u64,
    /// Call-IDs that were used for a call.
    calls: u64,
    /// Dialogs confirmed or found in progress.
    dialogs: u64,
    /// Transactions; each hop counts.
    transactions: u64,
    /// RTP streams: one SSRC on one way.
    rtp_streams: u64,
    /// Findings by severity.
    findings: BySeverityJson,
}

#[derive(Serialize, JsonSchema)]
struct BySeverityJson {
    /// Findings of severity error.
    error: u64,
    /// Findings of severity warn.
    warn: u64,
    /// Findings of severity info.
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
            findings: BySeverityJson { error, warn, info },
        }
    }
}

/// A Call-ID in the `calls` array.
#[derive(Serialize, JsonSchema)]
pub(crate) struct CallJson<'a> {
    /// The Call-ID, with what is unsafe to show escaped.
    call_id: &'a str,
    /// `call`, `registration`, `subscription`, `publication`, `message`, `options` or `other`.
    kind: &'static str,
    /// Where it stands after its last message: `trying`, `ringing`, `answered`, `completed`,
    /// `cancelled`, `failed`, `unanswered`, `succeeded` or `unknown`.
    state: &'static str,
    /// The URI of the From header of the first request.
    from_uri: Option<&'a str>,
    /// The URI of the To header of the first request.
    to_uri: Option<&'a str>,
    /// The frame of its first message, 1 for the first of the capture.
    first_frame: u64,
    /// The frame of its last message.
    last_frame: u64,
    /// The first and the last frame with their captures; only with several captures.
    #[serde(skip_serializing_if = "Option::is_none")]
    capture_frames: Option<Vec<FrameJson>>,
    /// The time of its first message, RFC 3339 in UTC.
    start: Time,
    /// The time of its last message, RFC 3339 in UTC.
    end: Time,
    /// The answer to the last initial request as the first sender saw it.
    final_status: Option<u16>,
    /// From the INVITE to ringing (post-dial delay), in milliseconds.
    pdd_ms: Option<Span>,
    /// From ringing to the answer, in milliseconds.
    ring_ms: Option<Span>,
    /// From the answer to the first BYE, in milliseconds.
    talk_ms: Option<Span>,
    /// Its messages.
    messages: u64,
    /// Dialogs confirmed or found in progress.
    dialogs: u64,
    /// Other Call-IDs of the same conversation.
    linked: Vec<LinkedJson<'a>>,
    /// Its RTP streams, in order of their first packets.
    streams: Vec<StreamJson<'a>>,
    /// Its transactions on each hop, in order.
    transactions: Vec<TransactionJson<'a>>,
}

#[derive(Serialize, JsonSchema)]
struct LinkedJson<'a> {
    /// The other Call-ID.
    call_id: &'a str,
    /// The header field that names it, or what else the two have in common.
    reason: &'static str,
    /// How sure it is.
    confidence: Confidence,
    /// `upstream` nearer to the caller, `downstream` nearer to the callee.
    direction: Option<&'static str>,
    /// How much later it began, in milliseconds, negative if earlier; null if it is not in the
    /// captures.
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

#[derive(Serialize, JsonSchema)]
struct TransactionJson<'a> {
    /// The method.
    method: &'a str,
    /// The sequence number.
    cseq: u32,
    /// The branch of the top Via.
    branch: &'a str,
    /// Who sent the request, `address:port`.
    client: String,
    /// Who received it, `address:port`.
    server: String,
    /// `UDP`, `TCP`, `TLS`, `SCTP`, `WS` or `WSS`.
    transport: &'static str,
    /// The frame of the first request; null if it was not seen.
    request_frame: Option<u64>,
    /// Requests sent again.
    retransmissions: u64,
    /// The responses 100 to 199.
    provisional: Vec<ResponseJson<'a>>,
    /// The first final response; null if there was none.
    #[serde(rename = "final")]
    final_response: Option<ResponseJson<'a>>,
    /// How it ended, such as `success` or `no-response`.
    outcome: &'static str,
}

#[derive(Serialize, JsonSchema)]
struct ResponseJson<'a> {
    /// The status code.
    status: u16,
    /// The reason phrase.
    reason: &'a str,
    /// Its frame.
    frame: u64,
    /// How long after the first request it came, in milliseconds.
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

#[derive(Serialize, JsonSchema)]
pub(super) struct FindingJson<'a> {
    /// The code of the rule; never changes its meaning.
    code: &'static str,
    /// The name of the rule; never changes its meaning.
    rule: &'static str,
    /// How bad it is.
    severity: Severity,
    /// How sure it is.
    confidence: Confidence,
    /// The call; null for a finding on the capture.
    call_id: Option<&'a str>,
    /// The frames that prove it, in order; with several captures, `capture_frames` tells which.
    frames: Vec<u64>,
    /// The same frames with their captures; only with several captures.
    #[serde(skip_serializing_if = "Option::is_none")]
    capture_frames: Option<Vec<FrameJson>>,
    /// When the first of these frames was captured, RFC 3339 in UTC.
    time: Option<Time>,
    /// Who sent the request in question, `address:port`.
    client: Option<String>,
    /// Who had to answer it, `address:port`.
    server: Option<String>,
    /// Names and values that can be checked against the frames; names that end in `_ms` are
    /// milliseconds.
    evidence: BTreeMap<&'static str, &'a Value>,
    /// The fault in a few words, in the language asked for.
    title: String,
    /// What was found, in the language asked for.
    message: String,
    /// A display filter of Wireshark that shows the evidence.
    display_filter: Option<String>,
    /// What it means and what to do, in the language asked for.
    diagnosis: DiagnosisJson,
    /// The same fault as it was seen on other hops and legs.
    propagated: Vec<SignJson>,
    /// Other findings that have to do with it.
    related: Vec<SignJson>,
}

#[derive(Serialize, JsonSchema)]
struct SignJson {
    /// The name of the rule that it fits.
    rule: &'static str,
    /// Where it was seen.
    frames: Vec<u64>,
    /// Who sent the request there, `address:port`.
    client: Option<String>,
    /// Who answered there, `address:port`.
    server: Option<String>,
    /// The final status there.
    status: Option<u16>,
    /// The call where it was seen, if that is another leg.
    #[serde(skip_serializing_if = "Option::is_none")]
    call_id: Option<String>,
    /// What ties that leg to the one of the finding.
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

#[derive(Serialize, JsonSchema)]
struct DiagnosisJson {
    /// The status codes to explain, in the order of the trace.
    status: Vec<StatusJson>,
    /// What happened.
    what: String,
    /// Why it matters.
    why: String,
    /// What may have caused it, the likeliest first.
    causes: Vec<String>,
    /// What to do, in order.
    actions: Vec<String>,
    /// Where it is written.
    references: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct StatusJson {
    /// The status code.
    code: u16,
    /// Its registered phrase.
    phrase: String,
    /// What it says.
    description: String,
    /// When one sees it.
    when: String,
    /// What to do about it.
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

#[derive(Serialize, JsonSchema)]
struct IncidentJson<'a> {
    /// The name of the rule.
    rule: &'static str,
    /// The worst severity among the findings.
    severity: Severity,
    /// How many findings there are.
    count: u64,
    /// The host that is responsible, as far as the findings say.
    server: Option<String>,
    /// The status that they share.
    status: Option<u16>,
    /// The time of the first one, RFC 3339 in UTC.
    first_time: Option<Time>,
    /// The time of the last one, RFC 3339 in UTC.
    last_time: Option<Time>,
    /// Calls that the server had to set up, and how many of them the incident is, in percent.
    server_calls: Option<u64>,
    /// How many of these calls the incident is, in percent.
    share_percent: Option<f64>,
    /// The Call-IDs of the first ones.
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
