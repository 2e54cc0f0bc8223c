//! Calls as a `.sip` script that a person can read, change and analyse again.
//!
//! A line is written as short as the language has it, and says below what the message has else.
//! It is rehearsed by the reader itself (`capture::script::rehearse`), so that nothing is left out
//! that would not be filled in; a message that cannot be said so is written out. Only branches are
//! made anew. `docs/sip-script.md` describes the language.

mod author;
mod compare;
mod hosts;
mod line;
mod media;
mod plan;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;

use crate::analysis::{Analysis, CallSummary, Step, StreamSummary};
use crate::bytes::printable_str;
use crate::capture::FrameId;
use crate::catalogue::{Labels, Lang, labels};
use crate::finding::Finding;
use crate::limits::{SCRIPT_MESSAGES_MAX, SCRIPT_PACKETS_MAX};
use crate::time::{Span, Time};

use author::Draft;
use hosts::Hosts;
use line::{Action, Line, seconds};

/// Times that the lines are gone through; after that what does not fit is written out.
const ROUNDS_MAX: usize = 6;

/// Quiet for so long needs a sign that the capture goes on: less than the shortest pause that may
/// mean that it was stopped (`signaling::Coverage`).
const QUIET_MAX: Span = Span::from_secs(500);

/// What times of scripts are counted in here.
const YEAR: Span = Span::from_secs(365 * 86_400);

/// Times of scripts go so far.
const YEARS_MAX: i64 = 10;

/// Such signs in a row; a pause that is longer stays one.
const SIGNS_MAX: usize = 1000;

/// Why no script was written.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// There is nothing to write.
    #[error("the messages of call {call_id:?} were not kept")]
    NoMessages {
        /// The call, safe to show.
        call_id: String,
    },
    /// A script has bounds.
    #[error("the calls have {messages} messages; a script has at most {SCRIPT_MESSAGES_MAX}")]
    TooLarge {
        /// How many there are.
        messages: usize,
    },
    /// A script has bounds.
    #[error("the calls are {years} years apart; a script has at most ten")]
    TooLong {
        /// How long.
        years: i64,
    },
    /// The script does not come out as it should.
    #[error("the calls cannot be written as a script")]
    NotSayable,
    /// The output could not be written.
    #[error(transparent)]
    Write(#[from] io::Error),
}

/// Writes these calls, whose messages were kept, with their RTP and the findings on them.
///
/// # Errors
///
/// When there is nothing to write or too much of it, or writing fails.
pub fn script(
    analysis: &Analysis,
    calls: &[&CallSummary],
    lang: Lang,
    out: &mut dyn io::Write,
) -> Result<(), ScriptError> {
    for call in calls {
        if call.transcript.is_empty() {
            return Err(ScriptError::NoMessages { call_id: call.call_id.clone() });
        }
    }
    let messages = calls.iter().map(|call| call.transcript.len()).sum();
    if messages > SCRIPT_MESSAGES_MAX {
        return Err(ScriptError::TooLarge { messages });
    }
    let ids: BTreeSet<&str> = calls.iter().map(|call| call.call_id.as_str()).collect();
    let is_ours = |finding: &&Finding| {
        finding.call_id.as_deref().is_some_and(|call_id| ids.contains(call_id))
    };
    let findings: Vec<&Finding> = analysis.findings.iter().filter(is_ours).collect();
    let scene = Scene::of(analysis, calls, &findings);
    let text = scene.text(analysis, calls, &findings, labels(lang))?;
    out.write_all(text.as_bytes())?;
    Ok(())
}

/// What is put into lines.
struct Scene<'a> {
    hosts: Hosts,
    lines: Vec<Line<'a>>,
    streams: Vec<&'a StreamSummary>,
    /// Streams that are left out because there are too many packets.
    left_out: usize,
    start: Time,
    /// When the frames went over the wire: their times, but in the order of the capture.
    slots: BTreeMap<FrameId, Time>,
}

/// A timed line: a message or a stream by its place, or a sign that the capture goes on.
#[derive(Clone, Copy)]
enum Item {
    Message(usize),
    Stream(usize),
    Quiet,
}

