//! Scans captures: messages by day and hour, pieces, and what else was found.

use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::array::{RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};
use siptrace::capture::Source;
use siptrace::pipeline::Options;
use siptrace::pipeline::parts::{self, MessageRow, Piece, PieceKind, Rows, Scan};
use siptrace::time::Span;
use std::sync::Arc;
use tokio::runtime::Handle;
use url::Url;

use crate::fault::Fault;
use crate::manifest::Object;
use crate::rows;
use crate::steps::{Feed, line, odd, slot};
use crate::store::{self, Place, Remote, random_name};
use crate::tables::{MESSAGES, PIECES};
use crate::writer::Writer;

/// Bytes that the scans of this process have read, for whoever shows how far they are.
pub(crate) static READ: AtomicU64 = AtomicU64::new(0);

/// A capture to be scanned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Task {
    /// Its number in the lake.
    pub(crate) index: u16,
    /// Where it lies.
    pub(crate) url: String,
    /// Its bytes.
    pub(crate) size: u64,
    /// What its clock is ahead, in nanoseconds.
    pub(crate) ahead: i64,
}

/// A capture that was scanned.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Scanned {
    /// Its number in the lake.
    pub(crate) index: u16,
    /// The object with what the scan found besides rows.
    pub(crate) scan: String,
    /// Its messages.
    pub(crate) messages: Vec<Object>,
    /// Its fragments.
    pub(crate) fragments: Vec<Object>,
    /// Its other pieces.
    pub(crate) pieces: Vec<Object>,
}

/// The rows that a scan takes.
pub(crate) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("task", DataType::Utf8, false)]))
}

/// Tasks as rows.
///
/// # Errors
///
/// Never, as long as this and the schema agree.
pub(crate) fn batch(tasks: &[Task]) -> Result<RecordBatch, Fault> {
    let lines: Vec<String> = tasks.iter().map(line).collect::<Result<_, _>>()?;
    let column = Arc::new(StringArray::from(lines));
    RecordBatch::try_new(schema(), vec![column]).map_err(|error| odd(&error))
}

/// Scans the captures of the feed, one after another.
///
/// # Errors
///
/// When one of them cannot be read.
pub(crate) fn run(
    place: &Place,
    options: &str,
    threads: usize,
    handle: &Handle,
    feed: &mut Feed,
) -> Result<Vec<String>, Fault> {
    let options = parts::options_from_bytes(&handle.block_on(place.read(options))?)?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("scan-{index}"))
        .build()
        .map_err(|error| odd(&error))?;
    let mut made = Vec::new();
    while let Some(batch) = feed.next()? {
        for task in rows::text(&batch, "task").map_err(|error| odd(&error))?.iter().flatten() {
            let task: Task = super::read_line(task)?;
            let scanned = scan(place, &task, &options, &pool, handle, feed)?;
            made.push(line(&scanned)?);
        }
    }
    Ok(made)
}

fn scan(
    place: &Place,
    task: &Task,
    options: &Options,
    pool: &rayon::ThreadPool,
    handle: &Handle,
    feed: &Feed,
) -> Result<Scanned, Fault> {
    let source = open(task, handle)?;
    let ahead = Span::from_nanos(task.ahead);
    let mut scan = pool.install(|| Scan::new(source, ahead, options))?;
    let mut out = Out::new(place, &format!("{:05}-", task.index));
    let mut read = 0;
    loop {
        if feed.is_given_up() {
            return Err(Fault::Interrupted);
        }
        let slot = slot();
        let Some(rows) = pool.install(|| scan.next_rows())? else { break };
        handle.block_on(out.write(rows))?;
        drop(slot);
        READ.fetch_add(scan.bytes().saturating_sub(read), Ordering::Relaxed);
        read = scan.bytes();
    }
    let name = format!("scan/{:05}-{}.bin", task.index, random_name());
    let found = pool.install(|| scan.finish());
    handle.block_on(async {
        place.write(&name, found).await?;
        let (messages, fragments, pieces) = out.finish().await?;
        Ok(Scanned { index: task.index, scan: name, messages, fragments, pieces })
    })
}

/// A local file is read as the core does it; what lies elsewhere in ranges.
fn open(task: &Task, handle: &Handle) -> Result<Source, Fault> {
    let wrong = |error: url::ParseError| Fault::Job(format!("{:?}: {error}", task.url));
    let url = Url::parse(&task.url).map_err(wrong)?;
    if let Some(file) = store::file_of(&url) {
        return Ok(Source::open(&file, task.index)?);
    }
    let (store, path) = (store::store(&url)?, store::path_of(&url)?);
    let remote = Remote::new(handle.clone(), store, path, task.size);
    Ok(Source::from_reader(&task.url, Box::new(remote), task.index)?)
}

/// Where the rows of a step go.
pub(crate) struct Out {
    messages: Writer,
    fragments: Writer,
    pieces: Writer,
}

impl Out {
    pub(crate) fn new(place: &Place, stem: &str) -> Self {
        let writer = |table, stem: &str| Writer::new(place.clone(), table, stem);
        Self {
            messages: writer(&MESSAGES, stem),
            fragments: writer(&PIECES, &format!("{stem}fragments-")),
            pieces: writer(&PIECES, stem),
        }
    }

    pub(crate) async fn write(&mut self, rows: Rows) -> Result<(), Fault> {
        let Rows { messages, pieces } = rows;
        let time = |own: &MessageRow| Some(own.delivery.time);
        self.messages.write(messages, time, rows::messages).await?;
        let is_fragment = |own: &Piece| own.kind == PieceKind::Fragment;
        let (fragments, pieces): (Vec<_>, Vec<_>) = pieces.into_iter().partition(is_fragment);
        // Nobody asks for the pieces of an hour.
        self.fragments.write(fragments, |_| None, rows::pieces).await?;
        self.pieces.write(pieces, |_| None, rows::pieces).await
    }

    /// Messages, fragments and other pieces.
    pub(crate) async fn finish(self) -> Result<(Vec<Object>, Vec<Object>, Vec<Object>), Fault> {
        let messages = self.messages.finish().await?;
        Ok((messages, self.fragments.finish().await?, self.pieces.finish().await?))
    }
}
