//! What the user names: files, directories, patterns that the shell did not expand.
//!
//! A file that is named must be a capture. Of a directory and of a pattern the captures are taken,
//! told by their first bytes, in order of their names; the rest is passed over and named in a note.
//! Directories inside are not gone into: what lies there has seldom to do with the capture above.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::bytes::printable;
use crate::capture::pattern::Pattern;
use crate::capture::{Error, Note, Source};
use crate::limits::{CAPTURES_MAX, PASSED_OVER_NAMES_MAX};

/// Opens everything that was named, each file once. Of several files only those are held open that
/// are being read, so that a ring of a thousand files can be given.
///
/// # Errors
///
/// When a file cannot be opened or is no capture, and when a directory or a pattern holds none.
pub fn open(names: &[PathBuf]) -> Result<Vec<Source>, Error> {
    open_up_to(CAPTURES_MAX, names)
}

fn open_up_to(max: usize, names: &[PathBuf]) -> Result<Vec<Source>, Error> {
    let mut opened = Opened { sources: Vec::new(), known: HashMap::new(), max };
    for name in names {
        match Named::of(name)? {
            Named::File => opened.file(name)?,
            Named::Several(paths) => opened.several(name, paths)?,
        }
    }
    let mut sources = opened.sources;
    if sources.len() > 1 {
        sources.iter_mut().try_for_each(Source::sleep)?;
    }
    Ok(sources)
}

/// The files behind the names, not opened, and whether they are named themselves; what cannot be
/// found is left out.
pub(crate) fn files(names: &[PathBuf]) -> Vec<(PathBuf, bool)> {
    let mut found = Vec::new();
    for name in names {
        match Named::of(name) {
            Ok(Named::File) => found.push((name.clone(), true)),
            Ok(Named::Several(paths)) => found.extend(paths.into_iter().map(|path| (path, false))),
            Err(_) => {}
        }
    }
    found
}

/// What a name stands for.
enum Named {
    File,
    Several(Vec<PathBuf>),
}

impl Named {
    fn of(name: &Path) -> Result<Self, Error> {
        if name.as_os_str() == "-" {
            return Ok(Self::File);
        }
        if name.is_dir() {
            return files_in(name).map(Self::Several);
        }
        // A file may have a name that looks like a pattern.
        match name.exists() {
            true => Ok(Self::File),
            false => Ok(Pattern::of(name).map_or(Self::File, |p| Self::Several(p.matches()))),
        }
    }
}

/// The files of a directory, by name.
fn files_in(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::Open { path: directory.to_owned(), source };
    let entries = fs::read_dir(directory).map_err(failed)?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file())
        .collect();
    files.sort_unstable();
    Ok(files)
}

struct Opened {
    sources: Vec<Source>,
    /// The places of files in `sources`; none for standard input, which is `-`.
    known: HashMap<PathBuf, usize>,
    max: usize,
}

impl Opened {
    fn file(&mut self, path: &Path) -> Result<(), Error> {
        // What cannot be resolved fails when it is opened.
        let itself = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if let Some(place) = self.known.get(&itself) {
            if let Some(source) = self.sources.get_mut(*place) {
                source.note_given_again();
            }
            return Ok(());
        }
        let index = u16::try_from(self.sources.len()).unwrap_or(u16::MAX);
        let mut source = Source::open(path, index)?;
        if self.sources.len() >= self.max {
            return Err(Error::TooMany { path: path.to_owned() });
        }
        if index > 0 {
            source.sleep()?;
        }
        self.known.insert(itself, self.sources.len());
        self.sources.push(source);
        Ok(())
    }

