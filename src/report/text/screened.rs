//! What was set aside by decisions of the user: how much, why, and what does not hold any more.

use std::io;

use crate::analysis::{Ignored, KnownFinding};
use crate::report::screened;
use crate::report::style::Role;
use crate::report::text::scene::Scene;
use crate::report::text::sheet::Sheet;

/// Entries that are listed unless everything is asked for.
const LISTED_MAX: usize = 20;

/// Writes it, if there is anything.
pub(super) fn write(scene: &Scene<'_>, sheet: &mut Sheet<'_>) -> io::Result<()> {
    let screened = &scene.analysis.screened;
    let never: Vec<&Ignored> = screened.ignored.iter().filter(|own| own.count == 0).collect();
    let counts = counts(scene);
    if counts.is_empty() && never.is_empty() && screened.vanished.is_empty() {
        return Ok(());
    }
    sheet.section(scene.words.get("set-aside"))?;
    if !counts.is_empty() {
        sheet.text(Role::Plain, 0, &counts.join(" · "))?;
    }
    write_reasons(scene, sheet)?;
    write_never(scene, &never, sheet)?;
    write_vanished(scene, &screened.vanished, sheet)
}

/// `Ignored: 3`, `Known: 2`.
pub(super) fn counts(scene: &Scene<'_>) -> Vec<String> {
    let screened = &scene.analysis.screened;
    let known = screened.known.filter(|known| *known > 0);
    let ignored = Some(screened.ignored_count()).filter(|ignored| *ignored > 0);
    let counted = |key, count: Option<u64>| count.map(|count| scene.counted(key, count));
    [counted("ignored-findings", ignored), counted("known-findings", known)]
        .into_iter()
        .flatten()
        .collect()
}

/// Why findings were ignored, where everything is asked for.
pub(super) fn write_reasons(scene: &Scene<'_>, sheet: &mut Sheet<'_>) -> io::Result<()> {
    let screened = &scene.analysis.screened;
    for own in screened.ignored.iter().filter(|own| scene.is_verbose() && own.count > 0) {
        let words = scene.words;
        let (line, count) = (own.line.to_string(), words.count(own.count));
        let values = [("line", line.as_str()), ("reason", &own.reason), ("count", &count)];
        sheet.item(2, "-", &words.fill("ignored-because", &values))?;
    }
    Ok(())
}

/// Entries that fitted nothing.
pub(super) fn write_never(
    scene: &Scene<'_>,
    never: &[&Ignored],
    sheet: &mut Sheet<'_>,
) -> io::Result<()> {
    for own in never {
        let line = own.line.to_string();
        let values = [("line", line.as_str()), ("reason", &own.reason)];
        sheet.item(0, "!", &scene.words.fill("ignored-never", &values))?;
    }
    Ok(())
}

/// What the baseline knows and was not found.
pub(super) fn write_vanished(
    scene: &Scene<'_>,
    vanished: &[(KnownFinding, u64)],
    sheet: &mut Sheet<'_>,
) -> io::Result<()> {
    if vanished.is_empty() {
        return Ok(());
    }
    let words = scene.words;
    sheet.heading(0, words.get("vanished-findings"))?;
    let shown = if scene.is_verbose() { vanished.len() } else { LISTED_MAX };
    for (known, count) in vanished.iter().take(shown) {
        sheet.item(2, "-", &format!("{} · x{}", screened::line(known), words.count(*count)))?;
    }
    if let Some(more) = vanished.len().checked_sub(shown).filter(|more| *more > 0) {
        let count = words.count(more as u64);
        sheet.text(Role::Faint, 2, &words.fill("and-more", &[("count", &count)]))?;
    }
    Ok(())
}
