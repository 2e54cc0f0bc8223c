//! The rows of a ladder, owned: what [`Flow`] gives, with places in the store instead of
//! references, so that it stays while the store grows.

use std::collections::HashMap;

use crate::analysis::Host;
use crate::analysis::flow::{Content, Flow, FlowOptions};
use crate::capture::FrameId;
use crate::packet::Endpoint;
use crate::sip::{Class, Status};
use crate::time::Time;
use crate::tui::store::Store;

/// Who takes part.
#[derive(Clone, Debug)]
pub(crate) struct Party {
    pub(crate) label: String,
    pub(crate) hosts: Vec<Host>,
}

/// What a row is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A message: which one of which call.
    Message { call: usize, step: usize, status: Option<Status> },
    /// A stream: which one of which call.
    Stream { call: usize, stream: usize },
}

/// What was sent from one party to another.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) frame: FrameId,
    pub(crate) frames: Vec<FrameId>,
    pub(crate) time: Time,
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) ends: (Endpoint, Endpoint),
    pub(crate) what: What,
    /// What the arrow says.
    pub(crate) label: String,
    pub(crate) sdp: Option<String>,
    /// The message was sent again so often, the last time at that moment.
    pub(crate) repeats: usize,
    pub(crate) last_repeat: Option<Time>,
    /// It is evidence of a finding.
    pub(crate) is_evidence: bool,
    /// Findings to be told here, as places in the store.
    pub(crate) findings: Vec<u32>,
}

/// A ladder.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) parties: Vec<Party>,
    pub(crate) rows: Vec<Row>,
    /// Rows left out, because one of their hosts is hidden.
    pub(crate) hidden: usize,
    /// Calls whose messages have to be read again.
    pub(crate) missing: Vec<usize>,
    /// Findings that belong to no row.
    pub(crate) unplaced: Vec<u32>,
}

impl Plan {
    /// The ladder of these calls.
    pub(crate) fn of(store: &Store, places: &[usize], options: &FlowOptions) -> Self {
        let known: Vec<_> =
            places.iter().filter_map(|at| Some((*at, store.calls.get(*at)?))).collect();
        let calls: Vec<_> = known.iter().map(|(_, call)| *call).collect();
        let mut own: Vec<u32> =
            known.iter().flat_map(|(at, _)| store.found(*at)).copied().collect();
        own.sort_unstable();
        own.dedup();
        let findings: Vec<_> =
            own.iter().filter_map(|at| store.findings.get(*at as usize)).collect();
        let flow = Flow::of(&calls, &findings, &store.hosts, options);
        // The flow gives messages themselves; their places are found by where they lie.
        let steps = calls.iter().flat_map(|call| call.transcript.iter().zip(0..));
        let steps: HashMap<_, usize> =
            steps.map(|(step, at)| (std::ptr::from_ref(step), at)).collect();
        let streams = calls.iter().flat_map(|call| call.streams.iter().zip(0..));
        let streams: HashMap<_, (usize, FrameId)> = streams
            .map(|(stream, at)| (std::ptr::from_ref(stream), (at, stream.first.frame)))
            .collect();
        let mut plan = Self { hidden: flow.hidden, ..Self::default() };
        let place = |call: usize| known.get(call).map(|(at, _)| *at);
        plan.missing = flow.without_messages.iter().filter_map(|at| place(*at)).collect();
        plan.unplaced = flow.unplaced.iter().filter_map(|at| own.get(*at).copied()).collect();
        plan.parties = flow
            .parties
            .iter()
            .map(|party| Party {
                label: party.label(),
                hosts: party.ends.iter().map(|end| end.address.to_canonical()).collect(),
            })
            .collect();
        for row in &flow.rows {
            let findings = row.findings.iter().filter_map(|at| own.get(*at).copied()).collect();
            let frames = row.frames().collect();
            let (frame, time, from, to) = (row.frame, row.time, row.from, row.to);
            let is_evidence = !row.evidence_of.is_empty();
            let made = match &row.content {
                Content::Message(sent) => {
                    let step = steps.get(&std::ptr::from_ref(sent.step)).copied();
                    let status = sent.step.message().status();
                    let what = place(sent.call).zip(step);
                    what.map(|(call, step)| Row {
                        what: What::Message { call, step, status },
                        ends: (sent.step.source, sent.step.destination),
                        label: sent.label.clone(),
                        sdp: sent.sdp.clone(),
                        repeats: sent.repeats.len(),
                        last_repeat: sent.last_repeat(),
                        ..Row::at(frame, time)
                    })
                }
                Content::Stream(stream) => {
                    let at = streams.get(&std::ptr::from_ref(*stream)).map(|(at, _)| *at);
                    let is_in = |call: &&(usize, &crate::analysis::CallSummary)| {
                        call.1.streams.iter().any(|own| std::ptr::eq(own, *stream))
                    };
                    let call = known.iter().find(is_in).map(|(at, _)| *at);
                    call.zip(at).map(|(call, at)| Row {
                        what: What::Stream { call, stream: at },
                        ends: (stream.source, stream.destination),
                        label: format!("RTP {}", stream.codec.as_deref().unwrap_or_default()),
                        ..Row::at(frame, time)
                    })
                }
            };
            let told = made.map(|row| Row { from, to, frames, is_evidence, findings, ..row });
            plan.rows.extend(told);
        }
        plan
    }

    /// The row that stands for a frame.
    pub(crate) fn row_of(&self, frame: FrameId) -> Option<usize> {
        self.rows.iter().position(|row| row.frames.contains(&frame))
    }
}

impl Row {
    fn at(frame: FrameId, time: Time) -> Self {
        let nowhere = Endpoint { address: std::net::Ipv4Addr::UNSPECIFIED.into(), port: 0 };
        Self {
            frame,
            frames: Vec::new(),
            time,
            from: 0,
            to: 0,
            ends: (nowhere, nowhere),
            what: What::Stream { call: 0, stream: 0 },
            label: String::new(),
            sdp: None,
            repeats: 0,
            last_repeat: None,
            is_evidence: false,
            findings: Vec::new(),
        }
    }

    /// The class of a response.
    pub(crate) fn class(&self) -> Option<Class> {
        match &self.what {
            What::Message { status, .. } => status.map(Status::class),
            What::Stream { .. } => None,
        }
    }

    /// What the arrow says where there is no room for all of it.
    pub(crate) fn short(&self) -> &str {
        let is_response = self.label.starts_with(|c: char| c.is_ascii_digit());
        match self.label.split_once(' ') {
            Some((method, _)) if !is_response => method,
            _ => &self.label,
        }
    }
}
