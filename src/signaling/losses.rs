//! What the capture lacks although it went over the wire (guard G5).

use std::net::IpAddr;

use crate::capture::FrameId;
use crate::limits::LOSSES_MAX;
use crate::packet::Endpoint;
use crate::time::Time;

/// A place where the capture lacks something.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Loss {
    /// What is missing.
    pub kind: LossKind,
    /// Who sent it.
    pub source: Endpoint,
    /// Who was to receive it.
    pub destination: Endpoint,
    /// The Call-ID of the message, where its beginning is there; else empty.
    pub call_id: Box<[u8]>,
    /// The method of the message, or the start line of a response, as far as known.
    pub method: Box<[u8]>,
    /// The frame that shows it.
    pub frame: FrameId,
    /// When that was captured.
    pub time: Time,
}

/// What is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub enum LossKind {
    /// Bytes of a SIP stream that were acknowledged.
    Segment,
    /// IP fragments of a datagram that begins like SIP.
    Fragment,
    /// IP fragments of a datagram whose beginning is missing, too.
    FragmentOfAny,
}

/// What the capture lacks, the first places one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Losses {
    /// Holes in SIP streams.
    pub holes: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Moments in which nearly all RTP streams lack packets.
    pub moments: Vec<Time>,
    /// Places, in order of time.
    listed: Vec<Loss>,
    /// Places that are not among them.
    unlisted: u64,
    /// When the first of these was, and what it was.
    unlisted_from: Option<(Time, LossKind)>,
}

impl Losses {
    /// Adds a place.
    pub fn add(&mut self, loss: Loss) {
        let key = |loss: &Loss| (loss.time, loss.frame);
        let place = self.listed.partition_point(|known| key(known) <= key(&loss));
        self.listed.insert(place, loss);
        if self.listed.len() > LOSSES_MAX
            && let Some(last) = self.listed.pop()
        {
            self.add_unlisted(1, Some((last.time, last.kind)));
        }
    }

    /// Counts places of which no more is known than that they are not before a moment.
    pub fn add_unlisted(&mut self, count: u64, from: Option<(Time, LossKind)>) {
        self.unlisted += count;
        let first = self.unlisted_from.into_iter().chain(from);
        self.unlisted_from = first.min_by_key(|(time, _)| *time);
    }

    /// Places that are counted and not known one by one.
    pub fn unlisted(&self) -> u64 {
        self.unlisted
    }

    /// Adds what another part of the run lacks.
    pub fn merge(&mut self, other: Self) {
        self.holes += other.holes;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.moments.extend(other.moments);
        self.add_unlisted(other.unlisted, other.unlisted_from);
        other.listed.into_iter().for_each(|loss| self.add(loss));
    }

    /// Every place that is known, in order of time.
    pub fn iter(&self) -> impl Iterator<Item = &Loss> {
        self.listed.iter()
    }

    /// What the capture lacks, or may lack, of what went between two hosts, in either direction,
    /// between two moments. Where there were too many places to know all of them, it may.
    pub fn between(&self, hosts: [IpAddr; 2], from: Time, until: Time) -> Option<LossKind> {
        let [one, other] = hosts;
        let start = self.listed.partition_point(|loss| loss.time < from);
        let later = self.listed.get(start..).unwrap_or_default();
        let known = later.iter().take_while(|loss| loss.time <= until).find(|loss| {
            let way = (loss.source.address, loss.destination.address);
            way == (one, other) || way == (other, one)
        });
        let unlisted = || self.unlisted_from.filter(|(first, _)| *first <= until);
        known.map(|loss| loss.kind).or_else(|| unlisted().map(|(_, kind)| kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(number: u64, host: u8) -> Loss {
        let endpoint = |last| Endpoint { address: [192, 0, 2, last].into(), port: 5060 };
        Loss {
            kind: LossKind::Segment,
            source: endpoint(host),
            destination: endpoint(99),
            call_id: Box::default(),
            method: Box::default(),
            frame: FrameId { capture: 0, number },
            time: Time::from_nanos(number as i64),
        }
    }

    fn lacks(losses: &Losses, from: i64, until: i64, host: u8) -> bool {
        let hosts = [[192, 0, 2, 99].into(), [192, 0, 2, host].into()];
        losses.between(hosts, Time::from_nanos(from), Time::from_nanos(until)).is_some()
    }

    #[test]
    fn finds_what_is_missing_between_two_hosts() {
        let mut losses = Losses::default();
        [loss(9, 1), loss(3, 2), loss(5, 1)].into_iter().for_each(|loss| losses.add(loss));
        let at = |from, until, host| lacks(&losses, from, until, host);
        assert_eq!((at(0, 100, 1), at(6, 100, 1)), (true, true));
        assert_eq!((at(6, 8, 1), at(0, 100, 3), at(0, 3, 2)), (false, false, true));
    }

    #[test]
    fn keeps_the_first_places() {
        let mut losses = Losses::default();
        (0..5000).rev().for_each(|number| losses.add(loss(number, 1)));
        assert_eq!(losses.iter().count(), LOSSES_MAX);
        assert_eq!(losses.iter().next().map(|loss| loss.frame.number), Some(0));
        assert_eq!(losses.unlisted(), 5000 - LOSSES_MAX as u64);
        // Nobody knows where the others were.
        let first = LOSSES_MAX as i64;
        assert!(!lacks(&losses, 0, first - 1, 2) && lacks(&losses, 0, first, 2));

        let mut sum = Losses::default();
        sum.merge(losses.clone());
        assert_eq!(sum.unlisted(), losses.unlisted());
        assert!(lacks(&sum, 0, first, 2));
    }
}
