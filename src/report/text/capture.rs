//! What was captured: files, times, counts, and what a reader must know before trusting the rest.

use std::io;

use crate::capture::{Description, Note};
use crate::finding::{Family, Finding};
use crate::packet::Unread;
use crate::report::evidence;
use crate::report::style::Role;
use crate::report::text::clock::Clock;
use crate::report::text::link;
use crate::report::text::scene::Scene;
use crate::report::text::sheet::Sheet;

/// Captures described one by one; more are added up.
const CAPTURES_MAX: usize = 8;

/// Writes the facts, the notes, and the findings on the capture.
pub(super) fn write(scene: &mut Scene<'_>, sheet: &mut Sheet<'_>) -> io::Result<()> {
    sheet.section(scene.words.get("capture"))?;
    sheet.facts(0, &facts(scene))?;
    let notes = notes(scene);
    let of_capture: Vec<&Finding> = findings(scene).collect();
    if notes.is_empty() && of_capture.is_empty() {
        return Ok(());
    }
    sheet.blank()?;
    for note in notes {
        sheet.item(0, "!", &note)?;
    }
    for finding in of_capture {
        write_finding(scene, finding, sheet)?;
    }
    Ok(())
}

/// Files, times and counts, each behind its name.
pub(super) fn facts(scene: &Scene<'_>) -> Vec<(String, String)> {
    let mut facts = files(scene);
    facts.extend(time(scene));
    facts.extend(counts(scene));
    facts
}

/// The findings that are about the capture and not about a call.
pub(super) fn findings<'a>(scene: &Scene<'a>) -> impl Iterator<Item = &'a Finding> + use<'a> {
    scene.analysis.findings.iter().filter(|finding| is_on_capture(finding))
}

/// The finding is about the capture, not about a call.
pub(crate) fn is_on_capture(finding: &Finding) -> bool {
    finding.rule.family() == Family::Capture && finding.call_id.is_none()
}

/// What was found, and what follows from it.
fn write_finding(
    scene: &mut Scene<'_>,
    finding: &Finding,
    sheet: &mut Sheet<'_>,
) -> io::Result<()> {
    let rule = scene.rule(finding);
    let words = scene.words;
    let mark = format!("{} {}", words.severity(finding.severity).to_uppercase(), rule.code);
    sheet.marked(Role::Severity(finding.severity), 0, &mark, &rule.entry.title)?;
    sheet.text(Role::Plain, 2, &evidence::message(finding, &rule, words))?;
    if scene.tell_rule(rule.code) {
        sheet.text(Role::Plain, 2, &rule.entry.why)?;
        if scene.is_verbose() {
            rule.entry.actions.iter().try_for_each(|action| sheet.item(2, "-", action))?;
        }
    }
    Ok(())
}

fn files(scene: &Scene<'_>) -> Vec<(String, String)> {
    let captures = &scene.analysis.captures;
    let words = scene.words;
    let mut facts: Vec<(String, String)> = Vec::new();
    for (place, capture) in captures.iter().take(CAPTURES_MAX).enumerate() {
        let name = words.get("file");
        let name = match captures.len() {
            1 => name.to_owned(),
            _ => format!("{name} {}", place + 1),
        };
        facts.push((name, capture.path.to_string_lossy().into_owned()));
        facts.push((words.get("format").to_owned(), format(scene, capture)));
    }
    if let Some(rest) = captures.get(CAPTURES_MAX..).filter(|rest| !rest.is_empty()) {
        let count = words.count(rest.len() as u64);
        facts.push((String::new(), words.fill("and-more", &[("count", &count)])));
    }
    facts
}

fn format(scene: &Scene<'_>, capture: &Description) -> String {
    let words = scene.words;
    let mut parts = vec![match capture.compression {
        "none" | "" => capture.format.to_owned(),
        compression => format!("{}, {compression}", capture.format),
    }];
    let links = capture.link_types.iter().map(|link| link::name(*link, words));
    let links: Vec<String> = links.collect();
    if !links.is_empty() {
        parts.push(words.list(&links));
    }
    parts.push(scene.counted("frames", capture.frames));
    parts.join(" · ")
}

