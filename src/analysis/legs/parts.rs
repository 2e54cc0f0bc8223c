//! Legs on their way from one machine to another.

use std::io::{self, Read, Write};

use borsh::{BorshDeserialize, BorshSerialize};

use super::{Legs, Reader};
use crate::analysis::packed::Blocks;
use crate::bytes::parts::{damaged, words};

impl BorshSerialize for Legs {
    fn serialize<W: Write>(&self, writer: &mut W) -> io::Result<()> {
        let Self { blocks, count, reasons, scratch: _ } = self;
        (blocks, count, reasons).serialize(writer)
    }
}

impl BorshDeserialize for Legs {
    /// Every leg is read once, so that what is there can be read at the end.
    fn deserialize_reader<R: Read>(reader: &mut R) -> io::Result<Self> {
        let blocks = Blocks::deserialize_reader(reader)?;
        let count = usize::deserialize_reader(reader)?;
        let reasons = words(reader)?;
        let is_leg = |bytes: &mut &[u8]| Reader { bytes, reasons: &reasons }.leg().is_some();
        match blocks.holds(count, is_leg) {
            true => Ok(Self { blocks, count, reasons, scratch: Vec::new() }),
            false => Err(damaged()),
        }
    }
}
