//! One call, in every file, behind every link layer and in every tunnel: the result is the same.

use siptrace::capture::Note;

use crate::build::container::{self, Order, pcap, pcapng};
use crate::build::{Capture, Record, ip, link, tunnel};
use crate::outcome::{analyse, result, result_of, rules_of, source, unnumbered};

/// Times are sums of powers of two, so that every clock can tell them.
const CALL: &str = "\
# The server tries for six seconds and gives up.
host alice ALICE
host proxy PROXY
0      alice > proxy INVITE sip:bob@example.com
       sdp
+0.125 proxy > alice 100
6.125  proxy > alice 500
+0.125 alice > proxy ACK
8      alice > proxy OPTIONS call=second
+0.125 proxy > alice 200
end 70
";

fn call() -> Capture {
    Capture::of_script(&CALL.replace("ALICE", "192.0.2.10").replace("PROXY", "198.51.100.1"))
}

fn call_v6() -> Capture {
    Capture::of_script(&CALL.replace("ALICE", "2001:db8::10").replace("PROXY", "2001:db8::1"))
}

/// How a file is made of frames.
type Writer = fn(&Capture) -> Vec<u8>;

#[test]
fn the_plain_call_gives_what_is_expected_everywhere() {
    for (capture, server) in [(call(), "198.51.100.1:5060"), (call_v6(), "[2001:db8::1]:5060")] {
        let result = result_of(&pcap(&capture));
        assert_eq!(rules_of(&result), ["trying-then-server-failure"]);
        assert_eq!(result["findings"][0]["server"], server);
        assert_eq!(result["findings"][0]["evidence"]["wait_ms"], 6125.0);
        assert_eq!(result["totals"]["sip_messages"], 6);
        assert_eq!(result["totals"]["call_ids"], 2);
    }
}

#[test]
fn every_pcap_variant_gives_the_call() {
    let capture = call().on_ethernet();
    let expected = result_of(&pcap(&capture));
    let magics = [0xa1b2_c3d4, 0xa1b2_3c4d, 0xa12b_3c4d, 0xa1b2_cd34, 0x1c00_01ac, 0x1c00_01ab];
    for magic in magics {
        for order in [Order::Big, Order::Little] {
            let file = container::pcap_of(order, magic, 1, &capture.records);
            assert_eq!(result_of(&file), expected, "{magic:x} {order:?}");
        }
    }
    // The upper bits of the link type tell the length of the check sequence behind each frame.
    let checked = Capture {
        records: capture.records.iter().cloned().map(|r| with_trailer(r, 4)).collect(),
        ..capture
    };
    let file = container::pcap_of(Order::Little, 0xa1b2_c3d4, 0x2400_0001, &checked.records);
    assert_eq!(result_of(&file), expected);
}

fn with_trailer(mut record: Record, bytes: usize) -> Record {
    record.data.extend(vec![0x5a; bytes]);
    record.length += bytes as u32;
    record
}

#[test]
fn every_container_gives_the_call() {
    let files: [(&str, Writer); 9] = [
        ("pcapng, little-endian", |capture| pcapng(Order::Little, capture)),
        ("pcapng, big-endian", |capture| pcapng(Order::Big, capture)),
        ("snoop", container::snoop),
        ("a section for each packet", sections),
        ("interfaces with clocks of their own", interfaces),
        ("obsolete packet blocks", |capture| {
            let packets = capture.records.iter().flat_map(|record| {
                container::obsolete(Order::Little, 0, record.nanos as u64 / 1000, record)
            });
            let order = Order::Little;
            let head = [container::section(order), container::interface(order, 1, &[])].concat();
            head.into_iter().chain(packets).collect()
        }),
        ("blocks of unknown kind between", |capture| sprinkled(capture, 0x8000_0bad)),
        ("statistics between", |capture| sprinkled(capture, 5)),
        ("names between", |capture| sprinkled(capture, 4)),
    ];
    let capture = call().on_ethernet();
    let expected = result_of(&pcap(&capture));
    for (name, write) in files {
        assert_eq!(result_of(&write(&capture)), expected, "{name}");
    }
    // Wireshark numbers custom blocks as if they were packets.
    let unnumbered_call = unnumbered(expected);
    for kind in [0x0bad, 0x4000_0bad] {
        assert_eq!(unnumbered(result_of(&sprinkled(&capture, kind))), unnumbered_call, "{kind:x}");
    }
}

