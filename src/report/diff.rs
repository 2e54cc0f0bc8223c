//! How two captures differ, as JSON; the names of the fields are a contract.
//!
//! The text is written by `text::diff`.

use std::io::{self, Write};

use serde::Serialize;

use crate::analysis::diff::{
    CallDiff, Change, Diff, DiffLine, DiffOptions, FindingChange, PairedBy, Part, Place, Recurring,
    RuleChange, Shift, letter,
};
use crate::analysis::{Analysis, CallSummary};
use crate::bytes::printable_str;
use crate::capture::FrameId;
use crate::catalogue::{self, Lang};
use crate::finding::{Severity, Value};
use crate::report::Page;
use crate::report::text;
use crate::time::{Span, Time};

/// Raised when a field changes its meaning or goes away.
const SCHEMA_VERSION: u32 = 1;

/// Writes the comparison as text.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn text(
    diff: &Diff<'_>,
    sides: (&Analysis, &Analysis),
    options: &DiffOptions,
    page: (Lang, Page),
    out: &mut dyn Write,
) -> io::Result<()> {
    text::diff::write(diff, sides, options, page, out)
}

/// Writes the comparison as one JSON object.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn json(
    diff: &Diff<'_>,
    (left, right): (&Analysis, &Analysis),
    options: &DiffOptions,
    lang: Lang,
    out: &mut dyn Write,
) -> io::Result<()> {
    let is_several = (left.captures.len() > 1, right.captures.len() > 1);
    let totals = &diff.totals;
    let mirror = DiffJson {
        schema_version: SCHEMA_VERSION,
        tool: Tool { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") },
        left: paths(left),
        right: paths(right),
        is_same: diff.is_same(),
        totals: TotalsJson {
            pairs: totals.pairs,
            same: totals.same,
            differing: totals.differing,
            recurring_only: totals.recurring_only,
            only_left: totals.left,
            only_right: totals.right,
            without_messages: totals.without_messages,
            steps: StepsJson {
                same: totals.steps_same,
                changed: totals.steps_changed,
                only_left: totals.steps_left,
                only_right: totals.steps_right,
                left_out: totals.steps_left_out,
            },
            calls_left_out: totals.calls_left_out,
            findings_left_out: totals.findings_left_out,
            changes_left_out: totals.changes_left_out,
            narrow: totals.narrow,
        },
        timing: TimingJson {
            threshold_ms: options.timing,
            steps: diff.waits.count,
            shifted: diff.waits.shifted,
            left_median_ms: diff.waits.left_median,
            right_median_ms: diff.waits.right_median,
            shift_median_ms: diff.waits.shift_median,
        },
        recurring: diff.recurring.iter().map(RecurringJson::of).collect(),
        calls: diff.calls.iter().map(|call| CallDiffJson::of(call, is_several, lang)).collect(),
        only_left: diff.left.iter().map(|call| CallJson::of(call, is_several.0)).collect(),
        only_right: diff.right.iter().map(|call| CallJson::of(call, is_several.1)).collect(),
        findings: diff.findings.iter().map(|own| FindingJson::of(own, is_several, lang)).collect(),
        rules: diff.rules.iter().map(RuleJson::of).collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &mirror)?;
    writeln!(out)
}

fn paths(analysis: &Analysis) -> Vec<String> {
    let paths = analysis.captures.iter().map(|capture| capture.path.to_string_lossy());
    paths.map(|path| printable_str(&path).into_owned()).collect()
}

#[derive(Serialize)]
struct DiffJson<'a> {
    schema_version: u32,
    tool: Tool,
    /// The paths of the captures.
    left: Vec<String>,
    right: Vec<String>,
    is_same: bool,
    totals: TotalsJson,
    timing: TimingJson,
    recurring: Vec<RecurringJson<'a>>,
    /// The first calls that differ in more than what recurs.
    calls: Vec<CallDiffJson<'a>>,
    only_left: Vec<CallJson<'a>>,
    only_right: Vec<CallJson<'a>>,
    /// Findings on no call.
    findings: Vec<FindingJson<'a>>,
    rules: Vec<RuleJson>,
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct TotalsJson {
    pairs: u64,
    same: u64,
    differing: u64,
    recurring_only: u64,
    only_left: u64,
    only_right: u64,
    without_messages: u64,
    steps: StepsJson,
    /// Calls of either capture that were not kept.
    calls_left_out: u64,
    /// Findings of either capture that were not kept; one that only the other capture seems to have
    /// may be among them.
    findings_left_out: u64,
    /// Differences that were not counted.
    changes_left_out: u64,
    /// Searches that a bound kept narrow.
    narrow: u64,
}

#[derive(Serialize)]
struct StepsJson {
    same: u64,
    changed: u64,
    only_left: u64,
    only_right: u64,
    left_out: u64,
}

#[derive(Serialize)]
struct TimingJson {
    threshold_ms: Option<Span>,
    steps: u64,
    shifted: u64,
    left_median_ms: Span,
    right_median_ms: Span,
    shift_median_ms: Span,
}

#[derive(Serialize)]
struct RecurringJson<'a> {
    #[serde(flatten)]
    change: ChangeJson<'a>,
    steps: u64,
    calls: u64,
    first_left_frame: u64,
    first_right_frame: u64,
}

