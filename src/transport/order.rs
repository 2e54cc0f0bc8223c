//! Puts the segments of one direction of a TCP flow in order (RFC 9293, section 3.4).
//!
//! Bytes are handed to a [`Reader`] once, in order of their sequence numbers; what comes behind a
//! gap waits for a while. Knows nothing of what the bytes are.

use crate::limits::{TCP_WAITING_BYTES_MAX, TCP_WAITING_SEGMENTS_MAX};
use crate::packet::Segment;
use crate::time::{Span, Time};
use crate::transport::tcp::{FIN, RST, SYN, Seen};

/// A gap that is older is taken for lost by the capture: a sender repeats a lost segment sooner.
pub const GAP_PATIENCE: Span = Span::from_secs(3);

/// A duplicate within this time is a capture copy, not a retransmission.
const COPY_WINDOW: Span = Span::from_millis(2);

/// Segments that may come before the first one that was captured, where the opening was not.
const START_SEGMENTS: usize = 3;

/// A repeated segment lies no further back; what does belongs to another use of the ports.
const REPEAT_BYTES_MAX: i32 = 4 << 20;

/// A segment that overtook its SYN starts within this many bytes of it.
const NEAR_BYTES: i32 = 64 << 10;

/// Takes the bytes of one direction.
pub(super) trait Reader {
    /// A message may begin with these bytes.
    fn may_begin(&self, bytes: &[u8]) -> bool;

    /// Bytes are wanted in order; otherwise those behind a gap are handed on at once.
    fn is_patient(&self) -> bool;

    /// Takes the bytes that come next.
    fn take(&mut self, bytes: &[u8], seen: Seen);

    /// The capture lacks the bytes that come next.
    fn lose(&mut self, bytes: u32);

    /// These bytes before a sequence number never came, but what was seen comes behind them.
    fn miss(&mut self, bytes: u32, until: u32, seen: Seen);

    /// A segment was captured twice.
    fn copy(&mut self);
}

/// One direction of a flow, as far as its order goes.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// The sequence number of the SYN.
    opened: Option<u32>,
    /// The sequence number of the first byte that was handed on.
    begun: Option<u32>,
    /// The sequence number that comes next; `None` while the beginning is not known.
    next: Option<u32>,
    /// Segments after a gap, sorted by sequence number.
    waiting: Vec<Waiting>,
    /// Bytes of them.
    held: usize,
    /// The latest segment, to know a capture copy from a retransmission.
    latest: Option<(u32, usize, Seen)>,
}

#[derive(Debug)]
struct Waiting {
    sequence: u32,
    bytes: Vec<u8>,
    missing: u32,
    seen: Seen,
}

/// How far `sequence` lies behind `base`, negative where it lies before it.
pub(super) fn distance(sequence: u32, base: u32) -> i32 {
    sequence.wrapping_sub(base).cast_signed()
}

impl Order {
    /// Bytes that wait, and what it takes to keep them: segments may have a single byte each.
    pub(super) fn held(&self) -> usize {
        self.held + self.waiting.capacity() * size_of::<Waiting>()
    }

    /// The sequence number that comes next, where it is known.
    pub(super) fn next(&self) -> Option<u32> {
        self.next
    }

    /// Segments wait.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Bytes before this sequence number have not come.
    pub(super) fn lacks(&self, sequence: u32) -> bool {
        self.next.is_none_or(|next| distance(sequence, next) > 0)
    }

    /// Nothing of the direction was seen.
    pub(super) fn is_fresh(&self) -> bool {
        self.next.is_none() && self.waiting.is_empty()
    }

    /// The direction was opened with this sequence number, as far as that was seen.
    pub(super) fn was_opened_with(&self, sequence: u32) -> bool {
        self.opened == Some(sequence)
    }

    /// The first bytes of this opening have come, before the opening itself.
    pub(super) fn waits_for(&self, sequence: u32) -> bool {
        let start = sequence.wrapping_add(1);
        let ahead = self.waiting.first().map(|first| distance(first.sequence, start));
        self.next.is_none() && ahead.is_some_and(|ahead| (0..NEAR_BYTES).contains(&ahead))
            || self.opened.is_none() && self.begun == Some(start)
    }

