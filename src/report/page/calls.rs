//! The table of calls: the first rows as HTML, which needs no script, and all that is listed as
//! data for the script that filters and sorts.

use std::cmp::Reverse;
use std::fmt::Write;

use serde::Serialize;

use crate::analysis::CallSummary;
use crate::finding::Severity;
use crate::report::html::escaped;
use crate::report::layout;
use crate::report::page::examples::Examples;
use crate::report::page::markup::{CLOSE_TABLE, Column, open_table, paragraph};
use crate::report::page::scene::{Marks, Scene};
use crate::report::streams::millis;
use crate::signaling::Kind;
use crate::time::{Span, Time};

/// Calls that are listed; more are only counted.
const LISTED_MAX: usize = 5000;

/// Rows that stand there before the script takes over, and on paper.
const ROWS_FIRST: usize = 50;

/// Columns of a URI.
const URI_MAX: usize = 48;

/// Codes of findings in one row.
const CODES_MAX: usize = 4;

/// The data of the script; short names, as there is one for each call.
#[derive(Serialize)]
struct Data<'a> {
    rows: Vec<Row<'a>>,
    step: usize,
    words: Words<'a>,
}

#[derive(Serialize)]
struct Words<'a> {
    shown: &'a str,
    nothing: &'a str,
}

/// A row: what each cell says, and by what it is sorted where that is something else.
#[derive(Serialize)]
struct Row<'a> {
    /// The texts of the cells.
    c: Vec<String>,
    /// The order of the times and lengths of time, in milliseconds.
    t: [Option<f64>; 3],
    /// The ladder in which the call is drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    l: Option<&'a str>,
    /// How bad it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<&'static str>,
}

/// The columns: the key of the name, and whether they are numbers.
pub(super) const COLUMNS: [(&str, bool); 10] = [
    ("call-number", true),
    ("time", false),
    ("kind", false),
    ("from", false),
    ("to", false),
    ("state", false),
    ("status", true),
    ("set-up", true),
    ("talk", true),
    ("findings", false),
];

/// The table with its search field.
pub(super) fn calls(scene: &Scene<'_>, examples: &Examples) -> String {
    let calls = &scene.analysis.calls;
    if calls.is_empty() {
        return String::new();
    }
    let words = scene.words;
    let start = calls.iter().map(|call| call.start).min().unwrap_or_default();
    let rows: Vec<Row<'_>> = listed(scene)
        .into_iter()
        .filter_map(|place| Some(row(scene, examples, (place, calls.get(place)?), start)))
        .collect();
    let all = scene.analysis.totals.call_ids.max(calls.len() as u64);
    let mut out = search(scene, rows.len());
    let columns = Column::of(&COLUMNS, &words);
    out.push_str(&open_table("calls-table", words.get("calls"), &columns));
    rows.iter().take(ROWS_FIRST).for_each(|row| write_row(row, &columns, &mut out));
    out.push_str(CLOSE_TABLE);
    let _ = writeln!(
        out,
        "<p><button type=\"button\" id=\"calls-more\" hidden>{}</button></p>",
        escaped(words.get("page-show-more"))
    );
    if (rows.len() as u64) < all {
        let (listed, count) = (words.count(rows.len() as u64), words.count(all));
        let values = [("listed", listed.as_str()), ("count", count.as_str())];
        out.push_str(&paragraph("faint", &words.fill("page-calls-left-out", &values)));
    }
    let (shown, nothing) = (words.get("page-shown"), words.get("page-no-match"));
    let data = Data { rows, step: ROWS_FIRST, words: Words { shown, nothing } };
    let _ = writeln!(
        out,
        "<script type=\"application/json\" id=\"calls-data\">{}</script>",
        json(&data)
    );
    out
}

/// The places of the calls that are listed: those that failed, those with findings, other calls,
/// and what is no call; each in order.
pub(super) fn listed(scene: &Scene<'_>) -> Vec<usize> {
    let calls = scene.analysis.calls.iter().enumerate();
    let rank = |(place, call): (usize, &CallSummary)| {
        let is_serious = scene.marks(place).is_some_and(Marks::is_serious);
        let rank = (scene.has_failed(place, call), is_serious, call.kind == Kind::Call);
        (Reverse(rank), place)
    };
    let mut ranked: Vec<_> = calls.map(rank).collect();
    ranked.sort_unstable();
    ranked.truncate(LISTED_MAX);
    ranked.into_iter().map(|(_, place)| place).collect()
}

