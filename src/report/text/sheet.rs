//! The paper a text report is written on: lines that fit the width, colours by role.
//!
//! The border to the terminal: whatever text arrives here is made safe once more, so that no
//! captured byte can move the cursor. Knows nothing of what is written.

use std::io::{self, Write};

use crate::bytes::printable_str;
use crate::report::document::{Cell, Page};
use crate::report::layout::{self, WIDTH_MAX};
use crate::report::style::{Role, Style};

/// The narrowest report; a narrower terminal wraps for itself.
const COLUMNS_MIN: usize = 40;

/// The widest report: a ladder gains nothing from more.
const COLUMNS_MAX: usize = 200;

/// Where lines go.
pub(super) struct Sheet<'o> {
    out: &'o mut dyn Write,
    style: Style,
    /// Columns of tables and ladders.
    pub(super) columns: usize,
}

impl<'o> Sheet<'o> {
    /// An empty sheet.
    pub(super) fn new(page: Page, out: &'o mut dyn Write) -> Self {
        let columns = page.columns.clamp(COLUMNS_MIN, COLUMNS_MAX);
        Self { out, style: page.style, columns }
    }

    /// Columns of running text.
    fn prose_columns(&self) -> usize {
        self.columns.min(WIDTH_MAX)
    }

    /// An empty line.
    pub(super) fn blank(&mut self) -> io::Result<()> {
        writeln!(self.out)
    }

    /// One line of pieces, cut where the sheet ends.
    pub(super) fn line(&mut self, pieces: &[Cell]) -> io::Result<()> {
        let mut room = self.columns;
        let mut fitting: Vec<(Role, String)> = Vec::new();
        for piece in pieces {
            let text = layout::cut(&printable_str(&piece.text), room);
            room = room.saturating_sub(layout::width(&text));
            fitting.push((piece.role, text));
        }
        let is_blank = |text: &str| text.chars().all(|c| c == ' ');
        while fitting.pop_if(|(_, text)| is_blank(text)).is_some() {}
        if let Some((_, last)) = fitting.last_mut() {
            last.truncate(last.trim_end_matches(' ').len());
        }
        for (role, text) in fitting {
            write!(self.out, "{}", self.style.paint(role, &text))?;
        }
        writeln!(self.out)
    }

    /// One line of pieces, however long: a path is of use only as a whole.
    pub(super) fn long_line(&mut self, pieces: &[Cell]) -> io::Result<()> {
        for piece in pieces {
            write!(self.out, "{}", self.style.paint(piece.role, &printable_str(&piece.text)))?;
        }
        writeln!(self.out)
    }

    /// A line that parts the sections of the report.
    pub(super) fn section(&mut self, title: &str) -> io::Result<()> {
        self.blank()?;
        let title = format!("== {} ", layout::cut(&printable_str(title), self.columns - 4));
        let missing = self.columns.min(WIDTH_MAX).saturating_sub(layout::width(&title));
        let rule = format!("{title}{}", "=".repeat(missing));
        writeln!(self.out, "{}", self.style.paint(Role::Title, rule.trim_end_matches(' ')))
    }

    /// A heading inside a section.
    pub(super) fn heading(&mut self, indent: usize, text: &str) -> io::Result<()> {
        self.text(Role::Heading, indent, text)
    }

    /// Running text on one subject; wrapped.
    pub(super) fn text(&mut self, role: Role, indent: usize, text: &str) -> io::Result<()> {
        let lines = layout::fold(&printable_str(text), self.prose_columns(), indent, 0);
        self.all(role, &lines)
    }

    /// Text of the catalogue, with paragraphs and list items.
    pub(super) fn prose(&mut self, indent: usize, text: &str) -> io::Result<()> {
        for line in text.split('\n').filter(|line| !line.is_empty()) {
            match line.strip_prefix("- ") {
                Some(item) => self.item(indent, "-", item)?,
                None => self.text(Role::Plain, indent, line)?,
            }
        }
        Ok(())
    }

    /// A list item below its mark.
    pub(super) fn item(&mut self, indent: usize, mark: &str, text: &str) -> io::Result<()> {
        self.marked(Role::Plain, indent, mark, text)
    }

    /// A list item whose first line begins with a painted mark.
    pub(super) fn marked(
        &mut self,
        role: Role,
        indent: usize,
        mark: &str,
        text: &str,
    ) -> io::Result<()> {
        let hang = indent + layout::width(mark) + 1;
        let lines = layout::fold(&printable_str(text), self.prose_columns(), hang, 0);
        for (at, line) in lines.iter().enumerate() {
            let line = line.trim_start_matches(' ');
            let before = if at == 0 {
                format!("{}{} ", " ".repeat(indent), self.style.paint(role, mark))
            } else {
                " ".repeat(hang)
            };
            writeln!(self.out, "{}", format!("{before}{line}").trim_end_matches(' '))?;
        }
        Ok(())
    }

    /// Names with their values in two columns; values wrap.
    pub(super) fn facts(&mut self, indent: usize, facts: &[(String, String)]) -> io::Result<()> {
        let widest = facts.iter().map(|fact| layout::width(&fact.0)).max().unwrap_or_default();
        let widest = widest.min(self.prose_columns() * 2 / 5);
        for (name, value) in facts {
            let name = printable_str(name);
            let start = indent + widest + 2;
            let lines = layout::fold(&printable_str(value), self.prose_columns(), start, 0);
            for (at, line) in lines.iter().enumerate() {
                let line = line.trim_start_matches(' ');
                let before = if at == 0 {
                    let name = layout::pad(&layout::cut(&name, widest), widest);
                    format!("{}{}  ", " ".repeat(indent), self.style.paint(Role::Faint, &name))
                } else {
                    " ".repeat(start)
                };
                writeln!(self.out, "{}", format!("{before}{line}").trim_end_matches(' '))?;
            }
        }
        Ok(())
    }

    fn all(&mut self, role: Role, lines: &[String]) -> io::Result<()> {
        for line in lines {
            let text = line.trim_start_matches(' ');
            let indent = " ".repeat(line.len() - text.len());
            writeln!(self.out, "{indent}{}", self.style.paint(role, text))?;
        }
        Ok(())
    }
}
