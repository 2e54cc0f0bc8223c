//! RTP packets and what goes with them, to streams.

use std::collections::HashMap;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::capture::FrameId;
use crate::media::{Beside, Feed, RtpFlow, RtpPacket, Streams};
use crate::packet::Endpoint;
use crate::pipeline::SHARDS;
use crate::pipeline::decode::{Decoded, Order};
use crate::pipeline::desks::Desks;
use crate::pipeline::parts::{Piece, PieceKind, Rows, Unreadable, read, sealed};
use crate::rtp::Kind;
use crate::time::Time;

/// The media of a table and a window.
#[derive(Debug, Default, BorshDeserialize, BorshSerialize)]
struct MediaRow {
    flows: Vec<RtpFlow>,
    packets: Vec<RtpPacket>,
    beside: Vec<BesideRow>,
}

/// RTCP, STUN or DTLS.
#[derive(Debug, BorshDeserialize, BorshSerialize)]
struct BesideRow {
    order: Time,
    source: Endpoint,
    destination: Endpoint,
    time: Time,
    frame: FrameId,
    kind: Kind,
    payload: Vec<u8>,
}

impl BesideRow {
    fn of((order, beside): &(Order, Beside<'_>)) -> Self {
        let Beside { source, destination, time, frame, kind, payload } = *beside;
        Self { order: order.0, source, destination, time, frame, kind, payload: payload.to_vec() }
    }

    fn beside(&self) -> Beside<'_> {
        Beside {
            source: self.source,
            destination: self.destination,
            time: self.time,
            frame: self.frame,
            kind: self.kind,
            payload: &self.payload,
        }
    }
}

impl MediaRow {
    /// The media of a table in these parts.
    fn of(parts: &[&Decoded<'_>], table: usize, desks: &Desks) -> Self {
        let mut row = Self::default();
        let names = desks.names();
        let mut numbers: HashMap<RtpFlow, u32, foldhash::fast::RandomState> = HashMap::default();
        for part in parts {
            row.beside.extend(part.beside.get(table).into_iter().flatten().map(BesideRow::of));
            let Some(feed) = Feed::of(&part.rtp, table, &names) else { continue };
            let mut known: Vec<Option<u32>> = vec![None; feed.flows().len()];
            row.packets.reserve(feed.packets().len());
            for packet in feed.packets() {
                let index = packet.flow() as usize;
                let (Some(flow), Some(place)) = (feed.flows().get(index), known.get_mut(index))
                else {
                    continue;
                };
                let number = *place.get_or_insert_with(|| {
                    *numbers.entry(*flow).or_insert_with(|| {
                        row.flows.push(*flow);
                        row.flows.len() as u32 - 1
                    })
                });
                row.packets.push(packet.with_flow(number));
            }
        }
        row
    }

    /// The earliest time, and the first frame.
    fn place(&self) -> Option<Order> {
        let packets = self.packets.iter().map(|packet| (packet.time, packet.frame()));
        let beside = self.beside.iter().map(|beside| (beside.order, beside.frame));
        packets.chain(beside).reduce(|one, other| (one.0.min(other.0), one.1.min(other.1)))
    }
}

/// Takes the media of decoded packets.
pub(super) fn take(rows: &mut Rows, parts: &[&Decoded<'_>], desks: &Desks) {
    for table in 0..SHARDS {
        let row = MediaRow::of(parts, table, desks);
        if let Some(place) = row.place() {
            rows.pieces.push(Piece::new(PieceKind::Media, table, place, &row));
        }
    }
}

/// Follows the RTP streams of one table.
#[derive(Debug)]
pub struct MediaTable {
    is_several: bool,
    streams: Streams,
    /// What is not older than everything to come.
    waiting: Vec<Waiting>,
    pieces: u64,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    row: MediaRow,
    /// What of the packets and of the others was taken already.
    at: [usize; 2],
}

impl MediaTable {
    /// No stream yet. Of several captures packets are put in order of time.
    pub fn new(is_several: bool) -> Self {
        let streams = Streams::with_share_of(SHARDS);
        Self { is_several, streams, waiting: Vec::new(), pieces: 0 }
    }

    /// Takes the next piece of the kind [`PieceKind::Media`] of its table, in order.
    ///
    /// # Errors
    ///
    /// When the piece is damaged or of another version.
    pub fn push(&mut self, piece: &Piece) -> Result<(), Unreadable> {
        let mut row: MediaRow = read(&piece.bytes)?;
        self.pieces += 1;
        if self.is_several {
            row.packets.sort_by_key(|packet| packet.time);
            row.beside.sort_by_key(|beside| (beside.order, beside.frame));
            self.take_before(Some(piece.order));
        }
        self.waiting.push(Waiting { number: self.pieces, row, at: [0; 2] });
        if !self.is_several {
            self.take_before(None);
        }
        Ok(())
    }

    /// Takes what waits and is older, or all that waits.
    fn take_before(&mut self, moment: Option<Time>) {
        let is_due = |time: Time| moment.is_none_or(|moment| time < moment);
        let mut packets: Vec<(Feed<'_>, &RtpPacket)> = Vec::new();
        let mut beside: Vec<&BesideRow> = Vec::new();
        for Waiting { number, row, at } in &mut self.waiting {
            let feed = Feed::new(&row.packets, &row.flows, *number);
            let left = row.packets.get(at[0]..).unwrap_or_default();
            let due = left.iter().take_while(|packet| is_due(packet.time)).count();
            packets.extend(left.iter().take(due).map(|packet| (feed, packet)));
            let others = row.beside.get(at[1]..).unwrap_or_default();
            let due_others = others.iter().take_while(|beside| is_due(beside.order)).count();
            beside.extend(others.iter().take(due_others));
            *at = [at[0] + due, at[1] + due_others];
        }
        if self.is_several {
            // Of one moment, those of the first capture first.
            packets.sort_by_key(|(_, packet)| (packet.time, packet.frame()));
            beside.sort_by_key(|beside| (beside.order, beside.frame));
        }
        for own in beside {
            self.streams.push_beside(&own.beside());
        }
        self.streams.take_in_turn(&packets);
        drop(packets);
        let streams = &mut self.streams;
        self.waiting.retain(|Waiting { number, row, at }| {
            let is_left = *at != [row.packets.len(), row.beside.len()];
            if !is_left {
                streams.forget(*number);
            }
            is_left
        });
    }

    /// The streams.
    pub fn finish(mut self) -> Vec<u8> {
        self.take_before(None);
        sealed(&self.streams)
    }
}
