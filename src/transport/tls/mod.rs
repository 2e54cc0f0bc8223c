//! TLS connections: opened where their keys are known, counted where they are not (RFC 5246, RFC
//! 8446).
//!
//! Records without keys are passed over by their headers and are not kept. What comes out of the
//! others is read like any other stream. Renegotiation is not followed.

// A build that opens nothing still tells what it could open.
#![cfg_attr(not(feature = "tls"), allow(dead_code))]

mod course;
mod hello;
mod keylog;
#[cfg(feature = "tls")]
mod opener;
#[cfg(not(feature = "tls"))]
#[path = "no_opener.rs"]
mod opener;
mod record;
mod suite;

use crate::capture::FrameId;
use crate::time::Time;
use crate::transport::conversation::{Conversation, Sink};
use crate::transport::handshake::{Attempt, Outcome};
use crate::transport::tcp::Seen;

use course::{Course, SEALED_ALERT_BYTES};
use hello::{ClientHello, Hello, ServerHello, TLS_1_3};
use keylog::Label;
use opener::Opener;
use record::{ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, HEADER, Record};
use suite::Suite;

pub use course::Alert;
pub(in crate::transport) use course::{Place, Sealed};
pub use keylog::KeyLog;
pub(super) use record::{alert, begins, may_begin};

/// Bytes of a handshake message that is read.
const HELLO_BYTES_MAX: usize = 64 << 10;

/// One connection.
#[derive(Debug)]
pub(super) struct Session {
    sides: [Side; 2],
    client: Option<(usize, ClientHello)>,
    /// Where its hello was seen.
    asked: Option<Place>,
    server: Option<ServerHello>,
    /// The server has asked for another ClientHello, which there is in TLS 1.3 only.
    has_retried: bool,
    course: Course,
    inside: Conversation,
    has_opened: bool,
    traffic: Traffic,
}

/// What went over a connection that nothing was opened of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Traffic {
    pub(super) records: u64,
    pub(super) bytes: u64,
    /// Where it was first seen.
    pub(super) first: (FrameId, Time),
}

#[derive(Debug, Default)]
struct Side {
    /// The beginning of a record that is wanted as a whole.
    unread: Vec<u8>,
    /// Bytes of a record that is not wanted.
    skip: usize,
    /// Where the next record begins is not known.
    is_lost: bool,
    /// Bytes of the hello that have come, until it is known.
    handshake: Vec<u8>,
    has_hello: bool,
    /// ChangeCipherSpec was seen.
    has_changed: bool,
    /// Records after it.
    changed_records: u64,
    /// Records of application data.
    data_records: u64,
    opener: Option<Opener>,
    /// The keys did not open anything.
    has_failed: bool,
}

impl Session {
    /// A connection whose first bytes were seen there.
    pub(super) fn new(seen: Seen) -> Self {
        Self {
            sides: Default::default(),
            client: None,
            asked: None,
            server: None,
            has_retried: false,
            course: Course::default(),
            inside: Conversation::inside_tls(),
            has_opened: false,
            traffic: Traffic { records: 0, bytes: 0, first: (seen.frame, seen.time) },
        }
    }

    /// Bytes that are kept.
    pub(super) fn held(&self) -> usize {
        let sides = self.sides.iter();
        let own: usize = sides.map(|side| side.unread.capacity() + side.handshake.capacity()).sum();
        own + self.inside.held()
    }

    /// What could be read of this side is SIP.
    pub(super) fn is_sip(&self, side: usize) -> bool {
        self.inside.is_sip(side)
    }

    /// The bytes of this side are wanted in order.
    pub(super) fn is_patient(&self, side: usize) -> bool {
        let is_early = |side: &Side| !side.has_hello && !side.is_lost && side.data_records == 0;
        self.is_followed()
            || self.sides.get(side).is_some_and(|side| side.opener.is_some() || is_early(side))
    }

    /// The handshake has begun, and may still fail.
    fn is_followed(&self) -> bool {
        self.client().is_some_and(|client| !self.course.is_complete(client, self.is_1_3()))
            && !self.course.has_gaps
            && self.course.plain.is_none()
    }

    /// What went over it, if nothing of it was opened.
    pub(super) fn unopened(&self) -> Option<Traffic> {
        (!self.has_opened && self.traffic.records > 0).then_some(self.traffic)
    }

