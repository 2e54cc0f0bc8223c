//! The result as plain data.
//!
//! A call is reduced to its result by a pure function of its messages; [`Tally`] gathers results in
//! any order and [`Tally::finish`] folds them into the [`Analysis`], in order of the frames. Knows
//! no output format.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::capture::{Description, FrameId};
pub use crate::finding::{Direction, Linked};
use crate::finding::{Finding, Severity};
use crate::packet::{Endpoint, Unread};
use crate::signaling::{CallState, Kind};
use crate::sip::Status;
use crate::time::{Span, Time};
use crate::transport::Transport;

mod baseline;
mod chosen;
mod delays;
pub mod diff;
pub mod flow;
mod gather;
pub mod expect;
pub mod filter;
mod incident;
mod judge;
mod kept;
mod kpi;
mod ladder;
mod leg;
mod legs;
mod links;
mod named;
mod order;
mod owners;
mod packed;
#[cfg(feature = "parts")]
mod parts;
mod replaced;
mod roots;
mod rtp_stream;
mod screen;
mod statistics;
mod stream;
mod summary;
mod tally;
mod timeline;
mod transcript;

pub use baseline::{Baseline, Fingerprint, KnownFinding};
pub use delays::Delays;
pub use filter::{Filter, FilterError};
pub use gather::gather;
pub use incident::Incident;
pub use kpi::Kpi;
pub use named::NotNamed;
pub use rtp_stream::{DigitSummary, RtcpSummary, StreamSummary};
pub use screen::{HostPattern, Ignore, Ignored, Policy, Screen, Screened};
pub use statistics::{MessageCounts, Peer, Statistics};
pub use stream::{Batch, Telling, Told};
pub use summary::summarize;
pub use tally::{Case, Gathered, Keep, Tally, TranscriptsOf};
pub use timeline::{Interval, Timeline};
pub use transcript::Step;

/// Everything that is known of the captures after the run.
#[derive(Clone, Debug, Default)]
pub struct Analysis {
    /// What the inputs turned out to be.
    pub captures: Vec<Description>,
    /// Counts over all captures.
    pub totals: Totals,
    /// Every Call-ID with what became of it, in order of its first frame; only the first ones where
    /// not all are kept.
    pub calls: Vec<CallSummary>,
    /// RTP streams that belong to no call, in order of their first frame; only the first ones.
    pub streams: Vec<StreamSummary>,
    /// What the rules found, in order of the first frame.
    pub findings: Vec<Finding>,
    /// Findings of one cause on several calls.
    pub incidents: Vec<Incident>,
    /// Counts by method, status, peer.
    pub statistics: Statistics,
    /// Frames that could not be read, by reason.
    pub unread: BTreeMap<Unread, u64>,
    /// What a bound dropped, by the name of the bound.
    pub dropped: BTreeMap<&'static str, u64>,
    /// Rules that panicked, with the number of calls; bugs of ours.
    pub failed_rules: BTreeMap<&'static str, u64>,
    /// Names that the user gives to hosts, safe to show.
    pub hosts: BTreeMap<Host, String>,
    /// What was set aside by decisions of the user.
    pub screened: Screened,
}

impl Analysis {
    /// Every rule has looked at everything, and what they found was kept; else an empty list of
    /// findings proves nothing.
    pub fn is_judged_by_all(&self) -> bool {
        self.failed_rules.is_empty() && !self.dropped.contains_key("findings")
    }
}

/// Counts over all captures of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Totals {
    /// Frames read.
    pub frames: u64,
    /// SIP messages after reassembly, each hop and each retransmission counted, capture copies not.
    pub sip_messages: u64,
    /// SIP messages that were captured twice.
    pub copies: u64,
    /// Requests among the messages.
    pub requests: u64,
    /// Responses among the messages.
    pub responses: u64,
    /// Messages that repeat an earlier one on the same hop.
    pub retransmissions: u64,
    /// Messages without a Call-ID.
    pub without_call_id: u64,
    /// Distinct Call-IDs.
    pub call_ids: u64,
    /// Call-IDs that were used for a call.
    pub calls: u64,
    /// Dialogs confirmed or found in progress.
    pub dialogs: u64,
    /// Transactions, each hop counted.
    pub transactions: u64,
    /// RTP streams: one SSRC on one way.
    pub rtp_streams: u64,
    /// Findings by severity.
    pub findings: BySeverity,
}

