//! One fault, one finding.
//!
//! Several rules may see the outcome of one INVITE: on another hop, or in more general words. The
//! farthest-downstream hop owns the finding (guard G9), a specific rule goes before
//! `final-response`; the others become signs of it.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::finding::{Confidence, Ending, Finding, Severity, Sign, Value, Visibility};
use crate::limits::SIGNS_PER_FINDING_MAX;
use crate::signaling::{Attempt, Call, Message, Transaction};
use crate::sip::Class;

/// Rules that explain how an INVITE ended, the most specific first: what befell the messages, what
/// was missing in them, who refused for which reason, and how long it took. The farthest hop comes
/// before the order of this list.
const OUTCOMES: [&str; 39] = [
    COMBINING,
    "tcp-connect-failed",
    "tls-handshake-failed",
    "stream-closed-mid-transaction",
    "icmp-unreachable",
    "udp-fragment-lost",
    "missing-mandatory-header",
    "cseq-invalid",
    "content-length-mismatch",
    "duplicate-singleton-header",
    "message-too-large",
    "loop-detected",
    "max-forwards-trouble",
    "invite-no-response",
    "timer-c-expiry",
    "trying-then-server-failure",
    "progress-then-bad-gateway",
    "prack-failure",
    "emergency-call-failed",
    "identity-required",
    "identity-content-mismatch",
    "identity-invalid",
    "call-blocked",
    "auth-parameter-mismatch",
    "auth-stale-nonce-loop",
    "auth-loop",
    "auth-credentials-rejected",
    "auth-challenge-unanswered",
    "session-interval-too-small",
    "extension-required-missing",
    "replaces-failed",
    "srtp-profile-mismatch",
    "no-common-codec",
    "redirect-not-followed",
    "bad-request-explained",
    "trying-then-silence",
    "long-ringing-no-answer",
    "failure-after-progress",
    GENERAL,
];

/// Sums up the branches of one INVITE, so it goes before what each of them shows.
const COMBINING: &str = "failover-exhausted";

/// Say only that a request failed.
const GENERAL_REQUESTS: [&str; 3] = ["request-no-response", "reinvite-rejected", "bye-no-response"];

/// Says only that a call failed.
const GENERAL: &str = "final-response";

/// Says only that it failed late.
const LATE: &str = "failure-after-progress";

/// What the caller heard on the way. As a note it is a detail of how the INVITE ended; as a warning
/// it stands for an ending that is no worse.
const DETAILS: [&str; 3] = ["progress-without-early-media", ANNOUNCED, "slow-post-dial-delay"];

/// Audio that was likely the explanation, so it stands for a failure that nothing else explains.
const ANNOUNCED: &str = "early-media-announcement-then-failure";

/// Rules that explain what became of any other request, or of the ACK, the most specific first: of
/// those on one transaction the first one stands.
const REQUESTS: [&str; 41] = [
    "icmp-unreachable",
    "tcp-connect-failed",
    "tls-handshake-failed",
    "stream-closed-mid-transaction",
    "missing-mandatory-header",
    "auth-parameter-mismatch",
    "auth-stale-nonce-loop",
    "auth-loop",
    "auth-credentials-rejected",
    "auth-challenge-unanswered",
    "cseq-invalid",
    "content-length-mismatch",
    "duplicate-singleton-header",
    "message-too-large",
    "bad-request-explained",
    "forked-2xx-unhandled",
    "ack-mismatch",
    "ack-sent-to-wrong-place",
    "cancel-crosses-answer",
    "missing-ack-2xx",
    "ack-2xx-late-recovered",
    "ack-non2xx-missing",
    "cancel-unmatched-481",
    "cancel-without-487",
    "bye-rejected",
    "bye-no-response",
    "transfer-failed",
    "refer-notify-rejected",
    "subscription-broken",
    "session-refresh-rejected",
    "session-interval-too-small",
    "extension-required-missing",
    "in-dialog-481",
    "reinvite-glare",
    "dtmf-not-delivered",
    "method-not-supported",
    "cseq-out-of-order",
    "reinvite-rejected",
    "register-rejected",
    "late-final-after-timeout",
    "request-no-response",
];

