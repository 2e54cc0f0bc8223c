//! The classic pcap format and its relatives.
//!
//! A record header has no mark of its own, so every header is judged before it is believed.

use crate::bytes::array;
use crate::capture::block::Record;
use crate::capture::ledger::Ledger;
use crate::capture::resync::{self, Found, Step};
use crate::capture::{LinkType, Note};
use crate::limits;
use crate::time::{Span, Time};

/// Bytes of the file header.
pub(super) const HEADER: usize = 24;

/// Captured bytes of a record that need no second look: the largest snap length that tools set.
const CALM_LENGTH: u32 = 256 << 10;

/// How far apart in time neighbours are without a second look.
const CALM_SPAN: Span = Span::from_secs(86_400);

/// A file in progress: what its header said.
#[derive(Clone, Debug)]
pub(super) struct Pcap {
    is_big_endian: bool,
    /// Nanoseconds in a unit of the fraction: 1 or 1000.
    unit: u32,
    record_header: usize,
    /// Bytes of the file header.
    header: usize,
    length_max: u32,
    link: LinkType,
    /// Records are still being looked for behind damage, so one sane header is not enough.
    is_lost: bool,
}

/// A record header.
#[derive(Clone, Copy, Debug)]
struct Header {
    time: Time,
    fraction: u32,
    length: u32,
    original_length: u32,
}

/// How far a header is believed.
#[derive(Clone, Copy, Debug)]
enum Verdict {
    Good(Header),
    Bad,
    /// More bytes are needed.
    Short,
}

/// What is known of records that follow one another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    /// Where the next one begins.
    pub(super) at: usize,
    /// The times of the first and of the last one.
    pub(super) times: Option<(Time, Time)>,
    /// The earliest and the latest time.
    pub(super) extremes: Option<(Time, Time)>,
    /// Some are earlier than the one before.
    pub(super) is_disordered: bool,
}

impl Stretch {
    /// No records yet.
    pub(super) fn from(at: usize) -> Self {
        Self { at, times: None, extremes: None, is_disordered: false }
    }

    #[inline]
    fn add(&mut self, time: Time) {
        let (first, last) = self.times.unwrap_or((time, time));
        let (earliest, latest) = self.extremes.unwrap_or((time, time));
        self.is_disordered |= time < last;
        self.times = Some((first, time));
        self.extremes = Some((earliest.min(time), latest.max(time)));
    }
}

/// How far a stretch of records goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Calm {
    /// To its end, and the next header is in order as well.
    Done,
    /// So many bytes are needed to tell.
    More(usize),
    /// Not: a header is out of the ordinary.
    Odd,
}

/// What is being read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window<'a> {
    pub(super) bytes: &'a [u8],
    /// Where `bytes` begins in the file.
    pub(super) offset: u64,
    /// Nothing follows.
    pub(super) at_end: bool,
    /// A record is wanted as soon as it is whole, without a look at what follows.
    pub(super) is_eager: bool,
}

impl Pcap {
    /// The format, if the bytes begin as one of its variants does.
    pub(super) fn recognise(head: &[u8]) -> Option<Self> {
        let magic: [u8; 4] = array(head, 0)?;
        let (is_big_endian, number) = match magic {
            [0xa1, ..] | [0x1c, ..] => (true, u32::from_be_bytes(magic)),
            _ => (false, u32::from_le_bytes(magic)),
        };
        let (unit, record_header, header) = match number {
            0xa1b2_c3d4 => (1000, 16, HEADER),
            // Nanoseconds; the second one is Navtel's.
            0xa1b2_3c4d | 0xa12b_3c4d => (1, 16, HEADER),
            // Alexey Kuznetzov's patched libpcap: interface, protocol and direction in each record.
            0xa1b2_cd34 => (1000, 24, HEADER),
            // Ixia, hardware and software capture: the size of all records follows the header.
            0x1c00_01ac => (1, 16, HEADER + 4),
            0x1c00_01ab => (1000, 16, HEADER + 4),
            _ => return None,
        };
        let order = |bytes: [u8; 4]| match is_big_endian {
            true => u32::from_be_bytes(bytes),
            false => u32::from_le_bytes(bytes),
        };
        let snap_length = array(head, 16).map(order)?;
        let network = array(head, 20).map(order)?;
        let length_max = snap_length.clamp(CALM_LENGTH, limits::RECORD_BYTES_MAX as u32);
        // The upper half tells the length of the frame check sequence.
        let link = LinkType::stated((network & 0xffff) as u16);
        let is_lost = false;
        Some(Self { is_big_endian, unit, record_header, header, length_max, link, is_lost })
    }

