//! Digests for tables with very many entries.

use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::FixedState;

/// A digest of 48 bits, without alignment: among a million of them, hardly one of a hundred million
/// others has its like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub(super) struct Digest([u16; 3]);

impl Digest {
    /// The digest of a value, the same in every run.
    pub(super) fn of(value: impl Hash) -> Self {
        Self::from(FixedState::default().hash_one(value))
    }
}

impl From<u64> for Digest {
    /// Takes from a digest what there is room for.
    fn from(digest: u64) -> Self {
        Self([digest as u16, (digest >> 16) as u16, (digest >> 32) as u16])
    }
}

impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [low, middle, high] = self.0.map(u64::from);
        state.write_u64(low | middle << 16 | high << 32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_of_different_values_differ() {
        let all: std::collections::HashSet<Digest> = (0..100_000_u32).map(Digest::of).collect();
        assert_eq!(all.len(), 100_000);
        let bits = [0, 1, 1 << 15, 1 << 16, 1 << 31, 1 << 32, 1 << 47].map(Digest::from);
        for (place, one) in bits.iter().enumerate() {
            assert!(bits.iter().skip(place + 1).all(|other| other != one));
        }
        assert_eq!((size_of::<Digest>(), align_of::<Digest>()), (6, 2));
    }
}
