//! SIP in SCTP user messages (RFC 4168, RFC 9260).
//!
//! One SIP message is one user message. Most lie in one DATA chunk and are handed on without a
//! copy; fragments are put together by their TSN, ordered or not.

use std::collections::HashMap;

use crate::bytes::{be16, be32};
use crate::capture::FrameId;
use crate::limits::{
    SCTP_FLOWS_MAX, SCTP_WAITING_BYTES_MAX, SCTP_WAITING_CHUNKS_MAX, TCP_HELD_BYTES_MAX,
};
use crate::packet::{Endpoint, Path};
use crate::time::Time;
use crate::transport::tcp::{Deliver, Seen};
use crate::transport::{Transport, message_in_datagram};

/// The type of a DATA chunk and its header with the fields of every chunk (RFC 9260, section
/// 3.3.1).
const DATA: u8 = 0;
const DATA_HEADER: usize = 16;

const IS_LAST: u8 = 1;
const IS_FIRST: u8 = 2;

/// Chunks of one packet that are looked at; a packet of 1500 bytes has room for 90.
const CHUNKS_MAX: usize = 1024;

/// TSNs of messages that are remembered, to know a retransmission.
const TSNS_MAX: usize = 64;

/// An SCTP packet with when it was seen.
#[derive(Clone, Copy, Debug)]
pub struct SctpArrival<'a> {
    /// The frame.
    pub frame: FrameId,
    /// When it was captured.
    pub time: Time,
    /// From where to where.
    pub path: Path,
    /// The chunks after the common header.
    pub chunks: &'a [u8],
}

/// Every SCTP flow under way; a flow is one direction between two addresses and ports.
#[derive(Debug, Default)]
pub struct Associations {
    flows: HashMap<(Endpoint, Endpoint), Flow, foldhash::fast::RandomState>,
    flows_max: usize,
    held: usize,
    held_max: usize,
    evicted: u64,
    unfinished: u64,
}

#[derive(Debug, Default)]
struct Flow {
    /// Fragments, sorted by TSN.
    waiting: Vec<Fragment>,
    /// TSNs of the latest messages.
    known: Vec<u32>,
    /// Bytes of the fragments, and what it takes to keep them.
    held: usize,
    last: Time,
}

#[derive(Debug)]
struct Fragment {
    chunk: Chunk,
    bytes: Vec<u8>,
    seen: Seen,
}

/// The header of a DATA chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Chunk {
    flags: u8,
    tsn: u32,
    stream: u16,
}

impl Associations {
    /// A table that follows at most its share of the bounds when the flows are spread over `shards`
    /// tables.
    pub fn with_share_of(shards: usize) -> Self {
        let share = |bound: usize| (bound / shards.max(1)).max(1);
        Self {
            flows_max: share(SCTP_FLOWS_MAX),
            held_max: share(TCP_HELD_BYTES_MAX),
            ..Self::default()
        }
    }

    /// Takes the next packet in order of capture and hands on every message that it completes.
    pub fn push(&mut self, arrival: &SctpArrival<'_>, deliver: &mut Deliver<'_>) {
        let SctpArrival { frame, time, path, .. } = *arrival;
        let seen = Seen { frame, time, path, sequence: 0 };
        let mut rest = arrival.chunks;
        for _ in 0..CHUNKS_MAX {
            let (Some(kind), Some(length)) = (rest.first(), be16(rest, 2)) else { return };
            let length = usize::from(length);
            if *kind == DATA && length > DATA_HEADER {
                let whole = rest.get(..length);
                let data = whole.or_else(|| rest.get(..)).and_then(|data| data.get(DATA_HEADER..));
                if let (Some(chunk), Some(data)) = (Chunk::parse(rest), data) {
                    self.take(chunk, data, whole.is_none(), seen, deliver);
                }
            }
            rest = rest.get(length.max(4).next_multiple_of(4)..).unwrap_or_default();
        }
    }

    /// Flows given up because there were too many.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Messages of which a fragment is missing; complete after [`Associations::finish`].
    pub fn unfinished(&self) -> u64 {
        self.unfinished
    }

    /// Gives up what still waits: the capture is at its end.
    pub fn finish(&mut self) {
        for (_, flow) in self.flows.drain() {
            self.unfinished += flow.unfinished();
        }
        self.held = 0;
    }

