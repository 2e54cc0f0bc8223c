//! A run in steps, with bytes between them, gives what a run in one gives.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use siptrace::analysis::Analysis;
use siptrace::capture::{Note, Source};
use siptrace::pipeline::parts::{
    Conclusion, Flows, Grounds, Judge, MediaTable, Mend, MessageRow, Piece, PieceKind, Rows, Scan,
    Survey, TABLES, options_from_bytes, options_to_bytes,
};
use siptrace::pipeline::{self, Options};
use siptrace::time::Span;

use crate::build::Record;
use crate::build::container::{Order, pcap_of};
use crate::{run, shared};

/// Judges that calls are spread over.
const JUDGES: usize = 3;

/// A run in steps, each of which knows of the others only bytes and rows.
struct Steps {
    options: Options,
    is_several: bool,
    messages: Vec<MessageRow>,
    pieces: Vec<Piece>,
}

impl Steps {
    fn scan(&mut self, path: &Path, index: u16, ahead: Span) -> Vec<u8> {
        let source = Source::open(path, index).expect("a capture");
        let mut scan = Scan::new(source, ahead, &self.options).expect("a thread");
        while let Some(rows) = scan.next_rows().expect("it can be read") {
            self.take(rows);
        }
        scan.finish()
    }

    fn take(&mut self, rows: Rows) {
        self.messages.extend(rows.messages);
        self.pieces.extend(rows.pieces);
    }

    /// The pieces of a kind by table, in order.
    fn tables(&self, kind: PieceKind) -> BTreeMap<u8, Vec<Piece>> {
        let mut tables: BTreeMap<u8, Vec<Piece>> = BTreeMap::new();
        for piece in self.pieces.iter().filter(|piece| piece.kind == kind) {
            assert!(piece.table < TABLES);
            tables.entry(piece.table).or_default().push(piece.clone());
        }
        for pieces in tables.values_mut() {
            pieces.sort_by_key(|piece| match self.is_several {
                true => piece.place(),
                false => (siptrace::time::Time::default(), piece.frame),
            });
        }
        tables
    }

    fn mend(&mut self) -> Vec<u8> {
        let mut mend = Mend::new(&self.options);
        let mut rows = Rows::default();
        for piece in self.tables(PieceKind::Fragment).values().flatten() {
            mend.push(piece, &mut rows).expect("what was written");
        }
        self.take(rows);
        mend.finish()
    }

    fn flows(&mut self, keys: &[u8]) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        for pieces in self.tables(PieceKind::Flow).values() {
            let mut flows = Flows::new(keys).expect("what was written");
            let mut rows = Rows::default();
            for piece in pieces {
                flows.push(piece, &mut rows).expect("what was written");
            }
            found.push(flows.finish(&mut rows));
            self.take(rows);
        }
        found
    }

    fn media(&self) -> Vec<(u8, Vec<u8>)> {
        let mut found = Vec::new();
        for (table, pieces) in self.tables(PieceKind::Media) {
            let mut media = MediaTable::new(self.is_several);
            for piece in &pieces {
                media.push(piece).expect("what was written");
            }
            found.push((table, media.finish()));
        }
        found
    }

    fn judge(mut self, grounds: Grounds) -> Analysis {
        let is_several = self.is_several;
        self.messages.sort_by_cached_key(|message| {
            let order = if is_several { message.order } else { siptrace::time::Time::default() };
            (message.gist().call_id, order, message.delivery.frame)
        });
        let bytes = grounds.to_bytes();
        let far = Grounds::from_bytes(&bytes).expect("what was written");
        let mut judges: Vec<_> = (0..JUDGES).map(|_| Judge::new(&far)).collect();
        for message in &self.messages {
            judges[message.gist().call_id.len() % JUDGES].push(message);
        }
        let mut conclusion = Conclusion::new(grounds);
        for own in judges.into_iter().map(Judge::finish) {
            conclusion.add_bytes(&own.to_bytes()).expect("what was written");
            conclusion.add(own.calls_only());
        }
        conclusion.finish()
    }
}

fn in_steps(paths: &[PathBuf]) -> Analysis {
    let options = run::options(Some(1));
    let options = options_from_bytes(&options_to_bytes(&options)).expect("what was written");
    let is_several = paths.len() > 1;
    let mut steps =
        Steps { options: options.clone(), is_several, messages: Vec::new(), pieces: Vec::new() };
    let survey = |scanned: &[Vec<u8>]| {
        let mut survey = Survey::default();
        scanned.iter().for_each(|own| survey.add(own).expect("what was written"));
        survey
    };
    let captures = || paths.iter().zip(0_u16..);
    let mut scanned: Vec<_> =
        captures().map(|(path, index)| steps.scan(path, index, Span::ZERO)).collect();
    for (index, ahead) in survey(&scanned).ahead() {
        steps.messages.retain(|message| message.delivery.frame.capture != index);
        steps.pieces.retain(|piece| piece.frame.capture != index);
        scanned[usize::from(index)] = steps.scan(&paths[usize::from(index)], index, ahead);
    }
    let survey = survey(&scanned);
    let mended = steps.mend();
    let flows = steps.flows(&survey.keys(&options));
    let media = steps.media();
    let grounds = Grounds::new(survey, &mended, &flows, &media, options).expect("what was written");
    steps.judge(grounds)
}

