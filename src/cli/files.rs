//! Files that are written: whole or not at all, and in the place of another one only when asked.
//!
//! A file is written beside its place under another name. When all files of the run are whole, they
//! get their names, all of them or none; whatever ends the run before, an error, a panic or a
//! signal, takes away what was written. What is no regular file, such as a pipe or `/dev/stderr`,
//! is written to directly. Knows nothing of what the files say.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::bytes::printable;
use crate::cli::signals::{self, passing};

mod plan;

pub(super) use plan::{Plan, whole_name};

/// Names that are tried for a file beside its place, before somebody is supposed to be in the way.
const NAMES_MAX: u32 = 16;

/// Bytes of a name that can take an ending and stay below what file systems allow.
const NAME_BYTES_MAX: usize = 200;

/// The output could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    /// The system says so.
    #[error("could not write {destination}")]
    Failed {
        /// The file in quotes, or standard output.
        destination: String,
        /// Why.
        source: io::Error,
    },
    /// There is such a file already.
    #[error("could not write {}: it exists", quoted(path))]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A folder stands there.
    #[error("could not write {}: it is a directory", quoted(path))]
    IsFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A folder that files are to be written to has some already.
    #[error("could not write to {}: the directory is not empty", quoted(path))]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// There is no such folder.
    #[error("could not write {}: there is no such directory", quoted(path))]
    NoFolder {
        /// The file that was to be there.
        path: PathBuf,
    },
    /// Two outputs have one name.
    #[error("could not write {} twice", quoted(path))]
    Twice {
        /// The file, as it was given last.
        path: PathBuf,
    },
    /// The output is read as well.
    #[error("could not write {destination}: it is {what}")]
    IsInput {
        /// The file in quotes, or standard output.
        destination: String,
        /// What it is among what is read.
        what: &'static str,
    },
}

impl WriteError {
    /// The error of writing to that file or folder.
    pub(super) fn failed(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            ErrorKind::IsADirectory => Self::IsFolder { path: path.to_owned() },
            ErrorKind::NotFound => Self::NoFolder { path: path.to_owned() },
            _ => Self::Failed { destination: quoted(path), source },
        }
    }

    /// The error of writing to standard output.
    pub(super) fn of_stdout(source: io::Error) -> Self {
        Self::Failed { destination: "to standard output".to_owned(), source }
    }

    /// What the user may do, for the line after `hint:`.
    pub(super) fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Exists { .. } => "`--force` replaces it",
            Self::NotEmpty { .. } => {
                "name another one; with `--force` files are added, those of the same names replaced"
            }
            Self::IsFolder { .. } => "name a file in it",
            Self::NoFolder { .. } => "make the directory first",
            Self::Twice { .. } | Self::IsInput { .. } => "name another file",
            Self::Failed { source, .. } => match source.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                    "make room, or name a file on another disk"
                }
                ErrorKind::FileTooLarge => "`ulimit -f` tells how large a file may be",
                _ => return None,
            },
        };
        Some(hint.to_owned())
    }
}

/// Whoever closes the pipe has read enough, which is no error.
pub(super) fn is_enough(error: &io::Error) -> bool {
    error.kind() == ErrorKind::BrokenPipe
}

/// The path means standard output.
pub(super) fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-" || path.as_os_str() == "/dev/stdout"
}

/// A file that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Its name.
    pub(super) path: PathBuf,
    /// It takes the place of another one, if there is one.
    pub(super) replaces: bool,
    /// Only its owner may read it.
    pub(super) is_private: bool,
}

impl Wanted {
    /// A file of that name.
    pub(super) fn new(path: &Path, replaces: bool) -> Self {
        Self { path: path.to_owned(), replaces, is_private: false }
    }
}

/// A file that is being written.
#[derive(Debug)]
pub(super) struct Draft {
    out: BufWriter<File>,
    /// None where it is written to directly.
    place: Option<Place>,
}

/// Where a file lies so far and where it is to lie.
#[derive(Debug)]
struct Place {
    beside: Beside,
    target: PathBuf,
    replaces: bool,
}