/// A section for each packet, in alternating byte order.
fn sections(capture: &Capture) -> Vec<u8> {
    let mut file = Vec::new();
    for (number, record) in capture.records.iter().enumerate() {
        let order = if number % 2 == 0 { Order::Big } else { Order::Little };
        file.extend(container::section(order));
        file.extend(container::interface(order, capture.link, &[]));
        file.extend(container::enhanced(order, 0, record.nanos as u64 / 1000, record));
    }
    file
}

/// An interface for each packet, with another resolution and offset.
fn interfaces(capture: &Capture) -> Vec<u8> {
    const SECOND: i64 = 1_000_000_000;

    let order = Order::Little;
    let clocks = [(3, 0), (6, 0), (9, 0), (0x80 | 10, 0), (0x80 | 30, 0), (9, 3600), (4, -86_400)];
    let mut file = container::section(order);
    for (resolution, offset) in clocks {
        file.extend(container::clocked(order, capture.link, resolution, offset));
    }
    for (record, (number, (resolution, offset))) in
        capture.records.iter().zip(clocks.iter().enumerate().cycle())
    {
        let nanos = i128::from(record.nanos - offset * SECOND);
        let ticks = match resolution & 0x80 {
            0 => nanos * 10_i128.pow(u32::from(*resolution)) / i128::from(SECOND),
            _ => (nanos << (resolution & 0x7f)) / i128::from(SECOND),
        };
        file.extend(container::enhanced(order, number as u32, ticks as u64, record));
    }
    file
}

/// A block of some kind before and behind each packet.
fn sprinkled(capture: &Capture, kind: u32) -> Vec<u8> {
    let order = Order::Little;
    let other = container::block(order, kind, &[0; 20]);
    let options = container::option(order, 1, b"no end mark");
    let mut file = container::section(order);
    file.extend(container::interface(order, capture.link, &options));
    for record in &capture.records {
        file.extend(&other);
        file.extend(container::enhanced(order, 0, record.nanos as u64 / 1000, record));
    }
    [file, other].concat()
}

#[test]
fn blocks_without_time_give_the_messages() {
    let capture = call().on_ethernet();
    let order = Order::Little;
    let mut file = [container::section(order), container::interface(order, 1, &[])].concat();
    file.extend(capture.records.iter().flat_map(|record| container::simple(order, record)));
    let result = result_of(&file);
    assert_eq!(result["totals"]["sip_messages"], 6);
    assert_eq!(result["calls"][0]["final_status"], 500);
    assert_eq!(rules_of(&result), ["final-response"]);
}

#[test]
fn compressed_files_give_the_call() {
    let capture = call().on_ethernet();
    let expected = result_of(&pcap(&capture));
    for plain in [pcap(&capture), pcapng(Order::Big, &capture), container::snoop(&capture)] {
        for (name, file) in container::compressed(&plain) {
            let analysis = analyse(vec![source(&file)]);
            assert_eq!(analysis.captures[0].compression, name);
            assert_eq!(result(&analysis), expected, "{name}");
        }
    }
}

#[test]
fn every_link_layer_gives_the_call() {
    for capture in [call(), call_v6()] {
        let expected = result_of(&pcap(&capture));
        for (name, link, wrap) in link::ALL {
            let wrapped = capture.wrapped(*link, wrap);
            assert_eq!(result_of(&pcap(&wrapped)), expected, "{name}");
            assert_eq!(result_of(&pcapng(Order::Little, &wrapped)), expected, "{name}");
        }
    }
}

#[test]
fn every_tunnel_gives_the_call_with_its_inner_addresses() {
    for capture in [call(), call_v6()] {
        let expected = result_of(&pcap(&capture));
        for (name, wrap) in tunnel::ALL {
            let wrapped = capture.wrapped(link::ETHERNET, wrap);
            assert_eq!(result_of(&pcap(&wrapped)), expected, "{name}");
        }
    }
}

