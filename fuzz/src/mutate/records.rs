//! A capture as records, damage to their order, lengths, times and link types, and files of them.

use std::io::Cursor;

use siptrace::capture::{LinkType, Source, script};

use super::Random;

/// Records of a capture, and the file they came from.
#[derive(Clone, Debug, Default)]
pub struct Capture {
    /// The bytes as they were found; none of a part.
    pub(super) file: Vec<u8>,
    pub(super) records: Vec<Record>,
}

/// One frame.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) nanos: i64,
    pub(super) link: LinkType,
    pub(super) original_length: u32,
    pub(super) data: Vec<u8>,
}

/// What damage leaves of a capture at most; damage that doubles stops here.
const RECORDS_MAX: usize = 4000;

/// Link types that are read, and some that are not.
const LINKS: [u16; 25] = [
    0, 1, 6, 9, 10, 12, 14, 100, 101, 104, 105, 107, 108, 113, 117, 119, 127, 163, 192, 195, 197,
    228, 229, 252, 276,
];

impl Capture {
    /// A capture of any format that is read; none if it is none.
    pub fn read(file: Vec<u8>) -> Option<Self> {
        let reader = Box::new(Cursor::new(file.clone()));
        let mut source = Source::from_reader("seed", reader, 0).ok()?;
        let mut records = Vec::new();
        while let Ok(Some(block)) = source.next_block(Vec::new()) {
            let frames = block.frames().filter(|frame| frame.link != LinkType::NOT_A_PACKET);
            records.extend(frames.map(|frame| Record {
                nanos: frame.time.nanos(),
                link: frame.link,
                original_length: frame.original_length,
                data: frame.data.to_vec(),
            }));
        }
        (!records.is_empty()).then_some(Self { file, records })
    }

    /// What a `.sip` script plays; none if it cannot be played.
    pub fn play(text: &str) -> Option<Self> {
        let frames = script::frames(text).ok()?;
        let records = frames.into_iter().map(|frame| Record {
            nanos: frame.time.nanos(),
            link: frame.link,
            original_length: frame.original_length,
            data: frame.data,
        });
        let records: Vec<_> = records.collect();
        (!records.is_empty()).then_some(Self { file: text.as_bytes().to_vec(), records })
    }

    /// Datagrams with these payloads, a second apart, from port 5060 to port 5060.
    pub fn datagrams<'p>(payloads: impl IntoIterator<Item = &'p [u8]>) -> Self {
        let records = payloads.into_iter().zip(1_i64..).map(|(payload, second)| {
            let mut data = vec![0x45, 0, 0, 0, 0, 1, 0, 0, 64, 17, 0, 0];
            data.extend([192, 0, 2, 10, 198, 51, 100, 20, 0x13, 0xc4, 0x13, 0xc4, 0, 0, 0, 0]);
            data.extend(payload.iter().take(65_000));
            let length = data.len() as u16;
            data[2..4].copy_from_slice(&length.to_be_bytes());
            data[4..6].copy_from_slice(&(second as u16).to_be_bytes());
            data[24..26].copy_from_slice(&(length - 20).to_be_bytes());
            let nanos = (1_700_000_000 + second) * 1_000_000_000;
            Record { nanos, link: LinkType::RAW, original_length: u32::from(length), data }
        });
        Self { file: Vec::new(), records: records.collect() }
    }

    /// A file of the records as they are; all must have one link type.
    pub fn pcap(&self) -> Vec<u8> {
        let link = self.records.first().map_or(LinkType::ETHERNET, |record| record.link);
        let mut file = File { bytes: Vec::new(), is_big_endian: false };
        file.pcap(&self.records, link, true);
        file.bytes
    }

    /// Bytes of its frames.
    pub fn bytes(&self) -> usize {
        self.records.iter().map(|record| record.data.len()).sum()
    }

    /// Consecutive records of so many bytes, or all of them if there are no more.
    pub(super) fn window(&self, bytes: usize, random: &mut Random) -> Self {
        let total = self.bytes();
        let mut start = 0;
        if total > bytes {
            let mut skipped = random.below(total - bytes);
            while let Some(record) = self.records.get(start)
                && skipped >= record.data.len().max(1)
            {
                skipped -= record.data.len();
                start += 1;
            }
        }
        let mut left = bytes;
        let fits = |record: &&Record| {
            let is_room = left > 0;
            left = left.saturating_sub(record.data.len());
            is_room
        };
        let records = self.records.iter().skip(start).take_while(fits).cloned().collect();
        Self { file: Vec::new(), records }
    }

    /// A file of the records: any byte order and resolution, pcap or pcapng.
    pub(super) fn write(&self, random: &mut Random) -> Vec<u8> {
        let first = self.records.first().map_or(LinkType::ETHERNET, |record| record.link);
        let is_uniform = self.records.iter().all(|record| record.link == first);
        let is_big_endian = random.once_in(4);
        let mut file = File { bytes: Vec::new(), is_big_endian };
        match is_uniform && !random.once_in(4) {
            true => file.pcap(&self.records, first, random.once_in(3)),
            false => file.pcapng(&self.records),
        }
        file.bytes
    }
}

