//! Files, pipes and compressed captures, whole and damaged.

use std::io::Write;

use flate2::write::GzEncoder;

use super::*;
use crate::capture::LinkType;
use crate::capture::samples::{
    Order, Random, Scratch, block, drain, from_file, from_pipe, interface, packet, payload, pcap,
    pcap_record, read, section,
};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes all")
}

fn pcapng(count: u32) -> Vec<u8> {
    let order = Order::Little;
    let packets = (0..count).map(|n| packet(order, 0, n.into(), &payload(n)));
    let head = [section(order), interface(order, 1, 0, &[])];
    head.into_iter().chain(packets).collect::<Vec<_>>().concat()
}

#[test]
fn says_what_it_cannot_read() {
    let cases: [(&[u8], &str, Option<&str>); 11] = [
        (b"", "it is empty", Some("flushed")),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer", Some("git lfs")),
        (b"GMBU\x00\x02", "Microsoft Network Monitor", Some("editcap")),
        (b"INVITE sip:a@b SIP/2.0\r\n", "begins with \"INVITE sip:a@b SIP/2.0\"", Some(".sip")),
        (b"  <!DOCTYPE HTML><html>", "a web page", Some("login")),
        (b"\x7fELF\x02\x01\x01", "a program (ELF)", None),
        (b"PK\x03\x04....", "a ZIP archive", Some("unpack")),
        (b"\xd4\xc3\xb2\xa1\x02\x00", "ends inside its file header", Some("again")),
        (&[0; 64], "nothing but zero bytes", Some("again")),
        (&[9, 0xc0, 0xff], "no capture format begins with 09 c0 ff", None),
        (&[0x1f, 0x8b, 8, 0, 0], "gzip data are damaged from the start", Some("copy it again")),
    ];
    for (bytes, message, hint) in cases {
        let error = from_file(bytes).expect_err(message);
        assert!(error.to_string().contains(message), "{error}");
        match (error.hint(), hint) {
            (None, None) => {}
            (Some(ours), Some(hint)) => assert!(ours.contains(hint), "{ours}"),
            (ours, hint) => panic!("{message}: {ours:?} {hint:?}"),
        }
    }
    assert!(matches!(from_file(&gzip(b"")), Err(Error::Empty { .. })));
}

#[test]
fn says_what_it_cannot_open() {
    let missing = Source::open(Path::new("/nonexistent/trace.pcap"), 0);
    let message = "could not open \"/nonexistent/trace.pcap\": there is no such file";
    assert_eq!(missing.expect_err(message).to_string(), message);
    let directory = Source::open(&std::env::temp_dir(), 0);
    assert!(matches!(directory, Err(Error::Directory { .. })));
}

#[test]
fn reads_compressed_captures() {
    let file = pcapng(300);
    let intact = read(&file).frames;
    let (first, second) = file.split_at(file.len() / 3);
    let members = [gzip(first), gzip(b""), gzip(second)].concat();
    let mut cases = vec![("gzip", gzip(&file)), ("gzip", members)];
    #[cfg(feature = "zstd")]
    {
        let compress = |bytes: &[u8]| zstd::encode_all(bytes, 3).expect("memory takes all");
        cases.push(("zstd", compress(&file)));
        cases.push(("zstd", [compress(first), compress(second)].concat()));
    }
    #[cfg(feature = "lz4")]
    {
        let compress = |bytes: &[u8]| {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(bytes).expect("memory takes all");
            encoder.finish().expect("memory takes all")
        };
        cases.push(("lz4", compress(&file)));
        cases.push(("lz4", [compress(first), compress(second)].concat()));
    }
    #[cfg(feature = "xz")]
    {
        let compress = |bytes: &[u8]| {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
            encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes all")
        };
        cases.push(("xz", compress(&file)));
        cases.push(("xz", [compress(first), compress(second)].concat()));
    }
    #[cfg(feature = "bzip2")]
    {
        let compress = |bytes: &[u8]| {
            let level = bzip2::Compression::fast();
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes all")
        };
        cases.push(("bzip2", compress(&file)));
        cases.push(("bzip2", [compress(first), compress(second)].concat()));
    }
    for (name, bytes) in cases {
        let outcome = read(&bytes);
        assert_eq!(outcome.description.compression, name);
        assert!(outcome.frames == intact, "{name} {}", outcome.frames.len());
        assert!(outcome.notes.is_empty(), "{name} {:?}", outcome.notes);
    }
}

