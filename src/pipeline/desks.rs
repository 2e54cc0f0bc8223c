//! What a thread needs to decode blocks, lent for a block at a time: the numbers of RTP flows, and
//! room for packets.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::limits::{RTP_FLOWS_NAMED_MAX, WINDOW_BLOCKS};
use crate::media::{Columns, FlowNames as Names};
use crate::pipeline::SHARDS;

/// The numbers of RTP flows.
pub(crate) type FlowNames = Names<SHARDS>;

/// Numbers and room that nobody uses at the moment. There are as many tables of numbers as threads.
#[derive(Debug, Default)]
pub(crate) struct Desks {
    names: Mutex<Vec<FlowNames>>,
    columns: Mutex<Vec<Columns<SHARDS>>>,
    made: Mutex<u64>,
}

impl Desks {
    /// A table of numbers, for one block.
    pub(crate) fn take(&self) -> FlowNames {
        open(&self.names).pop().unwrap_or_else(|| {
            let mut made = open(&self.made);
            *made += 1;
            FlowNames::new(*made)
        })
    }

    /// Room for the packets of a block.
    pub(crate) fn columns(&self, names: &FlowNames) -> Columns<SHARDS> {
        let mut columns = open(&self.columns).pop().unwrap_or_default();
        columns.clear(names);
        columns
    }

    /// Takes a table of numbers back.
    pub(crate) fn give_back(&self, names: FlowNames) {
        open(&self.names).push(names);
    }

    /// All tables of numbers, while no block is decoded.
    pub(crate) fn names(&self) -> MutexGuard<'_, Vec<FlowNames>> {
        open(&self.names)
    }

    /// Takes back the room of a window, and drops tables that have grown too large.
    pub(crate) fn clear(&self, columns: impl Iterator<Item = Columns<SHARDS>>) {
        open(&self.columns).extend(columns.take(WINDOW_BLOCKS));
        open(&self.names).retain(|names| names.count() <= RTP_FLOWS_NAMED_MAX);
    }
}

fn open<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
