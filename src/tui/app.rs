//! The browser as a state machine: keys and news come in, commands go out, and it is drawn.
//!
//! Knows no terminal, no thread and no clock, so that everything about it can be tested.

use std::collections::{BTreeMap, BTreeSet};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::analysis::Host;
use crate::capture::FrameId;
use crate::catalogue::{Labels, Lang, labels};
use crate::tui::calls::{self, Calls};
use crate::tui::canvas::{Canvas, Look, Piece, Theme, columns, piece};
use crate::tui::cursor::Scroll;
use crate::tui::difference::Difference;
use crate::tui::figures::Figures;
use crate::tui::findings::{self, Findings};
use crate::tui::help;
use crate::tui::ladder::{self, Ladder};
use crate::tui::message::{self, TextPage};
use crate::tui::store::{News, Reading, Store};
use crate::tui::streams::{self, Streams};

/// Views on top of each other; more than anybody opens.
const VIEWS_MAX: usize = 32;

/// Characters of pasted text that are taken.
const PASTED_MAX: usize = 400;

/// What the program must do, because the browser cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Nothing.
    None,
    /// Read the messages of these calls again; so many of each are known.
    Load(BTreeMap<String, u64>),
    /// Draw the whole screen anew.
    Redraw,
    /// Go to the background.
    Suspend,
    /// End.
    Quit,
}

/// How the browser is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The language of its words.
    pub lang: Lang,
    /// What the terminal can show.
    pub theme: Theme,
    /// What is read, as the top line names it.
    pub name: String,
    /// There are several captures.
    pub is_several: bool,
    /// Bytes that will be read, if that is known.
    pub bytes: Option<u64>,
    /// Names of hosts.
    pub hosts: BTreeMap<Host, String>,
    /// What the list of calls is filtered by at first.
    pub filter: String,
}

/// One of the pages that are always there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    Calls,
    Findings,
    Streams,
    Figures,
}

const PAGES: [Page; 4] = [Page::Calls, Page::Findings, Page::Streams, Page::Figures];

/// What lies on top of a page.
#[derive(Debug)]
enum View {
    Ladder(Box<Ladder>),
    Text(Box<TextPage>),
    Difference(Box<Difference>),
    Findings(Box<Findings>),
    Help(Scroll),
}

/// The browser.
#[derive(Debug)]
pub struct App {
    setup: Setup,
    words: Labels,
    store: Store,
    page: Page,
    calls: Calls,
    findings: Findings,
    streams: Streams,
    figures: Figures,
    views: Vec<View>,
    /// Calls whose messages are being read again.
    loading: BTreeSet<String>,
    /// A line for the user, until the next key.
    notice: Option<String>,
    bytes: u64,
    ticks: usize,
}

impl App {
    /// Nothing read yet.
    pub fn new(setup: Setup) -> Self {
        let mut calls = Calls::new();
        calls.filter_by(&setup.filter);
        Self {
            words: labels(setup.lang),
            store: Store::new(setup.lang, setup.is_several, setup.hosts.clone()),
            setup,
            page: Page::Calls,
            calls,
            findings: Findings::default(),
            streams: Streams::default(),
            figures: Figures::default(),
            views: Vec::new(),
            loading: BTreeSet::new(),
            notice: None,
            bytes: 0,
            ticks: 0,
        }
    }

    /// Takes what the reader tells.
    pub fn news(&mut self, news: News) {
        match news {
            News::Batch(batch) => self.store.add(batch),
            News::Done(analysis) => {
                self.store.finish(analysis);
                self.refresh_ladders();
            }
            News::Failed(why) => {
                self.store.reading = Reading::Failed(why);
                return;
            }
            News::Loaded(calls) => {
                for call in &calls {
                    self.loading.remove(&call.call_id);
                }
                if !self.store.complete(calls) {
                    self.not_loaded();
                }
                self.refresh_ladders();
                return;
            }
            News::NotLoaded => {
                self.not_loaded();
                return;
            }
        }
        self.calls.again();
        self.refresh_page();
    }

    /// The page that is shown takes in what has come; the others do when they are turned to.
    fn refresh_page(&mut self) {
        match self.page {
            Page::Findings => self.findings.refresh(&self.store),
            Page::Streams => self.streams.refresh(&self.store),
            Page::Calls | Page::Figures => {}
        }
    }

    fn not_loaded(&mut self) {
        self.loading.clear();
        self.notice = Some(self.words.get("browse-not-loaded").to_owned());
    }

