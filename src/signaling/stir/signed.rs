//! What a signed identity says, held against the request that carries it.

use crate::signaling::message::Message;
use crate::signaling::stir::certificate::{Certificates, Verdict};
use crate::sip::{
    CountryCode, HeaderName, Identity, Likeness, Number, Party, Passport, PassportAnomalies, Uri,
    rebuilt,
};
use crate::time::{Span, Time};

/// A signed identity, read.
#[derive(Clone, Debug)]
pub struct Signed<'c> {
    /// The value of the header.
    pub identity: Identity<'c>,
    /// The token in it.
    pub passport: Passport,
    /// What is wrong with the two.
    pub wrong: PassportAnomalies,
}

/// Somebody is signed for, and somebody else is in the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discrepancy {
    /// Who is signed for, as it was written.
    pub signed: String,
    /// Who is in the request, as it was written.
    pub shown: Vec<u8>,
    /// It cannot be the same number.
    pub is_certain: bool,
}

impl<'c> Message<'c> {
    /// The signed identities of the request; none where the capture cut it.
    pub fn signed(&self) -> impl Iterator<Item = Signed<'c>> + '_ {
        self.identities().filter(|_| !self.is_cut).map(|identity| {
            let (passport, wrong) = identity.passport();
            Signed { identity, passport, wrong }
        })
    }

    /// A verifier has found the identity good before: `verstat` of the caller says so (3GPP TS
    /// 24.229, section 7.2A.20). What is changed behind it does no harm.
    pub fn is_verified(&self) -> bool {
        let passed = |value: &[u8]| {
            let value = value.to_ascii_lowercase();
            memchr::memmem::find(&value, b"verstat=tn-validation-passed").is_some()
        };
        self.lines(HeaderName::PAssertedIdentity).chain(self.lines(HeaderName::From)).any(passed)
    }

    /// The caller for whom it is signed is neither in From nor in P-Asserted-Identity.
    pub fn caller_discrepancy(&self, home: Option<&CountryCode>) -> Option<Discrepancy> {
        let asserted = self.addresses(HeaderName::PAssertedIdentity);
        let shown: Vec<_> = asserted.chain(self.from()).map(|address| address.uri).collect();
        self.signed()
            .filter(|signed| !signed.is_diversion())
            .find_map(|signed| discrepancy(signed.passport.origin().as_slice(), &shown, home))
    }

    /// The called one for whom it is signed is neither in To nor the target of the request, and no
    /// diversion is signed that tells why (RFC 8946).
    pub fn callee_discrepancy(&self, home: Option<&CountryCode>) -> Option<Discrepancy> {
        if self.signed().any(|signed| signed.is_diversion()) {
            return None;
        }
        let to = self.to().map(|address| address.uri);
        let shown: Vec<_> = self.request_uri().into_iter().chain(to).collect();
        self.signed().find_map(|signed| discrepancy(&signed.passport.destinations(), &shown, home))
    }
}

impl Signed<'_> {
    /// It tells of a diversion, and not of the call as it began.
    pub fn is_diversion(&self) -> bool {
        let is_div = |kind: &[u8]| kind.to_ascii_lowercase().starts_with(b"div");
        self.passport.extension().is_some_and(|kind| is_div(kind.as_bytes()))
            || self.identity.extension().is_some_and(|kind| is_div(&kind))
    }

    /// When it was signed.
    pub fn issued_at(&self) -> Option<Time> {
        self.passport.issued_at().map(|seconds| Time::from_parts(seconds, 0))
    }

    /// What the certificates say of the signature; a compact token is made whole with what the
    /// request says (RFC 8224, section 6.2).
    pub fn verdict<'s>(
        &self,
        request: &Message<'_>,
        certificates: &'s Certificates,
    ) -> Verdict<'s> {
        let Some(info) = self.identity.info().filter(|_| !certificates.is_empty()) else {
            return Verdict::NotChecked;
        };
        let candidates = match self.passport.signed() {
            Some(signed) => vec![signed.to_vec()],
            None => candidates(request, &info),
        };
        let signed: Vec<_> = candidates.iter().map(Vec::as_slice).collect();
        certificates.check(info.as_bytes(), &signed, self.passport.signature())
    }
}

