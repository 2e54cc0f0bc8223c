//! The analysis as JSON lines, written while the captures are still being read.
//!
//! Each line is an object with a `type`. First comes a `capture` for each input: its place, path,
//! format and compression. Then, as calls are judged, a `call` for each and its `finding` lines,
//! with the fields of the JSON format. A finding that needs more than its call comes later, as
//! soon as it stands, or at the end, where those on the capture are. What a rule adds when it
//! compares calls is what the calls up to then show; but for that there are the same findings as
//! in the JSON format. A call that goes on after it was judged gets another line, for what is new.
//! The last line is the `summary`: captures, totals, incidents and statistics. The order of the
//! lines of a file is always the same: by window, then by the first frame, a call before its
//! findings.
//!
//! Several files are read to their end first, because the clock of one may have to be corrected by
//! another; their lines come all at once.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;

use crate::analysis::{Analysis, Batch, CallSummary};
use crate::capture::{Description, FrameId};
use crate::catalogue::{Labels, Lang, labels};
use crate::finding::Finding;
use crate::report::json::{CallJson, FindingJson, HeadJson, RuleTexts, SummaryJson};

/// Writes all lines of an analysis that is complete.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn jsonl(analysis: &Analysis, lang: Lang, out: &mut dyn Write) -> io::Result<()> {
    let mut lines = Lines::new(lang, analysis.captures.len());
    lines.captures(&analysis.captures, out)?;
    lines.entries(&analysis.calls, &analysis.findings, out)?;
    lines.summary(analysis, out)
}

/// Writes the lines of one run.
#[derive(Debug)]
pub struct Lines {
    rules: RuleTexts,
    words: Labels,
    is_several: bool,
}

/// A line of the JSON lines; `type` tells what it is.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(super) enum Line<'a> {
    /// What is known of a capture before it is read: the first lines.
    Capture(HeadJson<'a>),
    /// A Call-ID, once it is over.
    Call(CallJson<'a>),
    /// What a rule found.
    Finding(Box<FindingJson<'a>>),
    /// The last line.
    Summary(Box<SummaryJson<'a>>),
}

impl Lines {
    /// Lines in a language, about so many captures.
    pub fn new(lang: Lang, captures: usize) -> Self {
        Self { rules: RuleTexts::new(lang), words: labels(lang), is_several: captures > 1 }
    }

    /// Writes what is known of the captures before they are read.
    ///
    /// # Errors
    ///
    /// When `out` cannot be written to.
    pub fn captures(&self, captures: &[Description], out: &mut dyn Write) -> io::Result<()> {
        for (place, capture) in captures.iter().enumerate() {
            write_line(&Line::Capture(HeadJson::of(place, capture)), out)?;
        }
        out.flush()
    }

    /// Writes calls and findings, and flushes.
    ///
    /// # Errors
    ///
    /// When `out` cannot be written to.
    pub fn batch(&mut self, batch: &Batch, out: &mut dyn Write) -> io::Result<()> {
        self.entries(&batch.calls, &batch.findings, out)
    }

    fn entries(
        &mut self,
        calls: &[CallSummary],
        findings: &[Finding],
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let calls = calls.iter().map(|call| (Some(call.first_frame), Entry::Call(call)));
        let mut entries: Vec<(Option<FrameId>, Entry<'_>)> = calls.collect();
        entries.extend(findings.iter().map(|f| (f.frames.first().copied(), Entry::Finding(f))));
        // Both lists are sorted; where a call and a finding begin with one frame, the call is
        // first.
        if !self.is_several {
            entries.sort_by_key(|(first, _)| *first);
        }
        for (_, entry) in entries {
            let line = match entry {
                Entry::Call(call) => Line::Call(CallJson::of(call, self.is_several)),
                Entry::Finding(finding) => Line::Finding(Box::new(FindingJson::of(
                    finding,
                    self.is_several,
                    self.words,
                    &mut self.rules,
                ))),
            };
            write_line(&line, out)?;
        }
        out.flush()
    }

    /// Writes what was left for the end, and the summary.
    ///
    /// # Errors
    ///
    /// When `out` cannot be written to.
    pub fn finish(mut self, analysis: &mut Analysis, out: &mut dyn Write) -> io::Result<()> {
        let calls = std::mem::take(&mut analysis.calls);
        let findings = std::mem::take(&mut analysis.findings);
        self.batch(&Batch { calls, findings }, out)?;
        self.summary(analysis, out)
    }

    fn summary(&self, analysis: &Analysis, out: &mut dyn Write) -> io::Result<()> {
        write_line(&Line::Summary(Box::new(SummaryJson::of(analysis))), out)?;
        out.flush()
    }
}

enum Entry<'a> {
    Call(&'a CallSummary),
    Finding(&'a Finding),
}

fn write_line(line: &Line<'_>, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}
