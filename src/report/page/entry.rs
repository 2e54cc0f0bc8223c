//! Incidents and findings: what it is, how it is known, what it means and what to do, with the
//! ladder of an example.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::bytes::printable_str;
use crate::catalogue;
use crate::finding::Finding;
use crate::report::entries::Entry;
use crate::report::evidence;
use crate::report::html::{escaped, inline, isolate, isolated};
use crate::report::layout;
use crate::report::outcome::Missed;
use crate::report::page::examples::{Examples, Shown};
use crate::report::page::markup::{Column, below, list, paragraph, table};
use crate::report::page::scene::{FACT_MAX, GENERAL, Scene, cut};

/// Findings that get a line; more are counted.
const LINES_MAX: usize = 200;

/// Expectations that were not met and are told in full.
const BROKEN_MAX: usize = 50;

/// What went wrong, the worst first.
pub(super) fn entries(scene: &Scene<'_>, examples: &Examples) -> String {
    let words = scene.words;
    if scene.entries.is_empty() {
        return paragraph("", words.get("no-findings"));
    }
    let (told, rest) = scene.told();
    let mut known = (BTreeSet::new(), BTreeSet::new());
    let mut out = String::new();
    for (place, entry) in told.iter().enumerate() {
        article(scene, entry, (place, examples), &mut known, &mut out);
    }
    out.push_str(&lines(scene, rest, !told.is_empty()));
    out
}

/// Rules and statuses that were explained.
type Known = (BTreeSet<&'static str>, BTreeSet<u16>);

fn article(
    scene: &Scene<'_>,
    entry: &Entry<'_>,
    (place, examples): (usize, &Examples),
    known: &mut Known,
    out: &mut String,
) {
    let (words, finding) = (scene.words, entry.finding);
    let (id, class) = (anchor(scene, entry, place), entry.severity.name());
    let rule = scene.index.rule(finding);
    let times = match entry.incident {
        Some(own) => format!(" <span class=\"times\">×{}</span>", words.count(own.count)),
        None => String::new(),
    };
    let _ = write!(
        out,
        "<article class=\"entry {class}\" id=\"{id}\" \
         aria-labelledby=\"{id}-heading\">\n\
         <p class=\"tags\"><span class=\"badge {class}\">{}</span> <code>{}</code></p>\n\
         <h3 id=\"{id}-heading\">{}{times}</h3>\n",
        escaped(words.severity(entry.severity)),
        finding.rule.code,
        escaped(&scene.name(finding)),
    );
    let message = evidence::message_with(finding, &rule, words, &isolate);
    let _ = writeln!(out, "<p class=\"message\">{}</p>", isolated(&message));
    out.push_str("<div class=\"halves\">\n<div>\n");
    out.push_str(&facts(scene, entry));
    out.push_str(&elsewhere(scene, finding));
    out.push_str("</div>\n<div>\n");
    out.push_str(&diagnosis(scene, finding, known));
    out.push_str("</div>\n</div>\n");
    out.push_str(&example(scene, examples.of(place)));
    out.push_str("</article>\n");
}

/// The name by which the rest of the page knows it: the time line counts all incidents.
fn anchor(scene: &Scene<'_>, entry: &Entry<'_>, place: usize) -> String {
    match incident_place(scene, entry) {
        Some(place) => format!("incident-{}", place + 1),
        None => format!("finding-{}", place + 1),
    }
}

/// The place of its incident among those of the analysis.
pub(super) fn incident_place(scene: &Scene<'_>, entry: &Entry<'_>) -> Option<usize> {
    let own = entry.incident?;
    scene.analysis.incidents.iter().position(|known| std::ptr::eq(known, own))
}

fn facts(scene: &Scene<'_>, entry: &Entry<'_>) -> String {
    let filter = scene.words.get("wireshark");
    let mut out = "<dl class=\"facts\">\n".to_owned();
    for (name, value) in scene.facts(entry) {
        if !name.is_empty() {
            let _ = write!(out, "<dt>{}</dt>", escaped(&name));
        }
        let value = escaped(&value);
        let _ = match name == filter {
            true => writeln!(out, "<dd><code class=\"filter\">{value}</code></dd>"),
            false => writeln!(out, "<dd>{value}</dd>"),
        };
    }
    out.push_str("</dl>\n");
    out
}

/// What it means and what to do: each rule and each status once.
fn diagnosis(scene: &Scene<'_>, finding: &Finding, known: &mut Known) -> String {
    let words = scene.words;
    let rule = scene.index.rule(finding);
    let mut out = String::new();
    if known.0.insert(rule.code) {
        let entry = &rule.entry;
        out.push_str(&below(words.get("what-happened"), &paragraph("", &entry.what)));
        out.push_str(&below(words.get("why-it-matters"), &paragraph("", &entry.why)));
        out.push_str(&below(words.get("likely-causes"), &list("ul", &entry.causes)));
        out.push_str(&below(words.get("what-to-do"), &list("ol", &entry.actions)));
    } else {
        let above = words.fill("explained-above", &[("code", rule.code)]);
        out.push_str(&paragraph("faint", &above));
    }
    for status in &finding.statuses {
        if !known.1.insert(status.code()) {
            continue;
        }
        let text = catalogue::status(status.code(), words.lang());
        let title = format!("{status} {}", text.phrase);
        let mut body = paragraph("", &text.description);
        if finding.rule.name == GENERAL && status.code() >= 300 {
            let fix = inline(&text.fix);
            let _ = writeln!(body, "<p><b>{}</b> {fix}</p>", escaped(words.get("how-to-fix")));
        }
        out.push_str(&below(title.trim_end(), &body));
    }
    out
}

/// The same fault elsewhere, and the streams that a fault of media is about.
fn elsewhere(scene: &Scene<'_>, finding: &Finding) -> String {
    let mut all = scene.signs(finding);
    all.push(("rtp-streams", scene.streams(finding)));
    let told = all.iter().map(|(key, lines)| below(scene.words.get(key), &plain_list(lines)));
    told.collect()
}

/// A list of texts that may come from a capture.
fn plain_list(items: &[String]) -> String {
    if items.is_empty() {
        return String::new();
    }
    let items: String = items.iter().map(|item| format!("<li>{}</li>\n", escaped(item))).collect();
    format!("<ul>\n{items}</ul>\n")
}

/// The ladder of the example, or where it stands.
fn example(scene: &Scene<'_>, shown: &Shown) -> String {
    let words = scene.words;
    match shown {
        Shown::Here { heading, figure } => below(heading, figure),
        Shown::At { id, call } => {
            let text = escaped(&words.fill("page-same-ladder", &[("call", &cut(call))]));
            format!("<p class=\"faint\"><a href=\"#{id}\">{text}</a></p>\n")
        }
        Shown::Text { heading, ladder } => {
            let ladder = format!("<pre class=\"ladder-text\">{}</pre>\n", escaped(ladder));
            below(heading, &ladder)
        }
        Shown::Nothing => String::new(),
    }
}

/// A line for each of the rest.
fn lines(scene: &Scene<'_>, rest: &[Entry<'_>], is_more: bool) -> String {
    if rest.is_empty() {
        return String::new();
    }
    let words = scene.words;
    let heading = words.get(if is_more { "more-findings" } else { "findings" });
    let columns = ["severity", "code", "summary", "server", "call", "frames"];
    let columns = columns.map(|key| Column::words(words.get(key)));
    let rows: Vec<Vec<String>> =
        rest.iter().take(LINES_MAX).map(|entry| row(scene, entry)).collect();
    let mut out = format!("<h3>{}</h3>\n{}", escaped(heading), table(heading, &columns, &rows));
    if let Some(more) = rest.len().checked_sub(LINES_MAX).filter(|more| *more > 0) {
        let count = words.count(more as u64);
        out.push_str(&paragraph("faint", &words.fill("page-left-out", &[("count", &count)])));
    }
    out
}

