//! What the first pass learns: the fragments and segments in which wanted messages lie.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use rustc_hash::FxHashMap;

use crate::capture::{Frame, FrameId};
use crate::limits::TCP_FLOWS_MAX;
use crate::packet::{Endpoint, Fragment, Piece, Segment};
use crate::pipeline::origin::Origin;
use crate::time::{Span, Time};
use crate::transport::message_in_datagram;

const UDP: u8 = 17;
const UDP_HEADER: usize = 8;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;

/// How long after the first fragment of a packet that never became whole others may come. They
/// may wait for each other for longer (RFC 8200, section 4.5), but by then the number of the packet
/// can be that of another one.
const APART: Span = Span::from_secs(2);

/// How long after the last message its receiver may acknowledge it.
const ACKNOWLEDGED: Span = Span::from_secs(1);

/// What is to be kept of fragments and connections.
#[derive(Debug)]
pub(super) struct Plan {
    /// Fragments that are kept as they are.
    fragments: FxHashMap<FrameId, Vec<usize>>,
    /// First fragments that begin with a wanted message and never became whole, and those of other
    /// packets with the same number.
    lost: FxHashMap<Key, Vec<Head>>,
    /// Where they are there, by frame.
    heads: FxHashMap<FrameId, Key>,
    /// Connections that carry wanted messages.
    connections: FxHashMap<FrameId, BTreeMap<usize, Window>>,
    /// What is kept of the payload of a segment, by group, as places in the frame.
    pieces: FxHashMap<FrameId, Vec<(usize, Range<usize>)>>,
    /// Wanted messages in streams, by number: connection and group.
    messages: HashMap<u64, (FrameId, usize)>,
    /// The first frame with payload of connections, and whether there was no room for all.
    begun: FxHashMap<FrameId, FrameId>,
    is_full: bool,
    messages_max: usize,
}

/// A first fragment.
#[derive(Clone, Copy, Debug)]
struct Head {
    frame: FrameId,
    time: Time,
    /// Whose message it begins with; none for others.
    group: Option<usize>,
}

/// The fragments of one packet have these in common.
type Key = ([Endpoint; 2], u32, u8);

/// The part of a connection that is kept for a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// The group.
    pub(super) group: usize,
    /// Nothing of others went before it.
    is_beginning: bool,
    /// The first and the last frame with a wanted message, of each capture.
    frames: Vec<(u16, u64, u64)>,
    /// The time of the last message.
    until: Time,
    /// How it began and ended is evidence.
    is_evidence: bool,
}

/// The message that a first fragment begins with.
pub(super) fn beginning<'f>(fragment: &Fragment<'f>) -> Option<&'f [u8]> {
    if fragment.offset > 0 || fragment.protocol != UDP {
        return None;
    }
    message_in_datagram(fragment.payload.get(UDP_HEADER..)?)
}

fn key(fragment: &Fragment<'_>) -> Key {
    let path = fragment.path;
    ([path.source, path.destination], fragment.id, fragment.protocol)
}

impl Plan {
    /// Room for so many messages in streams.
    pub(super) fn with_room_for(messages_max: usize) -> Self {
        Self {
            fragments: FxHashMap::default(),
            lost: FxHashMap::default(),
            heads: FxHashMap::default(),
            connections: FxHashMap::default(),
            pieces: FxHashMap::default(),
            messages: HashMap::default(),
            begun: FxHashMap::default(),
            is_full: false,
            messages_max,
        }
    }

    /// The message has its place in what is kept of a connection; the others come by themselves.
    pub(super) fn has(&self, message: u64) -> bool {
        self.messages.contains_key(&message)
    }

