//! The table of calls: those of a report, where they are few, and those of a list.

use std::io::{self, Write};

use crate::finding::Finding;
use crate::packet::Endpoint;
use crate::report::calls::{CallList, Column, Datum, Entry};
use crate::report::document::Cell;
use crate::report::layout;
use crate::report::style::Role;
use crate::report::text::TextOptions;
use crate::report::text::scene::Scene;
use crate::report::text::sheet::Sheet;

/// Calls that a report lists; more are only counted.
const ROWS_MAX: usize = 20;

/// The columns of the table in a report.
const OF_REPORT: [Column; 10] = [
    Column::Number,
    Column::Frame,
    Column::Start,
    Column::Kind,
    Column::From,
    Column::To,
    Column::State,
    Column::Status,
    Column::Pdd,
    Column::Talk,
];

/// The columns of a list, unless others are asked for.
const OF_LIST: [Column; 10] = [
    Column::Number,
    Column::Start,
    Column::Kind,
    Column::From,
    Column::To,
    Column::State,
    Column::Status,
    Column::Pdd,
    Column::Duration,
    Column::Findings,
];

/// What a list does without, in this order, before its URIs become hard to tell apart.
const GIVES_WAY: [Column; 3] = [Column::Duration, Column::Pdd, Column::Kind];

/// Columns that a long text keeps at least.
const LONG_MIN: usize = 8;

/// Columns that a URI of a list should have.
const LONG_ENOUGH: usize = 13;

/// Columns that the widest of the long texts takes.
const LONG_MAX: usize = 60;

/// Columns between columns.
const GAP: usize = 2;

/// Writes the table of a report.
pub(super) fn write(scene: &Scene<'_>, sheet: &mut Sheet<'_>) -> io::Result<()> {
    let calls = &scene.analysis.calls;
    if calls.is_empty() || calls.len() > ROWS_MAX || !scene.lists_all_calls() {
        return Ok(());
    }
    sheet.section(scene.words.get("calls"))?;
    let entry = |(place, call)| Entry { place, call, findings: Vec::new() };
    let entries: Vec<Entry<'_>> = calls.iter().enumerate().map(entry).collect();
    let mut table = Table::of(scene, &entries, &OF_REPORT);
    table.leave_out_what_tells_nothing(&entries);
    table.narrow(sheet.columns);
    table.write(sheet)
}

/// Writes a list with these columns, or with those that fit.
pub(in crate::report) fn list(
    list: &CallList<'_>,
    columns: Option<&[Column]>,
    options: &TextOptions,
    out: &mut dyn Write,
) -> io::Result<()> {
    let scene = Scene::new(list.analysis(), options);
    let mut sheet = Sheet::new(options.page, out);
    let mut table = Table::of(&scene, &list.entries, columns.unwrap_or(&OF_LIST));
    if columns.is_none() {
        table.leave_out_what_tells_nothing(&list.entries);
        table.fit(sheet.columns);
    }
    table.shrink(sheet.columns, LONG_MIN);
    table.write(&mut sheet)
}

struct Table {
    columns: Vec<Drawn>,
}

/// A column with its cells, the heading first.
struct Drawn {
    column: Column,
    cells: Vec<Cell>,
    /// The columns that it needs, and those that it gets.
    full: usize,
    width: usize,
}

impl Table {
    fn of(scene: &Scene<'_>, entries: &[Entry<'_>], columns: &[Column]) -> Self {
        let drawn = |column: &Column| Drawn::of(scene, entries, *column);
        Self { columns: columns.iter().map(drawn).collect() }
    }

    /// Without empty columns, and without the kind where all are of one.
    fn leave_out_what_tells_nothing(&mut self, entries: &[Entry<'_>]) {
        let first = entries.first().map(|entry| entry.call.kind);
        let kinds_differ = entries.iter().any(|entry| Some(entry.call.kind) != first);
        self.columns.retain(|own| {
            (own.column != Column::Kind || kinds_differ)
                && own.cells.iter().skip(1).any(|cell| !cell.text.is_empty())
        });
    }

    /// Leaves columns out until the long texts of the others have room enough.
    fn fit(&mut self, columns: usize) {
        for column in GIVES_WAY {
            self.shrink(columns, LONG_ENOUGH);
            if self.width() <= columns {
                return;
            }
            self.columns.retain(|own| own.column != column);
            self.columns.iter_mut().for_each(|own| own.width = own.full);
        }
    }

    /// Makes the long texts, then the other columns give way until the table fits.
    fn narrow(&mut self, columns: usize) {
        self.shrink(columns, LONG_MIN);
        // The last columns go first, and the first three never.
        while self.width() > columns && self.columns.len() > 3 {
            self.columns.pop();
        }
    }

    /// Takes from the widest of the long texts what is too much.
    fn shrink(&mut self, columns: usize, least: usize) {
        let mut excess = self.width().saturating_sub(columns);
        while excess > 0 {
            let long = self.columns.iter_mut().filter(|own| own.is_long() && own.width > least);
            let Some(widest) = long.max_by_key(|own| own.width) else { return };
            widest.width -= 1;
            excess -= 1;
        }
    }

    fn width(&self) -> usize {
        self.columns.iter().map(|own| own.width + GAP).sum::<usize>().saturating_sub(GAP)
    }

    fn write(&self, sheet: &mut Sheet<'_>) -> io::Result<()> {
        let rows = self.columns.first().map_or(0, |column| column.cells.len());
        let last = self.columns.len().saturating_sub(1);
        for row in 0..rows {
            let columns = self.columns.iter().enumerate();
            let piece =
                |(at, column): (usize, &Drawn)| column.piece(row, if at == last { 0 } else { GAP });
            let pieces: Vec<Cell> = columns.filter_map(piece).collect();
            sheet.line(&pieces)?;
        }
        Ok(())
    }
}

