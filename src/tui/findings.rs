//! Findings: the worst first, those of one cause together, each with the diagnosis of the
//! catalogue.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BTreeMap;

use crossterm::event::KeyCode;
use ratatui::layout::Rect;

use crate::analysis::Host;
use crate::catalogue::{self, Labels};
use crate::finding::{Finding, Severity, Sign};
use crate::report::evidence;
use crate::report::filter::display_filter;
use crate::report::layout;
use crate::report::style::Role;
use crate::sip::Status;
use crate::tui::calls::severity;
use crate::tui::canvas::{Canvas, FAINT, HEADING, Line, Look, NAME, PLAIN, columns, mark, piece};
use crate::tui::clock;
use crate::tui::cursor::{Cursor, Scroll};
use crate::tui::pager::{WIDTH_MIN, item, prose};
use crate::tui::store::Store;

/// From so many columns on, the diagnosis stands beside the list.
const BESIDE_MIN: u16 = 120;

/// The rule that leaves the explanation to the status.
const GENERAL: &str = "final-response";

/// Frames and signs that are named one by one.
const NAMED_MAX: usize = 24;

/// The widest running text.
const PROSE_MAX: usize = 100;

/// What the list asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Nothing,
    /// The ladder of the call with that finding.
    Ladder(u32),
    /// The key is not for the list.
    Other,
}

/// A row of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    /// Several findings of one cause: which group.
    Group(usize),
    /// One finding.
    One { own: u32, is_in_group: bool },
}

/// Findings of one rule on one server with one status.
#[derive(Clone, Debug, Default)]
struct Group {
    findings: Vec<u32>,
    is_open: bool,
}

type Key = (&'static str, Option<Host>, Option<Status>);

/// The list with the diagnosis of the chosen one.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Only those of this call.
    of: Option<usize>,
    groups: Vec<Group>,
    rows: Vec<Row>,
    cursor: Cursor,
    scroll: Scroll,
    /// The diagnosis has the whole screen.
    is_full: bool,
    /// How many findings the rows are made of.
    known: usize,
    /// The diagnosis as it was drawn last: of which finding, how wide.
    told: RefCell<Option<(u32, usize, Vec<Line>)>>,
}

impl Findings {
    /// Those of one call, with this one chosen and in full.
    pub(crate) fn of_call(store: &Store, own: u32) -> Self {
        let finding = store.findings.get(own as usize);
        let call = finding.and_then(|finding| store.place(finding.call_id.as_deref()?));
        let mut findings = Self { of: call, is_full: true, ..Self::default() };
        findings.refresh(store);
        let is_it = |row: &Row| matches!(row, Row::One { own: known, .. } if *known == own);
        if let Some(at) = findings.rows.iter().position(is_it) {
            findings.cursor.set(at);
        }
        findings
    }

    /// Takes in what has come since.
    pub(crate) fn refresh(&mut self, store: &Store) {
        if self.known == store.findings.len() {
            return;
        }
        self.known = store.findings.len();
        let chosen = self.chosen();
        let open: Vec<u32> = self
            .groups
            .iter()
            .filter(|group| group.is_open)
            .filter_map(|group| group.findings.first().copied())
            .collect();
        let mut groups: BTreeMap<Key, Group> = BTreeMap::new();
        let mut single = Vec::new();
        for (finding, own) in store.findings.iter().zip(0u32..) {
            let place = finding.call_id.as_deref().and_then(|call_id| store.place(call_id));
            if self.of.is_some() && self.of != place {
                continue;
            }
            if finding.call_id.is_none() || self.of.is_some() {
                single.push(Group { findings: vec![own], is_open: false });
                continue;
            }
            let server = finding.server.map(|server| server.address);
            let key = (finding.rule.code, server, finding.status());
            groups.entry(key).or_default().findings.push(own);
        }
        self.groups = groups.into_values().chain(single).collect();
        let first = |group: &Group| group.findings.first().copied();
        let rank = |group: &Group| {
            let worst = group.findings.iter().filter_map(|own| store.findings.get(*own as usize));
            let worst = worst.map(|finding| finding.severity).max();
            (Reverse(worst), Reverse(group.findings.len()), first(group))
        };
        self.groups.sort_by_cached_key(rank);
        for group in &mut self.groups {
            group.is_open = first(group).is_some_and(|own| open.contains(&own));
        }
        self.lay_out();
        let at = chosen.and_then(|own| self.row_of(own)).unwrap_or_default();
        self.cursor.set(if self.cursor.at() == 0 { 0 } else { at });
    }

    fn row_of(&self, own: u32) -> Option<usize> {
        self.rows.iter().position(|row| self.first(*row) == Some(own))
    }

