//! The figures as text: key figures, times, what became of the calls, their course, and tables.
//!
//! Bars and courses show what the numbers beside them say; nothing is told by a drawing alone.

use std::io::{self, Write};

use crate::analysis::Timeline;
use crate::report::document::Cell;
use crate::report::layout;
use crate::report::sparkline::{Brush, cells};
use crate::report::stats::{By, Figure, Figures, Grid, Head, StatsOptions, distribution};
use crate::report::stats::{delays, ratios};
use crate::report::style::Role;
use crate::report::text::capture;
use crate::report::text::clock::Clock;
use crate::report::text::scene::Scene;
use crate::report::text::sheet::Sheet;
use crate::time::{Span, Time};

/// Rows of a table among others; the whole table is asked for by itself.
const ROWS_MAX: usize = 10;

/// Columns of the widest bar, and of the widest course.
const BAR_MAX: usize = 24;
const COURSE_MAX: usize = 72;

/// Columns of a bar that is worth drawing.
const BAR_MIN: usize = 6;

/// Columns that the first column of a table has at most.
const NAME_MAX: usize = 40;

const GAP: usize = 2;

/// Columns of a key figure, with the blanks before it.
const NUMBER: usize = 9;

/// Bounds of set-up times, in seconds.
const SET_UP: [f64; 8] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0];

/// Bounds of packet loss, in percent; the first one parts streams without any.
const LOSS: [f64; 6] = [f64::MIN_POSITIVE, 0.5, 1.0, 3.0, 5.0, 10.0];

/// Bounds of jitter, in milliseconds.
const JITTER: [f64; 5] = [5.0, 10.0, 20.0, 30.0, 50.0];

/// Bounds of scores, between what satisfies fewer and fewer users (ITU-T G.107, Annex B).
const MOS: [f64; 5] = [2.58, 3.10, 3.60, 4.03, 4.34];

/// What the parts share.
struct View<'v, 'o> {
    scene: Scene<'v>,
    figures: &'v Figures<'v>,
    brush: Brush,
    sheet: Sheet<'o>,
}

/// Writes everything, or one table.
pub(in crate::report) fn write(
    figures: &Figures<'_>,
    options: &StatsOptions,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut view = View {
        scene: Scene::new(figures.analysis, &options.text),
        figures,
        brush: options.brush,
        sheet: Sheet::new(options.text.page, out),
    };
    if let Some(by) = options.by {
        view.remark()?;
        return view.table(by, usize::MAX);
    }
    view.head()?;
    view.key_figures()?;
    view.delays()?;
    view.fates()?;
    view.course()?;
    for (by, title) in [
        (By::Status, "responses"),
        (By::Method, "methods"),
        (By::Transport, "transports"),
        (By::Peer, "peers"),
    ] {
        let grid = Grid::of(figures, by, view.scene.words);
        if !grid.rows.is_empty() {
            view.sheet.section(view.scene.words.get(title))?;
            view.draw(&grid, ROWS_MAX)?;
        }
    }
    view.set_up_times()?;
    view.quality()
}

impl View<'_, '_> {
    /// Which captures and calls the figures are of.
    fn head(&mut self) -> io::Result<()> {
        let facts = capture::facts(&self.scene);
        self.sheet.facts(0, &facts)?;
        self.remark()
    }

    /// That they are of chosen calls alone, and how those are counted.
    fn remark(&mut self) -> io::Result<()> {
        let Some(filter) = &self.figures.filter else { return Ok(()) };
        let words = self.scene.words;
        let count = words.count(self.figures.calls.len() as u64);
        let all = words.count(self.figures.analysis.totals.call_ids);
        let values = [("count", count.as_str()), ("all", all.as_str()), ("filter", filter)];
        let line = words.fill("calls-of-filter", &values);
        self.sheet.text(Role::Heading, 0, &line)?;
        self.sheet.text(Role::Faint, 0, words.get("calls-by-transactions"))
    }

