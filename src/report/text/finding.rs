//! Findings that stand alone: the worst first, each with its evidence and its diagnosis.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::io;

use crate::catalogue::RuleText;
use crate::finding::{Direction, Finding, Linked, Severity, Sign};
use crate::report::document::Cell;
use crate::report::evidence;
use crate::report::filter::display_filter;
use crate::report::style::Role;
use crate::report::text::diagnosis::{self, fact};
use crate::report::text::scene::Scene;
use crate::report::text::sheet::Sheet;
use crate::report::text::{capture, ladder, streams};
use crate::time::Span;

/// Findings told in full; of more, only a line each is written unless everything is asked for.
const BLOCKS_MAX: usize = 20;

/// Findings that get a line; more are counted.
const LINES_MAX: usize = 100;

/// Other legs of a call that are named unless everything is asked for.
const LEGS_MAX: usize = 3;

/// Writes the findings that belong to no incident.
pub(super) fn write(scene: &mut Scene<'_>, sheet: &mut Sheet<'_>) -> io::Result<()> {
    let folded: BTreeSet<usize> =
        scene.analysis.incidents.iter().flat_map(|incident| &incident.findings).copied().collect();
    let single: Vec<&Finding> = sorted(scene, |place, finding| {
        !folded.contains(&place) && !capture::is_on_capture(finding)
    });
    let is_verbose = scene.is_verbose();
    let (blocks, mut lines): (Vec<&Finding>, Vec<&Finding>) =
        single.into_iter().partition(|finding| is_verbose || finding.severity > Severity::Info);
    let shown = if is_verbose { blocks.len() } else { BLOCKS_MAX };
    let (blocks, rest) = blocks.split_at(shown.min(blocks.len()));
    if !blocks.is_empty() {
        sheet.section(scene.words.get("findings"))?;
        for (at, finding) in blocks.iter().enumerate() {
            if at > 0 {
                sheet.blank()?;
            }
            write_block(scene, finding, sheet)?;
        }
    }
    lines.splice(0..0, rest.iter().copied());
    if lines.is_empty() {
        return Ok(());
    }
    sheet.section(scene.words.get(if rest.is_empty() { "notes" } else { "more-findings" }))?;
    for finding in lines.iter().take(LINES_MAX) {
        write_line(scene, finding, sheet)?;
    }
    if let Some(more) = lines.len().checked_sub(LINES_MAX).filter(|more| *more > 0) {
        let count = scene.words.count(more as u64);
        sheet.text(Role::Faint, 0, &scene.words.fill("not-listed", &[("count", &count)]))?;
    }
    Ok(())
}

/// Writes one line for every finding.
pub(super) fn write_lines(scene: &mut Scene<'_>, sheet: &mut Sheet<'_>) -> io::Result<()> {
    let all = sorted(scene, |_, _| true);
    all.into_iter().try_for_each(|finding| write_line(scene, finding, sheet))
}

/// The worst first, then by time.
fn sorted<'a>(scene: &Scene<'a>, wanted: impl Fn(usize, &Finding) -> bool) -> Vec<&'a Finding> {
    let all = scene.analysis.findings.iter().enumerate();
    let mut sorted: Vec<_> = all.filter(|(place, finding)| wanted(*place, finding)).collect();
    sorted.sort_by_key(|(place, finding)| (Reverse(finding.severity), finding.time, *place));
    sorted.into_iter().map(|(_, finding)| finding).collect()
}

fn write_line(scene: &mut Scene<'_>, finding: &Finding, sheet: &mut Sheet<'_>) -> io::Result<()> {
    write_line_at(scene, finding, 0, sheet)
}

