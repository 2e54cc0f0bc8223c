//! Plays the events of a script, one after the other.

use std::collections::HashMap;

use super::error::{Error, quoted};
use super::ip;
use super::media::Streams;
use super::memory::{Hop, Memory, Origin, Stage};
use super::message::Message;
use super::offer::{Offer, finish, hop, offer, repeated};
use super::syntax::{Action, Body, Event, Script, Transport};
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
    played(script)?.finish()
}

/// Plays a script, and gives the messages in the order of the lines.
pub(super) fn messages(script: &Script<'_>) -> Result<Vec<Vec<u8>>, Error> {
    let log = played(script)?.memory.log;
    Ok(log.into_iter().map(|sent| sent.bytes).collect())
}

fn played<'s, 'a>(script: &'s Script<'a>) -> Result<Player<'s, 'a>, Error> {
    let mut player = Player {
        script,
        memory: Memory::new(script),
        wire: Wire::new(script),
        streams: Streams::default(),
        marks: vec![None; script.events.len()],
    };
    for (index, event) in script.events.iter().enumerate() {
        let later = script.events.get(index + 1..).unwrap_or(&[]);
        player.event(index, Stage { script, event, later })?;
    }
    player.check_joined()?;
    Ok(player)
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
        if let Some(offer) = offer(&mut self.memory, &stage)? {
            return self.message(index, stage, offer);
        }
        let frame = match &event.action {
            Action::Again(_) => return self.again(index, stage),
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
            Action::Request { .. } | Action::Response { .. } | Action::Forward(_) => return Ok(()),
        };
        self.mark(index, Some(frame));
        Ok(())
    }

    fn hop(&self, event: &Event<'_>, usual: Option<Hop>) -> Hop {
        hop(self.script, event, usual)
    }

    /// Sends the message that a line makes, with the body and the changes of the line.
    fn message(&mut self, index: usize, stage: Stage<'_, 'a>, offer: Offer) -> Result<(), Error> {
        let Offer { mut message, hop, call, origin } = offer;
        let body = match &stage.event.body {
            Some(Body::Sdp(order)) => {
                let description = self.memory.description(&stage, call, order);
                Some(("application/sdp", description.into_bytes()))
            }
            Some(Body::Text { kind, bytes }) => Some((*kind, bytes.clone())),
            None => None,
        };
        finish(&mut message, origin, body, &stage.event.edits);
        let bytes = message.bytes();
        self.transmit(index, stage.event, hop, &bytes)?;
        self.memory.note(hop, call, origin, Some(message), bytes);
        Ok(())
    }

    fn again(&mut self, index: usize, stage: Stage<'_, 'a>) -> Result<(), Error> {
        let event = stage.event;
        let sent = repeated(&mut self.memory, &stage)?;
        let (bytes, hop) = (sent.bytes.clone(), hop(self.script, event, Some(sent.hop)));
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
