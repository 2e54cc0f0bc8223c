//! Verdicts on expectations: as JSON, as cases of a test report, and the words that all have in
//! common.

use schemars::JsonSchema;
use serde::Serialize;

use crate::analysis::Analysis;
use crate::analysis::expect::{About, Doubt, Mark, Problem, Row, Seen, Subject, Verdict};
use crate::bytes::printable_str;
use crate::capture::FrameId;
use crate::catalogue::{Labels, Lang, labels};
use crate::report::layout;
use crate::report::outcome::Missed;
use crate::time::Time;

/// Problems told of one expectation; more are counted.
const PROBLEMS_TOLD_MAX: usize = 50;

/// The words of verdicts in one language.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words {
    pub(crate) labels: Labels,
    /// Frames are named with their capture.
    has_captures: bool,
}

impl Words {
    /// The words for verdicts on that analysis.
    pub(crate) fn of(analysis: &Analysis, lang: Lang) -> Self {
        Self { labels: labels(lang), has_captures: analysis.captures.len() > 1 }
    }

    /// `#12`; with several captures `2#12` is a frame of the second one.
    pub(crate) fn frame(self, frame: FrameId) -> String {
        match self.has_captures {
            false => format!("#{}", frame.number),
            true => format!("{}#{}", u32::from(frame.capture) + 1, frame.number),
        }
    }

    /// Frames with their captures, where there are several.
    fn pairs(self, frames: &[FrameId]) -> Option<Vec<FrameJson>> {
        let pair = |frame: &FrameId| FrameJson { capture: frame.capture, frame: frame.number };
        self.has_captures.then(|| frames.iter().map(pair).collect())
    }

    /// What the verdict is called: its name, or its place in the file.
    pub(crate) fn name(self, verdict: &Verdict) -> String {
        match (&verdict.name, &verdict.subject) {
            (Some(name), _) => name.clone(),
            (None, Subject::Capture) => self.labels.get("expect-findings").to_owned(),
            (None, Subject::OtherCalls) => self.labels.get("expect-strict").to_owned(),
            (None, Subject::Call { .. } | Subject::NoCall) => {
                let line = verdict.line.to_string();
                self.labels.fill("expect-call", &[("line", &line)])
            }
        }
    }

    /// `final status: expected 200, seen 488`.
    pub(crate) fn problem(self, problem: &Problem) -> String {
        let about = self.about(&problem.about);
        let key = match problem.about {
            About::Findings("forbid") | About::UnexpectedCall | About::UnexpectedStep => {
                "expect-too-much"
            }
            _ => "expect-problem",
        };
        let expected = match problem.expected.is_empty() {
            true => self.labels.get("expect-nothing"),
            false => &problem.expected,
        };
        let seen = self.seen(&problem.seen);
        let mut told =
            self.labels.fill(key, &[("about", &about), ("expected", expected), ("seen", &seen)]);
        if !problem.frames.is_empty() {
            let frames: Vec<_> = problem.frames.iter().map(|frame| self.frame(*frame)).collect();
            told.push_str(&format!(" ({})", frames.join(" ")));
        }
        told
    }

    fn about(self, about: &About) -> String {
        let key = format!("expect-about-{}", about.name());
        match about.detail() {
            Some(detail) => self.labels.fill(&key, &[("name", detail)]),
            None => self.labels.get(&key).to_owned(),
        }
    }

    fn seen(self, seen: &Seen) -> String {
        match seen {
            Seen::Nothing => self.labels.get("expect-nothing").to_owned(),
            Seen::Text(text) => text.clone(),
            Seen::Span(span) => self.labels.duration(*span),
            Seen::Percent(share) => format!("{} %", self.labels.decimal(*share, 1)),
            Seen::Count(count) => self.labels.count(*count),
            Seen::More(count) => {
                self.labels.fill("and-more", &[("count", &self.labels.count(*count))])
            }
        }
    }