    /// Begins the direction at its SYN.
    pub(super) fn open(&mut self, sequence: u32, reader: &mut dyn Reader) {
        self.opened = Some(sequence);
        if self.next.is_none() {
            self.next = Some(sequence.wrapping_add(1));
            self.join_waiting(reader);
        }
    }

    /// Takes the next segment in order of capture.
    pub(super) fn push(&mut self, segment: &Segment<'_>, seen: Seen, reader: &mut dyn Reader) {
        self.expire(seen.time, reader);
        let is_bare = segment.payload.is_empty() && segment.missing == 0;
        // An end that lies behind a gap waits like bytes do, so that the gap is told.
        if is_bare && !(self.ends_behind_gap(segment) && reader.is_patient()) {
            return;
        }
        let mut segment = *segment;
        segment.sequence = segment.sequence.wrapping_add(u32::from(segment.flags & SYN != 0));
        match self.next.map(|next| distance(segment.sequence, next)) {
            None => self.begin(&segment, seen, reader),
            Some(ahead) if ahead < -REPEAT_BYTES_MAX => {
                self.end(reader);
                reader.lose(0);
                self.next = Some(segment.sequence);
                self.join(&segment, 0, seen, reader);
            }
            Some(ahead @ ..=0) => self.join(&segment, ahead.unsigned_abs(), seen, reader),
            Some(_) if reader.is_patient() => self.wait(&segment, seen, reader),
            Some(ahead) => {
                self.end(reader);
                reader.lose(ahead.unsigned_abs());
                self.next = Some(segment.sequence);
                self.join(&segment, 0, seen, reader);
            }
        }
    }

    /// The segment ends the direction, and bytes before it have not come. The number of a RST may
    /// be made up, and is one behind that of a FIN.
    fn ends_behind_gap(&self, segment: &Segment<'_>) -> bool {
        let ahead = |next| distance(segment.sequence, next);
        match segment.flags & (FIN | RST) {
            0 => false,
            FIN => self.next.is_some_and(|next| ahead(next) > 0),
            _ => self.next.is_some_and(|next| (2..NEAR_BYTES).contains(&ahead(next))),
        }
    }

    /// Goes on behind the gaps that are too old at that time.
    pub(super) fn expire(&mut self, now: Time, reader: &mut dyn Reader) {
        // Of a clock that was set back nobody knows how old the gap is.
        while self.waits_since().is_some_and(|since| now.since(since).abs() > GAP_PATIENCE) {
            self.give_up(reader);
        }
    }

    /// Goes on behind every gap.
    pub(super) fn end(&mut self, reader: &mut dyn Reader) {
        while !self.waiting.is_empty() {
            self.give_up(reader);
        }
    }

    /// When the first of the segments that wait came.
    pub(super) fn waits_since(&self) -> Option<Time> {
        self.waiting.iter().map(|waiting| waiting.seen.time).min()
    }

    /// The first segments of a direction whose opening was not captured: an earlier one may come
    /// after a later one.
    fn begin(&mut self, segment: &Segment<'_>, seen: Seen, reader: &mut dyn Reader) {
        let is_beginning = reader.may_begin(segment.payload);
        if !reader.is_patient() || is_beginning && self.waiting.is_empty() {
            self.end(reader);
            self.next = Some(segment.sequence);
            self.join(segment, 0, seen, reader);
            return;
        }
        self.wait(segment, seen, reader);
        if is_beginning || self.starts_in_order() || self.waiting.len() > START_SEGMENTS {
            self.give_up(reader);
        }
    }

    /// The first two segments that wait join on.
    fn starts_in_order(&self) -> bool {
        let [first, second, ..] = self.waiting.as_slice() else { return false };
        let length = u32::try_from(first.bytes.len()).unwrap_or(u32::MAX);
        let end = first.sequence.wrapping_add(length).wrapping_add(first.missing);
        distance(second.sequence, end) <= 0
    }