#[cfg(feature = "xz")]
#[test]
fn a_file_that_asks_for_more_memory_than_any_is_refused() {
    let compress = |dictionary: u32| {
        let mut options = liblzma::stream::LzmaOptions::new_preset(0).expect("a preset");
        options.dict_size(dictionary);
        let mut filters = liblzma::stream::Filters::new();
        filters.lzma2(&options);
        let check = liblzma::stream::Check::None;
        let stream = liblzma::stream::Stream::new_stream_encoder(&filters, check);
        let stream = stream.expect("an encoder");
        let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
        encoder.write_all(&pcap(3)).and_then(|()| encoder.finish()).expect("memory takes all")
    };
    assert_eq!(read(&compress(8 << 20)).frames.len(), 3);
    // The encoder would take as much, so only the claim is made: it is a byte in the header
    // of the block, and the check of that header is behind it.
    let mut claims = compress(4 << 10);
    let header = 12..12 + (usize::from(claims[12]) + 1) * 4;
    let size = claims[header.clone()].iter().position(|byte| *byte == 0x21).expect("LZMA2") + 2;
    claims[12 + size] = 37;
    let body = header.start..header.end - 4;
    let check = crc32(&claims[body]).to_le_bytes();
    claims[header.end - 4..header.end].copy_from_slice(&check);
    let error = from_file(&claims).expect_err("too much");
    assert!(matches!(error, Error::Decompress { compression: "xz", .. }), "{error:?}");
}

/// The check of an xz header.
#[cfg(feature = "xz")]
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[test]
fn uses_what_came_out_of_damaged_compression() {
    let mut random = Random(0x5eed_0002);
    let mut file = pcap(0);
    let noise: Vec<u8> = (0..60_000).map(|_| random.below(256) as u8).collect();
    for (data, micros) in noise.chunks(300).zip(0..) {
        file.extend(pcap_record(Order::Little, 1000, micros, data));
    }
    let intact = read(&file).frames;
    let bytes = gzip(&file);
    let mut last = 0;
    for cut in (0..bytes.len()).step_by(997) {
        let Ok(outcome) = from_file(&bytes[..cut]) else {
            assert_eq!(last, 0);
            continue;
        };
        let count = outcome.frames.len();
        assert!(count >= last && outcome.frames[..] == intact[..count]);
        assert!(matches!(outcome.notes.last(), Some(Note::DamagedCompression { .. })));
        last = count;
    }
    assert!(last > 190, "{last}");

    let mut corrupt = bytes.clone();
    let at = corrupt.len() - 5;
    corrupt[at] ^= 0x55;
    assert_eq!(from_file(&corrupt).expect("a capture").frames, intact);
}

/// Gives one record, and must not be asked again before it was served.
struct Live {
    parts: Vec<Vec<u8>>,
    is_served: Arc<std::sync::atomic::AtomicBool>,
}

impl Read for Live {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        use std::sync::atomic::Ordering;

        let Some(part) = self.parts.last_mut() else { return Ok(0) };
        if part.is_empty() {
            assert!(self.is_served.swap(false, Ordering::Relaxed), "would wait");
            self.parts.pop();
            return self.read(into);
        }
        let length = part.len().min(into.len());
        into[..length].copy_from_slice(&part[..length]);
        part.drain(..length);
        Ok(length)
    }
}

#[test]
fn serves_a_pipe_that_never_ends() {
    use std::sync::atomic::{AtomicBool, Ordering};

    for file in [pcap(6), pcapng(6)] {
        let ends = match file.first() {
            Some(0x0a) => vec![28 + 20 + 52, 28 + 20 + 52 + 56],
            _ => vec![24 + 36, 24 + 36 + 39],
        };
        let parts = vec![file[ends[0]..ends[1]].to_vec(), file[..ends[0]].to_vec()];
        let is_served = Arc::new(AtomicBool::new(false));
        let live = Live { parts, is_served: is_served.clone() };
        let mut source = Source::from_reader("-", Box::new(live), 0).expect("a capture");
        for number in 1..=2 {
            let block = source.next_block(Vec::new()).expect("no error").expect("a block");
            assert_eq!((block.frames_count(), block.first().number), (1, number));
            is_served.store(true, Ordering::Relaxed);
        }
    }
}

/// A snoop record (RFC 1761).
fn snoop_record(seconds: u32, data: &[u8]) -> Vec<u8> {
    let length = data.len() as u32;
    let numbers = [length, length, length + 24, 0, seconds, 0].map(u32::to_be_bytes);
    [numbers.as_flattened(), data].concat()
}