#[test]
fn several_link_types_in_one_file_give_the_call() {
    let capture = call();
    let expected = result_of(&pcap(&capture));
    let order = Order::Little;
    let mut file = container::section(order);
    let layers = &link::ALL[..capture.records.len()];
    file.extend(layers.iter().flat_map(|(_, link, _)| container::interface(order, *link, &[])));
    for (number, (record, (_, _, wrap))) in capture.records.iter().zip(layers).enumerate() {
        let data = wrap(&record.data);
        let wrapped = Record { length: data.len() as u32, data, nanos: record.nanos };
        let ticks = record.nanos as u64 / 1000;
        file.extend(container::enhanced(order, number as u32, ticks, &wrapped));
    }
    let analysis = analyse(vec![source(&file)]);
    assert_eq!(analysis.captures[0].link_types.len(), 6);
    assert_eq!(result(&analysis), expected);
}

/// In which order the pieces of a packet come.
type Shuffle = fn(Vec<Vec<u8>>) -> Vec<Vec<u8>>;

#[test]
fn fragments_in_any_order_give_the_call() {
    let shuffles: [(&str, Shuffle); 5] = [
        ("in order", |pieces| pieces),
        ("backwards", |pieces| pieces.into_iter().rev().collect()),
        ("the last one first", |mut pieces| {
            pieces.rotate_right(1);
            pieces
        }),
        ("each twice", |pieces| match pieces.len() {
            // A whole packet twice is a capture copy, and named as such.
            1 => pieces,
            _ => pieces.into_iter().flat_map(|piece| [piece.clone(), piece]).collect(),
        }),
        ("even ones first", |pieces| {
            let even = pieces.iter().step_by(2).cloned();
            even.chain(pieces.iter().skip(1).step_by(2).cloned()).collect()
        }),
    ];
    for capture in [call(), call_v6()] {
        let expected = unnumbered(result_of(&pcap(&capture)));
        for (name, shuffle) in shuffles {
            for size in [8, 48, 256, 1480] {
                let cut = |packet: &[u8]| shuffle(ip::fragments(packet, size));
                let fragmented = capture.exploded(link::RAW, cut);
                let found = unnumbered(result_of(&pcap(&fragmented)));
                assert_eq!(found, expected, "{name}, {size} bytes");
                let mirrored = fragmented.wrapped(link::ETHERNET, tunnel_named("ERSPAN II"));
                assert_eq!(unnumbered(result_of(&pcap(&mirrored))), expected, "{name}, mirrored");
            }
        }
    }
}

#[test]
fn tunnels_in_fragments_give_the_call() {
    for capture in [call(), call_v6()] {
        let expected = unnumbered(result_of(&pcap(&capture)));
        for name in ["IPIP, 6in4", "GRE with key", "VXLAN", "GTP-U", "HEP3", "ESP-NULL tunnel"] {
            let wrap = tunnel_named(name);
            let cut = |packet: &[u8]| {
                // The packet of the tunnel, without its Ethernet header, in pieces.
                ip::fragments(&wrap(packet)[14..], 256).into_iter().rev().collect()
            };
            let fragmented = capture.exploded(link::RAW, cut);
            assert_eq!(unnumbered(result_of(&pcap(&fragmented))), expected, "{name}");
        }
    }
}

fn tunnel_named(name: &str) -> fn(&[u8]) -> Vec<u8> {
    let found = tunnel::ALL.iter().find(|(known, _)| *known == name);
    found.map(|(_, wrap)| *wrap).expect("a tunnel of that name")
}

#[test]
fn a_missing_fragment_costs_one_message_only() {
    let capture = call();
    let mut fragmented = capture.exploded(link::RAW, |packet| ip::fragments(packet, 256));
    fragmented.records.remove(1);
    let result = result_of(&pcap(&fragmented));
    assert_eq!(result["totals"]["sip_messages"], 5);
    assert_eq!(result["totals"]["call_ids"], 2);
}

