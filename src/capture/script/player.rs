//! Plays the events of a script, one after the other.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::error::{Error, quoted};
use super::ip;
use super::media::Streams;
use super::memory::{Hop, Memory, Origin, Stage};
use super::message::Message;
use super::syntax::{Action, Body, Edit, End, Event, Script, Selector, Transport};
use super::tcp::Connection;
use super::wire::{Load, Wire};
use super::word::Word;
use super::{LinkType, ScriptFrame};
use crate::time::Span;

/// A script that was played to its end.
#[derive(Debug)]
pub(super) struct Played<'a> {
    /// Sorted by time.
    pub(super) frames: Vec<ScriptFrame>,
    /// The number of the frame that each label names.
    pub(super) labels: HashMap<&'a str, u64>,
}

/// Plays a script.
pub(super) fn play<'a>(script: &Script<'a>) -> Result<Played<'a>, Error> {
    let mut player = Player {
        script,
        memory: Memory::default(),
        wire: Wire::new(script),
        streams: Streams::default(),
        marks: vec![None; script.events.len()],
    };
    for (index, event) in script.events.iter().enumerate() {
        let later = script.events.get(index + 1..).unwrap_or(&[]);
        player.event(index, Stage { script, event, later })?;
    }
    player.check_joined()?;
    player.finish()
}

struct Player<'s, 'a> {
    script: &'s Script<'a>,
    memory: Memory,
    wire: Wire,
    streams: Streams,
    /// The frame of each event, before sorting.
    marks: Vec<Option<usize>>,
}

