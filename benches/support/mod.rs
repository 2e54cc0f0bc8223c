//! The stages of an analysis, each by itself on traffic that is made here.
#![allow(dead_code, reason = "each bench uses a part of it")]

mod traffic;

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};

use siptrace::analysis::{Analysis, Case, Keep, Tally};
use siptrace::capture::{Block, FrameId, Source};
use siptrace::media::{Columns, Feed, FlowNames, Media, RtpFlow, RtpPacket, Stream, Streams};
use siptrace::packet::{self, Endpoint, Packet};
use siptrace::rules::{self, Profile};
use siptrace::sdp::Session;
use siptrace::signaling::{CallLog, Coverage, Settings, Surroundings};
use siptrace::sip::{self, Message};
use siptrace::time::{Span, Time};
use siptrace::transport::{self, Arrival, Delivery, Disruptions, KeyLog, Transport};
use siptrace::{pipeline, rtp};

use traffic::{Carrier, Traffic, traffic};

/// What the stages work on.
#[derive(Debug)]
pub(crate) struct Material {
    /// Calls of which nearly every frame is media.
    pub(crate) media: Capture,
    /// The same number of bytes of signalling alone.
    pub(crate) signalling: Capture,
    /// Signalling over TCP.
    pub(crate) tcp: Capture,
    /// The messages of [`Material::signalling`] by call.
    pub(crate) calls: Vec<Vec<Vec<u8>>>,
    /// The session descriptions in them.
    pub(crate) descriptions: Vec<Vec<u8>>,
}

/// A capture in a file that is gone afterwards, and its blocks.
#[derive(Debug)]
pub(crate) struct Capture {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) blocks: Vec<Block>,
}

impl Material {
    /// Captures of about so many thousand bytes.
    pub(crate) fn new(kilobytes: u32) -> Self {
        let signalling = traffic(kilobytes / 4, 0, Carrier::Udp);
        Self {
            media: Capture::new("media", &traffic(kilobytes / 100, 200, Carrier::Udp)),
            tcp: Capture::new("tcp", &traffic(kilobytes / 4, 0, Carrier::Tcp)),
            signalling: Capture::new("signalling", &signalling),
            calls: signalling.calls,
            descriptions: signalling.descriptions,
        }
    }

    /// Bytes of all messages.
    pub(crate) fn message_bytes(&self) -> u64 {
        self.calls.iter().flatten().map(|message| message.len() as u64).sum()
    }

    /// Bytes of all session descriptions.
    pub(crate) fn description_bytes(&self) -> u64 {
        self.descriptions.iter().map(|description| description.len() as u64).sum()
    }
}

