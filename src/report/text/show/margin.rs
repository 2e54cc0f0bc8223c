//! What stands before the arrows of a ladder: marks of findings, frames, calls and times.

use crate::analysis::flow::{Content, Row};
use crate::finding::Severity;
use crate::report::document::Cell;
use crate::report::layout;
use crate::report::show::{Shown, Times};
use crate::report::style::Role;
use crate::report::text::clock;
use crate::report::text::ladder::INDENT;
use crate::report::text::scene::Scene;
use crate::time::Time;

/// Findings that the mark of one row names.
const MARKED_MAX: usize = 3;

/// Columns between columns.
const GAP: usize = 2;

/// The margins of all rows.
pub(super) struct Margins {
    rows: Vec<Vec<String>>,
    /// The columns of each text; the first one is the mark, the second one the frame.
    widths: Vec<usize>,
}

impl Margins {
    pub(super) fn of(scene: &Scene<'_>, shown: &Shown<'_>, times: &[Times], start: Time) -> Self {
        let is_several = shown.calls.len() > 1;
        let times = if times.is_empty() { &[Times::Relative][..] } else { times };
        let mut before = start;
        let mut rows = Vec::with_capacity(shown.flow.rows.len());
        for row in &shown.flow.rows {
            let mut texts = vec![mark(&row.evidence_of), scene.frame(row.frame)];
            if is_several {
                texts.push(number(shown, row));
            }
            texts.extend(times.iter().map(|time| match time {
                Times::Relative => clock::relative(row.time.since(start)),
                Times::Absolute => scene.clock.time(row.time),
                Times::Delta => clock::relative(row.time.since(before)),
            }));
            before = row.time;
            rows.push(texts);
        }
        let count = rows.first().map_or(0, Vec::len);
        let width = |at: usize| {
            let texts = rows.iter().filter_map(|texts: &Vec<String>| texts.get(at));
            texts.map(|text| layout::width(text)).max().unwrap_or_default()
        };
        let widths = (0..count).map(width).collect();
        Self { rows, widths }
    }

    /// Columns that each of them takes.
    pub(super) fn columns(&self) -> usize {
        let texts = self.widths.iter().filter(|width| **width > 0);
        INDENT + texts.map(|width| width + GAP).sum::<usize>()
    }

    /// The margin of a row; its mark has the colour of the worst finding.
    pub(super) fn pieces(&self, row: usize, severity: Option<Severity>) -> Vec<Cell> {
        let mut pieces = vec![Cell::new(Role::Plain, " ".repeat(INDENT))];
        let texts = self.rows.get(row).into_iter().flatten().zip(&self.widths).enumerate();
        for (at, (text, width)) in texts.filter(|(_, (_, width))| **width > 0) {
            let missing = " ".repeat(width.saturating_sub(layout::width(text)));
            let gap = " ".repeat(GAP);
            let (role, text) = match at {
                0 => {
                    (severity.map_or(Role::Plain, Role::Severity), format!("{text}{missing}{gap}"))
                }
                1 => (Role::Faint, format!("{missing}{text}{gap}")),
                _ => (Role::Plain, format!("{missing}{text}{gap}")),
            };
            pieces.push(Cell::new(role, text));
        }
        pieces
    }
}

/// `[1,2]`, the findings that have the row as evidence.
fn mark(findings: &[usize]) -> String {
    if findings.is_empty() {
        return String::new();
    }
    let named = findings.iter().take(MARKED_MAX).map(|place| (place + 1).to_string());
    let mut named: Vec<String> = named.collect();
    if findings.len() > MARKED_MAX {
        named.push("+".to_owned());
    }
    format!("[{}]", named.join(","))
}

/// The number of the call in the list; of a stream, that of the call that has it.
fn number(shown: &Shown<'_>, row: &Row<'_>) -> String {
    let place = match &row.content {
        Content::Message(sent) => shown.calls.get(sent.call).map(|(place, _)| *place),
        Content::Stream(stream) => {
            let has_it = |call: &crate::analysis::CallSummary| {
                call.streams.iter().any(|own| std::ptr::eq(own, *stream))
            };
            shown.calls.iter().find(|(_, call)| has_it(call)).map(|(place, _)| *place)
        }
    };
    place.map(|place| format!("({})", place + 1)).unwrap_or_default()
}
