#![doc = include_str!("overload_storm.md")]

use std::collections::BTreeSet;

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Facts, Storm, StormCriteria, Threshold};
use crate::sip::Status;

pub(crate) static RULE: Rule = Rule {
    code: "SEC104",
    name: "overload-storm",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("overload_storm.md"),
    thresholds: &[&REQUESTS, &SHARE],
    gate: Gate::CAPTURE,
    check: Check::Capture(check),
};

/// Of fewer requests within half a minute a share says nothing.
static REQUESTS: Threshold = Threshold::count("requests", 20);

/// More failures than this are more than a few bad calls.
static SHARE: Threshold = Threshold::percent("share", 20);

/// A server has one port for UDP and TCP, and another one for TLS.
const PORTS_OF_DEVICES: usize = 3;

fn check(facts: &Facts, findings: &mut Findings<'_>) {
    let settings = findings.settings();
    if settings.is_load_test {
        return;
    }
    let criteria = StormCriteria {
        requests: settings.count(&REQUESTS),
        percent: settings.percent(&SHARE).into(),
    };
    let mut storms = facts.loads.storms(&criteria);
    storms.retain(|storm| {
        confidence(storm).is_some() && is_visible(facts, storm) && !is_many_devices(storm)
    });
    for (storm, signs) in with_signs(storms) {
        report(&storm, &signs, findings);
    }
}

/// The storms, each with those at its clients: a back-to-back user agent fails its own callers when
/// the server behind it fails it.
fn with_signs(storms: Vec<Storm>) -> Vec<(Storm, Vec<Storm>)> {
    let behind = |at: &usize| {
        let own = storms.get(*at)?;
        storms.iter().position(|other| other.is_behind(own))
    };
    let root = |at: usize| {
        // In a ring nobody knows which is the last, and there each stands for itself.
        let way: Vec<_> = std::iter::successors(behind(&at), behind).take(storms.len()).collect();
        way.last().copied().filter(|_| way.len() < storms.len())
    };
    let roots: Vec<Option<usize>> = (0..storms.len()).map(root).collect();
    let mut found: Vec<_> = storms.iter().map(|storm| (storm.clone(), Vec::new())).collect();
    for (storm, root) in storms.iter().zip(&roots) {
        if let Some((_, signs)) = root.and_then(|root| found.get_mut(root)) {
            signs.push(storm.clone());
        }
    }
    found.into_iter().zip(roots).filter(|(_, root)| root.is_none()).map(|(own, _)| own).collect()
}

/// Answers of the server would have been seen (guard G2), where some are said to be missing.
fn is_visible(facts: &Facts, storm: &Storm) -> bool {
    let ways = storm.trouble.first.iter().map(|(.., client, server)| (server, client));
    storm.trouble.unanswered == 0
        || ways.into_iter().all(|(server, client)| {
            facts.has_way(server.address, client.address)
                && !facts.is_one_sided(client.address, server.address)
        })
}

/// Each of the first failures is from another port: these are phones behind one address, and not
/// one server.
fn is_many_devices(storm: &Storm) -> bool {
    let ports = storm.trouble.first.iter().map(|(.., server)| server.port);
    let several: BTreeSet<_> = ports.collect();
    several.len() >= PORTS_OF_DEVICES && several.len() == storm.trouble.first.len()
}

/// How sure it is that the load is what made the requests fail: 503 says so, above all with
/// Retry-After; who fails every request may be broken. None where nothing speaks for load.
fn confidence(storm: &Storm) -> Option<Confidence> {
    let own = &storm.trouble;
    let is_everything = own.count() >= storm.requests;
    match (own.with_retry_after > 0 || own.control.is_some(), own.unavailable, is_everything) {
        (true, ..) => Some(Confidence::Certain),
        (false, 0, true) => None,
        (false, 0, false) => Some(Confidence::Possible),
        (false, _, true) => Some(Confidence::Possible),
        (false, _, false) => Some(Confidence::Likely),
    }
}

fn report(storm: &Storm, signs: &[Storm], findings: &mut Findings<'_>) {
    let own = &storm.trouble;
    let Some((_, _, client, server)) = own.first.first() else { return };
    let some = |count: u64| (count > 0).then_some(count);
    let is_ignored = storm.hurried > 0;
    let mut report = Report::on_capture()
        .between(*client, *server)
        .frames(own.first.iter().map(|(at, frame, ..)| (*frame, *at)))
        .confidence(confidence(storm).unwrap_or(Confidence::Possible))
        .absence(own.unanswered > 0)
        .with("to", Value::Text(storm.host.to_string()))
        .with("requests", storm.requests)
        .with("failed", own.count())
        .with("percent", storm.percent())
        .with_some("got_503", some(own.unavailable))
        .with_some("got_500", some(own.errors))
        .with_some("got_nothing", some(own.unanswered))
        .with_some("retry_after", own.retry_after)
        .with_some("too_early", some(storm.hurried))
        .with_some("variant", is_ignored.then_some(Value::Word("retry-after-ignored")))
        .with_some("overload_control", own.control.as_ref().map(|(_, told)| Value::quoted(told)))
        .with_some("clients_failing", (!signs.is_empty()).then(|| Value::List(hosts(signs))))
        .with("lasted_ms", storm.length());
    for (code, count) in [(503, own.unavailable), (500, own.errors)] {
        if let Some(status) = Status::new(code).filter(|_| count > 0) {
            report = report.status(status);
        }
    }
    let spells = std::iter::once(storm).chain(signs).flat_map(|storm| storm.spells.iter().copied());
    findings.report(report.owning(spells.collect()));
}

fn hosts(storms: &[Storm]) -> Vec<Value> {
    storms.iter().map(|storm| Value::Text(storm.host.to_string())).collect()
}
