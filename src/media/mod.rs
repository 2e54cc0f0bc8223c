//! RTP as far as the calls need it: who sent media where, when, and how well it came.
//!
//! A stream is known by its addresses and SSRC (RFC 3550, section 8). Of its packets only figures
//! are kept, so a stream costs the same for a second and for an hour. Knows nothing of rules.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::limits::RTP_STREAMS_MAX;
use crate::packet::Endpoint;
use crate::time::Time;

pub mod audio;
mod bound;
mod contact;
mod estimate;
mod event;
mod gaps;
mod jitter;
mod packet;
mod pair;
mod passage;
mod reports;
#[cfg(test)]
pub(crate) mod samples;
mod sequence;
mod silence;
mod stream;

use contact::Contacts;
use gaps::Gaps;

pub use bound::{Bound, Fit, Found};
pub use contact::{Beside, Checks, Contact, Handshake};
pub use estimate::Estimate;
pub use event::TelephoneEvent;
pub use jitter::Jitter;
pub use packet::{Column, Columns, FlowName, FlowNames, RtpFlow, RtpPacket};
pub use pair::MediaPair;
pub use passage::{CHANGE, Passage};
pub use reports::{Reception, Reported, RoundTrip, Rtcp, Sender};
pub use sequence::Sequence;
pub use silence::{SILENT_TALK, Silence, silence};
pub use stream::{Gap, Run, Seen, Stream, static_clock};

/// Every stream under way; one shard of it or the whole.
#[derive(Debug)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Streams {
    streams: Vec<Stream>,
    by_key: HashMap<RtpFlow, usize, foldhash::fast::RandomState>,
    by_endpoint: HashMap<Endpoint, Vec<usize>, foldhash::fast::RandomState>,
    streams_max: usize,
    evicted: u64,
    /// The streams of the flows that have a name, for each table of names.
    #[cfg_attr(feature = "parts", borsh(skip))]
    known: Vec<Known>,
    gaps: Gaps,
    contacts: Contacts,
    /// What was not kept of the streams that gave way.
    gone: Dropped,
}

/// What bounds dropped, besides whole streams and ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Dropped {
    /// Spells of activity of a stream that were not told apart.
    pub spells: u64,
    /// Runs of one payload type that were not told apart.
    pub runs: u64,
    /// What reads like telephone events and was not kept.
    pub events: u64,
    /// Gaps at moments that are not compared.
    pub gaps: u64,
    /// Reports of RTCP of and about sources that are not known.
    pub rtcp: u64,
}

impl Dropped {
    fn add(&mut self, stream: &Stream) {
        self.spells += stream.spells_dropped();
        self.runs += stream.runs_dropped();
        self.events += stream.events_dropped();
    }
}

/// The streams that the names of one table stand for.
#[derive(Debug)]
struct Known {
    names: u64,
    streams: Vec<u32>,
}

/// A name whose stream has to be looked up; no table has so many.
const UNKNOWN: u32 = u32::MAX;

/// A column on its way into the streams.
#[derive(Clone, Copy, Debug)]
pub struct Feed<'c> {
    packets: &'c [RtpPacket],
    /// What the flows of its packets are called.
    flows: &'c [RtpFlow],
    names: u64,
}

impl<'c> Feed<'c> {
    /// The packets of a shard; `names` are all tables that are in use.
    pub fn of<const SHARDS: usize>(
        columns: &'c Columns<SHARDS>,
        shard: usize,
        names: &'c [FlowNames<SHARDS>],
    ) -> Option<Self> {
        let column = columns.shard(shard).filter(|column| !column.packets.is_empty())?;
        let names = names.iter().find(|names| names.id == columns.names)?;
        let flows = names.flows.get(shard)?;
        Some(Self { packets: &column.packets, flows, names: names.id })
    }

    /// Packets in order of the frames whose flows are numbered by `flows`; `names` tells this
    /// numbering from others.
    #[cfg(feature = "parts")]
    pub(crate) fn new(packets: &'c [RtpPacket], flows: &'c [RtpFlow], names: u64) -> Self {
        Self { packets, flows, names }
    }

    /// What the flows of its packets are called.
    #[cfg(feature = "parts")]
    pub(crate) fn flows(&self) -> &'c [RtpFlow] {
        self.flows
    }

    /// The packets, in order of the frames.
    pub fn packets(&self) -> &'c [RtpPacket] {
        self.packets
    }
}