    /// Why the capture may not show what happened.
    pub(crate) fn doubt(self, doubt: &Doubt) -> String {
        let key = format!("expect-doubt-{}", doubt.name());
        match doubt {
            Doubt::EndsSoon { after } => {
                self.labels.fill(&key, &[("time", &self.labels.duration(*after))])
            }
            Doubt::Lost { packets } => {
                self.labels.fill(&key, &[("count", &self.labels.count(*packets))])
            }
            Doubt::Rule(name) => self.labels.fill(&key, &[("rule", name)]),
            Doubt::Damaged
            | Doubt::TranscriptDropped
            | Doubt::TooMany
            | Doubt::MessageCut
            | Doubt::NoRtpAtAll => self.labels.get(&key).to_owned(),
        }
    }

    /// Each reason for doubt once, in the order of the problems.
    pub(crate) fn doubts(self, verdict: &Verdict) -> Vec<String> {
        let mut told: Vec<String> = Vec::new();
        for doubt in verdict.problems.iter().flat_map(|problem| &problem.doubts) {
            let reason = self.doubt(doubt);
            let line = self.labels.fill("expect-doubt", &[("reason", &reason)]);
            if !told.contains(&line) {
                told.push(line);
            }
        }
        told
    }

    /// The problems that the ladder does not show, with the lines of the file, up to a bound.
    pub(crate) fn problems(self, verdict: &Verdict) -> Vec<String> {
        let is_drawn = |problem: &&Problem| {
            let is_step = matches!(problem.about, About::MissingStep | About::UnexpectedStep);
            !is_step || verdict.ladder.is_empty()
        };
        let all: Vec<_> = verdict.problems.iter().filter(is_drawn).collect();
        let mut told: Vec<String> = Vec::new();
        for problem in all.iter().take(PROBLEMS_TOLD_MAX) {
            let line = problem.line.to_string();
            let line = self.labels.fill("expect-line", &[("line", &line)]);
            told.push(self.labels.pair(&line, &self.problem(problem)));
        }
        let weight = |problem: &&Problem| match problem.seen {
            Seen::More(count) => count,
            Seen::Nothing | Seen::Text(_) | Seen::Span(_) | Seen::Percent(_) | Seen::Count(_) => 1,
        };
        let more: u64 = all.iter().skip(PROBLEMS_TOLD_MAX).map(weight).sum();
        if more > 0 {
            let count = self.labels.count(more);
            told.push(self.labels.fill("and-more", &[("count", &count)]));
        }
        told
    }

    /// The cells of each line of the ladder.
    pub(crate) fn ladder(self, rows: &[Row]) -> Vec<LadderText> {
        let start = rows.iter().filter_map(|row| row.time).min();
        let texts = rows.iter().map(|row| LadderText {
            mark: row.mark,
            frame: row.frame.map(|frame| self.frame(frame)).unwrap_or_default(),
            time: row
                .time
                .zip(start)
                .map(|(time, start)| relative(time, start))
                .unwrap_or_default(),
            from: row.from.clone(),
            to: row.to.clone(),
            what: row.what.clone(),
            note: match (row.mark, row.line) {
                (Mark::Missing, Some(line)) => {
                    self.labels.fill("expect-line", &[("line", &line.to_string())])
                }
                _ => String::new(),
            },
        });
        let mut texts: Vec<LadderText> = texts.collect();
        let widest = |cell: fn(&LadderText) -> &String| {
            texts.iter().map(|text| layout::width(cell(text))).max().unwrap_or_default()
        };
        let (frame, time) = (widest(|text| &text.frame), widest(|text| &text.time));
        let (from, to) = (widest(|text| &text.from), widest(|text| &text.to));
        for text in &mut texts {
            let left = |text: &str, columns: usize| {
                format!("{}{text}", " ".repeat(columns.saturating_sub(layout::width(text))))
            };
            text.frame = left(&text.frame, frame);
            text.time = left(&text.time, time);
            text.from = layout::pad(&text.from, from);
            text.to = layout::pad(&text.to, to);
        }
        texts
    }
}

