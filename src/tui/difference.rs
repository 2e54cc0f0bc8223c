//! Two messages line by line: what only one of them has, and what differs inside a line.

use crossterm::event::KeyCode;
use ratatui::layout::Rect;

use crate::bytes::printable;
use crate::report::style::Role;
use crate::tui::canvas::{Canvas, Line, Look, PLAIN, piece};
use crate::tui::cursor::Scroll;
use crate::tui::message::heading;
use crate::tui::pager::{self, Pager};
use crate::tui::store::Store;

/// Lines of a message that are compared.
const LINES_MAX: usize = 1000;

/// From so many columns on, the two stand side by side.
const BESIDE_MIN: u16 = 120;

/// A line of the comparison, as places among the lines of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pair {
    Same(usize, usize),
    Changed(usize, usize),
    Missing(usize),
    Added(usize),
}

/// The comparison of two messages.
#[derive(Debug)]
pub(crate) struct Difference {
    titles: [String; 2],
    one_below_other: Pager,
    /// Each line beside its partner.
    sides: Vec<(Line, Line)>,
    scroll: Scroll,
}

impl Difference {
    pub(crate) fn of(store: &Store, messages: [(usize, usize); 2]) -> Self {
        let known = messages
            .map(|(call, step)| store.calls.get(call).and_then(|own| own.transcript.get(step)));
        let titles = known.map(|step| step.map(|step| heading(store, step)).unwrap_or_default());
        let [left, right] =
            known.map(|step| step.map(|step| lines(&step.bytes)).unwrap_or_default());
        let pairs = pairs(&left, &right);
        let (mut below, mut sides) = (Vec::new(), Vec::new());
        let text = |lines: &[String], at: usize| lines.get(at).cloned().unwrap_or_default();
        for pair in pairs {
            match pair {
                Pair::Same(at, to) => {
                    below.push(plain(" ", &text(&left, at), PLAIN));
                    let own = |text: String| plain(" ", &text, PLAIN);
                    sides.push((own(text(&left, at)), own(text(&right, to))));
                }
                Pair::Changed(at, to) => {
                    let (gone, come) = changed(&text(&left, at), &text(&right, to));
                    below.extend([gone.clone(), come.clone()]);
                    sides.push((gone, come));
                }
                Pair::Missing(at) => {
                    let gone = plain("-", &text(&left, at), Look::Role(Role::Missing));
                    below.push(gone.clone());
                    sides.push((gone, Line::new()));
                }
                Pair::Added(at) => {
                    let come = plain("+", &text(&right, at), Look::Role(Role::Added));
                    below.push(come.clone());
                    sides.push((Line::new(), come));
                }
            }
        }
        let one_below_other = Pager::new(below);
        Self { titles, one_below_other, sides, scroll: Scroll::default() }
    }

    /// Takes a key; false if it is not for the comparison.
    pub(crate) fn key(&self, code: KeyCode) -> bool {
        let is_own = self.one_below_other.scroll.go(code);
        self.scroll.go(code);
        is_own
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let [one, other] = &self.titles;
        if area.width >= BESIDE_MIN {
            let half = area.width / 2;
            let below = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
            canvas.line(area, 0, &[piece(Look::Role(Role::Missing), format!("- {one}"))]);
            canvas.pieces(area, 0, half, &[piece(Look::Role(Role::Added), format!("+ {other}"))]);
            canvas.divide(below, half.saturating_sub(1));
            self.draw_sides(canvas, below, half);
            return;
        }
        canvas.line(area, 0, &[piece(Look::Role(Role::Missing), format!("- {one}"))]);
        canvas.line(area, 1, &[piece(Look::Role(Role::Added), format!("+ {other}"))]);
        let below = Rect { y: area.y + 2, height: area.height.saturating_sub(2), ..area };
        self.one_below_other.draw(canvas, below);
    }
}

impl Difference {
    /// Both sides of a pair begin in the same row.
    fn draw_sides(&self, canvas: &mut Canvas<'_>, area: Rect, half: u16) {
        let left = Rect { width: half.saturating_sub(2), ..area };
        let right = Rect { x: area.x + half, width: area.width - half, ..area };
        let mut rows: Vec<(Line, Line)> = Vec::new();
        for (one, other) in &self.sides {
            let [one, other] = [(one, left), (other, right)]
                .map(|(line, area)| pager::wrapped(line, usize::from(area.width)));
            let count = one.len().max(other.len());
            let (mut one, mut other) = (one.into_iter(), other.into_iter());
            rows.extend(
                (0..count)
                    .map(|_| (one.next().unwrap_or_default(), other.next().unwrap_or_default())),
            );
        }
        let shown = self.scroll.shown(rows.len(), usize::from(area.height));
        for ((one, other), row) in rows.get(shown).unwrap_or_default().iter().zip(0..) {
            canvas.line(left, row, one);
            canvas.line(right, row, other);
        }
    }
}

