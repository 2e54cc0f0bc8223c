//! How RTP streams fared: loss and jitter over all of them, and the worst ones.

use crate::analysis::StreamSummary;
use crate::catalogue::Labels;
use crate::report::html::escaped;
use crate::report::index::Index;
use crate::report::page::chart::{WIDTH, scale};
use crate::report::page::svg::{self, Figure, Text, line, rect};

/// Streams that are named.
const WORST_MAX: usize = 8;

/// Bounds of loss in percent and of the mean jitter in milliseconds, and how bad what reaches up to
/// them is: one percent is what listeners notice, five what they complain of; a jitter buffer holds
/// some tens of milliseconds.
const LOSS: [(f64, &str); 5] =
    [(0.0, "bar-good"), (1.0, "bar-good"), (2.0, "bar-warn"), (5.0, "bar-warn"), (10.0, "bar-bad")];
const JITTER: [(f64, &str); 5] = [
    (5.0, "bar-good"),
    (10.0, "bar-good"),
    (20.0, "bar-good"),
    (30.0, "bar-warn"),
    (50.0, "bar-warn"),
];

const LEFT: f64 = 40.0;
const GAP: f64 = 48.0;
const TOP: f64 = 28.0;
const HEIGHT: f64 = 120.0;
const AXIS: f64 = 24.0;

/// Loss and jitter of all streams; empty without a stream.
pub(in crate::report::page) fn quality(index: &Index<'_>) -> String {
    let words = index.words;
    let of_calls =
        index.analysis.calls.iter().zip(1..).flat_map(|(call, number)| {
            call.streams.iter().map(move |stream| (stream, Some(number)))
        });
    let alone = index.analysis.streams.iter().map(|stream| (stream, None));
    let streams: Vec<(&StreamSummary, Option<usize>)> = of_calls.chain(alone).collect();
    if streams.is_empty() {
        return String::new();
    }
    let jitter = |stream: &StreamSummary| stream.jitter.map(crate::time::Span::millis);
    let losses = counted(&LOSS, streams.iter().map(|(stream, _)| stream.lost_percent));
    let jitters = counted(&JITTER, streams.iter().filter_map(|(stream, _)| jitter(stream)));
    let half = (WIDTH - LEFT - GAP) / 2.0;
    let [loss, jitter_name] = [words.get("page-chart-loss"), words.get("page-chart-jitter")];
    let mut drawing = String::new();
    Panel { left: LEFT, width: half, name: loss, unit: "%", bounds: &LOSS, counts: &losses }
        .draw(words, &mut drawing);
    let left = LEFT + half + GAP;
    Panel { left, width: half, name: jitter_name, unit: "ms", bounds: &JITTER, counts: &jitters }
        .draw(words, &mut drawing);
    let with_loss = streams.iter().filter(|(stream, _)| stream.lost > 0).count();
    let counts = [streams.len(), with_loss].map(|count| words.count(count as u64));
    let values = [("count", counts[0].as_str()), ("lossy", counts[1].as_str())];
    let mut rows = ranges(loss, "%", &LOSS, &losses, words);
    rows.extend(ranges(jitter_name, "ms", &JITTER, &jitters, words));
    let mut html = Figure {
        id: "chart-quality",
        title: words.get("page-chart-quality"),
        told: &words.fill("page-chart-quality-told", &values),
        width: WIDTH,
        height: TOP + HEIGHT + AXIS,
        drawing: &drawing,
        legend: &[],
        head: &[words.get("page-chart-range"), words.get("rtp-streams")],
        rows: &rows,
    }
    .html(words);
    html.push_str(&worst(streams, words));
    html
}

/// How many lie in each range: up to the first bound, from bound to bound, above the last.
fn counted(bounds: &[(f64, &str)], values: impl Iterator<Item = f64>) -> Vec<u64> {
    let mut counts = vec![0; bounds.len() + 1];
    for value in values {
        let place = bounds.iter().position(|(bound, _)| value <= *bound).unwrap_or(bounds.len());
        if let Some(count) = counts.get_mut(place) {
            *count += 1;
        }
    }
    counts
}

/// `≤ 5`, `> 100`.
fn range_name(place: usize, bounds: &[(f64, &str)], words: Labels) -> String {
    match (bounds.get(place), bounds.last()) {
        (Some((bound, _)), _) if *bound == 0.0 => "0".to_owned(),
        (Some((bound, _)), _) => format!("≤ {}", words.decimal(*bound, 1)),
        (None, Some((last, _))) => format!("> {}", words.decimal(*last, 1)),
        (None, None) => String::new(),
    }
}

