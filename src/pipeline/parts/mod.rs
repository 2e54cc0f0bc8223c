//! The steps of a run one by one, for engines that spread them over machines.
//!
//! 1. [`Scan`] reads a capture and gives SIP messages, and pieces of what is not whole: fragments,
//!    TCP segments and SCTP chunks, RTP packets.
//! 2. [`Mend`] takes all fragments, in order, and gives more of the same.
//! 3. [`Flows`] takes the segments of one table in order and gives messages; [`MediaTable`] takes
//!    the media of one table.
//! 4. [`Grounds`] is what all calls are judged by; [`Judge`] takes messages, those of a Call-ID one
//!    after another and in order.
//! 5. [`Conclusion`] folds what the judges found.
//!
//! What a step found besides rows is bytes for the next one. Rows are in order by
//! [`MessageRow::place`] and [`Piece::place`] where there are several captures, by their frames
//! where there is one.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::bytes::{parts, printable};
use crate::capture::FrameId;
use crate::pipeline::Options;
use crate::pipeline::decode::{Decoded, Order, Sighting};
use crate::sip::{self, Address, CSeq, HeaderName, Status};
use crate::time::Time;
use crate::transport::Delivery;

mod flows;
mod judge;
mod media;
mod scan;

pub use flows::{Flows, Mend};
pub use judge::{Conclusion, Grounds, Judge, Judged, Survey};
pub use media::MediaTable;
pub use scan::Scan;

/// Tables that segments are spread over, and media.
pub const TABLES: u8 = crate::pipeline::SHARDS as u8;

/// Where a row stands in the order of all captures.
pub type Place = (Time, FrameId);

/// A SIP message as it was captured.
#[derive(Clone, Debug)]
pub struct MessageRow {
    /// The latest time of its capture up to its frame.
    pub order: Time,
    /// The message.
    pub delivery: Delivery<'static>,
}

/// What the start line and a few header fields of a message say, safe to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gist {
    /// Empty where there is none. Messages with the same Call-ID have the same one here.
    pub call_id: String,
    /// The method of a request.
    pub method: Option<String>,
    /// The status code of a response.
    pub status: Option<u16>,
    /// The reason phrase of a response.
    pub reason: Option<String>,
    /// The Request-URI.
    pub request_uri: Option<String>,
    /// The sequence number.
    pub cseq: Option<u32>,
    /// The method in `CSeq`.
    pub cseq_method: Option<String>,
    /// The URI in `From`.
    pub from_uri: Option<String>,
    /// The URI in `To`.
    pub to_uri: Option<String>,
    /// `User-Agent`, of a response `Server`.
    pub user_agent: Option<String>,
}

impl MessageRow {
    fn of(sighting: &Sighting<'_>) -> Self {
        let delivery = sighting.delivery.borrowed().into_owned();
        Self { order: sighting.order.0, delivery }
    }

    /// Its place among the others.
    pub fn place(&self) -> Place {
        (self.order, self.delivery.frame)
    }

    /// What it says of itself.
    pub fn gist(&self) -> Gist {
        let message = sip::Message::lex(&self.delivery.bytes).0;
        let shown = |bytes: &[u8]| printable(bytes).into_owned();
        let uri = |name| {
            let value = message.value(name)?;
            Some(shown(Address::of(value).uri.as_bytes()))
        };
        let agent = match message.is_request() {
            true => HeaderName::UserAgent,
            false => HeaderName::Server,
        };
        let cseq = message.value(HeaderName::CSeq).and_then(CSeq::parse);
        Gist {
            call_id: message.call_id().map(shown).unwrap_or_default(),
            method: message.is_request().then(|| shown(message.method().as_bytes())),
            status: message.status().map(Status::code),
            reason: message.reason_phrase().map(|reason| shown(reason.as_bytes())),
            request_uri: message.request_uri().map(|uri| shown(uri.as_bytes())),
            cseq: cseq.map(|cseq| cseq.number),
            cseq_method: cseq.map(|cseq| shown(cseq.method.as_bytes())),
            from_uri: uri(HeaderName::From),
            to_uri: uri(HeaderName::To),
            user_agent: message.value(agent).map(shown),
        }
    }
}

