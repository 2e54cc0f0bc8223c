//! A whole description: the session part, and the media descriptions after it.

use std::net::IpAddr;

use super::anomaly::{Anomalies, Anomaly};
use super::attribute::{Direction, Names, RtpMap, RtpMaps, attributes, name_and_value};
use super::line::{Line, Lines};
use super::media::{Media, MediaPart};
use crate::limits::MEDIA_PER_SDP_MAX;
use crate::sip::Host;
use crate::sip::lws::{number, word};

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
        let (user, rest) = word(value);
        let (id, rest) = word(rest);
        let (version, rest) = word(rest);
        let (_network, rest) = word(rest);
        let (address_type, rest) = word(rest);
        let (host, rest) = word(rest);
        let origin = Self { user, id, version, address_type, host: Host::of(host) };
        (origin, !host.is_empty() && rest.is_empty())
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
    address: Option<IpAddr>,
}

impl<'a> Connection<'a> {
    /// What is there of the three words, and whether they make sense.
    pub(crate) fn parse(value: &'a [u8]) -> (Self, bool) {
        let (_network, rest) = word(value);
        let (address_type, rest) = word(rest);
        let (address, rest) = word(rest);
        let is_three = !address.is_empty() && rest.is_empty();
        let end = address.iter().position(|byte| *byte == b'/').unwrap_or(address.len());
        let host = Host::of(address.get(..end).unwrap_or_default());
        let connection = Self { address_type, host, address: host.address() };
        let is_sane = connection.address.is_some() || connection.host.is_valid();
        (connection, is_three && is_sane)
    }

    /// The address, if it is one and not a name.
    pub const fn address(&self) -> Option<IpAddr> {
        self.address
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
    names: Names,
    direction: Option<Direction>,
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
        let mut rest = Lines::of(bytes);
        let mut head = Head::default();
        let mut part = Part::default();
        let mut session = Self {
            bytes,
            origin: None,
            name: None,
            connection: None,
            media: Vec::new(),
            lines: &[],
            names: Names::default(),
            direction: None,
        };
        loop {
            let (at, wrong) = (position(bytes, &rest), rest.anomalies());
            let Some(line) = rest.next() else {
                part.end = bytes.len();
                break;
            };
            if line.kind != b'm' {
                part.take(&line, (at, position(bytes, &rest)), &mut anomalies);
                if part.opening.is_none() {
                    session.take(&line, &mut head, &mut anomalies);
                }
                continue;
            }
            part.end = at;
            session.close(&part, &mut anomalies);
            if session.media.len() >= MEDIA_PER_SDP_MAX {
                anomalies.insert(Anomaly::TooManyMedia);
                anomalies.extend(wrong);
                head.note(&session, &mut anomalies);
                return (session, anomalies);
            }
            part = Part::of(line.value, position(bytes, &rest));
        }
        session.close(&part, &mut anomalies);
        anomalies.extend(rest.anomalies());
        head.note(&session, &mut anomalies);
        (session, anomalies)
    }

    /// Takes a line before the first `m=`.
    fn take(&mut self, line: &Line<'a>, head: &mut Head, anomalies: &mut Anomalies) {
        match line.kind {
            b'v' => head.has_version |= !head.has_lines && line.value == b"0",
            b'o' => {
                let (origin, is_whole) = Origin::parse(line.value);
                anomalies.insert_if(!is_whole, Anomaly::OriginInvalid);
                self.origin = self.origin.or(Some(origin));
            }
            b's' => self.name = self.name.or(Some(line.value)),
            b't' => head.has_timing = true,
            _ => {}
        }
        head.has_lines = true;
    }

    /// Makes what it is of a part that has ended.
    fn close(&mut self, part: &Part<'a>, anomalies: &mut Anomalies) {
        let lines = self.bytes.get(part.start..part.end).unwrap_or_default();
        let Some(opening) = part.opening else {
            self.lines = lines;
            self.connection = part.connection;
            self.direction = part.direction;
            self.names = part.names;
            return;
        };
        let maps = match part.maps {
            Ok(few) => few,
            Err((start, end)) => RtpMaps::of_lines(self.bytes.get(start..end).unwrap_or_default()),
        };
        let own = MediaPart {
            lines,
            maps,
            connection: part.connection.or(self.connection),
            direction: part.direction.or(self.direction).unwrap_or_default(),
            ptime: part.ptime,
            names: part.names,
            session: self.lines,
            session_names: self.names,
        };
        let (media, wrong) = Media::parse(opening, own);
        anomalies.extend(wrong);
        self.media.push(media);
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
        let mut attributes = attributes(if self.names.may_have(name) { self.lines } else { &[] });
        attributes.find(|(n, _)| *n == name.as_bytes()).map(|(_, value)| value)
    }

