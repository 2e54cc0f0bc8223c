//! Requests inside dialogs: which dialog they were meant for, what does not fit it, and whether it
//! had ended.

use crate::signaling::attempt::Attempt;
use crate::signaling::call::Call;
use crate::signaling::dialog::Dialog;
use crate::signaling::message::Message;
use crate::signaling::transaction::Transaction;
use crate::sip::Method;
use crate::time::Time;

/// What of a request differs from the dialog that it was meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// The tag of the side that sent it.
    FromTag,
    /// The tag of the other side.
    ToTag,
    /// Its number is not higher than that of the request before.
    CSeq,
}

impl Mismatch {
    /// The word that each language has its own for.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FromTag => "from-tag",
            Self::ToTag => "to-tag",
            Self::CSeq => "cseq",
        }
    }
}

impl<'c> Call<'c> {
    /// The confirmed dialog that a request with a To-tag was meant for, and what of the request
    /// does not fit it. A request with a wrong tag lies in no dialog; the nearest one shares the
    /// other tag. `None` for an early dialog, and where nothing was confirmed.
    pub fn target_dialog(&self, request: &Message<'c>) -> Option<(&Dialog<'c>, Option<Mismatch>)> {
        let (from, to) = (request.from_tag()?, request.to_tag()?);
        let own = self.dialog_of(request);
        if let Some(dialog) = own.filter(|dialog| dialog.confirmed.is_some()) {
            let before = self.number_before(request);
            let number = request.cseq().map(|cseq| cseq.number);
            let is_late = number.zip(before).is_some_and(|(own, before)| own <= before);
            return Some((dialog, is_late.then_some(Mismatch::CSeq)));
        }
        if own.is_some_and(|dialog| dialog.is_made_by_response) {
            return None;
        }
        let is_tag_of =
            |dialog: &Dialog<'c>, tag| dialog.caller_tag == tag || dialog.callee_tag == tag;
        let near = self.dialogs.iter().filter(|dialog| dialog.confirmed.is_some()).find_map(
            |dialog| match (is_tag_of(dialog, from), is_tag_of(dialog, to)) {
                (true, false) => Some((dialog, Some(Mismatch::ToTag))),
                (false, true) => Some((dialog, Some(Mismatch::FromTag))),
                (true, true) | (false, false) => None,
            },
        );
        near.or_else(|| Some((own.filter(|dialog| dialog.starts_before_capture)?, None)))
    }

    /// The highest number among the earlier requests of the same side in the same dialog, the one
    /// that made it included.
    pub fn number_before(&self, request: &Message<'c>) -> Option<u32> {
        let own = request.cseq()?;
        let tags = (request.from_tag(), request.to_tag());
        self.messages
            .iter()
            .take_while(|message| message.frame != request.frame)
            .filter(|message| {
                message.is_request()
                    && !matches!(message.method(), Method::Ack | Method::Cancel)
                    && message.from_tag() == tags.0
                    && (message.to_tag() == tags.1 || message.to_tag().is_none())
            })
            .filter_map(Message::cseq)
            .filter(|cseq| (cseq.number, cseq.method) != (own.number, own.method))
            .map(|cseq| cseq.number)
            .max()
    }

    /// A request that either side sent inside the dialog, within this spell or about then, is not
    /// in the capture (guard G3).
    pub fn misses_request(&self, dialog: &Dialog<'c>, spell: (Time, Time)) -> bool {
        let sides = [dialog.caller_tag, dialog.callee_tag];
        sides.iter().any(|side| self.misses_request_of(dialog, side, spell))
    }

    /// The same of the side with this tag. The numbers of one side follow one another without a gap
    /// (RFC 3261, section 12.2.1.1), so a number that no request and no response has is one of a
    /// request that was sent and not captured: after the request before it and before the next one.
    pub fn misses_request_of(
        &self,
        dialog: &Dialog<'c>,
        side: &[u8],
        (from, until): (Time, Time),
    ) -> bool {
        let own = self.messages_of(dialog).filter(|message| message.from_tag() == Some(side));
        let mut seen: Vec<(u32, Time)> =
            own.filter_map(|message| Some((message.cseq()?.number, message.time))).collect();
        // Packets may overtake each other, so the order of the numbers counts.
        seen.sort_unstable();
        seen.dedup_by_key(|(number, _)| *number);
        seen.windows(2).any(|pair| match pair {
            [(before, sent), (after, next)] => after - before > 1 && *sent < until && *next > from,
            _ => false,
        })
    }

    /// Another BYE in the dialog, of either side, that was under way before `moment`. One that was
    /// challenged ended nothing.
    pub fn bye_before(
        &self,
        dialog: &Dialog<'c>,
        request: &Message<'c>,
        moment: Time,
    ) -> Option<&Transaction<'c>> {
        let byes = self.transactions.iter().filter(|t| t.method == Method::Bye);
        byes.filter(|bye| !is_challenged(bye)).find(|bye| {
            bye.messages().next().is_some_and(|sign| {
                sign.time <= moment && dialog.holds(sign) && !is_hop_of(sign, request)
            })
        })
    }

    /// The failure that the hop saw began nearer to the server of the request: on a hop behind it,
    /// or in the same request of an element that gives the dialog tags of its own (guard G9).
    pub fn fails_behind(&self, hop: &Transaction<'c>) -> bool {
        let Some(answer) = hop.final_response() else { return false };
        let behind = hop.downstream.iter().filter_map(|index| self.transactions.get(*index));
        let is_failure =
            |below: &Transaction<'c>| below.first_success().is_none() && !is_challenged(below);
        behind.into_iter().any(is_failure)
            || self.transactions.iter().any(|other| self.is_nested(other, hop, answer))
    }

    /// The same refusal of the same request came and went while the hop waited.
    fn is_nested(
        &self,
        other: &Transaction<'c>,
        hop: &Transaction<'c>,
        answer: &Message<'c>,
    ) -> bool {
        let is_same = || match (other.request, hop.request) {
            (Some(one), Some(own)) => is_hop_of(one, own),
            (_, _) => false,
        };
        other.method == hop.method
            && other.index != hop.index
            && other.first_time() > hop.first_time()
            && other
                .final_response()
                .is_some_and(|own| own.status() == answer.status() && own.time < answer.time)
            && (other.client.address == hop.server.address || is_same())
    }

    /// Every initial INVITE of the call failed, so no request inside it has a dialog.
    pub fn is_without_dialog(&self) -> bool {
        !self.attempts.is_empty() && !self.attempts.iter().any(Attempt::is_answered)
    }
}

/// The answer asks for credentials; the request comes again with them.
fn is_challenged(transaction: &Transaction<'_>) -> bool {
    transaction.final_status().is_some_and(|status| matches!(status.code(), 401 | 407))
}

/// The two are of one request, whichever hop they were seen on.
fn is_hop_of(one: &Message<'_>, other: &Message<'_>) -> bool {
    (one.from_tag(), one.cseq()) == (other.from_tag(), other.cseq())
}
