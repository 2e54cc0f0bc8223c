//! What the steps do with their rows: the core behind channels and objects.
//!
//! Each runs on a thread that may block, takes batches until they end, and tells what it made. How
//! many of them compute at a time is bounded for the process.

use std::error::Error;
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};

use datafusion::arrow::array::RecordBatch;
use datafusion::error::{DataFusionError, Result as DfResult};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tokio::sync::mpsc::Receiver;
use tokio::sync::{Semaphore, SemaphorePermit};
use url::Url;

use crate::fault::{Fault, chain};
use crate::step::{Job, Spec};
use crate::store::Place;

pub(crate) mod follow;
pub(crate) mod judge;
pub(crate) mod scan;

/// Runs the step; gives a line of JSON for each thing that it made.
///
/// # Errors
///
/// When its rows end early, or it fails.
pub(crate) fn run(
    spec: &Spec,
    handle: &Handle,
    batches: Receiver<Option<RecordBatch>>,
) -> DfResult<Vec<String>> {
    let place = Url::parse(&spec.lake)
        .map_err(|error| DataFusionError::Execution(error.to_string()))
        .and_then(|url| Place::at(url).map_err(carried))?;
    let mut feed = Feed { batches, is_over: false };
    let made = match &spec.job {
        Job::Scan { options, threads } => scan::run(&place, options, *threads, handle, &mut feed),
        Job::Follow { keys, is_several } => {
            follow::run(&place, keys, *is_several, handle, &mut feed)
        }
        Job::Judge { grounds, .. } => judge::run(&place, grounds, handle, &mut feed),
    };
    made.map_err(carried)
}

/// The rows of a step.
pub(crate) struct Feed {
    /// The end is told; who goes away without telling it has given up.
    batches: Receiver<Option<RecordBatch>>,
    is_over: bool,
}

impl Feed {
    /// The next rows; nothing at their end.
    ///
    /// # Errors
    ///
    /// When whoever sends them gave up.
    pub(crate) fn next(&mut self) -> Result<Option<RecordBatch>, Fault> {
        while !self.is_over {
            match self.batches.blocking_recv() {
                Some(Some(batch)) if batch.num_rows() == 0 => {}
                Some(Some(batch)) => return Ok(Some(batch)),
                Some(None) => self.is_over = true,
                None => return Err(Fault::Job("the rows of a step ended early".to_owned())),
            }
        }
        Ok(None)
    }

    /// Nobody waits for what the step makes.
    pub(crate) fn is_given_up(&self) -> bool {
        self.batches.is_closed()
    }
}

/// An error on its way through DataFusion; the kinds that the client tells apart stay so.
fn carried(fault: Fault) -> DataFusionError {
    match &fault {
        Fault::Memory(text) => DataFusionError::ResourcesExhausted(text.clone()),
        _ => DataFusionError::Execution(chain(&fault)),
    }
}

/// What a library of tables says.
pub(crate) fn odd(error: &dyn Error) -> Fault {
    Fault::told(&chain(error))
}

/// A line that tells what was made.
pub(crate) fn line(made: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(made).map_err(|error| Fault::Job(error.to_string()))
}

/// What a line tells.
///
/// # Errors
///
/// When it comes from another version of the program.
pub(crate) fn read_line<T: DeserializeOwned>(line: &str) -> Result<T, Fault> {
    serde_json::from_str(line).map_err(|error| {
        Fault::Job(format!("a step ran in another version of siptrace-lake: {error}"))
    })
}

/// How many steps may compute at a time.
static SLOTS: Slots = Slots { free: Mutex::new(None), given_back: Condvar::new() };

struct Slots {
    /// None where nobody has set a bound.
    free: Mutex<Option<usize>>,
    given_back: Condvar,
}

/// Leave to compute, until it is dropped.
pub(crate) struct Slot(());

/// From now on so many steps of this process compute at a time.
pub(crate) fn bound(threads: usize) {
    *SLOTS.free.lock().unwrap_or_else(PoisonError::into_inner) = Some(threads.max(1));
    // Set once in a process; who asks again wants the same.
    let _ = TURNS.set(Semaphore::new(threads.max(1)));
}

/// Waits for leave to compute. Nobody may wait for rows while he has it.
pub(crate) fn slot() -> Slot {
    let free = SLOTS.free.lock().unwrap_or_else(PoisonError::into_inner);
    let mut free = SLOTS
        .given_back
        .wait_while(free, |free| *free == Some(0))
        .unwrap_or_else(PoisonError::into_inner);
    *free = free.map(|free| free.saturating_sub(1));
    Slot(())
}

/// How many steps may hold what they gather.
static TURNS: OnceLock<Semaphore> = OnceLock::new();

/// Waits for leave to gather, for a step whose first rows are there: what comes before it is done
/// with all rows by then, so nobody waits for this step while this one waits.
pub(crate) async fn turn() -> Option<SemaphorePermit<'static>> {
    match TURNS.get() {
        // Never closed.
        Some(turns) => turns.acquire().await.ok(),
        None => None,
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut free = SLOTS.free.lock().unwrap_or_else(PoisonError::into_inner);
        *free = free.map(|free| free.saturating_add(1));
        SLOTS.given_back.notify_one();
    }
}