    /// A message that lies in the segments of a connection.
    pub(super) fn message(&mut self, connection: FrameId, group: usize, origin: &Origin<'_>) {
        if self.messages.len() >= self.messages_max {
            return;
        }
        let first = self.begun.get(&connection);
        let is_beginning = match first {
            Some(first) => origin.pieces.iter().any(|piece| piece.frame == *first),
            None => !self.is_full,
        };
        self.messages.insert(origin.message, (connection, group));
        let window = self.window(connection, group);
        if window.frames.is_empty() {
            window.is_beginning = is_beginning;
        }
        window.until = window.until.max(origin.time);
        self.keep(connection, group, &origin.pieces);
    }

    /// Bytes of it came again.
    pub(super) fn again(&mut self, message: u64, pieces: &[Piece]) {
        if let Some((connection, group)) = self.messages.get(&message).copied() {
            self.keep(connection, group, pieces);
        }
    }

    /// How a connection began and ended is evidence.
    pub(super) fn control(&mut self, connection: FrameId, group: usize) {
        self.window(connection, group).is_evidence = true;
    }

    /// A segment has payload.
    pub(super) fn has_payload(&mut self, connection: FrameId, frame: FrameId) {
        if self.begun.len() < 4 * TCP_FLOWS_MAX {
            self.begun.entry(connection).or_insert(frame);
        } else {
            self.is_full = true;
        }
    }

    /// Fragments of a packet that is wanted.
    pub(super) fn whole(&mut self, frames: &[FrameId], groups: &[usize]) {
        if groups.is_empty() {
            return;
        }
        let head = frames.iter().find_map(|frame| Some((*frame, *self.heads.get(frame)?)));
        let key = head.map(|(_, key)| key);
        let others = self.others(key, frames, groups);
        for frame in frames.iter().filter(|frame| others.is_none_or(|others| **frame < others)) {
            self.fragments.entry(*frame).or_default().extend_from_slice(groups);
        }
        let lost = key.and_then(|key| self.lost.get_mut(&key)).filter(|_| others.is_none());
        if let (Some(lost), Some((frame, _))) = (lost, head) {
            // It is not lost, so nothing else is a part of it.
            lost.retain(|head| head.frame != frame);
        }
    }

    /// Where the packet of somebody else begins that took the place of what was missing.
    fn others(&self, key: Option<Key>, frames: &[FrameId], groups: &[usize]) -> Option<FrameId> {
        let (first, last) = (frames.iter().min()?, frames.iter().max()?);
        let heads = key.and_then(|key| self.lost.get(&key))?.iter();
        let is_other = |head: &&Head| head.group.is_none_or(|own| !groups.contains(&own));
        let frames = heads.filter(is_other).map(|head| head.frame);
        frames.filter(|frame| (first..=last).contains(&frame)).min()
    }

    /// A first fragment, with the group that wants the message that it begins with.
    pub(super) fn beginning(
        &mut self,
        fragment: &Fragment<'_>,
        group: Option<usize>,
        frame: &Frame<'_>,
    ) {
        let key = key(fragment);
        let head = Head { frame: frame.id, time: frame.time, group };
        match group {
            Some(_) => {
                self.heads.insert(frame.id, key);
                self.lost.entry(key).or_default().push(head);
            }
            None => self.lost.get_mut(&key).into_iter().for_each(|lost| lost.push(head)),
        }
    }

    /// The groups that want a fragment for the packet that it became a part of.
    pub(super) fn groups_of(&self, frame: FrameId) -> &[usize] {
        self.fragments.get(&frame).map(Vec::as_slice).unwrap_or_default()
    }

    /// The group that wants a fragment of a packet that never became whole: that of the first
    /// fragment before it, or soon after it if there is none before.
    pub(super) fn lost(&self, fragment: &Fragment<'_>, time: Time) -> Option<usize> {
        let known = self.lost.get(&key(fragment)).map(Vec::as_slice).unwrap_or_default();
        let mut near = known.iter().filter(|head| time.since(head.time).abs() <= APART);
        let before = near.clone().rfind(|head| head.time <= time);
        before.or_else(|| near.next())?.group
    }