    fn key_figures(&mut self) -> io::Result<()> {
        let words = self.scene.words;
        let kpi = &self.figures.statistics.kpi;
        self.sheet.section(words.get("kpi"))?;
        let counts = [("kpi-attempts", kpi.attempts), ("kpi-established", kpi.established)];
        let ratios = ratios(kpi).map(|(key, _, own)| (key, own));
        let again = ("retransmissions", self.figures.retransmission_percent());
        let names = counts.iter().map(|own| own.0).chain(ratios.iter().map(|own| own.0));
        let names = names.chain([again.0]).map(|key| layout::width(words.get(key)));
        let widest = names.max().unwrap_or_default();
        let room = self.sheet.columns.saturating_sub(widest + 12).min(BAR_MAX);
        let line = |key: &str, number: String| {
            let missing = " ".repeat(NUMBER.saturating_sub(layout::width(&number)));
            Cell::new(
                Role::Plain,
                format!("{}{missing}{number}", layout::pad(words.get(key), widest)),
            )
        };
        for (key, count) in counts {
            self.sheet.line(&[line(key, words.count(count))])?;
        }
        for (key, own) in ratios.into_iter().chain([again]) {
            let Some(own) = own else { continue };
            let share = (own * 10.0).round() as u64;
            let bar =
                if room < BAR_MIN { String::new() } else { self.brush.bar(share, 1000, room) };
            let text = line(key, format!("{} %", words.decimal(own, 1)));
            let gap = Cell::new(Role::Plain, "  ");
            self.sheet.line(&[text, gap, Cell::new(Role::Name, bar)])?;
        }
        Ok(())
    }

    fn delays(&mut self) -> io::Result<()> {
        let kpi = &self.figures.statistics.kpi;
        let words = self.scene.words;
        let rows: Vec<Vec<Figure>> = delays(kpi)
            .into_iter()
            .filter(|(_, _, own)| own.count() > 0)
            .map(|(key, _, own)| {
                let mut row = vec![
                    Figure::Text(words.get(key).to_owned()),
                    Figure::Count(own.count()),
                    Figure::Span(own.mean()),
                ];
                row.extend([50, 95, 99].map(|percent| Figure::Span(own.percentile(percent))));
                row.push(Figure::Span(own.longest()));
                row
            })
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        let labels = ["", "count", "calls-mean", "calls-median", "calls-p95", "calls-p99"];
        let labels = labels.into_iter().chain(["calls-longest"]);
        let heads = labels.map(|label| Head { field: "", label }).collect();
        self.sheet.blank()?;
        self.draw(&Grid { heads, rows }, usize::MAX)
    }

    /// What became of the calls.
    fn fates(&mut self) -> io::Result<()> {
        let words = self.scene.words;
        let mut fates: Vec<(String, u64)> = self
            .figures
            .statistics
            .fates
            .iter()
            .map(|(fate, count)| (words.state(fate), *count))
            .collect();
        fates.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        self.bars("calls", &fates)
    }

    /// Counts with bars below a title; nothing where all are none.
    fn bars(&mut self, title: &str, counts: &[(String, u64)]) -> io::Result<()> {
        if counts.iter().all(|(_, count)| *count == 0) {
            return Ok(());
        }
        self.sheet.section(self.scene.words.get(title))?;
        self.bar_lines(counts)
    }

    fn bar_lines(&mut self, counts: &[(String, u64)]) -> io::Result<()> {
        let words = self.scene.words;
        let all: u64 = counts.iter().map(|(_, count)| count).sum();
        let most = counts.iter().map(|(_, count)| *count).max().unwrap_or_default();
        let names = counts.iter().map(|(name, _)| layout::width(name)).max().unwrap_or_default();
        let numbers = layout::width(&words.count(most));
        let room = self.sheet.columns.saturating_sub(names + numbers + 14).min(BAR_MAX);
        for (name, count) in counts {
            let share = if all > 0 { *count as f64 * 100.0 / all as f64 } else { 0.0 };
            let percent = format!("{} %", words.decimal(share, 1));
            let number = words.count(*count);
            let line = format!(
                "{}{}  {}{number}  {}{percent}  ",
                name,
                " ".repeat(names - layout::width(name)),
                " ".repeat(numbers.saturating_sub(layout::width(&number))),
                " ".repeat(7_usize.saturating_sub(layout::width(&percent))),
            );
            let bar =
                if room < BAR_MIN { String::new() } else { self.brush.bar(*count, most, room) };
            self.sheet.line(&[Cell::new(Role::Plain, line), Cell::new(Role::Name, bar)])?;
        }
        Ok(())
    }