/// Rules that explain why a request was sent again before it was answered, the most specific first.
/// What became of the request is another matter.
const REPEATS: [&str; 5] = [
    "late-final-after-timeout",
    "response-path-mismatch",
    "ack-non2xx-missing",
    "no-100-trying",
    "request-retransmitted",
];

/// Faults that lead to others in the same call: both stand, and the second names the first.
const LEADS_TO: [(&str, &str); 28] = [
    (HIDDEN, "missing-ack-2xx"),
    ("cancel-crosses-answer", "missing-ack-2xx"),
    ("icmp-unreachable", "missing-ack-2xx"),
    ("missing-mandatory-header", "missing-ack-2xx"),
    ("missing-ack-2xx", "fixed-interval-drop"),
    ("missing-ack-2xx", "one-way-rtp"),
    ("session-refresh-missing", "fixed-interval-drop"),
    ("private-sdp-from-public", "one-way-rtp"),
    ("private-sdp-from-public", "no-rtp"),
    ("icmp-unreachable", "one-way-rtp"),
    ("icmp-unreachable", "no-rtp"),
    ("message-too-large", "udp-fragment-lost"),
    ("message-too-large", "invite-no-response"),
    ("udp-fragment-lost", "invite-no-response"),
    ("message-sanity", "bad-request-explained"),
    ("via-branch-invalid", "bad-request-explained"),
    (HIDDEN, "request-no-response"),
    (HIDDEN, "bye-no-response"),
    (HIDDEN, "refer-accepted-no-notify"),
    ("record-route-unreachable", "missing-ack-2xx"),
    ("record-route-unreachable", "request-no-response"),
    ("record-route-unreachable", "bye-no-response"),
    ("response-path-mismatch", "missing-ack-2xx"),
    ("loop-detected", "max-forwards-trouble"),
    ("route-set-ignored", "request-no-response"),
    ("route-set-ignored", "bye-no-response"),
    ("route-set-ignored", "bye-rejected"),
    ("route-set-ignored", "in-dialog-481"),
];

/// Faults of which the second one, in the same call, is no more than what was heard of the first.
const EXPLAINS: [(&str, &str); 7] = [
    ("auth-credentials-rejected", "register-rejected"),
    ("fixed-interval-drop", "media-gap"),
    ("srtp-profile-mismatch", "one-way-rtp"),
    ("srtp-profile-mismatch", "no-rtp"),
    ("offer-unanswered", "one-way-rtp"),
    ("offer-unanswered", "no-rtp"),
    ("direction-conflict", "media-gap"),
];

/// Says only that something may be wrong with the call; a fault of it tells what.
const SIGN: &str = "short-call";

/// Leads requests to a host that only its own network can reach. It is as bad as what comes of it,
/// and nothing comes of it for requests that go to somebody else.
const HIDDEN: &str = "private-contact-from-public";

/// Leads media to such a host; it is as bad as what comes of it, too, once the whole capture has
/// shown that this stands.
const HIDDEN_MEDIA: &str = "private-sdp-from-public";

/// Leaves one root finding for each attempt and each request, and turns the others into signs of
/// it.
pub(crate) fn settle(call: &Call<'_>, found: Vec<Finding>) -> Vec<Finding> {
    if found.is_empty() {
        return found;
    }
    let mut settled = settle_attempts(call, found);
    // What stands alone explains nothing else.
    if settled.len() < 2 {
        return settled;
    }
    settled = settle_requests(call, settled, &REQUESTS);
    settled = settle_requests(call, settled, &REPEATS);
    link(call, &mut settled);
    let settled = settle_explained(call, settled);
    let mut settled = settle_signs(call, settled);
    settled.sort_by(|a, b| (a.frames.first(), a.rule.code).cmp(&(b.frames.first(), b.rule.code)));
    settled
}

