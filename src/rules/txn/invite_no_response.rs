#![doc = include_str!("invite_no_response.md")]

use crate::finding::{
    Check, Confidence, Findings, Gate, Report, Rule, Severity, Value, Visibility,
};
use crate::media::Media;
use crate::signaling::{Attempt, Call, Message, Traits, Transaction};
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "TXN101",
    name: "invite-no-response",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("invite_no_response.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::LOST, Traits::SILENCE]),
    check: Check::Media(check),
};

/// An INVITE that is larger is often lost as IP fragments (RFC 3261, section 18.1.1).
const LARGE_BYTES: usize = 1300;

fn check(call: &Call<'_>, media: Media<'_>, findings: &mut Findings<'_>) {
    for attempt in &call.attempts {
        // A fail-over to another target that succeeded is no failed call (guard G7).
        if attempt.is_answered() || attempt.is_resolved(call) {
            continue;
        }
        for hop in attempt.transactions(call).filter(|hop| is_unanswered(call, hop)) {
            if !is_heard(call, attempt, hop, media) {
                report(call, attempt, hop, findings);
            }
        }
    }
}

fn is_unanswered(call: &Call<'_>, hop: &Transaction<'_>) -> bool {
    let Some(started) = hop.started() else { return false };
    !hop.has_response()
        && call.is_observed(started, call.patience_of(hop.client))
        && !call.implies_response(hop)
        && !call.is_told_above(hop)
}

/// Media reached the caller after the INVITE, so somebody took the call (guard G3). Where the
/// caller was told of a failure, it is the media of another call on the same port.
fn is_heard(
    call: &Call<'_>,
    attempt: &Attempt<'_>,
    hop: &Transaction<'_>,
    media: Media<'_>,
) -> bool {
    let Some(started) = hop.started() else { return false };
    let is_failed = attempt.first_hop(call).is_some_and(|first| first.final_response().is_some());
    let caller = hop.request.and_then(Message::audio_endpoint);
    !is_failed && caller.is_some_and(|caller| media.went_to(caller, started, call.observed_until()))
}

fn report(
    call: &Call<'_>,
    attempt: &Attempt<'_>,
    hop: &Transaction<'_>,
    findings: &mut Findings<'_>,
) {
    let Some(request) = hop.request else { return };
    let last = hop.retransmissions.last().copied().unwrap_or(request);
    let is_answered_above = attempt
        .transactions(call)
        .any(|above| Some(above.index) == hop.upstream && above.has_response());
    // Without an answer a client repeats over UDP; perhaps one came, but not into the capture.
    let is_repeated = hop.transport.is_reliable() || hop.sends() > 1;
    let confidence = match (is_answered_above, is_repeated) {
        // The proxy that sent it acted on the silence.
        (true, _) => Confidence::Certain,
        (false, true) => Confidence::Likely,
        (false, false) => Confidence::Possible,
    };
    let (host, peer) = (hop.server.address, hop.client.address);
    let visibility = match is_answered_above || is_repeated {
        true => Visibility::HostElsePossible { host, peer },
        false => Visibility::HostElseNote { host, peer },
    };
    let size = request.bytes().len();
    findings.report(
        Report::on(hop)
            .at([request])
            .at(hop.retransmissions.iter().copied())
            .at(call.cancel_of(hop))
            .confidence(confidence)
            .visibility(visibility)
            .with("sends", hop.sends())
            .with("sending_ms", last.time.since(request.time))
            .with("waited_ms", waited(call, hop))
            .with("transport", Value::Word(hop.transport.name()))
            .with_some("bytes", (size > LARGE_BYTES).then_some(size))
            .with_some("fragmented", request.is_fragmented.then_some(true)),
    );
}

/// How long nothing came: until the client gave up or the deadline passed.
fn waited(call: &Call<'_>, hop: &Transaction<'_>) -> Span {
    let started = hop.started().unwrap_or_default();
    let cancelled = call.cancel_of(hop).map(|cancel| cancel.time);
    let above = hop.upstream.and_then(|index| call.transactions.get(index)?.final_response());
    let until = cancelled
        .into_iter()
        .chain(above.map(|answer| answer.time))
        .filter(|time| *time > started)
        .min()
        .unwrap_or(started + call.patience_of(hop.client));
    until.since(started)
}
