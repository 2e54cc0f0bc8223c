//! Where output goes: files whole or not at all, standard output until its reader has enough.

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;

use siptrace::bytes::printable;

use crate::fault::Fault;

/// The result of writing as ours.
///
/// # Errors
///
/// When it was one.
pub(crate) fn enough(written: io::Result<()>, destination: &str) -> Result<(), Fault> {
    written.map_err(|source| Fault::Write { destination: destination.to_owned(), source })
}

/// Whoever closes the pipe has read enough, which is no error.
pub(crate) fn is_enough(fault: &Fault) -> bool {
    matches!(fault, Fault::Write { source, .. } if source.kind() == ErrorKind::BrokenPipe)
}

/// Writes a file, or standard output where none is named. A file gets its name when all of it is
/// there.
///
/// # Errors
///
/// When it is there already and must not be replaced, or cannot be written.
pub(crate) fn write(
    path: Option<&Path>,
    replaces: bool,
    render: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Fault> {
    let Some(path) = path.filter(|path| path.as_os_str() != "-") else {
        let mut out = BufWriter::new(io::stdout().lock());
        return enough(render(&mut out).and_then(|()| out.flush()), "to standard output");
    };
    let name = format!("\"{}\"", printable(path.as_os_str().as_encoded_bytes()));
    if !replaces && fs::symlink_metadata(path).is_ok() {
        return enough(Err(ErrorKind::AlreadyExists.into()), &name);
    }
    let mut beside = path.file_name().unwrap_or_default().to_owned();
    beside.push(format!(".{}.part", std::process::id()));
    let beside = path.with_file_name(beside);
    let written = OpenOptions::new().write(true).create_new(true).open(&beside).and_then(|file| {
        let mut out = BufWriter::new(file);
        render(&mut out)?;
        out.flush()?;
        fs::rename(&beside, path)
    });
    if written.is_err() {
        // What stopped us matters more.
        let _ = fs::remove_file(&beside);
    }
    enough(written, &name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_or_not_there() {
        let folder = std::env::temp_dir().join(format!("lake-{}", crate::store::random_name()));
        fs::create_dir_all(&folder).expect("made");
        let path = folder.join("report.html");
        let half = |out: &mut dyn Write| {
            out.write_all(b"half")?;
            Err(ErrorKind::Other.into())
        };
        assert!(write(Some(&path), false, half).is_err());
        assert_eq!(fs::read_dir(&folder).expect("there").count(), 0);
        write(Some(&path), false, |out| out.write_all(b"whole")).expect("written");
        assert!(write(Some(&path), false, |out| out.write_all(b"other")).is_err());
        assert_eq!(fs::read(&path).expect("there"), b"whole");
        write(Some(&path), true, |out| out.write_all(b"other")).expect("replaced");
        assert_eq!(fs::read(&path).expect("there"), b"other");
        fs::remove_dir_all(&folder).expect("removed");
    }
}
