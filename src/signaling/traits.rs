//! What a call shows at a glance: enough to know of most faults that it cannot have them.
//!
//! A trait is what several questions have in common that are asked of every call: a method, a kind
//! of response, a header field. All of them are found in one walk over the messages, the
//! transactions and the descriptions, so that what asks more is asked of few calls.

use std::net::IpAddr;

use crate::sdp::{Direction, Media};
use crate::signaling::call::Call;
use crate::signaling::challenge::ChainEnd;
use crate::signaling::message::Message;
use crate::signaling::negotiation::Negotiations;
use crate::signaling::reach::Reach;
use crate::signaling::settings::Stir;
use crate::signaling::transaction::Transaction;
use crate::sip::{COOKIE, CSEQ_END, Class, HeaderName, Method, Names, Status, timers};
use crate::time::{Span, Time};

/// So many transactions are looked through for branches that were used twice; of more it is taken
/// for granted.
const PAIRED_MAX: usize = 8;

/// Timers B, F and H of a client that shows none of its own: 64*T1 (RFC 3261, section 17).
const LASTING: Span = timers::T1.times(64);

/// Some traits of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits(u64);

/// Declares the traits, a bit each.
macro_rules! traits {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        #[derive(Clone, Copy)]
        #[repr(u32)]
        #[expect(non_camel_case_types, clippy::upper_case_acronyms, reason = "bits of constants")]
        enum Bit { $($name,)* }

        impl Traits {
            $($(#[$doc])* pub const $name: Self = Self(1 << Bit::$name as u32);)*
        }
    };
}

traits! {
    /// What every call has.
    ANY,
    /// What no call has.
    NEVER,
    /// An INVITE, or a response to one.
    INVITE,
    /// A BYE, or a response to one.
    BYE,
    /// A CANCEL, or a response to one.
    CANCEL,
    /// A PRACK, or a response to one.
    PRACK,
    /// An INFO, or a response to one.
    INFO,
    /// A REGISTER, or a response to one.
    REGISTER,
    /// A request other than ACK with a To-tag.
    INSIDE,
    /// A response 101-199.
    PROGRESS,
    /// 183.
    SESSION_PROGRESS,
    /// A response 3xx.
    REDIRECTION,
    /// 401 or 407.
    CHALLENGE,
    /// A response of 400 or more, no challenge.
    REFUSAL,
    /// A response by which a verifier of identities may refuse a request (RFC 8224, section 6.2.2).
    IDENTITY_REFUSAL,
    /// A response 5xx.
    SERVER_FAILURE,
    /// A response whose code is not registered.
    FOREIGN_STATUS,
    /// An initial INVITE.
    ATTEMPT,
    /// An initial INVITE that was not answered, and no step on the way to one that was.
    LOST,
    /// A request that was sent again.
    REPEAT,
    /// More than one final response in one transaction.
    SEVERAL_FINALS,
    /// A request without a final response.
    SILENCE,
    /// Responses without their request.
    STRAY,
    /// A request on more than one hop.
    HOPS,
    /// A request that went on to more than one server.
    FORK,
    /// More time between two messages than a client waits for a response.
    LASTING,
    /// One branch in two requests of one host that are not the same, or so many transactions that
    /// it is not worth looking.
    BRANCH_AGAIN,
    /// A challenge that nothing got through after.
    OPEN_CHALLENGE,
    /// Subscriptions, those by REFER too.
    SUBSCRIPTIONS,
    /// `Reason`.
    REASON,
    /// `RSeq`.
    RSEQ,
    /// `Record-Route`.
    RECORD_ROUTE,
    /// `Session-Expires`.
    SESSION_EXPIRES,
    /// `Identity`.
    IDENTITY,
    /// `Replaces`.
    REPLACES,
    /// A message that lacks a header field which it must have.
    LACKS_FIELD,
    /// A header field twice that may be there once only.
    FIELD_TWICE,
    /// A `Content-Length` that is not what follows, or none.
    ODD_LENGTH,
    /// A `CSeq` that is none, or not that of the request.
    ODD_CSEQ,
    /// A request whose branch is none of RFC 3261.
    ODD_BRANCH,
    /// A request that is too large for UDP.
    OVERSIZED,
    /// A message that came in several IP fragments.
    FRAGMENTS,
    /// A message that came from or went to a host that everybody can reach.
    PUBLIC_HOST,
    /// A message between two such hosts.
    PUBLIC_WAY,
    /// An offer or an answer.
    DESCRIPTION,
    /// Media that both sides agreed on.
    AGREEMENT,
    /// More than one exchange in one dialog on one hop.
    RENEGOTIATION,
    /// A description with a line of media that has port 0.
    REJECTED_LINE,
    /// An answer whose lines of media are not those of the offer.
    OTHER_LINES,
    /// Media that are not to flow both ways.
    ONE_WAY,
    /// Media that are encrypted, or may be.
    KEYING,
    /// `a=ptime` or `a=maxptime`.
    PTIME,
    /// The network said that packets did not arrive.
    DISRUPTION,
    /// Callers must sign who they are.
    SIGNING_DUE,
    /// Candidates for a path of media, or the word that they do not fit.
    ICE,
    /// RTP is in the capture.
    RTP,
    /// RTCP, STUN or DTLS is in the capture.
    CONTACTS,
}

impl Traits {
    /// These and those.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// All of `other` are among these.
    #[inline]
    pub const fn has_all(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// One of `other` is among these.
    #[inline]
    pub const fn has_any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Those of a call; what media are in the capture a call does not know.
    pub fn of(call: &Call<'_>) -> Self {
        let mut traits = Self::ANY;
        traits.look_at_messages(call);
        traits.look_at_transactions(&call.transactions);
        traits.set_if(!call.attempts.is_empty(), Self::ATTEMPT);
        let mut attempts = call.attempts.iter();
        let is_lost = attempts.any(|own| !own.is_answered() && !own.is_resolved(call));
        traits.set_if(is_lost, Self::LOST);
        let is_open = call.chains().iter().any(|chain| chain.end(call) != ChainEnd::Passed);
        traits.set_if(is_open, Self::OPEN_CHALLENGE);
        traits.set_if(!call.subscriptions.is_empty(), Self::SUBSCRIPTIONS);
        traits.set_if(!call.network().is_calm(), Self::DISRUPTION);
        traits.set_if(call.settings().stir == Stir::Required, Self::SIGNING_DUE);
        traits.look_at_negotiations(call.negotiations());
        traits
    }

    /// Adds a trait if it is there.
    #[inline]
    pub fn set_if(&mut self, is_so: bool, traits: Self) {
        self.0 |= if is_so { traits.0 } else { 0 };
    }

    fn look_at_messages(&mut self, call: &Call<'_>) {
        let mut spell: Option<(Time, Time)> = None;
        let mut known: Option<(IpAddr, IpAddr)> = None;
        for message in call.messages {
            let (first, last) = spell.unwrap_or((message.time, message.time));
            spell = Some((first.min(message.time), last.max(message.time)));
            let (source, destination) = (message.source.address, message.destination.address);
            if known != Some((source, destination)) && known != Some((destination, source)) {
                known = Some((source, destination));
                let is_public = |end: IpAddr| call.settings().reach(end) == Reach::Public;
                let (from, to) = (is_public(source), is_public(destination));
                self.set_if(from || to, Self::PUBLIC_HOST);
                self.set_if(from && to, Self::PUBLIC_WAY);
            }
            self.look_at_fields(message);
            self.look_at_start(message);
        }
        let length = spell.map(|(first, last)| last.since(first));
        self.set_if(length.is_some_and(|length| length >= LASTING), Self::LASTING);
    }

    fn look_at_start(&mut self, message: &Message<'_>) {
        *self = self.or(match message.method() {
            Method::Invite => Self::INVITE,
            Method::Bye => Self::BYE,
            Method::Cancel => Self::CANCEL,
            Method::Prack => Self::PRACK,
            Method::Info => Self::INFO,
            Method::Register => Self::REGISTER,
            _ => Self::ANY,
        });
        match message.status() {
            Some(status) => *self = self.or(of_status(status)),
            // Whatever is not meant as a response counts as the request of its transaction.
            None if !message.is_meant_as_response() => self.look_at_request(message),
            None => self.set_if(message.is_response(), Self::FOREIGN_STATUS),
        }
    }

    fn look_at_request(&mut self, message: &Message<'_>) {
        let is_whole = |branch: &[u8]| branch.len() > COOKIE.len() && branch.starts_with(COOKIE);
        self.set_if(!message.branch().is_some_and(is_whole), Self::ODD_BRANCH);
        self.set_if(message.is_oversized(), Self::OVERSIZED);
        let is_own = message.cseq().is_some_and(|cseq| cseq.method == message.method());
        self.set_if(!is_own, Self::ODD_CSEQ);
        let is_inside = message.to_tag().is_some() && message.method() != Method::Ack;
        self.set_if(is_inside, Self::INSIDE);
    }

    fn look_at_fields(&mut self, message: &Message<'_>) {
        for (name, traits) in FIELDS {
            self.set_if(message.has(name), traits);
        }
        self.set_if(message.names_again().has_any(&SINGLETONS), Self::FIELD_TWICE);
        self.set_if(!message.lacks().is_empty(), Self::LACKS_FIELD);
        // A second one does not count, even where the first is no number.
        let length = message.content_length().and_then(Result::ok).map(|length| length as usize);
        let is_plain = length == Some(message.bytes_after_headers());
        self.set_if(!is_plain, Self::ODD_LENGTH);
        self.set_if(message.is_fragmented, Self::FRAGMENTS);
        self.set_if(message.cseq().is_none_or(|own| own.number >= CSEQ_END), Self::ODD_CSEQ);
    }

    fn look_at_transactions(&mut self, transactions: &[Transaction<'_>]) {
        for (place, hop) in transactions.iter().enumerate() {
            self.set_if(!hop.retransmissions.is_empty(), Self::REPEAT);
            self.set_if(hop.finals.len() > 1, Self::SEVERAL_FINALS);
            self.set_if(hop.request.is_none(), Self::STRAY);
            self.set_if(hop.request.is_some() && hop.finals.is_empty(), Self::SILENCE);
            self.set_if(hop.upstream.is_some(), Self::HOPS);
            self.set_if(hop.downstream.len() > 1, Self::FORK);
            let mut before = transactions.iter().take(place);
            let is_again = place >= PAIRED_MAX || before.any(|before| shares_branch(before, hop));
            self.set_if(is_again, Self::BRANCH_AGAIN);
        }
    }

    fn look_at_negotiations(&mut self, negotiations: &Negotiations<'_>) {
        for negotiation in negotiations.iter() {
            *self = self.or(Self::DESCRIPTION);
            self.set_if(!negotiation.periods.is_empty(), Self::AGREEMENT);
            self.set_if(negotiation.exchanges.len() > 1, Self::RENEGOTIATION);
            for exchange in &negotiation.exchanges {
                for (_, description) in exchange.descriptions() {
                    for media in &description.session.media {
                        let is_nowhere = media.connection.is_some_and(|own| own.is_unspecified());
                        let is_both = media.direction() == Direction::SendRecv && !is_nowhere;
                        self.set_if(media.is_rejected(), Self::REJECTED_LINE);
                        self.set_if(!is_both, Self::ONE_WAY);
                        let has_keys = media.may_have("crypto") || media.is_secure();
                        self.set_if(has_keys, Self::KEYING);
                        let has_ice = media.may_have("candidate") || media.may_have("ice-mismatch");
                        self.set_if(has_ice, Self::ICE);
                        let has_ptime = media.may_have("ptime") || media.may_have("maxptime");
                        self.set_if(has_ptime, Self::PTIME);
                    }
                }
                let is_like = exchange.pair().is_none_or(|(offer, answer)| {
                    let (own, other) = (&offer.session.media, &answer.session.media);
                    let is_same = |(own, other): (&Media<'_>, &Media<'_>)| own.kind == other.kind;
                    own.len() == other.len() && own.iter().zip(other).all(is_same)
                });
                self.set_if(!is_like, Self::OTHER_LINES);
            }
        }
    }
}

fn of_status(status: Status) -> Traits {
    let traits = match (status.code(), status.class()) {
        (100, _) | (_, Class::Success) => Traits::ANY,
        (183, _) => Traits::PROGRESS.or(Traits::SESSION_PROGRESS),
        (_, Class::Provisional) => Traits::PROGRESS,
        (_, Class::Redirection) => Traits::REDIRECTION,
        (401 | 407, _) => Traits::CHALLENGE,
        (403 | 428 | 436..=438, _) => Traits::REFUSAL.or(Traits::IDENTITY_REFUSAL),
        (_, Class::ServerError) => Traits::REFUSAL.or(Traits::SERVER_FAILURE),
        (_, Class::ClientError | Class::GlobalFailure) => Traits::REFUSAL,
    };
    // What most responses are needs no look into the registry.
    let is_usual = matches!(status.code(), 100 | 180 | 183 | 200 | 401 | 407 | 486 | 487);
    match is_usual || status.is_registered() {
        true => traits,
        false => traits.or(Traits::FOREIGN_STATUS),
    }
}

/// The two begin with the same branch, and no proxy made the one out of the other.
fn shares_branch(one: &Transaction<'_>, other: &Transaction<'_>) -> bool {
    one.branch == other.branch
        && one.client.address == other.client.address
        && (one.cseq, one.method) != (other.cseq, other.method)
        && one.method != Method::Cancel
        && other.method != Method::Cancel
}

/// What header fields tell by being there.
const FIELDS: [(HeaderName, Traits); 6] = [
    (HeaderName::Reason, Traits::REASON),
    (HeaderName::RSeq, Traits::RSEQ),
    (HeaderName::RecordRoute, Traits::RECORD_ROUTE),
    (HeaderName::SessionExpires, Traits::SESSION_EXPIRES),
    (HeaderName::Identity, Traits::IDENTITY),
    (HeaderName::Replaces, Traits::REPLACES),
];

/// Fields that may be there once only.
const SINGLETONS: Names = {
    let mut singletons = Names::NONE;
    let mut place = 0;
    while place < HeaderName::ALL.len() {
        if HeaderName::ALL[place].is_singleton() {
            singletons = singletons.with(HeaderName::ALL[place]);
        }
        place += 1;
    }
    singletons
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signaling::samples::with_call;

    #[test]
    fn traits_of_a_refused_invite() {
        let text = |line: &str, tag: &str| {
            format!(
                "{line}\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\nFrom: <sip:a@h>;tag=a\n\
                 To: <sip:b@h>{tag}\nCall-ID: 1\nCSeq: 1 INVITE\nContact: <sip:a@h>\n\
                 Max-Forwards: 70\nContent-Length: 0\n\n"
            )
        };
        let invite = text("INVITE sip:b@h SIP/2.0", "");
        let refusal = text("SIP/2.0 486 Busy Here", ";tag=b");
        let own = Traits::ANY.or(Traits::INVITE).or(Traits::ATTEMPT).or(Traits::PUBLIC_HOST);
        let own = own.or(Traits::PUBLIC_WAY);
        with_call(&[(0, 1, 2, &invite)], |call| {
            let traits = Traits::of(call);
            assert_eq!(traits, own.or(Traits::SILENCE).or(Traits::LOST));
        });
        with_call(&[(0, 1, 2, &invite), (9, 2, 1, &refusal)], |call| {
            assert_eq!(Traits::of(call), own.or(Traits::REFUSAL).or(Traits::LOST));
        });
    }
}
