//! A run of whole records, owned, ready to be decoded on any thread.

use std::ops::Range;

use crate::capture::{Frame, FrameId, LinkType};
use crate::time::{Span, Time};

/// Where one record lies in the buffer of its block, and what its header said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) time: Time,
    pub(super) offset: u32,
    pub(super) length: u32,
    pub(super) original_length: u32,
    pub(super) link: LinkType,
}

/// Consecutive frames of one capture.
#[derive(Clone, Debug, Default)]
pub struct Block {
    buffer: Vec<u8>,
    /// Every range lies inside `buffer`.
    records: Vec<Record>,
    capture: u16,
    first: u64,
    /// What the clock of the capture is ahead of that of the run.
    ahead: Span,
    /// The latest time of a frame before it.
    before: Option<Time>,
}

impl Block {
    pub(super) fn new(buffer: Vec<u8>, records: Vec<Record>, first: FrameId) -> Self {
        debug_assert!(
            records
                .iter()
                .all(|r| { u64::from(r.offset) + u64::from(r.length) <= buffer.len() as u64 })
        );
        let FrameId { capture, number } = first;
        Self { buffer, records, capture, first: number, ahead: Span::ZERO, before: None }
    }

    /// The same frames with the times of the run.
    pub(super) fn on_clock(self, ahead: Span, before: Option<Time>) -> Self {
        Self { ahead, before: before.map(|before| before - ahead), ..self }
    }

    /// The frames, in the order of the file.
    #[inline]
    pub fn frames(&self) -> impl ExactSizeIterator<Item = Frame<'_>> + Clone {
        self.frames_in(0..self.records.len())
    }

    /// Some of the frames, by their place in the block.
    #[inline]
    pub fn frames_in(
        &self,
        places: Range<usize>,
    ) -> impl ExactSizeIterator<Item = Frame<'_>> + Clone {
        let first = self.first + places.start as u64;
        let records = self.records.get(places).unwrap_or_default();
        records.iter().enumerate().map(move |(index, record)| {
            let id = FrameId { capture: self.capture, number: first + index as u64 };
            self.frame(record, id)
        })
    }

    /// How many frames there are.
    pub fn frames_count(&self) -> usize {
        self.records.len()
    }

    /// The first frame of the block.
    pub fn first(&self) -> FrameId {
        FrameId { capture: self.capture, number: self.first }
    }

    /// The time of the first frame.
    pub fn first_time(&self) -> Option<Time> {
        self.records.first().map(|record| record.time - self.ahead)
    }

    /// The latest time of a frame of the capture before this block.
    pub fn before(&self) -> Option<Time> {
        self.before
    }

    /// The times of the frames, in the order of the file.
    pub fn times(&self) -> impl ExactSizeIterator<Item = Time> + '_ {
        self.records.iter().map(|record| record.time - self.ahead)
    }

    /// Bytes of the capture that it holds.
    pub fn bytes(&self) -> usize {
        self.buffer.len()
    }

    /// The buffer, for the next block.
    pub fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    #[inline]
    fn frame(&self, record: &Record, id: FrameId) -> Frame<'_> {
        let start = record.offset as usize;
        let data = self.buffer.get(start..start + record.length as usize).unwrap_or_default();
        let Record { time, link, original_length, .. } = *record;
        Frame { id, time: time - self.ahead, link, data, original_length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Source;

    fn assert_shared<T: Send + Sync>() {}

    fn assert_sent<T: Send>() {}

    #[test]
    fn travels_between_threads() {
        assert_shared::<Block>();
        assert_sent::<Source>();
    }
}