fn time(scene: &Scene<'_>) -> Option<(String, String)> {
    let captures = &scene.analysis.captures;
    let first = captures.iter().filter_map(|capture| capture.first_time).min()?;
    let last = captures.iter().filter_map(|capture| capture.last_time).max()?;
    let words = scene.words;
    let span = words.fill(
        "time-span",
        &[
            ("first", &Clock::full(first)),
            ("last", &scene.clock.time(last)),
            ("duration", &words.duration(last.since(first))),
        ],
    );
    Some((words.get("time").to_owned(), span))
}

fn counts(scene: &Scene<'_>) -> Vec<(String, String)> {
    let words = scene.words;
    let totals = &scene.analysis.totals;
    let statistics = &scene.analysis.statistics;
    let mut messages = vec![words.count(totals.sip_messages)];
    for (transport, count) in statistics.transports.iter().filter(|(_, count)| **count > 0) {
        messages.push(words.pair(transport.name(), &words.count(*count)));
    }
    for (key, count) in [
        ("retransmissions", totals.retransmissions),
        ("copies", totals.copies),
        ("without-call-id", totals.without_call_id),
    ] {
        if count > 0 {
            messages.push(scene.counted(key, count));
        }
    }
    let mut facts = vec![
        (words.get("sip-messages").to_owned(), messages.join(" · ")),
        (words.get("call-ids").to_owned(), words.count(totals.call_ids)),
    ];
    if totals.calls > 0 {
        let mut calls = vec![words.count(totals.calls)];
        let mut fates: Vec<_> = statistics.fates.iter().collect();
        fates.sort_by(|a, b| (b.1, a.0).cmp(&(a.1, b.0)));
        calls.extend(
            fates.iter().map(|(fate, count)| words.pair(&words.state(fate), &words.count(**count))),
        );
        facts.push((words.get("calls").to_owned(), calls.join(" · ")));
    }
    facts.push((words.get("rtp-streams").to_owned(), words.count(totals.rtp_streams)));
    facts
}

/// What was not as it should be, in words.
pub(super) fn notes(scene: &Scene<'_>) -> Vec<String> {
    let words = scene.words;
    let analysis = scene.analysis;
    let is_several = analysis.captures.len() > 1;
    let mut notes: Vec<String> = Vec::new();
    for (place, capture) in analysis.captures.iter().enumerate() {
        for note in capture.notes.iter().filter(|note| !is_told(scene, note)) {
            let text = note_text(scene, note);
            let file = numbered(scene, place);
            notes.push(if is_several { words.pair(&file, &text) } else { text });
        }
    }
    for (reason, count) in &analysis.unread {
        let count = words.count(*count);
        notes.push(match reason {
            Unread::LinkType(number) => {
                let link = link::name(crate::capture::LinkType(*number), words);
                words.fill("unread-link-type", &[("link", &link), ("count", &count)])
            }
            Unread::Malformed => words.fill("unread-malformed", &[("count", &count)]),
            Unread::TooDeep => words.fill("unread-too-deep", &[("count", &count)]),
        });
    }
    for (bound, count) in &analysis.dropped {
        let key = format!("dropped-{bound}");
        notes.push(words.pair(words.get(&key), &words.count(*count)));
    }
    notes.extend(failed_rules(scene));
    notes
}

/// Rules that broke off, so that what they would have found is missing.
pub(super) fn failed_rules(scene: &Scene<'_>) -> impl Iterator<Item = String> {
    let words = scene.words;
    scene.analysis.failed_rules.iter().map(move |(rule, count)| {
        words.fill("failed-rule", &[("rule", rule), ("count", &words.count(*count))])
    })
}

