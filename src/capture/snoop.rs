//! Snoop, the capture format of Solaris (RFC 1761).

use crate::bytes::{array, be32};
use crate::capture::block::Record;
use crate::capture::ledger::Ledger;
use crate::capture::pcap::Window;
use crate::capture::resync::{self, Found, Step};
use crate::capture::{LinkType, Note};
use crate::limits;
use crate::time::Time;

/// Bytes of the file header.
pub(super) const HEADER: usize = 16;

/// Bytes of a record header.
const RECORD_HEADER: usize = 24;

/// A file in progress.
#[derive(Clone, Debug)]
pub(super) struct Snoop {
    link: LinkType,
    /// Records are still being looked for behind damage, so one sane header is not enough.
    is_lost: bool,
}

#[derive(Clone, Copy, Debug)]
struct Header {
    time: Time,
    captured: u32,
    original: u32,
    /// Header, data and padding.
    record: usize,
    dropped: u32,
}

impl Snoop {
    /// The format, if the bytes begin with its mark.
    pub(super) fn recognise(head: &[u8]) -> Option<Self> {
        if !head.starts_with(b"snoop\0\0\0") {
            return None;
        }
        let link = match be32(head, 12)? {
            0 | 4 => LinkType::ETHERNET,
            26 => LinkType::IPV4,
            // Other numbers are a register of their own; nothing that carries SIP was seen there.
            _ => LinkType::UNDECLARED,
        };
        Some(Self { link, is_lost: false })
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
        if self.is_lost {
            at = self.pass_over(window, at, ledger);
        }
        while at < length && !self.is_lost {
            match step(window.bytes, at) {
                Step::Next(next) => {
                    self.record(window.bytes, at, records, ledger);
                    at = next;
                }
                Step::Beyond if !window.at_end => return at,
                Step::Beyond => {
                    ledger.note(Note::EndsInsideRecord { offset: window.offset + at as u64 });
                    return length;
                }
                Step::No => at = self.pass_over(window, at, ledger),
            }
        }
        at
    }

    /// Looks for records after damage at `at`; notes what was passed over. Where the window does
    /// not tell, the search goes on in the next one, from where it was.
    fn pass_over(&mut self, window: Window<'_>, at: usize, ledger: &mut Ledger) -> usize {
        let from = at + usize::from(!self.is_lost);
        let length = window.bytes.len();
        let found = resync::search(length, from, window.at_end, resync::CHAIN, |at, _| {
            step(window.bytes, at)
        });
        self.is_lost = matches!(found, Found::Undecided(_));
        let next = match found {
            Found::At(next) | Found::Undecided(next) => next,
            Found::Nowhere => length,
        };
        ledger.damage(window.offset + at as u64, (next - at) as u64);
        next
    }

    fn record(&self, bytes: &[u8], at: usize, records: &mut Vec<Record>, ledger: &mut Ledger) {
        let Some(header) = header(bytes, at) else { return };
        ledger.frame(header.time, self.link);
        ledger.dropped(u64::from(header.dropped));
        records.push(Record {
            time: header.time,
            offset: (at + RECORD_HEADER) as u32,
            length: header.captured,
            original_length: header.original,
            link: self.link,
            interface: 0,
        });
    }
}

fn step(bytes: &[u8], at: usize) -> Step {
    let Some(header) = header(bytes, at) else { return Step::Beyond };
    let captured = header.captured as usize;
    let is_sane = captured <= limits::RECORD_BYTES_MAX
        && header.record >= RECORD_HEADER + captured
        && header.record <= RECORD_HEADER + captured + 64;
    let next = at + header.record;
    match is_sane {
        false => Step::No,
        true if next > bytes.len() => Step::Beyond,
        true => Step::Next(next),
    }
}

fn header(bytes: &[u8], at: usize) -> Option<Header> {
    let fields: [u8; RECORD_HEADER] = array(bytes, at)?;
    let mut numbers = fields.as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word));
    let mut number = || numbers.next().unwrap_or(0);
    let (original, captured, record, dropped) = (number(), number(), number(), number());
    let (seconds, micros) = (i64::from(number()), i64::from(number()));
    let time = Time::from_parts(seconds, micros * 1000);
    Some(Header { time, captured, original, record: record as usize, dropped })
}
