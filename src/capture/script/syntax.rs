//! From the text of a script to its hosts, events and expectations, all names resolved.
//!
//! Hosts and the start are read first, so that they may stand anywhere. What an event means is
//! not known here.

mod event;

pub(super) use event::edit;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::error::{Error, quoted};
use super::ip::Complaint;
use super::options::Options;
use super::sdp::Order;
use super::tls::Record;
use super::word::Word;
use super::{HOSTS_MAX, LINES_MAX, TEXT_BYTES_MAX};
use crate::time::{Span, Time};

/// 2026-01-05T09:00:00Z, where the script names no other start.
const START_DEFAULT: Time = Time::from_parts(1_767_603_600, 0);

/// The port of a host that names none.
const PORT_DEFAULT: u16 = 5060;

/// The call of a script that names none.
const CALL_DEFAULT: &str = "first";

/// A whole script.
#[derive(Debug)]
pub(super) struct Script<'a> {
    pub(super) start: Time,
    pub(super) hosts: Vec<Host<'a>>,
    /// Names of calls and the Call-IDs that are given to them.
    pub(super) call_ids: Vec<(&'a str, &'a str)>,
    pub(super) events: Vec<Event<'a>>,
    pub(super) expected: Vec<Expected<'a>>,
}

/// Somebody who sends and gets packets.
#[derive(Debug)]
pub(super) struct Host<'a> {
    pub(super) name: &'a str,
    pub(super) address: IpAddr,
    pub(super) port: u16,
    /// The user part of its URI.
    pub(super) user: &'a str,
    pub(super) domain: &'a str,
    /// Host and port that it writes into Contact, Via and SDP where that is not its address.
    pub(super) inside: Option<SocketAddr>,
    /// It asks for the port that its requests come from (RFC 3581).
    pub(super) asks_for_port: bool,
    /// Its User-Agent.
    pub(super) agent: Saying<'a>,
    /// Its Server.
    pub(super) server: Saying<'a>,
    /// Its Allow.
    pub(super) allow: Saying<'a>,
}

/// What a host says of itself in a header field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Saying<'a> {
    /// What is filled in for every host.
    Usual,
    This(&'a str),
    /// The field is left out.
    Nothing,
}

impl<'a> Saying<'a> {
    /// `-` leaves the field out.
    fn read(value: Word<'a>) -> Result<Self, Error> {
        match value.unquoted() {
            "" => Err(value.error("a value is missing", "expected a text, or - for no such field")),
            "-" => Ok(Self::Nothing),
            text => Ok(Self::This(text)),
        }
    }

    /// The text, `NAME/1.0` where it is the usual one.
    pub(super) fn or_name(self, name: &str) -> Option<String> {
        match self {
            Self::Usual => Some(format!("{name}/1.0")),
            Self::This(text) => Some(text.to_owned()),
            Self::Nothing => None,
        }
    }
}

impl Host<'_> {
    /// Its public URI.
    pub(super) fn uri(&self) -> String {
        format!("sip:{}@{}", self.user, self.domain)
    }
}

/// One end of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// Index into the hosts.
    pub(super) host: usize,
    /// The port, if the line names one.
    pub(super) port: Option<u16>,
}

/// What carries a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

/// A timed line with the indented lines below it.
#[derive(Debug)]
pub(super) struct Event<'a> {
    /// The action word, for errors.
    pub(super) word: Word<'a>,
    /// Since the start.
    pub(super) at: Span,
    pub(super) source: End,
    pub(super) destination: End,
    pub(super) action: Action<'a>,
    /// The call in force, or the one named on the line.
    pub(super) call: &'a str,
    /// The transport in force, or the one named on the line.
    pub(super) transport: Transport,
    pub(super) options: Options<'a>,
    pub(super) edits: Vec<Edit<'a>>,
    pub(super) body: Option<Body<'a>>,
    pub(super) label: Option<Word<'a>>,
}

/// What an event does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action<'a> {
    Request { method: String, uri: Option<&'a str> },
    Response { status: u16, reason: Option<String> },
    Forward(Option<Selector>),
    Again(Option<Selector>),
    Raw,
    Rtp,
    Rtcp,
    Icmp(Complaint),
    Tcp(Signal),
    Tls(Record),
    KeepAlive,
    End,
}

