//! Containers, link layers and fragments: whatever the bytes are, what comes out lies inside them.

use std::io::{self, Cursor, Read};

use siptrace::capture::{Description, Frame, FrameId, LinkType, Note, Source};
use siptrace::packet::{
    self, Defragmenter, Fragment, IcmpError, Packet, Piece, Reassembled, Segment, hep,
};
use siptrace::rtp::Kind;
use siptrace::time::Time;
use siptrace::transport::{Associations, SctpArrival, message_in_datagram};

use super::Input;

/// Bytes that are read of what a few compressed ones become.
const READ_MAX: usize = 16 << 20;

/// Inputs up to here are also read in small pieces.
const PIECEWISE_MAX: usize = 4 << 10;

/// A reader that gives a few bytes at a time, as a slow pipe does.
struct Trickle<R>(R, usize);

impl<R: Read> Read for Trickle<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(self.1);
        self.0.read(buffer.get_mut(..length).unwrap_or_default())
    }
}

/// A frame without its bytes: number, time, link type, length, length on the wire, sum.
type Outline = (u64, Time, LinkType, usize, u32, u64);

/// A capture file of any format, compressed or not, as it comes out of a pipe. A slow pipe gives
/// the same, but for damaged pcap files: their records are taken before it is seen what follows
/// them; and for damage that other decoders than that of gzip meet: they lose what they had then.
pub fn container(bytes: &[u8]) {
    let Some((frames, description)) = read(Cursor::new(bytes.to_vec())) else { return };
    if bytes.len() > PIECEWISE_MAX {
        return;
    }
    let trickle = Trickle(Cursor::new(bytes.to_vec()), 1 + bytes.len() % 7);
    let (again, other) = read(trickle).expect("the same bytes are a capture");
    let is_damaged =
        |note: &Note| matches!(note, Note::Damaged { .. } | Note::EndsInsideRecord { .. });
    if description.format == "pcap" && description.notes.iter().chain(&other.notes).any(is_damaged)
    {
        return;
    }
    let is_packed_badly = |note: &Note| matches!(note, Note::DamagedCompression { .. });
    if description.compression != "gzip" && description.notes.iter().any(is_packed_badly) {
        return;
    }
    assert_eq!(frames, again, "a slow pipe gives other frames");
    assert_eq!(description.notes, other.notes, "a slow pipe gives other notes");
}

/// The frames up to a bound, and what the source says of itself.
fn read(reader: impl Read + Send + 'static) -> Option<(Vec<Outline>, Description)> {
    let mut source = Source::from_reader("fuzzed", Box::new(reader), 0).ok()?;
    let (mut frames, mut bytes, mut counted) = (Vec::new(), 0, 0);
    let mut buffer = Vec::new();
    while bytes < READ_MAX {
        let Ok(Some(block)) = source.next_block(buffer) else { break };
        assert_eq!(block.frames().len(), block.times().len());
        for frame in block.frames() {
            assert_eq!(frame.id.number, frames.len() as u64 + 1, "numbers are without a gap");
            counted += u64::from(frame.link != LinkType::NOT_A_PACKET);
            let sum = frame
                .data
                .iter()
                .fold(0_u64, |sum, byte| sum.rotate_left(5).wrapping_add(u64::from(*byte)));
            let Frame { id, time, link, data, original_length } = frame;
            frames.push((id.number, time, link, data.len(), original_length, sum));
        }
        // A record without bytes takes room all the same.
        bytes += block.bytes() + 1;
        buffer = block.into_buffer();
    }
    let description = source.describe();
    if bytes < READ_MAX {
        assert_eq!(description.frames, counted);
    }
    Some((frames, description))
}

/// Link types that are read, and one that is not.
pub const LINKS: [u16; 38] = [
    1, 0, 6, 9, 10, 12, 14, 50, 51, 100, 101, 104, 105, 107, 108, 109, 113, 117, 119, 123, 127,
    149, 163, 166, 192, 197, 204, 228, 229, 239, 252, 258, 276, 8, 141, 147, 195, 220,
];

/// One frame behind a byte for its link type and one for the bytes that the snap length cut off.
pub fn frame(bytes: &[u8]) {
    let mut input = Input(bytes);
    let link = LINKS.get(usize::from(input.byte()) % LINKS.len()).copied().unwrap_or(1);
    let cut = u32::from(input.byte());
    let data = input.0;
    let frame = Frame {
        id: FrameId { capture: 0, number: 1 },
        time: Time::default(),
        link: LinkType(link),
        data,
        original_length: data.len() as u32 + cut,
    };
    let packet = packet::decode(&frame);
    inside(&frame, &packet);
    if let Some(datagram) = packet::datagram(&frame) {
        match packet::layered(&frame) {
            Packet::Udp { path, payload, is_cut: false } => {
                assert_eq!(path, datagram.path());
                assert_eq!(payload, datagram.payload);
            }
            other => panic!("{datagram:?} is not {other:?}"),
        }
    }
}

