//! A line that the user writes.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Characters of one line.
const CHARS_MAX: usize = 400;

/// The line so far; the place to write at is its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) text: String,
    /// What it was before the user began.
    before: String,
}

/// What a key does to the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// The line may be another one.
    Changed,
    /// The user is done.
    Done,
    /// The user wants the line from before.
    Cancelled,
    /// The key means nothing here.
    Nothing,
}

impl Input {
    /// Begins to write, with the line that is there.
    pub(crate) fn of(text: &str) -> Self {
        Self { text: text.to_owned(), before: text.to_owned() }
    }

    /// Takes a key.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Edit {
        let with_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => return Edit::Done,
            KeyCode::Esc => {
                self.text = std::mem::take(&mut self.before);
                return Edit::Cancelled;
            }
            KeyCode::Backspace => {
                self.text.pop();
            }
            KeyCode::Char('u') if with_control => self.text.clear(),
            KeyCode::Char('w') if with_control => {
                let kept = self.text.trim_end().rfind(' ').map_or(0, |at| at + 1);
                self.text.truncate(kept);
            }
            KeyCode::Char('h') if with_control => {
                self.text.pop();
            }
            KeyCode::Char(_) if with_control => return Edit::Nothing,
            KeyCode::Char(c) if self.text.chars().count() < CHARS_MAX => self.text.push(c),
            _ => return Edit::Nothing,
        }
        Edit::Changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_written_and_taken_back() {
        let mut input = Input::of("bob");
        for c in " x".chars() {
            assert_eq!(input.key(KeyCode::Char(c).into()), Edit::Changed);
        }
        input.key(KeyCode::Backspace.into());
        assert_eq!(input.text, "bob ");
        input.key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
        assert_eq!(input.text, "");
        assert_eq!(input.key(KeyCode::Esc.into()), Edit::Cancelled);
        assert_eq!(input.text, "bob");
    }
}