#[test]
fn one_sane_record_inside_damage_is_no_way_back_however_it_is_read() {
    let order = Order::Little;
    let numbers = [u32::from_be_bytes(*b"snoo"), u32::from_be_bytes(*b"p\0\0\0"), 2, 4];
    let head = numbers.map(u32::to_be_bytes).as_flattened().to_vec();
    let snoop = |n: u32| snoop_record(n, &payload(n));
    let cases = [
        (pcap(2), pcap_record(order, 1000, 9, &payload(9)), pcap(10).split_off(24)),
        (pcapng(2), packet(order, 0, 9, &payload(9)), pcapng(10).split_off(48)),
        (
            [head, snoop(1), snoop(2)].concat(),
            snoop(9),
            (1..=10).flat_map(snoop).collect::<Vec<u8>>(),
        ),
    ];
    for (before, inside, after) in cases {
        let (some, more) = (vec![0xff; 50], vec![0xff; 90]);
        let damaged = some.len() + inside.len() + more.len();
        let outcome = read(&[&before, &some, &inside, &more, &after].map(Vec::as_slice).concat());
        assert_eq!(outcome.frames.len(), 12, "{}", outcome.description.format);
        let (offset, bytes) = (before.len() as u64, damaged as u64);
        assert_eq!(outcome.notes.first(), Some(&Note::Damaged { offset, bytes }));
    }
}

#[test]
fn serves_frames_that_were_made() {
    let data = payload(5);
    let frame = |micros: i64| Frame {
        id: FrameId::default(),
        time: Time::from_nanos(micros * 1000),
        link: LinkType::RAW,
        data: &data,
        original_length: 77,
    };
    let frames = [frame(1), frame(2)];
    let source = Source::from_frames(Path::new("case.sip"), "sip", frames, 4);
    let outcome = drain(source).expect("no error");
    assert_eq!(outcome.frames.len(), 2);
    assert_eq!(outcome.frames[1].number, 2);
    assert_eq!((outcome.frames[1].original_length, &outcome.frames[1].data), (77, &data));
    assert_eq!((outcome.description.format, outcome.description.frames), ("sip", 2));
    let none = Source::from_frames(Path::new("empty.sip"), "sip", [], 4);
    assert!(drain(none).expect("no error").frames.is_empty());
}

#[test]
fn reads_snoop() {
    let mut file = b"snoop\0\0\0\0\0\0\x02\0\0\0\x04".to_vec();
    for number in 0..3_u32 {
        let data = payload(number);
        let length = data.len() as u32;
        let record = (length + 24).next_multiple_of(4);
        let header = [1500, length, record, number, 100 + number, 7];
        file.extend_from_slice(header.map(u32::to_be_bytes).as_flattened());
        file.extend(&data);
        file.extend(vec![0; (record - 24 - length) as usize]);
    }
    let outcome = read(&file);
    assert_eq!(outcome.description.format, "snoop");
    assert_eq!(outcome.frames.len(), 3);
    assert_eq!(outcome.frames[2].nanos, 102_000_007_000);
    assert_eq!((&outcome.frames[2].data, outcome.frames[2].link), (&payload(2), 1));
    assert_eq!(outcome.notes, [Note::Dropped { packets: 2 }]);
}

#[test]
fn survives_damaged_files() {
    let mut random = Random(0x5eed_0003);
    let custom = block(Order::Little, 0x0bad, &[0; 40]);
    let files = [pcap(12), pcapng(12), [pcapng(4), custom, pcapng(4)].concat(), gzip(&pcap(9))];
    for _ in 0..10_000 {
        let mut file = files[random.below(files.len())].clone();
        for _ in 0..random.below(5) {
            let at = random.below(file.len());
            file[at] = random.below(256) as u8;
        }
        if random.below(3) == 0 {
            file.truncate(random.below(file.len()));
        }
        if random.below(3) == 0 {
            let at = random.below(file.len());
            let more = vec![random.below(256) as u8; random.below(300)];
            file.splice(at..at, more);
        }
        let at_a_time = 1 + random.below(2000);
        let (Ok(_) | Err(_)) = from_pipe(&file, at_a_time);
    }
    let scratch = Scratch::new(&pcap(3));
    assert_eq!(
        drain(Source::open(scratch.path(), 0).expect("a capture")).map(|o| o.frames.len()).ok(),
        Some(3)
    );
}
