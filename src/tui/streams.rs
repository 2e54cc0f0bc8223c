//! RTP streams: loss, jitter, how it probably sounds, and when each one ran.

use crossterm::event::KeyCode;
use ratatui::layout::Rect;

use crate::analysis::StreamSummary;
use crate::catalogue::Labels;
use crate::report::layout;
use crate::report::style::Role;
use crate::time::{Span, Time};
use crate::tui::canvas::{Canvas, FAINT, HEADING, Line, Look, PLAIN, piece};
use crate::tui::cursor::Cursor;
use crate::tui::message::stream_lines;
use crate::tui::store::{Reading, Store};

/// Streams that are listed.
const LISTED_MAX: usize = 100_000;

/// Columns of the graph that shows when a stream ran.
const GRAPH_MAX: usize = 120;
const GRAPH_MIN: usize = 8;

/// Streams whose addresses decide how wide columns are.
const MEASURED_MAX: usize = 1000;

/// A loss in percent from which it is heard, and from which it is bad.
const LOSS_HEARD: f64 = 1.0;
const LOSS_BAD: f64 = 3.0;

/// Below it most users are content no more; below it many are annoyed (G.107, annex B).
const MOS_FAIR: f64 = 3.6;
const MOS_POOR: f64 = 3.1;

/// A stream by its place: of a call, or alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Own {
    OfCall(usize, usize),
    Alone(usize),
}

/// What the table asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Nothing,
    /// The ladder of a call at its stream.
    Ladder(usize, crate::capture::FrameId),
    /// The key is not for the table.
    Other,
}

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    rows: Vec<Own>,
    cursor: Cursor,
    worst_first: bool,
    known: (usize, bool),
}

impl Streams {
    /// Takes in what has come since.
    pub(crate) fn refresh(&mut self, store: &Store) {
        let known = (store.calls.len(), store.rest.is_some());
        if self.known != known {
            self.known = known;
            self.arrange(store);
        }
    }

    fn arrange(&mut self, store: &Store) {
        self.rows.clear();
        for place in store.order() {
            let place = *place as usize;
            let count = store.calls.get(place).map_or(0, |call| call.streams.len());
            self.rows.extend((0..count).map(|stream| Own::OfCall(place, stream)));
        }
        let alone = store.rest.as_ref().map_or(0, |rest| rest.streams.len());
        self.rows.extend((0..alone).map(Own::Alone));
        self.rows.truncate(LISTED_MAX);
        if self.worst_first {
            let key = |own: &Own| {
                let stream = stream(*own, store);
                let mos = stream.and_then(|s| s.estimate).map_or(9.0, |estimate| estimate.mos);
                ((mos * 100.0) as i64, stream.map(|s| -((s.lost_percent * 100.0) as i64)))
            };
            self.rows.sort_by_key(key);
        }
        self.cursor.clamp(self.rows.len());
    }

    pub(crate) fn key(&mut self, code: KeyCode, store: &Store) -> Asked {
        if self.cursor.go(code, self.rows.len()) {
            return Asked::Nothing;
        }
        match code {
            KeyCode::Enter => match self.rows.get(self.cursor.at()) {
                Some(Own::OfCall(call, at)) => {
                    let stream = stream(Own::OfCall(*call, *at), store);
                    stream.map_or(Asked::Nothing, |s| Asked::Ladder(*call, s.first.frame))
                }
                Some(Own::Alone(_)) | None => Asked::Nothing,
            },
            KeyCode::Char('z' | '<' | '>') => {
                self.worst_first = !self.worst_first;
                self.arrange(store);
                Asked::Nothing
            }
            _ => Asked::Other,
        }
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect, store: &Store, words: Labels) {
        if self.rows.is_empty() {
            let key = match store.reading {
                Reading::UnderWay => "browse-no-streams-yet",
                _ => "browse-no-streams",
            };
            canvas.line(area, 1, &[piece(FAINT, format!("  {}", words.get(key)))]);
            return;
        }
        let chosen = self.rows.get(self.cursor.at()).and_then(|own| stream(*own, store));
        let about = chosen.map(|stream| stream_lines(stream, words)).unwrap_or_default();
        let (list, rest) = split(area, about.len());
        let (from, until) = self.bounds(store);
        let ends = self.rows.iter().take(MEASURED_MAX).filter_map(|own| stream(*own, store));
        let ends = ends.flat_map(|stream| [stream.source, stream.destination]);
        let widest = ends.map(|end| layout::width(&store.endpoint(end))).max().unwrap_or(0);
        let plan = Table::of(usize::from(list.width), widest);
        canvas.line(list, 0, &plan.heads(words));
        let room = usize::from(list.height.saturating_sub(1));
        let shown = self.cursor.shown(self.rows.len(), room);
        let first = shown.start;
        for (own, row) in self.rows.get(shown).unwrap_or_default().iter().zip(0..) {
            let line = plan.row(*own, store, (from, until), words);
            canvas.line(list, row + 1, &line);
            if first + usize::from(row) == self.cursor.at() {
                canvas.choose(list, row + 1);
            }
        }
        if rest.height > 1 {
            canvas.rule(rest, 0, "");
            for (line, row) in about.iter().zip(1..) {
                canvas.line(rest, row, line);
            }
        }
    }