/// Leaves one root finding for the outcome of each attempt, behind what else was found.
fn settle_attempts(call: &Call<'_>, found: Vec<Finding>) -> Vec<Finding> {
    let is_outcome = |finding: &mut Finding| {
        OUTCOMES.contains(&finding.rule.name)
            && call.attempts.iter().any(|attempt| is_of(attempt, finding))
    };
    let mut settled = found;
    let mut outcomes: Vec<_> = settled.extract_if(.., is_outcome).collect();
    for attempt in &call.attempts {
        if outcomes.is_empty() {
            break;
        }
        let is_own = |finding: &mut Finding| is_of(attempt, finding);
        let own: Vec<_> = outcomes.extract_if(.., is_own).collect();
        let Some(root) = settle_attempt(call, attempt, own) else { continue };
        let is_detail =
            |finding: &mut Finding| DETAILS.contains(&finding.rule.name) && is_of(attempt, finding);
        let details: Vec<_> = settled.extract_if(.., is_detail).collect();
        let mut root = join(call, root, details);
        root.ending = ending(call, attempt);
        if let Some(fallback) = &mut root.fallback {
            fallback.ending = root.ending;
        }
        settled.push(root);
    }
    settled
}

/// Makes causes as bad as the effects that name them, when all captures have been read.
pub(crate) fn settle_together(findings: &mut [Finding]) {
    let names_cause = |finding: &Finding| {
        finding.related.iter().any(|sign| sign.rule == HIDDEN_MEDIA && sign.call_id.is_none())
    };
    let mut worst: HashMap<String, Severity> = HashMap::new();
    for effect in findings.iter().filter(|finding| names_cause(finding)) {
        let Some(call_id) = &effect.call_id else { continue };
        let known = worst.entry(call_id.clone()).or_insert(effect.severity);
        *known = effect.severity.max(*known);
    }
    for cause in findings.iter_mut().filter(|finding| finding.rule.name == HIDDEN_MEDIA) {
        let effect = cause.call_id.as_ref().and_then(|call_id| worst.get(call_id));
        if let Some(severity) = effect.filter(|severity| **severity > cause.severity) {
            cause.severity = *severity;
            cause.confidence = cause.confidence.max(Confidence::Likely);
        }
    }
}

/// How the attempt ended, if it failed for good.
fn ending(call: &Call<'_>, attempt: &Attempt<'_>) -> Option<Ending> {
    if attempt.is_answered() || attempt.is_resolved(call) {
        return None;
    }
    let response = attempt.first_hop(call)?.final_response();
    Some(Ending {
        at: response.map(|response| response.time),
        status: response.and_then(Message::status),
    })
}

/// The finding is on a hop of the attempt.
fn is_of(attempt: &Attempt<'_>, finding: &Finding) -> bool {
    finding.transaction.is_some_and(|hop| attempt.hops.contains(&hop))
}

/// It stands, whatever other calls show.
fn is_firm(finding: &Finding) -> bool {
    !finding.needs_company
        && !matches!(
            finding.visibility,
            Visibility::UnlessInvited(_)
                | Visibility::UnlessLenient(_)
                | Visibility::UnlessClock { .. }
        )
}

/// Leaves one finding on each transaction among those that explain the same.
fn settle_requests(call: &Call<'_>, found: Vec<Finding>, list: &[&str]) -> Vec<Finding> {
    let place = |finding: &Finding| list.iter().position(|name| *name == finding.rule.name);
    let mut settled = found;
    let mut own: Vec<_> = settled.extract_if(.., |finding| place(finding).is_some()).collect();
    own.sort_by_key(|finding| (finding.transaction, place(finding)));
    let mut own = own.into_iter().peekable();
    while let Some(first) = own.next() {
        let hop = first.transaction;
        let mut group = vec![first];
        while let Some(next) = own.next_if(|next| hop.is_some() && next.transaction == hop) {
            group.push(next);
        }
        settled.extend(settle_request(call, group));
    }
    settled
}

