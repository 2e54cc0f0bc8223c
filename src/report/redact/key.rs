//! The secret that pseudonyms are made with.
//!
//! Numbers are few: whoever could work out the pseudonym of each would have the originals soon. So
//! everything here is keyed, by chance unless the user names a key.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Rounds of the permutation of short texts; NIST SP 800-38G asks for eight or ten.
const ROUNDS: u8 = 10;

/// A secret. It is never shown, and nothing that is shown tells it.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// The key that a text or file stands for: the same pseudonyms for each run that has it.
    pub fn of(secret: &[u8]) -> Self {
        Self::from_bytes(&Sha256::digest(secret).into())
    }

    /// A key that nobody knows, from the operating system.
    ///
    /// # Errors
    ///
    /// When the system has no randomness.
    pub fn random() -> std::io::Result<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
        Ok(Self::from_bytes(&bytes))
    }

    fn from_bytes(bytes: &[u8; 32]) -> Self {
        // The block of the hash is longer than the key, so no key is too long or too short.
        let mut block = [0; 64];
        for (place, byte) in block.iter_mut().zip(bytes) {
            *place = *byte;
        }
        Self(Hmac::new(&block.into()))
    }

    /// As many bytes as wanted that follow from the label and parts, and from which nobody who has
    /// not the key can tell these.
    pub(super) fn stream(&self, label: &str, parts: &[&[u8]], length: usize) -> Vec<u8> {
        let mut stream = Vec::with_capacity(length.next_multiple_of(32));
        let mut block = 0_u32;
        while stream.len() < length {
            let mut mac = self.0.clone();
            mac.update(label.as_bytes());
            mac.update(&block.to_be_bytes());
            for part in parts {
                mac.update(&(part.len() as u64).to_be_bytes());
                mac.update(part);
            }
            stream.extend(mac.finalize().into_bytes());
            block += 1;
        }
        stream.truncate(length);
        stream
    }

    /// Puts another text in the place of one, position by position below its bound; two texts never
    /// become the same. `label` tells apart what may come out alike.
    pub(super) fn permute(&self, label: &str, places: &mut [Place]) {
        let shape: Vec<u8> = places.iter().flat_map(|place| place.bound.to_be_bytes()).collect();
        let (left, right) = places.split_at_mut(places.len() / 2);
        for round in 0..ROUNDS {
            let (moved, held) = match round % 2 {
                0 => (&mut *right, &*left),
                _ => (&mut *left, &*right),
            };
            let held: Vec<u8> = held.iter().flat_map(|place| place.value.to_be_bytes()).collect();
            let stream = self.stream(label, &[&[round], &shape, &held], moved.len() * 4);
            let (words, _) = stream.as_chunks::<4>();
            for (place, word) in moved.iter_mut().zip(words) {
                place.shift(u32::from_be_bytes(*word));
            }
        }
    }

    /// The values in an order of the key's, in one cycle: no value follows itself.
    pub(super) fn cycle(&self, label: &str, part: &[u8], values: &[u16]) -> Vec<u16> {
        let mut order: Vec<u16> = values.to_vec();
        let stream = self.stream(label, &[part], values.len() * 4);
        let (words, _) = stream.as_chunks::<4>();
        // Sattolo's shuffle.
        for (last, word) in (1..order.len()).rev().zip(words) {
            let other = u32::from_be_bytes(*word) as usize % last;
            order.swap(last, other);
        }
        order
    }
}

/// One position of a text that is permuted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Below the bound.
    pub(super) value: u16,
    pub(super) bound: u16,
}

impl Place {
    fn shift(&mut self, by: u32) {
        let bound = u32::from(self.bound.max(1));
        self.value = ((u32::from(self.value) + by % bound) % bound) as u16;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_texts_become_the_same() {
        let key = Key::of(b"test");
        let mut seen = BTreeSet::new();
        for number in 0..1000_u16 {
            let digit = |power| Place { value: number / power % 10, bound: 10 };
            let mut places = [digit(100), digit(10), digit(1)];
            key.permute("number", &mut places);
            assert!(places.iter().all(|place| place.value < 10));
            seen.insert(places.map(|place| place.value));
        }
        assert_eq!(seen.len(), 1000);
    }

    #[test]
    fn a_cycle_leaves_nothing_where_it_was() {
        let values: Vec<u16> = (100..=255).collect();
        let order = Key::of(b"test").cycle("octet", b"", &values);
        assert!(values.iter().zip(&order).all(|(value, other)| value != other));
        let all: BTreeSet<u16> = order.into_iter().collect();
        assert_eq!(all.len(), values.len());
    }

    #[test]
    fn each_key_has_its_own_pseudonyms() {
        let stream = |secret: &[u8]| Key::of(secret).stream("word", &[b"alice"], 40);
        assert_eq!(stream(b"one"), stream(b"one"));
        assert_ne!(stream(b"one"), stream(b"two"));
        let random = || Key::random().map(|key| key.stream("word", &[b"alice"], 40)).ok();
        assert_ne!(random(), random());
    }
}