    fn take(
        &mut self,
        chunk: Chunk,
        data: &[u8],
        is_cut: bool,
        seen: Seen,
        deliver: &mut Deliver<'_>,
    ) {
        let is_whole = chunk.flags & (IS_FIRST | IS_LAST) == IS_FIRST | IS_LAST;
        let message = message_in_datagram(data);
        // What is neither SIP nor a fragment costs nothing.
        if is_whole && message.is_none() {
            return;
        }
        let key = (seen.path.source, seen.path.destination);
        if self.flows.len() >= self.flows_max && !self.flows.contains_key(&key) {
            self.make_room();
        }
        let flow = self.flows.entry(key).or_default();
        flow.last = flow.last.max(seen.time);
        match message.filter(|_| is_whole || is_cut && chunk.flags & IS_FIRST != 0) {
            Some(message) if flow.is_fresh(chunk.tsn) => {
                deliver(seen.delivery(message, Transport::Sctp, is_cut));
            }
            Some(_) => {}
            None => {
                let before = flow.held;
                self.unfinished += flow.wait(Fragment { chunk, bytes: data.to_vec(), seen });
                flow.join(chunk.tsn, deliver);
                self.held = self.held.saturating_add(flow.held).saturating_sub(before);
                if self.held > self.held_max {
                    self.make_room();
                }
            }
        }
    }

    /// Lets the flows go that were silent longest, a tenth of the table at a time.
    fn make_room(&mut self) {
        let mut ages: Vec<_> = self.flows.iter().map(|(key, flow)| (flow.last, *key)).collect();
        ages.sort_unstable();
        let leave = (ages.len() / 10).max(1);
        for (_, key) in ages.into_iter().take(leave) {
            if let Some(flow) = self.flows.remove(&key) {
                self.held = self.held.saturating_sub(flow.held);
                self.unfinished += flow.unfinished();
            }
            self.evicted += 1;
        }
    }
}

impl Fragment {
    /// What it costs to keep it: its bytes may be one.
    fn cost(&self) -> usize {
        self.bytes.len() + size_of::<Self>()
    }

    /// It begins a message of SIP.
    fn begins(&self) -> bool {
        self.chunk.flags & IS_FIRST != 0 && message_in_datagram(&self.bytes).is_some()
    }
}

impl Chunk {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let flags = *bytes.get(1)?;
        Some(Self { flags, tsn: be32(bytes, 4)?, stream: be16(bytes, 8)? })
    }

    fn is_next_to(self, before: Self) -> bool {
        self.tsn == before.tsn.wrapping_add(1)
            && self.stream == before.stream
            && self.flags & IS_FIRST == 0
    }
}

impl Flow {
    /// The message of this TSN has not been seen before.
    fn is_fresh(&mut self, tsn: u32) -> bool {
        if self.known.contains(&tsn) {
            return false;
        }
        if self.known.len() >= TSNS_MAX {
            self.known.remove(0);
        }
        self.known.push(tsn);
        true
    }

    /// Messages that wait for their other fragments.
    fn unfinished(&self) -> u64 {
        self.waiting.iter().filter(|fragment| fragment.begins()).count() as u64
    }

    /// Keeps a fragment. Returns how many messages had to be given up for it.
    fn wait(&mut self, fragment: Fragment) -> u64 {
        let tsn = fragment.chunk.tsn;
        let base = self.waiting.first().map_or(tsn, |first| first.chunk.tsn);
        let order = |tsn: u32| tsn.wrapping_sub(base).cast_signed();
        let place = self.waiting.partition_point(|w| order(w.chunk.tsn) < order(tsn));
        if self.waiting.get(place).is_some_and(|known| known.chunk.tsn == tsn) {
            return 0;
        }
        self.held += fragment.cost();
        self.waiting.insert(place, fragment);
        let mut given_up = 0;
        while self.waiting.len() > SCTP_WAITING_CHUNKS_MAX || self.held > SCTP_WAITING_BYTES_MAX {
            let first = self.waiting.remove(0);
            self.held -= first.cost();
            given_up += u64::from(first.begins());
        }
        given_up
    }

