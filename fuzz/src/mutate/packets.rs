//! Damage to IP, UDP and TCP headers, fragments, segments, tunnels, and what packets carry.

use std::ops::Range;

use siptrace::capture::LinkType;

use super::messages;
use super::records::Record;
use super::{Capture, Random};

/// The number of TCP among the IP protocols.
const TCP: u8 = 6;

/// The number of UDP among the IP protocols.
const UDP: u8 = 17;

/// Numbers that lengths and offsets are not prepared for.
const ODD_NUMBERS: [u16; 12] = [0, 1, 4, 7, 8, 19, 20, 0x1fff, 0x7fff, 0x8000, 0xfffe, 0xffff];

/// Where the parts of a packet lie in its frame.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Its IP header.
    ip: usize,
    is_ipv6: bool,
    protocol: u8,
    /// Its UDP or TCP header.
    header: usize,
    /// What that carries, up to the end of the packet.
    payload: usize,
    end: usize,
}

impl Place {
    /// The packet of a frame, if it is plain IP with UDP or TCP in it.
    fn of(record: &Record) -> Option<Self> {
        let data = &record.data;
        let mut ip = match record.link.0 {
            0 | 108 => 4,
            1 => 14,
            12 | 14 | 101 | 228 | 229 => 0,
            113 => 16,
            276 => 20,
            _ => return None,
        };
        if record.link == LinkType::ETHERNET {
            while matches!(number(data, ip - 2)?, 0x8100 | 0x88a8) {
                ip += 4;
            }
        }
        let is_ipv6 = match data.get(ip)? >> 4 {
            4 => false,
            6 => true,
            _ => return None,
        };
        let (protocol, header, length) = match is_ipv6 {
            true => (*data.get(ip + 6)?, ip + 40, usize::from(number(data, ip + 4)?) + 40),
            false => {
                let header = ip + usize::from(data[ip] & 15) * 4;
                (*data.get(ip + 9)?, header, usize::from(number(data, ip + 2)?))
            }
        };
        let payload = match protocol {
            UDP => header + 8,
            TCP => header + usize::from(data.get(header + 12)? >> 4) * 4,
            _ => return None,
        };
        let end = (ip + length).min(data.len());
        (payload <= end).then_some(Self { ip, is_ipv6, protocol, header, payload, end })
    }

    /// Where its addresses are: the source, then the destination.
    fn addresses(self) -> (Range<usize>, Range<usize>) {
        let (at, length) = if self.is_ipv6 { (self.ip + 8, 16) } else { (self.ip + 12, 4) };
        (at..at + length, at + length..at + 2 * length)
    }

    /// The beginning of the frame: up to the payload.
    fn head(self, record: &Record) -> Vec<u8> {
        record.data.get(..self.payload).unwrap_or_default().to_vec()
    }

    /// Makes the lengths in the headers fit the frame.
    fn mend(self, record: &mut Record) {
        let end = record.data.len();
        let (field, ip) = match self.is_ipv6 {
            true => (self.ip + 4, self.ip + 40),
            false => (self.ip + 2, self.ip),
        };
        put(&mut record.data, field, end.saturating_sub(ip) as u16);
        if self.protocol == UDP {
            put(&mut record.data, self.header + 4, end.saturating_sub(self.header) as u16);
        }
        record.original_length = end as u32;
    }
}

fn number(data: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*data.get(at..)?.first_chunk()?))
}

fn put(data: &mut [u8], at: usize, value: u16) {
    if let Some(field) = data.get_mut(at..at + 2) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}

/// The sequence number of a segment, or the number that it acknowledges, moved.
fn move_number(data: &mut [u8], at: usize, by: u32) {
    if let Some(field) = data.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<4>) {
        *field = u32::from_be_bytes(*field).wrapping_add(by).to_be_bytes();
    }
}

/// A packet of the capture that such a test fits, where there is one.
fn some(
    capture: &Capture,
    random: &mut Random,
    fits: impl Fn(&Record, Place) -> bool,
) -> Option<(usize, Place)> {
    let count = capture.records.len();
    let start = random.below(count);
    (0..count.min(200)).map(|step| (start + step) % count).find_map(|index| {
        let record = &capture.records[index];
        let place = Place::of(record)?;
        fits(record, place).then_some((index, place))
    })
}

