//! A whole description: the session part, and the media descriptions after it.

use std::net::IpAddr;

use super::anomaly::{Anomalies, Anomaly};
use super::attribute::{Direction, attributes};
use super::line::{Lines, words};
use super::media::{Media, SessionPart};
use crate::limits::MEDIA_PER_SDP_MAX;
use crate::sip::Host;
use crate::sip::lws::number;

/// `o=`: who made the description, and which version it is (RFC 8866, section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The name of the user, often `-`.
    pub user: &'a [u8],
    /// With the other words but the version it names the session.
    pub id: &'a [u8],
    /// Grows with every change; may have more digits than a number of 64 bits.
    pub version: &'a [u8],
    /// `IP4` or `IP6`.
    pub address_type: &'a [u8],
    /// The address as it was sent.
    pub host: Host<'a>,
}

impl<'a> Origin<'a> {
    /// What is there of the six words, and whether all are.
    fn parse(value: &'a [u8]) -> (Self, bool) {
        let count = words(value).count();
        let mut words = words(value);
        let mut word = || words.next().unwrap_or_default();
        let (user, id, version, _network) = (word(), word(), word(), word());
        let origin = Self { user, id, version, address_type: word(), host: Host::of(word()) };
        (origin, count == 6)
    }

    /// The version as a number; none if it is not one of 64 bits.
    pub fn version_number(&self) -> Option<u64> {
        str::from_utf8(self.version).ok()?.parse().ok()
    }

    /// The address, if it is one and not a name.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.address()
    }

    /// Whether both are of the same session, whatever their versions (RFC 8866, section 5.2).
    pub fn is_same_session(&self, other: &Origin<'_>) -> bool {
        self.user == other.user
            && self.id == other.id
            && self.address_type == other.address_type
            && self.host == other.host
    }
}

/// `c=`: where media go (RFC 8866, section 5.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection<'a> {
    /// `IP4` or `IP6`.
    pub address_type: &'a [u8],
    /// The address as it was sent, without the time to live of a multicast.
    pub host: Host<'a>,
}

impl<'a> Connection<'a> {
    /// What is there of the three words, and whether they make sense.
    pub(crate) fn parse(value: &'a [u8]) -> (Self, bool) {
        let count = words(value).count();
        let mut words = words(value).skip(1);
        let address_type = words.next().unwrap_or_default();
        let address = words.next().unwrap_or_default();
        let host = address.split(|byte| *byte == b'/').next().unwrap_or_default();
        let connection = Self { address_type, host: Host::of(host) };
        let is_sane = connection.address().is_some() || connection.host.is_valid();
        (connection, count == 3 && is_sane)
    }

    /// The address, if it is one and not a name.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.address()
    }

    /// Whether the address is `0.0.0.0` or `::`: hold as RFC 2543 had it
    /// (RFC 3264, section 8.4).
    pub fn is_unspecified(&self) -> bool {
        self.address().is_some_and(|address| address.is_unspecified())
    }
}

/// A session description in its parts.
#[derive(Clone, Debug)]
pub struct Session<'a> {
    bytes: &'a [u8],
    /// `o=`
    pub origin: Option<Origin<'a>>,
    /// `s=`
    pub name: Option<&'a [u8]>,
    /// `c=` before the first `m=`.
    pub connection: Option<Connection<'a>>,
    /// `m=` with the lines after each.
    pub media: Vec<Media<'a>>,
    /// The lines before the first `m=`.
    lines: &'a [u8],
}

