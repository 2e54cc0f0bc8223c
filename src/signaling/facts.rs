//! What is known of the capture as a whole: small summaries that can be merged in any order.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr};

use rustc_hash::{FxHashMap, FxHashSet, FxHasher};

use crate::capture::{Description, FrameId, Note};
use crate::limits::{DISRUPTIONS_MAX, HOSTS_MAX};
use crate::packet::Endpoint;
use crate::signaling::bounded::Bounded;
use crate::signaling::call::Call;
use crate::signaling::clock::Dates;
use crate::signaling::coverage::Coverage;
use crate::signaling::dialled::Dialled;
use crate::signaling::digest::Digest;
use crate::signaling::load::Loads;
use crate::signaling::losses::{Loss, LossKind, Losses};
use crate::signaling::message::Message;
use crate::signaling::pings::Pings;
use crate::signaling::registrations::Registrations;
use crate::signaling::short_list::ShortList;
use crate::signaling::suspects::Suspects;
use crate::signaling::talk::Talks;
use crate::signaling::traffic::Traffic;
use crate::sip::{Method, Uri};
use crate::time::{Span, Time};
use crate::transport::{Delivery, Disruption, Encrypted, Handshakes};

/// Examples kept of one fact.
const EXAMPLES_MAX: usize = 3;

/// The registered ports of SIP (RFC 3261, section 19.1.2), and one that PBXs use beside them.
const SIP_PORTS: [u16; 3] = [5060, 5061, 5081];

/// The port of the web: what goes there is SIP only if it says so.
const WEB_PORT: u16 = 443;
/// RTP packets that show that the capture sees their way.
const MEDIA_PACKETS_MIN: u64 = 50;

/// Between two files of one recording there is no longer pause.
const PAUSE_MAX: Span = Span::from_secs(60);

/// Facts about the captures of a run.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Facts {
    /// What the inputs turned out to be.
    pub captures: Vec<Description>,
    /// SIP messages, without copies.
    pub messages: u64,
    /// SIP messages captured twice, with the first ones.
    pub copies: Examples,
    /// SIP messages that two of the captures have; they are not captured twice by mistake.
    pub shared: u64,
    /// TCP segments captured twice.
    pub stream_copies: u64,
    /// Payloads on a port of SIP, or with a start line of it, that are no readable SIP; the
    /// examples hold how they begin.
    pub unparsed: Examples,
    /// SIP messages that the capture cut.
    pub cut: Examples,
    /// RTP packets that the capture cut; their headers are there.
    pub cut_rtp: Examples,
    /// Dialogs that began before the capture.
    pub starts_mid_dialog: Examples,
    /// Dialogs still open at the end of the capture.
    pub ends_mid_dialog: Examples,
    /// Calls under a Call-ID that an earlier call had.
    pub reused: Examples,
    /// Ways from host to host on which packets must have gone that were not captured.
    pub one_sided: BTreeMap<(IpAddr, IpAddr), OneSided>,
    /// Servers and clients between which TLS was spoken that could not be read.
    pub encrypted: BTreeMap<(Endpoint, IpAddr), Encrypted>,
    /// How TLS handshakes went, by server and client.
    pub handshakes: BTreeMap<(Endpoint, IpAddr), Handshakes>,
    /// What went between two hosts, by time.
    pub traffic: Traffic,
    /// How long the calls of each host lasted.
    pub talks: Talks,
    /// Which OPTIONS were answered.
    pub pings: Pings,
    /// Who was registered from when to when.
    pub registrations: Registrations,
    /// What hosts dialled.
    pub dialled: Dialled,
    /// How servers fared with their requests.
    pub loads: Loads,
    /// Who was refused again and again.
    pub suspects: Suspects,
    /// What the captures lack.
    pub losses: Losses,
    /// RTP streams.
    pub rtp_streams: u64,
    /// Nobody looked for RTP.
    pub is_media_ignored: bool,
    /// Calls without any RTP although the parties talked, by the ways on which it would have been
    /// seen.
    pub silent: BTreeMap<PackedWays, Silence>,
    /// Calls of the same kind that the bound left out.
    unheard: u64,
    /// IP fragments that were not the first of their packet.
    pub later_fragments: u64,
    /// Captures whose clocks differ from that of another one.
    pub clocks: Vec<ClockDifference>,
    /// The latest time of a frame.
    pub last_time: Time,
    /// When there were frames at all.
    pub coverage: Coverage,
    /// What the clocks of those who speak say.
    pub dates: Dates,
    /// Connections for SIP that were not opened.
    pub failed_connects: Vec<Disruption>,
    /// Those of them that a call shows the harm of, by their first frames.
    pub explained_connects: FxHashSet<FrameId>,
    /// What of messages and calls was not looked at.
    bounded: Bounded,
    hosts: FxHashSet<IpAddr>,
    /// From host to host; a digest takes a fifth of the room.
    ways: FxHashSet<Digest>,
    /// RTP packets by their ways.
    media_ways: FxHashMap<(IpAddr, IpAddr), u64>,
    /// Hosts that sent or got RTP.
    media_hosts: FxHashSet<IpAddr>,
    /// Ways of SIP messages.
    sip_ways: FxHashSet<Digest>,
    /// Whom INVITEs were for.
    invited: FxHashSet<Digest>,
    /// Servers that accepted credentials with a digest URI that is not the request's.
    lenient: FxHashSet<IpAddr>,
    /// Call-IDs of responses whose requests were not seen, as numbers.
    answered: FxHashSet<Digest>,
    /// Ways of messages that the capture cut so short that nobody knows which call they belong to.
    unplaced: FxHashSet<(IpAddr, IpAddr)>,
    /// Hosts, ways and targets that the bounds left out; one may count several times.
    unlisted: u64,
}

