//! What a capture shows of signed caller identities (STIR): what verifiers say of them, and what
//! certificates of the user say of their signatures.
//!
//! RFC 8224 has the codes of refusals; RFC 9410 lets a verifier that lets the call through name
//! the same codes in a Reason header.

mod certificate;
mod der;
mod signed;

use std::borrow::Cow;

use crate::signaling::call::Call;
use crate::signaling::message::Message;
use crate::signaling::transaction::Transaction;
use crate::sip::{Reason, Status};

pub use certificate::{Certificate, Certificates, NotACertificate, Verdict};
pub use signed::{Discrepancy, Signed};

/// A response in which a verifier finds fault with the identity of a request.
#[derive(Clone, Debug)]
pub struct IdentityObjection<'c> {
    /// The response.
    pub response: &'c Message<'c>,
    /// The code, which is that of the response or stands in its Reason.
    pub code: u16,
    /// What the Reason adds.
    pub text: Option<Cow<'c, str>>,
    /// The request was refused for it; else the call went on.
    pub is_refusal: bool,
}

/// Where a request was still right, and where it no longer was.
#[derive(Clone, Copy, Debug)]
pub struct Turn<'a, 'c> {
    /// The request as it came.
    pub right: &'c Message<'c>,
    /// The hop on which it went on.
    pub wrong: &'a Transaction<'c>,
}

impl<'c> Call<'c> {
    /// The verifier's objection to the request with one of these codes, on the hop where it was
    /// made (guard G9); none if the caller took the refusal up or had given up (guard G7).
    pub fn objection(&self, hop: &Transaction<'c>, codes: &[u16]) -> Option<IdentityObjection<'c>> {
        if !hop.is_initial() {
            return None;
        }
        let objection = objection_to(hop, codes)?;
        let is_of_other = self
            .below(hop)
            .any(|below| objection_to(below, codes).is_some_and(|own| own.code == objection.code));
        let is_over = objection.is_refusal && (self.is_made_good(hop) || self.is_given_up(hop));
        (!is_of_other && !is_over).then_some(objection)
    }

    /// The two hops between which somebody got the request right and handed it on wrong, of those
    /// on the way to this one; none if nobody is seen to have got it right.
    pub fn turn<'a>(
        &'a self,
        hop: &'a Transaction<'c>,
        is_right: impl Fn(&Message<'c>) -> bool,
    ) -> Option<Turn<'a, 'c>> {
        let mut wrong = hop;
        for before in self.hops_before(hop) {
            match before.request.filter(|request| is_right(request)) {
                Some(right) => return Some(Turn { right, wrong }),
                None => wrong = before,
            }
        }
        None
    }
}

fn objection_to<'c>(hop: &Transaction<'c>, codes: &[u16]) -> Option<IdentityObjection<'c>> {
    let answer = hop.final_response();
    let is_failure = |answer: &Message<'_>| answer.status().is_some_and(Status::is_failure);
    if let Some(answer) = answer.filter(|answer| is_failure(answer)) {
        let told = reason(answer, codes);
        let status = answer.status().map(Status::code).filter(|code| codes.contains(code));
        // Anything may be forbidden; only the phrase or the Reason tells that it is the identity.
        let status = status.filter(|code| *code != 403 || says_stale(answer));
        let code = status.or(told.as_ref().map(|(code, _)| *code));
        if let Some(code) = code {
            let text = told.and_then(|(_, text)| text);
            return Some(IdentityObjection { response: answer, code, text, is_refusal: true });
        }
    }
    let responses = hop.progress().chain(hop.first_success());
    responses.into_iter().find_map(|response| {
        let (code, text) = reason(response, codes)?;
        Some(IdentityObjection { response, code, text, is_refusal: false })
    })
}

/// A value of Reason with the protocol STIR and one of these codes (RFC 9410, section 3).
fn reason<'c>(response: &Message<'c>, codes: &[u16]) -> Option<(u16, Option<Cow<'c, str>>)> {
    let is_own = |reason: &Reason<'_>| reason.is("STIR");
    let own = response.reason().filter(is_own);
    let mut own = own.filter_map(|reason| Some((reason.cause?, reason.text())));
    own.find(|(code, _)| codes.contains(code))
}

/// 403 Stale Date (RFC 8224, section 6.2.2).
fn says_stale(answer: &Message<'_>) -> bool {
    answer.reason_phrase().is_some_and(|phrase| phrase.to_ascii_lowercase().contains("stale"))
}

#[cfg(test)]
mod tests {
    use crate::signaling::Message;
    use crate::signaling::samples::{Sample, with_call};

    const INVITE: &str = "INVITE sip:b@example.com SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\n\
        From: <sip:a@example.com>;tag=a\nTo: <sip:b@example.com>\nCall-ID: sample\n\
        CSeq: 1 INVITE\nIdentity: ..AA;info=<https://a/b>\nContent-Length: 0\n\n";

    fn answer(first: &str, more: &str) -> String {
        format!(
            "SIP/2.0 {first}\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\nFrom: <sip:a@example.com>;tag=a\n\
             To: <sip:b@example.com>;tag=b\nCall-ID: sample\nCSeq: 1 INVITE\n{more}\
             Content-Length: 0\n\n"
        )
    }

    fn objection(first: &str, more: &str) -> Option<(u16, bool)> {
        let answer = answer(first, more);
        let samples: [Sample<'_>; 2] = [(0, 10, 20, INVITE), (100, 20, 10, &answer)];
        with_call(&samples, |call| {
            let hop = call.transactions.first().expect("a transaction");
            let found = call.objection(hop, &[403, 428, 436, 437, 438]);
            found.map(|found| (found.code, found.is_refusal))
        })
    }

    #[test]
    fn codes_and_reasons() {
        let reason = "Reason: Q.850;cause=16, STIR;cause=436;text=\"Bad Identity Info\"\n";
        assert_eq!(objection("438 Invalid Identity Header", ""), Some((438, true)));
        assert_eq!(objection("403 Stale Date", ""), Some((403, true)));
        assert_eq!(objection("403 Forbidden", ""), None);
        assert_eq!(objection("603 Decline", reason), Some((436, true)));
        assert_eq!(objection("183 Session Progress", reason), Some((436, false)));
        assert_eq!(objection("200 OK", reason), Some((436, false)));
        assert_eq!(objection("200 OK", "Reason: SIP;cause=436\n"), None);
    }

    #[test]
    fn who_removes_the_identity() {
        let below = INVITE.replace("Via:", "Via: SIP/2.0/UDP p;branch=z9hG4bK2\nVia:");
        let unsigned = below.replace("Identity:", "X-Other:");
        for (below, is_removed) in [(below, false), (unsigned, true)] {
            let samples: [Sample<'_>; 2] = [(0, 10, 20, INVITE), (5, 20, 30, &below)];
            with_call(&samples, |call| {
                let hop = call.transactions.get(1).expect("a second hop");
                let is_signed = |request: &Message<'_>| request.identities().next().is_some();
                assert_eq!(hop.request.map(is_signed), Some(!is_removed));
                let found = call.turn(hop, is_signed).map(|turn| turn.wrong.index);
                assert_eq!(found, Some(1));
            });
        }
    }
}