#[test]
fn packets_that_the_card_was_to_cut_have_no_length() {
    for capture in [call(), call_v6()] {
        let expected = result_of(&pcap(&capture));
        let offloaded = capture.wrapped(link::ETHERNET, |packet| {
            let at = if ip::is_v6(packet) { 4 } else { 2 };
            let mut packet = packet.to_vec();
            packet[at..at + 2].fill(0);
            link::ethernet(&packet)
        });
        assert_eq!(result_of(&pcap(&offloaded)), expected);
    }
}

#[test]
fn a_snap_length_costs_bodies_and_is_named() {
    let mut capture = call().on_ethernet();
    for record in &mut capture.records {
        record.data.truncate(430);
    }
    let result = result_of(&pcap(&capture));
    assert_eq!(result["totals"]["sip_messages"], 6);
    let rules = rules_of(&result);
    assert!(rules.contains(&"capture-truncated-messages"), "{rules:?}");
    assert!(rules.contains(&"trying-then-server-failure"), "{rules:?}");
}

#[test]
fn tcp_gives_the_call_however_it_was_cut() {
    let script = |options: &str| {
        let text = CALL.replace("ALICE", "192.0.2.10").replace("PROXY", "198.51.100.1");
        text.replace("0      alice", "transport tcp\n0      alice")
            .replace("INVITE sip:bob@example.com", &format!("INVITE sip:bob@example.com {options}"))
            .replace("alice 500", &format!("alice 500 {options}"))
    };
    let plain = Capture::of_script(&script(""));
    let expected = unnumbered(result_of(&pcap(&plain)));
    assert_eq!(rules_of(&expected), ["trying-then-server-failure"]);
    let steady = |value| {
        let mut value = unnumbered(value);
        // A message ends with its last segment, a moment later.
        crate::outcome::without(&mut value, &["ms", "end", "start", "wait_ms", "message", "kpi"]);
        crate::outcome::without(
            &mut value,
            &["response_ms", "response_time", "pdd_ms", "time", "evidence"],
        );
        value
    };
    for options in ["split=2", "split=7", "split=3 reorder", "duplicate", "split=4 duplicate"] {
        let capture = Capture::of_script(&script(options));
        let found = steady(result_of(&pcap(&capture)));
        assert_eq!(found, steady(expected.clone()), "{options}");
    }
    for (name, change) in TCP_CHANGES {
        let changed = Capture {
            link: link::RAW,
            records: change(Capture::of_script(&script("split=3")).records),
        };
        assert_eq!(steady(result_of(&pcap(&changed))), steady(expected.clone()), "{name}");
    }
}

