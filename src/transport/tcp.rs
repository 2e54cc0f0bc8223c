//! TCP flows: both directions put in order and read together.
//!
//! A message that lies in one segment is handed on without a copy. Where bytes are missing for
//! good, reading goes on at the next start line. Flows that carry something else are passed over at
//! the cost of a look at each segment.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;

use crate::capture::FrameId;
use crate::limits::{ENCRYPTED_PEERS_MAX, LOSSES_MAX, TCP_FLOWS_MAX, TCP_HELD_BYTES_MAX};
use crate::packet::{Endpoint, Path, Segment};
use crate::time::Time;
use crate::transport::conversation::{Conversation, Sink, is_recognised};
use crate::transport::encrypted::{Encrypted, Peers};
use crate::transport::ending::{Turn, Watch};
use crate::transport::handshake::{Attempt, End, Handshakes, Table};
use crate::transport::order::{GAP_PATIENCE, Order, Reader, distance};
use crate::transport::tls::{KeyLog, Session, Traffic};
use crate::transport::{Delivery, Transport};

pub(super) const FIN: u8 = 0x01;
pub(super) const SYN: u8 = 0x02;
pub(super) const RST: u8 = 0x04;
pub(super) const ACK: u8 = 0x10;

/// A segment with when it was seen.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// The frame.
    pub frame: FrameId,
    /// When it was captured.
    pub time: Time,
    /// The segment itself.
    pub segment: Segment<'a>,
}

/// What happened to streams that a report should tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamCounts {
    /// Times that bytes were missing in a SIP stream.
    pub gaps: u64,
    /// Segments captured twice.
    pub copies: u64,
    /// Flows given up because there were too many.
    pub evicted: u64,
    /// Messages of which the end is missing.
    pub unfinished: u64,
    /// Flows whose unread bytes were given up because there were too many in all flows together.
    pub relieved: u64,
    /// Encrypted flows that are not listed because there were too many peers.
    pub unlisted: u64,
    /// Messages that are longer than any that is read.
    pub too_long: u64,
}

/// Bytes of a SIP stream that went their way and were not captured: their receiver has
/// acknowledged them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// Who sent them.
    pub source: Endpoint,
    /// Who received them.
    pub destination: Endpoint,
    /// How many.
    pub bytes: u32,
    /// The frame with the bytes behind them.
    pub frame: FrameId,
    /// When that was captured.
    pub time: Time,
}

/// Holes, the first ones of them one by one.
#[derive(Debug, Default)]
pub(super) struct Holes {
    listed: Vec<Hole>,
    max: usize,
    count: u64,
    bytes: u64,
    /// When the first was that is not listed.
    unlisted_from: Option<Time>,
}

impl Holes {
    fn add(&mut self, hole: Hole) {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(hole.bytes.into());
        if self.listed.len() < self.max {
            self.listed.push(hole);
        } else {
            self.unlisted_from = self.unlisted_from.into_iter().chain([hole.time]).min();
        }
    }
}

/// Every TCP flow under way.
#[derive(Debug, Default)]
pub struct Streams {
    flows: HashMap<(Endpoint, Endpoint), Flow, foldhash::fast::RandomState>,
    counts: StreamCounts,
    holes: Holes,
    encrypted: Peers,
    handshakes: Table,
    flows_max: usize,
    /// Bytes that wait or are unread, of all flows.
    held: usize,
    held_max: usize,
    /// Nothing has waited behind a gap for longer.
    waits_since: Option<Time>,
    /// How connections began and ended since somebody asked.
    turns: Vec<Turn>,
    /// Messages are handed on with their places in the stream.
    is_traced: bool,
}

#[derive(Debug, Default)]
pub(super) struct Flow {
    /// The frame that it began with.
    first: FrameId,
    /// From the lower endpoint to the higher, and back.
    orders: [Order; 2],
    /// The bytes up to there have reached the other end.
    acknowledged: [Option<u32>; 2],
    talk: Talk,
    last: Time,
    held: usize,
    watch: Watch,
    /// How the first side ended it.
    end: Option<End>,
    /// Its last segment ended it, and bytes before that have not come.
    lacks_end: bool,
}

/// What both directions say to each other.
// Most flows are plain; to box them would cost a look-up for each segment.
#[allow(clippy::large_enum_variant)]
#[derive(Debug)]
enum Talk {
    Plain(Conversation),
    Tls(Box<Session>),
}

