//! The messages and RTP streams of a call, or of several legs of one conversation, as a ladder
//! shows them: who takes part, what repeats what, which findings belong where.
//!
//! Plain data in order of capture; knows nothing of how a ladder is drawn.

use std::collections::{BTreeMap, BTreeSet};

use crate::analysis::ladder::label;
use crate::analysis::{CallSummary, Host, Step, StreamSummary};
use crate::bytes::printable;
use crate::capture::FrameId;
use crate::finding::Finding;
use crate::packet::Endpoint;
use crate::sdp::{Media, Session};
use crate::time::Time;

/// Codecs of one media description that are named.
const CODECS_MAX: usize = 8;

/// Media descriptions of one session description that are told.
const MEDIA_MAX: usize = 4;

/// Messages that a repeat is compared with; one that repeats an older message has a row.
const REPEAT_DISTANCE_MAX: usize = 256;

/// How a flow is made.
#[derive(Clone, Debug, Default)]
pub struct FlowOptions {
    /// What is one party.
    pub parties: PartiesBy,
    /// Hosts that are left out, with what they send and receive.
    pub hidden: Vec<Host>,
    /// Leave RTP streams out.
    pub without_streams: bool,
    /// A row for each repeat.
    pub unfolded: bool,
}

/// What is one party of a ladder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PartiesBy {
    /// A host, unless one talks to itself: then an endpoint.
    #[default]
    Need,
    /// An address, or all addresses that have one name.
    Host,
    /// An address and a port.
    Endpoint,
}

/// The rows of a ladder.
#[derive(Clone, Debug, Default)]
pub struct Flow<'a> {
    /// Who takes part, in order of appearance.
    pub parties: Vec<Party>,
    /// What was sent, in order of capture.
    pub rows: Vec<Row<'a>>,
    /// Messages and streams left out, because one of their hosts is hidden.
    pub hidden: usize,
    /// Calls whose messages were not kept, as places in the list of calls.
    pub without_messages: Vec<usize>,
    /// Findings of which no frame is in a row, as places in the list of findings.
    pub unplaced: Vec<usize>,
}

/// Who takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// What it sends from and receives at, in order of appearance; one in each where ports count.
    pub ends: Vec<Endpoint>,
    /// The name that the user gives to it, safe to show.
    pub name: Option<String>,
    /// It is one port of a host; other ports are other parties.
    pub is_endpoint: bool,
}

/// What was sent from one party to another.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// The frame; of a stream the first one.
    pub frame: FrameId,
    /// When that was captured.
    pub time: Time,
    /// The sender, as a place among the parties.
    pub from: usize,
    /// The receiver, as a place among the parties.
    pub to: usize,
    /// What it is.
    pub content: Content<'a>,
    /// Findings that have it as evidence, as places in the list of findings.
    pub evidence_of: Vec<usize>,
    /// Findings to be told here: it is the last of their evidence.
    pub findings: Vec<usize>,
}

/// What a row is.
#[derive(Clone, Debug)]
pub enum Content<'a> {
    /// A SIP message.
    Message(Sent<'a>),
    /// An RTP stream, from here on.
    Stream(&'a StreamSummary),
}

/// A message and its repeats.
#[derive(Clone, Debug)]
pub struct Sent<'a> {
    /// The call, as a place in the list of calls.
    pub call: usize,
    /// The message.
    pub step: &'a Step,
    /// The same message sent again, in order.
    pub repeats: Vec<&'a Step>,
    /// `INVITE sip:bob@example.com`, `100 Trying`, `200 OK (BYE)`; safe to show.
    pub label: String,
    /// `audio 192.0.2.1:4000 PCMU PCMA sendrecv`, the media one after another; safe to show.
    pub sdp: Option<String>,
}