/// A file while it is written.
struct File {
    bytes: Vec<u8>,
    is_big_endian: bool,
}

impl File {
    fn pcap(&mut self, records: &[Record], link: LinkType, has_nanos: bool) {
        self.words(&[if has_nanos { 0xa1b2_3c4d } else { 0xa1b2_c3d4 }]);
        match self.is_big_endian {
            true => self.words(&[0x0002_0004]),
            false => self.words(&[0x0004_0002]),
        }
        self.words(&[0, 0, 262_144, u32::from(link.0)]);
        for record in records {
            let fraction = record.nanos.rem_euclid(1_000_000_000) as u32;
            self.words(&[
                record.nanos.div_euclid(1_000_000_000) as u32,
                if has_nanos { fraction } else { fraction / 1000 },
                record.data.len() as u32,
                record.original_length,
            ]);
            self.bytes.extend(&record.data);
        }
    }

    fn pcapng(&mut self, records: &[Record]) {
        let mut links: Vec<LinkType> = Vec::new();
        let version = if self.is_big_endian { 0x0001_0000 } else { 1 };
        self.block(0x0a0d_0d0a, &[0x1a2b_3c4d, version, u32::MAX, u32::MAX], &[]);
        for record in records {
            if !links.contains(&record.link) && record.link != LinkType::UNDECLARED {
                links.push(record.link);
                let shift = if self.is_big_endian { 16 } else { 0 };
                let link = u32::from(record.link.0) << shift;
                // Nanoseconds, by the option if_tsresol.
                let option = if self.is_big_endian { 0x0009_0001 } else { 0x0001_0009 };
                self.block(1, &[link, 0, option], &[9, 0, 0, 0, 0, 0, 0, 0]);
            }
            let interface = links.iter().position(|link| *link == record.link);
            let interface = interface.unwrap_or(links.len() + 1) as u32;
            let (high, low) = ((record.nanos >> 32) as u32, record.nanos as u32);
            let length = record.data.len() as u32;
            self.block(6, &[interface, high, low, length, record.original_length], &record.data);
        }
    }

    fn block(&mut self, kind: u32, words: &[u32], data: &[u8]) {
        let padded = data.len().next_multiple_of(4);
        let length = (12 + words.len() * 4 + padded) as u32;
        self.words(&[kind, length]);
        self.words(words);
        self.bytes.extend(data);
        self.bytes.resize(self.bytes.len() + padded - data.len(), 0);
        self.words(&[length]);
    }

    fn words(&mut self, words: &[u32]) {
        for word in words {
            match self.is_big_endian {
                true => self.bytes.extend(word.to_be_bytes()),
                false => self.bytes.extend(word.to_le_bytes()),
            }
        }
    }
}

