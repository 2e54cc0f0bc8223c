#![doc = include_str!("transfer_failed.md")]

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Call, Message, Subscription, Traits, Transaction};
use crate::sip::{Class, HeaderName, Method, Status, SubscriptionStage};

pub(crate) static RULE: Rule = Rule {
    code: "XFR103",
    name: "transfer-failed",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("transfer_failed.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::SUBSCRIPTIONS]),
    check: Check::Call(check),
};

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for referral in call.subscriptions.iter().filter(|own| own.is_referral()) {
        let Some(refer) = referral.request(call) else { continue };
        let Some(request) = refer.request else { continue };
        match refer.final_response() {
            Some(answer) if is_failure(answer) => {
                if is_taken_up(call, refer) || is_told_before(call, refer) {
                    continue;
                }
                report(call, refer, request, answer, None, findings);
            }
            Some(answer) if refer.first_success().is_some() => {
                if let Some(told) = failed_notify(call, referral) {
                    report(call, refer, request, answer, Some(told), findings);
                }
            }
            Some(_) | None => {}
        }
    }
    notified_before_capture(call, findings);
}

/// The REFER itself was refused; a challenge is only a step.
fn is_failure(answer: &Message<'_>) -> bool {
    answer.status().is_some_and(|status| {
        !matches!(status.class(), Class::Provisional | Class::Success)
            && !matches!(status.code(), 401 | 407)
    })
}

/// Another REFER of the same side followed and was accepted (guard G7).
fn is_taken_up(call: &Call<'_>, refer: &Transaction<'_>) -> bool {
    call.transactions.iter().any(|other| {
        other.method == Method::Refer
            && other.cseq > refer.cseq
            && other.client == refer.client
            && other.first_success().is_some()
    })
}

/// The same refusal on the hop before, where an element gives the dialog other tags and numbers but
/// keeps the Call-ID: that REFER came earlier and was answered later.
fn is_told_before(call: &Call<'_>, refer: &Transaction<'_>) -> bool {
    call.transactions.iter().any(|other| {
        other.method == Method::Refer
            && other.client != refer.client
            && other.final_status() == refer.final_status()
            && other.first_time() < refer.first_time()
            && other.last_time() > refer.last_time()
    })
}

/// The NOTIFY that tells the failure of the referral, unless a success was told as well.
fn failed_notify<'c>(
    call: &Call<'c>,
    referral: &Subscription<'c>,
) -> Option<(&'c Message<'c>, Status)> {
    let told = || referral.told(call).filter(|(notify, status)| is_outcome(notify, *status));
    let has_success = told().any(|(_, status)| status.class() == Class::Success);
    told().find(|(_, status)| status.code() >= 300).filter(|_| !has_success)
}

/// A challenge or redirection that leaves the subscription alive is only a step.
fn is_outcome(notify: &Message<'_>, status: Status) -> bool {
    let is_step = status.class() == Class::Redirection || matches!(status.code(), 401 | 407);
    let is_over = notify
        .subscription_state()
        .is_none_or(|state| matches!(state.stage, SubscriptionStage::Terminated));
    !is_step || is_over
}

/// A NOTIFY of a referral whose REFER was sent before the capture began.
fn notified_before_capture(call: &Call<'_>, findings: &mut Findings<'_>) {
    let mut referrals = call.subscriptions.iter().filter(|own| own.is_referral()).peekable();
    let has_refer = referrals.peek().is_none()
        || call.messages.iter().any(|message| message.method() == Method::Refer);
    if has_refer {
        return;
    }
    for referral in referrals {
        let Some((message, status)) = failed_notify(call, referral) else { continue };
        let hop = referral.notifies(call).find(|(_, notify)| notify.frame == message.frame);
        let Some((notify, _)) = hop else { continue };
        findings.report(
            Report::on(notify)
                .at([message])
                .status(status)
                .severity(severity(status))
                .with("status", status.code())
                .with("told_by", Value::Word("notify")),
        );
    }
}

fn report(
    call: &Call<'_>,
    refer: &Transaction<'_>,
    request: &Message<'_>,
    answer: &Message<'_>,
    notify: Option<(&Message<'_>, Status)>,
    findings: &mut Findings<'_>,
) {
    let Some(accepted) = answer.status() else { return };
    let failed = notify.map_or(accepted, |(_, status)| status);
    let told_by = if notify.is_some() { "notify" } else { "response" };
    let last = notify.map_or(answer, |(notify, _)| notify);
    let resumed = is_resumed(call, last);
    let mut report = Report::on(refer).at([request, answer]).at(notify.map(|(notify, _)| notify));
    if notify.is_some() {
        report = report.status(accepted);
    }
    findings.report(
        report
            .status(failed)
            .severity(severity(failed))
            .with("status", failed.code())
            .with("told_by", Value::Word(told_by))
            .with_some("refer_to", request.header(HeaderName::ReferTo).map(Value::quoted))
            .with("resumed", resumed),
    );
}

/// What the target's user chose is no error of the network.
fn severity(status: Status) -> Severity {
    match status.code() {
        486 | 487 | 600 | 603 => Severity::Warn,
        _ => Severity::Error,
    }
}

/// The first call was taken back: a re-INVITE was answered after the failure was told.
fn is_resumed(call: &Call<'_>, told: &Message<'_>) -> bool {
    call.transactions.iter().any(|transaction| {
        transaction.method == Method::Invite
            && !transaction.is_initial()
            && transaction.started().is_some_and(|started| started >= told.time)
            && transaction.first_success().is_some()
    })
}
