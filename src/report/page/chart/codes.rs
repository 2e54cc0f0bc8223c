//! Final responses by their code.

use std::collections::BTreeMap;

use crate::analysis::Statistics;
use crate::catalogue::{self, Labels};
use crate::report::html::escaped;
use crate::report::page::chart::{COLUMN, WIDTH};
use crate::report::page::svg::{Figure, Text, fitting, rect};

/// Codes that get a bar; the rarer ones are counted.
const CODES_MAX: usize = 14;

const ROW: f64 = 24.0;
const LABELS: f64 = 240.0;
const COUNTS: f64 = 92.0;

/// Final responses as the first sender saw them, the commonest first; empty without any.
pub(in crate::report::page) fn codes(statistics: &Statistics, words: Labels) -> String {
    let mut sums: BTreeMap<u16, u64> = BTreeMap::new();
    for (_, interval, _) in statistics.timeline.intervals() {
        for (code, count) in &interval.statuses {
            *sums.entry(*code).or_default() += count;
        }
    }
    let mut all: Vec<(u16, u64)> = sums.into_iter().collect();
    all.sort_by_key(|(code, count)| (std::cmp::Reverse(*count), *code));
    let whole: u64 = all.iter().map(|(_, count)| count).sum();
    let Some((_, most)) = all.first().copied() else { return String::new() };
    let rest: u64 = all.iter().skip(CODES_MAX).map(|(_, count)| count).sum();
    let left_out = all.len().saturating_sub(CODES_MAX);
    all.truncate(CODES_MAX);
    let mut drawing = String::new();
    let mut rows = Vec::new();
    for ((code, count), at) in all.iter().zip(0..) {
        let y = ROW * f64::from(at);
        let name = format!("{code} {}", catalogue::status(*code, words.lang()).phrase);
        let percent = words.decimal(*count as f64 * 100.0 / whole as f64, 1);
        let count_text = words.count(*count);
        let shown = format!("{count_text} · {percent} %");
        let width = ((WIDTH - LABELS - COUNTS) * *count as f64 / most as f64).max(2.0);
        let full = escaped(&format!("{name}: {shown}"));
        drawing.push_str(&format!("<g><title>{full}</title>"));
        let text = fitting(&name, LABELS - 12.0, COLUMN);
        Text { x: LABELS - 10.0, y: y + 16.0, class: "label end", text: &text }.draw(&mut drawing);
        rect([LABELS, y + 4.0, width, 16.0], class(*code), &mut drawing);
        let x = LABELS + width + 6.0;
        Text { x, y: y + 16.0, class: "count", text: &shown }.draw(&mut drawing);
        drawing.push_str("</g>");
        rows.push(vec![name, count_text, percent]);
    }
    let mut told = words.fill("page-chart-codes-told", &[("count", &words.count(whole))]);
    if left_out > 0 {
        let values = [("codes", &*words.count(left_out as u64)), ("count", &words.count(rest))];
        told = format!("{told} {}", words.fill("page-chart-codes-left-out", &values));
    }
    Figure {
        id: "chart-codes",
        title: words.get("statuses"),
        told: &told,
        width: WIDTH,
        height: ROW * all.len() as f64 + 2.0,
        drawing: &drawing,
        legend: &[],
        head: &[words.get("code"), words.get("count"), words.get("page-chart-percent")],
        rows: &rows,
    }
    .html(words)
}

/// Success, what leads on, what users and clients may cause, what servers cause.
fn class(code: u16) -> &'static str {
    match code {
        200..=299 => "bar-good",
        300..=399 | 401 | 407 => "bar-plain",
        400..=499 | 600..=699 => "bar-warn",
        _ => "bar-bad",
    }
}
