//! RTP and RTCP packets between the media ports of two hosts.

use std::collections::HashMap;

use super::FRAMES_MAX;
use super::error::Error;
use super::memory::{Hop, Media};
use super::syntax::{Event, Script};
use super::wire::Wire;
use crate::time::Span;

/// Between two packets, if the line does not say.
const EVERY_DEFAULT: Span = Span::from_millis(20);

/// Samples in a second: the RTP clock of the payload types that scripts use.
const CLOCK: i64 = 8000;

/// The usual payload type of telephone events.
const EVENTS: u8 = 101;

/// How often the end of a telephone event is sent (RFC 4733, section 2.5.1.4).
const ENDS: i64 = 3;

/// Bytes of one packet's audio at most.
const AUDIO_BYTES_MAX: i64 = 1400;

/// Streams by hop; a later line goes on with the stream.
#[derive(Debug, Default)]
pub(super) struct Streams {
    known: HashMap<(usize, u16, usize, u16), Stream>,
}

#[derive(Clone, Debug)]
struct Stream {
    ssrc: u32,
    sequence: u16,
    /// When timestamp 0 was.
    began: Span,
    packets: u32,
    octets: u32,
}

impl Streams {
    /// Sends the packets of a line; gives the first frame.
    pub(super) fn rtp(
        &mut self,
        wire: &mut Wire,
        event: &Event<'_>,
        mut hop: Hop,
        from: &Media,
        to: &Media,
    ) -> Result<usize, Error> {
        aim(event, &mut hop, from.port, to.port);
        let options = &event.options;
        let every = options.time("every").unwrap_or(EVERY_DEFAULT).nanos().max(1);
        let length = options.time("for").unwrap_or(Span::ZERO).nanos();
        let count = (length / every).max(1);
        if usize::try_from(count).unwrap_or(usize::MAX) > FRAMES_MAX {
            let found = format!("{count} RTP packets on one line");
            let limit = format!("the limit is {FRAMES_MAX} frames");
            return Err(event.word.error(found, limit));
        }
        let shared = from.payload_types.iter().find(|kind| to.payload_types.contains(kind));
        let kind = shared.or(from.payload_types.first()).copied().unwrap_or(0);
        let kind = if options.has("event") { EVENTS } else { kind };
        let kind = options.number("pt").and_then(|kind| u8::try_from(kind).ok()).unwrap_or(kind);
        let rate = options.number("rate").and_then(|rate| i64::try_from(rate).ok());
        let clock = rate.unwrap_or(CLOCK);
        let audio = vec![0xd5; audio_bytes(kind, every)];
        let stream = self.stream(event, hop);
        let jitter = options.time("jitter").unwrap_or(Span::ZERO);
        let loss = i64::try_from(options.number("loss").unwrap_or(0)).unwrap_or(0);
        let first = wire.made.len();
        for index in 0..count {
            let delay = Span::from_nanos(every).times(index);
            let sequence = stream.sequence;
            stream.sequence = sequence.wrapping_add(1);
            if (index + 1) * loss / 100 != index * loss / 100 {
                wire.charge(event, audio.len())?;
                continue;
            }
            let digit = options.number("event").map(|digit| {
                let is_end = count - index <= ENDS && !options.has("endless");
                digit_bytes(digit as u8, is_end, (index + 1).saturating_mul(every), clock)
            });
            // A digit has the time of its beginning.
            let at = if digit.is_some() { event.at } else { event.at + delay };
            let time = ticks(at, stream.began, clock);
            let audio = digit.as_ref().map_or(audio.as_slice(), |digit| digit.as_slice());
            let packet = packet(kind, index == 0, sequence, time, stream.ssrc, audio);
            stream.packets = stream.packets.wrapping_add(1);
            stream.octets = stream.octets.wrapping_add(audio.len() as u32);
            let late = if index % 2 == 1 { jitter } else { Span::ZERO };
            wire.udp(event, hop, delay + late, &packet)?;
        }
        Ok(first)
    }

