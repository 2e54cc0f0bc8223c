//! Takes the files and folders named apart into seeds: `OUT/TARGET/…`, named after their bytes.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

use siptrace_fuzz::seeds;

/// Larger files are not read.
const FILE_MAX: u64 = 4 << 20;

fn main() -> io::Result<()> {
    let mut paths = std::env::args_os().skip(1).map(PathBuf::from);
    let Some(out) = paths.next() else {
        return Err(io::Error::other("name a folder for the seeds, then files and folders"));
    };
    paths.try_for_each(|path| take(&out, &path))
}

fn take(out: &Path, path: &Path) -> io::Result<()> {
    if path.is_dir() {
        let mut inside: Vec<_> = fs::read_dir(path)?
            .map(|entry| entry.map(|own| own.path()))
            .collect::<Result<_, _>>()?;
        inside.sort();
        return inside.iter().try_for_each(|path| take(out, path));
    }
    if fs::metadata(path)?.len() > FILE_MAX {
        return Ok(());
    }
    for (target, bytes) in seeds::of_file(&path.to_string_lossy(), &fs::read(path)?) {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let folder = out.join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("{:016x}", hasher.finish())), bytes)?;
    }
    Ok(())
}
