//! What the messages and transactions of a large call show, in tables.
//!
//! Nearly all calls have so few messages that looking at each costs less. In one with thousands,
//! every question about every request must not look at all of them again.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use crate::signaling::call::{Call, Opening, is_of_subscription};
use crate::signaling::dialog::Dialog;
use crate::signaling::message::Message;
use crate::signaling::transaction::Transaction;
use crate::sip::{Class, Method, Status};
use crate::time::Time;

/// Messages up to which a call has no tables.
pub(super) const FEW: usize = 64;

/// The tag of one side, where there is one.
pub(super) type Tag<'c> = Option<&'c [u8]>;

type Table<K, V> = HashMap<K, V, RandomState>;
type Set<K> = HashSet<K, RandomState>;

/// Both tags of a dialog, in whichever direction a message goes.
pub(super) type Tags<'c> = (Tag<'c>, Tag<'c>);

/// The tags of the message, the same for both directions.
fn tags_of<'c>(message: &Message<'c>) -> Tags<'c> {
    let (from, to) = (message.from_tag(), message.to_tag());
    (from.min(to), from.max(to))
}

/// What was seen, by what is asked for.
#[derive(Debug, Default)]
pub(super) struct Witnesses<'c> {
    /// INVITEs with a final response, by From-tag and number.
    finals: Set<(Tag<'c>, u32)>,
    /// The last ACK with a To-tag and a branch that no INVITE has, by From-tag and number.
    acks: Table<(Tag<'c>, u32), Time>,
    /// The last BYE with a To-tag.
    last_bye: Option<Time>,
    /// The last other request with a To-tag, by each of its tags.
    inside: Table<Tag<'c>, Time>,
    /// The last PRACK, by From-tag.
    pracks: Table<Tag<'c>, Time>,
    /// The last response without a readable CSeq or code, by its way.
    unreadable: Table<(IpAddr, IpAddr), Time>,
    /// Transactions with a response, by branch, number and method.
    answered: Table<(&'c [u8], u32, Method<'c>), usize>,
    /// Transactions with a 2xx, by method, number and From-tag.
    successes: Set<(Method<'c>, u32, Tag<'c>)>,
    /// The last message on each way.
    ways: Table<(IpAddr, IpAddr), Time>,
    /// Tags of every BYE and of the responses to it.
    byes: Set<Tags<'c>>,
    /// The places of the dialogs.
    dialogs: Table<Tags<'c>, usize>,
    /// The places of the messages of each dialog, in order.
    of_dialogs: Table<Tags<'c>, Vec<usize>>,
}

impl<'c> Witnesses<'c> {
    pub(super) fn of(call: &Call<'c>) -> Self {
        let mut own = Self::default();
        let invites = call.transactions.iter().filter(|hop| hop.method == Method::Invite);
        let branches: Set<&[u8]> = invites.map(|hop| hop.branch).collect();
        for message in call.messages {
            let way = (message.source.address, message.destination.address);
            keep_last(&mut own.ways, way, message.time);
            if message.method() == Method::Bye {
                own.byes.insert(tags_of(message));
            }
            match message.is_request() {
                true => own.add_request(message, &branches),
                false => own.add_response(message),
            }
        }
        for hop in &call.transactions {
            if hop.has_response() {
                *own.answered.entry((hop.branch, hop.cseq, hop.method)).or_default() += 1;
            }
            if hop.first_success().is_some() {
                let from_tag = hop.request.and_then(Message::from_tag);
                own.successes.insert((hop.method, hop.cseq, from_tag));
            }
        }
        own
    }

    fn add_request(&mut self, message: &Message<'c>, branches: &Set<&[u8]>) {
        let (from, to) = (message.from_tag(), message.to_tag());
        if message.method() == Method::Prack {
            keep_last(&mut self.pracks, from, message.time);
        }
        if to.is_none() {
            return;
        }
        match message.method() {
            Method::Ack => {
                let is_of_invite = branches.contains(message.branch().unwrap_or_default());
                if let Some(cseq) = message.cseq().filter(|_| !is_of_invite) {
                    keep_last(&mut self.acks, (from, cseq.number), message.time);
                }
            }
            Method::Cancel | Method::Prack => {}
            Method::Bye => self.last_bye = self.last_bye.max(Some(message.time)),
            _ => {
                keep_last(&mut self.inside, from, message.time);
                keep_last(&mut self.inside, to, message.time);
            }
        }
    }

    fn add_response(&mut self, message: &Message<'c>) {
        let way = (message.source.address, message.destination.address);
        let cseq = message.cseq().filter(|_| message.status().is_some());
        if cseq.is_none() {
            keep_last(&mut self.unreadable, way, message.time);
        }
        let is_final = message.status().is_some_and(Status::is_final);
        if let Some(cseq) = message.cseq()
            && message.method() == Method::Invite
            && is_final
        {
            self.finals.insert((message.from_tag(), cseq.number));
        }
    }

    /// As [`Call::implies_answer`].
    pub(super) fn implies_answer(&self, invite: &Transaction<'c>, request: &Message<'c>) -> bool {
        let own = request.from_tag();
        let is_later = |seen: Option<&Time>| seen.is_some_and(|seen| *seen >= request.time);
        !self.finals.contains(&(own, invite.cseq))
            && (is_later(self.acks.get(&(own, invite.cseq)))
                || is_later(self.last_bye.as_ref())
                || is_later(self.inside.get(&own)))
    }

    /// Another transaction with this branch, number and method has a response.
    pub(super) fn has_answered_twin(&self, hop: &Transaction<'c>) -> bool {
        let answered = self.answered.get(&(hop.branch, hop.cseq, hop.method));
        let own = usize::from(hop.has_response());
        !hop.branch.is_empty() && answered.is_some_and(|all| *all > own)
    }

    /// A PRACK, or a response of the server that cannot be read, came after the request.
    pub(super) fn shows_response(&self, hop: &Transaction<'c>, request: &Message<'c>) -> bool {
        let way = (hop.server.address, hop.client.address);
        let prack = self.pracks.get(&request.from_tag()).filter(|_| hop.method == Method::Invite);
        let seen = [prack, self.unreadable.get(&way)];
        seen.into_iter().flatten().any(|seen| *seen >= request.time)
    }

    /// A transaction with this method, number and sender got a 2xx.
    pub(super) fn has_success(&self, method: Method<'c>, cseq: u32, from_tag: Tag<'c>) -> bool {
        self.successes.contains(&(method, cseq, from_tag))
    }

    /// When a message last went from one host to the other.
    pub(super) fn last_on_way(&self, source: IpAddr, destination: IpAddr) -> Option<Time> {
        self.ways.get(&(source, destination)).copied()
    }

    /// The dialog of the message, by its place.
    pub(super) fn dialog(&self, message: &Message<'c>) -> Option<usize> {
        self.dialogs.get(&tags_of(message)).copied()
    }

    /// The dialog at this place begins with the message.
    pub(super) fn add_dialog(&mut self, message: &Message<'c>, place: usize) {
        self.dialogs.insert(tags_of(message), place);
    }

    /// Lists the messages of all dialogs.
    pub(super) fn list_messages(&mut self, messages: &[Message<'c>]) {
        for (place, message) in messages.iter().enumerate() {
            let tags = tags_of(message);
            if self.dialogs.contains_key(&tags) {
                self.of_dialogs.entry(tags).or_default().push(place);
            }
        }
    }

    /// The places of the messages of a dialog.
    pub(super) fn messages_of(&self, dialog: &Dialog<'c>) -> &[usize] {
        self.of_dialogs.get(&dialog.tags()).map(Vec::as_slice).unwrap_or_default()
    }

    /// A BYE, or a response to one, has these tags.
    pub(super) fn has_bye(&self, tags: Tags<'c>) -> bool {
        self.byes.contains(&tags)
    }
}

fn keep_last<K: std::hash::Hash + Eq>(table: &mut Table<K, Time>, key: K, time: Time) {
    let last = table.entry(key).or_insert(time);
    *last = time.max(*last);
}

/// What tells whether messages opened a dialog, or failed to.
#[derive(Debug, Default)]
pub(super) struct Openings<'c> {
    /// INVITEs without a To-tag, by their From-tag.
    invited: Table<Tag<'c>, Opening<'c>>,
    /// The first other request that makes a dialog, by its From-tag.
    subscribed: Table<Tag<'c>, Opening<'c>>,
    /// From-tag and To-tag of INVITEs that were refused.
    failed: Set<Tags<'c>>,
}

impl<'c> Openings<'c> {
    pub(super) fn of(messages: &[Message<'c>]) -> Self {
        let mut own = Self::default();
        for message in messages {
            let is_invite = message.method() == Method::Invite;
            if let Some(opening) = Opening::of(message) {
                let known = if is_invite { &mut own.invited } else { &mut own.subscribed };
                known.entry(opening.from_tag).or_insert(opening);
            }
            if is_invite && message.status().is_some_and(is_failure) {
                own.failed.insert((message.from_tag(), message.to_tag()));
            }
        }
        own
    }

    /// The request that opened the dialog of this message, even if no response to it was seen.
    pub(super) fn opening(&self, message: &Message<'c>) -> Option<Opening<'c>> {
        let (from, to) = (message.from_tag(), message.to_tag());
        let find =
            |known: &Table<_, Opening<'c>>| known.get(&from).or_else(|| known.get(&to)).copied();
        let by_invite = find(&self.invited);
        by_invite.or_else(|| is_of_subscription(message).then(|| find(&self.subscribed))?)
    }

    /// The ACK belongs to a failed INVITE, which itself was not captured.
    pub(super) fn is_of_failure(&self, ack: &Message<'c>) -> bool {
        self.failed.contains(&(ack.from_tag(), ack.to_tag()))
    }
}

fn is_failure(status: Status) -> bool {
    !matches!(status.class(), Class::Provisional | Class::Success)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signaling::call::{is_of_failure, opening_in_capture};
    use crate::signaling::samples::with_call;

    /// Messages of some kinds, made by a simple recurrence, that answer and miss each other.
    fn texts(count: usize) -> Vec<(u8, u8, String)> {
        let mut state = 1_u32;
        let mut next = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % below
        };
        let methods = ["INVITE", "ACK", "BYE", "PRACK", "INFO", "OPTIONS", "NOTIFY", "UPDATE"];
        let mut texts = Vec::new();
        for _ in 0..count {
            let method = methods[next(8) as usize];
            let (number, branch, from, to) = (next(6), next(40), next(5), next(6));
            let start = match next(3) {
                0 => format!("SIP/2.0 {} Text", [100, 180, 200, 404, 487, 999][next(6) as usize]),
                _ => format!("{method} sip:b@example.com SIP/2.0"),
            };
            let to_tag = if to == 0 { String::new() } else { format!(";tag={to}") };
            let from_tag = if from == 0 { String::new() } else { format!(";tag={from}") };
            let text = format!(
                "{start}\nVia: SIP/2.0/UDP h;branch=z9hG4bK{branch}\n\
                 From: <sip:a@example.com>{from_tag}\nTo: <sip:b@example.com>{to_tag}\n\
                 Call-ID: sample\nCSeq: {number} {method}\nContent-Length: 0\n\n"
            );
            let host = |number: u32| u8::try_from(10 + number).unwrap_or_default();
            texts.push((host(next(3)), host(next(3)), text));
        }
        texts
    }

    #[test]
    fn tables_tell_what_looking_at_each_message_tells() {
        let texts = texts(400);
        let times = (0_i64..).map(|number| number * 40);
        let samples: Vec<_> = times
            .zip(&texts)
            .map(|(time, (from, to, text))| (time, *from, *to, text.as_str()))
            .collect();
        with_call(&samples, |call| {
            let own = Witnesses::of(call);
            let openings = Openings::of(call.messages);
            let mut told = [0; 6];
            let mut same = |place: usize, one: bool, other: bool| {
                assert_eq!(one, other, "{place}");
                told[place] += usize::from(one);
            };
            for hop in &call.transactions {
                let Some(request) = hop.request else { continue };
                let answer = call.messages_imply_answer(hop, request);
                same(0, own.implies_answer(hop, request), answer);
                let twin = call.has_answered_twin(hop);
                same(1, own.has_answered_twin(hop), twin);
                let shown = call.messages_show_response(hop, request);
                same(2, own.shows_response(hop, request), shown);
                let from_tag = request.from_tag();
                let success = call.has_success(hop);
                same(3, own.has_success(hop.method, hop.cseq, from_tag), success);
            }
            for message in call.messages {
                let opening = opening_in_capture(message, call.messages);
                assert_eq!(openings.opening(message), opening);
                same(4, openings.opening(message).is_some(), opening.is_some());
                same(5, openings.is_of_failure(message), is_of_failure(message, call.messages));
            }
            assert!(told.iter().all(|count| *count > 0), "{told:?}");
            for dialog in &call.dialogs {
                let is_bye = |own: &&Message<'_>| own.method() == Method::Bye && dialog.holds(own);
                assert_eq!(own.has_bye(dialog.tags()), call.messages.iter().any(|m| is_bye(&m)));
                let found = call.messages.iter().find(|own| dialog.holds(own)).expect("one");
                let first = call.dialogs.iter().find(|own| own.holds(found)).expect("one");
                let place = call.dialog_of(found).expect("a dialog");
                assert!(std::ptr::eq(place, first));
                let of = call.messages.iter().filter(|own| dialog.holds(own));
                assert!(call.messages_of(dialog).map(|own| own.frame).eq(of.map(|own| own.frame)));
            }
            assert!(call.dialogs.len() > 10);
        });
    }
}
