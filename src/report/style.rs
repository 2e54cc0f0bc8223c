//! Colours and weights of a text report, or none of them.
//!
//! Whether to use them is decided by `cli`; here is only what they look like.

use anstyle::{AnsiColor, Effects};

use crate::finding::Severity;

/// A switch: with colours or without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Escape sequences are written.
    pub color: bool,
}

/// What a piece of text is, as far as its looks go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Running text.
    Plain,
    /// The title of a page.
    Title,
    /// A heading, or the head of a column.
    Heading,
    /// A code or name that can be looked up.
    Name,
    /// What may be passed over.
    Faint,
    /// Something of that severity.
    Severity(Severity),
    /// What only the first of two has.
    Missing,
    /// What only the second of two has.
    Added,
    /// What two have, but not in the same way.
    Changed,
}

impl Style {
    /// The text in the looks of its role.
    pub fn paint(self, role: Role, text: &str) -> String {
        let style = match role {
            Role::Plain => return text.to_owned(),
            Role::Title | Role::Heading => anstyle::Style::new().effects(Effects::BOLD),
            Role::Name => AnsiColor::Cyan.on_default(),
            Role::Faint => anstyle::Style::new().effects(Effects::DIMMED),
            Role::Severity(Severity::Error) => AnsiColor::Red.on_default().effects(Effects::BOLD),
            Role::Severity(Severity::Warn) => AnsiColor::Yellow.on_default(),
            Role::Severity(Severity::Info) => AnsiColor::Blue.on_default(),
            Role::Missing => AnsiColor::Red.on_default(),
            Role::Added => AnsiColor::Green.on_default(),
            Role::Changed => AnsiColor::Yellow.on_default(),
        };
        if self.color && !text.is_empty() {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_there_only_when_asked_for() {
        let plain = Style { color: false };
        assert_eq!(plain.paint(Role::Severity(Severity::Error), "error"), "error");
        let colored = Style { color: true };
        assert_eq!(colored.paint(Role::Name, "TXN106"), "\u{1b}[36mTXN106\u{1b}[0m");
        assert_eq!(colored.paint(Role::Plain, "text"), "text");
        assert_eq!(colored.paint(Role::Name, ""), "");
    }
}
