//! A place in a list that is longer than the screen.

use std::cell::Cell;
use std::ops::Range;

use crossterm::event::KeyCode;

/// A chosen row, and which rows are shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cursor {
    at: usize,
    /// The first row that is shown.
    top: Cell<usize>,
    /// How many were shown the last time.
    height: Cell<usize>,
}

impl Cursor {
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn set(&mut self, at: usize) {
        self.at = at;
    }

    /// Stays among so many rows.
    pub(crate) fn clamp(&mut self, count: usize) {
        self.at = self.at.min(count.saturating_sub(1));
    }

    /// Goes where a key leads among so many rows; false if the key leads nowhere.
    pub(crate) fn go(&mut self, key: KeyCode, count: usize) -> bool {
        let page = self.height.get().saturating_sub(1).max(1);
        let at = match key {
            KeyCode::Up | KeyCode::Char('k') => self.at.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.at.saturating_add(1),
            KeyCode::PageUp => self.at.saturating_sub(page),
            KeyCode::PageDown => self.at.saturating_add(page),
            KeyCode::Home | KeyCode::Char('g') => 0,
            KeyCode::End | KeyCode::Char('G') => usize::MAX,
            _ => return false,
        };
        self.at = at;
        self.clamp(count);
        true
    }

    /// The rows of a list that are shown in so many lines, the chosen one among them.
    pub(crate) fn shown(&self, count: usize, height: usize) -> Range<usize> {
        self.shown_around(self.at..self.at.saturating_add(1), count, height)
    }

    /// The same where the chosen one takes several lines.
    pub(crate) fn shown_around(
        &self,
        chosen: Range<usize>,
        count: usize,
        height: usize,
    ) -> Range<usize> {
        let mut top = self.top.get();
        if chosen.end > top.saturating_add(height) {
            top = chosen.end.saturating_sub(height);
        }
        top = top.min(chosen.start).min(count.saturating_sub(height));
        self.top.set(top);
        self.height.set(height);
        top..count.min(top.saturating_add(height))
    }
}

/// How far a text is scrolled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scroll {
    top: Cell<usize>,
    height: Cell<usize>,
}

impl Scroll {
    pub(crate) fn reset(&self) {
        self.top.set(0);
    }

    pub(crate) fn set(&self, top: usize) {
        self.top.set(top);
    }

    pub(crate) fn top(&self) -> usize {
        self.top.get()
    }

    /// Goes where a key leads; false if it leads nowhere.
    pub(crate) fn go(&self, key: KeyCode) -> bool {
        let page = self.height.get().saturating_sub(1).max(1);
        let top = self.top.get();
        self.top.set(match key {
            KeyCode::Up | KeyCode::Char('k') => top.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => top.saturating_add(1),
            KeyCode::PageUp => top.saturating_sub(page),
            KeyCode::PageDown | KeyCode::Char(' ') => top.saturating_add(page),
            KeyCode::Home | KeyCode::Char('g') => 0,
            KeyCode::End | KeyCode::Char('G') => usize::MAX,
            _ => return false,
        });
        true
    }

    /// The lines that are shown, of so many.
    pub(crate) fn shown(&self, count: usize, height: usize) -> Range<usize> {
        let top = self.top.get().min(count.saturating_sub(height));
        self.top.set(top);
        self.height.set(height);
        top..count.min(top.saturating_add(height))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_row_is_always_shown() {
        let mut cursor = Cursor::default();
        assert_eq!(cursor.shown(100, 10), 0..10);
        cursor.go(KeyCode::PageDown, 100);
        cursor.go(KeyCode::Down, 100);
        assert_eq!((cursor.at(), cursor.shown(100, 10)), (10, 1..11));
        cursor.go(KeyCode::End, 100);
        assert_eq!((cursor.at(), cursor.shown(100, 10)), (99, 90..100));
        cursor.go(KeyCode::Home, 100);
        assert_eq!(cursor.shown(100, 10), 0..10);
        cursor.go(KeyCode::Down, 0);
        assert_eq!((cursor.at(), cursor.shown(0, 10)), (0, 0..0));
    }

    #[test]
    fn text_scrolls_no_further_than_its_end() {
        let scroll = Scroll::default();
        scroll.go(KeyCode::End);
        assert_eq!(scroll.shown(30, 10), 20..30);
        scroll.go(KeyCode::PageUp);
        assert_eq!(scroll.shown(30, 10), 11..21);
        assert_eq!(scroll.shown(3, 10), 0..3);
    }
}