    /// Bytes before the first record.
    pub(super) fn header_bytes(&self) -> usize {
        self.header
    }

    /// Reads all whole records of the window; returns how many bytes are done with.
    pub(super) fn scan(
        &mut self,
        window: Window<'_>,
        records: &mut Vec<Record>,
        ledger: &mut Ledger,
    ) -> usize {
        let length = window.bytes.len();
        let mut at = 0;
        let mut verdict = match self.is_lost {
            true => Verdict::Bad,
            false => self.judge(window, at, ledger.last_time()),
        };
        loop {
            let header = match verdict {
                Verdict::Good(header) => header,
                Verdict::Short if window.at_end && at < length => {
                    ledger.note(Note::EndsInsideRecord { offset: window.offset + at as u64 });
                    return length;
                }
                Verdict::Short => return at,
                Verdict::Bad => {
                    at = self.pass_over(window, at, ledger);
                    if self.is_lost || at == length {
                        return at;
                    }
                    verdict = self.judge(window, at, None);
                    continue;
                }
            };
            let data = at + self.record_header;
            let end = data + header.length as usize;
            if end > length && !window.at_end {
                return at;
            }
            verdict = self.judge(window, end, Some(header.time));
            if matches!(verdict, Verdict::Short) && !window.is_eager && !window.at_end {
                return at;
            }
            let Header { time, length: captured, original_length, .. } = header;
            let (offset, link, interface) = (data as u32, self.link, 0);
            let mut record =
                Record { time, offset, length: captured, original_length, link, interface };
            if end <= length && !matches!(verdict, Verdict::Bad) {
                records.push(record);
                ledger.frame(header.time, self.link);
                at = end;
                continue;
            }

            // What follows is no record, or the file ends before this one does: its length may be
            // the damage. Then the next record lies inside it.
            match self.search(window, data, Some(header.time)) {
                Found::At(next) if next < end => {
                    record.length = (next - data) as u32;
                    ledger.damage(window.offset + at as u64, self.record_header as u64);
                    at = next;
                }
                Found::Undecided(next) if next < end => return at,
                _ if end > length => {
                    ledger.note(Note::EndsInsideRecord { offset: window.offset + at as u64 });
                    return length;
                }
                _ => at = end,
            }
            records.push(record);
            ledger.frame(header.time, self.link);
            verdict = self.judge(window, at, ledger.last_time());
        }
    }

    /// Where a record may begin, by nothing but what the bytes look like.
    pub(super) fn guess(&self, bytes: &[u8]) -> Option<usize> {
        let window = Window { bytes, offset: 0, at_end: false, is_eager: false };
        match self.search(window, 0, None) {
            Found::At(start) => Some(start),
            Found::Undecided(_) | Found::Nowhere => None,
        }
    }

    /// Reads the records that begin before `limit`, as long as every header is as headers are.
    /// [`Pcap::scan`] finds the same ones.
    pub(super) fn calm(
        &self,
        bytes: &[u8],
        limit: usize,
        stretch: &mut Stretch,
        records: &mut Vec<Record>,
    ) -> Calm {
        loop {
            let Some(header) = self.header(bytes, stretch.at) else {
                return Calm::More(stretch.at + self.record_header);
            };
            if !self.is_calm(header, stretch.times.map(|(_, last)| last)) {
                return Calm::Odd;
            }
            if stretch.at >= limit {
                return Calm::Done;
            }
            let data = stretch.at + self.record_header;
            let end = data + header.length as usize;
            if end > bytes.len() {
                return Calm::More(end + self.record_header);
            }
            let Header { time, length, original_length, .. } = header;
            let link = self.link;
            let (offset, interface) = (data as u32, 0);
            records.push(Record { time, offset, length, original_length, link, interface });
            stretch.add(time);
            stretch.at = end;
        }
    }

    /// Whether a stretch of records can follow one of this time.
    pub(super) fn follows(&self, stretch: &Stretch, last: Option<Time>) -> bool {
        let (Some(last), Some((first, _))) = (last, stretch.times) else { return true };
        first.since(last).abs() <= CALM_SPAN
    }