/// Swaps addresses or ports, or makes others of them, in one packet or all.
pub(super) fn addresses(capture: &mut Capture, random: &mut Random) {
    let Some((first, _)) = some(capture, random, |_, _| true) else { return };
    let count = if random.once_in(4) { usize::MAX } else { 1 };
    let way = random.below(6);
    let (port, fill) = (random.one(&ODD_NUMBERS), random.one(&[0, 0xff, 0xe0, 127, 10]));
    for record in capture.records.iter_mut().skip(first).take(count) {
        let Some(place) = Place::of(record) else { continue };
        let (source, destination) = place.addresses();
        let data = &mut record.data;
        match way {
            0 => {
                for (one, other) in source.zip(destination) {
                    data.swap(one, other);
                }
            }
            1 => {
                data.swap(place.header, place.header + 2);
                data.swap(place.header + 1, place.header + 3);
            }
            2 => put(data, place.header, port),
            3 => put(data, place.header + 2, port),
            4 => data[source].fill(fill),
            _ => {
                let same = data[source].to_vec();
                data[destination].copy_from_slice(&same);
            }
        }
    }
}

/// Damages an IP header: version, lengths, fragment bits, protocol, any byte.
pub(super) fn internet(capture: &mut Capture, random: &mut Random) {
    let Some((index, place)) = some(capture, random, |_, _| true) else { return };
    let odd = random.one(&ODD_NUMBERS);
    let at = place.ip + random.below(if place.is_ipv6 { 40 } else { 20 });
    let data = &mut capture.records[index].data;
    match random.below(6) {
        0 => put(data, place.ip + if place.is_ipv6 { 4 } else { 2 }, odd),
        1 => data[place.ip] = random.byte(),
        2 if !place.is_ipv6 => put(data, place.ip + 6, odd),
        3 => data[place.ip + if place.is_ipv6 { 6 } else { 9 }] = random.byte(),
        4 if !place.is_ipv6 => data[place.ip] = 0x40 | (data[place.ip] & 15).wrapping_add(1),
        _ => data[at] = random.byte(),
    }
}

/// Makes fragments of a packet: in order or not, with holes, overlapping, without an end.
pub(super) fn fragments(capture: &mut Capture, random: &mut Random) {
    let is_whole = |record: &Record, place: Place| {
        let header = place.header - place.ip;
        !place.is_ipv6 && header == 20 && place.end == record.data.len()
    };
    let Some((index, place)) = some(capture, random, is_whole) else { return };
    let record = capture.records[index].clone();
    let size = (random.below(60) + 1) * 8;
    let overlap = if random.once_in(3) { random.below(size / 8) * 8 } else { 0 };
    let mut pieces = Vec::new();
    let mut start = place.header;
    while start < place.end && pieces.len() < 300 {
        let end = (start + size).min(place.end);
        let mut piece = record.clone();
        piece.data.truncate(place.header);
        piece.data.extend(&record.data[start..end]);
        let more = if end < place.end { 0x2000 } else { 0 };
        put(&mut piece.data, place.ip + 6, more | ((start - place.header) / 8) as u16);
        put(&mut piece.data, place.ip + 2, (20 + end - start) as u16);
        put(&mut piece.data, place.ip + 4, index as u16 | 1);
        piece.original_length = piece.data.len() as u32;
        pieces.push(piece);
        start = if end < place.end { (end - overlap).max(start + 8) } else { end };
    }
    match random.below(6) {
        0 => pieces.reverse(),
        1 => drop(pieces.pop()),
        2 => drop(pieces.remove(0)),
        3 => {
            let at = random.below(pieces.len());
            if let Some(byte) = pieces[at].data.last_mut() {
                *byte ^= 1;
            }
            let copy = pieces[at].clone();
            pieces.push(copy);
        }
        _ => {}
    }
    capture.records.splice(index..=index, pieces);
}