impl Default for Talk {
    fn default() -> Self {
        Self::Plain(Conversation::default())
    }
}

/// Where a piece of a stream was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) frame: FrameId,
    pub(super) time: Time,
    pub(super) path: Path,
    /// The sequence number of its first byte.
    pub(super) sequence: u32,
}

/// Receives whole messages.
pub(super) type Deliver<'d> = dyn FnMut(Delivery<'_>) + 'd;

impl Streams {
    /// A table that follows at most its share of the bounds when the flows are spread over `shards`
    /// tables.
    pub fn with_share_of(shards: usize) -> Self {
        let share = |bound: usize| (bound / shards.max(1)).max(1);
        Self {
            flows_max: share(TCP_FLOWS_MAX),
            held_max: share(TCP_HELD_BYTES_MAX),
            holes: Holes { max: share(LOSSES_MAX), ..Holes::default() },
            encrypted: Peers { max: share(ENCRYPTED_PEERS_MAX), ..Peers::default() },
            handshakes: Table { max: share(ENCRYPTED_PEERS_MAX), ..Table::default() },
            ..Self::default()
        }
    }

    /// The same, for who wants to know the places of messages in their streams.
    #[must_use]
    pub fn traced(self) -> Self {
        Self { is_traced: true, ..self }
    }

    /// The frame that the connection between two ends began with, if it is followed.
    pub fn connection(&self, source: Endpoint, destination: Endpoint) -> Option<FrameId> {
        self.flows.get(&key(source, destination).0).map(|flow| flow.first)
    }

    /// The sequence number up to which everything from `source` to `destination` has been read.
    pub fn read_until(&self, source: Endpoint, destination: Endpoint) -> Option<u32> {
        let (key, side) = key(source, destination);
        self.flows.get(&key)?.unread_from(side)
    }

    /// Takes the next segment in order of capture and hands on every message that it completes.
    pub fn push(&mut self, arrival: &Arrival<'_>, keys: &KeyLog, deliver: &mut Deliver<'_>) {
        let Path { source, destination, .. } = arrival.segment.path;
        let (key, side) = key(source, destination);
        if self.flows.len() >= self.flows_max && !self.flows.contains_key(&key) {
            self.make_room();
        }
        let flow = self.flows.entry(key).or_insert_with(|| Flow::beginning_with(arrival.frame));
        flow.last = flow.last.max(arrival.time);
        if flow.is_reused(side, &arrival.segment) {
            flow.end(&mut Sink {
                counts: &mut self.counts,
                holes: &mut self.holes,
                delivered: 0,
                deliver,
                keys,
                is_traced: self.is_traced,
            });
            let (last, held) = (flow.last, flow.held);
            let next = Flow { last, held, ..Flow::beginning_with(arrival.frame) };
            let over = std::mem::replace(flow, next);
            take_down(&mut self.handshakes, &mut self.encrypted, key, &over);
        }
        let gaps = self.counts.gaps;
        let mut sink = Sink {
            counts: &mut self.counts,
            holes: &mut self.holes,
            delivered: 0,
            deliver,
            keys,
            is_traced: self.is_traced,
        };
        flow.push(side, arrival, &mut sink);
        flow.watch.has_sip |= sink.delivered > 0;
        flow.watch.has_gaps |= self.counts.gaps > gaps;
        if let Talk::Plain(conversation) = &flow.talk {
            flow.watch.alert = conversation.alert();
        }
        let turn = flow.watch.take(side, arrival, flow.lacks_end);
        // Who wants places asks for no turns.
        self.turns.extend(turn.filter(|_| !self.is_traced));
        if let Some(since) = flow.waits_since() {
            self.waits_since = self.waits_since.into_iter().chain([since]).min();
        }
        let held = flow.count_held();
        self.held = self.held.saturating_add(held.now).saturating_sub(held.before);
        if self.held > self.held_max {
            self.relieve(keys, deliver);
        }
    }