impl<'a> RecurringJson<'a> {
    fn of(recurring: &'a Recurring<'_>) -> Self {
        Self {
            change: ChangeJson::of(&recurring.change),
            steps: recurring.steps,
            calls: recurring.calls,
            first_left_frame: recurring.first.0.0.frame.number,
            first_right_frame: recurring.first.1.0.frame.number,
        }
    }
}

/// What differs: `part` names it, `name` the header field or what of the SDP.
#[derive(Serialize)]
struct ChangeJson<'a> {
    part: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    /// The number of the media description, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    media: Option<usize>,
    left: Option<&'a Value>,
    right: Option<&'a Value>,
}

impl<'a> ChangeJson<'a> {
    fn of(change: &'a Change) -> Self {
        let (name, media) = match &change.part {
            Part::Header(name) | Part::Body(name) => (Some(name.as_str()), None),
            Part::Sdp { media, aspect } => {
                (Some(*aspect), media.as_ref().map(|(number, _)| *number))
            }
            _ => (None, None),
        };
        let (left, right) = (change.left.as_ref(), change.right.as_ref());
        Self { part: change.part.name(), name, media, left, right }
    }
}

/// A frame among several captures of one side.
#[derive(Serialize)]
struct FrameJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    capture: Option<u16>,
    frame: u64,
}

impl FrameJson {
    fn of(frame: FrameId, is_several: bool) -> Self {
        Self { capture: is_several.then_some(frame.capture), frame: frame.number }
    }
}

#[derive(Serialize)]
struct CallJson<'a> {
    call_id: &'a str,
    kind: &'static str,
    state: &'static str,
    from_uri: Option<&'a str>,
    to_uri: Option<&'a str>,
    #[serde(flatten)]
    first: FrameJson,
    start: Time,
    final_status: Option<u16>,
    pdd_ms: Option<Span>,
    ring_ms: Option<Span>,
    talk_ms: Option<Span>,
    messages: u64,
}

impl<'a> CallJson<'a> {
    fn of(call: &'a CallSummary, is_several: bool) -> Self {
        Self {
            call_id: &call.call_id,
            kind: call.kind.name(),
            state: call.fate(),
            from_uri: call.from_uri.as_deref(),
            to_uri: call.to_uri.as_deref(),
            first: FrameJson::of(call.first_frame, is_several),
            start: call.start,
            final_status: call.final_status.map(crate::sip::Status::code),
            pdd_ms: call.pdd,
            ring_ms: call.ring,
            talk_ms: call.talk,
            messages: call.messages,
        }
    }
}

#[derive(Serialize)]
struct CallDiffJson<'a> {
    left: CallJson<'a>,
    right: CallJson<'a>,
    /// `call-id`, `likeness`, `remainder`.
    paired_by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    points: Option<u64>,
    parties: Vec<PartyJson>,
    steps: Vec<LineJson<'a>>,
    findings: Vec<FindingJson<'a>>,
    is_other_state: bool,
    is_without_messages: bool,
    left_out: u64,
    is_narrow: bool,
}

