#![doc = include_str!("auth_loop.md")]

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::finding::{Check, Finding, Findings, Gate, Rule, Severity, Value};
use crate::packet::Endpoint;
use crate::rules::reg::report_on;
use crate::signaling::{Call, Chain, ChainEnd, Settings, Threshold, Traits};
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "REG103",
    name: "auth-loop",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("auth_loop.md"),
    thresholds: &[&ROUNDS, &WITHIN],
    gate: Gate::all(&[Traits::OPEN_CHALLENGE]),
    check: Check::Calls { each: check, together },
};

/// Two proxies that want credentials, one after the other, and a nonce that is too old make three
/// rounds.
static ROUNDS: Threshold = Threshold::count("rounds", 4);

/// Rounds under several Call-IDs belong to one loop when they come within this time.
static WITHIN: Threshold = Threshold::span("within", Span::from_secs(60));

/// Requests with credentials that a loop in one call has at least; one is a single try.
const ANSWERS_MIN: usize = 2;

/// Rounds whose frames are named.
const SHOWN_MAX: usize = 6;

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for chain in call.chains() {
        // Without credentials it is no loop, only a challenge that nobody answers.
        let answers = chain.answers();
        if answers == 0 || chain.end(call) == ChainEnd::Passed {
            continue;
        }
        let rounds = u64::try_from(chain.rounds.len()).unwrap_or(u64::MAX);
        let is_loop = rounds >= call.settings().count(&ROUNDS) && answers >= ANSWERS_MIN;
        report(call, chain, is_loop, findings);
    }
}

fn report(call: &Call<'_>, chain: &Chain<'_>, is_loop: bool, findings: &mut Findings<'_>) {
    let (Some(first), Some(last)) = (chain.rounds.first(), chain.last()) else { return };
    let Some(report) = report_on(call, chain) else { return };
    findings.report(
        report
            .at(chain.rounds.iter().take(SHOWN_MAX).flat_map(|own| [own.request, own.response]))
            .at([last.request, last.response])
            .needs_company(!is_loop)
            .with("answers", chain.answers())
            .with("lasted_ms", last.at().since(first.request.time)),
    );
}

/// Rounds by one user of one device under several Call-IDs make a loop, too. Devices are told apart
/// by source port and User-Agent.
fn together(findings: &mut [&mut Finding], settings: &Settings) {
    let mut own: Vec<_> = findings.iter_mut().filter(|own| text(own, "user").is_some()).collect();
    own.sort_by(|one, other| {
        by_device(one, other).then(one.time.cmp(&other.time)).then(one.frames.cmp(&other.frames))
    });
    for device in own.chunk_by_mut(|one, other| by_device(one, other) == Ordering::Equal) {
        mark(device, settings);
    }
}

/// Marks the findings of one device that make a loop within the time.
fn mark(own: &mut [&mut &mut Finding], settings: &Settings) {
    let (least, within) = (settings.count(&ROUNDS), settings.span(&WITHIN));
    let seen: Vec<_> = own.iter().map(|own| (own.time.unwrap_or_default(), rounds(own))).collect();
    let mut is_part = vec![false; seen.len()];
    let (mut start, mut sum, mut marked) = (0, 0u64, 0);
    for (end, (at, rounds)) in seen.iter().enumerate() {
        sum = sum.saturating_add(*rounds);
        while let Some((_, left)) = seen.get(start).filter(|(since, _)| *at > *since + within) {
            sum = sum.saturating_sub(*left);
            start += 1;
        }
        if sum >= least && end > start {
            let from = start.max(marked);
            is_part.iter_mut().take(end + 1).skip(from).for_each(|part| *part = true);
            marked = end + 1;
        }
    }
    let parts = own.iter().zip(&is_part).filter(|(_, part)| **part);
    let calls: BTreeSet<_> = parts.filter_map(|(own, _)| own.call_id.clone()).collect();
    for (finding, _) in own.iter_mut().zip(is_part).filter(|(_, part)| *part) {
        finding.needs_company = false;
        finding.evidence.retain(|(name, _)| *name != "call_ids");
        if calls.len() > 1 {
            finding.evidence.push(("call_ids", calls.len().into()));
        }
    }
}

fn by_device(one: &Finding, other: &Finding) -> Ordering {
    let key = |own: &Finding| source(own);
    key(one)
        .cmp(&key(other))
        .then_with(|| text(one, "user").cmp(&text(other, "user")))
        .then_with(|| text(one, "software").cmp(&text(other, "software")))
}

/// Who sent the requests.
fn source(finding: &Finding) -> Option<Endpoint> {
    match finding.value("from") {
        Some(Value::Endpoint(from)) => Some(*from),
        _ => finding.client,
    }
}

fn text<'f>(finding: &'f Finding, name: &str) -> Option<&'f str> {
    match finding.value(name)? {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

fn rounds(finding: &Finding) -> u64 {
    match finding.value("rounds") {
        Some(Value::Number(rounds)) => u64::try_from(*rounds).unwrap_or(0),
        _ => 0,
    }
}
