//! Where what a pipe gives is cut into rounds.
//!
//! How much of a pipe is at hand depends on who writes it and on the machine, and what is found
//! must not. So a round ends where the frames say so: at the one that brings the capture another
//! second on, or where there is a window full of them.

use std::mem;

use crate::pipeline::merge::{Part, Round, WINDOW_BYTES};
use crate::time::{Span, Time};

/// Time of the capture that a round takes, about.
const STEP: Span = Span::from_secs(1);

/// Bytes that a frame takes besides its data, about.
const FRAME_BYTES: usize = 64;

/// Frames of one pipe that wait for the end of their round.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    waiting: Round,
    /// Bytes of the waiting frames.
    bytes: usize,
    /// The time of the capture at which the round ends.
    due: Option<Time>,
}

impl Pace {
    /// The rounds that end with these frames, which follow those given before.
    pub(crate) fn rounds(&mut self, given: &mut Round) -> Vec<Round> {
        self.waiting.secrets.append(&mut given.secrets);
        let mut over = Vec::new();
        for part in given.parts.drain(..) {
            self.cut(part, &mut over);
        }
        over
    }

    /// What is left at the end of the pipe.
    pub(crate) fn rest(&mut self) -> Option<Round> {
        Some(mem::take(&mut self.waiting)).filter(|rest| !rest.parts.is_empty())
    }

    fn cut(&mut self, part: Part, over: &mut Vec<Round>) {
        let Part { block, frames, mut before } = part;
        let (mut start, mut latest) = (frames.start, before);
        for (place, frame) in frames.clone().zip(block.frames_in(frames.clone())) {
            latest = latest.max(frame.time);
            self.bytes += frame.data.len() + FRAME_BYTES;
            let due = *self.due.get_or_insert(frame.time + STEP);
            if latest < due && self.bytes < WINDOW_BYTES {
                continue;
            }
            let frames = start..place + 1;
            self.waiting.parts.push(Part { block: block.clone(), frames, before });
            over.push(mem::take(&mut self.waiting));
            (start, before) = (place + 1, latest);
            (self.bytes, self.due) = (0, Some(latest + STEP));
        }
        if start < frames.end {
            self.waiting.parts.push(Part { block, frames: start..frames.end, before });
        }
    }
}
