//! What the network said of packets that did not arrive: ICMP errors and ends of TCP connections.
//!
//! Such packets are rare, so a table of their own keeps them until the call that they belong to is
//! judged. Errors that quote a Call-ID are found by it, the others by where the packet went. Knows
//! nothing of calls.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use crate::capture::FrameId;
use crate::limits::{DISRUPTION_BYTES_MAX, DISRUPTIONS_MAX};
use crate::packet::{Endpoint, IcmpKind};
use crate::time::{Span, Time};
use crate::transport::ending::Turn;
use crate::transport::tls::Alert;

/// The same report again within this time is a capture copy.
const COPY_WINDOW: Span = Span::from_millis(2);

/// Reports about packets of one stream that are farther apart stand alone.
const FOLD_WINDOW: Span = Span::from_secs(10);

/// Frames kept of reports about the same packets: an INVITE is sent seven times, other requests
/// eleven times (RFC 3261, section 17.1).
const FRAMES_MAX: usize = 11;

/// Reports without a Call-ID that are looked through for one call.
const LOOKED_AT_MAX: usize = 256;

/// What befell a packet or a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub enum DisruptionKind {
    /// A router or host reported that it did not arrive.
    Icmp(IcmpKind),
    /// The opening of a connection was answered by RST.
    Refused,
    /// Three SYN got no answer.
    Unanswered,
    /// A connection was ended by RST.
    Reset,
    /// A connection was ended by FIN.
    Closed,
}

/// What the packet carried, as far as it is quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub enum Carried {
    /// A SIP message.
    Sip,
    /// Media.
    Rtp,
    /// Reports about media.
    Rtcp,
    /// The opening of a TCP connection.
    Opening,
    /// What belongs to neither: checks of connectivity, exchange of keys.
    Other,
    /// Something else, or what is not quoted.
    Unknown,
}

/// What was known of a TCP connection at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct LastWords {
    /// The longest time that nothing but acknowledgements was seen.
    pub idle: Span,
    /// Keep-alives were seen (RFC 5626, section 4.4.1).
    pub has_keep_alives: bool,
    /// Bytes of it are missing from the capture.
    pub has_gaps: bool,
    /// The last bytes before the end are, or came after it.
    pub lacks_end: bool,
    /// Plain text was sent, and one side said in TLS that it expected TLS.
    pub alert: Option<Alert>,
}

/// One packet, or several alike, that did not arrive, or a connection that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Disruption {
    /// What befell it.
    pub kind: DisruptionKind,
    /// The sender of the packet that was hit; of a connection, who ended it; of one that was never
    /// opened, who wanted it.
    pub source: Endpoint,
    /// Where that went.
    pub destination: Endpoint,
    /// Who said so.
    pub reporter: IpAddr,
    /// How often it was said.
    pub count: u64,
    /// The first frames that say it.
    pub frames: Vec<(FrameId, Time)>,
    /// When it was said last.
    pub last: Time,
    /// The identification of the packet, 0 where there is none.
    pub ip_id: u16,
    /// The Call-ID of the message that was hit, if it is quoted.
    pub call_id: Option<Box<[u8]>>,
    /// The top branch of that message, if it is quoted.
    pub branch: Option<Box<[u8]>>,
    /// What the packet carried.
    pub carried: Carried,
    /// Of a TCP connection, what was known of it.
    pub last_words: Option<LastWords>,
}

/// Where disruptions are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// Where the packet went, and the digest of its Call-ID.
    Call(Endpoint, u64),
    /// Where the packet went.
    Packet(Endpoint),
    /// Both ends of a connection, the lower one first.
    Stream(Endpoint, Endpoint),
    /// Who wanted to connect.
    Connect(IpAddr),
}

/// Every disruption that may still concern a call.
#[derive(Debug)]
pub struct Disruptions {
    /// In order of their first reports. Boxed, so that one which comes far out of order moves
    /// little.
    #[allow(clippy::vec_box)]
    by_key: HashMap<Key, Vec<Box<Disruption>>, RandomState>,
    digest: RandomState,
    count: usize,
    max: usize,
    evicted: u64,
}

impl Default for Disruptions {
    fn default() -> Self {
        Self::with_room_for(DISRUPTIONS_MAX)
    }
}

impl Disruption {
    /// One that a single frame tells of.
    pub fn new(
        kind: DisruptionKind,
        (source, destination): (Endpoint, Endpoint),
        reporter: IpAddr,
        seen: (FrameId, Time),
    ) -> Self {
        Self {
            kind,
            source,
            destination,
            reporter,
            count: 1,
            frames: vec![seen],
            last: seen.1,
            ip_id: 0,
            call_id: None,
            branch: None,
            carried: Carried::Unknown,
            last_words: None,
        }
    }