/// What a piece is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum PieceKind {
    /// An IP fragment.
    Fragment = 0,
    /// A TCP segment, or an SCTP packet.
    Flow = 1,
    /// RTP packets and what goes with them.
    Media = 2,
}

impl PieceKind {
    /// Every kind, by its number.
    pub const ALL: [Self; 3] = [Self::Fragment, Self::Flow, Self::Media];
}

/// A piece of what is not whole yet. Those of a kind and table belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What it is of.
    pub kind: PieceKind,
    /// Below [`TABLES`]; 0 for fragments.
    pub table: u8,
    /// The latest time of its capture up to its frame; of media the earliest of the packets.
    pub order: Time,
    /// Its frame; of media the first one.
    pub frame: FrameId,
    /// For the step that takes it.
    pub bytes: Vec<u8>,
}

impl Piece {
    /// Its place among the others of its kind and table.
    pub fn place(&self) -> Place {
        (self.order, self.frame)
    }

    fn new(kind: PieceKind, table: usize, order: Order, row: &impl BorshSerialize) -> Self {
        let (order, frame) = order;
        Self { kind, table: table as u8, order, frame, bytes: written(row) }
    }
}

/// Rows that a step gave.
#[derive(Debug, Default)]
pub struct Rows {
    /// SIP messages.
    pub messages: Vec<MessageRow>,
    /// What is not whole yet.
    pub pieces: Vec<Piece>,
}

impl Rows {
    /// Takes the messages and segments of decoded packets.
    fn take(&mut self, decoded: &Decoded<'_>) {
        let sightings = decoded.sip.iter().flatten();
        self.messages.extend(sightings.map(MessageRow::of));
        for (table, segments) in decoded.tcp.iter().enumerate() {
            let row = |(order, arrival)| {
                Piece::new(PieceKind::Flow, table, order, &flows::FlowRow::of_tcp(arrival))
            };
            self.pieces.extend(segments.iter().map(|(order, arrival)| row((*order, arrival))));
        }
        for (table, packets) in decoded.sctp.iter().enumerate() {
            let row = |(order, arrival)| {
                Piece::new(PieceKind::Flow, table, order, &flows::FlowRow::of_sctp(arrival))
            };
            self.pieces.extend(packets.iter().map(|(order, arrival)| row((*order, arrival))));
        }
        for (order, (frame, _)) in &decoded.fragments {
            let row = flows::FrameRow::of(frame);
            self.pieces.push(Piece::new(PieceKind::Fragment, 0, *order, &row));
        }
    }
}

/// Bytes of another step cannot be read.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the results of a step cannot be read: damaged, or of another version of siptrace")]
pub struct Unreadable;

/// Options on their way to another machine.
pub fn options_to_bytes(options: &Options) -> Vec<u8> {
    sealed(options)
}

/// Options that came from another machine.
///
/// # Errors
///
/// When they are damaged or of another version.
pub fn options_from_bytes(bytes: &[u8]) -> Result<Options, Unreadable> {
    given(bytes)
}

/// A row of ours as bytes.
fn written(row: &impl BorshSerialize) -> Vec<u8> {
    // Writing into memory does not fail; a list of more than four thousand million could.
    borsh::to_vec(row).unwrap_or_default()
}

/// What [`written`] gave.
fn read<T: BorshDeserialize>(bytes: &[u8]) -> Result<T, Unreadable> {
    borsh::from_slice(bytes).map_err(|_| Unreadable)
}

/// What a step found as bytes, with a digest.
fn sealed(found: &impl BorshSerialize) -> Vec<u8> {
    parts::to_bytes(found)
}

/// What [`sealed`] gave.
fn given<T: BorshDeserialize>(bytes: &[u8]) -> Result<T, Unreadable> {
    parts::from_bytes(bytes).ok_or(Unreadable)
}
