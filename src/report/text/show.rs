//! Calls as one ladder that an engineer reads at a glance: what became of the call, who spoke with
//! whom, what was sent, and what was found where.

use std::io::{self, Write};

use crate::analysis::flow::{Content, Party, Row, Sent};
use crate::analysis::{Analysis, StreamSummary};
use crate::catalogue::Lang;
use crate::finding::{Finding, Severity};
use crate::report::document::{Cell, Page};
use crate::report::evidence;
use crate::report::layout;
use crate::report::show::{Described, ShowOptions, Shown, in_full};
use crate::report::style::Role;
use crate::report::text::ladder::{INDENT, PAUSE};
use crate::report::text::lifelines::{Label, Plan};
use crate::report::text::scene::Scene;
use crate::report::text::sheet::Sheet;
use crate::report::text::{TextOptions, Verbosity, clock, streams};
use crate::sip::{Method, Status};
use crate::time::Time;

mod head;
mod margin;
mod raw;

use margin::Margins;

/// Parties that get a column each, if the sheet has room for them.
const COLUMNS_MAX: usize = 16;

/// The rule of which the status says more than its own entry.
const GENERAL: &str = "final-response";

/// The looks of what went as it should, and of what did not.
const GOOD: Role = Role::Added;
const BAD: Role = Role::Missing;

/// Digits of a stream that are told.
const DIGITS_MAX: usize = 64;

/// Writes the calls at these places, with their ladder.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn show(
    analysis: &Analysis,
    places: &[usize],
    options: &ShowOptions,
    (lang, page): (Lang, Page),
    out: &mut dyn Write,
) -> io::Result<()> {
    let shown = Shown::new(analysis, places, options);
    let mut scene = Scene::new(analysis, &TextOptions { lang, page, verbosity: Verbosity::Normal });
    // The head names the day on which the ladder begins.
    scene.clock = clock::Clock::from(shown.flow.start());
    let mut sheet = Sheet::new(page, out);
    head::write(&scene, &shown, &mut sheet)?;
    if !shown.flow.rows.is_empty() {
        write_ladder(&mut scene, &shown, options, &mut sheet)?;
    }
    write_left_out(&scene, &shown, &mut sheet)?;
    write_findings(&mut scene, &shown, &mut sheet)
}

/// A ladder while it is being written.
struct Drawing<'d> {
    shown: &'d Shown<'d>,
    options: &'d ShowOptions,
    margins: Margins,
    plan: Plan,
    start: Time,
    /// The messages came on several transports.
    has_transports: bool,
}

fn write_ladder(
    scene: &mut Scene<'_>,
    shown: &Shown<'_>,
    options: &ShowOptions,
    sheet: &mut Sheet<'_>,
) -> io::Result<()> {
    let flow = &shown.flow;
    let start = flow.start().unwrap_or_default();
    let words = scene.words;
    let title = words.fill("show-ladder", &[("time", &clock::Clock::full(start))]);
    let fits = layout::width(&title) + 4 <= sheet.columns;
    sheet.section(if fits { &title } else { words.get("ladder") })?;
    let margins = Margins::of(scene, shown, &options.times, start);
    let names: Vec<String> = flow.parties.iter().map(Party::label).collect();
    let plan = Plan::new(&names, margins.columns(), sheet.columns, COLUMNS_MAX);
    head::write_parties(&flow.parties, plan.is_lettered(), sheet)?;
    sheet.blank()?;
    if let Some(head) = plan.head(&names) {
        sheet.line(&[head])?;
    }
    let drawing = Drawing { shown, options, margins, plan, start, has_transports: mixed(flow) };
    let mut before = start;
    for (row, at) in flow.rows.iter().zip(0..) {
        let pause = row.time.since(before);
        if pause >= PAUSE {
            sheet.line(&drawing.plan.pause(&words.duration(pause)))?;
        }
        before = before.max(last_time(row));
        drawing.write_row(scene, row, at, sheet)?;
    }
    Ok(())
}

/// The messages came on several transports.
fn mixed(flow: &crate::analysis::flow::Flow<'_>) -> bool {
    let mut transports = flow.rows.iter().filter_map(|row| match &row.content {
        Content::Message(sent) => Some(sent.step.transport),
        Content::Stream(_) => None,
    });
    let first = transports.next();
    transports.any(|transport| Some(transport) != first)
}

/// When a row was last sent; a stream goes on while other things happen.
fn last_time(row: &Row<'_>) -> Time {
    match &row.content {
        Content::Message(sent) => sent.last_repeat().unwrap_or(row.time),
        Content::Stream(_) => row.time,
    }
}