/// A file beside its place, gone when this is dropped.
#[derive(Debug)]
struct Beside(PathBuf);

impl Drop for Beside {
    fn drop(&mut self) {
        let mut passing = passing();
        if passing.files.remove(&self.0) {
            // What stopped us matters more.
            let _ = fs::remove_file(&self.0);
        }
    }
}

impl Draft {
    /// Begins a file.
    ///
    /// # Errors
    ///
    /// When it cannot be made, and when something is there that it must not replace.
    pub(super) fn create(wanted: &Wanted) -> Result<Self, WriteError> {
        let path = &wanted.path;
        let known = fs::metadata(path);
        if known.as_ref().is_ok_and(fs::Metadata::is_dir) {
            return Err(WriteError::IsFolder { path: path.clone() });
        }
        if is_direct(path) {
            // Behind the name of a handle there may be a file that has something in it.
            let opened = OpenOptions::new().append(true).open(path);
            let file = opened.map_err(|source| WriteError::failed(path, source))?;
            return Ok(Self { out: BufWriter::new(file), place: None });
        }
        if !wanted.replaces && fs::symlink_metadata(path).is_ok() {
            return Err(WriteError::Exists { path: path.clone() });
        }
        // A link stays a link: what it leads to is replaced.
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
        let access = match (wanted.is_private, known) {
            (true, _) => Access::Private,
            (false, Ok(known)) => Access::As(known.permissions()),
            (false, Err(_)) => Access::Ordinary,
        };
        let made = beside(&target, &access).map_err(|source| WriteError::failed(path, source))?;
        let place = Place { beside: made.1, target, replaces: wanted.replaces };
        Ok(Self { out: BufWriter::new(made.0), place: Some(place) })
    }

    /// Writes what is left, down to the disk: only there it may turn out that there is no room.
    fn finish(mut self) -> io::Result<Option<Place>> {
        self.out.flush()?;
        if self.place.is_some() {
            match self.out.get_ref().sync_data() {
                // Not every file system can do that.
                Err(error)
                    if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::InvalidInput) => {
                }
                result => result?,
            }
        }
        Ok(self.place)
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Seek for Draft {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.out.seek(to)
    }
}

/// Who may read a new file.
#[derive(Debug)]
enum Access {
    /// Whom the user allows to by default.
    Ordinary,
    /// Only he himself.
    Private,
    /// Those who could read the file that it replaces.
    As(fs::Permissions),
}

