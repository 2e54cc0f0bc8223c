//! Streams in every order, with losses, repetitions and damage.

use super::*;
use crate::time::Span;
use crate::transport::DisruptionKind;
use crate::transport::samples::{CLIENT, Line, Random, SERVER, endpoint, invite, ok};

/// Four messages with keep-alives between them.
fn stream() -> (Vec<Vec<u8>>, Vec<u8>) {
    let messages = vec![invite(1, 0), invite(2, 90), ok(3), invite(4, 25)];
    let stream = messages.join(&b"\r\n\r\n"[..]);
    (messages, stream)
}

/// A piece of the stream: from where to where.
type Piece = (usize, usize);

fn pieces(length: usize, size: usize) -> Vec<Piece> {
    (0..length).step_by(size).map(|from| (from, (from + size).min(length))).collect()
}

fn read(side: bool, is_opened: bool, stream: &[u8], pieces: &[Piece]) -> Line {
    let mut line = if is_opened { Line::opened() } else { Line::new() };
    let start = line.next[usize::from(!side)];
    for (from, to) in pieces {
        let sequence = start.wrapping_add(*from as u32);
        line.segment(side, sequence, 0x10, &stream[*from..*to], 0);
    }
    line
}

#[test]
fn finds_the_messages_in_whatever_order_their_bytes_come() {
    let (messages, stream) = stream();
    let length = stream.len();
    let mut cases: Vec<(String, Vec<Piece>)> =
        vec![("joined".into(), vec![(0, length)]), ("single bytes".into(), pieces(length, 1))];
    for cut in 1..length {
        cases.push((format!("cut at {cut}"), vec![(0, cut), (cut, length)]));
        cases.push((format!("cut at {cut}, reordered"), vec![(cut, length), (0, cut)]));
    }
    for size in [7, 33, 50, 64, 200] {
        let plain = pieces(length, size);
        let swapped = plain.chunks(2).flat_map(|pair| pair.iter().rev().copied());
        let reversed = plain.chunks(20).flat_map(|some| some.iter().rev().copied());
        let doubled = plain.iter().flat_map(|piece| [*piece, *piece]);
        let overlapped = plain.iter().map(|(from, to)| (from.saturating_sub(20), *to));
        let grown = plain.iter().flat_map(|(from, to)| [(*from, *from + 1), (*from, *to)]);
        cases.push((format!("{size}"), plain.clone()));
        cases.push((format!("{size} swapped"), swapped.collect()));
        cases.push((format!("{size} doubled"), doubled.collect()));
        cases.push((format!("{size} overlapped"), overlapped.collect()));
        cases.push((format!("{size} grown"), grown.collect()));
        cases.push((format!("{size} repeated"), [plain.clone(), plain.clone()].concat()));
        if plain.len() < 60 {
            cases.push((format!("{size} reversed"), reversed.collect()));
        }
    }
    for (name, pieces) in cases {
        for side in [CLIENT, SERVER] {
            let line = read(side, true, &stream, &pieces);
            assert_eq!(line.messages(), messages, "{name}");
            assert!(line.got.iter().all(|got| !got.is_cut), "{name}");
        }
        if pieces.windows(2).all(|pair| pair[0].0 <= pair[1].0) {
            assert_eq!(read(CLIENT, false, &stream, &pieces).messages(), messages, "{name}");
        }
    }
}

#[test]
fn loses_no_message_but_those_that_lost_bytes() {
    let (messages, stream) = stream();
    let mut spans = Vec::new();
    for message in &messages {
        let from = spans.last().map_or(0, |(_, to): &Piece| to + 4);
        spans.push((from, from + message.len()));
    }
    for size in [40, 97, 150] {
        let all = pieces(stream.len(), size);
        for lost in 0..all.len() {
            let mut rest = all.clone();
            let hole = rest.remove(lost);
            let mut line = read(CLIENT, true, &stream, &rest);
            line.finish();
            let whole: Vec<_> = messages
                .iter()
                .zip(&spans)
                .filter(|(_, (from, to))| *to <= hole.0 || *from >= hole.1)
                .map(|(message, _)| message.as_slice())
                .collect();
            let got: Vec<_> = line.got.iter().filter(|got| !got.is_cut).collect();
            let got: Vec<_> = got.iter().map(|got| got.bytes.as_slice()).collect();
            assert_eq!(got, whole, "{size}: lost {hole:?}");
        }
    }
}

#[test]
fn goes_on_behind_a_gap_when_nothing_fills_it_any_more() {
    let (first, second) = (invite(1, 50), invite(2, 0));
    let mut line = Line::opened();
    line.send(CLIENT, &first[..first.len() - 20]);
    line.lose(CLIENT, 20);
    line.send(CLIENT, &second);
    assert!(line.got.is_empty());
    line.streams
        .expire(line.now + Span::from_secs(3), &KeyLog::default(), &mut |_| panic!("too early"));
    let mut late = Vec::new();
    let now = line.now + Span::from_millis(3001);
    line.streams.expire(now, &KeyLog::default(), &mut |delivery| {
        late.push((delivery.frame.number, delivery.is_cut, delivery.bytes.to_vec()));
    });
    assert_eq!(late, [(3, true, first[..first.len() - 20].to_vec()), (4, false, second)]);
    assert_eq!(line.streams.counts().gaps, 0);
}

