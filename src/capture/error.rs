//! Why a capture cannot be read at all.

use std::io;
use std::path::{Path, PathBuf};

use crate::bytes::printable;
use crate::capture::Looks;

/// What stops the reading of a capture. Damage does not: that is a [`Note`](crate::capture::Note).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such file.
    #[error("could not open {}: there is no such file", quoted(path))]
    NotFound {
        /// The path as given.
        path: PathBuf,
    },
    /// It is there, but may not or cannot be opened.
    #[error("could not open {}", quoted(path))]
    Open {
        /// The path as given.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The path is a directory.
    #[error("could not open {}: it is a directory", quoted(path))]
    Directory {
        /// The path as given.
        path: PathBuf,
    },
    /// No file of the directory, or of those that the pattern names, is a capture.
    #[error("could not find a capture in {}", quoted(path))]
    NoCaptures {
        /// The directory or pattern as given.
        path: PathBuf,
    },
    /// More captures were named than can be told apart.
    #[error("could not open {}: there are too many captures", quoted(path))]
    TooMany {
        /// The first one that is too much.
        path: PathBuf,
    },
    /// Reading failed in the middle.
    #[error("could not read {} any further", quoted(path))]
    Read {
        /// The path as given.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is zero bytes long, compressed or not.
    #[error("could not read {}: it is empty", quoted(path))]
    Empty {
        /// The path as given.
        path: PathBuf,
    },
    /// The compressed data are broken from the start.
    #[error("could not read {}: the {compression} data are damaged from the start", quoted(path))]
    Decompress {
        /// The path as given.
        path: PathBuf,
        /// `gzip` and the like.
        compression: &'static str,
        /// What the decoder says.
        source: io::Error,
    },
    /// The compressed data unfold without an end, and no frame was among them.
    #[error(
        "could not read {}: the {compression} data hold no frame as far as they are read",
        quoted(path)
    )]
    Unfolds {
        /// The path as given.
        path: PathBuf,
        /// `gzip` and the like.
        compression: &'static str,
        /// By how much they unfold.
        source: io::Error,
    },
    /// No capture format begins like this.
    #[error("could not read {}: {looks}", quoted(path))]
    NotACapture {
        /// The path as given.
        path: PathBuf,
        /// What it is instead.
        looks: Looks,
    },
    /// A text script cannot be played.
    #[error("could not play {}", quoted(path))]
    Script {
        /// The path as given.
        path: PathBuf,
        /// Line, column and what was expected there.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file header is fine, but no record after it.
    #[error("could not read {}: after the file header there is no whole record", quoted(path))]
    NoRecord {
        /// The path as given.
        path: PathBuf,
    },
}

impl Error {
    /// What the user can do about it, for a line of its own.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Directory { path } => {
                Some(format!("name the captures in it, as in {}", quoted(&path.join("*.pcap"))))
            }
            Self::Empty { .. } => {
                Some("the capture may not have been flushed to disk; look at the copy".to_owned())
            }
            Self::NotACapture { looks, .. } => looks.hint(),
            Self::Decompress { .. } | Self::NoRecord { .. } => {
                Some("the file may be cut off or damaged; copy it again".to_owned())
            }
            Self::Unfolds { .. } => Some(
                "decompress it first to have all of it read, if it is a capture at all".to_owned(),
            ),
            Self::TooMany { .. } => {
                Some("join some of them first, as with `mergecap -w OUT IN...`".to_owned())
            }
            Self::NoCaptures { .. } => Some(
                "captures are told by their first bytes; a .sip script has to be named".to_owned(),
            ),
            Self::Open { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("ask its owner for the right to read it".to_owned())
            }
            Self::NotFound { .. } | Self::Open { .. } | Self::Read { .. } | Self::Script { .. } => {
                None
            }
        }
    }
}

fn quoted(path: &Path) -> String {
    if path.as_os_str() == "-" {
        return "standard input".to_owned();
    }
    format!("\"{}\"", printable(path.as_os_str().as_encoded_bytes()))
}
