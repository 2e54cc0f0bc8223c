//! The audio of a call before its answer: who was to send from where, and who did.

use crate::media::{Media, Stream};
use crate::packet::Endpoint;
use crate::signaling::{Message, Transaction};
use crate::time::{Span, Time};

/// The two ends of audio that an INVITE and a response to it agreed on.
#[derive(Clone, Copy, Debug)]
pub struct MediaPair {
    /// Where the caller takes audio; `None` where the INVITE made no offer.
    pub caller: Option<Endpoint>,
    /// Where the callee takes audio, and usually sends it from.
    pub callee: Endpoint,
}

impl MediaPair {
    /// The ends that an INVITE and a response of the same hop name; `None` where the response has
    /// no audio.
    pub fn of(hop: &Transaction<'_>, response: &Message<'_>) -> Option<Self> {
        let callee = response.audio_endpoint()?;
        Some(Self { caller: hop.request.and_then(Message::audio_endpoint), callee })
    }

    /// How long audio of the callee went to the caller between the two moments; `None` if it did
    /// not at all.
    pub fn from_callee(self, media: Media<'_>, from: Time, to: Time) -> Option<Span> {
        self.of_callee(media).into_iter().filter_map(|stream| stream.active_for(from, to)).max()
    }

    /// How long audio of the caller went to the callee between the two moments; `None` if it did
    /// not at all.
    pub fn from_caller(self, media: Media<'_>, from: Time, to: Time) -> Option<Span> {
        let sent = self.of_caller(media);
        sent.filter_map(|stream| stream.active_for(from, to)).max()
    }

    /// When the last audio of the callee went to the caller between the two moments.
    pub fn last_from_callee(self, media: Media<'_>, from: Time, to: Time) -> Option<Time> {
        self.of_callee(media).into_iter().filter_map(|stream| stream.last_between(from, to)).max()
    }

    /// When the last audio of the caller went to the callee between the two moments.
    pub fn last_from_caller(self, media: Media<'_>, from: Time, to: Time) -> Option<Time> {
        self.of_caller(media).filter_map(|stream| stream.last_between(from, to)).max()
    }

    /// Audio from the callee to the caller is in the capture at some time, so it could be seen at
    /// any time.
    pub fn shows_callee(self, media: Media<'_>) -> bool {
        !self.of_callee(media).is_empty()
    }

    /// Audio from the caller to the callee is in the capture at some time.
    pub fn shows_caller(self, media: Media<'_>) -> bool {
        self.of_caller(media).next().is_some()
    }

    fn of_caller(self, media: Media<'_>) -> impl Iterator<Item = &Stream> {
        let to_callee = media.at(self.callee).filter(move |s| s.destination == self.callee);
        let from_caller = self
            .caller
            .into_iter()
            .flat_map(move |caller| media.at(caller).filter(move |stream| stream.source == caller));
        to_callee.chain(from_caller)
    }

    /// Behind a NAT the real end differs from that in the SDP: it is where the other side sends to,
    /// or gets audio from.
    fn of_callee(self, media: Media<'_>) -> Vec<&Stream> {
        let callees = self.of_caller(media).map(|stream| stream.destination).chain([self.callee]);
        let callers = self.of_caller(media).map(|stream| stream.source).chain(self.caller);
        let sent = callees.flat_map(|end| media.at(end).filter(move |s| s.source == end));
        let taken = callers.flat_map(|end| media.at(end).filter(move |s| s.destination == end));
        sent.chain(taken).collect()
    }
}
