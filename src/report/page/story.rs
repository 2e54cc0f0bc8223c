//! The incident report as Markdown: the story of the page with ladders as text and figures as
//! tables.
//!
//! What comes from a capture stands in code spans and fenced blocks, or is escaped.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use crate::analysis::{Delays, Host, Peer};
use crate::bytes::printable_str;
use crate::catalogue::{self, Lang};
use crate::finding::Finding;
use crate::report::entries::Entry;
use crate::report::evidence;
use crate::report::markdown::{cell, code, fenced, prose};
use crate::report::outcome::Outcome;
use crate::report::page::gist::{Gist, moments};
use crate::report::page::scene::{GENERAL, Scene};
use crate::report::page::{calls, entry, figures, quality, summary};
use crate::time::Span;

/// Calls that are listed; more are counted.
const CALLS_MAX: usize = 50;

/// Findings that get a line; more are counted.
const LINES_MAX: usize = 100;

/// Final codes that are listed; more are counted.
const CODES_MAX: usize = 20;

/// Writes the report.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn story(
    outcome: &Outcome<'_>,
    lang: Lang,
    title: Option<&str>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let scene = Scene::new(outcome, lang, title);
    let mut story = Story { scene: &scene, told: (BTreeSet::new(), BTreeSet::new()), out };
    story.summary()?;
    story.expectations()?;
    story.time_line()?;
    story.findings()?;
    story.figures()?;
    story.servers()?;
    story.calls()?;
    story.quality()
}

struct Story<'s, 'a, 'o> {
    scene: &'s Scene<'a>,
    /// Rules and statuses that were explained.
    told: (BTreeSet<&'static str>, BTreeSet<u16>),
    out: &'o mut dyn Write,
}

