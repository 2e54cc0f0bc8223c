//! The captures of a run as one, merged by time.
//!
//! One capture is taken in windows of whole blocks. Of several, each round takes the frames up to
//! the moment that all of them have been read to, so that memory holds a window at a time. Inside
//! a capture the order of the file stays: a frame counts as late as the latest one before it. A
//! file is opened when its first frame is due. A pipe is read by a thread of its own, because
//! waiting for it must not hold up the work on what it gave.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{Builder, JoinHandle};

use rayon::prelude::*;

use crate::capture::{Block, Description, Error, Part as FilePart, Secret, Source};
use crate::limits::{BLOCK_BYTES, PIPE_BLOCKS, RECORD_BYTES_MAX, WINDOW_BLOCKS};
use crate::time::Time;

/// Bytes of one round, about.
pub(crate) const WINDOW_BYTES: usize = WINDOW_BLOCKS * BLOCK_BYTES;

/// Frames that are worked on together.
#[derive(Debug, Default)]
pub(crate) struct Round {
    pub(crate) parts: Vec<Part>,
    /// The moment up to which all captures are read with this round; nothing for a single capture,
    /// where the frames tell.
    pub(crate) reached: Option<Time>,
    /// Secrets that the captures gave since the round before, with their captures.
    pub(crate) secrets: Vec<(u16, Secret)>,
}

/// Consecutive frames of one block.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) block: Arc<Block>,
    pub(crate) frames: Range<usize>,
    /// The latest time of a frame of the capture before them.
    pub(crate) before: Time,
}

/// The captures that are being read.
#[derive(Debug)]
pub(crate) struct Merge {
    lanes: Vec<Lane>,
    spare: Vec<Vec<u8>>,
    bytes: u64,
}

/// One capture.
#[derive(Debug)]
struct Lane {
    input: Input,
    /// Read and not given out.
    held: VecDeque<Held>,
    capture: u16,
    secrets: Vec<Secret>,
    /// How many secrets have gone through `secrets`.
    secrets_count: usize,
}

#[derive(Debug)]
enum Input {
    Asleep(Box<Source>, Time),
    Open(Box<Source>),
    Piped(Pipe),
    Ended(Box<Description>),
}

/// The frames of a block from one on.
#[derive(Debug)]
struct Held {
    block: Arc<Block>,
    from: usize,
    /// The latest time of a frame before `from`.
    before: Time,
    /// The latest time up to the end of the block.
    end: Time,
}

/// Bytes of the largest buffer that is used again: a block with a record that begins at its end.
const BUFFER_BYTES: usize = 2 * (BLOCK_BYTES + RECORD_BYTES_MAX);

/// Bytes of a block of a pipe that counts as one.
const PIPE_BLOCK_BYTES: usize = 64 << 10;

/// A block, and the secrets that came with it.
type Given = (Block, Vec<Secret>);

/// What comes through the channel of a pipe: a block, or nothing in the place of another 64 KiB of
/// the one before.
type Sent = Result<Option<Given>, Error>;

/// A source that is read by its own thread.
#[derive(Debug)]
struct Pipe {
    blocks: Receiver<Sent>,
    thread: JoinHandle<Source>,
}

impl Merge {
    pub(crate) fn new(sources: Vec<Source>) -> std::io::Result<Self> {
        let lanes = sources.into_iter().map(Lane::new).collect::<Result<_, _>>()?;
        Ok(Self { lanes, spare: Vec::new(), bytes: 0 })
    }

    /// Reading may make us wait, and goes on by itself.
    pub(crate) fn is_live(&self) -> bool {
        self.lanes.iter().any(|lane| matches!(lane.input, Input::Piped(_)))
    }

