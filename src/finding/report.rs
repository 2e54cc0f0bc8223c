//! Findings, and how a rule reports one.

use std::net::IpAddr;

use crate::capture::FrameId;
use crate::finding::{Confidence, Rule, Severity, Value};
use crate::packet::Endpoint;
use crate::signaling::{MediaWays, Message, Settings, Spell, Target, Transaction};
use crate::sip::Status;
use crate::time::{Span, Time};
use crate::transport::Transport;

/// What a rule found, with the evidence.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// How bad this case is.
    pub severity: Severity,
    /// How sure it is.
    pub confidence: Confidence,
    /// The call, safe to show; `None` for a finding on the capture.
    pub call_id: Option<String>,
    /// What became of the call; `None` where the Call-ID was not used for one.
    pub call_fate: Option<&'static str>,
    /// The frames that prove it, in order.
    pub frames: Vec<FrameId>,
    /// When the first of these frames was captured.
    pub time: Option<Time>,
    /// Who sent the request in question.
    pub client: Option<Endpoint>,
    /// Who had to answer it.
    pub server: Option<Endpoint>,
    /// Who sent it first, on the hops before.
    pub sender: Option<Endpoint>,
    /// The status codes to explain, in the order of the trace.
    pub statuses: Vec<Status>,
    /// The one among them that the rule itself tells of; the others came of it on other hops and
    /// legs, where an element may have put a code of its own in its place.
    pub own_status: Option<Status>,
    /// Names and values.
    pub evidence: Vec<(&'static str, Value)>,
    /// The transaction in question.
    pub transaction: Option<usize>,
    /// What must have been seen elsewhere in the capture.
    pub visibility: Visibility,
    /// It says that something never came: less sure where the capture lost something (guard G5).
    pub asserts_absence: bool,
    /// How the initial INVITE ended that it explains; none if it explains no such ending.
    pub ending: Option<Ending>,
    /// The same fault as it was seen on other hops, and on other legs of the conversation.
    pub propagated: Vec<Sign>,
    /// Other findings that have to do with it.
    pub related: Vec<Sign>,
    /// Other calls of the same conversation.
    pub linked: Vec<Linked>,
    /// Hosts whose calls failed by what it tells, and when.
    pub owns: Vec<Spell>,
    /// Whether it stands only if other calls show the same; the rule decides when it sees them side
    /// by side.
    pub needs_company: bool,
    /// What takes its place where it does not stand.
    pub fallback: Option<Box<Finding>>,
    /// The messages of the call around the evidence.
    pub ladder: Vec<LadderLine>,
    /// Lines that the ladder leaves out.
    pub ladder_omitted: usize,
    /// It fails no check, whatever its severity: the capture is expected to show it.
    pub is_excused: bool,
}

/// How an initial INVITE ended that was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// When its sender was told so; none if he was told nothing.
    pub at: Option<Time>,
    /// What he was told.
    pub status: Option<Status>,
}

/// Another Call-ID of the same conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Linked {
    /// The other Call-ID, safe to show.
    pub call_id: String,
    /// The header field that names it, or what else the two have in common.
    #[cfg_attr(feature = "parts", borsh(deserialize_with = "crate::bytes::parts::word"))]
    pub reason: &'static str,
    /// How sure it is.
    pub confidence: Confidence,
    /// On which side it lies; none for calls of which neither was made to serve the other.
    pub direction: Option<Direction>,
    /// How much later it began, negative if earlier; none if it is not in the captures.
    pub after: Option<Span>,
}

/// On which side of a back-to-back user agent another leg lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub enum Direction {
    /// Nearer to the caller.
    Upstream,
    /// Nearer to the callee.
    Downstream,
}

impl Direction {
    /// The word of the JSON output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Downstream => "downstream",
        }
    }
}

/// A sign of a fault whose finding stands elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Sign {
    /// The name of the rule that it fits.
    #[cfg_attr(feature = "parts", borsh(deserialize_with = "crate::bytes::parts::word"))]
    pub rule: &'static str,
    /// Where it was seen.
    pub frames: Vec<FrameId>,
    /// Who sent the request there.
    pub client: Option<Endpoint>,
    /// Who answered there.
    pub server: Option<Endpoint>,
    /// The final status there.
    pub status: Option<Status>,
    /// The call where it was seen, if that is another leg.
    pub call_id: Option<String>,
    /// What ties that leg to the one of the finding.
    #[cfg_attr(feature = "parts", borsh(deserialize_with = "crate::bytes::parts::maybe_word"))]
    pub link: Option<&'static str>,
}