/// A line of a ladder in texts of equal width.
#[derive(Clone, Debug)]
pub(crate) struct LadderText {
    pub(crate) mark: Mark,
    frame: String,
    time: String,
    from: String,
    to: String,
    what: String,
    note: String,
}

impl LadderText {
    /// `- alice > bob  ACK  line 7`, with frame and time before it.
    pub(crate) fn line(&self) -> String {
        let Self { frame, time, from, to, what, note, .. } = self;
        let sign = self.mark.sign();
        let line = format!("{sign} {frame}  {time}  {from} > {to}  {what}");
        match note.is_empty() {
            true => line.trim_end().to_owned(),
            false => format!("{line}  ({note})"),
        }
    }
}

/// `+0.704`: seconds from the first message.
fn relative(time: Time, start: Time) -> String {
    let millis = time.since(start).nanos() / 1_000_000;
    format!("+{}.{:03}", millis / 1000, millis % 1000)
}

/// The verdicts as cases of a test report, in order.
pub fn missed(verdicts: &[Verdict], analysis: &Analysis, lang: Lang) -> Vec<Missed> {
    let words = Words::of(analysis, lang);
    let path = |place: usize| {
        let capture = analysis.captures.get(place);
        let path = capture.map(|capture| capture.path.to_string_lossy().into_owned());
        printable_str(&path.unwrap_or_default()).into_owned()
    };
    let cases = verdicts.iter().map(|verdict| {
        let mut lines: Vec<String> =
            words.ladder(&verdict.ladder).iter().map(LadderText::line).collect();
        lines.extend(words.problems(verdict));
        lines.extend(words.doubts(verdict));
        let capture = match verdict.subject {
            Subject::Call { first, .. } => usize::from(first.capture),
            Subject::NoCall | Subject::Capture | Subject::OtherCalls => 0,
        };
        Missed {
            suite: verdict.file.clone(),
            case: words.name(verdict),
            capture: path(capture),
            line: Some(verdict.problems.first().map_or(verdict.line, |problem| problem.line)),
            file: Some(verdict.file.clone()),
            message: lines.join("\n"),
            frames: verdict.frames(),
            passed: verdict.is_met(),
        }
    });
    cases.collect()
}

/// The verdicts in their order, as JSON.
pub(super) fn list<'a>(
    verdicts: &'a [Verdict],
    analysis: &Analysis,
    lang: Lang,
) -> Vec<ExpectationJson<'a>> {
    let words = Words::of(analysis, lang);
    verdicts.iter().map(|own| ExpectationJson::of(own, words)).collect()
}

/// What came of an expectation.
#[derive(Serialize, JsonSchema)]
pub(super) struct ExpectationJson<'a> {
    /// The path of the file of expectations.
    file: &'a str,
    /// Its line in that file, 1 for the first.
    line: usize,
    /// What it is called: the name that the file gives it, or its place.
    name: String,
    /// The capture meets it.
    met: bool,
    /// What it is about: `call`, `no-call` (no call was found that it could be about), `capture` or
    /// `other-calls` (Call-IDs that nothing is expected of).
    subject: &'static str,
    /// The call that was found for it.
    call_id: Option<&'a str>,
    /// The first frame of that call.
    first_frame: Option<u64>,
    /// The same frame with its capture, only where there are several captures.
    #[serde(skip_serializing_if = "Option::is_none")]
    capture_frames: Option<Vec<FrameJson>>,
    /// Why it is not met; empty if it is.
    problems: Vec<ProblemJson<'a>>,
    /// The messages, expected and seen; empty if all were as expected.
    ladder: Vec<RowJson<'a>>,
}