    /// The course of the calls over time.
    fn course(&mut self) -> io::Result<()> {
        let words = self.scene.words;
        let timeline = &self.figures.statistics.timeline;
        let names = ["calls-attempts", "answered", "calls-failed", "calls-up", "statuses"];
        let widest =
            names.iter().map(|key| layout::width(words.get(key))).max().unwrap_or_default();
        let room = self.sheet.columns.saturating_sub(widest + GAP + 16).min(COURSE_MAX);
        let Some(course) = Course::of(timeline, room.max(8)) else { return Ok(()) };
        self.sheet.section(words.get("calls-course"))?;
        let has_calls = self.figures.statistics.kpi.attempts > 0;
        for (key, numbers) in names.into_iter().zip(&course.rows) {
            let most = numbers.iter().copied().max().unwrap_or_default();
            if most == 0 && !has_calls {
                continue;
            }
            let most = words.fill("calls-at-most", &[("count", &words.count(most))]);
            let name = layout::pad(words.get(key), widest + GAP);
            let line = [
                Cell::new(Role::Plain, name),
                Cell::new(Role::Name, self.brush.course(numbers)),
                Cell::new(Role::Plain, format!("  {most}")),
            ];
            self.sheet.line(&line)?;
        }
        let values = [
            ("first", Clock::full(course.start)),
            ("last", self.scene.clock.time(course.end)),
            ("width", words.duration(course.width)),
        ];
        let values: Vec<(&str, &str)> = values.iter().map(|(k, v)| (*k, v.as_str())).collect();
        self.sheet.text(Role::Faint, 0, &words.fill("calls-course-of", &values))
    }

    fn set_up_times(&mut self) -> io::Result<()> {
        let calls = self.figures.calls.iter();
        let times = calls.filter_map(|call| call.pdd).map(Span::secs);
        let counts = distribution(times, &SET_UP);
        let names = self.ranges(&SET_UP, "s");
        self.bars("calls-set-up-times", &trimmed(names, &counts))
    }

    /// Loss, jitter and scores of the RTP streams.
    fn quality(&mut self) -> io::Result<()> {
        let streams: Vec<_> = self.figures.streams().collect();
        if streams.is_empty() {
            return Ok(());
        }
        let words = self.scene.words;
        self.sheet.section(words.get("rtp-streams"))?;
        let mut loss_names = self.ranges(&LOSS, "%");
        if let [first, second, ..] = loss_names.as_mut_slice() {
            *first = "0 %".to_owned();
            *second = format!("< {} %", words.decimal(0.5, 1));
        }
        let loss = distribution(streams.iter().map(|own| own.lost_percent), &LOSS);
        let jitters = streams.iter().filter_map(|own| own.jitter).map(Span::millis);
        let jitter = distribution(jitters, &JITTER);
        let scores = streams.iter().filter_map(|own| own.estimate).map(|own| own.mos);
        let mos = distribution(scores, &MOS);
        let parts = [
            ("calls-loss", trimmed(loss_names, &loss)),
            ("calls-jitter", trimmed(self.ranges(&JITTER, "ms"), &jitter)),
            ("calls-mos-estimated", trimmed(self.ranges(&MOS, ""), &mos)),
        ];
        let told = parts.iter().filter(|(_, counts)| counts.iter().any(|(_, count)| *count > 0));
        for (at, (key, counts)) in told.enumerate() {
            if at > 0 {
                self.sheet.blank()?;
            }
            self.sheet.heading(0, words.get(key))?;
            self.bar_lines(counts)?;
        }
        Ok(())
    }

    /// `< 0.1 s`, `0.1 - 0.2 s`, `>= 20 s`.
    fn ranges(&self, bounds: &[f64], unit: &str) -> Vec<String> {
        let words = self.scene.words;
        let number = |bound: &f64| words.decimal(*bound, 2);
        let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
        let mut names: Vec<String> =
            bounds.iter().take(1).map(|first| format!("< {}{unit}", number(first))).collect();
        names.extend(bounds.windows(2).filter_map(|pair| match pair {
            [low, high] => Some(format!("{} - {}{unit}", number(low), number(high))),
            _ => None,
        }));
        names.extend(bounds.last().map(|last| format!(">= {}{unit}", number(last))));
        names
    }

