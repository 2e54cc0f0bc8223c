//! From the messages of calls to their results.

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
pub(super) struct Detail<'d> {
    /// The entry in the list of calls.
    pub(super) has_summary: bool,
    /// The messages in that entry, by the Call-ID and by what was found.
    pub(super) has_transcript: &'d dyn Fn(&str, &[Finding]) -> bool,
    /// Its streams.
    pub(super) has_streams: bool,
    /// The ladder of this finding.
    pub(super) has_ladder: &'d dyn Fn(&Finding) -> bool,
}

/// The result of one call.
#[derive(Debug)]
pub(super) struct Judged {
    /// What reports tell of it, if it was wanted.
    pub(super) summary: Option<CallSummary>,
    /// What the rules found in it.
    pub(super) findings: Vec<Finding>,
    /// The tool that names itself as its sender, where the user does not trust that one and the
    /// rules look for it.
    pub(super) tool: Option<&'static str>,
    /// What it shows of its place in a conversation.
    pub(super) leg: Option<Leg>,
    /// What it adds to the statistics.
    pub(super) counts: CallCounts,
    /// The first frame of each of its RTP streams.
    pub(super) claimed: Vec<FrameId>,
    /// It has no streams beside these.
    pub(super) has_all_streams: bool,
    /// Other Call-IDs that it names beyond the bound.
    pub(super) links_dropped: u64,
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

/// A call with what was found in it.
#[derive(Debug)]
pub(super) struct Heard<'c> {
    call: Call<'c>,
    findings: Vec<Finding>,
    leg: Option<Leg>,
}

/// Messages that belong together: those of one Call-ID, or of one of several calls under it.
#[derive(Debug)]
pub(super) struct Use<'c> {
    pub(super) messages: &'c [Message<'c>],
    pub(super) surroundings: Surroundings<'c>,
    /// The Call-ID was judged before.
    pub(super) is_continuation: bool,
}

/// Hears calls: a pure function of their messages, of the time up to which they were observed, and
/// of the media around them. What they show about the capture itself is added to `facts`, what
/// they add to the figures of the capture to `statistics`.
///
/// What is done is done with all of them before the next thing is: the code for a call as a whole
/// is several times what the cache next to the processor holds, a few calls are less.
pub(super) fn hear<'c>(
    uses: &[Use<'c>],
    media: Media<'_>,
    rules: &[&'static Rule],
    (facts, statistics): (&mut Facts, &mut Statistics),
    failures: &mut Vec<rules::Failure>,
    has_leg: bool,
) -> Vec<Heard<'c>> {
    let calls = Call::build(uses.iter().map(|own| (own.messages, own.surroundings)));
    let found = rules::judge(rules, &calls, media, failures);
    facts.add_calls(&calls);
    for (own, call) in uses.iter().zip(&calls) {
        facts.add_open_ends(call, own.is_continuation);
    }
    for silence in calls.iter().filter_map(|call| media::silence(call, media)) {
        if let Some(message) = silence.passage.answer() {
            facts.saw_silent(silence.ways, message);
        }
    }
    calls.iter().for_each(|call| statistics.add_call(call));
    let legs: Vec<_> =
        calls.iter().map(|call| if has_leg { Leg::of(call) } else { None }).collect();
    let heard = calls.into_iter().zip(found).zip(legs);
    heard.map(|((call, findings), leg)| Heard { call, findings, leg }).collect()
}

impl Heard<'_> {
    /// The result, of which `detail` says what is wanted.
    pub(super) fn told(
        self,
        media: Media<'_>,
        rules: &[&'static Rule],
        detail: Detail<'_>,
    ) -> Judged {
        let Self { call, mut findings, leg } = self;
        let counts = CallCounts::of(&call);
        let call_id = printable(call.call_id);
        let known = Known { call_id: &call_id, fate: counts.fate };
        for finding in &mut findings {
            complete(&call, &known, finding, detail);
        }
        let (listed, has_all_streams) =
            if detail.has_streams { streams(&call, media) } else { (Vec::new(), true) };
        let claimed = listed.iter().map(|stream| stream.first.frame).collect();
        let summary = detail.has_summary.then(|| summarize(&call, listed)).flatten();
        let (mut summary, links_dropped) = summary.unzip();
        if let Some(summary) = &mut summary
            && (detail.has_transcript)(&call_id, &findings)
        {
            summary.transcript = transcript(&call);
        }
        let tool = if findings.is_empty() { None } else { owners::tool_of(&call, rules) };
        let links_dropped = links_dropped.unwrap_or_default();
        Judged { summary, findings, tool, leg, counts, claimed, has_all_streams, links_dropped }
    }
}