    /// Hands on a segment of which the first `known` bytes have been handed on before.
    fn join(&mut self, segment: &Segment<'_>, known: u32, seen: Seen, reader: &mut dyn Reader) {
        let length = segment.payload.len();
        if !self.hand_on(segment.payload, segment.missing, known, seen, reader) {
            let copied = self.latest.is_some_and(|(sequence, known, first)| {
                (sequence, known) == (segment.sequence, length)
                    // Two captures of one segment are no mistake.
                    && seen.frame.capture == first.frame.capture
                    && seen.time.since(first.time).abs() <= COPY_WINDOW
            });
            if copied {
                reader.copy();
            }
            return;
        }
        self.latest = Some((segment.sequence, length, seen));
        self.join_waiting(reader);
    }

    /// Hands on the bytes after the first `known` ones; false if there are none.
    fn hand_on(
        &mut self,
        bytes: &[u8],
        missing: u32,
        known: u32,
        seen: Seen,
        reader: &mut dyn Reader,
    ) -> bool {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        if known >= length.saturating_add(missing) {
            return false;
        }
        let fresh = bytes.get(known as usize..).unwrap_or_default();
        let lost = missing - known.saturating_sub(length);
        let advance = length.saturating_add(missing) - known;
        self.begun = self.begun.or(self.next);
        let seen = Seen { sequence: self.next.unwrap_or(seen.sequence), ..seen };
        self.next = self.next.map(|next| next.wrapping_add(advance));
        if !fresh.is_empty() {
            reader.take(fresh, seen);
        }
        if lost > 0 {
            reader.lose(lost);
        }
        true
    }

    /// Keeps a segment until the bytes before it have come.
    fn wait(&mut self, segment: &Segment<'_>, seen: Seen, reader: &mut dyn Reader) {
        let first = self.waiting.first().map(|first| first.sequence);
        let base = self.next.or(first).unwrap_or(segment.sequence);
        let order = |sequence: u32| distance(sequence, base);
        let place = self.waiting.partition_point(|w| order(w.sequence) <= order(segment.sequence));
        let known = place
            .checked_sub(1)
            .and_then(|place| self.waiting.get(place))
            .filter(|w| w.sequence == segment.sequence && w.bytes.len() >= segment.payload.len());
        if let Some(known) = known {
            if seen.time.since(known.seen.time).abs() <= COPY_WINDOW {
                reader.copy();
            }
            return;
        }
        let bytes = segment.payload.to_vec();
        self.held += bytes.len();
        let waiting = Waiting { sequence: segment.sequence, bytes, missing: segment.missing, seen };
        self.waiting.insert(place, waiting);
        while self.waiting.len() > TCP_WAITING_SEGMENTS_MAX || self.held > TCP_WAITING_BYTES_MAX {
            self.give_up(reader);
        }
    }

    /// Hands on what waited, as far as it joins on.
    fn join_waiting(&mut self, reader: &mut dyn Reader) {
        while let (Some(first), Some(next)) = (self.waiting.first(), self.next) {
            let ahead = distance(first.sequence, next);
            if ahead > 0 {
                return;
            }
            let Waiting { bytes, missing, seen, .. } = self.waiting.remove(0);
            self.held -= bytes.len();
            if self.waiting.is_empty() {
                // Memory is for those that need it.
                self.waiting = Vec::new();
            }
            self.hand_on(&bytes, missing, ahead.unsigned_abs(), seen, reader);
        }
    }

    /// Goes on behind the first gap: the bytes in it are lost to the capture.
    fn give_up(&mut self, reader: &mut dyn Reader) {
        let Some((first, seen)) = self.waiting.first().map(|first| (first.sequence, first.seen))
        else {
            return;
        };
        if let Some(next) = self.next {
            let bytes = first.wrapping_sub(next);
            reader.miss(bytes, first, seen);
            reader.lose(bytes);
        }
        self.next = Some(first);
        self.join_waiting(reader);
    }
}
