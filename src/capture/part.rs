//! Parts of a plain pcap file, which several threads read at once.
//!
//! Where the first record of a part begins is guessed: there is no mark, only headers that are as
//! headers are, one after another. A part is believed if it begins where the one before it ends,
//! and if nothing in it is out of the ordinary. Everything else is read by [`super::Source`] from
//! where it is known that a record begins. So a guess costs time at worst, and never changes what
//! is read.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use crate::capture::block::Record;
use crate::capture::pcap::{Calm, Pcap, Stretch};

/// Bytes read beyond a part, so that its last record and the header after it are there.
const BEYOND: usize = 4 << 10;

/// A part of a file, to be read by any thread.
#[derive(Debug)]
pub struct Part {
    pub(super) file: Arc<File>,
    pub(super) pcap: Pcap,
    /// Where it begins: at a record if that is known, else anywhere in one.
    pub(super) from: u64,
    pub(super) is_exact: bool,
    /// Records that begin here or later belong to the next part.
    pub(super) limit: u64,
    pub(super) buffer: Vec<u8>,
    /// Records that it may have.
    pub(super) records_hint: usize,
}

/// A part that was read, and may be wrong.
#[derive(Debug)]
pub struct Guess {
    pub(super) part: Part,
    pub(super) records: Vec<Record>,
    /// What was found; nothing where something is out of the ordinary, or the file could not be
    /// read.
    pub(super) found: Option<Found>,
}

/// The records of a part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Where the first one begins in the file.
    pub(super) start: u64,
    /// Where the first one of the next part begins.
    pub(super) end: u64,
    /// The same in the buffer.
    pub(super) used: usize,
    pub(super) stretch: Stretch,
}

impl Part {
    /// Reads the part and finds its records.
    pub fn read(mut self) -> Guess {
        let mut records = Vec::with_capacity(self.records_hint);
        let found = self.find(&mut records).ok().flatten();
        Guess { part: self, records, found }
    }

    fn find(&mut self, records: &mut Vec<Record>) -> io::Result<Option<Found>> {
        let length = self.limit.saturating_sub(self.from) as usize;
        let mut filled = self.fill(0, length + BEYOND)?;
        let bytes = self.buffer.get(..filled).unwrap_or_default();
        let start = match self.is_exact {
            true => 0,
            false => match self.pcap.guess(bytes) {
                Some(start) => start,
                None => return Ok(None),
            },
        };
        let mut stretch = Stretch::from(start);
        loop {
            let bytes = self.buffer.get(..filled).unwrap_or_default();
            match self.pcap.calm(bytes, length, &mut stretch, records) {
                Calm::Done => break,
                Calm::Odd => return Ok(None),
                Calm::More(wanted) => {
                    let before = filled;
                    filled = self.fill(filled, wanted)?;
                    if filled == before {
                        return Ok(None);
                    }
                }
            }
        }
        let (start, end) = (self.from + start as u64, self.from + stretch.at as u64);
        Ok(Some(Found { start, end, used: stretch.at, stretch }))
    }

