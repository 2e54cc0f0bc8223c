//! What targets begin with: files taken apart into the inputs that each target reads.

// The tests have it as a module of their own.
#![allow(unreachable_pub)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;
use std::mem::discriminant;
use std::ops::ControlFlow;

use siptrace::capture::{Frame, LinkType, Source, script};
use siptrace::packet::{Packet, Segment};
use siptrace::pipeline::{self, Event, Origin, Seen};
use siptrace::rtp::Kind;
use siptrace::sip::Message;
use siptrace::transport::KeyLog;

/// An input and the name of its target.
pub type Seed = (&'static str, Vec<u8>);

/// Longer captures are cut to their first frames.
const CAPTURE_MAX: usize = 24 << 10;

/// Frames, messages and packets of one kind that are taken out of one capture.
const EACH_MAX: usize = 24;

/// Bytes of media that are kept of an RTP packet.
const MEDIA_MAX: usize = 48;

/// The seeds in a file, by the end of its name.
pub fn of_file(name: &str, bytes: &[u8]) -> Vec<Seed> {
    let text = String::from_utf8_lossy(bytes);
    let end = name.rsplit('.').next().unwrap_or_default();
    match end {
        "sip" => {
            let Ok(frames) = script::frames(&text) else { return Vec::new() };
            let frames = frames.iter().map(|frame| Frame {
                id: siptrace::FrameId::default(),
                time: frame.time,
                link: frame.link,
                data: &frame.data,
                original_length: frame.original_length,
            });
            let mut seeds = of_capture(&pcap(frames));
            if bytes.len() <= CAPTURE_MAX {
                seeds.push(("script", bytes.to_vec()));
            }
            seeds
        }
        "toml" => vec![("expect", bytes.to_vec()), ("config", bytes.to_vec())],
        "md" => of_manual(&text),
        "txt" => [vec![("sip", bytes.to_vec())], of_message(bytes)].concat(),
        "pcap" | "pcapng" | "cap" | "snoop" | "gz" | "bz2" | "xz" | "zst" | "lz4" => {
            let mut seeds = of_capture(bytes);
            if bytes.len() <= CAPTURE_MAX {
                seeds.push(("container", bytes.to_vec()));
            }
            seeds
        }
        _ => Vec::new(),
    }
}

/// The examples of a manual.
fn of_manual(text: &str) -> Vec<Seed> {
    let mut seeds = Vec::new();
    for block in text.split("```").skip(1).step_by(2) {
        let (kind, body) = block.split_once('\n').unwrap_or_default();
        match kind {
            "toml" => seeds.extend([("expect", body.into()), ("config", body.into())]),
            "" | "sip" if body.contains(" > ") => seeds.push(("script", body.into())),
            "" => seeds.extend(body.lines().map(|line| ("filter", line.into()))),
            _ => {}
        }
    }
    let spans = text.lines().filter(|line| line.starts_with('|'));
    let spans = spans.flat_map(|line| line.split('`').skip(1).step_by(2));
    seeds.extend(spans.map(|span| ("filter", span.into())));
    seeds
}

/// A plain pcap file of frames, up to the bound; the link type is that of the first.
fn pcap<'f>(frames: impl Iterator<Item = Frame<'f>>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut all = None;
    for frame in frames {
        let link = *all.get_or_insert(frame.link);
        if frame.link != link || out.len() + frame.data.len() > CAPTURE_MAX {
            break;
        }
        if out.is_empty() {
            out.extend(0xa1b2_3c4d_u32.to_le_bytes());
            out.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            out.extend(0x4_0000_u32.to_le_bytes());
            out.extend(u32::from(link.0).to_le_bytes());
        }
        let nanos = frame.time.nanos();
        for number in [nanos / 1_000_000_000, nanos % 1_000_000_000] {
            out.extend((number as u32).to_le_bytes());
        }
        out.extend((frame.data.len() as u32).to_le_bytes());
        out.extend(frame.original_length.to_le_bytes());
        out.extend(frame.data);
    }
    out
}