/// The first of those on one transaction, and the others as signs of it. Where it may fall, the
/// root without it is its fallback.
fn settle_request(call: &Call<'_>, own: Vec<Finding>) -> Option<Finding> {
    let first = own.first()?;
    // Company is looked for last, so what takes the place of one that has none must be firm.
    let may_follow = |next: &&Finding| !first.needs_company || is_firm(next);
    let rest: Vec<_> = match is_firm(first) {
        true => Vec::new(),
        false => own.iter().skip(1).filter(may_follow).cloned().collect(),
    };
    let mut own = own.into_iter();
    let mut root = own.next()?;
    // What may fall makes nothing worse.
    for finding in own.filter(is_firm) {
        absorb(&mut root, &finding);
        if root.rule.name != finding.rule.name {
            root.related.push(sign_of(call, &finding));
        }
    }
    // The root of an attempt has its fallback already.
    if let Some(fallback) = settle_request(call, rest) {
        root.fallback = Some(Box::new(fallback));
    }
    Some(root)
}

/// The root is as bad as what it explains, and explains its codes. What only says that a request
/// failed knows less of how bad that is.
fn absorb(root: &mut Finding, finding: &Finding) {
    if !GENERAL_REQUESTS.contains(&finding.rule.name) {
        root.severity = root.severity.max(finding.severity);
    }
    for status in &finding.statuses {
        if !root.statuses.contains(status) {
            root.statuses.push(*status);
        }
    }
}

/// Turns what a fault explains into a sign of it.
fn settle_explained(call: &Call<'_>, mut settled: Vec<Finding>) -> Vec<Finding> {
    for (cause, effect) in EXPLAINS {
        let is_cause = |finding: &Finding| {
            finding.rule.name == cause && is_firm(finding) && finding.severity > Severity::Info
        };
        if settled.iter().any(is_cause) {
            let is_effect = |finding: &mut Finding| finding.rule.name == effect;
            let effects: Vec<_> = settled.extract_if(.., is_effect).collect();
            if let Some(root) = settled.iter_mut().find(|finding| is_cause(finding)) {
                root.related.extend(effects.iter().map(|finding| sign_of(call, finding)));
            }
        }
    }
    settled
}

/// What only hints at a fault is a sign of the worst one that was found in the call.
fn settle_signs(call: &Call<'_>, found: Vec<Finding>) -> Vec<Finding> {
    let mut settled = found;
    let signs: Vec<_> = settled.extract_if(.., |finding| finding.rule.name == SIGN).collect();
    let faults = settled.iter_mut().filter(|finding| finding.severity > Severity::Info);
    match faults.rev().max_by_key(|finding| finding.severity) {
        Some(fault) => fault.related.extend(signs.iter().map(|sign| sign_of(call, sign))),
        None => settled.extend(signs),
    }
    settled
}

/// Names the cause in the findings that it led to.
fn link(call: &Call<'_>, settled: &mut [Finding]) {
    for (cause, effect) in LEADS_TO {
        let causes: Vec<_> = settled
            .iter()
            .enumerate()
            .filter(|(_, finding)| finding.rule.name == cause)
            .map(|(place, finding)| (place, sign_of(call, finding), owner_of(finding)))
            .collect();
        for (place, sign, owner) in causes {
            let mut worst = None;
            for finding in settled.iter_mut().filter(|finding| finding.rule.name == effect) {
                if cause != HIDDEN || is_meant_for(owner, finding) {
                    // All causes stand by themselves, so none is lost.
                    if finding.related.len() < SIGNS_PER_FINDING_MAX {
                        finding.related.push(sign.clone());
                    }
                    worst = worst.max(Some(finding.severity));
                }
            }
            let waiting = settled.get_mut(place).filter(|_| cause == HIDDEN_MEDIA);
            if let Some(waiting) = waiting.filter(|_| worst.is_some()) {
                waiting.visibility = Visibility::ProvenAtEnd;
            }
            let hidden = settled.get_mut(place).filter(|_| cause == HIDDEN);
            if let (Some(hidden), Some(worst)) = (hidden, worst) {
                hidden.severity = hidden.severity.max(worst);
                hidden.confidence = hidden.confidence.max(Confidence::Likely);
            }
        }
    }
}