/// Compares both, and gives what a run in one gave; nothing where the captures cannot be read.
fn is_the_same(paths: &[PathBuf]) -> Option<Analysis> {
    let sources = paths.iter().zip(0..).map(|(path, index)| Source::open(path, index));
    let sources = sources.collect::<Result<Vec<_>, _>>().ok()?;
    // What cannot be read is told the same way.
    let analysis = pipeline::run(sources, &run::options(Some(1)), &|_| ()).ok()?;
    let (whole, stepwise) = (run::json(&analysis), run::json(&in_steps(paths)));
    if whole != stepwise {
        let name = |suffix: &str| {
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("steps-{suffix}.json"))
        };
        fs::write(name("whole"), &whole).expect("room");
        fs::write(name("stepwise"), &stepwise).expect("room");
        let mut pairs = whole.lines().zip(stepwise.lines());
        let first = pairs.find(|(one, other)| one != other);
        panic!("{paths:?}: {first:#?}");
    }
    Some(analysis)
}

#[test]
fn recorded_captures_in_steps() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures");
    for entry in fs::read_dir(folder).expect("the captures are there") {
        let path = entry.expect("the folder is readable").path();
        if path.to_string_lossy().contains(".pcap") {
            assert!(is_the_same(&[path]).is_some());
        }
    }
}

#[test]
fn all_recorded_captures_together_in_steps() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures");
    let entries = fs::read_dir(folder).expect("the captures are there");
    let paths = entries.map(|entry| entry.expect("the folder is readable").path());
    let mut paths: Vec<_> = paths.filter(|path| path.to_string_lossy().contains(".pcap")).collect();
    paths.sort();
    assert!(is_the_same(&paths).is_some_and(|analysis| analysis.captures.len() > 50));
}

#[test]
fn public_captures_in_steps() {
    let Some(folder) = shared::path("captures/public") else { return };
    for entry in fs::read_dir(folder).expect("the captures are there") {
        let path = entry.expect("the folder is readable").path();
        if path.to_string_lossy().contains(".pcap") {
            is_the_same(&[path]);
        }
    }
}

/// The frames of a capture with one link type.
fn records(path: &Path) -> Option<(u32, Vec<Record>)> {
    let mut source = Source::open(path, 0).ok()?;
    let mut records = Vec::new();
    let mut links = Vec::new();
    while let Ok(Some(block)) = source.next_block(Vec::new()) {
        for frame in block.frames() {
            links.push(frame.link.0);
            let (data, length) = (frame.data.to_vec(), frame.original_length);
            records.push(Record { nanos: frame.time.nanos(), data, length });
        }
    }
    links.dedup();
    match links[..] {
        [link] => Some((link.into(), records)),
        _ => None,
    }
}

/// The frames as files: those of a file are chosen by their places, and its clock is so many
/// milliseconds ahead.
fn files(
    path: &Path,
    (link, records): &(u32, Vec<Record>),
    parts: &[(i64, &dyn Fn(usize) -> bool)],
) -> Vec<PathBuf> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let write = |(number, (ahead, sees)): (usize, &(i64, &dyn Fn(usize) -> bool))| {
        let own = records.iter().enumerate().filter(|(place, _)| sees(*place));
        let own: Vec<Record> = own
            .map(|(_, record)| Record { nanos: record.nanos + ahead * 1_000_000, ..record.clone() })
            .collect();
        let path = folder.join(format!("steps-{}-{number}-{name}", parts.len()));
        fs::write(&path, pcap_of(Order::Little, 0xa1b2_3c4d, *link, &own)).expect("room");
        path
    };
    parts.iter().enumerate().map(write).collect()
}

#[test]
fn several_captures_in_steps() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures");
    let mut corrected = 0;
    for entry in fs::read_dir(folder).expect("the captures are there") {
        let path = entry.expect("the folder is readable").path();
        let Some(all) = records(&path).filter(|(_, all)| all.len() > 3) else { continue };
        let third = all.1.len().div_ceil(3);
        let ring: [(i64, &dyn Fn(usize) -> bool); 3] = [
            (0, &|place| place / third == 1),
            (0, &|place| place / third == 2),
            (0, &|place| place / third == 0),
        ];
        let halves: [(i64, &dyn Fn(usize) -> bool); 2] =
            [(0, &|place| place % 3 == 0), (0, &|place| place % 3 != 0)];
        let both: [(i64, &dyn Fn(usize) -> bool); 4] = [
            (0, &|_| true),
            (900, &|place| place % 7 != 0),
            (0, &|p| p % 5 == 0),
            (-70, &|p| p % 2 == 0),
        ];
        for parts in [&ring[..], &halves, &both] {
            let paths = files(&path, &all, parts);
            let analysis = is_the_same(&paths).expect("captures that can be read");
            let notes = analysis.captures.iter().flat_map(|capture| &capture.notes);
            let is_corrected =
                |note: &&Note| matches!(note, Note::ClockOffset { is_corrected: true, .. });
            corrected += notes.filter(is_corrected).count();
            paths.iter().for_each(|path| fs::remove_file(path).expect("it was written"));
        }
    }
    assert!(corrected > 0, "no clock was corrected");
}
