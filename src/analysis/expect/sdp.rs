//! What the session description of a message must be like.

use super::bound::{Bound, Unit};
use super::field::FieldTest;
use super::glob::Glob;
use super::reader::{Value, unknown_name};
use super::steps::Wrong;
use super::verdict::{About, Problem, Seen};
use crate::bytes::{printable, printable_str};
use crate::sdp::{Direction, Media, RtpMap, Session};
use crate::sip::Message;

/// What a session description must be like.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SdpTest {
    line: usize,
    /// Whether there must be one.
    is_present: bool,
    /// The kind of media that is looked at.
    of: Option<String>,
    tests: Vec<Test>,
}

#[derive(Clone, Debug, PartialEq)]
struct Test {
    key: &'static str,
    line: usize,
    expected: String,
    want: Want,
}

#[derive(Clone, Debug, PartialEq)]
enum Want {
    /// The kinds of live media, in order.
    Media(Vec<Glob>),
    /// Each of these codecs.
    Codecs(Vec<Glob>),
    /// No other codecs.
    OnlyCodecs(Vec<Glob>),
    /// None of these codecs.
    WithoutCodecs(Vec<Glob>),
    /// One of these comes first.
    FirstCodec(Vec<Glob>),
    Direction(Vec<Direction>),
    /// Whether the address is one of IPv6.
    Family(bool),
    Ptime(Bound),
    Profile(Vec<Glob>),
    Attribute(FieldTest),
}

const KEYS: [&str; 12] = [
    "present",
    "of",
    "media",
    "codecs",
    "only-codecs",
    "without-codecs",
    "first-codec",
    "direction",
    "family",
    "ptime",
    "profile",
    "attribute",
];

impl SdpTest {
    /// `true`, `false`, or a table.
    pub(super) fn parse(value: Value<'_, '_>) -> Result<Self, Wrong> {
        let line = value.line();
        if let Ok(is_present) = value.boolean() {
            return Ok(Self { line, is_present, of: None, tests: Vec::new() });
        }
        let fields = value.table().map_err(|_| value.expected("true, false or a table"))?;
        let fields = fields.with_keys(&KEYS)?;
        let mut tests = Vec::new();
        for (key, value) in fields.entries() {
            if key.name == "attribute" {
                for test in FieldTest::all(value.table()?)? {
                    let expected = String::new();
                    let want = Want::Attribute(test);
                    tests.push(Test { key: "attribute", line: value.line(), expected, want });
                }
                continue;
            }
            if let Some(name) = KEYS.iter().find(|known| **known == key.name)
                && let Some(want) = want(name, value)?
            {
                let expected = printable_str(&value.shown()).into_owned();
                tests.push(Test { key: name, line: value.line(), expected, want });
            }
        }
        let is_present = fields.read("present", Value::boolean)?.unwrap_or(true);
        if !is_present && !tests.is_empty() {
            return Err((value.at(), "what is absent has no media".to_owned()));
        }
        let of = fields.read("of", |value| Ok(value.word()?.text.to_owned()))?;
        Ok(Self { line, is_present, of, tests })
    }

    /// Whether it asks that something is not there.
    pub(super) fn asks_for_absence(&self) -> bool {
        let absent = |want: &Want| match want {
            Want::Attribute(test) => test.asks_for_absence(),
            Want::OnlyCodecs(_) | Want::WithoutCodecs(_) => true,
            _ => false,
        };
        !self.is_present || self.tests.iter().any(|test| absent(&test.want))
    }

    /// That what must not be there may be in the bytes that were not captured.
    pub(super) fn unproven(&self) -> Problem {
        Problem {
            line: self.line,
            about: About::Sdp("present".to_owned()),
            expected: "absent".to_owned(),
            seen: Seen::Nothing,
            frames: Vec::new(),
            doubts: Vec::new(),
        }
    }

    /// What is wrong with the description that the message has.
    pub(super) fn check(&self, message: &Message<'_>) -> Vec<Problem> {
        let problem = |line, key: &str, expected: &str, seen| Problem {
            line,
            about: About::Sdp(key.to_owned()),
            expected: expected.to_owned(),
            seen,
            frames: Vec::new(),
            doubts: Vec::new(),
        };
        let Some(session) = message.sdp().map(|bytes| Session::parse(bytes).0) else {
            return match self.is_present {
                true => vec![problem(self.line, "present", "present", Seen::Nothing)],
                false => Vec::new(),
            };
        };
        if !self.is_present {
            let seen = Seen::Text("present".to_owned());
            return vec![problem(self.line, "present", "absent", seen)];
        }
        let media = self.media(&session);
        let checked = self.tests.iter().filter_map(|test| match (&test.want, media) {
            (Want::Attribute(field), media) => {
                let values: Vec<String> = media
                    .map(|media| media.values(&field.name).map(|v| printable(v).into_owned()))
                    .map(Iterator::collect)
                    .unwrap_or_default();
                let about = About::Sdp(format!("a={}", field.name));
                (!field.holds(&values)).then(|| field.problem(about, &values))
            }
            (want, media) => {
                let seen = want.contradicted(&session, media)?;
                Some(problem(test.line, test.key, &test.expected, seen))
            }
        });
        checked.collect()
    }

