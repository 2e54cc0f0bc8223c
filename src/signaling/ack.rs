//! Final responses to INVITE with their repeats, and the ACKs that belong to them.
//!
//! The ACK to a 2xx is a request of its own: it belongs to the dialog and has the number of the
//! INVITE (RFC 3261, section 13.2.2.4). The ACK to any other final response is part of the
//! transaction, so it has the branch of the INVITE (RFC 3261, section 17.1.1.3).

use crate::signaling::call::Call;
use crate::signaling::message::Message;
use crate::signaling::route::Route;
use crate::signaling::transaction::Transaction;
use crate::sip::{Class, Method, Status, timers};
use crate::time::{Span, Time};

/// Different final responses of one transaction that are told apart: forks.
const ANSWERS_MAX: usize = 32;

/// ACKs that do not fit one answer and are compared with all others.
const STRAYS_MAX: usize = 32;

/// A repeat that comes so long after an ACK did not cross it on the way.
const CROSSING_MAX: Span = Span::from_secs(1);

/// The callee repeats its 2xx and ends the session when 64*T1 have passed without an ACK (RFC 3261,
/// section 13.3.1.4); later than that something else may have ended it.
const GIVEN_UP_AFTER: Span = Span::from_secs(28);
const GIVEN_UP_BEFORE: Span = Span::from_secs(40);

/// Repeats of a 2xx up to that time, even where each wait for the next one is twice as long as the
/// one before.
const REPEATS_TO_THE_END: usize = 6;

/// One final response of a transaction, every time that it was sent.
#[derive(Clone, Debug)]
pub struct Answer<'c> {
    /// The first one.
    pub first: &'c Message<'c>,
    /// The same status with the same To-tag again.
    pub repeats: Vec<&'c Message<'c>>,
}

/// A field in which a request differs from the one that it should fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The request URI.
    RequestUri,
    /// The number of `CSeq`.
    CSeq,
    /// The tag of `From`.
    FromTag,
    /// The tag of `To`.
    ToTag,
    /// The URI of `To`.
    To,
    /// The branch of the top Via.
    Branch,
    /// The host that it was sent to.
    Destination,
}

impl Field {
    /// The word of the evidence.
    pub const fn word(self) -> &'static str {
        match self {
            Self::RequestUri => "field-request-uri",
            Self::CSeq => "field-cseq",
            Self::FromTag => "field-from-tag",
            Self::ToTag => "field-to-tag",
            Self::To => "field-to",
            Self::Branch => "field-branch",
            Self::Destination => "field-destination",
        }
    }
}

impl<'c> Answer<'c> {
    /// Every time that it was sent.
    pub fn sends(&self) -> impl Iterator<Item = &'c Message<'c>> + '_ {
        std::iter::once(self.first).chain(self.repeats.iter().copied())
    }

    /// The last time that it was sent.
    pub fn last(&self) -> &'c Message<'c> {
        self.repeats.last().copied().unwrap_or(self.first)
    }

    /// From the first to the last.
    pub fn repeating(&self) -> Span {
        self.last().time.since(self.first.time)
    }

    /// It is a 2xx.
    pub fn is_success(&self) -> bool {
        self.first.status().is_some_and(Status::is_success)
    }

    /// Whoever sent it had not got an ACK that was captured at `moment`: it came again, too late
    /// to have crossed the ACK.
    pub fn goes_on_after(&self, moment: Time) -> bool {
        self.last().time.since(moment) >= CROSSING_MAX
    }
}

