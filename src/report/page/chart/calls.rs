//! Calls and failures over time, and below them when the incidents were.

use std::fmt::Write;

use crate::analysis::{Incident, Statistics};
use crate::catalogue::Labels;
use crate::report::html::escaped;
use crate::report::index::Index;
use crate::report::page::chart::{COLUMN, scale};
use crate::report::page::svg::{Figure, Text, fitting, line, rect};
use crate::time::{Span, Time};

/// Bars of the chart; more intervals share one.
const BARS_MAX: i64 = 120;

/// The colours of the parts of a bar, from the bottom up.
const PARTS: [&str; 3] = ["bar-good", "bar-user", "bar-bad"];

/// What the parts are called.
const NAMES: [&str; 3] = ["page-chart-answered", "page-chart-by-users", "page-chart-failed"];

/// Incidents that get a bar of their own.
const INCIDENTS_MAX: usize = 8;

/// As wide as the page.
const WIDTH: f64 = 960.0;

const LEFT: f64 = 52.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 8.0;
const HEIGHT: f64 = 170.0;
const AXIS: f64 = 38.0;
const LANE: f64 = 22.0;

/// Attempts to set up a call by their end, below them when the incidents were that the page tells,
/// by their places in the analysis; empty where all of it was in one interval.
pub(in crate::report::page) fn calls_over_time(index: &Index<'_>, told: &[usize]) -> String {
    let words = index.words;
    let lanes: Vec<Lane<'_>> =
        told.iter().filter_map(|place| Lane::of(*place, index)).take(INCIDENTS_MAX).collect();
    let Some(bars) = Bars::of(&index.analysis.statistics, &lanes) else { return String::new() };
    if bars.list.is_empty() {
        return bars.without_calls(&lanes, words);
    }
    let mut drawing = String::new();
    bars.draw(index, &mut drawing);
    bars.draw_incidents(&lanes, &mut drawing);
    let below = lanes_height(&lanes);
    let told = bars.told(index);
    let [answered, by_users, failed] = NAMES.map(|key| words.get(key));
    let rows: Vec<Vec<String>> = bars.list.iter().map(|bar| bar.row(index)).collect();
    Figure {
        id: "chart-calls",
        title: words.get("page-chart-calls"),
        told: &told,
        width: WIDTH,
        height: bars.bottom() + AXIS + below,
        drawing: &drawing,
        legend: &[(answered, PARTS[0]), (by_users, PARTS[1]), (failed, PARTS[2])],
        head: &[words.get("page-chart-from"), answered, by_users, failed],
        rows: &rows,
    }
    .html(words)
}

fn lanes_height(lanes: &[Lane<'_>]) -> f64 {
    if lanes.is_empty() { 0.0 } else { 10.0 + LANE * lanes.len() as f64 }
}

/// When an incident was.
struct Lane<'a> {
    place: usize,
    incident: &'a Incident,
    first: Time,
    last: Time,
    /// `TXN101 INVITE without any response · 12`.
    told: String,
}

impl<'a> Lane<'a> {
    fn of(place: usize, index: &Index<'a>) -> Option<Self> {
        let incident = index.analysis.incidents.get(place)?;
        let finding = index.analysis.findings.get(*incident.findings.first()?)?;
        let told = format!("{} · {}", index.title(finding), index.words.count(incident.count));
        let (first, last) = incident.first_time.zip(incident.last_time)?;
        Some(Self { place, incident, first, last, told })
    }
}

/// What the bars show.
struct Bars {
    /// Those in which something happened.
    list: Vec<Bar>,
    first: Time,
    width: Span,
    count: i64,
}

struct Bar {
    start: Time,
    /// Answered, ended by users, failed.
    parts: [u64; 3],
}

