//! pcapng: sections, interfaces, packets, and what else the blocks tell.
//!
//! What the blocks hold is read here, not by a crate, because real files bend the rules that crates
//! keep.

mod block;

use std::net::IpAddr;

use crate::bytes::array;
use crate::capture::block::Record;
use crate::capture::ledger::Ledger;
use crate::capture::pcap::Window;
use crate::capture::pcapng::block::{
    CUSTOM, Cut, ENHANCED_PACKET, INTERFACE, JOURNAL, NAMES, OBSOLETE_PACKET, Order, SECRETS,
    SECTION, SIMPLE_PACKET, STATISTICS, SYSDIG, is_known,
};
use crate::capture::resync::{self, Found, Step};
use crate::capture::{self, LinkType, Note};
use crate::limits;
use crate::time::{Span, Time};

/// Blocks that must follow one another before an offset is believed: each has its length twice.
const CHAIN: usize = 3;

/// Secrets that the capture carries for decryption.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Secret {
    /// The kind as registered: 0x544c534b is a TLS key log.
    pub kind: u32,
    /// The secrets as they stand in the file.
    pub data: Vec<u8>,
    /// The number of the frame that comes next in the file.
    pub frame: u64,
}

/// A name that the capturing side found for an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The address.
    pub address: IpAddr,
    /// Its name, as it stands in the file.
    pub name: String,
}

/// A file in progress.
#[derive(Debug)]
pub(super) struct Pcapng {
    order: Order,
    /// Those of the current section.
    interfaces: Vec<Interface>,
    /// What all sections say of theirs.
    pub(super) described: Vec<capture::Interface>,
    /// Where those of the current section begin among them.
    first: usize,
    /// Drops of all sections so far, of each interface the larger one of its counts.
    dropped: u64,
    pub(super) secrets: Vec<Secret>,
    secret_bytes: usize,
    pub(super) names: Vec<Name>,
    /// Blocks are still being looked for behind damage, so one that looks whole is not enough.
    is_lost: bool,
}

#[derive(Clone, Debug)]
struct Interface {
    link: LinkType,
    snap_length: u32,
    clock: Clock,
    /// Added to every time.
    offset: Span,
    /// Packets lost as the statistics say, and as the packets themselves say.
    dropped: [u64; 2],
}

/// What one tick of a timestamp is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    /// So many nanoseconds.
    Nanos(u64),
    /// The so many-th negative power of ten, of a second.
    Decimal(u8),
    /// The so many-th negative power of two, of a second.
    Binary(u8),
}

impl Pcapng {
    /// The format, if the bytes begin with a section header.
    pub(super) fn recognise(head: &[u8]) -> Option<Self> {
        if array(head, 0)? != SECTION.to_be_bytes() {
            return None;
        }
        Some(Self {
            order: Order::of(array(head, 8)?)?,
            interfaces: Vec::new(),
            described: Vec::new(),
            first: 0,
            dropped: 0,
            secrets: Vec::new(),
            secret_bytes: 0,
            names: Vec::new(),
            is_lost: false,
        })
    }

    /// Major and minor version of a section header that begins here.
    pub(super) fn version(&self, head: &[u8]) -> Option<(u16, u16)> {
        Some((self.order.u16(head, 12)?, self.order.u16(head, 14)?))
    }