    fn table(&mut self, by: By, rows: usize) -> io::Result<()> {
        let grid = Grid::of(self.figures, by, self.scene.words);
        self.draw(&grid, rows)
    }

    /// Draws a table; a column of counts gets bars if there is room.
    fn draw(&mut self, grid: &Grid, rows_max: usize) -> io::Result<()> {
        let shown = grid.rows.get(..rows_max).unwrap_or(&grid.rows);
        let mut columns: Vec<Vec<Cell>> = Vec::new();
        for (at, head) in grid.heads.iter().enumerate() {
            let cells = shown.iter().map(|row| self.cell(row.get(at)));
            let head = match head.label {
                "" => String::new(),
                label => self.scene.words.get(label).to_owned(),
            };
            columns.push([Cell::new(Role::Heading, head)].into_iter().chain(cells).collect());
        }
        let is_text = |at: usize| {
            let first = shown.first().and_then(|row| row.get(at));
            matches!(first, Some(Figure::Text(_) | Figure::Code(_) | Figure::Time(_)))
        };
        let mut drawn: Vec<(Vec<Cell>, bool)> = columns
            .into_iter()
            .enumerate()
            .map(|(at, cells)| (cells, is_text(at)))
            .filter(|(cells, _)| cells.iter().skip(1).any(|cell| !cell.text.is_empty()))
            .collect();
        let width = |drawn: &[(Vec<Cell>, bool)]| {
            drawn.iter().map(|(cells, _)| width_of(cells) + GAP).sum::<usize>().saturating_sub(GAP)
        };
        // What matters less stands behind; a table for a machine has it all.
        while width(&drawn) > self.sheet.columns && drawn.len() > 2 {
            drawn.pop();
        }
        let bars = self.bars_of(grid, shown, &drawn);
        if let Some(bars) = bars {
            drawn.push((bars, true));
        }
        for row in 0..=shown.len() {
            self.row(&drawn, row)?;
        }
        match grid.rows.len().checked_sub(shown.len()).filter(|more| *more > 0) {
            Some(more) => {
                let count = self.scene.words.count(more as u64);
                let text = self.scene.words.fill("and-more", &[("count", &count)]);
                self.sheet.text(Role::Faint, 0, &text)
            }
            None => Ok(()),
        }
    }

    /// Bars for the first counts of a table of counts and shares, or of attempts.
    fn bars_of(
        &self,
        grid: &Grid,
        shown: &[Vec<Figure>],
        drawn: &[(Vec<Cell>, bool)],
    ) -> Option<Vec<Cell>> {
        let fields = ["share_percent", "refusals"];
        let last = grid.heads.last().filter(|head| fields.contains(&head.field))?;
        let is_count =
            |head: &&Head| matches!(head.field, "attempts" | "responses" | "requests" | "messages");
        let head = grid.heads.iter().find(is_count)?;
        let at = grid.heads.iter().position(|own| own.field == head.field)?;
        let taken: usize = drawn.iter().map(|(cells, _)| width_of(cells) + GAP).sum();
        let room = self.sheet.columns.saturating_sub(taken).min(BAR_MAX);
        if room < BAR_MIN || last.field.is_empty() {
            return None;
        }
        let count = |row: &Vec<Figure>| match row.get(at) {
            Some(Figure::Count(count)) => *count,
            _ => 0,
        };
        let most = shown.iter().map(count).max().unwrap_or_default();
        let bars = shown.iter().map(|row| self.brush.bar(count(row), most, room));
        let bars = bars.map(|bar| Cell::new(Role::Name, bar));
        Some([Cell::new(Role::Heading, "")].into_iter().chain(bars).collect())
    }