impl Drawing<'_> {
    fn write_row(
        &self,
        scene: &mut Scene<'_>,
        row: &Row<'_>,
        at: usize,
        sheet: &mut Sheet<'_>,
    ) -> io::Result<()> {
        let mut pieces = self.margins.pieces(at, self.severity(&row.evidence_of));
        let (label, shaft) = self.label(scene, row);
        let role = self.role(row);
        pieces.extend(self.plan.arrow((row.from, row.to), &label, shaft, role));
        sheet.line(&pieces)?;
        for remark in self.remarks(scene, row, at) {
            for line in self.plan.remark((row.from, row.to), &remark) {
                sheet.line(&line)?;
            }
        }
        for step in in_full(row, &self.options.raw) {
            raw::write(scene, step, step.frame != row.frame, sheet)?;
        }
        for place in &row.findings {
            if let Some(finding) = self.shown.findings.get(*place) {
                write_title(scene, finding, *place, INDENT, sheet)?;
            }
        }
        Ok(())
    }

    fn label(&self, scene: &Scene<'_>, row: &Row<'_>) -> (Label, char) {
        let words = scene.words;
        match &row.content {
            Content::Message(sent) => {
                let mut marks = String::new();
                if self.options.without_sdp && sent.sdp.is_some() {
                    marks.push_str(" (SDP)");
                }
                if self.has_transports {
                    marks.push_str(&format!(" [{}]", sent.step.transport));
                }
                if sent.step.is_retransmission {
                    marks.push_str(&format!(" ({})", words.get("show-again")));
                }
                (Label::of(&sent.label, &marks), '-')
            }
            Content::Stream(stream) => {
                let kind = if stream.is_encrypted { "SRTP" } else { "RTP" };
                let codec = stream.codec.as_ref().map(|codec| format!(" {codec}"));
                (Label::whole(format!("{kind}{}", codec.unwrap_or_default())), '=')
            }
        }
    }

    /// The looks of an arrow: what is evidence of something stands out, then what ends something.
    fn role(&self, row: &Row<'_>) -> Role {
        if let Some(severity) = self.severity(&row.evidence_of) {
            return Role::Severity(severity);
        }
        match &row.content {
            Content::Message(sent) => answer_role(sent),
            Content::Stream(_) => Role::Name,
        }
    }

    fn severity(&self, findings: &[usize]) -> Option<Severity> {
        let findings = findings.iter().filter_map(|place| self.shown.findings.get(*place));
        findings.map(|finding| finding.severity).max()
    }

    /// What stands below the arrow.
    fn remarks(&self, scene: &Scene<'_>, row: &Row<'_>, at: usize) -> Vec<String> {
        let words = scene.words;
        let mut remarks = Vec::new();
        match &row.content {
            Content::Message(sent) => {
                if let Some(last) = sent.last_repeat() {
                    let count = words.count(sent.repeats.len() as u64);
                    let until = clock::relative(last.since(self.start));
                    let values = [("count", count.as_str()), ("time", until.as_str())];
                    remarks.push(words.fill("ladder-repeats", &values));
                }
                let sdp = self.shown.described.get(at).and_then(Option::as_ref);
                // A repeat says the same by its nature.
                let sdp = sdp.filter(|_| !sent.step.is_retransmission);
                remarks.extend(sdp.map(|sdp| described(scene, sdp)));
                if sent.step.is_cut {
                    remarks.push(words.get("show-cut").to_owned());
                }
            }
            Content::Stream(stream) => remarks.push(figures(scene, stream)),
        }
        remarks
    }
}

/// A final answer is good or bad; a challenge is neither.
fn answer_role(sent: &Sent<'_>) -> Role {
    let message = sent.step.message();
    match message.status().map(Status::code) {
        Some(200..300) if message.method() == Method::Invite => GOOD,
        Some(400 | 401 | 407 | 487 | 491) | None => Role::Plain,
        Some(300..) => BAD,
        Some(_) => Role::Plain,
    }
}

/// `on hold · audio 192.0.2.1:4000 PCMU sendonly`, `SDP as in #12 · recvonly`.
fn described(scene: &Scene<'_>, sdp: &Described) -> String {
    let words = scene.words;
    if let Some(frame) = sdp.same_as {
        let mut told = vec![words.fill("show-same-sdp", &[("frame", &scene.frame(frame))])];
        // That somebody is still on hold must not be looked up.
        let is_one_way = |word: &&str| ["sendonly", "recvonly", "inactive"].contains(word);
        let directions = sdp.text.split([' ', ',']).filter(is_one_way);
        told.extend(directions.map(str::to_owned));
        return told.join(" · ");
    }
    if sdp.changes.is_empty() {
        return sdp.text.clone();
    }
    let changes = sdp.changes.iter().map(|change| words.token("show-sdp", change.name()));
    format!("{} · {}", words.list(&changes.collect::<Vec<_>>()), sdp.text)
}