impl Streams {
    /// A table that follows at most its share of [`RTP_STREAMS_MAX`] when streams are spread over
    /// `shards` tables.
    pub fn with_share_of(shards: usize) -> Self {
        Self {
            streams: Vec::new(),
            by_key: HashMap::default(),
            by_endpoint: HashMap::default(),
            streams_max: (RTP_STREAMS_MAX / shards.max(1)).max(1),
            evicted: 0,
            known: Vec::new(),
            gaps: Gaps::default(),
            contacts: Contacts::with_share_of(shards),
            gone: Dropped::default(),
        }
    }

    /// Takes all packets of a column.
    pub fn take(&mut self, feed: Feed<'_>) {
        let mut known = self.known(feed);
        for packet in feed.packets() {
            self.follow(&mut known, feed, packet);
        }
        self.remember(feed, known);
    }

    /// Takes packets of several feeds in this order.
    pub fn take_in_turn(&mut self, packets: &[(Feed<'_>, &RtpPacket)]) {
        for run in packets.chunk_by(|(one, _), (other, _)| one.names == other.names) {
            let Some((feed, _)) = run.first() else { continue };
            let mut known = self.known(*feed);
            for (_, packet) in run {
                self.follow(&mut known, *feed, packet);
            }
            self.remember(*feed, known);
        }
    }

    /// Forgets names that are not in use any more.
    #[cfg(feature = "parts")]
    pub(crate) fn forget(&mut self, names: u64) {
        self.known.retain(|known| known.names != names);
    }

    /// Forgets names that are not in use any more.
    pub fn forget_names<const SHARDS: usize>(&mut self, used: &[FlowNames<SHARDS>]) {
        self.known.retain(|known| used.iter().any(|names| names.id == known.names));
    }

    /// The streams that names stand for, with room for all of them.
    fn known(&mut self, feed: Feed<'_>) -> Vec<u32> {
        let known = self.known.iter_mut().find(|known| known.names == feed.names);
        let mut streams = known.map(|known| std::mem::take(&mut known.streams)).unwrap_or_default();
        streams.resize(feed.flows.len(), UNKNOWN);
        streams
    }

    fn remember(&mut self, feed: Feed<'_>, streams: Vec<u32>) {
        match self.known.iter_mut().find(|known| known.names == feed.names) {
            Some(known) => known.streams = streams,
            None => self.known.push(Known { names: feed.names, streams }),
        }
    }

    #[inline]
    fn follow(&mut self, known: &mut [u32], feed: Feed<'_>, packet: &RtpPacket) {
        let index = known.get(packet.flow() as usize).copied().unwrap_or(UNKNOWN);
        if let Some(stream) = self.streams.get_mut(index as usize)
            && !stream.is_over(packet)
        {
            if gaps::is_gap(packet.sequence, stream.due()) {
                self.gaps.add(packet.time);
            }
            stream.push(packet);
            return;
        }
        self.look_up(known, feed, packet);
    }

    /// Finds the stream of the packet in the table, or begins it.
    #[cold]
    fn look_up(&mut self, known: &mut [u32], feed: Feed<'_>, packet: &RtpPacket) {
        let Some(flow) = feed.flows.get(packet.flow() as usize).copied() else { return };
        let index = self.by_key.get(&flow).copied();
        let index = match index.and_then(|index| Some((index, self.streams.get_mut(index)?))) {
            Some((index, stream)) if !stream.is_over(packet) => {
                if gaps::is_gap(packet.sequence, stream.due()) {
                    self.gaps.add(packet.time);
                }
                stream.push(packet);
                index
            }
            _ => {
                if self.streams.len() >= self.streams_max {
                    self.make_room();
                    known.fill(UNKNOWN);
                }
                self.begin(flow, packet)
            }
        };
        if let Some(place) = known.get_mut(packet.flow() as usize) {
            *place = u32::try_from(index).unwrap_or(UNKNOWN);
        }
    }

    fn begin(&mut self, flow: RtpFlow, packet: &RtpPacket) -> usize {
        let index = self.streams.len();
        let before = self.by_key.insert(flow, index);
        if let Some(stream) = before.and_then(|before| self.streams.get_mut(before)) {
            stream.supersede();
        }
        self.by_endpoint.entry(flow.source).or_default().push(index);
        self.by_endpoint.entry(flow.destination).or_default().push(index);
        self.streams.push(Stream::new(flow, packet));
        index
    }

    /// Takes the next packet that goes with media and is none.
    pub fn push_beside(&mut self, packet: &Beside<'_>) {
        self.contacts.push(packet);
    }

    /// Ways that were not followed because there were too many.
    pub fn contacts_dropped(&self) -> u64 {
        self.contacts.dropped
    }

    /// What bounds dropped so far, besides whole streams and ways.
    pub fn dropped(&self) -> Dropped {
        let mut dropped = self.gone;
        self.streams.iter().for_each(|stream| dropped.add(stream));
        Dropped { gaps: self.gaps.dropped, rtcp: self.contacts.rtcp_dropped(), ..dropped }
    }

    /// The streams that come from or go to the endpoint.
    pub fn at(&self, endpoint: Endpoint) -> impl Iterator<Item = &Stream> {
        let indexes = self.by_endpoint.get(&endpoint).map(Vec::as_slice).unwrap_or_default();
        indexes.iter().filter_map(|index| self.streams.get(*index))
    }

    /// The hosts that sent media, to whom, and how many packets; some more than once.
    pub fn ways(&self) -> impl Iterator<Item = (IpAddr, IpAddr, u64)> {
        let way =
            |stream: &Stream| (stream.source.address, stream.destination.address, stream.packets());
        self.streams.iter().map(way)
    }

    /// Streams seen, those that gave way included.
    pub fn count(&self) -> u64 {
        self.streams.len() as u64 + self.evicted
    }

    /// Streams that gave way because there were too many.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Lets the tenth of the streams go that were silent longest.
    fn make_room(&mut self) {
        let mut ages: Vec<_> = self.streams.iter().map(Stream::last).collect();
        let leave = (ages.len() / 10).max(1);
        let (_, limit, _) = ages.select_nth_unstable(leave.saturating_sub(1));
        let limit = *limit;
        let before = self.streams.len();
        let gone = &mut self.gone;
        self.streams.retain(|stream| {
            let stays = stream.last() > limit;
            if !stays {
                gone.add(stream);
            }
            stays
        });
        self.evicted += (before - self.streams.len()) as u64;
        // Indexes changed.
        self.known.clear();
        self.by_key.clear();
        self.by_endpoint.clear();
        for (index, stream) in self.streams.iter().enumerate() {
            let Stream { source, destination, ssrc, .. } = *stream;
            self.by_key.insert(RtpFlow { source, destination, ssrc }, index);
            self.by_endpoint.entry(stream.source).or_default().push(index);
            self.by_endpoint.entry(stream.destination).or_default().push(index);
        }
    }
}

/// All shards of the streams, for looking up.
#[derive(Clone, Copy, Debug)]
pub struct Media<'s> {
    shards: &'s [Streams],
}

impl<'s> Media<'s> {
    /// Looks into these shards.
    pub fn new(shards: &'s [Streams]) -> Self {
        Self { shards }
    }

