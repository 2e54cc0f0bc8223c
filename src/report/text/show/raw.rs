//! A message in full below its arrow, with the names of headers in colour.

use std::io;

use crate::analysis::Step;
use crate::report::document::Cell;
use crate::report::layout;
use crate::report::show::raw::{RawLine, lines};
use crate::report::style::Role;
use crate::report::text::scene::Scene;
use crate::report::text::sheet::Sheet;

/// Spaces before the lines of a message, and before what goes on from the line above.
const INDENT: usize = 6;
const HANG: usize = 10;

/// Bytes in one line of a dump, where the sheet is wide enough and where it is not.
const DUMP_BYTES: [usize; 3] = [16, 8, 4];

/// Writes the message; one that repeats another has its frame before it.
pub(super) fn write(
    scene: &Scene<'_>,
    step: &Step,
    is_named: bool,
    sheet: &mut Sheet<'_>,
) -> io::Result<()> {
    sheet.blank()?;
    if is_named {
        sheet.text(Role::Heading, INDENT, &scene.frame(step.frame))?;
    }
    for line in lines(step) {
        match line {
            RawLine::Start(text) => broken(&[(Role::Heading, text)], sheet)?,
            RawLine::Header(name, rest) | RawLine::Sdp(name, rest) => {
                broken(&[(Role::Name, name), (Role::Plain, rest)], sheet)?;
            }
            RawLine::Text(text) => broken(&[(Role::Plain, text)], sheet)?,
            RawLine::Binary(count, bytes) => {
                let count = scene.words.count(count as u64);
                let head = scene.words.fill("show-binary", &[("count", &count)]);
                sheet.text(Role::Faint, INDENT, &head)?;
                dump(&bytes, sheet)?;
            }
        }
    }
    sheet.blank()
}

/// One line of a message, gone on below itself where the sheet ends; nothing of it is left out.
fn broken(pieces: &[(Role, String)], sheet: &mut Sheet<'_>) -> io::Result<()> {
    let mut line = vec![Cell::new(Role::Plain, " ".repeat(INDENT))];
    let mut room = sheet.columns.saturating_sub(INDENT);
    for (role, text) in pieces {
        let mut rest = text.as_str();
        loop {
            // A character of Japanese takes two columns.
            if room < 2 {
                sheet.line(&line)?;
                line = vec![Cell::new(Role::Plain, " ".repeat(HANG))];
                room = sheet.columns.saturating_sub(HANG);
            }
            let (head, tail) = layout::split(rest, room);
            room = room.saturating_sub(layout::width(head));
            line.push(Cell::new(*role, head));
            if tail.is_empty() {
                break;
            }
            rest = tail;
            room = 0;
        }
    }
    sheet.line(&line)
}

/// `0000  89 50 4e 47  .PNG`
fn dump(bytes: &[u8], sheet: &mut Sheet<'_>) -> io::Result<()> {
    let fits = |count: &usize| INDENT + 6 + count * 4 + 2 <= sheet.columns;
    let count = DUMP_BYTES.into_iter().find(fits).unwrap_or(4);
    for (at, row) in bytes.chunks(count).enumerate() {
        let digits: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
        let shown = |byte: &u8| if (b' '..=b'~').contains(byte) { char::from(*byte) } else { '.' };
        let text: String = row.iter().map(shown).collect();
        sheet.line(&[
            Cell::new(Role::Faint, format!("{}{:04x}  ", " ".repeat(INDENT), at * count)),
            Cell::new(Role::Plain, layout::pad(&digits.join(" "), count * 3 + 1)),
            Cell::new(Role::Faint, text),
        ])?;
    }
    Ok(())
}
