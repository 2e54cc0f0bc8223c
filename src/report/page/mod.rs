//! The incident report as one HTML page.

use crate::analysis::flow::{Flow, FlowOptions};
use crate::analysis::{Analysis, CallSummary};
use crate::catalogue::{Lang, labels};
use crate::finding::Finding;
use crate::report::index::Index;

mod chart;
mod ladder;
mod svg;

/// The drawings of an analysis, with the ladders of these calls.
pub fn drawings(analysis: &Analysis, calls: &[&CallSummary], lang: Lang) -> String {
    let (index, words) = (Index::new(analysis, lang), labels(lang));
    let statistics = &analysis.statistics;
    let responses = chart::response_times(statistics);
    let mut out = [
        chart::calls_over_time(&index),
        chart::codes(statistics, words),
        chart::delays("page-chart-set-up", &statistics.kpi.post_dial_delay, words),
        chart::delays("page-chart-response", &responses, words),
        chart::quality(&index),
    ]
    .concat();
    for (call, number) in calls.iter().zip(1..) {
        let is_own = |finding: &&Finding| finding.call_id.as_ref() == Some(&call.call_id);
        let findings: Vec<&Finding> = analysis.findings.iter().filter(is_own).collect();
        let flow = Flow::of(&[call], &findings, &analysis.hosts, &FlowOptions::default());
        out.push_str(&ladder::ladder(&flow, &findings, &format!("ladder-{number}"), &index));
    }
    out.push_str(&chart::spark(&statistics.fates.values().copied().collect::<Vec<_>>()));
    out
}
