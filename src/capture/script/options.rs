//! What may stand behind the action of a line: `tcp`, `split=3`, `call=second`.

use super::error::{Error, quoted};
use super::word::Word;
use crate::time::Span;

/// What a line does, as far as options depend on it; a set of bits.
pub(super) type Place = u16;

pub(super) const REQUEST: Place = 1;
pub(super) const RESPONSE: Place = 2;
pub(super) const FORWARD: Place = 4;
pub(super) const AGAIN: Place = 8;
pub(super) const RAW: Place = 16;
pub(super) const RTP: Place = 32;
pub(super) const RTCP: Place = 64;
/// ICMP, TCP signals and keep-alives.
pub(super) const PACKET: Place = 128;
pub(super) const TLS: Place = 256;

const MADE: Place = REQUEST | RESPONSE;
const MESSAGE: Place = MADE | FORWARD | AGAIN | RAW;
/// What goes in segments.
const STREAM: Place = MESSAGE | TLS;
const ANY: Place = STREAM | RTP | RTCP | PACKET;

/// How the value of an option reads.
#[derive(Clone, Copy)]
enum Kind {
    Flag,
    Number(u64, u64),
    Seconds,
    /// A duration that may be negative.
    Shift,
    Text,
}

/// Name, value, and the lines it may stand on. A name comes twice where it means two things.
const OPTIONS: [(&str, Kind, Place); 40] = [
    ("call", Kind::Text, ANY),
    ("tag", Kind::Text, MADE),
    ("cseq", Kind::Number(0, u32::MAX as u64), MADE),
    ("from", Kind::Text, REQUEST),
    ("to", Kind::Text, MADE),
    ("new", Kind::Flag, REQUEST),
    ("sipfrag", Kind::Number(100, 699), REQUEST),
    ("reliable", Kind::Flag, RESPONSE),
    ("sdp", Kind::Flag, MADE),
    ("unseen", Kind::Flag, STREAM),
    ("tcp", Kind::Flag, MESSAGE),
    ("udp", Kind::Flag, MESSAGE),
    ("split", Kind::Number(2, 1000), STREAM),
    ("join", Kind::Flag, STREAM),
    ("reorder", Kind::Flag, STREAM),
    ("duplicate", Kind::Flag, STREAM),
    ("lose-segment", Kind::Number(1, 1000), STREAM),
    ("fragment", Kind::Number(8, 65_000), MESSAGE),
    ("lose-fragment", Kind::Number(1, 10_000), MESSAGE),
    ("cut", Kind::Number(0, 65_535), ANY),
    ("copy", Kind::Flag, ANY),
    ("clock", Kind::Shift, ANY),
    ("for", Kind::Seconds, RTP),
    ("every", Kind::Seconds, RTP),
    ("pt", Kind::Number(0, 127), RTP),
    ("ssrc", Kind::Number(0, u32::MAX as u64), RTP | RTCP),
    ("loss", Kind::Number(0, 100), RTP),
    ("jitter", Kind::Seconds, RTP),
    ("from", Kind::Number(1, 65_535), RTP | RTCP),
    ("to", Kind::Number(1, 65_535), RTP | RTCP),
    ("seq", Kind::Number(0, 65_535), RTP),
    ("version", Kind::Text, TLS),
    ("name", Kind::Text, TLS),
    ("alpn", Kind::Text, TLS),
    ("size", Kind::Number(1, 16_000), TLS),
    ("description", Kind::Number(0, 255), TLS),
    ("warning", Kind::Flag, TLS),
    ("rate", Kind::Number(1, 1_000_000), RTP),
    ("event", Kind::Number(0, 255), RTP),
    ("endless", Kind::Flag, RTP),
];

/// The value that was given.
#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Flag,
    Number(u64),
    Time(Span),
    Text(&'a str),
}

/// The options of one line.
#[derive(Clone, Debug, Default)]
pub(super) struct Options<'a> {
    given: Vec<(&'static str, Word<'a>, Value<'a>)>,
}