/// `891 packets · 12.3 s · 0 % lost · jitter 1 ms, at most 4 ms · MOS about 4.4 · DTMF 1234`
fn figures(scene: &Scene<'_>, stream: &StreamSummary) -> String {
    let words = scene.words;
    let mut figures = streams::figures(stream, words);
    figures.insert(1, words.duration(stream.last.time.since(stream.first.time)));
    if let Some(estimate) = stream.estimate {
        figures.push(words.fill("show-mos", &[("mos", &words.decimal(estimate.mos, 1))]));
    }
    if !stream.digits.is_empty() {
        let key = |digit: &crate::analysis::DigitSummary| match digit.key {
            Some(key) => key.to_string(),
            None => format!("({})", digit.event),
        };
        let mut digits: String = stream.digits.iter().take(DIGITS_MAX).map(key).collect();
        if stream.digits.len() > DIGITS_MAX {
            digits.push('…');
        }
        figures.push(words.fill("show-digits", &[("digits", &digits)]));
    }
    // A figure stays in one line.
    let whole: Vec<String> = figures.iter().map(|own| own.replace(' ', "\u{a0}")).collect();
    whole.join("\u{a0}· ")
}

/// What the ladder lacks.
fn write_left_out(scene: &Scene<'_>, shown: &Shown<'_>, sheet: &mut Sheet<'_>) -> io::Result<()> {
    let words = scene.words;
    let flow = &shown.flow;
    let mut notes = Vec::new();
    let without = flow.without_messages.iter().filter_map(|place| shown.calls.get(*place));
    for (place, _) in without {
        let number = (place + 1).to_string();
        notes.push(words.fill("show-without-messages", &[("number", &number)]));
    }
    if flow.hidden > 0 {
        notes.push(words.fill("show-hidden", &[("count", &words.count(flow.hidden as u64))]));
    }
    if notes.is_empty() {
        return Ok(());
    }
    sheet.blank()?;
    notes.iter().try_for_each(|note| sheet.text(Role::Faint, INDENT, note))
}

/// Each finding in short, with its mark in the ladder.
fn write_findings(
    scene: &mut Scene<'_>,
    shown: &Shown<'_>,
    sheet: &mut Sheet<'_>,
) -> io::Result<()> {
    let words = scene.words;
    let Some(worst) = shown.findings.iter().max_by_key(|finding| finding.severity) else {
        sheet.blank()?;
        return sheet.text(Role::Plain, 0, words.get("no-findings"));
    };
    sheet.section(words.get("findings"))?;
    for (finding, place) in shown.findings.iter().zip(0..) {
        if place > 0 {
            sheet.blank()?;
        }
        write_title(scene, finding, place, 0, sheet)?;
        let rule = scene.rule(finding);
        sheet.text(Role::Plain, 4, &evidence::message(finding, &rule, words))?;
        if let Some(call_id) = finding.call_id.as_ref().filter(|_| !shown.is_own(finding)) {
            let call = scene.call(call_id);
            sheet.text(Role::Plain, 4, &words.fill("show-on-call", &[("call", &call)]))?;
        }
        let confidence = words.confidence(finding.confidence);
        let mut proof = vec![words.pair(words.get("confidence"), confidence)];
        if !finding.frames.is_empty() {
            proof.insert(0, words.pair(words.get("frames"), &scene.frames(&finding.frames)));
        }
        sheet.text(Role::Faint, 4, &proof.join(" · "))?;
    }
    sheet.blank()?;
    let status = worst.status().filter(|_| worst.rule.name == GENERAL);
    let code = status.map_or_else(|| worst.rule.code.to_owned(), |status| status.to_string());
    sheet.text(Role::Faint, 0, &words.fill("go-on", &[("code", &code)]))
}

/// `[1] ERROR DLG104 200 OK never acknowledged`
fn write_title(
    scene: &mut Scene<'_>,
    finding: &Finding,
    place: usize,
    indent: usize,
    sheet: &mut Sheet<'_>,
) -> io::Result<()> {
    let rule = scene.rule(finding);
    let severity = scene.words.severity(finding.severity).to_uppercase();
    let mark = format!("[{}]", place + 1);
    let rest = format!("{severity} {} {}", rule.code, rule.entry.title);
    if indent + layout::width(&mark) + 1 + layout::width(&rest) > sheet.columns {
        return sheet.marked(Role::Severity(finding.severity), indent, &mark, &rest);
    }
    sheet.line(&[
        Cell::new(Role::Plain, " ".repeat(indent)),
        Cell::new(Role::Severity(finding.severity), format!("{mark} {severity}")),
        Cell::new(Role::Name, format!(" {}", rule.code)),
        Cell::new(Role::Title, format!(" {}", rule.entry.title)),
    ])
}