    /// Goes on behind gaps that nothing will fill any more when the captures have been read to
    /// `now`.
    pub fn expire(&mut self, now: Time, keys: &KeyLog, deliver: &mut Deliver<'_>) {
        if self.waits_since.is_none_or(|since| now.since(since).abs() <= GAP_PATIENCE) {
            return;
        }
        let waiting = self.flows.iter().filter(|(_, flow)| flow.waits_since().is_some());
        let mut waiting: Vec<_> = waiting.map(|(key, _)| *key).collect();
        waiting.sort_unstable();
        self.waits_since = None;
        for key in waiting {
            let Some(flow) = self.flows.get_mut(&key) else { continue };
            let gaps = self.counts.gaps;
            let mut sink = Sink {
                counts: &mut self.counts,
                holes: &mut self.holes,
                delivered: 0,
                deliver,
                keys,
                is_traced: self.is_traced,
            };
            flow.each_side(&mut sink, |order, reader| order.expire(now, reader));
            flow.watch.has_sip |= sink.delivered > 0;
            flow.watch.has_gaps |= self.counts.gaps > gaps;
            self.waits_since = self.waits_since.into_iter().chain(flow.waits_since()).min();
            let held = flow.count_held();
            self.held = self.held.saturating_add(held.now).saturating_sub(held.before);
        }
    }

    /// Hands on what can be had of the messages that are still open; for the end of the capture.
    pub fn finish(&mut self, keys: &KeyLog, deliver: &mut Deliver<'_>) {
        let mut flows: Vec<_> = self.flows.drain().collect();
        flows.sort_unstable_by_key(|(key, _)| *key);
        for (key, mut flow) in flows {
            flow.end(&mut Sink {
                counts: &mut self.counts,
                holes: &mut self.holes,
                delivered: 0,
                deliver,
                keys,
                is_traced: self.is_traced,
            });
            take_down(&mut self.handshakes, &mut self.encrypted, key, &flow);
        }
        self.held = 0;
    }

    /// How connections began and ended since this was asked last.
    pub fn take_turns(&mut self) -> Vec<Turn> {
        std::mem::take(&mut self.turns)
    }

    /// What happened so far.
    pub fn counts(&self) -> StreamCounts {
        let unlisted = self.encrypted.dropped + self.handshakes.dropped;
        StreamCounts { unlisted, ..self.counts }
    }

    /// Bytes that were acknowledged and are missing: how often, how many, and the first holes.
    pub fn holes(&self) -> (u64, u64, &[Hole]) {
        (self.holes.count, self.holes.bytes, &self.holes.listed)
    }

    /// When the first hole was that is not among these.
    pub fn holes_unlisted_from(&self) -> Option<Time> {
        self.holes.unlisted_from
    }

    /// Who spoke TLS that could not be read; complete at the end of the capture.
    pub fn encrypted(&self) -> impl Iterator<Item = &Encrypted> {
        self.encrypted.known.values()
    }

    /// How TLS handshakes went; complete at the end of the capture.
    pub fn handshakes(&self) -> impl Iterator<Item = (Endpoint, IpAddr, &Handshakes)> {
        self.handshakes.known.iter().map(|((server, client), own)| (*server, *client, own))
    }

    /// Bytes that wait or are unread.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Lets the flows go that were silent longest, a tenth of the table at a time.
    fn make_room(&mut self) {
        let mut ages: Vec<_> = self.flows.iter().map(|(key, flow)| (flow.last, *key)).collect();
        ages.sort_unstable();
        let leave = (ages.len() / 10).max(1);
        for (_, key) in ages.into_iter().take(leave) {
            if let Some(flow) = self.flows.remove(&key) {
                self.held = self.held.saturating_sub(flow.held);
                take_down(&mut self.handshakes, &mut self.encrypted, key, &flow);
            }
            self.counts.evicted += 1;
        }
    }

    /// Gives up what flows hold, those first that were silent longest, until a quarter of the bound
    /// is free.
    fn relieve(&mut self, keys: &KeyLog, deliver: &mut Deliver<'_>) {
        let holding = self.flows.iter().filter(|(_, flow)| flow.held > 0);
        let mut ages: Vec<_> = holding.map(|(key, flow)| (flow.last, *key)).collect();
        ages.sort_unstable();
        for (_, key) in ages {
            if self.held <= self.held_max - self.held_max / 4 {
                return;
            }
            let Some(flow) = self.flows.get_mut(&key) else { continue };
            let mut sink = Sink {
                counts: &mut self.counts,
                holes: &mut self.holes,
                delivered: 0,
                deliver,
                keys,
                is_traced: self.is_traced,
            };
            flow.end(&mut sink);
            flow.each_side(&mut sink, |_, reader| reader.lose(0));
            let held = flow.count_held();
            self.held = self.held.saturating_add(held.now).saturating_sub(held.before);
            self.counts.relieved += 1;
        }
    }
}