/// Severity, code, title, server, call and frames of an entry.
pub(super) fn row(scene: &Scene<'_>, entry: &Entry<'_>) -> Vec<String> {
    let finding = entry.finding;
    let call = finding.call_id.as_ref().map(|call_id| cut(&scene.parts.call(call_id)));
    vec![
        scene.words.severity(entry.severity).to_owned(),
        finding.rule.code.to_owned(),
        format!("{}{}", scene.name(finding), entry.times(scene.words)),
        scene.server(entry).unwrap_or_default(),
        call.unwrap_or_default(),
        scene.index.frames(&finding.frames),
    ]
}

/// What was expected and whether it was met; empty where nothing was.
pub(super) fn expectations(scene: &Scene<'_>) -> String {
    let (words, missed) = (scene.words, scene.outcome.missed);
    if missed.is_empty() {
        return String::new();
    }
    let columns = ["state", "expectation", "capture"].map(|key| Column::words(words.get(key)));
    // What was not met comes first, so that no bound hides it.
    let broken = scene.outcome.broken();
    let met = missed.iter().filter(|one| one.passed);
    let ordered = broken.clone().chain(met).take(LINES_MAX);
    let rows: Vec<Vec<String>> = ordered.map(|one| expectation(scene, one)).collect();
    let mut out = table(words.get("expectations"), &columns, &rows);
    if let Some(more) = missed.len().checked_sub(LINES_MAX).filter(|more| *more > 0) {
        let count = words.count(more as u64);
        out.push_str(&paragraph("faint", &words.fill("and-more", &[("count", &count)])));
    }
    for one in broken.take(BROKEN_MAX) {
        let lines = one.message.lines().take(LINES_MAX);
        let lines: Vec<String> =
            lines.map(|line| layout::cut(&printable_str(line), FACT_MAX)).collect();
        let _ = write!(
            out,
            "<h3>{}</h3>\n<pre class=\"ladder-text\">{}</pre>\n",
            escaped(&cut(&printable_str(&one.case))),
            escaped(&lines.join("\n"))
        );
    }
    out
}

/// Whether it was met, its name and its capture.
pub(super) fn expectation(scene: &Scene<'_>, one: &Missed) -> Vec<String> {
    let key = if one.passed { "expectation-met" } else { "expectation-missed" };
    let (case, capture) = (printable_str(&one.case), printable_str(&one.capture));
    vec![scene.words.get(key).to_owned(), cut(&case), cut(&capture)]
}
