//! The ladder of a call, or of all legs of a conversation, with the chosen message beside it.

use std::cell::Cell;

use crossterm::event::KeyCode;
use ratatui::layout::Rect;

use crate::analysis::Host;
use crate::analysis::flow::{FlowOptions, PartiesBy};
use crate::capture::FrameId;
use crate::catalogue::Labels;
use crate::report::layout;
use crate::report::style::Role;
use crate::sip::Class;
use crate::time::{Span, Time};
use crate::tui::calls::{severity, uri};
use crate::tui::canvas::{Canvas, FAINT, HEADING, Line, Look, PLAIN, columns, mark, piece};
use crate::tui::clock;
use crate::tui::cursor::Cursor;
use crate::tui::message;
use crate::tui::pager::Pager;
use crate::tui::plan::{Plan, Row, What};
use crate::tui::store::Store;

/// Calls in one ladder; more cannot be told apart.
const CALLS_MAX: usize = 16;

/// Columns between two parties: room for `100 Trying`, and no more than the eye can follow.
const SPACING_MIN: usize = 17;
const SPACING_MAX: usize = 44;

/// From so many columns on, the message stands beside the ladder.
const BESIDE_MIN: u16 = 120;

/// A silence that a reader should see.
const PAUSE: Span = Span::from_secs(2);

/// What stands left of the ladder for time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Times {
    #[default]
    SinceStart,
    SinceLast,
    Clock,
}

/// What the ladder asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Nothing,
    /// A message in full: which one of which call.
    Message(usize, usize),
    /// Two messages side by side.
    Compare([(usize, usize); 2]),
    /// All messages, one below the other.
    Raw,
    /// A finding in full.
    Finding(u32),
    /// The key is not for the ladder.
    Other,
}

/// A ladder on the screen.
#[derive(Debug)]
pub(crate) struct Ladder {
    words: Labels,
    /// The calls that were asked for.
    own: Vec<usize>,
    /// Those that are shown: their other legs as well, where these are wanted.
    places: Vec<usize>,
    is_extended: bool,
    options: FlowOptions,
    pub(crate) plan: Plan,
    cursor: Cursor,
    party: usize,
    /// The first party that is shown where not all have room.
    first_party: Cell<usize>,
    times: Times,
    shows_sdp: bool,
    hides_message: bool,
    /// The message that another one is to be compared with.
    marked: Option<(usize, usize)>,
    preview: Pager,
    /// The row that the preview is of.
    previewed: Option<usize>,
}

impl Ladder {
    pub(crate) fn of(store: &Store, mut own: Vec<usize>, extended: bool, words: Labels) -> Self {
        own.truncate(CALLS_MAX);
        let mut ladder = Self {
            words,
            places: own.clone(),
            own,
            is_extended: extended,
            options: FlowOptions::default(),
            plan: Plan::default(),
            cursor: Cursor::default(),
            party: 0,
            first_party: Cell::new(0),
            times: Times::SinceStart,
            shows_sdp: false,
            hides_message: false,
            marked: None,
            preview: Pager::default(),
            previewed: None,
        };
        ladder.refresh(store);
        ladder
    }

    /// Draws up the rows anew, and stays at the chosen one.
    pub(crate) fn refresh(&mut self, store: &Store) {
        let chosen = self.plan.rows.get(self.cursor.at()).map(|row| row.frame);
        self.places.clone_from(&self.own);
        if self.is_extended {
            self.places = self.own.iter().flat_map(|own| store.conversation(*own)).collect();
        }
        self.places.sort_by_key(|place| store.number(*place));
        self.places.dedup();
        self.plan = Plan::of(store, &self.places, &self.options);
        if let Some(at) = chosen.and_then(|frame| self.plan.row_of(frame)) {
            self.cursor.set(at);
        }
        self.cursor.clamp(self.plan.rows.len());
        self.party = self.party.min(self.plan.parties.len().saturating_sub(1));
        self.look(store);
    }

    /// Chooses the row of a frame.
    pub(crate) fn go_to(&mut self, frame: FrameId, store: &Store) {
        if let Some(at) = self.plan.row_of(frame) {
            self.cursor.set(at);
            self.look(store);
        }
    }

    /// The preview is of the chosen row.
    fn look(&mut self, store: &Store) {
        let at = self.cursor.at();
        self.preview = match self.plan.rows.get(at).map(|row| &row.what) {
            Some(What::Message { call, step, .. }) => message::pager(store, *call, *step),
            Some(What::Stream { call, stream }) => {
                message::stream_pager(store, *call, *stream, self.words)
            }
            None => Pager::default(),
        };
        self.previewed = Some(at);
    }

