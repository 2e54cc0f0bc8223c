#![doc = include_str!("redirect_not_followed.md")]

use crate::finding::{
    Check, Confidence, Findings, Gate, Report, Rule, Severity, Value, Visibility,
};
use crate::signaling::{Call, Message, Target, Traits, Transaction};
use crate::sip::{Address, Class, HeaderName, Status};
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "CAL204",
    name: "redirect-not-followed",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("redirect_not_followed.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::LOST, Traits::REDIRECTION]),
    check: Check::Call(check),
};

/// A caller follows a redirection within this time, or not at all.
const FOLLOWED_WITHIN: Span = Span::from_secs(32);

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for attempt in &call.attempts {
        if attempt.is_resolved(call) || attempt.is_answered() {
            continue;
        }
        let Some(first) = attempt.first_hop(call) else { continue };
        let origin = attempt.origin(call, first);
        let Some(answer) = redirection(origin) else { continue };
        let is_due = call.is_observed(answer.time, FOLLOWED_WITHIN);
        if !is_due || call.is_given_up(first) || is_of_stir(answer) {
            continue;
        }
        if let Some(targets) = targets(answer).filter(|_| !call.goes_on_unseen(first)) {
            report(origin, answer, targets, findings);
        }
    }
}

fn redirection<'c>(hop: &Transaction<'c>) -> Option<&'c Message<'c>> {
    let answer = hop.final_response()?;
    (answer.status().map(Status::class) == Some(Class::Redirection)).then_some(answer)
}

/// The answer of a service that signs or verifies callers: it hands its result back in a
/// redirection, and the call goes on elsewhere.
fn is_of_stir(answer: &Message<'_>) -> bool {
    let has_verdict =
        |value: &[u8]| value.windows(7).any(|part| part.eq_ignore_ascii_case(b"verstat"));
    answer.has(HeaderName::Identity)
        || answer.lines(HeaderName::Contact).any(has_verdict)
        || answer.lines(HeaderName::PAssertedIdentity).any(has_verdict)
}

/// Where SIP can follow to; `None` if nowhere, or to more places than are looked at.
fn targets(answer: &Message<'_>) -> Option<[Option<Target>; 4]> {
    let mut targets = [None; 4];
    let mut places = targets.iter_mut();
    for contact in answer.values(HeaderName::Contact) {
        // An address that is no SIP URI may be called by other means.
        *places.next()? = Some(Target::of(&Address::of(contact).uri)?);
    }
    targets.first().copied().flatten().map(|_| targets)
}

fn report(
    hop: &Transaction<'_>,
    answer: &Message<'_>,
    targets: [Option<Target>; 4],
    findings: &mut Findings<'_>,
) {
    let Some(status) = answer.status() else { return };
    findings.report(
        Report::on(hop)
            .at(hop.request)
            .at([answer])
            .status(status)
            .confidence(Confidence::Likely)
            .visibility(Visibility::UnlessInvited(targets))
            .with("status", status.code())
            .with("phrase", Value::quoted(answer.reason_phrase().unwrap_or_default().as_bytes()))
            .with_some("contact", answer.header(HeaderName::Contact).map(Value::quoted))
            .with("waited_ms", FOLLOWED_WITHIN)
            .with_some("software", answer.software().map(Value::quoted)),
    );
}