    /// Reads all whole blocks of the window; returns how many bytes are done with.
    pub(super) fn scan(
        &mut self,
        window: Window<'_>,
        records: &mut Vec<Record>,
        ledger: &mut Ledger,
    ) -> usize {
        let bytes = window.bytes;
        let mut at = 0;
        if self.is_lost {
            at = self.pass_over(window, at, ledger);
        }
        while !self.is_lost {
            let rest = bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                return at;
            }
            match self.order.block(rest) {
                Cut::Whole { kind, length } => {
                    let body = rest.get(8..length - 4).unwrap_or_default();
                    self.block(kind, body, at + 8, records, ledger);
                    at += length;
                }
                Cut::Short if !window.at_end => return at,
                Cut::Short => {
                    let Found::At(next) = self.search(window, at + 4) else {
                        let offset = window.offset + at as u64;
                        ledger.note(Note::EndsInsideRecord { offset });
                        return bytes.len();
                    };
                    ledger.damage(window.offset + at as u64, (next - at) as u64);
                    at = next;
                }
                Cut::Bad => at = self.pass_over(window, at, ledger),
            }
        }
        at
    }

    /// Looks for blocks after damage at `at`; notes what was passed over. Where the window does
    /// not tell, the search goes on in the next one, from where it was.
    fn pass_over(&mut self, window: Window<'_>, at: usize, ledger: &mut Ledger) -> usize {
        let from = at + usize::from(!self.is_lost);
        let found = self.search(window, from);
        self.is_lost = matches!(found, Found::Undecided(_));
        let next = match found {
            Found::At(next) | Found::Undecided(next) => next,
            Found::Nowhere => window.bytes.len(),
        };
        ledger.damage(window.offset + at as u64, (next - at) as u64);
        next
    }

    fn search(&self, window: Window<'_>, from: usize) -> Found {
        let bytes = window.bytes;
        resync::search(bytes.len(), from, window.at_end, CHAIN, |at, _| {
            let rest = bytes.get(at..).unwrap_or_default();
            match self.order.block(rest) {
                Cut::Whole { kind, length } if is_known(kind) => Step::Next(at + length),
                Cut::Whole { .. } | Cut::Bad => Step::No,
                Cut::Short if self.order.u32(rest, 0).is_some_and(|kind| !is_known(kind)) => {
                    Step::No
                }
                Cut::Short => Step::Beyond,
            }
        })
    }

    fn block(
        &mut self,
        kind: u32,
        body: &[u8],
        at: usize,
        records: &mut Vec<Record>,
        ledger: &mut Ledger,
    ) {
        match kind {
            ENHANCED_PACKET => self.enhanced_packet(body, at, records, ledger),
            SIMPLE_PACKET => self.simple_packet(body, at, records, ledger),
            OBSOLETE_PACKET => self.obsolete_packet(body, at, records, ledger),
            SECTION => self.section(body),
            INTERFACE => self.interface(body, ledger),
            STATISTICS => self.statistics(body, ledger),
            SECRETS => self.secrets(body, ledger),
            NAMES => self.names(body, ledger),
            JOURNAL => no_packet(at, records, ledger),
            kind if CUSTOM.contains(&kind) || SYSDIG.contains(&kind) => {
                no_packet(at, records, ledger);
            }
            _ => ledger.skipped(),
        }
    }

    fn section(&mut self, body: &[u8]) {
        self.interfaces.clear();
        self.first = self.described.len();
        if let Some(order) = array(body, 0).and_then(Order::of) {
            self.order = order;
        }
    }

    fn interface(&mut self, body: &[u8], ledger: &mut Ledger) {
        if self.interfaces.len() >= limits::INTERFACES_MAX {
            return ledger.drop("interfaces");
        }
        let mut described = capture::Interface::default();
        let order = self.order;
        let mut interface = Interface {
            link: order.u16(body, 0).map_or(LinkType::UNDECLARED, LinkType::stated),
            snap_length: order.u32(body, 4).unwrap_or(0),
            clock: Clock::Nanos(1000),
            offset: Span::ZERO,
            dropped: [0; 2],
        };
        for (code, value) in order.options(body.get(8..).unwrap_or_default()) {
            match code {
                2 | 3 if value.len() > limits::NAME_BYTES_MAX => ledger.drop("names"),
                2 => described.name = Some(text(value)),
                3 => described.description = Some(text(value)),
                9 => interface.clock = value.first().map_or(interface.clock, |v| Clock::of(*v)),
                14 => {
                    let seconds = order.u64(value, 0).map_or(0, u64::cast_signed);
                    interface.offset = Span::from_secs(seconds);
                }
                _ => {}
            }
        }
        self.interfaces.push(interface);
        match self.described.len() < limits::INTERFACES_MAX {
            true => self.described.push(described),
            false => ledger.drop("interfaces"),
        }
    }

    #[inline]
    fn enhanced_packet(
        &mut self,
        body: &[u8],
        at: usize,
        records: &mut Vec<Record>,
        ledger: &mut Ledger,
    ) {
        let Some(header) = array::<20>(body, 0) else { return ledger.skipped() };
        let [id, high, low, captured, original] = self.order.words(header);
        let data = body.get(20..).unwrap_or_default();
        let options = (captured as usize)
            .checked_next_multiple_of(4)
            .and_then(|padded| data.get(padded..))
            .unwrap_or_default();
        if options.len() >= 8 {
            self.packet_drops(id, options, ledger);
        }
        self.packet(id, Some((high, low)), [captured, original], (data, at + 20), records, ledger);
    }

    fn simple_packet(
        &mut self,
        body: &[u8],
        at: usize,
        records: &mut Vec<Record>,
        ledger: &mut Ledger,
    ) {
        let Some(original) = self.order.u32(body, 0) else { return ledger.skipped() };
        let data = body.get(4..).unwrap_or_default();
        let limit = match self.interfaces.first() {
            Some(Interface { snap_length: 0, .. }) | None => u32::MAX,
            Some(interface) => interface.snap_length,
        };
        let captured = original.min(limit);
        self.packet(0, None, [captured, original], (data, at + 4), records, ledger);
    }

    fn obsolete_packet(
        &mut self,
        body: &[u8],
        at: usize,
        records: &mut Vec<Record>,
        ledger: &mut Ledger,
    ) {
        let Some(header) = array::<20>(body, 0) else { return ledger.skipped() };
        let [_, high, low, captured, original] = self.order.words(header);
        let id = u32::from(self.order.u16(body, 0).unwrap_or(0));
        let drops = self.order.u16(body, 2).filter(|drops| *drops != u16::MAX);
        self.add_drops(id, drops.map_or(0, u64::from), ledger);
        let data = body.get(20..).unwrap_or_default();
        self.packet(id, Some((high, low)), [captured, original], (data, at + 20), records, ledger);
    }

    /// One frame; its data are what the block holds of the captured bytes, wherever it claims more.
    #[inline]
    fn packet(
        &self,
        interface: u32,
        ticks: Option<(u32, u32)>,
        [captured, original]: [u32; 2],
        (data, offset): (&[u8], usize),
        records: &mut Vec<Record>,
        ledger: &mut Ledger,
    ) {
        let place = u16::try_from(self.first + interface as usize).unwrap_or(u16::MAX);
        let interface = self.interfaces.get(interface as usize);
        let link = interface.map_or(LinkType::UNDECLARED, |interface| interface.link);
        let time = match ticks {
            Some((high, low)) => {
                let ticks = u64::from(high) << 32 | u64::from(low);
                let (clock, offset) = interface
                    .map_or((Clock::Nanos(1000), Span::ZERO), |known| (known.clock, known.offset));
                let time = Time::from_nanos(clock.nanos(ticks)) + offset;
                ledger.frame(time, link);
                time
            }
            // A simple packet has no time; the time of the frame before keeps the order.
            None => {
                ledger.untimed_frame(link);
                ledger.last_time().unwrap_or_default()
            }
        };
        let length = (captured as usize).min(data.len()) as u32;
        let (offset, original_length) = (offset as u32, original.max(captured));
        let interface = place;
        records.push(Record { time, offset, length, original_length, link, interface });
    }

    #[cold]
    fn packet_drops(&mut self, interface: u32, options: &[u8], ledger: &mut Ledger) {
        let order = self.order;
        for (code, value) in order.options(options) {
            if code == 4
                && let Some(drops) = order.u64(value, 0)
            {
                self.add_drops(interface, drops, ledger);
            }
        }
    }

    fn add_drops(&mut self, interface: u32, drops: u64, ledger: &mut Ledger) {
        let count = |[_, counted]: &mut [u64; 2]| *counted = counted.saturating_add(drops);
        if drops > 0 {
            self.note_drops(interface, count, ledger);
        }
    }

    /// Notes drops of an interface. Its statistics and its packets tell of the same ones; the
    /// larger count holds.
    fn note_drops(
        &mut self,
        interface: u32,
        note: impl FnOnce(&mut [u64; 2]),
        ledger: &mut Ledger,
    ) {
        let Some(interface) = self.interfaces.get_mut(interface as usize) else { return };
        let [stated, counted] = interface.dropped;
        note(&mut interface.dropped);
        let [stated_now, counted_now] = interface.dropped;
        let more = stated_now.max(counted_now).saturating_sub(stated.max(counted));
        self.dropped = self.dropped.saturating_add(more);
        ledger.dropped(self.dropped);
    }

    fn statistics(&mut self, body: &[u8], ledger: &mut Ledger) {
        let order = self.order;
        let Some(id) = order.u32(body, 0) else { return };
        // Dropped by the interface, dropped by the system: both count from the start.
        let mut drops = 0_u64;
        for (code, value) in order.options(body.get(12..).unwrap_or_default()) {
            if matches!(code, 5 | 7) {
                drops = drops.saturating_add(order.u64(value, 0).unwrap_or(0));
            }
        }
        self.note_drops(id, |[stated, _]| *stated = drops.max(*stated), ledger);
    }

    fn secrets(&mut self, body: &[u8], ledger: &mut Ledger) {
        let (Some(kind), Some(length)) = (self.order.u32(body, 0), self.order.u32(body, 4)) else {
            return;
        };
        let data = body.get(8..).unwrap_or_default();
        let data = data.get(..length as usize).unwrap_or(data);
        self.secret_bytes = self.secret_bytes.saturating_add(data.len());
        if self.secret_bytes > limits::SECRET_BYTES_MAX {
            return ledger.drop("secrets");
        }
        let frame = ledger.numbered + 1;
        self.secrets.push(Secret { kind, data: data.to_vec(), frame });
    }

    fn names(&mut self, body: &[u8], ledger: &mut Ledger) {
        for (kind, value) in self.order.options(body) {
            let (address, names): (IpAddr, _) = match kind {
                1 => match array::<4>(value, 0) {
                    Some(address) => (address.into(), value.get(4..)),
                    None => continue,
                },
                2 => match array::<16>(value, 0) {
                    Some(address) => (address.into(), value.get(16..)),
                    None => continue,
                },
                _ => continue,
            };
            let names = names.unwrap_or_default().split(|byte| *byte == 0);
            for name in names.filter(|name| !name.is_empty()) {
                let is_sound = name.len() <= limits::NAME_BYTES_MAX;
                match is_sound && self.names.len() < limits::NAMES_MAX {
                    true => self.names.push(Name { address, name: text(name) }),
                    false => ledger.drop("names"),
                }
            }
        }
    }
}

