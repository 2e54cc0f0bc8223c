//! Ordinary datagrams are read at fixed offsets: that gives what the way layer by layer gives.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::test_runner::Config;
use siptrace::capture::{Frame, FrameId, LinkType, Source};
use siptrace::packet::{self, Packet};
use siptrace::time::Time;

use crate::shared;

/// Every file below a folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// Whether the frame was ordinary; both ways have to agree.
fn is_ordinary(frame: &Frame<'_>) -> Result<bool, String> {
    let Some(datagram) = packet::datagram(frame) else { return Ok(false) };
    match packet::layered(frame) {
        Packet::Udp { path, payload, is_cut: false }
            if path == datagram.path() && payload == datagram.payload =>
        {
            Ok(true)
        }
        other => Err(format!("{datagram:?} is not {other:?}")),
    }
}

/// The frames of a file, and how many of them are ordinary.
fn count(path: &Path) -> (u64, u64) {
    let (mut all, mut ordinary) = (0, 0);
    let Ok(mut source) = Source::open(path, 0) else { return (0, 0) };
    while let Ok(Some(block)) = source.next_block(Vec::new()) {
        for frame in block.frames() {
            all += 1;
            match is_ordinary(&frame) {
                Ok(is) => ordinary += u64::from(is),
                Err(error) => panic!("{} {:?}: {error}", path.display(), frame.id),
            }
        }
    }
    (all, ordinary)
}

#[test]
fn recorded_captures_are_read_alike_both_ways() {
    let mut paths = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"), &mut paths);
    files(&shared::path("captures").unwrap_or_default(), &mut paths);
    let (all, ordinary) = paths
        .iter()
        .map(|path| count(path))
        .fold((0, 0), |(all, ordinary), (more, of_them)| (all + more, ordinary + of_them));
    assert!(ordinary * 2 > all, "{ordinary} of {all} frames are ordinary");
}

const PAYLOAD: &[u8] = b"\x80\x08\0\x01\0\0\0\xa0\0\0\0\x07.............";

fn udp(ports: [u16; 2]) -> Vec<u8> {
    let fields = [ports[0], ports[1], 8 + PAYLOAD.len() as u16, 0].map(u16::to_be_bytes);
    [fields.as_flattened(), PAYLOAD].concat()
}

fn ipv4(ports: [u16; 2]) -> Vec<u8> {
    let udp = udp(ports);
    let length = (20 + udp.len() as u16).to_be_bytes();
    let header = [&[0x45, 0], &length[..], &[0x12, 0x34, 0x40, 0, 64, 17, 0, 0]].concat();
    [&header[..], &[192, 0, 2, 1, 198, 51, 100, 2], &udp].concat()
}

fn ipv6(ports: [u16; 2]) -> Vec<u8> {
    let udp = udp(ports);
    let length = (udp.len() as u16).to_be_bytes();
    [&[0x60, 0, 0, 0], &length[..], &[17, 64], &[0x20; 16], &[0x21; 16], &udp].concat()
}

/// A frame of each kind that is read at fixed offsets.
fn frames(ports: [u16; 2]) -> Vec<(LinkType, Vec<u8>)> {
    let mut frames = Vec::new();
    for (protocol, packet) in [([8, 0], ipv4(ports)), ([0x86, 0xdd], ipv6(ports))] {
        let behind = |header: &[u8]| [header, &protocol, &packet].concat();
        frames.push((LinkType::ETHERNET, behind(&[2; 12])));
        frames.push((LinkType::ETHERNET, behind(&[&[2; 12][..], &[0x81, 0, 0x20, 7]].concat())));
        frames.push((LinkType::ETHERNET, behind(&[&[2; 12][..], &[0x88, 0xa8, 0, 9]].concat())));
        frames.push((LinkType::LINUX_SLL, behind(&[0; 14])));
        frames.push((LinkType::LINUX_SLL2, [&protocol[..], &[0; 18], &packet].concat()));
        frames.push((LinkType::RAW, packet.clone()));
    }
    frames
}

fn frame(link: LinkType, data: &[u8], beyond: u32) -> Frame<'_> {
    let original_length = data.len() as u32 + beyond;
    Frame { id: FrameId::default(), time: Time::default(), link, data, original_length }
}

#[test]
fn every_ordinary_frame_is_read_at_fixed_offsets() {
    for (link, data) in frames([40_000, 40_002]) {
        assert_eq!(is_ordinary(&frame(link, &data, 0)), Ok(true), "{link:?} {data:02x?}");
        let padded = [&data[..], &[0; 9]].concat();
        assert_eq!(is_ordinary(&frame(link, &padded, 100)), Ok(true), "{link:?} padded");
        let cut = &data[..data.len() - 1];
        assert_eq!(is_ordinary(&frame(link, cut, 1)), Ok(false), "{link:?} cut");
    }
}

/// Ports of media, of signalling, of tunnels, and any.
fn port() -> impl Strategy<Value = u16> {
    let tunnels = [1701, 2152, 3544, 4500, 4789, 4790, 6081, 6635, 8472, 9060, 9063, 37008];
    prop_oneof![
        prop::sample::select(vec![5060, 40_000]),
        prop::sample::select(tunnels.to_vec()),
        any::<u16>()
    ]
}

/// Bytes to be set, by where they are.
fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)
}

proptest! {
    #![proptest_config(Config { cases: 20_000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn damaged_frames_are_read_alike_both_ways(
        (from, to, which) in (port(), port(), any::<prop::sample::Index>()),
        (changes, cut, beyond) in (changes(), 0..400_usize, 0..3_u32),
    ) {
        let (link, mut data) = which.get(&frames([from, to])).clone();
        for (at, byte) in changes {
            let at = at.index(data.len());
            data[at] = byte;
        }
        data.truncate(cut.max(1));
        prop_assert!(is_ordinary(&frame(link, &data, beyond)).is_ok());
    }
}