    fn refresh_ladders(&mut self) {
        for view in &mut self.views {
            match view {
                View::Ladder(ladder) => ladder.refresh(&self.store),
                View::Findings(findings) => findings.refresh(&self.store),
                View::Text(_) | View::Difference(_) | View::Help(_) => {}
            }
        }
    }

    /// So many bytes have been read.
    pub fn progress(&mut self, bytes: u64) {
        self.bytes = bytes;
    }

    /// A moment passed: long work goes on for a bit. True if the screen has to be drawn anew.
    pub fn tick(&mut self) -> bool {
        self.ticks = self.ticks.wrapping_add(1);
        let was_busy = self.calls.is_busy(&self.store);
        self.calls.step(&self.store, self.words);
        was_busy || self.store.reading == Reading::UnderWay || !self.loading.is_empty()
    }

    /// There is work that need not wait for the next moment.
    pub fn is_busy(&self) -> bool {
        self.calls.is_busy(&self.store)
    }

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent) -> Command {
        self.notice = None;
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            match key.code {
                KeyCode::Char('c') => return Command::Quit,
                KeyCode::Char('l') => return Command::Redraw,
                KeyCode::Char('z') => return Command::Suspend,
                _ => {}
            }
        }
        let command = match self.views.pop() {
            Some(view) => self.key_of_view(key, view),
            None => self.key_of_page(key),
        };
        self.refresh_page();
        self.calls.step(&self.store, self.words);
        command
    }

    /// Takes text that was pasted, where the user writes.
    pub fn paste(&mut self, text: &str) -> Command {
        let is_writing = match self.views.last() {
            Some(View::Text(page)) => page.is_writing(),
            Some(_) => false,
            None => self.page == Page::Calls && self.calls.is_writing(),
        };
        if is_writing {
            for c in text.chars().filter(|c| !c.is_control()).take(PASTED_MAX) {
                self.key(KeyCode::Char(c).into());
            }
        }
        Command::None
    }

    fn key_of_view(&mut self, key: KeyEvent, view: View) -> Command {
        match view {
            View::Ladder(ladder) => self.key_of_ladder(key, ladder),
            View::Text(page) => self.key_of_text(key, page),
            View::Difference(difference) => {
                let is_own = difference.key(key.code);
                self.put_back(View::Difference(difference), key, is_own)
            }
            View::Findings(mut findings) => match findings.key(key.code) {
                findings::Asked::Ladder(own) => {
                    // The ladder that it was asked for from lies below.
                    self.go_to_finding(own)
                }
                findings::Asked::Nothing => self.put_back(View::Findings(findings), key, true),
                findings::Asked::Other => self.put_back(View::Findings(findings), key, false),
            },
            View::Help(scroll) => {
                let is_own = scroll.go(key.code);
                self.put_back(View::Help(scroll), key, is_own)
            }
        }
    }

    /// The view stays, unless the key was none of its own and leads back or elsewhere.
    fn put_back(&mut self, view: View, key: KeyEvent, is_own: bool) -> Command {
        if is_own {
            self.views.push(view);
            return Command::None;
        }
        match key.code {
            KeyCode::Esc | KeyCode::Char('q') | KeyCode::Backspace => {}
            KeyCode::F(1) | KeyCode::Char('?') if !matches!(view, View::Help(_)) => {
                self.views.push(view);
                self.open(View::Help(Scroll::default()));
            }
            _ => self.views.push(view),
        }
        Command::None
    }

    fn open(&mut self, view: View) {
        if self.views.len() < VIEWS_MAX {
            self.views.push(view);
        }
    }

    fn key_of_page(&mut self, key: KeyEvent) -> Command {
        match self.page {
            Page::Calls => match self.calls.key(key) {
                calls::Asked::Nothing => return Command::None,
                calls::Asked::Ladder { calls, extended } => {
                    return self.open_ladder(calls, extended, None);
                }
                calls::Asked::Raw(call) => {
                    let command = self.open_ladder(vec![call], false, None);
                    if command == Command::None {
                        self.open_raw();
                    }
                    return command;
                }
                calls::Asked::Other => {}
            },
            Page::Findings => match self.findings.key(key.code) {
                findings::Asked::Nothing => return Command::None,
                findings::Asked::Ladder(own) => return self.go_to_finding(own),
                findings::Asked::Other => {}
            },
            Page::Streams => match self.streams.key(key.code, &self.store) {
                streams::Asked::Nothing => return Command::None,
                streams::Asked::Ladder(call, frame) => {
                    return self.open_ladder(vec![call], false, Some(frame));
                }
                streams::Asked::Other => {}
            },
            Page::Figures if self.figures.key(key.code) => return Command::None,
            Page::Figures => {}
        }
        self.key_of_all(key)
    }

    /// Keys that mean the same on all pages.
    fn key_of_all(&mut self, key: KeyEvent) -> Command {
        let at = PAGES.iter().position(|page| *page == self.page).unwrap_or_default();
        let turn = |by: usize| PAGES.get((at + by) % PAGES.len()).copied().unwrap_or(Page::Calls);
        match key.code {
            KeyCode::Char('1') => self.page = Page::Calls,
            KeyCode::Char('2' | 'f') => self.page = Page::Findings,
            KeyCode::Char('3') => self.page = Page::Streams,
            KeyCode::Char('4') => self.page = Page::Figures,
            KeyCode::Tab => self.page = turn(1),
            KeyCode::BackTab => self.page = turn(PAGES.len() - 1),
            KeyCode::F(1) | KeyCode::Char('?') => self.open(View::Help(Scroll::default())),
            KeyCode::Char('q') => return Command::Quit,
            KeyCode::Esc => match self.page {
                Page::Calls => return Command::Quit,
                Page::Findings if self.findings.back() => {}
                Page::Findings | Page::Streams | Page::Figures => self.page = Page::Calls,
            },
            _ => {}
        }
        Command::None
    }

    fn key_of_ladder(&mut self, key: KeyEvent, mut ladder: Box<Ladder>) -> Command {
        match key.code {
            KeyCode::Char('J') => {
                ladder.scroll(KeyCode::Down);
                return self.put_back(View::Ladder(ladder), key, true);
            }
            KeyCode::Char('K') => {
                ladder.scroll(KeyCode::Up);
                return self.put_back(View::Ladder(ladder), key, true);
            }
            _ => {}
        }
        let asked = ladder.key(key.code, &self.store);
        let load = self.load(&ladder.plan.missing);
        match asked {
            ladder::Asked::Other => return self.put_back(View::Ladder(ladder), key, false),
            ladder::Asked::Nothing => self.views.push(View::Ladder(ladder)),
            ladder::Asked::Raw => {
                self.views.push(View::Ladder(ladder));
                self.open_raw();
            }
            ladder::Asked::Message(call, step) => {
                self.views.push(View::Ladder(ladder));
                self.open(View::Text(Box::new(TextPage::message(&self.store, call, step))));
            }
            ladder::Asked::Compare(messages) => {
                self.views.push(View::Ladder(ladder));
                self.open(View::Difference(Box::new(Difference::of(&self.store, messages))));
            }
            ladder::Asked::Finding(own) => {
                self.views.push(View::Ladder(ladder));
                self.open(View::Findings(Box::new(Findings::of_call(&self.store, own))));
            }
        }
        load
    }

    fn key_of_text(&mut self, key: KeyEvent, mut page: Box<TextPage>) -> Command {
        match page.key(key) {
            message::Asked::Nothing => self.put_back(View::Text(page), key, true),
            message::Asked::Other => self.put_back(View::Text(page), key, false),
            message::Asked::Turn(is_next) => {
                let other = page.of.and_then(|own| self.beside(own, is_next));
                if let Some((call, step)) = other {
                    let next = TextPage::message(&self.store, call, step).with_search_of(&page);
                    page = Box::new(next);
                }
                self.put_back(View::Text(page), key, true)
            }
        }
    }

    /// The message after or before one in the ladder below; the ladder goes with it.
    fn beside(&mut self, own: (usize, usize), is_next: bool) -> Option<(usize, usize)> {
        let Some(View::Ladder(ladder)) = self.views.last_mut() else { return None };
        let steps = ladder.steps();
        let at = steps.iter().position(|step| *step == own)?;
        let to = if is_next { at + 1 } else { at.checked_sub(1)? };
        let (call, step) = *steps.get(to)?;
        let frame = self.store.calls.get(call)?.transcript.get(step)?.frame;
        ladder.go_to(frame, &self.store);
        Some((call, step))
    }

    fn open_raw(&mut self) {
        let Some(View::Ladder(ladder)) = self.views.last() else { return };
        let title = self.words.get("browse-raw").to_owned();
        let page = TextPage::raw(&self.store, &ladder.steps(), title);
        self.open(View::Text(Box::new(page)));
    }

    fn go_to_finding(&mut self, own: u32) -> Command {
        let Some(finding) = self.store.findings.get(own as usize) else { return Command::None };
        let frame = finding.frames.first().copied();
        let call = finding.call_id.as_deref().and_then(|call_id| self.store.place(call_id));
        // Coming from a ladder, go back to it.
        if let (Some(View::Ladder(ladder)), Some(frame)) = (self.views.last_mut(), frame) {
            ladder.go_to(frame, &self.store);
            return Command::None;
        }
        match call {
            Some(call) => self.open_ladder(vec![call], false, frame),
            None => {
                self.notice = Some(self.words.get("browse-no-call-of-finding").to_owned());
                Command::None
            }
        }
    }

    fn open_ladder(
        &mut self,
        calls: Vec<usize>,
        extended: bool,
        frame: Option<FrameId>,
    ) -> Command {
        let mut ladder = Ladder::of(&self.store, calls, extended, self.words);
        if let Some(frame) = frame {
            ladder.go_to(frame, &self.store);
        }
        let missing = ladder.plan.missing.clone();
        self.open(View::Ladder(Box::new(ladder)));
        self.load(&missing)
    }

    /// Asks for messages that were not kept, unless somebody did.
    fn load(&mut self, places: &[usize]) -> Command {
        let calls = places.iter().filter_map(|place| self.store.calls.get(*place));
        let wanted: BTreeMap<String, u64> = calls
            .filter(|call| !self.loading.contains(&call.call_id))
            .map(|call| (call.call_id.clone(), call.messages))
            .collect();
        if wanted.is_empty() {
            return Command::None;
        }
        self.loading.extend(wanted.keys().cloned());
        Command::Load(wanted)
    }
}