/// What is taken out of one capture.
#[derive(Default)]
struct Parts {
    seeds: Vec<Seed>,
    /// Kinds of frames that are there, by link type, packet and size.
    kinds: BTreeSet<String>,
    fragments: Vec<u8>,
    media: Vec<u8>,
    packets: usize,
    /// The segments of each connection.
    streams: BTreeMap<String, (u16, Vec<u8>)>,
    messages: usize,
}

/// What a capture carries, and its first frames as a capture.
pub fn of_capture(bytes: &[u8]) -> Vec<Seed> {
    let mut parts = Parts::default();
    let Some(short) = shortened(bytes) else { return Vec::new() };
    let Ok(source) = Source::from_reader("seed", Box::new(Cursor::new(bytes.to_vec())), 0) else {
        return Vec::new();
    };
    // What cannot be read to its end gives what it has.
    let _ = pipeline::origins(vec![source], &KeyLog::default(), &|_| (), &mut |event| {
        match event {
            Event::Packet(seen) => parts.packet(&seen),
            Event::Message(message) => parts.message(&message),
            Event::Again { .. } => {}
        }
        ControlFlow::Continue(())
    });
    let mut seeds = parts.finish();
    seeds.push(("analyze", short.clone()));
    seeds.push(("container", short));
    seeds
}

fn shortened(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut source = Source::from_reader("seed", Box::new(Cursor::new(bytes.to_vec())), 0).ok()?;
    let block = source.next_block(Vec::new()).ok()??;
    Some(pcap(block.frames()))
}

impl Parts {
    fn packet(&mut self, seen: &Seen<'_>) {
        if seen.whole.is_some() {
            return;
        }
        let Frame { link, data, original_length, .. } = seen.frame;
        let size = data.len().checked_ilog2().unwrap_or_default();
        let kind = format!("{link:?} {:?} {size}", discriminant(&seen.packet));
        if self.kinds.len() < EACH_MAX && self.kinds.insert(kind) {
            self.seeds.push(("frame", [&[place_of(link), 0], data].concat()));
        }
        match &seen.packet {
            Packet::Udp { payload, .. } if Kind::of(payload) != Kind::Other => {
                let length = payload.len().min(MEDIA_MAX);
                if self.packets < EACH_MAX {
                    self.packets += 1;
                    self.media.extend([0, 200, u8::from(seen.frame.id.number.is_multiple_of(2))]);
                    counted(&mut self.media, payload.get(..length).unwrap_or_default());
                }
            }
            Packet::Tcp(segment) if !segment.payload.is_empty() => self.segment(segment),
            Packet::Fragment(fragment) if self.fragments.len() < CAPTURE_MAX => {
                // Behind the link layer: the IP header is at most 60 bytes before the piece.
                let at = fragment.payload.as_ptr() as usize - data.as_ptr() as usize;
                let header = (20..=60).step_by(4).find(|length| {
                    let first = at.checked_sub(*length).and_then(|start| data.get(start));
                    first.is_some_and(|first| usize::from(first & 15) * 4 == *length)
                });
                let packet = data.get(at.saturating_sub(header.unwrap_or(40))..);
                self.fragments.push(1);
                counted(&mut self.fragments, packet.unwrap_or_default());
            }
            _ => {}
        }
        debug_assert!(original_length as usize >= data.len());
    }

    fn segment(&mut self, segment: &Segment<'_>) {
        let ends = [segment.path.source, segment.path.destination];
        let (low, high) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
        let key = format!("{low} {high}");
        let (_, stream) = self.streams.entry(key).or_insert((high.port, Vec::new()));
        if stream.len() < CAPTURE_MAX {
            stream.push(u8::from(ends[0] == low));
            counted(stream, segment.payload);
        }
    }

