//! From RTP packets to sound: codecs that are decoded here, and the order and pace of the packets.

use std::collections::BTreeMap;

mod g711;
mod g722;

use g722::G722;

/// A codec that is decoded here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudioCodec {
    /// G.711 in America and Japan.
    Pcmu,
    /// G.711 elsewhere.
    Pcma,
    /// Wide-band speech of 64 kbit/s.
    G722,
}

impl AudioCodec {
    /// By its name in SDP.
    pub fn of(encoding: &str) -> Option<Self> {
        let known = [("PCMU", Self::Pcmu), ("PCMA", Self::Pcma), ("G722", Self::G722)];
        let found = known.iter().find(|(name, _)| name.eq_ignore_ascii_case(encoding));
        found.map(|(_, codec)| *codec)
    }

    /// By a static payload type (RFC 3551, section 6).
    pub const fn of_static(payload_type: u8) -> Option<Self> {
        match payload_type {
            0 => Some(Self::Pcmu),
            8 => Some(Self::Pcma),
            9 => Some(Self::G722),
            _ => None,
        }
    }

    /// Samples in a second of what it is decoded to. The clock of its timestamps is 8000 with all
    /// of them (RFC 3551, section 4.5.2).
    pub const fn rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 8000,
            Self::G722 => 16_000,
        }
    }
}

/// Packets that are held back to put late ones in their place.
const HELD_MAX: usize = 8;

/// Numbers that differ by more are a new beginning (RFC 3550, appendix A.1).
const DROPOUT_MAX: i32 = 3000;

/// A packet of media.
#[derive(Clone, Debug)]
pub struct AudioPacket {
    /// Its number.
    pub sequence: u16,
    /// When its first sample is due.
    pub timestamp: u32,
    /// Its codec; none for what is passed over in silence, as comfort noise and events.
    pub codec: Option<AudioCodec>,
    /// Its bytes.
    pub media: Vec<u8>,
    /// Milliseconds after the first packet of the stream.
    pub millis: u64,
}

/// Makes one sound of the packets of a stream: in their order, each at its time, with silence where
/// nothing came.
#[derive(Debug)]
pub struct Playout {
    rate: u32,
    held: BTreeMap<i64, AudioPacket>,
    /// The latest number, extended.
    latest: Option<i64>,
    /// The number that was played last.
    played: Option<i64>,
    /// Where the sound stands, and the timestamp that belongs there.
    clock: Option<u32>,
    /// Samples given so far.
    samples: u64,
    decoder: G722,
}

impl Playout {
    /// A sound of so many samples a second.
    pub fn new(codec: AudioCodec) -> Self {
        Self {
            rate: codec.rate(),
            held: BTreeMap::new(),
            latest: None,
            played: None,
            clock: None,
            samples: 0,
            decoder: G722::default(),
        }
    }

    /// Takes the next packet and adds to `sound` what can be played.
    pub fn push(&mut self, packet: AudioPacket, sound: &mut Vec<i16>) {
        let latest = self.latest.unwrap_or_else(|| i64::from(packet.sequence));
        let ahead = packet.sequence.wrapping_sub(latest as u16).cast_signed();
        if i32::from(ahead).abs() > DROPOUT_MAX {
            self.flush(sound);
            (self.played, self.clock) = (None, None);
        }
        let number = latest + i64::from(ahead);
        self.latest = Some(latest.max(number));
        if self.played.is_some_and(|played| number <= played) {
            return;
        }
        self.held.insert(number, packet);
        while self.held.len() > HELD_MAX {
            self.play_first(sound);
        }
    }

    /// Plays what is left.
    pub fn flush(&mut self, sound: &mut Vec<i16>) {
        while !self.held.is_empty() {
            self.play_first(sound);
        }
    }

    fn play_first(&mut self, sound: &mut Vec<i16>) {
        let Some((number, packet)) = self.held.pop_first() else { return };
        self.played = Some(number);
        let Some(codec) = packet.codec else { return };
        let per_tick = u64::from(self.rate / 8000);
        let ticks = self.clock.map(|clock| packet.timestamp.wrapping_sub(clock).cast_signed());
        let wanted = ticks.map_or(0, |ticks| u64::from(ticks.max(0).unsigned_abs()) * per_tick);
        // A timestamp that jumped is no silence: not more than the time that really passed.
        let passed = (packet.millis + 1000) * u64::from(self.rate) / 1000;
        let silence = wanted.min(passed.saturating_sub(self.samples));
        let before = sound.len();
        sound.resize(before + usize::try_from(silence).unwrap_or_default(), 0);
        self.decode(codec, &packet.media, sound);
        self.samples += (sound.len() - before) as u64;
        let ticks = u32::try_from(packet.media.len()).unwrap_or_default();
        self.clock = Some(packet.timestamp.wrapping_add(ticks));
    }

    /// One byte is one tick of the timestamp with all these codecs.
    fn decode(&mut self, codec: AudioCodec, media: &[u8], sound: &mut Vec<i16>) {
        let is_wide = self.rate == AudioCodec::G722.rate();
        for byte in media {
            let samples = match codec {
                AudioCodec::Pcmu => [g711::of_mu_law(*byte); 2],
                AudioCodec::Pcma => [g711::of_a_law(*byte); 2],
                AudioCodec::G722 => self.decoder.decode(*byte),
            };
            match (samples, is_wide) {
                (samples, true) => sound.extend(samples),
                ([a, b], false) => sound.push(((i32::from(a) + i32::from(b)) / 2) as i16),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(number: u16, byte: u8) -> AudioPacket {
        AudioPacket {
            sequence: number,
            timestamp: u32::from(number) * 4,
            codec: Some(AudioCodec::Pcma),
            media: vec![byte; 4],
            millis: u64::from(number),
        }
    }

    fn sound(packets: impl IntoIterator<Item = AudioPacket>) -> Vec<i16> {
        let mut playout = Playout::new(AudioCodec::Pcma);
        let mut sound = Vec::new();
        packets.into_iter().for_each(|packet| playout.push(packet, &mut sound));
        playout.flush(&mut sound);
        sound
    }

    #[test]
    fn late_packets_get_their_place_and_double_ones_none() {
        let bytes = [0x80, 0x90, 0xa0, 0xb0];
        let packets = bytes.iter().zip(1..).map(|(byte, number)| packet(number, *byte));
        let straight: Vec<_> = packets.collect();
        let mut mixed = straight.clone();
        mixed.swap(1, 2);
        mixed.push(straight[2].clone());
        assert_eq!(sound(mixed), sound(straight));
    }

    #[test]
    fn what_did_not_come_is_silence() {
        let whole = sound([packet(1, 0x80), packet(2, 0x80), packet(3, 0x80)]);
        let holed = sound([packet(1, 0x80), packet(3, 0x80)]);
        assert_eq!(whole.len(), holed.len());
        assert_eq!(holed.get(4..8), Some(&[0; 4][..]));
    }

    #[test]
    fn a_timestamp_that_jumps_makes_no_hours_of_silence() {
        let far = AudioPacket { timestamp: 1 << 30, ..packet(2, 0x80) };
        assert!(sound([packet(1, 0x80), far]).len() < 10_000);
    }

    #[test]
    fn numbers_wrap_and_begin_anew() {
        let numbers = [65_534, 65_535, 0, 1, 30_000, 30_001];
        let packets = numbers
            .iter()
            .zip(0..)
            .map(|(number, at)| AudioPacket { timestamp: at * 4, ..packet(*number, 0x80) });
        assert_eq!(sound(packets).len(), 24);
    }
}