/// The texts of a call in the order of the columns.
pub(super) fn cells(scene: &Scene<'_>, place: usize, call: &CallSummary) -> Vec<String> {
    let words = scene.words;
    let span = |span: Option<Span>| span.map(|span| words.duration(span)).unwrap_or_default();
    let codes = scene.marks(place).map(|marks| marks.codes.as_slice()).unwrap_or_default();
    let dots = if codes.len() > CODES_MAX { " …" } else { "" };
    let codes: Vec<&str> = codes.iter().take(CODES_MAX).copied().collect();
    vec![
        (place + 1).to_string(),
        scene.parts.time(call.start),
        words.kind(call.kind.name()),
        uri(call.from_uri.as_deref()),
        uri(call.to_uri.as_deref()),
        words.state(call.fate()),
        call.final_status.map(|status| status.to_string()).unwrap_or_default(),
        span(call.pdd),
        span(call.talk),
        format!("{}{dots}", codes.join(" ")),
    ]
}

fn row<'e>(
    scene: &Scene<'_>,
    examples: &'e Examples,
    (place, call): (usize, &CallSummary),
    start: Time,
) -> Row<'e> {
    let severity = match scene.has_failed(place, call) {
        true => Some(Severity::Error),
        false => scene.marks(place).filter(|own| own.is_serious()).map(|_| Severity::Warn),
    };
    Row {
        c: cells(scene, place, call),
        t: [Some(millis(call.start.since(start))), call.pdd.map(millis), call.talk.map(millis)],
        l: examples.id(place),
        s: severity.map(Severity::name),
    }
}

/// Without the scheme and the parameters, which tell little in a table.
fn uri(uri: Option<&str>) -> String {
    let uri = uri.unwrap_or_default();
    let rest = ["sip:", "sips:", "tel:"].iter().find_map(|scheme| uri.strip_prefix(scheme));
    let user = rest.unwrap_or(uri).split(';').next().unwrap_or_default();
    layout::cut(user, URI_MAX)
}

/// The field is of use only where the script runs, which shows it.
fn search(scene: &Scene<'_>, count: usize) -> String {
    let words = scene.words;
    let shown = words.count(ROWS_FIRST.min(count) as u64);
    let count = words.count(count as u64);
    let first = words.fill("page-shown", &[("shown", &shown), ("count", &count)]);
    format!(
        "<div class=\"search\" id=\"calls-search\" hidden>\n\
         <label for=\"calls-filter\">{}</label>\n\
         <input type=\"search\" id=\"calls-filter\" autocomplete=\"off\" spellcheck=\"false\" \
         aria-describedby=\"calls-hint\" aria-controls=\"calls-table\">\n\
         <p class=\"faint\" id=\"calls-hint\">{}</p>\n\
         <p class=\"count\" id=\"calls-shown\" role=\"status\">{}</p>\n</div>\n",
        escaped(words.get("page-search")),
        escaped(words.get("page-search-hint")),
        escaped(&first)
    )
}

fn write_row(row: &Row<'_>, columns: &[Column<'_>], out: &mut String) {
    let class = row.s.map(|class| format!(" class=\"{class}\"")).unwrap_or_default();
    let _ = write!(out, "<tr{class}>");
    for (place, (cell, column)) in row.c.iter().zip(columns).enumerate() {
        let text = escaped(cell);
        out.push_str(&match row.l.filter(|_| place == 0) {
            Some(id) => column.cell(&format!("<a href=\"#{id}\">{text}</a>")),
            None => column.cell(&text),
        });
    }
    out.push_str("</tr>\n");
}

/// JSON that ends no script, whatever stands in it.
fn json(data: &Data<'_>) -> String {
    let text = serde_json::to_string(data).unwrap_or_default();
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}
