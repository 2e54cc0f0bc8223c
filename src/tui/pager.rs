//! Text that is longer and wider than the screen: wrapped, scrolled, searched.

use std::cell::RefCell;

use ratatui::layout::Rect;
use unicode_width::UnicodeWidthChar;

use crate::bytes::printable_str;
use crate::report::layout;
use crate::tui::canvas::{Canvas, Line, Look, PLAIN, Piece, piece};
use crate::tui::cursor::Scroll;

/// Spaces before the second line of a paragraph that is too long.
const HANG: usize = 2;

/// Columns that text has beside its indent, however narrow the screen is.
pub(crate) const WIDTH_MIN: usize = 8;

/// Lines of text.
#[derive(Debug, Default)]
pub(crate) struct Pager {
    paragraphs: Vec<Line>,
    pub(crate) scroll: Scroll,
    /// What is searched for, in small letters.
    search: String,
    /// The lines as they were wrapped last, and to which width.
    wrapped: RefCell<Option<Wrapped>>,
}

#[derive(Debug)]
struct Wrapped {
    width: usize,
    lines: Vec<Line>,
    /// The line with which each paragraph begins.
    starts: Vec<usize>,
}

impl Pager {
    pub(crate) fn new(paragraphs: Vec<Line>) -> Self {
        Self { paragraphs, ..Self::default() }
    }

    /// Searches from now on; nothing for an empty text.
    pub(crate) fn search(&mut self, text: &str) {
        self.search = text.to_lowercase();
        self.wrapped.replace(None);
    }

    pub(crate) fn is_searching(&self) -> bool {
        !self.search.is_empty()
    }

    /// Scrolls to the next paragraph that has what is searched for, or to the one before; false if
    /// none has it. A search that has just begun may stay where it is.
    pub(crate) fn find(&self, forward: bool, may_stay: bool) -> bool {
        let hits: Vec<usize> = (0..self.paragraphs.len()).filter(|at| self.is_hit(*at)).collect();
        let wrapped = self.wrapped.borrow();
        let start = |at: &usize| match &*wrapped {
            Some(wrapped) => wrapped.starts.get(*at).copied().unwrap_or_default(),
            None => *at,
        };
        let top = self.scroll.top();
        let is_beyond = |at: &&usize| start(at) > top || (may_stay && start(at) == top);
        let next = match forward {
            true => hits.iter().find(is_beyond).or_else(|| hits.first()),
            false => hits.iter().rev().find(|at| start(at) < top).or_else(|| hits.last()),
        };
        if let Some(at) = next {
            self.scroll.set(start(at));
        }
        next.is_some()
    }

    fn is_hit(&self, at: usize) -> bool {
        let Some(paragraph) = self.paragraphs.get(at) else { return false };
        let text: String = paragraph.iter().map(|piece| piece.text.as_str()).collect();
        !self.search.is_empty() && text.to_lowercase().contains(&self.search)
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let width = usize::from(area.width);
        let mut wrapped = self.wrapped.borrow_mut();
        if wrapped.as_ref().is_none_or(|known| known.width != width) {
            *wrapped = Some(self.wrap(width));
        }
        let Some(wrapped) = &*wrapped else { return };
        let shown = self.scroll.shown(wrapped.lines.len(), usize::from(area.height));
        for (line, row) in wrapped.lines.get(shown).unwrap_or_default().iter().zip(0..) {
            canvas.line(area, row, line);
        }
    }

    /// How much of the text is above the end of the screen, in percent.
    pub(crate) fn percent(&self, height: u16) -> usize {
        let lines = self.wrapped.borrow().as_ref().map_or(0, |wrapped| wrapped.lines.len());
        let end = self.scroll.top() + usize::from(height);
        (end * 100).checked_div(lines).unwrap_or(100).min(100)
    }

    fn wrap(&self, width: usize) -> Wrapped {
        let (mut lines, mut starts) = (Vec::new(), Vec::new());
        for paragraph in &self.paragraphs {
            starts.push(lines.len());
            wrap(&letters(paragraph, &self.search), width, &mut lines);
        }
        Wrapped { width, lines, starts }
    }
}

