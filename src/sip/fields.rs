//! Where the header fields of a message stand in its bytes.

use super::header_name::HeaderName;
use super::lexer::Header;

/// Fields of a message that takes no allocation.
const FEW: usize = 24;

/// A set of names, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Names([u64; 4]);

impl Names {
    pub(crate) const NONE: Self = Self([0; 4]);

    /// These and one more.
    pub(crate) const fn with(mut self, name: HeaderName) -> Self {
        let (word, bit) = place_of(name);
        self.0[word] |= bit;
        self
    }

    #[inline]
    pub(crate) const fn has(&self, name: HeaderName) -> bool {
        let (word, bit) = place_of(name);
        self.0[word] & bit != 0
    }

    /// One name is in both.
    #[inline]
    pub(crate) fn has_any(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).any(|(own, other)| own & other != 0)
    }
}

/// The header fields of one message, in their order.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    /// The names that there are.
    names: Names,
    /// Those that there are more than once.
    again: Names,
    few: [Field; FEW],
    count: usize,
    /// All of them, if there are more than few.
    many: Vec<Field>,
}

/// One field, by places in the bytes of the message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name: HeaderName,
    /// Bytes of the name, as far as they can be counted; no name that is looked for has so many.
    spelled_length: u16,
    spelled: u32,
    value: u32,
    value_length: u32,
}

impl Field {
    const NONE: Self =
        Self { name: HeaderName::Other, spelled_length: 0, spelled: 0, value: 0, value_length: 0 };

    /// The places of `header`, whose parts are slices of `bytes`, which are fewer than 2^32.
    #[inline]
    pub(super) fn of(header: &Header<'_>, bytes: &[u8]) -> Self {
        let place = |part: &[u8]| part.as_ptr().addr().wrapping_sub(bytes.as_ptr().addr());
        Self {
            name: header.name,
            spelled_length: header.spelled.len().min(usize::from(u16::MAX)) as u16,
            spelled: place(header.spelled) as u32,
            value: place(header.value) as u32,
            value_length: header.value.len() as u32,
        }
    }

    /// The value in the bytes of the message.
    #[inline]
    pub(super) fn value<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        part(bytes, self.value, self.value_length as usize)
    }

    /// The field in the bytes of the message.
    #[inline]
    pub(super) fn header<'a>(&self, bytes: &'a [u8]) -> Header<'a> {
        let spelled = part(bytes, self.spelled, usize::from(self.spelled_length));
        Header { name: self.name, spelled, value: self.value(bytes) }
    }
}

#[inline]
fn part(bytes: &[u8], from: u32, length: usize) -> &[u8] {
    bytes.get(from as usize..).and_then(|rest| rest.get(..length)).unwrap_or_default()
}

impl Fields {
    pub(super) const fn new() -> Self {
        Self {
            names: Names::NONE,
            again: Names::NONE,
            few: [Field::NONE; FEW],
            count: 0,
            many: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn push(&mut self, field: Field) {
        let (word, bit) = place_of(field.name);
        self.again.0[word] |= self.names.0[word] & bit;
        self.names.0[word] |= bit;
        match self.few.get_mut(self.count) {
            Some(place) => *place = field,
            None => self.push_to_many(field),
        }
        self.count = self.count.saturating_add(1);
    }

    #[cold]
    fn push_to_many(&mut self, field: Field) {
        if self.many.is_empty() {
            self.many.extend(self.few);
        }
        self.many.push(field);
    }

    /// How many there are.
    #[inline]
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// Whether there is a field with this name.
    #[inline]
    pub(super) const fn has(&self, name: HeaderName) -> bool {
        self.names.has(name)
    }

    /// Those that there are more than once.
    #[inline]
    pub(super) const fn again(&self) -> &Names {
        &self.again
    }

    /// All fields in their order.
    #[inline]
    pub(super) fn all(&self) -> &[Field] {
        if self.many.is_empty() {
            self.few.get(..self.count).unwrap_or_default()
        } else {
            &self.many
        }
    }

    /// The first field with this name.
    #[inline]
    pub(super) fn first(&self, name: HeaderName) -> Option<&Field> {
        if self.has(name) { self.all().iter().find(|field| field.name == name) } else { None }
    }

    /// The fields from the first one with this name on; none if there is none.
    #[inline]
    pub(super) fn named(&self, name: HeaderName) -> impl Iterator<Item = &Field> {
        let candidates = if self.has(name) { self.all() } else { &[] };
        candidates.iter().filter(move |field| field.name == name)
    }
}

#[inline]
const fn place_of(name: HeaderName) -> (usize, u64) {
    let number = name as usize;
    (number / 64 % 4, 1 << (number % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_fields_are_kept_as_few_are() {
        let bytes = b"To: a\r\nFrom: b\r\n";
        let [to, from] = [(HeaderName::To, 0, 2, 4), (HeaderName::From, 7, 4, 13)].map(
            |(name, spelled, length, value)| Header {
                name,
                spelled: &bytes[spelled..spelled + length],
                value: &bytes[value..=value],
            },
        );
        let mut fields = Fields::new();
        for count in 1..3 * FEW {
            fields.push(Field::of(if count == 1 { &from } else { &to }, bytes));
            let all: Vec<_> = fields.all().iter().map(|field| field.header(bytes)).collect();
            assert_eq!(all.len(), count);
            assert!(all.iter().skip(1).all(|header| header.spelled == b"To"));
            assert_eq!(fields.named(HeaderName::To).count(), count - 1);
            assert_eq!(fields.first(HeaderName::From).map(|f| f.value(bytes)), Some(&b"b"[..]));
            assert!(!fields.has(HeaderName::Other) && fields.first(HeaderName::Via).is_none());
        }
    }
}
