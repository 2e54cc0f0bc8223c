#![doc = include_str!("refer_outcome_unknown.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Call, Message, Subscription, Traits, Transaction};
use crate::sip::{HeaderName, Status};
use crate::time::{Span, Time};

pub(crate) static RULE: Rule = Rule {
    code: "XFR102",
    name: "refer-outcome-unknown",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("refer_outcome_unknown.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::SUBSCRIPTIONS]),
    check: Check::Call(check),
};

/// What ended the referral before its outcome was told.
struct End<'c> {
    word: &'static str,
    time: Time,
    message: Option<&'c Message<'c>>,
}

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let has_refer = call.subscriptions.iter().any(|own| own.is_referral() && is_made(own));
    for referral in call.subscriptions.iter().filter(|own| own.is_referral()) {
        // A NOTIFY that fits none of the REFERs in the capture tells nothing of one before it.
        if has_refer && !is_made(referral) {
            continue;
        }
        let Some((last, status)) = last_progress(call, referral) else { continue };
        let Some(end) = end(call, referral, last) else { continue };
        report(call, referral, last, status, &end, findings);
    }
}

/// The REFER is in the capture.
const fn is_made(referral: &Subscription<'_>) -> bool {
    !referral.requests.is_empty()
}

/// The last NOTIFY, where all tell nothing but progress and all were taken. What the capture cut or
/// did not get may have told more (guards G3 and G5).
fn last_progress<'c>(
    call: &Call<'c>,
    referral: &Subscription<'c>,
) -> Option<(&'c Message<'c>, Status)> {
    let is_told = referral.told(call).any(|(_, status)| status.is_final());
    let is_doubtful = referral.notifies(call).any(|(notify, _)| {
        notify.is_cut() || notify.finals.is_empty() || notify.first_success().is_none()
    });
    let is_unclear = is_told || is_doubtful || referral.has_unseen_notify;
    referral.told(call).next_back().filter(|_| !is_unclear)
}

fn end<'c>(call: &Call<'c>, referral: &Subscription<'c>, last: &'c Message<'c>) -> Option<End<'c>> {
    if let Some((_, notify)) = referral.termination(call) {
        return Some(End { word: "terminated", time: notify.time, message: Some(notify) });
    }
    let expiry = referral.expiry(call);
    let bye = call.dialog_of(last).and_then(|dialog| dialog.farewell(call));
    let bye =
        bye.filter(|bye| bye.time >= last.time && expiry.is_none_or(|expiry| bye.time < expiry));
    // The final NOTIFY may follow the BYE.
    let (end, wait) = match (bye, expiry) {
        (Some(bye), _) => {
            (End { word: "bye", time: bye.time, message: Some(bye) }, call.patience())
        }
        (None, Some(expiry)) => {
            (End { word: "expired", time: expiry, message: None }, Span::default())
        }
        (None, None) => return None,
    };
    let is_observed = call.is_observed(end.time, wait);
    (is_observed && !shows_notify(call, last, end.time + wait)).then_some(end)
}

/// The numbers of the side that tells show that a request of it is missing after the last NOTIFY,
/// which may be the one with the outcome (guard G3).
fn shows_notify<'c>(call: &Call<'c>, last: &Message<'c>, until: Time) -> bool {
    let (Some(dialog), Some(side)) = (call.dialog_of(last), last.from_tag()) else { return false };
    call.misses_request_of(dialog, side, (last.time, until))
}

fn report(
    call: &Call<'_>,
    referral: &Subscription<'_>,
    last: &Message<'_>,
    status: Status,
    end: &End<'_>,
    findings: &mut Findings<'_>,
) {
    let refer = referral.request(call);
    let hop = || referral.notifies(call).next().map(|(notify, _)| notify);
    let Some(transaction) = refer.or_else(hop) else { return };
    // The least that RFC 3515 wants: progress once, and the end of the subscription.
    let (severity, confidence) = match end.word {
        "terminated" => (Severity::Info, Confidence::Certain),
        _ => (Severity::Warn, Confidence::Likely),
    };
    let request = refer.and_then(|refer| refer.request);
    findings.report(
        Report::on(transaction)
            .at(request)
            .at(refer.and_then(Transaction::first_success))
            .at([last])
            .at(end.message)
            .status(status)
            .severity(severity)
            .confidence(confidence)
            .with("status", status.code())
            .with("ended", Value::Word(end.word))
            .with("waited_ms", end.time.since(last.time))
            .with_some("refer_to", refer_to(request)),
    );
}

fn refer_to(request: Option<&Message<'_>>) -> Option<Value> {
    request?.header(HeaderName::ReferTo).map(Value::quoted)
}