/// What the whole capture must show for a finding to stand; known only when it has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub enum Visibility {
    /// Nothing more.
    Proven,
    /// Nothing more, but how bad it is depends on another finding that is not proven yet.
    ProvenAtEnd,
    /// A packet from the host; without one the finding is only possible. It falls where other calls
    /// show that packets from the host to its peer went past the capture.
    HostElsePossible {
        /// Who has not answered.
        host: IpAddr,
        /// Who waited for it.
        peer: IpAddr,
    },
    /// The same, but without a packet from the host the finding is no more than a note.
    HostElseNote {
        /// Who has not answered.
        host: IpAddr,
        /// Who waited for it.
        peer: IpAddr,
    },
    /// A packet on this way; without one the finding falls (guard G2).
    WayElseNothing(IpAddr, IpAddr),
    /// RTP in the capture, and a packet on one of these ways between hosts; else the finding falls
    /// (guard G2).
    MediaWayElseNothing(MediaWays),
    /// The same, but without such a packet the finding is no more than a note.
    MediaWayElseNote(MediaWays),
    /// The capture did not lack packets of nearly all streams at the moments when this one had most
    /// of its gaps; else the finding falls.
    UnlessCaptureLost {
        /// When the stream began.
        from: Time,
        /// When it ended.
        until: Time,
        /// How many gaps it has.
        gaps: u64,
    },
    /// No INVITE to one of these targets under any Call-ID; with one the finding falls.
    UnlessInvited([Option<Target>; 4]),
    /// No success by this server for credentials with a digest URI that is not the request's; with
    /// one the finding falls.
    UnlessLenient(IpAddr),
    /// The clocks of those who speak agree with that of the capture so far that an age remains too
    /// large; where they show that it does not, the finding falls, and where they show nothing, it
    /// is only possible.
    UnlessClock {
        /// The age by the clock of the capture; negative if it lies in the future.
        age: Span,
        /// Up to which age is not too large.
        limit: Span,
    },
}

impl Visibility {
    /// What is found is there; no other one says that something is missing.
    pub const fn is_about_presence(self) -> bool {
        matches!(
            self,
            Self::Proven
                | Self::ProvenAtEnd
                | Self::UnlessLenient(_)
                | Self::UnlessClock { .. }
                | Self::UnlessCaptureLost { .. }
        )
    }
}

/// A message in the ladder of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LadderLine {
    /// The frame.
    pub frame: FrameId,
    /// When it was captured.
    pub time: Time,
    /// The sender.
    pub source: Endpoint,
    /// The receiver.
    pub destination: Endpoint,
    /// What carried it.
    pub transport: Transport,
    /// `INVITE sip:bob@example.com`, `100 Trying`; safe to show.
    pub label: String,
    /// It carries SDP.
    pub has_sdp: bool,
    /// It is part of the evidence.
    pub is_evidence: bool,
    /// How often it was sent again.
    pub repeats: usize,
    /// When it was last sent again.
    pub last_repeat: Option<Time>,
}

/// Collects what the rules report of one call or of the capture.
#[derive(Debug)]
pub struct Findings<'r> {
    rule: &'static Rule,
    settings: &'r Settings,
    found: &'r mut Vec<Finding>,
}

impl Finding {
    /// The name of what the capture lost where something is said to be missing.
    pub const CAPTURE_LOSS: &'static str = "capture_loss";

    /// Is one step less sure, because the capture lost something (guard G5).
    pub fn weaken(&mut self, loss: &'static str) {
        if self.value(Self::CAPTURE_LOSS).is_none() {
            self.confidence = self.confidence.lowered();
            self.evidence.push((Self::CAPTURE_LOSS, Value::Word(loss)));
        }
    }

    /// The status code that it is about: its own, or else the last that came of it.
    pub fn status(&self) -> Option<Status> {
        self.own_status.or_else(|| self.statuses.last().copied())
    }

    /// The value behind a name of the evidence.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.evidence.iter().find_map(|(known, value)| (*known == name).then_some(value))
    }
}

impl<'r> Findings<'r> {
    /// A collector for one rule.
    pub fn new(rule: &'static Rule, settings: &'r Settings, found: &'r mut Vec<Finding>) -> Self {
        Self { rule, settings, found }
    }

    /// What the user has set for the rules.
    pub fn settings(&self) -> &'r Settings {
        self.settings
    }

    /// Takes what the rule reports.
    pub fn report(&mut self, report: Report) {
        let mut frames = report.frames;
        let mut evidence = report.evidence;
        if report.is_cut {
            evidence.push((Finding::CAPTURE_LOSS, Value::Word("cut-message")));
        }
        frames.sort_unstable_by_key(|(frame, _)| *frame);
        frames.dedup();
        if frames.first().map(|(first, _)| first.capture) != frames.last().map(|(l, _)| l.capture) {
            frames.sort_by_key(|(_, time)| *time);
        }
        // There may be very many findings, and they stay to the end.
        evidence.shrink_to_fit();
        let time = frames.iter().map(|(_, time)| *time).min();
        let mut numbers: Vec<FrameId> = frames.into_iter().map(|(frame, _)| frame).collect();
        numbers.shrink_to_fit();
        self.found.push(Finding {
            rule: self.rule,
            severity: report.severity.unwrap_or(self.rule.severity),
            confidence: match report.is_cut {
                true => report.confidence.lowered(),
                false => report.confidence,
            },
            call_id: None,
            call_fate: None,
            time,
            frames: numbers,
            client: report.client,
            server: report.server,
            sender: report.client,
            statuses: report.statuses,
            own_status: report.own_status,
            evidence,
            transaction: report.transaction,
            asserts_absence: report.is_absence || !report.visibility.is_about_presence(),
            visibility: report.visibility,
            ending: None,
            propagated: Vec::new(),
            related: Vec::new(),
            linked: Vec::new(),
            owns: report.owns,
            needs_company: report.needs_company,
            fallback: None,
            ladder: Vec::new(),
            ladder_omitted: 0,
            is_excused: false,
        });
    }
}