    /// The messages of all rows, in order.
    pub(crate) fn steps(&self) -> Vec<(usize, usize)> {
        let step = |row: &Row| match row.what {
            What::Message { call, step, .. } => Some((call, step)),
            What::Stream { .. } => None,
        };
        self.plan.rows.iter().filter_map(step).collect()
    }

    /// Takes a key.
    pub(crate) fn key(&mut self, code: KeyCode, store: &Store) -> Asked {
        if self.cursor.go(code, self.plan.rows.len()) {
            self.look(store);
            return Asked::Nothing;
        }
        let chosen = self.plan.rows.get(self.cursor.at());
        let message = match chosen.map(|row| &row.what) {
            Some(What::Message { call, step, .. }) => Some((*call, *step)),
            Some(What::Stream { .. }) | None => None,
        };
        match code {
            KeyCode::Enter => {
                return match (message, self.marked.take()) {
                    (Some(other), Some(one)) if one != other => Asked::Compare([one, other]),
                    (Some((call, step)), _) => Asked::Message(call, step),
                    (None, _) => Asked::Nothing,
                };
            }
            KeyCode::Char(' ') => match (message, self.marked.take()) {
                (Some(other), Some(one)) if one != other => return Asked::Compare([one, other]),
                (Some(_), Some(_)) => {}
                (one, None) => self.marked = one,
                (None, marked) => self.marked = marked,
            },
            KeyCode::Char('r') | KeyCode::F(6) => return Asked::Raw,
            KeyCode::Char('f') => {
                let own = self.finding();
                return own.map_or(Asked::Nothing, Asked::Finding);
            }
            KeyCode::Left => self.party = self.party.saturating_sub(1),
            KeyCode::Right => {
                self.party = (self.party + 1).min(self.plan.parties.len().saturating_sub(1));
            }
            KeyCode::Char('t') => self.hides_message = !self.hides_message,
            KeyCode::Char('T') | KeyCode::F(8) => {
                self.times = match self.times {
                    Times::SinceStart => Times::SinceLast,
                    Times::SinceLast => Times::Clock,
                    Times::Clock => Times::SinceStart,
                }
            }
            KeyCode::Char('d') | KeyCode::F(2) => self.shows_sdp = !self.shows_sdp,
            code => return self.key_of_plan(code, store),
        }
        Asked::Nothing
    }

    /// Keys that change what is in the ladder.
    fn key_of_plan(&mut self, code: KeyCode, store: &Store) -> Asked {
        match code {
            KeyCode::Char('m') | KeyCode::F(3) => {
                self.options.without_streams = !self.options.without_streams;
            }
            KeyCode::Char('x') | KeyCode::F(4) => self.is_extended = !self.is_extended,
            KeyCode::Char('s') | KeyCode::F(5) => {
                self.options.parties = match self.options.parties {
                    PartiesBy::Need => PartiesBy::Endpoint,
                    PartiesBy::Endpoint => PartiesBy::Host,
                    PartiesBy::Host => PartiesBy::Need,
                }
            }
            KeyCode::Char('h') => {
                let hosts: Vec<Host> = match self.plan.parties.get(self.party) {
                    // The last two make the ladder.
                    Some(party) if self.plan.parties.len() > 2 => party.hosts.clone(),
                    _ => return Asked::Nothing,
                };
                self.options.hidden.extend(hosts);
            }
            KeyCode::Char('H') => self.options.hidden.clear(),
            _ => return Asked::Other,
        }
        self.refresh(store);
        Asked::Nothing
    }

    /// The finding that is told at the chosen row, else the next one of the ladder.
    fn finding(&self) -> Option<u32> {
        let at = self.cursor.at();
        let after = self.plan.rows.iter().skip(at).chain(self.plan.rows.iter().take(at));
        let told = after.flat_map(|row| &row.findings).chain(&self.plan.unplaced);
        told.copied().next()
    }

    /// Scrolls the message beside the ladder.
    pub(crate) fn scroll(&self, code: KeyCode) {
        self.preview.scroll.go(code);
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect, store: &Store, words: Labels) {
        canvas.line(area, 0, &self.title(store, words));
        let below = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
        let (own, preview) = self.split(below);
        self.draw_ladder(canvas, own, store, words);
        if let Some(preview) = preview {
            match preview.x > own.x {
                true => canvas.divide(below, own.width),
                false => canvas.rule(below, own.height, &self.preview_title(store)),
            }
            self.preview.draw(canvas, preview);
        }
    }

