//! Fragments to packets, and segments to messages.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::analysis::{Keep, Tally};
use crate::capture::{Frame, FrameId, LinkType};
use crate::limits::DISRUPTIONS_MAX;
use crate::packet::{self, Defragmenter, Packet, Path, Segment};
use crate::pipeline::decode::{Decoded, Decoder, Order, Sighting, Whole};
use crate::pipeline::desks::Desks;
use crate::pipeline::parts::{MessageRow, Piece, Rows, Unreadable, given, media, read, sealed};
use crate::pipeline::{Options, counts, flows};
use crate::time::{Span, Time};
use crate::transport::{Arrival, KeyLog, SctpArrival, Turn};

/// How often messages behind gaps are looked for that are too old.
const LOOK: Span = Span::from_secs(1);

/// What befell a packet or a connection, with its place.
pub(super) type Event = (Order, Turn);

/// A frame with a fragment.
#[derive(BorshDeserialize, BorshSerialize)]
pub(super) struct FrameRow {
    time: Time,
    link: u16,
    original_length: u32,
    data: Vec<u8>,
}

impl FrameRow {
    pub(super) fn of(frame: &Frame<'_>) -> Self {
        let Frame { time, link, data, original_length, .. } = *frame;
        Self { time, link: link.0, original_length, data: data.to_vec() }
    }

    fn frame(&self, id: FrameId) -> Frame<'_> {
        Frame {
            id,
            time: self.time,
            link: LinkType(self.link),
            data: &self.data,
            original_length: self.original_length,
        }
    }
}

/// A TCP segment or an SCTP packet.
#[derive(BorshDeserialize, BorshSerialize)]
pub(super) enum FlowRow {
    Tcp(Time, Path, SegmentRow),
    Sctp(Time, Path, Vec<u8>),
}

#[derive(BorshDeserialize, BorshSerialize)]
pub(super) struct SegmentRow {
    sequence: u32,
    acknowledgement: u32,
    flags: u8,
    header: Vec<u8>,
    payload: Vec<u8>,
    missing: u32,
}

impl FlowRow {
    pub(super) fn of_tcp(arrival: &Arrival<'_>) -> Self {
        let Segment { path, sequence, acknowledgement, flags, header, payload, missing } =
            arrival.segment;
        let (header, payload) = (header.to_vec(), payload.to_vec());
        let row = SegmentRow { sequence, acknowledgement, flags, header, payload, missing };
        Self::Tcp(arrival.time, path, row)
    }

    pub(super) fn of_sctp(arrival: &SctpArrival<'_>) -> Self {
        Self::Sctp(arrival.time, arrival.path, arrival.chunks.to_vec())
    }
}

impl SegmentRow {
    fn segment(&self, path: Path) -> Segment<'_> {
        Segment {
            path,
            sequence: self.sequence,
            acknowledgement: self.acknowledgement,
            flags: self.flags,
            header: &self.header,
            payload: &self.payload,
            missing: self.missing,
        }
    }
}

/// What a step found besides rows.
#[derive(Debug, BorshDeserialize, BorshSerialize)]
pub(super) struct Found {
    pub(super) tally: Tally,
    pub(super) events: Vec<Event>,
}

/// Adds an event where there is room for it; so many concern calls at most.
pub(super) fn add_event(events: &mut Vec<Event>, tally: &mut Tally, event: Event) {
    if events.len() < DISRUPTIONS_MAX {
        events.push(event);
    } else {
        tally.drop("disruptions", 1);
    }
}

/// Puts fragments together.
#[derive(Debug)]
pub struct Mend {
    media: bool,
    defragmenter: Defragmenter,
    tally: Tally,
    events: Vec<Event>,
    desks: Desks,
    hash: foldhash::fast::FixedState,
}

impl Mend {
    /// Nothing put together yet.
    pub fn new(options: &Options) -> Self {
        Self {
            media: options.media,
            defragmenter: Defragmenter::default(),
            tally: Tally::new(Keep::default()),
            events: Vec::new(),
            desks: Desks::default(),
            hash: foldhash::fast::FixedState::default(),
        }
    }

