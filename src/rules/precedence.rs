//! One fault, one finding.
//!
//! Several rules may see the outcome of one INVITE: on another hop, or in more general words. The
//! farthest-downstream hop owns the finding (guard G9), a specific rule goes before
//! `final-response`; the others become signs of it.

use crate::finding::{Finding, Severity, Sign};
use crate::signaling::{Attempt, Call, Transaction};
use crate::sip::Class;

/// Rules that explain how an INVITE ended, the most specific first. Those before the last one are
/// chosen by hop.
const OUTCOMES: [&str; 5] = [
    "invite-no-response",
    "trying-then-server-failure",
    "progress-then-bad-gateway",
    "trying-then-silence",
    GENERAL,
];

/// Says only that a call failed.
const GENERAL: &str = "final-response";

/// Tells what the caller heard on the way. As a note it is a detail of how the INVITE ended; as a
/// warning it stands for an ending that is no worse.
const DETAIL: &str = "progress-without-early-media";

/// Leaves one root finding for each attempt and turns the others into signs of it.
pub(crate) fn settle(call: &Call<'_>, found: Vec<Finding>) -> Vec<Finding> {
    let (mut outcomes, mut settled): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|finding| OUTCOMES.contains(&finding.rule.name));
    for attempt in &call.attempts {
        let (own, others): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|finding| {
            finding.transaction.is_some_and(|transaction| attempt.hops.contains(&transaction))
        });
        outcomes = others;
        let Some(root) = settle_attempt(call, attempt, own) else { continue };
        let (details, others): (Vec<_>, Vec<_>) = settled.into_iter().partition(|finding| {
            finding.rule.name == DETAIL
                && finding.transaction.is_some_and(|hop| attempt.hops.contains(&hop))
        });
        settled = others;
        settled.push(join(call, root, details));
    }
    settled.extend(outcomes);
    settled.sort_by(|a, b| (a.frames.first(), a.rule.code).cmp(&(b.frames.first(), b.rule.code)));
    settled
}

/// One finding of how an INVITE ended and what the caller heard before.
fn join(call: &Call<'_>, mut root: Finding, details: Vec<Finding>) -> Finding {
    for mut detail in details {
        let is_general = root.rule.name == GENERAL && root.severity <= detail.severity;
        if detail.severity == Severity::Info || !is_general {
            root.related.push(sign_of(call, &detail));
            continue;
        }
        detail.related.push(sign_of(call, &root));
        detail.propagated.append(&mut root.propagated);
        for status in root.statuses.drain(..) {
            if !detail.statuses.contains(&status) {
                detail.statuses.push(status);
            }
        }
        root = detail;
    }
    root
}

/// The root finding of an attempt. Where it needs company, the root without it is its fallback.
fn settle_attempt(call: &Call<'_>, attempt: &Attempt<'_>, own: Vec<Finding>) -> Option<Finding> {
    let firm: Vec<_> = own.iter().filter(|finding| !finding.needs_company).cloned().collect();
    let mut root = root(call, attempt, own)?;
    if root.needs_company {
        root.fallback = settle_attempt(call, attempt, firm).map(Box::new);
    }
    Some(root)
}

fn root(call: &Call<'_>, attempt: &Attempt<'_>, mut own: Vec<Finding>) -> Option<Finding> {
    let rank = |finding: &Finding| {
        let depth = hop_of(call, finding).map_or(0, |hop| call.depth(hop));
        let place = OUTCOMES.iter().position(|name| *name == finding.rule.name);
        let last = hop_of(call, finding).map(Transaction::last_time);
        let is_beside = hop_of(call, finding).is_some_and(|hop| is_beside(call, attempt, hop));
        let is_general = finding.rule.name == GENERAL;
        // On the way before beside it, specific before general, deep before shallow, late before
        // early.
        (is_beside, is_general, std::cmp::Reverse(depth), place, std::cmp::Reverse(last))
    };
    own.sort_by_key(rank);
    let mut own = own.into_iter();
    let mut root = own.next()?;
    let root_hop = root.transaction;
    let root_depth = hop_of(call, &root).map_or(0, |hop| call.depth(hop));
    for finding in own.filter(|finding| finding.rule.name != GENERAL) {
        let depth = hop_of(call, &finding).map_or(0, |hop| call.depth(hop));
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
        if let Some(answer) = failure.filter(|_| !is_named && Some(hop.index) != root_hop) {
            root.propagated.push(Sign {
                rule: GENERAL,
                frames: vec![answer.frame],
                client: Some(hop.client),
                server: Some(hop.server),
                status: answer.status(),
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
    }
}

fn hop_of<'a, 'c>(call: &'a Call<'c>, finding: &Finding) -> Option<&'a Transaction<'c>> {
    call.transactions.get(finding.transaction?)
}