    /// The frame of the message and who sent it to whom.
    fn preview_title(&self, store: &Store) -> String {
        let row = self.plan.rows.get(self.cursor.at());
        let told = row.map(|row| {
            let (from, to) = (store.endpoint(row.ends.0), store.endpoint(row.ends.1));
            format!("{} {} {from} → {to}", store.frame(row.frame), clock::clock(row.time))
        });
        told.unwrap_or_default()
    }

    /// The part of the ladder and that of the message.
    fn split(&self, area: Rect) -> (Rect, Option<Rect>) {
        if self.hides_message || area.height < 10 {
            return (area, None);
        }
        if area.width >= BESIDE_MIN {
            let parties = u16::try_from(self.plan.parties.len()).unwrap_or(u16::MAX);
            let wanted = parties.saturating_sub(1).saturating_mul(30).saturating_add(34);
            let own = wanted.clamp(area.width / 2, area.width * 2 / 3);
            let rest = area.width - own - 2;
            return (
                Rect { width: own, ..area },
                Some(Rect { x: area.x + own + 2, width: rest, ..area }),
            );
        }
        let own = area.height * 3 / 5;
        let rest = area.height - own - 1;
        let preview = Rect { y: area.y + own + 1, height: rest, ..area };
        (Rect { height: own, ..area }, Some(preview))
    }

    fn title(&self, store: &Store, words: Labels) -> Line {
        let Some(base) = self.own.first().copied() else { return Line::new() };
        let Some(call) = store.calls.get(base) else { return Line::new() };
        let (from, to) = (uri(call.from_uri.as_deref()), uri(call.to_uri.as_deref()));
        let numbers = self.own.iter().map(|own| store.number(*own).to_string());
        let number = words.list(&numbers.collect::<Vec<_>>());
        let mut title = vec![
            piece(HEADING, format!("{} {number}", words.get("call"))),
            piece(PLAIN, format!("  {from} → {to}  {}", words.state(call.fate()))),
        ];
        if let Some(status) = call.final_status {
            title.push(piece(PLAIN, format!(" {status}")));
        }
        if self.is_extended {
            let count = words.count(self.places.len() as u64);
            let text = words.fill("browse-extended", &[("count", &count)]);
            title.push(piece(Look::Role(Role::Name), format!("  · {text}")));
        } else if !call.linked.is_empty() {
            let count = words.count(call.linked.len() as u64);
            let text = words.fill("browse-has-legs", &[("count", &count)]);
            title.push(piece(Look::Role(Role::Changed), format!("  · {text}")));
        }
        if self.plan.hidden > 0 {
            let count = words.count(self.plan.hidden as u64);
            let text = words.fill("browse-hidden", &[("count", &count)]);
            title.push(piece(Look::Role(Role::Changed), format!("  · {text}")));
        }
        title.push(piece(FAINT, format!("  {}", call.call_id)));
        title
    }

    fn draw_ladder(&self, canvas: &mut Canvas<'_>, area: Rect, store: &Store, words: Labels) {
        let frame_width = self.plan.rows.iter().map(|row| layout::width(&store.frame(row.frame)));
        let frame_width = frame_width.max().unwrap_or(2).max(2);
        let times = self.time_texts();
        let time_width = times.iter().map(|text| layout::width(text)).max().unwrap_or(6);
        let margin = 2 + frame_width + 1 + time_width + 2;
        let rails = Rails::of(self, usize::from(area.width), margin);
        canvas.pieces(area, 0, 0, &self.heads(&rails, margin));
        let mut lines: Vec<(usize, Line)> = Vec::new();
        let mut before: Option<Time> = None;
        let mut chosen = 0..1;
        for (row, at) in self.plan.rows.iter().zip(0..) {
            if let Some(pause) = before.map(|before| row.time.since(before)).filter(|p| *p >= PAUSE)
            {
                lines.push((at, rails.pause(&words.duration(pause), margin)));
            }
            let end = row.last_repeat.unwrap_or(row.time);
            before = Some(before.map_or(end, |before| before.max(end)));
            let start = lines.len();
            let time = times.get(at).map(String::as_str).unwrap_or_default();
            let left = self.margin(row, (store, frame_width), (time, time_width));
            lines.push((at, left.into_iter().chain(rails.arrow(row)).collect()));
            self.notes(row, words, &mut |text, look| {
                lines.push((at, rails.note(row, &text, look, margin)));
            });
            for own in &row.findings {
                lines.push((at, finding_line(store, *own, margin, words)));
            }
            if at == self.cursor.at() {
                chosen = start..lines.len().min(start + usize::from(area.height));
            }
        }
        for own in &self.plan.unplaced {
            lines.push((usize::MAX, finding_line(store, *own, margin, words)));
        }
        let room = usize::from(area.height.saturating_sub(1));
        let shown = self.cursor.shown_around(chosen.clone(), lines.len(), room);
        for (at, row) in shown.zip(1..) {
            let Some((_, line)) = lines.get(at) else { continue };
            canvas.line(area, row, line);
            if at == chosen.start && !self.plan.rows.is_empty() {
                canvas.choose(area, row);
            }
        }
    }

