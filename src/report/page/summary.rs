//! The top of the page: what it comes to, the figures that everybody asks for, and what happened
//! when.

use std::fmt::Write;

use crate::analysis::Incident;
use crate::report::html::{escaped, inline};
use crate::report::page::chart;
use crate::report::page::entry::incident_place;
use crate::report::page::gist::{Gist, moments};
use crate::report::page::markup::class_of;
use crate::report::page::scene::Scene;

/// The paragraph, and the figures below it.
pub(super) fn summary(scene: &Scene<'_>, gist: &Gist) -> String {
    let mut out = format!(
        "<div class=\"verdict {}\">\n<p class=\"lead\">{}</p>\n",
        class_of(gist.severity),
        escaped(&gist.lead)
    );
    let text = gist.text();
    if !text.is_empty() {
        let _ = writeln!(out, "<p>{}</p>", inline(&text));
    }
    if let Some(action) = &gist.action {
        let name = escaped(scene.words.get("page-first-action"));
        let _ = writeln!(out, "<p class=\"action\"><b>{name}</b> {}</p>", inline(action));
    }
    out.push_str("</div>\n<dl class=\"tiles\">\n");
    for (name, value, class) in tiles(scene) {
        let (name, value) = (escaped(&name), escaped(&value));
        let _ = writeln!(out, "<div class=\"{class}\"><dt>{name}</dt><dd>{value}</dd></div>");
    }
    out.push_str("</dl>\n");
    out
}

/// Name, value and class of the figures.
pub(super) fn tiles(scene: &Scene<'_>) -> Vec<(String, String, &'static str)> {
    let words = scene.words;
    let totals = &scene.analysis.totals;
    let mut tiles = Vec::new();
    let mut add = |key: &str, value: String, class| {
        tiles.push((words.get(key).to_owned(), value, class));
    };
    let marked = |count: u64, class| if count > 0 { class } else { "" };
    if totals.calls > 0 {
        let failed = scene.parts.failed();
        add("calls", words.count(totals.calls), "");
        add("page-failed-calls", words.count(failed), marked(failed, "error"));
        if let Some(percent) = scene.analysis.statistics.kpi.asr() {
            add("answered", format!("{} %", words.decimal(percent, 1)), "");
        }
    } else {
        add("call-ids", words.count(totals.call_ids), "");
    }
    add("sip-messages", words.count(totals.sip_messages), "");
    add("rtp-streams", words.count(totals.rtp_streams), "");
    let findings = totals.findings;
    add("errors", words.count(findings.error), marked(findings.error, "error"));
    add("warnings", words.count(findings.warn), marked(findings.warn, "warn"));
    tiles
}

/// The moments in order, and the calls over time with the incidents below them.
pub(super) fn time_line(scene: &Scene<'_>) -> String {
    let moments = moments(scene);
    if moments.is_empty() {
        return String::new();
    }
    let mut out = "<ol class=\"moments\">\n".to_owned();
    for moment in &moments {
        let time = escaped(&scene.parts.time(moment.time));
        let text = escaped(&moment.text);
        let _ = writeln!(out, "<li><span class=\"time\">{time}</span> {text}</li>");
    }
    out.push_str("</ol>\n");
    let told: Vec<usize> =
        scene.told().0.iter().filter_map(|entry| incident_place(scene, entry)).collect();
    out.push_str(&chart::calls_over_time(&scene.index, &told));
    out
}

/// From when to when an incident lasted; none for a moment.
pub(super) fn range(scene: &Scene<'_>, incident: &Incident) -> Option<String> {
    let (first, last) = incident.first_time.zip(incident.last_time)?;
    let (first, last) = (scene.second(first), scene.second(last));
    (first != last).then(|| scene.words.fill("range", &[("first", &first), ("last", &last)]))
}
