//! What a line sends: the message before the changes of the line, the message after them, and on
//! which hop.

use std::net::SocketAddr;

use super::error::Error;
use super::memory::{Hop, Memory, Origin, Sent, Stage};
use super::message::{Message, is_same_name, is_same_via};
use super::syntax::{Action, Edit, End, Event, Script, Selector};

/// A message before the line has changed it.
pub(super) struct Offer {
    pub(super) message: Message,
    pub(super) hop: Hop,
    pub(super) call: usize,
    pub(super) origin: Origin,
}

/// What a request, response or `forward` line offers; none for other lines.
pub(super) fn offer(memory: &mut Memory, stage: &Stage<'_, '_>) -> Result<Option<Offer>, Error> {
    let event = stage.event;
    Ok(Some(match &event.action {
        Action::Request { method, uri } => {
            let call = memory.call(event.call);
            let (message, origin) = memory.request(stage, method, *uri)?;
            Offer { message, hop: hop(stage.script, event, None), call, origin }
        }
        Action::Response { status, reason } => {
            let (message, place) = memory.response(stage, *status, reason.as_deref())?;
            let (call, hop) = answer_hop(memory, stage, place);
            Offer { message, hop, call, origin: Origin::Own(None) }
        }
        Action::Forward(pick) => forwarded(memory, stage, pick.as_ref())?,
        _ => return Ok(None),
    }))
}

/// The message that an `again` line repeats.
pub(super) fn repeated<'m>(
    memory: &'m mut Memory,
    stage: &Stage<'_, '_>,
) -> Result<&'m Sent, Error> {
    let event = stage.event;
    let Action::Again(pick) = &event.action else {
        return Err(event.word.error("nothing is repeated here", "write again"));
    };
    let call = memory.call(event.call);
    let place = memory.last_on_hop(stage, call, pick.as_ref());
    place.and_then(|place| memory.log.get(place)).ok_or_else(|| {
        let name = |end: End| stage.host(end.host).map_or("", |host| host.name);
        let (source, destination) = (name(event.source), name(event.destination));
        let what = match pick {
            Some(Selector::Method(method)) => method.clone(),
            Some(Selector::Status(status)) => status.to_string(),
            None => "message".to_owned(),
        };
        let found = format!("no {what} from {source} to {destination} to send again");
        event.word.error(found, "again repeats an earlier line of the same hop")
    })
}

/// The hop that a line names; ports from the line, else from `usual`, else of the hosts.
pub(super) fn hop(script: &Script<'_>, event: &Event<'_>, usual: Option<Hop>) -> Hop {
    let socket = |end: End, usual: Option<u16>| {
        let host = script.hosts.get(end.host);
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
fn answer_hop(memory: &Memory, stage: &Stage<'_, '_>, request: usize) -> (usize, Hop) {
    let Some(sent) = memory.log.get(request) else {
        return (0, hop(stage.script, stage.event, None));
    };
    let back = Hop {
        source: sent.hop.destination,
        destination: sent.hop.source,
        source_socket: sent.hop.destination_socket,
        destination_socket: sent.hop.source_socket,
        transport: sent.hop.transport,
    };
    (sent.call, hop(stage.script, stage.event, Some(back)))
}

fn forwarded(
    memory: &mut Memory,
    stage: &Stage<'_, '_>,
    pick: Option<&Selector>,
) -> Result<Offer, Error> {
    let (message, place) = memory.forwarded(stage, pick)?;
    let call = memory.log.get(place).map_or(0, |sent| sent.call);
    let request = match message.status() {
        Some(_) => memory.recent(call).find_map(|(place, sent)| {
            let asked = sent.message.as_ref()?;
            let is_back = sent.hop.source == stage.event.destination.host
                && sent.hop.destination == stage.event.source.host;
            let vias = asked.field("Via").zip(message.field("Via"));
            (is_back && vias.is_some_and(|(a, b)| is_same_via(a, b))).then_some(place)
        }),
        None => None,
    };
    let hop = match request {
        Some(request) => answer_hop(memory, stage, request).1,
        None => hop(stage.script, stage.event, None),
    };
    Ok(Offer { message, hop, call, origin: Origin::Forwarded })
}

/// Gives a message its body, its length and the changes of its line.
pub(super) fn finish(
    message: &mut Message,
    origin: Origin,
    body: Option<(&str, Vec<u8>)>,
    edits: &[Edit<'_>],
) {
    if let Some((kind, bytes)) = body {
        message.body = bytes;
        message.set("Content-Type", kind);
        message.remove("Content-Length");
    }
    if origin != Origin::Forwarded || message.field("Content-Length").is_none() {
        message.set("Content-Length", message.body.len().to_string());
    }
    apply(message, edits);
}

/// Makes the changes of the indented lines. A second line of one name adds to the first.
fn apply(message: &mut Message, edits: &[Edit<'_>]) {
    let mut done: Vec<&str> = Vec::new();
    for edit in edits {
        match edit {
            Edit::Remove(name) => message.remove(name),
            Edit::Add(name, value) => message.add(name, *value),
            Edit::Set(name, value) => {
                let is_second = done.iter().any(|done| is_same_name(done, name));
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
