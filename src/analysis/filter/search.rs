//! A bare word in an expression: searched for in what a list of calls shows.

use super::field::{Field, Subject};
use super::lexer::Operator;
use super::matcher::{Matcher, Pattern, PeerPattern, status};
use crate::packet::Endpoint;

/// A word, an address or a number to search for.
#[derive(Clone, Debug)]
pub(super) struct Search {
    /// In URIs and in the Call-ID.
    part: Pattern,
    /// Words that are found only as a whole: `answered` is in `unanswered`.
    whole: Pattern,
    /// By address, where it is one: `10.0.0.1` is not in `10.0.0.10`.
    peer: PeerPattern,
    status: Option<Matcher>,
}

impl Search {
    pub(super) fn new(text: &str) -> Self {
        let part = Pattern::part(text);
        let peer = PeerPattern::address(text);
        Self {
            peer: peer.unwrap_or_else(|| PeerPattern::Part(part.clone())),
            part,
            whole: Pattern::whole(text),
            status: status(text)
                .and_then(|_| Matcher::of(Field::Status.kind(), Operator::Equal, text).ok()),
        }
    }

    pub(super) fn finds(&self, subject: &Subject<'_>) -> bool {
        let call = subject.call;
        let is_in = |text: &str| self.part.fits(text);
        let has = |field: Field, matcher: &Matcher| {
            field.any(subject, &mut |value| matcher.fits(&value, subject))
        };
        let texts = [Some(&call.call_id), call.from_uri.as_ref(), call.to_uri.as_ref()];
        if texts.into_iter().flatten().any(|text| is_in(text)) {
            return true;
        }
        let part = Matcher::Text(self.part.clone());
        let whole = Matcher::Text(self.whole.clone());
        let names =
            |rule: &crate::finding::Rule| self.whole.fits(rule.code) || self.whole.fits(rule.name);
        let is_peer = |end: Endpoint| self.peer.fits(end, subject);
        has(Field::Number, &part)
            || call.transactions.iter().any(|own| is_peer(own.client) || is_peer(own.server))
            || [Field::Kind, Field::State, Field::Method]
                .into_iter()
                .any(|field| has(field, &whole))
            || self.status.as_ref().is_some_and(|status| has(Field::Status, status))
            || subject.findings.iter().any(|finding| names(finding.rule))
    }
}
