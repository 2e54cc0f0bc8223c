//! One hop of a call as a pair of SIPp scenarios, to be played against each other or against other
//! machines.
//!
//! What has to be fresh are keywords of SIPp; who is who, the order of messages and the pauses are
//! those of the capture, and repeats are left to SIPp. Each side waits for what it got, so that the
//! order holds. Provisional responses may be missing where another message follows them.

mod text;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::analysis::{CallSummary, Step};
use crate::catalogue::{Labels, Lang, labels};
use crate::packet::Endpoint;
use crate::sip::{HeaderName, Message};
use crate::time::Span;
use crate::transport::Transport;

use text::{Side, Unsayable};

/// A pause that is no longer than this is the time that a machine takes.
const PAUSE_MIN: Span = Span::from_millis(20);

/// Messages that one is compared with, to see whether it repeats one.
const REPEAT_DISTANCE_MAX: usize = 64;

/// Nobody wants to wait longer for a replay.
const PAUSE_MAX: Span = Span::from_secs(60);

/// The scenarios of one hop.
#[derive(Clone, Debug)]
pub struct Scenarios {
    /// The side that sends the first request: `uac.xml`.
    pub caller: String,
    /// The other side: `uas.xml`.
    pub callee: String,
    /// How many hops the call has.
    pub hops: usize,
}

/// Why there are no scenarios.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SippError {
    /// The messages are not there.
    #[error("the messages of call {call_id:?} were not kept")]
    NoMessages {
        /// The call, safe to show.
        call_id: String,
    },
    /// There are fewer hops.
    #[error("there is no hop {hop}: the call has {hops}")]
    NoHop {
        /// What the user asked for.
        hop: usize,
        /// How many there are.
        hops: usize,
    },
    /// Nobody asks for anything.
    #[error("there is no request on this hop")]
    NoRequest,
    /// A message is not whole, or has what a scenario cannot have.
    #[error("the message in frame {frame} {problem}")]
    Unsayable {
        /// The frame.
        frame: u64,
        /// What is wrong with it.
        problem: Unsayable,
    },
}

/// The scenarios of a call on its hop number `hop`, from 1 in order of appearance.
///
/// # Errors
///
/// When there is no such hop, or SIPp could not send what was sent there.
pub fn scenarios(call: &CallSummary, hop: usize, lang: Lang) -> Result<Scenarios, SippError> {
    if call.transcript.is_empty() {
        return Err(SippError::NoMessages { call_id: call.call_id.clone() });
    }
    let hops = hops(call);
    let place = hop.checked_sub(1);
    let steps = place.and_then(|place| hops.get(place)).map(Vec::as_slice);
    let Some(steps) = steps else { return Err(SippError::NoHop { hop, hops: hops.len() }) };
    let begin = steps.iter().position(|step| step.message().is_request());
    let steps = begin.and_then(|begin| steps.get(begin..)).ok_or(SippError::NoRequest)?;
    let first = steps.first().ok_or(SippError::NoRequest)?;
    let ends = (first.source, first.destination);
    let head = Head { call, ends, hop, hops: hops.len(), words: labels(lang) };
    let caller = Writer::new(steps, ends.0, ends.1, true).scenario(&head)?;
    let callee = Writer::new(steps, ends.1, ends.0, false).scenario(&head)?;
    Ok(Scenarios { caller, callee, hops: hops.len() })
}

/// The messages between each two parties, repeats left out.
fn hops(call: &CallSummary) -> Vec<Vec<&Step>> {
    let mut hops: Vec<([Endpoint; 2], Vec<&Step>)> = Vec::new();
    let mut steps: Vec<&Step> = call.transcript.iter().collect();
    steps.sort_by_key(|step| (step.time, step.frame));
    for step in steps {
        let (from, to) = (step.source, step.destination);
        let is_same = |a: &Endpoint, b: &Endpoint| {
            // A host that talks to itself is told apart by its ports.
            a.address == b.address && (from.address != to.address || a.port == b.port)
        };
        let is_it = |[a, b]: &[Endpoint; 2]| {
            (is_same(a, &from) && is_same(b, &to)) || (is_same(a, &to) && is_same(b, &from))
        };
        let known = hops.iter_mut().find(|(ends, _)| is_it(ends));
        match known {
            Some((_, steps)) if is_repeat(step, steps) => {}
            Some((_, steps)) => steps.push(step),
            None => hops.push(([from, to], vec![step])),
        }
    }
    hops.into_iter().map(|(_, steps)| steps).collect()
}

