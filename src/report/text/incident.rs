//! Incidents: one cause, several calls, told once.

use std::collections::HashSet;
use std::io;

use crate::analysis::Incident;
use crate::catalogue::{self, RuleText};
use crate::finding::{Finding, Severity, Value};
use crate::report::evidence;
use crate::report::style::Role;
use crate::report::text::diagnosis::{self, fact};
use crate::report::text::finding;
use crate::report::text::scene::Scene;
use crate::report::text::sheet::Sheet;

/// Incidents told in full; of more, only a line each is written unless everything is asked for.
const BLOCKS_MAX: usize = 20;

/// Incidents that get a line; more are counted.
const LINES_MAX: usize = 100;

/// Different values of one piece of evidence that are listed; of more, the first ones.
const VALUES_MAX: usize = 4;

/// Writes a block for each incident.
pub(super) fn write(scene: &mut Scene<'_>, sheet: &mut Sheet<'_>) -> io::Result<()> {
    let analysis = scene.analysis;
    if analysis.incidents.is_empty() {
        return Ok(());
    }
    sheet.section(scene.words.get("incidents"))?;
    let shown = if scene.is_verbose() { analysis.incidents.len() } else { BLOCKS_MAX };
    let (blocks, rest) = analysis.incidents.split_at(shown.min(analysis.incidents.len()));
    let mut is_first = true;
    for incident in blocks {
        let of = incident.findings.iter().filter_map(|place| analysis.findings.get(*place));
        let findings: Vec<&Finding> = of.collect();
        let Some(example) = findings.first() else { continue };
        if !std::mem::take(&mut is_first) {
            sheet.blank()?;
        }
        let rule = scene.rule(example);
        let count = scene.words.count(incident.count);
        let more = format!("  x{count}");
        diagnosis::head(scene, incident.severity, &rule, &more, sheet)?;
        if incident.severity == Severity::Info && !scene.is_verbose() {
            write_brief(scene, incident, &findings, sheet)?;
        } else {
            write_block(scene, incident, &findings, sheet)?;
        }
    }
    write_lines(scene, rest, sheet)
}

/// One line for each incident that is not told in full.
fn write_lines(
    scene: &mut Scene<'_>,
    incidents: &[Incident],
    sheet: &mut Sheet<'_>,
) -> io::Result<()> {
    if incidents.is_empty() {
        return Ok(());
    }
    sheet.section(scene.words.get("more-incidents"))?;
    for incident in incidents.iter().take(LINES_MAX) {
        let first = incident.findings.first();
        let Some(example) = first.and_then(|place| scene.analysis.findings.get(*place)) else {
            continue;
        };
        let rule = scene.rule(example);
        let mut more = format!("  x{}", scene.words.count(incident.count));
        let server = incident.server.map(|server| scene.host(server));
        for part in [server, incident.status.map(|status| status.to_string())] {
            more.extend(part.map(|part| format!("  {part}")));
        }
        diagnosis::head(scene, incident.severity, &rule, &more, sheet)?;
    }
    if let Some(more) = incidents.len().checked_sub(LINES_MAX).filter(|more| *more > 0) {
        let count = scene.words.count(more as u64);
        sheet.text(Role::Faint, 0, &scene.words.fill("not-listed", &[("count", &count)]))?;
    }
    Ok(())
}

fn write_brief(
    scene: &Scene<'_>,
    incident: &Incident,
    findings: &[&Finding],
    sheet: &mut Sheet<'_>,
) -> io::Result<()> {
    sheet.facts(2, &[host(scene, incident), examples(scene, findings)].concat())
}

fn write_block(
    scene: &mut Scene<'_>,
    incident: &Incident,
    findings: &[&Finding],
    sheet: &mut Sheet<'_>,
) -> io::Result<()> {
    let drawn = findings.iter().find(|finding| !finding.ladder.is_empty());
    let Some(example) = drawn.or(findings.first()).copied() else { return Ok(()) };
    let rule = scene.rule(example);
    sheet.text(Role::Plain, 2, &evidence::message(example, &rule, scene.words))?;
    sheet.blank()?;
    sheet.facts(2, &facts(scene, incident, example, &rule))?;
    finding::write_signs(scene, example, sheet)?;
    finding::write_ladder(scene, example, sheet)?;
    diagnosis::write(scene, example, sheet)
}

