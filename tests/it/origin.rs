//! Where the bytes of messages lie in the frames: what lies there is the message.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use siptrace::capture::{FrameId, Source};
use siptrace::packet::Piece;
use siptrace::pipeline::{Event, origins};
use siptrace::transport::{KeyLog, Transport};

use crate::build::container::pcap;
use crate::build::{Capture, Record, ip, link, tunnel};
use crate::outcome::{analyse, source};
use crate::shared;

/// A message as the pass gave it.
#[derive(Debug)]
struct Found {
    frame: FrameId,
    transport: Transport,
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
    unit: Vec<Piece>,
    mask: Option<[u8; 4]>,
    connection: Option<FrameId>,
    is_in_frames: bool,
}

/// What a pass gave.
#[derive(Debug, Default)]
struct Pass {
    frames: HashMap<FrameId, Vec<u8>>,
    /// The frames in the order in which they came.
    order: Vec<FrameId>,
    messages: Vec<Found>,
    /// Messages that were captured again, with the places.
    again: Vec<(u64, Vec<Piece>)>,
    connections: BTreeMap<u64, Option<FrameId>>,
}

/// Nothing where the capture cannot be read.
fn pass(sources: Vec<Source>) -> Option<Pass> {
    let mut pass = Pass::default();
    let take = &mut |event: Event<'_>| {
        match event {
            Event::Packet(seen) => {
                if seen.whole.is_none() {
                    let data = seen.frame.data.to_vec();
                    assert!(pass.frames.insert(seen.frame.id, data).is_none());
                    pass.order.push(seen.frame.id);
                    pass.connections.insert(seen.frame.id.number, seen.connection);
                }
            }
            Event::Message(origin) => {
                assert_eq!(origin.message, pass.messages.len() as u64);
                pass.messages.push(Found {
                    frame: origin.frame,
                    transport: origin.transport,
                    is_in_frames: origin.is_in_frames(),
                    bytes: origin.bytes.to_vec(),
                    pieces: origin.pieces,
                    unit: origin.unit,
                    mask: origin.mask,
                    connection: origin.connection,
                });
            }
            Event::Again { message, pieces } => pass.again.push((message, pieces)),
        }
        ControlFlow::Continue(())
    };
    origins(sources, &KeyLog::default(), &|_| (), take).ok()?;
    Some(pass)
}

fn pass_of(capture: &Capture) -> Pass {
    let pass = pass(vec![source(&pcap(capture))]).expect("a capture");
    pass.check("made");
    pass
}

impl Pass {
    /// What lies in a frame is what the message has there.
    fn check(&self, name: &str) {
        for (found, number) in self.messages.iter().zip(0..) {
            for piece in &found.pieces {
                self.check_piece(name, number, piece);
            }
            let is_last = |piece: &Piece| piece.frame == found.frame;
            assert!(found.pieces.is_empty() || found.pieces.iter().any(is_last), "{name}");
            let bytes: usize = found.unit.iter().map(|piece| piece.length).sum();
            assert!(found.unit.is_empty() || bytes > found.bytes.len(), "{name}");
        }
        for (message, pieces) in &self.again {
            assert!(!pieces.is_empty());
            pieces.iter().for_each(|piece| self.check_piece(name, *message, piece));
        }
    }

    fn check_piece(&self, name: &str, message: u64, piece: &Piece) {
        let found = &self.messages[message as usize];
        let lies = &self.frames[&piece.frame][piece.offset..piece.offset + piece.length];
        let masked: Vec<u8> = match found.mask {
            None => lies.to_vec(),
            Some(mask) => (piece.at..).zip(lies).map(|(at, byte)| byte ^ mask[at % 4]).collect(),
        };
        let own = &found.bytes[piece.at..piece.at + piece.length];
        assert!(masked == own, "{name}: message {message}, {piece:?}: {}", masked.escape_ascii());
    }

    fn all_in_frames(&self) -> bool {
        self.messages.iter().all(|found| found.is_in_frames)
    }

    /// The frames of the pieces of each message.
    fn frames_of(&self) -> Vec<Vec<u64>> {
        let numbers = |found: &Found| found.pieces.iter().map(|piece| piece.frame.number).collect();
        self.messages.iter().map(numbers).collect()
    }
}

const CALL: &str = "\
host alice 192.0.2.10
host proxy 198.51.100.1
0      alice > proxy INVITE sip:bob@example.com
       sdp
+0.125 proxy > alice 100
+0.5   proxy > alice 486
+0.125 alice > proxy ACK
";

