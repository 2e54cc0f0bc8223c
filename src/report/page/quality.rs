//! What the capture can show and what it cannot, and how the report was made.

use crate::bytes::printable_str;
use crate::report::entries::Entry;
use crate::report::evidence;
use crate::report::html::{escaped, inline, isolate, isolated};
use crate::report::layout;
use crate::report::page::examples::Examples;
use crate::report::page::markup::{facts, list, paragraph};
use crate::report::page::scene::{FACT_MAX, Scene};

/// Notes on the captures; a damaged set of many files has one for each.
const NOTES_MAX: usize = 40;

/// Files, times and counts, and what limits them.
pub(super) fn quality(scene: &Scene<'_>) -> String {
    let words = scene.words;
    let all = scene.parts.capture().into_iter();
    let cut: Vec<(String, String)> =
        all.map(|(name, value)| (name, layout::cut(&printable_str(&value), FACT_MAX))).collect();
    let mut out = facts(&cut);
    let notes = notes(scene);
    if notes.is_empty() && scene.of_capture.is_empty() {
        out.push_str(&paragraph("", words.get("page-nothing-limits")));
        return out;
    }
    let heading = escaped(words.get("page-limits"));
    out.push_str(&format!("<h3>{heading}</h3>\n"));
    if !notes.is_empty() {
        let items: String =
            notes.iter().map(|note| format!("<li>{}</li>\n", escaped(note))).collect();
        out.push_str(&format!("<ul>\n{items}</ul>\n"));
    }
    scene.of_capture.iter().for_each(|entry| out.push_str(&of_capture(scene, entry)));
    out
}

/// What was not as it should be, in words.
pub(super) fn notes(scene: &Scene<'_>) -> Vec<String> {
    let words = scene.words;
    let mut notes = scene.parts.notes();
    if let Some(more) = notes.len().checked_sub(NOTES_MAX).filter(|more| *more > 0) {
        notes.truncate(NOTES_MAX);
        notes.push(words.fill("and-more", &[("count", &words.count(more as u64))]));
    }
    notes.extend(scene.parts.set_aside());
    notes.iter().map(|note| layout::cut(note, FACT_MAX)).collect()
}

fn of_capture(scene: &Scene<'_>, entry: &Entry<'_>) -> String {
    let (words, finding) = (scene.words, entry.finding);
    let rule = scene.index.rule(finding);
    let class = entry.severity.name();
    let message = evidence::message_with(finding, &rule, words, &isolate);
    let mut out = format!(
        "<div class=\"entry {class}\">\n\
         <p class=\"tags\"><span class=\"badge {class}\">{}</span> <code>{}</code></p>\n\
         <h4>{}</h4>\n<p class=\"message\">{}</p>\n<p>{}</p>\n",
        escaped(words.severity(entry.severity)),
        finding.rule.code,
        escaped(&rule.entry.title),
        isolated(&layout::cut(&message, FACT_MAX)),
        inline(&rule.entry.why),
    );
    out.push_str(&list("ol", &rule.entry.actions));
    out.push_str("</div>\n");
    out
}

/// How the report was made and how to read it.
pub(super) fn method(scene: &Scene<'_>, examples: &Examples) -> String {
    list("ul", &method_notes(scene, examples.left_out))
}

/// The sentences of it.
pub(super) fn method_notes(scene: &Scene<'_>, ladders_left_out: usize) -> Vec<String> {
    let words = scene.words;
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    let mut notes = vec![words.fill("page-method-made", &version)];
    let keys = ["absence", "one-fault", "confidence", "severity", "times", "private"];
    notes.extend(keys.map(|key| words.get(&format!("page-method-{key}")).to_owned()));
    if ladders_left_out > 0 {
        let count = words.count(ladders_left_out as u64);
        notes.push(words.fill("page-examples-left-out", &[("count", &count)]));
    }
    notes
}
