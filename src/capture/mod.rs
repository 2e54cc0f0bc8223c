//! From files, pipes and compressed files to frames: number, time, link type, bytes.
//!
//! A [`Source`] is read block by block; a [`Block`] holds whole records only, so that several can
//! be decoded at once. Knows nothing of IP.

mod block;
mod compression;
mod error;
mod inputs;
mod ledger;
mod looks;
mod part;
mod pattern;
mod pcap;
mod pcapng;
mod resync;
#[cfg(test)]
mod samples;
mod snoop;
mod source;

pub mod script;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::time::{Span, Time};

pub use block::Block;
pub use error::Error;
pub(crate) use inputs::files;
pub use inputs::open;
pub use looks::Looks;
pub use part::{Guess, Part};
pub use pattern::Glob;
pub use pcapng::{Name, Secret};
pub use source::Source;

/// A link type as registered (LINKTYPE_…), without the frame check sequence bits of the pcap
/// header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback, address family in the byte order of the machine.
    pub const NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// Raw IP.
    pub const RAW: Self = Self(101);
    /// OpenBSD loopback, address family in network order.
    pub const LOOP: Self = Self(108);
    /// Linux cooked capture v1.
    pub const LINUX_SLL: Self = Self(113);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// Linux cooked capture v2.
    pub const LINUX_SLL2: Self = Self(276);
    /// A frame of an interface that the pcapng section does not declare.
    pub const UNDECLARED: Self = Self(u16::MAX - 1);
    /// A record that is no packet (a custom block, a journal entry). It has a number, because
    /// Wireshark numbers it, and is not counted as a frame.
    pub const NOT_A_PACKET: Self = Self(u16::MAX);

    /// What a file says. The numbers that have a meaning of our own are none of those registered.
    pub(crate) const fn stated(number: u16) -> Self {
        match Self(number) {
            Self::NOT_A_PACKET => Self::UNDECLARED,
            link => link,
        }
    }
}

/// A frame among all captures of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct FrameId {
    /// Which capture, in the order given; 0 for the first.
    pub capture: u16,
    /// The number that Wireshark shows: 1 for the first frame.
    pub number: u64,
}

/// One record of a capture.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Which one.
    pub id: FrameId,
    /// When it was captured.
    pub time: Time,
    /// What its first header is.
    pub link: LinkType,
    /// The captured bytes.
    pub data: &'a [u8],
    /// Length on the wire; more than `data` where the snap length cut it.
    pub original_length: u32,
}

impl Frame<'_> {
    /// Bytes of the frame are missing from the capture.
    pub fn is_cut(&self) -> bool {
        (self.original_length as usize) > self.data.len()
    }
}

/// What an input turned out to be; complete when it has been read to its end.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Description {
    /// The path as given, `-` for standard input.
    #[cfg_attr(
        feature = "parts",
        borsh(
            serialize_with = "crate::bytes::parts::write_path",
            deserialize_with = "crate::bytes::parts::path"
        )
    )]
    pub path: PathBuf,
    /// `pcap`, `pcapng`, `snoop`, `sip`.
    #[cfg_attr(feature = "parts", borsh(deserialize_with = "crate::bytes::parts::word"))]
    pub format: &'static str,
    /// `none`, `gzip` and the like.
    #[cfg_attr(feature = "parts", borsh(deserialize_with = "crate::bytes::parts::word"))]
    pub compression: &'static str,
    /// Every link type of a frame, in first-seen order.
    pub link_types: Vec<LinkType>,
    /// What a pcapng says of its interfaces, those of all its sections one after another.
    pub interfaces: Vec<Interface>,
    /// Frames read.
    pub frames: u64,
    /// The earliest time of a frame.
    pub first_time: Option<Time>,
    /// The latest time of a frame.
    pub last_time: Option<Time>,
    /// What was not as it should be, in the order of the file.
    pub notes: Vec<Note>,
    /// The steps back of which a note tells.
    pub steps_back: StepsBack,
    /// What a bound dropped, by the name of the bound.
    #[cfg_attr(feature = "parts", borsh(deserialize_with = "crate::bytes::parts::by_word"))]
    pub dropped: BTreeMap<&'static str, u64>,
}

/// Where frames were captured, as a pcapng tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Interface {
    /// Its name, such as `eth0`; unsafe to show as it is.
    pub name: Option<String>,
    /// What the capturing side says of it; unsafe to show as it is.
    pub description: Option<String>,
}

/// Where times run backwards by more than a millisecond.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct StepsBack {
    /// How often.
    pub count: u64,
    /// How far at most.
    pub largest: Span,
    /// The first frames that are earlier than the one before them.
    pub first: Vec<(u64, Time)>,
}

/// Something about a capture that a reader of the report must know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub enum Note {
    /// The file ends inside a record.
    EndsInsideRecord {
        /// Offset of the unfinished record, in bytes of the uncompressed capture.
        offset: u64,
    },
    /// The file had become shorter when its end was read.
    Shrank {
        /// Bytes that it had when it was opened and that could not be read.
        bytes: u64,
    },
    /// Bytes that are no record were passed over.
    Damaged {
        /// Where they begin.
        offset: u64,
        /// How many there are.
        bytes: u64,
    },
    /// The compressed data are cut off or corrupt.
    DamagedCompression {
        /// Bytes that came out before.
        offset: u64,
    },
    /// The compressed data unfold to more than their bound allows; the rest was not read.
    ExpansionLimit {
        /// Bytes that came out before.
        offset: u64,
    },
    /// The capturing side reports packets that it lost (pcapng interface statistics).
    Dropped {
        /// How many.
        packets: u64,
    },
    /// Blocks of a type that carries nothing for us, or of unknown type, were passed over.
    SkippedBlocks {
        /// How many.
        count: u64,
    },
    /// Times run backwards by more than a millisecond.
    TimeDisorder {
        /// How often.
        steps: u64,
        /// The frame of the first step.
        frame: u64,
    },
    /// The same file was named more than once; it is read once.
    GivenAgain {
        /// How often it was named after the first time.
        times: u64,
    },
    /// Files of the directory, or of the pattern, that are no captures were passed over.
    PassedOver {
        /// How many.
        count: u64,
        /// The names of the first ones, safe to show.
        files: Vec<String>,
    },
    /// Messages of this capture are in another one as well.
    Overlap {
        /// The other capture.
        with: u16,
        /// How many messages both have; of a large capture, of those that were compared.
        messages: u64,
    },
    /// The clock of this capture is ahead of that of another one by a constant time, by the
    /// messages that both have.
    ClockOffset {
        /// The other capture.
        from: u16,
        /// How much it is ahead; negative when it is behind.
        ahead: Span,
        /// The analysis has its times by the other clock. What can be read only once has not.
        is_corrected: bool,
    },
}
