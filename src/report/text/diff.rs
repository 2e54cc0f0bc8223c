//! How two captures differ, as text: the verdict, what recurs, then a ladder of both for each call.
//!
//! `-` marks what only the first capture has, `+` what only the second has, `~` what changed.

use std::io::{self, Write};

use crate::analysis::diff::{
    CallDiff, Change, Diff, DiffLine, DiffOptions, FindingChange, PairedBy, Part, Place, Recurring,
    letter,
};
use crate::analysis::{Analysis, CallSummary};
use crate::capture::FrameId;
use crate::catalogue::{self, Labels, Lang, labels};
use crate::finding::Value;
use crate::packet::Endpoint;
use crate::report::document::{Cell, Page};
use crate::report::evidence;
use crate::report::layout;
use crate::report::style::Role;
use crate::report::text::clock;
use crate::report::text::sheet::Sheet;
use crate::time::{Span, Time};

/// Steps without a difference that are shown on both sides of one with a difference.
const CONTEXT: usize = 2;

/// Calls of one capture only that are listed; more are counted.
const UNPAIRED_MAX: usize = 20;

/// Differences of many steps that are listed; more are counted.
const RECURRING_MAX: usize = 40;

/// A narrower sheet has no room for the times of both captures.
const COLUMNS_WITH_TIMES: usize = 72;

/// Spaces before a change of a step.
const CHANGE_INDENT: usize = 6;

/// Writes the comparison.
///
/// # Errors
///
/// When `out` cannot be written to.
pub(crate) fn write(
    diff: &Diff<'_>,
    (left, right): (&Analysis, &Analysis),
    options: &DiffOptions,
    (lang, page): (Lang, Page),
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut sheet = Sheet::new(page, out);
    let view = View {
        diff,
        options,
        words: labels(lang),
        lang,
        is_several: [left.captures.len() > 1, right.captures.len() > 1],
    };
    view.verdict(&mut sheet)?;
    view.captures(left, right, &mut sheet)?;
    view.recurring(&mut sheet)?;
    view.calls(&mut sheet)?;
    view.unpaired(&mut sheet)?;
    view.findings(&mut sheet)
}

/// Which capture something stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

impl Side {
    const fn mark(self) -> &'static str {
        match self {
            Self::Left => "-",
            Self::Right => "+",
        }
    }

    const fn role(self) -> Role {
        match self {
            Self::Left => Role::Missing,
            Self::Right => Role::Added,
        }
    }
}

struct View<'v> {
    diff: &'v Diff<'v>,
    options: &'v DiffOptions,
    words: Labels,
    lang: Lang,
    /// Frames need the number of their capture, on both sides.
    is_several: [bool; 2],
}

