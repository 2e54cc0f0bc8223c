//! What a finding means and what to do: told once for each rule and each status.

use std::io;

use crate::catalogue::{self, RuleText};
use crate::finding::Finding;
use crate::report::document::Cell;
use crate::report::style::Role;
use crate::report::text::scene::Scene;
use crate::report::text::sheet::Sheet;

/// The rule that leaves the explanation to the status.
const GENERAL: &str = "final-response";

/// Writes what happened, the codes, the likely causes and the advice.
pub(super) fn write(
    scene: &mut Scene<'_>,
    finding: &Finding,
    sheet: &mut Sheet<'_>,
) -> io::Result<()> {
    let rule = scene.rule(finding);
    sheet.blank()?;
    if !scene.tell_rule(rule.code) {
        let above = scene.words.fill("explained-above", &[("code", rule.code)]);
        sheet.text(Role::Faint, 2, &above)?;
        return write_statuses(scene, finding, sheet);
    }
    sheet.heading(2, scene.words.get("what-happened"))?;
    sheet.prose(4, &rule.entry.what)?;
    if scene.is_verbose() {
        sheet.heading(2, scene.words.get("why-it-matters"))?;
        sheet.prose(4, &rule.entry.why)?;
    }
    write_advice(scene, &rule, sheet)?;
    write_statuses(scene, finding, sheet)
}

fn write_statuses(
    scene: &mut Scene<'_>,
    finding: &Finding,
    sheet: &mut Sheet<'_>,
) -> io::Result<()> {
    let in_full = scene.is_verbose() || finding.rule.name == GENERAL;
    for code in finding.statuses.iter().map(|status| status.code()) {
        if !scene.tell_status(code) {
            continue;
        }
        let text = catalogue::status(code, scene.lang);
        let title = format!("{code} {}", text.phrase);
        sheet.heading(2, title.trim_end())?;
        sheet.prose(4, &text.description)?;
        // What a provisional response means is no advice on the failure after it.
        if in_full && (scene.is_verbose() || code >= 300) {
            sheet.text(Role::Faint, 4, scene.words.get("when-you-see-it"))?;
            sheet.prose(6, &text.when)?;
            sheet.text(Role::Faint, 4, scene.words.get("how-to-fix"))?;
            sheet.prose(6, &text.fix)?;
        }
    }
    Ok(())
}

fn write_advice(scene: &Scene<'_>, rule: &RuleText, sheet: &mut Sheet<'_>) -> io::Result<()> {
    sheet.heading(2, scene.words.get("likely-causes"))?;
    rule.entry.causes.iter().try_for_each(|cause| sheet.item(4, "-", cause))?;
    sheet.heading(2, scene.words.get("what-to-do"))?;
    let mut actions = rule.entry.actions.iter().enumerate();
    actions.try_for_each(|(at, action)| sheet.item(4, &format!("{}.", at + 1), action))?;
    if scene.is_verbose() && !rule.entry.references.is_empty() {
        let references = scene.words.list(&rule.entry.references);
        let line = scene.words.pair(scene.words.get("references"), &references);
        sheet.text(Role::Faint, 2, &line)?;
    }
    Ok(())
}

/// A name before its value, for lines that stand alone.
pub(super) fn fact(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

/// The head of a block: severity, code, title.
pub(super) fn head(
    scene: &Scene<'_>,
    severity: crate::finding::Severity,
    rule: &RuleText,
    more: &str,
    sheet: &mut Sheet<'_>,
) -> io::Result<()> {
    let word = scene.words.severity(severity).to_uppercase();
    sheet.line(&[
        Cell::new(Role::Severity(severity), word),
        Cell::new(Role::Name, format!(" {}", rule.code)),
        Cell::new(Role::Title, format!(" {}", rule.entry.title)),
        Cell::new(Role::Plain, more),
    ])
}