impl<'a> ExpectationJson<'a> {
    fn of(verdict: &'a Verdict, words: Words) -> Self {
        let (subject, call_id, first) = match &verdict.subject {
            Subject::Call { call_id, first, .. } => ("call", Some(call_id.as_str()), Some(*first)),
            Subject::NoCall => ("no-call", None, None),
            Subject::Capture => ("capture", None, None),
            Subject::OtherCalls => ("other-calls", None, None),
        };
        Self {
            file: &verdict.file,
            line: verdict.line,
            name: words.name(verdict),
            met: verdict.is_met(),
            subject,
            call_id,
            first_frame: first.map(|frame| frame.number),
            capture_frames: first.and_then(|frame| words.pairs(&[frame])),
            problems: verdict.problems.iter().map(|own| ProblemJson::of(own, words)).collect(),
            ladder: verdict.ladder.iter().map(|row| RowJson::of(row, words)).collect(),
        }
    }
}

/// A frame among several captures.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CaptureFrame")]
struct FrameJson {
    /// The place of the capture among the inputs, 0 for the first.
    capture: u16,
    /// The number of the frame in it, 1 for the first.
    frame: u64,
}

/// A reason why an expectation is not met.
#[derive(Serialize, JsonSchema)]
struct ProblemJson<'a> {
    /// The line of the file that says so, 1 for the first.
    line: usize,
    /// What it is about, such as `final-status`, `header` or `missing-step`.
    about: &'static str,
    /// Which one, such as the name of a header field.
    name: Option<&'a str>,
    /// What was expected, as the file says it.
    expected: &'a str,
    /// What was seen.
    seen: SeenJson<'a>,
    /// The frames that show it.
    frames: Vec<u64>,
    /// The same frames with their captures, only where there are several captures.
    #[serde(skip_serializing_if = "Option::is_none")]
    capture_frames: Option<Vec<FrameJson>>,
    /// Why the capture may not show what happened.
    doubts: Vec<DoubtJson>,
    /// The same in words.
    message: String,
}

impl<'a> ProblemJson<'a> {
    fn of(problem: &'a Problem, words: Words) -> Self {
        let doubt = |doubt| DoubtJson { doubt: Doubt::name(doubt), message: words.doubt(doubt) };
        Self {
            line: problem.line,
            about: problem.about.name(),
            name: problem.about.detail(),
            expected: &problem.expected,
            seen: SeenJson::of(&problem.seen),
            frames: problem.frames.iter().map(|frame| frame.number).collect(),
            capture_frames: words.pairs(&problem.frames),
            doubts: problem.doubts.iter().map(doubt).collect(),
            message: words.problem(problem),
        }
    }
}

/// Why the capture may not show what happened.
#[derive(Serialize, JsonSchema)]
struct DoubtJson {
    /// The reason, a word that does not change.
    doubt: &'static str,
    /// The same in words.
    message: String,
}

/// Nothing, a text, or a number with its unit in the name.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum SeenJson<'a> {
    Nothing,
    Text(&'a str),
    Span {
        /// The time, in milliseconds.
        ms: f64,
    },
    Percent {
        /// Of a hundred.
        percent: f64,
    },
    Count(u64),
}

impl<'a> SeenJson<'a> {
    fn of(seen: &'a Seen) -> Self {
        match seen {
            Seen::Nothing => Self::Nothing,
            Seen::Text(text) => Self::Text(text),
            Seen::Span(span) => Self::Span { ms: span.millis() },
            Seen::Percent(percent) => Self::Percent { percent: *percent },
            Seen::Count(count) | Seen::More(count) => Self::Count(*count),
        }
    }
}

/// A message that was expected, seen, or both.
#[derive(Serialize, JsonSchema)]
struct RowJson<'a> {
    /// `same`, `missing` (expected and not seen) or `unexpected` (seen and not expected).
    mark: &'static str,
    /// The line of the file that expects it, 1 for the first.
    line: Option<usize>,
    /// The frame in which it was seen.
    frame: Option<u64>,
    /// The same frame with its capture, only where there are several captures.
    #[serde(skip_serializing_if = "Option::is_none")]
    capture_frames: Option<Vec<FrameJson>>,
    /// When that was.
    time: Option<Time>,
    /// Who sent it, by the name in the file.
    from: &'a str,
    /// Who was to receive it, by the name in the file.
    to: &'a str,
    /// The message in short.
    message: &'a str,
}