/// A new file beside `target`. It is never one that is there, nor what a link leads to.
fn beside(target: &Path, access: &Access) -> io::Result<(File, Beside)> {
    signals::watch();
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if !matches!(access, Access::Ordinary) {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut number = 1;
    loop {
        let path = target.with_file_name(name_beside(target, number));
        // Held, so that no signal comes between the file and the note of it.
        let mut passing = passing();
        match options.open(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && number < NAMES_MAX => {
                number += 1;
            }
            Err(error) => return Err(error),
            Ok(file) => {
                passing.files.insert(path.clone());
                drop(passing);
                let beside = Beside(path);
                if let Access::As(permissions) = access {
                    file.set_permissions(permissions.clone())?;
                }
                return Ok((file, beside));
            }
        }
    }
}

/// The name of a file beside its place: `report.html.4711.part`.
fn name_beside(target: &Path, number: u32) -> std::ffi::OsString {
    let known = target.file_name().filter(|name| name.len() <= NAME_BYTES_MAX);
    let mut name = known.map_or_else(|| "siptrace".into(), std::ffi::OsStr::to_owned);
    let process = std::process::id();
    match number {
        1 => name.push(format!(".{process}.part")),
        _ => name.push(format!(".{process}-{number}.part")),
    }
    name
}

/// The path is that of a device, a pipe or a handle, which is never replaced.
fn is_direct(path: &Path) -> bool {
    let is_handle = path.starts_with("/dev/fd")
        || path.as_os_str() == "/dev/stdout"
        || path.as_os_str() == "/dev/stderr"
        || (path.starts_with("/proc")
            && path.parent().is_some_and(|folder| folder.ends_with("fd")));
    fs::metadata(path).is_ok_and(|known| is_handle || !(known.is_file() || known.is_dir()))
}

/// The files of one run: all of them get their names, or none.
#[derive(Debug, Default)]
pub(super) struct Files {
    whole: Vec<Place>,
    /// Folders made for them, outer ones first.
    folders: Vec<PathBuf>,
}

impl Files {
    /// Takes a file that is written; it gets its name with the others.
    ///
    /// # Errors
    ///
    /// When not all of it could be written.
    pub(super) fn add(&mut self, draft: Draft) -> io::Result<()> {
        self.whole.extend(draft.finish()?);
        Ok(())
    }

    /// Writes a file; it gets its name with the others.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(super) fn write(&mut self, wanted: &Wanted, bytes: &[u8]) -> Result<(), WriteError> {
        let mut draft = Draft::create(wanted)?;
        match draft.write_all(bytes).and_then(|()| self.add(draft)) {
            Err(error) if !is_enough(&error) => Err(WriteError::failed(&wanted.path, error)),
            _ => Ok(()),
        }
    }

    /// Makes a folder that files of the run are for, if it is not there.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub(super) fn folder(&mut self, folder: &Path) -> Result<(), WriteError> {
        signals::watch();
        let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        let missing: Vec<&Path> = folder.ancestors().take_while(is_missing).collect();
        for part in missing.into_iter().rev() {
            let mut passing = passing();
            match fs::create_dir(part) {
                // `a/..` is there as soon as `a` is; and somebody else may have been faster.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(WriteError::failed(folder, error)),
                Ok(()) => {
                    self.folders.push(part.to_owned());
                    passing.folders.push(part.to_owned());
                }
            }
        }
        match folder.is_dir() {
            true => Ok(()),
            false => Err(WriteError::failed(folder, ErrorKind::NotADirectory.into())),
        }
    }

    /// Gives the files their names. If that cannot be done for one, those that have got theirs and
    /// replaced nothing lose them again.
    ///
    /// # Errors
    ///
    /// When a file cannot have its name.
    pub(super) fn put_in_place(mut self) -> Result<(), WriteError> {
        // Held, so that a signal comes before the first name or after the last one.
        let mut passing = passing();
        let mut placed = Vec::new();
        for place in &self.whole {
            let result = place.take();
            if let Err(error) = result {
                for target in placed {
                    // What stopped us matters more.
                    let _ = fs::remove_file(target);
                }
                drop(passing);
                return Err(match error.kind() {
                    ErrorKind::AlreadyExists => WriteError::Exists { path: place.target.clone() },
                    _ => WriteError::failed(&place.target, error),
                });
            }
            passing.files.remove(&place.beside.0);
            if !place.replaces {
                placed.push(place.target.clone());
            }
        }
        passing.folders.retain(|folder| !self.folders.contains(folder));
        self.folders.clear();
        Ok(())
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // The files go first, so that the folders are empty.
        self.whole.clear();
        let mut passing = passing();
        for folder in self.folders.iter().rev() {
            passing.folders.retain(|own| own != folder);
            // What others put there stays there.
            let _ = fs::remove_dir(folder);
        }
    }
}

impl Place {
    /// Gives the file its name.
    fn take(&self) -> io::Result<()> {
        let (beside, target) = (&self.beside.0, &self.target);
        if self.replaces {
            return fs::rename(beside, target);
        }
        match fs::hard_link(beside, target) {
            Ok(()) => {
                // Both names are those of the whole file.
                let _ = fs::remove_file(beside);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
            Err(_) => take_without_links(beside, target),
        }
    }
}

/// Gives a file its name where the file system has no links: the name is taken first, by nobody
/// else then, and the empty file that does so replaced.
fn take_without_links(beside: &Path, target: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(target)?;
    fs::rename(beside, target).inspect_err(|_| {
        let _ = fs::remove_file(target);
    })
}

/// A path in quotes, on one line whatever it is.
pub(super) fn quoted(path: &Path) -> String {
    format!("\"{}\"", printable(path.as_os_str().as_encoded_bytes()))
}

#[cfg(all(test, unix))]
mod tests;