    /// What is kept of a connection.
    pub(super) fn windows(
        &self,
        connection: Option<FrameId>,
    ) -> impl Iterator<Item = &Window> + use<'_> {
        let own = connection.and_then(|connection| self.connections.get(&connection));
        own.into_iter().flat_map(BTreeMap::values)
    }

    /// What a group keeps of the payload of a segment.
    pub(super) fn ranges(&self, frame: FrameId, group: usize) -> Vec<Range<usize>> {
        let pieces = self.pieces.get(&frame).map(Vec::as_slice).unwrap_or_default();
        let own = pieces.iter().filter(|(known, _)| *known == group);
        own.map(|(_, range)| range.clone()).collect()
    }

    fn window(&mut self, connection: FrameId, group: usize) -> &mut Window {
        let windows = self.connections.entry(connection).or_default();
        windows.entry(group).or_insert(Window {
            group,
            is_beginning: false,
            frames: Vec::new(),
            until: Time::from_nanos(i64::MIN),
            is_evidence: false,
        })
    }

    fn keep(&mut self, connection: FrameId, group: usize, pieces: &[Piece]) {
        let window = self.window(connection, group);
        pieces.iter().for_each(|piece| window.extend(piece.frame));
        for piece in pieces {
            let range = piece.offset..piece.offset + piece.length;
            self.pieces.entry(piece.frame).or_default().push((group, range));
        }
    }
}

impl Window {
    fn extend(&mut self, frame: FrameId) {
        let known = self.frames.iter_mut().find(|(capture, ..)| *capture == frame.capture);
        match known {
            Some((_, first, last)) => {
                *first = frame.number.min(*first);
                *last = frame.number.max(*last);
            }
            None => self.frames.push((frame.capture, frame.number, frame.number)),
        }
    }

    /// A segment of the connection is kept.
    pub(super) fn has(&self, frame: &Frame<'_>, segment: &Segment<'_>) -> bool {
        let place = |(capture, first, last): &(u16, u64, u64)| {
            let number = frame.id.number;
            (*capture == frame.id.capture).then_some((number < *first, number > *last))
        };
        let place = self.frames.iter().find_map(place);
        let is_inside = place == Some((false, false));
        if !segment.payload.is_empty() {
            return is_inside;
        }
        let is_before = place.is_some_and(|(is_before, _)| is_before);
        let is_opening = segment.flags & SYN != 0;
        let is_end = segment.flags & (FIN | RST) != 0;
        let is_soon_after =
            !is_before && place.is_some() && frame.time.since(self.until) <= ACKNOWLEDGED;
        self.is_evidence
            || is_inside
            || is_before && self.is_beginning
            || is_soon_after && !is_opening
            || is_end && place.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Transport;

    #[test]
    fn messages_in_streams_are_bounded_and_the_others_come_by_themselves() {
        let endpoint = Endpoint { address: [192, 0, 2, 1].into(), port: 5060 };
        let connection = FrameId { capture: 0, number: 1 };
        let mut plan = Plan::with_room_for(2);
        for number in 0..4 {
            let frame = FrameId { capture: 0, number: number + 1 };
            let origin = Origin {
                message: number,
                frame,
                time: Time::default(),
                source: endpoint,
                destination: endpoint,
                transport: Transport::Tcp,
                is_cut: false,
                bytes: b"message",
                pieces: vec![Piece { frame, offset: 54, length: 7, at: 0 }],
                unit: Vec::new(),
                mask: None,
                is_fragmented: false,
                connection: Some(connection),
            };
            plan.message(connection, 0, &origin);
            plan.again(number, &origin.pieces);
        }
        assert_eq!([0, 1, 2, 3].map(|message| plan.has(message)), [true, true, false, false]);
        // Nothing else is kept for them either.
        assert_eq!(plan.pieces.len(), 2);
        let window = plan.windows(Some(connection)).next().expect("a window");
        assert_eq!(window.frames, [(0, 1, 2)]);
    }
}