impl<'a> RowJson<'a> {
    fn of(row: &'a Row, words: Words) -> Self {
        Self {
            mark: match row.mark {
                Mark::Same => "same",
                Mark::Missing => "missing",
                Mark::Unexpected => "unexpected",
            },
            line: row.line,
            frame: row.frame.map(|frame| frame.number),
            capture_frames: row.frame.and_then(|frame| words.pairs(&[frame])),
            time: row.time,
            from: &row.from,
            to: &row.to,
            message: &row.what,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_numbers_with_their_captures_where_there_are_several() {
        let frame = FrameId { capture: 1, number: 7 };
        let row = Row {
            mark: Mark::Unexpected,
            line: None,
            frame: Some(frame),
            time: None,
            from: "alice".to_owned(),
            to: "bob".to_owned(),
            what: "BYE".to_owned(),
        };
        let problem = Problem {
            line: 3,
            about: About::UnexpectedStep,
            expected: String::new(),
            seen: Seen::Text("alice > bob BYE".to_owned()),
            frames: vec![frame],
            doubts: vec![Doubt::Damaged],
        };
        let call_id = "one".to_owned();
        let verdict = Verdict {
            file: "t.toml".to_owned(),
            name: None,
            line: 2,
            subject: Subject::Call { call_id, first: frame, last: frame },
            problems: vec![problem],
            ladder: vec![row],
        };
        let told = |has_captures: bool| {
            let words = Words { labels: labels(Lang::En), has_captures };
            serde_json::to_value(ExpectationJson::of(&verdict, words)).expect("JSON")
        };
        let one = told(false);
        assert_eq!(one["name"], "call of line 2");
        assert_eq!(one["first_frame"], 7);
        assert_eq!(one["problems"][0]["frames"], serde_json::json!([7]));
        assert_eq!(one["problems"][0].get("capture_frames"), None);
        assert_eq!(one["problems"][0]["doubts"][0]["doubt"], "damaged");
        let pair = serde_json::json!([{ "capture": 1, "frame": 7 }]);
        let several = told(true);
        assert_eq!(several["capture_frames"], pair);
        assert_eq!(several["problems"][0]["capture_frames"], pair);
        assert_eq!(several["ladder"][0]["capture_frames"], pair);
    }

    #[test]
    fn every_word_of_a_verdict_has_a_label() {
        let abouts = [
            About::NoSuchCall,
            About::Calls,
            About::UnexpectedCall,
            About::Status,
            About::State,
            About::MissingStep,
            About::UnexpectedStep,
            About::Steps,
            About::Header("Via".to_owned()),
            About::Uri,
            About::Reason,
            About::Sdp("codecs".to_owned()),
            About::Time("pdd".to_owned()),
            About::Rtp("loss".to_owned()),
            About::Findings("count"),
        ];
        let doubts = [
            Doubt::EndsSoon { after: crate::time::Span::from_secs(1) },
            Doubt::Damaged,
            Doubt::Lost { packets: 2 },
            Doubt::Rule("capture-packet-loss"),
            Doubt::TranscriptDropped,
            Doubt::TooMany,
            Doubt::MessageCut,
            Doubt::NoRtpAtAll,
        ];
        for lang in Lang::ALL {
            let words = Words { labels: labels(lang), has_captures: false };
            for about in &abouts {
                let told = words.about(about);
                assert!(!told.starts_with("expect-") && !told.contains('{'), "{lang:?}: {told}");
            }
            for doubt in &doubts {
                let told = words.doubt(doubt);
                assert!(!told.starts_with("expect-") && !told.contains('{'), "{lang:?}: {told}");
            }
        }
    }
}