impl View<'_> {
    fn fill(&self, key: &str, values: &[(&str, u64)]) -> String {
        let values: Vec<(&str, String)> =
            values.iter().map(|(name, count)| (*name, self.words.count(*count))).collect();
        let values: Vec<(&str, &str)> =
            values.iter().map(|(name, text)| (*name, text.as_str())).collect();
        self.words.fill(key, &values)
    }

    fn verdict(&self, sheet: &mut Sheet<'_>) -> io::Result<()> {
        let totals = &self.diff.totals;
        let mut counts = vec![("pairs", totals.pairs), ("same", totals.same)];
        let only = [
            ("differing", totals.differing),
            ("recurring", totals.recurring_only),
            ("first", totals.left),
            ("second", totals.right),
        ];
        counts.extend(only.into_iter().filter(|(_, count)| *count > 0));
        let is_same = self.diff.is_same();
        let head = self.words.get(match (is_same, self.diff.shows_no_difference()) {
            (true, _) => "diff-same",
            (false, true) => "diff-same-in-part",
            (false, false) => "diff-different",
        });
        let role = if is_same { Role::Title } else { Role::Changed };
        let text = self.fill("diff-counts", &counts);
        let sentences = match self.lang {
            Lang::Ja => format!("{head}{text}"),
            Lang::En | Lang::Fr | Lang::Pt => format!("{head} {text}"),
        };
        sheet.text(role, 0, &sentences)
    }

    fn captures(&self, left: &Analysis, right: &Analysis, sheet: &mut Sheet<'_>) -> io::Result<()> {
        let words = self.words;
        sheet.section(words.get("captures"))?;
        let paths = |analysis: &Analysis| -> String {
            let paths: Vec<String> = analysis
                .captures
                .iter()
                .map(|capture| capture.path.to_string_lossy().into_owned())
                .collect();
            words.list(&paths)
        };
        let totals = &self.diff.totals;
        let steps = [
            ("same", totals.steps_same),
            ("changed", totals.steps_changed),
            ("first", totals.steps_left),
            ("second", totals.steps_right),
        ];
        let mut facts = vec![
            (words.fill("diff-first", &[("mark", "-")]), paths(left)),
            (words.fill("diff-second", &[("mark", "+")]), paths(right)),
            (words.get("diff-steps").to_owned(), self.fill("diff-step-counts", &steps)),
        ];
        facts.extend(self.waits());
        sheet.facts(0, &facts)?;
        let notes = [
            ("diff-calls-left-out", totals.calls_left_out),
            ("diff-findings-left-out", totals.findings_left_out),
            ("diff-without-messages", totals.without_messages),
            ("diff-left-out", totals.steps_left_out),
            ("diff-changes-left-out", totals.changes_left_out),
            ("diff-narrow", totals.narrow),
        ];
        for (key, count) in notes.into_iter().filter(|(_, count)| *count > 0) {
            sheet.item(0, "!", &self.fill(key, &[("count", count)]))?;
        }
        Ok(())
    }

    /// The medians of what machines took.
    fn waits(&self) -> Option<(String, String)> {
        let words = self.words;
        let waits = self.diff.waits;
        let threshold = self.options.timing?;
        let span = |span: Span| words.duration(span);
        let (left, right) = (span(waits.left_median), span(waits.right_median));
        let (shift, threshold) = (signed(words, waits.shift_median), span(threshold));
        let (count, shifted) = (words.count(waits.count), words.count(waits.shifted));
        let values = [
            ("count", &*count),
            ("first", &*left),
            ("second", &*right),
            ("shift", &*shift),
            ("threshold", &*threshold),
            ("shifted", &*shifted),
        ];
        let text = words.fill("diff-wait-medians", &values);
        (waits.count > 0).then(|| (words.get("diff-waits").to_owned(), text))
    }

    fn recurring(&self, sheet: &mut Sheet<'_>) -> io::Result<()> {
        let recurring = &self.diff.recurring;
        if recurring.is_empty() {
            return Ok(());
        }
        sheet.section(self.words.get("diff-recurring"))?;
        for known in recurring.iter().take(RECURRING_MAX) {
            self.change(&known.change, 0, sheet)?;
            self.occurrences(known, sheet)?;
        }
        self.more("and-more", recurring.len().saturating_sub(RECURRING_MAX) as u64, sheet)
    }

    fn occurrences(&self, known: &Recurring<'_>, sheet: &mut Sheet<'_>) -> io::Result<()> {
        let (first, second) = (known.first.0.0.frame, known.first.1.0.frame);
        let (first, second) = (self.frame(Side::Left, first), self.frame(Side::Right, second));
        let (steps, calls) = (self.words.count(known.steps), self.words.count(known.calls));
        let values =
            [("steps", &*steps), ("calls", &*calls), ("first", &*first), ("second", &*second)];
        let text = self.words.fill("diff-recurring-count", &values);
        sheet.text(Role::Faint, 4, &text)
    }

    fn more(&self, key: &str, count: u64, sheet: &mut Sheet<'_>) -> io::Result<()> {
        match count {
            0 => Ok(()),
            count => sheet.text(Role::Faint, 0, &self.fill(key, &[("count", count)])),
        }
    }

    fn calls(&self, sheet: &mut Sheet<'_>) -> io::Result<()> {
        let calls = &self.diff.calls;
        let left_out = self.diff.totals.differing.saturating_sub(calls.len() as u64);
        if calls.is_empty() && left_out == 0 {
            return Ok(());
        }
        sheet.section(self.words.get("calls"))?;
        for (at, call) in calls.iter().enumerate() {
            if at > 0 {
                sheet.blank()?;
            }
            self.call(call, sheet)?;
        }
        self.more("diff-more-calls", left_out, sheet)
    }

    fn call(&self, call: &CallDiff<'_>, sheet: &mut Sheet<'_>) -> io::Result<()> {
        let words = self.words;
        sheet.heading(0, &self.title(call.left))?;
        let mut facts = Vec::new();
        facts.push(("Call-ID".to_owned(), both(&call.left.call_id, &call.right.call_id)));
        let paired = match call.paired_by {
            PairedBy::CallId => None,
            PairedBy::Likeness { points } => {
                Some(self.fill("diff-likeness", &[("points", points)]))
            }
            PairedBy::Remainder => Some(words.get("diff-remainder").to_owned()),
        };
        facts.extend(paired.map(|paired| (words.get("diff-paired").to_owned(), paired)));
        let outcome = both(&self.outcome(call.left), &self.outcome(call.right));
        facts.push((words.get("outcome").to_owned(), outcome));
        let set_up = [call.left.pdd, call.right.pdd].map(|span| self.span(span));
        if call.left.pdd.is_some() || call.right.pdd.is_some() {
            facts.push((words.get("set-up").to_owned(), both(&set_up[0], &set_up[1])));
        }
        for (party, number) in call.parties.iter().zip(0..) {
            let end = |end: Option<Endpoint>| end.map_or("-".to_owned(), |end| end.to_string());
            facts.push((letter(number), both(&end(party.left), &end(party.right))));
        }
        sheet.facts(2, &facts)?;
        if !call.lines.is_empty() {
            self.ladder(call, sheet)?;
        }
        for change in &call.findings {
            self.finding(change, 2, sheet)?;
        }
        Ok(())
    }

    /// `call alice > bob`.
    fn title(&self, call: &CallSummary) -> String {
        let uri = |uri: &Option<String>| uri.clone().unwrap_or_default();
        let (from, to) = (uri(&call.from_uri), uri(&call.to_uri));
        format!("{}  {from} > {to}", self.words.kind(call.kind.name()))
    }

    fn outcome(&self, call: &CallSummary) -> String {
        let state = self.words.state(call.fate());
        match call.final_status {
            Some(status) => format!("{state} ({status})"),
            None => state,
        }
    }

    fn span(&self, span: Option<Span>) -> String {
        span.map_or("-".to_owned(), |span| self.words.duration(span))
    }

    fn frame(&self, side: Side, frame: FrameId) -> String {
        let is_several = match side {
            Side::Left => self.is_several[0],
            Side::Right => self.is_several[1],
        };
        match is_several {
            false => format!("#{}", frame.number),
            true => format!("{}#{}", u32::from(frame.capture) + 1, frame.number),
        }
    }

    fn ladder(&self, call: &CallDiff<'_>, sheet: &mut Sheet<'_>) -> io::Result<()> {
        sheet.blank()?;
        let ladder = Ladder::new(self, call, sheet.columns);
        let is_near = |at: usize| {
            let from = at.saturating_sub(CONTEXT);
            let near = call.lines.iter().skip(from).take(at - from + CONTEXT + 1);
            near.into_iter().any(|line| !line.is_same())
        };
        let mut folded = 0;
        for (at, line) in call.lines.iter().enumerate() {
            if !is_near(at) {
                folded += 1;
                continue;
            }
            self.folded(&mut folded, sheet)?;
            ladder.line(line, sheet)?;
        }
        self.folded(&mut folded, sheet)
    }

    fn folded(&self, folded: &mut u64, sheet: &mut Sheet<'_>) -> io::Result<()> {
        let count = std::mem::take(folded);
        if count == 0 {
            return Ok(());
        }
        let text = self.fill("diff-unchanged", &[("count", count)]);
        sheet.text(Role::Faint, CHANGE_INDENT, &text)
    }

    /// One line for short values, a line each for long ones.
    fn change(&self, change: &Change, indent: usize, sheet: &mut Sheet<'_>) -> io::Result<()> {
        let name = self.part(&change.part);
        let shown = |value: &Option<Value>| value.as_ref().map(|v| evidence::shown(v, self.words));
        self.values(&name, (shown(&change.left), shown(&change.right)), indent, sheet)
    }

    fn values(
        &self,
        name: &str,
        values: (Option<String>, Option<String>),
        indent: usize,
        sheet: &mut Sheet<'_>,
    ) -> io::Result<()> {
        let space = " ".repeat(indent);
        let head = [Cell::new(Role::Changed, format!("{space}~ ")), Cell::new(Role::Name, name)];
        let (left, right) = match values {
            (Some(left), Some(right)) => {
                let needed =
                    indent + layout::width(name) + layout::width(&left) + layout::width(&right) + 8;
                if needed <= sheet.columns {
                    let mut line = head.to_vec();
                    line.push(Cell::new(Role::Missing, format!("  {left}")));
                    line.push(Cell::new(Role::Faint, " => "));
                    line.push(Cell::new(Role::Added, right));
                    return sheet.line(&line);
                }
                (Some(left), Some(right))
            }
            values => values,
        };
        sheet.line(&head)?;
        for (side, value) in [(Side::Left, left), (Side::Right, right)] {
            if let Some(value) = value {
                sheet.marked(side.role(), indent + 4, side.mark(), &value)?;
            }
        }
        Ok(())
    }

    /// What differs, for a reader.
    fn part(&self, part: &Part) -> String {
        match part {
            Part::Header(name) => name.clone(),
            Part::Body(kind) => format!("{} {kind}", self.words.token("diff-part", "body")),
            Part::Sdp { media, aspect } => {
                let aspect = self.words.token("diff-sdp", aspect);
                match media {
                    Some((number, kind)) => format!("SDP {kind} {number}: {aspect}"),
                    None => format!("SDP: {aspect}"),
                }
            }
            part => self.words.token("diff-part", part.name()),
        }
    }

    fn finding(
        &self,
        change: &FindingChange<'_>,
        indent: usize,
        sheet: &mut Sheet<'_>,
    ) -> io::Result<()> {
        let side = if change.is_left { Side::Left } else { Side::Right };
        let finding = change.finding;
        let title = catalogue::rule(finding.rule, self.lang).entry.title;
        let severity = self.words.severity(finding.severity).to_uppercase();
        let frames = finding.frames.iter().take(3).map(|frame| self.frame(side, *frame));
        let frames: Vec<String> = frames.collect();
        let mut line = vec![
            Cell::new(side.role(), format!("{}{} ", " ".repeat(indent), side.mark())),
            Cell::new(Role::Severity(finding.severity), severity),
            Cell::new(Role::Name, format!(" {}", finding.rule.code)),
            Cell::new(Role::Plain, format!(" {title}  {}", frames.join(" "))),
        ];
        if change.count > 1 {
            line.push(Cell::new(Role::Faint, format!("  x{}", self.words.count(change.count))));
        }
        sheet.line(&line)
    }

    fn unpaired(&self, sheet: &mut Sheet<'_>) -> io::Result<()> {
        let totals = &self.diff.totals;
        let sides = [
            (Side::Left, "diff-only-first", &self.diff.left, totals.left),
            (Side::Right, "diff-only-second", &self.diff.right, totals.right),
        ];
        for (side, key, calls, all) in sides {
            if calls.is_empty() {
                continue;
            }
            sheet.section(self.words.get(key))?;
            for call in calls.iter().take(UNPAIRED_MAX) {
                let frame = self.frame(side, call.first_frame);
                sheet.line(&[
                    Cell::new(side.role(), format!("{} ", side.mark())),
                    Cell::new(Role::Name, frame),
                    Cell::new(Role::Plain, format!("  {}", self.title(call))),
                    Cell::new(Role::Plain, format!("  {}", self.outcome(call))),
                    Cell::new(Role::Faint, format!("  {}", call.call_id)),
                ])?;
            }
            self.more("and-more", all.saturating_sub(UNPAIRED_MAX as u64), sheet)?;
        }
        Ok(())
    }

    /// Rules that have more findings on one side, and what was found in the capture as a whole.
    fn findings(&self, sheet: &mut Sheet<'_>) -> io::Result<()> {
        if self.diff.rules.is_empty() && self.diff.findings.is_empty() {
            return Ok(());
        }
        sheet.section(self.words.get("findings"))?;
        for change in &self.diff.rules {
            let side = if change.left > change.right { Side::Left } else { Side::Right };
            let (left, right) = (self.words.count(change.left), self.words.count(change.right));
            let severity = self.words.severity(change.severity).to_uppercase();
            let title = catalogue::rule(change.rule, self.lang).entry.title;
            sheet.line(&[
                Cell::new(side.role(), format!("{} ", side.mark())),
                Cell::new(Role::Severity(change.severity), severity),
                Cell::new(Role::Name, format!(" {}", change.rule.code)),
                Cell::new(Role::Plain, format!(" {title}  ")),
                Cell::new(Role::Faint, format!("{left} => {right}")),
            ])?;
        }
        Ok(())
    }
}