    /// The direction of media that give none.
    pub const fn direction(&self) -> Option<Direction> {
        self.direction
    }

    /// The `b=` with this modifier, for example `AS`, before the first `m=`.
    pub fn bandwidth(&self, modifier: &str) -> Option<u32> {
        bandwidth(self.lines, modifier)
    }
}

/// What of the lines before the first `m=` is not kept.
#[derive(Default)]
struct Head {
    has_lines: bool,
    has_version: bool,
    has_timing: bool,
}

impl Head {
    fn note(&self, session: &Session<'_>, anomalies: &mut Anomalies) {
        anomalies.insert_if(!self.has_version, Anomaly::VersionInvalid);
        anomalies.insert_if(session.origin.is_none(), Anomaly::MissingOrigin);
        anomalies.insert_if(session.name.is_none(), Anomaly::MissingName);
        anomalies.insert_if(!self.has_timing, Anomaly::MissingTiming);
    }
}

/// The lines up to the next `m=`, while they are read.
struct Part<'a> {
    /// The `m=` before them; none for those of the session.
    opening: Option<&'a [u8]>,
    start: usize,
    end: usize,
    connection: Option<Connection<'a>>,
    direction: Option<Direction>,
    names: Names,
    /// Every `a=rtpmap` that makes sense, or from where to where they stand.
    maps: Result<RtpMaps<'a>, (usize, usize)>,
    /// The first of them stands here.
    first_map: usize,
    /// The first `a=ptime`.
    ptime: Option<&'a [u8]>,
}

impl Default for Part<'_> {
    fn default() -> Self {
        Self {
            opening: None,
            start: 0,
            end: 0,
            connection: None,
            direction: None,
            names: Names::default(),
            maps: Ok(RtpMaps::NONE),
            first_map: 0,
            ptime: None,
        }
    }
}

impl<'a> Part<'a> {
    fn of(opening: &'a [u8], start: usize) -> Self {
        Self { opening: Some(opening), start, ..Self::default() }
    }

    /// Takes a line that stands between the two positions.
    fn take(&mut self, line: &Line<'a>, (at, end): (usize, usize), anomalies: &mut Anomalies) {
        match line.kind {
            b'a' => {
                let (name, value) = name_and_value(line.value);
                self.names.insert(name);
                match name {
                    b"rtpmap" => self.take_map(value, (at, end)),
                    b"ptime" => self.ptime = self.ptime.or(Some(value)),
                    _ => self.direction = self.direction.or_else(|| Direction::of(name)),
                }
            }
            b'c' => {
                let (connection, is_sane) = Connection::parse(line.value);
                // Of the lines of media, only the first one counts.
                let is_judged = self.opening.is_none() || self.connection.is_none();
                anomalies.insert_if(!is_sane && is_judged, Anomaly::ConnectionInvalid);
                self.connection = self.connection.or(Some(connection));
            }
            _ => {}
        }
    }
}

impl<'a> Part<'a> {
    fn take_map(&mut self, value: &'a [u8], (at, end): (usize, usize)) {
        let Some(map) = RtpMap::parse(value) else { return };
        match &mut self.maps {
            Ok(maps) => {
                if maps.is_empty() {
                    self.first_map = at;
                }
                if !maps.push(map) {
                    self.maps = Err((self.first_map, end));
                }
            }
            Err((_, last)) => *last = end,
        }
    }
}

/// How much of `bytes` was read.
fn position(bytes: &[u8], lines: &Lines<'_>) -> usize {
    bytes.len().saturating_sub(lines.rest().len())
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
    use crate::limits::FORMATS_PER_MEDIA_MAX;

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
    fn a_codec_that_was_not_looked_at_may_be_the_common_one() {
        let formats = " 0".repeat(FORMATS_PER_MEDIA_MAX);
        let shared = |formats: &str| {
            let text = format!("m=audio 1 RTP/AVP{formats}\n");
            let (own, anomalies) = Session::parse(text.as_bytes());
            let (other, _) = Session::parse(b"m=audio 1 RTP/AVP 8\n");
            let shared = own.media.first()?.shares_codec(other.media.first()?);
            assert_eq!(shared, other.media.first()?.shares_codec(own.media.first()?));
            Some((shared, anomalies.contains(Anomaly::TooManyFormats)))
        };
        assert_eq!(shared(&formats), Some((Some(false), false)));
        assert_eq!(shared(&format!("{formats} 8")), Some((None, true)));
    }

    #[test]
    fn media_have_a_bound() {
        let text = "m=audio 1 RTP/AVP 0\n".repeat(MEDIA_PER_SDP_MAX + 1);
        let (session, anomalies) = Session::parse(text.as_bytes());
        assert_eq!(session.media.len(), MEDIA_PER_SDP_MAX);
        assert!(anomalies.contains(Anomaly::TooManyMedia));
    }
}