impl App {
    /// Draws everything.
    pub fn draw(&self, buffer: &mut Buffer) {
        let area = buffer.area;
        let mut canvas = Canvas::new(buffer, self.setup.theme);
        if area.height == 0 || area.width == 0 {
            return;
        }
        self.draw_top(&mut canvas, area);
        let last = area.height - 1;
        if last > 0 {
            self.draw_bottom(&mut canvas, Rect { y: area.y + last, height: 1, ..area });
        }
        let room = area.height.saturating_sub(2);
        let middle = Rect { y: area.y + 1, height: room, ..area };
        if room == 0 {
            return;
        }
        let (store, words) = (&self.store, self.words);
        match self.views.last() {
            Some(View::Ladder(ladder)) => ladder.draw(&mut canvas, middle, store, words),
            Some(View::Text(page)) => page.draw(&mut canvas, middle, words),
            Some(View::Difference(difference)) => difference.draw(&mut canvas, middle),
            Some(View::Findings(findings)) => findings.draw(&mut canvas, middle, store, words),
            Some(View::Help(scroll)) => {
                let lines = help::lines(words, usize::from(middle.width));
                let shown = scroll.shown(lines.len(), usize::from(room));
                for (line, row) in lines.get(shown).unwrap_or_default().iter().zip(0..) {
                    canvas.line(middle, row, line);
                }
            }
            None => match self.page {
                Page::Calls => self.calls.draw(&mut canvas, middle, store, words),
                Page::Findings => self.findings.draw(&mut canvas, middle, store, words),
                Page::Streams => self.streams.draw(&mut canvas, middle, store, words),
                Page::Figures => self.figures.draw(&mut canvas, middle, store, words),
            },
        }
    }