    /// Bytes given out so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next frames in order of time; nothing at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Round>, Error> {
        let mut round = match self.lanes.as_mut_slice() {
            [lane] => {
                lane.fill(WINDOW_BLOCKS, &mut self.spare)?;
                Round { parts: lane.take_all(), ..Round::default() }
            }
            _ => {
                let mut round = self.merged()?;
                while round.parts.is_empty() && !self.lanes.iter().all(Lane::is_done) {
                    round = self.merged()?;
                }
                round
            }
        };
        for lane in &mut self.lanes {
            let capture = lane.capture;
            round.secrets.extend(lane.secrets.drain(..).map(|secret| (capture, secret)));
        }
        let whole = |part: &&Part| part.frames.end == part.block.frames_count();
        self.bytes +=
            round.parts.iter().filter(whole).map(|part| part.block.bytes() as u64).sum::<u64>();
        Ok((!round.parts.is_empty()).then_some(round))
    }

    /// Takes back what was worked on, for the buffers.
    pub(crate) fn recycle(&mut self, round: Round) {
        let blocks = round.parts.into_iter().filter_map(|part| Arc::try_unwrap(part.block).ok());
        let buffers = blocks.map(Block::into_buffer);
        self.spare.extend(buffers.filter(|buffer| buffer.capacity() <= BUFFER_BYTES));
        self.spare.truncate(2 * WINDOW_BLOCKS);
    }

    /// What the captures turned out to be, in the order given.
    pub(crate) fn into_descriptions(self) -> Vec<Description> {
        self.lanes.into_iter().map(Lane::into_description).collect()
    }

    fn merged(&mut self) -> Result<Round, Error> {
        self.wake();
        let open = self.lanes.iter().filter(|lane| lane.is_open()).count();
        let share = (WINDOW_BLOCKS / open.max(1)).max(1);
        for lane in self.lanes.iter_mut().filter(|lane| lane.is_open()) {
            if lane.held.is_empty() {
                lane.fill(share, &mut self.spare)?;
            }
        }
        let reached = self.lanes.iter().filter_map(Lane::complete_until).min();
        let parts = match reached {
            Some(reached) => self.lanes.iter_mut().flat_map(|l| l.take_until(reached)).collect(),
            None => self.lanes.iter_mut().flat_map(Lane::take_all).collect(),
        };
        Ok(Round { parts, reached, ..Round::default() })
    }

    /// Opens the captures whose first frame is due.
    fn wake(&mut self) {
        let due = match self.lanes.iter().filter_map(Lane::next_time).min() {
            Some(next) => Some(next),
            None if self.lanes.iter().any(Lane::is_open) => None,
            None => self.lanes.iter().filter_map(Lane::sleeps_until).min(),
        };
        let Some(due) = due else { return };
        for lane in &mut self.lanes {
            if lane.sleeps_until().is_some_and(|begins| begins <= due) {
                lane.wake();
            }
        }
    }
}

impl Lane {
    fn new(source: Source) -> std::io::Result<Self> {
        let (begins, capture) = (source.begins(), source.index());
        let input = match begins.filter(|_| source.is_asleep()) {
            Some(begins) => Input::Asleep(Box::new(source), begins),
            None if source.is_live() => Input::Piped(Pipe::new(source)?),
            None => Input::Open(Box::new(source)),
        };
        let held = VecDeque::new();
        Ok(Self { input, held, capture, secrets: Vec::new(), secrets_count: 0 })
    }

    fn is_open(&self) -> bool {
        matches!(self.input, Input::Open(_) | Input::Piped(_))
    }

    fn is_done(&self) -> bool {
        matches!(self.input, Input::Ended(_)) && self.held.is_empty()
    }

    fn sleeps_until(&self) -> Option<Time> {
        match self.input {
            Input::Asleep(_, begins) => Some(begins),
            Input::Open(_) | Input::Piped(_) | Input::Ended(_) => None,
        }
    }

    fn wake(&mut self) {
        let ended = Input::Ended(Box::default());
        self.input = match std::mem::replace(&mut self.input, ended) {
            Input::Asleep(source, _) => Input::Open(source),
            other => other,
        };
    }

    /// Reads blocks, up to so many from a file and up to a window of those that a pipe has at hand.
    fn fill(&mut self, blocks: usize, spare: &mut Vec<Vec<u8>>) -> Result<(), Error> {
        let mut bytes = 0;
        while self.is_open() && self.held.len() < PIPE_BLOCKS && bytes < WINDOW_BYTES {
            if let Input::Open(source) = &mut self.input
                && let read = read_parts(source, blocks.saturating_sub(self.held.len()), spare)?
                && !read.is_empty()
            {
                bytes += read.iter().map(Block::bytes).sum::<usize>();
                self.held.extend(read.into_iter().map(Held::new));
                continue;
            }
            let block = match &mut self.input {
                Input::Open(_) if self.held.len() >= blocks => return Ok(()),
                Input::Open(source) => {
                    let block = source.next_block(spare.pop().unwrap_or_default())?;
                    block.map(|block| (block, fresh_secrets(source, self.secrets_count)))
                }
                Input::Piped(pipe) if self.held.is_empty() => pipe.wait()?,
                Input::Piped(pipe) => match pipe.at_hand()? {
                    Some(block) => block,
                    None => return Ok(()),
                },
                Input::Asleep(..) | Input::Ended(_) => return Ok(()),
            };
            match block {
                Some((block, secrets)) => {
                    bytes += block.bytes();
                    self.held.push_back(Held::new(block));
                    self.secrets_count += secrets.len();
                    self.secrets.extend(secrets);
                }
                None => self.end(),
            }
        }
        Ok(())
    }

