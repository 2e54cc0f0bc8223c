//! What a header field, an attribute or another text of a message must be like.

use super::glob::Glob;
use super::reader::{Fields, Value};
use super::steps::Wrong;
use super::verdict::{About, Problem, Seen};
use crate::bytes::{printable, printable_str};
use crate::sip::{HeaderName, Message, lws};

/// Values shown of a field that is not as expected.
const SHOWN_MAX: usize = 8;

/// A field and what it must be like.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FieldTest {
    /// The name of the field, as the file has it.
    pub(super) name: String,
    /// The line of the file.
    pub(super) line: usize,
    expected: String,
    /// Whether it must be there; none where both is right.
    presence: Option<bool>,
    equals: Option<String>,
    matches: Vec<Glob>,
    without: Vec<Glob>,
}

impl FieldTest {
    /// Every field of a table: `User-Agent = "Example*"`, `Require = false`,
    /// `Allow = { present = true, not = "*UPDATE*" }`.
    pub(super) fn all(fields: Fields<'_, '_>) -> Result<Vec<Self>, Wrong> {
        let entries = fields.entries().into_iter();
        entries.map(|(key, value)| Self::parse(key.name, value)).collect()
    }

    /// One field.
    pub(super) fn parse(name: &str, value: Value<'_, '_>) -> Result<Self, Wrong> {
        let mut test = Self {
            name: name.to_owned(),
            line: value.line(),
            expected: printable_str(&value.shown()).into_owned(),
            presence: Some(true),
            equals: None,
            matches: Vec::new(),
            without: Vec::new(),
        };
        let globs = |value: Value<'_, '_>| -> Result<Vec<Glob>, Wrong> {
            Ok(value.words()?.iter().map(|word| Glob::new(word.text)).collect())
        };
        if let Ok(is_present) = value.boolean() {
            test.presence = Some(is_present);
            test.expected = match is_present {
                true => "present".to_owned(),
                false => "absent".to_owned(),
            };
        } else if value.is_table() {
            let keys = ["present", "equals", "matches", "not"];
            let fields = value.table()?.with_keys(&keys)?;
            let own = |value: Value<'_, '_>| Ok(value.word()?.text.to_owned());
            test.equals = fields.read("equals", own)?;
            test.matches = fields.read("matches", globs)?.unwrap_or_default();
            test.without = fields.read("not", globs)?.unwrap_or_default();
            let is_present = fields.read("present", Value::boolean)?;
            let asks_for_value = test.equals.is_some() || !test.matches.is_empty();
            test.presence = is_present.or(asks_for_value.then_some(true));
            if is_present == Some(false) && (asks_for_value || !test.without.is_empty()) {
                return Err((value.at(), "what is absent has no value".to_owned()));
            }
            if is_present.is_none() && !asks_for_value && test.without.is_empty() {
                let problem = "expected `present`, `equals`, `matches` or `not`";
                return Err((value.at(), problem.to_owned()));
            }
        } else {
            let kinds = "a pattern, a list of patterns, true, false or a table";
            test.matches = globs(value).map_err(|_| value.expected(kinds))?;
        }
        Ok(test)
    }

    /// Whether it asks that something is not there.
    pub(super) fn asks_for_absence(&self) -> bool {
        self.presence == Some(false) || !self.without.is_empty()
    }

    /// Whether these values are as expected.
    pub(super) fn holds(&self, values: &[String]) -> bool {
        let is_forbidden = |value: &String| self.without.iter().any(|glob| glob.fits(value));
        if values.iter().any(is_forbidden) {
            return false;
        }
        let is_equal = |value: &String| self.equals.as_ref().is_none_or(|own| own == value);
        let is_like = |value: &String| {
            self.matches.is_empty() || self.matches.iter().any(|glob| glob.fits(value))
        };
        match self.presence {
            Some(true) => values.iter().any(|value| is_equal(value) && is_like(value)),
            Some(false) => values.is_empty(),
            None => true,
        }
    }

    /// That these values are not as expected.
    pub(super) fn problem(&self, about: About, values: &[String]) -> Problem {
        let shown: Vec<_> =
            values.iter().take(SHOWN_MAX).map(|value| printable_str(value).into_owned()).collect();
        let seen = match shown.is_empty() {
            true => Seen::Nothing,
            false => Seen::Text(shown.join(" | ")),
        };
        let expected = self.expected.clone();
        Problem { line: self.line, about, expected, seen, frames: vec![], doubts: vec![] }
    }

    /// What is wrong with the header field of the message.
    pub(super) fn check_header(&self, message: &Message<'_>) -> Option<Problem> {
        let known = HeaderName::of(self.name.as_bytes());
        let (lines, items): (Vec<&[u8]>, Vec<&[u8]>) = match known {
            HeaderName::Other => (message.named(&self.name).collect(), Vec::new()),
            known => (message.lines(known).collect(), message.values(known).collect()),
        };
        let text = |value: &&[u8]| lws::text(value).into_owned();
        let whole: Vec<String> = lines.iter().map(text).collect();
        let mut values = whole.clone();
        values.extend(items.iter().map(text).filter(|item| !whole.contains(item)));
        let name = printable(self.name.as_bytes()).into_owned();
        (!self.holds(&values)).then(|| self.problem(About::Header(name), &whole))
    }
}
