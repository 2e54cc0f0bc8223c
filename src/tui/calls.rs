//! The list of calls: columns, sorting, the filter that works while it is written, marks.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;

use crate::analysis::CallSummary;
use crate::catalogue::Labels;
use crate::finding::Severity;
use crate::report::layout;
use crate::report::style::Role;
use crate::signaling::Kind;
use crate::tui::canvas::{Canvas, FAINT, HEADING, Line, Look, PLAIN, Piece, mark, piece};
use crate::tui::clock;
use crate::tui::cursor::Cursor;
use crate::tui::input::{Edit, Input};
use crate::tui::query::Query;
use crate::tui::store::{Reading, Store};

/// Calls that the filter looks at before keys are looked at again.
const STEP: usize = 20_000;

/// A column of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Number,
    Time,
    Method,
    From,
    To,
    Source,
    Destination,
    Messages,
    State,
    Status,
    SetUp,
    Talk,
    Finding,
    CallId,
}

/// The columns from left to right, each with its least and its largest width and how early it has
/// to give way.
const COLUMNS: [(Column, usize, usize, u8); 14] = [
    (Column::Number, 3, 7, 0),
    (Column::Time, 8, 12, 1),
    (Column::Method, 7, 9, 2),
    (Column::From, 9, 36, 1),
    (Column::To, 9, 36, 1),
    (Column::Source, 15, 24, 5),
    (Column::Destination, 15, 24, 5),
    (Column::Messages, 4, 6, 3),
    (Column::State, 9, 12, 1),
    (Column::Status, 4, 6, 1),
    (Column::SetUp, 7, 9, 6),
    (Column::Talk, 7, 9, 6),
    (Column::Finding, 8, 44, 2),
    (Column::CallId, 16, 40, 7),
];

/// Columns that the list can be sorted by.
const SORTED_BY: [Column; 11] = [
    Column::Number,
    Column::Method,
    Column::From,
    Column::To,
    Column::Messages,
    Column::State,
    Column::Status,
    Column::SetUp,
    Column::Talk,
    Column::Finding,
    Column::CallId,
];

/// Calls with at least such findings only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Findings {
    #[default]
    Any,
    Warn,
    Error,
}

/// What the list is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Nothing,
    /// The ladder of these calls, or of the conversations that they are part of.
    Ladder {
        calls: Vec<usize>,
        extended: bool,
    },
    /// The messages of this call.
    Raw(usize),
    /// The key is not for the list.
    Other,
}

/// The list.
#[derive(Debug)]
pub(crate) struct Calls {
    cursor: Cursor,
    pub(crate) marks: BTreeSet<usize>,
    pub(crate) filter: String,
    query: Query,
    input: Option<Input>,
    only_invite: bool,
    findings: Findings,
    sort: Column,
    is_reversed: bool,
    /// Places of the calls that are shown.
    shown: Vec<usize>,
    /// Those that fit so far, while the filter is at work.
    fresh: Vec<usize>,
    /// How many of the calls the filter has looked at.
    looked_at: usize,
    /// Columns that the texts of the first calls take, in the order of [`COLUMNS`].
    wanted: [usize; COLUMNS.len()],
}

impl Calls {
    pub(crate) fn new() -> Self {
        Self {
            cursor: Cursor::default(),
            marks: BTreeSet::new(),
            filter: String::new(),
            query: Query::default(),
            input: None,
            only_invite: false,
            findings: Findings::Any,
            sort: Column::Number,
            is_reversed: false,
            shown: Vec::new(),
            fresh: Vec::new(),
            looked_at: 0,
            wanted: [0; COLUMNS.len()],
        }
    }

    /// The chosen call.
    pub(crate) fn chosen(&self) -> Option<usize> {
        self.shown.get(self.cursor.at()).copied()
    }

    pub(crate) fn is_writing(&self) -> bool {
        self.input.is_some()
    }

    /// The filter has not looked at all calls.
    pub(crate) fn is_busy(&self, store: &Store) -> bool {
        self.looked_at < store.order().len()
    }

    /// Looks at all calls anew.
    pub(crate) fn again(&mut self) {
        self.looked_at = 0;
    }