    /// Hands on the message around a TSN, if all its fragments are there.
    fn join(&mut self, tsn: u32, deliver: &mut Deliver<'_>) {
        let Some(at) = self.waiting.iter().position(|w| w.chunk.tsn == tsn) else { return };
        let chunk = |at: usize| self.waiting.get(at).map(|waiting| waiting.chunk);
        let joins = |at: usize| match (at.checked_sub(1).and_then(chunk), chunk(at)) {
            (Some(before), Some(after)) => before.flags & IS_LAST == 0 && after.is_next_to(before),
            _ => false,
        };
        let (mut from, mut to) = (at, at);
        while joins(from) {
            from -= 1;
        }
        while joins(to + 1) {
            to += 1;
        }
        let is_first = chunk(from).is_some_and(|chunk| chunk.flags & IS_FIRST != 0);
        let is_last = chunk(to).is_some_and(|chunk| chunk.flags & IS_LAST != 0);
        if !is_first || !is_last {
            return;
        }
        let parts: Vec<Fragment> = self.waiting.drain(from..=to).collect();
        let bytes: Vec<u8> = parts.iter().flat_map(|part| &part.bytes).copied().collect();
        self.held -= parts.iter().map(Fragment::cost).sum::<usize>();
        if self.waiting.is_empty() {
            // Memory is for those that need it.
            self.waiting = Vec::new();
        }
        let seen = parts.iter().map(|part| part.seen).reduce(Seen::or_later);
        let tsn = parts.first().map(|first| first.chunk.tsn);
        if let (Some(seen), Some(tsn), Some(message)) = (seen, tsn, message_in_datagram(&bytes))
            && self.is_fresh(tsn)
        {
            deliver(seen.delivery(message, Transport::Sctp, false));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::samples::{Got, Random, endpoint, got, invite, ok};

    fn chunk(flags: u8, tsn: u32, data: &[u8]) -> Vec<u8> {
        let mut chunk = vec![DATA, flags];
        chunk.extend((data.len() as u16 + 16).to_be_bytes());
        chunk.extend(tsn.to_be_bytes());
        chunk.extend([0, 1, 0, 7, 0, 0, 0, 0]);
        chunk.extend(data);
        chunk.resize(chunk.len().next_multiple_of(4), 0);
        chunk
    }

    fn read(packets: &[Vec<u8>]) -> Vec<Got> {
        let mut associations = Associations::with_share_of(1);
        let mut all = Vec::new();
        for (chunks, frame) in packets.iter().zip(1_u32..) {
            let (source, destination) = (endpoint(1, 5060), endpoint(2, 5060));
            let arrival = SctpArrival {
                frame: FrameId { capture: 0, number: frame.into() },
                time: Time::from_nanos(frame.into()),
                path: Path { source, destination, ip_id: 0, vlan: 0 },
                chunks,
            };
            associations.push(&arrival, &mut |delivery| all.push(got(&delivery)));
        }
        all
    }

    fn messages(packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let got = read(packets);
        assert!(got.iter().all(|got| got.transport == Transport::Sctp && !got.is_cut));
        got.into_iter().map(|got| got.bytes).collect()
    }

    #[test]
    fn reads_whole_messages_once() {
        let (invite, ok) = (invite(1, 33), ok(1));
        let sack = vec![3, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        let bundle = [sack, chunk(3, 7, &invite), chunk(7, 8, &ok), chunk(3, 9, b"other")].concat();
        assert_eq!(messages(&[bundle.clone(), bundle]), [invite, ok]);
    }

    #[test]
    fn puts_fragments_together_in_any_order() {
        let message = invite(1, 900);
        let first = u32::MAX - 1;
        let (a, rest) = message.split_at(500);
        let (b, c) = rest.split_at(300);
        let parts = [chunk(2, first, a), chunk(0, first + 1, b), chunk(1, 0, c)];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut packets: Vec<_> = order.iter().map(|at| parts[*at].clone()).collect();
            packets.insert(1, chunk(3, 77, &ok(2)));
            packets.extend(order.iter().map(|at| parts[*at].clone()));
            assert_eq!(messages(&packets), [ok(2), message.clone()], "{order:?}");
        }
        assert_eq!(messages(&parts[..2]), [b""; 0]);
        assert_eq!(messages(&[parts.concat()]), [message]);
    }

    #[test]
    fn marks_a_message_that_the_snap_length_cut() {
        let message = invite(1, 300);
        let cut = chunk(3, 1, &message)[..200].to_vec();
        let got = read(&[cut]);
        assert_eq!(got.len(), 1);
        assert!(got[0].is_cut);
        assert_eq!(got[0].bytes, message[..184]);
    }

    #[test]
    fn survives_any_chunks_within_its_bounds() {
        let mut random = Random(0x5eed_0007);
        let mut associations =
            Associations { flows_max: 20, held_max: 90_000, ..Default::default() };
        let message = invite(1, 2_000);
        for frame in 0..30_000 {
            let data = &message[random.below(40) * 10..][..random.below(1_500)];
            let mut bytes = chunk(random.below(4) as u8, random.below(90) as u32, data);
            for _ in 0..random.below(3) {
                let at = random.below(bytes.len().min(20));
                bytes[at] = random.below(256) as u8;
            }
            let source = endpoint(1, random.below(60) as u16);
            let arrival = SctpArrival {
                frame: FrameId { capture: 0, number: frame },
                time: Time::from_nanos(frame as i64),
                path: Path { source, destination: endpoint(2, 5060), ip_id: 0, vlan: 0 },
                chunks: &bytes,
            };
            associations.push(&arrival, &mut |_| {});
            let held: usize = associations.flows.values().map(|flow| flow.held).sum();
            assert_eq!(associations.held, held);
            assert!(held <= 92_000 && associations.flows.len() <= 20);
        }
        assert!(associations.evicted() > 0);
    }

    /// The fragments, each a packet at a second of its own from one port, in a table.
    fn fragments(associations: &mut Associations, packets: &[(u16, i64, Vec<u8>)]) -> usize {
        let mut count = 0;
        for (port, second, chunks) in packets {
            let (source, destination) = (endpoint(1, *port), endpoint(2, 5060));
            let arrival = SctpArrival {
                frame: FrameId::default(),
                time: Time::from_parts(*second, 0),
                path: Path { source, destination, ip_id: 0, vlan: 0 },
                chunks,
            };
            associations.push(&arrival, &mut |_| count += 1);
        }
        count
    }

    #[test]
    fn a_flow_keeps_so_many_fragments_and_counts_the_messages_it_gives_up() {
        let message = invite(1, 900);
        let (first, rest) = message.split_at(600);
        let mut packets = vec![(1, 0, chunk(2, 10, first))];
        // Of something else nobody need be told.
        packets.push((1, 0, chunk(2, 20, b"\x01\0\0\x14 what is no SIP")));
        let others =
            (0..SCTP_WAITING_CHUNKS_MAX as u32).map(|tsn| (1, 0, chunk(0, 30 + tsn, b"x")));
        packets.extend(others);
        let mut associations = Associations::with_share_of(1);
        assert_eq!(fragments(&mut associations, &packets), 0);
        let flow = associations.flows.values().next().expect("a flow");
        assert_eq!((flow.waiting.len(), associations.unfinished()), (SCTP_WAITING_CHUNKS_MAX, 1));
        // The end comes too late; a message that begins now is read.
        packets = vec![(1, 1, chunk(1, 11, rest)), (1, 1, chunk(2, 500, first))];
        packets.push((1, 1, chunk(1, 501, rest)));
        assert_eq!(fragments(&mut associations, &packets), 1);

        // By bytes: one fragment of 64 KiB less the headers is a packet.
        let large = [first, &[b'v'; 60_000]].concat();
        let packets: Vec<_> = (0..6).map(|at| (1, 0, chunk(2, at * 2, &large))).collect();
        let mut associations = Associations::with_share_of(1);
        assert_eq!(fragments(&mut associations, &packets), 0);
        assert!(associations.held <= SCTP_WAITING_BYTES_MAX);
        assert_eq!(associations.unfinished(), 2);
        associations.finish();
        assert_eq!((associations.unfinished(), associations.held), (6, 0));
    }

    #[test]
    fn flows_that_were_silent_longest_give_way_whatever_the_clock_does() {
        let (whole, begun) = (chunk(3, 1, &ok(1)), chunk(2, 1, &invite(1, 60)));
        for step in [1, -3600, 0] {
            let mut associations =
                Associations { flows_max: 20, held_max: 1 << 20, ..Associations::default() };
            let flow = |port: u16| (port, 1_700_000_000 + i64::from(port) * step, begun.clone());
            let packets: Vec<_> = (1..=100).map(flow).collect();
            assert_eq!(fragments(&mut associations, &packets), 0);
            assert!(associations.flows.len() <= 20);
            let gone = 100 - associations.flows.len() as u64;
            assert_eq!((associations.evicted(), associations.unfinished()), (gone, gone));
            let packets = [(7, i64::MAX, whole.clone()), (8, i64::MIN, whole.clone())];
            assert_eq!(fragments(&mut associations, &packets), 2, "{step}");
        }
    }
}
