//! Digest challenges and what the client made of them (RFC 3261, section 22; RFC 7616).

use std::borrow::Cow;

use crate::signaling::call::Call;
use crate::signaling::message::Message;
use crate::signaling::transaction::Transaction;
use crate::sip::{Challenge, Class, Credentials, Method, Start, Status, Uri};
use crate::time::{Span, Time};

/// Requests that are looked through for the one after a challenge.
const LOOK_AHEAD: usize = 256;

/// A request that was answered 401 or 407, and the next one of the same sender.
#[derive(Debug)]
pub struct Round<'c> {
    /// The transaction that was challenged.
    pub transaction: usize,
    /// The request.
    pub request: &'c Message<'c>,
    /// The 401 or 407.
    pub response: &'c Message<'c>,
    /// The next request of the same sender, method and dialog: its transaction.
    pub next: Option<usize>,
}

/// The challenges that one sender met, one after the other, with the same method in the same
/// dialog, until something else than a challenge came.
#[derive(Debug)]
pub struct Chain<'c> {
    /// The challenged requests, at least one.
    pub rounds: Vec<Round<'c>>,
    /// The request after the last challenge: its transaction.
    pub end: Option<usize>,
}

/// What came of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainEnd {
    /// The last message is a challenge.
    Challenged,
    /// A request followed the last challenge, and no final response to it was seen.
    Open,
    /// A request with credentials followed, and got 400 or 403: its transaction.
    Refused(usize),
    /// The sender got through, or failed for another reason.
    Passed,
}

/// Credentials that were refused.
#[derive(Debug)]
pub struct Refusal<'a, 'c> {
    /// The challenge that they answered.
    pub round: &'a Round<'c>,
    /// The transaction that carried them.
    pub transaction: usize,
    /// The request that carried them.
    pub request: &'c Message<'c>,
    /// The 400, 401, 403 or 407 that it got.
    pub response: &'c Message<'c>,
}

impl<'c> Call<'c> {
    /// Every 401 and 407 that a first sender got, in order of the requests.
    pub fn rounds(&self) -> Vec<Round<'c>> {
        let challenged = |transaction: &&Transaction<'c>| {
            let status = transaction.final_status().map(Status::code);
            transaction.upstream.is_none() && matches!(status, Some(401 | 407))
        };
        self.transactions
            .iter()
            .filter(challenged)
            .filter_map(|transaction| {
                Some(Round {
                    transaction: transaction.index,
                    request: transaction.request?,
                    response: transaction.final_response()?,
                    next: self.next_of(transaction),
                })
            })
            .collect()
    }

    /// The same, sorted by what followed on what.
    pub(super) fn collect_chains(&self) -> Vec<Chain<'c>> {
        let rounds = self.rounds();
        let transactions: Vec<_> = rounds.iter().map(|round| round.transaction).collect();
        let mut rounds: Vec<_> = rounds.into_iter().map(Some).collect();
        let mut chains = Vec::new();
        for start in 0..rounds.len() {
            let mut chain = Chain { rounds: Vec::new(), end: None };
            let mut place = Some(start);
            while let Some(round) =
                place.and_then(|place| rounds.get_mut(place)).and_then(Option::take)
            {
                chain.end = round.next;
                place = round.next.and_then(|next| transactions.binary_search(&next).ok());
                chain.rounds.push(round);
            }
            // Where the next request is part of a chain that began before, that one goes on.
            if !chain.rounds.is_empty() && place.is_none() {
                chains.push(chain);
            }
        }
        chains
    }

    /// The hop where the final response of `hop` was made: the farthest downstream that has the
    /// same status.
    pub fn origin_of<'a>(&'a self, hop: &'a Transaction<'c>) -> &'a Transaction<'c> {
        let mut origin = hop;
        // The links come from captured bytes, so they may form a ring.
        for _ in 0..self.transactions.len() {
            let mut below = origin.downstream.iter().filter_map(|at| self.transactions.get(*at));
            let is_same = |below: &&Transaction<'c>| {
                below.final_status().is_some() && below.final_status() == origin.final_status()
            };
            match below.find(is_same) {
                Some(below) => origin = below,
                None => break,
            }
        }
        origin
    }

    /// Something later belongs to a request after this refusal that was not captured (guard G3): a
    /// response to it, or a request in the dialog that it made.
    pub fn goes_on_unseen(&self, last: &Transaction<'c>) -> bool {
        let Some(refusal) = last.final_response() else { return false };
        let is_later = |message: &Message<'_>| {
            let number = message.cseq().map(|cseq| cseq.number);
            message.time >= refusal.time && number.is_some_and(|number| number > last.cseq)
        };
        let is_unseen = |other: &Transaction<'_>| {
            other.request.is_none()
                && other.client.address == last.client.address
                && other.first_response().is_some_and(is_later)
        };
        let from = refusal.from_tag();
        let is_of_dialog = |message: &Message<'_>| {
            let is_own = message.from_tag() == from || message.to_tag() == from;
            message.is_request() && message.to_tag().is_some() && is_own && is_later(message)
        };
        let later = self.transactions.iter().skip(last.index + 1).take(LOOK_AHEAD);
        let mut same = later.filter(|other| other.method == last.method);
        if same.clone().any(is_unseen) {
            return true;
        }
        // Once a later INVITE was seen to its end, the dialog is a matter of that.
        last.method == Method::Invite
            && last.is_initial()
            && same.all(|other| other.final_response().is_none())
            && self.messages.iter().rev().take(LOOK_AHEAD).any(is_of_dialog)
    }

    /// The next request of the same sender, method and dialog.
    fn next_of(&self, transaction: &Transaction<'c>) -> Option<usize> {
        let request = transaction.request?;
        let challenged = transaction.final_response()?;
        let later = self.transactions.get(transaction.index.checked_add(1)?..)?;
        let is_same = |own: &Message<'c>| match transaction.method {
            // A REGISTER is a dialog of nobody, and phones change its tag.
            Method::Register => user_of(own) == user_of(request),
            _ => (own.from_tag(), own.to_tag()) == (request.from_tag(), request.to_tag()),
        };
        let is_next = |other: &&Transaction<'c>| {
            other.method == transaction.method
                && other.client.address == transaction.client.address
                && (other.cseq != transaction.cseq || has_other_answer(other, request))
                && other.upstream.is_none()
                && other.request.is_some_and(|own| own.time >= challenged.time && is_same(own))
        };
        later.iter().take(LOOK_AHEAD).find(is_next).map(|other| other.index)
    }
}