impl Capture {
    fn new(name: &str, traffic: &Traffic) -> Self {
        let file = format!("siptrace-bench-{}-{name}.pcap", std::process::id());
        let path = std::env::temp_dir().join(file);
        let bytes = traffic.pcap();
        fs::write(&path, &bytes).expect("room for a capture");
        let mut source = Source::open(&path, 0).expect("a capture");
        let next = || source.next_block(Vec::new()).expect("no error");
        let blocks = std::iter::from_fn(next).collect();
        Self { path, bytes: bytes.len() as u64, blocks }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Reads a capture and finds its records; returns the number of frames.
pub(crate) fn read(path: &Path) -> u64 {
    let mut source = Source::open(path, 0).expect("a capture");
    let (mut frames, mut spare) = (0, Vec::new());
    while let Some(block) = source.next_block(spare).expect("no error") {
        frames += block.frames_count() as u64;
        spare = block.into_buffer();
    }
    frames
}

/// Decodes the frames; returns how many bytes of payload they carry.
pub(crate) fn decode(capture: &Capture) -> u64 {
    let frames = capture.blocks.iter().flat_map(Block::frames);
    let payload = frames.map(|frame| match packet::decode(&frame) {
        Packet::Udp { payload, .. } => payload.len() as u64,
        Packet::Tcp(segment) => segment.payload.len() as u64,
        _ => 0,
    });
    payload.sum()
}

/// Looks at the heads of all messages; returns how many have a Call-ID.
pub(crate) fn heads(material: &Material) -> u64 {
    let heads = material.calls.iter().flatten().filter_map(|message| sip::head(message));
    heads.filter(|head| head.call_id.is_some()).count() as u64
}

/// Lexes all messages; returns how many have a Call-ID.
pub(crate) fn lex(material: &Material) -> u64 {
    let messages = material.calls.iter().flatten();
    messages.map(|message| u64::from(Message::lex(message).0.call_id().is_some())).sum()
}

/// Parses all session descriptions; returns the number of their media.
pub(crate) fn describe(material: &Material) -> u64 {
    let sessions = material.descriptions.iter().map(|description| Session::parse(description).0);
    sessions.map(|session| session.media.len() as u64).sum()
}

/// Puts TCP streams together; returns the number of messages in them.
pub(crate) fn reassemble(capture: &Capture) -> u64 {
    let mut streams = transport::Streams::with_share_of(1);
    let (keys, mut messages) = (KeyLog::default(), 0);
    let mut deliver = |_: Delivery<'_>| messages += 1;
    for frame in capture.blocks.iter().flat_map(Block::frames) {
        if let Packet::Tcp(segment) = packet::decode(&frame) {
            let arrival = Arrival { frame: frame.id, time: frame.time, segment };
            streams.push(&arrival, &keys, &mut deliver);
        }
    }
    streams.finish(&keys, &mut deliver);
    messages
}

/// The RTP packets of a capture, on their way to the streams.
pub(crate) fn media_packets(capture: &Capture) -> (Columns<1>, FlowNames<1>) {
    let mut names = FlowNames::new(1);
    let mut columns = Columns::default();
    columns.clear(&names);
    for frame in capture.blocks.iter().flat_map(Block::frames) {
        let Packet::Udp { path, payload, .. } = packet::decode(&frame) else { continue };
        let Some(header) = rtp::Header::parse(payload) else { continue };
        let flow =
            RtpFlow { source: path.source, destination: path.destination, ssrc: header.ssrc };
        let packet = RtpPacket::new(frame.time, frame.id, path.ip_id, &header, payload);
        columns.push(names.any(flow, |_| 0), packet);
    }
    (columns, names)
}

/// Follows the streams; returns the number of packets.
pub(crate) fn follow(packets: &(Columns<1>, FlowNames<1>)) -> u64 {
    let (columns, names) = packets;
    let mut streams = Streams::with_share_of(1);
    if let Some(feed) = Feed::of(columns, 0, std::slice::from_ref(names)) {
        streams.take(feed);
    }
    Media::new(&[streams]).streams().map(Stream::packets).sum()
}

/// Builds and judges every call by all rules, and keeps no more than one finding; returns the
/// number of calls.
pub(crate) fn judge_calls(material: &Material) -> u64 {
    let (coverage, settings) = (Coverage::default(), Settings::default());
    let disruptions = Disruptions::default();
    let network = disruptions.network();
    let hosts = [1, 2].map(|host| Endpoint { address: [192, 0, 2, host].into(), port: 5060 });
    let begins =
        |number: u64| Time::from_parts(1_700_000_000, 0) + Span::from_millis(number as i64);
    let logs: Vec<_> = material
        .calls
        .iter()
        .zip(0_u64..)
        .map(|(messages, number)| {
            let begin = begins(number);
            let mut log = CallLog::new(begin);
            for (bytes, at) in messages.iter().zip(0_u64..) {
                let is_back = matches!(at, 1 | 2 | 3 | 6);
                let [source, destination] = if is_back { [hosts[1], hosts[0]] } else { hosts };
                let delivery = Delivery {
                    frame: FrameId { capture: 0, number: number * 8 + at + 1 },
                    time: begin + Span::from_millis(at as i64 * 500),
                    source,
                    destination,
                    transport: Transport::Udp,
                    ip_id: 0,
                    is_cut: false,
                    is_fragmented: false,
                    place: None,
                    bytes: bytes.into(),
                };
                log.push(&delivery, &sip::head(bytes).expect("a message"));
            }
            (log, number)
        })
        .collect();
    let cases = logs.iter().map(|(log, number)| {
        let observed_until = begins(*number) + Span::from_secs(3600);
        let (coverage, settings) = (&coverage, &settings);
        let surroundings = Surroundings { observed_until, coverage, settings, network };
        Case { log, surroundings, is_continuation: false }
    });
    let mut tally = Tally::new(Keep { findings: 1, ..Keep::default() });
    tally.judge_all(cases, Media::new(&[]), rules::ALL);
    black_box(tally);
    logs.len() as u64
}

/// The whole way, by so many threads.
pub(crate) fn analyze(path: &Path, threads: usize) -> Analysis {
    let options = pipeline::Options {
        profile: Profile { rules: rules::ALL.to_vec(), ..Profile::default() },
        keep: Keep::default(),
        media: true,
        keys: KeyLog::default(),
        threads: Some(threads),
    };
    let source = Source::open(path, 0).expect("a capture");
    pipeline::run(vec![source], &options, &|_| {}).expect("an analysis")
}
