//! The messages of a call, each once with its repeats, as a comparison looks at them.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::analysis::Step;
use crate::limits::DIFF_STEPS_MAX;
use crate::packet::Endpoint;
use crate::sip::{HeaderName, Message, Method, Status};
use crate::time::Span;

/// How far back a message is looked for that another one follows from.
const LOOK_BACK: usize = 16;

/// A message that was sent once, or first.
#[derive(Clone, Debug)]
pub(super) struct Sent<'a> {
    /// The first time that it was sent.
    pub(super) step: &'a Step,
    /// What it says.
    pub(super) message: Message<'a>,
    /// How often it was sent again.
    pub(super) repeats: u64,
    /// The request in question was sent inside a dialog.
    pub(super) is_in_dialog: bool,
    /// The how manieth request of its kind by its sender it is, or belongs to.
    pub(super) ordinal: usize,
    /// It has credentials, or SDP, or tells the status of a transfer.
    pub(super) cargo: (bool, bool, Option<Status>),
}

/// Requests of a kind by one sender.
type Requests<'a> = (Method<'a>, IpAddr);

/// What a machine waited for before it sent something; never what a person waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The request that it answers.
    Request,
    /// The message that it hands on.
    Received,
    /// The response that it acknowledges, or that asks for credentials.
    Response,
}

/// Which message it is, whoever sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key<'a> {
    transaction: Option<usize>,
    status: Option<Status>,
    cseq: Option<u32>,
    to_tag: Option<&'a [u8]>,
    source: Endpoint,
    destination: Endpoint,
}

/// The messages without their repeats, and how many were not looked at.
pub(super) fn once(transcript: &[Step]) -> (Vec<Sent<'_>>, u64) {
    let mut sent: Vec<Sent<'_>> = Vec::new();
    let mut places: HashMap<Key<'_>, usize> = HashMap::new();
    let mut in_dialog: HashMap<usize, bool> = HashMap::new();
    let mut numbers: HashMap<Requests<'_>, Vec<u32>> = HashMap::new();
    let mut left_out = 0;
    for step in transcript {
        let message = step.message();
        let is_end_to_end_ack = step.transaction.is_none() && message.method() == Method::Ack;
        let key = Key {
            transaction: step.transaction,
            status: message.status(),
            cseq: message.cseq().map(|cseq| cseq.number).filter(|_| is_end_to_end_ack),
            to_tag: message.to_tag(),
            source: step.source,
            destination: step.destination,
        };
        let first = places.get(&key).and_then(|place| sent.get_mut(*place));
        if let Some(first) = first.filter(|_| step.is_retransmission || is_end_to_end_ack) {
            first.repeats += 1;
            continue;
        }
        if sent.len() >= DIFF_STEPS_MAX {
            left_out += 1;
            continue;
        }
        let has_to_tag = message.to_tag().is_some();
        let is_in_dialog = match (message.is_request(), step.transaction) {
            // The ACK of a failure has the tag as well, and belongs to no dialog.
            (true, _) if message.method() == Method::Ack => false,
            (true, Some(transaction)) => *in_dialog.entry(transaction).or_insert(has_to_tag),
            (true, None) => has_to_tag,
            (false, transaction) => {
                transaction.and_then(|own| in_dialog.get(&own)).copied().unwrap_or_default()
            }
        };
        places.insert(key, sent.len());
        let ordinal = ordinal(step, &message, &mut numbers);
        let cargo = (has_credentials(&message), message.sdp().is_some(), message.sipfrag_status());
        sent.push(Sent { step, message, repeats: 0, is_in_dialog, ordinal, cargo });
    }
    (sent, left_out)
}

/// The place of the CSeq number among those that the sender of the request has used before.
fn ordinal<'a>(
    step: &Step,
    message: &Message<'a>,
    numbers: &mut HashMap<Requests<'a>, Vec<u32>>,
) -> usize {
    let method = match message.method() {
        Method::Ack | Method::Cancel => Method::Invite,
        method => method,
    };
    let sender = if message.is_request() { step.source } else { step.destination };
    let known = numbers.entry((method, sender.address)).or_default();
    let number = message.cseq().map_or(0, |cseq| cseq.number);
    // Mostly it is one of the last ones.
    known.iter().rposition(|own| *own == number).unwrap_or_else(|| {
        known.push(number);
        known.len() - 1
    })
}

fn has_credentials(message: &Message<'_>) -> bool {
    message.has(HeaderName::Authorization) || message.has(HeaderName::ProxyAuthorization)
}

impl Sent<'_> {
    /// Both are the same request or the same response, whoever sent them.
    pub(super) fn is_same_kind(&self, other: &Sent<'_>) -> bool {
        self.message.is_request() == other.message.is_request()
            && self.message.status() == other.message.status()
            && self.message.method() == other.message.method()
    }
}

/// How long the machine that sent the message at that place had it in hand; none where a person
/// may have waited, or nothing tells what it waited for.
pub(super) fn wait(sent: &[Sent<'_>], at: usize) -> Option<(Cause, Span)> {
    let own = sent.get(at)?;
    let before = sent.get(at.saturating_sub(LOOK_BACK)..at).unwrap_or_default();
    let since =
        |cause: Cause, earlier: &Sent<'_>| Some((cause, own.step.time.since(earlier.step.time)));
    let to_me = |earlier: &&Sent<'_>| {
        earlier.step.destination.address == own.step.source.address
            && earlier.step.source != own.step.source
    };
    let mut received = before.iter().rev().filter(to_me);
    if let Some(handed) = received.clone().find(|earlier| is_handed_on(earlier, own)) {
        return since(Cause::Received, handed);
    }
    if own.message.is_request() {
        let answered =
            received.find(|earlier| earlier.message.is_response() && is_due(earlier, own));
        return since(Cause::Response, answered?);
    }
    let transaction = own.step.transaction?;
    let of_it = |sent: &&Sent<'_>| sent.step.transaction == Some(transaction);
    let earlier = || sent.iter().take(at).filter(of_it);
    // Who rings waits for a person.
    let rang =
        |sent: &Sent<'_>| sent.message.status().is_some_and(|s| (101..200).contains(&s.code()));
    if earlier().any(rang) {
        return None;
    }
    since(Cause::Request, earlier().find(|sent| sent.message.is_request())?)
}

/// The same message on the hop before.
fn is_handed_on(earlier: &Sent<'_>, own: &Sent<'_>) -> bool {
    let number = |sent: &Sent<'_>| sent.message.cseq().map(|cseq| cseq.number);
    earlier.is_same_kind(own)
        && number(earlier) == number(own)
        && earlier.step.transaction != own.step.transaction
}

/// The request follows from the response by itself: an ACK, or the same request again with what
/// the response asked for.
fn is_due(response: &Sent<'_>, request: &Sent<'_>) -> bool {
    let Some(status) = response.message.status() else { return false };
    let (asked, sent) = (response.message.method(), request.message.method());
    match sent {
        Method::Ack => asked == Method::Invite && status.code() >= 200,
        Method::Prack => (101..200).contains(&status.code()),
        _ => {
            asked == sent && matches!(status.code(), 300..=399 | 401 | 407 | 420 | 422 | 423 | 428)
        }
    }
}