/// Whom an INVITE is for: user and host of its Request-URI, as a number that does not take much
/// room. Two targets may share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Target(u64);

impl Target {
    /// The target that a URI of SIP names.
    pub fn of(uri: &Uri<'_>) -> Option<Self> {
        let host = uri.host().filter(|_| uri.is_sip())?;
        let mut hasher = FxHasher::default();
        uri.user().hash(&mut hasher);
        in_lower_case(host.as_bytes()).hash(&mut hasher);
        Some(Self(hasher.finish()))
    }
}

/// Ways from host to host that the media of a call may take: there and back on the first two hops.
pub type MediaWays = [Option<(IpAddr, IpAddr)>; 4];

/// Ways of media in the room that they take in nearly all calls.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub enum PackedWays {
    /// There and back between two IPv4 hosts, on one hop or on two.
    Back((Ipv4Addr, Ipv4Addr), Option<(Ipv4Addr, Ipv4Addr)>),
    /// Any ways.
    Any(Box<MediaWays>),
}

impl PackedWays {
    fn of(ways: MediaWays) -> Self {
        let pair = |there: Option<(IpAddr, IpAddr)>, back| match there? {
            (IpAddr::V4(near), IpAddr::V4(far)) => {
                (back == Some((far.into(), near.into()))).then_some((near, far))
            }
            _ => None,
        };
        let [there, back, second, second_back] = ways;
        match (pair(there, back), pair(second, second_back)) {
            (Some(first), None) if second.is_none() && second_back.is_none() => {
                Self::Back(first, None)
            }
            (Some(first), Some(second)) => Self::Back(first, Some(second)),
            _ => Self::Any(Box::new(ways)),
        }
    }

    /// The ways as they were.
    pub fn ways(&self) -> MediaWays {
        match self {
            Self::Any(ways) => **ways,
            Self::Back(first, second) => {
                let there = |(near, far): (Ipv4Addr, Ipv4Addr)| (near.into(), far.into());
                let back = |(near, far): (Ipv4Addr, Ipv4Addr)| (far.into(), near.into());
                [Some(there(*first)), Some(back(*first)), second.map(there), second.map(back)]
            }
        }
    }
}

/// Calls without media on the same ways, with the first of them: there are very many ways with one
/// call.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Silence {
    /// How many.
    pub count: u64,
    first: ShortList<(FrameId, Time)>,
}

impl Silence {
    /// Counts one more.
    fn add(&mut self, frame: FrameId, time: Time) {
        self.count += 1;
        self.first.add_first((frame, time), EXAMPLES_MAX);
    }

    /// Adds the other's.
    pub fn merge(&mut self, other: Self) {
        let count = self.count + other.count;
        other.first.iter().for_each(|(frame, time)| self.add(*frame, *time));
        self.count = count;
    }

    /// The first ones by frame.
    pub fn first(&self) -> &[(FrameId, Time)] {
        &self.first
    }
}

/// A count with a few examples: the first ones by frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Examples {
    /// How many there are.
    pub count: u64,
    /// The first ones: frame, time and Call-ID.
    pub first: Vec<(FrameId, Time, Box<[u8]>)>,
}

