//! Judges calls, one after another, and writes what became of them.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use siptrace::CallSummary;
use siptrace::pipeline::parts::{Grounds, Judge};
use tokio::runtime::Handle;

use crate::fault::Fault;
use crate::manifest::Object;
use crate::rows;
use crate::steps::{Feed, line, odd, slot};
use crate::store::{Place, random_name};
use crate::tables::{CALLS, STREAMS, TRANSACTIONS};
use crate::writer::Writer;

/// Grounds that are kept; more than one only while one run ends and another begins.
const GROUNDS_MAX: usize = 2;

/// What a judge made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Judgement {
    /// The object with what it found besides rows.
    pub(crate) found: String,
    /// The objects of the tables.
    pub(crate) calls: Vec<Object>,
    /// The same.
    pub(crate) transactions: Vec<Object>,
    /// The same.
    pub(crate) streams: Vec<Object>,
}

/// Judges the messages of the feed.
///
/// # Errors
///
/// When they cannot be read, or the store fails.
pub(crate) fn run(
    place: &Place,
    grounds: &str,
    handle: &Handle,
    feed: &mut Feed,
) -> Result<Vec<String>, Fault> {
    // A partition without a message has no judge.
    let Some(first) = feed.next()? else { return Ok(Vec::new()) };
    let grounds = grounds_of(place, grounds, handle)?;
    let mut judge = Judge::new(&grounds);
    let mut out = Out::new(place);
    let mut next = Some(first);
    while let Some(batch) = next {
        let slot = slot();
        for message in rows::read_messages(&batch).map_err(|error| odd(&error))? {
            judge.push(&message);
        }
        handle.block_on(out.write(&judge.take_calls()))?;
        drop(slot);
        next = feed.next()?;
    }
    let slot = slot();
    let mut judged = judge.finish();
    handle.block_on(out.write(&judged.take_calls()))?;
    let name = format!("judged/{}.bin", random_name());
    let made = handle.block_on(async {
        place.write(&name, judged.to_bytes()).await?;
        out.finish(name).await
    })?;
    drop(slot);
    Ok(vec![line(&made)?])
}

type Known = HashMap<String, Arc<Grounds>>;

/// The grounds that this process has, by lake and object.
fn known() -> MutexGuard<'static, Known> {
    static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The grounds in that object, which all judges of a process share.
fn grounds_of(place: &Place, name: &str, handle: &Handle) -> Result<Arc<Grounds>, Fault> {
    let key = format!("{} {name}", place.url());
    // Held while they are read: the others wait for the same.
    let mut known = known();
    if let Some(grounds) = known.get(&key) {
        return Ok(Arc::clone(grounds));
    }
    let grounds = Arc::new(Grounds::from_bytes(&handle.block_on(place.read(name))?)?);
    if known.len() >= GROUNDS_MAX {
        known.clear();
    }
    known.insert(key, Arc::clone(&grounds));
    Ok(grounds)
}

/// Lets go of all grounds.
pub(crate) fn forget() {
    known().clear();
}

/// Where calls go, with what belongs to them.
struct Out {
    calls: Writer,
    transactions: Writer,
    streams: Writer,
}

impl Out {
    fn new(place: &Place) -> Self {
        Self {
            calls: Writer::new(place.clone(), &CALLS, ""),
            transactions: Writer::new(place.clone(), &TRANSACTIONS, ""),
            streams: Writer::new(place.clone(), &STREAMS, "calls-"),
        }
    }

    async fn write(&mut self, calls: &[CallSummary]) -> Result<(), Fault> {
        self.calls.write(calls, |own| Some(own.start), rows::calls).await?;
        let hops = calls.iter().flat_map(|own| own.transactions.iter().map(move |hop| (own, hop)));
        // With their call, whatever its length: one folder has all of it.
        self.transactions.write(hops, |(own, _)| Some(own.start), rows::transactions).await?;
        let streams = calls.iter().flat_map(|own| {
            own.streams.iter().map(move |stream| (Some(own.call_id.as_str()), stream))
        });
        self.streams.write(streams, |(_, own)| Some(own.first.time), rows::streams).await
    }

    async fn finish(self, found: String) -> Result<Judgement, Fault> {
        Ok(Judgement {
            found,
            calls: self.calls.finish().await?,
            transactions: self.transactions.finish().await?,
            streams: self.streams.finish().await?,
        })
    }
}
