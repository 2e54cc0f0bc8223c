//! One SIP message at one place of its way.

use std::cell::OnceCell;
use std::ops::Deref;

use crate::capture::FrameId;
use crate::packet::Endpoint;
use crate::sdp;
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
    audio_endpoint: OnceCell<Option<Endpoint>>,
}

impl<'c> Message<'c> {
    pub(crate) fn new(entry: &Entry, bytes: &'c [u8]) -> Self {
        let mut message = Self {
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
            audio_endpoint: OnceCell::new(),
            sip: sip::Message::unread(bytes),
        };
        message.read();
        message
    }

    fn read(&mut self) {
        self.anomalies = self.sip.read();
        let (cseq_method, cseq) = self.sip.cseq_parts();
        self.method = match self.sip.start() {
            Start::Request { method, .. } => method,
            Start::Response { .. } | Start::Invalid(_) => cseq_method.unwrap_or(Method::Other(&[])),
        };
        self.status = self.sip.status();
        self.cseq = cseq;
        self.branch = self.sip.branch();
        self.from_tag = self.sip.from_tag();
        self.to_tag = self.sip.to_tag();
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

    /// Where its SDP wants audio to go.
    pub fn audio_endpoint(&self) -> Option<Endpoint> {
        *self.audio_endpoint.get_or_init(|| {
            let (session, _) = sdp::Session::parse(self.sdp()?);
            let address = session.audio()?.rtp_endpoint()?;
            Some(Endpoint { address: address.ip(), port: address.port() })
        })
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
