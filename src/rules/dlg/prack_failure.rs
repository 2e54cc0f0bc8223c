#![doc = include_str!("prack_failure.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Call, Dialog, Message, Traits, Transaction};
use crate::sip::{Class, HeaderName, Method, RAck, Status};
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "DLG307",
    name: "prack-failure",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("prack_failure.md"),
    thresholds: &[],
    gate: Gate::one_of(&[Traits::PRACK, Traits::RSEQ]),
    check: Check::Call(check),
};

/// A reliable response that is sent so often has not been acknowledged.
const SENDS_MIN: usize = 3;

/// How far from 64*T1 the callee may give up: the way of the messages, and slow servers (RFC 3262,
/// section 3).
const GIVEN_UP_WITHIN: Span = Span::from_secs(5);

/// PRACKs that were refused and are looked at in one call; real calls have one or two.
const REFUSED_MAX: usize = 16;

/// What the PRACKs of a call acknowledge.
type Pracks<'a, 'c> = Vec<(RAck<'c>, &'a Transaction<'c>, &'c Message<'c>)>;

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let is_used = |hop: &&Transaction<'_>| {
        hop.method == Method::Prack || hop.provisionals.iter().any(|one| is_reliable(one))
    };
    if !call.transactions.iter().any(|hop| is_used(&hop)) {
        return;
    }
    let sent = call.transactions.iter().filter(|t| t.method == Method::Prack);
    let pracks: Pracks<'_, '_> = sent
        .clone()
        .filter_map(|prack| Some((prack.request?.rack()?, prack, prack.request?)))
        .collect();
    for hop in call.transactions.iter().filter(|t| t.method == Method::Invite) {
        never_acknowledged(call, &pracks, hop, findings);
        answered_too_soon(call, &pracks, hop, findings);
    }
    for prack in sent.filter(|prack| is_refused(prack)).take(REFUSED_MAX) {
        refused(call, &pracks, prack, findings);
    }
}

/// The callee wants this response to be acknowledged (RFC 3262, section 3).
fn is_reliable(response: &Message<'_>) -> bool {
    response.rseq().is_some() && response.has_option(HeaderName::Require, "100rel")
}

/// The first PRACK for a reliable response, on whatever hop.
fn first_prack<'c>(pracks: &Pracks<'_, 'c>, response: &Message<'c>) -> Option<&'c Message<'c>> {
    let (rseq, cseq, to_tag) = (response.rseq(), response.cseq(), response.to_tag());
    let own = pracks.iter().filter(|(rack, _, request)| {
        // Each fork counts its own responses.
        Some(rack.rseq) == rseq
            && Some(rack.cseq) == cseq
            && (request.to_tag() == to_tag || to_tag.is_none())
    });
    own.map(|(_, _, request)| *request).min_by_key(|request| request.time)
}

fn is_of(rack: &RAck<'_>, response: &Message<'_>) -> bool {
    Some(rack.rseq) == response.rseq() && Some(rack.cseq) == response.cseq()
}

/// A PRACK was answered that was not captured itself (guard G3).
fn has_unseen_prack(call: &Call<'_>) -> bool {
    call.transactions.iter().any(|t| t.method == Method::Prack && t.request.is_none())
}

/// (a) The response was sent until the callee gave up, and no PRACK came.
fn never_acknowledged<'c>(
    call: &Call<'c>,
    pracks: &Pracks<'_, 'c>,
    hop: &Transaction<'c>,
    findings: &mut Findings<'_>,
) {
    let Some((copies, end)) = unacknowledged(call, pracks, hop) else { return };
    // The hop nearest to the callee tells where the PRACK stops (guard G9).
    let mut below = hop.downstream.iter().filter_map(|index| call.transactions.get(*index));
    if below.any(|below| unacknowledged(call, pracks, below).is_some()) {
        return;
    }
    let rseq = copies.first().and_then(|first| first.rseq());
    findings.report(
        report(hop, "no-prack", end.status())
            .at(copies.iter().copied())
            .at([end])
            .confidence(Confidence::Likely)
            .with_some("rseq", rseq)
            .with("sends", copies.len()),
    );
}

