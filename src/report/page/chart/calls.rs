//! Calls and failures over time, and below them when the incidents were.

use crate::analysis::{Incident, Statistics};
use crate::report::html::escaped;
use crate::report::index::Index;
use crate::report::page::chart::{COLUMN, WIDTH, scale};
use crate::report::page::svg::{self, Figure, Text, fitting, line, number, rect};
use crate::time::{Span, Time};

/// Bars of the chart; more intervals share one.
const BARS_MAX: i64 = 120;

/// Incidents that get a bar of their own.
const INCIDENTS_MAX: usize = 8;

const LEFT: f64 = 52.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 8.0;
const HEIGHT: f64 = 170.0;
const AXIS: f64 = 38.0;
const LANE: f64 = 22.0;

/// Attempts to set up a call by their end, with the incidents below; empty for fewer than two
/// attempts.
pub(in crate::report::page) fn calls_over_time(index: &Index<'_>) -> String {
    let Some(bars) = Bars::of(&index.analysis.statistics) else { return String::new() };
    let words = index.words;
    let lanes: Vec<&Incident> = index.analysis.incidents.iter().take(INCIDENTS_MAX).collect();
    let mut drawing = String::new();
    bars.draw(index, &mut drawing);
    bars.draw_incidents(index, &lanes, &mut drawing);
    let below = if lanes.is_empty() { 0.0 } else { 10.0 + LANE * lanes.len() as f64 };
    let told = bars.told(index);
    let answered = words.get("page-chart-answered");
    let not_answered = words.get("page-chart-not-answered");
    let rows: Vec<Vec<String>> = bars.list.iter().map(|bar| bar.row(index)).collect();
    Figure {
        id: "chart-calls",
        title: words.get("page-chart-calls"),
        told: &told,
        width: WIDTH,
        height: TOP + HEIGHT + AXIS + below,
        drawing: &drawing,
        legend: &[(answered, "bar-good"), (not_answered, "bar-bad")],
        head: &[words.get("page-chart-from"), answered, not_answered],
        rows: &rows,
    }
    .html(words)
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
    attempts: u64,
    failed: u64,
}

impl Bars {
    fn of(statistics: &Statistics) -> Option<Self> {
        let timeline = &statistics.timeline;
        let own = || timeline.intervals().filter(|(_, interval, _)| interval.attempts > 0);
        let attempts: u64 = own().map(|(_, interval, _)| interval.attempts).sum();
        let (first, last) = (own().next()?.0, own().last()?.0);
        if attempts < 2 {
            return None;
        }
        let narrow = timeline.width();
        let slots = last.since(first).nanos() / narrow.nanos().max(1) + 1;
        let together = (slots + BARS_MAX - 1) / BARS_MAX;
        let width = narrow.times(together);
        let mut list: Vec<Bar> = Vec::new();
        for (start, interval, _) in own() {
            let place = start.since(first).nanos() / width.nanos().max(1);
            let start = first + width.times(place);
            if list.last().is_none_or(|bar| bar.start != start) {
                list.push(Bar { start, attempts: 0, failed: 0 });
            }
            if let Some(bar) = list.last_mut() {
                bar.attempts += interval.attempts;
                bar.failed += interval.failed;
            }
        }
        Some(Self { list, first, width, count: (slots + together - 1) / together })
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
        let ticks = scale::counts(self.list.iter().map(|bar| bar.attempts).max().unwrap_or(1));
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
            let good = bar.attempts.saturating_sub(bar.failed);
            out.push_str(&format!("<g><title>{}</title>", escaped(&bar.row(index).join(" · "))));
            if good > 0 {
                rect([x, y(good), width, y(0) - y(good)], "bar-good", out);
            }
            if bar.failed > 0 {
                rect([x, y(bar.attempts), width, y(good) - y(bar.attempts)], "bar-bad", out);
            }
            out.push_str("</g>");
        }
        for tick in scale::times(self.first, self.end()) {
            let x = self.x(tick.time);
            line([x, y(0), x, y(0) + 5.0], "axis", out);
            // A label at the edge would be cut.
            let x = x.clamp(LEFT, WIDTH - RIGHT - 20.0);
            Text { x, y: y(0) + 18.0, class: "tick mid", text: &tick.label }.draw(out);
            if let Some(day) = &tick.day {
                Text { x, y: y(0) + 32.0, class: "tick mid", text: day }.draw(out);
            }
        }
    }

    fn draw_incidents(&self, index: &Index<'_>, lanes: &[&Incident], out: &mut String) {
        let room = WIDTH - LEFT - RIGHT;
        for (incident, at) in lanes.iter().zip(0..) {
            let y = TOP + HEIGHT + AXIS + 10.0 + LANE * f64::from(at);
            let title = incident.findings.first().and_then(|place| {
                index.analysis.findings.get(*place).map(|finding| index.title(finding))
            });
            let title = title.unwrap_or_default();
            let (Some(first), Some(last)) = (incident.first_time, incident.last_time) else {
                continue;
            };
            let (from, to) = (self.x(first), self.x(last));
            let width = (to - from).max(6.0);
            let from = from.min(WIDTH - RIGHT - width);
            let told = format!("{title} · {}", index.words.count(incident.count));
            let number = at + 1;
            out.push_str(&format!(
                "<a href=\"#incident-{number}\"><title>{}</title>",
                escaped(&told)
            ));
            line([LEFT, y + 8.0, WIDTH - RIGHT, y + 8.0], "grid", out);
            let class = format!("lane {}", incident.severity.name());
            rect([from, y, width, 16.0], &class, out);
            // Beside the bar where there is more room, in it where it fills the lane.
            let (before, after) = (from - LEFT, LEFT + room - from - width);
            let label = |room: f64| fitting(&told, room - 10.0, COLUMN);
            let (x, class, text) = if after >= before.max(200.0) {
                (from + width + 6.0, "lane-label", label(after))
            } else if before >= 200.0 {
                (from - 6.0, "lane-label end", label(before))
            } else {
                (from + 6.0, "lane-label inside", label(width))
            };
            Text { x, y: y + 12.0, class, text: &text }.draw(out);
            let mark = svg::number(LEFT - 8.0);
            out.push_str(&format!(
                "<text x=\"{mark}\" y=\"{}\" class=\"tick end\">{number}</text></a>",
                self::number(y + 12.0)
            ));
        }
    }

    fn told(&self, index: &Index<'_>) -> String {
        let words = index.words;
        let sum = |count: fn(&Bar) -> u64| self.list.iter().map(count).sum::<u64>();
        let attempts = words.count(sum(|bar| bar.attempts));
        let failed = words.count(sum(|bar| bar.failed));
        let width = words.duration(self.width);
        let values = [("attempts", &*attempts), ("failed", &*failed), ("width", &*width)];
        words.fill("page-chart-calls-told", &values)
    }
}

impl Bar {
    fn row(&self, index: &Index<'_>) -> Vec<String> {
        let (day, clock) = scale::written(self.start);
        let good = self.attempts.saturating_sub(self.failed);
        let [good, failed] = [good, self.failed].map(|count| index.words.count(count));
        vec![format!("{day} {clock}"), good, failed]
    }
}