    /// Frame and time, with a star at what proves a finding and an arrow at what was marked.
    fn margin(
        &self,
        row: &Row,
        (store, frame_width): (&Store, usize),
        (time, time_width): (&str, usize),
    ) -> Line {
        let is_marked = match row.what {
            What::Message { call, step, .. } => self.marked == Some((call, step)),
            What::Stream { .. } => false,
        };
        let sign = match (is_marked, row.is_evidence) {
            (true, _) => "► ",
            (false, true) => "* ",
            (false, false) => "  ",
        };
        let look = if row.is_evidence { Look::Role(Role::Name) } else { FAINT };
        let frame = format!("{:>frame_width$} ", store.frame(row.frame));
        let missing = time_width.saturating_sub(layout::width(time));
        vec![
            piece(HEADING, sign),
            piece(look, frame),
            piece(PLAIN, format!("{}{time}  ", " ".repeat(missing))),
        ]
    }

    fn time_texts(&self) -> Vec<String> {
        let start = self.plan.rows.iter().map(|row| row.time).min();
        let mut before = start;
        let text = |row: &Row| {
            let since = |other: Option<Time>| row.time.since(other.unwrap_or(row.time));
            let text = match self.times {
                Times::SinceStart => clock::relative(since(start)),
                Times::SinceLast => clock::relative(since(before)),
                Times::Clock => clock::clock(row.time),
            };
            before = Some(row.time);
            text
        };
        self.plan.rows.iter().map(text).collect()
    }

    /// What is told below an arrow: repeats, and the session description if it is wanted.
    fn notes(&self, row: &Row, words: Labels, tell: &mut dyn FnMut(String, Look)) {
        if row.repeats > 0
            && let Some(last) = row.last_repeat
        {
            let start = self.plan.rows.iter().map(|row| row.time).min().unwrap_or(row.time);
            let count = words.count(row.repeats as u64);
            let until = clock::relative(last.since(start));
            let values = [("count", &*count), ("time", &until)];
            tell(words.fill("ladder-repeats", &values), FAINT);
        }
        if let Some(sdp) = row.sdp.as_ref().filter(|_| self.shows_sdp) {
            tell(sdp.clone(), Look::Stream);
        }
    }

    /// The names of the parties above their lifelines.
    fn heads(&self, rails: &Rails, margin: usize) -> Line {
        let mut line = Line::new();
        let shown = self.plan.parties.iter().enumerate().skip(rails.first).take(rails.count);
        let mut end = 0;
        for ((place, party), column) in shown.zip(0..) {
            let middle = margin + column * rails.spacing;
            let room = rails.spacing.saturating_sub(1).max(8);
            let name = layout::cut(&party.label, room);
            let start = middle.saturating_sub(layout::width(&name) / 2).max(end);
            let look = if place == self.party { Look::Key } else { HEADING };
            line.push(piece(PLAIN, " ".repeat(start.saturating_sub(columns(&line)))));
            end = start + layout::width(&name) + 1;
            line.push(piece(look, name));
        }
        line
    }
}

fn finding_line(store: &Store, own: u32, margin: usize, words: Labels) -> Line {
    let Some(finding) = store.findings.get(own as usize) else { return Line::new() };
    let look = severity(finding.severity);
    let title = store.rule(finding).entry.title.clone();
    let word = words.severity(finding.severity);
    vec![
        piece(PLAIN, " ".repeat(margin.saturating_sub(3))),
        piece(look, mark(finding.severity)),
        piece(look, format!(" {word} {} {title}", finding.rule.code)),
    ]
}

/// The lifelines that are shown.
struct Rails {
    first: usize,
    count: usize,
    all: usize,
    spacing: usize,
}