    fn several(&mut self, name: &Path, paths: Vec<PathBuf>) -> Result<(), Error> {
        let place = self.sources.len();
        let (mut files, mut count, mut found) = (Vec::new(), 0, 0_u64);
        for path in paths {
            let is = |other: &str| path.extension().is_some_and(|extension| extension == other);
            // Settings and expectations belong beside captures, and nobody need be told.
            if is("toml") {
                continue;
            }
            // A script is text; it has to be named itself.
            if !is("sip") {
                match self.file(&path) {
                    Ok(()) => {
                        found += 1;
                        continue;
                    }
                    // Nobody knows whether it is a capture; nothing passes because it is not read.
                    Err(error @ (Error::Open { .. } | Error::TooMany { .. })) => return Err(error),
                    Err(_) => {}
                }
            }
            count += 1;
            if files.len() < PASSED_OVER_NAMES_MAX {
                let file = path.file_name().unwrap_or_default();
                files.push(printable(file.as_encoded_bytes()).into_owned());
            }
        }
        if found == 0 {
            return Err(Error::NoCaptures { path: name.to_owned() });
        }
        // Without one of its own, all captures were given before.
        let last = self.sources.len().saturating_sub(1);
        if let Some(source) = self.sources.get_mut(place.min(last)).filter(|_| count > 0) {
            source.add_note(Note::PassedOver { count, files });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::samples::{Folder, pcap};

    fn names(sources: &[Source]) -> Vec<String> {
        let name = |source: &Source| {
            let path = source.describe().path;
            path.file_name().unwrap_or_default().to_string_lossy().into_owned()
        };
        sources.iter().map(name).collect()
    }

    fn ring() -> Folder {
        let folder = Folder::new();
        folder.write("ring-2.pcap", &pcap(2));
        folder.write("ring-1.dump", &pcap(1));
        folder.write("notes.txt", b"who called whom");
        folder.write("empty.pcap", b"");
        folder.write("case.sip", b"# a script");
        folder.write("case.expect.toml", b"[[call]]");
        folder.write("inner/deep.pcap", &pcap(3));
        folder
    }

    #[test]
    fn takes_the_captures_of_a_directory_by_name() {
        let folder = ring();
        let sources = open(&[folder.path().to_owned()]).expect("captures");
        assert_eq!(names(&sources), ["ring-1.dump", "ring-2.pcap"]);
        let files = ["case.sip", "empty.pcap", "notes.txt"].map(str::to_owned).to_vec();
        assert_eq!(sources[0].describe().notes, [Note::PassedOver { count: 3, files }]);
        assert!(sources[1].describe().notes.is_empty());
    }

    #[test]
    fn expands_patterns_that_the_shell_left() {
        let folder = ring();
        folder.write("[1].pcap", &pcap(1));
        let open_one = |pattern: &str| open(&[folder.path().join(pattern)]);
        assert_eq!(names(&open_one("ring-*").expect("captures")), ["ring-1.dump", "ring-2.pcap"]);
        assert_eq!(names(&open_one("ring-[2-9].p?ap").expect("captures")), ["ring-2.pcap"]);
        assert_eq!(names(&open_one("in*/*.pcap").expect("captures")), ["deep.pcap"]);
        assert_eq!(names(&open_one("[1].pcap").expect("captures")), ["[1].pcap"]);
        let error = open_one("*.cap").expect_err("no capture");
        assert!(matches!(error, Error::NoCaptures { .. }), "{error}");
    }

    #[test]
    fn reads_a_file_once_that_was_given_twice() {
        let folder = ring();
        let file = folder.path().join("ring-1.dump");
        let again = folder.path().join("inner/../ring-1.dump");
        let sources = open(&[file.clone(), again, folder.path().to_owned()]).expect("captures");
        assert_eq!(names(&sources), ["ring-1.dump", "ring-2.pcap"]);
        assert_eq!(sources[0].describe().notes, [Note::GivenAgain { times: 2 }]);
        assert!(matches!(sources[1].describe().notes[..], [Note::PassedOver { count: 3, .. }]));
        let missing = open(&[folder.path().join("missing.pcap")]).expect_err("no file");
        assert!(matches!(missing, Error::NotFound { .. }));
    }

    #[test]
    fn captures_are_bounded_and_say_so() {
        let folder = ring();
        let names: Vec<_> =
            ["ring-1.dump", "ring-2.pcap", "inner/deep.pcap"].map(|n| folder.path().join(n)).into();
        assert_eq!(open_up_to(3, &names).expect("captures").len(), 3);
        let error = open_up_to(2, &names).expect_err("too many");
        assert!(matches!(error, Error::TooMany { .. }), "{error}");
        // Those of a directory are not passed over as if they were none.
        let error = open_up_to(1, &[folder.path().to_owned()]).expect_err("too many");
        assert!(matches!(error, Error::TooMany { .. }), "{error}");
        // One that was given before is not one more.
        let again = [names[0].clone(), names[1].clone(), names[0].clone()];
        assert_eq!(open_up_to(2, &again).expect("captures").len(), 2);
    }

    #[test]
    fn names_of_files_that_are_passed_over_are_bounded_and_the_rest_counted() {
        let folder = ring();
        let more = PASSED_OVER_NAMES_MAX + 5;
        (0..more).for_each(|number| folder.write(&format!("text-{number:02}.txt"), b"no capture"));
        let sources = open(&[folder.path().to_owned()]).expect("captures");
        let [Note::PassedOver { count, files }] = &sources[0].describe().notes[..] else {
            panic!()
        };
        assert_eq!((*count, files.len()), (more as u64 + 3, PASSED_OVER_NAMES_MAX));
    }

    #[test]
    fn wakes_captures_that_slept() {
        let folder = ring();
        let mut sources = open(&[folder.path().to_owned()]).expect("captures");
        let begins = sources[1].begins();
        let block = sources[1].next_block(Vec::new()).expect("no error").expect("a block");
        assert_eq!((block.frames_count(), block.first_time()), (2, begins));
        assert_eq!(block.first().capture, 1);
        assert_eq!(sources[1].describe().frames, 2);
        assert!(sources[1].next_block(Vec::new()).expect("no error").is_none());
    }
}