/// Packets that one host sent to another, and nothing came back although something must have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct OneSided {
    /// Messages that were seen from the first host to the second.
    pub seen: u64,
    /// Messages that are missing the other way, two of each call at the most.
    pub lacking: u64,
    /// The calls and frames that imply an unseen answer.
    pub implied: Examples,
}

/// The clock of a capture is ahead of that of another one by a constant time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct ClockDifference {
    /// The capture.
    pub capture: u16,
    /// The other one.
    pub from: u16,
    /// How much it is ahead; negative when it is behind.
    pub ahead: Span,
    /// Messages that both have.
    pub messages: u64,
    /// The times of the analysis are those of the other clock.
    pub is_corrected: bool,
}

/// What tells that TLS carries SIP, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SipEvidence {
    /// The two hosts exchange SIP that can be read.
    Peers,
    /// The port of the server.
    Port,
    /// A handshake names SIP (ALPN, RFC 7301).
    Handshake,
}

impl Examples {
    /// Counts one more.
    pub fn add(&mut self, frame: FrameId, time: Time, call_id: &[u8]) {
        self.count += 1;
        let place = self.first.partition_point(|(known, ..)| *known <= frame);
        if place < EXAMPLES_MAX {
            // There may be very many with one example.
            self.first.reserve_exact(1);
            self.first.insert(place, (frame, time, call_id.into()));
            self.first.truncate(EXAMPLES_MAX);
        }
    }

    /// Adds the other's count and examples.
    pub fn merge(&mut self, other: &Self) {
        let count = self.count + other.count;
        for (frame, time, call_id) in &other.first {
            self.add(*frame, *time, call_id);
        }
        self.count = count;
    }
}

impl Facts {
    /// A packet went from one host to another.
    pub fn saw_way(&mut self, source: IpAddr, destination: IpAddr) {
        insert(&mut self.ways, Digest::of((source, destination)), &mut self.unlisted);
        self.saw_host(source);
    }

    /// So many RTP packets went from one host to another.
    pub fn saw_media_way(&mut self, source: IpAddr, destination: IpAddr, packets: u64) {
        self.add_media_way((source, destination), packets);
        self.saw_host(source);
        for host in [source, destination] {
            insert(&mut self.media_hosts, host, &mut self.unlisted);
        }
    }

    fn add_media_way(&mut self, way: (IpAddr, IpAddr), packets: u64) {
        let is_room = self.media_ways.len() < HOSTS_MAX;
        match self.media_ways.get_mut(&way) {
            Some(known) => *known += packets,
            None if is_room => _ = self.media_ways.insert(way, packets),
            None => self.unlisted += 1,
        }
    }

    /// The parties of a call talked, and no RTP of it was seen.
    pub fn saw_silent(&mut self, ways: MediaWays, message: &Message<'_>) {
        self.silent.entry(PackedWays::of(ways)).or_default().add(message.frame, message.time);
    }

    /// RTP of one of the hosts is in the capture, and what goes one of these ways is: packets that
    /// are no media, or many that are. A few strays show no way, for switches send the first
    /// packets to all.
    pub fn shows_media(&self, ways: MediaWays) -> bool {
        let has_media = |(source, destination): &(IpAddr, IpAddr)| {
            self.media_hosts.contains(source) || self.media_hosts.contains(destination)
        };
        let is_shown = |way: &(IpAddr, IpAddr)| {
            let packets = self.media_ways.get(way).copied().unwrap_or_default();
            self.ways.contains(&Digest::of(*way)) || packets >= MEDIA_PACKETS_MIN
        };
        let ways = || ways.iter().flatten();
        ways().any(has_media) && ways().any(is_shown)
    }

    /// All ways of media are known: what [`Self::shows_media`] does not know is not in the capture.
    pub fn knows_all_media(&self) -> bool {
        let tables = [self.ways.len(), self.media_ways.len(), self.media_hosts.len()];
        tables.into_iter().all(|length| length < HOSTS_MAX)
    }

    /// The capture cut a message before its Call-ID.
    pub fn saw_unplaced(&mut self, delivery: &Delivery<'_>) {
        self.cut.add(delivery.frame, delivery.time, b"");
        let way = (delivery.source.address, delivery.destination.address);
        insert(&mut self.unplaced, way, &mut self.unlisted);
    }

    /// A SIP message went from one host to another.
    pub fn saw_sip(&mut self, source: IpAddr, destination: IpAddr) {
        insert(&mut self.sip_ways, Digest::of((source, destination)), &mut self.unlisted);
    }