fn lines(bytes: &[u8]) -> Vec<String> {
    let lines = bytes.split(|byte| *byte == b'\n').take(LINES_MAX);
    let mut lines: Vec<String> =
        lines.map(|own| printable(own.strip_suffix(b"\r").unwrap_or(own)).into_owned()).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

fn plain(sign: &str, text: &str, look: Look) -> Line {
    vec![piece(look, format!("{sign} {text}"))]
}

/// Two lines with what differs between their common beginning and end marked.
fn changed(one: &str, other: &str) -> (Line, Line) {
    let begin = one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let (left, right): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let most = left.len().min(right.len()) - begin;
    let tails = left.iter().rev().zip(right.iter().rev());
    let end = tails.take(most).take_while(|(a, b)| a == b).count();
    let line = |sign: &str, letters: &[char], look: Look| {
        let middle = letters.len() - begin - end;
        let text = |from: usize, count: usize| letters.iter().skip(from).take(count).collect();
        let (before, own, after): (String, String, String) =
            (text(0, begin), text(begin, middle), text(begin + middle, end));
        vec![piece(look, format!("{sign} {before}")), piece(Look::Hit, own), piece(look, after)]
    };
    (line("-", &left, Look::Role(Role::Missing)), line("+", &right, Look::Role(Role::Added)))
}

/// Lays the lines side by side so that as many as possible are the same; between those, lines of
/// the same header field are a pair.
fn pairs(left: &[String], right: &[String]) -> Vec<Pair> {
    let (rows, columns) = (left.len() + 1, right.len() + 1);
    let mut longest = vec![0u16; rows * columns];
    let at = |row: usize, column: usize| row * columns + column;
    let value = |table: &[u16], row, column| table.get(at(row, column)).copied().unwrap_or(0);
    for (row, one) in left.iter().enumerate().rev() {
        for (column, other) in right.iter().enumerate().rev() {
            let best = match one == other {
                true => value(&longest, row + 1, column + 1) + 1,
                false => value(&longest, row + 1, column).max(value(&longest, row, column + 1)),
            };
            if let Some(cell) = longest.get_mut(at(row, column)) {
                *cell = best;
            }
        }
    }
    let (mut row, mut column) = (0, 0);
    let mut all = Vec::new();
    let (mut gone, mut come) = (Vec::new(), Vec::new());
    while let (Some(one), Some(other)) = (left.get(row), right.get(column)) {
        if one == other {
            settle(&mut gone, &mut come, (left, right), &mut all);
            all.push(Pair::Same(row, column));
            row += 1;
            column += 1;
        } else if value(&longest, row + 1, column) >= value(&longest, row, column + 1) {
            gone.push(row);
            row += 1;
        } else {
            come.push(column);
            column += 1;
        }
    }
    gone.extend(row..left.len());
    come.extend(column..right.len());
    settle(&mut gone, &mut come, (left, right), &mut all);
    all
}

/// Pairs lines that went with lines that came by what they begin with.
fn settle(
    gone: &mut Vec<usize>,
    come: &mut Vec<usize>,
    (left, right): (&[String], &[String]),
    all: &mut Vec<Pair>,
) {
    let mut come: Vec<usize> = std::mem::take(come);
    for one in gone.drain(..) {
        let name = left.get(one).map(|line| name(line)).unwrap_or_default();
        let is_it = |other: &usize| right.get(*other).is_some_and(|l| self::name(l) == name);
        match come.iter().position(is_it) {
            Some(at) => {
                // What came before its partner stands before it.
                let before: Vec<usize> = come.drain(..=at).collect();
                let (partner, added) = before.split_last().map_or((one, &[][..]), |(p, a)| (*p, a));
                all.extend(added.iter().map(|own| Pair::Added(*own)));
                all.push(Pair::Changed(one, partner));
            }
            None => all.push(Pair::Missing(one)),
        }
    }
    all.extend(come.into_iter().map(Pair::Added));
}

/// The name of a header field, the type of an SDP line with the beginning of an attribute; requests
/// and responses are one name.
fn name(line: &str) -> String {
    let end = line.find([':', '=', ' ']).unwrap_or(line.len());
    let word = line.get(..end).unwrap_or_default();
    match word {
        "a" => line.split([':', ' ']).next().unwrap_or_default().to_owned(),
        word if line.get(end..=end) == Some(" ") => {
            let is_response = word.starts_with("SIP/");
            if is_response { "status line".to_owned() } else { "request line".to_owned() }
        }
        word => word.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(one: &str, other: &str) -> Vec<Pair> {
        pairs(&lines(one.as_bytes()), &lines(other.as_bytes()))
    }

    #[test]
    fn lines_of_one_header_field_are_a_pair() {
        let one = "INVITE sip:b SIP/2.0\r\nVia: a\r\nMax-Forwards: 70\r\nTo: b\r\n";
        let other = "INVITE sip:b SIP/2.0\r\nVia: p\r\nVia: a\r\nMax-Forwards: 69\r\nTo: b\r\n";
        assert_eq!(
            texts(one, other),
            [
                Pair::Same(0, 0),
                Pair::Added(1),
                Pair::Same(1, 2),
                Pair::Changed(2, 3),
                Pair::Same(3, 4)
            ]
        );
        assert_eq!(texts("a\nb", ""), [Pair::Missing(0), Pair::Missing(1)]);
    }

    #[test]
    fn what_differs_inside_a_line_is_marked() {
        let (gone, come) = changed("Max-Forwards: 70", "Max-Forwards: 69");
        assert_eq!(gone.get(1).map(|piece| piece.text.as_str()), Some("70"));
        assert_eq!(come.get(1).map(|piece| piece.text.as_str()), Some("69"));
        let (gone, _) = changed("aa", "aaa");
        assert_eq!(gone.get(1).map(|piece| piece.text.as_str()), Some(""));
    }
}