/// Name, and what is done to the packets of a TCP call.
type Change = (&'static str, fn(Vec<Record>) -> Vec<Record>);

const TCP_CHANGES: [Change; 4] = [
    ("sequence numbers that wrap", |records| {
        let of_client = records.iter().find(|record| ip::protocol(&record.data) == 6);
        let first = of_client.map_or(0, |record| sequence(&record.data));
        let shift = (u32::MAX - 150).wrapping_sub(first);
        records.into_iter().map(|record| shifted(record, shift)).collect()
    }),
    ("keep-alive bytes", |records| {
        let again = |record: Record| {
            let mut keep_alive = record.clone();
            let is_data = ip::protocol(&record.data) == 6 && ip::payload(&record.data).len() > 20;
            if is_data {
                // The last byte that the other side has, once more.
                let sequence = sequence(&record.data).wrapping_sub(1);
                let header = &ip::payload(&record.data)[..20];
                keep_alive.data = ip::with_payload(&record.data, 6, &[header, &[0]].concat());
                keep_alive.data[24..28].copy_from_slice(&sequence.to_be_bytes());
                keep_alive.length = keep_alive.data.len() as u32;
            }
            if is_data { vec![keep_alive, record] } else { vec![record] }
        };
        records.into_iter().flat_map(again).collect()
    }),
    ("a capture that begins behind the handshake", |records| {
        let is_data = |record: &Record| {
            ip::protocol(&record.data) != 6 || ip::payload(&record.data).len() > 20
        };
        records.into_iter().filter(is_data).collect()
    }),
    ("an end by reset", |mut records| {
        if let Some(mut reset) = records.iter().rfind(|r| ip::protocol(&r.data) == 6).cloned() {
            let end = sequence(&reset.data) + ip::payload(&reset.data).len() as u32 - 20;
            let header = ip::payload(&reset.data)[..20].to_vec();
            reset.data = ip::with_payload(&reset.data, 6, &header);
            reset.data[24..28].copy_from_slice(&end.to_be_bytes());
            reset.data[33] = 4;
            reset.length = reset.data.len() as u32;
            records.insert(records.len() - 1, reset);
        }
        records
    }),
];

fn sequence(packet: &[u8]) -> u32 {
    u32::from_be_bytes([packet[24], packet[25], packet[26], packet[27]])
}

fn shifted(mut record: Record, shift: u32) -> Record {
    if ip::protocol(&record.data) == 6 {
        let number = sequence(&record.data).wrapping_add(shift);
        record.data[24..28].copy_from_slice(&number.to_be_bytes());
    }
    record
}

#[test]
fn a_lost_segment_costs_its_message_only() {
    let text = "\
host alice 192.0.2.10
host bob   198.51.100.1
transport tcp
0      alice > bob   OPTIONS call=one
+0.125 bob   > alice 200
1      alice > bob   OPTIONS call=two split=3 lose-segment=2
+0.125 bob   > alice 200
9      alice > bob   OPTIONS call=three
+0.125 bob   > alice 200
end 70
";
    let result = result_of(&pcap(&Capture::of_script(text)));
    assert_eq!(result["totals"]["call_ids"], 3);
    assert!(result["totals"]["sip_messages"].as_u64() >= Some(5));
    assert_eq!(result["calls"][2]["final_status"], 200);
}

#[test]
fn damage_costs_what_it_hits() {
    for file in [pcap(&long()), pcapng(Order::Little, &long()), container::snoop(&long())] {
        let whole = result_of(&file);
        assert_eq!(whole["totals"]["sip_messages"], 400);
        for at in [0.2, 0.5, 0.8] {
            let at = (file.len() as f64 * at) as usize;
            for length in [1, 40, 1500] {
                let mut damaged = file.clone();
                damaged[at..at + length].fill(0xa5);
                let analysis = analyse(vec![source(&damaged)]);
                let messages = analysis.totals.sip_messages;
                let lost = length as u64 / 300 + 3;
                assert!(messages + lost >= 400, "{length} bytes at {at}: {messages}");
                let last = result(&analysis)["calls"].as_array().and_then(|c| c.last().cloned());
                assert_eq!(last.expect("calls")["final_status"], 200);
            }
        }
    }
}

/// Two hundred calls of two messages.
fn long() -> Capture {
    let mut text = "host alice 192.0.2.10\nhost bob 198.51.100.1\n".to_owned();
    for number in 0..200 {
        text.push_str(&format!("{number} alice > bob OPTIONS call=c{number}\n"));
        text.push_str(&format!("{number}.25 bob > alice 200 call=c{number}\n"));
    }
    Capture::of_script(&text).on_ethernet()
}

#[test]
fn a_file_that_shrinks_gives_what_is_left() {
    struct Shrinking(std::io::Cursor<Vec<u8>>, usize);

    impl std::io::Read for Shrinking {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            // Gives less and less, and then nothing although more was promised.
            self.1 = self.1.saturating_sub(1);
            let length = into.len().min(self.1 * 64);
            self.0.read(&mut into[..length])
        }
    }

    let bytes = pcap(&long());
    let reader = Shrinking(std::io::Cursor::new(bytes), 40);
    let cut = siptrace::capture::Source::from_reader("-", Box::new(reader), 0).expect("a capture");
    let analysis = analyse(vec![cut]);
    assert!((50..400).contains(&analysis.totals.sip_messages), "{:?}", analysis.totals);
    let notes = &analysis.captures[0].notes;
    assert!(matches!(notes[..], [Note::EndsInsideRecord { .. }]), "{notes:?}");
}
