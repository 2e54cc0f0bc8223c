//! From when to when which media were agreed.

use crate::packet::Endpoint;
use crate::sdp::{Media, RtpMap};
use crate::signaling::exchange::{Exchange, Side};
use crate::time::Time;

/// The time in which one answer was in force on one hop.
#[derive(Clone, Debug)]
pub struct Period<'c> {
    /// The answer was seen.
    pub from: Time,
    /// The next answer, the end of the call, or of what the capture shows.
    pub until: Time,
    /// The exchange, by its place in the negotiation.
    pub exchange: usize,
    /// The answer, by its place in the exchange.
    pub answer: usize,
    /// Who made the offer.
    pub offerer: Side,
    /// The media of offer and answer side by side; what only one of them has is left out.
    pub lines: Vec<Line<'c>>,
}

/// One line of media, as both sides describe it.
#[derive(Clone, Copy, Debug)]
pub struct Line<'c> {
    /// Its place in the descriptions.
    pub index: usize,
    /// As the caller describes it.
    pub caller: Media<'c>,
    /// As the callee describes it.
    pub callee: Media<'c>,
    // What every question about media asks for, read once; the methods of the same name give it.
    is_rejected: bool,
    is_rtp: bool,
    is_muxed: bool,
    ends: [End; 2],
}

/// What one side of a line says of itself.
#[derive(Clone, Copy, Debug)]
struct End {
    rtp: Option<Endpoint>,
    sends: bool,
    receives: bool,
}

impl<'c> Period<'c> {
    /// The period of an answer of the exchange; none without an offer.
    pub(super) fn of(
        exchange: &Exchange<'c>,
        place: usize,
        answer: usize,
        until: Time,
    ) -> Option<Self> {
        let offer = exchange.offer.as_ref()?;
        let description = exchange.answers.get(answer)?;
        let pairs = offer.session.media.iter().zip(&description.session.media);
        let lines = pairs.enumerate().map(|(index, (offered, answered))| {
            let (caller, callee) = match exchange.offerer {
                Side::Caller => (*offered, *answered),
                Side::Callee => (*answered, *offered),
            };
            Line::new(index, caller, callee)
        });
        Some(Self {
            from: description.message.time,
            until: until.max(description.message.time),
            exchange: place,
            answer,
            offerer: exchange.offerer,
            lines: lines.collect(),
        })
    }

    /// The period lasts at `time`.
    pub fn covers(&self, time: Time) -> bool {
        self.from <= time && time < self.until
    }

    /// The first line of audio that was not rejected.
    pub fn audio(&self) -> Option<&Line<'c>> {
        self.lines.iter().find(|line| line.is("audio") && !line.is_rejected())
    }

    /// A fax was agreed on (T.38), which leaves the audio beside it silent.
    pub fn has_fax(&self) -> bool {
        self.lines.iter().any(|line| line.is("image") && !line.is_rejected())
    }

    /// Both sides want their media at the same places, in every line.
    pub fn has_endpoints_of(&self, other: &Period<'_>) -> bool {
        let ends = |line: &Line<'_>| (line.rtp(Side::Caller), line.rtp(Side::Callee));
        self.lines.iter().map(ends).eq(other.lines.iter().map(ends))
    }
}

impl End {
    fn of(media: &Media<'_>) -> Self {
        let direction = media.direction();
        let is_on_hold = media.connection.is_some_and(|connection| connection.is_unspecified());
        Self {
            rtp: media.rtp_endpoint().map(Into::into),
            sends: direction.sends(),
            receives: direction.receives() && !is_on_hold,
        }
    }
}

impl<'c> Line<'c> {
    fn new(index: usize, caller: Media<'c>, callee: Media<'c>) -> Self {
        let is_gone = |media: &Media<'_>| media.is_rejected() && !media.is_bundle_only();
        let is_rejected = is_gone(&caller) || is_gone(&callee);
        let ends = [End::of(&caller), End::of(&callee)];
        let has_ends = ends.iter().all(|end| end.rtp.is_some());
        Self {
            index,
            caller,
            callee,
            is_rejected,
            is_rtp: !is_rejected
                && has_ends
                && [&caller, &callee].iter().all(|own| own.is_rtp_in_datagrams()),
            is_muxed: caller.has_rtcp_mux() && callee.has_rtcp_mux(),
            ends,
        }
    }

    const fn end(&self, side: Side) -> &End {
        let [caller, callee] = &self.ends;
        match side {
            Side::Caller => caller,
            Side::Callee => callee,
        }
    }

    /// As one side describes it.
    pub const fn of(&self, side: Side) -> &Media<'c> {
        match side {
            Side::Caller => &self.caller,
            Side::Callee => &self.callee,
        }
    }

    /// The kind of media, in any case.
    pub fn is(&self, kind: &str) -> bool {
        self.caller.is(kind)
    }

    /// One side refuses it or has taken it away. A line that is only there to go along with another
    /// one has port 0 in the offer, and is no such (RFC 9143, section 6).
    pub const fn is_rejected(&self) -> bool {
        self.is_rejected
    }

    /// RTP may flow in datagrams: neither side refuses it, and both tell where.
    pub const fn is_rtp(&self) -> bool {
        self.is_rtp
    }

    /// The side may send: it says so, and the other one wants it and tells where.
    pub fn sends(&self, side: Side) -> bool {
        !self.is_rejected && self.end(side).sends && self.end(side.other()).receives
    }

    /// Where the side wants RTP to go.
    pub fn rtp(&self, side: Side) -> Option<Endpoint> {
        self.end(side).rtp
    }

    /// Both sides want RTP and RTCP on one port (RFC 5761, section 5.1.1).
    pub const fn is_muxed(&self) -> bool {
        self.is_muxed
    }

    /// Where the side wants RTCP to go.
    pub fn rtcp(&self, side: Side) -> Option<Endpoint> {
        if self.is_muxed() {
            return self.rtp(side);
        }
        self.of(side).rtcp_endpoint_alone().map(Into::into)
    }

    /// What the side wants to get under this payload type.
    pub fn codec(&self, side: Side, payload_type: u8) -> Option<RtpMap<'c>> {
        self.of(side)
            .codec(payload_type)
            .filter(|_| self.of(side).payload_types().any(|announced| announced == payload_type))
    }

    /// The real codecs that both sides have, as `side` numbers them, in its order.
    pub fn common_codecs(&self, side: Side) -> impl Iterator<Item = RtpMap<'c>> + use<'c> {
        let others: Vec<_> = self.of(side.other()).codecs().collect();
        let own = self.of(side).codecs().filter(RtpMap::is_real);
        own.filter(move |codec| others.iter().any(|other| other.is_same_codec(codec)))
    }
}