    fn row(&mut self, columns: &[(Vec<Cell>, bool)], row: usize) -> io::Result<()> {
        let mut pieces = Vec::new();
        for (at, (cells, is_text)) in columns.iter().enumerate() {
            let Some(cell) = cells.get(row) else { continue };
            let most = if *is_text { width_of(cells).min(NAME_MAX) } else { width_of(cells) };
            let text = layout::cut(&cell.text, most);
            let missing = " ".repeat(most.saturating_sub(layout::width(&text)));
            let gap = if at + 1 < columns.len() { " ".repeat(GAP) } else { String::new() };
            let text = match is_text {
                true => format!("{text}{missing}{gap}"),
                false => format!("{missing}{text}{gap}"),
            };
            pieces.push(Cell::new(cell.role, text));
        }
        self.sheet.line(&pieces)
    }

    fn cell(&self, figure: Option<&Figure>) -> Cell {
        let words = self.scene.words;
        let text = match figure {
            Some(Figure::Text(text)) => text.clone(),
            Some(Figure::Code(code)) => code.to_string(),
            Some(Figure::Count(count)) => words.count(*count),
            Some(Figure::Percent(Some(percent))) => format!("{} %", words.decimal(*percent, 1)),
            Some(Figure::Span(Some(span))) => words.duration(*span),
            Some(Figure::Time(time)) => self.scene.clock.time(*time),
            Some(Figure::Percent(None) | Figure::Span(None)) | None => String::new(),
        };
        Cell::new(Role::Plain, text)
    }
}

fn width_of(cells: &[Cell]) -> usize {
    cells.iter().map(|cell| layout::width(&cell.text)).max().unwrap_or_default()
}

/// Names with their counts, without those before the first and behind the last that is not nothing.
fn trimmed(names: Vec<String>, counts: &[u64]) -> Vec<(String, u64)> {
    let mut all: Vec<(String, u64)> = names.into_iter().zip(counts.iter().copied()).collect();
    while all.pop_if(|(_, count)| *count == 0).is_some() {}
    let start = all.iter().position(|(_, count)| *count > 0).unwrap_or_default();
    all.split_off(start)
}

/// Numbers by time, in cells of the same width.
struct Course {
    start: Time,
    end: Time,
    /// How long a cell is.
    width: Span,
    /// Attempts, answered, failed, up, final responses.
    rows: [Vec<u64>; 5],
}

impl Course {
    /// None where nothing happened.
    fn of(timeline: &Timeline, columns: usize) -> Option<Self> {
        let width = timeline.width();
        let start = timeline.intervals().map(|(start, ..)| start).next()?;
        let last = timeline.intervals().map(|(start, ..)| start).last()?;
        let place = |time: Time| {
            usize::try_from(time.since(start).nanos() / width.nanos().max(1)).unwrap_or_default()
        };
        let (each, count) = cells(place(last).saturating_add(1), columns);
        let mut rows = [const { Vec::new() }; 5];
        rows.iter_mut().for_each(|row| row.resize(count, 0));
        let [attempts, answered, failed, up, responses] = &mut rows;
        let (mut still_up, mut filled) = (0, 0);
        for (time, interval, concurrent) in timeline.intervals() {
            let cell = place(time) / each;
            // Calls are up between the intervals in which something happens, too.
            for own in up.iter_mut().take(cell + 1).skip(filled) {
                *own = (*own).max(still_up);
            }
            for (row, number) in [
                (&mut *attempts, interval.attempts),
                (&mut *answered, interval.answered),
                (&mut *failed, interval.failed),
                (&mut *responses, interval.statuses.values().sum()),
            ] {
                if let Some(own) = row.get_mut(cell) {
                    *own += number;
                }
            }
            if let Some(own) = up.get_mut(cell) {
                *own = (*own).max(concurrent);
            }
            still_up = concurrent.saturating_sub(interval.ended);
            filled = cell + 1;
        }
        let width = width.times(i64::try_from(each).unwrap_or(i64::MAX));
        Some(Self { start, end: last + timeline.width(), width, rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::Statistics;

    #[test]
    fn a_course_without_calls_is_none() {
        assert!(Course::of(&Statistics::default().timeline, 40).is_none());
    }

    #[test]
    fn ends_without_anything_are_left_out() {
        let names = || ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        let kept = trimmed(names(), &[0, 1, 0, 0]);
        assert_eq!(kept, [("b".to_owned(), 1)]);
        assert_eq!(trimmed(names(), &[0, 1, 0, 2]).len(), 3);
        assert!(trimmed(names(), &[0; 4]).is_empty());
    }
}