/// A finding on the capture says the same.
fn is_told(scene: &Scene<'_>, note: &Note) -> bool {
    let rule = match note {
        Note::Dropped { .. } => "capture-packet-loss",
        Note::TimeDisorder { .. } | Note::ClockOffset { .. } => "capture-time-disorder",
        Note::EndsInsideRecord { .. }
        | Note::Shrank { .. }
        | Note::Damaged { .. }
        | Note::DamagedCompression { .. }
        | Note::ExpansionLimit { .. }
        | Note::SkippedBlocks { .. }
        | Note::GivenAgain { .. }
        | Note::PassedOver { .. }
        | Note::Overlap { .. } => return false,
    };
    scene.analysis.findings.iter().any(|finding| finding.rule.name == rule)
}

/// A capture by its place in the list of files.
fn numbered(scene: &Scene<'_>, place: usize) -> String {
    format!("{} {}", scene.words.get("file"), place + 1)
}

fn note_text(scene: &Scene<'_>, note: &Note) -> String {
    let words = scene.words;
    let text = |number: u64| number.to_string();
    match *note {
        Note::EndsInsideRecord { offset } => {
            words.fill("note-ends-inside-record", &[("offset", &text(offset))])
        }
        Note::Shrank { bytes } => words.fill("note-shrank", &[("bytes", &words.count(bytes))]),
        Note::Damaged { offset, bytes } => {
            words.fill("note-damaged", &[("offset", &text(offset)), ("bytes", &words.count(bytes))])
        }
        Note::ExpansionLimit { offset } => {
            words.fill("note-expansion-limit", &[("offset", &text(offset))])
        }
        Note::DamagedCompression { offset } => {
            words.fill("note-damaged-compression", &[("offset", &text(offset))])
        }
        Note::Dropped { packets } => {
            words.fill("note-dropped", &[("packets", &words.count(packets))])
        }
        Note::SkippedBlocks { count } => {
            words.fill("note-skipped-blocks", &[("count", &words.count(count))])
        }
        Note::TimeDisorder { steps, frame } => words
            .fill("note-time-disorder", &[("steps", &words.count(steps)), ("frame", &text(frame))]),
        Note::GivenAgain { .. }
        | Note::PassedOver { .. }
        | Note::Overlap { .. }
        | Note::ClockOffset { .. } => input_text(scene, note).unwrap_or_default(),
    }
}

/// Notes that are about the files, not about what is in them.
fn input_text(scene: &Scene<'_>, note: &Note) -> Option<String> {
    let words = scene.words;
    let file = |capture: u16| numbered(scene, usize::from(capture));
    match note {
        Note::GivenAgain { times } => {
            Some(words.fill("note-given-again", &[("times", &words.count(*times))]))
        }
        Note::PassedOver { count, files } => {
            let mut names = words.list(files);
            if *count > files.len() as u64 {
                names.push('…');
            }
            let values = [("count", &*words.count(*count)), ("files", &names)];
            Some(words.fill("note-passed-over", &values))
        }
        Note::Overlap { with, messages } => {
            let values = [("capture", &*file(*with)), ("messages", &words.count(*messages))];
            Some(words.fill("note-overlap", &values))
        }
        Note::ClockOffset { from, ahead, is_corrected } => {
            let is_behind = ahead.nanos() < 0;
            let key = if is_behind { "note-clock-behind" } else { "note-clock-ahead" };
            let values = [("capture", &*file(*from)), ("ahead", &words.duration(ahead.abs()))];
            let more = if *is_corrected { "clock-corrected" } else { "clock-not-corrected" };
            Some(format!("{} · {}", words.fill(key, &values), words.get(more)))
        }
        Note::EndsInsideRecord { .. }
        | Note::Shrank { .. }
        | Note::Damaged { .. }
        | Note::DamagedCompression { .. }
        | Note::ExpansionLimit { .. }
        | Note::Dropped { .. }
        | Note::SkippedBlocks { .. }
        | Note::TimeDisorder { .. } => None,
    }
}
