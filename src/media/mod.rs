//! RTP as far as the calls need it: who sent media where, and when.
//!
//! A stream is known by its addresses and SSRC (RFC 3550, section 8). Of its packets only the
//! spells of activity are kept, so a stream costs the same for a second and for an hour. Knows
//! nothing of rules.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::limits::{RTP_SPELLS_MAX, RTP_STREAMS_MAX};
use crate::packet::Endpoint;
use crate::time::{Span, Time};

mod gaps;
mod pair;

use gaps::Gaps;

pub use pair::MediaPair;

/// A pause that ends a spell of activity.
const PAUSE: Span = Span::from_millis(500);

/// An RTP packet, reduced to what a stream needs.
#[derive(Clone, Copy, Debug)]
pub struct RtpPacket {
    /// The sender.
    pub source: Endpoint,
    /// The receiver.
    pub destination: Endpoint,
    /// The synchronization source.
    pub ssrc: u32,
    /// Its number in the stream.
    pub sequence: u16,
    /// When it was captured.
    pub time: Time,
}

/// The packets of one synchronization source on one way.
#[derive(Clone, Debug)]
pub struct Stream {
    /// The sender.
    pub source: Endpoint,
    /// The receiver.
    pub destination: Endpoint,
    /// The synchronization source.
    pub ssrc: u32,
    /// Packets seen.
    pub packets: u64,
    /// First and last time of each spell without a pause; bounded, the last one grows.
    pub spells: Vec<(Time, Time)>,
    /// The number that comes next.
    due: u16,
}

/// Every stream under way; one shard of it or the whole.
#[derive(Debug)]
pub struct Streams {
    streams: Vec<Stream>,
    by_key: HashMap<(Endpoint, Endpoint, u32), usize, foldhash::fast::RandomState>,
    by_endpoint: HashMap<Endpoint, Vec<usize>, foldhash::fast::RandomState>,
    streams_max: usize,
    evicted: u64,
    gaps: Gaps,
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
            gaps: Gaps::default(),
        }
    }

    /// Takes the next packet in order of capture.
    pub fn push(&mut self, packet: RtpPacket) {
        let key = (packet.source, packet.destination, packet.ssrc);
        if let Some(stream) = self.by_key.get(&key).and_then(|i| self.streams.get_mut(*i)) {
            if gaps::is_gap(packet.sequence, stream.due) {
                self.gaps.add(packet.time);
            }
            stream.push(packet.time, packet.sequence);
            return;
        }
        if self.streams.len() >= self.streams_max {
            self.make_room();
        }
        let index = self.streams.len();
        self.by_key.insert(key, index);
        self.by_endpoint.entry(packet.source).or_default().push(index);
        self.by_endpoint.entry(packet.destination).or_default().push(index);
        self.streams.push(Stream {
            source: packet.source,
            destination: packet.destination,
            ssrc: packet.ssrc,
            packets: 1,
            spells: vec![(packet.time, packet.time)],
            due: packet.sequence.wrapping_add(1),
        });
    }

    /// The streams that come from or go to the endpoint.
    pub fn at(&self, endpoint: Endpoint) -> impl Iterator<Item = &Stream> {
        let indexes = self.by_endpoint.get(&endpoint).map(Vec::as_slice).unwrap_or_default();
        indexes.iter().filter_map(|index| self.streams.get(*index))
    }

    /// The hosts that sent media, some more than once.
    pub fn hosts(&self) -> impl Iterator<Item = IpAddr> {
        self.streams.iter().map(|stream| stream.source.address)
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
        self.streams.retain(|stream| stream.last() > limit);
        self.evicted += (before - self.streams.len()) as u64;
        self.by_key.clear();
        self.by_endpoint.clear();
        for (index, stream) in self.streams.iter().enumerate() {
            self.by_key.insert((stream.source, stream.destination, stream.ssrc), index);
            self.by_endpoint.entry(stream.source).or_default().push(index);
            self.by_endpoint.entry(stream.destination).or_default().push(index);
        }
    }
}

impl Stream {
    /// A packet of it was seen between the two moments.
    pub fn is_active(&self, from: Time, to: Time) -> bool {
        self.spells.iter().any(|(first, last)| *first <= to && *last >= from)
    }

    /// How long it was active between the two moments; `None` if it was not at all.
    pub fn active_for(&self, from: Time, to: Time) -> Option<Span> {
        let active = self.spells.iter().filter(|(first, last)| *first <= to && *last >= from);
        let spans = active.map(|(first, last)| (*last).min(to).since((*first).max(from)));
        spans.reduce(|sum, span| sum + span)
    }

    /// When it was last active between the two moments; `None` if it was not at all.
    pub fn last_between(&self, from: Time, to: Time) -> Option<Time> {
        let active = self.spells.iter().filter(|(first, last)| *first <= to && *last >= from);
        active.map(|(_, last)| (*last).min(to)).max()
    }

    /// The time of the last packet.
    pub fn last(&self) -> Time {
        self.spells.last().map(|(_, last)| *last).unwrap_or_default()
    }

    fn push(&mut self, time: Time, sequence: u16) {
        self.packets += 1;
        // One that comes late is not what the next one follows.
        if sequence.wrapping_sub(self.due) < 0x8000 {
            self.due = sequence.wrapping_add(1);
        }
        let spells = self.spells.len();
        match self.spells.last_mut() {
            Some((_, last)) if time.since(*last) <= PAUSE || spells >= RTP_SPELLS_MAX => {
                *last = time.max(*last);
            }
            _ => self.spells.push((time, time)),
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

    /// The streams that come from or go to the endpoint.
    pub fn at(self, endpoint: Endpoint) -> impl Iterator<Item = &'s Stream> {
        self.shards.iter().flat_map(move |shard| shard.at(endpoint))
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
    use super::*;

    fn endpoint(port: u16) -> Endpoint {
        Endpoint { address: [192, 0, 2, 1].into(), port }
    }

    fn packet(port: u16, millis: i64) -> RtpPacket {
        RtpPacket {
            source: endpoint(port),
            destination: endpoint(9),
            ssrc: 1,
            sequence: 0,
            time: Time::default() + Span::from_millis(millis),
        }
    }

    #[test]
    fn remembers_when_media_flowed() {
        let mut streams = Streams::with_share_of(1);
        for millis in [0, 20, 40, 2000, 2020] {
            streams.push(packet(1, millis));
        }
        let shards = [streams];
        let media = Media::new(&shards);
        let at = |millis| Time::default() + Span::from_millis(millis);
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
        for port in 0..100 {
            streams.push(packet(port, i64::from(port)));
        }
        assert!(streams.streams.len() <= 10);
        assert_eq!(streams.count(), 100);
        assert!(Media::new(&[streams]).is_visible(endpoint(99)));
    }
}
