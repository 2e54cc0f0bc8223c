//! How long something took: how often, on an axis of doublings, with the marks that engineers ask
//! for.

use crate::analysis::{Delays, Statistics};
use crate::catalogue::Labels;
use crate::report::html::escaped;
use crate::report::page::chart::{WIDTH, scale};
use crate::report::page::svg::{Figure, Text, line, rect};
use crate::time::Span;

/// Bars of the chart; where the steps are more, some share one.
const BARS_MAX: usize = 40;

/// Percentiles that are marked.
const MARKS: [u8; 3] = [50, 95, 99];

/// Times of one kind from which on a distribution says more than the times themselves.
const COUNT_MIN: u64 = 3;

const LEFT: f64 = 52.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 46.0;
const HEIGHT: f64 = 120.0;
const AXIS: f64 = 26.0;

/// The length of a decade from which on 2 and 5 have room beside 1.
const DECADE_MIN: f64 = 190.0;

/// The times from a request to its first response, of all hosts together.
pub(in crate::report::page) fn response_times(statistics: &Statistics) -> Delays {
    let mut all = Delays::default();
    statistics.peers.values().for_each(|peer| all.merge(&peer.response_time));
    all
}

/// The distribution of times under the title of that key; empty for fewer than three.
pub(in crate::report::page) fn delays(title: &str, delays: &Delays, words: Labels) -> String {
    if delays.count() < COUNT_MIN {
        return String::new();
    }
    let plot = Plot::of(delays);
    let mut drawing = String::new();
    plot.draw(words, &mut drawing);
    plot.draw_marks(delays, words, &mut drawing);
    let shown = |span: Option<Span>| words.duration(span.unwrap_or_default());
    let [half, most, nearly_all] = MARKS.map(|percent| shown(delays.percentile(percent)));
    let (count, longest) = (words.count(delays.count()), shown(delays.longest()));
    let values = [
        ("count", &*count),
        ("half", &*half),
        ("most", &*most),
        ("nearly", &*nearly_all),
        ("longest", &*longest),
    ];
    let rows: Vec<Vec<String>> = plot.bars.iter().map(|bar| bar.row(words)).collect();
    Figure {
        id: &format!("chart-{}", title.trim_start_matches("page-chart-")),
        title: words.get(title),
        told: &words.fill("page-chart-delays-told", &values),
        width: WIDTH,
        height: TOP + HEIGHT + AXIS,
        drawing: &drawing,
        legend: &[],
        head: &[words.get("duration"), words.get("count")],
        rows: &rows,
    }
    .html(words)
}

struct Bar {
    from: Span,
    to: Span,
    count: u64,
}

impl Bar {
    fn row(&self, words: Labels) -> Vec<String> {
        let (first, last) = (words.duration(self.from), words.duration(self.to));
        let range = words.fill("range", &[("first", &first), ("last", &last)]);
        vec![range, words.count(self.count)]
    }
}

struct Plot {
    bars: Vec<Bar>,
    /// The ends of the axis.
    from: Span,
    to: Span,
}

impl Plot {
    fn of(delays: &Delays) -> Self {
        let steps: Vec<Bar> =
            delays.steps().map(|(from, to, count)| Bar { from, to, count }).collect();
        let mut wide = 1.0;
        let mut bars = together(&steps, wide);
        while bars.len() > BARS_MAX || spread(&bars) / wide > 2.0 * BARS_MAX as f64 {
            wide *= 2.0;
            bars = together(&steps, wide);
        }
        // Room on both sides, and never an axis without a length.
        let from = bars.first().map_or(1.0, |bar| micros(bar.from)) / 1.15;
        let to = bars.last().map_or(1.0, |bar| micros(bar.to)) * 1.15;
        Self { bars, from: of_micros(from.min(to / 4.0)), to: of_micros(to) }
    }

