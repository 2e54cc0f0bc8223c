#![doc = include_str!("srtp_profile_mismatch.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::sdp::Media;
use crate::signaling::{Attempt, Call, Exchange, Objection, Traits};
use crate::sip::HeaderName;

pub(crate) static RULE: Rule = Rule {
    code: "SDP106",
    name: "srtp-profile-mismatch",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("srtp_profile_mismatch.md"),
    thresholds: &[],
    gate: Gate::one_of(&[Traits::KEYING, Traits::LOST])
        .and_one_of(&[Traits::KEYING, Traits::REFUSAL]),
    check: Check::Call(check),
};

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for attempt in call.attempts.iter().filter(|attempt| !attempt.is_resolved(call)) {
        refused(call, attempt, findings);
    }
    let found = call.negotiations().first_in_each_dialog(|(_, exchange)| mismatch(exchange));
    for (exchange, mismatch) in found {
        answered(call, exchange, mismatch, findings);
    }
}

/// (a) A final response refuses the profile.
fn refused(call: &Call<'_>, attempt: &Attempt<'_>, findings: &mut Findings<'_>) {
    let Some(first) = attempt.first_hop(call).filter(|_| !attempt.is_answered()) else { return };
    let hop = attempt.origin(call, first);
    let Some(Objection::Profile { is_told }) = Objection::of(hop) else { return };
    let Some((request, answer)) = hop.request.zip(hop.final_response()) else { return };
    let Some((offer, _)) = request.session() else { return };
    let Some(status) = answer.status().filter(|_| !call.is_given_up(hop)) else { return };
    let confidence = if is_told { Confidence::Likely } else { Confidence::Possible };
    let protocols = offer.media.iter().filter(|media| !media.is_rejected());
    let protocols = protocols.map(|media| Value::quoted(media.protocol)).collect();
    findings.report(
        Report::on(hop)
            .at([request, answer])
            .confidence(confidence)
            .with("srtp_fault", Value::Word("profile-refused"))
            .with("offered", Value::List(protocols))
            .status(status)
            .with("status", status.code())
            .with("phrase", Value::quoted(answer.reason_phrase().unwrap_or_default().as_bytes()))
            .with_some("warning", answer.header(HeaderName::Warning).map(Value::quoted)),
    );
}

/// What is wrong, and the media of offer and answer.
type Mismatch<'c> = (&'static str, Media<'c>, Media<'c>);

/// (b) The answer has another profile than the offer, or keys that do not go with it.
fn mismatch<'c>(exchange: &Exchange<'c>) -> Option<Mismatch<'c>> {
    let (offer, answer) = exchange.pair().filter(|_| exchange.refusal.is_none())?;
    if !offer.is_whole() || !answer.is_whole() {
        return None;
    }
    let pairs = offer.session.media.iter().zip(&answer.session.media);
    let mut pairs = pairs.filter(|(offered, answered)| is_comparable(offered, answered));
    pairs.find_map(|(offered, answered)| Some((fault(offered, answered)?, *offered, *answered)))
}

/// Both sides have the media, and the offer leaves no choice of profiles (RFC 5939).
fn is_comparable(offered: &Media<'_>, answered: &Media<'_>) -> bool {
    let is_live = |media: &Media<'_>| media.is_rtp() && !media.is_rejected();
    offered.kind.eq_ignore_ascii_case(answered.kind)
        && is_live(offered)
        && is_live(answered)
        && !offered.has_capabilities()
}

fn fault(offered: &Media<'_>, answered: &Media<'_>) -> Option<&'static str> {
    match (offered.is_secure(), answered.is_secure()) {
        (true, false) => return Some("answered-plain"),
        // Keys in a plain offer say that encryption is welcome.
        (false, true) if offered.has_keying() => return wrong_suite(offered, answered),
        (false, true) => return Some("answered-secure"),
        // Keys in plain RTP are encryption if both want it (RFC 8643), so the answer may have none.
        (false, false) => return wrong_suite(offered, answered),
        (true, true) => {}
    }
    if !answered.has_keying() && offered.has_keying() {
        return Some("no-key");
    }
    let has_sdes = |media: &Media<'_>| media.cryptos().next().is_some();
    let has_dtls = |media: &Media<'_>| media.fingerprint().is_some();
    let is_other = |one: &Media<'_>, other: &Media<'_>| {
        has_sdes(one) && !has_dtls(one) && has_dtls(other) && !has_sdes(other)
    };
    if is_other(offered, answered) || is_other(answered, offered) {
        return Some("other-keying");
    }
    wrong_suite(offered, answered)
}

/// The answer takes a suite that was not offered (RFC 4568, section 5.1.2).
fn wrong_suite(offered: &Media<'_>, answered: &Media<'_>) -> Option<&'static str> {
    let mut answers = answered.crypto_suites();
    let is_offered =
        |suite: &[u8]| offered.crypto_suites().any(|known| known.eq_ignore_ascii_case(suite));
    let has_offer = offered.crypto_suites().next().is_some();
    (has_offer && answers.any(|suite| !is_offered(suite))).then_some("other-suite")
}

fn answered(
    call: &Call<'_>,
    exchange: &Exchange<'_>,
    (word, offered, answered): Mismatch<'_>,
    findings: &mut Findings<'_>,
) {
    let Some((offer, answer)) = exchange.pair() else { return };
    let Some(hop) = call.transactions.get(exchange.transaction) else { return };
    let suites =
        |media: &Media<'_>| Value::List(media.crypto_suites().map(Value::quoted).collect());
    let is_suite = word == "other-suite";
    findings.report(
        Report::beside(hop)
            .at([offer.message, answer.message])
            .with("srtp_fault", Value::Word(word))
            .with("offered", Value::List(vec![Value::quoted(offered.protocol)]))
            .with("answered_protocol", Value::quoted(answered.protocol))
            .with_some("suites_offered", is_suite.then(|| suites(&offered)))
            .with_some("suites_answered", is_suite.then(|| suites(&answered)))
            .with("sender", answer.message.source),
    );
}
