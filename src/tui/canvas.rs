//! Text put on the cells of a terminal: cut by the columns it takes, looks by role.
//!
//! The border to the terminal: whatever text arrives here is made safe once more, so that no
//! captured byte can move the cursor. Knows nothing of what is drawn.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use crate::bytes::printable_str;
use crate::finding::Severity;
use crate::report::layout;
use crate::report::style::Role;

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    /// Colours; without them, weights tell what matters.
    pub color: bool,
    /// Characters outside of ASCII.
    pub unicode: bool,
}

/// What a piece of text looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// As in a report.
    Role(Role),
    /// A SIP request.
    Request,
    /// A provisional response.
    Provisional,
    /// A response of success.
    Success,
    /// A response of failure.
    Failure,
    /// RTP.
    Stream,
    /// The bar at the top or the bottom.
    Bar,
    /// A key in the bar, or the tab that is open.
    Key,
    /// What was found by a search, or differs inside a line.
    Hit,
    /// What the user has written cannot be used.
    Wrong,
}

/// Running text.
pub(crate) const PLAIN: Look = Look::Role(Role::Plain);
/// What may be passed over.
pub(crate) const FAINT: Look = Look::Role(Role::Faint);
/// A code or name.
pub(crate) const NAME: Look = Look::Role(Role::Name);
/// A heading.
pub(crate) const HEADING: Look = Look::Role(Role::Heading);

/// Text of one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) look: Look,
    pub(crate) text: String,
}

/// A line of pieces.
pub(crate) type Line = Vec<Piece>;

/// Text of that look.
pub(crate) fn piece(look: Look, text: impl Into<String>) -> Piece {
    Piece { look, text: text.into() }
}

/// Columns that the pieces take.
pub(crate) fn columns(pieces: &[Piece]) -> usize {
    pieces.iter().map(|piece| layout::width(&piece.text)).sum()
}

/// Two marks for errors, one for warnings, none for the rest: what colours tell, without colours.
pub(crate) fn mark(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "!!",
        Severity::Warn => "! ",
        Severity::Info => "i ",
    }
}

impl Theme {
    fn style(self, look: Look) -> Style {
        let plain = Style::new();
        let bold = plain.add_modifier(Modifier::BOLD);
        let fore = |color: Color, style: Style| match self.color {
            true => style.fg(color),
            false => style,
        };
        match look {
            Look::Role(role) => self.role(role),
            Look::Request => fore(Color::Cyan, plain),
            Look::Provisional => fore(Color::Blue, plain),
            Look::Success => fore(Color::Green, plain),
            Look::Failure => fore(Color::Red, bold),
            Look::Stream => fore(Color::Magenta, plain),
            Look::Bar => match self.color {
                true => plain.fg(Color::Black).bg(Color::Cyan),
                false => plain.add_modifier(Modifier::REVERSED),
            },
            Look::Key => match self.color {
                true => plain.fg(Color::Cyan).bg(Color::Black).add_modifier(Modifier::BOLD),
                false => bold,
            },
            Look::Hit => match self.color {
                true => plain.fg(Color::Black).bg(Color::Yellow),
                false => plain.add_modifier(Modifier::REVERSED),
            },
            Look::Wrong => fore(Color::Red, bold),
        }
    }

    fn role(self, role: Role) -> Style {
        let plain = Style::new();
        let bold = plain.add_modifier(Modifier::BOLD);
        let fore = |color: Color, style: Style| match self.color {
            true => style.fg(color),
            false => style,
        };
        match role {
            Role::Plain => plain,
            Role::Title | Role::Heading => bold,
            Role::Name => fore(Color::Cyan, plain),
            Role::Faint => plain.add_modifier(Modifier::DIM),
            Role::Severity(Severity::Error) => fore(Color::Red, bold),
            Role::Severity(Severity::Warn) => fore(Color::Yellow, plain),
            Role::Severity(Severity::Info) => fore(Color::Blue, plain),
            Role::Missing => fore(Color::Red, plain),
            Role::Added => fore(Color::Green, plain),
            Role::Changed => fore(Color::Yellow, plain),
        }
    }

    /// The text as the terminal can show it.
    fn shown(self, text: &str) -> String {
        let safe = printable_str(text);
        match self.unicode || safe.is_ascii() {
            true => safe.into_owned(),
            false => safe.chars().map(ascii).collect(),
        }
    }
}

/// What stands for a character where there is only ASCII.
fn ascii(c: char) -> char {
    match c {
        ' '..='~' => c,
        '│' | '┊' => '|',
        '─' | '–' | '—' => '-',
        '┼' | '├' | '┤' => '+',
        '►' | '▸' | '→' | '›' | '»' => '>',
        '◄' | '←' | '‹' | '«' => '<',
        '↔' => '=',
        '▲' | '↑' => '^',
        '▼' | '↓' => 'v',
        '·' | '…' | '▁' => '.',
        '▂' | '▃' => '-',
        '▄' | '▅' => '=',
        '▆' | '▇' | '█' | '■' | '●' => '#',
        '’' | '‘' => '\'',
        '“' | '”' => '"',
        '\u{a0}' | '\u{202f}' | '\u{2009}' => ' ',
        _ => '?',
    }
}