    fn x(&self, span: Span) -> f64 {
        let (from, to) = (micros(self.from).ln(), micros(self.to).ln());
        let share = (micros(span).ln() - from) / (to - from).max(1e-9);
        LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn draw(&self, words: Labels, out: &mut String) {
        let ticks = scale::counts(self.bars.iter().map(|bar| bar.count).max().unwrap_or(1));
        let top = ticks.last().copied().unwrap_or(1).max(1) as f64;
        let y = |count: u64| TOP + HEIGHT * (1.0 - count as f64 / top);
        for tick in &ticks {
            line([LEFT, y(*tick), WIDTH - RIGHT, y(*tick)], "grid", out);
            let text = words.count(*tick);
            Text { x: LEFT - 8.0, y: y(*tick) + 4.0, class: "tick end", text: &text }.draw(out);
        }
        for bar in &self.bars {
            let (from, to) = (self.x(bar.from), self.x(bar.to));
            out.push_str(&format!("<g><title>{}</title>", escaped(&bar.row(words).join(" · "))));
            let height = (y(0) - y(bar.count)).max(1.0);
            rect([from, y(0) - height, (to - from - 1.0).max(1.0), height], "bar-plain", out);
            out.push_str("</g>");
        }
        let decade = self.x(self.from + self.from.times(9)) - LEFT;
        for (tick, is_decade) in round(self.from, self.to) {
            let x = self.x(tick);
            line([x, y(0), x, y(0) + 5.0], "axis", out);
            // Where several decades share the axis, there is room for their names only.
            if (is_decade || decade > DECADE_MIN) && x <= WIDTH - RIGHT - 16.0 {
                let text = words.duration(tick);
                Text { x, y: y(0) + 18.0, class: "tick mid", text: &text }.draw(out);
            }
        }
    }

    /// The percentiles, one below the other so that near ones stay apart.
    fn draw_marks(&self, delays: &Delays, words: Labels, out: &mut String) {
        let of = |percent: u8| Some((percent, delays.percentile(percent)?));
        let marks: Vec<(f64, (u8, Span))> =
            [12.0, 26.0, 40.0].into_iter().zip(MARKS.into_iter().filter_map(of)).collect();
        for (y, (_, value)) in &marks {
            let x = self.x(*value);
            line([x, y - 8.0, x, TOP + HEIGHT], "mark", out);
        }
        for (y, (percent, value)) in marks {
            let x = self.x(value);
            let text = format!("p{percent} {}", words.duration(value));
            let (x, class) = match x > WIDTH - 140.0 {
                true => (x - 5.0, "mark-label end"),
                false => (x + 5.0, "mark-label"),
            };
            Text { x, y, class, text: &text }.draw(out);
        }
    }
}

/// Steps put together into bars of `wide` eighths of a doubling.
fn together(steps: &[Bar], wide: f64) -> Vec<Bar> {
    let mut bars: Vec<(i64, Bar)> = Vec::new();
    for step in steps {
        let place = (micros(step.from).log2() * 8.0 / wide + 1e-6).floor() as i64;
        match bars.last_mut().filter(|(known, _)| *known == place) {
            Some((_, bar)) => {
                bar.to = step.to;
                bar.count += step.count;
            }
            None => bars.push((place, Bar { ..*step })),
        }
    }
    bars.into_iter().map(|(_, bar)| bar).collect()
}

/// Eighths of a doubling from the first to the last.
fn spread(bars: &[Bar]) -> f64 {
    let from = bars.first().map_or(1.0, |bar| micros(bar.from));
    let to = bars.last().map_or(1.0, |bar| micros(bar.to));
    (to / from).log2() * 8.0
}

/// Never 0, which has no place on an axis of doublings.
fn micros(span: Span) -> f64 {
    (span.nanos() as f64 / 1000.0).max(1.0)
}

fn of_micros(micros: f64) -> Span {
    Span::from_micros(micros.round() as i64)
}

/// 1, 2 and 5 of each decade between two, and which of them is 1.
fn round(from: Span, to: Span) -> Vec<(Span, bool)> {
    let mut found = Vec::new();
    let mut decade = 1i64;
    while decade <= to.nanos() / 1000 {
        let ticks = [1, 2, 5].map(|factor| (Span::from_micros(decade * factor), factor == 1));
        found.extend(ticks.into_iter().filter(|(tick, _)| (from..=to).contains(tick)));
        match decade.checked_mul(10).filter(|next| *next < i64::MAX / 10) {
            Some(next) => decade = next,
            None => break,
        }
    }
    found
}
