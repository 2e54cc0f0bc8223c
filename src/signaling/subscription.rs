//! Subscriptions: what a SUBSCRIBE or a REFER asks for, and the NOTIFYs that follow (RFC 6665,
//! RFC 3515).

use crate::limits::SUBSCRIPTIONS_PER_CALL_MAX;
use crate::signaling::call::Call;
use crate::signaling::message::Message;
use crate::signaling::transaction::Transaction;
use crate::sip::{Method, Status, SubscriptionStage};
use crate::time::{Span, Time};

/// The package of the subscription that a REFER makes (RFC 3515, section 3).
const REFER: &[u8] = b"refer";

/// What one side has asked the other one to be told of.
#[derive(Debug)]
pub struct Subscription<'c> {
    /// The REFER or the SUBSCRIBEs that asked for it, by index, on their first hop; none where it
    /// was made before the capture began.
    pub requests: Vec<usize>,
    /// The event package.
    pub package: &'c [u8],
    /// What tells it apart from others in the same dialog.
    pub id: Option<&'c [u8]>,
    /// The tag of the side that is told.
    pub subscriber_tag: &'c [u8],
    /// The NOTIFYs, by index, on their first hop.
    pub notifies: Vec<usize>,
    /// The response to a NOTIFY was captured that was not captured itself; it may be of this one.
    pub has_unseen_notify: bool,
    /// The number of the REFER, which its NOTIFYs may give as their id.
    number: Option<u32>,
}

impl<'c> Subscription<'c> {
    /// It tells the outcome of a REFER.
    pub fn is_referral(&self) -> bool {
        self.package.eq_ignore_ascii_case(REFER)
    }

    /// The REFER or first SUBSCRIBE; none where it was made before the capture began.
    pub fn request<'a>(&self, call: &'a Call<'c>) -> Option<&'a Transaction<'c>> {
        call.transactions.get(*self.requests.first()?)
    }

    /// The NOTIFYs on their first hop, in order.
    pub fn notifies<'a>(
        &'a self,
        call: &'a Call<'c>,
    ) -> impl DoubleEndedIterator<Item = (&'a Transaction<'c>, &'c Message<'c>)> {
        let transactions = self.notifies.iter().filter_map(|index| call.transactions.get(*index));
        transactions.filter_map(|notify| Some((notify, notify.request?)))
    }

    /// What the NOTIFYs tell of the outcome of a REFER, in order.
    pub fn told<'a>(
        &'a self,
        call: &'a Call<'c>,
    ) -> impl DoubleEndedIterator<Item = (&'c Message<'c>, Status)> {
        self.notifies(call).filter_map(|(_, notify)| Some((notify, notify.sipfrag_status()?)))
    }

    /// The first NOTIFY that ends it.
    pub fn termination<'a>(
        &'a self,
        call: &'a Call<'c>,
    ) -> Option<(&'a Transaction<'c>, &'c Message<'c>)> {
        self.notifies(call).find(|(_, notify)| {
            notify
                .subscription_state()
                .is_some_and(|state| state.stage == SubscriptionStage::Terminated)
        })
    }

    /// When it runs out, as the last 2xx or NOTIFY tells that names an expiry.
    pub fn expiry(&self, call: &Call<'c>) -> Option<Time> {
        let requests = self.requests.iter().filter_map(|index| call.transactions.get(*index));
        let granted = requests
            .filter_map(Transaction::first_success)
            .filter_map(|answer| Some((answer.time, answer.expires()?)));
        let notified = self
            .notifies(call)
            .filter_map(|(_, notify)| Some((notify.time, notify.subscription_state()?.expires()?)));
        let (named, seconds) = granted.chain(notified).max_by_key(|(named, _)| *named)?;
        Some(named + Span::from_secs(seconds.into()))
    }

    /// The NOTIFY is of this subscription. The subscriber sends none itself, and the id of a
    /// referral is the number of its REFER (RFC 3515, section 2.4.6).
    fn holds(&self, notify: &Notify<'c>) -> bool {
        if !notify.package.eq_ignore_ascii_case(self.package) {
            return false;
        }
        match self.number {
            Some(number) => {
                notify.from_tag != Some(self.subscriber_tag)
                    && (notify.id.is_none() || notify.number() == Some(number))
            }
            None => {
                notify.id == self.id && notify.to_tag.is_none_or(|tag| tag == self.subscriber_tag)
            }
        }
    }
}

/// What tells which subscription a NOTIFY belongs to.
struct Notify<'c> {
    package: &'c [u8],
    id: Option<&'c [u8]>,
    from_tag: Option<&'c [u8]>,
    to_tag: Option<&'c [u8]>,
}

impl<'c> Notify<'c> {
    fn of(request: &'c Message<'c>) -> Self {
        let event = request.event();
        let is_outcome = || request.sipfrag_status().is_some();
        Self {
            package: match event {
                Some(event) => event.package,
                None if is_outcome() => REFER,
                None => b"",
            },
            id: event.and_then(|event| event.id()),
            from_tag: request.from_tag(),
            to_tag: request.to_tag(),
        }
    }

    fn number(&self) -> Option<u32> {
        std::str::from_utf8(self.id?).ok()?.parse().ok()
    }
}

