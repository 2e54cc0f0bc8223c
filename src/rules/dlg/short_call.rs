#![doc = include_str!("short_call.md")]

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::media::Media;
use crate::signaling::{Call, Facts, SHORT_TALK, Threshold, Traits};
use crate::sip::HeaderName;

pub(crate) static RULE: Rule = Rule {
    code: "DLG206",
    name: "short-call",
    severity: Severity::Info,
    since: "0.1.0",
    entry: include_str!("short_call.md"),
    thresholds: &[&SHORT_TALK, &SHORT_SHARE, &ANSWERED_CALLS],
    gate: Gate::all(&[Traits::BYE, Traits::ATTEMPT]),
    check: Check::Both { each: check, capture: check_hosts },
};

/// Of the calls that a host answered, more than these being short is no chance.
static SHORT_SHARE: Threshold = Threshold::percent("short-share", 30);

/// Of fewer calls, a share says nothing.
static ANSWERED_CALLS: Threshold = Threshold::count("answered-calls", 10);

fn check(call: &Call<'_>, _: Media<'_>, findings: &mut Findings<'_>) {
    let Some(talk) = call.talk() else { return };
    if talk.length() >= findings.settings().span(&SHORT_TALK) {
        return;
    }
    findings.report(
        Report::beside(talk.hop)
            .at([talk.answer, talk.bye])
            .with("talk_ms", talk.length())
            .with("bye_by", Value::Word(side(talk.is_ended_by_caller())))
            .with_some("reason", talk.bye.header(HeaderName::Reason).map(Value::quoted)),
    );
}

/// One finding for each host that answers many calls of which the same side ends too many at once.
fn check_hosts(facts: &Facts, findings: &mut Findings<'_>) {
    let share = u64::from(findings.settings().percent(&SHORT_SHARE));
    let calls = findings.settings().count(&ANSWERED_CALLS);
    let within = findings.settings().span(&SHORT_TALK);
    for (host, own) in facts.talks.short() {
        let (short, is_caller) = own.short();
        if own.calls < calls || short.count * 100 <= own.calls * share {
            continue;
        }
        findings.report(
            Report::on_capture()
                .frames(short.first.iter().map(|(frame, time, _)| (*frame, *time)))
                .severity(Severity::Warn)
                .with("to", Value::Text(host.to_string()))
                .with("answered_calls", own.calls)
                .with("short_calls", short.count)
                .with("percent", own.short_percent())
                .with("shorter_than_ms", within)
                .with("bye_by", Value::Word(side(is_caller))),
        );
    }
}

const fn side(is_caller: bool) -> &'static str {
    if is_caller { "caller" } else { "callee" }
}