/// Severity, code, title, frames, call in one line.
pub(super) fn write_line_at(
    scene: &mut Scene<'_>,
    finding: &Finding,
    indent: usize,
    sheet: &mut Sheet<'_>,
) -> io::Result<()> {
    let rule = scene.rule(finding);
    let severity = scene.words.severity(finding.severity).to_uppercase();
    let mut rest = String::new();
    let first: Vec<_> = finding.frames.iter().take(3).copied().collect();
    if !first.is_empty() {
        let dots = if finding.frames.len() > first.len() { " …" } else { "" };
        rest.push_str(&format!("  {}{dots}", scene.frames(&first)));
    }
    if let Some(status) = finding.status() {
        rest.push_str(&format!("  {status}"));
    }
    let call = finding.call_id.as_ref().map(|call_id| format!("  {}", scene.call(call_id)));
    sheet.line(&[
        Cell::new(Role::Plain, " ".repeat(indent)),
        Cell::new(Role::Severity(finding.severity), severity),
        Cell::new(Role::Name, format!(" {}", rule.code)),
        Cell::new(Role::Plain, format!(" {}", rule.entry.title)),
        Cell::new(Role::Plain, rest),
        Cell::new(Role::Faint, call.unwrap_or_default()),
    ])
}

fn write_block(scene: &mut Scene<'_>, finding: &Finding, sheet: &mut Sheet<'_>) -> io::Result<()> {
    let rule = scene.rule(finding);
    diagnosis::head(scene, finding.severity, &rule, "", sheet)?;
    sheet.text(Role::Plain, 2, &evidence::message(finding, &rule, scene.words))?;
    sheet.blank()?;
    sheet.facts(2, &facts(scene, finding, &rule))?;
    write_signs(scene, finding, sheet)?;
    write_ladder(scene, finding, sheet)?;
    streams::write(scene, finding, sheet)?;
    diagnosis::write(scene, finding, sheet)
}

/// What a reader wants to know of it below its message, each behind its name.
pub(super) fn facts(
    scene: &Scene<'_>,
    finding: &Finding,
    rule: &RuleText,
) -> Vec<(String, String)> {
    let words = scene.words;
    let mut facts = Vec::new();
    if let Some(call_id) = &finding.call_id {
        facts.push(fact(words.get("call"), scene.call(call_id)));
    }
    facts.extend(linked(scene, finding));
    facts.extend(parties(scene, finding));
    facts.extend(finding.time.map(|time| fact(words.get("time"), scene.clock.time(time))));
    facts.extend(values(scene, finding, rule));
    if !finding.frames.is_empty() {
        facts.push(fact(words.get("frames"), scene.frames(&finding.frames)));
    }
    facts.extend(proof(scene, finding));
    facts
}

/// Another leg of the conversation, and what ties it.
pub(super) fn leg(scene: &Scene<'_>, linked: &Linked) -> (String, String) {
    let words = scene.words;
    let name = match linked.direction {
        Some(Direction::Upstream) => words.get("leg-upstream"),
        Some(Direction::Downstream) => words.get("leg-downstream"),
        None => words.get("linked-call"),
    };
    let gap = linked.after.map(|after| {
        let key = if after < Span::ZERO { "leg-earlier" } else { "leg-later" };
        words.fill(key, &[("span", &words.duration(after.abs()))])
    });
    let parts = [Some(scene.call(&linked.call_id)), Some(scene.link(linked.reason)), gap];
    fact(name, parts.into_iter().flatten().collect::<Vec<_>>().join(" · "))
}

/// Other legs of the conversation, and what ties them.
fn linked(scene: &Scene<'_>, finding: &Finding) -> Vec<(String, String)> {
    let told = finding.linked.iter().take(if scene.is_verbose() { usize::MAX } else { LEGS_MAX });
    told.map(|linked| leg(scene, linked)).collect()
}

/// Client and server in one line.
fn parties(scene: &Scene<'_>, finding: &Finding) -> Option<(String, String)> {
    let words = scene.words;
    match (finding.client, finding.server) {
        (Some(client), Some(server)) => {
            let name = words.fill("client-to-server", &[]);
            let (client, server) = (scene.endpoint(client), scene.endpoint(server));
            Some((name, format!("{client} > {server}")))
        }
        (Some(client), None) => Some(fact(words.get("client"), scene.endpoint(client))),
        (None, Some(server)) => Some(fact(words.get("server"), scene.endpoint(server))),
        (None, None) => None,
    }
}

