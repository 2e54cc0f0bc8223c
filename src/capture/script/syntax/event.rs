//! Timed lines, and the indented lines below them.

use super::{
    Action, Body, Edit, End, Event, Owner, Parser, Selector, Signal, Transport, call_name,
};
use crate::capture::script::EDITS_MAX;
use crate::capture::script::error::{Error, list, nearest, quoted};
use crate::capture::script::ip::COMPLAINTS;
use crate::capture::script::options::{self, Options, Place};
use crate::capture::script::payload;
use crate::capture::script::sdp::Order;
use crate::capture::script::tls::RECORDS;
use crate::capture::script::word::Word;

/// The methods that there are (IANA, SIP parameters).
const METHODS: [&str; 14] = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "OPTIONS",
    "REGISTER",
    "PRACK",
    "UPDATE",
    "INFO",
    "REFER",
    "SUBSCRIBE",
    "NOTIFY",
    "MESSAGE",
    "PUBLISH",
];

/// The actions that are neither request nor response.
const ACTIONS: [&str; 9] =
    ["forward", "again", "raw", "rtp", "rtcp", "icmp", "tcp", "tls", "keepalive"];

const SIGNALS: [(&str, Signal); 4] =
    [("syn", Signal::Syn), ("fin", Signal::Fin), ("rst", Signal::Reset), ("ack", Signal::Ack)];

impl<'a> Parser<'a> {
    /// `TIME SOURCE > DESTINATION ACTION OPTIONS @label`.
    pub(super) fn event(&mut self, line: Word<'a>, time: Word<'a>) -> Result<(), Error> {
        let at = self.moment(time)?;
        let rest = line.part(time.text.len(), line.text.len());
        let Some((left, right)) = rest.split('>') else {
            let place = rest.trimmed();
            return Err(place.error("no > in this line", "write TIME SOURCE > DESTINATION ACTION"));
        };
        let left = left.trimmed();
        let left = left.part(0, left.text.trim_end_matches('-').len()).trimmed();
        let source = self.end_named(left)?;
        let words = right.words()?;
        let (destination, action, rest) = match words.as_slice() {
            [destination, action, rest @ ..] => (destination, *action, rest),
            [destination] => {
                let found = format!("nothing sent to {}", quoted(destination.text));
                return Err(destination.error(found, "expected a method, a status or an action"));
            }
            [] => return Err(right.error("no destination", "expected a host behind the >")),
        };
        let destination = self.end_named(*destination)?;
        let mut event = Event {
            word: action,
            at,
            source,
            destination,
            action: Action::End,
            call: self.call,
            transport: self.transport,
            options: Options::default(),
            edits: vec![],
            body: None,
            label: None,
        };
        let rest = event.read_action(rest)?;
        event.read_options(rest)?;
        self.check_families(&event)?;
        self.now = at;
        self.owner = if event.action == Action::Raw { Owner::Body } else { Owner::Event };
        self.script.events.push(event);
        Ok(())
    }

    /// A host, with or without another port.
    fn end_named(&self, word: Word<'a>) -> Result<End, Error> {
        let (name, port) = match word.split(':') {
            Some((name, port)) => (name, Some(port.number(1, 65_535)?)),
            None => (word, None),
        };
        let port = port.and_then(|port| u16::try_from(port).ok());
        let hosts = &self.script.hosts;
        match hosts.iter().position(|host| host.name == name.text) {
            Some(host) => Ok(End { host, port }),
            None => {
                let names: Vec<&str> = hosts.iter().map(|host| host.name).collect();
                let expected = match names.as_slice() {
                    [] => "no host is declared yet: host NAME ADDRESS".to_owned(),
                    names => format!("hosts are {}", list(names)),
                };
                let found = format!("no host named {}", quoted(name.text));
                Err(name.error(found, expected).meant(name.text, names))
            }
        }
    }