    /// No RTP at all is in the capture.
    pub fn is_empty(self) -> bool {
        self.shards.iter().all(|shard| shard.streams.is_empty())
    }

    /// RTCP, STUN or DTLS is in the capture.
    pub fn has_contacts(self) -> bool {
        self.shards.iter().any(|shard| !shard.contacts.is_empty())
    }

    /// All streams, in no order that means anything.
    pub fn streams(self) -> impl Iterator<Item = &'s Stream> {
        self.shards.iter().flat_map(|shard| &shard.streams)
    }

    /// The streams that come from or go to the endpoint.
    pub fn at(self, endpoint: Endpoint) -> impl Iterator<Item = &'s Stream> {
        self.shards.iter().flat_map(move |shard| shard.at(endpoint))
    }

    /// What RTCP, STUN and DTLS went to or came from the endpoint, each way by itself.
    pub fn contacts_at(self, endpoint: Endpoint) -> impl Iterator<Item = &'s Contact> {
        self.shards.iter().flat_map(move |shard| shard.contacts.at(endpoint))
    }

    /// RTP to or from the endpoint is in the capture at some time.
    pub fn is_visible(self, endpoint: Endpoint) -> bool {
        self.at(endpoint).next().is_some()
    }

    /// RTP came from the endpoint between the two moments.
    pub fn came_from(self, endpoint: Endpoint, from: Time, to: Time) -> bool {
        self.at(endpoint).any(|s| s.source == endpoint && s.is_active(from, to))
    }

    /// RTP reached the endpoint between the two moments.
    pub fn went_to(self, endpoint: Endpoint, from: Time, to: Time) -> bool {
        self.at(endpoint).any(|s| s.destination == endpoint && s.is_active(from, to))
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{Sample, at, endpoint, streams};
    use super::*;
    use crate::time::Span;

    #[test]
    fn remembers_when_media_flowed() {
        let times = [0, 20, 40, 2000, 2020];
        let shards = [streams(times.map(|millis| Sample { millis, ..Sample::default() }))];
        let media = Media::new(&shards);
        assert!(media.came_from(endpoint(1), at(30), at(1000)));
        assert!(!media.came_from(endpoint(1), at(500), at(1000)));
        assert!(media.went_to(endpoint(9), at(1990), at(3000)));
        assert!(media.is_visible(endpoint(9)) && !media.is_visible(endpoint(3)));
        let stream = media.at(endpoint(1)).next().expect("it was pushed");
        assert_eq!(stream.active_for(at(10), at(2010)), Some(Span::from_millis(40)));
        assert_eq!(stream.active_for(at(100), at(1000)), None);
        assert_eq!(stream.last_between(at(10), at(1000)), Some(at(40)));
        assert_eq!(stream.last_between(at(10), at(2010)), Some(at(2010)));
        assert_eq!(stream.last_between(at(100), at(1000)), None);
    }

    #[test]
    fn the_table_is_bounded_and_says_so() {
        let mut streams = Streams::with_share_of(RTP_STREAMS_MAX / 10);
        let sample = |port: u16| Sample { port, millis: i64::from(port), ..Sample::default() };
        samples::push(&mut streams, (0..100).map(sample));
        assert!(streams.streams.len() <= 10);
        assert_eq!(streams.count(), 100);
        assert!(Media::new(&[streams]).is_visible(endpoint(99)));
    }

    #[test]
    fn the_table_is_bounded_whatever_the_clock_does() {
        // Back, standing still, and to and fro between the ends of time.
        let clocks: [fn(i64) -> i64; 3] = [
            |port| -3_600_000 * port,
            |_| 7,
            |port| if port % 2 == 0 { 9_200_000_000_000 } else { -9_200_000_000_000 },
        ];
        for clock in clocks {
            let mut streams = Streams::with_share_of(RTP_STREAMS_MAX / 10);
            let sample =
                |port: u16| Sample { port, millis: clock(port.into()), ..Sample::default() };
            samples::push(&mut streams, (1..=100).map(sample));
            assert!(streams.streams.len() <= 10 && streams.by_key.len() <= 10);
            let ends: usize = streams.by_endpoint.values().map(Vec::len).sum();
            assert_eq!((streams.count(), ends), (100, 2 * streams.streams.len()));
            streams.forget_names::<1>(&[]);
            samples::push(&mut streams, [sample(200)]);
            assert!(Media::new(&[streams]).is_visible(endpoint(200)));
        }
    }

    #[test]
    fn a_stream_goes_on_when_numbers_are_given_anew() {
        let mut streams = streams((0..10).map(Sample::of_speech));
        streams.forget_names::<1>(&[]);
        samples::push(&mut streams, (10..20).map(Sample::of_speech));
        assert_eq!((streams.count(), streams.streams[0].packets()), (1, 20));
    }

    #[test]
    fn what_was_dropped_is_counted_of_streams_that_gave_way_as_well() {
        let mut streams = Streams::with_share_of(RTP_STREAMS_MAX / 10);
        let pauses = |port: u16| {
            let sample = move |number: u16| {
                let millis = i64::from(port) * 100_000 + i64::from(number) * 1000;
                Sample { port, millis, ..Sample::of_speech(number) }
            };
            (0..40).map(sample)
        };
        samples::push(&mut streams, (1..=30).flat_map(pauses));
        assert!(streams.evicted() > 0);
        let each = 40 - crate::limits::RTP_SPELLS_MAX as u64;
        assert_eq!(streams.dropped(), Dropped { spells: 30 * each, ..Dropped::default() });
    }
}
