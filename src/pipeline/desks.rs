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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::RtpFlow;
    use crate::packet::Endpoint;

    #[test]
    fn tables_of_numbers_that_have_grown_too_large_are_dropped() {
        let desks = Desks::default();
        let end = |port: u16| Endpoint { address: [192, 0, 2, 1].into(), port };
        let mut grown = desks.take();
        for ssrc in 0..=RTP_FLOWS_NAMED_MAX as u32 {
            grown.any(RtpFlow { source: end(1), destination: end(2), ssrc }, |_| 0);
        }
        let mut small = desks.take();
        small.any(RtpFlow { source: end(1), destination: end(2), ssrc: 7 }, |_| 0);
        desks.give_back(grown);
        desks.give_back(small);
        let columns = (0..3 * WINDOW_BLOCKS).map(|_| Columns::default());
        desks.clear(columns);
        let names = desks.names();
        assert_eq!(names.iter().map(FlowNames::count).collect::<Vec<_>>(), [1]);
        assert!(open(&desks.columns).len() <= WINDOW_BLOCKS);
    }
}