/// Pieces of evidence that most findings have at most.
const EVIDENCE_EXPECTED: usize = 8;

/// One report of a rule, put together step by step.
#[derive(Debug)]
pub struct Report {
    severity: Option<Severity>,
    confidence: Confidence,
    frames: Vec<(FrameId, Time)>,
    client: Option<Endpoint>,
    server: Option<Endpoint>,
    statuses: Vec<Status>,
    own_status: Option<Status>,
    evidence: Vec<(&'static str, Value)>,
    transaction: Option<usize>,
    visibility: Visibility,
    is_cut: bool,
    is_absence: bool,
    needs_company: bool,
    owns: Vec<Spell>,
}

impl Report {
    /// A report on a transaction: names its client and server, and is less sure where the capture
    /// cut it (guard G5).
    pub fn on(transaction: &Transaction<'_>) -> Self {
        Self {
            client: Some(transaction.client),
            server: Some(transaction.server),
            transaction: Some(transaction.index),
            is_cut: transaction.is_cut(),
            ..Self::on_capture()
        }
    }

    /// A report on a transaction whose outcome it does not explain: names its client and server.
    pub fn beside(transaction: &Transaction<'_>) -> Self {
        Self { transaction: None, ..Self::on(transaction) }
    }

    /// A report on no transaction in particular.
    pub fn on_capture() -> Self {
        Self {
            severity: None,
            confidence: Confidence::Certain,
            frames: Vec::new(),
            client: None,
            server: None,
            statuses: Vec::new(),
            own_status: None,
            evidence: Vec::with_capacity(EVIDENCE_EXPECTED),
            transaction: None,
            visibility: Visibility::Proven,
            is_cut: false,
            is_absence: false,
            needs_company: false,
            owns: Vec::new(),
        }
    }

    /// Adds the messages that prove it.
    #[must_use]
    pub fn at<'m>(mut self, messages: impl IntoIterator<Item = &'m Message<'m>>) -> Self {
        self.frames.extend(messages.into_iter().map(|message| (message.frame, message.time)));
        self
    }

    /// Adds frames that prove it.
    #[must_use]
    pub fn frames(mut self, frames: impl IntoIterator<Item = (FrameId, Time)>) -> Self {
        self.frames.extend(frames);
        self
    }

    /// Names the server that it is about, where that is known without a transaction.
    #[must_use]
    pub fn to(mut self, server: Endpoint) -> Self {
        self.server = Some(server);
        self
    }

    /// Names both parties that it is about, where they are not those of a transaction.
    #[must_use]
    pub fn between(mut self, client: Endpoint, server: Endpoint) -> Self {
        self.client = Some(client);
        self.server = Some(server);
        self
    }

    /// Adds a status code to explain; the last one is what the finding is about.
    #[must_use]
    pub fn status(mut self, status: Status) -> Self {
        self.own_status = Some(status);
        if !self.statuses.contains(&status) {
            self.statuses.push(status);
        }
        self
    }

    /// Adds a value to the evidence.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.evidence.push((name, value.into()));
        self
    }

    /// Adds a value to the evidence, if there is one.
    #[must_use]
    pub fn with_some(self, name: &'static str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Sets how bad this case is, where that differs from the rule.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = Some(severity);
        self
    }

    /// Sets how sure it is; certain by default.
    #[must_use]
    pub fn confidence(mut self, confidence: Confidence) -> Self {
        self.confidence = confidence;
        self
    }

    /// The finding stands only if other calls show the same.
    #[must_use]
    pub fn needs_company(mut self, needs_company: bool) -> Self {
        self.needs_company = needs_company;
        self
    }

    /// Findings on single calls of these hosts belong to it, in the order that `analysis` keeps.
    #[must_use]
    pub fn owning(mut self, spells: Vec<Spell>) -> Self {
        self.owns = spells;
        self
    }

    /// It says that something never came, although no visibility is asked for.
    #[must_use]
    pub fn absence(mut self, is_absence: bool) -> Self {
        self.is_absence = is_absence;
        self
    }

    /// Sets what the whole capture must show.
    #[must_use]
    pub fn visibility(mut self, visibility: Visibility) -> Self {
        self.visibility = visibility;
        self
    }
}