/// Which message of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Selector {
    Method(String),
    Status(u16),
}

/// A TCP segment without data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    Syn,
    Fin,
    Reset,
    Ack,
}

/// An indented line that changes the header.
#[derive(Clone, Copy, Debug)]
pub(super) enum Edit<'a> {
    /// Replaces the field, or adds to those that an earlier line has set.
    Set(&'a str, &'a str),
    Add(&'a str, &'a str),
    Remove(&'a str),
}

/// A body that a line asks for.
#[derive(Debug)]
pub(super) enum Body<'a> {
    Sdp(Order<'a>),
    Text { kind: &'a str, bytes: Vec<u8> },
}

/// A `^` line.
#[derive(Debug)]
pub(super) struct Expected<'a> {
    pub(super) rule: Word<'a>,
    pub(super) severity: Option<&'a str>,
    pub(super) confidence: Option<&'a str>,
    pub(super) frames: Option<Vec<Word<'a>>>,
    pub(super) values: Vec<(&'a str, Word<'a>)>,
}

/// Reads a script.
pub(super) fn parse(text: &str) -> Result<Script<'_>, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    check_size(text)?;
    let script = Script {
        start: START_DEFAULT,
        hosts: vec![],
        call_ids: vec![],
        events: vec![],
        expected: vec![],
    };
    let mut parser = Parser {
        script,
        call: CALL_DEFAULT,
        transport: Transport::Udp,
        now: Span::ZERO,
        owner: Owner::Nothing,
    };
    for line in lines(text) {
        parser.declare(line)?;
    }
    for line in lines(text) {
        parser.play(line)?;
    }
    Ok(parser.script)
}

fn check_size(text: &str) -> Result<(), Error> {
    let nowhere = Word::line("", 1);
    if text.len() > TEXT_BYTES_MAX {
        let limit = format!("the limit is {TEXT_BYTES_MAX}");
        return Err(nowhere.error(format!("the script has {} bytes", text.len()), limit));
    }
    match text.lines().count() {
        count if count > LINES_MAX => {
            let limit = format!("the limit is {LINES_MAX}");
            Err(nowhere.error(format!("the script has {count} lines"), limit))
        }
        _ => Ok(()),
    }
}

/// Lines that are not blank and no comment.
fn lines(text: &str) -> impl Iterator<Item = Word<'_>> {
    let numbered = text.lines().enumerate().map(|(index, line)| Word::line(line, index + 1));
    numbered.filter(|line| !line.text.trim().is_empty() && !line.text.trim().starts_with('#'))
}

/// What the indented lines below belong to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Nothing,
    Event,
    /// The event, inside its body.
    Body,
}

struct Parser<'a> {
    script: Script<'a>,
    call: &'a str,
    transport: Transport,
    /// Time of the last event.
    now: Span,
    owner: Owner,
}

impl<'a> Parser<'a> {
    /// Takes in `host` and `start`.
    fn declare(&mut self, line: Word<'a>) -> Result<(), Error> {
        if line.text.starts_with([' ', '\t', '^']) {
            return Ok(());
        }
        match line.text.split_whitespace().next() {
            Some("host") => {
                let host = self.host(&line.words()?)?;
                self.script.hosts.push(host);
            }
            Some("start") => self.script.start = start(&line.words()?)?,
            _ => {}
        }
        Ok(())
    }

