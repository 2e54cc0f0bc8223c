//! What single headers of a message say, typed when asked for.
//!
//! A header that is there twice counts once, the first; see [`Message::duplicates`].

use super::address::{self, Address};
use super::cseq::{self, CSeq, RAck};
use super::dialog_id::DialogId;
use super::digest::{Challenge, Credentials};
use super::header_name::HeaderName;
use super::identity::Identity;
use super::lws::number;
use super::message::Message;
use super::method::Method;
use super::reason::{Reason, Warning};
use super::seconds::{RetryAfter, SessionExpires};
use super::subscription::{Event, SubscriptionState};
use super::via::{self, Via};
use crate::limits::IDENTITIES_PER_MESSAGE_MAX;

impl<'a> Message<'a> {
    /// The first `Call-ID` that is not empty; compared byte by byte (RFC 3261, section 20.8).
    pub fn call_id(&self) -> Option<&'a [u8]> {
        self.lines(HeaderName::CallId).find(|call_id| !call_id.is_empty())
    }

    /// `CSeq`; none as well if its number is not one below 2^32.
    pub fn cseq(&self) -> Option<CSeq<'a>> {
        CSeq::parse(self.header(HeaderName::CSeq)?)
    }

    /// The method in `CSeq`, whatever its number is.
    pub fn cseq_method(&self) -> Option<Method<'a>> {
        cseq::split(self.header(HeaderName::CSeq)?).map(|(_, method)| method)
    }

    /// `CSeq` in its two halves: the method whatever the number is, and both if there is a number.
    pub(crate) fn cseq_parts(&self) -> (Option<Method<'a>>, Option<CSeq<'a>>) {
        let Some((digits, method)) = self.header(HeaderName::CSeq).and_then(cseq::split) else {
            return (None, None);
        };
        (Some(method), number(digits).map(|number| CSeq { number, method }))
    }

    /// The first address in the first header with this name.
    pub fn address(&self, name: HeaderName) -> Option<Address<'a>> {
        self.value(name).map(Address::of)
    }

    /// All addresses in all headers with this name.
    pub fn addresses(&self, name: HeaderName) -> impl Iterator<Item = Address<'a>> + '_ {
        self.values(name).map(Address::of)
    }

    /// `From`.
    pub fn from(&self) -> Option<Address<'a>> {
        self.address(HeaderName::From)
    }

    /// `To`.
    pub fn to(&self) -> Option<Address<'a>> {
        self.address(HeaderName::To)
    }

    /// The first `Contact`.
    pub fn contact(&self) -> Option<Address<'a>> {
        self.address(HeaderName::Contact)
    }

    /// All values of `Contact`.
    pub fn contacts(&self) -> impl Iterator<Item = Address<'a>> + '_ {
        self.addresses(HeaderName::Contact)
    }

    /// The tag in `From`.
    pub fn from_tag(&self) -> Option<&'a [u8]> {
        address::tag_of(self.value(HeaderName::From)?)
    }

    /// The tag in `To`.
    pub fn to_tag(&self) -> Option<&'a [u8]> {
        address::tag_of(self.value(HeaderName::To)?)
    }

    /// The hops of the request, the last one first.
    pub fn vias(&self) -> impl Iterator<Item = Via<'a>> + '_ {
        self.values(HeaderName::Via).map(Via::of).filter(|via| !via.is_empty())
    }

    /// The last hop of the request.
    pub fn top_via(&self) -> Option<Via<'a>> {
        self.vias().next()
    }

    /// The branch of the last hop.
    pub fn branch(&self) -> Option<&'a [u8]> {
        if let Some(branch) = self.header(HeaderName::Via).and_then(via::plain_branch) {
            return Some(branch);
        }
        match self.value(HeaderName::Via)? {
            // The long way passes over values that name no hop; this one does.
            value if value.starts_with(b"SIP/2.0/") => via::branch_of(value),
            _ => self.top_via()?.branch(),
        }
    }

    /// The values of `Reason`.
    pub fn reason(&self) -> impl Iterator<Item = Reason<'a>> + '_ {
        self.values(HeaderName::Reason).filter_map(Reason::parse)
    }

    /// The cause of the telephone network that `Reason` names (RFC 3326).
    pub fn q850(&self) -> Option<u16> {
        self.reason().find(|reason| reason.is("Q.850")).and_then(|reason| reason.cause)
    }

    /// What the sender says that it is: `Server`, else `User-Agent`.
    pub fn software(&self) -> Option<&'a [u8]> {
        self.header(HeaderName::Server).or_else(|| self.header(HeaderName::UserAgent))
    }

    /// The values of `Warning`; those that do not begin with three digits are passed over.
    pub fn warnings(&self) -> impl Iterator<Item = Warning<'a>> + '_ {
        self.values(HeaderName::Warning).filter_map(Warning::parse)
    }

    /// `Retry-After`.
    pub fn retry_after(&self) -> Option<RetryAfter<'a>> {
        RetryAfter::parse(self.header(HeaderName::RetryAfter)?)
    }

    /// The methods in `Allow`.
    pub fn allow(&self) -> impl Iterator<Item = Method<'a>> + '_ {
        self.values(HeaderName::Allow).map(Method::of)
    }

    /// Whether `option` is among the tags in `Supported`, `Require` or the like, in any case.
    pub fn has_option(&self, name: HeaderName, option: &str) -> bool {
        self.values(name).any(|tag| tag.eq_ignore_ascii_case(option.as_bytes()))
    }

    /// `Event`.
    pub fn event(&self) -> Option<Event<'a>> {
        self.header(HeaderName::Event).map(Event::parse)
    }

    /// `Subscription-State`.
    pub fn subscription_state(&self) -> Option<SubscriptionState<'a>> {
        self.header(HeaderName::SubscriptionState).map(SubscriptionState::parse)
    }

    /// `Expires` in seconds.
    pub fn expires(&self) -> Option<u32> {
        number(self.header(HeaderName::Expires)?)
    }

    /// Seconds that a binding of `contact` lasts: by its own parameter, or else by `Expires`
    /// (RFC 3261, section 10.2.1.1).
    pub fn expires_of(&self, contact: &Address<'a>) -> Option<u32> {
        contact.expires().or_else(|| self.expires())
    }

    /// `Min-Expires` in seconds.
    pub fn min_expires(&self) -> Option<u32> {
        number(self.header(HeaderName::MinExpires)?)
    }

    /// `Max-Forwards`; none as well if it is more than 255 (RFC 3261, section 20.22).
    pub fn max_forwards(&self) -> Option<u8> {
        u8::try_from(number(self.header(HeaderName::MaxForwards)?)?).ok()
    }

    /// `Session-Expires`.
    pub fn session_expires(&self) -> Option<SessionExpires> {
        SessionExpires::parse(self.header(HeaderName::SessionExpires)?)
    }

    /// `Min-SE` in seconds (RFC 4028, section 5).
    pub fn min_se(&self) -> Option<u32> {
        SessionExpires::parse(self.header(HeaderName::MinSe)?).map(|min_se| min_se.seconds)
    }

    /// `RSeq` (RFC 3262, section 7.1).
    pub fn rseq(&self) -> Option<u32> {
        number(self.header(HeaderName::RSeq)?)
    }

    /// `RAck`.
    pub fn rack(&self) -> Option<RAck<'a>> {
        RAck::parse(self.header(HeaderName::RAck)?)
    }

    /// `Refer-To`.
    pub fn refer_to(&self) -> Option<Address<'a>> {
        self.address(HeaderName::ReferTo)
    }

    /// `Referred-By`.
    pub fn referred_by(&self) -> Option<Address<'a>> {
        self.address(HeaderName::ReferredBy)
    }

    /// `Replaces`.
    pub fn replaces(&self) -> Option<DialogId<'a>> {
        DialogId::parse(self.header(HeaderName::Replaces)?)
    }

    /// `Join`.
    pub fn join(&self) -> Option<DialogId<'a>> {
        DialogId::parse(self.header(HeaderName::Join)?)
    }

    /// `Target-Dialog`.
    pub fn target_dialog(&self) -> Option<DialogId<'a>> {
        DialogId::parse(self.header(HeaderName::TargetDialog)?)
    }

    /// The challenges of a registrar or callee, then those of proxies.
    pub fn challenges(&self) -> impl Iterator<Item = Challenge<'a>> + '_ {
        self.lines(HeaderName::WwwAuthenticate)
            .chain(self.lines(HeaderName::ProxyAuthenticate))
            .map(Challenge::parse)
    }

    /// The credentials for a registrar or callee, then those for proxies.
    pub fn credentials(&self) -> impl Iterator<Item = Credentials<'a>> + '_ {
        self.lines(HeaderName::Authorization)
            .chain(self.lines(HeaderName::ProxyAuthorization))
            .map(Credentials::parse)
    }

    /// The values of `Identity`.
    pub fn identities(&self) -> impl Iterator<Item = Identity<'a>> + '_ {
        self.values(HeaderName::Identity).take(IDENTITIES_PER_MESSAGE_MAX).map(Identity::parse)
    }
}
