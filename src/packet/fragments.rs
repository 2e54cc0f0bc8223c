//! IP packets put together from their fragments.
//!
//! Where fragments overlap, the first data win: a repeated fragment has the same bytes, and one
//! that differs is an attempt to show the analyser something else than the phone saw.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::bytes;
use crate::capture::{Frame, FrameId};
use crate::limits;
use crate::packet::ip::{self, Body};
use crate::packet::{Descent, Endpoint, Fragment, Packet, Path, Piece};
use crate::time::{Span, Time};

/// How long a packet waits for its missing fragments: the larger value of RFC 8200, section 4.5.
const WAIT: Span = Span::from_secs(60);

/// The largest IP packet.
const PACKET_BYTES_MAX: u32 = 65_535;

/// Bytes of a lost packet that are kept: enough for a start line and the Call-ID.
const BEGINNING_BYTES: usize = 1024;

/// Puts fragments together: IPv4 and IPv6, in any order.
#[derive(Debug, Default)]
pub struct Defragmenter {
    waiting: FxHashMap<Key, Waiting>,
    /// Keys in the order in which their first fragment came; some of them may be done.
    order: VecDeque<(Key, u64)>,
    /// Packets that became whole: a fragment that comes again is not the beginning of a new one.
    whole: FxHashMap<Key, Time>,
    whole_order: VecDeque<Key>,
    serial: u64,
    incomplete: Incomplete,
}

/// The fragments of one packet have these in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    path: [Endpoint; 2],
    id: u32,
    /// 0 for IPv6, where the fragments after the first one need not name it.
    protocol: u8,
    /// One packet seen on two VLANs is two packets.
    vlan: u16,
}

#[derive(Debug)]
struct Waiting {
    serial: u64,
    since: Time,
    path: Path,
    protocol: u8,
    /// In the order of their offsets, without overlap.
    pieces: Vec<Part>,
    /// Length of the whole, once the last fragment came.
    total: Option<u32>,
    frames: Vec<FrameId>,
    /// Where the bytes of every fragment lie, of those that came again as well.
    lies: Vec<Piece>,
}

#[derive(Debug)]
struct Part {
    offset: u32,
    /// Where the piece ends; its bytes may end before, cut off by the snap length.
    end: u32,
    bytes: Vec<u8>,
}

/// A packet put together.
#[derive(Clone, Debug)]
pub struct Reassembled {
    /// Source and destination; no ports.
    pub path: Path,
    /// The protocol of the packet, or its first extension header.
    pub protocol: u8,
    /// Its bytes, up to the first that is missing.
    pub data: Vec<u8>,
    /// The snap length cut bytes off a fragment, so that `data` ends early.
    pub is_cut: bool,
    /// The frames of its fragments, in the order of the capture.
    pub frames: Vec<FrameId>,
    /// Where its bytes lie; of a fragment that was captured twice in both frames.
    lies: Vec<Piece>,
}

/// Packets that never became whole.
#[derive(Clone, Debug, Default)]
pub struct Incomplete {
    /// How many.
    pub count: u64,
    /// Fragments that were seen and were not the first of their packet, of whole packets, too.
    pub later: u64,
    /// The first of them.
    pub lost: Vec<Lost>,
    /// When the first came that is not among them.
    pub unlisted_from: Option<Time>,
    /// Packets that did not wait to the end, because too many did.
    pub evicted: u64,
    /// Fragments that were not kept, because their packet had too many.
    pub unkept: u64,
}

impl Incomplete {
    /// Packets that never became whole and are not among those that are described.
    pub fn unlisted(&self) -> u64 {
        self.count - self.lost.len() as u64
    }
}

/// A packet that never became whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Where it came from; with the port, if the first fragment was seen.
    pub source: Endpoint,
    /// Where it went.
    pub destination: Endpoint,
    /// The protocol of the packet.
    pub protocol: u8,
    /// Bytes that came.
    pub bytes: u32,
    /// Bytes of the whole, if the last fragment was seen.
    pub total: Option<u32>,
    /// The frame of the fragment that came first.
    pub frame: FrameId,
    /// When it came.
    pub time: Time,
    /// The beginning of the payload above UDP or TCP, as far as it is kept; empty without the first
    /// fragment.
    pub beginning: Vec<u8>,
}

