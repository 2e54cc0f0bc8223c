//! Attributes `a=name:value` that have parts of their own.

use super::line::{Line, Lines, words};
use crate::sip::lws::{number, trim};

/// In which directions media flow, as the side sees it that says so (RFC 8866, section 6.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Both; the default.
    #[default]
    SendRecv,
    /// It sends.
    SendOnly,
    /// It receives.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// The direction that an attribute with this name gives.
    #[inline]
    pub fn of(name: &[u8]) -> Option<Self> {
        match name {
            b"sendrecv" => Some(Self::SendRecv),
            b"sendonly" => Some(Self::SendOnly),
            b"recvonly" => Some(Self::RecvOnly),
            b"inactive" => Some(Self::Inactive),
            _ => None,
        }
    }

    /// The attribute.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// Whether the side that says so sends.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the side that says so receives.
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same as the other side sees it.
    pub const fn reversed(self) -> Self {
        match self {
            Self::SendRecv => Self::SendRecv,
            Self::SendOnly => Self::RecvOnly,
            Self::RecvOnly => Self::SendOnly,
            Self::Inactive => Self::Inactive,
        }
    }
}

/// Who opens a DTLS or TCP association (RFC 4145, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Setup {
    /// This side opens it.
    Active,
    /// The other side opens it.
    Passive,
    /// Either.
    ActPass,
    /// Nobody for now.
    HoldConn,
}

impl Setup {
    /// The role that `value` names.
    pub fn of(value: &[u8]) -> Option<Self> {
        match value {
            b"active" => Some(Self::Active),
            b"passive" => Some(Self::Passive),
            b"actpass" => Some(Self::ActPass),
            b"holdconn" => Some(Self::HoldConn),
            _ => None,
        }
    }
}

/// `a=rtpmap`: what a dynamic payload type stands for (RFC 8866, section 6.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpMap<'a> {
    /// 0 to 127.
    pub payload_type: u8,
    /// The name of the encoding, compared in any case.
    pub encoding: &'a [u8],
    /// Ticks of the timestamp in a second.
    pub clock_rate: u32,
    /// Number of channels, 1 if nothing is said.
    pub channels: u32,
}

impl<'a> RtpMap<'a> {
    /// None if the value is not `type encoding/rate`.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let (own, rest) = until_blank(value);
        let payload_type = payload_type(own)?;
        let (codec, _) = until_blank(without_blanks(rest));
        let (encoding, rest) = until_slash(codec);
        let (clock_rate, rest) = until_slash(rest?);
        let clock_rate = number(clock_rate)?;
        let channels = rest.and_then(|rest| number(until_slash(rest).0)).unwrap_or(1);
        Some(Self { payload_type, encoding, clock_rate, channels })
    }

    /// What RFC 3551, section 6, assigns to a static payload type.
    pub fn of_static(payload_type: u8) -> Option<RtpMap<'static>> {
        let (encoding, clock_rate): (&'static [u8], u32) = match payload_type {
            0 => (b"PCMU", 8000),
            3 => (b"GSM", 8000),
            4 => (b"G723", 8000),
            5 => (b"DVI4", 8000),
            6 => (b"DVI4", 16_000),
            7 => (b"LPC", 8000),
            8 => (b"PCMA", 8000),
            9 => (b"G722", 8000),
            10 | 11 => (b"L16", 44_100),
            12 => (b"QCELP", 8000),
            13 => (b"CN", 8000),
            14 => (b"MPA", 90_000),
            15 => (b"G728", 8000),
            16 => (b"DVI4", 11_025),
            17 => (b"DVI4", 22_050),
            18 => (b"G729", 8000),
            25 => (b"CelB", 90_000),
            26 => (b"JPEG", 90_000),
            28 => (b"nv", 90_000),
            31 => (b"H261", 90_000),
            32 => (b"MPV", 90_000),
            33 => (b"MP2T", 90_000),
            34 => (b"H263", 90_000),
            _ => return None,
        };
        let channels = if payload_type == 10 { 2 } else { 1 };
        Some(RtpMap { payload_type, encoding, clock_rate, channels })
    }

    /// Whether both are the same codec, whatever their payload types and parameters. What is often
    /// written wrongly does not count: the clock of G.722, which is 8000 in RTP (RFC 3551, section
    /// 4.5.2), the channels of Opus, which are always 2 (RFC 7587, section 7), and the annexes of
    /// G.729, which are parameters (RFC 3551, section 4.5.6).
    pub fn is_same_codec(&self, other: &RtpMap<'_>) -> bool {
        let is_same_name = self.encoding.eq_ignore_ascii_case(other.encoding);
        if is_same_name && (self.clock_rate, self.channels) == (other.clock_rate, other.channels) {
            return true;
        }
        let family = |map: &RtpMap<'_>| match map.encoding.get(..4) {
            Some(start) if start.eq_ignore_ascii_case(b"G729") => {
                !map.is("G729D") && !map.is("G729E")
            }
            _ => false,
        };
        let is_both = |name: &str| self.is(name) && other.is(name);
        if is_both("G722") || (family(self) && family(other)) {
            return true;
        }
        is_same_name && self.clock_rate == other.clock_rate && is_both("opus")
    }

    /// As `a=rtpmap` spells it: name, clock rate and channels, if there is more than one.
    pub fn spelled(&self) -> Vec<u8> {
        let mut spelled = self.encoding.to_vec();
        spelled.extend(format!("/{}", self.clock_rate).bytes());
        if self.channels != 1 {
            spelled.extend(format!("/{}", self.channels).bytes());
        }
        spelled
    }

    /// Whether it carries media by itself: neither events, comfort noise nor what goes along with
    /// another codec.
    pub fn is_real(&self) -> bool {
        const COMPANIONS: [&str; 11] = [
            "telephone-event",
            "tone",
            "CN",
            "red",
            "rtx",
            "ulpfec",
            "parityfec",
            "flexfec",
            "flexfec-03",
            "1d-interleaved-parityfec",
            "t140",
        ];
        !COMPANIONS.into_iter().any(|name| self.is(name))
    }

    /// Whether the encoding has this name, in any case.
    pub fn is(&self, encoding: &str) -> bool {
        self.encoding.eq_ignore_ascii_case(encoding.as_bytes())
    }
}

