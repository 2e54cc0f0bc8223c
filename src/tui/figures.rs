//! Statistics: what became of the calls, key figures, methods, codes, hosts, what happened when.

use crossterm::event::KeyCode;
use ratatui::layout::Rect;

use crate::analysis::{Analysis, Delays, Kpi, Timeline};
use crate::catalogue::{self, Labels};
use crate::report::layout;
use crate::tui::canvas::{Canvas, FAINT, HEADING, Line, Look, NAME, PLAIN, piece, spark};
use crate::tui::clock;
use crate::tui::cursor::Scroll;
use crate::tui::findings::{counts, facts};
use crate::tui::store::Store;

/// Hosts, methods and codes that are listed.
const LISTED_MAX: usize = 20;

/// Columns of a bar beside a count.
const BAR: usize = 20;

/// From so many columns on, there are two columns of tables.
const TWO_MIN: usize = 120;

/// The page.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    scroll: Scroll,
}

impl Figures {
    /// Takes a key; false if it is not for the page.
    pub(crate) fn key(&self, code: KeyCode) -> bool {
        self.scroll.go(code)
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect, store: &Store, words: Labels) {
        let lines = lines(store, usize::from(area.width), words);
        let shown = self.scroll.shown(lines.len(), usize::from(area.height));
        for (line, row) in lines.get(shown).unwrap_or_default().iter().zip(0..) {
            canvas.line(area, row, line);
        }
    }
}

fn lines(store: &Store, width: usize, words: Labels) -> Vec<Line> {
    let Some(analysis) = &store.rest else {
        return vec![vec![piece(FAINT, format!("  {}", words.get("browse-figures-later")))]];
    };
    let mut lines = capture(analysis, store, width, words);
    lines.push(Line::new());
    lines.extend(timeline(&analysis.statistics.timeline, width, words));
    let half = if width >= TWO_MIN { width / 2 - 1 } else { width };
    let left = [key_figures(analysis, half, words), delays(&analysis.statistics.kpi, words)];
    let right = [
        bars(words.get("requests"), methods(analysis), half, words),
        bars(words.get("responses"), statuses(analysis, words), half, words),
        bars(words.get("calls"), fates(analysis, words), half, words),
    ];
    let (left, right) = (left.concat(), right.concat());
    if width >= TWO_MIN {
        lines.extend(beside(left, right, half));
    } else {
        lines.extend(left);
        lines.extend(right);
    }
    lines.extend(peers(analysis, width, store, words));
    lines
}

/// Two columns.
fn beside(left: Vec<Line>, right: Vec<Line>, half: usize) -> Vec<Line> {
    let count = left.len().max(right.len());
    let (mut left, mut right) = (left.into_iter(), right.into_iter());
    let mut lines = Vec::new();
    for _ in 0..count {
        let mut line = left.next().unwrap_or_default();
        let missing = (half + 2).saturating_sub(crate::tui::canvas::columns(&line));
        line.push(piece(PLAIN, " ".repeat(missing)));
        line.extend(right.next().unwrap_or_default());
        lines.push(line);
    }
    lines
}

fn capture(analysis: &Analysis, store: &Store, width: usize, words: Labels) -> Vec<Line> {
    let totals = &analysis.totals;
    let mut told: Vec<(String, String)> = Vec::new();
    for capture in analysis.captures.iter().take(8) {
        let path = capture.path.to_string_lossy().into_owned();
        let frames = words.pair(words.get("frames"), &words.count(capture.frames));
        let parts = [path, capture.format.to_owned(), frames].join(" · ");
        told.push((words.get("file").to_owned(), parts));
    }
    let first = analysis.captures.iter().filter_map(|capture| capture.first_time).min();
    let last = analysis.captures.iter().filter_map(|capture| capture.last_time).max();
    if let (Some(first), Some(last)) = (first, last) {
        let span = words.duration(last.since(first));
        let values =
            [("first", &*clock::full(first)), ("last", &clock::clock(last)), ("duration", &span)];
        told.push((words.get("time").to_owned(), words.fill("time-span", &values)));
    }
    let transports = analysis.statistics.transports.iter().filter(|(_, count)| **count > 0);
    let transports =
        transports.map(|(transport, count)| words.pair(transport.name(), &words.count(*count)));
    let again = words.pair(words.get("retransmissions"), &words.count(totals.retransmissions));
    let messages = [words.count(totals.sip_messages)].into_iter().chain(transports).chain([again]);
    told.push((words.get("sip-messages").to_owned(), messages.collect::<Vec<_>>().join(" · ")));
    told.push((words.get("call-ids").to_owned(), words.count(totals.call_ids)));
    told.push((words.get("rtp-streams").to_owned(), words.count(totals.rtp_streams)));
    for (bound, count) in &analysis.dropped {
        let key = format!("dropped-{bound}");
        told.push((String::new(), words.pair(words.get(&key), &words.count(*count))));
    }
    let mut lines = vec![vec![piece(HEADING, words.get("capture").to_owned())]];
    lines.extend(facts(&told, width));
    let mut found = vec![piece(PLAIN, "  ")];
    found.extend(counts(store, words));
    lines.push(found);
    lines
}