fn values(scene: &Scene<'_>, finding: &Finding, rule: &RuleText) -> Vec<(String, String)> {
    let untold = finding.evidence.iter().filter(|(name, _)| scene.is_news(rule, name));
    let shown = |(name, value): &(&'static str, _)| {
        (scene.evidence(name), evidence::explained(name, value, scene.words))
    };
    untold.map(shown).collect()
}

/// How sure it is, and the filter that shows it.
pub(super) fn proof(scene: &Scene<'_>, finding: &Finding) -> Vec<(String, String)> {
    let words = scene.words;
    let mut facts = Vec::new();
    facts.push(fact(words.get("confidence"), words.confidence(finding.confidence)));
    if let Some(filter) = display_filter(finding) {
        facts.push(fact(words.get("wireshark"), filter));
    }
    facts
}

/// Where else the fault was seen, one line each.
pub(super) fn write_signs(
    scene: &Scene<'_>,
    finding: &Finding,
    sheet: &mut Sheet<'_>,
) -> io::Result<()> {
    for (key, signs) in signs(scene, finding) {
        sheet.heading(2, scene.words.get(key))?;
        signs.iter().try_for_each(|text| sheet.item(4, "-", text))?;
    }
    Ok(())
}

/// Where else the fault was seen, a line each, behind the key of its heading.
pub(super) fn signs(scene: &Scene<'_>, finding: &Finding) -> Vec<(&'static str, Vec<String>)> {
    let (legs, hops): (Vec<&Sign>, Vec<&Sign>) =
        finding.propagated.iter().partition(|sign| sign.call_id.is_some());
    let related = finding.related.iter().collect();
    let all = [("propagated", hops), ("propagated-legs", legs), ("related", related)];
    let told = all.into_iter().filter(|(_, signs)| !signs.is_empty());
    told.map(|(key, signs)| (key, signs.into_iter().map(|sign| sign_text(scene, sign)).collect()))
        .collect()
}

fn sign_text(scene: &Scene<'_>, sign: &Sign) -> String {
    let mut parts = Vec::new();
    parts.extend(sign.call_id.as_ref().map(|call_id| scene.call(call_id)));
    match (sign.client, sign.server) {
        (Some(client), Some(server)) => {
            parts.push(format!("{} > {}", scene.endpoint(client), scene.endpoint(server)));
        }
        (Some(end), None) | (None, Some(end)) => parts.push(scene.endpoint(end)),
        (None, None) => {}
    }
    parts.extend(sign.status.map(|status| status.to_string()));
    parts.push(sign.rule.to_owned());
    parts.push(scene.frames(&sign.frames));
    parts.extend(sign.link.map(|link| scene.link(link)));
    parts.retain(|part| !part.is_empty());
    parts.join(" · ")
}

/// The ladder with its heading, and what it leaves out.
pub(super) fn write_ladder(
    scene: &Scene<'_>,
    finding: &Finding,
    sheet: &mut Sheet<'_>,
) -> io::Result<()> {
    let Some(first) = finding.ladder.iter().map(|line| line.time).min() else { return Ok(()) };
    let words = scene.words;
    sheet.blank()?;
    let head = words.fill("ladder-from", &[("time", &scene.clock.time(first))]);
    sheet.heading(2, &head)?;
    ladder::draw(scene, &finding.ladder, finding.severity, sheet)?;
    if finding.ladder_omitted > 0 {
        let count = words.count(finding.ladder_omitted as u64);
        sheet.text(Role::Faint, 4, &words.fill("ladder-omitted", &[("count", &count)]))?;
    }
    Ok(())
}
