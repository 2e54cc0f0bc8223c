//! One media description: an `m=` line and the lines after it (RFC 8866, section 5.14).

use std::net::{IpAddr, SocketAddr};

use super::anomaly::{Anomalies, Anomaly};
use super::attribute::{
    Direction, Fmtp, Names, Precondition, RtpMap, RtpMaps, Setup, attributes, payload_type,
};
use super::line::words;
use super::session::{Connection, bandwidth};
use crate::limits::FORMATS_PER_MEDIA_MAX;
use crate::sip::Host;
use crate::sip::lws::{number, word};

/// One media description.
#[derive(Clone, Copy, Debug)]
pub struct Media<'a> {
    /// `audio`, `video`, `image`, `application`, `message` or another.
    pub kind: &'a [u8],
    /// The port; 0 rejects or removes the media, and stands as well for a port that is none.
    pub port: u16,
    /// How many ports, 1 if nothing is said.
    pub port_count: u32,
    /// For example `RTP/AVP`; compared in any case.
    pub protocol: &'a [u8],
    /// `c=` of the media, or else of the session.
    pub connection: Option<Connection<'a>>,
    formats: &'a [u8],
    lines: &'a [u8],
    maps: RtpMaps<'a>,
    ptime: Option<&'a [u8]>,
    names: Names,
    direction: Direction,
    session: &'a [u8],
    session_names: Names,
}

/// What stands around an `m=`.
pub(crate) struct MediaPart<'a> {
    /// The lines after it.
    pub(crate) lines: &'a [u8],
    /// What of them is `a=rtpmap`.
    pub(crate) maps: RtpMaps<'a>,
    /// The value of the first `a=ptime`.
    pub(crate) ptime: Option<&'a [u8]>,
    /// Its own, or that of the session.
    pub(crate) connection: Option<Connection<'a>>,
    /// Its own, or that of the session.
    pub(crate) direction: Direction,
    pub(crate) names: Names,
    pub(crate) session: &'a [u8],
    pub(crate) session_names: Names,
}

impl<'a> Media<'a> {
    pub(crate) fn parse(value: &'a [u8], part: MediaPart<'a>) -> (Self, Anomalies) {
        let mut anomalies = Anomalies::NONE;
        let (kind, rest) = word(value);
        let (ports, rest) = word(rest);
        let (protocol, formats) = word(rest);
        let mut ports = ports.splitn(2, |byte| *byte == b'/');
        let port = ports.next().and_then(number).and_then(|port| u16::try_from(port).ok());
        let port_count = ports.next().map(number);
        let is_whole = port.is_some() && port_count != Some(None) && !formats.is_empty();
        anomalies.insert_if(!is_whole, Anomaly::MediaInvalid);
        anomalies.insert_if(has_too_many(formats), Anomaly::TooManyFormats);
        let MediaPart { connection, .. } = part;
        let port = port.unwrap_or(0);
        anomalies.insert_if(connection.is_none() && port != 0, Anomaly::MissingConnection);
        let media = Self {
            kind,
            port,
            port_count: port_count.flatten().unwrap_or(1),
            protocol,
            connection,
            formats,
            lines: part.lines,
            maps: part.maps,
            ptime: part.ptime,
            names: part.names,
            direction: part.direction,
            session: part.session,
            session_names: part.session_names,
        };
        (media, anomalies)
    }