/// How the ladder of two calls is laid out.
struct Ladder<'l> {
    view: &'l View<'l>,
    starts: (Option<Time>, Option<Time>),
    frame_columns: usize,
    time_columns: usize,
}

impl<'l> Ladder<'l> {
    fn new(view: &'l View<'l>, call: &CallDiff<'_>, columns: usize) -> Self {
        let mut ladder = Self {
            view,
            starts: (Some(call.left.start), Some(call.right.start)),
            frame_columns: 0,
            time_columns: 0,
        };
        for line in &call.lines {
            let sides = match line {
                DiffLine::Both { left, right, .. } => {
                    [Some((Side::Left, left)), Some((Side::Right, right))]
                }
                DiffLine::Left(left) => [Some((Side::Left, left)), None],
                DiffLine::Right(right) => [None, Some((Side::Right, right))],
            };
            for (side, place) in sides.into_iter().flatten() {
                let (frame, time) = ladder.margin(side, place);
                ladder.frame_columns = ladder.frame_columns.max(layout::width(&frame));
                ladder.time_columns = ladder.time_columns.max(layout::width(&time));
            }
        }
        if columns < COLUMNS_WITH_TIMES {
            ladder.time_columns = 0;
        }
        ladder
    }

    /// Frame and time of a step.
    fn margin(&self, side: Side, place: &Place<'_>) -> (String, String) {
        let start = match side {
            Side::Left => self.starts.0,
            Side::Right => self.starts.1,
        };
        let time = start.map(|start| clock::relative(place.step.time.since(start)));
        (self.view.frame(side, place.step.frame), time.unwrap_or_default())
    }