    fn lay_out(&mut self) {
        self.rows.clear();
        for (group, at) in self.groups.iter().zip(0..) {
            match group.findings.as_slice() {
                [own] => self.rows.push(Row::One { own: *own, is_in_group: false }),
                all => {
                    self.rows.push(Row::Group(at));
                    if group.is_open {
                        let one = |own: &u32| Row::One { own: *own, is_in_group: true };
                        self.rows.extend(all.iter().map(one));
                    }
                }
            }
        }
        self.cursor.clamp(self.rows.len());
    }

    /// The first finding that a row stands for.
    fn first(&self, row: Row) -> Option<u32> {
        match row {
            Row::One { own, .. } => Some(own),
            Row::Group(at) => self.groups.get(at)?.findings.first().copied(),
        }
    }

    fn chosen(&self) -> Option<u32> {
        self.first(*self.rows.get(self.cursor.at())?)
    }

    /// Takes a key.
    pub(crate) fn key(&mut self, code: KeyCode) -> Asked {
        if self.is_full {
            match code {
                KeyCode::Left | KeyCode::Char('d') if self.of.is_none() => self.is_full = false,
                KeyCode::Char('n' | 'p') => {
                    let to = if code == KeyCode::Char('n') { KeyCode::Down } else { KeyCode::Up };
                    self.cursor.go(to, self.rows.len());
                    self.scroll.reset();
                }
                KeyCode::Enter => return self.chosen().map_or(Asked::Nothing, Asked::Ladder),
                code if self.scroll.go(code) => {}
                _ => return Asked::Other,
            }
            return Asked::Nothing;
        }
        match code {
            KeyCode::PageUp | KeyCode::PageDown => {
                self.scroll.go(code);
            }
            KeyCode::Enter => match self.rows.get(self.cursor.at()) {
                Some(Row::Group(at)) => self.turn(*at),
                Some(Row::One { own, .. }) => return Asked::Ladder(*own),
                None => {}
            },
            KeyCode::Char(' ') => {
                if let Some(Row::Group(at)) = self.rows.get(self.cursor.at()) {
                    self.turn(*at);
                }
            }
            KeyCode::Right | KeyCode::Char('d') if !self.rows.is_empty() => {
                self.is_full = true;
                self.scroll.reset();
            }
            code if self.cursor.go(code, self.rows.len()) => self.scroll.reset(),
            _ => return Asked::Other,
        }
        Asked::Nothing
    }

    /// Back to the list, if the diagnosis has the whole screen.
    pub(crate) fn back(&mut self) -> bool {
        self.of.is_none() && std::mem::take(&mut self.is_full)
    }

    /// Opens a group or closes it.
    fn turn(&mut self, at: usize) {
        if let Some(group) = self.groups.get_mut(at) {
            group.is_open = !group.is_open;
        }
        self.lay_out();
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect, store: &Store, words: Labels) {
        if self.rows.is_empty() {
            let key = match store.reading {
                crate::tui::store::Reading::UnderWay => "browse-no-findings-yet",
                _ => "no-findings",
            };
            canvas.line(area, 1, &[piece(FAINT, format!("  {}", words.get(key)))]);
            return;
        }
        if self.is_full {
            self.draw_diagnosis(canvas, area, store, words);
            return;
        }
        let (list, rest) = if area.width >= BESIDE_MIN {
            let own = area.width * 2 / 5;
            canvas.divide(area, own);
            let rest = Rect { x: area.x + own + 2, width: area.width - own - 2, ..area };
            (Rect { width: own, ..area }, rest)
        } else {
            let rows = u16::try_from(self.rows.len()).unwrap_or(u16::MAX);
            let own = rows.clamp(1, (area.height * 2 / 5).max(1));
            canvas.rule(area, own, words.get("diagnosis"));
            let height = area.height.saturating_sub(own + 1);
            (Rect { height: own, ..area }, Rect { y: area.y + own + 1, height, ..area })
        };
        let shown = self.cursor.shown(self.rows.len(), usize::from(list.height));
        let first = shown.start;
        for (row, at) in self.rows.get(shown).unwrap_or_default().iter().zip(0..) {
            let line = self.row_line(*row, usize::from(list.width), store, words);
            match first + usize::from(at) == self.cursor.at() {
                true => canvas.chosen_line(list, at, &line),
                false => canvas.line(list, at, &line),
            }
        }
        self.draw_diagnosis(canvas, rest, store, words);
    }

