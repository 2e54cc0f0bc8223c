//! Results gathered in any order, folded at the end.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use rayon::prelude::*;
use rustc_hash::FxHashSet;

use crate::analysis::judge::{Detail, Heard, Judged, Use, hear};
use crate::analysis::kept::Kept;
use crate::analysis::legs::Legs;
use crate::analysis::order;
use crate::analysis::owners::NamedSigns;
use crate::analysis::stream::gist;
use crate::analysis::{
    Analysis, CallSummary, Host, Incident, MessageCounts, Peer, Statistics, StreamSummary, Telling,
    Totals, incident, owners, replaced, roots, rtp_stream,
};
use crate::capture::FrameId;
use crate::finding::{Confidence, Finding, Rule, Severity, Value, Visibility};
use crate::limits::{
    CALL_BYTES_PER_SHARD_MAX, CALLS_MAX, FINDINGS_MAX, LEGS_PER_SHARD_MAX, RTP_STREAMS_MAX,
    STREAMS_LISTED_MAX, TRANSCRIPT_BYTES_PER_SHARD_MAX,
};
use crate::media::{Media, Stream};
use crate::packet::Unread;
use crate::rules::{self, Profile};
use crate::signaling::{self, CallLog, Facts, LossKind, Message, Surroundings};
use crate::sip::timers;
use crate::time::{Span, Time};

/// Messages of calls that are judged side by side, if there is more than one call: with all that is
/// read of them they stay in the second level of the cache.
const BATCH_MESSAGES: usize = 48;

/// How long a moment without packets of nearly all streams may last.
const MOMENT: Span = Span::from_millis(100);

/// How much of a large capture is kept for the report; the rest is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Keep {
    /// Calls listed.
    pub calls: usize,
    /// Bytes of messages kept in the transcripts of those calls.
    pub transcripts: usize,
    /// Whose transcripts are kept.
    pub transcripts_of: TranscriptsOf,
    /// Findings with all their evidence.
    pub findings: usize,
    /// Findings of one rule that keep their ladder.
    pub ladders: usize,
    /// Findings below it are not kept.
    pub min_severity: Severity,
}

impl Default for Keep {
    /// Nothing but counts.
    fn default() -> Self {
        Self {
            calls: 0,
            transcripts: 0,
            transcripts_of: TranscriptsOf::All,
            findings: 0,
            ladders: 0,
            min_severity: Severity::Info,
        }
    }
}

impl Keep {
    /// Findings of one rule, in one shard of the calls, that keep their ladder in a report.
    pub const LADDERS: usize = 32;

    /// Calls with findings of one rule, in one shard of the calls, whose messages are kept for a
    /// report that shows examples.
    pub const EXAMPLES: usize = 3;

    /// What the incident report needs.
    pub fn for_report() -> Self {
        Self {
            calls: CALLS_MAX,
            transcripts: TRANSCRIPT_BYTES_PER_SHARD_MAX,
            transcripts_of: TranscriptsOf::Examples(Self::EXAMPLES),
            findings: FINDINGS_MAX,
            ladders: Self::LADDERS,
            ..Self::default()
        }
    }

    /// What ties calls to others is asked for.
    const fn has_legs(&self) -> bool {
        self.calls > 0 || self.findings > 0
    }

    /// The messages of a call are to be kept if there is room for them.
    fn wants_transcript(
        &self,
        examples: &HashMap<&'static str, usize>,
        call_id: &str,
        found: &[Finding],
    ) -> bool {
        match &self.transcripts_of {
            TranscriptsOf::All => true,
            TranscriptsOf::Chosen(chosen) => chosen.contains(call_id),
            TranscriptsOf::Examples(most) => found.iter().any(|finding| {
                let so_far = examples.get(finding.rule.code).copied().unwrap_or_default();
                finding.severity >= self.min_severity && so_far < *most
            }),
        }
    }
}

/// Calls whose messages are kept, as far as there is room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub enum TranscriptsOf {
    /// Every call.
    #[default]
    All,
    /// Calls with these Call-IDs, as reports show them.
    Chosen(Arc<BTreeSet<String>>),
    /// The first calls with a finding, so many for each rule and part of the run.
    Examples(usize),
}