impl<'c> Transaction<'c> {
    /// The final responses, each with its repeats, in order.
    pub fn answers(&self) -> Vec<Answer<'c>> {
        let mut answers: Vec<Answer<'c>> = Vec::new();
        for message in self.finals.iter().copied() {
            let key = |message: &Message<'c>| (message.status(), message.to_tag());
            let is_full = answers.len() >= ANSWERS_MAX;
            match answers.iter_mut().find(|answer| key(answer.first) == key(message)) {
                Some(answer) => answer.repeats.push(message),
                None if is_full => {}
                None => answers.push(Answer { first: message, repeats: Vec::new() }),
            }
        }
        answers
    }

    /// The 2xx that came first, with its repeats.
    pub fn success(&self) -> Option<Answer<'c>> {
        let first = self.first_success()?;
        let same = |message: &&Message<'c>| {
            message.status().map(Status::class) == Some(Class::Success)
                && message.to_tag() == first.to_tag()
        };
        let repeats = self.finals.iter().copied().filter(same).skip(1).collect();
        Some(Answer { first, repeats })
    }
}

impl<'c> Call<'c> {
    /// Every ACK on every hop, in order.
    pub fn acks(&self) -> impl Iterator<Item = &'c Message<'c>> + use<'c> {
        let messages = self.messages;
        messages.iter().filter(|message| message.is_request() && message.method() == Method::Ack)
    }

    /// The ACKs to this final response on this hop. One to a 2xx may go past the elements that the
    /// INVITE went through, so it is taken wherever it leaves the client or reaches the server.
    pub fn acks_to<'a>(
        &self,
        hop: &'a Transaction<'c>,
        answer: &'c Message<'c>,
    ) -> impl Iterator<Item = &'c Message<'c>> + use<'a, 'c> {
        let is_success = answer.status().is_some_and(Status::is_success);
        self.acks().filter(move |ack| {
            is_on_way(ack, hop, is_success)
                && match is_success {
                    true => {
                        differences(ack, hop, answer).next().is_none() && !is_of_failure(ack, hop)
                    }
                    false => {
                        ack.branch() == answer.branch()
                            && ack.cseq().map(|cseq| cseq.number) == Some(hop.cseq)
                    }
                }
        })
    }

    /// The ACK is that of a failure, whatever else was answered with the same To-tag.
    pub fn acknowledges_failure(&self, ack: &Message<'c>) -> bool {
        let mut invites = self.transactions.iter().filter(|t| t.method == Method::Invite);
        invites.any(|hop| is_of_failure(ack, hop))
    }

    /// The BYE by which the callee ended the session at the time when it gives up to wait for an
    /// ACK to this 2xx.
    pub fn given_up(&self, answer: &Answer<'c>) -> Option<&'c Message<'c>> {
        let first = answer.first;
        let bye = self.dialog_of(first)?.bye(self)?.request?;
        let after = bye.time.since(first.time);
        let is_then = after >= GIVEN_UP_AFTER && after <= GIVEN_UP_BEFORE;
        (is_then && bye.from_tag() == first.to_tag()).then_some(bye)
    }

    /// None of the ACKs to this 2xx that were captured came to the callee: it sent the 2xx again
    /// for as long as it waits for one, and then ended the session, or nothing shows that the
    /// session went on.
    pub fn is_acknowledged_in_vain(&self, answer: &Answer<'c>) -> bool {
        let last = answer.last().time;
        match self.given_up(answer) {
            // No other repeat was due before, so they had not ended.
            Some(bye) => bye.time.since(last) <= timers::T2 + CROSSING_MAX,
            None => {
                answer.repeats.len() >= REPEATS_TO_THE_END
                    && answer.repeating() >= GIVEN_UP_AFTER
                    && !self.is_dialog_used(answer, last)
            }
        }
    }

    /// A request other than ACK was sent after `moment` in the dialog that this 2xx made.
    pub fn is_dialog_used(&self, answer: &Answer<'c>, moment: Time) -> bool {
        let tag = answer.first.to_tag();
        self.messages.iter().any(|message| {
            message.time > moment
                && message.is_request()
                && message.method() != Method::Ack
                && (message.to_tag() == tag || message.from_tag() == tag)
        })
    }

    /// Some ACK with the number of this INVITE went over this hop, even if it differs in other
    /// fields, and no other INVITE is the one that it is for.
    pub fn is_acknowledged_somehow(&self, hop: &Transaction<'c>) -> bool {
        let is_of_other = |ack: &Message<'c>| {
            self.transactions.iter().any(|other| {
                other.method == Method::Invite
                    && other.index != hop.index
                    && Some(other.branch) == ack.branch()
            })
        };
        !hop.acks.is_empty()
            || self
                .acks()
                .filter(|ack| {
                    ack.cseq().map(|cseq| cseq.number) == Some(hop.cseq)
                        && is_on_way(ack, hop, false)
                })
                .take(STRAYS_MAX)
                .any(|ack| !is_of_other(ack))
    }

    /// The caller acknowledged a 2xx of another fork of this INVITE, so this one is extra.
    pub fn is_extra_fork(&self, hop: &Transaction<'c>, answer: &Message<'c>) -> bool {
        let strays = self.acks().filter(|ack| {
            ack.from_tag() == answer.from_tag()
                && ack.cseq().map(|cseq| cseq.number) == Some(hop.cseq)
                && ack.to_tag() != answer.to_tag()
        });
        strays.take(STRAYS_MAX).any(|ack| self.has_success_with(ack.to_tag()))
    }

    /// An ACK that was meant for this final response but differs from it in one field, while the
    /// response goes on and no right ACK came before its last repeat.
    pub fn mismatched_ack(
        &self,
        hop: &Transaction<'c>,
        answer: &Answer<'c>,
    ) -> Option<(&'c Message<'c>, Field)> {
        let last = answer.last().time;
        let acks = self.acks().filter(|ack| {
            is_on_way(ack, hop, answer.is_success())
                && ack.time >= answer.first.time
                && answer.goes_on_after(ack.time)
        });
        let mut strays = acks.filter_map(|ack| {
            let mut fields = differences(ack, hop, answer.first);
            fields.next().filter(|_| fields.next().is_none()).map(|field| (ack, field))
        });
        let found = strays
            .by_ref()
            .take(STRAYS_MAX)
            .find(|(ack, field)| !self.fits_elsewhere(ack, hop, *field))?;
        let is_right = |ack: &Message<'c>| differences(ack, hop, answer.first).next().is_none();
        let is_acknowledged = self
            .acks()
            .filter(|ack| ack.time < last && is_on_way(ack, hop, answer.is_success()))
            .any(is_right);
        (!is_acknowledged).then_some(found)
    }

    /// An INVITE of the call was answered 2xx with this To-tag.
    fn has_success_with(&self, to_tag: Option<&[u8]>) -> bool {
        to_tag.is_some()
            && self.messages.iter().any(|message| {
                message.method() == Method::Invite
                    && message.status().is_some_and(Status::is_success)
                    && message.to_tag() == to_tag
            })
    }

    /// The field in which the ACK differs from one INVITE or answer is that of another one.
    fn fits_elsewhere(&self, ack: &Message<'c>, hop: &Transaction<'c>, field: Field) -> bool {
        if field == Field::ToTag {
            return self.has_success_with(ack.to_tag());
        }
        self.messages.iter().filter(|other| other.method() == Method::Invite).any(|other| {
            match field {
                Field::CSeq => {
                    other.cseq().map(|cseq| cseq.number) == ack.cseq().map(|cseq| cseq.number)
                }
                Field::FromTag => {
                    other.from_tag() == ack.from_tag() || other.to_tag() == ack.from_tag()
                }
                Field::Branch => {
                    // The same branch on another hop is that of a proxy that looks away.
                    other.branch() == ack.branch() && other.branch() != Some(hop.branch)
                }
                Field::RequestUri | Field::ToTag | Field::To | Field::Destination => false,
            }
        })
    }

    /// The ACK to this 2xx that its caller sent where neither route nor Contact leads, while the
    /// 2xx goes on on the hop next to the callee; with what it should have been sent to.
    pub fn misplaced_ack(
        &self,
        hop: &Transaction<'c>,
        answer: &Answer<'c>,
    ) -> Option<(&'c Message<'c>, Route<'c>)> {
        let request = hop.request?;
        // Only the caller itself sees the whole route; a proxy may rewrite what is behind it.
        let is_of_caller = hop.upstream.is_none() && request.vias().nth(1).is_none();
        if !is_of_caller || !hop.is_initial() || answer.repeats.is_empty() {
            return None;
        }
        let route = Route::of_caller(answer.first);
        let mut found = None;
        for ack in self.acks_to(hop, answer.first) {
            if ack.source.address != hop.client.address || !route.is_missed_by(ack, hop.server) {
                return None;
            }
            found.get_or_insert(ack);
        }
        let ack = found.filter(|ack| answer.goes_on_after(ack.time))?;
        Some((ack, route))
    }
}