impl<'a> CallDiffJson<'a> {
    fn of(call: &'a CallDiff<'_>, is_several: (bool, bool), lang: Lang) -> Self {
        let (paired_by, points) = match call.paired_by {
            PairedBy::CallId => ("call-id", None),
            PairedBy::Likeness { points } => ("likeness", Some(points)),
            PairedBy::Remainder => ("remainder", None),
        };
        let parties = call.parties.iter().zip(0..).map(|(party, number)| PartyJson {
            name: letter(number),
            left: party.left.map(|end| end.to_string()),
            right: party.right.map(|end| end.to_string()),
        });
        Self {
            left: CallJson::of(call.left, is_several.0),
            right: CallJson::of(call.right, is_several.1),
            paired_by,
            points,
            parties: parties.collect(),
            steps: call.lines.iter().map(|line| LineJson::of(line, is_several)).collect(),
            findings: call.findings.iter().map(|f| FindingJson::of(f, is_several, lang)).collect(),
            is_other_state: call.is_other_fate,
            is_without_messages: call.is_without_messages,
            left_out: call.left_out,
            is_narrow: call.is_narrow,
        }
    }
}

#[derive(Serialize)]
struct PartyJson {
    name: String,
    left: Option<String>,
    right: Option<String>,
}

#[derive(Serialize)]
struct LineJson<'a> {
    /// `same`, `changed`, `only-left`, `only-right`.
    verdict: &'static str,
    left: Option<PlaceJson<'a>>,
    right: Option<PlaceJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changes: Vec<ChangeJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timing: Option<ShiftJson>,
}

impl<'a> LineJson<'a> {
    fn of(line: &'a DiffLine<'_>, is_several: (bool, bool)) -> Self {
        let (verdict, left, right) = match line {
            DiffLine::Both { left, right, .. } if line.is_same() => {
                ("same", Some(left), Some(right))
            }
            DiffLine::Both { left, right, .. } => ("changed", Some(left), Some(right)),
            DiffLine::Left(left) => ("only-left", Some(left), None),
            DiffLine::Right(right) => ("only-right", None, Some(right)),
        };
        let (changes, shift) = match line {
            DiffLine::Both { changes, shift, .. } => (changes.as_slice(), *shift),
            DiffLine::Left(_) | DiffLine::Right(_) => (&[][..], None),
        };
        Self {
            verdict,
            left: left.map(|place| PlaceJson::of(place, is_several.0)),
            right: right.map(|place| PlaceJson::of(place, is_several.1)),
            changes: changes.iter().map(ChangeJson::of).collect(),
            timing: shift.map(|Shift { left, right }| ShiftJson { left_ms: left, right_ms: right }),
        }
    }
}

#[derive(Serialize)]
struct ShiftJson {
    left_ms: Span,
    right_ms: Span,
}

#[derive(Serialize)]
struct PlaceJson<'a> {
    #[serde(flatten)]
    frame: FrameJson,
    time: Time,
    message: &'a str,
    from: String,
    to: String,
    repeats: u64,
}

impl<'a> PlaceJson<'a> {
    fn of(place: &'a Place<'_>, is_several: bool) -> Self {
        Self {
            frame: FrameJson::of(place.step.frame, is_several),
            time: place.step.time,
            message: &place.label,
            from: letter(place.source),
            to: letter(place.destination),
            repeats: place.repeats,
        }
    }
}

#[derive(Serialize)]
struct FindingJson<'a> {
    /// `left` or `right`.
    side: &'static str,
    count: u64,
    code: &'static str,
    rule: &'static str,
    severity: Severity,
    title: String,
    call_id: Option<&'a str>,
    frames: Vec<FrameJson>,
}

impl<'a> FindingJson<'a> {
    fn of(change: &'a FindingChange<'_>, is_several: (bool, bool), lang: Lang) -> Self {
        let finding = change.finding;
        let is_several = if change.is_left { is_several.0 } else { is_several.1 };
        Self {
            side: if change.is_left { "left" } else { "right" },
            count: change.count,
            code: finding.rule.code,
            rule: finding.rule.name,
            severity: finding.severity,
            title: catalogue::rule(finding.rule, lang).entry.title,
            call_id: finding.call_id.as_deref(),
            frames: finding.frames.iter().map(|own| FrameJson::of(*own, is_several)).collect(),
        }
    }
}

#[derive(Serialize)]
struct RuleJson {
    code: &'static str,
    rule: &'static str,
    severity: Severity,
    left: u64,
    right: u64,
}

impl RuleJson {
    fn of(change: &RuleChange) -> Self {
        Self {
            code: change.rule.code,
            rule: change.rule.name,
            severity: change.severity,
            left: change.left,
            right: change.right,
        }
    }
}
