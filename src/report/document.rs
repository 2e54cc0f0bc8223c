//! A page of the catalogue as blocks, written as text for a terminal or as Markdown.
//!
//! Knows nothing of what the page is about.

use std::io::{self, Write};

use crate::report::layout::{self, WIDTH_MAX, WIDTH_MIN};
use crate::report::style::{Role, Style};

/// How a text report is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Columns of the terminal, or of the file.
    pub columns: usize,
    /// Colours.
    pub style: Style,
}

impl Page {
    /// So many columns without colours.
    pub const fn plain(columns: usize) -> Self {
        Self { columns, style: Style { color: false } }
    }
}

/// A part of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// The title, `502 Bad Gateway`.
    Title(String),
    /// A few facts in one line below the title.
    Byline(Vec<String>),
    /// A heading.
    Heading(String),
    /// Running text, perhaps with list items.
    Prose(String),
    /// A list.
    Bullets(Vec<String>),
    /// A list with numbers.
    Numbers(Vec<String>),
    /// Names with their values.
    Facts(Vec<(String, String)>),
    /// Lines of columns; the last one may wrap.
    Table(Vec<Vec<Cell>>),
}

/// A cell of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    /// What it says.
    pub(crate) text: String,
    /// What it looks like.
    pub(crate) role: Role,
}

impl Cell {
    /// A cell of that text and role.
    pub(crate) fn new(role: Role, text: impl Into<String>) -> Self {
        Self { text: text.into(), role }
    }
}

/// Spaces before what stands below a heading.
const INDENT: usize = 2;

/// Columns that the last cell of a table wants at least; with fewer it goes on the next line.
const LAST_CELL_MIN: usize = 24;

/// Writes the blocks as text.
pub(crate) fn text(blocks: &[Block], page: Page, out: &mut dyn Write) -> io::Result<()> {
    let columns = page.columns.clamp(WIDTH_MIN, WIDTH_MAX);
    let mut before: Option<&Block> = None;
    for block in blocks {
        let below_head = matches!(
            (before, block),
            (Some(Block::Title(_)), Block::Byline(_)) | (Some(Block::Heading(_)), _)
        );
        if before.is_some() && !below_head {
            writeln!(out)?;
        }
        write_text(block, page.style, columns, out)?;
        before = Some(block);
    }
    Ok(())
}

fn write_text(block: &Block, style: Style, columns: usize, out: &mut dyn Write) -> io::Result<()> {
    match block {
        Block::Title(text) => writeln!(out, "{}", style.paint(Role::Title, text)),
        Block::Byline(facts) => {
            let line = layout::wrap(&facts.join(" · "), columns, 0);
            line.lines().try_for_each(|line| writeln!(out, "{}", style.paint(Role::Faint, line)))
        }
        Block::Heading(text) => writeln!(out, "{}", style.paint(Role::Heading, text)),
        Block::Prose(text) => writeln!(out, "{}", layout::wrap(text, columns, INDENT)),
        Block::Bullets(items) => {
            items.iter().try_for_each(|item| writeln!(out, "{}", item_text("-", item, columns)))
        }
        Block::Numbers(items) => items.iter().enumerate().try_for_each(|(at, item)| {
            writeln!(out, "{}", item_text(&format!("{}.", at + 1), item, columns))
        }),
        Block::Facts(facts) => {
            let widest = facts.iter().map(|fact| layout::width(&fact.0)).max().unwrap_or_default();
            facts.iter().try_for_each(|(name, value)| {
                let text = layout::wrap(value, columns, widest + 2);
                let name = style.paint(Role::Heading, &layout::pad(name, widest));
                writeln!(out, "{name}  {}", text.trim_start_matches(' '))
            })
        }
        Block::Table(rows) => write_table(rows, style, columns, out),
    }
}

fn item_text(mark: &str, item: &str, columns: usize) -> String {
    layout::wrap_item(mark, item, columns, INDENT)
}

