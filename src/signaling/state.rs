//! The state of a transaction as an observer between client and server sees it.
//!
//! Follows RFC 3261, section 17, with the Accepted state of RFC 6026. An observer does not reject:
//! every event has an outcome in every state, and what the RFC does not foresee is noted as an
//! [`Oddity`].

/// The two machines of RFC 3261: sections 17.1.1 and 17.2.1 for INVITE, 17.1.2 and 17.2.2 for the
/// rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionKind {
    /// INVITE.
    Invite,
    /// Every other method but ACK, which has no transaction of its own.
    NonInvite,
}

/// Where a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// The request was not seen; a response was.
    Unseen,
    /// The request was sent (*Calling* of an INVITE, *Trying* of others).
    Trying,
    /// A provisional response came.
    Proceeding,
    /// A 2xx to an INVITE came (RFC 6026).
    Accepted,
    /// A final response came: 300-699 to an INVITE, any to others.
    Completed,
    /// The ACK to a final response 300-699 came.
    Confirmed,
}

/// What an observer can see of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The request, first or again.
    Request,
    /// A response 100-199.
    Provisional,
    /// A response 200-299.
    Success,
    /// A response 300-699.
    Failure,
    /// An ACK with the branch of the INVITE.
    Ack,
}

/// Something that the state machines do not foresee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Oddity {
    /// A response without its request: it came before the capture began, or by another way.
    ResponseWithoutRequest,
    /// The request again, although a final response had been sent.
    RequestAfterFinal,
    /// A provisional response after the final one.
    ProvisionalAfterFinal,
    /// A second final response of another kind.
    SecondFinal,
    /// An ACK before any final response.
    AckBeforeFinal,
    /// An ACK with the branch of an INVITE that was answered 2xx; it ought to have its own.
    AckReusesBranch,
    /// An ACK to something that is no INVITE.
    AckWithoutInvite,
}

impl State {
    /// The state after an event, and what was odd about it.
    #[must_use]
    pub const fn after(self, kind: TransactionKind, event: Event) -> (Self, Option<Oddity>) {
        match kind {
            TransactionKind::Invite => self.after_in_invite(event),
            TransactionKind::NonInvite => self.after_in_other(event),
        }
    }

    const fn after_in_invite(self, event: Event) -> (Self, Option<Oddity>) {
        use State::{Accepted, Completed, Confirmed, Proceeding, Trying, Unseen};
        match (self, event) {
            (Unseen, Event::Request) => (Trying, None),
            (Unseen, Event::Provisional) => (Proceeding, Some(Oddity::ResponseWithoutRequest)),
            (Unseen, Event::Success) => (Accepted, Some(Oddity::ResponseWithoutRequest)),
            (Unseen, Event::Failure) => (Completed, Some(Oddity::ResponseWithoutRequest)),
            (Unseen, Event::Ack) => (Confirmed, Some(Oddity::AckBeforeFinal)),
            (Trying, Event::Request) => (Trying, None),
            (Trying | Proceeding, Event::Provisional) => (Proceeding, None),
            (Proceeding, Event::Request) => (Proceeding, None),
            (Trying | Proceeding, Event::Success) => (Accepted, None),
            (Trying | Proceeding, Event::Failure) => (Completed, None),
            (Trying | Proceeding, Event::Ack) => (self, Some(Oddity::AckBeforeFinal)),
            (Accepted, Event::Request) => (Accepted, None),
            (Accepted, Event::Provisional) => (Accepted, Some(Oddity::ProvisionalAfterFinal)),
            (Accepted, Event::Success) => (Accepted, None),
            (Accepted, Event::Failure) => (Accepted, Some(Oddity::SecondFinal)),
            (Accepted, Event::Ack) => (Accepted, Some(Oddity::AckReusesBranch)),
            (Completed | Confirmed, Event::Request) => (self, Some(Oddity::RequestAfterFinal)),
            (Completed | Confirmed, Event::Provisional) => {
                (self, Some(Oddity::ProvisionalAfterFinal))
            }
            (Completed | Confirmed, Event::Success) => (Accepted, Some(Oddity::SecondFinal)),
            (Completed, Event::Failure) => (Completed, None),
            (Confirmed, Event::Failure) => (Confirmed, None),
            (Completed | Confirmed, Event::Ack) => (Confirmed, None),
        }
    }

    const fn after_in_other(self, event: Event) -> (Self, Option<Oddity>) {
        use State::{Accepted, Completed, Confirmed, Proceeding, Trying, Unseen};
        match (self, event) {
            (Unseen, Event::Request) => (Trying, None),
            (Unseen, Event::Provisional) => (Proceeding, Some(Oddity::ResponseWithoutRequest)),
            (Unseen, Event::Success | Event::Failure) => {
                (Completed, Some(Oddity::ResponseWithoutRequest))
            }
            (Trying, Event::Request) => (Trying, None),
            (Trying | Proceeding, Event::Provisional) => (Proceeding, None),
            (Proceeding, Event::Request) => (Proceeding, None),
            (Trying | Proceeding, Event::Success | Event::Failure) => (Completed, None),
            (Accepted | Completed | Confirmed, Event::Request) => {
                (Completed, Some(Oddity::RequestAfterFinal))
            }
            (Accepted | Completed | Confirmed, Event::Provisional) => {
                (Completed, Some(Oddity::ProvisionalAfterFinal))
            }
            (Accepted | Completed | Confirmed, Event::Success | Event::Failure) => {
                (Completed, None)
            }
            (_, Event::Ack) => (self, Some(Oddity::AckWithoutInvite)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 6] = [
        State::Unseen,
        State::Trying,
        State::Proceeding,
        State::Accepted,
        State::Completed,
        State::Confirmed,
    ];
    const EVENTS: [Event; 5] =
        [Event::Request, Event::Provisional, Event::Success, Event::Failure, Event::Ack];

    fn matrix(kind: TransactionKind) -> String {
        let mut text = String::new();
        for state in STATES {
            for event in EVENTS {
                let (next, oddity) = state.after(kind, event);
                let note = oddity.map_or_else(String::new, |oddity| format!(" ({oddity:?})"));
                text.push_str(&format!("{state:?} + {event:?} = {next:?}{note}\n"));
            }
        }
        text
    }

    #[test]
    fn every_event_has_an_outcome_in_every_state() {
        assert_eq!(matrix(TransactionKind::Invite), include_str!("state_invite.txt"));
        assert_eq!(matrix(TransactionKind::NonInvite), include_str!("state_other.txt"));
    }
}
