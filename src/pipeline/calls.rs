//! The calls of one shard, from their first message to their result.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::analysis::{Case, Keep, MessageCounts, Tally};
use crate::capture::FrameId;
use crate::limits::{CALL_IDS_MAX, OPEN_BYTES_MAX, OPEN_CALLS_MAX};
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

/// Bytes of memory that the open calls of a shard take.
const HELD_MAX: usize = OPEN_BYTES_MAX / SHARDS;

/// Calls that are judged before the memory that they took is given back.
const JUDGED_AT_ONCE: usize = 32;

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
    /// Open calls, at most.
    open_max: usize,
    /// Messages since the calls that are over were looked for.
    news: usize,
    /// Bytes of memory that the open calls take, and may take.
    held: usize,
    held_max: usize,
    /// Digests of the Call-IDs that had a result, to count each once.
    judged: HashSet<u64, rustc_hash::FxBuildHasher>,
    /// Call-IDs told apart, at most.
    known_max: usize,
    digest: RandomState,
    counts: MessageCounts,
    tally: Tally,
}

#[derive(Debug)]
struct Open {
    log: CallLog,
    first: FrameId,
}

impl Open {
    /// Bytes of memory that it takes, about.
    fn room(&self) -> usize {
        self.log.room() + 2 * size_of::<Self>()
    }
}

impl CallShard {
    pub(crate) fn new(keep: Keep) -> Self {
        Self {
            open: HashMap::default(),
            open_max: OPEN_MAX,
            news: 0,
            held: 0,
            held_max: HELD_MAX,
            judged: HashSet::default(),
            known_max: KNOWN_MAX,
            digest: RandomState::default(),
            counts: MessageCounts::default(),
            tally: Tally::new(keep),
        }
    }

    /// Takes the next message in order of the frames.
    pub(crate) fn push(&mut self, sighting: &Sighting<'_>, grounds: Grounds<'_>) {
        let delivery = &sighting.delivery;
        let Some(head) = sighting.head() else { return };
        self.news += 1;
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
            let before = open.room();
            let pushed = open.log.push(delivery, &head);
            self.held += open.room() - before;
            let is_new_way = !open.log.has_way_of_last();
            self.count(delivery, &head, call_id, pushed, is_new_way);
            self.make_room(grounds);
            return;
        }
        if let Some(before) = self.open.remove_entry(call_id) {
            self.judge(vec![before], |open| open.log.closes_at(), grounds);
        }
        let mut log = CallLog::new(delivery.time);
        let pushed = log.push(delivery, &head);
        let open = Open { log, first: delivery.frame };
        self.held += open.room();
        self.open.insert(call_id.into(), open);
        self.count(delivery, &head, call_id, pushed, true);
        self.make_room(grounds);
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

    /// Messages since the calls that are over were looked for, and calls that would have to be
    /// looked at for that.
    pub(crate) fn backlog(&self) -> (usize, usize) {
        (self.news, self.open.len())
    }

    /// Judges the calls that were over before the moment that the captures were read to.
    pub(crate) fn close(&mut self, reached: Time, grounds: Grounds<'_>) {
        self.news = 0;
        let mut over: Vec<_> =
            self.open.extract_if(|_, open| open.log.closes_at() < reached).collect();
        in_order(&mut over);
        self.judge(over, |open| open.log.closes_at(), grounds);
    }

    /// Judges all that is left at the end of the captures.
    pub(crate) fn finish(&mut self, last: Time, grounds: Grounds<'_>) {
        let mut left: Vec<_> = self.open.drain().collect();
        in_order(&mut left);
        self.judge(left, |open| last.min(open.log.closes_at()), grounds);
    }

    /// No Call-ID that it has had so far comes again.
    #[cfg(feature = "parts")]
    pub(crate) fn forget(&mut self) {
        self.judged.clear();
    }

    /// What it has gathered so far.
    pub(crate) fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    pub(crate) fn into_tally(mut self) -> Tally {
        self.tally.add_messages(&self.counts);
        self.tally
    }

    /// Judges calls that are no longer among the open ones, each as far as it was observed.
    fn judge(
        &mut self,
        over: Vec<(Box<[u8]>, Open)>,
        observed_until: impl Fn(&Open) -> Time,
        grounds: Grounds<'_>,
    ) {
        let mut over = over.into_iter().peekable();
        // What was judged is given back before the next ones need room for their results.
        while over.peek().is_some() {
            let some: Vec<_> = over.by_ref().take(JUDGED_AT_ONCE).collect();
            self.judge_some(&some, &observed_until, grounds);
        }
    }