/// The key of the flow between two ends, and the side that `source` is.
fn key(source: Endpoint, destination: Endpoint) -> ((Endpoint, Endpoint), usize) {
    match source <= destination {
        true => ((source, destination), 0),
        false => ((destination, source), 1),
    }
}

/// Takes down what a flow that has come to its end shows of TLS.
fn take_down(
    handshakes: &mut Table,
    encrypted: &mut Peers,
    ends: (Endpoint, Endpoint),
    flow: &Flow,
) {
    // A connection whose handshake failed has nothing to read.
    if !handshakes.add(ends, flow) {
        encrypted.add(ends, flow);
    }
}

/// Bytes that a flow held before a step and after it.
struct Held {
    before: usize,
    now: usize,
}

impl Flow {
    fn beginning_with(first: FrameId) -> Self {
        Self { first, ..Self::default() }
    }

    /// The sequence number of the first byte of a side that has not been read; nothing where the
    /// beginning is not known.
    fn unread_from(&self, side: usize) -> Option<u32> {
        let next = self.orders.get(side)?.next()?;
        let unread = match &self.talk {
            Talk::Plain(conversation) => conversation.unread(side),
            // What is inside has no place in the stream.
            Talk::Tls(_) => 0,
        };
        Some(next.wrapping_sub(unread as u32))
    }

    fn push(&mut self, side: usize, arrival: &Arrival<'_>, sink: &mut Sink<'_, '_>) {
        let segment = &arrival.segment;
        let Arrival { frame, time, .. } = *arrival;
        let seen = Seen { frame, time, path: segment.path, sequence: segment.sequence };
        if segment.flags & ACK != 0
            && let Some(known) = self.acknowledged.get_mut(side ^ 1)
        {
            let is_later = |known: u32| distance(segment.acknowledgement, known) > 0;
            if known.is_none_or(is_later) {
                *known = Some(segment.acknowledgement);
            }
        }
        let acknowledged = self.acknowledged.get(side).copied().flatten();
        let Some(order) = self.orders.get_mut(side) else { return };
        let talk = &mut self.talk;
        let reader = &mut SideReader { talk, side, acknowledged, sink };
        if segment.flags & SYN != 0 {
            order.open(segment.sequence, reader);
        }
        let was_waiting = order.is_waiting();
        order.push(segment, seen, reader);
        self.lacks_end = segment.flags & (FIN | RST) != 0 && order.is_waiting();
        if segment.flags & (FIN | RST) != 0 && self.end.is_none() {
            let at = (arrival.frame, arrival.time);
            self.end = Some(End { side, is_reset: segment.flags & RST != 0, at });
        }
        // What waits may still join on when the end has come early.
        let is_end_alone = !was_waiting && segment.payload.is_empty();
        if segment.flags & FIN != 0 && (is_end_alone || !order.is_waiting()) {
            reader.end();
        }
        let end = segment.sequence.wrapping_add(segment.payload.len() as u32);
        if segment.flags & FIN != 0
            && order.lacks(end)
            && let Talk::Tls(session) = &mut self.talk
        {
            session.miss();
        }
        if segment.flags & RST != 0 {
            self.end(sink);
        }
    }

    /// A SYN begins another use of the two ports, unless it goes with the one under way.
    fn is_reused(&self, side: usize, segment: &Segment<'_>) -> bool {
        let Some(order) = self.orders.get(side).filter(|_| segment.flags & SYN != 0) else {
            return false;
        };
        let is_known = order.was_opened_with(segment.sequence);
        let is_answer = segment.flags & ACK != 0 && order.is_fresh();
        !is_known && !is_answer && !order.waits_for(segment.sequence)
    }

    /// Both directions have come to their end: what waits or is open is handed on as far as it
    /// goes.
    fn end(&mut self, sink: &mut Sink<'_, '_>) {
        self.each_side(sink, |order, reader| {
            order.end(reader);
            reader.end();
        });
    }

