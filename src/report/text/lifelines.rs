//! Lifelines with arrows between them, or `A > B` where there is no room for columns.
//!
//! Drawn in ASCII: every terminal, mail and ticket gives its characters one column. Knows nothing
//! of what is sent, only of labels and places of parties.

use crate::report::document::Cell;
use crate::report::layout;
use crate::report::style::Role;

/// Columns between two parties: room for `100 Trying`, and no more than the eye can follow.
const SPACING_MIN: usize = 16;
const SPACING_MAX: usize = 44;

/// A remark that has less room than this begins at the first lifeline.
const REMARK_MIN: usize = 28;

/// How the parties stand on the sheet.
pub(super) enum Plan {
    /// A column each, so many columns apart.
    Columns {
        /// Columns before the first lifeline.
        margin: usize,
        /// From one lifeline to the next.
        spacing: usize,
        /// How many there are.
        count: usize,
        /// Letters stand for the names.
        is_lettered: bool,
        /// Columns of the sheet.
        columns: usize,
    },
    /// `A > B`, in so many columns each.
    List {
        /// Columns before it.
        margin: usize,
        /// Columns of the longest letter.
        widest: usize,
        /// Columns of the sheet.
        columns: usize,
    },
}

/// What an arrow says, in full and with only what matters most.
pub(super) struct Label {
    full: String,
    short: String,
    /// Columns of the shaft that are to be seen beside the full one: a request has it only if there
    /// is plenty of room.
    slack: usize,
}

impl Label {
    /// The label of a message, with marks that are never left out.
    pub(super) fn of(text: &str, marks: &str) -> Self {
        let full = format!("{text}{marks}");
        let is_response = text.starts_with(|c: char| c.is_ascii_digit());
        let short = match text.split_once(' ') {
            // The request URI may go and so may the phrase before a method, what is told in
            // parentheses must not.
            Some((first, rest)) => match rest.find(" (").and_then(|at| rest.get(at..)) {
                Some(told) => format!("{first}{told}{marks}"),
                None if is_response => full.clone(),
                None => format!("{first}{marks}"),
            },
            None => full.clone(),
        };
        Self { full, short, slack: if is_response { 0 } else { 2 } }
    }

    /// A label that is not shortened unless it has to be cut.
    pub(super) fn whole(text: String) -> Self {
        Self { short: text.clone(), full: text, slack: 0 }
    }

    fn fitting(&self, room: usize) -> String {
        let is_roomy = layout::width(&self.full) + self.slack <= room;
        let text = if is_roomy { &self.full } else { &self.short };
        layout::cut(text, room)
    }
}

/// `A` to `Z`, then `AA` and on.
pub(super) fn letter(place: usize) -> String {
    let last = char::from(b'A' + u8::try_from(place % 26).unwrap_or_default());
    match place / 26 {
        0 => last.to_string(),
        more => letter(more - 1) + &last.to_string(),
    }
}

impl Plan {
    /// How parties of these names stand behind a margin on a sheet; a column each only for so many.
    pub(super) fn new(names: &[String], margin: usize, columns: usize, most: usize) -> Self {
        let count = names.len();
        let widest = layout::width(&letter(count.saturating_sub(1)));
        let list = Self::List { margin, widest, columns };
        let gaps = count.saturating_sub(1).max(1);
        if count > most {
            return list;
        }
        let half = names.last().map_or(0, |name| layout::width(name).div_ceil(2));
        let named = (columns.saturating_sub(margin + 1 + half) / gaps).min(SPACING_MAX);
        let fits = heads(names, margin, named).is_some();
        if fits && named >= SPACING_MIN {
            return Self::Columns { margin, spacing: named, count, is_lettered: false, columns };
        }
        let spacing = (columns.saturating_sub(margin + 2) / gaps).min(SPACING_MAX);
        match spacing {
            ..SPACING_MIN => list,
            spacing => Self::Columns { margin, spacing, count, is_lettered: true, columns },
        }
    }

    /// The reader must be told which letter stands for whom.
    pub(super) const fn is_lettered(&self) -> bool {
        match self {
            Self::Columns { is_lettered, .. } => *is_lettered,
            Self::List { .. } => true,
        }
    }