/// What a reader wants to know of it below the message of an example, each behind its name.
pub(super) fn facts(
    scene: &Scene<'_>,
    incident: &Incident,
    example: &Finding,
    rule: &RuleText,
) -> Vec<(String, String)> {
    let analysis = scene.analysis;
    let of = incident.findings.iter().filter_map(|place| analysis.findings.get(*place));
    let findings: Vec<&Finding> = of.collect();
    let mut facts = host(scene, incident);
    facts.extend(share(scene, incident));
    facts.extend(span(scene, incident));
    facts.extend(examples(scene, &findings));
    facts.extend(values(scene, &findings, rule));
    facts.extend(finding::proof(scene, example));
    facts
}

fn host(scene: &Scene<'_>, incident: &Incident) -> Vec<(String, String)> {
    let words = scene.words;
    let mut facts = Vec::new();
    facts.extend(incident.server.map(|server| fact(words.get("server"), scene.host(server))));
    facts.extend(incident.status.map(|status| {
        let phrase = catalogue::status(status.code(), scene.lang).phrase;
        fact(words.get("status"), format!("{status} {phrase}").trim_end().to_owned())
    }));
    facts
}

/// How many of the calls to the server are concerned.
fn share(scene: &Scene<'_>, incident: &Incident) -> Option<(String, String)> {
    let words = scene.words;
    let all = incident.server_calls.filter(|all| *all >= incident.calls)?;
    let values = [
        ("calls", words.count(incident.calls)),
        ("all", words.count(all)),
        ("percent", words.decimal(incident.share()?, 1)),
    ];
    let values = values.each_ref().map(|(name, value)| (*name, value.as_str()));
    Some(fact(words.get("share"), words.fill("share-of-calls", &values)))
}

fn span(scene: &Scene<'_>, incident: &Incident) -> Option<(String, String)> {
    let (first, last) = incident.first_time.zip(incident.last_time)?;
    let (first, last) = (scene.clock.time(first), scene.clock.time(last));
    let text = scene.words.fill("range", &[("first", &first), ("last", &last)]);
    Some((scene.words.get("time").to_owned(), text))
}

/// The first calls with their frames.
fn examples(scene: &Scene<'_>, findings: &[&Finding]) -> Vec<(String, String)> {
    let words = scene.words;
    let mut facts = Vec::new();
    for finding in findings.iter().take(3) {
        let Some(call_id) = &finding.call_id else { continue };
        let name = if facts.is_empty() { words.get("calls") } else { "" };
        let frames = scene.frames(&finding.frames);
        facts.push(fact(name, format!("{} · {frames}", scene.call(call_id))));
    }
    if let Some(more) = findings.len().checked_sub(3).filter(|more| *more > 0) {
        let count = words.count(more as u64);
        facts.push(fact("", words.fill("and-more", &[("count", &count)])));
    }
    facts
}

/// The evidence of all findings: a range of what can be measured, else the different values.
fn values(scene: &Scene<'_>, findings: &[&Finding], rule: &RuleText) -> Vec<(String, String)> {
    let mut names: Vec<&'static str> = Vec::new();
    for (name, _) in findings.iter().flat_map(|finding| &finding.evidence) {
        if !names.contains(name) {
            names.push(name);
        }
    }
    let mut facts = Vec::new();
    for name in names {
        let values: Vec<&Value> = findings.iter().filter_map(|f| f.value(name)).collect();
        let is_one = values.windows(2).all(|pair| pair.first() == pair.get(1));
        if !is_one || scene.is_news(rule, name) {
            facts.push((scene.evidence(name), together(scene, name, &values)));
        }
    }
    facts
}

fn together(scene: &Scene<'_>, name: &str, values: &[&Value]) -> String {
    let words = scene.words;
    let spans = values.iter().map(|value| match value {
        Value::Span(span) => Some(*span),
        _ => None,
    });
    if let Some(spans) = spans.collect::<Option<Vec<_>>>()
        && let (Some(least), Some(most)) = (spans.iter().min(), spans.iter().max())
    {
        let (least, most) = (words.duration(*least), words.duration(*most));
        return match least == most {
            true => least,
            false => words.fill("range", &[("first", &least), ("last", &most)]),
        };
    }
    // There may be one for each of very many findings.
    let mut seen = HashSet::new();
    let texts = values.iter().map(|value| evidence::explained(name, value, words));
    let mut different: Vec<String> = texts.filter(|text| seen.insert(text.clone())).collect();
    if let Some(more) = different.len().checked_sub(VALUES_MAX).filter(|more| *more > 0) {
        different.truncate(VALUES_MAX);
        let count = words.count(more as u64);
        different.push(words.fill("and-more", &[("count", &count)]));
    }
    words.list(&different)
}