    /// Which side is the client, if its hello was seen.
    pub(super) fn client(&self) -> Option<usize> {
        self.client.as_ref().map(|(side, _)| *side)
    }

    /// Both sides agreed to speak SIP, or one offered it, or asked for it by name.
    pub(super) fn names_sip(&self) -> bool {
        self.client.as_ref().is_some_and(|(_, hello)| hello.offers_sip)
            || self.server.as_ref().is_some_and(|hello| hello.chose_sip)
    }

    /// The name that the client asked for.
    pub(super) fn server_name(&self) -> Option<&[u8]> {
        self.client.as_ref()?.1.server_name.as_deref()
    }

    /// What became of the handshake, if its beginning was seen.
    pub(super) fn handshake(&self) -> Option<Attempt> {
        let ((client, hello), asked) = (self.client.as_ref()?, self.asked?);
        Some(Attempt {
            client: *client,
            asked,
            offered: hello.version,
            chosen: self.server.as_ref().map(|hello| hello.version),
            names_sip: self.names_sip(),
            server_name: self.server_name().map(<[u8]>::to_vec),
            outcome: self.outcome(*client),
        })
    }

    fn outcome(&self, client: usize) -> Outcome {
        let course = &self.course;
        let sealed = if self.is_1_3() { course.sealed_alert(client) } else { None };
        match (course.alert, sealed, course.plain) {
            (Some((side, alert, at)), ..) if alert.is_fatal => Outcome::Alert(side, alert, at),
            _ if course.has_gaps => Outcome::Unknown,
            (_, Some(sealed), _) => Outcome::Sealed(sealed),
            (.., Some((side, at))) if side != client => Outcome::Plain(side, at),
            _ if course.is_complete(client, self.is_1_3()) => Outcome::Completed,
            (Some((side, alert, at)), ..) => Outcome::Alert(side, alert, at),
            _ if course.is_silent(client ^ 1) => Outcome::Silent,
            _ => Outcome::Open,
        }
    }

    /// Takes the next bytes of one side.
    pub(super) fn take(&mut self, side: usize, bytes: &[u8], seen: Seen, sink: &mut Sink<'_, '_>) {
        self.traffic.bytes = self.traffic.bytes.saturating_add(bytes.len() as u64);
        let Some(own) = self.sides.get_mut(side) else { return };
        let passed = own.skip.min(bytes.len());
        own.skip -= passed;
        let bytes = bytes.get(passed..).unwrap_or_default();
        if bytes.is_empty() {
            return;
        }
        let mut joined = std::mem::take(&mut own.unread);
        if joined.is_empty() {
            let used = self.read(side, bytes, seen, sink);
            joined.extend_from_slice(bytes.get(used..).unwrap_or_default());
        } else {
            joined.extend_from_slice(bytes);
            let used = self.read(side, &joined, seen, sink);
            joined.drain(..used.min(joined.len()));
        }
        if let Some(own) = self.sides.get_mut(side).filter(|_| !joined.is_empty()) {
            own.unread = joined;
        }
    }

    /// So many bytes of one side were not captured.
    pub(super) fn lose(&mut self, side: usize, bytes: u32, sink: &mut Sink<'_, '_>) {
        let Some(own) = self.sides.get_mut(side) else { return };
        self.course.has_gaps = true;
        let ahead = match record::header(&own.unread) {
            Some((.., length)) => (HEADER + length).saturating_sub(own.unread.len()),
            None => own.skip,
        };
        own.skip = ahead.saturating_sub(bytes as usize);
        own.is_lost |= bytes == 0 || bytes as usize > ahead;
        own.unread = Vec::new();
        own.handshake = Vec::new();
        if let Some(opener) = &mut own.opener {
            opener.lose(bytes);
        }
        self.inside.lose(side, bytes, sink);
    }

    /// Bytes of one side have not come before its end.
    pub(super) fn miss(&mut self) {
        self.course.has_gaps = true;
    }

    /// One side has come to its end.
    pub(super) fn end(&mut self, side: usize, sink: &mut Sink<'_, '_>) {
        self.inside.end(side, sink);
    }