    fn end(&mut self) {
        let ended = Input::Ended(Box::default());
        let source = match std::mem::replace(&mut self.input, ended) {
            Input::Asleep(source, _) | Input::Open(source) => Some(*source),
            Input::Piped(pipe) => pipe.into_source(),
            Input::Ended(description) => {
                self.input = Input::Ended(description);
                return;
            }
        };
        let Some(source) = source else { return };
        let secrets = fresh_secrets(&source, self.secrets_count);
        self.secrets_count += secrets.len();
        self.secrets.extend(secrets);
        self.input = Input::Ended(Box::new(source.describe()));
    }

    /// When the next frame counts.
    fn next_time(&self) -> Option<Time> {
        let held = self.held.front()?;
        Some(held.before.max(held.block.times().nth(held.from)?))
    }

    /// Up to when nothing is missing any more; nothing at the end.
    fn complete_until(&self) -> Option<Time> {
        match self.input {
            Input::Asleep(_, begins) => Some(begins),
            Input::Open(_) | Input::Piped(_) => self.held.back().map(|held| held.end),
            Input::Ended(_) => None,
        }
    }

    fn take_all(&mut self) -> Vec<Part> {
        self.held.drain(..).map(Held::into_part).collect()
    }

    /// The frames that count up to a moment.
    fn take_until(&mut self, until: Time) -> Vec<Part> {
        let mut parts = Vec::new();
        while let Some(held) = self.held.front_mut() {
            if held.end > until {
                parts.extend(held.split(until));
                break;
            }
            parts.extend(self.held.pop_front().map(Held::into_part));
        }
        parts
    }

    fn into_description(mut self) -> Description {
        self.end();
        match self.input {
            Input::Ended(description) => *description,
            Input::Asleep(..) | Input::Open(_) | Input::Piped(_) => Description::default(),
        }
    }
}

/// The next blocks of a file that several threads can read at once; none of one that they cannot.
fn read_parts(
    source: &mut Source,
    count: usize,
    spare: &mut Vec<Vec<u8>>,
) -> Result<Vec<Block>, Error> {
    let parts = source.parts(count, spare);
    let guesses: Vec<_> = parts.into_par_iter().map(FilePart::read).collect();
    source.join(guesses, spare)
}

/// The secrets that a source has given beyond the first ones.
fn fresh_secrets(source: &Source, known: usize) -> Vec<Secret> {
    source.secrets().get(known..).unwrap_or_default().to_vec()
}

impl Held {
    fn new(block: Block) -> Self {
        let before = block.before().unwrap_or(Time::from_nanos(i64::MIN));
        let end = block.until().unwrap_or_else(|| block.times().fold(before, Time::max));
        Self { block: Arc::new(block), from: 0, before, end }
    }

    fn into_part(self) -> Part {
        let frames = self.from..self.block.frames_count();
        Part { block: self.block, frames, before: self.before }
    }

    /// The frames that count up to a moment, if there are any.
    fn split(&mut self, until: Time) -> Option<Part> {
        let (from, before) = (self.from, self.before);
        if before > until {
            return None;
        }
        for time in self.block.times().skip(from).take_while(|time| *time <= until) {
            self.from += 1;
            self.before = self.before.max(time);
        }
        let frames = from..self.from;
        let block = Arc::clone(&self.block);
        (!frames.is_empty()).then_some(Part { block, frames, before })
    }
}

impl Pipe {
    fn new(source: Source) -> std::io::Result<Self> {
        let (sender, blocks) = sync_channel(PIPE_BLOCKS);
        let thread = Builder::new()
            .name("siptrace-reader".to_owned())
            .spawn(move || Self::read(source, &sender))?;
        Ok(Self { blocks, thread })
    }

    fn read(mut source: Source, sender: &SyncSender<Sent>) -> Source {
        let mut known = 0;
        while let Some(block) = source.next_block(Vec::new()).transpose() {
            let is_last = block.is_err();
            let block = block.map(Block::compact);
            let bytes = block.as_ref().map_or(0, Block::bytes);
            let secrets = fresh_secrets(&source, known);
            known += secrets.len();
            let mut is_gone = sender.send(block.map(|block| Some((block, secrets)))).is_err();
            // Room is reckoned in bytes: what is larger takes more of it.
            for _ in 1..bytes.div_ceil(PIPE_BLOCK_BYTES) {
                is_gone = is_gone || sender.send(Ok(None)).is_err();
            }
            if is_gone || is_last {
                break;
            }
        }
        source
    }

    /// The next block, as soon as there is one; nothing at the end.
    fn wait(&self) -> Result<Option<Given>, Error> {
        loop {
            match self.blocks.recv().ok().transpose()? {
                Some(None) => {}
                given => return Ok(given.flatten()),
            }
        }
    }

