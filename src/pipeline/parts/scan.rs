//! One capture to messages and pieces.

use borsh::{BorshDeserialize, BorshSerialize};
use rayon::prelude::*;

use crate::analysis::{Keep, Tally};
use crate::capture::{Secret, Source};
use crate::pipeline::clocks::Clocks;
use crate::pipeline::decode::{Decoded, Decoder};
use crate::pipeline::desks::Desks;
use crate::pipeline::merge::{Merge, Round};
use crate::pipeline::parts::flows::{Event, add_event};
use crate::pipeline::parts::{MessageRow, Rows, media, sealed};
use crate::pipeline::{Error, Options, counts};
use crate::time::{Span, Time};
use crate::transport::Turn;

/// What a scan found besides rows.
#[derive(Debug, BorshDeserialize, BorshSerialize)]
pub(super) struct Scanned {
    pub(super) capture: u16,
    pub(super) ahead: Span,
    pub(super) tally: Tally,
    pub(super) events: Vec<Event>,
    pub(super) clocks: Clocks,
    pub(super) secrets: Vec<Secret>,
}

/// Reads one capture. It blocks, and uses the threads of the current pool of rayon.
#[derive(Debug)]
pub struct Scan {
    merge: Merge,
    capture: u16,
    media: bool,
    ahead: Span,
    /// The latest time of a frame so far.
    latest: Time,
    tally: Tally,
    clocks: Clocks,
    events: Vec<Event>,
    secrets: Vec<Secret>,
    desks: Desks,
    hash: foldhash::fast::FixedState,
}

impl Scan {
    /// The index of the source is the capture of all its frames; `ahead` is what its clock is
    /// ahead, and is taken off its times.
    ///
    /// # Errors
    ///
    /// When the thread that reads a pipe cannot be started.
    pub fn new(mut source: Source, ahead: Span, options: &Options) -> Result<Self, Error> {
        source.set_ahead(ahead);
        let capture = source.index();
        Ok(Self {
            merge: Merge::new(vec![source]).map_err(Error::Reader)?,
            capture,
            media: options.media,
            ahead,
            latest: Time::from_nanos(i64::MIN),
            tally: Tally::new(Keep::default()),
            clocks: Clocks::of(1),
            events: Vec::new(),
            secrets: Vec::new(),
            desks: Desks::default(),
            hash: foldhash::fast::FixedState::default(),
        })
    }

    /// The rows of the next window; nothing at the end.
    ///
    /// # Errors
    ///
    /// When the capture cannot be read.
    pub fn next_rows(&mut self) -> Result<Option<Rows>, Error> {
        let Some(mut round) = self.merge.next()? else { return Ok(None) };
        let secrets = std::mem::take(&mut round.secrets);
        self.secrets.extend(secrets.into_iter().map(|(_, secret)| secret));
        for part in &mut round.parts {
            part.before = self.latest;
            let end = part.block.frames_in(part.frames.clone()).map(|frame| frame.time).max();
            self.latest = end.map_or(self.latest, |end| self.latest.max(end));
        }
        let rows = self.rows(&round);
        self.merge.recycle(round);
        Ok(Some(rows))
    }

    fn rows(&mut self, round: &Round) -> Rows {
        let decoder =
            Decoder { media: self.media, is_several: true, hash: &self.hash, desks: &self.desks };
        let decoded: Vec<Decoded<'_>> =
            round.parts.par_iter().map(|part| decoder.part(part)).collect();
        for part in &decoded {
            self.clocks.add_ahead(self.capture, &part.samples, self.ahead);
        }
        counts::frames(&mut self.tally, &decoded);
        let mut rows = Rows::default();
        for part in &decoded {
            rows.take(part);
            for (order, disruption) in &part.disruptions {
                let event = (*order, Turn::Disrupted(disruption.clone()));
                add_event(&mut self.events, &mut self.tally, event);
            }
        }
        rows.messages.sort_by_key(MessageRow::place);
        let parts: Vec<_> = decoded.iter().collect();
        media::take(&mut rows, &parts, &self.desks);
        self.desks.clear(decoded.into_iter().map(|part| part.rtp));
        rows
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.merge.bytes()
    }

    /// What it found besides rows.
    pub fn finish(mut self) -> Vec<u8> {
        counts::captures(&mut self.tally, self.merge.into_descriptions());
        sealed(&Scanned {
            capture: self.capture,
            ahead: self.ahead,
            tally: self.tally,
            events: self.events,
            clocks: self.clocks,
            secrets: self.secrets,
        })
    }
}
