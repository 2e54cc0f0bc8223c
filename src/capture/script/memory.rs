//! What has been sent so far, and what each host knows from it.
//!
//! Every message that goes out is logged with its hop; dialogs learn from the message as it was
//! sent, after all edits.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::LOOK_MAX;
use super::dialog::{Challenge, Dialog};
use super::message::{Message, address_in};
use super::sdp::{self, Order};
use super::syntax::{Event, Script, Selector, Transport};

/// One line of a script and all the others.
#[derive(Clone, Copy)]
pub(super) struct Stage<'s, 'a> {
    pub(super) script: &'s Script<'a>,
    pub(super) event: &'s Event<'a>,
    /// The events that follow.
    pub(super) later: &'s [Event<'a>],
}

/// A message on a hop.
#[derive(Debug)]
pub(super) struct Sent {
    /// None when the bytes are no SIP.
    pub(super) message: Option<Message>,
    pub(super) bytes: Vec<u8>,
    pub(super) call: usize,
    pub(super) hop: Hop,
    /// The responses on this hop, by their place in the log.
    pub(super) responses: Vec<usize>,
    pub(super) is_answered: bool,
    /// The To-tag of the host that answers.
    pub(super) answer_tag: Option<String>,
    /// Hosts that it was handed on to.
    pub(super) forwarded_to: Vec<usize>,
}

/// From where to where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    /// Index of the host.
    pub(super) source: usize,
    pub(super) destination: usize,
    pub(super) source_socket: SocketAddr,
    pub(super) destination_socket: SocketAddr,
    pub(super) transport: Transport,
}

/// The messages of one Call-ID.
#[derive(Debug, Default)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) dialogs: Vec<Dialog>,
    /// Places in the log.
    pub(super) log: Vec<usize>,
    /// The event package that a NOTIFY reports on.
    pub(super) event: Option<String>,
    media: HashMap<usize, Media>,
    /// The last description of each host and its version.
    versions: HashMap<usize, (String, u32)>,
}

/// Where a host wants its audio.
#[derive(Clone, Debug, Default)]
pub(super) struct Media {
    pub(super) port: u16,
    pub(super) payload_types: Vec<u8>,
}

/// How a message came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Made by the host, with the dialog that it belongs to.
    Own(Option<usize>),
    Forwarded,
    /// Written out in the script.
    Raw,
}

#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) calls: Vec<Call>,
    by_id: HashMap<String, usize>,
    /// The Call-IDs that the script gives to its calls, by their names.
    given_ids: HashMap<String, String>,
    pub(super) log: Vec<Sent>,
    tags: u32,
    branches: u32,
    nonces: u32,
}

impl Memory {
    pub(super) fn new(script: &Script<'_>) -> Self {
        let owned = |(name, id): &(&str, &str)| ((*name).to_owned(), (*id).to_owned());
        Self { given_ids: script.call_ids.iter().map(owned).collect(), ..Self::default() }
    }

    /// The call that a script names so.
    pub(super) fn call(&mut self, name: &str) -> usize {
        self.call_of_id(self.call_id(name))
    }

    /// The Call-ID of a call that a script names so.
    fn call_id(&self, name: &str) -> String {
        match self.given_ids.get(name) {
            Some(id) => id.clone(),
            None if name.contains('@') => name.to_owned(),
            None => format!("{name}@script.invalid"),
        }
    }

    /// The call of that name, if anything was sent in it.
    pub(super) fn known_call(&self, name: &str) -> Option<usize> {
        self.by_id.get(&self.call_id(name)).copied()
    }

    fn call_of_id(&mut self, id: String) -> usize {
        let calls = &mut self.calls;
        *self.by_id.entry(id).or_insert_with_key(|id| {
            calls.push(Call { id: id.clone(), ..Call::default() });
            calls.len() - 1
        })
    }

    pub(super) fn fresh_tag(&mut self, host: &str) -> String {
        self.tags += 1;
        format!("{host}-{}", self.tags)
    }

    pub(super) fn fresh_branch(&mut self, host: &str) -> String {
        self.branches += 1;
        format!("z9hG4bK-{host}-{}", self.branches)
    }

    pub(super) fn fresh_nonce(&mut self) -> String {
        self.nonces += 1;
        format!("nonce-{}", self.nonces)
    }

    /// Messages of a call, the last one first.
    pub(super) fn recent(&self, call: usize) -> impl Iterator<Item = (usize, &Sent)> {
        let places = self.calls.get(call).map_or(&[][..], |call| &call.log);
        let recent = places.iter().rev().take(LOOK_MAX);
        recent.filter_map(|&place| Some((place, self.log.get(place)?)))
    }

    /// Messages of all calls, the last one first.
    pub(super) fn recent_of_all(&self) -> impl Iterator<Item = (usize, &Sent)> {
        self.log.iter().enumerate().rev().take(LOOK_MAX)
    }

