//! Digest challenges and what the client made of them (RFC 3261, section 22; RFC 7616).

use std::borrow::Cow;

use crate::signaling::call::Call;
use crate::signaling::message::Message;
use crate::signaling::transaction::Transaction;
use crate::sip::{Challenge, Credentials, Method, Status};
use crate::time::{Span, Time};

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

    /// The next request of the same sender, method and dialog.
    fn next_of(&self, transaction: &Transaction<'c>) -> Option<usize> {
        let request = transaction.request?;
        let later = self.transactions.get(transaction.index.checked_add(1)?..)?;
        let is_next = |other: &&Transaction<'c>| {
            other.method == transaction.method
                && other.client.address == transaction.client.address
                && other.cseq != transaction.cseq
                && other.upstream.is_none()
                && other.request.is_some_and(|own| {
                    (own.from_tag(), own.to_tag()) == (request.from_tag(), request.to_tag())
                        // A REGISTER is a dialog of nobody, and phones change its tag.
                        || transaction.method == Method::Register
                })
        };
        later.iter().find(is_next).map(|other| other.index)
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
}
