//! Damage to captures, the same for the same seed.

/// xorshift64*: the same damage in every run.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// A number below the limit; zero below zero.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let wide = u128::from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)) * limit as u128;
        usize::try_from(wide >> 64).unwrap_or_default()
    }
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
                let value = u8::try_from(random.below(256)).unwrap_or_default();
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