    /// Takes in everything else.
    fn play(&mut self, line: Word<'a>) -> Result<(), Error> {
        let inner = line.part(line.text.len() - line.text.trim_start().len(), line.text.len());
        if inner.text.starts_with('|') {
            return self.body_line(inner);
        }
        if line.text.starts_with([' ', '\t']) {
            return self.indented(line.trimmed());
        }
        self.owner = Owner::Nothing;
        if line.text.starts_with('^') {
            let expected = expected(line.part(1, line.text.len()))?;
            self.script.expected.push(expected);
            return Ok(());
        }
        let words = line.words()?;
        let Some(first) = words.first() else { return Ok(()) };
        match first.text {
            "host" | "start" => Ok(()),
            "call" => self.call(&words),
            "transport" => {
                let word = argument(&words, "udp or tcp")?;
                self.transport = match word.text {
                    "udp" => Transport::Udp,
                    "tcp" => Transport::Tcp,
                    _ => return Err(word.is_no("transport", "expected udp or tcp")),
                };
                Ok(())
            }
            "end" => self.end(&words),
            text if text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '.')) => {
                self.event(line, *first)
            }
            text => {
                let known = ["host", "start", "call", "transport", "end"];
                let expected = "a line begins with a time, ^, host, call, transport, start or end";
                let found = format!("cannot read {}", quoted(text));
                Err(first.error(found, expected).meant(text, known))
            }
        }
    }

    fn host(&self, words: &[Word<'a>]) -> Result<Host<'a>, Error> {
        let (name, address) = match words {
            [_, name, address, ..] => (name, address),
            [first, ..] => {
                let expected = "write host NAME ADDRESS";
                return Err(first.error("a host needs a name and an address", expected));
            }
            [] => return Err(Word::line("", 1).error("an empty line", "")),
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !name.text.starts_with(|c: char| c.is_ascii_alphabetic())
            || !name.text.chars().all(is_name)
        {
            let expected = "names begin with a letter and have letters, digits, - and _";
            return Err(name.is_no("name for a host", expected));
        }
        if self.script.hosts.iter().any(|host| host.name == name.text) {
            let found = format!("host {} is there already", quoted(name.text));
            return Err(name.error(found, "each host needs its own name"));
        }
        if self.script.hosts.len() >= HOSTS_MAX {
            return Err(name.error("too many hosts", format!("the limit is {HOSTS_MAX}")));
        }
        let at = socket(address)?;
        let mut host = Host {
            name: name.text,
            address: at.ip(),
            port: at.port(),
            user: name.text,
            domain: "example.com",
            inside: None,
            asks_for_port: false,
            agent: Saying::Usual,
            server: Saying::Usual,
            allow: Saying::Usual,
        };
        for word in words.get(3..).unwrap_or(&[]) {
            match word.split('=') {
                Some((key, value)) if key.text == "user" => host.user = value.unquoted(),
                Some((key, value)) if key.text == "domain" => host.domain = value.unquoted(),
                Some((key, value)) if key.text == "inside" => host.inside = Some(socket(&value)?),
                Some((key, value)) if key.text == "agent" => host.agent = Saying::read(value)?,
                Some((key, value)) if key.text == "server" => host.server = Saying::read(value)?,
                Some((key, value)) if key.text == "allow" => host.allow = Saying::read(value)?,
                None if word.text == "rport" => host.asks_for_port = true,
                _ => {
                    let expected = "options here are user=, domain=, inside=, rport, agent=, \
                                    server=, allow=";
                    return Err(word.is_no("option of a host", expected));
                }
            }
        }
        Ok(host)
    }

    /// `call NAME`, the first time with or without `id=CALL-ID`.
    fn call(&mut self, words: &[Word<'a>]) -> Result<(), Error> {
        let (words, id) = match words {
            [rest @ .., last] if rest.len() == 2 && last.text.starts_with("id=") => {
                (rest, last.split('=').map(|(_, id)| id))
            }
            words => (words, None),
        };
        self.call = call_name(&argument(words, "a name for the call")?)?;
        let Some(id) = id else { return Ok(()) };
        let text = id.unquoted();
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(id.is_no("Call-ID", "expected one like id=7f3a@192.0.2.1"));
        }
        match self.script.call_ids.iter().find(|(name, _)| *name == self.call) {
            Some((_, known)) if *known != text => {
                let found = format!("call {} has the Call-ID {}", self.call, quoted(known));
                Err(id.error(found, "each call has one Call-ID"))
            }
            Some(_) => Ok(()),
            None => {
                self.script.call_ids.push((self.call, text));
                Ok(())
            }
        }
    }

    fn end(&mut self, words: &[Word<'a>]) -> Result<(), Error> {
        let word = argument(words, "a time")?;
        let at = self.moment(word)?;
        let nobody = End { host: usize::MAX, port: None };
        self.script.events.push(Event {
            word,
            at,
            source: nobody,
            destination: nobody,
            action: Action::End,
            call: self.call,
            transport: Transport::Udp,
            options: Options::default(),
            edits: vec![],
            body: None,
            label: None,
        });
        Ok(())
    }

    /// An absolute time, or one after the last event.
    fn moment(&self, word: Word<'a>) -> Result<Span, Error> {
        match word.text.strip_prefix('+') {
            Some(_) => Ok(self.now + word.part(1, word.text.len()).seconds()?),
            None => word.seconds(),
        }
    }
}

fn start(words: &[Word<'_>]) -> Result<Time, Error> {
    let word = argument(words, "a time")?;
    let stamp: jiff::Timestamp = word
        .text
        .parse()
        .map_err(|_| word.is_no("date and time", "expected one like 2026-01-05T09:00:00Z"))?;
    let nanos = i64::try_from(stamp.as_nanosecond());
    nanos
        .map(Time::from_nanos)
        .map_err(|_| word.is_no("date in range", "expected one from 1678 to 2261"))
}

/// The one word behind a directive.
fn argument<'a>(words: &[Word<'a>], what: &str) -> Result<Word<'a>, Error> {
    match words {
        [_, word] => Ok(*word),
        [first] => {
            Err(first.error(format!("{} says nothing", first.text), format!("expected {what}")))
        }
        [first, _, extra, ..] => {
            let found = format!("{} behind the end of the line", quoted(extra.text));
            Err(extra.error(found, format!("{} takes {what} only", first.text)))
        }
        [] => Err(Word::line("", 1).error("an empty line", "")),
    }
}

/// A name that can stand in a Call-ID (RFC 3261, section 25.1).
fn call_name<'a>(word: &Word<'a>) -> Result<&'a str, Error> {
    let text = word.unquoted();
    let is_word = |c: char| c.is_ascii_alphanumeric() || "-.!%*_+`'~()<>:\\/[]?{}@".contains(c);
    if text.is_empty() || !text.chars().all(is_word) {
        return Err(word.is_no("name for a call", "expected letters, digits, - and _"));
    }
    Ok(text)
}