    /// Reads until so many bytes are there or the file ends; returns how many there are.
    fn fill(&mut self, filled: usize, wanted: usize) -> io::Result<usize> {
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        let mut filled = filled;
        while filled < wanted {
            let into = self.buffer.get_mut(filled..wanted).unwrap_or_default();
            match read_at(&self.file, into, self.from + filled as u64) {
                Ok(0) => break,
                Ok(length) => filled += length,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

/// A read that needs no place in the file that all threads share.
#[cfg(unix)]
fn read_at(file: &File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, into, offset)
}

#[cfg(windows)]
fn read_at(file: &File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, into, offset)
}

/// Without such a read, every part is read from the beginning.
#[cfg(not(any(unix, windows)))]
fn read_at(_: &File, _: &mut [u8], _: u64) -> io::Result<usize> {
    Err(ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::samples::{
        Order, Outcome, Random, Scratch, drain, drain_in_parts, pcap, pcap_header, pcap_record,
    };
    use crate::capture::{Error, Note, Source};
    use crate::limits::{BLOCK_BYTES, RECORD_BYTES_MAX};

    const FILE_BYTES: usize = 8 * BLOCK_BYTES + RECORD_BYTES_MAX;

    fn open(scratch: &Scratch) -> Source {
        Source::open(scratch.path(), 0).expect("a capture")
    }

    fn frames(outcome: &Outcome) -> usize {
        outcome.frames.len()
    }

    /// Reads the file in parts and from its beginning; both give the same. Returns what it gave,
    /// how many parts were read and how many were guessed wrong.
    fn read(file: &[u8]) -> (Result<Outcome, Error>, (u64, u64)) {
        let scratch = Scratch::new(file);
        let straight = drain(open(&scratch));
        let mut counts = (0, 0);
        for count in [16, 1, 3] {
            let (outcome, guesses) = drain_in_parts(open(&scratch), count);
            match (&straight, &outcome) {
                (Ok(straight), Ok(outcome)) => {
                    assert!(straight.frames == outcome.frames, "{count}: other frames");
                    assert_eq!(straight.notes, outcome.notes, "{count}");
                    let text = |outcome: &Outcome| format!("{:?}", outcome.description);
                    assert_eq!(text(straight), text(outcome), "{count}");
                }
                _ => assert_eq!(straight.is_ok(), outcome.is_ok(), "{count}"),
            }
            if count == 16 {
                counts = guesses;
            }
        }
        (straight, counts)
    }

    /// A file of packets of all sizes, of which `data` makes the bytes.
    fn file(order: Order, magic: u32, data: impl Fn(usize, &mut Random) -> Vec<u8>) -> Vec<u8> {
        let mut random = Random(0x5eed_0007);
        let mut file = pcap_header(order, magic, 1);
        for number in 0.. {
            let data = data(number, &mut random);
            let (seconds, fraction) = (1000 + number as u32 / 1000, number as u32 % 1000 * 999);
            file.extend(pcap_record(order, seconds, fraction, &data));
            if file.len() >= FILE_BYTES {
                break;
            }
        }
        file
    }

    fn noise(bytes: usize, random: &mut Random) -> Vec<u8> {
        let mut noise: Vec<u8> = Vec::with_capacity(bytes + 8);
        while noise.len() < bytes {
            random.below(2);
            noise.extend(random.0.to_le_bytes());
        }
        noise.truncate(bytes);
        noise
    }

    fn ordinary(_: usize, random: &mut Random) -> Vec<u8> {
        let bytes = 60 + random.below(1400);
        noise(bytes, random)
    }

    #[test]
    fn every_variant_is_read_alike() {
        for magic in [0xa1b2_c3d4, 0xa1b2_3c4d] {
            for order in [Order::Little, Order::Big] {
                let (outcome, guesses) = read(&file(order, magic, ordinary));
                assert_eq!(guesses, (8, 0), "{magic:x} {order:?}");
                assert!(outcome.is_ok_and(|outcome| outcome.notes.is_empty()));
            }
        }
    }

    #[test]
    fn a_capture_inside_a_capture_misleads_nobody() {
        let inner = pcap(999);
        let (outcome, (_, wrong)) = read(&file(Order::Little, 0xa1b2_c3d4, |_, _| inner.clone()));
        assert!(wrong > 0, "the guess is put to the test");
        assert!(outcome.is_ok_and(|outcome| frames(&outcome) > 40));
        // Pieces of a transfer, as TFTP makes them.
        let pieces: Vec<_> = inner.chunks(512).map(<[u8]>::to_vec).collect();
        let piece = |number: usize, _: &mut Random| pieces[number % pieces.len()].clone();
        let (outcome, _) = read(&file(Order::Little, 0xa1b2_c3d4, piece));
        assert!(outcome.is_ok_and(|outcome| frames(&outcome) > 8000));
    }

    #[test]
    fn payload_that_looks_like_headers_misleads_nobody() {
        let header = [1000_u32, 5, 16, 16].map(u32::to_le_bytes);
        for times in [8, 90, 4000, 16_000] {
            let fake = header.as_flattened().repeat(times);
            let (outcome, _) = read(&file(Order::Little, 0xa1b2_c3d4, |_, _| fake.clone()));
            assert!(outcome.is_ok_and(|outcome| outcome.notes.is_empty()), "{times}");
        }
    }

    #[test]
    fn records_of_any_size_are_read_alike() {
        let sizes = [0, 1, 15, 70_000, 200_000, 260_000];
        let (outcome, _) = read(&file(Order::Little, 0xa1b2_c3d4, |number, random| {
            noise(sizes[number % sizes.len()], random)
        }));
        assert!(outcome.is_ok_and(|outcome| outcome.notes.is_empty()));
        let mut large = pcap_header(Order::Little, 0xa1b2_c3d4, 1);
        large[16..20].copy_from_slice(&(RECORD_BYTES_MAX as u32).to_le_bytes());
        for number in 0..9 {
            let data = noise(900_000, &mut Random(u64::from(number) + 1));
            large.extend(pcap_record(Order::Little, 1000 + number, 0, &data));
        }
        assert!(read(&large).0.is_ok_and(|outcome| frames(&outcome) == 9));
    }

    #[test]
    fn time_that_jumps_is_read_alike() {
        let mut jumping = file(Order::Little, 0xa1b2_c3d4, |_, _| vec![7; 1000]);
        let mut backwards = jumping.clone();
        for at in (24..jumping.len()).step_by(1016).skip(700).step_by(900) {
            jumping[at..at + 4].copy_from_slice(&2_000_000_000_u32.to_le_bytes());
            backwards[at..at + 4].copy_from_slice(&900_u32.to_le_bytes());
        }
        let steps =
            |outcome: Result<Outcome, Error>| outcome.map(|o| o.description.steps_back.count);
        assert!(read(&jumping).0.is_ok());
        assert!(steps(read(&backwards).0).is_ok_and(|steps| steps > 3));
    }

    #[test]
    fn damage_is_read_alike() {
        let whole = file(Order::Little, 0xa1b2_c3d4, ordinary);
        let mut random = Random(0x5eed_0008);
        for round in 0..12 {
            let mut file = whole.clone();
            for _ in 0..random.below(6) {
                let at = 24 + random.below(file.len() - 24);
                match random.below(3) {
                    0 => file[at..].iter_mut().take(600).for_each(|byte| *byte = 0xee),
                    1 => drop(file.splice(at..at, noise(300, &mut random))),
                    _ => drop(file.drain(at..(at + 100_000).min(whole.len() / 2).max(at))),
                }
            }
            file.truncate(file.len() - random.below(2000));
            assert!(read(&file).0.is_ok(), "{round}");
        }
    }

    #[test]
    fn a_last_record_that_is_cut_is_read_alike() {
        let whole = file(Order::Big, 0xa1b2_3c4d, |_, _| vec![1; 500]);
        for cut in [1, 499, 500, 501, 515, 516, 2 * BLOCK_BYTES + 7] {
            let (outcome, _) = read(&whole[..whole.len() - cut]);
            let notes = outcome.map(|outcome| outcome.notes).unwrap_or_default();
            let is_cut = notes.iter().any(|note| matches!(note, Note::EndsInsideRecord { .. }));
            assert_eq!(is_cut, cut % 516 != 0, "{cut}");
        }
    }

    #[test]
    fn a_file_that_shrinks_ends_early() {
        let scratch = Scratch::new(&file(Order::Little, 0xa1b2_c3d4, ordinary));
        let mut source = open(&scratch);
        let mut spare = Vec::new();
        let parts = source.parts(16, &mut spare);
        let shrunk = File::options().write(true).open(scratch.path());
        shrunk.and_then(|file| file.set_len(3 * BLOCK_BYTES as u64)).expect("it can be cut");
        let guesses = parts.into_iter().map(Part::read).collect();
        let blocks = source.join(guesses, &mut spare).expect("no error");
        assert!(!blocks.is_empty());
        while source.next_block(Vec::new()).expect("no error").is_some() {}
        let notes = source.describe().notes;
        let is_told =
            matches!(notes.as_slice(), [Note::EndsInsideRecord { .. }, Note::Shrank { .. }]);
        assert!(is_told, "{notes:?}");
    }
}
