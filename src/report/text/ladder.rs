//! The messages around a finding, drawn as a ladder.
//!
//! Two to four parties have a column each; more are written as `A > B`.

use std::io;

use crate::finding::{LadderLine, Severity};
use crate::packet::Endpoint;
use crate::report::document::Cell;
use crate::report::layout;
use crate::report::style::Role;
use crate::report::text::clock;
use crate::report::text::lifelines::{Label, Plan, letter};
use crate::report::text::scene::Scene;
use crate::report::text::sheet::Sheet;
use crate::time::{Span, Time};

/// Parties that get a column each.
const COLUMNS_MAX: usize = 4;

/// A silence that a reader should see.
pub(super) const PAUSE: Span = Span::from_secs(2);

/// Spaces before the ladder.
pub(super) const INDENT: usize = 2;

/// Draws the lines, the evidence in the colour of the severity.
pub(super) fn draw(
    scene: &Scene<'_>,
    lines: &[LadderLine],
    severity: Severity,
    sheet: &mut Sheet<'_>,
) -> io::Result<()> {
    let Some(first) = lines.iter().map(|line| line.time).min() else { return Ok(()) };
    let parties = Parties::of(scene, lines);
    let margins: Vec<Margin> = lines.iter().map(|line| Margin::of(scene, line, first)).collect();
    let margin = Margin::widths(&margins);
    let plan = Plan::new(&parties.names, margin.total(), sheet.columns, COLUMNS_MAX);
    write_head(&plan, &parties.names, sheet)?;
    let mut before = first;
    for (line, texts) in lines.iter().zip(&margins) {
        let role = if line.is_evidence { Role::Severity(severity) } else { Role::Plain };
        let place = (parties.place(line.source), parties.place(line.destination));
        let label = label(line, lines);
        let pause = line.time.since(before);
        if pause >= PAUSE {
            let pause = scene.words.duration(pause);
            sheet.line(&plan.pause(&pause))?;
        }
        before = before.max(line.last_repeat.unwrap_or(line.time));
        let mut pieces = texts.pieces(line.is_evidence, &margin);
        pieces.extend(plan.arrow(place, &label, '-', role));
        sheet.line(&pieces)?;
        if let Some(repeats) = repeats(scene, line, first) {
            for remark in plan.remark(place, &repeats) {
                sheet.line(&remark)?;
            }
        }
    }
    Ok(())
}

fn repeats(scene: &Scene<'_>, line: &LadderLine, first: Time) -> Option<String> {
    let last = line.last_repeat.filter(|_| line.repeats > 0)?;
    let count = scene.words.count(line.repeats as u64);
    let until = clock::relative(last.since(first));
    Some(scene.words.fill("ladder-repeats", &[("count", &count), ("time", &until)]))
}

/// What stands left of the ladder: frame and time.
struct Margin {
    frame: String,
    time: String,
}

struct MarginWidths {
    frame: usize,
    time: usize,
}

impl Margin {
    fn of(scene: &Scene<'_>, line: &LadderLine, first: Time) -> Self {
        Self { frame: scene.frame(line.frame), time: clock::relative(line.time.since(first)) }
    }

    fn widths(margins: &[Self]) -> MarginWidths {
        MarginWidths {
            frame: margins.iter().map(|m| layout::width(&m.frame)).max().unwrap_or_default(),
            time: margins.iter().map(|m| layout::width(&m.time)).max().unwrap_or_default(),
        }
    }

    fn pieces(&self, is_evidence: bool, widths: &MarginWidths) -> Vec<Cell> {
        let mark = if is_evidence { '*' } else { ' ' };
        let frame = format!("{mark} {:>1$}", self.frame, widths.frame);
        let role = if is_evidence { Role::Name } else { Role::Faint };
        vec![
            Cell::new(Role::Plain, " ".repeat(INDENT)),
            Cell::new(role, frame),
            Cell::new(Role::Plain, format!("  {:>1$}  ", self.time, widths.time)),
        ]
    }
}

impl MarginWidths {
    fn total(&self) -> usize {
        INDENT + 2 + self.frame + 2 + self.time + 2
    }
}

/// Who takes part, in order of appearance.
struct Parties {
    ends: Vec<Endpoint>,
    /// What they are called in the head of the ladder.
    names: Vec<String>,
    /// The ports do not matter: one column a host.
    by_host: bool,
}

impl Parties {
    fn of(scene: &Scene<'_>, lines: &[LadderLine]) -> Self {
        let parties = Self::with_ends(lines);
        let name = |end: &Endpoint| match parties.by_host {
            true => scene.host(end.address),
            false => scene.endpoint(*end),
        };
        let names = parties.ends.iter().map(name).collect();
        Self { names, ..parties }
    }

    fn with_ends(lines: &[LadderLine]) -> Self {
        let by_port = Self::gather(lines, false);
        if by_port.ends.len() <= COLUMNS_MAX {
            return by_port;
        }
        let by_host = Self::gather(lines, true);
        let talks_to_itself =
            lines.iter().any(|line| line.source.address == line.destination.address);
        if talks_to_itself { by_port } else { by_host }
    }

    fn gather(lines: &[LadderLine], by_host: bool) -> Self {
        let mut parties = Self { ends: Vec::new(), names: Vec::new(), by_host };
        for end in lines.iter().flat_map(|line| [line.source, line.destination]) {
            if !parties.ends.iter().any(|known| parties.is_same(*known, end)) {
                parties.ends.push(end);
            }
        }
        parties
    }

    fn is_same(&self, a: Endpoint, b: Endpoint) -> bool {
        a.address == b.address && (self.by_host || a.port == b.port)
    }

    fn place(&self, end: Endpoint) -> usize {
        self.ends.iter().position(|known| self.is_same(*known, end)).unwrap_or_default()
    }
}

/// The parties behind their letters, where letters stand for them, and the heads of the columns.
fn write_head(plan: &Plan, names: &[String], sheet: &mut Sheet<'_>) -> io::Result<()> {
    if plan.is_lettered() {
        for (place, name) in names.iter().enumerate() {
            sheet.line(&[
                Cell::new(Role::Plain, " ".repeat(INDENT + 2)),
                Cell::new(Role::Heading, letter(place)),
                Cell::new(Role::Plain, format!("  {name}")),
            ])?;
        }
    }
    plan.head(names).map_or(Ok(()), |head| sheet.line(&[head]))
}

fn label(line: &LadderLine, lines: &[LadderLine]) -> Label {
    let mut marks = String::new();
    if line.has_sdp {
        marks.push_str(" (SDP)");
    }
    if lines.iter().any(|other| other.transport != line.transport) {
        marks.push_str(&format!(" [{}]", line.transport));
    }
    Label::of(&line.label, &marks)
}
