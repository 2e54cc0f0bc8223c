#![doc = include_str!("answer_mline_mismatch.md")]

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::sdp::{Media, Session};
use crate::signaling::{Call, Description, Exchange, Negotiation, Side, Sighting, Traits};

pub(crate) static RULE: Rule = Rule {
    code: "SDP102",
    name: "answer-mline-mismatch",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("answer_mline_mismatch.md"),
    thresholds: &[],
    gate: Gate::one_of(&[Traits::OTHER_LINES, Traits::RENEGOTIATION]),
    check: Check::Call(check),
};

/// Findings on one call; a device that does so does it each time.
const FINDINGS_MAX: usize = 4;

/// What does not fit, as the word of the evidence, with the description before and the one that is
/// at fault.
type Fault<'a, 'c> = (&'static str, &'a Description<'c>, &'a Description<'c>);

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let mut known: Vec<(Option<&[u8]>, Side, &str)> = Vec::new();
    for sightings in call.negotiations().exchanges() {
        let answered = sightings.iter().rev().find_map(|sighting| in_answer(*sighting));
        let found = answered.or_else(|| sightings.iter().find_map(|sighting| in_offer(*sighting)));
        let Some((negotiation, exchange, fault)) = found else { continue };
        let key = (negotiation.callee_tag, exchange.offerer, fault.0);
        if known.len() < FINDINGS_MAX && !known.contains(&key) {
            known.push(key);
            report(call, exchange, fault, findings);
        }
    }
}

type Found<'a, 'c> = (&'a Negotiation<'c>, &'a Exchange<'c>, Fault<'a, 'c>);

/// The answer has not the same lines as the offer.
fn in_answer<'a, 'c>((negotiation, exchange): Sighting<'a, 'c>) -> Option<Found<'a, 'c>> {
    let (offer, answer) = exchange.pair().filter(|_| exchange.refusal.is_none())?;
    if !offer.is_whole() || !answer.is_whole() {
        return None;
    }
    let (offered, answered) = (&offer.session.media, &answer.session.media);
    let word = match (offered.len() == answered.len(), has_same_kinds(offered, answered)) {
        (false, _) => "line-count",
        (true, true) => return None,
        (true, false) if has_same_kinds_in_any_order(offered, answered) => "line-order",
        (true, false) => "line-kind",
    };
    Some((negotiation, exchange, (word, offer, answer)))
}

/// The offer drops lines of what was agreed, or changes it under the same version.
fn in_offer<'a, 'c>((negotiation, exchange): Sighting<'a, 'c>) -> Option<Found<'a, 'c>> {
    let offer = exchange.offer.as_ref().filter(|offer| offer.is_whole())?;
    let before = negotiation.exchanges.iter().rev().find(|before| {
        before.agreed().is_some_and(|agreed| agreed < offer.message.time)
            && before.id != exchange.id
    })?;
    let own = before.descriptions().filter(|(side, _)| *side == exchange.offerer).last();
    let (_, last) = own.filter(|(_, last)| last.is_whole())?;
    // Another element that took over describes a session of its own.
    let (origin, new) = last.session.origin.zip(offer.session.origin)?;
    if !origin.is_same_session(&new) {
        return None;
    }
    let word = if offer.session.media.len() < last.session.media.len() {
        "fewer-lines"
    } else if origin.version == new.version && !has_same_media(&last.session, &offer.session) {
        "same-version"
    } else {
        return None;
    };
    Some((negotiation, exchange, (word, last, offer)))
}

fn has_same_kinds(one: &[Media<'_>], other: &[Media<'_>]) -> bool {
    one.iter().zip(other).all(|(one, other)| one.kind.eq_ignore_ascii_case(other.kind))
}

fn has_same_kinds_in_any_order(one: &[Media<'_>], other: &[Media<'_>]) -> bool {
    let sorted = |media: &[Media<'_>]| {
        let mut kinds: Vec<_> = media.iter().map(|m| m.kind.to_ascii_lowercase()).collect();
        kinds.sort_unstable();
        kinds
    };
    sorted(one) == sorted(other)
}

/// Nothing of what the other side acts on has changed.
fn has_same_media(one: &Session<'_>, other: &Session<'_>) -> bool {
    let is_same = |(one, other): (&Media<'_>, &Media<'_>)| {
        one.port == other.port
            && one.connection == other.connection
            && one.direction() == other.direction()
            && one.protocol.eq_ignore_ascii_case(other.protocol)
            && one.formats().eq(other.formats())
    };
    one.media.len() == other.media.len() && one.media.iter().zip(&other.media).all(is_same)
}

fn report(
    call: &Call<'_>,
    exchange: &Exchange<'_>,
    (word, before, wrong): Fault<'_, '_>,
    findings: &mut Findings<'_>,
) {
    let Some(hop) = call.transactions.get(exchange.transaction) else { return };
    // Many a receiver looks at the content, whatever the version says.
    let severity = if word == "same-version" { Severity::Warn } else { Severity::Error };
    let version = wrong.session.origin.filter(|_| word == "same-version");
    let lines = if word == "same-version" { changes } else { kinds };
    findings.report(
        Report::beside(hop)
            .at([before.message, wrong.message])
            .severity(severity)
            .with("sdp_fault", Value::Word(word))
            .with("sender", wrong.message.source)
            .with("lines_before", lines(&before.session))
            .with("lines", lines(&wrong.session))
            .with_some("version", version.map(|origin| Value::quoted(origin.version))),
    );
}

fn kinds(session: &Session<'_>) -> Value {
    Value::List(session.media.iter().map(|media| Value::quoted(media.kind)).collect())
}

/// Each line with what may have changed in it.
fn changes(session: &Session<'_>) -> Value {
    let line = |media: &Media<'_>| {
        let host = media.connection.map(|connection| connection.host.as_bytes());
        let port = media.port.to_string();
        let words = [media.kind, host.unwrap_or_default(), port.as_bytes(), media.protocol];
        let formats = media.formats().chain([media.direction().name().as_bytes()]);
        Value::quoted(&words.into_iter().chain(formats).collect::<Vec<_>>().join(&b' '))
    };
    Value::List(session.media.iter().map(line).collect())
}
