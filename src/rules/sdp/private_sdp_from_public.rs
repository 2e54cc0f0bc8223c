#![doc = include_str!("private_sdp_from_public.md")]

use std::net::IpAddr;

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::media::{Media as Streams, Stream};
use crate::packet::Endpoint;
use crate::sdp::Media;
use crate::signaling::{Call, Description, Reach, Side, Sighting, Traits};
use crate::sip::Status;

pub(crate) static RULE: Rule = Rule {
    code: "SDP110",
    name: "private-sdp-from-public",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("private_sdp_from_public.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::AGREEMENT, Traits::PUBLIC_WAY]),
    check: Check::Media(check),
};

/// Hosts of one call that are looked at.
const HOSTS_MAX: usize = 32;

/// A line of a description that names an address which the receiver cannot reach.
struct Exposed<'a, 'c> {
    side: Side,
    line: usize,
    media: Media<'c>,
    description: &'a Description<'c>,
    end: Endpoint,
    reach: Reach,
}

fn check(call: &Call<'_>, streams: Streams<'_>, findings: &mut Findings<'_>) {
    let mut known: Vec<(IpAddr, Endpoint)> = Vec::new();
    for sightings in call.negotiations().exchanges() {
        for sighting in &sightings {
            for exposed in exposed(call, *sighting) {
                let host = (exposed.end.address, exposed.description.message.source);
                if known.len() >= HOSTS_MAX {
                    return;
                }
                if known.contains(&host) {
                    continue;
                }
                known.push(host);
                if !is_rewritten(&sightings, &exposed) {
                    report(call, *sighting, &exposed, streams, findings);
                }
            }
        }
    }
}

/// What was agreed on between two public hosts, with an address that only one's own network knows.
fn exposed<'a, 'c>(call: &Call<'c>, (_, exchange): Sighting<'a, 'c>) -> Vec<Exposed<'a, 'c>> {
    if exchange.agreed().is_none() {
        return Vec::new();
    }
    let ways =
        exchange.descriptions().filter(|(_, description)| call.is_public_way(description.message));
    let lines = ways.flat_map(|(side, description)| {
        let lines = description.session.media.iter().enumerate();
        lines.filter_map(move |(line, media)| {
            let rtp: Endpoint = media.rtp_endpoint()?.into();
            let reach = call.hidden(rtp.address).filter(|_| media.direction().receives())?;
            let media = *media;
            (!has_other_way(call, &media)).then_some(Exposed {
                side,
                line,
                media,
                description,
                end: rtp,
                reach,
            })
        })
    });
    lines.collect()
}

/// A candidate can be reached, or more of them may come (RFC 8838), or be a name.
fn has_other_way(call: &Call<'_>, media: &Media<'_>) -> bool {
    let is_trickle = media
        .inherited("ice-options")
        .is_some_and(|options| options.split(|byte| *byte == b' ').any(|own| own == b"trickle"));
    is_trickle
        || media.candidates().count() != media.candidate_addresses().count()
        || media.candidate_addresses().any(|candidate| call.hidden(candidate.ip()).is_none())
}

/// On another hop the same side has another address: what lies between relays its media.
fn is_rewritten(sightings: &[Sighting<'_, '_>], exposed: &Exposed<'_, '_>) -> bool {
    sightings.iter().any(|(_, exchange)| {
        exchange.descriptions().any(|(side, other)| {
            side == exposed.side
                && other.message.source.address != exposed.description.message.source.address
                && other.session.media.get(exposed.line).and_then(Media::address)
                    != Some(exposed.end.address)
        })
    })
}

fn report(
    call: &Call<'_>,
    (_, exchange): Sighting<'_, '_>,
    exposed: &Exposed<'_, '_>,
    streams: Streams<'_>,
    findings: &mut Findings<'_>,
) {
    let Some(hop) = call.transactions.get(exchange.transaction) else { return };
    let message = exposed.description.message;
    let is_latched = is_latched(exchange.descriptions(), exposed, streams);
    let severity = if is_latched { Severity::Info } else { Severity::Warn };
    findings.report(
        Report::beside(hop)
            .at([message])
            .severity(severity)
            // A server may send media to where they come from, whatever the description says.
            .confidence(if is_latched { Confidence::Certain } else { Confidence::Possible })
            .with("media", Value::quoted(exposed.media.kind))
            .with("media_endpoint", exposed.end)
            .with("reach", Value::Word(exposed.reach.name()))
            .with("method", Value::quoted(message.method().as_bytes()))
            .with("from", message.source)
            .with_some("status", message.status().map(Status::code))
            .with_some("latched", is_latched.then_some(true)),
    );
}

/// RTP comes to the other side from the address that the description came from, and goes back to
/// where it comes from.
fn is_latched<'a, 'c: 'a>(
    descriptions: impl Iterator<Item = (Side, &'a Description<'c>)>,
    exposed: &Exposed<'_, '_>,
    streams: Streams<'_>,
) -> bool {
    let host = exposed.description.message.source.address;
    let others = descriptions.filter(|(side, _)| *side != exposed.side);
    let mut ends = others.filter_map(|(_, other)| {
        Some(Endpoint::from(other.session.media.get(exposed.line)?.rtp_endpoint()?))
    });
    ends.any(|end| {
        let comes = |s: &&Stream| s.destination == end && s.source.address == host;
        streams.at(end).filter(comes).any(|own| {
            let goes = |s: &Stream| s.destination == own.source && s.source.address == end.address;
            streams.at(own.source).any(goes)
        })
    })
}