/// `a=fmtp`: parameters of a format (RFC 8866, section 6.15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fmtp<'a> {
    /// The format, mostly a payload type.
    pub format: &'a [u8],
    /// The parameters as they were sent.
    pub parameters: &'a [u8],
}

impl<'a> Fmtp<'a> {
    /// None if there is no format.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let format = words(value).next()?;
        let parameters = trim(value.get(format.len()..)?);
        Some(Self { format, parameters })
    }
}

/// `a=curr:qos` or `a=des:qos`: a precondition that is or shall be met (RFC 3312, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Precondition<'a> {
    /// Whether it is desired; else it tells the current state.
    pub is_desired: bool,
    /// `mandatory`, `optional`, `none`, `failure` or `unknown`; empty for the current state.
    pub strength: &'a [u8],
    /// `local`, `remote` or `e2e`.
    pub status: &'a [u8],
    /// `none`, `send`, `recv` or `sendrecv`.
    pub direction: &'a [u8],
}

impl<'a> Precondition<'a> {
    /// None if the attribute is another, not about quality of service, or not complete.
    pub fn parse(name: &[u8], value: &'a [u8]) -> Option<Self> {
        let mut words = words(value);
        let is_qos = words.next()?.eq_ignore_ascii_case(b"qos");
        let is_desired = match name {
            b"curr" => false,
            b"des" => true,
            _ => return None,
        };
        if !is_qos {
            return None;
        }
        let strength = if is_desired { words.next()? } else { &[] };
        Some(Self { is_desired, strength, status: words.next()?, direction: words.next()? })
    }
}

/// What stands before the next slash, and what after it, if there is one.
#[inline]
fn until_slash(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    match bytes.iter().position(|byte| *byte == b'/') {
        Some(end) => (bytes.get(..end).unwrap_or_default(), bytes.get(end.saturating_add(1)..)),
        None => (bytes, None),
    }
}

#[inline]
fn until_blank(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| matches!(byte, b' ' | b'\t'));
    bytes.split_at_checked(end.unwrap_or(bytes.len())).unwrap_or_default()
}

#[inline]
fn without_blanks(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

/// So many `a=rtpmap` are kept by themselves.
const FEW: usize = 5;

/// The `a=rtpmap` of one media description that make sense. Those of most are so few that they are
/// kept as they were read, of others the lines are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RtpMaps<'a> {
    few: [RtpMap<'a>; FEW],
    count: u8,
    /// All of them stand here, if there are more.
    lines: &'a [u8],
}

impl<'a> RtpMaps<'a> {
    pub(crate) const NONE: Self = {
        let none = RtpMap { payload_type: 0, encoding: &[], clock_rate: 0, channels: 1 };
        Self { few: [none; FEW], count: 0, lines: &[] }
    };

    /// Adds one; false where there is no room.
    #[inline]
    pub(crate) fn push(&mut self, map: RtpMap<'a>) -> bool {
        let Some(place) = self.few.get_mut(usize::from(self.count)) else { return false };
        *place = map;
        self.count += 1;
        true
    }

    /// Those in these lines, which are too many to be kept.
    pub(crate) const fn of_lines(lines: &'a [u8]) -> Self {
        Self { lines, ..Self::NONE }
    }

    /// None is kept.
    pub(crate) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All of them are kept.
    pub(crate) const fn are_few(&self) -> bool {
        self.lines.is_empty()
    }

    /// Those that are kept.
    #[inline]
    pub(crate) fn kept(&self) -> &[RtpMap<'a>] {
        self.few.get(..usize::from(self.count)).unwrap_or_default()
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = RtpMap<'a>> {
        let of_lines = attributes(self.lines).filter(|(name, _)| *name == b"rtpmap");
        let few = self.few.into_iter().take(usize::from(self.count));
        few.chain(of_lines.filter_map(|(_, value)| RtpMap::parse(value)))
    }

    /// The first one of the payload type, of those that are kept.
    #[inline]
    pub(crate) fn of(&self, number: u8) -> Option<RtpMap<'a>> {
        self.kept().iter().find(|own| own.payload_type == number).copied()
    }
}

