//! Telephone events (RFC 4733): digits that are sent as packets of their own.
//!
//! Which payload type they have is in the SDP. Until it is known, four bytes of media on a dynamic
//! payload type that read like an event are kept as one.

use super::{RtpPacket, Seen};
use crate::limits::TELEPHONE_EVENTS_MAX;

/// The first of the dynamic payload types (RFC 3551, section 6).
const DYNAMIC: u8 = 96;

/// The highest event of telephones and of the tones that gateways pass on (RFC 4733, RFC 4734).
const EVENT_MAX: u8 = 63;

/// One event: a digit that was pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct TelephoneEvent {
    /// The payload type it came with.
    pub payload_type: u8,
    /// 0 to 9 are digits, 10 is `*`, 11 is `#`, 12 to 15 are A to D, 16 is the hook flash.
    pub event: u8,
    /// Its first packet.
    pub first: Seen,
    /// Its last packet.
    pub last: Seen,
    /// How long it lasted, in units of its clock.
    pub duration: u16,
    /// Packets of it, ends included.
    pub packets: u16,
    /// A packet said that it was over.
    pub has_end: bool,
    timestamp: u32,
}

impl TelephoneEvent {
    /// `0` to `9`, `*`, `#`, `A` to `D`; `None` for what is on no key.
    pub fn key(&self) -> Option<char> {
        "0123456789*#ABCD".chars().nth(usize::from(self.event))
    }
}

/// The events of one stream.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub(super) struct Events {
    pub(super) listed: Vec<TelephoneEvent>,
    pub(super) dropped: u64,
}

/// The packet reads like an event.
#[inline]
pub(super) fn is_event(packet: &RtpPacket) -> bool {
    let [event, flags, ..] = packet.four;
    // The reserved bit is 0, and no event is reported before it has lasted.
    packet.octets == 4 && packet.payload_type >= DYNAMIC && event <= EVENT_MAX && flags & 0x40 == 0
}

impl Events {
    pub(super) fn push(&mut self, packet: &RtpPacket) {
        let [event, flags, high, low] = packet.four;
        let duration = u16::from_be_bytes([high, low]);
        let has_end = flags & 0x80 != 0;
        let seen = Seen::of(packet);
        let known = self.listed.iter_mut().rev().take(2).find(|known| {
            (known.timestamp, known.event, known.payload_type)
                == (packet.timestamp, event, packet.payload_type)
        });
        if let Some(known) = known {
            known.last = known.last.max(seen);
            known.duration = known.duration.max(duration);
            known.packets = known.packets.saturating_add(1);
            known.has_end |= has_end;
        } else if self.listed.len() < TELEPHONE_EVENTS_MAX {
            self.listed.push(TelephoneEvent {
                payload_type: packet.payload_type,
                event,
                first: seen,
                last: seen,
                duration,
                packets: 1,
                has_end,
                timestamp: packet.timestamp,
            });
        } else {
            self.dropped += 1;
        }
    }
}
