//! Captures from the field: every one opens, or is refused for a good reason, and has the frames
//! that it should have.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use siptrace::capture::{Error, LinkType, Source};

/// The folder of shared captures, in a directory above the project; it is not part of it.
fn shared() -> Option<PathBuf> {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(1);
    above.map(|path| path.join("shared/captures")).find(|path| path.join("public.tsv").is_file())
}

/// Where tshark 4.0.17 and siptrace differ: file, what siptrace says, why.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    (
        "NormB__sipnab__rtsp-packets.cap",
        "it is a Microsoft Network Monitor capture",
        "the format is named, not read; the 20 frames hold RTSP only",
    ),
    (
        "courvoif__pcap-file__big_endian.pcap",
        "it is a Git LFS pointer, not the file itself",
        "there is nothing to read",
    ),
    (
        "the-tcpdump-group__tcpdump__pcap-invalid-version-1.pcap",
        "1",
        "tshark refuses version 1.4; the record is as in 2.4 and reads well",
    ),
    (
        "the-tcpdump-group__tcpdump__pcapng-invalid-vers-1.pcapng",
        "its format version is 0.1, which is not read",
        "tshark refuses it as well",
    ),
    (
        "the-tcpdump-group__tcpdump__relts-0x80000000.pcap",
        "after the file header there is no whole record",
        "tshark refuses it as well: its blocks are damaged on purpose",
    ),
];

fn frames(path: &Path) -> Result<u64, Error> {
    let mut source = Source::open(path, 0)?;
    let mut count = 0;
    let mut spare = Vec::new();
    while let Some(block) = source.next_block(spare)? {
        count += block.frames().filter(|frame| frame.link != LinkType::NOT_A_PACKET).count() as u64;
        spare = block.into_buffer();
    }
    assert_eq!(source.describe().frames, count, "{}", path.display());
    Ok(count)
}

#[test]
fn public_captures_have_their_frames() {
    let Some(shared) = shared() else { return };
    let table = fs::read_to_string(shared.join("public.tsv")).expect("the table is readable");
    let mut differences = Vec::new();
    for line in table.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let (file, expected) = (columns[0], columns[5]);
        let ours = match frames(&shared.join("public").join(file)) {
            Ok(count) => count.to_string(),
            Err(error) => error.to_string(),
        };
        let excuse = DIFFERENCES.iter().find(|(name, ..)| *name == file);
        if excuse.is_some_and(|(_, said, _)| ours.ends_with(said)) {
            continue;
        }
        if ours != expected {
            differences.push(format!("{file}: expected {expected}, ours {ours}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn cut_captures_give_the_frames_before_the_cut() {
    const PLACES: usize = 23;

    let Some(shared) = shared() else { return };
    let files = fs::read_dir(shared.join("public")).expect("the folder is readable");
    for path in files.filter_map(|entry| Some(entry.ok()?.path())) {
        let bytes = fs::read(&path).expect("the file is readable");
        let Ok(intact) = Source::open(&path, 0).and_then(data) else { continue };
        if bytes.len() > 300_000 || bytes.starts_with(&[0x1f, 0x8b]) {
            continue;
        }
        let mut before = 0;
        for place in 1..PLACES {
            let cut = bytes[..bytes.len() * place / PLACES].to_vec();
            let source = Source::from_reader("-", Box::new(Cursor::new(cut)), 0);
            let found = source.and_then(data).unwrap_or_default();
            assert!(found.len() >= before && intact.starts_with(&found), "{}", path.display());
            before = found.len();
        }
    }
}

fn data(mut source: Source) -> Result<Vec<Vec<u8>>, Error> {
    let mut frames = Vec::new();
    while let Some(block) = source.next_block(Vec::new())? {
        frames.extend(block.frames().map(|frame| frame.data.to_vec()));
    }
    Ok(frames)
}
