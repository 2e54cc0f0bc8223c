//! The incident report: one page of HTML that works from a mail attachment, and the same story as
//! Markdown.
//!
//! The page is one file: its style and its script stand in it, nothing is loaded, and a policy in
//! its head keeps anything else from running. It reads without the script, too: that only sorts and
//! filters the calls and shows messages beside their arrows. Its size is bounded: what there is no
//! room for is counted.

mod calls;
mod chart;
mod entry;
mod examples;
mod figures;
mod gist;
mod ladder;
mod markup;
mod policy;
mod quality;
mod scene;
mod story;
mod summary;
mod svg;

#[cfg(test)]
mod tests;

use std::io::{self, Write};

use crate::catalogue::Lang;
use crate::report::html::{escaped, language_tag};
use crate::report::outcome::Outcome;
use crate::report::page::examples::Examples;
use crate::report::page::gist::Gist;
use crate::report::page::markup::section;
use crate::report::page::scene::Scene;

pub use story::story;

/// How everything looks; follows the reader's choice of light or dark.
const STYLES: [&str; 3] =
    [include_str!("page.css"), include_str!("chart.css"), include_str!("ladder.css")];

/// What runs: sorting and filtering of calls, messages beside their arrows.
const SCRIPTS: [&str; 2] = [include_str!("page.js"), include_str!("ladder.js")];

/// Writes the page.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn page(
    outcome: &Outcome<'_>,
    lang: Lang,
    title: Option<&str>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let scene = Scene::new(outcome, lang, title);
    let examples = Examples::of_scene(&scene);
    let sections = sections(&scene, &examples);
    let script = SCRIPTS.concat();
    head(&scene, &script, out)?;
    header(&scene, &sections, out)?;
    writeln!(out, "<main>")?;
    for (id, heading, body) in &sections {
        out.write_all(section(id, heading, body).as_bytes())?;
    }
    writeln!(out, "</main>\n<script>{script}</script>\n</body>\n</html>")
}

/// Name, heading and body of each section that has something to tell.
fn sections(scene: &Scene<'_>, examples: &Examples) -> Vec<(&'static str, String, String)> {
    let gist = Gist::of(scene, &|name| name);
    let all = [
        ("summary", "page-summary", summary::summary(scene, &gist)),
        ("expectations", "expectations", entry::expectations(scene)),
        ("time-line", "page-time-line", summary::time_line(scene)),
        ("findings", scene.findings_heading(), entry::entries(scene, examples)),
        ("figures", "page-figures", figures::charts(scene)),
        ("servers", "page-servers", figures::servers(scene)),
        ("calls", "calls", calls::calls(scene, examples)),
        ("quality", "page-quality", quality::quality(scene)),
        ("method", "page-method", quality::method(scene, examples)),
    ];
    let told = all.into_iter().filter(|(_, _, body)| !body.is_empty());
    told.map(|(id, key, body)| (id, scene.words.get(key).to_owned(), body)).collect()
}

fn head(scene: &Scene<'_>, script: &str, out: &mut dyn Write) -> io::Result<()> {
    let (lang, title) = (language_tag(scene.words.lang()), escaped(&scene.title));
    writeln!(out, "<!DOCTYPE html>\n<html lang=\"{lang}\">\n<head>\n<meta charset=\"utf-8\">")?;
    let policy = policy::policy(script);
    writeln!(out, "<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">")?;
    writeln!(out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")?;
    writeln!(out, "<meta name=\"color-scheme\" content=\"light dark\">")?;
    writeln!(out, "<meta name=\"referrer\" content=\"no-referrer\">")?;
    writeln!(out, "<title>{title}</title>\n<style>{}</style>\n</head>", STYLES.concat())
}

/// The title, what was captured and when, and the way to the sections.
fn header(
    scene: &Scene<'_>,
    sections: &[(&'static str, String, String)],
    out: &mut dyn Write,
) -> io::Result<()> {
    let words = scene.words;
    writeln!(out, "<body>\n<header>\n<h1>{}</h1>", escaped(&scene.title))?;
    let time = scene.parts.capture().into_iter().find(|(name, _)| name == words.get("time"));
    let mut lines = vec![scene.files()];
    lines.extend(time.map(|(_, span)| span));
    let lines: Vec<String> = lines.iter().map(|line| escaped(line)).collect();
    writeln!(out, "<p class=\"byline\">{}</p>\n</header>", lines.join("<br>\n"))?;
    writeln!(out, "<nav aria-label=\"{}\"><ul>", escaped(words.get("page-contents")))?;
    for (id, heading, _) in sections {
        writeln!(out, "<li><a href=\"#{id}\">{}</a></li>", escaped(heading))?;
    }
    writeln!(out, "</ul></nav>")
}
