//! One Call-ID that was used for several calls, one after another.
//!
//! A Call-ID belongs to one call for all time (RFC 3261, section 8.1.1.4), but test generators and
//! some PBXs use theirs again. Whoever calls under the same Call-ID after a call under it was hung
//! up begins another call, and its messages must not be taken for those of the first one.

use std::collections::{HashMap, HashSet};

use rustc_hash::FxBuildHasher;

use crate::signaling::message::Message;
use crate::sip::{Class, HeaderName, Method, Status, timers};
use crate::time::Time;

/// Two tags, in the order of their bytes.
type Pair<'c> = (&'c [u8], &'c [u8]);

/// Sorts the messages of one Call-ID by the uses that were made of it; nearly always there is one.
pub fn uses<'c>(messages: Vec<Message<'c>>) -> Vec<Vec<Message<'c>>> {
    let Some(ended) = messages.iter().position(is_bye) else { return vec![messages] };
    let later = messages.get(ended..).unwrap_or_default();
    if !later.iter().any(is_initial_invite) {
        return vec![messages];
    }
    let mut sorting = Sorting::default();
    let places: Vec<usize> = messages.iter().map(|message| sorting.place(message)).collect();
    let mut uses: Vec<Vec<Message<'c>>> = (0..=sorting.current).map(|_| Vec::new()).collect();
    for (message, place) in messages.into_iter().zip(places) {
        if let Some(own) = uses.get_mut(place) {
            own.push(message);
        }
    }
    uses.retain(|own| !own.is_empty());
    uses
}

/// Under a Call-ID that was known before, these messages begin with another call: the sequence
/// numbers start anew, and nothing was asked for that the INVITE brings.
pub fn is_used_again(messages: &[Message<'_>]) -> bool {
    messages.first().is_some_and(|first| {
        is_initial_invite(first)
            && first.cseq().is_some_and(|cseq| cseq.number <= 1)
            && first.header(HeaderName::Authorization).is_none()
            && first.header(HeaderName::ProxyAuthorization).is_none()
    })
}

/// What is known of the uses so far.
#[derive(Debug, Default)]
struct Sorting<'c> {
    current: usize,
    /// The use that a branch belongs to, and when an INVITE with it was last seen.
    branches: HashMap<&'c [u8], (usize, Option<Time>), FxBuildHasher>,
    /// The use that a dialog belongs to.
    dialogs: HashMap<Pair<'c>, usize, FxBuildHasher>,
    /// Dialogs of the current use that were answered and not ended.
    open: HashSet<Pair<'c>, FxBuildHasher>,
    /// Dialogs of the current use that were hung up.
    ended: HashSet<Pair<'c>, FxBuildHasher>,
}

impl<'c> Sorting<'c> {
    /// The use that a message belongs to.
    fn place(&mut self, message: &Message<'c>) -> usize {
        if is_initial_invite(message) && self.begins_another(message) {
            self.current += 1;
            self.open.clear();
            self.ended.clear();
            self.note_branch(message, self.current);
            return self.current;
        }
        let branch = message.branch().unwrap_or_default();
        let pair = pair(message);
        let known = self.branches.get(branch).map(|(own, _)| *own);
        let place = known.or_else(|| self.dialogs.get(&pair?).copied()).unwrap_or(self.current);
        self.note_branch(message, place);
        if let Some(pair) = pair {
            self.note_dialog(message, pair, place);
        }
        place
    }

    /// A call under this Call-ID was hung up, none is left, and the INVITE is neither the first one
    /// again nor another hop of it.
    fn begins_another(&self, invite: &Message<'c>) -> bool {
        if self.ended.is_empty() || !self.open.is_empty() {
            return false;
        }
        let mut vias = invite.vias().filter_map(|via| via.branch());
        let own = vias.next().and_then(|branch| self.branches.get(branch));
        let is_again = own.is_some_and(|(_, last)| {
            last.is_none_or(|last| invite.time.since(last) <= timers::T1.times(64))
        });
        let is_hop = vias.any(|branch| self.branches.contains_key(branch));
        !is_again && !is_hop
    }

    fn note_branch(&mut self, message: &Message<'c>, place: usize) {
        let Some(branch) = message.branch() else { return };
        let is_invite = message.is_request() && message.method() == Method::Invite;
        let known = self.branches.entry(branch).or_insert((place, None));
        known.0 = place;
        if is_invite {
            known.1 = Some(message.time);
        }
    }