    fn cell(&self, side: Side, place: Option<&Place<'_>>) -> String {
        let (frame, time) = place.map(|place| self.margin(side, place)).unwrap_or_default();
        let frame = format!("{frame:>columns$}", columns = self.frame_columns);
        match self.time_columns {
            0 => format!("{frame}  "),
            columns => format!("{frame} {time:>columns$}  "),
        }
    }

    fn line(&self, line: &DiffLine<'_>, sheet: &mut Sheet<'_>) -> io::Result<()> {
        let (mark, role, left, right) = match line {
            DiffLine::Both { left, right, .. } if line.is_same() => {
                (" ", Role::Plain, Some(left), Some(right))
            }
            DiffLine::Both { left, right, .. } => ("~", Role::Changed, Some(left), Some(right)),
            DiffLine::Left(left) => (Side::Left.mark(), Side::Left.role(), Some(left), None),
            DiffLine::Right(right) => (Side::Right.mark(), Side::Right.role(), None, Some(right)),
        };
        let Some(shown) = left.or(right) else { return Ok(()) };
        let way = format!("{} > {}  ", letter(shown.source), letter(shown.destination));
        let sdp = if shown.has_sdp { " (SDP)" } else { "" };
        sheet.line(&[
            Cell::new(role, format!("  {mark} ")),
            Cell::new(Role::Faint, self.cell(Side::Left, left)),
            Cell::new(Role::Faint, self.cell(Side::Right, right)),
            Cell::new(role, format!("{way}{}{sdp}", shown.label)),
        ])?;
        let DiffLine::Both { changes, shift, left, right, .. } = line else { return Ok(()) };
        for change in changes {
            if change.part == Part::Status {
                let name = self.view.part(&change.part);
                let values = (Some(left.label.clone()), Some(right.label.clone()));
                self.view.values(&name, values, CHANGE_INDENT, sheet)?;
            } else {
                self.view.change(change, CHANGE_INDENT, sheet)?;
            }
        }
        if let Some(shift) = shift {
            let words = self.view.words;
            let longer = Span::from_nanos(shift.right.nanos().saturating_sub(shift.left.nanos()));
            let right = format!("{} ({})", words.duration(shift.right), signed(words, longer));
            let values = (Some(words.duration(shift.left)), Some(right));
            self.view.values(words.get("diff-wait"), values, CHANGE_INDENT, sheet)?;
        }
        Ok(())
    }
}

/// `+20 ms`, `-1.2 s`.
fn signed(words: Labels, span: Span) -> String {
    let text = words.duration(span);
    let sign = if span.nanos() > 0 && !text.starts_with("0 ") { "+" } else { "" };
    format!("{sign}{text}")
}

/// One text where both are the same.
fn both(left: &str, right: &str) -> String {
    match left == right {
        true => left.to_owned(),
        false => format!("{left} => {right}"),
    }
}
