//! Dialogs (RFC 3261, section 12).

use crate::signaling::call::Call;
use crate::signaling::message::Message;
use crate::signaling::short_list::ShortList;
use crate::signaling::transaction::Transaction;
use crate::signaling::witnesses::Tags;
use crate::sip::Method;
use crate::time::Time;

/// What two tags of one Call-ID share.
#[derive(Debug)]
pub struct Dialog<'c> {
    /// The tag of the side that made the dialog; of the first sender seen, where the beginning is
    /// missing.
    pub caller_tag: &'c [u8],
    /// The tag of the other side.
    pub callee_tag: &'c [u8],
    /// The method of the request that made it; that of the first request seen, where the beginning
    /// is missing.
    pub method: Method<'c>,
    /// The first 2xx that confirmed it.
    pub confirmed: Option<&'c Message<'c>>,
    /// The requests inside it, by index of the transaction, in order.
    pub transactions: ShortList<usize>,
    /// The ACKs to its 2xx, on every hop.
    pub acks: ShortList<&'c Message<'c>>,
    /// The first captured message already had both tags and no request that made the dialog was
    /// seen (guard G6).
    pub starts_before_capture: bool,
    /// Its first sign is a response to the request that made it, so both tags are true ones.
    pub is_made_by_response: bool,
}

impl<'c> Dialog<'c> {
    /// The requests inside the dialog.
    pub fn requests<'a>(
        &'a self,
        call: &'a Call<'c>,
    ) -> impl DoubleEndedIterator<Item = &'a Transaction<'c>> {
        self.transactions.iter().filter_map(|index| call.transactions.get(*index))
    }

    /// The first BYE.
    pub fn bye<'a>(&'a self, call: &'a Call<'c>) -> Option<&'a Transaction<'c>> {
        self.requests(call).find(|transaction| transaction.method == Method::Bye)
    }

    /// The first message that tells of a BYE: the request, or a response to one that was not
    /// captured.
    pub fn farewell(&self, call: &Call<'c>) -> Option<&'c Message<'c>> {
        call.messages_of(self).find(|message| message.method() == Method::Bye)
    }

    /// When it ended: with the first BYE, or with the first response to one that was not captured.
    pub fn ended(&self, call: &Call<'c>) -> Option<Time> {
        let bye = self.bye(call).map(Transaction::first_time);
        bye.or_else(|| Some(self.farewell(call)?.time))
    }

    /// Answered or begun before the capture, not only early.
    pub fn is_confirmed(&self) -> bool {
        self.confirmed.is_some() || self.starts_before_capture
    }

    /// A 2xx to this method confirms it; where something was asked for that NOTIFY tells of, one to
    /// that does as well (RFC 6665, section 4.1.2.4).
    pub(super) fn is_confirmed_by(&self, method: Method<'c>) -> bool {
        method == self.method
            || (method == Method::Notify
                && matches!(self.method, Method::Subscribe | Method::Refer))
    }

    /// The dialog was not ended by a BYE, not even by one that only its response tells of.
    pub fn is_open(&self, call: &Call<'c>) -> bool {
        let is_bye = |message: &Message<'c>| message.method() == Method::Bye && self.holds(message);
        let has_bye = || match call.witnesses() {
            Some(witnesses) => witnesses.has_bye(self.tags()),
            None => call.messages.iter().any(is_bye),
        };
        self.is_confirmed() && self.method == Method::Invite && !has_bye()
    }

    /// Both tags, as those of its messages in either direction.
    pub(super) fn tags(&self) -> Tags<'c> {
        let (caller, callee) = (Some(self.caller_tag), Some(self.callee_tag));
        (caller.min(callee), caller.max(callee))
    }

    /// The message belongs to this dialog, in either direction.
    pub fn holds(&self, message: &Message<'c>) -> bool {
        let tags = (message.from_tag(), message.to_tag());
        tags == (Some(self.caller_tag), Some(self.callee_tag))
            || tags == (Some(self.callee_tag), Some(self.caller_tag))
    }
}