/// The message may be an ACK of the client of this hop, or for its server.
fn is_on_way(ack: &Message<'_>, hop: &Transaction<'_>, is_success: bool) -> bool {
    let leaves = ack.source.address == hop.client.address;
    let arrives = ack.destination.address == hop.server.address;
    match is_success {
        true => leaves || arrives,
        // Part of the transaction, so on the way of the INVITE.
        false => leaves && arrives,
    }
}

/// The ACK is part of the transaction, so it is that of a failure (RFC 3261, section 17.1.1.3). A
/// client that gives the ACK to its 2xx the same branch has got no failure with that To-tag.
fn is_of_failure(ack: &Message<'_>, hop: &Transaction<'_>) -> bool {
    let is_failure = |answer: &Message<'_>| answer.status().is_some_and(|own| !own.is_success());
    let mut finals = hop.finals.iter();
    finals.any(|answer| is_failure(answer) && answer.to_tag() == ack.to_tag())
        && ack.branch() == Some(hop.branch)
}

/// The fields in which an ACK differs from what it should have for this final response.
fn differences<'c>(
    ack: &Message<'c>,
    hop: &Transaction<'c>,
    answer: &Message<'c>,
) -> impl Iterator<Item = Field> + use<'c> {
    let is_success = answer.status().is_some_and(Status::is_success);
    let fields = [
        (Field::CSeq, ack.cseq().map(|cseq| cseq.number) != Some(hop.cseq)),
        (Field::FromTag, ack.from_tag() != answer.from_tag()),
        (Field::ToTag, ack.to_tag() != answer.to_tag()),
        (Field::Branch, !is_success && ack.branch() != answer.branch()),
    ];
    fields.into_iter().filter_map(|(field, differs)| differs.then_some(field))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signaling::samples::{Sample, with_call};

    const INVITE: &str = "INVITE sip:bob@192.0.2.20 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK-1