impl<'a> Session<'a> {
    /// The first audio stream.
    pub fn audio(&self) -> Option<&Media<'a>> {
        self.media.iter().find(|media| media.is("audio"))
    }

    /// Whether some audio of both can have the same codec; unknown where one has no audio, or a
    /// payload type that says nothing of its codec.
    pub fn shares_audio_codec(&self, other: &Session<'_>) -> Option<bool> {
        let is_live = |media: &&Media<'_>| media.is("audio") && !media.is_rejected();
        let mut shared = None;
        for own in self.media.iter().filter(is_live) {
            for other in other.media.iter().filter(is_live) {
                match own.shares_codec(other) {
                    Some(true) => return Some(true),
                    Some(false) => shared = shared.or(Some(Some(false))),
                    None => shared = Some(None),
                }
            }
        }
        shared.flatten()
    }

    /// Media waits until resources are reserved (RFC 3312).
    pub fn has_preconditions(&self) -> bool {
        self.media.iter().any(|media| media.preconditions().next().is_some())
    }

    /// The description that `bytes` are, and what is wrong with it.
    pub fn parse(bytes: &'a [u8]) -> (Self, Anomalies) {
        let mut anomalies = Anomalies::NONE;
        let lines = session_lines(bytes);
        let mut session =
            Self { bytes, origin: None, name: None, connection: None, media: Vec::new(), lines };
        let mut has_timing = false;
        let mut has_version = false;
        let mut own = Lines::of(lines);
        for (index, line) in own.by_ref().enumerate() {
            match line.kind {
                b'v' => has_version |= index == 0 && line.value == b"0",
                b'o' => {
                    let (origin, is_whole) = Origin::parse(line.value);
                    anomalies.insert_if(!is_whole, Anomaly::OriginInvalid);
                    session.origin = session.origin.or(Some(origin));
                }
                b's' => session.name = session.name.or(Some(line.value)),
                b't' => has_timing = true,
                b'c' => {
                    let (connection, is_sane) = Connection::parse(line.value);
                    anomalies.insert_if(!is_sane, Anomaly::ConnectionInvalid);
                    session.connection = session.connection.or(Some(connection));
                }
                _ => {}
            }
        }
        anomalies.extend(own.anomalies());
        session.take_media(&mut anomalies);
        anomalies.insert_if(!has_version, Anomaly::VersionInvalid);
        anomalies.insert_if(session.origin.is_none(), Anomaly::MissingOrigin);
        anomalies.insert_if(session.name.is_none(), Anomaly::MissingName);
        anomalies.insert_if(!has_timing, Anomaly::MissingTiming);
        (session, anomalies)
    }

    fn take_media(&mut self, anomalies: &mut Anomalies) {
        let mut rest = self.bytes.get(self.lines.len()..).unwrap_or_default();
        let (connection, direction) = (self.connection, self.direction());
        let common = SessionPart { lines: self.lines, connection, direction };
        while !rest.is_empty() {
            if self.media.len() >= MEDIA_PER_SDP_MAX {
                anomalies.insert(Anomaly::TooManyMedia);
                return;
            }
            let mut lines = Lines::of(rest);
            let Some(first) = lines.next() else { return };
            let own = session_lines(lines.rest());
            let (media, wrong) = Media::parse(first.value, own, &common);
            anomalies.extend(wrong);
            self.media.push(media);
            anomalies.extend(lines.anomalies());
            rest = lines.rest().get(own.len()..).unwrap_or_default();
        }
    }

    /// All that was given to [`Session::parse`].
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Name and value of each attribute before the first `m=`.
    pub fn attributes(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        attributes(self.lines)
    }

    /// The value of the first attribute of the session with this name; empty if it has none.
    pub fn attribute(&self, name: &str) -> Option<&'a [u8]> {
        self.attributes().find(|(n, _)| *n == name.as_bytes()).map(|(_, value)| value)
    }

    /// The direction of media that give none.
    pub fn direction(&self) -> Option<Direction> {
        self.attributes().find_map(|(name, _)| Direction::of(name))
    }

    /// The `b=` with this modifier, for example `AS`, before the first `m=`.
    pub fn bandwidth(&self, modifier: &str) -> Option<u32> {
        bandwidth(self.lines, modifier)
    }
}

/// The lines before the next `m=`.
fn session_lines(bytes: &[u8]) -> &[u8] {
    let mut lines = Lines::of(bytes);
    let mut before = 0;
    while let Some(line) = lines.next() {
        if line.kind == b'm' {
            return bytes.get(..before).unwrap_or_default();
        }
        before = bytes.len().saturating_sub(lines.rest().len());
    }
    bytes
}

pub(crate) fn bandwidth(lines: &[u8], modifier: &str) -> Option<u32> {
    Lines::of(lines).filter(|line| line.kind == b'b').find_map(|line| {
        let (found, value) = line.value.split_at_checked(modifier.len())?;
        let digits = value.strip_prefix(b":")?;
        if found.eq_ignore_ascii_case(modifier.as_bytes()) { number(digits) } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_lines_and_media() {
        let (session, anomalies) = Session::parse(
            b"v=0\r\no=ann 2890844526 3 IN IP4 host.example\r\ns=call\r\nc=IN IP4 0.0.0.0\r\n\
              b=CT:128\r\nt=0 0\r\na=inactive\r\nm=audio 1 RTP/AVP 0\r\n\
              m=video 2 RTP/AVP 31\r\na=sendonly\r\n",
        );
        assert!(anomalies.is_empty());
        let origin = session.origin.map(|o| (o.user, o.version_number(), o.address()));
        assert_eq!(origin, Some((&b"ann"[..], Some(3), None)));
        assert_eq!((session.name, session.bandwidth("ct")), (Some(&b"call"[..]), Some(128)));
        assert!(session.connection.is_some_and(|connection| connection.is_unspecified()));
        let media: Vec<_> = session.media.iter().map(|m| (m.kind, m.port, m.direction())).collect();
        let expected =
            [(&b"audio"[..], 1, Direction::Inactive), (&b"video"[..], 2, Direction::SendOnly)];
        assert_eq!(media, expected);
        assert_eq!(session.direction(), Some(Direction::Inactive));
    }

    #[test]
    fn what_is_wrong() {
        use Anomaly::*;
        let good = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n";
        let cases: [(String, &[Anomaly]); 7] = [
            (good.to_owned(), &[]),
            (good.replace("v=0", "v=1"), &[VersionInvalid]),
            (good.replace("o=- 1 1", "o=- 1"), &[OriginInvalid]),
            (good.replace("\r\n", "\n"), &[BareLineFeed]),
            (format!("{good}c=IN IP6 2001:db8::1"), &[Unfinished]),
            (format!("{good}c=IN IP4 a b\r\n"), &[ConnectionInvalid]),
            (String::new(), &[VersionInvalid, MissingOrigin, MissingName, MissingTiming]),
        ];
        for (text, expected) in cases {
            let anomalies = Session::parse(text.as_bytes()).1;
            assert_eq!(anomalies, expected.iter().copied().collect(), "{text}");
        }
    }

    #[test]
    fn media_have_a_bound() {
        let text = "m=audio 1 RTP/AVP 0\n".repeat(MEDIA_PER_SDP_MAX + 1);
        let (session, anomalies) = Session::parse(text.as_bytes());
        assert_eq!(session.media.len(), MEDIA_PER_SDP_MAX);
        assert!(anomalies.contains(Anomaly::TooManyMedia));
    }
}
