//! The messages of a call as a ladder in SVG, with the raw message behind each arrow.
//!
//! Each arrow is a link to its message, which stands below in a closed box: it opens without a
//! script, in print and in mail; the script shows it in a panel. What parties sent is cut at bounds
//! that the figure names. Knows nothing of the page around it.

mod draw;
mod kept;
mod messages;
mod plan;

#[cfg(test)]
mod tests;

use std::fmt::Write;

use crate::analysis::flow::Flow;
use crate::finding::Finding;
use crate::report::html::escaped;
use crate::report::index::Index;
use crate::report::text::clock::Clock;
use draw::Drawing;
use kept::Kept;
use messages::Messages;
use plan::{Margin, Plan};

/// The flow as a figure whose elements have ids that begin with `id`; empty without a row.
pub(super) fn ladder(
    flow: &Flow<'_>,
    findings: &[&Finding],
    id: &str,
    index: &Index<'_>,
) -> String {
    let Some(start) = flow.start() else { return String::new() };
    let words = index.words;
    let kept = Kept::of(flow);
    let margin = Margin { index, start };
    let plan = Plan::new(flow, &kept, &margin);
    let drawing = Drawing { flow, findings, id, index, plan: &plan, margin: &margin, start };
    let title = words.fill("page-ladder-title", &[("time", &Clock::full(start))]);
    let mut out = format!(
        "<figure class=\"ladder\" id=\"{id}\" data-close=\"{}\" data-next=\"{}\" \
         data-previous=\"{}\">\n<figcaption>{}</figcaption>\n",
        escaped(words.get("page-ladder-close")),
        escaped(words.get("page-ladder-next")),
        escaped(words.get("page-ladder-previous")),
        escaped(&title),
    );
    let _ = writeln!(
        out,
        "<div class=\"ladder-box\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">",
        escaped(&title)
    );
    drawing.head(&mut out);
    drawing.rows(&kept, &mut out);
    out.push_str("</div>\n");
    for note in notes(flow, &kept, index) {
        let _ = writeln!(out, "<p class=\"ladder-note\">{}</p>", escaped(&note));
    }
    list_findings(flow, &kept, findings, index, &mut out);
    Messages { id, index, start }.write(flow, &kept, &mut out);
    out.push_str("</figure>\n");
    out
}

/// What the ladder does not show.
fn notes(flow: &Flow<'_>, kept: &Kept, index: &Index<'_>) -> Vec<String> {
    let words = index.words;
    let mut notes = Vec::new();
    for (key, count) in [
        ("page-ladder-left-out", kept.left_out(flow)),
        ("page-ladder-hidden", flow.hidden),
        ("page-ladder-not-kept", flow.without_messages.len()),
    ] {
        if count > 0 {
            notes.push(words.fill(key, &[("count", &words.count(count as u64))]));
        }
    }
    notes
}

/// The findings that are marked with their numbers.
fn list_findings(
    flow: &Flow<'_>,
    kept: &Kept,
    findings: &[&Finding],
    index: &Index<'_>,
    out: &mut String,
) {
    let mut marked: Vec<usize> =
        kept.rows(flow).flat_map(|(_, row)| row.findings.clone()).collect();
    marked.sort_unstable();
    let marked = marked.into_iter().filter_map(|place| Some((place, findings.get(place)?)));
    let items: Vec<String> = marked
        .map(|(place, finding)| {
            let text = format!("{}: {}", index.title(finding), index.message(finding));
            let severity = finding.severity.name();
            format!("<li value=\"{}\" class=\"{severity}\">{}</li>\n", place + 1, escaped(&text))
        })
        .collect();
    if !items.is_empty() {
        let _ = writeln!(out, "<ol class=\"ladder-findings\">\n{}</ol>", items.concat());
    }
}
