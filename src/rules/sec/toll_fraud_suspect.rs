#![doc = include_str!("toll_fraud_suspect.md")]

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::rules::sec::{credential_brute_force, scanner};
use crate::signaling::{Dialling, Dials, Facts, Probing, Settings, Threshold};

pub(crate) static RULE: Rule = Rule {
    code: "SEC103",
    name: "toll-fraud-suspect",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("toll_fraud_suspect.md"),
    thresholds: &[&ATTEMPTS, &VARIANTS],
    gate: Gate::CAPTURE,
    check: Check::Capture(check),
};

/// Fewer calls abroad that nobody answers are somebody's mistake.
static ATTEMPTS: Threshold = Threshold::count("attempts", 5);

/// Users dial a number with and without prefix; nobody has five ways for it.
static VARIANTS: Threshold = Threshold::count("variants", 5);

/// Numbers that a finding lists.
const LISTED: usize = 4;

/// Why a host is suspected.
struct Suspicion {
    ground: &'static str,
    confidence: Confidence,
    severity: Severity,
    /// Ways to dial one number.
    forms: Option<u64>,
    calls: Dials,
}

fn check(facts: &Facts, findings: &mut Findings<'_>) {
    let settings = findings.settings();
    // The strongest ground of each host.
    let mut hosts: BTreeMap<IpAddr, Suspicion> = BTreeMap::new();
    let all = of_attackers(facts, settings)
        .into_iter()
        .chain(of_prefixes(facts, settings))
        .chain(of_strangers(facts, settings));
    for (host, suspicion) in all {
        hosts.entry(host).or_insert(suspicion);
    }
    // Calls that cost money first.
    let mut suspicions: Vec<_> = hosts.into_values().collect();
    suspicions.sort_by_key(|own| own.calls.answered == 0);
    suspicions.iter().for_each(|suspicion| report(suspicion, findings));
}

/// Calls abroad of hosts that scan or guess passwords.
fn of_attackers(facts: &Facts, settings: &Settings) -> Vec<(IpAddr, Suspicion)> {
    let attempts = settings.count(&ATTEMPTS);
    let guesses = facts.suspects.guesses(&credential_brute_force::criteria(settings));
    let scans = facts.suspects.scans(&scanner::criteria(settings));
    let mut found = Vec::new();
    for (ground, probings) in [("password-guessing", guesses), ("scanner", scans)] {
        for host in probings.iter().flat_map(Probing::sources) {
            let Some(calls) = facts.dialled.abroad(host) else { continue };
            if calls.answered > 0 || calls.count >= attempts {
                found.push((host, Suspicion::new(ground, calls.clone())));
            }
        }
    }
    found
}

/// Hosts that try one number with one prefix after the other.
fn of_prefixes(facts: &Facts, settings: &Settings) -> Vec<(IpAddr, Suspicion)> {
    let variants = usize::try_from(settings.count(&VARIANTS)).unwrap_or(usize::MAX);
    let found = facts.dialled.variants(variants).into_iter();
    let suspicion = |own: Dialling| Suspicion {
        forms: Some(own.forms),
        ..Suspicion::new("prefixes-tried", own.calls)
    };
    found.map(|own| (own.host, suspicion(own))).collect()
}

/// Hosts on the Internet that call abroad without credentials. A trunk that is known by its address
/// does so, too, so nobody is suspected where the user has not said what is abroad.
fn of_strangers(facts: &Facts, settings: &Settings) -> Vec<(IpAddr, Suspicion)> {
    if settings.home_cc.is_none() {
        return Vec::new();
    }
    let attempts = settings.count(&ATTEMPTS);
    let found = facts.dialled.open().into_iter().filter(|(_, calls)| calls.count >= attempts);
    let suspicion = |calls: &Dials| Suspicion {
        confidence: Confidence::Possible,
        severity: Severity::Warn,
        ..Suspicion::new("no-credentials", calls.clone())
    };
    found.map(|(host, calls)| (host, suspicion(calls))).collect()
}

impl Suspicion {
    fn new(ground: &'static str, calls: Dials) -> Self {
        let (confidence, severity) = (Confidence::Likely, Severity::Error);
        Self { ground, confidence, severity, forms: None, calls }
    }
}

fn report(suspicion: &Suspicion, findings: &mut Findings<'_>) {
    let calls = &suspicion.calls;
    let Some(first) = calls.first_answered.first().or(calls.first.first()) else { return };
    let shown = || calls.first_answered.iter().chain(&calls.first);
    let mut numbers: Vec<&str> = Vec::new();
    for dial in shown() {
        if !numbers.contains(&&*dial.number) && numbers.len() < LISTED {
            numbers.push(&dial.number);
        }
    }
    let numbers = numbers.iter().map(|number| Value::quoted(number.as_bytes())).collect();
    let some = |count: u64| (count > 0).then_some(count);
    findings.report(
        Report::on_capture()
            .between(first.client, first.server)
            .frames(shown().map(|dial| (dial.frame, dial.at)))
            .severity(suspicion.severity)
            .confidence(suspicion.confidence)
            .with("from", Value::Text(first.client.address.to_string()))
            .with("to", first.server)
            .with("attempts", calls.count)
            .with("answered", calls.answered)
            .with("ground", Value::Word(suspicion.ground))
            .with_some("number_variants", suspicion.forms)
            .with_some("premium", some(calls.premium))
            .with("numbers", Value::List(numbers))
            .with_some("lasted_ms", calls.spell().map(|spell| spell.until.since(spell.from)))
            .owning(calls.spell().into_iter().collect()),
    );
}