impl<'a> Flow<'a> {
    /// The flow of these calls, whose messages were kept, with the findings that are to be shown in
    /// it and the names of hosts.
    pub fn of(
        calls: &[&'a CallSummary],
        findings: &[&Finding],
        hosts: &BTreeMap<Host, String>,
        options: &FlowOptions,
    ) -> Self {
        let mut flow = Self::default();
        let mut rows = Vec::new();
        for (call, place) in calls.iter().zip(0..) {
            if call.transcript.is_empty() && call.messages > 0 {
                flow.without_messages.push(place);
            }
            rows.extend(messages(call, place, options.unfolded));
            if !options.without_streams {
                rows.extend(call.streams.iter().map(stream));
            }
        }
        rows.sort_by_key(|raw| (raw.step_time(), raw.frame()));
        let before = rows.len();
        rows.retain(|raw| {
            raw.ends().iter().all(|end| !options.hidden.contains(&end.address.to_canonical()))
        });
        flow.hidden = before - rows.len();
        let mut parties = Parties::new(&rows, hosts, options.parties);
        flow.rows = rows.into_iter().map(|raw| parties.row(raw)).collect();
        flow.parties = parties.list;
        flow.place(findings);
        flow
    }

    /// When it begins.
    pub fn start(&self) -> Option<Time> {
        self.rows.iter().map(|row| row.time).min()
    }

    /// Ties the findings to the rows of their frames.
    fn place(&mut self, findings: &[&Finding]) {
        let mut by_frame: BTreeMap<FrameId, Vec<usize>> = BTreeMap::new();
        for (row, at) in self.rows.iter().zip(0..) {
            row.frames().for_each(|frame| by_frame.entry(frame).or_default().push(at));
        }
        for (finding, place) in findings.iter().zip(0..) {
            let rows = finding.frames.iter().filter_map(|frame| by_frame.get(frame)).flatten();
            let rows: BTreeSet<usize> = rows.copied().collect();
            for at in &rows {
                if let Some(row) = self.rows.get_mut(*at) {
                    row.evidence_of.push(place);
                }
            }
            match rows.last().and_then(|at| self.rows.get_mut(*at)) {
                Some(row) => row.findings.push(place),
                None => self.unplaced.push(place),
            }
        }
    }
}

impl Row<'_> {
    /// The frames that it stands for: of a message those of its repeats, of a stream the first and
    /// the last.
    pub fn frames(&self) -> impl Iterator<Item = FrameId> + '_ {
        let (repeats, last) = match &self.content {
            Content::Message(sent) => (sent.repeats.as_slice(), None),
            Content::Stream(stream) => (&[][..], Some(stream.last.frame)),
        };
        [self.frame].into_iter().chain(repeats.iter().map(|step| step.frame)).chain(last)
    }
}

impl Sent<'_> {
    /// When it was last sent again.
    pub fn last_repeat(&self) -> Option<Time> {
        self.repeats.iter().map(|step| step.time).max()
    }
}

impl Party {
    /// `proxy`, or its first address, with the port where ports count.
    pub fn label(&self) -> String {
        match (&self.name, self.ends.first()) {
            (Some(name), Some(end)) if self.is_endpoint => format!("{name}:{}", end.port),
            (Some(name), _) => name.clone(),
            (None, Some(end)) if self.is_endpoint => end.to_string(),
            (None, Some(end)) => end.address.to_string(),
            (None, None) => String::new(),
        }
    }

    /// Its addresses and ports, each address once.
    pub fn addresses(&self) -> Vec<(Host, Vec<u16>)> {
        let mut all: Vec<(Host, Vec<u16>)> = Vec::new();
        for end in &self.ends {
            match all.iter_mut().find(|(address, _)| *address == end.address) {
                Some((_, ports)) => ports.push(end.port),
                None => all.push((end.address, vec![end.port])),
            }
        }
        all
    }
}

/// A row before the parties are known.
enum Raw<'a> {
    Message(Sent<'a>),
    Stream(&'a StreamSummary),
}

impl Raw<'_> {
    fn ends(&self) -> [Endpoint; 2] {
        match self {
            Self::Message(sent) => [sent.step.source, sent.step.destination],
            Self::Stream(stream) => [stream.source, stream.destination],
        }
    }

    fn step_time(&self) -> Time {
        match self {
            Self::Message(sent) => sent.step.time,
            Self::Stream(stream) => stream.first.time,
        }
    }

    fn frame(&self) -> FrameId {
        match self {
            Self::Message(sent) => sent.step.frame,
            Self::Stream(stream) => stream.first.frame,
        }
    }
}

fn stream(summary: &StreamSummary) -> Raw<'_> {
    Raw::Stream(summary)
}

/// The messages of a call, repeats folded into the first unless they are to have rows.
fn messages(call: &CallSummary, place: usize, unfolded: bool) -> Vec<Raw<'_>> {
    let mut all: Vec<Sent<'_>> = Vec::new();
    for step in &call.transcript {
        let message = step.message();
        let label = label(&message);
        let is_it = |sent: &Sent<'_>| {
            sent.step.transaction == step.transaction
                && (sent.step.source, sent.step.destination) == (step.source, step.destination)
                && sent.label == label
        };
        let mut recent = all.iter_mut().rev().take(REPEAT_DISTANCE_MAX);
        let may_fold = step.is_retransmission && !unfolded;
        match recent.find(|sent| may_fold && is_it(sent)) {
            Some(known) => known.repeats.push(step),
            None => {
                let sdp = message.sdp().and_then(description);
                all.push(Sent { call: place, step, repeats: Vec::new(), label, sdp });
            }
        }
    }
    all.into_iter().map(Raw::Message).collect()
}