/// It repeats one of these messages; the ACK of a 2xx is part of no transaction.
fn is_repeat(step: &Step, steps: &[&Step]) -> bool {
    let mut recent = steps.iter().rev().take(REPEAT_DISTANCE_MAX);
    step.is_retransmission
        || recent.any(|other| other.source == step.source && other.bytes == step.bytes)
}

/// What the comment at the top tells.
struct Head<'h> {
    call: &'h CallSummary,
    ends: (Endpoint, Endpoint),
    hop: usize,
    hops: usize,
    words: Labels,
}

impl Head<'_> {
    fn text(&self, writer: &Writer<'_>) -> String {
        let words = self.words;
        let (from, to) = (self.ends.0.to_string(), self.ends.1.to_string());
        let role = if writer.is_caller { "extract-sipp-caller" } else { "extract-sipp-callee" };
        let mut lines = vec![words.fill(role, &[("call", &self.call.call_id)])];
        lines.push(words.fill(
            "extract-sipp-hop",
            &[
                ("hop", &self.hop.to_string()),
                ("hops", &self.hops.to_string()),
                ("from", &from),
                ("to", &to),
            ],
        ));
        let tcp = if writer.is_tcp() { " -t t1" } else { "" };
        let credentials = if writer.has_credentials() { " -ap PASSWORD" } else { "" };
        lines.push(match writer.is_caller {
            true => format!("  sipp -sf uac.xml -m 1{tcp}{credentials} HOST:PORT"),
            false => format!("  sipp -sf uas.xml -m 1{tcp}{credentials} -p 5060"),
        });
        if writer.has_credentials() {
            lines.push(words.get("extract-sipp-credentials").to_owned());
        }
        text::comment(&lines.join("\n     "))
    }
}

/// Writes the scenario of one side.
struct Writer<'s> {
    steps: &'s [&'s Step],
    side: Side,
    is_caller: bool,
    /// The number of each transaction, by branch.
    branches: BTreeMap<Vec<u8>, usize>,
}

/// Where a message that is sent stands.
#[derive(Clone, Copy)]
struct Moment<'m> {
    step: &'m Step,
    /// Its place.
    at: usize,
    /// Since the message before it.
    after: Option<Span>,
    /// The last message that was received.
    last_received: Option<usize>,
    /// A message that makes a dialog was received before.
    has_route: bool,
    /// A challenge was received before.
    is_challenged: bool,
}

