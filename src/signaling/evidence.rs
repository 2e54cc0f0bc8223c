//! What later messages and other hops tell of a request whose response was not captured.
//!
//! Evidence beats absence (guards G2 and G3): before a rule says that something did not come, it
//! asks here whether something else proves that it did.

use std::cmp::Reverse;

use crate::signaling::attempt::Attempt;
use crate::signaling::call::Call;
use crate::signaling::message::Message;
use crate::signaling::transaction::Transaction;
use crate::sip::{Class, Method, Status};

/// Answers to unseen requests that are kept of one call; real calls have one or two.
const UNSEEN_MAX: usize = 256;

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

    /// Something tells that the request got a response that was not captured or does not fit its
    /// hop (guards G2, G3 and G5): an ACK or PRACK, a request inside the dialog, the answer to the
    /// same branch on another hop, a response of that server without a readable CSeq or code, its
    /// last bytes before it ended the connection.
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
            || self.lacks_last_words(hop)
    }

    /// The server ended the connection of the request after bytes that the capture lacks: the
    /// response may be among them (guard G5).
    fn lacks_last_words(&self, hop: &Transaction<'c>) -> bool {
        let end = self.end_under(hop).filter(|end| end.source.address == hop.server.address);
        end.and_then(|end| end.last_words).is_some_and(|words| words.lacks_end)
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

    /// The 2xx to INVITEs that were not captured, by their From-tag and number: their callers got
    /// through, whatever came before (guard G3). Of very many only the first ones.
    pub(super) fn unseen_answers(&self) -> Vec<(&'c [u8], u32)> {
        let unseen = self.transactions.iter().filter(|own| own.request.is_none());
        let answers = unseen.filter(|own| own.method == Method::Invite);
        answers
            .filter_map(|own| Some((own.first_success()?.from_tag()?, own.cseq)))
            .take(UNSEEN_MAX)
            .collect()
    }

    /// The INVITE by which the first sender went on after this attempt, or got through with the
    /// same number, where only responses to it were captured; a 2xx goes before other responses.
    pub(super) fn unseen_end(&self, attempt: &Attempt<'c>) -> Option<&Transaction<'c>> {
        let first = attempt.first_hop(self).filter(|first| first.first_success().is_none())?;
        let is_next = |own: &&Transaction<'c>| match attempt.is_answered() {
            // What comes after an answer belongs to the dialog.
            true => own.cseq == attempt.cseq && own.first_success().is_some(),
            false => own.cseq > attempt.cseq,
        };
        let unseen = self.transactions.iter().filter(|own| own.request.is_none());
        unseen
            .filter(|own| own.method == Method::Invite && is_next(own))
            .filter(|own| own.client.address == first.client.address)
            .filter(|own| own.from_tag() == Some(attempt.from_tag))
            .max_by_key(|own| (own.first_success().is_some(), own.cseq, Reverse(own.index)))
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

#[cfg(test)]
mod tests {
    use std::slice;

    use crate::signaling::call::State;
    use crate::signaling::samples::with_call;
    use crate::sip::Status;

    /// What is sent of an INVITE, or of another request of its dialog.
    fn text(start: &str, cseq: &str, is_of_dialog: bool) -> String {
        let tag = if is_of_dialog { ";tag=b" } else { "" };
        format!(
            "{start}\nVia: SIP/2.0/UDP h;branch=z9hG4bK-{}\nFrom: <sip:a@h>;tag=a\n\
             To: <sip:b@h>{tag}\nCall-ID: 1\nCSeq: {cseq}\n\n",
            cseq.replace(' ', "")
        )
    }

    fn answer(status: &str, cseq: &str) -> String {
        text(&format!("SIP/2.0 {status}"), cseq, true)
    }

    fn state(later: &[(u8, u8, String)]) -> (State, Option<u16>) {
        let first = [
            (1, 2, text("INVITE sip:b@h SIP/2.0", "1 INVITE", false)),
            (2, 1, answer("302 Moved", "1 INVITE")),
        ];
        let all: Vec<_> = first.iter().chain(later).collect();
        let samples: Vec<_> =
            (0..).zip(&all).map(|(at, (from, to, text))| (at, *from, *to, text.as_str())).collect();
        with_call(&samples, |call| (call.state(), call.final_status().map(Status::code)))
    }

    #[test]
    fn a_call_goes_on_with_an_invite_that_was_not_captured() {
        let bye = (1, 3, text("BYE sip:b@h SIP/2.0", "3 BYE", true));
        let busy = (3, 1, answer("486 Busy Here", "2 INVITE"));
        let cancelled = (3, 1, answer("487 Terminated", "2 INVITE"));
        let ringing = (3, 1, answer("180 Ringing", "2 INVITE"));
        let up = (3, 1, answer("200 OK", "2 INVITE"));
        let again = (3, 1, answer("488 Not Here", "4 INVITE"));
        assert_eq!(state(&[]), (State::Failed, Some(302)));
        assert_eq!(state(&[busy]), (State::Failed, Some(486)));
        assert_eq!(state(&[cancelled]), (State::Cancelled, Some(487)));
        assert_eq!(state(slice::from_ref(&ringing)), (State::Unanswered, None));
        assert_eq!(state(&[ringing, up.clone()]), (State::Answered, Some(200)));
        assert_eq!(state(&[up.clone(), again, bye.clone()]), (State::Completed, Some(200)));
        assert_eq!(state(&[bye]), (State::Completed, None));
        // Another server was asked with the same number.
        let same = (3, 1, answer("200 OK", "1 INVITE").replace("bK-1", "bK-9"));
        assert_eq!(state(&[same]), (State::Answered, Some(200)));
    }
}