impl<'c> Round<'c> {
    /// The digest challenges of the response.
    pub fn challenges(&self) -> impl Iterator<Item = Challenge<'c>> + '_ {
        self.response.challenges().filter(Challenge::is_digest)
    }

    /// The credentials that the request carried for the realm of a challenge in the response.
    pub fn credentials(&self) -> Option<Credentials<'c>> {
        self.request.credentials().find(|own| {
            own.is_digest() && self.challenges().any(|challenge| is_same_realm(own, &challenge))
        })
    }

    /// The request carried digest credentials, for whatever realm.
    pub fn has_credentials(&self) -> bool {
        self.request.credentials().any(|own| own.is_digest())
    }

    /// The password was right and only the nonce too old.
    pub fn is_stale(&self) -> bool {
        self.challenges().any(|challenge| challenge.is_stale())
    }

    /// The request carried credentials that fit an earlier challenge of `earlier`, and they were
    /// refused although the nonce was not too old.
    pub fn is_refused(&self, earlier: &[Round<'c>]) -> bool {
        let Some(own) = self.credentials().filter(|_| !self.is_stale()) else { return false };
        earlier
            .iter()
            .flat_map(Round::challenges)
            .any(|challenge| is_same_realm(&own, &challenge) && challenge.nonce() == own.nonce())
    }

    /// When the challenge came.
    pub fn at(&self) -> Time {
        self.response.time
    }

    /// From the challenge to the next request.
    pub fn answered_after(&self, call: &Call<'c>) -> Option<Span> {
        let next = call.transactions.get(self.next?)?;
        Some(next.started()?.since(self.at()))
    }

    /// The user that the credentials name.
    pub fn username(&self) -> Option<Cow<'c, [u8]>> {
        self.credentials()?.username()
    }

    /// Credentials for a realm of this challenge are in the request; where the challenge names no
    /// realm, any are.
    pub fn is_taken_up_by(&self, request: &Message<'c>) -> bool {
        let mut own = request.credentials();
        match self.challenges().next() {
            None => own.next().is_some(),
            Some(_) => {
                own.any(|own| self.challenges().any(|challenge| is_same_realm(&own, &challenge)))
            }
        }
    }

    /// The credentials of another request that are for a realm and a nonce of this challenge.
    pub fn answer_in(&self, request: &Message<'c>) -> Option<Credentials<'c>> {
        request.credentials().find(|own| {
            own.is_digest()
                && self.challenges().any(|challenge| {
                    is_same_realm(own, &challenge) && challenge.nonce() == own.nonce()
                })
        })
    }
}