#[test]
fn tells_the_frame_that_completed_a_message() {
    let message = invite(1, 60);
    let (head, tail) = message.split_at(70);
    let [start, _] = Line::new().next;
    let mut line = Line::opened();
    line.segment(CLIENT, start + 70, 0x10, tail, 0);
    line.segment(CLIENT, start, 0x10, head, 0);
    let both = [ok(2), ok(3)].concat();
    line.segment(CLIENT, start + message.len() as u32, 0x10, &both, 0);
    assert_eq!(line.got.iter().map(|got| got.frame).collect::<Vec<_>>(), [4, 5, 5]);
}

#[test]
fn keeps_the_uses_of_two_ports_apart() {
    let message = invite(1, 30);
    for (sequence, has_syn) in [(5_000, true), (0x9000_0000, true), (990, true), (0x9000, true)] {
        let mut line = Line::opened();
        line.send(CLIENT, &message[..100]);
        if has_syn {
            line.segment(CLIENT, sequence - 1, 0x02, b"", 0);
            line.segment(CLIENT, sequence - 1, 0x02, b"", 0);
        }
        line.segment(CLIENT, sequence, 0x10, &message[..100], 0);
        line.segment(CLIENT, sequence - 1, 0x10, b"\0", 0);
        line.segment(CLIENT, sequence.wrapping_add(99), 0x10, &message[99..100], 0);
        line.segment(CLIENT, sequence.wrapping_add(100), 0x11, &message[100..], 0);
        // What came on the first connection ends with it.
        assert_eq!(line.messages(), [&message[..100], &message], "{sequence}");
    }
}

#[test]
fn an_opening_may_come_late_or_with_data() {
    let message = invite(1, 30);
    let [start, _] = Line::new().next;
    let mut line = Line::new();
    line.segment(CLIENT, start, 0x10, &message[..80], 0);
    line.segment(CLIENT, start - 1, 0x02, b"", 0);
    line.segment(CLIENT, start + 80, 0x10, &message[80..], 0);
    assert_eq!(line.messages(), [&message]);

    let mut line = Line::new();
    line.segment(CLIENT, start + 80, 0x10, &message[80..], 0);
    line.segment(CLIENT, start - 1, 0x02, &message[..80], 0);
    assert_eq!(line.messages(), [&message]);
}

#[test]
fn an_end_hands_on_what_is_there() {
    let (message, second) = (invite(1, 100), ok(2));
    for flags in [0x11, 0x14] {
        let mut line = Line::opened();
        line.send(CLIENT, &message[..message.len() - 9]);
        let next = line.next[0];
        line.segment(CLIENT, next, flags, b"", 0);
        assert_eq!(line.got.len(), 1, "{flags}");
        assert!(line.got[0].is_cut);
        assert_eq!(line.finish().unfinished, 1);
    }
    let mut line = Line::opened();
    let start = line.next[0];
    let length = message.len() as u32;
    line.segment(CLIENT, start + length, 0x11, &second, 0);
    line.segment(CLIENT, start, 0x10, &message, 0);
    assert_eq!(line.messages(), [&message, &second]);
}

