//! Charts of the capture as a whole, and the table of the servers that were asked.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write;

use crate::analysis::{Host, Peer};
use crate::finding::Severity;
use crate::report::html::escaped;
use crate::report::page::chart;
use crate::report::page::markup::{CLOSE_TABLE, Column, open_table, paragraph};
use crate::report::page::scene::Scene;
use crate::time::{Span, Time};

/// Servers that are listed; more are counted.
const SERVERS_MAX: usize = 50;

/// Parts of the capture's time in which findings on one server are counted.
const PARTS: usize = 24;

/// The charts, as many as there is something to draw for.
pub(super) fn charts(scene: &Scene<'_>) -> String {
    let words = scene.words;
    let statistics = &scene.analysis.statistics;
    let responses = chart::response_times(statistics);
    let charts = [
        chart::codes(statistics, words),
        chart::delays("page-chart-set-up", &statistics.kpi.post_dial_delay, words),
        chart::delays("page-chart-response", &responses, words),
        chart::quality(&scene.index),
    ];
    let charts = charts.concat();
    match charts.is_empty() {
        true => charts,
        false => format!("<div class=\"charts\">\n{charts}</div>\n"),
    }
}

/// The columns of the table of servers: the key of the name, and whether they are numbers.
pub(super) const COLUMNS: [(&str, bool); 9] = [
    ("server", false),
    ("requests", true),
    ("calls", true),
    ("answered", true),
    ("failures", true),
    ("unanswered", true),
    ("retransmissions", true),
    ("page-response-half", true),
    ("page-response-most", true),
];

/// The servers that were asked, those with most failures first.
pub(super) fn listed<'a>(scene: &Scene<'a>) -> Vec<(&'a Host, &'a Peer)> {
    let mut peers: Vec<_> = scene.analysis.statistics.peers.iter().collect();
    peers.sort_by_key(|(host, peer)| {
        (Reverse((peer.failures + peer.unanswered, peer.calls, peer.requests)), **host)
    });
    peers.truncate(SERVERS_MAX);
    peers
}

/// The texts of a server in the order of the columns.
pub(super) fn cells(scene: &Scene<'_>, host: Host, peer: &Peer) -> Vec<String> {
    let words = scene.words;
    let span = |span: Option<Span>| span.map(|span| words.duration(span)).unwrap_or_default();
    let some = |count: u64| if count == 0 { String::new() } else { words.count(count) };
    vec![
        scene.parts.host(host),
        words.count(peer.requests),
        some(peer.calls),
        some(peer.answered),
        some(peer.failures),
        some(peer.unanswered),
        some(peer.retransmissions),
        span(peer.response_time.percentile(50)),
        span(peer.response_time.percentile(95)),
    ]
}

/// The table of servers.
pub(super) fn servers(scene: &Scene<'_>) -> String {
    let words = scene.words;
    let peers = listed(scene);
    if peers.is_empty() {
        return String::new();
    }
    let sparks = sparks(scene);
    let last = (!sparks.is_empty()).then_some(("page-findings-over-time", false));
    let keys: Vec<_> = COLUMNS.into_iter().chain(last).collect();
    let columns = Column::of(&keys, &words);
    let mut out = open_table("", words.get("page-servers"), &columns);
    for (host, peer) in peers {
        let cells = cells(scene, *host, peer);
        let mut row: Vec<String> = cells.iter().map(|cell| escaped(cell)).collect();
        row.push(sparks.get(host).map(|counts| chart::spark(counts)).unwrap_or_default());
        let row: String =
            row.iter().zip(&columns).map(|(cell, column)| column.cell(cell)).collect();
        let _ = writeln!(out, "<tr>{row}</tr>");
    }
    out.push_str(CLOSE_TABLE);
    out.push_str(&left_out(scene));
    out
}

/// How many servers are not in the table.
fn left_out(scene: &Scene<'_>) -> String {
    let words = scene.words;
    let all = scene.analysis.statistics.peers.len();
    match all.checked_sub(SERVERS_MAX).filter(|more| *more > 0) {
        Some(more) => {
            let count = words.count(more as u64);
            paragraph("faint", &words.fill("page-servers-left-out", &[("count", &count)]))
        }
        None => String::new(),
    }
}

/// Errors and warnings on each server over the time of the capture; empty where that is a moment.
fn sparks(scene: &Scene<'_>) -> BTreeMap<Host, Vec<u64>> {
    let mut sparks: BTreeMap<Host, Vec<u64>> = BTreeMap::new();
    let serious = scene.analysis.findings.iter().filter(|f| f.severity > Severity::Info);
    let of = serious.filter_map(|finding| Some((finding.server?.address, finding.time?)));
    let of: Vec<(Host, Time)> = of.collect();
    let captures = &scene.analysis.captures;
    let first = captures.iter().filter_map(|capture| capture.first_time).min();
    let last = captures.iter().filter_map(|capture| capture.last_time).max();
    let Some((first, last)) = first.zip(last).filter(|(first, last)| first < last) else {
        return sparks;
    };
    let whole = last.since(first).secs();
    for (host, time) in of {
        let part = (time.since(first).secs() / whole * PARTS as f64).max(0.0) as usize;
        let counts = sparks.entry(host).or_insert_with(|| vec![0; PARTS]);
        if let Some(count) = counts.get_mut(part.min(PARTS - 1)) {
            *count += 1;
        }
    }
    sparks
}