impl<'c> Chain<'c> {
    /// The last challenge.
    pub fn last(&self) -> Option<&Round<'c>> {
        self.rounds.last()
    }

    /// What came of it.
    pub fn end(&self, call: &Call<'c>) -> ChainEnd {
        let Some(last) = self.last().and_then(|last| call.transactions.get(last.transaction))
        else {
            return ChainEnd::Passed;
        };
        if is_settled(call, last) || call.goes_on_unseen(last) {
            return ChainEnd::Passed;
        }
        let Some(end) = self.end.and_then(|end| call.transactions.get(end)) else {
            return ChainEnd::Challenged;
        };
        if is_settled(call, end) {
            return ChainEnd::Passed;
        }
        let has_credentials =
            || end.request.is_some_and(|own| own.credentials().any(|own| own.is_digest()));
        match end.final_status().map(Status::code) {
            None if end.progress().next().is_none() => ChainEnd::Open,
            Some(400 | 403) if has_credentials() => ChainEnd::Refused(end.index),
            _ => ChainEnd::Passed,
        }
    }

    /// The last request of the chain, if it carried digest credentials and was refused; nothing
    /// while another one is under way.
    pub fn refusal<'a>(&'a self, call: &Call<'c>) -> Option<Refusal<'a, 'c>> {
        let (round, transaction) = match self.end(call) {
            ChainEnd::Challenged => {
                let [.., before, last] = self.rounds.as_slice() else { return None };
                (before, last.transaction)
            }
            ChainEnd::Refused(end) => (self.last()?, end),
            ChainEnd::Open | ChainEnd::Passed => return None,
        };
        let refused = call.transactions.get(transaction)?;
        let (request, response) = (refused.request?, refused.final_response()?);
        let has_credentials = request.credentials().any(|own| own.is_digest());
        has_credentials.then_some(Refusal { round, transaction, request, response })
    }

    /// How many of the challenged requests carried digest credentials.
    pub fn answers(&self) -> usize {
        let has_credentials = |round: &&Round<'c>| round.has_credentials();
        self.rounds.iter().filter(has_credentials).count()
    }

    /// The transaction on which to report: the last one, where its final response was made.
    pub fn origin<'a>(&self, call: &'a Call<'c>) -> Option<&'a Transaction<'c>> {
        let last = match self.end(call) {
            ChainEnd::Refused(end) => end,
            _ => self.last()?.transaction,
        };
        Some(call.origin_of(call.transactions.get(last)?))
    }

    /// The user that the last credentials name, without any the one that `To` of a REGISTER or
    /// `From` of another request names.
    pub fn user(&self, call: &Call<'c>) -> Option<Cow<'c, [u8]>> {
        let end = self.end.and_then(|end| call.transactions.get(end)?.request);
        let requests = || end.into_iter().chain(self.rounds.iter().rev().map(|own| own.request));
        let mut named = requests()
            .flat_map(|own| own.credentials())
            .filter_map(|own| own.username().filter(|_| own.is_digest()));
        named.next().or_else(|| user_of(self.last()?.request).map(Cow::Borrowed))
    }

    /// Credentials of the last challenge's sender were refused although they were for its nonce and
    /// its realm.
    pub fn is_refused(&self, call: &Call<'c>) -> bool {
        let Some(refusal) = self.refusal(call) else { return false };
        let Some(own) = refusal.round.answer_in(refusal.request) else { return false };
        match refusal.response.status() {
            Some(Status::UNAUTHORIZED | Status::PROXY_AUTHENTICATION_REQUIRED) => {
                let again = || refusal.response.challenges().filter(Challenge::is_digest);
                again().any(|challenge| is_same_realm(&own, &challenge))
                    && !again().any(|challenge| challenge.is_stale())
            }
            _ => true,
        }
    }
}