#[test]
fn finds_messages_in_every_tunnel() {
    let plain = Capture::of_script(CALL);
    for (name, wrap) in tunnel::ALL {
        let pass = pass_of(&plain.wrapped(link::ETHERNET, wrap));
        assert_eq!((pass.messages.len(), pass.all_in_frames()), (4, true), "{name}");
        assert!(pass.messages.iter().all(|found| found.connection.is_none()));
    }
}

#[test]
fn finds_messages_in_fragments_and_in_fragments_that_come_again() {
    let plain = Capture::of_script(CALL);
    let cut = plain.exploded(link::RAW, |packet| ip::fragments(packet, 200));
    let pass = pass_of(&cut);
    assert_eq!((pass.messages.len(), pass.all_in_frames()), (4, true));
    assert!(pass.frames_of()[0].len() > 2, "{:?}", pass.frames_of());

    let twice = plain.exploded(link::RAW, |packet| {
        let pieces = ip::fragments(packet, 200);
        // The last one completes the packet; what comes after it is the beginning of another.
        let (last, first) = pieces.split_last().expect("a piece");
        first
            .iter()
            .flat_map(|piece| [piece.clone(), piece.clone()])
            .chain([last.clone()])
            .collect()
    });
    let pass = pass_of(&twice);
    let frames = &pass.frames_of()[0];
    assert_eq!(pass.messages.len(), 4);
    assert_eq!(frames.len(), *frames.iter().max().expect("a frame") as usize);

    // Fragments of a tunnel that carries fragments.
    let nested = plain.exploded(link::RAW, |packet| {
        let inner = ip::fragments(packet, 160);
        inner.iter().flat_map(|piece| ip::fragments(&ip::outer(4, piece), 64)).collect()
    });
    let pass = pass_of(&nested);
    assert_eq!((pass.messages.len(), pass.all_in_frames()), (4, true));
}

/// Segments from alice to the proxy on one connection: sequence number and bytes of each.
fn segments(sent: &[(u32, &[u8])]) -> Capture {
    let plain = Capture::of_script(CALL);
    let model = &plain.records[0].data;
    let records = sent.iter().zip(0..).map(|((sequence, bytes), number)| {
        let rest = [0, 0, 0, 1, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0];
        let ports = ip::ports(model);
        let segment = [ports.as_flattened(), &sequence.to_be_bytes(), &rest, bytes].concat();
        let data = ip::with_payload(model, 6, &segment);
        let nanos = 1_700_000_000_000_000_000 + number * 10_000_000;
        Record { nanos, length: data.len() as u32, data }
    });
    Capture { link: plain.link, records: records.collect() }
}

fn options(number: usize) -> Vec<u8> {
    format!("OPTIONS sip:bob@example.com SIP/2.0\r\nCall-ID: {number}\r\nContent-Length: 0\r\n\r\n")
        .into_bytes()
}

#[test]
fn finds_messages_in_streams_however_they_are_cut() {
    let (one, two) = (options(1), options(2));
    let stream = [&one[..], b"\r\n\r\n", &two].concat();
    let begin = u32::MAX - 60;
    for cut in 1..stream.len() {
        let (a, b) = stream.split_at(cut);
        let later = begin.wrapping_add(cut as u32);
        let pass = pass_of(&segments(&[(begin, a), (later, b)]));
        assert_eq!((pass.messages.len(), pass.all_in_frames()), (2, true), "{cut}");
        let has_both = pass.messages.iter().any(|found| found.pieces.len() == 2);
        let lies_between = (one.len()..=one.len() + 4).contains(&cut);
        assert_eq!(has_both, !lies_between, "{cut}");
        let first = Some(FrameId { capture: 0, number: 1 });
        assert!(pass.messages.iter().all(|found| found.connection == first));
        assert!(pass.connections.values().all(|connection| *connection == first));
    }
}

#[test]
fn finds_what_comes_early_late_twice_and_across() {
    let (one, two) = (options(1), options(2));
    let stream = [&one[..], &two].concat();
    let at = |from: usize, to: usize| (7000 + from as u32, &stream[from..to]);
    let end = stream.len();
    // Out of order; the gap is filled by a segment that reaches across both of its ends.
    let pass = pass_of(&segments(&[at(0, 30), at(60, 90), at(20, 70), at(90, end)]));
    assert_eq!((pass.messages.len(), pass.all_in_frames()), (2, true));
    assert!(pass.frames_of()[0].contains(&2) && pass.frames_of()[0].contains(&3));

    // What is sent again after the message was read lies in that frame as well.
    let pass = pass_of(&segments(&[at(0, one.len()), at(10, 50), at(one.len() - 5, end)]));
    assert_eq!((pass.messages.len(), pass.all_in_frames()), (2, true));
    let again: Vec<_> = pass.again.iter().map(|(message, pieces)| (*message, pieces[0])).collect();
    let [(0, first), (0, second)] = again[..] else { panic!("{again:?}") };
    assert_eq!((first.frame.number, first.at, first.length), (2, 10, 40));
    assert_eq!((second.frame.number, second.at, second.length), (3, one.len() - 5, 5));
}

