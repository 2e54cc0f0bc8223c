#![doc = include_str!("registration_lapsed.md")]

use crate::capture::FrameId;
use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::limits::REGISTRATIONS_MAX;
use crate::signaling::{Facts, Lapse, Moving, Threshold};
use crate::sip::timers;
use crate::time::{Span, Time};

pub(crate) static RULE: Rule = Rule {
    code: "REG107",
    name: "registration-lapsed",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("registration_lapsed.md"),
    thresholds: &[&GRACE, &CHANGES, &WITHIN],
    gate: Gate::CAPTURE,
    check: Check::Capture(check),
};

/// A REGISTER that is on its way when the time is over may still come (RFC 3261, timer F).
static GRACE: Threshold = Threshold::span("grace", timers::F);

/// A device changes its address when it is restarted or goes to another network, but not so often.
static CHANGES: Threshold = Threshold::count("changes", 3);

/// The time for so many changes.
static WITHIN: Threshold = Threshold::span("within", Span::from_secs(600));

/// Requests that a finding names.
const LISTED: usize = 3;

/// The capture goes on for so much longer than what is waited for (guard G1).
const HORIZON: Span = Span::from_secs(1);

fn check(facts: &Facts, findings: &mut Findings<'_>) {
    let settings = findings.settings();
    let (grace, within) = (settings.span(&GRACE), settings.span(&WITHIN));
    let changes = usize::try_from(settings.count(&CHANGES)).unwrap_or(REGISTRATIONS_MAX).max(1);
    // Where some are not known, nothing is known to be missing.
    if facts.registrations.dropped() == 0 {
        let is_known =
            |lapse: &Lapse<'_>| !lapse.refused.is_empty() || is_observed(facts, lapse, grace);
        let lapses: Vec<_> = facts.registrations.lapses(grace).filter(is_known).collect();
        for of_device in lapses.chunk_by(Lapse::is_same_device) {
            // The first one of those that did most harm.
            let worst = of_device.iter().rev().max_by_key(|lapse| lapse.refused.len());
            if let Some(worst) = worst {
                findings.report(lapsed(facts, worst).with("times", of_device.len()));
            }
        }
    }
    for (name, moving) in facts.registrations.moving() {
        let is_fast = |moves: &[(FrameId, Time)]| match moves {
            [(_, first), .., (_, last)] => last.since(*first) <= within,
            _ => true,
        };
        if let Some(moves) = moving.moves.windows(changes).find(|moves| is_fast(moves)) {
            let frames = moves.iter().map(|(frame, time)| (*frame, *time));
            findings.report(flapping(name, moving).frames(frames).with("changes", moves.len()));
        }
    }
}

/// The capture goes on until a refresh would be late (guard G1).
fn is_observed(facts: &Facts, lapse: &Lapse<'_>, grace: Span) -> bool {
    let until = lapse.spell.end + grace + HORIZON;
    let (last, frame) = lapse.spell.last;
    facts.last_time >= until
        && facts.is_covered(frame.capture, until)
        && !facts.coverage.has_hole(last, until.since(last))
}

fn lapsed(facts: &Facts, lapse: &Lapse<'_>) -> Report {
    let spell = lapse.spell;
    let (client, registrar) = (spell.client, spell.registrar);
    let (time, frame) = spell.last;
    // The refresh may be among what the capture lacks (guard G5).
    let is_lossy = facts.dropped(frame.capture) > 0
        || facts.losses.between([client.address, registrar.address], time, spell.end).is_some();
    let confidence = if is_lossy { Confidence::Possible } else { Confidence::Likely };
    let refused = lapse.refused.iter().take(LISTED);
    let report = Report::on_capture()
        .between(client, registrar)
        .frames(
            [(frame, time)].into_iter().chain(refused.map(|((time, frame), _)| (*frame, *time))),
        )
        .confidence(confidence)
        .absence(true)
        .with("what", Value::Word("lapsed"))
        .with("aor", Value::quoted(lapse.name))
        .with("contact", Value::quoted(&spell.contact))
        .with("registrar", registrar)
        .with("granted_ms", spell.granted)
        .with("refused_requests", lapse.refused.len())
        .with_some("missing_ms", lapse.again.map(|again| again.since(spell.end)));
    match lapse.refused.first() {
        Some((_, status)) => report.status(*status).with("status", status.code()),
        None => report,
    }
}

fn flapping(name: &[u8], moving: &Moving) -> Report {
    let [first, last] = &moving.contacts;
    Report::on_capture()
        .between(moving.client, moving.registrar)
        .confidence(Confidence::Certain)
        .with("what", Value::Word("flapping"))
        .with("aor", Value::quoted(name))
        .with("contact", Value::quoted(last))
        .with("registrar", moving.registrar)
        .with_some("contact_before", (first != last).then(|| Value::quoted(first)))
}
