//! Streams and calls in their shards: from the packets of a window to results.

use foldhash::fast::FixedState;
use rayon::prelude::*;

use crate::analysis::{Gathered, Keep, Tally};
use crate::media::{Media, Streams as RtpStreams};
use crate::pipeline::calls::{CallShard, Grounds};
use crate::pipeline::decode::{Decoded, Decoder, Order, Sighting};
use crate::pipeline::desks::Desks;
use crate::pipeline::flows::{Flows, PerShard};
use crate::pipeline::{Options, SHARDS};
use crate::rules::Profile;
use crate::signaling::Coverage;
use crate::time::Time;
use crate::transport::{Disruption, Disruptions, GAP_PATIENCE, KeyLog};

/// What was decoded of a window.
#[derive(Debug)]
pub(crate) struct Window<'w, 'b> {
    pub(crate) parts: &'w [Decoded<'b>],
    /// The packets that came in fragments.
    pub(crate) whole: &'w Decoded<'b>,
}

/// The tables of all shards.
#[derive(Debug)]
pub(crate) struct Shards<'o> {
    profile: &'o Profile,
    pub(crate) flows: Vec<Flows>,
    pub(crate) keys: KeyLog,
    pub(crate) rtp: Vec<RtpStreams>,
    pub(crate) calls: Vec<CallShard>,
    pub(crate) disruptions: Disruptions,
}

impl<'o> Shards<'o> {
    pub(crate) fn new(options: &'o Options, keep: &Keep, hash: &FixedState) -> Self {
        Self {
            profile: &options.profile,
            flows: (0..SHARDS).map(|_| Flows::new(hash.clone())).collect(),
            keys: options.keys.clone(),
            rtp: (0..SHARDS).map(|_| RtpStreams::with_share_of(SHARDS)).collect(),
            calls: (0..SHARDS).map(|_| CallShard::new(keep.clone())).collect(),
            disruptions: Disruptions::default(),
        }
    }

    /// Takes the packets of a window; `coverage` knows its frames.
    pub(crate) fn take(
        &mut self,
        Window { parts, whole }: Window<'_, '_>,
        decoder: Decoder<'_>,
        desks: &Desks,
        coverage: &Coverage,
    ) {
        let keys = &self.keys;
        let flows = self.flows.par_iter_mut().enumerate();
        let late: Vec<_> =
            flows.map(|(shard, flows)| flows.push(shard, decoder, parts, whole, keys)).collect();
        let columns = parts.iter().chain([whole]).map(|part| &part.disruptions);
        let errors = decoder.in_order(columns, !whole.disruptions.is_empty());
        take_disruptions(&mut self.disruptions, &errors, &mut self.flows);
        let names = desks.names();
        self.rtp.par_iter_mut().enumerate().for_each(|(shard, streams)| {
            decoder.media(streams, shard, parts, whole, &names);
        });
        drop(names);
        let decoded: Vec<_> = parts.iter().chain([whole]).collect();
        self.push(coverage, |shard| {
            let own = decoded.iter().filter_map(|part| part.sip.get(shard)).flatten();
            let streamed = late.iter().filter_map(|of| of.get(shard)).flatten();
            // Of a single capture already in order but for what was reassembled.
            own.chain(streamed).collect()
        });
    }

    /// Judges the calls that are over, and gives what they show of the capture as a whole.
    pub(crate) fn close(&mut self, reached: Time, coverage: &Coverage) -> Vec<Gathered> {
        let keys = &self.keys;
        let flows = self.flows.par_iter_mut();
        let late: Vec<_> = flows.map(|flows| flows.expire(reached, keys)).collect();
        self.push_late(&late, coverage);
        // What waits behind a gap is not older.
        let closed = reached - GAP_PATIENCE;
        let (calls, grounds) = self.court(coverage);
        calls.par_iter_mut().for_each(|calls| calls.close(closed, grounds));
        self.hand_over()
    }

    /// Takes what the streams still hold; nothing comes after it.
    pub(crate) fn drain(&mut self, coverage: &Coverage) {
        let keys = &self.keys;
        let flows = self.flows.par_iter_mut();
        let late: Vec<_> = flows.map(|flows| flows.finish(keys)).collect();
        self.push_late(&late, coverage);
    }

    /// Judges the calls that are open at the end, and gives what they show of the capture.
    pub(crate) fn finish(&mut self, last: Time, coverage: &Coverage) -> Vec<Gathered> {
        let (calls, grounds) = self.court(coverage);
        calls.par_iter_mut().for_each(|calls| calls.finish(last, grounds));
        self.hand_over()
    }

    /// So many messages came that looking at every open call costs little beside them.
    pub(crate) fn is_look_cheap(&self) -> bool {
        let backlogs = self.calls.iter().map(CallShard::backlog);
        let (news, open) = backlogs.fold((0, 0), |sum, own| (sum.0 + own.0, sum.1 + own.1));
        news >= open
    }

    /// What each shard of the calls has found so far.
    pub(crate) fn tallies(&mut self) -> Vec<&mut Tally> {
        self.calls.iter_mut().map(CallShard::tally).collect()
    }

    fn hand_over(&mut self) -> Vec<Gathered> {
        self.calls.iter_mut().map(|calls| calls.tally().hand_over()).collect()
    }

    /// Gives messages to the calls that come late, out of streams that were given up waiting for.
    fn push_late(&mut self, late: &[PerShard], coverage: &Coverage) {
        if late.iter().flatten().any(|own| !own.is_empty()) {
            self.push(coverage, |shard| {
                late.iter().filter_map(|of| of.get(shard)).flatten().collect()
            });
        }
    }

    /// Gives the calls of each shard its messages, in order of the frames.
    fn push<'s, 'b: 's>(
        &mut self,
        coverage: &Coverage,
        of_shard: impl Fn(usize) -> Vec<&'s Sighting<'b>> + Sync,
    ) {
        let (calls, grounds) = self.court(coverage);
        calls.par_iter_mut().enumerate().for_each(|(shard, calls)| {
            let mut sightings = of_shard(shard);
            sightings.sort_by_key(|sighting| sighting.order);
            for sighting in sightings {
                calls.push(sighting, grounds);
            }
        });
    }

    /// The calls, and what they are judged by.
    fn court<'s>(&'s mut self, coverage: &'s Coverage) -> (&'s mut [CallShard], Grounds<'s>) {
        let grounds = Grounds {
            media: Media::new(&self.rtp),
            network: self.disruptions.network(),
            profile: self.profile,
            coverage,
        };
        (&mut self.calls, grounds)
    }
}

/// Takes in what the network said of packets that did not arrive, in order of the frames.
fn take_disruptions(
    disruptions: &mut Disruptions,
    errors: &[&(Order, Disruption)],
    flows: &mut [Flows],
) {
    for (_, disruption) in errors {
        disruptions.push(disruption.clone());
    }
    for turn in flows.iter_mut().flat_map(|flows| flows.tcp.take_turns()) {
        disruptions.take(turn);
    }
}
