//! Captures made by the project itself: a readable script, played into packets, put into any
//! wrapping and any file.

pub(crate) mod container;
pub(crate) mod ip;
pub(crate) mod link;
pub(crate) mod tunnel;

use siptrace::capture::script;

/// One record of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// When, in nanoseconds since 1970.
    pub(crate) nanos: i64,
    pub(crate) data: Vec<u8>,
    /// Bytes on the wire.
    pub(crate) length: u32,
}

/// Frames of one link type.
#[derive(Clone, Debug)]
pub(crate) struct Capture {
    pub(crate) link: u16,
    pub(crate) records: Vec<Record>,
}

/// A way to wrap an IP packet.
pub(crate) type Wrap = fn(&[u8]) -> Vec<u8>;

impl Capture {
    /// The packets that a script makes, without a link layer.
    pub(crate) fn of_script(text: &str) -> Self {
        let frames = script::frames(text).expect("a script that can be played");
        let record = |frame: script::ScriptFrame| Record {
            nanos: frame.time.nanos(),
            data: frame.data,
            length: frame.original_length,
        };
        Self { link: link::RAW, records: frames.into_iter().map(record).collect() }
    }

    /// Every packet in a wrapping.
    pub(crate) fn wrapped(&self, link: u16, wrap: impl Fn(&[u8]) -> Vec<u8>) -> Self {
        self.exploded(link, |ip| vec![wrap(ip)])
    }

    /// Every packet as several.
    pub(crate) fn exploded(&self, link: u16, split: impl Fn(&[u8]) -> Vec<Vec<u8>>) -> Self {
        let records = self.records.iter().flat_map(|record| {
            let parts = split(&record.data).into_iter();
            parts.map(|data| Record { nanos: record.nanos, length: data.len() as u32, data })
        });
        Self { link, records: records.collect() }
    }

    /// On Ethernet, as most captures are.
    pub(crate) fn on_ethernet(&self) -> Self {
        self.wrapped(link::ETHERNET, link::ethernet)
    }
}