impl<'s> Writer<'s> {
    fn new(steps: &'s [&'s Step], own: Endpoint, peer: Endpoint, is_caller: bool) -> Self {
        let mut branches = BTreeMap::new();
        for step in steps {
            let next = branches.len() + 1;
            branches.entry(branch(&step.message())).or_insert(next);
        }
        Self { steps, side: Side { own, peer, knows_peer: is_caller }, is_caller, branches }
    }

    fn is_tcp(&self) -> bool {
        self.steps.iter().any(|step| step.transport != Transport::Udp)
    }

    /// The side is that of the sender.
    fn sends(&self, step: &Step) -> bool {
        match self.side.own.address == self.side.peer.address {
            true => step.source.port == self.side.own.port,
            false => step.source.address == self.side.own.address,
        }
    }

    /// It answers a challenge.
    fn has_credentials(&self) -> bool {
        let mut challenged = false;
        self.steps.iter().any(|step| {
            let message = step.message();
            challenged |= !self.sends(step) && is_challenge(&message);
            challenged && self.sends(step) && has_credentials(&message)
        })
    }

    fn scenario(&self, head: &Head<'_>) -> Result<String, SippError> {
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let _ = writeln!(xml, "<!-- {} -->", head.text(self));
        let name = if self.is_caller { "caller" } else { "callee" };
        let _ = writeln!(xml, "<scenario name=\"{name}\">");
        let mut before = None;
        let mut last_received = None;
        let (mut has_route, mut is_challenged) = (false, false);
        for (at, step) in self.steps.iter().enumerate() {
            let message = step.message();
            if step.is_cut {
                return Err(wrong(step, Unsayable::Cut));
            }
            if self.sends(step) {
                let after = before.map(|before| step.time.since(before));
                let moment = Moment { step, at, after, last_received, has_route, is_challenged };
                self.send(&message, &moment, &mut xml)?;
            } else {
                self.receive(at, step, &message, &mut xml)?;
                last_received = Some(at);
                has_route |= makes_dialog(&message);
                is_challenged |= is_challenge(&message);
            }
            before = Some(step.time);
        }
        xml.push_str("</scenario>\n");
        Ok(xml)
    }

    fn receive(
        &self,
        at: usize,
        step: &Step,
        message: &Message<'_>,
        xml: &mut String,
    ) -> Result<(), SippError> {
        let mut tag = String::from("  <recv ");
        match message.status() {
            Some(status) => {
                let _ = write!(tag, "response=\"{}\"", status.code());
                let next = self.steps.get(at + 1);
                // SIPp waits only for what must come, so the last one before it acts must.
                let may_miss = status.code() < 200
                    && !message.has(HeaderName::RSeq)
                    && next.is_some_and(|next| !self.sends(next));
                if may_miss {
                    tag.push_str(" optional=\"true\"");
                }
                let rest = self.steps.get(at..).unwrap_or_default();
                let answers = |step: &&&Step| self.sends(step) && has_credentials(&step.message());
                if is_challenge(message) && rest.iter().any(|step| answers(&step)) {
                    tag.push_str(" auth=\"true\"");
                }
            }
            None => {
                let method = text::word(message.method().as_bytes());
                let method = method.ok_or_else(|| wrong(step, Unsayable::StartLine))?;
                let _ = write!(tag, "request=\"{method}\"");
            }
        }
        if makes_dialog(message) {
            tag.push_str(" rrs=\"true\"");
        }
        let is_answered_later = message.is_request() && self.is_answered_later(at);
        let mut places = 0..self.steps.len();
        let is_called_back = places.any(|later| self.opening_of(later) == Some(at));
        if !is_answered_later && !is_called_back {
            let _ = writeln!(xml, "{tag}/>");
            return Ok(());
        }
        let _ = writeln!(xml, "{tag}>\n    <action>");
        // SIPp refuses variables that nothing uses.
        for (header, name) in KEPT.iter().filter(|kept| is_answered_later || kept.0 == "From") {
            let _ = writeln!(
                xml,
                "      <ereg regexp=\".*\" search_in=\"hdr\" header=\"{header}:\" \
                 assign_to=\"{name}{at}\"/>"
            );
        }
        xml.push_str("    </action>\n  </recv>\n");
        Ok(())
    }

    /// Some answer to the request at that place comes after another message, so that what it needs
    /// of the request has to be kept.
    fn is_answered_later(&self, at: usize) -> bool {
        let mut is_last = true;
        self.steps.iter().enumerate().skip(at + 1).any(|(own, step)| {
            match self.sends(step) {
                false => is_last = false,
                true => return !is_last && self.request_of(own) == Some(at),
            }
            false
        })
    }

    /// The place of the request that the response at a place answers.
    fn request_of(&self, at: usize) -> Option<usize> {
        let response = self.steps.get(at)?.message();
        if !response.is_response() {
            return None;
        }
        let is_it = |step: &&&Step| {
            let message = step.message();
            message.is_request()
                && message.method().as_bytes() == response.method().as_bytes()
                && branch(&message) == branch(&response)
        };
        self.steps.iter().take(at).rposition(|step| is_it(&step))
    }

    /// The place of the request from the other side that has opened the dialog of a request of this
    /// side.
    fn opening_of(&self, at: usize) -> Option<usize> {
        let step = self.steps.get(at).filter(|step| self.sends(step))?;
        let message = step.message();
        let tag = message.to_tag().filter(|_| message.is_request())?;
        self.steps.iter().take(at).position(|step| {
            let opening = step.message();
            !self.sends(step)
                && opening.is_request()
                && opening.to_tag().is_none()
                && opening.from_tag() == Some(tag)
        })
    }

    fn send(
        &self,
        message: &Message<'_>,
        moment: &Moment<'_>,
        xml: &mut String,
    ) -> Result<(), SippError> {
        let step = moment.step;
        if let Some(pause) = moment.after.filter(|pause| *pause >= PAUSE_MIN) {
            let millis = pause.min(PAUSE_MAX).nanos() / 1_000_000;
            let _ = writeln!(xml, "  <pause milliseconds=\"{millis}\"/>");
        }
        let method = message.method();
        let is_final = message.status().is_some_and(|status| status.code() >= 200);
        let repeats = match message.is_request() {
            true => method.as_bytes() != b"ACK",
            false => method.as_bytes() == b"INVITE" && is_final,
        };
        let retrans = if repeats { " retrans=\"500\"" } else { "" };
        let text = match message.is_request() {
            true => self.request(message, moment),
            false => self.response(message, moment),
        };
        let text = text.map_err(|problem| wrong(step, problem))?;
        if text.contains("]]>") {
            return Err(wrong(step, Unsayable::EndOfText));
        }
        let _ = writeln!(xml, "  <send{retrans}><![CDATA[");
        for line in text.lines() {
            let _ = writeln!(xml, "{}", format!("    {line}").trim_end());
        }
        xml.push_str("  ]]></send>\n");
        Ok(())
    }

    fn request(&self, message: &Message<'_>, moment: &Moment<'_>) -> Result<String, Unsayable> {
        let method = text::word(message.method().as_bytes()).ok_or(Unsayable::StartLine)?;
        let uri = message.request_uri().ok_or(Unsayable::StartLine)?;
        let is_inside = self.is_inside(message) && moment.has_route;
        let uri = match is_inside {
            true => "[next_url]".to_owned(),
            false => self.side.text(uri.as_bytes())?,
        };
        let number = self.branches.get(&branch(message)).copied().unwrap_or(0);
        let rport = message.value(HeaderName::Via).map(crate::sip::Via::of);
        let rport = rport.is_some_and(|via| via.parameters.has("rport"));
        let rport = if rport { ";rport" } else { "" };
        let mut text = format!(
            "{method} {uri} SIP/2.0\n\
             Via: SIP/2.0/[transport] [local_ip]:[local_port]{rport};\
             branch=z9hG4bK-[pid]-[call_number]-{number}\n"
        );
        if is_inside {
            text.push_str("[routes]\n");
        }
        let (from, tag) = self.address(message, HeaderName::From)?;
        let own = tag.map(|_| format!(";tag={}", self.tag())).unwrap_or_default();
        let (to, peer) = self.address(message, HeaderName::To)?;
        let to = match self.opening_of(moment.at) {
            // The tag of whoever called is not among what SIPp keeps.
            Some(opening) => format!("[$from{opening}]"),
            None => to + peer.map_or("", |_| "[peer_tag_param]"),
        };
        let _ = writeln!(text, "From: {from}{own}\nTo: {to}\nCall-ID: [call_id]");
        let cseq = message.header(HeaderName::CSeq).unwrap_or_default();
        let _ = writeln!(text, "CSeq: {}", self.side.text(cseq)?);
        let credentials = text::credentials(message).filter(|_| moment.is_challenged);
        if let Some(user) = credentials {
            let _ = writeln!(text, "[authentication username={user}]");
        }
        self.rest(message, &mut text)?;
        Ok(text)
    }

    fn response(&self, message: &Message<'_>, moment: &Moment<'_>) -> Result<String, Unsayable> {
        let status = message.status().ok_or(Unsayable::StartLine)?;
        let phrase = message.reason_phrase().unwrap_or_default();
        let phrase = self.side.text(phrase.as_bytes())?;
        let mut text = format!("SIP/2.0 {} {phrase}\n", status.code());
        let request = self.request_of(moment.at).ok_or(Unsayable::Unasked)?;
        let asked = self.steps.get(request).ok_or(Unsayable::Unasked)?.message();
        let is_last = moment.last_received == Some(request);
        let gives_tag = message.to_tag().is_some() && asked.to_tag().is_none();
        let tag = if gives_tag { format!(";tag={}", self.tag()) } else { String::new() };
        for (header, name) in KEPT {
            let tag = if header == "To" { tag.as_str() } else { "" };
            let _ = match is_last {
                true => writeln!(text, "[last_{header}:]{tag}"),
                false => writeln!(text, "{header}: [${name}{request}]{tag}"),
            };
        }
        if is_last && asked.has(HeaderName::RecordRoute) {
            text.push_str("[last_Record-Route:]\n");
        }
        text.push_str("Call-ID: [call_id]\n");
        self.rest(message, &mut text)?;
        Ok(text)
    }

    /// Header fields that are as they were, length and body.
    fn rest(&self, message: &Message<'_>, text: &mut String) -> Result<(), Unsayable> {
        for header in message.headers() {
            if text::is_fresh(header.name) {
                continue;
            }
            let name = text::word(header.spelled).ok_or(Unsayable::Header)?;
            let value = match header.name {
                HeaderName::Contact => self.side.contact(header.value, message)?,
                _ => self.side.text(header.value)?,
            };
            let _ = writeln!(text, "{name}: {value}");
        }
        text.push_str("Content-Length: [len]\n\n");
        text.push_str(&self.side.body(message)?);
        Ok(())
    }

    /// An address without its tag, and the tag.
    fn address(
        &self,
        message: &Message<'_>,
        name: HeaderName,
    ) -> Result<(String, Option<()>), Unsayable> {
        let value = message.header(name).unwrap_or_default();
        let text = self.side.text(value)?;
        let after = text.rfind('>').unwrap_or(0);
        let (before, parameters) = text.split_at(after);
        let mut has_tag = None;
        let mut kept = before.to_owned();
        for (at, part) in parameters.split(';').enumerate() {
            if part.trim_start().get(..4).is_some_and(|name| name.eq_ignore_ascii_case("tag=")) {
                has_tag = Some(());
                continue;
            }
            if at > 0 {
                kept.push(';');
            }
            kept.push_str(part);
        }
        Ok((kept, has_tag))
    }

    /// The own tag of this side.
    fn tag(&self) -> String {
        let side = if self.is_caller { "a" } else { "b" };
        format!("{side}[pid]-[call_number]")
    }

    /// The request is inside a dialog: it has a To-tag, or belongs to an INVITE that has one.
    fn is_inside(&self, message: &Message<'_>) -> bool {
        let own = branch(message);
        let invite = self.steps.iter().map(|step| step.message()).find(|other| {
            other.is_request() && other.method().as_bytes() == b"INVITE" && branch(other) == own
        });
        invite.as_ref().unwrap_or(message).to_tag().is_some()
    }
}

/// What a response needs of its request.
const KEPT: [(&str, &str); 4] = [("Via", "via"), ("From", "from"), ("To", "to"), ("CSeq", "cseq")];

fn wrong(step: &Step, problem: Unsayable) -> SippError {
    SippError::Unsayable { frame: step.frame.number, problem }
}

fn branch(message: &Message<'_>) -> Vec<u8> {
    let via = message.value(HeaderName::Via).map(crate::sip::Via::of);
    via.and_then(|via| via.branch()).unwrap_or_default().to_vec()
}

fn is_challenge(message: &Message<'_>) -> bool {
    message.status().is_some_and(|status| matches!(status.code(), 401 | 407))
}

fn has_credentials(message: &Message<'_>) -> bool {
    message.is_request()
        && (message.has(HeaderName::Authorization) || message.has(HeaderName::ProxyAuthorization))
}

/// Where the other side wants further requests is told by it.
fn makes_dialog(message: &Message<'_>) -> bool {
    let forms = matches!(message.method().as_bytes(), b"INVITE" | b"SUBSCRIBE");
    let is_initial = match message.status() {
        Some(status) => (101..300).contains(&status.code()),
        None => message.to_tag().is_none(),
    };
    forms && is_initial && message.has(HeaderName::Contact)
}
