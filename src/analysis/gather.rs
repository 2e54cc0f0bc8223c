//! Several analyses side by side, for a report on captures that were judged each by itself.

use crate::analysis::{Analysis, CallSummary, Screened, StreamSummary};
use crate::capture::FrameId;
use crate::finding::{Finding, Sign};

/// One analysis of all: the captures in that order, the frames numbered by them, counts added up.
///
/// Nothing is judged again, so that a Call-ID that occurs in several parts is several calls, and
/// incidents are those of each part.
pub fn gather(parts: impl IntoIterator<Item = Analysis>) -> Analysis {
    let mut sum = Analysis::default();
    for part in parts {
        add(&mut sum, part);
    }
    sum
}

fn add(sum: &mut Analysis, mut part: Analysis) {
    let by = u16::try_from(sum.captures.len()).unwrap_or(u16::MAX);
    part.calls.iter_mut().for_each(|call| move_call(call, by));
    part.streams.iter_mut().for_each(|stream| move_stream(stream, by));
    part.findings.iter_mut().for_each(|finding| move_finding(finding, by));
    let before = sum.findings.len();
    for incident in &mut part.incidents {
        incident.findings.iter_mut().for_each(|place| *place += before);
    }
    sum.captures.append(&mut part.captures);
    sum.totals.add(&part.totals);
    sum.calls.append(&mut part.calls);
    sum.streams.append(&mut part.streams);
    sum.findings.append(&mut part.findings);
    sum.incidents.append(&mut part.incidents);
    sum.statistics.merge(part.statistics);
    for (reason, count) in part.unread {
        *sum.unread.entry(reason).or_default() += count;
    }
    for (bound, count) in part.dropped {
        *sum.dropped.entry(bound).or_default() += count;
    }
    for (rule, count) in part.failed_rules {
        *sum.failed_rules.entry(rule).or_default() += count;
    }
    sum.hosts.append(&mut part.hosts);
    add_screened(&mut sum.screened, part.screened);
}

fn move_frame(frame: &mut FrameId, by: u16) {
    frame.capture = frame.capture.saturating_add(by);
}

fn move_call(call: &mut CallSummary, by: u16) {
    move_frame(&mut call.first_frame, by);
    move_frame(&mut call.last_frame, by);
    call.streams.iter_mut().for_each(|stream| move_stream(stream, by));
    call.transcript.iter_mut().for_each(|step| move_frame(&mut step.frame, by));
    for transaction in &mut call.transactions {
        transaction.request_frame.iter_mut().for_each(|frame| move_frame(frame, by));
        let responses = transaction.provisional.iter_mut().chain(&mut transaction.final_response);
        responses.for_each(|response| move_frame(&mut response.frame, by));
    }
}

fn move_stream(stream: &mut StreamSummary, by: u16) {
    let digits = stream.digits.iter_mut().map(|digit| &mut digit.first);
    for seen in digits.chain([&mut stream.first, &mut stream.last]) {
        move_frame(&mut seen.frame, by);
    }
}

fn move_finding(finding: &mut Finding, by: u16) {
    let signs = finding.propagated.iter_mut().chain(&mut finding.related);
    let of_signs = signs.flat_map(|sign: &mut Sign| &mut sign.frames);
    let of_ladder = finding.ladder.iter_mut().map(|line| &mut line.frame);
    finding.frames.iter_mut().chain(of_signs).chain(of_ladder).for_each(|f| move_frame(f, by));
    if let Some(fallback) = &mut finding.fallback {
        move_finding(fallback, by);
    }
}

fn add_screened(sum: &mut Screened, part: Screened) {
    for own in part.ignored {
        match sum.ignored.iter_mut().find(|known| known.line == own.line) {
            Some(known) => known.count += own.count,
            None => sum.ignored.push(own),
        }
    }
    sum.ignored.sort_by_key(|ignored| ignored.line);
    sum.known = match (sum.known, part.known) {
        (Some(one), Some(other)) => Some(one + other),
        (one, other) => one.or(other),
    };
    sum.vanished.extend(part.vanished);
}