    /// The last message on the hop of an event that fits: in its call, else, if the line names no
    /// call, in any.
    pub(super) fn last_on_hop(
        &self,
        stage: &Stage<'_, '_>,
        call: usize,
        pick: Option<&Selector>,
    ) -> Option<usize> {
        let (source, destination) = (stage.event.source.host, stage.event.destination.host);
        let fits = |(place, sent): (usize, &Sent)| {
            let is_here = sent.hop.source == source && sent.hop.destination == destination;
            (is_here && sent.is_picked(pick)).then_some(place)
        };
        let in_call = self.recent(call).find_map(fits);
        match stage.event.options.has("call") {
            true => in_call,
            false => in_call.or_else(|| self.recent_of_all().find_map(fits)),
        }
    }

    /// The description that a host sends; its version grows when it says something else than
    /// before.
    pub(super) fn description(
        &mut self,
        stage: &Stage<'_, '_>,
        call: usize,
        order: &Order<'_>,
    ) -> String {
        let index = stage.event.source.host;
        let write = |version| description(stage, order, version);
        let Some(call) = self.calls.get_mut(call) else { return String::new() };
        let (last, version) = call.versions.entry(index).or_default();
        let plain = write(0);
        if *last != plain {
            *last = plain;
            *version += 1;
        }
        write(*version)
    }

    /// What [`Memory::description`] would give; nothing is noted.
    pub(super) fn would_describe(
        &self,
        stage: &Stage<'_, '_>,
        call: usize,
        order: &Order<'_>,
    ) -> String {
        let known = self.calls.get(call).and_then(|call| {
            call.versions.get(&stage.event.source.host).map(|(last, version)| (last, *version))
        });
        let version = match known {
            Some((last, version)) if *last == description(stage, order, 0) => version,
            Some((_, version)) => version + 1,
            None => 1,
        };
        description(stage, order, version)
    }

    /// Where a host wants its audio, from the last description that it sent in this call.
    pub(super) fn media(&self, call: usize, host: usize) -> Media {
        let known = self.calls.get(call).and_then(|call| call.media.get(&host));
        known.cloned().unwrap_or(Media { port: media_port(host), payload_types: vec![] })
    }

    /// Takes note of a message that goes out.
    pub(super) fn note(
        &mut self,
        hop: Hop,
        call: usize,
        origin: Origin,
        message: Option<Message>,
        bytes: Vec<u8>,
    ) {
        let call = match message.as_ref().and_then(|message| message.field("Call-ID")) {
            Some(id) if origin == Origin::Raw => self.call_of_id(id.to_owned()),
            _ => call,
        };
        let place = self.log.len();
        if let Some(message) = &message {
            self.note_media(hop.source, call, origin, message);
            match message.status() {
                Some(status) => self.note_response(place, hop, call, origin, message, status),
                None => self.note_request(hop, call, origin, message),
            }
        }
        if let Some(call) = self.calls.get_mut(call) {
            call.log.push(place);
        }
        self.log.push(Sent {
            message,
            bytes,
            call,
            hop,
            responses: vec![],
            is_answered: false,
            answer_tag: None,
            forwarded_to: vec![],
        });
    }

    fn note_media(&mut self, host: usize, call: usize, origin: Origin, message: &Message) {
        let is_sdp = message.field("Content-Type").is_some_and(|kind| kind.contains("sdp"));
        if origin == Origin::Forwarded || !is_sdp {
            return;
        }
        let Some((port, payload_types)) = sdp::audio(&message.body) else { return };
        let Some(call) = self.calls.get_mut(call) else { return };
        let media =
            call.media.entry(host).or_insert(Media { port: media_port(host), ..Media::default() });
        media.payload_types = payload_types;
        if port != 0 {
            media.port = port;
        }
    }

    fn note_request(&mut self, hop: Hop, call: usize, origin: Origin, message: &Message) {
        let method = message.method().unwrap_or("");
        let (from, to) = (message.tag("From"), message.tag("To"));
        let Some(call) = self.calls.get_mut(call) else { return };
        match method {
            "REFER" => call.event = Some("refer".to_owned()),
            "SUBSCRIBE" => call.event = message.field("Event").map(str::to_owned),
            _ => {}
        }
        if let Origin::Own(Some(dialog)) = origin
            && let Some(dialog) = call.dialogs.get_mut(dialog)
        {
            if let Some(tag) = from {
                dialog.local_tag = tag.to_owned();
            }
            if let (None, Some(local), Some(remote)) =
                (to, message.field("From"), message.field("To"))
            {
                dialog.local = address_in(local).to_owned();
                dialog.remote = address_in(remote).to_owned();
            }
            if !matches!(method, "ACK" | "CANCEL") {
                dialog.cseq = message.cseq().0;
            }
        }
        for dialog in call.dialogs.iter_mut().rev().take(LOOK_MAX) {
            let is_sender = dialog.host == hop.source && dialog.has_tags(from, to);
            let is_receiver = dialog.host == hop.destination && dialog.has_tags(to, from);
            if (is_sender || is_receiver) && to.is_some() && method == "BYE" {
                dialog.is_ended = true;
            }
            if let (true, Some(contact)) = (is_receiver, message.contact()) {
                dialog.target = Some(contact.to_owned());
            }
        }
    }