    fn check_families(&self, event: &Event<'a>) -> Result<(), Error> {
        let host = |end: End| self.script.hosts.get(end.host);
        let (Some(source), Some(destination)) = (host(event.source), host(event.destination))
        else {
            return Ok(());
        };
        if source.address.is_ipv4() == destination.address.is_ipv4() {
            return Ok(());
        }
        let version = |is_v4: bool| if is_v4 { "IPv4" } else { "IPv6" };
        let found = format!(
            "{} has an {} address and {} an {} one",
            source.name,
            version(source.address.is_ipv4()),
            destination.name,
            version(destination.address.is_ipv4()),
        );
        Err(event.word.error(found, "both ends of a packet have the same kind of address"))
    }

    /// A line below an event.
    pub(super) fn indented(&mut self, line: Word<'a>) -> Result<(), Error> {
        let event = self.script.events.last_mut().filter(|_| self.owner != Owner::Nothing);
        let Some(event) = event else {
            let found = "an indented line that belongs to nothing";
            return Err(line
                .error(found, "it must stand below a message")
                .hint("lines that begin with a time, host or ^ start at the margin"));
        };
        match event.action {
            Action::Request { .. } | Action::Response { .. } | Action::Forward(_) => {}
            Action::Raw => {
                let found = format!("cannot read {}", quoted(line.text));
                return Err(line.error(found, "below raw, each line begins with |"));
            }
            Action::Again(_) => {
                let found = "again cannot change the message";
                return Err(line.error(found, "it sends the same bytes"));
            }
            _ => {
                let found = format!("{} has no header", event.word.text);
                return Err(line.error(found, "header lines stand below messages"));
            }
        }
        self.owner = Owner::Event;
        let first = line.text.split_whitespace().next();
        if !matches!(first, Some("sdp" | "body")) {
            if event.edits.len() >= EDITS_MAX {
                let limit = format!("the limit is {EDITS_MAX}");
                return Err(line.error("too many header lines", limit).hint("use raw"));
            }
            event.edits.push(edit(line)?);
            return Ok(());
        }
        let words = line.words()?;
        let Some((first, rest)) = words.split_first() else { return Ok(()) };
        if event.body.is_some() {
            return Err(first.error("a second body", "a message has one body"));
        }
        if first.text == "sdp" {
            event.body = Some(Body::Sdp(Order::read(rest)?));
            return Ok(());
        }
        let [kind] = rest else {
            let found = "a body without a type";
            return Err(first.error(found, "write body text/plain, then lines with |"));
        };
        event.body = Some(Body::Text { kind: kind.unquoted(), bytes: Vec::new() });
        self.owner = Owner::Body;
        Ok(())
    }

    /// A line with `|`.
    pub(super) fn body_line(&mut self, line: Word<'a>) -> Result<(), Error> {
        let event = self.script.events.last_mut().filter(|_| self.owner == Owner::Body);
        let Some(event) = event else {
            let found = "a | line that belongs to nothing";
            return Err(line.error(found, "it must stand below raw or body TYPE"));
        };
        let bytes = match &mut event.body {
            Some(Body::Text { bytes, .. }) => bytes,
            body => {
                *body = Some(Body::Text { kind: "", bytes: Vec::new() });
                match body {
                    Some(Body::Text { bytes, .. }) => bytes,
                    _ => return Ok(()),
                }
            }
        };
        payload::read_line(line, bytes)
    }
}