    fn note_dialog(&mut self, message: &Message<'c>, pair: Pair<'c>, place: usize) {
        let known = self.dialogs.entry(pair).or_insert(place);
        *known = place.max(*known);
        if place != self.current {
            return;
        }
        if message.method() == Method::Bye {
            self.open.remove(&pair);
            self.ended.insert(pair);
        } else if message.method() == Method::Invite
            && message.status().map(Status::class) == Some(Class::Success)
            && !self.ended.contains(&pair)
        {
            self.open.insert(pair);
        }
    }
}

fn is_bye(message: &Message<'_>) -> bool {
    message.is_request() && message.method() == Method::Bye
}

/// An INVITE that opens a dialog.
fn is_initial_invite(message: &Message<'_>) -> bool {
    message.is_request() && message.method() == Method::Invite && message.to_tag().is_none()
}

fn pair<'c>(message: &Message<'c>) -> Option<Pair<'c>> {
    let (from, to) = (message.from_tag()?, message.to_tag()?);
    Some((from.min(to), from.max(to)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signaling::samples::log;

    /// A message from alice to bob or back, as `method branch CSeq To-tag` or `status method …`.
    fn text(short: &str) -> String {
        let words: Vec<&str> = short.split(' ').collect();
        let (start, rest) = match words.as_slice() {
            [status, rest @ ..] if status.parse::<u16>().is_ok() => {
                (format!("SIP/2.0 {status} Some"), rest)
            }
            rest => (format!("{} sip:bob@example.com SIP/2.0", rest[0]), rest),
        };
        let [method, vias, cseq, to_tag] = rest else { panic!("{short}") };
        let vias = vias.split(',').map(|branch| format!("Via: SIP/2.0/UDP a;branch={branch}\n"));
        let to_tag = if *to_tag == "-" { String::new() } else { format!(";tag={to_tag}") };
        format!(
            "{start}\n{}From: <sip:a@x>;tag=a\nTo: <sip:b@x>{to_tag}\nCall-ID: 1\n\
             CSeq: {cseq} {method}\n\n",
            vias.collect::<String>()
        )
    }

    /// The frames of each use; every second of them a message.
    fn sorted(shorts: &[(i64, &str)]) -> Vec<Vec<u64>> {
        let texts: Vec<_> = shorts.iter().map(|(at, short)| (*at, text(short))).collect();
        let samples: Vec<_> =
            texts.iter().map(|(at, text)| (at * 1000, 1, 2, text.as_str())).collect();
        let log = log(&samples);
        let frames = |own: &Vec<Message<'_>>| own.iter().map(|m| m.frame.number).collect();
        uses(log.messages()).iter().map(frames).collect()
    }

    const CALL: [(i64, &str); 5] = [
        (0, "INVITE 1 1 -"),
        (1, "200 INVITE 1 1 b"),
        (2, "ACK 2 1 b"),
        (3, "BYE 3 2 b"),
        (4, "200 BYE 3 2 b"),
    ];

    #[test]
    fn a_call_after_the_first_one_is_another_even_with_the_same_tags() {
        let second = [(50, "INVITE 4 1 -"), (51, "200 INVITE 4 1 b"), (52, "ACK 5 1 b")];
        let rest = [(53, "200 BYE 3 2 b"), (54, "BYE 6 2 b"), (55, "INVITE 7 1 -")];
        let found = sorted(&[&CALL[..], &second, &rest].concat());
        assert_eq!(found, [vec![1, 2, 3, 4, 5, 9], vec![6, 7, 8, 10], vec![11]]);
    }

    #[test]
    fn what_belongs_to_the_first_invite_is_no_other_call() {
        for (at, late) in [(20, "INVITE 1 1 -"), (60, "INVITE 9,1 1 -"), (60, "INVITE 8 3 b")] {
            let found = sorted(&[&CALL[..], &[(at, late)]].concat());
            assert_eq!(found.len(), 1, "{late}");
        }
        let found = sorted(&[&CALL[..], &[(60, "INVITE 1 1 -")]].concat());
        assert_eq!(found.len(), 2, "a sender of constant branches");
        assert_eq!(sorted(&[CALL[0], CALL[1], CALL[2], (60, "INVITE 4 1 -")]).len(), 1);
    }
}