    /// Reads what is whole and returns how many bytes are done with.
    fn read(&mut self, side: usize, bytes: &[u8], seen: Seen, sink: &mut Sink<'_, '_>) -> usize {
        let mut used = 0;
        while let Some(rest) = bytes.get(used..).filter(|rest| !rest.is_empty()) {
            let Some(own) = self.sides.get_mut(side) else { break };
            if self.course.is_silent(side) && !record::may_be(rest) {
                self.course.plain.get_or_insert((side, (seen.frame, seen.time)));
            }
            if own.is_lost || rest.len() >= HEADER && record::header(rest).is_none() {
                let Some(at) = record::find(rest) else {
                    own.is_lost = true;
                    return bytes.len();
                };
                own.is_lost = false;
                used += at;
                continue;
            }
            let Some((kind, version, length)) = record::header(rest) else { break };
            if !self.wants(side, (kind, length), seen, sink) {
                let passed = rest.len().min(HEADER + length);
                self.count(side, (kind, length), seen);
                if let Some(own) = self.sides.get_mut(side) {
                    own.skip = HEADER + length - passed;
                }
                used += passed;
                continue;
            }
            let Some(body) = rest.get(HEADER..HEADER + length) else { break };
            self.take_record(side, &Record { kind, version, body }, seen, sink);
            self.count(side, (kind, length), seen);
            used += HEADER + length;
        }
        used
    }

    fn is_1_3(&self) -> bool {
        self.server.as_ref().map_or(self.has_retried, |hello| hello.version == TLS_1_3)
    }

    /// Counts a record that has been dealt with.
    fn count(&mut self, side: usize, (kind, length): (u8, usize), seen: Seen) {
        self.traffic.records += 1;
        let Some(own) = self.sides.get_mut(side) else { return };
        own.data_records += u64::from(kind == APPLICATION_DATA);
        own.changed_records += u64::from(own.has_changed);
        own.has_changed |= kind == CHANGE_CIPHER_SPEC;
        let changed = own.changed_records;
        self.course.record(side, (kind, length), changed, (seen.frame, seen.time));
    }

    /// Records of this kind are encrypted.
    fn is_protected(&self, side: usize, kind: u8) -> bool {
        let has_changed = self.sides.get(side).is_some_and(|own| own.has_changed);
        kind == APPLICATION_DATA || has_changed && !self.is_1_3()
    }

    /// The record at the front is wanted as a whole.
    fn wants(
        &mut self,
        side: usize,
        (kind, length): (u8, usize),
        seen: Seen,
        sink: &Sink<'_, '_>,
    ) -> bool {
        let Some(own) = self.sides.get(side) else { return false };
        match kind {
            CHANGE_CIPHER_SPEC => false,
            HANDSHAKE if !own.has_hello && !self.is_protected(side, kind) => true,
            ALERT if !self.is_protected(side, kind) => self.is_followed(),
            _ if !self.is_protected(side, kind) => false,
            APPLICATION_DATA if self.may_be_alert(length, sink) => true,
            _ => {
                self.find_keys(side, seen, sink);
                self.sides.get(side).is_some_and(|own| own.opener.is_some())
            }
        }
    }

    /// The record may be an alert that the keys of the handshake open.
    fn may_be_alert(&self, length: usize, sink: &Sink<'_, '_>) -> bool {
        length == SEALED_ALERT_BYTES && !sink.keys.is_empty() && self.is_1_3() && self.is_followed()
    }

    fn take_record(
        &mut self,
        side: usize,
        record: &Record<'_>,
        seen: Seen,
        sink: &mut Sink<'_, '_>,
    ) {
        let Some(own) = self.sides.get_mut(side) else { return };
        if record.kind == HANDSHAKE && !own.has_hello {
            own.handshake.extend_from_slice(record.body);
            let hello = hello::read(&own.handshake);
            self.take_hello(side, hello, seen, sink);
            return;
        }
        if record.kind == ALERT && !self.is_protected(side, ALERT) {
            self.take_alert(side, record.body, seen);
            return;
        }
        if self.may_be_alert(record.body.len(), sink)
            && let Some(alert) = self.open_early(side, record, seen, sink)
        {
            self.take_alert(side, &alert, seen);
            return;
        }
        self.find_keys(side, seen, sink);
        self.open(side, record, seen, sink);
    }

    fn take_alert(&mut self, side: usize, body: &[u8], seen: Seen) {
        if let Some(alert) = Alert::read(body).filter(|_| self.is_followed()) {
            self.course.take_alert(side, alert, (seen.frame, seen.time));
        }
    }