/// What a compact token may leave out: the caller as From or P-Asserted-Identity has it, the called
/// one as To or the target, the time of Date.
fn candidates(request: &Message<'_>, info: &Uri<'_>) -> Vec<Vec<u8>> {
    let Some(date) = request.date() else { return Vec::new() };
    let seconds = date.since(Time::default()).nanos().div_euclid(Span::from_secs(1).nanos());
    let asserted = request.address(HeaderName::PAssertedIdentity);
    let callers = request.from().into_iter().chain(asserted).map(|address| party(&address.uri));
    let to = request.to().map(|address| address.uri);
    let callees: Vec<_> =
        to.into_iter().chain(request.request_uri()).map(|uri| party(&uri)).collect();
    let info = info.as_str();
    callers
        .flat_map(|caller| {
            callees
                .iter()
                .map(|callee| rebuilt(&info, &caller, callee, seconds))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Who is meant by a URI, in canonical form (RFC 8224, section 8).
fn party(uri: &Uri<'_>) -> Party {
    match Number::of(uri) {
        Some(number) => Party::Number(number.digits().to_owned()),
        None => {
            let user = uri.user_text().unwrap_or_default();
            let host = uri.host().map(|host| host.to_string().to_ascii_lowercase());
            Party::Uri(format!("sip:{user}@{}", host.unwrap_or_default()))
        }
    }
}

/// None of those who are signed for is among those who are shown; none if nobody can be compared.
fn discrepancy(
    parties: &[Party],
    shown: &[Uri<'_>],
    home: Option<&CountryCode>,
) -> Option<Discrepancy> {
    let mut found: Option<Discrepancy> = None;
    for party in parties {
        for uri in shown {
            let is_certain = match likeness(party, uri, home) {
                Some(Likeness::Same | Likeness::Perhaps) => return None,
                Some(Likeness::Unlike) => false,
                Some(Likeness::Different) => true,
                None => continue,
            };
            let found = found.get_or_insert_with(|| Discrepancy {
                signed: party.as_str().to_owned(),
                shown: uri.as_bytes().to_vec(),
                is_certain,
            });
            found.is_certain &= is_certain;
        }
    }
    found
}

/// None where a number meets a name: nobody can tell whose name it is.
fn likeness(party: &Party, uri: &Uri<'_>, home: Option<&CountryCode>) -> Option<Likeness> {
    match (party.number(), Number::of(uri)) {
        (Some(signed), Some(shown)) => Some(shown.likeness(signed.digits(), home)),
        (None, None) => {
            let Party::Uri(signed) = party else { return None };
            let signed = Uri::parse(signed.as_bytes());
            let is_comparable = signed.is_sip() && uri.is_sip() && !is_anonymous(uri);
            let is_same = signed.user_text() == uri.user_text() && signed.host() == uri.host();
            is_comparable.then_some(if is_same { Likeness::Same } else { Likeness::Unlike })
        }
        (Some(_), None) | (None, Some(_)) => None,
    }
}

/// The caller hides (RFC 3323, section 4.1.1.3).
pub(super) fn is_anonymous(uri: &Uri<'_>) -> bool {
    let is_nowhere = |host: String| host.eq_ignore_ascii_case("anonymous.invalid");
    uri.user().is_some_and(|user| user.eq_ignore_ascii_case(b"anonymous"))
        || uri.host().is_some_and(|host| is_nowhere(host.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(party: &Party, shown: &[&str]) -> Option<bool> {
        let uris: Vec<_> = shown.iter().map(|uri| Uri::parse(uri.as_bytes())).collect();
        discrepancy(std::slice::from_ref(party), &uris, None).map(|found| found.is_certain)
    }

    #[test]
    fn numbers_and_names() {
        let number = Party::Number("12155550112".to_owned());
        let name = Party::Uri("sip:alice@example.com".to_owned());
        let cases = [
            (&number, &["sip:+12155550112@example.com"][..], None),
            (&number, &["sip:alice@example.com"], None),
            (&number, &["sip:2155550112@example.com"], None),
            (&number, &["tel:+12155550999", "sip:1001@example.com"], Some(false)),
            (&number, &["tel:+12155550999", "sip:alice@example.com"], Some(true)),
            (&number, &["tel:+12155550999", "sip:2155550112@example.com"], None),
            (&name, &["sips:alice@EXAMPLE.com:5061;transport=tls"], None),
            (&name, &["sip:bob@example.com"], Some(false)),
            (&name, &["sip:anonymous@anonymous.invalid"], None),
            (&name, &["tel:+12155550999"], None),
        ];
        for (party, shown, expected) in cases {
            assert_eq!(of(party, shown), expected, "{shown:?}");
        }
    }
}