impl<'a> Scene<'a> {
    fn of(analysis: &Analysis, calls: &[&'a CallSummary], findings: &[&Finding]) -> Self {
        let hosts = Hosts::of(analysis, calls);
        let mut lines = plan::lines(calls, &hosts);
        let named: BTreeSet<FrameId> =
            findings.iter().flat_map(|finding| finding.frames.iter().copied()).collect();
        for line in &mut lines {
            line.is_labelled = named.contains(&line.step.frame);
        }
        let all = calls.iter().flat_map(|call| &call.streams);
        let streams: Vec<_> = all.filter(|stream| media::can_be_said(stream)).collect();
        let packets: u64 = streams.iter().map(|stream| media::packets(stream)).sum();
        let room = packets <= SCRIPT_PACKETS_MAX;
        let left_out = if room { 0 } else { streams.len() };
        let streams = if room { streams } else { Vec::new() };
        let times = lines.iter().map(|line| line.step.time);
        let first = times.chain(streams.iter().map(|stream| stream.first.time)).min();
        let slots = slots(analysis, &lines);
        Self { hosts, lines, streams, left_out, start: first.unwrap_or_default(), slots }
    }

    /// The whole script.
    fn text(
        mut self,
        analysis: &Analysis,
        calls: &[&CallSummary],
        findings: &[&Finding],
        words: Labels,
    ) -> Result<String, ScriptError> {
        let last = self.lines.iter().map(|line| line.step.time).max().unwrap_or_default();
        let years = last.since(self.start).nanos() / YEAR.nanos();
        if years >= YEARS_MAX {
            return Err(ScriptError::TooLong { years });
        }
        for _ in 0..ROUNDS_MAX {
            self.settle()?;
            let text = self.written(analysis, calls, findings, words);
            if self.is_right(&text)? {
                return Ok(text);
            }
        }
        Err(ScriptError::NotSayable)
    }

    /// Plays the script; a message that comes out otherwise is to be written out.
    fn is_right(&mut self, text: &str) -> Result<bool, ScriptError> {
        let played = crate::capture::script::messages(text);
        let mut played = played.map_err(|_| ScriptError::NotSayable)?.into_iter();
        let mut is_right = true;
        for line in &mut self.lines {
            if matches!(line.action, Action::Again { .. }) {
                continue;
            }
            if played.next().as_deref() != Some(line.sent.as_slice()) {
                line.action = Action::Raw;
                is_right = false;
            }
        }
        Ok(is_right)
    }

    fn written(
        &self,
        analysis: &Analysis,
        calls: &[&CallSummary],
        findings: &[&Finding],
        words: Labels,
    ) -> String {
        let mut text = String::new();
        for call in calls {
            let _ = writeln!(text, "# {}", title(call, words));
        }
        if self.left_out > 0 {
            let count = words.count(self.left_out as u64);
            let _ =
                writeln!(text, "# {}", words.fill("extract-script-no-rtp", &[("count", &count)]));
        }
        if self.lines.iter().any(Line::is_other_transport) {
            let _ = writeln!(text, "# {}", words.get("extract-script-tcp"));
        }
        let _ = writeln!(text, "start {}", self.start);
        text.push_str(&self.hosts.text());
        self.write_items(&self.items(analysis), &mut text);
        self.write_expectations(findings, words, &mut text);
        text
    }

    /// Finds for each line the shortest form that says the message.
    fn settle(&mut self) -> Result<(), ScriptError> {
        for round in 0..=ROUNDS_MAX {
            let is_last = round == ROUNDS_MAX;
            if is_last {
                self.lines.iter_mut().for_each(|line| line.action = Action::Raw);
            }
            let mut text = self.hosts.text();
            let items: Vec<_> = (0..self.lines.len()).map(|at| (at, Span::ZERO)).collect();
            let mut place = Place::default();
            for (at, _) in items {
                let Some(line) = self.lines.get(at) else { continue };
                place.enter(line, &self.hosts, &mut text);
                let _ = writeln!(text, "0 {}", line.head(&self.hosts));
            }
            let mut draft = Draft::new(&mut self.lines, &self.hosts);
            let rehearsed = crate::capture::script::rehearse(&text, &mut draft);
            let is_settled = !draft.is_revised();
            match rehearsed {
                Ok(()) if is_settled => return Ok(()),
                Ok(()) => {}
                Err(_) if is_last => return Err(ScriptError::NotSayable),
                // A line that cannot be read is written out instead of it.
                Err(_) => self.lines.iter_mut().for_each(|line| line.action = Action::Raw),
            }
        }
        Err(ScriptError::NotSayable)
    }

    /// Everything that has a time: what it is, when it goes over the wire, and what the clock of
    /// the capture says then.
    fn items(&self, analysis: &Analysis) -> Vec<(Item, Time, Time)> {
        let messages = self.lines.iter().zip(0..).map(|(line, at)| {
            let Step { time, frame, .. } = *line.step;
            (Item::Message(at), self.slots.get(&frame).copied().unwrap_or(time), time, frame)
        });
        let streams = self.streams.iter().zip(0..).map(|(stream, at)| {
            let time = stream.first.time;
            (Item::Stream(at), time, time, stream.first.frame)
        });
        let mut all: Vec<_> = messages.collect();
        // Lines stand in the order in which messages make sense of each other.
        let place = |time: Time, all: &[(Item, Time, Time, FrameId)]| {
            all.iter().position(|(_, _, other, _)| *other > time).unwrap_or(all.len())
        };
        for stream in streams {
            let at = place(stream.2, &all);
            all.insert(at, stream);
        }
        let mut items: Vec<(Item, Time, Time)> = Vec::with_capacity(all.len());
        let mut now = self.start;
        for (item, slot, time, _) in all {
            quiet(&mut now, slot, &mut items);
            items.push((item, slot, time));
        }
        let shown = self.streams.iter().map(|stream| stream.last.time).max();
        let shown = shown.map_or(now, |end| end.max(now));
        let end = analysis.captures.iter().filter_map(|capture| capture.last_time).max();
        // A frame with a time that is wrong by decades says nothing of the end.
        let is_end = |end: &Time| *end > shown && end.since(shown).nanos() < YEAR.nanos();
        if let Some(end) = end.filter(is_end) {
            quiet(&mut now, end, &mut items);
            items.push((Item::Quiet, end, end));
        }
        items
    }

    fn write_items(&self, items: &[(Item, Time, Time)], text: &mut String) {
        let mut place = Place::default();
        let mut now = Span::ZERO;
        for (item, slot, time) in items {
            let at = slot.since(self.start);
            let moment = line::moment(now, at);
            match *item {
                Item::Quiet => {
                    let _ = writeln!(text, "end {}", seconds(at));
                }
                Item::Stream(stream) => {
                    let Some(stream) = self.streams.get(stream) else { continue };
                    let _ = writeln!(text, "{moment:<6} {}", media::line(stream, &self.hosts));
                }
                Item::Message(message) => {
                    let Some(line) = self.lines.get(message) else { continue };
                    place.enter(line, &self.hosts, text);
                    let shift = Some(time.since(*slot)).filter(|shift| *shift != Span::ZERO);
                    line.write(&moment, shift, &self.hosts, text);
                }
            }
            now = at;
        }
    }

    fn write_expectations(&self, findings: &[&Finding], words: Labels, text: &mut String) {
        let labelled = self.lines.iter().filter(|line| line.is_labelled);
        let labels: BTreeMap<FrameId, String> =
            labelled.map(|line| (line.step.frame, line.label())).collect();
        let mut others = Vec::new();
        for finding in findings {
            let line = format!(
                "{} {} {}",
                finding.rule.name,
                finding.severity.name(),
                finding.confidence.name()
            );
            let frames: Option<Vec<&str>> =
                finding.frames.iter().map(|frame| labels.get(frame).map(String::as_str)).collect();
            let _ = match frames {
                Some(frames) if frames.is_empty() => writeln!(text, "^ {line}"),
                Some(frames) => writeln!(text, "^ {line} frames={}", frames.join(",")),
                None => {
                    others.push(line);
                    Ok(())
                }
            };
        }
        if !others.is_empty() {
            let _ = writeln!(text, "# {}", words.get("extract-script-beyond"));
        }
        for line in others {
            let _ = writeln!(text, "# ^ {line}");
        }
    }
}

/// Shows that the capture goes on while nothing of the calls is sent.
fn quiet(now: &mut Time, until: Time, items: &mut Vec<(Item, Time, Time)>) {
    for _ in 0..SIGNS_MAX {
        if until.since(*now) <= QUIET_MAX {
            break;
        }
        *now = *now + QUIET_MAX;
        items.push((Item::Quiet, *now, *now));
    }
    *now = until.max(*now);
}

/// The call that the lines belong to.
#[derive(Default)]
struct Place {
    call: Option<usize>,
    known: BTreeSet<usize>,
}

impl Place {
    /// Changes to the call of a line.
    fn enter(&mut self, line: &Line<'_>, hosts: &Hosts, text: &mut String) {
        if self.call != Some(line.call) {
            let is_first = self.known.insert(line.call);
            let _ = writeln!(text, "{}", hosts.call_line(line.call, is_first));
            self.call = Some(line.call);
        }
    }
}

/// The times of the messages, none of them before that of an earlier frame. Frames of several
/// captures have the order of their times.
fn slots(analysis: &Analysis, lines: &[Line<'_>]) -> BTreeMap<FrameId, Time> {
    let times = lines.iter().map(|line| (line.step.frame, line.step.time));
    let mut slots: BTreeMap<FrameId, Time> = times.collect();
    if analysis.captures.len() <= 1 {
        let mut latest = None;
        for slot in slots.values_mut() {
            *slot = latest.map_or(*slot, |latest: Time| latest.max(*slot));
            latest = Some(*slot);
        }
    }
    slots
}

fn title(call: &CallSummary, words: Labels) -> String {
    let uri = |uri: &Option<String>| {
        printable_str(uri.as_deref().unwrap_or("?")).replace(['\n', '\r'], " ")
    };
    let status = call.final_status.map(|status| status.code().to_string());
    words.fill(
        "extract-script-title",
        &[
            ("kind", &words.kind(call.kind.name())),
            ("from", &uri(&call.from_uri)),
            ("to", &uri(&call.to_uri)),
            ("state", &words.state(call.fate())),
            ("status", status.as_deref().unwrap_or("-")),
        ],
    )
}
