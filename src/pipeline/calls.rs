//! The calls of one shard, from their first message to their result.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::analysis::{Keep, MessageCounts, Tally};
use crate::capture::FrameId;
use crate::limits::{CALL_IDS_MAX, OPEN_CALLS_MAX};
use crate::media::Media;
use crate::pipeline::SHARDS;
use crate::pipeline::decode::{self, Sighting};
use crate::rules::Profile;
use crate::signaling::{CallLog, Coverage, Pushed, Surroundings};
use crate::sip::Head;
use crate::time::Time;
use crate::transport::{self, Delivery, Network};

/// Open calls of a shard.
const OPEN_MAX: usize = OPEN_CALLS_MAX / SHARDS;

/// Distinct Call-IDs that a shard tells apart.
const KNOWN_MAX: usize = CALL_IDS_MAX / SHARDS;

/// What calls are judged by, besides themselves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grounds<'g> {
    pub(crate) media: Media<'g>,
    pub(crate) network: Network<'g>,
    pub(crate) profile: &'g Profile,
    pub(crate) coverage: &'g Coverage,
}

/// The calls of one shard.
#[derive(Debug)]
pub(crate) struct CallShard {
    open: HashMap<Box<[u8]>, Open, RandomState>,
    /// Digests of the Call-IDs that had a result, to count each once.
    judged: HashSet<u64, rustc_hash::FxBuildHasher>,
    digest: RandomState,
    counts: MessageCounts,
    tally: Tally,
}

#[derive(Debug)]
struct Open {
    log: CallLog,
    first: FrameId,
}

impl CallShard {
    pub(crate) fn new(keep: Keep) -> Self {
        Self {
            open: HashMap::default(),
            judged: HashSet::default(),
            digest: RandomState::default(),
            counts: MessageCounts::default(),
            tally: Tally::new(keep),
        }
    }

    /// Takes the next message in order of the frames.
    pub(crate) fn push(&mut self, sighting: &Sighting<'_>, grounds: Grounds<'_>) {
        let delivery = &sighting.delivery;
        let Some(head) = sighting.head() else { return };
        let Some(call_id) = head.call_id.filter(|call_id| !call_id.is_empty()) else {
            self.counts.add(&head, delivery.transport, delivery.destination.port);
            self.tally.add_without_call_id(1);
            if delivery.is_cut {
                self.tally.facts.saw_unplaced(delivery);
            } else {
                let start = decode::beginning(&delivery.bytes);
                self.tally.facts.unparsed.add(delivery.frame, delivery.time, start);
            }
            return;
        };
        if let Some(open) = self.open.get_mut(call_id)
            && delivery.time <= open.log.closes_at()
        {
            let pushed = open.log.push(delivery, &head);
            let is_new_way = !open.log.has_way_of_last();
            self.count(delivery, &head, call_id, pushed, is_new_way);
            return;
        }
        if let Some((call_id, open)) = self.open.remove_entry(call_id) {
            let until = open.log.closes_at();
            self.judge(&call_id, &open.log, until, grounds);
        }
        self.make_room(grounds);
        let mut log = CallLog::new(delivery.time);
        let pushed = log.push(delivery, &head);
        self.open.insert(call_id.into(), Open { log, first: delivery.frame });
        self.count(delivery, &head, call_id, pushed, true);
    }

    fn count(
        &mut self,
        delivery: &Delivery<'_>,
        head: &Head<'_>,
        call_id: &[u8],
        pushed: Pushed,
        is_new_way: bool,
    ) {
        match pushed {
            Pushed::Copy => {
                self.tally.facts.copies.add(delivery.frame, delivery.time, call_id);
                return;
            }
            Pushed::Shared => {
                self.tally.facts.shared += 1;
                return;
            }
            Pushed::Dropped => self.tally.drop("messages-per-call", 1),
            Pushed::Kept => {}
        }
        if is_new_way || pushed == Pushed::Dropped {
            let (source, destination) = (delivery.source.address, delivery.destination.address);
            self.tally.facts.saw_sip(source, destination);
        }
        // What is too long for us is whole in the capture.
        let is_too_long =
            || delivery.transport.is_reliable() && transport::is_too_long(&delivery.bytes);
        if delivery.is_cut && !is_too_long() {
            self.tally.facts.cut.add(delivery.frame, delivery.time, call_id);
        }
        self.counts.add(head, delivery.transport, delivery.destination.port);
    }

    /// Judges the calls that were over before the moment that the captures were read to.
    pub(crate) fn close(&mut self, reached: Time, grounds: Grounds<'_>) {
        let mut over: Vec<_> =
            self.open.extract_if(|_, open| open.log.closes_at() < reached).collect();
        in_order(&mut over);
        for (call_id, open) in over {
            let until = open.log.closes_at();
            self.judge(&call_id, &open.log, until, grounds);
        }
    }

    /// Judges all that is left at the end of the captures.
    pub(crate) fn finish(&mut self, last: Time, grounds: Grounds<'_>) {
        let mut left: Vec<_> = self.open.drain().collect();
        in_order(&mut left);
        for (call_id, open) in left {
            let until = last.min(open.log.closes_at());
            self.judge(&call_id, &open.log, until, grounds);
        }
    }

    /// What it has gathered so far.
    pub(crate) fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    pub(crate) fn into_tally(mut self) -> Tally {
        self.tally.add_messages(&self.counts);
        self.tally
    }

    fn judge(&mut self, call_id: &[u8], log: &CallLog, observed_until: Time, grounds: Grounds<'_>) {
        let is_first = if self.judged.len() < KNOWN_MAX {
            self.judged.insert(self.digest.hash_one(call_id))
        } else {
            self.tally.drop("call-ids", 1);
            false
        };
        self.tally.add_call_ids(u64::from(is_first));
        let Grounds { media, network, profile, coverage } = grounds;
        let surroundings =
            Surroundings { observed_until, coverage, settings: &profile.settings, network };
        self.tally.judge(log, surroundings, media, &profile.rules, !is_first);
    }

    /// Judges the tenth of the open calls that were silent longest, when there are too many.
    fn make_room(&mut self, grounds: Grounds<'_>) {
        if self.open.len() < OPEN_MAX {
            return;
        }
        let mut ages: Vec<_> =
            self.open.values().map(|open| (open.log.last(), open.first)).collect();
        let leave = (ages.len() / 10).max(1);
        let (_, limit, _) = ages.select_nth_unstable(leave.saturating_sub(1));
        let limit = *limit;
        let mut over: Vec<_> =
            self.open.extract_if(|_, open| (open.log.last(), open.first) <= limit).collect();
        in_order(&mut over);
        self.tally.drop("open-calls", over.len() as u64);
        for (call_id, open) in over {
            let until = open.log.last();
            self.judge(&call_id, &open.log, until, grounds);
        }
    }
}

/// Sorts calls by their beginning. Several may begin in one frame of a stream.
fn in_order(calls: &mut [(Box<[u8]>, Open)]) {
    calls.sort_unstable_by(|(one, a), (other, b)| (a.first, one).cmp(&(b.first, other)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_begin_in_one_frame_have_an_order() {
        let open = |call_id: &[u8], number| {
            let first = FrameId { capture: 0, number };
            (call_id.into(), Open { log: CallLog::new(Time::default()), first })
        };
        let mut calls = vec![open(b"c", 7), open(b"a", 9), open(b"b", 7)];
        in_order(&mut calls);
        let call_ids: Vec<_> = calls.iter().map(|(call_id, _)| &**call_id).collect();
        assert_eq!(call_ids, [b"b", b"c", b"a"]);
    }
}