    /// The pages, and how far the reading is.
    fn draw_top(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let mut left = vec![piece(Look::Bar, " ")];
        for (page, number) in PAGES.iter().zip(1..) {
            let is_open = *page == self.page;
            let look = if is_open { Look::Key } else { Look::Bar };
            left.push(piece(look, format!(" {number} {} ", self.page_name(*page))));
        }
        let right = [piece(Look::Bar, format!(" {} ", self.reading()))];
        let room = usize::from(area.width).saturating_sub(columns(&left) + columns(&right) + 2);
        let name = crate::report::layout::cut(&self.setup.name, room);
        if room > 4 {
            left.push(piece(Look::Bar, format!("  {name}")));
        }
        canvas.bar(area, 0, &left, &right);
    }

    fn page_name(&self, page: Page) -> String {
        let words = self.words;
        let (key, count) = match page {
            Page::Calls => ("calls", Some(self.store.calls.len())),
            Page::Findings => ("findings", Some(self.store.findings.len())),
            Page::Streams => ("browse-streams", Some(self.store.streams())),
            Page::Figures => ("browse-figures", None),
        };
        match count {
            Some(count) => format!("{} {}", words.get(key), words.count(count as u64)),
            None => words.get(key).to_owned(),
        }
    }

    /// `63 %`, `412 MB` where the end is not known, nothing when all is read.
    fn reading(&self) -> String {
        const SPINNER: [char; 4] = ['|', '/', '-', '\\'];
        let turn = SPINNER.get(self.ticks / 4 % SPINNER.len()).copied().unwrap_or('|');
        match (&self.store.reading, self.setup.bytes) {
            (Reading::Failed(_), _) => self.words.get("browse-broken-off").to_owned(),
            (Reading::Done, _) => self.words.get("browse-read").to_owned(),
            (Reading::UnderWay, Some(all)) if all > 0 => {
                let percent = (self.bytes.saturating_mul(100) / all).min(100);
                format!("{turn} {percent} %")
            }
            (Reading::UnderWay, _) => format!("{turn} {} MB", self.bytes >> 20),
        }
    }