    fn row_line(&self, row: Row, width: usize, store: &Store, words: Labels) -> Line {
        let Some(own) = self.first(row) else { return Line::new() };
        let Some(finding) = store.findings.get(own as usize) else { return Line::new() };
        let look = severity(finding.severity);
        let title = store.rule(finding).entry.title.clone();
        let (before, rest) = match row {
            Row::Group(at) => {
                let group = self.groups.get(at);
                let sign = if group.is_some_and(|group| group.is_open) { "▼ " } else { "▸ " };
                let count = group.map_or(0, |group| group.findings.len()) as u64;
                let server = finding.server.map(|server| store.host(server.address));
                let status = finding.status().map(|status| status.to_string());
                let parts = [Some(format!("×{}", words.count(count))), status, server];
                (sign, parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
            }
            Row::One { is_in_group, .. } => {
                let sign = if is_in_group { "    " } else { "  " };
                let place = finding.call_id.as_deref().and_then(|id| store.place(id));
                let call = place.map(|at| format!("{} {}", words.get("call"), store.number(at)));
                let status = finding.status().map(|status| status.to_string());
                let frame = finding.frames.first().map(|frame| store.frame(*frame));
                (sign, [call, frame, status].into_iter().flatten().collect::<Vec<_>>().join(" "))
            }
        };
        let mut line = vec![
            piece(PLAIN, before),
            piece(look, mark(finding.severity)),
            piece(look, format!(" {:<5} ", words.severity(finding.severity))),
            piece(NAME, format!("{} ", finding.rule.code)),
        ];
        let room = width.saturating_sub(columns(&line) + layout::width(&rest) + 2);
        let title = layout::cut(&title, room);
        let missing = room.saturating_sub(layout::width(&title));
        line.push(piece(PLAIN, title));
        line.push(piece(FAINT, format!("{}  {rest}", " ".repeat(missing))));
        line
    }

    fn draw_diagnosis(&self, canvas: &mut Canvas<'_>, area: Rect, store: &Store, words: Labels) {
        let Some(own) = self.chosen() else { return };
        let width = usize::from(area.width);
        let mut told = self.told.borrow_mut();
        if !matches!(&*told, Some((known, wide, _)) if (*known, *wide) == (own, width)) {
            let finding = store.findings.get(own as usize);
            let lines = finding.map(|finding| diagnosis(finding, width, store, words));
            *told = Some((own, width, lines.unwrap_or_default()));
        }
        let Some((_, _, lines)) = &*told else { return };
        let shown = self.scroll.shown(lines.len(), usize::from(area.height));
        let is_cut = shown.end < lines.len();
        for (line, row) in lines.get(shown).unwrap_or_default().iter().zip(0..) {
            canvas.line(area, row, line);
        }
        if is_cut && area.height > 0 {
            let at = area.width.saturating_sub(2);
            canvas.pieces(area, area.height - 1, at, &[piece(NAME, " ▼")]);
        }
    }
}

/// A finding in full: message, facts, what happened, causes, advice.
pub(crate) fn diagnosis(
    finding: &Finding,
    width: usize,
    store: &Store,
    words: Labels,
) -> Vec<Line> {
    let width = width.min(PROSE_MAX);
    let rule = store.rule(finding);
    let look = severity(finding.severity);
    let word = words.severity(finding.severity).to_uppercase();
    let mut lines = vec![vec![
        piece(look, format!("{} {word} ", mark(finding.severity).trim_end())),
        piece(NAME, format!("{} ", rule.code)),
        piece(HEADING, rule.entry.title.clone()),
    ]];
    lines.extend(prose(PLAIN, &evidence::message(finding, &rule, words), width, 2));
    lines.push(Line::new());
    lines.extend(facts(&told_facts(finding, store, words), width));
    let heading = |key: &str| vec![piece(HEADING, words.get(key).to_owned())];
    lines.extend(signs(finding, width, store, words));
    lines.push(Line::new());
    lines.push(heading("what-happened"));
    lines.extend(prose(PLAIN, &rule.entry.what, width, 2));
    lines.push(heading("why-it-matters"));
    lines.extend(prose(PLAIN, &rule.entry.why, width, 2));
    lines.push(heading("likely-causes"));
    for cause in &rule.entry.causes {
        lines.extend(item(PLAIN, "- ", cause, width, 2));
    }
    lines.push(heading("what-to-do"));
    for (action, number) in rule.entry.actions.iter().zip(1..) {
        lines.extend(item(PLAIN, &format!("{number}. "), action, width, 2));
    }
    for status in &finding.statuses {
        let text = catalogue::status(status.code(), words.lang());
        let title = format!("{} {}", status.code(), text.phrase);
        lines.push(vec![piece(HEADING, title.trim_end())]);
        lines.extend(prose(PLAIN, &text.description, width, 2));
        if finding.rule.name == GENERAL && status.code() >= 300 {
            lines.push(vec![piece(FAINT, format!("  {}", words.get("how-to-fix")))]);
            lines.extend(prose(PLAIN, &text.fix, width, 4));
        }
    }
    if !rule.entry.references.is_empty() {
        let references = words.list(&rule.entry.references);
        let text = words.pair(words.get("references"), &references);
        lines.extend(prose(FAINT, &text, width, 0));
    }
    lines
}

fn told_facts(finding: &Finding, store: &Store, words: Labels) -> Vec<(String, String)> {
    let rule = store.rule(finding);
    let mut facts: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: String| facts.push((name.to_owned(), value));
    if let Some(call_id) = &finding.call_id {
        let number = store.place(call_id).map(|place| format!("{}  ", store.number(place)));
        add(words.get("call"), format!("{}{call_id}", number.unwrap_or_default()));
    }
    match (finding.client, finding.server) {
        (Some(client), Some(server)) => {
            let ends = format!("{} > {}", store.endpoint(client), store.endpoint(server));
            add(words.get("client-to-server"), ends);
        }
        (Some(client), None) => add(words.get("client"), store.endpoint(client)),
        (None, Some(server)) => add(words.get("server"), store.endpoint(server)),
        (None, None) => {}
    }
    if let Some(time) = finding.time {
        add(words.get("time"), clock::full(time));
    }
    for (name, value) in &finding.evidence {
        if !rule.entry.message.contains(&format!("{{{name}}}")) {
            add(&capitalised(words.evidence(name)), evidence::explained(name, value, words));
        }
    }
    let frames = finding.frames.iter().take(NAMED_MAX).map(|frame| store.frame(*frame));
    let mut frames: Vec<String> = frames.collect();
    if finding.frames.len() > NAMED_MAX {
        let more = words.count((finding.frames.len() - NAMED_MAX) as u64);
        frames.push(words.fill("and-more", &[("count", &more)]));
    }
    if !frames.is_empty() {
        add(words.get("frames"), frames.join(" "));
    }
    for linked in &finding.linked {
        add(words.get("linked-call"), linked.call_id.clone());
    }
    add(words.get("confidence"), words.confidence(finding.confidence).to_owned());
    if let Some(filter) = display_filter(finding) {
        add(words.get("wireshark"), filter);
    }
    facts
}

/// As it begins a line.
fn capitalised(name: String) -> String {
    let mut letters = name.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => name,
    }
}

