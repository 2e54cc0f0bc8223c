//! The captures read in the background, so that keys are answered at once.
//!
//! The one module beside `pipeline` with a thread: it only waits for `pipeline` and hands on what
//! that tells. Small files are told at their end, with the same findings as `analyze`; of large
//! ones and of pipes, calls are told while they are read.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::analysis::{CallSummary, Keep, Policy, Screen, TranscriptsOf};
use crate::capture::{self, Source};
use crate::limits::TRANSCRIPT_BYTES_PER_SHARD_MAX;
use crate::pipeline::{self, Error, Options};
use crate::tui::store::News;

/// Bytes of files that are read to their end before anything is told: less than a second.
const WHOLE_BYTES_MAX: u64 = 64 << 20;

/// News that wait for the screen before the reader waits for it.
const NEWS_MAX: usize = 4;

/// What is read, and how it is judged.
#[derive(Clone, Debug)]
pub struct Job {
    /// The captures as given.
    pub paths: Vec<PathBuf>,
    /// What a run does.
    pub options: Options,
    /// What the user has decided on findings.
    pub policy: Policy,
    /// Bytes of all files; none where that is not known before they are read.
    pub bytes: Option<u64>,
}

/// The reading under way.
#[derive(Debug)]
pub struct Reader {
    job: Job,
    can_read_again: bool,
    sender: SyncSender<News>,
    news: Receiver<News>,
    read: Arc<AtomicU64>,
}

impl Reader {
    /// Begins to read.
    ///
    /// # Errors
    ///
    /// When the machine gives no thread.
    pub fn start(job: Job, sources: Vec<Source>) -> std::io::Result<Self> {
        let (sender, news) = sync_channel(NEWS_MAX);
        let can_read_again = sources.iter().all(|source| source.reopened().is_some());
        let reader = Self { job, can_read_again, sender, news, read: Arc::default() };
        let (job, sender) = (reader.job.clone(), reader.sender.clone());
        let read = Arc::clone(&reader.read);
        thread::Builder::new()
            .name("siptrace-reader".to_owned())
            .spawn(move || read_all(&job, sources, &sender, &read))?;
        Ok(reader)
    }

    /// What was told since the last time, if anything.
    pub fn news(&self) -> Option<News> {
        self.news.try_recv().ok()
    }

    /// How many bytes have been read.
    pub fn bytes(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Reads the messages of these calls again; so many of each are known to be there.
    pub fn load(&self, calls: BTreeMap<String, u64>) {
        let (job, sender) = (self.job.clone(), self.sender.clone());
        if !self.can_read_again {
            // Whoever asked is told by the next look at the news; a full channel tells more.
            let _ = sender.try_send(News::NotLoaded);
            return;
        }
        let run = move || {
            let found = read_again(&job, &calls);
            let news = if found.is_empty() { News::NotLoaded } else { News::Loaded(found) };
            // Nobody waits any more when the program ends.
            let _ = sender.send(news);
        };
        let started = thread::Builder::new().name("siptrace-again".to_owned()).spawn(run);
        if started.is_err() {
            let _ = self.sender.try_send(News::NotLoaded);
        }
    }
}

fn read_all(job: &Job, sources: Vec<Source>, sender: &SyncSender<News>, read: &AtomicU64) {
    let reached = |bytes| read.store(bytes, Ordering::Relaxed);
    let paths: Vec<PathBuf> = sources.iter().map(|source| source.describe().path).collect();
    let mut screen = Screen::new(&job.policy, paths, None);
    let is_small = job.bytes.is_some_and(|bytes| bytes <= WHOLE_BYTES_MAX);
    let done = match is_small {
        true => pipeline::run(sources, &job.options, &reached),
        false => pipeline::follow(sources, &job.options, &reached, &mut |mut batch| {
            screen.batch(&mut batch);
            match sender.send(News::Batch(batch)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        }),
    };
    let news = match done {
        Ok(mut analysis) => {
            screen.finish(&mut analysis);
            News::Done(Box::new(analysis))
        }
        Err(error) => News::Failed(told(&error)),
    };
    // Nobody waits any more when the program ends.
    let _ = sender.send(news);
}

/// The error with its causes in a line.
fn told(error: &Error) -> String {
    let mut line = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        line.push_str(&format!(": {error}"));
        cause = error.source();
    }
    line
}

/// Reads until the messages of the calls are all there.
fn read_again(job: &Job, calls: &BTreeMap<String, u64>) -> Vec<CallSummary> {
    let Ok(sources) = capture::open(&job.paths) else { return Vec::new() };
    let chosen = Arc::new(calls.keys().cloned().collect());
    let mut options = job.options.clone();
    options.profile.rules.clear();
    options.keep = Keep {
        calls: options.keep.calls,
        transcripts: TRANSCRIPT_BYTES_PER_SHARD_MAX,
        transcripts_of: TranscriptsOf::Chosen(chosen),
        ..Keep::default()
    };
    let mut found: BTreeMap<String, CallSummary> = BTreeMap::new();
    let mut take = |fresh: Vec<CallSummary>| {
        for call in fresh.into_iter().filter(|call| calls.contains_key(&call.call_id)) {
            match found.get_mut(&call.call_id) {
                Some(known) => known.go_on_with(call),
                None => {
                    found.insert(call.call_id.clone(), call);
                }
            }
        }
        let is_whole = |(call_id, messages): (&String, &u64)| {
            found.get(call_id).is_some_and(|call| call.messages >= *messages)
        };
        calls.iter().all(is_whole)
    };
    let done = pipeline::follow(sources, &options, &|_| (), &mut |batch| match take(batch.calls) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    });
    if let Ok(analysis) = done {
        take(analysis.calls);
    }
    found.into_values().collect()
}