    fn note_response(
        &mut self,
        place: usize,
        hop: Hop,
        call: usize,
        origin: Origin,
        message: &Message,
        status: u16,
    ) {
        let Some(request) = self.request_of(hop, call, message) else { return };
        let Some(sent) = self.log.get_mut(request) else { return };
        if sent.responses.len() < LOOK_MAX {
            sent.responses.push(place);
        }
        sent.is_answered |= status >= 200;
        let Some(asked) = sent.message.clone() else { return };
        if origin != Origin::Forwarded && status > 100 {
            sent.answer_tag = message.tag("To").map(str::to_owned);
        }
        let Some(call) = self.calls.get_mut(call) else { return };
        let forms = matches!(message.cseq().1, "INVITE" | "SUBSCRIBE" | "REFER" | "NOTIFY");
        if forms && matches!(status, 101..300) && message.tag("To").is_some() {
            if origin != Origin::Forwarded {
                call.note_callee(hop.source, &asked, message);
            }
            call.note_caller(hop.destination, message);
        }
        if status >= 300 {
            call.note_failure(hop, message);
        }
    }

    /// The request that a response on this hop answers.
    fn request_of(&self, hop: Hop, call: usize, response: &Message) -> Option<usize> {
        let (number, method) = response.cseq();
        self.recent(call).find_map(|(place, sent)| {
            let request =
                sent.message.as_ref().filter(|message| message.method() == Some(method))?;
            let is_hop = sent.hop.source == hop.destination && sent.hop.destination == hop.source;
            let is_same = request.branch() == response.branch() && request.cseq().0 == number;
            (is_hop && is_same).then_some(place)
        })
    }
}

impl Call {
    /// The answering end of a dialog.
    fn note_callee(&mut self, host: usize, request: &Message, response: &Message) {
        let (local, remote) = (response.tag("To"), response.tag("From"));
        let mut known = self.dialogs.iter_mut().rev().take(LOOK_MAX);
        let is_final = matches!(response.status(), Some(200..300));
        match known.find(|dialog| dialog.host == host && dialog.has_tags(local, remote)) {
            Some(dialog) => dialog.is_confirmed |= is_final,
            None => {
                if let Some(mut dialog) = Dialog::of_callee(host, request, response) {
                    dialog.is_confirmed = is_final;
                    self.dialogs.push(dialog);
                }
            }
        }
    }

    /// The asking end of a dialog; another To-tag is another dialog.
    fn note_caller(&mut self, host: usize, response: &Message) {
        let (local, remote) = (response.tag("From"), response.tag("To"));
        let mut ends = self.dialogs.iter_mut().rev().take(LOOK_MAX);
        let is_mine =
            |dialog: &Dialog| dialog.host == host && local == Some(dialog.local_tag.as_str());
        if let Some(dialog) = ends.by_ref().find(|dialog| {
            is_mine(dialog)
                && (dialog.remote_tag.is_none() || dialog.remote_tag.as_deref() == remote)
        }) {
            dialog.learn(response);
            return;
        }
        let sibling = self.dialogs.iter().rev().take(LOOK_MAX).find(|dialog| is_mine(dialog));
        if let Some(mut dialog) = sibling.cloned() {
            dialog.remote_tag = None;
            dialog.is_confirmed = false;
            dialog.is_ended = false;
            dialog.learn(response);
            self.dialogs.push(dialog);
        }
    }

    /// A failure ends what has not been confirmed, and may carry a challenge.
    fn note_failure(&mut self, hop: Hop, response: &Message) {
        let is_invite = response.cseq().1 == "INVITE";
        let (from, to) = (response.tag("From"), response.tag("To"));
        for dialog in self.dialogs.iter_mut().rev().take(LOOK_MAX) {
            let is_caller = dialog.host == hop.destination && from == Some(&dialog.local_tag);
            let is_callee = dialog.host == hop.source && dialog.has_tags(to, from);
            if is_caller && let Some(challenge) = Challenge::of(response) {
                dialog.challenge = Some(challenge);
            }
            if is_invite && !dialog.is_confirmed && is_caller {
                dialog.remote_tag = None;
                dialog.target = None;
                dialog.routes.clear();
            }
            if is_invite && !dialog.is_confirmed && is_callee {
                dialog.is_ended = true;
            }
        }
    }
}

impl Sent {
    /// The message is of the method or has the status that is asked for.
    pub(super) fn is_picked(&self, pick: Option<&Selector>) -> bool {
        let Some(message) = &self.message else { return pick.is_none() };
        match pick {
            None => true,
            Some(Selector::Method(method)) => message.method() == Some(method),
            Some(Selector::Status(status)) => message.status() == Some(*status),
        }
    }
}

/// What a line describes, with that version.
fn description(stage: &Stage<'_, '_>, order: &Order<'_>, version: u32) -> String {
    let index = stage.event.source.host;
    let Some(host) = stage.host(index) else { return String::new() };
    let address = host.inside.map_or(host.address, |inside| inside.ip());
    order.write(host.name, address, media_port(index), version)
}

/// Where a host wants its audio before it has said so.
fn media_port(host: usize) -> u16 {
    40_000 + u16::try_from(host).unwrap_or(0) * 2
}