impl Bars {
    fn of(statistics: &Statistics, lanes: &[Lane<'_>]) -> Option<Self> {
        let timeline = &statistics.timeline;
        let own = || timeline.intervals().filter(|(_, interval, _)| interval.attempts > 0);
        let narrow = timeline.width();
        let begun =
            |time: Time| time - Span::from_nanos(time.nanos().rem_euclid(narrow.nanos().max(1)));
        let times = lanes.iter().flat_map(|lane| [begun(lane.first), begun(lane.last)]);
        let times: Vec<Time> = times.chain(own().map(|(start, _, _)| start)).collect();
        let (first, last) = (*times.iter().min()?, *times.iter().max()?);
        let slots = last.since(first).nanos() / narrow.nanos().max(1) + 1;
        if slots < 2 {
            return None;
        }
        let together = (slots + BARS_MAX - 1) / BARS_MAX;
        let width = narrow.times(together);
        let mut list: Vec<Bar> = Vec::new();
        for (start, interval, _) in own() {
            let place = start.since(first).nanos() / width.nanos().max(1);
            let start = first + width.times(place);
            if list.last().is_none_or(|bar| bar.start != start) {
                list.push(Bar { start, parts: [0; 3] });
            }
            if let Some(bar) = list.last_mut() {
                let failed = interval.failed.saturating_sub(interval.ended_by_users);
                let answered = interval.attempts.saturating_sub(interval.failed);
                let parts = [answered, interval.ended_by_users, failed];
                bar.parts.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
            }
        }
        Some(Self { list, first, width, count: (slots + together - 1) / together })
    }

    /// The y of the axis.
    fn bottom(&self) -> f64 {
        if self.list.is_empty() { TOP } else { TOP + HEIGHT }
    }

    /// The incidents alone, of a capture in which nobody is called.
    fn without_calls(&self, lanes: &[Lane<'_>], words: Labels) -> String {
        let mut drawing = String::new();
        self.draw_axis(&mut drawing);
        self.draw_incidents(lanes, &mut drawing);
        let row = |lane: &Lane<'_>| {
            let moment = |time: Time| {
                let (day, clock) = scale::written(time);
                format!("{day} {clock}")
            };
            vec![lane.told.clone(), moment(lane.first), moment(lane.last)]
        };
        Figure {
            id: "chart-calls",
            title: words.get("incidents"),
            told: words.get("page-chart-incidents-told"),
            width: WIDTH,
            height: self.bottom() + AXIS + lanes_height(lanes),
            drawing: &drawing,
            legend: &[],
            head: &[words.get("incident"), words.get("first"), words.get("last")],
            rows: &lanes.iter().map(row).collect::<Vec<_>>(),
        }
        .html(words)
    }

    fn end(&self) -> Time {
        self.first + self.width.times(self.count)
    }

    fn x(&self, time: Time) -> f64 {
        let share = time.since(self.first).secs() / self.end().since(self.first).secs().max(1e-9);
        LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn draw(&self, index: &Index<'_>, out: &mut String) {
        let words = index.words;
        let ticks = scale::counts(self.list.iter().map(Bar::attempts).max().unwrap_or(1));
        let top = ticks.last().copied().unwrap_or(1).max(1) as f64;
        let y = |count: u64| TOP + HEIGHT * (1.0 - count as f64 / top);
        for tick in &ticks {
            line([LEFT, y(*tick), WIDTH - RIGHT, y(*tick)], "grid", out);
            let text = words.count(*tick);
            Text { x: LEFT - 8.0, y: y(*tick) + 4.0, class: "tick end", text: &text }.draw(out);
        }
        let step = (WIDTH - LEFT - RIGHT) / self.count.max(1) as f64;
        let width = if step > 6.0 { (step - 2.0).min(40.0) } else { step * 0.8 };
        for bar in &self.list {
            let x = self.x(bar.start) + (step - width) / 2.0;
            let _ = write!(out, "<g><title>{}</title>", escaped(&bar.told(index)));
            let mut below = 0;
            for (part, class) in bar.parts.iter().zip(PARTS) {
                if *part > 0 {
                    rect([x, y(below + part), width, y(below) - y(below + part)], class, out);
                    below += part;
                }
            }
            out.push_str("</g>");
        }
        self.draw_axis(out);
    }

    fn draw_axis(&self, out: &mut String) {
        let bottom = self.bottom();
        line([LEFT, bottom, WIDTH - RIGHT, bottom], "axis", out);
        for tick in scale::times(self.first, self.end()) {
            let x = self.x(tick.time);
            line([x, bottom, x, bottom + 5.0], "axis", out);
            // A label at the edge would be cut.
            let x = x.clamp(LEFT, WIDTH - RIGHT - 20.0);
            Text { x, y: bottom + 18.0, class: "tick mid", text: &tick.label }.draw(out);
            if let Some(day) = &tick.day {
                Text { x, y: bottom + 32.0, class: "tick mid", text: day }.draw(out);
            }
        }
    }

    fn draw_incidents(&self, lanes: &[Lane<'_>], out: &mut String) {
        for (lane, at) in lanes.iter().zip(0..) {
            let y = self.bottom() + AXIS + 10.0 + LANE * f64::from(at);
            let (first, last) = (self.x(lane.first), self.x(lane.last));
            let width = (last - first).max(6.0);
            let from = first.min(WIDTH - RIGHT - width);
            let (number, told) = (lane.place + 1, escaped(&lane.told));
            let _ = write!(out, "<a href=\"#incident-{number}\"><title>{told}</title>");
            line([LEFT, y + 8.0, WIDTH - RIGHT, y + 8.0], "grid", out);
            let class = format!("lane {}", lane.incident.severity.name());
            rect([from, y, width, 16.0], &class, out);
            // Where there is most room: behind the bar, before it, in it.
            let (before, after) = (from - LEFT, WIDTH - RIGHT - from - width);
            let (x, class, room) = match before.max(after) {
                room if room < width => (from + 6.0, "lane-label inside", width),
                _ if after >= before => (from + width + 6.0, "lane-label", after),
                _ => (from - 6.0, "lane-label end", before),
            };
            let text = fitting(&lane.told, room - 10.0, COLUMN);
            Text { x, y: y + 12.0, class, text: &text }.draw(out);
            out.push_str("</a>");
        }
    }

    fn told(&self, index: &Index<'_>) -> String {
        let words = index.words;
        let attempts = words.count(self.list.iter().map(Bar::attempts).sum());
        let failed = words.count(self.list.iter().map(|bar| bar.parts[2]).sum());
        let width = words.duration(self.width);
        let values = [("attempts", &*attempts), ("failed", &*failed), ("width", &*width)];
        words.fill("page-chart-calls-told", &values)
    }
}

impl Bar {
    fn attempts(&self) -> u64 {
        self.parts.iter().sum()
    }

    /// `2026-11-21 14:05:00: 3, 0, 1` with the names of the parts.
    fn told(&self, index: &Index<'_>) -> String {
        let words = index.words;
        let row = self.row(index);
        let mut cells = row.iter().map(String::as_str);
        let time = cells.next().unwrap_or_default();
        let parts: Vec<String> =
            NAMES.iter().zip(cells).map(|(key, count)| words.pair(words.get(key), count)).collect();
        format!("{time} · {}", parts.join(" · "))
    }

    fn row(&self, index: &Index<'_>) -> Vec<String> {
        let (day, clock) = scale::written(self.start);
        let mut row = vec![format!("{day} {clock}")];
        row.extend(self.parts.map(|count| index.words.count(count)));
        row
    }
}
