//! What takes the place of bytes that cannot be told from their frame alone: messages of streams,
//! and packets in fragments.

use std::collections::{HashMap, HashSet, VecDeque};

use foldhash::fast::RandomState;

use super::text::Pseudonyms;
use super::{Patch, Sent};
use crate::capture::FrameId;
use crate::limits::{REDACTED_BYTES_MAX, REPEATED_BYTES_MAX, TCP_FLOWS_MAX};
use crate::packet::{Endpoint, Piece};
use crate::transport::Transport;

/// Bytes for frames, until these come.
#[derive(Debug)]
pub(super) struct Patches {
    of_frames: HashMap<FrameId, Vec<Patch>, RandomState>,
    held: usize,
    held_max: usize,
    dropped: u64,
    /// Frames are written in this pass; what lies in one of them is worked out with it.
    is_second: bool,
    /// Connections that carry SIP, the lower end first.
    connections: HashSet<(Endpoint, Endpoint), RandomState>,
    /// The latest messages, should they be sent again: number, bytes as they lie in the frames.
    latest: VecDeque<(u64, Vec<u8>)>,
    latest_bytes: usize,
    latest_max: usize,
}

impl Default for Patches {
    fn default() -> Self {
        Self::with_room_for(REDACTED_BYTES_MAX, REPEATED_BYTES_MAX)
    }
}

impl Patches {
    /// Room for so many bytes for frames, and for so many of the latest messages.
    pub(super) fn with_room_for(held_max: usize, latest_max: usize) -> Self {
        Self {
            of_frames: HashMap::default(),
            held: 0,
            held_max,
            dropped: 0,
            is_second: false,
            connections: HashSet::default(),
            latest: VecDeque::new(),
            latest_bytes: 0,
            latest_max,
        }
    }

    pub(super) fn learn(&mut self, pseudonyms: &mut Pseudonyms, sent: &Sent<'_>) {
        let is_single = sent.pieces.iter().all(|piece| piece.frame == sent.frame);
        if self.is_second && !is_single {
            pseudonyms.counts.messages += 1;
            return;
        }
        if self.connections.len() < TCP_FLOWS_MAX {
            self.connections.insert(ordered(sent.ends));
        }
        let mut bytes = sent.bytes.to_vec();
        pseudonyms.message(&mut bytes);
        if let Some(mask) = sent.mask {
            bytes.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        }
        if self.is_second != is_single {
            return self.remember(sent.number, bytes);
        }
        self.add(sent.pieces.iter().copied(), &bytes);
        // The header of a WebSocket frame names nobody; that of HEP does.
        if matches!(sent.transport, Transport::Ws | Transport::Wss) {
            for piece in sent.unit {
                self.push(piece, None);
            }
        }
        self.remember(sent.number, bytes);
    }

    /// Keeps a message, should it be sent again.
    fn remember(&mut self, number: u64, bytes: Vec<u8>) {
        self.latest_bytes += bytes.len();
        self.latest.push_back((number, bytes));
        while self.latest_bytes > self.latest_max {
            let Some((_, bytes)) = self.latest.pop_front() else { break };
            self.latest_bytes -= bytes.len();
        }
    }

    /// The second pass begins.
    pub(super) fn begin(&mut self) {
        self.is_second = true;
        self.latest.clear();
        self.latest_bytes = 0;
    }

    pub(super) fn learn_again(&mut self, number: u64, pieces: &[Piece]) {
        if self.is_second {
            return;
        }
        let found = self.latest.binary_search_by_key(&number, |(number, _)| *number);
        let Some((_, bytes)) = found.ok().and_then(|at| self.latest.get(at)) else { return };
        let bytes = bytes.clone();
        self.add(pieces.iter().copied(), &bytes);
    }

    /// Bytes of which these are the pieces.
    pub(super) fn add(&mut self, pieces: impl IntoIterator<Item = Piece>, bytes: &[u8]) {
        for piece in pieces {
            if let Some(bytes) = bytes.get(piece.at..piece.at + piece.length) {
                self.push(&piece, Some(bytes.to_vec()));
            }
        }
    }

    fn push(&mut self, piece: &Piece, bytes: Option<Vec<u8>>) {
        if self.held > self.held_max {
            self.dropped += 1;
            return;
        }
        self.held += piece.length + size_of::<Patch>();
        let Piece { offset, length, .. } = *piece;
        self.of_frames.entry(piece.frame).or_default().push(Patch { offset, length, bytes });
    }

