//! One SIP message at one place of its way.

use std::ops::Deref;
use std::rc::Rc;

use crate::capture::FrameId;
use crate::packet::Endpoint;
use crate::sdp::{self, Session};
use crate::signaling::lately::Lately;
use crate::signaling::log::Entry;
use crate::sip::{self, Anomalies, CSeq, Method, Start, Status};
use crate::time::Time;
use crate::transport::Transport;

/// A parsed message with the frame that completed it; derefs to [`sip::Message`].
#[derive(Debug)]
pub struct Message<'c> {
    /// The frame that completed it.
    pub frame: FrameId,
    /// When that frame was captured.
    pub time: Time,
    /// The sender.
    pub source: Endpoint,
    /// The receiver.
    pub destination: Endpoint,
    /// What carried it.
    pub transport: Transport,
    /// Identification of the IPv4 header, 0 where there is none.
    pub ip_id: u16,
    /// Bytes of it are missing from the capture.
    pub is_cut: bool,
    /// It came in several IP fragments.
    pub is_fragmented: bool,
    /// What is wrong with its lines; values are not looked into.
    pub anomalies: Anomalies,
    sip: sip::Message<'c>,
    // What every question about a call asks for, read once; the methods of the same name give it.
    method: Method<'c>,
    status: Option<Status>,
    cseq: Option<CSeq<'c>>,
    branch: Option<&'c [u8]>,
    from_tag: Option<&'c [u8]>,
    to_tag: Option<&'c [u8]>,
    described: Described<'c>,
}

/// The session description of a message.
#[derive(Debug)]
pub(super) enum Described<'c> {
    /// There is none.
    No,
    /// Read once, for this message and those after it that say the same.
    Read(Rc<Session<'c>>, sdp::Anomalies),
    /// To be read whenever it is asked for: it is large, or the call has very many.
    Unread,
}

impl<'c> Message<'c> {
    /// A message that nothing is known of but its bytes and where they come from.
    #[inline]
    pub(super) fn unread(entry: &Entry, bytes: &'c [u8]) -> Self {
        Self {
            frame: entry.frame,
            time: entry.time,
            source: entry.source,
            destination: entry.destination,
            transport: entry.transport,
            ip_id: entry.ip_id,
            is_cut: entry.is_cut,
            is_fragmented: entry.is_fragmented,
            anomalies: Anomalies::NONE,
            method: Method::Other(&[]),
            status: None,
            cseq: None,
            branch: None,
            from_tag: None,
            to_tag: None,
            described: Described::No,
            sip: sip::Message::unread(bytes),
        }
    }

    /// Reads a message that is [`Message::unread`]; those of the call before it have said the rest
    /// `lately`.
    pub(super) fn read(&mut self, lately: &mut Lately<'c>) {
        self.anomalies = self.sip.read();
        let (cseq_method, cseq) = lately.cseq(&self.sip);
        self.method = match self.sip.start() {
            Start::Request { method, .. } => method,
            Start::Response { .. } | Start::Invalid(_) => cseq_method.unwrap_or(Method::Other(&[])),
        };
        self.status = self.sip.status();
        self.cseq = cseq;
        self.branch = lately.branch(&self.sip);
        self.from_tag = lately.tag_of_from(&self.sip);
        self.to_tag = lately.tag_of_to(&self.sip);
        self.described = lately.described(&self.sip);
    }

    /// The method of the request, of a response that in `CSeq`.
    pub const fn method(&self) -> Method<'c> {
        self.method
    }

    /// The status of a response.
    pub const fn status(&self) -> Option<Status> {
        self.status
    }

    /// `CSeq`, if it can be read.
    pub const fn cseq(&self) -> Option<CSeq<'c>> {
        self.cseq
    }

    /// The branch of the top Via.
    pub const fn branch(&self) -> Option<&'c [u8]> {
        self.branch
    }

    /// The tag of `From`.
    pub const fn from_tag(&self) -> Option<&'c [u8]> {
        self.from_tag
    }

    /// The tag of `To`.
    pub const fn to_tag(&self) -> Option<&'c [u8]> {
        self.to_tag
    }

    /// The first SDP in the body, as [`sip::Message::sdp`] finds it.
    pub fn sdp(&self) -> Option<&'c [u8]> {
        match &self.described {
            Described::No => None,
            Described::Read(session, _) => Some(session.bytes()),
            Described::Unread => self.sip.sdp(),
        }
    }

    #[cfg(test)]
    pub(super) const fn described(&self) -> &Described<'c> {
        &self.described
    }

    /// What its SDP says, and what is wrong with that.
    pub fn session(&self) -> Option<(Rc<Session<'c>>, sdp::Anomalies)> {
        match &self.described {
            Described::No => None,
            Described::Read(session, anomalies) => Some((Rc::clone(session), *anomalies)),
            Described::Unread => {
                let (session, anomalies) = Session::parse(self.sip.sdp()?);
                Some((Rc::new(session), anomalies))
            }
        }
    }

    /// Where its SDP wants audio to go.
    pub fn audio_endpoint(&self) -> Option<Endpoint> {
        let (session, _) = self.session()?;
        let address = session.audio()?.rtp_endpoint()?;
        Some(Endpoint { address: address.ip(), port: address.port() })
    }

    /// The two responses may come from one fork: they have the same To-tag, or one has none.
    pub fn shares_fork(&self, other: &Self) -> bool {
        match (self.to_tag, other.to_tag) {
            (Some(own), Some(others)) => own == others,
            (None, _) | (_, None) => true,
        }
    }

    /// The message went from `source` to `destination`, whatever the ports.
    pub fn went(&self, source: Endpoint, destination: Endpoint) -> bool {
        self.source.address == source.address && self.destination.address == destination.address
    }
}

impl<'c> Deref for Message<'c> {
    type Target = sip::Message<'c>;

    fn deref(&self) -> &sip::Message<'c> {
        &self.sip
    }
}