    /// The next block that is there already, or the end.
    fn at_hand(&self) -> Result<Option<Option<Given>>, Error> {
        loop {
            return match self.blocks.try_recv() {
                Ok(Ok(None)) => continue,
                Ok(block) => block.map(Some),
                Err(TryRecvError::Empty) => Ok(None),
                Err(TryRecvError::Disconnected) => Ok(Some(None)),
            };
        }
    }

    /// Waits for the thread, which is done when there are no more blocks.
    fn into_source(self) -> Option<Source> {
        drop(self.blocks);
        self.thread.join().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read, Write};

    use super::*;

    /// A pcap file of many packets without anything in them.
    fn capture(packets: u32) -> Vec<u8> {
        let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        file.extend([0xff, 0xff, 0, 0, 1, 0, 0, 0]);
        for number in 0..packets {
            file.extend([number, 0, 1000, 1000].map(u32::to_le_bytes).as_flattened());
            file.extend([0; 1000]);
        }
        file
    }

    fn merge(reader: impl Read + Send + 'static) -> Merge {
        let source = Source::from_reader("-", Box::new(reader), 0).expect("a capture");
        Merge::new(vec![source]).expect("a thread")
    }

    fn frames(round: &Round) -> usize {
        round.parts.iter().map(|part| part.frames.len()).sum()
    }

    #[test]
    fn joins_what_a_pipe_has_at_hand() {
        let mut merge = merge(Cursor::new(capture(4000)));
        let Some(Lane { input: Input::Piped(pipe), .. }) = merge.lanes.first() else { panic!() };
        while !pipe.thread.is_finished() {
            std::thread::yield_now();
        }
        let round = merge.next().expect("no error").expect("a round");
        assert_eq!((frames(&round), round.parts.len() > 50), (4000, true));
        assert!(merge.next().expect("no error").is_none());
        assert_eq!(merge.into_descriptions()[0].frames, 4000);
    }

    /// A pcapng file with blocks of 15 MiB that are no packets.
    fn large(blocks: usize) -> Vec<u8> {
        const BYTES: u32 = 15 << 20;
        let mut file: Vec<u8> = [0x0a0d_0d0a, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28]
            .map(u32::to_le_bytes)
            .as_flattened()
            .to_vec();
        for _ in 0..blocks {
            file.extend([0xbad, BYTES].map(u32::to_le_bytes).as_flattened());
            file.resize(file.len() + BYTES as usize - 12, 0);
            file.extend(BYTES.to_le_bytes());
        }
        file
    }

    #[test]
    fn what_waits_of_a_pipe_is_bounded_in_bytes() {
        let reader = Box::new(Cursor::new(large(2)));
        let source = Source::from_reader("-", reader, 0).expect("a capture");
        let (sender, receiver) = sync_channel(2 * PIPE_BLOCKS);
        Pipe::read(source, &sender);
        drop(sender);
        let sent: Vec<Sent> = receiver.iter().collect();
        let blocks = sent.iter().filter(|sent| matches!(sent, Ok(Some(_)))).count();
        // The channel has room for as many as are 16 MiB.
        assert_eq!((blocks, sent.len() >= 2 * (15 << 20) / PIPE_BLOCK_BYTES), (2, true));
        const { assert!(PIPE_BLOCKS * PIPE_BLOCK_BYTES <= 16 << 20) };

        let mut merge = merge(Cursor::new(large(3)));
        let mut blocks = 0;
        while let Some(round) = merge.next().expect("no error") {
            let bytes: usize = round.parts.iter().map(|part| part.block.bytes()).sum();
            assert!(bytes < WINDOW_BYTES + (16 << 20), "{bytes}");
            blocks += round.parts.len();
            merge.recycle(round);
            assert!(merge.spare.is_empty(), "so large a buffer is not kept");
        }
        assert_eq!(blocks, 3);
        assert_eq!(merge.into_descriptions()[0].notes.len(), 1, "blocks without packets");
    }

    #[test]
    fn gives_at_once_what_a_slow_pipe_gives() {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let file = capture(3);
        writer.write_all(&file[..24 + 1016]).expect("room in the pipe");
        let mut merge = merge(reader);
        let round = merge.next().expect("no error").expect("a round");
        assert_eq!(frames(&round), 1);
        for packet in [1, 2] {
            writer.write_all(&file[24 + 1016 * packet..][..1016]).expect("room in the pipe");
            let round = merge.next().expect("no error").expect("a round");
            assert_eq!(frames(&round), 1);
        }
        drop(writer);
        assert!(merge.next().expect("no error").is_none());
    }
}