    fn judge_some(
        &mut self,
        over: &[(Box<[u8]>, Open)],
        observed_until: impl Fn(&Open) -> Time,
        grounds: Grounds<'_>,
    ) {
        let Grounds { media, network, profile, coverage } = grounds;
        let settings = &profile.settings;
        let cases: Vec<_> = over
            .iter()
            .map(|(call_id, open)| {
                self.held = self.held.saturating_sub(open.room());
                let observed_until = observed_until(open);
                let surroundings = Surroundings { observed_until, coverage, settings, network };
                let is_continuation = !self.is_first(call_id);
                Case { log: &open.log, surroundings, is_continuation }
            })
            .collect();
        self.tally.judge_all(cases, media, &profile.rules);
    }

    /// The Call-ID has no result yet; from now on it has.
    fn is_first(&mut self, call_id: &[u8]) -> bool {
        let digest = self.digest.hash_one(call_id);
        let is_first = if self.judged.len() < self.known_max {
            self.judged.insert(digest)
        } else {
            // One that is not known is mostly new; it must not look like one that was used before.
            let is_known = self.judged.contains(&digest);
            self.tally.drop("call-ids", (!is_known).into());
            !is_known
        };
        self.tally.add_call_ids(u64::from(is_first));
        is_first
    }

    /// Judges a tenth of the open calls, those that were silent longest, as long as there are too
    /// many or they take too much memory.
    fn make_room(&mut self, grounds: Grounds<'_>) {
        let is_full = |own: &Self| {
            own.open.len() > own.open_max || (own.held > own.held_max && own.open.len() > 1)
        };
        while is_full(self) {
            self.judge_silent(grounds);
        }
    }

    fn judge_silent(&mut self, grounds: Grounds<'_>) {
        let mut ages: Vec<_> =
            self.open.values().map(|open| (open.log.last(), open.first)).collect();
        let leave = (ages.len() / 10).max(1);
        let (_, limit, _) = ages.select_nth_unstable(leave.saturating_sub(1));
        let limit = *limit;
        let mut over: Vec<_> =
            self.open.extract_if(|_, open| (open.log.last(), open.first) <= limit).collect();
        in_order(&mut over);
        self.tally.drop("open-calls", over.len() as u64);
        self.judge(over, |open| open.log.last(), grounds);
    }
}

/// Sorts calls by their beginning. Several may begin in one frame of a stream.
fn in_order(calls: &mut [(Box<[u8]>, Open)]) {
    calls.sort_unstable_by(|(one, a), (other, b)| (a.first, one).cmp(&(b.first, other)));
}

#[cfg(test)]
mod tests {
    use foldhash::fast::FixedState;

    use super::*;
    use crate::packet::Endpoint;
    use crate::rules;
    use crate::time::Span;
    use crate::transport::{Disruptions, Transport};

