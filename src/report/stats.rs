//! The figures of a capture, or of chosen calls: key figures, tables by peer, time and others,
//! distributions; as JSON and as tables for machines. The text is written by `text::stats`.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::analysis::{Analysis, CallSummary, Delays, Interval, Kpi, Statistics, StreamSummary};
use crate::catalogue::{self, Labels};
use crate::report::calls::user_agent;
use crate::report::csv::{self, Row};
use crate::report::sparkline::Brush;
use crate::report::statistics::{ChosenJson, StatisticsJson};
use crate::report::streams::{millis, rounded};
use crate::report::text;
use crate::report::text::TextOptions;
use crate::time::{Span, Time};

/// Figures and what they are made of.
#[derive(Debug)]
pub struct Figures<'a> {
    /// The run.
    pub analysis: &'a Analysis,
    /// The figures: of the run, or of the chosen calls alone.
    pub statistics: Statistics,
    /// The calls that they are made of.
    pub calls: Vec<&'a CallSummary>,
    /// What chose them; none if they are all.
    pub filter: Option<String>,
}

/// What the lines of a table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Hosts that were asked.
    Peer,
    /// Intervals.
    Time,
    /// Status codes of responses.
    Status,
    /// Methods of requests.
    Method,
    /// Transports of messages.
    Transport,
    /// What the callers say that they are.
    UserAgent,
}

/// How the text is written.
#[derive(Clone, Copy, Debug)]
pub struct StatsOptions {
    /// Language, width and colours.
    pub text: TextOptions,
    /// What bars are drawn with.
    pub brush: Brush,
    /// This table alone.
    pub by: Option<By>,
}

impl<'a> Figures<'a> {
    /// The figures of all calls, or of those that were chosen by a filter; with intervals of that
    /// width.
    pub fn new(
        analysis: &'a Analysis,
        chosen: Option<(Vec<&'a CallSummary>, String)>,
        every: Option<Span>,
    ) -> Self {
        let until = analysis.captures.iter().filter_map(|capture| capture.last_time).max();
        let of = |calls: &[&CallSummary]| Statistics::of_calls(calls.iter().copied(), until, every);
        match chosen {
            Some((calls, filter)) => {
                let statistics = of(&calls);
                Self { analysis, statistics, calls, filter: Some(filter) }
            }
            None => {
                let calls: Vec<&CallSummary> = analysis.calls.iter().collect();
                let mut statistics = analysis.statistics.clone();
                if every.is_some() {
                    statistics.timeline = of(&calls).timeline;
                }
                Self { analysis, statistics, calls, filter: None }
            }
        }
    }

    /// Messages sent again of all messages; unknown for chosen calls.
    pub(super) fn retransmission_percent(&self) -> Option<f64> {
        let totals = &self.analysis.totals;
        let is_known = self.filter.is_none() && totals.sip_messages > 0;
        is_known.then(|| totals.retransmissions as f64 * 100.0 / totals.sip_messages as f64)
    }

    /// The RTP streams of the calls; without a filter those of no call as well.
    pub(super) fn streams(&self) -> impl Iterator<Item = &'a StreamSummary> + '_ {
        let alone = match self.filter {
            Some(_) => [].iter(),
            None => self.analysis.streams.iter(),
        };
        self.calls.iter().flat_map(|call| &call.streams).chain(alone)
    }
}

/// A table of figures.
pub(super) struct Grid {
    pub(super) heads: Vec<Head>,
    pub(super) rows: Vec<Vec<Figure>>,
}

/// A column: the name for machines and the key of the heading.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) field: &'static str,
    pub(super) label: &'static str,
}

/// A figure in a table.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Figure {
    Text(String),
    Code(u16),
    Count(u64),
    Percent(Option<f64>),
    Span(Option<Span>),
    Time(Time),
}

impl Grid {
    fn new(heads: &[(&'static str, &'static str)], rows: Vec<Vec<Figure>>) -> Self {
        let heads = heads.iter().map(|(field, label)| Head { field, label });
        Self { heads: heads.collect(), rows }
    }

