#![doc = include_str!("refer_accepted_no_notify.md")]

use crate::finding::{
    Check, Confidence, Findings, Gate, Report, Rule, Severity, Value, Visibility,
};
use crate::signaling::{Call, Message, Traits, Transaction};
use crate::sip::HeaderName;
use crate::time::{Span, Time};

pub(crate) static RULE: Rule = Rule {
    code: "XFR101",
    name: "refer-accepted-no-notify",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("refer_accepted_no_notify.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::SUBSCRIPTIONS]),
    check: Check::Call(check),
};

/// A referrer that hangs up so soon did not want to know.
const HUNG_UP_AT_ONCE: Span = Span::from_secs(1);

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for referral in call.subscriptions.iter().filter(|own| own.is_referral()) {
        // What the referrer itself gets counts, which is on the first hop.
        let Some(refer) = referral.request(call) else { continue };
        let (Some(request), Some(answer)) = (refer.request, refer.first_success()) else {
            continue;
        };
        // A NOTIFY in whatever dialog counts; the response to an unseen one proves it as well
        // (guard G3).
        let is_notified = !referral.notifies.is_empty() || referral.has_unseen_notify;
        if is_notified || declines_notify(request, answer) {
            continue;
        }
        let bye = first_bye(call, answer);
        let ended = bye.map(|bye| bye.time).filter(|time| *time < answer.time + call.patience());
        let is_observed = call.is_observed(answer.time, call.patience());
        if (ended.is_some() || is_observed) && !shows_notify(call, answer) {
            report(call, refer, request, answer, ended, findings);
        }
    }
}

/// The two sides agreed to do without (RFC 4488, RFC 7614).
fn declines_notify(request: &Message<'_>, answer: &Message<'_>) -> bool {
    let declines = |message: &Message<'_>| {
        message.named("Refer-Sub").any(|value| {
            value.trim_ascii().get(..5).is_some_and(|word| word.eq_ignore_ascii_case(b"false"))
        })
    };
    let tags = [b"norefersub".as_slice(), b"nosub", b"explicitsub"];
    let requires = request
        .values(HeaderName::Require)
        .any(|value| tags.iter().any(|tag| value.trim_ascii().eq_ignore_ascii_case(tag)));
    // Who accepts with `Refer-Sub: false` sends none, whether it was asked for or not.
    requires || declines(answer)
}

/// The numbers of the side that accepted the REFER show that a request of it is missing, which may
/// be the NOTIFY (guard G3).
fn shows_notify<'c>(call: &Call<'c>, answer: &Message<'c>) -> bool {
    let (Some(dialog), Some(side)) = (call.dialog_of(answer), answer.to_tag()) else {
        return false;
    };
    call.misses_request_of(dialog, side, (answer.time, call.observed_until()))
}

fn first_bye<'c>(call: &Call<'c>, answer: &Message<'c>) -> Option<&'c Message<'c>> {
    let dialog = call.dialog_of(answer)?;
    dialog.bye(call)?.request.filter(|bye| bye.time >= answer.time)
}

fn report(
    call: &Call<'_>,
    refer: &Transaction<'_>,
    request: &Message<'_>,
    answer: &Message<'_>,
    ended: Option<Time>,
    findings: &mut Findings<'_>,
) {
    let Some(status) = answer.status() else { return };
    let bye = first_bye(call, answer).filter(|bye| Some(bye.time) == ended);
    let is_own_bye = bye.is_some_and(|bye| bye.from_tag() == request.from_tag());
    let until = ended.unwrap_or(answer.time + call.patience());
    let waited = until.since(answer.time);
    let (severity, confidence) = match is_own_bye && waited <= HUNG_UP_AT_ONCE {
        // The outcome is unknown, which may be all that the referrer wanted.
        true => (Severity::Info, Confidence::Possible),
        false => (Severity::Error, Confidence::Likely),
    };
    let (client, server) = (refer.client, refer.server);
    findings.report(
        Report::on(refer)
            .at([request, answer])
            .at(bye)
            .status(status)
            .severity(severity)
            .confidence(confidence)
            .visibility(Visibility::WayElseNothing(server.address, client.address))
            .with("status", status.code())
            .with("waited_ms", waited)
            .with("ended", Value::Word(if bye.is_some() { "bye" } else { "timer-n" }))
            .with_some("refer_to", request.header(HeaderName::ReferTo).map(Value::quoted)),
    );
}