/// A part of the screen to draw on.
#[derive(Debug)]
pub(crate) struct Canvas<'b> {
    buffer: &'b mut Buffer,
    theme: Theme,
}

impl<'b> Canvas<'b> {
    pub(crate) fn new(buffer: &'b mut Buffer, theme: Theme) -> Self {
        Self { buffer, theme }
    }

    /// The pieces from the left end of that row of the area on, cut where it ends.
    pub(crate) fn line(&mut self, area: Rect, row: u16, pieces: &[Piece]) {
        self.pieces(area, row, 0, pieces);
    }

    /// The same where the row is chosen: marked over its whole width.
    pub(crate) fn chosen_line(&mut self, area: Rect, row: u16, pieces: &[Piece]) {
        self.pieces(area, row, 0, pieces);
        self.choose(area, row);
    }

    /// The pieces from that column of the row on.
    pub(crate) fn pieces(&mut self, area: Rect, row: u16, column: u16, pieces: &[Piece]) {
        let area = area.intersection(self.buffer.area);
        if row >= area.height || column >= area.width {
            return;
        }
        let mut x = area.x + column;
        for piece in pieces {
            let room = usize::from(area.right().saturating_sub(x));
            if room == 0 {
                return;
            }
            let text = layout::cut(&self.theme.shown(&piece.text), room);
            let text = if self.theme.unicode { text } else { text.replace('…', "~") };
            let style = self.theme.style(piece.look);
            x = self.buffer.set_stringn(x, area.y + row, text, room, style).0;
        }
    }

    /// A bar over the whole width, what matters most left and right.
    pub(crate) fn bar(&mut self, area: Rect, row: u16, left: &[Piece], right: &[Piece]) {
        let width = usize::from(area.width);
        let missing = width.saturating_sub(columns(left) + columns(right));
        let fill = piece(Look::Bar, " ".repeat(missing));
        let left: Vec<Piece> = left.iter().cloned().chain([fill]).collect();
        let own = Rect { width: area.width.saturating_sub(fitting(right, width)), ..area };
        self.line(own, row, &left);
        self.pieces(area, row, own.width, right);
    }

    /// Marks a row as chosen.
    pub(crate) fn choose(&mut self, area: Rect, row: u16) {
        if row < area.height {
            let own = Rect { y: area.y + row, height: 1, ..area };
            let chosen = Style::new().add_modifier(Modifier::REVERSED);
            self.buffer.set_style(own.intersection(self.buffer.area), chosen);
        }
    }

    /// A line from top to bottom.
    pub(crate) fn divide(&mut self, area: Rect, column: u16) {
        for row in 0..area.height {
            self.pieces(area, row, column, &[piece(FAINT, "│")]);
        }
    }

    /// A line from left to right with a title.
    pub(crate) fn rule(&mut self, area: Rect, row: u16, title: &str) {
        let title = if title.is_empty() { String::new() } else { format!("── {title} ") };
        let missing = usize::from(area.width).saturating_sub(layout::width(&title));
        self.line(area, row, &[piece(FAINT, format!("{title}{}", "─".repeat(missing)))]);
    }
}

/// Columns of the pieces, at most so many.
fn fitting(pieces: &[Piece], width: usize) -> u16 {
    u16::try_from(columns(pieces).min(width)).unwrap_or(u16::MAX)
}

/// A text graph: each value as high as it is among the highest.
pub(crate) fn spark(values: &[f64], highest: f64) -> String {
    const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let bar = |value: &f64| {
        let share = if highest > 0.0 { (value / highest).clamp(0.0, 1.0) } else { 0.0 };
        let step = (share * 8.0).ceil() as usize;
        BARS.get(step).copied().unwrap_or('█')
    };
    values.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(theme: Theme, pieces: &[Piece]) -> String {
        let area = Rect::new(0, 0, 12, 1);
        let mut buffer = Buffer::empty(area);
        Canvas::new(&mut buffer, theme).line(area, 0, pieces);
        let cells = (0..12).filter_map(|x| buffer.cell((x, 0)));
        cells.map(|cell| cell.symbol().to_owned()).collect()
    }

    #[test]
    fn nothing_captured_reaches_the_terminal_as_it_is() {
        let theme = Theme { color: true, unicode: true };
        let text = drawn(theme, &[piece(PLAIN, "a\u{1b}[2J")]);
        assert!(!text.contains('\u{1b}'), "{text:?}");
        assert!(text.starts_with('a'));
    }

    #[test]
    fn wide_characters_are_cut_by_their_columns() {
        let theme = Theme { color: false, unicode: true };
        assert_eq!(drawn(theme, &[piece(PLAIN, "警告警告警告警告")]).matches('警').count(), 3);
    }

    #[test]
    fn a_terminal_without_unicode_gets_ascii() {
        let theme = Theme { color: false, unicode: false };
        assert_eq!(drawn(theme, &[piece(PLAIN, "│──► é … abc")]), "|--> ? . abc");
        assert_eq!(drawn(theme, &[piece(PLAIN, "abcdefghijklmn")]), "abcdefghijk~");
    }

    #[test]
    fn a_graph_is_as_high_as_its_values() {
        assert_eq!(spark(&[0.0, 1.0, 4.0, 8.0], 8.0), " ▁▄█");
        assert_eq!(spark(&[1.0], 0.0), " ");
    }
}