/// The host that hides behind its Contact: where it is, and where it says that it is.
fn owner_of(finding: &Finding) -> [Option<IpAddr>; 2] {
    ["from", "contact_end"].map(|name| match finding.value(name) {
        Some(Value::Endpoint(end)) => Some(end.address),
        _ => None,
    })
}

/// What did not come ought to have come to this host.
fn is_meant_for(owner: [Option<IpAddr>; 2], effect: &Finding) -> bool {
    let waiting = match effect.rule.name {
        "refer-accepted-no-notify" => effect.client,
        _ => effect.server,
    };
    waiting.is_some_and(|waiting| owner.contains(&Some(waiting.address)))
}

/// One finding of how an INVITE ended and what the caller heard before.
fn join(call: &Call<'_>, mut root: Finding, details: Vec<Finding>) -> Finding {
    for mut detail in details {
        if !is_better(&detail, &root) {
            root.related.push(sign_of(call, &detail));
            continue;
        }
        detail.severity = detail.severity.max(root.severity);
        detail.related.push(sign_of(call, &root));
        detail.propagated.append(&mut root.propagated);
        // How the INVITE ended, unless the detail tells it for its own hop.
        let own = detail.own_status.filter(|status| status.is_final());
        detail.own_status = own.or(root.own_status).or(detail.own_status);
        for status in root.statuses.drain(..) {
            if !detail.statuses.contains(&status) {
                detail.statuses.push(status);
            }
        }
        root = detail;
    }
    root
}

/// What the caller heard tells more than how the INVITE ended.
fn is_better(detail: &Finding, root: &Finding) -> bool {
    match (root.rule.name, detail.rule.name) {
        // Before a busy signal the audio was the ringing tone.
        (LATE, ANNOUNCED) => root.severity > Severity::Info,
        (GENERAL, ANNOUNCED) => true,
        (LATE, _) => detail.severity > root.severity,
        (GENERAL, _) => detail.severity > Severity::Info && detail.severity >= root.severity,
        _ => false,
    }
}

/// The root finding of an attempt. Where it needs company, or falls by what other calls show, the
/// root without it is its fallback.
fn settle_attempt(call: &Call<'_>, attempt: &Attempt<'_>, own: Vec<Finding>) -> Option<Finding> {
    // Where nothing can fall, nothing need take its place.
    let is_open = own.iter().any(|finding| !is_firm(finding));
    let firm = || own.iter().filter(|finding| is_firm(finding)).cloned().collect();
    let firm: Vec<_> = if is_open { firm() } else { Vec::new() };
    let mut root = root(call, attempt, own)?;
    if !is_firm(&root) {
        root.fallback = settle_attempt(call, attempt, firm).map(Box::new);
    }
    Some(root)
}

fn root(call: &Call<'_>, attempt: &Attempt<'_>, mut own: Vec<Finding>) -> Option<Finding> {
    let rank = |finding: &Finding| {
        let depth = depth_of(call, finding);
        let place = OUTCOMES.iter().position(|name| *name == finding.rule.name);
        let last = hop_of(call, finding).map(Transaction::last_time);
        let is_beside = hop_of(call, finding).is_some_and(|hop| is_beside(call, attempt, hop));
        let name = finding.rule.name;
        // What sums up the branches before each of them, on the way before beside it, specific
        // before general, deep before shallow, late before early.
        (
            name != COMBINING,
            is_beside,
            name == GENERAL,
            std::cmp::Reverse(depth),
            place,
            std::cmp::Reverse(last),
        )
    };
    own.sort_by_cached_key(rank);
    let mut own = own.into_iter();
    let mut root = own.next()?;
    let root_hop = root.transaction;
    let root_depth = depth_of(call, &root);
    for finding in own {
        // What sums up the branches is as bad as what came of them.
        if root.rule.name == COMBINING {
            root.severity = root.severity.max(finding.severity);
        }
        // On one hop, nothing more is said by that it failed, or failed late.
        let is_same_hop = finding.transaction == root_hop;
        if finding.rule.name == GENERAL || (finding.rule.name == LATE && is_same_hop) {
            continue;
        }
        // What needs company may fall; on one hop the root says the same without it.
        if is_same_hop && is_firm(&root) && !is_firm(&finding) {
            continue;
        }
        let depth = depth_of(call, &finding);
        let sign = sign_of(call, &finding);
        if depth < root_depth {
            root.propagated.push(sign);
        } else {
            root.related.push(sign);
        }
    }
    // The final response on its way up to the caller, where no rule of its own has named it.
    for hop in attempt.transactions(call).filter(|hop| call.depth(hop) < root_depth) {
        let is_named = root.propagated.iter().any(|sign| sign.client == Some(hop.client));
        let failure = hop.final_response().filter(|_| hop.first_success().is_none());
        if let Some(answer) = failure.filter(|_| !is_named) {
            root.propagated.push(Sign {
                rule: GENERAL,
                frames: vec![answer.frame],
                client: Some(hop.client),
                server: Some(hop.server),
                status: answer.status(),
                call_id: None,
                link: None,
            });
        }
    }
    for status in root.propagated.iter().filter_map(|sign| sign.status) {
        if !root.statuses.contains(&status) {
            root.statuses.push(status);
        }
    }
    Some(root)
}

