//! What a part of the run gathered, on its way from one machine to another.

use crate::analysis::{Keep, Tally};
use crate::bytes::parts;

impl Tally {
    /// What it gathered as bytes. The calls and streams that a report lists are left out: nobody
    /// wants them of a part.
    pub fn to_bytes(&self) -> Vec<u8> {
        parts::to_bytes(self)
    }

    /// What [`Self::to_bytes`] of the same version wrote; nothing of other bytes.
    pub fn from_bytes(bytes: &[u8], keep: Keep) -> Option<Self> {
        let mut own: Self = parts::from_bytes(bytes)?;
        own.keep = keep;
        Some(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Profile;

    #[test]
    fn a_part_that_is_damaged_is_not_read() {
        let mut tally = Tally::new(Keep::default());
        tally.drop("acme-bound", 3);
        tally.add_frames(7);
        let bytes = tally.to_bytes();
        let read = Tally::from_bytes(&bytes, Keep::default()).expect("a part");
        let analysis = Tally::finish(vec![read], &Profile::default());
        assert_eq!((analysis.totals.frames, analysis.dropped.get("acme-bound")), (7, Some(&3)));
        assert!((0..bytes.len()).all(|end| {
            Tally::from_bytes(bytes.get(..end).unwrap_or_default(), Keep::default()).is_none()
        }));
    }
}
