//! The frames of chosen calls, and nothing of other calls.
//!
//! A first pass learns what only the end of a message tells: which fragments and segments it lies
//! in. A second one gives the frames, in order. Bytes of others in a TCP segment become line ends,
//! which are keep-alives between messages (RFC 3261, section 7.5), so that numbers and lengths
//! stay. A message that does not lie in the frames as it is comes by itself. Knows nothing of
//! files and formats.

mod claims;
mod cut;
mod plan;

use std::borrow::Cow;
use std::ops::ControlFlow;

use crate::capture::{FrameId, LinkType, Source};
use crate::limits::EXCERPT_MESSAGES_MAX;
use crate::media::RtpFlow;
use crate::packet::{Endpoint, Packet, Piece, Segment};
use crate::pipeline::origin::{Event, Origin, Seen, origins};
use crate::pipeline::{Error, Progress};
use crate::sip;
use crate::time::Time;
use crate::transport::{KeyLog, Transport, message_in_datagram};

use claims::Claims;
use plan::Plan;

/// Calls whose frames are wanted together.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Their Call-IDs, as reports show them. A Call-ID is in one group only.
    pub calls: Vec<String>,
    /// Their RTP streams.
    pub streams: Vec<Stretch>,
    /// Frames that prove a finding on them. An ICMP error or the end of a connection is wanted if
    /// it is one of them.
    pub evidence: Vec<FrameId>,
    /// The time of their last message.
    pub until: Time,
}

/// An RTP stream from its first packet to its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The stream.
    pub flow: RtpFlow,
    /// The time of the first packet.
    pub from: Time,
    /// The time of the last packet.
    pub until: Time,
}

/// What is wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The groups; what is given out is given with the place of its group.
    pub groups: Vec<Group>,
    /// What goes between media ports as well: RTP, RTCP, STUN, DTLS, T.38.
    pub media: bool,
}

/// What belongs to a group.
#[derive(Debug)]
pub struct Kept<'k> {
    /// The frame; of a message the one that completed it.
    pub frame: FrameId,
    /// When that was captured.
    pub time: Time,
    /// What it is.
    pub content: Content<'k>,
}

/// A frame, or a message that lies in none as it is.
#[derive(Debug)]
pub enum Content<'k> {
    /// A frame.
    Frame {
        /// Its interface, as a place in the description of its capture.
        interface: u16,
        /// What its first header is.
        link: LinkType,
        /// Its bytes.
        data: Cow<'k, [u8]>,
        /// Its length on the wire.
        original_length: u32,
        /// It has line ends in the place of others' bytes.
        is_cut: bool,
    },
    /// A message that was encrypted, compressed, or inside WebSocket, HEP or SCTP with others.
    Message {
        /// The sender.
        source: Endpoint,
        /// The receiver.
        destination: Endpoint,
        /// What carried it.
        transport: Transport,
        /// Its bytes.
        bytes: &'k [u8],
    },
}

/// Takes what belongs to a group.
type Take<'t> = dyn FnMut(usize, Kept<'_>) -> ControlFlow<()> + 't;

/// Gives what is wanted of the captures, in order of the frames, until `take` wants no more.
/// `sources` opens the captures; it is asked twice.
///
/// # Errors
///
/// When an input cannot be read, or `take` wants no more.
pub fn excerpt(
    sources: &dyn Fn() -> Result<Vec<Source>, Error>,
    wanted: &Wanted,
    keys: &KeyLog,
    progress: &Progress<'_>,
    take: &mut Take<'_>,
) -> Result<(), Error> {
    let mut learner = Learner::new(wanted);
    origins(sources()?, keys, progress, &mut |event| {
        learner.learn(&event);
        ControlFlow::Continue(())
    })?;
    let Learner { claims, plan, .. } = learner;
    let mut latest = None;
    origins(sources()?, keys, progress, &mut |event| match event {
        Event::Message(origin) => {
            let Some(group) = claims.group_of(origin.bytes) else {
                return ControlFlow::Continue(());
            };
            match Way::of(&origin) {
                Way::Datagram => latest = Some((origin.frame, group)),
                Way::Stream(_) if plan.has(origin.message) => {}
                Way::Stream(_) | Way::Alone => return take(group, alone(&origin)),
            }
            ControlFlow::Continue(())
        }
        Event::Packet(seen) if seen.whole.is_none() => {
            let own = latest.take().filter(|(frame, _)| *frame == seen.frame.id);
            Keeper { claims: &claims, plan: &plan }.give(&seen, own.map(|(_, group)| group), take)
        }
        Event::Packet(_) | Event::Again { .. } => ControlFlow::Continue(()),
    })
}

/// How a message lies in the frames.
enum Way {
    /// It has its frames for itself.
    Datagram,
    /// With others in the segments of this connection, as it is.
    Stream(FrameId),
    /// Not as it is.
    Alone,
}

impl Way {
    fn of(origin: &Origin<'_>) -> Self {
        match origin.connection {
            None if origin.transport == Transport::Sctp => Self::Alone,
            None => Self::Datagram,
            Some(connection) => {
                let is_plain = origin.transport == Transport::Tcp
                    && origin.unit.is_empty()
                    && !origin.is_fragmented
                    && origin.is_in_frames();
                if is_plain { Self::Stream(connection) } else { Self::Alone }
            }
        }
    }
}

fn alone<'k>(origin: &Origin<'k>) -> Kept<'k> {
    let Origin { frame, time, source, destination, transport, bytes, .. } = *origin;
    let content = Content::Message { source, destination, transport, bytes };
    Kept { frame, time, content }
}