    /// From the first packet of all to the last one.
    fn bounds(&self, store: &Store) -> (Time, Time) {
        let streams = || self.rows.iter().filter_map(|own| stream(*own, store));
        let from = streams().map(|stream| stream.first.time).min().unwrap_or_default();
        (from, streams().map(|stream| stream.last.time).max().unwrap_or(from))
    }
}

fn split(area: Rect, about: usize) -> (Rect, Rect) {
    let wanted = u16::try_from(about + 1).unwrap_or(u16::MAX);
    let rest = wanted.min(area.height * 3 / 5);
    let own = area.height - rest;
    (Rect { height: own, ..area }, Rect { y: area.y + own, height: rest, ..area })
}

fn stream(own: Own, store: &Store) -> Option<&StreamSummary> {
    match own {
        Own::OfCall(call, stream) => store.calls.get(call)?.streams.get(stream),
        Own::Alone(at) => store.rest.as_ref()?.streams.get(at),
    }
}

/// How wide the columns are.
struct Table {
    end: usize,
    graph: usize,
}

impl Table {
    fn of(width: usize, widest: usize) -> Self {
        // Number, codec, loss, jitter, MOS with the spaces between them.
        let fixed = 6 + 9 + 8 + 9 + 5;
        let room = width.saturating_sub(fixed + 3);
        let graph = room.saturating_sub(2 * widest).clamp(GRAPH_MIN, GRAPH_MAX);
        let end = (room.saturating_sub(graph) / 2).min(widest).max(6);
        Self { end, graph }
    }

    fn heads(&self, words: Labels) -> Line {
        let end = self.end;
        let head = |text: &str, width: usize| layout::pad(&layout::cut(text, width), width);
        let right = |text: &str, width: usize| {
            let text = layout::cut(text, width);
            format!("{}{text}", " ".repeat(width.saturating_sub(layout::width(&text))))
        };
        vec![piece(
            HEADING,
            format!(
                "{} {} {} {} {} {} {} {}",
                right(words.get("call"), 5),
                head(words.get("browse-source"), end),
                head(words.get("browse-destination"), end),
                head(words.get("browse-codec"), 8),
                right(words.get("browse-loss"), 7),
                right(words.get("browse-jitter"), 8),
                right("MOS", 4),
                head(words.get("browse-when"), self.graph),
            ),
        )]
    }

    fn row(&self, own: Own, store: &Store, bounds: (Time, Time), words: Labels) -> Line {
        let Some(stream) = stream(own, store) else { return Line::new() };
        let call = match own {
            Own::OfCall(call, _) => store.number(call).to_string(),
            Own::Alone(_) => "-".to_owned(),
        };
        let cell = |text: &str| layout::pad(&layout::cut(text, self.end), self.end);
        let codec = stream.codec.as_deref().unwrap_or("?");
        let loss = format!("{} %", words.decimal(stream.lost_percent, 2));
        let jitter = stream.jitter.map_or("-".to_owned(), |span| words.duration(span));
        let mos = stream.estimate.map(|estimate| estimate.mos);
        let mos_text = mos.map_or("-".to_owned(), |mos| words.decimal(mos, 1));
        vec![
            piece(FAINT, format!("{call:>5} ")),
            piece(PLAIN, format!("{} ", cell(&store.endpoint(stream.source)))),
            piece(PLAIN, format!("{} ", cell(&store.endpoint(stream.destination)))),
            piece(PLAIN, format!("{} ", layout::pad(&layout::cut(codec, 8), 8))),
            piece(loss_look(stream.lost_percent), format!("{loss:>7} ")),
            piece(PLAIN, format!("{jitter:>8} ")),
            piece(mos_look(mos), format!("{mos_text:>4} ")),
            piece(Look::Stream, self.graph(stream, bounds)),
        ]
    }

    /// When the stream ran, as a bar in the time of all.
    fn graph(&self, stream: &StreamSummary, (from, until): (Time, Time)) -> String {
        let all = until.since(from).max(Span::from_nanos(1)).nanos() as f64;
        let place = |time: Time| {
            let share = time.since(from).nanos() as f64 / all;
            ((share * self.graph as f64) as usize).min(self.graph.saturating_sub(1))
        };
        let (first, last) = (place(stream.first.time), place(stream.last.time));
        let bar = |at: usize| if (first..=last).contains(&at) { '▄' } else { '·' };
        (0..self.graph).map(bar).collect()
    }
}

fn loss_look(percent: f64) -> Look {
    match percent {
        percent if percent >= LOSS_BAD => Look::Failure,
        percent if percent >= LOSS_HEARD => Look::Role(Role::Changed),
        _ => PLAIN,
    }
}

fn mos_look(mos: Option<f64>) -> Look {
    match mos {
        Some(mos) if mos < MOS_POOR => Look::Failure,
        Some(mos) if mos < MOS_FAIR => Look::Role(Role::Changed),
        Some(_) => Look::Success,
        None => PLAIN,
    }
}
