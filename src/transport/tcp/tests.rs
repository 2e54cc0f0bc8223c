//! Streams in every order, with losses, repetitions and damage.

use super::*;
use crate::limits::{MESSAGE_BYTES_MAX, TCP_WAITING_BYTES_MAX, TCP_WAITING_SEGMENTS_MAX};
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
        assert_eq!(line.messages(), [&message], "{sequence}");
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

/// The segment of so many bytes of a message from a port, at a moment.
fn arrival<'a>(port: u16, time: Time, sequence: u32, payload: &'a [u8]) -> Arrival<'a> {
    let (source, destination) = (endpoint(1, port), endpoint(2, 5060));
    let path = Path { source, destination, ip_id: 0, vlan: 0 };
    let (acknowledgement, flags, header, missing) = (0, 0x10, &b""[..], 0);
    let segment = Segment { path, sequence, acknowledgement, flags, header, payload, missing };
    Arrival { frame: FrameId::default(), time, segment }
}

#[test]
fn what_segments_cost_is_bounded_as_well_as_their_bytes() {
    let mut streams = Streams { held_max: 1 << 20, flows_max: 5_000, ..Streams::default() };
    let keys = KeyLog::default();
    let message = invite(1, 9);
    for port in 1..=2_000_u16 {
        streams.push(&arrival(port, Time::default(), 0, &message), &keys, &mut |_| ());
        // Every other byte behind a gap.
        for at in 0..TCP_WAITING_SEGMENTS_MAX as u32 {
            let segment = arrival(port, Time::default(), 9_000 + at * 2, b"x");
            streams.push(&segment, &keys, &mut |_| ());
        }
        assert!(streams.held <= 1 << 20);
    }
    assert!(streams.counts().relieved > 100);
    let orders = streams.flows.values().flat_map(|flow| &flow.orders);
    assert!(orders.map(Order::held).sum::<usize>() <= streams.held);
    streams.finish(&keys, &mut |_| ());
    assert_eq!(streams.held, 0);
}

#[test]
fn so_many_segments_wait_for_a_missing_one() {
    let (message, late) = (invite(1, 0), invite(2, 0));
    let mut line = Line::opened();
    line.send(CLIENT, &message);
    line.lose(CLIENT, 100);
    let next = invite(3, 2 * TCP_WAITING_SEGMENTS_MAX);
    let mut pieces = next.chunks(next.len() / (TCP_WAITING_SEGMENTS_MAX + 1));
    for piece in pieces.by_ref().take(TCP_WAITING_SEGMENTS_MAX) {
        line.send(CLIENT, piece);
    }
    assert_eq!((line.got.len(), line.streams.counts().gaps), (1, 0));
    pieces.for_each(|piece| line.send(CLIENT, piece));
    line.send(CLIENT, &late);
    assert_eq!(line.messages(), [&message, &next, &late]);
    assert_eq!(line.streams.counts().gaps, 1);
    let orders = line.streams.flows.values().flat_map(|flow| &flow.orders);
    assert_eq!(orders.map(Order::held).sum::<usize>(), 0, "memory is for those that need it");

    // By bytes.
    let mut line = Line::opened();
    line.send(CLIENT, &message);
    line.lose(CLIENT, 100);
    let count = TCP_WAITING_BYTES_MAX / 60_000;
    for number in 0..=count {
        assert_eq!(line.got.len(), 1);
        let large = invite(number, 60_000);
        line.send(CLIENT, &large);
    }
    assert_eq!((line.got.len(), line.streams.counts().gaps), (2 + count, 1));
}

#[test]
fn flows_that_were_silent_longest_give_way_whatever_the_clock_does() {
    let keys = KeyLog::default();
    let message = invite(1, 40);
    for step in [1, -3_600, 0] {
        let mut streams = Streams { flows_max: 20, held_max: 1 << 20, ..Streams::default() };
        let mut count = 0;
        for port in 1..=100_u16 {
            let time = Time::from_parts(1_700_000_000 + i64::from(port) * step, 0);
            streams.push(&arrival(port, time, 0, &message), &keys, &mut |_| count += 1);
            assert!(streams.flows.len() <= 20);
        }
        let evicted = streams.counts().evicted;
        assert_eq!((count, evicted), (100, 100 - streams.flows.len() as u64), "{step}");
    }
}

#[test]
fn a_gap_ends_whatever_the_clock_does() {
    let (message, late) = (invite(1, 0), invite(2, 0));
    for second in [1_700_000_060, 1_699_990_000, 0, i64::MAX, i64::MIN] {
        let now = Time::from_parts(second, 0);
        // Another segment of the flow comes at that moment.
        let mut line = Line::opened();
        line.lose(CLIENT, 100);
        line.send(CLIENT, &message);
        line.now = now;
        line.send(CLIENT, &late);
        assert_eq!(line.messages(), [&message, &late], "{second}");
        // Or the captures are read to it.
        let mut line = Line::opened();
        line.lose(CLIENT, 100);
        line.send(CLIENT, &message);
        let mut count = 0;
        line.streams.expire(now, &line.keys, &mut |_| count += 1);
        assert_eq!((count, line.streams.waits_since), (1, None), "{second}");
    }
}