    fn open(&mut self, side: usize, record: &Record<'_>, seen: Seen, sink: &mut Sink<'_, '_>) {
        let client = self.client();
        let Some(own) = self.sides.get_mut(side) else { return };
        let Some(opener) = &mut own.opener else { return };
        match opener.open(record) {
            Some(opened) => {
                self.has_opened = true;
                match opened.kind {
                    APPLICATION_DATA => self.inside.take(side, &opened.bytes, seen, sink),
                    ALERT => self.take_sealed_alert(side, &opened.bytes, seen),
                    _ => {}
                }
                // What the server says under its new keys follows the client's Finished.
                self.course.is_proven |= opened.kind != ALERT && client != Some(side);
            }
            None if opener.has_failed() => {
                own.opener = None;
                own.has_failed = true;
            }
            None => {}
        }
    }

    /// An alert behind a side's own Finished is about the handshake as long as that side has taken
    /// nothing else from the other one.
    fn take_sealed_alert(&mut self, side: usize, body: &[u8], seen: Seen) {
        let is_about_handshake = !self.course.is_proven && !self.course.has_gaps;
        if let Some(alert) = Alert::read(body).filter(|alert| alert.is_fatal && is_about_handshake)
        {
            self.course.take_alert(side, alert, (seen.frame, seen.time));
        }
    }

    /// The content of an alert that the keys of the handshake protect (RFC 8446, section 7.1).
    fn open_early(
        &self,
        side: usize,
        record: &Record<'_>,
        seen: Seen,
        sink: &Sink<'_, '_>,
    ) -> Option<Vec<u8>> {
        let ((client_side, client), server) = (self.client.as_ref()?, self.server.as_ref()?);
        let own = self.sides.get(side)?;
        let label = match side == *client_side {
            true => Label::ClientHandshake,
            false => Label::ServerHandshake,
        };
        let secret = sink.keys.find(&client.random, label, seen.frame)?;
        let mut opener = Opener::of_secret(Suite::of(server.suite)?, secret)?;
        opener.skip_records(own.data_records);
        let opened = opener.open(record).filter(|opened| opened.kind == ALERT)?;
        Some(opened.bytes)
    }

    fn take_hello(&mut self, side: usize, hello: Hello, seen: Seen, sink: &Sink<'_, '_>) {
        let Some(own) = self.sides.get_mut(side) else { return };
        own.has_hello = !matches!(hello, Hello::Incomplete | Hello::Retry);
        if !matches!(hello, Hello::Incomplete) {
            own.handshake = Vec::new();
        }
        match hello {
            Hello::Client(hello) => {
                self.client = Some((side, hello));
                self.asked.get_or_insert((seen.frame, seen.time));
            }
            Hello::Server(hello) => self.server = Some(hello),
            Hello::Retry => {
                self.has_retried = true;
                return;
            }
            Hello::Incomplete | Hello::Other => return,
        }
        for side in 0..2 {
            self.find_keys(side, seen, sink);
        }
    }

    /// Looks for the keys of a side, which may stand in the capture behind the handshake.
    fn find_keys(&mut self, side: usize, seen: Seen, sink: &Sink<'_, '_>) {
        let (Some((client_side, client)), Some(server)) = (&self.client, &self.server) else {
            return;
        };
        let is_known = |side: &Side| side.opener.is_some() || side.has_failed;
        if sink.keys.is_empty() || self.sides.get(side).is_none_or(is_known) {
            return;
        }
        let Some(suite) = Suite::of(server.suite) else { return };
        let is_client = side == *client_side;
        let find = |label| sink.keys.find(&client.random, label, seen.frame);
        let opener = if server.version == TLS_1_3 {
            let label = if is_client { Label::ClientTraffic } else { Label::ServerTraffic };
            find(label).and_then(|secret| Opener::of_secret(suite, secret))
        } else if server.version == 0x0303 {
            let pair = find(Label::Master).and_then(|master| {
                let randoms = (&client.random, &server.random);
                Opener::pair(suite, master, randoms.0, randoms.1, server.macs_encrypted)
            });
            pair.map(|[of_client, of_server]| if is_client { of_client } else { of_server })
        } else {
            None
        };
        let is_1_3 = server.version == TLS_1_3;
        let (Some(own), Some(mut opener)) = (self.sides.get_mut(side), opener) else { return };
        opener.skip_records(if is_1_3 { own.data_records } else { own.changed_records });
        own.opener = Some(opener);
    }
}

#[cfg(all(test, feature = "tls"))]
mod tests;
