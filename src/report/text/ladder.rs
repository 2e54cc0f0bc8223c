//! The messages around a finding, drawn as a ladder.
//!
//! Two to four parties have a column each; more are written as `A > B`. Drawn in ASCII: every
//! terminal, mail and ticket gives its characters one column.

use std::io;

use crate::finding::{LadderLine, Severity};
use crate::packet::Endpoint;
use crate::report::document::Cell;
use crate::report::layout;
use crate::report::style::Role;
use crate::report::text::clock;
use crate::report::text::scene::Scene;
use crate::report::text::sheet::Sheet;
use crate::time::{Span, Time};

/// Parties that get a column each.
const COLUMNS_MAX: usize = 4;

/// Columns between two parties: room for `100 Trying`, and no more than the eye can follow.
const SPACING_MIN: usize = 16;
const SPACING_MAX: usize = 44;

/// A silence that a reader should see.
const PAUSE: Span = Span::from_secs(2);

/// Spaces before the ladder.
const INDENT: usize = 2;

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
    let plan = Plan::new(&parties, margin.total(), sheet.columns);
    plan.write_head(&parties, sheet)?;
    let mut before = first;
    for (line, texts) in lines.iter().zip(&margins) {
        let role = if line.is_evidence { Role::Severity(severity) } else { Role::Plain };
        let place = (parties.place(line.source), parties.place(line.destination));
        let label = Label::of(line, lines);
        let pause = line.time.since(before);
        if pause >= PAUSE {
            let pause = scene.words.duration(pause);
            sheet.line(&plan.pause(&pause, margin.total()))?;
        }
        before = before.max(line.last_repeat.unwrap_or(line.time));
        let mut pieces = texts.pieces(line.is_evidence, &margin);
        pieces.extend(plan.arrow(place, &label, role));
        sheet.line(&pieces)?;
        if let Some(repeats) = repeats(scene, line, first) {
            let before = Cell::new(Role::Plain, " ".repeat(margin.total()));
            let mut pieces = vec![before];
            pieces.extend(plan.note(place, &repeats));
            sheet.line(&pieces)?;
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

/// `A` to `Z`, then `AA` and on.
fn letter(place: usize) -> String {
    let last = char::from(b'A' + u8::try_from(place % 26).unwrap_or_default());
    match place / 26 {
        0 => last.to_string(),
        more => letter(more - 1) + &last.to_string(),
    }
}

/// What an arrow says, in full and with only what matters most.
struct Label {
    full: String,
    short: String,
}

impl Label {
    fn of(line: &LadderLine, lines: &[LadderLine]) -> Self {
        let mut marks = String::new();
        if line.has_sdp {
            marks.push_str(" (SDP)");
        }
        if lines.iter().any(|other| other.transport != line.transport) {
            marks.push_str(&format!(" [{}]", line.transport));
        }
        let full = format!("{}{marks}", line.label);
        let is_response = line.label.starts_with(|c: char| c.is_ascii_digit());
        let short = match line.label.split_once(' ') {
            // The request URI may go, what a NOTIFY tells must not.
            Some((method, rest)) if !is_response => {
                let told = rest.find(" (").and_then(|at| rest.get(at..)).unwrap_or_default();
                format!("{method}{told}{marks}")
            }
            _ => full.clone(),
        };
        Self { full, short }
    }

    fn fitting(&self, room: usize) -> String {
        // In full only where enough of the arrow is left to see it.
        let is_roomy = layout::width(&self.full) + 2 <= room;
        let text = if is_roomy { &self.full } else { &self.short };
        layout::cut(text, room)
    }
}

/// How the parties stand on the sheet.
enum Plan {
    /// A column each, so many columns apart.
    Columns { margin: usize, spacing: usize, count: usize, lettered: bool },
    /// `A > B`, in so many columns.
    List { widest: usize },
}

impl Plan {
    fn new(parties: &Parties, margin: usize, columns: usize) -> Self {
        let count = parties.ends.len();
        let names = &parties.names;
        let widest = layout::width(&letter(count.saturating_sub(1)));
        let gaps = count.saturating_sub(1).max(1);
        if count > COLUMNS_MAX {
            return Self::List { widest };
        }
        let half = names.last().map_or(0, |name| layout::width(name).div_ceil(2));
        let named = (columns.saturating_sub(margin + 1 + half) / gaps).min(SPACING_MAX);
        let fits = heads(names, margin, named).is_some();
        if fits && named >= SPACING_MIN {
            return Self::Columns { margin, spacing: named, count, lettered: false };
        }
        let spacing = (columns.saturating_sub(margin + 2) / gaps).min(SPACING_MAX);
        match spacing {
            ..SPACING_MIN => Self::List { widest },
            spacing => Self::Columns { margin, spacing, count, lettered: true },
        }
    }

    fn write_head(&self, parties: &Parties, sheet: &mut Sheet<'_>) -> io::Result<()> {
        let names = &parties.names;
        let letters: Vec<String> = (0..names.len()).map(letter).collect();
        let (is_lettered, head) = match self {
            Self::Columns { margin, spacing, lettered, .. } => {
                let shown = if *lettered { &letters } else { names };
                (*lettered, heads(shown, *margin, *spacing))
            }
            Self::List { .. } => (true, None),
        };
        if is_lettered {
            for (letter, name) in letters.iter().zip(names) {
                sheet.line(&[
                    Cell::new(Role::Plain, " ".repeat(INDENT + 2)),
                    Cell::new(Role::Heading, letter.as_str()),
                    Cell::new(Role::Plain, format!("  {name}")),
                ])?;
            }
        }
        match head {
            Some(head) => sheet.line(&[Cell::new(Role::Heading, head)]),
            None => Ok(()),
        }
    }

    fn arrow(&self, (from, to): (usize, usize), label: &Label, role: Role) -> Vec<Cell> {
        let (spacing, count) = match *self {
            Self::List { widest } => {
                let (from, to) = (letter(from), letter(to));
                let way = format!("{from:>widest$} > {to:<widest$}  {}", label.full);
                return vec![Cell::new(role, way)];
            }
            Self::Columns { spacing, count, .. } => (spacing, count),
        };
        let (left, right) = (from.min(to), from.max(to));
        if left == right {
            let room = (count - left) * spacing;
            let text = format!("=> {}", label.fitting(room.saturating_sub(4)));
            return vec![Cell::new(Role::Faint, rails(left, spacing)), Cell::new(role, text)];
        }
        let inner = (right - left) * spacing - 1;
        let text = label.fitting(inner.saturating_sub(3));
        let dashes = inner.saturating_sub(layout::width(&text) + 3);
        let (before, after) = ("-".repeat(dashes / 2), "-".repeat(dashes - dashes / 2));
        let shaft = match from < to {
            true => format!("{before} {text} {after}>"),
            false => format!("<{before} {text} {after}"),
        };
        vec![
            Cell::new(Role::Faint, rails(left, spacing)),
            Cell::new(role, shaft),
            Cell::new(Role::Faint, rails(count - 1 - right, spacing)),
        ]
    }

    /// How long nothing was sent.
    fn pause(&self, pause: &str, margin: usize) -> Vec<Cell> {
        let missing = margin.saturating_sub(layout::width(pause) + 2);
        let text = format!("{}{pause}  ", " ".repeat(missing));
        let rails = match *self {
            Self::List { .. } => String::new(),
            Self::Columns { spacing, count, .. } => rails(count - 1, spacing).replace('|', ":"),
        };
        vec![Cell::new(Role::Heading, text), Cell::new(Role::Faint, rails)]
    }

    /// A remark below an arrow.
    fn note(&self, (from, to): (usize, usize), text: &str) -> Vec<Cell> {
        let (spacing, count) = match *self {
            Self::List { widest } => {
                let before = " ".repeat(2 * widest + 5);
                return vec![Cell::new(Role::Faint, format!("{before}{text}"))];
            }
            Self::Columns { spacing, count, .. } => (spacing, count),
        };
        let (left, right) = (from.min(to), from.max(to));
        let inner = ((right - left) * spacing).saturating_sub(1);
        let missing = inner.saturating_sub(layout::width(text));
        let before = " ".repeat((missing / 2).max(1));
        let centred = layout::pad(&format!("{before}{text}"), inner);
        let mut line = format!("{}{centred}", rails(left, spacing));
        if layout::width(text) < inner {
            line.push_str(&rails(count - 1 - right, spacing));
        }
        vec![Cell::new(Role::Faint, line)]
    }
}

/// The lifelines up to and with the one of that place.
fn rails(place: usize, spacing: usize) -> String {
    let gap = " ".repeat(spacing - 1);
    let mut rails = "|".to_owned();
    for _ in 0..place {
        rails.push_str(&gap);
        rails.push('|');
    }
    rails
}

/// The names centred above their lifelines; `None` where they would touch.
fn heads(names: &[String], margin: usize, spacing: usize) -> Option<String> {
    let mut line = String::new();
    for (place, name) in names.iter().enumerate() {
        let middle = margin + place * spacing;
        let start = middle.checked_sub(layout::width(name) / 2)?;
        let end = layout::width(&line);
        let gap = start.checked_sub(end).filter(|gap| place == 0 || *gap >= 2)?;
        line.push_str(&" ".repeat(gap));
        line.push_str(name);
    }
    Some(line)
}