/// The messages of a Call-ID, to be judged.
#[derive(Clone, Copy, Debug)]
pub struct Case<'c> {
    /// The messages.
    pub log: &'c CallLog,
    /// What the calls cannot know of themselves.
    pub surroundings: Surroundings<'c>,
    /// The same Call-ID has had a result before.
    pub is_continuation: bool,
}

/// What one part of the run gathered.
#[derive(Debug)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Tally {
    #[cfg_attr(feature = "parts", borsh(skip))]
    pub(super) keep: Keep,
    #[cfg_attr(feature = "parts", borsh(skip))]
    pub(super) calls: Vec<CallSummary>,
    /// Bytes of memory that they take.
    #[cfg_attr(feature = "parts", borsh(skip))]
    calls_room: usize,
    pub(super) findings: Kept,
    pub(super) legs: Legs,
    #[cfg_attr(feature = "parts", borsh(skip))]
    streams: Vec<StreamSummary>,
    /// RTP streams of calls, by their first frames.
    claimed: FxHashSet<FrameId>,
    #[cfg_attr(feature = "parts", borsh(deserialize_with = "crate::bytes::parts::by_word"))]
    ladders: HashMap<&'static str, usize>,
    /// Bytes in the transcripts kept so far.
    transcripts: usize,
    /// Transcripts kept as examples of a rule.
    #[cfg_attr(feature = "parts", borsh(deserialize_with = "crate::bytes::parts::by_word"))]
    examples: HashMap<&'static str, usize>,
    totals: Totals,
    statistics: Statistics,
    /// What belongs to the finding on a tool that names itself.
    named: NamedSigns,
    /// What is known of the capture as a whole.
    pub facts: Facts,
    /// Frames that could not be read, by reason.
    pub unread: BTreeMap<Unread, u64>,
    /// What a bound dropped, by the name of the bound.
    #[cfg_attr(feature = "parts", borsh(deserialize_with = "crate::bytes::parts::by_word"))]
    pub dropped: BTreeMap<&'static str, u64>,
    #[cfg_attr(feature = "parts", borsh(deserialize_with = "crate::bytes::parts::by_word"))]
    failed_rules: BTreeMap<&'static str, u64>,
}

/// What a part of the run has gathered of the capture as a whole.
#[derive(Debug)]
pub struct Gathered {
    facts: Facts,
    statistics: Statistics,
}

impl Tally {
    /// Nothing gathered yet.
    pub fn new(keep: Keep) -> Self {
        Self {
            keep,
            calls: Vec::new(),
            calls_room: 0,
            findings: Kept::default(),
            legs: Legs::default(),
            streams: Vec::new(),
            claimed: FxHashSet::default(),
            ladders: HashMap::new(),
            transcripts: 0,
            examples: HashMap::new(),
            totals: Totals::default(),
            statistics: Statistics::default(),
            named: NamedSigns::default(),
            facts: Facts::default(),
            unread: BTreeMap::new(),
            dropped: BTreeMap::new(),
            failed_rules: BTreeMap::new(),
        }
    }

