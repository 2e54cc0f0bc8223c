//! One try to set up a call: an initial INVITE on all the hops where it was seen.

use crate::signaling::call::Call;
use crate::signaling::short_list::ShortList;
use crate::signaling::transaction::Transaction;
use crate::sip::{Class, Status};

/// An initial INVITE (same Call-ID, From-tag and CSeq) with all its hops.
#[derive(Debug)]
pub struct Attempt<'c> {
    /// The sequence number of the INVITE.
    pub cseq: u32,
    /// Who calls.
    pub from_tag: &'c [u8],
    /// The transactions on each hop, by index: the first sender's first, the farthest downstream
    /// last.
    pub hops: ShortList<usize>,
    /// The attempt of the same caller that came next.
    pub next: Option<usize>,
    pub(super) is_answered: bool,
    /// A later attempt of the same caller was answered.
    pub(super) is_followed: bool,
}

impl<'c> Attempt<'c> {
    /// The transactions on each hop, the first sender's first.
    pub fn transactions<'a>(
        &'a self,
        call: &'a Call<'c>,
    ) -> impl DoubleEndedIterator<Item = &'a Transaction<'c>> {
        self.hops.iter().filter_map(|hop| call.transactions.get(*hop))
    }

    /// The hop of the first sender: its outcome is the outcome of the attempt. Where the sender
    /// turned to another server after the first one had failed it or stayed silent (RFC 3263,
    /// section 4.3), the last one that said something counts.
    pub fn first_hop<'a>(&self, call: &'a Call<'c>) -> Option<&'a Transaction<'c>> {
        let hops = || self.hops.iter().filter_map(|hop| call.transactions.get(*hop));
        let mut hop = hops().next()?;
        for other in hops().filter(|other| other.upstream.is_none() && other.has_response()) {
            let is_next = match hop.final_response() {
                Some(answer) => {
                    hop.first_success().is_none() && other.started() >= Some(answer.time)
                }
                None => !hop.has_response() && other.started() > hop.started(),
            };
            if is_next && other.client == hop.client {
                hop = other;
            }
        }
        Some(hop)
    }

    /// The status that the first sender saw.
    pub fn final_status(&self, call: &Call<'c>) -> Option<Status> {
        self.first_hop(call)?.final_status()
    }

    /// A 2xx was seen on some hop, or something that only an unseen 2xx explains (guard G3).
    pub const fn is_answered(&self) -> bool {
        self.is_answered
    }

    /// The final response was only a step on the way (guard G7): a challenge, a redirection or a
    /// negotiation that the caller took up with another INVITE, or any failure after which another
    /// INVITE was answered.
    pub fn is_resolved(&self, call: &Call<'c>) -> bool {
        let is_step = self.final_status(call).is_some_and(|status| {
            status.class() == Class::Redirection
                || matches!(status.code(), 401 | 407 | 420 | 422 | 423 | 428 | 488 | 491 | 494)
        });
        (is_step && self.next.is_some()) || self.is_followed
    }

    pub(super) fn shows_answer(&self, call: &Call<'c>) -> bool {
        self.transactions(call).any(|hop| {
            hop.first_success().is_some()
                || (hop.final_response().is_none() && call.implies_answer(hop))
        })
    }

    /// The farthest hop downstream on which `condition` holds; the earliest, where several are as
    /// far.
    pub fn farthest<'a>(
        &'a self,
        call: &'a Call<'c>,
        condition: impl Fn(&Transaction<'c>) -> bool,
    ) -> Option<&'a Transaction<'c>> {
        let mut found: Option<(usize, &Transaction<'c>)> = None;
        for hop in self.transactions(call).filter(|hop| condition(hop)) {
            let depth = call.depth(hop);
            if found.is_none_or(|(deepest, _)| depth > deepest) {
                found = Some((depth, hop));
            }
        }
        found.map(|(_, hop)| hop)
    }

    /// The hop where the failure that `hop` saw began: follows it downstream to the server that
    /// first sent the same status, or, where a proxy sent another one, whose failure was the last
    /// before it (RFC 3261, section 16.7, items 5 and 6).
    pub fn origin<'a>(&self, call: &'a Call<'c>, hop: &'a Transaction<'c>) -> &'a Transaction<'c> {
        let mut origin = hop;
        // The number of hops bounds the walk, whatever the links say.
        for _ in 0..self.hops.len() {
            let Some(answer) = origin.final_response() else { break };
            let below = origin
                .downstream
                .iter()
                .filter_map(|index| call.transactions.get(*index))
                .filter(|below| below.first_success().is_none())
                .filter(|below| below.final_response().is_some_and(|own| own.time <= answer.time))
                .max_by_key(|below| {
                    let is_same = below.final_status() == answer.status();
                    (is_same, below.final_response().map(|own| (own.time, own.frame)))
                });
            match below {
                Some(below) => origin = below,
                None => break,
            }
        }
        origin
    }
}
