//! What stops a command: one line on standard error, and advice on a line of its own.
//!
//! Errors of the libraries below come with their own prefixes and nest; here they become such
//! lines. Knows nothing of what the commands do.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, ErrorKind};

use datafusion::error::DataFusionError;
use siptrace::pipeline::parts::Unreadable;
use siptrace::{bytes, capture, pipeline};

/// Longest text of a library that is shown.
const TEXT_CHARS_MAX: usize = 400;

/// Prefixes that the libraries put before the text that matters.
const PREFIXES: [&str; 12] = [
    "DataFusion error: ",
    "Execution error: ",
    "External error: ",
    "External(",
    "Arrow error: ",
    "Parquet error: ",
    "Object Store error: ",
    "IO error: ",
    "Io error: ",
    // Our own, where a step told it that ran elsewhere.
    "out of memory: ",
    "out of disk space: ",
    "Error during planning: ",
];

/// Why nothing was done; the exit code is 2.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The user asked for what cannot be.
    #[error("{0}")]
    Usage(String, Option<String>),
    /// A capture cannot be opened or read.
    #[error(transparent)]
    Capture(#[from] capture::Error),
    /// The core stopped.
    #[error(transparent)]
    Pipeline(pipeline::Error),
    /// What the lake holds cannot be used.
    #[error("could not use the lake \"{lake}\": {problem}")]
    Lake {
        /// The lake as given.
        lake: String,
        /// What is wrong.
        problem: String,
    },
    /// An object could not be read or written.
    #[error("could not {what}: {problem}")]
    Store {
        /// What was being done.
        what: String,
        /// What the store says.
        problem: String,
    },
    /// The output could not be written.
    #[error("could not write {destination}")]
    Write {
        /// The file in quotes, or standard output.
        destination: String,
        /// Why.
        source: io::Error,
    },
    /// The memory that was allowed is not enough.
    #[error("out of memory: {0}")]
    Memory(String),
    /// There is no room on a disk.
    #[error("out of disk space: {0}")]
    Disk(String),
    /// The cluster, or a part of it, is gone.
    #[error("{0}")]
    Cluster(String),
    /// The query cannot be carried out.
    #[error("could not run the query: {0}")]
    Query(String),
    /// A job failed.
    #[error("{0}")]
    Job(String),
    /// The user stopped it.
    #[error("interrupted; the lake is as it was before")]
    Interrupted,
}

impl Fault {
    /// The command line asks for what cannot be, with advice.
    pub(crate) fn usage(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage(problem.into(), Some(hint.into()))
    }

    /// What the user may do, for the line after `hint:`.
    pub(crate) fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Usage(_, hint) => return hint.clone(),
            Self::Capture(error) | Self::Pipeline(pipeline::Error::Capture(error)) => {
                return error.hint();
            }
            Self::Memory(_) => {
                "give more with `--memory`, on executors too; what does not fit is \
                                spilled to the folder of `--work`, but every task needs some"
            }
            Self::Disk(_) => {
                "make room for the lake, or name another folder for what is spilled, with `--work`"
            }
            Self::Cluster(_) => {
                "look at the scheduler and the executors and run the command again; without \
                 `--cluster` it runs on this machine"
            }
            Self::Query(_) => "`siptrace-lake tables LAKE` lists the tables and their columns",
            Self::Write { source, .. } if source.kind() == ErrorKind::StorageFull => {
                "make room, or name a file on another disk"
            }
            Self::Write { source, .. } if source.kind() == ErrorKind::AlreadyExists => {
                "`--force` replaces it"
            }
            Self::Lake { .. } => "name the folder or URL that `siptrace-lake ingest -o` wrote",
            _ => return None,
        };
        Some(hint.to_owned())
    }

    /// The store could not do that.
    pub(crate) fn store(what: impl Into<String>, error: &object_store::Error) -> Self {
        let text = shortened(&chain(error));
        match is_disk(&text) {
            true => Self::Disk(text),
            false => Self::Store { what: what.into(), problem: text },
        }
    }
}

impl From<pipeline::Error> for Fault {
    fn from(error: pipeline::Error) -> Self {
        match error {
            pipeline::Error::Capture(error) => Self::Capture(error),
            error => Self::Pipeline(error),
        }
    }
}

impl From<DataFusionError> for Fault {
    fn from(error: DataFusionError) -> Self {
        match error.find_root() {
            DataFusionError::ResourcesExhausted(text) => Self::Memory(shortened(text)),
            DataFusionError::Plan(_)
            | DataFusionError::SQL(..)
            | DataFusionError::SchemaError(..)
            | DataFusionError::NotImplemented(_) => Self::Query(shortened(&error.to_string())),
            _ => Self::told(&error.to_string()),
        }
    }
}

impl From<Unreadable> for Fault {
    fn from(error: Unreadable) -> Self {
        Self::Job(error.to_string())
    }
}

impl Fault {
    /// What a job says that ran elsewhere.
    pub(crate) fn told(text: &str) -> Self {
        let lower = text.to_ascii_lowercase();
        if lower.contains("resources exhausted") || lower.contains("failed to allocate") {
            return Self::Memory(shortened(text));
        }
        if is_disk(text) {
            return Self::Disk(shortened(text));
        }
        let is_gone = ["transport error", "connection refused", "no executor", "executors lost"];
        match is_gone.iter().any(|sign| lower.contains(sign)) {
            true => Self::Cluster(shortened(text)),
            false => Self::Job(shortened(text)),
        }
    }
}

fn is_disk(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    ["no space left", "storagefull", "quota exceeded", "disk quota"]
        .iter()
        .any(|sign| lower.contains(sign))
}

/// An error with its causes; none that repeats the one before it.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.contains(&text) {
            let _ = write!(line, ": {text}");
        }
        cause = error.source();
    }
    line
}

/// The text of a library without its prefixes, in one line of bounded length.
fn shortened(text: &str) -> String {
    let mut text = text;
    while let Some(rest) = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)) {
        text = rest;
    }
    let line = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>();
    let line = line.join("; ");
    let short: String = line.chars().take(TEXT_CHARS_MAX).collect();
    bytes::printable_str(short.trim_end_matches('.')).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_of_libraries_go_and_controls_are_made_safe() {
        let fault = Fault::told("Execution error: External error: the \u{1b}[2J capture is gone.");
        let line = fault.to_string();
        assert!(line.starts_with("the "), "{line}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }

    #[test]
    fn memory_and_disk_are_told_apart() {
        let memory = "Job ab failed: Resources exhausted: Failed to allocate 12 MB for Sort[3]";
        assert!(matches!(Fault::told(memory), Fault::Memory(_)));
        let disk = "Task failed: IO error: No space left on device (os error 28)";
        assert!(matches!(Fault::told(disk), Fault::Disk(_)));
        assert!(matches!(Fault::told("anything else"), Fault::Job(_)));
    }
}