impl<'a> Options<'a> {
    /// The word looks like an option: a flag that may stand here, or `name=value`.
    pub(super) fn is_option(word: &Word<'_>, place: Place) -> bool {
        let is_flag = |&(name, kind, places): &(&str, Kind, Place)| {
            name == word.text && places & place != 0 && matches!(kind, Kind::Flag)
        };
        word.text.contains('=') || OPTIONS.iter().any(is_flag)
    }

    /// Takes one more option of a line.
    pub(super) fn add(&mut self, word: Word<'a>, place: Place) -> Result<(), Error> {
        let (name, value) = match word.split('=') {
            Some((name, value)) => (name.text, Some(value)),
            None => (word.text, None),
        };
        let here = OPTIONS.iter().find(|&&(known, _, places)| known == name && places & place != 0);
        let Some(&(name, kind, _)) = here else { return Err(unknown(&word, name, place)) };
        if self.given.iter().any(|&(given, ..)| given == name) {
            return Err(word.error(format!("{name} is given twice"), "once is enough"));
        }
        let value = match (kind, value) {
            (Kind::Flag, None) => Value::Flag,
            (Kind::Flag, Some(_)) => {
                return Err(word.error(format!("{name} takes no value"), format!("write {name}")));
            }
            (_, None) => {
                let found = format!("{name} needs a value");
                return Err(word.error(found, format!("write {name}=VALUE")));
            }
            (Kind::Number(least, most), Some(value)) => Value::Number(value.number(least, most)?),
            (Kind::Seconds, Some(value)) => Value::Time(value.seconds()?),
            (Kind::Shift, Some(value)) => Value::Time(shift(value)?),
            (Kind::Text, Some(value)) => Value::Text(text(value)?),
        };
        self.given.push((name, word, value));
        Ok(())
    }

    fn value(&self, name: &str) -> Option<Value<'a>> {
        self.given.iter().find(|&&(given, ..)| given == name).map(|&(_, _, value)| value)
    }

    /// Where an option was written.
    pub(super) fn word(&self, name: &str) -> Option<Word<'a>> {
        self.given.iter().find(|&&(given, ..)| given == name).map(|&(_, word, _)| word)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        match self.value(name)? {
            Value::Number(number) => Some(number),
            Value::Flag | Value::Time(_) | Value::Text(_) => None,
        }
    }

    /// A number as an index or a length.
    pub(super) fn size(&self, name: &str) -> Option<usize> {
        usize::try_from(self.number(name)?).ok()
    }

    pub(super) fn time(&self, name: &str) -> Option<Span> {
        match self.value(name)? {
            Value::Time(span) => Some(span),
            Value::Flag | Value::Number(_) | Value::Text(_) => None,
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        match self.value(name)? {
            Value::Text(text) => Some(text),
            Value::Flag | Value::Number(_) | Value::Time(_) => None,
        }
    }
}

fn unknown(word: &Word<'_>, name: &str, place: Place) -> Error {
    let mut here: Vec<&str> = OPTIONS
        .iter()
        .filter(|&&(_, _, places)| places & place != 0)
        .map(|&(name, ..)| name)
        .collect();
    here.dedup();
    let is_elsewhere = OPTIONS.iter().any(|&(known, ..)| known == name);
    let found = if is_elsewhere {
        format!("{} does not belong on this line", quoted(name))
    } else {
        format!("no option named {}", quoted(name))
    };
    let error = word.error(found, format!("options here are {}", here.join(", ")));
    error.meant(name, here)
}

fn text(value: Word<'_>) -> Result<&str, Error> {
    let text = value.unquoted();
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(value.error("a value is missing", "expected a name behind the ="));
    }
    Ok(text)
}

fn shift(value: Word<'_>) -> Result<Span, Error> {
    let text = value.text;
    match text.strip_prefix(['-', '+']) {
        Some(_) => {
            let span = value.part(1, text.len()).seconds()?;
            Ok(if text.starts_with('-') { span.times(-1) } else { span })
        }
        None => value.seconds(),
    }
}