/// Drops, doubles, swaps, repeats or turns around records.
pub(super) fn shuffle(capture: &mut Capture, random: &mut Random) {
    let records = &mut capture.records;
    let at = random.below(records.len());
    let length = random.below(8) + 1;
    let end = (at + length).min(records.len());
    match random.below(7) {
        0 => drop(records.drain(at..end)),
        1 => records.truncate(at),
        2 => {
            let copies = records[at..end].to_vec();
            let place = random.below(records.len() + 1);
            records.splice(place..place, copies);
        }
        3 if !records.is_empty() => {
            let other = random.below(records.len());
            records.swap(at, other);
        }
        4 => records[at..end].reverse(),
        5 => {
            if let Some(record) = records.get(at).cloned() {
                let times = random.below(100);
                records.splice(at..at, std::iter::repeat_n(record, times));
            }
        }
        // One in so many is lost.
        _ => {
            let every = random.below(6) + 2;
            let mut number = 0;
            records.retain(|_| {
                number += 1;
                number % every != 0
            });
        }
    }
    records.truncate(RECORDS_MAX);
}

/// Cuts a frame, or says another length of it than it has.
pub(super) fn cut(capture: &mut Capture, random: &mut Random) {
    let at = random.below(capture.records.len());
    let every = if random.once_in(8) { usize::MAX } else { 1 };
    let snap_length = random.below(400);
    for record in capture.records.iter_mut().skip(at).take(every) {
        match random.below(5) {
            0 => record.original_length = 0,
            1 => record.original_length = u32::MAX,
            2 => {
                let length = random.below(record.data.len() + 1);
                record.data.truncate(length);
            }
            3 => {
                record.data.truncate(snap_length);
                record.original_length = record.data.len() as u32;
            }
            _ => record.data.truncate(snap_length),
        }
    }
}

/// Moves one time, or all from a record on: back, to zero, far away.
pub(super) fn times(capture: &mut Capture, random: &mut Random) {
    const SECOND: i64 = 1_000_000_000;

    let at = random.below(capture.records.len());
    let is_alone = !random.once_in(2);
    let step = random.one(&[
        -1,
        -2_000_000,
        -SECOND,
        -3600 * SECOND,
        -i64::MAX / 2,
        1,
        2 * SECOND,
        33 * SECOND,
        3600 * SECOND,
        86_400 * 366 * SECOND,
        i64::MAX / 2,
    ]);
    let place = random.one(&[0, -1, 1, i64::MIN, i64::MAX, i64::from(u32::MAX) * SECOND]);
    let way = random.below(5);
    let first = capture.records.first().map_or(0, |record| record.nanos);
    let count = if is_alone { 1 } else { usize::MAX };
    for record in capture.records.iter_mut().skip(at).take(count) {
        record.nanos = match way {
            0 => place,
            1 => first,
            // The whole capture in slow motion, or backwards.
            2 => first.saturating_add(record.nanos.saturating_sub(first).saturating_mul(1000)),
            3 => first.saturating_sub(record.nanos.saturating_sub(first)),
            _ => record.nanos.saturating_add(step),
        };
    }
}

/// Says another link type of a frame, or of all.
pub(super) fn links(capture: &mut Capture, random: &mut Random) {
    let link = match random.below(LINKS.len() + 2) {
        0 => LinkType::UNDECLARED,
        1 => LinkType(random.below(1 << 16) as u16),
        _ => LinkType(random.one(&LINKS)),
    };
    let at = random.below(capture.records.len());
    let count = if random.once_in(3) { usize::MAX } else { 1 };
    for record in capture.records.iter_mut().skip(at).take(count) {
        record.link = link;
    }
}

/// Puts another capture behind, or between, or within the times of this one.
pub(super) fn splice(capture: &mut Capture, other: &Capture, random: &mut Random) {
    let mut records = other.records.clone();
    let first = capture.records.first().map_or(0, |record| record.nanos);
    let begin = records.first().map_or(0, |record| record.nanos);
    if random.once_in(2) {
        for record in &mut records {
            record.nanos = record.nanos.saturating_sub(begin).saturating_add(first);
        }
    }
    match random.below(3) {
        0 => capture.records.extend(records),
        1 => {
            let place = random.below(capture.records.len() + 1);
            capture.records.splice(place..place, records);
        }
        _ => {
            capture.records.extend(records);
            capture.records.sort_by_key(|record| record.nanos);
        }
    }
    capture.records.truncate(RECORDS_MAX);
}
