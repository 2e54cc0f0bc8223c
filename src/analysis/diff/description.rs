//! What of a session description somebody chose: media, codecs in order, direction, what kind of
//! address.
//!
//! Ports do not count unless they are 0, payload types only by their codec, addresses by who has
//! them or else by their range.

use std::net::IpAddr;

use crate::analysis::diff::cast::{Cast, letter};
use crate::bytes::printable;
use crate::finding::Value;
use crate::limits::QUOTED_CHARS_MAX;
use crate::sdp::{Connection, Media, Session, Setup};
use crate::signaling::Reach;

/// One thing that a description says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Aspect {
    /// The number of the media description, from 1, and what it is; none for the session.
    pub(super) media: Option<(usize, String)>,
    /// What it is.
    pub(super) name: &'static str,
    /// The codec that it is said of; empty where it is said of the media.
    pub(super) codec: String,
    /// What it says.
    pub(super) value: Value,
}

impl Aspect {
    pub(super) fn is_same_place(&self, other: &Self) -> bool {
        let number = |aspect: &Self| aspect.media.as_ref().map(|(number, _)| *number);
        self.name == other.name && self.codec == other.codec && number(self) == number(other)
    }
}

/// What is said of a codec, besides that it is there.
pub(super) const PARAMETERS: &str = "format-parameters";

/// Attributes that are told otherwise, or are made anew for each call.
const NOT_LISTED: [&str; 30] = [
    "rtpmap",
    "fmtp",
    "ptime",
    "maxptime",
    "sendrecv",
    "sendonly",
    "recvonly",
    "inactive",
    "rtcp",
    "rtcp-mux",
    "crypto",
    "fingerprint",
    "setup",
    "connection",
    "tls-id",
    "candidate",
    "remote-candidates",
    "end-of-candidates",
    "ice-ufrag",
    "ice-pwd",
    "ice-options",
    "ssrc",
    "ssrc-group",
    "msid",
    "cname",
    "label",
    "mid",
    "x-google-flag",
    "ts-refclk",
    "nortpproxy",
];

/// Everything that a description says, in its order; at least one thing.
pub(super) fn aspects(sdp: &[u8], cast: &Cast) -> Vec<Aspect> {
    let session = Session::parse(sdp).0;
    let count = Value::from(session.media.len());
    let no_codec = String::new;
    let mut aspects =
        vec![Aspect { media: None, name: "media-count", codec: no_codec(), value: count }];
    for (media, number) in session.media.iter().zip(1_usize..) {
        let place = Some((number, printable(media.kind).to_ascii_lowercase()));
        let mut add = |name: &'static str, value: Value| {
            aspects.push(Aspect { media: place.clone(), name, codec: no_codec(), value });
        };
        add("media", text(media.kind));
        add("is-rejected", Value::Flag(media.is_rejected()));
        add("protocol", text(media.protocol));
        if media.is_rejected() {
            continue;
        }
        add("codecs", codecs(media));
        add("direction", Value::Text(media.direction().name().to_owned()));
        if let Some(connection) = media.connection {
            add("address", address(&connection, cast));
        }
        for (name, number) in [("ptime", media.ptime()), ("maxptime", media.maxptime())] {
            if let Some(number) = number {
                add(name, number.into());
            }
        }
        add("rtcp-mux", Value::Flag(media.has_rtcp_mux()));
        add("keying", keying(media));
        add("ice", Value::Flag(media.ice_ufrag().is_some()));
        if let Some(names) = attributes(media) {
            add("attributes", names);
        }
        aspects.extend(parameters(media).into_iter().map(|(codec, value)| Aspect {
            media: place.clone(),
            name: PARAMETERS,
            codec,
            value,
        }));
    }
    aspects
}

fn text(bytes: &[u8]) -> Value {
    Value::quoted(bytes)
}

fn list(items: Vec<String>) -> Value {
    let text = items.join(", ");
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => Value::Text(format!("{}…", text.get(..end).unwrap_or_default())),
        None => Value::Text(text),
    }
}

/// The codecs in order of preference; a format that names none as it is.
fn codecs(media: &Media<'_>) -> Value {
    let known: Vec<_> = media.codecs().collect();
    let name = |format: &[u8]| {
        let number = str::from_utf8(format).ok().and_then(|text| text.parse::<u8>().ok());
        let codec = known.iter().find(|codec| Some(codec.payload_type) == number);
        codec.map_or_else(
            || printable(format).into_owned(),
            |codec| printable(&codec.spelled()).into_owned(),
        )
    };
    list(media.formats().map(name).collect())
}

/// What `a=fmtp` says of each codec, its parameters sorted.
fn parameters(media: &Media<'_>) -> Vec<(String, Value)> {
    let known: Vec<_> = media.codecs().collect();
    let mut all: Vec<(String, Value)> = Vec::new();
    for fmtp in media.fmtps() {
        let number = str::from_utf8(fmtp.format).ok().and_then(|text| text.parse::<u8>().ok());
        let Some(codec) = known.iter().find(|codec| Some(codec.payload_type) == number) else {
            continue;
        };
        // The payload types of RFC 2198 and RFC 4588 are numbers of this description only.
        if codec.is("red") || codec.is("rtx") {
            continue;
        }
        let text = printable(fmtp.parameters);
        let mut parameters: Vec<&str> = text.split(';').map(str::trim).collect();
        parameters.sort_unstable();
        let codec = printable(&codec.spelled()).into_owned();
        let value = list(vec![format!("{codec} {}", parameters.join(";"))]);
        all.push((codec, value));
    }
    all
}

/// Whose address it is; else from where it can be reached.
fn address(connection: &Connection<'_>, cast: &Cast) -> Value {
    match connection.address() {
        None => Value::Word("host-name"),
        Some(address) if address.is_unspecified() => Value::Word("unspecified"),
        Some(address) if address.is_multicast() => Value::Word("multicast"),
        Some(address) => match cast.at(address, None) {
            Some(number) => Value::Text(format!("{{{}}}", letter(number))),
            None => Value::Word(range(address)),
        },
    }
}

fn range(address: IpAddr) -> &'static str {
    match (Reach::of(address), address) {
        (Reach::Public, IpAddr::V6(_)) => "public-ipv6",
        (reach, _) => reach.name(),
    }
}

/// How keys for SRTP are agreed.
fn keying(media: &Media<'_>) -> Value {
    let mut ways: Vec<String> =
        media.crypto_suites().map(|suite| printable(suite).into_owned()).collect();
    if media.fingerprint().is_some() {
        let setup = match media.setup() {
            Some(Setup::Active) => " active",
            Some(Setup::Passive) => " passive",
            Some(Setup::ActPass) => " actpass",
            Some(Setup::HoldConn) => " holdconn",
            None => "",
        };
        ways.push(format!("DTLS{setup}"));
    }
    match ways.is_empty() {
        true => Value::Word("none"),
        false => list(ways),
    }
}

/// The names of all other attributes, sorted.
fn attributes(media: &Media<'_>) -> Option<Value> {
    let mut names: Vec<String> = media
        .attributes()
        .map(|(name, _)| printable(name).into_owned())
        .filter(|name| !NOT_LISTED.contains(&name.as_str()))
        .collect();
    names.sort_unstable();
    names.dedup();
    (!names.is_empty()).then(|| list(names))
}
