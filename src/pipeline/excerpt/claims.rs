//! Which packet belongs to which group: by Call-ID, by RTP stream, by media port, by what an ICMP
//! error quotes.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;
use rustc_hash::FxHashMap;

use crate::bytes::printable;
use crate::capture::FrameId;
use crate::media::RtpFlow;
use crate::packet::{Endpoint, IcmpError, Packet, Path};
use crate::pipeline::excerpt::Wanted;
use crate::pipeline::origin::{Origin, Seen};
use crate::rtp;
use crate::sdp::Session;
use crate::sip;
use crate::time::{Span, Time};
use crate::transport::message_in_datagram;

const UDP: u8 = 17;

/// How long before and after a stream its ports have to do with it.
const AROUND: Span = Span::from_secs(10);

/// How long after a call its media may go on.
const AFTER: Span = Span::from_secs(5);

/// How long after a message an ICMP error may come that is about it: as long as it is sent again.
const ABOUT: Span = Span::from_secs(32);

/// Bytes of the beginning of a message by which a quote is known: the branch is among them.
const QUOTED_MAX: usize = 256;

/// Messages of one way that an ICMP error may be about, the latest ones.
const BEGUN_MAX: usize = 4;

/// Beginnings of messages with their groups, the latest first.
type Begun = VecDeque<(usize, Box<[u8]>)>;

type Map<K, V> = HashMap<K, V, RandomState>;

/// For which time something belongs to a group.
#[derive(Clone, Copy, Debug)]
struct Claim {
    group: usize,
    from: Time,
    until: Time,
}

impl Claim {
    fn is_at(&self, time: Time) -> bool {
        (self.from..=self.until).contains(&time)
    }
}

/// What belongs to whom.
#[derive(Debug, Default)]
pub(super) struct Claims {
    calls: Map<String, usize>,
    /// The times of the last messages.
    ends: Vec<Time>,
    flows: Map<RtpFlow, Vec<Claim>>,
    /// Between whom media go, the lower endpoint first.
    pairs: Map<(Endpoint, Endpoint), Vec<Claim>>,
    /// Where media are to go, by SDP.
    announced: Map<Endpoint, Vec<Claim>>,
    /// From where to where messages were sent in datagrams.
    signalled: Map<(Endpoint, Endpoint), Vec<Claim>>,
    evidence: FxHashMap<FrameId, Vec<usize>>,
    /// How the latest messages on each way began that were sent in datagrams.
    begun: Map<(Endpoint, Endpoint), Begun>,
    /// ICMP errors that quote the beginning of a wanted message, without its Call-ID.
    quoted: FxHashMap<FrameId, usize>,
    media: bool,
}

impl Claims {
    pub(super) fn new(wanted: &Wanted) -> Self {
        let mut claims = Self { media: wanted.media, ..Self::default() };
        for (group, place) in wanted.groups.iter().zip(0..) {
            claims.calls.extend(group.calls.iter().map(|call| (call.clone(), place)));
            claims.ends.push(group.until);
            for frame in &group.evidence {
                claims.evidence.entry(*frame).or_default().push(place);
            }
            if !wanted.media {
                continue;
            }
            for stream in &group.streams {
                let claim = Claim { group: place, from: stream.from, until: stream.until };
                claims.flows.entry(stream.flow).or_default().push(claim);
                let (from, until) = (claim.from - AROUND, claim.until + AROUND);
                let RtpFlow { source, destination, .. } = stream.flow;
                for step in [0, 1] {
                    let ends = [source, destination].map(|end| beside(end, step));
                    let pair = claims.pairs.entry(ordered(ends)).or_default();
                    pair.push(Claim { from, until, ..claim });
                }
            }
        }
        claims
    }

    /// The group that wants a message.
    pub(super) fn group_of(&self, message: &[u8]) -> Option<usize> {
        let call_id = sip::head(message)?.call_id?;
        self.calls.get(printable(call_id).as_ref()).copied()
    }

    /// The groups that a frame proves something for.
    pub(super) fn evidence_of(&self, frame: FrameId) -> &[usize] {
        self.evidence.get(&frame).map(Vec::as_slice).unwrap_or_default()
    }

    /// A wanted message was sent in a datagram.
    pub(super) fn signal(&mut self, group: usize, origin: &Origin<'_>) {
        let sent = self.signalled.entry((origin.source, origin.destination)).or_default();
        let until = origin.time + ABOUT;
        match sent.iter_mut().find(|claim| claim.group == group) {
            Some(claim) => claim.until = claim.until.max(until),
            None => sent.push(Claim { group, from: origin.time, until }),
        }
        let begun = self.begun.entry((origin.source, origin.destination)).or_default();
        let beginning = origin.bytes.get(..QUOTED_MAX).unwrap_or(origin.bytes);
        if begun.iter().all(|(_, known)| **known != *beginning) {
            begun.truncate(BEGUN_MAX - 1);
            begun.push_front((group, beginning.into()));
        }
    }