    fn message(&mut self, message: &Origin<'_>) {
        self.messages += 1;
        if self.messages <= EACH_MAX {
            self.seeds.push(("sip", message.bytes.to_vec()));
            self.seeds.extend(of_message(message.bytes));
        }
    }

    fn finish(mut self) -> Vec<Seed> {
        if !self.fragments.is_empty() {
            self.seeds.push(("ip", [&[3, 77], self.fragments.as_slice()].concat()));
        }
        if !self.media.is_empty() {
            self.seeds.push(("rtp", self.media));
        }
        for (_, stream) in self.streams.into_values() {
            self.seeds.push(("tls", [&[0, 0, 0], stream.as_slice()].concat()));
            self.seeds.push(("tcp", [&[16], stream.as_slice()].concat()));
        }
        self.seeds
    }
}

/// The first byte of an input of the target for frames.
fn place_of(link: LinkType) -> u8 {
    let places = super::targets::LINKS.iter().zip(0..);
    places.filter(|(own, _)| **own == link.0).map(|(_, place)| place).next().unwrap_or_default()
}

fn counted(out: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = bytes.get(..usize::from(u16::MAX)).unwrap_or(bytes);
    out.extend((bytes.len() as u16).to_be_bytes());
    out.extend(bytes);
}

/// A message in what may carry it.
fn of_message(bytes: &[u8]) -> Vec<Seed> {
    let mut seeds = Vec::new();
    let (message, _) = Message::parse(bytes);
    let is_sdp = |body: &[u8]| body.starts_with(b"v=");
    seeds.extend(
        message.parts().filter(|part| is_sdp(part.body)).map(|part| ("sdp", part.body.to_vec())),
    );
    seeds.push(("hep", hep(bytes)));
    for (is_masked, is_deflated) in [(true, false), (false, false), (false, true)] {
        let mut input = vec![u8::from(is_deflated), u8::from(!is_masked)];
        counted(&mut input, &web_socket(bytes, is_masked, is_deflated));
        seeds.push(("websocket", input));
    }
    let mut stream = vec![16, 0];
    counted(&mut stream, bytes);
    seeds.push(("tcp", stream));
    seeds
}

/// The message as a HEP packet, version 3: addresses, ports, protocol, time, payload.
fn hep(message: &[u8]) -> Vec<u8> {
    let chunks: [(u16, &[u8]); 9] = [
        (1, &[2]),
        (2, &[17]),
        (3, &[192, 0, 2, 1]),
        (4, &[192, 0, 2, 2]),
        (7, &[0x13, 0xc4]),
        (8, &[0x13, 0xc4]),
        (9, &[0x65, 0, 0, 0]),
        (11, &[1]),
        (15, message),
    ];
    let mut body = Vec::new();
    for (kind, data) in chunks {
        body.extend([0, 0]);
        body.extend(kind.to_be_bytes());
        body.extend((data.len() as u16 + 6).to_be_bytes());
        body.extend(data);
    }
    [b"HEP3".as_slice(), &(body.len() as u16 + 6).to_be_bytes(), &body].concat()
}

/// The message as one WebSocket frame; deflated means a stored block of DEFLATE.
fn web_socket(message: &[u8], is_masked: bool, is_deflated: bool) -> Vec<u8> {
    let length = message.len() as u16;
    let mut payload = message.to_vec();
    if is_deflated {
        let head = [vec![0], length.to_le_bytes().into(), (!length).to_le_bytes().into()].concat();
        payload = [head, payload, vec![0]].concat();
    }
    let mut frame = vec![if is_deflated { 0xc1 } else { 0x81 }];
    frame.push(if is_masked { 0xfe } else { 0x7e });
    frame.extend((payload.len() as u16).to_be_bytes());
    if is_masked {
        frame.extend([1, 2, 3, 4]);
        payload.iter_mut().zip([1, 2, 3, 4].iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    }
    frame.extend(payload);
    frame
}
