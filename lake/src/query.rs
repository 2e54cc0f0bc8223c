//! `siptrace-lake query`: SQL over the tables, for reading only.

use std::io::{self, Write};

use clap::ValueEnum;
use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::json::WriterBuilder;
use datafusion::arrow::json::writer::LineDelimited;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::execution::context::SQLOptions;
use futures::TryStreamExt as _;
use siptrace::bytes::printable_str;

use crate::engine::Engine;
use crate::fault::Fault;
use crate::manifest::Manifest;
use crate::output;
use crate::plans::LakeTable;
use crate::steps::odd;
use crate::store::Place;
use crate::tables;

/// Rows that tell how wide the columns of text are.
const MEASURED: usize = 1000;

/// Characters of a cell of text that are shown.
const CELL_MAX: usize = 120;

/// How rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns for a terminal
    #[default]
    Text,
    /// A list of objects
    Json,
    /// RFC 4180, with the names of the columns
    Csv,
}

/// Makes the tables of a lake known to the engine.
///
/// # Errors
///
/// Never for tables of ours.
pub(crate) fn register(engine: &Engine, place: &Place, manifest: &Manifest) -> Result<(), Fault> {
    for table in tables::ALL {
        let objects = manifest.objects(table.name).into_iter().cloned().collect();
        let own = LakeTable::new(place.clone(), table, objects, engine.tasks());
        engine.session().register_table(table.name, std::sync::Arc::new(own))?;
    }
    Ok(())
}

/// Runs the query and writes its rows.
///
/// # Errors
///
/// When it is wrong, does more than read, or cannot be run.
pub(crate) async fn query(
    engine: &Engine,
    sql: &str,
    format: Format,
    is_cluster: bool,
) -> Result<(), Fault> {
    let wrong = |error: datafusion::error::DataFusionError| match Fault::from(error) {
        Fault::Job(text) => Fault::Query(text),
        fault => fault,
    };
    let plan = engine.session().state().create_logical_plan(sql).await.map_err(wrong)?;
    let reads = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false);
    reads.with_allow_statements(false).verify_plan(&plan).map_err(|_| {
        Fault::usage(
            "could not run the query: it does more than read",
            "a lake is changed by \
                      `siptrace-lake ingest` only; begin with SELECT, SHOW or EXPLAIN",
        )
    })?;
    let frame = engine.session().execute_logical_plan(plan).await.map_err(wrong)?;
    let plan = frame.create_physical_plan().await.map_err(wrong)?;
    let mut out = Rows::new(format, plan.schema(), io::BufWriter::new(io::stdout()));
    match is_cluster {
        true => {
            for batch in engine.run(plan).await? {
                out.write(&batch)?;
            }
        }
        false => {
            let mut batches = engine.here(plan)?;
            while let Some(batch) = batches.try_next().await? {
                out.write(&batch)?;
            }
        }
    }
    out.finish()
}

/// Rows on their way out.
struct Rows<W: Write> {
    format: Format,
    schema: SchemaRef,
    out: W,
    /// Lines of text, until there are enough to tell how wide columns are.
    waiting: Vec<Vec<String>>,
    widths: Option<Vec<usize>>,
    rows: usize,
    is_begun: bool,
}

impl<W: Write> Rows<W> {
    fn new(format: Format, schema: SchemaRef, out: W) -> Self {
        let (waiting, widths) = (Vec::new(), None);
        Self { format, schema, out, waiting, widths, rows: 0, is_begun: false }
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), Fault> {
        self.rows += batch.num_rows();
        let written = match self.format {
            Format::Json => self.json(batch)?,
            Format::Csv => self.csv_head().and_then(|()| {
                let lines = cells(batch, Some(b','));
                lines.iter().try_for_each(|line| csv_line(&mut self.out, line))
            }),
            Format::Text => {
                self.waiting.extend(cells(batch, None));
                match self.widths.is_some() || self.waiting.len() >= MEASURED {
                    true => self.lines(),
                    false => Ok(()),
                }
            }
        };
        output::enough(written, "to standard output")
    }

    fn finish(mut self) -> Result<(), Fault> {
        let written = match self.format {
            Format::Json => {
                let end: &[u8] = if self.is_begun { b"\n]\n" } else { b"[]\n" };
                self.out.write_all(end)
            }
            Format::Csv => self.csv_head(),
            Format::Text => self.lines().and_then(|()| match self.rows {
                1 => writeln!(self.out, "1 row"),
                rows => writeln!(self.out, "{rows} rows"),
            }),
        };
        output::enough(written.and_then(|()| self.out.flush()), "to standard output")
    }