    /// Whether the kind is this, in any case.
    pub fn is(&self, kind: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind.as_bytes())
    }

    /// Whether the port is 0: rejected or removed (RFC 3264, section 6).
    pub const fn is_rejected(&self) -> bool {
        self.port == 0
    }

    /// The formats, as many as are looked at; for RTP payload types.
    pub fn formats(&self) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        words(self.formats).take(FORMATS_PER_MEDIA_MAX)
    }

    /// The formats that are payload types.
    pub fn payload_types(&self) -> impl Iterator<Item = u8> + use<'a> {
        self.formats().filter_map(payload_type)
    }

    /// Whether the protocol is RTP in any profile.
    pub fn is_rtp(&self) -> bool {
        self.protocol_parts().any(|part| part.eq_ignore_ascii_case(b"RTP"))
    }

    /// Whether it is RTP in datagrams of its own, and not in a connection (RFC 4571).
    pub fn is_rtp_in_datagrams(&self) -> bool {
        let is_tcp = |part: &[u8]| part.eq_ignore_ascii_case(b"TCP");
        self.is_rtp() && !self.protocol_parts().any(is_tcp)
    }

    /// Whether the profile is a secure one: `SAVP` or `SAVPF` (RFC 3711, RFC 5124).
    pub fn is_secure(&self) -> bool {
        self.protocol_parts()
            .any(|part| part.eq_ignore_ascii_case(b"SAVP") || part.eq_ignore_ascii_case(b"SAVPF"))
    }

    fn protocol_parts(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.protocol.split(|byte| *byte == b'/')
    }

    /// Whether there may be an attribute of the media with this name; sooner than looking for it.
    pub fn may_have(&self, name: &str) -> bool {
        self.names.may_have(name)
    }

    /// Name and value of each attribute of the media; the value is empty where there is none.
    pub fn attributes(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        attributes(self.lines)
    }

    /// The values of all attributes of the media with this name.
    pub fn values<'s>(&self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + use<'a, 's> {
        // Most are in no description at all.
        let lines = if self.names.may_have(name) { self.lines } else { &[] };
        attributes(lines).filter(move |(n, _)| *n == name.as_bytes()).map(|(_, value)| value)
    }

    /// The value of the first attribute of the media with this name; empty if it has none.
    pub fn attribute(&self, name: &str) -> Option<&'a [u8]> {
        self.values(name).next()
    }

    /// The same, or else that of the session.
    pub fn inherited(&self, name: &str) -> Option<&'a [u8]> {
        let is_of_session = self.session_names.may_have(name);
        let session = if is_of_session { self.session } else { &[] };
        let of_session = || attributes(session).find(|(n, _)| *n == name.as_bytes());
        self.attribute(name).or_else(|| of_session().map(|(_, value)| value))
    }

    /// The direction of the media, or else of the session, or else `sendrecv`.
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// What `a=rtpmap` says, in its order; lines that make no sense are passed over.
    pub fn rtpmaps(&self) -> impl Iterator<Item = RtpMap<'a>> + use<'a> {
        self.maps.iter()
    }

    /// The codec of a payload type: by `a=rtpmap`, or else by the table of static ones.
    pub fn codec(&self, payload_type: u8) -> Option<RtpMap<'a>> {
        self.rtpmaps()
            .find(|map| map.payload_type == payload_type)
            .or_else(|| RtpMap::of_static(payload_type))
    }

    /// The codecs of all payload types that have one, in the order of preference.
    pub fn codecs(&self) -> impl Iterator<Item = RtpMap<'a>> + use<'a> {
        let maps = self.maps;
        let many: Vec<_> = match maps.are_few() {
            true => Vec::new(),
            false => maps.iter().take(FORMATS_PER_MEDIA_MAX).collect(),
        };
        self.payload_types().filter_map(move |payload_type| {
            let of_many = || many.iter().find(|map| map.payload_type == payload_type).copied();
            let own = maps.of(payload_type).or_else(of_many);
            own.or_else(|| RtpMap::of_static(payload_type))
        })
    }

    /// The codecs that carry media by themselves.
    pub fn real_codecs(&self) -> impl Iterator<Item = RtpMap<'a>> + use<'a> {
        self.codecs().filter(RtpMap::is_real)
    }

    /// Whether some codec that carries media is in both; unknown where a payload type says nothing
    /// of its codec.
    pub fn shares_codec(&self, other: &Media<'_>) -> Option<bool> {
        let is_shared = other.common_codec(self).is_some();
        (is_shared || (self.has_known_codecs() && other.has_known_codecs())).then_some(is_shared)
    }

    /// The first codec that carries media and that the other side has as well.
    pub fn common_codec(&self, other: &Media<'_>) -> Option<RtpMap<'a>> {
        // Whether one carries media goes by its name, which the same one of the other side shares.
        let mut real = self.real_codecs();
        match other.maps.are_few() {
            // Mostly the first ones are the same, and the others need no look.
            true => real.find(|codec| other.codecs().any(|own| own.is_same_codec(codec))),
            false => {
                let others: Vec<_> = other.codecs().collect();
                real.find(|codec| others.iter().any(|own| own.is_same_codec(codec)))
            }
        }
    }

    /// Every format is a payload type that a codec is named for, and all were looked at.
    pub fn has_known_codecs(&self) -> bool {
        self.codecs().count() == self.formats().count() && !has_too_many(self.formats)
    }

    /// Events that stand for keys (RFC 4733) may be sent with this clock rate.
    pub fn has_events_at(&self, clock_rate: u32) -> bool {
        if !self.maps.are_few() {
            return self.event_clock_rates().any(|rate| rate == clock_rate);
        }
        self.maps.kept().iter().any(|event| {
            event.clock_rate == clock_rate
                && event.is("telephone-event")
                && self.payload_types().any(|own| own == event.payload_type)
                && self.maps.of(event.payload_type) == Some(*event)
        })
    }

    /// The clock rates of the events that stand for keys (RFC 4733).
    pub fn event_clock_rates(&self) -> impl Iterator<Item = u32> + use<'a> {
        let events = self.codecs().filter(|codec| codec.is("telephone-event"));
        events.map(|codec| codec.clock_rate)
    }

    /// What `a=fmtp` says.
    pub fn fmtps(&self) -> impl Iterator<Item = Fmtp<'a>> + use<'a> {
        self.values("fmtp").filter_map(Fmtp::parse)
    }

    /// Milliseconds of media in one packet.
    pub fn ptime(&self) -> Option<u32> {
        number(self.ptime?)
    }

    /// At most so many milliseconds of media in one packet.
    pub fn maxptime(&self) -> Option<u32> {
        number(self.attribute("maxptime")?)
    }

    /// Whether RTP and RTCP share a port (RFC 5761).
    pub fn has_rtcp_mux(&self) -> bool {
        self.attribute("rtcp-mux").is_some()
    }

    /// Whether it only goes along with another media description and has no port of its own in an
    /// offer (RFC 9143, section 6).
    pub fn is_bundle_only(&self) -> bool {
        self.attribute("bundle-only").is_some()
    }

    /// Keys for SRTP (RFC 4568), as they were sent.
    pub fn cryptos(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.values("crypto")
    }

    /// The suites in `a=crypto`.
    pub fn crypto_suites(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.cryptos().filter_map(|value| words(value).nth(1))
    }

    /// The side has keys for SRTP, or a certificate to make them by, or negotiates them otherwise
    /// (RFC 4567).
    pub fn has_keying(&self) -> bool {
        ["crypto", "fingerprint", "key-mgmt"].into_iter().any(|name| self.inherited(name).is_some())
    }

    /// It negotiates profiles and attributes as capabilities (RFC 5939), so the answer may have
    /// another profile than the offer.
    pub fn has_capabilities(&self) -> bool {
        ["pcfg", "acfg", "tcap", "acap"].into_iter().any(|name| self.inherited(name).is_some())
    }

    /// Hash function and hash of the certificate for DTLS (RFC 8122, section 5).
    pub fn fingerprint(&self) -> Option<&'a [u8]> {
        self.inherited("fingerprint")
    }

    /// Who opens the association.
    pub fn setup(&self) -> Option<Setup> {
        Setup::of(self.inherited("setup")?)
    }

    /// The name for checks of connectivity (RFC 8839, section 5.4).
    pub fn ice_ufrag(&self) -> Option<&'a [u8]> {
        self.inherited("ice-ufrag")
    }

    /// Candidates for a path (RFC 8839, section 5.1), as they were sent.
    pub fn candidates(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.values("candidate")
    }

    /// The addresses of the candidates; names are passed over.
    pub fn candidate_addresses(&self) -> impl Iterator<Item = SocketAddr> + use<'a> {
        self.candidates().filter_map(|value| {
            let mut words = words(value).skip(4);
            let address = Host::of(words.next()?).address()?;
            let port = u16::try_from(number(words.next()?)?).ok()?;
            Some(SocketAddr::new(address, port))
        })
    }

    /// The `b=` with this modifier, for example `AS`, of the media or else of the session.
    pub fn bandwidth(&self, modifier: &str) -> Option<u32> {
        bandwidth(self.lines, modifier).or_else(|| bandwidth(self.session, modifier))
    }

    /// Preconditions about the quality of service (RFC 3312).
    pub fn preconditions(&self) -> impl Iterator<Item = Precondition<'a>> + use<'a> {
        let has_any = ["curr", "des"].into_iter().any(|name| self.names.may_have(name));
        let lines = if has_any { self.lines } else { &[] };
        attributes(lines).filter_map(|(name, value)| Precondition::parse(name, value))
    }

    /// Where media go; none if it is a name or nothing says it.
    pub fn address(&self) -> Option<IpAddr> {
        self.connection?.address()
    }

    /// Address and port that RTP goes to; none for rejected media.
    pub fn rtp_endpoint(&self) -> Option<SocketAddr> {
        if self.is_rejected() {
            return None;
        }
        Some(SocketAddr::new(self.address()?, self.port))
    }

    /// Address and port that RTCP goes to: by `a=rtcp` (RFC 3605), the port of RTP with
    /// `a=rtcp-mux`, or else the next one.
    pub fn rtcp_endpoint(&self) -> Option<SocketAddr> {
        let rtp = self.rtp_endpoint()?;
        if let Some(value) = self.attribute("rtcp") {
            let mut words = words(value);
            let port = words.next().and_then(number).and_then(|port| u16::try_from(port).ok());
            let address = words.nth(2).and_then(|word| Host::of(word).address());
            if let Some(port) = port {
                return Some(SocketAddr::new(address.unwrap_or(rtp.ip()), port));
            }
        }
        if self.has_rtcp_mux() {
            return Some(rtp);
        }
        Some(SocketAddr::new(rtp.ip(), rtp.port().checked_add(1)?))
    }

    /// The same, for a peer that does not want both on one port; none where nobody can reach it, as
    /// browsers have it before they know better.
    pub fn rtcp_endpoint_alone(&self) -> Option<SocketAddr> {
        if self.attribute("rtcp").is_some() || !self.has_rtcp_mux() {
            return self.rtcp_endpoint().filter(|rtcp| !rtcp.ip().is_unspecified());
        }
        let rtp = self.rtp_endpoint()?;
        Some(SocketAddr::new(rtp.ip(), rtp.port().checked_add(1)?))
    }

    /// The port in `a=rtcp` (RFC 3605).
    pub fn rtcp_port(&self) -> Option<u16> {
        u16::try_from(number(words(self.attribute("rtcp")?).next()?)?).ok()
    }
}

