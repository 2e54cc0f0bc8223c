//! Bytes of what is kept until the end of a run, in blocks.
//!
//! A list that grows in place is copied again and again, and leaves holes in memory that nothing
//! else fits into. Blocks stay where they are.

/// Bytes of the first block, and of the largest one; each is twice the one before.
pub(super) const BLOCK_BYTES: std::ops::RangeInclusive<usize> = 1 << 12..=1 << 16;

/// Entries one after another, each whole in one block.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub(super) struct Blocks {
    blocks: Vec<Vec<u8>>,
}

impl Blocks {
    /// Adds an entry at the end.
    pub(super) fn push(&mut self, entry: &[u8]) {
        let has_room = |block: &&mut Vec<u8>| block.capacity() - block.len() >= entry.len();
        if let Some(block) = self.blocks.last_mut().filter(has_room) {
            block.extend_from_slice(entry);
            return;
        }
        let wanted = BLOCK_BYTES.start() << self.blocks.len().min(8);
        let mut block = Vec::with_capacity(wanted.min(*BLOCK_BYTES.end()).max(entry.len()));
        block.extend_from_slice(entry);
        self.blocks.push(block);
    }

    /// There are so many entries, and `read` accepts each of them.
    #[cfg(feature = "parts")]
    pub(super) fn holds(&self, count: usize, mut read: impl FnMut(&mut &[u8]) -> bool) -> bool {
        let mut left = count;
        for block in &self.blocks {
            let mut bytes = block.as_slice();
            if bytes.is_empty() {
                return false;
            }
            while !bytes.is_empty() {
                if left == 0 || !read(&mut bytes) {
                    return false;
                }
                left -= 1;
            }
        }
        left == 0
    }

    /// How many blocks there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Gives the entries back in order.
    pub(super) fn into_entries(self) -> Entries {
        Entries { blocks: self.blocks.into_iter(), block: Vec::new(), at: 0 }
    }
}

/// Entries that are read one after another; a block is let go once it is read.
#[derive(Debug)]
pub(super) struct Entries {
    blocks: std::vec::IntoIter<Vec<u8>>,
    block: Vec<u8>,
    at: usize,
}

impl Entries {
    /// What `read` makes of the next entry, of which it leaves nothing; nothing at the end.
    pub(super) fn next<T>(&mut self, read: impl FnOnce(&mut &[u8]) -> Option<T>) -> Option<T> {
        if self.at >= self.block.len() {
            self.block = self.blocks.next()?;
            self.at = 0;
        }
        let mut bytes = self.block.get(self.at..).unwrap_or_default();
        let entry = read(&mut bytes);
        debug_assert!(entry.is_some(), "what is written can be read");
        self.at = self.block.len() - bytes.len();
        entry
    }
}

/// Writes a number, seven bits a byte, the lowest first.
pub(super) fn write_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Writes a number so that small ones of either sign take few bytes.
pub(super) fn write_signed(bytes: &mut Vec<u8>, number: i64) {
    write_number(bytes, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

/// Reads what [`write_number`] wrote, and leaves what is behind it.
pub(super) fn read_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let [byte] = read_array(bytes)?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    Some(number)
}

/// Reads what [`write_signed`] wrote.
pub(super) fn read_signed(bytes: &mut &[u8]) -> Option<i64> {
    let number = read_number(bytes)?;
    Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
}

/// Reads so many bytes.
pub(super) fn read_array<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (array, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*array)
}

/// Reads so many bytes.
pub(super) fn read_bytes<'b>(bytes: &mut &'b [u8], length: usize) -> Option<&'b [u8]> {
    let (own, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_were_written() {
        let numbers = [0, 1, -1, 63, -64, 64, 1 << 40, i64::MAX, i64::MIN];
        let mut bytes = Vec::new();
        for number in numbers {
            write_signed(&mut bytes, number);
            write_number(&mut bytes, number.cast_unsigned());
        }
        let mut rest = bytes.as_slice();
        for number in numbers {
            assert_eq!(read_signed(&mut rest), Some(number));
            assert_eq!(read_number(&mut rest), Some(number.cast_unsigned()));
        }
        assert_eq!((rest, read_number(&mut rest)), (&[][..], None));
    }
}