#[test]
fn marks_what_the_snap_length_cut() {
    let (message, second) = (invite(1, 300), invite(2, 0));
    let mut line = Line::opened();
    let start = line.next[0];
    line.segment(CLIENT, start, 0x10, &message[..200], (message.len() - 200) as u32);
    line.segment(CLIENT, start + message.len() as u32, 0x10, &second, 0);
    assert_eq!(line.messages(), [&message[..200], &second]);
    assert_eq!(line.got.iter().map(|got| got.is_cut).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn takes_up_in_the_middle_of_a_message() {
    let (messages, stream) = stream();
    for from in [45, 90, 200] {
        let pieces = [(from, from + 40), (from + 40, from + 60), (from + 60, stream.len())];
        let line = read(CLIENT, false, &stream, &pieces);
        assert!(line.got.len() >= 2, "{from}");
        assert!(messages.ends_with(&line.got.iter().map(|g| g.bytes.clone()).collect::<Vec<_>>()));
    }
}

#[test]
fn keeps_nothing_of_flows_that_are_something_else() {
    let mut random = Random(0x5eed_0005);
    let noise: Vec<u8> = (0..400_000).map(|_| random.below(256) as u8).collect();
    let header = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n".as_slice();
    for stream in [noise.clone(), [header, &noise].concat(), vec![b'a'; 400_000]] {
        let mut line = Line::opened();
        for piece in stream.chunks(1448).take(20) {
            line.send(SERVER, piece);
        }
        for piece in stream.chunks(1448).skip(20).step_by(2) {
            line.lose(SERVER, 1448);
            line.send(SERVER, piece);
            assert_eq!(line.streams.held, 0);
        }
        line.send(SERVER, &invite(1, 0));
        assert_eq!(line.got.len(), 1);
    }
}

#[test]
fn bounds_what_all_flows_hold() {
    let mut streams = Streams { held_max: 1 << 20, flows_max: 500, ..Streams::default() };
    let message = invite(1, 200_000);
    let mut frame = 0;
    for port in 1..=2_000_u16 {
        let path =
            Path { source: endpoint(1, port), destination: endpoint(2, 5060), ip_id: 0, vlan: 0 };
        for (at, piece) in message[..60_000].chunks(1_400).enumerate() {
            frame += 1;
            let sequence = at as u32 * 1_400;
            let (flags, missing, acknowledgement) = (0x10, 0, 0);
            let segment = Segment {
                path,
                sequence,
                acknowledgement,
                flags,
                header: b"",
                payload: piece,
                missing,
            };
            let arrival = Arrival {
                frame: FrameId { capture: 0, number: frame },
                time: Time::from_nanos(frame as i64),
                segment,
            };
            streams.push(&arrival, &KeyLog::default(), &mut |delivery| assert!(delivery.is_cut));
            assert!(streams.held <= 1 << 20);
            let held: usize = streams.flows.values().map(|flow| flow.held).sum();
            assert_eq!(streams.held, held);
        }
    }
    let counts = streams.counts();
    assert!(streams.flows.len() <= 500 && counts.evicted > 0 && counts.relieved > 1_000);
}

#[test]
fn survives_any_segments() {
    let mut random = Random(0x5eed_0006);
    let (_, stream) = stream();
    for _ in 0..2_000 {
        let mut line = Line::new();
        for _ in 0..random.below(60) {
            let from = random.below(stream.len());
            let to = from + random.below(stream.len() - from);
            let mut piece = stream[from..to].to_vec();
            if random.below(4) == 0 && !piece.is_empty() {
                let at = random.below(piece.len());
                piece[at] = random.below(256) as u8;
            }
            let sequence = match random.below(12) {
                0 => random.below(usize::MAX) as u32,
                _ => 0xffff_ff00_u32.wrapping_add(from as u32),
            };
            let flags = [0x10, 0x18, 0x11, 0x14, 0x02, 0x12][random.below(40).min(5)];
            let flags = if random.below(6) == 0 { flags } else { 0x10 };
            line.now = line.now + Span::from_millis(random.below(900) as i64);
            line.segment(random.below(3) > 0, sequence, flags, &piece, random.below(3) as u32);
        }
        line.finish();
        assert_eq!(line.streams.held, 0);
    }
}

fn turn_kinds(line: &mut Line) -> Vec<DisruptionKind> {
    let turns = line.streams.take_turns().into_iter();
    turns
        .filter_map(|turn| match turn {
            Turn::Disrupted(disruption) => Some(disruption.kind),
            Turn::Opened(..) => None,
        })
        .collect()
}

#[test]
fn tells_connections_that_do_not_open() {
    let mut line = Line::new();
    line.segment(CLIENT, 7, SYN, b"", 0);
    line.segment(SERVER, 0, RST | ACK, b"", 0);
    assert_eq!(turn_kinds(&mut line), [DisruptionKind::Refused]);

    let mut line = Line::new();
    for seconds in [1, 2, 4] {
        assert_eq!(turn_kinds(&mut line), []);
        line.segment(CLIENT, 7, SYN, b"", 0);
        // A copy counts for nothing.
        line.segment(CLIENT, 7, SYN, b"", 0);
        line.now = line.now + Span::from_secs(seconds);
    }
    assert_eq!(turn_kinds(&mut line), [DisruptionKind::Unanswered]);
    line.segment(SERVER, 70, SYN | ACK, b"", 0);
    assert!(matches!(line.streams.take_turns().as_slice(), [Turn::Opened(client, server)]
        if client.port == 40_000 && server.port == 5060));

    let mut line = Line { server_port: 80, ..Line::new() };
    line.segment(CLIENT, 7, SYN, b"", 0);
    line.segment(SERVER, 0, RST | ACK, b"", 0);
    assert_eq!(turn_kinds(&mut line), []);
}

#[test]
fn tells_how_connections_with_sip_end() {
    for (flags, kind) in [(FIN, DisruptionKind::Closed), (RST, DisruptionKind::Reset)] {
        let mut line = Line::opened();
        line.send(CLIENT, &invite(1, 300));
        line.now = line.now + Span::from_secs(60);
        line.send(CLIENT, b"\r\n\r\n");
        let [_, next] = line.next;
        line.segment(SERVER, next, flags | ACK, b"", 0);
        line.segment(SERVER, next, RST, b"", 0);
        let turns = line.streams.take_turns();
        let [Turn::Disrupted(end)] = turns.as_slice() else { panic!("{turns:?}") };
        assert_eq!((end.kind, end.source.port), (kind, 5060));
        let words = end.last_words.expect("a connection");
        assert!(words.has_keep_alives && !words.has_gaps && words.idle > Span::from_secs(59));
    }
    let mut line = Line::opened();
    line.send(CLIENT, b"GET / HTTP/1.1\r\n\r\n");
    let [next, _] = line.next;
    line.segment(CLIENT, next, FIN | ACK, b"", 0);
    assert_eq!(turn_kinds(&mut line), []);
}