fn ranges(
    name: &str,
    unit: &str,
    bounds: &[(f64, &str)],
    counts: &[u64],
    words: Labels,
) -> Vec<Vec<String>> {
    let rows = counts.iter().zip(0..).map(|(count, place)| {
        let range = format!("{} {unit}", range_name(place, bounds, words));
        vec![words.pair(name, &range), words.count(*count)]
    });
    rows.collect()
}

/// One of the two distributions.
struct Panel<'a> {
    left: f64,
    width: f64,
    name: &'a str,
    unit: &'a str,
    bounds: &'a [(f64, &'static str)],
    counts: &'a [u64],
}

impl Panel<'_> {
    fn draw(&self, words: Labels, out: &mut String) {
        let ticks = scale::counts(self.counts.iter().copied().max().unwrap_or(1));
        let top = ticks.last().copied().unwrap_or(1).max(1) as f64;
        let y = |count: u64| TOP + HEIGHT * (1.0 - count as f64 / top);
        let title = format!("{} ({})", self.name, self.unit);
        Text { x: self.left, y: 14.0, class: "label strong", text: &title }.draw(out);
        for tick in &ticks {
            line([self.left, y(*tick), self.left + self.width, y(*tick)], "grid", out);
            let text = words.count(*tick);
            Text { x: self.left - 8.0, y: y(*tick) + 4.0, class: "tick end", text: &text }
                .draw(out);
        }
        let step = self.width / self.counts.len() as f64;
        for (count, place) in self.counts.iter().zip(0..) {
            let x = self.left + step * place as f64;
            let range = range_name(place, self.bounds, words);
            let class = self.bounds.get(place).map_or("bar-bad", |(_, class)| class);
            if *count > 0 {
                let told = format!("{} {range} {}: {}", self.name, self.unit, words.count(*count));
                out.push_str(&format!("<g><title>{}</title>", escaped(&told)));
                rect([x + 3.0, y(*count), step - 6.0, y(0) - y(*count)], class, out);
                out.push_str("</g>");
            }
            let x = x + step / 2.0;
            Text { x, y: y(0) + 16.0, class: "tick mid", text: &range }.draw(out);
        }
    }
}

/// The streams that lost most, then those that came most unevenly; empty where all was well.
fn worst(mut streams: Vec<(&StreamSummary, Option<usize>)>, words: Labels) -> String {
    streams.retain(|(stream, _)| {
        stream.lost > 0 || stream.jitter.is_some_and(|jitter| jitter.millis() > JITTER[2].0)
    });
    streams.sort_by(|(a, _), (b, _)| {
        b.lost_percent.total_cmp(&a.lost_percent).then_with(|| b.jitter.cmp(&a.jitter))
    });
    if streams.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> =
        streams.iter().take(WORST_MAX).map(|(stream, call)| row(stream, *call, words)).collect();
    let head = [
        "page-chart-stream",
        "call",
        "page-chart-codec",
        "page-chart-loss",
        "page-chart-jitter",
        "page-chart-jitter-max",
        "page-chart-mos",
    ];
    let mut out = String::from("<figure class=\"chart\" id=\"chart-worst-streams\">\n");
    let title = escaped(words.get("page-chart-worst"));
    out.push_str(&format!("<figcaption>{title}</figcaption>\n"));
    svg::table(&head.map(|key| words.get(key)), &rows, &mut out);
    out.push_str("</figure>\n");
    out
}

fn row(stream: &StreamSummary, call: Option<usize>, words: Labels) -> Vec<String> {
    let span =
        |span: Option<crate::time::Span>| span.map(|span| words.duration(span)).unwrap_or_default();
    let mos = stream.estimate.as_ref().map(|estimate| words.decimal(estimate.mos, 1));
    vec![
        format!("{} → {}", stream.source, stream.destination),
        call.map(|number| format!("#{number}")).unwrap_or_default(),
        stream.codec.clone().unwrap_or_default(),
        format!("{} %", words.decimal(stream.lost_percent, 2)),
        span(stream.jitter),
        span(stream.jitter_max),
        mos.unwrap_or_default(),
    ]
}