From: <sip:alice@192.0.2.10>;tag=a
To: <sip:bob@192.0.2.20>
Call-ID: 1@192.0.2.10
CSeq: 1 INVITE

";
    const OK: &str = "SIP/2.0 200 OK
Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK-1
From: <sip:alice@192.0.2.10>;tag=a
To: <sip:bob@192.0.2.20>;tag=b
Contact: <sip:bob@192.0.2.20>
Call-ID: 1@192.0.2.10
CSeq: 1 INVITE

";

    fn ack(number: u32, uri: &str) -> String {
        format!(
            "ACK {uri} SIP/2.0
Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK-2
From: <sip:alice@192.0.2.10>;tag=a
To: <sip:bob@192.0.2.20>;tag=b
Call-ID: 1@192.0.2.10
CSeq: {number} ACK

"
        )
    }

    fn with_ack<T>(ack: &str, look: impl FnOnce(&Call<'_>, &Transaction<'_>) -> T) -> T {
        let samples: [Sample<'_>; 5] = [
            (0, 10, 20, INVITE),
            (1000, 20, 10, OK),
            (1010, 10, 20, ack),
            (1500, 20, 10, OK),
            (2500, 20, 10, OK),
        ];
        with_call(&samples, |call| look(call, call.transactions.first().expect("the INVITE")))
    }

    #[test]
    fn repeats_and_the_ack_of_an_answer() {
        with_ack(&ack(1, "sip:bob@192.0.2.20"), |call, hop| {
            let answer = hop.success().expect("an answer");
            assert_eq!((answer.repeats.len(), answer.repeating()), (2, Span::from_millis(1500)));
            assert_eq!(hop.answers().len(), 1);
            assert_eq!(call.acks_to(hop, answer.first).count(), 1);
            assert!(call.mismatched_ack(hop, &answer).is_none());
            assert!(call.misplaced_ack(hop, &answer).is_none());
            assert!(!call.is_extra_fork(hop, answer.first));
        });
    }

    #[test]
    fn the_ack_of_a_failure_is_not_that_of_a_2xx() {
        let refused = OK.replace("200 OK", "487 Request Terminated");
        for (branch, count) in [("z9hG4bK-1", 0), ("z9hG4bK-2", 1)] {
            let own = ack(1, "sip:bob@192.0.2.20").replace("z9hG4bK-2", branch);
            let samples: [Sample<'_>; 4] =
                [(0, 10, 20, INVITE), (10, 20, 10, &refused), (20, 10, 20, &own), (90, 20, 10, OK)];
            with_call(&samples, |call| {
                let hop = call.transactions.first().expect("the INVITE");
                let answer = hop.success().expect("an answer");
                assert_eq!(call.acks_to(hop, answer.first).count(), count, "{branch}");
                let found = call.acks().next().expect("an ACK");
                assert_eq!(call.acknowledges_failure(found), count == 0, "{branch}");
            });
        }
        // A client that gives the ACK to its 2xx the branch of the INVITE is understood.
        let own = ack(1, "sip:bob@192.0.2.20").replace("z9hG4bK-2", "z9hG4bK-1");
        with_ack(&own, |call, hop| {
            let answer = hop.success().expect("an answer");
            assert_eq!(call.acks_to(hop, answer.first).count(), 1);
        });
    }

    #[test]
    fn a_2xx_that_goes_on_to_the_end_was_acknowledged_in_vain() {
        let own = ack(1, "sip:bob@192.0.2.20");
        let bye = "BYE sip:alice@192.0.2.10 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.20;branch=z9hG4bK-3
From: <sip:bob@192.0.2.20>;tag=b
To: <sip:alice@192.0.2.10>;tag=a
Call-ID: 1@192.0.2.10
CSeq: 1 BYE

";
        let look = |repeats: &[i64], bye_at: Option<i64>| {
            let mut samples: Vec<Sample<'_>> =
                vec![(0, 10, 20, INVITE), (1000, 20, 10, OK), (1010, 10, 20, &own)];
            samples.extend(repeats.iter().map(|after| (1000 + after, 20, 10, OK)));
            samples.extend(bye_at.map(|after| (1000 + after, 20, 10, bye)));
            with_call(&samples, |call| {
                let hop = call.transactions.first().expect("the INVITE");
                let answer = hop.success().expect("an answer");
                (call.given_up(&answer).is_some(), call.is_acknowledged_in_vain(&answer))
            })
        };
        let all = [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
        assert_eq!(look(&all, Some(32_000)), (true, true));
        assert_eq!(look(&all, None), (false, true));
        // The session went on, or the repeats had ended before.
        assert_eq!(look(&all, Some(70_000)), (false, false));
        assert_eq!(look(&all[..4], Some(32_000)), (true, false));
        assert_eq!(look(&all[..4], None), (false, false));
    }

    #[test]
    fn an_ack_with_another_number_does_not_fit() {
        with_ack(&ack(2, "sip:bob@192.0.2.20"), |call, hop| {
            let answer = hop.success().expect("an answer");
            assert_eq!(call.acks_to(hop, answer.first).count(), 0);
            let field = call.mismatched_ack(hop, &answer).map(|(_, field)| field);
            assert_eq!(field, Some(Field::CSeq));
        });
    }

    #[test]
    fn an_ack_to_another_host_is_misplaced() {
        with_ack(&ack(1, "sip:bob@192.0.2.99"), |call, hop| {
            let answer = hop.success().expect("an answer");
            assert!(call.misplaced_ack(hop, &answer).is_some());
        });
    }
}