/// `audio 192.0.2.1:4000 PCMU PCMA sendrecv`; none if no media is described.
fn description(sdp: &[u8]) -> Option<String> {
    let session = Session::parse(sdp).0;
    let mut told: Vec<String> = session.media.iter().take(MEDIA_MAX).map(media).collect();
    if session.media.len() > MEDIA_MAX {
        told.push("…".to_owned());
    }
    (!told.is_empty()).then(|| told.join(", "))
}

fn media(media: &Media<'_>) -> String {
    let kind = printable(media.kind);
    if media.is_rejected() {
        return format!("{kind} port 0");
    }
    let end = match media.address() {
        Some(address) => Endpoint { address, port: media.port }.to_string(),
        None => format!(":{}", media.port),
    };
    let mut codecs: Vec<String> = Vec::new();
    for codec in media.codecs() {
        let name = printable(codec.encoding).into_owned();
        if !codecs.contains(&name) {
            codecs.push(name);
        }
    }
    if codecs.is_empty() {
        codecs.extend(media.formats().map(|format| printable(format).into_owned()));
    }
    if codecs.len() > CODECS_MAX {
        codecs.truncate(CODECS_MAX);
        codecs.push("…".to_owned());
    }
    let secure = if media.is_secure() { "SRTP " } else { "" };
    let direction = match media.is_rtp() {
        true => format!(" {}", media.direction().name()),
        false => String::new(),
    };
    format!("{kind} {end} {secure}{}{direction}", codecs.join(" "))
}

/// Parties while rows are put between them.
struct Parties<'h> {
    list: Vec<Party>,
    hosts: &'h BTreeMap<Host, String>,
    by_endpoint: bool,
}

impl<'h> Parties<'h> {
    fn new(rows: &[Raw<'_>], hosts: &'h BTreeMap<Host, String>, by: PartiesBy) -> Self {
        let name = |end: &Endpoint| hosts.get(&end.address.to_canonical());
        let talks_to_itself = |raw: &Raw<'_>| {
            let [a, b] = raw.ends();
            matches!(raw, Raw::Message(_))
                && (a.address == b.address || name(&a).is_some_and(|own| Some(own) == name(&b)))
        };
        let by_endpoint = match by {
            PartiesBy::Need => rows.iter().any(talks_to_itself),
            PartiesBy::Host => false,
            PartiesBy::Endpoint => true,
        };
        Self { list: Vec::new(), hosts, by_endpoint }
    }

    fn row<'a>(&mut self, raw: Raw<'a>) -> Row<'a> {
        let is_stream = matches!(raw, Raw::Stream(_));
        let [from, to] = raw.ends().map(|end| self.place(end, is_stream));
        let (frame, time) = (raw.frame(), raw.step_time());
        let content = match raw {
            Raw::Message(sent) => Content::Message(sent),
            Raw::Stream(stream) => Content::Stream(stream),
        };
        Row { frame, time, from, to, content, evidence_of: Vec::new(), findings: Vec::new() }
    }

    /// The place of a party; media have ports of their own, so that of a stream counts only where
    /// its host has not spoken before.
    fn place(&mut self, end: Endpoint, is_stream: bool) -> usize {
        let name = self.hosts.get(&end.address.to_canonical());
        let by_endpoint = self.by_endpoint && !is_stream;
        let is_it = |party: &Party| {
            party.ends.iter().any(|own| match by_endpoint {
                true => *own == end,
                false => own.address == end.address,
            }) || (!by_endpoint && name.is_some() && party.name.as_ref() == name)
        };
        match self.list.iter().position(is_it) {
            Some(place) => {
                if let Some(party) = self.list.get_mut(place)
                    && !party.is_endpoint
                    && !party.ends.contains(&end)
                {
                    party.ends.push(end);
                }
                place
            }
            None => {
                let (ends, name) = (vec![end], name.cloned());
                self.list.push(Party { ends, name, is_endpoint: self.by_endpoint && !is_stream });
                self.list.len() - 1
            }
        }
    }
}