impl<'c> Message<'c> {
    /// The digest URI of the credentials names another target than the request, whatever the
    /// parameters. Proxies change the request URI, so only what the first sender sends counts.
    pub fn has_foreign_digest_uri(&self, own: &Credentials<'c>) -> bool {
        let (Some(digest), Start::Request { uri, .. }) = (own.uri(), self.start()) else {
            return false;
        };
        // The same bytes are the same resource.
        if *digest == *uri {
            return false;
        }
        let (named, uri) = (Uri::parse(&digest), Uri::parse(uri));
        let port = |uri: &Uri<'_>| uri.port().unwrap_or(5060);
        let is_same = named.user().unwrap_or_default() == uri.user().unwrap_or_default()
            && named.host() == uri.host()
            && port(&named) == port(&uri);
        named.is_sip() && uri.is_sip() && !is_same && self.vias().take(2).count() == 1
    }
}

/// The request got through although this response refused it, or nobody waits for it any more.
fn is_settled(call: &Call<'_>, transaction: &Transaction<'_>) -> bool {
    let attempt = || call.attempts.iter().find(|attempt| attempt.hops.contains(&transaction.index));
    match transaction.method {
        Method::Invite if transaction.is_initial() => {
            call.is_given_up(transaction)
                || call.implies_answer(transaction)
                || attempt().is_some_and(|own| own.is_answered() || own.is_followed)
        }
        Method::Invite => call.is_given_up(transaction),
        _ => {
            transaction.final_status().map(Status::class) != Some(Class::Success)
                && call.got_through(transaction)
        }
    }
}

/// The request carries another answer than the earlier one, so it is not the same on another
/// branch: tools that guess passwords keep the number.
fn has_other_answer(transaction: &Transaction<'_>, earlier: &Message<'_>) -> bool {
    let answer = |request: &Message<'_>| {
        let mut all = request.credentials();
        all.find_map(|own| own.response().map(Cow::into_owned))
    };
    let own = transaction.request.and_then(answer);
    own.is_some() && own != answer(earlier)
}

/// The user that a REGISTER is for, or that another request is from.
fn user_of<'c>(request: &Message<'c>) -> Option<&'c [u8]> {
    match request.method() {
        Method::Register => request.to()?.uri.user(),
        _ => request.from()?.uri.user(),
    }
}