    /// Filters a part of the calls; sorts when it is through, and stays at the chosen one.
    pub(crate) fn step(&mut self, store: &Store, words: Labels) {
        if !self.is_busy(store) {
            return;
        }
        if self.looked_at == 0 {
            self.fresh.clear();
        }
        let end = (self.looked_at + STEP).min(store.order().len());
        let next = store.order().get(self.looked_at..end).unwrap_or_default();
        let fits = |place: &usize| self.fits(store, *place);
        let next: Vec<usize> = next.iter().map(|place| *place as usize).filter(fits).collect();
        self.fresh.extend(next);
        self.looked_at = end;
        if self.is_busy(store) {
            return;
        }
        let chosen = self.chosen();
        self.shown = std::mem::take(&mut self.fresh);
        self.arrange(store, words);
        let at = chosen.and_then(|chosen| self.shown.iter().position(|own| *own == chosen));
        match at {
            // Who has not moved yet stays at the top.
            Some(at) if self.cursor.at() > 0 => self.cursor.set(at),
            _ => self.cursor.clamp(self.shown.len()),
        }
    }

    fn fits(&self, store: &Store, place: usize) -> bool {
        let Some(call) = store.calls.get(place) else { return false };
        if self.only_invite && call.kind != Kind::Call {
            return false;
        }
        let worst = store.worst(place).map(|finding| finding.severity);
        let is_bad = match self.findings {
            Findings::Any => true,
            Findings::Warn => worst >= Some(Severity::Warn),
            Findings::Error => worst >= Some(Severity::Error),
        };
        is_bad && self.query.fits(store, place)
    }

    fn arrange(&mut self, store: &Store, words: Labels) {
        let sort = self.sort;
        if sort != Column::Number {
            let call = |place: &usize| store.calls.get(*place);
            self.shown.sort_by(|a, b| match (call(a), call(b)) {
                (Some(one), Some(other)) => compare(sort, (store, words), (*a, one), (*b, other))
                    .then(store.number(*a).cmp(&store.number(*b))),
                _ => Ordering::Equal,
            });
        }
        if self.is_reversed {
            self.shown.reverse();
        }
        self.wanted = wanted(&self.shown, store, words);
    }