impl Totals {
    /// Adds the counts of another part.
    fn add(&mut self, part: &Self) {
        self.frames += part.frames;
        self.sip_messages += part.sip_messages;
        self.copies += part.copies;
        self.requests += part.requests;
        self.responses += part.responses;
        self.retransmissions += part.retransmissions;
        self.without_call_id += part.without_call_id;
        self.call_ids += part.call_ids;
        self.calls += part.calls;
        self.dialogs += part.dialogs;
        self.transactions += part.transactions;
        self.rtp_streams += part.rtp_streams;
        self.findings.merge(part.findings);
    }
}

/// A count for each severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct BySeverity {
    /// Severity error.
    pub error: u64,
    /// Severity warn.
    pub warn: u64,
    /// Severity info.
    pub info: u64,
}

impl BySeverity {
    /// Counts one more.
    pub fn add(&mut self, severity: Severity) {
        match severity {
            Severity::Error => self.error += 1,
            Severity::Warn => self.warn += 1,
            Severity::Info => self.info += 1,
        }
    }

    /// Adds the counts of another part.
    pub(crate) fn merge(&mut self, other: Self) {
        self.error += other.error;
        self.warn += other.warn;
        self.info += other.info;
    }

    /// How many are at least as bad.
    pub const fn at_least(self, severity: Severity) -> u64 {
        match severity {
            Severity::Error => self.error,
            Severity::Warn => self.error + self.warn,
            Severity::Info => self.error + self.warn + self.info,
        }
    }

    /// All of them.
    pub const fn sum(self) -> u64 {
        self.at_least(Severity::Info)
    }
}

/// What became of one Call-ID.
#[derive(Clone, Debug)]
pub struct CallSummary {
    /// The Call-ID, safe to show.
    pub call_id: String,
    /// What it was used for.
    pub kind: Kind,
    /// Where it stands after its last message.
    pub state: CallState,
    /// The URI of the From header of the first request, safe to show.
    pub from_uri: Option<String>,
    /// The URI of the To header of the first request, safe to show.
    pub to_uri: Option<String>,
    /// Its first message.
    pub first_frame: FrameId,
    /// Its last message.
    pub last_frame: FrameId,
    /// The time of its first message.
    pub start: Time,
    /// The time of its last message.
    pub end: Time,
    /// The answer to the last initial request as the first sender saw it.
    pub final_status: Option<Status>,
    /// From the INVITE (the one with credentials, if it was challenged) to ringing (post-dial
    /// delay).
    pub pdd: Option<Span>,
    /// From ringing to the answer.
    pub ring: Option<Span>,
    /// From the answer to the first BYE.
    pub talk: Option<Span>,
    /// Its messages.
    pub messages: u64,
    /// Dialogs confirmed or found in progress.
    pub dialogs: u64,
    /// Other Call-IDs that belong to the same conversation.
    pub linked: Vec<Linked>,
    /// Its RTP streams, in order of their first packets.
    pub streams: Vec<StreamSummary>,
    /// Its transactions on each hop, in order.
    pub transactions: Vec<TransactionSummary>,
    /// Its messages in order of capture, where they were wanted and there was room for them.
    pub transcript: Vec<Step>,
}

/// A transaction, reduced to what a report tells of it.
#[derive(Clone, Debug)]
pub struct TransactionSummary {
    /// The method, safe to show.
    pub method: String,
    /// The sequence number.
    pub cseq: u32,
    /// The branch, safe to show.
    pub branch: String,
    /// Who sent the request.
    pub client: Endpoint,
    /// Who received it.
    pub server: Endpoint,
    /// What carried it.
    pub transport: Transport,
    /// The first request, if it was seen.
    pub request_frame: Option<FrameId>,
    /// When that was captured.
    pub request_time: Option<Time>,
    /// Requests sent again.
    pub retransmissions: u64,
    /// The responses 100-199.
    pub provisional: Vec<ResponseSummary>,
    /// The first final response.
    pub final_response: Option<ResponseSummary>,
    /// How it ended.
    pub outcome: &'static str,
}

/// A response, reduced to what a report tells of it.
#[derive(Clone, Debug)]
pub struct ResponseSummary {
    /// The status.
    pub status: Status,
    /// The reason phrase, safe to show.
    pub reason: String,
    /// Its frame.
    pub frame: FrameId,
    /// How long after the first request it came.
    pub after: Option<Span>,
}

/// A host on the way of a finding or a count.
pub type Host = IpAddr;
