//! Expressions that choose calls: `status = 5xx and from ~ "+49*" and pdd > 3s`.
//!
//! A text is read into tokens (`lexer`), these into a tree (`parser`) of tests on fields (`field`)
//! with what a value must be (`matcher`). A field may have several values, such as the peers of a
//! call; a test holds if it holds for one of them, and `!=` where `=` does not. Knows nothing of
//! where an expression comes from. `docs/filters.md` is for users.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::analysis::{CallSummary, Host};
use crate::bytes::printable_str;
use crate::finding::Finding;

mod field;
mod lexer;
mod matcher;
mod moment;
mod parser;
mod search;

#[cfg(test)]
mod tests;

use field::{Field, Subject};
use matcher::Matcher;
use search::Search;

/// An expression that a call fits or does not fit.
#[derive(Clone, Debug)]
pub struct Filter {
    text: String,
    root: Node,
}

/// A part of an expression.
#[derive(Clone, Debug)]
enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Test(Test),
    Search(Search),
}

/// One field and what it must be.
#[derive(Clone, Debug)]
struct Test {
    field: Field,
    /// One of these; any value at all where there is none.
    matchers: Vec<Matcher>,
}

/// An expression that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {problem}")]
pub struct FilterError {
    /// Where, in characters from 1.
    column: usize,
    /// What is wrong there, safe to show.
    problem: String,
    hint: Option<String>,
}

impl FilterError {
    fn new(column: usize, problem: impl AsRef<str>) -> Self {
        let problem = printable_str(problem.as_ref()).into_owned();
        Self { column, problem, hint: None }
    }

    fn with_hint(self, hint: impl AsRef<str>) -> Self {
        Self { hint: Some(printable_str(hint.as_ref()).into_owned()), ..self }
    }

    /// What the user may do, for the line after `hint:`.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let root = parser::parse(text)?;
        Ok(Self { text: printable_str(text.trim()).into_owned(), root })
    }
}

/// As it was written, safe to show.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Filter {
    /// Whether the call fits, with the findings on it and the names of hosts.
    pub fn matches(
        &self,
        call: &CallSummary,
        findings: &[&Finding],
        hosts: &BTreeMap<Host, String>,
    ) -> bool {
        self.root.holds(&Subject { call, findings, hosts })
    }

    /// It asks for headers or for frames: the messages of the calls have to be kept.
    pub fn needs_messages(&self) -> bool {
        self.root.asks(&Field::needs_messages)
    }

    /// It asks for RTP streams: without media it finds nothing.
    pub fn needs_media(&self) -> bool {
        self.root.asks(&Field::needs_media)
    }

    /// The names of the fields, as users write them.
    pub fn fields() -> impl Iterator<Item = &'static str> {
        field::names()
    }
}

impl Node {
    fn holds(&self, subject: &Subject<'_>) -> bool {
        match self {
            Self::All(nodes) => nodes.iter().all(|node| node.holds(subject)),
            Self::Any(nodes) => nodes.iter().any(|node| node.holds(subject)),
            Self::Not(node) => !node.holds(subject),
            Self::Test(test) => test.holds(subject),
            Self::Search(search) => search.finds(subject),
        }
    }

    /// One of its fields is such.
    fn asks(&self, is_such: &dyn Fn(&Field) -> bool) -> bool {
        match self {
            Self::All(nodes) | Self::Any(nodes) => nodes.iter().any(|node| node.asks(is_such)),
            Self::Not(node) => node.asks(is_such),
            Self::Test(test) => is_such(&test.field),
            Self::Search(_) => false,
        }
    }
}

impl Test {
    fn holds(&self, subject: &Subject<'_>) -> bool {
        self.field.any(subject, &mut |value| {
            self.matchers.is_empty() || self.matchers.iter().any(|own| own.fits(&value, subject))
        })
    }
}