impl<'a> Player<'_, 'a> {
    fn event(&mut self, index: usize, stage: Stage<'_, 'a>) -> Result<(), Error> {
        let event = stage.event;
        let frame = match &event.action {
            Action::Request { method, uri } => {
                let call = self.memory.call(event.call);
                let (message, origin) = self.memory.request(&stage, method, *uri)?;
                let hop = self.hop(event, None);
                return self.message(index, stage, hop, call, origin, message);
            }
            Action::Response { status, reason } => {
                let (message, place) = self.memory.response(&stage, *status, reason.as_deref())?;
                let (call, hop) = self.answer_hop(event, place);
                return self.message(index, stage, hop, call, Origin::Own(None), message);
            }
            Action::Forward(pick) => return self.forward(index, stage, pick.as_ref()),
            Action::Again(pick) => return self.again(index, stage, pick.as_ref()),
            Action::Raw => return self.raw(index, stage),
            Action::Tls(record) => {
                let bytes = record.bytes(&event.options)?;
                return self.transmit(index, event, self.hop(event, None), &bytes);
            }
            Action::Rtp | Action::Rtcp => self.media(event)?,
            Action::KeepAlive => {
                self.wire.udp(event, self.hop(event, None), Span::ZERO, b"\r\n\r\n")?
            }
            Action::Icmp(complaint) => self.complain(stage, *complaint)?,
            Action::Tcp(signal) => self.wire.signal(event, self.hop(event, None), *signal)?,
            Action::End => self.wire.last_word(self.script, event)?,
        };
        self.mark(index, Some(frame));
        Ok(())
    }

    /// The hop that a line names; ports from the line, else from `usual`, else of the hosts.
    fn hop(&self, event: &Event<'_>, usual: Option<Hop>) -> Hop {
        let socket = |end: End, usual: Option<u16>| {
            let host = self.script.hosts.get(end.host);
            let (address, port) =
                host.map_or(([0, 0, 0, 0].into(), 0), |host| (host.address, host.port));
            SocketAddr::new(address, end.port.or(usual).unwrap_or(port))
        };
        Hop {
            source: event.source.host,
            destination: event.destination.host,
            source_socket: socket(event.source, usual.map(|hop| hop.source_socket.port())),
            destination_socket: socket(
                event.destination,
                usual.map(|hop| hop.destination_socket.port()),
            ),
            transport: match usual {
                Some(usual) if !event.options.has("tcp") && !event.options.has("udp") => {
                    usual.transport
                }
                _ => event.transport,
            },
        }
    }

    /// Call and hop of the response to a request: the same way back.
    fn answer_hop(&self, event: &Event<'_>, request: usize) -> (usize, Hop) {
        let Some(sent) = self.memory.log.get(request) else { return (0, self.hop(event, None)) };
        let back = Hop {
            source: sent.hop.destination,
            destination: sent.hop.source,
            source_socket: sent.hop.destination_socket,
            destination_socket: sent.hop.source_socket,
            transport: sent.hop.transport,
        };
        (sent.call, self.hop(event, Some(back)))
    }

    fn forward(
        &mut self,
        index: usize,
        stage: Stage<'_, 'a>,
        pick: Option<&Selector>,
    ) -> Result<(), Error> {
        let (message, place) = self.memory.forwarded(&stage, pick)?;
        let call = self.memory.log.get(place).map_or(0, |sent| sent.call);
        let request = match message.status() {
            Some(_) => self.memory.recent(call).find_map(|(place, sent)| {
                let asked = sent.message.as_ref()?;
                let is_back = sent.hop.source == stage.event.destination.host
                    && sent.hop.destination == stage.event.source.host;
                (is_back && asked.field("Via") == message.field("Via")).then_some(place)
            }),
            None => None,
        };
        let hop = match request {
            Some(request) => self.answer_hop(stage.event, request).1,
            None => self.hop(stage.event, None),
        };
        self.message(index, stage, hop, call, Origin::Forwarded, message)
    }

    /// Body, length and changes of a message that a line makes, then sends it.
    fn message(
        &mut self,
        index: usize,
        stage: Stage<'_, 'a>,
        hop: Hop,
        call: usize,
        origin: Origin,
        mut message: Message,
    ) -> Result<(), Error> {
        match &stage.event.body {
            Some(Body::Sdp(order)) => {
                message.body = self.memory.description(&stage, call, order).into_bytes();
                message.set("Content-Type", "application/sdp");
                message.remove("Content-Length");
            }
            Some(Body::Text { kind, bytes }) => {
                message.body.clone_from(bytes);
                message.set("Content-Type", *kind);
                message.remove("Content-Length");
            }
            None => {}
        }
        if origin != Origin::Forwarded || message.field("Content-Length").is_none() {
            message.set("Content-Length", message.body.len().to_string());
        }
        apply(&mut message, &stage.event.edits);
        let bytes = message.bytes();
        self.transmit(index, stage.event, hop, &bytes)?;
        self.memory.note(hop, call, origin, Some(message), bytes);
        Ok(())
    }

    fn again(
        &mut self,
        index: usize,
        stage: Stage<'_, 'a>,
        pick: Option<&Selector>,
    ) -> Result<(), Error> {
        let event = stage.event;
        let call = self.memory.call(event.call);
        let place = self.memory.last_on_hop(&stage, call, pick);
        let Some(sent) = place.and_then(|place| self.memory.log.get(place)) else {
            let name = |end: End| self.script.hosts.get(end.host).map_or("", |host| host.name);
            let (source, destination) = (name(event.source), name(event.destination));
            let what = match pick {
                Some(Selector::Method(method)) => method.clone(),
                Some(Selector::Status(status)) => status.to_string(),
                None => "message".to_owned(),
            };
            let found = format!("no {what} from {source} to {destination} to send again");
            return Err(event.word.error(found, "again repeats an earlier line of the same hop"));
        };
        let (bytes, hop) = (sent.bytes.clone(), self.hop(event, Some(sent.hop)));
        self.transmit(index, event, hop, &bytes)
    }

    fn raw(&mut self, index: usize, stage: Stage<'_, 'a>) -> Result<(), Error> {
        let event = stage.event;
        let Some(Body::Text { bytes, .. }) = &event.body else {
            return Err(event.word.error("raw without a payload", "expected | lines below it"));
        };
        let hop = self.hop(event, None);
        let call = self.memory.call(event.call);
        self.transmit(index, event, hop, bytes)?;
        self.memory.note(hop, call, Origin::Raw, Message::read(bytes), bytes.clone());
        Ok(())
    }

    /// Puts a message on the wire, if the capture sees it.
    fn transmit(
        &mut self,
        index: usize,
        event: &Event<'a>,
        hop: Hop,
        bytes: &[u8],
    ) -> Result<(), Error> {
        self.wire.charge(event, bytes.len())?;
        if event.options.has("unseen") {
            return event.label.map_or(Ok(()), |label| Err(no_frame(label)));
        }
        match hop.transport {
            Transport::Udp => {
                let frame = self.wire.udp(event, hop, Span::ZERO, bytes)?;
                self.mark(index, Some(frame));
            }
            Transport::Tcp => {
                let landed = self.wire.tcp(event, index, hop, bytes)?;
                for (line, frame) in landed.joined {
                    self.mark(line, Some(frame));
                }
                self.mark(index, landed.frame);
            }
        }
        Ok(())
    }

    fn media(&mut self, event: &Event<'a>) -> Result<usize, Error> {
        let call = self.memory.call(event.call);
        let from = self.memory.media(call, event.source.host);
        let to = self.memory.media(call, event.destination.host);
        let hop = self.hop(event, None);
        match event.action {
            Action::Rtcp => self.streams.rtcp(&mut self.wire, self.script, event, hop, &from, &to),
            _ => self.streams.rtp(&mut self.wire, event, hop, &from, &to),
        }
    }

    fn complain(&mut self, stage: Stage<'_, 'a>, complaint: ip::Complaint) -> Result<usize, Error> {
        let event = stage.event;
        let hop = self.hop(event, None);
        let Some(packet) = self.wire.last_packet(hop.destination, hop.source) else {
            let name = self.script.hosts.get(hop.destination).map_or("", |host| host.name);
            let found = format!("no packet from {name} to complain about");
            return Err(event.word.error(found, "icmp quotes the last packet the other way"));
        };
        let (source, destination) = (hop.source_socket.ip(), hop.destination_socket.ip());
        let (protocol, bytes) = ip::icmp(source, destination, complaint, packet);
        self.wire.send(event, hop, Span::ZERO, &Load { protocol, bytes })
    }

    fn mark(&mut self, index: usize, frame: Option<usize>) {
        if let Some(mark) = self.marks.get_mut(index) {
            *mark = frame;
        }
    }

    /// Every message that waits for another one has found it.
    fn check_joined(&self) -> Result<(), Error> {
        let Some(line) = self.wire.connections.iter().find_map(Connection::left_over) else {
            return Ok(());
        };
        let event = self.script.events.iter().find(|event| event.word.line == line);
        match event.and_then(|event| event.options.word("join")) {
            Some(word) => Err(word.error(
                "join without a message to go with",
                "a later tcp line of the same direction must follow",
            )),
            None => Ok(()),
        }
    }

    fn finish(self) -> Result<Played<'a>, Error> {
        let mut order: Vec<usize> = (0..self.wire.made.len()).collect();
        order.sort_by_key(|&place| self.wire.made.get(place).map(|made| made.sent));
        let mut numbers = vec![0; order.len()];
        for (number, &place) in (1..).zip(&order) {
            if let Some(slot) = numbers.get_mut(place) {
                *slot = number;
            }
        }
        let mut labels = HashMap::new();
        for (event, mark) in self.script.events.iter().zip(&self.marks) {
            let Some(label) = event.label else { continue };
            let Some(&number) = mark.and_then(|place| numbers.get(place)) else {
                return Err(no_frame(label));
            };
            if labels.insert(label.text, number).is_some() {
                let found = format!("label {} is there already", quoted(label.text));
                return Err(label.error(found, "each label names one line"));
            }
        }
        let mut made: Vec<_> = self.wire.made.into_iter().collect();
        made.sort_by_key(|made| made.sent);
        let frames = made.into_iter().map(|made| ScriptFrame {
            time: made.stamp,
            link: LinkType::RAW,
            data: made.data,
            original_length: made.original_length,
        });
        Ok(Played { frames: frames.collect(), labels })
    }
}

fn no_frame(label: Word<'_>) -> Error {
    let found = format!("{} has no frame", quoted(label.text));
    label.error(found, "the capture does not see this message")
}

/// Makes the changes of the indented lines. A second line of one name adds to the first.
fn apply(message: &mut Message, edits: &[Edit<'_>]) {
    let mut done: Vec<&str> = Vec::new();
    for edit in edits {
        match edit {
            Edit::Remove(name) => message.remove(name),
            Edit::Add(name, value) => message.add(name, *value),
            Edit::Set(name, value) => {
                let is_second = done.iter().any(|done| super::message::is_same_name(done, name));
                if is_second {
                    message.add(name, *value);
                } else {
                    message.set(name, *value);
                    done.push(name);
                }
            }
        }
    }
}
