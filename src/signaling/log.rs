//! The messages of one Call-ID, as they come in.

use crate::capture::FrameId;
use crate::limits::{BYTES_PER_CALL_MAX, MESSAGES_PER_CALL_MAX};
use crate::packet::Endpoint;
use crate::sip::{Class, Head, Method, Status};
use crate::time::{Span, Time};
use crate::transport::{Delivery, Transport};

/// The same payload again within this time is a capture copy.
const COPY_WINDOW: Span = Span::from_millis(2);

/// The same payload with the same IP identification within this time is a capture copy.
const COPY_WINDOW_SAME_ID: Span = Span::from_millis(50);

/// The same payload in another capture within this time is a copy: it went its way, or the clocks
/// differ. Less than the first retransmission takes (T1, RFC 3261, section 17.1.1.1).
const COPY_WINDOW_OTHER: Span = Span::from_millis(250);

/// The same, with the same IP identification: it cannot be a retransmission.
const COPY_WINDOW_OTHER_SAME_ID: Span = Span::from_secs(2);

/// Messages looked back at for a copy.
const COPY_LOOK_BACK: usize = 16;

/// Messages looked back at for a copy where several captures are read.
const COPY_LOOK_BACK_OTHER: usize = 64;

/// How long after its last message a call without anything pending is over: every timer of RFC
/// 3261, section 17, has run out after 64*T1 (32 s); the rest is the second that an assertion of
/// absence needs, and some air.
const LINGER: Span = Span::from_secs(40);

/// How long an INVITE without a final response is waited for after its last message: timer C and
/// the above.
const LINGER_PENDING: Span = Span::from_secs(240);

/// How long a dialog that was not ended is waited for after its last message.
const LINGER_ESTABLISHED: Span = Span::from_secs(4 * 3600);

/// The messages of one Call-ID in order of capture, with their bytes.
#[derive(Debug)]
pub struct CallLog {
    entries: Vec<Entry>,
    /// Bytes of all messages.
    bytes: usize,
    last: Time,
    phase: Phase,
    dropped: u64,
    /// When the first message came that was not kept; from then on none is, so that nothing is
    /// missing before.
    full_since: Option<Time>,
    copies: u64,
    look_back: usize,
}

/// A message and where it was seen.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) frame: FrameId,
    pub(crate) time: Time,
    pub(crate) source: Endpoint,
    pub(crate) destination: Endpoint,
    pub(crate) transport: Transport,
    pub(crate) ip_id: u16,
    pub(crate) is_cut: bool,
    pub(crate) is_fragmented: bool,
    /// On their own: a list of all that grows is copied as often, and open calls are most of the
    /// memory of a run.
    bytes: Box<[u8]>,
}

impl Entry {
    /// Up to when the same bytes are a copy.
    fn copy_window(&self, delivery: &Delivery<'_>) -> Span {
        let is_other = self.frame.capture != delivery.frame.capture;
        let has_ids = self.ip_id != 0 && delivery.ip_id != 0;
        match (has_ids && self.ip_id == delivery.ip_id, is_other) {
            (true, true) => COPY_WINDOW_OTHER_SAME_ID,
            (true, false) => COPY_WINDOW_SAME_ID,
            (false, true) if !has_ids => COPY_WINDOW_OTHER,
            (false, _) => COPY_WINDOW,
        }
    }

    /// Of two captures, one may have cut what the other has in full.
    fn has_same_bytes(&self, delivery: &Delivery<'_>) -> bool {
        let is_other = self.frame.capture != delivery.frame.capture;
        *self.bytes == *delivery.bytes
            || (is_other && self.is_cut && delivery.bytes.starts_with(&self.bytes))
            || (is_other && delivery.is_cut && self.bytes.starts_with(&delivery.bytes))
    }
}

/// What a log waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// Nothing but timers.
    Idle,
    /// The final response to an INVITE.
    Pending,
    /// The end of a dialog.
    Established,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It was kept.
    Kept,
    /// It is the copy of a message that was captured twice (not a retransmission).
    Copy,
    /// It is the copy of a message that another capture has as well.
    Shared,
    /// The call has too many messages; it was counted.
    Dropped,
}

impl CallLog {
    /// A log without messages.
    pub fn new(start: Time) -> Self {
        Self {
            entries: Vec::new(),
            bytes: 0,
            last: start,
            phase: Phase::Idle,
            dropped: 0,
            full_since: None,
            copies: 0,
            look_back: COPY_LOOK_BACK,
        }
    }