/// The first pass.
struct Learner {
    claims: Claims,
    plan: Plan,
    /// The latest message that was a datagram: its frame and group.
    latest: Option<(FrameId, usize)>,
}

impl Learner {
    fn new(wanted: &Wanted) -> Self {
        let plan = Plan::with_room_for(EXCERPT_MESSAGES_MAX);
        Self { claims: Claims::new(wanted), plan, latest: None }
    }

    fn learn(&mut self, event: &Event<'_>) {
        match event {
            Event::Message(origin) => {
                let Some(group) = self.claims.group_of(origin.bytes) else { return };
                self.claims.announce(group, origin);
                match Way::of(origin) {
                    Way::Datagram => {
                        self.claims.signal(group, origin);
                        self.latest = Some((origin.frame, group));
                    }
                    Way::Stream(connection) => self.plan.message(connection, group, origin),
                    Way::Alone => {}
                }
            }
            Event::Again { message, pieces } => self.plan.again(*message, pieces),
            Event::Packet(seen) => self.packet(seen),
        }
    }

    fn packet(&mut self, seen: &Seen<'_>) {
        let own = self.latest.take_if(|(frame, _)| *frame == seen.frame.id);
        match (seen.packet, seen.whole) {
            (Packet::Fragment(fragment), None) => {
                self.latest = own;
                if fragment.offset == 0 {
                    let group = plan::beginning(&fragment).and_then(|m| self.claims.group_of(m));
                    self.plan.beginning(&fragment, group, &seen.frame);
                }
            }
            (Packet::Tcp(segment), whole) => {
                let Some(connection) = seen.connection else { return };
                if whole.is_none() && !segment.payload.is_empty() {
                    self.plan.has_payload(connection, seen.frame.id);
                }
                if segment.payload.is_empty() {
                    for group in self.claims.evidence_of(seen.frame.id) {
                        self.plan.control(connection, *group);
                    }
                }
            }
            (packet, Some(whole)) => {
                if let Packet::Icmp { path, message } = packet {
                    self.claims.quote(seen.frame.id, path, message);
                }
                let groups = self.claims.groups_of(seen, own.map(|(_, group)| group));
                self.plan.whole(&whole.frames, &groups);
            }
            (Packet::Icmp { path, message }, None) => {
                self.claims.quote(seen.frame.id, path, message);
            }
            (_, None) => {}
        }
    }
}

/// The second pass.
#[derive(Clone, Copy)]
struct Keeper<'p> {
    claims: &'p Claims,
    plan: &'p Plan,
}

impl Keeper<'_> {
    /// Gives a frame to each group that it belongs to.
    fn give(self, seen: &Seen<'_>, own: Option<usize>, take: &mut Take<'_>) -> ControlFlow<()> {
        let mut groups: Vec<usize> = self.plan.groups_of(seen.frame.id).to_vec();
        match seen.packet {
            Packet::Fragment(fragment) => {
                groups.extend(self.plan.lost(&fragment, seen.frame.time));
            }
            Packet::Tcp(segment) => self.give_segment(seen, &segment, take)?,
            _ => groups.extend(self.claims.groups_of(seen, own)),
        }
        groups.sort_unstable();
        groups.dedup();
        groups.into_iter().try_for_each(|group| {
            let data = self.without_second(seen, group).unwrap_or(Cow::Borrowed(seen.frame.data));
            take(group, kept(seen, data))
        })
    }

    /// The frame without a message of others that follows the first one in a datagram, if one
    /// does. Nobody reads it (RFC 3261, section 18.3), but it can be seen.
    fn without_second<'k>(self, seen: &Seen<'k>, group: usize) -> Option<Cow<'k, [u8]>> {
        let Packet::Udp { path, payload, .. } = seen.packet else { return None };
        let trailing = sip::Message::lex(message_in_datagram(payload)?).0.trailing();
        let second = message_in_datagram(trailing)?;
        if self.claims.group_of(second) == Some(group) {
            return None;
        }
        let piece = Piece::of(&seen.frame, payload)?;
        let own = piece.offset..piece.offset + (payload.len() - trailing.len());
        let checksum = cut::checksum_of_udp(seen.frame.data, path, piece);
        Some(cut::cut(seen.frame.data, checksum, piece, std::slice::from_ref(&own)))
    }

    fn give_segment(
        self,
        seen: &Seen<'_>,
        segment: &Segment<'_>,
        take: &mut Take<'_>,
    ) -> ControlFlow<()> {
        let frame = &seen.frame;
        for window in self.plan.windows(seen.connection) {
            if !window.has(frame, segment) {
                continue;
            }
            let data = match segment.payload.is_empty() {
                true => Cow::Borrowed(frame.data),
                false => {
                    let (Some(header), Some(payload)) =
                        (Piece::of(frame, segment.header), Piece::of(frame, segment.payload))
                    else {
                        continue;
                    };
                    let ranges = self.plan.ranges(frame.id, window.group);
                    let checksum = cut::checksum_of_tcp(header.offset);
                    cut::cut(frame.data, Some(checksum), payload, &ranges)
                }
            };
            take(window.group, kept(seen, data))?;
        }
        ControlFlow::Continue(())
    }
}

fn kept<'k>(seen: &Seen<'k>, data: Cow<'k, [u8]>) -> Kept<'k> {
    let Seen { frame, interface, .. } = seen;
    let (link, original_length) = (frame.link, frame.original_length);
    // Nothing before this changes a frame in another way.
    let is_cut = matches!(data, Cow::Owned(_));
    let data = cut::without_trailer(link, data);
    let content = Content::Frame { interface: *interface, link, data, original_length, is_cut };
    Kept { frame: frame.id, time: frame.time, content }
}
