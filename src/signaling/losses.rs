//! What the capture lacks although it went over the wire (guard G5).

use std::net::IpAddr;

use crate::capture::FrameId;
use crate::limits::LOSSES_MAX;
use crate::packet::Endpoint;
use crate::time::Time;

/// A place where the capture lacks something.
#[derive(Clone, Debug, PartialEq, Eq)]
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
pub struct Losses {
    /// Holes in SIP streams.
    pub holes: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Moments in which nearly all RTP streams lack packets.
    pub moments: Vec<Time>,
    /// Places, in order of time.
    listed: Vec<Loss>,
}

impl Losses {
    /// Adds a place.
    pub fn add(&mut self, loss: Loss) {
        let key = |loss: &Loss| (loss.time, loss.frame);
        let place = self.listed.partition_point(|known| key(known) <= key(&loss));
        if place < LOSSES_MAX {
            self.listed.insert(place, loss);
            self.listed.truncate(LOSSES_MAX);
        }
    }

    /// Adds what another part of the run lacks.
    pub fn merge(&mut self, other: Self) {
        self.holes += other.holes;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.moments.extend(other.moments);
        other.listed.into_iter().for_each(|loss| self.add(loss));
    }

    /// Every place that is known, in order of time.
    pub fn iter(&self) -> impl Iterator<Item = &Loss> {
        self.listed.iter()
    }

    /// The first loss on the way between two hosts, in either direction, between two moments.
    pub fn between(&self, hosts: [IpAddr; 2], from: Time, until: Time) -> Option<&Loss> {
        let [one, other] = hosts;
        let start = self.listed.partition_point(|loss| loss.time < from);
        let later = self.listed.get(start..).unwrap_or_default();
        later.iter().take_while(|loss| loss.time <= until).find(|loss| {
            let way = (loss.source.address, loss.destination.address);
            way == (one, other) || way == (other, one)
        })
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

    #[test]
    fn finds_what_is_missing_between_two_hosts() {
        let mut losses = Losses::default();
        [loss(9, 1), loss(3, 2), loss(5, 1)].into_iter().for_each(|loss| losses.add(loss));
        let at = |from: i64, until: i64, host: u8| {
            let hosts = [[192, 0, 2, 99].into(), [192, 0, 2, host].into()];
            losses
                .between(hosts, Time::from_nanos(from), Time::from_nanos(until))
                .map(|loss| loss.frame.number)
        };
        assert_eq!(at(0, 100, 1), Some(5));
        assert_eq!(at(6, 100, 1), Some(9));
        assert_eq!((at(6, 8, 1), at(0, 100, 3), at(0, 3, 2)), (None, None, Some(3)));
    }

    #[test]
    fn keeps_the_first_places() {
        let mut losses = Losses::default();
        (0..5000).rev().for_each(|number| losses.add(loss(number, 1)));
        assert_eq!(losses.iter().count(), LOSSES_MAX);
        assert_eq!(losses.iter().next().map(|loss| loss.frame.number), Some(0));
    }
}
