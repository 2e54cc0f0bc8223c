//! From the messages of one call to its result.

use std::fmt;

use crate::analysis::ladder::ladder;
use crate::analysis::leg::Leg;
use crate::analysis::owners;
use crate::analysis::rtp_stream::streams;
use crate::analysis::statistics::CallCounts;
use crate::analysis::summary::summarize;
use crate::analysis::transcript::transcript;
use crate::analysis::{CallSummary, Statistics};
use crate::bytes::printable;
use crate::capture::FrameId;
use crate::finding::{Finding, Rule};
use crate::media::{self, Media};
use crate::rules;
use crate::signaling::{Call, Facts, Message, Surroundings};

/// What of the result of a call is wanted; the rest is not made.
#[derive(Clone, Copy)]
pub struct Detail<'d> {
    /// The entry in the list of calls.
    pub has_summary: bool,
    /// The messages in that entry, by the Call-ID and by what was found.
    pub has_transcript: &'d dyn Fn(&str, &[Finding]) -> bool,
    /// What ties it to other calls.
    pub has_leg: bool,
    /// The ladder of this finding.
    pub has_ladder: &'d dyn Fn(&Finding) -> bool,
}

impl fmt::Debug for Detail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Detail").field("has_summary", &self.has_summary).finish_non_exhaustive()
    }
}

/// The result of one call.
#[derive(Debug)]
pub struct Judged {
    /// What reports tell of it, if it was wanted.
    pub summary: Option<CallSummary>,
    /// What the rules found in it.
    pub findings: Vec<Finding>,
    /// Rules that panicked on it.
    pub failures: Vec<rules::Failure>,
    /// The tool that names itself as its sender, where the user does not trust that one and the
    /// rules look for it.
    pub(crate) tool: Option<&'static str>,
    /// What it shows of its place in a conversation.
    pub(crate) leg: Option<Leg>,
    /// What it adds to the statistics.
    pub(crate) counts: CallCounts,
    /// The first frame of each of its RTP streams.
    pub(crate) claimed: Vec<FrameId>,
    /// It has no streams beside these.
    pub(crate) has_all_streams: bool,
    /// Other Call-IDs that it names beyond the bound.
    pub(crate) links_dropped: u64,
}

/// What is the same for every finding of a call.
struct Known<'k> {
    call_id: &'k str,
    fate: Option<&'static str>,
}

/// Adds what is the same for every finding of the call.
fn complete(call: &Call<'_>, known: &Known<'_>, finding: &mut Finding, detail: Detail<'_>) {
    finding.call_id = Some(known.call_id.to_owned());
    finding.call_fate = known.fate;
    let hop = finding.transaction.and_then(|hop| call.transactions.get(hop));
    if let Some(first) = hop.and_then(|hop| call.hops_before(hop).last()) {
        finding.sender = Some(first.client);
    }
    if (detail.has_ladder)(finding) {
        (finding.ladder, finding.ladder_omitted) = ladder(call, &finding.frames);
    }
    if let Some(fallback) = &mut finding.fallback {
        complete(call, known, fallback, detail);
    }
}

/// Judges a call: a pure function of its messages, of the time up to which it was observed, and of
/// the media around it. What it shows about the capture itself is added to `facts`,
/// what it adds to the figures of the capture to `statistics`.
/// `detail` says what of the result is wanted.
pub fn judge(
    messages: &[Message<'_>],
    surroundings: Surroundings<'_>,
    media: Media<'_>,
    rules: &[&'static Rule],
    facts: &mut Facts,
    statistics: &mut Statistics,
    detail: Detail<'_>,
) -> Judged {
    let call = Call::build(messages, surroundings);
    let mut failures = Vec::new();
    let mut findings = rules::judge(rules, &call, media, &mut failures);
    let counts = CallCounts::of(&call);
    let call_id = printable(call.call_id);
    let known = Known { call_id: &call_id, fate: counts.fate };
    for finding in &mut findings {
        complete(&call, &known, finding, detail);
    }
    facts.add_call(&call);
    let silence = media::silence(&call, media);
    if let Some((ways, message)) = silence.and_then(|own| Some((own.ways, own.passage.answer()?))) {
        facts.saw_silent(ways, message);
    }
    statistics.add_call(&call);
    let (listed, has_all_streams) =
        if detail.has_leg { streams(&call, media) } else { (Vec::new(), true) };
    let claimed = listed.iter().map(|stream| stream.first.frame).collect();
    let summary = detail.has_summary.then(|| summarize(&call, listed)).flatten();
    let (mut summary, links_dropped) = summary.unzip();
    if let Some(summary) = &mut summary
        && (detail.has_transcript)(&call_id, &findings)
    {
        summary.transcript = transcript(&call);
    }
    let leg = if detail.has_leg { Leg::of(&call) } else { None };
    let tool = if findings.is_empty() { None } else { owners::tool_of(&call, rules) };
    let links_dropped = links_dropped.unwrap_or_default();
    Judged {
        summary,
        findings,
        failures,
        tool,
        leg,
        counts,
        claimed,
        has_all_streams,
        links_dropped,
    }
}