    /// The first live media of the kind, else the first one of it; audio before others where no
    /// kind is asked for.
    fn media<'s, 'a>(&self, session: &'s Session<'a>) -> Option<&'s Media<'a>> {
        let of_kind = |kind: &str| {
            let all = || session.media.iter().filter(|media| media.is(kind));
            all().find(|media| !media.is_rejected()).or_else(|| all().next())
        };
        match &self.of {
            Some(kind) => of_kind(kind),
            None => of_kind("audio").or_else(|| session.media.first()),
        }
    }
}

fn want(key: &str, value: Value<'_, '_>) -> Result<Option<Want>, Wrong> {
    let globs = |value: Value<'_, '_>| -> Result<Vec<Glob>, Wrong> {
        Ok(value.words()?.iter().map(|word| Glob::new(word.text)).collect())
    };
    Ok(Some(match key {
        "media" => Want::Media(globs(value)?),
        "codecs" => Want::Codecs(globs(value)?),
        "only-codecs" => Want::OnlyCodecs(globs(value)?),
        "without-codecs" => Want::WithoutCodecs(globs(value)?),
        "first-codec" => Want::FirstCodec(globs(value)?),
        "profile" => Want::Profile(globs(value)?),
        "direction" => {
            let known = ["sendrecv", "sendonly", "recvonly", "inactive"];
            let direction = |text: &str| Direction::of(text.as_bytes());
            let words = value.words()?.into_iter();
            let directions = words.map(|word| {
                let wrong = || (word.at, unknown_name("direction", word.text, &known));
                direction(word.text).ok_or_else(wrong)
            });
            Want::Direction(directions.collect::<Result<_, _>>()?)
        }
        "family" => match value.word()?.text {
            "ip4" => Want::Family(false),
            "ip6" => Want::Family(true),
            _ => return Err(value.expected("\"ip4\" or \"ip6\"")),
        },
        "ptime" => match value.number() {
            Some(millis) => Want::Ptime(Bound::exactly(millis)),
            None if value.is_string() => {
                let word = value.word()?;
                Want::Ptime(Bound::parse(word.text, Unit::Time).map_err(|wrong| (word.at, wrong))?)
            }
            None => return Err(value.expected("milliseconds such as 20, or a bound of time")),
        },
        _ => return Ok(None),
    }))
}

/// Whether the codec is `PCMU`, or `PCMU/8000` where the pattern has a slash.
fn is_codec(glob: &Glob, codec: &RtpMap<'_>) -> bool {
    let encoding = printable(codec.encoding);
    glob.fits_in_any_case(&encoding)
        || glob.fits_in_any_case(&format!("{encoding}/{}", codec.clock_rate))
}

impl Want {
    /// What is there instead; none where it is as expected.
    fn contradicted(&self, session: &Session<'_>, media: Option<&Media<'_>>) -> Option<Seen> {
        if let Self::Media(kinds) = self {
            let live: Vec<_> = session.media.iter().filter(|media| !media.is_rejected()).collect();
            let seen: Vec<String> =
                live.iter().map(|media| printable(media.kind).into_owned()).collect();
            let is_same = seen.len() == kinds.len()
                && kinds.iter().zip(&seen).all(|(glob, kind)| glob.fits_in_any_case(kind));
            return (!is_same).then(|| listed(&seen));
        }
        let Some(media) = media else { return Some(Seen::Nothing) };
        let codecs: Vec<RtpMap<'_>> = media.codecs().collect();
        let has = |glob: &Glob| codecs.iter().any(|codec| is_codec(glob, codec));
        let is_any = |globs: &[Glob], codec: &RtpMap<'_>| globs.iter().any(|g| is_codec(g, codec));
        let holds = match self {
            Self::Media(_) | Self::Attribute(_) => true,
            Self::Codecs(globs) => globs.iter().all(has),
            Self::OnlyCodecs(globs) => codecs.iter().all(|codec| is_any(globs, codec)),
            Self::WithoutCodecs(globs) => !globs.iter().any(has),
            Self::FirstCodec(globs) => codecs.first().is_some_and(|codec| is_any(globs, codec)),
            Self::Direction(directions) => directions.contains(&media.direction()),
            Self::Family(is_v6) => media.address().is_some_and(|own| own.is_ipv6() == *is_v6),
            Self::Ptime(bound) => {
                media.ptime().is_some_and(|millis| bound.holds_count(u64::from(millis)))
            }
            Self::Profile(globs) => {
                globs.iter().any(|glob| glob.fits_in_any_case(&printable(media.protocol)))
            }
        };
        (!holds).then(|| self.seen(media, &codecs))
    }

    fn seen(&self, media: &Media<'_>, codecs: &[RtpMap<'_>]) -> Seen {
        let text = match self {
            Self::Direction(_) => Some(media.direction().name().to_owned()),
            Self::Family(_) => media.address().map(|address| address.to_string()),
            Self::Ptime(_) => media.ptime().map(|millis| millis.to_string()),
            Self::Profile(_) => Some(printable(media.protocol).into_owned()),
            _ => {
                let name = |codec: &RtpMap<'_>| {
                    format!("{}/{}", printable(codec.encoding), codec.clock_rate)
                };
                return listed(&codecs.iter().map(name).collect::<Vec<_>>());
            }
        };
        text.map_or(Seen::Nothing, Seen::Text)
    }
}

fn listed(names: &[String]) -> Seen {
    match names.is_empty() {
        true => Seen::Nothing,
        false => Seen::Text(names.join(", ")),
    }
}
