//! Requests that stayed without a final response, as far as a capture can tell.

use crate::signaling::call::Call;
use crate::signaling::state::TransactionKind;
use crate::signaling::transaction::Transaction;
use crate::sip::{Credentials, Method, timers};
use crate::time::Span;

/// Transactions that are looked through for credentials, and for where their nonce came from.
const LOOK_AROUND: usize = 64;

impl<'c> Call<'c> {
    /// The request, no INVITE, got no final response: the capture goes on long enough for one
    /// (guard G1), nothing proves that one came (guards G2 and G3), and the dialog did not end
    /// meanwhile.
    pub fn is_unanswered(&self, request: &Transaction<'c>) -> bool {
        let Some(started) = request.started() else { return false };
        request.kind() == TransactionKind::NonInvite
            && request.finals.is_empty()
            && self.is_observed(started, self.patience_of(request.client))
            && !self.goes_on_after(request)
            && !self.is_overtaken_by_bye(request)
            && !self.implies_response(request)
            && !self.got_through(request)
            && !self.shows_unseen_answer(request)
    }

    /// What followed shows that an answer to the request came, only not into the capture (guard
    /// G3): the client is content, it answers a challenge, or it is told what it asked for.
    pub fn shows_unseen_answer(&self, request: &Transaction<'c>) -> bool {
        self.is_content(request) || self.is_challenged_unseen(request) || self.is_notified(request)
    }

    /// The client of a request that went out once lives on. Without an answer it would have sent it
    /// again after T1, from then on, or after a provisional response, at least each T2 (timers A
    /// and E, RFC 3261, section 17.1). It proves nothing where the server was never seen to speak
    /// to it: then perhaps the client cannot repeat. Probes with OPTIONS are often sent without a
    /// transaction.
    fn is_content(&self, request: &Transaction<'c>) -> bool {
        let Some(sent) = request.started() else { return false };
        let is_invite = request.kind() == TransactionKind::Invite;
        if request.method == Method::Options || (is_invite && request.has_response()) {
            return false;
        }
        let last = request.provisionals.iter().map(|response| response.time).max();
        let due = match last {
            Some(last) => last.max(sent) + timers::T2.times(2),
            // Twice the T1 of this client, of which its patience is 64 times.
            None => sent + Span::from_nanos(self.patience_of(request.client).nanos() / 32),
        };
        // A hop that hands on what it gets repeats nothing by itself.
        let mut others = self.hops_before(request).chain(self.below(request));
        request.is_sent_once()
            && self.last_on_way(request.client, request.server).is_some_and(|last| last >= due)
            && self.shows_way(request.server, request.client)
            && others.all(Transaction::is_sent_once)
    }

    /// The sender soon sends the request with credentials for a nonce that no captured message
    /// gave it, so the answer was a challenge.
    fn is_challenged_unseen(&self, request: &Transaction<'c>) -> bool {
        let Some(own) = request.request else { return false };
        // One that waits in vain sends nothing new before timer F.
        let until = own.time + self.patience_of(request.client);
        let later = self.transactions.iter().skip(request.index + 1).take(LOOK_AROUND);
        let next = later.filter_map(|hop| Some((hop, hop.request?))).find(|(hop, later)| {
            hop.method == request.method
                && hop.cseq > request.cseq
                && hop.client.address == request.client.address
                && later.from_tag() == own.from_tag()
        });
        let Some((hop, next)) = next.filter(|(_, next)| next.time < until) else { return false };
        let before = self.transactions.get(..hop.index).unwrap_or_default();
        next.credentials().any(|own| own.is_digest() && !is_nonce_given(before, &own))
    }

    /// A NOTIFY tells the sender of the REFER or first SUBSCRIBE what it asked for, so it was
    /// accepted (RFC 3515, section 2.4.4; RFC 6665, section 4.1.2.4), and it was not sent again
    /// after that.
    fn is_notified(&self, request: &Transaction<'c>) -> bool {
        let is_asking = match request.method {
            Method::Refer => true,
            Method::Subscribe => request.is_initial(),
            _ => false,
        };
        let Some(started) = request.started().filter(|_| is_asking) else { return false };
        let sent = request.retransmissions.last().map_or(started, |last| last.time);
        let first_hop = self.hops_before(request).last().map_or(request.index, |hop| hop.index);
        let until = started + self.patience_of(request.client);
        let mut own = self.subscriptions.iter().filter(|o| o.requests.first() == Some(&first_hop));
        own.any(|subscription| {
            let mut notifies = subscription.notifies(self).map(|(_, notify)| notify.time);
            let first = notifies.next();
            let last = notifies.next_back().or(first);
            first.is_some_and(|first| first < until) && last.is_some_and(|last| last >= sent)
        })
    }

    /// Something later shows that the answer came, only not into the capture (guard G3): the server
    /// never appears as a sender in this call although the dialog went on.
    fn goes_on_after(&self, transaction: &Transaction<'c>) -> bool {
        let Some(request) = transaction.request else { return false };
        !self.shows_way(transaction.server, transaction.client)
            && self.messages.iter().any(|message| {
                message.is_request()
                    && message.source == transaction.client
                    && message.time > request.time
                    && message.cseq().is_some_and(|cseq| {
                        cseq.number > transaction.cseq && message.method() != Method::Ack
                    })
                    && message.method() != transaction.method
            })
    }

    /// The dialog ended while the request was under way: nobody need answer it any more.
    fn is_overtaken_by_bye(&self, transaction: &Transaction<'c>) -> bool {
        let Some(request) = transaction.request else { return false };
        let bye = self.dialog_of(request).and_then(|dialog| dialog.bye(self));
        bye.is_some_and(|bye| bye.first_time().since(request.time).abs() <= timers::T2)
    }
}

/// One of the last of these has the nonce of the credentials, or the credentials have none.
fn is_nonce_given<'c>(before: &[Transaction<'c>], credentials: &Credentials<'c>) -> bool {
    let Some(nonce) = credentials.nonce() else { return true };
    before.iter().rev().take(LOOK_AROUND).any(|hop| {
        let mut carried = hop.request.into_iter().flat_map(|request| request.credentials());
        let mut given = hop.finals.iter().flat_map(|answer| answer.challenges());
        carried.any(|own| own.nonce().is_some_and(|own| own == nonce))
            || given.any(|own| own.nonce().is_some_and(|own| own == nonce))
    })
}