    fn each_side(
        &mut self,
        sink: &mut Sink<'_, '_>,
        mut act: impl FnMut(&mut Order, &mut SideReader<'_, '_, '_>),
    ) {
        for (side, order) in self.orders.iter_mut().enumerate() {
            let acknowledged = self.acknowledged.get(side).copied().flatten();
            act(order, &mut SideReader { talk: &mut self.talk, side, acknowledged, sink });
        }
    }

    fn waits_since(&self) -> Option<Time> {
        self.orders.iter().filter_map(Order::waits_since).min()
    }

    fn count_held(&mut self) -> Held {
        let talk = match &self.talk {
            Talk::Plain(conversation) => conversation.held(),
            Talk::Tls(session) => session.held(),
        };
        let now = self.orders.iter().map(Order::held).sum::<usize>() + talk;
        Held { before: std::mem::replace(&mut self.held, now), now }
    }

    /// What became of its TLS handshake, if one was seen.
    pub(super) fn handshake(&self) -> Option<Attempt> {
        match &self.talk {
            Talk::Plain(_) => None,
            Talk::Tls(session) => session.handshake(),
        }
    }

    /// How the first side ended it.
    pub(super) fn ended(&self) -> Option<End> {
        self.end
    }

    /// Both sides were seen.
    pub(super) fn has_both(&self) -> bool {
        self.orders.iter().all(|order| !order.is_fresh())
    }

    /// The connection and what went over it, if it is one of TLS and nothing of it could be read.
    pub(super) fn unopened(&self) -> Option<(&Session, Traffic)> {
        match &self.talk {
            Talk::Plain(_) => None,
            Talk::Tls(session) => Some((session, session.unopened()?)),
        }
    }
}

/// Reads one side of a flow.
struct SideReader<'f, 's, 'd> {
    talk: &'f mut Talk,
    side: usize,
    acknowledged: Option<u32>,
    sink: &'f mut Sink<'s, 'd>,
}

impl SideReader<'_, '_, '_> {
    fn end(&mut self) {
        match self.talk {
            Talk::Plain(conversation) => conversation.end(self.side, self.sink),
            Talk::Tls(session) => session.end(self.side, self.sink),
        }
    }
}

impl Reader for SideReader<'_, '_, '_> {
    fn may_begin(&self, bytes: &[u8]) -> bool {
        is_recognised(bytes)
    }

    fn is_patient(&self) -> bool {
        match &*self.talk {
            Talk::Plain(conversation) => conversation.is_patient(self.side),
            Talk::Tls(session) => session.is_patient(self.side),
        }
    }

    fn take(&mut self, bytes: &[u8], seen: Seen) {
        let conversation = match self.talk {
            Talk::Tls(session) => return session.take(self.side, bytes, seen, self.sink),
            Talk::Plain(conversation) => conversation,
        };
        conversation.take(self.side, bytes, seen, self.sink);
        if let Some(unread) = conversation.hand_over() {
            let mut session = Box::new(Session::new(seen));
            for (side, bytes) in unread.iter().enumerate().filter(|(_, bytes)| !bytes.is_empty()) {
                session.take(side, bytes, seen, self.sink);
            }
            *self.talk = Talk::Tls(session);
        }
    }

    fn lose(&mut self, bytes: u32) {
        match self.talk {
            Talk::Plain(conversation) => conversation.lose(self.side, bytes, self.sink),
            Talk::Tls(session) => session.lose(self.side, bytes, self.sink),
        }
    }

    fn miss(&mut self, bytes: u32, until: u32, seen: Seen) {
        let is_sip = match &*self.talk {
            Talk::Plain(conversation) => conversation.is_sip(self.side),
            Talk::Tls(session) => session.is_sip(self.side),
        };
        let has_come = self.acknowledged.is_some_and(|known| distance(known, until) >= 0);
        if bytes > 0 && is_sip && has_come {
            let Seen { frame, time, path, .. } = seen;
            let Path { source, destination, .. } = path;
            self.sink.holes.add(Hole { source, destination, bytes, frame, time });
        }
    }

    fn copy(&mut self) {
        self.sink.counts.copies += 1;
    }
}

impl Seen {
    /// The later of two places.
    pub(super) fn or_later(self, other: Self) -> Self {
        if (other.time, other.frame) >= (self.time, self.frame) { other } else { self }
    }

    pub(super) fn delivery<'b>(
        &self,
        bytes: &'b [u8],
        transport: Transport,
        is_cut: bool,
    ) -> Delivery<'b> {
        Delivery {
            frame: self.frame,
            time: self.time,
            source: self.path.source,
            destination: self.path.destination,
            transport,
            ip_id: self.path.ip_id,
            is_cut,
            is_fragmented: false,
            bytes: Cow::Borrowed(bytes),
            place: None,
        }
    }
}

#[cfg(test)]
mod tests;