    /// Takes a key.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Asked {
        if let Some(input) = &mut self.input {
            let edit = input.key(key);
            let text = input.text.clone();
            if matches!(edit, Edit::Done | Edit::Cancelled) {
                self.input = None;
            }
            match edit {
                Edit::Changed | Edit::Cancelled => self.filter_by(&text),
                Edit::Nothing => {
                    self.cursor.go(arrow(key.code), self.shown.len());
                }
                Edit::Done => {}
            }
            return Asked::Nothing;
        }
        if self.cursor.go(key.code, self.shown.len()) {
            return Asked::Nothing;
        }
        match key.code {
            KeyCode::Enter | KeyCode::Right => return self.ask(false),
            KeyCode::Char('x') | KeyCode::F(4) => return self.ask(true),
            KeyCode::Char('r') | KeyCode::F(6) => {
                return self.chosen().map_or(Asked::Nothing, Asked::Raw);
            }
            KeyCode::Char(' ') => self.mark(),
            KeyCode::Char('*') => self.mark_all(),
            KeyCode::Char('/') | KeyCode::F(3 | 7) => self.input = Some(Input::of(&self.filter)),
            KeyCode::F(5) | KeyCode::Char('c') => self.clear(),
            KeyCode::Char('i') => self.only_invite = !self.only_invite,
            KeyCode::Char('e') => {
                self.findings = match self.findings {
                    Findings::Any => Findings::Warn,
                    Findings::Warn => Findings::Error,
                    Findings::Error => Findings::Any,
                }
            }
            KeyCode::Char('<') => self.sort_by_next(SORTED_BY.len() - 1),
            KeyCode::Char('>') => self.sort_by_next(1),
            KeyCode::Char('z') => self.is_reversed = !self.is_reversed,
            _ => return Asked::Other,
        }
        if !matches!(key.code, KeyCode::Char(' ' | '*' | '/') | KeyCode::F(3 | 7)) {
            self.again();
        }
        Asked::Nothing
    }

    fn ask(&self, extended: bool) -> Asked {
        let calls: Vec<usize> = match self.marks.is_empty() {
            true => self.chosen().into_iter().collect(),
            false => self.marks.iter().copied().collect(),
        };
        match calls.is_empty() {
            true => Asked::Nothing,
            false => Asked::Ladder { calls, extended },
        }
    }

    fn mark(&mut self) {
        if let Some(call) = self.chosen()
            && !self.marks.remove(&call)
        {
            self.marks.insert(call);
        }
        self.cursor.go(KeyCode::Down, self.shown.len());
    }

    /// Marks all that are shown, or none if all are marked.
    fn mark_all(&mut self) {
        match self.shown.iter().all(|call| self.marks.contains(call)) {
            true => self.shown.iter().for_each(|call| {
                self.marks.remove(call);
            }),
            false => self.marks.extend(&self.shown),
        }
    }

    /// No filter and no marks.
    fn clear(&mut self) {
        self.marks.clear();
        self.only_invite = false;
        self.findings = Findings::Any;
        self.filter_by("");
    }

    /// Shows what fits the text.
    pub(crate) fn filter_by(&mut self, text: &str) {
        text.clone_into(&mut self.filter);
        self.query.set(text);
        self.again();
    }

    fn sort_by_next(&mut self, by: usize) {
        let at = SORTED_BY.iter().position(|own| *own == self.sort).unwrap_or_default();
        self.sort = SORTED_BY.get((at + by) % SORTED_BY.len()).copied().unwrap_or(Column::Number);
    }

    /// Draws the filter, the heads, the calls.
    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect, store: &Store, words: Labels) {
        canvas.line(area, 0, &self.filter_line(store, words));
        let width = usize::from(area.width);
        let columns = self.fitting(width, store, words);
        let mut column = MARKS;
        for (own, wide) in &columns {
            let mut title = head(*own, words).to_owned();
            if *own == self.sort {
                title.insert(0, if self.is_reversed { '▼' } else { '▲' });
            }
            let title = layout::cut(&title, *wide);
            let missing = wide.saturating_sub(layout::width(&title));
            let before = if is_number(*own) { missing } else { 0 };
            let at = u16::try_from(column + before).unwrap_or(u16::MAX);
            canvas.pieces(area, 1, at, &[piece(HEADING, title)]);
            column += wide + 1;
        }
        let room = usize::from(area.height.saturating_sub(2));
        let shown = self.cursor.shown(self.shown.len(), room);
        let first = shown.start;
        for (place, row) in self.shown.get(shown).unwrap_or_default().iter().zip(0..) {
            let line = 2 + row;
            self.draw_call(canvas, (area, line), *place, &columns, (store, words));
            if first + usize::from(row) == self.cursor.at() {
                canvas.choose(area, line);
            }
        }
        if self.shown.is_empty() && !self.is_busy(store) {
            let key = match store.calls.is_empty() {
                true if store.reading == Reading::UnderWay => "browse-no-calls-yet",
                true => "browse-no-calls",
                false => "browse-no-call-fits",
            };
            canvas.line(area, 3, &[piece(FAINT, format!("  {}", words.get(key)))]);
        }
    }

    /// The columns that there is room for, each with its width.
    fn fitting(&self, width: usize, store: &Store, words: Labels) -> Vec<(Column, usize)> {
        let room = width.saturating_sub(MARKS);
        let digits = store.calls.len().to_string().len();
        let mut columns: Vec<(Column, usize, usize, u8)> = Vec::new();
        for ((column, least, most, rank), wanted) in COLUMNS.iter().zip(self.wanted) {
            let title = layout::width(head(*column, words)) + usize::from(*column == self.sort);
            let (least, most) = match column {
                Column::Number => (digits.max(title), digits.max(title)),
                // To the second, or to the millisecond; nothing between.
                Column::Time => (*least, *least),
                _ => (*least, wanted.max(title).clamp(*least, *most)),
            };
            columns.push((*column, least, most, *rank));
        }
        let sum = |columns: &[(Column, usize, usize, u8)]| -> usize {
            columns.iter().map(|(_, least, ..)| least + 1).sum::<usize>().saturating_sub(1)
        };
        while sum(&columns) > room && columns.len() > 1 {
            let last = columns.iter().map(|(.., rank)| *rank).max().unwrap_or_default();
            match columns.iter().rposition(|(.., rank)| *rank == last) {
                Some(at) => columns.remove(at),
                None => break,
            };
        }
        let mut left = room.saturating_sub(sum(&columns));
        // One column after the other gets one more, so that none has all.
        while left > 0 && columns.iter().any(|(_, wide, most, _)| wide < most) {
            for (_, wide, most, _) in &mut columns {
                if wide < most && left > 0 {
                    *wide += 1;
                    left -= 1;
                }
            }
        }
        let millis = TIME_MAX - columns.iter().find(|c| c.0 == Column::Time).map_or(0, |c| c.1);
        let time = |(column, wide, ..): (Column, usize, usize, u8)| match column {
            Column::Time if left >= millis => (column, TIME_MAX),
            _ => (column, wide),
        };
        columns.into_iter().map(time).collect()
    }

    fn filter_line(&self, store: &Store, words: Labels) -> Line {
        let mut line = vec![piece(FAINT, format!("{} ", words.get("browse-filter")))];
        let is_wrong = self.query.problem().is_some();
        match &self.input {
            Some(input) => {
                let look = if is_wrong { Look::Wrong } else { PLAIN };
                line.push(piece(look, input.text.clone()));
                line.push(piece(Look::Hit, " "));
            }
            None if self.filter.is_empty() => {
                line.push(piece(FAINT, words.get("browse-filter-none")));
            }
            None => {
                let look = if is_wrong { Look::Wrong } else { PLAIN };
                line.push(piece(look, self.filter.clone()));
            }
        }
        if let Some(problem) = self.query.problem() {
            line.push(piece(Look::Wrong, format!("  {problem}")));
        }
        let mut notes = Vec::new();
        if self.only_invite {
            notes.push("INVITE".to_owned());
        }
        match self.findings {
            Findings::Any => {}
            Findings::Warn => notes.push(words.get("browse-only-warnings").to_owned()),
            Findings::Error => notes.push(words.get("browse-only-errors").to_owned()),
        }
        if self.shown.len() != store.calls.len() {
            let (shown, all) = (self.shown.len() as u64, store.calls.len() as u64);
            let values = [("shown", &*words.count(shown)), ("all", &words.count(all))];
            notes.push(words.fill("browse-shown-of", &values));
        }
        if !self.marks.is_empty() {
            let count = words.count(self.marks.len() as u64);
            notes.push(words.fill("browse-marked", &[("count", &count)]));
        }
        if !notes.is_empty() {
            line.push(piece(Look::Role(Role::Name), format!("  · {}", notes.join(" · "))));
        }
        line
    }

    fn draw_call(
        &self,
        canvas: &mut Canvas<'_>,
        (area, row): (Rect, u16),
        place: usize,
        columns: &[(Column, usize)],
        (store, words): (&Store, Labels),
    ) {
        let Some(call) = store.calls.get(place) else { return };
        let chosen = if self.marks.contains(&place) { "*" } else { " " };
        let worst = store.worst(place);
        let (look, bad) = match worst {
            Some(finding) => (severity(finding.severity), mark(finding.severity)),
            None => (PLAIN, "  "),
        };
        canvas.line(area, row, &[piece(HEADING, chosen), piece(look, bad)]);
        let mut column = MARKS;
        for (own, wide) in columns {
            let Piece { look, text } = cell(*own, *wide, (place, call), (store, words));
            let text = layout::cut(&text, *wide);
            let missing = wide.saturating_sub(layout::width(&text));
            let before = if is_number(*own) { missing } else { 0 };
            let at = u16::try_from(column + before).unwrap_or(u16::MAX);
            canvas.pieces(area, row, at, &[piece(look, text)]);
            column += wide + 1;
        }
    }
}