    /// The link type of all records.
    pub(super) fn link(&self) -> LinkType {
        self.link
    }

    /// Looks for records after damage at `at`; notes what was passed over. Where the window does
    /// not tell, the search goes on in the next one, from where it was.
    fn pass_over(&mut self, window: Window<'_>, at: usize, ledger: &mut Ledger) -> usize {
        let from = at + usize::from(!self.is_lost);
        let found = self.search(window, from, ledger.last_time());
        self.is_lost = matches!(found, Found::Undecided(_));
        let next = match found {
            Found::At(next) | Found::Undecided(next) => next,
            Found::Nowhere => window.bytes.len(),
        };
        ledger.damage(window.offset + at as u64, (next - at) as u64);
        next
    }

    /// Records are still being looked for behind damage.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost
    }

    fn search(&self, window: Window<'_>, from: usize, last: Option<Time>) -> Found {
        let length = window.bytes.len();
        resync::search(length, from, window.at_end, resync::CHAIN, |at, previous| {
            let Some(header) = self.header(window.bytes, at) else { return Step::Beyond };
            let neighbour = match previous {
                Some(previous) => self.header(window.bytes, previous).map(|header| header.time),
                None => last,
            };
            if header.length == 0 || !self.is_calm(header, neighbour) {
                return Step::No;
            }
            let next = at + self.record_header + header.length as usize;
            if next > length { Step::Beyond } else { Step::Next(next) }
        })
    }

    /// Whether a record begins at `at`. An odd header is believed when the next one confirms it.
    #[inline]
    fn judge(&self, window: Window<'_>, at: usize, last: Option<Time>) -> Verdict {
        let Some(header) = self.header(window.bytes, at) else { return Verdict::Short };
        if self.is_calm(header, last) {
            Verdict::Good(header)
        } else {
            self.confirm(window, at, header)
        }
    }

    #[cold]
    fn confirm(&self, window: Window<'_>, at: usize, header: Header) -> Verdict {
        let is_possible = header.length as usize <= limits::RECORD_BYTES_MAX
            && header.fraction < 1_000_000_000
            && header.length > 0;
        if !is_possible {
            return Verdict::Bad;
        }
        let end = at + self.record_header + header.length as usize;
        match self.header(window.bytes, end) {
            Some(next) if self.is_calm(next, None) => Verdict::Good(header),
            Some(_) => Verdict::Bad,
            None if window.at_end && end != window.bytes.len() => Verdict::Bad,
            None if window.at_end || window.is_eager => Verdict::Good(header),
            None => Verdict::Short,
        }
    }

    /// The header is as headers are. All zeros are the rest of a disk block.
    #[inline]
    fn is_calm(&self, header: Header, last: Option<Time>) -> bool {
        header.length <= self.length_max
            && (header.length | header.original_length != 0 || header.time != Time::default())
            && header.fraction < 1_000_000_000 / self.unit
            && last.is_none_or(|last| header.time.since(last).abs() <= CALM_SPAN)
    }

    #[inline]
    fn header(&self, bytes: &[u8], at: usize) -> Option<Header> {
        let fields: [u8; 16] = array(bytes, at)?;
        bytes.get(at + self.record_header - 1)?;
        let [seconds, fraction, length, original_length] = self.words(fields);
        let nanos = i64::from(fraction) * i64::from(self.unit);
        let time = Time::from_parts(i64::from(seconds), nanos);
        Some(Header { time, fraction, length, original_length })
    }

    #[inline]
    fn words(&self, fields: [u8; 16]) -> [u32; 4] {
        let (words, _) = fields.as_chunks::<4>();
        let mut numbers = [0; 4];
        for (number, word) in numbers.iter_mut().zip(words) {
            *number = match self.is_big_endian {
                true => u32::from_be_bytes(*word),
                false => u32::from_le_bytes(*word),
            };
        }
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Error;
    use crate::capture::samples::{
        Order, from_file, payload, pcap, pcap_header, pcap_record, read,
    };

    fn damage(notes: &[Note]) -> Vec<(u64, u64)> {
        let damaged = |note: &Note| match note {
            Note::Damaged { offset, bytes } => Some((*offset, *bytes)),
            _ => None,
        };
        notes.iter().filter_map(damaged).collect()
    }

    #[test]
    fn a_link_type_that_nobody_registered_is_that_of_a_frame_all_the_same() {
        let record = pcap_record(Order::Little, 9, 100, &payload(1));
        let header = pcap_header(Order::Little, 0xa1b2_c3d4, 0xffff);
        let outcome = read(&[header, record].concat());
        assert_eq!((outcome.frames.len(), outcome.description.frames), (1, 1));
        assert_eq!(outcome.frames[0].link, LinkType::UNDECLARED.0);
    }

    #[test]
    fn reads_every_variant() {
        let cases = [
            (0xa1b2_c3d4, 0, 0, 1000),
            (0xa1b2_3c4d, 0, 0, 1),
            (0xa12b_3c4d, 0, 0, 1),
            (0xa1b2_cd34, 0, 8, 1000),
            (0x1c00_01ac, 4, 0, 1),
            (0x1c00_01ab, 4, 0, 1000),
        ];
        for (magic, header_more, record_more, unit) in cases {
            for order in [Order::Little, Order::Big] {
                let mut file = pcap_header(order, magic, 0x1400_0001);
                file.extend(vec![0; header_more]);
                for number in 1..4 {
                    let mut record = pcap_record(order, 9, number * 100, &payload(number));
                    record.splice(16..16, vec![0; record_more]);
                    file.extend(record);
                }
                let outcome = read(&file);
                assert!(outcome.notes.is_empty(), "{magic:x} {order:?} {:?}", outcome.notes);
                assert_eq!(outcome.frames.len(), 3, "{magic:x} {order:?}");
                for (frame, number) in outcome.frames.iter().zip(1..) {
                    assert_eq!(frame.data, payload(number));
                    assert_eq!(frame.nanos, 9_000_000_000 + i64::from(number) * 100 * unit);
                    assert_eq!((frame.number, frame.link), (u64::from(number), 1));
                }
            }
        }
    }

    #[test]
    fn keeps_the_length_of_what_the_snap_length_cut() {
        let mut file = pcap(2);
        file[24 + 12..24 + 16].copy_from_slice(&1500_u32.to_le_bytes());
        assert_eq!(read(&file).frames[0].original_length, 1500);
    }

    #[test]
    fn gives_all_frames_before_a_cut() {
        let file = pcap(12);
        let mut ends = vec![HEADER];
        for number in 0..12 {
            ends.push(ends[number] + 16 + payload(number as u32).len());
        }
        for cut in 0..file.len() {
            let whole = ends.iter().filter(|end| **end <= cut).count().saturating_sub(1);
            match from_file(&file[..cut]) {
                Ok(outcome) => {
                    assert_eq!(outcome.frames.len(), whole, "cut at {cut}");
                    let start = ends[whole];
                    let expected = match cut == start {
                        true => vec![],
                        false => vec![Note::EndsInsideRecord { offset: start as u64 }],
                    };
                    assert_eq!(outcome.notes, expected, "cut at {cut}");
                }
                Err(error) => assert!(whole == 0, "cut at {cut}: {error}"),
            }
        }
    }

    #[test]
    fn finds_the_next_record_after_damage() {
        let file = pcap(40);
        let start = HEADER + (0..20).map(|number| 16 + payload(number).len()).sum::<usize>();
        let garbage: Vec<u8> = (0..1000_u32).map(|n| (n * 7 % 251) as u8).collect();
        let mut damaged = file.clone();
        damaged.splice(start..start, garbage);
        let outcome = read(&damaged);
        assert_eq!(damage(&outcome.notes), [(start as u64, 1000)]);
        assert_eq!(outcome.frames, read(&file).frames);
    }

    #[test]
    fn loses_one_record_at_most_to_a_wrong_length() {
        let file = pcap(40);
        let start = HEADER + (0..20).map(|number| 16 + payload(number).len()).sum::<usize>();
        let intact = read(&file).frames;
        for length in [0, 1, 1000, 5000, 60_000, 200_000, 0x0100_0000, u32::MAX] {
            let mut damaged = file.clone();
            damaged[start + 8..start + 12].copy_from_slice(&length.to_le_bytes());
            let outcome = from_file(&damaged).expect("a capture");
            let found = &outcome.frames;
            assert!(found.len() >= 39, "{length}: {} frames", found.len());
            assert_eq!(found[..20], intact[..20], "{length}");
            let (last, expected) = (found.last().expect("a frame"), &intact[39]);
            assert_eq!((last.nanos, &last.data), (expected.nanos, &expected.data), "{length}");
            assert_eq!(damage(&outcome.notes).len(), 1, "{length}: {:?}", outcome.notes);
        }
    }

    #[test]
    fn takes_a_page_of_zeros_for_damage() {
        let mut file = pcap(5);
        let end = file.len() as u64;
        file.extend([0; 4096]);
        let outcome = from_file(&file).expect("a capture");
        assert_eq!(outcome.frames.len(), 5);
        assert_eq!(damage(&outcome.notes), [(end, 4096)]);
    }

    #[test]
    fn does_not_follow_a_capture_inside_a_packet() {
        let inner = pcap(30);
        let mut file = pcap_header(Order::Little, 0xa1b2_c3d4, 1);
        for seconds in 0..20 {
            file.extend(pcap_record(Order::Little, 1000 + seconds, 0, &inner));
        }
        let outcome = read(&file);
        assert_eq!((outcome.frames.len(), outcome.notes.len()), (20, 0));
    }

    #[test]
    fn believes_odd_headers_that_others_confirm() {
        let mut file = pcap_header(Order::Little, 0xa1b2_c3d4, 1);
        for (seconds, fraction) in [(1000, 0), (90_000_000, 1_500_000), (5, 0), (u32::MAX, 9)] {
            file.extend(pcap_record(Order::Little, seconds, fraction, &payload(3)));
        }
        let outcome = read(&file);
        assert_eq!(outcome.frames.len(), 4);
        assert_eq!(outcome.notes, [Note::TimeDisorder { steps: 1, frame: 3 }]);
    }

    #[test]
    fn counts_steps_back_in_time() {
        let mut file = pcap_header(Order::Little, 0xa1b2_c3d4, 1);
        for micros in [5_000, 4_500, 3_000, 9_000, 1_000] {
            file.extend(pcap_record(Order::Little, 7, micros, &payload(1)));
        }
        let outcome = read(&file);
        assert_eq!(outcome.notes, [Note::TimeDisorder { steps: 2, frame: 3 }]);
        let times = [outcome.description.first_time, outcome.description.last_time];
        assert_eq!(
            times.map(|time| time.map(Time::nanos)),
            [Some(7_001_000_000), Some(7_009_000_000)]
        );
    }

    #[test]
    fn says_that_there_is_no_record() {
        let mut file = pcap(1);
        file.truncate(50);
        assert!(matches!(from_file(&file), Err(Error::NoRecord { .. })));
        assert_eq!(read(&pcap(0)).frames.len(), 0);
    }

    #[test]
    fn bounds_the_list_of_damages() {
        let mut file = pcap_header(Order::Little, 0xa1b2_c3d4, 1);
        for number in 0..2000 {
            file.extend(pcap_record(Order::Little, 1000, number, &payload(number)));
            if number % 10 == 9 {
                file.extend([0xee; 100]);
            }
        }
        let outcome = from_file(&file).expect("a capture");
        let damages = damage(&outcome.notes);
        assert_eq!((outcome.frames.len(), damages.len()), (2000, limits::DAMAGES_MAX));
        assert_eq!(damages.iter().map(|(_, bytes)| bytes).sum::<u64>(), 200 * 100);
    }

    #[test]
    fn cuts_blocks_at_record_bounds() {
        let mut file = pcap_header(Order::Little, 0xa1b2_c3d4, 1);
        let count = 3 * limits::BLOCK_BYTES as u32 / 1500;
        for number in 0..count {
            let data = vec![number as u8; 1400 + number as usize % 100];
            file.extend(pcap_record(Order::Little, number / 1000, number % 1000, &data));
        }
        let outcome = from_file(&file).expect("a capture");
        assert_eq!(outcome.frames.len(), count as usize);
        for (frame, number) in outcome.frames.iter().zip(0..) {
            assert_eq!(
                (frame.number, frame.data.len()),
                (number + 1, 1400 + number as usize % 100)
            );
            assert!(frame.data.iter().all(|byte| *byte == number as u8));
        }
    }
}
