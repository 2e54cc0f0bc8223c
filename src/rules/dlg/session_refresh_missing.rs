#![doc = include_str!("session_refresh_missing.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Call, Dialog, Message, SessionTimer, Traits};
use crate::sip::{Method, timers};
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "DLG304",
    name: "session-refresh-missing",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("session_refresh_missing.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::SESSION_EXPIRES]),
    check: Check::Call(check),
};

/// How long after the end of the interval a BYE is still the end of the session (RFC 4028, section
/// 10).
const BYE_UNTIL: Span = Span::from_secs(5);

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let calls = call.dialogs.iter().filter(|dialog| dialog.method == Method::Invite);
    for dialog in calls.filter(|dialog| dialog.is_confirmed()) {
        let Some(timer) = dialog.session_timer(call) else { continue };
        let is_refreshed = dialog.has_refresh_after(call, &timer);
        if timer.interval > Span::default() && !is_refreshed && shows_way(call, dialog) {
            judge(call, dialog, &timer, findings);
        }
    }
}

/// What is sent inside the dialog comes past the capture (guard G2): without a Record-Route, a
/// proxy sees how the dialog begins and nothing more.
fn shows_way(call: &Call<'_>, dialog: &Dialog<'_>) -> bool {
    !dialog.acks.is_empty() || dialog.requests(call).next().is_some()
}

fn judge(
    call: &Call<'_>,
    dialog: &Dialog<'_>,
    timer: &SessionTimer<'_>,
    findings: &mut Findings<'_>,
) {
    let Some(is_caller) = timer.is_refreshed_by_caller(dialog) else { return };
    let due = timers::session_refresh(timer.interval);
    let expiry = timers::session_expiry(timer.interval);
    let start = timer.granted.time;
    match dialog.farewell(call) {
        Some(bye) => {
            let after = bye.time.since(start);
            let is_expiry = after >= expiry && after <= timer.interval + BYE_UNTIL;
            // It ended before a refresh was due, or when one might have come at any moment; or one
            // may be what the numbers show to be missing.
            if after < due + BYE_UNTIL || call.misses_request(dialog, (start, bye.time)) {
                return;
            }
            let (severity, confidence) = match is_expiry {
                true => (Severity::Error, Confidence::Likely),
                // Some refresh later than at half the interval, which is late but not too late.
                false if after < expiry => (Severity::Warn, Confidence::Possible),
                false => (Severity::Warn, Confidence::Likely),
            };
            let report = report(call, timer, is_caller, after).at([bye]);
            findings.report(
                report
                    .severity(severity)
                    .confidence(confidence)
                    .with("ended", Value::Word("bye"))
                    .with("bye_by", Value::Word(side(is_of_caller(dialog, bye)))),
            );
        }
        None if call.is_observed(start, due + BYE_UNTIL)
            && !call.misses_request(dialog, (start, call.observed_until())) =>
        {
            let after = call.observed_until().since(start);
            let is_over = after >= timer.interval;
            findings.report(
                report(call, timer, is_caller, after)
                    .severity(Severity::Warn)
                    .confidence(if is_over { Confidence::Likely } else { Confidence::Possible })
                    .with("ended", Value::Word("never")),
            );
        }
        None => {}
    }
}

fn report(call: &Call<'_>, timer: &SessionTimer<'_>, is_caller: bool, after: Span) -> Report {
    let report = match call.transactions.get(timer.transaction) {
        Some(transaction) => Report::on(transaction),
        None => Report::on_capture(),
    };
    report
        .at([timer.granted])
        .with("interval_ms", timer.interval)
        .with("refresher", Value::Word(side(is_caller)))
        .with("since_refresh_ms", after)
        .with("refreshes", timer.refreshes)
}

/// A request comes from the side of its From, a response from the side of its To.
fn is_of_caller(dialog: &Dialog<'_>, bye: &Message<'_>) -> bool {
    bye.from_tag() == Some(dialog.caller_tag)
}

const fn side(is_caller: bool) -> &'static str {
    if is_caller { "caller" } else { "callee" }
}
