//! Hand-made captures, and what comes of reading them.

use std::fs::{self, File};
use std::io::{self, Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::capture::{Block, Description, Error, Note, Part, Source};

/// Byte orders that a file may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Big,
    Little,
}

impl Order {
    pub(super) fn u16(self, number: u16) -> [u8; 2] {
        if self == Self::Big { number.to_be_bytes() } else { number.to_le_bytes() }
    }

    pub(super) fn u32(self, number: u32) -> [u8; 4] {
        if self == Self::Big { number.to_be_bytes() } else { number.to_le_bytes() }
    }

    pub(super) fn u64(self, number: u64) -> [u8; 8] {
        if self == Self::Big { number.to_be_bytes() } else { number.to_le_bytes() }
    }
}

/// A pcap file header, Ethernet unless the link type says more.
pub(super) fn pcap_header(order: Order, magic: u32, link: u32) -> Vec<u8> {
    let version = [order.u16(2), order.u16(4)].concat();
    let rest = [0, 0, 65_535, link].map(|number| order.u32(number));
    [&order.u32(magic)[..], &version, rest.as_flattened()].concat()
}

/// A pcap record.
pub(super) fn pcap_record(order: Order, seconds: u32, fraction: u32, data: &[u8]) -> Vec<u8> {
    let length = data.len() as u32;
    let header = [seconds, fraction, length, length].map(|number| order.u32(number));
    [header.as_flattened(), data].concat()
}

/// A pcap file of so many records, each a millisecond after the one before and three bytes longer.
pub(super) fn pcap(count: u32) -> Vec<u8> {
    let mut file = pcap_header(Order::Little, 0xa1b2_c3d4, 1);
    for number in 0..count {
        file.extend(pcap_record(Order::Little, 1_000, number * 1_000, &payload(number)));
    }
    file
}

/// The data of a record of [`pcap`].
pub(super) fn payload(number: u32) -> Vec<u8> {
    vec![0x40 + (number % 64) as u8; 20 + number as usize % 50 * 3]
}

/// A pcapng block.
pub(super) fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let padding = [0; 3];
    let padding = &padding[..body.len().next_multiple_of(4) - body.len()];
    let length = order.u32((body.len() + padding.len() + 12) as u32);
    [&order.u32(kind), &length, body, padding, &length].concat()
}

/// A pcapng section header.
pub(super) fn section(order: Order) -> Vec<u8> {
    let magic = order.u32(0x1a2b_3c4d);
    let version = [order.u16(1), order.u16(0)].concat();
    block(order, 0x0a0d_0d0a, &[&magic[..], &version, &[0xff; 8]].concat())
}

/// An interface description with options.
pub(super) fn interface(order: Order, link: u16, snap_length: u32, options: &[u8]) -> Vec<u8> {
    let fields = [order.u16(link), order.u16(0)].concat();
    block(order, 1, &[&fields[..], &order.u32(snap_length), options].concat())
}

/// An option of a pcapng block.
pub(super) fn option(order: Order, code: u16, value: &[u8]) -> Vec<u8> {
    let padding = vec![0; value.len().next_multiple_of(4) - value.len()];
    [&order.u16(code)[..], &order.u16(value.len() as u16), value, &padding].concat()
}

/// An enhanced packet block.
pub(super) fn packet(order: Order, interface: u32, ticks: u64, data: &[u8]) -> Vec<u8> {
    let (high, low) = ((ticks >> 32) as u32, ticks as u32);
    let length = data.len() as u32;
    let fields = [interface, high, low, length, length].map(|number| order.u32(number));
    block(order, 6, &[fields.as_flattened(), data].concat())
}

/// What came of reading a capture to its end.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) frames: Vec<Seen>,
    pub(super) notes: Vec<Note>,
    pub(super) description: Description,
    pub(super) source: Source,
}

