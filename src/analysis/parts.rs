//! What a part of the run gathered, on its way from one machine to another.

use std::io;

use crate::analysis::{Keep, Tally};
use crate::bytes::parts;

impl Tally {
    /// What it gathered as bytes. The calls and streams that a report lists are left out: nobody
    /// wants them of a part.
    ///
    /// # Errors
    ///
    /// When there is more of something than can be written.
    pub fn to_bytes(&self) -> io::Result<Vec<u8>> {
        parts::to_bytes(self)
    }

    /// What [`Self::to_bytes`] of the same version wrote; nothing of other bytes.
    pub fn from_bytes(bytes: &[u8], keep: Keep) -> Option<Self> {
        let mut own: Self = parts::from_bytes(bytes)?;
        own.keep = keep;
        Some(own)
    }
}