impl Rails {
    fn of(ladder: &Ladder, width: usize, margin: usize) -> Self {
        let all = ladder.plan.parties.len();
        let half = ladder.plan.parties.last().map_or(0, |party| layout::width(&party.label) / 2);
        let room = width.saturating_sub(margin + half.min(10) + 1);
        let fitting = (room / SPACING_MIN + 1).min(all).max(1);
        let spacing = match fitting {
            0 | 1 => SPACING_MIN.min(room.max(2)),
            count => (room / (count - 1)).clamp(2, SPACING_MAX),
        };
        let mut first = ladder.first_party.get().min(all.saturating_sub(fitting));
        first = first.min(ladder.party);
        if ladder.party >= first + fitting {
            first = ladder.party + 1 - fitting;
        }
        ladder.first_party.set(first);
        Self { first, count: fitting, all, spacing }
    }

    /// Lifelines from one to another, with space after each.
    fn rails(&self, count: usize) -> String {
        let gap = " ".repeat(self.spacing - 1);
        format!("│{gap}").repeat(count)
    }

    /// The column of a party, or the edge behind which it stands.
    fn column(&self, party: usize) -> usize {
        party.saturating_sub(self.first).min(self.count.saturating_sub(1))
    }

    fn arrow(&self, row: &Row) -> Line {
        let look = look(row);
        let (from, to) = (self.column(row.from), self.column(row.to));
        let (left, right) = (from.min(to), from.max(to));
        let last = self.count.saturating_sub(1);
        if left == right {
            // To itself, or between two that are not shown.
            let room = (last - left) * self.spacing;
            let text = layout::cut(&format!("↔ {}", label(row, room)), room.max(SPACING_MIN));
            return vec![piece(FAINT, format!("{}│", self.rails(left))), piece(look, text)];
        }
        let inner = (right - left) * self.spacing - 1;
        let text = layout::cut(&label(row, inner.saturating_sub(3)), inner.saturating_sub(3));
        let dashes = inner.saturating_sub(layout::width(&text) + 3);
        let shaft = if matches!(row.what, What::Stream { .. }) { "·" } else { "─" };
        let (before, after) = (shaft.repeat(dashes / 2), shaft.repeat(dashes - dashes / 2));
        let text = match from < to {
            true => format!("{before} {text} {after}►"),
            false => format!("◄{before} {text} {after}"),
        };
        let beyond = if self.count < self.all { "┊" } else { "│" };
        let rest = match last - right {
            0 => beyond.to_owned(),
            more => format!("{}{beyond}", self.rails(more)),
        };
        vec![piece(FAINT, format!("{}│", self.rails(left))), piece(look, text), piece(FAINT, rest)]
    }

    /// How long nothing was sent.
    fn pause(&self, pause: &str, margin: usize) -> Line {
        let missing = margin.saturating_sub(layout::width(pause) + 2);
        let rails = format!("{}│", self.rails(self.count.saturating_sub(1)));
        vec![
            piece(HEADING, format!("{}{pause}  ", " ".repeat(missing))),
            piece(FAINT, rails.replace('│', "┊")),
        ]
    }

    /// A remark below an arrow, as wide as there is room right of its left end.
    fn note(&self, row: &Row, text: &str, look: Look, margin: usize) -> Line {
        let (from, to) = (self.column(row.from), self.column(row.to));
        let left = from.min(to);
        let before = format!("{}│", self.rails(left));
        let taken = layout::width(text) + 1;
        let right = (left + 1..self.count).find(|column| (column - left) * self.spacing > taken);
        let mut line = vec![
            piece(PLAIN, " ".repeat(margin)),
            piece(FAINT, before),
            piece(look, format!(" {text}")),
        ];
        if let Some(right) = right {
            let missing = ((right - left) * self.spacing).saturating_sub(taken + 1);
            line.push(piece(PLAIN, " ".repeat(missing)));
            let rest = format!("{}│", self.rails(self.count - 1 - right));
            line.push(piece(FAINT, rest));
        }
        line
    }
}

/// In full only where enough of the arrow is left to see it.
fn label(row: &Row, room: usize) -> String {
    let sdp = if row.sdp.is_some() { " (SDP)" } else { "" };
    let full = format!("{}{sdp}", row.label);
    match layout::width(&full) + 2 <= room {
        true => full,
        false => format!("{}{sdp}", row.short()),
    }
}

fn look(row: &Row) -> Look {
    match (&row.what, row.class()) {
        (What::Stream { .. }, _) => Look::Stream,
        (What::Message { .. }, None) => Look::Request,
        (_, Some(Class::Provisional)) => Look::Provisional,
        (_, Some(Class::Success)) => Look::Success,
        (_, Some(Class::Redirection)) => Look::Role(Role::Changed),
        (_, Some(_)) => Look::Failure,
    }
}
