//! What later messages and other hops tell of a request whose response was not captured.
//!
//! Evidence beats absence (guards G2 and G3): before a rule says that something did not come, it
//! asks here whether something else proves that it did.

use crate::signaling::call::Call;
use crate::signaling::message::Message;
use crate::signaling::transaction::Transaction;
use crate::sip::{Class, Method, Status};

impl<'c> Call<'c> {
    /// Something later proves that the INVITE was answered although no 2xx was seen (guard G3): an
    /// ACK with a branch of its own, or a request inside the dialog.
    pub fn implies_answer(&self, invite: &Transaction<'c>) -> bool {
        let Some(request) = invite.request else { return false };
        match self.witnesses() {
            Some(witnesses) => witnesses.implies_answer(invite, request),
            None => self.messages_imply_answer(invite, request),
        }
    }

    /// The same, by looking at each message.
    pub(super) fn messages_imply_answer(
        &self,
        invite: &Transaction<'c>,
        request: &Message<'c>,
    ) -> bool {
        // Where a final response was seen on some hop, an ACK or BYE is about that.
        !self.has_final(request.from_tag(), invite.cseq)
            && self.messages.iter().any(|message| {
                message.is_request()
                    && message.time >= request.time
                    && message.to_tag().is_some()
                    && match message.method() {
                        Method::Ack => {
                            message.from_tag() == request.from_tag()
                                && message.cseq().is_some_and(|cseq| cseq.number == invite.cseq)
                                && !self.is_branch_of_invite(message.branch().unwrap_or_default())
                        }
                        Method::Cancel | Method::Prack => false,
                        Method::Bye => true,
                        _ => is_of_caller(message, request),
                    }
            })
    }

    /// Something proves that the request got a response that was not captured or does not fit its
    /// hop (guards G2 and G3): an ACK or PRACK, a request inside the dialog, the answer to the same
    /// branch on another hop, a response of that server without a readable CSeq or code.
    pub fn implies_response(&self, hop: &Transaction<'c>) -> bool {
        let Some(request) = hop.request else { return false };
        let is_invite = hop.method == Method::Invite;
        let has_twin = match self.witnesses() {
            Some(witnesses) => witnesses.has_answered_twin(hop),
            None => self.has_answered_twin(hop),
        };
        has_twin
            || !hop.acks.is_empty()
            || (is_invite && self.implies_answer(hop))
            || match self.witnesses() {
                Some(witnesses) => witnesses.shows_response(hop, request),
                None => self.messages_show_response(hop, request),
            }
    }

    /// Another transaction with the branch, number and method has a response.
    pub(super) fn has_answered_twin(&self, hop: &Transaction<'c>) -> bool {
        self.transactions.iter().any(|other| {
            other.index != hop.index
                && (other.branch, other.cseq, other.method) == (hop.branch, hop.cseq, hop.method)
                && !hop.branch.is_empty()
                && other.has_response()
        })
    }

    /// A PRACK of the sender, or a response of the server that cannot be read, came later.
    pub(super) fn messages_show_response(
        &self,
        hop: &Transaction<'c>,
        request: &Message<'c>,
    ) -> bool {
        let is_invite = hop.method == Method::Invite;
        self.messages.iter().filter(|message| message.time >= request.time).any(|message| {
            match message.is_request() {
                true => {
                    is_invite
                        && message.method() == Method::Prack
                        && message.from_tag() == request.from_tag()
                }
                false => {
                    let is_readable = message.cseq().is_some() && message.status().is_some();
                    !is_readable && message.went(hop.server, hop.client)
                }
            }
        })
    }

    /// The 2xx to the INVITE was acknowledged on this hop.
    pub fn is_acknowledged(&self, invite: &Transaction<'c>) -> bool {
        let mut acks = self.dialogs.iter().flat_map(|dialog| &dialog.acks);
        acks.any(|ack| {
            ack.cseq().is_some_and(|cseq| cseq.number == invite.cseq)
                && ack.went(invite.client, invite.server)
        })
    }

    /// The INVITE was taken up by somebody who makes progress, although no response 101-199 was
    /// captured: PRACK answers reliable ones only, never 100 (RFC 3262, section 3).
    pub fn implies_progress(&self, hop: &Transaction<'c>) -> bool {
        self.messages.iter().any(|message| {
            message.is_request()
                && matches!(message.method(), Method::Prack | Method::Update)
                && hop.request.is_some_and(|request| is_of_caller(message, request))
        })
    }

    /// The request reached its end on another way: a sibling of the same sender, method and number
    /// got a 2xx.
    pub fn got_through(&self, request: &Transaction<'c>) -> bool {
        match self.witnesses() {
            Some(witnesses) => {
                let from_tag = request.request.and_then(Message::from_tag);
                witnesses.has_success(request.method, request.cseq, from_tag)
            }
            None => self.has_success(request),
        }
    }

    /// A transaction of the same sender, method and number got a 2xx.
    pub(super) fn has_success(&self, request: &Transaction<'c>) -> bool {
        let from_tag = |t: &Transaction<'c>| t.request.and_then(Message::from_tag);
        let own = from_tag(request);
        self.transactions.iter().any(|other| {
            (other.method, other.cseq) == (request.method, request.cseq)
                && other.first_success().is_some()
                && from_tag(other) == own
        })
    }

    /// The CANCEL of the INVITE on the same hop.
    pub fn cancel_of(&self, invite: &Transaction<'c>) -> Option<&'c Message<'c>> {
        self.transactions.get(invite.cancel?)?.request
    }

    /// The caller gave up before the final response, which is then only a consequence.
    pub fn is_given_up(&self, invite: &Transaction<'c>) -> bool {
        self.cancel_of(invite).is_some_and(|cancel| {
            invite.final_response().is_none_or(|answer| answer.time >= cancel.time)
        })
    }

    /// A final response to this INVITE was seen on some hop.
    fn has_final(&self, from_tag: Option<&[u8]>, cseq: u32) -> bool {
        self.messages.iter().any(|message| {
            message.method() == Method::Invite
                && message.from_tag() == from_tag
                && message.cseq().is_some_and(|own| own.number == cseq)
                && message.status().is_some_and(Status::is_final)
        })
    }

    fn is_branch_of_invite(&self, branch: &[u8]) -> bool {
        self.transactions.iter().any(|t| t.method == Method::Invite && t.branch == branch)
    }

    /// The hop before got what only this server can have said, so its answers went past the
    /// capture: progress, or a final response that a proxy does not make by itself (guard G2).
    pub fn is_told_above(&self, hop: &Transaction<'c>) -> bool {
        let Some(above) = hop.upstream.and_then(|index| self.transactions.get(index)) else {
            return false;
        };
        let others = || {
            let below = above.downstream.iter().filter_map(|index| self.transactions.get(*index));
            below.filter(|other| other.index != hop.index)
        };
        let has_progress = above.progress().next().is_some()
            && !others().any(|other| other.progress().next().is_some());
        has_progress
            || above.final_status().is_some_and(|status| {
                let is_foreign = match status.class() {
                    Class::ClientError => !matches!(status.code(), 408 | 480 | 487),
                    Class::Redirection | Class::GlobalFailure => true,
                    Class::Provisional | Class::Success | Class::ServerError => false,
                };
                is_foreign && !others().any(|other| other.final_status() == Some(status))
            })
    }
}

/// The message was sent inside the dialog that `request` of the caller makes, by the caller or by
/// the callee.
fn is_of_caller(message: &Message<'_>, request: &Message<'_>) -> bool {
    message.to_tag().is_some()
        && (message.from_tag() == request.from_tag() || message.to_tag() == request.from_tag())
}