/// Names with their values in two columns.
pub(crate) fn facts(facts: &[(String, String)], width: usize) -> Vec<Line> {
    let widest = facts.iter().map(|(name, _)| layout::width(name)).max().unwrap_or_default();
    let widest = widest.min(width * 2 / 5);
    let mut lines = Vec::new();
    for (name, value) in facts {
        let name = layout::pad(&layout::cut(name, widest), widest);
        let room = width.max(widest + 4 + WIDTH_MIN);
        for (at, folded) in layout::fold(value, room, widest + 4, 0).iter().enumerate() {
            let before = match at {
                0 => format!("  {name}  "),
                _ => " ".repeat(widest + 4),
            };
            let text = folded.trim_start_matches(' ');
            lines.push(vec![piece(FAINT, before), piece(PLAIN, text)]);
        }
    }
    lines
}

/// Where else the fault was seen.
fn signs(finding: &Finding, width: usize, store: &Store, words: Labels) -> Vec<Line> {
    let mut lines = Vec::new();
    let lists = [("propagated", &finding.propagated), ("related", &finding.related)];
    for (key, signs) in lists {
        if signs.is_empty() {
            continue;
        }
        lines.push(vec![piece(HEADING, words.get(key).to_owned())]);
        for sign in signs.iter().take(NAMED_MAX) {
            lines.extend(item(PLAIN, "- ", &sign_text(sign, store, words), width, 2));
        }
    }
    lines
}

fn sign_text(sign: &Sign, store: &Store, words: Labels) -> String {
    let place = sign.call_id.as_deref().and_then(|call_id| store.place(call_id));
    let call = place.map(|place| format!("{} {}", words.get("call"), store.number(place)));
    let ends = match (sign.client, sign.server) {
        (Some(client), Some(server)) => {
            Some(format!("{} > {}", store.endpoint(client), store.endpoint(server)))
        }
        (Some(end), None) | (None, Some(end)) => Some(store.endpoint(end)),
        (None, None) => None,
    };
    let status = sign.status.map(|status| status.to_string());
    let frames = sign.frames.iter().take(NAMED_MAX).map(|frame| store.frame(*frame));
    let frames = Some(frames.collect::<Vec<_>>().join(" "));
    let parts = [call, ends, status, Some(sign.rule.to_owned()), frames];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

/// `!! 4  ! 2  i 1` in words.
pub(crate) fn counts(store: &Store, words: Labels) -> Line {
    let mut line = Line::new();
    for own in [Severity::Error, Severity::Warn, Severity::Info] {
        let count = store.count(own) as u64;
        let key = match own {
            Severity::Error => "errors",
            Severity::Warn => "warnings",
            Severity::Info => "notes",
        };
        let look = if count > 0 { severity(own) } else { Look::Role(Role::Faint) };
        line.push(piece(look, format!("{}  ", words.pair(words.get(key), &words.count(count)))));
    }
    line
}