/// A frame that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) number: u64,
    pub(super) nanos: i64,
    pub(super) link: u16,
    pub(super) data: Vec<u8>,
    pub(super) original_length: u32,
}

pub(super) fn drain(mut source: Source) -> Result<Outcome, Error> {
    let mut frames = Vec::new();
    let mut spare = Vec::new();
    while let Some(block) = source.next_block(spare)? {
        see(&block, &mut frames);
        spare = block.into_buffer();
    }
    Ok(outcome(source, frames))
}

/// Reads so many parts at a time, as far as there are parts. Tells as well how many there were and
/// how many of them were guessed wrong.
pub(super) fn drain_in_parts(
    mut source: Source,
    count: usize,
) -> (Result<Outcome, Error>, (u64, u64)) {
    let mut frames = Vec::new();
    let mut spare = Vec::new();
    let result = loop {
        let parts = source.parts(count, &mut spare);
        let is_straight = parts.is_empty();
        let blocks = match is_straight {
            true => source.next_block(spare.pop().unwrap_or_default()).map(Vec::from_iter),
            false => source.join(parts.into_iter().map(Part::read).collect(), &mut spare),
        };
        match blocks {
            Ok(blocks) if blocks.is_empty() && is_straight => break Ok(()),
            Ok(blocks) => blocks.into_iter().for_each(|block| {
                see(&block, &mut frames);
                spare.push(block.into_buffer());
            }),
            Err(error) => break Err(error),
        }
    };
    let guesses = source.guesses();
    (result.map(|()| outcome(source, frames)), guesses)
}

fn see(block: &Block, frames: &mut Vec<Seen>) {
    assert!(block.frames_count() > 0);
    assert_eq!(block.first().number, block.frames().next().map_or(0, |frame| frame.id.number));
    frames.extend(block.frames().map(|frame| Seen {
        number: frame.id.number,
        nanos: frame.time.nanos(),
        link: frame.link.0,
        data: frame.data.to_vec(),
        original_length: frame.original_length,
    }));
}

fn outcome(source: Source, frames: Vec<Seen>) -> Outcome {
    let description = source.describe();
    Outcome { frames, notes: description.notes.clone(), description, source }
}

/// A file that is gone after the test.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new(bytes: &[u8]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("siptrace-{}-{number}", std::process::id()));
        File::create(&path).and_then(|mut file| file.write_all(bytes)).expect("room for a file");
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A folder that is gone after the test.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("siptrace-folder-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("room for a folder");
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap_or(&self.0)).expect("room for a folder");
        fs::write(path, bytes).expect("room for a file");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(super) fn from_file(bytes: &[u8]) -> Result<Outcome, Error> {
    let scratch = Scratch::new(bytes);
    drain(Source::open(scratch.path(), 0)?)
}

/// Gives a few bytes at a time, as a slow pipe does.
struct Trickle(Cursor<Vec<u8>>, usize);

impl Read for Trickle {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = into.len().min(self.1);
        self.0.read(into.get_mut(..length).unwrap_or_default())
    }
}

pub(super) fn from_pipe(bytes: &[u8], at_a_time: usize) -> Result<Outcome, Error> {
    let reader = Trickle(Cursor::new(bytes.to_vec()), at_a_time);
    drain(Source::from_reader("-", Box::new(reader), 0)?)
}

/// Reads a capture that can be read, from a file and through pipes; all give the same frames.
pub(super) fn read(bytes: &[u8]) -> Outcome {
    let outcome = from_file(bytes).expect("a capture");
    for at_a_time in [7, 1 << 20] {
        let piped = from_pipe(bytes, at_a_time).expect("a capture");
        assert_eq!(piped.frames, outcome.frames, "{at_a_time} bytes at a time");
        assert_eq!(piped.notes, outcome.notes, "{at_a_time} bytes at a time");
    }
    outcome
}

/// Marsaglia's xorshift: the same numbers on every run.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit.max(1)
    }
}
