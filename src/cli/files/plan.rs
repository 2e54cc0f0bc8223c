//! What a command is going to write, looked at before it begins: a wish that cannot be granted
//! should not cost minutes first.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{Access, Wanted, WriteError, beside, is_direct, is_stdout, quoted};
use crate::capture;

/// What is written and what is read.
#[derive(Debug, Default)]
pub(in crate::cli) struct Plan {
    files: Vec<Wanted>,
    /// Folders, and those of them that must be empty.
    folders: Vec<(PathBuf, bool)>,
    captures: Vec<PathBuf>,
    /// Whatever else is read.
    inputs: Vec<PathBuf>,
}

impl Plan {
    /// Captures are read.
    pub(in crate::cli) fn captures(mut self, captures: &[PathBuf]) -> Self {
        self.captures.extend_from_slice(captures);
        self
    }

    /// Other files are read.
    pub(in crate::cli) fn inputs<'a>(
        mut self,
        inputs: impl IntoIterator<Item = &'a PathBuf>,
    ) -> Self {
        self.inputs.extend(inputs.into_iter().cloned());
        self
    }

    /// Files are written.
    pub(in crate::cli) fn files(mut self, files: impl IntoIterator<Item = Wanted>) -> Self {
        self.files.extend(files);
        self
    }

    /// A file is written, if one is named.
    pub(in crate::cli) fn file(self, path: Option<&PathBuf>, replaces: bool) -> Self {
        self.files(path.map(|path| Wanted::new(path, replaces)))
    }

    /// Files are written to a folder, if one is named. As long as nobody knows their names, it must
    /// be empty for none to be replaced.
    pub(in crate::cli) fn folder(mut self, path: Option<&PathBuf>, must_be_empty: bool) -> Self {
        self.folders.extend(path.map(|path| (path.clone(), must_be_empty)));
        self
    }

    /// Looks whether everything can be written where it is asked for.
    ///
    /// # Errors
    ///
    /// When an output exists, is read as well, is named twice, or can be no file.
    pub(in crate::cli) fn check(&self) -> Result<(), WriteError> {
        let is_plain = |wanted: &&Wanted| !is_stdout(&wanted.path) && !is_direct(&wanted.path);
        let plain = || self.files.iter().filter(is_plain);
        let mut names = BTreeSet::new();
        for Wanted { path, .. } in plain() {
            if !names.insert(whole_name(path)) {
                return Err(WriteError::Twice { path: path.clone() });
            }
        }
        self.check_inputs()?;
        let mut probed = BTreeSet::new();
        for wanted in plain() {
            may_be_written(wanted)?;
            let folder = wanted.path.parent().map(whole_name);
            let is_made = folder.as_ref().is_some_and(|folder| self.is_made(folder));
            if !is_made && probed.insert(folder) {
                probe(&wanted.path)?;
            }
        }
        for (folder, must_be_empty) in &self.folders {
            may_be_filled(folder, *must_be_empty)?;
        }
        Ok(())
    }

    /// The folder is one of those that are made for files.
    fn is_made(&self, folder: &Path) -> bool {
        !folder.exists() && self.folders.iter().any(|(own, _)| whole_name(own) == folder)
    }

    /// No output is one of the inputs, whatever name it has there.
    fn check_inputs(&self) -> Result<(), WriteError> {
        let stdout = || Path::new("/dev/stdout");
        let to_files = self.files.iter().map(|wanted| match is_stdout(&wanted.path) {
            true => stdout(),
            false => wanted.path.as_path(),
        });
        let outputs: Vec<(Identity, &Path)> = to_files
            .chain([stdout()])
            .filter_map(|path| Some((Identity::of(path)?, path)))
            .collect();
        if outputs.is_empty() {
            return Ok(());
        }
        let what = |input: &Path| {
            let own = Identity::of(input)?;
            outputs.iter().find(|(output, _)| *output == own).map(|(_, path)| *path)
        };
        let is_input = |path: &Path, what| {
            let is_stdout = path == stdout();
            let destination =
                if is_stdout { "to standard output".to_owned() } else { quoted(path) };
            Err(WriteError::IsInput { destination, what })
        };
        for (input, is_named) in capture::files(&self.captures) {
            let Some(path) = what(&input) else { continue };
            // What lies in a folder of captures may be none.
            if is_named || capture::open(&[input]).is_ok() {
                return is_input(path, "one of the captures");
            }
        }
        match self.inputs.iter().find_map(|input| what(input)) {
            Some(path) => is_input(path, "one of the files that are read"),
            None => Ok(()),
        }
    }
}

/// Nothing is lost if this file is written.
fn may_be_written(wanted: &Wanted) -> Result<(), WriteError> {
    let path = &wanted.path;
    match fs::symlink_metadata(path) {
        Ok(_) if path.is_dir() => Err(WriteError::IsFolder { path: path.clone() }),
        Ok(_) if !wanted.replaces => Err(WriteError::Exists { path: path.clone() }),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(WriteError::failed(path, error)),
    }
}

/// A file can be made where this one is to be.
fn probe(path: &Path) -> Result<(), WriteError> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    // It goes as soon as it is there.
    let made = beside(&target, &Access::Private).map(drop);
    made.map_err(|source| WriteError::failed(path, source))
}

/// Files can be written to this folder, which may have to be made.
fn may_be_filled(folder: &Path, must_be_empty: bool) -> Result<(), WriteError> {
    let failed = |source| WriteError::failed(folder, source);
    match fs::metadata(folder) {
        Ok(known) if !known.is_dir() => Err(failed(ErrorKind::NotADirectory.into())),
        Ok(_) => {
            let mut entries = fs::read_dir(folder).map_err(failed)?;
            match must_be_empty && entries.next().is_some() {
                true => Err(WriteError::NotEmpty { path: folder.to_owned() }),
                false => probe(&folder.join("siptrace")),
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let is_there = |above: &&Path| above.as_os_str().is_empty() || above.exists();
            match folder.ancestors().skip(1).find(is_there) {
                Some(above) => probe(&above.join("siptrace")),
                None => Ok(()),
            }
        }
        Err(error) => Err(failed(error)),
    }
}

/// What makes a file the same by any of its names. Only what keeps its bytes, or hands them over
/// like a pipe, is one: a terminal is read and written at once.
#[cfg(unix)]
#[derive(Debug, PartialEq, Eq)]
struct Identity(u64, u64);

#[cfg(unix)]
impl Identity {
    fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::{FileTypeExt, MetadataExt};

        let path = if path.as_os_str() == "-" { Path::new("/dev/stdin") } else { path };
        let known = fs::metadata(path).ok()?;
        let is_one = known.is_file() || known.file_type().is_fifo();
        is_one.then(|| Self(known.dev(), known.ino()))
    }
}

/// What makes a file the same by any of its names.
#[cfg(not(unix))]
#[derive(Debug, PartialEq, Eq)]
struct Identity(PathBuf);

#[cfg(not(unix))]
impl Identity {
    fn of(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        fs::canonicalize(path).ok().map(Self)
    }
}

/// The path from the root, links followed, so that one file is known by any of its names.
pub(in crate::cli) fn whole_name(path: &Path) -> PathBuf {
    if let Ok(whole) = fs::canonicalize(path) {
        return whole;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = fs::canonicalize(folder.unwrap_or(Path::new(".")));
    match (folder, path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}