    /// Segments of the connection may belong to messages.
    pub(super) fn has_sip(&self, ends: (Endpoint, Endpoint)) -> bool {
        self.connections.len() >= TCP_FLOWS_MAX || self.connections.contains(&ordered(ends))
    }

    /// What is known of a frame; it is known once.
    pub(super) fn take(&mut self, frame: FrameId) -> Vec<Patch> {
        let patches = self.of_frames.remove(&frame).unwrap_or_default();
        let held: usize = patches.iter().map(|patch| patch.length + size_of::<Patch>()).sum();
        self.held = self.held.saturating_sub(held);
        patches
    }

    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

fn ordered((a, b): (Endpoint, Endpoint)) -> (Endpoint, Endpoint) {
    if a <= b { (a, b) } else { (b, a) }
}

/// Zeros, but for patches and what these leave; `from` is where the content begins in the frame.
/// Line ends between messages stay, as they are keep-alives (RFC 5626, section 3.5.1).
pub(super) fn patched(content: &mut [u8], from: usize, patches: &[Patch]) {
    let mut patched: Vec<u8> = content.to_vec();
    patched.iter_mut().filter(|byte| !b"\r\n".contains(byte)).for_each(|byte| *byte = 0);
    // What stays comes first: a message inside it does not.
    for patch in patches.iter().filter(|patch| patch.bytes.is_none()) {
        let Some(start) = patch.offset.checked_sub(from) else { continue };
        let range = start..start.saturating_add(patch.length);
        if let (Some(place), Some(bytes)) = (patched.get_mut(range.clone()), content.get(range)) {
            place.copy_from_slice(bytes);
        }
    }
    for patch in patches {
        let (Some(start), Some(bytes)) = (patch.offset.checked_sub(from), &patch.bytes) else {
            continue;
        };
        if let Some(place) = patched.get_mut(start..start.saturating_add(bytes.len())) {
            place.copy_from_slice(bytes);
        }
    }
    content.copy_from_slice(&patched);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(number: u64, length: usize) -> Piece {
        Piece { frame: FrameId { capture: 0, number }, offset: 54, length, at: 0 }
    }

    #[test]
    fn what_is_held_for_frames_is_bounded_and_what_is_not_is_counted() {
        let mut patches = Patches::with_room_for(1000, 0);
        for number in 0..20 {
            patches.add([piece(number, 300)], &[b'x'; 300]);
        }
        let kept = patches.of_frames.len() as u64;
        assert!((1..4).contains(&kept) && patches.held < 1000 + 300 + size_of::<Patch>());
        assert_eq!(patches.dropped(), 20 - kept);
        // The frame of one that was dropped has no bytes, so all of it becomes zeros.
        assert!(patches.take(FrameId { capture: 0, number: 19 }).is_empty());
        assert_eq!(patches.take(FrameId { capture: 0, number: 0 }).len(), 1);
        // What was given back is room for others.
        patches.add([piece(30, 300)], &[b'x'; 300]);
        assert_eq!(patches.of_frames.len() as u64, kept);
    }

    #[test]
    fn the_latest_messages_are_bounded() {
        let mut patches = Patches::with_room_for(usize::MAX, 1000);
        for number in 0..20 {
            patches.remember(number, vec![b'x'; 300]);
            assert!(patches.latest_bytes <= 1000);
        }
        // One that has left and comes again is not known, and so becomes zeros.
        patches.learn_again(3, &[piece(100, 300)]);
        assert!(patches.take(FrameId { capture: 0, number: 100 }).is_empty());
        patches.learn_again(19, &[piece(101, 300)]);
        assert_eq!(patches.take(FrameId { capture: 0, number: 101 }).len(), 1);
        patches.remember(20, vec![b'x'; 1001]);
        assert_eq!((patches.latest.len(), patches.latest_bytes), (0, 0));
    }

    #[test]
    fn only_what_is_known_is_left() {
        let mut content = *b"\r\nsecret HEAD1234 over";
        let patches = [
            Patch { offset: 113, length: 4, bytes: Some(b"abcd".to_vec()) },
            Patch { offset: 109, length: 8, bytes: None },
            Patch { offset: 500, length: 8, bytes: None },
        ];
        patched(&mut content, 100, &patches);
        assert_eq!(content, *b"\r\n\0\0\0\0\0\0\0HEADabcd\0\0\0\0\0");
    }
}
