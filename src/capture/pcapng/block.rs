//! Blocks of a pcapng file and the byte orders they are in.
//!
//! `pcap-file` cuts the blocks; where it finds none, this module tells a block that is not all
//! there from one that cannot be.

use byteorder_slice::{BigEndian, LittleEndian};
use pcap_file::pcapng::RawBlock;

use crate::bytes::array;
use crate::limits;

pub(super) const SECTION: u32 = 0x0a0d_0d0a;
pub(super) const INTERFACE: u32 = 1;
pub(super) const OBSOLETE_PACKET: u32 = 2;
pub(super) const SIMPLE_PACKET: u32 = 3;
pub(super) const NAMES: u32 = 4;
pub(super) const STATISTICS: u32 = 5;
pub(super) const ENHANCED_PACKET: u32 = 6;
pub(super) const JOURNAL: u32 = 9;
pub(super) const SECRETS: u32 = 10;
pub(super) const CUSTOM: [u32; 2] = [0x0bad, 0x4000_0bad];
/// Events of sysdig: plain, with flags, and the large forms.
pub(super) const SYSDIG: [u32; 4] = [0x204, 0x208, 0x216, 0x221];

/// Bytes of a packet block beside the packet: header and options.
const PACKET_OVERHEAD: usize = 128 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Big,
    Little,
}

pub(super) fn is_known(kind: u32) -> bool {
    (INTERFACE..=SECRETS).contains(&kind)
        || kind == SECTION
        || CUSTOM.contains(&kind)
        || SYSDIG.contains(&kind)
}

/// How the bytes at a block boundary are cut.
pub(super) enum Cut {
    Whole { kind: u32, length: usize },
    Short,
    Bad,
}

impl Order {
    pub(super) fn of(magic: [u8; 4]) -> Option<Self> {
        match magic {
            [0x1a, 0x2b, 0x3c, 0x4d] => Some(Self::Big),
            [0x4d, 0x3c, 0x2b, 0x1a] => Some(Self::Little),
            _ => None,
        }
    }

    #[inline]
    pub(super) fn block(self, bytes: &[u8]) -> Cut {
        let block = match self {
            Self::Big => RawBlock::from_slice::<BigEndian>(bytes),
            Self::Little => RawBlock::from_slice::<LittleEndian>(bytes),
        };
        match block {
            Ok((_, block)) => Cut::Whole { kind: block.type_, length: block.initial_len as usize },
            Err(_) => self.unfinished(bytes),
        }
    }

    /// No whole block: more bytes are needed, unless it claims more than it may.
    #[cold]
    pub(super) fn unfinished(self, bytes: &[u8]) -> Cut {
        let (Some(kind), Some(mut length)) = (self.u32(bytes, 0), self.u32(bytes, 4)) else {
            return Cut::Short;
        };
        if kind == SECTION {
            match array(bytes, 8).map(Self::of) {
                Some(Some(order)) => length = order.u32(bytes, 4).unwrap_or(length),
                Some(None) => return Cut::Bad,
                None => return Cut::Short,
            }
        }
        let limit = match kind {
            ENHANCED_PACKET | SIMPLE_PACKET | OBSOLETE_PACKET => {
                limits::RECORD_BYTES_MAX + PACKET_OVERHEAD
            }
            _ => limits::PCAPNG_BLOCK_BYTES_MAX,
        };
        let length = length as usize;
        let is_plausible =
            length >= 12 && length.is_multiple_of(4) && length <= limit && length > bytes.len();
        if is_plausible { Cut::Short } else { Cut::Bad }
    }

    #[inline]
    pub(super) fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let bytes = array(bytes, at)?;
        Some(match self {
            Self::Big => u16::from_be_bytes(bytes),
            Self::Little => u16::from_le_bytes(bytes),
        })
    }

    #[inline]
    pub(super) fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let bytes = array(bytes, at)?;
        Some(match self {
            Self::Big => u32::from_be_bytes(bytes),
            Self::Little => u32::from_le_bytes(bytes),
        })
    }

    pub(super) fn u64(self, bytes: &[u8], at: usize) -> Option<u64> {
        let bytes = array(bytes, at)?;
        Some(match self {
            Self::Big => u64::from_be_bytes(bytes),
            Self::Little => u64::from_le_bytes(bytes),
        })
    }

    #[inline]
    pub(super) fn words(self, bytes: [u8; 20]) -> [u32; 5] {
        let (words, _) = bytes.as_chunks::<4>();
        let mut numbers = [0; 5];
        for (number, word) in numbers.iter_mut().zip(words) {
            *number = match self {
                Self::Big => u32::from_be_bytes(*word),
                Self::Little => u32::from_le_bytes(*word),
            };
        }
        numbers
    }

    /// Options, or the records of a name resolution block: code and value, up to the end mark or to
    /// the end of the bytes.
    pub(super) fn options(self, mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
        std::iter::from_fn(move || {
            let code = self.u16(bytes, 0)?;
            let length = usize::from(self.u16(bytes, 2)?);
            let value = bytes.get(4..4 + length)?;
            bytes = bytes.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
            (code != 0).then_some((code, value))
        })
    }
}