/// An address with or without a port.
fn socket(word: &Word<'_>) -> Result<SocketAddr, Error> {
    let text = word.text;
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(SocketAddr::new(address, PORT_DEFAULT));
    }
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    if let Some(Ok(address)) = inner.map(str::parse::<Ipv6Addr>) {
        return Ok(SocketAddr::new(IpAddr::V6(address), PORT_DEFAULT));
    }
    text.parse().map_err(|_| {
        let expected = "expected one like 192.0.2.1, 192.0.2.1:5060 or [2001:db8::1]:5060";
        word.is_no("address", expected)
    })
}

/// A `^` line, without the `^`.
fn expected(line: Word<'_>) -> Result<Expected<'_>, Error> {
    let words = line.words()?;
    let Some((rule, rest)) = words.split_first() else {
        return Err(line.error("^ without a rule", "write ^ RULE, or ^ none"));
    };
    let is_rule = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !rule.text.chars().all(is_rule) {
        let expected = "rules are written like missing-ack-2xx";
        return Err(rule.is_no("name of a rule", expected));
    }
    let mut line =
        Expected { rule: *rule, severity: None, confidence: None, frames: None, values: vec![] };
    for word in rest {
        match word.split('=') {
            Some((key, list)) if key.text == "frames" => {
                let frames = line.frames.get_or_insert_default();
                let mut rest = list;
                while let Some((frame, more)) = rest.split(',') {
                    frames.push(frame);
                    rest = more;
                }
                frames.push(rest);
            }
            Some((key, value)) => line.values.push((key.text, value)),
            None => match word.text {
                "error" | "warn" | "info" => line.severity = Some(word.text),
                "certain" | "likely" | "possible" => line.confidence = Some(word.text),
                text => {
                    let known = ["error", "warn", "info", "certain", "likely", "possible"];
                    let expected = "expected error, warn, info, certain, likely, possible, \
                                    frames=… or key=value";
                    let found = format!("cannot read {}", quoted(text));
                    return Err(word.error(found, expected).meant(text, known));
                }
            },
        }
    }
    Ok(line)
}