    /// An INVITE of a call, so many seconds after the first one, with a body of so many bytes.
    fn invite(call: u32, second: i64, length: usize) -> Sighting<'static> {
        let text = format!(
            "INVITE sip:bob@example.net SIP/2.0\r\n\
             Via: SIP/2.0/UDP h;branch=z9hG4bK{call}-{second}\r\n\
             From: <sip:alice@example.net>;tag=1\r\nTo: <sip:bob@example.net>\r\n\
             Call-ID: {call}\r\nCSeq: {} INVITE\r\nContent-Length: {length}\r\n\r\n{}",
            second + 1,
            "x".repeat(length),
        );
        let endpoint = |last| Endpoint { address: [192, 0, 2, last].into(), port: 5060 };
        let (frame, time) = (FrameId { capture: 0, number: call.into() }, Time::default());
        let delivery = Delivery {
            frame,
            time: time + Span::from_secs(second),
            source: endpoint(1),
            destination: endpoint(2),
            transport: Transport::Udp,
            ip_id: 0,
            is_cut: false,
            is_fragmented: false,
            bytes: text.into_bytes().into(),
            place: None,
        };
        Sighting::owned(delivery, (time, frame), &FixedState::default())
    }

    /// What a shard with these bounds makes of messages: how many calls it has open in the end,
    /// the bytes that it counts for them, and the tally.
    fn shard(
        (open_max, held_max, known_max): (usize, usize, usize),
        messages: impl IntoIterator<Item = Sighting<'static>>,
    ) -> (usize, usize, Tally) {
        let keep = Keep { calls: 1000, findings: 1000, ..Keep::default() };
        let mut shard = CallShard { open_max, held_max, known_max, ..CallShard::new(keep) };
        let (disruptions, coverage) = (Disruptions::default(), Coverage::default());
        let profile = Profile { rules: rules::ALL.to_vec(), ..Profile::default() };
        let grounds = Grounds {
            media: Media::new(&[]),
            network: disruptions.network(),
            profile: &profile,
            coverage: &coverage,
        };
        for message in messages {
            shard.push(&message, grounds);
            assert!(shard.open.len() <= open_max);
            let room: usize = shard.open.values().map(Open::room).sum();
            assert_eq!(shard.held, room, "every byte is counted once");
        }
        let (open, held) = (shard.open.len(), shard.held);
        (open, held, shard.into_tally())
    }

    /// Findings say nothing of what came, or did not come, after calls were judged early.
    fn asserts_nothing(tally: Tally, profile: &Profile) {
        let analysis = Tally::finish(vec![tally], profile);
        let absences = analysis.findings.iter().filter(|finding| finding.asserts_absence);
        let names: Vec<_> = absences.map(|finding| finding.rule.name).collect();
        assert!(names.is_empty(), "{names:?}");
    }

    #[test]
    fn calls_are_judged_early_when_too_many_are_open() {
        let (open, _, tally) =
            shard((20, usize::MAX, 1000), (0..100).map(|call| invite(call, 0, 0)));
        assert!((18..=20).contains(&open), "{open}");
        assert_eq!(tally.dropped.get("open-calls"), Some(&(100 - open as u64)));
        asserts_nothing(tally, &Profile::default());
    }

    #[test]
    fn calls_are_judged_early_when_they_take_too_much_memory() {
        let messages = (0..50).flat_map(|second| {
            // One call goes on, and is not the one that gives way.
            [invite(1, second, 100), invite(100 + second as u32, second, 1000)]
        });
        let (open, held, tally) = shard((usize::MAX, 64 << 10, 1000), messages);
        assert!(open > 5 && held <= 64 << 10, "{open} {held}");
        assert_eq!(tally.dropped.get("open-calls"), Some(&(51 - open as u64)));
        asserts_nothing(tally, &Profile::default());
    }

    #[test]
    fn messages_are_counted_until_calls_are_looked_through() {
        let mut shard = CallShard::new(Keep::default());
        let (disruptions, coverage) = (Disruptions::default(), Coverage::default());
        let profile = Profile::default();
        let grounds = Grounds {
            media: Media::new(&[]),
            network: disruptions.network(),
            profile: &profile,
            coverage: &coverage,
        };
        let messages = [invite(1, 0, 0), invite(2, 0, 0), invite(2, 500, 0)];
        messages.iter().for_each(|message| shard.push(message, grounds));
        assert_eq!(shard.backlog(), (3, 2));
        shard.close(Time::default() + Span::from_secs(501), grounds);
        assert_eq!(shard.backlog(), (0, 1), "one of them goes on");
    }

    #[test]
    fn one_call_alone_stays_whatever_it_takes() {
        let messages = (0..50).map(|second| invite(1, second, 2000));
        let (open, held, tally) = shard((usize::MAX, 64 << 10, 1000), messages);
        assert!(open == 1 && held > 64 << 10 && tally.dropped.is_empty());
    }

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

    #[test]
    fn call_ids_beyond_the_bound_are_no_calls_that_were_there_before() {
        // Ten calls one after another, of which only three are remembered; one of these goes on.
        let calls = (0..10).chain([20]).map(|call| invite(call, 0, 0));
        let again = [invite(0, 5, 0), invite(21, 9, 0)];
        let (open, _, tally) = shard((1, usize::MAX, 3), calls.chain(again));
        assert_eq!(open, 1);
        assert_eq!(tally.dropped.get("call-ids"), Some(&8));
        assert_eq!(tally.facts.reused.count, 0, "nobody knows that they were used before");
        let profile = Profile { rules: rules::ALL.to_vec(), ..Profile::default() };
        let analysis = Tally::finish(vec![tally], &profile);
        assert_eq!((analysis.totals.call_ids, analysis.totals.calls), (11, 11));
        assert_eq!(analysis.dropped.get("call-ids"), Some(&8));
        assert!(analysis.findings.iter().all(|finding| finding.rule.name != "call-id-reused"));
    }
}
