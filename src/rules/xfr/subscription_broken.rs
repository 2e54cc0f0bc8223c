#![doc = include_str!("subscription_broken.md")]

use crate::finding::{
    Check, Confidence, Findings, Gate, Report, Rule, Severity, Value, Visibility,
};
use crate::signaling::{Call, Message, Subscription, Traits, Transaction};
use crate::sip::{HeaderName, Method, Status, SubscriptionStage};

pub(crate) static RULE: Rule = Rule {
    code: "XFR105",
    name: "subscription-broken",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("subscription_broken.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::SUBSCRIPTIONS]),
    check: Check::Call(check),
};

/// Why a notifier ends a subscription that the watcher still wants (RFC 6665, section 4.1.3).
const BROKEN: [&[u8]; 3] = [b"rejected", b"giveup", b"noresource"];

/// What was watched no longer exists (RFC 6665, section 4.1.3): a conference that is over, a dialog
/// that has ended. Nothing is lost to a watcher who was told of it as long as it did.
const GONE: &[u8] = b"noresource";

/// The watched state will not change any more, so nothing is lost (RFC 6665, section 4.1.3).
const SETTLED: &[u8] = b"invariant";

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for subscription in call.subscriptions.iter().filter(|own| !own.is_referral()) {
        never_notified(call, subscription, findings);
        notify_refused(call, subscription, findings);
        terminated(call, subscription, findings);
    }
}

/// The SUBSCRIBE was accepted, and no NOTIFY came within 64*T1 (RFC 6665, section 4.1.2.4).
fn never_notified(call: &Call<'_>, own: &Subscription<'_>, findings: &mut Findings<'_>) {
    let Some(subscribe) = own.request(call).filter(|subscribe| subscribe.is_initial()) else {
        return;
    };
    let accepted = own.requests.iter().filter_map(|index| call.transactions.get(*index));
    let Some((request, answer)) =
        accepted.clone().find_map(|t| Some((t.request?, t.first_success()?)))
    else {
        return;
    };
    let is_done_without = answer.status().is_some_and(|status| status.code() == 204)
        || [request, answer].into_iter().any(|message| message.expires() == Some(0));
    let is_notified = !own.notifies.is_empty() || own.has_unseen_notify;
    if is_done_without || is_notified || !call.is_observed(answer.time, call.patience()) {
        return;
    }
    // Without a Record-Route, the notifier sends to the Contact, perhaps past the capture.
    let is_direct = answer.has(HeaderName::RecordRoute) || is_from_contact(answer);
    let (client, server) = (subscribe.client, subscribe.server);
    findings.report(
        report(subscribe, own, "no-notify")
            .at([request, answer])
            .confidence(if is_direct { Confidence::Likely } else { Confidence::Possible })
            .visibility(Visibility::WayElseNothing(server.address, client.address))
            .with_some("status", answer.status().map(Status::code)),
    );
}

/// The NOTIFYs will come from the host that sent this answer.
fn is_from_contact(answer: &Message<'_>) -> bool {
    let host = answer.contact().and_then(|contact| contact.uri.host()?.address());
    host == Some(answer.source.address)
}

/// The watcher no longer knows the subscription, or does not answer; worse where the notifier does
/// not mind.
fn notify_refused(call: &Call<'_>, own: &Subscription<'_>, findings: &mut Findings<'_>) {
    let is_taken_later = |notify: &Transaction<'_>| {
        own.notifies(call)
            .any(|(other, _)| other.cseq > notify.cseq && other.first_success().is_some())
    };
    let mut is_told = false;
    for (notify, request) in own.notifies(call) {
        let answer = notify.final_response().filter(|_| notify.first_success().is_none());
        let status = answer.and_then(Message::status);
        let is_refused = status.is_some_and(|status| matches!(status.code(), 481 | 489));
        let is_silent = notify.downstream.is_empty() && call.is_unanswered(notify);
        // A NOTIFY outside of any dialog asks for no subscription.
        let is_faulty = (is_refused && !is_told) || is_silent;
        if !is_faulty || is_ending(call, own, request) || is_taken_later(notify) {
            continue;
        }
        is_told |= is_refused;
        let later = own.notifies(call).filter(|(other, _)| other.first_time() > notify.last_time());
        let goes_on = later.count();
        let severity = match is_refused && goes_on == 0 {
            // The notifier has to stop, and perhaps it did.
            true => Severity::Info,
            false => Severity::Warn,
        };
        // Without an answer a client repeats over UDP; perhaps one came, but not into the capture.
        let doubt = if notify.is_sent_once() { Confidence::Possible } else { Confidence::Likely };
        let (client, server) = (notify.client, notify.server);
        let mut report = report(notify, own, if is_refused { "rejected" } else { "no-answer" })
            .at([request])
            .at(answer)
            .severity(severity)
            .with_some("status", status.map(Status::code))
            .with("notifies_after", goes_on);
        report = match status {
            Some(status) => report.status(status),
            None => report
                .confidence(doubt)
                .visibility(Visibility::WayElseNothing(server.address, client.address)),
        };
        findings.report(report);
    }
}

/// The notifier ended the subscription although the watcher wanted it.
fn terminated(call: &Call<'_>, own: &Subscription<'_>, findings: &mut Findings<'_>) {
    let Some((notify, request)) = own.termination(call) else { return };
    let Some(reason) = request.subscription_state().and_then(|state| state.reason()) else {
        return;
    };
    let is = |word: &[u8]| reason.eq_ignore_ascii_case(word);
    let is_broken = BROKEN.into_iter().any(is);
    if !(is_broken || is(SETTLED)) || is_ending(call, own, request) {
        return;
    }
    let severity = match is_broken && !(is(GONE) && was_active(call, own, request)) {
        true => Severity::Warn,
        false => Severity::Info,
    };
    findings.report(
        report(notify, own, "terminated")
            .at([request])
            .severity(severity)
            .with("state_reason", Value::quoted(reason)),
    );
}

/// The watcher was told the state before this NOTIFY.
fn was_active(call: &Call<'_>, own: &Subscription<'_>, end: &Message<'_>) -> bool {
    let mut before = own.notifies(call).filter(|(_, notify)| notify.time < end.time);
    before.any(|(_, notify)| {
        notify.subscription_state().is_some_and(|state| state.stage == SubscriptionStage::Active)
    })
}

/// The watcher has said that it wants no more, or asked for the state only once.
fn is_ending(call: &Call<'_>, own: &Subscription<'_>, notify: &Message<'_>) -> bool {
    let requests = own.requests.iter().filter_map(|index| call.transactions.get(*index));
    let mut before = requests.filter_map(|t| t.request).filter(|own| own.time <= notify.time);
    before.any(|request| request.method() == Method::Subscribe && request.expires() == Some(0))
}

fn report(transaction: &Transaction<'_>, own: &Subscription<'_>, fault: &'static str) -> Report {
    Report::on(transaction)
        .with("event", Value::quoted(own.package))
        .with("result", Value::Word(fault))
}