    pub(super) fn of(figures: &Figures<'_>, by: By, words: Labels) -> Self {
        match by {
            By::Peer => peers(figures),
            By::Time => times(&figures.statistics),
            By::Status => statuses(&figures.statistics, words),
            By::Method => {
                let own = figures.statistics.methods.iter();
                shares(("method", "method"), ("requests", "requests"), own)
            }
            By::Transport => {
                let own = figures.statistics.transports.iter();
                let named = own.map(|(transport, count)| (transport.name(), count));
                shares(("transport", "transport"), ("messages", "messages"), named)
            }
            By::UserAgent => user_agents(figures),
        }
    }
}

/// The hosts that were asked, those with the most calls first.
fn peers(figures: &Figures<'_>) -> Grid {
    let mut peers: Vec<_> = figures.statistics.peers.iter().collect();
    peers.sort_by_key(|(host, peer)| {
        (std::cmp::Reverse(peer.calls), std::cmp::Reverse(peer.requests), **host)
    });
    let name = |host: &std::net::IpAddr| {
        figures.analysis.hosts.get(&host.to_canonical()).cloned().unwrap_or_default()
    };
    let rows = peers.into_iter().map(|(host, peer)| {
        vec![
            Figure::Text(host.to_string()),
            Figure::Text(name(host)),
            Figure::Count(peer.calls),
            Figure::Count(peer.answered),
            // Its own answers: a call may have been answered by another branch of a fork.
            Figure::Percent(share(peer.answered, peer.calls)),
            Figure::Percent(peer.kpi.ner()),
            Figure::Count(peer.failures),
            Figure::Count(peer.unanswered),
            Figure::Count(peer.requests),
            Figure::Count(peer.retransmissions),
            Figure::Span(peer.response_time.mean()),
            Figure::Span(peer.response_time.percentile(95)),
            Figure::Span(peer.kpi.post_dial_delay.percentile(50)),
        ]
    });
    let heads = [
        ("address", "calls-peer"),
        ("name", "name"),
        ("calls", "calls"),
        ("answered", "answered"),
        ("answered_percent", "calls-asr-short"),
        ("ner_percent", "calls-ner-short"),
        ("failures", "failures"),
        ("unanswered", "calls-silent"),
        ("requests", "requests"),
        ("retransmissions", "calls-again"),
        ("response_mean_ms", "calls-response-mean"),
        ("response_p95_ms", "calls-response-most"),
        ("pdd_p50_ms", "calls-set-up-median"),
    ];
    Grid::new(&heads, rows.collect())
}

/// Every interval in which something happened.
fn times(statistics: &Statistics) -> Grid {
    let rows = statistics.timeline.intervals().map(|(start, interval, up)| {
        vec![
            Figure::Time(start),
            Figure::Count(interval.attempts),
            Figure::Count(interval.answered),
            Figure::Count(interval.failed),
            Figure::Count(interval.ended),
            Figure::Count(up),
            Figure::Count(interval.statuses.values().sum()),
            Figure::Count(refusals(interval)),
        ]
    });
    let heads = [
        ("start", "time"),
        ("attempts", "calls-attempts"),
        ("answered", "answered"),
        ("failed", "calls-failed"),
        ("ended", "calls-ended"),
        ("concurrent", "calls-up"),
        ("responses", "statuses"),
        ("refusals", "calls-refusals"),
    ];
    Grid::new(&heads, rows.collect())
}

/// Final responses of 400 and more other than challenges.
fn refusals(interval: &Interval) -> u64 {
    let refused = interval.statuses.range(400..).filter(|(code, _)| !matches!(code, 401 | 407));
    refused.map(|(_, count)| count).sum()
}

fn statuses(statistics: &Statistics, words: Labels) -> Grid {
    let all: u64 = statistics.statuses.values().sum();
    let rows = statistics.statuses.iter().map(|(code, count)| {
        vec![
            Figure::Code(*code),
            Figure::Text(catalogue::status(*code, words.lang()).phrase.to_string()),
            Figure::Count(*count),
            Figure::Percent(share(*count, all)),
        ]
    });
    let heads = [
        ("status", "status"),
        ("phrase", "calls-phrase"),
        ("responses", "responses"),
        ("share_percent", "share"),
    ];
    Grid::new(&heads, rows.collect())
}