    /// Takes all pieces of the kind [`PieceKind::Fragment`](super::PieceKind::Fragment) in order.
    ///
    /// # Errors
    ///
    /// When the piece is damaged or of another version.
    pub fn push(&mut self, piece: &Piece, rows: &mut Rows) -> Result<(), Unreadable> {
        let row: FrameRow = read(&piece.bytes)?;
        let frame = row.frame(piece.frame);
        let Packet::Fragment(fragment) = packet::layered(&frame) else { return Err(Unreadable) };
        let Some(packet) = self.defragmenter.push(&frame, fragment) else { return Ok(()) };
        let decoder =
            Decoder { media: self.media, is_several: true, hash: &self.hash, desks: &self.desks };
        let whole = [Whole::new(piece.place(), frame.time, packet)];
        let decoded = decoder.packets(&whole);
        rows.take(&decoded);
        for (order, disruption) in &decoded.disruptions {
            let event = (*order, Turn::Disrupted(disruption.clone()));
            add_event(&mut self.events, &mut self.tally, event);
        }
        media::take(rows, &[&decoded], &self.desks);
        self.desks.clear([decoded].map(|part: Decoded<'_>| part.rtp).into_iter());
        Ok(())
    }

    /// What it found besides rows.
    pub fn finish(mut self) -> Vec<u8> {
        counts::fragments(&mut self.tally, &mut self.defragmenter);
        sealed(&Found { tally: self.tally, events: self.events })
    }
}

/// Follows the TCP and SCTP flows of one table.
#[derive(Debug)]
pub struct Flows {
    flows: flows::Flows,
    keys: KeyLog,
    tally: Tally,
    events: Vec<Event>,
    looked: Option<Time>,
    hash: foldhash::fast::FixedState,
}

impl Flows {
    /// No flow yet; `keys` is of [`Survey::keys`](super::Survey::keys).
    ///
    /// # Errors
    ///
    /// When the keys are damaged or of another version.
    pub fn new(keys: &[u8]) -> Result<Self, Unreadable> {
        let hash = foldhash::fast::FixedState::default();
        Ok(Self {
            flows: flows::Flows::new(hash.clone()),
            keys: given(keys)?,
            tally: Tally::new(Keep::default()),
            events: Vec::new(),
            looked: None,
            hash,
        })
    }

    /// Takes the next piece of the kind [`PieceKind::Flow`](super::PieceKind::Flow) of its table,
    /// in order.
    ///
    /// # Errors
    ///
    /// When the piece is damaged or of another version.
    pub fn push(&mut self, piece: &Piece, rows: &mut Rows) -> Result<(), Unreadable> {
        let (order, hash) = (piece.place(), &self.hash);
        let is_due = self.looked.is_none_or(|looked| piece.order.since(looked).abs() >= LOOK);
        if is_due && self.looked.replace(piece.order).is_some() {
            let late = self.flows.expire(piece.order, &self.keys);
            rows.messages.extend(late.iter().flatten().map(MessageRow::of));
        }
        match &read(&piece.bytes)? {
            FlowRow::Tcp(time, path, row) => {
                let segment = row.segment(*path);
                let arrival = Arrival { frame: piece.frame, time: *time, segment };
                self.flows.tcp.push(&arrival, &self.keys, &mut |delivery| {
                    rows.messages.push(MessageRow::of(&Sighting::owned(delivery, order, hash)));
                });
            }
            FlowRow::Sctp(time, path, chunks) => {
                let arrival = SctpArrival { frame: piece.frame, time: *time, path: *path, chunks };
                self.flows.sctp.push(&arrival, &mut |delivery| {
                    rows.messages.push(MessageRow::of(&Sighting::owned(delivery, order, hash)));
                });
            }
        }
        self.take_turns(order);
        Ok(())
    }

    fn take_turns(&mut self, order: Order) {
        for turn in self.flows.tcp.take_turns() {
            add_event(&mut self.events, &mut self.tally, (order, turn));
        }
    }

    /// What it found besides rows; messages that are still open come now.
    pub fn finish(mut self, rows: &mut Rows) -> Vec<u8> {
        let late = self.flows.finish(&self.keys);
        rows.messages.extend(late.iter().flatten().map(MessageRow::of));
        counts::flows(&mut self.tally, &self.flows);
        sealed(&Found { tally: self.tally, events: self.events })
    }
}