/// The subscriptions of a call, in order of their first message, and how many more there are.
pub(super) fn subscriptions<'c>(transactions: &[Transaction<'c>]) -> (Vec<Subscription<'c>>, u64) {
    let mut beyond = 0;
    let mut found: Vec<Subscription<'c>> = Vec::new();
    for transaction in transactions {
        let is_own =
            matches!(transaction.method, Method::Refer | Method::Subscribe | Method::Notify);
        if !is_own || transaction.upstream.is_some() {
            continue;
        }
        let made = match (transaction.method, transaction.request) {
            (Method::Refer, Some(request)) => Some(referral(transaction, request)),
            (Method::Subscribe, Some(request)) => subscribe(&mut found, transaction, request),
            (Method::Notify, Some(request)) => notify(&mut found, transaction, request),
            (Method::Notify, None) => {
                found.iter_mut().for_each(|known| known.has_unseen_notify = true);
                None
            }
            _ => None,
        };
        match made {
            Some(made) if found.len() < SUBSCRIPTIONS_PER_CALL_MAX => found.push(made),
            made => beyond += u64::from(made.is_some()),
        }
    }
    (found, beyond)
}

fn referral<'c>(refer: &Transaction<'c>, request: &'c Message<'c>) -> Subscription<'c> {
    Subscription {
        requests: vec![refer.index],
        package: REFER,
        id: None,
        subscriber_tag: request.from_tag().unwrap_or_default(),
        notifies: Vec::new(),
        has_unseen_notify: false,
        number: Some(refer.cseq),
    }
}

/// Makes a subscription, or refreshes one that is known.
fn subscribe<'c>(
    found: &mut [Subscription<'c>],
    subscribe: &Transaction<'c>,
    request: &'c Message<'c>,
) -> Option<Subscription<'c>> {
    let event = request.event();
    let package = event.map_or(&b""[..], |event| event.package);
    let id = event.and_then(|event| event.id());
    let subscriber_tag = request.from_tag().unwrap_or_default();
    let known = found.iter_mut().find(|known| {
        known.number.is_none()
            && known.subscriber_tag == subscriber_tag
            && known.id == id
            && known.package.eq_ignore_ascii_case(package)
    });
    if let Some(known) = known {
        known.requests.push(subscribe.index);
        return None;
    }
    let requests = vec![subscribe.index];
    let (notifies, has_unseen_notify) = (Vec::new(), false);
    Some(Subscription {
        requests,
        package,
        id,
        subscriber_tag,
        notifies,
        has_unseen_notify,
        number: None,
    })
}

/// Gives a NOTIFY to its subscriptions; one inside a dialog that has none belongs to a
/// subscription from before the capture. Without an id, a NOTIFY may be of any REFER before it.
fn notify<'c>(
    found: &mut [Subscription<'c>],
    notify: &Transaction<'c>,
    request: &'c Message<'c>,
) -> Option<Subscription<'c>> {
    let own = Notify::of(request);
    let mut is_known = false;
    for known in found.iter_mut().filter(|known| known.holds(&own)) {
        known.notifies.push(notify.index);
        is_known = true;
    }
    if is_known {
        return None;
    }
    // What nobody asked for is no subscription; nobody tells of a transfer unasked.
    let is_referral = own.package.eq_ignore_ascii_case(REFER);
    let subscriber_tag = own.to_tag.or(Some(&b""[..]).filter(|_| is_referral));
    Some(Subscription {
        requests: Vec::new(),
        package: own.package,
        id: own.id,
        subscriber_tag: subscriber_tag?,
        notifies: vec![notify.index],
        has_unseen_notify: false,
        number: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signaling::samples::{Side, with_dialog};

    #[test]
    fn notifies_belong_to_the_refer_with_their_number() {
        let lines = [
            (1, Side::Caller, "REFER", 5, ""),
            (1, Side::Callee, "202", 5, "CSeq: 5 REFER\r\nExpires: 60\r\n"),
            (2, Side::Caller, "REFER", 6, ""),
            (3, Side::Callee, "NOTIFY", 1, "Event: refer;id=6\r\n"),
            (4, Side::Callee, "NOTIFY", 2, "Event: refer\r\n"),
            (5, Side::Caller, "NOTIFY", 7, "Event: refer\r\n"),
            (6, Side::Callee, "NOTIFY", 3, "Event: dialog\r\n"),
        ];
        with_dialog(&lines, |call| {
            let [first, second, other, dialog] = call.subscriptions.as_slice() else {
                panic!("{:?}", call.subscriptions)
            };
            let numbers = |own: &Subscription<'_>| {
                own.notifies(call).map(|(notify, _)| notify.cseq).collect::<Vec<_>>()
            };
            assert_eq!((numbers(first), numbers(second)), (vec![2], vec![1, 2]));
            assert_eq!((numbers(other), numbers(dialog)), (vec![7], vec![3]));
            assert!(first.is_referral() && !dialog.is_referral() && dialog.requests.is_empty());
            assert_eq!(first.expiry(call), Some(Time::from_parts(61, 0)));
        });
    }

    #[test]
    fn subscriptions_are_refreshed_and_end() {
        let lines = [
            (1, Side::Caller, "SUBSCRIBE", 1, "Event: presence;id=a\r\n"),
            (2, Side::Callee, "NOTIFY", 1, "Event: presence;id=a\r\n"),
            (3, Side::Caller, "SUBSCRIBE", 2, "Event: presence;id=a\r\n"),
            (4, Side::Caller, "SUBSCRIBE", 3, "Event: presence;id=b\r\n"),
            (
                5,
                Side::Callee,
                "NOTIFY",
                2,
                "Event: presence;id=a\r\nSubscription-State: terminated\r\n",
            ),
        ];
        with_dialog(&lines, |call| {
            let [first, second] = call.subscriptions.as_slice() else {
                panic!("{:?}", call.subscriptions)
            };
            assert_eq!((first.requests.len(), second.requests.len()), (2, 1));
            assert_eq!(first.termination(call).map(|(notify, _)| notify.cseq), Some(2));
            assert!(second.notifies.is_empty() && second.termination(call).is_none());
        });
    }
}