    /// A notice, else the keys that matter here.
    fn draw_bottom(&self, canvas: &mut Canvas<'_>, area: Rect) {
        if let Some(notice) = &self.notice {
            canvas.bar(area, 0, &[piece(Look::Hit, format!(" {notice} "))], &[]);
            return;
        }
        if let Reading::Failed(why) = &self.store.reading {
            canvas.bar(area, 0, &[piece(Look::Hit, format!(" {why} "))], &[]);
            return;
        }
        if !self.loading.is_empty() {
            let text = format!(" {} ", self.words.get("browse-loading"));
            canvas.bar(area, 0, &[piece(Look::Hit, text)], &[]);
            return;
        }
        let told = |key: &str, told: &str| {
            [
                piece(Look::Key, format!(" {key} ")),
                piece(Look::Bar, format!("{} ", self.words.get(told))),
            ]
        };
        let help = told("F1", "browse-key-help");
        let mut bar: Vec<Piece> = Vec::new();
        for (key, name) in self.keys() {
            bar.extend(told(key, name));
            if columns(&bar) + columns(&help) > usize::from(area.width) {
                bar.truncate(bar.len().saturating_sub(2));
                break;
            }
        }
        canvas.bar(area, 0, &bar, &help);
    }

    /// The keys of this screen, those that matter most first.
    fn keys(&self) -> &'static [(&'static str, &'static str)] {
        match self.views.last() {
            Some(View::Ladder(_)) => &[
                ("Esc", "browse-key-back"),
                ("Enter", "browse-key-message"),
                ("Space", "browse-key-compare"),
                ("f", "finding"),
                ("F2", "browse-key-sdp"),
                ("F4", "browse-key-extended"),
                ("t", "browse-key-preview"),
                ("F3", "browse-key-rtp"),
                ("F5", "browse-key-parties"),
                ("F6", "browse-key-raw"),
                ("F8", "browse-key-times"),
                ("h", "browse-key-hide"),
            ],
            Some(View::Text(page)) if page.is_writing() => WRITING,
            Some(View::Text(_)) => {
                &[("Esc", "browse-key-back"), ("←→", "browse-key-next"), ("/", "browse-key-search")]
            }
            Some(View::Difference(_) | View::Help(_)) => {
                &[("Esc", "browse-key-back"), ("↑↓", "browse-key-scroll")]
            }
            Some(View::Findings(_)) => &[
                ("Esc", "browse-key-back"),
                ("Enter", "browse-key-ladder"),
                ("n p", "browse-key-next"),
                ("↑↓", "browse-key-scroll"),
            ],
            None => match self.page {
                Page::Calls if self.calls.is_writing() => WRITING,
                Page::Calls => &[
                    ("Esc", "browse-key-quit"),
                    ("Enter", "browse-key-ladder"),
                    ("/", "browse-key-filter"),
                    ("Space", "browse-key-mark"),
                    ("F4", "browse-key-extended"),
                    ("e", "browse-key-errors"),
                    ("Tab", "browse-key-page"),
                    ("i", "browse-key-invite"),
                    ("F6", "browse-key-raw"),
                    ("<>", "browse-key-sort"),
                    ("F5", "browse-key-clear"),
                ],
                Page::Findings => &[
                    ("Esc", "browse-key-back"),
                    ("Enter", "browse-key-ladder"),
                    ("PgDn", "browse-key-scroll"),
                    ("→", "browse-key-full"),
                    ("Tab", "browse-key-page"),
                ],
                Page::Streams => &[
                    ("Esc", "browse-key-back"),
                    ("Enter", "browse-key-ladder"),
                    ("z", "browse-key-worst"),
                    ("Tab", "browse-key-page"),
                ],
                Page::Figures => &[
                    ("Esc", "browse-key-back"),
                    ("↑↓", "browse-key-scroll"),
                    ("Tab", "browse-key-page"),
                ],
            },
        }
    }
}

/// The keys while the user writes.
const WRITING: &[(&str, &str)] =
    &[("Enter", "browse-key-done"), ("Esc", "browse-key-cancel"), ("Ctrl-U", "browse-key-erase")];
