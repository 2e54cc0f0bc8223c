//! What a file is that is no capture.

use std::fmt;
use std::path::Path;

use crate::bytes::printable;

/// The nearest guess at a file that no format claims.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Looks {
    /// A capture of Microsoft Network Monitor.
    NetworkMonitor,
    /// An event trace of Windows.
    EventTrace,
    /// A capture of the Sniffer, of iptrace or of another tool that is not read here.
    OtherCapture(&'static str),
    /// The pointer that Git LFS leaves in place of a file.
    LfsPointer,
    /// An archive or a kind of compression that is not read here.
    Archive(&'static str),
    /// A program.
    Program(&'static str),
    /// A web page.
    WebPage,
    /// Another kind of document.
    Document(&'static str),
    /// Text: how it begins.
    Text(String),
    /// The first bytes of a capture file, and nothing after them.
    CutHeader,
    /// A capture file of a version that nobody writes.
    Version(u16, u16),
    /// Zero bytes only.
    Zeros,
    /// Anything else: how it begins.
    Bytes(Vec<u8>),
}

/// First bytes, and the kind of file that they tell.
type Mark = (&'static [u8], fn() -> Looks);

const MARKS: &[Mark] = &[
    (b"GMBU", || Looks::NetworkMonitor),
    (b"RTSS", || Looks::NetworkMonitor),
    (b"version https://git-lfs", || Looks::LfsPointer),
    (b"version http://git-media", || Looks::LfsPointer),
    (b"TRSNIFF data", || Looks::OtherCapture("a Sniffer capture")),
    (b"XCP\0", || Looks::OtherCapture("a NetXRay capture")),
    (b"iptrace ", || Looks::OtherCapture("an AIX iptrace capture")),
    (b"\x05VNF", || Looks::OtherCapture("a Visual Networks capture")),
    (b"PK\x03\x04", || Looks::Archive("ZIP archive")),
    (b"7z\xbc\xaf\x27\x1c", || Looks::Archive("7z archive")),
    (b"Rar!", || Looks::Archive("RAR archive")),
    (b"\x1f\x9d", || Looks::Archive("compress (.Z) file")),
    (b"\x7fELF", || Looks::Program("ELF")),
    (b"MZ", || Looks::Program("Windows")),
    (b"%PDF", || Looks::Document("PDF document")),
    (b"SQLite format 3", || Looks::Document("SQLite database")),
    (b"<?xml", || Looks::Document("XML document")),
    (b"RIFF", || Looks::Document("RIFF media file")),
    (b"\x89PNG", || Looks::Document("PNG picture")),
];

impl Looks {
    /// Guesses from the path and the first bytes.
    pub(super) fn like(path: &Path, head: &[u8]) -> Self {
        if let Some((_, looks)) = MARKS.iter().find(|(mark, _)| head.starts_with(mark)) {
            return looks();
        }
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("etl")) {
            return Self::EventTrace;
        }
        if head.get(257..262) == Some(b"ustar") {
            return Self::Archive("TAR archive");
        }
        if !head.is_empty() && head.iter().all(|byte| *byte == 0) {
            return Self::Zeros;
        }
        let text = head.trim_ascii_start();
        let begins = |word: &[u8]| {
            text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
        };
        if begins(b"<!doctype html") || begins(b"<html") || begins(b"<head") {
            return Self::WebPage;
        }
        let is_text = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7e | 0x80..);
        if !text.is_empty() && head.iter().all(is_text) && std::str::from_utf8(text).is_ok_or_cut()
        {
            let line = text.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or(text);
            return Self::Text(printable(line.get(..40).unwrap_or(line)).into_owned());
        }
        Self::Bytes(head.get(..8).unwrap_or(head).to_vec())
    }

    /// What to do about it.
    pub(super) fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NetworkMonitor | Self::OtherCapture(_) => {
                "Wireshark reads it: `editcap -F pcapng OLD NEW` converts it"
            }
            Self::EventTrace => "`etl2pcapng OLD NEW` of Microsoft converts it",
            Self::LfsPointer => "`git lfs pull` fetches the file itself",
            Self::Archive(_) => "unpack it first",
            Self::WebPage => "the download brought a page, perhaps a login, instead of the file",
            Self::Text(_) => {
                "a text script needs the ending `.sip`; `text2pcap` converts a hex dump"
            }
            Self::CutHeader | Self::Zeros => "the copy or the capture broke off; take it again",
            Self::Program(_) | Self::Document(_) | Self::Version(..) | Self::Bytes(_) => {
                return None;
            }
        };
        Some(hint.to_owned())
    }
}

/// Text that is cut inside a character is text.
trait IsOkOrCut {
    fn is_ok_or_cut(&self) -> bool;
}

impl IsOkOrCut for Result<&str, std::str::Utf8Error> {
    fn is_ok_or_cut(&self) -> bool {
        self.as_ref().err().is_none_or(|error| error.error_len().is_none())
    }
}

/// Continues "it is no capture:".
impl fmt::Display for Looks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NetworkMonitor => write!(f, "it is a Microsoft Network Monitor capture"),
            Self::EventTrace => write!(f, "it is a Windows event trace (ETL)"),
            Self::OtherCapture(name) => write!(f, "it is {name}, which is not read"),
            Self::LfsPointer => write!(f, "it is a Git LFS pointer, not the file itself"),
            Self::Archive(name) => write!(f, "it is a {name}"),
            Self::Program(kind) => write!(f, "it is a program ({kind})"),
            Self::WebPage => write!(f, "it is a web page"),
            Self::Document(name) => write!(f, "it is a {name}"),
            Self::Text(start) => write!(f, "it is text that begins with \"{start}\""),
            Self::CutHeader => write!(f, "it ends inside its file header"),
            Self::Version(major, minor) => {
                write!(f, "its format version is {major}.{minor}, which is not read")
            }
            Self::Zeros => write!(f, "it holds nothing but zero bytes"),
            Self::Bytes(bytes) => {
                write!(f, "no capture format begins with")?;
                bytes.iter().try_for_each(|byte| write!(f, " {byte:02x}"))
            }
        }
    }
}