impl Defragmenter {
    /// Takes a fragment; gives the packet when it is whole. If that is itself a tunnel with a
    /// fragment in it, the fragment is taken in turn.
    pub fn push(&mut self, frame: &Frame<'_>, fragment: Fragment<'_>) -> Option<Reassembled> {
        self.expire(frame.time);
        let lies = Piece::of(frame, fragment.payload);
        let mut whole = self.add(frame.time, &[frame.id], lies.as_slice(), &fragment)?;
        for _ in 0..limits::ENCAPSULATION_DEPTH_MAX {
            let Packet::Fragment(inner) = whole.packet() else { break };
            let lies = whole.pieces(inner.payload);
            whole = self.add(frame.time, &whole.frames, &lies, &inner)?;
        }
        Some(whole)
    }

    fn add(
        &mut self,
        time: Time,
        frames: &[FrameId],
        lies: &[Piece],
        fragment: &Fragment<'_>,
    ) -> Option<Reassembled> {
        self.incomplete.later += u64::from(fragment.offset > 0);
        let key = Key::of(fragment);
        if !self.waiting.contains_key(&key) {
            self.begin(key, time, fragment);
        }
        let waiting = self.waiting.get_mut(&key)?;
        self.incomplete.unkept += u64::from(!waiting.add(frames, lies, fragment));
        if !waiting.is_whole() {
            return None;
        }
        let waiting = self.waiting.remove(&key)?;
        self.remember(key, time);
        Some(waiting.whole())
    }

    /// Gives up what still waits: the capture is at its end.
    pub fn finish(&mut self) {
        while self.give_up_oldest() {}
    }

    /// What never became whole so far.
    pub fn incomplete(&self) -> &Incomplete {
        &self.incomplete
    }

    fn begin(&mut self, key: Key, time: Time, fragment: &Fragment<'_>) {
        if self.waiting.len() >= limits::FRAGMENTED_DATAGRAMS_MAX {
            self.incomplete.evicted += u64::from(self.give_up_oldest());
        }
        self.serial += 1;
        let waiting = Waiting {
            serial: self.serial,
            since: time,
            path: fragment.path,
            protocol: fragment.protocol,
            pieces: Vec::new(),
            total: None,
            frames: Vec::new(),
            lies: Vec::new(),
        };
        self.waiting.insert(key, waiting);
        self.order.push_back((key, self.serial));
        // Packets that became whole leave their place in the order behind.
        if self.order.len() > 4 * limits::FRAGMENTED_DATAGRAMS_MAX {
            let waiting = &self.waiting;
            self.order.retain(|(key, serial)| {
                waiting.get(key).is_some_and(|waiting| waiting.serial == *serial)
            });
        }
    }

    fn expire(&mut self, now: Time) {
        while let Some((key, serial)) = self.order.front() {
            let is_due = match self.waiting.get(key) {
                // Of a clock that was set back nobody knows how long the packet has waited.
                Some(waiting) if waiting.serial == *serial => now.since(waiting.since).abs() > WAIT,
                _ => true,
            };
            if !is_due {
                return;
            }
            self.give_up_front();
        }
    }

    /// Gives up the packet that waits longest; false when none waits.
    fn give_up_oldest(&mut self) -> bool {
        let before = self.waiting.len();
        while !self.order.is_empty() && self.waiting.len() == before {
            self.give_up_front();
        }
        self.waiting.len() < before
    }

    fn give_up_front(&mut self) {
        let Some((key, serial)) = self.order.pop_front() else { return };
        let Some(waiting) = self.waiting.get(&key) else { return };
        if waiting.serial != serial {
            return;
        }
        let Some(waiting) = self.waiting.remove(&key) else { return };
        // A copy of a fragment whose packet is whole is not a loss.
        let was_whole =
            self.whole.get(&key).is_some_and(|time| waiting.since.since(*time).abs() <= WAIT);
        if was_whole {
            return;
        }
        self.incomplete.count += 1;
        if self.incomplete.lost.len() < limits::LOST_DATAGRAMS_MAX {
            self.incomplete.lost.push(waiting.lost());
        } else {
            let known = self.incomplete.unlisted_from.into_iter();
            self.incomplete.unlisted_from = known.chain([waiting.since]).min();
        }
    }

