//! The table of calls, where they are few.

use std::io;

use crate::analysis::CallSummary;
use crate::report::document::Cell;
use crate::report::layout;
use crate::report::style::Role;
use crate::report::text::scene::Scene;
use crate::report::text::sheet::Sheet;

/// Calls that are listed; more are only counted.
const ROWS_MAX: usize = 20;

/// Columns that a URI keeps at least.
const URI_MIN: usize = 8;

/// Columns between columns.
const GAP: usize = 2;

/// Writes the table.
pub(super) fn write(scene: &Scene<'_>, sheet: &mut Sheet<'_>) -> io::Result<()> {
    let calls = &scene.analysis.calls;
    if calls.is_empty() || calls.len() > ROWS_MAX || !scene.lists_all_calls() {
        return Ok(());
    }
    sheet.section(scene.words.get("calls"))?;
    let mut table = Table::of(scene, calls);
    table.narrow(sheet.columns);
    table.write(sheet)
}

struct Table {
    columns: Vec<Column>,
}

struct Column {
    cells: Vec<Cell>,
    is_uri: bool,
    is_number: bool,
    width: usize,
}

impl Table {
    fn of(scene: &Scene<'_>, calls: &[CallSummary]) -> Self {
        let words = scene.words;
        let column = |key: &str, is_number: bool, text: &dyn Fn(&CallSummary) -> String| {
            let head = Cell::new(Role::Heading, words.get(key));
            let cells = calls.iter().map(|call| Cell::new(Role::Plain, text(call)));
            Column::of(std::iter::once(head).chain(cells).collect(), is_number)
        };
        let duration = |span: Option<crate::time::Span>| {
            span.map(|span| words.duration(span)).unwrap_or_default()
        };
        let number = |call: &CallSummary| {
            let place = calls.iter().position(|other| std::ptr::eq(other, call));
            place.map(|place| (place + 1).to_string()).unwrap_or_default()
        };
        let mut columns = vec![
            column("call-number", true, &number),
            column("frame", true, &|call| scene.frame(call.first_frame)),
            column("time", false, &|call| scene.clock.time(call.start)),
            column("kind", false, &|call| words.kind(call.kind.name())),
            column("from", false, &|call| uri(call.from_uri.as_deref())),
            column("to", false, &|call| uri(call.to_uri.as_deref())),
            column("state", false, &|call| words.state(call.fate())),
            column("status", false, &final_status),
            column("set-up", true, &|call| duration(call.pdd)),
            column("talk", true, &|call| duration(call.talk)),
        ];
        for uri in columns.iter_mut().skip(4).take(2) {
            uri.is_uri = true;
        }
        let kinds_differ =
            calls.iter().any(|call| Some(call.kind) != calls.first().map(|c| c.kind));
        let mut at = 0;
        columns.retain(|column| {
            at += 1;
            (at != 4 || kinds_differ) && column.cells.iter().skip(1).any(|c| !c.text.is_empty())
        });
        Self { columns }
    }

    /// Makes the URIs, then the other columns give way until the table fits.
    fn narrow(&mut self, columns: usize) {
        while self.width() > columns {
            let widest = self.columns.iter_mut().filter(|column| column.is_uri);
            match widest.max_by_key(|column| column.width).filter(|c| c.width > URI_MIN) {
                Some(column) => column.width -= 1,
                None => break,
            }
        }
        // The last columns go first, and the first three never.
        while self.width() > columns && self.columns.len() > 3 {
            self.columns.pop();
        }
    }

    fn width(&self) -> usize {
        self.columns.iter().map(|column| column.width + GAP).sum::<usize>().saturating_sub(GAP)
    }

    fn write(&self, sheet: &mut Sheet<'_>) -> io::Result<()> {
        let rows = self.columns.first().map_or(0, |column| column.cells.len());
        let last = self.columns.len().saturating_sub(1);
        for row in 0..rows {
            let columns = self.columns.iter().enumerate();
            let piece = |(at, column): (usize, &Column)| {
                column.piece(row, if at == last { 0 } else { GAP })
            };
            let pieces: Vec<Cell> = columns.filter_map(piece).collect();
            sheet.line(&pieces)?;
        }
        Ok(())
    }
}

impl Column {
    fn of(cells: Vec<Cell>, is_number: bool) -> Self {
        let width = cells.iter().map(|cell| layout::width(&cell.text)).max().unwrap_or_default();
        Self { cells, is_uri: false, is_number, width }
    }

    fn piece(&self, row: usize, gap: usize) -> Option<Cell> {
        let cell = self.cells.get(row)?;
        let text = layout::cut(&cell.text, self.width);
        let gap = " ".repeat(gap);
        let missing = " ".repeat(self.width.saturating_sub(layout::width(&text)));
        let text = match self.is_number {
            true => format!("{missing}{text}{gap}"),
            false => format!("{text}{missing}{gap}"),
        };
        Some(Cell::new(cell.role, text))
    }
}

/// Without the scheme and the parameters, which tell little in a table.
fn uri(uri: Option<&str>) -> String {
    let uri = uri.unwrap_or_default();
    let rest = ["sip:", "sips:", "tel:"].iter().find_map(|scheme| uri.strip_prefix(scheme));
    rest.unwrap_or(uri).split(';').next().unwrap_or_default().to_owned()
}

fn final_status(call: &CallSummary) -> String {
    call.final_status.map(|status| status.to_string()).unwrap_or_default()
}
