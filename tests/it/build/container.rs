//! Capture files of every format.

use std::io::Write;

use super::{Capture, Record};

/// Byte orders that a file may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Big,
    Little,
}

impl Order {
    fn u16(self, number: u16) -> [u8; 2] {
        if self == Self::Big { number.to_be_bytes() } else { number.to_le_bytes() }
    }

    fn u32(self, number: u32) -> [u8; 4] {
        if self == Self::Big { number.to_be_bytes() } else { number.to_le_bytes() }
    }

    fn u64(self, number: u64) -> [u8; 8] {
        if self == Self::Big { number.to_be_bytes() } else { number.to_le_bytes() }
    }
}

/// A pcap file as tools write it today.
pub(crate) fn pcap(capture: &Capture) -> Vec<u8> {
    pcap_of(Order::Little, 0xa1b2_c3d4, u32::from(capture.link), &capture.records)
}

/// A pcap file of some magic number.
pub(crate) fn pcap_of(order: Order, magic: u32, link: u32, records: &[Record]) -> Vec<u8> {
    let (unit, header_more, record_more) = match magic {
        0xa1b2_c3d4 => (1000, 0, 0),
        0xa1b2_3c4d | 0xa12b_3c4d => (1, 0, 0),
        0xa1b2_cd34 => (1000, 0, 8),
        0x1c00_01ac => (1, 4, 0),
        0x1c00_01ab => (1000, 4, 0),
        other => panic!("no magic number: {other:x}"),
    };
    let version = [order.u16(2), order.u16(4)].concat();
    let rest = [0, 0, 65_535, link].map(|number| order.u32(number));
    let mut file = [&order.u32(magic)[..], &version, rest.as_flattened()].concat();
    file.extend(vec![0; header_more]);
    for record in records {
        let (seconds, nanos) = split(record);
        let fields = [seconds, nanos / unit, record.data.len() as u32, record.length];
        file.extend(fields.map(|number| order.u32(number)).as_flattened());
        file.extend(vec![0; record_more]);
        file.extend(&record.data);
    }
    file
}

fn split(record: &Record) -> (u32, u32) {
    ((record.nanos / 1_000_000_000) as u32, (record.nanos % 1_000_000_000) as u32)
}

/// A Solaris snoop file.
pub(crate) fn snoop(capture: &Capture) -> Vec<u8> {
    let mut file = b"snoop\0\0\0\0\0\0\x02\0\0\0\x04".to_vec();
    for record in &capture.records {
        let (seconds, nanos) = split(record);
        let length = record.data.len() as u32;
        let whole = (length + 24).next_multiple_of(4);
        let fields = [record.length, length, whole, 0, seconds, nanos / 1000];
        file.extend(fields.map(u32::to_be_bytes).as_flattened());
        file.extend(&record.data);
        file.resize(file.len() + (whole - 24 - length) as usize, 0);
    }
    file
}

/// A pcapng block.
pub(crate) fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let padding = vec![0; body.len().next_multiple_of(4) - body.len()];
    let length = order.u32((body.len() + padding.len() + 12) as u32);
    [&order.u32(kind), &length[..], body, &padding, &length].concat()
}

/// A pcapng section header.
pub(crate) fn section(order: Order) -> Vec<u8> {
    let version = [order.u16(1), order.u16(0)].concat();
    block(order, 0x0a0d_0d0a, &[&order.u32(0x1a2b_3c4d)[..], &version, &[0xff; 8]].concat())
}

/// An option of a pcapng block.
pub(crate) fn option(order: Order, code: u16, value: &[u8]) -> Vec<u8> {
    let padding = vec![0; value.len().next_multiple_of(4) - value.len()];
    [&order.u16(code)[..], &order.u16(value.len() as u16), value, &padding].concat()
}

/// An interface description with options.
pub(crate) fn interface(order: Order, link: u16, options: &[u8]) -> Vec<u8> {
    let fields = [order.u16(link), order.u16(0)].concat();
    block(order, 1, &[&fields[..], &order.u32(0), options].concat())
}

/// An interface with its clock: the resolution byte, and seconds that are added to every time.
pub(crate) fn clocked(order: Order, link: u16, resolution: u8, offset: i64) -> Vec<u8> {
    let options = [
        option(order, 2, b"eth0"),
        option(order, 9, &[resolution]),
        option(order, 14, &order.u64(offset as u64)),
        option(order, 0, &[]),
    ];
    interface(order, link, &options.concat())
}

/// An enhanced packet block.
pub(crate) fn enhanced(order: Order, interface: u32, ticks: u64, record: &Record) -> Vec<u8> {
    let (high, low) = ((ticks >> 32) as u32, ticks as u32);
    let fields = [interface, high, low, record.data.len() as u32, record.length];
    block(order, 6, &[fields.map(|n| order.u32(n)).as_flattened(), &record.data].concat())
}

/// An obsolete packet block.
pub(crate) fn obsolete(order: Order, interface: u16, ticks: u64, record: &Record) -> Vec<u8> {
    let (high, low) = ((ticks >> 32) as u32, ticks as u32);
    let fields = [high, low, record.data.len() as u32, record.length];
    let start = [order.u16(interface), order.u16(0)].concat();
    block(order, 2, &[&start, fields.map(|n| order.u32(n)).as_flattened(), &record.data].concat())
}

/// A simple packet block, which has no time.
pub(crate) fn simple(order: Order, record: &Record) -> Vec<u8> {
    block(order, 3, &[&order.u32(record.length)[..], &record.data].concat())
}

/// A pcapng file as tools write it today.
pub(crate) fn pcapng(order: Order, capture: &Capture) -> Vec<u8> {
    let packet = |record: &Record| enhanced(order, 0, record.nanos as u64 / 1000, record);
    let packets = capture.records.iter().flat_map(packet).collect::<Vec<u8>>();
    [section(order), interface(order, capture.link, &[]), packets].concat()
}

/// A gzip member.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes all")
}

/// Compressed in every way that is read.
pub(crate) fn compressed(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let (first, second) = bytes.split_at(bytes.len() / 3);
    let members = [gzip(first), gzip(b""), gzip(second)].concat();
    let mut files = vec![("gzip", gzip(bytes)), ("gzip", members)];
    #[cfg(feature = "zstd")]
    files.push(("zstd", zstd::encode_all(bytes, 3).expect("memory takes all")));
    #[cfg(feature = "lz4")]
    {
        let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
        encoder.write_all(bytes).expect("memory takes all");
        files.push(("lz4", encoder.finish().expect("memory takes all")));
    }
    #[cfg(feature = "xz")]
    {
        let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
        encoder.write_all(bytes).expect("memory takes all");
        files.push(("xz", encoder.finish().expect("memory takes all")));
    }
    #[cfg(feature = "bzip2")]
    {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        encoder.write_all(bytes).expect("memory takes all");
        files.push(("bzip2", encoder.finish().expect("memory takes all")));
    }
    files
}