    fn remember(&mut self, key: Key, time: Time) {
        if self.whole.insert(key, time).is_none() {
            self.whole_order.push_back(key);
        }
        if self.whole_order.len() > limits::FRAGMENTED_DATAGRAMS_MAX
            && let Some(key) = self.whole_order.pop_front()
        {
            self.whole.remove(&key);
        }
    }
}

impl Key {
    fn of(fragment: &Fragment<'_>) -> Self {
        let Path { source, destination, vlan, .. } = fragment.path;
        let protocol = match source.address.is_ipv6() {
            true => 0,
            false => fragment.protocol,
        };
        Self { path: [source, destination], id: fragment.id, protocol, vlan }
    }
}

impl Waiting {
    /// Takes a fragment; false if there is no room for it.
    fn add(&mut self, frames: &[FrameId], lies: &[Piece], fragment: &Fragment<'_>) -> bool {
        let room = |taken: usize| limits::FRAGMENTS_PER_DATAGRAM_MAX.saturating_sub(taken);
        self.frames.extend(frames.iter().take(room(self.frames.len())));
        let lies = lies.iter().map(|piece| piece.behind(fragment.offset as usize));
        self.lies.extend(lies.take(room(self.lies.len())));
        let claimed = (fragment.payload.len() as u32).saturating_add(fragment.missing);
        let end = fragment.offset.saturating_add(claimed);
        if self.pieces.len() >= limits::FRAGMENTS_PER_DATAGRAM_MAX {
            return false;
        }
        if end > PACKET_BYTES_MAX {
            return true;
        }
        if fragment.offset == 0 {
            self.protocol = fragment.protocol;
        }
        if !fragment.more && self.total.is_none() {
            self.total = Some(end);
        }
        self.insert(fragment.offset, end, fragment.payload);
        true
    }

    /// Keeps the parts that are not there yet.
    fn insert(&mut self, offset: u32, end: u32, payload: &[u8]) {
        let mut at = offset;
        let mut gaps = Vec::new();
        for piece in &self.pieces {
            if piece.offset > at {
                gaps.push((at, piece.offset.min(end)));
            }
            at = at.max(piece.known_end());
            if at >= end {
                break;
            }
        }
        if at < end {
            gaps.push((at, end));
        }
        for (start, stop) in gaps {
            let from = (start - offset) as usize;
            let to = payload.len().min((stop - offset) as usize);
            let Some(bytes) = payload.get(from..to) else { continue };
            let place = self.pieces.partition_point(|piece| piece.offset < start);
            let piece = Part { offset: start, end: stop, bytes: bytes.to_vec() };
            self.pieces.insert(place, piece);
        }
    }

    fn is_whole(&self) -> bool {
        let Some(total) = self.total else { return false };
        let mut at = 0;
        for piece in &self.pieces {
            if piece.offset > at {
                return false;
            }
            at = at.max(piece.end);
        }
        at >= total
    }

    /// The bytes from the beginning to the first gap.
    fn known(&self) -> Vec<u8> {
        let mut data = Vec::new();
        for piece in &self.pieces {
            if piece.offset as usize != data.len() {
                break;
            }
            data.extend_from_slice(&piece.bytes);
        }
        data
    }

    fn whole(mut self) -> Reassembled {
        self.frames.sort_unstable();
        self.frames.dedup();
        let mut data = self.known();
        let total = self.total.unwrap_or(0) as usize;
        data.truncate(total);
        let is_cut = data.len() < total;
        let Self { path, protocol, frames, lies, .. } = self;
        Reassembled { path, protocol, data, is_cut, frames, lies }
    }

