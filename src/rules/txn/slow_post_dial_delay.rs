#![doc = include_str!("slow_post_dial_delay.md")]

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::media::Media;
use crate::signaling::{Attempt, Call, Message, Threshold, Traits, Transaction};
use crate::sip::{Class, Method, Status};
use crate::time::{Span, Time};

pub(crate) static RULE: Rule = Rule {
    code: "TXN107",
    name: "slow-post-dial-delay",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("slow_post_dial_delay.md"),
    thresholds: &[&DELAY],
    gate: Gate::all(&[Traits::ATTEMPT]),
    check: Check::Media(check),
};

/// Callers take a longer silence after dialling for a dead line.
static DELAY: Threshold = Threshold::span("delay", Span::from_secs(6));

fn check(call: &Call<'_>, media: Media<'_>, findings: &mut Findings<'_>) {
    let limit = call.settings().span(&DELAY);
    for (index, attempt) in call.attempts.iter().enumerate() {
        let Some(first) = attempt.first_hop(call) else { continue };
        let Some(heard) = heard(call, first) else { continue };
        // Where the caller turned to another server, the wait began with the first one.
        let started = attempt.transactions(call).next().and_then(Transaction::started);
        let Some(started) = started.or(first.started()) else { continue };
        if heard.time.since(started) < limit
            || is_redirected(call, attempt)
            || is_early_progress(first, heard, started + limit)
            || is_heard(call, first, (started, heard.time), media)
        {
            continue;
        }
        report(call, index, (started, heard), findings);
    }
}

/// The first response that tells the caller what became of the call: it rings, it is forwarded or
/// queued, early media begins; else the answer or the refusal of the callee.
fn heard<'c>(call: &Call<'c>, hop: &Transaction<'c>) -> Option<&'c Message<'c>> {
    hop.ringing()
        .or_else(|| hop.final_response().filter(|_| !call.is_given_up(hop)))
        .filter(|heard| heard.status().is_some_and(is_of_callee))
}

/// Somebody at the far end said so: no challenge or redirection on the way, no timer that ran out,
/// no failure of a server.
fn is_of_callee(status: Status) -> bool {
    match status.class() {
        Class::Provisional | Class::Success | Class::GlobalFailure => true,
        Class::ClientError => !matches!(
            status.code(),
            401 | 407 | 408 | 420 | 421 | 422 | 423 | 428 | 480 | 487 | 488 | 491 | 494
        ),
        Class::Redirection | Class::ServerError => false,
    }
}

/// The caller was sent elsewhere on the way, here or before.
fn is_redirected(call: &Call<'_>, attempt: &Attempt<'_>) -> bool {
    let is_redirection = |status: Status| status.class() == Class::Redirection;
    let own = || call.attempts.iter().filter(|own| own.from_tag == attempt.from_tag);
    own()
        .filter(|own| own.cseq <= attempt.cseq)
        .any(|own| own.transactions(call).any(|hop| hop.final_status().is_some_and(is_redirection)))
}

/// A 183 came in time and no ringing at all: the rest of the time it rang, only nobody said so.
fn is_early_progress(hop: &Transaction<'_>, heard: &Message<'_>, limit: Time) -> bool {
    heard.status().is_some_and(Status::is_final)
        && hop.progress().any(|progress| progress.time < limit)
}

/// Something reached the caller before, only not into the capture (guard G3): media, or a reliable
/// response that was acknowledged.
fn is_heard(
    call: &Call<'_>,
    hop: &Transaction<'_>,
    (started, heard): (Time, Time),
    media: Media<'_>,
) -> bool {
    let is_prack = |message: &&Message<'_>| {
        message.method() == Method::Prack && message.is_request() && message.time < heard
    };
    let caller = hop.request.and_then(Message::audio_endpoint);
    let is_seen = hop.progress().any(|response| response.time < heard);
    (!is_seen && call.messages.iter().any(|message| is_prack(&message)))
        || caller.is_some_and(|caller| media.went_to(caller, started, heard))
}

/// A hop on the way of the response, and how long it took there.
struct Leg<'a, 'c> {
    hop: &'a Transaction<'c>,
    delay: Span,
}

/// The hops that the response came over, the caller's first.
fn way<'a, 'c>(
    call: &'a Call<'c>,
    first: &'a Transaction<'c>,
    heard: &'c Message<'c>,
) -> Vec<(Leg<'a, 'c>, &'c Message<'c>)> {
    let leg = |hop: &'a Transaction<'c>, heard: &Message<'_>| Leg {
        hop,
        delay: heard.time.since(hop.started().unwrap_or(heard.time)),
    };
    let mut way = vec![(leg(first, heard), heard)];
    // The number of transactions bounds the walk, whatever the links say.
    for _ in 0..call.transactions.len() {
        let Some((last, heard)) = way.last() else { break };
        let below = last.hop.downstream.iter().filter_map(|index| call.transactions.get(*index));
        let next = below
            .filter_map(|hop| Some((hop, self::heard(call, hop)?)))
            .filter(|(_, own)| own.time <= heard.time)
            .max_by_key(|(_, own)| (own.status() == heard.status(), own.time));
        let Some((hop, heard)) = next else { break };
        way.push((leg(hop, heard), heard));
    }
    way
}

fn report(
    call: &Call<'_>,
    index: usize,
    (started, heard): (Time, &Message<'_>),
    findings: &mut Findings<'_>,
) {
    let Some(attempt) = call.attempts.get(index) else { return };
    let Some(first) = attempt.first_hop(call) else { return };
    let Some(own) = self::heard(call, first) else { return };
    let way = way(call, first, own);
    let limit = call.settings().span(&DELAY);
    // The farthest hop downstream that is too slow by itself owns the finding (guard G9).
    let slow = way.iter().rev().find(|(leg, _)| leg.delay >= limit).or(way.first());
    let Some((slow, answer)) = slow else { return };
    let servers = way.iter().map(|(leg, _)| Value::Endpoint(leg.hop.server)).collect();
    let shares = way.iter().enumerate().map(|(place, (leg, _))| {
        let below = way.get(place + 1).map(|(below, _)| below.delay);
        Value::Span(below.map_or(leg.delay, |below| leg.delay - below))
    });
    let progress = first.progress().find(|response| {
        response.status() == Some(Status::SESSION_PROGRESS) && response.sdp().is_none()
    });
    let progress = progress.filter(|progress| progress.time < heard.time);
    let tried = way.iter().map(|(leg, _)| leg.hop.downstream.len()).max().unwrap_or(0);
    findings.report(
        Report::on(slow.hop)
            .at(first.request)
            .at([own, *answer])
            .at(slow.hop.request)
            .at(progress)
            .with("delay_ms", heard.time.since(started))
            .with_some("status", heard.status().map(Status::code))
            .with_some("progress_after_ms", progress.map(|early| early.time.since(started)))
            .with_some("challenge_ms", challenge(call, attempt))
            .with_some("tried", (tried > 1).then_some(tried))
            .with("path", Value::List(servers))
            .with("delays_ms", Value::List(shares.collect())),
    );
}

/// How long the challenge before this INVITE took; that is no part of the delay.
fn challenge(call: &Call<'_>, attempt: &Attempt<'_>) -> Option<Span> {
    let before = call
        .attempts
        .iter()
        .rfind(|before| before.from_tag == attempt.from_tag && before.cseq < attempt.cseq)?;
    let hop = before.first_hop(call)?;
    hop.final_status().filter(|status| matches!(status.code(), 401 | 407))?;
    hop.wait()
}
