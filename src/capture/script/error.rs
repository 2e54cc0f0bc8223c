//! What is wrong with a script, said so that the author can repair it at once.

use std::fmt;

use crate::bytes::printable_str;

/// Characters of the script that an error quotes.
const QUOTED_CHARS_MAX: usize = 60;

/// Names that an error lists.
const LISTED_MAX: usize = 40;

/// A line that could not be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The line, 1 for the first.
    pub line: usize,
    /// The character in that line, 1 for the first.
    pub column: usize,
    /// What stands there.
    pub found: String,
    /// What could have stood there.
    pub expected: String,
    /// What probably helps.
    pub hint: Option<String>,
}

impl Error {
    /// The same error with advice.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error with the name among `names` that was probably meant, if one is near.
    pub(super) fn meant<'a>(self, text: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        match nearest(text, names) {
            Some(name) => self.hint(format!("did you mean {}?", quoted(name))),
            None => self,
        }
    }
}

/// `line 7: no host named "prxy"; hosts are alice, proxy, bob`. The hint is not part of it.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.found)?;
        if !self.expected.is_empty() {
            write!(f, "; {}", self.expected)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// The text in quotes, safe to show and not too long.
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(QUOTED_CHARS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("\"{}\"", printable_str(&shown))
}

/// The names, one after the other; not all of them if there are many.
pub(super) fn list<T: AsRef<str>>(names: &[T]) -> String {
    let shown: Vec<&str> = names.iter().take(LISTED_MAX).map(AsRef::as_ref).collect();
    let rest = if names.len() > LISTED_MAX { ", …" } else { "" };
    format!("{}{rest}", shown.join(", "))
}

/// The name that differs least from `text`, if it differs in two letters at most and not in all.
pub(super) fn nearest<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if text.chars().count() > QUOTED_CHARS_MAX {
        return None;
    }
    let near = names.into_iter().map(|name| (distance(text, name), name));
    let (distance, name) = near.min_by_key(|&(distance, _)| distance)?;
    (distance <= 2 && distance < text.chars().count().min(name.chars().count())).then_some(name)
}

/// Letters to insert, drop or change to make one word of the other; two that changed places count
/// as one.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let changed = above.get(j).copied().unwrap_or(0) + usize::from(a != b);
            let dropped = above.get(j + 1).copied().unwrap_or(0) + 1;
            let inserted = row.last().copied().unwrap_or(0) + 1;
            let mut least = changed.min(dropped).min(inserted);
            let is_swap = i > 0 && j > 0 && from.get(i - 1) == Some(b) && to.get(j - 1) == Some(a);
            if is_swap {
                least = least.min(before.get(j - 1).copied().unwrap_or(0) + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_name_that_was_meant() {
        let cases = [
            ("prxy", Some("proxy")),
            ("porxy", Some("proxy")),
            ("alise", Some("alice")),
            ("xx", None),
            ("carol", None),
        ];
        for (text, expected) in cases {
            assert_eq!(nearest(text, ["alice", "proxy", "bob"]), expected, "{text}");
        }
    }
}