    /// Sends a sender report with the counts so far, from the port above the RTP port (RFC 3550,
    /// sections 6.4.1, 6.5).
    pub(super) fn rtcp(
        &mut self,
        wire: &mut Wire,
        script: &Script<'_>,
        event: &Event<'_>,
        mut hop: Hop,
        from: &Media,
        to: &Media,
    ) -> Result<usize, Error> {
        aim(event, &mut hop, from.port, to.port);
        let stream = self.stream(event, hop).clone();
        aim(event, &mut hop, from.port.saturating_add(1), to.port.saturating_add(1));
        let seconds = (script.start + event.at).nanos() / 1_000_000_000 + 2_208_988_800;
        let mut packet = vec![0x80, 200, 0, 6];
        packet.extend(stream.ssrc.to_be_bytes());
        packet.extend((seconds as u32).to_be_bytes());
        packet.extend([0; 4]);
        for number in [ticks(event.at, stream.began, CLOCK), stream.packets, stream.octets] {
            packet.extend(number.to_be_bytes());
        }
        let name = script.hosts.get(hop.source).map_or("", |host| host.name).as_bytes();
        let name = name.get(..name.len().min(200)).unwrap_or(&[]);
        let mut items = vec![1, name.len() as u8];
        items.extend_from_slice(name);
        items.push(0);
        items.resize(items.len().next_multiple_of(4), 0);
        packet.extend([0x81, 202]);
        packet.extend((1 + items.len() as u16 / 4).to_be_bytes());
        packet.extend(stream.ssrc.to_be_bytes());
        packet.extend(items);
        wire.udp(event, hop, Span::ZERO, &packet)
    }

    fn stream(&mut self, event: &Event<'_>, hop: Hop) -> &mut Stream {
        let (source, destination) = (hop.source_socket.port(), hop.destination_socket.port());
        let key = (hop.source, source, hop.destination, destination);
        let number = u32::try_from(self.known.len()).unwrap_or(0);
        let stream = self.known.entry(key).or_insert_with(|| Stream {
            ssrc: 0x5150_0001_u32.wrapping_add(number),
            sequence: 1,
            began: event.at,
            packets: 0,
            octets: 0,
        });
        if let Some(ssrc) = event.options.number("ssrc").and_then(|ssrc| u32::try_from(ssrc).ok()) {
            stream.ssrc = ssrc;
        }
        if let Some(first) = event.options.number("seq").and_then(|first| u16::try_from(first).ok())
        {
            stream.sequence = first;
        }
        stream
    }
}

/// Sets the ports: those of the line, else the ones given.
fn aim(event: &Event<'_>, hop: &mut Hop, from: u16, to: u16) {
    let port = |name| event.options.number(name).and_then(|port| u16::try_from(port).ok());
    hop.source_socket.set_port(event.source.port.or(port("from")).unwrap_or(from));
    hop.destination_socket.set_port(event.destination.port.or(port("to")).unwrap_or(to));
}

/// The RTP timestamp at a time.
fn ticks(at: Span, began: Span, clock: i64) -> u32 {
    let nanos = i128::from(at.nanos()) - i128::from(began.nanos());
    let ticks = nanos * i128::from(clock) / 1_000_000_000;
    ticks.rem_euclid(1 << 32) as u32
}

/// A telephone event (RFC 4733, section 2.3): the digit, whether it is over, volume 10, how long it
/// has lasted.
fn digit_bytes(digit: u8, is_end: bool, nanos: i64, clock: i64) -> [u8; 4] {
    let ticks = i128::from(nanos) * i128::from(clock) / 1_000_000_000;
    let [high, low] = u16::try_from(ticks).unwrap_or(u16::MAX).to_be_bytes();
    [digit, u8::from(is_end) << 7 | 10, high, low]
}

/// Bytes of the audio of one packet: one for each sample, or 10 for each 10 ms of G.729, or one
/// DTMF event.
fn audio_bytes(kind: u8, every: i64) -> usize {
    let bytes = match kind {
        18 => every / 1_000_000,
        101 => 4,
        _ => every.saturating_mul(CLOCK) / 1_000_000_000,
    };
    usize::try_from(bytes.clamp(1, AUDIO_BYTES_MAX)).unwrap_or(1)
}

/// RFC 3550, section 5.1.
fn packet(kind: u8, is_first: bool, sequence: u16, time: u32, ssrc: u32, audio: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, kind & 0x7f | u8::from(is_first) << 7];
    packet.extend(sequence.to_be_bytes());
    packet.extend(time.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend_from_slice(audio);
    packet
}