/// The characters of a paragraph with their looks, hits of the search marked.
fn letters(paragraph: &[Piece], search: &str) -> Vec<(char, Look)> {
    let mut letters: Vec<(char, Look)> = Vec::new();
    for piece in paragraph {
        letters.extend(printable_str(&piece.text).chars().map(|c| (c, piece.look)));
    }
    let wanted: Vec<char> = search.chars().collect();
    if wanted.is_empty() || wanted.len() > letters.len() {
        return letters;
    }
    let small: Vec<char> =
        letters.iter().map(|(c, _)| c.to_lowercase().next().unwrap_or(*c)).collect();
    for (at, window) in small.windows(wanted.len()).enumerate() {
        if window == wanted {
            for (_, look) in letters.iter_mut().skip(at).take(wanted.len()) {
                *look = Look::Hit;
            }
        }
    }
    letters
}

/// A paragraph in lines of that width.
pub(crate) fn wrapped(paragraph: &[Piece], width: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    wrap(&letters(paragraph, ""), width, &mut lines);
    lines
}

/// Breaks the characters into lines of that width.
fn wrap(letters: &[(char, Look)], width: usize, lines: &mut Vec<Line>) {
    let hang = if width > 4 * HANG { HANG } else { 0 };
    let (mut line, mut room) = (Line::new(), width);
    for (c, look) in letters {
        let needed = c.width().unwrap_or_default();
        if needed > room && !line.is_empty() {
            lines.push(std::mem::take(&mut line));
            room = width - hang;
            line.push(piece(PLAIN, " ".repeat(hang)));
        }
        room = room.saturating_sub(needed);
        match line.last_mut().filter(|last| last.look == *look) {
            Some(last) => last.text.push(*c),
            None => line.push(piece(*look, *c)),
        }
    }
    lines.push(line);
}

/// Running text in lines of that width, each after so many spaces.
pub(crate) fn prose(look: Look, text: &str, width: usize, indent: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    for line in text.split('\n').filter(|line| !line.is_empty()) {
        let (mark, rest) = match line.strip_prefix("- ") {
            Some(item) => ("- ", item),
            None => ("", line),
        };
        lines.extend(item(look, mark, rest, width, indent));
    }
    lines
}

/// A list item below its mark.
pub(crate) fn item(look: Look, mark: &str, text: &str, width: usize, indent: usize) -> Vec<Line> {
    let hang = indent + layout::width(mark);
    let width = width.max(hang + WIDTH_MIN);
    let mut lines = Vec::new();
    for (at, folded) in layout::fold(&printable_str(text), width, hang, 0).iter().enumerate() {
        let before = match at {
            0 => format!("{}{mark}", " ".repeat(indent)),
            _ => " ".repeat(hang),
        };
        let text = folded.trim_start_matches(' ');
        lines.push(vec![piece(PLAIN, before), piece(look, text)]);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lines: &[Line]) -> Vec<String> {
        lines.iter().map(|line| line.iter().map(|piece| piece.text.as_str()).collect()).collect()
    }

    #[test]
    fn long_lines_break_by_their_columns() {
        let pager = Pager::new(vec![vec![piece(PLAIN, "abcdefghijklmnop")]]);
        assert_eq!(texts(&pager.wrap(10).lines), ["abcdefghij", "  klmnop"]);
        let wide = Pager::new(vec![vec![piece(PLAIN, "警告警告警告")]]);
        assert_eq!(texts(&wide.wrap(5).lines), ["警告", "警告", "警告"]);
    }

    #[test]
    fn a_search_marks_and_finds_whatever_the_case() {
        let lines = ["INVITE sip:bob", "Via: a", "via: b"];
        let mut pager = Pager::new(lines.iter().map(|l| vec![piece(PLAIN, *l)]).collect());
        pager.search("VIA");
        assert!(pager.find(true, true));
        assert_eq!(pager.scroll.top(), 1);
        assert!(pager.find(true, false));
        assert_eq!(pager.scroll.top(), 2);
        assert!(pager.find(true, false));
        assert_eq!(pager.scroll.top(), 1);
        let hits = pager.wrap(40).lines.concat();
        assert_eq!(hits.iter().filter(|piece| piece.look == Look::Hit).count(), 2);
        pager.search("nothing");
        assert!(!pager.find(true, true));
    }
}
