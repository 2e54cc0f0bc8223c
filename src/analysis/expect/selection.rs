//! Which calls of the capture an expectation is for.

use super::bound::{Bound, Unit};
use super::field::FieldTest;
use super::glob::Glob;
use super::reader::{Fields, Value, unknown_name};
use super::steps::Wrong;
use crate::analysis::CallSummary;
use crate::bytes::printable_str;
use crate::signaling::Kind;
use crate::sip::{Message, Uri};

/// Which calls an expectation is for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Selection {
    /// None for every kind.
    kind: Option<Kind>,
    from: Vec<UriGlob>,
    to: Vec<UriGlob>,
    call_id: Vec<Glob>,
    header: Vec<FieldTest>,
    /// Only that one of those that fit, from 1.
    nth: Option<usize>,
    /// How many fit: line, words and bound.
    pub(super) count: Option<(usize, String, Bound)>,
    /// What is asked for, for whoever looks for a call that is not there.
    pub(super) shown: String,
}

/// A user, `user@host` or a whole URI.
#[derive(Clone, Debug, PartialEq)]
enum UriGlob {
    User(Glob),
    Address(Glob),
    Whole(Glob),
}

/// The keys that select.
pub(super) const KEYS: [&str; 7] = ["kind", "from", "to", "call-id", "header", "nth", "count"];

const KINDS: [Kind; 7] = [
    Kind::Call,
    Kind::Registration,
    Kind::Subscription,
    Kind::Publication,
    Kind::Message,
    Kind::Options,
    Kind::Other,
];

impl Selection {
    /// The keys of a `[[call]]` that select.
    pub(super) fn parse(fields: Fields<'_, '_>) -> Result<Self, Wrong> {
        let globs = |value: Value<'_, '_>| -> Result<Vec<Glob>, Wrong> {
            Ok(value.words()?.iter().map(|word| Glob::new(word.text)).collect())
        };
        let uris = |value: Value<'_, '_>| -> Result<Vec<UriGlob>, Wrong> {
            Ok(value.words()?.iter().map(|word| UriGlob::new(word.text)).collect())
        };
        let header = fields.read("header", |value| FieldTest::all(value.table()?))?;
        Ok(Self {
            kind: fields.read("kind", kind)?.unwrap_or(Some(Kind::Call)),
            from: fields.read("from", uris)?.unwrap_or_default(),
            to: fields.read("to", uris)?.unwrap_or_default(),
            call_id: fields.read("call-id", globs)?.unwrap_or_default(),
            header: header.unwrap_or_default(),
            nth: fields.read("nth", nth)?,
            count: fields.read("count", count)?,
            shown: shown(fields),
        })
    }

    /// The calls that it is for, by their places.
    pub(super) fn of(&self, calls: &[CallSummary]) -> Vec<usize> {
        let fitting = calls.iter().enumerate().filter(|(_, call)| self.fits(call));
        let places = fitting.map(|(place, _)| place);
        match self.nth {
            Some(nth) => places.skip(nth - 1).take(1).collect(),
            None => places.collect(),
        }
    }

    fn fits(&self, call: &CallSummary) -> bool {
        let is_like = |globs: &[UriGlob], uri: Option<&str>| {
            globs.is_empty() || uri.is_some_and(|uri| globs.iter().any(|glob| glob.fits(uri)))
        };
        let has_id =
            self.call_id.is_empty() || self.call_id.iter().any(|glob| glob.fits(&call.call_id));
        let has_header = self.header.is_empty() || {
            let first = call.transcript.iter().map(super::Step::message).find(Message::is_request);
            first.is_some_and(|first| {
                self.header.iter().all(|test| test.check_header(&first).is_none())
            })
        };
        self.kind.is_none_or(|kind| kind == call.kind)
            && is_like(&self.from, call.from_uri.as_deref())
            && is_like(&self.to, call.to_uri.as_deref())
            && has_id
            && has_header
    }
}

impl UriGlob {
    fn new(text: &str) -> Self {
        let glob = Glob::new(text);
        match text {
            _ if text.contains(':') => Self::Whole(glob),
            _ if text.contains('@') => Self::Address(glob),
            _ => Self::User(glob),
        }
    }

    fn fits(&self, uri: &str) -> bool {
        let parsed = Uri::parse(uri.as_bytes());
        let user = parsed.user_text().unwrap_or_default();
        let host = parsed.host().map(|host| host.as_str().into_owned()).unwrap_or_default();
        match self {
            Self::Whole(glob) => glob.fits(uri),
            Self::Address(glob) => glob.fits(&format!("{user}@{host}")),
            Self::User(glob) => match user.is_empty() {
                true => glob.fits(&host),
                false => glob.fits(&user),
            },
        }
    }
}

fn kind(value: Value<'_, '_>) -> Result<Option<Kind>, Wrong> {
    let word = value.word()?;
    let own = KINDS.into_iter().find(|kind| kind.name() == word.text);
    match (own, word.text) {
        (Some(kind), _) => Ok(Some(kind)),
        (None, "any") => Ok(None),
        (None, other) => {
            let names: Vec<&str> = KINDS.iter().map(|kind| kind.name()).chain(["any"]).collect();
            Err((word.at, unknown_name("kind", other, &names)))
        }
    }
}

fn nth(value: Value<'_, '_>) -> Result<usize, Wrong> {
    let number = value.number().filter(|number| *number > 0);
    number.map(|number| number as usize).ok_or_else(|| value.expected("a number from 1"))
}

fn count(value: Value<'_, '_>) -> Result<(usize, String, Bound), Wrong> {
    let bound = match value.number() {
        Some(count) => Bound::exactly(count),
        None => {
            let word = value.word().map_err(|_| value.expected("a number or a bound"))?;
            Bound::parse(word.text, Unit::Count).map_err(|wrong| (word.at, wrong))?
        }
    };
    Ok((value.line(), printable_str(&value.shown()).into_owned(), bound))
}

/// `from alice, to bob`.
fn shown(fields: Fields<'_, '_>) -> String {
    let entries = fields.entries().into_iter();
    let selecting = entries.filter(|(key, _)| KEYS.contains(&key.name) && key.name != "count");
    let shown: Vec<_> =
        selecting.map(|(key, value)| format!("{} {}", key.name, value.shown())).collect();
    match shown.is_empty() {
        true => "kind call".to_owned(),
        false => printable_str(&shown.join(", ")).into_owned(),
    }
}
