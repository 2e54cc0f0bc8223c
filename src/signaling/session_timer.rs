//! Session timers: how long a session lasts without a refresh, and who refreshes it (RFC 4028).

use crate::signaling::call::Call;
use crate::signaling::dialog::Dialog;
use crate::signaling::message::Message;
use crate::signaling::transaction::Transaction;
use crate::sip::{Class, Method, Refresher, Status};
use crate::time::Span;

/// The session timer of a dialog as the last 2xx to INVITE or UPDATE has set it.
#[derive(Clone, Copy, Debug)]
pub struct SessionTimer<'c> {
    /// That 2xx, on its first hop; from its time on the interval counts.
    pub granted: &'c Message<'c>,
    /// Its transaction, by index.
    pub transaction: usize,
    /// The session interval; what the 2xx says goes before what the request asked for.
    pub interval: Span,
    /// Who refreshes, seen from the request that was answered.
    pub refresher: Option<Refresher>,
    /// How often the timer had been set before.
    pub refreshes: usize,
}

impl<'c> SessionTimer<'c> {
    /// The side that refreshes is the one that made the dialog; none if nobody was named.
    pub fn is_refreshed_by_caller(&self, dialog: &Dialog<'c>) -> Option<bool> {
        let is_asked_by_caller = self.granted.from_tag() == Some(dialog.caller_tag);
        self.refresher.map(|side| (side == Refresher::Uac) == is_asked_by_caller)
    }
}

impl<'c> Dialog<'c> {
    /// The session timer that is in force after the last 2xx to INVITE or UPDATE. A 2xx that names
    /// none, on any hop, has turned it off (RFC 4028, section 7.2).
    pub fn session_timer(&self, call: &Call<'c>) -> Option<SessionTimer<'c>> {
        let set = || {
            call.transactions
                .iter()
                .filter(|transaction| is_refreshing(transaction.method))
                .filter_map(|transaction| Some((transaction, self.success_of(transaction)?)))
        };
        let (last, answer) = set().max_by_key(|(_, answer)| (answer.time, answer.frame))?;
        let key = (last.method, last.cseq, answer.from_tag());
        let (transaction, granted, named) = set()
            .filter(|(hop, answer)| (hop.method, hop.cseq, answer.from_tag()) == key)
            .find_map(|(hop, answer)| Some((hop, answer, answer.session_expires()?)))?;
        Some(SessionTimer {
            granted,
            transaction: transaction.index,
            interval: Span::from_secs(named.seconds.into()),
            refresher: named.refresher,
            refreshes: set().filter(|(hop, _)| hop.upstream.is_none()).count().saturating_sub(1),
        })
    }

    /// A refresh was tried after the one that set the timer, or an ACK shows that one was not
    /// captured (guard G3).
    pub fn has_refresh_after(&self, call: &Call<'c>, timer: &SessionTimer<'c>) -> bool {
        let key = |message: &Message<'c>| {
            (message.cseq().map(|cseq| cseq.number), message.from_tag(), message.method())
        };
        let is_later = |message: &Message<'c>| message.time > timer.granted.time;
        let is_known = |number: u32| {
            call.transactions.iter().any(|t| t.method == Method::Invite && t.cseq == number)
        };
        let mut messages = call.messages_of(self).filter(|message| is_later(message));
        messages
            .any(|message| is_refreshing(message.method()) && key(message) != key(timer.granted))
            || self
                .acks
                .iter()
                .any(|ack| is_later(ack) && ack.cseq().is_some_and(|cseq| !is_known(cseq.number)))
    }

    /// The 2xx of this dialog among the answers.
    fn success_of(&self, transaction: &Transaction<'c>) -> Option<&'c Message<'c>> {
        transaction.finals.iter().copied().find(|answer| {
            answer.status().map(Status::class) == Some(Class::Success) && self.holds(answer)
        })
    }
}

/// INVITE and UPDATE refresh a session.
fn is_refreshing(method: Method<'_>) -> bool {
    matches!(method, Method::Invite | Method::Update)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signaling::samples::{Side, with_dialog};

    const INVITE: (i64, Side, &str, u32, &str) = (0, Side::Caller, "INVITE", 1, "");

    fn answer(time: i64, headers: &str) -> (i64, Side, &'static str, u32, String) {
        (time, Side::Callee, "200", 1, format!("CSeq: 1 INVITE\r\n{headers}"))
    }

    #[test]
    fn last_answer_sets_the_timer() {
        let (time, side, what, number, headers) =
            answer(1, "Session-Expires: 90;refresher=uas\r\n");
        let update = (50, Side::Callee, "UPDATE", 1, "");
        let updated = "CSeq: 1 UPDATE\r\nSession-Expires: 120;refresher=uas\r\n";
        let lines = [INVITE, (time, side, what, number, headers.as_str())];
        with_dialog(&lines, |call| {
            let Some(dialog) = call.dialogs.first() else { panic!("no dialog") };
            let timer = dialog.session_timer(call).expect("a timer was granted");
            assert_eq!((timer.interval, timer.refreshes), (Span::from_secs(90), 0));
            assert_eq!(timer.is_refreshed_by_caller(dialog), Some(false));
            assert!(!dialog.has_refresh_after(call, &timer));
        });
        let tried = [lines[0], lines[1], update];
        with_dialog(&tried, |call| {
            let Some(dialog) = call.dialogs.first() else { panic!("no dialog") };
            let timer = dialog.session_timer(call).expect("a timer was granted");
            assert!(dialog.has_refresh_after(call, &timer));
        });
        let refreshed = [lines[0], lines[1], update, (51, Side::Caller, "200", 1, updated)];
        with_dialog(&refreshed, |call| {
            let Some(dialog) = call.dialogs.first() else { panic!("no dialog") };
            let timer = dialog.session_timer(call).expect("a timer was granted");
            assert_eq!((timer.interval, timer.refreshes), (Span::from_secs(120), 1));
            assert_eq!(timer.is_refreshed_by_caller(dialog), Some(true));
            assert!(!dialog.has_refresh_after(call, &timer) && dialog.farewell(call).is_none());
        });
    }

    #[test]
    fn an_answer_without_an_interval_sets_none() {
        let (time, side, what, number, headers) = answer(1, "");
        with_dialog(&[INVITE, (time, side, what, number, headers.as_str())], |call| {
            let Some(dialog) = call.dialogs.first() else { panic!("no dialog") };
            assert!(dialog.session_timer(call).is_none());
        });
    }
}