/// The hop had no part in the outcome: somebody on another branch refused the call for reasons of
/// his own.
fn is_beside(call: &Call<'_>, attempt: &Attempt<'_>, hop: &Transaction<'_>) -> bool {
    let Some(first) = attempt.first_hop(call) else { return false };
    let origin = attempt.origin(call, first);
    let is_refusal = origin.final_status().is_some_and(|status| match status.class() {
        Class::ClientError => status.code() != 408,
        Class::GlobalFailure => true,
        Class::Provisional | Class::Success | Class::Redirection | Class::ServerError => false,
    });
    is_refusal && !call.is_above(hop, origin) && !call.is_above(origin, hop)
}

fn sign_of(call: &Call<'_>, finding: &Finding) -> Sign {
    Sign {
        rule: finding.rule.name,
        frames: finding.frames.clone(),
        client: finding.client,
        server: finding.server,
        status: hop_of(call, finding).and_then(Transaction::final_status),
        call_id: None,
        link: None,
    }
}

/// How far downstream the fault lies: on the hop of the finding, or on the next one, where that
/// could not even be tried.
fn depth_of(call: &Call<'_>, finding: &Finding) -> usize {
    let Some(hop) = hop_of(call, finding) else { return 0 };
    let is_beyond = finding.client.is_some_and(|client| client.address == hop.server.address)
        && hop.server.address != hop.client.address;
    call.depth(hop) + usize::from(is_beyond)
}

fn hop_of<'a, 'c>(call: &'a Call<'c>, finding: &Finding) -> Option<&'a Transaction<'c>> {
    call.transactions.get(finding.transaction?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Check, Findings, Gate, Report, Rule};
    use crate::signaling::samples::with_call;

    static CAUSE: Rule = rule("message-too-large");
    static EFFECT: Rule = rule("invite-no-response");

    const fn rule(name: &'static str) -> Rule {
        let (severity, gate, check) = (Severity::Warn, Gate::OPEN, Check::Call(|_, _| {}));
        let (code, since, entry) = ("INT999", "0.1.0", "");
        Rule { code, name, severity, since, entry, thresholds: &[], gate, check }
    }

    #[test]
    fn a_finding_names_so_many_causes() {
        let invite = "INVITE sip:b@h SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\n\
            From: <sip:a@h>;tag=a\nTo: <sip:b@h>\nCall-ID: 1\nCSeq: 1 INVITE\n\n";
        with_call(&[(0, 1, 2, invite)], |call| {
            let mut found = Vec::new();
            for rule in std::iter::repeat_n(&CAUSE, SIGNS_PER_FINDING_MAX + 2).chain([&EFFECT]) {
                Findings::new(rule, call.settings(), &mut found).report(Report::on_capture());
            }
            link(call, &mut found);
            let effect = found.last().expect("the effect");
            assert_eq!(effect.related.len(), SIGNS_PER_FINDING_MAX);
            assert_eq!(found.len(), SIGNS_PER_FINDING_MAX + 3, "every cause stands");
        });
    }
}
