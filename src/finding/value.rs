//! A piece of evidence that a reader can check against the frames.

use serde::{Serialize, Serializer};

use crate::bytes::printable;
use crate::limits::QUOTED_CHARS_MAX;
use crate::packet::Endpoint;
use crate::time::Span;

/// The value behind a name of the evidence.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A count or a code.
    Number(i64),
    /// A number with at most one decimal, such as a percentage.
    Decimal(f64),
    /// A length of time; its name ends in `_ms`.
    Span(Span),
    /// Text from the capture, made safe and cut to a bound.
    Text(String),
    /// A word of ours that each language has its own for: `next-server`, `timer-c`.
    Word(&'static str),
    /// An address and port.
    Endpoint(Endpoint),
    /// Yes or no.
    Flag(bool),
    /// Several.
    List(Vec<Value>),
}

impl Value {
    /// Text as captured, made safe to show and cut to a bound.
    pub fn quoted(bytes: &[u8]) -> Self {
        let text = printable(bytes);
        match text.char_indices().nth(QUOTED_CHARS_MAX) {
            Some((end, _)) => Self::Text(format!("{}…", text.get(..end).unwrap_or_default())),
            None => Self::Text(text.into_owned()),
        }
    }
}

/// Rounded to one decimal.
impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Decimal((number * 10.0).round() / 10.0)
    }
}

impl From<Span> for Value {
    fn from(span: Span) -> Self {
        Self::Span(span)
    }
}

impl From<Endpoint> for Value {
    fn from(endpoint: Endpoint) -> Self {
        Self::Endpoint(endpoint)
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_i64(*number),
            Self::Decimal(number) => serializer.serialize_f64(*number),
            Self::Span(span) => span.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Word(word) => serializer.serialize_str(word),
            Self::Endpoint(endpoint) => serializer.collect_str(endpoint),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::List(values) => values.serialize(serializer),
        }
    }
}
