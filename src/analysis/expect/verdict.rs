//! What came of holding expectations against an analysis: plain data, no sentence.

use crate::capture::FrameId;
use crate::time::{Span, Time};

/// What came of one expectation on one call, or on the capture.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The file of the expectation, as given; safe to show.
    pub file: String,
    /// The name that the file gives; safe to show.
    pub name: Option<String>,
    /// The line on which the expectation begins, from 1.
    pub line: usize,
    /// What it was held against.
    pub subject: Subject,
    /// What fell short; nothing if the expectation is met.
    pub problems: Vec<Problem>,
    /// The messages expected and seen, where they differ.
    pub ladder: Vec<Row>,
}

impl Verdict {
    /// Everything was as expected.
    pub fn is_met(&self) -> bool {
        self.problems.is_empty()
    }

    /// Every frame that a problem names, in order.
    pub fn frames(&self) -> Vec<FrameId> {
        let mut frames: Vec<FrameId> =
            self.problems.iter().flat_map(|problem| problem.frames.iter().copied()).collect();
        frames.sort_unstable();
        frames.dedup();
        frames
    }
}

/// What an expectation was held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A call of the capture.
    Call {
        /// Its Call-ID, safe to show.
        call_id: String,
        /// Its first message.
        first: FrameId,
        /// Its last message.
        last: FrameId,
    },
    /// No call of the capture, as none fits, or too many or too few.
    NoCall,
    /// The capture as a whole.
    Capture,
    /// The calls that no expectation is for.
    OtherCalls,
}

/// One thing that is not as expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// The line of the file that says so, from 1.
    pub line: usize,
    /// What it is about.
    pub about: About,
    /// What was expected, in the words of the file; safe to show.
    pub expected: String,
    /// What was seen instead.
    pub seen: Seen,
    /// The messages that show it.
    pub frames: Vec<FrameId>,
    /// Why the capture may not show what happened.
    pub doubts: Vec<Doubt>,
}

/// What a problem is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// No call fits.
    NoSuchCall,
    /// The number of calls that fit.
    Calls,
    /// A call that no expectation is for.
    UnexpectedCall,
    /// The final status.
    Status,
    /// Where the call stands at the end.
    State,
    /// A message that did not come.
    MissingStep,
    /// A message that should not have come.
    UnexpectedStep,
    /// The messages, which cannot be compared.
    Steps,
    /// A header field of a message, by name.
    Header(String),
    /// The Request-URI.
    Uri,
    /// The reason phrase.
    Reason,
    /// Something in a session description: the key of the file.
    Sdp(String),
    /// A time: the key of the file.
    Time(String),
    /// Something of the RTP: the key of the file.
    Rtp(String),
    /// The findings: the key of the file.
    Findings(&'static str),
}

impl About {
    /// The word of the JSON output; what it is about in detail is not in it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NoSuchCall => "no-such-call",
            Self::Calls => "calls",
            Self::UnexpectedCall => "unexpected-call",
            Self::Status => "status",
            Self::State => "state",
            Self::MissingStep => "missing-step",
            Self::UnexpectedStep => "unexpected-step",
            Self::Steps => "steps",
            Self::Header(_) => "header",
            Self::Uri => "uri",
            Self::Reason => "reason",
            Self::Sdp(_) => "sdp",
            Self::Time(_) => "time",
            Self::Rtp(_) => "rtp",
            Self::Findings(_) => "findings",
        }
    }

    /// The header field or key of the file.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::Header(name) | Self::Sdp(name) | Self::Time(name) | Self::Rtp(name) => Some(name),
            Self::Findings(key) => Some(key),
            _ => None,
        }
    }
}

/// What was seen.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// Nothing of the kind.
    Nothing,
    /// A text, safe to show.
    Text(String),
    /// A length of time.
    Span(Span),
    /// A share of a hundred.
    Percent(f64),
    /// A number.
    Count(u64),
    /// So many more that are not told one by one.
    More(u64),
}

/// Why something may have happened that the capture does not show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The capture ends soon after the last message of the call.
    EndsSoon {
        /// How soon.
        after: Span,
    },
    /// A file of the capture ends inside a record, or is damaged.
    Damaged,
    /// The capturing side lost packets, as it says itself.
    Lost {
        /// How many.
        packets: u64,
    },
    /// A finding says that the capture does not show everything: the name of the rule.
    Rule(&'static str),
    /// A bound of the analysis left out the messages of this call.
    TranscriptDropped,
    /// The messages, or the ways in which they may come, are more than are compared.
    TooMany,
    /// Bytes of the message are missing from the capture.
    MessageCut,
    /// There is no RTP at all in the capture; perhaps it was filtered.
    NoRtpAtAll,
}

impl Doubt {
    /// The word of the JSON output.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::EndsSoon { .. } => "ends-soon",
            Self::Damaged => "damaged",
            Self::Lost { .. } => "lost",
            Self::Rule(_) => "rule",
            Self::TranscriptDropped => "transcript-dropped",
            Self::TooMany => "too-many",
            Self::MessageCut => "message-cut",
            Self::NoRtpAtAll => "no-rtp-at-all",
        }
    }
}

/// A line of the ladder that holds what was seen against what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Whether it was expected, seen, or both.
    pub mark: Mark,
    /// The line of the file that asks for it, from 1.
    pub line: Option<usize>,
    /// The frame where it was seen.
    pub frame: Option<FrameId>,
    /// When it was seen.
    pub time: Option<Time>,
    /// The sender: a party of the file, or an address; safe to show.
    pub from: String,
    /// The receiver.
    pub to: String,
    /// The message, as the file spells it or as it was seen; safe to show.
    pub what: String,
}

/// Whether a line of a ladder was expected, seen, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Expected and seen.
    Same,
    /// Expected, not seen.
    Missing,
    /// Seen, not expected.
    Unexpected,
}

impl Mark {
    /// How a diff marks it.
    pub const fn sign(self) -> char {
        match self {
            Self::Same => ' ',
            Self::Missing => '-',
            Self::Unexpected => '+',
        }
    }
}