/// Everything in the packet lies in the frame, and what is above it can be read.
fn inside(frame: &Frame<'_>, packet: &Packet<'_>) {
    let within = |part: &[u8]| {
        assert!(part.is_empty() || Piece::of(frame, part).is_some(), "{packet:?} leaves the frame");
    };
    match packet {
        Packet::Udp { payload, .. } | Packet::Message { payload, .. } => {
            within(payload);
            if let Some(message) = message_in_datagram(payload) {
                within(message);
            }
            if let Some(hep) = hep::parse(payload) {
                within(hep.payload);
            }
            let _ = Kind::of(payload);
        }
        Packet::Tcp(Segment { header, payload, .. }) => {
            within(header);
            within(payload);
        }
        Packet::Fragment(fragment) => within(fragment.payload),
        Packet::Icmp { path, message } => {
            within(message);
            if let Some(error) = IcmpError::parse(*path, message) {
                within(error.quoted);
                within(error.payload());
                let _ = error.is_about_connecting();
            }
        }
        Packet::Sctp { path, chunks } => {
            within(chunks);
            let mut associations = Associations::with_share_of(1);
            let arrival = SctpArrival { frame: frame.id, time: frame.time, path: *path, chunks };
            let most = chunks.len();
            associations.push(&arrival, &mut |message| assert!(message.bytes.len() <= most));
        }
        Packet::Encrypted { .. } | Packet::Other | Packet::Unread(_) => {}
    }
}

/// Raw IP packets, each behind a byte for the time that passes and its length; then the packet that
/// the first one carries, cut into fragments of its own, in an order that the input chooses.
pub fn ip(bytes: &[u8]) {
    let mut input = Input(bytes);
    let mut defragmenter = Defragmenter::default();
    let (mut time, mut number) = (0, 0);
    let shape = input.word();
    let first = Input(input.0).cut_out();
    while !input.is_empty() && number < 512 {
        number += 1;
        time += i64::from(input.byte());
        let data = input.counted();
        let frame = raw(number, time, data);
        let packet = packet::decode(&frame);
        inside(&frame, &packet);
        if let Packet::Fragment(fragment) = packet
            && let Some(whole) = defragmenter.push(&frame, fragment)
        {
            reassembled(&whole);
        }
    }
    defragmenter.finish();
    assert!(defragmenter.incomplete().lost.len() as u64 <= defragmenter.incomplete().count);
    shuffled(first, shape);
}

impl<'i> Input<'i> {
    /// The bytes of the first packet.
    fn cut_out(mut self) -> &'i [u8] {
        self.byte();
        self.counted()
    }
}

fn raw(number: u64, seconds: i64, data: &[u8]) -> Frame<'_> {
    let id = FrameId { capture: 0, number };
    let original_length = data.len() as u32;
    Frame { id, time: Time::from_parts(seconds, 0), link: LinkType::RAW, data, original_length }
}

fn reassembled(whole: &Reassembled) {
    assert!(whole.data.len() <= usize::from(u16::MAX) + 8, "{} bytes", whole.data.len());
    let pieces = whole.pieces(&whole.data);
    assert!(Piece::cover(&pieces, whole.data.len()), "no frame has some of the bytes");
    assert!(pieces.iter().all(|piece| whole.frames.contains(&piece.frame)));
    match whole.packet() {
        Packet::Udp { payload, .. } => assert!(payload.len() <= whole.data.len()),
        Packet::Tcp(segment) => assert!(segment.payload.len() <= whole.data.len()),
        _ => {}
    }
}

/// Fragments that fit give the whole in whatever order they come, and once.
fn shuffled(whole: &[u8], shape: u16) {
    let (pieces, step) = (usize::from(shape & 7) + 2, usize::from(shape >> 3 & 7) * 2 + 1);
    let size = whole.len().div_ceil(pieces).next_multiple_of(8).max(8);
    let chunks: Vec<&[u8]> = whole.chunks(size).collect();
    if chunks.len() < 2 {
        return;
    }
    // Odd steps go through all places of a power of two.
    let places = chunks.len().next_power_of_two();
    let turn = usize::from(shape >> 6);
    let order = (0..places).map(|place| (place * step + turn) % places);
    let mut defragmenter = Defragmenter::default();
    let (path, mut given) = (any_path(), Vec::new());
    for (at, number) in order.filter(|at| *at < chunks.len()).zip(1..) {
        let payload = chunks.get(at).copied().unwrap_or_default();
        let fragment = Fragment {
            path,
            id: 7,
            // Nothing that could be a tunnel (RFC 3692).
            protocol: 253,
            offset: (at * size) as u32,
            more: at + 1 < chunks.len(),
            payload,
            is_cut: false,
            missing: 0,
        };
        given.extend(defragmenter.push(&raw(number, 0, payload), fragment));
    }
    let [one] = given.as_slice() else { panic!("{} packets of one", given.len()) };
    assert_eq!(one.data, whole);
    reassembled(one);
}

fn any_path() -> packet::Path {
    let end = |last: u8| packet::Endpoint { address: [192, 0, 2, last].into(), port: 0 };
    packet::Path { source: end(1), destination: end(2), ip_id: 7, vlan: 0 }
}