    /// A connection could not be read.
    pub fn saw_encrypted(&mut self, encrypted: Encrypted) {
        match self.encrypted.entry((encrypted.server, encrypted.client)) {
            Entry::Occupied(mut known) => known.get_mut().merge(encrypted),
            Entry::Vacant(place) => {
                place.insert(encrypted);
            }
        }
    }

    /// TLS handshakes of a client with a server were seen.
    pub fn saw_handshakes(&mut self, server: Endpoint, client: IpAddr, own: Handshakes) {
        self.handshakes.entry((server, client)).or_default().merge(own);
    }

    /// What tells that TLS between the two carries SIP; nothing if nothing does.
    pub fn evidence_of_sip(
        &self,
        server: Endpoint,
        client: IpAddr,
        names_sip: bool,
    ) -> Option<SipEvidence> {
        if names_sip {
            Some(SipEvidence::Handshake)
        } else if SIP_PORTS.contains(&server.port) {
            Some(SipEvidence::Port)
        } else if server.port != WEB_PORT && self.has_sip_between(server.address, client) {
            Some(SipEvidence::Peers)
        } else {
            None
        }
    }

    /// An INVITE to the target was seen, or there were too many INVITEs to tell.
    pub fn has_invited(&self, target: Target) -> bool {
        self.invited.len() >= HOSTS_MAX || self.invited.contains(&target.0.into())
    }

    /// A connection for SIP was not opened.
    pub fn saw_failed_connect(&mut self, failed: Disruption) {
        self.failed_connects.push(failed);
    }

    /// The server accepted credentials with a digest URI that is not the request's, or there are
    /// too many such servers to tell.
    pub fn is_lenient(&self, server: IpAddr) -> bool {
        self.lenient.len() >= HOSTS_MAX || self.lenient.contains(&server)
    }

    /// A SIP message that could be read went between two hosts.
    pub fn has_sip_between(&self, one: IpAddr, other: IpAddr) -> bool {
        [Digest::of((one, other)), Digest::of((other, one))]
            .iter()
            .any(|way| self.sip_ways.contains(way))
    }

    /// A host sent a packet.
    pub fn saw_host(&mut self, host: IpAddr) {
        insert(&mut self.hosts, host, &mut self.unlisted);
    }

    /// The host sent at least one packet in the capture.
    pub fn has_host(&self, host: IpAddr) -> bool {
        self.hosts.contains(&host)
    }

    /// The host sent no packet in the capture, and there are not too many hosts to tell.
    pub fn lacks_host(&self, host: IpAddr) -> bool {
        self.hosts.len() < HOSTS_MAX && !self.hosts.contains(&host)
    }

    /// No packet went from the first host to the second, and there are not too many ways to tell.
    pub fn lacks_way(&self, source: IpAddr, destination: IpAddr) -> bool {
        self.ways.len() < HOSTS_MAX && !self.has_way(source, destination)
    }

    /// At least one packet went from the first host to the second.
    pub fn has_way(&self, source: IpAddr, destination: IpAddr) -> bool {
        self.ways.contains(&Digest::of((source, destination)))
    }

    /// How many hosts and ways are known.
    pub fn seen(&self) -> usize {
        self.hosts.len() + self.ways.len()
    }

    /// A message from the first host to the second may belong to any call, so nothing is known to
    /// be missing there; or there were too many such ways to tell.
    pub fn has_unplaced(&self, source: IpAddr, destination: IpAddr) -> bool {
        self.unplaced.len() >= HOSTS_MAX || self.unplaced.contains(&(source, destination))
    }

    /// The capturing side counted so many packets that it lost.
    pub fn dropped(&self, capture: u16) -> u64 {
        let own = self.captures.get(usize::from(capture));
        own.map_or(0, |own| own.notes.iter().map(dropped).sum())
    }

    /// Datagrams of SIP that lack fragments.
    pub fn fragmented(&self) -> impl Iterator<Item = &Loss> {
        self.losses.iter().filter(|loss| match loss.kind {
            LossKind::Segment => false,
            LossKind::Fragment => true,
            LossKind::FragmentOfAny => {
                self.has_sip_between(loss.source.address, loss.destination.address)
            }
        })
    }

    /// Responses to a request with this Call-ID came although the request itself is not in the
    /// captures, or there were too many such to tell.
    pub fn has_answered(&self, call_id: &[u8]) -> bool {
        self.answered.len() >= HOSTS_MAX || self.answered.contains(&number_of(call_id).into())
    }