    fn csv_head(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.is_begun, true) {
            return Ok(());
        }
        let names = self.schema.fields().iter().map(|field| safe(field.name(), true));
        csv_line(&mut self.out, &names.collect::<Vec<_>>())
    }

    /// The batch as objects; what a terminal would take for an order is written as a number.
    fn json(&mut self, batch: &RecordBatch) -> Result<io::Result<()>, Fault> {
        let mut buffer = Vec::new();
        let builder = WriterBuilder::new().with_explicit_nulls(true);
        let mut writer = builder.build::<_, LineDelimited>(&mut buffer);
        let done = writer.write(batch).and_then(|()| writer.finish());
        done.map_err(|error| odd(&error))?;
        for object in String::from_utf8_lossy(&buffer).lines() {
            let before = if std::mem::replace(&mut self.is_begun, true) { ",\n" } else { "[\n" };
            let written = write!(self.out, "{before}{}", escaped(object));
            if written.is_err() {
                return Ok(written);
            }
        }
        Ok(Ok(()))
    }

    /// Writes the lines that wait.
    fn lines(&mut self) -> io::Result<()> {
        let names: Vec<String> =
            self.schema.fields().iter().map(|field| safe(field.name(), false)).collect();
        let width = |text: &String| text.chars().count();
        let widths = self.widths.get_or_insert_with(|| {
            let mut widths: Vec<usize> = names.iter().map(width).collect();
            for line in &self.waiting {
                for (own, cell) in widths.iter_mut().zip(line) {
                    *own = width(cell).max(*own);
                }
            }
            widths
        });
        let lines = std::mem::take(&mut self.waiting);
        let head = Some(names).filter(|_| !std::mem::replace(&mut self.is_begun, true));
        for line in head.iter().chain(&lines) {
            let cells = line.iter().zip(widths.iter());
            let cells = cells.map(|(cell, width)| format!("{cell:width$}"));
            let line = cells.collect::<Vec<_>>().join("  ");
            writeln!(self.out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// The cells of a batch, safe to show; of a table for a spreadsheet, or cut to a length.
fn cells(batch: &RecordBatch, separator: Option<u8>) -> Vec<Vec<String>> {
    let options = FormatOptions::default().with_null("").with_display_error(true);
    let columns: Vec<_> = batch
        .columns()
        .iter()
        .map(|column| (column, ArrayFormatter::try_new(column.as_ref(), &options).ok()))
        .collect();
    let cell = |(column, shown): &(&std::sync::Arc<dyn Array>, Option<ArrayFormatter<'_>>), row| {
        let text = match shown {
            Some(shown) if !column.is_null(row) => shown.value(row).to_string(),
            _ => String::new(),
        };
        let is_text = matches!(
            column.data_type(),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::List(_)
        );
        match separator {
            Some(_) => safe(&text, is_text),
            None => short(&safe(&text, false)),
        }
    };
    (0..batch.num_rows()).map(|row| columns.iter().map(|own| cell(own, row)).collect()).collect()
}

fn short(text: &str) -> String {
    match text.char_indices().nth(CELL_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Text without harm on a terminal, and where it is asked for in a spreadsheet.
fn safe(text: &str, is_for_spreadsheet: bool) -> String {
    let text = printable_str(text);
    let is_formula = text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    match is_for_spreadsheet && is_formula {
        true => format!("'{text}"),
        false => text.into_owned(),
    }
}

fn csv_line(out: &mut impl Write, cells: &[String]) -> io::Result<()> {
    let field = |cell: &String| match cell.contains([',', '"', '\r', '\n', ' ']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.clone(),
    };
    let line = cells.iter().map(field).collect::<Vec<_>>().join(",");
    write!(out, "{line}\r\n")
}

/// JSON in which harmful characters are numbers; they stand in strings only.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    let mut one = [0; 4];
    for c in json.chars() {
        let is_safe = c.is_ascii() && !c.is_ascii_control();
        let own = c.encode_utf8(&mut one);
        if is_safe || c == '\n' || printable_str(own) == *own {
            text.push(c);
            continue;
        }
        let mut units = [0; 2];
        c.encode_utf16(&mut units).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{BinaryArray, Int64Array, StringArray};
    use datafusion::arrow::datatypes::{Field, Schema};

    use super::*;

    fn batch() -> RecordBatch {
        let schema = Schema::new(vec![
            Field::new("text", DataType::Utf8, true),
            Field::new("number", DataType::Int64, true),
            Field::new("bytes", DataType::Binary, true),
        ]);
        let text = StringArray::from(vec![Some("\u{1b}[2J\u{9b}31m"), Some("=1+1, \"x\""), None]);
        let number = Int64Array::from(vec![Some(-1), None, Some(7)]);
        let bytes = BinaryArray::from_opt_vec(vec![Some(b"\x1b"), None, Some(b"ok")]);
        RecordBatch::try_new(
            Arc::new(schema),
            vec![Arc::new(text), Arc::new(number), Arc::new(bytes)],
        )
        .expect("a batch")
    }

    fn written(format: Format) -> String {
        let mut out = Vec::new();
        let mut rows = Rows::new(format, batch().schema(), &mut out);
        rows.write(&batch()).expect("written");
        rows.write(&batch()).expect("written");
        rows.finish().expect("finished");
        let text = String::from_utf8(out).expect("UTF-8");
        assert!(!text.contains(['\u{1b}', '\u{9b}']), "{text:?}");
        text
    }

    #[test]
    fn captured_text_gives_no_orders_to_a_terminal() {
        let text = written(Format::Text);
        assert!(text.starts_with("text") && text.ends_with("6 rows\n"), "{text}");
    }

    #[test]
    fn json_is_a_list_of_objects() {
        let list: serde_json::Value = serde_json::from_str(&written(Format::Json)).expect("JSON");
        assert_eq!(list.as_array().map(Vec::len), Some(6));
        assert_eq!(list[0]["text"], "\u{1b}[2J\u{9b}31m", "the text itself is whole");
        assert_eq!(list[4]["text"], "=1+1, \"x\"");
        assert_eq!(list[5].as_object().map(serde_json::Map::len), Some(3), "null is there");
    }

    #[test]
    fn csv_has_no_formulas_and_leaves_numbers_alone() {
        let text = written(Format::Csv);
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!((lines[0], lines.len()), ("text,number,bytes", 8));
        assert!(lines[1].contains(",-1,1b"), "{}", lines[1]);
        assert_eq!(lines[2], "\"'=1+1, \"\"x\"\"\",,");
    }

    #[test]
    fn nothing_is_an_empty_list() {
        let mut out = Vec::new();
        Rows::new(Format::Json, batch().schema(), &mut out).finish().expect("finished");
        assert_eq!(out, b"[]\n");
    }
}