/// The copies of the first reliable response that was not acknowledged, and what ended the INVITE
/// when 64*T1 had passed.
fn unacknowledged<'c>(
    call: &Call<'c>,
    pracks: &Pracks<'_, 'c>,
    hop: &Transaction<'c>,
) -> Option<(Vec<&'c Message<'c>>, &'c Message<'c>)> {
    let first = hop
        .provisionals
        .iter()
        .copied()
        .find(|one| is_reliable(one) && first_prack(pracks, one).is_none())?;
    let key = |one: &Message<'c>| (one.rseq(), one.to_tag());
    let copies: Vec<_> =
        hop.provisionals.iter().copied().filter(|one| key(one) == key(first)).collect();
    let failure = hop.final_response().filter(|answer| {
        answer.status().is_some_and(|status| status.class() == Class::ServerError)
    });
    let end = call.cancel_of(hop).or(failure)?;
    let after = end.time.since(first.time) - call.patience_of(hop.server);
    let is_timed_out = after.abs() <= GIVEN_UP_WITHIN;
    (copies.len() >= SENDS_MIN && is_timed_out && !has_unseen_prack(call)).then_some((copies, end))
}

/// (b) The PRACK was refused.
fn refused<'c>(
    call: &Call<'c>,
    pracks: &Pracks<'_, 'c>,
    prack: &Transaction<'c>,
    findings: &mut Findings<'_>,
) {
    let Some(request) = prack.request else { return };
    let mut below = prack.downstream.iter().filter_map(|index| call.transactions.get(*index));
    if below.any(is_refused) {
        return;
    }
    let rack = request.rack();
    // It was acknowledged before, or the refusal was taken up (guard G7).
    let is_same = |own: &RAck<'_>, other: &Transaction<'_>| {
        Some(*own) == rack && other.index != prack.index && other.first_success().is_some()
    };
    if pracks.iter().any(|(own, other, _)| is_same(own, other)) {
        return;
    }
    let (Some(answer), Some(status)) = (prack.final_response(), prack.final_status()) else {
        return;
    };
    let invite = invite_of(call, prack, request);
    let mismatch = mismatch(call, request, rack);
    let is_over = invite.is_some_and(|hop| is_over(call, hop, answer));
    if mismatch.is_none() && is_over {
        return;
    }
    let is_answered = invite.is_some_and(|hop| hop.first_success().is_some());
    findings.report(
        report(invite.unwrap_or(prack), "rejected", Some(status))
            .at([request, answer])
            .severity(if is_answered { Severity::Warn } else { Severity::Error })
            .with_some("rseq", rack.map(|rack| rack.rseq))
            .with_some("mismatch", mismatch.map(Value::Word)),
    );
}

/// Refused for good; a challenge is only a step.
fn is_refused(prack: &Transaction<'_>) -> bool {
    prack.final_status().is_some_and(|status| {
        status.class() == Class::ClientError && !matches!(status.code(), 401 | 407 | 491)
    })
}

/// The INVITE that the PRACK belongs to, on the same hop if it was seen there.
fn invite_of<'a, 'c>(
    call: &'a Call<'c>,
    prack: &Transaction<'c>,
    request: &Message<'c>,
) -> Option<&'a Transaction<'c>> {
    let number = request.rack().map(|rack| rack.cseq.number);
    call.transactions
        .iter()
        .filter(|invite| invite.method == Method::Invite)
        .filter(|invite| invite.request.and_then(Message::from_tag) == request.from_tag())
        .max_by_key(|invite| {
            let is_named = number == Some(invite.cseq);
            (is_named, invite.client.address == prack.client.address, invite.server == prack.server)
        })
}

/// The INVITE had ended when the PRACK was refused, so nothing was left to acknowledge.
fn is_over(call: &Call<'_>, invite: &Transaction<'_>, answer: &Message<'_>) -> bool {
    let ends = invite.final_response().into_iter().chain(call.cancel_of(invite));
    ends.into_iter().any(|end| end.time <= answer.time)
}