/// Damages a UDP or TCP header: length, sequence numbers, flags, offset, any byte.
pub(super) fn transport(capture: &mut Capture, random: &mut Random) {
    let wants_tcp = random.once_in(2);
    let is_tcp = |_: &Record, place: Place| place.protocol == TCP;
    let found = wants_tcp.then(|| some(capture, random, is_tcp)).flatten();
    let Some((index, place)) = found.or_else(|| some(capture, random, |_, _| true)) else { return };
    let odd = random.one(&ODD_NUMBERS);
    let by = random.one(&[1, 2, 1000, 65_536, 1 << 31, (1 << 31) + 1, u32::MAX, u32::MAX - 999]);
    let count = if random.once_in(3) { usize::MAX } else { 1 };
    let way = random.below(5);
    let at = place.header + random.below(place.payload - place.header);
    let flags = random.byte();
    for record in capture.records.iter_mut().skip(index).take(count) {
        let Some(here) = Place::of(record).filter(|here| here.protocol == place.protocol) else {
            continue;
        };
        let data = &mut record.data;
        match (here.protocol, way) {
            (TCP, 0) => move_number(data, here.header + 4, by),
            (TCP, 1) => move_number(data, here.header + 8, by),
            (TCP, 2) => data[here.header + 13] = flags,
            (TCP, 3) => data[here.header + 12] = flags,
            (_, 0 | 1) => put(data, here.header + 4, odd),
            _ if at < data.len() => data[at] = flags,
            _ => {}
        }
    }
}

/// Makes several segments of one: in order or not, overlapping, twice with other bytes.
pub(super) fn segments(capture: &mut Capture, random: &mut Random) {
    let has_data = |_: &Record, place: Place| place.protocol == TCP && place.payload < place.end;
    let Some((index, place)) = some(capture, random, has_data) else { return };
    let record = capture.records[index].clone();
    let payload = record.data[place.payload..place.end].to_vec();
    let size = random.below(payload.len()) + 1;
    let mut pieces = Vec::new();
    for start in (0..payload.len()).step_by(size).take(200) {
        let overlap = if random.once_in(4) { random.below(start + 1) } else { 0 };
        let end = (start + size).min(payload.len());
        let mut piece = record.clone();
        piece.data = place.head(&record);
        piece.data.extend(&payload[start - overlap..end]);
        move_number(&mut piece.data, place.header + 4, (start - overlap) as u32);
        place.mend(&mut piece);
        if random.once_in(8)
            && let Some(byte) = piece.data.last_mut()
        {
            *byte = byte.wrapping_add(1);
        }
        pieces.push(piece);
    }
    let other = random.below(pieces.len());
    match random.below(5) {
        0 => pieces.reverse(),
        1 => pieces.swap(0, other),
        2 => drop(pieces.remove(other)),
        3 => {
            let copy = pieces[other].clone();
            pieces.push(copy);
        }
        _ => {}
    }
    capture.records.splice(index..=index, pieces);
}

/// Puts a packet into tunnels, one in another, or behind tags.
pub(super) fn tunnels(capture: &mut Capture, random: &mut Random) {
    let Some((index, place)) = some(capture, random, |_, _| true) else { return };
    let depth = random.one(&[1, 1, 2, 3, 15, 16, 17, 40]);
    let way = random.below(5);
    let record = &mut capture.records[index];
    let mut packet = record.data.split_off(place.ip);
    for _ in 0..depth {
        // GRE, VXLAN and GTP-U in what `outer` says; the first word of IP in IP is the packet's.
        let (protocol, head): (u8, Vec<u8>) = match way {
            0 => (if packet[0] >> 4 == 6 { 41 } else { 4 }, Vec::new()),
            1 => (47, vec![0, 0, if packet[0] >> 4 == 6 { 0x86 } else { 8 }, 0]),
            2 => (UDP, datagram(2152, &[0x30, 0xff, 0, 0, 0, 0, 0, 1], packet.len())),
            3 => {
                let kind = if packet[0] >> 4 == 6 { [0x86, 0xdd] } else { [8, 0] };
                let frame = [&[8, 0, 0, 0, 0, 0, 1, 0], &[2; 12][..], &kind].concat();
                (UDP, datagram(4789, &frame, packet.len()))
            }
            _ => break,
        };
        let length = 20 + head.len() + packet.len();
        if length > 65_535 {
            break;
        }
        let mut outer = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0];
        outer.extend([10, 0, 0, 1, 10, 0, 0, 2]);
        put(&mut outer, 2, length as u16);
        outer.extend(head);
        outer.append(&mut packet);
        packet = outer;
    }
    if way == 4 && record.link == LinkType::ETHERNET {
        for _ in 0..depth {
            let at = record.data.len() - 2;
            record.data.splice(at..at, [0x81, 0, 0, 7]);
        }
    } else if way < 4 && record.link == LinkType::ETHERNET {
        let at = record.data.len() - 2;
        put(&mut record.data, at, 0x0800);
    }
    record.data.append(&mut packet);
    record.original_length = record.data.len() as u32;
}

