//! Where bytes of a packet lie in the frames of the capture.
//!
//! Nothing is copied on the way down through the headers, so what a frame carries is a part of its
//! bytes, and its place is told by where it lies in memory.

use crate::bytes;
use crate::capture::{Frame, FrameId};

/// Consecutive bytes of a packet that lie in a frame as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The frame.
    pub frame: FrameId,
    /// Where they begin in its captured bytes.
    pub offset: usize,
    /// How many there are.
    pub length: usize,
    /// Where they begin in what they are a piece of.
    pub at: usize,
}

impl Piece {
    /// Bytes that a frame has as they are; nothing where they are none of the frame's.
    pub fn of(frame: &Frame<'_>, bytes: &[u8]) -> Option<Self> {
        let offset = bytes::offset_in(frame.data, bytes)?;
        Some(Self { frame: frame.id, offset, length: bytes.len(), at: 0 })
    }

    /// What of it lies in `length` bytes from `from` on, counted from there.
    #[must_use]
    pub fn within(self, from: usize, length: usize) -> Option<Self> {
        let start = self.at.max(from);
        let end = self.at.saturating_add(self.length).min(from.saturating_add(length));
        let rest = end.checked_sub(start).filter(|rest| *rest > 0)?;
        let offset = self.offset + (start - self.at);
        Some(Self { offset, length: rest, at: start - from, ..self })
    }

    /// The same bytes as a piece of something that has `before` more bytes before them.
    #[must_use]
    pub fn behind(self, before: usize) -> Self {
        Self { at: self.at.saturating_add(before), ..self }
    }

    /// Whether pieces, which may overlap, have all of so many bytes.
    pub fn cover(pieces: &[Self], length: usize) -> bool {
        let mut ranges: Vec<_> = pieces.iter().map(|piece| (piece.at, piece.length)).collect();
        ranges.sort_unstable();
        let reached = ranges.iter().try_fold(0_usize, |reached, (at, length)| {
            (*at <= reached).then_some(reached.max(at + length))
        });
        reached.is_some_and(|reached| reached >= length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::LinkType;
    use crate::time::Time;

    #[test]
    fn tells_where_bytes_lie_in_a_frame() {
        let data = b"0123456789";
        let (id, link) = (FrameId { capture: 0, number: 3 }, LinkType::RAW);
        let frame = Frame { id, time: Time::default(), link, data, original_length: 10 };
        let piece = Piece::of(&frame, &data[4..8]).expect("bytes of the frame");
        assert_eq!(piece, Piece { frame: id, offset: 4, length: 4, at: 0 });
        assert_eq!(Piece::of(&frame, &Vec::from(b"4567")), None);
        assert_eq!(Piece::of(&frame, &data[10..]).map(|piece| piece.offset), Some(10));
    }

    #[test]
    fn is_cut_to_a_part_of_the_whole() {
        let piece = Piece { frame: FrameId::default(), offset: 40, length: 10, at: 100 };
        assert_eq!(piece.within(103, 4), Some(Piece { offset: 43, length: 4, at: 0, ..piece }));
        assert_eq!(piece.within(90, 15), Some(Piece { offset: 40, length: 5, at: 10, ..piece }));
        assert_eq!(piece.within(110, 4), None);
        assert_eq!(piece.within(0, 100), None);
        assert_eq!(piece.behind(5).at, 105);
    }

    #[test]
    fn pieces_cover_what_they_have_without_a_gap() {
        let piece = |at, length| Piece { frame: FrameId::default(), offset: 0, length, at };
        assert!(Piece::cover(&[piece(4, 6), piece(0, 5)], 10));
        assert!(!Piece::cover(&[piece(5, 5), piece(0, 4)], 10));
        assert!(!Piece::cover(&[piece(0, 9)], 10));
        assert!(!Piece::cover(&[], 1) && Piece::cover(&[], 0));
    }
}