#[test]
fn a_message_that_is_too_long_is_counted_and_the_next_one_read() {
    let next = invite(7, 5);
    // A header without an end, a body longer than any, and one that is only claimed.
    let endless = [b"INVITE sip:a@b SIP/2.0\r\n".as_slice(), &b"X: y\r\n".repeat(60_000)].concat();
    let long = invite(1, MESSAGE_BYTES_MAX + 1);
    let claimed = String::from_utf8(invite(1, 0)).expect("text");
    let claimed = claimed.replace("Length: 0", "Length: 9999999999").into_bytes();
    for (stream, heads) in [(endless, 0), (long, 1), (claimed, 1)] {
        let mut line = Line::opened();
        for piece in stream.chunks(1_400) {
            line.send(CLIENT, piece);
        }
        line.send(CLIENT, b"\r\n");
        line.send(CLIENT, &next);
        let cut: Vec<_> = line.got.iter().map(|got| got.is_cut).collect();
        assert_eq!(cut, [vec![true; heads], vec![false]].concat());
        assert_eq!(line.messages().last(), Some(&next.as_slice()));
        assert_eq!(line.finish().too_long, 1);
    }
    let mut line = Line::opened();
    line.send(CLIENT, &invite(1, MESSAGE_BYTES_MAX - 2_000));
    assert_eq!((line.got.len(), line.finish().too_long), (1, 0));
}

#[test]
fn holes_are_counted_beyond_those_that_are_listed() {
    let mut holes = Holes { max: 2, ..Holes::default() };
    for second in [5, 4, 9, 7] {
        let (source, destination) = (endpoint(1, 1), endpoint(2, 5060));
        let time = Time::from_parts(second, 0);
        holes.add(Hole { source, destination, bytes: 10, frame: FrameId::default(), time });
    }
    assert_eq!((holes.listed.len(), holes.count, holes.bytes), (2, 4, 40));
    assert_eq!(holes.unlisted_from, Some(Time::from_parts(7, 0)));
}

#[test]
fn encrypted_peers_are_bounded_and_say_so() {
    let mut streams = Streams {
        flows_max: 500,
        held_max: 1 << 20,
        encrypted: Peers { max: 2, ..Peers::default() },
        handshakes: Table { max: 3, ..Table::default() },
        ..Streams::default()
    };
    let keys = KeyLog::default();
    // A ClientHello, which is answered by no TLS.
    let mut hello = vec![0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0x13, 1, 1, 0]);
    for host in 1..=10 {
        let (client, server) = (endpoint(host, 40_000), endpoint(200, 5061));
        let mut send = |source, destination, payload: &[u8]| {
            let mut arrival = arrival(1, Time::from_parts(host.into(), 0), 0, payload);
            arrival.segment.path = Path { source, destination, ip_id: 0, vlan: 0 };
            streams.push(&arrival, &keys, &mut |_| ());
        };
        if host <= 5 {
            send(client, server, b"\x17\x03\x03\0\x02ab");
        } else {
            send(client, server, &hello);
            send(server, client, b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    }
    streams.finish(&keys, &mut |_| ());
    assert_eq!((streams.encrypted().count(), streams.handshakes().count()), (2, 3));
    assert_eq!(streams.counts().unlisted, 3 + 2);
    // The first flows, by their ends, are those that are known.
    let known: Vec<_> = streams.encrypted().map(|own| own.client).collect();
    assert_eq!(known, [endpoint(1, 0).address, endpoint(2, 0).address]);
}

#[test]
fn who_wants_places_is_not_made_to_keep_how_connections_end() {
    let mut line = Line::new();
    line.streams = Streams::with_share_of(1).traced();
    line.segment(CLIENT, 7, SYN, b"", 0);
    line.segment(SERVER, 0, RST | ACK, b"", 0);
    assert!(line.streams.turns.is_empty());
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

#[test]
fn tells_of_bytes_that_are_missing_before_an_end() {
    let lacks_end = |line: &mut Line| {
        let turns = line.streams.take_turns();
        let [Turn::Disrupted(end)] = turns.as_slice() else { panic!("{turns:?}") };
        end.last_words.expect("a connection").lacks_end
    };
    for flags in [FIN, RST] {
        let mut line = Line::opened();
        line.send(SERVER, &ok(1));
        line.lose(SERVER, 200);
        let [_, next] = line.next;
        line.segment(SERVER, next, flags | ACK, b"", 0);
        assert!(lacks_end(&mut line), "{flags}");
        line.finish();
        assert_eq!(line.streams.counts().gaps, 1, "{flags}");
    }
    // A RST goes behind the FIN before it, or has a number of its own.
    for ahead in [0, 1, 1 << 20] {
        let mut line = Line::opened();
        line.send(SERVER, &ok(1));
        let [_, next] = line.next;
        line.segment(SERVER, next, FIN | ACK, b"", 0);
        line.segment(SERVER, next.wrapping_add(ahead), RST, b"", 0);
        assert!(!lacks_end(&mut line), "{ahead}");
        line.finish();
        assert_eq!(line.streams.counts().gaps, 0, "{ahead}");
    }
    // What the end overtook is read all the same.
    let mut line = Line::opened();
    line.send(SERVER, &ok(1));
    let [_, next] = line.next;
    let late = ok(2);
    line.segment(SERVER, next.wrapping_add(late.len() as u32), FIN | ACK, b"", 0);
    line.segment(SERVER, next, ACK, &late, 0);
    line.finish();
    assert_eq!((line.messages().len(), line.streams.counts().gaps), (2, 0));
}