/// There are more formats than are looked at; each takes two bytes at least.
fn has_too_many(formats: &[u8]) -> bool {
    formats.len() > 2 * FORMATS_PER_MEDIA_MAX && words(formats).nth(FORMATS_PER_MEDIA_MAX).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::Session;

    fn media(text: &str, check: impl Fn(&Media<'_>, Anomalies)) {
        let (session, anomalies) = Session::parse(text.as_bytes());
        let Some(media) = session.media.first() else { panic!("media in {text}") };
        check(media, anomalies);
    }

    fn endpoint(text: &str) -> Option<SocketAddr> {
        text.parse().ok()
    }

    #[test]
    fn an_offer_of_audio() {
        let text = "v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
            a=setup:actpass\r\nm=audio 49170/2 RTP/SAVPF 8 0 101\r\nb=AS:80\r\na=ptime:20\r\n\
            a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=maxptime:40\r\n\
            a=sendonly\r\na=ice-ufrag:F7gI\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\n\
            a=candidate:1 1 UDP 2130706431 10.0.1.1 8998 typ host\r\n\
            a=curr:qos local none\r\na=des:qos mandatory local sendrecv\r\n";
        media(text, |media, anomalies| {
            assert!(anomalies.is_empty() && media.is("audio") && media.is_rtp());
            assert_eq!((media.port, media.port_count), (49_170, 2));
            assert_eq!(media.payload_types().collect::<Vec<_>>(), [8, 0, 101]);
            let names: Vec<_> = media.codecs().map(|codec| codec.encoding).collect();
            assert_eq!(names, [&b"PCMA"[..], b"PCMU", b"telephone-event"]);
            assert_eq!((media.ptime(), media.maxptime()), (Some(20), Some(40)));
            assert_eq!(media.direction(), Direction::SendOnly);
            assert_eq!(media.setup(), Some(Setup::ActPass));
            assert_eq!(media.bandwidth("AS"), Some(80));
            assert_eq!(media.ice_ufrag(), Some(&b"F7gI"[..]));
            assert!(media.crypto_suites().eq([&b"AES_CM_128_HMAC_SHA1_80"[..]]));
            assert_eq!(media.candidate_addresses().next(), endpoint("10.0.1.1:8998"));
            assert_eq!(media.preconditions().count(), 2);
            assert!(media.is_secure() && !media.has_rtcp_mux());
        });
    }

    #[test]
    fn endpoints() {
        let cases = [
            ("c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\n", "192.0.2.1:4000", "192.0.2.1:4001"),
            (
                "c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\nc=IN IP6 2001:db8::1\n",
                "[2001:db8::1]:4000",
                "[2001:db8::1]:4001",
            ),
            (
                "c=IN IP4 224.2.1.1/127/3\nm=audio 4000 RTP/AVP 0\na=rtcp-mux\n",
                "224.2.1.1:4000",
                "224.2.1.1:4000",
            ),
            (
                "c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\na=rtcp:53020 IN IP4 192.0.2.9\n",
                "192.0.2.1:4000",
                "192.0.2.9:53020",
            ),
            ("c=IN IP4 192.0.2.1\nm=audio 0 RTP/AVP 0\n", "", ""),
            ("c=IN IP4 host.example\nm=audio 4000 RTP/AVP 0\n", "", ""),
            ("m=audio 65535 RTP/AVP 0\nc=IN IP4 192.0.2.1\n", "192.0.2.1:65535", ""),
        ];
        for (text, rtp, rtcp) in cases {
            media(text, |media, _| {
                assert_eq!(media.rtp_endpoint(), endpoint(rtp), "{text}");
                assert_eq!(media.rtcp_endpoint(), endpoint(rtcp), "{text}");
            });
        }
    }

    #[test]
    fn codecs_in_common() {
        let shared = |one: &str, other: &str| {
            let text = |media: &str| format!("m=audio 4000 RTP/AVP {media}\n");
            let (one, other) = (text(one), text(other));
            let (one, other) =
                (Session::parse(one.as_bytes()).0, Session::parse(other.as_bytes()).0);
            one.shares_audio_codec(&other)
        };
        assert_eq!(shared("0 8", "96\na=rtpmap:96 pcma/8000"), Some(true));
        assert_eq!(shared("18", "0"), Some(false));
        assert_eq!(shared("18 101\na=rtpmap:101 telephone-event/8000", "8 101"), None);
        assert_eq!(shared("18 13", "0 13"), Some(false));
        assert_eq!(shared("97", "97"), None);
    }

    #[test]
    fn keys_and_rtcp() {
        let text =
            "c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\na=rtcp-mux\na=crypto:1 X inline:x\n";
        media(text, |media, _| {
            assert!(media.has_keying() && !media.has_capabilities() && !media.is_bundle_only());
            assert_eq!(media.rtcp_endpoint_alone(), endpoint("192.0.2.1:4001"));
        });
        let text = "c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\na=rtcp:9 IN IP4 0.0.0.0\n";
        media(text, |media, _| assert_eq!(media.rtcp_endpoint_alone(), None));
    }

    #[test]
    fn lines_that_make_no_sense_are_noted() {
        for text in ["m=audio\n", "m=audio 4000 RTP/AVP\n", "m=audio x RTP/AVP 0\n", "m=\n"] {
            media(text, |_, anomalies| assert!(anomalies.contains(Anomaly::MediaInvalid)));
        }
        media("m=audio 4000 RTP/AVP 0\n", |_, anomalies| {
            assert!(anomalies.contains(Anomaly::MissingConnection));
        });
    }

    #[test]
    fn few_and_many_codecs_are_found_alike() {
        let maps = |count: u8| -> String {
            let map = |number| format!("a=rtpmap:{number} X{number}/8000\na=fmtp:{number} x\n");
            (96..96 + count).map(map).collect()
        };
        for count in 0..12 {
            let events =
                "a=rtpmap:101\ttelephone-event/8000\na=rtpmap: 102 Telephone-Event/16000\n";
            let text = format!("m=audio 4000 RTP/AVP 0 96 101 103\n{}{events}", maps(count.min(5)));
            let text = format!("{text}{}a=rtpmap:x\na=rtpmap:103 opus/48000/2\n", maps(count));
            media(&text, |media, _| {
                let codecs: Vec<_> = media.codecs().map(|codec| codec.encoding).collect();
                let first: &[&[u8]] = if count == 0 { &[b"PCMU"] } else { &[b"PCMU", b"X96"] };
                let second: &[u8] = if count < 8 { b"opus" } else { b"X103" };
                let last = [&b"telephone-event"[..], second];
                assert_eq!(codecs, [first, &last].concat(), "{text}");
                assert!(media.has_events_at(8000) && !media.has_events_at(16_000), "{text}");
                assert_eq!(media.event_clock_rates().collect::<Vec<_>>(), [8000]);
                assert_eq!(media.rtpmaps().count(), usize::from(count + count.min(5)) + 3);
            });
        }
    }
}
