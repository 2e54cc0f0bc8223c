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
    /// The place of its interface among those of the capture.
    pub(super) interface: u16,
}

/// Consecutive frames of one capture.
#[derive(Clone, Debug, Default)]
pub struct Block {
    buffer: Vec<u8>,
    /// Bytes of the buffer that are of the capture.
    bytes: usize,
    /// Every range lies inside them.
    records: Vec<Record>,
    capture: u16,
    first: u64,
    /// What the clock of the capture is ahead of that of the run.
    ahead: Span,
    /// The latest time of a frame before it.
    before: Option<Time>,
    /// The latest time up to its end, where it is known.
    until: Option<Time>,
}

impl Block {
    /// The records in the first `bytes` bytes of a buffer.
    pub(super) fn new(buffer: Vec<u8>, bytes: usize, records: Vec<Record>, first: FrameId) -> Self {
        let bytes = bytes.min(buffer.len());
        debug_assert!(
            records.iter().all(|r| u64::from(r.offset) + u64::from(r.length) <= bytes as u64)
        );
        let FrameId { capture, number } = first;
        Self { buffer, bytes, records, capture, first: number, ..Self::default() }
    }

    /// The same frames with the times of the run.
    pub(super) fn on_clock(self, ahead: Span, before: Option<Time>, until: Option<Time>) -> Self {
        let before = before.map(|before| before - ahead);
        Self { ahead, before, until: until.map(|until| until - ahead), ..self }
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

    /// The interfaces of some of the frames, as places in [`Description::interfaces`].
    ///
    /// [`Description::interfaces`]: crate::capture::Description::interfaces
    pub fn interfaces_in(&self, places: Range<usize>) -> impl ExactSizeIterator<Item = u16> + '_ {
        self.records.get(places).unwrap_or_default().iter().map(|record| record.interface)
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

    /// The latest time of a frame of the capture up to the end of this block, where it is known.
    pub fn until(&self) -> Option<Time> {
        self.until
    }

    /// The times of the frames, in the order of the file.
    pub fn times(&self) -> impl ExactSizeIterator<Item = Time> + '_ {
        self.records.iter().map(|record| record.time - self.ahead)
    }

    /// Bytes of the capture that it holds.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The same in a buffer of its size, for blocks that may have to wait.
    #[must_use]
    pub(crate) fn compact(mut self) -> Self {
        self.buffer.truncate(self.bytes);
        self.buffer.shrink_to_fit();
        self.records.shrink_to_fit();
        self
    }

    /// The buffer, for the next block; longer than what it held, since filling it anew with zeros
    /// would cost as much as reading.
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