    /// Names or letters above the lifelines.
    pub(super) fn head(&self, names: &[String]) -> Option<Cell> {
        let Self::Columns { margin, spacing, is_lettered, .. } = self else { return None };
        let head = match is_lettered {
            true => {
                let letters: Vec<String> = (0..names.len()).map(letter).collect();
                heads(&letters, *margin, *spacing)
            }
            false => heads(names, *margin, *spacing),
        };
        head.map(|head| Cell::new(Role::Heading, head))
    }

    /// An arrow from one party to the other; `shaft` is what it is made of.
    pub(super) fn arrow(
        &self,
        (from, to): (usize, usize),
        label: &Label,
        shaft: char,
        role: Role,
    ) -> Vec<Cell> {
        let (spacing, count) = match *self {
            Self::List { margin, widest, columns } => {
                let (from, to) = (letter(from), letter(to));
                let room = columns.saturating_sub(margin + 2 * widest + 5);
                let is_whole = layout::width(&label.full) <= room;
                let text = if is_whole { &label.full } else { &label.short };
                let way = format!("{from:>widest$} > {to:<widest$}  {text}");
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
        let line = |length: usize| shaft.to_string().repeat(length);
        let (before, after) = (line(dashes / 2), line(dashes - dashes / 2));
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

    /// How long nothing was sent; stands in the margin.
    pub(super) fn pause(&self, pause: &str) -> Vec<Cell> {
        let (margin, rails) = match *self {
            Self::List { margin, .. } => (margin, String::new()),
            Self::Columns { margin, spacing, count, .. } => {
                (margin, rails(count - 1, spacing).replace('|', ":"))
            }
        };
        let missing = margin.saturating_sub(layout::width(pause) + 2);
        let text = format!("{}{pause}  ", " ".repeat(missing));
        vec![Cell::new(Role::Heading, text), Cell::new(Role::Faint, rails)]
    }

    /// A remark below an arrow, in as many lines as it takes; what no-break spaces join stays
    /// together, and becomes a space.
    pub(super) fn remark(&self, (from, to): (usize, usize), text: &str) -> Vec<Vec<Cell>> {
        match *self {
            Self::List { margin, widest, columns } => {
                // On a narrow sheet it may reach into the margin.
                let before = (margin + 2 * widest + 5).min(columns.saturating_sub(REMARK_MIN));
                let lines = layout::fold(text, columns, before, 0);
                lines.iter().map(|line| remark(line)).collect()
            }
            Self::Columns { margin, spacing, count, columns, .. } => {
                let (left, right) = (from.min(to), from.max(to));
                let inner = ((right - left) * spacing).saturating_sub(1);
                let width = layout::width(text);
                let room = |at: usize| columns.saturating_sub(margin + at + 2);
                let at = left * spacing;
                let (start, room) = match width < inner {
                    true => (at + 1 + ((inner - width) / 2).max(1), width),
                    // Beside the arrow, if it has to run over.
                    false if width <= room(at) || room(at) >= REMARK_MIN => (at + 2, room(at)),
                    false => (2, room(0)),
                };
                let lines = layout::fold(text, room.max(1), 0, 0);
                let over = |line: &String| {
                    let over = over_rails(line, start, count, spacing);
                    remark(&format!("{}{over}", " ".repeat(margin)))
                };
                lines.iter().map(over).collect()
            }
        }
    }
}

fn remark(line: &str) -> Vec<Cell> {
    vec![Cell::new(Role::Faint, line.replace('\u{a0}', " "))]
}

/// The lifelines with text over them.
fn over_rails(text: &str, start: usize, count: usize, spacing: usize) -> String {
    let mut line = String::new();
    let mut column = 0;
    let mut put = |at: usize, text: &str| {
        if at >= column {
            line.push_str(&" ".repeat(at - column));
            line.push_str(text);
            column = at + layout::width(text);
        }
    };
    let rails = || (0..count).map(|place| place * spacing);
    rails().filter(|at| *at + 1 < start).for_each(|at| put(at, "|"));
    put(start, text);
    let end = start + layout::width(text);
    rails().filter(|at| *at >= end).for_each(|at| put(at, "|"));
    line
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