    fn lost(self) -> Lost {
        let bytes = self.pieces.iter().map(|piece| piece.bytes.len() as u32).sum();
        let body = Body { bytes: &self.known(), missing: 0 };
        let (mut path, mut beginning) = (self.path, Vec::new());
        let descent = Descent { vlan: self.path.vlan, ..Descent::default() };
        match ip::upper(self.protocol, body, self.path, descent) {
            Ok(Packet::Udp { path: found, payload, .. }) => {
                (path, beginning) = (found, payload.to_vec());
            }
            Ok(Packet::Tcp(segment)) => {
                (path, beginning) = (segment.path, segment.payload.to_vec());
            }
            Ok(_) | Err(_) => {}
        }
        beginning.truncate(BEGINNING_BYTES);
        Lost {
            source: path.source,
            destination: path.destination,
            protocol: self.protocol,
            bytes,
            total: self.total,
            frame: self.frames.first().copied().unwrap_or_default(),
            time: self.since,
            beginning,
        }
    }
}

impl Part {
    /// Where the bytes end that are there.
    fn known_end(&self) -> u32 {
        self.offset.saturating_add(self.bytes.len() as u32)
    }
}

impl Reassembled {
    /// What the whole packet carries; that may be a tunnel.
    pub fn packet(&self) -> Packet<'_> {
        let body = Body { bytes: &self.data, missing: u32::from(self.is_cut) };
        let descent = Descent { vlan: self.path.vlan, ..Descent::default() };
        ip::upper(self.protocol, body, self.path, descent).unwrap_or_else(Packet::Unread)
    }

    /// Where bytes of the packet lie in the frames. A fragment that was captured twice has them
    /// twice.
    pub fn pieces(&self, bytes: &[u8]) -> Vec<Piece> {
        let Some(from) = bytes::offset_in(&self.data, bytes) else { return Vec::new() };
        self.lies.iter().filter_map(|piece| piece.within(from, bytes.len())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::LinkType;
    use crate::packet::decode;
    use crate::packet::samples::{MESSAGE, ipv4, ipv4_piece, ipv6, join, udp};

    const MORE: u16 = 0x2000;

    /// Takes raw IP packets as frames, one a second, and gives what became whole.
    fn reassemble(packets: &[Vec<u8>]) -> (Vec<Reassembled>, Incomplete) {
        let mut defragmenter = Defragmenter::default();
        let mut whole = Vec::new();
        for (packet, number) in packets.iter().zip(1..) {
            let frame = Frame {
                id: FrameId { capture: 0, number },
                time: Time::from_parts(number as i64, 0),
                link: LinkType::RAW,
                data: packet,
                original_length: packet.len() as u32,
            };
            match decode(&frame) {
                Packet::Fragment(fragment) => whole.extend(defragmenter.push(&frame, fragment)),
                Packet::Icmp { .. } => {}
                packet => panic!("{packet:?}"),
            }
        }
        defragmenter.finish();
        (whole, defragmenter.incomplete().clone())
    }

    /// A datagram in pieces of 16 bytes.
    fn pieces(id: u16) -> Vec<Vec<u8>> {
        let whole = udp(5060, 5060, MESSAGE);
        let count = whole.len().div_ceil(16);
        let piece = |(index, bytes): (usize, &[u8])| {
            let more = if index + 1 < count { MORE } else { 0 };
            ipv4_piece(17, id, more | (index as u16 * 2), bytes)
        };
        whole.chunks(16).enumerate().map(piece).collect()
    }

    fn assert_whole(packets: &[Vec<u8>], count: usize) {
        let (whole, incomplete) = reassemble(packets);
        assert_eq!((whole.len(), incomplete.count), (count, 0));
        for whole in whole {
            let Packet::Udp { path, payload, is_cut } = whole.packet() else { panic!() };
            assert_eq!((payload, is_cut, path.source.port), (MESSAGE, false, 5060));
        }
    }

    #[test]
    fn puts_fragments_together_in_any_order() {
        let ordered = pieces(7);
        let reversed: Vec<_> = ordered.iter().rev().cloned().collect();
        let twice: Vec<_> =
            ordered.iter().flat_map(|piece| [piece.clone(), piece.clone()]).collect();
        let mixed: Vec<_> = pieces(7).into_iter().zip(pieces(8)).flat_map(<[_; 2]>::from).collect();
        assert_whole(&ordered, 1);
        assert_whole(&reversed, 1);
        assert_whole(&twice, 1);
        assert_whole(&mixed, 2);
        assert_whole(&[ordered.clone(), ordered].concat(), 2);
    }

    #[test]
    fn names_the_frames_of_the_fragments() {
        let (whole, _) = reassemble(&pieces(7));
        let frames: Vec<u64> = whole[0].frames.iter().map(|frame| frame.number).collect();
        assert_eq!(frames, (1..=pieces(7).len() as u64).collect::<Vec<_>>());
    }

    #[test]
    fn first_data_win_where_fragments_overlap() {
        let forged = ipv4_piece(17, 7, MORE, &[b'x'; 32]);
        let mut packets = pieces(7);
        packets.insert(2, forged);
        assert_whole(&packets, 1);
    }

    #[test]
    fn counts_what_never_became_whole() {
        let mut packets = pieces(7);
        packets.remove(2);
        let (whole, incomplete) = reassemble(&packets);
        assert!(whole.is_empty());
        assert_eq!((incomplete.count, incomplete.lost.len()), (1, 1));
        let lost = &incomplete.lost[0];
        assert_eq!((lost.frame.number, lost.source.port), (1, 5060));
        assert_eq!(lost.total, Some(MESSAGE.len() as u32 + 8));
        assert!(MESSAGE.starts_with(&lost.beginning) && !lost.beginning.is_empty());
    }

    #[test]
    fn gives_up_after_a_minute_of_capture_time() {
        let mut packets = pieces(7);
        let last = packets.pop().expect("a last piece");
        packets.extend(std::iter::repeat_n(ipv4(1, &[8; 8]), 70));
        packets.push(last);
        let (whole, incomplete) = reassemble(&packets);
        assert_eq!((whole.len(), incomplete.count), (0, 2));
    }

    #[test]
    fn gives_the_beginning_of_a_datagram_whose_fragment_was_cut() {
        let mut packets = pieces(7);
        packets[1].truncate(20 + 9);
        let (whole, _) = reassemble(&packets);
        let Packet::Udp { payload, is_cut, .. } = whole[0].packet() else { panic!() };
        assert_eq!((payload, is_cut), (&MESSAGE[..16 + 9 - 8], true));

        // The whole fragment, seen once more before the last one, fills the hole.
        packets.insert(2, pieces(7).swap_remove(1));
        assert_whole(&packets, 1);
    }

    #[test]
    fn reads_ipv6_fragments_and_fragments_in_fragmented_tunnels() {
        let whole = udp(5060, 5060, MESSAGE);
        let (start, end) = whole.split_at(24);
        let first = ipv6(44, &join(&[&[17, 0, 0, 1, 0, 0, 0, 9], start]));
        let last = ipv6(44, &join(&[&[17, 0, 0, 24, 0, 0, 0, 9], end]));
        assert_whole(&[last, first], 1);

        let inner = [ipv4_piece(17, 7, MORE, start), ipv4_piece(17, 7, 3, end)];
        let mut packets = Vec::new();
        for (inner, id) in inner.iter().zip(100..) {
            let (start, end) = inner.split_at(16);
            packets.push(ipv4_piece(4, id, MORE, start));
            packets.push(ipv4_piece(4, id, 2, end));
        }
        assert_whole(&packets, 1);
    }

    #[test]
    fn keeps_within_its_bounds() {
        let count = limits::FRAGMENTED_DATAGRAMS_MAX + 500;
        let packets: Vec<_> = (0..count).map(|id| pieces(id as u16).swap_remove(0)).collect();
        let mut defragmenter = Defragmenter::default();
        for packet in &packets {
            let frame = Frame {
                id: FrameId::default(),
                time: Time::default(),
                link: LinkType::RAW,
                data: packet,
                original_length: packet.len() as u32,
            };
            let Packet::Fragment(fragment) = decode(&frame) else { panic!() };
            assert!(defragmenter.push(&frame, fragment).is_none());
            assert!(defragmenter.waiting.len() <= limits::FRAGMENTED_DATAGRAMS_MAX);
        }
        let incomplete = defragmenter.incomplete();
        assert_eq!((incomplete.count, incomplete.evicted, incomplete.unlisted()), (500, 500, 0));
        defragmenter.finish();
        let incomplete = defragmenter.incomplete();
        assert_eq!(incomplete.count, count as u64);
        assert_eq!(incomplete.evicted, 500, "at the end nothing waits any more");
        assert_eq!(incomplete.lost.len(), limits::LOST_DATAGRAMS_MAX);
        assert_eq!(incomplete.unlisted(), (count - limits::LOST_DATAGRAMS_MAX) as u64);
    }

    #[test]
    fn a_packet_has_a_bounded_number_of_fragments() {
        // Every other unit of eight bytes, so that no two of them join.
        let many = limits::FRAGMENTS_PER_DATAGRAM_MAX as u16 + 7;
        let mut defragmenter = Defragmenter::default();
        for unit in 0..many {
            let piece = ipv4_piece(17, 7, MORE | (unit * 2), &[b'x'; 8]);
            assert!(!push_at(&mut defragmenter, &piece, 0));
        }
        let whole = pieces(8).iter().filter(|piece| push_at(&mut defragmenter, piece, 0)).count();
        defragmenter.finish();
        let incomplete = defragmenter.incomplete();
        assert_eq!((whole, incomplete.count, incomplete.unkept), (1, 1, 7));
        assert_eq!(incomplete.lost[0].bytes, limits::FRAGMENTS_PER_DATAGRAM_MAX as u32 * 8);
    }

    #[test]
    fn packets_that_became_whole_are_forgotten_after_a_while() {
        let mut defragmenter = Defragmenter::default();
        let count = limits::FRAGMENTED_DATAGRAMS_MAX as u64 + 20;
        let mut whole = 0;
        for number in 0..count {
            for data in pieces(number as u16) {
                whole += u64::from(push_at(&mut defragmenter, &data, number as i64));
            }
        }
        assert_eq!(whole, count);
        assert_eq!(defragmenter.whole.len(), limits::FRAGMENTED_DATAGRAMS_MAX);
        assert_eq!(defragmenter.whole_order.len(), limits::FRAGMENTED_DATAGRAMS_MAX);
        assert!(defragmenter.order.len() <= 4 * limits::FRAGMENTED_DATAGRAMS_MAX);
        assert_eq!(defragmenter.incomplete().count, 0);
    }

    /// Takes a raw IP packet at a second; whether a packet became whole.
    fn push_at(defragmenter: &mut Defragmenter, data: &[u8], second: i64) -> bool {
        let frame = Frame {
            id: FrameId::default(),
            time: Time::from_parts(second, 0),
            link: LinkType::RAW,
            data,
            original_length: data.len() as u32,
        };
        let Packet::Fragment(fragment) = decode(&frame) else { panic!() };
        defragmenter.push(&frame, fragment).is_some()
    }

    #[test]
    fn a_clock_that_jumps_neither_keeps_fragments_nor_breaks_anything() {
        let [first, rest @ ..] = &pieces(7)[..] else { panic!() };
        // Back by an hour, to the epoch, to the end of time, and to its beginning.
        for second in [-3600, -1_700_000_000, i64::MAX, i64::MIN] {
            let mut defragmenter = Defragmenter::default();
            assert!(!push_at(&mut defragmenter, first, 1_700_000_000));
            let later = 1_700_000_000_i64.saturating_add(second);
            for piece in rest {
                assert!(!push_at(&mut defragmenter, piece, later), "{second}");
            }
            assert_eq!(defragmenter.incomplete().count, 1, "{second}");
            defragmenter.finish();
            assert!(defragmenter.waiting.is_empty() && defragmenter.order.is_empty());
        }
        // A step within the time that fragments wait does no harm.
        let mut defragmenter = Defragmenter::default();
        assert!(!push_at(&mut defragmenter, first, 1_700_000_000));
        let whole = rest.iter().filter(|piece| push_at(&mut defragmenter, piece, 1_699_999_990));
        assert_eq!(whole.count(), 1);
    }
}