/// Calls begun, answered and failed, each interval a character.
fn timeline(timeline: &Timeline, width: usize, words: Labels) -> Vec<Line> {
    let intervals: Vec<_> = timeline.intervals().collect();
    let (Some(first), Some(last)) = (intervals.first(), intervals.last()) else {
        return Vec::new();
    };
    let step = timeline.width().nanos().max(1);
    let count = (last.0.since(first.0).nanos() / step + 1).max(1) as usize;
    let names = ["browse-begun", "answered", "browse-failed", "browse-up"].map(|k| words.get(k));
    let widest = names.iter().map(|name| layout::width(name)).max().unwrap_or_default();
    let room = width.saturating_sub(widest + 14).clamp(8, 150);
    // Several intervals share a character where there are more of them than characters.
    let share = count.div_ceil(room).max(1);
    let mut series = [const { Vec::new() }; 4];
    for own in &mut series {
        own.resize(count.div_ceil(share), 0.0f64);
    }
    for (start, interval, up) in &intervals {
        let at = (start.since(first.0).nanos() / step) as usize / share;
        let values = [interval.attempts, interval.answered, interval.failed, *up];
        for ((own, value), is_up) in series.iter_mut().zip(values).zip([false, false, false, true])
        {
            if let Some(cell) = own.get_mut(at) {
                *cell = if is_up { cell.max(value as f64) } else { *cell + value as f64 };
            }
        }
    }
    let span = crate::time::Span::from_nanos(step.saturating_mul(share as i64));
    let title = words.fill("browse-per", &[("span", &words.duration(span))]);
    let from = clock::clock(first.0);
    let mut lines = vec![vec![
        piece(HEADING, words.get("browse-timeline").to_owned()),
        piece(
            FAINT,
            format!("  {title}  {} {from} → {}", clock::date(first.0), clock::clock(last.0)),
        ),
    ]];
    let looks = [Look::Request, Look::Success, Look::Failure, Look::Stream];
    for ((name, values), look) in names.iter().zip(&series).zip(looks) {
        let highest = values.iter().copied().fold(0.0, f64::max);
        lines.push(vec![
            piece(FAINT, format!("  {}  ", layout::pad(name, widest))),
            piece(look, spark(values, highest)),
            piece(FAINT, format!("  {} {}", words.get("browse-max"), words.count(highest as u64))),
        ]);
    }
    lines.push(Line::new());
    lines
}

fn key_figures(analysis: &Analysis, width: usize, words: Labels) -> Vec<Line> {
    let kpi = &analysis.statistics.kpi;
    let percent = |value: Option<f64>| {
        value.map_or("-".to_owned(), |value| format!("{} %", words.decimal(value, 1)))
    };
    let told = [
        ("kpi-attempts", words.count(kpi.attempts)),
        ("kpi-established", words.count(kpi.established)),
        ("kpi-ser", format!("{}  (SER, ASR)", percent(kpi.ser()))),
        ("kpi-seer", format!("{}  (SEER)", percent(kpi.seer()))),
        ("kpi-isa", format!("{}  (ISA)", percent(kpi.isa()))),
        ("kpi-scr", format!("{}  (SCR)", percent(kpi.scr()))),
        ("browse-ner", format!("{}  (NER)", percent(kpi.ner()))),
    ];
    let told = told.map(|(key, value)| (words.get(key).to_owned(), value));
    let mut lines = vec![vec![piece(HEADING, words.get("kpi").to_owned())]];
    lines.extend(facts(&told, width));
    lines.push(Line::new());
    lines
}

/// Mean, median, 95 of a hundred, longest.
fn delays(kpi: &Kpi, words: Labels) -> Vec<Line> {
    let rows: [(&str, &Delays); 5] = [
        ("post-dial-delay", &kpi.post_dial_delay),
        ("ring-time", &kpi.ring_time),
        ("talk-time", &kpi.duration),
        ("kpi-sdd", &kpi.disconnect_delay),
        ("kpi-rrd", &kpi.registration_delay),
    ];
    let rows: Vec<_> = rows.iter().filter(|(_, delays)| delays.count() > 0).collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let widest = rows.iter().map(|(key, _)| layout::width(words.get(key))).max().unwrap_or(0);
    let widest = widest.min(30);
    let head = format!(
        "  {}  {:>9} {:>9} {:>9} {:>9}",
        " ".repeat(widest),
        words.get("browse-mean"),
        "p50",
        "p95",
        words.get("browse-max")
    );
    let mut lines = vec![vec![piece(FAINT, head)]];
    let span =
        |span: Option<crate::time::Span>| span.map_or("-".to_owned(), |span| words.duration(span));
    for (key, delays) in rows {
        let name = layout::pad(&layout::cut(words.get(key), widest), widest);
        let values = [
            span(delays.mean()),
            span(delays.percentile(50)),
            span(delays.percentile(95)),
            span(delays.longest()),
        ];
        let values = values.map(|value| format!("{value:>9}")).join(" ");
        lines.push(vec![piece(FAINT, format!("  {name}  ")), piece(PLAIN, values)]);
    }
    lines.push(Line::new());
    lines
}

