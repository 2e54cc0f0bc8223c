//! Frames as a pcapng file: one section, interfaces as they are needed, nanoseconds.
//!
//! Comments are cut where the format has no room for more. Knows nothing of what a frame carries.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Write};
use std::time::Duration;

use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption, InterfaceTsResolution,
};
use pcap_file::pcapng::blocks::opt_common::CommonOption;
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::pcapng::{PcapNgWriteError, PcapNgWriter};

use crate::capture::{Interface, LinkType};
use crate::time::Time;

/// Bytes of a comment; the length of an option has 16 bits.
const COMMENT_BYTES_MAX: usize = 60_000;

/// Bytes of the comments on one frame; readers take a much longer block for damage.
const COMMENTS_BYTES_MAX: usize = 64 << 10;

/// A file that is being written.
pub(crate) struct Pcapng<W: Write> {
    out: PcapNgWriter<W>,
    interfaces: HashMap<(u16, u16, LinkType), u32>,
}

/// A frame to be written.
#[derive(Clone, Debug)]
pub(crate) struct Record<'r> {
    /// The interface, as [`Pcapng::interface`] numbers it.
    pub(crate) interface: u32,
    /// When it was captured; what is before 1970 is written as its beginning.
    pub(crate) time: Time,
    /// Its bytes.
    pub(crate) data: &'r [u8],
    /// Its length on the wire.
    pub(crate) original_length: u32,
    /// What is said of it.
    pub(crate) comments: &'r [String],
}

impl<W: Write> Pcapng<W> {
    /// Begins a file with a comment on all of it.
    ///
    /// # Errors
    ///
    /// When `out` cannot be written to.
    pub(crate) fn new(out: W, comment: &str) -> io::Result<Self> {
        let application = concat!("siptrace ", env!("CARGO_PKG_VERSION"));
        let options = vec![
            SectionHeaderOption::Common(CommonOption::Comment(shortened(comment))),
            SectionHeaderOption::UserApplication(application.into()),
        ];
        let section = SectionHeaderBlock { options, ..SectionHeaderBlock::default() };
        let out = PcapNgWriter::with_section_header(out, section).map_err(failed)?;
        Ok(Self { out, interfaces: HashMap::new() })
    }

    /// The number of an interface of a capture for frames of a link type, which is described when
    /// it is asked for first.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(crate) fn interface(
        &mut self,
        (capture, place): (u16, u16),
        link: LinkType,
        about: Option<&Interface>,
    ) -> io::Result<u32> {
        let key = (capture, place, link);
        if let Some(known) = self.interfaces.get(&key) {
            return Ok(*known);
        }
        let mut options = Vec::new();
        if let Some(about) = about {
            let name = about.name.as_deref().map(shortened);
            options.extend(name.map(InterfaceDescriptionOption::IfName));
            let description = about.description.as_deref().map(shortened);
            options.extend(description.map(InterfaceDescriptionOption::IfDescription));
        }
        options.push(InterfaceDescriptionOption::IfTsResol(InterfaceTsResolution::NANO));
        let linktype = u32::from(link.0).into();
        let block = InterfaceDescriptionBlock { linktype, snaplen: 0, options };
        self.out.write_pcapng_block(block).map_err(failed)?;
        let number = self.interfaces.len() as u32;
        self.interfaces.insert(key, number);
        Ok(number)
    }

    /// Adds a frame.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(crate) fn write(&mut self, record: &Record<'_>) -> io::Result<()> {
        let mut room = COMMENTS_BYTES_MAX;
        let comments = record.comments.iter().map_while(|text| {
            let comment = shortened(text);
            room = room.checked_sub(comment.len())?;
            Some(EnhancedPacketOption::Common(CommonOption::Comment(comment)))
        });
        let block = EnhancedPacketBlock {
            interface_id: record.interface,
            timestamp: Duration::from_nanos(u64::try_from(record.time.nanos()).unwrap_or(0)),
            original_len: record.original_length.max(record.data.len() as u32),
            data: Cow::Borrowed(record.data),
            options: comments.collect(),
        };
        self.out.write_pcapng_block(block).map_err(failed)?;
        Ok(())
    }

    /// Ends the file and gives it back.
    ///
    /// # Errors
    ///
    /// When it cannot be written to.
    pub(crate) fn finish(self) -> io::Result<W> {
        let mut out = self.out.into_inner();
        out.flush()?;
        Ok(out)
    }
}

/// As much of a text as an option has room for.
fn shortened(text: &str) -> Cow<'_, str> {
    let end = text.floor_char_boundary(COMMENT_BYTES_MAX);
    Cow::Borrowed(text.get(..end).unwrap_or_default())
}

fn failed(error: PcapNgWriteError) -> io::Error {
    match error {
        PcapNgWriteError::Io(error) => error,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::capture::Source;

    #[test]
    fn what_is_written_is_read_again() {
        let mut file = Pcapng::new(Vec::new(), "two frames").expect("memory takes all");
        let about = Interface { name: Some("eth0".to_owned()), description: None };
        let ethernet = file.interface((0, 0), LinkType::ETHERNET, Some(&about));
        let ethernet = ethernet.expect("memory takes all");
        let raw = file.interface((1, 0), LinkType::RAW, None).expect("memory takes all");
        let again = file.interface((0, 0), LinkType::ETHERNET, Some(&about));
        assert_eq!((ethernet, raw, again.expect("known")), (0, 1, 0));
        let comments = ["one".to_owned(), "x".repeat(100_000), "y".repeat(100_000)];
        let times = [Time::from_nanos(-5), Time::from_parts(1_700_000_000, 123_456_789)];
        for (interface, time) in [(ethernet, times[0]), (raw, times[1])] {
            let record =
                Record { interface, time, data: b"12345", original_length: 9, comments: &comments };
            file.write(&record).expect("memory takes all");
        }
        let bytes = file.finish().expect("memory takes all");
        // The third comment has no room.
        assert!(bytes.len() < 2 * COMMENTS_BYTES_MAX);

        let mut source = Source::from_reader("-", Box::new(Cursor::new(bytes)), 0).expect("pcapng");
        let mut read = Vec::new();
        while let Some(block) = source.next_block(Vec::new()).expect("blocks") {
            let interfaces = block.interfaces_in(0..block.frames_count());
            for (frame, interface) in block.frames().zip(interfaces) {
                assert_eq!((frame.data, frame.original_length), (&b"12345"[..], 9));
                read.push((interface, frame.link, frame.time));
            }
        }
        let expected = [(0, LinkType::ETHERNET, Time::from_nanos(0)), (1, LinkType::RAW, times[1])];
        assert_eq!(read, expected);
        assert_eq!(source.describe().interfaces[0], about);
        assert_eq!(source.describe().notes, []);
    }
}