    /// When it was said first.
    pub fn first(&self) -> Time {
        self.frames.first().map_or(self.last, |(_, time)| *time)
    }

    /// The kind, if it is an ICMP error.
    pub const fn icmp(&self) -> Option<IcmpKind> {
        match self.kind {
            DisruptionKind::Icmp(kind) => Some(kind),
            DisruptionKind::Refused
            | DisruptionKind::Unanswered
            | DisruptionKind::Reset
            | DisruptionKind::Closed => None,
        }
    }

    /// A connection was not opened.
    pub fn is_about_connecting(&self) -> bool {
        self.carried == Carried::Opening
    }

    /// Both are about the same packets, or such of one stream.
    fn goes_with(&self, other: &Self) -> bool {
        let is_same_packet = match (&self.call_id, self.carried) {
            (Some(_), _) => self.branch == other.branch,
            (None, Carried::Sip | Carried::Unknown) => self.ip_id == other.ip_id && self.ip_id != 0,
            (None, Carried::Rtp | Carried::Rtcp | Carried::Opening | Carried::Other) => true,
        };
        (self.kind, self.source, self.destination, self.reporter, self.carried)
            == (other.kind, other.source, other.destination, other.reporter, other.carried)
            && self.call_id == other.call_id
            && is_same_packet
            && other.first().since(self.last) <= FOLD_WINDOW
    }

    fn take(&mut self, other: &Self) {
        if other.first().since(self.last).abs() <= COPY_WINDOW && self.ip_id == other.ip_id {
            return;
        }
        self.count += other.count;
        self.last = self.last.max(other.last);
        self.ip_id = other.ip_id;
        let room = FRAMES_MAX.saturating_sub(self.frames.len());
        self.frames.extend(other.frames.iter().take(room));
    }
}

impl Disruptions {
    /// A table of so many at most.
    pub fn with_room_for(max: usize) -> Self {
        Self {
            by_key: HashMap::default(),
            digest: RandomState::default(),
            count: 0,
            max: max.max(1),
            evicted: 0,
        }
    }

    /// Takes one in; each stream in order of capture.
    pub fn push(&mut self, disruption: Disruption) {
        let quoted = [&disruption.call_id, &disruption.branch].into_iter().flatten();
        if quoted.map(|quoted| quoted.len()).sum::<usize>() > DISRUPTION_BYTES_MAX {
            self.evicted += 1;
            return;
        }
        let key = self.key_of(&disruption);
        if let Some(known) = self.by_key.get_mut(&key)
            && let Some(same) =
                known.iter_mut().rev().take(LOOKED_AT_MAX).find(|same| same.goes_with(&disruption))
        {
            same.take(&disruption);
            return;
        }
        if self.count >= self.max {
            self.make_room();
        }
        self.count += 1;
        let own = self.by_key.entry(key).or_default();
        let place = own.partition_point(|known| known.first() <= disruption.first());
        own.insert(place, Box::new(disruption));
    }

    /// Takes what a flow tells about its connection.
    pub fn take(&mut self, turn: Turn) {
        match turn {
            Turn::Disrupted(disruption) => self.push(disruption),
            Turn::Opened(client, server) => self.withdraw(client, server),
        }
    }

    /// Takes back that a connection was not opened: the answer came late.
    pub fn withdraw(&mut self, client: Endpoint, server: Endpoint) {
        let Some(known) = self.by_key.get_mut(&Key::Connect(client.address)) else { return };
        let before = known.len();
        known.retain(|one| {
            one.kind != DisruptionKind::Unanswered
                || (one.source, one.destination) != (client, server)
        });
        self.count = self.count.saturating_sub(before - known.len());
    }

    /// Those that gave way because there were too many.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// For looking up.
    pub fn network(&self) -> Network<'_> {
        Network { disruptions: Some(self) }
    }

    /// Connections that were not opened, in order.
    pub fn failed_connects(&self) -> Vec<&Disruption> {
        let all = self.by_key.iter().filter(|(key, _)| matches!(key, Key::Connect(_)));
        let mut all: Vec<_> = all.flat_map(|(_, own)| own).map(Box::as_ref).collect();
        all.sort_by_key(|one| (one.first(), one.frames.first().map(|(frame, _)| *frame)));
        all
    }

    fn key_of(&self, disruption: &Disruption) -> Key {
        let (source, destination) = (disruption.source, disruption.destination);
        match (&disruption.call_id, disruption.kind) {
            _ if disruption.is_about_connecting() => Key::Connect(source.address),
            (Some(call_id), _) => Key::Call(destination, self.digest.hash_one(&**call_id)),
            (None, DisruptionKind::Reset | DisruptionKind::Closed) => stream(source, destination),
            (None, _) => Key::Packet(destination),
        }
    }

    /// Lets the oldest tenth go.
    fn make_room(&mut self) {
        let mut ages: Vec<Time> = self.by_key.values().flatten().map(|one| one.last).collect();
        let leave = (ages.len() / 10).max(1);
        if leave > ages.len() {
            return;
        }
        let (_, limit, _) = ages.select_nth_unstable(leave.saturating_sub(1));
        let limit = *limit;
        self.by_key.retain(|_, own| {
            own.retain(|one| one.last > limit);
            !own.is_empty()
        });
        let left = self.by_key.values().map(Vec::len).sum();
        self.evicted += self.count.saturating_sub(left) as u64;
        self.count = left;
    }
}