fn write_table(
    rows: &[Vec<Cell>],
    style: Style,
    columns: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    let count = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widest = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        cells.map(|cell| layout::width(&cell.text)).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..count).map(widest).collect();
    let before_last: usize = widths.iter().take(count.saturating_sub(1)).map(|w| w + 2).sum();
    let fits = INDENT + before_last + LAST_CELL_MIN <= columns;
    for row in rows {
        write!(out, "{}", " ".repeat(INDENT))?;
        for (at, cell) in row.iter().enumerate() {
            if at + 2 == count && !fits {
                write!(out, "{}", style.paint(cell.role, cell.text.trim_end()))?;
            } else if at + 1 < count {
                let text = style.paint(cell.role, &layout::pad(&cell.text, widths[at]));
                write!(out, "{text}  ")?;
            } else if fits {
                let text = layout::wrap(&cell.text, columns, INDENT + before_last);
                write!(out, "{}", text.trim_start_matches(' '))?;
            } else {
                write!(out, "\n{}", layout::wrap(&cell.text, columns, INDENT + 4))?;
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Writes the blocks as Markdown.
pub(crate) fn markdown(blocks: &[Block], out: &mut dyn Write) -> io::Result<()> {
    for (at, block) in blocks.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        match block {
            Block::Title(text) => writeln!(out, "# {text}")?,
            Block::Byline(facts) => writeln!(out, "{}", facts.join(" · "))?,
            Block::Heading(text) => writeln!(out, "## {text}")?,
            Block::Prose(text) => writeln!(out, "{text}")?,
            Block::Bullets(items) => {
                items.iter().try_for_each(|item| writeln!(out, "- {item}"))?;
            }
            Block::Numbers(items) => {
                let mut numbered = items.iter().enumerate();
                numbered.try_for_each(|(at, item)| writeln!(out, "{}. {item}", at + 1))?;
            }
            Block::Facts(facts) => {
                facts.iter().try_for_each(|(name, value)| writeln!(out, "- **{name}** {value}"))?;
            }
            Block::Table(rows) => markdown_table(rows, out)?,
        }
    }
    Ok(())
}

/// A table in Markdown needs a head; the first row is it.
fn markdown_table(rows: &[Vec<Cell>], out: &mut dyn Write) -> io::Result<()> {
    for (at, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().map(|cell| cell.text.replace('|', "\\|")).collect();
        writeln!(out, "| {} |", cells.join(" | "))?;
        if at == 0 {
            writeln!(out, "|{}", " --- |".repeat(row.len()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Vec<Block> {
        vec![
            Block::Title("502 Bad Gateway".into()),
            Block::Byline(vec!["5xx".into(), "RFC 3261".into()]),
            Block::Heading("Description".into()),
            Block::Prose("The server behind it sent something that could not be used.".into()),
            Block::Bullets(vec!["one".into(), "two".into()]),
            Block::Facts(vec![("Code".into(), "1".into()), ("Headers".into(), "Via".into())]),
            Block::Table(vec![
                vec![Cell::new(Role::Heading, "Code"), Cell::new(Role::Heading, "Text")],
                vec![Cell::new(Role::Name, "TXN106"), Cell::new(Role::Plain, "a|b")],
            ]),
        ]
    }

    fn plain(columns: usize) -> Page {
        Page { columns, style: Style { color: false } }
    }

    #[test]
    fn text_is_laid_out() {
        let mut out = Vec::new();
        text(&page(), plain(40), &mut out).expect("a vector takes all");
        let expected = "502 Bad Gateway\n5xx · RFC 3261\n\nDescription\n  \
            The server behind it sent something\n  that could not be used.\n\n  - one\n  - two\n\n\
            Code     1\nHeaders  Via\n\n  Code    Text\n  TXN106  a|b\n";
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn markdown_is_markdown() {
        let mut out = Vec::new();
        markdown(&page(), &mut out).expect("a vector takes all");
        let expected = "# 502 Bad Gateway\n\n5xx · RFC 3261\n\n## Description\n\n\
            The server behind it sent something that could not be used.\n\n- one\n- two\n\n\
            - **Code** 1\n- **Headers** Via\n\n\
            | Code | Text |\n| --- | --- |\n| TXN106 | a\\|b |\n";
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn a_last_column_without_room_goes_below() {
        let name = "a-very-long-name-of-a-rule";
        let row = vec![Cell::new(Role::Name, name), Cell::new(Role::Plain, "What it is about")];
        let mut out = Vec::new();
        text(&[Block::Table(vec![row])], plain(40), &mut out).expect("a vector takes all");
        assert_eq!(String::from_utf8_lossy(&out), format!("  {name}\n      What it is about\n"));
    }
}