/// What in RAck fits no reliable response of the call; none as well where none was captured.
fn mismatch(call: &Call<'_>, prack: &Message<'_>, rack: Option<RAck<'_>>) -> Option<&'static str> {
    let Some(rack) = rack else { return Some("rack") };
    let reliable = || {
        call.messages.iter().filter(|message| {
            message.is_response() && is_reliable(message) && message.to_tag() == prack.to_tag()
        })
    };
    if reliable().next().is_none() || reliable().any(|response| is_of(&rack, response)) {
        return None;
    }
    let cseq = |response: &Message<'_>| response.cseq().map(|cseq| cseq.number);
    if !reliable().any(|response| response.rseq() == Some(rack.rseq)) {
        Some("rseq")
    } else if !reliable().any(|response| cseq(response) == Some(rack.cseq.number)) {
        Some("cseq")
    } else {
        Some("method")
    }
}

/// (c) The 2xx came although a reliable response with SDP had not been acknowledged (RFC 3262,
/// section 5).
fn answered_too_soon<'c>(
    call: &Call<'c>,
    pracks: &Pracks<'_, 'c>,
    hop: &Transaction<'c>,
    findings: &mut Findings<'_>,
) {
    let Some((response, answer)) = hasty(call, pracks, hop) else { return };
    let mut below = hop.downstream.iter().filter_map(|index| call.transactions.get(*index));
    if below.any(|below| hasty(call, pracks, below).is_some()) {
        return;
    }
    let late = first_prack(pracks, response);
    let confidence = if late.is_some() { Confidence::Certain } else { Confidence::Possible };
    findings.report(
        report(hop, "answered-first", answer.status())
            .at([response, answer])
            .at(late)
            // The call is up; the offer and answer are in doubt.
            .severity(Severity::Warn)
            .confidence(confidence)
            .with_some("rseq", response.rseq()),
    );
}

fn hasty<'c>(
    call: &Call<'c>,
    pracks: &Pracks<'_, 'c>,
    hop: &Transaction<'c>,
) -> Option<(&'c Message<'c>, &'c Message<'c>)> {
    let answer = hop.first_success()?;
    let mut late = None;
    let response = hop.provisionals.iter().copied().find(|one| {
        late = first_prack(pracks, one);
        is_reliable(one)
            && one.to_tag() == answer.to_tag()
            && one.time <= answer.time
            && one.sdp().is_some()
            && late.is_none_or(|prack| prack.time > answer.time)
    })?;
    // The PRACK goes the way of the ACK; where that came past, the PRACK would have (guard G2).
    let dialog = call.dialog_of(answer)?;
    let is_visible = dialog.acks.iter().any(|ack| ack.went(hop.client, hop.server));
    let is_found = is_visible
        && !has_unseen_prack(call)
        && (late.is_some() || !shows_prack(call, dialog, hop, (response, answer)));
    is_found.then_some((response, answer))
}

/// The PRACK came, only not into the capture (guard G3): the callee did not send the response again
/// after T1, as it does until it gets one (RFC 3262, section 3), or the numbers of the caller show
/// that a request is missing.
fn shows_prack<'c>(
    call: &Call<'c>,
    dialog: &Dialog<'c>,
    hop: &Transaction<'c>,
    (response, answer): (&Message<'c>, &Message<'c>),
) -> bool {
    let key = |one: &Message<'c>| (one.rseq(), one.to_tag());
    let copies = hop.provisionals.iter().filter(|one| key(one) == key(response)).count();
    // Twice the T1 of the callee, of which its patience is 64 times.
    let due = Span::from_nanos(call.patience_of(hop.server).nanos() / 32);
    let is_content = copies == 1 && answer.time.since(response.time) >= due;
    let caller = response.from_tag().unwrap_or_default();
    is_content || call.misses_request_of(dialog, caller, (response.time, answer.time))
}

fn report(hop: &Transaction<'_>, fault: &'static str, status: Option<Status>) -> Report {
    let report = match status {
        Some(status) => Report::on(hop).status(status),
        None => Report::on(hop),
    };
    report.with("result", Value::Word(fault)).with_some("status", status.map(Status::code))
}