    /// Takes the next message of the Call-ID; `head` is what its first pass over the bytes found.
    pub fn push(&mut self, delivery: &Delivery<'_>, head: &Head<'_>) -> Pushed {
        if let Some(capture) = self.copy_of(delivery) {
            self.copies += 1;
            return match capture == delivery.frame.capture {
                true => Pushed::Copy,
                false => Pushed::Shared,
            };
        }
        self.last = self.last.max(delivery.time);
        self.phase = self.phase_after(head);
        let bytes = self.bytes + delivery.bytes.len();
        let has_room = self.entries.len() < MESSAGES_PER_CALL_MAX && bytes <= BYTES_PER_CALL_MAX;
        if !has_room || self.full_since.is_some() {
            self.dropped += 1;
            self.full_since.get_or_insert(delivery.time);
            return Pushed::Dropped;
        }
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(2.max(self.entries.len() / 4));
        }
        self.bytes = bytes;
        self.entries.push(Entry {
            frame: delivery.frame,
            time: delivery.time,
            source: delivery.source,
            destination: delivery.destination,
            transport: delivery.transport,
            ip_id: delivery.ip_id,
            is_cut: delivery.is_cut,
            is_fragmented: delivery.is_fragmented,
            bytes: (&*delivery.bytes).into(),
        });
        Pushed::Kept
    }

    /// The moment after which the call is over unless another message comes.
    pub fn closes_at(&self) -> Time {
        self.last
            + match self.phase {
                Phase::Idle => LINGER,
                Phase::Pending => LINGER_PENDING,
                Phase::Established => LINGER_ESTABLISHED,
            }
    }

    /// The latest time of a message.
    pub fn last(&self) -> Time {
        self.last
    }

    /// Messages that were counted, not kept.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// When the first message came that was not kept: up to then the call is whole.
    pub fn full_since(&self) -> Option<Time> {
        self.full_since
    }

    /// How many messages it keeps.
    pub(crate) const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Messages that were captured twice.
    pub fn copies(&self) -> u64 {
        self.copies
    }

    /// Bytes of memory that its messages take.
    pub(crate) fn room(&self) -> usize {
        self.bytes + self.entries.capacity() * size_of::<Entry>()
    }

    /// Every message kept, with its bytes, in order of capture.
    pub(crate) fn entries(&self) -> impl DoubleEndedIterator<Item = (&Entry, &[u8])> {
        self.entries.iter().map(|entry| (entry, &*entry.bytes))
    }

    /// Whether a message that was kept went the way of the last one; looks at a few before it.
    pub(crate) fn has_way_of_last(&self) -> bool {
        const LOOK_BACK: usize = 8;
        let mut latest = self.entries.iter().rev();
        let Some(last) = latest.next() else { return false };
        latest.take(LOOK_BACK).any(|entry| {
            entry.source.address == last.source.address
                && entry.destination.address == last.destination.address
        })
    }

    /// Guard G4: the same bytes on the same way too soon for a retransmission. Gives the capture
    /// that has them as well.
    fn copy_of(&mut self, delivery: &Delivery<'_>) -> Option<u16> {
        let own = delivery.frame.capture;
        if self.entries.first().is_some_and(|entry| entry.frame.capture != own) {
            self.look_back = COPY_LOOK_BACK_OTHER;
        }
        let length = delivery.bytes.len();
        let original = self.entries.iter().rev().take(self.look_back).find(|entry| {
            (entry.bytes.len() == length || entry.frame.capture != own)
                && delivery.time.since(entry.time).abs() <= entry.copy_window(delivery)
                && entry.source == delivery.source
                && entry.destination == delivery.destination
                && entry.has_same_bytes(delivery)
        });
        original.map(|entry| entry.frame.capture)
    }

    fn phase_after(&self, head: &Head<'_>) -> Phase {
        match (head.method(), head.status().map(Status::class)) {
            (Some(Method::Invite), None) => self.phase.max(Phase::Pending),
            (Some(Method::Invite), Some(Class::Provisional)) => self.phase.max(Phase::Pending),
            (Some(Method::Invite), Some(Class::Success)) => Phase::Established,
            (Some(Method::Invite), Some(_)) if self.phase == Phase::Pending => Phase::Idle,
            (Some(Method::Bye), _) => Phase::Idle,
            _ => self.phase,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::sip;

    /// Pushes an OPTIONS of so many bytes about, a second after the one before.
    fn push(log: &mut CallLog, number: u32, length: usize) -> Pushed {
        let text = format!(
            "OPTIONS sip:b SIP/2.0\r\nCall-ID: long\r\nCSeq: {number} OPTIONS\r\n\r\n{}",
            "x".repeat(length)
        );
        let end = |last| Endpoint { address: [192, 0, 2, last].into(), port: 5060 };
        let delivery = Delivery {
            frame: FrameId { capture: 0, number: u64::from(number) },
            time: at(number),
            source: end(1),
            destination: end(2),
            transport: Transport::Udp,
            ip_id: 0,
            is_cut: false,
            is_fragmented: false,
            place: None,
            bytes: Cow::Owned(text.into_bytes()),
        };
        let head = sip::head(&delivery.bytes).expect("a SIP message");
        log.push(&delivery, &head)
    }

    fn at(second: u32) -> Time {
        Time::default() + Span::from_secs(i64::from(second))
    }

    #[test]
    fn a_call_has_so_many_messages_and_counts_the_others() {
        let mut log = CallLog::new(Time::default());
        let most = u32::try_from(MESSAGES_PER_CALL_MAX).expect("a small number");
        for number in 0..most {
            assert_eq!(push(&mut log, number, 0), Pushed::Kept);
        }
        assert_eq!((log.dropped(), log.full_since()), (0, None));
        assert_eq!(push(&mut log, most, 0), Pushed::Dropped);
        assert_eq!(push(&mut log, most + 1, 0), Pushed::Dropped);
        assert_eq!((log.dropped(), log.full_since()), (2, Some(at(most))));
        assert_eq!(log.last(), at(most + 1), "it is not over");
        assert_eq!(log.messages().len(), MESSAGES_PER_CALL_MAX);
    }

    #[test]
    fn behind_a_message_that_is_too_large_nothing_is_kept() {
        let mut log = CallLog::new(Time::default());
        let large = BYTES_PER_CALL_MAX / 4;
        let pushed: Vec<_> = (0..4).map(|number| push(&mut log, number, large)).collect();
        assert_eq!(pushed, [Pushed::Kept, Pushed::Kept, Pushed::Kept, Pushed::Dropped]);
        assert_eq!(push(&mut log, 4, 0), Pushed::Dropped, "a hole would be taken for a silence");
        assert_eq!((log.dropped(), log.full_since()), (2, Some(at(3))));
    }
}
