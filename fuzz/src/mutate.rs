//! Damage to captures, the same for the same seed: blind, or knowing what lies where.
//!
//! `records` keeps a capture as records and writes it again, `packets` damages what carries
//! payloads, `messages` the text in them. Knows nothing of what becomes of the damage.

#[path = "mutate/messages.rs"]
mod messages;
#[path = "mutate/packets.rs"]
mod packets;
#[path = "mutate/records.rs"]
mod records;

pub use records::Capture;

/// Bytes of an original file that blind damage works on.
const BLIND_BYTES_MAX: usize = 64 << 10;

/// xorshift64*: the same damage in every run.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The numbers of one case among those of a seed.
    pub fn of(seed: u64, number: u64) -> Self {
        let mut mixed = seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for factor in [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(factor);
        }
        Self(mixed | 1)
    }

    /// A number below the limit; zero below zero.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let wide = u128::from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)) * limit as u128;
        usize::try_from(wide >> 64).unwrap_or_default()
    }

    /// Once in so many times.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// Any byte.
    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap_or_default()
    }

    /// One of these; there must be one.
    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// A kind of damage: what it does to a capture, with another one at hand.
type Kind = (&'static str, fn(&mut Capture, &Capture, &mut Random));

/// Every kind of damage; what stands here several times is done more often.
const KINDS: [Kind; 16] = [
    ("records", |capture, _, random| records::shuffle(capture, random)),
    ("lengths", |capture, _, random| records::cut(capture, random)),
    ("times", |capture, _, random| records::times(capture, random)),
    ("links", |capture, _, random| records::links(capture, random)),
    ("splice", records::splice),
    ("addresses", |capture, _, random| packets::addresses(capture, random)),
    ("ip", |capture, _, random| packets::internet(capture, random)),
    ("fragments", |capture, _, random| packets::fragments(capture, random)),
    ("transport", |capture, _, random| packets::transport(capture, random)),
    ("segments", |capture, _, random| packets::segments(capture, random)),
    ("tunnels", |capture, _, random| packets::tunnels(capture, random)),
    ("payload", |capture, _, random| packets::payload(capture, random)),
    ("message", |capture, _, random| packets::message(capture, random)),
    ("message", |capture, _, random| packets::message(capture, random)),
    ("message", |capture, _, random| packets::message(capture, random)),
    ("message", |capture, _, random| packets::message(capture, random)),
];

/// A damaged capture.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// The file.
    pub bytes: Vec<u8>,
    /// What was done to it, in that order.
    pub kinds: Vec<&'static str>,
}

/// Damages so many bytes of a capture, or a part of it and a part of another one.
pub fn mutant(capture: &Capture, other: &Capture, bytes: usize, random: &mut Random) -> Mutant {
    if random.once_in(10) && !capture.file.is_empty() {
        let end = capture.file.len().min(bytes).min(BLIND_BYTES_MAX);
        let mut bytes = capture.file.get(..end).unwrap_or_default().to_vec();
        damage(&mut bytes, random);
        return Mutant { bytes, kinds: vec!["file"] };
    }
    let mut damaged = capture.window(bytes, random);
    let other = other.window(bytes / 4, random);
    let mut kinds = Vec::new();
    // One kind alone reaches far, many together reach odd states.
    for _ in 0..=random.below(4) * random.below(3) {
        let (name, kind) = random.one(&KINDS);
        kind(&mut damaged, &other, random);
        kinds.push(name);
    }
    let mut bytes = damaged.write(random);
    if random.once_in(20) {
        damage(&mut bytes, random);
        kinds.push("file");
    }
    Mutant { bytes, kinds }
}

/// Damages the text of a SIP message in one place; `donor` is another one that lines can come from.
pub fn message(message: &mut Vec<u8>, donor: &[u8], random: &mut Random) {
    messages::edit(message, donor, random);
}

/// Damages bytes in up to eight places: cut, drained, overwritten, copied, flipped, words put in.
pub fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(8) {
        let at = random.below(bytes.len().max(1));
        let length = random.below(64);
        match random.below(6) {
            0 => bytes.truncate(at),
            1 => {
                let end = (at + length).min(bytes.len());
                bytes.drain(at.min(end)..end);
            }
            2 => {
                let value = random.byte();
                bytes.iter_mut().skip(at).take(length).for_each(|byte| *byte = value);
            }
            3 => {
                let end = (at + length).min(bytes.len());
                let copy = bytes.get(at.min(end)..end).unwrap_or_default().to_vec();
                let place = random.below(bytes.len().max(1));
                bytes.splice(place.min(bytes.len())..place.min(bytes.len()), copy);
            }
            4 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            _ => {
                let words: [&[u8]; 5] =
                    [b"\xff\xff\xff\xff", b"\r\n\r\n", b"SIP/2.0 ", b"\x1b[2J", b",;\"<"];
                let word = words.get(random.below(words.len())).copied().unwrap_or_default();
                let place = at.min(bytes.len());
                bytes.splice(place..place, word.iter().copied());
            }
        }
    }
}
