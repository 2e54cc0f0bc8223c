//! A script in the making: for each message the author hears what the line would send so far, and
//! says what has to be changed.
//!
//! So whoever writes a script for messages that are known need not know what is filled in. Later
//! lines are offered what follows from the earlier ones as they were changed.

use super::EDITS_MAX;
use super::error::Error;
use super::memory::{Memory, Origin, Stage};
use super::message::Message;
use super::offer::{Offer, finish, offer, repeated};
use super::sdp::Order;
use super::syntax::{self, Action, Transport, parse};
use super::word::Word;

/// Writes a script for messages that are known.
pub(crate) trait Author {
    /// What the message line `index`, counted from 0, has to change of what it would send; nothing
    /// is offered where the line makes no sense.
    fn change(&mut self, index: usize, offered: Option<Offered<'_>>) -> Change;

    /// What the line sends in the end, and whether its body is the description that was asked for.
    fn settle(&mut self, index: usize, bytes: &[u8], is_described: bool);
}

/// What a line would send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offered<'o> {
    /// The message.
    pub(crate) bytes: &'o [u8],
    /// The ports of sender and receiver.
    pub(crate) ports: [u16; 2],
    /// It goes over TCP.
    pub(crate) is_tcp: bool,
}

/// What has to be changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Change {
    /// The lines below it: `Name: value`, `+Name: value`, `-Name`.
    pub(crate) lines: Vec<String>,
    /// Type and bytes of another body.
    pub(crate) body: Option<(String, Vec<u8>)>,
    /// The words behind `sdp` that may give the same body.
    pub(crate) description: Option<String>,
    /// The message is to be written out like this.
    pub(crate) raw: Option<Vec<u8>>,
    /// The line is to be said otherwise: a script that ends in it, with the same hosts. What it
    /// would send then is offered anew.
    pub(crate) instead: Option<String>,
}

/// Goes through the lines of a script that has no changes yet.
///
/// # Errors
///
/// When the script or a change cannot be read.
pub(crate) fn rehearse(text: &str, author: &mut dyn Author) -> Result<(), Error> {
    let script = parse(text)?;
    let mut memory = Memory::new(&script);
    let is_message = |action: &Action<'_>| {
        use Action::{Again, Forward, Raw, Request, Response};
        matches!(action, Request { .. } | Response { .. } | Forward(_) | Again(_) | Raw)
    };
    let mut message = 0..;
    for (index, event) in script.events.iter().enumerate() {
        if !is_message(&event.action) {
            continue;
        }
        let later = script.events.get(index + 1..).unwrap_or(&[]);
        let stage = Stage { script: &script, event, later };
        let Some(number) = message.next() else { break };
        let mut instead = play(&mut memory, &stage, number, author)?;
        while let Some(text) = instead {
            let script = parse(&text)?;
            let Some(event) = script.events.last() else { break };
            instead = play(&mut memory, &Stage { script: &script, event, later }, number, author)?;
        }
    }
    Ok(())
}

fn play(
    memory: &mut Memory,
    stage: &Stage<'_, '_>,
    index: usize,
    author: &mut dyn Author,
) -> Result<Option<String>, Error> {
    if matches!(stage.event.action, Action::Again(_)) {
        let sent = repeated(memory, stage).ok().map(|sent| (sent.bytes.clone(), sent.hop));
        let hop = |usual| super::offer::hop(stage.script, stage.event, usual);
        let offered = sent.as_ref().map(|(bytes, usual)| offered(bytes, hop(Some(*usual))));
        let change = author.change(index, offered);
        if let (None, Some((bytes, _))) = (&change.instead, sent) {
            author.settle(index, &bytes, false);
        }
        return Ok(change.instead);
    }
    let made = offer(memory, stage).ok().flatten();
    let Some(Offer { mut message, hop, call, origin }) = made else {
        let is_raw = stage.event.action == Action::Raw;
        let hop = super::offer::hop(stage.script, stage.event, None);
        let change = author.change(index, is_raw.then_some(offered(&[], hop)));
        if change.instead.is_none() {
            note_raw(memory, stage, change.raw.unwrap_or_default(), index, author);
        }
        return Ok(change.instead);
    };
    let mut plain = message.clone();
    finish(&mut plain, origin, None, &[]);
    let change = author.change(index, Some(offered(&plain.bytes(), hop)));
    if change.instead.is_some() {
        return Ok(change.instead);
    }
    let is_described = match (&change.description, &change.body) {
        (Some(words), Some((_, wanted))) => {
            let words = Word::line(words, 1).words().unwrap_or_default();
            // Words for what scripts do not have describe nothing.
            let order = Order::read(&words).ok();
            let described = order.as_ref().map(|order| memory.would_describe(stage, call, order));
            let is_it = described.is_some_and(|text| text.as_bytes() == wanted);
            if let (true, Some(order)) = (is_it, &order) {
                memory.description(stage, call, order);
            }
            is_it
        }
        _ => false,
    };
    // A line that cannot be read changes nothing, which the author sees.
    let lines = change.lines.iter().map(|line| syntax::edit(Word::line(line, 1)));
    let edits: Vec<_> = lines.filter_map(Result::ok).take(EDITS_MAX).collect();
    let kind = if is_described { Some("application/sdp") } else { None };
    let body = change.body.as_ref();
    let body = body.map(|(own, bytes)| (kind.unwrap_or(own.as_str()), bytes.clone()));
    finish(&mut message, origin, body, &edits);
    let bytes = message.bytes();
    author.settle(index, &bytes, is_described);
    memory.note(hop, call, origin, Some(message), bytes);
    Ok(None)
}

fn offered(bytes: &[u8], hop: super::memory::Hop) -> Offered<'_> {
    let ports = [hop.source_socket.port(), hop.destination_socket.port()];
    Offered { bytes, ports, is_tcp: hop.transport == Transport::Tcp }
}

fn note_raw(
    memory: &mut Memory,
    stage: &Stage<'_, '_>,
    bytes: Vec<u8>,
    index: usize,
    author: &mut dyn Author,
) {
    let hop = super::offer::hop(stage.script, stage.event, None);
    let call = memory.call(stage.event.call);
    author.settle(index, &bytes, false);
    memory.note(hop, call, Origin::Raw, Message::read(&bytes), bytes);
}