/// The headers of a UDP datagram and of what it carries, but for so many bytes.
fn datagram(port: u16, head: &[u8], bytes: usize) -> Vec<u8> {
    let mut datagram = vec![0x13, 0x88, 0, 0, 0, 0, 0, 0];
    put(&mut datagram, 2, port);
    put(&mut datagram, 4, (8 + head.len() + bytes) as u16);
    datagram.extend(head);
    // GTP-U says its length, VXLAN does not.
    if port == 2152 {
        put(&mut datagram, 10, bytes as u16);
    }
    datagram
}

/// Damages what a packet carries: its first bytes (RTP, RTCP, STUN, DTLS), its end, any byte.
pub(super) fn payload(capture: &mut Capture, random: &mut Random) {
    let is_full = |_: &Record, place: Place| place.payload < place.end;
    for _ in 0..=random.below(20) {
        let Some((index, place)) = some(capture, random, is_full) else { return };
        let record = &mut capture.records[index];
        let mut bytes = record.data[place.payload..place.end].to_vec();
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => bytes.truncate(at),
            1 => {
                let early = at.min(random.below(16));
                bytes[early] = random.byte();
            }
            2 => {
                let early = at.min(random.below(12));
                put(&mut bytes, early, random.one(&ODD_NUMBERS));
            }
            3 => bytes.extend(std::iter::repeat_n(random.byte(), random.below(600))),
            4 => bytes[at] ^= 1 << random.below(8),
            _ => super::damage(&mut bytes, random),
        }
        replace(capture, (index, place), &bytes, random);
    }
}

/// Damages the text of a SIP message, or of a part of one.
pub(super) fn message(capture: &mut Capture, random: &mut Random) {
    let is_text = |record: &Record, place: Place| {
        let payload = record.data.get(place.payload..place.end).unwrap_or_default();
        let text = payload.get(..payload.len().min(200)).unwrap_or_default();
        text.windows(7).any(|word| word == b"SIP/2.0")
    };
    let Some((index, place)) = some(capture, random, is_text) else { return };
    let donor = some(capture, random, is_text)
        .map(|(index, place)| capture.records[index].data[place.payload..place.end].to_vec());
    let mut bytes = capture.records[index].data[place.payload..place.end].to_vec();
    for _ in 0..=random.below(3) {
        messages::edit(&mut bytes, donor.as_deref().unwrap_or_default(), random);
    }
    bytes.truncate(65_000);
    replace(capture, (index, place), &bytes, random);
}

/// Puts other bytes into a packet. Mostly its lengths fit them, and the stream goes on behind
/// them, so that the damage is found where it was done.
fn replace(capture: &mut Capture, at: (usize, Place), bytes: &[u8], random: &mut Random) {
    let (index, place) = at;
    let record = &mut capture.records[index];
    let change = (bytes.len() as u32).wrapping_sub((place.end - place.payload) as u32);
    let mut data = place.head(record);
    let flow = (data[place.ip..].to_vec(), place);
    data.extend(bytes);
    record.data = data;
    if random.once_in(8) {
        return;
    }
    place.mend(record);
    if place.protocol != TCP || change == 0 || random.once_in(4) {
        return;
    }
    for record in capture.records.iter_mut().skip(index + 1) {
        let Some(here) = Place::of(record).filter(|here| here.protocol == TCP) else { continue };
        match direction(&flow, record, here) {
            Some(true) => move_number(&mut record.data, here.header + 4, change),
            Some(false) => move_number(&mut record.data, here.header + 8, change),
            None => {}
        }
    }
}

/// Whether a packet goes the way of a flow; none if it is another one's.
fn direction(flow: &(Vec<u8>, Place), record: &Record, here: Place) -> Option<bool> {
    let (head, place) = flow;
    let ends = |data: &[u8], place: Place, base: usize| {
        let (source, destination) = place.addresses();
        let shift = |range: Range<usize>| range.start - base..range.end - base;
        let ports = place.header - base;
        let side = |range: Range<usize>, port: usize| {
            [data.get(shift(range))?, data.get(port..port + 2)?].concat().into()
        };
        let side = |range, port| -> Option<Vec<u8>> { side(range, port) };
        Some((side(source, ports)?, side(destination, ports + 2)?))
    };
    let (from, to) = ends(head, *place, place.ip)?;
    let (source, destination) = ends(&record.data, here, 0)?;
    match (from == source && to == destination, from == destination && to == source) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}