#[test]
fn a_connection_ends_where_its_ports_are_opened_anew() {
    let (one, two) = (options(1), options(2));
    let mut capture = segments(&[(99, b""), (100, &one), (50_000, b""), (50_001, &two)]);
    for number in [0, 2] {
        // SYN.
        capture.records[number].data[20 + 13] = 2;
    }
    let pass = pass_of(&capture);
    let connections: Vec<_> =
        pass.connections.values().map(|first| first.expect("a connection").number).collect();
    assert_eq!(connections, [1, 1, 3, 3]);
    assert!(pass.all_in_frames() && pass.again.is_empty());
}

/// A WebSocket frame with a mask.
fn web_socket(message: &[u8]) -> Vec<u8> {
    let mask = [0x5a, 0x17, 0xc3, 0x08];
    let masked = message.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key);
    let length = (message.len() as u16).to_be_bytes();
    [&[0x81, 0xfe][..], &length, &mask].concat().into_iter().chain(masked).collect()
}

#[test]
fn finds_messages_under_the_mask_of_web_socket() {
    let upgrade = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: sip\r\n\r\n";
    let filled = |message: &[u8]| [message, &[b' '; 100]].concat();
    let (one, two) = (filled(&options(1)), filled(&[b"\r\n", &options(2)[..]].concat()));
    let stream = [web_socket(&one), web_socket(&two)].concat();
    let begin = 5 + upgrade.len() as u32;
    for cut in (1..stream.len()).step_by(7) {
        let (a, b) = stream.split_at(cut);
        let pass = pass_of(&segments(&[(5, upgrade), (begin, a), (begin + cut as u32, b)]));
        assert_eq!((pass.messages.len(), pass.all_in_frames()), (2, true), "{cut}");
        assert!(pass.messages.iter().all(|found| found.mask.is_some() && !found.unit.is_empty()));
        assert!(pass.messages.iter().all(|found| found.transport == Transport::Ws));
    }
}

#[test]
fn finds_messages_in_hep_over_a_stream() {
    let plain = Capture::of_script(CALL);
    let stream: Vec<u8> =
        plain.records.iter().flat_map(|record| tunnel::hep3(&record.data)).collect();
    let (a, b) = stream.split_at(stream.len() / 3);
    let pass = pass_of(&segments(&[(5, a), (5 + a.len() as u32, b)]));
    assert_eq!((pass.messages.len(), pass.all_in_frames()), (4, true));
    assert!(pass.messages.iter().all(|found| !found.unit.is_empty()));
}

#[test]
fn several_captures_are_one_in_order_of_time() {
    let plain = Capture::of_script(CALL);
    let halves = [0, 1].map(|half| {
        let own = plain.records.iter().skip(half).step_by(2).cloned().collect();
        pcap(&Capture { link: plain.link, records: own })
    });
    let [first, second] = halves.map(std::io::Cursor::new);
    let pass = pass(vec![
        Source::from_reader("a", Box::new(first), 0).expect("a capture"),
        Source::from_reader("b", Box::new(second), 1).expect("a capture"),
    ])
    .expect("two captures");
    let order: Vec<_> = pass.order.iter().map(|id| (id.capture, id.number)).collect();
    assert_eq!(order, [(0, 1), (1, 1), (0, 2), (1, 2)]);
    assert!(pass.all_in_frames());
}

/// Every capture below a folder has as many messages as the analysis counts, and what lies in its
/// frames is right.
fn check_folder(folder: &Path) -> [usize; 2] {
    let mut counts = [0; 2];
    let mut paths: Vec<_> =
        fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.is_file()) {
        let (Ok(one), Ok(other)) = (Source::open(path, 0), Source::open(path, 0)) else { continue };
        let Some(pass) = pass(vec![one]) else { continue };
        pass.check(&path.display().to_string());
        let totals = analyse(vec![other]).totals;
        let expected = totals.sip_messages + totals.copies;
        assert_eq!(pass.messages.len() as u64, expected, "{}", path.display());
        counts[0] += pass.messages.len();
        counts[1] += pass.messages.iter().filter(|found| found.is_in_frames).count();
    }
    counts
}

#[test]
fn recorded_messages_lie_in_their_frames() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures");
    let [all, in_frames] = check_folder(&own);
    assert_eq!(in_frames, all);
    if let Some(folder) = shared::path("captures/public") {
        let [all, in_frames] = check_folder(&folder);
        assert!(all > 1000 && in_frames == all, "{in_frames} of {all}");
    }
}
