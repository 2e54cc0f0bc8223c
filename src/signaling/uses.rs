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