/// Calls whose texts decide how wide columns are.
const MEASURED_MAX: usize = 2000;

/// Columns of a time to the millisecond.
const TIME_MAX: usize = 12;

/// Columns of the marks left of the list.
const MARKS: usize = 4;

/// Letters belong to what is written, other keys to the list below.
fn arrow(code: KeyCode) -> KeyCode {
    match code {
        KeyCode::Char(_) | KeyCode::Home | KeyCode::End => KeyCode::Null,
        other => other,
    }
}

pub(crate) fn severity(severity: Severity) -> Look {
    Look::Role(Role::Severity(severity))
}

const fn is_number(column: Column) -> bool {
    matches!(column, Column::Number | Column::Messages | Column::SetUp | Column::Talk)
}

fn head(column: Column, words: Labels) -> &'static str {
    let key = match column {
        Column::Number => "call-number",
        Column::Time => "time",
        Column::Method => "method",
        Column::From => "from",
        Column::To => "to",
        Column::Source => "browse-source",
        Column::Destination => "browse-destination",
        Column::Messages => "browse-messages",
        Column::State => "state",
        Column::Status => "code",
        Column::SetUp => "set-up",
        Column::Talk => "talk",
        Column::Finding => "finding",
        Column::CallId => "browse-call-id",
    };
    words.get(key)
}

/// Columns that the first calls that are shown would take.
fn wanted(shown: &[usize], store: &Store, words: Labels) -> [usize; COLUMNS.len()] {
    let mut wanted = [0; COLUMNS.len()];
    for ((column, _, most, _), own) in COLUMNS.iter().zip(&mut wanted) {
        let calls = shown.iter().take(MEASURED_MAX);
        let calls = calls.filter_map(|place| Some((*place, store.calls.get(*place)?)));
        let text = |call| layout::width(&cell(*column, *most, call, (store, words)).text);
        *own = calls.map(text).max().unwrap_or_default();
    }
    wanted
}