/// Counts with their shares, the largest first.
fn shares<'n, N: AsRef<str>>(
    name: (&'static str, &'static str),
    counted: (&'static str, &'static str),
    counts: impl Iterator<Item = (N, &'n u64)>,
) -> Grid {
    let mut counts: Vec<(N, u64)> = counts.map(|(name, count)| (name, *count)).collect();
    let all: u64 = counts.iter().map(|(_, count)| count).sum();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let rows = counts.into_iter().map(|(name, count)| {
        let name = Figure::Text(name.as_ref().to_owned());
        vec![name, Figure::Count(count), Figure::Percent(share(count, all))]
    });
    Grid::new(&[name, counted, ("share_percent", "share")], rows.collect())
}

fn share(part: u64, all: u64) -> Option<f64> {
    (all > 0).then(|| part as f64 * 100.0 / all as f64)
}

/// The calls by what their first sender says that he is, the commonest first.
fn user_agents(figures: &Figures<'_>) -> Grid {
    let mut groups: BTreeMap<String, Vec<&CallSummary>> = BTreeMap::new();
    for call in &figures.calls {
        groups.entry(user_agent(call).unwrap_or_default()).or_default().push(call);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, calls)| std::cmp::Reverse(calls.len()));
    let rows = groups.into_iter().map(|(agent, calls)| {
        let count = calls.len() as u64;
        let kpi = Statistics::of_calls(calls, None, None).kpi;
        vec![
            Figure::Text(agent),
            Figure::Count(count),
            Figure::Count(kpi.attempts),
            Figure::Count(kpi.established),
            Figure::Percent(kpi.asr()),
            Figure::Percent(kpi.ner()),
            Figure::Span(kpi.post_dial_delay.percentile(50)),
            Figure::Span(kpi.duration.mean()),
        ]
    });
    let heads = [
        ("user_agent", "calls-user-agent"),
        ("call_ids", "call-ids"),
        ("attempts", "calls-attempts"),
        ("answered", "answered"),
        ("asr_percent", "calls-asr-short"),
        ("ner_percent", "calls-ner-short"),
        ("pdd_p50_ms", "calls-set-up-median"),
        ("talk_mean_ms", "calls-talk-mean"),
    ];
    Grid::new(&heads, rows.collect())
}

/// The ratios with the keys of their names and their names for machines.
pub(super) fn ratios(kpi: &Kpi) -> [(&'static str, &'static str, Option<f64>); 6] {
    [
        ("calls-asr", "asr_percent", kpi.asr()),
        ("calls-ner", "ner_percent", kpi.ner()),
        ("kpi-ser", "ser_percent", kpi.ser()),
        ("kpi-seer", "seer_percent", kpi.seer()),
        ("kpi-isa", "isa_percent", kpi.isa()),
        ("kpi-scr", "scr_percent", kpi.scr()),
    ]
}

/// The times with the keys of their names and their names for machines.
pub(super) fn delays(kpi: &Kpi) -> [(&'static str, &'static str, &Delays); 7] {
    [
        ("post-dial-delay", "pdd", &kpi.post_dial_delay),
        ("ring-time", "ring", &kpi.ring_time),
        ("kpi-srd", "srd", &kpi.request_delay),
        ("calls-srd-failed", "srd_failed", &kpi.failed_request_delay),
        ("kpi-sdd", "sdd", &kpi.disconnect_delay),
        ("kpi-sdt", "sdt", &kpi.duration),
        ("kpi-rrd", "rrd", &kpi.registration_delay),
    ]
}

/// How many numbers lie below each of some bounds and not below the one before; the last count is
/// of those beyond.
pub(super) fn distribution(numbers: impl Iterator<Item = f64>, bounds: &[f64]) -> Vec<u64> {
    let mut counts = vec![0; bounds.len() + 1];
    for number in numbers {
        let place = bounds.partition_point(|bound| *bound <= number);
        if let Some(count) = counts.get_mut(place) {
            *count += 1;
        }
    }
    counts
}

