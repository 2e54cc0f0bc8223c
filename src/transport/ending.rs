//! How TCP connections begin in vain and how they end.

use crate::capture::FrameId;
use crate::packet::Endpoint;
use crate::time::{Span, Time};
use crate::transport::disruption::{Carried, Disruption, DisruptionKind, LastWords};
use crate::transport::tcp::{ACK, Arrival, FIN, RST, SYN};
use crate::transport::tls::Alert;

/// SYN segments without an answer that are a failure.
const SYN_MAX: usize = 3;

/// A SYN that comes again sooner was captured twice.
const SYN_GAP: Span = Span::from_millis(100);

/// Ports that SIP is offered on: the registered ones, and those in use beside them.
const SIP_PORTS: std::ops::RangeInclusive<u16> = 5060..=5099;

/// What a flow tells about its connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub enum Turn {
    /// It ended, or was not opened.
    Disrupted(Disruption),
    /// It was opened after all, by this client at this server.
    Opened(Endpoint, Endpoint),
}

/// What is remembered of one connection to tell how it ends.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The SYN segments that wait for an answer.
    syns: Vec<(FrameId, Time)>,
    /// The side that sent them.
    client: usize,
    /// The other side said something, or data was seen.
    is_open: bool,
    is_over: bool,
    was_unanswered: bool,
    /// The last segment with data.
    active: Option<Time>,
    /// The longest time without data.
    pause: Span,
    has_keep_alives: bool,
    pub(super) has_gaps: bool,
    /// A SIP message went over it.
    pub(super) has_sip: bool,
    /// One side answered plain text with this.
    pub(super) alert: Option<Alert>,
}

impl Watch {
    /// Takes the next segment of a side, after its bytes were read; whether it ends the connection
    /// behind bytes that have not come.
    pub(super) fn take(
        &mut self,
        side: usize,
        arrival: &Arrival<'_>,
        lacks_end: bool,
    ) -> Option<Turn> {
        let segment = &arrival.segment;
        let ended = match segment.flags & (SYN | FIN | RST) {
            0 if self.is_open || self.syns.is_empty() => None,
            _ => self.turn(side, arrival, lacks_end),
        };
        if !segment.payload.is_empty() {
            self.is_open = true;
            self.pause = self.pause_until(arrival.time);
            self.active = Some(arrival.time);
            self.has_keep_alives |=
                segment.payload.len() <= 4 && segment.payload.iter().all(|b| b"\r\n".contains(b));
        }
        ended
    }

    fn pause_until(&self, now: Time) -> Span {
        self.pause.max(now.since(self.active.unwrap_or(now)))
    }

    fn turn(&mut self, side: usize, arrival: &Arrival<'_>, lacks_end: bool) -> Option<Turn> {
        let flags = arrival.segment.flags;
        let path = arrival.segment.path;
        if flags & RST != 0 && !self.is_open && !self.syns.is_empty() {
            return self.refuse(side, arrival);
        }
        if flags & SYN != 0 && flags & ACK == 0 {
            return self.ask(side, arrival);
        }
        if !self.is_open && side != self.client && !self.syns.is_empty() {
            self.is_open = true;
            self.syns = Vec::new();
            if self.was_unanswered {
                return Some(Turn::Opened(path.destination, path.source));
            }
        }
        if flags & (FIN | RST) == 0 || self.is_over {
            return None;
        }
        self.is_over = true;
        if !self.has_sip {
            return None;
        }
        let kind = match flags & RST {
            0 => DisruptionKind::Closed,
            _ => DisruptionKind::Reset,
        };
        let last_words = LastWords {
            idle: self.pause_until(arrival.time),
            has_keep_alives: self.has_keep_alives,
            has_gaps: self.has_gaps,
            lacks_end,
            alert: self.alert,
        };
        let seen = (arrival.frame, arrival.time);
        let flow = (path.source, path.destination);
        let end = Disruption::new(kind, flow, path.source.address, seen);
        Some(Turn::Disrupted(Disruption { last_words: Some(last_words), ..end }))
    }

    fn ask(&mut self, side: usize, arrival: &Arrival<'_>) -> Option<Turn> {
        let path = arrival.segment.path;
        let is_again =
            self.syns.last().is_some_and(|(_, last)| arrival.time.since(*last) < SYN_GAP);
        if self.is_open || is_again || !SIP_PORTS.contains(&path.destination.port) {
            return None;
        }
        self.client = side;
        if self.syns.len() < SYN_MAX {
            self.syns.push((arrival.frame, arrival.time));
        }
        if self.syns.len() < SYN_MAX || self.was_unanswered {
            return None;
        }
        self.was_unanswered = true;
        self.failed(DisruptionKind::Unanswered, path.source, path.destination)
    }

    fn refuse(&mut self, side: usize, arrival: &Arrival<'_>) -> Option<Turn> {
        let path = arrival.segment.path;
        if side == self.client {
            // The client gave up by itself.
            self.syns = Vec::new();
            return None;
        }
        self.syns.push((arrival.frame, arrival.time));
        self.failed(DisruptionKind::Refused, path.destination, path.source)
    }

    fn failed(&mut self, kind: DisruptionKind, client: Endpoint, server: Endpoint) -> Option<Turn> {
        let frames = match kind {
            DisruptionKind::Refused => std::mem::take(&mut self.syns),
            _ => self.syns.clone(),
        };
        let failed = Disruption::new(kind, (client, server), server.address, *frames.first()?);
        let last = frames.last().map_or(failed.last, |(_, time)| *time);
        Some(Turn::Disrupted(Disruption { carried: Carried::Opening, frames, last, ..failed }))
    }
}