fn cell(
    column: Column,
    width: usize,
    (place, call): (usize, &CallSummary),
    (store, words): (&Store, Labels),
) -> Piece {
    let first = call.transactions.first();
    let span =
        |span: Option<crate::time::Span>| span.map(|span| words.duration(span)).unwrap_or_default();
    match column {
        Column::Number => piece(FAINT, store.number(place).to_string()),
        Column::Time => piece(PLAIN, clock::fitting(call.start, width)),
        Column::Method => piece(PLAIN, method(call)),
        Column::From => piece(PLAIN, uri(call.from_uri.as_deref())),
        Column::To => piece(PLAIN, uri(call.to_uri.as_deref())),
        Column::Source => {
            piece(PLAIN, first.map(|own| store.endpoint(own.client)).unwrap_or_default())
        }
        Column::Destination => {
            piece(PLAIN, first.map(|own| store.endpoint(own.server)).unwrap_or_default())
        }
        Column::Messages => piece(PLAIN, words.count(call.messages)),
        Column::State => piece(fate(call), words.state(call.fate())),
        Column::Status => {
            let status = call.final_status.map(|status| status.to_string());
            piece(fate(call), status.unwrap_or_default())
        }
        Column::SetUp => piece(PLAIN, span(call.pdd)),
        Column::Talk => piece(PLAIN, span(call.talk)),
        Column::Finding => finding(place, width, store),
        Column::CallId => piece(FAINT, call.call_id.clone()),
    }
}

/// The worst finding, in full where there is room, and how many there are beside it.
fn finding(place: usize, width: usize, store: &Store) -> Piece {
    let Some(worst) = store.worst(place) else { return piece(PLAIN, "") };
    let others = store.found(place).len().saturating_sub(1);
    let more = if others > 0 { format!("+{others}") } else { String::new() };
    let code = worst.rule.code;
    let text = match width < 20 {
        true => format!("{code}{more}"),
        false => {
            let title = &store.rule(worst).entry.title;
            let gap = usize::from(!more.is_empty());
            let room = width.saturating_sub(layout::width(&more) + gap);
            let title = layout::cut(&format!("{code} {title}"), room);
            if more.is_empty() { title } else { format!("{title} {more}") }
        }
    };
    piece(severity(worst.severity), text)
}

fn fate(call: &CallSummary) -> Look {
    match call.fate() {
        "failed" | "unanswered" => Look::Failure,
        "busy" | "declined" | "cancelled" | "redirected" => Look::Role(Role::Changed),
        "completed" | "answered" | "succeeded" => Look::Success,
        _ => PLAIN,
    }
}

/// The method of the first transaction, else the kind of the call.
pub(crate) fn method(call: &CallSummary) -> String {
    match call.transactions.first() {
        Some(first) => first.method.clone(),
        None => call.kind.name().to_owned(),
    }
}

/// Without the scheme and the parameters, which tell little in a table.
pub(crate) fn uri(uri: Option<&str>) -> String {
    let uri = uri.unwrap_or_default();
    let rest = ["sip:", "sips:", "tel:"].iter().find_map(|scheme| uri.strip_prefix(scheme));
    rest.unwrap_or(uri).split(';').next().unwrap_or_default().to_owned()
}

fn compare(
    column: Column,
    (store, words): (&Store, Labels),
    (a, one): (usize, &CallSummary),
    (b, other): (usize, &CallSummary),
) -> Ordering {
    match column {
        Column::Number | Column::Time | Column::Source | Column::Destination => Ordering::Equal,
        Column::Method => method(one).cmp(&method(other)),
        Column::From => uri(one.from_uri.as_deref()).cmp(&uri(other.from_uri.as_deref())),
        Column::To => uri(one.to_uri.as_deref()).cmp(&uri(other.to_uri.as_deref())),
        Column::Messages => one.messages.cmp(&other.messages),
        Column::State => words.state(one.fate()).cmp(&words.state(other.fate())),
        Column::Status => one.final_status.cmp(&other.final_status),
        Column::SetUp => one.pdd.cmp(&other.pdd),
        Column::Talk => one.talk.cmp(&other.talk),
        Column::Finding => {
            let worst = |place| store.worst(place).map(|finding| finding.severity);
            worst(b).cmp(&worst(a)).then(store.found(b).len().cmp(&store.found(a).len()))
        }
        Column::CallId => one.call_id.cmp(&other.call_id),
    }
}