impl Drawn {
    fn of(scene: &Scene<'_>, entries: &[Entry<'_>], column: Column) -> Self {
        let head = Cell::new(Role::Heading, scene.words.get(column.heading()));
        let cells = entries.iter().map(|entry| cell(scene, column, entry));
        let cells: Vec<Cell> = std::iter::once(head).chain(cells).collect();
        let full = cells.iter().map(|cell| layout::width(&cell.text)).max().unwrap_or_default();
        let mut own = Self { column, cells, full, width: full };
        if own.is_long() {
            own.full = own.full.min(LONG_MAX);
            own.width = own.full;
        }
        own
    }

    /// It may be cut.
    fn is_long(&self) -> bool {
        let names = [Column::From, Column::To, Column::CallId, Column::UserAgent];
        let others = [Column::Client, Column::Server, Column::Linked, Column::Codec];
        names.contains(&self.column) || others.contains(&self.column)
    }

    fn is_number(&self) -> bool {
        let counts = [Column::Number, Column::Frame, Column::Messages, Column::Retransmissions];
        let times = [Column::Pdd, Column::Ring, Column::Talk, Column::Duration];
        let quality = [Column::Loss, Column::Jitter, Column::Mos];
        [counts.as_slice(), &times, &quality].iter().any(|own| own.contains(&self.column))
    }

    fn piece(&self, row: usize, gap: usize) -> Option<Cell> {
        let cell = self.cells.get(row)?;
        let text = layout::cut(&cell.text, self.width);
        let gap = " ".repeat(gap);
        let missing = " ".repeat(self.width.saturating_sub(layout::width(&text)));
        let text = match self.is_number() {
            true => format!("{missing}{text}{gap}"),
            false => format!("{text}{missing}{gap}"),
        };
        Some(Cell::new(cell.role, text))
    }
}

fn cell(scene: &Scene<'_>, column: Column, entry: &Entry<'_>) -> Cell {
    let words = scene.words;
    let text = match entry.datum(column) {
        Datum::Nothing => String::new(),
        Datum::Text(text) => match column {
            Column::From | Column::To => uri(text),
            _ => text.to_owned(),
        },
        Datum::Name(text) => text,
        Datum::Kind(word) => words.kind(word),
        Datum::State { fate, .. } => words.state(fate),
        Datum::Count(count) if column == Column::Messages => words.count(count),
        Datum::Count(count) => count.to_string(),
        Datum::Percent(percent) => format!("{} %", words.decimal(percent, 1)),
        Datum::Decimal(number) => words.decimal(number, 1),
        Datum::Span(span) => words.duration(span),
        Datum::Time(time) => scene.clock.time(time),
        Datum::Frame(frame) => scene.frame(frame),
        Datum::Peer(end) => peer(scene, end),
        Datum::Findings(findings) => codes(findings),
        Datum::Severity(severity) => words.severity(severity).to_owned(),
        Datum::List(items) => words.list(&items),
    };
    let role = match (column, entry.severity()) {
        (Column::Findings | Column::Severity, Some(severity)) => Role::Severity(severity),
        _ => Role::Plain,
    };
    Cell::new(role, text)
}

/// The name that the user gives to a host, else its address, with the port.
fn peer(scene: &Scene<'_>, end: Endpoint) -> String {
    match scene.analysis.hosts.get(&end.address.to_canonical()) {
        Some(name) => format!("{name}:{}", end.port),
        None => end.to_string(),
    }
}

/// `TXN106 +2`: the worst one, and how many there are beside it.
fn codes(findings: &[&Finding]) -> String {
    let mut worst = findings.first();
    for finding in findings {
        if worst.is_some_and(|worst| finding.severity > worst.severity) {
            worst = Some(finding);
        }
    }
    let code = worst.map_or("", |worst| worst.rule.code);
    match findings.len() {
        0 | 1 => code.to_owned(),
        count => format!("{code} +{}", count - 1),
    }
}

/// Without the scheme and the parameters, which tell little in a table.
fn uri(uri: &str) -> String {
    let rest = ["sip:", "sips:", "tel:"].iter().find_map(|scheme| uri.strip_prefix(scheme));
    rest.unwrap_or(uri).split(';').next().unwrap_or_default().to_owned()
}