fn stream(one: Endpoint, other: Endpoint) -> Key {
    Key::Stream(one.min(other), one.max(other))
}

/// All disruptions, for looking up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Network<'n> {
    disruptions: Option<&'n Disruptions>,
}

impl<'n> Network<'n> {
    /// Nothing was disrupted.
    pub fn is_calm(self) -> bool {
        self.disruptions.is_none_or(|all| all.count == 0)
    }

    /// Errors about messages with this Call-ID on the way.
    pub fn about_call(
        self,
        source: Endpoint,
        destination: Endpoint,
        call_id: &[u8],
    ) -> impl Iterator<Item = &'n Disruption> {
        let digest = self.disruptions.map_or(0, |all| all.digest.hash_one(call_id));
        self.at(Key::Call(destination, digest))
            .iter()
            .map(Box::as_ref)
            .filter(move |one| one.source == source && one.call_id.as_deref() == Some(call_id))
    }

    /// Errors about packets to the endpoint that do not tell their Call-ID, and were first reported
    /// between the two moments; a bounded number.
    pub fn about_packets(
        self,
        destination: Endpoint,
        from: Time,
        to: Time,
    ) -> impl Iterator<Item = &'n Disruption> {
        self.first_between(Key::Packet(destination), from, to)
    }

    /// The first end of a connection between the two after the moment.
    pub fn end_of(self, one: Endpoint, other: Endpoint, after: Time) -> Option<&'n Disruption> {
        let own = self.at(stream(one, other));
        own.get(own.partition_point(|end| end.first() < after)).map(Box::as_ref)
    }

    /// Connections that the host wanted between the two moments and did not get; a bounded number.
    pub fn failed_connects_of(
        self,
        client: IpAddr,
        from: Time,
        to: Time,
    ) -> impl Iterator<Item = &'n Disruption> {
        self.first_between(Key::Connect(client), from, to)
    }

    /// Those that were first reported between the two moments; a bounded number.
    fn first_between(self, key: Key, from: Time, to: Time) -> impl Iterator<Item = &'n Disruption> {
        let own = self.at(key);
        let start = own.partition_point(|one| one.first() < from);
        let rest = own.get(start..).unwrap_or_default();
        let near = rest.iter().take(LOOKED_AT_MAX).map(Box::as_ref);
        near.take_while(move |one| one.first() <= to)
    }

    fn at(self, key: Key) -> &'n [Box<Disruption>] {
        let own = self.disruptions.and_then(|all| all.by_key.get(&key));
        own.map(Vec::as_slice).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(last: u8) -> Endpoint {
        Endpoint { address: [192, 0, 2, last].into(), port: 5060 }
    }

    fn at(millis: i64) -> Time {
        Time::default() + Span::from_millis(millis)
    }

    fn unreachable(call_id: Option<&[u8]>, carried: Carried, millis: i64) -> Disruption {
        let frame = FrameId { capture: 0, number: millis.unsigned_abs() };
        let kind = DisruptionKind::Icmp(IcmpKind::PortUnreachable);
        let flow = (endpoint(1), endpoint(2));
        Disruption {
            call_id: call_id.map(Into::into),
            carried,
            ..Disruption::new(kind, flow, endpoint(2).address, (frame, at(millis)))
        }
    }

    #[test]
    fn errors_about_one_request_are_one() {
        let mut all = Disruptions::default();
        for millis in [0, 1, 500, 1500, 3500] {
            all.push(unreachable(Some(b"a"), Carried::Sip, millis));
        }
        all.push(unreachable(Some(b"b"), Carried::Sip, 700));
        let network = all.network();
        let own: Vec<_> = network.about_call(endpoint(1), endpoint(2), b"a").collect();
        // The second one is a capture copy of the first.
        assert_eq!(own.iter().map(|one| one.count).collect::<Vec<_>>(), [4]);
        assert_eq!((own[0].first(), own[0].last), (at(0), at(3500)));
        assert_eq!(network.about_call(endpoint(2), endpoint(1), b"a").count(), 0);
        assert_eq!(network.about_call(endpoint(1), endpoint(2), b"c").count(), 0);
    }

    #[test]
    fn errors_without_a_call_are_found_by_time() {
        let mut all = Disruptions::default();
        for millis in [3000, 0, 1000, 60_000] {
            all.push(unreachable(None, Carried::Unknown, millis));
        }
        let found = |from, to| all.network().about_packets(endpoint(2), at(from), at(to)).count();
        assert_eq!((found(0, 2000), found(500, 3000), found(4000, 5000)), (2, 2, 0));
        assert!(!all.network().is_calm() && Network::default().is_calm());
    }

    #[test]
    fn media_is_folded_into_spells() {
        let mut all = Disruptions::default();
        for millis in (0..3000).step_by(20) {
            all.push(unreachable(None, Carried::Rtp, millis));
        }
        all.push(unreachable(None, Carried::Rtp, 30_000));
        let found = all.network().about_packets(endpoint(2), at(0), at(60_000));
        let counts: Vec<_> = found.map(|one| (one.count, one.frames.len())).collect();
        assert_eq!(counts, [(150, FRAMES_MAX), (1, 1)]);
    }

    #[test]
    fn the_table_is_bounded_and_says_so() {
        let mut all = Disruptions::with_room_for(20);
        for call in 0..100_u8 {
            all.push(unreachable(Some(&[call]), Carried::Sip, i64::from(call) * 10));
        }
        assert!(all.count <= 20);
        assert_eq!(all.count as u64 + all.evicted(), 100);
        assert_eq!(all.network().about_call(endpoint(1), endpoint(2), &[99]).count(), 1);
        assert_eq!(all.network().about_call(endpoint(1), endpoint(2), &[1]).count(), 0);
    }

    #[test]
    fn a_quote_is_bounded_and_says_so() {
        let mut all = Disruptions::default();
        let (fits, too_long) =
            (vec![b'a'; DISRUPTION_BYTES_MAX], vec![b'a'; DISRUPTION_BYTES_MAX + 1]);
        all.push(unreachable(Some(&fits), Carried::Sip, 0));
        all.push(unreachable(Some(&too_long), Carried::Sip, 0));
        assert_eq!((all.count, all.evicted()), (1, 1));
        assert_eq!(all.network().about_call(endpoint(1), endpoint(2), &fits).count(), 1);
        assert_eq!(all.network().about_call(endpoint(1), endpoint(2), &too_long).count(), 0);
    }

    #[test]
    fn the_oldest_give_way_whatever_the_clock_does() {
        // On, back, standing still, and to and fro between the ends of time.
        let clocks: [fn(i64) -> i64; 4] = [
            |number| number * 10,
            |number| 1_700_000_000_000 - number * 3_600_000,
            |_| 7,
            |number| if number % 2 == 0 { i64::MAX } else { i64::MIN },
        ];
        for (clock, which) in clocks.into_iter().zip(0..) {
            let mut all = Disruptions::with_room_for(20);
            for number in 0..200_u8 {
                let millis = clock(number.into());
                // Some are told by their Call-ID, the others by time.
                let call_id = (number % 3 > 0).then_some([number]);
                let one =
                    unreachable(call_id.as_ref().map(<[u8; 1]>::as_slice), Carried::Sip, millis);
                all.push(Disruption { ip_id: number.into(), ..one });
            }
            assert!(all.count <= 20, "{which}");
            assert_eq!(all.count as u64 + all.evicted(), 200, "{which}");
            let mut lists = all.by_key.values();
            assert!(lists.all(|own| own.is_sorted_by_key(|one| one.first())), "{which}");
        }
    }

    #[test]
    fn an_answer_that_comes_late_takes_back_that_none_came() {
        let mut all = Disruptions::default();
        let seen = (FrameId::default(), at(0));
        let flow = (endpoint(1), endpoint(2));
        let failed = Disruption {
            carried: Carried::Opening,
            ..Disruption::new(DisruptionKind::Unanswered, flow, endpoint(2).address, seen)
        };
        all.push(failed.clone());
        assert_eq!(all.network().failed_connects_of(flow.0.address, at(0), at(1)).count(), 1);
        all.withdraw(flow.0, flow.1);
        assert!(all.failed_connects().is_empty() && all.network().is_calm());
        all.push(Disruption { kind: DisruptionKind::Refused, ..failed });
        all.withdraw(flow.0, flow.1);
        assert_eq!(all.failed_connects().len(), 1);
    }
}