fn is_same_realm(credentials: &Credentials<'_>, challenge: &Challenge<'_>) -> bool {
    credentials.realm() == challenge.realm()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signaling::samples::with_call;

    fn register(cseq: u32, credentials: &str) -> String {
        format!(
            "REGISTER sip:example.com SIP/2.0\n\
             Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-{cseq}\n\
             From: <sip:1001@example.com>;tag=a\nTo: <sip:1001@example.com>\n\
             Call-ID: r\nCSeq: {cseq} REGISTER\nContact: <sip:1001@192.0.2.1>\n\
             {credentials}Content-Length: 0\n\n"
        )
    }

    fn answer(cseq: u32, status: &str, header: &str) -> String {
        format!(
            "SIP/2.0 {status}\n\
             Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-{cseq}\n\
             From: <sip:1001@example.com>;tag=a\nTo: <sip:1001@example.com>;tag=b{cseq}\n\
             Call-ID: r\nCSeq: {cseq} REGISTER\n{header}Content-Length: 0\n\n"
        )
    }

    fn digest(nonce: &str) -> String {
        format!(
            "Authorization: Digest username=\"1001\", realm=\"example.com\", nonce=\"{nonce}\", \
             uri=\"sip:example.com\", response=\"0\"\n"
        )
    }

    fn challenge(nonce: &str, more: &str) -> String {
        format!("WWW-Authenticate: Digest realm=\"example.com\", nonce=\"{nonce}\"{more}\n")
    }

    #[test]
    fn rounds_are_followed_by_realm_and_nonce() {
        let texts = [
            (0, 1, 2, register(1, "")),
            (10, 2, 1, answer(1, "401 Unauthorized", &challenge("n1", ""))),
            (50, 1, 2, register(2, &digest("n1"))),
            (60, 2, 1, answer(2, "401 Unauthorized", &challenge("n2", ", stale=true"))),
            (70, 1, 2, register(3, &digest("n2"))),
            (80, 2, 1, answer(3, "401 Unauthorized", &challenge("n3", ""))),
            (90, 1, 2, register(4, &digest("n9"))),
            (99, 2, 1, answer(4, "401 Unauthorized", &challenge("n4", ""))),
        ];
        let samples: Vec<_> =
            texts.iter().map(|(time, from, to, text)| (*time, *from, *to, text.as_str())).collect();
        with_call(&samples, |call| {
            let rounds = call.rounds();
            assert_eq!(rounds.len(), 4);
            let refused: Vec<_> = rounds
                .iter()
                .enumerate()
                .map(|(place, round)| round.is_refused(&rounds[..place]))
                .collect();
            // Without credentials, with an old nonce, refused, with a nonce of nobody.
            assert_eq!(refused, [false, false, true, false]);
            assert!(rounds[1].is_stale() && !rounds[2].is_stale());
            assert_eq!(rounds[0].answered_after(call), Some(Span::from_millis(40)));
            assert_eq!(rounds[3].next, None);
            assert_eq!(rounds[2].username().as_deref(), Some(b"1001".as_slice()));
        });
    }

    fn with_texts<T>(texts: &[(i64, u8, u8, String)], look: impl FnOnce(&Call<'_>) -> T) -> T {
        let samples: Vec<_> =
            texts.iter().map(|(time, from, to, text)| (*time, *from, *to, text.as_str())).collect();
        with_call(&samples, look)
    }

    #[test]
    fn a_chain_ends_where_no_challenge_follows() {
        let mut texts = vec![
            (0, 1, 2, register(1, "")),
            (10, 2, 1, answer(1, "401 Unauthorized", &challenge("n1", ""))),
            (20, 1, 2, register(2, &digest("n1"))),
            (30, 2, 1, answer(2, "401 Unauthorized", &challenge("n2", ""))),
        ];
        with_texts(&texts, |call| {
            let chains = call.chains();
            let [chain] = chains else { panic!("{chains:?}") };
            assert_eq!((chain.rounds.len(), chain.answers()), (2, 1));
            assert_eq!(chain.end(call), ChainEnd::Challenged);
            assert!(chain.is_refused(call));
            assert_eq!(chain.user(call).as_deref(), Some(b"1001".as_slice()));
            assert_eq!(chain.origin(call).map(|hop| hop.index), Some(1));
        });
        texts.push((40, 1, 2, register(3, &digest("n2"))));
        with_texts(&texts, |call| {
            let chains = call.chains();
            assert_eq!(chains[0].end(call), ChainEnd::Open);
            assert!(chains[0].refusal(call).is_none() && !chains[0].is_refused(call));
        });
        texts.push((50, 2, 1, answer(3, "403 Forbidden", "")));
        with_texts(&texts, |call| {
            let chains = call.chains();
            assert_eq!(chains[0].end(call), ChainEnd::Refused(2));
            assert_eq!(chains[0].refusal(call).map(|own| own.transaction), Some(2));
        });
        texts.pop();
        texts.push((50, 2, 1, answer(3, "200 OK", "")));
        texts.push((60, 1, 2, register(4, "")));
        texts.push((70, 2, 1, answer(4, "401 Unauthorized", &challenge("n3", ""))));
        with_texts(&texts, |call| {
            let chains = call.chains();
            let ends: Vec<_> = chains.iter().map(|chain| chain.end(call)).collect();
            assert_eq!(ends, [ChainEnd::Passed, ChainEnd::Challenged]);
        });
    }

    #[test]
    fn a_digest_uri_may_differ_in_parameters() {
        let is_foreign = |uri: &str| {
            let credentials = digest("n").replace("sip:example.com", uri);
            let texts = [(0, 1, 2, register(1, &credentials))];
            with_texts(&texts, |call| {
                let request = &call.messages[0];
                request.credentials().any(|own| request.has_foreign_digest_uri(&own))
            })
        };
        for uri in ["sip:example.com", "sip:EXAMPLE.com:5060;transport=udp", "tel:1", "example"] {
            assert!(!is_foreign(uri), "{uri}");
        }
        for uri in ["sip:192.0.2.2", "sip:a@example.com", "sip:example.com:5070"] {
            assert!(is_foreign(uri), "{uri}");
        }
    }
}