    /// Judges the calls of one Call-ID, like [`Tally::judge_all`].
    #[cfg(test)]
    pub(crate) fn judge(
        &mut self,
        log: &CallLog,
        surroundings: Surroundings<'_>,
        media: Media<'_>,
        rules: &[&'static Rule],
        is_continuation: bool,
    ) {
        self.judge_all([Case { log, surroundings, is_continuation }], media, rules);
    }

    /// Judges calls and takes their results in this order; where one Call-ID was used for several,
    /// each of them by itself.
    pub fn judge_all<'c>(
        &mut self,
        cases: impl IntoIterator<Item = Case<'c>>,
        media: Media<'_>,
        rules: &[&'static Rule],
    ) {
        let mut batch: Vec<Case<'c>> = Vec::new();
        let mut messages = 0;
        for case in cases {
            let length = case.log.len();
            // Of a log that is full something is said of the capture before anything of its calls,
            // and not before anything of the calls that came first.
            let is_part = case.log.full_since().is_some();
            if !batch.is_empty() && (is_part || messages + length > BATCH_MESSAGES) {
                self.judge_batch(&batch, media, rules);
                batch.clear();
                messages = 0;
            }
            messages += length;
            batch.push(case);
        }
        self.judge_batch(&batch, media, rules);
    }

    fn judge_batch(&mut self, batch: &[Case<'_>], media: Media<'_>, rules: &[&'static Rule]) {
        let read: Vec<_> = batch.iter().map(|case| signaling::uses(case.log.messages())).collect();
        let mut uses = Vec::with_capacity(read.len());
        for (case, read) in batch.iter().zip(&read) {
            let mut surroundings = case.surroundings;
            if let Some(full) = case.log.full_since() {
                // What came after that is not among the messages, and so not missing.
                surroundings.observed_until = surroundings.observed_until.min(full);
                self.facts.saw_part_only(&case.log.messages());
            }
            for (messages, number) in read.iter().zip(0_u64..) {
                let is_continuation = case.is_continuation || number > 0;
                if number > 0 || (is_continuation && signaling::is_used_again(messages)) {
                    self.facts.add_reuse(messages);
                }
                uses.push(Use { messages, surroundings, is_continuation });
            }
        }
        let mut failures = Vec::new();
        let gathered = (&mut self.facts, &mut self.statistics);
        let heard = hear(&uses, media, rules, gathered, &mut failures, self.keep.has_legs());
        for failure in failures {
            *self.failed_rules.entry(failure.rule).or_default() += 1;
        }
        for (own, heard) in uses.iter().zip(heard) {
            self.take(own.messages, heard, media, rules, own.is_continuation);
        }
    }

    /// Takes the result of a call that was heard.
    fn take(
        &mut self,
        messages: &[Message<'_>],
        heard: Heard<'_>,
        media: Media<'_>,
        rules: &[&'static Rule],
        is_continuation: bool,
    ) {
        let (ladders, examples, keep) = (&self.ladders, &self.examples, &self.keep);
        let bytes: usize = messages.iter().map(|message| message.bytes().len()).sum();
        if self.calls.is_empty() {
            self.calls_room = 0;
        }
        let is_wanted_call = self.calls.len() < keep.calls;
        let has_summary = is_wanted_call && self.calls_room < CALL_BYTES_PER_SHARD_MAX;
        let has_room = has_summary && self.transcripts + bytes <= keep.transcripts;
        let is_wanted = Cell::new(keep.transcripts_of == TranscriptsOf::All);
        let detail = Detail {
            has_summary,
            has_transcript: &|call_id, found| {
                is_wanted.set(keep.wants_transcript(examples, call_id, found));
                is_wanted.get() && has_room
            },
            has_streams: keep.has_legs(),
            has_ladder: &|finding| {
                ladders.get(finding.rule.code).copied().unwrap_or_default() < keep.ladders
            },
        };
        let judged = heard.told(media, rules, detail);
        let has_transcript = judged.summary.as_ref().is_some_and(|own| !own.transcript.is_empty());
        if has_transcript {
            self.transcripts += bytes;
            for finding in &judged.findings {
                *self.examples.entry(finding.rule.code).or_default() += 1;
            }
        } else if self.keep.transcripts > 0 && is_wanted.get() {
            self.drop("transcripts", 1);
        }
        if !has_summary && (is_wanted_call || self.keep.calls >= CALLS_MAX) {
            self.drop("calls", 1);
        }
        self.add(judged, is_continuation);
    }

    fn add(&mut self, judged: Judged, is_continuation: bool) {
        let counts = &judged.counts;
        self.totals.transactions += counts.transactions;
        self.totals.dialogs += counts.dialogs;
        self.totals.retransmissions += counts.retransmissions;
        if let Some(fate) = counts.fate.filter(|_| !is_continuation) {
            self.totals.calls += 1;
            *self.statistics.fates.entry(fate).or_default() += 1;
        }
        let tool = judged.tool;
        for finding in judged.findings {
            if self.named.takes(tool, &finding) || finding.severity < self.keep.min_severity {
                continue;
            }
            if self.findings.len() >= self.keep.findings {
                self.drop("findings", 1);
                continue;
            }
            *self.ladders.entry(finding.rule.code).or_default() += 1;
            self.findings.push(finding);
        }
        if let Some(summary) = judged.summary {
            self.calls_room += summary.room();
            push(&mut self.calls, summary);
        }
        let room = RTP_STREAMS_MAX.saturating_sub(self.claimed.len());
        self.claimed.extend(judged.claimed.into_iter().take(room));
        self.drop("streams-per-call", (!judged.has_all_streams).into());
        self.drop("links", judged.links_dropped);
        match judged.leg {
            Some(leg) if self.legs.len() < LEGS_PER_SHARD_MAX => self.legs.push(&leg),
            leg => self.drop("legs", leg.is_some().into()),
        }
    }

    /// Gives what it has gathered of the capture as a whole, for [`Tally::gather`].
    pub fn hand_over(&mut self) -> Gathered {
        let statistics = std::mem::take(&mut self.statistics);
        Gathered { facts: self.facts.hand_over(), statistics }
    }

    /// Takes what parts have gathered of the capture as a whole, so that there is one table of
    /// hosts and not one for each part. Parts are put together first: what a bound leaves out is
    /// then the same for all of them.
    pub fn gather(&mut self, parts: impl IntoIterator<Item = Gathered>) {
        let mut parts = parts.into_iter();
        let Some(Gathered { mut facts, mut statistics }) = parts.next() else { return };
        for own in parts {
            facts.merge(own.facts);
            statistics.merge(own.statistics);
        }
        self.facts.merge(facts);
        self.statistics.merge(statistics);
    }

    /// Adds what another part has found of the captures, and its counts.
    #[cfg(feature = "parts")]
    pub(crate) fn absorb(&mut self, other: Self) {
        self.facts.merge(other.facts);
        self.statistics.merge(other.statistics);
        self.totals.add(&other.totals);
        add_counts(&mut self.unread, other.unread);
        add_counts(&mut self.dropped, other.dropped);
        add_counts(&mut self.failed_rules, other.failed_rules);
    }

    /// Calls and nothing else.
    #[cfg(feature = "parts")]
    pub(crate) fn of_calls(calls: Vec<CallSummary>) -> Self {
        Self { calls, ..Self::new(Keep::default()) }
    }

    /// From now on it keeps so much.
    #[cfg(feature = "parts")]
    pub(crate) fn set_keep(&mut self, keep: Keep) {
        self.keep = keep;
    }

    /// The calls that it has kept so far.
    #[cfg(feature = "parts")]
    pub(crate) fn take_calls(&mut self) -> Vec<CallSummary> {
        self.calls_room = 0;
        std::mem::take(&mut self.calls)
    }

    fn take_out(&mut self) -> (Facts, Statistics) {
        (std::mem::take(&mut self.facts), std::mem::take(&mut self.statistics))
    }

    /// The streams that a call has, by their first frames.
    pub fn claimed(&self) -> &FxHashSet<FrameId> {
        &self.claimed
    }

    /// Lists RTP streams that no call has; `claimed` are those that one has.
    pub fn add_streams(&mut self, media: Media<'_>, claimed: &[&FxHashSet<FrameId>]) {
        if self.keep.calls == 0 {
            return;
        }
        let is_claimed =
            |stream: &&Stream| claimed.iter().any(|c| c.contains(&stream.first_seen().frame));
        // A single packet that nobody announced only looks like RTP.
        let streams = media.streams().filter(|stream| stream.packets() > 1);
        let mut left: Vec<_> = streams.filter(|stream| !is_claimed(stream)).collect();
        left.sort_unstable_by_key(|stream| stream.first_seen().frame);
        let listed = left.iter().take(STREAMS_LISTED_MAX);
        self.streams = listed.map(|stream| rtp_stream::alone(stream, media)).collect();
        self.drop("streams-listed", (left.len() - self.streams.len()) as u64);
    }

    /// Counts distinct Call-IDs.
    pub fn add_call_ids(&mut self, call_ids: u64) {
        self.totals.call_ids += call_ids;
    }

    /// Counts messages without a Call-ID.
    pub fn add_without_call_id(&mut self, messages: u64) {
        self.totals.without_call_id += messages;
    }

    /// Counts RTP streams.
    pub fn add_rtp_streams(&mut self, streams: u64) {
        self.totals.rtp_streams += streams;
    }

    /// Counts frames.
    pub fn add_frames(&mut self, frames: u64) {
        self.totals.frames += frames;
    }

    /// Adds counts over messages.
    pub fn add_messages(&mut self, counts: &MessageCounts) {
        self.totals.sip_messages += counts.messages();
        self.totals.requests += counts.requests;
        self.totals.responses += counts.responses;
        self.facts.messages += counts.messages();
        self.statistics.add_messages(counts);
    }

    /// Counts what a bound dropped.
    pub fn drop(&mut self, bound: &'static str, count: u64) {
        if count > 0 {
            *self.dropped.entry(bound).or_default() += count;
        }
    }

    /// Folds all parts into the result, the same for any order of the parts.
    pub fn finish(parts: Vec<Self>, profile: &Profile) -> Analysis {
        Self::finish_after(parts, profile, Telling::new(Keep::default(), false))
    }

    /// The same after a part was told: calls and findings are those that were not, all counts are
    /// over everything.
    pub fn finish_after(mut parts: Vec<Self>, profile: &Profile, telling: Telling) -> Analysis {
        let (held, mut legs, mut told) = telling.finish();
        let mut analysis = Analysis::default();
        // The first part has gathered most, and is not put into other tables.
        let (mut facts, statistics) = parts.first_mut().map(Self::take_out).unwrap_or_default();
        analysis.statistics = statistics;
        let mut named = NamedSigns::default();
        let mut min_severity = Severity::Info;
        let mut found = Vec::with_capacity(parts.len());
        let mut packed = Vec::with_capacity(parts.len());
        for part in parts {
            analysis.calls.extend(merge_continuations(part.calls));
            found.push(part.findings);
            packed.push(part.legs);
            analysis.streams.extend(part.streams);
            analysis.totals.add(&part.totals);
            analysis.statistics.merge(part.statistics);
            facts.merge(part.facts);
            named.merge(part.named);
            add_counts(&mut analysis.unread, part.unread);
            add_counts(&mut analysis.dropped, part.dropped);
            add_counts(&mut analysis.failed_rules, part.failed_rules);
            min_severity = min_severity.max(part.keep.min_severity);
        }
        let unlisted = analysis.statistics.unlisted_peers;
        if unlisted > 0 {
            analysis.dropped.insert("peers", unlisted);
        }
        for (bound, dropped) in
            facts.dropped_by_bounds().into_iter().chain(facts.unseen_by_bounds())
        {
            if dropped > 0 {
                *analysis.dropped.entry(bound).or_default() += dropped;
            }
        }
        let is_several = facts.captures.len() > 1;
        let (mut findings, failures) = all_findings(held, found, profile, &facts);
        for failure in failures {
            *analysis.failed_rules.entry(failure.rule).or_default() += 1;
        }
        analysis.totals.copies = facts.copies.count + facts.shared;
        analysis.captures = std::mem::take(&mut facts.captures);
        // Legs take twice as much from now on: not at the same time as the tables of the capture.
        drop(facts);
        legs.reserve_exact(packed.iter().map(Legs::len).sum());
        packed.into_iter().for_each(|own| legs.extend(own));
        let links = told.linked(legs);
        roots::settle(&links, &mut findings);
        owners::settle(&mut findings, &told.findings, named);
        // What owns others may be less bad than they are.
        findings.retain(|finding| finding.severity >= min_severity);
        replaced::complete(links.legs(), &mut findings);
        links.complete_findings(&mut findings);
        links.complete_calls(&mut analysis.calls);
        analysis.totals.findings = told.counts;
        for finding in &findings {
            analysis.totals.findings.add(finding.severity);
        }
        add_counts(&mut analysis.failed_rules, told.failed_rules);
        add_counts(&mut analysis.dropped, told.dropped);
        analysis.incidents = incidents(&findings, told.findings, &analysis.statistics.peers);
        analysis.findings = findings;
        analysis.calls.sort_by_key(|call| (is_several.then_some(call.start), call.first_frame));
        analysis
    }
}

/// Adds an element to a long list without the room that a list takes in advance.
fn push<T>(list: &mut Vec<T>, element: T) {
    if list.len() == list.capacity() {
        list.reserve_exact((list.len() / 8).max(4));
    }
    list.push(element);
}

fn add_counts<K: Ord>(counts: &mut BTreeMap<K, u64>, more: BTreeMap<K, u64>) {
    for (name, count) in more {
        *counts.entry(name).or_default() += count;
    }
}

/// What the rules found in the calls, as far as it stands, and in the capture as a whole; and the
/// rules that failed.
fn all_findings(
    held: Vec<Finding>,
    parts: Vec<Kept>,
    profile: &Profile,
    facts: &Facts,
) -> (Vec<Finding>, Vec<rules::Failure>) {
    let mut failures = Vec::new();
    let stands = |mut finding: Finding| match is_visible(&mut finding, facts) {
        true => Some(finding),
        false => finding.fallback.take().map(|fallback| *fallback),
    };
    let (own, found) = rayon::join(
        || rules::judge_capture(profile, facts, &mut failures),
        || {
            let read = |part: Kept| {
                let mut findings: Vec<Finding> = Vec::with_capacity(part.len());
                findings.extend(part.into_iter().filter_map(stands));
                findings
            };
            parts.into_par_iter().map(read).collect::<Vec<_>>()
        },
    );
    let mut findings: Vec<Finding> = held.into_iter().filter_map(stands).collect();
    // There may be very many.
    findings.reserve_exact(found.iter().map(Vec::len).sum::<usize>() + own.len());
    for mut part in found.into_iter().chain([own]) {
        findings.append(&mut part);
    }
    let is_several = facts.captures.len() > 1;
    sort(&mut findings, is_several);
    rules::judge_together(&mut findings, &profile.settings, &mut failures);
    sort(&mut findings, is_several);
    (findings, failures)
}

/// Incidents among the findings and those that were told before; these are in no list any more.
pub(super) fn incidents(
    findings: &[Finding],
    told: Vec<Finding>,
    peers: &BTreeMap<Host, Peer>,
) -> Vec<Incident> {
    if told.is_empty() {
        return incident::fold(findings, peers);
    }
    let mut all = told;
    all.extend(findings.iter().map(gist));
    sort(&mut all, false);
    let mut incidents = incident::fold(&all, peers);
    for incident in &mut incidents {
        incident.findings = Vec::new();
    }
    incidents
}

/// Findings on the capture first, then those on calls in order of their first frame; of several
/// captures by time.
fn sort(findings: &mut [Finding], is_several: bool) {
    let key = |finding: &Finding| {
        let time = finding.time.filter(|_| is_several);
        (finding.call_id.is_some(), time, finding.frames.first().copied())
    };
    let rest = |a: &Finding, b: &Finding| (a.rule.code, &a.frames).cmp(&(b.rule.code, &b.frames));
    order::sort_by(findings, key, rest);
}

/// Holds a finding against what the whole capture shows; false where it falls.
fn is_visible(finding: &mut Finding, facts: &Facts) -> bool {
    let is_visible = is_shown(finding, facts);
    if finding.asserts_absence
        && is_visible
        && let Some(loss) = loss(finding, facts)
    {
        finding.weaken(loss);
    }
    if let Some(fallback) = &mut finding.fallback
        && !self::is_visible(fallback, facts)
    {
        finding.fallback = None;
    }
    is_visible
}

/// What the capture lost where the finding says that something never came.
fn loss(finding: &Finding, facts: &Facts) -> Option<&'static str> {
    if let (Some(client), Some(server), Some(time)) = (finding.client, finding.server, finding.time)
    {
        let hosts = [client.address, server.address];
        match facts.losses.between(hosts, time, time + wait(finding)) {
            Some(LossKind::Segment) => return Some("missing-segment"),
            Some(LossKind::Fragment | LossKind::FragmentOfAny) => return Some("missing-fragment"),
            None => {}
        }
    }
    let capture = finding.frames.first().map_or(0, |frame| frame.capture);
    (facts.dropped(capture) > 0).then_some("dropped-packets")
}

/// What the whole capture shows lets the finding stand.
fn is_shown(finding: &mut Finding, facts: &Facts) -> bool {
    if !finding.visibility.is_about_presence() && !is_covered(finding, facts) {
        return false;
    }
    match finding.visibility {
        Visibility::Proven | Visibility::ProvenAtEnd => true,
        Visibility::HostElsePossible { host, peer } | Visibility::HostElseNote { host, peer } => {
            if !facts.has_host(host) {
                finding.confidence = Confidence::Possible;
                if matches!(finding.visibility, Visibility::HostElseNote { .. }) {
                    finding.severity = Severity::Info;
                }
            }
            !facts.is_one_sided(peer, host) && !facts.has_unplaced(host, peer)
        }
        Visibility::WayElseNothing(source, destination) => {
            facts.has_way(source, destination) && !facts.has_unplaced(source, destination)
        }
        Visibility::MediaWayElseNothing(ways) => facts.shows_media(ways),
        Visibility::MediaWayElseNote(ways) => {
            if !facts.shows_media(ways) {
                finding.confidence = Confidence::Possible;
                finding.severity = Severity::Info;
            }
            true
        }
        Visibility::UnlessCaptureLost { from, until, gaps } => {
            let is_within = |moment: &&Time| **moment <= until && **moment + MOMENT >= from;
            let common = facts.losses.moments.iter().filter(is_within).count() as u64;
            common == 0 || common * 2 < gaps
        }
        Visibility::UnlessLenient(server) => !facts.is_lenient(server),
        Visibility::UnlessInvited(targets) => {
            !targets.into_iter().flatten().any(|target| facts.has_invited(target))
        }
        Visibility::UnlessClock { age, limit } => {
            let offset = facts.dates.offset();
            if offset.is_none() {
                finding.confidence = Confidence::Possible;
            }
            (age + offset.unwrap_or_default()).abs() > limit
        }
    }
}

/// What is missing was waited for in captures without a pause between them.
fn is_covered(finding: &Finding, facts: &Facts) -> bool {
    let (Some(frame), Some(time)) = (finding.frames.first(), finding.time) else { return true };
    facts.captures.len() < 2 || facts.is_covered(frame.capture, time + wait(finding))
}

/// How long the finding says that something was waited for.
fn wait(finding: &Finding) -> Span {
    match finding.value("waited_ms") {
        Some(Value::Span(wait)) => *wait,
        _ => timers::T1.times(64),
    }
}

/// Makes one entry of the results that one Call-ID had one after another.
fn merge_continuations(mut calls: Vec<CallSummary>) -> Vec<CallSummary> {
    let is_several = calls.iter().any(|call| call.first_frame.capture != 0);
    calls.sort_by_key(|call| (is_several.then_some(call.start), call.first_frame));
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut merged: Vec<CallSummary> = Vec::new();
    for call in calls {
        let place = *places.entry(call.call_id.clone()).or_insert(merged.len());
        let Some(known) = merged.get_mut(place) else {
            merged.push(call);
            continue;
        };
        known.go_on_with(call);
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{BYTES_PER_CALL_MAX, LINKS_PER_LEG_MAX};
    use crate::signaling::samples::{log, surrounded};

    #[test]
    fn legs_have_a_bound() {
        let invite = "INVITE sip:b@h SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\n\
            From: <sip:a@h>;tag=a\nTo: <sip:b@h>\nCall-ID: 1\nCSeq: 1 INVITE\n\n";
        let log = log(&[(0, 1, 2, invite)]);
        let mut tally = Tally::new(Keep { calls: 10, ..Keep::default() });
        surrounded(|own| tally.judge(&log, own, Media::new(&[]), &[], false));
        let leg = tally.legs.clone().into_iter().next().expect("a leg");
        (1..LEGS_PER_SHARD_MAX).for_each(|_| tally.legs.push(&leg));
        surrounded(|own| tally.judge(&log, own, Media::new(&[]), &[], true));
        assert_eq!(tally.legs.len(), LEGS_PER_SHARD_MAX);
        assert_eq!(tally.dropped.get("legs"), Some(&1));
        let analysis = Tally::finish(vec![tally], &Profile::default());
        assert_eq!(analysis.dropped.get("legs"), Some(&1));
    }

    const INVITE: &str = "INVITE sip:b@h SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\n\
        From: <sip:a@h>;tag=a\nTo: <sip:b@h>\nCall-ID: 1\nCSeq: 1 INVITE\n";

    fn judged(tally: &mut Tally, invite: &str) {
        let log = log(&[(0, 1, 2, invite)]);
        surrounded(|own| tally.judge(&log, own, Media::new(&[]), &[], false));
    }

    #[test]
    fn calls_side_by_side_are_judged_like_each_by_itself() {
        let refusal = INVITE.replace("INVITE sip:b@h SIP/2.0", "SIP/2.0 503 Gone");
        let contact = "Contact: <sip:b@192.0.2.1>;expires=60\n";
        let register = INVITE.replace("INVITE", "REGISTER") + contact;
        let accepted = register.replace("REGISTER sip:b@h SIP/2.0", "SIP/2.0 200 OK") + "\n";
        let kinds = [
            vec![(0, 1, 2, format!("{INVITE}\n"))],
            vec![(0, 1, 2, format!("{INVITE}\n")), (900, 2, 1, format!("{refusal}\n"))],
            vec![(0, 1, 2, format!("{}\n", INVITE.replace("CSeq: 1", "CSeq: x")))],
            vec![(0, 1, 2, format!("{register}\n")), (9, 2, 1, accepted)],
        ];
        // Nothing that came after it is kept, and the user may have gone on registering.
        let large = format!("{register}X: {}\n\n", "x".repeat(BYTES_PER_CALL_MAX));
        let logs: Vec<CallLog> = (0..2 * BATCH_MESSAGES)
            .map(|number| {
                let own = kinds.get(number % kinds.len()).expect("a kind").iter();
                let text = |text: &str| text.replace("Call-ID: 1", &format!("Call-ID: {number}"));
                let own: Vec<_> =
                    own.map(|(at, from, to, own)| (*at, *from, *to, text(own))).collect();
                let mut samples: Vec<_> =
                    own.iter().map(|(at, from, to, own)| (*at, *from, *to, &**own)).collect();
                samples.extend((number == BATCH_MESSAGES / 2 + 3).then_some((99, 1, 2, &*large)));
                log(&samples)
            })
            .collect();
        let keep = || Tally::new(Keep { calls: 40, ladders: 3, ..Keep::for_report() });
        let (mut together, mut alone) = (keep(), keep());
        let media = Media::new(&[]);
        surrounded(|surroundings| {
            let cases = logs.iter().zip(0..).map(|(log, number)| {
                let is_continuation = number % 7 == 0;
                Case { log, surroundings, is_continuation }
            });
            together.judge_all(cases.clone(), media, rules::ALL);
            cases.for_each(|case| alone.judge_all([case], media, rules::ALL));
        });
        assert_eq!(logs.iter().filter(|log| log.full_since().is_some()).count(), 1);
        let told = |tally| format!("{:?}", Tally::finish(vec![tally], &Profile::default()));
        let (together, alone) = (told(together), told(alone));
        assert!(together.contains("TXN1"), "rules find something");
        assert!(together.contains("\"registrations\": "), "a registration is given up");
        assert!(together == alone);
    }

    #[test]
    fn calls_have_a_bound_in_bytes() {
        for calls in [10, CALLS_MAX] {
            let mut tally = Tally::new(Keep { calls, ..Keep::default() });
            judged(&mut tally, &format!("{INVITE}\n"));
            assert!(tally.calls_room > size_of::<CallSummary>(), "{}", tally.calls_room);
            tally.calls_room = CALL_BYTES_PER_SHARD_MAX - 1;
            judged(&mut tally, &format!("{INVITE}\n"));
            assert!(tally.dropped.is_empty(), "there was room for one more");
            judged(&mut tally, &format!("{INVITE}\n"));
            assert_eq!(tally.calls.len(), 2);
            let analysis = Tally::finish(vec![tally], &Profile::default());
            assert_eq!(analysis.dropped.get("calls"), Some(&1));
            assert_eq!(analysis.totals.calls, 3, "it is counted all the same");
        }
        let mut tally = Tally::new(Keep { calls: 1, ..Keep::default() });
        judged(&mut tally, &format!("{INVITE}\n"));
        judged(&mut tally, &format!("{INVITE}\n"));
        assert!(tally.dropped.is_empty(), "nobody asked for more than one");
    }

    #[test]
    fn links_and_values_of_a_call_have_bounds() {
        let named: String = (0..20).map(|other| format!("X-CID: other{other}\n")).collect();
        let mut tally = Tally::new(Keep { calls: 10, ..Keep::default() });
        judged(&mut tally, &format!("{INVITE}{named}\n"));
        let linked = tally.calls.first().map(|call| call.linked.len());
        assert_eq!(linked, Some(LINKS_PER_LEG_MAX));
        let analysis = Tally::finish(vec![tally], &Profile::default());
        assert_eq!(analysis.dropped.get("links"), Some(&(20 - LINKS_PER_LEG_MAX as u64)));
        assert_eq!(analysis.dropped.get("leg-values"), Some(&1));
    }
}