    /// The captures go on from one of them to that moment without a long pause between two (guard
    /// G1); of one capture alone the calls know.
    pub fn is_covered(&self, capture: u16, until: Time) -> bool {
        let own = self.captures.get(usize::from(capture));
        let Some(mut reached) = own.and_then(|own| own.last_time) else { return true };
        // Each round goes on by one capture at least.
        for _ in &self.captures {
            let next = self
                .captures
                .iter()
                .filter(|next| next.first_time.is_some_and(|first| first <= reached + PAUSE_MAX));
            reached = next.filter_map(|next| next.last_time).fold(reached, Time::max);
        }
        reached >= until
    }

    /// Packets from the second host back to the first one must have gone, or there are too many
    /// such ways to tell, and none was captured.
    pub fn is_one_sided(&self, source: IpAddr, destination: IpAddr) -> bool {
        let is_full = self.one_sided.len() >= HOSTS_MAX;
        (is_full || self.one_sided.contains_key(&(source, destination)))
            && !self.has_way(destination, source)
    }

    /// What the bounds of the tables left out, by the name of the bound.
    pub fn dropped_by_bounds(&self) -> [(&'static str, u64); 9] {
        [
            ("hosts", self.unlisted),
            ("silent-calls", self.unheard),
            ("traffic", self.traffic.dropped()),
            ("talks", self.talks.dropped()),
            ("pings", self.pings.dropped()),
            ("registrations", self.registrations.dropped() + self.registrations.crowded()),
            ("suspects", self.suspects.dropped()),
            ("loads", self.loads.dropped()),
            ("dialled", self.dialled.dropped()),
        ]
    }

    /// What was not looked at of single messages and calls and of the time, by the name of the
    /// bound.
    pub fn unseen_by_bounds(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let own = [("pauses", self.coverage.dropped()), ("clock-offsets", self.dates.dropped())];
        own.into_iter().chain(self.bounded.counts())
    }

    /// Adds what another part of the run found.
    pub fn merge(&mut self, other: Self) {
        self.bounded.merge(&other.bounded);
        self.captures.extend(other.captures);
        self.messages += other.messages;
        self.copies.merge(&other.copies);
        self.shared += other.shared;
        self.stream_copies += other.stream_copies;
        self.cut.merge(&other.cut);
        self.cut_rtp.merge(&other.cut_rtp);
        self.unparsed.merge(&other.unparsed);
        self.starts_mid_dialog.merge(&other.starts_mid_dialog);
        self.ends_mid_dialog.merge(&other.ends_mid_dialog);
        self.reused.merge(&other.reused);
        for (way, other) in other.one_sided {
            if self.one_sided.len() >= HOSTS_MAX && !self.one_sided.contains_key(&way) {
                self.unlisted += 1;
                continue;
            }
            let known = self.one_sided.entry(way).or_default();
            known.seen += other.seen;
            known.lacking += other.lacking;
            known.implied.merge(&other.implied);
        }
        for encrypted in other.encrypted.into_values() {
            self.saw_encrypted(encrypted);
        }
        for ((server, client), own) in other.handshakes {
            self.saw_handshakes(server, client, own);
        }
        self.traffic.merge(other.traffic);
        self.talks.merge(other.talks);
        self.pings.merge(other.pings);
        self.dates.merge(other.dates);
        self.registrations.merge(other.registrations);
        self.suspects.merge(other.suspects);
        self.loads.merge(other.loads);
        self.dialled.merge(other.dialled);
        self.last_time = self.last_time.max(other.last_time);
        self.coverage.merge(&other.coverage);
        self.losses.merge(other.losses);
        self.rtp_streams += other.rtp_streams;
        self.is_media_ignored |= other.is_media_ignored;
        self.unheard += other.unheard;
        for (ways, other) in other.silent {
            match self.silent.len() >= HOSTS_MAX && !self.silent.contains_key(&ways) {
                true => self.unheard += other.count,
                false => self.silent.entry(ways).or_default().merge(other),
            }
        }
        self.later_fragments += other.later_fragments;
        self.unlisted += other.unlisted;
        let unlisted = &mut self.unlisted;
        extend(&mut self.answered, other.answered, unlisted);
        self.clocks.extend(other.clocks);
        self.failed_connects.extend(other.failed_connects);
        self.explained_connects.extend(other.explained_connects);
        extend(&mut self.hosts, other.hosts, unlisted);
        extend(&mut self.ways, other.ways, unlisted);
        extend(&mut self.media_hosts, other.media_hosts, unlisted);
        extend(&mut self.sip_ways, other.sip_ways, unlisted);
        extend(&mut self.unplaced, other.unplaced, unlisted);
        extend(&mut self.invited, other.invited, unlisted);
        extend(&mut self.lenient, other.lenient, unlisted);
        for (way, packets) in other.media_ways {
            self.add_media_way(way, packets);
        }
    }

    /// What can be added to the facts of the run before the end of a part, so that there is one
    /// table of hosts and not one for each part. Who was registered is followed call by call, and
    /// stays.
    pub(crate) fn hand_over(&mut self) -> Self {
        let registrations = std::mem::take(&mut self.registrations);
        std::mem::replace(self, Self { registrations, ..Self::default() })
    }

    /// A call came under a Call-ID that an earlier one had.
    pub fn add_reuse(&mut self, messages: &[Message<'_>]) {
        if let Some(first) = messages.first() {
            let call_id = first.call_id().unwrap_or_default();
            self.reused.add(first.frame, first.time, call_id);
        }
    }

    /// Takes in the messages of a call of which later ones were not kept.
    pub fn saw_part_only(&mut self, messages: &[Message<'_>]) {
        self.registrations.add_part(messages);
    }

    /// Takes in what calls show about the capture: one thing of all of them after the other, so
    /// that the code for it is at hand.
    pub fn add_calls(&mut self, calls: &[Call<'_>]) {
        for call in calls {
            self.add_invited(call);
            self.add_lenient(call);
            self.add_explained(call);
            self.add_one_sided(call);
            self.add_answered(call);
        }
        calls.iter().for_each(|call| self.traffic.add_call(call));
        for call in calls {
            self.talks.add_call(call);
            self.pings.add_call(call);
            self.dates.add_call(call);
        }
        calls.iter().for_each(|call| self.registrations.add_call(call));
        calls.iter().for_each(|call| self.suspects.add_call(call));
        for call in calls {
            self.loads.add_call(call);
            self.dialled.add_call(call);
            self.bounded.add_call(call);
        }
    }

    fn add_invited(&mut self, call: &Call<'_>) {
        for hop in call.attempts.iter().flat_map(|attempt| attempt.transactions(call)) {
            let target = hop.request.and_then(|request| Target::of(&request.request_uri()?));
            if let Some(target) = target {
                insert(&mut self.invited, Digest::from(target.0), &mut self.unlisted);
            }
        }
    }

    fn add_lenient(&mut self, call: &Call<'_>) {
        for hop in call.transactions.iter().filter(|hop| hop.first_success().is_some()) {
            let Some(request) = hop.request else { continue };
            if self.lenient.contains(&hop.server.address) {
                continue;
            }
            let is_foreign = request.credentials().any(|own| request.has_foreign_digest_uri(&own));
            if is_foreign {
                insert(&mut self.lenient, hop.server.address, &mut self.unlisted);
            }
        }
    }

    /// Takes in which dialogs are cut by the beginning or the end of the captures. A call that goes
    /// on under a Call-ID which was judged before began in the captures, or was counted then.
    pub fn add_open_ends(&mut self, call: &Call<'_>, is_continuation: bool) {
        for dialog in &call.dialogs {
            let mut messages = call.messages_of(dialog);
            let Some(first) = messages.next() else { continue };
            if dialog.starts_before_capture && !is_continuation {
                self.starts_mid_dialog.add(first.frame, first.time, call.call_id);
            }
            if dialog.is_open(call) {
                let last = messages.next_back().unwrap_or(first);
                self.ends_mid_dialog.add(last.frame, last.time, call.call_id);
            }
        }
    }

    /// Connections that were not opened, and the calls that this harmed.
    fn add_explained(&mut self, call: &Call<'_>) {
        if call.network().is_calm() {
            return;
        }
        let failed = call.transactions.iter().filter_map(|hop| call.failed_connect_of(hop));
        for (frame, _) in failed.filter_map(|failed| failed.frames.first()) {
            if self.explained_connects.len() < DISRUPTIONS_MAX {
                self.explained_connects.insert(*frame);
            }
        }
    }

    /// Responses to requests that were not captured whole.
    fn add_answered(&mut self, call: &Call<'_>) {
        let is_unasked = call.transactions.iter().any(|hop| hop.request.is_none());
        if is_unasked {
            insert(&mut self.answered, number_of(call.call_id).into(), &mut self.unlisted);
        }
    }

    /// A way back that must have been used: the request of a response, the response to a request
    /// that was acted on.
    fn add_one_sided(&mut self, call: &Call<'_>) {
        let mut counted: Vec<(IpAddr, IpAddr)> = Vec::new();
        for transaction in &call.transactions {
            let (client, server) = (transaction.client, transaction.server);
            let (from, to, witness) = match transaction.request {
                None => (server, client, transaction.finals.first().copied()),
                Some(request)
                    if !transaction.has_response()
                        && transaction.method == Method::Invite
                        && call.implies_answer(transaction) =>
                {
                    (client, server, Some(request))
                }
                Some(_) => continue,
            };
            let Some(witness) = witness else { continue };
            if call.shows_way(to, from) {
                continue;
            }
            let way = (from.address, to.address);
            let one_sided = self.one_sided.entry(way).or_default();
            one_sided.implied.add(witness.frame, witness.time, call.call_id);
            if !counted.contains(&way) {
                counted.push(way);
                let seen = || call.messages.iter().filter(|message| message.went(from, to));
                one_sided.seen += seen().count() as u64;
                // What is sent again, and every other transaction, lacks something of its own.
                let branch = witness.branch();
                let lacks_more = transaction.finals.len() > 1
                    || seen().any(|message| message.branch() != branch);
                one_sided.lacking += 1 + u64::from(lacks_more);
            }
        }
    }
}

/// Remembers one more, or counts it where there are too many.
fn insert<T: Eq + Hash>(known: &mut FxHashSet<T>, own: T, unlisted: &mut u64) {
    if known.len() < HOSTS_MAX {
        known.insert(own);
    } else if !known.contains(&own) {
        *unlisted += 1;
    }
}

/// Adds what another part of the run has seen. All that is new in a part is taken or left, so that
/// the order of a table does not matter.
fn extend<T: Eq + Hash>(known: &mut FxHashSet<T>, other: FxHashSet<T>, unlisted: &mut u64) {
    if known.len() < HOSTS_MAX {
        known.extend(other);
        return;
    }
    *unlisted += other.iter().filter(|own| !known.contains(own)).count() as u64;
}

/// The bytes with small letters only; most names of hosts are written so.
pub(super) fn in_lower_case(bytes: &[u8]) -> Cow<'_, [u8]> {
    match bytes.iter().any(u8::is_ascii_uppercase) {
        true => Cow::Owned(bytes.to_ascii_lowercase()),
        false => Cow::Borrowed(bytes),
    }
}

/// A Call-ID as a number that does not take much room.
pub(super) fn number_of(call_id: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    call_id.hash(&mut hasher);
    hasher.finish()
}

/// Packets that were lost, of a note that says so.
fn dropped(note: &Note) -> u64 {
    match note {
        Note::Dropped { packets } => *packets,
        Note::EndsInsideRecord { .. }
        | Note::Shrank { .. }
        | Note::Damaged { .. }
        | Note::DamagedCompression { .. }
        | Note::ExpansionLimit { .. }
        | Note::SkippedBlocks { .. }
        | Note::TimeDisorder { .. }
        | Note::GivenAgain { .. }
        | Note::PassedOver { .. }
        | Note::Overlap { .. }
        | Note::ClockOffset { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Finding;
    use crate::rules::{self, Profile};

    fn host(number: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(number))
    }

    /// Hosts that no full table has.
    const NEW: u32 = u32::MAX - 1;

    fn numbers() -> impl Iterator<Item = u32> {
        0..u32::try_from(HOSTS_MAX).expect("a bound below the number of addresses")
    }

    fn unlisted(facts: &Facts) -> u64 {
        facts
            .dropped_by_bounds()
            .into_iter()
            .find(|(bound, _)| *bound == "hosts")
            .map_or(0, |b| b.1)
    }

    fn found(facts: &Facts) -> Vec<&'static str> {
        let profile = Profile { rules: rules::ALL.to_vec(), ..Profile::default() };
        let findings = rules::judge_capture(&profile, facts, &mut Vec::new());
        findings.iter().map(|finding: &Finding| finding.rule.name).collect()
    }

    #[test]
    fn hosts_and_ways_have_a_bound_and_nothing_is_missing_behind_it() {
        let mut facts = Facts::default();
        let way = (host(NEW), host(NEW + 1));
        facts.one_sided.insert(way, OneSided { seen: 9, lacking: 9, ..OneSided::default() });
        let talk = [Some(way), None, None, None];
        let frame = FrameId { capture: 0, number: 1 };
        facts.silent.entry(PackedWays::of(talk)).or_default().add(frame, Time::default());
        facts.rtp_streams = 1;
        let few = found(&facts);
        assert!(few.contains(&"capture-one-sided") && few.contains(&"no-rtp"), "{few:?}");
        assert!(facts.lacks_host(way.1) && facts.lacks_way(way.1, way.0));

        let ways: FxHashSet<Digest> =
            numbers().map(|number| Digest::from(u64::from(number))).collect();
        facts.hosts = numbers().map(host).collect();
        facts.media_hosts.clone_from(&facts.hosts);
        facts.sip_ways.clone_from(&ways);
        facts.ways = ways;
        facts.media_ways = numbers().map(|number| ((host(number), host(number)), 1)).collect();
        facts.saw_way(way.1, way.0);
        assert_eq!(unlisted(&facts), 2, "a way and a host");
        facts.saw_media_way(way.1, way.0, 70);
        assert_eq!(unlisted(&facts), 6, "the host again, a way of media and both its ends");
        facts.saw_sip(way.1, way.0);
        assert_eq!(unlisted(&facts), 7);
        facts.saw_host(host(7));
        facts.saw_media_way(host(7), host(7), 1);
        assert_eq!(unlisted(&facts), 7, "what is known is not left out");
        assert_eq!(facts.media_ways.len() + facts.media_hosts.len(), 2 * HOSTS_MAX);
        assert_eq!(facts.media_ways.get(&(host(7), host(7))), Some(&2));
        assert!(!facts.lacks_host(way.1) && !facts.lacks_way(way.1, way.0));
        let many = found(&facts);
        assert!(many.iter().all(|name| !few.contains(name)), "{many:?}");
    }

    #[test]
    fn beyond_the_bound_of_hosts_everything_may_have_been_seen() {
        let full: FxHashSet<Digest> =
            numbers().map(|number| Digest::from(u64::from(number))).collect();
        let mut facts = Facts::default();
        let target = Target(u64::MAX);
        let (one, other) = (host(NEW), host(NEW + 1));
        assert!(!facts.has_invited(target) && !facts.has_answered(b"new"));
        assert!(!facts.has_unplaced(one, other) && !facts.is_one_sided(one, other));
        facts.invited.clone_from(&full);
        facts.answered.clone_from(&full);
        facts.unplaced = numbers().map(|number| (host(number), host(number))).collect();
        let known = |number| ((host(number), host(number)), OneSided::default());
        facts.one_sided = numbers().map(known).collect();
        let mut part = Facts::default();
        part.invited.insert(Digest::from(target.0));
        part.answered.insert(Digest::from(u64::MAX));
        part.unplaced.insert((one, other));
        part.one_sided.insert((one, other), OneSided::default());
        facts.merge(part);
        assert_eq!(unlisted(&facts), 4);
        insert(&mut facts.invited, Digest::from(target.0), &mut facts.unlisted);
        assert_eq!(unlisted(&facts), 5);
        assert!(facts.has_invited(target) && facts.has_answered(b"new"));
        assert!(facts.has_unplaced(one, other) && facts.is_one_sided(one, other));
    }

    #[test]
    fn a_target_is_user_and_host() {
        let of = |uri: &'static str| Target::of(&Uri::parse(uri.as_bytes()));
        assert!(of("sip:carol@example.net").is_some());
        assert_eq!(of("sip:carol@EXAMPLE.net:5070;user=phone"), of("sip:carol@example.net"));
        assert_ne!(of("sip:Carol@example.net"), of("sip:carol@example.net"));
        assert_ne!(of("sip:example.net"), of("sip:carol@example.net"));
        assert_eq!(of("tel:+4930123456"), None);
    }

    #[test]
    fn ways_of_media_are_given_back_as_they_were() {
        let host = |last: u8| IpAddr::from([192, 0, 2, last]);
        let (one, other) = (Some((host(1), host(2))), Some((host(2), host(1))));
        let (next, back) = (Some((host(2), host(3))), Some((host(3), host(2))));
        let long = IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]);
        let usual = [[one, other, None, None], [one, other, next, back]];
        let rare = [
            [None; 4],
            [one, None, None, None],
            [one, next, None, None],
            [one, other, next, None],
            [one, other, None, next],
            [Some((long, host(1))), Some((host(1), long)), None, None],
        ];
        for (all, is_short) in [(&usual[..], true), (&rare[..], false)] {
            for ways in all {
                let packed = PackedWays::of(*ways);
                assert_eq!(packed.ways(), *ways);
                assert_eq!(matches!(packed, PackedWays::Back(..)), is_short, "{ways:?}");
            }
        }
        assert!(size_of::<PackedWays>() <= 24);
    }
}
