//! DER (ITU-T X.690): tags, lengths and contents, as far as certificates need them.

/// One value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value<'a> {
    /// Its tag; those of more than one byte do not occur in certificates.
    pub(super) tag: u8,
    /// What it holds.
    pub(super) content: &'a [u8],
}

/// Tags of the values that are looked for.
pub(super) mod tag {
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const OBJECT: u8 = 0x06;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const SEQUENCE: u8 = 0x30;

    /// The explicit tag with this number.
    pub(crate) const fn explicit(number: u8) -> u8 {
        0xa0 | number
    }
}

/// The values that follow each other; ends where they do not go on as such.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Values<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        let (tag, rest) = self.0.split_first()?;
        let (length, rest) = length(rest)?;
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(Value { tag: *tag, content })
    }
}

impl<'a> Value<'a> {
    /// The values inside.
    pub(super) const fn values(self) -> Values<'a> {
        Values(self.content)
    }

    /// The first value inside with this tag.
    pub(super) fn inner(self, tag: u8) -> Option<Value<'a>> {
        self.values().find(|value| value.tag == tag)
    }
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    if *first < 0x80 {
        return Some((usize::from(*first), rest));
    }
    let count = usize::from(*first & 0x7f);
    let (digits, rest) = rest.split_at_checked(count)?;
    if count > 4 {
        return None;
    }
    let length = digits.iter().fold(0_u32, |length, digit| length << 8 | u32::from(*digit));
    Some((usize::try_from(length).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_and_long_lengths() {
        let mut bytes = vec![0x30, 0x81, 0x80];
        bytes.extend([7; 0x80]);
        bytes.extend([tag::INTEGER, 1, 5, 0x30, 9, 1]);
        let found: Vec<_> = Values(&bytes).map(|v| (v.tag, v.content.len())).collect();
        assert_eq!(found, [(0x30, 0x80), (2, 1)]);
    }

    proptest! {
        #[test]
        fn any_bytes_come_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let depth = |value: Value<'_>| value.values().count();
            prop_assert!(Values(&bytes).map(depth).sum::<usize>() <= bytes.len());
        }
    }
}
