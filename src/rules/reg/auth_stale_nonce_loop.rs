#![doc = include_str!("auth_stale_nonce_loop.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Rule, Severity, Value};
use crate::rules::reg::report_on;
use crate::signaling::{Call, Chain, ChainEnd, Message, Refusal, Round, Threshold, Traits};
use crate::sip::{Credentials, Status};

pub(crate) static RULE: Rule = Rule {
    code: "REG104",
    name: "auth-stale-nonce-loop",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("auth_stale_nonce_loop.md"),
    thresholds: &[&STALE_ROUNDS],
    gate: Gate::all(&[Traits::OPEN_CHALLENGE]),
    check: Check::Call(check),
};

/// One stale nonce is normal: the client had it from an earlier request.
static STALE_ROUNDS: Threshold = Threshold::count("stale-rounds", 2);

/// Rounds that are looked at for a password that is wrong, and messages for a count that was used
/// before.
const ROUNDS_MAX: usize = 8;
const MESSAGES_MAX: usize = 256;

/// Rounds whose frames are named.
const SHOWN_MAX: usize = 6;

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for chain in call.chains() {
        if chain.answers() == 0 || chain.end(call) == ChainEnd::Passed {
            continue;
        }
        if let Some(misuse) = misuse(call, chain) {
            report(call, chain, misuse, findings);
        }
    }
}

/// What is wrong with the nonce, and how sure that is.
fn misuse(call: &Call<'_>, chain: &Chain<'_>) -> Option<(Value, Confidence)> {
    if stale_in_a_row(chain) >= call.settings().count(&STALE_ROUNDS) {
        return Some((Value::Word("stale"), Confidence::Certain));
    }
    let refusal = chain.refusal(call).filter(|refusal| {
        let status = refusal.response.status();
        [Some(Status::UNAUTHORIZED), Some(Status::PROXY_AUTHENTICATION_REQUIRED)].contains(&status)
    })?;
    if is_password_wrong(call, chain) {
        return None;
    }
    if keeps_old_nonce(chain, &refusal) {
        return Some((Value::Word("old-nonce"), Confidence::Likely));
    }
    let own = refusal.round.answer_in(refusal.request)?;
    was_used(call, refusal.request, &own)
        .then_some((Value::Word("nc-repeated"), Confidence::Likely))
}

/// How many challenges one after the other say that only the nonce is too old.
fn stale_in_a_row(chain: &Chain<'_>) -> u64 {
    let mut longest = 0;
    let mut own = 0;
    for round in &chain.rounds {
        own = if round.is_stale() { own + 1 } else { 0 };
        longest = longest.max(own);
    }
    longest
}

/// Credentials for a nonce that nobody had used before were refused.
fn is_password_wrong(call: &Call<'_>, chain: &Chain<'_>) -> bool {
    let pairs = chain.rounds.iter().zip(chain.rounds.iter().skip(1));
    pairs.take(ROUNDS_MAX).any(|(before, after)| {
        !after.is_stale()
            && before
                .answer_in(after.request)
                .is_some_and(|own| !was_used(call, after.request, &own))
    })
}

/// The nonce is not the one of the challenge before, but that of an earlier one, or the one that
/// the client had from the start.
fn keeps_old_nonce(chain: &Chain<'_>, refusal: &Refusal<'_, '_>) -> bool {
    let is_of_realm = |own: &Credentials<'_>| {
        let mut asked = refusal.round.challenges();
        own.is_digest() && asked.any(|challenge| challenge.realm() == own.realm())
    };
    let Some(own) = refusal.request.credentials().find(is_of_realm) else { return false };
    let current = refusal.round.challenges().any(|challenge| challenge.nonce() == own.nonce());
    let mut earlier = chain
        .rounds
        .iter()
        .take_while(|round| round.transaction < refusal.round.transaction)
        .flat_map(Round::challenges);
    let first = || chain.rounds.first().into_iter().flat_map(|round| round.request.credentials());
    !current
        && (earlier.any(|challenge| challenge.nonce() == own.nonce())
            || first().any(|known| known.nonce() == own.nonce()))
}

/// An earlier request carried the same nonce with a count that is no lower.
fn was_used(call: &Call<'_>, request: &Message<'_>, own: &Credentials<'_>) -> bool {
    let Some(count) = own.nonce_count() else { return false };
    let place = call.messages.partition_point(|message| message.frame < request.frame);
    let before = call.messages.get(..place).unwrap_or_default().iter().rev().take(MESSAGES_MAX);
    let earlier = before.filter(|message| {
        message.is_request()
            && message.source == request.source
            && message.cseq().map(|cseq| cseq.number) != request.cseq().map(|cseq| cseq.number)
    });
    earlier.flat_map(|message| message.credentials()).any(|known| {
        known.nonce() == own.nonce() && known.nonce_count().is_some_and(|used| used >= count)
    })
}

fn report(
    call: &Call<'_>,
    chain: &Chain<'_>,
    (misuse, confidence): (Value, Confidence),
    findings: &mut Findings<'_>,
) {
    let (Some(last), Some(report)) = (chain.last(), report_on(call, chain)) else { return };
    let age = match chain.rounds.as_slice() {
        [.., before, after] => Some(after.request.time.since(before.at())),
        _ => None,
    };
    findings.report(
        report
            .at(chain.rounds.iter().take(SHOWN_MAX).flat_map(|own| [own.request, own.response]))
            .at([last.request, last.response])
            .confidence(confidence)
            .with("misuse", misuse)
            .with("stale", chain.rounds.iter().filter(|round| round.is_stale()).count())
            .with_some("nonce_age_ms", age),
    );
}