    /// An ICMP error may quote a message, but not its Call-ID: then it must be the beginning of a
    /// wanted one, as others are sent the same way.
    pub(super) fn quote(&mut self, frame: FrameId, path: Path, message: &[u8]) {
        let Some(error) = IcmpError::parse(path, message).filter(|own| own.protocol == UDP) else {
            return;
        };
        let Some(quote) = message_in_datagram(error.payload()) else { return };
        if sip::head(quote).is_some_and(|head| head.call_id.is_some()) {
            return;
        }
        let way = (error.path.source, error.path.destination);
        let begun = self.begun.get(&way).into_iter().flatten();
        let quote = quote.get(..QUOTED_MAX).unwrap_or(quote);
        if let Some((group, _)) = begun.into_iter().find(|(_, known)| known.starts_with(quote)) {
            self.quoted.insert(frame, *group);
        }
    }

    /// A wanted message may say where media are to go.
    pub(super) fn announce(&mut self, group: usize, origin: &Origin<'_>) {
        if !self.media {
            return;
        }
        let message = sip::Message::lex(origin.bytes).0;
        let Some(sdp) = message.sdp() else { return };
        let until = self.ends.get(group).copied().unwrap_or(origin.time) + AFTER;
        let claim = Claim { group, from: origin.time, until };
        for media in &Session::parse(sdp).0.media {
            for end in media.rtp_endpoint().into_iter().chain(media.rtcp_endpoint()) {
                let known = self.announced.entry(end.into()).or_default();
                if !end.ip().is_unspecified() && known.iter().all(|known| known.group != group) {
                    known.push(claim);
                }
            }
        }
    }

    /// The groups that a packet belongs to, other than a segment; `own` is that of a message that
    /// it brings.
    pub(super) fn groups_of(&self, seen: &Seen<'_>, own: Option<usize>) -> Vec<usize> {
        let time = seen.frame.time;
        let mut groups: Vec<usize> = match seen.packet {
            Packet::Udp { payload, .. } | Packet::Message { payload, .. }
                if message_in_datagram(payload).is_some() =>
            {
                own.into_iter().collect()
            }
            Packet::Udp { path, payload, .. } => {
                self.media((path.source, path.destination), payload, time)
            }
            Packet::Icmp { path, message } => {
                let mut groups = self.evidence_of(seen.frame.id).to_vec();
                if let Some(error) = IcmpError::parse(path, message) {
                    groups.extend(self.about(&error, seen.frame.id, time));
                }
                groups
            }
            _ => Vec::new(),
        };
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    /// Whose media a datagram is.
    fn media(&self, ends: (Endpoint, Endpoint), payload: &[u8], time: Time) -> Vec<usize> {
        let (source, destination) = ends;
        if let Some(header) = rtp::Header::parse(payload) {
            let flow = RtpFlow { source, destination, ssrc: header.ssrc };
            return at(self.flows.get(&flow), time);
        }
        let mut groups = at(self.pairs.get(&ordered([source, destination])), time);
        let [sent, received] = [source, destination].map(|end| at(self.announced.get(&end), time));
        match rtp::Kind::of(payload) {
            // It may be anything, unless both ends agreed on it.
            rtp::Kind::Other => groups.extend(sent.iter().filter(|own| received.contains(own))),
            _ => groups.extend(sent.iter().chain(&received)),
        }
        groups
    }

    /// Whose packet an error is about.
    fn about(&self, error: &IcmpError<'_>, frame: FrameId, time: Time) -> Vec<usize> {
        let (source, destination) = (error.path.source, error.path.destination);
        let payload = error.payload();
        match error.protocol {
            UDP if !payload.is_empty() => match message_in_datagram(payload) {
                Some(message) => match sip::head(message).and_then(|head| head.call_id) {
                    Some(_) => self.group_of(message).into_iter().collect(),
                    // The quote ends before the Call-ID.
                    None => self.quoted.get(&frame).copied().into_iter().collect(),
                },
                None => self.media((source, destination), payload, time),
            },
            UDP => {
                let mut groups = at(self.signalled.get(&(source, destination)), time);
                groups.extend(at(self.pairs.get(&ordered([source, destination])), time));
                groups
            }
            // That a connection could not be opened is evidence.
            _ => Vec::new(),
        }
    }
}

/// The groups that claim something at that time.
fn at(claims: Option<&Vec<Claim>>, time: Time) -> Vec<usize> {
    let claims = claims.map(Vec::as_slice).unwrap_or_default();
    claims.iter().filter(|claim| claim.is_at(time)).map(|claim| claim.group).collect()
}

/// The port for RTCP where that is not the port of RTP.
fn beside(end: Endpoint, step: u16) -> Endpoint {
    Endpoint { port: end.port.saturating_add(step), ..end }
}

fn ordered([a, b]: [Endpoint; 2]) -> (Endpoint, Endpoint) {
    if a <= b { (a, b) } else { (b, a) }
}