/// A text of the file, as far as it is one.
fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

/// A block that carries nothing for us, but has a frame number in Wireshark.
fn no_packet(at: usize, records: &mut Vec<Record>, ledger: &mut Ledger) {
    ledger.no_packet();
    let time = ledger.last_time().unwrap_or_default();
    let link = LinkType::NOT_A_PACKET;
    let (offset, interface) = (at as u32, 0);
    records.push(Record { time, offset, length: 0, original_length: 0, link, interface });
}

impl Clock {
    fn of(resolution: u8) -> Self {
        match resolution {
            0..=9 => Self::Nanos(10_u64.pow(u32::from(9 - resolution))),
            10..=127 => Self::Decimal(resolution),
            _ => Self::Binary(resolution & 0x7f),
        }
    }

    /// Nanoseconds since the epoch; saturates.
    #[inline]
    fn nanos(self, ticks: u64) -> i64 {
        match self {
            Self::Nanos(unit) => i64::try_from(ticks.saturating_mul(unit)).unwrap_or(i64::MAX),
            Self::Decimal(digits) => match 10_u64.checked_pow(u32::from(digits) - 9) {
                Some(divisor) => i64::try_from(ticks / divisor).unwrap_or(i64::MAX),
                None => 0,
            },
            Self::Binary(bits) => {
                let nanos = (u128::from(ticks) * 1_000_000_000).checked_shr(u32::from(bits));
                i64::try_from(nanos.unwrap_or(0)).unwrap_or(i64::MAX)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::samples::{
        Order as Bytes, block, from_file, interface, option, packet, payload, read, section,
    };

    const LITTLE: Bytes = Bytes::Little;

    fn file(blocks: &[Vec<u8>]) -> Vec<u8> {
        blocks.concat()
    }

    fn nanos(frames: &[capture::samples::Seen]) -> Vec<i64> {
        frames.iter().map(|frame| frame.nanos).collect()
    }

    #[test]
    fn reads_sections_of_both_byte_orders() {
        for (first, second) in [(LITTLE, Bytes::Big), (Bytes::Big, LITTLE)] {
            let bytes = file(&[
                section(first),
                interface(first, 1, 0, &[]),
                packet(first, 0, 1_000_000, &payload(1)),
                packet(first, 0, 2_000_000, &payload(2)),
                section(second),
                interface(second, 113, 0, &option(second, 9, &[9])),
                packet(second, 0, 3_000_000_000, &payload(3)),
            ]);
            let outcome = read(&bytes);
            assert!(outcome.notes.is_empty());
            let links: Vec<u16> = outcome.frames.iter().map(|frame| frame.link).collect();
            assert_eq!(links, [1, 1, 113]);
            assert_eq!(nanos(&outcome.frames), [1_000_000_000, 2_000_000_000, 3_000_000_000]);
            assert_eq!(outcome.frames[2].data, payload(3));
            assert_eq!(outcome.description.link_types, [LinkType(1), LinkType(113)]);
        }
    }

    #[test]
    fn knows_every_resolution_and_offset() {
        let cases: [(&[u8], u64, i64); 10] = [
            (&[], 5, 5_000),
            (&[6], 5, 5_000),
            (&[9], 5, 5),
            (&[3], 5, 5_000_000),
            (&[0], 5, 5_000_000_000),
            (&[12], 5_999, 5),
            (&[18], 5_000_000_000, 5),
            (&[127], u64::MAX, 0),
            (&[0x80 | 20], 3 << 19, 1_500_000_000),
            (&[0xff], u64::MAX, 0),
        ];
        for (resolution, ticks, expected) in cases {
            let options = match resolution {
                [] => vec![],
                value => option(LITTLE, 9, value),
            };
            let bytes = file(&[
                section(LITTLE),
                interface(LITTLE, 1, 0, &options),
                packet(LITTLE, 0, ticks, &payload(1)),
            ]);
            assert_eq!(nanos(&read(&bytes).frames), [expected], "{resolution:?}");
        }

        let offset = option(LITTLE, 14, &LITTLE.u64(100));
        let bytes = file(&[
            section(LITTLE),
            interface(LITTLE, 1, 0, &offset),
            packet(LITTLE, 0, 1, &payload(1)),
        ]);
        assert_eq!(nanos(&read(&bytes).frames), [100_000_001_000]);
    }

    #[test]
    fn reads_all_kinds_of_packets() {
        let simple = [&LITTLE.u32(61)[..], &[7; 61]].concat();
        let cut = [&LITTLE.u32(1500)[..], &[8; 96]].concat();
        let fields = [LITTLE.u16(0), LITTLE.u16(3)].concat();
        let times = [0, 2_000_000, 30, 1400].map(|number| LITTLE.u32(number));
        let obsolete = [&fields[..], times.as_flattened(), &[9; 30]].concat();
        let bytes = file(&[
            section(LITTLE),
            interface(LITTLE, 1, 96, &[]),
            packet(LITTLE, 0, 1_000_000, &payload(1)),
            block(LITTLE, 3, &simple),
            block(LITTLE, 3, &cut),
            block(LITTLE, 2, &obsolete),
        ]);
        let outcome = read(&bytes);
        let lengths: Vec<(usize, u32)> =
            outcome.frames.iter().map(|frame| (frame.data.len(), frame.original_length)).collect();
        assert_eq!(lengths, [(23, 23), (61, 61), (96, 1500), (30, 1400)]);
        let second = 1_000_000_000;
        assert_eq!(nanos(&outcome.frames), [second, second, second, 2 * second]);
        assert_eq!(outcome.notes, [Note::Dropped { packets: 3 }]);
    }

    #[test]
    fn keeps_secrets_names_and_drops() {
        let log = b"CLIENT_RANDOM 00 11\n";
        let kind = [LITTLE.u32(0x544c_534b), LITTLE.u32(log.len() as u32)].concat();
        let name = option(LITTLE, 1, b"\xc0\x00\x02\x01pbx\0pbx.example\0");
        let name6 = option(LITTLE, 2, &[&[0x20, 1][..], &[0; 14], b"six\0"].concat());
        let statistics = |dropped: u64| {
            let counters = [
                option(LITTLE, 5, &LITTLE.u64(dropped)),
                option(LITTLE, 7, &LITTLE.u64(2)),
                option(LITTLE, 0, &[]),
            ];
            block(LITTLE, 5, &[&[0; 12][..], &counters.concat()].concat())
        };
        let bytes = file(&[
            section(LITTLE),
            interface(LITTLE, 1, 0, &[]),
            block(LITTLE, 10, &[&kind[..], log].concat()),
            block(LITTLE, 4, &[name, name6, vec![0; 4]].concat()),
            packet(LITTLE, 0, 1, &payload(1)),
            statistics(10),
            statistics(30),
        ]);
        let outcome = read(&bytes);
        assert_eq!(outcome.notes, [Note::Dropped { packets: 32 }]);
        let secret = Secret { kind: 0x544c_534b, data: log.to_vec(), frame: 1 };
        assert_eq!(outcome.source.secrets(), [secret]);
        let names: Vec<String> = outcome
            .source
            .names()
            .iter()
            .map(|name| format!("{} {}", name.address, name.name))
            .collect();
        assert_eq!(names, ["192.0.2.1 pbx", "192.0.2.1 pbx.example", "2001:: six"]);
    }

    /// A block of statistics of an interface, with packets that it dropped.
    fn statistics(interface: u32, dropped: u64) -> Vec<u8> {
        let fields =
            [&LITTLE.u32(interface)[..], &[0; 8], &option(LITTLE, 5, &LITTLE.u64(dropped))];
        block(LITTLE, 5, &fields.concat())
    }

    #[test]
    fn adds_up_the_drops_of_interfaces_and_sections() {
        let bytes = file(&[
            section(LITTLE),
            interface(LITTLE, 1, 0, &[]),
            interface(LITTLE, 1, 0, &[]),
            statistics(0, 10),
            statistics(1, 5),
            statistics(0, 7),
            statistics(9, 1000),
            section(LITTLE),
            interface(LITTLE, 1, 0, &[]),
            packet(LITTLE, 0, 1, &payload(1)),
            statistics(0, 100),
            statistics(0, u64::MAX),
        ]);
        assert_eq!(read(&bytes).notes, [Note::Dropped { packets: u64::MAX }]);
        let bytes = file(&bytes_of_two(&[statistics(0, 3), statistics(0, 4)]));
        assert_eq!(read(&bytes).notes, [Note::Dropped { packets: 7 }]);
    }

    /// A section with an interface and a packet for each of the blocks, which ends it.
    fn bytes_of_two(ends: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let begin = [section(LITTLE), interface(LITTLE, 1, 0, &[])];
        let sections = ends.iter().flat_map(|end| {
            let packet = packet(LITTLE, 0, 1, &payload(1));
            begin.iter().cloned().chain([packet, end.clone()])
        });
        sections.collect()
    }

    /// What comes of a file that is too large to be read byte by byte as well.
    fn whole(bytes: &[u8]) -> capture::samples::Outcome {
        from_file(bytes).expect("a capture")
    }

    fn dropped(bytes: &[u8]) -> Vec<(&'static str, u64)> {
        whole(bytes).description.dropped.into_iter().collect()
    }

    #[test]
    fn interfaces_are_bounded_and_say_so() {
        let one = interface(LITTLE, 1, 0, &option(LITTLE, 2, b"eth0"));
        let many = one.repeat(limits::INTERFACES_MAX + 3);
        let last = limits::INTERFACES_MAX as u32 - 1;
        let packets = [last, last + 1].map(|id| packet(LITTLE, id, 1, &payload(1))).concat();
        let bytes = file(&[section(LITTLE), many, packets]);
        let outcome = whole(&bytes);
        let links: Vec<u16> = outcome.frames.iter().map(|frame| frame.link).collect();
        assert_eq!(links, [1, LinkType::UNDECLARED.0], "of the others nobody knows how to read");
        assert_eq!(outcome.description.interfaces.len(), limits::INTERFACES_MAX);
        assert_eq!(dropped(&bytes), [("interfaces", 3)]);

        // Those of a later section are read; of those that are described none is theirs.
        let more = [section(LITTLE), one, packet(LITTLE, 0, 1, &payload(1))].concat();
        let outcome = whole(&file(&[bytes, more]));
        assert_eq!(outcome.frames.last().map(|frame| frame.link), Some(1));
        assert_eq!(outcome.description.interfaces.len(), limits::INTERFACES_MAX);
        assert_eq!(outcome.description.dropped.get("interfaces"), Some(&4));
    }

    #[test]
    fn names_are_bounded_and_say_so() {
        let name =
            |length: usize| option(LITTLE, 1, &[&[192, 0, 2, 1][..], &vec![b'a'; length]].concat());
        let fits = block(LITTLE, 4, &name(limits::NAME_BYTES_MAX));
        let long = block(LITTLE, 4, &name(limits::NAME_BYTES_MAX + 1));
        let text = |length: usize| option(LITTLE, 3, &vec![b'a'; length]);
        let eth = interface(LITTLE, 1, 0, &text(limits::NAME_BYTES_MAX + 1));
        let head = [section(LITTLE), eth, packet(LITTLE, 0, 1, &payload(1))].concat();
        let outcome = whole(&[head.clone(), fits.clone(), long].concat());
        assert_eq!(outcome.source.names().len(), 1);
        assert_eq!(outcome.description.interfaces[0].description, None);
        assert_eq!(outcome.description.dropped.get("names"), Some(&2));

        let names = [&[192, 0, 2, 1][..], &b"a\0".repeat(30_000)].concat();
        let names = block(LITTLE, 4, &option(LITTLE, 1, &names)).repeat(3);
        let outcome = whole(&[head, names].concat());
        assert_eq!(outcome.source.names().len(), limits::NAMES_MAX);
        let rest = 90_000 - limits::NAMES_MAX as u64 + 1;
        assert_eq!(outcome.description.dropped.get("names"), Some(&rest));
    }

    #[test]
    fn secrets_are_bounded_and_say_so() {
        let data = vec![b'\n'; 10 << 20];
        let kind = [LITTLE.u32(0x544c_534b), LITTLE.u32(data.len() as u32)].concat();
        let secrets = block(LITTLE, 10, &[kind, data].concat());
        let head =
            [section(LITTLE), interface(LITTLE, 1, 0, &[]), packet(LITTLE, 0, 1, &payload(1))];
        let outcome = whole(&[head.concat(), secrets.repeat(8)].concat());
        assert_eq!(outcome.source.secrets().len(), limits::SECRET_BYTES_MAX / (10 << 20));
        assert_eq!(outcome.description.dropped.get("secrets"), Some(&2));
        assert!(outcome.notes.is_empty());
    }

    #[test]
    fn a_block_that_claims_more_than_any_is_damage() {
        let packets: Vec<u8> = (0..9).flat_map(|at| packet(LITTLE, 0, at, &payload(1))).collect();
        let claims = |kind: u32, length: usize| {
            [LITTLE.u32(kind), LITTLE.u32(length as u32), LITTLE.u32(0)].concat()
        };
        let head = [section(LITTLE), interface(LITTLE, 1, 0, &[])].concat();
        for (kind, length) in [
            (4, limits::PCAPNG_BLOCK_BYTES_MAX + 4),
            (6, limits::RECORD_BYTES_MAX + (128 << 10) + 4),
        ] {
            let bytes = [&head[..], &claims(kind, length), &packets].concat();
            let outcome = read(&bytes);
            assert_eq!(outcome.frames.len(), 9);
            let offset = head.len() as u64;
            assert_eq!(outcome.notes, [Note::Damaged { offset, bytes: 12 }], "{kind}");
        }
    }

    #[test]
    fn link_types_are_bounded_and_say_so() {
        let many = limits::LINK_TYPES_MAX as u16 + 6;
        let interfaces = (0..many).map(|link| interface(LITTLE, 200 + link, 0, &[]));
        let packets = (0..2 * many).map(|id| packet(LITTLE, u32::from(id % many), 1, &payload(1)));
        let blocks: Vec<_> =
            [section(LITTLE)].into_iter().chain(interfaces).chain(packets).collect();
        let bytes = file(&blocks);
        assert_eq!(read(&bytes).description.link_types.len(), limits::LINK_TYPES_MAX);
        assert_eq!(read(&bytes).frames.len(), 2 * usize::from(many));
        assert_eq!(dropped(&bytes), [("link-types", 12)]);
    }

    #[test]
    fn numbers_records_that_are_no_packets_as_wireshark_does() {
        let bytes = file(&[
            section(LITTLE),
            interface(LITTLE, 1, 0, &[]),
            packet(LITTLE, 0, 1, &payload(1)),
            block(LITTLE, 0x0bad, &[0, 0, 0x7e, 0xd9, 1, 2, 3, 4]),
            block(LITTLE, 0x1234_5678, &[0; 8]),
            packet(LITTLE, 0, 2, &payload(2)),
        ]);
        let outcome = read(&bytes);
        let seen: Vec<(u64, u16)> =
            outcome.frames.iter().map(|frame| (frame.number, frame.link)).collect();
        assert_eq!(seen, [(1, 1), (2, LinkType::NOT_A_PACKET.0), (3, 1)]);
        assert_eq!(outcome.description.frames, 2);
        assert_eq!(outcome.notes, [Note::SkippedBlocks { count: 2 }]);
    }

    #[test]
    fn takes_what_bends_the_rules() {
        let mut claims_more = packet(LITTLE, 0, 5, &payload(2));
        claims_more[20..24].copy_from_slice(&LITTLE.u32(900));
        let bytes = file(&[
            section(LITTLE),
            // A reserved field that is not zero, a name that is no UTF-8, no end of the options.
            block(
                LITTLE,
                1,
                &[&[1, 0, 9, 9, 0, 0, 0, 0][..], &option(LITTLE, 2, b"\xff\xfe")].concat(),
            ),
            packet(LITTLE, 7, 1, &payload(1)),
            claims_more,
        ]);
        let outcome = read(&bytes);
        assert_eq!(outcome.frames[0].link, LinkType::UNDECLARED.0);
        assert_eq!((outcome.frames[1].data.len(), outcome.frames[1].original_length), (28, 900));
    }

    #[test]
    fn finds_the_next_block_after_damage() {
        let packets: Vec<Vec<u8>> =
            (0..20).map(|number| packet(LITTLE, 0, number, &payload(number as u32))).collect();
        let head = file(&[section(LITTLE), interface(LITTLE, 1, 0, &[])]);
        let start = head.len() + packets[..10].concat().len();
        let intact = [head, packets.concat()].concat();

        let mut garbled = intact.clone();
        garbled.splice(start..start, (0..501_u32).map(|n| (n % 7) as u8));
        let outcome = read(&garbled);
        assert_eq!(outcome.frames.len(), 20);
        assert_eq!(outcome.notes, [Note::Damaged { offset: start as u64, bytes: 501 }]);

        for length in [0_u32, 5, 13, 4000, 0x00ff_0000, 0x8000_0000, u32::MAX] {
            let mut damaged = intact.clone();
            damaged[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
            let outcome = from_file(&damaged).expect("a capture");
            assert_eq!(outcome.frames.len(), 19, "{length:x}");
            let bytes = packets[10].len() as u64;
            assert_eq!(
                outcome.notes,
                [Note::Damaged { offset: start as u64, bytes }],
                "{length:x}"
            );
        }
    }

    #[test]
    fn gives_all_frames_before_a_cut() {
        let blocks: Vec<Vec<u8>> = [section(LITTLE), interface(LITTLE, 1, 0, &[])]
            .into_iter()
            .chain((0..8).map(|number| packet(LITTLE, 0, number, &payload(number as u32))))
            .collect();
        let bytes = blocks.concat();
        for cut in 0..bytes.len() {
            let mut end = 0;
            let ends = blocks.iter().map(|block| {
                end += block.len();
                end
            });
            let whole = ends.filter(|end| *end <= cut).count().saturating_sub(2);
            match from_file(&bytes[..cut]) {
                Ok(outcome) => assert_eq!(outcome.frames.len(), whole, "cut at {cut}"),
                Err(error) => assert!(whole == 0, "cut at {cut}: {error}"),
            }
        }
    }
}
