#![doc = include_str!("direction_conflict.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::sdp::{Direction, Media};
use crate::signaling::{
    Call, Description, Exchange, Hold, Message, Negotiation, Side, Threshold, Traits,
};
use crate::sip::Method;
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "SDP105",
    name: "direction-conflict",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("direction_conflict.md"),
    thresholds: &[&HOLD],
    gate: Gate::all(&[Traits::ONE_WAY]),
    check: Check::Call(check),
};

/// Somebody who hangs up after so long on hold may not have been taken back.
static HOLD: Threshold = Threshold::span("hold", Span::from_secs(60));

/// A resume that is not taken up settles within this time, or not at all.
const SETTLED_WITHIN: Span = Span::from_secs(5);

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let mut known: Vec<(Option<&[u8]>, &str)> = Vec::new();
    for sightings in call.negotiations().exchanges() {
        let wrong = sightings.iter().rev().find(|(_, exchange)| wrong_answer(exchange).is_some());
        let zero = sightings.iter().find(|(_, exchange)| zero_hold(exchange).is_some());
        for ((negotiation, exchange), word) in
            [wrong.zip(Some("answer-direction")), zero.zip(Some("zero-address"))]
                .into_iter()
                .flatten()
        {
            let key = (negotiation.callee_tag, word);
            if !known.contains(&key) {
                known.push(key);
                report(call, exchange, word, findings);
            }
        }
    }
    // Other hops and legs show the same hold.
    let mut negotiations = call.negotiations().distinct();
    negotiations.any(|negotiation| {
        let hold = negotiation.last_hold();
        hold.is_some_and(|hold| stays_on_hold(call, negotiation, &hold, findings))
    });
}

/// The direction of offer and answer, where they do not go together (RFC 3264, section 6.1).
fn wrong_answer(exchange: &Exchange<'_>) -> Option<(Direction, Direction)> {
    let (offer, answer) = exchange.pair().filter(|_| exchange.success.is_some())?;
    if !offer.is_whole() || !answer.is_whole() {
        return None;
    }
    let pairs = offer.session.media.iter().zip(&answer.session.media);
    let live = pairs.filter(|(offered, answered)| {
        offered.kind.eq_ignore_ascii_case(answered.kind)
            && [offered, answered].into_iter().all(|media| media.is_rtp() && !media.is_rejected())
    });
    let mut directions =
        live.map(|(offered, answered)| (offered.direction(), answered.direction()));
    directions.find(|(offered, answered)| {
        (answered.sends() && !offered.receives()) || (answered.receives() && !offered.sends())
    })
}

/// An offer inside a call asks for media and names no place for them, instead of saying who sends.
fn zero_hold<'c>(exchange: &Exchange<'c>) -> Option<Media<'c>> {
    let offer = exchange.offer.as_ref().filter(|_| !exchange.is_initial)?;
    exchange.success?;
    // ICE tells the address later (RFC 8840).
    let is_nowhere = |media: &Media<'_>| {
        media.connection.is_some_and(|connection| connection.is_unspecified())
            && media.direction().receives()
            && !media.is_rejected()
            && media.ice_ufrag().is_none()
    };
    offer.session.media.iter().copied().find(is_nowhere)
}

fn report(
    call: &Call<'_>,
    exchange: &Exchange<'_>,
    word: &'static str,
    findings: &mut Findings<'_>,
) {
    let Some(hop) = call.transactions.get(exchange.transaction) else { return };
    let Some((offer, answer)) = exchange.offer.as_ref().zip(exchange.answer()) else { return };
    let directions = match (wrong_answer(exchange), zero_hold(exchange)) {
        (Some(directions), _) if word == "answer-direction" => directions,
        (_, Some(media)) => (media.direction(), direction(answer)),
        (_, None) => return,
    };
    let sender = if word == "answer-direction" { answer.message } else { offer.message };
    findings.report(
        Report::beside(hop)
            .at([offer.message, answer.message])
            .with("direction_fault", Value::Word(word))
            .with("direction_offered", name(directions.0))
            .with("direction_answered", name(directions.1))
            .with("sender", sender.source),
    );
}

/// The call was still on hold at its end. Reports if that was not meant so.
fn stays_on_hold(
    call: &Call<'_>,
    negotiation: &Negotiation<'_>,
    hold: &Hold<'_, '_>,
    findings: &mut Findings<'_>,
) -> bool {
    let Some(hop) = call.transactions.get(hold.begun.transaction) else { return false };
    let resumed = hold.resume.filter(|resume| {
        let since = resume.agreed().unwrap_or(hold.until);
        hold.until.since(since) >= SETTLED_WITHIN
    });
    let bye = hung_up(call, negotiation, hold);
    let is_transfer = call.messages.iter().any(|message| message.method() == Method::Refer);
    let is_long = hold.until.since(hold.from) >= call.settings().span(&HOLD);
    // The resume, or the hold by the other side, may be what was not captured.
    let is_doubtful = call.misses_agreement(negotiation, (hold.from, hold.until));
    let (word, severity, confidence) = match (resumed, bye) {
        _ if hold.is_mutual || is_doubtful => return false,
        (Some(_), _) => ("resume-refused", Severity::Warn, Confidence::Likely),
        (None, Some(_)) if is_long && !is_transfer && hold.resume.is_none() => {
            ("held-until-bye", Severity::Info, Confidence::Possible)
        }
        (None, _) => return false,
    };
    let last = resumed.unwrap_or(hold.begun);
    let messages = last.pair();
    findings.report(
        Report::beside(hop)
            .at(hold.begun.offer.as_ref().map(|offer| offer.message))
            .at(messages.iter().flat_map(|(offer, answer)| [offer.message, answer.message]))
            .at(bye.filter(|_| word == "held-until-bye"))
            .severity(severity)
            .confidence(confidence)
            .with("direction_fault", Value::Word(word))
            .with_some("direction_offered", messages.map(|(offer, _)| name(direction(offer))))
            .with_some("direction_answered", messages.map(|(_, answer)| name(direction(answer))))
            .with("held_ms", hold.until.since(hold.from)),
    );
    true
}

/// The BYE by which the side on hold ended the call.
fn hung_up<'c>(
    call: &Call<'c>,
    negotiation: &Negotiation<'c>,
    hold: &Hold<'_, 'c>,
) -> Option<&'c Message<'c>> {
    let mut byes = call.messages.iter().filter(|message| message.method() == Method::Bye);
    let bye = byes.find(|bye| bye.is_request() && bye.time >= hold.until)?;
    let is_of_caller = bye.from_tag() == Some(negotiation.caller_tag);
    let is_of_holder = is_of_caller == (hold.holder == Side::Caller);
    (!is_of_holder).then_some(bye)
}

fn direction(description: &Description<'_>) -> Direction {
    description.session.audio().map(Media::direction).unwrap_or_default()
}

fn name(direction: Direction) -> Value {
    Value::quoted(direction.name().as_bytes())
}
