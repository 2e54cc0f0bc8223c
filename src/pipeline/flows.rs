//! The streams of one shard: from segments and chunks to SIP messages.

use foldhash::fast::FixedState;

use crate::pipeline::SHARDS;
use crate::pipeline::decode::{Decoded, Decoder, Sighting};
use crate::time::Time;
use crate::transport::{Associations, Delivery, KeyLog, Streams};

/// Messages by the shard of their Call-ID, each in the order in which they came.
pub(crate) type PerShard = [Vec<Sighting<'static>>; SHARDS];

/// The TCP and SCTP flows of one shard.
#[derive(Debug)]
pub(crate) struct Flows {
    pub(crate) tcp: Streams,
    pub(crate) sctp: Associations,
    hash: FixedState,
}

impl Flows {
    pub(crate) fn new(hash: FixedState) -> Self {
        Self {
            tcp: Streams::with_share_of(SHARDS),
            sctp: Associations::with_share_of(SHARDS),
            hash,
        }
    }

    /// The messages that the segments and chunks of a round complete. Those of `whole` packets come
    /// in between, by frame.
    pub(crate) fn push(
        &mut self,
        shard: usize,
        decoder: Decoder<'_>,
        parts: &[Decoded<'_>],
        whole: &Decoded<'_>,
        keys: &KeyLog,
    ) -> PerShard {
        let hash = &self.hash;
        let mut messages = PerShard::default();
        let all = || parts.iter().chain([whole]);
        let is_mixed = whole.tcp.get(shard).is_some_and(|late| !late.is_empty());
        let segments = all().filter_map(|part| part.tcp.get(shard));
        for (order, arrival) in decoder.in_order(segments, is_mixed) {
            self.tcp.push(arrival, keys, &mut |delivery: Delivery<'_>| {
                sort(&mut messages, Sighting::owned(delivery, *order, hash));
            });
        }
        let packets = all().filter_map(|part| part.sctp.get(shard));
        for (order, packet) in decoder.in_order(packets, true) {
            self.sctp.push(packet, &mut |delivery: Delivery<'_>| {
                sort(&mut messages, Sighting::owned(delivery, *order, hash));
            });
        }
        messages
    }

    /// The messages behind gaps that are too old when the captures have been read to `reached`.
    pub(crate) fn expire(&mut self, reached: Time, keys: &KeyLog) -> PerShard {
        let hash = &self.hash;
        let mut messages = PerShard::default();
        self.tcp.expire(reached, keys, &mut |delivery| sort(&mut messages, late(delivery, hash)));
        messages
    }

    /// What can be had of the messages that are still open at the end.
    pub(crate) fn finish(&mut self, keys: &KeyLog) -> PerShard {
        let hash = &self.hash;
        let mut messages = PerShard::default();
        self.tcp.finish(keys, &mut |delivery| sort(&mut messages, late(delivery, hash)));
        self.sctp.finish();
        messages
    }
}

/// A message that comes after its time.
fn late(delivery: Delivery<'_>, hash: &FixedState) -> Sighting<'static> {
    let order = (delivery.time, delivery.frame);
    Sighting::owned(delivery, order, hash)
}

fn sort(messages: &mut PerShard, sighting: Sighting<'static>) {
    if let Some(own) = messages.get_mut(sighting.shard) {
        own.push(sighting);
    }
}