pub(crate) fn payload_type(digits: &[u8]) -> Option<u8> {
    u8::try_from(number(digits)?).ok().filter(|payload_type| *payload_type < 128)
}

/// Name and value of each attribute in `lines`; the value is empty where there is none.
pub(crate) fn attributes(lines: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    Lines::of(lines)
        .filter(|line| line.kind == b'a')
        .map(|Line { value, .. }| name_and_value(value))
}

/// What stands before the colon of an attribute, and what after it.
#[inline]
pub(crate) fn name_and_value(attribute: &[u8]) -> (&[u8], &[u8]) {
    // Names are short.
    let end = attribute.iter().position(|byte| *byte == b':');
    match end.and_then(|end| attribute.split_at_checked(end)) {
        Some((name, after)) => (trim(name), trim(after.get(1..).unwrap_or_default())),
        None => (attribute, &[]),
    }
}

/// Which attributes a description has, so that most look-ups end before they begin. Two names may
/// share a bit, so one that seems to be there need not be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names(u64);

impl Names {
    #[inline]
    pub(crate) fn insert(&mut self, name: &[u8]) {
        self.0 |= Self::bit(name);
    }

    #[inline]
    pub(crate) fn may_have(self, name: &str) -> bool {
        self.0 & Self::bit(name.as_bytes()) != 0
    }

    #[inline]
    fn bit(name: &[u8]) -> u64 {
        let (first, last) = match name {
            [first, .., last] => (*first, *last),
            [only] => (*only, 0),
            [] => (0, 0),
        };
        let mixed = usize::from(first) * 5 + usize::from(last) * 11 + name.len() * 23;
        1 << (mixed % 64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs() {
        let opus = RtpMap { payload_type: 111, encoding: b"opus", clock_rate: 48_000, channels: 2 };
        assert_eq!(RtpMap::parse(b"111 opus/48000/2"), Some(opus));
        assert!(RtpMap::parse(b"0 pcmu/8000").is_some_and(|map| {
            RtpMap::of_static(0).is_some_and(|other| map.is_same_codec(&other))
        }));
        let map = |value: &'static [u8]| RtpMap::parse(value).expect("a codec");
        assert!(map(b"9 G722/16000").is_same_codec(&map(b"9 G722/8000")));
        assert!(map(b"18 G729A/8000").is_same_codec(&map(b"18 g729/8000")));
        assert!(!map(b"18 G729E/8000").is_same_codec(&map(b"18 G729/8000")));
        assert!(map(b"96 OPUS/48000").is_same_codec(&opus));
        assert!(!map(b"96 L16/8000/2").is_same_codec(&map(b"97 L16/8000")));
        assert!(opus.is_real() && !map(b"101 telephone-event/8000").is_real());
        assert_eq!(opus.spelled(), b"opus/48000/2");
        for value in [&b""[..], b"0", b"200 PCMU/8000", b"0 PCMU", b"0 PCMU/x"] {
            assert_eq!(RtpMap::parse(value), None);
        }
    }

    #[test]
    fn preconditions() {
        let parsed = Precondition::parse(b"des", b"qos mandatory local sendrecv");
        let desired = Precondition {
            is_desired: true,
            strength: b"mandatory",
            status: b"local",
            direction: b"sendrecv",
        };
        assert_eq!(parsed, Some(desired));
        let current = Precondition::parse(b"curr", b"qos e2e none");
        assert_eq!(current.map(|p| (p.is_desired, p.status)), Some((false, &b"e2e"[..])));
        assert_eq!(Precondition::parse(b"conf", b"qos e2e recv"), None);
    }

    #[test]
    fn directions_turn_around() {
        assert_eq!(Direction::of(b"sendonly").map(Direction::reversed), Some(Direction::RecvOnly));
        assert!(Direction::default().sends() && Direction::default().receives());
    }
}
