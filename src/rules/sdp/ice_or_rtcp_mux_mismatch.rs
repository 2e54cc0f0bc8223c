#![doc = include_str!("ice_or_rtcp_mux_mismatch.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::media::{CHANGE, Contact, Media, Passage, Seen};
use crate::packet::Endpoint;
use crate::sdp;
use crate::signaling::{Call, Side, Traits};
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "SDP109",
    name: "ice-or-rtcp-mux-mismatch",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("ice_or_rtcp_mux_mismatch.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::AGREEMENT]).and_one_of(&[Traits::ICE, Traits::CONTACTS]),
    check: Check::Media(check),
};

/// Checks that go on for so long without a success have failed for the ear.
const CHECKS: Span = Span::from_secs(3);

/// The port of media that have no place of their own yet (RFC 8840, section 4.1.1).
const NO_PORT: u16 = 9;

/// Most who did not ask for ICE do not look at it either.
const UNASKED: &str = "ice-in-answer-only";

/// What does not fit, and the packet that shows it, if it is not a description.
type Fault = (&'static str, Confidence, Option<Seen>);

fn check(call: &Call<'_>, media: Media<'_>, findings: &mut Findings<'_>) {
    let mut reported = Vec::new();
    for passage in call.passages() {
        let dialog = (passage.negotiation.caller_tag, passage.negotiation.callee_tag);
        for (problem, confidence, seen) in faults(&passage, media) {
            if reported.contains(&(dialog, problem)) {
                continue;
            }
            reported.push((dialog, problem));
            report(&passage, (problem, confidence, seen), media, findings);
        }
    }
}

fn faults(passage: &Passage<'_, '_>, media: Media<'_>) -> Vec<Fault> {
    let (own, other) = (passage.line.of(passage.sender), passage.line.of(passage.receiver()));
    let is_both = own.ice_ufrag().is_some() && other.ice_ufrag().is_some();
    let mut faults = Vec::new();
    if own.attribute("ice-mismatch").is_some() {
        faults.push(("ice-mismatch", Confidence::Certain, None));
    } else if is_both && lacks_default(own) {
        faults.push(("default-no-candidate", Confidence::Certain, None));
    }
    let is_answerer = passage.period.offerer != passage.sender;
    if is_answerer && own.candidates().next().is_some() && other.ice_ufrag().is_none() {
        faults.push((UNASKED, Confidence::Certain, None));
    }
    if is_both && let Some(seen) = failed_checks(passage, media) {
        faults.push(("checks-failed", Confidence::Likely, Some(seen)));
    }
    faults.extend(rtcp_fault(passage, media));
    faults
}

/// The place in `c=` and `m=` is none of the candidates (RFC 8839, section 4.2.5): somebody has
/// changed the one and left the others.
fn lacks_default(media: &sdp::Media<'_>) -> bool {
    let Some(default) = media.rtp_endpoint() else { return false };
    let is_real = default.port() != NO_PORT && !default.ip().is_unspecified();
    let known = media.candidate_addresses().count();
    let is_listed = media.candidate_addresses().any(|candidate| candidate == default);
    // Names hide addresses (mDNS), and candidates may come later.
    is_real && known > 0 && known == media.candidates().count() && !is_listed
}

/// Checks of connectivity went either way, and none of them succeeded.
fn failed_checks(passage: &Passage<'_, '_>, media: Media<'_>) -> Option<Seen> {
    let places = passage.places();
    let contacts = places.iter().flat_map(|place| media.contacts_at(*place));
    let checks: Vec<_> = contacts.filter_map(|contact| contact.stun).collect();
    let own = checks.iter().filter(|check| {
        check.first.time >= passage.from - CHANGE && check.first.time <= passage.until
    });
    let first = own.clone().map(|check| check.first).min()?;
    let last = own.map(|check| check.last.time).max()?;
    // Media that flow both ways go over a pair that succeeded, in the capture or not.
    if !passage.streams(media).is_empty() && !passage.back().streams(media).is_empty() {
        return None;
    }
    let is_vain = checks.iter().all(|check| check.success.is_none());
    (is_vain && last.since(first.time) >= CHECKS && shows_both_ways(passage, media))
        .then_some(first)
}

/// Media, RTCP or checks from either side are in the capture, so that a success would be, too
/// (guard G2). A lite agent (RFC 8445, section 2.5) sends no checks, but it answers them.
fn shows_both_ways(passage: &Passage<'_, '_>, media: Media<'_>) -> bool {
    let places = passage.places();
    let sent = |side: Side| {
        let Some(own) = passage.line.rtp(side) else { return false };
        let is_from = |source: Endpoint| source.address == own.address;
        let mut contacts = places.iter().flat_map(|place| media.contacts_at(*place));
        let mut streams = places.iter().flat_map(|place| media.at(*place));
        contacts.any(|contact| is_from(contact.source)) || streams.any(|s| is_from(s.source))
    };
    sent(Side::Caller) && sent(Side::Callee)
}

/// RTCP goes to a port of its own although both agreed on one, or the other way.
fn rtcp_fault(passage: &Passage<'_, '_>, media: Media<'_>) -> Option<Fault> {
    let passage = passage.without_begin(CHANGE)?;
    let rtp = passage.destination()?;
    let next = Endpoint { port: rtp.port.checked_add(1)?, ..rtp };
    // The same ports may have been used before, and are used again later.
    let within = |contact: &Contact| {
        let rtcp = contact.rtcp.as_deref()?;
        let is_own = |seen: &Seen| passage.from < seen.time && seen.time < passage.until;
        [rtcp.first, rtcp.last].into_iter().find(is_own)
    };
    let to = |place: Endpoint| {
        let contacts = media.contacts_at(place).filter(move |own| own.destination == place);
        contacts.filter_map(within).min()
    };
    let wanted = passage.line.rtcp(passage.receiver());
    let is_place = |next: Endpoint| {
        let mut lines = passage.period.lines.iter();
        lines.any(|line| line.rtp(passage.receiver()) == Some(next))
            || media.went_to(next, passage.from, passage.until)
    };
    match passage.line.is_muxed() {
        // Media that go there, of this call or another, bring their RTCP with them.
        true if is_place(next) => None,
        true => to(next).map(|seen| ("rtcp-not-muxed", Confidence::Certain, Some(seen))),
        false if wanted != Some(rtp) => {
            to(rtp).map(|seen| ("rtcp-muxed", Confidence::Certain, Some(seen)))
        }
        false => None,
    }
}

fn report(
    passage: &Passage<'_, '_>,
    (problem, confidence, seen): Fault,
    media: Media<'_>,
    findings: &mut Findings<'_>,
) {
    // What works all the same is a note.
    let flows = |passage: &Passage<'_, '_>| !passage.streams(media).is_empty();
    let is_harmless = flows(passage) && flows(&passage.back());
    let severity = match is_harmless || problem == UNASKED {
        true => Severity::Info,
        false => Severity::Warn,
    };
    let exchange = passage.negotiation.exchange_of(passage.period);
    let offer = exchange.and_then(|exchange| Some(exchange.offer.as_ref()?.message));
    findings.report(
        Report::on_capture()
            .between(passage.negotiation.near, passage.negotiation.far)
            .at(offer)
            .at(passage.answer())
            .frames(seen.map(|seen| (seen.frame, seen.time)))
            .severity(severity)
            .confidence(confidence)
            .with("problem", Value::Word(problem))
            .with("sender", Value::Word(passage.sender.word()))
            .with_some("media_from", passage.source())
            .with_some("media_to", passage.destination())
            .with_some("media_flow", is_harmless.then_some(true)),
    );
}
