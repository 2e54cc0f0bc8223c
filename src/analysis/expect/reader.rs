//! The values of a TOML file with their places, and what is wrong with them in words.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::WrongAt;
use super::steps::Wrong;
use crate::bytes::printable_str;
use crate::catalogue::nearest;

/// Where the lines of a text begin.
#[derive(Debug)]
pub(super) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    /// The lines of the text.
    pub(super) fn of(text: &'t str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(ends).collect() }
    }

    /// The line of a byte, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at).max(1)
    }

    /// What is wrong, with line and column.
    pub(super) fn wrong(&self, (at, problem): Wrong) -> WrongAt {
        let line = self.line(at);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let end =
            (start..=at.min(self.text.len())).rev().find(|at| self.text.is_char_boundary(*at));
        let before = self.text.get(start..end.unwrap_or(start)).unwrap_or_default();
        let problem = printable_str(&problem).into_owned();
        WrongAt { line, column: before.chars().count() + 1, problem }
    }
}

/// A value and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'v, 't> {
    value: &'v Spanned<DeValue<'t>>,
    lines: &'v Lines<'t>,
}

/// A table whose keys are known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'v, 't> {
    table: &'v DeTable<'t>,
    lines: &'v Lines<'t>,
}

/// A key with its place.
pub(super) struct Key<'v> {
    /// The key.
    pub(super) name: &'v str,
    /// Where it stands, in bytes.
    pub(super) at: usize,
}

/// A string with its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'v> {
    /// The string.
    pub(super) text: &'v str,
    /// Its line, from 1.
    pub(super) line: usize,
    /// Where it stands, in bytes.
    pub(super) at: usize,
    /// Where its first character stands.
    pub(super) inside: usize,
}

impl<'v, 't> Fields<'v, 't> {
    /// The table at the root of the file.
    pub(super) const fn root(table: &'v DeTable<'t>, lines: &'v Lines<'t>) -> Self {
        Self { table, lines }
    }

    /// The same if it has no other keys than these.
    pub(super) fn with_keys(self, known: &[&str]) -> Result<Self, Wrong> {
        let unknown = self.entries().into_iter().find(|(key, _)| !known.contains(&key.name));
        match unknown {
            Some((key, _)) => Err((key.at, unknown_name("key", key.name, known))),
            None => Ok(self),
        }
    }

    /// Keys and values in the order of the file.
    pub(super) fn entries(self) -> Vec<(Key<'v>, Value<'v, 't>)> {
        let mut entries: Vec<_> = self
            .table
            .iter()
            .map(|(key, value)| {
                let key = Key { name: key.get_ref(), at: key.span().start };
                (key, Value { value, lines: self.lines })
            })
            .collect();
        entries.sort_by_key(|(key, _)| key.at);
        entries
    }

    /// The value of a key.
    pub(super) fn get(self, name: &str) -> Option<Value<'v, 't>> {
        let found = self.table.iter().find(|(key, _)| key.get_ref() == name);
        found.map(|(_, value)| Value { value, lines: self.lines })
    }

    /// The value of a key, read in some way.
    pub(super) fn read<T>(
        self,
        name: &str,
        read: impl FnOnce(Value<'v, 't>) -> Result<T, Wrong>,
    ) -> Result<Option<T>, Wrong> {
        self.get(name).map(read).transpose()
    }
}

impl<'v, 't> Value<'v, 't> {
    /// Where it stands, in bytes.
    pub(super) fn at(self) -> usize {
        self.value.span().start
    }

    /// Its line, from 1.
    pub(super) fn line(self) -> usize {
        self.lines.line(self.at())
    }

    /// As the file has it, strings without their quotation marks.
    pub(super) fn shown(self) -> String {
        match self.value.get_ref() {
            DeValue::String(text) => text.clone().into_owned(),
            DeValue::Array(items) => {
                let shown = items.iter().map(|value| Value { value, lines: self.lines }.shown());
                shown.collect::<Vec<_>>().join(" | ")
            }
            DeValue::Table(_) => {
                let entries = self.table().map(Fields::entries).unwrap_or_default();
                let shown = entries.iter().map(|(key, value)| match value.boolean() {
                    Ok(true) => key.name.to_owned(),
                    _ => format!("{} {}", key.name, value.shown()),
                });
                shown.collect::<Vec<_>>().join(", ")
            }
            _ => self.lines.text.get(self.value.span()).unwrap_or_default().to_owned(),
        }
    }

    /// That something else was expected.
    pub(super) fn expected(self, what: &str) -> Wrong {
        (self.at(), format!("expected {what}"))
    }

    /// A string.
    pub(super) fn word(self) -> Result<Word<'v>, Wrong> {
        let text = self.value.get_ref().as_str().ok_or_else(|| self.expected("a string"))?;
        let source = self.lines.text.get(self.value.span()).unwrap_or_default();
        let quotes = if source.starts_with("\"\"\"") || source.starts_with("'''") { 3 } else { 1 };
        Ok(Word { text, line: self.line(), at: self.at(), inside: self.at() + quotes })
    }

    /// A string, or a list of strings.
    pub(super) fn words(self) -> Result<Vec<Word<'v>>, Wrong> {
        match self.value.get_ref() {
            DeValue::Array(items) => {
                items.iter().map(|value| Value { value, lines: self.lines }.word()).collect()
            }
            DeValue::String(_) => Ok(vec![self.word()?]),
            _ => Err(self.expected("a string or a list of strings")),
        }
    }

    /// The items of a list; a value that is none is one item.
    pub(super) fn items(self) -> Vec<Self> {
        match self.value.get_ref() {
            DeValue::Array(items) => {
                items.iter().map(|value| Value { value, lines: self.lines }).collect()
            }
            _ => vec![self],
        }
    }

    /// `true` or `false`.
    pub(super) fn boolean(self) -> Result<bool, Wrong> {
        self.value.get_ref().as_bool().ok_or_else(|| self.expected("true or false"))
    }

    /// Whether it is a table.
    pub(super) fn is_table(self) -> bool {
        self.value.get_ref().is_table()
    }

    /// Whether it is a string.
    pub(super) fn is_string(self) -> bool {
        self.value.get_ref().is_str()
    }

    /// A whole number that is not negative.
    pub(super) fn number(self) -> Option<u32> {
        let number = self.value.get_ref().as_integer()?;
        u32::from_str_radix(number.as_str(), number.radix()).ok()
    }

    /// A table.
    pub(super) fn table(self) -> Result<Fields<'v, 't>, Wrong> {
        let table = self.value.get_ref().as_table().ok_or_else(|| self.expected("a table"))?;
        Ok(Fields { table, lines: self.lines })
    }
}

/// That there is no such thing, and what may have been meant.
pub(super) fn unknown_name(what: &str, name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(other) => format!("there is no {what} `{name}`; did you mean `{other}`?"),
        None if known.is_empty() => format!("there is no {what} `{name}`"),
        None => {
            let known: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
            format!("there is no {what} `{name}`, but {}", known.join(", "))
        }
    }
}
