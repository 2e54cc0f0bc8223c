//! Requests that stayed without a final response, as far as a capture can tell.

use crate::signaling::call::Call;
use crate::signaling::state::TransactionKind;
use crate::signaling::transaction::Transaction;
use crate::sip::{Method, timers};

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