/// Writes the figures as text.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn text(figures: &Figures<'_>, options: &StatsOptions, out: &mut dyn Write) -> io::Result<()> {
    text::stats::write(figures, options, out)
}

/// Writes the figures as one JSON object, the `statistics` of the JSON of an analysis.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn json(figures: &Figures<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut mirror = StatisticsJson::new(&figures.statistics, figures.retransmission_percent());
    mirror.chosen = figures.filter.as_deref().map(|filter| ChosenJson {
        filter,
        call_ids: figures.calls.len() as u64,
        of: figures.analysis.totals.call_ids,
    });
    serde_json::to_writer_pretty(&mut *out, &mirror)?;
    writeln!(out)
}

/// Writes a table, or without one the key figures, a line each.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn table(
    figures: &Figures<'_>,
    by: Option<By>,
    words: Labels,
    out: &mut dyn Write,
) -> io::Result<()> {
    let Some(by) = by else { return key_figures(figures, out) };
    let grid = Grid::of(figures, by, words);
    let names: Vec<&str> = grid.heads.iter().map(|head| head.field).collect();
    csv::head(&names, out)?;
    grid.rows.iter().try_for_each(|row| row.iter().fold(Row::default(), field).write(out))
}

fn field(row: Row, figure: &Figure) -> Row {
    match figure {
        Figure::Text(text) => row.text(text),
        Figure::Code(code) => row.number(code),
        Figure::Count(count) => row.number(count),
        Figure::Percent(Some(percent)) => row.number(rounded(*percent)),
        Figure::Span(Some(span)) => row.number(millis(*span)),
        Figure::Percent(None) | Figure::Span(None) => row.text(""),
        Figure::Time(time) => row.text(time.to_string()),
    }
}

fn key_figures(figures: &Figures<'_>, out: &mut dyn Write) -> io::Result<()> {
    csv::head(&["figure", "value"], out)?;
    let kpi = &figures.statistics.kpi;
    let counts = [
        ("call_ids", figures.calls.len() as u64),
        ("attempts", kpi.attempts),
        ("established", kpi.established),
    ];
    let mut all: Vec<(String, Figure)> =
        counts.iter().map(|(name, count)| ((*name).to_owned(), Figure::Count(*count))).collect();
    for (_, name, percent) in ratios(kpi) {
        all.push((name.to_owned(), Figure::Percent(percent)));
    }
    let repeated = figures.retransmission_percent();
    all.push(("retransmission_percent".to_owned(), Figure::Percent(repeated)));
    for (_, name, own) in delays(kpi) {
        all.push((format!("{name}_count"), Figure::Count(own.count())));
        for (part, span) in [
            ("mean", own.mean()),
            ("p50", own.percentile(50)),
            ("p95", own.percentile(95)),
            ("p99", own.percentile(99)),
            ("max", own.longest()),
        ] {
            all.push((format!("{name}_{part}_ms"), Figure::Span(span)));
        }
    }
    all.iter().try_for_each(|(name, figure)| field(Row::default().text(name), figure).write(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fall_between_bounds() {
        let numbers = [0.0, 0.5, 1.0, 2.9, 3.0, 100.0];
        assert_eq!(distribution(numbers.into_iter(), &[1.0, 3.0]), [2, 2, 2]);
        assert_eq!(distribution([].into_iter(), &[1.0]), [0, 0]);
    }

    #[test]
    fn shares_are_of_the_whole() {
        let counts = BTreeMap::from([("INVITE", 1), ("OPTIONS", 3)]);
        let grid = shares(("method", "method"), ("requests", "requests"), counts.iter());
        let first = grid.rows.first().expect("two rows");
        let expected =
            [Figure::Text("OPTIONS".to_owned()), Figure::Count(3), Figure::Percent(Some(75.0))];
        assert_eq!(*first, expected);
    }
}