impl Story<'_, '_, '_> {
    fn heading(&mut self, level: usize, text: &str) -> io::Result<()> {
        let before = if level == 1 { "" } else { "\n" };
        writeln!(self.out, "{before}{} {text}", "#".repeat(level))
    }

    fn section(&mut self, key: &str) -> io::Result<()> {
        let heading = self.scene.words.get(key).to_owned();
        self.heading(2, &heading)
    }

    fn paragraph(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "\n{text}")
    }

    fn bold(&mut self, key: &str) -> io::Result<()> {
        writeln!(self.out, "\n**{}**\n", self.scene.words.get(key))
    }

    fn list(&mut self, items: &[String]) -> io::Result<()> {
        items.iter().try_for_each(|item| writeln!(self.out, "- {item}"))
    }

    /// A table; the cells are Markdown.
    fn table(&mut self, columns: &[(&str, bool)], rows: &[Vec<String>]) -> io::Result<()> {
        let names: Vec<&str> = columns.iter().map(|(key, _)| self.scene.words.get(key)).collect();
        let rules: String = columns
            .iter()
            .map(|(_, is_number)| if *is_number { " ---: |" } else { " --- |" })
            .collect();
        writeln!(self.out, "\n| {} |\n|{rules}", names.join(" | "))?;
        rows.iter().try_for_each(|row| {
            let cells: Vec<String> = row.iter().map(|text| cell(text)).collect();
            writeln!(self.out, "| {} |", cells.join(" | "))
        })
    }

    /// How many there was no room for, if any.
    fn left_out(&mut self, key: &str, all: usize, shown: usize) -> io::Result<()> {
        match all.checked_sub(shown).filter(|more| *more > 0) {
            Some(more) => {
                let count = self.scene.words.count(more as u64);
                let text = self.scene.words.fill(key, &[("count", &count)]);
                self.paragraph(&text)
            }
            None => Ok(()),
        }
    }

    fn summary(&mut self) -> io::Result<()> {
        let scene = self.scene;
        let gist = Gist::of(scene, &|name| within(&name));
        self.heading(1, &prose(&scene.title))?;
        self.paragraph(&prose(&scene.files()))?;
        self.section("page-summary")?;
        self.paragraph(&format!("**{}**", prose(&gist.lead)))?;
        let text = gist.text();
        if !text.is_empty() {
            self.paragraph(&text)?;
        }
        if let Some(action) = &gist.action {
            let name = scene.words.get("page-first-action");
            self.paragraph(&format!("**{name}** {action}"))?;
        }
        writeln!(self.out)?;
        let tiles = summary::tiles(scene).into_iter();
        let tiles: Vec<String> =
            tiles.map(|(name, value, _)| format!("**{name}** {}", within(&value))).collect();
        self.list(&tiles)
    }

    fn expectations(&mut self) -> io::Result<()> {
        let scene = self.scene;
        if scene.outcome.missed.is_empty() {
            return Ok(());
        }
        self.section("expectations")?;
        let rows = scene.outcome.missed.iter().map(|one| entry::expectation(scene, one));
        let rows: Vec<Vec<String>> = rows
            .map(|row| row.iter().enumerate().map(|(at, own)| plain_or_code(at > 0, own)).collect())
            .collect();
        self.table(&[("state", false), ("expectation", false), ("capture", false)], &rows)?;
        for one in scene.outcome.broken() {
            self.heading(3, &code(&one.case))?;
            let lines: Vec<_> = one.message.lines().map(printable_str).collect();
            self.paragraph(&fenced(&lines.join("\n")))?;
        }
        Ok(())
    }

    fn time_line(&mut self) -> io::Result<()> {
        let scene = self.scene;
        let mut points: Vec<_> =
            moments(scene).into_iter().map(|moment| (moment.time, within(&moment.text))).collect();
        let (told, _) = scene.told();
        for entry in told {
            let Some(incident) = entry.incident else { continue };
            let name = format!("{}{}", scene.name(entry.finding), entry.times(scene.words));
            let text = match summary::range(scene, incident) {
                Some(range) => format!("{} ({})", within(&name), within(&range)),
                None => within(&name),
            };
            points.extend(incident.first_time.map(|time| (time, text)));
        }
        if points.is_empty() {
            return Ok(());
        }
        points.sort_by_key(|(time, _)| *time);
        self.section("page-time-line")?;
        writeln!(self.out)?;
        let lines =
            points.iter().map(|(time, text)| format!("`{}` {text}", scene.parts.time(*time)));
        let lines: Vec<String> = lines.collect();
        self.list(&lines)
    }

    fn findings(&mut self) -> io::Result<()> {
        let scene = self.scene;
        self.section(scene.findings_heading())?;
        if scene.entries.is_empty() {
            return self.paragraph(scene.words.get("no-findings"));
        }
        let (told, rest) = scene.told();
        told.iter().enumerate().try_for_each(|(place, entry)| self.entry(place, entry))?;
        if rest.is_empty() {
            return Ok(());
        }
        let key = if told.is_empty() { "findings" } else { "more-findings" };
        self.heading(3, scene.words.get(key))?;
        let row = |entry| {
            let texts = entry::row(scene, entry);
            texts.iter().enumerate().map(|(at, text)| plain_or_code(at > 2, text)).collect()
        };
        let rows: Vec<Vec<String>> = rest.iter().take(LINES_MAX).map(row).collect();
        let columns = ["severity", "code", "summary", "server", "call", "frames"];
        self.table(&columns.map(|key| (key, false)), &rows)?;
        self.left_out("page-left-out", rest.len(), LINES_MAX)
    }

    fn entry(&mut self, place: usize, entry: &Entry<'_>) -> io::Result<()> {
        let (scene, finding) = (self.scene, entry.finding);
        let words = scene.words;
        let rule = scene.index.rule(finding);
        let severity = words.severity(entry.severity).to_uppercase();
        let name = format!("{}{}", prose(&scene.name(finding)), entry.times(words));
        self.heading(3, &format!("{}. {severity} {} {name}", place + 1, rule.code))?;
        self.paragraph(&evidence::message_with(finding, &rule, words, &|text| code(&text)))?;
        writeln!(self.out)?;
        for (name, value) in scene.facts(entry) {
            let is_code = name == words.get("wireshark") || value.contains(['#', '@']);
            let value = plain_or_code(is_code, &value);
            match name.is_empty() {
                true => writeln!(self.out, "  - {value}")?,
                false => writeln!(self.out, "- **{}** {value}", prose(&name))?,
            }
        }
        let streams = Some(("rtp-streams", scene.streams(finding)));
        let streams = streams.filter(|(_, lines)| !lines.is_empty());
        for (key, signs) in scene.signs(finding).into_iter().chain(streams) {
            self.bold(key)?;
            let signs: Vec<String> = signs.iter().map(|sign| code(sign)).collect();
            self.list(&signs)?;
        }
        let ladder = scene.parts.ladder(finding)?;
        if !ladder.is_empty() {
            self.paragraph(&fenced(&ladder))?;
        }
        self.diagnosis(finding)
    }

    fn diagnosis(&mut self, finding: &Finding) -> io::Result<()> {
        let words = self.scene.words;
        let rule = self.scene.index.rule(finding);
        if self.told.0.insert(rule.code) {
            let entry = &rule.entry;
            self.bold("what-happened")?;
            writeln!(self.out, "{}", entry.what)?;
            self.bold("why-it-matters")?;
            writeln!(self.out, "{}", entry.why)?;
            self.bold("likely-causes")?;
            self.list(&entry.causes)?;
            self.bold("what-to-do")?;
            let mut actions = entry.actions.iter().zip(1..);
            actions.try_for_each(|(action, at)| writeln!(self.out, "{at}. {action}"))?;
        } else {
            self.paragraph(&words.fill("explained-above", &[("code", rule.code)]))?;
        }
        for status in &finding.statuses {
            if !self.told.1.insert(status.code()) {
                continue;
            }
            let text = catalogue::status(status.code(), words.lang());
            let title = format!("{status} {}", text.phrase);
            self.paragraph(&format!("**{}**", title.trim_end()))?;
            self.paragraph(&text.description)?;
            if rule.name == GENERAL && status.code() >= 300 {
                self.paragraph(&format!("**{}** {}", words.get("how-to-fix"), text.fix))?;
            }
        }
        Ok(())
    }

    /// Final responses, and how long things took.
    fn figures(&mut self) -> io::Result<()> {
        let (words, statistics) = (self.scene.words, &self.scene.analysis.statistics);
        let mut sums: BTreeMap<u16, u64> = BTreeMap::new();
        for (code, count) in statistics.timeline.intervals().flat_map(|(_, own, _)| &own.statuses) {
            *sums.entry(*code).or_default() += count;
        }
        let mut codes: Vec<(u16, u64)> = sums.into_iter().collect();
        codes.sort_by_key(|(code, count)| (Reverse(*count), *code));
        let delays = [
            ("set-up", &statistics.kpi.post_dial_delay),
            ("ring-time", &statistics.kpi.ring_time),
            ("talk-time", &statistics.kpi.duration),
        ];
        let delays: Vec<_> = delays.into_iter().filter(|(_, own)| own.count() > 0).collect();
        if codes.is_empty() && delays.is_empty() {
            return Ok(());
        }
        self.section("page-figures")?;
        if !codes.is_empty() {
            let row = |(code, count): &(u16, u64)| {
                let phrase = catalogue::status(*code, words.lang()).phrase;
                vec![within(&format!("{code} {phrase}")), words.count(*count)]
            };
            let rows: Vec<_> = codes.iter().take(CODES_MAX).map(row).collect();
            self.table(&[("statuses", false), ("count", true)], &rows)?;
            self.left_out("and-more", codes.len(), CODES_MAX)?;
        }
        if !delays.is_empty() {
            let span = |span: Option<Span>| span.map(|span| words.duration(span));
            let row = |(key, own): &(&str, &Delays)| {
                let percentiles = [50, 95, 99].map(|percent| span(own.percentile(percent)));
                let name = [words.get(key).to_owned(), words.count(own.count())];
                name.into_iter().chain(percentiles.map(Option::unwrap_or_default)).collect()
            };
            let rows: Vec<Vec<String>> = delays.iter().map(row).collect();
            let columns = ["page-response-half", "page-response-most", "page-response-99"];
            let columns: Vec<_> = columns.into_iter().map(|key| (key, true)).collect();
            let first = [("duration", false), ("count", true)];
            self.table(&first.into_iter().chain(columns).collect::<Vec<_>>(), &rows)?;
        }
        Ok(())
    }

    fn servers(&mut self) -> io::Result<()> {
        let scene = self.scene;
        let peers = figures::listed(scene);
        if peers.is_empty() {
            return Ok(());
        }
        self.section("page-servers")?;
        let row = |(host, peer): &(&Host, &Peer)| {
            let texts = figures::cells(scene, **host, peer);
            texts.iter().enumerate().map(|(at, text)| plain_or_code(at == 0, text)).collect()
        };
        let rows: Vec<Vec<String>> = peers.iter().map(row).collect();
        self.table(&figures::COLUMNS, &rows)?;
        let all = scene.analysis.statistics.peers.len();
        self.left_out("page-servers-left-out", all, peers.len())
    }

    fn calls(&mut self) -> io::Result<()> {
        let scene = self.scene;
        let all = &scene.analysis.calls;
        if all.is_empty() {
            return Ok(());
        }
        self.section("calls")?;
        let listed = calls::listed(scene);
        let row = |place: &usize| {
            let texts = calls::cells(scene, *place, all.get(*place)?);
            let is_uri = |at| at == 3 || at == 4;
            let texts = texts.iter().enumerate();
            Some(texts.map(|(at, text)| plain_or_code(is_uri(at), text)).collect())
        };
        let rows: Vec<Vec<String>> = listed.iter().take(CALLS_MAX).filter_map(row).collect();
        self.table(&calls::COLUMNS, &rows)?;
        let count = scene.analysis.totals.call_ids.max(all.len() as u64);
        if (rows.len() as u64) < count {
            let (shown, count) = (rows.len() as u64, scene.words.count(count));
            let shown = scene.words.count(shown);
            let values = [("listed", shown.as_str()), ("count", count.as_str())];
            let text = scene.words.fill("page-calls-left-out", &values);
            self.paragraph(&text)?;
        }
        Ok(())
    }

    fn quality(&mut self) -> io::Result<()> {
        let scene = self.scene;
        self.section("page-quality")?;
        writeln!(self.out)?;
        for (name, value) in scene.parts.capture() {
            let (name, value) = (prose(&name), within(&value));
            match name.is_empty() {
                true => writeln!(self.out, "  - {value}")?,
                false => writeln!(self.out, "- **{name}** {value}")?,
            }
        }
        let notes = quality::notes(scene);
        if notes.is_empty() && scene.of_capture.is_empty() {
            self.paragraph(scene.words.get("page-nothing-limits"))?;
        } else {
            self.bold("page-limits")?;
            let notes: Vec<String> = notes.iter().map(|note| prose(note)).collect();
            self.list(&notes)?;
        }
        for entry in &scene.of_capture {
            let rule = scene.index.rule(entry.finding);
            let severity = scene.words.severity(entry.severity).to_uppercase();
            self.heading(3, &format!("{severity} {} {}", rule.code, rule.entry.title))?;
            let message =
                evidence::message_with(entry.finding, &rule, scene.words, &|text| code(&text));
            self.paragraph(&message)?;
            self.paragraph(&rule.entry.why)?;
        }
        self.section("page-method")?;
        writeln!(self.out)?;
        self.list(&quality::method_notes(scene, 0))
    }
}

/// Text that may come from a capture, or words of ours.
fn plain_or_code(is_code: bool, text: &str) -> String {
    if is_code { code(text) } else { within(text) }
}

/// Text that does not begin a line, where no number begins a list.
fn within(text: &str) -> String {
    prose(&format!(" {text}")).trim_start().to_owned()
}