type Counted = (String, u64, Look);

fn methods(analysis: &Analysis) -> Vec<Counted> {
    let all = analysis.statistics.methods.iter();
    all.map(|(method, count)| (method.clone(), *count, Look::Request)).collect()
}

fn statuses(analysis: &Analysis, words: Labels) -> Vec<Counted> {
    let one = |(code, count): (&u16, &u64)| {
        let look = match code {
            ..200 => Look::Provisional,
            200..300 => Look::Success,
            300..400 => NAME,
            _ => Look::Failure,
        };
        (format!("{code} {}", catalogue::status(*code, words.lang()).phrase), *count, look)
    };
    analysis.statistics.statuses.iter().map(one).collect()
}

fn fates(analysis: &Analysis, words: Labels) -> Vec<Counted> {
    let all = analysis.statistics.fates.iter();
    all.map(|(fate, count)| (words.state(fate), *count, NAME)).collect()
}

/// Names with counts and bars, the largest first.
fn bars(title: &str, mut all: Vec<Counted>, width: usize, words: Labels) -> Vec<Line> {
    if all.is_empty() {
        return Vec::new();
    }
    all.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
    let highest = all.first().map_or(1, |(_, count, _)| *count).max(1);
    let room = width.saturating_sub(BAR + 14);
    let widest = all.iter().take(LISTED_MAX).map(|(name, ..)| layout::width(name)).max();
    let widest = widest.unwrap_or_default().min(room).min(32);
    let mut lines = vec![vec![piece(HEADING, title.to_owned())]];
    for (name, count, look) in all.iter().take(LISTED_MAX) {
        let long = (*count as f64 * BAR as f64 / highest as f64).ceil() as usize;
        let name = layout::pad(&layout::cut(name, widest), widest);
        lines.push(vec![
            piece(PLAIN, format!("  {name} {:>9} ", words.count(*count))),
            piece(*look, "█".repeat(long.min(BAR))),
        ]);
    }
    if let Some(more) = all.len().checked_sub(LISTED_MAX).filter(|more| *more > 0) {
        let more = words.fill("and-more", &[("count", &words.count(more as u64))]);
        lines.push(vec![piece(FAINT, format!("  {more}"))]);
    }
    lines.push(Line::new());
    lines
}

fn peers(analysis: &Analysis, width: usize, store: &Store, words: Labels) -> Vec<Line> {
    let mut all: Vec<_> = analysis.statistics.peers.iter().collect();
    if all.is_empty() {
        return Vec::new();
    }
    all.sort_by_key(|(host, peer)| (std::cmp::Reverse(peer.requests), **host));
    let keys = ["requests", "calls", "answered", "failures", "unanswered"];
    let longest = keys.map(|key| layout::width(words.get(key))).into_iter().max().unwrap_or(9);
    let wide = if width >= TWO_MIN { longest.max(9) } else { 9 };
    let name = width.saturating_sub(keys.len() * (wide + 1) + 3).clamp(16, 40);
    let heads = keys.map(|key| {
        let text = layout::cut(words.get(key), wide);
        format!("{}{text}", " ".repeat(wide.saturating_sub(layout::width(&text))))
    });
    let title = layout::pad(words.get("peers"), name + 2);
    let mut lines = vec![vec![piece(HEADING, format!("{title} {}", heads.join(" ")))]];
    for (host, peer) in all.iter().take(LISTED_MAX) {
        let counts = [peer.requests, peer.calls, peer.answered, peer.failures, peer.unanswered];
        let counts = counts.map(|count| format!("{:>wide$}", words.count(count)));
        let own = layout::pad(&layout::cut(&store.host(**host), name), name);
        lines.push(vec![piece(PLAIN, format!("  {own} {}", counts.join(" ")))]);
    }
    if let Some(more) = all.len().checked_sub(LISTED_MAX).filter(|more| *more > 0) {
        let more = words.fill("and-more", &[("count", &words.count(more as u64))]);
        lines.push(vec![piece(FAINT, format!("  {more}"))]);
    }
    lines
}