/// `Name: value`, `+Name: value`, `-Name`.
pub(in crate::capture::script) fn edit(line: Word<'_>) -> Result<Edit<'_>, Error> {
    let line = without_comment(line);
    if let Some(name) = line.text.strip_prefix('-') {
        let name = name.trim_end_matches(':').trim();
        check_field_name(&line, name)?;
        return Ok(Edit::Remove(name));
    }
    let Some((name, value)) = line.split(':') else {
        let found = format!("cannot read {}", quoted(line.text));
        let expected = "below a message stand Name: value, -Name, sdp, body TYPE";
        return Err(line.error(found, expected));
    };
    let value = value.text.trim();
    match name.text.strip_prefix('+') {
        Some(name) => {
            check_field_name(&line, name.trim())?;
            Ok(Edit::Add(name.trim(), value))
        }
        None => {
            check_field_name(&line, name.text.trim())?;
            Ok(Edit::Set(name.text.trim(), value))
        }
    }
}

/// A `#` between spaces begins a comment in a header line, except inside quotes.
fn without_comment(line: Word<'_>) -> Word<'_> {
    let mut is_quoted = false;
    let mut before = ' ';
    for (at, c) in line.text.char_indices() {
        let after = line.text.get(at + 1..).unwrap_or("").chars().next();
        let is_free = before.is_whitespace() && after.is_none_or(char::is_whitespace);
        match c {
            '"' => is_quoted = !is_quoted,
            '#' if is_free && !is_quoted => return line.part(0, at).trimmed(),
            _ => {}
        }
        before = c;
    }
    line
}

/// RFC 3261, section 25.1, token.
fn check_field_name(line: &Word<'_>, name: &str) -> Result<(), Error> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c);
    if name.is_empty() || !name.chars().all(is_token) {
        let found = format!("{} is no name of a header field", quoted(name));
        return Err(line.error(found, "write Name: value").hint("raw sends a message as written"));
    }
    Ok(())
}

impl<'a> Event<'a> {
    /// Reads the action and what belongs to it; gives the words that are left.
    fn read_action<'w>(&mut self, rest: &'w [Word<'a>]) -> Result<&'w [Word<'a>], Error> {
        let text = self.word.text;
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return self.read_response(rest);
        }
        let first = rest.first();
        let (action, used) = match text {
            "forward" => selector(first).map_or((Action::Forward(None), 0), |selector| {
                (Action::Forward(Some(selector)), 1)
            }),
            "again" => selector(first)
                .map_or((Action::Again(None), 0), |selector| (Action::Again(Some(selector)), 1)),
            "raw" => (Action::Raw, 0),
            "rtp" => (Action::Rtp, 0),
            "rtcp" => (Action::Rtcp, 0),
            "keepalive" => (Action::KeepAlive, 0),
            "icmp" => (Action::Icmp(one_of(&self.word, first, &COMPLAINTS)?), 1),
            "tcp" => (Action::Tcp(one_of(&self.word, first, &SIGNALS)?), 1),
            "tls" => (Action::Tls(one_of(&self.word, first, &RECORDS)?), 1),
            _ => {
                let method = method(&self.word)?;
                let uri = first.filter(|word| is_uri(word.text)).map(|word| word.text);
                (Action::Request { method, uri }, usize::from(uri.is_some()))
            }
        };
        self.action = action;
        Ok(rest.get(used..).unwrap_or(&[]))
    }

    /// A status with its reason phrase, which ends at the first option or label.
    fn read_response<'w>(&mut self, rest: &'w [Word<'a>]) -> Result<&'w [Word<'a>], Error> {
        let expected = "a status is a number from 100 to 699";
        let status = self.word.number(100, 699).map_err(|_| self.word.is_no("status", expected))?;
        let is_reason = |word: &&Word<'_>| {
            !word.text.starts_with('@') && !Options::is_option(word, options::RESPONSE)
        };
        let count = match rest.first() {
            Some(first) if first.text.starts_with('"') => 1,
            _ => rest.iter().take_while(is_reason).count(),
        };
        let reason: Vec<&str> = rest.iter().take(count).map(|word| word.unquoted()).collect();
        let reason = (count > 0).then(|| reason.join(" "));
        self.action = Action::Response { status: u16::try_from(status).unwrap_or(500), reason };
        Ok(rest.get(count..).unwrap_or(&[]))
    }

    fn read_options(&mut self, words: &[Word<'a>]) -> Result<(), Error> {
        let place = self.place();
        for word in words {
            if let Some(label) = word.text.strip_prefix('@') {
                if label.is_empty() || self.label.is_some() {
                    let found = format!("{} is no label for this line", quoted(word.text));
                    return Err(word.error(found, "a line has one label, like @invite"));
                }
                self.label = Some(word.part(1, word.text.len()));
            } else {
                self.options.add(*word, place)?;
            }
        }
        if let Some(word) = self.options.word("call") {
            let name = word.split('=').map_or(word, |(_, name)| name);
            self.call = call_name(&name)?;
        }
        if self.options.has("udp") {
            self.transport = Transport::Udp;
        }
        if self.options.has("tcp") {
            self.transport = Transport::Tcp;
        }
        if matches!(self.action, Action::Tls(_)) {
            self.transport = Transport::Tcp;
        }
        if self.options.has("sdp") {
            self.body = Some(Body::Sdp(Order::default()));
        }
        if let (Some(word), false) =
            (self.options.word("lose-fragment"), self.options.has("fragment"))
        {
            return Err(word.error("no fragments to lose", "write fragment=SIZE too"));
        }
        Ok(())
    }

    fn place(&self) -> Place {
        match self.action {
            Action::Request { .. } => options::REQUEST,
            Action::Response { .. } => options::RESPONSE,
            Action::Forward(_) => options::FORWARD,
            Action::Again(_) => options::AGAIN,
            Action::Raw => options::RAW,
            Action::Tls(_) => options::TLS,
            Action::Rtp => options::RTP,
            Action::Rtcp => options::RTCP,
            Action::Icmp(_) | Action::Tcp(_) | Action::KeepAlive | Action::End => options::PACKET,
        }
    }
}

fn is_uri(text: &str) -> bool {
    ["sip:", "sips:", "tel:", "urn:"].iter().any(|scheme| text.starts_with(scheme))
}

/// A method in capitals or not; one that nobody knows is sent if it is no slip of the pen.
fn method(word: &Word<'_>) -> Result<String, Error> {
    let method = word.text.to_ascii_uppercase();
    let is_known = METHODS.contains(&method.as_str());
    let is_capital = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
    let begins = word.text.starts_with(|c: char| c.is_ascii_uppercase());
    let is_word = begins && word.text.chars().all(is_capital);
    if is_known || (is_word && nearest(&method, METHODS).is_none()) {
        return Ok(method);
    }
    let (found, names) = if is_word {
        (format!("no method named {}", quoted(word.text)), METHODS.to_vec())
    } else {
        (format!("cannot read {}", quoted(word.text)), ACTIONS.into_iter().chain(METHODS).collect())
    };
    let text = if is_word { method.as_str() } else { word.text };
    let expected = format!("expected a method, a status or one of {}", ACTIONS.join(", "));
    Err(word.error(found, expected).meant(text, names))
}

/// The method or status behind `again` or `forward`.
fn selector(word: Option<&Word<'_>>) -> Option<Selector> {
    let text = word?.text;
    match text.parse() {
        Ok(status) => Some(Selector::Status(status)),
        Err(_) => METHODS.contains(&text).then(|| Selector::Method(text.to_owned())),
    }
}

/// The word behind `icmp`, `tcp` or `tls`.
fn one_of<T: Copy>(
    action: &Word<'_>,
    word: Option<&Word<'_>>,
    names: &[(&str, T)],
) -> Result<T, Error> {
    let list: Vec<&str> = names.iter().map(|&(name, _)| name).collect();
    let expected = format!("expected {}", list.join(", "));
    let Some(word) = word else {
        return Err(action.error(format!("{} of what kind", action.text), expected));
    };
    let known = names.iter().find(|&&(name, _)| name == word.text);
    known.map(|&(_, value)| value).ok_or_else(|| {
        word.is_no(&format!("kind of {}", action.text), expected).meant(word.text, list)
    })
}
