//! What is learned about a capture while it is read.

use std::path::Path;

use crate::capture::block::Record;
use crate::capture::pcap::Stretch;
use crate::capture::{Description, LinkType, Note};
use crate::limits;
use crate::time::{Span, Time};

/// Steps back in time that are worth a note. Captures of several interfaces are out of order by
/// microseconds all the time.
const STEP_BACK: Span = Span::from_millis(1);

/// Steps back of which the frames are kept.
const STEPS_LISTED: usize = 3;

/// Writes the [`Description`] while records go by.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) description: Description,
    last: Option<Time>,
    /// Records with a number: frames, and those that are no packet.
    pub(super) numbered: u64,
}

impl Ledger {
    pub(super) fn new(path: &Path, format: &'static str, compression: &'static str) -> Self {
        let path = path.to_owned();
        let description = Description { path, format, compression, ..Description::default() };
        Self { description, ..Self::default() }
    }

    /// Time of the latest record that has one.
    #[inline]
    pub(super) fn last_time(&self) -> Option<Time> {
        self.last
    }

    /// One more frame.
    #[inline]
    pub(super) fn frame(&mut self, time: Time, link: LinkType) {
        self.untimed_frame(link);
        if let Some(last) = self.last
            && last.since(time) > STEP_BACK
        {
            self.step_back(time, last.since(time));
        }
        self.last = Some(time);
        let description = &mut self.description;
        if description.first_time.is_none_or(|first| time < first) {
            description.first_time = Some(time);
        }
        if description.last_time.is_none_or(|last| time > last) {
            description.last_time = Some(time);
        }
    }

    /// Frames of one link type that are in order of time but for steps that no note tells of.
    pub(super) fn frames(&mut self, stretch: &Stretch, records: &[Record], link: LinkType) {
        let (Some((first, last)), Some((earliest, latest)), false) =
            (stretch.times, stretch.extremes, stretch.is_disordered)
        else {
            records.iter().for_each(|record| self.frame(record.time, link));
            return;
        };
        self.frame(first, link);
        let more = records.len().saturating_sub(1) as u64;
        self.numbered += more;
        self.last = Some(last);
        let description = &mut self.description;
        description.frames += more;
        description.first_time = description.first_time.map(|time| time.min(earliest));
        description.last_time = description.last_time.map(|time| time.max(latest));
    }

    /// One more frame, of a record without a time.
    #[inline]
    pub(super) fn untimed_frame(&mut self, link: LinkType) {
        self.numbered += 1;
        self.description.frames += 1;
        let links = &mut self.description.link_types;
        if links.last() != Some(&link) && !links.contains(&link) {
            match links.len() < limits::LINK_TYPES_MAX {
                true => links.push(link),
                false => self.drop("link-types"),
            }
        }
    }

    /// Counts what a bound dropped.
    #[cold]
    pub(super) fn drop(&mut self, bound: &'static str) {
        *self.description.dropped.entry(bound).or_default() += 1;
    }

    #[cold]
    fn step_back(&mut self, time: Time, step: Span) {
        let frame = self.numbered;
        let back = &mut self.description.steps_back;
        back.count += 1;
        back.largest = back.largest.max(step);
        if back.first.len() < STEPS_LISTED {
            back.first.push((frame, time));
        }
        for note in &mut self.description.notes {
            if let Note::TimeDisorder { steps, .. } = note {
                *steps += 1;
                return;
            }
        }
        self.description.notes.push(Note::TimeDisorder { steps: 1, frame });
    }

    /// Bytes that are no record. Adjacent ones are one note.
    pub(super) fn damage(&mut self, offset: u64, bytes: u64) {
        let notes = &mut self.description.notes;
        let damages = notes.iter().filter(|note| matches!(note, Note::Damaged { .. })).count();
        let last = notes.iter_mut().rev().find_map(|note| match note {
            Note::Damaged { offset, bytes } => Some((*offset, bytes)),
            _ => None,
        });
        match last {
            Some((start, length))
                if start + *length == offset || damages >= limits::DAMAGES_MAX =>
            {
                *length = length.saturating_add(bytes);
            }
            _ => notes.push(Note::Damaged { offset, bytes }),
        }
    }

    /// One more record that has a number and is no packet.
    pub(super) fn no_packet(&mut self) {
        self.numbered += 1;
        self.skipped();
    }

    /// A block that carries nothing for us.
    pub(super) fn skipped(&mut self) {
        for note in &mut self.description.notes {
            if let Note::SkippedBlocks { count } = note {
                *count += 1;
                return;
            }
        }
        self.description.notes.push(Note::SkippedBlocks { count: 1 });
    }

    /// Packets that the capturing side lost, all in all.
    pub(super) fn dropped(&mut self, total: u64) {
        if total == 0 {
            return;
        }
        for note in &mut self.description.notes {
            if let Note::Dropped { packets } = note {
                *packets = total;
                return;
            }
        }
        self.description.notes.push(Note::Dropped { packets: total });
    }

    pub(super) fn note(&mut self, note: Note) {
        self.description.notes.push(note);
    }
}
